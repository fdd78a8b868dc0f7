//! Which phones have heard of an erasure, and which are silent.
//!
//! An erasure is an entry of a feed. A phone that has pulled up to it has erased the words in the
//! same step, so its next request says so by its cursor; nothing else is sent for it. That a phone
//! has heard is kept without a time: when people's phones came is nobody's business later.

use crate::act::{Control, Said};
use crate::exchange::{FeedSet, Wants, feed_list};
use crate::hub::append::Tx;
use crate::hub::facts::{self, Grant, all, index_at_end, key_of, pair_key};
use crate::hub::ledger::{Ledger, LedgerFault, Table, View};
use crate::hub::visit::Verified;
use crate::ids::{Feed, GroupId, KeyId, Logbook};

/// Rows by device, of phones that are silent: few, and looked through at each visit.
const SILENT: u8 = 0;
/// Rows by entry, of phones that have heard.
const HEARD: u8 = 1;

/// What is known of the phones that hold, or held, what an entry erased.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hearing {
    /// They have erased it.
    pub heard: Vec<KeyId>,
    /// They have not said so yet; one that was revoked never will.
    pub silent: Vec<KeyId>,
}

fn silent_key(device: KeyId, index: u64) -> Vec<u8> {
    key_of(&pair_key(&[SILENT], device.as_bytes()), index)
}

fn heard_prefix(index: u64) -> Vec<u8> {
    key_of(&[HEARD], index)
}

/// Which phones have heard of the erasure at an index.
pub fn hearing(view: &impl View, index: u64) -> Result<Hearing, LedgerFault> {
    let damaged = || LedgerFault::Damaged(Table::Heard);
    let mut hearing = Hearing::default();
    for (key, _) in all(view, Table::Heard, &heard_prefix(index))? {
        let device = key.last_chunk::<{ KeyId::LEN }>().ok_or_else(damaged)?;
        hearing.heard.push(KeyId(*device));
    }
    for (key, _) in all(view, Table::Heard, &[SILENT])? {
        if index_at_end(Table::Heard, &key)? == index {
            let device = key.get(1..=KeyId::LEN).and_then(KeyId::from_slice);
            hearing.silent.push(device.ok_or_else(damaged)?);
        }
    }
    Ok(hearing)
}

/// The erasures that a phone was silent about and has heard of now, as its cursors say.
pub(super) fn heard_now(
    view: &impl View,
    device: KeyId,
    groups: &[(GroupId, FeedSet)],
    wants: &Wants,
) -> Result<Vec<u64>, LedgerFault> {
    let silent = all(view, Table::Heard, &pair_key(&[SILENT], device.as_bytes()))?;
    // cursors of another generation point into another history
    if silent.is_empty() || wants.generation != facts::log_state(view)?.generation {
        return Ok(Vec::new());
    }
    let feeds = feed_list(device, groups);
    let mut heard = Vec::new();
    for (key, _) in silent {
        let index = index_at_end(Table::Heard, &key)?;
        let damaged = || LedgerFault::Damaged(Table::Heard);
        let feed = facts::entry(view, index)?.ok_or_else(damaged)?.leaf.feed;
        let place = feeds.iter().position(|of| *of == feed);
        if place.is_some_and(|place| wants.cursor_of(place) > index) {
            heard.push(index);
        }
    }
    Ok(heard)
}

/// Devices to which some grant of this kind was ever given in a group.
fn ever_granted(
    view: &impl View,
    group: GroupId,
    kind: impl Fn(&Grant) -> bool,
) -> Result<Vec<KeyId>, LedgerFault> {
    let mut devices = Vec::new();
    for device in facts::devices(view)? {
        if facts::grants_ever(view, device, group)?.iter().any(&kind) {
            devices.push(device);
        }
    }
    Ok(devices)
}

impl<L: Ledger> Tx<'_, '_, L> {
    /// After an act was appended: if it erases, every phone that may hold the words is silent from
    /// here on.
    pub(super) fn expect_hearing(
        &mut self,
        index: u64,
        feed: Feed,
        said: &Said,
    ) -> Result<(), LedgerFault> {
        if !matches!(said, Said::Control(Control::Erase { .. })) {
            return Ok(());
        }
        let devices = match feed {
            Feed::Private(_, device) => vec![device],
            Feed::Group(group) => {
                ever_granted(self.ledger, group, |grant| *grant != Grant::Revoked)?
            }
            Feed::Shared(Logbook { group, lane }) => {
                // some member who used the device could once read the lane
                let mut readers = facts::roles_ever(self.ledger, group)?;
                readers.retain(|(_, role)| self.hub.vocabulary.may_read(*role, lane));
                ever_granted(self.ledger, group, |grant| {
                    readers.iter().any(|(number, _)| grant.names(*number))
                })?
            }
            // phones pull no words of persons there
            Feed::Log | Feed::Office => Vec::new(),
        };
        for device in devices {
            self.ledger
                .put(Table::Heard, &silent_key(device, index), &[])?;
        }
        Ok(())
    }

    /// Notes what a visit says it has heard.
    pub(super) fn note_heard(&mut self, visit: &Verified) -> Result<(), LedgerFault> {
        for index in &visit.heard {
            self.ledger
                .delete(Table::Heard, &silent_key(visit.device, *index))?;
            let key = pair_key(&heard_prefix(*index), visit.device.as_bytes());
            self.ledger.put(Table::Heard, &key, &[])?;
        }
        Ok(())
    }
}
