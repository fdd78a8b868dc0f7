//! `area import`, `area find`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use sync_core::act::Control;
use sync_core::ids::sha256;
use sync_core::vocabulary::{HAMLET_COLUMNS, HamletImport};

use super::{NotDone, Outcome, find};
use crate::office::Office;

/// Areas that `area find` prints.
const FOUND_MAX: u32 = 40;
/// Faults of a file that are printed.
const FAULTS_MAX: usize = 50;

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub(super) enum AreaCommand {
    /// Takes a province's list of hamlets.
    Import(ImportArgs),
    /// Prints areas in whose name a word begins so, with code and id.
    Find {
        /// A name or its beginning, with or without accents.
        text: String,
    },
}

#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct ImportArgs {
    /// A CSV file; its first line is name,kind,parent_code,valid_from,decision_no.
    pub(super) file: PathBuf,
    /// What is in it.
    #[arg(skip)]
    pub(super) text: Option<String>,
}

pub(super) fn run(office: &Office, command: &AreaCommand) -> Result<Outcome, NotDone> {
    match command {
        AreaCommand::Import(args) => import(office, args),
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
        hub.note_office(ledger, acting, control)
    })?;
    Ok(Outcome::done(format!("{count} hamlets taken from {name}")))
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
