//! `officer add|disable|enable|reset|list`: accounts of the console.

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use sync_core::act::Control;
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::AreaRef;
use sync_core::vocabulary::{AreaLevel, Role, RoleScope};

use super::{NotDone, Outcome, find, sound_name};
use crate::http::console::password::hash_password;
use crate::office::Office;
use crate::random;
use crate::store::Account;

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub(super) enum OfficerCommand {
    /// Opens an account for somebody who works at the console.
    Add {
        /// Its name, as typed to sign in.
        name: String,
        /// A role of officers.
        #[arg(long)]
        role: String,
        /// The commune or province it works for; roles without a place need none.
        #[arg(long)]
        area: Option<String>,
        #[command(flatten)]
        secret: Secret,
    },
    /// Closes an account: it is signed out at once and cannot sign in again.
    Disable {
        /// Its name.
        name: String,
    },
    /// Opens a closed account again.
    Enable {
        /// Its name.
        name: String,
    },
    /// Gives an account a new password; it is signed out at once.
    Reset {
        /// Its name.
        name: String,
        #[command(flatten)]
        secret: Secret,
    },
    /// Prints all accounts.
    List,
}

/// Where a password comes from.
#[derive(Clone, Args, Serialize, Deserialize)]
pub(super) struct Secret {
    /// Reads the password from standard input; else one is made and printed once.
    #[arg(long)]
    pub(super) password_stdin: bool,
    #[arg(skip)]
    pub(super) password: Option<String>,
}

/// Without the password: what is printed ends in logs.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl OfficerCommand {
    /// The password's place, in commands that have one.
    pub(super) fn secret(&mut self) -> Option<&mut Secret> {
        match self {
            Self::Add { secret, .. } | Self::Reset { secret, .. } => Some(secret),
            Self::Disable { .. } | Self::Enable { .. } | Self::List => None,
        }
    }
}

pub(super) fn run(office: &Office, command: &OfficerCommand) -> Result<Outcome, NotDone> {
    match command {
        OfficerCommand::Add {
            name,
            role,
            area,
            secret,
        } => add(office, name, role, area.as_deref(), secret),
        OfficerCommand::Disable { name } => set_active(office, name, false),
        OfficerCommand::Enable { name } => set_active(office, name, true),
        OfficerCommand::Reset { name, secret } => reset(office, name, secret),
        OfficerCommand::List => list(office),
    }
}

fn add(
    office: &Office,
    name: &str,
    role: &str,
    area: Option<&str>,
    secret: &Secret,
) -> Result<Outcome, NotDone> {
    let name = sound_name(name)?;
    let role = find_role(office, role)?.clone();
    let area = area_of(office, &role, area)?;
    let (hash, told) = password_of(secret)?;
    let number = office.act(move |hub, ledger, acting| {
        let account = ledger.add_account(&name, &hash, role.number, area)?;
        let control = Control::Officer {
            account,
            role: role.number,
            area,
            active: true,
        };
        hub.note_office(ledger, acting, control)?;
        Ok(account)
    })?;
    Ok(Outcome::done(format!("account {number}{told}")))
}

fn find_role<'a>(office: &'a Office, id: &str) -> Result<&'a Role, NotDone> {
    let vocabulary = office.hub().vocabulary();
    let of_office = |row: &&Role| row.scope != RoleScope::Group;
    let found = vocabulary
        .roles()
        .filter(of_office)
        .find(|row| row.id == id);
    found.ok_or_else(|| {
        let ids: Vec<&str> = vocabulary
            .roles()
            .filter(of_office)
            .map(|row| row.id.as_str())
            .collect();
        NotDone(format!(
            "{id:?} is no role of an account; write one of: {}",
            ids.join(", ")
        ))
    })
}

fn area_of(office: &Office, role: &Role, asked: Option<&str>) -> Result<AreaRef, NotDone> {
    let level = match role.scope {
        RoleScope::Commune => AreaLevel::Commune,
        RoleScope::Province => AreaLevel::Province,
        RoleScope::Group | RoleScope::None => return Ok(AreaRef::default()),
    };
    let (word, code) = match level {
        AreaLevel::Province => ("province", "its code of two digits"),
        AreaLevel::Commune | AreaLevel::Hamlet => ("commune", "its code of five digits"),
    };
    let Some(asked) = asked else {
        return Err(NotDone(format!(
            "the role {} works for a {word}: name it with --area ({code})",
            role.id
        )));
    };
    let found = find::area(office, asked)?;
    if found.kind.level() == level {
        Ok(found.id)
    } else {
        Err(NotDone(format!(
            "{} {} is no {word}, and the role {} works for one: give {code}",
            found.kind.word(),
            found.name,
            role.id
        )))
    }
}

/// The hash to keep, and what to print about it.
fn password_of(secret: &Secret) -> Result<(String, String), NotDone> {
    let (password, told) = match &secret.password {
        Some(password) => (password.clone(), String::new()),
        None => {
            let made = new_password()?;
            let told =
                format!("\npassword {made}\nIt is printed this once: hand it over in person");
            (made, told)
        }
    };
    let hash = hash_password(&password).map_err(|fault| NotDone(fault.to_string()))?;
    Ok((hash, told))
}

/// Letters and digits that look like no other when they are written by hand. There are 32 of
/// them, so each stands for five random bits.
const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz23456789+";
/// Letters of a new password, in groups of four: 100 bits.
const LETTERS_COUNT: usize = 20;

fn new_password() -> Result<String, NotDone> {
    let random: [u8; LETTERS_COUNT] = random()?;
    let mut password = String::new();
    for (nth, byte) in random.iter().enumerate() {
        if nth > 0 && nth.is_multiple_of(4) {
            password.push('-');
        }
        let letter = LETTERS.get(usize::from(byte % 32)).copied();
        password.push(char::from(letter.unwrap_or(b'a')));
    }
    Ok(password)
}

fn account(office: &Office, name: &str) -> Result<Account, NotDone> {
    let found = office.read(|snapshot| snapshot.account_by_name(name))?;
    found
        .map(|found| found.account)
        .ok_or_else(|| NotDone(format!("there is no account {name:?}: see `officer list`")))
}

fn noted(account: &Account, active: bool) -> Control {
    Control::Officer {
        account: account.number,
        role: account.role,
        area: account.area,
        active,
    }
}

fn set_active(office: &Office, name: &str, active: bool) -> Result<Outcome, NotDone> {
    let account = account(office, name)?;
    let number = account.number;
    office.act(move |hub, ledger, acting| {
        ledger.set_account_active(account.number, active)?;
        hub.note_office(ledger, acting, noted(&account, active))
    })?;
    let done = if active {
        "open again"
    } else {
        "closed, and signed out"
    };
    Ok(Outcome::done(format!("account {number} is {done}")))
}

fn reset(office: &Office, name: &str, secret: &Secret) -> Result<Outcome, NotDone> {
    let account = account(office, name)?;
    let number = account.number;
    let (hash, told) = password_of(secret)?;
    office.act(move |hub, ledger, acting| {
        ledger.set_password(account.number, &hash)?;
        hub.note_office(ledger, acting, noted(&account, account.active))
    })?;
    Ok(Outcome::done(format!(
        "account {number} has a new password, and is signed out{told}"
    )))
}

fn list(office: &Office) -> Result<Outcome, NotDone> {
    let vocabulary = office.hub().vocabulary();
    let lines = office.read(|snapshot| {
        snapshot
            .accounts()?
            .iter()
            .map(|account| {
                let role = vocabulary.role(account.role);
                let role = role.map_or_else(|| account.role.to_string(), |row| row.id.clone());
                let place = if account.area == AreaRef::default() {
                    "-".to_owned()
                } else {
                    find::area_name(snapshot, account.area)?
                };
                let closed = if account.active { "" } else { ", closed" };
                Ok(format!(
                    "{:4}  {}  ({role}, {place}{closed})",
                    account.number, account.name
                ))
            })
            .collect::<Result<Vec<String>, LedgerFault>>()
    })?;
    if lines.is_empty() {
        return Ok(Outcome::done("no accounts yet: `officer add` opens one"));
    }
    Ok(Outcome::done(lines.join("\n")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_and_never_the_same() {
        let (a, b) = (new_password().unwrap(), new_password().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.len(), LETTERS_COUNT + LETTERS_COUNT / 4 - 1);
        let mut letters = LETTERS.to_vec();
        letters.sort_unstable();
        letters.dedup();
        assert_eq!(letters.len(), 32);
        assert!(!LETTERS.iter().any(|l| b"il1o0".contains(l)));
    }
}
