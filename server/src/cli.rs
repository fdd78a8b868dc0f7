//! The command line.
//!
//! Every command but `serve` is a [`Command`] that is run on an open log. While a server runs it
//! holds the log, so a command hands itself over through the server's socket and prints what comes
//! back; else it opens the log itself. Both run the same code.
//!
//! Exit codes: 0 done; 1 not done, or faults found; 2 the command was not understood; 3 the
//! directory of the data cannot be used.

mod admin;
mod area_events;
mod areas;
mod count;
mod devices;
mod find;
mod groups;
mod officers;
mod proof;
mod quarantine;
mod recovery;
mod serve;
mod upkeep;

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};
use sync_core::hub::ledger::LedgerFault;
use sync_core::hub::{Refusal, VerifyReport, name_fault};

use crate::log::{Form, Level};
use crate::office::{Begin, Office};
use crate::refused::{Doing, refused};
use crate::writer::WriteError;

/// The server of BinhYen: the groups' own work log.
#[derive(Debug, Parser)]
#[command(name = "binhyen", version, about, max_term_width = 100)]
struct Cli {
    /// Directory of the server's data.
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Serves phones and officers until it is asked to stop.
    Serve(ServeArgs),
    /// Makes a new directory of data from a backup or from the copy on another disk.
    Restore(recovery::RestoreArgs),
    /// Tries a restore: into a scratch directory, with every check, and leaves nothing.
    Drill(recovery::DrillArgs),
    #[command(flatten)]
    Command(Command),
}

/// What a server can be started with.
#[derive(Debug, Clone, Default, Args)]
struct ServeArgs {
    /// Where to listen; port 0 takes a free one. The first time: 0.0.0.0:8443. Later: as before.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<String>,
    /// The address that phones use, when it is another one: it stands in the QR codes.
    #[arg(long, value_name = "https://HOST:PORT")]
    public_url: Option<String>,
    /// A name or address that phones use, for the certificate; can be given more than once.
    #[arg(long, value_name = "HOST")]
    name: Vec<String>,
    /// A certificate from elsewhere, PEM, instead of the server's own.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Its key, PEM.
    #[arg(long, value_name = "FILE", requires = "cert")]
    key: Option<PathBuf>,
    /// Keep a second copy of the data in a directory on another disk. Later: as before.
    #[arg(long, value_name = "DIR")]
    standby: Option<PathBuf>,
    /// Keep no second copy any more.
    #[arg(long, conflicts_with = "standby")]
    no_standby: bool,
    /// Take the directory of the copy for another disk although the system shows it as the same.
    #[arg(long, requires = "standby")]
    standby_same_disk: bool,
    /// Show figures for whoever watches over the server at http://ADDRESS:PORT/metrics, on an
    /// address of this machine alone, as 127.0.0.1:9464. Only when given.
    #[arg(long, value_name = "ADDRESS:PORT")]
    metrics: Option<String>,
    /// How events are written to standard error.
    #[arg(long, value_name = "FORM", default_value = "text")]
    log: Form,
    /// The least that is written.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: Level,
}

/// A command that is run on an open log.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
enum Command {
    /// Provinces, communes and hamlets.
    #[command(subcommand)]
    Area(areas::AreaCommand),
    /// Counts records by type and unit.
    Count(count::CountArgs),
    /// Groups.
    #[command(subcommand)]
    Group(groups::GroupCommand),
    /// Members of a group.
    #[command(subcommand)]
    Member(groups::MemberCommand),
    /// Accounts of the console.
    #[command(subcommand)]
    Officer(officers::OfficerCommand),
    /// Makes a QR code with which one phone can ask to be enrolled.
    Enrol(devices::EnrolArgs),
    /// Phones.
    #[command(subcommand)]
    Device(devices::DeviceCommand),
    /// What was refused or held.
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Erases values of one change, here and on every phone.
    Erase(upkeep::EraseArgs),
    /// Proves to others, who trust the log's key only, what is in the log.
    #[command(subcommand)]
    Proof(proof::ProofCommand),
    /// Checks the whole log: chains, statements, tree, heads.
    Verify,
    /// Builds again all that follows from the log, and says whether it was as it should be.
    Rebuild,
    /// Makes the key that is kept elsewhere, to which backups are sealed.
    OfflineKey(recovery::OfflineKeyArgs),
    /// Writes a sealed backup, also while the server runs.
    Backup(recovery::BackupArgs),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Outcome {
    /// The exit code.
    code: u8,
    /// For standard output.
    text: String,
    /// For standard error.
    error: String,
    /// Files that the caller asked for.
    files: Vec<(PathBuf, String)>,
}

impl Outcome {
    fn done(text: impl Into<String>) -> Self {
        Self {
            code: DONE,
            text: text.into(),
            error: String::new(),
            files: Vec::new(),
        }
    }
    fn failed(code: u8, error: impl Into<String>) -> Self {
        Self {
            code,
            text: String::new(),
            error: error.into(),
            files: Vec::new(),
        }
    }
}

const DONE: u8 = 0;
const NOT_DONE: u8 = 1;
const NOT_UNDERSTOOD: u8 = 2;
const NO_DATA: u8 = 3;

/// Why a command was not done: a sentence that says what to do.
#[derive(Debug)]
struct NotDone(String);

impl NotDone {
    fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

impl From<WriteError> for NotDone {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Busy => Self::new("the server has too much to do: try again in a moment"),
            WriteError::Stopped => Self::new("the server is stopping: try again when it is back"),
            WriteError::Refused(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for NotDone {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::Store(fault) = refusal {
            fault.into()
        } else {
            Self(refusal.to_string())
        }
    }
}

impl From<LedgerFault> for NotDone {
    fn from(fault: LedgerFault) -> Self {
        match fault {
            LedgerFault::Full => Self::new("the disk is full: make room and try again"),
            LedgerFault::Failed(why) => Self(why),
            LedgerFault::Damaged(_) => Self(format!("{fault}: restore a backup")),
        }
    }
}

/// A name without the spaces around it, or what is wrong with it.
fn sound_name(name: &str) -> Result<String, NotDone> {
    let name = name.trim();
    match name_fault(name) {
        None => Ok(name.to_owned()),
        Some(fault) => Err(NotDone(fault.to_string())),
    }
}

/// A number and what it counts.
fn counted(count: usize, one: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {one}{ending}")
}

/// What a log holds, as its check counted it.
fn contents(report: &VerifyReport) -> String {
    format!(
        "{} changes, {} set aside, {} reviews, {} control entries",
        report.changes, report.asides, report.reviews, report.controls
    )
}

/// Ends what a check says: the log is sound, or `shown_max` of its faults and what to do.
fn verdict(mut text: String, faults: &[String], shown_max: usize, advice: &str) -> Outcome {
    if faults.is_empty() {
        text.push_str("\nthe log is sound");
        return Outcome::done(text);
    }
    for fault in faults.iter().take(shown_max) {
        text.push_str("\nfault: ");
        text.push_str(fault);
    }
    Outcome {
        code: NOT_DONE,
        error: format!("{} found: {advice}", counted(faults.len(), "fault")),
        ..Outcome::done(text)
    }
}

/// Runs the program with the arguments it was given.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(told) => {
            // Help and version come this way too, to standard output and with code 0.
            drop(told.print());
            return ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(NOT_UNDERSTOOD));
        }
    };
    let Some(data) = cli.data else {
        return show(&Outcome::failed(
            NOT_UNDERSTOOD,
            "say where the server's data is: --data DIR",
        ));
    };
    let outcome = match cli.task {
        Task::Serve(args) => serve::serve(&data, &args),
        Task::Restore(args) => recovery::restore(&data, &args),
        Task::Drill(args) => recovery::drill(&args),
        Task::Command(command) => match prepared(command) {
            Ok(command) => run_anywhere(&data, &command),
            Err(NotDone(why)) => Outcome::failed(NOT_DONE, why),
        },
    };
    show(&outcome)
}

/// Reads what only the caller can: its files, its standard input, its working directory.
fn prepared(mut command: Command) -> Result<Command, NotDone> {
    match &mut command {
        Command::Area(areas::AreaCommand::Import(import) | areas::AreaCommand::Events(import)) => {
            let read = fs::read(&import.file);
            let read = read.map_err(|cause| NotDone(refused(Doing::Read, &import.file, &cause)))?;
            import.text = Some(areas::text_of(&import.file, read)?);
        }
        Command::Officer(officer) => {
            if let Some(secret) = officer.secret().filter(|secret| secret.password_stdin) {
                secret.password = Some(read_line()?);
            }
        }
        Command::Backup(backup) => {
            backup.file = std::path::absolute(&backup.file)
                .map_err(|cause| NotDone(refused(Doing::Write, &backup.file, &cause)))?;
        }
        Command::Area(areas::AreaCommand::Find { .. } | areas::AreaCommand::Resolve(_))
        | Command::Count(_)
        | Command::Group(_)
        | Command::Member(_)
        | Command::Enrol(_)
        | Command::Device(_)
        | Command::Quarantine(_)
        | Command::Erase(_)
        | Command::Proof(_)
        | Command::Verify
        | Command::Rebuild => {}
        Command::OfflineKey(key) => recovery::prepare_key(key)?,
    }
    Ok(command)
}

/// The first line of standard input.
fn read_line() -> Result<String, NotDone> {
    let mut text = String::new();
    let read = std::io::stdin()
        .take(STDIN_BYTES_MAX)
        .read_to_string(&mut text);
    read.map_err(|cause| NotDone(format!("standard input: {cause}")))?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

const STDIN_BYTES_MAX: u64 = 4_096;

/// Runs a command where the log is: in the server that holds it, or here.
fn run_anywhere(data: &Path, command: &Command) -> Outcome {
    match admin::hand_over(data, command) {
        Ok(Some(outcome)) => return outcome,
        Ok(None) => {}
        Err(why) => return Outcome::failed(NO_DATA, why),
    }
    let (office, running) = match Office::open(data, Begin::Refused) {
        Ok(open) => open,
        Err(why) => return Outcome::failed(NO_DATA, why.to_string()),
    };
    let outcome = run(&office, command);
    drop(office);
    running.stop();
    outcome
}

/// Runs a command on an open log.
fn run(office: &Office, command: &Command) -> Outcome {
    let done = match command {
        Command::Area(command) => areas::run(office, command),
        Command::Count(args) => count::run(office, args),
        Command::Group(command) => groups::run_group(office, command),
        Command::Member(command) => groups::run_member(office, command),
        Command::Officer(command) => officers::run(office, command),
        Command::Enrol(args) => devices::enrol(office, args),
        Command::Device(command) => devices::run(office, command),
        Command::Quarantine(command) => quarantine::run(office, command),
        Command::Erase(args) => upkeep::erase(office, args),
        Command::Proof(command) => proof::run(office, command),
        Command::Verify => upkeep::verify(office),
        Command::Rebuild => upkeep::rebuild(office),
        Command::OfflineKey(args) => recovery::keep_key(office, args),
        Command::Backup(args) => recovery::backup(office, args),
    };
    done.unwrap_or_else(|NotDone(why)| Outcome::failed(NOT_DONE, why))
}

/// Prints how a command ended, and writes the files that were asked for.
fn show(outcome: &Outcome) -> ExitCode {
    let mut code = outcome.code;
    let mut error = outcome.error.clone();
    for (path, text) in &outcome.files {
        if let Err(cause) = fs::write(path, text) {
            code = NOT_DONE;
            let why = refused(Doing::Write, path, &cause);
            error = format!("{why}. What is printed here is good without that file");
        }
    }
    if !outcome.text.is_empty() {
        // A reader that went away is no fault.
        drop(writeln!(std::io::stdout(), "{}", outcome.text.trim_end()));
    }
    if !error.is_empty() {
        drop(writeln!(std::io::stderr(), "binhyen: {error}"));
    }
    ExitCode::from(code)
}
