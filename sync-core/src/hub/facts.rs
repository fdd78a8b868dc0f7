//! What the log knows, in types: the only place that knows how rows are written.

mod office;

pub use office::{
    Grant, Group, Member, controls, device_key, devices, founded_at, grant_at, grants, group,
    groups, groups_of, members, rights, role_at,
};
pub(super) use office::{control_key, grants_ever, roles_ever};

use std::collections::BTreeSet;

use crate::act::FullAct;
use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{ChangeRef, FullChange};
use crate::exchange::RunFacts;
use crate::hub::ledger::{LedgerFault, Pair, Table, View};
use crate::ids::{ChainId, Feed, GroupId, Hash32, KeyId, Logbook, Realm, RecordId};
use crate::log::{AsideReason, Digest, EntryKind, Head, Leaf};
use crate::merkle::{Frontier, NodeAt};
use crate::record::Record;
use crate::vocabulary::Lane;

/// A key that comes after every other key with this beginning.
pub(super) fn after(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return end;
        }
    }
    vec![0xff; 64]
}

/// Rows read at once where a listing has no bound of its own.
const PAGE: usize = 1_000;

/// All rows of a table whose key begins with `prefix`.
pub(super) fn all(view: &impl View, table: Table, prefix: &[u8]) -> Result<Vec<Pair>, LedgerFault> {
    let until = after(prefix);
    let (mut rows, mut from) = (Vec::new(), prefix.to_vec());
    loop {
        let page = view.scan(table, &from, &until, PAGE)?;
        let full = page.len() == PAGE;
        rows.extend(page);
        match rows.last() {
            Some((last, _)) if full => {
                from = last.clone();
                from.push(0);
            }
            _ => return Ok(rows),
        }
    }
}

/// Reads a row or names the table it is damaged in.
pub(super) fn decode<T>(
    table: Table,
    bytes: &[u8],
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<T, LedgerFault> {
    let mut r = Reader::new(bytes);
    let read = read(&mut r).and_then(|value| r.end().map(|()| value));
    read.map_err(|_malformed| LedgerFault::Damaged(table))
}

/// Big-endian index, so that keys sort as numbers do.
pub(super) fn key_of(prefix: &[u8], index: u64) -> Vec<u8> {
    let mut key = prefix.to_vec();
    key.extend_from_slice(&index.to_be_bytes());
    key
}

pub(super) fn place_key(at: ChangeRef) -> Vec<u8> {
    let mut w = Writer::new();
    at.write(&mut w);
    w.into_bytes()
}

pub(super) fn pair_key(a: &[u8], b: &[u8]) -> Vec<u8> {
    [a, b].concat()
}

pub(super) fn index_at_end(table: Table, key: &[u8]) -> Result<u64, LedgerFault> {
    key.last_chunk::<8>()
        .map(|bytes| u64::from_be_bytes(*bytes))
        .ok_or(LedgerFault::Damaged(table))
}

/// State of the log as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// Counts restores, from 1.
    pub generation: u32,
    /// Size at which this generation began.
    pub generation_start: u64,
    /// Number of entries.
    pub size: u64,
    /// Entries that a confirmed copy on another disk holds.
    pub safe_size: u64,
    /// Root of the tree.
    pub root: Hash32,
    /// Version of the vocabulary that counts.
    pub vocabulary: u16,
}

const STATE_KEY: &[u8] = b"log";

impl LogState {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(self.generation)
            .u64(self.generation_start)
            .u64(self.size)
            .u64(self.safe_size)
            .raw(self.root.as_bytes())
            .u16(self.vocabulary);
        w.into_bytes()
    }
    pub(super) const KEY: &[u8] = STATE_KEY;

    /// The head of this state, at a server time.
    #[must_use]
    pub fn head(self, now_s: i64) -> Head {
        Head {
            generation: self.generation,
            generation_start: self.generation_start,
            size: self.size,
            safe_size: self.safe_size,
            root: self.root,
            time_s: now_s,
        }
    }
}

/// State of the log; of an empty one before anything was written.
pub fn log_state(view: &impl View) -> Result<LogState, LedgerFault> {
    let Some(bytes) = view.get(Table::State, STATE_KEY)? else {
        return Ok(LogState {
            generation: 1,
            generation_start: 0,
            size: 0,
            safe_size: 0,
            root: Frontier::default().root(),
            vocabulary: 1,
        });
    };
    decode(Table::State, &bytes, |r| {
        Ok(LogState {
            generation: r.u32()?,
            generation_start: r.u64()?,
            size: r.u64()?,
            safe_size: r.u64()?,
            root: Hash32::read(r)?,
            vocabulary: r.u16()?,
        })
    })
}

/// An entry as the log keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Its index.
    pub index: u64,
    /// What the tree holds of it.
    pub leaf: Leaf,
    /// The record it is about; zeros for Control entries.
    pub record: RecordId,
    /// Device or log key that wrote it.
    pub writer: KeyId,
    /// Of an Aside: hash of the change, and why.
    pub aside: Option<(Hash32, AsideReason)>,
}

impl Entry {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(self.leaf.kind.number());
        self.leaf.feed.write(&mut w);
        self.leaf.at.write(&mut w);
        w.raw(self.leaf.entry.as_bytes())
            .i64(self.leaf.admitted_at)
            .u32(self.leaf.generation)
            .raw(self.record.as_bytes())
            .raw(self.writer.as_bytes());
        if let Some((hash, reason)) = self.aside {
            w.raw(hash.as_bytes()).u8(reason.number());
        }
        w.into_bytes()
    }

    fn read(index: u64, r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mark = r.u8()?;
        let kind = EntryKind::from_number(mark).ok_or(Malformed::UnknownMark(mark))?;
        let leaf = Leaf {
            kind,
            feed: Feed::read(r)?,
            at: ChangeRef::read(r)?,
            entry: Hash32::read(r)?,
            admitted_at: r.i64()?,
            generation: r.u32()?,
        };
        let (record, writer) = (RecordId::read(r)?, KeyId::read(r)?);
        let aside = if kind == EntryKind::Aside {
            let hash = Hash32::read(r)?;
            let mark = r.u8()?;
            let reason = AsideReason::from_number(mark).ok_or(Malformed::UnknownMark(mark))?;
            Some((hash, reason))
        } else {
            None
        };
        Ok(Self {
            index,
            leaf,
            record,
            writer,
            aside,
        })
    }

    /// Hash of the change or act: what the next of its chain names.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        self.aside.map_or(self.leaf.entry, |(hash, _)| hash)
    }
}

/// The entry at an index.
pub fn entry(view: &impl View, index: u64) -> Result<Option<Entry>, LedgerFault> {
    view.get(Table::Entry, &key_of(&[], index))?
        .map(|bytes| decode(Table::Entry, &bytes, |r| Entry::read(index, r)))
        .transpose()
}

/// The change that an entry of kind Change holds, with what is left of its parts.
pub fn full_change(view: &impl View, index: u64) -> Result<Option<FullChange>, LedgerFault> {
    full_bytes(view, index)?
        .map(|bytes| {
            FullChange::from_bytes(&bytes).map_err(|_malformed| LedgerFault::Damaged(Table::Body))
        })
        .transpose()
}

/// The act that an entry of kind Review or Control holds.
pub fn full_act(view: &impl View, index: u64) -> Result<Option<FullAct>, LedgerFault> {
    full_bytes(view, index)?
        .map(|bytes| {
            FullAct::from_bytes(&bytes).map_err(|_malformed| LedgerFault::Damaged(Table::Body))
        })
        .transpose()
}

fn full_bytes(view: &impl View, index: u64) -> Result<Option<Vec<u8>>, LedgerFault> {
    let key = key_of(&[], index);
    let Some(mut bytes) = view.get(Table::Body, &key)? else {
        return Ok(None);
    };
    let parts = view
        .get(Table::Part, &key)?
        .ok_or(LedgerFault::Damaged(Table::Part))?;
    bytes.extend(parts);
    Ok(Some(bytes))
}

/// Where a change is in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Index of its entry.
    pub index: u64,
    /// Hash of the change or act.
    pub hash: Hash32,
    /// The record it is about.
    pub record: RecordId,
    /// Why it was set aside, if it was.
    pub aside: Option<AsideReason>,
}

impl Place {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u64(self.index)
            .raw(self.hash.as_bytes())
            .raw(self.record.as_bytes())
            .u8(self.aside.map_or(0, AsideReason::number));
        w.into_bytes()
    }
}

/// Where the change at `at` is.
pub fn place(view: &impl View, at: ChangeRef) -> Result<Option<Place>, LedgerFault> {
    view.get(Table::Place, &place_key(at))?
        .map(|bytes| {
            decode(Table::Place, &bytes, |r| {
                Ok(Place {
                    index: r.u64()?,
                    hash: Hash32::read(r)?,
                    record: RecordId::read(r)?,
                    aside: AsideReason::from_number(r.u8()?),
                })
            })
        })
        .transpose()
}

/// A chain that the log has something of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// Logbook; `None` for a chain of the log's own acts.
    pub logbook: Option<Logbook>,
    /// Device or log key that writes it.
    pub writer: KeyId,
    /// Number of the newest.
    pub seq: u32,
    /// Hash of the newest.
    pub hash: Hash32,
}

impl Chain {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut w = Writer::new();
        let group = self.logbook.map_or(GroupId::default(), |l| l.group);
        w.raw(group.as_bytes())
            .u8(self.logbook.map_or(0, |l| l.lane.number()))
            .raw(self.writer.as_bytes())
            .u32(self.seq)
            .raw(self.hash.as_bytes());
        w.into_bytes()
    }
}

/// The chain of this name.
pub fn chain(view: &impl View, id: ChainId) -> Result<Option<Chain>, LedgerFault> {
    view.get(Table::Chain, id.as_bytes())?
        .map(|bytes| {
            decode(Table::Chain, &bytes, |r| {
                let group = GroupId::read(r)?;
                let lane = Lane::from_number(r.u8()?);
                Ok(Chain {
                    logbook: lane.map(|lane| Logbook { group, lane }),
                    writer: KeyId::read(r)?,
                    seq: r.u32()?,
                    hash: Hash32::read(r)?,
                })
            })
        })
        .transpose()
}

/// The chains of a device.
pub fn chains_of(view: &impl View, device: KeyId) -> Result<Vec<ChainId>, LedgerFault> {
    Ok(all(view, Table::ChainOf, device.as_bytes())?
        .iter()
        .filter_map(|(key, _)| ChainId::from_slice(key.get(KeyId::LEN..)?))
        .collect())
}

/// Sum of the leaves of a feed below an index.
pub fn feed_sum(view: &impl View, feed: Feed, below: u64) -> Result<Digest, LedgerFault> {
    let prefix = feed.to_bytes();
    match view.last(Table::Feed, &prefix, &key_of(&prefix, below))? {
        None => Ok(Digest::default()),
        Some((_, sum)) => decode(Table::Feed, &sum, |r| {
            Ok(Digest(u128::from_be_bytes(r.array()?)))
        }),
    }
}

/// At most `limit` indexes of a feed from `cursor` on.
pub fn feed_from(
    view: &impl View,
    feed: Feed,
    cursor: u64,
    limit: usize,
) -> Result<Vec<u64>, LedgerFault> {
    let prefix = feed.to_bytes();
    view.scan(
        Table::Feed,
        &key_of(&prefix, cursor),
        &after(&prefix),
        limit,
    )?
    .iter()
    .map(|(key, _)| index_at_end(Table::Feed, key))
    .collect()
}

/// What the log knows of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordFacts {
    /// Its logbook.
    pub logbook: Logbook,
    /// Index of its creation.
    pub first: u64,
    /// Device that created it.
    pub device: KeyId,
}

impl RecordFacts {
    pub(super) fn to_bytes(self) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(self.logbook.group.as_bytes())
            .u8(self.logbook.lane.number())
            .u64(self.first)
            .raw(self.device.as_bytes());
        w.into_bytes()
    }
}

/// What the log knows of a record.
pub fn record_facts(view: &impl View, id: RecordId) -> Result<Option<RecordFacts>, LedgerFault> {
    view.get(Table::Record, id.as_bytes())?
        .map(|bytes| {
            decode(Table::Record, &bytes, |r| {
                let group = GroupId::read(r)?;
                let mark = r.u8()?;
                let lane = Lane::from_number(mark).ok_or(Malformed::UnknownMark(mark))?;
                Ok(RecordFacts {
                    logbook: Logbook { group, lane },
                    first: r.u64()?,
                    device: KeyId::read(r)?,
                })
            })
        })
        .transpose()
}

/// The entries about a record, oldest first: changes and reviews.
pub fn record_entries(view: &impl View, id: RecordId) -> Result<Vec<Entry>, LedgerFault> {
    // reviews have no bound of their own, so all of them are read
    all(view, Table::RecordEntry, id.as_bytes())?
        .iter()
        .map(|(key, _)| {
            let index = index_at_end(Table::RecordEntry, key)?;
            entry(view, index)?.ok_or(LedgerFault::Damaged(Table::Entry))
        })
        .collect()
}

/// A record merged from the log.
pub fn record(view: &impl View, id: RecordId) -> Result<Option<(Logbook, Record)>, LedgerFault> {
    let Some(facts) = record_facts(view, id)? else {
        return Ok(None);
    };
    let damaged = || LedgerFault::Damaged(Table::RecordEntry);
    let mut merged: Option<Record> = None;
    for entry in record_entries(view, id)? {
        if entry.leaf.kind != EntryKind::Change {
            continue;
        }
        let full = full_change(view, entry.index)?.ok_or_else(damaged)?;
        match &mut merged {
            None => merged = Some(Record::create(full).map_err(|_merge| damaged())?),
            Some(record) => {
                record.apply(full).map_err(|_merge| damaged())?;
            }
        }
    }
    Ok(merged.map(|record| (facts.logbook, record)))
}

/// Every record of a group, by the feeds in which its entries stand.
pub(super) fn records_of(
    view: &impl View,
    group: GroupId,
) -> Result<BTreeSet<RecordId>, LedgerFault> {
    let mut records = BTreeSet::new();
    for begin in Feed::begin_of_records(group) {
        for (key, _) in all(view, Table::Feed, &begin)? {
            let index = index_at_end(Table::Feed, &key)?;
            let entry = entry(view, index)?.ok_or(LedgerFault::Damaged(Table::Entry))?;
            if entry.leaf.kind == EntryKind::Change {
                records.insert(entry.record);
            }
        }
    }
    Ok(records)
}

/// Node of the tree.
pub(super) fn node(view: &impl View, at: NodeAt) -> Result<Option<Hash32>, LedgerFault> {
    view.get(Table::Node, &node_key(at))?
        .map(|bytes| decode(Table::Node, &bytes, Hash32::read))
        .transpose()
}

pub(super) fn node_key(at: NodeAt) -> Vec<u8> {
    key_of(&[at.level], at.index)
}

/// The tree's right edge at a size that the log has reached.
pub fn frontier_at(view: &impl View, size: u64) -> Result<Frontier, LedgerFault> {
    with_nodes(view, |node| Frontier::rebuild(size, node))
}

/// Makes something of the nodes of the tree; a node that is not there is damage.
pub(super) fn with_nodes<T>(
    view: &impl View,
    make: impl FnOnce(&mut dyn FnMut(NodeAt) -> Option<Hash32>) -> Option<T>,
) -> Result<T, LedgerFault> {
    let mut fault = None;
    let made = make(&mut |at| {
        node(view, at).unwrap_or_else(|error| {
            fault = Some(error);
            None
        })
    });
    match (made, fault) {
        (_, Some(fault)) => Err(fault),
        (Some(made), None) => Ok(made),
        (None, None) => Err(LedgerFault::Damaged(Table::Node)),
    }
}

/// A view as the reader of runs needs it. A store's fault is kept and told afterwards.
#[derive(Debug)]
pub(super) struct Looking<'a, V> {
    pub(super) view: &'a V,
    pub(super) realm: Realm,
    /// A device that nobody confirmed yet has its changes in the waiting room.
    pub(super) pending: Option<KeyId>,
    pub(super) fault: core::cell::RefCell<Option<LedgerFault>>,
}

impl<V: View> Looking<'_, V> {
    fn keep<T>(&self, looked: Result<Option<T>, LedgerFault>) -> Option<T> {
        looked.unwrap_or_else(|fault| {
            *self.fault.borrow_mut() = Some(fault);
            None
        })
    }

    fn known(&self, at: ChangeRef) -> Option<(Hash32, RecordId)> {
        if let Some(device) = self.pending {
            return self.keep(super::arrival::waiting(self.view, &self.realm, device, at));
        }
        self.keep(place(self.view, at))
            .map(|place| (place.hash, place.record))
    }
}

impl<V: View> RunFacts for Looking<'_, V> {
    fn realm(&self) -> Realm {
        self.realm
    }
    fn hash_before(&self, at: ChangeRef) -> Option<Hash32> {
        if at.seq == 0 {
            return Some(Hash32::default());
        }
        self.known(at).map(|(hash, _)| hash)
    }
    fn record_of(&self, at: ChangeRef) -> Option<RecordId> {
        self.known(at)
            .or_else(|| {
                self.keep(place(self.view, at))
                    .map(|place| (place.hash, place.record))
            })
            .map(|(_, record)| record)
    }
}
