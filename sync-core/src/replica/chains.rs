//! This phone's own chains: how far the server has them, when one is left, and what another copy of
//! the phone wrote on them.

use std::collections::BTreeMap;

use crate::change::ChangeRef;
use crate::ids::{ChainId, Hash32, Logbook};
use crate::replica::load::{at_key, setting};
use crate::replica::receive::Next;
use crate::replica::state::{SETTING_INSTALLATION, TABLE_CHANGE, TABLE_FORKED, delete};
use crate::replica::{Held, Replica, Standing};

impl Replica {
    /// A chain was forked: nothing more is written on it, and what the server does not have of
    /// this logbook is said again on a new chain. That holds for the other chains of the logbook
    /// too, because what they say may build on what must be said again. But what a restored server
    /// had admitted and lost is offered byte for byte, as long as it builds on none of that: said
    /// again it would stand there twice when another copy of this phone brings it.
    pub(super) fn leave_chains(
        &mut self,
        forked: ChainId,
        through: u32,
        logbook: Logbook,
        next: &mut Next,
    ) {
        self.installation = None;
        next.ops.push(setting(SETTING_INSTALLATION, &[]));
        for (id, end) in self.ends(forked, through, logbook) {
            let Some(chain) = self.chains.get_mut(&id) else {
                continue;
            };
            let last = chain.last();
            chain.closed = Some(end.min(last));
            next.ops.push(chain.op(id));
            for seq in end.saturating_add(1)..=last {
                let at = ChangeRef { chain: id, seq };
                let Some(mut held) = self.changes.remove(&at) else {
                    continue;
                };
                next.ops.push(delete(TABLE_CHANGE, &at_key(at)));
                let record = held.full.change.record;
                if let Some(of) = self.of_record.get_mut(&record) {
                    of.remove(&at);
                }
                next.touched.insert(record);
                held.standing = Standing::Forked;
                held.placed = None;
                next.ops.push(held.op());
                self.forked.insert(at, held);
            }
        }
    }

    /// The chains that are left with a forked one, and up to where each stays as it is.
    fn ends(&self, forked: ChainId, through: u32, logbook: Logbook) -> BTreeMap<ChainId, u32> {
        let mut ends = BTreeMap::new();
        for (id, chain) in &self.chains {
            if *id == forked {
                // the server has all up to the fork, told or not
                ends.insert(*id, through);
            } else if chain.logbook == logbook && chain.closed.is_none() {
                let mut end = chain.known;
                let next = |end: u32| ChangeRef {
                    chain: *id,
                    seq: end.saturating_add(1),
                };
                while end < chain.seq && self.lost.contains_key(&next(end)) {
                    end = end.saturating_add(1);
                }
                ends.insert(*id, end);
            }
        }
        // what builds on something that is said again must be said again too, on whatever chain
        loop {
            let built = |at: &ChangeRef| ends.get(&at.chain).is_some_and(|end| at.seq > *end);
            let mut others = ends.iter().filter(|(id, _)| **id != forked);
            let cut = others.find_map(|(id, end)| {
                let known = self.chains.get(id)?.known;
                (known.saturating_add(1)..=*end).find_map(|seq| {
                    let at = ChangeRef { chain: *id, seq };
                    let heads = &self.changes.get(&at)?.full.change.heads;
                    heads.iter().any(built).then_some(at)
                })
            });
            let Some(at) = cut else {
                return ends;
            };
            ends.insert(at.chain, at.seq.saturating_sub(1));
        }
    }

    /// The log has a change that was to be said again: it stays where it is.
    pub(super) fn stays(&mut self, at: ChangeRef, next: &mut Next) {
        if let Some(mut held) = self.forked.remove(&at) {
            next.ops.push(delete(TABLE_FORKED, &at_key(at)));
            next.touched.insert(held.full.change.record);
            held.standing = Standing::Received;
            next.ops.push(held.op());
            self.hold(held);
            self.take_over(at.chain, next);
        }
    }

    /// Something that this phone did not write stands on a chain of its own: it was restored from
    /// an older copy, or cloned. What it writes from now on goes on a new chain, and what it wrote
    /// at the places that are taken is said again.
    pub(super) fn make_room(&mut self, at: ChangeRef, hash: Hash32, next: &mut Next) {
        let Some(chain) = self.chains.get_mut(&at.chain) else {
            return;
        };
        let logbook = chain.logbook;
        let taken = self.changes.get(&at).is_some_and(|held| held.hash != hash);
        if taken {
            let through = at.seq.saturating_sub(1);
            chain.known = chain.known.min(through);
            self.leave_chains(at.chain, through, logbook, next);
        } else if at.seq > chain.seq && Some(chain.installation) == self.installation {
            self.installation = None;
            next.ops.push(setting(SETTING_INSTALLATION, &[]));
        }
    }

    /// What another copy of this phone wrote on a chain that both have is this phone's to bring as
    /// well, if the server loses it: the same key signs it, and the other copy may be gone.
    pub(super) fn take_over(&mut self, id: ChainId, next: &mut Next) {
        let Some(chain) = self.chains.get_mut(&id) else {
            return;
        };
        let already = chain.last();
        loop {
            let (last, seq) = (chain.last(), chain.last().saturating_add(1));
            let held_at = |seq| self.changes.get(&ChangeRef { chain: id, seq });
            let before = held_at(last).map_or(Hash32::default(), |held| held.hash);
            let follows = |held: &&Held| held.full.change.previous == before;
            let Some(held) = held_at(seq).filter(follows) else {
                break;
            };
            match &mut chain.closed {
                Some(last) => *last = seq,
                None => (chain.seq, chain.hash) = (seq, held.hash),
            }
        }
        if chain.last() != already {
            next.ops.push(chain.op(id));
        }
    }

    /// The server has this place of an own chain. It has the chain as far as every place before
    /// it is settled too: what a restored server lost in between is sent again.
    pub(super) fn chain_knows(&mut self, at: ChangeRef, next: &mut Next) {
        let Some(chain) = self.chains.get_mut(&at.chain) else {
            return;
        };
        let before = chain.known;
        while chain.known < chain.last().min(at.seq) {
            let seq = chain.known.saturating_add(1);
            let place = ChangeRef { seq, ..at };
            let settled = self
                .changes
                .get(&place)
                .is_some_and(|held| held.standing != Standing::Queued);
            if !settled {
                break;
            }
            chain.known = seq;
        }
        if chain.known != before {
            let op = chain.op(at.chain);
            next.ops.push(op);
        }
    }
}
