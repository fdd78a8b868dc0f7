//! A store for hosts that write by themselves: a browser can wait for its database only outside of
//! a call, so the rows lie in memory, sealed, and what changed is taken by the host after the call.
//!
//! The host keeps a plain map of names to bytes and learns nothing from it: a name is the row's
//! table and key, a value is sealed. `apply` promises less here than elsewhere: the batch is on
//! the disk only when the host has written what [`SealedStore::take_unsaved`] gave, in one
//! transaction. Until then the host may show, send and begin nothing; when it cannot write, it
//! drops the phone and opens it again from its rows. `web/phone.mjs` is that host.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::seal::{Nonce, Sealer, StoreKey};
use super::{Op, Store, StoreError, Visit, check_limits};

/// The name of the row that tells a wrong key from a right one; names of others are longer.
const KEY_CHECK: &[u8] = b"";

/// A row as the host keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedRow {
    /// Its name: unique, and in no order that matters.
    pub name: Vec<u8>,
    /// What to keep; `None` when the row is to be removed.
    pub value: Option<Vec<u8>>,
}

/// A store in memory whose rows a host keeps. Its clone is the same store.
#[derive(Clone)]
pub struct SealedStore(Arc<Mutex<Rows>>);

struct Rows {
    sealer: Sealer,
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    unsaved: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl SealedStore {
    /// Opens what the host has kept; nothing at all begins a new store.
    ///
    /// # Errors
    /// `WrongKey`, or `DamagedFile` when these are rows of no store.
    pub fn open(
        key: &StoreKey,
        rows: impl IntoIterator<Item = (Vec<u8>, Vec<u8>)>,
    ) -> Result<Self, StoreError> {
        let sealer = Sealer::new(key);
        let mut rows: BTreeMap<_, _> = rows.into_iter().collect();
        let mut unsaved = BTreeMap::new();
        match rows.remove(KEY_CHECK) {
            Some(check) if sealer.recognizes(&check) => {}
            Some(_) => return Err(StoreError::WrongKey),
            None if rows.is_empty() => {
                let check = sealer.seal_key_check(&Nonce::random()?)?;
                unsaved.insert(KEY_CHECK.to_vec(), Some(check));
            }
            None => return Err(StoreError::DamagedFile),
        }
        Ok(Self(Arc::new(Mutex::new(Rows {
            sealer,
            rows,
            unsaved,
        }))))
    }

    /// What changed since it was last asked, to be written in one transaction.
    #[must_use]
    pub fn take_unsaved(&self) -> Vec<SealedRow> {
        let unsaved = std::mem::take(&mut self.lock().unsaved);
        let row = |(name, value)| SealedRow { name, value };
        unsaved.into_iter().map(row).collect()
    }

    /// A batch goes in whole, so a panic elsewhere leaves nothing half done.
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for SealedStore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SealedStore(..)")
    }
}

impl Rows {
    /// Seals all of the batch before the first row changes.
    fn plan(&self, batch: &[Op]) -> Result<Vec<SealedRow>, StoreError> {
        check_limits(batch)?;
        let seal = |op: &Op| match op {
            Op::Put { table, key, value } => {
                let value = self.sealer.seal_row(*table, key, value)?;
                Ok(SealedRow {
                    name: name_of(*table, key),
                    value: Some(value),
                })
            }
            Op::Delete { table, key } => Ok(SealedRow {
                name: name_of(*table, key),
                value: None,
            }),
        };
        batch.iter().map(seal).collect()
    }
}

fn name_of(table: u8, key: &[u8]) -> Vec<u8> {
    [&[table], key].concat()
}

impl Store for SealedStore {
    fn apply(&mut self, batch: &[Op]) -> Result<(), StoreError> {
        let mut all = self.lock();
        for row in all.plan(batch)? {
            match &row.value {
                Some(value) => all.rows.insert(row.name.clone(), value.clone()),
                None => all.rows.remove(&row.name),
            };
            all.unsaved.insert(row.name, row.value);
        }
        Ok(())
    }

    fn get(&self, table: u8, key: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
        let all = self.lock();
        let sealed = all.rows.get(&name_of(table, key));
        sealed
            .map(|sealed| all.sealer.unseal_row(table, key, sealed))
            .transpose()
    }

    fn scan(&self, table: u8, visit: &mut Visit<'_>) -> Result<(), StoreError> {
        let all = self.lock();
        for (name, sealed) in all.rows.range(vec![table]..) {
            let Some(key) = name.strip_prefix(&[table]) else {
                break;
            };
            visit(key, all.sealer.unseal_row(table, key, sealed)?)?;
        }
        Ok(())
    }

    /// Nothing lies in memory that was removed; the files are the host's.
    fn compact(&mut self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::conformance::{conformance, delete, put, rows};
    use super::*;

    fn key(byte: u8) -> StoreKey {
        StoreKey::new([byte; StoreKey::BYTES])
    }

    /// What a host does after each call.
    fn keep(kept: &mut BTreeMap<Vec<u8>, Vec<u8>>, store: &SealedStore) {
        for row in store.take_unsaved() {
            match row.value {
                Some(value) => kept.insert(row.name, value),
                None => kept.remove(&row.name),
            };
        }
    }

    #[test]
    fn sealed_store_conforms() {
        conformance(|| Box::new(SealedStore::open(&key(5), []).unwrap()));
    }

    #[test]
    fn what_the_host_kept_is_the_store_again() {
        let mut kept = BTreeMap::new();
        let mut store = SealedStore::open(&key(5), []).unwrap();
        store
            .apply(&[put(1, b"a", b"rice"), put(2, b"", b"fish")])
            .unwrap();
        keep(&mut kept, &store);
        assert_eq!(kept.len(), 3, "the key's check and two rows");
        assert!(kept.values().all(|value| !value.ends_with(b"rice")));
        store
            .apply(&[put(1, b"b", b"salt"), delete(1, b"a"), delete(1, b"b")])
            .unwrap();
        keep(&mut kept, &store);
        assert!(store.take_unsaved().is_empty());
        let again = SealedStore::open(&key(5), kept.clone()).unwrap();
        assert_eq!(rows(&again, 1), []);
        assert_eq!(rows(&again, 2), [(vec![], b"fish".to_vec())]);
        assert!(again.take_unsaved().is_empty(), "opening writes nothing");
    }

    #[test]
    fn another_key_and_rows_of_no_store_are_told() {
        let mut kept = BTreeMap::new();
        let mut store = SealedStore::open(&key(5), []).unwrap();
        store.apply(&[put(1, b"a", b"rice")]).unwrap();
        keep(&mut kept, &store);
        let wrong = SealedStore::open(&key(6), kept.clone()).unwrap_err();
        assert_eq!(wrong, StoreError::WrongKey);
        let check = kept.remove(KEY_CHECK).unwrap();
        let headless = SealedStore::open(&key(5), kept.clone()).unwrap_err();
        assert_eq!(headless, StoreError::DamagedFile);
        // a value under another name does not open
        let rice = kept.remove(b"\x01a".as_slice()).unwrap();
        let moved = [(b"\x01b".to_vec(), rice), (KEY_CHECK.to_vec(), check)];
        let moved = SealedStore::open(&key(5), moved).unwrap();
        let damaged = StoreError::Damaged {
            table: 1,
            key: b"b".to_vec(),
        };
        assert_eq!(moved.get(1, b"b"), Err(damaged));
    }

    #[test]
    fn a_batch_that_is_refused_leaves_nothing_to_save() {
        let mut store = SealedStore::open(&key(5), []).unwrap();
        let _key_check = store.take_unsaved();
        let long = vec![0; super::super::KEY_BYTES_MAX + 1];
        let refused = store.apply(&[put(1, b"a", b""), put(1, &long, b"")]);
        assert_eq!(refused, Err(StoreError::TooLarge));
        assert!(store.take_unsaved().is_empty());
    }
}
