//! The log: four kinds of entry, the leaf of each, the signed head, the receipt of one answer.

use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{Change, ChangeRef};
use crate::ids::{Feed, Hash32, KeyId, Logbook, Realm, sha256};
use crate::keys::{PublicKey, Secret, SignatureBytes};
use crate::merkle::leaf_hash;
use crate::tags::Tag;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    /// A change, admitted.
    Change,
    /// A change, refused or held; only its hash is in the log.
    Aside,
    /// An officer's state or remark.
    Review,
    /// Whatever alters admission.
    Control,
}

impl EntryKind {
    /// The byte in the leaf.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Change => 1,
            Self::Aside => 2,
            Self::Review => 3,
            Self::Control => 4,
        }
    }
    /// The kind of a byte.
    #[must_use]
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Change),
            2 => Some(Self::Aside),
            3 => Some(Self::Review),
            4 => Some(Self::Control),
            _ => None,
        }
    }
}

/// What the tree holds of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// Kind of entry.
    pub kind: EntryKind,
    /// Whom it is addressed to.
    pub feed: Feed,
    /// Its place on its chain.
    pub at: ChangeRef,
    /// Hash of the change, aside or act.
    pub entry: Hash32,
    /// Server time of admission, seconds since 1970: "not after".
    pub admitted_at: i64,
    /// Generation of the log in which it was first admitted.
    pub generation: u32,
}

impl Leaf {
    /// The leaf of an admitted change whose hash is `entry`.
    #[must_use]
    pub fn of_change(
        logbook: Logbook,
        change: &Change,
        entry: Hash32,
        admitted_at: i64,
        generation: u32,
    ) -> Self {
        Self {
            kind: EntryKind::Change,
            feed: Feed::of_records(logbook, change.device),
            at: change.at,
            entry,
            admitted_at,
            generation,
        }
    }

    /// Leaf hash in the tree of this log.
    #[must_use]
    pub fn hash(&self, realm: &Realm, log_key: KeyId) -> Hash32 {
        let mut w = realm.preamble(Tag::Leaf, log_key);
        w.u8(self.kind.number());
        self.feed.write(&mut w);
        self.at.write(&mut w);
        w.raw(self.entry.as_bytes())
            .i64(self.admitted_at)
            .u32(self.generation);
        leaf_hash(w.as_bytes())
    }
}

/// Why a change was set aside. The numbers are promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum AsideReason {
    /// It names a record that is not in this logbook.
    UnknownRecord = 1,
    /// It names heads that are not in the log.
    UnknownHead = 2,
    /// It builds on a change that was set aside, or comes after one of the same chain and record.
    FollowsAside = 3,
    /// Its type, field or value is none of the vocabulary's.
    Vocabulary = 4,
    /// It writes where this lane holds nothing that can be read.
    ClosedLane = 5,
    /// It fills a sealed or reserved field.
    Sealed = 6,
    /// The member's role may not write here.
    Role = 7,
    /// The member is not one of the device's.
    Member = 8,
    /// The record has gathered as many changes as one may.
    TooManyChanges = 9,
    /// The field belongs to the commune.
    NotYours = 10,
    /// It links to a record of another lane from where that must not be seen.
    Link = 11,
    /// The device was never enrolled in this group.
    NotEnrolled = 12,
    /// Held: the right was there at the head that the change names, and no longer at arrival.
    RightLost = 64,
    /// Held: the device was revoked before this arrived.
    Revoked = 65,
}

impl AsideReason {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::UnknownRecord,
        Self::UnknownHead,
        Self::FollowsAside,
        Self::Vocabulary,
        Self::ClosedLane,
        Self::Sealed,
        Self::Role,
        Self::Member,
        Self::TooManyChanges,
        Self::NotYours,
        Self::Link,
        Self::NotEnrolled,
        Self::RightLost,
        Self::Revoked,
    ];
    /// The byte in the entry.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }
    /// The reason of a byte.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|reason| reason.number() == number)
    }
    /// Whether an officer is asked to decide (held), rather than told (refused).
    #[must_use]
    pub const fn is_held(self) -> bool {
        self.number() >= Self::RightLost.number()
    }
}

/// Hash of an Aside entry: the place and hash of the change, and the reason.
#[must_use]
pub fn aside_hash(
    realm: &Realm,
    log_key: KeyId,
    at: ChangeRef,
    change: &Hash32,
    reason: AsideReason,
) -> Hash32 {
    let mut w = realm.preamble(Tag::Aside, log_key);
    at.write(&mut w);
    w.raw(change.as_bytes()).u8(reason.number());
    sha256(w.as_bytes())
}

/// State of the log at a size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Counts restores of the server.
    pub generation: u32,
    /// Size at which this generation began.
    pub generation_start: u64,
    /// Number of entries.
    pub size: u64,
    /// Entries, from the first, that a confirmed copy on another disk holds; 0 while there is none.
    pub safe_size: u64,
    /// Root of the tree.
    pub root: Hash32,
    /// Server time, seconds since 1970.
    pub time_s: i64,
}

impl Head {
    fn write(&self, w: &mut Writer) {
        w.u32(self.generation)
            .u64(self.generation_start)
            .u64(self.size)
            .u64(self.safe_size);
        w.raw(self.root.as_bytes()).i64(self.time_s);
    }
    /// Sixty-eight bytes.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.into_bytes()
    }
    /// Reads the fixed form.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            generation: r.u32()?,
            generation_start: r.u64()?,
            size: r.u64()?,
            safe_size: r.u64()?,
            root: Hash32::read(r)?,
            time_s: r.i64()?,
        })
    }
    fn preimage(&self, realm: &Realm, log_key: KeyId) -> Vec<u8> {
        let mut w = realm.preamble(Tag::Head, log_key);
        self.write(&mut w);
        w.into_bytes()
    }
    /// Signs the head alone, as it stands in a QR and in a backup.
    #[must_use]
    pub fn sign(&self, realm: &Realm, log: &Secret) -> SignatureBytes {
        log.sign(&self.preimage(realm, log.id()))
    }
    /// Checks the signature of a head alone.
    #[must_use]
    pub fn verifies(&self, realm: &Realm, log: &PublicKey, signature: &SignatureBytes) -> bool {
        log.verifies(&self.preimage(realm, log.id()), signature)
    }
}

/// A head whose signature also covers what one answer said: the phone keeps it, and can prove
/// later what it sent and what it pulled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// The head.
    pub head: Head,
    /// Hash of statement, fates, leaves and layout: see [`answer_hash`].
    pub answer: Hash32,
    /// The log's signature over both.
    pub signature: SignatureBytes,
}

/// Hash of what an answer said: the statement it answers, its fates, the leaves it carried, and the
/// hash of its whole layout. Fates and leaves stand apart, so that they can be proved later without
/// what the entries said.
#[must_use]
pub fn answer_hash(
    realm: &Realm,
    log_key: KeyId,
    statement: &Hash32,
    fates: &[u8],
    leaves: &[Hash32],
    layout: &Hash32,
) -> Hash32 {
    let mut w = realm.preamble(Tag::Answer, log_key);
    w.raw(statement.as_bytes()).block(fates).count(leaves.len());
    for leaf in leaves {
        w.raw(leaf.as_bytes());
    }
    w.raw(layout.as_bytes());
    sha256(w.as_bytes())
}

impl Receipt {
    fn preimage(realm: &Realm, log_key: KeyId, head: &Head, answer: &Hash32) -> Vec<u8> {
        let mut w = realm.preamble(Tag::Receipt, log_key);
        head.write(&mut w);
        w.raw(answer.as_bytes());
        w.into_bytes()
    }
    /// Signs. Only what was appended has a head, so nothing is acknowledged before.
    #[must_use]
    pub fn sign(realm: &Realm, log: &Secret, head: Head, answer: Hash32) -> Self {
        let signature = log.sign(&Self::preimage(realm, log.id(), &head, &answer));
        Self {
            head,
            answer,
            signature,
        }
    }
    /// Checks the signature.
    #[must_use]
    pub fn verifies(&self, realm: &Realm, log: &PublicKey) -> bool {
        let preimage = Self::preimage(realm, log.id(), &self.head, &self.answer);
        log.verifies(&preimage, &self.signature)
    }
    /// Stored form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        self.head.write(&mut w);
        w.raw(self.answer.as_bytes()).raw(&self.signature);
        w.into_bytes()
    }
    /// Reads the stored form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let receipt = Self {
            head: Head::read(&mut r)?,
            answer: Hash32::read(&mut r)?,
            signature: r.array()?,
        };
        r.end()?;
        Ok(receipt)
    }
}

/// The 128-bit sum by which phone and server compare what was pulled: of the first half of every
/// leaf hash addressed to the phone, in any order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Digest(pub u128);

impl Digest {
    /// Adds one leaf.
    #[must_use]
    pub fn plus(self, leaf: &Hash32) -> Self {
        Self(
            self.0
                .wrapping_add(u128::from_be_bytes(crate::ids::first16(leaf))),
        )
    }
    /// What a request names of it. Against accidents 64 bits are plenty, and a phone that lies
    /// about what it pulled deceives itself alone.
    #[must_use]
    pub fn low(self) -> u64 {
        let bytes = self.0.to_be_bytes();
        bytes.last_chunk().copied().map_or(0, u64::from_be_bytes)
    }
    /// Adds another sum.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}
