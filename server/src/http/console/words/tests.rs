use super::*;

#[test]
fn days_are_written_in_the_house_format_and_read_back() {
    assert_eq!(day_text(0), "01/01/1970");
    assert_eq!(day_text(20_700), "04/09/2026");
    for day in [0, 58, 59, 60, 364, 10_957, 11_016, 20_700, 24_000, 60_000] {
        assert_eq!(read_day(&day_text(day)), Some(day));
    }
    assert_eq!(read_day("2026-09-05"), read_day(" 5/9/2026 "));
    for wrong in [
        "",
        "31/06/2026",
        "29/02/2026",
        "5/9/26",
        "9/2026",
        "05.09.2026",
        "0/1/2026",
        "1/13/2026",
    ] {
        assert_eq!(read_day(wrong), None, "{wrong}");
    }
    assert!(read_day("29/02/2028").is_some());
}

#[test]
fn times_are_local_whatever_the_machine_thinks() {
    assert_eq!(time_text(0), "07:00 01/01/1970");
    assert_eq!(time_text(17 * 3_600 - 60), "23:59 01/01/1970");
    assert_eq!(time_text(-8 * 3_600), "23:00 31/12/1969");
    assert_eq!((local_day(17 * 3_600 - 1), local_day(17 * 3_600)), (0, 1));
}

#[test]
fn an_unknown_label_falls_back_to_the_vocabulary() {
    assert_eq!(Locale::En.label("type", "patrol", "Tuần tra"), "Patrol");
    assert_eq!(Locale::En.label("type", "new_kind", "Loại mới"), "Loại mới");
    assert_eq!(Locale::En.record_type(60_000), "60000");
}

#[test]
fn a_number_says_its_unit_in_both_languages() {
    assert_eq!(Locale::Vi.counted("120", "minutes"), "120 phút");
    assert_eq!(Locale::En.counted("120", "minutes"), "120 minutes");
    assert_eq!(Locale::En.counted("1", "people"), "1 person");
    assert_eq!(Locale::Vi.counted("12,5", "hours"), "12,5 giờ");
    assert_eq!(Locale::En.counted("12,5", "hours"), "12.5 hours");
    // what has no word of its own, and what only a newer vocabulary knows
    assert_eq!(Locale::Vi.counted("7", "count"), "7");
    assert_eq!(Locale::En.counted("7", "parsecs"), "7");
}
