//! Reading beside the writer: a few read-only connections, each read in one snapshot.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, PoisonError};

use rusqlite::{Connection, TransactionBehavior};
use sync_core::hub::ledger::{LedgerFault, Pair, Table, View};

use super::opening::{self, StoreOpenError};
use super::{fault, sqlite};

/// Enough for a console and a device port: reads are short, and the disk is one.
pub const READERS_DEFAULT: usize = 4;

/// A pool of read-only connections. Share it behind an `Arc`; every read may come from another
/// thread. A read blocks its thread: inside async code, call it where blocking is allowed.
pub struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
}

impl Readers {
    /// Opens `count` connections, one at least, to the database at `path`. It takes no lock, so
    /// that a command may read beside a running server.
    ///
    /// # Errors
    /// [`StoreOpenError`]: it says what to do.
    pub fn open(path: &Path, count: usize) -> Result<Self, StoreOpenError> {
        let connections: Result<Vec<Connection>, StoreOpenError> = (0..count.max(1))
            .map(|_nth| opening::open_reader(path))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            idle: Mutex::new(connections?),
            returned: Condvar::new(),
        })
    }

    /// Runs `read` on one consistent view: whatever is committed meanwhile is not in it. When all
    /// connections are in use it waits for one. Keep it short: while it runs, the write-ahead log
    /// cannot shrink. Never read inside a read.
    ///
    /// # Errors
    /// What `read` gives, or what the store says.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        let mut borrowed = self.borrow();
        let Some(connection) = borrowed.connection.as_mut() else {
            return Err(LedgerFault::Failed("no reader is open".to_owned()));
        };
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Deferred)
            .map_err(fault)?;
        read(&Snapshot::of(&transaction))
    }

    /// Writes a consistent copy to `to`, as [`super::SqliteStore::backup`] does, for those who do
    /// not hold the writer.
    ///
    /// # Errors
    /// [`StoreOpenError`]; then nothing is left at `to`.
    pub fn backup(&self, to: &Path) -> Result<(), StoreOpenError> {
        opening::back_up(&self.path, to)
    }

    fn borrow(&self) -> Borrowed<'_> {
        // A panic between lock and unlock cannot leave the list of connections half changed.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(connection) = idle.pop() {
                return Borrowed {
                    readers: self,
                    connection: Some(connection),
                };
            }
            idle = self
                .returned
                .wait(idle)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// Gives the connection back, also when the read panics.
struct Borrowed<'a> {
    readers: &'a Readers,
    connection: Option<Connection>,
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            let idle = &self.readers.idle;
            idle.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            self.readers.returned.notify_one();
        }
    }
}

/// One consistent view of the log and of all that the server keeps beside it.
pub struct Snapshot<'a> {
    pub(super) connection: &'a Connection,
}

impl<'a> Snapshot<'a> {
    pub(super) fn of(connection: &'a Connection) -> Self {
        Self { connection }
    }

    /// Reads every page and says what is wrong, if anything is. Slow: minutes for a full log.
    ///
    /// # Errors
    /// [`LedgerFault`], when even that cannot be done.
    pub fn check(&self) -> Result<Option<String>, LedgerFault> {
        sqlite::check(Path::new(self.connection.path().unwrap_or_default()))
    }
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Snapshot(..)")
    }
}

impl View for Snapshot<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerFault> {
        sqlite::get(self.connection, table, key)
    }
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, LedgerFault> {
        sqlite::scan(self.connection, table, from, until, limit)
    }
    fn last(&self, table: Table, from: &[u8], until: &[u8]) -> Result<Option<Pair>, LedgerFault> {
        sqlite::last(self.connection, table, from, until)
    }
}
