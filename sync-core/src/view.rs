//! The typed view of a record: its values under the names and in the words of the vocabulary.
//!
//! Phone screens and the console read the same view, so both show the same winner, the same rivals
//! and the same words. Nothing is hidden: rivals and history travel with each field, an erased
//! value says that it was erased, and what a newer vocabulary brought is kept and shown last.
//!
//! ```text
//! Record + Vocabulary -> RecordView -> FieldView -> Told (winner, rivals, history)
//!                    \-> reissue -> values of the new record, values of the old one, dropped
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::change::ChangeRef;
use crate::ids::{AreaRef, KeyId, RecordId};
use crate::record::{Field, Record, Said, SaidValue};
use crate::value::{AUTHOR_KEY, FieldKey, Value, WallTime};
use crate::vocabulary::{self, FieldState, Lane, Present, ValueKind, Vocabulary};

mod reissue;
#[cfg(test)]
mod tests;
mod text;

pub use reissue::{Reissue, ReissueError, corrected_by, reissue};
pub use text::{day_text, time_text, value_text};

// Numbers of the envelope are fixed for ever, so they hold for every vocabulary, older and newer.
// A test ties them to the data files.
const AREA: FieldKey = FieldKey::plain(1);
const OCCURRED: FieldKey = FieldKey::plain(2);
const DAY: FieldKey = FieldKey::plain(3);
const CORRECTS: FieldKey = FieldKey::plain(21);
const CORRECTED_BY: FieldKey = FieldKey::plain(22);
pub(crate) const WITHDRAWN: FieldKey = FieldKey::plain(23);

/// Id of the one field that is computed: minutes of the interval `occurred`.
const DURATION_ID: &str = "duration";

/// A record as people read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView {
    /// Its name.
    pub id: RecordId,
    /// Number of its type.
    pub record_type: u16,
    /// Id of its type, or `type.N` when this vocabulary does not know it.
    pub type_id: String,
    /// Vietnamese label of its type; the number when this vocabulary does not know it.
    pub type_label: String,
    /// Its lane, as the logbook says.
    pub lane: Lane,
    /// Version of the vocabulary in which it was created.
    pub vocabulary: u16,
    /// The change that created it.
    pub creator: ChangeRef,
    /// Key of the device that created it.
    pub creator_device: KeyId,
    /// Number of the member who created it, unless that was erased.
    pub author: Option<u64>,
    /// The phone's clock at the creation, in seconds since 1970; shown, never trusted.
    pub clock_s: i64,
    /// Its fields: those of the type, then the envelope, then what this vocabulary does not know.
    /// The fields of one item of a family stand together.
    pub fields: Vec<FieldView>,
    /// Numbers of the fields that are asked for and have no value, ascending. An item of a family
    /// that was begun is asked for in full. An empty text or set is missing, for so a value is taken
    /// back. What was erased is not missing: it had been said.
    pub missing: Vec<u16>,
    /// Why it was withdrawn, as a number of the withdraw reasons.
    pub withdrawn: Option<u16>,
    /// Its local day, in days since 1970-01-01: from `day`, or from the start of `occurred`.
    pub day: Option<i32>,
    /// Its area.
    pub area: Option<AreaRef>,
    /// How many changes it has gathered.
    pub changes: usize,
}

/// A field with all that was ever said at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldView {
    /// Where it stands.
    pub key: FieldKey,
    /// Its id, or `field.N` when this vocabulary does not know it in records of this type.
    pub id: String,
    /// Its Vietnamese label.
    pub label: String,
    /// Whether this vocabulary knows it in records of this type.
    pub known: bool,
    /// What is shown first: the same on every replica.
    pub value: Told,
    /// What others set without having seen it. A computed field has none: they are shown, and can
    /// be chosen between, at the field that it is computed from.
    pub rivals: Vec<Told>,
    /// Every value ever set, oldest first; the last is the winner. Of a computed field the value
    /// alone, which nobody set.
    pub history: Vec<Told>,
}

/// One value, with who said it, when, and what was known to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The value; `None` when it was erased.
    pub value: Option<Value>,
    /// Its words for people: see [`value_text`].
    pub text: String,
    /// The change that set it.
    pub by: ChangeRef,
    /// Key of the device that wrote.
    pub device: KeyId,
    /// Number of the member who wrote, unless it was erased.
    pub member: Option<u64>,
    /// The phone's clock, in seconds since 1970; shown, never trusted.
    pub clock_s: i64,
    /// The heads of the record that the author had seen.
    pub heads: Vec<ChangeRef>,
    /// Size of the newest log head that the phone had seen: it was written not before.
    pub seen: u64,
}

impl RecordView {
    /// The view, with areas as hex: for callers who have no table of areas.
    #[must_use]
    pub fn of(record: &Record, vocabulary: &Vocabulary, lane: Lane) -> Self {
        Self::of_with(record, vocabulary, lane, &|_| None)
    }

    /// What is left to show of a record whose words left: what it is, and how it stands.
    #[must_use]
    pub fn without_fields(mut self) -> Self {
        self.fields.clear();
        self.missing.clear();
        self.author = None;
        self.day = None;
        self.area = None;
        self
    }

    /// The view, with areas under the names that `area_name` gives.
    #[must_use]
    pub fn of_with(
        record: &Record,
        vocabulary: &Vocabulary,
        lane: Lane,
        area_name: &dyn Fn(AreaRef) -> Option<String>,
    ) -> Self {
        let number = record.record_type();
        let named = vocabulary.record_type(number);
        let first = record.change(record.creator());
        let fields = record.fields();
        let teller = Teller {
            record,
            vocabulary,
            area_name,
        };
        Self {
            id: record.id(),
            record_type: number,
            type_id: named.map_or_else(|| format!("type.{number}"), |row| row.id.clone()),
            type_label: named.map_or_else(|| number.to_string(), |row| row.vi.clone()),
            lane,
            vocabulary: record.vocabulary(),
            creator: record.creator(),
            creator_device: first.map(|full| full.change.device).unwrap_or_default(),
            author: first.and_then(|full| number_of(full.value(AUTHOR_KEY)?)),
            clock_s: first.map_or(0, |full| full.change.clock_s),
            missing: missing(number, vocabulary, lane, &fields),
            withdrawn: winner(&fields, WITHDRAWN).and_then(reason_of),
            day: day_of(&fields),
            area: winner(&fields, AREA).and_then(area_of),
            changes: record.change_count(),
            fields: teller.fields(fields),
        }
    }

    /// The field with this id; of a family, its first item's.
    #[must_use]
    pub fn field(&self, id: &str) -> Option<&FieldView> {
        self.fields.iter().find(|field| field.id == id)
    }

    /// Whether people disagree about a field and nobody has chosen yet.
    #[must_use]
    pub fn has_rivals(&self) -> bool {
        self.fields.iter().any(|field| !field.rivals.is_empty())
    }
}

/// What to write so that `told` stands alone: choosing is an ordinary edit that says the value
/// again, having seen all others. `None` when there is nothing to say again: the value was erased,
/// or the field is a computed one, where nothing can be written.
#[must_use]
pub fn choice(record: &Record, key: FieldKey, told: &Told) -> Option<(FieldKey, Value)> {
    // the member who wrote stands in every change and is no field
    record.field(key)?;
    // from the record, not from the view: it may have been erased since the view was made
    let value = record.change(told.by)?.value(key)?;
    Some((key, value.clone()))
}

/// Where a field is shown: own fields, envelope, unknown; families by item.
type Place = (u8, u16, u32, u16);

/// Puts the values of one record into words.
struct Teller<'a> {
    record: &'a Record,
    vocabulary: &'a Vocabulary,
    area_name: &'a dyn Fn(AreaRef) -> Option<String>,
}

impl Teller<'_> {
    fn fields(&self, fields: BTreeMap<FieldKey, Field>) -> Vec<FieldView> {
        let computed = self.duration(&fields);
        let mut placed: BTreeMap<Place, FieldView> = fields
            .into_iter()
            .map(|(key, field)| (self.place(key), self.field(key, field)))
            .collect();
        if let Some(computed) = computed {
            placed.insert(self.place(computed.key), computed);
        }
        placed.into_values().collect()
    }

    /// The field as records of this type have it. A number that belongs to another type is as
    /// unknown here as one of a newer vocabulary: its id may be the id of another field.
    fn known(&self, number: u16) -> Option<&vocabulary::Field> {
        let mine = |owner: u16| owner == self.record.record_type();
        self.vocabulary
            .field(number)
            .filter(|field| field.record_type.is_none_or(mine))
    }

    fn place(&self, key: FieldKey) -> Place {
        let (rank, first) = match self.known(key.number) {
            Some(field) if field.record_type.is_some() => (0, self.first_of_family(field)),
            Some(_) => (1, key.number),
            None => (2, key.number),
        };
        (rank, first, key.item, key.number)
    }

    fn first_of_family(&self, field: &vocabulary::Field) -> u16 {
        let same = |other: &&vocabulary::Field| {
            field.family.is_some()
                && other.family == field.family
                && other.record_type == field.record_type
        };
        self.vocabulary
            .fields()
            .find(same)
            .map_or(field.number, |first| first.number)
    }

    fn field(&self, key: FieldKey, field: Field) -> FieldView {
        let tell = |said: Vec<Said>| said.into_iter().map(|s| self.tell(key.number, s)).collect();
        self.named(
            key,
            self.tell(key.number, field.winner),
            tell(field.rivals),
            tell(self.record.history(key)),
        )
    }

    fn named(
        &self,
        key: FieldKey,
        value: Told,
        rivals: Vec<Told>,
        history: Vec<Told>,
    ) -> FieldView {
        let (number, known) = (key.number, self.known(key.number));
        FieldView {
            key,
            id: known.map_or_else(|| format!("field.{number}"), |row| row.id.clone()),
            label: known.map_or_else(|| format!("mục {number}"), |row| row.vi.clone()),
            known: known.is_some(),
            value,
            rivals,
            history,
        }
    }

    fn tell(&self, number: u16, said: Said) -> Told {
        let value = match said.value {
            SaidValue::Value(value) => Some(value),
            SaidValue::Erased => None,
        };
        let change = self.record.change(said.by).map(|full| &full.change);
        Told {
            text: value.as_ref().map_or_else(
                || text::ERASED.to_owned(),
                |value| value_text(self.vocabulary, number, value, self.area_name),
            ),
            value,
            by: said.by,
            device: said.device,
            member: said.member,
            clock_s: said.clock_s,
            heads: change.map(|c| c.heads.clone()).unwrap_or_default(),
            seen: change.map_or(0, |c| c.seen),
        }
    }

    /// The computed field of this type, while the interval that it follows from has both ends.
    fn duration(&self, fields: &BTreeMap<FieldKey, Field>) -> Option<FieldView> {
        let computed = |field: &&vocabulary::Field| {
            field.state == FieldState::Derived
                && field.kind == ValueKind::Count
                && field.id == DURATION_ID
        };
        let number = self
            .vocabulary
            .fields_of(self.record.record_type())
            .find(computed)?
            .number;
        let said = &fields.get(&OCCURRED)?.winner;
        let SaidValue::Value(interval) = &said.value else {
            return None;
        };
        let told = self.tell(
            number,
            Said {
                value: SaidValue::Value(minutes_of(interval)?),
                ..said.clone()
            },
        );
        let history = vec![told.clone()];
        Some(self.named(FieldKey::plain(number), told, Vec::new(), history))
    }
}

/// Minutes from start to end, over a change of the offset too. An end before the start says
/// nothing about a duration.
fn minutes_of(interval: &Value) -> Option<Value> {
    let Value::Interval(from, Some(to)) = interval else {
        return None;
    };
    let utc = |t: &WallTime| i64::from(t.minutes).saturating_sub(i64::from(t.offset));
    let minutes = utc(to).saturating_sub(utc(from));
    Some(Value::Number(u64::try_from(minutes).ok()?))
}

/// Asked item by item: an item that was begun lacks what it lacks, whatever another item has.
fn missing(
    record_type: u16,
    vocabulary: &Vocabulary,
    lane: Lane,
    fields: &BTreeMap<FieldKey, Field>,
) -> Vec<u16> {
    let present_at = |item: u32| -> Vec<Present> {
        fields
            .iter()
            .filter(|(key, _)| key.item == 0 || key.item == item)
            .filter(|(_, field)| !is_taken_back(&field.winner.value))
            .map(|(key, field)| Present {
                field: key.number,
                choice: match &field.winner.value {
                    SaidValue::Value(Value::Choice(number)) => Some(*number),
                    SaidValue::Value(_) | SaidValue::Erased => None,
                },
            })
            .collect()
    };
    let mut items: BTreeSet<u32> = fields.keys().map(|key| key.item).collect();
    items.insert(0);
    let missing: BTreeSet<u16> = items
        .into_iter()
        .flat_map(|item| vocabulary.required_missing(record_type, lane, &present_at(item)))
        .collect();
    missing.into_iter().collect()
}

/// Nothing is ever deleted: an empty text or set is how a value is taken back.
fn is_taken_back(said: &SaidValue) -> bool {
    match said {
        SaidValue::Value(Value::Text(text)) => text.is_empty(),
        SaidValue::Value(Value::Choices(set)) => set.is_empty(),
        SaidValue::Value(Value::Links(links)) => links.is_empty(),
        SaidValue::Value(_) | SaidValue::Erased => false,
    }
}

fn winner(fields: &BTreeMap<FieldKey, Field>, key: FieldKey) -> Option<&Value> {
    match &fields.get(&key)?.winner.value {
        SaidValue::Value(value) => Some(value),
        SaidValue::Erased => None,
    }
}

/// The local day: no offset is needed, because wall time is local already.
fn day_of(fields: &BTreeMap<FieldKey, Field>) -> Option<i32> {
    if let Some(Value::Day(day)) = winner(fields, DAY) {
        return Some(*day);
    }
    if let Value::Interval(from, _) = winner(fields, OCCURRED)? {
        Some(text::day_of_minutes(from.minutes))
    } else {
        None
    }
}

fn number_of(value: &Value) -> Option<u64> {
    if let Value::Number(number) = value {
        Some(*number)
    } else {
        None
    }
}

fn reason_of(value: &Value) -> Option<u16> {
    if let Value::Choice(number) = value {
        Some(*number)
    } else {
        None
    }
}

fn area_of(value: &Value) -> Option<AreaRef> {
    if let Value::Area(area) = value {
        Some(*area)
    } else {
        None
    }
}
