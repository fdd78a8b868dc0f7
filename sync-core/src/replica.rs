//! The replica: the phone's side of the exchange, without a socket, a clock or a disk.
//!
//! ```text
//! save -> Job -> host writes its ops, fsync -> handle_appended -> "saved on this phone"
//! poll_request -> Outgoing -> host sends, receives -> handle_answer -> ops to write -> "received"
//! ```
//!
//! A [`Job`] changes nothing until [`Replica::handle_appended`] takes it, so a save that the disk
//! refused never happened. [`Replica::handle_answer`] changes the replica and gives the ops for
//! the store: if they cannot be written, drop the replica and load it again, and the next visit
//! brings the same answer.

mod chains;
mod keep;
mod load;
mod prove;
mod receive;
mod resay;
mod rewind;
mod save;
mod send;
mod state;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

pub use keep::{KEEP_DAYS, KEEP_DAYS_MAX, Left, LetGo};
pub use load::{LoadError, LoadRow};
pub use receive::{AnswerError, Next};
pub use save::{Edit, Job, SaveError};
pub use send::{Outgoing, SendError};
pub use state::{Badge, GroupInfo, Identity, MemberInfo, RemarkInfo, StoreOp};

use crate::act::{FullAct, Said, TEXT_PART};
use crate::change::{ChangeRef, FullChange};
use crate::exchange::{Evidence, FeedSet, feed_list};
use crate::ids::{
    AreaRef, ChainId, Feed, GroupId, Hash32, InstallationNonce, KeyId, Logbook, ReadNonce, RecordId,
};
use crate::log::{AsideReason, Digest, Receipt};
use crate::record::Record;
use crate::view::RecordView;
use crate::vocabulary::{Lane, Vocabulary};

/// What became of a change, as far as this phone knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// On this phone only.
    Queued,
    /// On the server's disk, outside the log, until an officer confirms this phone.
    Waiting,
    /// In the log: the server's word that it is on its disk.
    Received,
    /// Set aside for this reason.
    Aside(AsideReason),
    /// Another change was received at its place: it must be said again on a new chain.
    Forked,
}

/// A change that this phone holds.
#[derive(Debug, Clone)]
struct Held {
    full: FullChange,
    hash: Hash32,
    logbook: Logbook,
    standing: Standing,
    /// Where it is in the log, once known.
    placed: Option<Placed>,
}

/// Where a change is in the log.
#[derive(Debug, Clone, Copy)]
struct Placed {
    index: u64,
    admitted: Admission,
}

/// What the leaf of an entry says beside the change.
#[derive(Debug, Clone, Copy)]
struct Admission {
    /// Server time.
    at_s: i64,
    /// Generation in which it was first admitted.
    generation: u32,
}

/// One of this phone's own chains.
#[derive(Debug, Clone)]
struct OwnChain {
    logbook: Logbook,
    installation: InstallationNonce,
    /// Newest change on this phone.
    seq: u32,
    hash: Hash32,
    /// The server has it up to here: in the log, or waiting.
    known: u32,
    /// Forked: nothing more is written on it, and it is named up to here only.
    closed: Option<u32>,
}

impl OwnChain {
    /// The newest change that is named and offered.
    fn last(&self) -> u32 {
        self.closed.unwrap_or(self.seq)
    }
    /// Whether the server has yet to get something of it.
    fn is_behind(&self) -> bool {
        self.known < self.last()
    }
}

/// What an entry of the log was, for rewinding.
#[derive(Debug, Clone, Copy)]
struct Seen {
    feed: Feed,
    leaf: Hash32,
}

/// The phone's side of one log.
#[derive(Debug, Clone)]
pub struct Replica {
    identity: Identity,
    vocabulary: Vocabulary,
    /// Drawn at the first save after an installation, a restore or a fork.
    installation: Option<InstallationNonce>,
    version: u64,
    nonce: ReadNonce,
    receipt: Option<Receipt>,
    groups: Vec<(GroupId, FeedSet)>,
    cursors: BTreeMap<Feed, u64>,
    sums: BTreeMap<Feed, Digest>,
    seen: BTreeMap<u64, Seen>,
    chains: BTreeMap<ChainId, OwnChain>,
    changes: BTreeMap<ChangeRef, Held>,
    /// Changes whose place was taken, until they are said again.
    forked: BTreeMap<ChangeRef, Held>,
    /// Where those are that were said again.
    said: BTreeMap<ChangeRef, ChangeRef>,
    /// Hashes of changes of others that were set aside.
    foreign: BTreeMap<ChangeRef, Hash32>,
    of_record: BTreeMap<RecordId, BTreeSet<ChangeRef>>,
    records: BTreeMap<RecordId, Record>,
    /// What is left of records whose words were let go.
    left: BTreeMap<RecordId, Left>,
    /// Acts by index.
    acts: BTreeMap<u64, FullAct>,
    /// Acts of an earlier generation that the server has yet to take back.
    offers: Vec<FullAct>,
    /// What the log admitted of this phone and lost in a restore, until it has it again.
    lost: BTreeMap<ChangeRef, Admission>,
    /// What answers acknowledged, by the key of their rows.
    evidence: BTreeMap<Vec<u8>, Evidence>,
    /// How often they were shown since the app began.
    offers_shown: u8,
    /// Members by group and number.
    members: BTreeMap<(GroupId, u16), MemberInfo>,
    group_infos: BTreeMap<GroupId, GroupInfo>,
    /// The server asked for these at the last visit.
    show_tips: bool,
    show_head: bool,
    /// An answer did not fit what this phone holds: everything is pulled again, in full.
    afresh: bool,
    /// Answers in a row that did not fit.
    doubts: u8,
    confirmed: bool,
}

impl Replica {
    /// Key of this phone.
    #[must_use]
    pub fn device(&self) -> KeyId {
        self.identity.device.id()
    }
    /// What the phone was enrolled with.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }
    /// The vocabulary it works with.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }
    /// Whether an officer has confirmed this phone.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }
    /// Whether this phone has no group any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.receipt.is_some() && self.groups.is_empty()
    }
    /// The newest receipt.
    #[must_use]
    pub fn receipt(&self) -> Option<&Receipt> {
        self.receipt.as_ref()
    }
    /// Groups that this phone is in.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, Option<&GroupInfo>)> {
        self.groups
            .iter()
            .map(|(group, _)| (*group, self.group_infos.get(group)))
    }
    /// Members who may be chosen as the one who writes.
    pub fn members(&self, group: GroupId) -> impl Iterator<Item = (u16, &MemberInfo)> {
        let all = (group, 0)..=(group, u16::MAX);
        self.members
            .range(all)
            .map(|((_, number), info)| (*number, info))
            .filter(|(_, info)| info.role.is_some() && info.on_this_phone)
    }
    /// Name of a member, present or past, unless it was erased or never told.
    #[must_use]
    pub fn member_name(&self, group: GroupId, number: u16) -> Option<&str> {
        self.members.get(&(group, number))?.name.as_deref()
    }

    /// How many changes were ever saved on this phone: the host keeps it where no backup reaches,
    /// and gives it back to [`Replica::load`].
    #[must_use]
    pub fn high_water(&self) -> u64 {
        self.chains
            .values()
            .map(|chain| u64::from(chain.seq))
            .fold(0, u64::saturating_add)
    }

    /// All records, by name.
    pub fn records(&self) -> impl Iterator<Item = (&RecordId, Logbook, &Record)> {
        self.records
            .iter()
            .filter_map(|(id, record)| Some((id, self.logbook_of(record)?, record)))
    }

    /// One record.
    #[must_use]
    pub fn record(&self, id: RecordId) -> Option<(Logbook, &Record)> {
        let record = self.records.get(&id)?;
        Some((self.logbook_of(record)?, record))
    }

    fn logbook_of(&self, record: &Record) -> Option<Logbook> {
        self.changes.get(&record.creator()).map(|held| held.logbook)
    }

    /// One record for a screen.
    #[must_use]
    pub fn view(&self, id: RecordId) -> Option<RecordView> {
        self.view_with(id, &|_| None)
    }

    /// The same, with areas under the names that `area_name` gives.
    #[must_use]
    pub fn view_with(
        &self,
        id: RecordId,
        area_name: &dyn Fn(AreaRef) -> Option<String>,
    ) -> Option<RecordView> {
        let (logbook, record) = self.record(id)?;
        let view = RecordView::of_with(record, &self.vocabulary, logbook.lane, area_name);
        Some(match self.left(id) {
            Some(Left::Line | Left::Nothing) => view.without_fields(),
            None => view,
        })
    }

    /// What stands beside a record in a list: where its newest own change is, and the officers'
    /// last word.
    #[must_use]
    pub fn badge(&self, id: RecordId) -> Badge {
        let held = self.held_of(id);
        let mut badge = Badge {
            queued: 0,
            waiting: 0,
            received: 0,
            refused: Vec::new(),
            state: None,
            unanswered: false,
            safe: false,
        };
        let safe_size = self.receipt.as_ref().map_or(0, |r| r.head.safe_size);
        badge.safe = true;
        for held in held {
            match held.standing {
                Standing::Queued | Standing::Forked => {
                    badge.queued = badge.queued.saturating_add(1);
                }
                Standing::Waiting => badge.waiting = badge.waiting.saturating_add(1),
                Standing::Received => badge.received = badge.received.saturating_add(1),
                Standing::Aside(reason) => badge.refused.push((held.full.change.at, reason)),
            }
            badge.safe &= held.placed.is_some_and(|placed| placed.index < safe_size);
        }
        let newest_change = self
            .held_of(id)
            .filter_map(|held| held.placed)
            .map(|placed| placed.index)
            .max();
        for remark in self.remarks(id) {
            if remark.state.is_some() {
                badge.state = remark.state;
            }
            badge.unanswered = remark.asks;
            // a change of the group after the remark answers it, sent or not
            if newest_change.is_some_and(|newest| newest > remark.index) || badge.queued > 0 {
                badge.unanswered = false;
            }
        }
        badge
    }

    fn held_of(&self, id: RecordId) -> impl Iterator<Item = &Held> {
        self.of_record
            .get(&id)
            .into_iter()
            .flatten()
            .filter_map(|at| self.changes.get(at))
    }

    /// What officers said about a record, oldest first.
    #[must_use]
    pub fn remarks(&self, id: RecordId) -> Vec<RemarkInfo> {
        let returned = self.vocabulary.state_by_id("returned").map(|s| s.number);
        self.acts
            .iter()
            .filter_map(|(index, full)| {
                let review = full.review().filter(|review| review.record == id)?;
                Some(RemarkInfo {
                    index: *index,
                    time_s: full.act.time_s,
                    account: full.act.account,
                    account_name: full.words(crate::act::ACCOUNT_PART).map(str::to_owned),
                    field: review.field,
                    state: review.state,
                    reason: review.reason,
                    words: full.words(TEXT_PART).map(str::to_owned),
                    asks: review.state.is_none() || review.state == returned,
                })
            })
            .collect()
    }

    /// What was done at the desk about a group and about the whole log, as far as this phone is
    /// told: Control entries by index, newest first.
    pub fn controls(&self, group: GroupId) -> impl Iterator<Item = (u64, &FullAct)> {
        self.acts
            .iter()
            .rev()
            .map(|(index, full)| (*index, full))
            .filter(|(_, full)| matches!(full.act.said, Said::Control(_)))
            .filter(move |(_, full)| full.act.feed.group().is_none_or(|of| of == group))
    }

    /// Changes that are not in the log yet, oldest first of each chain, with why.
    pub fn unsettled(&self) -> impl Iterator<Item = (&FullChange, Standing)> {
        // a chain of another copy of this phone is that copy's to bring
        self.changes
            .values()
            .filter(|held| self.chains.contains_key(&held.full.change.at.chain))
            .filter(|held| held.standing != Standing::Received)
            .chain(self.forked.values())
            .map(|held| (&held.full, held.standing))
    }

    /// What became of one change.
    #[must_use]
    pub fn standing(&self, at: ChangeRef) -> Option<Standing> {
        self.changes.get(&at).map(|held| held.standing)
    }

    /// Where a change is in the log: index and server time of admission.
    #[must_use]
    pub fn placed(&self, at: ChangeRef) -> Option<(u64, i64)> {
        let placed = self.changes.get(&at)?.placed?;
        Some((placed.index, placed.admitted.at_s))
    }

    /// All changes that this phone holds with what became of them.
    pub fn changes(&self) -> impl Iterator<Item = (&FullChange, Standing)> {
        self.changes
            .values()
            .map(|held| (&held.full, held.standing))
    }

    /// The feeds it follows, in the order in which both sides count them.
    fn feeds(&self) -> Vec<Feed> {
        feed_list(self.device(), &self.groups)
    }

    fn cursor(&self, feed: &Feed) -> u64 {
        self.cursors.get(feed).copied().unwrap_or(0)
    }

    /// Merges a record anew from the changes that count for it. One that left this phone has none.
    fn merge(&mut self, id: RecordId) {
        if self.left(id) == Some(Left::Nothing) {
            self.records.remove(&id);
            return;
        }
        let counting: Vec<FullChange> = self
            .held_of(id)
            .filter(|held| {
                matches!(
                    held.standing,
                    Standing::Queued | Standing::Waiting | Standing::Received
                )
            })
            .map(|held| held.full.clone())
            .collect();
        match merge_all(counting) {
            Some(record) => {
                self.records.insert(id, record);
            }
            None => {
                self.records.remove(&id);
            }
        }
    }

    /// Lanes in which this phone's members may write in a group.
    #[must_use]
    pub fn lanes_to_write(&self, group: GroupId) -> Vec<Lane> {
        Lane::ALL
            .into_iter()
            .filter(|lane| {
                self.members(group).any(|(_, info)| {
                    info.role
                        .is_some_and(|role| self.vocabulary.may_write(role, *lane))
                })
            })
            .collect()
    }
}

/// Merges changes of one record in any order; those whose heads are missing are left out.
fn merge_all(mut changes: Vec<FullChange>) -> Option<Record> {
    let first = changes
        .iter()
        .position(|full| full.change.heads.is_empty())?;
    let mut record = Record::create(changes.swap_remove(first)).ok()?;
    loop {
        let before = changes.len();
        changes.retain(|full| {
            let ready = full.change.heads.iter().all(|head| record.contains(*head));
            !(ready && record.apply(full.clone()).is_ok())
        });
        if changes.len() == before {
            return Some(record);
        }
    }
}
