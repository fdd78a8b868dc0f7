//! `verify`, `rebuild`, `erase`.

use std::thread;
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};
use sync_core::change::ChangeRef;
use sync_core::hub::facts;
use sync_core::hub::ledger::{LedgerFault, Table, View as _};
use sync_core::ids::{Hash32, sha256};
use sync_core::log::EntryKind;
use sync_core::value::{AUTHOR_KEY, FieldKey};
use sync_core::vocabulary::Lane;

use super::{NOT_DONE, NotDone, Outcome, contents, counted, find, verdict};
use crate::now_s;
use crate::office::Office;
use crate::store::{LIST_LIMIT_MAX, ListQuery, Scope, ScopeArea, Snapshot, SqliteStore};

/// Faults that are printed.
const FAULTS_MAX: usize = 100;
/// Rows read at once.
const PAGE: usize = 1_000;
/// A reader may hold the log for a moment.
const SCRUB_TRIES: u32 = 10;
const SCRUB_PAUSE: Duration = Duration::from_millis(300);

#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct EraseArgs {
    /// The change: its chain (or the beginning of it), a colon, and its number.
    #[arg(value_name = "CHAIN:SEQ")]
    at: String,
    /// Fields: number, number.item, or id; `author` for the member.
    #[arg(required = true, value_name = "FIELD")]
    fields: Vec<String>,
    /// Leaves the files as they are until the next erasure: what was erased can be found in them
    /// by whoever takes the disk.
    #[arg(long)]
    keep_files: bool,
}

pub(super) fn verify(office: &Office) -> Result<Outcome, NotDone> {
    let hub = office.hub();
    let (report, database, audit) = office.read(|snapshot| {
        Ok((
            hub.verify_log(snapshot)?,
            snapshot.check()?,
            snapshot.verify_audit()?,
        ))
    })?;
    let mut text = format!(
        "{} entries: {}\n{} chains, {} statements checked, {} changes with erased values\n{} audit \
         entries",
        report.entries,
        contents(&report),
        report.chains,
        report.statements,
        report.erased,
        audit.count
    );
    if let Some(path) = office.settings().standby {
        let safe_size = office.read(|snapshot| hub.state(snapshot))?.safe_size;
        text.push_str(&format!(
            "\nthe copy in {} has confirmed {safe_size} of them",
            path.display()
        ));
        if office.metrics().is_standby_failing() {
            text.push_str(" and does not follow: look after its disk");
        }
    }
    let mut faults: Vec<String> = report
        .faults
        .iter()
        .map(|fault| match fault.index {
            Some(index) => format!("entry {index}: {}", fault.what),
            None => fault.what.clone(),
        })
        .collect();
    faults.extend(database.map(|what| format!("the database file: {what}")));
    faults.extend(
        audit
            .broken_at
            .map(|number| format!("audit entry {number} is missing, changed or out of place")),
    );
    let advice = "stop the server, keep its data, and restore a backup beside it";
    Ok(verdict(text, &faults, FAULTS_MAX, advice))
}

pub(super) fn rebuild(office: &Office) -> Result<Outcome, NotDone> {
    let before = office.read(derived)?;
    office
        .writer()
        .act(|hub, ledger| Ok(hub.rebuild(ledger, now_s())?))?;
    let after = office.read(derived)?;
    if before == after {
        return Ok(Outcome::done(
            "built again, and all of it is as it was: it follows from the log",
        ));
    }
    let mut parts: Vec<String> = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .map(|(_, (name, _))| name.clone())
        .collect();
    parts.dedup();
    Ok(Outcome {
        code: NOT_DONE,
        error: format!(
            "what was there did not follow from the log, and was replaced: {}. Run `verify`; if \
             the server took nothing in meanwhile, look at the disk",
            parts.join(", ")
        ),
        ..Outcome::done("built again")
    })
}

/// A hash of each derived table, and of the console's rows.
fn derived(snapshot: &Snapshot<'_>) -> Result<Vec<(String, Hash32)>, LedgerFault> {
    let mut hashes = Vec::new();
    for table in Table::ALL.iter().filter(|table| table.is_derived()) {
        let (mut hash, mut from) = (Hash32::default(), Vec::new());
        loop {
            let page = snapshot.scan(*table, &from, &[0xff; 64], PAGE)?;
            for (key, value) in &page {
                hash = sha256(&[hash.as_bytes(), &sha256(key).0, &sha256(value).0].concat());
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => {
                    from.clone_from(last);
                    from.push(0);
                }
                _ => break,
            }
        }
        hashes.push((format!("{table:?}"), hash));
    }
    let scope = Scope {
        area: ScopeArea::Province,
        lanes: Lane::ALL.to_vec(),
        rounded: Vec::new(),
    };
    let mut query = ListQuery {
        limit: LIST_LIMIT_MAX,
        ..ListQuery::default()
    };
    let mut hash = Hash32::default();
    loop {
        let page = snapshot.list(&scope, &query)?;
        for row in &page.rows {
            hash = sha256(&[hash.as_bytes(), format!("{row:?}").as_bytes()].concat());
        }
        query.before = page.next;
        if query.before.is_none() {
            break;
        }
    }
    hashes.push(("rows of the console".to_owned(), hash));
    Ok(hashes)
}

pub(super) fn erase(office: &Office, args: &EraseArgs) -> Result<Outcome, NotDone> {
    let at = find::change(office, &args.at)?;
    let mut keys = Vec::new();
    for field in &args.fields {
        keys.push(key_of(office, at, field)?);
    }
    let count = keys.len();
    refuse_act(office, at)?;
    office.act(move |hub, ledger, acting| hub.erase(ledger, acting, at, keys))?;
    let said = format!(
        "erased here, in {}:{}: {}; each phone does the same at its next visit",
        at.chain,
        at.seq,
        counted(count, "field")
    );
    if args.keep_files {
        return Ok(Outcome::done(said));
    }
    let began = Instant::now();
    clean_files(office)?;
    Ok(Outcome::done(format!(
        "{said}\nthe files are written anew without them; writing stood still for {:.1} seconds. \
         The parts of backups made before still hold them until they are dropped",
        began.elapsed().as_secs_f64()
    )))
}

/// Writes the files anew, so that only living rows are in them.
fn clean_files(office: &Office) -> Result<(), NotDone> {
    for _try in 1..SCRUB_TRIES {
        match office.writer().upkeep(|_hub, store| store.rebuild()) {
            Ok(()) => return Ok(()),
            // A reader holds an older view; it is gone in a moment.
            Err(crate::writer::WriteError::Refused(sync_core::hub::Refusal::Store(
                LedgerFault::Failed(_),
            ))) => thread::sleep(SCRUB_PAUSE),
            Err(other) => return Err(other.into()),
        }
    }
    let last = office
        .writer()
        .upkeep(|_hub, store: &mut SqliteStore| store.rebuild());
    last.map_err(|error| {
        let NotDone(why) = error.into();
        NotDone(format!(
            "the values are erased, but the files still hold traces of them ({why}): run the same \
             command again"
        ))
    })
}

/// The hub takes values out of changes only: asked for an act it would call the log damaged.
fn refuse_act(office: &Office, at: ChangeRef) -> Result<(), NotDone> {
    let kind = office.read(|snapshot| {
        let Some(place) = facts::place(snapshot, at)? else {
            return Ok(None);
        };
        Ok(facts::entry(snapshot, place.index)?.map(|entry| entry.leaf.kind))
    })?;
    if matches!(kind, Some(EntryKind::Review | EntryKind::Control)) {
        return Err(NotDone(format!(
            "{}:{} is an act of an officer or a membership, and words of those cannot be erased \
             yet: only values of changes can",
            at.chain, at.seq
        )));
    }
    Ok(())
}

/// The place that a field's number or id names in the change.
fn key_of(office: &Office, at: ChangeRef, field: &str) -> Result<FieldKey, NotDone> {
    if field == "author" {
        return Ok(AUTHOR_KEY);
    }
    if let Some(key) = read_key(field) {
        return Ok(key);
    }
    let found = office.read(|snapshot| {
        let Some(place) = facts::place(snapshot, at)? else {
            return Ok(None);
        };
        let Some((_, record)) = facts::record(snapshot, place.record)? else {
            return Ok(None);
        };
        let vocabulary = office.hub().vocabulary();
        let known = vocabulary.field_by_id(record.record_type(), field);
        Ok(known.map(|known| FieldKey::plain(known.number)))
    })?;
    found.ok_or_else(|| {
        NotDone(format!(
            "{field:?} is no field of that change: give its number, as the console shows it"
        ))
    })
}

/// `41`, or `41.a3` with the item in hex.
fn read_key(text: &str) -> Option<FieldKey> {
    let (number, item) = match text.split_once('.') {
        Some((number, item)) => (number, u32::from_str_radix(item, 16).ok()?),
        None => (text, 0),
    };
    let number = number.parse().ok()?;
    Some(FieldKey { number, item })
}
