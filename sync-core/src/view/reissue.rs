//! Re-issue: a record in the wrong type, lane or group is never moved. A new record takes over what
//! its place can hold, and the old one is withdrawn.
//!
//! What cannot be carried is listed and never squeezed in: a closed lane has no words, no exact
//! time and no hamlet in its readable part, and a sealed blob is sealed to the officers of its own
//! lane.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{AREA, CORRECTED_BY, CORRECTS, DAY, WITHDRAWN, day_of, is_taken_back};
use crate::ids::RecordId;
use crate::policy::value_fault;
use crate::record::{Record, SaidValue};
use crate::value::{FieldKey, Value};
use crate::vocabulary::{
    ClosedLanePart, Field, Lane, ReasonUse, TypeLane, ValueKind, Vocabulary, Writer,
};

/// Reasons with a meaning of their own here, by their stable ids.
const WRONG_GROUP: &str = "wrong_group";
const MUST_NOT_HOLD: &str = "must_not_hold";

/// What a re-issue writes. The caller creates the new record first, then edits the old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reissue {
    /// For the creation of the new record, with the link back where the new one may carry it.
    /// What is missing is asked for on the screen as always; for a closed lane the caller adds
    /// the commune.
    pub new_values: BTreeMap<FieldKey, Value>,
    /// For the edit of the old record: the reason. The name of the new record is not known yet;
    /// see [`corrected_by`].
    pub old_values: BTreeMap<FieldKey, Value>,
    /// Fields of the old record that could not be carried, ascending, so that a screen can say
    /// so. `occurred` is among them when only its day was carried.
    pub dropped: Vec<FieldKey>,
}

/// Why a record cannot be re-issued so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ReissueError {
    /// The vocabulary has no such type.
    #[error("the vocabulary has no type {0}")]
    UnknownType(u16),
    /// Records of the target type never stand in the target lane.
    #[error("records of this type do not stand in this lane")]
    LaneDoesNotFit,
    /// No such withdraw reason may be given in the old record's lane.
    #[error("no withdraw reason {0} in this lane")]
    UnknownReason(u16),
    /// The old record is withdrawn already.
    #[error("the record is withdrawn already")]
    AlreadyWithdrawn,
}

/// The link from the old record to the new one. The caller adds it to [`Reissue::old_values`] once
/// the new record exists, and only when both are in the same lane, or when the old record's lane is
/// closed. An open record never names one of a closed lane: the link alone would say that somebody
/// there was told of, or harmed.
#[must_use]
pub fn corrected_by(new: RecordId) -> (FieldKey, Value) {
    (CORRECTED_BY, Value::Links(vec![new]))
}

/// What to write so that a record stands anew in `to_type` and `to_lane`, and the old one, which is
/// in the lane `from`, is withdrawn for `reason`.
///
/// Carried are the winners; rivals stay readable in the old record. Two reasons carry less: in
/// another group the numbers of members and saved items mean others, and what must not be held is
/// said again by a person, so no erasable value is copied.
///
/// # Errors
/// When there is no such type or reason, when the lane does not fit the type, or when the record is
/// withdrawn already.
pub fn reissue(
    record: &Record,
    vocabulary: &Vocabulary,
    from: Lane,
    to_type: u16,
    to_lane: Lane,
    reason: u16,
) -> Result<Reissue, ReissueError> {
    let target = vocabulary
        .record_type(to_type)
        .ok_or(ReissueError::UnknownType(to_type))?;
    if !may_stand_in(target.lane, to_lane) {
        return Err(ReissueError::LaneDoesNotFit);
    }
    let why = vocabulary
        .reason(ReasonUse::Withdraw, reason)
        .filter(|row| row.allowed_in(from))
        .ok_or(ReissueError::UnknownReason(reason))?;
    let fields = record.fields();
    if fields.contains_key(&WITHDRAWN) {
        return Err(ReissueError::AlreadyWithdrawn);
    }
    let carrier = Carrier {
        vocabulary,
        from_type: record.record_type(),
        from,
        to_type,
        to_lane,
        by_kind: target.lane == TypeLane::ByKind,
        other_group: why.id == WRONG_GROUP,
        said_again: why.id == MUST_NOT_HOLD,
    };
    let (mut new_values, mut dropped) = (BTreeMap::new(), Vec::new());
    for (key, field) in &fields {
        // links of correction belong to the old record's own story; of what was taken back there
        // is nothing to carry and nothing to lose
        if [CORRECTS, CORRECTED_BY].contains(key) || is_taken_back(&field.winner.value) {
            continue;
        }
        match carrier.carry(*key, &field.winner.value) {
            Some((to, value)) => {
                new_values.insert(to, value.clone());
            }
            None => dropped.push(*key),
        }
    }
    if let Some(day) = day_of(&fields)
        && vocabulary.accepts(to_type, to_lane, DAY.number)
    {
        new_values.insert(DAY, Value::Day(day));
    }
    if to_lane == from || to_lane.is_closed() {
        new_values.insert(CORRECTS, Value::Links(vec![record.id()]));
    }
    Ok(Reissue {
        new_values,
        old_values: BTreeMap::from([(WITHDRAWN, Value::Choice(reason))]),
        dropped,
    })
}

fn may_stand_in(of_type: TypeLane, lane: Lane) -> bool {
    match of_type {
        TypeLane::Fixed(fixed) => fixed == lane,
        TypeLane::ByKind => lane == Lane::Open || lane == Lane::Protected,
    }
}

/// Decides for each value whether the new place can hold it.
struct Carrier<'a> {
    vocabulary: &'a Vocabulary,
    from_type: u16,
    from: Lane,
    to_type: u16,
    to_lane: Lane,
    /// The kind decides the lane of the target type.
    by_kind: bool,
    other_group: bool,
    said_again: bool,
}

impl Carrier<'_> {
    fn carry<'v>(&self, key: FieldKey, said: &'v SaidValue) -> Option<(FieldKey, &'v Value)> {
        let SaidValue::Value(value) = said else {
            return None;
        };
        let target = self.target(key.number)?;
        let accepted = target.writer == Writer::Member
            && self
                .vocabulary
                .accepts(self.to_type, self.to_lane, target.number);
        let carried = accepted
            // a value of another shape than its field could bring words in under a count
            && value_fault(self.vocabulary, target.number, value).is_none()
            && self.means_the_same_there(target)
            && (!self.to_lane.is_closed() || self.may_enter_a_closed_lane(target))
            && self.agrees_with_the_lane(target, value);
        let to = FieldKey {
            number: target.number,
            item: key.item,
        };
        carried.then_some((to, value))
    }

    /// The envelope is shared by all types. A field of the type's own is another field in another
    /// type, so it must agree in all that gives a value its meaning.
    fn target(&self, number: u16) -> Option<&Field> {
        let field = self.vocabulary.field(number)?;
        let Some(owner) = field.record_type else {
            return Some(field);
        };
        let same = |other: &&Field| {
            other.record_type == Some(self.to_type)
                && other.id == field.id
                && other.kind == field.kind
                && other.family == field.family
        };
        let others = self.vocabulary.fields_of(self.to_type);
        others.filter(|_| owner == self.from_type).find(same)
    }

    fn means_the_same_there(&self, field: &Field) -> bool {
        let numbered_by_group =
            field.kind == ValueKind::Member || matches!(field.kind, ValueKind::SavedItem { .. });
        let stays_in_lane = field.kind != ValueKind::RecordLinks || self.from == self.to_lane;
        stays_in_lane
            && !(self.other_group && numbered_by_group)
            && !(self.said_again && field.part)
    }

    /// Asked although the vocabulary says what exists in a closed lane: one wrong cell of a data
    /// file must not carry somebody's words there.
    fn may_enter_a_closed_lane(&self, field: &Field) -> bool {
        let words = field.part || field.kind.must_be_part() || field.kind == ValueKind::Interval;
        // between closed lanes the area is the commune already
        let hamlet = !self.from.is_closed()
            && (field.closed_lane == ClosedLanePart::CommuneOnly || field.number == AREA.number);
        !words && !hamlet && field.closed_lane != ClosedLanePart::Sealed
    }

    /// A kind that puts its record into another lane cannot be the kind of this one.
    fn agrees_with_the_lane(&self, field: &Field, value: &Value) -> bool {
        if !self.by_kind || field.record_type.is_none() || field.id != "kind" {
            return true;
        }
        if let Value::Choice(kind) = value {
            self.vocabulary.lane_of(self.to_type, Some(*kind)) == Some(self.to_lane)
        } else {
            false
        }
    }
}
