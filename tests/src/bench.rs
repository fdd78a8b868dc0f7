//! The benchmarks: what a visit costs on the wire, and what it costs the server.
//!
//! Both run real replicas against the real program in a process of its own, over TLS. What the
//! figures mean is in `tests/BENCHMARKS.md`.

mod carrier;
mod disk;
mod founding;
mod gzip;
mod ingest;
mod node;
mod parts;
mod peers;
mod phone;
mod records;
mod report;
mod seed;
mod served;
mod wire;

use crate::generate::Profile;

pub use report::{Bound, Figure, Report, Scenario};

/// Under this name the program of the benchmarks is the server: it calls `server::cli::main`, as
/// the binary of that name does.
pub const BINHYEN: &str = "binhyen";

/// Why a benchmark gave no figures, in words.
pub type Trouble = String;

/// What a run is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Decides the records of the first repetition; each further one takes the next.
    pub seed: u64,
    /// Repetitions.
    pub runs: u32,
}

/// Bytes of visits.
///
/// # Errors
/// What went wrong on the way.
pub fn wire(options: Options) -> Result<Report, Trouble> {
    wire::run(options)
}

/// Commits and processor time of visits.
///
/// # Errors
/// What went wrong on the way.
pub fn ingest(options: Options) -> Result<Report, Trouble> {
    ingest::run(options)
}

/// Where the bytes of a visit lie.
///
/// # Errors
/// What went wrong on the way.
pub fn parts(options: Options) -> Result<Report, Trouble> {
    parts::run(options)
}

/// Beside a server of automerge-repo.
///
/// # Errors
/// What went wrong on the way.
pub fn peers(options: Options) -> Result<Report, Trouble> {
    peers::run(options)
}

/// A log of 1.2 million records, or that of another profile: built, listed, counted, searched,
/// shown.
///
/// # Errors
/// What went wrong on the way.
pub fn seed(options: Options, profile: Profile) -> Result<Report, Trouble> {
    seed::run(options, profile)
}

/// Sample rows for a new codec number, one request a line, in hex.
///
/// # Errors
/// What went wrong on the way.
pub fn samples() -> Result<String, Trouble> {
    parts::samples()
}

/// Says what did not work, and why.
fn told<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Trouble + '_ {
    move |cause| format!("{what}: {cause}")
}
