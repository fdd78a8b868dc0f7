//! Several groups: one moves, a phone is in two and loses one, and nothing crosses between them.

use sync_core::hub::ReviewInput;
use sync_core::ids::GroupId;
use sync_core::replica::StoreOp;
use sync_core::vocabulary::Vocabulary;
use tests::sim::World;

use crate::{LEADER, MEMBER, every_seed, must, some_patrols, two_phones};

/// Roles of the second group's members: leader, member.
const ROLES: [u16; 2] = [3, 1];
/// Number of the state that an officer sets.
const ACCEPTED: u16 = 6;

/// A group goes to another commune. Its officers there find all its records at once, and those of
/// the commune that it left find none: also records that nobody touches again. Where it happened
/// stays: a record that names no area is of the one that the group had then.
#[test]
fn group_moved() {
    every_seed(|world| {
        let other = world.found(&ROLES);
        let leader = world.join(&[LEADER], Vocabulary::builtin())?;
        let neighbour = world.join_in(other, &[LEADER], Vocabulary::builtin())?;
        for nth in [leader, neighbour] {
            some_patrols(world, nth, LEADER, "Trước khi dời")?;
            world.sync(nth)?;
        }
        let group = world.group();
        let communes = |world: &World, group: GroupId| -> Vec<_> {
            let rows = world.ledger.rows().filter(|row| row.group == group);
            rows.map(|row| (row.commune, row.area)).collect()
        };
        let (before, there) = (communes(world, group), communes(world, other));
        world
            .name_group(group, 5)
            .map_err(|refusal| refusal.to_string())?;
        let after = communes(world, group);
        must(
            after.len() == before.len()
                && before
                    .iter()
                    .zip(&after)
                    .all(|(a, b)| a.0 != b.0 && a.1 == b.1),
            || format!("rows stay behind: {after:?}"),
        )?;
        must(communes(world, other) == there, || {
            "rows of another group moved along".to_owned()
        })?;
        world.sync(leader)
    });
}

/// With a lost right go the remarks of officers and the names of members. The phone hears no more
/// of their erasure, so they must not stay on it.
#[test]
fn remarks_and_names_leave_with_the_right() {
    every_seed(|world| {
        let (leader, member) = two_phones(world)?;
        let known = some_patrols(world, leader, LEADER, "Của người khác")?;
        world.sync(leader)?;
        let input = ReviewInput {
            record: known[0].change.record,
            state: Some(ACCEPTED),
            words: Some("Nhận xét của cán bộ".to_owned()),
            ..ReviewInput::default()
        };
        world
            .desk(|hub, ledger, acting| hub.review(ledger, acting, input))
            .map_err(|refusal| refusal.to_string())?;
        world.sync(member)?;
        must(world.phones[member].disk.holds("Nhận xét"), || {
            "the remark did not come".to_owned()
        })?;
        let group = world.group();
        world
            .desk(|hub, ledger, acting| hub.end_member(ledger, acting, group, MEMBER))
            .map_err(|refusal| refusal.to_string())?;
        world.sync(member)?;
        must(!world.phones[member].disk.holds("Nhận xét"), || {
            "a remark stays on a phone that may not read the record".to_owned()
        })?;
        must(world.phones[member].disk.holds("Nguyễn Văn"), || {
            "the phone is in the group and knows who else is".to_owned()
        })?;

        let device = world.phones[member].identity.device.id();
        world
            .desk(|hub, ledger, acting| hub.revoke(ledger, acting, device))
            .map_err(|refusal| refusal.to_string())?;
        world.sync(member)?;
        must(!world.phones[member].disk.holds("Nguyễn Văn"), || {
            "a revoked phone keeps the names of the members".to_owned()
        })?;
        let named = world.phones[member].replica.member_name(group, LEADER);
        must(named.is_none(), || format!("it shows {named:?}"))?;
        // killed and begun again it says the same
        world.phones[member].restart();
        let named = world.phones[member].replica.member_name(group, LEADER);
        must(named.is_none(), || format!("it shows {named:?}"))
    });
}

/// A phone of two groups: all its members end in one of them, and it reads and writes on in the
/// other. Then it is revoked, which takes it out of both.
#[test]
fn right_lost_in_one_of_two_groups() {
    every_seed(|world| {
        let other = world.found(&ROLES);
        world.enrol_in_two(1)?;
        let (both, first) = (0, world.group());
        let one = world.join_in(first, &[LEADER], Vocabulary::builtin())?;
        let two = world.join_in(other, &[LEADER], Vocabulary::builtin())?;
        let kept = some_patrols(world, two, LEADER, "Ở tổ kia")?;
        let lost = some_patrols(world, one, LEADER, "Ở tổ này")?;
        for nth in [one, two, both] {
            world.sync(nth)?;
        }
        for full in kept.iter().chain(&lost) {
            let shown = world.shown(both, full.change.record);
            must(shown.is_some(), || {
                "a phone of two groups lacks one".to_owned()
            })?;
        }
        for number in 1..=4 {
            world
                .desk(|hub, ledger, acting| hub.end_member(ledger, acting, first, number))
                .map_err(|refusal| refusal.to_string())?;
        }
        world.sync(both)?;
        must(!world.phones[both].disk.holds("Ở tổ này"), || {
            "what others wrote stays where the right was lost".to_owned()
        })?;
        for full in &kept {
            let shown = world.shown(both, full.change.record);
            must(shown.is_some(), || "the other group went too".to_owned())?;
        }
        let reworded = world.reword(both, LEADER, kept[0].change.record, "Sửa ở tổ kia.")?;
        world.sync(both)?;
        crate::admitted(world, core::slice::from_ref(&reworded))?;

        let device = world.phones[both].identity.device.id();
        world
            .desk(|hub, ledger, acting| hub.revoke(ledger, acting, device))
            .map_err(|refusal| refusal.to_string())?;
        world.sync(both)?;
        let phone = &world.phones[both];
        must(phone.replica.is_closed(), || {
            "a revoked phone is in a group".to_owned()
        })?;
        must(!phone.disk.holds("Ở tổ kia"), || {
            "a revoked phone keeps what others wrote".to_owned()
        })
    });
}

/// The oracle itself: a name, the bytes of a group, a record or an act of a group that a phone was
/// never in is found on it.
#[test]
fn what_leaks_is_found() {
    let planted = |leak: fn(&mut World, usize, usize)| {
        let mut world = World::without_phones(1);
        let other = world.found(&ROLES);
        let first = world.group();
        let [one, two] = [other, first].map(|group| {
            let nth = world.join_in(group, &[LEADER], Vocabulary::builtin());
            nth.expect("a phone joins")
        });
        world.patrol(one, LEADER, "Ở tổ kia.").expect("it is saved");
        world.settle().expect("all come to rest");
        assert!(world.check().is_ok(), "{:?}", world.check());
        leak(&mut world, one, two);
        world.check().expect_err("a leak was not found")
    };
    let named = planted(|world, one, _| plant(world, one, "Nguyễn Văn A1".as_bytes()));
    assert!(named.contains("was never in a group"), "{named}");
    let known = planted(|world, one, _| {
        let group = world.group();
        plant(world, one, group.as_bytes());
    });
    assert!(known.contains("and knows it"), "{known}");
    let held = planted(|world, one, two| {
        let replica = world.phones[one].replica.clone();
        world.phones[two].replica = replica;
    });
    assert!(held.contains("may not hold"), "{held}");
    let acts = planted(|world, one, two| {
        let disk = world.phones[one].disk.clone();
        world.phones[two].disk = disk;
    });
    assert!(acts.contains("may not hold"), "{acts}");
}

/// A row with these bytes on a phone's disk.
fn plant(world: &mut World, nth: usize, value: &[u8]) {
    let op = StoreOp::Put {
        table: 200,
        key: vec![1],
        value: value.to_vec(),
    };
    world.phones[nth].disk.apply(&[op]);
}
