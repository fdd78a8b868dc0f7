//! What was erased is gone from every row on both sides, and everything that was signed still holds.

use super::{received, rows_with, seed_of, tables_with};
use crate::change::FullChange;
use crate::hub::ledger::Table;
use crate::hub::{Refusal, hearing};
use crate::log::AsideReason;
use crate::tests::world::{
    GROUP, LEADER, MEDIATION, MEDIATION_MODE, MEDIATOR, MEMBER, OTHER_GROUP, PRESENT, Phone,
    SUMMARY, TIP, TIP_CATEGORY, World, correction, creation, text,
};
use crate::value::{AUTHOR_KEY, FieldKey, Value};
use crate::vocabulary::Lane;

const CANARY: &str = "CANARY-nguyen-van-a";

/// Erases the summary of a change at the desk.
fn erase(world: &mut World, full: &FullChange) -> Result<(), Refusal> {
    let at = full.change.at;
    world.desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![SUMMARY]))
}

#[test]
fn an_erased_part_is_gone_everywhere_and_everything_still_verifies() {
    let (mut world, mut author, mut reader, full) = received(CANARY);
    let record = full.change.record;
    let answer = correction(LEADER, record, [(PRESENT, Value::Number(5))]);
    world.save(&mut reader, &answer);
    world.settle(&mut reader);
    world.settle(&mut author);
    let canary = CANARY.as_bytes();
    // the control: it was there
    assert_eq!(tables_with(&world.ledger, canary), [Table::Part]);
    assert!(!rows_with(&author, canary).is_empty() && !rows_with(&reader, canary).is_empty());
    assert!(world.ledger.rows().any(|row| row.headline.contains(CANARY)));
    let seed = seed_of(&full);

    erase(&mut world, &full).unwrap();
    world.verify();
    world.settle(&mut author);
    world.settle(&mut reader);
    for bytes in [canary, &seed] {
        assert_eq!(tables_with(&world.ledger, bytes), []);
        assert_eq!(rows_with(&author, bytes), []);
        assert_eq!(rows_with(&reader, bytes), []);
    }
    let shown = |row: &crate::hub::ledger::Row| format!("{} {}", row.headline, row.words);
    assert!(!world.ledger.rows().any(|row| shown(row).contains("anary")));
    assert!(!world.ledger.rows().any(|row| shown(row).contains("CANARY")));
    // both phones and the log still agree, hash by hash and sum by sum
    for phone in [&mut author, &mut reader] {
        let outgoing = phone.poll();
        let told = world.deliver(outgoing.body()).unwrap();
        let next = phone.take(&outgoing, &told.body).unwrap();
        assert!(!next.again, "the sums of the feeds differ");
        phone.restart(0);
        let (_, held) = phone.replica.record(record).unwrap();
        assert_eq!(held.change_count(), 2);
        assert_eq!(held.change(full.change.at).unwrap().value(SUMMARY), None);
    }
    // a phone that comes later pulls what is left and stands at the same sums
    let mut late = world.enrolled(GROUP, &[LEADER]);
    world.settle(&mut late);
    assert_eq!(late.replica.record(record).unwrap().1.change_count(), 2);
    assert_eq!(rows_with(&late, canary), []);
    world.verify();
    let report = world.hub.verify_log(&world.ledger).unwrap();
    assert_eq!(report.erased, 1);
    // built again from the log and the parts, nothing comes back
    let now_s = world.now_s;
    let before = world.ledger.clone();
    world.hub.rebuild(&mut world.ledger, now_s).unwrap();
    assert!(world.ledger == before, "a rebuild gives other rows");
}

#[test]
fn an_erased_quarantine_row_is_gone_and_its_hash_stays() {
    let mut world = World::new();
    let phone = world.enrolled(GROUP, &[MEMBER]);
    let hand = phone.hand(Lane::Open);
    let mut draft = hand.patrol();
    draft.parts.insert(SUMMARY, text(CANARY));
    draft
        .plain
        .insert(FieldKey::plain(60_000), Value::Number(1));
    let full = draft.seal();
    let reason = super::aside(&mut world, &hand.body(full.clone()));
    assert_eq!(reason, Some(AsideReason::Vocabulary));
    assert_eq!(
        tables_with(&world.ledger, CANARY.as_bytes()),
        [Table::Quarantine]
    );
    erase(&mut world, &full).unwrap();
    assert_eq!(tables_with(&world.ledger, CANARY.as_bytes()), []);
    world.verify();
}

#[test]
fn what_cannot_be_erased_changes_nothing() {
    let mut world = World::new();
    let mut phone = world.enrolled(GROUP, &[MEMBER]);
    let full = world.patrol(&mut phone, MEMBER, CANARY);
    let before = world.ledger.clone();
    assert_eq!(erase(&mut world, &full), Err(Refusal::NoChange));
    assert!(world.ledger == before);
    world.settle(&mut phone);
    let at = full.change.at;
    let before = world.ledger.clone();
    let told = world.desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![PRESENT]));
    assert_eq!(told, Err(Refusal::NothingToErase));
    assert!(world.ledger == before);
    erase(&mut world, &full).unwrap();
    assert_eq!(erase(&mut world, &full), Err(Refusal::NothingToErase));
}

#[test]
fn what_was_said_again_after_a_fork_is_erased_with_its_first_saying() {
    let mut world = World::new();
    let mut phone = world.enrolled(GROUP, &[MEMBER]);
    world.patrol(&mut phone, MEMBER, "trước đó");
    world.settle(&mut phone);
    let mut clone = phone.clone();
    world.patrol(&mut clone, MEMBER, "của bản sao");
    let lost = world.patrol(&mut phone, MEMBER, CANARY);
    let other = world.patrol(&mut phone, MEMBER, "việc khác");
    world.settle(&mut clone);
    let mut visits = 0;
    while !world.visit(&mut phone).unwrap().say_again {
        visits += 1;
        assert!(visits < 5, "the fork is not told");
    }
    while let Some(job) = phone.replica.say_again(&world.random()).unwrap() {
        phone.apply(job.ops());
        phone.replica.handle_appended(job).unwrap();
    }
    world.settle(&mut phone);
    let canary = CANARY.as_bytes();
    let mut tables = tables_with(&world.ledger, canary);
    tables.sort_unstable_by_key(|table| format!("{table:?}"));
    assert_eq!(tables, [Table::Part, Table::Quarantine], "the control");
    let said = phone.replica.changes().map(|(full, _)| full.clone());
    let mut said = said.filter(|full| full.value(SUMMARY) == Some(&text(CANARY)));
    let again = said.next().unwrap();
    assert!(again.change.at != lost.change.at);
    erase(&mut world, &again).unwrap();
    world.verify();
    assert_eq!(tables_with(&world.ledger, canary), []);
    // what others said in other words stays
    let at = other.change.at;
    assert!(
        phone.replica.standing(at).is_none(),
        "it was said again too"
    );
    assert!(!tables_with(&world.ledger, "việc khác".as_bytes()).is_empty());
}

#[test]
fn the_desk_knows_which_phones_have_heard_of_an_erasure() {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[MEMBER]);
    let mut reader = world.enrolled(GROUP, &[LEADER]);
    let lost = world.enrolled(GROUP, &[LEADER]);
    let elsewhere = world.enrolled(OTHER_GROUP, &[]);
    world.settle(&mut author);
    let full = world.patrol(&mut author, MEMBER, CANARY);
    world.settle(&mut author);
    world.settle(&mut reader);
    let device = lost.id();
    world
        .desk(|hub, ledger, acting| hub.revoke(ledger, acting, device))
        .unwrap();
    erase(&mut world, &full).unwrap();
    let index = world.size() - 1;
    let known = |world: &World| {
        let mut hearing = hearing(&world.ledger, index).unwrap();
        hearing.heard.sort_unstable();
        hearing.silent.sort_unstable();
        (hearing.heard, hearing.silent)
    };
    let sorted = |of: &[&Phone]| {
        let mut ids: Vec<_> = of.iter().map(|phone| phone.id()).collect();
        ids.sort_unstable();
        ids
    };
    assert_eq!(
        known(&world),
        (vec![], sorted(&[&author, &reader, &lost])),
        "the lost one held the words too"
    );
    // the answer that brings the erasure is no word of the phone that it took it
    world.visit(&mut reader).unwrap();
    assert_eq!(known(&world).0, []);
    world.visit(&mut reader).unwrap();
    assert_eq!(
        known(&world),
        (sorted(&[&reader]), sorted(&[&author, &lost]))
    );
    world.settle(&mut author);
    world.visit(&mut author).unwrap();
    assert_eq!(
        known(&world),
        (sorted(&[&author, &reader]), sorted(&[&lost]))
    );
    // what phones said is no part of what follows from the log
    let before = world.ledger.clone();
    world.hub.rebuild(&mut world.ledger, world.now_s).unwrap();
    assert!(before == world.ledger);
    assert_ne!(elsewhere.id(), lost.id());
}

#[test]
fn of_words_in_a_closed_lane_only_the_phone_that_wrote_them_has_to_hear() {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[MEMBER]);
    let mut mediator = world.enrolled(GROUP, &[MEDIATOR]);
    let _reader = world.enrolled(GROUP, &[LEADER]);
    world.settle(&mut author);
    world.settle(&mut mediator);
    let values = [(TIP_CATEGORY, Value::Choice(1))];
    let tip = world.save(&mut author, &creation(GROUP, MEMBER, TIP, values));
    let values = [(MEDIATION_MODE, Value::Choice(1))];
    let case = world.save(&mut mediator, &creation(GROUP, MEDIATOR, MEDIATION, values));
    world.settle(&mut author);
    world.settle(&mut mediator);
    let silent_after = |world: &mut World, full: &FullChange| {
        let (at, first) = (full.change.at, world.size());
        world
            .desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![AUTHOR_KEY]))
            .unwrap();
        let mut silent = Vec::new();
        for index in first..world.size() {
            silent.extend(hearing(&world.ledger, index).unwrap().silent);
        }
        silent.dedup();
        silent
    };
    assert_eq!(silent_after(&mut world, &tip), [author.id()]);
    assert_eq!(silent_after(&mut world, &case), [mediator.id()]);
}
