//! The server's store: the log and the console's rows in one SQLite file.
//!
//! [`SqliteStore`] is the only writer: the thread that owns it runs the hub. Everybody else reads
//! through [`Readers`], beside the writer and without waiting for it. SQL stands nowhere else in
//! the server.
//!
//! - `opening`: the lock, the checks before the first write, migrations, the copy for a backup;
//! - `sqlite`: the tables of bytes that the hub knows, and the transaction;
//! - `rows`: what the console lists, and the scope without which nothing is listed;
//! - `accounts`, `audit`, `areas`: what only the server knows;
//! - `territory`: areas through time, and counts by their units;
//! - `standby`, `apart`: a second copy that follows, and a copy in two files for a backup.

mod accounts;
mod apart;
mod areas;
mod audit;
#[cfg(test)]
mod conformance;
mod opening;
mod periods;
mod readers;
mod rows;
mod sqlite;
mod standby;
mod territory;
#[cfg(test)]
mod tests;

use rusqlite::ErrorCode;
use rusqlite::ffi;
use sync_core::hub::ledger::{LedgerFault, Table};

use crate::log::{self, Disk, Event};

pub use accounts::{Account, NAME_TAKEN, Session, SignIn};
pub use apart::{put_together, take_apart};
pub use areas::AreaRow;
pub use audit::{AuditEntry, AuditVerdict, Audited};
pub use opening::{DATABASE_NAME, LOCK_NAME, Opened, StoreOpenError};
pub use periods::{PeriodFigures, PeriodState};
pub use readers::{READERS_DEFAULT, Readers, Snapshot};
pub use rows::{
    LIST_LIMIT_MAX, ListQuery, Page, ROUNDED_LIMIT_MAX, RoundedCount, Scope, ScopeArea,
};
pub use sqlite::{SqliteLedger, SqliteStore};
pub use territory::{Counted, CountedRows, UnitCount, UnitRows, Units, with_hamlets};

/// Says what a fault of SQLite means to the hub.
fn fault(error: rusqlite::Error) -> LedgerFault {
    let Some(cause) = error.sqlite_error() else {
        // Whatever else the wrapper reports is a row of another shape than the schema says.
        return LedgerFault::Failed(format!(
            "the database holds a row that no release wrote ({error}); restore a backup"
        ));
    };
    if is_full(cause) {
        return LedgerFault::Full;
    }
    log::tell(Event::Disk(Disk::Sqlite {
        code: cause.extended_code,
    }));
    if is_damage(cause) {
        return LedgerFault::Failed(format!(
            "the database file is damaged ({error}); stop the server and restore a backup"
        ));
    }
    if matches!(
        cause.code,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked
    ) {
        return LedgerFault::Failed(format!(
            "another program holds the database ({error}); end it"
        ));
    }
    LedgerFault::Failed(format!(
        "the database cannot be read or written ({error}); look at the disk"
    ))
}

/// The same, for a row of one of the hub's tables.
fn fault_in(table: Table) -> impl Fn(rusqlite::Error) -> LedgerFault {
    move |error| match error.sqlite_error() {
        Some(cause) if !is_damage(cause) => fault(error),
        Some(_) | None => LedgerFault::Damaged(table),
    }
}

/// SQLite itself tells a full disk from other failures to write. Only the shared memory beside
/// the log has a code of its own, and it fails to grow for no other reason.
fn is_full(cause: &ffi::Error) -> bool {
    cause.code == ErrorCode::DiskFull || cause.extended_code == ffi::SQLITE_IOERR_SHMSIZE
}

fn is_damage(cause: &ffi::Error) -> bool {
    matches!(
        cause.code,
        ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt
    )
}

/// A log index as SQLite keeps integers.
fn stored(index: u64) -> Result<i64, LedgerFault> {
    i64::try_from(index).map_err(|_beyond| {
        LedgerFault::Failed(format!("{index} is beyond the numbers the store keeps"))
    })
}
