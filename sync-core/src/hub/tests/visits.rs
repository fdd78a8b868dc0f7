//! Requests: who signed what, and what a damaged, stale, repeated or swapped one does.

use std::collections::BTreeMap;

use super::{Own, answer_of, fate};
use crate::act::{ActDraft, Control, FullAct, Said, act_chain};
use crate::bytes::Writer;
use crate::change::Slot;
use crate::exchange::{
    FeedSet, Outcome, Problem, ProblemCode, TipClaim, VERSION, prefix_of, unpack,
};
use crate::hub::Told;
use crate::ids::{Feed, Hash32, LogId, ReadNonce, Realm};
use crate::keys::Secret;
use crate::limits::REQUEST_BYTES_MAX;
use crate::log::Receipt;
use crate::replica::Standing;
use crate::tests::world::{
    FailingDisk, GROUP, Hand, LEADER, Letter, MEMBER, PRESENT, Phone, REALM, SUMMARY, World,
    correction, log, model, noise, text,
};
use crate::value::Value;
use crate::vocabulary::Lane;

/// A confirmed phone that has pulled all there is.
fn settled(world: &mut World, member: u16) -> Phone {
    let mut phone = world.enrolled(GROUP, &[member]);
    world.settle(&mut phone);
    phone
}

/// The same body with its rows as they are: a flip there reaches every field.
fn unpacked(body: &[u8]) -> Vec<u8> {
    let (raw, rows) = unpack(model(), body, REQUEST_BYTES_MAX).unwrap();
    let mut w = Writer::new();
    w.u8(VERSION).u8(0).block(&raw).raw(&rows);
    w.into_bytes()
}

/// Each cut and each flip of a body does nothing, or exactly what the whole body does.
fn check_damage(world: &World, body: &[u8]) {
    let mut whole = world.clone();
    let told = whole.deliver(body).unwrap().fates;
    let damaged = |bytes: &[u8], what: &str| {
        let mut other = world.clone();
        match other.deliver(bytes) {
            Err(_) => assert!(other.ledger == world.ledger, "{what} changed the ledger"),
            // tips in full are a sound signature over a run that was damaged: it is asked for again
            Ok(delivered)
                if delivered
                    .fates
                    .iter()
                    .all(|fate| fate.outcome == Outcome::Gap) =>
            {
                assert!(other.ledger == world.ledger, "{what} changed the ledger");
            }
            Ok(delivered) => {
                assert_eq!(delivered.fates, told, "{what}");
                assert!(other.ledger == whole.ledger, "{what} was taken as another");
            }
        }
    };
    for end in 0..body.len() {
        let mut other = world.clone();
        assert!(other.deliver(&body[..end]).is_err(), "cut at {end}");
        assert!(other.ledger == world.ledger, "cut at {end}");
    }
    for place in 0..body.len() {
        for bit in [1, 0x80] {
            let mut flipped = body.to_vec();
            flipped[place] ^= bit;
            damaged(&flipped, &format!("flip of {bit} at {place}"));
        }
    }
}

#[test]
fn a_damaged_request_does_nothing() {
    let mut world = World::new();
    let mut phone = settled(&mut world, MEMBER);
    let first = world.patrol(&mut phone, MEMBER, "đi một vòng");
    let values = [(SUMMARY, text("đi hai vòng"))];
    world.save(&mut phone, &correction(MEMBER, first.change.record, values));
    let body = phone.poll().body().to_vec();
    check_damage(&world, &body);
    check_damage(&world, &unpacked(&body));
    // none of the flips of a request without sections is taken, so none of them reads either
    for place in 0..body.len() {
        let mut flipped = body.clone();
        flipped[place] ^= 0x10;
        assert!(world.refused(&flipped).is_some(), "flip at {place}");
    }
}

#[test]
fn a_damaged_request_with_sections_does_nothing_else_than_the_whole_one() {
    let mut world = World::new();
    let mut phone = settled(&mut world, MEMBER);
    world.patrol(&mut phone, MEMBER, "tuần tra");
    world.settle(&mut phone);
    let mut hand = phone.hand(Lane::Open);
    let full = hand.patrol().seal();
    hand.wrote(&full);
    let mut letter = hand.letter(vec![full]);
    letter.explicit = true;
    letter.head = phone.replica.receipt().cloned();
    letter.acts = vec![super::facts::full_act(&world.ledger, 0).unwrap().unwrap()];
    check_damage(&world, &unpacked(&letter.body()));
}

#[test]
fn noise_does_nothing() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let body = unpacked(phone.poll().body());
    let before = world.ledger.clone();
    for seed in 0..300u64 {
        let mut bytes = noise(seed, usize::try_from(seed).unwrap());
        assert!(world.deliver(&bytes).is_err(), "{seed}");
        if seed % 2 == 0 && bytes.len() > 2 {
            bytes[0] = VERSION;
            bytes[1] = u8::try_from(seed % 4 / 2).unwrap();
            assert!(world.deliver(&bytes).is_err(), "{seed}");
        }
        // noise after a sound beginning
        let keep = usize::try_from(seed).unwrap() % body.len();
        let tail = noise(seed, body.len() - keep);
        let mixed = [&body[..keep], &tail].concat();
        assert!(world.deliver(&mixed).is_err(), "{seed}");
    }
    assert!(world.ledger == before);
}

#[test]
fn a_wrong_key_signs_nothing() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let hand = phone.hand(Lane::Open);
    let full = hand.patrol().seal();
    for explicit in [false, true] {
        let mut letter = hand.letter(vec![full.clone()]);
        letter.explicit = explicit;
        let mut request = letter.request();
        let forger = Secret::from_bytes(&[0x66; 32]);
        request.signature = Letter {
            secret: forger,
            ..letter.clone()
        }
        .request()
        .signature;
        let body = request.pack(model(), &letter.runs, vec![hand.chain()]);
        let told = world.refused(&body);
        // without its tips in full a request that does not fit may only be behind
        let code = if explicit {
            ProblemCode::Signature
        } else {
            ProblemCode::ShowTips
        };
        assert_eq!(told, Some(code));
    }
    let stranger = Hand::new(Secret::from_bytes(&[0x66; 32]), GROUP, Lane::Open);
    let body = stranger.body(stranger.patrol().seal());
    assert_eq!(world.refused(&body), Some(ProblemCode::UnknownDevice));
}

#[test]
fn another_province_cannot_be_told_what_was_signed_for_this_one() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let mut hand = phone.hand(Lane::Open);
    hand.realm = Realm {
        log: LogId([3; 16]),
        ..REALM
    };
    let full = hand.patrol().seal();
    for explicit in [false, true] {
        let mut letter = hand.letter(vec![full.clone()]);
        letter.realm = hand.realm;
        letter.explicit = explicit;
        assert!(world.refused(&letter.body()).is_some());
    }
    // the control: the same words under this realm are taken
    hand.realm = REALM;
    let sound = hand.letter(vec![full]).body();
    assert_eq!(world.deliver(&sound).unwrap().fates.len(), 1);
}

#[test]
fn another_devices_chain_cannot_be_named() {
    let mut world = World::new();
    let mut ana = settled(&mut world, LEADER);
    let mut bo = settled(&mut world, MEMBER);
    let hers = world.patrol(&mut ana, LEADER, "của tôi");
    world.settle(&mut ana);
    world.settle(&mut bo);
    let at = hers.change.at;
    let mut next = bo.hand(Lane::Open).patrol();
    next.at.chain = at.chain;
    next.at.seq = 2;
    next.previous = hers.change.hash(&REALM);
    let next = next.seal();
    let mut letter = bo.hand(Lane::Open).letter(vec![next]);
    letter.claims[0].0 = TipClaim::Known {
        prefix: prefix_of(&at.chain.0),
        seq: 2,
    };
    assert_eq!(world.refused(&letter.body()), Some(ProblemCode::ShowTips));
    letter.explicit = true;
    assert_eq!(world.refused(&letter.body()), Some(ProblemCode::Signature));
    // nor can the log's own chain of acts
    let act = super::facts::full_act(&world.ledger, 0).unwrap().unwrap();
    letter.claims[0].1 = act.act.at.chain;
    letter.runs.clear();
    assert_eq!(world.refused(&letter.body()), Some(ProblemCode::Signature));
}

#[test]
fn a_run_must_follow_what_the_log_has() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let mut hand = phone.hand(Lane::Open);
    let first = hand.patrol().seal();
    hand.wrote(&first);
    world.deliver(&hand.letter(vec![first]).body()).unwrap();
    let before = world.ledger.clone();

    // on another past: the hash before is computed here, not sent
    let mut other = hand.clone();
    other.previous = Hash32([5; 32]);
    let forged = other.patrol().seal();
    let mut letter = other.letter(vec![forged]);
    assert_eq!(world.refused(&letter.body()), Some(ProblemCode::ShowTips));
    letter.explicit = true;
    let told = world.deliver(&letter.body()).unwrap();
    assert_eq!(
        (fate(&told).outcome, fate(&told).through),
        (Outcome::Gap, 0)
    );

    // with a gap before it
    let mut far = hand.clone();
    far.seq = 7;
    let mut letter = far.letter(vec![far.patrol().seal()]);
    assert_eq!(world.refused(&letter.body()), Some(ProblemCode::ShowTips));
    letter.explicit = true;
    let told = world.deliver(&letter.body()).unwrap();
    assert_eq!(
        (fate(&told).outcome, fate(&told).through),
        (Outcome::Gap, 0)
    );

    // at the last place that a number has, and beyond it
    let mut last = hand.clone();
    (last.seq, last.previous) = (u32::MAX - 1, Hash32::default());
    let full = last.patrol().seal();
    let told = world
        .deliver(&last.letter(vec![full.clone()]).body())
        .unwrap();
    assert_eq!(
        (fate(&told).outcome, fate(&told).through),
        (Outcome::Gap, 1)
    );
    let mut beyond = last.letter(vec![full.clone(), full.clone()]);
    assert_eq!(world.refused(&beyond.body()), Some(ProblemCode::Malformed));

    // at place zero, which no change has
    let mut zero = full;
    zero.change.at.seq = 0;
    beyond.runs[0].changes = vec![(zero, false)];
    assert_eq!(world.refused(&beyond.body()), Some(ProblemCode::Malformed));
    assert!(world.ledger == before, "the log was changed");
}

#[test]
fn the_same_request_twice_says_and_changes_the_same() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let mut hand = phone.hand(Lane::Open);
    let mut letter = hand.letter(vec![hand.patrol().seal()]);
    let good = letter.runs[0].changes[0].0.clone();
    hand.wrote(&good);
    let mut bad = hand.patrol();
    bad.plain.insert(PRESENT, Value::YesNo(true));
    let bad = bad.seal();
    letter = hand.letter(vec![good.clone(), bad.clone()]);
    let body = letter.body();
    let own = Own::of(&[&good, &bad]);
    let first = world.deliver(&body).unwrap();
    let (ledger, said) = (world.ledger.clone(), answer_of(&world, &first, &own));
    assert_eq!(said.fates[0].asides.len(), 1);
    world.now_s += 5_000;
    let again = world.deliver(&body).unwrap();
    assert!(world.ledger == ledger, "the second changed the ledger");
    assert_eq!(again.fates, first.fates);
    let again = answer_of(&world, &again, &own);
    // entries carry their admission times and generations
    assert_eq!(again.entries, said.entries);
    assert_eq!(again.head.root, said.head.root);
}

#[test]
fn two_requests_in_the_wrong_order_end_as_in_the_right_one() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let mut hand = phone.hand(Lane::Open);
    let one = hand.patrol().seal();
    hand.wrote(&one);
    let two = hand.patrol().seal();
    let (first, second) = (
        hand.letter(vec![one.clone()]),
        hand.letter(vec![two.clone()]),
    );
    let both = hand.letter(vec![one, two]);

    let mut right = world.clone();
    right.deliver(&first.body()).unwrap();
    right.deliver(&second.body()).unwrap();
    // the second alone has nothing to stand on yet, and nothing of it is kept
    assert_eq!(world.refused(&second.body()), Some(ProblemCode::ShowTips));
    world.deliver(&first.body()).unwrap();
    world.deliver(&second.body()).unwrap();
    assert!(world.ledger == right.ledger);
    // a later request that says all, and then the earlier one
    world.deliver(&both.body()).unwrap();
    let told = world.deliver(&first.body()).unwrap();
    assert_eq!(
        (fate(&told).outcome, fate(&told).through),
        (Outcome::Received, 2)
    );
    assert!(world.ledger == right.ledger);
}

#[test]
fn a_stale_nonce_writes_and_does_not_read() {
    let mut world = World::new();
    let mut ana = settled(&mut world, LEADER);
    let mut bo = settled(&mut world, MEMBER);
    world.patrol(&mut ana, LEADER, "chợ đêm");
    world.settle(&mut ana);
    let hers = world.patrol(&mut bo, MEMBER, "bến đò");
    let (size, stolen) = (world.size(), ana.poll());
    world.now_s += 31 * 86_400;
    let outgoing = bo.poll();
    let delivered = world.deliver(outgoing.body()).unwrap();
    assert_eq!(fate(&delivered).outcome, Outcome::Received);
    assert_eq!(world.size(), size + 1);
    let answer = answer_of(&world, &delivered, &Own::of(&[&hers]));
    assert!(answer.withheld && answer.more && answer.entries.is_empty());
    assert!(answer.sums.is_none() && answer.nonce.is_some() && answer.upto == 0);
    bo.take(&outgoing, &delivered.body).unwrap();
    assert_eq!(
        bo.replica.standing(hers.change.at),
        Some(Standing::Received)
    );
    assert_eq!(bo.replica.records().count(), 1);
    world.settle(&mut bo);
    assert_eq!(bo.replica.records().count(), 2);
    // what was caught on the way reads nothing a month later
    let late = world.deliver(stolen.body()).unwrap();
    let late = answer_of(&world, &late, &Own::default());
    assert!(late.withheld && late.entries.is_empty());
}

#[test]
fn the_nonce_of_another_device_does_not_read() {
    let mut world = World::new();
    let mut ana = settled(&mut world, LEADER);
    let bo = settled(&mut world, MEMBER);
    world.patrol(&mut ana, LEADER, "chợ đêm");
    world.settle(&mut ana);
    let nonce = |world: &mut World, phone: &Phone| {
        let letter = Letter::idle(&phone.identity.device, GROUP);
        let told = world.deliver(&letter.body()).unwrap();
        answer_of(world, &told, &Own::default()).nonce.unwrap()
    };
    let (hers, his) = (nonce(&mut world, &ana), nonce(&mut world, &bo));
    let mut reads = |nonce: ReadNonce| {
        let letter = Letter {
            nonce,
            ..Letter::idle(&bo.identity.device, GROUP)
        };
        let told = world.deliver(&letter.body()).unwrap();
        answer_of(&world, &told, &Own::default()).entries.len()
    };
    assert_eq!(reads(hers), 0);
    assert!(reads(his) > 0, "the control");
}

/// `Told` has no public constructor. [`Hub::admit_all`] makes it from what `Store::transact` gives
/// back, so on an error there is none, and [`Hub::answer`] cannot be called for the visit:
/// `Hub::look`, the only other way, gives none to a visit that brings something.
#[test]
fn no_word_of_receipt_exists_before_the_commit_returned() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let hand = phone.hand(Lane::Open);
    let body = hand.letter(vec![hand.patrol().seal()]).body();
    let arrived = world.hub.open(model(), &body).unwrap();
    let verified = world.hub.verify_visit(&world.ledger, &arrived).unwrap();
    assert!(world.hub.look(&verified).is_none());
    let told: Option<Vec<Told>> = {
        let mut disk = FailingDisk(world.ledger.clone());
        let told = world.hub.admit_all(&mut disk, &[&verified], world.now_s);
        assert!(disk.0 == world.ledger);
        told.ok()
    };
    assert!(told.is_none(), "a disk that failed has nothing to tell");
    assert!(
        world
            .hub
            .admit_all(&mut world.ledger, &[&verified], 1)
            .is_ok()
    );
}

/// How a visit ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    DiskFails,
    AnswerLost,
    Well,
}

/// One visit; whether the phone was told that the disk is full.
fn visit_ending(world: &mut World, phone: &mut Phone, ending: Ending) -> bool {
    let outgoing = phone.poll();
    let before = world.ledger.clone();
    let body = if ending == Ending::DiskFails {
        let arrived = world.hub.open(model(), outgoing.body()).unwrap();
        let verified = world.hub.verify_visit(&world.ledger, &arrived).unwrap();
        let Some(told) = world.hub.look(&verified) else {
            let mut disk = FailingDisk(before.clone());
            let told = world.hub.admit_all(&mut disk, &[&verified], world.now_s);
            assert!(told.is_err() && world.ledger == before);
            return phone
                .take(&outgoing, &Problem::pack(ProblemCode::DiskFull, ""))
                .is_err();
        };
        let now_s = world.now_s;
        let answer = world
            .hub
            .answer(model(), &world.ledger, &verified, &told, now_s);
        answer.unwrap()
    } else {
        world.deliver(outgoing.body()).unwrap().body
    };
    if ending != Ending::AnswerLost {
        phone.take(&outgoing, &body).unwrap();
    }
    false
}

/// Whatever fails and in whatever order: what a phone calls received is in the log as it was
/// written, and when the disk holds again nothing is missing and nothing is there twice.
#[test]
fn nothing_is_called_received_that_is_not_on_the_disk() {
    let (mut refused, mut received_early) = (0, 0);
    for seed in 0..60_u64 {
        let mut world = World::new();
        let mut phones = [settled(&mut world, MEMBER), settled(&mut world, LEADER)];
        let mut written = Vec::new();
        for byte in noise(seed, 24) {
            let nth = usize::from(byte & 1);
            let member = [MEMBER, LEADER][nth];
            if byte & 2 == 0 {
                written.push(world.patrol(&mut phones[nth], member, "một vòng"));
            }
            let ending = match byte >> 2 & 3 {
                0 => Ending::DiskFails,
                1 => Ending::AnswerLost,
                _ => Ending::Well,
            };
            refused += u32::from(visit_ending(&mut world, &mut phones[nth], ending));
            for (full, standing) in phones.iter().flat_map(|phone| phone.replica.changes()) {
                if standing == Standing::Received {
                    received_early += 1;
                    let place = super::facts::place(&world.ledger, full.change.at).unwrap();
                    let hash = full.change.hash(&REALM);
                    assert!(place.is_some_and(|place| place.hash == hash), "seed {seed}");
                }
            }
        }
        for phone in &mut phones {
            world.settle(phone);
        }
        world.verify();
        for full in &written {
            let place = super::facts::place(&world.ledger, full.change.at).unwrap();
            assert!(
                place.is_some_and(|place| place.aside.is_none()),
                "seed {seed}"
            );
        }
        let report = world.hub.verify_log(&world.ledger).unwrap();
        assert_eq!(report.changes, written.len() as u64, "seed {seed}");
    }
    assert!(
        refused > 50 && received_early > 1_000,
        "{refused} {received_early}"
    );
}

#[test]
fn a_slot_that_was_changed_after_signing_is_seen() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let hand = phone.hand(Lane::Open);
    let full = hand.patrol().seal();
    let letter = hand.letter(vec![full]);
    let mut forged = letter.clone();
    for (key, slot) in &mut forged.runs[0].changes[0].0.change.slots {
        if *key == PRESENT {
            *slot = Slot::Plain(Value::Number(9));
        }
    }
    // signed over the first, sent with the second
    let body = letter
        .request()
        .pack(model(), &forged.runs, vec![hand.chain()]);
    assert_eq!(world.refused(&body), Some(ProblemCode::ShowTips));
}

#[test]
fn a_head_or_an_act_that_this_log_did_not_sign_brings_nothing_back() {
    let mut world = World::new();
    let mut phone = settled(&mut world, MEMBER);
    world.patrol(&mut phone, MEMBER, "tuần tra");
    world.settle(&mut phone);
    let forger = Secret::from_bytes(&[8; 32]);
    let known = phone.replica.receipt().cloned().unwrap();
    let mut head = known.head;
    head.size += 1_000;
    let mut letter = Letter::idle(&phone.identity.device, GROUP);
    letter.head = Some(Receipt::sign(&REALM, &forger, head, known.answer));
    assert_eq!(world.refused(&letter.body()), Some(ProblemCode::Signature));
    // the log's signature, over another head
    let mut other = known.clone();
    other.head = head;
    letter.head = Some(other);
    assert_eq!(world.refused(&letter.body()), Some(ProblemCode::Signature));
    // the control: a head that is here begins nothing
    letter.head = Some(known);
    let before = world.ledger.clone();
    world.deliver(&letter.body()).unwrap();
    assert!(world.ledger == before);
}

/// An act of a generation on the chain of the group's feed, signed by `secret` in the log's name.
fn act(seq: u32, generation: u32, previous: Hash32, secret: &Secret) -> FullAct {
    let (feed, log) = (Feed::Group(GROUP), log().id());
    let control = Control::MemberEnd {
        group: GROUP,
        number: MEMBER,
    };
    let mut full = ActDraft {
        feed,
        generation,
        seq,
        previous,
        account: 1,
        time_s: 1,
        said: Said::Control(control),
        words: BTreeMap::new(),
        seed: [1; 16],
    }
    .sign(&REALM, secret);
    full.act.signer = log;
    full.act.at.chain = act_chain(&REALM, log, feed, generation);
    full
}

#[test]
fn an_act_comes_back_where_it_follows_and_nowhere_else() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let size = world.size();
    world
        .desk(|hub, ledger, acting| Ok(hub.new_generation(ledger, acting, 1, size)?))
        .unwrap();
    let before = world.ledger.clone();
    let (log, forger) = (log(), Secret::from_bytes(&[8; 32]));
    let chain = act_chain(&REALM, log.id(), Feed::Group(GROUP), 1);
    let tip = super::facts::chain(&world.ledger, chain).unwrap().unwrap();
    let mut letter = Letter::idle(&phone.identity.device, GROUP);
    letter.acts = vec![
        act(tip.seq + 1, 1, tip.hash, &forger),
        act(tip.seq + 2, 1, tip.hash, &log),
        act(1, 2, Hash32::default(), &log),
        act(1, 9, Hash32::default(), &log),
    ];
    world.deliver(&letter.body()).unwrap();
    assert!(world.ledger == before, "an act came back that was none");
    // the desk went on meanwhile: the end of a membership whose place is taken is said anew, once
    for taken in [
        act(tip.seq, 1, tip.hash, &log),
        act(tip.seq + 1, 1, Hash32([3; 32]), &log),
    ] {
        let mut world = world.clone();
        letter.acts = vec![taken];
        for _ in 0..2 {
            world.deliver(&letter.body()).unwrap();
            assert_eq!(world.size(), size + 2);
        }
        let role = super::facts::role_at(&world.ledger, GROUP, MEMBER, world.size());
        assert_eq!(role, Ok(None));
        world.verify();
    }
    // the control: the log's own next act of that generation was lost, and comes back once
    letter.acts = vec![act(tip.seq + 1, 1, tip.hash, &log); 2];
    world.deliver(&letter.body()).unwrap();
    assert_eq!(world.size(), size + 2);
    world.verify();
}

#[test]
fn groups_and_claims_that_nobody_has_are_not_read() {
    let mut world = World::new();
    let phone = settled(&mut world, MEMBER);
    let hand = phone.hand(Lane::Open);
    let sound = hand.letter(vec![hand.patrol().seal()]);
    let mut malformed = |change: &dyn Fn(&mut Letter)| {
        let mut letter = sound.clone();
        change(&mut letter);
        assert_eq!(world.refused(&letter.body()), Some(ProblemCode::Malformed));
    };
    malformed(&|letter| letter.wants.groups[0].prefix = [9; 4]);
    malformed(&|letter| letter.wants.groups.clear());
    malformed(&|letter| letter.wants.groups = vec![letter.wants.groups[0]; 17]);
    malformed(&|letter| letter.claims = vec![letter.claims[0]; 65]);
    malformed(&|letter| letter.runs[0].claim = 1);
    malformed(&|letter| letter.wants.groups[0].feeds = FeedSet(64));
    // a run of no change
    malformed(&|letter| letter.runs[0].changes.clear());
}
