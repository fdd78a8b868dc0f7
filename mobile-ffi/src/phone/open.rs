//! Opening a phone over its file, where there are files.

use std::path::Path;

use zeroize::Zeroizing;

use super::Phone;
use crate::PhoneError;
use crate::store::{Opened, SqliteStore, StoreKey};

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Phone {
    /// Opens the store at `path`, or makes it. `store_key` are 32 bytes from the keystore.
    /// `high_water` is what the last save said, kept where no backup reaches; 0 at first.
    ///
    /// # Errors
    /// What is wrong with the store; nothing in it was touched.
    #[cfg_attr(feature = "uniffi", uniffi::constructor)]
    pub fn open(
        path: String,
        store_key: Vec<u8>,
        high_water: u64,
        now_s: i64,
    ) -> Result<Self, PhoneError> {
        let bytes = Zeroizing::new(store_key);
        let key = StoreKey::from_slice(&bytes).ok_or(PhoneError::WrongKey)?;
        let (store, opened) = SqliteStore::open(Path::new(&path), &key, now_s)
            .map_err(|error| PhoneError::of_store(error, &path))?;
        let put_aside = match opened {
            Opened::StartedFresh { aside } => Some(aside.display().to_string()),
            Opened::Created | Opened::Existing => None,
        };
        Self::over(Box::new(store), path, high_water, put_aside, now_s)
    }

    /// Puts the store at `path` aside, whole, and opens a new one: for `StoreDamaged`. The phone
    /// must be enrolled again; what the old store held can still be read from its file.
    ///
    /// # Errors
    /// What is wrong with the file system.
    #[cfg_attr(feature = "uniffi", uniffi::constructor)]
    pub fn start_anew(path: String, store_key: Vec<u8>, now_s: i64) -> Result<Self, PhoneError> {
        let aside = SqliteStore::put_aside(Path::new(&path), now_s)
            .map_err(|error| PhoneError::of_store(error, &path))?;
        let phone = Self::open(path, store_key, 0, now_s)?;
        phone.lock().put_aside = Some(aside.display().to_string());
        Ok(phone)
    }
}
