//! The world of one seed: what happens, and what must hold when it is over.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::change::{ChangeRef, FullChange};
use sync_core::codec::Model;
use sync_core::exchange::{Problem, ProblemCode};
use sync_core::hub::arrival::EnrolRequest;
use sync_core::hub::ledger::{MemoryLedger, Store as _};
use sync_core::hub::{Acting, Hub, Refusal, ReviewInput, Stop, facts};
use sync_core::ids::{AreaRef, GroupId, Hash32, LogId, OrgId, Realm, RecordId};
use sync_core::keys::Secret;
use sync_core::log::EntryKind;
use sync_core::replica::{Edit, Identity, Outgoing, Replica, Standing};
use sync_core::value::{FieldKey, Value, WallTime};
use sync_core::vocabulary::Vocabulary;

use crate::sim::{Dice, Disk, SimPhone};

const START_S: i64 = 1_793_000_000;
const LEADER: u16 = 3;
const MEMBER: u16 = 1;
const MEDIATOR: u16 = 5;

/// What a seed came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Entries of the log.
    pub entries: u64,
    /// Changes admitted.
    pub changes: u64,
    /// Changes set aside.
    pub asides: u64,
    /// Changes whose place was taken and that were said again.
    pub forks: u64,
    /// Times that the server lost entries and began a new generation.
    pub generations: u32,
    /// Fields with rivals.
    pub rivals: u64,
}

/// Everything of one seed.
#[derive(Debug)]
pub struct World {
    /// Decides everything.
    pub dice: Dice,
    /// The real hub.
    pub hub: Hub,
    /// Its disk.
    pub ledger: MemoryLedger,
    /// The phones.
    pub phones: Vec<SimPhone>,
    /// The one group.
    pub group: GroupId,
    /// True time.
    pub now_s: i64,
    pub(super) model: Model,
    pub(super) backups: Vec<MemoryLedger>,
    pub(super) delayed: Vec<Vec<u8>>,
    /// Hash of every change that a person saved, by place.
    pub(super) saved: BTreeSet<(ChangeRef, Hash32)>,
    /// Every change that a phone was told is received.
    pub(super) acknowledged: BTreeMap<(ChangeRef, Hash32), FullChange>,
    pub(super) said_again: BTreeSet<ChangeRef>,
    pub(super) copied: bool,
}

impl World {
    /// A world with one group and a few phones, most of them confirmed.
    ///
    /// # Panics
    /// When the very first steps fail: then nothing works.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut world = Self::without_phones(seed);
        let count = 2 + world.dice.below(3);
        for nth in 0..count {
            let members = match nth {
                0 => vec![1],
                1 => vec![2, 3],
                _ => vec![],
            };
            let enrolled = world.enrol(members);
            assert_eq!(enrolled, Ok(()), "a phone can be enrolled");
        }
        world
    }

    /// A world with one group and four members: a leader, two members, a mediator. No phone yet.
    ///
    /// # Panics
    /// When the very first steps fail: then nothing works.
    #[must_use]
    pub fn without_phones(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let realm = Realm {
            org: OrgId([1; 16]),
            log: LogId([2; 16]),
        };
        let group = GroupId(dice.bytes());
        let mut world = Self {
            dice,
            hub: new_hub(realm, Vocabulary::builtin()),
            ledger: MemoryLedger::default(),
            phones: Vec::new(),
            group,
            now_s: START_S,
            model: shared_model(),
            backups: Vec::new(),
            delayed: Vec::new(),
            saved: BTreeSet::new(),
            acknowledged: BTreeMap::new(),
            said_again: BTreeSet::new(),
            copied: false,
        };
        let founded = world.desk(|hub, ledger, acting| {
            hub.begin_log(ledger, acting)?;
            let row = facts::Group {
                area: AreaRef([3; 16]),
                commune: AreaRef([4; 16]),
                name: "Tổ 1".to_owned(),
            };
            hub.set_group(ledger, acting, group, row)?;
            for role in [LEADER, MEMBER, MEMBER, MEDIATOR] {
                hub.add_member(ledger, acting, group, "Nguyễn Văn A", role)?;
            }
            Ok(())
        });
        assert_eq!(founded, Ok(()), "a group can be founded");
        world
    }

    /// Runs an act of the desk in a transaction of its own.
    ///
    /// # Errors
    /// What the hub refuses.
    pub fn desk<T>(
        &mut self,
        work: impl FnOnce(&Hub, &mut MemoryLedger, &Acting<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let acting = Acting {
            account: 1,
            name: "cax.thu",
            now_s: self.now_s,
            random: self.dice.bytes(),
        };
        let hub = &self.hub;
        let mut refused = None;
        let done = self.ledger.transact(|ledger| {
            match work(hub, ledger, &acting) {
                Ok(done) => Ok(Some(done)),
                Err(refusal) => {
                    refused = Some(refusal);
                    // an error undoes what the act had begun
                    Err(sync_core::hub::ledger::LedgerFault::Failed(String::new()))
                }
            }
        });
        match (done, refused) {
            (Ok(Some(done)), _) => Ok(done),
            (_, Some(refusal)) => Err(refusal),
            (Ok(None), None) => Err(Refusal::Nothing),
            (Err(fault), None) => Err(Refusal::Store(fault)),
        }
    }

    /// Enrols a phone and, mostly, confirms it at once.
    ///
    /// # Errors
    /// What the hub refuses.
    pub fn enrol(&mut self, members: Vec<u16>) -> Result<(), Refusal> {
        let vocabulary = self.hub.vocabulary().clone();
        self.ask_in(members, vocabulary)?;
        if self.dice.chance(70) {
            self.confirm(self.phones.len() - 1)?;
        }
        Ok(())
    }

    /// A phone with this vocabulary asks to be enrolled.
    pub(super) fn ask_in(
        &mut self,
        members: Vec<u16>,
        vocabulary: Vocabulary,
    ) -> Result<(), Refusal> {
        let (token, device) = (self.dice.bytes(), SimPhone::key(&mut self.dice));
        let (group, expires) = (self.group, self.now_s + 86_400);
        self.desk(|hub, ledger, _| hub.invite(ledger, group, members, &token, expires))?;
        let request = EnrolRequest::sign(&self.hub.realm(), &device, token);
        let now_s = self.now_s;
        let answer = self.desk(|hub, ledger, _| hub.enrol(ledger, &request, now_s))?;
        let mut disk = Disk::default();
        disk.apply(&Replica::enrolled(&vocabulary, &answer));
        let identity = Identity {
            realm: self.hub.realm(),
            log: self.hub.log_key(),
            device,
        };
        let writers = answer.members.iter().map(|(number, _)| *number).collect();
        self.phones
            .push(SimPhone::new(identity, vocabulary, disk, writers));
        Ok(())
    }

    /// Confirms a phone, if it waits for that.
    ///
    /// # Errors
    /// What the hub refuses.
    pub fn confirm(&mut self, nth: usize) -> Result<(), Refusal> {
        let device = self.phones[nth].identity.device.id();
        let candidate = sync_core::hub::arrival::candidate(&self.ledger, device)?;
        let Some(candidate) = candidate else {
            return Ok(());
        };
        self.desk(|hub, ledger, acting| hub.confirm(ledger, acting, device, candidate.digits))
    }

    /// One thing happens.
    ///
    /// # Errors
    /// What must not happen.
    pub fn step(&mut self) -> Result<(), String> {
        self.now_s += i64::try_from(self.dice.below(4_000)).unwrap_or(0);
        let nth = self.dice.below(self.phones.len());
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
            86 => {
                if self.phones.len() < 6 {
                    let enrolled = self.enrol(vec![]);
                    ignore_refusal(enrolled)?;
                }
                Ok(())
            }
            87..=88 => {
                let confirmed = self.confirm(nth);
                ignore_refusal(confirmed)
            }
            89 => {
                let before = self.ledger.clone();
                self.backups.push(before);
                Ok(())
            }
            90 if self.dice.chance(70) => {
                self.restore_server();
                Ok(())
            }
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
            94..=96 => self.deliver_late(),
            _ => Ok(()),
        }
    }

    /// A person saves something on a phone.
    fn write(&mut self, nth: usize) -> Result<(), String> {
        let edit = self.edit(nth);
        let (now_s, phone) = (self.now_s, &mut self.phones[nth]);
        if phone.gone {
            return Ok(());
        }
        // a refusal to save is an ordinary answer: a lost right, a full record
        if let Ok(Some(full)) = phone.save(&edit, now_s, true, &mut self.dice) {
            let hash = full.change.hash(&self.hub.realm());
            self.saved.insert((full.change.at, hash));
        }
        Ok(())
    }

    fn edit(&mut self, nth: usize) -> Edit {
        let phone = &self.phones[nth];
        let member = self.dice.pick(&phone.members).copied().unwrap_or(1);
        let known: Vec<(RecordId, u16)> = phone
            .replica
            .records()
            .map(|(id, _, record)| (*id, record.record_type()))
            .collect();
        let minutes = i32::try_from(self.now_s / 60).unwrap_or(0) + 420;
        let begun = WallTime {
            minutes,
            offset: 420,
        };
        let words = format!("Tuần tra ấp {}, không có gì lạ", self.dice.below(900));
        let count = Value::Number(u64::try_from(self.dice.below(20)).unwrap_or(0));
        let target = self
            .dice
            .chance(60)
            .then(|| self.dice.pick(&known).copied());
        let (record, record_type) = match target.flatten() {
            Some((id, record_type)) => (Some(id), record_type),
            None => (None, if self.dice.chance(75) { 1 } else { 4 }),
        };
        let mut values = BTreeMap::new();
        if record_type == 1 {
            if record.is_none() || self.dice.chance(50) {
                values.insert(FieldKey::plain(5), Value::Text(words));
            }
            values.insert(FieldKey::plain(24), count);
            if record.is_none() {
                values.insert(FieldKey::plain(2), Value::Interval(begun, None));
            } else if self.dice.chance(5) {
                values.insert(FieldKey::plain(23), Value::Choice(4));
            }
        } else {
            values.insert(FieldKey::plain(3), Value::Day(minutes / 1_440));
            let category = u16::try_from(1 + self.dice.below(9)).unwrap_or(1);
            values.insert(FieldKey::plain(44), Value::Choice(category));
        }
        Edit {
            group: self.group,
            member,
            record,
            record_type,
            values,
        }
    }

    /// A phone visits. `rough`: the link loses, repeats and cuts.
    ///
    /// # Errors
    /// What must not happen on any link.
    pub fn visit(&mut self, nth: usize, rough: bool) -> Result<bool, String> {
        if self.phones[nth].gone {
            return Ok(false);
        }
        let budget = if rough {
            200 + self.dice.below(4_000)
        } else {
            60_000
        };
        let kib = if rough && self.dice.chance(30) { 1 } else { 0 };
        let outgoing = self.phones[nth]
            .replica
            .poll_request(&self.model, budget, kib);
        let Ok(outgoing) = outgoing else {
            return Ok(false);
        };
        if rough {
            let body = outgoing.body().to_vec();
            match self.dice.below(10) {
                0 => return Ok(true), // lost on the way up
                1 => {
                    let cut = self.dice.below(body.len());
                    self.serve(&body[..cut])?;
                    return Ok(true);
                }
                2 => {
                    self.delayed.push(body);
                    return Ok(true);
                }
                3 => {
                    self.serve(&body)?; // the first copy's answer is lost
                }
                _ => {}
            }
        }
        let answer = self.serve(outgoing.body())?;
        self.deliver(nth, &outgoing, answer, rough)
    }

    fn deliver(
        &mut self,
        nth: usize,
        outgoing: &Outgoing,
        answer: Vec<u8>,
        rough: bool,
    ) -> Result<bool, String> {
        if rough && self.dice.chance(10) {
            return Ok(true); // lost on the way down
        }
        let mut said = Vec::new();
        if rough && self.dice.chance(10) {
            let cut = self.dice.below(answer.len());
            let phone = &mut self.phones[nth];
            let taken = phone.take(
                &self.model,
                outgoing,
                &answer[..cut],
                rough,
                &mut self.dice,
                &mut said,
            );
            return match taken {
                Ok(_) if cut > 3 => Err("an answer that was cut off was taken".to_owned()),
                Ok(_) | Err(_) => Ok(true),
            };
        }
        let phone = &mut self.phones[nth];
        let taken = phone.take(
            &self.model,
            outgoing,
            &answer,
            rough,
            &mut self.dice,
            &mut said,
        );
        let next = match taken {
            Ok(next) => next,
            Err(error) => {
                return self.explain(nth, &error);
            }
        };
        for (old, full) in said {
            self.said_again.insert(old);
            let hash = full.change.hash(&self.hub.realm());
            self.saved.insert((full.change.at, hash));
        }
        self.note_acknowledged(nth);
        Ok(next.again)
    }

    /// Which problems an honest phone may meet.
    fn explain(&self, nth: usize, error: &sync_core::replica::AnswerError) -> Result<bool, String> {
        use sync_core::replica::AnswerError;
        match error {
            // a late answer of a server that was restored since
            AnswerError::Older => Ok(true),
            // a phone that was restored or cloned, or whose server was: it pulls all of it again
            AnswerError::Forged | AnswerError::Unreadable(_)
                if self.copied || !self.backups.is_empty() =>
            {
                Ok(true)
            }
            // enrolled after the backup, with nothing to show for it: an officer enrols it again
            AnswerError::Problem(Problem {
                code: Some(ProblemCode::UnknownDevice),
                ..
            }) if !self.backups.is_empty() => Ok(false),
            AnswerError::Unreadable(_)
            | AnswerError::Forged
            | AnswerError::Unsound(_)
            | AnswerError::Problem(_) => Err(format!(
                "phone {nth} could not take an honest answer: {error}"
            )),
        }
    }

    fn note_acknowledged(&mut self, nth: usize) {
        let phone = &self.phones[nth];
        let device = phone.identity.device.id();
        for (full, standing) in phone.replica.changes() {
            if standing == Standing::Received && full.change.device == device {
                let hash = full.change.hash(&self.hub.realm());
                self.acknowledged
                    .entry((full.change.at, hash))
                    .or_insert_with(|| full.clone());
            }
        }
    }

    /// The server answers a body, exactly as the binary does.
    pub(super) fn serve(&mut self, body: &[u8]) -> Result<Vec<u8>, String> {
        match self.serve_or_stop(body) {
            Ok(answer) => Ok(answer),
            Err(stop) if stop.code == ProblemCode::Failed => Err(stop.detail),
            Err(stop) => Ok(Problem::pack(stop.code, &stop.detail)),
        }
    }

    fn serve_or_stop(&mut self, body: &[u8]) -> Result<Vec<u8>, Stop> {
        let arrived = self.hub.open(&self.model, body)?;
        if arrived.brings_back() {
            let acting = Acting {
                account: 0,
                name: "",
                now_s: self.now_s,
                random: self.dice.bytes(),
            };
            self.hub.take_back(&mut self.ledger, &arrived, &acting)?;
        }
        let verified = self.hub.verify_visit(&self.ledger, &arrived)?;
        let told = match self.hub.look(&verified) {
            Some(told) => told,
            None => self
                .hub
                .admit_all(&mut self.ledger, &[&verified], self.now_s)?
                .remove(0),
        };
        let answer = self
            .hub
            .answer(&self.model, &self.ledger, &verified, &told, self.now_s)?;
        Ok(answer)
    }

    /// A request that the network held back arrives at last; its phone is not waiting any more.
    fn deliver_late(&mut self) -> Result<(), String> {
        if self.delayed.is_empty() {
            return Ok(());
        }
        let late = self.dice.below(self.delayed.len());
        let body = self.delayed.swap_remove(late);
        self.serve(&body).map(|_| ())
    }

    fn review(&mut self) {
        let rows: Vec<RecordId> = self.ledger.rows().map(|row| row.record).collect();
        let Some(record) = self.dice.pick(&rows).copied() else {
            return;
        };
        let accept = self.dice.chance(50);
        let input = ReviewInput {
            record,
            state: Some(if accept { 6 } else { 7 }),
            reason: (!accept).then_some(3),
            ..ReviewInput::default()
        };
        let done = self.desk(|hub, ledger, acting| hub.review(ledger, acting, input).map(|_| ()));
        debug_assert_eq!(done, Ok(()), "a review of a known record is taken");
    }

    fn change_rights(&mut self) -> Result<(), Refusal> {
        let group = self.group;
        let number = u16::try_from(1 + self.dice.below(4)).unwrap_or(1);
        let ended = self.desk(|hub, ledger, acting| hub.end_member(ledger, acting, group, number));
        if ended == Err(Refusal::NoMember(number)) {
            let role = if number == 1 { LEADER } else { MEMBER };
            return self
                .desk(|hub, ledger, acting| hub.change_role(ledger, acting, group, number, role));
        }
        ended
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
        let done = self
            .desk(|hub, ledger, acting| hub.erase(ledger, acting, at, vec![FieldKey::plain(5)]));
        debug_assert!(
            matches!(done, Ok(()) | Err(Refusal::NothingToErase)),
            "an admitted change can be erased"
        );
    }

    /// The server's disk is lost and an old backup put in its place.
    fn restore_server(&mut self) {
        if let Some(backup) = self.dice.pick(&self.backups).cloned() {
            self.ledger = backup;
            self.delayed.clear();
        }
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

    /// Everybody visits over a good link until nobody has anything left to say.
    ///
    /// # Errors
    /// Somebody is stuck.
    pub fn settle(&mut self) -> Result<(), String> {
        let mut size = 0;
        for round in 0..60 {
            let mut busy = false;
            for nth in 0..self.phones.len() {
                self.admit_again(nth)
                    .map_err(|refusal| refusal.to_string())?;
                for _ in 0..40 {
                    if !self.visit(nth, false)? {
                        break;
                    }
                    busy = true;
                }
            }
            let grown = facts::log_state(&self.ledger).map_or(0, |state| state.size);
            if !busy && round > 2 && grown == size {
                return Ok(());
            }
            size = grown;
        }
        Err("the phones never came to rest".to_owned())
    }

    /// What an officer does with a phone that waits, or that a restored server has forgotten and
    /// that has nothing to show for itself: it is enrolled again with the key it has.
    fn admit_again(&mut self, nth: usize) -> Result<(), Refusal> {
        let phone = &self.phones[nth];
        if phone.gone {
            return Ok(());
        }
        if self.is_unknown(phone) && !self.visit_knows(nth) {
            let (token, group) = (self.dice.bytes(), self.group);
            let expires = self.now_s + 86_400;
            self.desk(|hub, ledger, _| hub.invite(ledger, group, vec![], &token, expires))?;
            let device = &self.phones[nth].identity.device;
            let request = EnrolRequest::sign(&self.hub.realm(), device, token);
            let now_s = self.now_s;
            self.desk(|hub, ledger, _| hub.enrol(ledger, &request, now_s).map(|_| ()))?;
        }
        self.confirm(nth)
    }

    /// Whether the server knows the phone after it visited and showed what it has.
    fn visit_knows(&mut self, nth: usize) -> bool {
        for _ in 0..3 {
            // an error of the visit itself is met, and told, in the round of visits
            if !self.visit(nth, false).unwrap_or(false) {
                break;
            }
        }
        let device = self.phones[nth].identity.device.id();
        let waits = sync_core::hub::arrival::candidate(&self.ledger, device);
        !self.is_unknown(&self.phones[nth]) || waits.is_ok_and(|waits| waits.is_some())
    }
}

/// A refusal is an ordinary answer in the simulation; a store's fault is not.
fn ignore_refusal(done: Result<(), Refusal>) -> Result<(), String> {
    match done {
        Err(Refusal::Store(fault)) => Err(fault.to_string()),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// A hub with the keys that all worlds share.
pub(super) fn new_hub(realm: Realm, vocabulary: &Vocabulary) -> Hub {
    Hub::new(
        realm,
        Secret::from_bytes(&[7; 32]),
        [9; 32],
        vocabulary.clone(),
    )
}

/// Priming takes a while, so all worlds share one model.
fn shared_model() -> Model {
    static MODEL: std::sync::OnceLock<Model> = std::sync::OnceLock::new();
    MODEL.get_or_init(Model::primed).clone()
}
