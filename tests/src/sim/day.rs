//! What happens on a day: people write, officers act, servers and phones are lost.

use sync_core::hub::facts::Entry;
use sync_core::hub::{Refusal, ReviewInput, facts};
use sync_core::ids::{GroupId, Logbook, RecordId};
use sync_core::log::EntryKind;
use sync_core::replica::Edit;
use sync_core::value::FieldKey;
use sync_core::view::{corrected_by, reissue};
use sync_core::vocabulary::Lane;

use crate::sim::values::{creation_of, edit_of};
use crate::sim::{SimPhone, World};

/// Of the reasons to withdraw a record: it belongs to another group.
const WRONG_GROUP: u16 = 3;
/// Why a record was withdrawn.
const WITHDRAWN: FieldKey = FieldKey::plain(23);
/// The words that a person can ask to be erased.
const SUMMARY: FieldKey = FieldKey::plain(5);

impl World {
    /// One thing happens.
    ///
    /// # Errors
    /// What must not happen.
    pub fn step(&mut self) -> Result<(), String> {
        self.now_s += i64::try_from(self.dice.below(4_000)).unwrap_or(0);
        let nth = self.dice.below(self.phones.len());
        if self.keeps_copy {
            self.follow_with_copy()?;
        }
        match self.dice.below(100) {
            0..=34 => self.write(nth),
            35..=74 => self.visit(nth, true).map(|_| ()),
            75..=79 => {
                self.review();
                Ok(())
            }
            80..=82 => {
                self.phones[nth].restart();
                Ok(())
            }
            83..=84 => {
                self.phones[nth].clock_error_s = match self.dice.below(4) {
                    0 => -self.now_s,                // 1970
                    1 => 4_102_444_800 - self.now_s, // 2100
                    2 => 3_600,
                    _ => 0,
                };
                Ok(())
            }
            85 => {
                let changed = self.change_rights();
                ignore_refusal(changed)
            }
            86 => self.one_more_phone(),
            87..=88 => {
                let confirmed = self.confirm(nth);
                ignore_refusal(confirmed)
            }
            89 => {
                let before = self.ledger.clone();
                self.backups.push(before);
                Ok(())
            }
            90 if self.dice.chance(70) => self.restore_server(nth),
            91 if self.dice.chance(70) => {
                self.clone_phone(nth);
                Ok(())
            }
            92 if self.dice.chance(30) => {
                self.revoke(nth);
                Ok(())
            }
            93 => {
                self.erase();
                Ok(())
            }
            94..=95 => self.deliver_late(),
            96 => {
                let moved = self.move_group();
                ignore_refusal(moved)
            }
            97 if self.dice.chance(50) => self.clear_the_desk(),
            97 => {
                let decided = self.decide();
                ignore_refusal(decided)
            }
            98..=99 => {
                self.say_elsewhere(nth);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// A copy on another disk follows now and then, and now and then a day goes by.
    fn follow_with_copy(&mut self) -> Result<(), String> {
        if self.dice.chance(8) {
            self.now_s += i64::try_from(self.dice.below(2 * 86_400)).unwrap_or(0);
        }
        if !self.dice.chance(25) {
            return Ok(());
        }
        let size = facts::log_state(&self.ledger).map_or(0, |state| state.size);
        self.copy = Some(self.ledger.clone());
        self.hub
            .note_safe(&mut self.ledger, size, self.now_s)
            .map_err(|fault| fault.to_string())
    }

    /// A person saves something on a phone.
    fn write(&mut self, nth: usize) -> Result<(), String> {
        let edit = self.edit(nth);
        self.save(nth, &edit);
        Ok(())
    }

    /// Whether a phone saved this; the app may have been killed before.
    fn save(&mut self, nth: usize, edit: &Edit) -> Option<RecordId> {
        let (now_s, phone) = (self.now_s, &mut self.phones[nth]);
        if phone.gone {
            return None;
        }
        // a refusal to save is an ordinary answer: a lost right, a full record
        let full = phone.save(edit, now_s, true, &mut self.dice).ok()??;
        let hash = full.change.hash(&self.hub.realm());
        self.saved.insert((full.change.at, hash));
        Some(full.change.record)
    }

    /// Something new in a group of the phone, or an edit of what is on it.
    fn edit(&mut self, nth: usize) -> Edit {
        let phone = &self.phones[nth];
        let known: Vec<(RecordId, Logbook, u16)> = phone
            .replica
            .records()
            .map(|(id, logbook, record)| (*id, logbook, record.record_type()))
            .collect();
        let target = self
            .dice
            .chance(60)
            .then(|| self.dice.pick(&known).copied());
        if let Some((id, logbook, record_type)) = target.flatten() {
            return Edit {
                group: logbook.group,
                member: self.writer(nth, logbook.group),
                record: Some(id),
                record_type,
                values: edit_of(&mut self.dice, self.now_s, record_type, logbook.lane),
            };
        }
        let phone = &self.phones[nth];
        let group = self.dice.pick(&phone.members).map(|(group, _)| *group);
        let group = group.unwrap_or(phone.asked);
        let area = facts::group(&self.ledger, group).ok().flatten();
        let (record_type, values) = creation_of(&mut self.dice, self.now_s, area.as_ref());
        Edit {
            group,
            member: self.writer(nth, group),
            record: None,
            record_type,
            values,
        }
    }

    /// Somebody who writes on this phone in this group.
    fn writer(&mut self, nth: usize, group: GroupId) -> u16 {
        let members = self.phones[nth].members.iter();
        let of_group: Vec<u16> = members
            .filter(|(of, _)| *of == group)
            .map(|(_, number)| *number)
            .collect();
        self.dice.pick(&of_group).copied().unwrap_or(1)
    }

    /// A record stands anew, mostly in another group of the phone, and the old one is withdrawn.
    fn say_elsewhere(&mut self, nth: usize) {
        // a phone of two groups, where there is one
        let in_two = |phone: &SimPhone| !phone.gone && phone.replica.groups().count() > 1;
        let nth = self.phones.iter().position(in_two).unwrap_or(nth);
        let phone = &self.phones[nth];
        let groups: Vec<GroupId> = phone.replica.groups().map(|(group, _)| group).collect();
        let records = phone.replica.records();
        let standing = records.filter(|(id, _, record)| {
            record.field(WITHDRAWN).is_none() && phone.replica.left(**id).is_none()
        });
        let known: Vec<RecordId> = standing.map(|(id, ..)| *id).collect();
        let id = self.dice.pick(&known).copied();
        let found = id.and_then(|id| Some((id, phone.replica.record(id)?)));
        let Some((id, (from, record))) = found else {
            return;
        };
        let others: Vec<GroupId> = groups
            .iter()
            .copied()
            .filter(|other| *other != from.group)
            .collect();
        let group = self.dice.pick(&others).copied().unwrap_or(from.group);
        let (record_type, lane) = (record.record_type(), from.lane);
        let vocabulary = phone.replica.vocabulary();
        let Ok(plan) = reissue(record, vocabulary, lane, record_type, lane, WRONG_GROUP) else {
            return;
        };
        let new = Edit {
            group,
            member: self.writer(nth, group),
            record: None,
            record_type,
            values: plan.new_values,
        };
        let Some(again) = self.save(nth, &new) else {
            return;
        };
        self.moved += u64::from(group != from.group);
        let mut values = plan.old_values;
        values.extend([corrected_by(again)]);
        let old = Edit {
            group: from.group,
            member: self.writer(nth, from.group),
            record: Some(id),
            record_type,
            values,
        };
        self.save(nth, &old);
    }

    fn review(&mut self) {
        let rows = self.ledger.rows();
        let rows: Vec<_> = rows.map(|row| (row.record, row.group, row.lane)).collect();
        let Some((record, group, lane)) = self.dice.pick(&rows).copied() else {
            return;
        };
        let accept = self.dice.chance(50);
        let open = lane == Lane::Open;
        let speaks = open && self.dice.chance(50);
        let input = ReviewInput {
            record,
            state: Some(if accept { 6 } else { 7 }),
            reason: (!accept).then_some(3),
            words: speaks.then(|| self.word(group, "Nhận xét")),
            ..ReviewInput::default()
        };
        let done = self.desk(|hub, ledger, acting| hub.review(ledger, acting, input).map(|_| ()));
        debug_assert_eq!(done, Ok(()), "a review of a known record is taken");
    }

    /// A membership ends or begins again, a member gets another role, or somebody joins.
    fn change_rights(&mut self) -> Result<(), Refusal> {
        let (group, role) = (self.any_group(), self.role());
        let members = facts::members(&self.ledger, group)?;
        let Some(member) = self.dice.pick(&members).copied() else {
            return Ok(());
        };
        let number = member.number;
        match self.dice.below(4) {
            0 => self.add_member(group, role),
            1 | 2 if member.role.is_some() => {
                self.desk(|hub, ledger, acting| hub.end_member(ledger, acting, group, number))
            }
            _ => self
                .desk(|hub, ledger, acting| hub.change_role(ledger, acting, group, number, role)),
        }
    }

    /// A group gets another name, and mostly another place too.
    fn move_group(&mut self) -> Result<(), Refusal> {
        let group = self.any_group();
        let place = u8::try_from(self.dice.below(8)).unwrap_or(0);
        self.name_group(group, place)
    }

    fn one_more_phone(&mut self) -> Result<(), String> {
        if self.phones.len() >= 6 {
            return Ok(());
        }
        let group = self.any_group();
        let members = facts::members(&self.ledger, group).map_err(|fault| fault.to_string())?;
        let one = self.dice.chance(50).then(|| self.dice.pick(&members));
        let members = one.flatten().map(|member| member.number);
        let enrolled = self.enrol(group, members.into_iter().collect());
        ignore_refusal(enrolled)
    }

    fn revoke(&mut self, nth: usize) {
        if self.phones.iter().filter(|phone| !phone.gone).count() < 3 {
            return;
        }
        let device = self.phones[nth].identity.device.id();
        let done = self.desk(|hub, ledger, acting| hub.revoke(ledger, acting, device));
        if done.is_ok() && self.dice.chance(50) {
            self.phones[nth].gone = true;
        }
    }

    fn erase(&mut self) {
        let size = facts::log_state(&self.ledger).map_or(0, |state| state.size);
        let index = self.dice.draw() % size.max(1);
        let Ok(Some(entry)) = facts::entry(&self.ledger, index) else {
            return;
        };
        if entry.leaf.kind != EntryKind::Change {
            return;
        }
        let at = entry.leaf.at;
        let done = self.desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![SUMMARY]));
        debug_assert!(
            matches!(done, Ok(()) | Err(Refusal::NothingToErase)),
            "an admitted change can be erased"
        );
    }

    /// Somebody of the desk looks at what was set aside and asks to admit something: now and then
    /// alone, mostly with others, now and then for what can never be.
    fn decide(&mut self) -> Result<(), Refusal> {
        let asides = self.asides()?;
        let mut held = asides.clone();
        held.retain(|entry| entry.aside.is_some_and(|(_, reason)| reason.is_held()));
        let from = if self.dice.chance(80) { held } else { asides };
        match self.dice.pick(&from).copied() {
            Some(entry) => self.ask_to_admit(&entry),
            None => Ok(()),
        }
    }

    /// All that was set aside is looked at, in the order in which it came.
    ///
    /// # Errors
    /// The store's.
    pub fn clear_the_desk(&mut self) -> Result<(), String> {
        for entry in self.asides().map_err(|refusal| refusal.to_string())? {
            ignore_refusal(self.ask_to_admit(&entry))?;
        }
        Ok(())
    }

    fn ask_to_admit(&mut self, entry: &Entry) -> Result<(), Refusal> {
        for _ in 0..1 + self.dice.below(4) {
            let account = u32::try_from(self.dice.below(3)).unwrap_or(0);
            let name = if account == 0 { "" } else { "cax.lan" };
            let done = self.desk_as((account, name), |hub, ledger, acting| {
                hub.admit(ledger, acting, entry.leaf.at, &entry.hash())
            });
            match done {
                Ok(_) | Err(Refusal::SecondOfficer) => {}
                Err(refusal) => return Err(refusal),
            }
        }
        Ok(())
    }

    /// The entries of all that was set aside, admitted later or not.
    fn asides(&self) -> Result<Vec<Entry>, Refusal> {
        let size = facts::log_state(&self.ledger)?.size;
        let mut asides = Vec::new();
        for index in 0..size {
            let entry = facts::entry(&self.ledger, index)?;
            asides.extend(entry.filter(|entry| entry.leaf.kind == EntryKind::Aside));
        }
        Ok(asides)
    }

    /// The server's disk is lost and an old backup put in its place. A phone that it does not know
    /// any more may be enrolled at once, in whatever group, before it has shown what it has.
    fn restore_server(&mut self, nth: usize) -> Result<(), String> {
        let picked = self.dice.pick(&self.backups).cloned();
        // what a copy confirmed is not given up for an older backup
        let Some(backup) = self.copy.clone().or(picked) else {
            return Ok(());
        };
        self.ledger = backup;
        self.restored = true;
        self.delayed.clear();
        if self.is_unknown(&self.phones[nth]) && !self.phones[nth].gone {
            let group = self.any_group();
            let enrolled = self.enrol_again(nth, group);
            ignore_refusal(enrolled)?;
        }
        Ok(())
    }

    /// A phone is copied, or put back to an older copy of itself; both go on.
    fn clone_phone(&mut self, nth: usize) {
        if self.phones.len() >= 7 {
            return;
        }
        let mut copy = self.phones[nth].clone();
        copy.restart();
        self.copied = true;
        self.phones.push(copy);
    }
}

/// A refusal is an ordinary answer in the simulation; a store's fault is not.
fn ignore_refusal(done: Result<(), Refusal>) -> Result<(), String> {
    match done {
        Err(Refusal::Store(fault)) => Err(fault.to_string()),
        Ok(()) | Err(_) => Ok(()),
    }
}
