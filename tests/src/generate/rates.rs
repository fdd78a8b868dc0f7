//! How often each type occurs, and which of its values.

use super::stream::Stream;

/// Records by group and month, averaged over all group-months. Tips have their exact number;
/// `checkpoint` is averaged over the months of the epidemic only.
pub(super) const RATES: [(&str, f64); 22] = [
    ("patrol", 8.0),
    ("duty_shift", 1.2),
    ("handover", 0.8),
    ("tip", super::profile::TIPS_RATE),
    ("incident", 0.8),
    ("mediation", 0.28),
    ("outreach", 0.9),
    ("meeting", 1.0),
    ("household_visit", 1.5),
    ("fire_safety", 0.3),
    ("traffic_support", 0.8),
    ("event_guard", 0.15),
    ("checkpoint", 6.0),
    ("reintegration_support", 0.15),
    ("welfare", 0.15),
    ("facility_check", 1.0),
    ("rescue", 0.03),
    ("mobilised", 0.02),
    ("training", 0.05),
    ("nil_return", 1.2),
    ("suggestion", 0.2),
    ("member_harm", 0.003),
];

/// Shares of the categories of tips.
pub(super) const TIP_CATEGORIES: [(&str, f64); 19] = [
    ("theft", 20.0),
    ("fight_disorder", 14.0),
    ("gambling", 12.0),
    ("fraud_online", 9.0),
    ("traffic_race", 9.0),
    ("drugs", 8.0),
    ("dispute", 8.0),
    ("loan_shark", 4.0),
    ("domestic_violence", 3.0),
    ("illegal_fishing", 3.0),
    ("fire_hazard", 3.0),
    ("weapons_fireworks", 2.0),
    ("environment", 2.0),
    ("smuggling", 1.0),
    ("child_abuse", 0.5),
    ("trafficking", 0.3),
    ("missing_person", 0.2),
    ("sand_mining", 0.2),
    ("other", 0.8),
];
/// Online fraud in each year from 2018 on; its mean over the seed is the share above.
const FRAUD_BY_YEAR: [f64; 7] = [1.0, 3.5, 6.0, 8.5, 11.0, 13.5, 16.0];
const FRAUD_LATER: f64 = 16.0;
/// In January, and in the other months so that the year keeps its share.
const FIREWORKS_JANUARY: f64 = 6.0;
/// A January has 1.2 twelfths of the tips.
const JANUARY_SHARE: f64 = 1.2 / 12.4;

/// A category of a tip in a month. What the share of one category moves in a year, the others
/// share among them, so that each keeps its own share over all.
pub(super) fn tip_category(stream: &mut Stream, year: i32, month: u32) -> &'static str {
    let by_year = usize::try_from(year - 2018).ok();
    let fraud = by_year.and_then(|nth| FRAUD_BY_YEAR.get(nth)).copied();
    let mean = 1.0 + (FIREWORKS_JANUARY - 1.0) * JANUARY_SHARE;
    let january = if month == 1 { FIREWORKS_JANUARY } else { 1.0 };
    let moved = [
        ("fraud_online", fraud.unwrap_or(FRAUD_LATER)),
        ("weapons_fireworks", 2.0 * january / mean),
    ];
    let share = |id: &str| {
        moved
            .iter()
            .find(|(moved, _)| *moved == id)
            .map(|(_, share)| *share)
    };
    let taken: f64 = moved.iter().map(|(_, share)| share).sum();
    let rest: f64 = TIP_CATEGORIES
        .iter()
        .filter(|(id, _)| share(id).is_none())
        .map(|(_, share)| share)
        .sum();
    let weights: Vec<f64> = TIP_CATEGORIES
        .iter()
        .map(|(id, usual)| share(id).unwrap_or(usual * (100.0 - taken) / rest))
        .collect();
    TIP_CATEGORIES[stream.weighted(&weights)].0
}

/// Kinds of incidents: those of the protected lane by their shares, the others by what a village
/// sees.
pub(super) const INCIDENT_KINDS: [(&str, f64); 23] = [
    ("domestic_violence", 8.0),
    ("lost_child", 3.0),
    ("missing_person", 1.0),
    ("self_harm", 1.0),
    ("child_abuse", 0.5),
    ("theft", 18.0),
    ("robbery_snatching", 1.5),
    ("fight", 11.0),
    ("disorder", 12.0),
    ("traffic_accident_road", 14.0),
    ("traffic_accident_water", 2.0),
    ("fire", 4.0),
    ("explosion", 0.2),
    ("drowning", 1.5),
    ("storm_damage", 4.0),
    ("flood", 3.0),
    ("electric_shock", 1.0),
    ("lost_property", 5.0),
    ("animal", 4.0),
    ("unknown_death", 0.2),
    ("unexploded_ordnance", 0.3),
    ("bank_erosion", 2.0),
    ("other", 2.8),
];

/// Other single choices with their shares: field (with its type where two have the same), values.
pub(super) const CHOICES: [(&str, &[(&str, f64)]); 18] = [
    (
        "event",
        &[
            ("festival", 35.0),
            ("funeral", 25.0),
            ("sport", 15.0),
            ("boat_race", 10.0),
            ("election", 5.0),
            ("other", 10.0),
        ],
    ),
    (
        "result",
        &[
            ("success", 80.0),
            ("fail", 12.0),
            ("ongoing", 4.0),
            ("partial", 2.0),
            ("referred", 2.0),
        ],
    ),
    (
        "mediation.mode",
        &[("conducted", 70.0), ("supported", 30.0)],
    ),
    (
        "scope",
        &[
            ("neighbour", 30.0),
            ("land_boundary", 20.0),
            ("inheritance_family_property", 8.0),
            ("debt_hui", 12.0),
            ("marriage_family", 12.0),
            ("small_damage", 7.0),
            ("water_field", 5.0),
            ("boat_mooring", 2.0),
            ("reputation", 3.0),
            ("other", 1.0),
        ],
    ),
    (
        "incident.outcome",
        &[
            ("handed_to_police", 40.0),
            ("settled_on_site", 35.0),
            ("handed_to_health", 8.0),
            ("handed_to_other", 3.0),
            ("ongoing", 6.0),
            ("none", 8.0),
        ],
    ),
    (
        "how_known",
        &[
            ("patrol", 30.0),
            ("resident", 35.0),
            ("phone", 15.0),
            ("camera", 5.0),
            ("alarm", 3.0),
            ("present", 10.0),
            ("other", 2.0),
        ],
    ),
    (
        "channel",
        &[
            ("meeting", 20.0),
            ("loudspeaker", 30.0),
            ("household", 20.0),
            ("leaflet", 8.0),
            ("school", 7.0),
            ("online_group", 5.0),
            ("community_hall", 7.0),
            ("market", 3.0),
        ],
    ),
    (
        "meeting.kind",
        &[
            ("periodic", 70.0),
            ("extraordinary", 10.0),
            ("residents", 15.0),
            ("listening", 5.0),
        ],
    ),
    (
        "fire_safety.kind",
        &[
            ("household", 50.0),
            ("shop", 20.0),
            ("boarding_house", 12.0),
            ("school", 6.0),
            ("market", 7.0),
            ("boat", 5.0),
        ],
    ),
    (
        "reason",
        &[
            ("school", 45.0),
            ("market", 20.0),
            ("ferry", 10.0),
            ("event", 12.0),
            ("accident", 8.0),
            ("flood", 5.0),
        ],
    ),
    (
        "welfare.kind",
        &[
            ("gifts", 40.0),
            ("house_repair", 12.0),
            ("bridge_road", 15.0),
            ("cleanup", 20.0),
            ("scholarship", 8.0),
            ("rescue_goods", 5.0),
        ],
    ),
    (
        "action",
        &[
            ("open", 20.0),
            ("close", 25.0),
            ("check", 40.0),
            ("repair", 8.0),
            ("drill", 7.0),
        ],
    ),
    (
        "condition",
        &[
            ("ok", 82.0),
            ("weak", 10.0),
            ("broken", 6.0),
            ("missing", 2.0),
        ],
    ),
    (
        "rescue.kind",
        &[
            ("drowning", 35.0),
            ("storm", 25.0),
            ("collapse", 8.0),
            ("flood", 15.0),
            ("fire", 12.0),
            ("other", 5.0),
        ],
    ),
    (
        "by_whom",
        &[("commune", 75.0), ("province", 15.0), ("other", 10.0)],
    ),
    ("span", &[("day", 25.0), ("week", 75.0)]),
    (
        "time_quality",
        &[("exact", 75.0), ("about", 22.0), ("unknown", 3.0)],
    ),
    (
        "severity",
        &[("minor", 70.0), ("notable", 24.0), ("serious", 6.0)],
    ),
];

/// The shares of a field of a type; `None`: all values alike.
pub(super) fn shares(record_type: &str, field: &str) -> Option<&'static [(&'static str, f64)]> {
    let full = format!("{record_type}.{field}");
    CHOICES
        .iter()
        .find(|(id, _)| *id == full || *id == field)
        .map(|(_, shares)| *shares)
}
