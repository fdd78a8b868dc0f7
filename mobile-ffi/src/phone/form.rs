//! What may be written, as data from which a screen can be drawn.

use sync_core::ids::{AreaRef, GroupId};
use sync_core::replica::Replica;
use sync_core::vocabulary::{
    Act, AreaId, Field, Lane, ListValue, Required, TypeLane, ValueKind, Vocabulary, Writer,
    unit_name,
};

use super::{Phone, group_id};
use crate::PhoneError;

/// A group that this phone is in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Group {
    /// Its id, in hex.
    pub id: String,
    /// Its public name.
    pub name: String,
    /// Its hamlet, or its commune, in hex; unknown until the phone is confirmed.
    pub area: Option<String>,
    /// Its commune, in hex.
    pub commune: Option<String>,
}

/// A member who may be chosen as the one who writes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Member {
    /// Number within the group.
    pub number: u16,
    /// Name; unknown until the phone is confirmed.
    pub name: Option<String>,
    /// Role, in words.
    pub role: String,
}

/// A type of record that a member may write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct WritableType {
    /// Stable id.
    pub id: String,
    /// Label.
    pub label: String,
    /// Id of its lane; none when the kind decides, so that the kind is asked first.
    pub lane: Option<String>,
}

/// A form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Form {
    /// Id of the type.
    pub type_id: String,
    /// Label of the type.
    pub label: String,
    /// Id of the lane; none while the kind has to be chosen first.
    pub lane: Option<String>,
    /// Label of the lane.
    pub lane_label: String,
    /// The fields, in order. Only the kind, while it has to be chosen first.
    pub fields: Vec<FormField>,
    /// Why a record of this lane may be withdrawn.
    pub withdraw_reasons: Vec<FormChoice>,
}

/// A field of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct FormField {
    /// Stable id, as `save` takes it.
    pub id: String,
    /// Label.
    pub label: String,
    /// Kind of its value: `yes_no`, `count`, `tenths`, `money_vnd`, `choice`, `choices`, `text`,
    /// `code`, `day`, `time`, `interval`, `position`, `area`, `links`, `member`, `saved_item`.
    pub kind: String,
    /// The choices, where it is one.
    pub choices: Vec<FormChoice>,
    /// Whether it is asked for. What is missing is shown, and never a reason not to save.
    pub required: bool,
    /// Whether it is asked for under a condition; `read` says when it is missing.
    pub conditional: bool,
    /// Most characters of a text.
    pub chars_max: Option<u32>,
    /// Unit of a number.
    pub unit: Option<String>,
    /// Its family: such fields come in items, each with a number from `new_item`.
    pub family: Option<String>,
}

/// One choice of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct FormChoice {
    /// Stable id.
    pub id: String,
    /// Label.
    pub label: String,
    /// The screen first says: phone at once.
    pub call: bool,
    /// The screen also says: keep away.
    pub keep_away: bool,
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Phone {
    /// Groups of this phone.
    ///
    /// # Errors
    /// `NotEnrolled`.
    pub fn groups(&self) -> Result<Vec<Group>, PhoneError> {
        let inner = self.lock();
        let enrolled = inner.enrolled()?;
        let invited = &enrolled.invitation;
        Ok(enrolled
            .replica
            .groups()
            .map(|(id, info)| Group {
                id: id.to_string(),
                name: match info {
                    Some(info) => info.name.clone(),
                    None if id == invited.group => invited.group_name.clone(),
                    None => String::new(),
                },
                area: info.map(|info| info.area.to_string()),
                commune: info.map(|info| info.commune.to_string()),
            })
            .collect())
    }

    /// Members who may write on this phone in a group.
    ///
    /// # Errors
    /// `NotEnrolled`, `GroupNotHere`.
    pub fn members(&self, group: String) -> Result<Vec<Member>, PhoneError> {
        let inner = self.lock();
        let replica = inner.replica()?;
        let group = known_group(replica, &group)?;
        Ok(replica
            .members(group)
            .map(|(number, info)| Member {
                number,
                name: info.name.clone(),
                role: role_label(replica.vocabulary(), info.role),
            })
            .collect())
    }

    /// Types of record that a member may write.
    ///
    /// # Errors
    /// `NotEnrolled`, `GroupNotHere`, `ChooseMember`.
    pub fn types_for(&self, group: String, member: u16) -> Result<Vec<WritableType>, PhoneError> {
        let inner = self.lock();
        let replica = inner.replica()?;
        let group = known_group(replica, &group)?;
        let role = replica
            .members(group)
            .find(|(number, _)| *number == member)
            .and_then(|(_, info)| info.role)
            .ok_or(PhoneError::ChooseMember)?;
        let vocabulary = replica.vocabulary();
        let may = |lane: TypeLane| match lane {
            TypeLane::Fixed(lane) => vocabulary.may_write(role, lane),
            TypeLane::ByKind => [Lane::Open, Lane::Protected]
                .into_iter()
                .any(|lane| vocabulary.may_write(role, lane)),
        };
        let reports_nothing = |id: &str| id == NIL_RETURN;
        Ok(vocabulary
            .record_types()
            .filter(|row| may(row.lane))
            .filter(|row| !reports_nothing(&row.id) || vocabulary.may(role, Act::SendNilReturn))
            .map(|row| WritableType {
                id: row.id.clone(),
                label: row.vi.clone(),
                lane: match row.lane {
                    TypeLane::Fixed(lane) => Some(lane.id().to_owned()),
                    TypeLane::ByKind => None,
                },
            })
            .collect())
    }

    /// The form of a type. `kind` is the id of the chosen kind, for a type whose kind decides the
    /// lane; for other types it does not matter.
    ///
    /// # Errors
    /// `NotEnrolled`, `ChooseType`.
    pub fn form(&self, type_id: String, kind: Option<String>) -> Result<Form, PhoneError> {
        let inner = self.lock();
        let vocabulary = inner.replica()?.vocabulary();
        let row = vocabulary
            .record_type_by_id(&type_id)
            .ok_or(PhoneError::ChooseType)?;
        let lane = lane_of(vocabulary, row.number, kind.as_deref());
        let fields = match lane {
            Some(lane) => fields_in(vocabulary, row.number, lane),
            None => vocabulary
                .field_by_id(row.number, KIND)
                .map(|field| form_field(vocabulary, row.number, field))
                .into_iter()
                .collect(),
        };
        Ok(Form {
            type_id,
            label: row.vi.clone(),
            lane: lane.map(|lane| lane.id().to_owned()),
            lane_label: lane
                .map_or_else(String::new, |lane| vocabulary.lane_label(lane).to_owned()),
            fields,
            withdraw_reasons: lane.map_or_else(Vec::new, |lane| reasons(vocabulary, lane)),
        })
    }

    /// A number for a new item of a family, drawn at random so that two phones draw others.
    ///
    /// # Errors
    /// `NoRandomness`.
    pub fn new_item(&self) -> Result<u32, PhoneError> {
        let [a, b, c, d, ..] = super::random()?;
        Ok(u32::from_be_bytes([a, b, c, d]).max(1))
    }
}

/// The type that says "nothing happened"; sending it is an act of its own.
const NIL_RETURN: &str = "nil_return";
/// The field whose value decides the lane of a type, where one does.
pub(super) const KIND: &str = "kind";

/// The lane of a type with this kind.
pub(super) fn lane_of(vocabulary: &Vocabulary, number: u16, kind: Option<&str>) -> Option<Lane> {
    let list = vocabulary
        .field_by_id(number, KIND)
        .and_then(|field| vocabulary.list_of(field.number));
    let value = kind.and_then(|kind| list?.value_by_id(kind));
    vocabulary.lane_of(number, value.map(|value| value.number))
}

fn fields_in(vocabulary: &Vocabulary, number: u16, lane: Lane) -> Vec<FormField> {
    vocabulary
        .fields_in(number, lane)
        .filter(|field| vocabulary.accepts(number, lane, field.number))
        // withdrawing is a call of its own
        .filter(|field| field.writer == Writer::Member && field.kind != ValueKind::WithdrawReason)
        .map(|field| form_field(vocabulary, number, field))
        .collect()
}

fn form_field(vocabulary: &Vocabulary, record_type: u16, field: &Field) -> FormField {
    let asked = field.required == Required::Asked && field.default.is_none();
    FormField {
        id: field.id.clone(),
        label: field.vi.clone(),
        kind: kind_id(&field.kind).to_owned(),
        choices: vocabulary
            .list_of(field.number)
            .map_or_else(Vec::new, |list| list.values.iter().map(choice).collect()),
        required: asked || field.required_in.contains(&record_type),
        conditional: field.required == Required::Conditional && field.condition.is_some(),
        chars_max: chars_max(&field.kind),
        unit: field.unit.clone(),
        family: field.family.clone(),
    }
}

fn chars_max(kind: &ValueKind) -> Option<u32> {
    if let ValueKind::Text { chars_max } | ValueKind::Code { chars_max } = kind {
        Some(*chars_max)
    } else {
        None
    }
}

fn choice(value: &ListValue) -> FormChoice {
    FormChoice {
        id: value.id.clone(),
        label: value.vi.clone(),
        call: value.call,
        keep_away: value.keep_away,
    }
}

fn reasons(vocabulary: &Vocabulary, lane: Lane) -> Vec<FormChoice> {
    vocabulary
        .reasons(sync_core::vocabulary::ReasonUse::Withdraw, lane)
        .map(|reason| FormChoice {
            id: reason.id.clone(),
            label: reason.vi.clone(),
            call: false,
            keep_away: false,
        })
        .collect()
}

fn kind_id(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::YesNo => "yes_no",
        ValueKind::Count => "count",
        ValueKind::Tenths => "tenths",
        ValueKind::MoneyVnd => "money_vnd",
        ValueKind::Choice { .. } => "choice",
        ValueKind::Choices { .. } => "choices",
        ValueKind::Text { .. } => "text",
        ValueKind::Day => "day",
        ValueKind::Time => "time",
        ValueKind::Interval => "interval",
        ValueKind::Position => "position",
        ValueKind::Area => "area",
        ValueKind::RecordLinks => "links",
        ValueKind::Member => "member",
        ValueKind::SavedItem { .. } => "saved_item",
        ValueKind::Code { .. } => "code",
        ValueKind::WithdrawReason => "withdraw_reason",
        ValueKind::Photos => "photos",
        ValueKind::Sealed => "sealed",
    }
}

/// A group that this phone is in.
/// A role in words; none when the member has ended.
pub(super) fn role_label(vocabulary: &Vocabulary, role: Option<u16>) -> String {
    let row = role.and_then(|role| vocabulary.role(role));
    row.map_or_else(String::new, |row| row.vi.clone())
}

pub(super) fn known_group(replica: &Replica, hex: &str) -> Result<GroupId, PhoneError> {
    let id = group_id(hex)?;
    let known = replica.groups().any(|(group, _)| group == id);
    if known {
        Ok(id)
    } else {
        Err(PhoneError::GroupNotHere)
    }
}

/// The name of an area: of a commune or province from the names of units, of a hamlet only where
/// it is the area of one of the phone's groups.
pub(super) fn area_name(replica: &Replica, area: AreaRef) -> Option<String> {
    if let Some(name) = unit_name(AreaId::from_bytes(area.0)) {
        return Some(name.to_owned());
    }
    replica
        .groups()
        .filter_map(|(_, info)| info)
        .find(|info| info.area == area)
        .map(|info| format!("địa bàn của {}", info.name))
}
