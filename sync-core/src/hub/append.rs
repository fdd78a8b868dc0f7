//! Appending: the one way in which anything enters the log.

use std::collections::BTreeSet;

use crate::act::{Control, FullAct, Said};
use crate::bytes::Writer;
use crate::change::{Act, ChangeRef, FullChange, Parts};
use crate::hub::Hub;
use crate::hub::admit::Gate;
use crate::hub::facts::{
    self, Chain, Entry, Grant, Group, LogState, Place, RecordFacts, all, key_of, node_key,
    pair_key, place_key,
};
use crate::hub::ledger::{Ledger, LedgerFault, Table};
use crate::hub::quarantine::fallen_key;
use crate::ids::{Feed, Hash32, KeyId, Logbook, RecordId};
use crate::log::{AsideReason, EntryKind, Leaf, aside_hash};
use crate::merkle::Frontier;
use crate::value::{FieldKey, Value};

/// A transaction on the log, with the state that it advances.
pub(super) struct Tx<'h, 'l, L> {
    pub(super) hub: &'h Hub,
    pub(super) ledger: &'l mut L,
    pub(super) state: LogState,
    pub(super) now_s: i64,
    frontier: Frontier,
    touched: BTreeSet<RecordId>,
}

impl<'h, 'l, L: Ledger> Tx<'h, 'l, L> {
    pub(super) fn begin(hub: &'h Hub, ledger: &'l mut L, now_s: i64) -> Result<Self, LedgerFault> {
        let state = facts::log_state(ledger)?;
        let frontier = facts::frontier_at(ledger, state.size)?;
        Ok(Self {
            hub,
            ledger,
            state,
            now_s,
            frontier,
            touched: BTreeSet::new(),
        })
    }

    /// Writes the state and the console's rows of all that was touched.
    pub(super) fn finish(mut self) -> Result<LogState, LedgerFault> {
        self.state.root = self.frontier.root();
        self.ledger
            .put(Table::State, LogState::KEY, &self.state.to_bytes())?;
        self.project_touched()?;
        Ok(self.state)
    }

    /// Writes the console's rows of all that was touched, in the order in which the records were
    /// created: rows and words of a store lie in that order, and an index of words that gets them
    /// in another writes a segment for each step back.
    pub(super) fn project_touched(&mut self) -> Result<(), LedgerFault> {
        let mut by_creation = BTreeSet::new();
        for record in core::mem::take(&mut self.touched) {
            if let Some(known) = facts::record_facts(self.ledger, record)? {
                by_creation.insert((known.first, record));
            }
        }
        for (_, record) in by_creation {
            self.project(record)?;
        }
        Ok(())
    }

    /// How many records wait for their rows.
    pub(super) fn touched_count(&self) -> usize {
        self.touched.len()
    }

    pub(super) fn gate(&self) -> Gate<'_, L> {
        Gate {
            hub: self.hub,
            view: self.ledger,
            size: self.state.size,
        }
    }

    pub(super) fn touch(&mut self, record: RecordId) {
        self.touched.insert(record);
    }

    /// Admits a change, which all gates let through.
    pub(super) fn append_change(
        &mut self,
        full: &FullChange,
        hash: Hash32,
        logbook: Logbook,
        proven: Option<&Leaf>,
    ) -> Result<u64, LedgerFault> {
        let mut body = Writer::new();
        body.raw(full.change.device.as_bytes());
        full.change.write(&mut body);
        // An erasure can come back before the change that it names, after a restore.
        let mut left = full.parts.clone();
        let erased = self.erased_keys(full.change.at)?;
        if !erased.is_empty() {
            left.erase(&erased);
        }
        let mut parts = Writer::new();
        left.write(&mut parts);
        let feed = Feed::of_records(logbook, full.change.device);
        let mut entry = Entry {
            record: full.change.record,
            writer: full.change.device,
            ..self.entry(EntryKind::Change, feed, full.change.at, hash)
        };
        if let Some(leaf) = proven {
            entry.leaf = *leaf; // when it was admitted first is not said anew
        }
        self.append(&entry, Some((body.as_bytes(), parts.as_bytes())))?;
        self.derive_change(&entry, full)?;
        Ok(entry.index)
    }

    /// Sets a change aside: its hash enters the log, what is `kept` of it the quarantine.
    pub(super) fn append_aside(
        &mut self,
        full: &FullChange,
        hash: Hash32,
        feed: Feed,
        reason: AsideReason,
        kept: Option<&FullChange>,
    ) -> Result<u64, LedgerFault> {
        let at = full.change.at;
        let leaf_entry = aside_hash(&self.hub.realm, self.hub.log_id(), at, &hash, reason);
        let entry = Entry {
            record: full.change.record,
            writer: full.change.device,
            aside: Some((hash, reason)),
            ..self.entry(EntryKind::Aside, feed, at, leaf_entry)
        };
        self.append(&entry, None)?;
        if let Some(kept) = kept {
            let key = key_of(&[], entry.index);
            self.ledger.put(Table::Quarantine, &key, &kept.to_bytes())?;
        }
        self.derive_aside(&entry)?;
        Ok(entry.index)
    }

    /// Appends a signed act and lets it take effect.
    pub(super) fn append_act(&mut self, full: &FullAct) -> Result<u64, LedgerFault> {
        let hash = full.act.hash(&self.hub.realm);
        let bytes = full.to_bytes();
        let mut parts = Writer::new();
        full.parts.write(&mut parts);
        let split = bytes.len().saturating_sub(parts.as_bytes().len());
        let entry = Entry {
            record: full.review().map_or(RecordId::default(), |r| r.record),
            writer: full.act.signer,
            ..self.entry(full.act.said.kind(), full.act.feed, full.act.at, hash)
        };
        let body = bytes.get(..split).unwrap_or_default();
        self.append(&entry, Some((body, parts.as_bytes())))?;
        self.derive_act(&entry, full)?;
        self.expect_hearing(entry.index, entry.leaf.feed, &full.act.said)?;
        self.place_admitted(&full.act.said)?;
        Ok(entry.index)
    }

    fn entry(&self, kind: EntryKind, feed: Feed, at: ChangeRef, entry: Hash32) -> Entry {
        Entry {
            index: self.state.size,
            leaf: Leaf {
                kind,
                feed,
                at,
                entry,
                admitted_at: self.now_s,
                generation: self.state.generation,
            },
            record: RecordId::default(),
            writer: KeyId::default(),
            aside: None,
        }
    }

    /// Writes what nothing else could give back: entry, signed bytes, parts, tree.
    fn append(&mut self, entry: &Entry, stored: Option<(&[u8], &[u8])>) -> Result<(), LedgerFault> {
        let key = key_of(&[], entry.index);
        self.ledger.put(Table::Entry, &key, &entry.to_bytes())?;
        if let Some((body, parts)) = stored {
            self.ledger.put(Table::Body, &key, body)?;
            self.ledger.put(Table::Part, &key, parts)?;
        }
        let leaf = entry.leaf.hash(&self.hub.realm, self.hub.log_id());
        for (at, node) in self.frontier.push(leaf) {
            self.ledger
                .put(Table::Node, &node_key(at), node.as_bytes())?;
        }
        self.state.size = entry.index.saturating_add(1);
        Ok(())
    }

    /// Rows that follow from an admitted change.
    pub(super) fn derive_change(
        &mut self,
        entry: &Entry,
        full: &FullChange,
    ) -> Result<(), LedgerFault> {
        let before = facts::place(self.ledger, entry.leaf.at)?;
        self.derive_entry(entry)?;
        match before {
            None => self.derive_tip(entry)?,
            Some(aside) => self.derive_admitted(entry, aside.index)?,
        }
        let id = full.change.record;
        if let (Act::Create { .. }, Some(logbook)) = (full.change.act, entry.leaf.feed.logbook()) {
            let facts = RecordFacts {
                logbook,
                first: entry.index,
                device: full.change.device,
            };
            self.ledger
                .put(Table::Record, id.as_bytes(), &facts.to_bytes())?;
        }
        self.ledger
            .put(Table::RecordEntry, &key_of(id.as_bytes(), entry.index), &[])?;
        self.touch(id);
        Ok(())
    }

    /// Rows that follow from a change that was set aside. What its chain says of that record from
    /// here on falls with it: were that let in, this one could never be, whatever became of it.
    pub(super) fn derive_aside(&mut self, entry: &Entry) -> Result<(), LedgerFault> {
        self.derive_entry(entry)?;
        self.derive_tip(entry)?;
        let at = entry.leaf.at;
        let fallen = fallen_key(at, entry.record);
        if self.ledger.get(Table::Fallen, &fallen)?.is_none() {
            self.ledger
                .put(Table::Fallen, &fallen, &at.seq.to_be_bytes())?;
        }
        Ok(())
    }

    /// Rows that follow from an act, and its effect.
    pub(super) fn derive_act(&mut self, entry: &Entry, full: &FullAct) -> Result<(), LedgerFault> {
        self.derive_entry(entry)?;
        self.derive_tip(entry)?;
        match &full.act.said {
            Said::Review(review) => {
                let key = key_of(review.record.as_bytes(), entry.index);
                self.ledger.put(Table::RecordEntry, &key, &[])?;
                self.touch(review.record);
                Ok(())
            }
            Said::Control(control) => {
                let key = facts::control_key(entry.leaf.feed.group(), entry.index);
                self.ledger.put(Table::Control, &key, &[])?;
                let by = (full.act.account, full.act.time_s);
                self.take_effect(control, by, entry.index)
            }
        }
    }

    /// The derived rows that every entry has.
    fn derive_entry(&mut self, entry: &Entry) -> Result<(), LedgerFault> {
        let (at, feed) = (entry.leaf.at, entry.leaf.feed);
        let leaf = entry.leaf.hash(&self.hub.realm, self.hub.log_id());
        let sum = facts::feed_sum(self.ledger, feed, entry.index)?.plus(&leaf);
        self.ledger.put(
            Table::Feed,
            &key_of(&feed.to_bytes(), entry.index),
            &sum.0.to_be_bytes(),
        )?;
        let place = Place {
            index: entry.index,
            hash: entry.hash(),
            record: entry.record,
            aside: entry.aside.map(|(_, reason)| reason),
        };
        self.ledger
            .put(Table::Place, &place_key(at), &place.to_bytes())?;
        Ok(())
    }

    /// The chain of an entry goes on by it: of every entry but a change that was admitted later, which
    /// stands in the midst of its chain.
    fn derive_tip(&mut self, entry: &Entry) -> Result<(), LedgerFault> {
        let (at, feed) = (entry.leaf.at, entry.leaf.feed);
        let of_phone = matches!(entry.leaf.kind, EntryKind::Change | EntryKind::Aside);
        let chain = Chain {
            logbook: feed.logbook().filter(|_| of_phone),
            writer: entry.writer,
            seq: at.seq,
            hash: entry.hash(),
        };
        self.ledger
            .put(Table::Chain, at.chain.as_bytes(), &chain.to_bytes())?;
        if at.seq == 1 && of_phone {
            let key = pair_key(entry.writer.as_bytes(), at.chain.as_bytes());
            self.ledger.put(Table::ChainOf, &key, &[])?;
        }
        Ok(())
    }

    /// What a Control entry changes from its index on; `by`: account and server time.
    fn take_effect(
        &mut self,
        control: &Control,
        by: (u32, i64),
        index: u64,
    ) -> Result<(), LedgerFault> {
        match control {
            Control::Generation { number, start } => {
                self.state.generation = *number;
                self.state.generation_start = *start;
            }
            Control::Group {
                group,
                area,
                commune,
                name,
            } => {
                let row = Group {
                    area: *area,
                    commune: *commune,
                    name: name.clone(),
                };
                let before = facts::group(self.ledger, *group)?;
                self.ledger
                    .put(Table::Group, group.as_bytes(), &row.to_bytes())?;
                let place = key_of(group.as_bytes(), index);
                self.ledger.put(Table::GroupArea, &place, area.as_bytes())?;
                // the console's rows say where the group is, and so which officers may read them
                let stood = |known: Group| (known.area, known.commune);
                if before.is_some_and(|before| stood(before) != (*area, *commune)) {
                    self.touched.extend(facts::records_of(self.ledger, *group)?);
                }
            }
            Control::Member {
                group,
                number,
                role,
            } => {
                let key = key_of(&pair_key(group.as_bytes(), &number.to_be_bytes()), index);
                self.ledger.put(Table::Member, &key, &role.to_be_bytes())?;
            }
            Control::MemberEnd { group, number } => {
                let key = key_of(&pair_key(group.as_bytes(), &number.to_be_bytes()), index);
                self.ledger.put(Table::Member, &key, &0u16.to_be_bytes())?;
            }
            Control::Enrol {
                group,
                device,
                members,
            } => {
                self.ledger
                    .put(Table::Device, device.id().as_bytes(), &device.0)?;
                let grant = Grant::Members(members.clone());
                let key = pair_key(device.id().as_bytes(), group.as_bytes());
                self.ledger
                    .put(Table::Grant, &key_of(&key, index), &grant.to_bytes())?;
            }
            Control::Revoke { group, device } => {
                let key = pair_key(device.as_bytes(), group.as_bytes());
                let grant = Grant::Revoked.to_bytes();
                self.ledger
                    .put(Table::Grant, &key_of(&key, index), &grant)?;
            }
            Control::Erase { change, keys } => self.erase_parts(*change, keys)?,
            Control::Vocabulary { version } => self.state.vocabulary = *version,
            Control::Admit { change, hash } => self.note_admit(*change, hash, by, index)?,
            Control::AreaEvents { .. } => {
                self.ledger
                    .put(Table::AreaEvent, &key_of(&[], index), &[])?;
            }
            Control::PeriodClosed(closing) => {
                let key = key_of(closing.area.as_bytes(), index);
                self.ledger.put(Table::Period, &key, &[])?;
            }
            Control::GroupLife { group, .. } => {
                let key = key_of(group.as_bytes(), index);
                self.ledger.put(Table::GroupLife, &key, &[])?;
            }
            // accounts and areas live in the server's own tables
            Control::Officer { .. } | Control::Areas { .. } => {}
        }
        Ok(())
    }

    /// Keys of a change whose values are not to be kept.
    pub(super) fn erased_keys(&self, at: ChangeRef) -> Result<Vec<FieldKey>, LedgerFault> {
        let Some(row) = self.ledger.get(Table::Erased, &place_key(at))? else {
            return Ok(Vec::new());
        };
        facts::decode(Table::Erased, &row, |r| {
            let mut keys = Vec::new();
            while !r.is_empty() {
                keys.push(FieldKey {
                    number: r.u16()?,
                    item: r.u32()?,
                });
            }
            Ok(keys)
        })
    }

    /// Takes values out of the one table that forgets. The salted hashes stay, so everything
    /// that was signed still verifies.
    fn erase_parts(&mut self, at: ChangeRef, keys: &[FieldKey]) -> Result<(), LedgerFault> {
        let mut all = self.erased_keys(at)?;
        all.extend_from_slice(keys);
        all.sort_unstable();
        all.dedup();
        let mut row = Writer::new();
        for key in &all {
            row.u16(key.number).u32(key.item);
        }
        self.ledger
            .put(Table::Erased, &place_key(at), row.as_bytes())?;
        let Some(place) = facts::place(self.ledger, at)? else {
            return Ok(());
        };
        let key = key_of(&[], place.index);
        if place.aside.is_some() {
            return self.ledger.delete(Table::Quarantine, &key);
        }
        let Some(bytes) = self.ledger.get(Table::Part, &key)? else {
            return Ok(());
        };
        let mut left = facts::decode(Table::Part, &bytes, Parts::read)?;
        let said: Vec<_> = keys
            .iter()
            .filter_map(|key| Some((*key, left.values.get(key)?.clone())))
            .collect();
        self.erase_in_forks(place.index, &said)?;
        left.erase(keys);
        let mut parts = Writer::new();
        left.write(&mut parts);
        self.ledger.put(Table::Part, &key, parts.as_bytes())?;
        self.touch(place.record);
        Ok(())
    }

    /// A change that was said again may lie in quarantine as it was first, under another name:
    /// what it says in the same words goes too.
    fn erase_in_forks(
        &mut self,
        index: u64,
        said: &[(FieldKey, Value)],
    ) -> Result<(), LedgerFault> {
        let Some(entry) = facts::entry(self.ledger, index)? else {
            return Ok(());
        };
        let forks = fork_prefix(entry.writer);
        for (row, bytes) in all(self.ledger, Table::Quarantine, &forks)? {
            let damaged = |_| LedgerFault::Damaged(Table::Quarantine);
            let mut full = FullChange::from_bytes(&bytes).map_err(damaged)?;
            let same =
                |(key, value): &&(FieldKey, Value)| full.parts.values.get(key) == Some(value);
            let keys: Vec<FieldKey> = said.iter().filter(same).map(|(key, _)| *key).collect();
            if !keys.is_empty() {
                full.parts.erase(&keys);
                self.ledger.put(Table::Quarantine, &row, &full.to_bytes())?;
            }
        }
        Ok(())
    }
}

/// Where the forked changes of a device lie in quarantine.
pub(super) fn fork_prefix(device: KeyId) -> Vec<u8> {
    [FORKS, device.as_bytes()].concat()
}

/// Where the forked changes of all devices lie in quarantine. No index of an entry begins so.
pub(super) fn fork_prefix_of_all() -> Vec<u8> {
    FORKS.to_vec()
}

const FORKS: &[u8] = b"fork";
