//! The file under the store: what it survives, what it refuses, what it forgets.

use rusqlite::config::DbConfig;

use super::*;

#[test]
fn the_store_in_sqlite_conforms() {
    let directory = tempfile::tempdir().unwrap();
    let made = std::cell::Cell::new(0);
    conformance(|| {
        made.set(made.get() + 1);
        let place = directory.path().join(made.get().to_string());
        fs::create_dir(&place).unwrap();
        open(&place)
    });
}

#[test]
fn the_durable_settings_hold() {
    let (_directory, store) = with_store();
    let pragma = |name: &str| -> i64 {
        let sql = format!("pragma {name}");
        store
            .connection()
            .query_row(&sql, [], |row| row.get(0))
            .unwrap()
    };
    for (name, value) in [
        ("synchronous", 2),
        ("secure_delete", 1),
        ("trusted_schema", 0),
        ("foreign_keys", 1),
        ("user_version", 5),
        ("application_id", 0x4259_4C31),
    ] {
        assert_eq!(pragma(name), value, "{name}");
    }
    let flag = |config| store.connection().db_config(config).unwrap();
    assert!(flag(DbConfig::SQLITE_DBCONFIG_DEFENSIVE));
    assert!(!flag(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE));
    let loose: i64 = store
        .connection()
        .query_row(
            "select count(*) from pragma_table_list where schema = 'main' and type = 'table'
             and strict = 0 and name not like 'sqlite\\_%' escape '\\'",
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(loose, 0, "a table that is not strict");
}

#[cfg(unix)]
#[test]
fn only_the_servers_user_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let (directory, store) = with_store();
    let copy = directory.path().join("copy.db");
    store.backup(&copy).unwrap();
    let log = with_suffix(store.path(), "-wal");
    for path in [store.path(), &log, &copy] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
}

#[test]
fn a_store_is_there_again_after_closing() {
    let directory = tempfile::tempdir().unwrap();
    let (mut store, opened) = SqliteStore::open(directory.path()).unwrap();
    assert_eq!(opened, Opened::Created);
    put(&mut store, b"1", b"rice").unwrap();
    drop(store);
    let (store, opened) = SqliteStore::open(directory.path()).unwrap();
    assert_eq!(opened, Opened::Existing);
    assert_eq!(store.get(Table::Body, b"1").unwrap().unwrap(), b"rice");
    assert_eq!(store.check().unwrap(), None);
}

#[test]
fn every_commit_survives_a_loss_of_power() {
    let (directory, mut store) = with_store();
    for n in 0..20_u8 {
        put(&mut store, &[n], &[n; 3000]).unwrap();
        let copy = directory.path().join(format!("copy-{n}"));
        copy_files(directory.path(), &copy);
        let reopened = open(&copy);
        assert_eq!(all(&reopened, Table::Body).len(), usize::from(n) + 1);
        assert_eq!(reopened.check().unwrap(), None);
    }
}

#[test]
fn a_log_cut_anywhere_gives_whole_transactions() {
    let (directory, mut store) = with_store();
    store.scrub().unwrap();
    for n in 0..4_u8 {
        store
            .transact(|ledger| {
                ledger.put(Table::Body, &[n, 0], &[n; 5000])?;
                ledger.put(Table::Feed, &[n, 1], b"")
            })
            .unwrap();
    }
    let log_bytes = file_bytes(directory.path()).1.len() as u64;
    assert!(log_bytes > 8 * 4096);
    for cut in (0..=log_bytes).step_by(3001) {
        let copy = directory.path().join(format!("cut-{cut}"));
        copy_files(directory.path(), &copy);
        let log = with_suffix(&copy.join(DATABASE_NAME), "-wal");
        let log = fs::OpenOptions::new().write(true).open(log).unwrap();
        log.set_len(cut).unwrap();
        let reopened = open(&copy);
        assert_eq!(
            all(&reopened, Table::Body).len(),
            all(&reopened, Table::Feed).len(),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_second_server_is_refused_while_readers_read() {
    let (directory, mut store) = with_store();
    put(&mut store, b"1", b"rice").unwrap();
    let second = SqliteStore::open(directory.path());
    assert!(matches!(second, Err(StoreOpenError::InUse { .. })));
    let readers = Readers::open(store.path(), 2).unwrap();
    let seen = readers.read(|snapshot| snapshot.get(Table::Body, b"1"));
    assert_eq!(seen.unwrap().unwrap(), b"rice");
    drop(store);
    open(directory.path());
}

#[test]
fn a_reader_sees_one_moment_and_never_writes() {
    let (_directory, mut store) = with_store();
    let readers = store.readers(1).unwrap();
    put(&mut store, b"1", b"before").unwrap();
    readers
        .read(|snapshot| {
            assert_eq!(snapshot.get(Table::Body, b"1")?.unwrap(), b"before");
            put(&mut store, b"1", b"after")?;
            assert_eq!(snapshot.get(Table::Body, b"1")?.unwrap(), b"before");
            assert!(
                snapshot
                    .connection
                    .execute("delete from truth", [])
                    .is_err()
            );
            Ok(())
        })
        .unwrap();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        readers.read(|_snapshot| -> Result<(), LedgerFault> { panic!("a page that breaks") })
    }));
    assert!(caught.is_err());
    let seen = readers.read(|snapshot| snapshot.get(Table::Body, b"1"));
    assert_eq!(seen.unwrap().unwrap(), b"after", "the reader came back");
}

#[test]
fn many_threads_share_few_readers() {
    let (_directory, mut store) = with_store();
    put(&mut store, b"1", b"rice").unwrap();
    let readers = store.readers(2).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let seen = readers.read(|snapshot| snapshot.get(Table::Body, b"1"));
                    assert_eq!(seen.unwrap().unwrap(), b"rice");
                }
            });
        }
    });
}

#[test]
fn a_newer_version_is_refused_and_left_as_it_is() {
    let (directory, store) = with_store();
    store
        .connection()
        .pragma_update(None, "user_version", 9)
        .unwrap();
    let newer = directory.path().join("newer");
    copy_files(directory.path(), &newer);
    let before = file_bytes(&newer);
    assert!(
        !before.1.is_empty(),
        "a log that closing could have written"
    );
    let refused = SqliteStore::open(&newer).unwrap_err();
    assert!(matches!(
        refused,
        StoreOpenError::NewerVersion { found: 9, known: 5 }
    ));
    assert!(refused.to_string().contains("install the newer release"));
    assert!(Readers::open(&newer.join(DATABASE_NAME), 1).is_err());
    assert!(file_bytes(&newer) == before);
}

#[test]
fn another_programs_file_and_a_damaged_one_are_named_and_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(DATABASE_NAME);
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("create table t (a)").unwrap();
    drop(other);
    let before = fs::read(&path).unwrap();
    let refused = SqliteStore::open(directory.path()).unwrap_err();
    assert!(
        matches!(refused, StoreOpenError::NotOurs { .. }),
        "{refused}"
    );
    assert!(fs::read(&path).unwrap() == before);

    let damage = b"not a database, but long enough to be asked".repeat(200);
    fs::write(&path, &damage).unwrap();
    let refused = SqliteStore::open(directory.path()).unwrap_err();
    assert!(
        matches!(refused, StoreOpenError::Damaged { .. }),
        "{refused}"
    );
    assert!(refused.to_string().contains(DATABASE_NAME));
    assert!(fs::read(&path).unwrap() == damage);

    fs::remove_file(&path).unwrap();
    fs::write(with_suffix(&path, "-wal"), b"a log that lost its file").unwrap();
    let refused = SqliteStore::open(directory.path()).unwrap_err();
    assert!(
        matches!(refused, StoreOpenError::Damaged { .. }),
        "{refused}"
    );
    assert!(!path.exists());
}

#[test]
fn a_damaged_page_is_told_and_names_its_table() {
    let (directory, mut store) = with_store();
    for n in 0..200_u8 {
        put(&mut store, &[n], &[0xc7; 900]).unwrap();
    }
    drop(store);
    let path = directory.path().join(DATABASE_NAME);
    let mut bytes = fs::read(&path).unwrap();
    for page in bytes.chunks_exact_mut(4096) {
        if holds(page, &[0xc7; 900]) {
            page[..8].fill(0xff);
        }
    }
    fs::write(&path, &bytes).unwrap();
    let store = open(directory.path());
    assert!(store.check().unwrap().is_some());
    assert_eq!(
        store.get(Table::Body, &[7]),
        Err(LedgerFault::Damaged(Table::Body))
    );
}

#[test]
fn a_full_disk_keeps_nothing_of_it_and_passes() {
    let (_directory, mut store) = with_store();
    put(&mut store, b"a", b"rice").unwrap();
    let pages: i64 = store
        .connection()
        .query_row("pragma page_count", [], |row| row.get(0))
        .unwrap();
    let set_max = |store: &SqliteStore, pages: i64| {
        let connection = store.connection();
        connection
            .pragma_update(None, "max_page_count", pages)
            .unwrap();
    };
    set_max(&store, pages + 3);
    for _ in 0..3 {
        let outcome = store.transact(|ledger| {
            ledger.put(Table::Body, b"a", b"new")?;
            ledger.put(Table::Body, b"b", &[0; 100_000])
        });
        assert_eq!(outcome, Err(LedgerFault::Full));
        assert_eq!(
            all(&store, Table::Body),
            [(b"a".to_vec(), b"rice".to_vec())]
        );
    }
    put(&mut store, b"c", b"small").unwrap();
    set_max(&store, 100_000);
    put(&mut store, b"b", &[0; 100_000]).unwrap();
    assert_eq!(all(&store, Table::Body).len(), 3);
}

/// A small disk of its own, where that may be made: else the test above has to do.
#[cfg(target_os = "linux")]
#[test]
fn a_really_full_disk_is_told_and_passes() {
    use std::process::Command;
    let directory = tempfile::tempdir().unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=8m", "tmpfs"])
        .arg(directory.path())
        .stderr(std::process::Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !mounted {
        println!("not run: this user may not mount");
        return;
    }
    let outcome = std::panic::catch_unwind(|| {
        let mut store = open(directory.path());
        put(&mut store, b"a", b"rice").unwrap();
        let ballast = directory.path().join("ballast");
        fs::write(&ballast, vec![0; 2 << 20]).unwrap();
        let mut count = 0_u32;
        let full = loop {
            match put(&mut store, &count.to_be_bytes(), &[1; 60_000]) {
                Ok(()) => count += 1,
                Err(fault) => break fault,
            }
        };
        assert_eq!(full, LedgerFault::Full);
        assert_eq!(all(&store, Table::Body).len(), count as usize + 1);
        let copy = directory.path().join("copy.db");
        assert!(matches!(
            store.backup(&copy),
            Err(StoreOpenError::Full { .. })
        ));
        assert!(!copy.exists());
        fs::remove_file(&ballast).unwrap();
        put(&mut store, b"z", &[2; 60_000]).unwrap();
        assert_eq!(all(&store, Table::Body).len(), count as usize + 2);
        assert_eq!(store.check().unwrap(), None);
    });
    let unmounted = Command::new("umount").arg(directory.path()).status();
    assert!(outcome.is_ok() && unmounted.is_ok_and(|status| status.success()));
}

#[test]
fn a_backup_is_whole_taken_while_writing_and_never_over_a_file() {
    let (directory, mut store) = with_store();
    let readers = store.readers(1).unwrap();
    put(&mut store, b"1", b"rice").unwrap();
    let copy = directory.path().join("copies");
    fs::create_dir(&copy).unwrap();
    readers
        .read(|_snapshot| {
            store.backup(&copy.join(DATABASE_NAME)).unwrap();
            put(&mut store, b"2", b"fish")
        })
        .unwrap();
    let names: Vec<_> = fs::read_dir(&copy)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, [DATABASE_NAME], "nothing is left beside it");
    let before = fs::read(copy.join(DATABASE_NAME)).unwrap();
    let again = readers.backup(&copy.join(DATABASE_NAME));
    assert!(matches!(again, Err(StoreOpenError::File { .. })));
    assert!(fs::read(copy.join(DATABASE_NAME)).unwrap() == before);
    let restored = open(&copy);
    assert_eq!(
        all(&restored, Table::Body),
        [(b"1".to_vec(), b"rice".to_vec())]
    );
    assert_eq!(restored.check().unwrap(), None);
}

#[test]
fn erased_words_are_gone_from_the_files_after_scrubbing() {
    let (directory, mut store) = with_store();
    let mut dice = Dice(3);
    let word = |dice: &mut Dice| format!("w{:06}", dice.roll(3000));
    let rows: Vec<Row> = (1..=1500)
        .map(|n| {
            let mut row = row(n);
            row.words = (0..20)
                .map(|_| word(&mut dice))
                .collect::<Vec<_>>()
                .join(" ");
            if n % 10 == 0 {
                row.words += " canaryqzx";
                row.headline = "The Headline Canary".to_owned();
            }
            row
        })
        .collect();
    for some in rows.chunks(50) {
        project(&mut store, some);
    }
    let found = |canary: &str| {
        let (database, log) = file_bytes(directory.path());
        holds(&database, canary.as_bytes()) || holds(&log, canary.as_bytes())
    };
    // The index keeps of a word what it does not share with the one before.
    assert!(found("anaryqzx"), "the search finds nothing");
    let erased = rows.iter().filter(|row| row.headline.len() > 1).map(|row| {
        let mut erased = row.clone();
        erased.words = row.words.replace("canaryqzx", "");
        erased.headline = String::new();
        erased
    });
    for row in erased {
        project(&mut store, &[row]);
    }
    assert!(found("anaryqzx"), "it would be gone without scrubbing");
    store.scrub().unwrap();
    assert!(!found("anaryqzx"));
    assert!(file_bytes(directory.path()).1.is_empty());
    store.rebuild().unwrap();
    assert!(!found("Headline Canary"));
    assert_eq!(store.check().unwrap(), None);
}

#[test]
fn erased_parts_are_gone_from_the_files_after_rebuilding_and_from_a_backup() {
    let (directory, mut store) = with_store();
    let mut dice = Dice(11);
    // Not ascending, so that pages split and leave copies of rows behind.
    for n in 0..400_u32 {
        let n = n * 63 % 400;
        let mut value = format!("canary-{n:04}-").into_bytes();
        value.resize(20 + dice.roll(400) as usize, b'.');
        let key = n.to_be_bytes();
        store
            .transact(|ledger| ledger.put(Table::Part, &key, &value))
            .unwrap();
    }
    store
        .transact(|ledger| {
            (0..200_u32).try_for_each(|n| match n % 2 {
                0 => ledger.delete(Table::Part, &n.to_be_bytes()),
                _ => ledger.put(Table::Part, &n.to_be_bytes(), b"over"),
            })
        })
        .unwrap();
    let count = |bytes: &[u8]| {
        let is_there = |n: &u32| holds(bytes, format!("canary-{n:04}-").as_bytes());
        (
            (0..200).filter(is_there).count(),
            (200..400).filter(is_there).count(),
        )
    };
    let copy = directory.path().join("copy.db");
    store.backup(&copy).unwrap();
    assert_eq!(count(&fs::read(&copy).unwrap()), (0, 200));
    store.scrub().unwrap();
    println!(
        "after scrubbing alone {:?}",
        count(&file_bytes(directory.path()).0)
    );
    store.rebuild().unwrap();
    let (database, log) = file_bytes(directory.path());
    assert!(log.is_empty());
    assert_eq!(count(&database), (0, 200));
}
