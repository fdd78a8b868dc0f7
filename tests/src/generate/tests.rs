//! The specification's checks of the generator, each of which can fail.

use sync_core::ids::sha256;
use sync_core::value::{FieldKey, Value};
use sync_core::vocabulary::Lane;

use super::check::{Counted, founding, whole};
use super::json::record;
use super::{Dirt, Fate, Planned, Profile, World};

fn all(profile: Profile, seed: u64) -> (World, Vec<Planned>) {
    let world = World::of(profile, seed);
    let records = (0..world.months_count()).flat_map(|month| world.month(month));
    let records = records.collect();
    (world, records)
}

fn hash(profile: Profile, seed: u64) -> String {
    let (world, records) = all(profile, seed);
    let lines = records
        .iter()
        .map(|planned| record(&world, planned).to_string());
    sha256(lines.collect::<Vec<_>>().join("\n").as_bytes()).to_string()
}

/// Whoever changes what comes out gives `VERSION` a new number and this a new value.
#[test]
fn a_seed_gives_the_same_bytes_on_every_machine() {
    assert_eq!(hash(Profile::Demo, 1), DEMO_1);
    assert_ne!(hash(Profile::Demo, 2), DEMO_1);
}

const DEMO_1: &str = "573581f1fea5610d3bdb40677abcb7748a61cd0f30088d6672a9eecdff585a29";

#[test]
fn the_small_profiles_hold_their_checks_for_any_seed() {
    for seed in 0..40 {
        for profile in [Profile::Demo, Profile::Commune] {
            let (_, faults) = whole(&World::of(profile, seed), |_month| ());
            assert_eq!(faults, Vec::<String>::new(), "{profile}, seed {seed}");
        }
    }
}

#[test]
fn a_demonstration_is_six_groups_and_about_four_hundred_records() {
    for seed in 0..20 {
        let (world, records) = all(Profile::Demo, seed);
        assert_eq!((world.groups.len(), world.phones.len()), (6, 11));
        assert!((300..520).contains(&records.len()), "{}", records.len());
    }
}

#[test]
fn a_commune_has_one_of_everything() {
    for seed in 0..8 {
        let (_, records) = all(Profile::Commune, seed);
        let any = |what: &dyn Fn(&Planned) -> bool| records.iter().any(what);
        for lane in Lane::ALL {
            assert!(any(&|row| row.lane == lane), "{lane:?}, seed {seed}");
        }
        assert!(any(&|row| row.dirt.is_some()));
        assert!(any(&|row| row.duplicates));
        assert!(any(&|row| row.resent));
        assert!(any(&|row| matches!(row.fate, Fate::Rivals { .. })));
        assert!(any(&|row| matches!(row.fate, Fate::Withdrawn(_))));
        assert!(any(&|row| matches!(row.fate, Fate::Returned { .. })));
        assert!(
            any(&|row| matches!(row.fate, Fate::Reissued(_))),
            "seed {seed}"
        );
        assert!(any(&|row| row.dirt == Some(Dirt::FarClock)));
    }
}

/// 891 groups, 241,300 tips, 181,000 of value, 260 dossiers; all shares within their part.
#[test]
fn the_seed_holds_all_of_its_numbers() {
    let world = World::of(Profile::Seed, 1);
    let (counted, faults) = whole(&world, |_month| ());
    assert_eq!(faults, Vec::<String>::new());
    assert!(
        (1_150_000..1_300_000).contains(&counted.records),
        "{}",
        counted.records
    );
    assert_eq!(super::commendations(&world).len(), 260);
}

#[test]
fn large_profiles_are_founded_as_they_should_be() {
    for profile in [Profile::Cantho, Profile::Stress] {
        assert_eq!(
            founding(&World::of(profile, 1)),
            Vec::<String>::new(),
            "{profile}"
        );
    }
    let teams = World::of(Profile::Cantho, 1);
    let members: usize = teams.groups.iter().map(|group| group.members.len()).sum();
    assert_eq!((teams.groups.len(), members), (1_888, 6_784));
}

/// The checks see what is wrong.
#[test]
fn a_tip_with_words_and_a_category_of_its_own_is_found_out() {
    let (world, records) = all(Profile::Demo, 1);
    let tip = records.iter().find(|row| row.lane == Lane::Tip).unwrap();
    let with = |field: u16, value: Value| {
        let mut bad = tip.clone();
        bad.values.insert(FieldKey::plain(field), value);
        let mut counted = Counted::default();
        counted.take(&world, &[bad]);
        counted.faults
    };
    let words = with(5, Value::Text("một người nói".to_owned()));
    assert!(
        words.iter().any(|fault| fault.contains("says more")),
        "{words:?}"
    );
    let category = with(44, Value::Choice(99));
    assert_eq!(category.len(), 1, "{category:?}");
}
