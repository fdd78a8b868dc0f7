//! The figures of a period for an officer's area, and its closing.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::closing::{ClosedCell, ClosedUnit, Closing};
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::AreaRef;
use sync_core::suppression::{Sums, Table};
use sync_core::vocabulary::{
    AreaLevel, Lane, PeriodCalendars, RecordType, RoleScope, TypeLane, Vocabulary,
};

use super::units::{today, units_of};
use super::{AreaNames, OfficeDesk};
use crate::http::console::desk::{
    DeskError, Figures, Officer, Pair, PeriodAsked, PeriodPage, PeriodStep, TypeFigures,
    UnitFigures, UnitsAsked,
};
use crate::store::{PeriodFigures, PeriodState, Scope, ScopeArea, Snapshot};

/// Report tables whose small figures are withheld above the commune.
const GUARDED_TABLES: [&str; 4] = ["T3", "T4", "T5", "T7"];

impl OfficeDesk {
    pub(super) fn period_page(
        &self,
        officer: &Officer,
        asked: &PeriodAsked,
    ) -> Result<PeriodPage, DeskError> {
        let area = self.counted_area(officer)?;
        let asked = *asked;
        let detail = format!("{} to {}", asked.period.first, asked.period.last);
        self.audit(officer, "period", None, &detail)?;
        let vocabulary = self.vocabulary();
        let above_commune = officer.scope(vocabulary) == RoleScope::Province;
        let may_close = officer.closes_periods(vocabulary);
        let officer = officer.clone();
        self.read(move |snapshot| {
            let found = figures(snapshot, area, &officer, &asked)?;
            let step = match found.state {
                PeriodState::Closed(time_s) => PeriodStep::Closed(time_s),
                PeriodState::Next => PeriodStep::Next,
                PeriodState::Open => PeriodStep::Open,
                PeriodState::Passed => PeriodStep::Passed,
            };
            let guard = match step {
                _ if !above_commune => Guard::None,
                PeriodStep::Closed(_) => Guard::SmallCells,
                PeriodStep::Next | PeriodStep::Open | PeriodStep::Passed => Guard::All,
            };
            let mut by_type: BTreeMap<u16, Vec<ClosedCell>> = BTreeMap::new();
            for cell in found.cells {
                by_type.entry(cell.record_type).or_default().push(cell);
            }
            let all_units = match guard {
                Guard::SmallCells => communes_on(snapshot, &officer, asked.period.last)?,
                Guard::None | Guard::All => Vec::new(),
            };
            let mut types = Vec::new();
            let mut names = AreaNames::new(snapshot);
            for row in vocabulary.record_types() {
                if !counts_type(vocabulary, &officer, row) {
                    continue;
                }
                let cells = by_type.remove(&row.number).unwrap_or_default();
                let guarded = row.report.as_deref();
                let guarded = guarded.is_some_and(|table| GUARDED_TABLES.contains(&table));
                let guard = if guarded { guard } else { Guard::None };
                let cells = match guard {
                    // a unit that is not there would be known to have none
                    Guard::SmallCells => with_all(&all_units, cells, row.number),
                    Guard::None | Guard::All => cells,
                };
                // whether there is anything is a figure too
                if cells.is_empty() && guard == Guard::None {
                    continue;
                }
                types.push(TypeFigures {
                    record_type: row.number,
                    figures: shown(&mut names, &cells, guard)?,
                });
            }
            Ok(PeriodPage {
                step,
                may_close: may_close && step == PeriodStep::Next,
                types,
            })
        })
    }

    pub(super) fn enter_closing(
        &self,
        officer: &Officer,
        asked: &PeriodAsked,
    ) -> Result<(), DeskError> {
        let area = self.counted_area(officer)?;
        if !officer.closes_periods(self.vocabulary()) {
            return Err(DeskError::NotAllowed);
        }
        let asked = PeriodAsked {
            units: UnitsAsked::Today,
            ..*asked
        };
        let detail = format!("{} to {}", asked.period.first, asked.period.last);
        self.audit(officer, "close period", None, &detail)?;
        let who = officer.clone();
        self.office.act_as(
            officer.account,
            &officer.name,
            move |hub, ledger, acting| {
                let found = figures(&ledger.snapshot(), area, &who, &asked)?;
                let closing = Closing {
                    area: who.area,
                    calendar: asked.calendar,
                    period: asked.period,
                    cells: found.cells,
                };
                hub.close_period(ledger, acting, closing)
            },
        )?;
        Ok(())
    }

    /// The area that an officer counts in, if the role counts anything.
    fn counted_area(&self, officer: &Officer) -> Result<ScopeArea, DeskError> {
        let vocabulary = self.vocabulary();
        if !officer.counts(vocabulary) {
            return Err(DeskError::NotAllowed);
        }
        match officer.scope(vocabulary) {
            RoleScope::Province => Ok(ScopeArea::Province),
            RoleScope::Commune => Ok(ScopeArea::Commune(officer.area)),
            RoleScope::Group | RoleScope::None => Err(DeskError::NotAllowed),
        }
    }
}

/// How the figures of a type are guarded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    None,
    /// Small ones are withheld, and others with them.
    SmallCells,
    /// All are withheld.
    All,
}

/// The figures of all lanes: which types of them are shown follows from the role.
fn figures(
    snapshot: &Snapshot<'_>,
    area: ScopeArea,
    officer: &Officer,
    asked: &PeriodAsked,
) -> Result<PeriodFigures, LedgerFault> {
    let scope = Scope {
        area,
        lanes: Lane::ALL.to_vec(),
        rounded: Vec::new(),
    };
    let level = match area {
        ScopeArea::Province => AreaLevel::Commune,
        ScopeArea::Commune(_) | ScopeArea::Group(_) => AreaLevel::Hamlet,
    };
    let calendar = PeriodCalendars::builtin().calendar(asked.calendar);
    let Some(calendar) = calendar else {
        return Err(LedgerFault::Failed("no such calendar".to_owned()));
    };
    snapshot.period_figures(
        &scope,
        officer.area,
        (calendar, asked.period),
        (level, units_of(asked.units)),
        today(),
    )
}

/// The communes of a province on a day.
fn communes_on(
    snapshot: &Snapshot<'_>,
    officer: &Officer,
    day: i32,
) -> Result<Vec<ClosedUnit>, LedgerFault> {
    let territory = snapshot.territory()?;
    let lies_in = |area: &AreaRef| {
        let version = territory.version(*area, day);
        territory.stands(*area, day)
            && version.is_some_and(|version| version.parent == Some(officer.area))
    };
    let communes = territory.areas().filter(lies_in);
    Ok(communes
        .map(|area| ClosedUnit { area, placed: true })
        .collect())
}

/// The cells with one for every unit that has none.
fn with_all(units: &[ClosedUnit], mut cells: Vec<ClosedCell>, record_type: u16) -> Vec<ClosedCell> {
    let known: BTreeSet<ClosedUnit> = cells.iter().map(|cell| cell.unit).collect();
    let missing = units.iter().filter(|unit| !known.contains(unit));
    cells.extend(missing.map(|unit| ClosedCell {
        unit: *unit,
        record_type,
        on_time: 0,
        late: 0,
    }));
    cells.sort_unstable();
    cells
}

/// A type is counted where all lanes that it may stand in are.
fn counts_type(vocabulary: &Vocabulary, officer: &Officer, row: &RecordType) -> bool {
    let may = |lane| vocabulary.may_count(officer.role, lane);
    match row.lane {
        TypeLane::Fixed(lane) => may(lane),
        TypeLane::ByKind => may(Lane::Open) && may(Lane::Protected),
    }
}

fn shown(
    names: &mut AreaNames<'_, '_>,
    cells: &[ClosedCell],
    guard: Guard,
) -> Result<Option<Figures>, LedgerFault> {
    if guard == Guard::All {
        return Ok(None);
    }
    let sum = |of: fn(&ClosedCell) -> u64| cells.iter().map(of).fold(0, u64::saturating_add);
    let rows: Vec<Vec<u64>> = cells
        .iter()
        .map(|cell| vec![cell.on_time, cell.late])
        .collect();
    let table = (guard == Guard::SmallCells).then(|| Table::protect(&rows, Sums::OfColumns));
    let mut units = Vec::new();
    for (row, cell) in cells.iter().enumerate() {
        let ClosedUnit { area, placed } = cell.unit;
        let pair = match &table {
            None => Pair {
                on_time: Some(cell.on_time),
                late: Some(cell.late),
            },
            Some(table) => Pair {
                on_time: table.shown(row, 0),
                late: table.shown(row, 1),
            },
        };
        if pair == Pair::default() {
            continue; // withheld, like all that are not named
        }
        units.push(UnitFigures {
            name: names.of(area)?,
            placed,
            pair,
        });
    }
    units.sort_by(|a, b| (!a.placed, &a.name.name).cmp(&(!b.placed, &b.name.name)));
    let sum = match &table {
        None => Pair {
            on_time: Some(sum(|cell| cell.on_time)),
            late: Some(sum(|cell| cell.late)),
        },
        Some(table) => Pair {
            on_time: table.shown_sum(0),
            late: table.shown_sum(1),
        },
    };
    Ok(Some(Figures { units, sum }))
}
