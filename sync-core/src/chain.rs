//! Chains, and the one signed statement of a visit over the tips of all of them (D4, D5).

use thiserror::Error;

use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{ChangeRef, FullChange};
use crate::ids::{
    ChainId, Hash32, InstallationNonce, KeyId, Logbook, ReadNonce, Realm, first16, sha256,
};
use crate::keys::{PublicKey, Secret, SignatureBytes};
use crate::limits::STATEMENT_CHAINS_MAX;
use crate::tags::{FORMAT, Tag};

/// Name of the chain of one installation in one logbook: hash of (organisation, device key,
/// installation nonce, group, lane).
#[must_use]
pub fn chain_id(
    realm: &Realm,
    device: &PublicKey,
    installation: InstallationNonce,
    logbook: Logbook,
) -> ChainId {
    let mut w = Writer::new();
    w.u8(Tag::Chain.number())
        .u8(FORMAT)
        .raw(realm.org.as_bytes())
        .raw(&device.0)
        .raw(installation.as_bytes())
        .raw(logbook.group.as_bytes())
        .u8(logbook.lane.number());
    ChainId(first16(&sha256(w.as_bytes())))
}

/// Leaf of a statement: one chain's tip. Only the leaf of a run's own chain is ever opened to
/// others, so a reader of one logbook learns nothing of another's tip.
#[must_use]
pub fn tip_leaf(realm: &Realm, device: KeyId, tip: ChangeRef, hash: &Hash32) -> Hash32 {
    let mut w = realm.preamble(Tag::Tip, device);
    tip.write(&mut w);
    w.raw(hash.as_bytes());
    sha256(w.as_bytes())
}

/// What a device signs at each visit. Nothing in it has been checked: see [`Statement::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// Key of the device.
    pub device: KeyId,
    /// Authorises reads while it is fresh.
    pub nonce: ReadNonce,
    /// Hash of what the request asks for.
    pub cursors: Hash32,
    /// Leaf of every chain the device holds, ascending by chain name.
    pub tips: Vec<Hash32>,
    /// Signature of the device over all of it.
    pub signature: SignatureBytes,
}

impl Statement {
    /// Makes and signs a statement.
    #[must_use]
    pub fn sign(
        realm: &Realm,
        secret: &Secret,
        nonce: ReadNonce,
        cursors: Hash32,
        tips: Vec<Hash32>,
    ) -> Self {
        let mut statement = Self {
            device: secret.id(),
            nonce,
            cursors,
            tips,
            signature: [0; 64],
        };
        statement.signature = secret.sign(&statement.preimage(realm));
        statement
    }

    /// Hash of what is signed: a receipt names it.
    #[must_use]
    pub fn hash(&self, realm: &Realm) -> Hash32 {
        sha256(&self.preimage(realm))
    }

    fn preimage(&self, realm: &Realm) -> Vec<u8> {
        let mut w = realm.preamble(Tag::Statement, self.device);
        w.raw(self.nonce.as_bytes())
            .raw(self.cursors.as_bytes())
            .count(self.tips.len());
        for tip in &self.tips {
            w.raw(tip.as_bytes());
        }
        w.into_bytes()
    }

    /// Checks the signature; the result is the witness that the device said this.
    #[must_use]
    pub fn verify(self, realm: &Realm, key: &PublicKey) -> Option<VerifiedStatement> {
        let holds = key.id() == self.device && key.verifies(&self.preimage(realm), &self.signature);
        holds.then(|| VerifiedStatement {
            hash: self.hash(realm),
            statement: self,
        })
    }

    /// Stored form: evidence for the runs that came with it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(self.device.as_bytes())
            .raw(self.nonce.as_bytes())
            .raw(self.cursors.as_bytes());
        w.count(self.tips.len());
        for tip in &self.tips {
            w.raw(tip.as_bytes());
        }
        w.raw(&self.signature);
        w.into_bytes()
    }

    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let (device, nonce) = (KeyId::read(&mut r)?, ReadNonce::read(&mut r)?);
        let cursors = Hash32::read(&mut r)?;
        let mut tips = Vec::new();
        for _ in 0..r.count(STATEMENT_CHAINS_MAX)? {
            tips.push(Hash32::read(&mut r)?);
        }
        let signature = r.array()?;
        r.end()?;
        Ok(Self {
            device,
            nonce,
            cursors,
            tips,
            signature,
        })
    }
}

/// A statement whose signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifiedStatement {
    statement: Statement,
    hash: Hash32,
}

impl VerifiedStatement {
    /// The statement.
    #[must_use]
    pub fn statement(&self) -> &Statement {
        &self.statement
    }
    /// Hash of what was signed: a receipt names it.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        self.hash
    }

    /// Takes changes as a run of this device's chain, if they follow one another from `previous`
    /// and the last of them is the tip that the statement signed.
    pub fn run(
        &self,
        realm: &Realm,
        changes: Vec<FullChange>,
        previous: Hash32,
    ) -> Result<VerifiedRun, BrokenRun> {
        let mut hashes = Vec::with_capacity(changes.len());
        let mut before = previous;
        for (place, full) in changes.iter().enumerate() {
            let first = changes
                .first()
                .map_or(full.change.at, |first| first.change.at);
            let offset = u32::try_from(place).map_err(|_out_of_range| BrokenRun::Number)?;
            let expected = first.seq.checked_add(offset).ok_or(BrokenRun::Number)?;
            if full.change.at
                != (ChangeRef {
                    chain: first.chain,
                    seq: expected,
                })
            {
                return Err(BrokenRun::Number);
            }
            if full.change.device != self.statement.device {
                return Err(BrokenRun::Device);
            }
            if full.change.previous != before {
                return Err(BrokenRun::Previous);
            }
            full.check()?;
            before = full.change.hash(realm);
            hashes.push(before);
        }
        let (Some(last), Some(tip)) = (changes.last(), hashes.last()) else {
            return Err(BrokenRun::Number);
        };
        let leaf = tip_leaf(realm, self.statement.device, last.change.at, tip);
        if !self.statement.tips.contains(&leaf) {
            return Err(BrokenRun::Unsigned);
        }
        Ok(VerifiedRun { changes, hashes })
    }
}

/// Why changes are no run of the device that sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BrokenRun {
    /// The numbers do not follow one another.
    #[error("the numbers of the changes do not follow one another")]
    Number,
    /// A change names another device.
    #[error("a change names another device")]
    Device,
    /// A change does not name the hash of the one before.
    #[error("a change does not name the one before it")]
    Previous,
    /// The last change is not the tip that was signed.
    #[error("the signature does not cover the last change")]
    Unsigned,
    /// A change is not well made.
    #[error("a change is not well made: {0}")]
    Change(#[from] Malformed),
}

/// Changes that follow one another on one chain under one signature.
#[derive(Debug, Clone)]
pub struct VerifiedRun {
    changes: Vec<FullChange>,
    hashes: Vec<Hash32>,
}

impl VerifiedRun {
    /// The changes with their hashes, in order.
    pub fn changes(&self) -> impl Iterator<Item = (&FullChange, &Hash32)> {
        self.changes.iter().zip(&self.hashes)
    }
    /// The changes with their hashes, in order.
    #[must_use]
    pub fn into_changes(self) -> Vec<(FullChange, Hash32)> {
        self.changes.into_iter().zip(self.hashes).collect()
    }
}

#[cfg(test)]
mod tests;
