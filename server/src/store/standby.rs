//! What a second copy of the data holds beside the log: accounts, areas, the access log.

use std::collections::BTreeMap;

use rusqlite::types::Value;
use rusqlite::{Connection, Row, params_from_iter};
use sync_core::hub::ledger::LedgerFault;

use super::readers::Snapshot;
use super::{SqliteLedger, fault};

/// Columns of an account, the key first.
const ACCOUNT: &str = "number, name, folded, password_hash, role, area, active, failures, \
     not_before_s, last_sign_in_s";
/// Columns of an area, the key first.
const AREA: &str = "id, kind, level, name, folded, parent, valid_from, valid_to, code, decision_no";
/// Columns of an audit entry.
const AUDIT: &str = "number, time_s, account, what, about, scope, hash";
/// Audit entries that one step takes over.
const AUDIT_STEP: i64 = 10_000;

type Cells = Vec<Value>;

#[expect(
    clippy::needless_pass_by_ref_mut,
    reason = "a write takes the transaction for itself, although SQLite would let it be shared"
)]
impl SqliteLedger<'_> {
    /// Takes over accounts, areas and the access log of another database: what differs, and what
    /// is new. Sessions are left where they are: nobody stays signed in on a copy.
    ///
    /// # Errors
    /// The store's.
    pub fn follow_office(&mut self, of: &Snapshot<'_>) -> Result<(), LedgerFault> {
        let work = || -> rusqlite::Result<()> {
            differing(of.connection, self.connection, "account", ACCOUNT)?;
            differing(of.connection, self.connection, "area", AREA)?;
            let last: i64 = self.connection.query_row(
                "select coalesce(max(number), -1) from audit",
                [],
                |row| row.get(0),
            )?;
            let sql =
                format!("select {AUDIT} from audit where number > ?1 order by number limit ?2");
            let mut statement = of.connection.prepare_cached(&sql)?;
            let width = statement.column_count();
            let mut rows = statement.query([last, AUDIT_STEP])?;
            let insert = insert_sql("audit", AUDIT);
            while let Some(row) = rows.next()? {
                self.connection
                    .prepare_cached(&insert)?
                    .execute(params_from_iter(cells_of(row, width)?))?;
            }
            Ok(())
        };
        work().map_err(fault)
    }
}

/// Writes the rows of a small table that differ. None is ever removed: neither is there.
fn differing(
    from: &Connection,
    to: &Connection,
    table: &str,
    columns: &str,
) -> rusqlite::Result<()> {
    let here = rows_of(to, table, columns)?;
    let mut names = columns.split(", ");
    let key = names.next().unwrap_or_default();
    let updates: Vec<String> = names
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    let upsert = format!(
        "{} on conflict ({key}) do update set {}",
        insert_sql(table, columns),
        updates.join(", ")
    );
    for (key, cells) in rows_of(from, table, columns)? {
        if here.get(&key) != Some(&cells) {
            to.prepare_cached(&upsert)?
                .execute(params_from_iter(cells))?;
        }
    }
    Ok(())
}

fn insert_sql(table: &str, columns: &str) -> String {
    let places: Vec<String> = (1..=columns.split(", ").count())
        .map(|nth| format!("?{nth}"))
        .collect();
    format!(
        "insert into {table} ({columns}) values ({})",
        places.join(", ")
    )
}

/// All rows, by their first column.
fn rows_of(
    connection: &Connection,
    table: &str,
    columns: &str,
) -> rusqlite::Result<BTreeMap<String, Cells>> {
    let mut statement = connection.prepare_cached(&format!("select {columns} from {table}"))?;
    let width = statement.column_count();
    let mut rows = statement.query([])?;
    let mut found = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let cells = cells_of(row, width)?;
        found.insert(format!("{:?}", cells.first()), cells);
    }
    Ok(found)
}

fn cells_of(row: &Row<'_>, width: usize) -> rusqlite::Result<Cells> {
    (0..width).map(|at| row.get(at)).collect()
}
