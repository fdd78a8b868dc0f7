use super::*;
use crate::ids::{LogId, OrgId};

fn realm() -> Realm {
    Realm {
        org: OrgId([1; 16]),
        log: LogId([2; 16]),
    }
}

fn draft(said: Said) -> ActDraft {
    ActDraft {
        feed: Feed::Group(GroupId([3; 16])),
        generation: 1,
        seq: 1,
        previous: Hash32::default(),
        account: 7,
        time_s: 1_790_000_000,
        said,
        words: BTreeMap::from([(TEXT_PART, "Thiếu giờ".to_owned())]),
        seed: [9; 16],
    }
}

fn samples() -> Vec<Said> {
    let group = GroupId([3; 16]);
    let at = ChangeRef {
        chain: ChainId([4; 16]),
        seq: 5,
    };
    let area = AreaRef([6; 16]);
    let device = Secret::from_bytes(&[8; 32]).public();
    let controls = [
        Control::Generation {
            number: 2,
            start: 900,
        },
        Control::Group {
            group,
            area,
            commune: area,
            name: "Tổ ANTT Ấp 3".to_owned(),
        },
        Control::Member {
            group,
            number: 4,
            role: 1,
        },
        Control::MemberEnd { group, number: 4 },
        Control::Enrol {
            group,
            device,
            members: vec![1, 4],
        },
        Control::Revoke {
            group,
            device: device.id(),
        },
        Control::Officer {
            account: 3,
            role: 8,
            area,
            active: true,
        },
        Control::Areas {
            file: Hash32([5; 32]),
            rows: 12,
        },
        Control::Erase {
            change: at,
            keys: vec![FieldKey::plain(5), FieldKey::plain(6)],
        },
        Control::Admit {
            change: at,
            hash: Hash32([7; 32]),
        },
        Control::Vocabulary { version: 1 },
        Control::AreaEvents {
            file: Hash32([5; 32]),
            events: crate::territory::tests::one_of_each(),
        },
        Control::PeriodClosed(crate::closing::tests::sample()),
        Control::GroupLife {
            group,
            step: LifeStep {
                kind: 5,
                state: 4,
                day: 20_600,
                body: "UBND xã".to_owned(),
                decision: "12/QĐ-UBND".to_owned(),
            },
        },
    ];
    let review = Review {
        record: RecordId([1; 16]),
        heads: vec![at],
        field: Some(FieldKey::plain(5)),
        state: Some(7),
        reason: Some(4),
    };
    controls
        .into_iter()
        .map(Said::Control)
        .chain([Said::Review(review)])
        .collect()
}

#[test]
fn every_act_comes_back_and_no_cut_or_flip_verifies() {
    let log = Secret::from_bytes(&[5; 32]);
    for said in samples() {
        let full = draft(said).sign(&realm(), &log);
        let bytes = full.to_bytes();
        assert_eq!(FullAct::from_bytes(&bytes).as_ref(), Ok(&full));
        assert!(full.act.verifies(&realm(), &log.public()));
        for cut in 0..bytes.len() {
            assert!(FullAct::from_bytes(&bytes[..cut]).is_err());
        }
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            if let Ok(read) = FullAct::from_bytes(&other) {
                // only salts of words that are gone could differ unseen, and none are gone here
                assert!(!read.act.verifies(&realm(), &log.public()) || read.act == full.act);
            }
        }
    }
}

#[test]
fn words_can_be_erased_and_the_act_still_verifies() {
    let log = Secret::from_bytes(&[5; 32]);
    let mut full = draft(samples().remove(0)).sign(&realm(), &log);
    let before = full.act.hash(&realm());
    assert_eq!(full.words(TEXT_PART), Some("Thiếu giờ"));
    full.parts.erase(&[TEXT_PART]);
    let again = FullAct::from_bytes(&full.to_bytes()).expect("it is still well made");
    assert_eq!(again.words(TEXT_PART), None);
    assert_eq!(again.act.hash(&realm()), before);
    assert!(again.act.verifies(&realm(), &log.public()));
}
