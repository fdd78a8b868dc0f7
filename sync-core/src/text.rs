//! Text as it is compared: folding, index text, search rules, and what no text may hold.
//!
//! A record keeps its text as typed. What is compared is folded: accents off, lower case, so
//! that "tuan tra" finds "Tuần tra". What is indexed is [`index_text`], which both the index and
//! the query go through: were they to differ, a search would silently find nothing.

mod full_names;
mod names;
pub(crate) mod normal;
mod plates;
mod search;

use std::fmt::Write as _;

use normal::{is_mark, nfc, nfd};

pub use search::{
    QUERY_CHARS_MAX, QUERY_DIGITS_IN_A_ROW_MAX, QUERY_UNITS_MIN, SearchQuery, SearchRefusal,
    search_query,
};

/// So many combining marks may follow each other. Vietnamese in decomposed form needs two, Khmer
/// up to about six; more only serves to paint over the neighbouring lines of a screen.
pub const MARKS_IN_A_ROW_MAX: usize = 8;

/// What makes a text unfit to be shown to anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// A control character other than line feed and tab.
    #[error("control character U+{0:04X}")]
    Control(u32),
    /// A character that reorders what follows: it can make a sentence read backwards.
    #[error("bidirectional control U+{0:04X}")]
    BidiControl(u32),
    /// A code point that is no character and never will be.
    #[error("noncharacter U+{0:04X}")]
    Noncharacter(u32),
    /// More than [`MARKS_IN_A_ROW_MAX`] combining marks in a row.
    #[error("more than {MARKS_IN_A_ROW_MAX} combining marks in a row")]
    TooManyMarks,
}

/// The first fault of a text that somebody will read, if it has one.
pub fn display_text_fault(text: &str) -> Option<TextFault> {
    let mut marks = 0_usize;
    for c in text.chars() {
        let number = u32::from(c);
        match c {
            '\n' | '\t' => {}
            _ if c.is_control() => return Some(TextFault::Control(number)),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
                return Some(TextFault::BidiControl(number));
            }
            '\u{FDD0}'..='\u{FDEF}' => return Some(TextFault::Noncharacter(number)),
            _ if number & 0xFFFE == 0xFFFE => return Some(TextFault::Noncharacter(number)),
            _ => {}
        }
        marks = if is_mark(c) {
            marks.saturating_add(1)
        } else {
            0
        };
        if marks > MARKS_IN_A_ROW_MAX {
            return Some(TextFault::TooManyMarks);
        }
    }
    None
}

/// Folds for comparison: accents off, đ as d, lower case, ’ as ', no invisible joiners.
///
/// Never a key: within one province "Mỹ Tho" and "Mỹ Thọ" fold alike.
pub fn fold(text: &str) -> String {
    let folded: String = nfd(text)
        .chars()
        .flat_map(char::to_lowercase)
        .filter_map(|c| match c {
            '\u{0300}'..='\u{036F}' | '\u{200B}'..='\u{200D}' => None,
            'đ' => Some('d'),
            '’' => Some('\''),
            other => Some(other),
        })
        .collect();
    nfc(&folded).into_owned()
}

/// Lower case with one tone placement, so that "Hoà" and "Hòa" compare equal with their accents
/// kept. For comparison only: it writes "hòan" for "hoàn", on both sides alike.
pub(crate) fn plain_tones(text: &str) -> String {
    const PAIRS: [(&str, &str); 15] = [
        ("oà", "òa"),
        ("oá", "óa"),
        ("oả", "ỏa"),
        ("oã", "õa"),
        ("oạ", "ọa"),
        ("oè", "òe"),
        ("oé", "óe"),
        ("oẻ", "ỏe"),
        ("oẽ", "õe"),
        ("oẹ", "ọe"),
        ("uỳ", "ùy"),
        ("uý", "úy"),
        ("uỷ", "ủy"),
        ("uỹ", "ũy"),
        ("uỵ", "ụy"),
    ];
    let mut plain: String = nfc(text).chars().flat_map(char::to_lowercase).collect();
    for (from, to) in PAIRS {
        if plain.contains(from) {
            plain = plain.replace(from, to);
        }
    }
    plain
}

/// The value of a decimal digit, Latin or Khmer.
pub(crate) fn digit_value(c: char) -> Option<u32> {
    match c {
        '\u{17E0}'..='\u{17E9}' => u32::from(c).checked_sub(0x17E0),
        other => other.to_digit(10),
    }
}

/// The text of a record as it is indexed, and of a query as it is looked up.
///
/// Folded words stand as they are. Khmer (and Cham, Lao, Thai, Burmese) has no spaces between
/// words and no segmenter is at hand, so a run becomes bigrams of orthographic clusters; Chinese
/// becomes bigrams of characters. Clusters are spelled in hexadecimal, because a full-text
/// tokenizer takes their vowel signs for separators and would cut them apart.
pub fn index_text(text: &str) -> String {
    let mut out = String::new();
    for run in runs(text) {
        for token in run.tokens() {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&token);
        }
    }
    out
}

/// A stretch of text of one way of writing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Run {
    /// Words with spaces or punctuation between them; no break by punctuation inside.
    Words(Vec<String>),
    /// Orthographic clusters of a script without spaces.
    Clusters(Vec<String>),
    /// Chinese characters.
    Characters(Vec<String>),
}

impl Run {
    /// How many units of search it has: words, clusters or characters.
    pub(crate) fn units_count(&self) -> usize {
        match self {
            Self::Words(units) | Self::Clusters(units) | Self::Characters(units) => units.len(),
        }
    }

    /// What stands in the index for it, in order.
    pub(crate) fn tokens(&self) -> Vec<String> {
        match self {
            Self::Words(words) => words.clone(),
            Self::Characters(characters) => pairs(characters, ""),
            Self::Clusters(clusters) => {
                let spelled: Vec<String> = clusters.iter().map(|cluster| spell(cluster)).collect();
                pairs(&spelled, "z")
            }
        }
    }
}

/// Each unit joined with the next; a lone unit stands alone.
fn pairs(units: &[String], between: &str) -> Vec<String> {
    if let [only] = units {
        return vec![only.clone()];
    }
    units.windows(2).map(|pair| pair.join(between)).collect()
}

fn spell(cluster: &str) -> String {
    let mut spelled = String::from("k");
    for c in cluster.chars() {
        let written = write!(spelled, "{:x}", u32::from(c));
        debug_assert!(written.is_ok(), "writing to a String cannot fail");
    }
    spelled
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    Word,
    Cluster,
    Character,
    Space,
    Break,
}

fn writing(c: char) -> Writing {
    match c {
        '\u{1780}'..='\u{17D3}' | '\u{17DC}' | '\u{17DD}' => Writing::Cluster,
        '\u{0E01}'..='\u{0E4E}' | '\u{0E81}'..='\u{0ECD}' | '\u{1000}'..='\u{103F}' => {
            Writing::Cluster
        }
        '\u{AA00}'..='\u{AA4D}' => Writing::Cluster,
        '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' => {
            Writing::Character
        }
        '\u{20000}'..='\u{3FFFD}' => Writing::Character,
        _ if c.is_alphanumeric() || is_mark(c) => Writing::Word,
        _ if c.is_whitespace() || matches!(c, '-' | '/' | '.' | '\'') => Writing::Space,
        _ => Writing::Break,
    }
}

/// Makes a zero width space (U+200B) a space, where it stands between words.
///
/// In scripts without spaces some writers set it between words and most do not, so there it stays
/// what it is, and folding takes it out.
pub(crate) fn open_zero_width_spaces(text: &str) -> String {
    let mut opened = String::with_capacity(text.len());
    let mut before = Writing::Break;
    for c in text.chars() {
        let is_break = c == '\u{200B}' && !matches!(before, Writing::Cluster | Writing::Character);
        opened.push(if is_break { ' ' } else { c });
        if c != '\u{200B}' {
            before = writing(c);
        }
    }
    opened
}

/// Cuts a text into runs of words, clusters and characters, folded.
pub(crate) fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut before = Writing::Break;
    let mut word_open = false;
    for c in fold(&open_zero_width_spaces(text)).chars() {
        let c = digit_value(c)
            .and_then(|d| char::from_digit(d, 10))
            .unwrap_or(c);
        let now = writing(c);
        match (now, runs.last_mut()) {
            (Writing::Space, _) => {
                // A space ends a word, not a phrase; it does end a run of clusters.
                word_open = false;
                if before == Writing::Cluster || before == Writing::Character {
                    before = Writing::Space;
                }
                continue;
            }
            (Writing::Break, _) => {
                word_open = false;
                before = Writing::Break;
                continue;
            }
            (Writing::Word, Some(Run::Words(words))) if before != Writing::Break => {
                push_unit(words, c, word_open);
                word_open = true;
            }
            (Writing::Cluster, Some(Run::Clusters(units))) if before == Writing::Cluster => {
                let joins = is_mark(c) || units.last().is_some_and(|u| stacks(u));
                push_unit(units, c, joins);
            }
            (Writing::Character, Some(Run::Characters(units))) if before == now => {
                push_unit(units, c, false);
            }
            (Writing::Word, _) => {
                runs.push(Run::Words(vec![c.to_string()]));
                word_open = true;
            }
            (Writing::Cluster, _) => runs.push(Run::Clusters(vec![c.to_string()])),
            (Writing::Character, _) => runs.push(Run::Characters(vec![c.to_string()])),
        }
        before = now;
    }
    runs
}

/// The Khmer sign COENG puts the next consonant under the last.
fn stacks(cluster: &str) -> bool {
    cluster.ends_with('\u{17D2}')
}

fn push_unit(units: &mut Vec<String>, c: char, joins: bool) {
    match units.last_mut() {
        Some(unit) if joins => unit.push(c),
        Some(_) | None => units.push(c.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_the_golden_facts() {
        assert_eq!(fold("Tuần tra"), "tuan tra");
        assert_eq!(
            fold("Đặc khu Phú Quốc, Hòa/Hoà"),
            "dac khu phu quoc, hoa/hoa"
        );
        assert_eq!(fold("Ea H’leo"), fold("Ea H'leo"));
        let decomposed = nfd("Đồng Tháp");
        assert_eq!(fold(&decomposed), "dong thap");
        assert_eq!(fold("ក្រុម\u{200B}ភូមិ"), "ក្រុមភូមិ");
    }

    #[test]
    fn tone_placement_compares_equal_with_accents_kept() {
        assert_eq!(plain_tones("Hoà Thuỷ"), plain_tones("hòa thủy"));
        assert_ne!(plain_tones("hòa"), plain_tones("hóa"));
    }

    #[test]
    fn index_text_keeps_words_and_pairs_the_rest() {
        assert_eq!(
            index_text("Tuần tra, 22h–0h: 3 người."),
            "tuan tra 22h 0h 3 nguoi"
        );
        assert_eq!(index_text("晚上巡邏"), "晚上 上巡 巡邏");
        // ក្រុម is two clusters: ក្រុ and ម.
        let spelled = index_text("ក្រុម");
        assert_eq!(spelled, "k178017d2179a17bbzk1798");
        assert!(index_text("យប់នេះក្រុមល្បាត").contains(&spelled));
        assert_eq!(index_text("ទី ២"), "k179117b8 2");
        assert_eq!(index_text("tuần\u{200B}tra\u{200B}, đêm"), "tuan tra dem");
        assert_eq!(index_text("ក្រុម\u{200B}ភូមិ"), index_text("ក្រុមភូមិ"));
        assert_eq!(index_text("巡\u{200B}邏"), "巡邏");
    }

    #[test]
    fn ordinary_texts_have_no_fault() {
        let decomposed = nfd("Đồng Tháp, ấp Giữa");
        for text in [&*decomposed, "ការល្បាត\u{200B}ស្ត្រី", "巡邏\n\tok", "e\u{301}"]
        {
            assert_eq!(display_text_fault(text), None, "{text}");
        }
    }

    #[test]
    fn faults_are_named() {
        assert_eq!(display_text_fault("a\0"), Some(TextFault::Control(0)));
        assert_eq!(display_text_fault("a\r\n"), Some(TextFault::Control(13)));
        assert_eq!(
            display_text_fault("a\u{202E}b"),
            Some(TextFault::BidiControl(0x202E))
        );
        assert_eq!(
            display_text_fault("\u{2066}"),
            Some(TextFault::BidiControl(0x2066))
        );
        assert_eq!(
            display_text_fault("\u{FFFE}"),
            Some(TextFault::Noncharacter(0xFFFE))
        );
        assert_eq!(
            display_text_fault("\u{1FFFF}"),
            Some(TextFault::Noncharacter(0x1FFFF))
        );
        let painted = format!("a{}", "\u{0301}".repeat(9));
        assert_eq!(display_text_fault(&painted), Some(TextFault::TooManyMarks));
        assert_eq!(
            display_text_fault(&format!("a{}", "\u{0301}".repeat(8))),
            None
        );
    }
}
