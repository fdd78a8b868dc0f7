//! Areas through time in the store: the graph, made of the table of areas and the log's events,
//! and counts by the units that it names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};
use sync_core::calendar::{iso_text, read_iso};
use sync_core::hub::area_events;
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::AreaRef;
use sync_core::territory::{AreaChange, AreaEvent, Nowhere, Resolved, Territory};
use sync_core::text::fold;
use sync_core::vocabulary::{
    AreaFault, AreaLevel, Lane, UNITS_BEFORE_CSV, UNITS_CSV, UnitTable, UnitsBefore,
};

use super::readers::Snapshot;
use super::rows::{Scope, area_condition, lane_condition};
use super::sqlite::SqliteLedger;
use super::{areas, fault};

/// By which units something is counted or listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Units {
    /// Those of the day that a record is about.
    Then,
    /// Those of this day, in days since 1970: today.
    On(i32),
}

/// Where a record was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counted {
    /// In this unit.
    In(AreaRef),
    /// In none, since what it names may be of several or of none: the area that it names.
    Remainder(AreaRef),
}

/// The records that are counted: about these days, created at these places of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedRows {
    /// First day, in days since 1970.
    pub from_day: i32,
    /// First day after.
    pub until_day: i32,
    /// First index of the log.
    pub from_index: u64,
    /// First index after.
    pub until_index: u64,
}

impl CountedRows {
    /// All records about the days `from_day <= day < until_day`.
    #[must_use]
    pub const fn about(from_day: i32, until_day: i32) -> Self {
        Self {
            from_day,
            until_day,
            from_index: 0,
            until_index: u64::MAX,
        }
    }
}

/// How many records of a type a unit has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitCount {
    /// The unit, or what could not be placed.
    pub counted: Counted,
    /// The type.
    pub record_type: u16,
    /// How many, without the withdrawn ones.
    pub count: u64,
}

/// Records of a unit, or of none, as a condition on rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitRows {
    /// Of no unit: what follows is what must not hold.
    negated: bool,
    spans: Vec<Span>,
}

/// What holds for records about some days.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Span {
    from_day: i32,
    until_day: i32,
    /// Areas that are of the unit.
    areas: BTreeSet<AreaRef>,
    /// Area and commune of the group: of the unit in a closed lane, where the commune places what
    /// a split leaves open through its groups.
    placed: BTreeSet<(AreaRef, AreaRef)>,
}

/// The reorganisation of 2025, as this release knows it; read once.
pub(super) fn units_before() -> Result<&'static UnitsBefore, LedgerFault> {
    static BEFORE: OnceLock<Result<UnitsBefore, String>> = OnceLock::new();
    let read = || {
        let told = |faults: Vec<AreaFault>| {
            let first = faults.first().map(ToString::to_string);
            first.unwrap_or_default()
        };
        let units = UnitTable::parse("units.csv", UNITS_CSV).map_err(told)?;
        UnitsBefore::parse("units_before_2025.csv", UNITS_BEFORE_CSV, &units).map_err(told)
    };
    let before = BEFORE.get_or_init(read).as_ref();
    before.map_err(|fault| {
        LedgerFault::Failed(format!("the built-in table of units is wrong: {fault}"))
    })
}

impl Snapshot<'_> {
    /// All areas with all that happened to them: the built-in reorganisation of 2025 and the
    /// events of the log.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn territory(&self) -> Result<Territory, LedgerFault> {
        let events = area_events(self)?;
        territory(self.connection, &events)
    }

    /// How many records of each type each unit of `level` has of those that `which` says, in all
    /// lanes that `scope` may count. What cannot be placed is counted beside, by the area that the
    /// records name. Ascending.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn count_by_unit(
        &self,
        scope: &Scope,
        level: AreaLevel,
        units: Units,
        which: &CountedRows,
    ) -> Result<Vec<UnitCount>, LedgerFault> {
        let territory = self.territory()?;
        let mut sums: BTreeMap<(Counted, u16), u64> = BTreeMap::new();
        for (from, until) in spans(&territory, which.from_day, which.until_day) {
            let placing = Placing {
                territory: &territory,
                level,
                from,
                to: units.day(from),
            };
            for row in self.sums(scope, (from, until), which)? {
                let counted = placing.counted(row.area, row.commune, row.lane);
                let sum = sums.entry((counted, row.record_type)).or_default();
                *sum = sum.saturating_add(row.count);
            }
        }
        Ok(sums
            .into_iter()
            .map(|((counted, record_type), count)| UnitCount {
                counted,
                record_type,
                count,
            })
            .collect())
    }

    fn sums(
        &self,
        scope: &Scope,
        (from, until): (i32, i32),
        which: &CountedRows,
    ) -> Result<Vec<Sum>, LedgerFault> {
        let index = |index: u64| Value::Integer(i64::try_from(index).unwrap_or(i64::MAX));
        let mut values = vec![
            Value::Integer(from.into()),
            Value::Integer(until.into()),
            index(which.from_index),
            index(which.until_index),
        ];
        let sql = format!(
            "select area, commune, lane, record_type, count(*) from record_row
             where day >= ? and day < ? and first >= ? and first < ? and withdrawn = 0
                 and {} and {}
             group by area, commune, lane, record_type",
            lane_condition(&scope.counted_lanes()),
            area_condition(scope, &mut values),
        );
        let read = || -> rusqlite::Result<Vec<Sum>> {
            let mut statement = self.connection.prepare_cached(&sql)?;
            let rows = statement.query_map(params_from_iter(&values), |row| {
                Ok(Sum {
                    area: AreaRef(row.get(0)?),
                    commune: AreaRef(row.get(1)?),
                    lane: Lane::from_number(row.get(2)?),
                    record_type: row.get(3)?,
                    count: row.get::<_, i64>(4)?.unsigned_abs(),
                })
            })?;
            rows.collect()
        };
        read().map_err(fault)
    }

    /// The records of one unit, for a list: of `Some` area of any level, or of none at `level`.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn rows_of_unit(
        &self,
        unit: Option<AreaRef>,
        level: AreaLevel,
        units: Units,
    ) -> Result<UnitRows, LedgerFault> {
        let territory = self.territory()?;
        let level = unit
            .and_then(|unit| Some(territory.version(unit, i32::MAX)?.kind.level()))
            .unwrap_or(level);
        let mut rows = UnitRows {
            negated: unit.is_none(),
            spans: Vec::new(),
        };
        for (from_day, until_day) in spans(&territory, i32::MIN, i32::MAX) {
            let placing = Placing {
                territory: &territory,
                level,
                from: from_day,
                to: units.day(from_day),
            };
            let mut span = Span {
                from_day,
                until_day,
                ..Span::default()
            };
            let wanted = |found: AreaRef| unit.is_none_or(|unit| unit == found);
            for area in territory.areas() {
                match placing.resolved(area) {
                    Resolved::Unit(found) if wanted(found) => drop(span.areas.insert(area)),
                    Resolved::Several(several) if level == AreaLevel::Commune => {
                        let placed = several.into_iter().filter(|found| wanted(*found));
                        span.placed.extend(placed.map(|commune| (area, commune)));
                    }
                    Resolved::Unit(_) | Resolved::Several(_) | Resolved::Nowhere(_) => {}
                }
            }
            rows.spans.push(span);
        }
        Ok(rows)
    }
}

impl Units {
    /// The day whose units count for records of the days from `day` to the next turning day.
    fn day(self, day: i32) -> i32 {
        match self {
            Self::Then => day,
            Self::On(today) => today,
        }
    }
}

struct Sum {
    area: AreaRef,
    commune: AreaRef,
    lane: Option<Lane>,
    record_type: u16,
    count: u64,
}

/// How records of some days are placed.
struct Placing<'a> {
    territory: &'a Territory,
    level: AreaLevel,
    from: i32,
    to: i32,
}

impl Placing<'_> {
    fn resolved(&self, area: AreaRef) -> Resolved {
        self.territory.unit_at(area, self.level, self.from, self.to)
    }

    fn counted(&self, area: AreaRef, commune: AreaRef, lane: Option<Lane>) -> Counted {
        let is_closed = lane.is_some_and(Lane::is_closed);
        let above = Self {
            level: AreaLevel::Commune,
            ..*self
        };
        // a closed lane knows the commune only
        if is_closed && self.level == AreaLevel::Hamlet {
            return above.counted(area, commune, lane);
        }
        match self.resolved(area) {
            Resolved::Unit(unit) => Counted::In(unit),
            // no hamlet was named: the commune as a whole
            Resolved::Nowhere(Nowhere::TooWide(_)) if self.level == AreaLevel::Hamlet => {
                above.counted(area, commune, lane)
            }
            Resolved::Several(several) if is_closed && several.contains(&commune) => {
                Counted::In(commune)
            }
            Resolved::Several(_) | Resolved::Nowhere(_) => Counted::Remainder(area),
        }
    }
}

/// The days of a range, cut where answers change.
fn spans(territory: &Territory, from_day: i32, until_day: i32) -> Vec<(i32, i32)> {
    let mut days = vec![from_day];
    let turns = territory.turning_days().into_iter();
    days.extend(turns.filter(|day| from_day < *day && *day < until_day));
    days.push(until_day);
    days.iter()
        .zip(days.iter().skip(1))
        .filter(|(from, until)| from < until)
        .map(|(from, until)| (*from, *until))
        .collect()
}

impl UnitRows {
    /// The condition, with its values behind those that are there.
    pub(super) fn condition(&self, values: &mut Vec<Value>) -> String {
        let spans: Vec<String> = self
            .spans
            .iter()
            .map(|span| {
                values.push(Value::Integer(span.from_day.into()));
                values.push(Value::Integer(span.until_day.into()));
                values.push(Value::Text(listed(
                    span.areas.iter().map(ToString::to_string),
                )));
                let placed = span.placed.iter();
                let placed = placed.map(|(area, commune)| format!("{area}{commune}"));
                values.push(Value::Text(listed(placed)));
                "(day >= ? and day < ? and (lower(hex(area)) in (select value from json_each(?))
                  or (lane <> 1 and lower(hex(area) || hex(commune)) in
                      (select value from json_each(?)))))"
                    .to_owned()
            })
            .collect();
        let any = format!("({})", spans.join(" or "));
        if self.negated {
            format!("not {any}")
        } else {
            any
        }
    }
}

/// A list of texts without quotes, as JSON.
fn listed(texts: impl Iterator<Item = String>) -> String {
    let quoted: Vec<String> = texts.map(|text| format!("\"{text}\"")).collect();
    format!("[{}]", quoted.join(","))
}

/// The graph of the areas in this database and these events, in the order of the log.
fn territory(connection: &Connection, events: &[AreaEvent]) -> Result<Territory, LedgerFault> {
    let mut rows = areas::all(connection)?;
    for event in events.iter().rev() {
        if let Some(area) = rows.get_mut(&event.area) {
            event.undo(area);
        }
    }
    let mut territory = Territory::new(rows.values());
    for event in units_before()?.events.iter().chain(events) {
        territory.apply(event).map_err(|refusal| {
            let day = iso_text(event.day);
            LedgerFault::Failed(format!("area event of {day} does not fit: {refusal}"))
        })?;
    }
    for (id, area) in &rows {
        if let Some(day) = area.valid_to.as_deref().and_then(read_iso) {
            territory.end(*id, day);
        }
    }
    Ok(territory)
}

#[expect(
    clippy::needless_pass_by_ref_mut,
    reason = "a write takes the transaction for itself, although SQLite would let it be shared"
)]
impl SqliteLedger<'_> {
    /// Brings the table of areas to what the log's events say, as after an import of areas, which
    /// knows only how they began.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn follow_area_events(&mut self) -> Result<(), LedgerFault> {
        let events = area_events(self)?;
        if events.is_empty() {
            return Ok(());
        }
        let territory = territory(self.connection, &events)?;
        let touched: BTreeSet<AreaRef> = events.iter().map(|event| event.area).collect();
        for area in touched {
            self.write_area(&territory, area)?;
        }
        Ok(())
    }

    fn write_area(&self, territory: &Territory, area: AreaRef) -> Result<(), LedgerFault> {
        let Some(now) = territory.version(area, i32::MAX) else {
            return Ok(());
        };
        let write = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare_cached(
                "update area set kind = ?2, name = ?3, folded = ?4, parent = ?5, code = ?6,
                     valid_to = coalesce(?7, valid_to)
                 where id = ?1",
            )?;
            statement.execute(params![
                area.0,
                now.kind.word(),
                now.name,
                fold(&now.name),
                now.parent.map(|parent| parent.0),
                now.code,
                territory.ends(area).map(iso_text),
            ])?;
            Ok(())
        };
        write().map_err(fault)
    }
}

/// The hamlets that lie in an area when it merges, as events of their own: they go along.
///
/// Of a split nothing follows for its hamlets: somebody must say where each went.
#[must_use]
pub fn with_hamlets(territory: &Territory, event: &AreaEvent) -> Vec<AreaEvent> {
    let AreaChange::Merge { into } = &event.change else {
        return Vec::new();
    };
    let lies_in = |area: &AreaRef| {
        let version = territory.version(*area, event.day);
        territory.stands(*area, event.day)
            && version.is_some_and(|version| version.parent == Some(event.area))
    };
    let below = territory.areas().filter(lies_in);
    below
        .map(|area| AreaEvent {
            day: event.day,
            area,
            decision: event.decision.clone(),
            change: AreaChange::Reparent {
                from: event.area,
                to: *into,
            },
        })
        .collect()
}
