//! The figures of a reporting period: those of a closed one as its entry keeps them, those of an
//! open one counted, late records apart.

use std::collections::BTreeMap;

use sync_core::closing::{ClosedCell, ClosedUnit};
use sync_core::hub::ledger::LedgerFault;
use sync_core::hub::{Closed, closed_periods};
use sync_core::ids::AreaRef;
use sync_core::vocabulary::{AreaLevel, Period, PeriodCalendar};

use super::readers::Snapshot;
use super::rows::Scope;
use super::territory::{Counted, CountedRows, Units};

/// How far a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodState {
    /// It was closed at this server time; its figures never change.
    Closed(i64),
    /// It is over and the next to be closed.
    Next,
    /// It still runs, is to come, or others are closed before it.
    Open,
    /// It lies before the first that was closed, and will not be.
    Passed,
}

/// The figures of a period.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodFigures {
    /// How far it is.
    pub state: PeriodState,
    /// Ascending by unit and type.
    pub cells: Vec<ClosedCell>,
}

impl Snapshot<'_> {
    /// The figures of a period for an area that periods are closed for. Of an open one they are
    /// counted in `scope`, by units of `level`; of a closed one they are those of its entry.
    ///
    /// A record about a day that lies in a closed period, and that came after it was closed, is
    /// late: it counts in the first period that was not closed when it came.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn period_figures(
        &self,
        scope: &Scope,
        area: AreaRef,
        (calendar, period): (&PeriodCalendar, Period),
        (level, units): (AreaLevel, Units),
        today: i32,
    ) -> Result<PeriodFigures, LedgerFault> {
        let closed = closed_periods(self, area)?;
        let same =
            |of: &&Closed| of.closing.calendar == calendar.number && of.closing.period == period;
        if let Some(found) = closed.iter().find(same) {
            return Ok(PeriodFigures {
                state: PeriodState::Closed(found.time_s),
                cells: found.closing.cells.clone(),
            });
        }
        let next_day = closed
            .last()
            .map(|of| of.closing.period.last.saturating_add(1));
        let over = period.last < today;
        let state = match next_day {
            Some(next) if period.first < next => PeriodState::Passed,
            Some(next) if period.first == next && over => PeriodState::Next,
            None if over => PeriodState::Next,
            Some(_) | None => PeriodState::Open,
        };
        let on_time = CountedRows::about(period.first, period.last.saturating_add(1));
        let mut sums: BTreeMap<(ClosedUnit, u16), (u64, u64)> = BTreeMap::new();
        for count in self.count_by_unit(scope, level, units, &on_time)? {
            sums.entry((unit(count.counted), count.record_type))
                .or_default()
                .0 = count.count;
        }
        if next_day == Some(period.first)
            && let (Some(first), Some(last)) = (closed.first(), closed.last())
        {
            let late = CountedRows {
                from_index: last.index,
                ..CountedRows::about(first.closing.period.first, period.first)
            };
            for count in self.count_by_unit(scope, level, units, &late)? {
                sums.entry((unit(count.counted), count.record_type))
                    .or_default()
                    .1 = count.count;
            }
        }
        let cells = sums
            .into_iter()
            .map(|((unit, record_type), sums)| ClosedCell {
                unit,
                record_type,
                on_time: sums.0,
                late: sums.1,
            });
        Ok(PeriodFigures {
            state,
            cells: cells.collect(),
        })
    }
}

fn unit(counted: Counted) -> ClosedUnit {
    match counted {
        Counted::In(area) => ClosedUnit { area, placed: true },
        Counted::Remainder(area) => ClosedUnit {
            area,
            placed: false,
        },
    }
}
