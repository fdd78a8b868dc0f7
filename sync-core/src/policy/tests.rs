//! Every reason, every type and field in every lane, every role, and a change of any shape.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::change::{Change, ChangeRef, Draft, Parts, Secret};
use crate::ids::{AreaRef, ChainId, Hash32, RecordId};
use crate::record::Record;
use crate::vocabulary::BUILTIN_FILES;

const MEMBER: u16 = 1;
const DEPUTY: u16 = 2;
const LEADER: u16 = 3;
const HAMLET_HEAD: u16 = 4;
const MEDIATOR: u16 = 5;
const CLUB_BOARD: u16 = 7;
const OFFICER: u16 = 8;

const SUMMARY: u16 = 5;
const CALLED_WHOM: u16 = 13;
const WITHDRAWN: u16 = 23;
const PRESENT: u16 = 24;
const DURATION: u16 = 28;
const ITEM: u16 = 39;
const TIP_RECEIPT: u16 = 45;
const TIP_SEALED: u16 = 48;
const KIND_OF_INCIDENT: u16 = 50;
const INCIDENT_RECEIPT: u16 = 54;

const THEFT: Value = Value::Choice(1);
const FIGHT: Value = Value::Choice(3);
const DOMESTIC: Value = Value::Choice(5);
const CHILD_ABUSE: Value = Value::Choice(6);

const AUTHOR: u64 = 9;
const OTHER_AUTHOR: u64 = 10;
const DEVICE: KeyId = KeyId([4; 8]);
const OTHER_DEVICE: KeyId = KeyId([5; 8]);

type Judged = Result<(), AsideReason>;
type Values = Vec<(u16, Value)>;

const ROLE: Judged = Err(AsideReason::Role);
const STRANGER: Judged = Err(AsideReason::Member);
const HELD: Judged = Err(AsideReason::RightLost);
const REFUSED: Judged = Err(AsideReason::Vocabulary);

fn vocabulary() -> &'static Vocabulary {
    Vocabulary::builtin()
}

fn type_number(id: &str) -> u16 {
    vocabulary().record_type_by_id(id).unwrap().number
}

fn key(number: u16) -> FieldKey {
    let family = vocabulary().field(number).and_then(|f| f.family.as_ref());
    let item = u32::from(family.is_some());
    FieldKey { number, item }
}

/// A creation with each value where its field wants it: plain, or as a part.
fn draft(record_type: u16, values: &[(u16, Value)]) -> Draft {
    let (parts, plain): (Vec<_>, Vec<_>) = values
        .iter()
        .map(|(number, value)| (key(*number), value.clone()))
        .partition(|(key, _)| vocabulary().field(key.number).is_some_and(|f| f.part));
    let author = (AUTHOR_KEY, Value::Number(AUTHOR));
    let chain = ChainId([3; 16]);
    let vocabulary = 1;
    Draft {
        at: ChangeRef { chain, seq: 1 },
        device: DEVICE,
        previous: Hash32::default(),
        record: None,
        act: Act::Create {
            record_type,
            vocabulary,
        },
        clock_s: 1_790_000_000,
        mono_s: 77,
        seen: 5,
        heads: Vec::new(),
        plain: plain.into_iter().collect(),
        parts: parts.into_iter().chain([author]).collect(),
        seed: [9; 16],
    }
}

/// An edit by another member on another device.
fn edit(record: &Record, values: &[(u16, Value)]) -> FullChange {
    let mut edit = draft(0, values);
    edit.at.chain = ChainId([7; 16]);
    edit.act = Act::Edit;
    edit.record = Some(record.id());
    edit.heads = record.heads();
    edit.device = OTHER_DEVICE;
    edit.parts.insert(AUTHOR_KEY, Value::Number(OTHER_AUTHOR));
    checked(edit)
}

fn checked(draft: Draft) -> FullChange {
    let full = draft.seal();
    assert_eq!(full.check(), Ok(()), "{full:?}");
    full
}

fn record(record_type: u16, values: &[(u16, Value)]) -> Record {
    Record::create(checked(draft(record_type, values))).unwrap()
}

fn subject(record: &Record) -> Subject<'_> {
    Subject {
        record,
        creator_device: DEVICE,
        creator_member: Some(AUTHOR),
    }
}

fn rights(then: Option<u16>, now: Option<u16>) -> AuthorRights {
    AuthorRights { now, then }
}

/// Judges a creation by somebody who has this role all the time.
fn by(role: u16, lane: Lane, full: &FullChange) -> Judged {
    let rights = rights(Some(role), Some(role));
    judge(vocabulary(), lane, full, rights, None)
}

fn creates(role: u16, lane: Lane, record_type: u16, values: &[(u16, Value)]) -> Judged {
    by(role, lane, &checked(draft(record_type, values)))
}

fn edits(role: u16, lane: Lane, full: &FullChange, subject: Subject<'_>) -> Judged {
    let rights = rights(Some(role), Some(role));
    judge(vocabulary(), lane, full, rights, Some(&subject))
}

/// A patrol, changed before it is sealed.
fn patrol_with(change: impl FnOnce(&mut Draft)) -> Judged {
    let mut patrol = draft(type_number("patrol"), &[]);
    change(&mut patrol);
    by(MEMBER, Lane::Open, &checked(patrol))
}

/// Every type, in each lane that it can be in, with the kind that puts it there.
fn places() -> Vec<(u16, Lane, Values)> {
    let kind = |kind| vec![(KIND_OF_INCIDENT, kind)];
    let lanes = |row: &RecordType| match row.lane {
        TypeLane::Fixed(lane) => vec![(row.number, lane, Vec::new())],
        TypeLane::ByKind => vec![
            (row.number, Lane::Open, kind(THEFT)),
            (row.number, Lane::Protected, kind(CHILD_ABUSE)),
        ],
    };
    vocabulary().record_types().flat_map(lanes).collect()
}

/// A value of a field's kind that fits, unless none can.
fn sample(field: &Field) -> Value {
    let minutes = 29_000_000;
    let offset = 420;
    let time = WallTime { minutes, offset };
    match field.kind {
        ValueKind::YesNo => Value::YesNo(true),
        ValueKind::Count
        | ValueKind::Tenths
        | ValueKind::MoneyVnd
        | ValueKind::Member
        | ValueKind::SavedItem { .. } => Value::Number(1),
        ValueKind::Choice { .. } | ValueKind::WithdrawReason => Value::Choice(1),
        ValueKind::Choices { .. } => Value::Choices(vec![1]),
        ValueKind::Text { .. } | ValueKind::Code { .. } => Value::Text("A1".to_owned()),
        ValueKind::Day => Value::Day(20_000),
        ValueKind::Time => Value::Time(time),
        ValueKind::Interval => Value::Interval(time, None),
        ValueKind::Position => Value::Position(97_000, 1_056_000, 12),
        ValueKind::Area => Value::Area(AreaRef([1; 16])),
        ValueKind::RecordLinks => Value::Links(vec![RecordId([1; 16])]),
        ValueKind::Photos | ValueKind::Sealed => Value::Later(64, vec![1]),
    }
}

fn sample_at(number: u16) -> (u16, Value) {
    (number, sample(vocabulary().field(number).unwrap()))
}

#[test]
fn a_field_takes_no_other_kind_of_value() {
    let all: BTreeSet<Value> = vocabulary().fields().map(sample).collect();
    assert_eq!(all.len(), 12, "every kind of value");
    for field in vocabulary().fields() {
        let own = sample(field);
        for value in &all {
            let alike = core::mem::discriminant(value) == core::mem::discriminant(&own);
            let fits = alike && field.state != FieldState::Reserved;
            let fault = value_fault(vocabulary(), field.number, value);
            assert_eq!(fault.is_none(), fits, "{} {value:?}", field.id);
        }
    }
    let unknown = value_fault(vocabulary(), 9_999, &Value::Number(1)).unwrap();
    assert_eq!(unknown, ValueFault::UnknownField(9_999));
    assert_eq!(unknown.to_string(), "there is no field 9999");
}

#[test]
fn every_type_can_be_created_in_its_lane_and_in_no_other() {
    let mut types = BTreeSet::new();
    for (record_type, its_lane, kind) in places() {
        types.insert(record_type);
        for lane in Lane::ALL {
            let expected = if lane == its_lane { Ok(()) } else { REFUSED };
            let found = creates(LEADER, lane, record_type, &kind);
            assert_eq!(found, expected, "{record_type} {lane:?}");
        }
    }
    assert_eq!(types.len(), 22);
}

#[test]
fn every_field_is_admitted_where_a_phone_has_it_and_nowhere_else() {
    for (record_type, lane, kind) in places() {
        for field in vocabulary().fields() {
            let here = vocabulary().accepts(record_type, lane, field.number)
                && field.writer == Writer::Member;
            let mut values = kind.clone();
            if field.number != KIND_OF_INCIDENT || kind.is_empty() {
                values.push((field.number, sample(field)));
            }
            let found = creates(LEADER, lane, record_type, &values);
            assert_eq!(found.is_ok(), here, "{record_type} {lane:?} {}", field.id);
        }
    }
}

#[test]
fn sealed_and_reserved_fields_are_refused_everywhere() {
    let shut = |f: &&Field| f.state == FieldState::Reserved || f.kind == ValueKind::Sealed;
    let shut: Vec<&Field> = vocabulary().fields().filter(shut).collect();
    assert_eq!(shut.len(), 10);
    for (record_type, lane, kind) in places() {
        for field in &shut {
            for part in [false, true] {
                // Where a byte stands says more than that another value is wrong.
                let mut full = draft(record_type, &kind);
                full.plain.insert(key(1), Value::Later(64, Vec::new()));
                let (plain, parts) = (&mut full.plain, &mut full.parts);
                let slots = [plain, parts].into_iter().nth(usize::from(part)).unwrap();
                slots.insert(key(field.number), Value::Text("a".to_owned()));
                let found = by(LEADER, lane, &checked(full));
                assert_eq!(found, Err(AsideReason::Sealed), "{lane:?} {}", field.id);
            }
        }
    }
}

#[test]
fn a_closed_lane_has_no_words() {
    for (record_type, lane, kind) in places().into_iter().filter(|p| p.1.is_closed()) {
        for field in [2, 4, SUMMARY, 6, 7, 9, 10, 11, 12, 15, 16, 18, 19] {
            let mut values = kind.clone();
            values.push(sample_at(field));
            let found = creates(LEADER, lane, record_type, &values);
            assert_eq!(found, Err(AsideReason::ClosedLane), "{lane:?} {field}");
        }
    }
    // A field of the type itself, which its open lane has.
    let values = [(KIND_OF_INCIDENT, CHILD_ABUSE), sample_at(56)];
    let found = creates(MEMBER, Lane::Protected, type_number("incident"), &values);
    assert_eq!(found, Err(AsideReason::ClosedLane));
}

#[test]
fn what_the_commune_writes_is_not_the_phones() {
    let not_yours = Err(AsideReason::NotYours);
    let receipt = [sample_at(TIP_RECEIPT)];
    let found = creates(MEMBER, Lane::Tip, type_number("tip"), &receipt);
    assert_eq!(found, not_yours);
    for (lane, kind) in [(Lane::Open, THEFT), (Lane::Protected, CHILD_ABUSE)] {
        let values = [(KIND_OF_INCIDENT, kind), sample_at(INCIDENT_RECEIPT)];
        let found = creates(LEADER, lane, type_number("incident"), &values);
        assert_eq!(found, not_yours);
    }
}

#[test]
fn what_the_vocabulary_does_not_know_is_refused() {
    let patrol = type_number("patrol");
    let one = |number, value| creates(MEMBER, Lane::Open, patrol, &[(number, value)]);
    assert_eq!(one(PRESENT, Value::Number(4)), Ok(()));
    assert_eq!(one(9_999, Value::Number(4)), REFUSED, "unknown field");
    assert_eq!(one(DURATION, Value::Number(4)), REFUSED, "derived");
    assert_eq!(one(35, Value::Number(4)), REFUSED, "of another type");
    assert_eq!(one(3, Value::Day(5)), REFUSED, "not in this open type");
    assert_eq!(one(PRESENT, Value::Number(u64::MAX)), REFUSED, "bound");
    assert_eq!(one(PRESENT, Value::Later(64, vec![])), REFUSED, "later");
    assert_eq!(one(CALLED_WHOM, Value::Choices(vec![9])), REFUSED, "list");
    assert_eq!(one(WITHDRAWN, Value::Choice(7)), REFUSED, "reason");
    assert_eq!(creates(MEMBER, Lane::Open, 999, &[]), REFUSED, "type");

    let incident = type_number("incident");
    let kindless = creates(MEMBER, Lane::Open, incident, &[]);
    assert_eq!(kindless, REFUSED, "the kind decides the lane");
    for (lane, kind) in [
        (Lane::Open, CHILD_ABUSE),
        (Lane::Protected, THEFT),
        (Lane::Open, Value::Choice(999)),
        (Lane::Open, Value::Number(1)),
    ] {
        let found = creates(MEMBER, lane, incident, &[(KIND_OF_INCIDENT, kind)]);
        assert_eq!(found, REFUSED, "{lane:?}");
    }
}

#[test]
fn parts_are_parts_and_items_are_in_families() {
    let words = Value::Text("yên".to_owned());
    let plain_words = patrol_with(|d| drop(d.plain.insert(key(SUMMARY), words)));
    assert_eq!(plain_words, REFUSED);
    let erasable = patrol_with(|d| drop(d.parts.insert(key(PRESENT), Value::Number(4))));
    assert_eq!(erasable, REFUSED);
    for (record_type, number, value, item, expected) in [
        ("patrol", PRESENT, Value::Number(4), 0, Ok(())),
        ("patrol", PRESENT, Value::Number(4), 7, REFUSED),
        ("patrol", AUTHOR_KEY.number, Value::Number(4), 1, REFUSED),
        ("handover", ITEM, Value::Choice(1), 0, REFUSED),
        ("handover", ITEM, Value::Choice(1), u32::MAX, Ok(())),
    ] {
        let mut full = draft(type_number(record_type), &[]);
        full.plain.insert(FieldKey { number, item }, value);
        let found = by(MEMBER, Lane::Open, &checked(full));
        assert_eq!(found, expected, "{number} {item}");
    }
}

#[test]
fn an_erased_value_is_not_judged_again() {
    let too_long = Value::Text("a".repeat(2_001));
    let mut full = checked(draft(type_number("patrol"), &[(SUMMARY, too_long)]));
    assert_eq!(by(MEMBER, Lane::Open, &full), REFUSED);
    full.parts.erase(&[key(SUMMARY)]);
    assert_eq!(full.check(), Ok(()));
    assert_eq!(by(MEMBER, Lane::Open, &full), Ok(()));
    full.parts.erase(&[AUTHOR_KEY]);
    assert_eq!(by(MEMBER, Lane::Open, &full), STRANGER);
}

#[test]
fn the_member_must_be_readable_and_erasable() {
    let author = |value| patrol_with(|d| drop(d.parts.insert(AUTHOR_KEY, value)));
    assert_eq!(author(Value::Number(65_535)), Ok(()));
    assert_eq!(author(Value::Number(65_536)), STRANGER);
    assert_eq!(author(Value::Choice(1)), STRANGER);
    let nobody = patrol_with(|d| drop(d.parts.remove(&AUTHOR_KEY)));
    assert_eq!(nobody, STRANGER);
    let plain = patrol_with(|d| {
        d.parts.clear();
        d.plain.insert(AUTHOR_KEY, Value::Number(AUTHOR));
    });
    assert_eq!(plain, STRANGER);
}

#[test]
fn a_role_creates_where_it_writes() {
    let nil = type_number("nil_return");
    for role in vocabulary().roles() {
        for (record_type, lane, kind) in places() {
            let sends = record_type != nil || role.acts.contains(&RoleAct::SendNilReturn);
            let may = role.write.contains(&lane) && sends;
            let found = creates(role.number, lane, record_type, &kind);
            let expected = if may { Ok(()) } else { ROLE };
            assert_eq!(found, expected, "{} {record_type}", role.id);
        }
    }
    assert_eq!(creates(999, Lane::Open, type_number("patrol"), &[]), ROLE);
}

#[test]
fn an_edit_is_the_creators_or_a_role_that_corrects() {
    // in a record of others, and in one's own
    for (record_type, lane, role, [of_others, own]) in [
        ("patrol", Lane::Open, MEMBER, [false, true]),
        ("patrol", Lane::Open, DEPUTY, [true, true]),
        ("patrol", Lane::Open, LEADER, [true, true]),
        ("patrol", Lane::Open, CLUB_BOARD, [false, true]),
        ("patrol", Lane::Open, HAMLET_HEAD, [false, false]),
        ("patrol", Lane::Open, MEDIATOR, [false, false]),
        ("patrol", Lane::Open, OFFICER, [false, false]),
        ("tip", Lane::Tip, LEADER, [false, true]),
        ("tip", Lane::Tip, MEMBER, [false, true]),
        ("tip", Lane::Tip, OFFICER, [false, false]),
        ("member_harm", Lane::Protected, LEADER, [false, true]),
        ("mediation", Lane::Mediation, MEDIATOR, [true, true]),
        ("mediation", Lane::Mediation, MEMBER, [false, true]),
        ("mediation", Lane::Mediation, CLUB_BOARD, [false, false]),
    ] {
        let record = record(type_number(record_type), &[]);
        let full = edit(&record, &[sample_at(CALLED_WHOM)]);
        let expected = |may: bool| if may { Ok(()) } else { ROLE };
        for (creator_device, creator_member, may) in [
            (DEVICE, Some(AUTHOR), of_others),
            (DEVICE, None, of_others),
            (OTHER_DEVICE, Some(AUTHOR), own),
            (DEVICE, Some(OTHER_AUTHOR), own),
        ] {
            let record = &record;
            let subject = Subject {
                record,
                creator_device,
                creator_member,
            };
            let found = edits(role, lane, &full, subject);
            assert_eq!(found, expected(may), "{record_type} {role}");
        }
    }
}

#[test]
fn a_right_that_was_lost_on_the_way_is_held() {
    let record = record(type_number("patrol"), &[]);
    let (edit, others) = (edit(&record, &[]), subject(&record));
    let (none, member, leader) = (None, Some(MEMBER), Some(LEADER));
    let head = Some(HAMLET_HEAD);
    // what a creation gets, and what an edit of a record of others gets
    for (then, now, creation, correction) in [
        (none, none, STRANGER, STRANGER),
        (none, member, Ok(()), ROLE),
        (none, leader, Ok(()), Ok(())),
        (head, leader, Ok(()), Ok(())),
        (member, none, HELD, ROLE),
        (member, head, HELD, ROLE),
        (leader, none, HELD, HELD),
        (leader, member, Ok(()), HELD),
        (head, none, ROLE, ROLE),
        (none, head, ROLE, ROLE),
    ] {
        let rights = rights(then, now);
        let full = checked(draft(type_number("patrol"), &[]));
        let found = judge(vocabulary(), Lane::Open, &full, rights, None);
        assert_eq!(found, creation, "{then:?} {now:?}");
        let found = judge(vocabulary(), Lane::Open, &edit, rights, Some(&others));
        assert_eq!(found, correction, "{then:?} {now:?}");
    }
    // What an officer is asked about has no other fault.
    let sealed = checked(draft(type_number("patrol"), &[sample_at(TIP_SEALED)]));
    let lost = rights(member, none);
    let found = judge(vocabulary(), Lane::Open, &sealed, lost, None);
    assert_eq!(found, Err(AsideReason::Sealed));
}

#[test]
fn the_act_and_the_record_go_together() {
    let record = record(type_number("patrol"), &[]);
    let unknown = Err(AsideReason::UnknownRecord);
    assert_eq!(by(LEADER, Lane::Open, &edit(&record, &[])), unknown);
    let again = checked(draft(type_number("patrol"), &[]));
    let again = edits(LEADER, Lane::Open, &again, subject(&record));
    assert_eq!(again, unknown);
}

#[test]
fn an_edit_never_moves_a_record_to_another_lane() {
    for (lane, kind, alike, other) in [
        (Lane::Open, THEFT, FIGHT, CHILD_ABUSE),
        (Lane::Protected, CHILD_ABUSE, DOMESTIC, THEFT),
    ] {
        let record = record(type_number("incident"), &[(KIND_OF_INCIDENT, kind)]);
        let mut own = subject(&record);
        own.creator_device = OTHER_DEVICE;
        let with = |values: &[_]| edits(LEADER, lane, &edit(&record, values), own);
        for value in [other, Value::Choice(999), Value::Number(1)] {
            assert_eq!(with(&[(KIND_OF_INCIDENT, value)]), REFUSED);
        }
        assert_eq!(with(&[(KIND_OF_INCIDENT, alike)]), Ok(()));
        assert_eq!(with(&[]), Ok(()));
    }
}

#[test]
fn a_full_record_takes_no_more() {
    let mut record = record(type_number("patrol"), &[]);
    let judged = |full: &_, record: &_| edits(LEADER, Lane::Open, full, subject(record));
    for seq in 1..1_024 {
        let mut full = edit(&record, &[]);
        full.change.at.seq = seq;
        assert_eq!(judged(&full, &record), Ok(()), "{seq}");
        record.apply(full).unwrap();
    }
    let full = edit(&record, &[]);
    let found = judged(&full, &record);
    assert_eq!(found, Err(AsideReason::TooManyChanges));
}

#[test]
fn a_withdraw_reason_may_belong_to_some_lanes_only() {
    let row = "withdraw,6,request,theo yêu cầu,yes,";
    let open_only = |text: &str| text.replace(&format!("{row}yes"), &format!("{row}no"));
    let files = BUILTIN_FILES.map(|(name, text)| (name, open_only(text)));
    let files: Vec<(&str, &str)> = files.iter().map(|(n, text)| (*n, text.as_str())).collect();
    let vocabulary = Vocabulary::load(&files).unwrap();
    for (lane, record_type, reason, expected) in [
        (Lane::Open, "patrol", 6, Ok(())),
        (Lane::Tip, "tip", 5, Ok(())),
        (Lane::Tip, "tip", 6, REFUSED),
    ] {
        let values = [(WITHDRAWN, Value::Choice(reason))];
        let full = checked(draft(type_number(record_type), &values));
        let rights = rights(Some(LEADER), Some(LEADER));
        let found = judge(&vocabulary, lane, &full, rights, None);
        assert_eq!(found, expected, "{record_type} {reason}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let time = || (any::<i32>(), any::<i16>());
    let wall = |(minutes, offset)| WallTime { minutes, offset };
    let links = prop::collection::vec(any::<[u8; 16]>().prop_map(RecordId), 0..20);
    prop_oneof![
        any::<bool>().prop_map(Value::YesNo),
        any::<u64>().prop_map(Value::Number),
        (0..9_u64).prop_map(Value::Number),
        (0..30_u16).prop_map(Value::Choice),
        prop::collection::vec(0..40_u16, 0..40).prop_map(Value::Choices),
        any::<String>().prop_map(Value::Text),
        any::<i32>().prop_map(Value::Day),
        time().prop_map(move |at| Value::Time(wall(at))),
        (time(), prop::option::of(time()))
            .prop_map(move |(from, to)| Value::Interval(wall(from), to.map(wall))),
        (any::<i32>(), any::<i32>(), any::<u32>()).prop_map(|(a, b, c)| Value::Position(a, b, c)),
        any::<[u8; 16]>().prop_map(|area| Value::Area(AreaRef(area))),
        links.prop_map(Value::Links),
        (64..=255_u8, any::<Vec<u8>>()).prop_map(|(mark, bytes)| Value::Later(mark, bytes)),
    ]
}

/// Anything that has the shape of a change, well made or not.
fn any_change() -> impl Strategy<Value = FullChange> {
    let number = prop_oneof![0..140_u16, any::<u16>()];
    let key = (number, prop_oneof![Just(0), any::<u32>()])
        .prop_map(|(number, item)| FieldKey { number, item });
    let slot = prop_oneof![
        any_value().prop_map(Slot::Plain),
        Just(Slot::Part(Hash32::default())),
    ];
    let author = prop_oneof![Just(Value::Number(AUTHOR)), any_value()];
    let vocabulary = 1;
    let act = prop_oneof![
        Just(Act::Edit),
        (0..30_u16).prop_map(move |record_type| Act::Create {
            record_type,
            vocabulary
        }),
    ];
    let slots = prop::collection::vec((key, slot, prop::option::of(any_value())), 0..6);
    (act, slots, author).prop_map(|(act, drawn, author)| {
        let mut values = BTreeMap::from([(AUTHOR_KEY, author)]);
        let mut slots = vec![(AUTHOR_KEY, Slot::Part(Hash32::default()))];
        for (key, slot, value) in drawn {
            slots.push((key, slot));
            values.extend(value.map(|value| (key, value)));
        }
        let made = checked(draft(1, &[])).change;
        let change = Change { act, slots, ..made };
        let secret = Secret::Seed([9; 16]);
        FullChange {
            change,
            parts: Parts { secret, values },
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_change_is_judged(
        full in any_change(),
        lane in prop::sample::select(Lane::ALL.to_vec()),
        now in prop::option::of(0..22_u16),
        then in prop::option::of(0..22_u16),
        on in prop::option::of(0..places().len()),
    ) {
        let on = on.and_then(|n| places().into_iter().nth(n));
        let record = on.map(|(record_type, _, kind)| record(record_type, &kind));
        let subject = record.as_ref().map(subject);
        let rights = rights(then, now);
        let first = judge(vocabulary(), lane, &full, rights, subject.as_ref());
        let again = judge(vocabulary(), lane, &full, rights, subject.as_ref());
        prop_assert_eq!(first, again);
    }
}
