//! Saving: what a person wrote becomes a change on the phone's own chain.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::chain::chain_id;
use crate::change::{Act, ChangeRef, Draft, FullChange};
use crate::ids::{ChainId, GroupId, Hash32, InstallationNonce, Logbook, RecordId, first16, sha256};
use crate::limits::{CHANGE_BYTES_MAX, CHANGE_OPS_MAX, RECORD_CHANGES_MAX};
use crate::policy::{ValueFault, may_create, may_edit, value_fault};
use crate::replica::load::setting;
use crate::replica::state::SETTING_INSTALLATION;
use crate::replica::{Held, Left, OwnChain, Replica, Standing, StoreOp};
use crate::value::{AUTHOR_KEY, FieldKey, Value};
use crate::view::WITHDRAWN;
use crate::vocabulary::{FieldState, Lane, Writer as FieldWriter};

/// What a person wants to save at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The group.
    pub group: GroupId,
    /// Number of the member who writes.
    pub member: u16,
    /// The record to edit; `None` creates one.
    pub record: Option<RecordId>,
    /// Number of the record's type; looked at for a creation only.
    pub record_type: u16,
    /// Values by field.
    pub values: BTreeMap<FieldKey, Value>,
}

/// Why something cannot be saved. Each names what the screen can do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SaveError {
    /// The phone is not in this group.
    #[error("this phone is not in this group")]
    NoGroup,
    /// The member is none of those who write on this phone.
    #[error("this member does not write on this phone")]
    NoMember,
    /// The type is not known, or its kind has to be chosen first.
    #[error("choose the type and its kind first")]
    NoType,
    /// The member's role may not begin this type of record, or edit what another wrote.
    #[error("this member may not write this type of record, or not what others wrote")]
    NoRight,
    /// There is no such record on this phone.
    #[error("this record is not on this phone")]
    NoRecord,
    /// The record belongs to another group.
    #[error("this record belongs to another group")]
    OtherGroup,
    /// The field takes no input here.
    #[error("field {0} takes no input here")]
    NoInput(u16),
    /// The value does not fit.
    #[error("field {field}: {fault}")]
    Value {
        /// Number of the field.
        field: u16,
        /// What does not fit.
        fault: ValueFault,
    },
    /// Nothing is to be saved.
    #[error("nothing was changed")]
    Nothing,
    /// It is more than one save can hold.
    #[error("this is more than can be saved at once: save a part of it first")]
    TooMuch,
    /// The record is safe on the server, and its words have left this phone: make a new one that
    /// corrects it. One that still has its line can be withdrawn.
    #[error("the words of this record have left this phone: make a new one that corrects it")]
    LetGo,
    /// The record has gathered as many changes as one may: make a new one that corrects it.
    #[error("this record is full: make a new one that corrects it")]
    RecordFull,
    /// The replica changed since the job was made.
    #[error("something else was saved in between: save again")]
    Stale,
}

/// A save on its way to the disk. Until [`Replica::handle_appended`] takes it, nothing is saved.
#[derive(Debug)]
#[must_use = "write its ops, then give it to handle_appended"]
pub struct Job {
    ops: Vec<StoreOp>,
    version: u64,
    held: Held,
    chain: (ChainId, OwnChain),
    installation: InstallationNonce,
    /// The change that is said again, if one.
    again: Option<ChangeRef>,
}

impl Job {
    /// What the host writes, in one batch, and fsyncs.
    #[must_use]
    pub fn ops(&self) -> &[StoreOp] {
        &self.ops
    }
    /// The record that it is about.
    #[must_use]
    pub fn record(&self) -> RecordId {
        self.held.full.change.record
    }
    /// The change that it says again, if one: where that stood.
    #[must_use]
    pub fn says_again(&self) -> Option<ChangeRef> {
        self.again
    }
    /// The change that it makes.
    #[must_use]
    pub fn change(&self) -> &FullChange {
        &self.held.full
    }
}

/// Values in the two places where they stand in a change.
pub(super) type Split = (BTreeMap<FieldKey, Value>, BTreeMap<FieldKey, Value>);

/// What a change is made of beside its values.
pub(super) struct Frame {
    pub(super) logbook: Logbook,
    pub(super) record: Option<RecordId>,
    pub(super) act: Act,
    pub(super) heads: Vec<ChangeRef>,
    pub(super) clock_s: i64,
    pub(super) mono_s: u32,
}

impl Replica {
    /// Turns an edit into a job. `clock_s` is the phone's clock, `mono_s` its monotonic counter,
    /// `random` 32 bytes never used before.
    ///
    /// # Errors
    /// See [`SaveError`]; nothing is changed.
    pub fn save(
        &self,
        edit: &Edit,
        clock_s: i64,
        mono_s: u32,
        random: &[u8; 32],
    ) -> Result<Job, SaveError> {
        if edit.values.is_empty() {
            return Err(SaveError::Nothing);
        }
        if !self.groups.iter().any(|(group, _)| *group == edit.group) {
            return Err(SaveError::NoGroup);
        }
        let info = self
            .members
            .get(&(edit.group, edit.member))
            .filter(|info| info.on_this_phone);
        let role = info.and_then(|info| info.role).ok_or(SaveError::NoMember)?;
        let (frame, record_type) = self.frame(edit, clock_s, mono_s)?;
        let lane = frame.logbook.lane;
        let may = match edit.record {
            None => may_create(&self.vocabulary, lane, edit.record_type, role),
            Some(id) => may_edit(&self.vocabulary, lane, self.is_own(id, edit.member), role),
        };
        if !may {
            return Err(SaveError::NoRight);
        }
        let split = self.split(edit, record_type, lane)?;
        self.job(frame, split, random, None)
    }

    /// Whether this phone, or this member on another, began the record.
    fn is_own(&self, id: RecordId, member: u16) -> bool {
        let record = self.records.get(&id);
        let begun = record.and_then(|record| record.change(record.creator()));
        begun.is_some_and(|full| {
            full.change.device == self.device()
                || full.value(AUTHOR_KEY) == Some(&Value::Number(u64::from(member)))
        })
    }

    fn frame(&self, edit: &Edit, clock_s: i64, mono_s: u32) -> Result<(Frame, u16), SaveError> {
        if let Some(id) = edit.record {
            let withdraws = edit.values.keys().all(|key| *key == WITHDRAWN);
            match self.left(id) {
                None => {}
                Some(Left::Line) if withdraws => {}
                Some(Left::Line | Left::Nothing) => return Err(SaveError::LetGo),
            }
            let (logbook, record) = self.record(id).ok_or(SaveError::NoRecord)?;
            if logbook.group != edit.group {
                return Err(SaveError::OtherGroup);
            }
            if record.change_count() >= RECORD_CHANGES_MAX {
                return Err(SaveError::RecordFull);
            }
            let frame = Frame {
                logbook,
                record: Some(id),
                act: Act::Edit,
                heads: record.heads(),
                clock_s,
                mono_s,
            };
            return Ok((frame, record.record_type()));
        }
        let kind = self
            .vocabulary
            .field_by_id(edit.record_type, "kind")
            .and_then(|field| edit.values.get(&FieldKey::plain(field.number)));
        let kind = match kind {
            Some(Value::Choice(kind)) => Some(*kind),
            Some(_) | None => None,
        };
        let lane = self
            .vocabulary
            .lane_of(edit.record_type, kind)
            .ok_or(SaveError::NoType)?;
        let frame = Frame {
            logbook: Logbook {
                group: edit.group,
                lane,
            },
            record: None,
            act: Act::Create {
                record_type: edit.record_type,
                vocabulary: self.vocabulary.version(),
            },
            heads: Vec::new(),
            clock_s,
            mono_s,
        };
        Ok((frame, edit.record_type))
    }

    /// Checks the values and puts each where the vocabulary says it stands.
    fn split(&self, edit: &Edit, record_type: u16, lane: Lane) -> Result<Split, SaveError> {
        let (mut plain, mut parts) = (BTreeMap::new(), BTreeMap::new());
        for (key, value) in &edit.values {
            let field = self
                .vocabulary
                .field(key.number)
                .filter(|_| self.vocabulary.accepts(record_type, lane, key.number))
                .filter(|field| {
                    field.writer == FieldWriter::Member
                        && field.state == FieldState::Active
                        && field.family.is_some() == (key.item != 0)
                })
                .ok_or(SaveError::NoInput(key.number))?;
            let value = tidy(value);
            if let Some(fault) = value_fault(&self.vocabulary, key.number, &value) {
                return Err(SaveError::Value {
                    field: key.number,
                    fault,
                });
            }
            if field.part {
                parts.insert(*key, value);
            } else {
                plain.insert(*key, value);
            }
        }
        parts.insert(AUTHOR_KEY, Value::Number(u64::from(edit.member)));
        Ok((plain, parts))
    }

    /// Puts a change on the chain of its logbook, or of a new installation.
    pub(super) fn job(
        &self,
        frame: Frame,
        (plain, parts): Split,
        random: &[u8; 32],
        again: Option<&Held>,
    ) -> Result<Job, SaveError> {
        if plain.len().saturating_add(parts.len()) > CHANGE_OPS_MAX {
            return Err(SaveError::TooMuch);
        }
        let (installation, id) = self.chain_to_write(frame.logbook, random);
        let realm = &self.identity.realm;
        let mut chain = self.chains.get(&id).cloned().unwrap_or(OwnChain {
            logbook: frame.logbook,
            installation,
            seq: 0,
            hash: Hash32::default(),
            known: 0,
            closed: None,
        });
        let draft = Draft {
            at: ChangeRef {
                chain: id,
                seq: chain.seq.saturating_add(1),
            },
            device: self.device(),
            previous: chain.hash,
            record: frame.record,
            act: frame.act,
            clock_s: frame.clock_s,
            mono_s: frame.mono_s,
            seen: self.receipt.as_ref().map_or(0, |r| r.head.size),
            heads: frame.heads,
            plain,
            parts,
            seed: half(random, b"seed"),
        };
        let full = draft.seal();
        if full.to_bytes().len() > CHANGE_BYTES_MAX || full.check().is_err() {
            return Err(SaveError::TooMuch);
        }
        let hash = full.change.hash(realm);
        chain.seq = full.change.at.seq;
        chain.hash = hash;
        let held = Held {
            logbook: frame.logbook,
            full,
            hash,
            standing: Standing::Queued,
            placed: None,
        };
        let mut ops = vec![held.op(), chain.op(id)];
        if self.installation != Some(installation) {
            ops.push(setting(SETTING_INSTALLATION, installation.as_bytes()));
        }
        let again = again.map(|old| old.full.change.at);
        if let Some(old) = again {
            ops.extend(Self::said_again_ops(old, held.full.change.at));
        }
        Ok(Job {
            ops,
            version: self.version,
            held,
            chain: (id, chain),
            installation,
            again,
        })
    }

    /// The chain of a logbook and the installation that it belongs to: a new one after a restore
    /// or a fork, and when something that this phone did not write stands on it already.
    fn chain_to_write(&self, logbook: Logbook, random: &[u8; 32]) -> (InstallationNonce, ChainId) {
        let realm = &self.identity.realm;
        let public = self.identity.device.public();
        if let Some(installation) = self.installation {
            let id = chain_id(realm, &public, installation, logbook);
            let own = self.chains.get(&id).map_or(0, |chain| chain.seq);
            let next = ChangeRef {
                chain: id,
                seq: own.saturating_add(1),
            };
            let end = ChangeRef {
                chain: id,
                seq: u32::MAX,
            };
            let taken = self.changes.range(next..=end).next().is_some()
                || self.foreign.range(next..=end).next().is_some();
            if !taken {
                return (installation, id);
            }
        }
        let installation = InstallationNonce(half(random, b"installation"));
        (
            installation,
            chain_id(realm, &public, installation, logbook),
        )
    }

    /// Makes a job count, after its ops are on the disk. Only now is it saved.
    ///
    /// # Errors
    /// [`SaveError::Stale`] when another job was taken since; load the replica again.
    pub fn handle_appended(&mut self, job: Job) -> Result<RecordId, SaveError> {
        if job.version != self.version {
            return Err(SaveError::Stale);
        }
        self.version = self.version.saturating_add(1);
        self.installation = Some(job.installation);
        self.chains.insert(job.chain.0, job.chain.1);
        let id = job.held.full.change.record;
        let full = job.held.full.clone();
        self.hold(job.held);
        if let Some(old) = job.again {
            self.said.insert(old, full.change.at);
            let of = self.forked.remove(&old).map(|old| old.full.change.record);
            if let Some(of) = of {
                self.merge(of);
            }
        }
        // the record takes one change more; only what cannot be added is merged anew
        let merged = self
            .records
            .get_mut(&id)
            .is_some_and(|record| record.apply(full).is_ok());
        if !merged {
            self.merge(id);
        }
        Ok(id)
    }
}

/// Line ends as text values have them.
fn tidy(value: &Value) -> Value {
    if let Value::Text(text) = value
        && text.contains('\r')
    {
        return Value::Text(text.replace("\r\n", "\n").replace('\r', "\n"));
    }
    value.clone()
}

/// Sixteen bytes for one use out of random ones.
fn half(random: &[u8; 32], purpose: &[u8]) -> [u8; 16] {
    first16(&sha256(&[random.as_slice(), purpose].concat()))
}
