//! Proofs on request: that an entry is in the log, and that the log only grew.
//!
//! Both lead to a head that the log signs, and can be checked by anybody who has its key: without
//! this server, and without the words of any entry.

use crate::hub::Hub;
use crate::hub::facts;
use crate::hub::ledger::{LedgerFault, View};
use crate::ids::{Hash32, Realm};
use crate::keys::{PublicKey, SignatureBytes};
use crate::log::{Head, Leaf};
use crate::merkle::{consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};

/// A head that stands alone, as in a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignedHead {
    /// The head.
    pub head: Head,
    /// The log's signature of it.
    pub signature: SignatureBytes,
}

/// That an entry is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryProof {
    /// Its index.
    pub index: u64,
    /// What the tree holds of it.
    pub leaf: Leaf,
    /// The inclusion proof of RFC 9162, 2.1.3, from the leaf up.
    pub path: Vec<Hash32>,
    /// The head that it leads to.
    pub head: SignedHead,
}

/// That the log of an earlier size is the beginning of the log now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrowthProof {
    /// The earlier size.
    pub size: u64,
    /// Root at that size.
    pub root: Hash32,
    /// The consistency proof of RFC 9162, 2.1.4.
    pub path: Vec<Hash32>,
    /// The head now.
    pub head: SignedHead,
}

impl EntryProof {
    /// Whether it proves what it says to one who trusts this key.
    #[must_use]
    pub fn holds(&self, realm: &Realm, log: &PublicKey) -> bool {
        let SignedHead { head, signature } = &self.head;
        let leaf = self.leaf.hash(realm, log.id());
        head.verifies(realm, log, signature)
            && verify_inclusion(leaf, self.index, head.size, &self.path, &head.root)
    }
}

impl GrowthProof {
    /// Whether it proves what it says to one who trusts this key.
    #[must_use]
    pub fn holds(&self, realm: &Realm, log: &PublicKey) -> bool {
        let SignedHead { head, signature } = &self.head;
        let (old, new) = ((self.size, &self.root), (head.size, &head.root));
        head.verifies(realm, log, signature) && verify_consistency(old, new, &self.path)
    }
}

impl Hub {
    /// Proves that an entry is in the log; `None` when there is none of this index.
    pub fn prove_entry(
        &self,
        view: &impl View,
        index: u64,
        now_s: i64,
    ) -> Result<Option<EntryProof>, LedgerFault> {
        let Some(entry) = facts::entry(view, index)? else {
            return Ok(None);
        };
        let head = self.head_alone(view, now_s)?;
        let path = facts::with_nodes(view, |node| inclusion_proof(index, head.head.size, node))?;
        Ok(Some(EntryProof {
            index,
            leaf: entry.leaf,
            path,
            head,
        }))
    }

    /// Proves that the log of `size` entries is the beginning of the log now; `None` when the log
    /// never had that size, or for 0, which proves nothing.
    pub fn prove_growth(
        &self,
        view: &impl View,
        size: u64,
        now_s: i64,
    ) -> Result<Option<GrowthProof>, LedgerFault> {
        let head = self.head_alone(view, now_s)?;
        if size == 0 || size > head.head.size {
            return Ok(None);
        }
        let path = facts::with_nodes(view, |node| consistency_proof(size, head.head.size, node))?;
        Ok(Some(GrowthProof {
            size,
            root: facts::frontier_at(view, size)?.root(),
            path,
            head,
        }))
    }

    fn head_alone(&self, view: &impl View, now_s: i64) -> Result<SignedHead, LedgerFault> {
        let head = facts::log_state(view)?.head(now_s);
        let signature = head.sign(&self.realm, &self.log);
        Ok(SignedHead { head, signature })
    }
}
