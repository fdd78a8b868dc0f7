//! A closed period: which days, for which area, and the figures as they stood. They are part of
//! the entry, so a closed table never changes: what comes later is counted in the next open period,
//! in a column of its own.

use thiserror::Error;

use crate::bytes::{Malformed, Reader, Writer};
use crate::calendar::iso_text;
use crate::ids::AreaRef;
use crate::limits::{CLOSED_CELLS_MAX, CLOSED_UNITS_MAX, CLOSING_BYTES_MAX};
use crate::vocabulary::{Period, PeriodCalendars};

/// A unit of a closed table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClosedUnit {
    /// The unit; or the area that records name which could be placed in none.
    pub area: AreaRef,
    /// Whether it is a unit.
    pub placed: bool,
}

/// A figure of a closed table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ClosedCell {
    /// Its unit.
    pub unit: ClosedUnit,
    /// Type of the records.
    pub record_type: u16,
    /// Records about a day of the period.
    pub on_time: u64,
    /// Records about a day of an earlier period that was closed before they came.
    pub late: u64,
}

/// What an entry says that closes a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// The commune or province that it is closed for.
    pub area: AreaRef,
    /// Number of the calendar.
    pub calendar: u16,
    /// Its days.
    pub period: Period,
    /// The figures, ascending by unit and type.
    pub cells: Vec<ClosedCell>,
}

/// Why a period was not closed. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ClosingFault {
    /// There is no such calendar, or it does not count on these days.
    #[error("there is no calendar {0} for these days")]
    NoCalendar(u16),
    /// These days are no period of the calendar.
    #[error("these days are no whole period of the calendar")]
    NoPeriod,
    /// It has not ended.
    #[error("the period has not ended yet: its last day is {}", iso_text(*.0))]
    NotOver(i32),
    /// Periods are closed one after the other; the next begins on this day.
    #[error("periods are closed one after the other: the next begins on {}", iso_text(*.0))]
    NotNext(i32),
    /// The figures are too many for an entry.
    #[error("the table has too many rows to be kept: count by larger units")]
    TooLarge,
}

impl Closing {
    /// The first fault that keeps it from being closed on `today`, after `last` if one was closed
    /// before.
    #[must_use]
    pub fn fault(&self, last: Option<&Self>, today: i32) -> Option<ClosingFault> {
        let calendars = PeriodCalendars::builtin();
        let calendar = calendars.calendar(self.calendar);
        let Some(calendar) = calendar.filter(|found| found.is_valid_on(self.period.last)) else {
            return Some(ClosingFault::NoCalendar(self.calendar));
        };
        if calendar.period_of(self.period.first) != self.period {
            return Some(ClosingFault::NoPeriod);
        }
        if self.period.last >= today {
            return Some(ClosingFault::NotOver(self.period.last));
        }
        if let Some(last) = last {
            let next = last.period.last.saturating_add(1);
            if self.period.first != next {
                return Some(ClosingFault::NotNext(next));
            }
        }
        let mut w = Writer::new();
        self.write(&mut w);
        let fits = w.as_bytes().len() <= CLOSING_BYTES_MAX
            && self.cells.len() <= CLOSED_CELLS_MAX
            && self.units().len() <= CLOSED_UNITS_MAX;
        (!fits).then_some(ClosingFault::TooLarge)
    }

    /// Its units, ascending.
    #[must_use]
    pub fn units(&self) -> Vec<ClosedUnit> {
        let mut units: Vec<ClosedUnit> = self.cells.iter().map(|cell| cell.unit).collect();
        units.sort_unstable();
        units.dedup();
        units
    }

    pub(crate) fn write(&self, w: &mut Writer) {
        w.raw(self.area.as_bytes()).u16(self.calendar);
        w.zigzag(self.period.first.into())
            .zigzag(self.period.last.into());
        let units = self.units();
        w.count(units.len());
        for unit in &units {
            w.raw(unit.area.as_bytes()).u8(u8::from(unit.placed));
        }
        w.count(self.cells.len());
        for cell in &self.cells {
            let place = units.binary_search(&cell.unit).unwrap_or_default();
            w.count(place).varint(cell.record_type.into());
            w.varint(cell.on_time).varint(cell.late);
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (area, calendar) = (AreaRef::read(r)?, r.u16()?);
        let mut day = || i32::try_from(r.zigzag()?).map_err(|_far| Malformed::Range);
        let (first, last) = (day()?, day()?);
        if first > last {
            return Err(Malformed::Range);
        }
        let mut units: Vec<ClosedUnit> = Vec::new();
        for _ in 0..r.count(CLOSED_UNITS_MAX)? {
            let area = AreaRef::read(r)?;
            let placed = match r.u8()? {
                0 => false,
                1 => true,
                other => return Err(Malformed::UnknownMark(other)),
            };
            let unit = ClosedUnit { area, placed };
            if units.last().is_some_and(|last| *last >= unit) {
                return Err(Malformed::Order);
            }
            units.push(unit);
        }
        let mut cells: Vec<ClosedCell> = Vec::new();
        for _ in 0..r.count(CLOSED_CELLS_MAX)? {
            let place = r.count(CLOSED_UNITS_MAX)?;
            let cell = ClosedCell {
                unit: *units.get(place).ok_or(Malformed::Range)?,
                record_type: r.small()?,
                on_time: r.varint()?,
                late: r.varint()?,
            };
            let key = |cell: &ClosedCell| (cell.unit, cell.record_type);
            if cells.last().is_some_and(|last| key(last) >= key(&cell)) {
                return Err(Malformed::Order);
            }
            cells.push(cell);
        }
        let closing = Self {
            area,
            calendar,
            period: Period { first, last },
            cells,
        };
        // a unit without a figure would be a second spelling
        if closing.units() != units {
            return Err(Malformed::Range);
        }
        Ok(closing)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::calendar::read_iso;

    fn day(text: &str) -> i32 {
        read_iso(text).unwrap()
    }

    pub(crate) fn sample() -> Closing {
        let unit = |n: u8, placed| ClosedUnit {
            area: AreaRef([n; 16]),
            placed,
        };
        let cell = |unit, record_type, on_time, late| ClosedCell {
            unit,
            record_type,
            on_time,
            late,
        };
        Closing {
            area: AreaRef([3; 16]),
            calendar: 1,
            period: Period {
                first: day("2026-02-15"),
                last: day("2026-03-14"),
            },
            cells: vec![
                cell(unit(4, true), 1, 31, 0),
                cell(unit(4, true), 4, 0, 2),
                cell(unit(5, false), 1, 1, 0),
            ],
        }
    }

    #[test]
    fn it_comes_back_from_its_bytes_in_one_spelling() {
        let mut w = Writer::new();
        sample().write(&mut w);
        let bytes = w.into_bytes();
        assert_eq!(Closing::read(&mut Reader::new(&bytes)), Ok(sample()));
        for cut in 0..bytes.len() {
            assert!(Closing::read(&mut Reader::new(&bytes[..cut])).is_err());
        }
        for place in 0..bytes.len() {
            let mut other = bytes.clone();
            other[place] ^= 1;
            if let Ok(read) = Closing::read(&mut Reader::new(&other)) {
                let mut again = Writer::new();
                read.write(&mut again);
                assert_eq!(again.as_bytes(), other);
            }
        }
    }

    #[test]
    fn periods_are_closed_whole_after_their_end_and_one_after_the_other() {
        let march = sample();
        let over = day("2026-03-15");
        assert_eq!(march.fault(None, over), None);
        assert_eq!(
            march.fault(None, over - 1),
            Some(ClosingFault::NotOver(march.period.last))
        );
        let mut april = march.clone();
        april.period = Period {
            first: over,
            last: day("2026-04-14"),
        };
        let later = day("2026-06-01");
        assert_eq!(april.fault(Some(&march), later), None);
        let again = march.fault(Some(&march), later);
        assert_eq!(again, Some(ClosingFault::NotNext(over)));
        april.period.last -= 1;
        assert_eq!(
            april.fault(Some(&march), later),
            Some(ClosingFault::NoPeriod)
        );
        april.calendar = 9;
        assert_eq!(april.fault(None, later), Some(ClosingFault::NoCalendar(9)));
        // another calendar may go on only where no day is left out or closed twice
        let mut month = march.clone();
        month.calendar = 2;
        month.period = Period {
            first: day("2026-04-01"),
            last: day("2026-04-30"),
        };
        assert_eq!(
            month.fault(Some(&march), later),
            Some(ClosingFault::NotNext(over))
        );
    }

    #[test]
    fn a_table_that_no_entry_can_hold_is_refused() {
        let mut large = sample();
        let mut cell = large.cells[0];
        large.cells.clear();
        for n in 0..=CLOSED_UNITS_MAX {
            cell.unit.area.0[..8].copy_from_slice(&(n as u64).to_be_bytes());
            large.cells.push(cell);
        }
        let fault = large.fault(None, day("2026-06-01"));
        assert_eq!(fault, Some(ClosingFault::TooLarge));
    }
}
