//! Saying again: a change whose place on its chain was taken is written once more on a new chain.

use crate::change::{Act, ChangeRef, Slot};
use crate::ids::RecordId;
use crate::replica::load::at_key;
use crate::replica::save::{Frame, Job, SaveError};
use crate::replica::state::{TABLE_FORKED, TABLE_SAID, delete, put};
use crate::replica::{Replica, StoreOp};

impl Replica {
    /// The next change that has to be said again, as a job; `None` when there is none. To be
    /// called until it gives none.
    ///
    /// # Errors
    /// See [`SaveError`].
    pub fn say_again(&self, random: &[u8; 32]) -> Result<Option<Job>, SaveError> {
        // an edit waits until all that it builds on is said again
        let ready = self.forked.values().find(|held| {
            let heads = &held.full.change.heads;
            heads
                .iter()
                .all(|head| self.now_at(*head, held.full.change.record).is_some())
        });
        let Some(held) = ready else {
            return Ok(None);
        };
        let change = &held.full.change;
        let heads: Vec<ChangeRef> = change
            .heads
            .iter()
            .filter_map(|head| self.now_at(*head, change.record))
            .collect();
        let record = match change.act {
            Act::Create { .. } => None,
            Act::Edit => heads
                .first()
                .and_then(|head| self.record_at(*head))
                .or(Some(change.record)),
        };
        let frame = Frame {
            logbook: held.logbook,
            record,
            act: change.act,
            heads,
            clock_s: change.clock_s,
            mono_s: change.mono_s,
        };
        let plain = change
            .slots
            .iter()
            .filter_map(|(key, slot)| match slot {
                Slot::Plain(value) => Some((*key, value.clone())),
                Slot::Part(_) => None,
            })
            .collect();
        let parts = held.full.parts.values.clone();
        self.job(frame, (plain, parts), random, Some(held))
            .map(Some)
    }

    /// Where a change about `record` stands now that it may have been said again; `None` while it
    /// has to be. What another copy of this phone wrote at the same place is about its own record.
    fn now_at(&self, at: ChangeRef, record: RecordId) -> Option<ChangeRef> {
        let here = self.changes.get(&at);
        if here.is_some_and(|held| held.full.change.record == record) {
            return Some(at);
        }
        if self.forked.contains_key(&at) {
            return None;
        }
        // what left this phone with a lost right is still in the log
        let gone = self.foreign.contains_key(&at).then_some(at);
        self.said.get(&at).copied().or(gone)
    }

    /// Rows that change when `old` has been said again at `new`.
    pub(super) fn said_again_ops(old: ChangeRef, new: ChangeRef) -> Vec<StoreOp> {
        vec![
            delete(TABLE_FORKED, &at_key(old)),
            put(TABLE_SAID, &at_key(old), at_key(new)),
        ]
    }

    fn record_at(&self, at: ChangeRef) -> Option<RecordId> {
        self.changes.get(&at).map(|held| held.full.change.record)
    }
}
