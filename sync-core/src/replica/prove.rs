//! After a restore: what shows that the log had admitted a change before it lost it.

use std::collections::BTreeMap;

use crate::change::ChangeRef;
use crate::exchange::{Admitted, Evidence, Proof};
use crate::limits::{PROOF_BYTES_MAX, PROOF_CHANGES_MAX, PROOFS_MAX};
use crate::log::Leaf;
use crate::replica::{Admission, Held, Replica};

/// The proofs of one request while it is planned.
#[derive(Debug, Default)]
pub(super) struct Proofs<'a> {
    shown: BTreeMap<&'a [u8], Proof>,
    bytes: usize,
}

/// An answer that carried a change, by the key of its row, and what the change's leaf said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found<'a> {
    key: &'a [u8],
    evidence: &'a Evidence,
    admission: Admission,
}

impl<'a> Proofs<'a> {
    /// Whether the request has room to show this; the first always has.
    pub(super) fn has_room(&self, found: Found<'_>) -> bool {
        match self.shown.get(found.key) {
            Some(proof) => proof.admitted.len() < PROOF_CHANGES_MAX,
            None => {
                let bytes = self.bytes.saturating_add(found.evidence.size());
                self.shown.is_empty() || (bytes <= PROOF_BYTES_MAX && self.shown.len() < PROOFS_MAX)
            }
        }
    }

    /// Shows it for the change at this place.
    pub(super) fn show(&mut self, found: Found<'a>, claim: usize, seq: u32) {
        let admitted = Admitted {
            claim,
            seq,
            admitted_at: found.admission.at_s,
            generation: found.admission.generation,
        };
        let bytes = &mut self.bytes;
        let proof = self.shown.entry(found.key).or_insert_with(|| {
            *bytes = bytes.saturating_add(found.evidence.size());
            Proof {
                evidence: found.evidence.clone(),
                admitted: Vec::new(),
            }
        });
        proof.admitted.push(admitted);
    }

    pub(super) fn into_list(self) -> Vec<Proof> {
        self.shown.into_values().collect()
    }
}

impl Replica {
    /// What proves that the log admitted this own change, if it did and lost it.
    pub(super) fn proof_of(&self, at: ChangeRef, held: &Held) -> Option<Found<'_>> {
        let admission = *self.lost.get(&at)?;
        let Admission { at_s, generation } = admission;
        let change = &held.full.change;
        let leaf = Leaf::of_change(held.logbook, change, held.hash, at_s, generation);
        let leaf = leaf.hash(&self.identity.realm, self.identity.log.id());
        let mut all = self.evidence.iter();
        let (key, evidence) = all.find(|(_, evidence)| evidence.leaves.contains(&leaf))?;
        Some(Found {
            key,
            evidence,
            admission,
        })
    }
}
