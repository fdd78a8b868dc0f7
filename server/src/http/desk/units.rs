//! Areas as an officer may ask for them: by where groups are now, by the units of the time, or by
//! today's.

use sync_core::calendar::{iso_text, local_day};
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::AreaRef;
use sync_core::territory::{Resolved, Territory};
use sync_core::vocabulary::AreaLevel;

use super::{OfficeDesk, area_name};
use crate::http::console::desk::{AreaName, AreaRow, DeskError, Officer, Placed, UnitsAsked};
use crate::now_s;
use crate::store::{ScopeArea, Snapshot, UnitRows, Units};

/// An area as the store filters by it: a hamlet by the place of the record, a commune by its
/// groups, a province not at all; or a unit.
type Place = (Option<AreaRef>, Option<AreaRef>, Option<UnitRows>);

impl OfficeDesk {
    pub(super) fn area_rows(
        &self,
        officer: &Officer,
        units: Option<UnitsAsked>,
    ) -> Result<Vec<AreaRow>, DeskError> {
        let scope = self.scope(officer)?.area;
        let (own, today) = (officer.area, today());
        let own_name = officer.area_name.clone();
        self.read(move |snapshot| {
            let mut rows = vec![AreaRow {
                area: own,
                name: own_name,
                depth: 0,
            }];
            for below in snapshot.areas_below(own)? {
                rows.push(AreaRow {
                    area: below.id,
                    name: area_name(&below),
                    depth: 1,
                });
            }
            if units == Some(UnitsAsked::Then) {
                let territory = snapshot.territory()?;
                rows.extend(ended_in(&territory, scope, own, today));
            }
            Ok(rows)
        })
    }
}

/// Where the records of a list are, as the store asks for it.
pub(super) fn place_of(snapshot: &Snapshot<'_>, placed: Placed) -> Result<Place, LedgerFault> {
    let (asked, unit) = match placed {
        Placed::Anywhere => return Ok((None, None, None)),
        Placed::Now(area) => {
            let level = snapshot.area(area)?.map(|row| row.kind.level());
            return Ok(match level {
                Some(AreaLevel::Province) => (None, None, None),
                Some(AreaLevel::Commune) => (None, Some(area), None),
                Some(AreaLevel::Hamlet) | None => (Some(area), None, None),
            });
        }
        Placed::In(asked, area) => (asked, Some(area)),
        Placed::Nowhere(asked) => (asked, None),
    };
    let rows = snapshot.rows_of_unit(unit, AreaLevel::Commune, units_of(asked))?;
    Ok((None, None, Some(rows)))
}

/// The units that are asked for, as the store knows them.
pub(super) fn units_of(asked: UnitsAsked) -> Units {
    match asked {
        UnitsAsked::Then => Units::Then,
        UnitsAsked::Today => Units::On(today()),
    }
}

/// Today in Vietnam, in days since 1970.
pub(super) fn today() -> i32 {
    local_day(now_s())
}

/// Communes that ended and are, whole or in part, in the officer's area today, by name.
fn ended_in(territory: &Territory, scope: ScopeArea, own: AreaRef, today: i32) -> Vec<AreaRow> {
    let level = match scope {
        ScopeArea::Province => AreaLevel::Province,
        ScopeArea::Commune(_) | ScopeArea::Group(_) => AreaLevel::Commune,
    };
    let mut rows: Vec<AreaRow> = territory
        .areas()
        .filter_map(|area| {
            let version = territory.version(area, i32::MAX)?;
            let ended = territory.ends(area).filter(|ends| *ends <= today)?;
            let is_commune = version.kind.level() == AreaLevel::Commune;
            let is_here = match territory.unit_at(area, level, ended.saturating_sub(1), today) {
                Resolved::Unit(unit) => unit == own,
                Resolved::Several(several) => several.contains(&own),
                Resolved::Nowhere(_) => false,
            };
            (is_commune && is_here).then(|| AreaRow {
                area,
                name: AreaName {
                    ended: Some(iso_text(ended)),
                    ..AreaName::known(area, format!("{} {}", version.kind.word(), version.name))
                },
                depth: 1,
            })
        })
        .collect();
    rows.sort_by(|a, b| a.name.name.cmp(&b.name.name));
    rows
}
