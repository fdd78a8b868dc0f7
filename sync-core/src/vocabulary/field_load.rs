//! Reading the fields: the widest table, and the one whose columns can contradict each other.

use std::collections::BTreeMap;

use super::fault::Fault;
use super::kind::{CODE_CHARS_MAX, REGISTERS, TEXT_CHARS_MAX, ValueKind};
use super::load::Loading;
use super::sheet::{Line, Row};
use super::tables::{
    ClosedLanePart, Condition, Field, FieldState, HeaderItem, OpenTypes, RecordType, Required,
    TypeLane, ValueList, Writer,
};

const COLUMNS: &[&str] = &[
    "number",
    "type",
    "id",
    "vi",
    "required",
    "required_in",
    "condition",
    "kind",
    "list",
    "max",
    "unit",
    "part",
    "state",
    "closed_lane",
    "open_in",
    "writer",
    "default",
    "family",
    "note",
];

type Lists = BTreeMap<String, ValueList>;

pub(super) fn fields(
    loading: &mut Loading<'_>,
    types: &[RecordType],
    lists: &Lists,
    header: &[HeaderItem],
) -> Vec<Field> {
    let rows = loading.rows("fields.csv", COLUMNS);
    let mut used = super::sheet::Used::default();
    let mut fields = Vec::new();
    for row in &rows {
        let mut line = Line {
            file: "fields.csv",
            row,
            faults: &mut loading.faults,
        };
        let owner = row.cell("type").to_owned();
        let number = line.short_number("number");
        used.number(&mut line, "field", "", u64::from(number));
        used.id(&mut line, "field", &owner, row.cell("id"));
        let field = field(&mut line, number, types, lists);
        contradictions(&mut line, &field);
        shadows(&mut line, &field, header, &fields);
        fields.push(field);
    }
    let conditions = rows.iter().zip(&fields).map(|(row, field)| {
        let mut line = Line {
            file: "fields.csv",
            row,
            faults: &mut loading.faults,
        };
        condition(&mut line, field, &fields, lists)
    });
    let conditions: Vec<_> = conditions.collect();
    for (field, condition) in fields.iter_mut().zip(conditions) {
        field.condition = condition;
    }
    kinds_of_types(loading, &rows, types, &fields, lists);
    fields
}

/// The type of a line; `None` for the envelope.
pub(super) fn owner(line: &mut Line<'_>, types: &[RecordType]) -> Option<u16> {
    let cell = line.row.cell("type").to_owned();
    if cell == "envelope" {
        return None;
    }
    let found = types
        .iter()
        .find(|row| row.id == cell)
        .map(|row| row.number);
    if found.is_none() {
        line.unknown("type", &cell, "envelope or the id of a type");
        return Some(0);
    }
    found
}

fn field(line: &mut Line<'_>, number: u16, types: &[RecordType], lists: &Lists) -> Field {
    let required = [
        ("R", Required::Asked),
        ("O", Required::Optional),
        ("C", Required::Conditional),
        ("A", Required::Automatic),
    ];
    let states = [
        ("active", FieldState::Active),
        ("reserved", FieldState::Reserved),
        ("derived", FieldState::Derived),
    ];
    let closed = [
        ("no", ClosedLanePart::Absent),
        ("yes", ClosedLanePart::Readable),
        ("commune", ClosedLanePart::CommuneOnly),
        ("sealed", ClosedLanePart::Sealed),
    ];
    let writers = [("member", Writer::Member), ("commune", Writer::Commune)];
    let kind = kind(line, lists);
    let default = default(line, &kind, lists);
    Field {
        number,
        record_type: owner(line, types),
        id: line.id("id"),
        vi: line.label("vi"),
        required: line
            .word("required", &required)
            .unwrap_or(Required::Optional),
        required_in: type_numbers(line, "required_in", types),
        condition: None,
        kind,
        unit: line.optional("unit"),
        part: line
            .word("part", &[("yes", true), ("no", false)])
            .unwrap_or(true),
        state: line.word("state", &states).unwrap_or(FieldState::Reserved),
        closed_lane: line
            .word("closed_lane", &closed)
            .unwrap_or(ClosedLanePart::Absent),
        open_in: open_types(line, types),
        writer: line.word("writer", &writers).unwrap_or(Writer::Member),
        default,
        family: line.optional("family"),
    }
}

fn kind(line: &mut Line<'_>, lists: &Lists) -> ValueKind {
    let plain = match line.row.cell("kind") {
        "yes_no" => ValueKind::YesNo,
        "count" => ValueKind::Count,
        "tenths" => ValueKind::Tenths,
        "money_vnd" => ValueKind::MoneyVnd,
        "day" => ValueKind::Day,
        "time" => ValueKind::Time,
        "interval" => ValueKind::Interval,
        "position" => ValueKind::Position,
        "area" => ValueKind::Area,
        "record_links" => ValueKind::RecordLinks,
        "member" => ValueKind::Member,
        "withdraw_reason" => ValueKind::WithdrawReason,
        "photos" => ValueKind::Photos,
        "sealed" => ValueKind::Sealed,
        "choice" => ValueKind::Choice {
            list: known_list(line, lists),
        },
        "choices" => ValueKind::Choices {
            list: known_list(line, lists),
        },
        "text" => ValueKind::Text {
            chars_max: bound(line, TEXT_CHARS_MAX),
        },
        "code" => ValueKind::Code {
            chars_max: bound(line, CODE_CHARS_MAX),
        },
        "saved_item" => ValueKind::SavedItem {
            register: known_register(line),
        },
        unknown => {
            line.unknown("kind", unknown, "a kind of value");
            ValueKind::Sealed
        }
    };
    if matches!(plain, ValueKind::Sealed) && line.optional("list").is_some() {
        known_list(line, lists);
    }
    plain
}

fn bound(line: &mut Line<'_>, max: u32) -> u32 {
    u32::try_from(line.number("max", u64::from(max))).unwrap_or(0)
}

fn known_list(line: &mut Line<'_>, lists: &Lists) -> String {
    let value = line.row.cell("list").to_owned();
    if !lists.contains_key(&value) {
        line.unknown("list", &value, "a list of lists.csv");
    }
    value
}

fn known_register(line: &mut Line<'_>) -> String {
    let registers = REGISTERS.map(|register| (register, register));
    line.word("list", &registers).unwrap_or_default().to_owned()
}

fn default(line: &mut Line<'_>, kind: &ValueKind, lists: &Lists) -> Option<u16> {
    let value = line.optional("default")?;
    let list = kind.list().and_then(|list| lists.get(list));
    let found = list
        .and_then(|list| list.value_by_id(&value))
        .map(|value| value.number);
    if found.is_none() {
        line.unknown("default", &value, "a value of the field's list");
    }
    found
}

fn type_numbers(line: &mut Line<'_>, column: &'static str, types: &[RecordType]) -> Vec<u16> {
    let words: Vec<(&str, u16)> = types
        .iter()
        .map(|row| (row.id.as_str(), row.number))
        .collect();
    line.words(column, &words)
}

fn open_types(line: &mut Line<'_>, types: &[RecordType]) -> OpenTypes {
    let cell = line.row.cell("open_in").to_owned();
    match cell.strip_prefix('!') {
        _ if cell.is_empty() => OpenTypes::All,
        _ if cell == "-" => OpenTypes::None,
        None => OpenTypes::Only(type_numbers(line, "open_in", types)),
        Some(id) => {
            let found = types.iter().find(|row| row.id == id).map(|row| row.number);
            if found.is_none() {
                line.unknown("open_in", &cell, "! and the id of a type");
            }
            OpenTypes::Except(found.into_iter().collect())
        }
    }
}

/// `!other` or `choice=value`, within the same type.
fn condition(
    line: &mut Line<'_>,
    field: &Field,
    fields: &[Field],
    lists: &Lists,
) -> Option<Condition> {
    let cell = line.optional("condition")?;
    let sibling = |id: &str| {
        fields
            .iter()
            .find(|other| other.record_type == field.record_type && other.id == id)
    };
    let found = if let Some(other) = cell.strip_prefix('!') {
        sibling(other).map(|other| Condition::Without(other.number))
    } else {
        cell.split_once('=').and_then(|(other, value)| {
            let other = sibling(other)?;
            let list = lists.get(other.kind.list()?)?;
            let value = list.value_by_id(value)?.number;
            Some(Condition::Chosen {
                field: other.number,
                value,
            })
        })
    };
    if found.is_none() {
        let expected = "!field or field=value of the same type";
        line.unknown("condition", &cell, expected);
    }
    found
}

/// Rules that hold between the columns of one field.
fn contradictions(line: &mut Line<'_>, field: &Field) {
    let sealed = field.kind == ValueKind::Sealed;
    let named_sealed = field.id.split('.').next() == Some("sealed");
    let in_closed = field.closed_lane != ClosedLanePart::Absent;
    let wordy = matches!(field.kind, ValueKind::Text { .. } | ValueKind::Position);
    let rules = [
        (
            field.kind.must_be_part() && !field.part,
            "this kind of value must be erasable (part)",
        ),
        (
            (sealed || field.kind == ValueKind::Photos) && field.state != FieldState::Reserved,
            "sealed parts and photos are reserved until they can be kept",
        ),
        (
            sealed != named_sealed,
            "a sealed field is named sealed.*, and nothing else is",
        ),
        (
            sealed != (field.closed_lane == ClosedLanePart::Sealed),
            "a sealed field is sealed in closed lanes, and nothing else is",
        ),
        (
            sealed && field.open_in != OpenTypes::None,
            "the open lane has no sealed part",
        ),
        (
            in_closed && (wordy || field.kind == ValueKind::Interval),
            "the readable part of a closed lane has no words, position or exact times",
        ),
        (
            field.family.as_ref().is_some_and(|family| {
                field
                    .id
                    .split_once('.')
                    .is_none_or(|(name, _)| name != family)
            }),
            "the id of a family's field begins with the family",
        ),
    ];
    for (broken, reason) in rules {
        if broken {
            line.fault(Fault::Contradiction {
                id: field.id.clone(),
                reason,
            });
        }
    }
}

/// A field must not repeat the header or the envelope.
fn shadows(line: &mut Line<'_>, field: &Field, header: &[HeaderItem], before: &[Field]) {
    if header.iter().any(|item| item.id == field.id) {
        line.fault(Fault::HeaderField {
            id: field.id.clone(),
        });
    }
    let in_envelope = |other: &&Field| other.record_type.is_none() && other.id == field.id;
    if field.record_type.is_some() && before.iter().any(|other| in_envelope(&other)) {
        let reason = "the envelope already has a field of this id";
        line.fault(Fault::Contradiction {
            id: field.id.clone(),
            reason,
        });
    }
}

/// A type whose lane follows from the kind needs a kind to ask for.
fn kinds_of_types(
    loading: &mut Loading<'_>,
    rows: &[Row],
    types: &[RecordType],
    fields: &[Field],
    lists: &Lists,
) {
    for record_type in types.iter().filter(|row| row.lane == TypeLane::ByKind) {
        let kind = fields
            .iter()
            .find(|field| field.record_type == Some(record_type.number) && field.id == "kind");
        let list = kind.and_then(|field| lists.get(field.kind.list()?));
        if list.is_some() || rows.is_empty() {
            continue;
        }
        if let Some(row) = rows.last() {
            let id = format!("{}.kind", record_type.id);
            let reason = "a type by_kind needs a choice field named kind";
            let faults = &mut loading.faults;
            Line {
                file: "fields.csv",
                row,
                faults,
            }
            .fault(Fault::Contradiction { id, reason });
        }
    }
}
