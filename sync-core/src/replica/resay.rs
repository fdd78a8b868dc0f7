//! Saying again: a change whose place on its chain was taken is written once more on a new chain.

use crate::change::{Act, ChangeRef, Slot};
use crate::ids::RecordId;
use crate::replica::save::{Frame, Job, SaveError};
use crate::replica::{Held, Replica, Standing};

impl Replica {
    /// The next change that has to be said again, as a job; `None` when there is none. To be
    /// called until it gives none.
    ///
    /// # Errors
    /// See [`SaveError`].
    pub fn say_again(&self, random: &[u8; 32]) -> Result<Option<Job>, SaveError> {
        let mut forked: Vec<&Held> = self
            .changes
            .values()
            .filter(|held| held.standing == Standing::Forked)
            .collect();
        // in the order in which they were written, so that edits find their creation said again
        forked.sort_by_key(|held| (held.full.change.clock_s, held.full.change.at));
        let ready = forked.iter().find(|held| {
            let heads = &held.full.change.heads;
            heads.iter().all(|head| self.now_at(*head).is_some())
        });
        let Some(held) = ready else {
            return Ok(None);
        };
        let change = &held.full.change;
        let heads: Vec<ChangeRef> = change
            .heads
            .iter()
            .filter_map(|head| self.now_at(*head))
            .collect();
        let record = match change.act {
            Act::Create { .. } => None,
            Act::Edit => heads.first().and_then(|head| self.record_at(*head)),
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
        self.job(frame, (plain, parts), random, Some((*held).clone()))
            .map(Some)
    }

    /// Where a change stands now that it may have been said again; `None` while it has to be.
    fn now_at(&self, at: ChangeRef) -> Option<ChangeRef> {
        match self.changes.get(&at)?.standing {
            Standing::SaidAgain(again) => self.now_at(again),
            Standing::Forked => None,
            Standing::Queued | Standing::Waiting | Standing::Received | Standing::Aside(_) => {
                Some(at)
            }
        }
    }

    fn record_at(&self, at: ChangeRef) -> Option<RecordId> {
        self.changes.get(&at).map(|held| held.full.change.record)
    }
}
