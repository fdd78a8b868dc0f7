//! A change in mid-chain is refused, a device is revoked, a right is lost and gained.

use sync_core::hub::ledger::Row;
use sync_core::ids::GroupId;
use sync_core::log::AsideReason;
use sync_core::replica::{SaveError, Standing};
use sync_core::vocabulary::Vocabulary;
use tests::sim::{PATROL, SUMMARY, Target, World};

use crate::old_vocabulary::{newer, put, weather};
use crate::{LEADER, MEMBER, admitted, aside, every_seed, must, some_patrols, two_phones};

/// Number of the role of an ordinary member.
const MEMBER_ROLE: u16 = 1;

/// In the middle of an afternoon's work a phone says something that the server has no word for.
/// That edit and what builds on it in the same record are refused; all else of the chain counts.
#[test]
fn refused_change_in_mid_chain() {
    every_seed(|world| {
        let leader = world.join(&[LEADER], Vocabulary::builtin())?;
        let member = world.join(&[MEMBER], &newer()?)?;
        let first = world.patrol(member, MEMBER, "Trước đó.")?;
        world.sync(member)?;
        world.sync(leader)?;
        let record = first.change.record;
        let before = some_patrols(world, member, MEMBER, "Trước chỗ bị từ chối")?;
        let unknown = [weather("Không có từ cho chỗ này.")];
        let refused = put(world, member, MEMBER, Target::Of(record), &unknown)?;
        let follows = world.reword(member, MEMBER, record, "Sửa tiếp chỗ này.")?;
        let mut after = some_patrols(world, member, MEMBER, "Sau chỗ bị từ chối")?;
        let own = before[0].change.record;
        after.push(world.reword(member, MEMBER, own, "Sửa bản của mình.")?);
        must(
            after
                .iter()
                .all(|full| full.change.at.chain == refused.change.at.chain),
            || "the story is not of one chain".to_owned(),
        )?;
        // now and then the answer is lost, and the same comes again
        if world.dice.chance(50) {
            let letter = world.letter(member)?;
            world.arrive(&letter)?;
        }
        world.sync(member)?;

        admitted(world, &before)?;
        admitted(world, &after)?;
        let reason = AsideReason::Vocabulary;
        aside(world, core::slice::from_ref(&refused), reason)?;
        aside(
            world,
            core::slice::from_ref(&follows),
            AsideReason::FollowsAside,
        )?;
        world.settle()?;
        for nth in [leader, member] {
            let shown = world.shown(nth, record);
            must(shown.as_deref() == Some("Trước đó."), || {
                format!("phone {nth} shows {shown:?}")
            })?;
        }
        must(!world.phones[leader].disk.holds("chỗ này"), || {
            "refused words reached another phone".to_owned()
        })?;
        // who wrote them keeps them and sees why
        let badge = world.phones[member].replica.badge(record);
        let expected = vec![
            (refused.change.at, AsideReason::Vocabulary),
            (follows.change.at, AsideReason::FollowsAside),
        ];
        must(badge.refused == expected, || format!("{:?}", badge.refused))
    });
}

/// An officer revokes a phone that has something under way. It reads nothing any more, and what it
/// still brings is held and changes nothing.
#[test]
fn revoked_device() {
    every_seed(|world| {
        let (leader, member) = two_phones(world)?;
        let known = some_patrols(world, leader, LEADER, "Đã đọc")?;
        let own = some_patrols(world, member, MEMBER, "Ghi lúc còn quyền")?;
        for nth in [leader, member, leader] {
            world.sync(nth)?;
        }
        // on its way already when the officer revokes, and written after without knowing
        let mut late = some_patrols(world, member, MEMBER, "Đang trên đường")?;
        let letter = world.letter(member)?;
        let device = world.phones[member].identity.device.id();
        world
            .desk(|hub, ledger, acting| hub.revoke(ledger, acting, device))
            .map_err(|refusal| refusal.to_string())?;
        late.push(world.reword(member, MEMBER, own[0].change.record, "Sửa sau khi thu hồi.")?);
        some_patrols(world, leader, LEADER, "Bí mật về sau")?;
        world.sync(leader)?;
        let rows: Vec<Row> = world.ledger.rows().cloned().collect();

        world.arrive(&letter)?;
        world.sync(member)?;
        world.settle()?;
        aside(world, &late, AsideReason::Revoked)?;
        must(world.ledger.rows().eq(rows.iter()), || {
            "what a revoked phone brought changed a record".to_owned()
        })?;
        must(world.server_holds("Đang trên đường 0.")?, || {
            "what is held is nowhere to be looked at".to_owned()
        })?;
        let phone = &world.phones[member];
        must(!phone.disk.holds("Bí mật về sau"), || {
            "a revoked phone reads on".to_owned()
        })?;
        must(!phone.disk.holds("Đã đọc 0."), || {
            "a revoked phone keeps what others wrote".to_owned()
        })?;
        must(
            phone.replica.record(known[0].change.record).is_none(),
            || "a revoked phone shows what others wrote".to_owned(),
        )?;
        must(
            !world.phones[leader].disk.holds("Đang trên đường"),
            || "held words reached another phone".to_owned(),
        )?;
        admitted(world, &own)?;
        let saved = world.put(member, MEMBER, Target::New(PATROL), &[note("Nữa.")]);
        must(saved == Err(SaveError::NoGroup), || format!("{saved:?}"))
    });
}

/// A membership ends while the phone is away, and begins again later. What was written meanwhile is
/// held, what others wrote leaves the phone and comes back, and what is written then counts.
#[test]
fn right_lost_and_gained() {
    every_seed(|world| {
        let (leader, member) = two_phones(world)?;
        let known = some_patrols(world, leader, LEADER, "Của người khác")?;
        let own = some_patrols(world, member, MEMBER, "Của mình")?;
        for nth in [leader, member, leader] {
            world.sync(nth)?;
        }
        let group = world.group();
        world
            .desk(|hub, ledger, acting| hub.end_member(ledger, acting, group, MEMBER))
            .map_err(|refusal| refusal.to_string())?;
        let mut held = some_patrols(world, member, MEMBER, "Viết khi đã mất quyền")?;
        held.push(world.reword(
            member,
            MEMBER,
            own[0].change.record,
            "Sửa khi đã mất quyền.",
        )?);
        let meanwhile = some_patrols(world, leader, LEADER, "Trong lúc đó")?;
        world.sync(leader)?;
        world.sync(member)?;
        aside(world, &held, AsideReason::RightLost)?;
        let phone = &world.phones[member];
        must(!phone.disk.holds("Của người khác"), || {
            "what others wrote stays on a phone without a right".to_owned()
        })?;
        must(!phone.disk.holds("Trong lúc đó"), || {
            "a phone without a right reads on".to_owned()
        })?;
        must(phone.disk.holds("Viết khi đã mất quyền 0."), || {
            "a person's own words left the phone".to_owned()
        })?;
        let saved = world.put(member, MEMBER, Target::New(PATROL), &[note("Nữa.")]);
        must(saved == Err(SaveError::NoMember), || format!("{saved:?}"))?;

        give_role(world, group, MEMBER_ROLE)?;
        world.sync(member)?;
        for full in known.iter().chain(&meanwhile) {
            let shown = world.shown(member, full.change.record);
            must(shown.is_some(), || "a record did not come back".to_owned())?;
        }
        let mut after = some_patrols(world, member, MEMBER, "Có quyền lại")?;
        if let Some(record) = own.get(1).map(|full| full.change.record) {
            after.push(world.reword(member, MEMBER, record, "Sửa khi có quyền lại.")?);
        }
        world.sync(member)?;
        world.sync(leader)?;
        admitted(world, &after)?;
        // what was held stays held: an officer decides, not the calendar
        aside(world, &held, AsideReason::RightLost)?;
        must(
            !world.phones[leader].disk.holds("đã mất quyền"),
            || "held words reached another phone".to_owned(),
        )
    });
}

/// The server loses its disk, gets back by a letter under way what a phone had sent before, and the
/// phone has lost its right: what became of its words it can hear from no feed, only as a fate. What
/// was admitted once comes back under its receipt, although the letter without one was held.
#[test]
fn right_lost_and_server_restored() {
    every_seed(|world| {
        let (leader, member) = two_phones(world)?;
        world.sync(leader)?;
        let backup = world.ledger.clone();
        let proven = some_patrols(world, member, MEMBER, "Thư tới trễ")?;
        let letter = world.letter(member)?;
        world.sync(member)?;
        let group = world.group();
        world
            .desk(|hub, ledger, acting| hub.end_member(ledger, acting, group, MEMBER))
            .map_err(|refusal| refusal.to_string())?;
        world.sync(leader)?;
        let held = some_patrols(world, member, MEMBER, "Chưa gửi")?;
        world.put_server_back(&backup);
        world.sync(leader)?; // brings back that the membership ended
        world.arrive(&letter)?;
        aside(world, &proven, AsideReason::RightLost)?;
        world.sync(member)?;
        admitted(world, &proven)?;
        for full in &proven {
            let standing = world.phones[member].replica.standing(full.change.at);
            must(standing == Some(Standing::Received), || {
                format!("{:?} is {standing:?} to its author", full.change.at)
            })?;
        }
        for full in &held {
            let standing = world.phones[member].replica.standing(full.change.at);
            must(matches!(standing, Some(Standing::Aside(_))), || {
                format!("{:?} is {standing:?} to its author", full.change.at)
            })?;
        }
        Ok(())
    });
}

fn note(words: &str) -> (u16, sync_core::value::Value) {
    (SUMMARY, sync_core::value::Value::Text(words.to_owned()))
}

fn give_role(world: &mut World, group: GroupId, role: u16) -> Result<(), String> {
    world
        .desk(|hub, ledger, acting| hub.change_role(ledger, acting, group, MEMBER, role))
        .map_err(|refusal| refusal.to_string())
}
