//! What every store must do, whatever it is made of. [`MemoryLedger`] passes it too, so that the
//! simulator and the server run on stores that behave alike.

use sync_core::hub::ledger::{
    Ledger as _, LedgerFault, MemoryLedger, Pair, Row, Store, Table, View,
};
use sync_core::ids::{AreaRef, GroupId, KeyId, RecordId};
use sync_core::vocabulary::Lane;

/// Random numbers that a seed decides.
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// Below `sides`.
    pub(super) fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % sides
    }
}

/// A row about nothing, created by entry `n`.
pub(super) fn row(n: u64) -> Row {
    let mut record = [0; 16];
    record[..8].copy_from_slice(&n.to_be_bytes());
    Row {
        record: RecordId(record),
        group: GroupId([1; 16]),
        lane: Lane::Open,
        record_type: 1,
        area: AreaRef([2; 16]),
        commune: AreaRef([3; 16]),
        device: KeyId([4; 8]),
        member: Some(5),
        day: 20_000,
        state: 0,
        withdrawn: false,
        rivals: false,
        unanswered: false,
        first: n,
        newest: n,
        received_at: 1_800_000_000,
        words: String::new(),
        headline: String::new(),
    }
}

/// All rows of a table whose keys are below sixteen bytes of 0xff.
pub(super) fn all(view: &impl View, table: Table) -> Vec<Pair> {
    view.scan(table, b"", &[0xff; 16], usize::MAX).unwrap()
}

/// Runs the whole suite; `make` gives an empty store each time.
pub(super) fn conformance<S: Store + View>(make: impl Fn() -> S) {
    scans_are_ordered_and_bounded(make());
    keys_and_values_are_any_bytes(make());
    a_transaction_sees_its_own_writes(make());
    nothing_is_left_after_an_error(make());
    clearing_leaves_what_is_not_derived(make());
    tables_are_apart(make());
    it_does_what_a_map_does(make(), 7);
}

fn write<S: Store>(store: &mut S, rows: &[(Table, &[u8], &[u8])]) {
    store
        .transact(|ledger| {
            rows.iter()
                .try_for_each(|(table, key, value)| ledger.put(*table, key, value))
        })
        .unwrap();
}

fn scans_are_ordered_and_bounded<S: Store + View>(mut store: S) {
    for table in [Table::Body, Table::Feed] {
        for key in [b"b".as_slice(), b"", b"ba", b"a", b"c"] {
            write(&mut store, &[(table, key, key)]);
        }
        let keys = |from: &[u8], until: &[u8], limit| -> Vec<Vec<u8>> {
            let rows = store.scan(table, from, until, limit).unwrap();
            rows.into_iter().map(|(key, _value)| key).collect()
        };
        assert_eq!(
            keys(b"", b"z", 9),
            [b"".as_slice(), b"a", b"b", b"ba", b"c"]
        );
        assert_eq!(keys(b"a", b"ba", 9), [b"a", b"b"], "until is not in it");
        assert_eq!(keys(b"aa", b"z", 2), [b"b".as_slice(), b"ba"]);
        for (from, until, limit) in [("a", "z", 0), ("b", "b", 9), ("c", "a", 9), ("d", "z", 9)] {
            assert!(keys(from.as_bytes(), until.as_bytes(), limit).is_empty());
        }
        let last = |from: &[u8], until: &[u8]| store.last(table, from, until).unwrap();
        assert_eq!(last(b"", b"z").unwrap().0, b"c");
        assert_eq!(last(b"", b"c").unwrap(), (b"ba".to_vec(), b"ba".to_vec()));
        assert_eq!(last(b"", b"a").unwrap().0, b"");
        for (from, until) in [("d", "z"), ("b", "b"), ("c", "a"), ("", "")] {
            assert_eq!(last(from.as_bytes(), until.as_bytes()), None);
        }
    }
}

fn keys_and_values_are_any_bytes<S: Store + View>(mut store: S) {
    let big = vec![0xa5; 3_000_000];
    let keys: [&[u8]; 8] = [
        b"",
        b"\0",
        b"\0\0",
        b"\0\xff",
        b"'; drop",
        b"\x7f",
        b"\xff",
        b"\xff\xff\0",
    ];
    for key in keys.iter().rev() {
        write(
            &mut store,
            &[(Table::Part, key, b"v"), (Table::Chain, key, b"")],
        );
    }
    write(
        &mut store,
        &[
            (Table::Part, b"\xff", &big),
            (Table::Part, b"\0", b"\0\xff\0"),
        ],
    );
    for table in [Table::Part, Table::Chain] {
        let found: Vec<Vec<u8>> = all(&store, table).into_iter().map(|(key, _)| key).collect();
        assert_eq!(found, keys, "the order is that of the bytes");
    }
    assert_eq!(store.get(Table::Part, b"\xff").unwrap().unwrap(), big);
    assert_eq!(store.get(Table::Part, b"\0").unwrap().unwrap(), b"\0\xff\0");
    assert_eq!(store.get(Table::Chain, b"\0").unwrap().unwrap(), b"");
    assert_eq!(store.get(Table::Chain, b"\0\0\0").unwrap(), None);
}

fn a_transaction_sees_its_own_writes<S: Store + View>(mut store: S) {
    write(
        &mut store,
        &[(Table::State, b"size", b"1"), (Table::State, b"old", b"1")],
    );
    store
        .transact(|ledger| {
            ledger.put(Table::State, b"size", b"2")?;
            ledger.put(Table::State, b"tip", b"x")?;
            ledger.delete(Table::State, b"old")?;
            ledger.delete(Table::State, b"never there")?;
            assert_eq!(ledger.get(Table::State, b"size")?.unwrap(), b"2");
            assert_eq!(ledger.get(Table::State, b"old")?, None);
            let both = [("size", "2"), ("tip", "x")].map(|(key, value)| (key.into(), value.into()));
            assert_eq!(all(ledger, Table::State), both);
            assert_eq!(ledger.last(Table::State, b"", b"z")?.unwrap().0, b"tip");
            Ok(())
        })
        .unwrap();
    assert_eq!(store.get(Table::State, b"size").unwrap().unwrap(), b"2");
    assert_eq!(all(&store, Table::State).len(), 2);
}

fn nothing_is_left_after_an_error<S: Store + View>(mut store: S) {
    write(
        &mut store,
        &[(Table::Entry, b"1", b"one"), (Table::Place, b"1", b"one")],
    );
    for refused in [LedgerFault::Full, LedgerFault::Failed("no".to_owned())] {
        let outcome: Result<(), LedgerFault> = store.transact(|ledger| {
            ledger.put(Table::Entry, b"1", b"changed")?;
            ledger.put(Table::Entry, b"2", &[0; 100_000])?;
            ledger.project(&row(1))?;
            ledger.clear_derived()?;
            Err(refused.clone())
        });
        assert_eq!(outcome, Err(refused));
        assert_eq!(
            all(&store, Table::Entry),
            [(b"1".to_vec(), b"one".to_vec())]
        );
        assert_eq!(all(&store, Table::Place).len(), 1);
    }
    write(&mut store, &[(Table::Entry, b"2", b"two")]);
    assert_eq!(all(&store, Table::Entry).len(), 2, "and the next one works");
}

fn clearing_leaves_what_is_not_derived<S: Store + View>(mut store: S) {
    for table in Table::ALL {
        write(&mut store, &[(*table, b"k", b"v"), (*table, b"l", b"v")]);
    }
    store
        .transact(|ledger| {
            ledger.project(&row(1))?;
            ledger.clear_derived()?;
            ledger.put(Table::Feed, b"new", b"1")
        })
        .unwrap();
    for table in Table::ALL {
        let expected = if *table == Table::Feed {
            1
        } else if table.is_derived() {
            0
        } else {
            2
        };
        assert_eq!(all(&store, *table).len(), expected, "{table:?}");
    }
}

fn tables_are_apart<S: Store + View>(mut store: S) {
    for table in Table::ALL {
        write(&mut store, &[(*table, b"k", &[table.number()])]);
    }
    for table in Table::ALL {
        assert_eq!(all(&store, *table), [(b"k".to_vec(), vec![table.number()])]);
        assert_eq!(
            store.last(*table, b"", b"\xff").unwrap().unwrap().1,
            [table.number()]
        );
    }
}

/// Random transactions on the store and on a map; every read must agree.
fn it_does_what_a_map_does<S: Store + View>(mut store: S, seed: u64) {
    println!("seed {seed}");
    let mut dice = Dice(seed);
    let mut model = MemoryLedger::default();
    let key = |dice: &mut Dice| -> Vec<u8> {
        let length = dice.roll(3);
        (0..length)
            .map(|_| [0, 1, 0x80, 0xff][dice.roll(4) as usize])
            .collect()
    };
    for _ in 0..300 {
        let table = Table::ALL[dice.roll(Table::ALL.len() as u64) as usize];
        let changes: Vec<(Vec<u8>, Option<Vec<u8>>)> = (0..dice.roll(8))
            .map(|_| {
                let value = vec![dice.roll(256) as u8; dice.roll(2000) as usize];
                (key(&mut dice), (dice.roll(4) > 0).then_some(value))
            })
            .collect();
        let fails = dice.roll(5) == 0;
        let expected = change(&mut model, table, &changes, fails);
        assert_eq!(change(&mut store, table, &changes, fails), expected);
        let (from, until, limit) = (key(&mut dice), key(&mut dice), dice.roll(4) as usize);
        assert_eq!(all(&store, table), all(&model, table));
        assert_eq!(
            store.scan(table, &from, &until, limit),
            model.scan(table, &from, &until, limit)
        );
        assert_eq!(
            store.last(table, &from, &until),
            model.last(table, &from, &until)
        );
    }
}

fn change<S: Store>(
    store: &mut S,
    table: Table,
    changes: &[(Vec<u8>, Option<Vec<u8>>)],
    fails: bool,
) -> Result<usize, LedgerFault> {
    store.transact(|ledger| {
        for (key, value) in changes {
            match value {
                Some(value) => ledger.put(table, key, value)?,
                None => ledger.delete(table, key)?,
            }
        }
        if fails {
            return Err(LedgerFault::Full);
        }
        Ok(all(ledger, table).len())
    })
}

#[test]
fn the_store_in_memory_conforms() {
    conformance(MemoryLedger::default);
}
