//! What the console says, in the language of the one who reads: Fluent messages, labels of the
//! vocabulary, and dates in the one house format.
//!
//! The language is a setting of the browser, kept in its cookie only: which language an officer
//! reads is nobody's business here. Labels of a newer vocabulary have no translation yet; then the
//! Vietnamese label stands, never a guess.

use std::sync::OnceLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource};
use sync_core::calendar::{DAY_S, VIETNAM_OFFSET_S, civil_from_days, days_from_civil, local_day};
use sync_core::vocabulary::{Lane, ReasonUse, Vocabulary};
use unic_langid::LanguageIdentifier;

const VI: &str = include_str!("../../../locales/vi/console.ftl");
const EN: &str = include_str!("../../../locales/en/console.ftl");
const KM: &str = include_str!("../../../locales/km/console.ftl");
const ZH_HANT: &str = include_str!("../../../locales/zh-Hant/console.ftl");
const ZH_HANS: &str = include_str!("../../../locales/zh-Hans/console.ftl");
/// Who has read which translation: `language,key,state`, where `*` is every key of the language.
const REVIEW: &str = include_str!("../../../locales/review.csv");
/// The state of what no reader of the language has read.
const UNREVIEWED: &str = "machine-unreviewed";

/// A language of the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Locale {
    /// Vietnamese, the default: all legal text is in it only.
    #[default]
    Vi,
    /// Khmer, as it is read in the Mekong delta. The page of a period only.
    Km,
    /// Chinese in the characters that most Hoa read. The page of a period only.
    ZhHant,
    /// Chinese in simplified characters. The page of a period only.
    ZhHans,
    /// English, for maintainers.
    En,
}

impl Locale {
    pub(super) const ALL: [Self; 5] = [Self::Vi, Self::Km, Self::ZhHant, Self::ZhHans, Self::En];

    pub(super) fn from_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|locale| locale.tag() == tag)
    }

    /// The tag, as in `<html lang>`.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Vi => "vi",
            Self::Km => "km",
            Self::ZhHant => "zh-Hant",
            Self::ZhHans => "zh-Hans",
            Self::En => "en",
        }
    }

    /// What the language calls itself.
    pub(super) fn own_name(self) -> &'static str {
        match self {
            Self::Vi => "Tiếng Việt",
            Self::Km => "ខ្មែរ",
            Self::ZhHant => "繁體中文",
            Self::ZhHans => "简体中文",
            Self::En => "English",
        }
    }

    /// Whether only some pages speak it. What it has no words for is said in Vietnamese, never in
    /// a guess.
    pub(super) fn is_partial(self) -> bool {
        matches!(self, Self::Km | Self::ZhHant | Self::ZhHans)
    }

    /// Whether somebody who reads the language has read this message.
    pub(super) fn is_reviewed(self, key: &str) -> bool {
        let mut state = UNREVIEWED;
        for line in REVIEW.lines() {
            let mut cells = line.split(',');
            if cells.next() != Some(self.tag()) {
                continue;
            }
            match (cells.next(), cells.next()) {
                (Some(named), Some(found)) if named == key => return found != UNREVIEWED,
                (Some("*"), Some(found)) => state = found,
                (Some(_) | None, Some(_) | None) => {}
            }
        }
        state != UNREVIEWED
    }

    fn bundle(self) -> &'static FluentBundle<FluentResource> {
        static VI_BUNDLE: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        static EN_BUNDLE: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        static KM_BUNDLE: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        static HANT_BUNDLE: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        static HANS_BUNDLE: OnceLock<FluentBundle<FluentResource>> = OnceLock::new();
        match self {
            Self::Vi => VI_BUNDLE.get_or_init(|| read(VI, "vi")),
            Self::Km => KM_BUNDLE.get_or_init(|| read(KM, "km")),
            Self::ZhHant => HANT_BUNDLE.get_or_init(|| read(ZH_HANT, "zh-Hant")),
            Self::ZhHans => HANS_BUNDLE.get_or_init(|| read(ZH_HANS, "zh-Hans")),
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
            if self.is_partial() {
                return Self::Vi.message(key, args);
            }
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
            Self::Vi | Self::Km | Self::ZhHant | Self::ZhHans => number.to_owned(),
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
    pub(super) fn label(self, kind: &str, id: &str, vi: &str) -> String {
        let key = format!("vocab-{kind}-{id}");
        if self.has(&key) || Self::Vi.has(&key) {
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
    let (year, month, day) = civil_from_days(day);
    format!("{day:02}/{month:02}/{year:04}")
}

/// A moment as HH:mm dd/MM/yyyy in local time, from seconds since 1970: the form in which the
/// core writes the times that people entered, so that a page has one form only.
pub(super) fn time_text(seconds: i64) -> String {
    let local = seconds.saturating_add(VIETNAM_OFFSET_S);
    let minutes = local.rem_euclid(DAY_S) / 60;
    let (hour, minute) = (minutes / 60, minutes % 60);
    format!("{hour:02}:{minute:02} {}", day_text(local_day(seconds)))
}

/// Reads dd/MM/yyyy, and yyyy-MM-dd as machines write it.
pub(super) fn read_day(text: &str) -> Option<i32> {
    let numbers = |separator: char| -> Option<[u16; 3]> {
        let read = |part: &str| part.trim().parse::<u16>().ok();
        let parts: Option<Vec<u16>> = text.split(separator).map(read).collect();
        parts?.try_into().ok()
    };
    let by_people = numbers('/').map(|[day, month, year]| (year, month, day));
    let by_machines = || numbers('-').map(|[year, month, day]| (year, month, day));
    let (year, month, day) = by_people.or_else(by_machines)?;
    let (month, day) = (u8::try_from(month).ok()?, u8::try_from(day).ok()?);
    days_from_civil(i32::from(year), month, day).filter(|day| *day >= 0)
}

#[cfg(test)]
mod tests;
