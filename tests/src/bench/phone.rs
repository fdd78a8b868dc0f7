//! A phone of the benchmarks: the real replica in memory. Its disk is no part of any figure.

use std::sync::OnceLock;

use sync_core::codec::Model;
use sync_core::hub::arrival::EnrolAnswer;
use sync_core::ids::{AreaRef, GroupId};
use sync_core::replica::{Edit, Identity, Replica, StoreOp};
use sync_core::vocabulary::Vocabulary;

use super::carrier::Carrier;
use super::records::Drawn;
use super::{Trouble, told};
use crate::sim::Dice;

/// Plenty: a visit carries all that waits.
pub(super) const ALL: usize = 256 * 1024;
/// A visit carries the one change that it always may.
pub(super) const ONE: usize = 1;

/// What one visit cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Cost {
    /// Bytes of the request's body.
    pub(super) body_up: usize,
    /// Bytes of the answer's body.
    pub(super) body_down: usize,
    /// Bytes of the request's head.
    pub(super) head_up: usize,
    /// Bytes of the answer's head.
    pub(super) head_down: usize,
    /// Requests until nothing more waited on either side.
    pub(super) round_trips: usize,
    /// Records that changed here.
    pub(super) touched: usize,
}

/// A phone.
#[derive(Debug)]
pub(super) struct Phone {
    pub(super) replica: Replica,
    group: GroupId,
    /// The group's hamlet.
    pub(super) area: AreaRef,
    /// Seeds of its records; the sizes do not depend on them.
    dice: Dice,
}

/// The coder, read once.
pub(super) fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(Model::primed)
}

impl Phone {
    /// One that was just enrolled.
    pub(super) fn enrolled(
        identity: Identity,
        answer: &EnrolAnswer,
        area: AreaRef,
        dice: Dice,
    ) -> Result<Self, Trouble> {
        let vocabulary = Vocabulary::builtin();
        let rows = Replica::enrolled(vocabulary, answer)
            .into_iter()
            .filter_map(|op| match op {
                StoreOp::Put { table, key, value } => Some((table, key, value)),
                StoreOp::Delete { .. } => None,
            });
        let replica = Replica::load(identity, vocabulary.clone(), rows, 0);
        Ok(Self {
            replica: replica.map_err(told("a new phone"))?,
            group: answer.group,
            area,
            dice,
        })
    }

    /// Saves records.
    pub(super) fn save(&mut self, records: &[Drawn]) -> Result<(), Trouble> {
        for drawn in records {
            let edit = Edit {
                group: self.group,
                member: 1,
                record: None,
                record_type: drawn.record_type,
                values: drawn.values.clone(),
            };
            let random = self.dice.bytes();
            let saved = self
                .replica
                .save(&edit, drawn.clock_s, drawn.mono_s, &random);
            let job = saved.map_err(told("a record"))?;
            self.replica
                .handle_appended(job)
                .map_err(told("a record"))?;
        }
        Ok(())
    }

    /// One request and its answer; whether more waits.
    pub(super) fn visit(
        &mut self,
        carrier: &mut impl Carrier,
        budget_bytes: usize,
    ) -> Result<(Cost, bool), Trouble> {
        let outgoing = self.replica.poll_request(model(), budget_bytes, 0);
        let outgoing = outgoing.map_err(told("a request"))?;
        let carried = carrier.ask(outgoing.body())?;
        let next = self
            .replica
            .handle_answer(model(), &outgoing, &carried.body)
            .map_err(told("an answer"))?;
        let cost = Cost {
            body_up: outgoing.body().len(),
            body_down: carried.body.len(),
            head_up: carried.head_up,
            head_down: carried.head_down,
            round_trips: 1,
            touched: next.touched.len(),
        };
        Ok((cost, next.again))
    }

    /// Visits until nothing more waits, and adds up.
    pub(super) fn sync(&mut self, carrier: &mut impl Carrier) -> Result<Cost, Trouble> {
        let mut sum = Cost::default();
        for _ in 0..30 {
            let (cost, again) = self.visit(carrier, ALL)?;
            sum = Cost {
                body_up: sum.body_up + cost.body_up,
                body_down: sum.body_down + cost.body_down,
                head_up: sum.head_up + cost.head_up,
                head_down: sum.head_down + cost.head_down,
                round_trips: sum.round_trips + 1,
                touched: sum.touched + cost.touched,
            };
            if !again {
                return Ok(sum);
            }
        }
        Err("a phone never comes to an end".to_owned())
    }

    /// Changes that are not in the log yet.
    pub(super) fn unsettled(&self) -> usize {
        self.replica.unsettled().count()
    }
}
