//! At the scale of the seed: 1.2 million records are built from their log, then listed, counted
//! and searched, and shown by the console.
//!
//! The directory of data is filled once and kept below the target directory, by profile, version
//! of the generator and seed.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use server::store::{DATABASE_NAME, Readers};

use super::report::{Bound, Report, Scenario};
use super::served::{Served, cpu_of, peak_kib};
use super::{Options, Trouble, told};
use crate::demo::browser::Browser;
use crate::fill::{Progress, begin, load};
use crate::generate::{Profile, VERSION, World};
use questions::{Kind, Question};

mod questions;

/// The bounds.
const BUILD_S_MAX: f64 = 240.0;
const PEAK_MIB_MAX: f64 = 512.0;
const QUERY_P95_MS_MAX: f64 = 10.0;
const PAGE_P95_MS_MAX: f64 = 50.0;
/// Questions of each kind, and pages.
const QUESTIONS: usize = 2_000;
const PAGES: usize = 1_000;
/// Questions of each kind that are not measured, so that the first pages are in memory.
const WARMING: usize = 100;
/// How often the memory of the child is looked at; the kernel keeps the largest itself.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Readers of a server.
const READERS: usize = 1;
/// The officer of the province; the one of the commune has the number that the loader names.
const COMMUNE_OFFICER: &str = "can-bo-mau";
const PROVINCE_OFFICER: &str = "tinh-mau";
/// The province with the most groups.
const PROVINCE: &str = "92";
/// Written last.
const FILLED: &str = "filled";

/// Runs the benchmark on a profile.
pub(super) fn run(options: Options, profile: Profile) -> Result<Report, Trouble> {
    let world = World::of(profile, options.seed);
    let data = filled(&world)?;
    let mut remarks =
        vec![
        fs::read_to_string(data.join(FILLED)).map_err(told("the mark"))?.trim().to_owned(),
        "build: `binhyen rebuild` in a process of its own, with its comparison of before and after"
            .to_owned(),
    ];
    let mut build = Scenario::new("build")
        .with("build_s", Bound::AtMost(BUILD_S_MAX))
        .with("peak_mib", Bound::AtMost(PEAK_MIB_MAX));
    for _ in 0..options.runs {
        let built = rebuild(&data)?;
        build.add("build_s", built.seconds);
        build.add("peak_mib", built.peak_mib);
        build.add("cpu_s", built.cpu_s);
    }
    let mut scenarios = vec![build];
    let questions = Question::all(&world, &data)?;
    let readers = Readers::open(&data.join(DATABASE_NAME), READERS).map_err(told("a reader"))?;
    for kind in [Kind::List, Kind::Count, Kind::Search] {
        scenarios.push(ask(kind, &questions, &readers, options.seed, &mut remarks)?);
    }
    drop(readers);
    scenarios.push(pages(&data, &world, options.seed)?);
    Ok(Report {
        bench: "seed",
        seed: options.seed,
        corpus: format!("generator {VERSION}, profile {profile}"),
        remarks,
        scenarios,
    })
}

/// The directory of this world, filled now or before.
fn filled(world: &World) -> Result<PathBuf, Trouble> {
    let own = std::env::current_exe().map_err(told("this program"))?;
    let target = own
        .parent()
        .and_then(Path::parent)
        .ok_or("this program lies nowhere")?;
    let name = format!("{}-v{VERSION}-{}", world.profile, world.seed);
    let data = target.join("bench-data").join(name);
    if data.join(FILLED).exists() {
        return Ok(data);
    }
    // one that was begun and not finished is of no use
    if data.exists() {
        fs::remove_dir_all(&data).map_err(told("an unfinished directory"))?;
    }
    begin(&data)?;
    let commune = busiest(world).to_owned();
    let officers = [
        (COMMUNE_OFFICER, "commune_officer", commune.as_str()),
        (PROVINCE_OFFICER, "province_reviewer", PROVINCE),
    ];
    for (name, role, area) in officers {
        binhyen(
            &data,
            &["officer", "add", name, "--role", role, "--area", area],
        )?;
    }
    let (mut progress, began) = (Progress::begin(), Instant::now());
    let loaded = load(&data, world, |part, records| progress.at(part, records))?;
    let mark = format!(
        "filled in {:.0} s: {loaded:?}; {} bytes",
        began.elapsed().as_secs_f64(),
        fs::metadata(data.join(DATABASE_NAME)).map_or(0, |file| file.len()),
    );
    fs::write(data.join(FILLED), mark).map_err(told("the mark"))?;
    Ok(data)
}

/// The commune with the most groups.
fn busiest(world: &World) -> &str {
    let count = |code: &str| {
        world
            .groups
            .iter()
            .filter(|g| g.commune.code == code)
            .count()
    };
    let codes = world.groups.iter().map(|group| group.commune.code.as_str());
    codes.max_by_key(|code| count(code)).unwrap_or_default()
}

/// This program as the server's, see [`super::BINHYEN`].
fn command(data: &Path, words: &[&str]) -> Result<Command, Trouble> {
    let own = std::env::current_exe().map_err(told("this program"))?;
    let mut command = Command::new(own);
    command
        .arg0(super::BINHYEN)
        .arg("--data")
        .arg(data)
        .args(words);
    Ok(command)
}

fn binhyen(data: &Path, words: &[&str]) -> Result<String, Trouble> {
    let done = command(data, words)?.output().map_err(told("a command"))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let why = String::from_utf8_lossy(&done.stderr).into_owned();
    Err(format!("binhyen {}: {why}", words.join(" ")))
}

struct Built {
    seconds: f64,
    /// The most memory that it had.
    peak_mib: f64,
    /// Processor time, as last seen before it ended.
    cpu_s: f64,
}

fn rebuild(data: &Path) -> Result<Built, Trouble> {
    let began = Instant::now();
    let mut child = command(data, &["rebuild"])?
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(told("the rebuild"))?;
    let (mut peak, mut cpu) = (0, Duration::ZERO);
    let stat = format!("/proc/{}/stat", child.id());
    let status = loop {
        peak = peak.max(peak_kib(child.id()));
        cpu = cpu_of(&stat).map_or(cpu, |now| now.max(cpu));
        if let Some(status) = child.try_wait().map_err(told("the rebuild"))? {
            break status;
        }
        thread::sleep(LOOK_EVERY);
    };
    let seconds = began.elapsed().as_secs_f64();
    if !status.success() {
        let mut why = String::new();
        if let Some(said) = child.stderr.take() {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                why.push_str(&line);
            }
        }
        return Err(format!("the rebuild: {why}"));
    }
    Ok(Built {
        seconds,
        peak_mib: peak as f64 / 1_024.0,
        cpu_s: cpu.as_secs_f64(),
    })
}

fn ask(
    kind: Kind,
    questions: &[Question],
    readers: &Readers,
    seed: u64,
    remarks: &mut Vec<String>,
) -> Result<Scenario, Trouble> {
    let mut scenario = Scenario::new(kind.name()).with("p95_ms", Bound::AtMost(QUERY_P95_MS_MAX));
    let of_kind: Vec<&Question> = questions.iter().filter(|q| q.kind() == kind).collect();
    let mut dice = crate::sim::Dice::new(seed ^ 0x6173_6b21);
    let (mut all, mut by_name) = (Vec::new(), std::collections::BTreeMap::new());
    let mut found = 0;
    for nth in 0..WARMING + QUESTIONS {
        let question = of_kind[dice.below(of_kind.len())];
        let began = Instant::now();
        let rows = question.ask(readers)?;
        let milliseconds = began.elapsed().as_secs_f64() * 1_000.0;
        if nth >= WARMING {
            found += rows;
            all.push(milliseconds);
            let of_name: &mut Vec<f64> = by_name.entry(question.name()).or_default();
            of_name.push(milliseconds);
        }
    }
    scenario.add("p95_ms", p95(&mut all));
    scenario.add("median_ms", all[all.len() / 2]);
    scenario.add("max_ms", all.last().copied().unwrap_or_default());
    scenario.add("questions", all.len() as f64);
    scenario.add("rows", found as f64);
    for (name, mut times) in by_name {
        let most = p95(&mut times);
        remarks.push(format!(
            "{}: {name}: p95 {most:.2} ms of {}",
            kind.name(),
            times.len()
        ));
    }
    Ok(scenario)
}

/// Sorts them, and gives the one that 95 of 100 do not pass.
fn p95(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    let at = (times.len() * 95).div_ceil(100).saturating_sub(1);
    times.get(at).copied().unwrap_or(f64::NAN)
}

/// Pages of the console, as two officers turn them over.
fn pages(data: &Path, world: &World, seed: u64) -> Result<Scenario, Trouble> {
    let mut signed_in = Vec::new();
    let mut passwords = Vec::new();
    for name in [COMMUNE_OFFICER, PROVINCE_OFFICER] {
        let printed = binhyen(data, &["officer", "reset", name])?;
        let password = printed
            .lines()
            .find_map(|line| line.strip_prefix("password "));
        passwords.push((name, password.ok_or("no password was made")?.to_owned()));
    }
    let served = Served::start(data, None)?;
    for (name, password) in &passwords {
        let ca = data.join("tls/ca.crt.pem");
        let mut browser = Browser::new(served.address()?, &ca).map_err(told("a browser"))?;
        browser
            .sign_in(name, password)
            .map_err(told("signing in"))?;
        signed_in.push(browser);
    }
    let addresses = questions::pages(world, busiest(world));
    let mut dice = crate::sim::Dice::new(seed ^ 0x7061_6765);
    let (mut all, mut bytes) = (Vec::new(), 0);
    for nth in 0..WARMING + PAGES {
        let (who, address) = &addresses[dice.below(addresses.len())];
        let browser = &mut signed_in[*who];
        let began = Instant::now();
        let reply = browser.get(address).map_err(told(address))?;
        let milliseconds = began.elapsed().as_secs_f64() * 1_000.0;
        if reply.status != 200 {
            return Err(format!("{address}: the console answers {}", reply.status));
        }
        if nth >= WARMING {
            bytes += reply.body.len();
            all.push(milliseconds);
        }
    }
    let mut scenario = Scenario::new("page").with("page_p95_ms", Bound::AtMost(PAGE_P95_MS_MAX));
    scenario.add("page_p95_ms", p95(&mut all));
    scenario.add("median_ms", all[all.len() / 2]);
    scenario.add("max_ms", all.last().copied().unwrap_or_default());
    scenario.add("pages", all.len() as f64);
    scenario.add("page_bytes", bytes as f64 / all.len() as f64);
    // what was read is in the audit, and the server ends with its checkpoint
    std::io::stderr().flush().map_err(told("the end"))?;
    Ok(scenario)
}
