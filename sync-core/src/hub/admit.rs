//! Admission: what a verified visit brings is appended, set aside or left waiting.

use crate::change::{Act, FullChange, Slot};
use crate::exchange::{Fate, Outcome};
use crate::hub::Hub;
use crate::hub::append::{Tx, fork_prefix};
use crate::hub::facts::{self, Grant};
use crate::hub::ledger::{Ledger, LedgerFault, Table, View};
use crate::hub::quarantine::fallen_key;
use crate::hub::visit::{Claimed, Standing, Verified};
use crate::ids::{Feed, Hash32, KeyId, Logbook};
use crate::limits::FORKS_KEPT_MAX;
use crate::log::{AsideReason, Leaf};
use crate::policy::{AuthorRights, Subject, judge, says_unsayable};
use crate::record::{MergeError, Record};
use crate::value::{AUTHOR_KEY, FieldKey, Value};
use crate::vocabulary::Lane;

impl<L: Ledger> Tx<'_, '_, L> {
    /// Lets a verified visit in and says what became of it.
    pub(super) fn admit(&mut self, visit: &Verified) -> Result<Vec<Fate>, LedgerFault> {
        self.note_heard(visit)?;
        let mut fates = Vec::new();
        let mut brought = false;
        for run in &visit.runs {
            let Some(claimed) = visit.claims.get(run.claim) else {
                continue;
            };
            let changes: Vec<_> = run.run.changes().collect();
            let fate = match visit.standing {
                Standing::Active => self.admit_run(visit, run.claim, claimed, &changes)?,
                Standing::Pending => self.let_wait(visit.device, run.claim, claimed, &changes)?,
                Standing::Refused => Fate {
                    claim: run.claim,
                    through: 0,
                    outcome: Outcome::Refused,
                    asides: Vec::new(),
                },
            };
            // the statement is kept beside the last change that it let in
            let last = changes.last().map(|(full, _)| full.change.at);
            if let Some(at) = last.filter(|at| at.seq == fate.through) {
                let key = facts::place_key(at);
                if self.ledger.get(Table::Signed, &key)?.is_none() {
                    let hash = visit.statement.hash();
                    self.ledger.put(Table::Signed, &key, hash.as_bytes())?;
                    brought = true;
                }
            }
            fates.push(fate);
        }
        for (claim, through) in &visit.gaps {
            fates.push(Fate {
                claim: *claim,
                through: *through,
                outcome: Outcome::Gap,
                asides: Vec::new(),
            });
        }
        if brought {
            let hash = visit.statement.hash();
            let bytes = visit.statement.statement().to_bytes();
            self.ledger.put(Table::Statement, hash.as_bytes(), &bytes)?;
        }
        fates.sort_by_key(|fate| fate.claim);
        Ok(fates)
    }

    fn admit_run(
        &mut self,
        visit: &Verified,
        claim: usize,
        claimed: &Claimed,
        changes: &[(&FullChange, &Hash32)],
    ) -> Result<Fate, LedgerFault> {
        let mut fate = Fate {
            claim,
            through: 0,
            outcome: Outcome::Received,
            asides: Vec::new(),
        };
        let Some(logbook) = claimed.logbook else {
            // the log has nothing of this chain, and the request does not say what it is
            fate.outcome = Outcome::Gap;
            return Ok(fate);
        };
        let tip = facts::chain(self.ledger, claimed.chain)?;
        let mut next = tip.map_or(0, |tip| tip.seq).saturating_add(1);
        let mut before = tip.map_or(Hash32::default(), |tip| tip.hash);
        let mut common = 0;
        for (full, hash) in changes {
            let at = full.change.at;
            if at.seq < next {
                // known already: the same again changes nothing, another is a fork
                let known = facts::place(self.ledger, at)?;
                match known {
                    Some(place) if place.hash == **hash => {
                        if let Some(reason) = place.aside
                            && !self.admit_again(full, **hash, logbook, visit.proven.get(&at))?
                        {
                            fate.asides.push((at.seq, reason));
                        }
                        continue;
                    }
                    Some(_) | None => {
                        fate.outcome = Outcome::Forked;
                        common = at.seq.saturating_sub(1);
                        self.quarantine_fork(full)?;
                        break;
                    }
                }
            }
            if at.seq > next || full.change.previous != before {
                fate.outcome = Outcome::Gap;
                break;
            }
            if let Some(reason) = self.place_change(full, **hash, logbook, visit.proven.get(&at))? {
                fate.asides.push((at.seq, reason));
            }
            next = at.seq.saturating_add(1);
            before = **hash;
        }
        fate.through = if fate.outcome == Outcome::Forked {
            common
        } else {
            next.saturating_sub(1)
        };
        Ok(fate)
    }

    /// Appends one change, or sets it aside and says why. `proven` is the leaf under which this
    /// log had it before it lost it: such a change is not judged again, as far as its record and
    /// its heads are here.
    pub(super) fn place_change(
        &mut self,
        full: &FullChange,
        hash: Hash32,
        logbook: Logbook,
        proven: Option<&Leaf>,
    ) -> Result<Option<AsideReason>, LedgerFault> {
        let device = full.change.device;
        let grant = facts::grant_at(self.ledger, device, logbook.group, self.state.size)?;
        let feed = match grant {
            // a device that never was in the group leaves nothing in the group's feeds
            None => Feed::Private(logbook, device),
            Some(_) => Feed::of_records(logbook, device),
        };
        let verdict = match proven {
            Some(_) => self.gate().fits(full, logbook)?,
            None => self.gate().verdict(full, logbook, grant.as_ref())?,
        };
        match verdict {
            None => {
                self.append_change(full, hash, logbook, proven)?;
                Ok(None)
            }
            // two officers admitted it before this log lost it
            Some(_) if self.gate().is_to_be_placed(full, &hash, logbook)? => {
                self.append_change(full, hash, logbook, None)?;
                Ok(None)
            }
            Some(reason) => {
                let unsayable = matches!(reason, AsideReason::Sealed | AsideReason::ClosedLane)
                    || self.gate().says_unsayable(full, logbook.lane)?;
                let kept = if unsayable {
                    bare(full)
                } else {
                    Some(full.clone())
                };
                self.append_aside(full, hash, feed, reason, kept.as_ref())?;
                Ok(Some(reason))
            }
        }
    }

    /// Of what stands in the log as set aside: whether this log had admitted it and lost that, as
    /// `proven` or its acts say. Then it is admitted again.
    fn admit_again(
        &mut self,
        full: &FullChange,
        hash: Hash32,
        logbook: Logbook,
        proven: Option<&Leaf>,
    ) -> Result<bool, LedgerFault> {
        let admitted = match proven {
            Some(_) => {
                self.gate().has_its_turn(full)? && self.gate().fits(full, logbook)?.is_none()
            }
            None => self.gate().is_to_be_placed(full, &hash, logbook)?,
        };
        if admitted {
            self.append_change(full, hash, logbook, proven)?;
        }
        Ok(admitted)
    }

    /// The second change at one place proves that a chain was forked. It is kept for an officer,
    /// as far as one device can ask for that.
    fn quarantine_fork(&mut self, full: &FullChange) -> Result<(), LedgerFault> {
        let prefix = fork_prefix(full.change.device);
        let until = facts::after(&prefix);
        let kept = self
            .ledger
            .scan(Table::Quarantine, &prefix, &until, FORKS_KEPT_MAX)?;
        if kept.len() >= FORKS_KEPT_MAX {
            return Ok(());
        }
        let hash = full.change.hash(&self.hub.realm);
        let key = [prefix.as_slice(), hash.as_bytes()].concat();
        self.ledger.put(Table::Quarantine, &key, &full.to_bytes())
    }
}

/// The gate that a change passes on its way into the log, with what the log knows.
pub(super) struct Gate<'a, V> {
    pub(super) hub: &'a Hub,
    pub(super) view: &'a V,
    /// Size of the log.
    pub(super) size: u64,
}

impl<V: View> Gate<'_, V> {
    /// The policy gate with what the log knows.
    pub(super) fn verdict(
        &self,
        full: &FullChange,
        logbook: Logbook,
        grant: Option<&Grant>,
    ) -> Result<Option<AsideReason>, LedgerFault> {
        let change = &full.change;
        let Some(grant) = grant else {
            return Ok(Some(AsideReason::NotEnrolled));
        };
        if *grant == Grant::Revoked {
            return Ok(Some(AsideReason::Revoked));
        }
        let fallen = fallen_key(change.at, change.record);
        if self.view.get(Table::Fallen, &fallen)?.is_some() {
            return Ok(Some(AsideReason::FollowsAside));
        }
        self.judged(full, logbook, |member| grant.names(member))
    }

    /// What the policy gate says of a change whose device writes as the members that `names` tells.
    pub(super) fn judged(
        &self,
        full: &FullChange,
        logbook: Logbook,
        names: impl FnOnce(u16) -> bool,
    ) -> Result<Option<AsideReason>, LedgerFault> {
        let change = &full.change;
        let Some(Value::Number(member)) = full.value(AUTHOR_KEY) else {
            return Ok(Some(AsideReason::Member));
        };
        let Ok(member) = u16::try_from(*member) else {
            return Ok(Some(AsideReason::Member));
        };
        if !names(member) {
            return Ok(Some(AsideReason::Member));
        }
        let size = self.size;
        let then = change.seen.min(size);
        let rights = AuthorRights {
            now: facts::role_at(self.view, logbook.group, member, size)?,
            then: facts::role_at(self.view, logbook.group, member, then)?,
        };
        if let Some(reason) = self.reach(full, logbook)? {
            return Ok(Some(reason));
        }
        let vocabulary = &self.hub.vocabulary;
        if let Act::Create { .. } = change.act {
            let judged = judge(vocabulary, logbook.lane, full, rights, None);
            return Ok(self.free_name(full)?.or(judged.err()));
        }
        let subject = match self.subject(full, logbook)? {
            Ok(subject) => subject,
            Err(reason) => return Ok(Some(reason)),
        };
        let judged = {
            let (record, device, member) = &subject;
            let subject = Subject {
                record,
                creator_device: *device,
                creator_member: *member,
            };
            judge(vocabulary, logbook.lane, full, rights, Some(&subject))
        };
        Ok(judged.err().or_else(|| merge_fault(subject.0, full)))
    }

    /// Whether a change that needs no judgement can be merged here.
    pub(super) fn fits(
        &self,
        full: &FullChange,
        logbook: Logbook,
    ) -> Result<Option<AsideReason>, LedgerFault> {
        if let Act::Create { .. } = full.change.act {
            return self.free_name(full);
        }
        Ok(match self.subject(full, logbook)? {
            Ok((record, ..)) => merge_fault(record, full),
            Err(reason) => Some(reason),
        })
    }

    /// Whether there are words in it where none may be: also when it is set aside for another reason,
    /// they are not kept.
    pub(super) fn says_unsayable(
        &self,
        full: &FullChange,
        lane: Lane,
    ) -> Result<bool, LedgerFault> {
        let record_type = match full.change.act {
            Act::Create { record_type, .. } => record_type,
            Act::Edit => facts::record(self.view, full.change.record)?
                .map_or(0, |(_, record)| record.record_type()),
        };
        let vocabulary = &self.hub.vocabulary;
        Ok(says_unsayable(vocabulary, lane, record_type, full))
    }

    /// Once its seed is erased, a creation can claim any name, also one that is here.
    fn free_name(&self, full: &FullChange) -> Result<Option<AsideReason>, LedgerFault> {
        let taken = facts::record_facts(self.view, full.change.record)?.is_some();
        Ok(taken.then_some(AsideReason::UnknownRecord))
    }

    /// Whether areas and links stay where the lane allows: in a closed lane the commune is the
    /// nearest that is said, and the open lane never names a record of a closed one.
    fn reach(
        &self,
        full: &FullChange,
        logbook: Logbook,
    ) -> Result<Option<AsideReason>, LedgerFault> {
        let closed = logbook.lane.is_closed();
        for (_, slot) in &full.change.slots {
            match slot {
                Slot::Plain(Value::Area(area)) if closed => {
                    let group = facts::group(self.view, logbook.group)?;
                    if group.is_none_or(|group| group.commune != *area) {
                        return Ok(Some(AsideReason::ClosedLane));
                    }
                }
                Slot::Plain(Value::Links(links)) if !closed => {
                    for link in links {
                        let target = facts::record_facts(self.view, *link)?;
                        if target.is_some_and(|target| target.logbook.lane.is_closed()) {
                            return Ok(Some(AsideReason::Link));
                        }
                    }
                }
                Slot::Plain(_) | Slot::Part(_) => {}
            }
        }
        Ok(None)
    }

    /// The record that an edit is about, if it and all heads are in this logbook.
    #[expect(
        clippy::type_complexity,
        reason = "a result within a result, used once"
    )]
    fn subject(
        &self,
        full: &FullChange,
        logbook: Logbook,
    ) -> Result<Result<(Record, KeyId, Option<u64>), AsideReason>, LedgerFault> {
        let id = full.change.record;
        let known = facts::record_facts(self.view, id)?;
        let Some(known) = known.filter(|known| {
            let here = Feed::of_records(logbook, full.change.device);
            Feed::of_records(known.logbook, known.device) == here
        }) else {
            return Ok(Err(AsideReason::UnknownRecord));
        };
        for head in &full.change.heads {
            match facts::place(self.view, *head)? {
                Some(place) if place.record != id => return Ok(Err(AsideReason::UnknownHead)),
                Some(place) if place.aside.is_some() => return Ok(Err(AsideReason::FollowsAside)),
                Some(_) => {}
                None => return Ok(Err(AsideReason::UnknownHead)),
            }
        }
        let Some((_, record)) = facts::record(self.view, id)? else {
            return Ok(Err(AsideReason::UnknownRecord));
        };
        let creator = record.change(record.creator());
        let member = creator.and_then(|full| match full.value(AUTHOR_KEY) {
            Some(Value::Number(member)) => Some(*member),
            Some(_) | None => None,
        });
        Ok(Ok((record, known.device, member)))
    }
}

/// What is kept of a change with words where none may be. They are kept nowhere but on the phone that
/// wrote them: the erasable ones are left out, and where others say more than a number nothing is
/// kept but the hash in the log.
fn bare(full: &FullChange) -> Option<FullChange> {
    let bare = full.change.slots.iter().all(|(_, slot)| match slot {
        Slot::Part(_) => true,
        Slot::Plain(value) => matches!(
            value,
            Value::YesNo(_) | Value::Number(_) | Value::Choice(_) | Value::Choices(_)
        ),
    });
    let mut kept = full.clone();
    let keys: Vec<FieldKey> = kept.parts.values.keys().copied().collect();
    kept.parts.erase(&keys);
    bare.then_some(kept)
}

/// Why a change does not fit on what is here of its record.
fn merge_fault(mut record: Record, full: &FullChange) -> Option<AsideReason> {
    match record.apply(full.clone()) {
        Ok(_) => None,
        Err(MergeError::TooManyChanges) => Some(AsideReason::TooManyChanges),
        Err(
            MergeError::MissingHead(_)
            | MergeError::OutOfOrder(_)
            | MergeError::Forked(_)
            | MergeError::NotThisRecord
            | MergeError::NotACreation
            | MergeError::NotCanonical
            | MergeError::Engine,
        ) => Some(AsideReason::UnknownHead),
    }
}
