//! Reading one CSV table with its line numbers, and collecting faults instead of stopping at the
//! first. Shared by the vocabulary tables, the unit table and the hamlet import.

use std::collections::BTreeMap;

use crate::text::normal::is_nfc;

use super::fault::{Fault, VocabularyFault};

/// One line of a table.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) line: u64,
    columns: &'static [&'static str],
    cells: csv::StringRecord,
}

impl Row {
    /// The cell of a column; empty when there is none.
    pub(super) fn cell(&self, column: &str) -> &str {
        let at = self.columns.iter().position(|known| *known == column);
        at.and_then(|at| self.cells.get(at)).unwrap_or_default()
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
        rows.push(Row {
            line,
            columns,
            cells: record,
        });
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

    /// Keeps that a cell, or a part of it, is not among what was expected.
    pub(super) fn unknown(&mut self, column: &'static str, value: &str, expected: &str) {
        self.fault(Fault::Unknown {
            column,
            value: value.to_owned(),
            expected: expected.to_owned(),
        });
    }

    /// One word of a closed set.
    pub(super) fn word<T: Copy>(&mut self, column: &'static str, words: &[(&str, T)]) -> Option<T> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let at = self.place(column, self.row.cell(column), &known)?;
        words.get(at).map(|(_, value)| *value)
    }

    /// Words of a closed set, separated by `|`.
    pub(super) fn words<T: Copy>(&mut self, column: &'static str, words: &[(&str, T)]) -> Vec<T> {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let places = self.places(column, &known);
        let values = places.into_iter().filter_map(|at| words.get(at));
        values.map(|(_, value)| *value).collect()
    }

    fn places(&mut self, column: &'static str, known: &[&str]) -> Vec<usize> {
        let parts = self.row.cell(column).split('|');
        let parts = parts.filter(|part| !part.is_empty());
        parts
            .filter_map(|part| self.place(column, part, known))
            .collect()
    }

    /// Where a word stands in a closed set.
    fn place(&mut self, column: &'static str, word: &str, known: &[&str]) -> Option<usize> {
        let found = known.iter().position(|known| *known == word);
        if found.is_none() {
            self.unknown(column, word, &known.join(", "));
        }
        found
    }
}

/// Remembers which numbers and ids a table has used, and on which line.
#[derive(Debug, Default)]
pub(super) struct Used {
    numbers: BTreeMap<(String, String), u64>,
    ids: BTreeMap<(String, String), u64>,
}

impl Used {
    /// Takes a number within a group of the table (a list, say); a second use is a fault.
    pub(super) fn number(&mut self, line: &mut Line<'_>, what: &'static str, group: &str, n: u64) {
        if n == 0 {
            return;
        }
        if let Some(also_line) = taken(&mut self.numbers, group, &n.to_string(), line.row.line) {
            line.fault(Fault::NumberTwice {
                what,
                number: n,
                also_line,
            });
        }
    }

    /// Takes an id within a group of the table.
    pub(super) fn id(&mut self, line: &mut Line<'_>, what: &'static str, group: &str, id: &str) {
        if let Some(also_line) = taken(&mut self.ids, group, id, line.row.line) {
            line.fault(Fault::IdTwice {
                what,
                id: id.to_owned(),
                also_line,
            });
        }
    }
}

/// The line that took a name before, or else it is taken for this line.
fn taken(
    names: &mut BTreeMap<(String, String), u64>,
    group: &str,
    name: &str,
    line: u64,
) -> Option<u64> {
    let name = (group.to_owned(), name.to_owned());
    let before = names.get(&name).copied();
    names.entry(name).or_insert(line);
    before
}
