//! What was done at the desk, read back from the log: the Control entries, in types.

use std::collections::BTreeMap;

use sync_core::act::{ACCOUNT_PART, Control, FullAct, Said};
use sync_core::change::ChangeRef;
use sync_core::hub::ledger::LedgerFault;
use sync_core::hub::quarantine::admission;
use sync_core::hub::{facts, hearing};
use sync_core::ids::{AreaRef, Feed, GroupId};
use sync_core::log::EntryKind;
use sync_core::vocabulary::{Lane, RoleScope};

use super::devices::member_names;
use super::{AreaNames, OfficeDesk, group_in};
use crate::http::console::desk::{
    ActBy, ActRow, ActsOf, ActsPage, DeskError, Done, ErasedOf, Officer, SilentPhone, Someone,
};
use crate::office::Office;
use crate::store::{Scope, ScopeArea, Snapshot};

/// Acts of one page.
const ACTS_PAGE: usize = 50;
/// Entries that are looked at for one page: of a group with many closed records, most may be for
/// other eyes. The next page goes on where this one ended.
const ACTS_SEEN_MAX: usize = 1_000;

/// What a page of acts is read with.
struct Reading<'a, 'b> {
    office: &'a Office,
    snapshot: &'a Snapshot<'b>,
    scope: &'a Scope,
    group: Option<GroupId>,
    areas: AreaNames<'a, 'b>,
    /// Names of the group's members, where the officer may know them.
    members: BTreeMap<u16, String>,
    /// Index of the first entry about the group: its founding.
    founding: Option<u64>,
}

impl OfficeDesk {
    pub(super) fn acts_page(
        &self,
        officer: &Officer,
        of: ActsOf,
        below: u64,
    ) -> Result<ActsPage, DeskError> {
        if !officer.sees_acts(self.vocabulary()) {
            return Err(DeskError::NotAllowed);
        }
        let scope = self.scope(officer)?;
        let group = match of {
            ActsOf::Log => None,
            ActsOf::Group(group) => Some(group),
        };
        self.audit(
            officer,
            "acts",
            group.as_ref().map(|group| &group.0[..]),
            "",
        )?;
        // above the commune nobody needs the names of a village's members
        let knows_members = officer.scope(self.vocabulary()) == RoleScope::Commune;
        let page = self.read(|snapshot| {
            let mut group_name = None;
            let mut reading = Reading {
                office: &self.office,
                snapshot,
                scope: &scope,
                group,
                areas: AreaNames::new(snapshot),
                members: BTreeMap::new(),
                founding: None,
            };
            if let Some(group) = group {
                let Some(row) = group_in(snapshot, scope.area, group)? else {
                    return Ok(None);
                };
                group_name = Some(row.name);
                reading.founding = facts::founded_at(snapshot, group)?;
                if knows_members {
                    reading.members = member_names(snapshot, group)?;
                }
            }
            let (rows, older) = reading.page(below)?;
            Ok(Some(ActsPage {
                group_name,
                rows,
                older,
            }))
        })?;
        page.ok_or(DeskError::NotFound)
    }
}

impl Reading<'_, '_> {
    /// Rows below an index, and where the next page begins if there may be one.
    fn page(&mut self, mut below: u64) -> Result<(Vec<ActRow>, Option<u64>), LedgerFault> {
        let (mut rows, mut seen) = (Vec::new(), 0);
        loop {
            let acts = facts::controls(self.snapshot, self.group, below, ACTS_PAGE)?;
            for (index, full) in &acts {
                below = *index;
                if let Some(row) = self.row(*index, full)? {
                    rows.push(row);
                }
                if rows.len() == ACTS_PAGE {
                    break;
                }
            }
            seen += acts.len();
            let ended = acts.len() < ACTS_PAGE;
            if rows.len() == ACTS_PAGE || ended || seen >= ACTS_SEEN_MAX {
                let more = facts::controls(self.snapshot, self.group, below, 1)?;
                return Ok((rows, (!more.is_empty()).then_some(below)));
            }
        }
    }

    fn row(&mut self, index: u64, full: &FullAct) -> Result<Option<ActRow>, LedgerFault> {
        if !self.is_for_these_eyes(full.act.feed) {
            return Ok(None);
        }
        let Said::Control(control) = &full.act.said else {
            return Ok(None);
        };
        let Some(done) = self.done(index, control)? else {
            return Ok(None);
        };
        let by = match full.act.account {
            0 => ActBy::CommandLine,
            number => ActBy::Account {
                number,
                name: full.words(ACCOUNT_PART).map(str::to_owned),
            },
        };
        Ok(Some(ActRow {
            time_s: full.act.time_s,
            by,
            done,
        }))
    }

    /// That words of a closed lane were erased tells that there is a record: only who reads the
    /// lane whole may see it.
    fn is_for_these_eyes(&self, feed: Feed) -> bool {
        let lanes = self.scope.full_lanes();
        let whole = |lane: Lane| lanes.contains(&lane);
        match feed {
            Feed::Log | Feed::Office | Feed::Group(_) => true,
            Feed::Shared(logbook) | Feed::Private(logbook, _) => whole(logbook.lane),
        }
    }

    /// What an entry says; `None` when it is about another commune.
    fn done(&mut self, index: u64, control: &Control) -> Result<Option<Done>, LedgerFault> {
        Ok(Some(match control {
            Control::Generation { .. } => Done::Restored,
            Control::Group { area, name, .. } => {
                let (name, area) = (name.clone(), self.areas.of(*area)?);
                if self.founding == Some(index) {
                    Done::GroupFounded { name, area }
                } else {
                    Done::GroupChanged { name, area }
                }
            }
            Control::Member {
                group,
                number,
                role,
            } => {
                let (who, role) = (self.someone(*number), *role);
                let before = facts::role_at(self.snapshot, *group, *number, index)?;
                if before.is_some() {
                    Done::RoleChanged { who, role }
                } else {
                    Done::MemberAdded { who, role }
                }
            }
            Control::MemberEnd { number, .. } => Done::MemberEnded {
                who: self.someone(*number),
            },
            Control::Enrol {
                device, members, ..
            } => Done::DeviceEnrolled {
                device: device.id(),
                members: members.iter().map(|number| self.someone(*number)).collect(),
            },
            Control::Revoke { device, .. } => Done::DeviceRevoked { device: *device },
            Control::Erase { change, keys } => self.erased(index, *change, keys.len())?,
            Control::Admit { change, hash } => {
                let known = admission(self.snapshot, *change, hash)?;
                let confirmed = known.and_then(|known| known.confirmed);
                if confirmed.is_some_and(|(_, at)| at == index) {
                    Done::HeldAdmitted
                } else {
                    Done::HeldProposed
                }
            }
            Control::Officer {
                account,
                role,
                area,
                active,
            } => {
                if self.is_of_another_commune(*area)? {
                    return Ok(None);
                }
                let known = self.snapshot.account(*account)?;
                Done::AccountSet {
                    number: *account,
                    name: known.map(|account| account.name),
                    role: *role,
                    area: self.areas.of(*area)?,
                    active: *active,
                }
            }
            Control::Areas { rows, .. } => Done::AreasTaken { rows: *rows },
            Control::AreaEvents { events, .. } => Done::AreasChanged {
                events: events.len(),
            },
            Control::GroupLife { step, .. } => Done::LifeStep { step: step.clone() },
            Control::PeriodClosed(closing) => {
                if self.is_of_another_commune(closing.area)? {
                    return Ok(None);
                }
                Done::PeriodClosed {
                    area: self.areas.of(closing.area)?,
                    first: closing.period.first,
                    last: closing.period.last,
                }
            }
            Control::Vocabulary { version } => Done::VocabularySet { version: *version },
        }))
    }

    fn someone(&self, number: u16) -> Someone {
        Someone {
            number,
            name: self.members.get(&number).cloned(),
        }
    }

    fn erased(&self, index: u64, change: ChangeRef, fields: usize) -> Result<Done, LedgerFault> {
        let hearing = hearing(self.snapshot, index)?;
        let mut silent = Vec::new();
        for device in hearing.silent {
            silent.push(SilentPhone {
                device,
                is_revoked: facts::groups_of(self.snapshot, device)?.is_empty(),
                last_seen_s: self.office.last_seen(device),
            });
        }
        Ok(Done::Erased {
            of: self.erased_of(change)?,
            fields,
            heard: hearing.heard,
            silent,
        })
    }

    fn erased_of(&self, change: ChangeRef) -> Result<ErasedOf, LedgerFault> {
        let Some(place) = facts::place(self.snapshot, change)? else {
            return Ok(ErasedOf::Unknown);
        };
        let Some(entry) = facts::entry(self.snapshot, place.index)? else {
            return Ok(ErasedOf::Unknown);
        };
        Ok(match entry.leaf.kind {
            EntryKind::Review => ErasedOf::Remark,
            EntryKind::Control => ErasedOf::Name,
            EntryKind::Change => {
                let Some(logbook) = entry.leaf.feed.logbook() else {
                    return Ok(ErasedOf::Unknown);
                };
                let shown = self.snapshot.row(self.scope, place.record)?;
                ErasedOf::Record {
                    record: shown.map(|row| row.record),
                    lane: logbook.lane,
                }
            }
            EntryKind::Aside => ErasedOf::Unknown,
        })
    }

    /// Accounts of the province see into every commune, so every commune sees them.
    fn is_of_another_commune(&self, area: AreaRef) -> Result<bool, LedgerFault> {
        let ScopeArea::Commune(own) = self.scope.area else {
            return Ok(false);
        };
        let known = self.snapshot.area(area)?;
        let is_province = known.is_some_and(|row| row.parent.is_none());
        Ok(area != own && !is_province)
    }
}
