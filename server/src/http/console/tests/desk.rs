//! A desk in memory: one commune, a few records in every way a record can look, and a list of the
//! calls in their order.

use std::sync::Mutex;

use sync_core::change::ChangeRef;
use sync_core::hub::{Admitting, LifeStep};
use sync_core::ids::{AreaRef, GroupId, KeyId, RecordId};
use sync_core::text::index_text;
use sync_core::vocabulary::{Lane, Vocabulary};

use super::acts::acts_of;
use super::quarantine::{HELD, PROPOSED_AT, held_of, quarantine_of};
use super::records::{device, khmer, open_rows, patrol, tip, tip_row};
use crate::http::console::desk::*;
use crate::http::console::password::hash_password;

pub(super) const PASSWORD: &str = "mùa nước nổi 2026";
pub(super) const GROUP: GroupId = GroupId([7; 16]);
pub(super) const COMMUNE: AreaRef = AreaRef([3; 16]);
pub(super) const HAMLET: AreaRef = AreaRef([4; 16]);
pub(super) const ENDED: AreaRef = AreaRef([9; 16]);
pub(super) const PATROL: RecordId = RecordId([1; 16]);
pub(super) const TIP: RecordId = RecordId([2; 16]);
pub(super) const KHMER: RecordId = RecordId([5; 16]);
pub(super) const WAITING: KeyId = KeyId([0xA1; 8]);
pub(super) const WRITING: KeyId = KeyId([0xB2; 8]);
pub(super) const DIGITS: &str = "482913";
pub(super) const NOW_S: i64 = 1_788_600_000;

#[derive(Default)]
pub(super) struct State {
    pub(super) accounts: Vec<SignInRow>,
    pub(super) sessions: Vec<([u8; 32], u32, [u8; 16], i64)>,
    pub(super) calls: Vec<String>,
    pub(super) filters: Vec<ListFilter>,
    pub(super) reviews: Vec<(u32, ReviewInput)>,
    pub(super) invited: Vec<(GroupId, Vec<u16>)>,
    pub(super) steps: Vec<LifeStep>,
    pub(super) periods: Vec<PeriodAsked>,
    pub(super) closed: bool,
    pub(super) is_empty: bool,
    pub(super) has_address: bool,
    pub(super) scanned: bool,
    pub(super) pending_decided: bool,
    pub(super) refused: bool,
    pub(super) revoked: bool,
    /// Account that proposed to admit the held change.
    pub(super) proposer: Option<u32>,
    pub(super) admitted: bool,
}

pub(super) struct TestDesk {
    pub(super) state: Mutex<State>,
}

impl TestDesk {
    pub(super) fn new() -> Self {
        let vocabulary = Vocabulary::builtin();
        let hash = hash_password(PASSWORD).unwrap();
        let account = |number: u32, name: &str, role: &str, active: bool| SignInRow {
            number,
            name: name.to_owned(),
            role: vocabulary.role_by_id(role).unwrap().number,
            area: COMMUNE,
            active,
            password_hash: hash.clone(),
            failures: 0,
            not_before_s: 0,
        };
        let accounts = vec![
            account(1, "chi.huy", "commune_chief", true),
            account(2, "pv05", "province_reviewer", true),
            account(3, "giam.sat", "auditor", true),
            account(4, "da.nghi", "commune_officer", false),
            account(5, "tu.phap", "justice_officer", true),
            account(6, "thi.dua", "emulation_officer", true),
            account(7, "ubnd", "commune_pc", true),
            account(8, "pho.lan", "commune_chief", true),
        ];
        Self {
            state: Mutex::new(State {
                accounts,
                has_address: true,
                ..State::default()
            }),
        }
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.state.lock().unwrap().calls.clone()
    }

    pub(super) fn forget_calls(&self) {
        self.state.lock().unwrap().calls.clear();
    }

    fn call(&self, name: &str) {
        self.state.lock().unwrap().calls.push(name.to_owned());
    }

    /// What a real desk does inside each reading, before it reads.
    fn audited(&self, name: &str) {
        self.call(&format!("audit {name}"));
        self.call(name);
    }
}

impl Desk for TestDesk {
    fn account_by_name(&self, name: &str) -> Result<Option<SignInRow>, DeskError> {
        self.call("account_by_name");
        let state = self.state.lock().unwrap();
        Ok(state.accounts.iter().find(|row| row.name == name).cloned())
    }

    fn note_sign_in(
        &self,
        account: u32,
        ok: bool,
        _now_s: i64,
        not_before_s: i64,
    ) -> Result<(), DeskError> {
        self.call(&format!("note_sign_in {ok}"));
        let mut state = self.state.lock().unwrap();
        let row = state
            .accounts
            .iter_mut()
            .find(|row| row.number == account)
            .unwrap();
        row.failures = if ok { 0 } else { row.failures + 1 };
        row.not_before_s = not_before_s;
        Ok(())
    }

    fn open_session(
        &self,
        token_hash: [u8; 32],
        account: u32,
        csrf: [u8; 16],
        _now_s: i64,
        expires_s: i64,
    ) -> Result<(), DeskError> {
        let mut state = self.state.lock().unwrap();
        state.sessions.push((token_hash, account, csrf, expires_s));
        Ok(())
    }

    fn session(&self, token_hash: [u8; 32]) -> Result<Option<SessionRow>, DeskError> {
        let state = self.state.lock().unwrap();
        let Some((_, account, csrf, expires_s)) =
            state.sessions.iter().find(|row| row.0 == token_hash)
        else {
            return Ok(None);
        };
        let row = state
            .accounts
            .iter()
            .find(|row| row.number == *account)
            .unwrap();
        Ok(row.active.then(|| SessionRow {
            officer: Officer {
                account: row.number,
                name: row.name.clone(),
                role: row.role,
                area: row.area,
                area_name: AreaName::known(COMMUNE, "Xã Hòa Tú"),
            },
            csrf: *csrf,
            expires_s: *expires_s,
        }))
    }

    fn end_session(&self, token_hash: [u8; 32]) -> Result<(), DeskError> {
        let mut state = self.state.lock().unwrap();
        state.sessions.retain(|row| row.0 != token_hash);
        Ok(())
    }

    fn list(&self, officer: &Officer, filter: &ListFilter) -> Result<ListPage, DeskError> {
        self.audited("list");
        self.state.lock().unwrap().filters.push(filter.clone());
        if Vocabulary::builtin().sees_rounded(officer.role, filter.lane) {
            let row = |day| RoundedRow {
                day,
                commune_name: AreaName::known(COMMUNE, "Xã Hòa Tú"),
                record_type: 4,
            };
            return Ok(ListPage {
                rows: ListRows::Rounded(vec![row(20_700), row(20_698)]),
                older: PageKey::new("20698.4"),
            });
        }
        let fits = |row: &ListRow| {
            filter.search.as_ref().is_none_or(|search| {
                search.query().finds(&index_text(&format!(
                    "{} {}",
                    row.headline,
                    row.area_name.plain()
                )))
            })
        };
        let rows = if self.state.lock().unwrap().is_empty {
            Vec::new()
        } else if filter.lane == Lane::Open {
            open_rows()
        } else {
            vec![tip_row()]
        };
        let first = filter.page.is_none() && filter.search.is_none();
        Ok(ListPage {
            rows: ListRows::Full(rows.into_iter().filter(fits).collect()),
            older: first.then(|| PageKey::new("20690.311").unwrap()),
        })
    }

    fn record(&self, officer: &Officer, record: RecordId) -> Result<Option<RecordPage>, DeskError> {
        self.audited("record");
        let page = match record {
            PATROL => patrol(),
            TIP => tip(),
            KHMER => khmer(),
            _ => return Ok(None),
        };
        let rounded = Vocabulary::builtin().sees_rounded(officer.role, page.lane);
        let reads = Vocabulary::builtin().may_read(officer.role, page.lane);
        Ok(Some(page).filter(|_| reads && !rounded))
    }

    fn areas(
        &self,
        _officer: &Officer,
        units: Option<UnitsAsked>,
    ) -> Result<Vec<AreaRow>, DeskError> {
        let area = |area, name: &str, depth| AreaRow {
            area,
            name: AreaName::known(area, name),
            depth,
        };
        let mut areas = vec![
            area(COMMUNE, "Xã Hòa Tú", 0),
            area(HAMLET, "Ấp Hòa Phuông", 1),
            area(AreaRef([5; 16]), "Ấp Đồng Tháp", 1),
        ];
        if units == Some(UnitsAsked::Then) {
            let mut ended = area(ENDED, "Xã Hòa Tú 1", 1);
            ended.name.ended = Some("2025-07-01".to_owned());
            areas.push(ended);
        }
        Ok(areas)
    }

    fn period(&self, officer: &Officer, asked: &PeriodAsked) -> Result<PeriodPage, DeskError> {
        self.audited("period");
        let mut state = self.state.lock().unwrap();
        state.periods.push(*asked);
        Ok(super::period::page_of(officer, state.closed))
    }

    fn close_period(&self, _officer: &Officer, asked: &PeriodAsked) -> Result<(), DeskError> {
        self.call("close_period");
        let mut state = self.state.lock().unwrap();
        if state.closed {
            return Err(DeskError::Stale);
        }
        state.closed = true;
        state.periods.push(*asked);
        Ok(())
    }

    fn models(&self, _officer: &Officer) -> Result<Vec<ModelRow>, DeskError> {
        self.audited("models");
        Ok(vec![super::models::row(&self.state.lock().unwrap().steps)])
    }

    fn model(&self, _officer: &Officer, group: GroupId) -> Result<Option<ModelRow>, DeskError> {
        self.audited("model");
        let row = super::models::row(&self.state.lock().unwrap().steps);
        Ok((group == GROUP).then_some(row))
    }

    fn step_model(
        &self,
        _officer: &Officer,
        _group: GroupId,
        step: LifeStep,
        seen: usize,
    ) -> Result<(), DeskError> {
        self.call("step_model");
        let mut state = self.state.lock().unwrap();
        if state.steps.len() != seen {
            return Err(DeskError::Stale);
        }
        state.steps.push(step);
        Ok(())
    }

    fn groups(
        &self,
        _officer: &Officer,
        _area: Option<AreaRef>,
    ) -> Result<Vec<GroupRow>, DeskError> {
        Ok(vec![GroupRow {
            group: GROUP,
            name: "Tổ BVANTT ấp Hòa Phuông".to_owned(),
            area_name: AreaName::known(HAMLET, "Ấp Hòa Phuông"),
        }])
    }

    fn members(&self, _officer: &Officer, _group: GroupId) -> Result<Vec<MemberRow>, DeskError> {
        self.audited("members");
        let member = |number, name: Option<&str>, role| MemberRow {
            number,
            name: name.map(str::to_owned),
            role,
        };
        Ok(vec![
            member(1, Some("Lý Thị Hoa"), 3),
            member(2, Some("Thạch Sóc"), 1),
            member(3, None, 1),
        ])
    }

    fn devices(&self, _officer: &Officer) -> Result<Vec<DeviceRow>, DeskError> {
        self.audited("devices");
        let state = self.state.lock().unwrap();
        let mut rows = vec![device(
            WRITING,
            if state.revoked {
                DeviceState::Revoked { since_s: NOW_S }
            } else {
                DeviceState::Active {
                    last_seen_s: Some(NOW_S - 5_000),
                }
            },
        )];
        if state.refused {
            let since_s = NOW_S - 30;
            rows.push(device(WAITING, DeviceState::Refused { since_s }));
        } else if !state.pending_decided {
            rows.push(device(
                WAITING,
                DeviceState::Pending {
                    since_s: NOW_S - 60,
                },
            ));
        }
        Ok(rows)
    }

    fn acts(
        &self,
        officer: &Officer,
        of: ActsOf,
        below: Option<u64>,
    ) -> Result<ActsPage, DeskError> {
        self.audited("acts");
        if !matches!(of, ActsOf::Log | ActsOf::Group(GROUP)) {
            return Err(DeskError::NotFound);
        }
        Ok(acts_of(officer, of, below))
    }

    fn quarantine(
        &self,
        _officer: &Officer,
        cause: Cause,
        page: Option<&PageKey>,
    ) -> Result<QuarantinePage, DeskError> {
        self.audited("quarantine");
        let proposer = self.state.lock().unwrap().proposer;
        Ok(quarantine_of(cause, page, proposer.map(|by| (by, 0))))
    }

    fn held(&self, officer: &Officer, at: ChangeRef) -> Result<Option<HeldPage>, DeskError> {
        self.audited("held");
        let proposer = self.state.lock().unwrap().proposer;
        Ok(held_of(at, proposer.map(|by| (by, officer.account))))
    }

    fn admit(&self, officer: &Officer, input: &AdmitInput) -> Result<Admitting, DeskError> {
        self.call("admit");
        let mut state = self.state.lock().unwrap();
        if input.at != HELD || state.admitted {
            return Err(DeskError::Decided);
        }
        if state.proposer.map(|_| PROPOSED_AT) != input.seen_proposal {
            return Err(DeskError::Stale);
        }
        match state.proposer {
            None => {
                state.proposer = Some(officer.account);
                Ok(Admitting::Proposed)
            }
            Some(by) if by == officer.account => Err(DeskError::SecondOfficer),
            Some(_) => {
                state.admitted = true;
                Ok(Admitting::Admitted)
            }
        }
    }

    fn review(&self, officer: &Officer, input: &ReviewInput) -> Result<(), DeskError> {
        self.call("review");
        let page = self
            .record(officer, input.record)?
            .ok_or(DeskError::NotFound)?;
        if page.heads != input.seen_heads {
            return Err(DeskError::Stale);
        }
        if page.lane.is_closed() && input.text.is_some() {
            return Err(DeskError::Invalid);
        }
        let mut state = self.state.lock().unwrap();
        state.reviews.push((officer.account, input.clone()));
        Ok(())
    }

    fn can_invite(&self) -> bool {
        self.state.lock().unwrap().has_address
    }

    fn invite(
        &self,
        _officer: &Officer,
        group: GroupId,
        members: &[u16],
    ) -> Result<InviteId, DeskError> {
        let mut state = self.state.lock().unwrap();
        state.invited.push((group, members.to_vec()));
        Ok(InviteId([9; 16]))
    }

    fn invitation(
        &self,
        _officer: &Officer,
        invite: InviteId,
    ) -> Result<Option<InvitePage>, DeskError> {
        let state = self.state.lock().unwrap();
        let waiting = DeviceState::Pending {
            since_s: NOW_S - 60,
        };
        let state = match state.scanned {
            _ if !state.has_address => return Err(DeskError::NoAddress),
            false => InviteState::Open {
                text: "BINHYEN1:6J2K9QF4T8W3ZC7H5XN0V1RBMPD6A2EYG4S8KJ3L9QTWUZ5C7H1X".to_owned(),
                address: "https://127.0.0.1:8443".to_owned(),
            },
            true if state.refused => InviteState::Refused,
            true if state.pending_decided => InviteState::Confirmed,
            true => InviteState::Waiting(device(WAITING, waiting)),
        };
        Ok((invite == InviteId([9; 16])).then(|| InvitePage {
            group_name: "Tổ BVANTT ấp Hòa Phuông".to_owned(),
            members: vec!["Thạch Sóc".to_owned()],
            expires_s: NOW_S + 900,
            state,
        }))
    }

    fn confirm_device(
        &self,
        _officer: &Officer,
        group: GroupId,
        device: KeyId,
        digits: &str,
    ) -> Result<(), DeskError> {
        assert_eq!((group, device), (GROUP, WAITING));
        if digits != DIGITS {
            return Err(DeskError::WrongDigits);
        }
        self.call("confirm_device");
        self.state.lock().unwrap().pending_decided = true;
        Ok(())
    }

    fn refuse_device(
        &self,
        _officer: &Officer,
        _group: GroupId,
        _device: KeyId,
    ) -> Result<(), DeskError> {
        self.call("refuse_device");
        let mut state = self.state.lock().unwrap();
        state.pending_decided = true;
        state.refused = true;
        Ok(())
    }

    fn revoke_device(
        &self,
        _officer: &Officer,
        _group: GroupId,
        device: KeyId,
        groups_shown: usize,
    ) -> Result<(), DeskError> {
        assert_eq!(device, WRITING);
        if groups_shown != 3 {
            return Err(DeskError::Stale);
        }
        self.call("revoke_device");
        self.state.lock().unwrap().revoked = true;
        Ok(())
    }
}
