//! Runs the benchmarks: `bench wire|ingest|parts|peers|seed [--json] [--seed N] [--runs N]`; `bench samples`
//! prints the sample rows for a new codec number.

use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use tests::bench::{self, Options};
use tests::generate::Profile;

/// Bytes and processor time of visits. Prints medians, smallest and largest.
#[derive(Debug, Parser)]
struct Cli {
    /// What to measure.
    #[arg(value_enum)]
    what: What,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// Decides the records; each repetition takes the next seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For `seed`: another profile than that of its name.
    #[arg(long, value_enum, default_value_t = Profile::Seed)]
    profile: Profile,
    /// Repetitions, each on a new server; of `seed`, how often it is built.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: Option<u32>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum What {
    /// Bytes of visits.
    Wire,
    /// Commits and processor time of visits.
    Ingest,
    /// Where the bytes of a visit lie.
    Parts,
    /// Processor time, memory and bytes beside a server of automerge-repo.
    Peers,
    /// Building, lists, counts, searches and pages of 1.2 million records.
    Seed,
    /// No figures: sample rows for a new codec number.
    Samples,
}

enum Printed {
    Report(bench::Report),
    Text(String),
}

#[expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "this is a command line"
)]
fn main() -> ExitCode {
    // The benchmarks start their server from this program, see `bench::BINHYEN`.
    if std::env::args_os()
        .next()
        .is_some_and(|name| name == bench::BINHYEN)
    {
        return server::cli::main();
    }
    let cli = Cli::parse();
    let options = |runs| Options {
        seed: cli.seed,
        runs: cli.runs.unwrap_or(runs),
    };
    let report = match cli.what {
        What::Samples => bench::samples().map(Printed::Text),
        What::Wire => bench::wire(options(9)).map(Printed::Report),
        What::Ingest => bench::ingest(options(3)).map(Printed::Report),
        What::Peers => bench::peers(options(3)).map(Printed::Report),
        What::Seed => bench::seed(options(1), cli.profile).map(Printed::Report),
        What::Parts => bench::parts(options(9)).map(Printed::Report),
    };
    match report {
        Ok(Printed::Text(text)) => print!("{text}"),
        Ok(Printed::Report(report)) if cli.json => print!("{}", report.json()),
        Ok(Printed::Report(report)) => print!("{}", report.lines()),
        Err(why) => {
            eprintln!("bench: {why}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
