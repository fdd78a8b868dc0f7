//! The tree of RFC 6962 over the log's entries: append, root, proofs of inclusion and consistency.

use crate::ids::{Hash32, sha256};

/// Hash of a leaf: SHA-256 of 0x00 and the leaf's bytes (RFC 6962, section 2.1).
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Hash32 {
    let mut bytes = Vec::with_capacity(leaf.len().saturating_add(1));
    bytes.push(0);
    bytes.extend_from_slice(leaf);
    sha256(&bytes)
}

/// Hash of two subtrees: SHA-256 of 0x01, left, right.
#[must_use]
pub fn node_hash(left: &Hash32, right: &Hash32) -> Hash32 {
    let mut bytes = [1u8; 65];
    let (_, halves) = bytes.split_at_mut(1);
    let (first, second) = halves.split_at_mut(32);
    first.copy_from_slice(&left.0);
    second.copy_from_slice(&right.0);
    sha256(&bytes)
}

/// Where a complete subtree stands: `2^level` leaves beginning at leaf `index * 2^level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct NodeAt {
    /// Height above the leaves.
    pub level: u8,
    /// Position among the subtrees of this height.
    pub index: u64,
}

/// What must be kept to append: the roots of the complete subtrees, largest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<(u8, Hash32)>,
}

impl Frontier {
    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Rebuilds the frontier of a tree of `size` leaves from its complete subtrees.
    #[must_use]
    pub fn rebuild(size: u64, mut node: impl FnMut(NodeAt) -> Option<Hash32>) -> Option<Self> {
        let mut peaks = Vec::new();
        let mut start = 0u64;
        for level in (0..64u8).rev() {
            if size & (1u64 << level) != 0 {
                peaks.push((
                    level,
                    node(NodeAt {
                        level,
                        index: start >> level,
                    })?,
                ));
                start = start.saturating_add(1u64 << level);
            }
        }
        Some(Self { size, peaks })
    }

    /// Appends a leaf hash; returns every subtree that is complete now, the leaf first.
    pub fn push(&mut self, leaf: Hash32) -> Vec<(NodeAt, Hash32)> {
        let at = self.size;
        let mut done = vec![(
            NodeAt {
                level: 0,
                index: at,
            },
            leaf,
        )];
        let (mut level, mut hash) = (0u8, leaf);
        while let Some((peak_level, peak)) = self.peaks.last().copied() {
            if peak_level != level {
                break;
            }
            self.peaks.pop();
            hash = node_hash(&peak, &hash);
            level = level.saturating_add(1);
            done.push((
                NodeAt {
                    level,
                    index: at >> level,
                },
                hash,
            ));
        }
        self.peaks.push((level, hash));
        self.size = self.size.saturating_add(1);
        done
    }

    /// Root of the tree; SHA-256 of nothing when it is empty.
    #[must_use]
    pub fn root(&self) -> Hash32 {
        let mut peaks = self.peaks.iter().rev().map(|(_, hash)| *hash);
        let Some(last) = peaks.next() else {
            return sha256(&[]);
        };
        peaks.fold(last, |right, left| node_hash(&left, &right))
    }
}

/// Largest power of two smaller than `n` (for `n` > 1).
fn split(n: u64) -> u64 {
    1u64 << (63u32.saturating_sub(n.saturating_sub(1).leading_zeros()))
}

/// Root of the leaves `start .. start + n`, from complete subtrees.
fn range_root(
    start: u64,
    n: u64,
    node: &mut impl FnMut(NodeAt) -> Option<Hash32>,
) -> Option<Hash32> {
    if n.is_power_of_two() && start.is_multiple_of(n) {
        let level = u8::try_from(n.trailing_zeros()).ok()?;
        return node(NodeAt {
            level,
            index: start >> level,
        });
    }
    let left = split(n);
    let l = range_root(start, left, node)?;
    let r = range_root(start.checked_add(left)?, n.checked_sub(left)?, node)?;
    Some(node_hash(&l, &r))
}

/// Proof that leaf `index` stands in the tree of `size` leaves, bottom up; `None` where a subtree
/// is not at hand or the index is outside.
#[must_use]
pub fn inclusion_proof(
    index: u64,
    size: u64,
    mut node: impl FnMut(NodeAt) -> Option<Hash32>,
) -> Option<Vec<Hash32>> {
    if index >= size {
        return None;
    }
    let mut proof = Vec::new();
    let (mut start, mut n) = (0u64, size);
    while n > 1 {
        let left = split(n);
        let right = n.checked_sub(left)?;
        let middle = start.checked_add(left)?;
        if index < middle {
            proof.push(range_root(middle, right, &mut node)?);
            n = left;
        } else {
            proof.push(range_root(start, left, &mut node)?);
            start = middle;
            n = right;
        }
    }
    proof.reverse();
    Some(proof)
}

/// Whether `proof` leads from a leaf hash to `root` (RFC 9162, section 2.1.3.2).
#[must_use]
pub fn verify_inclusion(
    leaf: Hash32,
    index: u64,
    size: u64,
    proof: &[Hash32],
    root: &Hash32,
) -> bool {
    if index >= size {
        return false;
    }
    let (mut place, mut last) = (index, size.saturating_sub(1));
    let mut hash = leaf;
    for sibling in proof {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            hash = node_hash(sibling, &hash);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && hash == *root
}

/// Proof that the tree of `old` leaves is a beginning of the tree of `new` leaves.
#[must_use]
pub fn consistency_proof(
    old: u64,
    new: u64,
    mut node: impl FnMut(NodeAt) -> Option<Hash32>,
) -> Option<Vec<Hash32>> {
    if old == 0 || old > new {
        return None;
    }
    let mut proof = Vec::new();
    let (mut start, mut m, mut n, mut whole) = (0u64, old, new, true);
    while m != n {
        let left = split(n);
        if m <= left {
            proof.push(range_root(
                start.checked_add(left)?,
                n.checked_sub(left)?,
                &mut node,
            )?);
            n = left;
        } else {
            proof.push(range_root(start, left, &mut node)?);
            start = start.checked_add(left)?;
            m = m.checked_sub(left)?;
            n = n.checked_sub(left)?;
            whole = false;
        }
    }
    if !whole {
        proof.push(range_root(start, m, &mut node)?);
    }
    proof.reverse();
    Some(proof)
}

/// Whether `proof` shows that `old_root` is a beginning of `new_root` (RFC 9162, 2.1.4.2).
#[must_use]
pub fn verify_consistency(
    (old, old_root): (u64, &Hash32),
    (new, new_root): (u64, &Hash32),
    proof: &[Hash32],
) -> bool {
    if old == 0 || old > new {
        return false;
    }
    if old == new {
        return proof.is_empty() && old_root == new_root;
    }
    let mut path = proof.iter();
    let (mut place, mut last) = (old.saturating_sub(1), new.saturating_sub(1));
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let first = if old.is_power_of_two() {
        Some(old_root)
    } else {
        path.next()
    };
    let Some(first) = first else { return false };
    let (mut small, mut large) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if place & 1 == 1 || place == last {
            small = node_hash(sibling, &small);
            large = node_hash(sibling, &large);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            large = node_hash(&large, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    last == 0 && small == *old_root && large == *new_root
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The definition of RFC 6962, written down once more, slowly.
    fn by_definition(leaves: &[Hash32]) -> Hash32 {
        match leaves {
            [] => sha256(&[]),
            [one] => *one,
            many => {
                let k = usize::try_from(split(many.len() as u64)).unwrap();
                node_hash(&by_definition(&many[..k]), &by_definition(&many[k..]))
            }
        }
    }

    #[test]
    fn roots_and_proofs_agree_with_the_definition() {
        let mut frontier = Frontier::default();
        let mut nodes = BTreeMap::new();
        let mut leaves = Vec::new();
        let mut roots = vec![frontier.root()];
        for i in 0u8..70 {
            let leaf = leaf_hash(&[i]);
            leaves.push(leaf);
            nodes.extend(frontier.push(leaf));
            assert_eq!(frontier.root(), by_definition(&leaves));
            roots.push(frontier.root());
            let size = u64::from(i) + 1;
            assert_eq!(
                Frontier::rebuild(size, |at| nodes.get(&at).copied()),
                Some(frontier.clone())
            );
            for index in 0..size {
                let proof = inclusion_proof(index, size, |at| nodes.get(&at).copied()).unwrap();
                let leaf = leaves[usize::try_from(index).unwrap()];
                assert!(verify_inclusion(
                    leaf,
                    index,
                    size,
                    &proof,
                    &frontier.root()
                ));
                assert!(!verify_inclusion(
                    leaf_hash(b"x"),
                    index,
                    size,
                    &proof,
                    &frontier.root()
                ));
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!verify_inclusion(
                        leaf,
                        index,
                        size,
                        shorter,
                        &frontier.root()
                    ));
                }
            }
            for old in 1..=size {
                let proof = consistency_proof(old, size, |at| nodes.get(&at).copied()).unwrap();
                let old_root = roots[usize::try_from(old).unwrap()];
                assert!(verify_consistency(
                    (old, &old_root),
                    (size, &frontier.root()),
                    &proof
                ));
                let wrong = leaf_hash(b"y");
                assert!(!verify_consistency(
                    (old, &wrong),
                    (size, &frontier.root()),
                    &proof
                ));
            }
        }
    }

    #[test]
    fn the_known_empty_root_and_leaf() {
        // RFC 6962: the hash of an empty tree is SHA-256 of nothing.
        assert_eq!(
            Frontier::default().root().to_string(),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
        assert_eq!(
            leaf_hash(&[]).to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
    }
}
