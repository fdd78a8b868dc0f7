use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::*;

fn vocabulary() -> &'static Vocabulary {
    Vocabulary::builtin()
}

fn type_number(id: &str) -> u16 {
    vocabulary().record_type_by_id(id).unwrap().number
}

fn field_number(type_id: &str, field_id: &str) -> u16 {
    vocabulary()
        .field_by_id(type_number(type_id), field_id)
        .unwrap()
        .number
}

fn role(id: &str) -> u16 {
    vocabulary().role_by_id(id).unwrap().number
}

/// The built-in files with one replaced.
fn with_file(file: &str, content: &str) -> Vec<String> {
    let mut files = BUILTIN_FILES;
    for (name, text) in &mut files {
        if *name == file {
            *text = Box::leak(content.to_owned().into_boxed_str());
        }
    }
    let faults = Vocabulary::load(&files).err().unwrap_or_default();
    faults.iter().map(ToString::to_string).collect()
}

fn builtin_file(file: &str) -> &'static str {
    BUILTIN_FILES
        .iter()
        .find(|(name, _)| *name == file)
        .unwrap()
        .1
}

#[test]
fn the_builtin_vocabulary_has_no_fault() {
    let loaded = Vocabulary::load(&BUILTIN_FILES).map_err(|faults| {
        faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    });
    assert_eq!(
        loaded.as_ref(),
        Ok(vocabulary()),
        "{}",
        loaded.as_ref().unwrap_err()
    );
    assert_eq!(vocabulary().version(), 1);
    assert_eq!(vocabulary().record_types().count(), 22);
    assert_eq!(vocabulary().states().count(), 17);
    assert_eq!(vocabulary().roles().count(), 19);
    assert_eq!(vocabulary().stop_signs().len(), 2);
    assert!(!format!("{:?}", vocabulary().fields().collect::<Vec<_>>()).contains("\"lang"));
}

/// Every number with what it means, one a line. What was signed under a number must never come
/// to mean something else: a new value takes a new number, and the old lines stay.
fn frozen_numbers() -> String {
    let v = vocabulary();
    let mut lines = String::new();
    let mut line = |table: &str, number: u16, meaning: &str| {
        writeln!(lines, "{table} {number} {meaning}").unwrap();
    };
    for lane in Lane::ALL {
        line("lane", u16::from(lane.number()), lane.id());
    }
    for row in v.record_types() {
        line("type", row.number, &row.id);
    }
    for row in v.fields() {
        let owner = row.record_type.and_then(|number| v.record_type(number));
        let owner = owner.map_or("envelope", |owner| owner.id.as_str());
        line(
            "field",
            row.number,
            &format!("{owner} {} {:?}", row.id, row.kind),
        );
    }
    for list in v.lists() {
        for value in &list.values {
            line(&format!("list {}", list.id), value.number, &value.id);
        }
    }
    for row in v.roles() {
        line("role", row.number, &row.id);
    }
    for row in v.states() {
        line("state", row.number, &row.id);
    }
    for row in &v.reasons {
        line(&format!("reason {:?}", row.used_for), row.number, &row.id);
    }
    for row in v.stop_signs() {
        line("stop sign", row.number, &row.id);
    }
    lines
}

#[test]
fn numbers_are_promises() {
    let hex = Sha256::digest(frozen_numbers())
        .iter()
        .fold(String::new(), |mut hex, byte| {
            write!(hex, "{byte:02x}").unwrap();
            hex
        });
    assert_eq!(
        hex, FROZEN,
        "a number of version 1 changed its meaning, or one was added"
    );
}
const FROZEN: &str = "839e9e772714fbad03c40901db37fdfe1e1e49f3ee1ac43e6e4ea8795b46a393";

#[test]
fn numbers_are_dense() {
    let v = vocabulary();
    let dense = |numbers: Vec<u16>| {
        numbers
            .iter()
            .copied()
            .eq(1..=u16::try_from(numbers.len()).unwrap())
    };
    assert!(dense(v.fields().map(|row| row.number).collect()));
    assert!(dense(v.record_types().map(|row| row.number).collect()));
    assert!(dense(v.roles().map(|row| row.number).collect()));
    assert!(dense(v.states().map(|row| row.number).collect()));
    for list in v.lists() {
        assert!(
            dense(list.values.iter().map(|value| value.number).collect()),
            "{}",
            list.id
        );
    }
}

#[test]
fn lanes_follow_from_type_and_kind() {
    let v = vocabulary();
    let lane = |id, kind| v.lane_of(type_number(id), kind);
    assert_eq!(lane("patrol", None), Some(Lane::Open));
    assert_eq!(lane("tip", None), Some(Lane::Tip));
    assert_eq!(lane("mediation", None), Some(Lane::Mediation));
    assert_eq!(lane("member_harm", None), Some(Lane::Protected));
    assert_eq!(lane("reintegration_support", None), Some(Lane::Protected));
    assert_eq!(lane("incident", None), None, "the kind is asked first");
    let kinds = v.list("incident_kind").unwrap();
    let protected: Vec<&str> = kinds
        .values
        .iter()
        .filter(|kind| lane("incident", Some(kind.number)) == Some(Lane::Protected))
        .map(|kind| kind.id.as_str())
        .collect();
    let marked = [
        "domestic_violence",
        "child_abuse",
        "lost_child",
        "missing_person",
        "self_harm",
    ];
    assert_eq!(protected, marked);
    let calls: Vec<&str> = kinds
        .values
        .iter()
        .filter(|kind| kind.call)
        .map(|kind| kind.id.as_str())
        .collect();
    assert_eq!(calls, ["unknown_death", "unexploded_ordnance"]);
    assert_eq!(v.lane_of(99, None), None);
}

#[test]
fn sealed_fields_and_photos_accept_nothing() {
    let v = vocabulary();
    let mut sealed: Vec<&str> = v
        .fields()
        .filter(|f| f.kind == ValueKind::Sealed)
        .map(|f| f.id.as_str())
        .collect();
    sealed.sort_unstable();
    sealed.dedup();
    let six = [
        "sealed.agreement",
        "sealed.contact",
        "sealed.content",
        "sealed.kind",
    ];
    assert_eq!(
        sealed,
        [six.as_slice(), &["sealed.parties", "sealed.text"]].concat()
    );
    for field in v.fields().filter(|field| field.state != FieldState::Active) {
        for record_type in v.record_types() {
            for lane in Lane::ALL {
                assert!(
                    !v.accepts(record_type.number, lane, field.number),
                    "{}",
                    field.id
                );
            }
        }
    }
}

#[test]
fn a_closed_lane_has_no_words_and_no_exact_place() {
    let v = vocabulary();
    let readable = |type_id, lane| -> Vec<&str> {
        let number = type_number(type_id);
        let fields = v
            .fields_in(number, lane)
            .filter(|f| v.accepts(number, lane, f.number));
        fields.map(|field| field.id.as_str()).collect()
    };
    let envelope = [
        "area_id",
        "day",
        "called.whom",
        "called.at",
        "links.corrects",
        "links.corrected_by",
        "withdrawn_reason",
    ];
    let with = |own: &[&'static str]| [own, envelope.as_slice()].concat();
    let tip = ["category", "police_receipt_no", "valued", "outcome"];
    assert_eq!(readable("tip", Lane::Tip), with(&tip));
    let incident = ["kind", "outcome", "injured", "dead", "police_receipt_no"];
    assert_eq!(readable("incident", Lane::Protected), with(&incident));
    assert_eq!(
        readable("mediation", Lane::Mediation),
        with(&["mode", "scope", "result"])
    );
    let reintegration = ["help_kind", "persons_helped"];
    assert_eq!(
        readable("reintegration_support", Lane::Protected),
        with(&reintegration)
    );
    assert_eq!(readable("member_harm", Lane::Protected), with(&[]));
}

#[test]
fn readable_in_closed_lane_answers_for_kind_and_field() {
    let v = vocabulary();
    let incident = type_number("incident");
    let value = |id| {
        v.list("incident_kind")
            .unwrap()
            .value_by_id(id)
            .map(|value| value.number)
    };
    let outcome = field_number("incident", "outcome");
    assert!(v.readable_in_closed_lane(incident, value("lost_child"), outcome));
    assert!(
        !v.readable_in_closed_lane(incident, value("theft"), outcome),
        "it is open"
    );
    let summary = field_number("incident", "summary");
    assert!(!v.readable_in_closed_lane(incident, value("lost_child"), summary));
    let foreign = field_number("tip", "category");
    assert!(!v.readable_in_closed_lane(incident, value("lost_child"), foreign));
}

#[test]
fn fields_stay_in_their_type_and_lane() {
    let v = vocabulary();
    let accepts =
        |type_id, lane, owner, id| v.accepts(type_number(type_id), lane, field_number(owner, id));
    assert!(accepts("patrol", Lane::Open, "patrol", "findings"));
    assert!(!accepts("patrol", Lane::Open, "welfare", "kind"));
    assert!(
        !accepts("mobilised", Lane::Open, "patrol", "occurred"),
        "by day only"
    );
    assert!(accepts("mobilised", Lane::Open, "mobilised", "day"));
    assert!(
        !accepts("patrol", Lane::Open, "mobilised", "day"),
        "patrols have times"
    );
    assert!(!accepts(
        "incident",
        Lane::Protected,
        "incident",
        "how_known"
    ));
    assert!(!accepts("tip", Lane::Tip, "patrol", "geo"));
    assert!(
        !accepts("patrol", Lane::Open, "patrol", "duration"),
        "derived"
    );
    assert!(!v.accepts(999, Lane::Open, 1));
}

fn missing(type_id: &str, lane: Lane, present: &[Present]) -> Vec<&'static str> {
    let numbers = vocabulary().required_missing(type_number(type_id), lane, present);
    numbers
        .iter()
        .map(|number| vocabulary().field(*number).unwrap().id.as_str())
        .collect()
}

fn present(type_id: &str, field_id: &str, value: Option<&str>) -> Present {
    let field = field_number(type_id, field_id);
    let list = vocabulary().list_of(field);
    let choice = value.map(|id| list.unwrap().value_by_id(id).unwrap().number);
    Present { field, choice }
}

#[test]
fn missing_is_what_is_asked_for_here() {
    assert_eq!(
        missing("patrol", Lane::Open, &[]),
        ["area_id", "occurred", "members_present", "mode", "findings"]
    );
    assert_eq!(
        missing("nil_return", Lane::Open, &[]),
        ["area_id", "occurred", "span"]
    );
    assert_eq!(
        missing("tip", Lane::Tip, &[]),
        ["area_id", "day", "category"]
    );
    assert_eq!(
        missing("member_harm", Lane::Protected, &[]),
        ["area_id", "day"]
    );
    assert_eq!(
        missing("mobilised", Lane::Open, &[]),
        ["area_id", "day", "summary", "by_whom", "task", "members"]
    );
    let kind = present("incident", "kind", Some("fire"));
    assert_eq!(
        missing("incident", Lane::Open, &[kind]),
        ["area_id", "occurred", "summary", "outcome", "how_known"]
    );
    let kind = present("incident", "kind", Some("lost_child"));
    assert_eq!(
        missing("incident", Lane::Protected, &[kind]),
        ["area_id", "day", "outcome"]
    );
}

#[test]
fn conditions_look_at_what_is_there() {
    let post = present("duty_shift", "post_id", None);
    assert!(missing("duty_shift", Lane::Open, &[]).contains(&"post_text"));
    assert!(!missing("duty_shift", Lane::Open, &[post]).contains(&"post_text"));
    let drill = present("facility_check", "action", Some("drill"));
    let open = present("facility_check", "action", Some("open"));
    assert!(missing("facility_check", Lane::Open, &[drill]).contains(&"drill.minutes"));
    assert!(!missing("facility_check", Lane::Open, &[open]).contains(&"drill.minutes"));
    let cameras = present("facility_check", "cameras", None);
    assert!(missing("facility_check", Lane::Open, &[]).contains(&"facility_id"));
    assert!(!missing("facility_check", Lane::Open, &[cameras]).contains(&"facility_id"));
    let item = present("handover", "equipment.item", Some("torch"));
    assert!(!missing("handover", Lane::Open, &[]).contains(&"equipment.qty"));
    assert!(missing("handover", Lane::Open, &[item]).contains(&"equipment.qty"));
}

#[test]
fn an_interval_is_shown_by_its_ends() {
    let occurred = field_number("patrol", "occurred");
    let ids = |type_id| -> Vec<(&str, Required)> {
        let views = vocabulary().views_of(type_number(type_id), occurred);
        views
            .iter()
            .map(|view| (view.id.as_str(), view.required))
            .collect()
    };
    let usual = [
        ("occurred_from", Required::Asked),
        ("occurred_to", Required::Optional),
    ];
    assert_eq!(ids("patrol"), usual);
    assert_eq!(
        ids("checkpoint"),
        [("from", Required::Asked), ("to", Required::Asked)]
    );
}

#[test]
fn roles_keep_to_their_lanes() {
    let v = vocabulary();
    let reads = |id: &str| -> Vec<Lane> {
        Lane::ALL
            .into_iter()
            .filter(|lane| v.may_read(role(id), *lane))
            .collect()
    };
    assert_eq!(reads("member"), [Lane::Open]);
    assert_eq!(reads("mediator"), [Lane::Mediation]);
    assert_eq!(
        reads("commune_officer"),
        [Lane::Open, Lane::Tip, Lane::Protected]
    );
    assert_eq!(reads("justice_officer"), [Lane::Mediation]);
    for id in [
        "steering_reader",
        "emulation_officer",
        "operator",
        "auditor",
        "key_custodian",
    ] {
        assert_eq!(reads(id), [], "{id}");
    }
    assert!(v.may_write(role("member"), Lane::Tip));
    assert!(!v.may_write(role("mediator"), Lane::Open));
    assert!(!v.may_review(role("commune_chief"), Lane::Mediation));
    assert!(v.may_review(role("justice_officer"), Lane::Mediation));
    assert!(v.may_count(role("steering_reader"), Lane::Tip));
    assert!(!v.may_count(role("emulation_officer"), Lane::Open));
    assert!(
        v.may(role("leader"), Act::ConfirmHandover) && !v.may(role("member"), Act::ConfirmHandover)
    );
    assert!(v.sees_rounded(role("province_reviewer"), Lane::Tip));
    assert!(!v.sees_rounded(role("commune_officer"), Lane::Tip));
    assert!(!v.may_read(999, Lane::Open) && v.sees_rounded(999, Lane::Tip));
}

#[test]
fn closed_lanes_have_four_remarks() {
    let ids = |used_for, lane| -> Vec<&str> {
        vocabulary()
            .reasons(used_for, lane)
            .map(|reason| reason.id.as_str())
            .collect()
    };
    let closed = [
        "field_missing",
        "maybe_duplicate",
        "wrong_type",
        "meet_officer",
    ];
    assert_eq!(ids(ReasonUse::Return, Lane::Tip), closed);
    assert_eq!(ids(ReasonUse::Return, Lane::Open).len(), 8);
    assert_eq!(ids(ReasonUse::Withdraw, Lane::Protected).len(), 6);
}

#[test]
fn all_faults_are_told_with_file_and_line() {
    let lists = "list,number,id,vi,flags\nfamily,1,x,X\nfamily,0,y, Y ,loud\n";
    let told = with_file("lists.csv", lists);
    let expect = [
        "lists.csv line 2: the line cannot be read as 5 cells: it has 4",
        "lists.csv line 3: column number: \"0\" is not a number from 1 to 65535",
        "lists.csv line 3: column vi: double space, space at an end or control character",
        "lists.csv line 3: column flags: \"loud\" is not known; expected protected, call, keep_away",
        "types.csv line 2: column family: \"self_protection\" is not known; expected y",
    ];
    assert_eq!(
        told.iter().take(5).map(String::as_str).collect::<Vec<_>>(),
        expect
    );
}

#[test]
fn a_number_or_id_used_twice_names_both_lines() {
    let fields = builtin_file("fields.csv").replacen("\n3,envelope,day,", "\n2,envelope,geo,", 1);
    let told = with_file("fields.csv", &fields);
    assert!(
        told.contains(&"fields.csv line 4: field number 2 is used twice (also line 3)".to_owned())
    );
    assert!(
        told.contains(
            &"fields.csv line 8: field id \"geo\" is used twice (also line 4)".to_owned()
        )
    );
}

#[test]
fn what_must_not_be_is_refused() {
    let row = |cells: &str| format!("{}{cells}\n", builtin_file("fields.csv"));
    let told = |cells: &str| with_file("fields.csv", &row(cells)).join("\n");
    let rest = ",O,,,yes_no,,,,no,active,no,,member,,,";
    assert!(told(&format!("900,patrol,ethnicGroup,x{rest}")).contains("ethnicity"));
    assert!(told(&format!("900,patrol,x,Tôn giáo{rest}")).contains("religion"));
    assert!(told(&format!("900,patrol,lang,x{rest}")).contains("language of a person"));
    assert!(told(&format!("900,patrol,recorded_at,x{rest}")).contains("stands in the header"));
    assert!(told(&format!("900,patrol,summary,x{rest}")).contains("envelope already"));
    let words = "900,tip,x,x,O,,,text,,100,,yes,active,yes,,member,,,";
    assert!(told(words).contains("no words, position or exact times"));
    let whole = "900,patrol,x,x,O,,,text,,100,,no,active,no,,member,,,";
    assert!(told(whole).contains("must be erasable"));
    let sealed = "900,tip,sealed.more,x,O,,,sealed,,,,yes,active,sealed,-,member,,,";
    assert!(told(sealed).contains("reserved until"));
    let long = "900,patrol,x,x,O,,,text,,2001,,yes,active,no,,member,,,";
    assert!(told(long).contains("not a number from 1 to 2000"));
    let listless = "900,patrol,x,x,O,,,choice,nolist,,,no,active,no,,member,,,";
    assert!(told(listless).contains("a list of lists.csv"));
    let decomposed = "900,patrol,x,tuye\u{302}\u{301}n,O,,,yes_no,,,,no,active,no,,member,,,";
    assert!(told(decomposed).contains("normal form C"));
}

#[test]
fn a_missing_file_is_a_fault() {
    let told: Vec<String> = Vocabulary::load(&BUILTIN_FILES[1..])
        .unwrap_err()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(told, ["version.csv: the file is missing"]);
}
