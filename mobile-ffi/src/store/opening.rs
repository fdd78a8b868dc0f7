//! Opening the store's file.
//!
//! It goes in order, and each step may end it:
//! 1. take the lock, or say [`StoreError::InUse`];
//! 2. look at the file without changing it: its version, its key check value, its pages;
//! 3. a newer version or a wrong key ends here, with the file untouched;
//! 4. a damaged file is renamed aside, never deleted, and a new store starts;
//! 5. only then the file is prepared for writing.
//!
//! The lock is SQLite's own, on an empty file beside the store: the standard library's file locks
//! do nothing on Android before Rust 1.98. SQLite's locks belong to the process, so nothing else
//! in the app may open these files, not even to read them: closing them would drop the locks.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode};

use super::StoreError;
use super::seal::{Nonce, Sealer};

/// Marks the file as ours, so that another program's database is never taken for a store.
const APPLICATION_ID: i32 = 0x4259_5331;
/// The newest schema this release reads and the one it writes.
const SCHEMA_VERSION: i32 = 1;
/// After a checkpoint the write-ahead log shrinks to this; phones are short of room.
const LOG_BYTES_KEPT: i64 = 1024 * 1024;
/// Files put aside within one second and told apart by a number.
const ASIDE_NAMES_MAX: u32 = 1000;

const SCHEMA: &str = "
create table meta (
    -- what the store knows about itself; today only `key_check`
    name text not null primary key,
    value blob not null
) strict, without rowid;
create table item (
    -- the core's table number and key, in the clear
    tab integer not null,
    key blob not null,
    -- sealed, see seal.rs
    value blob not null,
    primary key (tab, key)
) strict, without rowid;
";

/// Set before the first page is read.
const GUARD_PRAGMAS: &str = "
-- before the first access, so that no shared-memory file is ever made
pragma locking_mode = exclusive;
-- a mapped file on failing flash ends the app with a signal instead of an error
pragma mmap_size = 0;
pragma cell_size_check = on;
-- Android has no writable directory for temporary files
pragma temp_store = memory;
";

/// Set once the file is known to be ours.
const WRITER_PRAGMAS: &str = "
pragma synchronous = full;
-- plain fsync leaves data in the drive's cache on Apple's systems
pragma fullfsync = on;
pragma checkpoint_fullfsync = on;
pragma secure_delete = on;
";

/// How the store was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Opened {
    /// There was none; a new one was made.
    Created,
    /// It was there, with the right key.
    Existing,
    /// It was damaged: it now lies at `aside`, and a new one was made.
    StartedFresh {
        /// Where the damaged file can be found.
        aside: PathBuf,
    },
}

/// An open file, ready for writing.
pub(super) struct OpenFile {
    // Dropped in this order: the store closes before another may open it.
    pub(super) connection: Connection,
    _lock: Connection,
}

/// Opens or makes the file at `path`. `now_s` only goes into the name of a damaged file.
pub(super) fn open(
    path: &Path,
    sealer: &Sealer,
    now_s: i64,
) -> Result<(OpenFile, Opened), StoreError> {
    let lock = take_lock(path)?;
    let (connection, opened) = open_or_start_fresh(path, sealer, now_s)?;
    Ok((
        OpenFile {
            connection,
            _lock: lock,
        },
        opened,
    ))
}

/// Renames the store aside although it opens, for a host that cannot use what is in it.
pub(super) fn put_aside(path: &Path, now_s: i64) -> Result<PathBuf, StoreError> {
    let _lock = take_lock(path)?;
    move_aside(path, now_s)
}

/// Holds an exclusive transaction on an empty file until the connection is dropped. The file
/// stays: removing it would let two openers hold locks on two files of one name.
fn take_lock(path: &Path) -> Result<Connection, StoreError> {
    let lock = Connection::open(with_suffix(path, "-lock"))?;
    lock.busy_timeout(Duration::ZERO)?;
    lock.execute_batch("pragma journal_mode = memory; begin exclusive")?;
    Ok(lock)
}

fn open_or_start_fresh(
    path: &Path,
    sealer: &Sealer,
    now_s: i64,
) -> Result<(Connection, Opened), StoreError> {
    let first = if log_lost_its_file(path)? {
        Err(StoreError::DamagedFile)
    } else {
        open_file(path, sealer)
    };
    if !matches!(first, Err(StoreError::DamagedFile)) {
        return first;
    }
    let aside = move_aside(path, now_s)?;
    let (connection, _created) = open_file(path, sealer)?;
    Ok((connection, Opened::StartedFresh { aside }))
}

/// A write-ahead log beside a missing or empty file. SQLite would delete such a log unasked, and
/// with it what it holds.
fn log_lost_its_file(path: &Path) -> Result<bool, StoreError> {
    Ok(file_bytes(path)? == 0 && file_bytes(&with_suffix(path, "-wal"))? > 0)
}

/// Zero for a missing file. It asks for the length without opening the file (see the head of this
/// module).
pub(super) fn file_bytes(path: &Path) -> Result<u64, StoreError> {
    match fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error.into()),
    }
}

fn open_file(path: &Path, sealer: &Sealer) -> Result<(Connection, Opened), StoreError> {
    let connection = Connection::open(path)?;
    guard(&connection)?;
    let opened = inspect(&connection, sealer)?;
    prepare_for_writing(&connection)?;
    if opened == Opened::Created {
        create_schema(&connection, sealer)?;
    }
    Ok((connection, opened))
}

fn guard(connection: &Connection) -> Result<(), StoreError> {
    connection.busy_timeout(Duration::ZERO)?;
    // Until the file is known to be ours, closing it must not write the log into it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.execute_batch(GUARD_PRAGMAS)?;
    Ok(())
}

/// Reads only. `Opened::Created` means that the schema is still to be made.
fn inspect(connection: &Connection, sealer: &Sealer) -> Result<Opened, StoreError> {
    let application_id: i32 = read_number(connection, "pragma application_id")?;
    let version: i32 = read_number(connection, "pragma user_version")?;
    if application_id == APPLICATION_ID {
        return inspect_ours(connection, sealer, version);
    }
    let tables = read_number(connection, "select count(*) from sqlite_schema")?;
    let pages = read_number(connection, "pragma page_count")?;
    // One empty page is what a start that was cut before its first commit leaves behind.
    if (application_id, version, tables) == (0, 0, 0) && pages <= 1 {
        return Ok(Opened::Created);
    }
    Err(StoreError::DamagedFile)
}

fn inspect_ours(
    connection: &Connection,
    sealer: &Sealer,
    version: i32,
) -> Result<Opened, StoreError> {
    if version > SCHEMA_VERSION {
        return Err(StoreError::NewerVersion {
            found: version,
            known: SCHEMA_VERSION,
        });
    }
    if version < 1 {
        return Err(StoreError::DamagedFile);
    }
    let key_check: Vec<u8> = connection
        .query_row(
            "select value from meta where name = 'key_check'",
            [],
            |row| row.get(0),
        )
        .map_err(found_by_reading)?;
    if !sealer.recognizes(&key_check) {
        return Err(StoreError::WrongKey);
    }
    let verdict: String = connection
        .query_row("pragma quick_check(1)", [], |row| row.get(0))
        .map_err(found_by_reading)?;
    if verdict == "ok" {
        Ok(Opened::Existing)
    } else {
        Err(StoreError::DamagedFile)
    }
}

fn read_number(connection: &Connection, sql: &str) -> Result<i32, StoreError> {
    connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(found_by_reading)
}

/// While looking at a file, a statement that makes no sense to it (no such table, unknown file
/// format) speaks about the file: the statements are constant.
fn found_by_reading(error: rusqlite::Error) -> StoreError {
    if error.sqlite_error_code() == Some(ErrorCode::Unknown) {
        return StoreError::DamagedFile;
    }
    error.into()
}

fn prepare_for_writing(connection: &Connection) -> Result<(), StoreError> {
    connection.execute_batch(WRITER_PRAGMAS)?;
    let mode: String = connection.query_row("pragma journal_mode = wal", [], |row| row.get(0))?;
    if mode != "wal" {
        // A file system without the needed calls; no promise of this module would hold on it.
        return Err(StoreError::FileSystem(io::ErrorKind::Unsupported));
    }
    connection.pragma_update(None, "journal_size_limit", LOG_BYTES_KEPT)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false)?;
    Ok(())
}

/// One transaction: a start that is cut leaves an empty file or a whole store.
fn create_schema(connection: &Connection, sealer: &Sealer) -> Result<(), StoreError> {
    let key_check = sealer.seal_key_check(&Nonce::random()?)?;
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute(
        "insert into meta (name, value) values ('key_check', ?1)",
        [key_check],
    )?;
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// Renames the store and what belongs to it, and says where the damaged data lies now. The file
/// goes first: cut in between, the log without its file is found again at the next start, while
/// a file without its log would look like a sound but older store.
fn move_aside(path: &Path, now_s: i64) -> Result<PathBuf, StoreError> {
    let aside = free_name(path, now_s)?;
    let is_file_there = rename_if_there(path, &aside)?;
    for suffix in ["-wal", "-journal"] {
        rename_if_there(&with_suffix(path, suffix), &with_suffix(&aside, suffix))?;
    }
    sync_directory(path)?;
    Ok(if is_file_there {
        aside
    } else {
        with_suffix(&aside, "-wal")
    })
}

fn free_name(path: &Path, now_s: i64) -> Result<PathBuf, StoreError> {
    let first = with_suffix(path, &format!(".damaged-at-{now_s}"));
    let more = (2..=ASIDE_NAMES_MAX).map(|n| with_suffix(&first, &format!("-{n}")));
    for name in std::iter::once(first.clone()).chain(more) {
        if !name.try_exists()? && !with_suffix(&name, "-wal").try_exists()? {
            return Ok(name);
        }
    }
    Err(StoreError::FileSystem(io::ErrorKind::AlreadyExists))
}

fn rename_if_there(from: &Path, to: &Path) -> Result<bool, StoreError> {
    match fs::rename(from, to) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Without it, a loss of power could undo the renaming after the new store was made.
#[cfg(unix)]
fn sync_directory(path: &Path) -> Result<(), StoreError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    fs::File::open(parent.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(())
}

/// Elsewhere a directory cannot be opened, and the file system keeps renames in order itself.
#[cfg(not(unix))]
fn sync_directory(_path: &Path) -> Result<(), StoreError> {
    Ok(())
}

pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}
#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::conformance::{Dice, put, rows};
    use super::super::sqlite::tests::{NOW_S, copy_files, key, open, with_one_row};
    use super::super::{SqliteStore, Store, StoreKey};
    use super::*;

    fn pragma(store: &SqliteStore, name: &str) -> i64 {
        store
            .connection()
            .query_row(&format!("pragma {name}"), [], |row| row.get(0))
            .unwrap()
    }

    #[test]
    fn the_durable_settings_hold() {
        let (_directory, path, store) = with_one_row();
        for (name, value) in [
            ("synchronous", 2),
            ("fullfsync", 1),
            ("checkpoint_fullfsync", 1),
            ("secure_delete", 1),
            ("trusted_schema", 0),
            ("user_version", 1),
        ] {
            assert_eq!(pragma(&store, name), value, "{name}");
        }
        let flag = |config| store.connection().db_config(config).unwrap();
        assert!(flag(DbConfig::SQLITE_DBCONFIG_DEFENSIVE));
        assert!(!flag(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE));
        assert!(with_suffix(&path, "-wal").exists());
        assert!(!with_suffix(&path, "-shm").exists());
    }

    #[test]
    fn a_wrong_key_or_a_newer_version_touches_nothing() {
        let (directory, path, store) = with_one_row();
        let copy = directory.path().join("copy");
        let newer = directory.path().join("newer");
        copy_files(&path, &copy);
        store
            .connection()
            .pragma_update(None, "user_version", 9)
            .unwrap();
        copy_files(&path, &newer);
        let other_key = StoreKey::new([6; StoreKey::BYTES]);
        let newer_version = StoreError::NewerVersion {
            found: 9,
            known: SCHEMA_VERSION,
        };
        for (path, key, expected) in [
            (&copy, other_key, StoreError::WrongKey),
            (&newer, key(), newer_version),
        ] {
            let read = |suffix| fs::read(with_suffix(path, suffix)).unwrap();
            let before = (read(""), read("-wal"));
            assert!(
                !before.1.is_empty(),
                "a log that closing could have written"
            );
            assert_eq!(SqliteStore::open(path, &key, NOW_S).unwrap_err(), expected);
            assert!(before == (read(""), read("-wal")));
        }
        assert_eq!(open(&copy).1, Opened::Existing);
    }

    #[test]
    fn a_second_opener_is_refused_until_the_first_is_gone() {
        let (_directory, path, store) = with_one_row();
        assert_eq!(
            SqliteStore::open(&path, &key(), NOW_S).unwrap_err(),
            StoreError::InUse
        );
        assert_eq!(store.get(1, b"a").unwrap().unwrap(), b"rice");
        drop(store);
        assert_eq!(open(&path).1, Opened::Existing);
    }

    #[test]
    fn the_lock_is_asked_before_the_file_is_touched() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("phone.store");
        fs::write(&path, b"damaged, and being put aside by another opener").unwrap();
        let lock = take_lock(&path).unwrap();
        assert_eq!(
            SqliteStore::open(&path, &key(), NOW_S).unwrap_err(),
            StoreError::InUse
        );
        assert!(path.exists());
        drop(lock);
        assert!(matches!(open(&path).1, Opened::StartedFresh { .. }));
    }

    #[test]
    fn a_damaged_page_is_found_when_the_store_opens() {
        const PAGE_BYTES: usize = 4096;
        let (_directory, path, mut store) = with_one_row();
        for n in 0..40_u8 {
            store.apply(&[put(2, &[n], &[n; 300])]).unwrap();
        }
        drop(store);
        let mut bytes = fs::read(&path).unwrap();
        let last_page = bytes.len() - PAGE_BYTES;
        bytes[last_page..last_page + 8].fill(0xff);
        fs::write(&path, &bytes).unwrap();
        let Opened::StartedFresh { aside } = open(&path).1 else {
            panic!("not noticed")
        };
        assert!(fs::read(aside).unwrap() == bytes);
    }

    #[test]
    fn a_damaged_file_is_put_aside_whole() {
        for damage in [
            b"not a database, but long enough to be asked".repeat(200),
            vec![0; 8192],
        ] {
            let directory = tempfile::tempdir().unwrap();
            let path = directory.path().join("phone.store");
            for name in [
                "phone.store.damaged-at-1800000000",
                "phone.store.damaged-at-1800000000-2",
            ] {
                fs::write(&path, &damage).unwrap();
                fs::write(with_suffix(&path, "-wal"), b"its log").unwrap();
                let (mut store, opened) = open(&path);
                let aside = directory.path().join(name);
                assert_eq!(
                    opened,
                    Opened::StartedFresh {
                        aside: aside.clone()
                    }
                );
                assert_eq!(fs::read(&aside).unwrap(), damage);
                assert_eq!(fs::read(with_suffix(&aside, "-wal")).unwrap(), b"its log");
                store.apply(&[put(1, b"a", b"1")]).unwrap();
            }
        }
    }

    #[test]
    fn a_log_without_its_file_is_put_aside() {
        let (_directory, path, store) = with_one_row();
        let log = fs::read(with_suffix(&path, "-wal")).unwrap();
        drop(store);
        fs::remove_file(&path).unwrap();
        fs::write(with_suffix(&path, "-wal"), &log).unwrap();
        let Opened::StartedFresh { aside } = open(&path).1 else {
            panic!("not noticed")
        };
        assert_eq!(fs::read(aside).unwrap(), log);
    }

    #[test]
    fn damage_anywhere_is_reported_and_loses_no_byte() {
        let (directory, path, mut store) = with_one_row();
        for n in 0..20_u8 {
            store
                .apply(&[put(2, &[n], &vec![n; usize::from(n) * 500])])
                .unwrap();
        }
        let expected = rows(&store, 2);
        drop(store);
        let sound = fs::read(&path).unwrap();
        let seed = 3;
        println!("seed {seed}");
        let mut dice = Dice(seed);
        let mut outcomes = BTreeMap::new();
        for round in 0..200 {
            // Every byte of the file's head, then bytes anywhere.
            let at = if round < 100 {
                round
            } else {
                dice.roll(sound.len() as u64) as usize
            };
            let mut damaged = sound.clone();
            damaged[at] ^= 1 + dice.roll(255) as u8;
            let copy = directory.path().join(format!("damaged-{round}"));
            fs::write(&copy, &damaged).unwrap();
            let outcome = look_at(&copy, &damaged, &expected);
            *outcomes.entry(outcome).or_insert(0) += 1;
        }
        println!("{outcomes:?}");
        assert!(outcomes.contains_key("aside") && outcomes.contains_key("row"));
    }

    /// Opens a damaged file and checks that nothing false is read and nothing is lost.
    fn look_at(path: &Path, damaged: &[u8], expected: &[(Vec<u8>, Vec<u8>)]) -> &'static str {
        let store = match SqliteStore::open(path, &key(), NOW_S) {
            Ok((_, Opened::StartedFresh { aside })) => {
                assert!(fs::read(aside).unwrap() == damaged);
                return "aside";
            }
            Ok((store, _existing)) => store,
            Err(_refused) => {
                assert!(fs::read(path).unwrap() == damaged);
                return "refused";
            }
        };
        let mut seen = Vec::new();
        let scanned = store.scan(2, &mut |key, value| {
            seen.push((key.to_vec(), value));
            Ok(())
        });
        if scanned.is_ok() {
            assert!(seen == expected);
            return "unharmed";
        }
        assert!(matches!(scanned, Err(StoreError::Damaged { table: 2, .. })));
        assert!(expected.starts_with(&seen));
        "row"
    }
}
