//! What a search may ask. Search serves the work, not the looking up of people: it takes two
//! words or more, and refuses numbers of people and vehicles and forms of address with a name.

use super::normal::nfkc;

use super::names::names_a_person;
use super::plates::{has_part_of_plate, has_plate};
use super::{Run, digit_value, open_zero_width_spaces, runs};

/// A query longer than this is no query.
pub const QUERY_CHARS_MAX: usize = 200;
/// Two words (vi: syllables; zh: characters; km: orthographic clusters, because no segmenter is
/// at hand; a cluster is about a syllable, so the rule is a little laxer there).
pub const QUERY_UNITS_MIN: usize = 2;
/// Four digits in a row are a piece of a phone, card or plate number.
pub const QUERY_DIGITS_IN_A_ROW_MAX: usize = 3;

/// Why a query is not answered. The screen says it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchRefusal {
    /// Fewer than [`QUERY_UNITS_MIN`] words.
    #[error("a search takes two words or more")]
    TooFewWords,
    /// More than [`QUERY_CHARS_MAX`] characters.
    #[error("the search is too long")]
    TooLong,
    /// More than [`QUERY_DIGITS_IN_A_ROW_MAX`] digits in a row, whatever stands between them.
    #[error("a search takes no long numbers")]
    DigitRun,
    /// A vehicle's plate, or the beginning of one beside a word for a vehicle.
    #[error("a search takes no plates")]
    Plate,
    /// A form of address and a name, or a full name.
    #[error("a search takes no names of people")]
    PersonName,
}

/// A query that may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    phrases: Vec<Vec<String>>,
}

impl SearchQuery {
    /// The query as a full-text MATCH expression over [`super::index_text`]: each run of words is
    /// a quoted phrase, and all phrases must be found. Tokens hold letters and digits only, so
    /// nothing in a query can be taken for an operator.
    pub fn fts_expression(&self) -> String {
        let phrase = |tokens: &Vec<String>| format!("\"{}\"", tokens.join(" "));
        self.phrases
            .iter()
            .map(phrase)
            .collect::<Vec<_>>()
            .join(" AND ")
    }

    /// The phrases, for a search without a full-text index: each must occur in the index text
    /// as whole tokens.
    pub fn phrases(&self) -> &[Vec<String>] {
        &self.phrases
    }

    /// Whether a text, as indexed, holds all phrases.
    pub fn finds(&self, index_text: &str) -> bool {
        let tokens: Vec<&str> = index_text.split(' ').collect();
        self.phrases
            .iter()
            .all(|phrase| tokens.windows(phrase.len()).any(|w| w == phrase))
    }
}

/// Reads a query.
///
/// # Errors
/// Why it must not be asked; the query itself is in no error, since errors are logged.
pub fn search_query(query: &str) -> Result<SearchQuery, SearchRefusal> {
    if query.chars().count() > QUERY_CHARS_MAX {
        return Err(SearchRefusal::TooLong);
    }
    let mut plain = open_zero_width_spaces(&nfkc(query));
    plain.retain(|c| !is_invisible(c));
    if has_plate(&plain) || has_part_of_plate(&plain) {
        return Err(SearchRefusal::Plate);
    }
    if digits_in_a_row(&plain) > QUERY_DIGITS_IN_A_ROW_MAX {
        return Err(SearchRefusal::DigitRun);
    }
    if names_a_person(&plain) {
        return Err(SearchRefusal::PersonName);
    }
    let runs = runs(&plain);
    if runs
        .iter()
        .map(Run::units_count)
        .fold(0, usize::saturating_add)
        < QUERY_UNITS_MIN
    {
        return Err(SearchRefusal::TooFewWords);
    }
    Ok(SearchQuery {
        phrases: runs.iter().map(Run::tokens).collect(),
    })
}

fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{00AD}'
    )
}

/// The longest row of digits; only a letter ends a row, so that "0901 234-567" is one.
fn digits_in_a_row(text: &str) -> usize {
    let (mut row, mut longest) = (0_usize, 0_usize);
    for c in text.chars() {
        if digit_value(c).is_some() {
            row = row.saturating_add(1);
            longest = longest.max(row);
        } else if c.is_alphabetic() {
            row = 0;
        }
    }
    longest
}

#[cfg(test)]
mod tests;
