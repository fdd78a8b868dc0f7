//! Sending: one signed statement over cursors and tips, and the runs that fit.

use std::collections::BTreeSet;

use thiserror::Error;

use crate::act::FullAct;
use crate::chain::{Statement, tip_leaf};
use crate::change::{ChangeRef, FullChange};
use crate::codec::Model;
use crate::exchange::{
    ChainTable, FeedSet, Ground, GroupClaim, Home, OutRun, Proof, Request, RowBase, Sink, TipClaim,
    Wants, prefix_of,
};
use crate::ids::{ChainId, GroupId, Hash32, RecordId};
use crate::limits::{
    OFFERED_ACTS_MAX, REQUEST_BYTES_MAX, REQUEST_CHANGES_MAX, STATEMENT_CHAINS_MAX,
};
use crate::log::Digest;
use crate::replica::prove::Proofs;
use crate::replica::{OwnChain, Replica, Standing};

/// A request on its way, with what is needed to read its answer.
#[derive(Debug, Clone)]
pub struct Outgoing {
    pub(super) body: Vec<u8>,
    pub(super) ground: Ground,
    pub(super) statement: Hash32,
    pub(super) shows_offers: bool,
    pub(super) afresh: bool,
    /// Claim, first and last number of each run that it carries.
    pub(super) runs: Vec<(usize, u32, u32)>,
}

impl Outgoing {
    /// The body of `POST /v1/sync`.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// Why there is nothing to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SendError {
    /// The phone has not asked to be enrolled.
    #[error("this phone is not enrolled")]
    NotEnrolled,
}

/// What one visit may carry up.
struct Plan {
    claims: Vec<(ChainId, TipClaim, Hash32)>,
    runs: Vec<OutRun>,
    proofs: Vec<Proof>,
}

impl Replica {
    /// Whether something waits to be sent.
    #[must_use]
    pub fn has_queued(&self) -> bool {
        self.chains.values().any(OwnChain::is_behind)
    }

    /// A request within a budget of about `budget_bytes` of body, the answer within
    /// `answer_kib`; 0 for the server's measure. At least one change is sent when one waits.
    ///
    /// # Errors
    /// [`SendError::NotEnrolled`].
    pub fn poll_request(
        &self,
        model: &Model,
        budget_bytes: usize,
        answer_kib: u16,
    ) -> Result<Outgoing, SendError> {
        if self.groups.is_empty() && self.receipt.is_none() {
            return Err(SendError::NotEnrolled);
        }
        let groups = self.named_groups();
        let (realm, device) = (&self.identity.realm, &self.identity.device);
        let plan = self.plan(&groups, budget_bytes);
        let wants = self.wants(&groups, answer_kib);
        let leaves = plan
            .claims
            .iter()
            .map(|(chain, claim, hash)| {
                let tip = ChangeRef {
                    chain: *chain,
                    seq: claim.seq(),
                };
                tip_leaf(realm, device.id(), tip, hash)
            })
            .collect();
        let cursors = wants.hash(realm, device.id());
        let statement = Statement::sign(realm, device, self.nonce, cursors, leaves);
        let request = Request {
            device: device.id(),
            nonce: self.nonce,
            signature: statement.signature,
            wants,
            claims: plan.claims.iter().map(|(_, claim, _)| *claim).collect(),
            tips: self.show_tips.then(|| {
                let tips = plan.claims.iter();
                tips.map(|(chain, _, hash)| (*chain, *hash)).collect()
            }),
            head: self.receipt.clone().filter(|_| self.show_head),
            acts: self.acts_to_show(),
            proofs: plan.proofs,
        };
        let chains: Vec<ChainId> = plan.claims.iter().map(|(chain, ..)| *chain).collect();
        Ok(Outgoing {
            body: request.pack(model, &plan.runs, chains),
            ground: Ground {
                realm: *realm,
                log: self.identity.log.id(),
                device: device.id(),
                groups,
                claims: plan
                    .claims
                    .iter()
                    .map(|(chain, claim, _)| (*chain, if self.afresh { 0 } else { claim.seq() }))
                    .collect(),
            },
            statement: statement.hash(realm),
            shows_offers: !self.offers.is_empty(),
            afresh: self.afresh,
            runs: plan.runs.iter().filter_map(range_of).collect(),
        })
    }

    /// The groups that this phone follows, and those it has lost and still has something to bring
    /// to: an officer decides about that.
    fn named_groups(&self) -> Vec<(GroupId, FeedSet)> {
        let mut groups = self.groups.clone();
        for chain in self.chains.values() {
            let group = chain.logbook.group;
            if chain.is_behind() && !groups.iter().any(|(known, _)| *known == group) {
                groups.push((group, FeedSet::default()));
            }
        }
        groups
    }

    fn wants(&self, groups: &[(GroupId, FeedSet)], answer_kib: u16) -> Wants {
        let feeds = self.feeds();
        let cursor = feeds.iter().map(|f| self.cursor(f)).max().unwrap_or(0);
        let behind = feeds
            .iter()
            .enumerate()
            .filter(|(_, feed)| self.cursor(feed) != cursor)
            .filter_map(|(place, feed)| Some((u8::try_from(place).ok()?, self.cursor(feed))))
            .collect();
        let digest = feeds
            .iter()
            .filter_map(|feed| self.sums.get(feed))
            .fold(Digest::default(), |sum, one| sum.and(*one));
        let head = self.receipt.as_ref().map(|receipt| receipt.head);
        let root = head.and_then(|head| head.root.0.first_chunk::<4>().copied());
        Wants {
            digest: digest.low(),
            generation: head.map_or(0, |head| head.generation),
            size: head.map_or(0, |head| head.size),
            root: root.unwrap_or_default(),
            cursor,
            behind,
            groups: groups
                .iter()
                .map(|(group, feeds)| GroupClaim {
                    prefix: prefix_of(&group.0),
                    feeds: *feeds,
                })
                .collect(),
            budget_kib: answer_kib,
            afresh: self.afresh,
        }
    }

    /// Which chains to name, and which changes to send on each.
    fn plan(&self, groups: &[(GroupId, FeedSet)], budget: usize) -> Plan {
        let mut plan = Plan {
            claims: Vec::new(),
            runs: Vec::new(),
            proofs: Vec::new(),
        };
        let mut proofs = Proofs::default();
        let (mut spent, mut plain, mut count) = (FRAME_BYTES, 0usize, 0usize);
        let mut sent: BTreeSet<ChangeRef> = BTreeSet::new();
        for (id, chain) in &self.chains {
            let last = chain.last();
            let mut tip = chain.known.min(last);
            let mut changes: Vec<(FullChange, bool)> = Vec::new();
            // what a new chain says may build on what an old one has yet to bring
            let to_send = if self.has_elder(chain) { tip } else { last };
            for seq in chain.known.saturating_add(1)..=to_send {
                let at = ChangeRef { chain: *id, seq };
                let Some(held) = self.changes.get(&at) else {
                    break;
                };
                let (cost, unpacked) = cost_of(&held.full);
                let fits = spent.saturating_add(cost) <= budget
                    && plain.saturating_add(unpacked) <= REQUEST_BYTES_MAX / 2;
                if count >= REQUEST_CHANGES_MAX || (count > 0 && !fits) {
                    break;
                }
                if let Some(found) = self.proof_of(at, held) {
                    if !proofs.has_room(found) {
                        break;
                    }
                    proofs.show(found, plan.claims.len(), seq);
                }
                (spent, plain) = (spent.saturating_add(cost), plain.saturating_add(unpacked));
                count = count.saturating_add(1);
                let record = held.full.change.record;
                let known = held
                    .full
                    .change
                    .heads
                    .first()
                    .is_none_or(|head| sent.contains(head) || self.server_has(*head, record));
                changes.push((held.full.clone(), !known));
                sent.insert(at);
                tip = seq;
            }
            if tip == 0 {
                continue; // nothing of it is sent yet, so there is nothing to name
            }
            let at = ChangeRef {
                chain: *id,
                seq: tip,
            };
            let Some(held) = self.changes.get(&at) else {
                continue;
            };
            if plan.claims.len() >= STATEMENT_CHAINS_MAX {
                break;
            }
            let Some(claim) = claim_of(groups, *id, chain, tip) else {
                continue;
            };
            if !changes.is_empty() {
                plan.runs.push(OutRun {
                    claim: plan.claims.len(),
                    home: self.home_of(chain.logbook.group),
                    changes,
                });
            }
            plan.claims.push((*id, claim, held.hash));
        }
        plan.proofs = proofs.into_list();
        plan
    }

    /// Whether a chain of an earlier installation, in the same logbook, still has to be offered.
    fn has_elder(&self, chain: &OwnChain) -> bool {
        Some(chain.installation) == self.installation
            && self.chains.values().any(|elder| {
                elder.logbook == chain.logbook
                    && elder.installation != chain.installation
                    && elder.is_behind()
            })
    }

    /// Where a group is at home, unless the server just said that it knows something else than
    /// this phone.
    fn home_of(&self, group: GroupId) -> Option<Home> {
        let info = self.group_infos.get(&group).filter(|_| !self.show_tips)?;
        Some(Home {
            area: info.area,
            commune: info.commune,
        })
    }

    /// Whether the server knows that this change is about `record`. What was built on may have lost
    /// its place to a change about another.
    fn server_has(&self, at: ChangeRef, record: RecordId) -> bool {
        self.changes
            .get(&at)
            .filter(|held| held.full.change.record == record)
            .is_some_and(|held| match held.standing {
                // what another phone, or another copy of this one, wrote and a restored server lost
                // is shown, and unknown there
                Standing::Waiting => self.chains.contains_key(&at.chain),
                Standing::Received => true,
                Standing::Aside(_) => held.placed.is_some(),
                Standing::Queued | Standing::Forked => false,
            })
    }

    /// Acts that the server may have lost: those of an earlier generation, or all of them when it
    /// does not know this phone.
    fn acts_to_show(&self) -> Vec<FullAct> {
        if self.show_head && self.offers.is_empty() {
            return self.acts.values().take(OFFERED_ACTS_MAX).cloned().collect();
        }
        self.offers.iter().take(OFFERED_ACTS_MAX).cloned().collect()
    }
}

/// What a request without changes costs: key, nonce, signature, cursors.
const FRAME_BYTES: usize = 120;
/// How much the rows of a few changes shrink: measured, 3.5 times for notes that the coder has not
/// read, more where they repeat one another.
const ROWS_PER_PACKED: usize = 3;

/// What a change costs in a request, about; and at most, if nothing of it could be packed.
fn cost_of(full: &FullChange) -> (usize, usize) {
    let mut sink = Sink::default();
    RowBase::default().write(&mut sink, full, &mut ChainTable::default(), true);
    let (raw, rows) = (sink.raw.as_bytes().len(), sink.rows.as_bytes().len());
    let packed = rows.checked_div(ROWS_PER_PACKED).unwrap_or(rows);
    (raw.saturating_add(packed), raw.saturating_add(rows))
}

/// How a chain is named; `None` for one that the server has nothing of, of a group that the request
/// does not name.
fn claim_of(
    groups: &[(GroupId, FeedSet)],
    id: ChainId,
    chain: &OwnChain,
    seq: u32,
) -> Option<TipClaim> {
    if chain.known > 0 {
        let prefix = prefix_of(&id.0);
        return Some(TipClaim::Known { prefix, seq });
    }
    let place = groups.iter().position(|(g, _)| *g == chain.logbook.group)?;
    Some(TipClaim::New {
        installation: chain.installation,
        group: u8::try_from(place).ok()?,
        lane: chain.logbook.lane,
        seq,
    })
}

/// Claim, first and last number of a run.
fn range_of(run: &OutRun) -> Option<(usize, u32, u32)> {
    let (first, _) = run.changes.first()?;
    let (last, _) = run.changes.last()?;
    Some((run.claim, first.change.at.seq, last.change.at.seq))
}
