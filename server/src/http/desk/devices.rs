//! Phones: who waits, who writes, and the codes that let one ask.

use std::collections::BTreeMap;

use sync_core::act::{Control, NAME_PART, Said};
use sync_core::hub::arrival::{self, Candidate};
use sync_core::hub::facts::{self, Grant};
use sync_core::hub::ledger::{LedgerFault, View};
use sync_core::hub::{Acting, Hub, Refusal};
use sync_core::ids::{GroupId, KeyId};

use super::{OfficeDesk, group_in};
use crate::enrolment::{INVITATION_DAYS, InviteError, Inviting};
use crate::http::console::desk::{
    DeskError, DeviceRow, DeviceState, InviteId, InvitePage, InviteState, Officer, Reach,
};
use crate::log::{self, Event};
use crate::now_s;
use crate::store::{ScopeArea, Snapshot, SqliteLedger};

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

/// The groups in which a device is enrolled, as far as an officer may know.
fn reach(view: &impl View, scope: ScopeArea, device: KeyId) -> Result<Reach, LedgerFault> {
    let mut reach = Reach::default();
    for group in facts::groups_of(view, device)? {
        match group_in(view, scope, group)? {
            Some(row) => reach.groups.push(row.name),
            None => reach.beyond = reach.beyond.saturating_add(1),
        }
    }
    Ok(reach)
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

/// When a device was revoked in a group: the newest of the group's entries that says so.
fn revoked_at(view: &impl View, group: GroupId, device: KeyId) -> Result<i64, LedgerFault> {
    let mut below = u64::MAX;
    loop {
        let acts = facts::controls(view, Some(group), below, ACTS_READ)?;
        for (_, full) in &acts {
            if let Said::Control(Control::Revoke { device: of, .. }) = full.act.said
                && of == device
            {
                return Ok(full.act.time_s);
            }
        }
        match acts.last() {
            Some((index, _)) if acts.len() == ACTS_READ => below = *index,
            _ => return Ok(0),
        }
    }
}

/// Acts that are read at once.
const ACTS_READ: usize = 100;

impl OfficeDesk {
    pub(super) fn device_rows(&self, officer: &Officer) -> Result<Vec<DeviceRow>, DeskError> {
        let scope = self.scope(officer)?.area;
        self.audit(officer, "devices", None, "")?;
        self.read(|snapshot| {
            let mut rows = Vec::new();
            for (device, found) in arrival::candidates(snapshot)? {
                if let Some(group) = group_in(snapshot, scope, found.group)? {
                    rows.push(candidate_row(snapshot, device, &found, group.name)?);
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
                        reach: reach(snapshot, scope, device)?,
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
        self.audit(officer, "invite", Some(group.as_bytes()), "")?;
        let made = self.office.invite(Inviting {
            account: officer.account,
            group,
            group_name: row.name,
            members: members.to_vec(),
            url: None,
            days: INVITATION_DAYS,
        })?;
        Ok(InviteId(made.name))
    }

    pub(super) fn invitation_page(
        &self,
        officer: &Officer,
        id: InviteId,
    ) -> Result<Option<InvitePage>, DeskError> {
        let scope = self.scope(officer)?.area;
        let found = self.read(|snapshot| {
            let own = self.office.invitation(snapshot, officer.account, id.0)?;
            let Some(invite) = own else {
                return Ok(None);
            };
            let Some(group) = group_in(snapshot, scope, invite.group)? else {
                return Ok(None);
            };
            let members = users(snapshot, invite.group, &invite.members)?;
            let used = match invite.used_by {
                None => None,
                Some(device) => Some(used_by(snapshot, device, &group.name)?),
            };
            Ok(Some((invite, group.name, members, used)))
        })?;
        let Some((invite, group_name, members, used)) = found else {
            return Ok(None);
        };
        let state = match used {
            Some(used) => used,
            None if invite.expires_s <= now_s() => InviteState::Expired,
            None => InviteState::Open {
                text: self.office.invitation_text(
                    officer.account,
                    id.0,
                    invite.group,
                    &group_name,
                )?,
                address: self.office.settings().url().unwrap_or_default(),
            },
        };
        Ok(Some(InvitePage {
            group_name,
            members,
            expires_s: invite.expires_s,
            state,
        }))
    }

    /// Does something about a phone of a group in the officer's scope.
    pub(super) fn decide_device(
        &self,
        officer: &Officer,
        group: GroupId,
        decide: impl FnOnce(
            &Hub,
            &mut SqliteLedger<'_>,
            &Acting<'_>,
        ) -> Result<Result<(), DeskError>, Refusal>
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
        done?
    }
}

/// What became of a code that this phone used.
fn used_by(
    snapshot: &Snapshot<'_>,
    device: KeyId,
    group_name: &str,
) -> Result<InviteState, LedgerFault> {
    Ok(match arrival::candidate(snapshot, device)? {
        None => InviteState::Confirmed,
        Some(found) if found.refused_at.is_some() => InviteState::Refused,
        Some(found) => {
            let row = candidate_row(snapshot, device, &found, group_name.to_owned())?;
            InviteState::Waiting(row)
        }
    })
}

/// A phone that asked and is not confirmed.
fn candidate_row(
    snapshot: &Snapshot<'_>,
    device: KeyId,
    found: &Candidate,
    group_name: String,
) -> Result<DeviceRow, LedgerFault> {
    Ok(DeviceRow {
        device,
        group: found.group,
        group_name,
        members: users(snapshot, found.group, &found.members)?,
        state: match found.refused_at {
            None => DeviceState::Pending {
                since_s: found.asked_s,
            },
            Some(since_s) => DeviceState::Refused { since_s },
        },
        reach: Reach::default(),
    })
}

impl From<InviteError> for DeskError {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::NoAddress(_) => Self::NoAddress,
            InviteError::NotKept(error) => error.into(),
            InviteError::NoCode(_why) => {
                log::tell(Event::NoCode);
                Self::Failed
            }
        }
    }
}
