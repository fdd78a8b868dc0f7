//! Checking a whole log, and building again what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::act::{Control, FullAct, Said};
use crate::chain::{Statement, tip_leaf};
use crate::change::{ChangeRef, FullChange};
use crate::hub::Hub;
use crate::hub::append::Tx;
use crate::hub::facts::{self, Entry, LogState, all, key_of};
use crate::hub::ledger::{Ledger, LedgerFault, Table, View};
use crate::hub::quarantine::Admission;
use crate::ids::{ChainId, Feed, Hash32, KeyId};
use crate::log::{Digest, EntryKind, aside_hash};
use crate::merkle::Frontier;

/// Records whose rows a rebuild writes at once.
const REBUILD_ROWS_EACH: usize = 4_096;

/// What a check of the whole log found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Entries looked at.
    pub entries: u64,
    /// Changes admitted.
    pub changes: u64,
    /// Changes set aside.
    pub asides: u64,
    /// Changes that were set aside and admitted later.
    pub admitted: u64,
    /// Reviews.
    pub reviews: u64,
    /// Control entries.
    pub controls: u64,
    /// Chains.
    pub chains: u64,
    /// Statements whose signature was checked.
    pub statements: u64,
    /// Changes of which something was erased; they verify all the same.
    pub erased: u64,
    /// What does not hold. Empty when the log is whole.
    pub faults: Vec<VerifyFault>,
}

/// Something in the log that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyFault {
    /// Index of the entry, where it is about one.
    pub index: Option<u64>,
    /// What does not hold.
    pub what: String,
}

/// One chain as the check goes along it.
#[derive(Debug, Clone, Copy)]
struct Along {
    seq: u32,
    hash: Hash32,
    writer: KeyId,
    of_phone: bool,
}

struct Check<'a, V> {
    hub: &'a Hub,
    view: &'a V,
    report: VerifyReport,
    chains: BTreeMap<ChainId, Along>,
    sums: BTreeMap<Feed, Digest>,
    /// Changes that are set aside, with their hashes.
    asides: BTreeMap<ChangeRef, Hash32>,
    /// What officers said about admitting them.
    admissions: BTreeMap<(ChangeRef, Hash32), Admission>,
    /// Generation of the log at this place.
    generation: u32,
}

impl<V: View> Check<'_, V> {
    fn fault(&mut self, index: impl Into<Option<u64>>, what: impl Into<String>) {
        self.report.faults.push(VerifyFault {
            index: index.into(),
            what: what.into(),
        });
    }

    fn entry(&mut self, entry: &Entry) -> Result<(), LedgerFault> {
        let (index, at) = (entry.index, entry.leaf.at);
        let mut previous = None;
        match entry.leaf.kind {
            EntryKind::Change => {
                self.report.changes = self.report.changes.saturating_add(1);
                match facts::full_change(self.view, index)? {
                    None => self.fault(index, "the change is not in the store"),
                    Some(full) => previous = Some(self.change(entry, &full)),
                }
                if let Some(hash) = self.asides.remove(&at) {
                    self.admitted(entry, &hash);
                    return Ok(());
                }
            }
            EntryKind::Aside => {
                self.report.asides = self.report.asides.saturating_add(1);
                let (hash, reason) = entry.aside.ok_or(LedgerFault::Damaged(Table::Entry))?;
                let log = self.hub.log_id();
                if aside_hash(&self.hub.realm, log, at, &hash, reason) != entry.leaf.entry {
                    self.fault(index, "the aside does not give its hash");
                }
                self.asides.insert(at, hash);
                let kept = self.view.get(Table::Quarantine, &key_of(&[], index))?;
                if let Some(bytes) = kept {
                    let full = FullChange::from_bytes(&bytes);
                    let fits = full.is_ok_and(|full| full.change.hash(&self.hub.realm) == hash);
                    if !fits {
                        self.fault(index, "the quarantined change does not give its hash");
                    }
                }
            }
            EntryKind::Review | EntryKind::Control => {
                if entry.leaf.kind == EntryKind::Review {
                    self.report.reviews = self.report.reviews.saturating_add(1);
                } else {
                    self.report.controls = self.report.controls.saturating_add(1);
                }
                match facts::full_act(self.view, index)? {
                    None => self.fault(index, "the act is not in the store"),
                    Some(full) => {
                        previous = Some(full.act.previous);
                        let holds = full.act.verifies(&self.hub.realm, &self.hub.log.public())
                            && full.act.hash(&self.hub.realm) == entry.leaf.entry
                            && full.act.at == at
                            && full.act.feed == entry.leaf.feed;
                        if !holds {
                            self.fault(index, "the log's key did not sign this act");
                        }
                        self.note(index, &full);
                    }
                }
            }
        }
        self.along(entry, previous);
        Ok(())
    }

    /// What an act means for the entries after it.
    fn note(&mut self, index: u64, full: &FullAct) {
        match &full.act.said {
            Said::Control(Control::Admit { change, hash }) => {
                let key = (*change, *hash);
                let before = self.admissions.get(&key).copied();
                let (account, time_s) = (full.act.account, full.act.time_s);
                let now = Admission::next(before, account, index, time_s);
                self.admissions.insert(key, now);
            }
            Said::Control(Control::Generation { number, .. }) => self.generation = *number,
            Said::Control(_) | Said::Review(_) => {}
        }
    }

    /// A change stands where one was set aside: two officers admitted it, or the log lost that they
    /// had and took it back under the leaf of before.
    fn admitted(&mut self, entry: &Entry, aside: &Hash32) {
        self.report.admitted = self.report.admitted.saturating_add(1);
        let (at, hash) = (entry.leaf.at, entry.leaf.entry);
        if *aside != hash {
            self.fault(entry.index, "another change than this was set aside here");
        }
        let known = self.admissions.get(&(at, hash));
        let by_two = known.is_some_and(|known| known.confirmed.is_some());
        if !by_two && entry.leaf.generation >= self.generation {
            self.fault(entry.index, "no two officers admitted this change");
        }
        self.sum(entry);
    }

    fn sum(&mut self, entry: &Entry) {
        let leaf = entry.leaf.hash(&self.hub.realm, self.hub.log_id());
        let sum = self.sums.entry(entry.leaf.feed).or_default();
        *sum = sum.plus(&leaf);
    }

    fn change(&mut self, entry: &Entry, full: &FullChange) -> Hash32 {
        if full.check().is_err() {
            self.fault(entry.index, "the change is not well made");
        }
        if full.change.hash(&self.hub.realm) != entry.leaf.entry || full.change.at != entry.leaf.at
        {
            self.fault(entry.index, "the change does not give its hash");
        }
        if matches!(full.parts.secret, crate::change::Secret::Salts(_)) {
            self.report.erased = self.report.erased.saturating_add(1);
        }
        full.change.previous
    }

    /// Whether the entry follows the one before it on its chain.
    fn along(&mut self, entry: &Entry, previous: Option<Hash32>) {
        let at = entry.leaf.at;
        let before = self.chains.get(&at.chain).copied();
        let (seq, hash) = before.map_or((0, Hash32::default()), |b| (b.seq, b.hash));
        if at.seq != seq.saturating_add(1) {
            self.fault(entry.index, "its chain has a gap here");
        }
        if previous.is_some_and(|previous| previous != hash) {
            self.fault(
                entry.index,
                "it does not name the entry before it on its chain",
            );
        }
        if before.is_some_and(|before| before.writer != entry.writer) {
            self.fault(entry.index, "its chain changes its writer here");
        }
        let along = Along {
            seq: at.seq,
            hash: entry.hash(),
            writer: entry.writer,
            of_phone: matches!(entry.leaf.kind, EntryKind::Change | EntryKind::Aside),
        };
        self.chains.insert(at.chain, along);
        self.sum(entry);
    }

    /// Whether every chain of a phone is covered, to its tip, by statements that its device
    /// signed. A signature over a later change covers all before it, by the hashes.
    fn statements(&mut self) -> Result<(), LedgerFault> {
        let mut covered: BTreeSet<ChainId> = BTreeSet::new();
        let mut checked: BTreeMap<Hash32, Option<Statement>> = BTreeMap::new();
        for (key, hash) in all(self.view, Table::Signed, &[])? {
            let at = facts::decode(Table::Signed, &key, ChangeRef::read)?;
            let hash = Hash32::from_slice(&hash).ok_or(LedgerFault::Damaged(Table::Signed))?;
            let Some(place) = facts::place(self.view, at)? else {
                continue; // of a device that nobody has confirmed yet
            };
            let statement = match checked.get(&hash) {
                Some(known) => known.clone(),
                None => {
                    let statement = self.statement(&hash)?;
                    checked.insert(hash, statement.clone());
                    statement
                }
            };
            let Some(statement) = statement else {
                self.fault(
                    place.index,
                    "its statement is missing or not signed by its device",
                );
                continue;
            };
            let leaf = tip_leaf(&self.hub.realm, statement.device, at, &place.hash);
            if !statement.tips.contains(&leaf) {
                self.fault(place.index, "its statement does not cover it");
            }
            let tip = self.chains.get(&at.chain);
            if tip.is_some_and(|tip| tip.seq == at.seq && tip.writer == statement.device) {
                covered.insert(at.chain);
            }
        }
        let open: Vec<_> = self
            .chains
            .iter()
            .filter(|(chain, along)| along.of_phone && !covered.contains(*chain))
            .map(|(chain, _)| *chain)
            .collect();
        for chain in open {
            self.fault(
                None,
                format!("no statement covers the tip of chain {chain}"),
            );
        }
        Ok(())
    }

    fn statement(&mut self, hash: &Hash32) -> Result<Option<Statement>, LedgerFault> {
        let Some(bytes) = self.view.get(Table::Statement, hash.as_bytes())? else {
            return Ok(None);
        };
        let Ok(statement) = Statement::from_bytes(&bytes) else {
            return Ok(None);
        };
        let Some(key) = facts::device_key(self.view, statement.device)? else {
            return Ok(None);
        };
        let verified = statement.verify(&self.hub.realm, &key);
        self.report.statements = self.report.statements.saturating_add(1);
        Ok(verified
            .filter(|verified| verified.hash() == *hash)
            .map(|verified| verified.statement().clone()))
    }
}

impl Hub {
    /// Checks the whole log: every hash, chain, act and statement, the tree and the feeds.
    ///
    /// # Errors
    /// The store's; what does not hold is in the report.
    pub fn verify_log(&self, view: &impl View) -> Result<VerifyReport, LedgerFault> {
        let state = facts::log_state(view)?;
        let mut check = Check {
            hub: self,
            view,
            report: VerifyReport::default(),
            chains: BTreeMap::new(),
            sums: BTreeMap::new(),
            asides: BTreeMap::new(),
            admissions: BTreeMap::new(),
            generation: 1,
        };
        let mut frontier = Frontier::default();
        for index in 0..state.size {
            let Some(entry) = facts::entry(view, index)? else {
                check.fault(index, "the entry is not in the store");
                continue;
            };
            check.report.entries = check.report.entries.saturating_add(1);
            frontier.push(entry.leaf.hash(&self.realm, self.log_id()));
            check.entry(&entry)?;
        }
        if frontier.root() != state.root {
            check.fault(None, "the tree does not give the root of the head");
        }
        for (feed, sum) in check.sums.clone() {
            if facts::feed_sum(view, feed, u64::MAX)? != sum {
                check.fault(None, format!("the sum of feed {feed:?} differs"));
            }
        }
        check.report.chains = u64::try_from(check.chains.len()).unwrap_or(u64::MAX);
        check.statements()?;
        Ok(check.report)
    }

    /// Builds all derived tables and rows again from the log and the parts.
    ///
    /// # Errors
    /// The store's, or an entry that cannot be read.
    pub fn rebuild(&self, ledger: &mut impl Ledger, now_s: i64) -> Result<LogState, LedgerFault> {
        ledger.clear_derived()?;
        let mut tx = Tx::begin(self, ledger, now_s)?;
        for index in 0..tx.state.size {
            let damaged = || LedgerFault::Damaged(Table::Entry);
            let entry = facts::entry(tx.ledger, index)?.ok_or_else(damaged)?;
            match entry.leaf.kind {
                EntryKind::Aside => tx.derive_aside(&entry)?,
                EntryKind::Change => {
                    let full = facts::full_change(tx.ledger, index)?.ok_or_else(damaged)?;
                    tx.derive_change(&entry, &full)?;
                }
                EntryKind::Review | EntryKind::Control => {
                    let full = facts::full_act(tx.ledger, index)?.ok_or_else(damaged)?;
                    tx.derive_act(&entry, &full)?;
                }
            }
            // while what they are made of is still in memory
            if tx.touched_count() >= REBUILD_ROWS_EACH {
                tx.project_touched()?;
            }
        }
        tx.finish()
    }
}
