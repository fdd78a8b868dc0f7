//! In which order everything is saved and brought: rounds of some days. In each, phones save what
//! they recorded and visit once; what becomes of a record happens in the round after it.

use std::collections::BTreeMap;
use std::iter;

use sync_core::value::{FieldKey, Value};
use sync_core::vocabulary::{ReasonUse, Vocabulary};

use crate::generate::{Fate, Planned, World};

const DAY_S: i64 = 86_400;

/// Names a record before it has a name.
pub type Handle = u64;

/// A change that a phone saves.
#[derive(Debug, Clone)]
pub struct Save {
    /// The record: a new one, or one that was saved in an earlier round.
    pub handle: Handle,
    /// The type of a new one.
    pub creates: Option<u16>,
    /// The phone.
    pub phone: usize,
    /// Who writes.
    pub member: u16,
    /// What.
    pub values: BTreeMap<FieldKey, Value>,
    /// Fields that name another record.
    pub links: Vec<(FieldKey, Handle)>,
    /// The phone's clock.
    pub clock_s: i64,
    /// Random bytes for it.
    pub random: [u8; 32],
}

/// An officer gives a record back.
#[derive(Debug, Clone, Copy)]
pub struct Return {
    /// The record.
    pub handle: Handle,
    /// Why: a reason of the vocabulary.
    pub reason: u16,
}

/// Words of a record's first change that are erased.
#[derive(Debug, Clone, Copy)]
pub struct Scrap {
    /// The record.
    pub handle: Handle,
    /// The field.
    pub field: FieldKey,
}

/// What happens in some days.
#[derive(Debug, Clone, Default)]
pub struct Round {
    /// By phone, in the order of saving.
    pub saves: BTreeMap<usize, Vec<Save>>,
    /// Phones that send their visit a second time, byte for byte.
    pub resent: Vec<usize>,
    /// After the visits.
    pub returns: Vec<Return>,
    /// After the visits.
    pub scraps: Vec<Scrap>,
    /// Phones that edit in this round what another phone created.
    pub foreign: Vec<usize>,
    /// How much of the whole is done with it, from 0 to 1.
    pub done: f64,
}

impl Round {
    fn save(&mut self, save: Save) {
        self.saves.entry(save.phone).or_default().push(save);
    }
}

/// Gives round after round, a month of records in memory at a time.
#[derive(Debug)]
pub struct Rounds<'a> {
    world: &'a World,
    month: usize,
    waiting: Vec<Planned>,
    ends_s: i64,
    days: i64,
    handles: Handle,
    next: Round,
    finished: bool,
}

impl<'a> Rounds<'a> {
    /// Rounds of so many days.
    #[must_use]
    pub fn new(world: &'a World, days: u32) -> Self {
        let days = i64::from(days.max(1));
        let from = world.month_ends_s(0) - 31 * DAY_S;
        Self {
            world,
            month: 0,
            waiting: Vec::new(),
            ends_s: from + days * DAY_S,
            days,
            handles: 0,
            next: Round::default(),
            finished: false,
        }
    }

    /// Takes months in until the round is covered.
    fn take_months(&mut self) {
        while self.month < self.world.months_count()
            && (self.month == 0 || self.world.month_ends_s(self.month - 1) <= self.ends_s)
        {
            self.waiting.extend(self.world.month(self.month));
            self.month += 1;
        }
        // what was recorded after midnight of a month's last day belongs to the next
        self.waiting
            .sort_by_key(|planned| (planned.recorded_s, planned.phone));
    }

    fn plan(&mut self, round: &mut Round, planned: Planned) {
        let handle = self.handles;
        self.handles += 1;
        self.follow(handle, &planned);
        if planned.resent && !round.resent.contains(&planned.phone) {
            round.resent.push(planned.phone);
        }
        if let Fate::Returned { reason, .. } = planned.fate {
            round.returns.push(Return { handle, reason });
        }
        round.save(Save {
            handle,
            creates: Some(planned.record_type),
            phone: planned.phone,
            member: planned.member,
            values: planned.values,
            links: Vec::new(),
            clock_s: planned.clock_s,
            random: planned.random,
        });
    }

    /// What the next round has to do about a record.
    fn follow(&mut self, handle: Handle, planned: &Planned) {
        match &planned.fate {
            Fate::Stays
            | Fate::Returned {
                corrected: None, ..
            } => {}
            Fate::Withdrawn(reason) => self.next.save(withdraw(planned, handle, *reason, 1)),
            Fate::Returned {
                corrected: Some((field, value)),
                ..
            } => self
                .next
                .save(edit(planned, handle, *field, value.clone(), 2)),
            Fate::Rivals {
                phone,
                member,
                field,
                mine,
                theirs,
            } => {
                self.next
                    .save(edit(planned, handle, *field, mine.clone(), 3));
                self.next.save(Save {
                    phone: *phone,
                    member: *member,
                    ..edit(planned, handle, *field, theirs.clone(), 4)
                });
                self.next.foreign.push(*phone);
            }
            Fate::Reissued(words) => self.say_again(handle, planned, words),
        }
    }

    /// The words that must not be there: said again in others, withdrawn, erased.
    fn say_again(&mut self, handle: Handle, planned: &Planned, words: &str) {
        let again = self.handles;
        self.handles += 1;
        let summary = key(planned.record_type, "summary");
        let mut said = edit(planned, handle, summary, Value::Text(words.to_owned()), 5);
        said.handle = again;
        said.creates = Some(planned.record_type);
        for (field, value) in &planned.values {
            said.values.entry(*field).or_insert_with(|| value.clone());
        }
        said.links = vec![(key(planned.record_type, "links.corrects"), handle)];
        self.next.save(said);
        let reasons = Vocabulary::builtin();
        let reason = reasons.reason_by_id(ReasonUse::Withdraw, "must_not_hold");
        let mut taken = withdraw(planned, handle, reason.map_or(0, |reason| reason.number), 6);
        taken.links = vec![(key(planned.record_type, "links.corrected_by"), again)];
        self.next.save(taken);
        self.next.scraps.push(Scrap {
            handle,
            field: summary,
        });
    }
}

/// A change of a record by whoever created it, some days later.
fn edit(planned: &Planned, handle: Handle, field: FieldKey, value: Value, nth: u8) -> Save {
    let mut random = planned.random;
    random[0] ^= nth;
    Save {
        handle,
        creates: None,
        phone: planned.phone,
        member: planned.member,
        values: iter::once((field, value)).collect(),
        links: Vec::new(),
        clock_s: planned.clock_s + i64::from(nth) * DAY_S,
        random,
    }
}

fn withdraw(planned: &Planned, handle: Handle, reason: u16, nth: u8) -> Save {
    let field = key(planned.record_type, "withdrawn_reason");
    edit(planned, handle, field, Value::Choice(reason), nth)
}

fn key(record_type: u16, id: &str) -> FieldKey {
    let field = Vocabulary::builtin().field_by_id(record_type, id);
    FieldKey::plain(field.map_or(0, |field| field.number))
}

impl Iterator for Rounds<'_> {
    type Item = Round;

    fn next(&mut self) -> Option<Round> {
        if self.finished {
            return None;
        }
        self.take_months();
        let mut round = std::mem::take(&mut self.next);
        let until = self
            .waiting
            .partition_point(|planned| planned.recorded_s < self.ends_s);
        let now: Vec<Planned> = self.waiting.drain(..until).collect();
        for planned in now {
            self.plan(&mut round, planned);
        }
        self.ends_s += self.days * DAY_S;
        let all_taken = self.month == self.world.months_count() && self.waiting.is_empty();
        self.finished = all_taken && self.next.saves.is_empty();
        let (first, last) = (self.world.month_ends_s(0), self.world.months_count() - 1);
        let last = self.world.month_ends_s(last);
        let span = (last - first + 31 * DAY_S) as f64;
        round.done = (1.0 - (last - self.ends_s) as f64 / span).clamp(0.0, 1.0);
        if self.finished {
            round.done = 1.0;
        }
        merge_order(&mut round);
        Some(round)
    }
}

/// Creations before what links to them: a phone that says something again saves it first.
fn merge_order(round: &mut Round) {
    for saves in round.saves.values_mut() {
        saves.sort_by_key(|save| (save.creates.is_none(), save.handle));
    }
    round.foreign.sort_unstable();
    round.foreign.dedup();
}
