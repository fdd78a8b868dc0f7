//! The Gregorian calendar in whole days: everything here counts days since 1970-01-01.
//!
//! Years are counted from March, so that the leap day is the last of its year, and in eras of 400
//! years, which are all equally long. Then every step is a division.

/// First year that a day may be written in.
pub const YEAR_MIN: i32 = 1900;
/// Last year that a day may be written in.
pub const YEAR_MAX: i32 = 2200;

const FROM_0000_03_01_TO_1970: i32 = 719_468;

/// Year, month and day of a day.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "an i32 of days in i64: no sum comes near the bounds"
)]
#[must_use]
pub fn civil_from_days(day: i32) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    let days = i64::from(day) + i64::from(FROM_0000_03_01_TO_1970);
    let (era, day_of_era) = (days.div_euclid(ERA_DAYS), days.rem_euclid(ERA_DAYS));
    let leap_days = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leap_days) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_month)
}

/// The day of a date, if the calendar has it and it lies in [`YEAR_MIN`] to [`YEAR_MAX`].
#[expect(
    clippy::arithmetic_side_effects,
    reason = "years, months and days are checked to be small first"
)]
#[must_use]
pub fn days_from_civil(year: i32, month: u8, day: u8) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        _ => return None,
    };
    if !(1..=last).contains(&day) || !(YEAR_MIN..=YEAR_MAX).contains(&year) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let month = (i32::from(month) + 9) % 12;
    let day_of_year = (153 * month + 2) / 5 + i32::from(day) - 1;
    let leaps = year / 4 - year / 100 + year / 400;
    Some(365 * year + leaps + day_of_year - FROM_0000_03_01_TO_1970)
}

/// Minutes that Vietnam is ahead of UTC; there is no daylight saving.
pub const VIETNAM_OFFSET_MINUTES: i16 = 7 * 60;
/// The same in seconds.
pub const VIETNAM_OFFSET_S: i64 = VIETNAM_OFFSET_MINUTES as i64 * 60;
/// Seconds of a day.
pub const DAY_S: i64 = 86_400;

/// The day in Vietnam of a moment in seconds since 1970.
#[must_use]
pub fn local_day(seconds: i64) -> i32 {
    let local = seconds.saturating_add(VIETNAM_OFFSET_S);
    i32::try_from(local.div_euclid(DAY_S)).unwrap_or(i32::MAX)
}

/// Reads `yyyy-mm-dd`, with every zero in its place.
#[must_use]
pub fn read_iso(text: &str) -> Option<i32> {
    let mut parts = text.split('-');
    let mut number = |digits_count: usize| -> Option<u16> {
        let part = parts.next()?;
        let digits = part.len() == digits_count && part.bytes().all(|byte| byte.is_ascii_digit());
        if digits { part.parse().ok() } else { None }
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    let (month, day) = (u8::try_from(month).ok()?, u8::try_from(day).ok()?);
    let found = days_from_civil(i32::from(year), month, day)?;
    parts.next().is_none().then_some(found)
}

/// A day as `yyyy-mm-dd`.
#[must_use]
pub fn iso_text(day: i32) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_day_follows_the_one_before_and_comes_back() {
        let first = days_from_civil(YEAR_MIN, 1, 1).unwrap();
        let last = days_from_civil(YEAR_MAX, 12, 31).unwrap();
        assert_eq!(read_iso("1970-01-01"), Some(0));
        assert_eq!(read_iso("2025-07-01"), Some(20_270));
        for day in first..=last {
            let (year, month, of_month) = civil_from_days(day);
            let year = i32::try_from(year).unwrap();
            let short = |number: i64| u8::try_from(number).unwrap();
            let back = days_from_civil(year, short(month), short(of_month));
            assert_eq!(back, Some(day));
            assert_eq!(read_iso(&iso_text(day)), Some(day));
        }
    }

    #[test]
    fn what_the_calendar_lacks_is_no_day() {
        for other in [
            "2026-02-29",
            "2026-13-01",
            "2026-00-01",
            "2026-04-31",
            "2026-4-01",
            "26-04-01",
            "2026-04-01-",
            "2026-04",
            "",
            "1899-12-31",
            "2201-01-01",
            "2026/04/01",
            "+026-04-01",
        ] {
            assert_eq!(read_iso(other), None, "{other:?}");
        }
    }
}
