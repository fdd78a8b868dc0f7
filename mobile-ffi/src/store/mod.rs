//! The phone's store: a small map of sealed values, changed in atomic batches.
//!
//! The core decides what to keep and hands over a batch of [`Op`]s. [`Store::apply`] returns when
//! the batch is on the disk, whole; only then may the screen say "saved here". A batch that fails
//! leaves the store as it was. The store never decides anything and never deletes a file.
//!
//! `SqliteStore` keeps the values on the phone, [`SealedStore`] hands them to a host that keeps
//! them, as a browser does; [`MemoryStore`] stands in for both in tests and simulations. All pass
//! the same conformance suite, at the bottom of this file.

#[cfg(feature = "sqlite")]
mod opening;
mod seal;
mod sealed;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::collections::BTreeMap;
use std::io;

#[cfg(feature = "sqlite")]
pub use opening::Opened;
pub use seal::StoreKey;
pub use sealed::{SealedRow, SealedStore};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteStore;

/// Longest key of a row.
pub const KEY_BYTES_MAX: usize = 1024;
/// Longest value of a row, before it is sealed.
pub const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One change to one row, as the core says it.
pub use sync_core::replica::StoreOp as Op;

/// Why the store cannot do what was asked; the names say what the host can do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The keystore gave another key than the one the store was made with. Nothing was touched.
    #[error("the store was made with another key")]
    WrongKey,
    /// A newer release wrote this store. Nothing was touched; the app must be updated.
    #[error("the store has version {found}, this release knows {known}")]
    NewerVersion {
        /// The version in the file.
        found: i32,
        /// The newest version this release can read.
        known: i32,
    },
    /// Another part of the app has the store open.
    #[error("the store is already open")]
    InUse,
    /// The phone has no room. Nothing was applied; the same batch may succeed once there is room.
    #[error("no room left on the phone")]
    StorageFull,
    /// One value does not open. It stays where it is; the other rows can still be read.
    #[error("a row of table {table} is damaged")]
    Damaged {
        /// The row's table.
        table: u8,
        /// The row's key.
        key: Vec<u8>,
    },
    /// The file itself is damaged. Opening the store again moves it aside and starts a new one.
    #[error("the store's file is damaged")]
    DamagedFile,
    /// A key or a value is over its limit. Nothing was applied.
    #[error("a key or a value is too large")]
    TooLarge,
    /// The operating system gave no random bytes, without which nothing can be sealed.
    #[error("no random bytes")]
    NoRandomness,
    /// The file system refused.
    #[error("the file system refused: {0:?}")]
    FileSystem(io::ErrorKind),
    /// The database refused, with its own extended result code.
    #[error("the database refused with code {code}")]
    Database {
        /// The extended result code of SQLite.
        code: i32,
    },
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        let kind = error.kind();
        if matches!(
            kind,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return Self::StorageFull;
        }
        Self::FileSystem(kind)
    }
}

/// Called for each row of a scan, with its key and its value.
pub type Visit<'a> = dyn FnMut(&[u8], Vec<u8>) -> Result<(), StoreError> + 'a;

/// What a phone needs to keep. Every implementation passes the conformance suite.
pub trait Store: Send {
    /// Applies all of `batch`, in its order, or nothing. When it returns `Ok`, the batch survives
    /// a loss of power. After an error, the running store is as it was before. If the disk failed
    /// while the batch was being written and the phone then stops, the next start may find the
    /// batch whole instead of absent, so a batch must be safe to apply twice.
    fn apply(&mut self, batch: &[Op]) -> Result<(), StoreError>;

    /// Looks up one value.
    fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError>;

    /// Visits the rows of `table`, ascending by key. An error of `visit` ends the scan and is
    /// returned.
    fn scan(&self, table: u8, visit: &mut Visit<'_>) -> Result<(), StoreError>;

    /// Gives space back and makes removed and overwritten values vanish from the files.
    fn compact(&mut self) -> Result<(), StoreError>;
}

/// A store in memory. Its clone is what a crash would leave on the disk.
#[derive(Debug, Clone, Default)]
pub struct MemoryStore {
    rows: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    next_failure: Option<StoreError>,
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next `apply` fail with `error`, once, without applying anything.
    pub fn fail_next_apply(&mut self, error: StoreError) {
        self.next_failure = Some(error);
    }
}

impl Store for MemoryStore {
    fn apply(&mut self, batch: &[Op]) -> Result<(), StoreError> {
        check_limits(batch)?;
        if let Some(error) = self.next_failure.take() {
            return Err(error);
        }
        for op in batch {
            match op {
                Op::Put { table, key, value } => {
                    self.rows.insert((*table, key.clone()), value.clone());
                }
                Op::Delete { table, key } => {
                    self.rows.remove(&(*table, key.clone()));
                }
            }
        }
        Ok(())
    }

    fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(&self, table: u8, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let rows = self.rows.range((table, Vec::new())..);
        for ((_, key), value) in rows.take_while(|((of, _), _)| *of == table) {
            visit(key, value.clone())?;
        }
        Ok(())
    }

    fn compact(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Checked before anything is sealed, so that a batch over a limit costs no memory and no write.
fn check_limits(batch: &[Op]) -> Result<(), StoreError> {
    let fits = batch.iter().all(|op| match op {
        Op::Put { key, value, .. } => key.len() <= KEY_BYTES_MAX && value.len() <= VALUE_BYTES_MAX,
        Op::Delete { key, .. } => key.len() <= KEY_BYTES_MAX,
    });
    if fits {
        Ok(())
    } else {
        Err(StoreError::TooLarge)
    }
}

#[cfg(test)]
pub(crate) mod conformance {
    //! What every store must do, as functions over a maker of empty stores.

    use super::*;

    pub(crate) fn put(table: u8, key: &[u8], value: &[u8]) -> Op {
        Op::Put {
            table,
            key: key.to_vec(),
            value: value.to_vec(),
        }
    }

    pub(crate) fn delete(table: u8, key: &[u8]) -> Op {
        Op::Delete {
            table,
            key: key.to_vec(),
        }
    }

    /// All rows of a table, in the order of the scan.
    pub(crate) fn rows(store: &dyn Store, table: u8) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut rows = Vec::new();
        store
            .scan(table, &mut |key, value| {
                rows.push((key.to_vec(), value));
                Ok(())
            })
            .unwrap();
        rows
    }

    /// Runs the whole suite.
    pub(crate) fn conformance(make: impl Fn() -> Box<dyn Store>) {
        a_new_store_is_empty(make());
        the_last_write_of_a_batch_wins(make());
        deleting_what_is_absent_is_fine(make());
        empty_keys_and_values_are_kept(make());
        tables_do_not_mix(make());
        a_scan_ascends_by_key_bytes(make());
        a_visitor_ends_the_scan(make());
        limits_refuse_the_whole_batch(make());
        compacting_changes_no_row(make());
        behaves_like_a_map(make(), 1);
        behaves_like_a_map(make(), 2);
    }

    fn a_new_store_is_empty(mut store: Box<dyn Store>) {
        assert_eq!(store.get(0, b"a").unwrap(), None);
        assert_eq!(rows(&*store, 0), []);
        store.apply(&[]).unwrap();
        assert_eq!(rows(&*store, 0), []);
    }

    fn the_last_write_of_a_batch_wins(mut store: Box<dyn Store>) {
        let batch = [
            put(1, b"a", b"1"),
            delete(1, b"a"),
            put(1, b"a", b"2"),
            put(1, b"b", b"3"),
        ];
        store.apply(&batch).unwrap();
        assert_eq!(store.get(1, b"a").unwrap().unwrap(), b"2");
        store.apply(&[put(1, b"a", b"4"), delete(1, b"b")]).unwrap();
        assert_eq!(rows(&*store, 1), [(b"a".to_vec(), b"4".to_vec())]);
    }

    fn deleting_what_is_absent_is_fine(mut store: Box<dyn Store>) {
        store
            .apply(&[delete(1, b"nobody"), put(1, b"a", b"1")])
            .unwrap();
        assert_eq!(rows(&*store, 1).len(), 1);
    }

    fn empty_keys_and_values_are_kept(mut store: Box<dyn Store>) {
        store
            .apply(&[put(1, b"", b"root"), put(1, b"a", b"")])
            .unwrap();
        assert_eq!(store.get(1, b"").unwrap().unwrap(), b"root");
        assert_eq!(store.get(1, b"a").unwrap().unwrap(), b"");
    }

    fn tables_do_not_mix(mut store: Box<dyn Store>) {
        store
            .apply(&[put(0, b"a", b"low"), put(255, b"a", b"high")])
            .unwrap();
        assert_eq!(store.get(1, b"a").unwrap(), None);
        store.apply(&[delete(0, b"a")]).unwrap();
        assert_eq!(rows(&*store, 0), []);
        assert_eq!(rows(&*store, 255), [(b"a".to_vec(), b"high".to_vec())]);
    }

    fn a_scan_ascends_by_key_bytes(mut store: Box<dyn Store>) {
        let keys: [&[u8]; 6] = [b"b", b"\xff", b"a\0", b"", b"a", b"ab"];
        let batch: Vec<Op> = keys.iter().map(|key| put(1, key, key)).collect();
        store.apply(&batch).unwrap();
        let seen: Vec<Vec<u8>> = rows(&*store, 1).into_iter().map(|(key, _)| key).collect();
        let ascending: [&[u8]; 6] = [b"", b"a", b"a\0", b"ab", b"b", b"\xff"];
        assert_eq!(seen, ascending);
    }

    fn a_visitor_ends_the_scan(mut store: Box<dyn Store>) {
        store
            .apply(&[put(1, b"a", b""), put(1, b"b", b""), put(1, b"c", b"")])
            .unwrap();
        let mut visits = 0;
        let ended = store.scan(1, &mut |key, _value| {
            visits += 1;
            if key == b"b" {
                Err(StoreError::TooLarge)
            } else {
                Ok(())
            }
        });
        assert_eq!((visits, ended), (2, Err(StoreError::TooLarge)));
        // The ended scan holds nothing that would block a write.
        store.apply(&[put(1, b"d", b"")]).unwrap();
    }

    fn limits_refuse_the_whole_batch(mut store: Box<dyn Store>) {
        let long_key = vec![0; KEY_BYTES_MAX + 1];
        let long_value = vec![0; VALUE_BYTES_MAX + 1];
        for over in [
            put(1, &long_key, b""),
            delete(1, &long_key),
            put(1, b"b", &long_value),
        ] {
            assert_eq!(
                store.apply(&[put(1, b"a", b""), over]),
                Err(StoreError::TooLarge)
            );
        }
        assert_eq!(rows(&*store, 1), []);
        let longest = put(1, &long_key[1..], &long_value[1..]);
        store.apply(&[longest]).unwrap();
        assert_eq!(
            store.get(1, &long_key[1..]).unwrap().unwrap().len(),
            VALUE_BYTES_MAX
        );
    }

    fn compacting_changes_no_row(mut store: Box<dyn Store>) {
        store.compact().unwrap();
        store
            .apply(&[put(1, b"a", b"1"), put(1, b"b", b"2"), put(2, b"a", b"3")])
            .unwrap();
        store.apply(&[delete(1, b"a")]).unwrap();
        store.compact().unwrap();
        assert_eq!(rows(&*store, 1), [(b"b".to_vec(), b"2".to_vec())]);
        store.apply(&[put(1, b"c", b"4")]).unwrap();
        assert_eq!(rows(&*store, 1).len(), 2);
        assert_eq!(rows(&*store, 2).len(), 1);
    }

    fn behaves_like_a_map(mut store: Box<dyn Store>, seed: u64) {
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let mut map = BTreeMap::new();
        for _ in 0..60 {
            let batch: Vec<Op> = (0..dice.roll(8)).map(|_| dice.op()).collect();
            store.apply(&batch).unwrap();
            for op in batch {
                match op {
                    Op::Put { table, key, value } => map.insert((table, key), value),
                    Op::Delete { table, key } => map.remove(&(table, key)),
                };
            }
            if dice.roll(20) == 0 {
                store.compact().unwrap();
            }
        }
        for table in 0..3 {
            let of_table = map.iter().filter(|((of, _), _)| *of == table);
            let expected: Vec<_> = of_table
                .map(|((_, key), v)| (key.clone(), v.clone()))
                .collect();
            assert_eq!(rows(&*store, table), expected);
        }
    }

    /// Splitmix64: enough to vary a test, and it replays from its seed.
    pub(crate) struct Dice(pub(crate) u64);

    impl Dice {
        pub(crate) fn roll(&mut self, sides: u64) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) % sides
        }

        fn op(&mut self) -> Op {
            let table = self.roll(3) as u8;
            let key = vec![self.roll(6) as u8; self.roll(3) as usize];
            if self.roll(3) == 0 {
                return delete(table, &key);
            }
            let value = vec![self.roll(256) as u8; self.roll(6000) as usize];
            put(table, &key, &value)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::conformance::{conformance, put, rows};
    use super::*;

    #[test]
    fn memory_store_conforms() {
        conformance(|| Box::new(MemoryStore::new()));
    }

    #[test]
    fn memory_store_fails_once_when_told_and_applies_nothing() {
        let mut store = MemoryStore::new();
        store.fail_next_apply(StoreError::StorageFull);
        assert_eq!(
            store.apply(&[put(1, b"a", b"1")]),
            Err(StoreError::StorageFull)
        );
        assert_eq!(rows(&store, 1), []);
        store.apply(&[put(1, b"a", b"1")]).unwrap();
        assert_eq!(rows(&store, 1).len(), 1);
    }

    #[test]
    fn a_full_disk_is_named_whoever_meets_it() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(StoreError::from(full), StoreError::StorageFull);
        let denied = io::Error::from(io::ErrorKind::PermissionDenied);
        assert_eq!(
            StoreError::from(denied),
            StoreError::FileSystem(io::ErrorKind::PermissionDenied)
        );
    }
}
