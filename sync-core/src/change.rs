//! A change: what one person saved at once, on one chain, about one record.
//!
//! What is hashed is a fixed preimage in which every erasable value stands as a salted hash. The
//! values travel beside it as [`Parts`]; they can go and the change still verifies.

use std::collections::BTreeMap;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::{ChainId, Hash32, KeyId, Realm, RecordId, first16, sha256};
use crate::limits::{CHANGE_BYTES_MAX, CHANGE_HEADS_MAX, CHANGE_OPS_MAX};
use crate::tags::{FORMAT, Tag};
use crate::value::{FieldKey, Value};

/// A change by its place: chain and number on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangeRef {
    /// The chain.
    pub chain: ChainId,
    /// From 1, without a gap.
    pub seq: u32,
}

impl ChangeRef {
    /// Twenty bytes.
    pub fn write(&self, w: &mut Writer) {
        w.raw(self.chain.as_bytes()).u32(self.seq);
    }
    /// Reads the twenty bytes.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            chain: ChainId::read(r)?,
            seq: r.u32()?,
        })
    }
}

/// What a change does to its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Creates it, in this type of this vocabulary version.
    Create {
        /// Number of the record type.
        record_type: u16,
        /// Version of the vocabulary that the phone used.
        vocabulary: u16,
    },
    /// Edits it.
    Edit,
}

/// What stands at a key under the hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Slot {
    /// The value itself.
    Plain(Value),
    /// Salted hash of a value that can be erased.
    Part(Hash32),
}

/// The signed content of one save. Build it with [`Draft::seal`] or [`Change::from_bytes`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Chain and number.
    pub at: ChangeRef,
    /// Key of the device that wrote.
    pub device: KeyId,
    /// Hash of the change before on this chain; zeros for the first.
    pub previous: Hash32,
    /// The record it is about.
    pub record: RecordId,
    /// Creation or edit.
    pub act: Act,
    /// The phone's clock, in seconds since 1970; shown, never trusted.
    pub clock_s: i64,
    /// Seconds on the phone's monotonic counter.
    pub mono_s: u32,
    /// Size of the newest head that the phone had seen: "not before".
    pub seen: u64,
    /// The record's heads that the author saw, ascending; empty for a creation.
    pub heads: Vec<ChangeRef>,
    /// Keys and what stands there, ascending by key.
    pub slots: Vec<(FieldKey, Slot)>,
}

/// What salts the parts of one change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Secret {
    /// The seed, from which every salt follows.
    Seed([u8; 16]),
    /// After an erasure: the salts of what remains.
    Salts(BTreeMap<FieldKey, [u8; 16]>),
}

/// The erasable values of one change with what salts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parts {
    /// Seed or remaining salts.
    pub secret: Secret,
    /// The values that are still there.
    pub values: BTreeMap<FieldKey, Value>,
}

/// Salt of one field: HMAC-SHA256 of the seed over (number, item), first sixteen bytes.
#[must_use]
pub fn salt_of(seed: &[u8; 16], key: FieldKey) -> [u8; 16] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(seed).expect("any key length");
    mac.update(&key.number.to_be_bytes());
    mac.update(&key.item.to_be_bytes());
    first16(&Hash32(mac.finalize().into_bytes().into()))
}

/// Salted hash of a part: (tag, format, salt, number, item, value).
#[must_use]
pub fn part_hash(salt: &[u8; 16], key: FieldKey, value: &Value) -> Hash32 {
    let mut w = Writer::new();
    w.u8(Tag::Part.number())
        .u8(FORMAT)
        .raw(salt)
        .u16(key.number)
        .u32(key.item);
    value.write(&mut w);
    sha256(w.as_bytes())
}

/// The field number whose salt names the record: no field has it.
const RECORD_SALT: FieldKey = FieldKey {
    number: u16::MAX,
    item: u32::MAX,
};

/// Name of the record that the change at `at` creates with this seed.
#[must_use]
pub fn record_id(at: ChangeRef, seed: &[u8; 16]) -> RecordId {
    let mut w = Writer::new();
    w.u8(Tag::Record.number()).u8(FORMAT);
    at.write(&mut w);
    w.raw(&salt_of(seed, RECORD_SALT));
    RecordId(first16(&sha256(w.as_bytes())))
}

impl Parts {
    /// Salt of a key, while there is one.
    #[must_use]
    pub fn salt(&self, key: FieldKey) -> Option<[u8; 16]> {
        match &self.secret {
            Secret::Seed(seed) => Some(salt_of(seed, key)),
            Secret::Salts(salts) => salts.get(&key).copied(),
        }
    }

    /// Removes the values at `keys`; the seed gives way to the salts of what remains.
    pub fn erase(&mut self, keys: &[FieldKey]) {
        self.values.retain(|key, _| !keys.contains(key));
        self.secret = Secret::Salts(
            self.values
                .keys()
                .filter_map(|key| Some((*key, self.salt(*key)?)))
                .collect(),
        );
    }

    /// Seed or salts, then the values by key.
    pub fn write(&self, w: &mut Writer) {
        match &self.secret {
            Secret::Seed(seed) => {
                w.u8(0).raw(seed);
            }
            Secret::Salts(salts) => {
                w.u8(1).count(salts.len());
                for (key, salt) in salts {
                    w.u16(key.number).u32(key.item).raw(salt);
                }
            }
        }
        w.count(self.values.len());
        for (key, value) in &self.values {
            w.u16(key.number).u32(key.item);
            value.write(w);
        }
    }

    /// Reads what [`Self::write`] wrote; keys must ascend.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let secret = match r.u8()? {
            0 => Secret::Seed(r.array()?),
            1 => Secret::Salts(read_map(r, |r| r.array())?),
            other => return Err(Malformed::UnknownMark(other)),
        };
        Ok(Self {
            secret,
            values: read_map(r, Value::read)?,
        })
    }
}

fn read_map<T>(
    r: &mut Reader<'_>,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<BTreeMap<FieldKey, T>, Malformed> {
    let mut map = BTreeMap::new();
    for _ in 0..r.count(CHANGE_OPS_MAX)? {
        let key = FieldKey {
            number: r.u16()?,
            item: r.u32()?,
        };
        if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
            return Err(Malformed::Order);
        }
        map.insert(key, read(r)?);
    }
    Ok(map)
}

/// A change with its erasable values: what travels and what is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullChange {
    /// What is hashed.
    pub change: Change,
    /// What can be erased.
    pub parts: Parts,
}

/// What a phone knows when a person saves, before it is hashed.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Place on the chain.
    pub at: ChangeRef,
    /// Key of the device.
    pub device: KeyId,
    /// Hash of the change before.
    pub previous: Hash32,
    /// `None` creates a record.
    pub record: Option<RecordId>,
    /// Creation or edit.
    pub act: Act,
    /// The phone's clock.
    pub clock_s: i64,
    /// Monotonic seconds.
    pub mono_s: u32,
    /// Newest head size seen.
    pub seen: u64,
    /// Heads of the record that the author saw.
    pub heads: Vec<ChangeRef>,
    /// Values that stay under the hash as they are.
    pub plain: BTreeMap<FieldKey, Value>,
    /// Values that can be erased, the author's member number among them.
    pub parts: BTreeMap<FieldKey, Value>,
    /// Sixteen random bytes.
    pub seed: [u8; 16],
}

impl Draft {
    /// Computes record name, part hashes and canonical order.
    #[must_use]
    pub fn seal(mut self) -> FullChange {
        let record = self
            .record
            .unwrap_or_else(|| record_id(self.at, &self.seed));
        let parts = Parts {
            secret: Secret::Seed(self.seed),
            values: self.parts,
        };
        let mut slots: BTreeMap<FieldKey, Slot> = self
            .plain
            .into_iter()
            .map(|(key, value)| (key, Slot::Plain(value)))
            .collect();
        for (key, value) in &parts.values {
            slots.insert(
                *key,
                Slot::Part(part_hash(&salt_of(&self.seed, *key), *key, value)),
            );
        }
        self.heads.sort_unstable();
        self.heads.dedup();
        let change = Change {
            at: self.at,
            device: self.device,
            previous: self.previous,
            record,
            act: self.act,
            clock_s: self.clock_s,
            mono_s: self.mono_s,
            seen: self.seen,
            heads: self.heads,
            slots: slots.into_iter().collect(),
        };
        FullChange { change, parts }
    }
}

impl Change {
    /// The bytes under the hash.
    #[must_use]
    pub fn preimage(&self, realm: &Realm) -> Vec<u8> {
        let mut w = realm.preamble(Tag::Change, self.device);
        self.write(&mut w);
        w.into_bytes()
    }

    /// Its hash: what the next change names, what the log's leaf holds.
    #[must_use]
    pub fn hash(&self, realm: &Realm) -> Hash32 {
        sha256(&self.preimage(realm))
    }

    /// What stands under the hash after the preamble.
    pub(crate) fn write(&self, w: &mut Writer) {
        self.at.write(w);
        w.raw(self.previous.as_bytes()).raw(self.record.as_bytes());
        match self.act {
            Act::Create {
                record_type,
                vocabulary,
            } => w.u8(0).u16(record_type).u16(vocabulary),
            Act::Edit => w.u8(1),
        };
        w.i64(self.clock_s).u32(self.mono_s).u64(self.seen);
        w.count(self.heads.len());
        for head in &self.heads {
            head.write(w);
        }
        w.count(self.slots.len());
        for (key, slot) in &self.slots {
            w.u16(key.number).u32(key.item);
            match slot {
                Slot::Plain(value) => {
                    w.u8(0);
                    value.write(w);
                }
                Slot::Part(hash) => {
                    w.u8(1).raw(hash.as_bytes());
                }
            }
        }
    }

    fn read(device: KeyId, r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let at = ChangeRef::read(r)?;
        let previous = Hash32::read(r)?;
        let record = RecordId::read(r)?;
        let act = match r.u8()? {
            0 => Act::Create {
                record_type: r.u16()?,
                vocabulary: r.u16()?,
            },
            1 => Act::Edit,
            other => return Err(Malformed::UnknownMark(other)),
        };
        let (clock_s, mono_s, seen) = (r.i64()?, r.u32()?, r.u64()?);
        let mut heads = Vec::new();
        for _ in 0..r.count(CHANGE_HEADS_MAX)? {
            heads.push(ChangeRef::read(r)?);
        }
        let mut slots = Vec::new();
        for _ in 0..r.count(CHANGE_OPS_MAX)? {
            let key = FieldKey {
                number: r.u16()?,
                item: r.u32()?,
            };
            let slot = match r.u8()? {
                0 => Slot::Plain(Value::read(r)?),
                1 => Slot::Part(Hash32::read(r)?),
                other => return Err(Malformed::UnknownMark(other)),
            };
            slots.push((key, slot));
        }
        Ok(Self {
            at,
            device,
            previous,
            record,
            act,
            clock_s,
            mono_s,
            seen,
            heads,
            slots,
        })
    }
}

impl FullChange {
    /// The stored form: device key, change, parts.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(self.change.device.as_bytes());
        self.change.write(&mut w);
        self.parts.write(&mut w);
        w.into_bytes()
    }

    /// Reads the stored form; says nothing about whether it is well made: see [`Self::check`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > CHANGE_BYTES_MAX {
            return Err(Malformed::OverLimit {
                limit: CHANGE_BYTES_MAX,
            });
        }
        let mut r = Reader::new(bytes);
        let device = KeyId::read(&mut r)?;
        let full = Self {
            change: Change::read(device, &mut r)?,
            parts: Parts::read(&mut r)?,
        };
        r.end()?;
        Ok(full)
    }

    /// The structural gate of one change: canonical order, bounds, part hashes that match their
    /// values, and the computed name of a created record. Total; fixed per format version (D8).
    pub fn check(&self) -> Result<(), Malformed> {
        let Change {
            at,
            act,
            heads,
            slots,
            record,
            ..
        } = &self.change;
        if at.seq == 0 || heads.len() > CHANGE_HEADS_MAX {
            return Err(Malformed::Range);
        }
        if slots.len() > CHANGE_OPS_MAX {
            return Err(Malformed::OverLimit {
                limit: CHANGE_OPS_MAX,
            });
        }
        let ascending = heads.is_sorted_by(|a, b| a < b) && slots.is_sorted_by(|a, b| a.0 < b.0);
        if !ascending {
            return Err(Malformed::Order);
        }
        let creates = matches!(act, Act::Create { .. });
        if creates != heads.is_empty() {
            return Err(Malformed::Range);
        }
        if let (true, Secret::Seed(seed)) = (creates, &self.parts.secret)
            && record_id(*at, seed) != *record
        {
            return Err(Malformed::Range);
        }
        self.check_parts()?;
        if self.to_bytes().len() > CHANGE_BYTES_MAX {
            return Err(Malformed::OverLimit {
                limit: CHANGE_BYTES_MAX,
            });
        }
        Ok(())
    }

    fn check_parts(&self) -> Result<(), Malformed> {
        let mut found = 0usize;
        for (key, slot) in &self.change.slots {
            let Slot::Part(hash) = slot else { continue };
            let Some(value) = self.parts.values.get(key) else {
                if matches!(self.parts.secret, Secret::Seed(_)) {
                    return Err(Malformed::Range); // nothing was erased, so nothing may be missing
                }
                continue;
            };
            let salt = self.parts.salt(*key).ok_or(Malformed::Range)?;
            if part_hash(&salt, *key, value) != *hash {
                return Err(Malformed::Range);
            }
            found = found.saturating_add(1);
        }
        if found == self.parts.values.len() {
            Ok(())
        } else {
            Err(Malformed::Range)
        }
    }

    /// The value at a key, unless it was erased or never stood there.
    #[must_use]
    pub fn value(&self, key: FieldKey) -> Option<&Value> {
        let at = self
            .change
            .slots
            .binary_search_by_key(&key, |(k, _)| *k)
            .ok()?;
        match &self.change.slots.get(at)?.1 {
            Slot::Plain(value) => Some(value),
            Slot::Part(_) => self.parts.values.get(&key),
        }
    }
}

#[cfg(test)]
mod tests;
