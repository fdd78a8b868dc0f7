//! The words of each kind of value, and the calendar.

use super::*;
use crate::calendar::civil_from_days;

/// Checks fields of one type, each with a value and its words.
fn says(type_id: &str, cases: &[(&str, Value, &str)]) {
    for (field, value, wanted) in cases {
        let number = key(type_id, field).number;
        let text = value_text(v(), number, value, &|_| None);
        assert_eq!(text, *wanted, "{type_id} {field}");
    }
}

#[test]
fn numbers_choices_and_text_have_their_words() {
    let findings = Value::Choices(vec![1, 2]);
    says(
        "patrol",
        &[
            ("handed_to_police", Value::YesNo(true), "có"),
            ("handed_to_police", Value::YesNo(false), "không"),
            ("distance", Value::Number(12_000), "12000"),
            ("route_id", Value::Number(12), "12"),
            ("findings", findings, "đèn hư; cổng mở"),
            ("findings", Value::Choices(vec![]), "(trống)"),
            ("summary", words("Bình yên"), "Bình yên"),
            ("summary", words(""), "(trống)"),
        ],
    );
    says(
        "incident",
        &[
            ("property_damage", Value::Number(1_250_000), "1.250.000 đ"),
            ("property_damage", Value::Number(999), "999 đ"),
            ("property_damage", Value::Number(0), "0 đ"),
            ("kind", chosen("incident", "kind", "fire"), "cháy"),
            ("kind", Value::Choice(999), "999"),
        ],
    );
    let mistaken = Value::Choice(reason("mistaken"));
    says("tip", &[("withdrawn_reason", mistaken, "ghi nhầm")]);
    says("tip", &[("police_receipt_no", words("AB12"), "AB12")]);
    says("training", &[("hours", Value::Number(125), "12,5")]);
    says("training", &[("hours", Value::Number(30), "3,0")]);
    says("handover", &[("to_member", Value::Number(3), "3")]);
}

#[test]
fn times_and_places_have_their_words() {
    let (start, night) = (time(22, 0), time(25, 10));
    let until = "22:00 01/07/2026 – 01:10 02/07/2026";
    let area = Value::Area(AreaRef([0xab; 16]));
    let links = Value::Links(vec![RecordId([1; 16]), RecordId([2; 16])]);
    let names = format!("{}; {}", "01".repeat(16), "02".repeat(16));
    says(
        "patrol",
        &[
            ("day", Value::Day(JULY_1), "01/07/2026"),
            ("called.at", Value::Time(time(7, 5)), "07:05 01/07/2026"),
            ("occurred", evening(), "19:30 – 21:05 01/07/2026"),
            ("occurred", Value::Interval(start, Some(night)), until),
            (
                "occurred",
                Value::Interval(start, None),
                "từ 22:00 01/07/2026",
            ),
            (
                "geo",
                Value::Position(97_000, -5, 12),
                "9.7000, -0.0005 (±12 m)",
            ),
            ("area_id", area.clone(), &"ab".repeat(16)),
            ("links.follows", links, &names),
        ],
    );
    let named = value_text(v(), AREA.number, &area, &|_| Some("khóm Hai".to_owned()));
    assert_eq!(named, "khóm Hai");
}

#[test]
fn days_are_those_of_the_calendar() {
    for (day, wanted) in [
        (0, "01/01/1970"),
        (-1, "31/12/1969"),
        (59, "01/03/1970"),
        (11_016, "29/02/2000"),
        (11_017, "01/03/2000"),
        (JULY_1, "01/07/2026"),
        (47_540, "28/02/2100"),
        (47_541, "01/03/2100"),
        (-719_528, "01/01/0000"),
    ] {
        assert_eq!(day_text(day), wanted);
    }
    // far ends must not overflow
    assert!(day_text(i32::MAX).ends_with("/5881580"));
    assert!(day_text(i32::MIN).ends_with("/-5877641"));
    // each day of two eras is the one after the day before
    let mut before = civil_from_days(-146_098);
    for day in -146_097..=146_097 {
        let (y, m, d) = before;
        let leap = y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
        let last = match m {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        let next = match (m, d) {
            (12, 31) => (y + 1, 1, 1),
            (m, d) if d == last => (y, m + 1, 1),
            (m, d) => (y, m, d + 1),
        };
        assert_eq!(civil_from_days(day), next, "day {day}");
        before = next;
    }
    let before_1970 = WallTime {
        minutes: -1,
        offset: 420,
    };
    assert_eq!(time_text(before_1970), "23:59 31/12/1969");
}
