//! Who may what: groups, members, devices, and the acts that said so.

use crate::act::FullAct;
use crate::bytes::{Malformed, Reader, Writer};
use crate::exchange::FeedSet;
use crate::hub::facts::{after, all, decode, full_act, index_at_end, key_of, pair_key};
use crate::hub::ledger::{LedgerFault, Table, View};
use crate::ids::{AreaRef, GroupId, KeyId};
use crate::keys::PublicKey;
use crate::limits::{GRANT_MEMBERS_MAX, NAME_BYTES_MAX};
use crate::vocabulary::{Lane, Vocabulary};

/// A group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its hamlet, or its commune.
    pub area: AreaRef,
    /// Its commune.
    pub commune: AreaRef,
    /// Its public name.
    pub name: String,
}

impl Group {
    pub(in crate::hub) fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.raw(self.area.as_bytes())
            .raw(self.commune.as_bytes())
            .block(self.name.as_bytes());
        w.into_bytes()
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            area: AreaRef::read(r)?,
            commune: AreaRef::read(r)?,
            name: r.text(NAME_BYTES_MAX)?,
        })
    }
}

/// The group of this name.
pub fn group(view: &impl View, id: GroupId) -> Result<Option<Group>, LedgerFault> {
    view.get(Table::Group, id.as_bytes())?
        .map(|bytes| decode(Table::Group, &bytes, Group::read))
        .transpose()
}

/// All groups whose name begins with these bytes.
pub fn groups(view: &impl View, prefix: &[u8]) -> Result<Vec<(GroupId, Group)>, LedgerFault> {
    all(view, Table::Group, prefix)?
        .iter()
        .map(|(key, value)| {
            let id = GroupId::from_slice(key).ok_or(LedgerFault::Damaged(Table::Group))?;
            Ok((id, decode(Table::Group, value, Group::read)?))
        })
        .collect()
}

/// Role of a member below an index; `None` when it had ended or not begun.
pub fn role_at(
    view: &impl View,
    group: GroupId,
    number: u16,
    below: u64,
) -> Result<Option<u16>, LedgerFault> {
    let prefix = pair_key(group.as_bytes(), &number.to_be_bytes());
    match view.last(Table::Member, &prefix, &key_of(&prefix, below))? {
        None => Ok(None),
        Some((_, value)) => {
            let role = decode(Table::Member, &value, |r| r.u16())?;
            Ok((role != 0).then_some(role))
        }
    }
}

/// A member of a group: number, role now (`None` when ended), index of the newest entry that
/// began it, where its name is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Number within the group.
    pub number: u16,
    /// Role now.
    pub role: Option<u16>,
    /// Index of the entry that says so, or of the one that named it when it ended.
    pub named_at: u64,
}

/// All members that a group ever had.
pub fn members(view: &impl View, group: GroupId) -> Result<Vec<Member>, LedgerFault> {
    let mut members: Vec<Member> = Vec::new();
    for (key, value) in all(view, Table::Member, group.as_bytes())? {
        let number = member_in(&key)?;
        let role = decode(Table::Member, &value, |r| r.u16())?;
        let index = index_at_end(Table::Member, &key)?;
        let role = (role != 0).then_some(role);
        match members.last_mut().filter(|last| last.number == number) {
            Some(last) => {
                last.role = role;
                if role.is_some() {
                    last.named_at = index;
                }
            }
            None => members.push(Member {
                number,
                role,
                named_at: index,
            }),
        }
    }
    Ok(members)
}

/// What a device may in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// It may write as these members; empty for every member of the group.
    Members(Vec<u16>),
    /// It was revoked.
    Revoked,
}

impl Grant {
    pub(in crate::hub) fn to_bytes(&self) -> Vec<u8> {
        let mut w = Writer::new();
        match self {
            Self::Revoked => {
                w.u8(0);
            }
            Self::Members(members) => {
                w.u8(1).count(members.len());
                for member in members {
                    w.u16(*member);
                }
            }
        }
        w.into_bytes()
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        if r.u8()? == 0 {
            return Ok(Self::Revoked);
        }
        let mut members = Vec::new();
        for _ in 0..r.count(GRANT_MEMBERS_MAX)? {
            members.push(r.u16()?);
        }
        Ok(Self::Members(members))
    }
    /// Whether it names a member.
    #[must_use]
    pub fn names(&self, member: u16) -> bool {
        match self {
            Self::Revoked => false,
            Self::Members(members) => members.is_empty() || members.contains(&member),
        }
    }
}

/// What a device may in a group, by the entries below an index.
pub fn grant_at(
    view: &impl View,
    device: KeyId,
    group: GroupId,
    below: u64,
) -> Result<Option<Grant>, LedgerFault> {
    let prefix = pair_key(device.as_bytes(), group.as_bytes());
    view.last(Table::Grant, &prefix, &key_of(&prefix, below))?
        .map(|(_, value)| decode(Table::Grant, &value, Grant::read))
        .transpose()
}

/// All that a device might do in a group at any time.
pub(in crate::hub) fn grants_ever(
    view: &impl View,
    device: KeyId,
    group: GroupId,
) -> Result<Vec<Grant>, LedgerFault> {
    let prefix = pair_key(device.as_bytes(), group.as_bytes());
    all(view, Table::Grant, &prefix)?
        .iter()
        .map(|(_, value)| decode(Table::Grant, value, Grant::read))
        .collect()
}

/// Every role that a member of a group had at any time: number, role.
pub(in crate::hub) fn roles_ever(
    view: &impl View,
    group: GroupId,
) -> Result<Vec<(u16, u16)>, LedgerFault> {
    let mut roles = Vec::new();
    for (key, value) in all(view, Table::Member, group.as_bytes())? {
        let role = decode(Table::Member, &value, |r| r.u16())?;
        roles.push((member_in(&key)?, role));
    }
    Ok(roles)
}

/// Number of the member in a key of their roles.
fn member_in(key: &[u8]) -> Result<u16, LedgerFault> {
    key.get(GroupId::LEN..GroupId::LEN.saturating_add(2))
        .and_then(|bytes| bytes.try_into().ok())
        .map(u16::from_be_bytes)
        .ok_or(LedgerFault::Damaged(Table::Member))
}

/// The groups in which a device is enrolled and not revoked.
pub fn groups_of(view: &impl View, device: KeyId) -> Result<Vec<GroupId>, LedgerFault> {
    let mut grants = grants(view, device)?;
    grants.retain(|(_, grant)| *grant != Grant::Revoked);
    Ok(grants.into_iter().map(|(group, _)| group).collect())
}

/// Every group that a device was ever enrolled in, with what it may now.
pub fn grants(view: &impl View, device: KeyId) -> Result<Vec<(GroupId, Grant)>, LedgerFault> {
    let mut grants: Vec<(GroupId, Grant)> = Vec::new();
    for (key, value) in all(view, Table::Grant, device.as_bytes())? {
        let id = key
            .get(KeyId::LEN..KeyId::LEN.saturating_add(GroupId::LEN))
            .and_then(GroupId::from_slice)
            .ok_or(LedgerFault::Damaged(Table::Grant))?;
        let grant = decode(Table::Grant, &value, Grant::read)?;
        match grants.last_mut().filter(|(last, _)| *last == id) {
            Some(last) => last.1 = grant,
            None => grants.push((id, grant)),
        }
    }
    Ok(grants)
}

/// Key of an enrolled device, revoked or not.
pub fn device_key(view: &impl View, device: KeyId) -> Result<Option<PublicKey>, LedgerFault> {
    view.get(Table::Device, device.as_bytes())?
        .map(|bytes| decode(Table::Device, &bytes, |r| Ok(PublicKey(r.array()?))))
        .transpose()
}

/// All devices ever enrolled.
pub fn devices(view: &impl View) -> Result<Vec<KeyId>, LedgerFault> {
    Ok(all(view, Table::Device, &[])?
        .iter()
        .filter_map(|(key, _)| KeyId::from_slice(key))
        .collect())
}

/// The groups a device is in and the feeds it may read there, now.
pub fn rights(
    view: &impl View,
    vocabulary: &Vocabulary,
    device: KeyId,
) -> Result<Vec<(GroupId, FeedSet)>, LedgerFault> {
    let mut rights = Vec::new();
    for (group, grant) in grants(view, device)? {
        if grant == Grant::Revoked {
            continue;
        }
        let mut read = Vec::new();
        for member in members(view, group)? {
            let Some(role) = member.role.filter(|_| grant.names(member.number)) else {
                continue;
            };
            let lanes = Lane::ALL.into_iter();
            read.extend(lanes.filter(|lane| vocabulary.may_read(role, *lane)));
        }
        rights.push((group, FeedSet::of(&read)));
    }
    Ok(rights)
}

/// Where the Control entries of a group are, and those of the whole log.
fn controls_of(group: Option<GroupId>) -> Vec<u8> {
    match group {
        None => vec![0],
        Some(group) => pair_key(&[1], group.as_bytes()),
    }
}

/// Key of a Control entry: the group of its feed, and its index.
pub(in crate::hub) fn control_key(group: Option<GroupId>, index: u64) -> Vec<u8> {
    key_of(&controls_of(group), index)
}

/// The newest Control entries of a group below an index, whatever feed they went into, or of the
/// whole log: at most `limit`, newest first.
pub fn controls(
    view: &impl View,
    group: Option<GroupId>,
    below: u64,
    limit: usize,
) -> Result<Vec<(u64, FullAct)>, LedgerFault> {
    let prefix = controls_of(group);
    let mut until = key_of(&prefix, below);
    let mut found = Vec::new();
    while found.len() < limit {
        let Some((key, _)) = view.last(Table::Control, &prefix, &until)? else {
            break;
        };
        let index = index_at_end(Table::Control, &key)?;
        let act = full_act(view, index)?.ok_or(LedgerFault::Damaged(Table::Control))?;
        found.push((index, act));
        until = key;
    }
    Ok(found)
}

/// Index of the entry that founded a group: the first of its Control entries.
pub fn founded_at(view: &impl View, group: GroupId) -> Result<Option<u64>, LedgerFault> {
    let prefix = controls_of(Some(group));
    view.scan(Table::Control, &prefix, &after(&prefix), 1)?
        .first()
        .map(|(key, _)| index_at_end(Table::Control, key))
        .transpose()
}
