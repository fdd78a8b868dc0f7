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
const SAMPLES: usize = 24;
const SAMPLE_SEED: u64 = 0x5eed;
const HELD: usize = 40;
const BATCH: usize = 20;

/// Rows of bodies, unpacked.
#[derive(Debug, Default)]
struct Rows {
    up: Vec<Body>,
    down: Vec<Body>,
    area: AreaRef,
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
        rows.up.push(one_visit(&mut writer, &mut hub)?.0);
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
    let sampled = |visits, count| -> Result<Rows, Trouble> {
        let home = tempfile::tempdir().map_err(told("a directory"))?;
        let data = home.path().join("data");
        bodies(&data, dictionary_words(), SAMPLE_SEED, count, visits)
    };
    let (singles, batch) = (sampled(SAMPLES, 1)?, sampled(2, SAMPLES)?);
    if let Ok(path) = std::env::var("BENCH_DUMP") {
        use std::io::Write as _;
        let mut f = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        for (name, of) in [
            ("S_up1", &singles.up),
            ("S_down1", &singles.down),
            ("S_up20", &batch.up),
            ("S_down20", &batch.down),
        ] {
            for body in of {
                let hex: String = body.rows.iter().map(|b| format!("{b:02x}")).collect();
                writeln!(f, "{name} 0 {hex}").unwrap();
            }
        }
    }
    let reading = |rows: &[&Body]| {
        let mut read = Model::primed();
        for body in rows {
            read = read.having_read(&body.rows);
        }
        read
    };
    let all: Vec<&Body> = singles.up.iter().collect();
    let mixed: Vec<&Body> = singles
        .up
        .iter()
        .take(6)
        .chain(batch.up.iter().take(1))
        .collect();
    let both: Vec<&Body> = (singles.down.iter().take(4))
        .chain(batch.down.iter().take(1))
        .chain(singles.up.iter().take(6))
        .chain(batch.up.iter().take(1))
        .collect();
    let models = [
        ("packed", Model::primed()),
        ("packed_4_samples", reading(&all[..4])),
        ("packed_12_samples", reading(&all)),
        ("packed_1_batch", reading(&[&batch.up[0]])),
        ("packed_mixed", reading(&mixed)),
        ("packed_mixed_both_ways", reading(&both)),
    ];
    let mut scenarios = Vec::new();
    for (up, down, count) in [("new_1", "pull_1", 1), ("new_20", "pull_20", BATCH)] {
        let (mut sent, mut pulled) = (Scenario::new(up), Scenario::new(down));
        for nth in 0..options.runs {
            let home = tempfile::tempdir().map_err(told("a directory"))?;
            let seed = options.seed.wrapping_add(u64::from(nth));
            let data = home.path().join("data");
            let rows = bodies(&data, Words::held_out(), seed, count, 4)?;
            for (scenario, of) in [(&mut sent, &rows.up), (&mut pulled, &rows.down)] {
                for body in of {
                    measure(scenario, body, rows.area, &models, count);
                }
            }
        }
        scenarios.extend([sent, pulled]);
    }
    Ok(Report {
        bench: "parts",
        seed: options.seed,
        corpus: corpus_hash(),
        remarks: vec!["bytes per record; a body is 3 or 4 bytes more than raw + packed".to_owned()],
        scenarios,
    })
}

fn measure(
    scenario: &mut Scenario,
    body: &Body,
    area: AreaRef,
    models: &[(&'static str, Model)],
    count: usize,
) {
    let per = |bytes: usize| bytes as f64 / count as f64;
    if let Ok(path) = std::env::var("BENCH_DUMP") {
        use std::io::Write as _;
        let hex: String = body.rows.iter().map(|b| format!("{b:02x}")).collect();
        let mut f = std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        writeln!(f, "{} {count} {hex}", scenario.name).unwrap();
    }
    let lean = without_area(&body.rows, area);
    scenario.add("raw", per(body.raw));
    scenario.add("plain", per(body.rows.len()));
    for (name, model) in models {
        scenario.add(name, per(model.pack(&body.rows).len()));
    }
    for (name, model) in models
        .iter()
        .filter(|(name, _)| name.len() <= 12 || name.ends_with("ways"))
    {
        let name = if name.len() <= 6 {
            "no_area_packed"
        } else if name.ends_with("ways") {
            "no_area_mixed_both"
        } else {
            "no_area_mixed"
        };
        scenario.add(name, per(model.pack(&lean).len()));
    }
}
