//! A new directory of data from a backup or from the copy on another disk.
//!
//! The log goes on in a new generation: whatever it admitted after the backup comes back from the
//! phones, under the receipts that they hold.

use std::fs;
use std::path::{Path, PathBuf};

use sync_core::hub::ledger::{LedgerFault, Store as _};
use sync_core::hub::{Hub, VerifyReport, facts};

use super::backup::{PARTS_NAME, PARTS_SUFFIX, Scratch, place_in};
use super::seal::Identities;
use super::standby::SEALED_KEYS_NAME;
use super::{RecoveryError, told};
use crate::keys::{self, LOG_KEY_NAME};
use crate::office::{TLS_NAME, acting};
use crate::store::{DATABASE_NAME, Readers, SqliteStore, put_together};
use crate::{now_s, random, with_suffix};

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Check of the whole log; its faults are empty when it is sound.
    pub report: VerifyReport,
    /// What the check of the database file found, if anything.
    pub damage: Option<String>,
    /// Entries that the backup held, before the one that begins the new generation.
    pub size: u64,
    /// Number of the new generation.
    pub generation: u32,
    /// Server time of the newest entry, in seconds since 1970; what came later the phones bring.
    pub newest_s: Option<i64>,
    /// Entries that lost what could be erased, because the parts were left out.
    pub without_parts: u64,
}

/// Whether the parts come too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// They lie beside the backup.
    Beside,
    /// They are given up.
    Without,
}

/// Restores `from`, a backup or the directory of a copy, into `data`, which must be empty or not
/// be there. When it fails nothing is left there.
///
/// # Errors
/// [`RecoveryError`].
pub fn restore(
    from: &Path,
    keys: &Identities,
    data: &Path,
    parts: Parts,
) -> Result<Restored, RecoveryError> {
    if data.exists() && fs::read_dir(data).map_err(told(data))?.next().is_some() {
        return Err(RecoveryError::NotEmpty {
            path: data.to_owned(),
        });
    }
    let made = data.exists();
    // without a slash at the end, so that the scratch directory lies beside it
    let data = &data.components().collect::<PathBuf>();
    let scratch = Scratch::make(&with_suffix(data, ".restoring"))?;
    let restored = fill(from, keys, &scratch.0, parts)?;
    if made {
        fs::remove_dir(data).map_err(told(data))?;
    }
    fs::rename(&scratch.0, data).map_err(told(data))?;
    Ok(restored)
}

/// Restores into a scratch directory, checks everything, and leaves nothing.
///
/// # Errors
/// [`RecoveryError`].
pub fn drill(
    from: &Path,
    keys: &Identities,
    scratch: &Path,
    parts: Parts,
) -> Result<Restored, RecoveryError> {
    let name: [u8; 8] = random()?;
    let name = format!("binhyen-drill-{:016x}", u64::from_be_bytes(name));
    let scratch = Scratch::make(&scratch.join(name))?;
    fill(from, keys, &scratch.0, parts)
}

fn fill(
    from: &Path,
    keys: &Identities,
    data: &Path,
    parts: Parts,
) -> Result<Restored, RecoveryError> {
    let tls = data.join(TLS_NAME);
    fs::create_dir(&tls).map_err(told(&tls))?;
    let database = data.join(DATABASE_NAME);
    let place = |name: &str| place_in(data, name);
    fs::metadata(from).map_err(|cause| RecoveryError::Unread {
        path: from.to_owned(),
        cause,
    })?;
    if from.is_dir() {
        let copy = from.join(DATABASE_NAME);
        if !copy.exists() {
            return Err(RecoveryError::Missing {
                path: from.to_owned(),
                name: DATABASE_NAME,
            });
        }
        keys.unpack(&from.join(SEALED_KEYS_NAME), place)?;
        Readers::open(&copy, 1)?.backup(&database)?;
    } else {
        let beside = with_suffix(from, PARTS_SUFFIX);
        if parts == Parts::Beside && !beside.exists() {
            return Err(RecoveryError::NoParts { path: beside });
        }
        let names = keys.unpack(from, place)?;
        if !names.iter().any(|name| name == DATABASE_NAME) {
            return Err(RecoveryError::Missing {
                path: from.to_owned(),
                name: DATABASE_NAME,
            });
        }
        if parts == Parts::Beside {
            let apart = data.join(PARTS_NAME);
            keys.unpack(&beside, |name| (name == PARTS_NAME).then(|| apart.clone()))?;
            put_together(&database, &apart)?;
            fs::remove_file(&apart).map_err(told(&apart))?;
        }
    }
    let hub = keys::load(&data.join(LOG_KEY_NAME))?.ok_or_else(|| RecoveryError::Missing {
        path: from.to_owned(),
        name: LOG_KEY_NAME,
    })?;
    begin_again(&hub, data)
}

/// Builds again what follows from the log, begins the new generation, and checks everything.
fn begin_again(hub: &Hub, data: &Path) -> Result<Restored, RecoveryError> {
    let (mut store, _opened) = SqliteStore::open(data)?;
    let state = facts::log_state(&store)?;
    let newest_s = match state.size.checked_sub(1) {
        Some(last) => facts::entry(&store, last)?.map(|entry| entry.leaf.admitted_at),
        None => None,
    };
    let random = random()?;
    let (without_parts, generation) = store.transact(|ledger| {
        let lost = hub.forget_lost_parts(ledger)?;
        hub.rebuild(ledger, now_s())?;
        // no copy holds this history yet
        hub.note_safe(ledger, 0, now_s())?;
        hub.new_generation(ledger, &acting(0, "", random), 0, u64::MAX)?;
        Ok::<_, LedgerFault>((lost, facts::log_state(ledger)?.generation))
    })?;
    let report = hub.verify_log(&store)?;
    let damage = store.check()?;
    Ok(Restored {
        report,
        damage,
        size: state.size,
        generation,
        newest_s,
        without_parts,
    })
}
