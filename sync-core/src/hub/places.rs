//! Areas through time, as far as the log knows: its events, and the groups that move with them.

use crate::act::{Control, Said};
use crate::hub::Hub;
use crate::hub::append::Tx;
use crate::hub::desk::{Acting, Refusal};
use crate::hub::facts::{self, Group, all, decode, index_at_end, key_of};
use crate::hub::ledger::{Ledger, LedgerFault, Table, View};
use crate::ids::{AreaRef, Feed, GroupId, Hash32};
use crate::limits::{AREA_EVENTS_BYTES_MAX, AREA_EVENTS_MAX};
use crate::territory::AreaEvent;

/// Every area event of the log, in the order of the log.
///
/// # Errors
/// The store's.
pub fn area_events(view: &impl View) -> Result<Vec<AreaEvent>, LedgerFault> {
    let mut events = Vec::new();
    for (key, _) in all(view, Table::AreaEvent, &[])? {
        let index = index_at_end(Table::AreaEvent, &key)?;
        let full = facts::full_act(view, index)?.ok_or(LedgerFault::Damaged(Table::AreaEvent))?;
        if let Said::Control(Control::AreaEvents { events: said, .. }) = full.act.said {
            events.extend(said);
        }
    }
    Ok(events)
}

/// The area of a group, by the entries below an index.
///
/// # Errors
/// The store's.
pub(super) fn area_at(
    view: &impl View,
    group: GroupId,
    below: u64,
) -> Result<Option<AreaRef>, LedgerFault> {
    let prefix = group.as_bytes();
    view.last(Table::GroupArea, prefix, &key_of(prefix, below))?
        .map(|(_, area)| decode(Table::GroupArea, &area, AreaRef::read))
        .transpose()
}

impl Hub {
    /// Takes area events into the log, in acts of the office, and moves the groups that move with
    /// them, in their own feeds. Whether each event fits what is known of the areas is the
    /// caller's to check before, in this transaction.
    ///
    /// # Errors
    /// The store's.
    pub fn take_area_events(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        file: Hash32,
        events: Vec<AreaEvent>,
        moves: Vec<(GroupId, Group)>,
    ) -> Result<(), Refusal> {
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        for events in batches(events) {
            let said = Said::Control(Control::AreaEvents { file, events });
            tx.sign(acting, Feed::Office, said, None)?;
        }
        for (group, row) in moves {
            let said = Said::Control(Control::Group {
                group,
                area: row.area,
                commune: row.commune,
                name: row.name,
            });
            tx.sign(acting, Feed::Group(group), said, None)?;
        }
        tx.finish()?;
        Ok(())
    }
}

/// As many events in each act as its bounds allow.
fn batches(events: Vec<AreaEvent>) -> Vec<Vec<AreaEvent>> {
    let mut batches: Vec<Vec<AreaEvent>> = Vec::new();
    let mut bytes_count = 0_usize;
    for event in events {
        let more = event.bytes_count();
        let fits = batches.last().is_some_and(|batch| {
            batch.len() < AREA_EVENTS_MAX
                && bytes_count.saturating_add(more) <= AREA_EVENTS_BYTES_MAX
        });
        if !fits {
            batches.push(Vec::new());
            bytes_count = 0;
        }
        bytes_count = bytes_count.saturating_add(more);
        if let Some(batch) = batches.last_mut() {
            batch.push(event);
        }
    }
    batches
}
