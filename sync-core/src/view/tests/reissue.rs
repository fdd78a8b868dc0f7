//! What a re-issue carries, and what never comes into a closed lane.

use super::super::reissue::*;
use super::*;
use crate::vocabulary::TypeLane;

/// Sees to it that the links stand as the lanes ask, and gives new values and dropped ids.
fn reissued(
    record: &Record,
    from: Lane,
    to: (&str, Lane),
    why: &str,
) -> (BTreeMap<FieldKey, Value>, Vec<&'static str>) {
    let made = reissue(record, v(), from, type_number(to.0), to.1, reason(why)).unwrap();
    let withdrawn = BTreeMap::from([(WITHDRAWN, Value::Choice(reason(why)))]);
    assert_eq!(made.old_values, withdrawn);
    let mut new_values = made.new_values;
    let link = new_values.remove(&CORRECTS);
    let may_link = !from.is_closed() || to.1.is_closed();
    assert_eq!(link, may_link.then(|| Value::Links(vec![record.id()])));
    let dropped = made.dropped.iter();
    let dropped = dropped.map(|key| v().field(key.number).map_or("?", |field| &field.id));
    (new_values, dropped.collect())
}

#[test]
fn open_to_open_carries_the_envelope_and_what_means_the_same() {
    let area = Value::Area(AreaRef([7; 16]));
    let mut record = create(
        "patrol",
        &[
            (AREA, area.clone()),
            (OCCURRED, evening()),
            (key("patrol", "summary"), words("trực ở cầu")),
            (key("patrol", "members_present"), Value::Number(3)),
            (key("patrol", "mode"), chosen("patrol", "mode", "walk")),
            (
                key("patrol", "links.follows"),
                Value::Links(vec![RecordId([3; 16])]),
            ),
            (FieldKey::plain(900), Value::Number(1)),
        ],
    );
    edit(
        &mut record,
        at(2, 1),
        &[(key("patrol", "members_present"), Value::Number(4))],
    );
    let to = ("duty_shift", Lane::Open);
    let (new_values, dropped) = reissued(&record, Lane::Open, to, "wrong_type");
    let wanted = BTreeMap::from([
        (AREA, area),
        (OCCURRED, evening()),
        (key("duty_shift", "summary"), words("trực ở cầu")),
        (
            key("duty_shift", "links.follows"),
            Value::Links(vec![RecordId([3; 16])]),
        ),
        (key("duty_shift", "members_present"), Value::Number(4)),
    ]);
    assert_eq!(new_values, wanted);
    assert_eq!(dropped, ["mode", "?"]);
    let (new_values, dropped) =
        reissued(&record, Lane::Open, ("mobilised", Lane::Open), "mistaken");
    assert_eq!(
        new_values[&DAY],
        Value::Day(JULY_1),
        "the day in place of the times"
    );
    assert_eq!(dropped, ["occurred", "members_present", "mode", "?"]);
}

#[test]
fn open_to_protected_carries_the_readable_part_only() {
    let kind = key("incident", "kind");
    let violence = chosen("incident", "kind", "domestic_violence");
    let called = Value::Time(time(20, 0));
    let values = [
        (AREA, Value::Area(AreaRef([7; 16]))),
        (OCCURRED, evening()),
        (key("incident", "summary"), words("nhà số 5")),
        (key("incident", "called.at"), called.clone()),
        (kind, violence.clone()),
        (key("incident", "injured"), Value::Number(1)),
        (key("incident", "police_receipt_no"), words("AB12")),
        (
            key("incident", "how_known"),
            chosen("incident", "how_known", "phone"),
        ),
    ];
    let record = create("incident", &values);
    let to = ("incident", Lane::Protected);
    let (new_values, dropped) = reissued(&record, Lane::Open, to, "wrong_type");
    let wanted = BTreeMap::from([
        (DAY, Value::Day(JULY_1)),
        (key("incident", "called.at"), called),
        (kind, violence),
        (key("incident", "injured"), Value::Number(1)),
    ]);
    assert_eq!(new_values, wanted);
    assert_eq!(
        dropped,
        [
            "area_id",
            "occurred",
            "summary",
            "police_receipt_no",
            "how_known"
        ]
    );
    // a kind of the open lane is no kind of the protected one: asked again
    let mut record = create("incident", &values);
    edit(
        &mut record,
        at(2, 1),
        &[(kind, chosen("incident", "kind", "fight"))],
    );
    let (new_values, dropped) = reissued(&record, Lane::Open, to, "wrong_type");
    assert!(!new_values.contains_key(&kind) && dropped.contains(&"kind"));
}

#[test]
fn protected_to_open_leaves_no_link_in_the_open_record() {
    let record = create(
        "incident",
        &[
            (AREA, Value::Area(AreaRef([9; 16]))),
            (DAY, Value::Day(JULY_1)),
            (CORRECTS, Value::Links(vec![RecordId([4; 16])])),
            (
                key("incident", "kind"),
                chosen("incident", "kind", "lost_child"),
            ),
            (
                key("incident", "outcome"),
                chosen("incident", "outcome", "ongoing"),
            ),
        ],
    );
    let to = ("incident", Lane::Open);
    let (new_values, dropped) = reissued(&record, Lane::Protected, to, "wrong_type");
    let wanted = BTreeMap::from([
        (AREA, Value::Area(AreaRef([9; 16]))),
        (
            key("incident", "outcome"),
            chosen("incident", "outcome", "ongoing"),
        ),
    ]);
    assert_eq!(new_values, wanted, "and no link: `reissued` looked");
    assert_eq!(dropped, ["day", "kind"]);
    let new = RecordId([8; 16]);
    assert_eq!(corrected_by(new), (CORRECTED_BY, Value::Links(vec![new])));

    // between closed lanes the commune stays
    let to = ("mediation", Lane::Mediation);
    let (new_values, _) = reissued(&record, Lane::Protected, to, "wrong_type");
    let ids: Vec<_> = new_values.keys().copied().collect();
    assert_eq!(ids, [AREA, DAY]);
}

#[test]
fn numbers_of_one_group_mean_nothing_in_another() {
    let record = create(
        "handover",
        &[
            (OCCURRED, evening()),
            (key("handover", "to_member"), Value::Number(3)),
            (
                FieldKey {
                    item: 4,
                    ..key("handover", "equipment.qty")
                },
                Value::Number(2),
            ),
        ],
    );
    let to = ("handover", Lane::Open);
    let (new_values, dropped) = reissued(&record, Lane::Open, to, "wrong_group");
    let keys: Vec<_> = new_values
        .keys()
        .map(|key| (key.number, key.item))
        .collect();
    assert_eq!(keys, [(2, 0), (key("handover", "equipment.qty").number, 4)]);
    assert_eq!(dropped, ["to_member"]);
    let (_, dropped) = reissued(&record, Lane::Open, to, "mistaken");
    assert_eq!(dropped, [""; 0]);

    let record = create("patrol", &[(key("patrol", "route_id"), Value::Number(3))]);
    let to = ("patrol", Lane::Open);
    assert_eq!(
        reissued(&record, Lane::Open, to, "wrong_group").1,
        ["route_id"]
    );
    assert_eq!(reissued(&record, Lane::Open, to, "mistaken").1, [""; 0]);
}

#[test]
fn what_must_not_be_held_and_what_was_erased_is_not_copied() {
    let (summary, place) = (key("patrol", "summary"), key("patrol", "place_text"));
    let mut record = create(
        "patrol",
        &[
            (summary, words("tên người")),
            (place, words("cầu")),
            (OCCURRED, evening()),
        ],
    );
    let to = ("patrol", Lane::Open);
    let (new_values, dropped) = reissued(&record, Lane::Open, to, "must_not_hold");
    assert_eq!(new_values, BTreeMap::from([(OCCURRED, evening())]));
    assert_eq!(dropped, ["summary", "place_text"]);
    record.erase(at(1, 1), &[summary]);
    let (new_values, dropped) = reissued(&record, Lane::Open, to, "mistaken");
    assert_eq!(new_values.get(&place), Some(&words("cầu")));
    assert_eq!(dropped, ["summary"]);
}

/// Every lane in which records of a type may stand.
fn lanes_of(of_type: TypeLane) -> Vec<Lane> {
    match of_type {
        TypeLane::Fixed(lane) => vec![lane],
        TypeLane::ByKind => vec![Lane::Open, Lane::Protected],
    }
}

#[test]
fn nobodys_words_come_into_a_closed_lane() {
    let secret = words("ông Ba nhà số 5");
    let (mut tried, mut carried) = (0, 0);
    for from in v().record_types() {
        // words at every field, also where a count belongs; and the same with a value at each
        // field that a closed lane has no place for
        let all = |value: &Value| -> Vec<(FieldKey, Value)> {
            let fields = v().fields_of(from.number);
            let fields = fields.filter(|field| field.id != "withdrawn_reason");
            fields
                .map(|field| (FieldKey::plain(field.number), value.clone()))
                .collect()
        };
        for value in [
            secret.clone(),
            evening(),
            Value::Position(97_000, 1_056_000, 12),
            Value::Area(AreaRef([7; 16])),
            Value::Later(70, vec![1]),
        ] {
            let record = create(&from.id, &all(&value));
            for to in v().record_types() {
                for lane in lanes_of(to.lane) {
                    let made = reissue(
                        &record,
                        v(),
                        Lane::Open,
                        to.number,
                        lane,
                        reason("mistaken"),
                    );
                    let mut new_values = made.unwrap().new_values;
                    new_values.remove(&CORRECTS);
                    if lane.is_closed() {
                        new_values.remove(&DAY);
                        assert_eq!(new_values, BTreeMap::new(), "{} to {}", from.id, to.id);
                        tried += 1;
                    } else {
                        carried += new_values.len();
                    }
                    for key in new_values.keys() {
                        assert!(v().accepts(to.number, lane, key.number));
                    }
                }
            }
        }
    }
    assert!(tried > 0 && carried > 0, "positive control");
}

#[test]
fn what_cannot_be_reissued_is_refused() {
    let mut record = create("patrol", &[]);
    let patrol = type_number("patrol");
    let why = reason("mistaken");
    let try_to = |record: &Record, to_type: u16, lane: Lane, why: u16| {
        reissue(record, v(), Lane::Open, to_type, lane, why).unwrap_err()
    };
    assert_eq!(
        try_to(&record, 999, Lane::Open, why),
        ReissueError::UnknownType(999)
    );
    assert_eq!(
        try_to(&record, patrol, Lane::Tip, why),
        ReissueError::LaneDoesNotFit
    );
    let incident = type_number("incident");
    assert_eq!(
        try_to(&record, incident, Lane::Tip, why),
        ReissueError::LaneDoesNotFit
    );
    assert_eq!(
        try_to(&record, patrol, Lane::Open, 77),
        ReissueError::UnknownReason(77)
    );
    edit(&mut record, at(2, 1), &[(WITHDRAWN, Value::Choice(why))]);
    assert_eq!(open(&record).withdrawn, Some(why));
    assert_eq!(
        try_to(&record, patrol, Lane::Open, why),
        ReissueError::AlreadyWithdrawn
    );
}
