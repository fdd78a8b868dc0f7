//! What the console asks, answered from the log.
//!
//! The scope comes from the officer's role and area, and without it the store lists nothing. A
//! reading is audited in a transaction of its own before anything is read: what fails afterwards
//! was still asked for. Acts go through the writer, and their checks are made inside of the
//! transaction, on what stands there then.

mod acts;
mod devices;
mod lists;
mod models;
mod periods;
mod quarantine;
mod record;
mod units;

use std::collections::BTreeMap;
use std::sync::Arc;

use sync_core::change::ChangeRef;
use sync_core::closing::ClosingFault;
use sync_core::hub::facts::{self, Group};
use sync_core::hub::ledger::{LedgerFault, View};
use sync_core::hub::{Admitting, LifeStep, Refusal};
use sync_core::ids::{AreaRef, GroupId, KeyId, RecordId};
use sync_core::vocabulary::{RoleScope, Vocabulary};

use super::console::desk::{
    ActsOf, ActsPage, AdmitInput, AreaName, AreaRow, Cause, Desk, DeskError, DeviceRow, GroupRow,
    HeldPage, InviteId, InvitePage, ListFilter, ListPage, MemberRow, ModelRow, Officer, PageKey,
    PeriodAsked, PeriodPage, QuarantinePage, RecordPage, ReviewInput, SessionRow, SignInRow,
    UnitsAsked,
};
use crate::log::{self, Doing};
use crate::now_s;
use crate::office::Office;
use crate::store::{self, AuditEntry, Scope, ScopeArea, Snapshot};
use crate::writer::WriteError;

/// The console's questions, answered by an open log.
#[derive(Debug)]
pub struct OfficeDesk {
    office: Arc<Office>,
}

impl From<LedgerFault> for DeskError {
    fn from(fault: LedgerFault) -> Self {
        match fault {
            LedgerFault::Full => Self::StorageFull,
            LedgerFault::Damaged(_) | LedgerFault::Failed(_) => {
                log::failed(Doing::Page, &fault);
                Self::Failed
            }
        }
    }
}

impl From<WriteError> for DeskError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Busy => Self::Busy,
            WriteError::Stopped => Self::Failed,
            WriteError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for DeskError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Store(fault) => fault.into(),
            Refusal::NoGroup | Refusal::NoRecord | Refusal::NoChange => Self::NotFound,
            // somebody closed it meanwhile
            Refusal::Closing(ClosingFault::NotNext(_)) => Self::Stale,
            Refusal::Digits => Self::WrongDigits,
            Refusal::NoDevice
            | Refusal::NoInvite
            | Refusal::InviteUsed
            | Refusal::InviteExpired
            | Refusal::DeviceKnown => Self::NotWaiting,
            Refusal::NotAside => Self::Decided,
            Refusal::StaysAside(_) => Self::StaysAside,
            Refusal::WordsGone => Self::WordsGone,
            Refusal::SecondOfficer => Self::SecondOfficer,
            Refusal::GroupKnown
            | Refusal::NoMember(_)
            | Refusal::TooManyMembers
            | Refusal::Role(_)
            | Refusal::Name(_)
            | Refusal::BadKey
            | Refusal::NoField(_)
            | Refusal::State(_)
            | Refusal::Reason
            | Refusal::Words
            | Refusal::Closing(_)
            | Refusal::Life(_)
            | Refusal::Nothing
            | Refusal::NothingToErase => Self::Invalid,
        }
    }
}

impl OfficeDesk {
    /// The desk of this log.
    #[must_use]
    pub fn new(office: Arc<Office>) -> Self {
        Self { office }
    }

    fn vocabulary(&self) -> &Vocabulary {
        self.office.hub().vocabulary()
    }

    /// How far an officer sees.
    fn scope(&self, officer: &Officer) -> Result<Scope, DeskError> {
        let vocabulary = self.vocabulary();
        let area = match officer.scope(vocabulary) {
            // one log holds one province
            RoleScope::Province => ScopeArea::Province,
            RoleScope::Commune => ScopeArea::Commune(officer.area),
            RoleScope::Group | RoleScope::None => return Err(DeskError::NotAllowed),
        };
        let lanes = officer.lanes(vocabulary);
        let rounded = lanes
            .iter()
            .copied()
            .filter(|lane| vocabulary.sees_rounded(officer.role, *lane))
            .collect();
        Ok(Scope {
            area,
            lanes,
            rounded,
        })
    }

    /// Writes down that something is about to be read, or was asked to be done.
    fn audit(
        &self,
        officer: &Officer,
        what: &'static str,
        about: Option<&[u8]>,
        detail: &str,
    ) -> Result<(), DeskError> {
        let role = self.vocabulary().role(officer.role);
        let role = role.map_or_else(|| officer.role.to_string(), |role| role.id.clone());
        let mut scope = format!("{role}, {} ({})", officer.area_name.plain(), officer.area);
        if !detail.is_empty() {
            scope = format!("{scope}: {detail}");
        }
        let (account, about) = (Some(officer.account), about.map(<[u8]>::to_vec));
        self.office.writer().act(move |_hub, ledger| {
            let entry = AuditEntry {
                time_s: now_s(),
                account,
                what,
                about,
                scope,
            };
            Ok(ledger.audit(&entry)?)
        })?;
        Ok(())
    }

    fn read<T>(
        &self,
        read: impl FnOnce(&Snapshot<'_>) -> Result<T, LedgerFault>,
    ) -> Result<T, DeskError> {
        Ok(self.office.read(read)?)
    }
}

/// A group, if it lies in the scope.
fn group_in(
    view: &impl View,
    scope: ScopeArea,
    group: GroupId,
) -> Result<Option<Group>, LedgerFault> {
    let found = facts::group(view, group)?;
    Ok(found.filter(|row| lies_in(scope, group, row)))
}

fn lies_in(scope: ScopeArea, group: GroupId, row: &Group) -> bool {
    match scope {
        ScopeArea::Province => true,
        ScopeArea::Commune(commune) => row.commune == commune,
        ScopeArea::Group(only) => group == only,
    }
}

/// Names of areas, each looked up once.
struct AreaNames<'a, 'b> {
    snapshot: &'a Snapshot<'b>,
    known: BTreeMap<AreaRef, AreaName>,
}

impl<'a, 'b> AreaNames<'a, 'b> {
    fn new(snapshot: &'a Snapshot<'b>) -> Self {
        Self {
            snapshot,
            known: BTreeMap::new(),
        }
    }

    fn of(&mut self, area: AreaRef) -> Result<AreaName, LedgerFault> {
        if let Some(name) = self.known.get(&area) {
            return Ok(name.clone());
        }
        let row = self.snapshot.area(area)?;
        let name = row
            .as_ref()
            .map_or_else(|| AreaName::unknown(area), area_name);
        self.known.insert(area, name.clone());
        Ok(name)
    }
}

/// The name of an area that stands in the store.
fn area_name(row: &store::AreaRow) -> AreaName {
    AreaName {
        ended: row.valid_to.clone(),
        ..AreaName::known(row.id, format!("{} {}", row.kind.word(), row.name))
    }
}

impl Desk for OfficeDesk {
    fn account_by_name(&self, name: &str) -> Result<Option<SignInRow>, DeskError> {
        let found = self.read(|snapshot| snapshot.account_by_name(name))?;
        Ok(found.map(|found| SignInRow {
            number: found.account.number,
            name: found.account.name,
            role: found.account.role,
            area: found.account.area,
            active: found.account.active,
            password_hash: found.password_hash,
            failures: found.failures,
            not_before_s: found.not_before_s,
        }))
    }

    fn note_sign_in(
        &self,
        account: u32,
        ok: bool,
        now_s: i64,
        not_before_s: i64,
    ) -> Result<(), DeskError> {
        let noted = self
            .office
            .writer()
            .act(move |_hub, ledger| Ok(ledger.note_sign_in(account, ok, now_s, not_before_s)?));
        Ok(noted?)
    }

    fn open_session(
        &self,
        token_hash: [u8; 32],
        account: u32,
        csrf: [u8; 16],
        now_s: i64,
        expires_s: i64,
    ) -> Result<(), DeskError> {
        let opened = self.office.writer().act(move |_hub, ledger| {
            Ok(ledger.open_session(token_hash, account, csrf, now_s, expires_s)?)
        });
        Ok(opened?)
    }

    fn session(&self, token_hash: [u8; 32]) -> Result<Option<SessionRow>, DeskError> {
        self.read(|snapshot| {
            let Some(session) = snapshot.session(token_hash)? else {
                return Ok(None);
            };
            let Some(account) = snapshot.account(session.account)? else {
                return Ok(None);
            };
            let area_name = AreaNames::new(snapshot).of(account.area)?;
            Ok(Some(SessionRow {
                officer: Officer {
                    account: account.number,
                    name: account.name,
                    role: account.role,
                    area: account.area,
                    area_name,
                },
                csrf: session.csrf,
                expires_s: session.expires_s,
            }))
        })
    }

    fn end_session(&self, token_hash: [u8; 32]) -> Result<(), DeskError> {
        let ended = self
            .office
            .writer()
            .act(move |_hub, ledger| Ok(ledger.end_session(token_hash)?));
        Ok(ended?)
    }

    fn list(&self, officer: &Officer, filter: &ListFilter) -> Result<ListPage, DeskError> {
        self.list_page(officer, filter)
    }

    fn record(&self, officer: &Officer, record: RecordId) -> Result<Option<RecordPage>, DeskError> {
        self.record_page(officer, record)
    }

    fn areas(
        &self,
        officer: &Officer,
        units: Option<UnitsAsked>,
    ) -> Result<Vec<AreaRow>, DeskError> {
        self.area_rows(officer, units)
    }

    fn period(&self, officer: &Officer, asked: &PeriodAsked) -> Result<PeriodPage, DeskError> {
        self.period_page(officer, asked)
    }

    fn close_period(&self, officer: &Officer, asked: &PeriodAsked) -> Result<(), DeskError> {
        self.enter_closing(officer, asked)
    }

    fn models(&self, officer: &Officer) -> Result<Vec<ModelRow>, DeskError> {
        self.model_rows(officer)
    }

    fn model(&self, officer: &Officer, group: GroupId) -> Result<Option<ModelRow>, DeskError> {
        self.model_row(officer, group)
    }

    fn step_model(
        &self,
        officer: &Officer,
        group: GroupId,
        step: LifeStep,
        seen: usize,
    ) -> Result<(), DeskError> {
        self.enter_step(officer, group, step, seen)
    }

    fn groups(&self, officer: &Officer, area: Option<AreaRef>) -> Result<Vec<GroupRow>, DeskError> {
        let scope = self.scope(officer)?.area;
        let own = officer.area;
        self.read(|snapshot| {
            let mut names = AreaNames::new(snapshot);
            let mut rows = Vec::new();
            for (group, row) in facts::groups(snapshot, &[])? {
                let wanted =
                    area.is_none_or(|area| area == row.area || area == row.commune || area == own);
                if wanted && lies_in(scope, group, &row) {
                    rows.push(GroupRow {
                        group,
                        area_name: names.of(row.area)?,
                        name: row.name,
                    });
                }
            }
            rows.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(rows)
        })
    }

    fn members(&self, officer: &Officer, group: GroupId) -> Result<Vec<MemberRow>, DeskError> {
        let scope = self.scope(officer)?.area;
        self.audit(officer, "members", Some(group.as_bytes()), "")?;
        let rows = self.read(|snapshot| {
            if group_in(snapshot, scope, group)?.is_none() {
                return Ok(None);
            }
            let names = devices::member_names(snapshot, group)?;
            let members = facts::members(snapshot, group)?;
            let rows = members.into_iter().filter_map(|member| {
                Some(MemberRow {
                    number: member.number,
                    name: names.get(&member.number).cloned(),
                    role: member.role?,
                })
            });
            Ok(Some(rows.collect()))
        })?;
        rows.ok_or(DeskError::NotFound)
    }

    fn devices(&self, officer: &Officer) -> Result<Vec<DeviceRow>, DeskError> {
        self.device_rows(officer)
    }

    fn acts(
        &self,
        officer: &Officer,
        of: ActsOf,
        below: Option<u64>,
    ) -> Result<ActsPage, DeskError> {
        self.acts_page(officer, of, below.unwrap_or(u64::MAX))
    }

    fn quarantine(
        &self,
        officer: &Officer,
        cause: Cause,
        page: Option<&PageKey>,
    ) -> Result<QuarantinePage, DeskError> {
        self.quarantine_page(officer, cause, page)
    }

    fn held(&self, officer: &Officer, at: ChangeRef) -> Result<Option<HeldPage>, DeskError> {
        self.held_page(officer, at)
    }

    fn admit(&self, officer: &Officer, input: &AdmitInput) -> Result<Admitting, DeskError> {
        self.decide_held(officer, input)
    }

    fn review(&self, officer: &Officer, input: &ReviewInput) -> Result<(), DeskError> {
        self.enter_review(officer, input)
    }

    fn can_invite(&self) -> bool {
        self.office.settings().url().is_ok()
    }

    fn invite(
        &self,
        officer: &Officer,
        group: GroupId,
        members: &[u16],
    ) -> Result<InviteId, DeskError> {
        self.make_invitation(officer, group, members)
    }

    fn invitation(
        &self,
        officer: &Officer,
        invite: InviteId,
    ) -> Result<Option<InvitePage>, DeskError> {
        self.invitation_page(officer, invite)
    }

    fn confirm_device(
        &self,
        officer: &Officer,
        group: GroupId,
        device: KeyId,
        digits: &str,
    ) -> Result<(), DeskError> {
        let digits = digits.parse().map_err(|_letters| DeskError::WrongDigits)?;
        self.decide_device(officer, group, move |hub, ledger, acting| {
            devices::waits_for(ledger, group, device)?;
            Ok(Ok(hub.confirm(ledger, acting, device, digits)?))
        })
    }

    fn refuse_device(
        &self,
        officer: &Officer,
        group: GroupId,
        device: KeyId,
    ) -> Result<(), DeskError> {
        self.decide_device(officer, group, move |hub, ledger, acting| {
            devices::waits_for(ledger, group, device)?;
            Ok(Ok(hub.refuse(ledger, device, acting.now_s)?))
        })
    }

    fn revoke_device(
        &self,
        officer: &Officer,
        group: GroupId,
        device: KeyId,
        groups_shown: usize,
    ) -> Result<(), DeskError> {
        self.decide_device(officer, group, move |hub, ledger, acting| {
            let groups = facts::groups_of(ledger, device)?;
            if !groups.contains(&group) {
                return Err(Refusal::NoDevice);
            }
            // It got into another group since the officer read what would follow.
            if groups.len() != groups_shown {
                return Ok(Err(DeskError::Stale));
            }
            Ok(Ok(hub.revoke(ledger, acting, device)?))
        })
    }
}
