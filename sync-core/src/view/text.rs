//! Words of a value, in Vietnamese, for screens and printed pages.

use crate::calendar::civil_from_days;
use crate::ids::AreaRef;
use crate::value::{Value, WallTime};
use crate::vocabulary::{ReasonUse, ValueKind, Vocabulary};

/// What stands in place of a value that was erased.
pub(super) const ERASED: &str = "(đã xóa)";
/// What stands in place of a value that only a newer app can read.
const LATER: &str = "(bản ứng dụng mới hơn mới đọc được)";
/// What stands in place of an empty text or set, by which a value is taken back: an empty line
/// would look like a fault.
const EMPTY: &str = "(trống)";

const DAY_MINUTES: i32 = 24 * 60;

/// Words of a value in Vietnamese.
///
/// | Value | Words |
/// |---|---|
/// | yes or no | `có`, `không` |
/// | count, member, saved item | the number; names and units are the caller's |
/// | tenths | `12,5` |
/// | money | `1.250.000 đ` |
/// | choice, choices | labels of the list, several with `; ` because labels have commas |
/// | text, code | as typed |
/// | an empty text or set | `(trống)` |
/// | day, time | `31/12/2026`, `19:30 31/12/2026`: local wall time |
/// | interval | `19:30 – 21:00 31/12/2026`, or both days; without an end `từ 19:30 31/12/2026` |
/// | position | `9.7000, 105.6000 (±12 m)`: with points, so that a map takes it |
/// | area | the name that `area_name` gives, or its hex |
/// | links | names of the records, in hex |
///
/// A number that the list does not know is shown as a number, and a field that the vocabulary does
/// not know in the same way, so nothing that was said is hidden.
pub fn value_text(
    vocabulary: &Vocabulary,
    field: u16,
    value: &Value,
    area_name: &dyn Fn(AreaRef) -> Option<String>,
) -> String {
    match value {
        Value::YesNo(yes) => if *yes { "có" } else { "không" }.to_owned(),
        Value::Number(number) => number_text(vocabulary, field, *number),
        Value::Choice(number) => choice_text(vocabulary, field, *number),
        Value::Choices(set) if set.is_empty() => EMPTY.to_owned(),
        Value::Choices(set) => joined(set.iter().map(|n| choice_text(vocabulary, field, *n))),
        Value::Text(text) if text.is_empty() => EMPTY.to_owned(),
        Value::Text(text) => text.clone(),
        Value::Day(day) => day_text(*day),
        Value::Time(time) => time_text(*time),
        Value::Interval(from, to) => interval_text(*from, *to),
        Value::Position(latitude, longitude, metres) => {
            let (latitude, longitude) = (degrees(*latitude), degrees(*longitude));
            format!("{latitude}, {longitude} (±{metres} m)")
        }
        Value::Area(area) => area_name(*area).unwrap_or_else(|| area.to_string()),
        Value::Links(links) if links.is_empty() => EMPTY.to_owned(),
        Value::Links(links) => joined(links.iter().map(ToString::to_string)),
        Value::Later(..) => LATER.to_owned(),
    }
}

/// A local date, given in days since 1970-01-01, as `31/12/2026`.
#[must_use]
pub fn day_text(day: i32) -> String {
    let (year, month, day) = civil_from_days(day);
    format!("{day:02}/{month:02}/{year:04}")
}

/// A local wall time as `19:30 31/12/2026`. The offset is not shown: it says how wall time relates
/// to others, and on one screen all times are local.
#[must_use]
pub fn time_text(time: WallTime) -> String {
    format!(
        "{} {}",
        clock_text(time),
        day_text(day_of_minutes(time.minutes))
    )
}

/// The local day that a local minute lies in.
pub(super) fn day_of_minutes(minutes: i32) -> i32 {
    minutes.div_euclid(DAY_MINUTES)
}

fn clock_text(time: WallTime) -> String {
    let minute = time.minutes.rem_euclid(DAY_MINUTES);
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

fn interval_text(from: WallTime, to: Option<WallTime>) -> String {
    let Some(to) = to else {
        return format!("từ {}", time_text(from));
    };
    if day_of_minutes(from.minutes) == day_of_minutes(to.minutes) {
        format!("{} – {}", clock_text(from), time_text(to))
    } else {
        format!("{} – {}", time_text(from), time_text(to))
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join("; ")
}

fn number_text(vocabulary: &Vocabulary, field: u16, number: u64) -> String {
    match vocabulary.field(field).map(|row| &row.kind) {
        Some(ValueKind::MoneyVnd) => format!("{} đ", with_dots(number)),
        Some(ValueKind::Tenths) => format!("{},{}", number / 10, number % 10),
        _ => number.to_string(),
    }
}

fn choice_text(vocabulary: &Vocabulary, field: u16, number: u16) -> String {
    let withdraws = vocabulary
        .field(field)
        .is_some_and(|row| row.kind == ValueKind::WithdrawReason);
    let label = if withdraws {
        let reason = vocabulary.reason(ReasonUse::Withdraw, number);
        reason.map(|row| row.vi.clone())
    } else {
        let list = vocabulary.list_of(field);
        list.and_then(|list| Some(list.value(number)?.vi.clone()))
    };
    label.unwrap_or_else(|| number.to_string())
}

fn with_dots(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && digits.len().saturating_sub(i) % 3 == 0 {
            text.push('.');
        }
        text.push(digit);
    }
    text
}

/// Ten-thousandths of a degree, in whole numbers all the way: a float would move the last digit.
fn degrees(e4: i32) -> String {
    let sign = if e4 < 0 { "-" } else { "" };
    let size = e4.unsigned_abs();
    format!("{sign}{}.{:04}", size / 10_000, size % 10_000)
}
