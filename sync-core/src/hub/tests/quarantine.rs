//! What was held is admitted by two officers or not at all, in its order, once, and to the same end
//! after a rebuild, on a second copy and after a restore.

use super::tables_with;
use crate::act::{Control, Said};
use crate::change::{ChangeRef, FullChange};
use crate::hub::ledger::{Ledger as _, MemoryLedger, Row, Table};
use crate::hub::quarantine::{PROPOSAL_OPEN_S, admission};
use crate::hub::{Admitting, Refusal, catch_up, facts};
use crate::ids::Hash32;
use crate::log::{AsideReason, EntryKind};
use crate::replica::Standing;
use crate::tests::world::{
    GROUP, Hand, LEADER, MEDIATOR, MEMBER, PRESENT, Phone, REALM, SUMMARY, TIP, TIP_CATEGORY,
    World, correction, creation, text,
};
use crate::value::{FieldKey, Value};
use crate::vocabulary::Lane;

const FIRST: (u32, &str) = (1, "cax.thu");
const SECOND: (u32, &str) = (2, "cax.lan");
const COMMAND_LINE: (u32, &str) = (0, "");
const CANARY: &str = "CANARY-giu-lai";

fn admit_as(world: &mut World, who: (u32, &str), full: &FullChange) -> Result<Admitting, Refusal> {
    let (at, hash) = (full.change.at, full.change.hash(&REALM));
    world.desk_as(who, |hub, ledger, acting| {
        hub.admit(ledger, acting, at, &hash)
    })
}

fn by_two(world: &mut World, full: &FullChange) {
    assert_eq!(admit_as(world, FIRST, full), Ok(Admitting::Proposed));
    assert_eq!(admit_as(world, SECOND, full), Ok(Admitting::Admitted));
}

/// What is refused changes nothing.
fn refused(world: &mut World, who: (u32, &str), full: &FullChange) -> Refusal {
    let before = world.ledger.clone();
    let refusal = admit_as(world, who, full).unwrap_err();
    assert!(world.ledger == before, "a refusal changed the ledger");
    refusal
}

fn aside_of(world: &World, full: &FullChange) -> Option<AsideReason> {
    facts::place(&world.ledger, full.change.at)
        .unwrap()
        .unwrap()
        .aside
}

fn rows(world: &World) -> Vec<Row> {
    world.ledger.rows().cloned().collect()
}

/// The log verifies, and a rebuild gives the same.
fn holds(world: &World) {
    world.verify();
    let mut again = world.ledger.clone();
    world.hub.rebuild(&mut again, world.now_s).unwrap();
    assert!(again == world.ledger, "a rebuild differs");
}

/// A phone that the leader and a member use, and another of the leader; the membership ended while
/// the first was away.
fn ended() -> (World, Phone, Phone) {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[LEADER, MEMBER]);
    let mut leader = world.enrolled(GROUP, &[LEADER]);
    world.settle(&mut author);
    world.settle(&mut leader);
    world
        .desk(|hub, ledger, acting| hub.end_member(ledger, acting, GROUP, MEMBER))
        .unwrap();
    world.settle(&mut leader);
    (world, author, leader)
}

/// The same, with what the member wrote meanwhile: it is held.
fn with_held(notes: &[&str]) -> (World, Phone, Phone, Vec<FullChange>) {
    let (mut world, mut author, mut leader) = ended();
    let held: Vec<_> = notes
        .iter()
        .map(|note| world.patrol(&mut author, MEMBER, note))
        .collect();
    world.settle(&mut author);
    world.settle(&mut leader);
    for full in &held {
        let standing = author.replica.standing(full.change.at);
        assert_eq!(standing, Some(Standing::Aside(AsideReason::RightLost)));
    }
    (world, author, leader, held)
}

#[test]
fn a_held_change_is_admitted_by_two_officers_and_shown_everywhere() {
    let (mut world, mut author, mut leader, held) = with_held(&[CANARY]);
    let full = &held[0];
    let id = full.change.record;
    let before = rows(&world);
    assert_eq!(admit_as(&mut world, FIRST, full), Ok(Admitting::Proposed));
    assert_eq!(aside_of(&world, full), Some(AsideReason::RightLost));
    assert_eq!(rows(&world), before, "a proposal alone shows nothing");
    world.settle(&mut leader);
    assert_eq!(leader.replica.standing(full.change.at), None);
    holds(&world);

    // the same officer again: another session, the form sent twice
    assert_eq!(refused(&mut world, FIRST, full), Refusal::SecondOfficer);
    assert_eq!(
        refused(&mut world, COMMAND_LINE, full),
        Refusal::SecondOfficer
    );
    assert_eq!(admit_as(&mut world, SECOND, full), Ok(Admitting::Admitted));
    holds(&world);
    let size = world.size();
    let kinds: Vec<_> = (size - 3..size)
        .map(|index| {
            let entry = facts::entry(&world.ledger, index).unwrap().unwrap();
            (entry.leaf.kind, entry.leaf.feed)
        })
        .collect();
    let feed = kinds[0].1;
    assert_eq!(
        kinds,
        [
            (EntryKind::Control, feed),
            (EntryKind::Control, feed),
            (EntryKind::Change, feed)
        ]
    );
    // the words lie where an erasure finds them, and nowhere else
    assert_eq!(tables_with(&world.ledger, CANARY.as_bytes()), [Table::Part]);
    let row = rows(&world).into_iter().find(|row| row.record == id);
    assert_eq!(row.map(|row| row.headline), Some(CANARY.to_owned()));

    world.settle(&mut leader);
    world.settle(&mut author);
    for phone in [&mut author, &mut leader] {
        phone.restart(phone.replica.high_water());
        let standing = phone.replica.standing(full.change.at);
        assert_eq!(standing, Some(Standing::Received));
        assert!(phone.replica.record(id).is_some());
    }
    assert!(author.replica.badge(id).refused.is_empty());
    assert_eq!(refused(&mut world, SECOND, full), Refusal::NotAside);

    // the record goes on like any other, from both phones
    let edit = |n| correction(LEADER, id, [(PRESENT, Value::Number(n))]);
    let own = world.save(&mut author, &edit(8));
    world.settle(&mut author);
    world.settle(&mut leader);
    let other = world.save(&mut leader, &edit(9));
    world.settle(&mut leader);
    world.settle(&mut author);
    for full in [&own, &other] {
        assert_eq!(aside_of(&world, full), None);
    }
    let at = full.change.at;
    world
        .desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![SUMMARY]))
        .unwrap();
    assert_eq!(tables_with(&world.ledger, CANARY.as_bytes()), []);
    holds(&world);
}

#[test]
fn what_fell_with_a_held_change_is_admitted_after_it_and_not_before() {
    let (mut world, mut author, mut leader, held) = with_held(&["một"]);
    let id = held[0].change.record;
    // the phone does not know what became of it yet when these are written, so by hand
    let mut hand = author.hand(Lane::Open);
    let mut first = hand.patrol();
    first.seen = 11; // before the membership ended
    let first = first.seal();
    hand.wrote(&first);
    let of = first.change.record;
    let edit = |hand: &Hand, head, words: &str| {
        let mut draft = hand.edit(of, vec![head]);
        draft.seen = 11;
        draft.parts.insert(SUMMARY, text(words));
        draft.seed = crate::ids::first16(&crate::ids::sha256(words.as_bytes()));
        draft.seal()
    };
    let second = edit(&hand, first.change.at, "hai");
    hand.wrote(&second);
    let third = edit(&hand, second.change.at, "ba");
    let chain = vec![first.clone(), second.clone(), third.clone()];
    let mut letter = hand.letter(chain);
    for change in &mut letter.runs[0].changes {
        change.1 = true;
    }
    world.deliver(&letter.body()).unwrap();
    assert_eq!(aside_of(&world, &first), Some(AsideReason::RightLost));
    for full in [&second, &third] {
        assert_eq!(aside_of(&world, full), Some(AsideReason::FollowsAside));
        let fell = Refusal::StaysAside(AsideReason::FollowsAside);
        assert_eq!(refused(&mut world, FIRST, full), fell);
    }
    // a proposal alone does not carry what follows
    assert_eq!(admit_as(&mut world, FIRST, &first), Ok(Admitting::Proposed));
    let fell = Refusal::StaysAside(AsideReason::FollowsAside);
    assert_eq!(refused(&mut world, FIRST, &second), fell);
    assert_eq!(
        admit_as(&mut world, SECOND, &first),
        Ok(Admitting::Admitted)
    );
    assert_eq!(aside_of(&world, &second), Some(AsideReason::FollowsAside));
    assert_eq!(refused(&mut world, FIRST, &third), fell);
    by_two(&mut world, &second);
    by_two(&mut world, &third);
    holds(&world);
    world.settle(&mut leader);
    world.settle(&mut author);
    let (_, record) = leader.replica.record(of).unwrap();
    assert_eq!(record.change_count(), 3);
    assert!(leader.replica.record(id).is_none(), "the other stays held");
}

#[test]
fn what_a_revoked_phone_brought_late_is_judged_before_it_is_admitted() {
    let mut world = World::new();
    let mut phone = world.enrolled(GROUP, &[MEMBER]);
    world.settle(&mut phone);
    let late = world.patrol(&mut phone, MEMBER, "trên đường về");
    let device = phone.id();
    world
        .desk(|hub, ledger, acting| hub.revoke(ledger, acting, device))
        .unwrap();
    world.settle(&mut phone);
    let mut hand = phone.hand(Lane::Tip);
    let deliver = |world: &mut World, hand: &Hand, full: &FullChange| {
        world.deliver(&hand.body(full.clone())).unwrap();
        assert_eq!(aside_of(world, full), Some(AsideReason::Revoked));
    };
    // words in a lane that holds none
    let mut sealed = hand.draft(TIP);
    sealed.plain.insert(TIP_CATEGORY, Value::Choice(1));
    sealed.parts.insert(SUMMARY, text("kể hết"));
    let sealed = sealed.seal();
    deliver(&mut world, &hand, &sealed);
    hand.wrote(&sealed);
    let kept = tables_with(&world.ledger, "kể hết".as_bytes());
    assert_eq!(kept, [], "words where none may be are kept nowhere");
    assert_eq!(
        refused(&mut world, FIRST, &sealed),
        Refusal::StaysAside(AsideReason::ClosedLane)
    );
    // a role that never wrote in this lane, a member who never used this phone
    let mut other = phone.hand(Lane::Open);
    let mut foreign = other.patrol();
    foreign
        .parts
        .insert(crate::value::AUTHOR_KEY, Value::Number(u64::from(LEADER)));
    let foreign = foreign.seal();
    deliver(&mut world, &other, &foreign);
    other.wrote(&foreign);
    assert_eq!(
        refused(&mut world, FIRST, &foreign),
        Refusal::StaysAside(AsideReason::Member)
    );
    by_two(&mut world, &late);
    holds(&world);
    // what the revoked phone sends once more is told as received
    let before = world.size();
    world.settle(&mut phone);
    assert_eq!(world.size(), before);
}

#[test]
fn refused_changes_and_forks_are_never_admitted() {
    let mut world = World::new();
    let mut phone = world.enrolled(GROUP, &[MEMBER, MEDIATOR]);
    world.settle(&mut phone);
    let hand = phone.hand(Lane::Open);
    let mut unknown = hand.patrol();
    unknown
        .plain
        .insert(FieldKey::plain(60_000), Value::Number(1));
    let unknown = unknown.seal();
    world.deliver(&hand.body(unknown.clone())).unwrap();
    assert_eq!(aside_of(&world, &unknown), Some(AsideReason::Vocabulary));
    let stays = Refusal::StaysAside(AsideReason::Vocabulary);
    assert_eq!(refused(&mut world, FIRST, &unknown), stays);

    let mut fork = hand.patrol();
    fork.plain.insert(PRESENT, Value::Number(7));
    let fork = fork.seal();
    world.deliver(&hand.body(fork.clone())).unwrap();
    assert_eq!(refused(&mut world, FIRST, &fork), Refusal::NoChange);

    let nowhere = ChangeRef {
        seq: 99,
        ..fork.change.at
    };
    let done = world.desk_as(FIRST, |hub, ledger, acting| {
        hub.admit(ledger, acting, nowhere, &Hash32([1; 32]))
    });
    assert_eq!(done, Err(Refusal::NoChange));
    let counted = world.patrol(&mut phone, MEMBER, "thường");
    world.settle(&mut phone);
    assert_eq!(refused(&mut world, FIRST, &counted), Refusal::NotAside);
    holds(&world);
}

#[test]
fn the_command_line_is_none_of_the_two_and_a_proposal_lapses() {
    let (mut world, _, _, held) = with_held(&["một"]);
    let full = &held[0];
    let done = admit_as(&mut world, COMMAND_LINE, full);
    assert_eq!(done, Ok(Admitting::Proposed));
    assert_eq!(
        refused(&mut world, COMMAND_LINE, full),
        Refusal::SecondOfficer
    );
    // what the command line brought up, the first officer proposes
    assert_eq!(admit_as(&mut world, FIRST, full), Ok(Admitting::Proposed));
    world.now_s += PROPOSAL_OPEN_S + 1;
    // it lapsed, so this proposes anew
    assert_eq!(admit_as(&mut world, FIRST, full), Ok(Admitting::Proposed));
    assert_eq!(
        refused(&mut world, COMMAND_LINE, full),
        Refusal::SecondOfficer,
        "the command line confirms nothing"
    );
    assert_eq!(refused(&mut world, FIRST, full), Refusal::SecondOfficer);
    world.now_s += PROPOSAL_OPEN_S;
    assert_eq!(admit_as(&mut world, SECOND, full), Ok(Admitting::Admitted));
    holds(&world);
}

#[test]
fn a_change_whose_words_are_gone_is_not_admitted() {
    let (mut world, _, _, held) = with_held(&["một", "hai"]);
    let at = held[0].change.at;
    assert_eq!(
        admit_as(&mut world, FIRST, &held[0]),
        Ok(Admitting::Proposed)
    );
    world
        .desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![SUMMARY]))
        .unwrap();
    assert_eq!(refused(&mut world, SECOND, &held[0]), Refusal::WordsGone);
    // the row was lost with a disk
    let index = facts::place(&world.ledger, held[1].change.at)
        .unwrap()
        .unwrap()
        .index;
    let key = index.to_be_bytes();
    world.ledger.delete(Table::Quarantine, &key).unwrap();
    assert_eq!(refused(&mut world, FIRST, &held[1]), Refusal::WordsGone);
    holds(&world);
}

#[test]
fn a_log_in_which_one_account_alone_admitted_does_not_verify() {
    let (mut world, _, _, held) = with_held(&["một"]);
    by_two(&mut world, &held[0]);
    holds(&world);
    let damaged = |take: fn(&mut Control)| {
        let mut world = world.clone();
        for index in 0..world.size() {
            let entry = facts::entry(&world.ledger, index).unwrap().unwrap();
            if entry.leaf.kind != EntryKind::Control {
                continue;
            }
            let mut full = facts::full_act(&world.ledger, index).unwrap().unwrap();
            if let Said::Control(control @ Control::Admit { .. }) = &mut full.act.said {
                take(control);
                let mut parts = crate::bytes::Writer::new();
                full.parts.write(&mut parts);
                let bytes = full.to_bytes();
                let body = &bytes[..bytes.len() - parts.as_bytes().len()];
                let key = index.to_be_bytes();
                world.ledger.put(Table::Body, &key, body).unwrap();
            }
        }
        let report = world.hub.verify_log(&world.ledger).unwrap();
        report
            .faults
            .iter()
            .any(|fault| fault.what == "no two officers admitted this change")
    };
    assert!(!damaged(|_| {}), "the control");
    assert!(damaged(|control| {
        if let Control::Admit { hash, .. } = control {
            hash.0[0] ^= 1;
        }
    }));
}

#[test]
fn a_second_copy_follows_and_keeps_the_words_once() {
    let (mut world, _, _, held) = with_held(&[CANARY, "hai"]);
    let mut copy = MemoryLedger::default();
    while catch_up(&world.ledger, &mut copy, 3).unwrap().behind > 0 {}
    assert_eq!(
        tables_with(&copy, CANARY.as_bytes()),
        [Table::Quarantine],
        "the control"
    );
    by_two(&mut world, &held[0]);
    while catch_up(&world.ledger, &mut copy, 1).unwrap().behind > 0 {}
    assert_eq!(tables_with(&copy, CANARY.as_bytes()), [Table::Part]);
    world.hub.rebuild(&mut copy, world.now_s).unwrap();
    assert!(copy == world.ledger);
}

/// The server goes back to before the admission, or to before the change too.
#[test]
fn an_admission_that_a_restored_server_lost_comes_back() {
    for with_aside in [true, false] {
        for author_first in [true, false] {
            let (mut world, mut author, mut leader) = ended();
            let early = world.ledger.clone();
            let full = world.patrol(&mut author, MEMBER, "một");
            world.settle(&mut author);
            world.settle(&mut leader);
            let standing = author.replica.standing(full.change.at);
            assert_eq!(standing, Some(Standing::Aside(AsideReason::RightLost)));
            let late = world.ledger.clone();
            by_two(&mut world, &full);
            world.settle(&mut author);
            world.settle(&mut leader);
            let standing = author.replica.standing(full.change.at);
            assert_eq!(standing, Some(Standing::Received));

            world.ledger = if with_aside { late } else { early };
            world.now_s += 1_000;
            let mut order = [&mut author, &mut leader];
            if !author_first {
                order.reverse();
            }
            for _ in 0..2 {
                for phone in &mut order {
                    world.settle(phone);
                }
            }
            holds(&world);
            let what = format!("with aside {with_aside}, author first {author_first}");
            assert_eq!(aside_of(&world, &full), None, "{what}");
            for phone in [&author, &leader] {
                let standing = phone.replica.standing(full.change.at);
                assert_eq!(standing, Some(Standing::Received), "{what}");
            }
            // the acts are there again as well
            let hash = full.change.hash(&REALM);
            let known = admission(&world.ledger, full.change.at, &hash).unwrap();
            assert!(known.unwrap().confirmed.is_some(), "{what}");
        }
    }
}

#[test]
fn nobody_who_may_not_read_the_lane_hears_of_an_admission() {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[MEMBER, LEADER]);
    let mut leader = world.enrolled(GROUP, &[LEADER]);
    world.settle(&mut author);
    world.settle(&mut leader);
    world
        .desk(|hub, ledger, acting| hub.end_member(ledger, acting, GROUP, MEMBER))
        .unwrap();
    let tip = creation(GROUP, MEMBER, TIP, [(TIP_CATEGORY, Value::Choice(1))]);
    let full = world.save(&mut author, &tip);
    world.settle(&mut author);
    assert_eq!(aside_of(&world, &full), Some(AsideReason::RightLost));
    by_two(&mut world, &full);
    world.settle(&mut author);
    world.settle(&mut leader);
    let standing = author.replica.standing(full.change.at);
    assert_eq!(standing, Some(Standing::Received));
    let chain = full.change.at.chain;
    let knows = |phone: &Phone| {
        let mut rows = phone.rows.iter();
        rows.any(|((_, key), value)| {
            let holds = |bytes: &[u8]| bytes.windows(16).any(|w| w == chain.as_bytes());
            holds(key) || holds(value)
        })
    };
    assert!(knows(&author), "the control");
    assert!(!knows(&leader));
}
