//! The vocabulary: types, fields, lists, roles, states, reasons and lanes, as versioned data.
//!
//! A province adds a kind without a release, so nothing here is an enum that code must know by
//! heart; what code does know by heart (lanes, kinds of value, acts) is. Numbers are fixed for
//! ever: they stand in signed bytes, and a number that changed its meaning would change what
//! somebody signed. Ids serve people and the screens' texts; labels are Vietnamese drafts.
//!
//! ```text
//! data/v1/*.csv -> load -> Vocabulary -> lane_of, accepts, required_missing, may_read ...
//!                     \-> every fault, with file and line
//! ```
//!
//! What stands in the header of a change (who wrote, when, where it belongs) is no field;
//! `header.csv` lists it so that nobody adds it twice. The language of a record is nowhere.

mod areas;
mod fault;
mod field_load;
mod hamlets;
mod kind;
mod lane;
mod lint;
mod load;
mod models;
mod periods;
mod sheet;
mod tables;
mod unit_names;
mod units;
mod units_before;

use std::collections::BTreeMap;
use std::sync::OnceLock;

pub use areas::{
    AREA_NAME_CHARS_MAX, Area, AreaFault, AreaId, AreaKind, AreaLevel, AreaProblem,
    CODE_SYSTEM_2025, CODE_SYSTEM_BEFORE_2025, UNITS_BEFORE_VALID_FROM, UNITS_VALID_FROM,
    UnitTable,
};
pub use fault::{Fault, VocabularyFault};
pub use hamlets::{HAMLET_COLUMNS, HamletImport};
pub use kind::{
    ACCURACY_METRES_MAX, CODE_CHARS_MAX, COUNT_MAX, LATITUDE_E4_MAX, LONGITUDE_E4_MAX,
    MEMBER_NUMBER_MAX, MONEY_VND_MAX, OFFSET_MINUTES_MAX, OFFSET_MINUTES_MIN, PHOTOS_COUNT_MAX,
    SAVED_ITEM_NUMBER_MAX, TENTHS_MAX, TEXT_CHARS_MAX, ValueKind,
};
pub use lane::Lane;
pub use lint::{LintReason, LintRefusal, Rules};
pub use models::{FORM_LIST, MODEL_KINDS_CSV, ModelKind, ModelKinds, STATE_LIST, may_follow};
pub use periods::{PERIOD_CALENDARS_CSV, Period, PeriodCalendar, PeriodCalendars};
pub use tables::{
    Act, Answer, ClosedLanePart, Condition, Field, FieldState, HeaderItem, IntervalEnd, ListValue,
    OpenTypes, Reason, ReasonUse, RecordType, Required, Role, RoleScope, State, StateLevel,
    StopSign, TypeLane, ValueList, View, Writer,
};
pub use unit_names::unit_name;
pub use units::UNITS_CSV;
pub use units_before::{UNITS_BEFORE_CSV, UnitsBefore};

/// The files of the built-in vocabulary, as [`Vocabulary::load`] takes them.
pub const BUILTIN_FILES: [(&str, &str); 11] = [
    ("version.csv", include_str!("data/v1/version.csv")),
    ("lanes.csv", include_str!("data/v1/lanes.csv")),
    ("types.csv", include_str!("data/v1/types.csv")),
    ("fields.csv", include_str!("data/v1/fields.csv")),
    ("lists.csv", include_str!("data/v1/lists.csv")),
    ("roles.csv", include_str!("data/v1/roles.csv")),
    ("states.csv", include_str!("data/v1/states.csv")),
    ("reasons.csv", include_str!("data/v1/reasons.csv")),
    ("stop_signs.csv", include_str!("data/v1/stop_signs.csv")),
    ("views.csv", include_str!("data/v1/views.csv")),
    ("header.csv", include_str!("data/v1/header.csv")),
];

/// A field that has a value, for [`Vocabulary::required_missing`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Present {
    /// The field's number.
    pub field: u16,
    /// The chosen value, when the field is one choice: conditions ask for it.
    pub choice: Option<u16>,
}

/// One version of the vocabulary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vocabulary {
    version: u16,
    lane_labels: BTreeMap<Lane, String>,
    types: BTreeMap<u16, RecordType>,
    fields: BTreeMap<u16, Field>,
    lists: BTreeMap<String, ValueList>,
    roles: BTreeMap<u16, Role>,
    states: BTreeMap<u16, State>,
    reasons: Vec<Reason>,
    stop_signs: Vec<StopSign>,
    views: Vec<View>,
    header: Vec<HeaderItem>,
}

impl Vocabulary {
    /// The vocabulary that this release was built with. Phones skip the schema lint here: a test
    /// runs it over these very bytes, and its rules need not travel to a phone.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Vocabulary> = OnceLock::new();
        BUILTIN.get_or_init(|| load::read(&BUILTIN_FILES).0)
    }

    /// Reads a vocabulary from (file name, content) pairs, with every check and the schema lint.
    ///
    /// # Errors
    /// All faults of all files, each with its file and line.
    pub fn load(files: &[(&str, &str)]) -> Result<Self, Vec<VocabularyFault>> {
        let (vocabulary, mut faults) = load::read(files);
        faults.extend(load::lint_files(files));
        if faults.is_empty() {
            Ok(vocabulary)
        } else {
            Err(faults)
        }
    }

    /// The version, which changes name.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// The Vietnamese label of a lane.
    pub fn lane_label(&self, lane: Lane) -> &str {
        self.lane_labels.get(&lane).map_or("", String::as_str)
    }

    /// All types, by number.
    pub fn record_types(&self) -> impl Iterator<Item = &RecordType> {
        self.types.values()
    }

    /// The type with this number.
    pub fn record_type(&self, number: u16) -> Option<&RecordType> {
        self.types.get(&number)
    }

    /// The type with this id.
    pub fn record_type_by_id(&self, id: &str) -> Option<&RecordType> {
        self.types.values().find(|row| row.id == id)
    }

    /// All fields of all types and the envelope, by number.
    pub fn fields(&self) -> impl Iterator<Item = &Field> {
        self.fields.values()
    }

    /// The field with this number.
    pub fn field(&self, number: u16) -> Option<&Field> {
        self.fields.get(&number)
    }

    /// The field with this id in records of this type: its own, or the envelope's.
    pub fn field_by_id(&self, record_type: u16, id: &str) -> Option<&Field> {
        self.fields_of(record_type).find(|field| field.id == id)
    }

    /// The fields that records of this type can have in some lane: the type's own first.
    pub fn fields_of(&self, record_type: u16) -> impl Iterator<Item = &Field> {
        let own = self
            .fields
            .values()
            .filter(move |f| f.record_type == Some(record_type));
        own.chain(
            self.fields
                .values()
                .filter(|field| field.record_type.is_none()),
        )
    }

    /// The fields that records of this type have in this lane, in any state, by any writer.
    pub fn fields_in(&self, record_type: u16, lane: Lane) -> impl Iterator<Item = &Field> {
        self.fields_of(record_type)
            .filter(move |field| exists_in(field, record_type, lane))
    }

    /// Whether a value at this field may be admitted in a record of this type and lane. Fields
    /// that are reserved or derived, of another type, or of no such lane: never.
    pub fn accepts(&self, record_type: u16, lane: Lane, field: u16) -> bool {
        self.types.contains_key(&record_type)
            && self.fields.get(&field).is_some_and(|field| {
                field.state == FieldState::Active
                    && field.record_type.is_none_or(|owner| owner == record_type)
                    && exists_in(field, record_type, lane)
            })
    }

    /// All lists, by id.
    pub fn lists(&self) -> impl Iterator<Item = &ValueList> {
        self.lists.values()
    }

    /// The list with this id.
    pub fn list(&self, id: &str) -> Option<&ValueList> {
        self.lists.get(id)
    }

    /// The list that a choice field takes its values from.
    pub fn list_of(&self, field: u16) -> Option<&ValueList> {
        self.lists.get(self.fields.get(&field)?.kind.list()?)
    }

    /// The lane of a record. `None` when the type is unknown, or when the kind decides and is
    /// missing or unknown: such a record has no place yet, and guessing "open" would show it.
    pub fn lane_of(&self, record_type: u16, kind: Option<u16>) -> Option<Lane> {
        match self.types.get(&record_type)?.lane {
            TypeLane::Fixed(lane) => Some(lane),
            TypeLane::ByKind => {
                let field = self.field_by_id(record_type, "kind")?;
                let value = self.list_of(field.number)?.value(kind?)?;
                Some(if value.protected {
                    Lane::Protected
                } else {
                    Lane::Open
                })
            }
        }
    }

    /// Whether a field stands in the readable part of a closed-lane record of this type and
    /// kind. False for a record that is in the open lane.
    pub fn readable_in_closed_lane(&self, record_type: u16, kind: Option<u16>, field: u16) -> bool {
        let closed = self.lane_of(record_type, kind).is_some_and(Lane::is_closed);
        let owned = self
            .fields
            .get(&field)
            .filter(|field| field.record_type.is_none_or(|owner| owner == record_type));
        closed
            && owned.is_some_and(|field| {
                let part = field.closed_lane;
                part == ClosedLanePart::Readable || part == ClosedLanePart::CommuneOnly
            })
    }

    /// The fields that are asked for in a record of this type and lane and have no value, by
    /// number. Shown as missing, never a reason to refuse. What takes no input, has a default
    /// or is the commune's to write is not missing. Of a family, pass one item's fields.
    pub fn required_missing(&self, record_type: u16, lane: Lane, present: &[Present]) -> Vec<u16> {
        let has = |number: u16| present.iter().any(|value| value.field == number);
        let asked = |field: &&Field| {
            field.state == FieldState::Active
                && field.writer == Writer::Member
                && field.default.is_none()
                && self.family_begun(field, present)
                && asks(field, record_type, present)
        };
        let mut missing: Vec<u16> = self
            .fields_in(record_type, lane)
            .filter(asked)
            .map(|field| field.number)
            .filter(|number| !has(*number))
            .collect();
        missing.sort_unstable();
        missing
    }

    /// A family without any item is optional as a whole; an item that was begun is asked for.
    fn family_begun(&self, field: &Field, present: &[Present]) -> bool {
        field.family.is_none()
            || present
                .iter()
                .filter_map(|value| self.fields.get(&value.field))
                .any(|other| other.record_type == field.record_type && other.family == field.family)
    }

    /// The names under which the ends of an interval are shown in records of this type.
    pub fn views_of(&self, record_type: u16, field: u16) -> Vec<&View> {
        let of = |owner: Option<u16>| {
            self.views
                .iter()
                .filter(move |v| v.field == field && v.record_type == owner)
        };
        let own: Vec<&View> = of(Some(record_type)).collect();
        if own.is_empty() {
            of(None).collect()
        } else {
            own
        }
    }

    /// What stands in the header of a change and is therefore no field.
    pub fn header(&self) -> &[HeaderItem] {
        &self.header
    }

    /// All roles, by number.
    pub fn roles(&self) -> impl Iterator<Item = &Role> {
        self.roles.values()
    }

    /// The role with this number.
    pub fn role(&self, number: u16) -> Option<&Role> {
        self.roles.get(&number)
    }

    /// The role with this id.
    pub fn role_by_id(&self, id: &str) -> Option<&Role> {
        self.roles.values().find(|role| role.id == id)
    }

    /// Whether a role creates records in a lane.
    pub fn may_write(&self, role: u16, lane: Lane) -> bool {
        self.roles
            .get(&role)
            .is_some_and(|role| role.write.contains(&lane))
    }

    /// Whether a role reads the records of a lane within its scope. A writer always sees the
    /// state of what the own phone wrote; that is not reading the lane.
    pub fn may_read(&self, role: u16, lane: Lane) -> bool {
        self.roles
            .get(&role)
            .is_some_and(|role| role.read.contains(&lane))
    }

    /// Whether a role reviews, returns and accepts the records of a lane.
    pub fn may_review(&self, role: u16, lane: Lane) -> bool {
        self.roles
            .get(&role)
            .is_some_and(|role| role.review.contains(&lane))
    }

    /// Whether a role sees counts of a lane: what it reads it may count too.
    pub fn may_count(&self, role: u16, lane: Lane) -> bool {
        self.may_read(role, lane)
            || self
                .roles
                .get(&role)
                .is_some_and(|role| role.counts.contains(&lane))
    }

    /// Whether a role may do an act.
    pub fn may(&self, role: u16, act: Act) -> bool {
        self.roles
            .get(&role)
            .is_some_and(|role| role.acts.contains(&act))
    }

    /// Above the commune, rows of closed lanes are rounded to day and commune.
    pub fn sees_rounded(&self, role: u16, lane: Lane) -> bool {
        let above = self
            .roles
            .get(&role)
            .is_none_or(|role| role.scope == RoleScope::Province);
        above && lane.is_closed()
    }

    /// All states, by number.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.states.values()
    }

    /// The state with this number.
    pub fn state(&self, number: u16) -> Option<&State> {
        self.states.get(&number)
    }

    /// The state with this id.
    pub fn state_by_id(&self, id: &str) -> Option<&State> {
        self.states.values().find(|state| state.id == id)
    }

    /// The reasons that may be given for this use in this lane.
    pub fn reasons(&self, used_for: ReasonUse, lane: Lane) -> impl Iterator<Item = &Reason> {
        let fits = move |r: &&Reason| r.used_for == used_for && r.allowed_in(lane);
        self.reasons.iter().filter(fits)
    }

    /// The reason with this number, in any lane.
    pub fn reason(&self, used_for: ReasonUse, number: u16) -> Option<&Reason> {
        self.reasons
            .iter()
            .find(|r| r.used_for == used_for && r.number == number)
    }

    /// The reason with this id, in any lane.
    pub fn reason_by_id(&self, used_for: ReasonUse, id: &str) -> Option<&Reason> {
        self.reasons
            .iter()
            .find(|r| r.used_for == used_for && r.id == id)
    }

    /// The entries that look like tip categories but open no form.
    pub fn stop_signs(&self) -> &[StopSign] {
        &self.stop_signs
    }
}

fn exists_in(field: &Field, record_type: u16, lane: Lane) -> bool {
    if lane.is_closed() {
        field.closed_lane != ClosedLanePart::Absent
    } else {
        field.open_in.include(record_type)
    }
}

fn asks(field: &Field, record_type: u16, present: &[Present]) -> bool {
    if field.required_in.contains(&record_type) {
        return true;
    }
    match (field.required, &field.condition) {
        (Required::Asked, _) => true,
        (Required::Conditional, Some(Condition::Without(other))) => {
            !present.iter().any(|value| value.field == *other)
        }
        (Required::Conditional, Some(Condition::Chosen { field, value })) => present
            .iter()
            .any(|p| p.field == *field && p.choice == Some(*value)),
        (Required::Optional | Required::Automatic | Required::Conditional, _) => false,
    }
}

#[cfg(test)]
mod tests;
