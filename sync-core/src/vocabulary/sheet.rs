//! Reading one CSV table with its line numbers, and collecting faults instead of stopping at the
//! first. Shared by the vocabulary tables, the unit table and the hamlet import.

use std::collections::BTreeMap;

use crate::text::normal::is_nfc;

use super::fault::{Fault, VocabularyFault};

/// One line of a table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    cells: BTreeMap<&'static str, String>,
}

impl Row {
    /// The cell of a column; empty when there is none.
    pub(super) fn cell(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", String::as_str)
    }
}

/// Reads a table whose header must be exactly `columns`. Lines that cannot be read are faults
/// and left out; the rest is still checked.
pub(super) fn read_rows(
    file: &str,
    content: &str,
    columns: &'static [&'static str],
    faults: &mut Vec<VocabularyFault>,
) -> Vec<Row> {
    let mut fault = |line, fault| {
        faults.push(VocabularyFault {
            file: file.to_owned(),
            line,
            fault,
        });
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(content.as_bytes());
    let mut rows = Vec::new();
    let mut header_seen = false;
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = error.position().map_or(0, csv::Position::line);
                let detail = error.to_string();
                fault(
                    line,
                    Fault::Unreadable {
                        columns_count: columns.len(),
                        detail,
                    },
                );
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        if !header_seen {
            header_seen = true;
            if record.iter().ne(columns.iter().copied()) {
                fault(
                    line,
                    Fault::WrongHeader {
                        expected: columns.join(","),
                    },
                );
                return rows;
            }
            continue;
        }
        if record.len() != columns.len() {
            let detail = format!("it has {}", record.len());
            fault(
                line,
                Fault::Unreadable {
                    columns_count: columns.len(),
                    detail,
                },
            );
            continue;
        }
        let cells = columns
            .iter()
            .copied()
            .zip(record.iter().map(str::to_owned))
            .collect();
        rows.push(Row { line, cells });
    }
    if !header_seen {
        fault(
            1,
            Fault::WrongHeader {
                expected: columns.join(","),
            },
        );
    }
    rows
}

/// Reads rows line by line into whatever `read` makes of a line.
pub(super) fn each_line<T>(
    file: &str,
    rows: &[Row],
    faults: &mut Vec<VocabularyFault>,
    mut read: impl FnMut(&mut Line<'_>, &mut Used) -> T,
) -> Vec<T> {
    let mut used = Used::default();
    rows.iter()
        .map(|row| {
            let faults = &mut *faults;
            read(&mut Line { file, row, faults }, &mut used)
        })
        .collect()
}

/// One line being read: parses cells and keeps what is wrong with them.
pub(super) struct Line<'a> {
    pub(super) file: &'a str,
    pub(super) row: &'a Row,
    pub(super) faults: &'a mut Vec<VocabularyFault>,
}

impl Line<'_> {
    /// Keeps a fault of this line.
    pub(super) fn fault(&mut self, fault: Fault) {
        self.faults.push(VocabularyFault {
            file: self.file.to_owned(),
            line: self.row.line,
            fault,
        });
    }

    /// A number from 1 up.
    pub(super) fn number(&mut self, column: &'static str, max: u64) -> u64 {
        let cell = self.row.cell(column);
        let digits_only = !cell.is_empty() && cell.bytes().all(|byte| byte.is_ascii_digit());
        match cell.parse::<u64>() {
            Ok(number) if digits_only && (1..=max).contains(&number) => number,
            Ok(_) | Err(_) => {
                let value = cell.to_owned();
                self.fault(Fault::BadNumber {
                    column,
                    value,
                    min: 1,
                    max,
                });
                0
            }
        }
    }

    /// A number that fits the vocabulary's own numbering.
    pub(super) fn short_number(&mut self, column: &'static str) -> u16 {
        u16::try_from(self.number(column, u64::from(u16::MAX))).unwrap_or(0)
    }

    /// An id: lower-case letters, digits, `_`, and `.` between parts.
    pub(super) fn id(&mut self, column: &'static str) -> String {
        let cell = self.row.cell(column).to_owned();
        let part_is_good = |part: &str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        };
        if !cell.split('.').all(part_is_good) {
            self.fault(Fault::BadId {
                column,
                value: cell.clone(),
            });
        }
        cell
    }

    /// A label: not empty, NFC, single spaces, no control characters.
    pub(super) fn label(&mut self, column: &'static str) -> String {
        let cell = self.row.cell(column).to_owned();
        if cell.is_empty() {
            self.fault(Fault::Empty { column });
        }
        if !is_nfc(&cell) {
            self.fault(Fault::NotNfc { column });
        }
        if cell.contains("  ") || cell.trim() != cell || cell.chars().any(char::is_control) {
            self.fault(Fault::BadSpacing { column });
        }
        cell
    }

    /// A cell that may be empty.
    pub(super) fn optional(&self, column: &str) -> Option<String> {
        let cell = self.row.cell(column);
        (!cell.is_empty()).then(|| cell.to_owned())
    }

    /// One word of a closed set; the first of the set stands in for an unknown one.
    pub(super) fn word<T: Copy>(&mut self, column: &'static str, words: &[(&str, T)]) -> Option<T> {
        let cell = self.row.cell(column);
        let found = words
            .iter()
            .find(|(word, _)| *word == cell)
            .map(|(_, value)| *value);
        if found.is_none() {
            let value = cell.to_owned();
            let expected = listed(words);
            self.fault(Fault::Unknown {
                column,
                value,
                expected,
            });
        }
        found
    }

    /// Words of a closed set, separated by `|`.
    pub(super) fn words<T: Copy>(&mut self, column: &'static str, words: &[(&str, T)]) -> Vec<T> {
        let cell = self.row.cell(column).to_owned();
        let mut values = Vec::new();
        for part in cell.split('|').filter(|part| !part.is_empty()) {
            if let Some((_, value)) = words.iter().find(|(word, _)| *word == part) {
                values.push(*value);
                continue;
            }
            let expected = listed(words);
            self.fault(Fault::Unknown {
                column,
                value: part.to_owned(),
                expected,
            });
        }
        values
    }
}

/// Remembers which numbers and ids a table has used, and on which line.
#[derive(Debug, Default)]
pub(super) struct Used {
    numbers: BTreeMap<(String, u64), u64>,
    ids: BTreeMap<(String, String), u64>,
}

impl Used {
    /// Takes a number within a group of the table (a list, say); a second use is a fault.
    pub(super) fn number(&mut self, line: &mut Line<'_>, what: &'static str, group: &str, n: u64) {
        if n == 0 {
            return;
        }
        match self.numbers.get(&(group.to_owned(), n)) {
            Some(&also_line) => line.fault(Fault::NumberTwice {
                what,
                number: n,
                also_line,
            }),
            None => drop(self.numbers.insert((group.to_owned(), n), line.row.line)),
        }
    }

    /// Takes an id within a group of the table.
    pub(super) fn id(&mut self, line: &mut Line<'_>, what: &'static str, group: &str, id: &str) {
        match self.ids.get(&(group.to_owned(), id.to_owned())) {
            Some(&also_line) => line.fault(Fault::IdTwice {
                what,
                id: id.to_owned(),
                also_line,
            }),
            None => drop(
                self.ids
                    .insert((group.to_owned(), id.to_owned()), line.row.line),
            ),
        }
    }
}

/// The words of a closed set, for the message of a fault.
fn listed<T>(words: &[(&str, T)]) -> String {
    words
        .iter()
        .map(|(word, _)| *word)
        .collect::<Vec<_>>()
        .join(", ")
}
