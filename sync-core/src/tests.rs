//! Ties PROTOCOL.md to the code: its tables, its limits and its vectors are read here, so neither
//! can change alone.

mod vectors;
pub(crate) mod world;

use crate::exchange::{Outcome, ProblemCode};
use crate::limits;
use crate::log::AsideReason;
use crate::tags::{FORMAT, Tag};

const PROTOCOL: &str = include_str!("../PROTOCOL.md");

/// Cells of the table rows below a heading, up to the next heading.
fn rows(heading: &str) -> Vec<Vec<&'static str>> {
    PROTOCOL
        .lines()
        .skip_while(|line| *line != heading)
        .skip(1)
        .take_while(|line| !line.starts_with('#'))
        .filter(|line| line.starts_with('|') && !line.starts_with("|-"))
        .skip(1)
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

/// The first two cells of each row: number and name.
fn numbered(heading: &str) -> Vec<(String, String)> {
    rows(heading)
        .into_iter()
        .map(|row| (row[0].to_owned(), row[1].to_owned()))
        .collect()
}

/// Every byte that has a meaning, with its name in the code.
fn coded<T: std::fmt::Debug>(meaning: impl Fn(u8) -> Option<T>) -> Vec<(String, String)> {
    (0..=u8::MAX)
        .filter_map(|number| Some((number.to_string(), format!("{:?}", meaning(number)?))))
        .collect()
}

/// Record name and hash of the sample change, as PROTOCOL.md prints them.
pub(crate) fn golden_change() -> (String, String) {
    let vector = |name: &str| {
        rows("## Vectors")
            .into_iter()
            .find(|row| row[0] == name)
            .map(|row| row[1].trim_matches('`').to_owned())
            .unwrap_or_else(|| panic!("PROTOCOL.md has no vector '{name}'"))
    };
    (
        vector("record name of the sample change"),
        vector("hash of the sample change"),
    )
}

#[test]
fn the_document_has_the_tags_of_the_code() {
    let tags: Vec<(String, String)> = Tag::ALL
        .iter()
        .map(|(tag, name)| (tag.number().to_string(), (*name).to_owned()))
        .collect();
    assert_eq!(numbered("## Tags"), tags);
    assert!(PROTOCOL.contains(&format!("Format {FORMAT}.")));
}

#[test]
fn the_document_has_the_problems_outcomes_and_reasons_of_the_code() {
    let problems = coded(ProblemCode::from_number);
    assert_eq!(problems.len(), 10, "the control: the codes are found");
    assert_eq!(numbered("### Problem codes"), problems);
    assert_eq!(numbered("### Outcomes"), coded(Outcome::from_number));
    let reasons = coded(AsideReason::from_number);
    assert_eq!(numbered("### Aside reasons"), reasons);
    assert_eq!(reasons.len(), AsideReason::ALL.len());
}

/// Limits that bound what is on the wire. A limit of another kind need not stand in the document.
#[test]
fn the_document_has_the_limits_of_the_code() {
    let wire: Vec<(&str, u64)> = [
        ("STATEMENT_CHAINS_MAX", limits::STATEMENT_CHAINS_MAX),
        ("CHANGE_OPS_MAX", limits::CHANGE_OPS_MAX),
        ("CHANGE_HEADS_MAX", limits::CHANGE_HEADS_MAX),
        ("CHANGE_BYTES_MAX", limits::CHANGE_BYTES_MAX),
        ("TEXT_BYTES_MAX", limits::TEXT_BYTES_MAX),
        ("CHOICES_MAX", limits::CHOICES_MAX),
        ("LINKS_MAX", limits::LINKS_MAX),
        ("RECORD_CHANGES_MAX", limits::RECORD_CHANGES_MAX),
        ("NAME_BYTES_MAX", limits::NAME_BYTES_MAX),
        ("GRANT_MEMBERS_MAX", limits::GRANT_MEMBERS_MAX),
        ("ACT_PARTS_MAX", limits::ACT_PARTS_MAX),
        ("ACT_BYTES_MAX", limits::ACT_BYTES_MAX),
        ("AREA_TARGETS_MAX", limits::AREA_TARGETS_MAX),
        ("AREA_EVENTS_MAX", limits::AREA_EVENTS_MAX),
        ("AREA_EVENTS_BYTES_MAX", limits::AREA_EVENTS_BYTES_MAX),
        ("CLOSED_UNITS_MAX", limits::CLOSED_UNITS_MAX),
        ("CLOSED_CELLS_MAX", limits::CLOSED_CELLS_MAX),
        ("CLOSING_BYTES_MAX", limits::CLOSING_BYTES_MAX),
        ("REQUEST_RUNS_MAX", limits::REQUEST_RUNS_MAX),
        ("REQUEST_CHANGES_MAX", limits::REQUEST_CHANGES_MAX),
        ("REQUEST_GROUPS_MAX", limits::REQUEST_GROUPS_MAX),
        ("REQUEST_FEEDS_MAX", limits::REQUEST_FEEDS_MAX),
        ("REQUEST_CHAINS_MAX", limits::REQUEST_CHAINS_MAX),
        ("REQUEST_BYTES_MAX", limits::REQUEST_BYTES_MAX),
        ("PLAIN_BYTES_MAX", limits::PLAIN_BYTES_MAX),
        ("PLAIN_PER_PACKED_MAX", limits::PLAIN_PER_PACKED_MAX),
        ("PLAIN_BYTES_FREE", limits::PLAIN_BYTES_FREE),
        ("PROOFS_MAX", limits::PROOFS_MAX),
        ("PROOF_CHANGES_MAX", limits::PROOF_CHANGES_MAX),
        ("PROOF_BYTES_MAX", limits::PROOF_BYTES_MAX),
        ("ANSWER_ENTRIES_MAX", limits::ANSWER_ENTRIES_MAX),
        ("ANSWER_BYTES_MAX", limits::ANSWER_BYTES_MAX),
        ("ANSWER_BUDGET_BYTES", limits::ANSWER_BUDGET_BYTES),
        ("PENDING_BYTES_MAX", limits::PENDING_BYTES_MAX),
        ("OFFERED_ACTS_MAX", limits::OFFERED_ACTS_MAX),
        ("PROBLEM_DETAIL_BYTES_MAX", limits::PROBLEM_DETAIL_BYTES_MAX),
        ("URL_BYTES_MAX", crate::invitation::URL_BYTES_MAX),
        ("CA_BYTES_MAX", crate::invitation::CA_BYTES_MAX),
        (
            "INVITATION_CHARS_MAX",
            crate::invitation::INVITATION_CHARS_MAX,
        ),
    ]
    .map(|(name, limit)| (name, u64::try_from(limit).unwrap()))
    .into();
    let days = ("NONCE_DAYS", u64::try_from(limits::NONCE_DAYS).unwrap());
    let documented = rows("## Limits").into_iter().map(|row| {
        let number = row[1].replace(' ', "");
        (row[0].trim_matches('`'), number.parse::<u64>().unwrap())
    });
    let coded: std::collections::BTreeMap<_, _> = wire.into_iter().chain([days]).collect();
    assert_eq!(
        documented.collect::<std::collections::BTreeMap<_, _>>(),
        coded
    );
}
