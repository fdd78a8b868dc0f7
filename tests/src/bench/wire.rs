//! Bytes: visits between two phones of one group and the server, over TLS on loopback.

use super::carrier::Link;
use super::founding::found;
use super::gzip::gzip_bytes;
use super::phone::{Cost, Phone};
use super::records::{Drawn, Records, as_json, corpus_hash};
use super::report::{Bound, Report, Scenario};
use super::served::Served;
use super::{Options, Trouble, told};
use crate::sim::Dice;

/// Records in the group before anything is measured.
const HELD: usize = 500;
/// Records of a batch.
const BATCH: usize = 20;
/// Visits of each kind in one repetition. With the others they stay below a device's burst.
const IDLE_VISITS: usize = 3;
const SINGLE_VISITS: usize = 7;
const BATCH_VISITS: usize = 4;
/// The first record was written this long before the run.
const DAYS_BACK: i64 = 400;

/// Two phones, each with a connection of its own.
struct World {
    writer: Phone,
    reader: Phone,
    to_writer: Link,
    to_reader: Link,
    records: Records,
    /// Spelled as JSON, for the comparison.
    singles: Vec<String>,
    batches: Vec<String>,
    dice: Dice,
}

pub(super) fn run(options: Options) -> Result<Report, Trouble> {
    let most = Bound::AtMost;
    let mut idle = Scenario::new("idle_500")
        .with("body_up", most(130.0))
        .with("body_down", most(160.0))
        .with("head_up", most(140.0))
        .with("head_down", most(130.0))
        .with("round_trips", most(1.0));
    let mut single = Scenario::new("new_1").with("body_up_per_record", Bound::Aim(300.0, 260.0));
    let mut batch = Scenario::new("new_20").with("body_up_per_record", Bound::Aim(150.0, 130.0));
    let mut pull = Scenario::new("pull_20").with("body_down_per_record", most(175.0));
    let mut gzip_single = Scenario::new("gzip_json_1");
    let mut gzip_batch = Scenario::new("gzip_json_20");
    for nth in 0..options.runs {
        let seed = options.seed.wrapping_add(u64::from(nth));
        let home = tempfile::tempdir().map_err(told("a directory"))?;
        let data = home.path().join("data");
        let mut phones = found(&data, 1, 2, seed)?.into_iter();
        let served = Served::start(&data, None)?;
        let mut world = World::new(&mut phones, &served, seed)?;
        world.fill()?;
        world.idle(&mut idle)?;
        world.write(SINGLE_VISITS, 1, &mut single, None)?;
        world.write(BATCH_VISITS, BATCH, &mut batch, Some(&mut pull))?;
        for (documents, records, scenario) in [
            (&world.singles, 1, &mut gzip_single),
            (&world.batches, BATCH, &mut gzip_batch),
        ] {
            for bytes in gzip_bytes(documents)? {
                scenario.add("body_up_per_record", per(bytes, records));
            }
        }
    }
    Ok(Report {
        bench: "wire",
        seed: options.seed,
        corpus: corpus_hash(),
        remarks: vec![
            format!(
                "{} seeds; a group with two phones that hold {HELD} records of 15 fields",
                options.runs
            ),
            "whole bodies and whole HTTP heads; TLS records are not counted".to_owned(),
            "gzip: Python's, level 9, a compact JSON array of the same records".to_owned(),
        ],
        scenarios: vec![idle, single, batch, pull, gzip_single, gzip_batch],
    })
}

impl World {
    fn new(
        phones: &mut impl Iterator<Item = Phone>,
        served: &Served,
        seed: u64,
    ) -> Result<Self, Trouble> {
        let mut next = || phones.next().ok_or("a phone is missing");
        let (writer, reader) = (next()?, next()?);
        let first_s = server::now_s() - DAYS_BACK * 86_400;
        Ok(Self {
            records: Records::new(seed, writer.area, first_s),
            to_writer: served.connect()?,
            to_reader: served.connect()?,
            writer,
            reader,
            singles: Vec::new(),
            batches: Vec::new(),
            dice: Dice::new(seed),
        })
    }

    /// Both phones write one half and pull the other, until both are quiet.
    fn fill(&mut self) -> Result<(), Trouble> {
        self.writer.save(&self.records.take(HELD / 2)?)?;
        self.reader.save(&self.records.take(HELD - HELD / 2)?)?;
        self.writer.sync(&mut self.to_writer)?;
        self.reader.sync(&mut self.to_reader)?;
        self.writer.sync(&mut self.to_writer)?;
        for phone in [&self.writer, &self.reader] {
            let held = phone.replica.records().count();
            if held != HELD || phone.unsettled() != 0 {
                return Err(format!("a phone holds {held} records"));
            }
        }
        // the visit after the last new thing is the first idle one
        self.writer.sync(&mut self.to_writer)?;
        self.reader.sync(&mut self.to_reader)?;
        Ok(())
    }

    fn idle(&mut self, scenario: &mut Scenario) -> Result<(), Trouble> {
        for _ in 0..IDLE_VISITS {
            let cost = self.writer.sync(&mut self.to_writer)?;
            scenario.add("body_up", whole(cost.body_up));
            scenario.add("body_down", whole(cost.body_down));
            scenario.add("head_up", whole(cost.head_up));
            scenario.add("head_down", whole(cost.head_down));
            scenario.add("round_trips", whole(cost.round_trips));
        }
        Ok(())
    }

    /// The writer brings `count` new records in each visit; the reader pulls them.
    fn write(
        &mut self,
        visits: usize,
        count: usize,
        scenario: &mut Scenario,
        mut pull: Option<&mut Scenario>,
    ) -> Result<(), Trouble> {
        for _ in 0..visits {
            let drawn = self.records.take(count)?;
            self.spell(&drawn);
            self.writer.save(&drawn)?;
            let cost = self.writer.sync(&mut self.to_writer)?;
            if self.writer.unsettled() != 0 {
                return Err("a record was not received".to_owned());
            }
            scenario.add("body_up_per_record", per(cost.body_up, count));
            add_rest(scenario, &cost);
            let cost = self.reader.sync(&mut self.to_reader)?;
            if cost.touched != count {
                return Err(format!("{} of {count} records came down", cost.touched));
            }
            if let Some(pull) = pull.as_deref_mut() {
                pull.add("body_down_per_record", per(cost.body_down, count));
                pull.add("body_up", whole(cost.body_up));
                add_heads(pull, &cost);
            }
        }
        Ok(())
    }

    fn spell(&mut self, drawn: &[Drawn]) {
        let document = as_json(drawn, &mut self.dice);
        let documents = if drawn.len() == 1 {
            &mut self.singles
        } else {
            &mut self.batches
        };
        documents.push(document);
    }
}

fn add_rest(scenario: &mut Scenario, cost: &Cost) {
    scenario.add("body_down", whole(cost.body_down));
    add_heads(scenario, cost);
}

fn add_heads(scenario: &mut Scenario, cost: &Cost) {
    scenario.add("head_up", whole(cost.head_up));
    scenario.add("head_down", whole(cost.head_down));
    scenario.add("round_trips", whole(cost.round_trips));
}

fn whole(count: usize) -> f64 {
    count as f64
}

fn per(bytes: usize, records: usize) -> f64 {
    whole(bytes) / whole(records)
}
