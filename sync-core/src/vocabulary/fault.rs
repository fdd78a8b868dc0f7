//! What can be wrong with the data files. The person who must act is whoever edits the file, so
//! each fault names the file, the line and the value, and all faults are told at once: fixing
//! them one build at a time costs an afternoon.

use std::fmt;

use super::lint::LintRefusal;

/// A fault in one line of one data file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VocabularyFault {
    /// Name of the file, as given to the loader.
    pub file: String,
    /// Line in the file, counted from 1; 0 when the file as a whole is meant.
    pub line: u64,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for VocabularyFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 {
            return write!(f, "{}: {}", self.file, self.fault);
        }
        write!(f, "{} line {}: {}", self.file, self.line, self.fault)
    }
}

impl std::error::Error for VocabularyFault {}

/// The ways in which a line can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A table is not among the files.
    #[error("the file is missing")]
    FileMissing,
    /// The header line is not the one that this version of the program reads.
    #[error("the header line must read {expected}")]
    WrongHeader {
        /// The header, as it must be.
        expected: String,
    },
    /// The line has too many or too few cells, or broken quotes.
    #[error("the line cannot be read as {columns_count} cells: {detail}")]
    Unreadable {
        /// How many cells a line has.
        columns_count: usize,
        /// What the CSV reader said.
        detail: String,
    },
    /// A cell that must not be empty.
    #[error("column {column} is empty")]
    Empty {
        /// The column.
        column: &'static str,
    },
    /// A cell that is no number, or a number out of its range.
    #[error("column {column}: {value:?} is not a number from {min} to {max}")]
    BadNumber {
        /// The column.
        column: &'static str,
        /// The cell.
        value: String,
        /// Smallest number allowed.
        min: u64,
        /// Largest number allowed.
        max: u64,
    },
    /// An id with other characters than lower-case letters, digits, `_` and `.`.
    #[error("column {column}: {value:?} is not an id (lower-case letters, digits, _ and .)")]
    BadId {
        /// The column.
        column: &'static str,
        /// The cell.
        value: String,
    },
    /// A word that is not one of a closed set, or a name that no other table knows.
    #[error("column {column}: {value:?} is not known; expected {expected}")]
    Unknown {
        /// The column.
        column: &'static str,
        /// The cell.
        value: String,
        /// What would have been right.
        expected: String,
    },
    /// A text that is not in NFC: two spellings of one label would differ in bytes.
    #[error("column {column}: the text is not in Unicode normal form C")]
    NotNfc {
        /// The column.
        column: &'static str,
    },
    /// Spaces at the ends, double spaces or control characters.
    #[error("column {column}: double space, space at an end or control character")]
    BadSpacing {
        /// The column.
        column: &'static str,
    },
    /// A number that another line has.
    #[error("{what} number {number} is used twice (also line {also_line})")]
    NumberTwice {
        /// What is numbered.
        what: &'static str,
        /// The number.
        number: u64,
        /// The other line.
        also_line: u64,
    },
    /// An id that another line has.
    #[error("{what} id {id:?} is used twice (also line {also_line})")]
    IdTwice {
        /// What has the id.
        what: &'static str,
        /// The id.
        id: String,
        /// The other line.
        also_line: u64,
    },
    /// A field that the change header already carries.
    #[error("{id:?} stands in the header of a change and must not be a field")]
    HeaderField {
        /// The id.
        id: String,
    },
    /// A field whose columns contradict each other.
    #[error("field {id:?}: {reason}")]
    Contradiction {
        /// The id.
        id: String,
        /// Which rule is broken.
        reason: &'static str,
    },
    /// A label, id or value about something that this project does not record.
    #[error("column {column}: {refusal}")]
    Refused {
        /// The column.
        column: &'static str,
        /// Why.
        refusal: LintRefusal,
    },
}
