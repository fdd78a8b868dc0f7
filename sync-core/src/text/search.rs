//! What a search may ask. Search serves the work, not the looking up of people: it takes two
//! words or more, and refuses numbers of people and vehicles and forms of address with a name.

use unicode_normalization::UnicodeNormalization;

use super::names::names_a_person;
use super::{Run, digit_value, runs};

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
    /// A vehicle's plate.
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
    let plain: String = query.nfkc().filter(|c| !is_invisible(*c)).collect();
    if has_plate(&plain) {
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

/// Two digits, one or two letters of the series (perhaps with a digit), three digits or more.
/// "20h30" is a time: after h or g it takes four digits to be a plate.
fn has_plate(text: &str) -> bool {
    let kept: Vec<char> = text.chars().filter(|c| c.is_alphanumeric()).collect();
    let starts: Vec<usize> = plate_starts(text);
    starts.into_iter().any(|start| {
        let rest: Vec<char> = kept.iter().copied().skip(start).take(12).collect();
        let digit = |at: usize| rest.get(at).is_some_and(|c| digit_value(*c).is_some());
        let letter = |at: usize| rest.get(at).is_some_and(|c| is_series_letter(*c));
        if !(digit(0) && digit(1) && letter(2)) {
            return false;
        }
        let series_end = if letter(3) { 4 } else { 3 };
        let digits = rest
            .iter()
            .skip(series_end)
            .take_while(|c| digit_value(**c).is_some())
            .count();
        let time = rest
            .get(2)
            .is_some_and(|c| matches!(c.to_ascii_lowercase(), 'h' | 'g'));
        digits >= if time { 5 } else { 3 }
    })
}

/// Where, among the letters and digits, a word begins or follows a separator.
fn plate_starts(text: &str) -> Vec<usize> {
    let mut starts = Vec::new();
    let (mut at, mut after_separator) = (0_usize, true);
    for c in text.chars() {
        if !c.is_alphanumeric() {
            after_separator = true;
            continue;
        }
        if after_separator {
            starts.push(at);
        }
        after_separator = false;
        at = at.saturating_add(1);
    }
    starts
}

fn is_series_letter(c: char) -> bool {
    c.is_ascii_alphabetic() || c == 'đ' || c == 'Đ'
}

#[cfg(test)]
mod tests;
