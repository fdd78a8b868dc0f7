//! From CSV text to the tables, with every fault told. A table that refers to another is read
//! after it, so that an unknown name is found on the line that uses it.

use std::collections::BTreeMap;

use super::Vocabulary;
use super::fault::{Fault, VocabularyFault};
use super::field_load;
use super::lane::Lane;
use super::lint;
use super::sheet::{Line, Row, Used, each_line, read_rows};
use super::tables::{
    Act, Answer, HeaderItem, IntervalEnd, ListValue, Reason, ReasonUse, RecordType, Required, Role,
    RoleScope, State, StateLevel, StopSign, TypeLane, ValueList, View,
};

pub(super) const LANES: [(&str, Lane); 4] = [
    ("open", Lane::Open),
    ("tip", Lane::Tip),
    ("mediation", Lane::Mediation),
    ("protected", Lane::Protected),
];

const YES_NO: [(&str, bool); 2] = [("yes", true), ("no", false)];

const ACTS: [(&str, Act); 23] = [
    ("confirm_handover", Act::ConfirmHandover),
    ("correct_open", Act::CorrectOpen),
    ("send_nil_return", Act::SendNilReturn),
    ("read_suggestions", Act::ReadSuggestions),
    ("value_tip", Act::ValueTip),
    ("open_sealed_first_police", Act::OpenSealedFirstPolice),
    ("open_sealed_second_police", Act::OpenSealedSecondPolice),
    ("open_sealed_first_mediation", Act::OpenSealedFirstMediation),
    (
        "open_sealed_second_mediation",
        Act::OpenSealedSecondMediation,
    ),
    ("close_commune_period", Act::CloseCommunePeriod),
    ("found_groups", Act::FoundGroups),
    ("commend", Act::Commend),
    ("print_book", Act::PrintBook),
    ("return_to_commune", Act::ReturnToCommune),
    ("merge_duplicates", Act::MergeDuplicates),
    ("keep_catalogue", Act::KeepCatalogue),
    ("close_province_period", Act::CloseProvincePeriod),
    ("sign_report", Act::SignReport),
    ("keep_dossiers", Act::KeepDossiers),
    ("hold_key_share", Act::HoldKeyShare),
    ("read_access_log", Act::ReadAccessLog),
    ("handle_subject_requests", Act::HandleSubjectRequests),
    ("run_servers", Act::RunServers),
];

/// The files being read and what was found wrong so far.
pub(super) struct Loading<'f> {
    files: BTreeMap<&'f str, &'f str>,
    pub(super) faults: Vec<VocabularyFault>,
}

impl<'f> Loading<'f> {
    pub(super) fn new(files: &[(&'f str, &'f str)]) -> Self {
        Self {
            files: files.iter().copied().collect(),
            faults: Vec::new(),
        }
    }

    /// The rows of a file; none, and a fault, when it is missing.
    pub(super) fn rows(
        &mut self,
        file: &'static str,
        columns: &'static [&'static str],
    ) -> Vec<Row> {
        let Some(content) = self.files.get(file) else {
            let fault = Fault::FileMissing;
            self.faults.push(VocabularyFault {
                file: file.to_owned(),
                line: 0,
                fault,
            });
            return Vec::new();
        };
        read_rows(file, content, columns, &mut self.faults)
    }

    /// Reads a file line by line into whatever `read` makes of a line.
    pub(super) fn each<T>(
        &mut self,
        file: &'static str,
        columns: &'static [&'static str],
        read: impl FnMut(&mut Line<'_>, &mut Used) -> T,
    ) -> Vec<T> {
        let rows = self.rows(file, columns);
        each_line(file, &rows, &mut self.faults, read)
    }
}

/// Reads and checks everything but the lint.
pub(super) fn read(files: &[(&str, &str)]) -> (Vocabulary, Vec<VocabularyFault>) {
    let mut loading = Loading::new(files);
    let version = loading.each("version.csv", &["version"], |line, _| {
        line.short_number("version")
    });
    let lists = lists(&mut loading);
    let families = lists.get("family").map(list_words).unwrap_or_default();
    let types = types(&mut loading, &families);
    let header = header(&mut loading);
    let fields = field_load::fields(&mut loading, &types, &lists, &header);
    let views = views(&mut loading, &types, &fields);
    let vocabulary = Vocabulary {
        version: version.first().copied().unwrap_or(0),
        lane_labels: lanes(&mut loading),
        roles: roles(&mut loading),
        states: states(&mut loading),
        reasons: reasons(&mut loading),
        stop_signs: stop_signs(&mut loading),
        types: types.into_iter().map(|row| (row.number, row)).collect(),
        fields: fields.into_iter().map(|row| (row.number, row)).collect(),
        lists,
        views,
        header,
    };
    (vocabulary, loading.faults)
}

/// The schema lint over every id and label of every file.
pub(super) fn lint_files(files: &[(&str, &str)]) -> Vec<VocabularyFault> {
    let rules = lint::Rules::builtin();
    let mut faults = Vec::new();
    for (file, columns) in LINTED {
        let Some((_, content)) = files.iter().find(|(name, _)| name == file) else {
            continue;
        };
        let mut reader = csv::ReaderBuilder::new()
            .flexible(true)
            .from_reader(content.as_bytes());
        let names = reader.headers().cloned().unwrap_or_default();
        for record in reader.records().filter_map(Result::ok) {
            let line = record.position().map_or(0, csv::Position::line);
            for column in *columns {
                let at = names.iter().position(|name| name == *column);
                let Some(cell) = at.and_then(|at| record.get(at)) else {
                    continue;
                };
                if let Some(refusal) = rules.refusal(cell) {
                    let fault = Fault::Refused { column, refusal };
                    faults.push(VocabularyFault {
                        file: (*file).to_owned(),
                        line,
                        fault,
                    });
                }
            }
        }
    }
    faults
}

const LINTED: &[(&str, &[&str])] = &[
    ("lanes.csv", &["id", "vi"]),
    ("types.csv", &["id", "vi"]),
    ("fields.csv", &["id", "vi", "list", "unit", "family"]),
    ("lists.csv", &["list", "id", "vi"]),
    ("roles.csv", &["id", "vi"]),
    ("states.csv", &["id", "vi"]),
    ("reasons.csv", &["id", "vi"]),
    ("stop_signs.csv", &["id", "vi"]),
    ("views.csv", &["id", "vi"]),
];

fn list_words(list: &ValueList) -> Vec<String> {
    list.values.iter().map(|value| value.id.clone()).collect()
}

fn lanes(loading: &mut Loading<'_>) -> BTreeMap<Lane, String> {
    let columns = &["number", "id", "vi", "sealed_to"];
    let rows = loading.each("lanes.csv", columns, |line, used| {
        let number = line.short_number("number");
        used.number(line, "lane", "", u64::from(number));
        let lane = line.word("id", &LANES)?;
        if u16::from(lane.number()) != number {
            let expected = lane.number().to_string();
            line.unknown("number", &number.to_string(), &expected);
        }
        Some((lane, line.label("vi")))
    });
    rows.into_iter().flatten().collect()
}

fn lists(loading: &mut Loading<'_>) -> BTreeMap<String, ValueList> {
    #[derive(Clone, Copy, PartialEq)]
    enum Flag {
        Protected,
        Call,
        KeepAway,
    }
    let flags = [
        ("protected", Flag::Protected),
        ("call", Flag::Call),
        ("keep_away", Flag::KeepAway),
    ];
    let columns = &["list", "number", "id", "vi", "flags"];
    let rows = loading.each("lists.csv", columns, |line, used| {
        let list = line.id("list");
        let (number, id, vi) = identity(line, used, "value", &list);
        let found = line.words("flags", &flags);
        let has = |flag| found.contains(&flag);
        let (protected, call) = (has(Flag::Protected), has(Flag::Call));
        (
            list,
            ListValue {
                number,
                id,
                vi,
                protected,
                call,
                keep_away: has(Flag::KeepAway),
            },
        )
    });
    let mut lists: BTreeMap<String, ValueList> = BTreeMap::new();
    for (id, value) in rows {
        let list = lists.entry(id.clone()).or_insert(ValueList {
            id,
            values: Vec::new(),
        });
        list.values.push(value);
    }
    lists
}

/// The three columns that every table has, checked for double use within `group`.
fn identity(
    line: &mut Line<'_>,
    used: &mut Used,
    what: &'static str,
    group: &str,
) -> (u16, String, String) {
    let number = line.short_number("number");
    used.number(line, what, group, u64::from(number));
    let id = line.id("id");
    used.id(line, what, group, &id);
    (number, id, line.label("vi"))
}

fn types(loading: &mut Loading<'_>, families: &[String]) -> Vec<RecordType> {
    let mut lane_words: Vec<(&str, TypeLane)> = LANES
        .iter()
        .map(|(word, lane)| (*word, TypeLane::Fixed(*lane)))
        .collect();
    lane_words.push(("by_kind", TypeLane::ByKind));
    let columns = &["number", "id", "vi", "lane", "family", "report"];
    loading.each("types.csv", columns, |line, used| {
        let (number, id, vi) = identity(line, used, "type", "");
        let lane = line
            .word("lane", &lane_words)
            .unwrap_or(TypeLane::Fixed(Lane::Open));
        let family = line.optional("family");
        if let Some(value) = family.clone().filter(|family| !families.contains(family)) {
            line.unknown("family", &value, &families.join(", "));
        }
        RecordType {
            number,
            id,
            vi,
            lane,
            family,
            report: line.optional("report"),
        }
    })
}

fn header(loading: &mut Loading<'_>) -> Vec<HeaderItem> {
    loading.each("header.csv", &["id", "vi", "why"], |line, used| {
        let id = line.id("id");
        used.id(line, "header item", "", &id);
        HeaderItem {
            id,
            vi: line.label("vi"),
            why: line.label("why"),
        }
    })
}

fn views(
    loading: &mut Loading<'_>,
    types: &[RecordType],
    fields: &[super::tables::Field],
) -> Vec<View> {
    let ends = [("from", IntervalEnd::From), ("to", IntervalEnd::To)];
    let required = [("R", Required::Asked), ("O", Required::Optional)];
    let columns = &["field", "type", "end", "id", "vi", "required"];
    let rows = loading.each("views.csv", columns, |line, used| {
        let cell = line.row.cell("field").to_owned();
        let is_interval = |field: &&super::tables::Field| {
            field.id == cell && field.kind == super::ValueKind::Interval
        };
        let field = fields.iter().find(is_interval).map(|field| field.number);
        if field.is_none() {
            line.unknown("field", &cell, "the id of an interval field");
        }
        let record_type = field_load::owner(line, types);
        let end = line.word("end", &ends)?;
        let id = line.id("id");
        used.id(line, "view", "", &id);
        let vi = line.label("vi");
        let required = line.word("required", &required)?;
        Some(View {
            field: field?,
            record_type,
            end,
            id,
            vi,
            required,
        })
    });
    rows.into_iter().flatten().collect()
}

fn roles(loading: &mut Loading<'_>) -> BTreeMap<u16, Role> {
    let scopes = [
        ("none", RoleScope::None),
        ("group", RoleScope::Group),
        ("commune", RoleScope::Commune),
        ("province", RoleScope::Province),
    ];
    let columns = &[
        "number", "id", "vi", "scope", "write", "read", "review", "counts", "acts",
    ];
    let rows = loading.each("roles.csv", columns, |line, used| {
        let (number, id, vi) = identity(line, used, "role", "");
        let scope = line.word("scope", &scopes).unwrap_or(RoleScope::None);
        let mut lanes = |column| line.words(column, &LANES);
        let (write, read, review) = (lanes("write"), lanes("read"), lanes("review"));
        let counts = lanes("counts");
        let acts = line.words("acts", &ACTS);
        (
            number,
            Role {
                number,
                id,
                vi,
                scope,
                write,
                read,
                review,
                counts,
                acts,
            },
        )
    });
    rows.into_iter().collect()
}

fn states(loading: &mut Loading<'_>) -> BTreeMap<u16, State> {
    let levels = [
        ("phone", StateLevel::Phone),
        ("commune", StateLevel::Commune),
        ("commune_tip", StateLevel::CommuneTip),
        ("province", StateLevel::Province),
        ("any", StateLevel::Any),
    ];
    let rows = loading.each(
        "states.csv",
        &["number", "id", "vi", "level"],
        |line, used| {
            let (number, id, vi) = identity(line, used, "state", "");
            let level = line.word("level", &levels).unwrap_or(StateLevel::Any);
            (
                number,
                State {
                    number,
                    id,
                    vi,
                    level,
                },
            )
        },
    );
    rows.into_iter().collect()
}

fn reasons(loading: &mut Loading<'_>) -> Vec<Reason> {
    let uses = [
        ("return", ReasonUse::Return),
        ("withdraw", ReasonUse::Withdraw),
    ];
    let answers = [
        ("", None),
        ("edit", Some(Answer::Edit)),
        ("reissue", Some(Answer::Reissue)),
        ("meet", Some(Answer::Meet)),
    ];
    let columns = &[
        "use",
        "number",
        "id",
        "vi",
        "open_lane",
        "closed_lanes",
        "answer",
    ];
    loading.each("reasons.csv", columns, |line, used| {
        let used_for = line.word("use", &uses).unwrap_or(ReasonUse::Return);
        let group = line.row.cell("use").to_owned();
        let (number, id, vi) = identity(line, used, "reason", &group);
        let open_lane = line.word("open_lane", &YES_NO).unwrap_or(false);
        let closed_lanes = line.word("closed_lanes", &YES_NO).unwrap_or(false);
        let answer = line.word("answer", &answers).flatten();
        Reason {
            used_for,
            number,
            id,
            vi,
            open_lane,
            closed_lanes,
            answer,
        }
    })
}

fn stop_signs(loading: &mut Loading<'_>) -> Vec<StopSign> {
    loading.each("stop_signs.csv", &["number", "id", "vi"], |line, used| {
        let (number, id, vi) = identity(line, used, "stop sign", "");
        StopSign { number, id, vi }
    })
}
