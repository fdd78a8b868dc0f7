//! Commits and processor time: many phones at once, each on a connection that stays open.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::carrier::{Carried, Carrier};
use super::disk::{Shim, commits, real_sync_ms};
use super::founding::found;
use super::phone::{ALL, ONE, Phone};
use super::records::{Drawn, Records, corpus_hash};
use super::report::{Bound, Report, Scenario};
use super::served::{InProcess, Served, cpu_of_thread};
use super::{Options, Trouble, told};

/// Phones at once, each of a group of its own, so that an answer says what became of the record
/// and brings nothing else.
const PHONES: usize = 64;
/// A device's burst is 60 visits; the first pulls the group.
const VISITS_EACH_MAX: usize = 55;
/// Visits of one record, all phones together.
const VISITS: usize = 2_560;
/// Phones and visits of runs of 20.
const BATCH_PHONES: usize = 32;
const BATCH_VISITS_EACH: usize = 12;
const BATCH: usize = 20;
/// Every sync lasts at least this long.
const SYNC_MIN: Duration = Duration::from_millis(4);
/// No load goes on for longer.
const LOAD_FOR: Duration = Duration::from_secs(60);

pub(super) fn run(options: Options) -> Result<Report, Trouble> {
    let mut singles = Scenario::new("ingest_1").with("commits_per_1000", Bound::AtMost(50.0));
    let mut batches = Scenario::new("ingest_20").with("cpu_over_in_process", Bound::AtMost(2.0));
    for nth in 0..options.runs {
        let seed = options.seed.wrapping_add(u64::from(nth));
        one_each(seed, &mut singles)?;
        twenty_each(seed, &mut batches)?;
    }
    Ok(Report {
        bench: "ingest",
        seed: options.seed,
        corpus: corpus_hash(),
        remarks: vec![
            format!(
                "ingest_1: {PHONES} phones, {VISITS} visits of one record; each sync of the \
                 server lasts at least {} ms",
                SYNC_MIN.as_millis()
            ),
            "commits: SQLite's own counter of transactions; syncs: those of checkpoints too"
                .to_owned(),
            format!(
                "ingest_20: {BATCH_PHONES} phones, {} visits of {BATCH} records; the real disk",
                BATCH_PHONES * BATCH_VISITS_EACH
            ),
            format!("data in {}", std::env::temp_dir().display()),
        ],
        scenarios: vec![singles, batches],
    })
}

/// A closed loop: each phone sends its next record when the answer to the last has come.
fn one_each(seed: u64, scenario: &mut Scenario) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(told("a directory"))?;
    for milliseconds in real_sync_ms(home.path())? {
        scenario.add("real_sync_ms", milliseconds);
        scenario.add("real_syncs_per_second", 1_000.0 / milliseconds);
    }
    let data = home.path().join("data");
    let mut phones = found(&data, PHONES, 1, seed)?;
    for (nth, phone) in phones.iter_mut().enumerate() {
        let drawn = records_of(phone, seed, nth).take(VISITS_EACH_MAX)?;
        // before the load, so that as much of the machine as can be is the server's
        phone.save(&drawn)?;
    }
    let shim = Shim::build(home.path(), SYNC_MIN)?;
    let served = Served::start(&data, Some(&shim))?;
    let callers = connect(phones, &served)?;
    let before = commits(&data)?;
    let (cpu, syncs, began) = (served.cpu()?, shim.counted()?, Instant::now());
    let left = AtomicUsize::new(VISITS);
    let loaded = load(callers, |caller| {
        let mut taken = Vec::new();
        while taken.len() + 1 < VISITS_EACH_MAX && began.elapsed() < LOAD_FOR && take_one(&left) {
            let began = Instant::now();
            caller.phone.visit(&mut caller.carrier, ONE)?;
            taken.push(began.elapsed().as_secs_f64() * 1_000.0);
        }
        let waits = caller.phone.unsettled();
        (waits + taken.len() + 1 == VISITS_EACH_MAX)
            .then_some(taken)
            .ok_or_else(|| format!("{waits} records wait"))
    })?;
    let took = began.elapsed().as_secs_f64();
    let syncs = shim.counted()?.since(syncs);
    let commits = f64::from(commits(&data)?.wrapping_sub(before));
    let cpu = served.cpu()?.saturating_sub(cpu);
    let records = loaded.iter().map(Vec::len).sum::<usize>() as f64;
    scenario.add("commits_per_1000", commits * 1_000.0 / records);
    scenario.add(
        "syncs_per_1000",
        (syncs.log + syncs.other) as f64 * 1_000.0 / records,
    );
    scenario.add("records", records);
    scenario.add("records_per_second", records / took);
    scenario.add("commits_per_second", commits / took);
    scenario.add("sync_ms", syncs.mean_ms());
    scenario.add("served_cpu_us", cpu.as_secs_f64() * 1e6 / records);
    for milliseconds in loaded.into_iter().flatten() {
        scenario.add("visit_ms", milliseconds);
    }
    Ok(())
}

/// The same load behind TLS and in one thread; only the server's processor time counts.
fn twenty_each(seed: u64, scenario: &mut Scenario) -> Result<(), Trouble> {
    let home = tempfile::tempdir().map_err(told("a directory"))?;
    let data = home.path().join("served");
    let phones = found(&data, BATCH_PHONES, 1, seed)?;
    let shim = Shim::build(home.path(), Duration::ZERO)?;
    let served = Served::start(&data, Some(&shim))?;
    let callers = connect(phones, &served)?;
    let (cpu, syncs, began) = (served.cpu()?, shim.counted()?, Instant::now());
    let records = bring_batches(callers, seed)? as f64;
    let (took, syncs) = (began.elapsed().as_secs_f64(), shim.counted()?.since(syncs));
    let outside = served.cpu()?.saturating_sub(cpu).as_secs_f64();
    drop(served);
    let (inside, same) = in_process(&home.path().join("inside"), seed)?;
    if same as f64 != records {
        return Err(format!("{records} records there, {same} here"));
    }
    scenario.add("cpu_over_in_process", outside / inside);
    scenario.add(
        "records_per_fdatasync",
        records / ((syncs.log + syncs.other) as f64),
    );
    scenario.add("records", records);
    scenario.add("served_cpu_us", outside * 1e6 / records);
    scenario.add("in_process_cpu_us", inside * 1e6 / records);
    scenario.add("records_per_second", records / took);
    Ok(())
}

/// Processor time of the thread that holds the hub, in seconds, and how many records it took.
fn in_process(data: &Path, seed: u64) -> Result<(f64, usize), Trouble> {
    let phones = found(data, BATCH_PHONES, 1, seed)?;
    let mut hub = InProcess::open(data)?;
    let mut callers = Vec::new();
    let (to_hub, bodies) = mpsc::channel::<Asked>();
    for mut phone in phones {
        phone.sync(&mut hub)?;
        let carrier = Handed(to_hub.clone());
        callers.push(Caller { phone, carrier });
    }
    drop(to_hub);
    thread::scope(|scope| {
        let at_work = scope.spawn(move || -> Result<f64, Trouble> {
            let before = cpu_of_thread()?;
            // ends when the last phone is dropped
            for (body, tell) in bodies {
                // a phone that went away has failed, and says so itself
                drop(tell.send(hub.answer(&body)));
            }
            Ok(cpu_of_thread()?.saturating_sub(before).as_secs_f64())
        });
        let records = bring_batches(callers, seed)?;
        let cpu = at_work
            .join()
            .map_err(|_panic| "the hub's thread ended")??;
        Ok((cpu, records))
    })
}

/// Every phone brings its batches; gives the number of records that were received.
fn bring_batches<C: Carrier + Send>(callers: Vec<Caller<C>>, seed: u64) -> Result<usize, Trouble> {
    let began = Instant::now();
    let numbered: Vec<(usize, Caller<C>)> = callers.into_iter().enumerate().collect();
    let brought = load(numbered, |(nth, caller)| {
        let mut records = records_of(&caller.phone, seed, *nth);
        let mut count = 0;
        while count < BATCH_VISITS_EACH * BATCH && began.elapsed() < LOAD_FOR {
            let drawn: Vec<Drawn> = records.take(BATCH)?;
            caller.phone.save(&drawn)?;
            caller.phone.visit(&mut caller.carrier, ALL)?;
            count += BATCH;
        }
        match caller.phone.unsettled() {
            0 => Ok(count),
            waits => Err(format!("{waits} records wait")),
        }
    })?;
    Ok(brought.into_iter().sum())
}

/// A phone with its way to the server.
struct Caller<C> {
    phone: Phone,
    carrier: C,
}

type Asked = (Vec<u8>, mpsc::Sender<Result<Vec<u8>, Trouble>>);

/// The way to a hub in another thread of this process.
struct Handed(mpsc::Sender<Asked>);

impl Carrier for Handed {
    fn ask(&mut self, body: &[u8]) -> Result<Carried, Trouble> {
        let (tell, answer) = mpsc::channel();
        self.0
            .send((body.to_vec(), tell))
            .map_err(told("the hub"))?;
        let body = answer.recv().map_err(told("the hub"))??;
        Ok(Carried {
            head_up: 0,
            head_down: 0,
            body,
        })
    }
}

/// Every phone connects and pulls its group.
fn connect(
    phones: Vec<Phone>,
    served: &Served,
) -> Result<Vec<Caller<super::carrier::Link>>, Trouble> {
    let mut callers = Vec::new();
    for mut phone in phones {
        let mut carrier = served.connect()?;
        // with what was saved before it came in, one change comes along
        phone.visit(&mut carrier, ONE)?;
        callers.push(Caller { phone, carrier });
    }
    Ok(callers)
}

/// Runs `work` for each in a thread of its own, and waits for all.
pub(super) fn load<T: Send, R: Send>(
    all: Vec<T>,
    work: impl Fn(&mut T) -> Result<R, Trouble> + Sync,
) -> Result<Vec<R>, Trouble> {
    let work = &work;
    thread::scope(|scope| {
        let threads: Vec<_> = all
            .into_iter()
            .map(|mut one| scope.spawn(move || work(&mut one)))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().map_err(|_panic| "a phone's thread ended")?)
            .collect()
    })
}

fn take_one(left: &AtomicUsize) -> bool {
    let next = |left: usize| left.checked_sub(1);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
        .is_ok()
}

fn records_of(phone: &Phone, seed: u64, nth: usize) -> Records {
    let first_s = server::now_s() - 60 * 86_400;
    let seed = seed.wrapping_mul(1_000).wrapping_add(nth as u64);
    Records::new(seed, phone.area, first_s)
}
