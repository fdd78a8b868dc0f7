//! One log with all that belongs to it, open: the hub, its store with writer and readers, the
//! settings. A server holds it for as long as it runs, a command for as long as it takes.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sync_core::hub::facts;
use sync_core::hub::ledger::{LedgerFault, Store as _, Table, View as _};
use sync_core::hub::{Acting, Hub, Refusal};
use sync_core::ids::KeyId;
use thiserror::Error;

use crate::keys::{self, InviteKey, KeyError, LOG_KEY_NAME};
use crate::log::{self, Event};
use crate::metrics::{Metrics, Standing};
use crate::recovery::backup::clear_scratch;
use crate::refused::{Doing, refused};
use crate::settings::{Settings, SettingsError};
use crate::store::{READERS_DEFAULT, Readers, Snapshot, SqliteLedger, SqliteStore, StoreOpenError};
use crate::tls::CA_CERTIFICATE_FILE;
use crate::writer::{self, Running, WriteError, Writer};
use crate::{now_s, random, with_suffix};

/// Name of the directory of certificates in the directory of the server's data.
pub const TLS_NAME: &str = "tls";

/// Whether a log may be begun where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// A server may.
    Allowed,
    /// A command may not: a mistyped directory would get a log of its own.
    Refused,
}

/// Why the directory of the data cannot be used. Nothing in it was changed.
#[derive(Debug, Error)]
pub enum OfficeError {
    /// There is no log.
    #[error(
        "{path} holds no data of a server: name the right directory, or start `binhyen serve` \
         there once"
    )]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// There is a log, and its key is gone.
    #[error("{path} is missing and the log cannot go on without it: restore it from a backup")]
    NoKey {
        /// The file of the key.
        path: PathBuf,
    },
    /// The key is another log's.
    #[error("{path} is not the key of this log: restore both from one backup")]
    OtherKey {
        /// The file of the key.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}", refused(Doing::Use, .path, .cause))]
    File {
        /// What it refused.
        path: PathBuf,
        /// What it said.
        cause: io::Error,
    },
    /// The database does not open.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The database cannot be read.
    #[error("{0}")]
    Ledger(#[from] LedgerFault),
}

/// An open log.
#[derive(Debug)]
pub struct Office {
    directory: PathBuf,
    hub: Arc<Hub>,
    readers: Arc<Readers>,
    writer: Writer,
    settings: Mutex<Settings>,
    invite_key: InviteKey,
    /// When each phone came last. In memory only: it is nobody's business later.
    seen: Mutex<BTreeMap<KeyId, i64>>,
    metrics: Arc<Metrics>,
}

impl Office {
    /// Opens the log in `directory`.
    ///
    /// # Errors
    /// [`OfficeError`]: it says what to do.
    pub fn open(directory: &Path, begin: Begin) -> Result<(Self, Running), OfficeError> {
        let key_path = directory.join(LOG_KEY_NAME);
        let told = |path: &Path, cause| OfficeError::File {
            path: path.to_owned(),
            cause,
        };
        if begin == Begin::Allowed {
            create_directory(directory).map_err(|cause| told(directory, cause))?;
        } else {
            let database = directory.join(crate::store::DATABASE_NAME);
            let exists = |path: &Path| path.try_exists().map_err(|cause| told(path, cause));
            if !exists(&database)? && !exists(&key_path)? {
                return Err(OfficeError::Empty {
                    path: directory.to_owned(),
                });
            }
        }
        let settings = Settings::load(directory)?;
        let (mut store, _opened) = SqliteStore::open(directory)?;
        let size = facts::log_state(&store)?.size;
        let hub = match keys::load(&key_path)? {
            Some(hub) => hub,
            None if size > 0 => return Err(OfficeError::NoKey { path: key_path }),
            None => keys::create(&key_path)?,
        };
        let invite_key = keys::load_invite_key(&key_path)?;
        let invite_key = invite_key.ok_or(OfficeError::NoKey {
            path: key_path.clone(),
        })?;
        if size == 0 {
            let random = random()?;
            store.transact(|ledger| hub.begin_log(ledger, &acting(0, "", random)))?;
        }
        if size > 0 && store.scan(Table::Control, &[], &[0xff], 1)?.is_empty() {
            // a release that indexes more has emptied what follows from the log, whose first
            // entries are of this table
            log::tell(Event::Rebuilding { entries: size });
            store.transact(|ledger| hub.rebuild(ledger, now_s()))?;
        }
        let first = facts::full_act(&store, 0)?;
        if first.is_some_and(|first| !first.act.verifies(&hub.realm(), &hub.log_key())) {
            return Err(OfficeError::OtherKey { path: key_path });
        }
        clear_scratch(directory).map_err(|cause| told(directory, cause))?;
        let readers = Arc::new(store.readers(READERS_DEFAULT)?);
        let hub = Arc::new(hub);
        let metrics = Arc::new(Metrics::new());
        let (writer, running) = writer::start(Arc::clone(&hub), store, Arc::clone(&metrics))
            .map_err(|cause| told(directory, cause))?;
        let office = Self {
            directory: directory.to_owned(),
            hub,
            readers,
            writer,
            settings: Mutex::new(settings),
            invite_key,
            seen: Mutex::default(),
            metrics,
        };
        Ok((office, running))
    }

    /// The directory of the data.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }
    /// The readers.
    #[must_use]
    pub fn readers(&self) -> &Arc<Readers> {
        &self.readers
    }
    /// The way to the writer.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.writer
    }
    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }
    /// All figures as text, with how things stand now. Blocks.
    ///
    /// # Errors
    /// The store's.
    pub fn figures(&self) -> Result<String, LedgerFault> {
        let state = self.read(|snapshot| facts::log_state(snapshot))?;
        let settings = self.settings();
        let database = self.directory.join(crate::store::DATABASE_NAME);
        let sizes = [database.clone(), with_suffix(&database, "-wal")]
            .map(|file| fs::metadata(file).map_or(0, |found| found.len()));
        let standby = settings.standby.as_deref();
        Ok(self.metrics.text(&Standing {
            entries: state.size,
            safe_entries: standby.map(|_kept| state.safe_size),
            generation: state.generation,
            database_bytes: sizes.iter().sum(),
            free_bytes: free_bytes(&self.directory).unwrap_or(0),
            standby_free_bytes: standby.and_then(free_bytes),
            backup_s: settings.backed_up_s.unwrap_or(0),
        }))
    }
    /// Keeps when the last backup was made.
    pub(crate) fn note_backup(&self, at_s: i64) -> Result<(), SettingsError> {
        let mut settings = self.settings();
        settings.backed_up_s = Some(at_s);
        self.change_settings(settings)
    }
    /// The key of the invitations.
    pub(crate) fn invite_key(&self) -> &InviteKey {
        &self.invite_key
    }
    /// The settings as they stand.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let settings = self.settings.lock();
        settings.unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// Keeps other settings.
    ///
    /// # Errors
    /// [`SettingsError`]; then the old ones stand.
    pub fn change_settings(&self, settings: Settings) -> Result<(), SettingsError> {
        settings.save(&self.directory)?;
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = settings;
        Ok(())
    }

    /// Reads one consistent view.
    ///
    /// # Errors
    /// The store's.
    pub fn read<T>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        self.readers.read(read)
    }

    /// Does what an account does, in a transaction of its own. Blocks.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn act_as<T: Send + 'static>(
        &self,
        account: u32,
        name: &str,
        act: impl FnOnce(&Hub, &mut SqliteLedger<'_>, &Acting<'_>) -> Result<T, Refusal>
        + Send
        + 'static,
    ) -> Result<T, WriteError> {
        let random = random()?;
        let name = name.to_owned();
        self.writer
            .act(move |hub, ledger| act(hub, ledger, &acting(account, &name, random)))
    }

    /// Does what the command line does. Blocks.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Hub, &mut SqliteLedger<'_>, &Acting<'_>) -> Result<T, Refusal>
        + Send
        + 'static,
    ) -> Result<T, WriteError> {
        self.act_as(0, "", act)
    }

    /// Notes that a phone came.
    pub fn saw(&self, device: KeyId, at_s: i64) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(device, at_s);
    }
    /// When a phone came last, since this server started.
    #[must_use]
    pub fn last_seen(&self, device: KeyId) -> Option<i64> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(&device).copied()
    }

    /// The certificate that phones pin; empty when it came from outside.
    ///
    /// # Errors
    /// What the operator has to do first.
    pub fn ca_der(&self) -> Result<Vec<u8>, String> {
        if self.settings().foreign_certificate {
            return Ok(Vec::new());
        }
        let path = self.directory.join(TLS_NAME).join(CA_CERTIFICATE_FILE);
        let read = CertificateDer::from_pem_file(&path);
        read.map(|certificate| certificate.to_vec())
            .map_err(|cause| {
                format!(
                    "{} cannot be read ({cause}): start `binhyen serve` once, it makes it",
                    path.display()
                )
            })
    }
}

/// Bytes that this user may still write on the disk of a directory.
fn free_bytes(directory: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(directory).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Who acts, now.
pub(crate) fn acting(account: u32, name: &str, random: [u8; 32]) -> Acting<'_> {
    Acting {
        account,
        name,
        now_s: now_s(),
        random,
    }
}

/// Makes the directory for the server's user alone, if it is not there.
pub(crate) fn create_directory(directory: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(directory)
}
