//! Where the bytes of a visit lie; and the sample rows that the coder has read.
//!
//! No figure here has a bound. The sample rows are made of the coder's own dictionary, so that
//! they teach it the layout and no language that it does not know yet.

use std::fmt::Write as _;
use std::path::Path;

use sync_core::codec::DICTIONARY;
use sync_core::exchange::unpack;
use sync_core::limits::PLAIN_BYTES_MAX;

use super::founding::found;
use super::phone::{ALL, Phone, model};
use super::records::{Records, Words, corpus_hash};
use super::report::{Report, Scenario};
use super::served::InProcess;
use super::{Options, Trouble, told};
use crate::sim::Dice;

/// Sample records, and those among them with all fifteen fields.
const SAMPLES: usize = 12;
const SAMPLES_WHOLE: usize = 8;
const FIELD_KEPT_PERCENT: u64 = 75;
const SAMPLE_FIRST_S: i64 = 1_790_000_000;
const SAMPLE_SEED: u64 = 0x5eed;
const HELD: usize = 40;
const BATCH: usize = 20;
/// Of the hub, with the real disk.
const STEPS: [&str; 4] = ["open_ms", "verify_ms", "admit_ms", "answer_ms"];
/// Visits of each kind and seed.
const VISITS: usize = 4;

/// Rows of bodies, unpacked.
#[derive(Debug, Default)]
struct Rows {
    up: Vec<Body>,
    down: Vec<Body>,
    /// Milliseconds of each visit of the writer in the hub: open, verify, admit, answer.
    steps: Vec<[f64; 4]>,
}

#[derive(Debug)]
struct Body {
    raw: usize,
    rows: Vec<u8>,
}

impl Body {
    fn of(bytes: &[u8]) -> Result<Self, Trouble> {
        let (raw, rows) = unpack(model(), bytes, PLAIN_BYTES_MAX).map_err(told("a body"))?;
        Ok(Self {
            raw: raw.len(),
            rows,
        })
    }

    fn measure(&self, scenario: &mut Scenario, count: usize) {
        let per = |bytes: usize| bytes as f64 / count as f64;
        scenario.add("raw", per(self.raw));
        scenario.add("plain", per(self.rows.len()));
        scenario.add("packed", per(model().pack(&self.rows).len()));
    }
}

/// The dictionary's sentences put together to notes, and its first words as places.
fn dictionary_words() -> Words {
    let mut notes = Vec::new();
    let mut note = String::new();
    for sentence in DICTIONARY.lines().skip(4).flat_map(|line| line.split(". ")) {
        if !note.is_empty() {
            note.push_str(". ");
        }
        note.push_str(sentence.trim_end_matches('.'));
        if note.chars().count() >= 180 {
            note.push('.');
            notes.push(std::mem::take(&mut note).chars().take(240).collect());
        }
    }
    let first = DICTIONARY.lines().next().unwrap_or_default();
    let words: Vec<String> = first.split("; ").map(str::to_owned).collect();
    let spots = words.iter().skip(8).take(20).cloned().collect();
    let near = words.iter().skip(28).take(20).cloned().collect();
    Words { notes, spots, near }
}

/// Bodies of a writer that brings `count` records a visit, and of a reader that pulls them.
fn bodies(
    data: &Path,
    words: Words,
    seed: u64,
    count: usize,
    visits: usize,
) -> Result<Rows, Trouble> {
    let mut phones = found(data, 1, 2, seed)?.into_iter();
    let (Some(mut writer), Some(mut reader)) = (phones.next(), phones.next()) else {
        return Err("a phone is missing".to_owned());
    };
    let mut hub = InProcess::open(data)?;
    let first_s = server::now_s() - 100 * 86_400;
    let mut records = Records::of_words(words, seed, writer.area, first_s);
    writer.save(&records.take(HELD)?)?;
    writer.sync(&mut hub)?;
    reader.sync(&mut hub)?;
    let mut rows = Rows::default();
    for _ in 0..visits {
        writer.save(&records.take(count)?)?;
        let before = hub.steps;
        rows.up.push(one_visit(&mut writer, &mut hub)?.0);
        let step = |nth: usize| (hub.steps[nth] - before[nth]).as_secs_f64() * 1_000.0;
        rows.steps.push(std::array::from_fn(step));
        rows.down.push(one_visit(&mut reader, &mut hub)?.1);
    }
    Ok(rows)
}

fn one_visit(phone: &mut Phone, hub: &mut InProcess) -> Result<(Body, Body), Trouble> {
    let outgoing = phone.replica.poll_request(model(), ALL, 0);
    let outgoing = outgoing.map_err(told("a request"))?;
    let answer = hub.answer(outgoing.body())?;
    let bodies = (Body::of(outgoing.body())?, Body::of(&answer)?);
    phone
        .replica
        .handle_answer(model(), &outgoing, &answer)
        .map_err(told("an answer"))?;
    Ok(bodies)
}

/// The rows of sample requests, one a line, in hex: what the coder has read beside its dictionary.
/// Each brings one record, and the later ones leave some of its fields out, as people do.
pub(super) fn samples() -> Result<String, Trouble> {
    let rows = in_a_new_place(|data| {
        let mut phones = found(data, 1, 1, SAMPLE_SEED)?.into_iter();
        let mut writer = phones.next().ok_or("a phone is missing")?;
        let mut hub = InProcess::open(data)?;
        let words = dictionary_words();
        let mut records = Records::of_words(words, SAMPLE_SEED, writer.area, SAMPLE_FIRST_S);
        let mut dice = Dice::new(SAMPLE_SEED);
        writer.sync(&mut hub)?;
        let mut rows = Vec::new();
        for nth in 0..SAMPLES {
            let mut drawn = records.take(1)?;
            if nth >= SAMPLES_WHOLE {
                for record in &mut drawn {
                    record.values.retain(|_, _| dice.chance(FIELD_KEPT_PERCENT));
                }
            }
            writer.save(&drawn)?;
            rows.push(one_visit(&mut writer, &mut hub)?.0.rows);
        }
        Ok(rows)
    })?;
    let mut text = String::new();
    for row in rows {
        for byte in row {
            write!(text, "{byte:02x}").map_err(told("a line"))?;
        }
        text.push('\n');
    }
    Ok(text)
}

pub(super) fn run(options: Options) -> Result<Report, Trouble> {
    let mut scenarios = Vec::new();
    for (up, down, count) in [("new_1", "pull_1", 1), ("new_20", "pull_20", BATCH)] {
        let (mut sent, mut pulled) = (Scenario::new(up), Scenario::new(down));
        for nth in 0..options.runs {
            let seed = options.seed.wrapping_add(u64::from(nth));
            let rows = in_a_new_place(|data| bodies(data, Words::held_out(), seed, count, VISITS))?;
            for steps in rows.steps {
                for (key, taken) in STEPS.into_iter().zip(steps) {
                    sent.add(key, taken);
                }
            }
            for (scenario, of) in [(&mut sent, &rows.up), (&mut pulled, &rows.down)] {
                for body in of {
                    body.measure(scenario, count);
                }
            }
        }
        scenarios.extend([sent, pulled]);
    }
    let mut notes = Scenario::new("notes");
    for note in Words::held_out().notes {
        notes.add("plain", note.len() as f64);
        notes.add("packed", model().pack(note.as_bytes()).len() as f64);
    }
    scenarios.push(notes);
    Ok(Report {
        bench: "parts",
        seed: options.seed,
        corpus: corpus_hash(),
        remarks: vec![
            "bytes per record; a body is raw, packed and three or four bytes".to_owned(),
            "steps: milliseconds of a visit in one thread, the real disk's sync included"
                .to_owned(),
        ],
        scenarios,
    })
}

fn in_a_new_place<T>(work: impl FnOnce(&Path) -> Result<T, Trouble>) -> Result<T, Trouble> {
    let home = tempfile::tempdir().map_err(told("a directory"))?;
    work(&home.path().join("data"))
}
