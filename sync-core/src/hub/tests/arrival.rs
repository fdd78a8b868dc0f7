//! Devices that nobody confirmed, devices that were revoked, and requests to enrol.

use super::{Own, answer_of, fate, newest, tables_with};
use crate::exchange::{Outcome, ProblemCode};
use crate::hub::Refusal;
use crate::hub::arrival::{EnrolRequest, REFUSED_KEPT_S, candidate, digits};
use crate::hub::ledger::{Ledger as _, Table, View as _};
use crate::ids::{Feed, KeyId, LogId, Realm};
use crate::keys::{PublicKey, Secret};
use crate::limits::PENDING_BYTES_MAX;
use crate::log::{AsideReason, EntryKind};
use crate::replica::Standing;
use crate::tests::world::{GROUP, Hand, LEADER, Letter, MEMBER, OTHER_GROUP, REALM, World, hex};
use crate::vocabulary::Lane;

#[test]
fn a_revoked_device_writes_into_quarantine_and_reads_nothing() {
    let mut world = World::new();
    let mut ana = world.enrolled(GROUP, &[LEADER]);
    let mut bo = world.enrolled(GROUP, &[MEMBER]);
    world.settle(&mut bo);
    let late = world.patrol(&mut bo, MEMBER, "viết trước khi bị thu hồi");
    let device = bo.id();
    world
        .desk(|hub, ledger, acting| hub.revoke(ledger, acting, device))
        .unwrap();
    world.patrol(&mut ana, LEADER, "sau đó");
    world.settle(&mut ana);
    let outgoing = bo.poll();
    let delivered = world.deliver(outgoing.body()).unwrap();
    assert_eq!(fate(&delivered).asides, [(1, AsideReason::Revoked)]);
    assert_eq!(newest(&world).leaf.kind, EntryKind::Aside);
    assert!(AsideReason::Revoked.is_held());
    let answer = answer_of(&world, &delivered, &Own::of(&[&late]));
    assert_eq!((answer.groups, answer.sums), (Some(Vec::new()), None));
    assert_eq!(answer.entries, []);
    bo.take(&outgoing, &delivered.body).unwrap();
    assert!(bo.replica.is_closed());
    assert_eq!(
        bo.replica.standing(late.change.at),
        Some(Standing::Aside(AsideReason::Revoked))
    );
    world.verify();
}

#[test]
fn a_device_of_another_group_leaves_a_hash_in_a_feed_that_nobody_there_reads() {
    let mut world = World::new();
    let mut there = world.enrolled(OTHER_GROUP, &[MEMBER]);
    world.settle(&mut there);
    let stranger = world.enrolled(GROUP, &[MEMBER]);
    let hand = Hand::new(stranger.identity.device.clone(), OTHER_GROUP, Lane::Open);
    let body = hand.body(hand.patrol().seal());
    let told = world.deliver(&body).unwrap();
    assert_eq!(fate(&told).asides, [(1, AsideReason::NotEnrolled)]);
    let entry = newest(&world);
    assert_eq!(entry.leaf.feed, Feed::Private(hand.logbook, stranger.id()));
    let before = there.replica.receipt().cloned();
    let outgoing = there.poll();
    let told = world.deliver(outgoing.body()).unwrap();
    assert_eq!(answer_of(&world, &told, &Own::default()).entries, []);
    there.take(&outgoing, &told.body).unwrap();
    assert_ne!(
        there.replica.receipt().cloned(),
        before,
        "the control: it pulled"
    );
    world.verify();
}

#[test]
fn a_device_that_nobody_confirmed_leaves_nothing_in_the_log_and_fills_a_bounded_room() {
    let mut world = World::new();
    let phone = world.pending(GROUP, &[MEMBER]);
    let (size, mut hand) = (world.size(), phone.hand(Lane::Open));
    let first = hand.patrol().seal();
    hand.wrote(&first);
    let told = world.deliver(&hand.letter(vec![first]).body()).unwrap();
    assert_eq!(
        (fate(&told).outcome, fate(&told).through),
        (Outcome::Waiting, 1)
    );
    let answer = answer_of(&world, &told, &Own::default());
    assert!(answer.entries.is_empty() && answer.groups.is_none() && answer.upto == 0);
    assert_eq!(world.size(), size);

    // one byte before the room is full; the count stands after key, group and three more fields
    let key = [b"D".as_slice(), phone.id().as_bytes()].concat();
    let mut row = world.ledger.get(Table::Arrival, &key).unwrap().unwrap();
    let nearly = u64::try_from(PENDING_BYTES_MAX).unwrap() - 1;
    row[65..73].copy_from_slice(&nearly.to_be_bytes());
    world.ledger.put(Table::Arrival, &key, &row).unwrap();
    let found = candidate(&world.ledger, phone.id()).unwrap().unwrap();
    assert_eq!(found.waiting_bytes, nearly);

    let before = world.ledger.clone();
    let second = hand.patrol().seal();
    hand.wrote(&second);
    let told = world.deliver(&hand.letter(vec![second]).body()).unwrap();
    assert_eq!(
        (fate(&told).outcome, fate(&told).through),
        (Outcome::Full, 1)
    );
    assert!(world.ledger == before);
}

#[test]
fn a_refused_device_leaves_nothing() {
    let mut world = World::new();
    let phone = world.pending(GROUP, &[MEMBER]);
    let (device, now_s) = (phone.id(), world.now_s);
    world
        .desk(|hub, ledger, _| hub.refuse(ledger, device, now_s))
        .unwrap();
    let before = world.ledger.clone();
    let hand = phone.hand(Lane::Open);
    let told = world.deliver(&hand.body(hand.patrol().seal())).unwrap();
    assert_eq!(fate(&told).outcome, Outcome::Refused);
    assert!(world.ledger == before);
}

#[test]
fn what_a_refused_device_left_waiting_is_dropped_thirty_days_later() {
    let mut world = World::new();
    let mut phone = world.pending(GROUP, &[MEMBER]);
    world.patrol(&mut phone, MEMBER, "CANARY-waiting");
    world.visit(&mut phone).unwrap();
    let canary = b"CANARY-waiting";
    let (device, now_s) = (phone.id(), world.now_s);
    world
        .desk(|hub, ledger, _| hub.refuse(ledger, device, now_s))
        .unwrap();
    for (at, left) in [
        (REFUSED_KEPT_S - 1, vec![Table::Pending]),
        (REFUSED_KEPT_S, vec![]),
    ] {
        let hub = world.hub.clone();
        hub.drop_refused(&mut world.ledger, now_s + at).unwrap();
        assert_eq!(tables_with(&world.ledger, canary), left, "{at}");
    }
    // the refusal itself stays, and what a device that waits has left does too
    let found = candidate(&world.ledger, device).unwrap().unwrap();
    assert_eq!((found.refused_at, found.waiting_bytes), (Some(now_s), 0));
    let mut other = world.pending(GROUP, &[MEMBER]);
    world.patrol(&mut other, MEMBER, "CANARY-waiting");
    world.visit(&mut other).unwrap();
    let hub = world.hub.clone();
    hub.drop_refused(&mut world.ledger, now_s + 2 * REFUSED_KEPT_S)
        .unwrap();
    assert_eq!(tables_with(&world.ledger, canary), [Table::Pending]);
}

#[test]
fn a_request_to_enrol_that_is_not_sound_changes_nothing() {
    let mut world = World::new();
    let now_s = world.now_s;
    let (token, used, old) = ([1; 16], [2; 16], [3; 16]);
    for (token, expires_s) in [(token, now_s + 9), (used, now_s + 9), (old, now_s - 1)] {
        world
            .desk(|hub, ledger, _| hub.invite(ledger, GROUP, vec![], &token, expires_s))
            .unwrap();
    }
    let device = Secret::from_bytes(&[0x31; 32]);
    let first = EnrolRequest::sign(&REALM, &device, used);
    let told = world.desk(|hub, ledger, _| hub.enrol(ledger, &first, now_s));
    // the same again gets the same answer, also after the invitation expired
    let before = world.ledger.clone();
    let again = world.desk(|hub, ledger, _| hub.enrol(ledger, &first, now_s + 99));
    assert_eq!(again.unwrap().members, told.unwrap().members);
    let other = Secret::from_bytes(&[0x32; 32]);
    let elsewhere = Realm {
        log: LogId([3; 16]),
        ..REALM
    };
    let good = EnrolRequest::sign(&REALM, &other, token);
    let swapped = EnrolRequest {
        key: device.public(),
        ..good
    };
    let retokened = EnrolRequest {
        token: used,
        ..good
    };
    // the neutral point, and bytes that are no point
    let weak = |key: [u8; 32]| EnrolRequest {
        key: PublicKey(key),
        ..good
    };
    let mut neutral = [0; 32];
    neutral[0] = 1;
    for (what, request, refusal) in [
        (
            "used",
            EnrolRequest::sign(&REALM, &other, used),
            Refusal::InviteUsed,
        ),
        (
            "expired",
            EnrolRequest::sign(&REALM, &other, old),
            Refusal::InviteExpired,
        ),
        (
            "unknown",
            EnrolRequest::sign(&REALM, &other, [9; 16]),
            Refusal::NoInvite,
        ),
        (
            "known device",
            EnrolRequest::sign(&REALM, &device, token),
            Refusal::DeviceKnown,
        ),
        ("another key", swapped, Refusal::BadKey),
        ("another token", retokened, Refusal::BadKey),
        ("neutral point", weak(neutral), Refusal::BadKey),
        ("zeros", weak([0; 32]), Refusal::BadKey),
        ("no point", weak([2; 32]), Refusal::BadKey),
        (
            "another province",
            EnrolRequest::sign(&elsewhere, &other, token),
            Refusal::BadKey,
        ),
    ] {
        let told = world.desk(|hub, ledger, _| hub.enrol(ledger, &request, now_s));
        assert_eq!(told, Err(refusal), "{what}");
        assert!(world.ledger == before, "{what}");
    }
}

#[test]
fn a_damaged_request_to_enrol_changes_nothing() {
    let mut world = World::new();
    let (token, now_s) = ([1; 16], world.now_s);
    world
        .desk(|hub, ledger, _| hub.invite(ledger, GROUP, vec![], &token, now_s))
        .unwrap();
    let before = world.ledger.clone();
    let good = EnrolRequest::sign(&REALM, &Secret::from_bytes(&[0x32; 32]), token);
    let bytes = good.to_bytes();
    for place in 0..bytes.len() {
        assert!(EnrolRequest::from_bytes(&bytes[..place]).is_err());
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        if let Ok(request) = EnrolRequest::from_bytes(&flipped) {
            let told = world.desk(|hub, ledger, _| hub.enrol(ledger, &request, now_s));
            assert_eq!(told, Err(Refusal::BadKey), "flip at {place}");
        }
    }
    assert!(world.ledger == before);
    // the control
    let told = world.desk(|hub, ledger, _| hub.enrol(ledger, &good, now_s));
    assert!(told.is_ok());
}

#[test]
fn digits_that_differ_confirm_nobody() {
    let mut world = World::new();
    let phone = world.pending(GROUP, &[MEMBER]);
    let shown = candidate(&world.ledger, phone.id())
        .unwrap()
        .unwrap()
        .digits;
    let before = world.ledger.clone();
    for (device, shown, refusal) in [
        (phone.id(), (shown + 1) % 1_000_000, Refusal::Digits),
        (phone.id(), shown + 1_000_000, Refusal::Digits),
        (KeyId([9; 8]), shown, Refusal::NoDevice),
    ] {
        let told = world.desk(|hub, ledger, acting| hub.confirm(ledger, acting, device, shown));
        assert_eq!(told, Err(refusal));
        assert!(world.ledger == before);
    }
    // who slips another key or another server in between shows other digits
    let (log, key) = (world.hub.log_key(), phone.identity.device.public());
    let other = Secret::from_bytes(&[0x44; 32]).public();
    let all = [
        digits(&REALM, &log, &key, &[1; 16]),
        digits(&REALM, &other, &key, &[1; 16]),
        digits(&REALM, &log, &other, &[1; 16]),
        digits(&REALM, &log, &key, &[2; 16]),
    ];
    assert_eq!(
        all.iter().collect::<std::collections::BTreeSet<_>>().len(),
        4
    );
}

#[test]
fn an_unknown_device_is_told_so_and_no_more() {
    let mut world = World::new();
    let letter = Letter::idle(&Secret::from_bytes(&[0x66; 32]), GROUP);
    let before = world.ledger.clone();
    let stop = world.deliver(&letter.body()).unwrap_err();
    assert_eq!(stop.code, ProblemCode::UnknownDevice);
    assert!(!stop.detail.contains(&hex(GROUP.as_bytes())));
    assert!(world.ledger == before);
}
