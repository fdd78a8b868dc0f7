//! Provinces, communes and hamlets.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, params};
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::AreaRef;
use sync_core::text::fold;
use sync_core::vocabulary::{Area, AreaId, AreaKind, AreaLevel, UNITS_CSV, UnitTable};

use super::fault;
use super::readers::Snapshot;
use super::sqlite::SqliteLedger;
use super::territory::units_before;

/// An area, as the console shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaRow {
    /// Its id.
    pub id: AreaRef,
    /// What it is.
    pub kind: AreaKind,
    /// The bare name, without the kind.
    pub name: String,
    /// The area it lies in; a province has none.
    pub parent: Option<AreaRef>,
    /// First day, `yyyy-mm-dd`.
    pub valid_from: String,
    /// First day on which it no longer is, if it has ended.
    pub valid_to: Option<String>,
    /// Official code; hamlets have none.
    pub code: Option<String>,
}

#[expect(
    clippy::needless_pass_by_ref_mut,
    reason = "a write takes the transaction for itself, although SQLite would let it be shared"
)]
impl SqliteLedger<'_> {
    /// Keeps areas, over the ones with the same id; gives how many there were. An area that has
    /// ended stays ended when a list says nothing about its end.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn import_areas<'b>(
        &mut self,
        areas: impl IntoIterator<Item = &'b Area>,
    ) -> Result<usize, LedgerFault> {
        import(self.connection, areas)
    }
}

impl Snapshot<'_> {
    /// The area with this id.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn area(&self, area: AreaRef) -> Result<Option<AreaRow>, LedgerFault> {
        let read = || -> rusqlite::Result<Option<AreaRow>> {
            let sql = "select id, kind, name, parent, valid_from, valid_to, code
                       from area where id = ?1";
            let mut statement = self.connection.prepare_cached(sql)?;
            statement.query_row([area.0], area_of).optional()
        };
        read().map_err(fault)
    }

    /// The areas that lie directly in this one, ended ones too, by name without accents.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn areas_below(&self, area: AreaRef) -> Result<Vec<AreaRow>, LedgerFault> {
        let read = || -> rusqlite::Result<Vec<AreaRow>> {
            let mut statement = self.connection.prepare_cached(
                "select id, kind, name, parent, valid_from, valid_to, code from area
                 where parent = ?1 order by folded, name, id",
            )?;
            let rows = statement.query_map([area.0], area_of)?;
            rows.collect()
        };
        read().map_err(fault)
    }

    /// The provinces that there are now, by name without accents.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn provinces(&self) -> Result<Vec<AreaRow>, LedgerFault> {
        let read = || -> rusqlite::Result<Vec<AreaRow>> {
            let mut statement = self.connection.prepare_cached(
                "select id, kind, name, parent, valid_from, valid_to, code from area
                 where parent is null and valid_to is null order by folded, name, id",
            )?;
            let rows = statement.query_map([], area_of)?;
            rows.collect()
        };
        read().map_err(fault)
    }

    /// Up to `limit` areas in whose name a word begins with `text`, with or without accents:
    /// "dong th" finds Đồng Tháp. First those whose whole name begins so, then those that still
    /// are, then higher levels.
    ///
    /// # Errors
    /// [`LedgerFault`].
    pub fn find_areas(&self, text: &str, limit: u32) -> Result<Vec<AreaRow>, LedgerFault> {
        let wanted = format!(" {}", fold(text.trim()));
        if wanted.len() < 2 {
            return Ok(Vec::new());
        }
        let read = || -> rusqlite::Result<Vec<AreaRow>> {
            let mut statement = self.connection.prepare_cached(
                "select id, kind, name, parent, valid_from, valid_to, code from area
                 where instr(' ' || folded, ?1) > 0
                 order by instr(' ' || folded, ?1) > 1, valid_to is not null, level, folded,
                     name, id
                 limit ?2",
            )?;
            let rows = statement.query_map(params![wanted, limit], area_of)?;
            rows.collect()
        };
        read().map_err(fault)
    }
}

/// Gives a database the built-in tables of provinces and communes that it lacks: today's, and
/// those that ended in 2025.
pub(super) fn fill_built_in(connection: &Connection) -> Result<(), LedgerFault> {
    let has = |ended: bool| -> Result<bool, LedgerFault> {
        let sql = "select exists (
                       select 1 from area where level = 0 and (valid_to is not null) = ?1
                   )";
        let found = connection.query_row(sql, [ended], |row| row.get(0));
        found.map_err(fault)
    };
    if !has(false)? {
        let units = UnitTable::parse("units.csv", UNITS_CSV).map_err(|faults| {
            let first = faults.first().map(ToString::to_string).unwrap_or_default();
            LedgerFault::Failed(format!("the built-in table of units is wrong: {first}"))
        })?;
        import(connection, units.areas())?;
    }
    if !has(true)? {
        import(connection, &units_before()?.areas)?;
    }
    Ok(())
}

/// All areas as the table has them, ended ones too.
pub(super) fn all(connection: &Connection) -> Result<BTreeMap<AreaRef, Area>, LedgerFault> {
    let read = || -> rusqlite::Result<BTreeMap<AreaRef, Area>> {
        let mut statement = connection.prepare_cached(
            "select id, kind, name, parent, valid_from, valid_to, code from area",
        )?;
        let rows = statement.query_map([], |row| {
            let row = area_of(row)?;
            let area = Area {
                id: AreaId::from_bytes(row.id.0),
                name: row.name,
                kind: row.kind,
                parent: row.parent.map(|parent| AreaId::from_bytes(parent.0)),
                valid_from: row.valid_from,
                valid_to: row.valid_to,
                code: row.code,
                decision_no: None,
            };
            Ok((row.id, area))
        })?;
        rows.collect()
    };
    read().map_err(fault)
}

fn import<'b>(
    connection: &Connection,
    areas: impl IntoIterator<Item = &'b Area>,
) -> Result<usize, LedgerFault> {
    let write = || -> rusqlite::Result<usize> {
        let mut statement = connection.prepare_cached(
            "insert into area (
                 id, kind, level, name, folded, parent, valid_from, valid_to, code, decision_no
             ) values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             on conflict (id) do update set
                 kind = excluded.kind, level = excluded.level, name = excluded.name,
                 folded = excluded.folded, parent = excluded.parent,
                 valid_from = excluded.valid_from,
                 valid_to = coalesce(excluded.valid_to, valid_to), code = excluded.code,
                 decision_no = coalesce(excluded.decision_no, decision_no)",
        )?;
        let mut count = 0_usize;
        for area in areas {
            let level = match area.kind.level() {
                AreaLevel::Province => 0,
                AreaLevel::Commune => 1,
                AreaLevel::Hamlet => 2,
            };
            let changed = statement.execute(params![
                area.id.bytes(),
                area.kind.word(),
                level,
                area.name,
                fold(&area.name),
                area.parent.as_ref().map(|parent| *parent.bytes()),
                area.valid_from,
                area.valid_to,
                area.code,
                area.decision_no,
            ])?;
            count = count.saturating_add(changed);
        }
        Ok(count)
    };
    write().map_err(fault)
}

fn area_of(row: &rusqlite::Row<'_>) -> rusqlite::Result<AreaRow> {
    let word: String = row.get(1)?;
    let kind = AreaKind::from_word(&word).ok_or(rusqlite::Error::InvalidQuery)?;
    let parent: Option<[u8; 16]> = row.get(3)?;
    Ok(AreaRow {
        id: AreaRef(row.get(0)?),
        kind,
        name: row.get(2)?,
        parent: parent.map(AreaRef),
        valid_from: row.get(4)?,
        valid_to: row.get(5)?,
        code: row.get(6)?,
    })
}
