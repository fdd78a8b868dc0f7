//! `enrol`, `device list|confirm|refuse|revoke`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use qrcode::render::{svg, unicode};
use qrcode::{EcLevel, QrCode};
use serde::{Deserialize, Serialize};
use sync_core::hub::arrival;
use sync_core::hub::facts::{self, Grant};
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::{GroupId, KeyId};
use sync_core::invitation::is_server_url;

use super::groups::member_name;
use super::{NotDone, Outcome, counted, find};
use crate::enrolment::{INVITATION_DAYS, InviteError, Inviting};
use crate::office::Office;
use crate::store::Snapshot;

#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct EnrolArgs {
    /// The group: its id, the beginning of it, or its whole name.
    #[arg(long)]
    group: String,
    /// Number of a member who will use the phone; can be given more than once. Without any, every
    /// member of the group.
    #[arg(long, value_name = "NUMBER")]
    member: Vec<u16>,
    /// The address at which the phone finds this server.
    #[arg(long, value_name = "https://HOST:PORT")]
    url: Option<String>,
    /// Days for which the code is good.
    #[arg(long, default_value_t = INVITATION_DAYS, value_parser = clap::value_parser!(u16).range(1..=90))]
    days: u16,
    /// Writes the code as a picture too.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub(super) enum DeviceCommand {
    /// Prints phones: those that wait first, with their six digits.
    List {
        /// Only those of this group.
        #[arg(long)]
        group: Option<String>,
    },
    /// Enrols a waiting phone, when it shows the same six digits.
    Confirm {
        /// Its id, or the beginning of it.
        device: String,
        /// The six digits that the phone shows.
        digits: String,
    },
    /// Turns a waiting phone away; what it sent is dropped thirty days later.
    Refuse {
        /// Its id, or the beginning of it.
        device: String,
    },
    /// Takes reading and writing from a phone, in all its groups.
    Revoke {
        /// Its id, or the beginning of it.
        device: String,
    },
}

impl From<InviteError> for NotDone {
    fn from(error: InviteError) -> Self {
        match error {
            InviteError::NoAddress(why) => Self::new(why),
            InviteError::NoCode(why) => Self(why),
            InviteError::NotKept(error) => error.into(),
        }
    }
}

pub(super) fn enrol(office: &Office, args: &EnrolArgs) -> Result<Outcome, NotDone> {
    if args.url.as_deref().is_some_and(|url| !is_server_url(url)) {
        return Err(NotDone::new(
            "write the address as https://HOST or https://HOST:PORT, without a path",
        ));
    }
    let (group, row) = find::group(office, &args.group)?;
    // A phone of such a group could be let in and would have nobody to write as.
    let members = office.read(|snapshot| facts::members(snapshot, group))?;
    if members.iter().all(|member| member.role.is_none()) {
        return Err(NotDone(format!(
            "{} has no members now, so nobody could write on the phone: `member add NAME --group \
             {group}` first",
            row.name
        )));
    }
    let made = office.invite(Inviting {
        account: 0,
        group,
        group_name: row.name,
        members: args.member.clone(),
        url: args.url.clone(),
        days: args.days,
    })?;
    let text = made.text;
    let code = QrCode::with_error_correction_level(&text, EcLevel::L)
        .map_err(|_too_long| NotDone::new("the code is longer than a QR code can be"))?;
    let drawn = code.render::<unicode::Dense1x2>().quiet_zone(true).build();
    let mut outcome = Outcome::done(format!(
        "{drawn}\n\n{text}\n\nGood for one phone and {}. It lets nobody in by itself: see \
         `device list`, compare the six digits with the phone's, then `device confirm`.",
        counted(usize::from(args.days), "day")
    ));
    if let Some(path) = &args.svg {
        let picture = code.render::<svg::Color<'_>>().build();
        outcome.files.push((path.clone(), picture));
    }
    Ok(outcome)
}

pub(super) fn run(office: &Office, command: &DeviceCommand) -> Result<Outcome, NotDone> {
    match command {
        DeviceCommand::List { group } => list(office, group.as_deref()),
        DeviceCommand::Confirm { device, digits } => confirm(office, device, digits),
        DeviceCommand::Refuse { device } => {
            let id = find::device(&waiting(office)?, device)?;
            office.act(move |hub, ledger, acting| hub.refuse(ledger, id, acting.now_s))?;
            Ok(Outcome::done(format!(
                "device {id} is refused; what it sent is dropped in thirty days, and until then \
                 `device confirm` still lets it in"
            )))
        }
        DeviceCommand::Revoke { device } => {
            let known = office.read(|snapshot| facts::devices(snapshot))?;
            let id = find::device(&known, device)?;
            let groups = office.act(move |hub, ledger, acting| {
                let mut groups = Vec::new();
                for group in facts::groups_of(ledger, id)? {
                    let row = facts::group(ledger, group)?;
                    groups.push(row.map_or_else(|| group.to_string(), |row| row.name));
                }
                hub.revoke(ledger, acting, id)?;
                Ok(groups)
            })?;
            Ok(Outcome::done(format!(
                "device {id} is revoked in all its groups: {}",
                groups.join(", ")
            )))
        }
    }
}

fn waiting(office: &Office) -> Result<Vec<KeyId>, NotDone> {
    let candidates = office.read(|snapshot| arrival::candidates(snapshot))?;
    Ok(candidates.into_iter().map(|(device, _)| device).collect())
}

fn confirm(office: &Office, device: &str, digits: &str) -> Result<Outcome, NotDone> {
    let id = find::device(&waiting(office)?, device)?;
    let typed: String = digits.chars().filter(|c| !matches!(c, ' ' | '-')).collect();
    let six = typed.len() == 6 && typed.bytes().all(|b| b.is_ascii_digit());
    let shown = typed.parse::<u32>().ok().filter(|_| six).ok_or_else(|| {
        NotDone(format!(
            "{digits:?} are not the six digits that a phone shows"
        ))
    })?;
    office.act(move |hub, ledger, acting| hub.confirm(ledger, acting, id, shown))?;
    Ok(Outcome::done(format!("device {id} is enrolled")))
}

fn list(office: &Office, group: Option<&str>) -> Result<Outcome, NotDone> {
    let only = match group {
        None => None,
        Some(asked) => Some(find::group(office, asked)?.0),
    };
    let lines = office.read(|snapshot| {
        let mut lines = Vec::new();
        for (device, found) in arrival::candidates(snapshot)? {
            if only.is_some_and(|only| only != found.group) {
                continue;
            }
            let state = match found.refused_at {
                None => format!("waits, digits {:06}", found.digits),
                Some(_) => "refused".to_owned(),
            };
            let who = who(snapshot, found.group, &found.members)?;
            lines.push(format!("{device}  {state}  {who}"));
        }
        for device in facts::devices(snapshot)? {
            for (group, grant) in facts::grants(snapshot, device)? {
                if only.is_some_and(|only| only != group) {
                    continue;
                }
                let (state, members) = match grant {
                    Grant::Revoked => ("revoked", Vec::new()),
                    Grant::Members(members) => ("enrolled", members),
                };
                let who = who(snapshot, group, &members)?;
                lines.push(format!("{device}  {state}  {who}"));
            }
        }
        Ok(lines)
    })?;
    if lines.is_empty() {
        return Ok(Outcome::done("no phones yet: `enrol` makes a code for one"));
    }
    Ok(Outcome::done(lines.join("\n")))
}

/// The group, and who of it uses the phone.
fn who(snapshot: &Snapshot<'_>, group: GroupId, numbers: &[u16]) -> Result<String, LedgerFault> {
    let row = facts::group(snapshot, group)?;
    let mut text = row.map_or_else(|| group.to_string(), |row| row.name);
    if numbers.is_empty() {
        return Ok(text);
    }
    let mut names = Vec::new();
    for member in facts::members(snapshot, group)? {
        if numbers.contains(&member.number) {
            let name = member_name(snapshot, member.named_at)?;
            names.push(name.unwrap_or_else(|| member.number.to_string()));
        }
    }
    text.push_str(": ");
    text.push_str(&names.join(", "));
    Ok(text)
}
