//! Packs the names of the units for phones, which carry them on each download: the table as text
//! is 115 kB, and of it a phone asks for names by code only. `src/vocabulary/unit_names.rs` reads
//! what is written here; a test there holds it against the table.

#![expect(
    clippy::disallowed_methods,
    reason = "a build script reads the table and writes what the crate includes; the crate does neither"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;

const UNITS: &str = "src/vocabulary/data/units.csv";

/// So many syllables, the most frequent, are written as one byte, all others as two. Of those that
/// occur at all, the table has some 1,200.
const SHORT_SYLLABLES: usize = 245;

/// No byte of a syllable is smaller; what is smaller counts bytes.
const LETTERS_FROM: u8 = 0x20;

/// A unit: its code, and the words of its name.
type Unit<'t> = (&'t str, Vec<&'t str>);

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={UNITS}");
    let text = std::fs::read_to_string(UNITS)?;
    let path = Path::new(&std::env::var("OUT_DIR")?).join("unit_names.rs");
    std::fs::write(path, columns(&units(&text)?)?)?;
    Ok(())
}

/// Code and name of each unit, provinces first (their codes are shorter), by code.
fn units(text: &str) -> Result<Vec<Unit<'_>>, Box<dyn Error>> {
    let mut units = Vec::new();
    for line in text.lines().skip(1) {
        let &[_, code, name, _, _] = line.split(',').collect::<Vec<_>>().as_slice() else {
            return Err(format!("{UNITS}: {line}: these are not five plain cells").into());
        };
        units.push((code, name.split(' ').collect()));
    }
    units.sort_by_key(|(code, _)| (code.len(), *code));
    Ok(units)
}

/// One column after the other, because gzip, which packs all of a module, finds more in what is
/// alike.
fn columns(units: &[Unit<'_>]) -> Result<String, Box<dyn Error>> {
    let (short, long) = syllables(units);
    let mut places = BTreeMap::new();
    for (place, syllable) in short.iter().chain(&long).enumerate() {
        let bytes = match place.checked_sub(SHORT_SYLLABLES) {
            None => vec![u8::try_from(place)?],
            Some(rest) => vec![
                u8::try_from(SHORT_SYLLABLES + rest / 256)?,
                u8::try_from(rest % 256)?,
            ],
        };
        places.insert(*syllable, bytes);
    }
    let (mut steps, mut counts, mut heads, mut tails) = (vec![], vec![], vec![], vec![]);
    let mut before = ("", 0_u32);
    for (code, words) in units {
        let number: u32 = code.parse()?;
        let from = if code.len() == before.0.len() {
            before.1
        } else {
            0
        };
        steps.push(u8::try_from(number - from)?);
        before = (code, number);
        counts.push(u8::try_from(words.len())?);
        for (at, word) in words.iter().enumerate() {
            let column = if at == 0 { &mut heads } else { &mut tails };
            column.extend_from_slice(&places[word]);
        }
    }
    let provinces = units.iter().filter(|(code, _)| code.len() == 2).count();
    let mut written = String::new();
    writeln!(written, "const PROVINCES: usize = {provinces};")?;
    writeln!(written, "const SHORT_SYLLABLES: usize = {SHORT_SYLLABLES};")?;
    writeln!(written, "const LETTERS_FROM: u8 = {LETTERS_FROM};")?;
    for (name, bytes) in [
        ("SYLLABLES", [spelled(&short)?, spelled(&long)?].concat()),
        ("STEPS", steps),
        ("COUNTS", counts),
        ("HEADS", heads),
        ("TAILS", tails),
    ] {
        writeln!(written, "static {name}: [u8; {}] = {bytes:?};", bytes.len())?;
    }
    Ok(written)
}

/// The syllables that are written short and those that are not, each in their order as bytes.
fn syllables<'t>(units: &[Unit<'t>]) -> (Vec<&'t str>, Vec<&'t str>) {
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    for word in units.iter().flat_map(|(_, words)| words) {
        *uses.entry(word).or_default() += 1;
    }
    let mut frequent: Vec<&str> = uses.keys().copied().collect();
    frequent.sort_by_key(|word| std::cmp::Reverse(uses[word]));
    let short: BTreeSet<&str> = frequent.into_iter().take(SHORT_SYLLABLES).collect();
    uses.into_keys().partition(|word| short.contains(word))
}

/// Each syllable as the number of bytes that it begins with like the one before, and its other
/// bytes. No letter is as small as that number.
fn spelled(syllables: &[&str]) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut spelled = Vec::new();
    let mut before = "";
    for syllable in syllables {
        let same = syllable
            .bytes()
            .zip(before.bytes())
            .take_while(|(byte, other)| byte == other)
            .count();
        let count = u8::try_from(same)?;
        let rest = &syllable.as_bytes()[same..];
        if count >= LETTERS_FROM || rest.iter().any(|byte| *byte < LETTERS_FROM) {
            return Err(format!("{UNITS}: {syllable} cannot be spelled").into());
        }
        spelled.push(count);
        spelled.extend_from_slice(rest);
        before = syllable;
    }
    Ok(spelled)
}
