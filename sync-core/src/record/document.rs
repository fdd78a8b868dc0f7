//! The Automerge document behind a record, and the only file that names automerge.
//!
//! Every change of ours becomes one Automerge change whose references are all computed here, never
//! received: deps from the named heads, counters from what those heads had reached, predecessors
//! from what was visible at them. `Automerge::transaction_at` is no way to do this: it takes its
//! counters from the whole local document, so replicas would end with different hashes.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU64;

use automerge::legacy::{Key, ObjectId, Op, OpId, OpType};
use automerge::{
    ActorId, Automerge, AutomergeError, Change as EngineChange, ChangeHash, ExpandedChange, ObjId,
    ROOT, ReadDoc as _, ScalarValue, Value as EngineValue,
};

use super::{MergeError, OpAt, Place};
use crate::change::{Act, Change, ChangeRef, Slot};
use crate::ids::ChainId;
use crate::value::{AUTHOR_KEY, FieldKey};

/// Key of the record's type. Field keys begin with a digit, so no field can stand here.
const TYPE_KEY: &str = "type";

#[derive(Debug, Clone)]
pub(super) struct Document {
    engine: Automerge,
    hashes: BTreeMap<ChangeRef, ChangeHash>,
}

/// Keys of a change that are fields of the record, in the order of their operations.
/// The member who wrote says who speaks, not what is the case: it is no field.
fn fields(change: &Change) -> impl Iterator<Item = &(FieldKey, Slot)> {
    change
        .slots
        .iter()
        .filter(|(key, _)| key.number != AUTHOR_KEY.number)
}

fn creates(change: &Change) -> bool {
    matches!(change.act, Act::Create { .. })
}

/// How many operations a change makes.
pub(super) fn ops_count(change: &Change) -> u64 {
    fields(change).fold(u64::from(creates(change)), |n, _| n.saturating_add(1))
}

/// Each field that a change sets with the counter of its operation.
pub(super) fn counters(change: &Change, start_op: u64) -> impl Iterator<Item = (FieldKey, u64)> {
    let first = start_op.saturating_add(u64::from(creates(change)));
    fields(change).map(|(key, _)| *key).zip(first..)
}

/// The chain is the actor: already a hash over device key, installation and logbook, so it is
/// neither chosen nor used twice, and an exported document names whom the log names.
fn actor_of(chain: ChainId) -> ActorId {
    ActorId::from(chain.as_bytes())
}

fn put_op(key: &str, value: ScalarValue, pred: Vec<OpId>) -> Op {
    Op {
        action: OpType::Put(value),
        obj: ObjectId::Root,
        key: Key::Map(key.into()),
        pred: pred.into(),
        insert: false,
    }
}

impl Document {
    pub(super) fn new() -> Self {
        // a new engine draws a random actor; nothing is ever written under this one or that
        let engine = Automerge::new().with_actor(ActorId::from([0u8; ChainId::LEN].as_slice()));
        Self {
            engine,
            hashes: BTreeMap::new(),
        }
    }

    /// Puts one change of ours as one change of the document. The caller has made sure that its
    /// heads are here and that it is not.
    pub(super) fn put(&mut self, change: &Change, place: Place) -> Result<(), MergeError> {
        let mut deps = Vec::with_capacity(change.heads.len());
        for head in &change.heads {
            deps.push(
                *self
                    .hashes
                    .get(head)
                    .ok_or(MergeError::MissingHead(*head))?,
            );
        }
        deps.sort_unstable();
        let made = EngineChange::from(ExpandedChange {
            operations: self.operations(change, &deps)?,
            actor_id: actor_of(change.at.chain),
            hash: None,
            seq: place.nth_of_chain,
            start_op: NonZeroU64::new(place.start_op).ok_or(MergeError::Engine)?,
            time: 0, // clocks are shown from our own change, and are no part of a merge
            message: None,
            deps,
            extra_bytes: Vec::new(),
            author: None,
        });
        let hash = made.hash();
        self.engine.apply_changes([made]).map_err(engine_failed)?;
        // `Ok` alone does not mean applied: what lacks a dependency is queued without a word;
        // what was applied just now is a head, since nothing can name it yet
        if !self.engine.get_heads().contains(&hash) {
            return Err(MergeError::Engine);
        }
        self.hashes.insert(change.at, hash);
        Ok(())
    }

    fn operations(&self, change: &Change, deps: &[ChangeHash]) -> Result<Vec<Op>, MergeError> {
        let mut operations = Vec::with_capacity(change.slots.len().saturating_add(1));
        if let Act::Create { record_type, .. } = change.act {
            let value = ScalarValue::Uint(u64::from(record_type));
            operations.push(put_op(TYPE_KEY, value, Vec::new()));
        }
        for (key, slot) in fields(change) {
            let key = key.map_key();
            let seen = self
                .engine
                .get_all_at(ROOT, key.as_str(), deps)
                .map_err(engine_failed)?;
            let pred = seen
                .into_iter()
                .filter_map(op_id)
                .map(|(n, actor)| OpId(n, actor));
            // a part stands as its hash, so that hashes of the document outlive an erasure
            let bytes = match slot {
                Slot::Plain(value) => value.to_bytes(),
                Slot::Part(hash) => hash.as_bytes().to_vec(),
            };
            operations.push(put_op(&key, ScalarValue::Bytes(bytes), pred.collect()));
        }
        Ok(operations)
    }

    /// The puts at a field that no other hides, ascending: the last is the winner.
    pub(super) fn visible(&self, key: FieldKey) -> BTreeSet<OpAt> {
        // reading a map key of the root has no way to fail; if it did, the field would be missing
        let seen = self
            .engine
            .get_all(ROOT, key.map_key().as_str())
            .unwrap_or_default();
        let ops = seen.into_iter().filter_map(op_id);
        ops.filter_map(|(n, actor)| Some((n, ChainId::from_slice(actor.to_bytes())?)))
            .collect()
    }

    pub(super) fn save(&self) -> Vec<u8> {
        self.engine.save()
    }
}

fn op_id((_, id): (EngineValue<'_>, ObjId)) -> Option<(u64, ActorId)> {
    match id {
        ObjId::Id(counter, actor, _) => Some((counter, actor)),
        ObjId::Root => None,
    }
}

fn engine_failed(_: AutomergeError) -> MergeError {
    MergeError::Engine
}

#[cfg(test)]
impl Document {
    pub(super) fn engine_heads(&self) -> Vec<ChangeHash> {
        let mut heads = self.engine.get_heads();
        heads.sort_unstable();
        heads
    }

    /// Whom the engine itself takes for the winner.
    pub(super) fn winner(&self, key: FieldKey) -> Option<ChainId> {
        let found = self.engine.get(ROOT, key.map_key().as_str()).unwrap()?;
        ChainId::from_slice(op_id(found)?.1.to_bytes())
    }
}
