//! The demonstration: a server, four phones, an officer, and a day on which much goes wrong.
//!
//! One binary plays all parts, each as a process of its own. `demo` tells the story; `demo phone`
//! is one phone, with its own store and its own TLS; `demo keep` owns the server, so that it ends
//! whatever becomes of the one who tells.

mod acts;
pub(crate) mod browser;
mod ending;
mod fill;
mod handset;
mod keeper;
mod large;
mod office;
mod phone;
mod records;
mod road;
mod tell;
mod troubles;
pub(crate) mod web;
mod world;

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::generate::Profile;

/// The whole story ends sooner than this, one way or the other.
const STORY_MAX: Duration = Duration::from_secs(180);
/// So does the filling: that of the demonstration, of a year in a commune, of a large server.
const FILL_MAX: Duration = Duration::from_secs(120);
const FILL_YEAR_MAX: Duration = Duration::from_secs(1_800);
const FILL_LARGE_MAX: Duration = Duration::from_secs(6 * 3_600);

/// Why the demonstration cannot go on: a sentence.
#[derive(Debug)]
pub(crate) struct Fault(String);

impl Fault {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Fault {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

type Outcome<T> = Result<T, Fault>;

/// A server, four phones, an officer: what happens, and what each phone shows.
#[derive(Debug, Parser)]
#[command(name = "demo")]
struct Cli {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Debug, Clone, Args)]
struct Options {
    /// Port of the server, on this machine only; 0 takes a free one [8443; with --check: 0].
    #[arg(long)]
    port: Option<u16>,
    /// Stop at the end and remove everything; the exit code says whether all checks passed.
    #[arg(long)]
    check: bool,
    /// The sample data that the server is filled with after the day. In place of the day with
    /// `seed`, `cantho` and `stress`, which take many minutes.
    #[arg(long, value_enum, default_value_t = Profile::Demo)]
    profile: Profile,
    /// Decides the sample data.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// The other parts that this binary plays.
#[derive(Debug, Subcommand)]
enum Part {
    /// One phone: lines of JSON in, lines of JSON out.
    #[command(hide = true)]
    Phone {
        /// Directory of the phone.
        #[arg(long)]
        home: PathBuf,
    },
    /// The keeper of the server.
    #[command(hide = true)]
    Keep {
        /// The program of the server.
        #[arg(long)]
        program: PathBuf,
        /// A directory to remove at the end.
        #[arg(long)]
        remove: Option<PathBuf>,
    },
}

/// Plays the part that the arguments name.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match cli.part {
        Some(Part::Phone { home }) => phone::main(&home),
        Some(Part::Keep { program, remove }) => keeper::main(&program, remove.as_deref()),
        None => story(&cli.options),
    }
}

fn story(options: &Options) -> ExitCode {
    let mut world = match world::World::begin(options) {
        Ok(world) => world,
        Err(world::NoStart(why, code)) => {
            tell::complain(&why);
            return ExitCode::from(code);
        }
    };
    let (profile, seed) = (options.profile, options.seed);
    let mut told = Ok(());
    if !profile.is_large() {
        let watch = tell::Watch::start(STORY_MAX);
        told = tell_all(&mut world);
        drop(watch);
    }
    let watch = tell::Watch::start(match profile {
        Profile::Demo => FILL_MAX,
        Profile::Commune => FILL_YEAR_MAX,
        Profile::Seed | Profile::Cantho | Profile::Stress => FILL_LARGE_MAX,
    });
    let told = told.and_then(|()| match profile.is_large() {
        true => large::build(&mut world, profile, seed),
        false => fill::fill(&mut world, profile, seed),
    });
    drop(watch);
    if let Err(fault) = told {
        world
            .tell
            .check(false, &format!("the story ends here: {fault}"));
    }
    let passed = world.tell.counts();
    if options.check || !passed {
        world.stop();
    } else {
        world.stay();
    }
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn tell_all(world: &mut world::World) -> Outcome<()> {
    acts::opening(world)?;
    acts::enrolment(world)?;
    acts::offline(world)?;
    troubles::cut_link(world)?;
    acts::everyone_visits(world)?;
    acts::two_edit_one_record(world)?;
    troubles::wrong_clock(world)?;
    acts::a_remark_returns(world)?;
    troubles::lost_phone(world)?;
    troubles::server_killed(world)?;
    ending::all_agree(world)
}
