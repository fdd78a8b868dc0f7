//! Groups, members and phones of a profile, and how much each of them does.

use std::collections::BTreeMap;

use sync_core::ids::AreaRef;
use sync_core::vocabulary::Vocabulary;

use super::calendar::{Month, months};
use super::names::{self, Commune, HAMLETS, Hamlet, MODEL_KINDS, PROPER_NAMES};
use super::profile::{CANTHO_TEAMS, Profile, SMALL_COMMUNE};
use super::stream::{Kind, Stream, choose_exactly};

/// Of months in which a group reports nothing.
const SILENT_SHARE: f64 = 0.12;
const SHARED_PHONES: f64 = 0.45;
/// A phone's enrolment names no more members (`GRANT_MEMBERS_MAX`).
const MEMBERS_MAX: usize = 64;
const MEMBERS_MIN: usize = 3;
/// Forms with their shares; the last three in a hundred are spread over the other forms.
const FORMS: [(&str, f64); 8] = [
    ("self_mgmt_team", 43.0),
    ("club", 16.0),
    ("camera_light_model", 11.0),
    ("gate_group", 9.0),
    ("school_model", 6.0),
    ("mediation_group", 5.0),
    ("boarding_house_group", 4.0),
    ("youth_shock_team", 3.0),
];
const OTHER_FORMS: [&str; 7] = [
    "market_model",
    "gong_model",
    "vehicle_group",
    "reintegration_club",
    "veterans_group",
    "border_group",
    "other",
];

/// Somebody who writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// An invented name.
    pub name: String,
    /// Id of the role.
    pub role: &'static str,
}

/// A group.
#[derive(Debug, Clone)]
pub struct Group {
    /// Its public name; no two of a commune are alike.
    pub name: String,
    /// The proper name of its model, which is no part of any record.
    pub proper_name: String,
    /// Number of the kind of model, from 1.
    pub model_kind: usize,
    /// Id of its form.
    pub form: &'static str,
    /// The province to which its commune belonged until 30 June 2025.
    pub old_province: &'static str,
    /// Its commune.
    pub commune: Commune,
    /// Its hamlets, at least one; it is at home in the first.
    pub hamlets: Vec<Hamlet>,
    /// By number, from 1.
    pub members: Vec<Member>,
    /// Its phones, by their place among all.
    pub phones: Vec<usize>,
    /// The month in which it is founded, by its place among the months.
    pub founded: usize,
    /// What is left of that month, or of the first.
    pub(super) first_part: f64,
    /// How active it is; the mean over all group-months is 1.
    pub(super) activity: f64,
}

impl Group {
    /// Where it is at home.
    #[must_use]
    pub fn area(&self) -> AreaRef {
        self.hamlets
            .first()
            .map_or(self.commune.area, |hamlet| hamlet.area)
    }

    /// Whether its members have roles of the board only, which write in the open lane alone.
    pub(super) fn is_board(&self) -> bool {
        self.form == "reintegration_club"
    }

    fn has_facilities(&self) -> bool {
        matches!(self.form, "gate_group" | "camera_light_model")
    }

    /// The member who may correct what others wrote; `None` where nobody may.
    pub(super) fn corrector(&self) -> Option<u16> {
        (!self.is_board()).then_some(2)
    }
}

/// A phone.
#[derive(Debug, Clone, Copy)]
pub struct Phone {
    /// Its group, by its place.
    pub group: usize,
    /// The member who uses it; on a shared one somebody is chosen for each shift.
    pub owner: u16,
    /// Whether it is shared.
    pub shared: bool,
}

/// A whole profile before the first record.
#[derive(Debug, Clone)]
pub struct World {
    /// The seed.
    pub seed: u64,
    /// The profile.
    pub profile: Profile,
    /// All groups.
    pub groups: Vec<Group>,
    /// All phones.
    pub phones: Vec<Phone>,
    pub(super) months: Vec<Month>,
    /// By what the rate of each type is multiplied, so that its mean over all group-months is
    /// what it should be.
    pub(super) scale: BTreeMap<&'static str, f64>,
    /// Tips by group-month: how many come before, see `place`.
    pub(super) tips_before: Vec<u32>,
    /// What becomes of each.
    pub(super) tip_values: Vec<TipValue>,
}

/// What the commune police make of a tip. It is known here and written nowhere: an officer's
/// state, not a phone's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TipValue {
    /// Of value.
    OfValue,
    /// Not of value.
    NotOfValue,
    /// Unfounded.
    Unfounded,
    /// Not looked at yet.
    NotYet,
}

/// Of tips that are not of value.
const UNFOUNDED_SHARE: f64 = 0.32;
const NOT_YET_SHARE: f64 = 0.08;

impl World {
    /// The groups and phones of a profile, and how the work is spread over them.
    #[must_use]
    pub fn of(profile: Profile, seed: u64) -> Self {
        let months = months(&profile.days());
        let mut groups = found_groups(profile, seed);
        date_foundings(profile, seed, &months, &mut groups);
        let phones = give_phones(profile, seed, &mut groups);
        let mut world = Self {
            seed,
            profile,
            groups,
            phones,
            months,
            scale: BTreeMap::new(),
            tips_before: Vec::new(),
            tip_values: Vec::new(),
        };
        world.level_activity();
        for row in Vocabulary::builtin().record_types() {
            if let Some((id, _)) = super::rates::RATES.iter().find(|(id, _)| *id == row.id) {
                let scale = world.scale_of(id);
                world.scale.insert(id, scale);
            }
        }
        world.spread_tips();
        world
    }

    /// How much of a month a group exists.
    pub(super) fn part(&self, group: usize, month: usize) -> f64 {
        let (group, part) = (&self.groups[group], self.months[month].part);
        match month.cmp(&group.founded) {
            std::cmp::Ordering::Less => 0.0,
            std::cmp::Ordering::Equal => part.min(group.first_part),
            std::cmp::Ordering::Greater => part,
        }
    }

    /// Group-months.
    #[must_use]
    pub fn group_months(&self) -> f64 {
        self.cells()
            .map(|(group, month)| self.part(group, month))
            .sum()
    }

    fn cells(&self) -> impl Iterator<Item = (usize, usize)> {
        let months = self.months.len();
        (0..self.groups.len()).flat_map(move |group| (0..months).map(move |month| (group, month)))
    }

    /// Place of a group-month among all.
    pub(super) fn place(&self, group: usize, month: usize) -> usize {
        group * self.months.len() + month
    }

    /// Whether a group reports nothing in a month: it is paused, or its phone is lost.
    pub(super) fn is_silent(&self, group: usize, month: usize) -> bool {
        let place = self.place(group, month) as u64;
        Stream::of(self.seed, Kind::Silence, place).happens(SILENT_SHARE)
    }

    /// What a group does in a month, before the rate: nothing when it is silent.
    pub(super) fn weight(&self, group: usize, month: usize, record_type: &str) -> f64 {
        let at = &self.groups[group];
        let never = match record_type {
            "facility_check" => !at.has_facilities(),
            "tip" | "mediation" | "reintegration_support" | "member_harm" | "nil_return" => {
                at.is_board()
            }
            _ => false,
        };
        if never || self.is_silent(group, month) {
            return 0.0;
        }
        self.part(group, month) * at.activity * self.months[month].factor(record_type)
    }

    fn level_activity(&mut self) {
        let (seed, mut sum) = (self.seed, 0.0);
        for (nth, group) in self.groups.iter_mut().enumerate() {
            group.activity = Stream::of(seed, Kind::Activity, nth as u64).gamma_2();
        }
        for (group, month) in self.cells() {
            sum += self.part(group, month) * self.groups[group].activity;
        }
        let mean = sum / self.group_months();
        for group in &mut self.groups {
            group.activity /= mean;
        }
    }

    /// Rates are means over all group-months, the silent ones among them, and over all seasons.
    fn scale_of(&self, record_type: &str) -> f64 {
        let cells = self.cells();
        let sum: f64 = cells
            .map(|(group, month)| self.weight(group, month, record_type))
            .sum();
        let mut over = self.group_months();
        if record_type == "checkpoint" {
            let covid = |month: usize| self.months[month].is_covid();
            over = self
                .cells()
                .filter(|(_, month)| covid(*month))
                .map(|(group, month)| self.part(group, month))
                .sum();
        }
        if sum > 0.0 { over / sum } else { 0.0 }
    }

    /// The exact number of tips, each at a group-month by its weight; then the exact number of
    /// those of value.
    fn spread_tips(&mut self) {
        let (all, of_value) = self.profile.tips(self.group_months());
        let mut until = Vec::new();
        let mut sum = 0.0;
        for (group, month) in self.cells() {
            sum += self.weight(group, month, "tip");
            until.push(sum);
        }
        let mut counts = vec![0_u32; until.len()];
        let mut stream = Stream::of(self.seed, Kind::Tips, 0);
        for _ in 0..all {
            let drawn = stream.unit() * sum;
            let cell = until.partition_point(|until| *until <= drawn);
            counts[cell.min(until.len() - 1)] += 1;
        }
        self.tips_before = Vec::with_capacity(counts.len() + 1);
        let mut before = 0;
        for count in &counts {
            self.tips_before.push(before);
            before += count;
        }
        self.tips_before.push(before);
        self.tip_values = self.value_tips(&counts, all, of_value);
    }

    fn value_tips(&self, counts: &[u32], all: usize, of_value: usize) -> Vec<TipValue> {
        let mut stream = Stream::of(self.seed, Kind::Values, 0);
        let recent = self.months.len().saturating_sub(2);
        let is_recent: Vec<bool> = counts
            .iter()
            .enumerate()
            .flat_map(|(cell, count)| {
                let is_recent = cell % self.months.len() >= recent;
                std::iter::repeat_n(is_recent, *count as usize)
            })
            .collect();
        let others = (all - of_value) as f64;
        let recent_count = is_recent.iter().filter(|recent| **recent).count();
        let not_yet = ((others * NOT_YET_SHARE).round() as usize).min(recent_count);
        let mut waits = choose_exactly(&mut stream, recent_count, not_yet).into_iter();
        let mut values: Vec<TipValue> = is_recent
            .iter()
            .map(|recent| match *recent && waits.next() == Some(true) {
                true => TipValue::NotYet,
                false => TipValue::NotOfValue,
            })
            .collect();
        let mut settle = |count: usize, value: TipValue| {
            let open = values
                .iter()
                .filter(|known| **known == TipValue::NotOfValue)
                .count();
            let mut chosen = choose_exactly(&mut stream, open, count).into_iter();
            for known in values
                .iter_mut()
                .filter(|known| **known == TipValue::NotOfValue)
            {
                if chosen.next() == Some(true) {
                    *known = value;
                }
            }
        };
        settle(of_value, TipValue::OfValue);
        settle(
            (others * UNFOUNDED_SHARE).round() as usize,
            TipValue::Unfounded,
        );
        values
    }
}

fn found_groups(profile: Profile, seed: u64) -> Vec<Group> {
    let by_province = names::communes();
    let mut groups = Vec::new();
    let mut named: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (old_province, count) in profile.by_province() {
        let communes = by_province.get(old_province).map_or(&[][..], Vec::as_slice);
        let small: Vec<Commune> = communes
            .iter()
            .filter(|commune| {
                matches!(profile, Profile::Demo | Profile::Commune) && commune.name == SMALL_COMMUNE
            })
            .cloned()
            .collect();
        let communes = if small.is_empty() { communes } else { &small };
        let mut sizes = members_of(profile, seed, old_province, count).into_iter();
        for _ in 0..count {
            let mut stream = Stream::of(seed, Kind::Group, groups.len() as u64);
            let form = form_of(profile, &mut stream, groups.len());
            let commune = stream.pick(communes).clone();
            let first = stream.below(HAMLETS.len());
            let hamlets: Vec<Hamlet> = (0..stream.within(1, 3) as usize)
                .map(|nth| commune.hamlet(HAMLETS[(first + nth) % HAMLETS.len()]))
                .collect();
            let label = Vocabulary::builtin()
                .list("group_form")
                .and_then(|list| list.value_by_id(form))
                .map_or("", |value| value.vi.as_str());
            let mut name = format!("{label} ấp {}", hamlets[0].name);
            let again = named
                .entry((commune.code.clone(), name.clone()))
                .or_insert(0);
            *again += 1;
            if *again > 1 {
                name = format!("{name} số {again}");
            }
            let size = sizes.next().flatten().unwrap_or_else(|| {
                let drawn = stream.log_normal(9.0, 0.907).round() as usize;
                if form == "reintegration_club" {
                    stream.within(3, 5) as usize
                } else {
                    drawn.clamp(MEMBERS_MIN, MEMBERS_MAX)
                }
            });
            groups.push(Group {
                name,
                proper_name: names::proper_name(zipf(&mut stream, PROPER_NAMES)),
                model_kind: zipf(&mut stream, MODEL_KINDS) + 1,
                form,
                old_province,
                commune,
                hamlets,
                members: (1..=size)
                    .map(|n| member(&mut stream, form, n, size))
                    .collect(),
                phones: Vec::new(),
                founded: 0,
                first_part: 1.0,
                activity: 1.0,
            });
        }
    }
    groups
}

/// Sizes of statutory teams, two to six, which sum up to what the province counts.
fn members_of(profile: Profile, seed: u64, old: &str, count: usize) -> Vec<Option<usize>> {
    let wanted = CANTHO_TEAMS.iter().find(|(name, ..)| *name == old);
    let Some((_, _, wanted)) = wanted.filter(|_| profile == Profile::Cantho) else {
        return Vec::new();
    };
    let mut stream = Stream::of(seed, Kind::Founding, 1 + count as u64);
    let mut sizes: Vec<usize> = (0..count).map(|_| stream.within(2, 6) as usize).collect();
    let mut sum: usize = sizes.iter().sum();
    while sum != *wanted {
        let at = stream.below(count);
        if sum < *wanted && sizes[at] < 6 {
            sizes[at] += 1;
            sum += 1;
        } else if sum > *wanted && sizes[at] > 2 {
            sizes[at] -= 1;
            sum -= 1;
        }
    }
    sizes.into_iter().map(Some).collect()
}

fn form_of(profile: Profile, stream: &mut Stream, nth: usize) -> &'static str {
    match profile {
        Profile::Cantho => "bvantt_team",
        // six groups are too few to leave it to chance that one has a gate
        Profile::Demo | Profile::Commune if nth < 6 => [
            "self_mgmt_team",
            "gate_group",
            "club",
            "camera_light_model",
            "self_mgmt_team",
            "mediation_group",
        ][nth],
        Profile::Demo | Profile::Commune | Profile::Seed | Profile::Stress => {
            let mut shares: Vec<f64> = FORMS.iter().map(|(_, share)| *share).collect();
            shares.push(3.0);
            match FORMS.get(stream.weighted(&shares)) {
                Some((form, _)) => form,
                None => OTHER_FORMS[stream.below(OTHER_FORMS.len())],
            }
        }
    }
}

fn zipf(stream: &mut Stream, ranks: usize) -> usize {
    let powers: Vec<f64> = (1..=ranks)
        .map(|rank| super::stream::power(rank as f64, -1.1))
        .collect();
    stream.weighted(&powers)
}

fn member(stream: &mut Stream, form: &str, number: usize, size: usize) -> Member {
    let role = match (form, number) {
        ("reintegration_club", _) => "club_board",
        (_, 1) => "leader",
        (_, 2) => "deputy",
        // its mediators pull the lane; the others record as everywhere
        ("mediation_group", 3) if size > 3 => "mediation_head",
        ("mediation_group", 4) => "mediator",
        _ => "member",
    };
    Member {
        name: names::member_name(stream, number),
        role,
    }
}

/// The first ones exist on the first day; the others come at even steps.
fn date_foundings(profile: Profile, seed: u64, months: &[Month], groups: &mut [Group]) {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    Stream::of(seed, Kind::Founding, 0).shuffle(&mut order);
    let first = profile.founded_first();
    let later = groups.len() - first;
    let span: f64 = months.iter().map(|month| month.part).sum();
    for (nth, at) in order.into_iter().skip(first).enumerate() {
        let mut left = span * (nth as f64 + 0.5) / later as f64;
        for (month, row) in months.iter().enumerate() {
            if left < row.part {
                groups[at].founded = month;
                groups[at].first_part = row.part - left;
                break;
            }
            left -= row.part;
        }
    }
}

/// One, two or three phones a group, as many in all as the profile says.
fn give_phones(profile: Profile, seed: u64, groups: &mut [Group]) -> Vec<Phone> {
    let mut stream = Stream::of(seed, Kind::Phones, 0);
    let shares = [60.0, 30.0, 10.0];
    let mut counts: Vec<usize> = groups
        .iter()
        .map(|_| stream.weighted(&shares) + 1)
        .collect();
    let mut sum: usize = counts.iter().sum();
    while sum != profile.phones() {
        let at = stream.below(counts.len());
        if sum < profile.phones() && counts[at] < 3 {
            counts[at] += 1;
            sum += 1;
        } else if sum > profile.phones() && counts[at] > 1 {
            counts[at] -= 1;
            sum -= 1;
        }
    }
    let mut phones = Vec::new();
    for (group, (row, count)) in groups.iter_mut().zip(counts).enumerate() {
        for nth in 0..count {
            let mut stream = Stream::of(seed, Kind::Phone, phones.len() as u64);
            row.phones.push(phones.len());
            phones.push(Phone {
                group,
                owner: (nth % row.members.len()) as u16 + 1,
                shared: stream.happens(SHARED_PHONES),
            });
        }
    }
    phones
}
