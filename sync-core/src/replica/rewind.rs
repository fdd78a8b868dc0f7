//! What a phone lets go: entries that a restored server lost, feeds to which it lost the right.

use std::collections::BTreeSet;

use crate::change::ChangeRef;
use crate::exchange::FeedSet;
use crate::ids::{Feed, GroupId, Hash32};
use crate::log::Digest;
use crate::replica::load::{at_key, feed_op, groups_op};
use crate::replica::receive::Next;
use crate::replica::state::{
    TABLE_ACT, TABLE_CHANGE, TABLE_FOREIGN, TABLE_OFFER, TABLE_SEEN, delete, put,
};
use crate::replica::{Replica, Standing};

impl Replica {
    /// The server was restored: what came after `start` was lost there and is offered again.
    pub(super) fn rewind(&mut self, start: u64, next: &mut Next) {
        self.offers_shown = 0;
        for (index, _) in self.seen.split_off(&start) {
            next.ops.push(delete(TABLE_SEEN, &index.to_be_bytes()));
        }
        for (index, full) in self.acts.split_off(&start) {
            next.ops.push(delete(TABLE_ACT, &index.to_be_bytes()));
            let hash = full.act.hash(&self.identity.realm);
            next.ops
                .push(put(TABLE_OFFER, hash.as_bytes(), full.to_bytes()));
            if let Some(review) = full.review() {
                next.touched.insert(review.record);
            }
            self.offers.push(full);
        }
        let device = self.device();
        let mut lost = Vec::new();
        for (at, held) in &mut self.changes {
            // of what was told by a fate alone, nobody knows where it was
            let told = matches!(held.standing, Standing::Received | Standing::Aside(_));
            let gone = match held.placed {
                Some(placed) => placed.index >= start,
                None => told,
            };
            if !gone {
                continue;
            }
            let admitted = held.placed.take().map(|placed| placed.admitted);
            if held.full.change.device == device && self.chains.contains_key(&at.chain) {
                if let (Standing::Received, Some(admitted)) = (held.standing, admitted) {
                    next.ops.push(admitted.op(*at));
                    self.lost.insert(*at, admitted);
                }
                held.standing = Standing::Queued;
            } else {
                held.standing = Standing::Waiting; // of another: shown until its author comes
            }
            next.ops.push(held.op());
            next.touched.insert(held.full.change.record);
            lost.push(*at);
        }
        for at in lost {
            if let Some(chain) = self.chains.get_mut(&at.chain) {
                chain.known = chain.known.min(at.seq.saturating_sub(1));
                let op = chain.op(at.chain);
                next.ops.push(op);
            }
        }
        for feed in self.feeds() {
            let sum = self.sum_of(&feed);
            let cursor = self.cursor(&feed).min(start);
            self.set_feed(feed, cursor, sum, next);
        }
    }

    pub(super) fn sum_of(&self, feed: &Feed) -> Digest {
        self.seen
            .values()
            .filter(|seen| seen.feed == *feed)
            .fold(Digest::default(), |sum, seen| sum.plus(&seen.leaf))
    }

    pub(super) fn set_feed(&mut self, feed: Feed, cursor: u64, sum: Digest, next: &mut Next) {
        self.cursors.insert(feed, cursor);
        self.sums.insert(feed, sum);
        next.ops.push(feed_op(feed, cursor, sum));
    }

    /// The groups and feeds that this phone has a right to are others than it thought.
    pub(super) fn follow(&mut self, groups: Vec<(GroupId, FeedSet)>, next: &mut Next) {
        let before: BTreeSet<Feed> = self.feeds().into_iter().collect();
        self.groups = groups;
        next.ops.push(groups_op(&self.groups));
        let now: BTreeSet<Feed> = self.feeds().into_iter().collect();
        for feed in before.difference(&now) {
            self.forget(feed, next);
        }
    }

    /// A right was lost: what others wrote in that feed leaves this phone, the remarks of officers
    /// and the names of members among it: of an erasure it would not hear. Its own words stay,
    /// until they are safe elsewhere.
    fn forget(&mut self, feed: &Feed, next: &mut Next) {
        let device = self.device();
        self.forget_seen(feed, next);
        self.set_feed(*feed, 0, Digest::default(), next);
        let gone: Vec<ChangeRef> = self
            .changes
            .iter()
            .filter(|(_, held)| {
                let change = &held.full.change;
                change.device != device && Feed::of_records(held.logbook, change.device) == *feed
            })
            .map(|(at, _)| *at)
            .collect();
        for at in gone {
            if let Some(hash) = self.drop_change(at, next) {
                // the hash stays, so that the chain can go on when the right comes back
                self.foreign.insert(at, hash);
                let key = at_key(at);
                next.ops
                    .push(put(TABLE_FOREIGN, &key, hash.as_bytes().to_vec()));
            }
        }
        self.forget_acts(feed, next);
    }

    fn forget_acts(&mut self, feed: &Feed, next: &mut Next) {
        let gone: Vec<u64> = self
            .acts
            .iter()
            .filter(|(_, full)| full.act.feed == *feed)
            .map(|(index, _)| *index)
            .collect();
        for index in gone {
            let full = self.acts.remove(&index);
            next.ops.push(delete(TABLE_ACT, &index.to_be_bytes()));
            let of = full.and_then(|full| full.review().map(|review| review.record));
            next.touched.extend(of);
        }
        if let Feed::Group(group) = feed {
            self.group_infos.remove(group);
            self.members.retain(|(of, _), _| of != group);
        }
    }

    /// A change leaves this phone, whole; its hash.
    pub(super) fn drop_change(&mut self, at: ChangeRef, next: &mut Next) -> Option<Hash32> {
        let held = self.changes.remove(&at)?;
        let record = held.full.change.record;
        if let Some(of) = self.of_record.get_mut(&record) {
            of.remove(&at);
        }
        next.ops.push(delete(TABLE_CHANGE, &at_key(at)));
        next.touched.insert(record);
        Some(held.hash)
    }

    pub(super) fn forget_seen(&mut self, feed: &Feed, next: &mut Next) {
        let gone: Vec<u64> = self
            .seen
            .iter()
            .filter(|(_, seen)| seen.feed == *feed)
            .map(|(index, _)| *index)
            .collect();
        for index in gone {
            self.seen.remove(&index);
            next.ops.push(delete(TABLE_SEEN, &index.to_be_bytes()));
        }
    }
}
