//! `area import`, `area find`; `area events` and `area resolve` are next door.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use sync_core::act::Control;
use sync_core::ids::sha256;
use sync_core::vocabulary::{HAMLET_COLUMNS, HamletImport};

use super::area_events::{self, ResolveArgs};
use super::{NotDone, Outcome, counted, find};
use crate::office::Office;

/// Areas that `area find` prints.
const FOUND_MAX: u32 = 40;
/// Faults of a file that are printed.
pub(super) const FAULTS_MAX: usize = 50;

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub(super) enum AreaCommand {
    /// Takes a province's list of hamlets.
    Import(ImportArgs),
    /// Takes a file of what happened to areas: merge, split, rename, recode, reparent.
    ///
    /// Its first line is date,event,area,into,name,kind,decision_no. Areas are named by id, or by
    /// the code that they had the day before; several in `into` stand with | between them.
    /// Events of one day count in the order of their lines.
    Events(ImportArgs),
    /// Says what became of an area.
    Resolve(ResolveArgs),
    /// Prints areas in whose name a word begins so, with code and id.
    Find {
        /// A name or its beginning, with or without accents.
        text: String,
    },
}

#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct ImportArgs {
    /// A CSV file. Of hamlets its first line is name,kind,parent_code,valid_from,decision_no.
    pub(super) file: PathBuf,
    /// What is in it.
    #[arg(skip)]
    pub(super) text: Option<String>,
}

/// The text of a file of hamlets or events.
///
/// A spreadsheet's "Unicode text" is UTF-16, and its plain "CSV" is in an encoding that its file
/// does not name: guessed at, it would give a province wrong names for years.
pub(super) fn text_of(file: &Path, bytes: Vec<u8>) -> Result<String, NotDone> {
    const SAVE_AS: &str = "save it as \"CSV UTF-8\", and import that file";
    let name = file.display();
    // UTF-16 of a header in Latin letters has a zero in every other place, with a mark or without.
    let marked = bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]);
    if marked || bytes.iter().take(2).any(|byte| *byte == 0) {
        return Err(NotDone(format!(
            "{name} is in UTF-16, as a spreadsheet's \"Unicode text\" is: {SAVE_AS}"
        )));
    }
    String::from_utf8(bytes).map_err(|other| {
        let good = other.utf8_error().valid_up_to();
        let before = other.as_bytes().get(..good).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count();
        NotDone(format!("{name} line {line} is not in UTF-8: {SAVE_AS}"))
    })
}

pub(super) fn run(office: &Office, command: &AreaCommand) -> Result<Outcome, NotDone> {
    match command {
        AreaCommand::Import(args) => import(office, args),
        AreaCommand::Events(args) => area_events::import(office, args),
        AreaCommand::Resolve(args) => area_events::resolve(office, args),
        AreaCommand::Find { text } => find(office, text),
    }
}

fn import(office: &Office, args: &ImportArgs) -> Result<Outcome, NotDone> {
    let name = args.file.display().to_string();
    let Some(text) = &args.text else {
        return Err(NotDone(format!("{name} was not read")));
    };
    let units = find::units()?;
    let hamlets = HamletImport::parse(&name, text, &units).map_err(|faults| {
        let told: Vec<String> = faults
            .iter()
            .take(FAULTS_MAX)
            .map(ToString::to_string)
            .collect();
        let more = faults.len().saturating_sub(told.len());
        let more = if more > 0 {
            format!("\nand {more} more")
        } else {
            String::new()
        };
        NotDone(format!("nothing was imported:\n{}{more}", told.join("\n")))
    })?;
    let count = hamlets.areas.len();
    if count == 0 {
        return Err(NotDone(format!(
            "{name} holds no hamlets: below {} there must be a line for each",
            HAMLET_COLUMNS.join(",")
        )));
    }
    let control = Control::Areas {
        file: sha256(text.as_bytes()),
        rows: u32::try_from(count).unwrap_or(u32::MAX),
    };
    office.act(move |hub, ledger, acting| {
        ledger.import_areas(&hamlets.areas)?;
        ledger.follow_area_events()?;
        hub.note_office(ledger, acting, control)
    })?;
    let taken = counted(count, "hamlet");
    Ok(Outcome::done(format!("{taken} taken from {name}")))
}

fn find(office: &Office, text: &str) -> Result<Outcome, NotDone> {
    let found = office.read(|snapshot| snapshot.find_areas(text, FOUND_MAX))?;
    if found.is_empty() {
        return Err(NotDone(format!(
            "no area has a name with a word that begins with {text:?}"
        )));
    }
    let lines: Result<Vec<String>, NotDone> = found
        .iter()
        .map(|row| find::area_line(office, row))
        .collect();
    Ok(Outcome::done(lines?.join("\n")))
}
