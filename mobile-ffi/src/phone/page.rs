//! One record as a page: what stands at each field, what others said there, what officers said.

use sync_core::ids::{GroupId, RecordId};
use sync_core::replica::{RemarkInfo, Replica};
use sync_core::value::{FieldKey, Value};
use sync_core::view::{FieldView, RecordView, Told};
use sync_core::vocabulary::{ReasonUse, ValueKind, Vocabulary};

use super::form::area_name;
use super::list::{BadgeView, badge};
use super::write::change_text;
use super::{Phone, record_id};
use crate::PhoneError;

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct RecordPage {
    /// Its name, in hex.
    pub record: String,
    /// Id of its type.
    pub type_id: String,
    /// Label of its type.
    pub label: String,
    /// Id of its lane.
    pub lane: String,
    /// Its group, in hex.
    pub group: String,
    /// Who wrote it first; `None` when that was erased.
    pub author: Option<String>,
    /// The writing phone's clock, in seconds since 1970; shown, never trusted.
    pub written_s: i64,
    /// Server time at which it was received.
    pub received_s: Option<i64>,
    /// Its fields, in the order of a form.
    pub fields: Vec<PageField>,
    /// What is asked for and has no value.
    pub missing: Vec<MissingField>,
    /// What officers said, oldest first.
    pub remarks: Vec<Remark>,
    /// Why it was withdrawn, in words.
    pub withdrawn: Option<String>,
    /// What stands beside it in a list.
    pub badge: BadgeView,
}

/// A field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct PageField {
    /// Its id.
    pub id: String,
    /// Item of its family; 0 outside families.
    pub item: u32,
    /// Its label.
    pub label: String,
    /// What is shown first: the same on every phone.
    pub value: SaidView,
    /// What others said without knowing of it: shown beside it until somebody chooses.
    pub rivals: Vec<SaidView>,
    /// Everything ever said here, oldest first.
    pub history: Vec<SaidView>,
}

/// A value that somebody said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct SaidView {
    /// Its words.
    pub text: String,
    /// The change that says it, as `choose` takes it.
    pub change: String,
    /// Who wrote; `None` when that was erased.
    pub member: Option<String>,
    /// Whether it was written on this phone.
    pub own: bool,
    /// The writing phone's clock, in seconds since 1970; shown, never trusted.
    pub written_s: i64,
    /// Server time at which it was received.
    pub received_s: Option<i64>,
    /// Whether the value was erased.
    pub erased: bool,
}

/// A field that is asked for and has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct MissingField {
    /// Its id.
    pub id: String,
    /// Its label.
    pub label: String,
}

/// What an officer said.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Remark {
    /// Server time.
    pub said_s: i64,
    /// Who; the number of the account when the name was erased.
    pub officer: String,
    /// Id of the field it is about.
    pub field: Option<String>,
    /// Label of that field.
    pub field_label: Option<String>,
    /// The state it sets, in words.
    pub state: Option<String>,
    /// The reason from the fixed list, in words.
    pub reason: Option<String>,
    /// Free words.
    pub words: Option<String>,
    /// Whether it asks for an answer.
    pub asks: bool,
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Phone {
    /// A record with all that was said.
    ///
    /// # Errors
    /// `NotEnrolled`, `RecordNotHere`.
    pub fn read(&self, record: String) -> Result<RecordPage, PhoneError> {
        let inner = self.lock();
        let id = record_id(&record)?;
        page(inner.replica()?, id).ok_or(PhoneError::RecordNotHere)
    }
}

fn page(replica: &Replica, id: RecordId) -> Option<RecordPage> {
    let (logbook, _) = replica.record(id)?;
    let view = view(replica, id)?;
    let vocabulary = replica.vocabulary();
    let teller = Teller {
        replica,
        group: logbook.group,
    };
    let label = |number: u16| vocabulary.field(number).map(|row| row.vi.clone());
    Some(RecordPage {
        record: id.to_string(),
        type_id: view.type_id.clone(),
        label: view.type_label.clone(),
        lane: view.lane.id().to_owned(),
        group: logbook.group.to_string(),
        author: teller.name(view.author),
        written_s: view.clock_s,
        received_s: replica.placed(view.creator).map(|(_, time_s)| time_s),
        missing: view
            .missing
            .iter()
            .map(|number| MissingField {
                id: field_id(vocabulary, *number),
                label: label(*number).unwrap_or_default(),
            })
            .collect(),
        remarks: replica
            .remarks(id)
            .into_iter()
            .map(|remark| remark_of(vocabulary, remark))
            .collect(),
        withdrawn: withdrawn(vocabulary, &view),
        badge: badge(replica, &view),
        fields: view
            .fields
            .iter()
            .map(|field| teller.field(field))
            .collect(),
    })
}

/// The view, with the areas that this phone can name.
pub(super) fn view(replica: &Replica, id: RecordId) -> Option<RecordView> {
    replica.view_with(id, &|area| area_name(replica, area))
}

/// The reason for which a record was withdrawn, in words.
pub(super) fn withdrawn(vocabulary: &Vocabulary, view: &RecordView) -> Option<String> {
    let number = view.withdrawn?;
    let reason = vocabulary.reason(ReasonUse::Withdraw, number);
    Some(reason.map_or_else(|| number.to_string(), |reason| reason.vi.clone()))
}

/// Puts values beside the names of those who said them.
struct Teller<'a> {
    replica: &'a Replica,
    group: GroupId,
}

impl Teller<'_> {
    fn field(&self, field: &FieldView) -> PageField {
        let said = |told: &Told| self.said(field.key, told);
        PageField {
            id: field.id.clone(),
            item: field.key.item,
            label: field.label.clone(),
            value: said(&field.value),
            rivals: field.rivals.iter().map(said).collect(),
            history: field.history.iter().map(said).collect(),
        }
    }

    fn said(&self, key: FieldKey, told: &Told) -> SaidView {
        SaidView {
            text: self.words(key, told),
            change: change_text(told.by),
            member: self.name(told.member),
            own: told.device == self.replica.device(),
            written_s: told.clock_s,
            received_s: self.replica.placed(told.by).map(|(_, time_s)| time_s),
            erased: told.value.is_none(),
        }
    }

    /// A member stands in a value as a number; people know names.
    fn words(&self, key: FieldKey, told: &Told) -> String {
        let field = self.replica.vocabulary().field(key.number);
        let is_member = field.is_some_and(|row| row.kind == ValueKind::Member);
        match told.value {
            Some(Value::Number(number)) if is_member => self.name(Some(number)).unwrap_or_default(),
            Some(_) | None => told.text.clone(),
        }
    }

    fn name(&self, member: Option<u64>) -> Option<String> {
        let number = member?;
        Some(match u16::try_from(number) {
            Ok(number) => member_text(self.replica, self.group, number),
            Err(_) => format!("thành viên số {number}"),
        })
    }
}

/// Name of a member, or the number where the name is unknown or erased.
pub(super) fn member_text(replica: &Replica, group: GroupId, number: u16) -> String {
    let name = replica.member_name(group, number);
    name.map_or_else(|| format!("thành viên số {number}"), str::to_owned)
}

fn remark_of(vocabulary: &Vocabulary, remark: RemarkInfo) -> Remark {
    let field = remark.field.map(|key| key.number);
    let label = |number: u16| vocabulary.field(number).map(|row| row.vi.clone());
    let reason = |number: u16| {
        let row = vocabulary.reason(ReasonUse::Return, number);
        row.map_or_else(|| number.to_string(), |row| row.vi.clone())
    };
    Remark {
        said_s: remark.time_s,
        officer: remark
            .account_name
            .unwrap_or_else(|| format!("tài khoản số {}", remark.account)),
        field: field.map(|number| field_id(vocabulary, number)),
        field_label: field.and_then(label),
        state: remark.state.map(|number| state_label(vocabulary, number)),
        reason: remark.reason.map(reason),
        words: remark.words,
        asks: remark.asks,
    }
}

/// The words of a state.
pub(super) fn state_label(vocabulary: &Vocabulary, number: u16) -> String {
    let state = vocabulary.state(number);
    state.map_or_else(|| number.to_string(), |state| state.vi.clone())
}

fn field_id(vocabulary: &Vocabulary, number: u16) -> String {
    let field = vocabulary.field(number);
    field.map_or_else(|| format!("field.{number}"), |field| field.id.clone())
}
