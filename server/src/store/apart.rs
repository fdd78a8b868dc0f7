//! A copy of the database in two files: what can be erased, and all else. Backups keep the second
//! for years and the first for weeks.

use std::path::Path;

use rusqlite::Connection;
use sync_core::hub::ledger::Table;

use super::opening::{self, StoreOpenError};

/// Moves the parts out of the copy at `copy` into a new file at `parts`, and drops all that
/// follows from them: rows and words of the search. Both files are private and on the disk when
/// this returns; the copy must be nobody else's.
///
/// # Errors
/// [`StoreOpenError`]; then both files are worthless.
pub fn take_apart(copy: &Path, parts: &Path) -> Result<(), StoreOpenError> {
    opening::make_new(parts)?;
    let told = opening::Teller(copy);
    let connection = opening::open_copy(copy)?;
    let work = || -> rusqlite::Result<()> {
        attach(&connection, parts)?;
        connection.execute_batch(
            "create table apart.part (k blob not null primary key, v blob not null)
             strict, without rowid",
        )?;
        connection.execute(
            "insert into apart.part (k, v) select k, v from main.truth where t = ?1 order by k",
            [Table::Part.number()],
        )?;
        connection.execute(
            "delete from main.truth where t = ?1",
            [Table::Part.number()],
        )?;
        connection.execute_batch(
            "delete from main.derived;
             delete from main.record_row;
             insert into main.record_words (record_words) values ('delete-all');
             detach apart;
             vacuum;",
        )
    };
    work().map_err(|error| told.sql(&error))?;
    drop(connection);
    opening::flush(copy)?;
    opening::flush(parts)
}

/// Puts parts back where they were taken from.
///
/// # Errors
/// [`StoreOpenError`].
pub fn put_together(copy: &Path, parts: &Path) -> Result<(), StoreOpenError> {
    let told = opening::Teller(copy);
    let connection = opening::open_copy(copy)?;
    let work = || -> rusqlite::Result<()> {
        attach(&connection, parts)?;
        connection.execute(
            "insert into main.truth (t, k, v) select ?1, k, v from apart.part order by k",
            [Table::Part.number()],
        )?;
        connection.execute_batch("detach apart")
    };
    work().map_err(|error| told.sql(&error))
}

fn attach(connection: &Connection, parts: &Path) -> rusqlite::Result<()> {
    let name = parts.to_string_lossy();
    connection.execute("attach database ?1 as apart", [&*name])?;
    Ok(())
}
