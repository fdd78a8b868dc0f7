//! A filled directory is a whole log, and everything that follows from it is there.

use std::path::Path;

use server::office::{Begin, Office};
use server::store::{ListQuery, Scope, ScopeArea, SqliteStore};
use sync_core::hub::ledger::{Ledger as _, Store as _};
use sync_core::ids::AreaRef;
use sync_core::text::search_query;
use sync_core::vocabulary::Lane;

use super::{Rounds, load};
use crate::generate::{Profile, World};

fn filled(seed: u64) -> (tempfile::TempDir, World, super::Loaded) {
    let home = tempfile::tempdir().unwrap();
    let world = World::of(Profile::Demo, seed);
    let loaded = load(home.path(), &world, |_part, _records| ()).unwrap();
    (home, world, loaded)
}

fn scope(area: ScopeArea) -> Scope {
    Scope {
        area,
        lanes: Lane::ALL.to_vec(),
        rounded: Vec::new(),
    }
}

/// Records that somebody there finds who searches for `words`, page after page.
fn found(data: &Path, area: ScopeArea, words: Option<&str>) -> Vec<u64> {
    let (office, running) = Office::open(data, Begin::Refused).unwrap();
    let mut query = ListQuery {
        search: words.map(|words| search_query(words).unwrap()),
        limit: 7,
        ..ListQuery::default()
    };
    let mut all = Vec::new();
    loop {
        let page = office
            .read(|snapshot| snapshot.list(&scope(area), &query))
            .unwrap();
        all.extend(page.rows.iter().map(|row| row.first));
        query.before = page.next;
        if query.before.is_none() {
            break;
        }
    }
    drop(office);
    running.stop();
    all
}

#[test]
fn every_entry_of_a_filled_log_verifies() {
    let (home, world, loaded) = filled(3);
    let (office, running) = Office::open(home.path(), Begin::Refused).unwrap();
    let hub = office.hub();
    let report = office.read(|snapshot| hub.verify_log(snapshot)).unwrap();
    assert_eq!(report.faults, Vec::new());
    assert_eq!(report.asides, 0, "nothing was set aside");
    assert_eq!(report.changes, loaded.records + loaded.edits);
    assert_eq!(report.reviews, loaded.returned);
    assert_eq!(report.erased, loaded.erased);
    let groups = world.groups.len();
    assert!(report.controls > groups as u64 * 4, "{}", report.controls);
    drop(office);
    running.stop();
}

#[test]
fn rounds_save_every_record_once_and_nothing_before_its_creation() {
    for (seed, days) in [(1, 7), (2, 15), (3, 30)] {
        let world = World::of(Profile::Commune, seed);
        let records: usize = (0..world.months_count())
            .map(|month| world.month(month).len())
            .sum();
        let (mut created, mut again, mut last) = (std::collections::BTreeSet::new(), 0, 0.0);
        for round in Rounds::new(&world, days) {
            let saves = round.saves.values().flatten();
            let (new, edits): (Vec<_>, Vec<_>) = saves.partition(|save| save.creates.is_some());
            let before = created.clone();
            for save in new {
                assert!(created.insert(save.handle), "one record is created twice");
                again += usize::from(!save.links.is_empty());
            }
            for edit in edits {
                assert!(
                    before.contains(&edit.handle),
                    "an edit in the round of its creation"
                );
            }
            assert!(round.done >= last);
            last = round.done;
        }
        assert_eq!(created.len(), records + again, "seed {seed}");
        assert_eq!(last, 1.0);
    }
}

#[test]
fn what_follows_from_the_log_is_built_when_an_upgrade_has_emptied_it() {
    let (home, _, loaded) = filled(4);
    let before = found(home.path(), ScopeArea::Province, None);
    assert_eq!(before.len() as u64, loaded.records);
    let (mut store, _) = SqliteStore::open(home.path()).unwrap();
    store.transact(|ledger| ledger.clear_derived()).unwrap();
    drop(store);
    assert_eq!(found(home.path(), ScopeArea::Province, None), before);
}

#[test]
fn a_search_finds_in_a_commune_what_is_there_and_nothing_elsewhere() {
    let (home, world, _) = filled(5);
    let commune = world.groups[0].commune.area;
    let words = Some("tuần tra");
    let all = found(home.path(), ScopeArea::Province, words);
    assert!(all.len() > 10, "{}", all.len());
    // the demonstration has one commune
    assert_eq!(found(home.path(), ScopeArea::Commune(commune), words), all);
    let elsewhere = ScopeArea::Commune(AreaRef([7; 16]));
    assert_eq!(found(home.path(), elsewhere, words), Vec::<u64>::new());
}
