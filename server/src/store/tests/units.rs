//! Counts and lists by the units of the time and by today's, over the reorganisation of 2025.

use std::collections::BTreeMap;

use sync_core::calendar::read_iso;
use sync_core::ids::AreaRef;
use sync_core::territory::Resolved;
use sync_core::vocabulary::{
    AreaId, AreaLevel, CODE_SYSTEM_2025, CODE_SYSTEM_BEFORE_2025, Lane, UNITS_BEFORE_VALID_FROM,
    UNITS_VALID_FROM,
};

use super::*;

fn old(code: &str) -> AreaRef {
    let id = AreaId::of_unit(CODE_SYSTEM_BEFORE_2025, code, UNITS_BEFORE_VALID_FROM);
    AreaRef(*id.bytes())
}

fn new(code: &str) -> AreaRef {
    AreaRef(*AreaId::of_unit(CODE_SYSTEM_2025, code, UNITS_VALID_FROM).bytes())
}

fn day(text: &str) -> i32 {
    read_iso(text).unwrap()
}

fn everything() -> Scope {
    Scope {
        area: ScopeArea::Province,
        lanes: Lane::ALL.to_vec(),
        rounded: Vec::new(),
    }
}

fn about(n: u64, area: AreaRef, on: &str, lane: Lane, commune: AreaRef) -> Row {
    Row {
        area,
        commune,
        lane,
        day: day(on),
        ..row(n)
    }
}

fn count(store: &mut SqliteStore, level: AreaLevel, units: Units) -> BTreeMap<Counted, u64> {
    let counts = store
        .transact(|ledger| {
            let snapshot = ledger.snapshot();
            let which = CountedRows::about(i32::MIN, i32::MAX);
            snapshot.count_by_unit(&everything(), level, units, &which)
        })
        .unwrap();
    let mut sums = BTreeMap::new();
    for found in counts {
        *sums.entry(found.counted).or_default() += found.count;
    }
    sums
}

fn listed(store: &mut SqliteStore, unit: Option<AreaRef>, units: Units) -> usize {
    let page = store.transact(|ledger| {
        let snapshot = ledger.snapshot();
        let rows = snapshot.rows_of_unit(unit, AreaLevel::Commune, units)?;
        let query = ListQuery {
            units: Some(rows),
            limit: LIST_LIMIT_MAX,
            ..ListQuery::default()
        };
        snapshot.list(&everything(), &query)
    });
    page.unwrap().rows.len()
}

const TODAY: &str = "2026-03-01";

#[test]
fn a_split_leaves_its_remainder_beside_and_a_closed_lane_is_placed_by_its_group() {
    let (_directory, mut store) = with_store();
    let (split, part) = (old("27772"), new("27757"));
    let (merged, whole) = (old("25456"), new("25459"));
    let unknown = AreaRef([0xEE; 16]);
    let before = "2025-06-20";
    project(
        &mut store,
        &[
            about(1, merged, before, Lane::Open, whole),
            about(2, split, before, Lane::Open, part),
            about(3, split, before, Lane::Tip, part),
            // the group was not moved: nobody has placed it yet
            about(4, split, before, Lane::Tip, split),
            about(5, whole, "2026-01-10", Lane::Open, whole),
            // a phone that was offline for months
            about(6, merged, "2025-09-01", Lane::Open, whole),
            about(7, unknown, before, Lane::Open, whole),
        ],
    );
    let today = count(&mut store, AreaLevel::Commune, Units::On(day(TODAY)));
    let expected = [
        (Counted::In(whole), 3),
        (Counted::In(part), 1),
        (Counted::Remainder(split), 2),
        (Counted::Remainder(unknown), 1),
    ];
    assert_eq!(today, BTreeMap::from(expected));
    let then = count(&mut store, AreaLevel::Commune, Units::Then);
    let expected = [
        (Counted::In(merged), 1),
        (Counted::In(split), 3),
        (Counted::In(whole), 2),
        (Counted::Remainder(unknown), 1),
    ];
    assert_eq!(then, expected.into_iter().collect());
    // by hamlet a closed lane and what names none stand at their commune
    let hamlets = count(&mut store, AreaLevel::Hamlet, Units::On(day(TODAY)));
    assert_eq!(hamlets, today);
    // whichever part it was, the province is one
    let provinces = count(&mut store, AreaLevel::Province, Units::On(day(TODAY)));
    let expected = [
        (Counted::In(new("80")), 6),
        (Counted::Remainder(unknown), 1),
    ];
    assert_eq!(provinces, expected.into_iter().collect());
}

#[test]
fn a_list_of_a_unit_has_what_its_count_says() {
    let (_directory, mut store) = with_store();
    let areas: Vec<AreaRef> = ["27772", "25456", "25507", "31178", "31183"]
        .map(old)
        .into_iter()
        .chain(["25459", "27757", "27763", "31120", "25498"].map(new))
        .chain([AreaRef([0xEE; 16])])
        .collect();
    let mut dice = Dice(11);
    let mut one = |n: u64| Row {
        area: areas[dice.roll(areas.len() as u64) as usize],
        commune: areas[dice.roll(areas.len() as u64) as usize],
        lane: Lane::ALL[dice.roll(4) as usize],
        day: day("2025-06-20") + dice.roll(24) as i32,
        ..row(n)
    };
    let rows: Vec<Row> = (1..=190).map(&mut one).collect();
    project(&mut store, &rows);
    for units in [Units::Then, Units::On(day(TODAY))] {
        let counts = count(&mut store, AreaLevel::Commune, units);
        assert_eq!(counts.values().sum::<u64>(), 190, "nothing falls out");
        let mut remainder = 0;
        for (counted, count) in counts {
            match counted {
                Counted::In(unit) => {
                    assert_eq!(
                        listed(&mut store, Some(unit), units) as u64,
                        count,
                        "{unit}"
                    );
                }
                Counted::Remainder(_) => remainder += count,
            }
        }
        assert!(remainder > 0);
        assert_eq!(listed(&mut store, None, units) as u64, remainder);
    }
}

#[test]
fn the_units_before_2025_are_there_and_an_older_database_gets_them() {
    let (directory, store) = with_store();
    let ended = "select count(*) from area where valid_to is not null";
    let count = |store: &SqliteStore| -> i64 {
        store
            .connection()
            .query_row(ended, [], |row| row.get(0))
            .unwrap()
    };
    assert_eq!(count(&store), 1_678);
    let all = "delete from area where valid_to is not null";
    store.connection().execute_batch(all).unwrap();
    drop(store);
    let mut store = open(directory.path());
    assert_eq!(count(&store), 1_678);
    let territory = store
        .transact(|ledger| ledger.snapshot().territory())
        .unwrap();
    let (then, today) = (day("2025-06-20"), day(TODAY));
    let answer = territory.resolve(old("27772"), then, today);
    assert!(matches!(answer, Resolved::Several(parts) if parts.len() == 3));
}
