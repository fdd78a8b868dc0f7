//! What becomes of areas: by hand, by chance, and by the whole table of 2025.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::bytes::{Reader, Writer};
use crate::vocabulary::{
    AreaId, UNITS_BEFORE_CSV, UNITS_CSV, UNITS_VALID_FROM, UnitTable, UnitsBefore,
};

const OLD: &str = "2018-01-01";

fn id(n: u8) -> AreaRef {
    AreaRef([n; 16])
}

fn day(text: &str) -> i32 {
    read_iso(text).unwrap()
}

fn area(n: u8, kind: AreaKind, parent: Option<u8>, from: &str) -> Area {
    Area {
        id: AreaId::from_bytes([n; 16]),
        name: format!("A{n}"),
        kind,
        parent: parent.map(|n| AreaId::from_bytes([n; 16])),
        valid_from: from.to_owned(),
        valid_to: None,
        code: Some(format!("{n:05}")),
        decision_no: None,
    }
}

/// Province 1; communes 2 to 5, and 9 from 2025; hamlets 12 and 13 in 2.
fn land() -> Territory {
    let mut areas = vec![area(1, AreaKind::Province, None, OLD)];
    areas.extend((2..=5).map(|n| area(n, AreaKind::Commune, Some(1), OLD)));
    areas.push(area(9, AreaKind::Ward, Some(1), "2025-07-01"));
    areas.extend([12, 13].map(|n| area(n, AreaKind::Ap, Some(2), OLD)));
    Territory::new(&areas)
}

fn event(on: &str, of: u8, change: AreaChange) -> AreaEvent {
    AreaEvent {
        day: day(on),
        area: id(of),
        decision: "12/NQ".to_owned(),
        change,
    }
}

fn merge(on: &str, of: u8, into: u8) -> AreaEvent {
    event(on, of, AreaChange::Merge { into: id(into) })
}

fn split(on: &str, of: u8, into: &[u8]) -> AreaEvent {
    let into = into.iter().map(|n| id(*n)).collect();
    event(on, of, AreaChange::Split { into })
}

fn rename(on: &str, of: u8, from: (&str, AreaKind), to: (&str, AreaKind)) -> AreaEvent {
    let told = |(name, kind): (&str, AreaKind)| (name.to_owned(), kind);
    let (from, to) = (told(from), told(to));
    event(on, of, AreaChange::Rename { from, to })
}

fn reparent(on: &str, of: u8, from: u8, to: u8) -> AreaEvent {
    let (from, to) = (id(from), id(to));
    event(on, of, AreaChange::Reparent { from, to })
}

/// One event of each kind.
pub(crate) fn one_of_each() -> Vec<AreaEvent> {
    vec![
        merge("2025-07-01", 2, 9),
        split("2025-07-01", 3, &[4, 9]),
        rename(
            "2026-01-01",
            4,
            ("A4", AreaKind::Commune),
            ("Tân Lập", AreaKind::Ward),
        ),
        event(
            "2026-01-01",
            5,
            AreaChange::Recode {
                from: "00005".to_owned(),
                to: "31999".to_owned(),
            },
        ),
        reparent("2026-01-01", 12, 2, 9),
    ]
}

#[test]
fn an_event_comes_back_from_its_bytes() {
    for event in one_of_each() {
        let mut w = Writer::new();
        event.write(&mut w);
        let bytes = w.into_bytes();
        assert_eq!(bytes.len(), event.bytes_count());
        assert_eq!(AreaEvent::read(&mut Reader::new(&bytes)), Ok(event));
        for cut in 0..bytes.len() {
            assert!(AreaEvent::read(&mut Reader::new(&bytes[..cut])).is_err());
        }
    }
}

#[test]
fn a_merged_area_is_the_other_from_that_day_on_and_several_when_looked_back_at() {
    let mut land = land();
    land.apply(&merge("2025-07-01", 2, 9)).unwrap();
    land.apply(&merge("2025-07-01", 3, 9)).unwrap();
    let (before, after) = (day("2025-06-30"), day("2025-07-01"));
    assert_eq!(land.resolve(id(2), before, before), Resolved::Unit(id(2)));
    assert_eq!(land.resolve(id(2), before, after), Resolved::Unit(id(9)));
    // a phone that was offline for months still says the old one
    assert_eq!(
        land.resolve(id(2), after + 90, after + 99),
        Resolved::Unit(id(9))
    );
    let both = Resolved::Several(vec![id(2), id(3)]);
    assert_eq!(land.resolve(id(9), after, before), both);
    // its name stays its own, and so do its hamlets' ways
    let up = |from, to| land.unit_at(id(12), AreaLevel::Commune, from, to);
    assert_eq!(up(before, before), Resolved::Unit(id(2)));
    assert_eq!(up(before, after), Resolved::Unit(id(9)));
    assert_eq!(up(after, after), Resolved::Unit(id(9)));
}

#[test]
fn a_merger_then_a_new_name_leads_to_one_area_under_its_new_name() {
    let mut land = land();
    land.apply(&merge("2025-07-01", 2, 9)).unwrap();
    let to = ("Tân Lập", AreaKind::Commune);
    land.apply(&rename("2026-02-01", 9, ("A9", AreaKind::Ward), to))
        .unwrap();
    let today = day("2026-03-01");
    assert_eq!(land.resolve(id(2), day(OLD), today), Resolved::Unit(id(9)));
    assert_eq!(land.version(id(9), today).unwrap().name, "Tân Lập");
    assert_eq!(land.version(id(9), day("2026-01-31")).unwrap().name, "A9");
}

#[test]
fn a_new_code_or_name_keeps_the_area_and_a_new_parent_changes_only_what_it_lies_in() {
    let mut land = land();
    let (from, to) = ("00004".to_owned(), "31999".to_owned());
    land.apply(&event("2025-07-01", 4, AreaChange::Recode { from, to }))
        .unwrap();
    let (then, now) = (day("2024-01-01"), day("2026-01-01"));
    assert_eq!(land.resolve(id(4), then, now), Resolved::Unit(id(4)));
    assert_eq!(
        land.version(id(4), then).unwrap().code.as_deref(),
        Some("00004")
    );
    assert_eq!(
        land.version(id(4), now).unwrap().code.as_deref(),
        Some("31999")
    );
    land.apply(&reparent("2025-07-01", 12, 2, 5)).unwrap();
    assert_eq!(land.resolve(id(12), then, now), Resolved::Unit(id(12)));
    let up = |to| land.unit_at(id(12), AreaLevel::Commune, then, to);
    assert_eq!(
        (up(then), up(now)),
        (Resolved::Unit(id(2)), Resolved::Unit(id(5)))
    );
}

#[test]
fn a_split_leaves_a_remainder_until_the_hamlet_is_placed() {
    let mut land = land();
    land.apply(&split("2025-07-01", 2, &[4, 9])).unwrap();
    let (then, now) = (day("2025-06-20"), day("2025-08-01"));
    let open = Resolved::Several(vec![id(4), id(9)]);
    assert_eq!(land.resolve(id(2), then, now), open);
    let up = |land: &Territory, n| land.unit_at(id(n), AreaLevel::Commune, then, now);
    assert_eq!((up(&land, 12), up(&land, 13)), (open.clone(), open.clone()));
    land.apply(&reparent("2025-07-01", 12, 2, 9)).unwrap();
    assert_eq!(
        (up(&land, 12), up(&land, 13)),
        (Resolved::Unit(id(9)), open)
    );
    // the province is the same whichever part it was
    let province = land.unit_at(id(13), AreaLevel::Province, then, now);
    assert_eq!(province, Resolved::Unit(id(1)));
}

#[test]
fn an_area_that_gives_a_part_away_goes_on() {
    let mut land = land();
    land.apply(&split("2024-01-01", 2, &[2, 3])).unwrap();
    let (before, after) = (day("2023-12-31"), day("2024-01-01"));
    let several = Resolved::Several(vec![id(2), id(3)]);
    assert_eq!(land.resolve(id(2), before, after), several);
    assert_eq!(land.resolve(id(2), after, after), Resolved::Unit(id(2)));
    assert_eq!(land.resolve(id(3), before, after), Resolved::Unit(id(3)));
    assert_eq!(land.resolve(id(3), after, before), several);
    // parts that come together again are one
    land.apply(&merge("2025-01-01", 3, 2)).unwrap();
    assert_eq!(
        land.resolve(id(2), before, day("2025-01-01")),
        Resolved::Unit(id(2))
    );
}

#[test]
fn events_of_one_day_follow_on_each_other_in_their_order() {
    let (before, after) = (day("2023-12-31"), day("2024-01-01"));
    let several = |all: &[u8]| Resolved::Several(all.iter().map(|n| id(*n)).collect());
    // 5 comes into 2 and 3; then 2 gives a part away, which may be of 5
    let mut land = land();
    land.apply(&split("2024-01-01", 5, &[2, 3])).unwrap();
    land.apply(&split("2024-01-01", 2, &[2, 4])).unwrap();
    assert_eq!(land.resolve(id(5), before, after), several(&[2, 3, 4]));
    assert_eq!(land.resolve(id(4), after, before), several(&[2, 4, 5]));
    // the other way round it is not
    let mut land = self::land();
    land.apply(&split("2024-01-01", 2, &[2, 4])).unwrap();
    land.apply(&split("2024-01-01", 5, &[2, 3])).unwrap();
    assert_eq!(land.resolve(id(5), before, after), several(&[2, 3]));
    assert_eq!(land.resolve(id(4), after, before), several(&[2, 4]));
}

#[test]
fn an_area_is_split_once_a_day() {
    let mut land = land();
    land.apply(&split("2024-01-01", 2, &[2, 3])).unwrap();
    let again = split("2024-01-01", 2, &[2, 4]);
    assert_eq!(land.apply(&again), Err(EventRefusal::Twice(id(2))));
    land.apply(&split("2024-01-02", 2, &[2, 4])).unwrap();
    let three = Resolved::Several([2, 3, 4].map(id).to_vec());
    assert_eq!(land.resolve(id(2), day(OLD), day("2024-01-02")), three);
}

#[test]
fn chains_are_followed_to_their_end_on_the_day_that_is_asked_for() {
    let mut land = land();
    for (on, of, into) in [
        ("2020-01-01", 2, 3),
        ("2021-01-01", 3, 4),
        ("2022-01-01", 4, 5),
    ] {
        land.apply(&merge(on, of, into)).unwrap();
    }
    for (to, unit) in [
        ("2019-01-01", 2),
        ("2020-06-01", 3),
        ("2021-06-01", 4),
        ("2022-01-01", 5),
    ] {
        let to = day(to);
        assert_eq!(land.resolve(id(2), day(OLD), to), Resolved::Unit(id(unit)));
    }
    let all = Resolved::Several([2, 3, 4, 5].map(id).to_vec());
    assert_eq!(
        land.resolve(id(5), day("2023-01-01"), day("2019-01-01")),
        all
    );
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let mut land = land();
    land.apply(&merge("2020-01-01", 2, 3)).unwrap();
    let good = land.clone();
    let name = |n: u8| (format!("A{n}"), AreaKind::Commune);
    let cases = [
        (merge("2021-01-01", 77, 3), EventRefusal::Unknown(id(77))),
        (merge("2021-01-01", 3, 77), EventRefusal::Unknown(id(77))),
        // a circle, on a later day and on the same
        (
            merge("2021-01-01", 3, 2),
            EventRefusal::NotThere(id(2), "2021-01-01".to_owned()),
        ),
        (
            merge("2020-01-01", 3, 2),
            EventRefusal::NotThere(id(2), "2020-01-01".to_owned()),
        ),
        (
            merge("2021-01-01", 2, 4),
            EventRefusal::NotThere(id(2), "2021-01-01".to_owned()),
        ),
        (merge("2021-01-01", 3, 3), EventRefusal::Targets),
        (merge("2021-01-01", 3, 12), EventRefusal::Level(id(12))),
        (
            merge("2021-01-01", 3, 9),
            EventRefusal::NotThere(id(9), "2021-01-01".to_owned()),
        ),
        (split("2021-01-01", 3, &[4]), EventRefusal::Targets),
        (split("2021-01-01", 3, &[4, 4]), EventRefusal::Targets),
        (
            rename(
                "2021-01-01",
                3,
                ("B", AreaKind::Commune),
                ("C", AreaKind::Ward),
            ),
            EventRefusal::NotAsSaid,
        ),
        (
            rename(
                "2021-01-01",
                3,
                ("A3", AreaKind::Commune),
                ("A3", AreaKind::Ap),
            ),
            EventRefusal::Level(id(3)),
        ),
        (
            event(
                "2021-01-01",
                3,
                AreaChange::Rename {
                    from: name(3),
                    to: name(3),
                },
            ),
            EventRefusal::Nothing,
        ),
        (reparent("2021-01-01", 12, 3, 4), EventRefusal::NotAsSaid),
        (
            reparent("2021-01-01", 12, 2, 13),
            EventRefusal::Level(id(13)),
        ),
        (reparent("2021-01-01", 1, 2, 3), EventRefusal::NotAsSaid),
        (
            merge(OLD, 3, 4),
            EventRefusal::NotThere(id(3), OLD.to_owned()),
        ),
    ];
    for (event, refusal) in cases {
        assert_eq!(land.apply(&event), Err(refusal), "{event:?}");
        assert_eq!(land, good);
    }
}

#[test]
fn events_of_an_area_are_taken_in_the_order_of_their_days() {
    let mut land = land();
    land.apply(&rename(
        "2022-01-01",
        3,
        ("A3", AreaKind::Commune),
        ("X", AreaKind::Ward),
    ))
    .unwrap();
    let early = merge("2021-01-01", 3, 4);
    let refusal = EventRefusal::OutOfOrder(id(3), "2022-01-01".to_owned());
    assert_eq!(land.apply(&early), Err(refusal));
}

fn events() -> impl Strategy<Value = Vec<(i32, u8, u8, u8, u8)>> {
    prop::collection::vec((0..60_i32, 0..5_u8, 2..10_u8, 2..10_u8, 2..10_u8), 0..40)
}

proptest! {
    /// Whatever events come, in whatever order: the answers end, name only areas that stand on the
    /// day, a record placed on its own day is what it says, and asking back from where one came to
    /// finds where one came from.
    #[test]
    fn answers_end_and_stand(drawn in events(), from in 0..60_i32, to in 0..60_i32) {
        let base = day("2020-01-01");
        let areas: Vec<Area> = (2..10_u8)
            .map(|n| area(n, AreaKind::Commune, Some(1), OLD))
            .chain([area(1, AreaKind::Province, None, OLD)])
            .collect();
        let mut land = Territory::new(&areas);
        let mut drawn = drawn;
        drawn.sort_by_key(|event| event.0);
        for (at, what, of, a, b) in drawn {
            let change = match what {
                0 | 1 => AreaChange::Merge { into: id(a) },
                _ => AreaChange::Split { into: BTreeSet::from([id(a), id(b)]).into_iter().collect() },
            };
            let event = AreaEvent { day: base.saturating_add(at), area: id(of), decision: String::new(), change };
            drop(land.apply(&event));
        }
        let (from, to) = (base.saturating_add(from), base.saturating_add(to));
        for n in 2..10 {
            if land.stands(id(n), from) {
                prop_assert_eq!(land.resolve(id(n), from, from), Resolved::Unit(id(n)));
            }
            let found = match land.resolve(id(n), from, to) {
                Resolved::Unit(one) => vec![one],
                Resolved::Several(several) => {
                    prop_assert!(several.len() > 1);
                    several
                }
                Resolved::Nowhere(why) => return Err(TestCaseError::fail(format!("{why:?}"))),
            };
            for unit in found {
                prop_assert!(land.stands(unit, to), "{unit} on {to}");
                if land.stands(id(n), from) {
                    let back = match land.resolve(unit, to, from) {
                        Resolved::Unit(one) => vec![one],
                        Resolved::Several(several) => several,
                        Resolved::Nowhere(why) => return Err(TestCaseError::fail(format!("{why:?}"))),
                    };
                    prop_assert!(back.contains(&id(n)), "{n} -> {unit} -> {back:?}");
                }
            }
        }
    }
}

fn units() -> UnitTable {
    UnitTable::parse("units.csv", UNITS_CSV).unwrap()
}

fn before() -> UnitsBefore {
    UnitsBefore::parse("units_before_2025.csv", UNITS_BEFORE_CSV, &units()).unwrap()
}

fn of_2025() -> Territory {
    let (units, before) = (units(), before());
    let mut land = Territory::new(units.areas().chain(&before.areas));
    for event in &before.events {
        land.apply(event).unwrap();
    }
    land
}

#[test]
fn the_table_of_2025_resolves_or_is_told_as_remainder() {
    let (units, before, land) = (units(), before(), of_2025());
    let (then, now) = (day("2025-06-20"), day(UNITS_VALID_FROM));
    let mut sums = BTreeMap::<&str, (usize, usize)>::new();
    let mut reached = BTreeSet::new();
    for area in before.areas.iter().filter(|area| area.parent.is_some()) {
        let old = AreaRef(*area.id.bytes());
        let province = land.unit_at(old, AreaLevel::Province, then, now);
        let Resolved::Unit(province) = province else {
            panic!("{}: {province:?}", area.name);
        };
        let province = units.area(AreaId::from_bytes(province.0)).unwrap();
        let sum = sums.entry(&province.name).or_default();
        match land.resolve(old, then, now) {
            Resolved::Unit(unit) => {
                sum.0 += 1;
                reached.insert(unit);
            }
            Resolved::Several(parts) => {
                sum.1 += 1;
                reached.extend(parts);
            }
            Resolved::Nowhere(why) => panic!("{}: {why:?}", area.name),
        }
    }
    let expected = [
        ("An Giang", (295, 3)),
        ("Cà Mau", (145, 19)),
        ("Cần Thơ", (260, 3)),
        ("Tây Ninh", (258, 22)),
        ("Vĩnh Long", (349, 5)),
        ("Đồng Tháp", (302, 3)),
    ];
    assert_eq!(sums.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!(reached.len(), 591, "every new commune has its old ones");
    assert_eq!(before.areas.len() - 1_664, 14, "old provinces");
}

#[test]
fn a_commune_that_was_split_is_told_with_its_parts() {
    let (units, land) = (units(), of_2025());
    let old = before();
    let found = old
        .areas
        .iter()
        .find(|area| area.code.as_deref() == Some("27772"))
        .unwrap();
    assert_eq!(
        (found.name.as_str(), found.kind),
        ("Thái Bình Trung", AreaKind::Commune)
    );
    let mut parts: Vec<AreaRef> = ["27757", "27763", "27775"]
        .map(|code| AreaRef(*units.commune(code).unwrap().id.bytes()))
        .to_vec();
    parts.sort_unstable();
    let answer = land.resolve(
        AreaRef(*found.id.bytes()),
        day("2025-06-20"),
        day("2026-01-01"),
    );
    assert_eq!(answer, Resolved::Several(parts));
    // outside the six provinces nothing is known of before, and nothing is made up
    let ha_noi = AreaRef(*units.commune("00004").unwrap().id.bytes());
    let answer = land.resolve(ha_noi, day("2025-07-01"), day("2025-06-30"));
    assert_eq!(answer, Resolved::Nowhere(Nowhere::NotYet(ha_noi)));
}

#[test]
fn no_two_old_communes_of_a_province_have_one_name() {
    let mut names = BTreeSet::new();
    for area in before().areas {
        let told = format!("{:?} {} {}", area.parent, area.kind.word(), area.name);
        assert!(names.insert(told.clone()), "{told}");
    }
}

#[test]
fn faults_of_the_old_table_name_line_and_remedy() {
    let text = "level,code,name_vi,kind,district,province_code,into,check\n\
        province,94,Sóc Trăng,tỉnh,,94,92,\n\
        commune,31498,1,làng,,94,31507,\n\
        commune,31499,Mỹ Tú,xã,,94,31507|31507,\n\
        commune,31500,Mỹ Hương,xã,,95,31507,\n\
        commune,3150,Mỹ Phước,xã,,94,31507,\n";
    let faults = UnitsBefore::parse("b.csv", text, &units()).unwrap_err();
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    for (line, start) in told.iter().zip([
        "b.csv line 3: kind \"làng\"",
        "b.csv line 4: target \"31507\"",
        "b.csv line 5: province code \"95\"",
        "b.csv line 6: code \"3150\"",
    ]) {
        assert!(line.starts_with(start), "{told:?}");
    }
    assert_eq!(told.len(), 4, "{told:?}");
}
