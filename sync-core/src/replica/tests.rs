//! Answers that a replica must not take: damaged, forged, older, meant for another request, or
//! signed by a log that holds what it must not hold.

use std::collections::BTreeMap;

use super::*;
use crate::act::{ActDraft, Control, Said};
use crate::bytes::Writer;
use crate::exchange::{
    Answer, Problem, ProblemCode, Reply, Sealed, VERSION, WireEntry, WireSaid, fates_bytes, unpack,
};
use crate::hub::{ReviewInput, facts};
use crate::ids::AreaRef;
use crate::keys::Secret;
use crate::limits::ANSWER_BYTES_MAX;
use crate::log::answer_hash;
use crate::replica::{AnswerError, SaveError};
use crate::tests::world::{
    GROUP, LEADER, MEMBER, PATROL, PRESENT, Phone, REALM, SUMMARY, World, correction, creation,
    log, model, noise, text,
};
use crate::value::{FieldKey, Value};

/// A request of a phone that has something to pull of every kind, and its answer.
fn exchanged() -> (World, Phone, Outgoing, Vec<u8>) {
    let mut world = World::new();
    let mut ana = world.enrolled(GROUP, &[LEADER]);
    let mut bo = world.enrolled(GROUP, &[MEMBER]);
    world.settle(&mut bo);
    let first = world.patrol(&mut ana, LEADER, "một vòng quanh chợ");
    world.settle(&mut ana);
    let input = ReviewInput {
        record: first.change.record,
        words: Some("Thiếu giờ".to_owned()),
        ..ReviewInput::default()
    };
    world
        .desk(|hub, ledger, acting| hub.review(ledger, acting, input))
        .unwrap();
    let mut bad = ana.hand(Lane::Open).patrol();
    bad.parts
        .insert(crate::value::AUTHOR_KEY, Value::Number(u64::from(LEADER)));
    bad.plain.insert(PRESENT, Value::YesNo(true));
    world
        .deliver(&ana.hand(Lane::Open).body(bad.seal()))
        .unwrap();
    world.patrol(&mut bo, MEMBER, "của tôi");
    let outgoing = bo.poll();
    let body = world.deliver(outgoing.body()).unwrap().body;
    (world, bo, outgoing, body)
}

fn read(phone: &Phone, outgoing: &Outgoing, body: &[u8]) -> (Answer, Sealed) {
    match Reply::read(model(), body, &outgoing.ground, &phone.replica).unwrap() {
        Reply::Answer(answer, sealed) => (*answer, sealed),
        Reply::Problem(problem) => panic!("{problem:?}"),
    }
}

/// The answer changed, and signed again by `log` as if it had said so itself.
fn resaid(
    phone: &Phone,
    outgoing: &Outgoing,
    body: &[u8],
    log: &Secret,
    change: impl FnOnce(&mut Answer),
) -> Vec<u8> {
    let (mut answer, _) = read(phone, outgoing, body);
    change(&mut answer);
    let ground = outgoing.ground.clone().after(&answer.fates);
    let own: BTreeMap<_, _> = phone
        .replica
        .changes()
        .map(|(full, _)| (full.change.at, full.change.hash(&REALM)))
        .collect();
    let laid = answer.lay(&ground);
    let said = answer_hash(
        &REALM,
        log.id(),
        &outgoing.statement,
        &fates_bytes(&answer.fates),
        &answer.leaves(&ground, &own),
        &laid.hash(),
    );
    let receipt = Receipt::sign(&REALM, log, answer.head, said);
    laid.pack(model(), &receipt.signature)
}

/// What a phone says to a body. On an error its rows are as they were, and so is what it holds;
/// only what it asks for next may be more.
fn told(phone: &Phone, outgoing: &Outgoing, body: &[u8]) -> Option<AnswerError> {
    let mut other = phone.clone();
    let error = other.take(outgoing, body).err();
    if error.is_some() {
        assert_eq!(other.rows, phone.rows);
        assert_eq!(other.replica.receipt(), phone.replica.receipt());
        let held = |phone: &Phone| {
            let changes = phone.replica.changes();
            changes
                .map(|(full, standing)| (full.clone(), standing))
                .collect::<Vec<_>>()
        };
        assert_eq!(held(&other), held(phone));
    }
    error
}

fn act_of(answer: &mut Answer) -> &mut WireEntry {
    let act = |entry: &&mut WireEntry| matches!(entry.said, WireSaid::Act(_));
    answer.entries.iter_mut().find(act).unwrap()
}

#[test]
fn a_damaged_answer_says_nothing_else_under_the_logs_signature() {
    let (_, phone, outgoing, body) = exchanged();
    let whole = read(&phone, &outgoing, &body);
    let kinds = |said: fn(&WireSaid) -> bool| whole.0.entries.iter().any(|e| said(&e.said));
    assert!(kinds(|said| matches!(said, WireSaid::Change(_))));
    assert!(kinds(|said| matches!(said, WireSaid::Own(_))));
    assert!(kinds(|said| matches!(said, WireSaid::Aside { .. })));
    assert!(kinds(|said| matches!(said, WireSaid::Act(_))));
    assert_eq!(told(&phone, &outgoing, &body), None, "the control");
    let (raw, rows) = unpack(model(), &body, ANSWER_BYTES_MAX).unwrap();
    let mut w = Writer::new();
    w.u8(VERSION).u8(0).block(&raw).raw(&rows);
    for body in [body, w.into_bytes()] {
        for end in 0..body.len() {
            assert!(
                told(&phone, &outgoing, &body[..end]).is_some(),
                "cut at {end}"
            );
        }
        for place in 0..body.len() {
            for bit in [1, 0x80] {
                let mut flipped = body.clone();
                flipped[place] ^= bit;
                if told(&phone, &outgoing, &flipped).is_some() {
                    continue;
                }
                let other = read(&phone, &outgoing, &flipped);
                let same = other.0.head == whole.0.head
                    && other.0.fates == whole.0.fates
                    && other.1 == whole.1;
                assert!(same, "flip of {bit} at {place}");
            }
        }
    }
}

#[test]
fn an_answer_is_to_one_request_by_one_log() {
    let (mut world, phone, outgoing, body) = exchanged();
    // signed by another key, with the same leaves
    let other = Secret::from_bytes(&[8; 32]);
    let forged = resaid(&phone, &outgoing, &body, &other, |_| {});
    assert_eq!(told(&phone, &outgoing, &forged), Some(AnswerError::Forged));
    // the answer to the same words, asked at another time
    let mut later = phone.clone();
    world.patrol(&mut later, MEMBER, "thêm một vòng");
    let next = later.poll();
    assert!(told(&later, &next, &body).is_some());
    // anything that the log did not say, under its signature
    let altered = |change: &dyn Fn(&mut Answer)| {
        let (mut answer, sealed) = read(&phone, &outgoing, &body);
        change(&mut answer);
        let ground = outgoing.ground.clone().after(&answer.fates);
        let forged = answer.lay(&ground).pack(model(), &sealed.signature);
        told(&phone, &outgoing, &forged)
    };
    assert_eq!(altered(&|_| {}), None, "the control");
    let changes: [&dyn Fn(&mut Answer); 9] = [
        &|answer| answer.fates[0].outcome = crate::exchange::Outcome::Waiting,
        &|answer| answer.nonce = Some(ReadNonce([7; 8])),
        &|answer| answer.upto += 1,
        &|answer| answer.more = !answer.more,
        &|answer| answer.withheld = !answer.withheld,
        &|answer| answer.groups = Some(outgoing.ground.groups.clone()),
        &|answer| answer.sums = Some(Vec::new()),
        &|answer| answer.entries.last_mut().unwrap().index += 1,
        &|answer| answer.head.time_s += 1,
    ];
    for (nth, change) in changes.into_iter().enumerate() {
        assert_eq!(altered(change), Some(AnswerError::Forged), "change {nth}");
    }
}

#[test]
fn an_older_state_of_the_log_is_not_taken() {
    let (mut world, mut phone, _, _) = exchanged();
    let old = world.ledger.clone();
    world.patrol(&mut phone, MEMBER, "sau bản sao");
    world.settle(&mut phone);
    let outgoing = phone.poll();
    let delivered = world.deliver(outgoing.body()).unwrap();
    let told_nothing = world.hub.look(&delivered.verified).unwrap();
    // the log's own word, from a copy of its disk that is behind
    let answer_from = |ledger: &crate::hub::ledger::MemoryLedger| {
        let verified = &delivered.verified;
        world
            .hub
            .answer(model(), ledger, verified, &told_nothing, world.now_s)
            .unwrap()
    };
    let older = answer_from(&old);
    assert_eq!(told(&phone, &outgoing, &older), Some(AnswerError::Older));
    assert_eq!(told(&phone, &outgoing, &answer_from(&world.ledger)), None);
    let earlier = resaid(&phone, &outgoing, &delivered.body, &log(), |answer| {
        answer.head.generation = 0;
        answer.head.size += 100;
    });
    assert_eq!(told(&phone, &outgoing, &earlier), Some(AnswerError::Older));
}

#[test]
fn an_act_is_the_logs_own_in_its_own_feed() {
    let (_, phone, outgoing, body) = exchanged();
    let group = Feed::Group(GROUP);
    let control = Said::Control(Control::MemberEnd {
        group: GROUP,
        number: MEMBER,
    });
    let act = |feed: Feed, generation: u32, signer: &Secret| {
        ActDraft {
            feed,
            generation,
            seq: 99,
            previous: Hash32([1; 32]),
            account: 1,
            time_s: 1,
            said: control.clone(),
            words: BTreeMap::new(),
            seed: [1; 16],
        }
        .sign(&REALM, signer)
    };
    let stranger = Secret::from_bytes(&[8; 32]);
    let (sound, foreign) = (act(group, 1, &log()), act(group, 1, &stranger));
    let mut renamed = foreign.clone();
    renamed.act.signer = log().id();
    let mut elsewhere = sound.clone();
    elsewhere.act.at.chain = crate::act::act_chain(&REALM, log().id(), Feed::Log, 1);
    let mut later = sound.clone();
    later.act.generation = 2;
    let mut unsigned = sound.clone();
    unsigned.act.account = 2;
    for (what, full, feed, taken) in [
        ("sound", sound.clone(), group, true),
        ("signed by another key", foreign, group, false),
        (
            "signed by another key in the log's name",
            renamed,
            group,
            false,
        ),
        ("of another feed's chain", elsewhere, group, false),
        ("of another generation", later, group, false),
        ("changed after signing", unsigned, group, false),
        ("moved to another feed", sound, Feed::Log, false),
    ] {
        let said = resaid(&phone, &outgoing, &body, &log(), |answer| {
            let entry = act_of(answer);
            (entry.said, entry.feed) = (WireSaid::Act(full), feed);
        });
        match told(&phone, &outgoing, &said) {
            None => assert!(taken, "{what} was taken"),
            Some(AnswerError::Unsound(_)) => assert!(!taken, "{what}"),
            Some(other) => panic!("{what}: {other}"),
        }
    }
}

#[test]
fn an_entry_that_no_honest_log_holds_is_told_and_not_taken() {
    let (_, phone, outgoing, body) = exchanged();
    let unsound = |change: &dyn Fn(&mut Answer)| {
        let said = resaid(&phone, &outgoing, &body, &log(), |answer| change(answer));
        matches!(
            told(&phone, &outgoing, &said),
            Some(AnswerError::Unsound(_))
        )
    };
    assert!(!unsound(&|_| {}), "the control");
    assert!(unsound(&|answer| {
        let size = answer.head.size;
        answer.entries.last_mut().unwrap().index = size;
    }));
    let on_change = |change: &dyn Fn(&mut FullChange)| {
        let said = resaid(&phone, &outgoing, &body, &log(), |answer| {
            for entry in &mut answer.entries {
                if let WireSaid::Change(full) = &mut entry.said {
                    change(full);
                }
            }
        });
        told(&phone, &outgoing, &said)
    };
    // a word is missing and nothing was erased
    let missing = on_change(&|full| {
        full.parts.values.remove(&SUMMARY);
    });
    assert!(matches!(missing, Some(AnswerError::Unsound(_))));
    // what a row cannot say is read as another change, which has another leaf, or not at all
    let turned = on_change(&|full| full.change.slots.reverse());
    assert!(matches!(turned, Some(AnswerError::Unreadable(_))));
    let headless = on_change(&|full| full.change.act = crate::change::Act::Edit);
    assert!(headless.is_some());
}

#[test]
fn a_phone_whose_cursor_was_led_past_an_entry_finds_it_again() {
    let (mut world, mut phone, outgoing, body) = exchanged();
    let full = read(&phone, &outgoing, &body).0.entries.len();
    assert!(full > 3);
    let short = resaid(&phone, &outgoing, &body, &log(), |answer| {
        answer.entries.clear();
    });
    phone.take(&outgoing, &short).unwrap();
    assert_eq!(phone.replica.records().count(), 1, "only its own");
    world.settle(&mut phone);
    assert_eq!(phone.replica.records().count(), 2);
}

#[test]
fn a_server_that_asks_is_shown_once_and_then_believed_that_it_failed() {
    let (_, phone, outgoing, _) = exchanged();
    for (code, grows) in [
        (ProblemCode::ShowTips, true),
        (ProblemCode::ShowHead, true),
        (ProblemCode::UnknownDevice, true),
        (ProblemCode::Upgrade, false),
        (ProblemCode::Malformed, false),
        (ProblemCode::TooLarge, false),
        (ProblemCode::Signature, false),
        (ProblemCode::DiskFull, false),
        (ProblemCode::Later, false),
        (ProblemCode::Failed, false),
    ] {
        let problem = Problem::pack(code, "");
        let mut phone = phone.clone();
        let first = phone.take(&outgoing, &problem);
        assert_eq!(first.is_ok_and(|next| next.again), grows, "{code:?}");
        let again = phone.poll();
        assert_eq!(
            again.body().len() > outgoing.body().len(),
            grows,
            "{code:?}"
        );
        let second = phone.take(&again, &problem);
        assert!(matches!(second, Err(AnswerError::Problem(_))), "{code:?}");
    }
    let mut unknown = Problem::pack(ProblemCode::Later, "");
    unknown[1] = 99;
    let error = told(&phone, &outgoing, &unknown);
    assert!(matches!(
        error,
        Some(AnswerError::Problem(Problem { code: None, .. }))
    ));
}

#[test]
fn an_answer_that_was_lost_is_the_same_when_it_is_asked_again() {
    let (mut world, mut phone, outgoing, _) = exchanged();
    let ledger = world.ledger.clone();
    let again = phone.poll();
    assert_eq!(
        again.body(),
        outgoing.body(),
        "nothing was lost on the phone"
    );
    world.settle(&mut phone);
    assert!(world.ledger == ledger, "what came twice is in the log once");
    let all: Vec<_> = phone.replica.records().map(|(id, ..)| *id).collect();
    let values = [(SUMMARY, text("sửa"))];
    // who is no leader edits the own only, and hears that before anything is saved
    let mut edits = all.iter().map(|id| {
        let edit = correction(MEMBER, *id, values.clone());
        let saved = phone.replica.save(&edit, 1, 1, &[5; 32]);
        (*id, saved.map(drop))
    });
    assert!(
        edits
            .clone()
            .any(|(_, saved)| saved == Err(SaveError::NoRight))
    );
    let (record, _) = edits.find(|(_, saved)| saved.is_ok()).unwrap();
    world.save(&mut phone, &correction(MEMBER, record, values));
    world.settle(&mut phone);
    world.verify();
}

#[test]
fn a_group_that_moved_meanwhile_loses_nothing() {
    const AREA: FieldKey = FieldKey::plain(1);
    let home = AreaRef([3; 16]);
    let mut world = World::new();
    let mut phone = world.enrolled(GROUP, &[MEMBER]);
    world.settle(&mut phone);
    let edit = creation(GROUP, MEMBER, PATROL, [(AREA, Value::Area(home))]);
    world.save(&mut phone, &edit);
    let short = phone.poll();
    // the area is one byte of the request, not sixteen
    let (_, rows) = unpack(model(), short.body(), ANSWER_BYTES_MAX).unwrap();
    let full = |rows: &[u8]| rows.windows(16).any(|bytes| bytes == home.0);
    assert!(!full(&rows));
    world
        .desk(|hub, ledger, acting| {
            let row = facts::Group {
                area: AreaRef([9; 16]),
                commune: AreaRef([4; 16]),
                name: "Tổ 1".to_owned(),
            };
            hub.set_group(ledger, acting, GROUP, row)
        })
        .unwrap();
    assert_eq!(world.refused(short.body()), Some(ProblemCode::ShowTips));
    world.visit(&mut phone).unwrap();
    let again = phone.poll();
    let (_, rows) = unpack(model(), again.body(), ANSWER_BYTES_MAX).unwrap();
    assert!(
        full(&rows),
        "what the server could not tell is said in full"
    );
    world.visit(&mut phone).unwrap();
    let (kept, standing) = phone.replica.changes().next().unwrap();
    assert_eq!(standing, Standing::Received);
    let value = kept.parts.values.get(&AREA).cloned();
    let plain = kept.change.slots.iter().find(|(key, _)| *key == AREA);
    let said = value.or_else(|| match plain {
        Some((_, crate::change::Slot::Plain(value))) => Some(value.clone()),
        _ => None,
    });
    assert_eq!(said, Some(Value::Area(home)));
    // with its acts the phone has learnt where the group is now
    let there = creation(
        GROUP,
        MEMBER,
        PATROL,
        [(AREA, Value::Area(AreaRef([9; 16])))],
    );
    world.save(&mut phone, &there);
    assert_eq!(world.refused(phone.poll().body()), None);
}

/// A note of syllables that follow one another by chance, so that the coder knows none of it.
fn chance_note(seed: u64) -> String {
    let syllables = [
        "lộ", "gò", "mé", "bưng", "trảng", "xép", "giồng", "lung", "bàu", "đìa", "vuông", "sậy",
        "đế", "bần", "tràm", "mắm", "đước", "dừa", "ô", "môi", "bông", "súng", "lăn", "năng", "cỏ",
        "lác",
    ];
    let picked = noise(seed, 40);
    let words: Vec<&str> = picked
        .iter()
        .filter_map(|byte| syllables.iter().cycle().nth(usize::from(*byte)).copied())
        .collect();
    words.join(" ")
}

#[test]
fn a_visit_takes_about_what_the_link_allows() {
    let mut world = World::new();
    let mut phone = world.enrolled(GROUP, &[MEMBER]);
    world.settle(&mut phone);
    for seed in 0..40 {
        world.patrol(&mut phone, MEMBER, &chance_note(seed));
    }
    for budget in [600, 1_200, 2_400] {
        let outgoing = phone.replica.poll_request(model(), budget, 0).unwrap();
        let bytes = outgoing.body().len();
        assert!(bytes <= budget + budget / 8, "{bytes} of {budget}");
        assert!(bytes >= budget / 2, "{bytes} of {budget}");
    }
    // one change goes whatever the link allows, and all go when it allows all
    let least = phone.replica.poll_request(model(), 0, 0).unwrap();
    assert_eq!(least.runs.iter().map(|run| run.2).sum::<u32>(), 1);
    let most = phone.replica.poll_request(model(), usize::MAX, 0).unwrap();
    assert_eq!(most.runs.iter().map(|run| run.2).sum::<u32>(), 40);
    world.settle(&mut phone);
    world.verify();
}
