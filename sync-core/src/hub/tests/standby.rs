//! A copy on another disk has all that nothing else could give back, forgets what the log forgets,
//! and never takes the place of a history that it does not contain.

use super::tables_with;
use crate::hub::ledger::{Ledger as _, MemoryLedger, Table, View as _};
use crate::hub::{StandbyFault, catch_up, facts};
use crate::replica::Standing;
use crate::tests::world::{
    GROUP, LEADER, MEMBER, PATROL, PRESENT, Phone, SUMMARY, World, correction, creation,
};
use crate::value::Value;

const CANARY: &str = "CANARY-ba-Tu";

fn follow(world: &World, copy: &mut MemoryLedger, entries_max: u64) -> u64 {
    loop {
        let caught = catch_up(&world.ledger, copy, entries_max).unwrap();
        if caught.behind == 0 {
            return caught.size;
        }
    }
}

/// Every table that cannot be computed, as it is in the log.
fn equal_truth(a: &MemoryLedger, b: &MemoryLedger) {
    for table in Table::ALL.iter().filter(|table| !table.is_derived()) {
        let rows = |of: &MemoryLedger| of.scan(*table, &[], &[0xff; 64], usize::MAX).unwrap();
        assert!(rows(a) == rows(b), "{table:?}");
    }
}

/// Two phones with records, one refused change, one phone that nobody confirmed.
fn busy_world() -> (World, Phone, Phone) {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[MEMBER]);
    let mut leader = world.enrolled(GROUP, &[LEADER]);
    world.settle(&mut author);
    world.settle(&mut leader);
    let full = world.patrol(&mut author, MEMBER, "hai vòng");
    world.settle(&mut author);
    world.settle(&mut leader);
    let answer = correction(LEADER, full.change.record, [(PRESENT, Value::Number(5))]);
    world.save(&mut leader, &answer);
    world.settle(&mut leader);
    let mut waiting = world.pending(GROUP, &[]);
    world.patrol(&mut waiting, MEMBER, "chưa xác nhận");
    world.settle(&mut waiting);
    (world, author, leader)
}

#[test]
fn a_copy_made_in_steps_of_any_size_is_the_log_and_builds_the_rest_again() {
    for entries_max in [1, 2, 7, u64::MAX] {
        let (mut world, mut author, _) = busy_world();
        let mut copy = MemoryLedger::default();
        assert_eq!(follow(&world, &mut copy, entries_max), world.size());
        // and goes on from where it was
        world.patrol(&mut author, MEMBER, "ba vòng");
        world.settle(&mut author);
        follow(&world, &mut copy, entries_max);
        equal_truth(&world.ledger, &copy);
        assert_eq!(
            catch_up(&world.ledger, &mut copy, 1).unwrap().behind,
            0,
            "nothing new is no fault"
        );
        let state = world.hub.rebuild(&mut copy, world.now_s).unwrap();
        assert_eq!(state, facts::log_state(&world.ledger).unwrap());
        assert!(copy == world.ledger);
    }
}

#[test]
fn what_the_log_forgets_the_copy_forgets_at_its_next_step() {
    let (mut world, mut author, _) = busy_world();
    let full = world.patrol(&mut author, MEMBER, CANARY);
    world.settle(&mut author);
    let mut copy = MemoryLedger::default();
    follow(&world, &mut copy, 3);
    let canary = CANARY.as_bytes();
    assert_eq!(tables_with(&copy, canary), [Table::Part], "the control");
    let at = full.change.at;
    world
        .desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![SUMMARY]))
        .unwrap();
    let caught = catch_up(&world.ledger, &mut copy, 3).unwrap();
    assert!(caught.forgot && caught.behind == 0);
    assert_eq!(tables_with(&copy, canary), []);
    equal_truth(&world.ledger, &copy);
}

#[test]
fn words_in_quarantine_go_from_the_copy_too() {
    let (mut world, mut author, _) = busy_world();
    world
        .desk(|hub, ledger, acting| hub.end_member(ledger, acting, GROUP, MEMBER))
        .unwrap();
    let late = world.patrol(&mut author, MEMBER, CANARY);
    world.settle(&mut author);
    let mut copy = MemoryLedger::default();
    follow(&world, &mut copy, u64::MAX);
    let canary = CANARY.as_bytes();
    assert_eq!(tables_with(&copy, canary), [Table::Quarantine]);
    let at = late.change.at;
    world
        .desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![SUMMARY]))
        .unwrap();
    follow(&world, &mut copy, u64::MAX);
    assert_eq!(tables_with(&copy, canary), []);
}

#[test]
fn a_copy_that_knows_more_than_the_log_is_left_as_it_is() {
    let (mut world, mut author, _) = busy_world();
    let backup = world.ledger.clone();
    world.patrol(&mut author, MEMBER, "ba vòng");
    world.settle(&mut author);
    let mut copy = MemoryLedger::default();
    let size = follow(&world, &mut copy, u64::MAX);
    let whole = copy.clone();
    let lost = backup.clone();
    let parted = StandbyFault::Parted {
        copy: size,
        log: facts::log_state(&lost).unwrap().size,
    };
    assert_eq!(catch_up(&lost, &mut copy, 9), Err(parted));
    // and when the log has grown past it on another way
    world.ledger = backup;
    for _ in 0..5 {
        world
            .desk(|hub, ledger, acting| hub.add_member(ledger, acting, GROUP, "Lê Văn C", 1))
            .unwrap();
    }
    let caught = catch_up(&world.ledger, &mut copy, 9);
    assert!(matches!(caught, Err(StandbyFault::Parted { .. })));
    assert!(copy == whole);
}

#[test]
fn phones_call_safe_what_the_copy_has_and_no_more() {
    let (mut world, mut author, _) = busy_world();
    let full = world.patrol(&mut author, MEMBER, "ba vòng");
    world.settle(&mut author);
    let record = full.change.record;
    assert!(!author.replica.badge(record).safe);
    let mut copy = MemoryLedger::default();
    let size = follow(&world, &mut copy, u64::MAX);
    let now_s = world.now_s;
    world
        .desk(|hub, ledger, _| Ok(hub.note_safe(ledger, size, now_s)?))
        .unwrap();
    let later = world.save(
        &mut author,
        &creation(GROUP, MEMBER, PATROL, [(PRESENT, Value::Number(3))]),
    );
    world.settle(&mut author);
    assert!(author.replica.badge(record).safe);
    let badge = author.replica.badge(later.change.record);
    assert!(!badge.safe && badge.received == 1);
    // a copy that is gone makes nothing safe
    world
        .desk(|hub, ledger, _| Ok(hub.note_safe(ledger, 0, now_s)?))
        .unwrap();
    world.settle(&mut author);
    assert!(!author.replica.badge(record).safe);
    assert_eq!(
        author.replica.standing(full.change.at),
        Some(Standing::Received)
    );
}

#[test]
fn a_log_that_lost_its_parts_goes_on_without_the_words_and_still_verifies() {
    let (mut world, mut author, _) = busy_world();
    let full = world.patrol(&mut author, MEMBER, CANARY);
    world.settle(&mut author);
    for (key, _) in world
        .ledger
        .scan(Table::Part, &[], &[0xff; 9], usize::MAX)
        .unwrap()
    {
        world.ledger.delete(Table::Part, &key).unwrap();
    }
    let bodies = world.ledger.scan(Table::Body, &[], &[0xff; 9], usize::MAX);
    let lost = world.hub.forget_lost_parts(&mut world.ledger).unwrap();
    assert_eq!(lost, u64::try_from(bodies.unwrap().len()).unwrap());
    assert_eq!(world.hub.forget_lost_parts(&mut world.ledger), Ok(0));
    world.hub.rebuild(&mut world.ledger, world.now_s).unwrap();
    world.verify();
    assert_eq!(tables_with(&world.ledger, CANARY.as_bytes()), []);
    let (_, record) = facts::record(&world.ledger, full.change.record)
        .unwrap()
        .unwrap();
    assert!(record.field(PRESENT).is_some() && record.field(SUMMARY).is_some());
    world.patrol(&mut author, MEMBER, "và ghi tiếp");
    world.settle(&mut author);
    world.verify();
}
