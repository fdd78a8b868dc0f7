//! A record: what the changes about one thing say together, when several people wrote apart.
//!
//! The fields of a record are merged by an Automerge document that every replica builds for itself
//! from the changes it admitted (D2): bytes of a document are never taken from anybody. All that
//! decides a merge (operation counters, predecessors, actors) follows from the heads that each
//! change names, so replicas that hold the same changes show the same winners and the same rivals,
//! in whatever order the changes came.
//!
//! The document holds a salted hash where a value can be erased; the readable value is looked up
//! in the change that wrote it. So an erasure changes what can be read, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::change::{Act, ChangeRef, FullChange};
use crate::ids::{ChainId, KeyId, RecordId};
use crate::limits::{CHANGE_HEADS_MAX, CHANGE_OPS_MAX, RECORD_CHANGES_MAX};
use crate::value::{AUTHOR_KEY, FieldKey, Value};

mod document;
#[cfg(test)]
mod tests;

use document::Document;

/// Why a change cannot be merged into a record. Nothing was changed by the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MergeError {
    /// The change names a head that is not here yet: bring that one first.
    #[error("a named head is not here")]
    MissingHead(ChangeRef),
    /// The newest change of the same chain here is not among what the change builds on, or stands
    /// behind it on the chain. One author's edits of a record follow one another.
    #[error("the chain's change before is not among what this one builds on")]
    OutOfOrder(ChangeRef),
    /// Another change stands at the same place of the same chain.
    #[error("another change stands at this place of its chain")]
    Forked(ChangeRef),
    /// The change is about another record, or would create this one a second time.
    #[error("the change is not about this record")]
    NotThisRecord,
    /// A record begins with the change that creates it, and this is an edit.
    #[error("a record begins with its creation")]
    NotACreation,
    /// Heads or keys are too many, out of their order, or heads do not fit the act: the change did
    /// not pass [`FullChange::check`].
    #[error("the change is not in its canonical form")]
    NotCanonical,
    /// The record is full.
    #[error("the record has gathered {RECORD_CHANGES_MAX} changes")]
    TooManyChanges,
    /// The merge engine did not do what its inputs, all of them computed here, must make it do.
    #[error("the merge engine failed")]
    Engine,
}

/// What applying did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// The change is new and now merged.
    New,
    /// The change was here already; nothing was changed, and what was erased stays erased.
    Known,
}

/// What can still be read of a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaidValue {
    /// The value.
    Value(Value),
    /// It was erased; only its salted hash remains.
    Erased,
}

/// One value of one field, with who said it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The change that set it.
    pub by: ChangeRef,
    /// Key of the device that wrote.
    pub device: KeyId,
    /// Number of the member who wrote, unless it was erased.
    pub member: Option<u64>,
    /// The phone's clock, in seconds since 1970; shown, never trusted.
    pub clock_s: i64,
    /// The value.
    pub value: SaidValue,
}

/// What stands at a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// What is shown first: the same on every replica.
    pub winner: Said,
    /// What others set without having seen the winner, in the order of [`Record::history`].
    /// They stay until somebody who saw them all chooses.
    pub rivals: Vec<Said>,
}

/// A change in its place.
#[derive(Debug, Clone)]
struct Placed {
    full: FullChange,
    place: Place,
}

/// What merging needs to know of a change, computed from the heads it names.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Longest way back to the creation: every change is deeper than all it builds on.
    depth: u32,
    /// Counter of its first operation: one more than the largest that its heads had reached.
    start_op: u64,
    /// Largest counter reached with it.
    max_op: u64,
    /// How many changes of its chain this record has with it. Not the chain's own number, which
    /// also counts changes of other records: the engine wants numbers without gaps.
    nth_of_chain: u64,
}

/// One put: counter and chain. Its order is the engine's order between rivals, and is causal:
/// a counter is larger than every counter the author saw.
type OpAt = (u64, ChainId);

/// One record, merged from the changes about it.
#[derive(Debug, Clone)]
pub struct Record {
    id: RecordId,
    record_type: u16,
    vocabulary: u16,
    creator: ChangeRef,
    changes: BTreeMap<ChangeRef, Placed>,
    /// Depth, then place: an order that is causal and the same on every replica.
    order: BTreeSet<(u32, ChangeRef)>,
    heads: BTreeSet<ChangeRef>,
    puts: BTreeMap<FieldKey, BTreeMap<OpAt, ChangeRef>>,
    /// Made at the second change. Most records never get one, and one change has no rivals.
    document: Option<Document>,
}

impl Record {
    /// Begins a record with the change that creates it. The change has passed
    /// [`FullChange::check`]: here only what merging itself relies on is looked at again.
    pub fn create(first: FullChange) -> Result<Self, MergeError> {
        let Act::Create {
            record_type,
            vocabulary,
        } = first.change.act
        else {
            return Err(MergeError::NotACreation);
        };
        if !first.change.heads.is_empty() || !keys_are_canonical(&first) {
            return Err(MergeError::NotCanonical);
        }
        let mut record = Self {
            id: first.change.record,
            record_type,
            vocabulary,
            creator: first.change.at,
            changes: BTreeMap::new(),
            order: BTreeSet::new(),
            heads: BTreeSet::new(),
            puts: BTreeMap::new(),
            document: None,
        };
        let place = record.place_of(&first)?;
        record.insert(first, place);
        Ok(record)
    }

    /// Merges one more change, which has passed [`FullChange::check`]. All heads that it names
    /// must be here. Applying the same change again changes nothing.
    pub fn apply(&mut self, full: FullChange) -> Result<Applied, MergeError> {
        if full.change.record != self.id {
            return Err(MergeError::NotThisRecord);
        }
        if let Some(known) = self.changes.get(&full.change.at) {
            // parts may differ, by an erasure that one side has not heard of; what is hashed may not
            return if known.full.change == full.change {
                Ok(Applied::Known)
            } else {
                Err(MergeError::Forked(full.change.at))
            };
        }
        if full.change.act != Act::Edit {
            return Err(MergeError::NotThisRecord);
        }
        if !keys_are_canonical(&full) || !heads_are_canonical(&full) {
            return Err(MergeError::NotCanonical);
        }
        if self.changes.len() >= RECORD_CHANGES_MAX {
            return Err(MergeError::TooManyChanges);
        }
        let place = self.place_of(&full)?;
        let mut document = match self.document.take() {
            Some(document) => document,
            None => self.rebuild()?,
        };
        let put = document.put(&full.change, place);
        self.document = Some(document);
        put?;
        self.insert(full, place);
        Ok(Applied::New)
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// Number of its type; set at creation for ever.
    #[must_use]
    pub fn record_type(&self) -> u16 {
        self.record_type
    }

    /// Version of the vocabulary in which it was created.
    #[must_use]
    pub fn vocabulary(&self) -> u16 {
        self.vocabulary
    }

    /// The change that created it.
    #[must_use]
    pub fn creator(&self) -> ChangeRef {
        self.creator
    }

    /// The changes that no other change builds on, ascending: what a new edit must name.
    #[must_use]
    pub fn heads(&self) -> Vec<ChangeRef> {
        self.heads.iter().copied().collect()
    }

    /// Whether a change is merged here.
    #[must_use]
    pub fn contains(&self, at: ChangeRef) -> bool {
        self.changes.contains_key(&at)
    }

    /// One change.
    #[must_use]
    pub fn change(&self, at: ChangeRef) -> Option<&FullChange> {
        self.changes.get(&at).map(|placed| &placed.full)
    }

    /// All changes, each after what it builds on, in the same order on every replica.
    pub fn changes(&self) -> impl Iterator<Item = &FullChange> {
        self.order.iter().filter_map(|(_, at)| self.change(*at))
    }

    /// How many changes it has gathered: one at least.
    #[must_use]
    pub fn change_count(&self) -> usize {
        self.changes.len()
    }

    /// All fields, each with its winner and every rival.
    #[must_use]
    pub fn fields(&self) -> BTreeMap<FieldKey, Field> {
        self.puts
            .keys()
            .filter_map(|key| Some((*key, self.field(*key)?)))
            .collect()
    }

    /// One field.
    #[must_use]
    pub fn field(&self, key: FieldKey) -> Option<Field> {
        let puts = self.puts.get(&key)?;
        // only a put at the same key can hide a put: one alone needs no engine
        let visible = match &self.document {
            Some(document) if puts.len() > 1 => document.visible(key),
            Some(_) | None => puts.keys().copied().collect(),
        };
        let mut said = visible
            .iter()
            .filter_map(|op| self.said(*puts.get(op)?, key));
        let winner = said.next_back()?;
        Some(Field {
            winner,
            rivals: said.collect(),
        })
    }

    /// Every value that was ever set at a field, each after those its author saw, in the same order
    /// on every replica. The last is the winner.
    #[must_use]
    pub fn history(&self, key: FieldKey) -> Vec<Said> {
        let puts = self.puts.get(&key).into_iter().flat_map(BTreeMap::values);
        puts.filter_map(|at| self.said(*at, key)).collect()
    }

    /// Drops erasable values of one change. Heads, winners and hashes stay as they were, and so
    /// does what was never erasable.
    pub fn erase(&mut self, at: ChangeRef, keys: &[FieldKey]) {
        if let Some(placed) = self.changes.get_mut(&at)
            && keys
                .iter()
                .any(|key| placed.full.parts.values.contains_key(key))
        {
            placed.full.parts.erase(keys);
        }
    }

    /// The document for other tools, with hashes in place of what can be erased. Built anew in the
    /// order of [`Self::changes`], so that replicas with the same changes export the same bytes.
    pub fn export_automerge(&self) -> Result<Vec<u8>, MergeError> {
        Ok(self.rebuild()?.save())
    }

    fn said(&self, at: ChangeRef, key: FieldKey) -> Option<Said> {
        let full = self.change(at)?;
        let member = match full.value(AUTHOR_KEY) {
            Some(Value::Number(member)) => Some(*member),
            _ => None,
        };
        let value = full
            .value(key)
            .map_or(SaidValue::Erased, |v| SaidValue::Value(v.clone()));
        let (device, clock_s) = (full.change.device, full.change.clock_s);
        Some(Said {
            by: at,
            device,
            member,
            clock_s,
            value,
        })
    }

    /// Where a change comes to stand, if all it builds on is here.
    fn place_of(&self, full: &FullChange) -> Result<Place, MergeError> {
        let (mut depth, mut reached) = (0u32, 0u64);
        for head in &full.change.heads {
            let at = self
                .changes
                .get(head)
                .ok_or(MergeError::MissingHead(*head))?
                .place;
            depth = depth.max(at.depth.saturating_add(1));
            reached = reached.max(at.max_op);
        }
        let mut nth_of_chain = 1;
        if let Some((before, placed)) = self.newest_of(full.change.at.chain) {
            // Without this, two operations of one chain could have one counter, and the engine
            // takes counter and chain for a name.
            if before.seq >= full.change.at.seq || !self.builds_on(&full.change.heads, *before) {
                return Err(MergeError::OutOfOrder(*before));
            }
            nth_of_chain = placed.place.nth_of_chain.saturating_add(1);
        }
        let start_op = reached.saturating_add(1);
        let ops = document::ops_count(&full.change);
        Ok(Place {
            depth,
            start_op,
            max_op: reached.saturating_add(ops),
            nth_of_chain,
        })
    }

    fn newest_of(&self, chain: ChainId) -> Option<(&ChangeRef, &Placed)> {
        let all = ChangeRef { chain, seq: 0 }..=ChangeRef {
            chain,
            seq: u32::MAX,
        };
        self.changes.range(all).next_back()
    }

    /// Whether `wanted` is among `heads` or among what they build on.
    fn builds_on(&self, heads: &[ChangeRef], wanted: ChangeRef) -> bool {
        let Some(floor) = self.changes.get(&wanted).map(|placed| placed.place.depth) else {
            return false;
        };
        let mut seen = BTreeSet::new();
        let mut left = heads.to_vec();
        while let Some(at) = left.pop() {
            if at == wanted {
                return true;
            }
            // what is not deeper than the wanted change cannot build on it
            if let Some(placed) = self.changes.get(&at)
                && placed.place.depth > floor
                && seen.insert(at)
            {
                left.extend_from_slice(&placed.full.change.heads);
            }
        }
        false
    }

    fn insert(&mut self, full: FullChange, place: Place) {
        let at = full.change.at;
        for head in &full.change.heads {
            self.heads.remove(head);
        }
        self.heads.insert(at);
        for (key, counter) in document::counters(&full.change, place.start_op) {
            self.puts
                .entry(key)
                .or_default()
                .insert((counter, at.chain), at);
        }
        self.order.insert((place.depth, at));
        self.changes.insert(at, Placed { full, place });
    }

    fn rebuild(&self) -> Result<Document, MergeError> {
        let mut document = Document::new();
        for placed in self.order.iter().filter_map(|(_, at)| self.changes.get(at)) {
            document.put(&placed.full.change, placed.place)?;
        }
        Ok(document)
    }
}

fn keys_are_canonical(full: &FullChange) -> bool {
    let slots = &full.change.slots;
    slots.len() <= CHANGE_OPS_MAX && slots.is_sorted_by(|a, b| a.0 < b.0)
}

fn heads_are_canonical(full: &FullChange) -> bool {
    let heads = &full.change.heads;
    !heads.is_empty() && heads.len() <= CHANGE_HEADS_MAX && heads.is_sorted_by(|a, b| a < b)
}
