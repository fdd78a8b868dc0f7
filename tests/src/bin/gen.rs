//! Prints what the generator makes: `gen --profile demo --seed 1` counts it, `--lines` prints the
//! records as lines of JSON, `--check` says whether all of it is as it should be.

use std::io::{self, BufWriter, Write as _};
use std::process::ExitCode;

use clap::Parser;
use tests::generate::{Profile, VERSION, WATERMARK, World, check, json};

/// The generator of sample data.
#[derive(Debug, Parser)]
struct Cli {
    /// How large, and for how long.
    #[arg(long, value_enum, default_value_t = Profile::Demo)]
    profile: Profile,
    /// Decides everything.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Prints the records as lines of JSON, after one that says what they are.
    #[arg(long, conflicts_with = "check")]
    lines: bool,
    /// Compares what comes out with what is asked for; fails when something does not hold.
    #[arg(long)]
    check: bool,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        // whoever read the lines has seen enough
        Err(cause) if cause.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(cause) => {
            drop(writeln!(io::stderr(), "gen: {cause}"));
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> io::Result<bool> {
    let mut out = BufWriter::new(io::stdout().lock());
    let world = World::of(cli.profile, cli.seed);
    let head = serde_json::json!({
        "synthetic": true,
        "watermark": WATERMARK,
        "profile": cli.profile.id(),
        "seed": cli.seed,
        "version": VERSION,
        "groups": world.groups.len(),
        "phones": world.phones.len(),
    });
    if cli.lines {
        writeln!(out, "{head}")?;
        for month in 0..world.months_count() {
            for planned in world.month(month) {
                writeln!(out, "{}", json::record(&world, &planned))?;
            }
        }
        out.flush()?;
        return Ok(true);
    }
    writeln!(out, "{WATERMARK}\n{head}")?;
    let (counted, faults) = check::whole(&world, |_month| ());
    write!(out, "{}", check::lines(&counted))?;
    writeln!(out, "tips: {:?}", check::tip_values(&world))?;
    if cli.check {
        for fault in &faults {
            writeln!(out, "✗ {fault}")?;
        }
        writeln!(out, "{} faults", faults.len())?;
    }
    out.flush()?;
    Ok(!cli.check || faults.is_empty())
}
