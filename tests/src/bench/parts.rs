//! Where the bytes of a visit lie, and what other ways of packing would save.
//!
//! No figure here has a bound. The sample rows are made of the coder's own dictionary, so that
//! they teach it the layout and no language that it does not know yet.

use std::path::Path;

use sync_core::codec::{DICTIONARY, Model};
use sync_core::exchange::unpack;
use sync_core::ids::AreaRef;
use sync_core::limits::PLAIN_BYTES_MAX;

use super::founding::found;
use super::phone::{ALL, Phone, model};
use super::records::{Records, Words, corpus_hash};
use super::report::{Report, Scenario};
use super::served::InProcess;
use super::{Options, Trouble, told};

/// Sample records.
const SAMPLES: usize = 12;
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
    area: AreaRef,
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
    let mut rows = Rows {
        area: writer.area,
        ..Rows::default()
    };
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

fn without_area(rows: &[u8], area: AreaRef) -> Vec<u8> {
    let mut left = Vec::new();
    let mut rest = rows;
    while let Some((byte, after)) = rest.split_first() {
        if let Some(after) = rest.strip_prefix(area.as_bytes()) {
            rest = after;
        } else {
            left.push(*byte);
            rest = after;
        }
    }
    left
}

pub(super) fn run(options: Options) -> Result<Report, Trouble> {
    let sampled = in_a_new_place(|data| bodies(data, dictionary_words(), SAMPLE_SEED, 1, SAMPLES))?;
    let plain = Model::primed();
    let mut primed = Model::primed();
    for body in &sampled.up {
        primed = primed.having_read(&body.rows);
    }
    let models = Models { plain, primed };
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
                    models.measure(scenario, body, rows.area, count);
                }
            }
        }
        scenarios.extend([sent, pulled]);
    }
    let mut notes = Scenario::new("notes");
    for note in Words::held_out().notes {
        notes.add("plain", note.len() as f64);
        notes.add("packed", models.plain.pack(note.as_bytes()).len() as f64);
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
            format!("primed: the model has also read {SAMPLES} requests of one sample record"),
            "own_area: without the sixteen bytes of the group's own area".to_owned(),
        ],
        scenarios,
    })
}

fn in_a_new_place<T>(work: impl FnOnce(&Path) -> Result<T, Trouble>) -> Result<T, Trouble> {
    let home = tempfile::tempdir().map_err(told("a directory"))?;
    work(&home.path().join("data"))
}

/// The coder as it is, and one that knows the layout.
struct Models {
    plain: Model,
    primed: Model,
}

impl Models {
    fn measure(&self, scenario: &mut Scenario, body: &Body, area: AreaRef, count: usize) {
        let per = |bytes: usize| bytes as f64 / count as f64;
        let lean = without_area(&body.rows, area);
        scenario.add("raw", per(body.raw));
        scenario.add("plain", per(body.rows.len()));
        scenario.add("packed", per(self.plain.pack(&body.rows).len()));
        scenario.add("packed_primed", per(self.primed.pack(&body.rows).len()));
        scenario.add("packed_own_area", per(self.plain.pack(&lean).len()));
        scenario.add("packed_primed_own_area", per(self.primed.pack(&lean).len()));
    }
}
