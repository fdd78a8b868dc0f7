//! What a phone lets go: the words of records that are safe elsewhere, once they have been here for
//! as long as the rule of retention says.
//!
//! ```text
//! received -> safe -> due -> parts erased, line of the record left or not -> ops for the store
//! ```
//!
//! Words leave as by an erasure: the parts go, and the seed with them. What is under the hash stays,
//! and so do tips, cursors and evidence, so a chain goes on, and a change that the log loses comes
//! back under its receipt, without its words. The number of the member who wrote stays with it:
//! without that no log takes a change.

use std::collections::BTreeSet;

use crate::act::FullAct;
use crate::calendar::DAY_S;
use crate::change::{Parts, Secret};
use crate::ids::RecordId;
use crate::log::Head;
use crate::replica::state::{TABLE_ACT, TABLE_LEFT, put};
use crate::replica::{Held, Replica, Standing, StoreOp};
use crate::value::{AUTHOR_KEY, FieldKey};
use crate::vocabulary::Lane;

/// Days that a record stays after its receipt, or its line where the words leave at once.
pub const KEEP_DAYS: u16 = 90;
/// Most days that a deployer can give.
pub const KEEP_DAYS_MAX: u16 = 366;

/// A clock that is farther ahead of the newest receipt is not believed: one that was never set, or
/// was set wrong, must not empty a phone.
const AHEAD_S_MAX: i64 = 366 * DAY_S;

/// What is left on this phone of a record whose words it let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Left {
    /// Its line, with its state and what officers said.
    Line,
    /// No line either.
    Nothing,
}

impl Left {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Line => 1,
            Self::Nothing => 2,
        }
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Line),
            2 => Some(Self::Nothing),
            _ => None,
        }
    }
}

/// What leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[must_use = "until the ops are written, the words are in the store"]
pub struct LetGo {
    /// What the host writes, in one batch. Empty when nothing was due.
    pub ops: Vec<StoreOp>,
    /// Records that changed.
    pub touched: BTreeSet<RecordId>,
}

impl Replica {
    /// Lets go what is due by the host's clock: tips and protected records once they are safe, all
    /// others so many days after their newest receipt, and never before they are safe. The replica
    /// is changed at once; if the ops cannot be written, drop it and load it again.
    ///
    /// To be called when the app begins and after each answer. Without a copy on another disk
    /// nothing is safe, and nothing leaves.
    pub fn let_go(&mut self, keep_days: u16, now_s: i64) -> LetGo {
        let mut gone = LetGo::default();
        let Some(head) = self.receipt.as_ref().map(|receipt| receipt.head) else {
            return gone;
        };
        let keep_s = i64::from(keep_days.min(KEEP_DAYS_MAX)).saturating_mul(DAY_S);
        let until_s = believed(now_s, &head).saturating_sub(keep_s);
        let due: Vec<(RecordId, Left)> = self
            .of_record
            .keys()
            .filter_map(|id| Some((*id, self.due(*id, head.safe_size, until_s)?)))
            .collect();
        for (id, left) in due {
            self.let_go_record(id, left, &mut gone);
        }
        self.let_go_remarks(head.safe_size, &mut gone);
        gone
    }

    /// What is left of a record whose words this phone let go; `None` while it has them.
    #[must_use]
    pub fn left(&self, id: RecordId) -> Option<Left> {
        self.left.get(&id).copied()
    }

    /// What is to be left of a record: nothing is due of one of which anything is not safe yet.
    /// What was set aside decides nothing: it may be nowhere else, and it stays.
    fn due(&self, id: RecordId, safe_size: u64, until_s: i64) -> Option<Left> {
        let known = self.left(id);
        if self
            .forked
            .values()
            .any(|held| held.full.change.record == id)
        {
            return None;
        }
        let (mut lane, mut newest_s) = (None, i64::MIN);
        for held in self.held_of(id) {
            match held.standing {
                Standing::Received => {
                    let placed = held.placed.filter(|placed| placed.index < safe_size)?;
                    newest_s = newest_s.max(placed.admitted.at_s);
                    lane = Some(held.logbook.lane);
                }
                Standing::Aside(_) => {}
                Standing::Queued | Standing::Waiting | Standing::Forked => return None,
            }
        }
        let by_rule = match lane? {
            _ if newest_s <= until_s => Some(Left::Nothing),
            Lane::Tip | Lane::Protected => Some(Left::Line),
            // mediators follow a case over weeks, and there are no words in what they read
            Lane::Open | Lane::Mediation => None,
        };
        by_rule.max(known)
    }

    fn let_go_record(&mut self, id: RecordId, left: Left, gone: &mut LetGo) {
        let mut changed = self.left.insert(id, left) != Some(left);
        if changed {
            let row = vec![left.number()];
            gone.ops.push(put(TABLE_LEFT, id.as_bytes(), row));
        }
        for at in self.of_record.get(&id).into_iter().flatten() {
            let Some(held) = self.changes.get_mut(at) else {
                continue;
            };
            if held.standing == Standing::Received && forget_words(held) {
                gone.ops.push(held.op());
                changed = true;
            }
        }
        if changed {
            gone.touched.insert(id);
            self.merge(id);
        }
    }

    /// What officers said goes with the line of its record.
    fn let_go_remarks(&mut self, safe_size: u64, gone: &mut LetGo) {
        let left = &self.left;
        let safe = self.acts.range_mut(..safe_size);
        for (index, full) in safe.filter(|(_, full)| !full.parts.values.is_empty()) {
            let of = full.review().map(|review| review.record);
            if of.and_then(|of| left.get(&of)) != Some(&Left::Nothing) {
                continue;
            }
            let keys: Vec<FieldKey> = full.parts.values.keys().copied().collect();
            gone.ops.push(erase_act(*index, full, &keys));
            gone.touched.extend(of);
        }
    }
}

/// The words of an act go; its row.
pub(super) fn erase_act(index: u64, full: &mut FullAct, keys: &[FieldKey]) -> StoreOp {
    full.parts.erase(keys);
    put(TABLE_ACT, &index.to_be_bytes(), full.to_bytes())
}

/// Takes all parts but the number of the member who wrote; whether there were any.
fn forget_words(held: &mut Held) -> bool {
    let Parts { secret, values } = &held.full.parts;
    let keys: Vec<FieldKey> = values
        .keys()
        .copied()
        .filter(|key| *key != AUTHOR_KEY)
        .collect();
    let has_words = !keys.is_empty() || matches!(secret, Secret::Seed(_));
    if has_words {
        held.full.parts.erase(&keys);
    }
    has_words
}

/// The time by which words leave: that of the phone's clock, if it can be.
fn believed(now_s: i64, head: &Head) -> i64 {
    if now_s > head.time_s.saturating_add(AHEAD_S_MAX) {
        return head.time_s;
    }
    now_s.max(head.time_s)
}
