//! A server that lost entries: what it had admitted it takes back under its own signature, and
//! nothing else comes in that way.

use crate::change::FullChange;
use crate::exchange::{Admitted, Evidence, Proof};
use crate::hub::facts;
use crate::hub::ledger::MemoryLedger;
use crate::hub::tests::aside;
use crate::ids::{Feed, Hash32};
use crate::keys::Secret;
use crate::log::{AsideReason, EntryKind, Head, Leaf, Receipt, answer_hash};
use crate::replica::Standing;
use crate::tests::world::{
    GROUP, LEADER, MEMBER, PRESENT, Phone, REALM, SUMMARY, World, correction, log, text,
};
use crate::value::{AUTHOR_KEY, Value};
use crate::vocabulary::Lane;

/// A member's phone and the leader's, a record of the member that is in the log, and the log as
/// it was before.
fn before_and_after() -> (World, Phone, Phone, FullChange, MemoryLedger) {
    let mut world = World::new();
    let mut author = world.enrolled(GROUP, &[MEMBER]);
    let mut leader = world.enrolled(GROUP, &[LEADER]);
    world.settle(&mut author);
    world.settle(&mut leader);
    let backup = world.ledger.clone();
    let full = world.patrol(&mut author, MEMBER, "hai vòng");
    world.settle(&mut author);
    world.settle(&mut leader);
    (world, author, leader, full, backup)
}

fn leaf_of(world: &World, full: &FullChange) -> Leaf {
    let place = facts::place(&world.ledger, full.change.at)
        .unwrap()
        .unwrap();
    facts::entry(&world.ledger, place.index)
        .unwrap()
        .unwrap()
        .leaf
}

#[test]
fn what_was_admitted_comes_back_although_the_right_has_ended_since() {
    let (mut world, mut author, mut leader, full, backup) = before_and_after();
    let first = leaf_of(&world, &full);
    world
        .desk(|hub, ledger, acting| hub.end_member(ledger, acting, GROUP, MEMBER))
        .unwrap();
    world.settle(&mut leader);
    let later = world.patrol(&mut author, MEMBER, "sau khi nghỉ");
    world.settle(&mut author);
    let held = Some(Standing::Aside(AsideReason::RightLost));
    assert_eq!(
        author.replica.standing(later.change.at),
        held,
        "the control"
    );

    world.ledger = backup;
    world.now_s += 1_000;
    world.settle(&mut leader); // the end of the membership comes back first
    author.restart(author.replica.high_water());
    world.settle(&mut author);
    world.verify();
    assert_eq!(
        author.replica.standing(full.change.at),
        Some(Standing::Received)
    );
    assert_eq!(
        author.replica.standing(later.change.at),
        held,
        "what was held is held again"
    );
    // as it was admitted first: the same leaf, in the second generation
    assert_eq!(leaf_of(&world, &full), first);
    assert_eq!(facts::log_state(&world.ledger).unwrap().generation, 2);
    world.settle(&mut leader);
    assert_eq!(
        leader.replica.standing(full.change.at),
        Some(Standing::Received)
    );
}

#[test]
fn a_change_whose_author_was_erased_comes_back() {
    let (mut world, mut author, mut leader, full, backup) = before_and_after();
    let at = full.change.at;
    let edit = correction(MEMBER, full.change.record, [(PRESENT, Value::Number(6))]);
    let second = world.save(&mut author, &edit);
    world.settle(&mut author);
    world
        .desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![AUTHOR_KEY, SUMMARY]))
        .unwrap();
    world.settle(&mut author);
    world.settle(&mut leader);
    world.ledger = backup;
    world.settle(&mut author);
    world.verify();
    for at in [at, second.change.at] {
        assert_eq!(author.replica.standing(at), Some(Standing::Received));
        assert_eq!(
            facts::place(&world.ledger, at).unwrap().unwrap().aside,
            None
        );
    }
    world.settle(&mut leader);
    assert_eq!(leader.replica.standing(at), Some(Standing::Received));
}

/// Evidence of `signer` over an answer that carried this leaf.
fn prove(signer: &Secret, leaf: &Leaf) -> Proof {
    let head = Head {
        generation: 1,
        generation_start: 0,
        size: 900,
        safe_size: 0,
        root: Hash32([4; 32]),
        time_s: 1_792_000_000,
    };
    let leaves = vec![leaf.hash(&REALM, log().id())];
    let (statement, layout) = (Hash32([1; 32]), Hash32([2; 32]));
    let said = answer_hash(&REALM, signer.id(), &statement, &[0], &leaves, &layout);
    Proof {
        evidence: Evidence {
            receipt: Receipt::sign(&REALM, signer, head, said),
            statement,
            fates: vec![0],
            leaves,
            layout,
        },
        admitted: vec![Admitted {
            claim: 0,
            seq: 1,
            admitted_at: leaf.admitted_at,
            generation: leaf.generation,
        }],
    }
}

/// The proof with one thing altered.
fn altered(honest: &Proof, alter: fn(&mut Proof)) -> Proof {
    let mut proof = honest.clone();
    alter(&mut proof);
    proof
}

#[test]
fn a_proof_proves_what_this_log_signed_about_this_change_and_nothing_else() {
    let mut world = World::new();
    let phone = world.enrolled(GROUP, &[MEMBER]);
    let hand = phone.hand(Lane::Open);
    // what the policy refuses: the leader writes on a phone that is not the leader's
    let mut draft = hand.patrol();
    draft
        .parts
        .insert(AUTHOR_KEY, Value::Number(u64::from(LEADER)));
    draft.parts.insert(SUMMARY, text("không phải máy này"));
    let full = draft.seal();
    let change = &full.change;
    let leaf = Leaf {
        kind: EntryKind::Change,
        feed: Feed::of_records(hand.logbook, change.device),
        at: change.at,
        entry: change.hash(&REALM),
        admitted_at: 1_792_000_000,
        generation: 1,
    };
    let honest = prove(&log(), &leaf);
    let aside_leaf = Leaf {
        kind: EntryKind::Aside,
        ..leaf
    };
    let other = Leaf {
        entry: Hash32([8; 32]),
        ..leaf
    };
    let forged = [
        ("none", None),
        (
            "another log",
            Some(prove(&Secret::from_bytes(&[5; 32]), &leaf)),
        ),
        (
            "other fates",
            Some(altered(&honest, |p| p.evidence.fates = vec![1])),
        ),
        (
            "one leaf more",
            Some(altered(&honest, |p| {
                p.evidence.leaves.push(Hash32([9; 32]));
            })),
        ),
        (
            "another layout",
            Some(altered(&honest, |p| p.evidence.layout = Hash32([3; 32]))),
        ),
        (
            "another time",
            Some(altered(&honest, |p| p.admitted[0].admitted_at += 1)),
        ),
        (
            "another place",
            Some(altered(&honest, |p| p.admitted[0].seq = 2)),
        ),
        (
            "another claim",
            Some(altered(&honest, |p| p.admitted[0].claim = 1)),
        ),
        ("an aside", Some(prove(&log(), &aside_leaf))),
        ("another change", Some(prove(&log(), &other))),
    ];
    let body = |proof: Option<Proof>| {
        let mut letter = hand.letter(vec![full.clone()]);
        letter.proofs = proof.into_iter().collect();
        letter.body()
    };
    for (what, proof) in forged {
        let mut world = world.clone();
        assert_eq!(
            aside(&mut world, &body(proof)),
            Some(AsideReason::Member),
            "{what}"
        );
    }
    assert_eq!(aside(&mut world, &body(Some(honest))), None, "the control");
    assert_eq!(leaf_of(&world, &full), leaf);
}
