//! What a page says, as the types that the phone takes. Fields that a type lacks are passed over;
//! a field that may be absent may also be null.

use super::json::Json;
use crate::{DayInput, FieldInput, InputValue, ListFilter, TimeInput, VisitFailure};

/// A type that a page may say.
pub(super) trait Said: Sized {
    /// `None` when this is none of the type.
    fn said(json: &Json) -> Option<Self>;
}

impl Said for bool {
    fn said(json: &Json) -> Option<Self> {
        let Json::YesNo(yes) = json else {
            return None;
        };
        Some(*yes)
    }
}

impl Said for String {
    fn said(json: &Json) -> Option<Self> {
        let Json::Text(text) = json else {
            return None;
        };
        Some(text.clone())
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl Said for $number {
            fn said(json: &Json) -> Option<Self> {
                let Json::Whole(number) = json else {
                    return None;
                };
                Self::try_from(*number).ok()
            }
        }
    )*};
}
numbers!(u8 i16 i32 u32);

impl<T: Said> Said for Option<T> {
    fn said(json: &Json) -> Option<Self> {
        if *json == Json::Null {
            return Some(None);
        }
        T::said(json).map(Some)
    }
}

impl<T: Said> Said for Vec<T> {
    fn said(json: &Json) -> Option<Self> {
        let Json::List(items) = json else {
            return None;
        };
        items.iter().map(T::said).collect()
    }
}

fn field<T: Said>(json: &Json, name: &str) -> Option<T> {
    T::said(json.field(name))
}

impl Said for FieldInput {
    fn said(json: &Json) -> Option<Self> {
        Some(Self {
            field: field(json, "field")?,
            item: field(json, "item")?,
            value: field(json, "value")?,
        })
    }
}

impl Said for DayInput {
    fn said(json: &Json) -> Option<Self> {
        Some(Self {
            year: field(json, "year")?,
            month: field(json, "month")?,
            day: field(json, "day")?,
        })
    }
}

impl Said for TimeInput {
    fn said(json: &Json) -> Option<Self> {
        Some(Self {
            day: field(json, "day")?,
            hour: field(json, "hour")?,
            minute: field(json, "minute")?,
            offset_minutes: field(json, "offset_minutes")?,
        })
    }
}

/// An object of one field, named as the kind of the value.
impl Said for InputValue {
    fn said(json: &Json) -> Option<Self> {
        let Json::Object(kinds) = json else {
            return None;
        };
        let [(kind, json)] = kinds.as_slice() else {
            return None;
        };
        Some(match kind.as_str() {
            "yes_no" => Self::YesNo {
                yes: field(json, "yes")?,
            },
            "number" => Self::Number {
                text: field(json, "text")?,
            },
            "choice" => Self::Choice {
                id: field(json, "id")?,
            },
            "choices" => Self::Choices {
                ids: field(json, "ids")?,
            },
            "text" => Self::Text {
                text: field(json, "text")?,
            },
            "day" => Self::Day {
                day: field(json, "day")?,
            },
            "time" => Self::Time {
                time: field(json, "time")?,
            },
            "interval" => Self::Interval {
                start: field(json, "start")?,
                end: field(json, "end")?,
            },
            "position" => Self::Position {
                latitude_e4: field(json, "latitude_e4")?,
                longitude_e4: field(json, "longitude_e4")?,
                accuracy_m: field(json, "accuracy_m")?,
            },
            "area" => Self::Area {
                id: field(json, "id")?,
            },
            "links" => Self::Links {
                records: field(json, "records")?,
            },
            _ => return None,
        })
    }
}

impl Said for ListFilter {
    fn said(json: &Json) -> Option<Self> {
        let Json::Object(_) = json else {
            return None;
        };
        Some(Self {
            group: field(json, "group")?,
            lane: field(json, "lane")?,
            type_id: field(json, "type_id")?,
            text: field(json, "text")?,
            unanswered_only: field::<Option<_>>(json, "unanswered_only")?.unwrap_or_default(),
            limit: field::<Option<_>>(json, "limit")?.unwrap_or_default(),
            before: field(json, "before")?,
        })
    }
}

impl Said for VisitFailure {
    fn said(json: &Json) -> Option<Self> {
        let Json::Text(word) = json else {
            return None;
        };
        Some(match word.as_str() {
            "no_network" => Self::NoNetwork,
            "timeout" => Self::Timeout,
            "tls_clock" => Self::TlsClock,
            "tls_other" => Self::TlsOther,
            "http_status" => Self::HttpStatus,
            "given_up" => Self::GivenUp,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Said>(text: &str) -> Option<T> {
        T::said(&Json::read(text)?)
    }

    #[test]
    fn a_page_says_every_kind_of_value() {
        let time =
            r#"{"day":{"year":2026,"month":3,"day":1},"hour":9,"minute":5,"offset_minutes":420}"#;
        for kind in [
            r#""yes_no":{"yes":true}"#.to_owned(),
            r#""number":{"text":"12"}"#.to_owned(),
            r#""choice":{"id":"a"}"#.to_owned(),
            r#""choices":{"ids":["a","b"]}"#.to_owned(),
            r#""text":{"text":"a"}"#.to_owned(),
            r#""day":{"day":{"year":-1,"month":3,"day":1}}"#.to_owned(),
            format!(r#""time":{{"time":{time}}}"#),
            format!(r#""interval":{{"start":{time}}}"#),
            format!(r#""interval":{{"start":{time},"end":{time}}}"#),
            r#""position":{"latitude_e4":-1,"longitude_e4":2,"accuracy_m":3}"#.to_owned(),
            r#""area":{"id":"00"}"#.to_owned(),
            r#""links":{"records":[]}"#.to_owned(),
        ] {
            let (name, _) = kind.split_once(':').unwrap();
            let text = format!(r#"[{{"field":"f","item":7,"value":{{{kind}}},"more":[]}}]"#);
            let inputs: Vec<FieldInput> = read(&text).expect(name);
            assert_eq!((inputs.len(), inputs[0].item), (1, 7));
            // what is needed may not be missing
            let empty = format!(r#"{{{name}:{{}}}}"#);
            assert_eq!(read::<InputValue>(&empty), None, "{name}");
        }
        let interval = format!(r#"{{"interval":{{"start":{time},"end":null}}}}"#);
        let InputValue::Interval { start, end: None } = read(&interval).unwrap() else {
            unreachable!("an interval that has not ended");
        };
        assert_eq!((start.day.year, start.offset_minutes), (2026, 420));
        assert_eq!(
            read::<InputValue>(r#"{"text":{"text":""},"area":{"id":""}}"#),
            None
        );
        assert_eq!(read::<InputValue>(r#"{"photo":{}}"#), None);
        assert_eq!(
            read::<FieldInput>(r#"{"field":"f","value":{"text":{"text":""}}}"#),
            None
        );
    }

    #[test]
    fn a_filter_has_no_field_that_must_be_there() {
        assert_eq!(read(r#"{"limit":null}"#), Some(ListFilter::default()));
        let filter: ListFilter =
            read(r#"{"lane":"open","limit":5,"unanswered_only":true}"#).unwrap();
        assert_eq!((filter.lane.as_deref(), filter.limit), (Some("open"), 5));
        assert!(filter.unanswered_only);
        assert_eq!(read::<ListFilter>("[]"), None);
        assert_eq!(read::<ListFilter>(r#"{"limit":-1}"#), None);
        assert_eq!(read(r#""given_up""#), Some(VisitFailure::GivenUp));
        assert_eq!(read::<VisitFailure>(r#""later""#), None);
    }
}
