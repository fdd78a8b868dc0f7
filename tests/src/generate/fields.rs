//! The fields of one record, by the vocabulary.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use sync_core::ids::AreaRef;
use sync_core::value::{FieldKey, Value, WallTime};
use sync_core::vocabulary::{Lane, Vocabulary};

use super::calendar::Month;
use super::rates;
use super::stream::Stream;

/// Minutes by which Vietnam is ahead of UTC.
pub(super) const OFFSET_MIN: i16 = 420;
/// Of asked-for fields, that one is not filled in.
const MISSING_SHARE: f64 = 0.03;
/// Of patrols by boat, outside the flood and in it.
const BOAT_SHARE: f64 = 0.15;
const BOAT_SHARE_FLOOD: f64 = 0.45;
/// Of open-lane records with a position ‡.
const POSITION_SHARE: f64 = 0.01;
/// Items of the lists that a group saves.
const SAVED_ITEMS: u64 = 6;

/// Fields by type and id: the vocabulary looks through all of them each time.
fn number(record_type: u16, id: &str) -> Option<u16> {
    static NUMBERS: OnceLock<BTreeMap<(u16, String), u16>> = OnceLock::new();
    let numbers = NUMBERS.get_or_init(|| {
        let vocabulary = Vocabulary::builtin();
        let types = vocabulary.record_types();
        types
            .flat_map(|row| {
                let fields = vocabulary.fields_of(row.number);
                fields.map(|field| ((row.number, field.id.clone()), field.number))
            })
            .collect()
    });
    // no allocation would be saved by a borrowed key: a map of pairs has none
    numbers.get(&(record_type, id.to_owned())).copied()
}

/// A record while it is filled in.
pub(super) struct Filling<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) id: &'a str,
    pub(super) record_type: u16,
    pub(super) values: BTreeMap<FieldKey, Value>,
    required: Vec<u16>,
}

impl<'a> Filling<'a> {
    pub(super) fn new(stream: &'a mut Stream, id: &'a str, record_type: u16) -> Self {
        Self {
            stream,
            id,
            record_type,
            values: BTreeMap::new(),
            required: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, field: &str, value: Value) {
        if let Some(number) = number(self.record_type, field) {
            self.values.insert(FieldKey::plain(number), value);
        }
    }

    /// Asked for, and so sometimes missing.
    fn asked(&mut self, field: &str, value: Value) {
        self.required.extend(number(self.record_type, field));
        self.put(field, value);
    }

    fn count(&mut self, field: &str, low: u64, high: u64) {
        let count = self.stream.within(low, high);
        self.asked(field, Value::Number(count));
    }

    fn maybe_count(&mut self, share: f64, field: &str, low: u64, high: u64) {
        self.maybe_rounded(share, field, low, high, 1);
    }

    /// A whole number of `unit`s.
    fn maybe_rounded(&mut self, share: f64, field: &str, low: u64, high: u64, unit: u64) {
        if self.stream.happens(share) {
            let count = self.stream.within(low, high);
            self.put(field, Value::Number(count * unit));
        }
    }

    fn list_number(&self, field: &str, value: &str) -> Option<u16> {
        let list = Vocabulary::builtin().list_of(number(self.record_type, field)?)?;
        Some(list.value_by_id(value)?.number)
    }

    /// A value by its id.
    pub(super) fn choose(&mut self, field: &str, value: &str) {
        if let Some(number) = self.list_number(field, value) {
            self.asked(field, Value::Choice(number));
        }
    }

    fn drawn(&mut self, field: &str) {
        let Some(shares) = rates::shares(self.id, field) else {
            return;
        };
        let weights: Vec<f64> = shares.iter().map(|(_, share)| *share).collect();
        let value = shares[self.stream.weighted(&weights)].0;
        self.choose(field, value);
    }

    fn some_of(&mut self, field: &str, most: usize) {
        let list = number(self.record_type, field).and_then(|n| Vocabulary::builtin().list_of(n));
        let Some(list) = list else { return };
        let numbers: Vec<u16> = list
            .values
            .iter()
            .filter(|value| value.id != "none")
            .map(|value| value.number)
            .collect();
        let mut set: Vec<u16> = (0..self.stream.below(most) + 1)
            .map(|_| *self.stream.pick(&numbers))
            .collect();
        set.sort_unstable();
        set.dedup();
        self.asked(field, Value::Choices(set));
    }

    fn yes(&mut self, share: f64, field: &str) {
        if self.stream.happens(share) {
            let yes = self.stream.happens(0.5);
            self.put(field, Value::YesNo(yes));
        }
    }

    fn text(&mut self, field: &str, texts: &[&str]) {
        let text = (*self.stream.pick(texts)).to_owned();
        self.asked(field, Value::Text(text));
    }

    /// One field of three in a hundred records is not filled in; never the one that decides the
    /// lane, for without it nothing can be saved.
    pub(super) fn lose_one(&mut self) {
        if self.stream.happens(MISSING_SHARE) && !self.required.is_empty() {
            let lost = *self.stream.pick(&self.required);
            if self.id != "incident" || Some(lost) != number(self.record_type, "kind") {
                self.values.remove(&FieldKey::plain(lost));
            }
        }
    }
}

/// Where and when a record is.
pub(super) struct Where {
    pub(super) lane: Lane,
    pub(super) day: i32,
    /// Minutes of the day at which it begins, and how long it takes.
    pub(super) minute: u64,
    pub(super) takes: u64,
    pub(super) hamlet: AreaRef,
    pub(super) commune: AreaRef,
}

impl Where {
    pub(super) fn at(&self, minutes_later: u64) -> WallTime {
        let minutes = i64::from(self.day) * 1_440 + (self.minute + minutes_later) as i64;
        WallTime {
            minutes: i32::try_from(minutes).unwrap_or(0),
            offset: OFFSET_MIN,
        }
    }
}

/// The envelope: area, time, urgency, whom was called.
pub(super) fn envelope(f: &mut Filling<'_>, at: &Where) {
    let closed = at.lane != Lane::Open;
    f.put(
        "area_id",
        Value::Area(if closed { at.commune } else { at.hamlet }),
    );
    if closed || f.id == "mobilised" {
        f.put("day", Value::Day(at.day));
    } else {
        let until = (f.id == "checkpoint" || f.stream.happens(0.85)).then(|| at.at(at.takes));
        f.put("occurred", Value::Interval(at.at(0), until));
        f.drawn("time_quality");
    }
    let weights = [90.0, 6.0, 3.0, 1.0];
    let urgency = ["period", "day", "shift", "now"][f.stream.weighted(&weights)];
    if !closed {
        f.choose("urgency", urgency);
        if f.stream.happens(0.25) {
            f.some_of("joint_with", 3);
        }
        if f.stream.happens(POSITION_SHARE) {
            let (latitude, longitude) = (f.stream.within(0, 12_000), f.stream.within(0, 15_000));
            let metres = f.stream.within(5, 60) as u32;
            f.put(
                "geo",
                Value::Position(
                    92_500 + latitude as i32,
                    1_049_500 + longitude as i32,
                    metres,
                ),
            );
        }
    }
    if urgency == "now" {
        f.some_of("called.whom", 2);
        f.put("called.at", Value::Time(at.at(5)));
    }
}

const ROUTES: [&str; 6] = [
    "đầu kinh tới cầu sắt",
    "lộ nhựa, vòng bờ bao",
    "chợ, cổng trường, bến đò",
    "dọc kinh rồi về điểm trực",
    "hai bên lộ bê tông",
    "từ cổng rào số 1 tới nhà văn hóa ấp",
];
const POSTS: [&str; 5] = [
    "điểm trực đầu lộ",
    "cổng rào số 1",
    "nhà văn hóa ấp",
    "bến đò",
    "ngã ba chợ",
];
const TASKS: [&str; 3] = [
    "Hỗ trợ giữ trật tự khu vực bến phà trong hai buổi.",
    "Phụ dọn cây ngã sau giông lốc ở ấp kế bên.",
    "Hỗ trợ phân luồng trước điểm tổ chức hội thao.",
];
const SUBJECTS: [&str; 4] = [
    "Sơ cứu, cứu đuối",
    "Sử dụng bình chữa cháy",
    "Kỹ năng nhắc nhở, hòa nhã với dân",
    "Ghi chép trên điện thoại",
];
const ORGANISERS: [&str; 3] = ["Công an xã", "Trạm y tế xã", "Hội Chữ thập đỏ xã"];
const ASKED: [&str; 5] = [
    "Xin lắp thêm 2 bóng đèn đoạn cua đầu kinh, ban đêm rất tối.",
    "Đề nghị sửa cầu ván bị mục, trẻ em đi học qua lại nhiều.",
    "Xin cấp thêm 3 áo phản quang và 2 đèn pin cho tổ.",
    "Đề nghị rào đoạn bờ kè sạt lở dài khoảng 20 m.",
    "Xin thay bản lề cổng rào số 2, hiện đóng không kín.",
];

/// What the type asks for.
pub(super) fn body(f: &mut Filling<'_>, at: &Where, month: &Month, members: u64) {
    let some = members.clamp(2, 12);
    match f.id {
        "patrol" => patrol(f, month, some),
        "duty_shift" => {
            f.text("post_text", &POSTS);
            f.count("members_present", 1, some.min(5));
            f.maybe_count(0.6, "events_count", 0, 3);
        }
        "handover" => handover(f, at, members),
        "tip" => {
            let category = rates::tip_category(f.stream, month.year, month.number);
            f.choose("category", category);
        }
        "incident" => incident(f, at),
        "mediation" => {
            for field in ["mode", "scope", "result"] {
                f.drawn(field);
            }
        }
        "outreach" => outreach(f, month),
        "meeting" => {
            f.drawn("kind");
            f.count("present", 2, some * 3);
            f.maybe_count(0.6, "expected", some, some * 3 + 4);
            if f.stream.happens(0.4) {
                f.text(
                    "decisions",
                    &["Chia lịch trực tuần tới.", "Thống nhất đổi tuyến tuần tra."],
                );
            }
            f.maybe_count(0.3, "opinions_count", 0, 9);
        }
        "household_visit" => {
            f.count("households", 1, 25);
            f.some_of("purpose", 3);
            f.maybe_count(0.3, "follow_ups", 0, 4);
        }
        "fire_safety" => {
            f.count("places", 1, 14);
            f.drawn("kind");
            if f.stream.happens(0.5) {
                f.some_of("issues", 2);
                f.put("fixed_by", Value::Day(at.day + 14));
            }
            f.maybe_count(0.1, "drill_turnout", 5, 60);
        }
        _ => rarer(f, some),
    }
}

fn patrol(f: &mut Filling<'_>, month: &Month, some: u64) {
    f.count("members_present", 2, some);
    let boat = if month.is_flood() {
        BOAT_SHARE_FLOOD
    } else {
        BOAT_SHARE
    };
    let others = [45.0, 8.0, 35.0, 12.0];
    let mode = if f.stream.happens(boat) {
        "boat"
    } else {
        ["walk", "bicycle", "motorbike", "mixed"][f.stream.weighted(&others)]
    };
    f.choose("mode", mode);
    match f.stream.below(4) {
        0 => {
            let route = f.stream.within(1, SAVED_ITEMS);
            f.put("route_id", Value::Number(route));
        }
        1 => {
            let route = (*f.stream.pick(&ROUTES)).to_owned();
            f.put("route_text", Value::Text(route));
        }
        _ => {}
    }
    f.maybe_rounded(0.4, "distance", 8, 90, 100);
    if f.stream.happens(0.7) {
        f.asked("findings", Value::Choices(vec![5]));
    } else {
        f.some_of("findings", 2);
    }
    f.maybe_count(0.5, "reminders_given", 0, 9);
    f.yes(0.05, "handed_to_police");
}

fn handover(f: &mut Filling<'_>, at: &Where, members: u64) {
    let from = f.stream.within(1, members);
    f.asked("from_member", Value::Number(from));
    f.asked("to_member", Value::Number(from % members + 1));
    let of = |f: &Filling<'_>, id: &str| number(f.record_type, id);
    for _ in 0..f.stream.below(5) {
        let item = f.stream.within(1, u64::from(u32::MAX)) as u32;
        let drawn = f.stream.within(1, 8) as u16;
        let count = f.stream.within(1, 6);
        let condition = [1, 2, 3, 4][f.stream.weighted(&[82.0, 10.0, 6.0, 2.0])];
        let values = [
            ("equipment.item", Value::Choice(drawn)),
            ("equipment.qty", Value::Number(count)),
            ("equipment.condition", Value::Choice(condition)),
        ];
        for (id, value) in values {
            if let Some(number) = of(f, id) {
                f.values.insert(FieldKey { number, item }, value);
            }
        }
        // only extinguishers run out
        if let Some(number) = of(f, "equipment.expiry").filter(|_| drawn == 4) {
            f.values
                .insert(FieldKey { number, item }, Value::Day(at.day + 400));
        }
    }
}

/// The kind is chosen before, because it decides the lane.
fn incident(f: &mut Filling<'_>, at: &Where) {
    f.drawn("outcome");
    f.maybe_count(0.15, "injured", 0, 3);
    f.maybe_count(0.02, "dead", 0, 1);
    if at.lane != Lane::Open {
        return;
    }
    f.drawn("how_known");
    f.drawn("severity");
    if f.stream.happens(0.7) {
        let minutes = f.stream.within(5, 55);
        f.put("arrived_at", Value::Time(at.at(minutes)));
    }
    f.yes(0.4, "scene_kept");
    f.yes(0.2, "first_aid");
    f.maybe_rounded(0.1, "property_damage", 200, 40_000, 1_000);
    if f.stream.happens(0.3) {
        f.put("police_arrived_at", Value::Time(at.at(60)));
        f.put("handed_over_at", Value::Time(at.at(75)));
    }
    f.maybe_count(0.3, "participants", 2, 9);
}

fn outreach(f: &mut Filling<'_>, month: &Month) {
    f.some_of("theme", 3);
    // in the epidemic nobody met, and the loudspeaker did twice as much of it
    if month.is_covid() && f.stream.happens(0.43) {
        f.choose("channel", "loudspeaker");
    } else {
        f.drawn("channel");
    }
    f.count("sessions", 1, 4);
    f.count("attendance", 8, 140);
    f.maybe_count(0.15, "commitments_signed", 3, 60);
    f.maybe_count(0.01, "weapons_surrendered.guns", 1, 1);
    f.maybe_count(0.02, "weapons_surrendered.fireworks_kg", 2, 60);
    f.maybe_count(0.02, "weapons_surrendered.crude", 1, 3);
}

fn facility_check(f: &mut Filling<'_>) {
    if f.stream.happens(0.3) {
        let cameras = f.stream.within(1, 12);
        f.put("cameras", Value::Number(cameras));
        let out = f.stream.within(0, cameras.min(3));
        f.put("cameras_out", Value::Number(out));
    } else {
        let facility = f.stream.within(1, SAVED_ITEMS);
        f.asked("facility_id", Value::Number(facility));
    }
    let shares = rates::shares(f.id, "action").unwrap_or_default();
    let weights: Vec<f64> = shares.iter().map(|(_, share)| *share).collect();
    let action = shares[f.stream.weighted(&weights)].0;
    f.choose("action", action);
    f.drawn("condition");
    if action == "drill" {
        f.count("drill.turnout", 3, 40);
        f.count("drill.minutes", 2, 15);
    }
}

fn rarer(f: &mut Filling<'_>, some: u64) {
    match f.id {
        "traffic_support" => {
            f.text("place", &POSTS);
            f.drawn("reason");
            f.maybe_count(0.6, "reminders", 0, 15);
            f.count("members_present", 1, some.min(6));
        }
        "event_guard" => {
            f.drawn("event");
            f.maybe_count(0.6, "posts", 1, 4);
            f.count("member_shifts", 2, some * 2);
            f.maybe_count(0.2, "lost_items", 0, 3);
        }
        "checkpoint" => f.count("member_shifts", 2, some),
        "reintegration_support" => {
            f.some_of("help_kind", 3);
            f.count("persons_helped", 1, 4);
        }
        "welfare" => {
            f.drawn("kind");
            f.count("beneficiaries", 1, 40);
            f.maybe_rounded(0.5, "contributions.money", 200, 20_000, 1_000);
            f.maybe_count(0.4, "contributions.labour_days", 10, 300);
            if f.stream.happens(0.2) {
                f.text(
                    "contributions.goods",
                    &["gạo, mì gói, dầu ăn", "20 tấm tôn", "tập vở học sinh"],
                );
            }
        }
        "facility_check" => facility_check(f),
        "rescue" => {
            f.drawn("kind");
            f.count("rescued", 0, 5);
            f.maybe_count(0.3, "injured", 0, 3);
            f.maybe_count(0.05, "dead", 0, 1);
            f.text(
                "equipment",
                &["xuồng, dây, phao", "máy bơm, xô", "cưa tay, dây thừng"],
            );
            f.text("handed_to", &["trạm y tế xã", "gia đình", "Công an xã"]);
            f.drawn("severity");
        }
        "mobilised" => {
            f.drawn("by_whom");
            f.text("task", &TASKS);
            f.count("members", 1, some);
        }
        "training" => {
            f.text("subject", &SUBJECTS);
            f.text("organiser", &ORGANISERS);
            f.count("members", 1, some);
            f.count("hours", 15, 80);
        }
        "nil_return" => f.drawn("span"),
        "suggestion" => {
            f.text("subject", &ASKED);
            f.drawn("severity");
        }
        // until its words can be sealed nothing of it can be said but the day and the commune
        _ => {}
    }
}

/// The kind of an incident; of those of the open lane where nobody writes in another.
pub(super) fn incident_kind(stream: &mut Stream, open_only: bool) -> &'static str {
    let kinds = Vocabulary::builtin().list("incident_kind");
    let is_protected = |id: &str| {
        let kind = kinds.and_then(|kinds| kinds.value_by_id(id));
        kind.is_some_and(|kind| kind.protected)
    };
    let weights: Vec<f64> = rates::INCIDENT_KINDS
        .iter()
        .map(|(id, share)| {
            if open_only && is_protected(id) {
                0.0
            } else {
                *share
            }
        })
        .collect();
    rates::INCIDENT_KINDS[stream.weighted(&weights)].0
}
