//! Replicas that hold the same changes show the same record, whatever the order of arrival.

#![expect(
    clippy::arithmetic_side_effects,
    reason = "small numbers; an overflow fails the test"
)]

use super::*;
use crate::change::{Draft, Parts, Secret};
use crate::ids::Hash32;

/// Xorshift: a failure replays from the seed that the message names.
struct Dice(u64);

impl Dice {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 11).unwrap() % n
    }
}

const NOTE: FieldKey = FieldKey::plain(41);
const COUNT: FieldKey = FieldKey::plain(42);
const KEYS: [FieldKey; 5] = [
    NOTE,
    COUNT,
    FieldKey::plain(43),
    FieldKey {
        number: 50,
        item: 0xa3,
    },
    FieldKey::plain(44),
];

fn at(author: u8, seq: u32) -> ChangeRef {
    ChangeRef {
        chain: ChainId([author; 16]),
        seq,
    }
}

/// A change in which even numbers of fields are plain and odd ones can be erased.
fn draft(at: ChangeRef, on: Option<&Record>, values: &[(FieldKey, Value)]) -> FullChange {
    let (plain, mut parts): (BTreeMap<_, _>, BTreeMap<_, _>) = values
        .iter()
        .cloned()
        .partition(|(key, _)| key.number % 2 == 0);
    let author = u64::from(at.chain.0[0]);
    parts.insert(AUTHOR_KEY, Value::Number(author));
    let create = Act::Create {
        record_type: 3,
        vocabulary: 2,
    };
    let full = Draft {
        at,
        device: KeyId([at.chain.0[0]; 8]),
        previous: Hash32::default(),
        record: on.map(Record::id),
        act: if on.is_some() { Act::Edit } else { create },
        clock_s: 1_700_000_000 - i64::from(at.seq),
        mono_s: 0,
        seen: 0,
        heads: on.map(Record::heads).unwrap_or_default(),
        plain,
        parts,
        seed: [at.seq.to_be_bytes()[3] ^ at.chain.0[0]; 16],
    }
    .seal();
    assert_eq!(
        full.check(),
        Ok(()),
        "the test makes changes that pass the gate"
    );
    full
}

fn with_heads(mut full: FullChange, heads: Vec<ChangeRef>) -> FullChange {
    full.change.heads = heads;
    full
}

fn text(s: &str) -> Value {
    Value::Text(s.to_owned())
}

/// All that can be seen of a record.
#[derive(Debug, PartialEq)]
struct Picture {
    heads: Vec<ChangeRef>,
    fields: BTreeMap<FieldKey, Field>,
    histories: Vec<Vec<Said>>,
    changes: Vec<FullChange>,
    engine_heads: Vec<automerge::ChangeHash>,
}

fn document(record: &Record) -> Document {
    record
        .document
        .clone()
        .unwrap_or_else(|| record.rebuild().unwrap())
}

fn picture(record: &Record) -> Picture {
    Picture {
        heads: record.heads(),
        fields: record.fields(),
        histories: KEYS.iter().map(|key| record.history(*key)).collect(),
        changes: record.changes().cloned().collect(),
        engine_heads: document(record).engine_heads(),
    }
}

fn catch_up(to: &mut Record, from: &Record) {
    for full in from.changes() {
        to.apply(full.clone()).unwrap();
    }
}

/// Three authors edit with what they have seen, and now and then hear of one another.
fn random_history(dice: &mut Dice) -> Vec<FullChange> {
    let values = |dice: &mut Dice, least: usize| -> Vec<(FieldKey, Value)> {
        let some = (0..least + dice.below(3)).map(|_| {
            let n = u64::try_from(dice.below(4)).unwrap();
            (KEYS[dice.below(KEYS.len())], Value::Number(n))
        });
        some.collect::<BTreeMap<_, _>>().into_iter().collect()
    };
    let first = values(dice, 1);
    let mut all = vec![draft(at(1, 5), None, &first)];
    let mut seqs = [5u32, 0, 0];
    let mut replicas = vec![Record::create(all[0].clone()).unwrap(); 3];
    for _ in 0..12 {
        let me = dice.below(3);
        if dice.below(3) == 0 {
            let other = replicas[dice.below(3)].clone();
            catch_up(&mut replicas[me], &other);
        }
        // gaps in the chain: the author also writes to other records
        seqs[me] += 1 + u32::try_from(dice.below(3)).unwrap();
        let what = values(dice, 0);
        let made = draft(
            at(u8::try_from(me).unwrap() + 1, seqs[me]),
            Some(&replicas[me]),
            &what,
        );
        assert_eq!(replicas[me].apply(made.clone()), Ok(Applied::New));
        all.push(made);
    }
    all
}

/// Applies in a random order, trying everything that is left: what comes too early is refused.
fn arrive(all: &[FullChange], dice: &mut Dice) -> (Record, usize) {
    let mut record = Record::create(all[0].clone()).unwrap();
    let mut left: Vec<&FullChange> = all.iter().skip(1).collect();
    let mut refused = 0;
    while !left.is_empty() {
        let i = dice.below(left.len());
        match record.apply(left[i].clone()) {
            Ok(applied) => {
                assert_eq!(applied, Applied::New);
                left.remove(i);
            }
            Err(MergeError::MissingHead(head)) => {
                assert!(!record.contains(head));
                refused += 1;
            }
            Err(other) => panic!("{other:?}"),
        }
    }
    (record, refused)
}

/// What the fields must be, told from nothing but who had seen whom.
fn by_the_book(all: &[FullChange]) -> BTreeMap<FieldKey, BTreeSet<ChangeRef>> {
    let mut seen: BTreeMap<ChangeRef, BTreeSet<ChangeRef>> = BTreeMap::new();
    for full in all {
        let mut mine: BTreeSet<ChangeRef> = full.change.heads.iter().copied().collect();
        for head in &full.change.heads {
            mine.extend(&seen[head]);
        }
        seen.insert(full.change.at, mine);
    }
    let sets = |full: &FullChange, key| full.change.slots.iter().any(|(k, _)| *k == key);
    let mut fields: BTreeMap<FieldKey, BTreeSet<ChangeRef>> = BTreeMap::new();
    for key in KEYS {
        for full in all.iter().filter(|full| sets(full, key)) {
            let hidden =
                |by: &&FullChange| sets(by, key) && seen[&by.change.at].contains(&full.change.at);
            if !all.iter().any(|by| hidden(&by)) {
                fields.entry(key).or_default().insert(full.change.at);
            }
        }
    }
    fields
}

#[test]
fn any_order_of_arrival_gives_the_same_record() {
    let (mut rivals, mut several_heads, mut too_early, mut empty) = (0, 0, 0, 0);
    for seed in 1..=320u64 {
        let mut dice = Dice::new(seed);
        let all = random_history(&mut dice);
        let (a, refused) = arrive(&all, &mut dice);
        let (mut b, _) = arrive(&all, &mut dice);
        too_early += refused;
        assert_eq!(picture(&a), picture(&b), "seed {seed}");
        assert_eq!(a.export_automerge(), b.export_automerge(), "seed {seed}");

        let mut told = BTreeMap::new();
        for (key, field) in a.fields() {
            rivals += field.rivals.len();
            assert_eq!(
                document(&a).winner(key),
                Some(field.winner.by.chain),
                "seed {seed}"
            );
            assert_eq!(a.history(key).last(), Some(&field.winner), "seed {seed}");
            let visible = field
                .rivals
                .iter()
                .chain([&field.winner])
                .map(|said| said.by);
            told.insert(key, visible.collect());
        }
        assert_eq!(told, by_the_book(&all), "seed {seed}");
        several_heads += usize::from(a.heads().len() > 1);
        empty += all
            .iter()
            .filter(|full| document::ops_count(&full.change) == 0)
            .count();

        // erased on one replica only: the same heads, winners and bytes for other tools
        let before = picture(&b);
        for full in &all {
            b.erase(full.change.at, &[NOTE, AUTHOR_KEY]);
        }
        let after = picture(&b);
        assert_eq!(after.heads, before.heads, "seed {seed}");
        assert_eq!(after.engine_heads, before.engine_heads, "seed {seed}");
        assert_eq!(a.export_automerge(), b.export_automerge(), "seed {seed}");
        for (key, field) in &before.fields {
            assert_eq!(after.fields[key].winner.by, field.winner.by, "seed {seed}");
            assert_eq!(after.fields[key].winner.member, None, "seed {seed}");
        }
        // a replica that only ever heard of the erased form agrees as well
        let erased: Vec<FullChange> = b.changes().cloned().collect();
        assert_eq!(picture(&arrive(&erased, &mut dice).0), after, "seed {seed}");
    }
    println!(
        "320 histories: {rivals} rivals, {several_heads} end with several heads, \
         {too_early} arrivals too early, {empty} changes without a field"
    );
    assert!(
        rivals > 0 && several_heads > 0 && too_early > 0 && empty > 0,
        "positive control"
    );
}

#[test]
fn one_change_needs_no_document_and_agrees_with_one() {
    let what: Vec<_> = KEYS.iter().map(|key| (*key, text("tuần tra"))).collect();
    let record = Record::create(draft(at(1, 1), None, &what)).unwrap();
    assert!(record.document.is_none());
    let mut with = record.clone();
    with.document = Some(with.rebuild().unwrap());
    assert_eq!(with.fields(), record.fields());
    let fields = record.fields();
    assert_eq!(
        fields.keys().copied().collect::<BTreeSet<_>>(),
        BTreeSet::from(KEYS)
    );
    for (key, puts) in &record.puts {
        let ops: BTreeSet<OpAt> = puts.keys().copied().collect();
        assert_eq!(document(&record).visible(*key), ops);
        assert_eq!(fields[key].winner.value, SaidValue::Value(text("tuần tra")));
        assert_eq!(fields[key].winner.member, Some(1));
    }
    assert_eq!((record.record_type(), record.vocabulary()), (3, 2));
    assert_eq!(record.creator(), at(1, 1));
}

#[test]
fn what_cannot_stand_is_refused_and_changes_nothing() {
    let mut record = Record::create(draft(at(1, 1), None, &[(NOTE, text("a"))])).unwrap();
    record
        .apply(draft(at(2, 1), Some(&record), &[(COUNT, Value::Number(1))]))
        .unwrap();
    record
        .apply(draft(at(1, 7), Some(&record), &[(COUNT, Value::Number(2))]))
        .unwrap();
    let before = picture(&record);
    let next = draft(at(2, 9), Some(&record), &[(COUNT, Value::Number(3))]);

    let unknown = at(3, 1);
    let mut forked = record.change(at(1, 7)).unwrap().clone();
    forked.change.clock_s += 1;
    let mut elsewhere = next.clone();
    elsewhere.change.record = RecordId([9; 16]);
    let mut twice = next.clone();
    twice.change.slots.push(twice.change.slots[0].clone());
    let mut again = draft(at(3, 3), None, &[(NOTE, text("b"))]);
    again.change.record = record.id();
    let cases = [
        (
            with_heads(next.clone(), vec![at(1, 7), unknown]),
            MergeError::MissingHead(unknown),
        ),
        (
            with_heads(next.clone(), vec![at(1, 1)]),
            MergeError::OutOfOrder(at(2, 1)),
        ),
        (
            draft(at(1, 6), Some(&record), &[]),
            MergeError::OutOfOrder(at(1, 7)),
        ),
        (
            with_heads(next.clone(), Vec::new()),
            MergeError::NotCanonical,
        ),
        (
            with_heads(next.clone(), vec![at(1, 7), at(1, 7)]),
            MergeError::NotCanonical,
        ),
        (twice, MergeError::NotCanonical),
        (forked, MergeError::Forked(at(1, 7))),
        (elsewhere, MergeError::NotThisRecord),
        (again, MergeError::NotThisRecord),
    ];
    for (full, error) in cases {
        assert_eq!(record.apply(full), Err(error));
        assert_eq!(picture(&record), before);
    }
    assert_eq!(
        Record::create(next.clone()).unwrap_err(),
        MergeError::NotACreation
    );
    assert_eq!(record.apply(next), Ok(Applied::New));
}

#[test]
fn a_head_that_another_head_covers_does_no_harm() {
    let mut a = Record::create(draft(at(1, 1), None, &[(NOTE, text("a"))])).unwrap();
    a.apply(draft(at(2, 1), Some(&a), &[(NOTE, text("b"))]))
        .unwrap();
    let made = draft(at(3, 1), Some(&a), &[(NOTE, text("c"))]);
    a.apply(with_heads(made, vec![at(1, 1), at(2, 1)])).unwrap();
    assert_eq!(a.heads(), [at(3, 1)]);
    assert_eq!(a.fields()[&NOTE].rivals, []);
    assert!(automerge::Automerge::load(&a.export_automerge().unwrap()).is_ok());
}

#[test]
fn choosing_between_rivals_leaves_one() {
    let mut ana = Record::create(draft(at(1, 1), None, &[(NOTE, text("a"))])).unwrap();
    let mut bo = ana.clone();
    ana.apply(draft(at(1, 2), Some(&ana), &[(NOTE, text("ana's"))]))
        .unwrap();
    bo.apply(draft(at(2, 1), Some(&bo), &[(NOTE, text("bo's"))]))
        .unwrap();
    catch_up(&mut ana, &bo);
    catch_up(&mut bo, &ana);
    assert_eq!(picture(&ana), picture(&bo));
    let field = ana.field(NOTE).unwrap();
    let shown: Vec<_> = field
        .rivals
        .iter()
        .chain([&field.winner])
        .map(|said| said.by)
        .collect();
    assert_eq!(shown, [at(1, 2), at(2, 1)]);
    assert_eq!(ana.heads(), [at(1, 2), at(2, 1)]);

    ana.apply(draft(at(1, 3), Some(&ana), &[(NOTE, text("ana's"))]))
        .unwrap();
    assert_eq!(ana.heads(), [at(1, 3)]);
    let field = ana.field(NOTE).unwrap();
    assert_eq!((field.winner.by, field.rivals), (at(1, 3), vec![]));
    let said: Vec<_> = ana.history(NOTE).iter().map(|said| said.by).collect();
    assert_eq!(said, [at(1, 1), at(1, 2), at(2, 1), at(1, 3)]);
}

#[test]
fn the_same_change_again_changes_nothing() {
    let first = draft(at(1, 1), None, &[(NOTE, text("a"))]);
    let mut record = Record::create(first.clone()).unwrap();
    let edit = draft(at(1, 2), Some(&record), &[(NOTE, text("b"))]);
    assert_eq!(record.apply(edit.clone()), Ok(Applied::New));
    record.erase(at(1, 2), &[NOTE]);
    let before = picture(&record);
    assert_eq!(record.apply(first), Ok(Applied::Known));
    assert_eq!(record.apply(edit), Ok(Applied::Known));
    assert_eq!(picture(&record), before, "and what was erased stays erased");
    assert_eq!(record.field(NOTE).unwrap().winner.value, SaidValue::Erased);
}

#[test]
fn an_equal_value_put_again_is_an_edit() {
    for key in [NOTE, COUNT] {
        let mut record = Record::create(draft(at(1, 1), None, &[(key, text("a"))])).unwrap();
        record
            .apply(draft(at(1, 2), Some(&record), &[(key, text("a"))]))
            .unwrap();
        assert_eq!(record.heads(), [at(1, 2)]);
        assert_eq!(record.field(key).unwrap().winner.by, at(1, 2));
        assert_eq!(record.history(key).len(), 2);
    }
}

#[test]
fn erasing_what_is_not_there_keeps_the_seed() {
    let mut record = Record::create(draft(at(1, 1), None, &[(NOTE, text("a"))])).unwrap();
    record.erase(at(1, 1), &[COUNT]);
    record.erase(at(4, 4), &[NOTE]);
    let Parts { secret, values } = &record.change(at(1, 1)).unwrap().parts;
    assert!(matches!(secret, Secret::Seed(_)) && values.len() == 2);
}

#[test]
fn a_full_record_takes_no_more_and_stays_quick() {
    let mut record = Record::create(draft(at(1, 1), None, &[(NOTE, text("a"))])).unwrap();
    for seq in 2..=1_024 {
        let made = draft(
            at(1, seq),
            Some(&record),
            &[(NOTE, text("b")), (COUNT, Value::Number(1))],
        );
        record.apply(made).unwrap();
    }
    let more = draft(at(2, 1), Some(&record), &[]);
    assert_eq!(record.apply(more), Err(MergeError::TooManyChanges));
    assert_eq!(record.history(NOTE).len(), 1_024);
    assert_eq!(record.fields().len(), 2);
}
