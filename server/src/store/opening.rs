//! Opening the database.
//!
//! It goes in order, and each step may end it:
//! 1. take the lock, or say [`StoreOpenError::InUse`];
//! 2. look at the file without changing it: whose it is, its version;
//! 3. a newer version, another program's file or a damaged one ends here, untouched. Nothing is
//!    put aside: on a server it is a person who decides what becomes of a damaged log;
//! 4. only then the file is prepared for writing and migrated, each step in one transaction.
//!
//! SQLite's locks belong to the process: nothing else in it may open the database file but
//! through SQLite, not even to read it, for closing it would drop the locks.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use thiserror::Error;

use crate::refused::{Doing, refused};
use crate::with_suffix;

/// The database, in the directory of the server's data.
pub const DATABASE_NAME: &str = "binhyen.db";
/// Empty; held locked while a server runs, and left there.
pub const LOCK_NAME: &str = "binhyen.lock";

/// Marks the file as ours, so that another program's database is never taken for a log.
const APPLICATION_ID: i32 = 0x4259_4C31;
/// After a checkpoint the write-ahead log shrinks to this.
const LOG_BYTES_KEPT: i64 = 64 * 1024 * 1024;
/// A checkpoint or the reading of a backup may hold a lock for a moment.
const BUSY_WAIT: Duration = Duration::from_secs(10);
/// A server that is just ending, or a child process that is just starting, holds the lock for a
/// moment longer than it should.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(25);
/// The store has about forty statements, lists aside.
const STATEMENTS_KEPT: usize = 96;

/// In order; the version of a database is how many it has had. An issued one never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_log.sql"),
    include_str!("../../migrations/0002_rows.sql"),
    include_str!("../../migrations/0003_accounts.sql"),
    include_str!("../../migrations/0004_areas.sql"),
    include_str!("../../migrations/0005_places.sql"),
];

/// Set before the first page is read.
const GUARD_PRAGMAS: &str = "
-- a mapped file on a failing disk ends the process with a signal instead of an error
pragma mmap_size = 0;
pragma cell_size_check = on;
pragma foreign_keys = on;
-- a list must not fail because the directory for temporary files is full
pragma temp_store = memory;
";

/// Set once the file is known to be ours.
const WRITER_PRAGMAS: &str = "
pragma synchronous = full;
pragma secure_delete = on;
pragma cache_size = -65536;
-- A commit of many rows touches many index pages; checkpoints this far apart write each page once
-- for many commits.
pragma wal_autocheckpoint = 8192;
";

/// Whether the database was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// There was none; a new one was made.
    Created,
    /// It was there.
    Existing,
}

/// Why the database does not open. It was not changed, unless a migration fails, which says so.
#[derive(Debug, Error)]
pub enum StoreOpenError {
    /// Another process has it open for writing.
    #[error("{path} is in use: another server runs on this directory; end it first")]
    InUse {
        /// The lock file.
        path: PathBuf,
    },
    /// A newer release wrote it.
    #[error(
        "the database has version {found}, this program knows up to {known}: install the newer \
         release, or restore a backup made by this one"
    )]
    NewerVersion {
        /// Its version.
        found: i32,
        /// The newest that this release reads.
        known: i32,
    },
    /// It is some other program's.
    #[error("{path} is not a BinhYen database: name the right directory")]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read as a database.
    #[error("{path} is damaged ({detail}): keep it, and restore a backup beside it")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What SQLite said.
        detail: String,
    },
    /// The disk is full.
    #[error("the disk is full: make room for {path}")]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{}", refused(Doing::Write, .path, .cause))]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: io::Error,
    },
    /// SQLite refused for another reason.
    #[error("{path}: {detail}; look at the disk and at who may write there")]
    Database {
        /// The file.
        path: PathBuf,
        /// What it said.
        detail: String,
    },
}

/// An open database, ready for writing.
#[derive(Debug)]
pub(super) struct OpenFile {
    // Dropped in this order: the database closes before another process may open it.
    pub(super) connection: Connection,
    pub(super) path: PathBuf,
    _lock: File,
}

/// Opens or makes the database in `directory`, which must exist.
pub(super) fn open(directory: &Path) -> Result<(OpenFile, Opened), StoreOpenError> {
    let lock = take_lock(&directory.join(LOCK_NAME))?;
    let path = directory.join(DATABASE_NAME);
    let told = Teller(&path);
    refuse_orphaned_log(&path)?;
    make_private(&path).map_err(|cause| told.file(cause))?;
    let (mut connection, version) = open_looked_at(&told)?;
    prepare_for_writing(&connection, &told)?;
    migrate(&mut connection, version).map_err(|e| told.sql(&e))?;
    let opened = if version == 0 {
        Opened::Created
    } else {
        Opened::Existing
    };
    let file = OpenFile {
        connection,
        path,
        _lock: lock,
    };
    Ok((file, opened))
}

/// Opens a file that is there and looks at it, but changes nothing: its version.
fn open_looked_at(told: &Teller<'_>) -> Result<(Connection, i32), StoreOpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(told.0, flags).map_err(|e| told.sql(&e))?;
    guard(&connection).map_err(|e| told.sql(&e))?;
    let version = inspect(&connection, told)?;
    Ok((connection, version))
}

/// Opens the database at `path` for reading only. It takes no lock: a command may read beside a
/// running server.
pub(super) fn open_reader(path: &Path) -> Result<Connection, StoreOpenError> {
    let told = Teller(path);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|e| told.sql(&e))?;
    guard(&connection).map_err(|e| told.sql(&e))?;
    if inspect(&connection, &told)? != known_version() {
        return Err(StoreOpenError::Database {
            path: path.to_owned(),
            detail: "it was not migrated yet; start the server once".to_owned(),
        });
    }
    Ok(connection)
}

/// Released by the operating system when the process ends, however it ends.
fn take_lock(path: &Path) -> Result<File, StoreOpenError> {
    let told = Teller(path);
    let opened = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path);
    let lock = opened.map_err(|cause| told.file(cause))?;
    for _try in 0..LOCK_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            Err(TryLockError::Error(cause)) => return Err(told.file(cause)),
        }
    }
    Err(StoreOpenError::InUse {
        path: path.to_owned(),
    })
}

/// A write-ahead log beside a missing or empty file: SQLite would delete it unasked, and with it
/// what it holds.
fn refuse_orphaned_log(path: &Path) -> Result<(), StoreOpenError> {
    let log = with_suffix(path, "-wal");
    let told = Teller(&log);
    let log_bytes = file_bytes(&log).map_err(|cause| told.file(cause))?;
    if log_bytes > 0 && file_bytes(path).map_err(|cause| told.file(cause))? == 0 {
        return Err(told.damaged("the database it belongs to is missing"));
    }
    Ok(())
}

/// Zero for a missing file. It does not open the file (see the head of this module).
fn file_bytes(path: &Path) -> io::Result<u64> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error),
    }
}

/// Makes the file, if it is not there, readable by the server's user only. SQLite gives the files
/// beside it the same rights.
fn make_private(path: &Path) -> io::Result<()> {
    match create_private(path) {
        Ok(_empty) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// A new empty file; one that is there is an error.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn guard(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_WAIT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    // Until the file is known to be ours, closing it must not write the log into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    // Plans depend on the text of a statement alone. Else it is prepared anew for each new value,
    // which was a seventh of what a visit cost.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(GUARD_PRAGMAS)
}

/// Reads only. The version of the database; zero means that everything is still to be made.
fn inspect(connection: &Connection, told: &Teller<'_>) -> Result<i32, StoreOpenError> {
    let number = |sql| -> Result<i32, StoreOpenError> {
        let read = connection.query_row(sql, [], |row| row.get(0));
        read.map_err(|e| told.reading(&e))
    };
    let application_id = number("pragma application_id")?;
    let version = number("pragma user_version")?;
    // Reads the schema, and so notices a file that cannot be read at all.
    let tables = number("select count(*) from sqlite_schema")?;
    if application_id != APPLICATION_ID {
        // One empty page is what a start that was cut before its first commit leaves behind.
        let is_new = (application_id, version, tables) == (0, 0, 0);
        return if is_new && number("pragma page_count")? <= 1 {
            Ok(0)
        } else {
            Err(StoreOpenError::NotOurs {
                path: told.0.to_owned(),
            })
        };
    }
    if version > known_version() {
        return Err(StoreOpenError::NewerVersion {
            found: version,
            known: known_version(),
        });
    }
    if version < 1 {
        return Err(told.damaged("it has no version"));
    }
    Ok(version)
}

fn known_version() -> i32 {
    i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX)
}

fn prepare_for_writing(connection: &Connection, told: &Teller<'_>) -> Result<(), StoreOpenError> {
    let prepared = || -> rusqlite::Result<String> {
        connection.execute_batch(WRITER_PRAGMAS)?;
        let mode = connection.query_row("pragma journal_mode = wal", [], |row| row.get(0))?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
        Ok(mode)
    };
    if prepared().map_err(|e| told.sql(&e))? == "wal" {
        Ok(())
    } else {
        // No promise of this store holds on such a file system.
        Err(told.file(io::Error::new(
            io::ErrorKind::Unsupported,
            "this file system cannot hold a write-ahead log; use a local disk",
        )))
    }
}

/// One transaction for each step: a start that is cut leaves a whole version.
fn migrate(connection: &mut Connection, from: i32) -> rusqlite::Result<()> {
    for (step, version) in MIGRATIONS.iter().zip(1_i32..) {
        if version <= from {
            continue;
        }
        let transaction = connection.transaction()?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Writes a consistent copy of the database at `from` to `to`, which must not be there.
///
/// The copy is written anew, row by row: what was erased is not in it, not even in the gaps of
/// its pages. It is on the disk when this returns. While it is written the log beside the
/// database cannot shrink.
pub(super) fn back_up(from: &Path, to: &Path) -> Result<(), StoreOpenError> {
    let told = Teller(to);
    let reader = open_reader(from)?;
    // The name is ours from here on, so nothing that was there is ever overwritten.
    drop(create_private(to).map_err(|cause| told.file(cause))?);
    let part = with_suffix(to, ".part");
    let written = write_copy(&reader, &part, &told).and_then(|()| {
        let renamed = fs::rename(&part, to).and_then(|()| sync_directory(to));
        renamed.map_err(|cause| told.file(cause))
    });
    if written.is_err() {
        // The copy is worthless; the first fault is what the caller must hear of.
        for leftover in [part.as_path(), to] {
            drop(fs::remove_file(leftover));
        }
    }
    written
}

fn write_copy(reader: &Connection, part: &Path, told: &Teller<'_>) -> Result<(), StoreOpenError> {
    match fs::remove_file(part) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(told.file(cause)),
        Ok(()) | Err(_) => {}
    }
    let name = part.to_str().ok_or_else(|| {
        told.file(io::Error::new(
            io::ErrorKind::InvalidInput,
            "write the path in UTF-8",
        ))
    })?;
    let file = create_private(part).map_err(|cause| told.file(cause))?;
    let copied = reader.execute("vacuum into ?1", [name]);
    copied.map_err(|e| told.sql(&e))?;
    file.sync_all().map_err(|cause| told.file(cause))
}

/// Without it, a loss of power could undo the renaming.
#[cfg(unix)]
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

/// Elsewhere a directory cannot be opened, and the file system keeps renames in order itself.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Makes a new empty file for the server's user alone.
pub(super) fn make_new(path: &Path) -> Result<(), StoreOpenError> {
    let made = create_private(path).map(drop);
    made.map_err(|cause| Teller(path).file(cause))
}

/// Opens a copy that nobody else has open, to change it.
pub(super) fn open_copy(path: &Path) -> Result<Connection, StoreOpenError> {
    let told = Teller(path);
    let (connection, _version) = open_looked_at(&told)?;
    // a copy is worthless until it is whole, so it needs no log of its own
    let journal = connection.pragma_update(None, "journal_mode", "delete");
    journal.map_err(|e| told.sql(&e))?;
    Ok(connection)
}

/// Puts a file on the disk.
pub(super) fn flush(path: &Path) -> Result<(), StoreOpenError> {
    let flushed = File::open(path).and_then(|file| file.sync_all());
    flushed
        .and_then(|()| sync_directory(path))
        .map_err(|cause| Teller(path).file(cause))
}

/// Puts the path into every fault.
pub(super) struct Teller<'a>(pub(super) &'a Path);

impl Teller<'_> {
    fn file(&self, cause: io::Error) -> StoreOpenError {
        if matches!(
            cause.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
        ) {
            return StoreOpenError::Full {
                path: self.0.to_owned(),
            };
        }
        StoreOpenError::File {
            path: self.0.to_owned(),
            cause,
        }
    }

    fn damaged(&self, detail: &str) -> StoreOpenError {
        StoreOpenError::Damaged {
            path: self.0.to_owned(),
            detail: detail.to_owned(),
        }
    }

    pub(super) fn sql(&self, error: &rusqlite::Error) -> StoreOpenError {
        let Some(cause) = error.sqlite_error() else {
            return self.damaged(&error.to_string());
        };
        if super::is_damage(cause) {
            return self.damaged(&error.to_string());
        }
        let path = self.0.to_owned();
        if super::is_full(cause) {
            return StoreOpenError::Full { path };
        }
        if matches!(
            cause.code,
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked
        ) {
            return StoreOpenError::InUse { path };
        }
        StoreOpenError::Database {
            path,
            detail: error.to_string(),
        }
    }

    /// While looking at a file, a statement that makes no sense to it speaks about the file: the
    /// statements are constant.
    fn reading(&self, error: &rusqlite::Error) -> StoreOpenError {
        if error.sqlite_error_code() == Some(ErrorCode::Unknown) {
            return self.damaged(&error.to_string());
        }
        self.sql(error)
    }
}
