//! What is written: 31 notes in Vietnamese and Khmer, and 29 records without words.

use std::collections::VecDeque;

use super::{Fault, Outcome};

/// The notes.
const NOTES: &str = include_str!("../../data/open_notes.csv");
/// Phones of the demonstration.
pub(super) const PHONES: usize = 4;
/// Records that end up in the log.
pub(super) const RECORDS: usize = 60;
/// Notes among them.
pub(super) const WITH_WORDS: usize = 31;

/// A record before it is saved.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    /// Id of the type.
    pub(super) kind: String,
    /// What is tapped and typed, by id of the field.
    pub(super) fields: Vec<(String, String)>,
    /// How long ago it was.
    pub(super) days_ago: u32,
}

impl Draft {
    fn of(kind: &str, fields: &str, days_ago: usize) -> Self {
        Self {
            kind: kind.to_owned(),
            fields: fields
                .split_whitespace()
                .filter_map(|pair| pair.split_once('='))
                .map(|(id, value)| (id.to_owned(), value.to_owned()))
                .collect(),
            days_ago: u32::try_from(days_ago).unwrap_or(0),
        }
    }

    /// A patrol with these words.
    pub(super) fn patrol(words: &str) -> Self {
        Self::of("patrol", "mode=walk members_present=2 findings=none", 0).saying(words)
    }

    fn saying(mut self, words: &str) -> Self {
        self.fields.push(("summary".to_owned(), words.to_owned()));
        self
    }

    /// Its words; empty when it has none.
    pub(super) fn words(&self) -> &str {
        let summary = self.fields.iter().find(|(id, _)| id == "summary");
        summary.map_or("", |(_, words)| words)
    }
}

/// The work of each phone, in its order: first what has no words, then the notes. The Vietnamese
/// notes belong to the first group, the Khmer ones to the second.
pub(super) fn work() -> Outcome<[VecDeque<Draft>; PHONES]> {
    let mut work: [VecDeque<Draft>; PHONES] = Default::default();
    for (phone, kind, fields) in WITHOUT_WORDS {
        if let Some(list) = work.get_mut(*phone) {
            list.push_back(Draft::of(kind, fields, list.len() % 9 + 1));
        }
    }
    let mut told = [0_usize; 2];
    for row in csv::Reader::from_reader(NOTES.as_bytes()).records() {
        let row = row?;
        let cell = |at: usize| row.get(at).unwrap_or_default();
        let group = usize::from(cell(2) == "km");
        let nth = told.get_mut(group).map_or(0, |count| {
            *count += 1;
            *count - 1
        });
        if let Some(list) = work.get_mut(group * 2 + nth % 2) {
            let draft = Draft::of(cell(1), cell(3), list.len() % 9 + 1);
            list.push_back(draft.saying(cell(4)));
        }
    }
    let all = work.iter().flatten();
    let words = all.clone().filter(|draft| !draft.words().is_empty());
    if (all.clone().count(), words.count()) == (RECORDS, WITH_WORDS) {
        Ok(work)
    } else {
        Err(Fault::new("the sample notes are not the 31 that they were"))
    }
}

/// Routine, and the closed lanes: phone, type, fields. Closed lanes hold categories and counts
/// until their words can be sealed.
const WITHOUT_WORDS: &[(usize, &str, &str)] = &[
    (0, "patrol", "mode=walk members_present=4 findings=none"),
    (0, "tip", "category=theft"),
    (0, "patrol", "mode=boat members_present=3 findings=none"),
    (
        0,
        "mediation",
        "mode=conducted scope=land_boundary result=success",
    ),
    (0, "incident", "kind=lost_child outcome=handed_to_police"),
    (
        0,
        "patrol",
        "mode=mixed members_present=5 findings=gate_open",
    ),
    (1, "patrol", "mode=bicycle members_present=2 findings=none"),
    (1, "tip", "category=fraud_online"),
    (1, "duty_shift", "members_present=3 events_count=0"),
    (1, "tip", "category=illegal_fishing"),
    (
        1,
        "patrol",
        "mode=walk members_present=3 findings=light_out+noise",
    ),
    (1, "nil_return", "span=day"),
    (2, "patrol", "mode=walk members_present=4 findings=none"),
    (2, "patrol", "mode=boat members_present=2 findings=hazard"),
    (2, "tip", "category=traffic_race"),
    (
        2,
        "reintegration_support",
        "help_kind=loan+job persons_helped=1",
    ),
    (2, "nil_return", "span=week"),
    (2, "duty_shift", "members_present=2 events_count=1"),
    (
        2,
        "mediation",
        "mode=supported scope=debt_hui result=ongoing",
    ),
    (2, "patrol", "mode=walk members_present=3 findings=none"),
    (
        2,
        "patrol",
        "mode=motorbike members_present=2 findings=none",
    ),
    (3, "patrol", "mode=walk members_present=3 findings=none"),
    (
        3,
        "patrol",
        "mode=motorbike members_present=2 findings=noise",
    ),
    (3, "tip", "category=gambling"),
    (3, "tip", "category=dispute"),
    (3, "duty_shift", "members_present=4 events_count=0"),
    (3, "household_visit", "households=5 purpose=locks+scam"),
    (3, "patrol", "mode=bicycle members_present=2 findings=none"),
    (
        3,
        "patrol",
        "mode=walk members_present=4 findings=light_out",
    ),
];
