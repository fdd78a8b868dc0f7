//! Changes that a device may sign and the log does not take: broken ones with the whole request,
//! well-made ones one by one, each set aside for its reason while the rest lands.

use super::{aside, fate, tables_with};
use crate::change::{ChangeRef, Draft, FullChange, Parts, Secret, Slot, part_hash};
use crate::exchange::ProblemCode;
use crate::hub::facts;
use crate::hub::ledger::Table;
use crate::ids::{ChainId, RecordId};
use crate::limits::{CHANGE_HEADS_MAX, CHANGE_OPS_MAX};
use crate::log::AsideReason;
use crate::tests::world::{
    GROUP, Hand, LEADER, MEDIATION, MEDIATION_MODE, MEDIATOR, MEMBER, OTHER_GROUP, PATROL, PRESENT,
    Phone, SUMMARY, TIP, TIP_CATEGORY, World, text,
};
use crate::value::{AUTHOR_KEY, FieldKey, Value};
use crate::vocabulary::Lane;

/// A world with one phone and one patrol of it in the log.
fn begun() -> (World, Phone, FullChange) {
    let mut world = World::new();
    let mut phone = world.enrolled(GROUP, &[MEMBER, MEDIATOR]);
    world.settle(&mut phone);
    let first = world.patrol(&mut phone, MEMBER, "một vòng");
    world.settle(&mut phone);
    (world, phone, first)
}

/// What the hub says to a body that must not be read.
fn malformed(world: &mut World, hand: &Hand, full: FullChange) {
    let body = hand.body(full);
    assert_eq!(world.refused(&body), Some(ProblemCode::Malformed));
}

fn patrol_with(hand: &Hand, change: impl FnOnce(&mut Draft)) -> FullChange {
    let mut draft = hand.patrol();
    change(&mut draft);
    draft.seal()
}

#[test]
fn a_change_that_is_not_well_made_takes_the_request_with_it() {
    let (mut world, phone, first) = begun();
    let hand = phone.hand(Lane::Open);
    let record = first.change.record;

    let slots = u16::try_from(CHANGE_OPS_MAX).unwrap();
    // 96 with the author is the most; one more is not read
    let many = |count: u16| {
        patrol_with(&hand, |draft| {
            draft.plain = (1..=count)
                .map(|n| (FieldKey::plain(1_000 + n), Value::Number(1)))
                .collect();
        })
    };
    malformed(&mut world, &hand, many(slots));
    assert_eq!(many(slots - 1).check(), Ok(()));

    let mut twice = hand.patrol().seal();
    let again = twice.change.slots.last().cloned().unwrap();
    twice.change.slots.push(again);
    malformed(&mut world, &hand, twice);

    let heads = |count: u8| {
        let at = |n: u8| ChangeRef {
            chain: ChainId([n; 16]),
            seq: 1,
        };
        (1..=count).map(at).collect::<Vec<_>>()
    };
    let mut turned = hand.edit(record, heads(2)).seal();
    turned.change.heads.reverse();
    malformed(&mut world, &hand, turned);
    let mut doubled = hand.edit(record, heads(1)).seal();
    doubled.change.heads.push(doubled.change.heads[0]);
    malformed(&mut world, &hand, doubled);
    let most = u8::try_from(CHANGE_HEADS_MAX).unwrap();
    malformed(&mut world, &hand, hand.edit(record, heads(most + 1)).seal());
    malformed(&mut world, &hand, hand.edit(record, Vec::new()).seal());

    // a value is missing and nothing was erased; a value is there without its salt
    let mut missing = patrol_with(&hand, |draft| {
        draft.parts.insert(SUMMARY, text("có"));
    });
    missing.parts.values.remove(&SUMMARY);
    malformed(&mut world, &hand, missing);
    assert_eq!(
        world.deliver(&hand.body(hand.patrol().seal())).map(|_| ()),
        Ok(())
    );
}

#[test]
fn text_that_cannot_be_shown_is_not_read() {
    let (mut world, phone, _) = begun();
    let hand = phone.hand(Lane::Open);
    for (what, words) in [
        ("zero", "a\0b".to_owned()),
        ("bell", "a\u{7}b".to_owned()),
        ("turned round", "a\u{202E}b".to_owned()),
        ("isolate", "a\u{2066}b".to_owned()),
        ("no character", "a\u{FFFF}b".to_owned()),
        ("stacked marks", format!("a{}", "\u{301}".repeat(9))),
        ("a text of marks", "\u{301}".repeat(4_000)),
        ("a megabyte of marks", "\u{301}".repeat(500_000)),
        ("too long", "a".repeat(8_001)),
    ] {
        let full = patrol_with(&hand, |draft| {
            draft.parts.insert(SUMMARY, text(&words));
        });
        let code = world.refused(&hand.body(full));
        // so much of one thing is not packed, and as it stands the body is over its bound
        let megabyte = words.len() > 500_000;
        let expected = if megabyte {
            ProblemCode::TooLarge
        } else {
            ProblemCode::Malformed
        };
        assert_eq!(code, Some(expected), "{what}");
    }
    // the control: as long as a text may be, with the marks that Vietnamese needs
    let full = patrol_with(&hand, |draft| {
        draft
            .parts
            .insert(SUMMARY, text(&"e\u{302}\u{301} ".repeat(400)));
    });
    assert_eq!(aside(&mut world, &hand.body(full)), None);
}

#[test]
fn a_record_name_cannot_be_chosen() {
    let (mut world, phone, first) = begun();
    let hand = phone.hand(Lane::Open);
    // with its seed a creation does not send a name: the reader computes the one it has
    let mut forged = hand.patrol().seal();
    forged.change.record = first.change.record;
    let mut letter = hand.letter(vec![forged]);
    assert_eq!(world.refused(&letter.body()), Some(ProblemCode::ShowTips));
    letter.explicit = true;
    assert_eq!(world.deliver(&letter.body()).unwrap().fates[0].through, 0);
    // without its seed it names itself, as if something had been erased: not as one that is here
    let mut seedless = hand.patrol().seal();
    seedless.parts.erase(&[]);
    seedless.change.record = first.change.record;
    let reason = aside(&mut world, &hand.body(seedless));
    assert_eq!(reason, Some(AsideReason::UnknownRecord));
}

#[test]
fn an_edit_stays_in_the_logbook_of_its_record() {
    let (mut world, phone, first) = begun();
    let (record, head) = (first.change.record, first.change.at);
    let unknown = Some(AsideReason::UnknownRecord);
    for lane in [Lane::Tip, Lane::Mediation, Lane::Protected] {
        let hand = phone.hand(lane);
        let body = hand.body(hand.edit(record, vec![head]).seal());
        assert_eq!(aside(&mut world, &body), unknown, "{lane:?}");
    }
    let neighbour = world.enrolled(OTHER_GROUP, &[MEMBER]);
    let hand = Hand::new(neighbour.identity.device, OTHER_GROUP, Lane::Open);
    let body = hand.body(hand.edit(record, vec![head]).seal());
    assert_eq!(aside(&mut world, &body), unknown);
    // a tip of one phone is none of another's, in the same group and lane
    let other = world.enrolled(GROUP, &[MEMBER]);
    let hers = other.hand(Lane::Tip);
    let mut tip = hers.draft(TIP);
    tip.plain.insert(TIP_CATEGORY, Value::Choice(1));
    let tip = tip.seal();
    assert_eq!(aside(&mut world, &hers.body(tip.clone())), None);
    let mut mine = phone.hand(Lane::Tip);
    mine.installation.0[0] = 1;
    let edit = mine.edit(tip.change.record, vec![tip.change.at]);
    assert_eq!(aside(&mut world, &mine.body(edit.seal())), unknown);
    // and a name that no record has
    let mut hand = phone.hand(Lane::Open);
    hand.installation.0[0] = 2;
    let edit = hand.edit(RecordId([9; 16]), vec![head]);
    assert_eq!(aside(&mut world, &hand.body(edit.seal())), unknown);
}

#[test]
fn heads_are_changes_of_the_same_record_in_the_log() {
    let (mut world, mut phone, first) = begun();
    let second = world.patrol(&mut phone, MEMBER, "vòng khác");
    world.settle(&mut phone);
    let record = first.change.record;
    let nowhere = ChangeRef {
        chain: ChainId([9; 16]),
        seq: 1,
    };
    let beyond = ChangeRef {
        seq: u32::MAX,
        ..first.change.at
    };
    let mut nth = 0;
    let mut told = |world: &mut World, heads: Vec<ChangeRef>| {
        let mut hand = phone.hand(Lane::Open);
        nth += 1;
        hand.installation.0[0] = nth;
        let mut draft = hand.edit(record, heads);
        draft.plain.insert(PRESENT, Value::Number(5));
        aside(world, &hand.body(draft.seal()))
    };
    let unknown = Some(AsideReason::UnknownHead);
    assert_eq!(told(&mut world, vec![nowhere]), unknown);
    assert_eq!(told(&mut world, vec![beyond]), unknown);
    assert_eq!(told(&mut world, vec![second.change.at]), unknown);
    let mut two = vec![first.change.at, nowhere];
    two.sort();
    assert_eq!(told(&mut world, two), unknown);

    // a change that was set aside is no head
    let mut hand = phone.hand(Lane::Open);
    let mut bad = hand.edit(record, vec![first.change.at]);
    bad.plain.insert(PRESENT, Value::YesNo(true));
    let bad = bad.seal();
    let refused = aside(&mut world, &hand.body(bad.clone()));
    assert_eq!(refused, Some(AsideReason::Vocabulary));
    let follows = Some(AsideReason::FollowsAside);
    assert_eq!(told(&mut world, vec![bad.change.at]), follows);
    // and all that the chain says of that record falls with it, while other records land
    hand.wrote(&bad);
    let mut more = hand.edit(record, vec![first.change.at]);
    more.plain.insert(PRESENT, Value::Number(6));
    let more = more.seal();
    hand.wrote(&more);
    let other = hand.patrol().seal();
    let mut letter = hand.letter(vec![more, other]);
    letter.runs[0].changes[0].1 = true;
    let delivered = world.deliver(&letter.body()).unwrap();
    assert_eq!(fate(&delivered).asides, [(2, AsideReason::FollowsAside)]);
    assert_eq!(fate(&delivered).through, 3);
    // the control
    assert_eq!(told(&mut world, vec![first.change.at]), None);
    world.verify();
}

/// One creation in a lane with one slot of its own, plain or as a part.
fn judged(
    world: &mut World,
    phone: &Phone,
    (lane, record_type, member): Place,
    (key, value, part): Written,
) -> Option<AsideReason> {
    let mut hand = phone.hand(lane);
    hand.installation =
        crate::ids::InstallationNonce(crate::ids::first16(&crate::ids::Hash32(world.random())));
    let mut draft = hand.draft(record_type);
    if part {
        draft.parts.insert(key, value);
    } else {
        draft.plain.insert(key, value);
    }
    if key != AUTHOR_KEY {
        draft
            .parts
            .insert(AUTHOR_KEY, Value::Number(u64::from(member)));
    }
    aside(world, &hand.body(draft.seal()))
}

type Place = (Lane, u16, u16);
type Written = (FieldKey, Value, bool);
type Case = (&'static str, Place, Written, Option<AsideReason>);

const OPEN: Place = (Lane::Open, PATROL, MEMBER);
const TIPS: Place = (Lane::Tip, TIP, MEMBER);
const CASES: Place = (Lane::Mediation, MEDIATION, MEDIATOR);
const SEALED: Option<AsideReason> = Some(AsideReason::Sealed);
const CLOSED: Option<AsideReason> = Some(AsideReason::ClosedLane);
const WORDS: Option<AsideReason> = Some(AsideReason::Vocabulary);
const WHO: Option<AsideReason> = Some(AsideReason::Member);

fn plain(number: u16, value: Value) -> Written {
    (FieldKey::plain(number), value, false)
}
fn part(number: u16, value: Value) -> Written {
    (FieldKey::plain(number), value, true)
}
fn sealed() -> Value {
    Value::Later(64, b"CANARY-SEALED".to_vec())
}
fn later() -> Value {
    Value::Later(64, b"CANARY-LATER".to_vec())
}
fn number(number: u64) -> Value {
    Value::Number(number)
}

fn closed_lanes() -> Vec<Case> {
    let hamlet = Value::Area(crate::ids::AreaRef([3; 16]));
    let geo = Value::Position(1, 1, 1);
    vec![
        ("sealed bytes in a tip", TIPS, part(48, sealed()), SEALED),
        ("sealed bytes, plain", TIPS, plain(48, sealed()), SEALED),
        ("an empty sealed field", TIPS, part(49, text("")), SEALED),
        ("words in a tip", TIPS, part(5, text("nghe nói")), CLOSED),
        ("a time in a tip", TIPS, plain(2, Value::Day(1)), CLOSED),
        ("a position in a tip", TIPS, part(7, geo), CLOSED),
        ("a hamlet in a tip", TIPS, plain(1, hamlet), CLOSED),
        ("words of a mediation", CASES, part(6, text("ở")), CLOSED),
        (
            "a field of the commune",
            TIPS,
            plain(45, text("A1")),
            Some(AsideReason::NotYours),
        ),
        ("a tip", TIPS, plain(44, Value::Choice(1)), None),
        (
            "a case",
            CASES,
            (MEDIATION_MODE, Value::Choice(1), false),
            None,
        ),
    ]
}

fn open_lane() -> Vec<Case> {
    let mediator = (Lane::Open, PATROL, MEDIATOR);
    let role = Some(AsideReason::Role);
    let other = number(u64::from(LEADER));
    vec![
        ("sealed bytes", OPEN, part(48, sealed()), SEALED),
        ("a reserved field", OPEN, part(8, text("x")), SEALED),
        ("an unknown field", OPEN, plain(60_000, number(1)), WORDS),
        ("a derived field", OPEN, plain(28, number(1)), WORDS),
        ("of another type", OPEN, plain(63, Value::Choice(1)), WORDS),
        ("of a later format", OPEN, plain(24, later()), WORDS),
        ("a part where none is", OPEN, part(24, number(1)), WORDS),
        ("words without a salt", OPEN, plain(5, text("x")), WORDS),
        (
            "an unknown type",
            (Lane::Open, 999, MEMBER),
            plain(9, number(1)),
            WORDS,
        ),
        (
            "a type of tips",
            (Lane::Open, TIP, MEMBER),
            plain(44, number(1)),
            WORDS,
        ),
        ("no such member", OPEN, part(0, number(99)), WHO),
        ("beyond members", OPEN, part(0, number(1 << 40)), WHO),
        ("of another phone", OPEN, part(0, other), WHO),
        ("a mediator's patrol", mediator, plain(24, number(1)), role),
        ("a patrol", OPEN, plain(24, number(1)), None),
    ]
}

#[test]
fn what_the_vocabulary_does_not_hold_is_set_aside_by_name() {
    let (mut world, phone, _) = begun();
    for (what, place, written, reason) in [closed_lanes(), open_lane()].concat() {
        assert_eq!(judged(&mut world, &phone, place, written), reason, "{what}");
    }
    // what was refused is in the quarantine only: no table that is read or pulled holds it
    let found = tables_with(&world.ledger, b"CANARY-LATER");
    assert!(!found.is_empty() && found.iter().all(|table| *table == Table::Quarantine));
    // words that went where none may be are not even there
    for words in [b"CANARY-SEALED".as_slice(), "nghe nói".as_bytes()] {
        assert_eq!(tables_with(&world.ledger, words), []);
    }
}

#[test]
fn one_bad_change_holds_up_no_other() {
    let (mut world, phone, _) = begun();
    let mut hand = phone.hand(Lane::Open);
    let mut changes = Vec::new();
    for nth in 0..9u64 {
        let mut draft = hand.patrol();
        if nth % 3 == 1 {
            draft
                .plain
                .insert(FieldKey::plain(60_000), Value::Number(nth));
        }
        let full = draft.seal();
        hand.wrote(&full);
        changes.push(full);
    }
    let delivered = world.deliver(&hand.letter(changes.clone()).body()).unwrap();
    let asides: Vec<u32> = fate(&delivered)
        .asides
        .iter()
        .map(|(seq, _)| *seq)
        .collect();
    assert_eq!((fate(&delivered).through, asides), (9, vec![2, 5, 8]));
    for full in &changes {
        let place = facts::place(&world.ledger, full.change.at)
            .unwrap()
            .unwrap();
        assert_eq!(place.aside.is_some(), full.change.at.seq % 3 == 2);
    }
    world.verify();
}

#[test]
fn a_second_change_at_a_place_proves_a_fork_and_changes_nothing_in_the_log() {
    let (mut world, phone, _) = begun();
    let hand = phone.hand(Lane::Open);
    let first = hand.patrol().seal();
    world.deliver(&hand.body(first.clone())).unwrap();
    let (size, root) = (world.size(), world.hub.state(&world.ledger).unwrap().root);
    let second = patrol_with(&hand, |draft| draft.clock_s += 1);
    let delivered = world.deliver(&hand.body(second)).unwrap();
    assert_eq!(fate(&delivered).outcome, crate::exchange::Outcome::Forked);
    assert_eq!(fate(&delivered).through, 0);
    assert_eq!(world.size(), size);
    assert_eq!(world.hub.state(&world.ledger).unwrap().root, root);
    let place = facts::place(&world.ledger, first.change.at)
        .unwrap()
        .unwrap();
    assert_eq!(place.hash, first.change.hash(&crate::tests::world::REALM));
    world.verify();
}

/// A part whose hash fits and whose salt does not follow from a seed: salts travel only where
/// something was erased, and each still has to give its hash.
#[test]
fn a_salt_that_does_not_fit_is_seen() {
    let (mut world, phone, _) = begun();
    let hand = phone.hand(Lane::Open);
    let mut full = patrol_with(&hand, |draft| {
        draft.parts.insert(SUMMARY, text("có"));
    });
    full.parts.erase(&[]);
    let Secret::Salts(salts) = &mut full.parts.secret else {
        panic!("erasing leaves salts");
    };
    salts.insert(SUMMARY, [7; 16]);
    let mut letter = hand.letter(vec![full.clone()]);
    assert_eq!(world.refused(&letter.body()), Some(ProblemCode::ShowTips));
    // a salt of its own choice is the author's right: the hash is over that one
    let hash = part_hash(&[7; 16], SUMMARY, &text("có"));
    for (key, slot) in &mut full.change.slots {
        if *key == SUMMARY {
            *slot = Slot::Part(hash);
        }
    }
    let Parts { secret, .. } = &full.parts;
    assert!(matches!(secret, Secret::Salts(_)));
    letter = hand.letter(vec![full]);
    assert_eq!(aside(&mut world, &letter.body()), None);
}
