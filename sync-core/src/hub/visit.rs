//! A visit on its way in: from bytes to a verified statement with its runs. It reads and changes
//! nothing, so it runs beside the writer on any snapshot.

use core::cell::RefCell;
use std::collections::BTreeMap;

use crate::chain::{BrokenRun, Statement, VerifiedRun, VerifiedStatement, chain_id, tip_leaf};
use crate::change::ChangeRef;
use crate::codec::Model;
use crate::exchange::{
    FeedSet, Ground, Home, Opened, ProblemCode, Request, TipClaim, WireError, WireRun, prefix_of,
};
use crate::hub::Hub;
use crate::hub::arrival;
use crate::hub::facts::{self, Looking};
use crate::hub::heard;
use crate::hub::ledger::{LedgerFault, View};
use crate::ids::{ChainId, GroupId, Hash32, KeyId, Logbook};
use crate::keys::PublicKey;
use crate::log::{Head, Leaf};

/// Why a visit cannot go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// What the phone is told.
    pub code: ProblemCode,
    /// For logs.
    pub detail: String,
}

impl Stop {
    pub(super) fn of(code: ProblemCode, detail: impl core::fmt::Display) -> Self {
        Self {
            code,
            detail: detail.to_string(),
        }
    }
}

impl From<LedgerFault> for Stop {
    fn from(fault: LedgerFault) -> Self {
        let code = match fault {
            LedgerFault::Full => ProblemCode::DiskFull,
            LedgerFault::Damaged(_) | LedgerFault::Failed(_) => ProblemCode::Failed,
        };
        Self::of(code, fault)
    }
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        let code = match error {
            WireError::Version(_) | WireError::Section(_) => ProblemCode::Upgrade,
            WireError::TooLarge { .. } => ProblemCode::TooLarge,
            WireError::Packed(_) | WireError::Malformed(_) => ProblemCode::Malformed,
        };
        Self::of(code, error)
    }
}

/// What a device is to the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Enrolled, in some group, now or once.
    Active,
    /// Nobody confirmed it yet.
    Pending,
    /// An officer refused it.
    Refused,
}

/// A chain as a request names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimed {
    pub(super) chain: ChainId,
    /// Known once the chain is, from its first change on.
    pub(super) logbook: Option<Logbook>,
    pub(super) seq: u32,
}

/// A run that the statement covers.
#[derive(Debug, Clone)]
pub(super) struct CoveredRun {
    pub(super) claim: usize,
    pub(super) run: VerifiedRun,
}

/// A visit whose statement and runs were verified.
#[derive(Debug, Clone)]
pub struct Verified {
    pub(super) device: KeyId,
    pub(super) standing: Standing,
    pub(super) statement: VerifiedStatement,
    pub(super) request: Request,
    pub(super) groups: Vec<(GroupId, FeedSet)>,
    pub(super) claims: Vec<Claimed>,
    pub(super) runs: Vec<CoveredRun>,
    /// Changes that this log admitted before it lost them, with what their leaves said.
    pub(super) proven: BTreeMap<ChangeRef, Leaf>,
    /// Runs that begin after what the log has: claim, and up to where the log has the chain.
    pub(super) gaps: Vec<(usize, u32)>,
    /// Erasures that the device was silent about and has heard of now.
    pub(super) heard: Vec<u64>,
}

impl Verified {
    /// Whether it brings anything that must be written.
    #[must_use]
    pub fn brings(&self) -> bool {
        !self.runs.is_empty() || !self.heard.is_empty()
    }

    /// Key of the device, for a rate limit.
    #[must_use]
    pub fn device(&self) -> KeyId {
        self.device
    }

    pub(super) fn ground(&self, hub: &Hub) -> Ground {
        let afresh = self.request.wants.afresh;
        Ground {
            realm: hub.realm,
            log: hub.log_id(),
            device: self.device,
            groups: self.groups.clone(),
            claims: self
                .claims
                .iter()
                .map(|claimed| (claimed.chain, if afresh { 0 } else { claimed.seq }))
                .collect(),
        }
    }
}

/// A request that was opened, with what must be written before it can be verified.
#[derive(Debug, Clone)]
pub struct Arrived {
    opened: Opened,
}

impl Arrived {
    /// The request.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.opened.request
    }
    /// Whether it carries runs, which the log must have on its disk before it answers.
    #[must_use]
    pub fn has_runs(&self) -> bool {
        self.opened.has_runs()
    }
    /// Whether it brings back what a restored server may have lost: acts, or a head.
    #[must_use]
    pub fn brings_back(&self) -> bool {
        !self.opened.request.acts.is_empty() || self.opened.request.head.is_some()
    }
}

impl Hub {
    /// Opens a body.
    ///
    /// # Errors
    /// What the phone is to be told.
    pub fn open(&self, model: &Model, body: &[u8]) -> Result<Arrived, Stop> {
        Ok(Arrived {
            opened: Request::open(model, body)?,
        })
    }

    /// Verifies the statement and the runs against what the log knows.
    ///
    /// # Errors
    /// What the phone is to be told.
    pub fn verify_visit(&self, view: &impl View, arrived: &Arrived) -> Result<Verified, Stop> {
        let request = &arrived.opened.request;
        let device = request.device;
        let (key, standing) = self.standing(view, device)?;
        self.check_head(view, request)?;
        let groups = resolve_groups(view, device, request)?;
        let claims = self.resolve_claims(view, &key, standing, request, &groups)?;
        let looking = Looking {
            view,
            realm: self.realm,
            pending: (standing != Standing::Active).then_some(device),
            fault: RefCell::new(None),
        };
        let mut chains = Vec::new();
        for claimed in &claims {
            let group = claimed
                .logbook
                .map(|logbook| facts::group(view, logbook.group));
            let home = group.transpose()?.flatten().map(|group| Home {
                area: group.area,
                commune: group.commune,
            });
            chains.push((claimed.chain, home));
        }
        let wire = arrived.opened.runs(&chains, &looking);
        let wire = wire.map_err(|error| Stop::from(WireError::Malformed(error)))?;
        let leaves = self.tip_leaves(&looking, request, &claims, &wire);
        if let Some(fault) = looking.fault.take() {
            return Err(fault.into());
        }
        let explicit = request.tips.is_some();
        let again = if explicit {
            ProblemCode::Signature
        } else {
            ProblemCode::ShowTips
        };
        let tips = leaves.ok_or_else(|| Stop::of(again, "a tip is not known here"))?;
        let statement = Statement {
            device,
            nonce: request.nonce,
            cursors: request.wants.hash(&self.realm, device),
            tips,
            signature: request.signature,
        };
        let statement = statement
            .verify(&self.realm, &key)
            .ok_or_else(|| Stop::of(again, "the signature does not fit"))?;
        let mut verified = Verified {
            device,
            standing,
            statement,
            request: request.clone(),
            groups,
            claims,
            runs: Vec::new(),
            proven: BTreeMap::new(),
            gaps: Vec::new(),
            heard: Vec::new(),
        };
        for run in wire {
            self.cover(&mut verified, run)?;
        }
        verified.proven = self.proven(&verified);
        self.note_lost(view, &mut verified)?;
        verified.heard = heard::heard_now(view, device, &verified.groups, &request.wants)?;
        Ok(verified)
    }

    /// What the proofs of a request prove about the changes in its runs. What does not fit proves
    /// nothing, and the change is judged like any other.
    fn proven(&self, verified: &Verified) -> BTreeMap<ChangeRef, Leaf> {
        let mut proven = BTreeMap::new();
        for proof in &verified.request.proofs {
            if !proof.evidence.verifies(&self.realm, &self.log_key()) {
                continue;
            }
            for admitted in &proof.admitted {
                let run = verified.runs.iter().find(|run| run.claim == admitted.claim);
                let change = run.and_then(|run| {
                    let mut changes = run.run.changes();
                    changes.find(|(full, _)| full.change.at.seq == admitted.seq)
                });
                let logbook = verified.claims.get(admitted.claim).and_then(|c| c.logbook);
                let (Some((full, hash)), Some(logbook)) = (change, logbook) else {
                    continue;
                };
                let (at_s, generation) = (admitted.admitted_at, admitted.generation);
                let leaf = Leaf::of_change(logbook, &full.change, *hash, at_s, generation);
                let hash = leaf.hash(&self.realm, self.log_id());
                if proof.evidence.leaves.contains(&hash) {
                    proven.insert(leaf.at, leaf);
                }
            }
        }
        proven
    }

    /// A chain that is named farther than the log has it was lost here: the phone brings it again.
    fn note_lost(&self, view: &impl View, verified: &mut Verified) -> Result<(), LedgerFault> {
        for (nth, claimed) in verified.claims.iter().enumerate() {
            let told = verified.runs.iter().any(|run| run.claim == nth)
                || verified.gaps.iter().any(|(claim, _)| *claim == nth);
            if told {
                continue;
            }
            let tip = self.tip(view, verified, claimed.chain)?;
            if tip < claimed.seq {
                verified.gaps.push((nth, tip));
            } else if self.differs(view, verified, nth, claimed)? {
                verified.gaps.push((nth, 0));
            }
        }
        Ok(())
    }

    /// Whether another change stands at a tip that was shown in full: somewhere before it the
    /// chain was forked, and only the whole of it shows where.
    fn differs(
        &self,
        view: &impl View,
        verified: &Verified,
        nth: usize,
        claimed: &Claimed,
    ) -> Result<bool, LedgerFault> {
        let shown = verified
            .request
            .tips
            .as_ref()
            .and_then(|tips| tips.get(nth));
        let Some((_, shown)) = shown.filter(|_| verified.standing == Standing::Active) else {
            return Ok(false);
        };
        let at = ChangeRef {
            chain: claimed.chain,
            seq: claimed.seq,
        };
        Ok(facts::place(view, at)?.is_some_and(|place| place.hash != *shown))
    }

    /// Number of the newest change that the log, or the waiting room, has of a chain.
    fn tip(
        &self,
        view: &impl View,
        verified: &Verified,
        chain: ChainId,
    ) -> Result<u32, LedgerFault> {
        if verified.standing == Standing::Active {
            return Ok(facts::chain(view, chain)?.map_or(0, |tip| tip.seq));
        }
        arrival::waiting_tip(view, verified.device, chain)
    }

    /// Takes a run as verified, or as one with a gap before it.
    fn cover(&self, verified: &mut Verified, run: WireRun) -> Result<(), Stop> {
        let claim = run.claim;
        match verified
            .statement
            .run(&self.realm, run.changes, run.previous)
        {
            Ok(run) => verified.runs.push(CoveredRun { claim, run }),
            Err(broken) => {
                // With its tips in full a request is signed whatever is known here. A run that then
                // does not give its tip builds on what this log has lost, or on a place that
                // another change has taken: from its first change on it can be told which.
                if !matches!(broken, BrokenRun::Unsigned) || verified.request.tips.is_none() {
                    return Err(Stop::of(ProblemCode::Malformed, broken));
                }
                verified.gaps.push((claim, 0));
            }
        }
        Ok(())
    }

    fn standing(&self, view: &impl View, device: KeyId) -> Result<(PublicKey, Standing), Stop> {
        if let Some(key) = facts::device_key(view, device)? {
            return Ok((key, Standing::Active));
        }
        if let Some(candidate) = arrival::candidate(view, device)? {
            let standing = if candidate.refused_at.is_some() {
                Standing::Refused
            } else {
                Standing::Pending
            };
            return Ok((candidate.key, standing));
        }
        Err(Stop::of(
            ProblemCode::UnknownDevice,
            "this device is not enrolled here",
        ))
    }

    /// A phone that saw a head which this log cannot have signed from what it holds now shows
    /// that entries were lost.
    fn check_head(&self, view: &impl View, request: &Request) -> Result<(), Stop> {
        let (wants, state) = (&request.wants, facts::log_state(view)?);
        if wants.generation == 0 || wants.generation < state.generation {
            return Ok(());
        }
        let lost = if wants.generation > state.generation || wants.size > state.size {
            true
        } else {
            let root = if wants.size == state.size {
                state.root
            } else {
                facts::frontier_at(view, wants.size)?.root()
            };
            root.0.first_chunk::<4>() != Some(&wants.root)
        };
        if lost {
            return Err(Stop::of(
                ProblemCode::ShowHead,
                "this log does not have that head",
            ));
        }
        Ok(())
    }

    fn resolve_claims(
        &self,
        view: &impl View,
        key: &PublicKey,
        standing: Standing,
        request: &Request,
        groups: &[(GroupId, FeedSet)],
    ) -> Result<Vec<Claimed>, Stop> {
        let device = request.device;
        let mut own = facts::chains_of(view, device)?;
        if standing != Standing::Active {
            own = arrival::waiting_chains(view, device)?;
        }
        let mut claims = Vec::new();
        for (nth, claim) in request.claims.iter().enumerate() {
            let claimed = match *claim {
                TipClaim::New {
                    installation,
                    group,
                    lane,
                    seq,
                } => {
                    let group = groups
                        .get(usize::from(group))
                        .ok_or_else(|| Stop::of(ProblemCode::Malformed, "no such group"))?
                        .0;
                    let logbook = Logbook { group, lane };
                    Claimed {
                        chain: chain_id(&self.realm, key, installation, logbook),
                        logbook: Some(logbook),
                        seq,
                    }
                }
                TipClaim::Known { prefix, seq } => {
                    let full = request.tips.as_ref().and_then(|tips| tips.get(nth));
                    let chain = match full {
                        Some((chain, _)) => Some(*chain),
                        None => own.iter().copied().find(|c| prefix_of(&c.0) == prefix),
                    };
                    let chain = chain.ok_or_else(|| {
                        Stop::of(ProblemCode::ShowTips, "a chain is not known here")
                    })?;
                    let known = facts::chain(view, chain)?;
                    if known.is_some_and(|known| known.writer != device) {
                        return Err(Stop::of(ProblemCode::Signature, "another's chain"));
                    }
                    let logbook = if standing == Standing::Active {
                        known.and_then(|known| known.logbook)
                    } else {
                        arrival::waiting_logbook(view, device, chain)?
                    };
                    Claimed {
                        chain,
                        logbook,
                        seq,
                    }
                }
            };
            claims.push(claimed);
        }
        Ok(claims)
    }

    /// The leaves that the device must have signed; `None` when a tip is not known here.
    fn tip_leaves(
        &self,
        looking: &Looking<'_, impl View>,
        request: &Request,
        claims: &[Claimed],
        runs: &[WireRun],
    ) -> Option<Vec<Hash32>> {
        use crate::exchange::RunFacts as _;
        let hash_of = |nth: usize, claimed: &Claimed| {
            if let Some(tips) = &request.tips {
                return tips.get(nth).map(|(_, hash)| *hash);
            }
            let run = runs.iter().rev().find(|run| run.claim == nth);
            let last = run.and_then(|run| run.changes.last());
            match last.filter(|full| full.change.at.seq == claimed.seq) {
                Some(full) => Some(full.change.hash(&self.realm)),
                None => looking.hash_before(ChangeRef {
                    chain: claimed.chain,
                    seq: claimed.seq,
                }),
            }
        };
        claims
            .iter()
            .enumerate()
            .map(|(nth, claimed)| {
                let tip = ChangeRef {
                    chain: claimed.chain,
                    seq: claimed.seq,
                };
                let hash = hash_of(nth, claimed)?;
                Some(tip_leaf(&self.realm, request.device, tip, &hash))
            })
            .collect()
    }

    /// Whether a head that a phone shows was signed by this log and is not in it.
    pub(super) fn lost_by(&self, view: &impl View, shown: &Head) -> Result<bool, LedgerFault> {
        let state = facts::log_state(view)?;
        if shown.generation < state.generation {
            return Ok(false);
        }
        if shown.generation > state.generation || shown.size > state.size {
            return Ok(true);
        }
        Ok(facts::frontier_at(view, shown.size)?.root() != shown.root)
    }
}

/// The groups that a request names. A group outside the device's own is looked for in the whole
/// log: what it writes there is set aside, by name.
fn resolve_groups(
    view: &impl View,
    device: KeyId,
    request: &Request,
) -> Result<Vec<(GroupId, FeedSet)>, Stop> {
    let mut own: Vec<GroupId> = facts::grants(view, device)?
        .into_iter()
        .map(|(group, _)| group)
        .collect();
    if let Some(candidate) = arrival::candidate(view, device)? {
        own.push(candidate.group);
    }
    let mut groups = Vec::new();
    for claim in &request.wants.groups {
        let mut found = own
            .iter()
            .copied()
            .find(|g| prefix_of(&g.0) == claim.prefix);
        if found.is_none() {
            let all = facts::groups(view, &claim.prefix)?;
            found = all.first().map(|(group, _)| *group);
        }
        let group =
            found.ok_or_else(|| Stop::of(ProblemCode::Malformed, "a group is not known here"))?;
        groups.push((group, claim.feeds));
    }
    Ok(groups)
}
