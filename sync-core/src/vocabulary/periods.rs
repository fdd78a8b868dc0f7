//! Reporting periods: calendars as data, each with the days on which it counts.
//!
//! A monthly report runs from the 15th of the month before to the 14th; the calendar month is
//! there beside it. Which of them an office uses may change, and a closed period must go on to
//! mean the same days, so a calendar is never altered: another one gets another number.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use super::fault::VocabularyFault;
use super::sheet::{Line, each_line, read_rows};
use crate::calendar::{civil_from_days, days_from_civil, read_iso};

/// The built-in calendars, for [`PeriodCalendars::parse`].
pub const PERIOD_CALENDARS_CSV: &str = include_str!("data/period_calendars.csv");

const COLUMNS: &[&str] = &[
    "number",
    "id",
    "vi",
    "first_day",
    "valid_from",
    "valid_to",
    "default",
];
/// Every month has this day.
const FIRST_DAY_MAX: u64 = 28;

/// A period: all days from `first` to `last`, in days since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period {
    /// Its first day.
    pub first: i32,
    /// Its last day.
    pub last: i32,
}

impl Period {
    /// Whether a day lies in it.
    #[must_use]
    pub fn has(self, day: i32) -> bool {
        (self.first..=self.last).contains(&day)
    }
    /// Year and month that it is called by: those of its last day.
    #[must_use]
    pub fn month(self) -> (i64, i64) {
        let (year, month, _) = civil_from_days(self.last);
        (year, month)
    }
}

/// A calendar of monthly periods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeriodCalendar {
    /// Fixed for ever: closed periods name it.
    pub number: u16,
    /// Stable id.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// Day of the month on which a period begins, 1 to 28.
    pub first_day: u8,
    /// First day on which it may be used, in days since 1970.
    pub valid_from: i32,
    /// First day on which it may no longer be used.
    pub valid_to: Option<i32>,
    /// It counts where nobody says another.
    pub default: bool,
}

impl PeriodCalendar {
    /// The period in which a local day lies. A record's day is its local wall date: what happened
    /// at 23:59 on the 14th is of the period that ends then.
    #[must_use]
    pub fn period_of(&self, day: i32) -> Period {
        let (year, month, of_month) = civil_from_days(day);
        let back = i64::from(of_month < i64::from(self.first_day));
        let first = self.begin(year, month.saturating_sub(back));
        let next = self.begin(year, month.saturating_sub(back).saturating_add(1));
        Period {
            first: first.unwrap_or(i32::MIN),
            last: next.map_or(i32::MAX, |next| next.saturating_sub(1)),
        }
    }
    /// The period after.
    #[must_use]
    pub fn after(&self, period: Period) -> Period {
        self.period_of(period.last.saturating_add(1))
    }
    /// The period before.
    #[must_use]
    pub fn before(&self, period: Period) -> Period {
        self.period_of(period.first.saturating_sub(1))
    }
    /// Whether it may be used on a day.
    #[must_use]
    pub fn is_valid_on(&self, day: i32) -> bool {
        self.valid_from <= day && self.valid_to.is_none_or(|to| day < to)
    }

    /// First day of the period that begins in a month; months 0 and 13 are those next to a year.
    fn begin(&self, year: i64, month: i64) -> Option<i32> {
        let (year, month) = match month {
            0 => (year.checked_sub(1)?, 12),
            13 => (year.checked_add(1)?, 1),
            month => (year, month),
        };
        let year = i32::try_from(year).ok()?;
        days_from_civil(year, u8::try_from(month).ok()?, self.first_day)
    }
}

/// All calendars.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeriodCalendars {
    calendars: BTreeMap<u16, PeriodCalendar>,
}

impl PeriodCalendars {
    /// The calendars that this release was built with.
    #[must_use]
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<PeriodCalendars> = OnceLock::new();
        BUILTIN.get_or_init(|| read("period_calendars.csv", PERIOD_CALENDARS_CSV).0)
    }

    /// Reads a table of calendars.
    ///
    /// # Errors
    /// All faults, each with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<VocabularyFault>> {
        let (calendars, faults) = read(file, text);
        if faults.is_empty() {
            Ok(calendars)
        } else {
            Err(faults)
        }
    }

    /// All of them, by number.
    pub fn all(&self) -> impl Iterator<Item = &PeriodCalendar> {
        self.calendars.values()
    }
    /// The calendar with this number.
    #[must_use]
    pub fn calendar(&self, number: u16) -> Option<&PeriodCalendar> {
        self.calendars.get(&number)
    }
    /// The calendar with this id.
    #[must_use]
    pub fn by_id(&self, id: &str) -> Option<&PeriodCalendar> {
        self.all().find(|calendar| calendar.id == id)
    }
    /// The calendar that counts on a day where nobody says another.
    #[must_use]
    pub fn default_on(&self, day: i32) -> Option<&PeriodCalendar> {
        self.all()
            .find(|calendar| calendar.default && calendar.is_valid_on(day))
    }
}

fn read(file: &str, text: &str) -> (PeriodCalendars, Vec<VocabularyFault>) {
    let mut faults = Vec::new();
    let rows = read_rows(file, text, COLUMNS, &mut faults);
    let mut found = PeriodCalendars::default();
    each_line(file, &rows, &mut faults, |line, used| {
        let (number, id) = (line.short_number("number"), line.id("id"));
        used.number(line, "calendar", "", number.into());
        used.id(line, "calendar", "", &id);
        let first_day = line.number("first_day", FIRST_DAY_MAX);
        let valid_from = day(line, "valid_from").unwrap_or_default();
        let valid_to = line.optional("valid_to");
        let valid_to = valid_to.and_then(|_there| day(line, "valid_to"));
        let default = line
            .word("default", &[("no", false), ("yes", true)])
            .unwrap_or_default();
        let calendar = PeriodCalendar {
            number,
            id,
            vi: line.label("vi"),
            first_day: u8::try_from(first_day).unwrap_or(1),
            valid_from,
            valid_to,
            default,
        };
        let shares_days = |other: &PeriodCalendar| {
            other.default
                && other.valid_to.is_none_or(|to| calendar.valid_from < to)
                && calendar.valid_to.is_none_or(|to| other.valid_from < to)
        };
        if default && found.all().any(shares_days) {
            let expected = "no, for another calendar is the default on some of these days";
            line.unknown("default", "yes", expected);
        }
        found.calendars.insert(number, calendar);
    });
    (found, faults)
}

fn day(line: &mut Line<'_>, column: &'static str) -> Option<i32> {
    let cell = line.row.cell(column).to_owned();
    let day = read_iso(&cell);
    if day.is_none() {
        line.unknown(column, &cell, "a day, yyyy-mm-dd");
    }
    day
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::{iso_text, local_day};

    fn told(calendar: &PeriodCalendar, day: &str) -> (String, String) {
        let period = calendar.period_of(read_iso(day).unwrap());
        (iso_text(period.first), iso_text(period.last))
    }

    fn days(first: &str, last: &str) -> (String, String) {
        (first.to_owned(), last.to_owned())
    }

    #[test]
    fn the_default_runs_from_the_fifteenth_to_the_fourteenth() {
        let calendars = PeriodCalendars::parse("p.csv", PERIOD_CALENDARS_CSV).unwrap();
        let calendar = calendars.default_on(20_000).unwrap();
        assert_eq!(calendar.id, "day_15_to_14");
        // golden: 14/03 23:59 at +07:00 is of March, one minute later it is April
        let last_minute =
            (i64::from(read_iso("2026-03-14").unwrap()) + 1) * 86_400 - 7 * 3_600 - 60;
        let march = calendar.period_of(local_day(last_minute));
        assert_eq!(march.month(), (2026, 3));
        let april = calendar.period_of(local_day(last_minute + 60));
        assert_eq!((april.month(), april), ((2026, 4), calendar.after(march)));
        assert_eq!(calendar.before(april), march);
        assert_eq!(
            told(calendar, "2026-03-14"),
            days("2026-02-15", "2026-03-14")
        );
        assert_eq!(
            told(calendar, "2026-01-03"),
            days("2025-12-15", "2026-01-14")
        );
        assert_eq!(
            told(calendar, "2026-12-31"),
            days("2026-12-15", "2027-01-14")
        );
    }

    #[test]
    fn the_calendar_month_is_there_beside_it() {
        let calendar = PeriodCalendars::builtin().by_id("calendar_month").unwrap();
        assert_eq!(
            told(calendar, "2028-02-10"),
            days("2028-02-01", "2028-02-29")
        );
        assert_eq!(
            told(calendar, "2026-12-31"),
            days("2026-12-01", "2026-12-31")
        );
    }

    #[test]
    fn every_day_is_of_one_period_and_periods_follow_without_a_gap() {
        for calendar in PeriodCalendars::builtin().all() {
            let mut period = calendar.period_of(17_532);
            for day in 17_532..=30_000 {
                if day > period.last {
                    let next = calendar.after(period);
                    assert_eq!(next.first, period.last + 1);
                    assert_eq!(calendar.before(next), period);
                    period = next;
                }
                assert_eq!(calendar.period_of(day), period, "{}", iso_text(day));
                assert!(period.has(day));
            }
        }
    }

    #[test]
    fn a_table_with_two_defaults_or_a_day_that_is_none_is_refused() {
        let head = COLUMNS.join(",");
        let text = format!(
            "{head}\n1,a,A,15,2018-01-01,2026-01-01,yes\n2,b,B,1,2025-01-01,,yes\n\
             2,c,C,29,2018-02-30,,no\n"
        );
        let faults = PeriodCalendars::parse("p.csv", &text).unwrap_err();
        let lines: Vec<u64> = faults.iter().map(|fault| fault.line).collect();
        assert_eq!(lines, [3, 4, 4, 4], "{faults:?}");
        let after = text.replace("2025-01-01", "2026-01-01");
        assert_eq!(
            PeriodCalendars::parse("p.csv", &after).unwrap_err().len(),
            3
        );
    }
}
