//! The policy gate (D8): whether this member may say this, in this lane, in this vocabulary.
//!
//! It runs on the server only, once per change, after [`FullChange::check`], and is never run
//! again on rebuild. It is pure and total: what it needs to know is an argument. A missing
//! required field is not its business; that is shown, never refused.
//!
//! The first rule that is broken names the reason. The order is:
//!
//! 1. who wrote can be read, else `Member`;
//! 2. an edit is about a record of this logbook, and a creation about none, else `UnknownRecord`;
//! 3. the member's role may write here, now or at the head that the change names, else `Role`, or
//!    `Member` when there was no role at either time;
//! 4. the record has room, else `TooManyChanges`;
//! 5. the type is known, and it or its kind belongs into this lane, else `Vocabulary`;
//! 6. every field may stand here, by key: `Sealed` and `ClosedLane` come before anything that is
//!    said about values, because they say that words went where none may be. Else `Vocabulary`
//!    or `NotYours`;
//! 7. every value has its place and fits, by key, else `Vocabulary`;
//! 8. the right still holds, else `RightLost`. This is last, because it asks an officer to decide:
//!    what an officer may let in has passed all else.

use thiserror::Error;

use crate::change::{Act, FullChange, Slot};
use crate::ids::KeyId;
use crate::limits::{CHOICES_MAX, LINKS_MAX, RECORD_CHANGES_MAX};
use crate::log::AsideReason;
use crate::text::{TextFault, display_text_fault};
use crate::value::{AUTHOR_KEY, FieldKey, Value, WallTime};
use crate::vocabulary::{
    ACCURACY_METRES_MAX, Act as RoleAct, COUNT_MAX, Field, FieldState, LATITUDE_E4_MAX,
    LONGITUDE_E4_MAX, Lane, MEMBER_NUMBER_MAX, MONEY_VND_MAX, OFFSET_MINUTES_MAX,
    OFFSET_MINUTES_MIN, ReasonUse, RecordType, SAVED_ITEM_NUMBER_MAX, TENTHS_MAX, TypeLane,
    ValueKind, Vocabulary, Writer,
};

/// First local day that a value may name: 1970-01-01, where a phone without a clock begins.
pub const DAY_MIN: i32 = 0;
/// Last local day that a value may name: 2099-12-31. A report goes from day to day.
pub const DAY_MAX: i32 = 47_481;
/// Last local minute that a value may name: the last of [`DAY_MAX`].
pub const MINUTES_MAX: i32 = 68_374_079;

/// The type that says "nothing happened"; sending it is an act of its own.
const NIL_RETURN: &str = "nil_return";
/// The field that fixes the lane of a type whose lane its kind decides.
const KIND: &str = "kind";

/// What the member who wrote might do: the number of the role in the group of this logbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AuthorRights {
    /// At arrival. `None` when the member is none of the group, or none of the device's.
    pub now: Option<u16>,
    /// At the head that the change names. `None` likewise.
    pub then: Option<u16>,
}

/// The record that an edit is about, as far as the log knows it.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The record, of the same logbook.
    pub record: &'a crate::record::Record,
    /// Key of the device that created it.
    pub creator_device: KeyId,
    /// Number of the member who created it, unless it was erased.
    pub creator_member: Option<u64>,
}

/// Why a value does not fit its field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ValueFault {
    /// The vocabulary has no field of this number.
    #[error("there is no field {0}")]
    UnknownField(u16),
    /// Nothing fits yet: the field waits for attachments or for sealing.
    #[error("the field takes no input")]
    NoInput,
    /// The field holds another kind of value, or the value is of a later format.
    #[error("the field holds another kind of value")]
    WrongKind,
    /// The number is too large: a count, tenths, VND, a member or a saved item.
    #[error("the number is larger than {max}")]
    TooLarge {
        /// The largest that fits.
        max: u64,
    },
    /// The list, or the table of withdraw reasons, has no such value.
    #[error("the list has no value {0}")]
    NotInList(u16),
    /// The set has too many choices or links.
    #[error("more than {max} in one set")]
    TooMany {
        /// The most that fit.
        max: usize,
    },
    /// The set is not ascending, or holds something twice.
    #[error("the set is not ascending")]
    NotAscending,
    /// The text or code is too long.
    #[error("longer than {chars_max} characters")]
    TooLong {
        /// The most characters that fit.
        chars_max: u32,
    },
    /// The text cannot be shown to anybody.
    #[error("the text cannot be shown: {0}")]
    Text(TextFault),
    /// A code has letters and digits of ASCII only.
    #[error("a code has letters A to Z and digits only")]
    NotACode,
    /// The day, or the day of the time, is out of [`DAY_MIN`] to [`DAY_MAX`].
    #[error("the day is not within 1970 to 2099")]
    DayRange,
    /// The offset from UTC is none that a place has.
    #[error("the offset is not within {OFFSET_MINUTES_MIN} to {OFFSET_MINUTES_MAX} minutes")]
    OffsetRange,
    /// The interval ends before it begins, as instants.
    #[error("the end is before the start")]
    Backward,
    /// The latitude is beyond a pole.
    #[error("the latitude is beyond {LATITUDE_E4_MAX} ten-thousandths of a degree")]
    Latitude,
    /// The longitude is beyond the date line.
    #[error("the longitude is beyond {LONGITUDE_E4_MAX} ten-thousandths of a degree")]
    Longitude,
    /// The position is so inexact that it says nothing.
    #[error("the accuracy is worse than {ACCURACY_METRES_MAX} metres")]
    Accuracy,
}

/// Whether the right that a change needs holds, or only held.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    Holds,
    Lost,
}

/// Judges one change that has passed [`FullChange::check`] and arrived for a logbook of `lane`.
/// `subject` is `None` for a creation.
///
/// # Errors
/// The reason for which the change is set aside. The module says in which order they are found.
/// Only [`AsideReason::RightLost`] is held; all others refuse.
pub fn judge(
    vocabulary: &Vocabulary,
    lane: Lane,
    full: &FullChange,
    rights: AuthorRights,
    subject: Option<&Subject<'_>>,
) -> Result<(), AsideReason> {
    let member = author(full).ok_or(AsideReason::Member)?;
    let (type_number, standing) = match (full.change.act, subject) {
        (Act::Create { record_type, .. }, None) => {
            let may = |role| may_create(vocabulary, lane, record_type, role);
            (record_type, standing(rights, may)?)
        }
        (Act::Edit, Some(subject)) => {
            let own = full.change.device == subject.creator_device
                || subject.creator_member == Some(member);
            let held = standing(rights, |role| may_edit(vocabulary, lane, own, role))?;
            if is_full(subject) {
                return Err(AsideReason::TooManyChanges);
            }
            (subject.record.record_type(), held)
        }
        // A creation whose seed is gone can claim any name, also that of a record that is here.
        (Act::Create { .. }, Some(_)) | (Act::Edit, None) => {
            return Err(AsideReason::UnknownRecord);
        }
    };
    let record_type = vocabulary
        .record_type(type_number)
        .ok_or(AsideReason::Vocabulary)?;
    if !keeps_lane(vocabulary, lane, record_type, full) {
        return Err(AsideReason::Vocabulary);
    }
    for (key, _) in fields_of(full) {
        place_fault(vocabulary, type_number, lane, key.number).map_or(Ok(()), Err)?;
    }
    for (key, slot) in fields_of(full) {
        if !slot_fits(vocabulary, lane, full, *key, slot) {
            return Err(AsideReason::Vocabulary);
        }
    }
    match standing {
        Standing::Holds => Ok(()),
        Standing::Lost => Err(AsideReason::RightLost),
    }
}

/// Whether a value fits a field: kind, bounds, membership in its list. `None` means that it fits.
/// Phones ask the same before they save.
///
/// An empty text or set fits: nothing is ever deleted, so this is how a value is taken back.
/// Whether the field may stand in a record at all is asked of [`Vocabulary::accepts`].
#[must_use]
pub fn value_fault(vocabulary: &Vocabulary, field: u16, value: &Value) -> Option<ValueFault> {
    let Some(row) = vocabulary.field(field) else {
        return Some(ValueFault::UnknownField(field));
    };
    match (&row.kind, value) {
        (ValueKind::YesNo, Value::YesNo(_)) | (ValueKind::Area, Value::Area(_)) => None,
        (ValueKind::Count, Value::Number(n)) => number_fault(*n, COUNT_MAX),
        (ValueKind::Tenths, Value::Number(n)) => number_fault(*n, TENTHS_MAX),
        (ValueKind::MoneyVnd, Value::Number(n)) => number_fault(*n, MONEY_VND_MAX),
        (ValueKind::Member, Value::Number(n)) => number_fault(*n, u64::from(MEMBER_NUMBER_MAX)),
        (ValueKind::SavedItem { .. }, Value::Number(n)) => {
            number_fault(*n, u64::from(SAVED_ITEM_NUMBER_MAX))
        }
        (ValueKind::Choice { .. }, Value::Choice(n)) => choice_fault(vocabulary, field, *n),
        (ValueKind::Choices { .. }, Value::Choices(set)) => set_fault(set, CHOICES_MAX)
            .or_else(|| set.iter().find_map(|n| choice_fault(vocabulary, field, *n))),
        (ValueKind::RecordLinks, Value::Links(links)) => set_fault(links, LINKS_MAX),
        (ValueKind::WithdrawReason, Value::Choice(n)) => vocabulary
            .reason(ReasonUse::Withdraw, *n)
            .is_none()
            .then_some(ValueFault::NotInList(*n)),
        (ValueKind::Text { chars_max }, Value::Text(text)) => length_fault(text, *chars_max)
            .or_else(|| display_text_fault(text).map(ValueFault::Text)),
        (ValueKind::Code { chars_max }, Value::Text(text)) => {
            length_fault(text, *chars_max).or_else(|| code_fault(text))
        }
        (ValueKind::Day, Value::Day(day)) => range_fault(*day, DAY_MAX),
        (ValueKind::Time, Value::Time(time)) => time_fault(*time),
        (ValueKind::Interval, Value::Interval(from, to)) => interval_fault(*from, *to),
        (ValueKind::Position, Value::Position(latitude, longitude, metres)) => {
            position_fault(*latitude, *longitude, *metres)
        }
        (ValueKind::Photos | ValueKind::Sealed, _) => Some(ValueFault::NoInput),
        // Every kind by name, so that a new one is met here.
        (
            ValueKind::YesNo
            | ValueKind::Count
            | ValueKind::Tenths
            | ValueKind::MoneyVnd
            | ValueKind::Choice { .. }
            | ValueKind::Choices { .. }
            | ValueKind::Text { .. }
            | ValueKind::Day
            | ValueKind::Time
            | ValueKind::Interval
            | ValueKind::Position
            | ValueKind::Area
            | ValueKind::RecordLinks
            | ValueKind::Member
            | ValueKind::SavedItem { .. }
            | ValueKind::Code { .. }
            | ValueKind::WithdrawReason,
            _,
        ) => Some(ValueFault::WrongKind),
    }
}

/// The member who wrote. The number must be a part, because a person can ask for its erasure.
fn author(full: &FullChange) -> Option<u64> {
    let (_, slot) = full
        .change
        .slots
        .iter()
        .find(|(key, _)| *key == AUTHOR_KEY)?;
    let Some(Value::Number(member)) = value_at(full, AUTHOR_KEY, slot) else {
        return None;
    };
    let erasable = matches!(slot, Slot::Part(_));
    (erasable && *member <= u64::from(MEMBER_NUMBER_MAX)).then_some(*member)
}

/// The slots that are fields of the record.
fn fields_of(full: &FullChange) -> impl Iterator<Item = &(FieldKey, Slot)> {
    full.change
        .slots
        .iter()
        .filter(|(key, _)| *key != AUTHOR_KEY)
}

/// What can still be read at a slot.
fn value_at<'a>(full: &'a FullChange, key: FieldKey, slot: &'a Slot) -> Option<&'a Value> {
    match slot {
        Slot::Plain(value) => Some(value),
        Slot::Part(_) => full.parts.values.get(&key),
    }
}

fn standing(rights: AuthorRights, may: impl Fn(u16) -> bool) -> Result<Standing, AsideReason> {
    match (rights.now, rights.then) {
        (None, None) => Err(AsideReason::Member),
        (Some(now), _) if may(now) => Ok(Standing::Holds),
        (_, Some(then)) if may(then) => Ok(Standing::Lost),
        (_, _) => Err(AsideReason::Role),
    }
}

/// Whether a role may begin a record of this type in this lane.
pub(crate) fn may_create(vocabulary: &Vocabulary, lane: Lane, type_number: u16, role: u16) -> bool {
    let nil = vocabulary
        .record_type(type_number)
        .is_some_and(|row| row.id == NIL_RETURN);
    vocabulary.may_write(role, lane) && (!nil || vocabulary.may(role, RoleAct::SendNilReturn))
}

/// Who does not write in a lane edits nothing in it, not even the own record of earlier days.
pub(crate) fn may_edit(vocabulary: &Vocabulary, lane: Lane, own: bool, role: u16) -> bool {
    let of_others = match lane {
        Lane::Open => vocabulary.may(role, RoleAct::CorrectOpen),
        // Mediators of one group work on one case; who may not read the lane edits the own only.
        Lane::Mediation => vocabulary.may_read(role, lane),
        Lane::Tip | Lane::Protected => false,
    };
    vocabulary.may_write(role, lane) && (own || of_others)
}

fn is_full(subject: &Subject<'_>) -> bool {
    subject.record.change_count() >= RECORD_CHANGES_MAX
}

/// A creation belongs into this lane, and no edit of the kind would move the record.
fn keeps_lane(
    vocabulary: &Vocabulary,
    lane: Lane,
    record_type: &RecordType,
    full: &FullChange,
) -> bool {
    let by_kind = record_type.lane == TypeLane::ByKind;
    let said = vocabulary
        .field_by_id(record_type.number, KIND)
        .filter(|_| by_kind)
        .and_then(|field| full.value(FieldKey::plain(field.number)));
    let kind = said.and_then(|value| {
        if let Value::Choice(kind) = value {
            Some(*kind)
        } else {
            None
        }
    });
    let decides = said.is_some() || full.change.act != Act::Edit;
    !decides || vocabulary.lane_of(record_type.number, kind) == Some(lane)
}

/// Whether a change says something where no word may be, whatever else is against it.
pub(crate) fn says_unsayable(
    vocabulary: &Vocabulary,
    lane: Lane,
    record_type: u16,
    full: &FullChange,
) -> bool {
    fields_of(full).any(|(key, _)| {
        let fault = place_fault(vocabulary, record_type, lane, key.number);
        matches!(fault, Some(AsideReason::Sealed | AsideReason::ClosedLane))
    })
}

/// Whether a field may stand in a record of this type and lane and be written on a phone.
fn place_fault(
    vocabulary: &Vocabulary,
    record_type: u16,
    lane: Lane,
    number: u16,
) -> Option<AsideReason> {
    let Some(field) = vocabulary.field(number) else {
        return Some(AsideReason::Vocabulary);
    };
    // Before the type is looked at: no byte may be kept there, wherever it was written (D15).
    if field.state == FieldState::Reserved || field.kind == ValueKind::Sealed {
        return Some(AsideReason::Sealed);
    }
    let foreign = field.record_type.is_some_and(|owner| owner != record_type);
    if field.state == FieldState::Derived || foreign {
        return Some(AsideReason::Vocabulary);
    }
    if !vocabulary.accepts(record_type, lane, number) {
        return Some(if lane.is_closed() {
            AsideReason::ClosedLane
        } else {
            AsideReason::Vocabulary
        });
    }
    match field.writer {
        Writer::Member => None,
        Writer::Commune => Some(AsideReason::NotYours),
    }
}

/// Whether a slot is erasable when it must be, has an item when it must have one, and fits.
fn slot_fits(
    vocabulary: &Vocabulary,
    lane: Lane,
    full: &FullChange,
    key: FieldKey,
    slot: &Slot,
) -> bool {
    let Some(field) = vocabulary.field(key.number) else {
        return false;
    };
    let erasable = matches!(slot, Slot::Part(_));
    let in_family = key.item != 0;
    if erasable != field.part || in_family != field.family.is_some() {
        return false;
    }
    // An erased value was judged when it first arrived, or can no longer be.
    value_at(full, key, slot).is_none_or(|value| {
        value_fault(vocabulary, key.number, value).is_none()
            && reason_fits(vocabulary, lane, field, value)
    })
}

/// Some withdraw reasons may be given in some lanes only.
fn reason_fits(vocabulary: &Vocabulary, lane: Lane, field: &Field, value: &Value) -> bool {
    field.kind != ValueKind::WithdrawReason
        || vocabulary
            .reasons(ReasonUse::Withdraw, lane)
            .any(|reason| Value::Choice(reason.number) == *value)
}

fn number_fault(number: u64, max: u64) -> Option<ValueFault> {
    (number > max).then_some(ValueFault::TooLarge { max })
}

fn choice_fault(vocabulary: &Vocabulary, field: u16, number: u16) -> Option<ValueFault> {
    let known = vocabulary
        .list_of(field)
        .is_some_and(|list| list.value(number).is_some());
    (!known).then_some(ValueFault::NotInList(number))
}

fn set_fault<T: Ord>(set: &[T], max: usize) -> Option<ValueFault> {
    if set.len() > max {
        Some(ValueFault::TooMany { max })
    } else if set.is_sorted_by(|a, b| a < b) {
        None
    } else {
        Some(ValueFault::NotAscending)
    }
}

fn length_fault(text: &str, chars_max: u32) -> Option<ValueFault> {
    let fits = u32::try_from(text.chars().count()).is_ok_and(|chars| chars <= chars_max);
    (!fits).then_some(ValueFault::TooLong { chars_max })
}

/// ASCII only: a code stands in closed lanes, which have no words.
fn code_fault(code: &str) -> Option<ValueFault> {
    let plain = code.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (!plain).then_some(ValueFault::NotACode)
}

/// Days and minutes both count from [`DAY_MIN`].
fn range_fault(number: i32, max: i32) -> Option<ValueFault> {
    (!(DAY_MIN..=max).contains(&number)).then_some(ValueFault::DayRange)
}

fn time_fault(time: WallTime) -> Option<ValueFault> {
    if !(OFFSET_MINUTES_MIN..=OFFSET_MINUTES_MAX).contains(&time.offset) {
        return Some(ValueFault::OffsetRange);
    }
    range_fault(time.minutes, MINUTES_MAX)
}

/// The ends may have different offsets, so they are compared as instants.
fn interval_fault(from: WallTime, to: Option<WallTime>) -> Option<ValueFault> {
    let instant = |time: WallTime| i64::from(time.minutes).saturating_sub(i64::from(time.offset));
    let backward = to.is_some_and(|to| instant(to) < instant(from));
    time_fault(from)
        .or_else(|| to.and_then(time_fault))
        .or(backward.then_some(ValueFault::Backward))
}

fn position_fault(latitude: i32, longitude: i32, metres: u32) -> Option<ValueFault> {
    if latitude.unsigned_abs() > LATITUDE_E4_MAX.unsigned_abs() {
        Some(ValueFault::Latitude)
    } else if longitude.unsigned_abs() > LONGITUDE_E4_MAX.unsigned_abs() {
        Some(ValueFault::Longitude)
    } else {
        (metres > ACCURACY_METRES_MAX).then_some(ValueFault::Accuracy)
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod value_tests {
    use super::{ValueFault as F, *};
    use crate::ids::{AreaRef, RecordId};

    /// Id of a field, a value at a bound or just beyond it, and the fault.
    type Row = (&'static str, Value, Option<F>);

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
    fn set(choices: impl IntoIterator<Item = u16>) -> Value {
        Value::Choices(choices.into_iter().collect())
    }
    fn links(names: impl IntoIterator<Item = u8>) -> Value {
        Value::Links(names.into_iter().map(|n| RecordId([n; 16])).collect())
    }
    fn wall(minutes: i32, offset: i16) -> WallTime {
        WallTime { minutes, offset }
    }
    fn noon_to(minutes: i32, offset: i16) -> Value {
        Value::Interval(wall(720, 420), Some(wall(minutes, offset)))
    }

    fn numbers_and_choices() -> Vec<Row> {
        let n = Value::Number;
        let max = |max| Some(F::TooLarge { max });
        let outside = |number| Some(F::NotInList(number));
        let many = |max| Some(F::TooMany { max });
        vec![
            ("scene_kept", Value::YesNo(false), None),
            ("scene_kept", n(0), Some(F::WrongKind)),
            ("participants", n(1_000_000), None),
            ("participants", n(1_000_001), max(1_000_000)),
            ("participants", n(u64::MAX), max(1_000_000)),
            ("hours", n(1_000_000), None),
            ("hours", n(1_000_001), max(1_000_000)),
            ("property_damage", n(MONEY_VND_MAX), None),
            ("property_damage", n(u64::MAX), max(MONEY_VND_MAX)),
            ("property_damage", n(1_000_000_000_001), max(MONEY_VND_MAX)),
            ("from_member", n(65_535), None),
            ("from_member", n(65_536), max(65_535)),
            ("route_id", n(65_535), None),
            ("route_id", n(65_536), max(65_535)),
            ("urgency", Value::Choice(4), None),
            ("urgency", Value::Choice(5), outside(5)),
            ("urgency", Value::Choice(0), outside(0)),
            ("joint_with", set(1..=11), None),
            ("joint_with", set([]), None),
            ("joint_with", set([1, 12]), outside(12)),
            ("joint_with", set([2, 1]), Some(F::NotAscending)),
            ("joint_with", set([1, 1]), Some(F::NotAscending)),
            ("joint_with", set(1..=33), many(32)),
            ("withdrawn_reason", Value::Choice(6), None),
            ("withdrawn_reason", Value::Choice(7), outside(7)),
            ("links.follows", links(0..16), None),
            ("links.follows", links([]), None),
            ("links.follows", links(0..17), many(16)),
            ("links.follows", links([2, 1]), Some(F::NotAscending)),
            ("area_id", Value::Area(AreaRef([0; 16])), None),
            ("area_id", text("a"), Some(F::WrongKind)),
        ]
    }

    fn words_times_and_places() -> Vec<Row> {
        let long = |chars_max| Some(F::TooLong { chars_max });
        let bidi = Some(F::Text(TextFault::BidiControl(0x202E)));
        let at = |minutes, offset| Value::Time(wall(minutes, offset));
        let end = 47_482 * 1_440;
        vec![
            ("summary", text(&"ậ".repeat(2_000)), None),
            ("summary", text(&"a".repeat(2_001)), long(2_000)),
            ("summary", text(""), None),
            ("summary", text("a\u{202E}b"), bidi),
            ("police_receipt_no", text("Aa09Aa09Aa09Aa09Aa09"), None),
            ("police_receipt_no", text("Aa09Aa09Aa09Aa09Aa09b"), long(20)),
            ("police_receipt_no", text("12/TN"), Some(F::NotACode)),
            ("police_receipt_no", text("Đ12"), Some(F::NotACode)),
            ("day", Value::Day(0), None),
            ("day", Value::Day(47_481), None),
            ("day", Value::Day(-1), Some(F::DayRange)),
            ("day", Value::Day(47_482), Some(F::DayRange)),
            ("called.at", at(0, -720), None),
            ("called.at", at(end - 1, 840), None),
            ("called.at", at(-1, 420), Some(F::DayRange)),
            ("called.at", at(end, 420), Some(F::DayRange)),
            ("called.at", at(0, -721), Some(F::OffsetRange)),
            ("called.at", at(0, 841), Some(F::OffsetRange)),
            ("occurred", Value::Interval(wall(720, 420), None), None),
            ("occurred", noon_to(720, 420), None),
            // an hour later, on a clock that is two hours behind
            ("occurred", noon_to(660, 300), None),
            ("occurred", noon_to(719, 420), Some(F::Backward)),
            ("occurred", noon_to(720, 421), Some(F::Backward)),
            ("occurred", noon_to(end, 420), Some(F::DayRange)),
            ("occurred", noon_to(0, i16::MAX), Some(F::OffsetRange)),
            ("geo", Value::Position(900_000, 1_800_000, 100_000), None),
            ("geo", Value::Position(-900_000, -1_800_000, 0), None),
            ("geo", Value::Position(900_001, 0, 0), Some(F::Latitude)),
            ("geo", Value::Position(i32::MIN, 0, 0), Some(F::Latitude)),
            ("geo", Value::Position(0, 1_800_001, 0), Some(F::Longitude)),
            ("geo", Value::Position(0, -1_800_001, 0), Some(F::Longitude)),
            ("geo", Value::Position(0, 0, 100_001), Some(F::Accuracy)),
            ("photos", text("a"), Some(F::NoInput)),
            ("sealed.text", text("a"), Some(F::NoInput)),
        ]
    }

    #[test]
    fn every_kind_takes_what_fits_at_its_bounds_and_nothing_beyond() {
        let vocabulary = Vocabulary::builtin();
        let field = |id: &str| vocabulary.fields().find(|f| f.id == id).unwrap();
        let kind = |kind: &ValueKind| core::mem::discriminant(kind);
        let rows = [numbers_and_choices(), words_times_and_places()].concat();
        for (id, value, fault) in &rows {
            let found = value_fault(vocabulary, field(id).number, value);
            assert_eq!(found, *fault, "{id} {value:?}");
        }
        for wanted in vocabulary.fields().map(|field| &field.kind) {
            let same = |row: &&Row| kind(&field(row.0).kind) == kind(wanted);
            let (good, bad): (Vec<_>, Vec<_>) =
                rows.iter().filter(same).partition(|row| row.2.is_none());
            let shut = matches!(wanted, ValueKind::Photos | ValueKind::Sealed);
            assert!(!bad.is_empty() && good.is_empty() == shut, "{wanted:?}");
        }
    }
}
