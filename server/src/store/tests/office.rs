//! Accounts, sessions, the audit trail and the areas.

use sync_core::ids::{AreaRef, Hash32};
use sync_core::vocabulary::{AreaKind, HamletImport, UNITS_CSV, UnitTable};

use super::*;

const AREA: AreaRef = AreaRef([6; 16]);
const TOKEN: [u8; 32] = [1; 32];

fn with_account() -> (tempfile::TempDir, SqliteStore, u32) {
    let (directory, mut store) = with_store();
    let number = store
        .transact(|ledger| ledger.add_account("Lê Thị Hòa", "hash-1", 3, AREA))
        .unwrap();
    (directory, store, number)
}

fn sign_in(store: &mut SqliteStore, name: &str) -> Option<SignIn> {
    store
        .transact(|ledger| ledger.snapshot().account_by_name(name))
        .unwrap()
}

fn session(store: &mut SqliteStore) -> Option<Session> {
    store
        .transact(|ledger| ledger.snapshot().session(TOKEN))
        .unwrap()
}

fn open_session(store: &mut SqliteStore, number: u32) -> Result<(), LedgerFault> {
    store.transact(|ledger| ledger.open_session(TOKEN, number, [2; 16], 100, 200))
}

#[test]
fn names_are_taken_once_and_numbers_never_again() {
    let (_directory, mut store, number) = with_account();
    let taken = store.transact(|ledger| ledger.add_account("  LÊ THỊ HOÁ ", "hash", 1, AREA));
    assert_eq!(taken, Err(LedgerFault::Failed(NAME_TAKEN.to_owned())));
    let second = store
        .transact(|ledger| ledger.add_account("Danh Sóc", "hash-2", 1, AREA))
        .unwrap();
    assert_ne!(second, number);
    let found = sign_in(&mut store, "le thi hoa").unwrap();
    assert_eq!(found.password_hash, "hash-1");
    assert_eq!(found.account.name, "Lê Thị Hòa");
    assert_eq!((found.account.role, found.account.area), (3, AREA));
    assert!(found.account.active);
    assert!(!format!("{found:?}").contains("hash-1"));
    assert_eq!(sign_in(&mut store, "nobody"), None);
    let (all, one) = store
        .transact(|ledger| {
            let snapshot = ledger.snapshot();
            Ok((snapshot.accounts()?, snapshot.account(number)?))
        })
        .unwrap();
    assert_eq!(all.len(), 2);
    assert_eq!(one.unwrap(), all[0]);
}

#[test]
fn failed_tries_add_up_until_a_good_one() {
    let (_directory, mut store, number) = with_account();
    for (ok, failures, not_before_s) in [(false, 1, 110), (false, 2, 120), (true, 0, 0)] {
        store
            .transact(|ledger| ledger.note_sign_in(number, ok, 100, not_before_s))
            .unwrap();
        let found = sign_in(&mut store, "Lê Thị Hòa").unwrap();
        assert_eq!(
            (found.failures, found.not_before_s),
            (failures, not_before_s)
        );
    }
    let unknown = store.transact(|ledger| ledger.note_sign_in(99, false, 100, 110));
    assert!(matches!(unknown, Err(LedgerFault::Failed(_))));
}

#[test]
fn sessions_end_when_they_must() {
    let (_directory, mut store, number) = with_account();
    assert!(matches!(
        open_session(&mut store, 99),
        Err(LedgerFault::Failed(_))
    ));
    open_session(&mut store, number).unwrap();
    assert!(
        open_session(&mut store, number).is_err(),
        "a token is used once"
    );
    let opened = session(&mut store).unwrap();
    assert_eq!(
        (opened.account, opened.csrf, opened.expires_s),
        (number, [2; 16], 200)
    );
    store.transact(|ledger| ledger.end_session(TOKEN)).unwrap();
    assert_eq!(session(&mut store), None);

    open_session(&mut store, number).unwrap();
    store
        .transact(|ledger| ledger.set_password(number, "hash-3"))
        .unwrap();
    assert_eq!(session(&mut store), None);
    assert_eq!(
        sign_in(&mut store, "le thi hoa").unwrap().password_hash,
        "hash-3"
    );

    open_session(&mut store, number).unwrap();
    let pruned = |store: &mut SqliteStore, now_s| {
        store
            .transact(|ledger| ledger.prune_sessions(now_s))
            .unwrap()
    };
    assert_eq!((pruned(&mut store, 199), pruned(&mut store, 200)), (0, 1));

    open_session(&mut store, number).unwrap();
    store
        .transact(|ledger| ledger.set_account_active(number, false))
        .unwrap();
    assert_eq!(session(&mut store), None);
    assert!(open_session(&mut store, number).is_err(), "not active");
}

fn audit(store: &mut SqliteStore, what: &str, about: Option<Vec<u8>>) -> u64 {
    let entry = AuditEntry {
        time_s: 1_800_000_000,
        account: None,
        what,
        about,
        scope: "province".to_owned(),
    };
    store.transact(|ledger| ledger.audit(&entry)).unwrap()
}

fn verdict(store: &mut SqliteStore) -> AuditVerdict {
    store
        .transact(|ledger| ledger.snapshot().verify_audit())
        .unwrap()
}

#[test]
fn the_audit_trail_cannot_be_changed_unseen() {
    let (_directory, mut store, _number) = with_account();
    let empty = verdict(&mut store);
    assert_eq!(
        (empty.count, empty.tip, empty.broken_at),
        (0, Hash32::default(), None)
    );
    for n in 1..=5 {
        assert_eq!(
            audit(&mut store, "list", (n % 2 == 0).then(|| vec![n as u8])),
            n
        );
    }
    let sound = verdict(&mut store);
    assert_eq!((sound.count, sound.broken_at), (5, None));
    let newest = store
        .transact(|ledger| ledger.snapshot().audited(Some(5), 2))
        .unwrap();
    assert_eq!(
        newest.iter().map(|entry| entry.number).collect::<Vec<_>>(),
        [4, 3]
    );
    assert_eq!(newest[0].about.as_deref(), Some([4].as_slice()));

    let sql = |store: &SqliteStore, sql: &str| store.connection().execute_batch(sql);
    assert!(sql(&store, "delete from audit where number = 3").is_err());
    assert!(sql(&store, "update audit set what = 'x'").is_err());
    sql(
        &store,
        "drop trigger audit_keeps_rows; drop trigger audit_keeps_words",
    )
    .unwrap();
    for (change, broken_at) in [
        ("update audit set about = x'' where number = 3", 3),
        ("update audit set account = 1 where number = 2", 2),
        ("delete from audit where number = 1", 1),
    ] {
        sql(&store, change).unwrap();
        assert_eq!(verdict(&mut store).broken_at, Some(broken_at), "{change}");
    }
    let before_cut = verdict(&mut store).tip;
    sql(&store, "delete from audit where number = 5").unwrap();
    assert_ne!(
        verdict(&mut store).tip,
        before_cut,
        "a kept tip tells of a cut"
    );
}

#[test]
fn an_entry_and_what_it_tells_of_are_kept_together() {
    let (_directory, mut store, number) = with_account();
    let outcome: Result<(), LedgerFault> = store.transact(|ledger| {
        ledger.set_password(number, "changed")?;
        ledger.audit(&AuditEntry {
            time_s: 1,
            account: Some(number),
            what: "password",
            about: None,
            scope: String::new(),
        })?;
        Err(LedgerFault::Full)
    });
    assert_eq!(outcome, Err(LedgerFault::Full));
    assert_eq!(verdict(&mut store).count, 0);
    assert_eq!(
        sign_in(&mut store, "le thi hoa").unwrap().password_hash,
        "hash-1"
    );
}

#[test]
fn areas_are_there_from_the_start_and_found_without_accents() {
    let (directory, store) = with_store();
    drop(store);
    let store = open(directory.path());
    let readers = store.readers(1).unwrap();
    readers
        .read(|snapshot| {
            assert_eq!(snapshot.provinces()?.len(), 34);
            let found = snapshot.find_areas("dong thap", 5)?;
            assert_eq!(found[0].name, "Đồng Tháp");
            assert_eq!(found[0].kind, AreaKind::Province);
            assert_eq!(snapshot.find_areas("Đồng Th", 5)?[0], found[0]);
            let below = snapshot.areas_below(found[0].id)?;
            assert_eq!(below.len(), 102);
            assert!(below.iter().all(|area| area.parent == Some(found[0].id)));
            assert_eq!(snapshot.area(below[3].id)?.unwrap(), below[3]);
            assert_eq!(snapshot.area(AREA)?, None);
            for nothing in ["", " ", "%", "' or 1"] {
                assert_eq!(snapshot.find_areas(nothing, 5)?, []);
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn hamlets_are_imported_over_themselves_and_stay_ended() {
    let (_directory, mut store) = with_store();
    let units = UnitTable::parse("units.csv", UNITS_CSV).unwrap();
    let text = "name,kind,parent_code,valid_from,decision_no\n\
        Giồng Me,ấp,31120,2026-01-01,12/QĐ\n\
        Kinh Giữa,khu vực,31120,2026-01-01,\n";
    let hamlets = HamletImport::parse("h.csv", text, &units).unwrap().areas;
    let mut ended = hamlets.clone();
    ended[0].valid_to = Some("2027-01-01".to_owned());
    for list in [&hamlets, &ended, &hamlets] {
        let count = store.transact(|ledger| ledger.import_areas(list)).unwrap();
        assert_eq!(count, 2);
    }
    let parent = AreaRef(*hamlets[0].parent.unwrap().bytes());
    let below = store
        .transact(|ledger| ledger.snapshot().areas_below(parent))
        .unwrap();
    assert_eq!(below.len(), 2);
    assert_eq!(below[0].name, "Giồng Me");
    assert_eq!(below[0].kind, AreaKind::Ap);
    assert_eq!(below[0].valid_to.as_deref(), Some("2027-01-01"));
    assert_eq!(below[1].valid_to, None);
}
