//! Phones: who waits, who writes, and the codes that let one ask.

use std::collections::BTreeMap;

use sync_core::act::{Control, NAME_PART, Said};
use sync_core::hub::arrival;
use sync_core::hub::facts::{self, Grant};
use sync_core::hub::ledger::{LedgerFault, View};
use sync_core::hub::{Acting, Hub, Refusal};
use sync_core::ids::{Feed, GroupId, KeyId};

use super::{OfficeDesk, group_in};
use crate::http::console::desk::{
    DeskError, DeviceRow, DeviceState, InviteId, InvitePage, Officer,
};
use crate::store::{Snapshot, SqliteLedger};
use crate::{now_s, random};

/// Seconds for which a code of the console is good.
const INVITATION_S: i64 = 7 * 86_400;
/// Codes that are kept; the oldest is forgotten first.
const INVITED_MAX: usize = 1_000;

/// A code that was made at the console.
pub(super) struct Invited {
    account: u32,
    group: GroupId,
    members: Vec<u16>,
    token: [u8; 16],
    text: String,
    expires_s: i64,
}

/// Without token and text: what is printed ends in logs.
impl std::fmt::Debug for Invited {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invited")
            .field("expires_s", &self.expires_s)
            .finish_non_exhaustive()
    }
}

/// Names of all members that a group ever had, by number, unless erased.
pub(super) fn member_names(
    view: &impl View,
    group: GroupId,
) -> Result<BTreeMap<u16, String>, LedgerFault> {
    let mut names = BTreeMap::new();
    for member in facts::members(view, group)? {
        let named = facts::full_act(view, member.named_at)?;
        if let Some(name) = named.as_ref().and_then(|full| full.words(NAME_PART)) {
            names.insert(member.number, name.to_owned());
        }
    }
    Ok(names)
}

/// Whether a device waits for this group.
pub(super) fn waits_for(view: &impl View, group: GroupId, device: KeyId) -> Result<(), Refusal> {
    let found = arrival::candidate(view, device)?;
    match found {
        Some(found) if found.group == group => Ok(()),
        Some(_) | None => Err(Refusal::NoDevice),
    }
}

/// Whether a device is enrolled in this group.
pub(super) fn writes_in(view: &impl View, group: GroupId, device: KeyId) -> Result<(), Refusal> {
    let grants = facts::grants(view, device)?;
    let active = |(of, grant): &(GroupId, Grant)| *of == group && *grant != Grant::Revoked;
    if grants.iter().any(active) {
        Ok(())
    } else {
        Err(Refusal::NoDevice)
    }
}

/// Names of the members who use a phone; empty for all of the group.
fn users(view: &impl View, group: GroupId, numbers: &[u16]) -> Result<Vec<String>, LedgerFault> {
    if numbers.is_empty() {
        return Ok(Vec::new());
    }
    let names = member_names(view, group)?;
    let name = |number: &u16| {
        let known = names.get(number).cloned();
        known.unwrap_or_else(|| number.to_string())
    };
    Ok(numbers.iter().map(name).collect())
}

/// When a device was revoked in a group: the group's entries say so.
fn revoked_at(view: &impl View, group: GroupId, device: KeyId) -> Result<i64, LedgerFault> {
    let mut at_s = 0;
    let (mut cursor, feed) = (0, Feed::Group(group));
    loop {
        let indexes = facts::feed_from(view, feed, cursor, FEED_PAGE)?;
        for index in &indexes {
            let full = facts::full_act(view, *index)?;
            let said = full.as_ref().map(|full| &full.act.said);
            if let Some(Said::Control(Control::Revoke { device: of, .. })) = said
                && *of == device
            {
                at_s = full.map_or(0, |full| full.act.time_s);
            }
            cursor = index.saturating_add(1);
        }
        if indexes.len() < FEED_PAGE {
            return Ok(at_s);
        }
    }
}

/// Entries of a group that are read at once.
const FEED_PAGE: usize = 500;

impl OfficeDesk {
    pub(super) fn device_rows(&self, officer: &Officer) -> Result<Vec<DeviceRow>, DeskError> {
        let scope = self.scope(officer)?.area;
        self.audit(officer, "devices", None, "")?;
        self.read(|snapshot| {
            let mut rows = Vec::new();
            for (device, found) in arrival::candidates(snapshot)? {
                if found.refused_at.is_some() {
                    continue;
                }
                if let Some(group) = group_in(snapshot, scope, found.group)? {
                    rows.push(DeviceRow {
                        device,
                        group: found.group,
                        group_name: group.name,
                        members: users(snapshot, found.group, &found.members)?,
                        state: DeviceState::Pending {
                            since_s: found.asked_s,
                        },
                    });
                }
            }
            let waiting_count = rows.len();
            for device in facts::devices(snapshot)? {
                for (group, grant) in facts::grants(snapshot, device)? {
                    let Some(row) = group_in(snapshot, scope, group)? else {
                        continue;
                    };
                    let (members, state) = match grant {
                        Grant::Members(members) => (
                            members,
                            DeviceState::Active {
                                last_seen_s: self.office.last_seen(device),
                            },
                        ),
                        Grant::Revoked => (
                            Vec::new(),
                            DeviceState::Revoked {
                                since_s: revoked_at(snapshot, group, device)?,
                            },
                        ),
                    };
                    rows.push(DeviceRow {
                        device,
                        group,
                        group_name: row.name,
                        members: users(snapshot, group, &members)?,
                        state,
                    });
                }
            }
            let enrolled = rows.get_mut(waiting_count..).unwrap_or_default();
            enrolled.sort_by(|a, b| a.group_name.cmp(&b.group_name));
            Ok(rows)
        })
    }

    pub(super) fn make_invitation(
        &self,
        officer: &Officer,
        group: GroupId,
        members: &[u16],
    ) -> Result<InviteId, DeskError> {
        if !officer.keeps_devices(self.vocabulary()) {
            return Err(DeskError::NotAllowed);
        }
        let scope = self.scope(officer)?.area;
        let row = self.read(|snapshot| group_in(snapshot, scope, group))?;
        let row = row.ok_or(DeskError::NotFound)?;
        let (token, now_s) = (random()?, now_s());
        let id = InviteId(random()?);
        // The text first: an invitation that cannot be shown must not be made.
        let text = self
            .office
            .invitation_text(None, token, group, &row.name, now_s)
            .map_err(|why| {
                crate::tell(&format!("the console could not make a code: {why}"));
                DeskError::Failed
            })?;
        let expires_s = now_s.saturating_add(INVITATION_S);
        self.audit(officer, "invite", Some(group.as_bytes()), "")?;
        let kept = members.to_vec();
        let members = kept.clone();
        self.office
            .writer()
            .act(move |hub, ledger| hub.invite(ledger, group, members, &token, expires_s))?;
        let mut invited = self.invited();
        invited.retain(|_, one| one.expires_s > now_s);
        if invited.len() >= INVITED_MAX {
            let oldest = invited.iter().min_by_key(|(_, one)| one.expires_s);
            let oldest = oldest.map(|(id, _)| *id);
            if let Some(oldest) = oldest {
                invited.remove(&oldest);
            }
        }
        invited.insert(
            id,
            Invited {
                account: officer.account,
                group,
                members: kept,
                token,
                text,
                expires_s,
            },
        );
        Ok(id)
    }

    pub(super) fn invitation_page(
        &self,
        officer: &Officer,
        invite: InviteId,
    ) -> Result<Option<InvitePage>, DeskError> {
        let scope = self.scope(officer)?.area;
        let found = {
            let invited = self.invited();
            let own = invited.get(&invite);
            own.filter(|own| own.account == officer.account).map(|own| {
                (
                    own.group,
                    own.members.clone(),
                    own.token,
                    own.text.clone(),
                    own.expires_s,
                )
            })
        };
        let Some((group, numbers, token, text, expires_s)) = found else {
            return Ok(None);
        };
        self.read(|snapshot| {
            let Some(row) = group_in(snapshot, scope, group)? else {
                return Ok(None);
            };
            let members = users(snapshot, group, &numbers)?;
            let used_by = arrival::invite(snapshot, &token)?.and_then(|invite| invite.used_by);
            let pending = pending(snapshot, used_by, &row.name, &members)?;
            let open = used_by.is_none() && expires_s > now_s();
            Ok(Some(InvitePage {
                group_name: row.name,
                members,
                qr_text: open.then_some(text),
                expires_s,
                pending,
            }))
        })
    }

    /// Does something about a phone of a group in the officer's scope.
    pub(super) fn decide_device(
        &self,
        officer: &Officer,
        group: GroupId,
        decide: impl FnOnce(&Hub, &mut SqliteLedger<'_>, &Acting<'_>) -> Result<(), Refusal>
        + Send
        + 'static,
    ) -> Result<(), DeskError> {
        if !officer.keeps_devices(self.vocabulary()) {
            return Err(DeskError::NotAllowed);
        }
        let scope = self.scope(officer)?.area;
        self.audit(officer, "device", Some(group.as_bytes()), "")?;
        let done = self.office.act_as(
            officer.account,
            &officer.name,
            move |hub, ledger, acting| {
                if group_in(ledger, scope, group)?.is_none() {
                    return Err(Refusal::NoGroup);
                }
                decide(hub, ledger, acting)
            },
        );
        Ok(done?)
    }
}

/// The phone that used a code, while it waits.
fn pending(
    snapshot: &Snapshot<'_>,
    used_by: Option<KeyId>,
    group_name: &str,
    members: &[String],
) -> Result<Vec<DeviceRow>, LedgerFault> {
    let Some(device) = used_by else {
        return Ok(Vec::new());
    };
    let found = arrival::candidate(snapshot, device)?;
    let waiting = found.filter(|found| found.refused_at.is_none());
    Ok(waiting
        .map(|found| DeviceRow {
            device,
            group: found.group,
            group_name: group_name.to_owned(),
            members: members.to_vec(),
            state: DeviceState::Pending {
                since_s: found.asked_s,
            },
        })
        .into_iter()
        .collect())
}
