//! Finding what a person means: an area by code, id or name; a group, a device or a chain by the
//! beginning of its id; a change by its place.

use sync_core::change::ChangeRef;
use sync_core::hub::facts::{self, Group};
use sync_core::hub::ledger::View;
use sync_core::ids::{AreaRef, ChainId, GroupId, KeyId};
use sync_core::text::fold;
use sync_core::vocabulary::{AreaId, UNITS_CSV, UnitTable};

use super::NotDone;
use crate::office::Office;
use crate::store::{AreaRow, Snapshot};

/// Candidates that an error names.
const NAMED_MAX: usize = 8;
/// Areas of one name that are looked through: some names stand in every province.
const SAME_NAME_MAX: u32 = 500;
/// Digits of an id below which it is taken for a name.
const ID_DIGITS_MIN: usize = 4;

/// The table of provinces and communes that this release was built with.
pub(super) fn units() -> Result<UnitTable, NotDone> {
    UnitTable::parse("units.csv", UNITS_CSV)
        .map_err(|_faults| NotDone::new("the built-in table of units is wrong"))
}

/// The area that a person means.
pub(super) fn area(office: &Office, asked: &str) -> Result<AreaRow, NotDone> {
    let asked = asked.trim();
    let id = if asked.bytes().all(|b| b.is_ascii_digit()) && matches!(asked.len(), 2 | 5) {
        let units = units()?;
        let unit = units.province(asked).or_else(|| units.commune(asked));
        let unit = unit.ok_or_else(|| {
            NotDone(format!(
                "code {asked} is no province or commune: look it up with `area find NAME`"
            ))
        })?;
        Some(AreaRef(*unit.id.bytes()))
    } else {
        AreaId::parse(asked).map(|id| AreaRef(*id.bytes()))
    };
    if let Some(id) = id {
        let found = office.read(|snapshot| snapshot.area(id))?;
        return found
            .ok_or_else(|| NotDone(format!("there is no area {asked}: see `area find NAME`")));
    }
    let found = office.read(|snapshot| snapshot.find_areas(asked, SAME_NAME_MAX))?;
    let wanted = fold(asked);
    let mut same: Vec<&AreaRow> = found
        .iter()
        .filter(|row| {
            fold(&row.name) == wanted
                || fold(&format!("{} {}", row.kind.word(), row.name)) == wanted
        })
        .collect();
    if same.iter().any(|row| row.valid_to.is_none()) {
        // what ended is meant only where nothing else is called so
        same.retain(|row| row.valid_to.is_none());
    }
    if same.len() > 1 {
        // The name as typed, accents and all, may be only one of them.
        let typed: Vec<&AreaRow> = same.iter().copied().filter(|r| r.name == asked).collect();
        if typed.len() == 1 {
            same = typed;
        }
    }
    match same.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(NotDone(format!(
            "there is no area {asked:?}: look it up with `area find TEXT`, and name it by its code \
             or id"
        ))),
        several => Err(NotDone(format!(
            "{} areas are called {asked:?}; name one by its code or id:\n{}",
            several.len(),
            lines(office, several)?
        ))),
    }
}

/// Areas, one a line, with what they lie in.
pub(super) fn lines(office: &Office, rows: &[&AreaRow]) -> Result<String, NotDone> {
    let mut text = Vec::new();
    for row in rows.iter().take(NAMED_MAX) {
        text.push(area_line(office, row)?);
    }
    if rows.len() > NAMED_MAX {
        text.push("...".to_owned());
    }
    Ok(text.join("\n"))
}

/// An area as one line: code, id, full name.
pub(super) fn area_line(office: &Office, row: &AreaRow) -> Result<String, NotDone> {
    let ended = row.valid_to.as_deref().map(|day| format!(" (until {day})"));
    Ok(format!(
        "{:5}  {}  {}{}",
        row.code.as_deref().unwrap_or("-"),
        row.id,
        full_name(office, row)?,
        ended.unwrap_or_default()
    ))
}

fn full_name(office: &Office, row: &AreaRow) -> Result<String, NotDone> {
    let names = office.read(|snapshot| {
        let mut names = vec![format!("{} {}", row.kind.word(), row.name)];
        let mut above = row.parent;
        while let Some(id) = above.take().filter(|_| names.len() < 4) {
            if let Some(parent) = snapshot.area(id)? {
                names.push(format!("{} {}", parent.kind.word(), parent.name));
                above = parent.parent;
            }
        }
        Ok(names)
    })?;
    Ok(names.join(", "))
}

/// The name of an area, and its end when it has ended; of one that is unknown the id.
pub(super) fn area_name(
    snapshot: &Snapshot<'_>,
    area: AreaRef,
) -> Result<String, sync_core::hub::ledger::LedgerFault> {
    let row = snapshot.area(area)?;
    Ok(row.map_or_else(
        || format!("unknown area {area}"),
        |row| {
            let ended = row.valid_to.map(|day| format!(" (until {day})"));
            format!(
                "{} {}{}",
                row.kind.word(),
                row.name,
                ended.unwrap_or_default()
            )
        },
    ))
}

/// The group that a person means.
pub(super) fn group(office: &Office, asked: &str) -> Result<(GroupId, Group), NotDone> {
    let asked = asked.trim();
    let all = office.read(|snapshot| facts::groups(snapshot, &[]))?;
    let by_id = all
        .iter()
        .filter(|(id, _)| asked.len() >= ID_DIGITS_MIN && begins(&id.to_string(), asked));
    let by_name = all
        .iter()
        .filter(|(_, group)| is_same_name(&group.name, asked));
    let mut found: Vec<&(GroupId, Group)> = by_name.collect();
    if found.is_empty() {
        found = by_id.collect();
    }
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(NotDone(format!(
            "there is no group {asked:?}: see `group list`, and name it by its id or whole name"
        ))),
        several => {
            let ids = several.iter().take(NAMED_MAX).map(|(id, _)| id.to_string());
            Err(NotDone(format!(
                "several groups fit {asked:?}; name one by its id: {}",
                ids.collect::<Vec<_>>().join(", ")
            )))
        }
    }
}

/// Whether two names of groups are one to a person who types them.
pub(super) fn is_same_name(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

/// The device that a person means, among these.
pub(super) fn device(known: &[KeyId], asked: &str) -> Result<KeyId, NotDone> {
    let found: Vec<&KeyId> = known
        .iter()
        .filter(|id| asked.len() >= ID_DIGITS_MIN && begins(&id.to_string(), asked))
        .collect();
    match found.as_slice() {
        [one] => Ok(**one),
        [] => Err(NotDone(format!(
            "there is no such device {asked:?}: see `device list`, and give its id or the first \
             {ID_DIGITS_MIN} digits of it"
        ))),
        _ => Err(NotDone(format!(
            "several devices begin with {asked:?}: give more digits"
        ))),
    }
}

/// The place of a change, by CHAIN:SEQ.
pub(super) fn change(office: &Office, asked: &str) -> Result<ChangeRef, NotDone> {
    let Some((chain, seq)) = asked.split_once(':') else {
        return Err(NotDone(format!(
            "{asked:?}: write CHAIN:SEQ, as the record's history at the console shows it"
        )));
    };
    let seq = seq
        .parse()
        .map_err(|_letters| NotDone(format!("{seq:?} is no number of a change on its chain")))?;
    Ok(ChangeRef {
        chain: self::chain(office, chain)?,
        seq,
    })
}

/// The chain whose id begins so.
fn chain(office: &Office, asked: &str) -> Result<ChainId, NotDone> {
    let digits = asked.to_lowercase();
    let is_id = digits.bytes().all(|b| b.is_ascii_hexdigit())
        && (ID_DIGITS_MIN..=CHAIN_DIGITS).contains(&digits.len());
    if !is_id {
        return Err(NotDone(format!(
            "{asked:?} is no beginning of a chain: give {ID_DIGITS_MIN} to {CHAIN_DIGITS} hex digits"
        )));
    }
    let (first, last) = (filled(&digits, '0'), filled(&digits, 'f'));
    let (Some(first), Some(last)) = (first, last) else {
        return Err(NotDone(format!("{asked:?} is no chain")));
    };
    let mut until = last.as_bytes().to_vec();
    until.push(0);
    let found = office.read(|snapshot| {
        snapshot.scan(
            sync_core::hub::ledger::Table::Chain,
            first.as_bytes(),
            &until,
            2,
        )
    })?;
    match found.as_slice() {
        [(key, _)] => ChainId::from_slice(key)
            .ok_or_else(|| NotDone::new("the table of chains is damaged: run `binhyen rebuild`")),
        [] => Err(NotDone(format!("no chain begins with {asked:?}"))),
        _ => Err(NotDone(format!(
            "several chains begin with {asked:?}: give more digits"
        ))),
    }
}

const CHAIN_DIGITS: usize = 32;

fn filled(digits: &str, fill: char) -> Option<ChainId> {
    let mut text = digits.to_owned();
    while text.len() < CHAIN_DIGITS {
        text.push(fill);
    }
    ChainId::from_hex(&text)
}

fn begins(id: &str, asked: &str) -> bool {
    !asked.is_empty() && id.starts_with(&asked.to_lowercase())
}
