//! Names of things: fixed-size byte strings, each of a type of its own, and the one way to hash.

use core::fmt;

use sha2::{Digest as _, Sha256};

use crate::bytes::{Malformed, Reader, Writer};
use crate::tags::{FORMAT, Tag};
use crate::vocabulary::Lane;

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;
            /// The bytes.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8] {
                &self.0
            }
            /// Reads it from the front.
            pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
                Ok(Self(r.array()?))
            }
            /// The id whose lower-case hex form this is.
            #[must_use]
            pub fn from_hex(hex: &str) -> Option<Self> {
                let mut out = [0u8; $len];
                let digits = hex.as_bytes();
                if digits.len() != out.len().saturating_mul(2) {
                    return None;
                }
                for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
                    let pair = core::str::from_utf8(pair).ok()?;
                    *byte = u8::from_str_radix(pair, 16).ok()?;
                }
                Some(Self(out))
            }
            /// The id that these bytes are, if they are as many as it has.
            #[must_use]
            pub fn from_slice(bytes: &[u8]) -> Option<Self> {
                bytes.try_into().ok().map(Self)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }
    };
}

byte_id!(
    /// The organisation that runs logs: a ministry, or a demonstration.
    OrgId, 16);
byte_id!(
    /// One log: a province's order of admitted entries.
    LogId, 16);
byte_id!(
    /// The first eight bytes of the hash of a public key.
    KeyId, 8);
byte_id!(
    /// One group (a deployment, not a kind of model).
    GroupId, 16);
byte_id!(
    /// The changes of one installation in one logbook.
    ChainId, 16);
byte_id!(
    /// One record; computed from its creating change, never sent.
    RecordId, 16);
byte_id!(
    /// An administrative area; our own stable id, never an official code.
    AreaRef, 16);
byte_id!(
    /// Drawn at random once per installation of the app.
    InstallationNonce, 16);
byte_id!(
    /// Authorises reads for thirty days; a MAC over device and server day.
    ReadNonce, 8);
byte_id!(
    /// SHA-256.
    Hash32, 32);

/// The realm in which a signature counts: one organisation's one log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Realm {
    /// The organisation.
    pub org: OrgId,
    /// The log.
    pub log: LogId,
}

impl Realm {
    /// Begins a structure that is signed or hashed: tag, format, organisation, log, signer.
    #[must_use]
    pub fn preamble(&self, tag: Tag, signer: KeyId) -> Writer {
        let mut w = Writer::new();
        w.u8(tag.number())
            .u8(FORMAT)
            .raw(self.org.as_bytes())
            .raw(self.log.as_bytes())
            .raw(signer.as_bytes());
        w
    }
}

/// SHA-256 of one byte string.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Hash32 {
    Hash32(Sha256::digest(bytes).into())
}

/// The first 16 bytes of a hash.
#[must_use]
pub fn first16(hash: &Hash32) -> [u8; 16] {
    hash.0.first_chunk::<16>().copied().unwrap_or_default()
}

impl KeyId {
    /// Names a public key: first eight bytes of SHA-256 of (tag, format, key).
    #[must_use]
    pub fn of(public_key: &[u8; 32]) -> Self {
        let mut w = Writer::new();
        w.u8(Tag::Key.number()).u8(FORMAT).raw(public_key);
        let hash = sha256(w.as_bytes());
        Self(hash.0.first_chunk::<8>().copied().unwrap_or_default())
    }
}

/// One group's records in one lane: what a phone replicates and what a permission names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Logbook {
    /// The group.
    pub group: GroupId,
    /// The lane.
    pub lane: Lane,
}

/// Whom an entry is addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feed {
    /// Control entries of the log that every phone needs: keys, vocabulary, generations.
    Log,
    /// Control entries of the log that phones do not pull: officers, areas, backups.
    Office,
    /// Control entries of one group.
    Group(GroupId),
    /// Records that the members of a group share: the open and the mediation lane.
    Shared(Logbook),
    /// Records that only the writing phone sees again: the tip and the protected lane.
    Private(Logbook, KeyId),
}

impl Feed {
    /// The feed of records of `logbook` that `device` writes.
    #[must_use]
    pub fn of_records(logbook: Logbook, device: KeyId) -> Self {
        match logbook.lane {
            Lane::Open | Lane::Mediation => Self::Shared(logbook),
            Lane::Tip | Lane::Protected => Self::Private(logbook, device),
        }
    }
    /// The group, where the feed has one.
    #[must_use]
    pub fn group(&self) -> Option<GroupId> {
        match self {
            Self::Log | Self::Office => None,
            Self::Group(group) => Some(*group),
            Self::Shared(logbook) | Self::Private(logbook, _) => Some(logbook.group),
        }
    }
    /// The logbook, where the feed holds records.
    #[must_use]
    pub fn logbook(&self) -> Option<Logbook> {
        match self {
            Self::Log | Self::Office | Self::Group(_) => None,
            Self::Shared(logbook) | Self::Private(logbook, _) => Some(*logbook),
        }
    }
    /// Fixed form of 26 bytes: kind, group or zeros, lane or zero, device or zeros.
    pub fn write(&self, w: &mut Writer) {
        let (kind, group, lane, device) = match self {
            Self::Log => (0, GroupId::default(), 0, KeyId::default()),
            Self::Office => (1, GroupId::default(), 0, KeyId::default()),
            Self::Group(group) => (2, *group, 0, KeyId::default()),
            Self::Shared(l) => (3, l.group, l.lane.number(), KeyId::default()),
            Self::Private(l, device) => (4, l.group, l.lane.number(), *device),
        };
        w.u8(kind)
            .raw(group.as_bytes())
            .u8(lane)
            .raw(device.as_bytes());
    }
    /// Reads the fixed form.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let kind = r.u8()?;
        let group = GroupId::read(r)?;
        let lane = r.u8()?;
        let device = KeyId::read(r)?;
        let logbook = || {
            let lane = Lane::from_number(lane).ok_or(Malformed::UnknownMark(lane))?;
            Ok::<_, Malformed>(Logbook { group, lane })
        };
        let feed = match kind {
            0 => Self::Log,
            1 => Self::Office,
            2 => Self::Group(group),
            3 => Self::Shared(logbook()?),
            4 => Self::Private(logbook()?, device),
            other => return Err(Malformed::UnknownMark(other)),
        };
        let mut again = Writer::new();
        feed.write(&mut again);
        let mut first = Writer::new();
        first
            .u8(kind)
            .raw(group.as_bytes())
            .u8(lane)
            .raw(device.as_bytes());
        if again.as_bytes() == first.as_bytes() {
            Ok(feed)
        } else {
            Err(Malformed::Range)
        }
    }
    /// How the fixed forms of the feeds begin that hold the records of a group.
    pub(crate) fn begin_of_records(group: GroupId) -> [Vec<u8>; 2] {
        [3u8, 4].map(|kind| {
            let mut w = Writer::new();
            w.u8(kind).raw(group.as_bytes());
            w.into_bytes()
        })
    }
    /// The fixed form as bytes, for a store's key.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        let mut w = Writer::new();
        self.write(&mut w);
        w.into_bytes()
    }
}
