//! What a person typed and tapped, as values of the vocabulary.

use std::collections::BTreeMap;

use sync_core::calendar;
use sync_core::ids::{AreaRef, RecordId};
use sync_core::value::{FieldKey, Value, WallTime};
use sync_core::vocabulary::{Field, ReasonUse, ValueKind, Vocabulary};

use crate::{PhoneError, words};

/// A value for a field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct FieldInput {
    /// Id of the field, as the form says it.
    pub field: String,
    /// Item of a family, from `new_item`; 0 outside families.
    pub item: u32,
    /// The value.
    pub value: InputValue,
}

/// A day of the local calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct DayInput {
    /// Year.
    pub year: i32,
    /// Month, from 1.
    pub month: u8,
    /// Day, from 1.
    pub day: u8,
}

/// A local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct TimeInput {
    /// The day.
    pub day: DayInput,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Minutes ahead of UTC: 420 in Vietnam.
    pub offset_minutes: i16,
}

/// What a person gave. To take a value back, give an empty text or an empty set.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum InputValue {
    /// For `yes_no`.
    YesNo {
        /// Yes.
        yes: bool,
    },
    /// For `count`, `tenths`, `money_vnd`, `member`, `saved_item`: as typed, in Latin or Khmer
    /// digits; tenths with a comma or a point, money with points or spaces between thousands.
    Number {
        /// As typed.
        text: String,
    },
    /// For `choice`: the id of the value.
    Choice {
        /// The id.
        id: String,
    },
    /// For `choices`, in any order.
    Choices {
        /// The ids.
        ids: Vec<String>,
    },
    /// For `text` and `code`: as typed.
    Text {
        /// As typed.
        text: String,
    },
    /// For `day`.
    Day {
        /// The day.
        day: DayInput,
    },
    /// For `time`.
    Time {
        /// The time.
        time: TimeInput,
    },
    /// For `interval`.
    Interval {
        /// From.
        start: TimeInput,
        /// To, once it is known.
        end: Option<TimeInput>,
    },
    /// For `position`.
    Position {
        /// Latitude in ten-thousandths of a degree.
        latitude_e4: i32,
        /// Longitude in ten-thousandths of a degree.
        longitude_e4: i32,
        /// Accuracy in metres.
        accuracy_m: u32,
    },
    /// For `area`: its id in hex.
    Area {
        /// The id.
        id: String,
    },
    /// For `links`: names of records in hex, in any order.
    Links {
        /// The names.
        records: Vec<String>,
    },
}

/// The values of one save, by where they stand.
pub(super) fn values(
    vocabulary: &Vocabulary,
    record_type: u16,
    inputs: &[FieldInput],
) -> Result<BTreeMap<FieldKey, Value>, PhoneError> {
    let mut values = BTreeMap::new();
    for input in inputs {
        let fault = |words: &str| PhoneError::FieldFault {
            field: input.field.clone(),
            words: words.to_owned(),
        };
        let field = vocabulary
            .field_by_id(record_type, &input.field)
            .ok_or_else(|| fault(words::NO_INPUT))?;
        let key = FieldKey {
            number: field.number,
            item: input.item,
        };
        let value = value(vocabulary, field, &input.value).map_err(fault)?;
        values.insert(key, value);
    }
    Ok(values)
}

fn value(
    vocabulary: &Vocabulary,
    field: &Field,
    input: &InputValue,
) -> Result<Value, &'static str> {
    Ok(match input {
        InputValue::YesNo { yes } => Value::YesNo(*yes),
        InputValue::Number { text } => Value::Number(number(&field.kind, text)?),
        InputValue::Choice { id } => Value::Choice(choice(vocabulary, field, id)?),
        InputValue::Choices { ids } => {
            let numbers: Result<Vec<u16>, _> =
                ids.iter().map(|id| choice(vocabulary, field, id)).collect();
            Value::Choices(ascending(numbers?))
        }
        InputValue::Text { text } => Value::Text(text.clone()),
        InputValue::Day { day } => Value::Day(days_from_civil(*day)?),
        InputValue::Time { time } => Value::Time(wall_time(*time)?),
        InputValue::Interval { start, end } => {
            Value::Interval(wall_time(*start)?, end.map(wall_time).transpose()?)
        }
        InputValue::Position {
            latitude_e4,
            longitude_e4,
            accuracy_m,
        } => Value::Position(*latitude_e4, *longitude_e4, *accuracy_m),
        InputValue::Area { id } => Value::Area(AreaRef::from_hex(id).ok_or(words::NO_SUCH_NAME)?),
        InputValue::Links { records } => {
            let links: Option<Vec<RecordId>> =
                records.iter().map(|hex| RecordId::from_hex(hex)).collect();
            Value::Links(ascending(links.ok_or(words::NO_SUCH_NAME)?))
        }
    })
}

fn ascending<T: Ord>(mut set: Vec<T>) -> Vec<T> {
    set.sort_unstable();
    set.dedup();
    set
}

fn choice(vocabulary: &Vocabulary, field: &Field, id: &str) -> Result<u16, &'static str> {
    let number = if field.kind == ValueKind::WithdrawReason {
        let reason = vocabulary.reason_by_id(ReasonUse::Withdraw, id);
        reason.map(|reason| reason.number)
    } else {
        let list = vocabulary.list_of(field.number);
        list.and_then(|list| Some(list.value_by_id(id)?.number))
    };
    number.ok_or(words::NOT_IN_LIST)
}

/// Reads a number as people write it here: the comma begins the tenths, a point stands between
/// thousands; where tenths are asked for, a point may begin them too.
fn number(kind: &ValueKind, text: &str) -> Result<u64, &'static str> {
    let text: String = text
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '\u{200B}')
        .map(|c| latin_digit(c).unwrap_or(c))
        .collect();
    if *kind == ValueKind::Tenths {
        return tenths(&text);
    }
    let digits = if *kind == ValueKind::MoneyVnd {
        without_thousands(&text).ok_or(words::NOT_A_NUMBER)?
    } else {
        text
    };
    whole(&digits)
}

/// Digits of Khmer, as Latin ones.
fn latin_digit(c: char) -> Option<char> {
    let value = u32::from(c)
        .checked_sub(0x17E0)
        .filter(|value| *value < 10)?;
    char::from_digit(value, 10)
}

fn whole(digits: &str) -> Result<u64, &'static str> {
    let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    if !plain {
        return Err(words::NOT_A_NUMBER);
    }
    // more digits than fit are more than any field allows
    Ok(digits.parse().unwrap_or(u64::MAX))
}

fn tenths(text: &str) -> Result<u64, &'static str> {
    let (units, tenth) = text.split_once([',', '.']).unwrap_or((text, "0"));
    if tenth.len() > 1 {
        return Err(words::NOT_A_NUMBER);
    }
    let tenths = whole(units)?.saturating_mul(10);
    Ok(tenths.saturating_add(whole(tenth)?))
}

/// Points only where thousands end: `1.250.000`, never `1.25`, which would mean another sum.
fn without_thousands(text: &str) -> Option<String> {
    let mut groups = text.split('.');
    let mut digits = groups.next()?.to_owned();
    let mut first = true;
    for group in groups {
        let begins = !first || (1..=3).contains(&digits.len());
        if group.len() != 3 || !begins {
            return None;
        }
        digits.push_str(group);
        first = false;
    }
    Some(digits)
}

fn wall_time(time: TimeInput) -> Result<WallTime, &'static str> {
    if time.hour > 23 || time.minute > 59 {
        return Err(words::NO_SUCH_DAY);
    }
    let day = days_from_civil(time.day)?;
    let minutes = i64::from(day) * 1440 + i64::from(time.hour) * 60 + i64::from(time.minute);
    Ok(WallTime {
        minutes: i32::try_from(minutes).map_err(|_too_far| words::NO_SUCH_DAY)?,
        offset: time.offset_minutes,
    })
}

/// Days since 1970-01-01 of a day that the calendar has.
fn days_from_civil(day: DayInput) -> Result<i32, &'static str> {
    calendar::days_from_civil(day.year, day.month, day.day).ok_or(words::NO_SUCH_DAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u8, day: u8) -> Result<i32, &'static str> {
        days_from_civil(DayInput { year, month, day })
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        assert_eq!(day(1970, 1, 1), Ok(0));
        assert_eq!(day(2000, 3, 1), Ok(11_017));
        assert_eq!(day(2026, 12, 31), Ok(20_818));
        assert_eq!(day(2099, 12, 31), Ok(47_481));
        assert_eq!(sync_core::view::day_text(20_818), "31/12/2026");
        for (year, month, date) in [(2026, 2, 29), (2026, 13, 1), (2026, 0, 1), (2026, 4, 31)] {
            assert!(day(year, month, date).is_err());
        }
        let mut before = day(1999, 12, 31).unwrap();
        for year in 2000..=2099 {
            for month in 1..=12 {
                for date in 1..=31 {
                    if let Ok(now) = day(year, month, date) {
                        assert_eq!(now, before + 1);
                        before = now;
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_are_read_as_people_write_them() {
        let count = |text| number(&ValueKind::Count, text);
        assert_eq!(count("12"), Ok(12));
        assert_eq!(count(" ១២ "), Ok(12));
        assert_eq!(count("1.250"), Err(words::NOT_A_NUMBER));
        assert_eq!(count(""), Err(words::NOT_A_NUMBER));
        assert_eq!(count("-1"), Err(words::NOT_A_NUMBER));
        assert_eq!(count("99999999999999999999999"), Ok(u64::MAX));
        let tenths = |text| number(&ValueKind::Tenths, text);
        assert_eq!(tenths("12,5"), Ok(125));
        assert_eq!(tenths("១២.៥"), Ok(125));
        assert_eq!(tenths("12"), Ok(120));
        assert_eq!(tenths("1,25"), Err(words::NOT_A_NUMBER));
        assert_eq!(tenths(",5"), Err(words::NOT_A_NUMBER));
        let money = |text| number(&ValueKind::MoneyVnd, text);
        assert_eq!(money("1.250.000"), Ok(1_250_000));
        assert_eq!(money("1 250 000"), Ok(1_250_000));
        assert_eq!(money("1250000"), Ok(1_250_000));
        assert_eq!(money("1.25"), Err(words::NOT_A_NUMBER));
        assert_eq!(money("1250.000"), Err(words::NOT_A_NUMBER));
    }
}
