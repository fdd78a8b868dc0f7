//! Golden vectors: the files in `vectors/` hold what fixed keys make of fixed words, byte for byte.
//!
//! They are promises to every phone and server that was ever installed. A test that fails prints
//! the file as the code would write it now. To renew one, paste that over the file: right only as
//! long as the format was never used outside, or under a new format, version or codec number.

use std::collections::BTreeMap;

use super::world::{Hand, REALM, hex, model, text};
use crate::act::{
    ACCOUNT_PART, ActDraft, Control, FullAct, NAME_PART, Review, Said, TEXT_PART, act_chain,
};
use crate::bytes::Writer;
use crate::change::{ChangeRef, FullChange, Slot};
use crate::exchange::{
    Answer, AnswerFacts, ChainTable, Evidence, Fate, FeedSet, Ground, Outcome, Problem,
    ProblemCode, Reply, Request, RowBase, Sealed, Sink, WireEntry, WireSaid, fates_bytes,
};
use crate::hub::arrival::{EnrolAnswer, EnrolRequest, digits};
use crate::ids::{AreaRef, ChainId, Feed, GroupId, Hash32, Logbook, ReadNonce, RecordId};
use crate::invitation::Invitation;
use crate::keys::Secret;
use crate::log::{AsideReason, Digest, EntryKind, Head, Leaf, Receipt, answer_hash, aside_hash};
use crate::tests::world::{GROUP, Letter, SUMMARY};
use crate::value::{FieldKey, Value, WallTime};
use crate::vocabulary::Lane;

const TIME_S: i64 = 1_790_000_000;

fn device() -> Secret {
    Secret::from_bytes(&[0x11; 32])
}
fn neighbour() -> Secret {
    Secret::from_bytes(&[0x22; 32])
}
fn log() -> Secret {
    Secret::from_bytes(&[0x33; 32])
}

/// Compares a file with what the code makes: a name, a space, hex, one vector a line.
fn check(file: &str, content: &str, made: &[(&str, Vec<u8>)]) {
    let now: String = made
        .iter()
        .map(|(name, bytes)| format!("{name} {}\n", hex(bytes)))
        .collect();
    assert!(content == now, "vectors/{file} would now be:\n{now}");
}

fn hand(secret: Secret) -> Hand {
    Hand::new(secret, GROUP, Lane::Open)
}

/// Two changes of one chain: a creation with a note, and an edit of it.
fn written(secret: Secret) -> (Hand, FullChange, FullChange) {
    let mut hand = hand(secret);
    let mut draft = hand.patrol();
    (draft.clock_s, draft.mono_s, draft.seen) = (TIME_S + 60, 77, 5);
    draft.seed = [9; 16];
    draft.parts.insert(SUMMARY, text("Tuần tra, bình thường"));
    let first = draft.seal();
    hand.wrote(&first);
    let mut draft = hand.edit(first.change.record, vec![first.change.at]);
    (draft.clock_s, draft.mono_s, draft.seen) = (TIME_S + 3_600, 3_617, 6);
    draft.seed = [10; 16];
    draft.plain.insert(FieldKey::plain(24), Value::Number(5));
    let second = draft.seal();
    hand.wrote(&second);
    (hand, first, second)
}

/// Values that are told from the clock of [`written`]'s second change, and one that is not.
fn near_times() -> [Value; 5] {
    let minutes = i32::try_from(TIME_S / 60).unwrap().saturating_add(420);
    let at = |back, offset| WallTime {
        minutes: minutes.saturating_sub(back),
        offset,
    };
    [
        Value::Day((minutes / (24 * 60)).saturating_sub(2)),
        Value::Time(at(30, 420)),
        Value::Interval(at(90, 420), None),
        Value::Interval(at(90, 420), Some(at(20, 420))),
        Value::Time(at(30, 0)),
    ]
}

fn rows_of(full: &FullChange, names_record: bool) -> (Vec<u8>, Vec<u8>) {
    let mut sink = Sink::default();
    let mut chains = ChainTable::new(vec![full.change.at.chain]);
    RowBase::default().write(&mut sink, full, &mut chains, names_record);
    (sink.raw.into_bytes(), sink.rows.into_bytes())
}

fn head() -> Head {
    Head {
        generation: 2,
        generation_start: 3,
        size: 9,
        safe_size: 4,
        root: Hash32([0x55; 32]),
        time_s: TIME_S + 7_200,
    }
}

fn act(said: Said, words: &[(FieldKey, &str)], feed: Feed) -> FullAct {
    let words = words.iter().map(|(key, word)| (*key, (*word).to_owned()));
    ActDraft {
        feed,
        generation: 1,
        seq: 1,
        previous: Hash32::default(),
        account: 7,
        time_s: TIME_S,
        said,
        words: words.collect(),
        seed: [12; 16],
    }
    .sign(&REALM, &log())
}

#[test]
fn vectors_of_the_exchange() {
    let (hand, first, second) = written(device());
    let mut erased = first.clone();
    erased.parts.erase(&[SUMMARY]);
    let mut timed = second.clone();
    for (number, value) in (30..).zip(near_times()) {
        timed
            .change
            .slots
            .push((FieldKey::plain(number), Slot::Plain(value)));
    }
    let (plain, edit, gone, near) = (
        rows_of(&first, false),
        rows_of(&second, true),
        rows_of(&erased, false),
        rows_of(&timed, false),
    );
    let idle = Letter::idle(&device(), GROUP);
    let run = Letter {
        nonce: ReadNonce([6; 8]),
        ..hand.letter(vec![first, second])
    };
    let receipt = Receipt::sign(&REALM, &log(), head(), Hash32([0x66; 32]));
    let said = Said::Control(Control::Vocabulary { version: 1 });
    let sections = Letter {
        explicit: true,
        head: Some(receipt),
        acts: vec![act(said, &[], Feed::Log)],
        runs: Vec::new(),
        ..run.clone()
    };
    let signed = run.request();
    let statement = statement_of(&run);
    check(
        "exchange.txt",
        include_str!("../../vectors/exchange.txt"),
        &[
            ("creation.raw", plain.0),
            ("creation.rows", plain.1),
            ("edit_that_names_its_record.raw", edit.0),
            ("edit_that_names_its_record.rows", edit.1),
            ("creation_with_an_erased_part.raw", gone.0),
            ("creation_with_an_erased_part.rows", gone.1),
            ("edit_with_near_times.rows", near.1),
            (
                "wants.hash",
                signed.wants.hash(&REALM, device().id()).0.to_vec(),
            ),
            ("statement.hash", statement.0.to_vec()),
            ("request.idle", idle.body()),
            ("request.run", run.body()),
            ("request.sections", sections.body()),
            ("problem", Problem::pack(ProblemCode::ShowHead, "a detail")),
        ],
    );
    for letter in [&idle, &run, &sections] {
        let opened = Request::open(model(), &letter.body()).unwrap();
        assert_eq!(opened.request, letter.request());
    }
}

/// Hash of the statement that a letter signs.
fn statement_of(letter: &Letter) -> Hash32 {
    use crate::chain::{Statement, tip_leaf};
    let device = letter.secret.id();
    let tips = letter.claims.iter().map(|(claim, chain, hash)| {
        let (chain, seq) = (*chain, claim.seq());
        tip_leaf(&REALM, device, ChangeRef { chain, seq }, hash)
    });
    let cursors = letter.wants.hash(&REALM, device);
    Statement::sign(
        &REALM,
        &letter.secret,
        letter.nonce,
        cursors,
        tips.collect(),
    )
    .hash(&REALM)
}

struct Own(BTreeMap<ChangeRef, Hash32>);

impl AnswerFacts for Own {
    fn hash_at(&self, at: ChangeRef) -> Option<Hash32> {
        self.0.get(&at).copied()
    }
    fn record_of(&self, _at: ChangeRef) -> Option<RecordId> {
        None
    }
}

/// An entry of each kind: a change, an own one, an aside of another, an own aside, an act.
fn entries(own: &FullChange, others: &FullChange) -> Vec<WireEntry> {
    let logbook = Logbook {
        group: GROUP,
        lane: Lane::Open,
    };
    let aside = |at, change, reason| WireSaid::Aside { at, change, reason };
    let next = |full: &FullChange| ChangeRef {
        seq: 2,
        ..full.change.at
    };
    let said = Said::Control(Control::MemberEnd {
        group: GROUP,
        number: 2,
    });
    let act = act(said, &[], Feed::Group(GROUP));
    let shared = Feed::Shared(logbook);
    [
        (2, shared, WireSaid::Change(others.clone())),
        (3, shared, WireSaid::Own(own.change.at)),
        (
            4,
            shared,
            aside(next(others), Hash32([0x71; 32]), AsideReason::Role),
        ),
        (
            5,
            shared,
            aside(next(own), Hash32([0x72; 32]), AsideReason::Revoked),
        ),
        (8, Feed::Group(GROUP), WireSaid::Act(act)),
    ]
    .into_iter()
    .map(|(index, feed, said)| WireEntry {
        index,
        feed,
        admitted_at: TIME_S.saturating_add(i64::try_from(index).unwrap()),
        generation: if index < 3 { 1 } else { 2 },
        said,
    })
    .collect()
}

/// The body of an answer, and what a phone keeps of it.
fn sealed(answer: &Answer, ground: &Ground, leaves: Vec<Hash32>) -> (Evidence, Vec<u8>) {
    let (laid, fates) = (answer.lay(ground), fates_bytes(&answer.fates));
    let (statement, layout) = (Hash32([0x66; 32]), laid.hash());
    let said = answer_hash(&REALM, log().id(), &statement, &fates, &leaves, &layout);
    let receipt = Receipt::sign(&REALM, &log(), answer.head, said);
    let body = laid.pack(model(), &receipt.signature);
    let evidence = Evidence {
        receipt,
        statement,
        fates,
        leaves,
        layout,
    };
    (evidence, body)
}

#[test]
fn vectors_of_an_answer() {
    let (hand, own, _) = written(device());
    let (_, others, _) = written(neighbour());
    let groups = vec![(GROUP, FeedSet::of(&[Lane::Open]))];
    let ground = Ground {
        realm: REALM,
        log: log().id(),
        device: device().id(),
        groups: groups.clone(),
        claims: vec![(hand.chain(), 2)],
    };
    let hashes = BTreeMap::from([
        (own.change.at, own.change.hash(&REALM)),
        (
            ChangeRef {
                seq: 2,
                ..own.change.at
            },
            Hash32([0x72; 32]),
        ),
    ]);
    let answer = Answer {
        head: head(),
        nonce: Some(ReadNonce([0x44; 8])),
        upto: 9,
        more: true,
        withheld: false,
        fates: vec![Fate {
            claim: 0,
            through: 2,
            outcome: Outcome::Received,
            asides: vec![(2, AsideReason::Revoked)],
        }],
        groups: Some(groups),
        sums: Some(vec![Digest(1), Digest(2)]),
        entries: entries(&own, &others),
    };
    let leaves = answer.leaves(&ground, &hashes);
    assert_eq!(leaves.len(), answer.entries.len());
    let (evidence, body) = sealed(&answer, &ground, leaves);
    let (raw, rows) = crate::exchange::unpack(model(), &body, body.len()).unwrap();
    let mut quiet = answer.clone();
    (quiet.nonce, quiet.groups, quiet.sums) = (None, None, None);
    (quiet.fates, quiet.entries, quiet.more) = (Vec::new(), Vec::new(), false);
    let mut lines = vec![
        ("answer.body", body.clone()),
        ("answer.raw", raw),
        ("answer.rows", rows),
    ];
    let names = ["change", "own", "aside", "own_aside", "act"].map(|kind| format!("leaf.{kind}"));
    lines.extend(
        names
            .iter()
            .zip(&evidence.leaves)
            .map(|(name, leaf)| (name.as_str(), leaf.0.to_vec())),
    );
    lines.push(("fates", evidence.fates.clone()));
    let mut kept = Writer::new();
    evidence.write(&mut kept);
    lines.push(("answer.layout", evidence.layout.0.to_vec()));
    lines.push(("answer.hash", evidence.receipt.answer.0.to_vec()));
    lines.push(("receipt", evidence.receipt.to_bytes()));
    lines.push(("evidence", kept.into_bytes()));
    lines.push(("answer.idle", sealed(&quiet, &ground, Vec::new()).1));
    check(
        "answer.txt",
        include_str!("../../vectors/answer.txt"),
        &lines,
    );
    let read = Reply::read(model(), &body, &ground, &Own(hashes)).unwrap();
    let sealed = Sealed {
        signature: evidence.receipt.signature,
        layout: evidence.layout,
        leaves: evidence.leaves,
    };
    assert_eq!(read, Reply::Answer(Box::new(answer), sealed));
}

/// A place for acts to be about.
const AT: ChangeRef = ChangeRef {
    chain: ChainId([4; 16]),
    seq: 5,
};
const AREA: AreaRef = AreaRef([6; 16]);

/// One of each Control that is about a group, by name.
fn controls_of_a_group() -> Vec<(&'static str, Control)> {
    let (area, group, number) = (AREA, GROUP, 4);
    let device = device().public();
    vec![
        (
            "group",
            Control::Group {
                group,
                area,
                commune: AreaRef([7; 16]),
                name: "Tổ ANTT Ấp 3".to_owned(),
            },
        ),
        (
            "member",
            Control::Member {
                group,
                number,
                role: 1,
            },
        ),
        ("member_end", Control::MemberEnd { group, number }),
        (
            "enrol",
            Control::Enrol {
                group,
                device,
                members: vec![1, 4],
            },
        ),
        (
            "revoke",
            Control::Revoke {
                group,
                device: device.id(),
            },
        ),
    ]
}

/// One of each other Control, by name.
fn controls_of_the_log() -> Vec<(&'static str, Control)> {
    let keys = vec![
        SUMMARY,
        FieldKey {
            number: 40,
            item: 9,
        },
    ];
    vec![
        (
            "generation",
            Control::Generation {
                number: 2,
                start: 900,
            },
        ),
        (
            "officer",
            Control::Officer {
                account: 3,
                role: 8,
                area: AREA,
                active: true,
            },
        ),
        (
            "areas",
            Control::Areas {
                file: Hash32([5; 32]),
                rows: 12,
            },
        ),
        ("erase", Control::Erase { change: AT, keys }),
        (
            "admit",
            Control::Admit {
                change: AT,
                hash: Hash32([7; 32]),
            },
        ),
        ("vocabulary", Control::Vocabulary { version: 1 }),
        (
            "area_events",
            Control::AreaEvents {
                file: Hash32([5; 32]),
                events: crate::territory::tests::one_of_each(),
            },
        ),
        (
            "period_closed",
            Control::PeriodClosed(crate::closing::tests::sample()),
        ),
        (
            "group_life",
            Control::GroupLife {
                group: GROUP,
                step: crate::hub::LifeStep {
                    kind: 5,
                    state: 4,
                    day: 20_600,
                    body: "UBND xã".to_owned(),
                    decision: "12/QĐ-UBND".to_owned(),
                },
            },
        ),
    ]
}

#[test]
fn vectors_of_acts() {
    let group = GROUP;
    let review = Review {
        record: RecordId([1; 16]),
        heads: vec![AT],
        field: Some(SUMMARY),
        state: Some(7),
        reason: Some(4),
    };
    let words = [(ACCOUNT_PART, "cax.thu"), (TEXT_PART, "Thiếu giờ")];
    let named = [(ACCOUNT_PART, "cax.thu"), (NAME_PART, "Trần Thị Mẫu")];
    let shared = Feed::Shared(Logbook {
        group,
        lane: Lane::Open,
    });
    let review = act(Said::Review(review), &words, shared);
    let mut erased = review.clone();
    erased.parts.erase(&[TEXT_PART]);
    let mut lines = vec![
        ("review", review.to_bytes()),
        ("review.hash", review.act.hash(&REALM).0.to_vec()),
        ("review.words_erased", erased.to_bytes()),
    ];
    for (name, control) in [controls_of_a_group(), controls_of_the_log()].concat() {
        let words = if name == "member" { &named[..] } else { &[] };
        let full = act(Said::Control(control), words, Feed::Group(group));
        assert!(full.act.verifies(&REALM, &log().public()));
        lines.push((name, full.to_bytes()));
    }
    check("acts.txt", include_str!("../../vectors/acts.txt"), &lines);
}

#[test]
fn vectors_of_the_log() {
    let logbook = |lane| Logbook { group: GROUP, lane };
    let feeds = [
        ("feed.log", Feed::Log),
        ("feed.office", Feed::Office),
        ("feed.group", Feed::Group(GROUP)),
        ("feed.shared", Feed::Shared(logbook(Lane::Mediation))),
        (
            "feed.private",
            Feed::Private(logbook(Lane::Tip), device().id()),
        ),
    ];
    let (hand, first, _) = written(device());
    let log_id = log().id();
    let hash = first.change.hash(&REALM);
    let aside = aside_hash(&REALM, log_id, first.change.at, &hash, AsideReason::Link);
    let leaf = |kind, entry| {
        let leaf = Leaf {
            kind,
            feed: Feed::Shared(logbook(Lane::Open)),
            at: first.change.at,
            entry,
            admitted_at: TIME_S,
            generation: 1,
        };
        leaf.hash(&REALM, log_id).0.to_vec()
    };
    let sum = Digest::default().plus(&hash).plus(&aside);
    let mut lines = vec![
        ("key.device", device().id().0.to_vec()),
        ("chain", hand.chain().0.to_vec()),
        (
            "chain.acts",
            act_chain(&REALM, log_id, Feed::Log, 1).0.to_vec(),
        ),
        ("record", first.change.record.0.to_vec()),
        ("change.stored", first.to_bytes()),
        ("change.hash", hash.0.to_vec()),
        ("aside.hash", aside.0.to_vec()),
        ("leaf.change", leaf(EntryKind::Change, hash)),
        ("leaf.aside", leaf(EntryKind::Aside, aside)),
        ("leaf.review", leaf(EntryKind::Review, hash)),
        ("leaf.control", leaf(EntryKind::Control, hash)),
        ("digest", sum.0.to_be_bytes().to_vec()),
        ("head", head().to_bytes()),
        ("head.signature", head().sign(&REALM, &log()).to_vec()),
    ];
    lines.extend(feeds.map(|(name, feed)| (name, feed.to_bytes())));
    check("log.txt", include_str!("../../vectors/log.txt"), &lines);
}

#[test]
fn vectors_of_an_enrolment() {
    let token = [0x21; 16];
    let request = EnrolRequest::sign(&REALM, &device(), token);
    let answer = EnrolAnswer {
        group: GROUP,
        members: vec![(1, 3), (2, 1)],
        time_s: TIME_S,
    };
    let shown = digits(&REALM, &log().public(), &device().public(), &token);
    let invitation = Invitation {
        url: "https://192.168.1.7:8443".to_owned(),
        realm: REALM,
        log: log().public(),
        ca_der: vec![0x30, 0x03, 1, 2, 3],
        token,
        group: GROUP,
        group_name: "Tổ bảo vệ an ninh trật tự ấp 3".to_owned(),
        time_s: TIME_S,
        vocabulary: 1,
    };
    let text = invitation.to_text().unwrap();
    check(
        "enrolment.txt",
        include_str!("../../vectors/enrolment.txt"),
        &[
            ("request", request.to_bytes()),
            ("answer", answer.to_bytes()),
            ("digits", shown.to_be_bytes().to_vec()),
            ("invitation", text.into_bytes()),
        ],
    );
    assert_eq!(EnrolRequest::from_bytes(&request.to_bytes()), Ok(request));
    assert_eq!(EnrolAnswer::from_bytes(&answer.to_bytes()), Ok(answer));
}

/// Groups have no place of their own in a vector: their names are random.
#[test]
fn a_groups_prefix_is_its_first_four_bytes() {
    let group = GroupId([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(crate::exchange::prefix_of(&group.0), [1, 2, 3, 4]);
}
