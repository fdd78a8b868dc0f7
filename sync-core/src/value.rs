//! Values and the flat keys they stand at (D3): no nesting, no text merging, no deletion.
//!
//! A value has one encoding, used under the hash, in the store and on the wire alike.

use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::{AreaRef, RecordId};
use crate::limits::{CHOICES_MAX, LINKS_MAX, TEXT_BYTES_MAX};
use crate::text::display_text_fault;

/// Where a value stands in a record: a field number of the vocabulary, and for the fields of a
/// family (`equipment.a3.qty`) the item it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FieldKey {
    /// Field number of the vocabulary; 0 is the member who wrote.
    pub number: u16,
    /// Item of the family, drawn at random by the phone that adds it; 0 outside families.
    pub item: u32,
}

/// The member who wrote: part number 0 of every change.
pub const AUTHOR_KEY: FieldKey = FieldKey { number: 0, item: 0 };

impl FieldKey {
    /// The key of a plain field.
    #[must_use]
    pub const fn plain(number: u16) -> Self {
        Self { number, item: 0 }
    }
    /// Its name as a key of an Automerge map: `41`, or `41.a3` with the item in hex.
    #[must_use]
    pub fn map_key(&self) -> String {
        if self.item == 0 {
            self.number.to_string()
        } else {
            format!("{}.{:x}", self.number, self.item)
        }
    }
}

/// A local wall time: minutes since 1970-01-01 00:00 local, and the offset from UTC in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime {
    /// Local minutes since 1970-01-01 00:00.
    pub minutes: i32,
    /// Offset from UTC, in minutes; +420 in Vietnam.
    pub offset: i16,
}

/// What a field holds. Values that are true only together are one value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Yes or no.
    YesNo(bool),
    /// A whole number: a count, VND, tenths, a member or saved item.
    Number(u64),
    /// One value of a list, by its number.
    Choice(u16),
    /// A set of values of a list, ascending.
    Choices(Vec<u16>),
    /// Text as typed.
    Text(String),
    /// A local date: days since 1970-01-01.
    Day(i32),
    /// A local time.
    Time(WallTime),
    /// From, and perhaps to; minutes and offset in one.
    Interval(WallTime, Option<WallTime>),
    /// Latitude and longitude in ten-thousandths of a degree, accuracy in metres.
    Position(i32, i32, u32),
    /// An area.
    Area(AreaRef),
    /// Links to records, ascending.
    Links(Vec<RecordId>),
    /// A kind that a newer vocabulary brought: its mark and its bytes, kept as they are.
    Later(u8, Vec<u8>),
}

const YES_NO: u8 = 1;
const NUMBER: u8 = 2;
const CHOICE: u8 = 3;
const CHOICES: u8 = 4;
pub(crate) const TEXT: u8 = 5;
const DAY: u8 = 6;
const TIME: u8 = 7;
const INTERVAL: u8 = 8;
const POSITION: u8 = 9;
const AREA: u8 = 10;
const LINKS: u8 = 11;
/// Marks from here on are for later formats; their payload is a block.
const LATER_FROM: u8 = 64;

fn write_time(w: &mut Writer, t: WallTime) {
    w.zigzag(i64::from(t.minutes)).zigzag(i64::from(t.offset));
}

fn read_time(r: &mut Reader<'_>) -> Result<WallTime, Malformed> {
    let minutes = i32::try_from(r.zigzag()?).map_err(|_out_of_range| Malformed::Range)?;
    let offset = i16::try_from(r.zigzag()?).map_err(|_out_of_range| Malformed::Range)?;
    Ok(WallTime { minutes, offset })
}

impl Value {
    /// Which kind it is, as its first byte says.
    pub(crate) const fn mark(&self) -> u8 {
        match self {
            Self::YesNo(_) => YES_NO,
            Self::Number(_) => NUMBER,
            Self::Choice(_) => CHOICE,
            Self::Choices(_) => CHOICES,
            Self::Text(_) => TEXT,
            Self::Day(_) => DAY,
            Self::Time(_) => TIME,
            Self::Interval(..) => INTERVAL,
            Self::Position(..) => POSITION,
            Self::Area(_) => AREA,
            Self::Links(_) => LINKS,
            Self::Later(mark, _) => *mark,
        }
    }

    /// Writes the mark and the payload.
    pub fn write(&self, w: &mut Writer) {
        w.u8(self.mark());
        self.write_payload(w);
    }

    /// Writes what follows the mark.
    pub(crate) fn write_payload(&self, w: &mut Writer) {
        match self {
            Self::YesNo(v) => {
                w.u8(u8::from(*v));
            }
            Self::Number(v) => {
                w.varint(*v);
            }
            Self::Choice(v) => {
                w.varint(u64::from(*v));
            }
            Self::Choices(set) => {
                w.count(set.len());
                for v in set {
                    w.varint(u64::from(*v));
                }
            }
            Self::Text(text) => {
                w.block(text.as_bytes());
            }
            Self::Day(day) => {
                w.zigzag(i64::from(*day));
            }
            Self::Time(t) => write_time(w, *t),
            Self::Interval(from, to) => {
                write_time(w, *from);
                w.u8(u8::from(to.is_some()));
                if let Some(to) = to {
                    write_time(w, *to);
                }
            }
            Self::Position(latitude, longitude, metres) => {
                w.zigzag(i64::from(*latitude))
                    .zigzag(i64::from(*longitude))
                    .varint(u64::from(*metres));
            }
            Self::Area(area) => {
                w.raw(area.as_bytes());
            }
            Self::Links(links) => {
                w.count(links.len());
                for link in links {
                    w.raw(link.as_bytes());
                }
            }
            Self::Later(_, bytes) => {
                w.block(bytes);
            }
        }
    }

    /// Reads one value; sets and links must ascend, text must be clean.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mark = r.u8()?;
        Self::read_payload(mark, r)
    }

    /// A text that was read, if it is clean.
    pub(crate) fn of_text(text: &[u8]) -> Result<Self, Malformed> {
        let text = std::str::from_utf8(text).map_err(|_not_utf8| Malformed::Text)?;
        if display_text_fault(text).is_some() {
            return Err(Malformed::Text);
        }
        Ok(Self::Text(text.to_owned()))
    }

    /// Reads what follows the mark.
    pub(crate) fn read_payload(mark: u8, r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match mark {
            YES_NO => match r.u8()? {
                0 => Self::YesNo(false),
                1 => Self::YesNo(true),
                other => return Err(Malformed::UnknownMark(other)),
            },
            NUMBER => Self::Number(r.varint()?),
            CHOICE => Self::Choice(r.small()?),
            CHOICES => Self::Choices(read_ascending(r, CHOICES_MAX, |r| r.small())?),
            TEXT => Self::of_text(r.block(TEXT_BYTES_MAX)?)?,
            DAY => Self::Day(i32::try_from(r.zigzag()?).map_err(|_out_of_range| Malformed::Range)?),
            TIME => Self::Time(read_time(r)?),
            INTERVAL => {
                let from = read_time(r)?;
                match r.u8()? {
                    0 => Self::Interval(from, None),
                    1 => Self::Interval(from, Some(read_time(r)?)),
                    other => return Err(Malformed::UnknownMark(other)),
                }
            }
            POSITION => {
                let latitude =
                    i32::try_from(r.zigzag()?).map_err(|_out_of_range| Malformed::Range)?;
                let longitude =
                    i32::try_from(r.zigzag()?).map_err(|_out_of_range| Malformed::Range)?;
                Self::Position(latitude, longitude, r.small()?)
            }
            AREA => Self::Area(AreaRef::read(r)?),
            LINKS => Self::Links(read_ascending(r, LINKS_MAX, RecordId::read)?),
            mark if mark >= LATER_FROM => Self::Later(mark, r.block(TEXT_BYTES_MAX)?.to_vec()),
            other => return Err(Malformed::UnknownMark(other)),
        })
    }

    /// The encoding as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.into_bytes()
    }

    /// Reads a value that fills `bytes`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let value = Self::read(&mut r)?;
        r.end()?;
        Ok(value)
    }
}

fn read_ascending<T: Ord>(
    r: &mut Reader<'_>,
    limit: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let n = r.count(limit)?;
    let mut items: Vec<T> = Vec::new();
    for _ in 0..n {
        let item = read(r)?;
        if items.last().is_some_and(|last| *last >= item) {
            return Err(Malformed::Order);
        }
        items.push(item);
    }
    Ok(items)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        let at = WallTime {
            minutes: 29_000_000,
            offset: 420,
        };
        for value in [
            Value::YesNo(true),
            Value::Number(u64::MAX),
            Value::Choice(7),
            Value::Choices(vec![1, 5, 9]),
            Value::Text("Tuần tra កន្លែង".to_owned()),
            Value::Day(-3),
            Value::Time(at),
            Value::Interval(at, None),
            Value::Interval(at, Some(at)),
            Value::Position(97_000, 1_056_000, 12),
            Value::Area(AreaRef([7; 16])),
            Value::Links(vec![RecordId([1; 16]), RecordId([2; 16])]),
            Value::Later(77, vec![1, 2, 3]),
        ] {
            let bytes = value.to_bytes();
            assert_eq!(Value::from_bytes(&bytes), Ok(value));
            for cut in 0..bytes.len() {
                assert!(Value::from_bytes(&bytes[..cut]).is_err());
            }
        }
    }

    #[test]
    fn a_set_out_of_order_is_refused() {
        let bytes = Value::Choices(vec![5, 1]).to_bytes();
        assert_eq!(Value::from_bytes(&bytes), Err(Malformed::Order));
        assert_eq!(
            Value::from_bytes(&Value::Text("a\0b".to_owned()).to_bytes()),
            Err(Malformed::Text)
        );
    }
}
