//! What people see of a record.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow fails the test"
)]

use super::*;
use crate::change::{Act, Draft, FullChange};
use crate::ids::{ChainId, Hash32};
use crate::vocabulary::ReasonUse;

mod reissue;
mod text;

fn v() -> &'static Vocabulary {
    Vocabulary::builtin()
}

fn type_number(id: &str) -> u16 {
    v().record_type_by_id(id).unwrap().number
}

fn key(type_id: &str, field: &str) -> FieldKey {
    FieldKey::plain(v().field_by_id(type_number(type_id), field).unwrap().number)
}

fn chosen(type_id: &str, field: &str, value: &str) -> Value {
    let list = v().list_of(key(type_id, field).number).unwrap();
    Value::Choice(list.value_by_id(value).unwrap().number)
}

fn reason(id: &str) -> u16 {
    v().reason_by_id(ReasonUse::Withdraw, id).unwrap().number
}

fn words(s: &str) -> Value {
    Value::Text(s.to_owned())
}

fn at(author: u8, seq: u32) -> ChangeRef {
    ChangeRef {
        chain: ChainId([author; 16]),
        seq,
    }
}

/// 2026-07-01, and wall times on it.
const JULY_1: i32 = 20_635;

fn time(hour: i32, minute: i32) -> WallTime {
    WallTime {
        minutes: JULY_1 * 1_440 + hour * 60 + minute,
        offset: 420,
    }
}

fn evening() -> Value {
    Value::Interval(time(19, 30), Some(time(21, 5)))
}

/// A change of an author on the device of the same number; all values can be erased, which the
/// view does not mind.
fn draft(at: ChangeRef, act: Act, on: Option<&Record>, values: &[(FieldKey, Value)]) -> FullChange {
    let author = at.chain.0[0];
    let mut parts: BTreeMap<_, _> = values.iter().cloned().collect();
    parts.insert(AUTHOR_KEY, Value::Number(u64::from(author)));
    let full = Draft {
        at,
        device: KeyId([author; 8]),
        previous: Hash32::default(),
        record: on.map(Record::id),
        act,
        clock_s: 1_780_000_000 + i64::from(at.seq),
        mono_s: 0,
        seen: u64::from(at.seq) * 10,
        heads: on.map(Record::heads).unwrap_or_default(),
        plain: BTreeMap::new(),
        parts,
        seed: [author; 16],
    }
    .seal();
    assert_eq!(full.check(), Ok(()));
    full
}

fn create(type_id: &str, values: &[(FieldKey, Value)]) -> Record {
    let act = Act::Create {
        record_type: type_number(type_id),
        vocabulary: 1,
    };
    Record::create(draft(at(1, 1), act, None, values)).unwrap()
}

fn edit(record: &mut Record, at: ChangeRef, values: &[(FieldKey, Value)]) {
    let made = draft(at, Act::Edit, Some(record), values);
    record.apply(made).unwrap();
}

fn open(record: &Record) -> RecordView {
    RecordView::of(record, v(), Lane::Open)
}

fn ids(numbers: &[u16]) -> Vec<&str> {
    numbers
        .iter()
        .map(|number| v().field(*number).unwrap().id.as_str())
        .collect()
}

#[test]
fn numbers_known_by_heart_are_those_of_the_data() {
    for (known, id) in [
        (AREA, "area_id"),
        (OCCURRED, "occurred"),
        (DAY, "day"),
        (CORRECTS, "links.corrects"),
        (CORRECTED_BY, "links.corrected_by"),
        (WITHDRAWN, "withdrawn_reason"),
    ] {
        let field = v().field(known.number).unwrap();
        assert_eq!((field.id.as_str(), field.record_type), (id, None));
    }
    let derived: Vec<_> = v()
        .fields()
        .filter(|field| field.state == FieldState::Derived)
        .map(|field| (field.record_type, field.id.as_str()))
        .collect();
    assert_eq!(derived, [(Some(type_number("patrol")), DURATION_ID)]);
    for id in ["wrong_group", "must_not_hold"] {
        assert!(v().reason_by_id(ReasonUse::Withdraw, id).is_some());
    }
}

#[test]
fn a_patrol_is_shown_in_words() {
    let area = AreaRef([7; 16]);
    let record = create(
        "patrol",
        &[
            (AREA, Value::Area(area)),
            (OCCURRED, evening()),
            (key("patrol", "mode"), chosen("patrol", "mode", "boat")),
            (key("patrol", "members_present"), Value::Number(4)),
        ],
    );
    let view = RecordView::of_with(&record, v(), Lane::Open, &|a| {
        (a == area).then(|| "ấp Một".to_owned())
    });
    assert_eq!(
        (view.type_id.as_str(), view.type_label.as_str()),
        ("patrol", "Tuần tra")
    );
    assert_eq!((view.author, view.creator_device), (Some(1), KeyId([1; 8])));
    assert_eq!((view.creator, view.clock_s), (at(1, 1), 1_780_000_001));
    assert_eq!(
        (view.vocabulary, view.changes, view.withdrawn),
        (1, 1, None)
    );
    assert_eq!((view.day, view.area), (Some(JULY_1), Some(area)));
    assert_eq!(ids(&view.missing), ["findings"]);
    assert!(!view.has_rivals());
    let shown: Vec<_> = view
        .fields
        .iter()
        .map(|field| (field.label.as_str(), field.value.text.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("số thành viên đi tuần", "4"),
            ("cách đi", "ghe, vỏ lãi"),
            ("thời lượng", "95"),
            ("địa bàn", "ấp Một"),
            ("từ lúc, đến lúc", "19:30 – 21:05 01/07/2026"),
        ]
    );
}

#[test]
fn rivals_are_shown_with_who_and_when_until_somebody_chooses() {
    let count = key("patrol", "members_present");
    let mut ana = create("patrol", &[(count, Value::Number(3))]);
    let mut bo = ana.clone();
    edit(&mut ana, at(1, 2), &[(count, Value::Number(4))]);
    edit(&mut bo, at(2, 1), &[(count, Value::Number(5))]);
    for full in bo.changes().cloned().collect::<Vec<_>>() {
        ana.apply(full).unwrap();
    }
    let view = open(&ana);
    assert!(view.has_rivals());
    let field = view.field("members_present").unwrap();
    let said = |told: &Told| (told.text.clone(), told.by, told.member, told.device);
    assert_eq!(
        said(&field.value),
        ("5".to_owned(), at(2, 1), Some(2), KeyId([2; 8]))
    );
    let rivals: Vec<_> = field.rivals.iter().map(said).collect();
    assert_eq!(rivals, [("4".to_owned(), at(1, 2), Some(1), KeyId([1; 8]))]);
    let rival = &field.rivals[0];
    assert_eq!((rival.clock_s, rival.seen), (1_780_000_002, 20));
    assert_eq!(rival.heads, [at(1, 1)]);
    let history: Vec<_> = field
        .history
        .iter()
        .map(|told| told.text.as_str())
        .collect();
    assert_eq!(history, ["3", "4", "5"]);
    assert_eq!(field.history.last(), Some(&field.value));
    assert_eq!(field.history[0].heads, []);

    let chosen = choice(&ana, count, rival).unwrap();
    assert_eq!(chosen, (count, Value::Number(4)));
    edit(&mut ana, at(3, 1), &[chosen]);
    let view = open(&ana);
    assert!(!view.has_rivals());
    let field = view.field("members_present").unwrap();
    assert_eq!((field.value.text.as_str(), field.value.by), ("4", at(3, 1)));
    assert_eq!(field.history.len(), 4);
}

#[test]
fn what_was_erased_says_so_and_is_not_missing() {
    let summary = key("incident", "summary");
    let mut record = create("incident", &[(summary, words("nhà ông Ba"))]);
    let before = open(&record);
    assert!(!ids(&before.missing).contains(&"summary"));
    record.erase(at(1, 1), &[summary, AUTHOR_KEY]);
    let view = open(&record);
    let told = &view.field("summary").unwrap().value;
    assert_eq!(
        (&told.value, told.text.as_str(), told.member),
        (&None, "(đã xóa)", None)
    );
    assert_eq!((view.author, view.missing), (None, before.missing));
    // chosen from a view that was made before the erasure: the words do not come back
    assert_eq!(choice(&record, summary, &before.fields[0].value), None);
}

#[test]
fn unknown_fields_are_kept_and_shown_last() {
    let foreign = key("tip", "category");
    let record = create(
        "patrol",
        &[
            (FieldKey::plain(900), Value::Later(70, vec![1])),
            (
                FieldKey {
                    number: 901,
                    item: 7,
                },
                Value::Choice(3),
            ),
            (foreign, Value::Choice(1)),
            (OCCURRED, evening()),
        ],
    );
    let view = open(&record);
    let shown: Vec<_> = view
        .fields
        .iter()
        .map(|f| (f.id.as_str(), f.known, f.value.text.as_str()))
        .collect();
    assert_eq!(
        shown,
        [
            ("duration", true, "95"),
            ("occurred", true, "19:30 – 21:05 01/07/2026"),
            ("field.44", false, "trộm cắp"),
            ("field.900", false, "(bản ứng dụng mới hơn mới đọc được)"),
            ("field.901", false, "3"),
        ]
    );
    assert_eq!(view.fields[3].value.value, Some(Value::Later(70, vec![1])));
    assert_eq!(view.fields[4].label, "mục 901");
    assert!(view.field("category").is_none());
}

#[test]
fn a_type_of_a_newer_vocabulary_is_shown_by_its_number() {
    let act = Act::Create {
        record_type: 990,
        vocabulary: 9,
    };
    let values = [
        (OCCURRED, evening()),
        (FieldKey::plain(24), Value::Number(2)),
    ];
    let record = Record::create(draft(at(1, 1), act, None, &values)).unwrap();
    let view = open(&record);
    assert_eq!(
        (view.type_id.as_str(), view.type_label.as_str()),
        ("type.990", "990")
    );
    assert_eq!((view.vocabulary, view.day), (9, Some(JULY_1)));
    let shown: Vec<_> = view.fields.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(shown, ["occurred", "field.24"]);
}

#[test]
fn each_item_of_a_family_is_asked_for_by_itself() {
    let of_item = |field: &str, item: u32| FieldKey {
        item,
        ..key("handover", field)
    };
    let record = create(
        "handover",
        &[
            (of_item("equipment.qty", 5), Value::Number(2)),
            (
                of_item("equipment.condition", 5),
                chosen("handover", "equipment.condition", "ok"),
            ),
            (
                of_item("equipment.item", 2),
                chosen("handover", "equipment.item", "torch"),
            ),
            (of_item("equipment.qty", 2), Value::Number(1)),
            (key("handover", "to_member"), Value::Number(9)),
        ],
    );
    let view = open(&record);
    let missing = ids(&view.missing);
    // item 2 lacks its condition, item 5 lacks what it is
    assert!(missing.contains(&"equipment.item") && missing.contains(&"equipment.condition"));
    assert!(!missing.contains(&"equipment.qty") && !missing.contains(&"to_member"));
    let shown: Vec<_> = view
        .fields
        .iter()
        .map(|f| (f.id.as_str(), f.key.item))
        .collect();
    assert_eq!(
        shown,
        [
            ("to_member", 0),
            ("equipment.item", 2),
            ("equipment.qty", 2),
            ("equipment.qty", 5),
            ("equipment.condition", 5),
        ]
    );
    let none = open(&create("handover", &[]));
    assert!(
        !ids(&none.missing)
            .iter()
            .any(|id| id.starts_with("equipment"))
    );
}

#[test]
fn what_was_taken_back_is_missing_again() {
    let findings = key("patrol", "findings");
    let mut record = create("patrol", &[(findings, Value::Choices(vec![1]))]);
    assert!(!open(&record).missing.contains(&findings.number));
    edit(&mut record, at(2, 1), &[(findings, Value::Choices(vec![]))]);
    let view = open(&record);
    assert!(view.missing.contains(&findings.number));
    assert_eq!(view.field("findings").unwrap().history.len(), 2);
    let why = reason("mistaken");
    let made = reissue(
        &record,
        v(),
        Lane::Open,
        type_number("patrol"),
        Lane::Open,
        why,
    )
    .unwrap();
    assert!(!made.new_values.contains_key(&findings) && made.dropped.is_empty());
}

#[test]
fn duration_follows_the_interval() {
    let mut record = create("patrol", &[(OCCURRED, evening())]);
    let duration = |record: &Record| open(record).field("duration").cloned();
    let field = duration(&record).unwrap();
    assert_eq!(
        (field.value.value.clone(), field.value.by),
        (Some(Value::Number(95)), at(1, 1))
    );
    assert_eq!((field.known, field.history.len()), (true, 1));
    assert_eq!(
        choice(&record, field.key, &field.value),
        None,
        "nothing can be written there"
    );

    // an hour less when the clock of the place was moved meanwhile
    let moved = WallTime {
        offset: 480,
        ..time(21, 5)
    };
    edit(
        &mut record,
        at(2, 1),
        &[(OCCURRED, Value::Interval(time(19, 30), Some(moved)))],
    );
    let field = duration(&record).unwrap();
    assert_eq!(
        (field.value.text.as_str(), field.value.by),
        ("35", at(2, 1))
    );

    for interval in [
        Value::Interval(time(19, 30), None),
        Value::Interval(time(19, 30), Some(time(18, 0))),
        Value::Number(7),
    ] {
        let seq = u32::try_from(record.changes().count()).unwrap();
        edit(&mut record, at(2, seq), &[(OCCURRED, interval)]);
        assert_eq!(duration(&record), None);
    }
    let shift = create("duty_shift", &[(OCCURRED, evening())]);
    assert_eq!(duration(&shift), None, "no such field there");
}

#[test]
fn the_day_comes_from_the_day_or_from_the_start() {
    let record = create("tip", &[(DAY, Value::Day(5)), (OCCURRED, evening())]);
    assert_eq!(RecordView::of(&record, v(), Lane::Tip).day, Some(5));
    assert_eq!(open(&create("patrol", &[])).day, None);
}
