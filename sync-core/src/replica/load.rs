//! Rows and back: how a replica is kept in the phone's store.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::act::{Control, FullAct, NAME_PART, Said};
use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{ChangeRef, FullChange};
use crate::exchange::{Evidence, FeedSet};
use crate::hub::arrival::EnrolAnswer;
use crate::ids::{
    ChainId, Feed, GroupId, Hash32, InstallationNonce, Logbook, ReadNonce, Realm, RecordId,
};
use crate::limits::REQUEST_GROUPS_MAX;
use crate::log::{AsideReason, Digest, Receipt};
use crate::replica::state::{
    SETTING_ASSIGNED, SETTING_CONFIRMED, SETTING_GROUPS, SETTING_INSTALLATION, SETTING_NONCE,
    SETTING_RECEIPT, TABLE_ACT, TABLE_CHAIN, TABLE_CHANGE, TABLE_FEED, TABLE_FOREIGN, TABLE_FORKED,
    TABLE_LEFT, TABLE_LOST, TABLE_OFFER, TABLE_RECEIPT, TABLE_SAID, TABLE_SEEN, TABLE_SETTING, put,
};
use crate::replica::{
    Admission, GroupInfo, Held, Identity, Left, OwnChain, Placed, Replica, Seen, Standing, StoreOp,
};
use crate::vocabulary::{Lane, Vocabulary};

/// Why rows are no replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LoadError {
    /// A row cannot be read. What it held is still on the server, if it was received.
    #[error("a row of table {table} cannot be read: {fault}")]
    Row {
        /// The table.
        table: u8,
        /// The fault.
        fault: Malformed,
    },
}

/// A row as the store gives it back.
pub type LoadRow = (u8, Vec<u8>, Vec<u8>);

pub(super) fn at_key(at: ChangeRef) -> Vec<u8> {
    let mut w = Writer::new();
    at.write(&mut w);
    w.into_bytes()
}

pub(super) fn write_logbook(w: &mut Writer, logbook: Logbook) {
    w.raw(logbook.group.as_bytes()).u8(logbook.lane.number());
}

fn read_logbook(r: &mut Reader<'_>) -> Result<Logbook, Malformed> {
    let group = GroupId::read(r)?;
    let mark = r.u8()?;
    let lane = Lane::from_number(mark).ok_or(Malformed::UnknownMark(mark))?;
    Ok(Logbook { group, lane })
}

impl Held {
    /// Its row, in the table of its standing.
    pub(super) fn op(&self) -> StoreOp {
        let mut w = Writer::new();
        match self.standing {
            Standing::Queued => w.u8(0),
            Standing::Waiting => w.u8(1),
            Standing::Received => w.u8(2),
            Standing::Aside(reason) => w.u8(3).u8(reason.number()),
            Standing::Forked => w.u8(4),
        };
        w.u8(u8::from(self.placed.is_some()));
        if let Some(Placed { index, admitted }) = self.placed {
            w.u64(index);
            admitted.write(&mut w);
        }
        write_logbook(&mut w, self.logbook);
        w.raw(&self.full.to_bytes());
        let table = if self.standing == Standing::Forked {
            TABLE_FORKED
        } else {
            TABLE_CHANGE
        };
        put(table, &at_key(self.full.change.at), w.into_bytes())
    }

    fn read(realm: &Realm, bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let standing = match r.u8()? {
            0 => Standing::Queued,
            1 => Standing::Waiting,
            2 => Standing::Received,
            3 => {
                let mark = r.u8()?;
                Standing::Aside(AsideReason::from_number(mark).ok_or(Malformed::UnknownMark(mark))?)
            }
            4 => Standing::Forked,
            other => return Err(Malformed::UnknownMark(other)),
        };
        let placed = match r.u8()? {
            0 => None,
            1 => Some(Placed {
                index: r.u64()?,
                admitted: Admission::read(&mut r)?,
            }),
            other => return Err(Malformed::UnknownMark(other)),
        };
        let logbook = read_logbook(&mut r)?;
        let full = FullChange::from_bytes(r.rest())?;
        Ok(Self {
            hash: full.change.hash(realm),
            full,
            logbook,
            standing,
            placed,
        })
    }
}

impl Admission {
    fn write(self, w: &mut Writer) {
        w.i64(self.at_s).u32(self.generation);
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            at_s: r.i64()?,
            generation: r.u32()?,
        })
    }

    /// The row of a change that the log lost.
    pub(super) fn op(self, at: ChangeRef) -> StoreOp {
        let mut w = Writer::new();
        self.write(&mut w);
        put(TABLE_LOST, &at_key(at), w.into_bytes())
    }
}

impl OwnChain {
    pub(super) fn op(&self, id: ChainId) -> StoreOp {
        let mut w = Writer::new();
        write_logbook(&mut w, self.logbook);
        w.raw(self.installation.as_bytes())
            .u32(self.seq)
            .raw(self.hash.as_bytes())
            .u32(self.known)
            .u32(self.closed.unwrap_or(u32::MAX));
        put(TABLE_CHAIN, id.as_bytes(), w.into_bytes())
    }

    fn read(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let chain = Self {
            logbook: read_logbook(&mut r)?,
            installation: InstallationNonce::read(&mut r)?,
            seq: r.u32()?,
            hash: Hash32::read(&mut r)?,
            known: r.u32()?,
            closed: Some(r.u32()?).filter(|seq| *seq != u32::MAX),
        };
        r.end()?;
        Ok(chain)
    }
}

impl Seen {
    pub(super) fn op(&self, index: u64) -> StoreOp {
        let mut w = Writer::new();
        self.feed.write(&mut w);
        w.raw(self.leaf.as_bytes());
        put(TABLE_SEEN, &index.to_be_bytes(), w.into_bytes())
    }
}

/// Row that keeps cursor and sum of a feed.
pub(super) fn feed_op(feed: Feed, cursor: u64, sum: Digest) -> StoreOp {
    let mut w = Writer::new();
    w.u64(cursor).raw(&sum.0.to_be_bytes());
    put(TABLE_FEED, &feed.to_bytes(), w.into_bytes())
}

pub(super) fn setting(key: &[u8], value: &[u8]) -> StoreOp {
    put(TABLE_SETTING, key, value.to_vec())
}

pub(super) fn groups_op(groups: &[(GroupId, FeedSet)]) -> StoreOp {
    let mut w = Writer::new();
    w.count(groups.len());
    for (group, feeds) in groups {
        w.raw(group.as_bytes()).u8(feeds.0);
    }
    put(TABLE_SETTING, SETTING_GROUPS, w.into_bytes())
}

fn read_groups(bytes: &[u8]) -> Result<Vec<(GroupId, FeedSet)>, Malformed> {
    let mut r = Reader::new(bytes);
    let mut groups = Vec::new();
    for _ in 0..r.count(REQUEST_GROUPS_MAX)? {
        groups.push((GroupId::read(&mut r)?, FeedSet::read(&mut r)?));
    }
    r.end()?;
    Ok(groups)
}

impl Replica {
    /// Rows of a phone that has just asked to be enrolled: to be written before anything else.
    #[must_use]
    pub fn enrolled(vocabulary: &Vocabulary, answer: &EnrolAnswer) -> Vec<StoreOp> {
        let may_read = |lane: &Lane| {
            let mut roles = answer.members.iter().map(|(_, role)| *role);
            roles.any(|role| vocabulary.may_read(role, *lane))
        };
        let read: Vec<Lane> = Lane::ALL.into_iter().filter(may_read).collect();
        vec![
            groups_op(&[(answer.group, FeedSet::of(&read))]),
            setting(SETTING_ASSIGNED, &answer.to_bytes()),
        ]
    }

    /// Builds a replica from its rows, in any order. `high_water` is what the host kept outside
    /// of backups: when the rows hold less, this phone was restored or cloned, and what it writes
    /// from now on goes on new chains.
    ///
    /// # Errors
    /// A row that cannot be read.
    pub fn load(
        identity: Identity,
        vocabulary: Vocabulary,
        rows: impl IntoIterator<Item = LoadRow>,
        high_water: u64,
    ) -> Result<Self, LoadError> {
        let mut replica = Self {
            identity,
            vocabulary,
            installation: None,
            version: 0,
            nonce: ReadNonce::default(),
            receipt: None,
            groups: Vec::new(),
            cursors: BTreeMap::new(),
            sums: BTreeMap::new(),
            seen: BTreeMap::new(),
            chains: BTreeMap::new(),
            changes: BTreeMap::new(),
            forked: BTreeMap::new(),
            said: BTreeMap::new(),
            foreign: BTreeMap::new(),
            of_record: BTreeMap::new(),
            records: BTreeMap::new(),
            left: BTreeMap::new(),
            acts: BTreeMap::new(),
            offers: Vec::new(),
            lost: BTreeMap::new(),
            evidence: BTreeMap::new(),
            offers_shown: 0,
            members: BTreeMap::new(),
            group_infos: BTreeMap::new(),
            show_tips: false,
            show_head: false,
            afresh: false,
            doubts: 0,
            confirmed: false,
        };
        for (table, key, value) in rows {
            replica
                .take_row(table, &key, &value)
                .map_err(|fault| LoadError::Row { table, fault })?;
        }
        let acts: Vec<FullAct> = replica.acts.values().cloned().collect();
        for full in &acts {
            replica.learn(full);
        }
        let records: Vec<_> = replica.of_record.keys().copied().collect();
        for id in records {
            replica.merge(id);
        }
        if replica.high_water() < high_water {
            replica.installation = None;
        }
        Ok(replica)
    }

    fn take_row(&mut self, table: u8, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match table {
            TABLE_SETTING => self.take_setting(key, value),
            TABLE_CHANGE => {
                let held = Held::read(&self.identity.realm, value)?;
                self.hold(held);
                Ok(())
            }
            TABLE_FORKED => {
                let held = Held::read(&self.identity.realm, value)?;
                self.forked.insert(held.full.change.at, held);
                Ok(())
            }
            TABLE_SAID => {
                let at = ChangeRef::read(&mut Reader::new(key))?;
                let again = ChangeRef::read(&mut Reader::new(value))?;
                self.said.insert(at, again);
                Ok(())
            }
            TABLE_ACT => {
                let index = Reader::new(key).u64()?;
                self.acts.insert(index, FullAct::from_bytes(value)?);
                Ok(())
            }
            TABLE_OFFER => {
                self.offers.push(FullAct::from_bytes(value)?);
                Ok(())
            }
            TABLE_CHAIN => {
                let id = ChainId::from_slice(key).ok_or(Malformed::Range)?;
                self.chains.insert(id, OwnChain::read(value)?);
                Ok(())
            }
            TABLE_SEEN => {
                let mut r = Reader::new(value);
                let seen = Seen {
                    feed: Feed::read(&mut r)?,
                    leaf: Hash32::read(&mut r)?,
                };
                self.seen.insert(Reader::new(key).u64()?, seen);
                Ok(())
            }
            TABLE_FOREIGN => {
                let at = ChangeRef::read(&mut Reader::new(key))?;
                let hash = Hash32::from_slice(value).ok_or(Malformed::Range)?;
                self.foreign.insert(at, hash);
                Ok(())
            }
            TABLE_FEED => {
                let feed = Feed::read(&mut Reader::new(key))?;
                let mut r = Reader::new(value);
                self.cursors.insert(feed, r.u64()?);
                let sum = Digest(u128::from_be_bytes(r.array()?));
                self.sums.insert(feed, sum);
                Ok(())
            }
            TABLE_RECEIPT => {
                let mut r = Reader::new(value);
                self.evidence.insert(key.to_vec(), Evidence::read(&mut r)?);
                r.end()
            }
            TABLE_LOST => {
                let at = ChangeRef::read(&mut Reader::new(key))?;
                let admission = Admission::read(&mut Reader::new(value))?;
                self.lost.insert(at, admission);
                Ok(())
            }
            TABLE_LEFT => {
                let id = RecordId::from_slice(key).ok_or(Malformed::Range)?;
                let mark = Reader::new(value).u8()?;
                let left = Left::from_number(mark).ok_or(Malformed::UnknownMark(mark))?;
                self.left.insert(id, left);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn take_setting(&mut self, key: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match key {
            SETTING_INSTALLATION => {
                self.installation = InstallationNonce::from_slice(value);
            }
            SETTING_NONCE => {
                self.nonce = ReadNonce::from_slice(value).ok_or(Malformed::Range)?;
            }
            SETTING_RECEIPT => self.receipt = Some(Receipt::from_bytes(value)?),
            SETTING_GROUPS => self.groups = read_groups(value)?,
            SETTING_CONFIRMED => self.confirmed = value == [1],
            SETTING_ASSIGNED => {
                let answer = EnrolAnswer::from_bytes(value)?;
                for (number, role) in answer.members {
                    let info = self.members.entry((answer.group, number)).or_default();
                    info.role = info.role.or(Some(role));
                    info.on_this_phone = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Keeps a change in memory, without merging it, in the place of what was held there. The
    /// record of that is told when it is another.
    pub(super) fn hold(&mut self, held: Held) -> Option<RecordId> {
        let (at, record) = (held.full.change.at, held.full.change.record);
        let before = self.changes.insert(at, held);
        let other = before
            .map(|before| before.full.change.record)
            .filter(|other| *other != record);
        if let Some(of) = other.and_then(|other| self.of_record.get_mut(&other)) {
            of.remove(&at);
        }
        self.of_record.entry(record).or_default().insert(at);
        other
    }

    /// What an act teaches about groups and members.
    pub(super) fn learn(&mut self, full: &FullAct) {
        let Said::Control(control) = &full.act.said else {
            return;
        };
        match control {
            Control::Group {
                group,
                area,
                commune,
                name,
            } => {
                let info = GroupInfo {
                    area: *area,
                    commune: *commune,
                    name: name.clone(),
                };
                self.group_infos.insert(*group, info);
            }
            Control::Member {
                group,
                number,
                role,
            } => {
                let everybody = self.everybody_writes(*group);
                let info = self.members.entry((*group, *number)).or_default();
                info.role = Some(*role);
                info.name = full.words(NAME_PART).map(str::to_owned);
                info.on_this_phone |= everybody;
            }
            Control::MemberEnd { group, number } => {
                if let Some(info) = self.members.get_mut(&(*group, *number)) {
                    info.role = None;
                }
            }
            Control::Enrol {
                group,
                device,
                members,
            } if device.id() == self.device() => {
                for ((of, number), info) in &mut self.members {
                    if of == group {
                        info.on_this_phone = members.is_empty() || members.contains(number);
                    }
                }
            }
            Control::Enrol { .. }
            | Control::Revoke { .. }
            | Control::Generation { .. }
            | Control::Officer { .. }
            | Control::Areas { .. }
            | Control::Erase { .. }
            | Control::Admit { .. }
            | Control::AreaEvents { .. }
            | Control::PeriodClosed(_)
            | Control::GroupLife { .. }
            | Control::Vocabulary { .. } => {}
        }
    }

    /// Whether this phone's enrolment in a group names no member, and so everybody.
    fn everybody_writes(&self, group: GroupId) -> bool {
        self.acts
            .values()
            .rev()
            .find_map(|full| match &full.act.said {
                Said::Control(Control::Enrol {
                    group: of,
                    device,
                    members,
                }) if *of == group && device.id() == self.device() => Some(members.is_empty()),
                Said::Control(_) | Said::Review(_) => None,
            })
            .unwrap_or(false)
    }
}
