//! Runs many seeds: `sim --from 0 --count 1000000 --steps 60`.

use clap::Parser;

/// Simulation by seed. Prints the first seed that fails, and what does not hold.
#[derive(Parser)]
struct Options {
    /// First seed.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// How many seeds.
    #[arg(long, default_value_t = 10_000)]
    count: u64,
    /// Things that happen in each.
    #[arg(long, default_value_t = 60)]
    steps: u32,
    /// Go on after a failure.
    #[arg(long)]
    all: bool,
}

#[expect(clippy::print_stdout, reason = "this is a command line")]
fn main() -> std::process::ExitCode {
    let options = Options::parse();
    let mut total = tests::sim::Outcome::default();
    let mut failed = 0u64;
    for seed in options.from..options.from.saturating_add(options.count) {
        match tests::sim::run(seed, options.steps) {
            Ok(outcome) => total += outcome,
            Err(what) => {
                println!("seed {seed}: {what}");
                failed += 1;
                if !options.all {
                    return std::process::ExitCode::FAILURE;
                }
            }
        }
    }
    println!("{} seeds, {failed} failed: {total:?}", options.count);
    if failed == 0 {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}
