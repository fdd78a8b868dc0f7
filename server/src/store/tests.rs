mod files;
mod lists;
mod office;
mod units;

use std::fs;
use std::path::Path;

use sync_core::hub::ledger::{Ledger as _, LedgerFault, Row, Store as _, Table, View as _};

use super::conformance::{Dice, all, conformance, row};
use super::*;
use crate::with_suffix;

fn open(directory: &Path) -> SqliteStore {
    SqliteStore::open(directory).unwrap().0
}

fn with_store() -> (tempfile::TempDir, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    (directory, store)
}

fn put(store: &mut SqliteStore, key: &[u8], value: &[u8]) -> Result<(), LedgerFault> {
    store.transact(|ledger| ledger.put(Table::Body, key, value))
}

fn project(store: &mut SqliteStore, rows: &[Row]) {
    store
        .transact(|ledger| rows.iter().try_for_each(|row| ledger.project(row)))
        .unwrap();
}

/// Copies the files of an open store into a new directory, as a loss of power would leave them.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for suffix in ["", "-wal"] {
        let name = with_suffix(Path::new(DATABASE_NAME), suffix);
        if from.join(&name).exists() {
            fs::copy(from.join(&name), to.join(&name)).unwrap();
        }
    }
}

/// The bytes of the database and of its write-ahead log.
fn file_bytes(directory: &Path) -> (Vec<u8>, Vec<u8>) {
    let path = directory.join(DATABASE_NAME);
    let read = |suffix| fs::read(with_suffix(&path, suffix)).unwrap_or_default();
    (read(""), read("-wal"))
}

fn holds(bytes: &[u8], canary: &[u8]) -> bool {
    bytes.windows(canary.len()).any(|window| window == canary)
}
