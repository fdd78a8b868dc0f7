//! The generator's checks of itself: what comes out, compared with what is asked for.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::policy::value_fault;
use sync_core::value::Value;
use sync_core::vocabulary::{Lane, Rules, UNITS_CSV, UnitTable, Vocabulary};

use super::rates::{INCIDENT_KINDS, RATES, TIP_CATEGORIES};
use super::{Fate, Planned, Profile, TipValue, World, commendations, json, names};

/// Counts of types and shares may be off by this part, and rare types by twice as much.
const OFF_MAX: f64 = 0.05;
const RARE_OFF_MAX: f64 = 0.10;
const RARE_BELOW: f64 = 5_000.0;

/// What was counted over a whole profile.
#[derive(Debug, Default)]
pub struct Counted {
    /// Records by type, the duplicates apart.
    pub types: BTreeMap<String, u64>,
    /// By name: how many of how many.
    shares: BTreeMap<String, (u64, u64)>,
    /// Faults of single records; the first hundred.
    pub faults: Vec<String>,
    /// All records.
    pub records: u64,
}

const FAULTS_MAX: usize = 100;

/// From the save to a network: buckets by their upper ends, in seconds.
const DELAYS: [(&str, i64); 5] = [
    ("delay under 5 min", 300),
    ("delay under 12 h", 43_200),
    ("delay 12 to 72 h", 259_200),
    ("delay 3 to 14 days", 1_209_600),
    ("delay 14 to 120 days", i64::MAX),
];
/// Shares that are wanted, of 1 % and more.
const WANTED: [(&str, f64); 9] = [
    ("delay under 5 min", 0.55),
    ("delay under 12 h", 0.27),
    ("delay 12 to 72 h", 0.13),
    ("delay 3 to 14 days", 0.04),
    ("delay 14 to 120 days", 0.01),
    ("resent", 0.015),
    ("duplicates", 0.012),
    ("returned", 0.04),
    ("corrected of returned", 0.80),
];

impl Counted {
    fn share(&mut self, name: &str, of: bool) {
        let (part, whole) = self.shares.entry(name.to_owned()).or_default();
        *part += u64::from(of);
        *whole += 1;
    }

    fn fault(&mut self, what: String) {
        if self.faults.len() < FAULTS_MAX {
            self.faults.push(what);
        }
    }

    /// Counts a month.
    pub fn take(&mut self, world: &World, month: &[Planned]) {
        let vocabulary = Vocabulary::builtin();
        for planned in month {
            self.records += 1;
            let row = vocabulary.record_type(planned.record_type);
            let id = row.map_or("", |row| row.id.as_str());
            self.share("duplicates", planned.duplicates);
            if planned.duplicates {
                continue;
            }
            *self.types.entry(id.to_owned()).or_default() += 1;
            self.shares_of(id, planned);
            self.look(world, id, planned);
        }
    }

    fn shares_of(&mut self, id: &str, planned: &Planned) {
        let delay = planned.arrives_s - planned.recorded_s;
        let bucket = DELAYS.iter().position(|(_, until)| delay < *until);
        for (nth, (name, _)) in DELAYS.iter().enumerate() {
            self.share(name, Some(nth) == bucket);
        }
        self.share("resent", planned.resent);
        let returned = matches!(planned.fate, Fate::Returned { .. });
        self.share("returned", returned);
        if let Fate::Returned { corrected, .. } = &planned.fate {
            self.share("corrected of returned", corrected.is_some());
        }
        let list = match id {
            "tip" => "category",
            "incident" => "kind",
            _ => return,
        };
        let vocabulary = Vocabulary::builtin();
        let field = vocabulary.field_by_id(planned.record_type, list);
        let value = field.and_then(|field| {
            let key = sync_core::value::FieldKey::plain(field.number);
            let Some(Value::Choice(choice)) = planned.values.get(&key) else {
                return None;
            };
            let list = vocabulary.list_of(field.number)?;
            Some(list.value(*choice)?.id.clone())
        });
        let of_tips: &[(&str, f64)] = if id == "tip" {
            &TIP_CATEGORIES
        } else {
            &INCIDENT_KINDS
        };
        // a category that nobody filled in is of no share
        if let Some(value) = value {
            for (known, _) in of_tips {
                self.share(&format!("{id} {known}"), *known == value);
            }
        }
    }

    /// Whether one record may be what it is.
    fn look(&mut self, world: &World, id: &str, planned: &Planned) {
        let vocabulary = Vocabulary::builtin();
        let group = &world.groups[planned.group];
        let writer = group
            .members
            .get(usize::from(planned.member).saturating_sub(1));
        let role = writer.and_then(|writer| vocabulary.role_by_id(writer.role));
        if !role.is_some_and(|role| vocabulary.may_write(role.number, planned.lane)) {
            let lane = planned.lane.id();
            self.fault(format!("{id}: whoever wrote it does not write in {lane}"));
        }
        for (key, value) in &planned.values {
            let number = key.number;
            let name = vocabulary
                .field(number)
                .map_or("", |field| field.id.as_str());
            if !vocabulary.accepts(planned.record_type, planned.lane, number) {
                self.fault(format!(
                    "{id}: {name} has no place in {}",
                    planned.lane.id()
                ));
            }
            if let Some(fault) = value_fault(vocabulary, number, value) {
                self.fault(format!("{id}: {name}: {fault}"));
            }
            let closed = planned.lane != Lane::Open;
            let speaks = match value {
                Value::Text(_) | Value::Position(..) | Value::Interval(..) => true,
                Value::Time(_) => name != "called.at",
                Value::YesNo(_)
                | Value::Number(_)
                | Value::Choice(_)
                | Value::Choices(_)
                | Value::Day(_)
                | Value::Area(_)
                | Value::Links(_)
                | Value::Later(..) => false,
            };
            if closed && speaks {
                self.fault(format!("{id}: {name} says more than a closed lane may"));
            }
            if let Value::Area(area) = value {
                let known = if closed {
                    *area == group.commune.area
                } else {
                    group.hamlets.iter().any(|hamlet| hamlet.area == *area)
                };
                if !known {
                    self.fault(format!("{id}: its area is none of its group's"));
                }
            }
        }
    }

    /// How far shares are from what they should be; only those of 1 % and more, and only where
    /// there are enough for it to mean something.
    fn compare(&self, faults: &mut Vec<String>) {
        let usual = TIP_CATEGORIES
            .iter()
            .map(|(id, share)| (format!("tip {id}"), share / 100.0));
        let kinds = INCIDENT_KINDS.iter();
        let kinds = kinds.map(|(id, share)| (format!("incident {id}"), share / 100.0));
        let other = WANTED.iter().map(|(id, share)| ((*id).to_owned(), *share));
        for (name, wanted) in usual.chain(kinds).chain(other) {
            let (part, whole) = self.shares.get(&name).copied().unwrap_or_default();
            let found = part as f64 / (whole.max(1)) as f64;
            // four deviations of a draw of so few are no fault of the generator
            let noise = 4.0 * (wanted * (1.0 - wanted) / whole.max(1) as f64).sqrt();
            let most = (wanted * OFF_MAX).max(noise.min(wanted * RARE_OFF_MAX));
            if wanted >= 0.01 && (found - wanted).abs() > most {
                faults.push(format!(
                    "{name}: {:.2} % in place of {:.2}",
                    found * 100.0,
                    wanted * 100.0
                ));
            }
        }
    }
}

/// Checks a world without its records: groups, names, areas, dossiers.
#[must_use]
pub fn founding(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            faults.push(what.to_owned());
        }
    };
    let profile = world.profile;
    expect(
        world.groups.len() == profile.groups(),
        "the number of groups",
    );
    expect(
        world.phones.len() == profile.phones(),
        "the number of phones",
    );
    let (all, collective) = profile.commendations();
    let dossiers = commendations(world);
    expect(dossiers.len() == all, "the number of dossiers");
    let for_groups = dossiers.iter().filter(|row| row.collective).count();
    expect(
        for_groups == collective,
        "the number of collective dossiers",
    );
    let units = UnitTable::parse("units.csv", UNITS_CSV).ok();
    let lint = Rules::builtin();
    let mut named = BTreeSet::new();
    for group in &world.groups {
        let known = units
            .as_ref()
            .and_then(|units| units.commune(&group.commune.code));
        expect(known.is_some(), "a commune is none of the units");
        let invented = |hamlet: &super::Hamlet| names::HAMLETS.contains(&hamlet.name.as_str());
        expect(
            group.hamlets.iter().all(invented),
            "a hamlet is not invented",
        );
        let sample = |member: &super::Member| member.name.contains(" Mẫu ");
        expect(
            group.members.iter().all(sample),
            "a member has a name of somebody",
        );
        expect(
            named.insert((&group.commune.code, &group.name)),
            "two groups have one name",
        );
        expect(
            lint.refusal(&group.name).is_none(),
            "the lint refuses a group's name",
        );
        expect(
            lint.refusal(&group.proper_name).is_none(),
            "the lint refuses a model's name",
        );
    }
    faults
}

/// Runs over all months and gives what does not hold.
#[must_use]
pub fn whole(world: &World, mut told: impl FnMut(usize)) -> (Counted, Vec<String>) {
    let mut counted = Counted::default();
    for month in 0..world.months_count() {
        counted.take(world, &world.month(month));
        told(month + 1);
    }
    let mut faults = founding(world);
    faults.extend(counted.faults.iter().cloned());
    let group_months = world.group_months();
    let (tips, of_value) = world.profile.tips(group_months);
    let count = |id: &str| counted.types.get(id).copied().unwrap_or(0);
    if count("tip") != tips as u64 {
        faults.push(format!("{} tips in place of {tips}", count("tip")));
    }
    let valued = world
        .tip_values
        .iter()
        .filter(|value| **value == TipValue::OfValue)
        .count();
    if valued != of_value {
        faults.push(format!("{valued} tips are of value in place of {of_value}"));
    }
    if matches!(
        world.profile,
        Profile::Seed | Profile::Stress | Profile::Cantho
    ) {
        types(&counted, group_months, &mut faults);
    }
    if matches!(world.profile, Profile::Seed | Profile::Stress) {
        counted.compare(&mut faults);
    }
    (counted, faults)
}

fn types(counted: &Counted, group_months: f64, faults: &mut Vec<String>) {
    // checkpoints belong to one year, and facilities to two forms that teams do not have
    let apart = ["tip", "checkpoint", "facility_check"];
    for (id, rate) in RATES.iter().filter(|(id, _)| !apart.contains(id)) {
        let wanted = rate * group_months;
        let found = counted.types.get(*id).copied().unwrap_or(0) as f64;
        let most = if wanted < RARE_BELOW {
            RARE_OFF_MAX
        } else {
            OFF_MAX
        };
        if (found / wanted - 1.0).abs() > most && wanted > 1_000.0 {
            faults.push(format!("{found} of type {id} in place of {wanted:.0}"));
        }
    }
}

/// A line of counts for people: types with their numbers.
#[must_use]
pub fn lines(counted: &Counted) -> String {
    let rows = counted
        .types
        .iter()
        .map(|(id, count)| format!("{id:<22} {count:>9}\n"));
    let sum = counted.types.values().sum::<u64>();
    let twins = counted.records - sum;
    rows.collect::<String>()
        + &format!(
            "{:<22} {sum:>9}\nduplicates beside      {twins:>9}\n",
            "sum"
        )
}

/// What the police make of tips, by count.
#[must_use]
pub fn tip_values(world: &World) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for value in &world.tip_values {
        *counts.entry(json::tip_value(*value)).or_default() += 1;
    }
    counts
}
