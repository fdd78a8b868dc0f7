use std::collections::BTreeMap;

use super::*;
use crate::change::{Act, Draft};
use crate::ids::{GroupId, LogId, OrgId};
use crate::log::{Digest, Head, Receipt, answer_hash};
use crate::value::{AUTHOR_KEY, FieldKey, Value};
use crate::vocabulary::Lane;

const REALM: Realm = Realm {
    org: OrgId([1; 16]),
    log: LogId([2; 16]),
};

fn device() -> Secret {
    Secret::from_bytes(&[7; 32])
}

fn chain_of(secret: &Secret) -> ChainId {
    let logbook = Logbook {
        group: GroupId([5; 16]),
        lane: Lane::Open,
    };
    chain_id(
        &REALM,
        &secret.public(),
        InstallationNonce([6; 16]),
        logbook,
    )
}

/// `count` creations on one chain, with the hash of the last.
fn changes(secret: &Secret, count: u32) -> (Vec<FullChange>, Hash32) {
    let mut previous = Hash32::default();
    let made = (1..=count)
        .map(|seq| {
            let full = Draft {
                at: ChangeRef {
                    chain: chain_of(secret),
                    seq,
                },
                device: secret.id(),
                previous,
                record: None,
                act: Act::Create {
                    record_type: 1,
                    vocabulary: 1,
                },
                clock_s: i64::from(seq),
                mono_s: seq,
                seen: 0,
                heads: Vec::new(),
                plain: BTreeMap::from([(FieldKey::plain(24), Value::Number(u64::from(seq)))]),
                parts: BTreeMap::from([(AUTHOR_KEY, Value::Number(1))]),
                seed: [u8::try_from(seq).unwrap(); 16],
            }
            .seal();
            previous = full.change.hash(&REALM);
            full
        })
        .collect();
    (made, previous)
}

fn statement(secret: &Secret, tip: ChangeRef, hash: &Hash32) -> Statement {
    let leaf = tip_leaf(&REALM, secret.id(), tip, hash);
    Statement::sign(
        &REALM,
        secret,
        ReadNonce([1; 8]),
        Hash32([2; 32]),
        vec![leaf],
    )
}

#[test]
fn a_run_under_its_signature_is_taken() {
    let secret = device();
    let (made, tip) = changes(&secret, 3);
    let statement = statement(
        &secret,
        ChangeRef {
            chain: chain_of(&secret),
            seq: 3,
        },
        &tip,
    );
    assert_eq!(
        Statement::from_bytes(&statement.to_bytes()),
        Ok(statement.clone())
    );
    let verified = statement.verify(&REALM, &secret.public()).unwrap();
    let run = verified
        .run(&REALM, made.clone(), Hash32::default())
        .unwrap();
    assert_eq!(run.changes().count(), 3);

    // A later part of the same chain, once its beginning is in the log.
    let after_first = made.first().unwrap().change.hash(&REALM);
    assert!(
        verified
            .run(&REALM, made[1..].to_vec(), after_first)
            .is_ok()
    );
}

#[test]
fn nothing_forged_passes() {
    let secret = device();
    let (made, tip) = changes(&secret, 3);
    let last = ChangeRef {
        chain: chain_of(&secret),
        seq: 3,
    };
    let signed = statement(&secret, last, &tip);

    // Another key, another realm, another byte.
    let stranger = Secret::from_bytes(&[8; 32]);
    assert!(signed.clone().verify(&REALM, &stranger.public()).is_none());
    let elsewhere = Realm {
        org: OrgId([9; 16]),
        ..REALM
    };
    assert!(
        signed
            .clone()
            .verify(&elsewhere, &secret.public())
            .is_none()
    );
    let bytes = signed.to_bytes();
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        let passes = Statement::from_bytes(&flipped)
            .is_ok_and(|s| s.verify(&REALM, &secret.public()).is_some());
        assert!(!passes, "a flip at byte {place} passed");
    }

    let verified = signed.verify(&REALM, &secret.public()).unwrap();
    let run = |changes: Vec<FullChange>| verified.run(&REALM, changes, Hash32::default()).err();
    assert_eq!(
        run(made[..2].to_vec()),
        Some(BrokenRun::Unsigned),
        "cut short"
    );
    assert_eq!(run(Vec::new()), Some(BrokenRun::Number));
    let mut gap = made.clone();
    gap.remove(1);
    assert_eq!(run(gap), Some(BrokenRun::Number));
    let mut turned = made.clone();
    turned.swap(0, 1);
    assert_eq!(
        run(turned),
        Some(BrokenRun::Previous),
        "its first does not follow the log"
    );
    let mut edited = made.clone();
    if let Some(slot) = edited
        .get_mut(1)
        .and_then(|full| full.change.slots.get_mut(1))
    {
        slot.1 = crate::change::Slot::Plain(Value::Number(99));
    }
    assert_eq!(
        run(edited),
        Some(BrokenRun::Previous),
        "the change after it names another hash"
    );
    let mut foreign = made.clone();
    if let Some(full) = foreign.first_mut() {
        full.change.device = stranger.id();
    }
    assert_eq!(run(foreign), Some(BrokenRun::Device));
    assert_eq!(
        verified.run(&REALM, made, Hash32([1; 32])).err(),
        Some(BrokenRun::Previous),
        "it must follow what the log has"
    );
}

#[test]
fn chains_differ_by_all_that_names_them() {
    let secret = device();
    let logbook = Logbook {
        group: GroupId([5; 16]),
        lane: Lane::Open,
    };
    let base = chain_id(
        &REALM,
        &secret.public(),
        InstallationNonce([6; 16]),
        logbook,
    );
    let tips = Logbook {
        lane: Lane::Tip,
        ..logbook
    };
    assert_ne!(
        base,
        chain_id(&REALM, &secret.public(), InstallationNonce([6; 16]), tips)
    );
    assert_ne!(
        base,
        chain_id(
            &REALM,
            &secret.public(),
            InstallationNonce([7; 16]),
            logbook
        )
    );
    let stranger = Secret::from_bytes(&[8; 32]);
    assert_ne!(
        base,
        chain_id(
            &REALM,
            &stranger.public(),
            InstallationNonce([6; 16]),
            logbook
        )
    );
}

#[test]
fn a_receipt_covers_head_fates_and_leaves() {
    let log = Secret::from_bytes(&[3; 32]);
    let head = Head {
        generation: 1,
        generation_start: 0,
        size: 9,
        safe_size: 0,
        root: Hash32([4; 32]),
        time_s: 1_790_000_000,
    };
    let leaves = [Hash32([5; 32]), Hash32([6; 32])];
    let said = |statement: u8, fates: &[u8], leaves: &[Hash32], layout: u8| {
        let (statement, layout) = (Hash32([statement; 32]), Hash32([layout; 32]));
        answer_hash(&REALM, log.id(), &statement, fates, leaves, &layout)
    };
    let answer = said(1, b"fates", &leaves, 7);
    let receipt = Receipt::sign(&REALM, &log, head, answer);
    assert!(receipt.verifies(&REALM, &log.public()));
    assert_eq!(
        Receipt::from_bytes(&receipt.to_bytes()),
        Ok(receipt.clone())
    );
    let bytes = receipt.to_bytes();
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        let passes = Receipt::from_bytes(&flipped).is_ok_and(|r| r.verifies(&REALM, &log.public()));
        assert!(!passes, "a flip at byte {place} passed");
    }
    for other in [
        said(2, b"fates", &leaves, 7),
        said(1, b"fate", &leaves, 7),
        said(1, b"fates", &leaves[..1], 7),
        said(1, b"fates", &leaves, 8),
    ] {
        assert_ne!(answer, other);
    }
    // A head's own signature is none for a receipt, and the other way round.
    let alone = head.sign(&REALM, &log);
    assert!(head.verifies(&REALM, &log.public(), &alone));
    assert!(
        !Receipt {
            signature: alone,
            ..receipt
        }
        .verifies(&REALM, &log.public())
    );
}

#[test]
fn the_digest_is_a_sum_in_any_order() {
    let (a, b, c) = (Hash32([1; 32]), Hash32([255; 32]), Hash32([7; 32]));
    let forward = Digest::default().plus(&a).plus(&b).plus(&c);
    let back = Digest::default()
        .plus(&c)
        .and(Digest::default().plus(&b).plus(&a));
    assert_eq!(forward, back);
    assert_ne!(forward, Digest::default().plus(&a).plus(&b));
}
