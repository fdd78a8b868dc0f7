//! A second copy of the log, on another disk. What is in it survives the loss of the first.
//!
//! Only what nothing else could give back is copied; the rest is built again from it. The copy
//! follows the log entry by entry, and an erasure with them: what the log has forgotten the copy
//! forgets at its next step.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::act::{Control, Said};
use crate::bytes::Writer;
use crate::change::{ChangeRef, Parts, Secret};
use crate::hub::Hub;
use crate::hub::append::{Tx, fork_prefix_of_all};
use crate::hub::facts::{self, LogState, after, all, key_of, node_key, place_key};
use crate::hub::ledger::{Ledger, LedgerFault, Table, View};
use crate::hub::quarantine::aside_of_admitted;
use crate::ids::{ChainId, KeyId};
use crate::log::EntryKind;
use crate::merkle::NodeAt;

/// Rows read at once.
const PAGE: usize = 1_000;
/// Levels of a tree whose leaves are counted in 64 bits.
const LEVELS: u8 = 64;

/// Why a copy does not follow. Nothing of the step was kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StandbyFault {
    /// The copy holds entries that the log does not have: the log lost them, or the copy is
    /// another log's. It is left as it is, because it may be the only one that has them.
    #[error(
        "the copy has {copy} entries, and the log with {log} entries does not contain them all"
    )]
    Parted {
        /// Entries of the copy.
        copy: u64,
        /// Entries of the log.
        log: u64,
    },
    /// One of the two stores failed.
    #[error(transparent)]
    Store(#[from] LedgerFault),
}

/// How far a copy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaughtUp {
    /// Entries that the copy holds.
    pub size: u64,
    /// Entries that the log's heads called safe before this step.
    pub noted: u64,
    /// Entries of the log that it lacks.
    pub behind: u64,
    /// Whether it had to forget something: then its files are to be written anew, as the log's
    /// own are after an erasure.
    pub forgot: bool,
}

/// Brings a copy at most `entries_max` entries further. The caller commits; only what a commit
/// put on the other disk is safe.
///
/// # Errors
/// [`StandbyFault`].
pub fn catch_up(
    log: &impl View,
    copy: &mut impl Ledger,
    entries_max: u64,
) -> Result<CaughtUp, StandbyFault> {
    let (of, own) = (facts::log_state(log)?, facts::log_state(copy)?);
    let contains = own.size <= of.size && facts::frontier_at(log, own.size)?.root() == own.root;
    if !contains {
        return Err(StandbyFault::Parted {
            copy: own.size,
            log: of.size,
        });
    }
    let until = own.size.saturating_add(entries_max).min(of.size);
    let mut step = Step {
        log,
        copy,
        from: own.size,
        until,
    };
    for table in [Table::Entry, Table::Body, Table::Part, Table::Quarantine] {
        step.range(table, &key_of(&[], own.size), &key_of(&[], until))?;
    }
    step.tree()?;
    let forgot = step.signatures_and_erasures()?;
    if until == of.size {
        step.mirror(Table::Quarantine, &fork_prefix_of_all())?;
        step.mirror(Table::Heard, &[])?;
        step.waiting_room()?;
    }
    let state = LogState {
        size: until,
        root: facts::frontier_at(log, until)?.root(),
        ..of
    };
    // a step that finds nothing new writes nothing
    if state != own {
        copy.put(Table::State, LogState::KEY, &state.to_bytes())?;
    }
    Ok(CaughtUp {
        size: until,
        noted: of.safe_size,
        behind: of.size.saturating_sub(until),
        forgot,
    })
}

/// One step: the entries from `from` to before `until`.
struct Step<'a, V, L> {
    log: &'a V,
    copy: &'a mut L,
    from: u64,
    until: u64,
}

impl<V: View, L: Ledger> Step<'_, V, L> {
    /// Copies the rows of a table with `from <= key < until`.
    fn range(&mut self, table: Table, from: &[u8], until: &[u8]) -> Result<(), LedgerFault> {
        let mut from = from.to_vec();
        loop {
            let page = self.log.scan(table, &from, until, PAGE)?;
            for (key, value) in &page {
                self.copy.put(table, key, value)?;
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => {
                    from.clone_from(last);
                    from.push(0);
                }
                _ => return Ok(()),
            }
        }
    }

    /// Copies one row, or its absence.
    fn row(&mut self, table: Table, key: &[u8]) -> Result<(), LedgerFault> {
        match self.log.get(table, key)? {
            Some(value) => self.copy.put(table, key, &value),
            None => self.copy.delete(table, key),
        }
    }

    /// Makes all rows of a table with a prefix as they are in the log.
    fn mirror(&mut self, table: Table, prefix: &[u8]) -> Result<(), LedgerFault> {
        let there: BTreeMap<_, _> = all(self.log, table, prefix)?.into_iter().collect();
        let here: BTreeMap<_, _> = all(self.copy, table, prefix)?.into_iter().collect();
        for key in here.keys().filter(|key| !there.contains_key(*key)) {
            self.copy.delete(table, key)?;
        }
        for (key, value) in there {
            if here.get(&key) != Some(&value) {
                self.copy.put(table, &key, &value)?;
            }
        }
        Ok(())
    }

    /// The nodes of the tree that became whole.
    fn tree(&mut self) -> Result<(), LedgerFault> {
        for level in 0..LEVELS {
            let (first, end) = (self.from >> level, self.until >> level);
            if end == 0 {
                break;
            }
            let key = |index| node_key(NodeAt { level, index });
            self.range(Table::Node, &key(first), &key(end))?;
        }
        Ok(())
    }

    /// The statements over the chains that went on, and what was erased of earlier entries; whether
    /// anything was.
    fn signatures_and_erasures(&mut self) -> Result<bool, LedgerFault> {
        let mut chains: BTreeMap<ChainId, u32> = BTreeMap::new();
        let mut erased: BTreeSet<ChangeRef> = BTreeSet::new();
        for index in self.from..self.until {
            let damaged = || LedgerFault::Damaged(Table::Entry);
            let entry = facts::entry(self.log, index)?.ok_or_else(damaged)?;
            match entry.leaf.kind {
                EntryKind::Change | EntryKind::Aside => {
                    let at = entry.leaf.at;
                    // entries of a chain come in its order, but for what is admitted later
                    let first = chains.entry(at.chain).or_insert(at.seq);
                    *first = at.seq.min(*first);
                    // of what was admitted later the words lie with the others now
                    if entry.leaf.kind == EntryKind::Change
                        && let Some(aside) = aside_of_admitted(self.log, at)?
                    {
                        self.row(Table::Quarantine, &key_of(&[], aside))?;
                    }
                }
                EntryKind::Control => {
                    let full = facts::full_act(self.log, index)?.ok_or_else(damaged)?;
                    if let Said::Control(Control::Erase { change, .. }) = full.act.said {
                        erased.insert(change);
                    }
                }
                EntryKind::Review => {}
            }
        }
        for (chain, seq) in chains {
            self.signatures(ChangeRef { chain, seq })?;
        }
        for change in &erased {
            if let Some(place) = facts::place(self.log, *change)? {
                self.row(Table::Part, &key_of(&[], place.index))?;
                self.row(Table::Quarantine, &key_of(&[], place.index))?;
            }
        }
        Ok(!erased.is_empty())
    }

    /// What signs a chain from a change on.
    fn signatures(&mut self, first: ChangeRef) -> Result<(), LedgerFault> {
        let (from, until) = (place_key(first), after(first.chain.as_bytes()));
        self.range(Table::Signed, &from, &until)?;
        for (_, hash) in self.log.scan(Table::Signed, &from, &until, usize::MAX)? {
            self.row(Table::Statement, &hash)?;
        }
        Ok(())
    }

    /// What waits outside of the log: phones that nobody confirmed, and what they wrote.
    fn waiting_room(&mut self) -> Result<(), LedgerFault> {
        self.mirror(Table::Arrival, &[])?;
        self.mirror(Table::Pending, &[])?;
        let mut chains = BTreeSet::new();
        for (key, _) in all(self.log, Table::Pending, &[])? {
            let at = key.get(KeyId::LEN..).unwrap_or_default();
            chains.insert(facts::decode(Table::Pending, at, ChangeRef::read)?.chain);
        }
        for chain in chains {
            self.signatures(ChangeRef { chain, seq: 0 })?;
        }
        Ok(())
    }
}

impl Hub {
    /// Notes how many entries, from the first, a copy on another disk holds: every head from now
    /// on says so, and phones call what lies below it safe. A size beyond the log counts as its
    /// own; without a copy it is 0.
    ///
    /// # Errors
    /// The store's.
    pub fn note_safe(
        &self,
        ledger: &mut impl Ledger,
        size: u64,
        now_s: i64,
    ) -> Result<(), LedgerFault> {
        let mut tx = Tx::begin(self, ledger, now_s)?;
        tx.state.safe_size = size.min(tx.state.size);
        tx.finish()?;
        Ok(())
    }

    /// Goes on without parts that are lost, as with parts that were erased: a log can be restored
    /// without them, and what is signed still holds. To be called before [`Hub::rebuild`]. Gives
    /// how many entries lost theirs.
    ///
    /// # Errors
    /// The store's.
    pub fn forget_lost_parts(&self, ledger: &mut impl Ledger) -> Result<u64, LedgerFault> {
        let none = Parts {
            secret: Secret::Salts(BTreeMap::new()),
            values: BTreeMap::new(),
        };
        let mut empty = Writer::new();
        none.write(&mut empty);
        let mut lost = 0u64;
        for index in 0..facts::log_state(ledger)?.size {
            let key = key_of(&[], index);
            let has_body = ledger.get(Table::Body, &key)?.is_some();
            if has_body && ledger.get(Table::Part, &key)?.is_none() {
                ledger.put(Table::Part, &key, empty.as_bytes())?;
                lost = lost.saturating_add(1);
            }
        }
        Ok(lost)
    }
}
