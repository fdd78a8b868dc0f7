//! `quarantine list|admit`: what was refused or held, with its reason in words, and a first word for
//! letting it in.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use sync_core::change::FullChange;
use sync_core::hub::facts::{self, Entry};
use sync_core::hub::ledger::{LedgerFault, Pair, Table, View as _};
use sync_core::hub::quarantine;
use sync_core::log::AsideReason;

use super::{NotDone, Outcome, find};
use crate::now_s;
use crate::office::Office;
use crate::store::Snapshot;

/// Rows read at once.
const PAGE: usize = 1_000;

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub(super) enum QuarantineCommand {
    /// Prints every change that was set aside, with its reason.
    List,
    /// Brings a held change before the officers; two of them let it in at the console.
    Admit {
        /// Its chain (or the beginning of it), a colon, and its number, as `quarantine list` tells.
        #[arg(value_name = "CHAIN:SEQ")]
        change: String,
    },
}

pub(super) fn run(office: &Office, command: &QuarantineCommand) -> Result<Outcome, NotDone> {
    match command {
        QuarantineCommand::List => list(office),
        QuarantineCommand::Admit { change } => admit(office, change),
    }
}

fn admit(office: &Office, change: &str) -> Result<Outcome, NotDone> {
    let at = find::change(office, change)?;
    let place = office.read(|snapshot| facts::place(snapshot, at))?;
    let place = place.ok_or_else(|| NotDone::new("there is no such change in the log"))?;
    let hash = place.hash;
    if let Some(reason) = place
        .aside
        .filter(|reason| !quarantine::is_admissible(*reason))
    {
        let why = in_words(reason);
        return Err(NotDone::new(format!("this change cannot be let in: {why}")));
    }
    office.act(move |hub, ledger, acting| hub.admit(ledger, acting, at, &hash))?;
    Ok(Outcome::done(
        "proposed; two officers who decide in its lane let it in, one after the other, at the \
         console, under /console/quarantine",
    ))
}

fn list(office: &Office) -> Result<Outcome, NotDone> {
    let lines = office.read(|snapshot| {
        let mut lines = Vec::new();
        for (key, value) in all(snapshot)? {
            lines.push(line(snapshot, &key, &value)?);
        }
        Ok(lines)
    })?;
    if lines.is_empty() {
        return Ok(Outcome::done("nothing is in quarantine"));
    }
    let count = lines.len();
    Ok(Outcome::done(format!(
        "{}\n{count} in all",
        lines.join("\n")
    )))
}

fn all(snapshot: &Snapshot<'_>) -> Result<Vec<Pair>, LedgerFault> {
    let (mut rows, mut from) = (Vec::<Pair>::new(), Vec::new());
    loop {
        let page = snapshot.scan(Table::Quarantine, &from, &[0xff; 64], PAGE)?;
        let full = page.len() == PAGE;
        rows.extend(page);
        match rows.last() {
            Some((last, _)) if full => {
                from.clone_from(last);
                from.push(0);
            }
            _ => return Ok(rows),
        }
    }
}

fn line(snapshot: &Snapshot<'_>, key: &[u8], value: &[u8]) -> Result<String, LedgerFault> {
    let damaged = LedgerFault::Damaged(Table::Quarantine);
    let full = FullChange::from_bytes(value).map_err(|_malformed| damaged)?;
    let (at, device) = (full.change.at, full.change.device);
    let index = <[u8; 8]>::try_from(key).ok().map(u64::from_be_bytes);
    let Some(index) = index else {
        return Ok(format!(
            "{}:{}  device {device}  fork: another change was received at this place; the phone \
             says it again on a new chain",
            at.chain, at.seq
        ));
    };
    let entry = facts::entry(snapshot, index)?;
    let reason = entry
        .and_then(|entry| entry.aside)
        .map(|(_, reason)| reason);
    let asked = match entry.and_then(|entry| entry.aside) {
        Some((hash, _)) => quarantine::admission(snapshot, at, &hash)?,
        None => None,
    };
    let asked = match asked.filter(|asked| asked.is_open(now_s())) {
        Some(open) if open.proposer == 0 => "; proposed from the command line".to_owned(),
        Some(open) => format!("; proposed by account {}", open.proposer),
        None => String::new(),
    };
    let words = reason.map_or("for a reason that this release does not know", in_words);
    Ok(format!(
        "{}:{}  device {device}  entry {index}{}  {words}{asked}",
        at.chain,
        at.seq,
        group_of(snapshot, entry.as_ref())?
    ))
}

fn group_of(snapshot: &Snapshot<'_>, entry: Option<&Entry>) -> Result<String, LedgerFault> {
    let Some(group) = entry.and_then(|entry| entry.leaf.feed.group()) else {
        return Ok(String::new());
    };
    let row = facts::group(snapshot, group)?;
    Ok(format!(
        "  {}",
        row.map_or_else(|| group.to_string(), |row| row.name)
    ))
}

fn in_words(reason: AsideReason) -> &'static str {
    match reason {
        AsideReason::UnknownRecord => "refused: it names a record that is not in this logbook",
        AsideReason::UnknownHead => "refused: it builds on a change that is not in the log",
        AsideReason::FollowsAside => "refused: an earlier change of this record was set aside",
        AsideReason::Vocabulary => {
            "refused: its type, a field or a value is none of the vocabulary's"
        }
        AsideReason::ClosedLane => "refused: it says more than a closed lane may hold",
        AsideReason::Sealed => "refused: it fills a field that is sealed or reserved",
        AsideReason::Role => "refused: the member's role may not write this",
        AsideReason::Member => "refused: the member is none of those who use this phone",
        AsideReason::TooManyChanges => "refused: the record has as many changes as one may have",
        AsideReason::NotYours => "refused: the field is the commune's to write",
        AsideReason::Link => "refused: it links to a record that must not be named there",
        AsideReason::NotEnrolled => "refused: the phone was never enrolled in this group",
        AsideReason::RightLost => {
            "held: the member had the right when it was written, and no longer when it came"
        }
        AsideReason::Revoked => "held: the phone was revoked before it came",
    }
}
