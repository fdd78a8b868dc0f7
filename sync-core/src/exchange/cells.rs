//! The fields of one change in its row: first what stands where, then what it says.
//!
//! Rows of one type say the same things at the same places, so a coder that has read one row
//! expects the places of the next; between words and numbers it would have to find them anew each
//! time. For the same reason words come last, and times are told from the row's clock.

use crate::bytes::{Malformed, Reader, Writer};
use crate::calendar::{VIETNAM_OFFSET_MINUTES, VIETNAM_OFFSET_S, local_day};
use crate::change::{FullChange, Parts, Secret, Slot, part_hash};
use crate::exchange::{Sink, Source};
use crate::ids::{AreaRef, Hash32};
use crate::limits::{CHANGE_OPS_MAX, TEXT_BYTES_MAX};
use crate::value::{FieldKey, TEXT, Value, WallTime};
use std::collections::BTreeMap;

const KEY_PART: u64 = 1;
const KEY_ITEM: u64 = 2;

/// Stands where a value was erased. No value has this mark, nor one of those below.
const GONE: u8 = 0;
/// A day, told from the day of the clock.
const NEAR_DAY: u8 = 58;
/// A time in Vietnam, told from the clock.
const NEAR_TIME: u8 = 59;
/// An interval in Vietnam that has no end, its start told from the clock.
const NEAR_FROM: u8 = 60;
/// An interval in Vietnam, its start told from the clock and its end from its start.
const NEAR_SPAN: u8 = 61;
/// Stands for the area of the chain's group.
const HOME_AREA: u8 = 62;
/// Stands for the commune of the chain's group.
const HOME_COMMUNE: u8 = 63;

/// Ends a text: clean texts hold no such byte.
const TEXT_END: u8 = 0;

/// Where a group is at home, as both sides know it from the log: most records of a group lie
/// there, and then one byte names the area instead of sixteen that nothing can pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// The group's area.
    pub area: AreaRef,
    /// Its commune.
    pub commune: AreaRef,
}

/// What values are told by: where the group is at home, and the clock of the change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Near {
    home: Option<Home>,
    /// The change's clock as minutes and as days since 1970 in Vietnam.
    minutes: i64,
    day: i64,
}

impl Near {
    pub(super) fn new(home: Option<Home>, clock_s: i64) -> Self {
        Self {
            home,
            minutes: clock_s.saturating_add(VIETNAM_OFFSET_S).div_euclid(60),
            day: local_day(clock_s).into(),
        }
    }

    fn mark(self, value: &Value) -> u8 {
        let here = |time: &WallTime| time.offset == VIETNAM_OFFSET_MINUTES;
        match (value, self.home) {
            (Value::Day(_), _) => NEAR_DAY,
            (Value::Time(time), _) if here(time) => NEAR_TIME,
            (Value::Interval(from, None), _) if here(from) => NEAR_FROM,
            (Value::Interval(from, Some(to)), _) if here(from) && here(to) => NEAR_SPAN,
            (Value::Area(area), Some(home)) if *area == home.area => HOME_AREA,
            (Value::Area(area), Some(home)) if *area == home.commune => HOME_COMMUNE,
            _ => value.mark(),
        }
    }

    fn write(self, w: &mut Writer, value: &Value) {
        if self.mark(value) == value.mark() {
            value.write_payload(w);
            return;
        }
        // of an area at home the mark says all
        if let Value::Day(day) = value {
            w.zigzag(self.day.wrapping_sub((*day).into()));
        }
        if let Value::Time(at) | Value::Interval(at, _) = value {
            w.zigzag(self.minutes.wrapping_sub(at.minutes.into()));
        }
        if let Value::Interval(from, Some(to)) = value {
            w.zigzag(i64::from(to.minutes).wrapping_sub(from.minutes.into()));
        }
    }

    fn read(self, r: &mut Reader<'_>, mark: u8) -> Result<Value, Malformed> {
        // Where the home is not known, no area fits the hash, as with a head that is not known.
        let home = |of: fn(Home) -> AreaRef| Value::Area(self.home.map(of).unwrap_or_default());
        Ok(match mark {
            NEAR_DAY => Value::Day(number(self.day.wrapping_sub(r.zigzag()?))?),
            NEAR_TIME => Value::Time(self.time(r)?),
            NEAR_FROM => Value::Interval(self.time(r)?, None),
            NEAR_SPAN => {
                let from = self.time(r)?;
                let to = i64::from(from.minutes).wrapping_add(r.zigzag()?);
                Value::Interval(from, Some(in_vietnam(to)?))
            }
            HOME_AREA => home(|home| home.area),
            HOME_COMMUNE => home(|home| home.commune),
            other => Value::read_payload(other, r)?,
        })
    }

    fn time(self, r: &mut Reader<'_>) -> Result<WallTime, Malformed> {
        in_vietnam(self.minutes.wrapping_sub(r.zigzag()?))
    }
}

fn number(number: i64) -> Result<i32, Malformed> {
    i32::try_from(number).map_err(|_out_of_range| Malformed::Range)
}

fn in_vietnam(minutes: i64) -> Result<WallTime, Malformed> {
    Ok(WallTime {
        minutes: number(minutes)?,
        offset: VIETNAM_OFFSET_MINUTES,
    })
}

fn value_of<'a>(full: &'a FullChange, key: &FieldKey, slot: &'a Slot) -> Option<&'a Value> {
    match slot {
        Slot::Plain(value) => Some(value),
        Slot::Part(_) => full.parts.values.get(key),
    }
}

pub(super) fn write_slots(sink: &mut Sink, full: &FullChange, near: Near) {
    let slots = &full.change.slots;
    let values: Vec<_> = slots
        .iter()
        .map(|(key, slot)| value_of(full, key, slot))
        .collect();
    sink.rows.count(slots.len());
    let mut last = 0u16;
    for ((key, slot), value) in slots.iter().zip(&values) {
        let mut code = u64::from(key.number.wrapping_sub(last)) << 2;
        last = key.number;
        if key.item != 0 {
            code |= KEY_ITEM;
            sink.raw.u32(key.item);
        }
        if let Slot::Part(hash) = slot {
            code |= KEY_PART;
            match (value, &full.parts.secret) {
                (None, _) => {
                    sink.raw.raw(hash.as_bytes());
                }
                (Some(_), Secret::Salts(salts)) => {
                    sink.raw.raw(&salts.get(key).copied().unwrap_or_default());
                }
                (Some(_), Secret::Seed(_)) => {}
            }
        }
        sink.rows.varint(code);
        sink.rows.u8(value.map_or(GONE, |value| near.mark(value)));
    }
    for value in values.iter().copied().flatten() {
        if !matches!(value, Value::Text(_)) {
            near.write(&mut sink.rows, value);
        }
    }
    for value in values.iter().copied().flatten() {
        if let Value::Text(text) = value {
            sink.rows.raw(text.as_bytes()).u8(TEXT_END);
        }
    }
}

type Slots = Vec<(FieldKey, Slot)>;

/// What the head of a row says of one field.
struct Cell {
    key: FieldKey,
    /// Of a part: its salt, or its hash where the value is gone.
    part: Option<Kept>,
    mark: u8,
}

enum Kept {
    Salt([u8; 16]),
    Hash(Hash32),
}

fn read_cells(source: &mut Source<'_>, seed: Option<[u8; 16]>) -> Result<Vec<Cell>, Malformed> {
    let mut cells = Vec::new();
    let mut last = 0u16;
    for _ in 0..source.rows.count(CHANGE_OPS_MAX)? {
        let code = source.rows.varint()?;
        let step = u16::try_from(code >> 2).map_err(|_out_of_range| Malformed::Range)?;
        let number = last.checked_add(step).ok_or(Malformed::Range)?;
        last = number;
        let item = if code & KEY_ITEM == 0 {
            0
        } else {
            source.raw.u32()?
        };
        let key = FieldKey { number, item };
        let mark = source.rows.u8()?;
        let part = match (code & KEY_PART != 0, mark, seed) {
            (false, GONE, _) => return Err(Malformed::UnknownMark(GONE)),
            (false, _, _) => None,
            (true, GONE, _) => Some(Kept::Hash(Hash32::read(&mut source.raw)?)),
            (true, _, Some(seed)) => Some(Kept::Salt(crate::change::salt_of(&seed, key))),
            (true, _, None) => Some(Kept::Salt(source.raw.array()?)),
        };
        cells.push(Cell { key, part, mark });
    }
    Ok(cells)
}

fn read_text(r: &mut Reader<'_>) -> Result<Value, Malformed> {
    let within = r.rest().iter().take(TEXT_BYTES_MAX.saturating_add(1));
    let length = within.take_while(|byte| **byte != TEXT_END).count();
    if length > TEXT_BYTES_MAX {
        return Err(Malformed::OverLimit {
            limit: TEXT_BYTES_MAX,
        });
    }
    let text = Value::of_text(r.raw(length)?)?;
    r.u8()?;
    Ok(text)
}

pub(super) fn read_slots(
    source: &mut Source<'_>,
    seed: Option<[u8; 16]>,
    near: Near,
) -> Result<(Slots, Parts), Malformed> {
    let cells = read_cells(source, seed)?;
    let mut told = Vec::new();
    for cell in &cells {
        told.push(match cell.mark {
            GONE | TEXT => None,
            mark => Some(near.read(&mut source.rows, mark)?),
        });
    }
    let (mut slots, mut values, mut salts) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
    for (cell, value) in cells.into_iter().zip(told) {
        let value = match cell.mark {
            TEXT => Some(read_text(&mut source.rows)?),
            _ => value,
        };
        let slot = match (cell.part, value) {
            (Some(Kept::Hash(hash)), _) => Slot::Part(hash),
            (Some(Kept::Salt(salt)), Some(value)) => {
                let hash = part_hash(&salt, cell.key, &value);
                salts.insert(cell.key, salt);
                values.insert(cell.key, value);
                Slot::Part(hash)
            }
            (None, Some(value)) => Slot::Plain(value),
            (_, None) => return Err(Malformed::UnknownMark(cell.mark)),
        };
        slots.push((cell.key, slot));
    }
    let secret = seed.map_or(Secret::Salts(salts), Secret::Seed);
    Ok((slots, Parts { secret, values }))
}
