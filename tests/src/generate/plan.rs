//! What is recorded in a month, and what becomes of it.

use std::collections::BTreeMap;

use sync_core::ids::AreaRef;
use sync_core::value::{FieldKey, Value};
use sync_core::vocabulary::{Lane, ReasonUse, RecordType, Vocabulary};

use super::calendar::{Month, hours};
use super::fields::{Filling, OFFSET_MIN, Where, body, envelope, incident_kind};
use super::rates::RATES;
use super::stream::{Kind, Stream};
use super::words::{Dirt, Language, said_again, say};
use super::world::{Group, TipValue, World};

const MINUTE_S: i64 = 60;
const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 86_400;
/// Seconds since 1970 of the clock that somebody set to 2042.
const FAR_CLOCK_S: i64 = 2_290_000_000;

/// Of all records, those sent twice as they are; those that two members wrote of one event; those
/// that two phones edit at once; the withdrawn; the returned, and of these the corrected.
const RESENT_SHARE: f64 = 0.015;
const DUPLICATE_SHARE: f64 = 0.012;
const RIVALS_SHARE: f64 = 0.008;
const WITHDRAWN_SHARE: f64 = 0.006;
const RETURNED_SHARE: f64 = 0.04;
const CORRECTED_SHARE: f64 = 0.80;
/// Records of the lanes in which a share may fall, of all records, by the rates.
const OPEN_PART: f64 = 0.781;
const TWICE_PART: f64 = 0.716;
const RETURNABLE_PART: f64 = 0.988;

/// What becomes of a record after it is saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Nothing.
    Stays,
    /// The member takes it back: a reason of the vocabulary.
    Withdrawn(u16),
    /// Two phones edit the same field, and neither has seen the other's.
    Rivals {
        /// The other phone, by its place among all.
        phone: usize,
        /// Who edits there.
        member: u16,
        /// The field.
        field: FieldKey,
        /// What the writing phone says.
        mine: Value,
        /// What the other says.
        theirs: Value,
    },
    /// An officer returns it: a reason of the vocabulary, and what the group then adds.
    Returned {
        /// The reason.
        reason: u16,
        /// The correction, unless the group leaves it.
        corrected: Option<(FieldKey, Value)>,
    },
    /// It says what it must not: it is said again with these words, withdrawn, and erased.
    Reissued(String),
}

/// A record as one member saves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its group, by its place.
    pub group: usize,
    /// The phone, by its place among all.
    pub phone: usize,
    /// Who writes.
    pub member: u16,
    /// Number of its type.
    pub record_type: u16,
    /// Its lane.
    pub lane: Lane,
    /// Its fields.
    pub values: BTreeMap<FieldKey, Value>,
    /// When it was saved, in seconds since 1970.
    pub recorded_s: i64,
    /// The same by the phone's clock.
    pub clock_s: i64,
    /// When a network was there to take it.
    pub arrives_s: i64,
    /// Whether it is of an event that another record is about too.
    pub duplicates: bool,
    /// Whether the visit that brings it is repeated, byte for byte.
    pub resent: bool,
    /// What becomes of it.
    pub fate: Fate,
    /// Language of its words: of no field, and never sent.
    pub language: Option<Language>,
    /// What is wrong with it.
    pub dirt: Option<Dirt>,
    /// What the police make of a tip; never sent.
    pub tip_value: Option<TipValue>,
    /// Random bytes for the phone that saves it.
    pub random: [u8; 32],
}

impl World {
    /// How many months there are.
    #[must_use]
    pub fn months_count(&self) -> usize {
        self.months.len()
    }

    /// Seconds since 1970 at which a month ends.
    #[must_use]
    pub fn month_ends_s(&self, month: usize) -> i64 {
        let days = self.months.get(month).map_or(0, |month| month.days.end);
        i64::from(days) * DAY_S - i64::from(OFFSET_MIN) * MINUTE_S
    }

    /// How many records of a type a group has in a month.
    fn count(&self, group: usize, month: usize, row: &RecordType, rate: f64) -> u64 {
        let place = self.place(group, month);
        if row.id == "tip" {
            let (from, until) = (self.tips_before[place], self.tips_before[place + 1]);
            return u64::from(until - from);
        }
        let scale = self.scale.get(row.id.as_str()).copied().unwrap_or(0.0);
        let mean = rate * scale * self.weight(group, month, &row.id);
        Stream::of_type(self.seed, Kind::Count, row.number, place as u64).poisson(mean)
    }

    /// All records of a month, in the order in which they were saved.
    #[must_use]
    pub fn month(&self, month: usize) -> Vec<Planned> {
        let vocabulary = Vocabulary::builtin();
        let mut all = Vec::new();
        for group in 0..self.groups.len() {
            for (id, rate) in RATES {
                let Some(row) = vocabulary.record_type_by_id(id) else {
                    continue;
                };
                for nth in 0..self.count(group, month, row, rate) {
                    self.one(&mut all, row, (group, month, nth));
                }
            }
        }
        all.sort_by_key(|planned| (planned.recorded_s, planned.phone));
        all
    }

    fn one(&self, all: &mut Vec<Planned>, row: &RecordType, (group, month, nth): Key) {
        let place = (self.place(group, month) as u64) << 16 | nth;
        let of = |kind| Stream::of_type(self.seed, kind, row.number, place);
        let mut stream = of(Kind::Record);
        let (at_group, at_month) = (&self.groups[group], &self.months[month]);
        let kind = (row.id == "incident").then(|| incident_kind(&mut stream, at_group.is_board()));
        let kind_number = kind.and_then(|kind| {
            let list = Vocabulary::builtin().list("incident_kind")?;
            Some(list.value_by_id(kind)?.number)
        });
        let lane = Vocabulary::builtin()
            .lane_of(row.number, kind_number)
            .unwrap_or(Lane::Open);
        let at = when(&mut stream, row, lane, at_group, at_month);
        let (phone, member) = self.writer(&mut stream, row, lane, group);
        let mut planned = Planned {
            group,
            phone,
            member,
            record_type: row.number,
            lane,
            values: BTreeMap::new(),
            recorded_s: 0,
            clock_s: 0,
            arrives_s: 0,
            duplicates: false,
            resent: stream.happens(RESENT_SHARE),
            fate: Fate::Stays,
            language: None,
            dirt: None,
            tip_value: None,
            random: stream.bytes(),
        };
        let mut at = at;
        let mut words = of(Kind::Words);
        if lane == Lane::Open {
            let said = say(&mut words, &row.id, asks_for_words(&row.id));
            (planned.language, planned.dirt) = (said.language, said.dirt);
            if said.dirt == Some(Dirt::Midnight) {
                at.minute = 0;
            }
            planned.values.extend(said.text.and_then(|text| {
                let field = Vocabulary::builtin().field_by_id(row.number, "summary")?;
                Some((FieldKey::plain(field.number), Value::Text(text)))
            }));
        }
        let mut filling = Filling::new(&mut stream, &row.id, row.number);
        if let Some(kind) = kind {
            filling.choose("kind", kind);
        }
        envelope(&mut filling, &at);
        body(&mut filling, &at, at_month, at_group.members.len() as u64);
        filling.lose_one();
        planned.values.append(&mut filling.values);
        self.time(&mut stream, &mut planned, &at, month);
        if row.id == "tip" {
            let tip = self.tips_before[self.place(group, month)] as usize + nth as usize;
            planned.tip_value = self.tip_values.get(tip).copied();
        }
        let mut fate = of(Kind::Fate);
        let again = self.decide(&mut fate, &mut words, &mut planned, row);
        all.push(planned);
        all.extend(again);
    }

    /// Who writes it, and on which phone.
    fn writer(
        &self,
        stream: &mut Stream,
        row: &RecordType,
        lane: Lane,
        group: usize,
    ) -> (usize, u16) {
        let at = &self.groups[group];
        let phone = *stream.pick(&at.phones);
        let row_of = &self.phones[phone];
        let may = |member: u16| {
            let role = at
                .members
                .get(usize::from(member) - 1)
                .map(|member| member.role);
            match role {
                Some("leader" | "deputy") => true,
                Some("mediator" | "mediation_head") => lane == Lane::Mediation,
                Some(_) => row.id != "nil_return",
                None => false,
            }
        };
        let member = if row_of.shared {
            stream.within(1, at.members.len() as u64) as u16
        } else {
            row_of.owner
        };
        if may(member) {
            (phone, member)
        } else {
            (at.phones[0], 1)
        }
    }

    /// When it was saved, by what clock, and when it could be sent.
    fn time(&self, stream: &mut Stream, planned: &mut Planned, at: &Where, month: usize) {
        let ends = i64::from(at.at(at.takes).minutes) - i64::from(OFFSET_MIN);
        planned.recorded_s = ends * MINUTE_S + stream.within(0, 2_400) as i64;
        let quarter = planned.phone as u64 * 1_024 + month as u64 / 3;
        planned.clock_s =
            planned.recorded_s + clock_error(&mut Stream::of(self.seed, Kind::Clock, quarter));
        if planned.dirt == Some(Dirt::FarClock) {
            planned.clock_s = FAR_CLOCK_S + i64::from(planned.random[0]);
        }
        planned.arrives_s = planned.recorded_s + delay(stream);
    }

    /// What becomes of it; perhaps a second record of the same event.
    fn decide(
        &self,
        stream: &mut Stream,
        words: &mut Stream,
        planned: &mut Planned,
        row: &RecordType,
    ) -> Option<Planned> {
        let group = &self.groups[planned.group];
        let key = |id: &str| {
            let field = Vocabulary::builtin().field_by_id(row.number, id);
            field.map(|field| FieldKey::plain(field.number))
        };
        let open = planned.lane == Lane::Open;
        if planned.dirt == Some(Dirt::WarnedSaidAgain) {
            planned.fate = Fate::Reissued(said_again(words, &row.id));
            return None;
        }
        let draws: [f64; 4] = std::array::from_fn(|_| stream.unit());
        if draws[0] < WITHDRAWN_SHARE {
            planned.fate = Fate::Withdrawn(*stream.pick(&[1, 2, 4, 6]));
        } else if draws[1] < RETURNED_SHARE / RETURNABLE_PART && planned.lane != Lane::Mediation {
            planned.fate = returned(stream, planned.lane, key("place_text"), key("called.whom"));
        } else if open && draws[2] < self.rivals_share() {
            let other = group.phones.iter().find(|phone| **phone != planned.phone);
            if let (Some(other), Some(member), Some(field)) =
                (other, group.corrector(), key("place_text"))
            {
                let text = |stream: &mut Stream| Value::Text((*stream.pick(&PLACES)).to_owned());
                planned.fate = Fate::Rivals {
                    phone: *other,
                    member,
                    field,
                    mine: text(stream),
                    theirs: text(stream),
                };
            }
        }
        let two = open && row.id != "nil_return" && draws[3] < DUPLICATE_SHARE / TWICE_PART;
        two.then(|| self.told_twice(stream, planned))
    }

    /// The same event by another member, a few minutes later, in almost the same words.
    fn told_twice(&self, stream: &mut Stream, planned: &Planned) -> Planned {
        let group = &self.groups[planned.group];
        let mut twin = planned.clone();
        twin.phone = *stream.pick(&group.phones);
        twin.member = if planned.member == 1 { 2 } else { 1 };
        twin.recorded_s += stream.within(60, 2_400) as i64;
        twin.clock_s += twin.recorded_s - planned.recorded_s;
        twin.arrives_s = twin.arrives_s.max(twin.recorded_s + MINUTE_S);
        twin.fate = Fate::Stays;
        twin.duplicates = true;
        twin.resent = false;
        twin.random = stream.bytes();
        twin
    }

    /// Of the records where two phones can edit at once, as many as give the share of all.
    fn rivals_share(&self) -> f64 {
        let total: f64 = self.groups.iter().map(|group| group.activity).sum();
        let pairs = self
            .groups
            .iter()
            .filter(|group| group.phones.len() > 1 && !group.is_board());
        let paired: f64 = pairs.map(|group| group.activity).sum();
        if paired > 0.0 {
            RIVALS_SHARE / OPEN_PART * total / paired
        } else {
            0.0
        }
    }
}

type Key = (usize, usize, u64);

const PLACES: [&str; 6] = [
    "trước nhà văn hóa ấp",
    "đầu cầu sắt",
    "ngã ba chợ",
    "bến đò",
    "dọc bờ kinh",
    "cổng trường tiểu học",
];

fn when(stream: &mut Stream, row: &RecordType, lane: Lane, group: &Group, month: &Month) -> Where {
    let (minute, takes) = hours(&row.id, stream);
    let weights = month.day_weights(&row.id, group.old_province == "Sóc Trăng");
    let hamlet = group.hamlets[stream.below(group.hamlets.len())].area;
    Where {
        lane,
        day: month.days.start + stream.weighted(&weights) as i32,
        minute,
        takes,
        hamlet,
        commune: AreaRef(group.commune.area.0),
    }
}

fn asks_for_words(id: &str) -> bool {
    matches!(
        id,
        "incident" | "checkpoint" | "welfare" | "rescue" | "mobilised" | "training" | "suggestion"
    )
}

/// Most clocks are right; some are minutes off, some hours, a few anything.
fn clock_error(stream: &mut Stream) -> i64 {
    let error = match stream.weighted(&[92.0, 5.0, 2.0, 1.0]) {
        0 => stream.within(0, 9) as f64,
        1 => stream.log_uniform(60.0, 3_600.0),
        2 => stream.log_uniform(3_600.0, 86_400.0),
        _ => stream.log_uniform(86_400.0, 1e8),
    };
    if stream.happens(0.5) {
        error as i64
    } else {
        -(error as i64)
    }
}

/// From the save to a network.
fn delay(stream: &mut Stream) -> i64 {
    let (low, high) = match stream.weighted(&[55.0, 27.0, 13.0, 4.0, 1.0]) {
        0 => (5, 5 * MINUTE_S),
        1 => (5 * MINUTE_S, 12 * HOUR_S),
        2 => (12 * HOUR_S, 72 * HOUR_S),
        3 => (3 * DAY_S, 14 * DAY_S),
        _ => (14 * DAY_S, 120 * DAY_S),
    };
    stream.log_uniform(low as f64, high as f64) as i64
}

/// A reason of the fixed list of the lane, and what the group adds within five days.
fn returned(
    stream: &mut Stream,
    lane: Lane,
    place: Option<FieldKey>,
    called: Option<FieldKey>,
) -> Fate {
    let vocabulary = Vocabulary::builtin();
    let reasons: Vec<u16> = vocabulary
        .reasons(ReasonUse::Return, lane)
        // these two are answered by saying it again
        .filter(|reason| !matches!(reason.id.as_str(), "personal_data" | "wrong_type"))
        .map(|reason| reason.number)
        .collect();
    let reason = *stream.pick(&reasons);
    let corrected = match (lane, place, called) {
        _ if !stream.happens(CORRECTED_SHARE) => None,
        (Lane::Open, Some(place), _) => {
            Some((place, Value::Text((*stream.pick(&PLACES)).to_owned())))
        }
        (_, _, Some(called)) => Some((called, Value::Choices(vec![1]))),
        (_, _, None) => None,
    };
    Fate::Returned { reason, corrected }
}
