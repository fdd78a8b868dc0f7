//! The hub's tables of bytes in SQLite, and the transaction that is the log's lock.

use std::fmt;
use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use sync_core::hub::ledger::{Ledger, LedgerFault, Pair, Row, Store, Table, View};

use super::opening::{self, OpenFile, Opened, StoreOpenError};
use super::readers::{Readers, Snapshot};
use super::{areas, fault, fault_in, rows};

/// The store of one log, in one file: its only writer. Dropping it closes the file and gives the
/// lock back.
///
/// It may move to the thread that writes; it cannot be shared.
pub struct SqliteStore {
    file: OpenFile,
    commit_took: Option<Duration>,
}

impl SqliteStore {
    /// Opens or makes the database in `directory`, which must exist; a new one gets the built-in
    /// table of provinces and communes.
    ///
    /// # Errors
    /// [`StoreOpenError`]: it says what to do.
    pub fn open(directory: &Path) -> Result<(Self, Opened), StoreOpenError> {
        let (file, opened) = opening::open(directory)?;
        let mut store = Self {
            file,
            commit_took: None,
        };
        let filled = store.transact(|ledger| areas::fill_built_in(ledger.connection));
        match filled {
            Ok(()) => Ok((store, opened)),
            Err(LedgerFault::Full) => Err(StoreOpenError::Full {
                path: store.file.path.clone(),
            }),
            Err(other) => Err(StoreOpenError::Database {
                path: store.file.path.clone(),
                detail: other.to_string(),
            }),
        }
    }

    /// How long the last commit took, if there was one since this was asked: the disk is synced in
    /// it.
    pub fn take_commit_time(&mut self) -> Option<Duration> {
        self.commit_took.take()
    }

    /// Where the database lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    /// `count` read-only connections to this database, for the console and the device port.
    ///
    /// # Errors
    /// [`StoreOpenError`], as for opening.
    pub fn readers(&self, count: usize) -> Result<Readers, StoreOpenError> {
        Readers::open(&self.file.path, count)
    }

    /// Drives erased words out of the files: merges the search index, so that no segment with
    /// the old words is left, and cuts the write-ahead log, which holds older pages. To be called
    /// after an erasure was committed; it costs about as much as writing the index anew.
    ///
    /// What SQLite moved between pages on its own can still lie in a page's gap. [`Self::rebuild`]
    /// leaves nothing.
    ///
    /// # Errors
    /// [`LedgerFault::Full`]; [`LedgerFault::Failed`] when a reader holds the log for longer than
    /// the store waits: try again. The data is whole in either case.
    #[expect(
        clippy::needless_pass_by_ref_mut,
        reason = "it writes, and so must not run beside a transaction"
    )]
    pub fn scrub(&mut self) -> Result<(), LedgerFault> {
        let connection = &self.file.connection;
        connection
            .execute_batch("insert into record_words (record_words) values ('optimize')")
            .map_err(fault)?;
        cut_log(connection)
    }

    /// Writes the whole file anew, so that only living rows are in it, and cuts the write-ahead
    /// log. Nothing is written meanwhile, and it needs room for twice the data: for the night
    /// after an erasure.
    ///
    /// # Errors
    /// As for [`Self::scrub`].
    pub fn rebuild(&mut self) -> Result<(), LedgerFault> {
        self.scrub()?;
        self.file
            .connection
            .execute_batch("vacuum")
            .map_err(fault)?;
        cut_log(&self.file.connection)
    }

    /// Writes a consistent copy to `to` while others read and write. It must not be there; when
    /// this returns the copy is whole and on the disk. Erased values are not in it.
    ///
    /// # Errors
    /// [`StoreOpenError`]; then nothing is left at `to`.
    pub fn backup(&self, to: &Path) -> Result<(), StoreOpenError> {
        opening::back_up(&self.file.path, to)
    }

    /// Reads every page and says what is wrong, if anything is. Slow: minutes for a full log.
    ///
    /// # Errors
    /// [`LedgerFault`], when even that cannot be done.
    pub fn check(&self) -> Result<Option<String>, LedgerFault> {
        check(&self.file.path)
    }

    #[cfg(test)]
    pub(super) fn connection(&self) -> &Connection {
        &self.file.connection
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.file.path)
            .finish_non_exhaustive()
    }
}

impl View for SqliteStore {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerFault> {
        get(&self.file.connection, table, key)
    }
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, LedgerFault> {
        scan(&self.file.connection, table, from, until, limit)
    }
    fn last(&self, table: Table, from: &[u8], until: &[u8]) -> Result<Option<Pair>, LedgerFault> {
        last(&self.file.connection, table, from, until)
    }
}

impl Store for SqliteStore {
    type Ledger<'a> = SqliteLedger<'a>;

    fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut SqliteLedger<'_>) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        // Dropped without a commit, by an error or a panic, it rolls back.
        let transaction: Transaction<'_> = self
            .file
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(fault)?;
        let done = work(&mut SqliteLedger {
            connection: &transaction,
        })?;
        // With synchronous=FULL the log is on the disk when this returns.
        let begun = Instant::now();
        transaction.commit().map_err(fault)?;
        self.commit_took = Some(begun.elapsed());
        Ok(done)
    }
}

/// A transaction of the writer.
pub struct SqliteLedger<'a> {
    pub(super) connection: &'a Connection,
}

impl SqliteLedger<'_> {
    /// The console's questions, answered from inside this transaction: its own writes are seen.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot::of(self.connection)
    }
}

impl fmt::Debug for SqliteLedger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SqliteLedger(..)")
    }
}

impl View for SqliteLedger<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerFault> {
        get(self.connection, table, key)
    }
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, LedgerFault> {
        scan(self.connection, table, from, until, limit)
    }
    fn last(&self, table: Table, from: &[u8], until: &[u8]) -> Result<Option<Pair>, LedgerFault> {
        last(self.connection, table, from, until)
    }
}

impl Ledger for SqliteLedger<'_> {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), LedgerFault> {
        let sql = if table.is_derived() {
            "insert into derived (t, k, v) values (?1, ?2, ?3)
             on conflict (t, k) do update set v = excluded.v"
        } else {
            "insert into truth (t, k, v) values (?1, ?2, ?3)
             on conflict (t, k) do update set v = excluded.v"
        };
        let put = |connection: &Connection| {
            connection
                .prepare_cached(sql)?
                .execute(params![table.number(), key, value])
        };
        put(self.connection).map_err(fault_in(table))?;
        Ok(())
    }

    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), LedgerFault> {
        let sql = if table.is_derived() {
            "delete from derived where t = ?1 and k = ?2"
        } else {
            "delete from truth where t = ?1 and k = ?2"
        };
        let delete = |connection: &Connection| {
            connection
                .prepare_cached(sql)?
                .execute(params![table.number(), key])
        };
        delete(self.connection).map_err(fault_in(table))?;
        Ok(())
    }

    fn project(&mut self, row: &Row) -> Result<(), LedgerFault> {
        rows::project(self.connection, row)
    }

    fn clear_derived(&mut self) -> Result<(), LedgerFault> {
        self.connection
            .execute_batch(
                "delete from derived;
                 delete from record_row;
                 insert into record_words (record_words) values ('delete-all');",
            )
            .map_err(fault)
    }
}

pub(super) fn get(
    connection: &Connection,
    table: Table,
    key: &[u8],
) -> Result<Option<Vec<u8>>, LedgerFault> {
    let sql = if table.is_derived() {
        "select v from derived where t = ?1 and k = ?2"
    } else {
        "select v from truth where t = ?1 and k = ?2"
    };
    let read = || -> rusqlite::Result<Option<Vec<u8>>> {
        connection
            .prepare_cached(sql)?
            .query_row(params![table.number(), key], |row| row.get(0))
            .optional()
    };
    read().map_err(fault_in(table))
}

pub(super) fn scan(
    connection: &Connection,
    table: Table,
    from: &[u8],
    until: &[u8],
    limit: usize,
) -> Result<Vec<Pair>, LedgerFault> {
    let sql = if table.is_derived() {
        "select k, v from derived where t = ?1 and k >= ?2 and k < ?3 order by k limit ?4"
    } else {
        "select k, v from truth where t = ?1 and k >= ?2 and k < ?3 order by k limit ?4"
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let read = || -> rusqlite::Result<Vec<Pair>> {
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map(params![table.number(), from, until, limit], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
        rows.collect()
    };
    read().map_err(fault_in(table))
}

pub(super) fn last(
    connection: &Connection,
    table: Table,
    from: &[u8],
    until: &[u8],
) -> Result<Option<Pair>, LedgerFault> {
    let sql = if table.is_derived() {
        "select k, v from derived where t = ?1 and k >= ?2 and k < ?3 order by k desc limit 1"
    } else {
        "select k, v from truth where t = ?1 and k >= ?2 and k < ?3 order by k desc limit 1"
    };
    let read = || -> rusqlite::Result<Option<Pair>> {
        connection
            .prepare_cached(sql)?
            .query_row(params![table.number(), from, until], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()
    };
    read().map_err(fault_in(table))
}

/// On a connection of its own: the search index keeps what it knows of itself with each
/// connection, and one that has not looked since the last write would be called damaged.
pub(super) fn check(path: &Path) -> Result<Option<String>, LedgerFault> {
    let failed = |error: StoreOpenError| LedgerFault::Failed(error.to_string());
    let connection = opening::open_reader(path).map_err(failed)?;
    let verdict: String = connection
        .query_row("pragma quick_check(1)", [], |row| row.get(0))
        .map_err(fault)?;
    Ok((verdict != "ok").then_some(verdict))
}

fn cut_log(connection: &Connection) -> Result<(), LedgerFault> {
    let is_busy: bool = connection
        .query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))
        .map_err(fault)?;
    if is_busy {
        return Err(LedgerFault::Failed(
            "a reader holds an older view of the database; try again in a moment".to_owned(),
        ));
    }
    Ok(())
}
