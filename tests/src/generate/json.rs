//! Records as lines of JSON, for files and for comparing.

use serde_json::{Map, Value as Json, json};
use sync_core::value::Value;
use sync_core::vocabulary::Vocabulary;

use super::{Fate, Planned, TipValue, World};

/// One record. What is never sent stands apart, below `beside`.
#[must_use]
pub fn record(world: &World, planned: &Planned) -> Json {
    let vocabulary = Vocabulary::builtin();
    let mut fields = Map::new();
    for (key, value) in &planned.values {
        let id = vocabulary.field(key.number).map_or("", |field| &field.id);
        let name = if key.item == 0 {
            id.to_owned()
        } else {
            format!("{id}.{:x}", key.item)
        };
        fields.insert(name, value_of(value));
    }
    let row = vocabulary.record_type(planned.record_type);
    json!({
        "synthetic": true,
        "group": world.groups[planned.group].name,
        "phone": planned.phone,
        "member": planned.member,
        "type": row.map_or("", |row| row.id.as_str()),
        "lane": planned.lane.id(),
        "recorded_s": planned.recorded_s,
        "clock_s": planned.clock_s,
        "arrives_s": planned.arrives_s,
        "fields": fields,
        "beside": {
            "fate": fate(&planned.fate),
            "duplicates": planned.duplicates,
            "resent": planned.resent,
            "language": planned.language.map(|language| format!("{language:?}")),
            "dirt": planned.dirt.map(|dirt| format!("{dirt:?}")),
            "value": planned.tip_value.map(tip_value),
        },
    })
}

/// A word for what becomes of a record.
pub(super) fn fate(fate: &Fate) -> &'static str {
    match fate {
        Fate::Stays => "stays",
        Fate::Withdrawn(_) => "withdrawn",
        Fate::Rivals { .. } => "rivals",
        Fate::Returned {
            corrected: Some(_), ..
        } => "returned, corrected",
        Fate::Returned {
            corrected: None, ..
        } => "returned",
        Fate::Reissued(_) => "reissued",
    }
}

pub(super) fn tip_value(value: TipValue) -> &'static str {
    match value {
        TipValue::OfValue => "of_value",
        TipValue::NotOfValue => "not_of_value",
        TipValue::Unfounded => "unfounded",
        TipValue::NotYet => "not_yet",
    }
}

fn value_of(value: &Value) -> Json {
    let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("{byte:02x}")).collect() };
    match value {
        Value::YesNo(yes) => json!(yes),
        Value::Number(number) => json!(number),
        Value::Choice(choice) => json!(choice),
        Value::Choices(set) => json!(set),
        Value::Text(text) => json!(text),
        Value::Day(day) => json!(day),
        Value::Time(time) => json!([time.minutes, time.offset]),
        Value::Interval(from, to) => {
            json!([from.minutes, to.map(|to| to.minutes), from.offset])
        }
        Value::Position(latitude, longitude, metres) => json!([latitude, longitude, metres]),
        Value::Area(area) => json!(hex(area.as_bytes())),
        Value::Links(links) => links.iter().map(|link| json!(hex(&link.0))).collect(),
        Value::Later(mark, bytes) => json!([mark, hex(bytes)]),
    }
}
