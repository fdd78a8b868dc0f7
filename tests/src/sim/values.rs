//! What people write: records of every lane, with what each lane takes.

use std::collections::BTreeMap;

use sync_core::hub::facts::Group;
use sync_core::value::{FieldKey, Value, WallTime};
use sync_core::vocabulary::Lane;

use crate::sim::Dice;

const PATROL: u16 = 1;
const TIP: u16 = 4;
const INCIDENT: u16 = 5;
const MEDIATION: u16 = 6;
const MEMBER_HARM: u16 = 22;

const AREA: FieldKey = FieldKey::plain(1);
const OCCURRED: FieldKey = FieldKey::plain(2);
const DAY: FieldKey = FieldKey::plain(3);
const SUMMARY: FieldKey = FieldKey::plain(5);
const WITHDRAWN: FieldKey = FieldKey::plain(23);
const PRESENT: FieldKey = FieldKey::plain(24);
const TIP_CATEGORY: FieldKey = FieldKey::plain(44);
const INCIDENT_KIND: FieldKey = FieldKey::plain(50);
const INCIDENT_OUTCOME: FieldKey = FieldKey::plain(51);
const MEDIATION_MODE: FieldKey = FieldKey::plain(63);
const MEDIATION_SCOPE: FieldKey = FieldKey::plain(64);
const MEDIATION_RESULT: FieldKey = FieldKey::plain(65);

/// A kind of incident that stands in the open lane.
const THEFT: u16 = 1;
/// A kind of incident that needs protection.
const DOMESTIC_VIOLENCE: u16 = 5;

pub(super) type Values = BTreeMap<FieldKey, Value>;

/// Type and values of a new record in a group that stands there.
pub(super) fn creation_of(dice: &mut Dice, now_s: i64, place: Option<&Group>) -> (u16, Values) {
    let drawn = dice.below(100);
    let (record_type, kind, lane) = match drawn {
        0..=54 => (PATROL, None, Lane::Open),
        55..=69 => (TIP, None, Lane::Tip),
        70..=81 => (MEDIATION, None, Lane::Mediation),
        82..=88 => (INCIDENT, Some(THEFT), Lane::Open),
        89..=94 => (INCIDENT, Some(DOMESTIC_VIOLENCE), Lane::Protected),
        _ => (MEMBER_HARM, None, Lane::Protected),
    };
    let mut values = Values::new();
    if let Some(kind) = kind {
        values.insert(INCIDENT_KIND, Value::Choice(kind));
    }
    let closed = lane.is_closed();
    if let Some(place) = place.filter(|_| dice.chance(60)) {
        let area = if closed { place.commune } else { place.area };
        values.insert(AREA, Value::Area(area));
    }
    let minutes = minutes_of(now_s);
    if closed {
        values.insert(DAY, Value::Day(minutes / 1_440));
    } else {
        let offset = 420;
        values.insert(
            OCCURRED,
            Value::Interval(WallTime { minutes, offset }, None),
        );
        values.insert(SUMMARY, words(dice));
    }
    if record_type == MEDIATION {
        values.insert(MEDIATION_MODE, choice(dice, 2));
        values.insert(MEDIATION_SCOPE, choice(dice, 10));
    }
    if record_type != MEMBER_HARM {
        values.extend([told(dice, record_type)]);
    }
    (record_type, values)
}

/// Values of an edit of a record.
pub(super) fn edit_of(dice: &mut Dice, now_s: i64, record_type: u16, lane: Lane) -> Values {
    let mut values = Values::new();
    if record_type == MEMBER_HARM {
        values.insert(DAY, Value::Day(minutes_of(now_s) / 1_440));
    } else {
        values.extend([told(dice, record_type)]);
    }
    if lane == Lane::Open && dice.chance(50) {
        values.insert(SUMMARY, words(dice));
    }
    if dice.chance(5) {
        values.insert(WITHDRAWN, Value::Choice(4));
    }
    values
}

/// What a record of this type says in any case.
fn told(dice: &mut Dice, record_type: u16) -> (FieldKey, Value) {
    match record_type {
        TIP => (TIP_CATEGORY, choice(dice, 9)),
        INCIDENT => (INCIDENT_OUTCOME, choice(dice, 6)),
        MEDIATION => (MEDIATION_RESULT, choice(dice, 5)),
        _ => {
            let count = u64::try_from(dice.below(20)).unwrap_or(0);
            (PRESENT, Value::Number(count))
        }
    }
}

fn choice(dice: &mut Dice, of: usize) -> Value {
    Value::Choice(u16::try_from(1 + dice.below(of)).unwrap_or(1))
}

fn words(dice: &mut Dice) -> Value {
    Value::Text(format!("Tuần tra ấp {}, không có gì lạ", dice.below(900)))
}

fn minutes_of(now_s: i64) -> i32 {
    i32::try_from(now_s / 60).unwrap_or(0) + 420
}
