//! What a phone keeps of an answer: enough to prove later what was acknowledged and admitted.

use crate::bytes::{Malformed, Reader, Writer};
use crate::exchange::row::read_list;
use crate::ids::{Hash32, Realm};
use crate::keys::PublicKey;
use crate::limits::{ANSWER_ENTRIES_MAX, PROOF_CHANGES_MAX, STATEMENT_CHAINS_MAX};
use crate::log::{Receipt, answer_hash};

/// A receipt with all that its answer hash is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The receipt.
    pub receipt: Receipt,
    /// Hash of the statement that was answered.
    pub statement: Hash32,
    /// The fates, as the receipt covers them.
    pub fates: Vec<u8>,
    /// Leaves of the entries of the answer.
    pub leaves: Vec<Hash32>,
    /// Hash of the answer's layout.
    pub layout: Hash32,
}

/// A change that the log admitted once, with what the leaf of that entry says beside the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admitted {
    /// Place of its chain among the claims.
    pub claim: usize,
    /// Its number.
    pub seq: u32,
    /// Server time of its admission.
    pub admitted_at: i64,
    /// Generation in which it was first admitted.
    pub generation: u32,
}

/// What a phone shows after a restore: this answer told of these changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The answer.
    pub evidence: Evidence,
    /// The changes, all among the runs of the same request.
    pub admitted: Vec<Admitted>,
}

impl Evidence {
    /// Bytes that it takes, for a budget.
    #[must_use]
    pub fn size(&self) -> usize {
        let leaves = self.leaves.len().saturating_mul(Hash32::LEN);
        RECEIPT_COST
            .saturating_add(self.fates.len())
            .saturating_add(leaves)
    }

    /// Whether the log signed all of it.
    #[must_use]
    pub fn verifies(&self, realm: &Realm, log: &PublicKey) -> bool {
        let Self {
            receipt,
            statement,
            fates,
            leaves,
            layout,
        } = self;
        receipt.answer == answer_hash(realm, log.id(), statement, fates, leaves, layout)
            && receipt.verifies(realm, log)
    }

    /// Stored form.
    pub fn write(&self, w: &mut Writer) {
        w.block(&self.receipt.to_bytes())
            .raw(self.statement.as_bytes())
            .block(&self.fates)
            .count(self.leaves.len());
        for leaf in &self.leaves {
            w.raw(leaf.as_bytes());
        }
        w.raw(self.layout.as_bytes());
    }

    /// Reads the stored form.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            receipt: Receipt::from_bytes(r.block(RECEIPT_COST)?)?,
            statement: Hash32::read(r)?,
            fates: r.block(r.rest().len())?.to_vec(),
            leaves: read_list(r, ANSWER_ENTRIES_MAX, Hash32::read)?,
            layout: Hash32::read(r)?,
        })
    }
}

/// More than what is not fates and leaves takes.
const RECEIPT_COST: usize = 256;

impl Proof {
    pub(super) fn write(&self, w: &mut Writer) {
        self.evidence.write(w);
        w.count(self.admitted.len());
        for admitted in &self.admitted {
            w.count(admitted.claim)
                .varint(u64::from(admitted.seq))
                .i64(admitted.admitted_at)
                .varint(u64::from(admitted.generation));
        }
    }

    pub(super) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            evidence: Evidence::read(r)?,
            admitted: read_list(r, PROOF_CHANGES_MAX, |r| {
                Ok(Admitted {
                    claim: r.count(STATEMENT_CHAINS_MAX)?,
                    seq: r.small()?,
                    admitted_at: r.i64()?,
                    generation: r.small()?,
                })
            })?,
        })
    }
}
