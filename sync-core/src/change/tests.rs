use super::*;
use crate::ids::{LogId, OrgId};
use crate::value::AUTHOR_KEY;

const REALM: Realm = Realm {
    org: OrgId([1; 16]),
    log: LogId([2; 16]),
};
const SUMMARY: FieldKey = FieldKey::plain(5);
const PLACE: FieldKey = FieldKey::plain(6);
const PRESENT: FieldKey = FieldKey::plain(24);

fn draft() -> Draft {
    Draft {
        at: ChangeRef {
            chain: ChainId([3; 16]),
            seq: 1,
        },
        device: KeyId([4; 8]),
        previous: Hash32::default(),
        record: None,
        act: Act::Create {
            record_type: 1,
            vocabulary: 1,
        },
        clock_s: 1_790_000_000,
        mono_s: 77,
        seen: 5,
        heads: Vec::new(),
        plain: BTreeMap::from([(PRESENT, Value::Number(4))]),
        parts: BTreeMap::from([
            (AUTHOR_KEY, Value::Number(2)),
            (SUMMARY, Value::Text("Tuần tra, bình thường".to_owned())),
            (PLACE, Value::Text("cầu ván".to_owned())),
        ]),
        seed: [9; 16],
    }
}

#[test]
fn a_sealed_draft_is_well_made_and_comes_back() {
    let full = draft().seal();
    assert_eq!(full.check(), Ok(()));
    let bytes = full.to_bytes();
    assert_eq!(FullChange::from_bytes(&bytes), Ok(full.clone()));
    assert_eq!(
        full.value(SUMMARY),
        Some(&Value::Text("Tuần tra, bình thường".to_owned()))
    );
    assert_eq!(full.value(PRESENT), Some(&Value::Number(4)));
    for cut in 0..bytes.len() {
        assert!(
            FullChange::from_bytes(&bytes[..cut]).is_err(),
            "cut at {cut}"
        );
    }
}

#[test]
fn an_erased_part_leaves_the_hash_as_it_was() {
    let mut full = draft().seal();
    let before = full.change.hash(&REALM);
    full.parts.erase(&[SUMMARY]);
    assert_eq!(full.check(), Ok(()));
    assert_eq!(full.change.hash(&REALM), before);
    assert_eq!(full.value(SUMMARY), None);
    assert_eq!(full.value(PLACE), Some(&Value::Text("cầu ván".to_owned())));
    assert!(matches!(full.parts.secret, Secret::Salts(ref salts) if salts.len() == 2));
    let again = FullChange::from_bytes(&full.to_bytes()).unwrap();
    assert_eq!(again, full);
    // The bytes hold neither the text nor the seed from which its salt followed.
    let bytes = full.to_bytes();
    assert!(
        !bytes
            .windows(4)
            .any(|w| w == "Tuần".as_bytes().get(..4).unwrap())
    );
    assert!(!bytes.windows(16).any(|w| w == [9; 16]));
}

#[test]
fn what_is_not_the_authors_own_is_refused() {
    let good = draft().seal();

    let mut other_text = good.clone();
    other_text
        .parts
        .values
        .insert(SUMMARY, Value::Text("khác".to_owned()));
    assert_eq!(other_text.check(), Err(Malformed::Range));

    let mut other_record = good.clone();
    other_record.change.record = RecordId([8; 16]);
    assert_eq!(other_record.check(), Err(Malformed::Range));

    let mut added = good.clone();
    added
        .parts
        .values
        .insert(FieldKey::plain(7), Value::Number(1));
    assert_eq!(added.check(), Err(Malformed::Range));

    let mut missing = good.clone();
    missing.parts.values.remove(&PLACE);
    assert_eq!(
        missing.check(),
        Err(Malformed::Range),
        "nothing was erased, so all must be there"
    );

    let mut twice = good.clone();
    let first = twice.change.slots.first().cloned().unwrap();
    twice.change.slots.insert(0, first);
    assert_eq!(twice.check(), Err(Malformed::Order));

    let mut headless_edit = good;
    headless_edit.change.act = Act::Edit;
    assert_eq!(headless_edit.check(), Err(Malformed::Range));
}

#[test]
fn every_byte_counts() {
    let full = draft().seal();
    let hash = full.change.hash(&REALM);
    let bytes = full.to_bytes();
    for place in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[place] ^= 1;
        let accepted = FullChange::from_bytes(&flipped)
            .ok()
            .filter(|other| other.check().is_ok() && other.change.hash(&REALM) == hash);
        assert_eq!(accepted, None, "a flip at byte {place} went unseen");
    }
}

#[test]
fn another_realm_is_another_hash() {
    let full = draft().seal();
    let elsewhere = Realm {
        org: OrgId([1; 16]),
        log: LogId([3; 16]),
    };
    assert_ne!(full.change.hash(&REALM), full.change.hash(&elsewhere));
}

/// The vector that PROTOCOL.md prints: these bytes are a promise.
#[test]
fn the_golden_change() {
    let full = draft().seal();
    assert_eq!(
        (
            full.change.record.to_string(),
            full.change.hash(&REALM).to_string()
        ),
        crate::tests::golden_change()
    );
}
