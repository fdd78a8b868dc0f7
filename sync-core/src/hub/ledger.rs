//! What the hub needs of a store: ordered tables of bytes, read and changed in one transaction.
//!
//! The hub decides and keeps nothing; a store keeps and decides nothing. Reads inside a
//! transaction see its earlier writes, so several visits can share one commit and each still
//! finds what the visit before it left. The index of an entry is read and advanced inside the
//! transaction, so whoever holds the transaction holds the log.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::ids::{AreaRef, GroupId, KeyId, RecordId};
use crate::vocabulary::Lane;

/// Why the store could not do what was asked. Nothing of the transaction was kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LedgerFault {
    /// The disk is full. Reading goes on; writing works again once there is room.
    #[error("the disk is full")]
    Full,
    /// What the store holds cannot be read as what the hub wrote.
    #[error("row of table {0:?} is damaged")]
    Damaged(Table),
    /// The store refused.
    #[error("the store refused: {0}")]
    Failed(String),
}

macro_rules! tables {
    ($($(#[$doc:meta])* $name:ident = $number:literal),* $(,)?) => {
        /// The tables of a log. The numbers are promises: they stand in files and backups.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Table { $($(#[$doc])* $name = $number),* }

        impl Table {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// The byte that names it in a store.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }
        }
    };
}

tables! {
    /// Log state: sizes, generation, tree frontier; realm and settings.
    State = 1,
    /// index -> the entry's leaf.
    Entry = 2,
    /// index -> signed bytes of a change or an act. Never erased.
    Body = 3,
    /// index -> salts and erasable values. The only table that forgets.
    Part = 4,
    /// level, index -> node of the tree.
    Node = 5,
    /// hash -> statement.
    Statement = 6,
    /// chain, last seq -> hash of the statement that signed the run up to there.
    Signed = 7,
    /// index -> what was refused or held, in full, until somebody decides.
    Quarantine = 8,
    /// device, chain, seq -> changes of a device that nobody has confirmed yet.
    Pending = 9,
    /// Invitations and devices before they are confirmed: not in the log.
    Arrival = 10,
    /// device, index of an erasure, and the other way round -> nothing: which phones have yet to
    /// hear of it, and which have. Phones said it, so nothing could give it back.
    Heard = 11,
    /// chain, seq -> where that change is in the log. Derived, as all below.
    Place = 32,
    /// chain -> its logbook, device and tip.
    Chain = 33,
    /// device, chain -> nothing: the chains of a device.
    ChainOf = 34,
    /// feed, index -> running sum of the feed's leaves.
    Feed = 35,
    /// record -> its logbook and creation.
    Record = 36,
    /// record, index -> the changes and reviews of a record.
    RecordEntry = 37,
    /// chain, record -> first change that was set aside.
    Fallen = 38,
    /// device -> its key.
    Device = 39,
    /// device, group, index -> what it may from there on.
    Grant = 40,
    /// group -> area and name.
    Group = 41,
    /// group, member, index -> role from there on.
    Member = 42,
    /// chain, seq -> keys whose values were erased, whether or not the change is here yet.
    Erased = 43,
    /// group, if it is of one, index -> nothing: the Control entries.
    Control = 44,
    /// chain, seq, hash -> who proposed and who confirmed that a held change is admitted.
    Admission = 45,
    /// chain, seq -> index of the Aside of a change that was admitted later.
    Admitted = 46,
    /// index -> nothing: the entries with area events.
    AreaEvent = 47,
    /// area, index -> nothing: the periods that were closed for it.
    Period = 48,
    /// group, index -> nothing: the steps in its life.
    GroupLife = 49,
    /// group, index -> its area from there on.
    GroupArea = 50,
}

impl Table {
    /// Whether its rows follow from the log, the parts and the statements.
    #[must_use]
    pub const fn is_derived(self) -> bool {
        self.number() >= 32
    }
}

/// A key and its value.
pub type Pair = (Vec<u8>, Vec<u8>);

/// A consistent view of a log.
pub trait View {
    /// The value at a key.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerFault>;
    /// At most `limit` rows with `from <= key < until`, ascending.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, LedgerFault>;
    /// The last row with `from <= key < until`.
    fn last(&self, table: Table, from: &[u8], until: &[u8]) -> Result<Option<Pair>, LedgerFault>;
}

/// What the console lists, computed from the log in the same transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The record.
    pub record: RecordId,
    /// Its group.
    pub group: GroupId,
    /// Its lane.
    pub lane: Lane,
    /// Its type.
    pub record_type: u16,
    /// Where it happened, as the record says; the area that the group had then when it says nothing.
    pub area: AreaRef,
    /// The commune of its group.
    pub commune: AreaRef,
    /// The device that created it.
    pub device: KeyId,
    /// The member who created it, unless erased.
    pub member: Option<u16>,
    /// Local day it is about, in days since 1970; the day of arrival when it says none.
    pub day: i32,
    /// State of the vocabulary: what the newest review with a state set, else received.
    pub state: u16,
    /// Whether its author withdrew it.
    pub withdrawn: bool,
    /// Whether some field has rivals.
    pub rivals: bool,
    /// Whether an officer's return or remark has no later change by the group.
    pub unanswered: bool,
    /// Index of the entry that created it.
    pub first: u64,
    /// Index of the newest entry about it.
    pub newest: u64,
    /// Server time at which its creation was admitted.
    pub received_at: i64,
    /// Its readable words, for the search index: open lane only, else empty.
    pub words: String,
    /// Short line for lists: type-independent, open lane only, else empty.
    pub headline: String,
}

/// A transaction on a log.
pub trait Ledger: View {
    /// Writes a row, over the one that was there.
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), LedgerFault>;
    /// Removes a row, if it is there.
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), LedgerFault>;
    /// Keeps the console's row and search words of a record, over the ones that were there.
    fn project(&mut self, row: &Row) -> Result<(), LedgerFault>;
    /// Empties all derived tables and rows, for a rebuild.
    fn clear_derived(&mut self) -> Result<(), LedgerFault>;
}

/// A store that can run a transaction.
pub trait Store {
    /// Its transactions.
    type Ledger<'a>: Ledger
    where
        Self: 'a;
    /// Runs `work` in a transaction. `Ok` means that all it wrote is on the disk and survives a
    /// power cut; `Err`, from `work` or from the disk, means that nothing of it was kept.
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Self::Ledger<'_>) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault>;
}

/// A log in memory, for simulations and tests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryLedger {
    rows: BTreeMap<(Table, Vec<u8>), Vec<u8>>,
    projected: BTreeMap<RecordId, Row>,
}

impl MemoryLedger {
    /// The console's rows.
    pub fn rows(&self) -> impl Iterator<Item = &Row> {
        self.projected.values()
    }
}

impl View for MemoryLedger {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, LedgerFault> {
        Ok(self.rows.get(&(table, key.to_vec())).cloned())
    }
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        until: &[u8],
        limit: usize,
    ) -> Result<Vec<Pair>, LedgerFault> {
        if from >= until {
            return Ok(Vec::new());
        }
        let rows = self
            .rows
            .range((table, from.to_vec())..(table, until.to_vec()));
        Ok(rows
            .take(limit)
            .map(|((_, key), value)| (key.clone(), value.clone()))
            .collect())
    }
    fn last(&self, table: Table, from: &[u8], until: &[u8]) -> Result<Option<Pair>, LedgerFault> {
        if from >= until {
            return Ok(None);
        }
        let mut rows = self
            .rows
            .range((table, from.to_vec())..(table, until.to_vec()));
        Ok(rows
            .next_back()
            .map(|((_, key), value)| (key.clone(), value.clone())))
    }
}

impl Ledger for MemoryLedger {
    fn put(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), LedgerFault> {
        self.rows.insert((table, key.to_vec()), value.to_vec());
        Ok(())
    }
    fn delete(&mut self, table: Table, key: &[u8]) -> Result<(), LedgerFault> {
        self.rows.remove(&(table, key.to_vec()));
        Ok(())
    }
    fn project(&mut self, row: &Row) -> Result<(), LedgerFault> {
        self.projected.insert(row.record, row.clone());
        Ok(())
    }
    fn clear_derived(&mut self) -> Result<(), LedgerFault> {
        self.rows.retain(|(table, _), _| !table.is_derived());
        self.projected.clear();
        Ok(())
    }
}

impl Store for MemoryLedger {
    type Ledger<'a> = Self;
    fn transact<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, LedgerFault>,
    ) -> Result<T, LedgerFault> {
        let before = self.clone();
        let done = work(self);
        if done.is_err() {
            *self = before;
        }
        done
    }
}
