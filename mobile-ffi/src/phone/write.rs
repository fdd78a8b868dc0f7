//! What a person does to records: save, choose, answer, withdraw, say anew in its right place.
//!
//! Each becomes an edit that the replica turns into a change, which counts once it is on the disk.

use std::collections::BTreeMap;

use sync_core::change::ChangeRef;
use sync_core::ids::{ChainId, GroupId, Logbook, RecordId};
use sync_core::record::Record;
use sync_core::replica::{Edit, Left, Replica};
use sync_core::value::{FieldKey, Value};
use sync_core::view::{ReissueError, Told, choice, corrected_by, reissue};
use sync_core::vocabulary::{ReasonUse, Vocabulary};

use super::form::{KIND, known_group, lane_of};
use super::{Clock, FieldInput, Inner, Phone, input, random, record_id};
use crate::{PhoneError, words};

/// Id of the field that withdraws a record.
const WITHDRAWN: &str = "withdrawn_reason";
/// Id of the field that says where.
const AREA: &str = "area_id";

/// What was saved: it is on the disk of this phone.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SavedRecord {
    /// Name of the record, in hex.
    pub record: String,
    /// What the host keeps where no backup reaches, for the next `open`.
    pub high_water: u64,
}

/// A record said anew.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Reissued {
    /// Name of the new record, in hex.
    pub record: String,
    /// Whether the old one was withdrawn: when not, for want of room, `withdraw` does it later.
    pub old_withdrawn: bool,
    /// Labels of the fields that the new place cannot hold, to be shown.
    pub dropped: Vec<String>,
    /// As in [`SavedRecord`].
    pub high_water: u64,
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Phone {
    /// Saves a new record, or an edit of `record`. `type_id` is looked at for a new one only.
    /// When this returns, it is on the disk.
    ///
    /// # Errors
    /// What the screen can do about it; nothing was saved.
    pub fn save(
        &self,
        group: String,
        member: u16,
        record: Option<String>,
        type_id: String,
        values: Vec<FieldInput>,
        clock: Clock,
    ) -> Result<SavedRecord, PhoneError> {
        let mut inner = self.lock();
        let replica = inner.replica()?;
        let group = known_group(replica, &group)?;
        let record = record.map(|hex| record_id(&hex)).transpose()?;
        let record_type = match record {
            Some(id) => found(replica, id)?.1.record_type(),
            None => {
                let row = replica.vocabulary().record_type_by_id(&type_id);
                row.ok_or(PhoneError::ChooseType)?.number
            }
        };
        let edit = Edit {
            group,
            member,
            record,
            record_type,
            values: input::values(replica.vocabulary(), record_type, &values)?,
        };
        inner.save(&edit, clock)
    }

    /// Answers an officer's remark, by saying what is right: an edit like any other.
    ///
    /// # Errors
    /// As of `save`.
    pub fn answer(
        &self,
        record: String,
        member: u16,
        values: Vec<FieldInput>,
        clock: Clock,
    ) -> Result<SavedRecord, PhoneError> {
        let mut inner = self.lock();
        let replica = inner.replica()?;
        let id = record_id(&record)?;
        let (logbook, known) = found(replica, id)?;
        let values = input::values(replica.vocabulary(), known.record_type(), &values)?;
        inner.save(&edit_of(logbook.group, member, id, values), clock)
    }

    /// Chooses among the values that were said at a field without knowing of each other. `change`
    /// names the one that stands from now on, as the page says it.
    ///
    /// # Errors
    /// `NotAChoice`, or as of `save`.
    pub fn choose(
        &self,
        record: String,
        member: u16,
        field: String,
        item: u32,
        change: String,
        clock: Clock,
    ) -> Result<SavedRecord, PhoneError> {
        let mut inner = self.lock();
        let replica = inner.replica()?;
        let id = record_id(&record)?;
        let (logbook, known) = found(replica, id)?;
        let by = parse_change(&change).ok_or(PhoneError::NotAChoice)?;
        let view = replica.view(id).ok_or(PhoneError::RecordNotHere)?;
        let field = view
            .fields
            .iter()
            .find(|row| row.id == field && row.key.item == item)
            .ok_or(PhoneError::NotAChoice)?;
        let told: &Told = field
            .history
            .iter()
            .find(|told| told.by == by)
            .ok_or(PhoneError::NotAChoice)?;
        let (key, value) = choice(known, field.key, told).ok_or(PhoneError::NotAChoice)?;
        let values = BTreeMap::from([(key, value)]);
        inner.save(&edit_of(logbook.group, member, id, values), clock)
    }

    /// Withdraws a record for a reason of the form. It stays, and is shown as withdrawn.
    ///
    /// # Errors
    /// `AlreadyWithdrawn`, `FieldFault` for a reason that this lane does not have, or as of `save`.
    pub fn withdraw(
        &self,
        record: String,
        member: u16,
        reason: String,
        clock: Clock,
    ) -> Result<SavedRecord, PhoneError> {
        let mut inner = self.lock();
        let replica = inner.replica()?;
        let id = record_id(&record)?;
        let (logbook, known) = found(replica, id)?;
        if replica
            .view(id)
            .is_some_and(|view| view.withdrawn.is_some())
        {
            return Err(PhoneError::AlreadyWithdrawn);
        }
        let vocabulary = replica.vocabulary();
        let number = withdraw_reason(vocabulary, logbook, &reason)?;
        let field = vocabulary
            .field_by_id(known.record_type(), WITHDRAWN)
            .ok_or_else(|| no_reason(words::NO_INPUT))?;
        let key = FieldKey::plain(field.number);
        let values = BTreeMap::from([(key, Value::Choice(number))]);
        inner.save(&edit_of(logbook.group, member, id, values), clock)
    }

    /// Says a record anew in another type, lane or group, and withdraws the old one. `to_member`
    /// writes in `to_group`; where the group stays, it is `member` again. `kind` is the chosen
    /// kind, for a type whose kind decides the lane.
    ///
    /// # Errors
    /// As of `withdraw` and `save`; then nothing was saved.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is one answer of the screen"
    )]
    pub fn reissue(
        &self,
        record: String,
        member: u16,
        to_group: String,
        to_member: u16,
        to_type: String,
        kind: Option<String>,
        reason: String,
        clock: Clock,
    ) -> Result<Reissued, PhoneError> {
        let mut inner = self.lock();
        let replica = inner.replica()?;
        let id = record_id(&record)?;
        let to = Target::of(replica, &to_group, to_member, &to_type, kind.as_deref())?;
        let (new, old, dropped) = plan_reissue(replica, id, member, &to, &reason)?;
        let saved = inner.save(&new, clock)?;
        let old_withdrawn = inner.withdraw_for(old, &saved, to.lane, clock).is_ok();
        Ok(Reissued {
            record: saved.record,
            old_withdrawn,
            dropped,
            high_water: inner.replica()?.high_water(),
        })
    }
}

/// Where a record is said anew.
struct Target {
    group: GroupId,
    member: u16,
    record_type: u16,
    lane: sync_core::vocabulary::Lane,
    kind: Option<(FieldKey, Value)>,
}

impl Target {
    fn of(
        replica: &Replica,
        group: &str,
        member: u16,
        type_id: &str,
        kind: Option<&str>,
    ) -> Result<Self, PhoneError> {
        let vocabulary = replica.vocabulary();
        let row = vocabulary
            .record_type_by_id(type_id)
            .ok_or(PhoneError::ChooseType)?;
        let lane = lane_of(vocabulary, row.number, kind).ok_or(PhoneError::ChooseType)?;
        let kind = kind.and_then(|kind| {
            let field = vocabulary.field_by_id(row.number, KIND)?;
            let value = vocabulary.list_of(field.number)?.value_by_id(kind)?;
            Some((FieldKey::plain(field.number), Value::Choice(value.number)))
        });
        Ok(Self {
            group: known_group(replica, group)?,
            member,
            record_type: row.number,
            lane,
            kind,
        })
    }
}

/// The edit that creates the new record, the one that withdraws the old one, and what is lost.
fn plan_reissue(
    replica: &Replica,
    id: RecordId,
    member: u16,
    to: &Target,
    reason: &str,
) -> Result<(Edit, Edit, Vec<String>), PhoneError> {
    let vocabulary = replica.vocabulary();
    let (logbook, known) = found(replica, id)?;
    if replica.left(id).is_some() {
        return Err(PhoneError::RecordLetGo); // what it said cannot be said anew
    }
    let reason = withdraw_reason(vocabulary, logbook, reason)?;
    let plan = reissue(
        known,
        vocabulary,
        logbook.lane,
        to.record_type,
        to.lane,
        reason,
    )
    .map_err(|error| match error {
        ReissueError::UnknownType(_) | ReissueError::LaneDoesNotFit => PhoneError::ChooseType,
        ReissueError::UnknownReason(_) => no_reason(words::NOT_IN_LIST),
        ReissueError::AlreadyWithdrawn => PhoneError::AlreadyWithdrawn,
    })?;
    let mut new_values = plan.new_values;
    new_values.extend(to.kind.clone());
    if to.lane.is_closed()
        && let Some(commune) = commune_key(replica, to)
    {
        new_values.entry(commune.0).or_insert(commune.1);
    }
    let view = replica.view(id).ok_or(PhoneError::RecordNotHere)?;
    let dropped = view
        .fields
        .iter()
        .filter(|field| plan.dropped.contains(&field.key))
        .map(|field| field.label.clone())
        .collect();
    let new = Edit {
        group: to.group,
        member: to.member,
        record: None,
        record_type: to.record_type,
        values: new_values,
    };
    let old = edit_of(logbook.group, member, id, plan.old_values);
    Ok((new, old, dropped))
}

/// A closed lane names the commune, never the hamlet.
fn commune_key(replica: &Replica, to: &Target) -> Option<(FieldKey, Value)> {
    let (_, info) = replica.groups().find(|(group, _)| *group == to.group)?;
    let field = replica.vocabulary().field_by_id(to.record_type, AREA)?;
    Some((FieldKey::plain(field.number), Value::Area(info?.commune)))
}

impl Inner {
    fn save(&mut self, edit: &Edit, clock: Clock) -> Result<SavedRecord, PhoneError> {
        let replica = self.replica()?;
        let job = replica
            .save(edit, clock.wall_s, clock.mono_s, &random()?)
            .map_err(|error| {
                let name = |number| field_name(replica.vocabulary(), number);
                PhoneError::of_save(error, name)
            })?;
        let record = self.commit(job)?;
        Ok(SavedRecord {
            record: record.to_string(),
            high_water: self.replica()?.high_water(),
        })
    }

    fn withdraw_for(
        &mut self,
        mut old: Edit,
        new: &SavedRecord,
        to: sync_core::vocabulary::Lane,
        clock: Clock,
    ) -> Result<(), PhoneError> {
        let id = old.record.ok_or(PhoneError::RecordNotHere)?;
        let (logbook, _) = found(self.replica()?, id)?;
        // an open record never names one of a closed lane: the link alone would say too much
        if logbook.lane == to || logbook.lane.is_closed() {
            let (key, value) = corrected_by(record_id(&new.record)?);
            old.values.insert(key, value);
        }
        self.save(&old, clock)?;
        Ok(())
    }
}

fn found(replica: &Replica, id: RecordId) -> Result<(Logbook, &Record), PhoneError> {
    if replica.left(id) == Some(Left::Nothing) {
        return Err(PhoneError::RecordLetGo);
    }
    replica.record(id).ok_or(PhoneError::RecordNotHere)
}

fn edit_of(
    group: GroupId,
    member: u16,
    record: RecordId,
    values: BTreeMap<FieldKey, Value>,
) -> Edit {
    Edit {
        group,
        member,
        record: Some(record),
        record_type: 0,
        values,
    }
}

fn withdraw_reason(vocabulary: &Vocabulary, logbook: Logbook, id: &str) -> Result<u16, PhoneError> {
    vocabulary
        .reason_by_id(ReasonUse::Withdraw, id)
        .filter(|reason| reason.allowed_in(logbook.lane))
        .map(|reason| reason.number)
        .ok_or_else(|| no_reason(words::NOT_IN_LIST))
}

fn no_reason(words: &str) -> PhoneError {
    PhoneError::FieldFault {
        field: WITHDRAWN.to_owned(),
        words: words.to_owned(),
    }
}

fn field_name(vocabulary: &Vocabulary, number: u16) -> String {
    let field = vocabulary.field(number);
    field.map_or_else(|| number.to_string(), |field| field.id.clone())
}

/// A change as screens name it.
pub(super) fn change_text(at: ChangeRef) -> String {
    format!("{}/{}", at.chain, at.seq)
}

fn parse_change(text: &str) -> Option<ChangeRef> {
    let (chain, seq) = text.split_once('/')?;
    Some(ChangeRef {
        chain: ChainId::from_hex(chain)?,
        seq: seq.parse().ok()?,
    })
}
