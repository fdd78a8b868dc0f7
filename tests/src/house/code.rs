//! Rust text, taken apart just enough that a rule can tell code from words about code.
//!
//! A rule that looks for `HashMap` must not stumble over a comment which says why there is none,
//! and a rule that looks for SQL must look into literals only. This is no parser: it knows
//! comments, literals and lifetimes, and keeps every line where it was.

use std::iter::Peekable;
use std::str::CharIndices;

/// A Rust file in three layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// The text with comments and the insides of literals replaced by spaces; lines stay in place.
    pub bare: String,
    /// The string literals: the line on which each begins (from 1), and what is written inside.
    pub strings: Vec<(usize, String)>,
}

impl Code {
    /// Takes a file apart.
    #[must_use]
    pub fn of(text: &str) -> Self {
        Lexer {
            text,
            chars: text.char_indices().peekable(),
            bare: String::new(),
            strings: vec![],
        }
        .run()
    }

    /// The bare code without what stands under `#[cfg(test)]`.
    #[must_use]
    pub fn product(&self) -> String {
        split_tests(&self.bare).0
    }

    /// Only the bare code that stands under `#[cfg(test)]`.
    #[must_use]
    pub fn tests(&self) -> String {
        split_tests(&self.bare).1
    }
}

/// The line of a byte offset, from 1.
#[must_use]
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

/// Where `word` stands in `text` as a word of its own, as byte offsets.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    text.match_indices(word)
        .map(|(at, _)| at)
        .filter(move |at| {
            let before = text.get(..*at).and_then(|head| head.chars().next_back());
            let after = text
                .get(at + word.len()..)
                .and_then(|tail| tail.chars().next());
            !before.is_some_and(is_name) && !after.is_some_and(is_name)
        })
}

/// The names that follow `root::` in `bare`, with their offsets: `fs` for both `std::fs::read`
/// and `use std::{env, fs}`.
#[must_use]
pub fn names_below<'a>(bare: &'a str, root: &'a str) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for at in words(bare, root) {
        let start = at + root.len();
        let Some(rest) = bare.get(start..).and_then(|rest| rest.strip_prefix("::")) else {
            continue;
        };
        let start = start + 2;
        match rest.strip_prefix('{') {
            Some(group) => found.extend(names_of_group(group, start + 1)),
            None => found.extend(name_at(rest).map(|name| (start, name))),
        }
    }
    found
}

fn names_of_group(group: &str, offset: usize) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut expects_name = true;
    for (at, char) in group.char_indices() {
        match char {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => expects_name = true,
            char if is_name(char) && expects_name => {
                expects_name = false;
                let name = group.get(at..).and_then(name_at);
                found.extend(name.map(|name| (offset + at, name)));
            }
            _ => {}
        }
    }
    found
}

fn name_at(text: &str) -> Option<&str> {
    let end = text.find(|char| !is_name(char)).unwrap_or(text.len());
    text.get(..end).filter(|name| !name.is_empty())
}

fn is_name(char: char) -> bool {
    char.is_alphanumeric() || char == '_'
}

/// The text outside and inside of items under `#[cfg(test)]`, each with the other one blanked.
fn split_tests(bare: &str) -> (String, String) {
    const MARK: &str = "#[cfg(test)]";
    let (mut product, mut tests) = (String::new(), String::new());
    let mut rest = bare;
    while let Some(at) = rest.find(MARK) {
        let (before, item) = rest.split_at(at);
        let (item, after) = item.split_at(end_of_item(item));
        product.push_str(before);
        tests.push_str(&blank(before));
        product.push_str(&blank(item));
        tests.push_str(item);
        rest = after;
    }
    product.push_str(rest);
    tests.push_str(&blank(rest));
    (product, tests)
}

/// An item ends at its first semicolon or at the brace that closes its first one.
fn end_of_item(item: &str) -> usize {
    let mut depth = 0_usize;
    for (at, char) in item.char_indices() {
        match char {
            ';' if depth == 0 => return at + 1,
            '{' => depth += 1,
            '}' if depth <= 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    item.len()
}

fn blank(text: &str) -> String {
    text.chars().map(blank_char).collect()
}

fn blank_char(char: char) -> char {
    if char == '\n' { '\n' } else { ' ' }
}

struct Lexer<'a> {
    text: &'a str,
    chars: Peekable<CharIndices<'a>>,
    bare: String,
    strings: Vec<(usize, String)>,
}

impl Lexer<'_> {
    fn run(mut self) -> Code {
        while let Some((at, char)) = self.chars.next() {
            match char {
                '/' if self.rest(at).starts_with("//") => self.line_comment(),
                '/' if self.rest(at).starts_with("/*") => self.block_comment(),
                '"' => self.string(at),
                '\'' => self.quote(at),
                char if is_name(char) => self.name(at, char),
                char => self.bare.push(char),
            }
        }
        Code {
            bare: self.bare,
            strings: self.strings,
        }
    }

    fn rest(&self, at: usize) -> &str {
        self.text.get(at..).unwrap_or_default()
    }

    /// The offset of what comes next.
    fn here(&mut self) -> usize {
        self.chars.peek().map_or(self.text.len(), |(at, _)| *at)
    }

    fn line_comment(&mut self) {
        self.bare.push(' ');
        while let Some((_, char)) = self.chars.next_if(|(_, char)| *char != '\n') {
            self.bare.push(blank_char(char));
        }
    }

    fn block_comment(&mut self) {
        self.bare.push(' ');
        let mut depth = 1_usize;
        self.skip();
        while let Some((at, _)) = self.chars.peek().copied() {
            if self.rest(at).starts_with("/*") {
                depth += 1;
                self.skip();
            } else if self.rest(at).starts_with("*/") {
                depth -= 1;
                self.skip();
            }
            self.skip();
            if depth == 0 {
                return;
            }
        }
    }

    fn skip(&mut self) {
        if let Some((_, char)) = self.chars.next() {
            self.bare.push(blank_char(char));
        }
    }

    /// A name or number; as the prefix of a literal it decides how that literal ends.
    fn name(&mut self, at: usize, first: char) {
        self.bare.push(first);
        while let Some((_, char)) = self.chars.next_if(|(_, char)| is_name(*char)) {
            self.bare.push(char);
        }
        let end = self.here();
        let prefix = self.text.get(at..end).unwrap_or_default();
        if matches!(prefix, "r" | "br" | "cr") {
            self.raw_string(end);
        }
    }

    fn raw_string(&mut self, at: usize) {
        let rest = self.rest(at);
        let hashes = rest.bytes().take_while(|byte| *byte == b'#').count();
        if !rest.get(hashes..).is_some_and(|rest| rest.starts_with('"')) {
            return;
        }
        let close = format!("\"{}", "#".repeat(hashes));
        for _ in 0..=hashes {
            self.skip();
        }
        let begin = at + hashes + 1;
        while self.chars.peek().is_some() {
            let here = self.here();
            if self.rest(here).starts_with(&close) {
                break;
            }
            self.skip();
        }
        self.record(at, begin);
        for _ in 0..=hashes {
            self.skip();
        }
    }

    /// The opening quote has been read.
    fn string(&mut self, at: usize) {
        self.bare.push(' ');
        while let Some((_, char)) = self.chars.peek().copied() {
            match char {
                '"' => break,
                '\\' => {
                    self.skip();
                    self.skip();
                }
                _ => self.skip(),
            }
        }
        self.record(at, at + 1);
        self.skip();
    }

    /// Keeps what is written from `begin` to here, as a literal that starts at `at`.
    fn record(&mut self, at: usize, begin: usize) {
        let end = self.here();
        let inside = self.text.get(begin..end).unwrap_or_default().to_owned();
        self.strings.push((line_of(self.text, at), inside));
    }

    /// A quote begins a character literal or a lifetime; only the literal has a second quote.
    fn quote(&mut self, at: usize) {
        self.bare.push('\'');
        let rest = self.rest(at + 1).to_owned();
        let mut chars = rest.chars();
        let (first, second) = (chars.next(), chars.next());
        if first != Some('\\') && second != Some('\'') {
            return;
        }
        self.skip();
        if first == Some('\\') {
            self.skip();
        }
        while self
            .chars
            .peek()
            .is_some_and(|(_, char)| *char != '\'' && *char != '\n')
        {
            self.skip();
        }
        self.skip();
    }
}
