//! Devices before they are confirmed: invitation, request to enrol, six digits, waiting room.
//!
//! Nothing of this is in the log. What a waiting device writes is on the disk, gets no receipt,
//! and enters the log in chain order when an officer confirms the device.

use crate::act::{Control, Said};
use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{ChangeRef, FullChange};
use crate::exchange::{Fate, Outcome};
use crate::hub::Hub;
use crate::hub::append::Tx;
use crate::hub::desk::{Acting, Refusal};
use crate::hub::facts::{self, after, all, decode, pair_key, place_key};
use crate::hub::ledger::{Ledger, LedgerFault, Table, View};
use crate::hub::visit::Claimed;
use crate::ids::{ChainId, Feed, GroupId, Hash32, KeyId, Logbook, Realm, RecordId, sha256};
use crate::keys::{PublicKey, Secret, SignatureBytes};
use crate::limits::{GRANT_MEMBERS_MAX, PENDING_BYTES_MAX};
use crate::tags::Tag;
use crate::vocabulary::Lane;

/// Seconds for which what a refused device wrote is kept.
pub const REFUSED_KEPT_S: i64 = 30 * 86_400;

/// An invitation: whoever shows its token once may ask to be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invite {
    /// The group.
    pub group: GroupId,
    /// Members who will use the device; empty for every member.
    pub members: Vec<u16>,
    /// Server time after which it is worth nothing.
    pub expires_s: i64,
    /// The device that used it.
    pub used_by: Option<KeyId>,
}

/// A device that asked to be enrolled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its key.
    pub key: PublicKey,
    /// The group it asks for.
    pub group: GroupId,
    /// Members who will use it; empty for every member.
    pub members: Vec<u16>,
    /// Server time at which it asked.
    pub asked_s: i64,
    /// Server time at which an officer refused it.
    pub refused_at: Option<i64>,
    /// Bytes that it left waiting.
    pub waiting_bytes: u64,
    /// What phone and console both show.
    pub digits: u32,
}

/// What a phone sends to enrol. Version byte 1, then the fields in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolRequest {
    /// Token of the invitation.
    pub token: [u8; 16],
    /// The device's new key.
    pub key: PublicKey,
    /// The device's signature over both.
    pub signature: SignatureBytes,
}

/// What the server says to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolAnswer {
    /// The group.
    pub group: GroupId,
    /// Members who may be chosen on the phone, with their roles; without names, which come only
    /// after an officer has confirmed.
    pub members: Vec<(u16, u16)>,
    /// Server time.
    pub time_s: i64,
}

/// Version of the messages of an enrolment.
const ENROL_VERSION: u8 = 1;

/// The six digits that phone and console show: from both keys and the token.
#[must_use]
pub fn digits(realm: &Realm, log: &PublicKey, device: &PublicKey, token: &[u8; 16]) -> u32 {
    let mut w = realm.preamble(Tag::Digits, log.id());
    w.raw(&log.0).raw(&device.0).raw(token);
    let hash = sha256(w.as_bytes());
    let low = hash.0.first_chunk::<4>().copied().unwrap_or_default();
    u32::from_be_bytes(low) % 1_000_000
}

impl EnrolRequest {
    /// Makes and signs a request.
    #[must_use]
    pub fn sign(realm: &Realm, device: &Secret, token: [u8; 16]) -> Self {
        let mut request = Self {
            token,
            key: device.public(),
            signature: [0; 64],
        };
        request.signature = device.sign(&request.preimage(realm));
        request
    }

    fn preimage(&self, realm: &Realm) -> Vec<u8> {
        let mut w = realm.preamble(Tag::Enrol, self.key.id());
        w.raw(&self.token).raw(&self.key.0);
        w.into_bytes()
    }

    /// The body.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(ENROL_VERSION)
            .raw(&self.token)
            .raw(&self.key.0)
            .raw(&self.signature);
        w.into_bytes()
    }

    /// Reads the body.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let version = r.u8()?;
        if version != ENROL_VERSION {
            return Err(Malformed::UnknownMark(version));
        }
        let request = Self {
            token: r.array()?,
            key: PublicKey(r.array()?),
            signature: r.array()?,
        };
        r.end()?;
        Ok(request)
    }
}

impl EnrolAnswer {
    /// The body.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(ENROL_VERSION)
            .raw(self.group.as_bytes())
            .i64(self.time_s);
        w.count(self.members.len());
        for (number, role) in &self.members {
            w.u16(*number).u16(*role);
        }
        w.into_bytes()
    }

    /// Reads the body.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut r = Reader::new(bytes);
        let version = r.u8()?;
        if version != ENROL_VERSION {
            return Err(Malformed::UnknownMark(version));
        }
        let (group, time_s) = (GroupId::read(&mut r)?, r.i64()?);
        let mut members = Vec::new();
        for _ in 0..r.count(ENROL_MEMBERS_MAX)? {
            members.push((r.u16()?, r.u16()?));
        }
        r.end()?;
        Ok(Self {
            group,
            members,
            time_s,
        })
    }
}

/// Most members that the answer to an enrolment names: a group has some twenty.
const ENROL_MEMBERS_MAX: usize = 1_024;

fn write_members(w: &mut Writer, members: &[u16]) {
    w.count(members.len());
    for member in members {
        w.u16(*member);
    }
}

fn read_members(r: &mut Reader<'_>) -> Result<Vec<u16>, Malformed> {
    let mut members = Vec::new();
    for _ in 0..r.count(GRANT_MEMBERS_MAX)? {
        members.push(r.u16()?);
    }
    Ok(members)
}

/// Only a hash of the token is kept: a copy of the store must not enrol anybody.
fn invite_key(token: &[u8; 16]) -> Vec<u8> {
    pair_key(b"I", sha256(token).as_bytes())
}

fn candidate_key(device: KeyId) -> Vec<u8> {
    pair_key(b"D", device.as_bytes())
}

impl Invite {
    fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(self.group.as_bytes()).i64(self.expires_s);
        w.u8(u8::from(self.used_by.is_some()))
            .raw(self.used_by.unwrap_or_default().as_bytes());
        write_members(&mut w, &self.members);
        w.into_bytes()
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (group, expires_s) = (GroupId::read(r)?, r.i64()?);
        let (used, device) = (r.u8()? == 1, KeyId::read(r)?);
        Ok(Self {
            group,
            members: read_members(r)?,
            expires_s,
            used_by: used.then_some(device),
        })
    }
}

impl Candidate {
    fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(&self.key.0).raw(self.group.as_bytes());
        w.i64(self.asked_s)
            .u8(u8::from(self.refused_at.is_some()))
            .i64(self.refused_at.unwrap_or(0))
            .u64(self.waiting_bytes)
            .u32(self.digits);
        write_members(&mut w, &self.members);
        w.into_bytes()
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (key, group) = (PublicKey(r.array()?), GroupId::read(r)?);
        let asked_s = r.i64()?;
        let (refused, at) = (r.u8()? == 1, r.i64()?);
        let (waiting_bytes, digits) = (r.u64()?, r.u32()?);
        Ok(Self {
            key,
            group,
            members: read_members(r)?,
            asked_s,
            refused_at: refused.then_some(at),
            waiting_bytes,
            digits,
        })
    }
}

/// A device that asked to be enrolled and is not confirmed.
pub fn candidate(view: &impl View, device: KeyId) -> Result<Option<Candidate>, LedgerFault> {
    view.get(Table::Arrival, &candidate_key(device))?
        .map(|bytes| decode(Table::Arrival, &bytes, Candidate::read))
        .transpose()
}

/// All devices that asked and are not confirmed.
pub fn candidates(view: &impl View) -> Result<Vec<(KeyId, Candidate)>, LedgerFault> {
    all(view, Table::Arrival, b"D")?
        .iter()
        .map(|(key, value)| {
            let device = key.get(1..).and_then(KeyId::from_slice);
            let device = device.ok_or(LedgerFault::Damaged(Table::Arrival))?;
            Ok((device, decode(Table::Arrival, value, Candidate::read)?))
        })
        .collect()
}

/// The device that used an invitation, once one did.
pub fn invite(view: &impl View, token: &[u8; 16]) -> Result<Option<Invite>, LedgerFault> {
    view.get(Table::Arrival, &invite_key(token))?
        .map(|bytes| decode(Table::Arrival, &bytes, Invite::read))
        .transpose()
}

fn waiting_key(device: KeyId, at: ChangeRef) -> Vec<u8> {
    pair_key(device.as_bytes(), &place_key(at))
}

fn read_waiting(bytes: &[u8]) -> Result<(Logbook, FullChange), LedgerFault> {
    let damaged = |_| LedgerFault::Damaged(Table::Pending);
    let mut r = Reader::new(bytes);
    let group = GroupId::read(&mut r).map_err(damaged)?;
    let mark = r.u8().map_err(damaged)?;
    let lane = Lane::from_number(mark).ok_or(LedgerFault::Damaged(Table::Pending))?;
    let full = FullChange::from_bytes(r.rest()).map_err(damaged)?;
    Ok((Logbook { group, lane }, full))
}

/// Hash and record of a change that waits.
pub(super) fn waiting(
    view: &impl View,
    realm: &Realm,
    device: KeyId,
    at: ChangeRef,
) -> Result<Option<(Hash32, RecordId)>, LedgerFault> {
    view.get(Table::Pending, &waiting_key(device, at))?
        .map(|bytes| {
            read_waiting(&bytes).map(|(_, full)| (full.change.hash(realm), full.change.record))
        })
        .transpose()
}

/// Logbook of a chain of which something waits.
pub(super) fn waiting_logbook(
    view: &impl View,
    device: KeyId,
    chain: ChainId,
) -> Result<Option<Logbook>, LedgerFault> {
    let first = ChangeRef { chain, seq: 1 };
    let row = view.get(Table::Pending, &waiting_key(device, first))?;
    let found = row.map(|bytes| read_waiting(&bytes)).transpose()?;
    Ok(found.map(|(logbook, _)| logbook))
}

/// Number of the newest change of a chain that waits.
pub(super) fn waiting_tip(
    view: &impl View,
    device: KeyId,
    chain: ChainId,
) -> Result<u32, LedgerFault> {
    let prefix = pair_key(device.as_bytes(), chain.as_bytes());
    let last = view.last(Table::Pending, &prefix, &after(&prefix))?;
    Ok(last
        .and_then(|(key, _)| key.last_chunk::<4>().copied())
        .map_or(0, u32::from_be_bytes))
}

/// Chains of which something waits.
pub(super) fn waiting_chains(view: &impl View, device: KeyId) -> Result<Vec<ChainId>, LedgerFault> {
    let mut chains: Vec<ChainId> = Vec::new();
    for (key, _) in all(view, Table::Pending, device.as_bytes())? {
        let chain = key
            .get(KeyId::LEN..KeyId::LEN.saturating_add(ChainId::LEN))
            .and_then(ChainId::from_slice)
            .ok_or(LedgerFault::Damaged(Table::Pending))?;
        if chains.last() != Some(&chain) {
            chains.push(chain);
        }
    }
    Ok(chains)
}

impl Hub {
    /// Makes an invitation that is good for one device until `expires_s`.
    ///
    /// # Errors
    /// An unknown group, a member that it does not have.
    pub fn invite(
        &self,
        ledger: &mut impl Ledger,
        group: GroupId,
        members: Vec<u16>,
        token: &[u8; 16],
        expires_s: i64,
    ) -> Result<(), Refusal> {
        if facts::group(ledger, group)?.is_none() {
            return Err(Refusal::NoGroup);
        }
        let known = facts::members(ledger, group)?;
        for number in &members {
            let has = known
                .iter()
                .any(|m| m.number == *number && m.role.is_some());
            if !has {
                return Err(Refusal::NoMember(*number));
            }
        }
        let mut members = members;
        members.sort_unstable();
        members.dedup();
        if members.len() > GRANT_MEMBERS_MAX {
            return Err(Refusal::TooManyMembers);
        }
        let invite = Invite {
            group,
            members,
            expires_s,
            used_by: None,
        };
        ledger.put(Table::Arrival, &invite_key(token), &invite.to_bytes())?;
        Ok(())
    }

    /// Takes a phone's request to enrol. The same request again gets the same answer.
    ///
    /// # Errors
    /// An invitation that is unknown, used or expired; a key that is unsound or known; a
    /// signature that does not fit. The log is not touched in any case.
    pub fn enrol(
        &self,
        ledger: &mut impl Ledger,
        request: &EnrolRequest,
        now_s: i64,
    ) -> Result<EnrolAnswer, Refusal> {
        let sound = request.key.is_sound()
            && request
                .key
                .verifies(&request.preimage(&self.realm), &request.signature);
        if !sound {
            return Err(Refusal::BadKey);
        }
        let device = request.key.id();
        let mut invite = invite(ledger, &request.token)?.ok_or(Refusal::NoInvite)?;
        match invite.used_by {
            Some(by) if by == device => {}
            Some(_) => return Err(Refusal::InviteUsed),
            None if invite.expires_s < now_s => return Err(Refusal::InviteExpired),
            None => {
                if facts::device_key(ledger, device)?.is_some()
                    || candidate(ledger, device)?.is_some()
                {
                    return Err(Refusal::DeviceKnown);
                }
                let row = Candidate {
                    key: request.key,
                    group: invite.group,
                    members: invite.members.clone(),
                    asked_s: now_s,
                    refused_at: None,
                    waiting_bytes: 0,
                    digits: digits(
                        &self.realm,
                        &self.log.public(),
                        &request.key,
                        &request.token,
                    ),
                };
                invite.used_by = Some(device);
                ledger.put(Table::Arrival, &candidate_key(device), &row.to_bytes())?;
                let key = invite_key(&request.token);
                ledger.put(Table::Arrival, &key, &invite.to_bytes())?;
            }
        }
        let members = facts::members(ledger, invite.group)?
            .iter()
            .filter(|m| invite.members.is_empty() || invite.members.contains(&m.number))
            .filter_map(|m| Some((m.number, m.role?)))
            .collect();
        Ok(EnrolAnswer {
            group: invite.group,
            members,
            time_s: now_s,
        })
    }

    /// Confirms a device whose six digits the officer saw on the phone, and admits what waited.
    ///
    /// # Errors
    /// No such device, or digits that differ.
    pub fn confirm(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        device: KeyId,
        shown: u32,
    ) -> Result<(), Refusal> {
        let found = candidate(ledger, device)?.ok_or(Refusal::NoDevice)?;
        if found.digits != shown {
            return Err(Refusal::Digits);
        }
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        let enrol = Control::Enrol {
            group: found.group,
            device: found.key,
            members: found.members,
        };
        let feed = Feed::Group(found.group);
        tx.sign(acting, feed, Said::Control(enrol), None)?;
        tx.let_in(device)?;
        tx.finish()?;
        Ok(())
    }

    /// Refuses a device. What it left waiting is dropped thirty days later.
    ///
    /// # Errors
    /// No such device.
    pub fn refuse(
        &self,
        ledger: &mut impl Ledger,
        device: KeyId,
        now_s: i64,
    ) -> Result<(), Refusal> {
        let mut found = candidate(ledger, device)?.ok_or(Refusal::NoDevice)?;
        found.refused_at = Some(found.refused_at.unwrap_or(now_s));
        ledger.put(Table::Arrival, &candidate_key(device), &found.to_bytes())?;
        Ok(())
    }

    /// Drops what devices left waiting that were refused more than thirty days ago.
    pub fn drop_refused(&self, ledger: &mut impl Ledger, now_s: i64) -> Result<(), LedgerFault> {
        for (device, found) in candidates(ledger)? {
            let over = found
                .refused_at
                .is_some_and(|at| at.saturating_add(REFUSED_KEPT_S) <= now_s);
            if !over {
                continue;
            }
            for (key, _) in all(ledger, Table::Pending, device.as_bytes())? {
                ledger.delete(Table::Pending, &key)?;
            }
            let empty = Candidate {
                waiting_bytes: 0,
                ..found
            };
            ledger.put(Table::Arrival, &candidate_key(device), &empty.to_bytes())?;
        }
        Ok(())
    }
}

impl<L: Ledger> Tx<'_, '_, L> {
    /// Keeps a run of a device that nobody confirmed yet.
    pub(super) fn let_wait(
        &mut self,
        device: KeyId,
        claim: usize,
        claimed: &Claimed,
        changes: &[(&FullChange, &Hash32)],
    ) -> Result<Fate, LedgerFault> {
        let mut tip = waiting_tip(self.ledger, device, claimed.chain)?;
        let mut fate = Fate {
            claim,
            through: tip,
            outcome: Outcome::Waiting,
            asides: Vec::new(),
        };
        let Some(mut found) = candidate(self.ledger, device)? else {
            fate.outcome = Outcome::Gap;
            return Ok(fate);
        };
        let Some(logbook) = claimed.logbook else {
            fate.outcome = Outcome::Gap;
            return Ok(fate);
        };
        let mut rows = Vec::new();
        for (full, hash) in changes {
            let at = full.change.at;
            if at.seq <= tip {
                let known = waiting(self.ledger, &self.hub.realm, device, at)?;
                if known.is_some_and(|(known, _)| known != **hash) {
                    fate.outcome = Outcome::Forked;
                    fate.through = at.seq.saturating_sub(1);
                    return Ok(fate);
                }
                continue;
            }
            if at.seq != tip.saturating_add(1) {
                fate.outcome = Outcome::Gap;
                break;
            }
            let mut row = Writer::new();
            row.raw(logbook.group.as_bytes()).u8(logbook.lane.number());
            row.raw(&full.to_bytes());
            let size = u64::try_from(row.as_bytes().len()).unwrap_or(u64::MAX);
            let total = found.waiting_bytes.saturating_add(size);
            // all of a run or none of it: the statement covers its last change only
            if total > u64::try_from(PENDING_BYTES_MAX).unwrap_or(u64::MAX) {
                fate.outcome = Outcome::Full;
                return Ok(fate);
            }
            found.waiting_bytes = total;
            rows.push((waiting_key(device, at), row.into_bytes()));
            tip = at.seq;
        }
        for (key, row) in rows {
            self.ledger.put(Table::Pending, &key, &row)?;
        }
        fate.through = tip;
        self.ledger
            .put(Table::Arrival, &candidate_key(device), &found.to_bytes())?;
        Ok(fate)
    }

    /// Admits in chain order what a device left waiting. What is in the log already, or no longer
    /// follows on what is there, was brought again by the phone itself and is dropped here.
    pub(super) fn let_in(&mut self, device: KeyId) -> Result<(), LedgerFault> {
        let mut left = Vec::new();
        for (key, value) in all(self.ledger, Table::Pending, device.as_bytes())? {
            left.push(read_waiting(&value)?);
            self.ledger.delete(Table::Pending, &key)?;
        }
        // Chains stand in the order of their names; what builds on another chain waits for it.
        while !left.is_empty() {
            let before = left.len();
            for (logbook, full) in core::mem::take(&mut left) {
                if self.builds_on_waiting(&full, &left)? {
                    left.push((logbook, full));
                } else {
                    self.let_in_one(&full, logbook)?;
                }
            }
            if left.len() == before {
                for (logbook, full) in core::mem::take(&mut left) {
                    self.let_in_one(&full, logbook)?;
                }
            }
        }
        self.ledger.delete(Table::Arrival, &candidate_key(device))
    }

    /// Whether a head is not in the log yet, or an earlier change of its chain still waits.
    fn builds_on_waiting(
        &self,
        full: &FullChange,
        left: &[(Logbook, FullChange)],
    ) -> Result<bool, LedgerFault> {
        let chain = full.change.at.chain;
        if left.iter().any(|(_, other)| other.change.at.chain == chain) {
            return Ok(true);
        }
        for head in &full.change.heads {
            if facts::place(self.ledger, *head)?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn let_in_one(&mut self, full: &FullChange, logbook: Logbook) -> Result<(), LedgerFault> {
        let tip = facts::chain(self.ledger, full.change.at.chain)?;
        let (seq, before) = tip.map_or((0, Hash32::default()), |tip| (tip.seq, tip.hash));
        if full.change.at.seq == seq.saturating_add(1) && full.change.previous == before {
            let hash = full.change.hash(&self.hub.realm);
            self.place_change(full, hash, logbook, None)?;
        }
        Ok(())
    }
}
