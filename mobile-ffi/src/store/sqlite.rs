//! The store on the phone: rows in one SQLite file with one writer. How the file is opened is told
//! in `opening.rs`.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior, params};

use super::opening::{self, OpenFile, Opened};
use super::seal::{Sealer, StoreKey};
use super::{Op, Store, StoreError, Visit, check_limits};

/// The store in a SQLite file. Dropping it closes the file.
pub struct SqliteStore {
    file: OpenFile,
    sealer: Sealer,
}

impl SqliteStore {
    /// Opens or makes the store at `path`. `now_s`, in seconds, only goes into the name of a
    /// damaged file put aside.
    pub fn open(path: &Path, key: &StoreKey, now_s: i64) -> Result<(Self, Opened), StoreError> {
        let sealer = Sealer::new(key);
        let (file, opened) = opening::open(path, &sealer, now_s)?;
        Ok((Self { file, sealer }, opened))
    }

    /// Renames the store at `path`, with its log, and says where it lies now. Nothing is deleted.
    pub fn put_aside(path: &Path, now_s: i64) -> Result<PathBuf, StoreError> {
        opening::put_aside(path, now_s)
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.file.connection
    }

    /// Seals a whole batch before the transaction begins, so that nothing but SQLite can fail
    /// inside it.
    fn plan<'a>(&self, batch: &'a [Op]) -> Result<Vec<Planned<'a>>, StoreError> {
        check_limits(batch)?;
        batch.iter().map(|op| self.plan_one(op)).collect()
    }

    fn plan_one<'a>(&self, op: &'a Op) -> Result<Planned<'a>, StoreError> {
        match op {
            Op::Put { table, key, value } => {
                let sealed = self.sealer.seal_row(*table, key, value)?;
                Ok(Planned::Put {
                    table: *table,
                    key,
                    sealed,
                })
            }
            Op::Delete { table, key } => Ok(Planned::Delete { table: *table, key }),
        }
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SqliteStore(..)")
    }
}

impl Store for SqliteStore {
    fn apply(&mut self, batch: &[Op]) -> Result<(), StoreError> {
        let planned = self.plan(batch)?;
        if planned.is_empty() {
            return Ok(());
        }
        let transaction = self
            .file
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        for op in &planned {
            op.execute(&transaction)?;
        }
        // With synchronous=FULL the log is on the disk when this returns.
        transaction.commit()?;
        Ok(())
    }

    fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let sealed: Option<Vec<u8>> = self
            .connection()
            .prepare_cached("select value from item where tab = ?1 and key = ?2")?
            .query_row(params![table, key], |row| row.get(0))
            .optional()?;
        sealed
            .map(|sealed| self.sealer.unseal_row(table, key, &sealed))
            .transpose()
    }

    fn scan(&self, table: u8, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let mut statement = self
            .connection()
            .prepare_cached("select key, value from item where tab = ?1 order by key")?;
        let mut rows = statement.query([table])?;
        while let Some(row) = rows.next()? {
            let key = blob(row.get_ref(0)?)?;
            let sealed = blob(row.get_ref(1)?)?;
            visit(key, self.sealer.unseal_row(table, key, sealed)?)?;
        }
        Ok(())
    }

    /// Needs, for a moment, as much memory as the store holds and twice that on the disk.
    fn compact(&mut self) -> Result<(), StoreError> {
        // secure_delete alone is not enough: when SQLite moves rows between pages, copies of them
        // stay in the free part of the old page. Only a rebuilt file is free of them, and only
        // once the log, which holds every older version, is cut to nothing.
        self.connection().execute_batch("vacuum")?;
        let is_busy: bool =
            self.connection()
                .query_row("pragma wal_checkpoint(truncate)", [], |row| row.get(0))?;
        if is_busy {
            Err(StoreError::InUse)
        } else {
            Ok(())
        }
    }
}

/// An [`Op`] whose value is already sealed.
enum Planned<'a> {
    Put {
        table: u8,
        key: &'a [u8],
        sealed: Vec<u8>,
    },
    Delete {
        table: u8,
        key: &'a [u8],
    },
}

impl Planned<'_> {
    fn execute(&self, connection: &Connection) -> Result<(), StoreError> {
        match self {
            Self::Put { table, key, sealed } => connection
                .prepare_cached(
                    "insert or replace into item (tab, key, value) values (?1, ?2, ?3)",
                )?
                .execute(params![table, key, sealed])?,
            Self::Delete { table, key } => connection
                .prepare_cached("delete from item where tab = ?1 and key = ?2")?
                .execute(params![table, key])?,
        };
        Ok(())
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        // Whatever else the wrapper reports is a row that is absent or of another type than the
        // schema says, and a sound file has no such row.
        let Some(cause) = error.sqlite_error() else {
            return Self::DamagedFile;
        };
        if matches!(
            cause.code,
            ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt
        ) {
            return Self::DamagedFile;
        }
        if cause.code == ErrorCode::DiskFull {
            return Self::StorageFull;
        }
        if matches!(
            cause.code,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked
        ) {
            return Self::InUse;
        }
        Self::Database {
            code: cause.extended_code,
        }
    }
}
fn blob(value: ValueRef<'_>) -> Result<&[u8], StoreError> {
    value
        .as_blob()
        .map_err(|_other_type| StoreError::DamagedFile)
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::HashSet;
    use std::fs;

    use super::super::conformance::{Dice, conformance, delete, put, rows};
    use super::super::opening::{file_bytes, with_suffix};
    use super::*;

    pub(in crate::store) const NOW_S: i64 = 1_800_000_000;

    pub(in crate::store) fn key() -> StoreKey {
        StoreKey::new([5; StoreKey::BYTES])
    }

    pub(in crate::store) fn open(path: &Path) -> (SqliteStore, Opened) {
        SqliteStore::open(path, &key(), NOW_S).unwrap()
    }

    /// A directory, the path of a store in it, and that store with one row, still open.
    pub(in crate::store) fn with_one_row() -> (tempfile::TempDir, PathBuf, SqliteStore) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("phone.store");
        let (mut store, opened) = open(&path);
        assert_eq!(opened, Opened::Created);
        store.apply(&[put(1, b"a", b"rice")]).unwrap();
        (directory, path, store)
    }

    /// Copies the files of an open store, as a loss of power would leave them.
    pub(in crate::store) fn copy_files(path: &Path, to: &Path) {
        for suffix in ["", "-wal"] {
            if with_suffix(path, suffix).exists() {
                fs::copy(with_suffix(path, suffix), with_suffix(to, suffix)).unwrap();
            }
        }
    }

    /// How many of `canaries` lie in the store's files, told by their first bytes.
    fn found_count(path: &Path, canaries: &[Vec<u8>]) -> usize {
        const HEAD_BYTES: usize = 24;
        let files = ["", "-wal"].map(|suffix| fs::read(with_suffix(path, suffix)).unwrap());
        let windows: HashSet<&[u8]> = files
            .iter()
            .flat_map(|bytes| bytes.windows(HEAD_BYTES))
            .collect();
        canaries
            .iter()
            .filter(|canary| windows.contains(&canary[..HEAD_BYTES]))
            .count()
    }

    fn sealed_row(store: &SqliteStore, key: &[u8]) -> Vec<u8> {
        let sql = "select value from item where key = ?1";
        store
            .connection()
            .query_row(sql, [key], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn sqlite_store_conforms() {
        let directory = tempfile::tempdir().unwrap();
        let made = std::cell::Cell::new(0);
        conformance(|| {
            made.set(made.get() + 1);
            Box::new(open(&directory.path().join(made.get().to_string())).0)
        });
    }

    #[test]
    fn every_applied_batch_survives_a_loss_of_power() {
        let (directory, path, mut store) = with_one_row();
        for n in 0..40_u8 {
            store
                .apply(&[put(2, &[n], &[n; 3000]), delete(2, &[n.wrapping_sub(3)])])
                .unwrap();
            let copy = directory.path().join(format!("copy-{n}"));
            copy_files(&path, &copy);
            let (reopened, opened) = open(&copy);
            assert_eq!(opened, Opened::Existing);
            assert_eq!(rows(&reopened, 2), rows(&store, 2), "after batch {n}");
        }
    }

    #[test]
    fn a_log_cut_anywhere_gives_a_whole_number_of_batches() {
        let (directory, path, mut store) = with_one_row();
        for n in 0..4_u8 {
            store
                .apply(&[put(2, &[n, 0], &[n; 5000]), put(2, &[n, 1], b"")])
                .unwrap();
        }
        let log_bytes = file_bytes(&with_suffix(&path, "-wal")).unwrap();
        for cut in (0..=log_bytes).step_by(1009) {
            let copy = directory.path().join(format!("cut-{cut}"));
            copy_files(&path, &copy);
            let log = fs::OpenOptions::new()
                .write(true)
                .open(with_suffix(&copy, "-wal"));
            log.unwrap().set_len(cut).unwrap();
            let (reopened, _opened) = open(&copy);
            assert_eq!(rows(&reopened, 2).len() % 2, 0, "cut at {cut}");
        }
    }

    #[test]
    fn a_row_that_does_not_open_is_named_and_kept() {
        let (_directory, _path, mut store) = with_one_row();
        store.apply(&[put(1, b"b", b"fish")]).unwrap();
        let swapped = sealed_row(&store, b"b");
        store
            .connection()
            .execute("update item set value = ?1 where key = x'61'", [&swapped])
            .unwrap();
        let damaged = StoreError::Damaged {
            table: 1,
            key: b"a".to_vec(),
        };
        assert_eq!(store.get(1, b"a"), Err(damaged.clone()));
        assert_eq!(store.scan(1, &mut |_, _| Ok(())), Err(damaged));
        assert_eq!(store.get(1, b"b").unwrap().unwrap(), b"fish");
        assert_eq!(sealed_row(&store, b"a"), swapped);
    }

    #[test]
    fn a_full_disk_applies_nothing_and_passes() {
        let (_directory, _path, mut store) = with_one_row();
        let pages: i64 = store
            .connection()
            .query_row("pragma page_count", [], |row| row.get(0))
            .unwrap();
        store
            .connection()
            .pragma_update(None, "max_page_count", pages + 3)
            .unwrap();
        let batch = [put(1, b"a", b"new"), put(1, b"b", &[0; 100_000])];
        for _ in 0..3 {
            assert_eq!(store.apply(&batch), Err(StoreError::StorageFull));
            assert_eq!(rows(&store, 1), [(b"a".to_vec(), b"rice".to_vec())]);
        }
        store.apply(&[put(1, b"c", b"small")]).unwrap();
        store
            .connection()
            .pragma_update(None, "max_page_count", 100_000)
            .unwrap();
        store.apply(&batch).unwrap();
        assert_eq!(rows(&store, 1).len(), 3);
    }

    #[test]
    fn what_was_removed_is_gone_from_the_files_after_compacting() {
        let (_directory, path, mut store) = with_one_row();
        let mut dice = Dice(11);
        // Not ascending, so that pages split and leave copies of rows behind.
        let keys: Vec<[u8; 2]> = (0..400)
            .map(|n: u16| (n * 63 % 400).to_be_bytes())
            .collect();
        for key in &keys {
            let value = vec![1; 20 + dice.roll(400) as usize];
            store.apply(&[put(1, key, &value)]).unwrap();
        }
        let (removed, kept) = keys.split_at(200);
        let seal_of = |keys: &[[u8; 2]], store: &SqliteStore| -> Vec<Vec<u8>> {
            keys.iter().map(|key| sealed_row(store, key)).collect()
        };
        let canaries = seal_of(removed, &store);
        assert_eq!(
            found_count(&path, &canaries),
            removed.len(),
            "the search finds nothing"
        );
        let (deleted, overwritten) = removed.split_at(100);
        let deletes = deleted.iter().map(|key| delete(1, key));
        let writes = overwritten.iter().map(|key| put(1, key, b"over"));
        store
            .apply(&deletes.chain(writes).collect::<Vec<Op>>())
            .unwrap();
        assert_ne!(
            found_count(&path, &canaries),
            0,
            "the log holds what was removed"
        );
        store.compact().unwrap();
        assert_eq!(found_count(&path, &canaries), 0);
        assert_eq!(file_bytes(&with_suffix(&path, "-wal")).unwrap(), 0);
        assert_eq!(found_count(&path, &seal_of(kept, &store)), kept.len());
    }
}
