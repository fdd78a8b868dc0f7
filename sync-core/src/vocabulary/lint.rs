//! The schema lint: refuses labels, field names and list values about what this project never
//! records, so that a well-meant column cannot turn a work log into a file on people.
//!
//! The rules are terms and exceptions in `data/lint_rules.csv`, by reason. A term is tried in
//! every shape that a label can take:
//!
//! - Latin words: split at spaces, punctuation, `snake_case` and `camelCase`, lower-cased, the
//!   plural taken off; `term*` stands for any ending, `a & b` for both words in any place. A term
//!   also matches where its words are written as one (`nationalid`).
//! - Vietnamese: syllables. A syllable of the label that has accents must have the same; one
//!   without accents matches the folded term. "con dao" is not "đạo" and "Hòa giải" is not "Hoa".
//!   Terms whose folded form is an everyday word match in accented form only.
//! - Khmer and Chinese: substrings.
//!
//! An exception annuls the matches that lie within it: "missing person search" may be said.

use std::sync::OnceLock;

use crate::text::normal::{nfc, nfkc};

use crate::text::{fold, plain_tones};

/// What a refused label is about, as `lint_rules.csv` names it.
pub type LintReason = String;

/// Why a label is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{label:?} is refused: {reason} (term {term:?})")]
pub struct LintRefusal {
    /// The label, field name or value.
    pub label: String,
    /// What it is about.
    pub reason: LintReason,
    /// The term of the rules that matched.
    pub term: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Match {
    Words,
    WholeWords,
    Syllables,
    Accented,
    WholeAccented,
    Substring,
}

#[derive(Debug)]
struct Rule {
    reason: LintReason,
    term: String,
    matches: Match,
    /// Word sequences; more than one when the term is `a & b`.
    sequences: Vec<Sequence>,
}

/// Words of a term that follow each other.
#[derive(Debug)]
struct Sequence {
    words: Vec<String>,
    /// Each word with its form without accents, for labels that are written so.
    pairs: Vec<(String, String)>,
    /// The folded words written as one.
    glued: String,
}

/// The rules, read once.
#[derive(Debug, Default)]
pub struct Rules {
    terms: Vec<Rule>,
    exceptions: Vec<Rule>,
}

/// A label cut into words, in the three shapes that rules look at.
struct Label {
    compact: String,
    /// Lower-case words with accents.
    accented: Vec<String>,
    /// The same words without accents, singular.
    stems: Vec<String>,
}

/// Part of a label, in words (or, for substrings, bytes): from, to.
type Span = (usize, usize);

/// A one-word term of at least so many letters is also found within a longer word.
const WITHIN_WORD_LETTERS_MIN: usize = 8;
/// Words written as one must have at least so many letters to count as a term.
const GLUED_LETTERS_MIN: usize = 6;

impl Rules {
    /// The rules that this release was built with.
    pub fn builtin() -> &'static Self {
        static BUILTIN: OnceLock<Rules> = OnceLock::new();
        BUILTIN.get_or_init(|| Self::parse(include_str!("data/lint_rules.csv")))
    }

    fn parse(content: &str) -> Self {
        let mut rules = Self::default();
        let mut reader = csv::Reader::from_reader(content.as_bytes());
        for record in reader.records().filter_map(Result::ok) {
            let cell = |at: usize| record.get(at).unwrap_or_default();
            let (exception, kind) = match cell(1).strip_prefix("exception_") {
                Some(kind) => (true, kind),
                None => (false, cell(1)),
            };
            let matches = match kind {
                "words" => Match::Words,
                "whole_words" => Match::WholeWords,
                "syllables" => Match::Syllables,
                "accented" => Match::Accented,
                "whole_accented" => Match::WholeAccented,
                "substring" => Match::Substring,
                _ => continue,
            };
            let rule = Rule::new(cell(0), matches, cell(2));
            let list = if exception {
                &mut rules.exceptions
            } else {
                &mut rules.terms
            };
            list.push(rule);
        }
        rules
    }

    /// The refusal of a label, field name or value; `None` when it may be used.
    pub fn refusal(&self, text: &str) -> Option<LintRefusal> {
        let label = Label::new(text);
        let excused: Vec<(Match, Span)> = self
            .exceptions
            .iter()
            .flat_map(|rule| {
                rule.spans(&label)
                    .into_iter()
                    .map(|span| (rule.matches, span))
            })
            .collect();
        let found = self.terms.iter().find(|rule| {
            rule.spans(&label)
                .into_iter()
                .any(|span| !is_excused(rule.matches, span, &excused))
        })?;
        Some(LintRefusal {
            label: text.to_owned(),
            reason: found.reason.clone(),
            term: found.term.clone(),
        })
    }
}

fn is_excused(matches: Match, span: Span, excused: &[(Match, Span)]) -> bool {
    let bytes = |matches| matches == Match::Substring;
    excused.iter().any(|(kind, (from, to))| {
        bytes(*kind) == bytes(matches) && *from <= span.0 && span.1 <= *to
    })
}

impl Rule {
    fn new(reason: &str, matches: Match, term: &str) -> Self {
        let word = |word: &str| match matches {
            Match::Words | Match::WholeWords => stem(word),
            Match::Syllables | Match::Accented | Match::WholeAccented => plain_tones(word),
            Match::Substring => compact(word),
        };
        let sequence = |part: &str| Sequence::new(part.split_whitespace().map(word).collect());
        let sequences = match matches {
            Match::Words | Match::WholeWords => term.split('&').map(sequence).collect(),
            Match::Syllables | Match::Accented | Match::WholeAccented => vec![sequence(term)],
            Match::Substring => vec![Sequence::new(vec![compact(term)])],
        };
        Self {
            reason: reason.to_owned(),
            term: term.to_owned(),
            matches,
            sequences,
        }
    }

    /// Where the rule matches. A term of several sequences spans from its first to its last.
    fn spans(&self, label: &Label) -> Vec<Span> {
        let mut found: Option<Vec<Span>> = None;
        for sequence in &self.sequences {
            let spans = self.sequence_spans(sequence, label);
            found = Some(match found {
                None => spans,
                Some(before) => joined(&before, &spans),
            });
        }
        found.unwrap_or_default()
    }

    fn sequence_spans(&self, sequence: &Sequence, label: &Label) -> Vec<Span> {
        let words = sequence.words.as_slice();
        let whole = label.stems.len() == words.len();
        let exact = |term: &String, word: &str| term == word;
        match self.matches {
            Match::Substring => {
                let Some(term) = words.first().filter(|term| !term.is_empty()) else {
                    return Vec::new();
                };
                let end = |from: usize| from.saturating_add(term.len());
                label
                    .compact
                    .match_indices(term)
                    .map(|(from, _)| (from, end(from)))
                    .collect()
            }
            Match::Words => {
                let mut spans = windows(words, &label.stems, stem_matches);
                spans.extend(sequence.glued_spans(&label.stems));
                spans
            }
            Match::WholeWords if whole => windows(words, &label.stems, stem_matches),
            Match::WholeAccented if whole => windows(words, &label.accented, exact),
            Match::WholeWords | Match::WholeAccented => Vec::new(),
            Match::Accented => windows(words, &label.accented, exact),
            Match::Syllables => {
                // Where accents are left off, the folded term counts, syllable by syllable.
                let either =
                    |(term, folded): &(String, String), word: &str| term == word || folded == word;
                let mut spans = windows(&sequence.pairs, &label.accented, either);
                spans.extend(sequence.glued_spans(&label.accented));
                spans
            }
        }
    }
}

impl Sequence {
    fn new(words: Vec<String>) -> Self {
        let pairs: Vec<(String, String)> = words
            .iter()
            .map(|word| (word.clone(), fold(word)))
            .collect();
        let glued: String = pairs.iter().map(|(_, folded)| folded.as_str()).collect();
        let glued = glued.trim_end_matches('*').to_owned();
        Self {
            words,
            pairs,
            glued,
        }
    }

    /// Words of the label that begin with the whole term written as one, or hold it when it is
    /// one long word.
    fn glued_spans(&self, label: &[String]) -> Vec<Span> {
        let one = self.glued.as_str();
        let several = self.words.len() > 1;
        let letters = one.chars().count();
        let within = !several && letters >= WITHIN_WORD_LETTERS_MIN;
        let begins = several && letters >= GLUED_LETTERS_MIN;
        let holds = |word: &str| {
            (several && word == one)
                || (begins && word.starts_with(one))
                || (within && word.contains(one))
        };
        let found = label.iter().enumerate().filter(|(_, word)| holds(word));
        found
            .map(|(from, _)| (from, from.saturating_add(1)))
            .collect()
    }
}

fn joined(before: &[Span], after: &[Span]) -> Vec<Span> {
    let pair = |a: &Span, b: &Span| (a.0.min(b.0), a.1.max(b.1));
    before
        .iter()
        .flat_map(|a| after.iter().map(move |b| pair(a, b)))
        .collect()
}

/// Places where the words of a term follow each other in the label.
fn windows<T>(term: &[T], label: &[String], same: impl Fn(&T, &str) -> bool) -> Vec<Span> {
    if term.is_empty() {
        return Vec::new();
    }
    let matches = |window: &[String]| term.iter().zip(window).all(|(t, word)| same(t, word));
    let found = label
        .windows(term.len())
        .enumerate()
        .filter(|(_, window)| matches(window));
    found
        .map(|(from, _)| (from, from.saturating_add(term.len())))
        .collect()
}

fn stem_matches(term: &String, word: &str) -> bool {
    match term.strip_suffix('*') {
        Some(beginning) => word.starts_with(beginning),
        None => term == word,
    }
}

impl Label {
    fn new(text: &str) -> Self {
        let normal = nfkc(text);
        let accented: Vec<String> = split_words(&normal)
            .iter()
            .map(|word| plain_tones(word))
            .collect();
        let stems = accented.iter().map(|word| stem(word)).collect();
        Self {
            compact: compact(&normal),
            accented,
            stems,
        }
    }
}

/// Lower-case text without spaces and invisible joiners, for scripts that have no spaces.
fn compact(text: &str) -> String {
    let kept = |c: &char| !c.is_whitespace() && !matches!(c, '\u{200B}'..='\u{200D}' | '_' | '-');
    nfc(text)
        .chars()
        .filter(kept)
        .flat_map(char::to_lowercase)
        .collect()
}

/// Splits at anything that is no letter or digit, and at the humps of `camelCase`.
fn split_words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let chars: Vec<char> = nfc(text).chars().collect();
    let mut before: Option<char> = None;
    for (at, &c) in chars.iter().enumerate() {
        let next = chars.get(at.saturating_add(1)).copied();
        if !c.is_alphanumeric() {
            words.push(String::new());
            before = None;
            continue;
        }
        if before.is_some_and(|b| is_hump(b, c, next)) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
        before = Some(c);
    }
    words.retain(|word| !word.is_empty());
    words
}

/// `tG` in `ethnicGroup`, the `T` of `GPSTrack`, a digit beside a letter.
fn is_hump(before: char, c: char, next: Option<char>) -> bool {
    let lower_upper = before.is_lowercase() && c.is_uppercase();
    let acronym_end =
        before.is_uppercase() && c.is_uppercase() && next.is_some_and(char::is_lowercase);
    lower_upper || acronym_end || before.is_ascii_digit() != c.is_ascii_digit()
}

/// An English word in lower case without the plural. Crude on purpose: both the terms and the
/// labels go through it, so it only needs to do the same to both.
fn stem(word: &str) -> String {
    let lower = word.to_lowercase();
    let strip = |end: &str, put: &str| lower.strip_suffix(end).map(|rest| format!("{rest}{put}"));
    if lower.len() <= 3 || lower.ends_with("ss") || lower.ends_with("us") || lower.ends_with("is") {
        return lower;
    }
    let plural = strip("ies", "y")
        .or_else(|| strip("sses", "ss"))
        .or_else(|| strip("ches", "ch"))
        .or_else(|| strip("shes", "sh"))
        .or_else(|| strip("xes", "x"))
        .or_else(|| strip("s", ""));
    plural.unwrap_or(lower)
}

#[cfg(test)]
mod tests;
