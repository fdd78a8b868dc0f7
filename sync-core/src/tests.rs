//! Ties PROTOCOL.md to the code: its table of tags and its vectors are read here, so neither can
//! change alone.

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
    let documented: Vec<(String, String)> = rows("## Tags")
        .into_iter()
        .map(|row| (row[0].to_owned(), row[1].to_owned()))
        .collect();
    let coded: Vec<(String, String)> = Tag::ALL
        .iter()
        .map(|(tag, name)| (tag.number().to_string(), (*name).to_owned()))
        .collect();
    assert_eq!(documented, coded);
    assert!(PROTOCOL.contains(&format!("Format {FORMAT}.")));
}
