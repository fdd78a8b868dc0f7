//! The console's lists: their scope, their order, their pages, their words.

use std::collections::BTreeSet;

use sync_core::ids::{AreaRef, GroupId, RecordId};
use sync_core::text::{index_text, search_query};
use sync_core::vocabulary::Lane;

use super::*;

const ALL_LANES: &[Lane] = &Lane::ALL;

fn scope(area: ScopeArea, lanes: &[Lane], rounded: &[Lane]) -> Scope {
    Scope {
        area,
        lanes: lanes.to_vec(),
        rounded: rounded.to_vec(),
    }
}

fn everything() -> Scope {
    scope(ScopeArea::Province, ALL_LANES, &[])
}

fn query() -> ListQuery {
    ListQuery {
        limit: LIST_LIMIT_MAX,
        ..ListQuery::default()
    }
}

fn commune(n: u8) -> AreaRef {
    AreaRef([n; 16])
}

/// Rows of which every filter holds some: four groups in two communes, all lanes.
fn rows_of_all_kinds(count: u64) -> Vec<Row> {
    let mut dice = Dice(5);
    (1..=count)
        .map(|n| {
            let group = dice.roll(4) as u8;
            let mut row = row(n * 3);
            row.group = GroupId([group; 16]);
            row.commune = commune(group % 2);
            row.area = AreaRef([20 + dice.roll(5) as u8; 16]);
            row.lane = Lane::ALL[dice.roll(4) as usize];
            row.record_type = dice.roll(3) as u16;
            row.state = dice.roll(3) as u16;
            row.day = 20_000 + dice.roll(200) as i32;
            row.member = (dice.roll(9) > 0).then_some(7);
            row.withdrawn = dice.roll(9) == 0;
            row.rivals = dice.roll(9) == 0;
            row.unanswered = dice.roll(9) == 0;
            row.newest = row.first + dice.roll(50);
            if !row.lane.is_closed() {
                row.headline = format!("line {n}");
                row.words = index_text(if n % 2 == 0 {
                    "Tuần tra đêm"
                } else {
                    "họp tổ"
                });
            }
            row
        })
        .collect()
}

fn filled() -> (tempfile::TempDir, SqliteStore, Vec<Row>) {
    let (directory, mut store) = with_store();
    let rows = rows_of_all_kinds(600);
    project(&mut store, &rows);
    (directory, store, rows)
}

fn list(store: &mut SqliteStore, scope: &Scope, query: &ListQuery) -> Page {
    store
        .transact(|ledger| ledger.snapshot().list(scope, query))
        .unwrap()
}

/// All pages of a list, each of `limit` rows.
fn pages(store: &mut SqliteStore, scope: &Scope, query: &ListQuery, limit: u32) -> Vec<Row> {
    let mut query = ListQuery {
        limit,
        ..query.clone()
    };
    let mut rows = Vec::new();
    loop {
        let page = list(store, scope, &query);
        assert!(page.rows.len() <= limit as usize);
        rows.extend(page.rows);
        query.before = page.next;
        if query.before.is_none() {
            return rows;
        }
        assert_eq!(query.before, rows.last().map(|row| row.first));
    }
}

/// What a list must give, computed without an index.
fn expected(rows: &[Row], scope: &Scope, query: &ListQuery) -> Vec<Row> {
    let is_wanted = |row: &&Row| {
        let in_scope = match scope.area {
            ScopeArea::Province => true,
            ScopeArea::Commune(commune) => row.commune == commune,
            ScopeArea::Group(group) => row.group == group,
        };
        in_scope
            && scope.lanes.contains(&row.lane)
            && !scope.rounded.contains(&row.lane)
            && query.group.is_none_or(|group| row.group == group)
            && query.area.is_none_or(|area| row.area == area)
            && query.commune.is_none_or(|commune| row.commune == commune)
            && query.record_type.is_none_or(|n| row.record_type == n)
            && query.state.is_none_or(|n| row.state == n)
            && query.lane.is_none_or(|lane| row.lane == lane)
            && query.from_day.is_none_or(|day| row.day >= day)
            && query.until_day.is_none_or(|day| row.day < day)
            && (!query.unanswered_only || row.unanswered)
            && (!query.rivals_only || row.rivals)
            && query
                .search
                .as_ref()
                .is_none_or(|search| search.finds(&row.words))
    };
    let wanted = rows.iter().rev().filter(is_wanted).cloned();
    wanted
        .map(|mut row| {
            row.words.clear();
            row
        })
        .collect()
}

#[test]
fn every_list_is_what_its_filters_say_page_after_page() {
    let (_directory, mut store, rows) = filled();
    let mut dice = Dice(9);
    let areas = [
        ScopeArea::Province,
        ScopeArea::Commune(commune(1)),
        ScopeArea::Group(GroupId([2; 16])),
    ];
    let mut some_count = 0;
    for round in 0..400 {
        let mut sometimes = |times: u64| dice.roll(times) == 0;
        let query = ListQuery {
            group: sometimes(5).then_some(GroupId([2; 16])),
            area: sometimes(5).then_some(AreaRef([22; 16])),
            commune: sometimes(5).then_some(commune(1)),
            record_type: sometimes(4).then_some(1),
            state: sometimes(4).then_some(2),
            lane: sometimes(4).then_some(Lane::Tip),
            from_day: sometimes(3).then_some(20_030),
            until_day: sometimes(3).then_some(20_090),
            unanswered_only: sometimes(6),
            rivals_only: sometimes(6),
            search: sometimes(5).then(|| search_query("tuan tra").unwrap()),
            ..query()
        };
        let lanes = if sometimes(2) {
            ALL_LANES
        } else {
            &[Lane::Open, Lane::Tip]
        };
        let rounded: &[Lane] = if sometimes(4) { &[Lane::Tip] } else { &[] };
        let scope = scope(areas[round % 3], lanes, rounded);
        let expected = expected(&rows, &scope, &query);
        some_count += usize::from(!expected.is_empty());
        assert_eq!(
            pages(&mut store, &scope, &query, 7),
            expected,
            "{scope:?} {query:?}"
        );
    }
    assert!(some_count > 100, "{some_count}");
}

#[test]
fn no_list_sorts_all_rows() {
    let (_directory, mut store, _rows) = filled();
    let filters = [
        query(),
        ListQuery {
            group: Some(GroupId([2; 16])),
            ..query()
        },
        ListQuery {
            area: Some(AreaRef([22; 16])),
            ..query()
        },
        ListQuery {
            commune: Some(commune(1)),
            ..query()
        },
        ListQuery {
            record_type: Some(1),
            ..query()
        },
        ListQuery {
            state: Some(1),
            ..query()
        },
        ListQuery {
            lane: Some(Lane::Tip),
            ..query()
        },
        ListQuery {
            from_day: Some(20_000),
            ..query()
        },
        ListQuery {
            unanswered_only: true,
            ..query()
        },
        ListQuery {
            rivals_only: true,
            ..query()
        },
        ListQuery {
            search: Some(search_query("tuan tra").unwrap()),
            ..query()
        },
    ];
    for filter in filters {
        let steps = store
            .transact(|ledger| Ok(ledger.snapshot().list_steps(&everything(), &filter)))
            .unwrap();
        assert!(!steps.contains("TEMP B-TREE"), "{filter:?}: {steps}");
    }
    assert!(list(&mut store, &everything(), &query()).next.is_some());
}

#[test]
fn a_row_is_found_in_its_scope_only() {
    let (_directory, mut store, rows) = filled();
    let tip = rows.iter().find(|row| row.lane == Lane::Tip).unwrap();
    let elsewhere = if tip.commune == commune(0) {
        commune(1)
    } else {
        commune(0)
    };
    let mut found = |scope: &Scope, record: RecordId| {
        store
            .transact(|ledger| ledger.snapshot().row(scope, record))
            .unwrap()
    };
    assert_eq!(found(&everything(), tip.record).as_ref(), Some(tip));
    assert_eq!(found(&everything(), RecordId([0xee; 16])), None);
    for (area, lanes, rounded) in [
        (ScopeArea::Commune(elsewhere), ALL_LANES, &[][..]),
        (ScopeArea::Group(GroupId([9; 16])), ALL_LANES, &[]),
        (ScopeArea::Province, &[Lane::Open, Lane::Mediation], &[]),
        (ScopeArea::Province, &[], &[]),
        (ScopeArea::Province, ALL_LANES, &[Lane::Tip]),
    ] {
        assert_eq!(found(&scope(area, lanes, rounded), tip.record), None);
    }
}

#[test]
fn words_are_found_without_accents_and_only_in_the_open_lane() {
    let (_directory, mut store) = with_store();
    let mut open_lane = row(1);
    open_lane.words = index_text("Đội tuần tra ở Đồng Tháp, ភូមិ");
    let mut tip = row(2);
    tip.lane = Lane::Tip;
    tip.words = open_lane.words.clone();
    tip.headline = "must not be kept".to_owned();
    project(&mut store, &[open_lane, tip]);
    let mut found = |text: &str| -> Vec<u64> {
        let query = ListQuery {
            search: Some(search_query(text).unwrap()),
            ..query()
        };
        let page = list(&mut store, &everything(), &query);
        page.rows.iter().map(|row| row.first).collect()
    };
    for text in [
        "dong thap",
        "Đồng Tháp",
        "doi tuan tra",
        "tuan tra, dong thap",
    ] {
        assert_eq!(found(text), [1], "{text}");
    }
    assert!(found("thap dong").is_empty(), "a phrase keeps its order");
    assert!(found("OR AND").is_empty());
    let kept = list(&mut store, &everything(), &query()).rows;
    assert_eq!(kept[0].headline, "");
    let columns: i64 = store
        .connection()
        .query_row("select count(*) from record_words_docsize", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(columns, 1, "the words of the tip are not indexed");
}

#[test]
fn projecting_again_replaces_row_and_words() {
    let (_directory, mut store) = with_store();
    let mut changed = row(4);
    changed.words = index_text("tuần tra đêm");
    project(&mut store, &[changed.clone()]);
    changed.words = index_text("họp tổ dân phố");
    changed.state = 3;
    project(&mut store, &[changed.clone()]);
    let mut count = |text: &str| {
        let query = ListQuery {
            search: Some(search_query(text).unwrap()),
            ..query()
        };
        list(&mut store, &everything(), &query).rows.len()
    };
    assert_eq!((count("tuan tra"), count("hop to")), (0, 1));
    changed.first = 9;
    changed.newest = 9;
    project(&mut store, &[changed.clone()]);
    let rows = list(&mut store, &everything(), &query()).rows;
    assert_eq!(rows.iter().map(|row| row.first).collect::<Vec<_>>(), [9]);
    let mut other = row(8);
    other.first = 9;
    let refused = store.transact(|ledger| ledger.project(&other));
    assert!(matches!(refused, Err(LedgerFault::Failed(_))));
    store.transact(|ledger| ledger.clear_derived()).unwrap();
    assert!(list(&mut store, &everything(), &query()).rows.is_empty());
    project(&mut store, &[changed]);
    assert_eq!(list(&mut store, &everything(), &query()).rows.len(), 1);
}

#[test]
fn counts_hold_every_lane_known_and_nothing_else() {
    let (_directory, mut store, rows) = filled();
    let lanes = [Lane::Open, Lane::Tip];
    let (from, until) = (20_010, 20_100);
    let is_counted = |row: &&Row| {
        lanes.contains(&row.lane) && (from..until).contains(&row.day) && !row.withdrawn
    };
    let scope = scope(ScopeArea::Province, &[Lane::Open], &[Lane::Tip]);
    let counts = store
        .transact(|ledger| {
            ledger
                .snapshot()
                .count_by_type(&scope, commune(1), from, until)
        })
        .unwrap();
    let in_commune = rows
        .iter()
        .filter(is_counted)
        .filter(|row| row.commune == commune(1));
    let types: Vec<u16> = in_commune.map(|row| row.record_type).collect();
    let of_type = |n| types.iter().filter(|found| **found == n).count() as u64;
    assert_eq!(counts, [(0, of_type(0)), (1, of_type(1)), (2, of_type(2))]);
    let elsewhere = Scope {
        area: ScopeArea::Commune(commune(0)),
        ..scope.clone()
    };
    let none = store
        .transact(|ledger| {
            ledger
                .snapshot()
                .count_by_type(&elsewhere, commune(1), from, until)
        })
        .unwrap();
    assert!(none.is_empty());

    let rounded = store
        .transact(|ledger| ledger.snapshot().rounded_list(&scope, from, until, None))
        .unwrap();
    let tips = rows
        .iter()
        .filter(is_counted)
        .filter(|row| row.lane == Lane::Tip);
    let known: BTreeSet<(i32, AreaRef, u16)> = tips
        .clone()
        .map(|row| (row.day, row.commune, row.record_type))
        .collect();
    assert_eq!(
        rounded.iter().map(|row| row.count).sum::<u64>(),
        tips.count() as u64
    );
    assert_eq!(rounded.len(), known.len());
    assert!(rounded.is_sorted_by_key(|row| (-row.day, row.commune, row.record_type)));
    assert!(
        rounded
            .iter()
            .all(|row| known.contains(&(row.day, row.commune, row.record_type)))
    );
}

/// The search index keeps what it knows of itself with each connection: one that searched before
/// the index was merged must not call that damage.
#[test]
fn a_reader_that_searched_before_a_merge_finds_no_damage_after_it() {
    let (_directory, mut store, _) = filled();
    let readers = Readers::open(store.path(), 1).unwrap();
    let searched = ListQuery {
        search: Some(search_query("tuan tra").unwrap()),
        ..query()
    };
    for round in 0..8_u64 {
        let found = readers.read(|snapshot| snapshot.list(&everything(), &searched));
        assert!(!found.unwrap().rows.is_empty());
        for n in 0..20 {
            let mut row = row(10_000 + round * 100 + n);
            row.words = index_text(&format!("Tuần tra đêm {round} {n}"));
            project(&mut store, &[row]);
        }
        assert_eq!(
            readers.read(|snapshot| snapshot.check()),
            Ok(None),
            "{round}"
        );
    }
}
