//! The disk: how fast it really is, and a shim that makes it slower and counts.

use std::fs::{self, File};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use server::store::DATABASE_NAME;

use super::{Trouble, told};

const SHIM: &str = include_str!("slow_disk.c");
/// Numbers in the file of counts.
const COUNTS: usize = 3;
/// Where the index has its counter of changes (`iChange` of SQLite's file format of the index).
const COUNTER_AT: usize = 8;
/// Syncs for the figure of the real disk, and the longest that they may take.
const TRIES: usize = 300;
const TRIES_FOR: Duration = Duration::from_secs(5);

/// What the shim counted so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Syncs {
    /// Of the write-ahead log.
    pub(super) log: u64,
    /// Of other files: the database, at a checkpoint.
    pub(super) other: u64,
    /// Time in all of them.
    pub(super) time: Duration,
}

impl Syncs {
    /// What came after `before`.
    pub(super) fn since(self, before: Self) -> Self {
        Self {
            log: self.log - before.log,
            other: self.other - before.other,
            time: self.time.saturating_sub(before.time),
        }
    }

    /// Milliseconds of one.
    pub(super) fn mean_ms(self) -> f64 {
        self.time.as_secs_f64() * 1_000.0 / ((self.log + self.other).max(1) as f64)
    }
}

/// A shim, compiled, with the file that it counts in.
#[derive(Debug)]
pub(super) struct Shim {
    library: PathBuf,
    counts: PathBuf,
    least: Duration,
}

impl Shim {
    /// Compiles it with the system's C compiler. Each sync will last at least `least`.
    pub(super) fn build(directory: &Path, least: Duration) -> Result<Self, Trouble> {
        let source = directory.join("slow_disk.c");
        let shim = Self {
            library: directory.join("slow_disk.so"),
            counts: directory.join("syncs"),
            least,
        };
        fs::write(&source, SHIM).map_err(told("the shim"))?;
        fs::write(&shim.counts, [0; COUNTS * 8]).map_err(told("the shim"))?;
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o"]);
        compiler.arg(&shim.library).arg(&source).arg("-ldl");
        let compiled = compiler.status().map_err(told("cc"))?;
        if compiled.success() {
            Ok(shim)
        } else {
            Err("the C compiler does not take the shim".to_owned())
        }
    }

    /// Puts it into a process that is about to start.
    pub(super) fn load_into(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", &self.library)
            .env("BENCH_SYNC_MIN_US", self.least.as_micros().to_string())
            .env("BENCH_SYNC_COUNTS", &self.counts);
    }

    /// What it counted so far.
    pub(super) fn counted(&self) -> Result<Syncs, Trouble> {
        let bytes = fs::read(&self.counts).map_err(told("the counts"))?;
        let mut numbers = bytes.chunks_exact(8).map(|chunk| {
            let mut number = [0; 8];
            number.copy_from_slice(chunk);
            u64::from_ne_bytes(number)
        });
        let mut next = || numbers.next().ok_or("the counts are cut short");
        Ok(Syncs {
            log: next()?,
            other: next()?,
            time: Duration::from_nanos(next()?),
        })
    }
}

/// Transactions that SQLite committed on the database in `data`, from a start that means nothing:
/// the counter in the shared index beside the write-ahead log, which goes up with each. Syncs
/// would count checkpoints too.
pub(super) fn commits(data: &Path) -> Result<u32, Trouble> {
    let index = fs::read(data.join(format!("{DATABASE_NAME}-shm"))).map_err(told("the index"))?;
    let counter = index.get(COUNTER_AT..).and_then(<[u8]>::first_chunk);
    counter
        .map(|counter| u32::from_ne_bytes(*counter))
        .ok_or_else(|| "the index is cut short".to_owned())
}

/// Milliseconds of single syncs of four kibibytes appended to a file in `directory`.
pub(super) fn real_sync_ms(directory: &Path) -> Result<Vec<f64>, Trouble> {
    let path = directory.join("sync-speed");
    let mut file = File::create(&path).map_err(told("the disk"))?;
    let began = Instant::now();
    let mut taken = Vec::new();
    while taken.len() < TRIES && began.elapsed() < TRIES_FOR {
        let at = SeekFrom::Start((taken.len() as u64 % 64) * 4_096);
        file.seek(at).map_err(told("the disk"))?;
        file.write_all(&[7; 4_096]).map_err(told("the disk"))?;
        let began = Instant::now();
        file.sync_data().map_err(told("the disk"))?;
        taken.push(began.elapsed().as_secs_f64() * 1_000.0);
    }
    fs::remove_file(&path).map_err(told("the disk"))?;
    Ok(taken)
}
