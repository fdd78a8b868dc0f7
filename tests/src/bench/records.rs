//! The records that are sent: patrols of fifteen fields, drawn from a seed.
//!
//! The notes are the held-out corpus. Places and routes are put together from words of their own,
//! so that they seldom repeat within a batch.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};
use sync_core::ids::{AreaRef, Hash32, sha256};
use sync_core::value::{FieldKey, Value, WallTime};
use sync_core::vocabulary::Vocabulary;

use super::Trouble;
use crate::sim::Dice;

/// The notes, one a line.
const CORPUS: &str = include_str!("../../corpus/bench_notes.txt");

/// Type of all records.
const TYPE: &str = "patrol";
/// Minutes by which Vietnam is ahead of UTC.
const OFFSET_MIN: i16 = 420;

const SPOTS: [&str; 16] = [
    "sạp bánh mì",
    "gốc bàng lớn",
    "bến đậu vỏ",
    "miễu nhỏ",
    "trại vịt",
    "sân phơi",
    "trụ nước",
    "quầy thuốc",
    "tiệm vá xe",
    "lò gạch cũ",
    "hàng dương",
    "bãi dừa nước",
    "xẻo lá",
    "mé đìa",
    "dốc chợ trưa",
    "nhà lồng cũ",
];
const NEAR: [&str; 16] = [
    "Bà Đầm",
    "Sáu Ngàn",
    "Lung Ngang",
    "Cây Gáo",
    "Trà Lót",
    "Ông Đèo",
    "Mương Khai",
    "Bảy Thưa",
    "Thị Hộ",
    "Cả Lăng",
    "Vàm Nhon",
    "Xẻo Cỏ",
    "Đường Gỗ",
    "Ngã Bát",
    "Tắc Ông Thục",
    "Láng Hầm",
];

/// What texts are made of.
#[derive(Debug, Clone)]
pub(super) struct Words {
    /// Whole notes; neighbours go into one batch.
    pub(super) notes: Vec<String>,
    /// Beginnings of places.
    pub(super) spots: Vec<String>,
    /// Ends of places.
    pub(super) near: Vec<String>,
}

impl Words {
    /// The held-out ones.
    pub(super) fn held_out() -> Self {
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        Self {
            notes: CORPUS.lines().map(str::to_owned).collect(),
            spots: owned(&SPOTS),
            near: owned(&NEAR),
        }
    }
}

/// SHA-256 of the file of notes.
#[must_use]
pub(super) fn corpus_hash() -> String {
    let Hash32(bytes) = sha256(CORPUS.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// One record as a person fills it in.
#[derive(Debug, Clone)]
pub(super) struct Drawn {
    /// Number of its type.
    pub(super) record_type: u16,
    /// Its fields.
    pub(super) values: BTreeMap<FieldKey, Value>,
    /// When it was saved, by the phone's clock.
    pub(super) clock_s: i64,
    /// The phone's counter then.
    pub(super) mono_s: u32,
}

/// Draws records, one evening after the other.
#[derive(Debug)]
pub(super) struct Records {
    dice: Dice,
    words: Words,
    next_note: usize,
    area: AreaRef,
    /// Local midnight before the patrol, in minutes since 1970.
    evening_min: i32,
    booted_s: i64,
}

impl Records {
    /// From this seed; `first_s` is the day of the first record.
    pub(super) fn new(seed: u64, area: AreaRef, first_s: i64) -> Self {
        Self::of_words(Words::held_out(), seed, area, first_s)
    }

    /// The same from other words.
    pub(super) fn of_words(words: Words, seed: u64, area: AreaRef, first_s: i64) -> Self {
        let mut dice = Dice::new(seed ^ 0x6e6f_7465);
        let next_note = dice.below(words.notes.len());
        let day = i32::try_from(first_s / 86_400).unwrap_or(0);
        let booted_s = first_s - 3_600 * i64::try_from(dice.below(400)).unwrap_or(0);
        Self {
            dice,
            words,
            next_note,
            area,
            evening_min: day.saturating_mul(1_440),
            booted_s,
        }
    }

    fn number(&mut self, from: u64, to: u64) -> u64 {
        let span = usize::try_from(to.saturating_sub(from).saturating_add(1)).unwrap_or(1);
        from + u64::try_from(self.dice.below(span)).unwrap_or(0)
    }

    fn choice(&mut self, usual: u16, most: u64, usual_percent: u64) -> Value {
        let other = u16::try_from(self.number(1, most)).unwrap_or(usual);
        let is_usual = self.dice.chance(usual_percent);
        Value::Choice(if is_usual { usual } else { other })
    }

    fn choices(&mut self, most: u64) -> Value {
        let mut set: Vec<u16> = (0..self.number(1, 3))
            .filter_map(|_| u16::try_from(self.number(1, most)).ok())
            .collect();
        set.sort_unstable();
        set.dedup();
        Value::Choices(set)
    }

    fn place(&mut self) -> String {
        let spot = self.dice.below(self.words.spots.len());
        let near = self.dice.below(self.words.near.len());
        format!("{} {}", self.words.spots[spot], self.words.near[near])
    }

    fn note(&mut self) -> String {
        let note = self.words.notes[self.next_note].clone();
        // neighbouring lines, as the corpus asks
        self.next_note = (self.next_note + 1) % self.words.notes.len();
        note
    }

    /// The next record.
    ///
    /// # Errors
    /// A field that the vocabulary does not have.
    pub(super) fn next(&mut self) -> Result<Drawn, Trouble> {
        let number = |from: &mut Self, low, high| Value::Number(from.number(low, high));
        let begun = self.evening_min + 18 * 60 + i32::try_from(self.number(0, 300)).unwrap_or(0);
        let ended = begun + i32::try_from(self.number(40, 190)).unwrap_or(0);
        let saved_min = i64::from(ended) + i64::try_from(self.number(1, 50)).unwrap_or(0);
        self.evening_min += 1_440 * i32::from(self.dice.chance(70));
        let at = |minutes| WallTime {
            minutes,
            offset: OFFSET_MIN,
        };
        let metres = self.number(8, 90) * 100;
        let fields: [(&str, Value); 15] = [
            ("area_id", Value::Area(self.area)),
            ("occurred", Value::Interval(at(begun), Some(at(ended)))),
            ("time_quality", self.choice(1, 3, 75)),
            ("summary", Value::Text(self.note())),
            ("place_text", Value::Text(self.place())),
            ("urgency", self.choice(4, 4, 60)),
            ("called.whom", self.choices(5)),
            ("joint_with", self.choices(11)),
            ("members_present", number(self, 2, 9)),
            ("mode", self.choice(3, 5, 50)),
            (
                "route_text",
                Value::Text(format!("{} ra {}", self.place(), self.place())),
            ),
            ("distance", Value::Number(metres)),
            ("findings", self.choices(5)),
            ("reminders_given", number(self, 0, 12)),
            ("handed_to_police", Value::YesNo(self.dice.chance(30))),
        ];
        let vocabulary = Vocabulary::builtin();
        let missing = |what: &str| format!("the vocabulary has no {what}");
        let record_type = vocabulary.record_type_by_id(TYPE);
        let record_type = record_type.ok_or_else(|| missing(TYPE))?.number;
        let mut values = BTreeMap::new();
        for (id, value) in fields {
            let field = vocabulary.field_by_id(record_type, id);
            let field = field.ok_or_else(|| missing(id))?;
            values.insert(FieldKey::plain(field.number), value);
        }
        let clock_s = (saved_min - i64::from(OFFSET_MIN)) * 60
            + i64::try_from(self.number(0, 59)).unwrap_or(0);
        Ok(Drawn {
            record_type,
            values,
            clock_s,
            mono_s: u32::try_from(clock_s - self.booted_s).unwrap_or(0),
        })
    }

    /// The next few.
    ///
    /// # Errors
    /// As for one.
    pub(super) fn take(&mut self, count: usize) -> Result<Vec<Drawn>, Trouble> {
        (0..count).map(|_| self.next()).collect()
    }
}

/// The same records as an application that sends JSON would spell them: an array, no spaces, the
/// fields by their ids, choices by their numbers, ids in hex, times in minutes. What it cannot do
/// without is in it too: an id of each record, who wrote it, and the clocks.
pub(super) fn as_json(records: &[Drawn], dice: &mut Dice) -> String {
    let vocabulary = Vocabulary::builtin();
    let all = records.iter().map(|drawn| {
        let mut object = Map::new();
        let id: [u8; 16] = dice.bytes();
        object.insert("id".to_owned(), json!(hex(&id)));
        object.insert("type".to_owned(), json!(TYPE));
        object.insert("author".to_owned(), json!(1));
        object.insert("clock".to_owned(), json!(drawn.clock_s));
        object.insert("mono".to_owned(), json!(drawn.mono_s));
        for (key, value) in &drawn.values {
            let field = vocabulary.field(key.number);
            let name = field.map(|field| field.id.clone());
            object.insert(name.unwrap_or_default(), json_of(value));
        }
        Json::Object(object)
    });
    Json::Array(all.collect()).to_string()
}

fn json_of(value: &Value) -> Json {
    match value {
        Value::YesNo(yes) => json!(yes),
        Value::Number(number) => json!(number),
        Value::Choice(choice) => json!(choice),
        Value::Choices(set) => json!(set),
        Value::Text(text) => json!(text),
        Value::Interval(from, to) => {
            json!([from.minutes, to.map(|to| to.minutes), from.offset])
        }
        Value::Area(area) => json!(hex(area.as_bytes())),
        Value::Day(day) => json!(day),
        // kinds that no record here has
        Value::Time(_) | Value::Position(..) | Value::Links(_) | Value::Later(..) => Json::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_records_of_fifteen_fields() {
        let draw = |seed| {
            let mut records = Records::new(seed, AreaRef([1; 16]), 1_795_000_000);
            records.take(30).unwrap()
        };
        let (first, again, other) = (draw(4), draw(4), draw(5));
        assert_eq!(
            as_json(&first, &mut Dice::new(1)),
            as_json(&again, &mut Dice::new(1))
        );
        assert!(first[0].values != other[0].values);
        for drawn in &first {
            assert_eq!(drawn.values.len(), 15);
            let texts = drawn.values.values().filter_map(|value| {
                let Value::Text(text) = value else {
                    return None;
                };
                Some(text.chars().count())
            });
            let longest = texts.max().unwrap();
            assert!((200..=240).contains(&longest), "{longest}");
        }
    }
}
