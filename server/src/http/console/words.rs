//! What the console says, in the language of the one who reads: Fluent messages, labels of the
//! vocabulary, and dates in the one house format.
//!
//! The language is a setting of the browser, kept in its cookie only: which language an officer
//! reads is nobody's business here. Labels of a newer vocabulary have no translation yet; then the
//! Vietnamese label stands, never a guess.

use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use sync_core::vocabulary::{Lane, ReasonUse, Vocabulary};
use unic_langid::LanguageIdentifier;

/// Minutes that the whole country is ahead of UTC; there is no daylight saving.
const OFFSET_SECONDS: i64 = 7 * 3_600;
const DAY_SECONDS: i64 = 86_400;

const VI: &str = include_str!("../../../locales/vi/console.ftl");
const EN: &str = include_str!("../../../locales/en/console.ftl");

/// A language of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Locale {
    /// Vietnamese, the default: all legal text is in it only.
    #[default]
    Vi,
    /// English, for maintainers.
    En,
}

impl Locale {
    pub(super) const ALL: [Self; 2] = [Self::Vi, Self::En];

    pub(super) fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|locale| locale.tag() == tag)
    }

    /// The tag, as in `<html lang>`.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::En => "en",
        }
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        static VI_BUNDLE: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        static EN_BUNDLE: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        match self {
            Self::Vi => VI_BUNDLE.get_or_init(|| read(VI, "vi")),
            Self::En => EN_BUNDLE.get_or_init(|| read(EN, "en")),
        }
    }

    fn has(self, key: &str) -> bool {
        self.bundle().has_message(key)
    }

    /// A message; its key when there is none, which a test makes sure of.
    pub(super) fn t(self, key: &str) -> String {
        self.message(key, None)
    }

    /// A message about one thing.
    pub(super) fn with(self, key: &str, name: &str, value: impl ToString) -> String {
        let mut args = FluentArgs::new();
        args.set(name.to_owned(), value.to_string());
        self.message(key, Some(&args))
    }

    fn message(self, key: &str, args: Option<&FluentArgs<'_>>) -> String {
        let bundle = self.bundle();
        let Some(pattern) = bundle.get_message(key).and_then(|found| found.value()) else {
            return key.to_owned();
        };
        let mut faults = Vec::new();
        bundle
            .format_pattern(pattern, args, &mut faults)
            .into_owned()
    }

    /// A number with its unit. A unit that says no more than the label ("số lượt"), and one of a
    /// newer vocabulary, leave the number alone.
    pub(super) fn counted(self, number: &str, unit: &str) -> String {
        // decimals come with the comma of Vietnamese
        let number = match self {
            Self::Vi => number.to_owned(),
            Self::En => number.replace(',', "."),
        };
        let many = format!("vocab-unit-{unit}");
        let one = format!("{many}-one");
        let key = if number == "1" { one } else { many };
        if self.has(&key) {
            self.with(&key, "n", number)
        } else {
            number
        }
    }

    /// `vocab-kind-id` in this language, or the vocabulary's own label.
    fn label(self, kind: &str, id: &str, vi: &str) -> String {
        let key = format!("vocab-{kind}-{id}");
        if self.has(&key) {
            self.t(&key)
        } else {
            vi.to_owned()
        }
    }

    pub(super) fn record_type(self, number: u16) -> String {
        let row = Vocabulary::builtin().record_type(number);
        row.map_or_else(
            || number.to_string(),
            |row| self.label("type", &row.id, &row.vi),
        )
    }

    pub(super) fn state(self, number: u16) -> String {
        let row = Vocabulary::builtin().state(number);
        row.map_or_else(
            || number.to_string(),
            |row| self.label("state", &row.id, &row.vi),
        )
    }

    pub(super) fn lane(self, lane: Lane) -> String {
        self.label("lane", lane.id(), Vocabulary::builtin().lane_label(lane))
    }

    pub(super) fn role(self, number: u16) -> String {
        let row = Vocabulary::builtin().role(number);
        row.map_or_else(
            || number.to_string(),
            |row| self.label("role", &row.id, &row.vi),
        )
    }

    pub(super) fn return_reason(self, number: u16) -> String {
        self.reason(ReasonUse::Return, "return", number)
    }

    pub(super) fn withdraw_reason(self, number: u16) -> String {
        self.reason(ReasonUse::Withdraw, "withdraw", number)
    }

    fn reason(self, used_for: ReasonUse, kind: &str, number: u16) -> String {
        let row = Vocabulary::builtin().reason(used_for, number);
        row.map_or_else(
            || number.to_string(),
            |row| self.label(kind, &row.id, &row.vi),
        )
    }
}

fn read(source: &str, tag: &str) -> FluentBundle<FluentResource> {
    // What cannot be read is left out here and found by the tests.
    let (Ok(resource) | Err((resource, _))) = FluentResource::try_new(source.to_owned());
    let locale: LanguageIdentifier = tag.parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // Pages isolate foreign words with <bdi>; invisible marks would only get into what is copied.
    bundle.set_use_isolating(false);
    bundle.add_resource_overriding(resource);
    bundle
}

/// A local date as dd/MM/yyyy, from days since 1970.
pub(super) fn day_text(day: i32) -> String {
    let (year, month, day) = civil(i64::from(day));
    format!("{day:02}/{month:02}/{year:04}")
}

/// A moment as HH:mm dd/MM/yyyy in local time, from seconds since 1970: the form in which the
/// core writes the times that people entered, so that a page has one form only.
pub(super) fn time_text(seconds: i64) -> String {
    let local = seconds.saturating_add(OFFSET_SECONDS);
    let (year, month, day) = civil(local.div_euclid(DAY_SECONDS));
    let minutes = local.rem_euclid(DAY_SECONDS) / 60;
    let (hour, minute) = (minutes / 60, minutes % 60);
    format!("{hour:02}:{minute:02} {day:02}/{month:02}/{year:04}")
}

/// The local day of a moment, in days since 1970.
pub(super) fn local_day(seconds: i64) -> i32 {
    let day = seconds
        .saturating_add(OFFSET_SECONDS)
        .div_euclid(DAY_SECONDS);
    i32::try_from(day).unwrap_or(i32::MAX)
}

/// Reads dd/MM/yyyy, and yyyy-MM-dd as machines write it.
pub(super) fn read_day(text: &str) -> Option<i32> {
    let numbers = |separator: char| -> Option<[i64; 3]> {
        let read = |part: &str| part.trim().parse::<u16>().ok().map(i64::from);
        let parts: Option<Vec<i64>> = text.split(separator).map(read).collect();
        parts?.try_into().ok()
    };
    let by_people = numbers('/').map(|[day, month, year]| (year, month, day));
    let by_machines = || numbers('-').map(|[year, month, day]| (year, month, day));
    let (year, month, day) = by_people.or_else(by_machines)?;
    if !(1970..=2200).contains(&year) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    // what does not come back the same was no date, as the 31st of June
    (civil(days) == (year, month, day))
        .then(|| i32::try_from(days).ok())
        .flatten()
}

/// The reporting period in which a day lies: from the 15th to the 14th of the next month.
pub(super) fn period_of(day: i32) -> (i32, i32) {
    let (year, month, in_month) = civil(i64::from(day));
    let begins = if in_month >= 15 { month } else { month - 1 };
    let first = days_from_civil(year, begins, 15);
    let last = days_from_civil(year, begins + 1, 14);
    let days = |days: i64| i32::try_from(days).unwrap_or(day);
    (days(first), days(last))
}

/// Year, month and day, from days since 1970. Years begin in March here, so that the leap day
/// comes last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// Days since 1970; months may lie outside 1 to 12 and carry over.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let shifted_month = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * shifted_month + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests;
