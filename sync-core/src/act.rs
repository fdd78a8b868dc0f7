//! Acts: the entries of the log that are no change of a phone. A Review is an officer's state or
//! remark; a Control entry is whatever alters admission.
//!
//! Until officers hold keys, acts are signed by the log's key and name the account that made them
//! (D13). Names and free words are parts, so they can be erased like those of a change.

use std::collections::BTreeMap;

use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{ChangeRef, Parts, Secret as PartSecret, part_hash, salt_of};
use crate::closing::Closing;
use crate::hub::LifeStep;
use crate::ids::{
    AreaRef, ChainId, Feed, GroupId, Hash32, KeyId, Realm, RecordId, first16, sha256,
};
use crate::keys::{PublicKey, Secret, SignatureBytes};
use crate::limits::{
    ACT_BYTES_MAX, ACT_PARTS_MAX, AREA_EVENTS_MAX, CHANGE_HEADS_MAX, CHANGE_OPS_MAX,
    GRANT_MEMBERS_MAX, NAME_BYTES_MAX,
};
use crate::log::EntryKind;
use crate::tags::Tag;
use crate::territory::AreaEvent;
use crate::text::display_text_fault;
use crate::value::{FieldKey, Value};

/// Part of an act: the free words of a remark.
pub const TEXT_PART: FieldKey = FieldKey::plain(1);
/// Part of an act: the name of a member.
pub const NAME_PART: FieldKey = FieldKey::plain(2);
/// Part of an act: the name of the account that made it.
pub const ACCOUNT_PART: FieldKey = FieldKey::plain(3);

/// What an officer says about a record. It adds; it never edits the sender's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Review {
    /// The record.
    pub record: RecordId,
    /// Heads of the record that the officer saw, ascending.
    pub heads: Vec<ChangeRef>,
    /// The field it is about, if one.
    pub field: Option<FieldKey>,
    /// The state it sets, if one: a number of the vocabulary.
    pub state: Option<u16>,
    /// A reason of the vocabulary's fixed list, if one.
    pub reason: Option<u16>,
}

/// What alters admission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Control {
    /// The log goes on after a restore: entries from `start` on were lost and come again.
    Generation {
        /// Counts restores.
        number: u32,
        /// Size at which it begins.
        start: u64,
    },
    /// A group exists, or has a new name or place.
    Group {
        /// The group.
        group: GroupId,
        /// Its hamlet, or its commune when it has none.
        area: AreaRef,
        /// Its commune.
        commune: AreaRef,
        /// Its public name.
        name: String,
    },
    /// A person writes in a group under this number. The name is a part.
    Member {
        /// The group.
        group: GroupId,
        /// Number within the group, never used again for somebody else.
        number: u16,
        /// Role of the vocabulary.
        role: u16,
    },
    /// A person no longer writes in a group.
    MemberEnd {
        /// The group.
        group: GroupId,
        /// Number within the group.
        number: u16,
    },
    /// A device may write in a group.
    Enrol {
        /// The group.
        group: GroupId,
        /// Its key.
        device: PublicKey,
        /// Members who use it, ascending; empty for every member of the group.
        members: Vec<u16>,
    },
    /// A device may no longer read or write in a group.
    Revoke {
        /// The group.
        group: GroupId,
        /// Short name of its key.
        device: KeyId,
    },
    /// An account of the console changed its role, scope or state.
    Officer {
        /// Number of the account.
        account: u32,
        /// Role of the vocabulary.
        role: u16,
        /// Area it sees.
        area: AreaRef,
        /// Whether it can sign in.
        active: bool,
    },
    /// Areas were imported.
    Areas {
        /// Hash of the file.
        file: Hash32,
        /// Rows taken.
        rows: u32,
    },
    /// Erasable values of one change are to be removed everywhere.
    Erase {
        /// The change.
        change: ChangeRef,
        /// Its keys, ascending.
        keys: Vec<FieldKey>,
    },
    /// A change that was held is admitted here.
    Admit {
        /// The change.
        change: ChangeRef,
        /// Its hash.
        hash: Hash32,
    },
    /// From here on this vocabulary counts.
    Vocabulary {
        /// Its version.
        version: u16,
    },
    /// Areas merged, split, or have another name, code or parent.
    AreaEvents {
        /// Hash of the file that said so.
        file: Hash32,
        /// What happened, in the order in which it counts.
        events: Vec<AreaEvent>,
    },
    /// A period was closed, with its figures.
    PeriodClosed(Closing),
    /// A group took a step in its life.
    GroupLife {
        /// The group.
        group: GroupId,
        /// The step.
        step: LifeStep,
    },
}

/// What an act says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// An officer's state or remark.
    Review(Review),
    /// Whatever alters admission.
    Control(Control),
}

/// A signed act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Whom it is addressed to.
    pub feed: Feed,
    /// Its place among the log's own acts in that feed; the chain follows from the feed.
    pub at: ChangeRef,
    /// Generation of the log in which it was made: a chain of acts never spans a restore, so
    /// acts that come back from phones cannot collide with new ones.
    pub generation: u32,
    /// Hash of the act before in that feed and generation; zeros for the first.
    pub previous: Hash32,
    /// Key that signed.
    pub signer: KeyId,
    /// Account that made it; 0 for the command line.
    pub account: u32,
    /// Server time, seconds since 1970.
    pub time_s: i64,
    /// What it says.
    pub said: Said,
    /// Keys and salted hashes of its parts, ascending.
    pub parts: Vec<(FieldKey, Hash32)>,
    /// Signature over all of it.
    pub signature: SignatureBytes,
}

/// An act with its erasable words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullAct {
    /// What is signed.
    pub act: Act,
    /// What can be erased.
    pub parts: Parts,
}

/// What an act is made of before it is signed.
#[derive(Debug, Clone)]
pub struct ActDraft {
    /// Whom it is addressed to.
    pub feed: Feed,
    /// Generation of the log.
    pub generation: u32,
    /// Number after the last act in that feed and generation, from 1.
    pub seq: u32,
    /// Hash of the last act in that feed.
    pub previous: Hash32,
    /// Account that makes it; 0 for the command line.
    pub account: u32,
    /// Server time.
    pub time_s: i64,
    /// What it says.
    pub said: Said,
    /// Its erasable words.
    pub words: BTreeMap<FieldKey, String>,
    /// Sixteen random bytes.
    pub seed: [u8; 16],
}

/// Name of the chain of a log's own acts in one feed and generation.
#[must_use]
pub fn act_chain(realm: &Realm, log: KeyId, feed: Feed, generation: u32) -> ChainId {
    let mut w = realm.preamble(Tag::Chain, log);
    feed.write(&mut w);
    w.u32(generation);
    ChainId(first16(&sha256(w.as_bytes())))
}

impl ActDraft {
    /// Signs with the log's key.
    #[must_use]
    pub fn sign(self, realm: &Realm, log: &Secret) -> FullAct {
        let values: BTreeMap<FieldKey, Value> = self
            .words
            .into_iter()
            .map(|(key, words)| (key, Value::Text(words)))
            .collect();
        let parts = values
            .iter()
            .map(|(key, value)| (*key, part_hash(&salt_of(&self.seed, *key), *key, value)))
            .collect();
        let mut act = Act {
            feed: self.feed,
            at: ChangeRef {
                chain: act_chain(realm, log.id(), self.feed, self.generation),
                seq: self.seq,
            },
            generation: self.generation,
            previous: self.previous,
            signer: log.id(),
            account: self.account,
            time_s: self.time_s,
            said: self.said,
            parts,
            signature: [0; 64],
        };
        act.signature = log.sign(&act.preimage(realm));
        FullAct {
            act,
            parts: Parts {
                secret: PartSecret::Seed(self.seed),
                values,
            },
        }
    }
}

impl Said {
    /// The kind of entry it makes.
    #[must_use]
    pub const fn kind(&self) -> EntryKind {
        match self {
            Self::Review(_) => EntryKind::Review,
            Self::Control(_) => EntryKind::Control,
        }
    }

    const fn tag(&self) -> Tag {
        match self {
            Self::Review(_) => Tag::Review,
            Self::Control(_) => Tag::Control,
        }
    }

    fn write(&self, w: &mut Writer) {
        match self {
            Self::Review(review) => {
                w.u8(0);
                review.write(w);
            }
            Self::Control(control) => control.write(w),
        }
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let mark = r.u8()?;
        if mark == 0 {
            return Ok(Self::Review(Review::read(r)?));
        }
        Ok(Self::Control(Control::read(mark, r)?))
    }
}

fn write_option<T: Copy>(w: &mut Writer, value: Option<T>, write: impl FnOnce(&mut Writer, T)) {
    w.u8(u8::from(value.is_some()));
    if let Some(value) = value {
        write(w, value);
    }
}

fn read_option<T>(
    r: &mut Reader<'_>,
    read: impl FnOnce(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    match r.u8()? {
        0 => Ok(None),
        1 => read(r).map(Some),
        other => Err(Malformed::UnknownMark(other)),
    }
}

fn read_ascending<T: PartialOrd>(
    r: &mut Reader<'_>,
    limit: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut items: Vec<T> = Vec::new();
    for _ in 0..r.count(limit)? {
        let item = read(r)?;
        if items.last().is_some_and(|last| *last >= item) {
            return Err(Malformed::Order);
        }
        items.push(item);
    }
    Ok(items)
}

pub(crate) fn read_words(r: &mut Reader<'_>) -> Result<String, Malformed> {
    let words = r.text(NAME_BYTES_MAX)?;
    if display_text_fault(&words).is_some() {
        return Err(Malformed::Text);
    }
    Ok(words)
}

fn read_events(r: &mut Reader<'_>) -> Result<Vec<AreaEvent>, Malformed> {
    let mut events = Vec::new();
    for _ in 0..r.count(AREA_EVENTS_MAX)? {
        events.push(AreaEvent::read(r)?);
    }
    Ok(events)
}

fn write_key(w: &mut Writer, key: FieldKey) {
    w.u16(key.number).u32(key.item);
}

fn read_key(r: &mut Reader<'_>) -> Result<FieldKey, Malformed> {
    Ok(FieldKey {
        number: r.u16()?,
        item: r.u32()?,
    })
}

impl Review {
    fn write(&self, w: &mut Writer) {
        w.raw(self.record.as_bytes()).count(self.heads.len());
        for head in &self.heads {
            head.write(w);
        }
        write_option(w, self.field, write_key);
        write_option(w, self.state, |w, state| {
            w.u16(state);
        });
        write_option(w, self.reason, |w, reason| {
            w.u16(reason);
        });
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            record: RecordId::read(r)?,
            heads: read_ascending(r, CHANGE_HEADS_MAX, ChangeRef::read)?,
            field: read_option(r, read_key)?,
            state: read_option(r, |r| r.u16())?,
            reason: read_option(r, |r| r.u16())?,
        })
    }
}

impl Control {
    fn write(&self, w: &mut Writer) {
        match self {
            Self::Generation { number, start } => {
                w.u8(1).u32(*number).u64(*start);
            }
            Self::Group {
                group,
                area,
                commune,
                name,
            } => {
                w.u8(2).raw(group.as_bytes()).raw(area.as_bytes());
                w.raw(commune.as_bytes()).block(name.as_bytes());
            }
            Self::Member {
                group,
                number,
                role,
            } => {
                w.u8(3).raw(group.as_bytes()).u16(*number).u16(*role);
            }
            Self::MemberEnd { group, number } => {
                w.u8(4).raw(group.as_bytes()).u16(*number);
            }
            Self::Enrol {
                group,
                device,
                members,
            } => {
                w.u8(5).raw(group.as_bytes()).raw(&device.0);
                w.count(members.len());
                for member in members {
                    w.u16(*member);
                }
            }
            Self::Revoke { group, device } => {
                w.u8(6).raw(group.as_bytes()).raw(device.as_bytes());
            }
            Self::Officer {
                account,
                role,
                area,
                active,
            } => {
                w.u8(7).u32(*account).u16(*role).raw(area.as_bytes());
                w.u8(u8::from(*active));
            }
            Self::Areas { file, rows } => {
                w.u8(8).raw(file.as_bytes()).u32(*rows);
            }
            Self::Erase { change, keys } => {
                w.u8(9);
                change.write(w);
                w.count(keys.len());
                for key in keys {
                    write_key(w, *key);
                }
            }
            Self::Admit { change, hash } => {
                w.u8(10);
                change.write(w);
                w.raw(hash.as_bytes());
            }
            Self::Vocabulary { version } => {
                w.u8(11).u16(*version);
            }
            Self::AreaEvents { file, events } => {
                w.u8(12).raw(file.as_bytes()).count(events.len());
                for event in events {
                    event.write(w);
                }
            }
            Self::PeriodClosed(closing) => {
                w.u8(13);
                closing.write(w);
            }
            Self::GroupLife { group, step } => {
                w.u8(14).raw(group.as_bytes());
                step.write(w);
            }
        }
    }

    fn read(mark: u8, r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(match mark {
            1 => Self::Generation {
                number: r.u32()?,
                start: r.u64()?,
            },
            2 => {
                let (group, area) = (GroupId::read(r)?, AreaRef::read(r)?);
                let commune = AreaRef::read(r)?;
                let name = read_words(r)?;
                Self::Group {
                    group,
                    area,
                    commune,
                    name,
                }
            }
            3 => Self::Member {
                group: GroupId::read(r)?,
                number: r.u16()?,
                role: r.u16()?,
            },
            4 => Self::MemberEnd {
                group: GroupId::read(r)?,
                number: r.u16()?,
            },
            5 => Self::Enrol {
                group: GroupId::read(r)?,
                device: PublicKey(r.array()?),
                members: read_ascending(r, GRANT_MEMBERS_MAX, |r| r.u16())?,
            },
            6 => Self::Revoke {
                group: GroupId::read(r)?,
                device: KeyId::read(r)?,
            },
            7 => Self::Officer {
                account: r.u32()?,
                role: r.u16()?,
                area: AreaRef::read(r)?,
                active: match r.u8()? {
                    0 => false,
                    1 => true,
                    other => return Err(Malformed::UnknownMark(other)),
                },
            },
            8 => Self::Areas {
                file: Hash32::read(r)?,
                rows: r.u32()?,
            },
            9 => Self::Erase {
                change: ChangeRef::read(r)?,
                keys: read_ascending(r, CHANGE_OPS_MAX, read_key)?,
            },
            10 => Self::Admit {
                change: ChangeRef::read(r)?,
                hash: Hash32::read(r)?,
            },
            11 => Self::Vocabulary { version: r.u16()? },
            12 => Self::AreaEvents {
                file: Hash32::read(r)?,
                events: read_events(r)?,
            },
            13 => Self::PeriodClosed(Closing::read(r)?),
            14 => Self::GroupLife {
                group: GroupId::read(r)?,
                step: LifeStep::read(r)?,
            },
            other => return Err(Malformed::UnknownMark(other)),
        })
    }
}

impl Act {
    /// The bytes under hash and signature.
    #[must_use]
    pub fn preimage(&self, realm: &Realm) -> Vec<u8> {
        let mut w = realm.preamble(self.said.tag(), self.signer);
        self.write_signed(&mut w);
        w.into_bytes()
    }

    /// Its hash: what the log's leaf holds.
    #[must_use]
    pub fn hash(&self, realm: &Realm) -> Hash32 {
        sha256(&self.preimage(realm))
    }

    /// Whether the log said this, at the place it names.
    #[must_use]
    pub fn verifies(&self, realm: &Realm, log: &PublicKey) -> bool {
        self.signer == log.id()
            && self.at.chain == act_chain(realm, self.signer, self.feed, self.generation)
            && log.verifies(&self.preimage(realm), &self.signature)
    }

    fn write_signed(&self, w: &mut Writer) {
        self.feed.write(w);
        self.at.write(w);
        w.u32(self.generation)
            .raw(self.previous.as_bytes())
            .u32(self.account)
            .i64(self.time_s);
        self.said.write(w);
        w.count(self.parts.len());
        for (key, hash) in &self.parts {
            write_key(w, *key);
            w.raw(hash.as_bytes());
        }
    }
}

impl FullAct {
    /// The stored and transmitted form: signer, signed fields, signature, parts.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(self.act.signer.as_bytes());
        self.act.write_signed(&mut w);
        w.raw(&self.act.signature);
        self.parts.write(&mut w);
        w.into_bytes()
    }

    /// Reads the stored form; says nothing about who signed: see [`Act::verifies`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > ACT_BYTES_MAX {
            return Err(Malformed::OverLimit {
                limit: ACT_BYTES_MAX,
            });
        }
        let mut r = Reader::new(bytes);
        let signer = KeyId::read(&mut r)?;
        let feed = Feed::read(&mut r)?;
        let at = ChangeRef::read(&mut r)?;
        let generation = r.u32()?;
        let previous = Hash32::read(&mut r)?;
        let (account, time_s) = (r.u32()?, r.i64()?);
        let said = Said::read(&mut r)?;
        let parts = read_ascending(&mut r, ACT_PARTS_MAX, |r| {
            Ok((read_key(r)?, Hash32::read(r)?))
        })?;
        let signature = r.array()?;
        let full = Self {
            act: Act {
                feed,
                at,
                generation,
                previous,
                signer,
                account,
                time_s,
                said,
                parts,
                signature,
            },
            parts: Parts::read(&mut r)?,
        };
        r.end()?;
        full.check()?;
        Ok(full)
    }

    /// Whether every word fits its salted hash and stands where the act says.
    fn check(&self) -> Result<(), Malformed> {
        for (key, value) in &self.parts.values {
            let salt = self.parts.salt(*key).ok_or(Malformed::Range)?;
            let hash = part_hash(&salt, *key, value);
            if !self.act.parts.contains(&(*key, hash)) {
                return Err(Malformed::Range);
            }
        }
        Ok(())
    }

    /// The words of a part, unless they were erased or never stood there.
    #[must_use]
    pub fn words(&self, key: FieldKey) -> Option<&str> {
        let Value::Text(words) = self.parts.values.get(&key)? else {
            return None;
        };
        Some(words)
    }

    /// What an officer said, if this is a Review.
    #[must_use]
    pub fn review(&self) -> Option<&Review> {
        match &self.act.said {
            Said::Review(review) => Some(review),
            Said::Control(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
