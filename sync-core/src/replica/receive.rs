//! Receiving: an answer that the log signed becomes rows of the phone's store.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::act::{Control, FullAct, Said};
use crate::bytes::{Malformed, Writer};
use crate::change::{ChangeRef, FullChange};
use crate::codec::Model;
use crate::exchange::{
    Answer, AnswerFacts, Evidence, Fate, Outcome, Problem, ProblemCode, Reply, Sealed, WireEntry,
    WireError, WireSaid, fates_bytes,
};
use crate::ids::{Feed, Hash32, RecordId};
use crate::log::{Digest, Head, Receipt, answer_hash};
use crate::replica::keep::erase_act;
use crate::replica::load::{at_key, setting};
use crate::replica::state::{
    SETTING_CONFIRMED, SETTING_NONCE, SETTING_RECEIPT, TABLE_ACT, TABLE_FOREIGN, TABLE_LOST,
    TABLE_OFFER, TABLE_RECEIPT, delete, put,
};
use crate::replica::{Admission, Held, Outgoing, Placed, Replica, Seen, Standing, StoreOp};
use crate::value::FieldKey;

/// How often acts are shown that the server does not take back.
const OFFER_SHOWINGS_MAX: u8 = 8;

/// Answers in a row that do not fit before everything is pulled again: one can be an accident.
const DOUBTS_BEFORE_AFRESH: u8 = 2;

/// Why an answer was not taken. Nothing was changed and nothing is lost: what was sent stays
/// queued.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// The bytes are no answer: cut off, damaged, or not from this server.
    #[error("the answer cannot be read: {0}")]
    Unreadable(#[from] WireError),
    /// The log did not sign this answer to this request.
    #[error("the answer is not signed by the log that this phone trusts")]
    Forged,
    /// The answer shows an older state of the log than this phone has seen.
    #[error("the answer is older than what this phone has seen")]
    Older,
    /// The log signed an entry that it must not hold, so this server cannot be trusted with more.
    #[error("entry {0} of the log is not sound")]
    Unsound(u64),
    /// The server said what is wrong.
    #[error("the server could not answer: {0:?}")]
    Problem(Problem),
}

/// What to do after an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// What the host writes, in one batch, before it shows anything. Empty when nothing changed.
    pub ops: Vec<StoreOp>,
    /// Come again at once: more waits, here or there.
    pub again: bool,
    /// Some changes must be said again on a new chain: call `say_again`.
    pub say_again: bool,
    /// Records that changed.
    pub touched: BTreeSet<RecordId>,
}

impl AnswerFacts for Replica {
    fn hash_at(&self, at: ChangeRef) -> Option<Hash32> {
        self.changes
            .get(&at)
            .map(|held| held.hash)
            .or_else(|| self.foreign.get(&at).copied())
    }
    fn record_of(&self, at: ChangeRef) -> Option<RecordId> {
        self.changes.get(&at).map(|held| held.full.change.record)
    }
}

impl Replica {
    /// Takes an answer. The replica is changed at once; see the module's head for what to do when
    /// the ops cannot be written.
    ///
    /// # Errors
    /// See [`AnswerError`].
    pub fn handle_answer(
        &mut self,
        model: &Model,
        outgoing: &Outgoing,
        body: &[u8],
    ) -> Result<Next, AnswerError> {
        let reply = match Reply::read(model, body, &outgoing.ground, self) {
            Ok(reply) => reply,
            Err(error) => {
                // what was only cut off is asked for again as it was
                if error == WireError::Malformed(Malformed::Range) {
                    self.suspect(outgoing);
                }
                return Err(error.into());
            }
        };
        let (answer, sealed) = match reply {
            Reply::Problem(problem) => return self.handle_problem(problem),
            Reply::Answer(answer, sealed) => (*answer, sealed),
        };
        let evidence = self.check_receipt(outgoing, &answer, sealed)?;
        let known = self.receipt.as_ref().map(|known| known.head);
        let mut next = Next {
            ops: Vec::new(),
            again: answer.more,
            say_again: false,
            touched: BTreeSet::new(),
        };
        let offers = self.offers.len();
        self.version = self.version.saturating_add(1);
        self.show_tips = false;
        self.show_head = false;
        self.doubts = 0;
        if !answer.more {
            self.afresh = false;
        }
        if !self.confirmed && is_for_confirmed(&answer) {
            self.confirmed = true;
            next.ops.push(setting(SETTING_CONFIRMED, &[1]));
        }
        if known.is_some_and(|before| before.generation < answer.head.generation) {
            self.rewind(answer.head.generation_start, &mut next);
        }
        if let Some(groups) = answer.groups.clone() {
            self.follow(groups, &mut next);
        }
        if let Some(sums) = &answer.sums {
            self.compare(outgoing, sums, &mut next);
        }
        for fate in &answer.fates {
            self.take_fate(outgoing, fate, &mut next);
        }
        for (entry, leaf) in answer.entries.iter().zip(&evidence.leaves) {
            self.take_entry(entry, leaf, &mut next);
        }
        self.advance(&answer, &mut next);
        if self.confirmed && !answer.more {
            self.ask_again(&mut next);
        }
        next.ops
            .push(setting(SETTING_RECEIPT, &evidence.receipt.to_bytes()));
        self.receipt = Some(evidence.receipt.clone());
        if !answer.fates.is_empty() || !answer.entries.is_empty() {
            self.keep(evidence, &mut next);
        }
        for id in next.touched.clone() {
            self.merge(id);
        }
        next.say_again = !self.forked.is_empty();
        next.again |= self.has_queued() && !stuck(&answer.fates);
        self.count_offers(outgoing, offers, &mut next);
        Ok(next)
    }

    /// What proves the answer, once the log's signature was found to be over all of it, to this
    /// request, and no state of the log that is behind what this phone has seen.
    fn check_receipt(
        &mut self,
        outgoing: &Outgoing,
        answer: &Answer,
        sealed: Sealed,
    ) -> Result<Evidence, AnswerError> {
        let (realm, log) = (self.identity.realm, self.identity.log);
        let Sealed {
            signature,
            layout,
            leaves,
        } = sealed;
        let (statement, fates) = (outgoing.statement, fates_bytes(&answer.fates));
        let said = answer_hash(&realm, log.id(), &statement, &fates, &leaves, &layout);
        let receipt = Receipt {
            head: answer.head,
            answer: said,
            signature,
        };
        if !receipt.verifies(&realm, &log) {
            self.suspect(outgoing);
            return Err(AnswerError::Forged);
        }
        let known = self.receipt.as_ref().map(|known| known.head);
        if known.is_some_and(|known| is_older(&answer.head, &known)) {
            return Err(AnswerError::Older);
        }
        self.check_entries(answer)?;
        Ok(Evidence {
            receipt,
            statement,
            fates,
            leaves,
            layout,
        })
    }

    /// Keeps what proves later what an answer acknowledged and carried.
    fn keep(&mut self, evidence: Evidence, next: &mut Next) {
        let head = evidence.receipt.head;
        let mut key = head.generation.to_be_bytes().to_vec();
        key.extend_from_slice(&head.size.to_be_bytes());
        key.extend_from_slice(evidence.statement.as_bytes());
        let mut w = Writer::new();
        evidence.write(&mut w);
        next.ops.push(put(TABLE_RECEIPT, &key, w.into_bytes()));
        self.evidence.insert(key, evidence);
    }

    /// Acts that the server did not take back may follow on acts that another phone has yet to
    /// bring, so they are shown at some visits more, and then no longer.
    fn count_offers(&mut self, outgoing: &Outgoing, before: usize, next: &mut Next) {
        let progress = self.offers.len() < before;
        if outgoing.shows_offers && !progress {
            self.offers_shown = self.offers_shown.saturating_add(1);
        }
        if self.offers_shown >= OFFER_SHOWINGS_MAX {
            for full in core::mem::take(&mut self.offers) {
                let hash = full.act.hash(&self.identity.realm);
                next.ops.push(delete(TABLE_OFFER, hash.as_bytes()));
            }
        }
        next.again |= !self.offers.is_empty() && (progress || !outgoing.shows_offers);
    }

    /// An answer that cannot be read, or whose receipt does not fit, is damaged or forged, or this
    /// phone holds something else than the server believes, after a restore on either side. In
    /// case it is the last: the next visit takes nothing for granted. That costs bytes, not truth:
    /// an answer counts only under the log's signature.
    fn suspect(&mut self, outgoing: &Outgoing) {
        if outgoing.afresh || outgoing.ground.claims.is_empty() {
            self.afresh = false;
            self.doubts = 0;
            return;
        }
        self.doubts = self.doubts.saturating_add(1);
        if self.doubts < DOUBTS_BEFORE_AFRESH {
            return;
        }
        self.afresh = true;
        for feed in self.feeds() {
            self.cursors.insert(feed, 0);
            self.sums.insert(feed, Digest::default());
        }
        self.seen.clear();
    }

    fn handle_problem(&mut self, problem: Problem) -> Result<Next, AnswerError> {
        let asked = match problem.code {
            Some(ProblemCode::ShowTips) if !self.show_tips => {
                self.show_tips = true;
                true
            }
            Some(ProblemCode::ShowHead | ProblemCode::UnknownDevice)
                if !self.show_head && self.receipt.is_some() =>
            {
                self.show_head = true;
                true
            }
            Some(_) | None => false,
        };
        if !asked {
            return Err(AnswerError::Problem(problem));
        }
        Ok(Next {
            ops: Vec::new(),
            again: true,
            say_again: false,
            touched: BTreeSet::new(),
        })
    }

    /// An honest log holds only what is well made and signed; anything else is told, not taken.
    fn check_entries(&self, answer: &Answer) -> Result<(), AnswerError> {
        for entry in &answer.entries {
            let sound = match &entry.said {
                WireSaid::Change(full) => full.check().is_ok(),
                WireSaid::Act(full) => {
                    full.act.verifies(&self.identity.realm, &self.identity.log)
                        && full.act.feed == entry.feed
                }
                WireSaid::Own(at) => self.changes.contains_key(at),
                WireSaid::Aside { .. } => true,
            };
            if !sound || entry.index >= answer.head.size {
                return Err(AnswerError::Unsound(entry.index));
            }
        }
        Ok(())
    }

    /// The digest differs: the feed that does is pulled again from its beginning.
    fn compare(&mut self, outgoing: &Outgoing, sums: &[Digest], next: &mut Next) {
        let named = crate::exchange::feed_list(self.device(), &outgoing.ground.groups);
        for (feed, theirs) in named.iter().zip(sums) {
            let ours = self.sums.get(feed).copied().unwrap_or_default();
            if ours != *theirs {
                self.forget_seen(feed, next);
                self.set_feed(*feed, 0, Digest::default(), next);
            }
        }
    }

    fn take_fate(&mut self, outgoing: &Outgoing, fate: &Fate, next: &mut Next) {
        let Some((id, _)) = outgoing.ground.claims.get(fate.claim).copied() else {
            return;
        };
        let Some(chain) = self.chains.get_mut(&id) else {
            return;
        };
        // A fate speaks of what this visit sent, and of nothing before it: that may have been set
        // aside meanwhile. Only a gap says up to where the server has the chain at all.
        let sent = outgoing
            .runs
            .iter()
            .find(|(claim, ..)| *claim == fate.claim);
        let (first, last) = sent.map_or((1, 0), |(_, first, last)| (*first, *last));
        let through = match fate.outcome {
            Outcome::Gap => fate.through.min(chain.last()),
            Outcome::Forked => fate.through,
            Outcome::Received | Outcome::Waiting | Outcome::Full | Outcome::Refused => {
                fate.through.min(last)
            }
        };
        let range = match fate.outcome {
            Outcome::Gap => through.saturating_add(1)..=chain.last(),
            Outcome::Refused => return,
            Outcome::Received | Outcome::Waiting | Outcome::Full | Outcome::Forked => {
                first..=through.min(last)
            }
        };
        chain.known = match fate.outcome {
            // a rewind may have gone back farther
            Outcome::Gap => through.min(chain.known),
            // This very answer rewound to before the run. What lies between is sent again, so that
            // its fate is told: a phone that has lost the right to read hears of it in no feed.
            Outcome::Received | Outcome::Waiting | Outcome::Full | Outcome::Forked
                if chain.known.saturating_add(1) < first =>
            {
                chain.known
            }
            Outcome::Forked => through.min(chain.last()),
            Outcome::Received | Outcome::Waiting | Outcome::Refused | Outcome::Full => {
                chain.known.max(through)
            }
        };
        let logbook = chain.logbook;
        let op = chain.op(id);
        next.ops.push(op);
        for seq in range {
            let at = ChangeRef { chain: id, seq };
            let Some(held) = self.changes.get_mut(&at) else {
                continue;
            };
            let aside = fate.asides.iter().find(|(aside, _)| *aside == seq);
            let standing = match (fate.outcome, aside) {
                (_, Some((_, reason))) => Standing::Aside(*reason),
                (Outcome::Received | Outcome::Forked, None) => Standing::Received,
                (Outcome::Gap, None) => {
                    held.placed = None; // the log does not have it any more
                    Standing::Queued
                }
                (_, None) => Standing::Waiting,
            };
            if held.standing != standing {
                held.standing = standing;
                next.ops.push(held.op());
                next.touched.insert(held.full.change.record);
            }
        }
        if fate.outcome == Outcome::Forked {
            self.leave_chains(id, through, logbook, next);
        }
    }

    fn take_entry(&mut self, entry: &WireEntry, leaf: &Hash32, next: &mut Next) {
        if self.seen.contains_key(&entry.index) {
            return;
        }
        let seen = Seen {
            feed: entry.feed,
            leaf: *leaf,
        };
        next.ops.push(seen.op(entry.index));
        self.seen.insert(entry.index, seen);
        let sum = self.sums.entry(entry.feed).or_default();
        *sum = sum.plus(leaf);
        let placed = Some(Placed {
            index: entry.index,
            admitted: Admission {
                at_s: entry.admitted_at,
                generation: entry.generation,
            },
        });
        match &entry.said {
            WireSaid::Own(at) => {
                // the same answer may tell of a fork, and so have given it up
                self.stays(*at, next);
                let id = self.changes.get_mut(at).map(|held| {
                    held.placed = placed;
                    // also of what was set aside first and admitted later
                    held.standing = Standing::Received;
                    next.ops.push(held.op());
                    held.full.change.record
                });
                next.touched.extend(id);
                if self.lost.remove(at).is_some() {
                    next.ops.push(delete(TABLE_LOST, &at_key(*at)));
                }
                self.chain_knows(*at, next);
            }
            WireSaid::Change(full) => self.take_change(full, entry.feed, placed, next),
            WireSaid::Aside { at, change, reason } => {
                if let Some(held) = self.changes.get_mut(at)
                    && held.hash == *change
                {
                    held.placed = placed;
                    held.standing = Standing::Aside(*reason);
                    next.ops.push(held.op());
                    next.touched.insert(held.full.change.record);
                } else {
                    self.make_room(*at, *change, next);
                    // what was pulled here before a restore is not what the log has now
                    self.drop_change(*at, next);
                    self.foreign.insert(*at, *change);
                    let key = at_key(*at);
                    next.ops
                        .push(put(TABLE_FOREIGN, &key, change.as_bytes().to_vec()));
                }
                self.chain_knows(*at, next);
            }
            WireSaid::Act(full) => self.take_act(entry.index, full, next),
        }
    }

    fn take_change(
        &mut self,
        full: &FullChange,
        feed: Feed,
        placed: Option<Placed>,
        next: &mut Next,
    ) {
        let Some(logbook) = feed.logbook() else {
            return;
        };
        let at = full.change.at;
        let mut held = Held {
            hash: full.change.hash(&self.identity.realm),
            full: full.clone(),
            logbook,
            standing: Standing::Received,
            placed,
        };
        if self
            .forked
            .get(&at)
            .is_some_and(|old| old.hash == held.hash)
        {
            self.stays(at, next);
        }
        if let Some(known) = self.changes.get(&at)
            && known.hash == held.hash
            // What was erased or let go here stays so, whatever comes again; and what the author
            // let go, and had to bring back without its words, keeps them here.
            && (has_more(&held.full, &known.full) || !self.is_erased(at))
        {
            held.full.parts = known.full.parts.clone();
        }
        self.make_room(at, held.hash, next);
        next.ops.push(held.op());
        next.touched.insert(full.change.record);
        // the log has another change here than the one that was pulled before a restore
        next.touched.extend(self.hold(held));
        self.take_over(at.chain, next);
        self.chain_knows(at, next);
    }

    /// Whether the log erased something of a change, as far as this phone was told.
    fn is_erased(&self, at: ChangeRef) -> bool {
        self.acts.values().any(|full| {
            matches!(&full.act.said, Said::Control(Control::Erase { change, .. }) if *change == at)
        })
    }

    fn take_act(&mut self, index: u64, full: &FullAct, next: &mut Next) {
        next.ops
            .push(put(TABLE_ACT, &index.to_be_bytes(), full.to_bytes()));
        self.acts.insert(index, full.clone());
        let hash = full.act.hash(&self.identity.realm);
        if let Some(place) = self
            .offers
            .iter()
            .position(|offer| offer.act.hash(&self.identity.realm) == hash)
        {
            self.offers.remove(place);
            next.ops.push(delete(TABLE_OFFER, hash.as_bytes()));
        }
        self.learn(full);
        match &full.act.said {
            Said::Review(review) => {
                next.touched.insert(review.record);
            }
            Said::Control(Control::Erase { change, keys }) => {
                if let Some(held) = self.changes.get_mut(change) {
                    held.full.parts.erase(keys);
                    next.ops.push(held.op());
                    next.touched.insert(held.full.change.record);
                } else {
                    self.erase_words(*change, keys, next);
                }
            }
            Said::Control(_) => {}
        }
    }

    /// Words of an act are to go: of a remark, or the name of a member.
    fn erase_words(&mut self, at: ChangeRef, keys: &[FieldKey], next: &mut Next) {
        let found = self.acts.iter_mut().find(|(_, full)| full.act.at == at);
        let Some((index, full)) = found else {
            return;
        };
        next.ops.push(erase_act(*index, full, keys));
        if let Some(review) = full.review() {
            next.touched.insert(review.record);
        }
        let full = full.clone();
        self.learn(&full);
    }

    /// What waited for this phone to be confirmed and did not come back in a feed is sent once
    /// more: the same again is harmless, and its fate says what became of it.
    fn ask_again(&mut self, next: &mut Next) {
        for (id, chain) in &mut self.chains {
            let all = ChangeRef { chain: *id, seq: 0 }..=ChangeRef {
                chain: *id,
                seq: chain.known,
            };
            let waiting = self
                .changes
                .range(all)
                .find(|(_, held)| held.standing == Standing::Waiting);
            if let Some((at, _)) = waiting {
                chain.known = at.seq.saturating_sub(1);
                next.ops.push(chain.op(*id));
            }
        }
    }

    /// Moves the cursors, and keeps nonce and cursors.
    fn advance(&mut self, answer: &Answer, next: &mut Next) {
        for feed in self.feeds() {
            let cursor = self.cursor(&feed);
            let moved = cursor.max(answer.upto);
            let sum = self.sums.get(&feed).copied().unwrap_or_default();
            let touched = answer.entries.iter().any(|entry| entry.feed == feed);
            if moved != cursor || touched {
                self.set_feed(feed, moved, sum, next);
            }
        }
        if let Some(nonce) = answer.nonce {
            self.nonce = nonce;
            next.ops.push(setting(SETTING_NONCE, nonce.as_bytes()));
        }
    }
}

/// Whether only a phone that an officer has confirmed gets such an answer. Rights are told to no
/// other, also that there are none any more.
fn is_for_confirmed(answer: &Answer) -> bool {
    let received = |fate: &Fate| fate.outcome == Outcome::Received;
    answer.upto > 0 || answer.groups.is_some() || answer.fates.iter().any(received)
}

/// Whether the server took nothing for a reason that another visit will not change.
fn stuck(fates: &[Fate]) -> bool {
    fates
        .iter()
        .any(|fate| matches!(fate.outcome, Outcome::Refused | Outcome::Full))
}

/// Whether words are still in `one` that left `other`.
fn has_more(one: &FullChange, other: &FullChange) -> bool {
    one.parts.values.len() > other.parts.values.len()
}

/// Whether a head shows less of the log than one that this phone has seen.
fn is_older(new: &Head, known: &Head) -> bool {
    new.generation < known.generation
        || (new.generation == known.generation && new.size < known.size)
}
