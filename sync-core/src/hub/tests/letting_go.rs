//! What is safe and was long enough on a phone leaves it, and nothing else does: not what is not
//! safe, not what proves it, not the way to go on.

use super::{received, rows_with, seed_of, tables_with};
use crate::calendar::DAY_S;
use crate::hub::ReviewInput;
use crate::hub::facts;
use crate::hub::ledger::Table;
use crate::replica::{KEEP_DAYS, Left, SaveError, Standing};
use crate::tests::world::{
    GROUP, LEADER, MEMBER, PRESENT, Phone, REALM, SUMMARY, TIP, TIP_CATEGORY, World, correction,
    creation, text,
};
use crate::value::{FieldKey, Value};
use crate::view::WITHDRAWN;

const CANARY: &str = "CANARY-hai-vong-quanh-cho";
const KEEP_S: i64 = KEEP_DAYS as i64 * DAY_S;

/// A copy on another disk has all that the log has.
fn make_safe(world: &mut World) {
    let (size, now_s) = (world.size(), world.now_s);
    world
        .desk(|hub, ledger, _| Ok(hub.note_safe(ledger, size, now_s)?))
        .unwrap();
}

/// Lets go; whether anything went.
fn let_go(phone: &mut Phone, now_s: i64) -> bool {
    let gone = phone.replica.let_go(KEEP_DAYS, now_s);
    phone.apply(&gone.ops);
    assert_eq!(gone.ops.is_empty(), gone.touched.is_empty());
    !gone.ops.is_empty()
}

fn holds(phone: &Phone, bytes: &[u8]) -> bool {
    !rows_with(phone, bytes).is_empty()
}

#[test]
fn words_leave_when_they_are_safe_and_due_and_not_before() {
    let (mut world, mut author, mut reader, full) = received(CANARY);
    let record = full.change.record;
    assert!(
        !let_go(&mut author, world.now_s + 2 * KEEP_S),
        "without a copy"
    );
    make_safe(&mut world);
    assert!(
        !let_go(&mut author, world.now_s + 2 * KEEP_S),
        "the phone has not heard that it is safe"
    );
    world.settle(&mut author);
    world.settle(&mut reader);
    let received_s = author.replica.placed(full.change.at).unwrap().1;
    assert!(!let_go(&mut author, received_s + KEEP_S - 1), "not due");
    assert!(holds(&author, CANARY.as_bytes()), "the control");
    assert!(let_go(&mut author, received_s + KEEP_S));
    assert!(!let_go(&mut author, received_s + KEEP_S), "once is enough");
    for bytes in [CANARY.as_bytes(), &seed_of(&full)] {
        assert!(!holds(&author, bytes));
    }
    assert_eq!(author.replica.left(record), Some(Left::Nothing));
    assert!(author.replica.record(record).is_none() && author.replica.view(record).is_none());
    let edit = correction(MEMBER, record, [(PRESENT, Value::Number(5))]);
    let refused = author.replica.save(&edit, 0, 0, &[1; 32]);
    assert_eq!(refused.unwrap_err(), SaveError::LetGo);

    // begun again it is the same, and nothing of it comes down once more
    author.restart(author.replica.high_water());
    assert_eq!(author.replica.left(record), Some(Left::Nothing));
    for _ in 0..2 {
        let outgoing = author.poll();
        let told = world.deliver(outgoing.body()).unwrap();
        let next = author.take(&outgoing, &told.body).unwrap();
        assert!(!next.again && next.touched.is_empty());
        assert!(outgoing.body().len() + told.body.len() < 300);
    }
    // the chain goes on, and the other phone has all
    let later = world.patrol(&mut author, MEMBER, "vòng sau");
    world.settle(&mut author);
    world.settle(&mut reader);
    assert_eq!(
        author.replica.standing(later.change.at),
        Some(Standing::Received)
    );
    assert!(author.replica.record(later.change.record).is_some());
    assert!(holds(&reader, CANARY.as_bytes()) && reader.replica.left(record).is_none());
    assert_eq!(
        tables_with(&world.ledger, CANARY.as_bytes()),
        [Table::Part],
        "the server has it"
    );
    world.verify();
}

#[test]
fn what_comes_to_a_record_that_left_leaves_too() {
    let (mut world, mut author, mut reader, full) = received(CANARY);
    make_safe(&mut world);
    world.settle(&mut author);
    assert!(let_go(&mut author, world.now_s + KEEP_S));
    let more = correction(
        LEADER,
        full.change.record,
        [(SUMMARY, text("CANARY-tổ trưởng"))],
    );
    world.save(&mut reader, &more);
    world.settle(&mut reader);
    let input = ReviewInput {
        record: full.change.record,
        words: Some("CANARY-cán bộ".to_owned()),
        ..ReviewInput::default()
    };
    world
        .desk(|hub, ledger, acting| hub.review(ledger, acting, input).map(|_| ()))
        .unwrap();
    world.settle(&mut author);
    let now_s = world.now_s;
    assert!(!let_go(&mut author, now_s) && holds(&author, b"CANARY"));
    assert!(author.replica.record(full.change.record).is_none());
    make_safe(&mut world);
    world.settle(&mut author);
    assert!(let_go(&mut author, now_s) && !holds(&author, b"CANARY"));
    author.restart(author.replica.high_water());
    world.settle(&mut author);
    assert!(!holds(&author, b"CANARY"));
}

#[test]
fn a_tip_leaves_its_line_once_it_is_safe_and_can_be_withdrawn() {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[MEMBER]);
    world.settle(&mut author);
    let tip = creation(GROUP, MEMBER, TIP, [(TIP_CATEGORY, Value::Choice(1))]);
    let record = world.save(&mut author, &tip).change.record;
    world.settle(&mut author);
    assert!(!let_go(&mut author, world.now_s), "not safe");
    let fields = |phone: &Phone| phone.replica.view(record).unwrap().fields.len();
    assert!(fields(&author) > 0);
    make_safe(&mut world);
    world.settle(&mut author);
    assert!(let_go(&mut author, world.now_s));
    assert_eq!(author.replica.left(record), Some(Left::Line));
    assert_eq!(fields(&author), 0);
    // an officer's word finds its place
    let input = ReviewInput {
        record,
        state: Some(7),
        reason: Some(3),
        ..ReviewInput::default()
    };
    world
        .desk(|hub, ledger, acting| hub.review(ledger, acting, input).map(|_| ()))
        .unwrap();
    world.settle(&mut author);
    assert_eq!(author.replica.remarks(record).len(), 1);
    assert!(author.replica.badge(record).unanswered);
    let refused = |values: &[(FieldKey, Value)]| {
        let edit = correction(MEMBER, record, values.iter().cloned());
        author.replica.save(&edit, 0, 0, &[1; 32]).err()
    };
    let category = (TIP_CATEGORY, Value::Choice(2));
    let withdrawn = (WITHDRAWN, Value::Choice(4));
    assert_eq!(
        refused(std::slice::from_ref(&category)),
        Some(SaveError::LetGo)
    );
    assert_eq!(
        refused(&[category, withdrawn.clone()]),
        Some(SaveError::LetGo)
    );
    let full = world.save(&mut author, &correction(MEMBER, record, [withdrawn]));
    assert!(
        !let_go(&mut author, world.now_s + 2 * KEEP_S),
        "it is not sent"
    );
    world.settle(&mut author);
    let place = facts::place(&world.ledger, full.change.at).unwrap();
    assert_eq!(place.unwrap().aside, None);
    assert_eq!(author.replica.view(record).unwrap().withdrawn, Some(4));
    make_safe(&mut world);
    world.settle(&mut author);
    assert!(let_go(&mut author, world.now_s + KEEP_S));
    assert_eq!(author.replica.left(record), Some(Left::Nothing));
    assert_eq!(author.replica.records().count(), 0);
    world.verify();
}

#[test]
fn a_clock_that_is_wrong_empties_no_phone() {
    let (mut world, mut author, _, full) = received(CANARY);
    make_safe(&mut world);
    world.settle(&mut author);
    let year_2100 = 4_102_444_800;
    for clock in [i64::MIN, 0, year_2100, i64::MAX] {
        assert!(!let_go(&mut author, clock), "{clock}");
    }
    // and one that stands still keeps nothing for ever: the receipts tell the time
    world.now_s += KEEP_S;
    world.settle(&mut author);
    assert!(let_go(&mut author, 0));
    assert_eq!(author.replica.left(full.change.record), Some(Left::Nothing));
}

/// Safe it was, and yet the server is put back to before it: its copy was lost with it.
#[test]
fn a_log_that_lost_what_was_safe_gets_it_back_without_its_words() {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[MEMBER]);
    let mut reader = world.enrolled(GROUP, &[LEADER]);
    world.settle(&mut author);
    world.settle(&mut reader);
    let backup = world.ledger.clone();
    let full = world.patrol(&mut author, MEMBER, CANARY);
    world.settle(&mut author);
    make_safe(&mut world);
    world.settle(&mut author);
    world.settle(&mut reader);
    assert!(let_go(&mut author, world.now_s + KEEP_S));
    let later = world.patrol(&mut author, MEMBER, "vòng sau");
    world.settle(&mut author);

    world.ledger = backup;
    world.now_s += 1_000;
    author.restart(author.replica.high_water());
    let queued = world.patrol(&mut author, MEMBER, "còn chờ");
    world.settle(&mut author);
    world.settle(&mut reader);
    world.settle(&mut author);
    world.verify();
    for full in [&full, &later, &queued] {
        let at = full.change.at;
        assert_eq!(author.replica.standing(at), Some(Standing::Received));
        let place = facts::place(&world.ledger, at).unwrap().unwrap();
        assert_eq!((place.hash, place.aside), (full.change.hash(&REALM), None));
    }
    assert!(!author.replica.has_queued() && reader.replica.unsettled().count() == 0);
    assert_eq!(tables_with(&world.ledger, CANARY.as_bytes()), []);
    // who did not let it go has it still, also when it begins again
    reader.restart(reader.replica.high_water());
    world.settle(&mut reader);
    let (_, record) = reader.replica.record(full.change.record).unwrap();
    let said = record.change(full.change.at).unwrap().value(SUMMARY);
    assert_eq!(said, Some(&text(CANARY)));
}

/// A copy of the phone took the place of what had left: what is left of it is said again.
#[test]
fn what_left_is_said_again_with_what_is_left() {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[MEMBER]);
    world.settle(&mut author);
    world.patrol(&mut author, MEMBER, "vòng đầu");
    world.settle(&mut author);
    let (backup, mut copy) = (world.ledger.clone(), author.clone());
    let full = world.patrol(&mut author, MEMBER, CANARY);
    world.settle(&mut author);
    make_safe(&mut world);
    world.settle(&mut author);
    assert!(let_go(&mut author, world.now_s + KEEP_S));

    world.ledger = backup;
    world.now_s += 1_000;
    world.patrol(&mut copy, MEMBER, "bản sao nói");
    world.settle(&mut copy);
    let mut said = Vec::new();
    for _ in 0..4 {
        world.settle(&mut author);
        let random = world.random();
        while let Some(job) = author.replica.say_again(&random).unwrap() {
            author.apply(job.ops());
            said.push((job.says_again(), job.change().change.at));
            author.replica.handle_appended(job).unwrap();
        }
    }
    world.verify();
    let [(Some(old), new)] = said[..] else {
        panic!("{said:?} were said again");
    };
    assert_eq!(old, full.change.at);
    assert_eq!(author.replica.standing(new), Some(Standing::Received));
    assert!(!author.replica.has_queued() && author.replica.unsettled().count() == 0);
    assert!(!holds(&author, CANARY.as_bytes()));
}
