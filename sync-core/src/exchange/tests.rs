//! Bodies that no honest side writes: cut, flipped, random, with huge numbers, with marks that have
//! no meaning, and bombs for the coder. None of them panics, and none is read as something else.

use proptest::prelude::*;

use super::*;
use crate::change::{Change, ChangeRef, FullChange};
use crate::ids::{AreaRef, ChainId, Hash32, Realm, RecordId};
use crate::limits::{ANSWER_BYTES_MAX, REQUEST_BYTES_MAX, REQUEST_CHANGES_MAX, REQUEST_GROUPS_MAX};
use crate::record::Record;
use crate::tests::world::{GROUP, Hand, Letter, PRESENT, REALM, SUMMARY, model, noise, text};
use crate::value::{Value, WallTime};

/// A log that knows nothing.
struct Nothing;

impl RunFacts for Nothing {
    fn realm(&self) -> Realm {
        REALM
    }
    fn hash_before(&self, at: ChangeRef) -> Option<Hash32> {
        (at.seq == 0).then(Hash32::default)
    }
    fn record_of(&self, _at: ChangeRef) -> Option<RecordId> {
        None
    }
}

impl AnswerFacts for Nothing {
    fn hash_at(&self, _at: ChangeRef) -> Option<Hash32> {
        None
    }
    fn record_of(&self, _at: ChangeRef) -> Option<RecordId> {
        None
    }
}

fn hand() -> Hand {
    let secret = crate::keys::Secret::from_bytes(&[0x11; 32]);
    Hand::new(secret, GROUP, Lane::Open)
}

/// Values of every kind; days and times near the clock and as far from it as they go, in Vietnam's
/// time and in another.
fn values() -> Vec<Value> {
    let time = |minutes, offset| WallTime { minutes, offset };
    let mut values = vec![
        Value::YesNo(true),
        Value::Choice(7),
        Value::Choices(vec![1, 5, 9]),
        Value::Position(97_000, 1_056_000, 12),
        Value::Area(AreaRef([7; 16])),
        Value::Links(vec![RecordId([1; 16]), RecordId([2; 16])]),
        Value::Later(77, vec![1, 2, 3]),
        text("Có chữ ở giữa,\nhai dòng"),
        text(""),
    ];
    for minutes in [29_800_000, 0, i32::MIN, i32::MAX] {
        let day = minutes.div_euclid(24 * 60);
        values.extend([Value::Day(day), Value::Day(minutes)]);
        for offset in [420, 0, i16::MIN] {
            let (at, end) = (time(minutes, offset), time(29_800_090, 420));
            values.extend([
                Value::Time(at),
                Value::Interval(at, None),
                Value::Interval(at, Some(end)),
                Value::Interval(end, Some(at)),
            ]);
        }
    }
    values
}

/// Two changes on one chain with every kind of slot that a row knows.
fn changes() -> (Hand, Vec<FullChange>) {
    let mut hand = hand();
    let mut draft = hand.patrol();
    draft.parts.insert(SUMMARY, text("Tuần tra, bình thường"));
    let first = draft.seal();
    hand.wrote(&first);
    let mut draft = hand.edit(first.change.record, vec![first.change.at]);
    let item = crate::value::FieldKey {
        number: 40,
        item: 7,
    };
    draft.plain.insert(item, Value::Number(2));
    for (number, value) in (60..).zip(values()) {
        draft
            .plain
            .insert(crate::value::FieldKey::plain(number), value);
    }
    let mut second = draft.seal();
    second.parts.erase(&[crate::value::AUTHOR_KEY]);
    hand.wrote(&second);
    (hand, vec![first, second])
}

/// A body of these streams, not packed.
fn stored(raw: &[u8], rows: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.u8(VERSION).u8(CODEC_STORED).block(raw).raw(rows);
    w.into_bytes()
}

fn streams(body: &[u8]) -> (Vec<u8>, Vec<u8>) {
    unpack(model(), body, ANSWER_BYTES_MAX).unwrap()
}

/// A request as far as a reader without a log gets with it.
fn read(body: &[u8]) -> Result<(Request, Vec<WireRun>), WireError> {
    let opened = Request::open(model(), body)?;
    let chains = opened.request.claims.iter().map(|_| (hand().chain(), None));
    let runs = opened.runs(&chains.collect::<Vec<_>>(), &Nothing)?;
    Ok((opened.request, runs))
}

fn ground() -> Ground {
    let log = crate::keys::Secret::from_bytes(&[0x33; 32]);
    Ground {
        realm: REALM,
        log: log.id(),
        device: hand().secret.id(),
        groups: vec![(GROUP, FeedSet::of(&[Lane::Open]))],
        claims: Vec::new(),
    }
}

fn read_answer(body: &[u8]) -> Result<Reply, WireError> {
    Reply::read(model(), body, &ground(), &Nothing)
}

#[test]
fn what_was_written_comes_back_row_by_row() {
    let (hand, written) = changes();
    let body = hand.letter(written.clone()).body();
    let (_, runs) = read(&body).unwrap();
    assert_eq!(runs[0].changes, written);
    assert!(written.iter().all(|full| full.check() == Ok(())));
}

#[test]
fn every_cut_is_seen_and_no_flip_reads_as_the_same() {
    let (hand, written) = changes();
    let body = hand.letter(written).body();
    let whole = read(&body).unwrap();
    let (raw, rows) = streams(&body);
    for body in [body, stored(&raw, &rows)] {
        for end in 0..body.len() {
            assert!(read(&body[..end]).is_err(), "cut at {end}");
        }
        assert!(read(&[&body[..], &[0]].concat()).is_err(), "one byte more");
        for place in 0..body.len() {
            for bit in 0..8 {
                let mut flipped = body.clone();
                flipped[place] ^= 1 << bit;
                let same = |(request, runs): &(Request, Vec<WireRun>)| {
                    *request == whole.0 && runs[0].changes == whole.1[0].changes
                };
                assert!(!read(&flipped).is_ok_and(|read| same(&read)), "{place}");
            }
        }
    }
}

#[test]
fn unknown_versions_codecs_and_marks_are_named() {
    let body = Letter::idle(&hand().secret, GROUP).body();
    let with = |place: usize, byte: u8| {
        let mut other = body.clone();
        other[place] = byte;
        Request::open(model(), &other).map(|_| ()).unwrap_err()
    };
    for version in [0, 2, 255] {
        assert_eq!(with(0, version), WireError::Version(version));
    }
    for codec in 2..=255 {
        let mark = Malformed::UnknownMark(codec);
        assert_eq!(with(1, codec), WireError::Malformed(mark));
    }
    // marks of values between those of this format and those of later ones
    for mark in [0u8, 12, 63] {
        let unknown = Err(Malformed::UnknownMark(mark));
        assert_eq!(Value::from_bytes(&[mark, 0]), unknown);
    }
    assert_eq!(
        Value::from_bytes(&[64, 0]),
        Ok(Value::Later(64, Vec::new()))
    );
    assert_eq!(
        FeedSet::read(&mut Reader::new(&[64])),
        Err(Malformed::Range)
    );
}

/// Body with these sections in place of none.
fn with_sections(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let (raw, mut rows) = streams(&Letter::idle(&hand().secret, GROUP).body());
    assert_eq!(rows.pop(), Some(0), "no section yet");
    let mut w = Writer::new();
    w.raw(&rows).count(sections.len());
    for (id, bytes) in sections {
        w.u8(*id).block(bytes);
    }
    stored(&raw, w.as_bytes())
}

#[test]
fn a_section_of_a_later_version_is_passed_over_unless_it_is_critical() {
    let open = |sections: &[(u8, &[u8])]| Request::open(model(), &with_sections(sections));
    assert!(open(&[]).is_ok());
    for id in 2..0x80u8 {
        assert!(open(&[(id, b"later")]).is_ok(), "{id}");
    }
    for id in 0x84..=0xffu8 {
        let told = open(&[(id, b"later")]).unwrap_err();
        assert_eq!(told, WireError::Section(id));
    }
    let order = WireError::Malformed(Malformed::Order);
    assert_eq!(open(&[(5, b""), (4, b"")]).unwrap_err(), order);
    assert_eq!(open(&[(4, b""), (4, b"")]).unwrap_err(), order);
    assert_eq!(open(&[(0, b"")]).unwrap_err(), order);
    // proofs that are none, tips of no chain, a receipt that is none, acts that are none
    assert!(open(&[(1, &[0])]).is_ok());
    assert!(open(&[(1, &[65])]).is_err());
    assert!(open(&[(1, &[1, 1, 0])]).is_err());
    assert!(open(&[(0x81, b"x")]).is_err());
    assert!(open(&[(0x82, b"x")]).is_err());
    assert!(open(&[(0x83, &[200])]).is_err());
    assert!(open(&[(0x83, &[1, 1, 0])]).is_err());
}

/// A declared number is compared with its bound before anything is taken, so a body of some ten
/// bytes cannot ask for memory: each of these ends at the number itself.
#[test]
fn a_declared_number_takes_nothing() {
    let (raw, rows) = streams(&Letter::idle(&hand().secret, GROUP).body());
    let huge = |at: usize| {
        let mut w = Writer::new();
        w.raw(&rows[..at]).varint(u64::MAX).raw(&rows[at..]);
        Request::open(model(), &stored(&raw, w.as_bytes())).map(|_| ())
    };
    // generation, size, root 4, cursor, then the counts of feeds that are behind and of groups
    let over = |limit| Err(WireError::Malformed(Malformed::OverLimit { limit }));
    assert_eq!(huge(7), over(crate::limits::REQUEST_FEEDS_MAX));
    assert_eq!(huge(8), over(REQUEST_GROUPS_MAX));
    assert_eq!(huge(15), over(crate::limits::STATEMENT_CHAINS_MAX));
    assert_eq!(huge(16), over(255), "sections");

    let (hand, written) = changes();
    let (raw, rows) = streams(&hand.letter(written).body());
    let head = streams(&Letter::idle(&hand.secret, GROUP).body()).1.len();
    let mut runs = 0;
    for at in head..=rows.len() {
        let mut w = Writer::new();
        w.raw(&rows[..at]).varint(u64::MAX).raw(&rows[at..]);
        runs += u32::from(read(&stored(&raw, w.as_bytes())).is_err());
    }
    assert!(runs > 0);
    // a block that says it is as long as memory
    let mut w = Writer::new();
    w.u8(VERSION).u8(CODEC_STORED).varint(u64::MAX);
    assert_eq!(
        unpack(model(), w.as_bytes(), REQUEST_BYTES_MAX),
        over(REQUEST_BYTES_MAX).map(|()| (Vec::new(), Vec::new()))
    );
    assert!(Value::from_bytes(&[5, 0xff, 0xff, 0xff, 0xff, 0x0f]).is_err());
    // more changes than a request may carry, spread over two runs
    let full = hand.patrol().seal();
    let mut letter = hand.letter(vec![full; REQUEST_CHANGES_MAX]);
    assert!(read(&letter.body()).is_ok(), "the control");
    letter.runs.push(letter.runs[0].clone());
    letter.runs[1].changes.truncate(1);
    let told = read(&letter.body()).map(|_| ());
    assert_eq!(told, over(REQUEST_CHANGES_MAX));
}

#[test]
fn a_bomb_is_not_unpacked() {
    let head = |rows: &[u8]| {
        let mut w = Writer::new();
        w.u8(VERSION).u8(CODEC_PPM1).block(&[0; 96]).raw(rows);
        unpack(model(), w.as_bytes(), REQUEST_BYTES_MAX)
    };
    let too_large = |limit| Err(WireError::Packed(CodecError::TooLarge { limit }));
    let bound = |packed: usize| packed * PLAIN_PER_PACKED_MAX + PLAIN_BYTES_FREE;
    // it says how much it is, and is not begun: few bytes buy little, many no more than the most
    for claim in [u64::try_from(PLAIN_BYTES_MAX).unwrap(), u64::from(u32::MAX)] {
        let mut w = Writer::new();
        w.varint(claim).raw(&[0; 400]);
        assert_eq!(head(w.as_bytes()), too_large(bound(w.as_bytes().len())));
    }
    let mut w = Writer::new();
    w.varint(u64::try_from(PLAIN_BYTES_MAX).unwrap() + 1)
        .raw(&[0; 64 * 1024]);
    assert_eq!(head(w.as_bytes()), too_large(PLAIN_BYTES_MAX));
    // a true one, of a few hundred bytes
    let bomb = model().pack(&vec![0; PLAIN_BYTES_MAX]);
    assert_eq!(head(&bomb), too_large(bound(bomb.len())));
    // what repeats itself that much is sent as it is, so nothing honest is refused
    let mut sink = Sink::default();
    sink.rows.raw(&[0; 100_000]);
    let body = sink.pack(model());
    assert!(unpack(model(), &body, REQUEST_BYTES_MAX).is_ok());
    // it says less than it is
    let packed = model().pack(&vec![0; 4_000]);
    let mut w = Writer::new();
    w.varint(3_000).raw(&packed[2..]);
    assert!(head(w.as_bytes()).is_err());
    // a body that is too large is not looked at
    let told = unpack(model(), &vec![1; REQUEST_BYTES_MAX + 1], REQUEST_BYTES_MAX);
    let limit = REQUEST_BYTES_MAX;
    assert_eq!(told, Err(WireError::TooLarge { limit }));
}

#[test]
fn a_problem_is_read_whatever_comes_after_it() {
    let body = Problem::pack(ProblemCode::Later, "come again");
    let later = [&body[..], b"what a later release adds"].concat();
    assert_eq!(read_answer(&later), read_answer(&body));
    for end in 0..body.len() {
        assert!(read_answer(&body[..end]).is_err());
    }
    let mut unknown = body;
    unknown[1] = 200;
    let Ok(Reply::Problem(problem)) = read_answer(&unknown) else {
        panic!("a code of a later release is a problem too");
    };
    assert_eq!(problem.code, None);
    // a detail longer than its bound is cut at a letter
    let long = Problem::pack(ProblemCode::Failed, &"ậ".repeat(400));
    assert!(matches!(read_answer(&long), Ok(Reply::Problem(_))));
}

/// What automerge 0.12 does on bytes from strangers (panics in apply, counters of 2^32, orphans
/// that are queued for ever, wedged actors) needs a field that says it. There is none: rows carry
/// the change below and nothing else, and `record::Document` computes the rest.
///
/// | Crafted there | Field in a row | Computed from |
/// |---|---|---|
/// | start_op = u32::MAX, counters of 2^32 | none | the greatest counter that the heads reached, plus 1 |
/// | seq 5 of an unknown actor | none | how many changes of the chain the document has, plus 1 |
/// | actor that is used twice | none | the chain, a hash over key, installation and logbook |
/// | pred that does not exist | none | what is visible at the heads |
/// | orphan deps | heads | found in the log before, or the change is set aside |
/// | obj, insert, delete, counter, mark | none | always a put of a scalar at a key of ROOT |
/// | run lengths, column counts | none | no columns |
/// | compressed chunks | none | one coder, with the bound of [`PLAIN_BYTES_MAX`] |
/// | Bloom filters of a sync message | none | cursors and sums |
#[test]
fn nothing_in_a_row_reaches_automerge_as_it_was_received() {
    let (_, written) = changes();
    let Change {
        at: _,       // names the actor; checked against the log's own tip
        device: _,   // of the statement
        previous: _, // computed by the reader
        record: _,   // computed, or compared with what the heads are about
        act: _,      // a type that the vocabulary knows
        clock_s: _,  // shown, never merged
        mono_s: _,
        seen: _,
        heads: _, // in the log, of this record
        slots: _, // scalars at keys of the root
    } = &written[0].change;
    // the most that the numbers of a row can say: it merges, and what comes after still counts
    let mut hand = hand();
    let mut draft = hand.patrol();
    (draft.clock_s, draft.mono_s, draft.seen) = (i64::MIN, u32::MAX, u64::MAX);
    let first = draft.seal();
    hand.wrote(&first);
    let mut draft = hand.edit(first.change.record, vec![first.change.at]);
    (draft.clock_s, draft.seen) = (i64::MAX, 0);
    let key = crate::value::FieldKey {
        number: u16::MAX,
        item: u32::MAX,
    };
    draft.plain.insert(key, Value::Number(u64::MAX));
    draft.plain.insert(PRESENT, Value::Number(8));
    let second = draft.seal();
    hand.wrote(&second);
    let body = hand.letter(vec![first.clone(), second.clone()]).body();
    let (_, runs) = read(&body).unwrap();
    assert_eq!(runs[0].changes, [first.clone(), second.clone()]);
    let mut record = Record::create(first).unwrap();
    record.apply(second.clone()).unwrap();
    let mut orphan = hand.edit(
        record.id(),
        vec![ChangeRef {
            chain: ChainId([9; 16]),
            seq: u32::MAX,
        }],
    );
    orphan.plain.insert(PRESENT, Value::Number(1));
    let before = record.heads();
    assert!(record.apply(orphan.seal()).is_err(), "it is not queued");
    assert_eq!(record.heads(), before);
    let mut third = hand.edit(record.id(), record.heads());
    third.plain.insert(PRESENT, Value::Number(9));
    record.apply(third.seal()).unwrap();
    assert_eq!(record.change_count(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any bytes: no panic, and what is read as rows of a change is well made or is refused by the
    /// check that everything passes before it is kept.
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _told = read(&bytes);
        let _told = read_answer(&bytes);
        let _told = read(&stored(&bytes, &bytes));
        let _told = read_answer(&stored(&noise(1, 96), &bytes));
        let _told = Value::from_bytes(&bytes);
        let _told = FullChange::from_bytes(&bytes).map(|full| full.check());
        let _told = crate::act::FullAct::from_bytes(&bytes);
        let _told = crate::hub::arrival::EnrolRequest::from_bytes(&bytes);
        let _told = crate::hub::arrival::EnrolAnswer::from_bytes(&bytes);
        let _told = crate::log::Receipt::from_bytes(&bytes);
        let _told = crate::chain::Statement::from_bytes(&bytes);
    }

    /// Random rows behind a sound beginning: the deepest readers see them.
    #[test]
    fn random_rows_never_panic(rows in proptest::collection::vec(any::<u8>(), 0..200), keep in 0usize..80) {
        let (hand, written) = changes();
        let (raw, sound) = streams(&hand.letter(written).body());
        let keep = keep.min(sound.len());
        let _told = read(&stored(&raw, &[&sound[..keep], &rows].concat()));
    }
}
