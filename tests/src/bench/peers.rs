//! Beside a server of automerge-repo: the same records, TLS on both, one after the other.
//!
//! The peer's server and clients are the scripts in `tests/peers/`; only servers are measured.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value as Json, json};

use super::founding::found;
use super::ingest::load;
use super::node::{self, Peer};
use super::phone::Phone;
use super::records::{Drawn, Records, as_json, corpus_hash};
use super::report::{Bound, Report, Scenario};
use super::served::Served;
use super::{Options, Trouble, told};
use crate::sim::Dice;

/// Clients that push, and as many that pull.
const FEW: usize = 50;
const MANY: usize = 200;
/// Records of a logbook, and of a document of the peer.
const EACH: usize = 20;
/// Logbook of the client that reconnects, in records, and the peer's documents for it.
const HELD: usize = 60;
/// Reconnections of each kind in one repetition.
const RECONNECTS: usize = 3;
/// What a server still does after the last answer of a phase is part of its figures.
const SETTLE: Duration = Duration::from_millis(500);
/// No repetition starts after this; one takes about a minute.
const RUNS_FOR: Duration = Duration::from_secs(20 * 60);
/// Fields of a new record were written this long before the run.
const DAYS_BACK: i64 = 60;

/// What a server used for all clients.
#[derive(Debug, Clone, Copy)]
struct Used {
    push_cpu_s: f64,
    pull_cpu_s: f64,
    peak_mib: f64,
    push_s: f64,
    pull_s: f64,
}

impl Used {
    fn cpu_s(self) -> f64 {
        self.push_cpu_s + self.pull_cpu_s
    }
}

/// Bytes of one reconnection, both ways.
#[derive(Debug, Clone, Copy)]
struct Bytes {
    up: f64,
    down: f64,
}

impl Bytes {
    fn sum(self) -> f64 {
        self.up + self.down
    }
}

/// Reconnections by where the new record was written: on the client itself, or elsewhere.
#[derive(Debug, Default)]
struct Reconnects {
    own: Vec<Bytes>,
    others: Vec<Bytes>,
}

pub(super) fn run(options: Options) -> Result<Report, Trouble> {
    let node = node::installed()?;
    let ratios = |name| {
        Scenario::new(name)
            .with("ratio_cpu", Bound::Aim(0.25, 0.12))
            .with("ratio_rss", Bound::Aim(0.25, 0.12))
    };
    let mut few = ratios("clients_50");
    let mut many = ratios("clients_200").with("cpu_growth", Bound::AtMost(4.5));
    let mut reconnect =
        Scenario::new("reconnect").with("reconnect_bytes_ratio", Bound::Aim(0.45, 0.30));
    let began = Instant::now();
    for nth in 0..options.runs {
        if began.elapsed() > RUNS_FOR {
            return Err(format!("{nth} repetitions took longer than {RUNS_FOR:?}"));
        }
        let seed = options.seed.wrapping_add(u64::from(nth));
        let ours_first = nth % 2 == 0;
        let (ours_few, peer_few) = both(&node, FEW, seed, ours_first)?;
        let (ours_many, peer_many) = both(&node, MANY, seed, !ours_first)?;
        compare(&mut few, ours_few, peer_few);
        compare(&mut many, ours_many, peer_many);
        many.add("cpu_growth", ours_many.cpu_s() / ours_few.cpu_s());
        many.add("peer_cpu_growth", peer_many.cpu_s() / peer_few.cpu_s());
        reconnects(&node, seed, &mut reconnect)?;
    }
    Ok(Report {
        bench: "peers",
        seed: options.seed,
        corpus: corpus_hash(),
        remarks: vec![
            format!("peer: {}", node::PEER),
            "TLS 1.3 on both, with the same certificate; one server process per figure".to_owned(),
            format!(
                "each client pushes a logbook of {EACH} records, another pulls it; cpu: user and \
                 system time of the server from its first word to {} ms after the last answer of \
                 each phase",
                SETTLE.as_millis()
            ),
            "an acknowledgement: ours when synced to disk; the peer's when in its memory"
                .to_owned(),
            format!(
                "reconnect: {HELD} records and one new one, written by the client itself; bytes \
                 both ways above TLS, HTTP and WebSocket framing included"
            ),
            format!("data in {}", std::env::temp_dir().display()),
        ],
        scenarios: vec![few, many, reconnect],
    })
}

fn compare(scenario: &mut Scenario, ours: Used, peer: Used) {
    scenario.add("ratio_cpu", ours.cpu_s() / peer.cpu_s());
    scenario.add("ratio_rss", ours.peak_mib / peer.peak_mib);
    scenario.add("cpu_s", ours.cpu_s());
    scenario.add("peer_cpu_s", peer.cpu_s());
    scenario.add("push_cpu_s", ours.push_cpu_s);
    scenario.add("peer_push_cpu_s", peer.push_cpu_s);
    scenario.add("pull_cpu_s", ours.pull_cpu_s);
    scenario.add("peer_pull_cpu_s", peer.pull_cpu_s);
    scenario.add("peak_mib", ours.peak_mib);
    scenario.add("peer_peak_mib", peer.peak_mib);
    scenario.add("push_s", ours.push_s);
    scenario.add("peer_push_s", peer.push_s);
    scenario.add("pull_s", ours.pull_s);
    scenario.add("peer_pull_s", peer.pull_s);
}

/// Both servers, one after the other.
fn both(node: &Path, clients: usize, seed: u64, ours_first: bool) -> Result<(Used, Used), Trouble> {
    let home = tempfile::tempdir().map_err(told("a directory"))?;
    let data = home.path().join("data");
    let mut phones = found(&data, clients, 2, seed)?.into_iter();
    let (mut writers, mut readers, mut batches) = (Vec::new(), Vec::new(), Vec::new());
    let mut dice = Dice::new(seed);
    while let (Some(mut writer), Some(reader)) = (phones.next(), phones.next()) {
        let drawn = drawn_for(&writer, seed, writers.len(), EACH)?;
        batches.push(spelled(&drawn, &mut dice)?);
        writer.save(&drawn)?;
        writers.push(writer);
        readers.push(reader);
    }
    if ours_first {
        let ours = our_load(&data, writers, readers)?;
        return Ok((ours, peer_load(node, home.path(), &data, &batches)?));
    }
    // the server makes its certificate at its first start
    drop(Served::start(&data, None)?);
    let peer = peer_load(node, home.path(), &data, &batches)?;
    Ok((our_load(&data, writers, readers)?, peer))
}

fn our_load(data: &Path, writers: Vec<Phone>, readers: Vec<Phone>) -> Result<Used, Trouble> {
    let served = Served::start(data, None)?;
    let before = served.cpu()?;
    let began = Instant::now();
    load(writers, |phone| {
        let mut link = served.connect()?;
        phone.sync(&mut link)?;
        match phone.unsettled() {
            0 => Ok(()),
            waits => Err(format!("{waits} records wait")),
        }
    })?;
    let push_s = began.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let (between, began) = (served.cpu()?, Instant::now());
    load(readers, |phone| {
        let mut link = served.connect()?;
        phone.sync(&mut link)?;
        match phone.replica.records().count() {
            EACH => Ok(()),
            held => Err(format!("{held} of {EACH} records came down")),
        }
    })?;
    let pull_s = began.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    Ok(Used {
        push_cpu_s: between.saturating_sub(before).as_secs_f64(),
        pull_cpu_s: served.cpu()?.saturating_sub(between).as_secs_f64(),
        peak_mib: served.peak_mib(),
        push_s,
        pull_s,
    })
}

fn peer_load(node: &Path, home: &Path, data: &Path, batches: &[Json]) -> Result<Used, Trouble> {
    let peer = Peer::start(node, &home.join("peer"), data)?;
    let before = peer.cpu()?;
    let clients = home.join("peer-clients");
    let pushed = peer.clients(json!({ "do": "push", "directory": clients, "batches": batches }))?;
    thread::sleep(SETTLE);
    let between = peer.cpu()?;
    let pulled = peer.clients(json!({
        "do": "pull", "directory": clients, "urls": pushed["urls"], "records": EACH,
    }))?;
    let wanted = batches.len() * EACH;
    if pulled["pulled"] != json!(wanted) {
        return Err(format!("{} of {wanted} came down", pulled["pulled"]));
    }
    thread::sleep(SETTLE);
    Ok(Used {
        push_cpu_s: between.saturating_sub(before).as_secs_f64(),
        pull_cpu_s: peer.cpu()?.saturating_sub(between).as_secs_f64(),
        peak_mib: peer.peak_mib(),
        push_s: seconds(&pushed)?,
        pull_s: seconds(&pulled)?,
    })
}

/// How long the clients were online.
fn seconds(said: &Json) -> Result<f64, Trouble> {
    Ok(said["seconds"]
        .as_f64()
        .ok_or("the clients did not say how long")?)
}

/// One new record in a logbook of sixty, on a new connection each time.
fn reconnects(node: &Path, seed: u64, scenario: &mut Scenario) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(told("a directory"))?;
    let data = home.path().join("data");
    let phones = found(&data, 1, 2, seed)?;
    let first = phones.first().ok_or("a phone is missing")?;
    let drawn = drawn_for(first, seed, 0, HELD + 2 * RECONNECTS)?;
    let ours = our_reconnects(&data, phones, &drawn)?;
    let peer = Peer::start(node, &home.path().join("peer"), &data)?;
    let mut dice = Dice::new(seed);
    let all = spelled(&drawn, &mut dice)?;
    let all = all.as_array().ok_or("no array of records")?;
    let (held, new) = all.split_at(HELD);
    let (own, others) = new.split_at(RECONNECTS);
    for documents in [HELD / EACH, 1] {
        let held: Vec<&[Json]> = held.chunks(HELD / documents).collect();
        let directory = home.path().join(format!("peer-clients-{documents}"));
        let said = peer.clients(json!({
            "do": "reconnect", "directory": directory, "documents": held,
            "own": own, "others": others,
        }))?;
        let peers = Reconnects {
            own: bytes_of(&said["own"])?,
            others: bytes_of(&said["others"])?,
        };
        add_reconnects(scenario, documents, &ours, &peers);
    }
    for bytes in &ours.own {
        scenario.add("own_up", bytes.up);
        scenario.add("own_down", bytes.down);
    }
    for bytes in &ours.others {
        scenario.add("elsewhere_up", bytes.up);
        scenario.add("elsewhere_down", bytes.down);
    }
    Ok(())
}

fn add_reconnects(scenario: &mut Scenario, documents: usize, ours: &Reconnects, peer: &Reconnects) {
    let keys = match documents {
        1 => [
            "own_ratio_1_document",
            "peer_own_up_1_document",
            "peer_own_down_1_document",
            "elsewhere_ratio_1_document",
        ],
        _ => [
            "reconnect_bytes_ratio",
            "peer_own_up",
            "peer_own_down",
            "elsewhere_ratio",
        ],
    };
    for (ours, peer) in ours.own.iter().zip(&peer.own) {
        scenario.add(keys[0], ours.sum() / peer.sum());
        scenario.add(keys[1], peer.up);
        scenario.add(keys[2], peer.down);
    }
    for (ours, peer) in ours.others.iter().zip(&peer.others) {
        scenario.add(keys[3], ours.sum() / peer.sum());
    }
}

fn our_reconnects(data: &Path, phones: Vec<Phone>, drawn: &[Drawn]) -> Result<Reconnects, Trouble> {
    let served = Served::start(data, None)?;
    let [mut here, mut there] =
        <[Phone; 2]>::try_from(phones).map_err(|_more| "two phones were asked for")?;
    let (held, new) = drawn.split_at(HELD);
    let (own, others) = new.split_at(RECONNECTS);
    here.save(held)?;
    // the visit after the last new thing is the first one in which nothing is new
    here.sync(&mut served.connect()?)?;
    here.sync(&mut served.connect()?)?;
    let mut costs = Reconnects::default();
    for record in own {
        here.save(std::slice::from_ref(record))?;
        costs.own.push(reconnected(&mut here, &served)?);
    }
    for record in others {
        there.save(std::slice::from_ref(record))?;
        there.sync(&mut served.connect()?)?;
        costs.others.push(reconnected(&mut here, &served)?);
    }
    match (here.unsettled(), here.replica.records().count()) {
        (0, count) if count == drawn.len() => Ok(costs),
        (waits, count) => Err(format!("{count} records are held, {waits} wait")),
    }
}

fn reconnected(phone: &mut Phone, served: &Served) -> Result<Bytes, Trouble> {
    let cost = phone.sync(&mut served.connect()?)?;
    Ok(Bytes {
        up: (cost.head_up + cost.body_up) as f64,
        down: (cost.head_down + cost.body_down) as f64,
    })
}

fn bytes_of(told_of: &Json) -> Result<Vec<Bytes>, Trouble> {
    let pairs: Vec<(f64, f64)> =
        serde_json::from_value(told_of.clone()).map_err(told("the peer's bytes"))?;
    if pairs.len() != RECONNECTS {
        return Err(format!("the peer reconnected {} times", pairs.len()));
    }
    Ok(pairs
        .into_iter()
        .map(|(up, down)| Bytes { up, down })
        .collect())
}

fn drawn_for(phone: &Phone, seed: u64, nth: usize, count: usize) -> Result<Vec<Drawn>, Trouble> {
    let first_s = server::now_s() - DAYS_BACK * 86_400;
    let seed = seed.wrapping_mul(1_000).wrapping_add(nth as u64);
    Records::new(seed, phone.area, first_s).take(count)
}

/// The records as values of JSON, the peer's form.
fn spelled(drawn: &[Drawn], dice: &mut Dice) -> Result<Json, Trouble> {
    serde_json::from_str(&as_json(drawn, dice)).map_err(told("the records"))
}
