//! `area events` and `area resolve`: what happens to areas, and what became of one.

use std::collections::BTreeMap;

use clap::Args;
use serde::{Deserialize, Serialize};
use sync_core::calendar::{iso_text, local_day, read_iso};
use sync_core::hub::Refusal;
use sync_core::hub::facts::{self, Group};
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::{AreaRef, GroupId, sha256};
use sync_core::territory::{AreaChange, AreaEvent, Resolved, Territory, Version};
use sync_core::text::display_text_fault;
use sync_core::vocabulary::{AREA_NAME_CHARS_MAX, AreaId, AreaKind, AreaLevel};

use super::areas::{FAULTS_MAX, ImportArgs};
use super::{NotDone, Outcome, counted};
use crate::now_s;
use crate::office::Office;
use crate::store::{SqliteLedger, with_hamlets};

/// The header of a file of area events.
const COLUMNS: [&str; 7] = [
    "date",
    "event",
    "area",
    "into",
    "name",
    "kind",
    "decision_no",
];

#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct ResolveArgs {
    /// The area: an id, or the code that it had on the first day.
    pub(super) area: String,
    /// The day on which the area was named so, yyyy-mm-dd.
    #[arg(long)]
    pub(super) from: String,
    /// The day whose units are asked for, yyyy-mm-dd; today without it.
    #[arg(long)]
    pub(super) to: Option<String>,
}

/// Takes a file of area events: all of it, or nothing.
pub(super) fn import(office: &Office, args: &ImportArgs) -> Result<Outcome, NotDone> {
    let name = args.file.display().to_string();
    let Some(text) = args.text.clone() else {
        return Err(NotDone(format!("{name} was not read")));
    };
    let today = local_day(now_s());
    let taken = office.act(move |hub, ledger, acting| {
        let planned = match plan(ledger, &text, today)? {
            Ok(planned) => planned,
            Err(faults) => return Ok(Err(faults)),
        };
        let told = (
            planned.events.len(),
            planned.moves.len(),
            planned.left.clone(),
        );
        let file = sha256(text.as_bytes());
        hub.take_area_events(ledger, acting, file, planned.events, planned.moves)?;
        ledger.follow_area_events()?;
        Ok::<_, Refusal>(Ok(told))
    })?;
    let (events, moves, left) = taken.map_err(|faults| {
        let more = faults.len().saturating_sub(FAULTS_MAX);
        let told: Vec<String> = faults.into_iter().take(FAULTS_MAX).collect();
        let more = if more > 0 {
            format!("\nand {more} more")
        } else {
            String::new()
        };
        NotDone(format!(
            "nothing was taken over:\n{}{more}",
            prefixed(&name, &told)
        ))
    })?;
    let mut told = format!(
        "{} taken from {name}; {} moved with them",
        counted(events, "event"),
        counted(moves, "group")
    );
    for group in left {
        told.push_str(&format!(
            "\n{group} stands in an area that was split: `group move` it to where it is"
        ));
    }
    Ok(Outcome::done(told))
}

fn prefixed(name: &str, faults: &[String]) -> String {
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| format!("{name} {fault}"))
        .collect();
    lines.join("\n")
}

/// What a file of events does.
struct Plan {
    events: Vec<AreaEvent>,
    moves: Vec<(GroupId, Group)>,
    /// Groups that nobody can move by rule.
    left: Vec<String>,
}

/// Reads the file against the areas as they stand in this transaction, in the order of the days.
fn plan(
    ledger: &SqliteLedger<'_>,
    text: &str,
    today: i32,
) -> Result<Result<Plan, Vec<String>>, LedgerFault> {
    let mut territory = ledger.snapshot().territory()?;
    let mut faults = Vec::new();
    let mut lines = read_lines(text, &mut faults);
    lines.sort_by_key(|line| line.day);
    let mut events = Vec::new();
    for line in &lines {
        let taken = line.event(&territory, today).and_then(|event| {
            let along = with_hamlets(&territory, &event);
            for event in std::iter::once(&event).chain(&along) {
                territory
                    .apply(event)
                    .map_err(|refusal| refusal.to_string())?;
            }
            events.push(event);
            events.extend(along);
            Ok(())
        });
        if let Err(fault) = taken {
            faults.push((line.number, fault));
        }
    }
    if events.is_empty() && faults.is_empty() {
        faults.push((1, "there is no event below the first line".to_owned()));
    }
    if !faults.is_empty() {
        faults.sort();
        let told = faults.into_iter();
        return Ok(Err(told
            .map(|(line, fault)| format!("line {line}: {fault}"))
            .collect()));
    }
    let (moves, left) = moves(ledger, &territory, &events, today)?;
    Ok(Ok(Plan {
        events,
        moves,
        left,
    }))
}

/// Groups that move with areas, and those that nobody can move by rule.
type Moves = (Vec<(GroupId, Group)>, Vec<String>);

/// Groups whose area or commune is another one now. Access follows the current parent, so they
/// move in the same transaction.
fn moves(
    ledger: &SqliteLedger<'_>,
    territory: &Territory,
    events: &[AreaEvent],
    today: i32,
) -> Result<Moves, LedgerFault> {
    let first: BTreeMap<AreaRef, i32> = events
        .iter()
        .rev()
        .map(|event| (event.area, event.day.saturating_sub(1)))
        .collect();
    let (mut moves, mut left) = (Vec::new(), Vec::new());
    for (id, row) in facts::groups(ledger, &[])? {
        let touched = [row.area, row.commune]
            .into_iter()
            .filter_map(|area| first.get(&area));
        let Some(before) = touched.min().copied() else {
            continue;
        };
        let area = territory.resolve(row.area, before, today);
        let commune = territory.unit_at(row.area, AreaLevel::Commune, before, today);
        match (area, commune) {
            (Resolved::Unit(area), Resolved::Unit(commune)) => {
                if (area, commune) != (row.area, row.commune) {
                    moves.push((
                        id,
                        Group {
                            area,
                            commune,
                            ..row
                        },
                    ));
                }
            }
            _ => left.push(format!("group {id} ({})", row.name)),
        }
    }
    Ok((moves, left))
}

/// A line of the file, its day read.
struct EventLine {
    number: u64,
    day: i32,
    cells: Vec<String>,
}

type Faults = Vec<(u64, String)>;

fn read_lines(text: &str, faults: &mut Faults) -> Vec<EventLine> {
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut lines = Vec::new();
    for (nth, record) in reader.records().enumerate() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let number = error.position().map_or(0, csv::Position::line);
                faults.push((number, format!("{error}; check commas and quotes")));
                continue;
            }
        };
        let number = record.position().map_or(0, csv::Position::line);
        if nth == 0 {
            if record.iter().ne(COLUMNS) {
                faults.push((
                    number,
                    format!("the first line must read {}", COLUMNS.join(",")),
                ));
                return lines;
            }
            continue;
        }
        if record.len() != COLUMNS.len() {
            let told = format!(
                "it has {} cells and must have {}",
                record.len(),
                COLUMNS.len()
            );
            faults.push((number, told));
            continue;
        }
        let cells: Vec<String> = record.iter().map(str::to_owned).collect();
        let date = cells.first().map_or("", String::as_str);
        match read_iso(date) {
            Some(day) => lines.push(EventLine { number, day, cells }),
            None => faults.push((number, format!("{date:?} is not a day; write yyyy-mm-dd"))),
        }
    }
    lines
}

impl EventLine {
    fn cell(&self, column: &str) -> &str {
        let place = COLUMNS.iter().position(|name| *name == column);
        place
            .and_then(|place| self.cells.get(place))
            .map_or("", String::as_str)
    }

    /// The event, against the areas as they are when it comes.
    fn event(&self, territory: &Territory, today: i32) -> Result<AreaEvent, String> {
        if self.day > today {
            return Err(format!(
                "{} is still to come: take it over on that day, for rights follow at once",
                iso_text(self.day)
            ));
        }
        let before = self.day.saturating_sub(1);
        let area = named(territory, self.cell("area"), before)?;
        let now = territory
            .version(area, self.day)
            .ok_or("nothing is known of the area")?;
        let decision = self.cell("decision_no").to_owned();
        if display_text_fault(&decision).is_some() {
            return Err("the number of the act cannot be shown: type it anew".to_owned());
        }
        Ok(AreaEvent {
            day: self.day,
            area,
            decision,
            change: self.change(territory, now)?,
        })
    }

    fn change(&self, territory: &Territory, now: &Version) -> Result<AreaChange, String> {
        let into = || -> Result<Vec<AreaRef>, String> {
            let cells = self.cell("into").split('|').map(str::trim);
            cells.map(|text| named(territory, text, self.day)).collect()
        };
        let one = || -> Result<AreaRef, String> {
            let into = into()?;
            let [one] = into.as_slice() else {
                return Err("`into` must name one area".to_owned());
            };
            Ok(*one)
        };
        Ok(match self.cell("event") {
            "merge" => AreaChange::Merge { into: one()? },
            "split" => {
                let mut into = into()?;
                into.sort_unstable();
                AreaChange::Split { into }
            }
            "rename" => AreaChange::Rename {
                from: (now.name.clone(), now.kind),
                to: self.new_name(now)?,
            },
            "recode" => {
                let code = self.cell("into");
                let from = now.code.clone().unwrap_or_default();
                if code.is_empty() || !code.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(format!("`into` must be the new code, and {code:?} is none"));
                }
                AreaChange::Recode {
                    from,
                    to: code.to_owned(),
                }
            }
            "reparent" => AreaChange::Reparent {
                from: now.parent.ok_or("a province lies in nothing")?,
                to: one()?,
            },
            other => {
                return Err(format!(
                    "event {other:?} is not known; write merge, split, rename, recode or reparent"
                ));
            }
        })
    }

    fn new_name(&self, now: &Version) -> Result<(String, AreaKind), String> {
        let name = self.cell("name");
        let chars_count = name.chars().count();
        if chars_count > AREA_NAME_CHARS_MAX || display_text_fault(name).is_some() {
            return Err(format!(
                "the name may have {AREA_NAME_CHARS_MAX} letters and no others"
            ));
        }
        let name = if name.is_empty() { &now.name } else { name };
        let kind = match self.cell("kind") {
            "" => now.kind,
            word => AreaKind::from_word(&word.to_lowercase())
                .ok_or_else(|| format!("kind {word:?} is not known"))?,
        };
        Ok((name.to_owned(), kind))
    }
}

/// The area of this id, or the one that had this code on a day.
fn named(territory: &Territory, text: &str, day: i32) -> Result<AreaRef, String> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) && matches!(text.len(), 2 | 5) {
        let has = |area: &AreaRef| {
            let version = territory.version(*area, day);
            territory.stands(*area, day) && version.is_some_and(|v| v.code.as_deref() == Some(text))
        };
        let found: Vec<AreaRef> = territory.areas().filter(has).collect();
        return match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(format!("no area had the code {text} on {}", iso_text(day))),
            _ => Err(format!(
                "several areas had the code {text} on {}: name an id",
                iso_text(day)
            )),
        };
    }
    let id = AreaId::parse(text).map(|id| AreaRef(*id.bytes()));
    id.ok_or_else(|| format!("{text:?} is neither a code nor an id: see `area find NAME`"))
}

/// Says what became of an area.
pub(super) fn resolve(office: &Office, args: &ResolveArgs) -> Result<Outcome, NotDone> {
    let day = |text: &str| {
        read_iso(text).ok_or_else(|| NotDone(format!("{text:?} is not a day; write yyyy-mm-dd")))
    };
    let from = day(&args.from)?;
    let to = args
        .to
        .as_deref()
        .map_or_else(|| Ok(local_day(now_s())), day)?;
    let territory = office.read(|snapshot| snapshot.territory())?;
    let area = named(&territory, args.area.trim(), from).map_err(NotDone)?;
    let (of, on) = (line(&territory, area, from), iso_text(to));
    Ok(Outcome::done(match territory.resolve(area, from, to) {
        Resolved::Unit(unit) => format!("{of}\non {on}: {}", line(&territory, unit, to)),
        Resolved::Several(several) => {
            let parts = several.iter().map(|unit| line(&territory, *unit, to));
            let parts: Vec<String> = parts.collect();
            format!(
                "{of}\non {on} one of {}; only the hamlet or a person can say which:\n{}",
                parts.len(),
                parts.join("\n")
            )
        }
        Resolved::Nowhere(why) => {
            format!("{of}\non {on}: {}", super::count::nowhere(&territory, why))
        }
    }))
}

/// An area of a day as one line: code, id, kind and name.
pub(super) fn line(territory: &Territory, area: AreaRef, day: i32) -> String {
    let id = AreaId::from_bytes(area.0);
    match territory.version(area, day) {
        None => format!("    -  {id}  unknown"),
        Some(version) => format!(
            "{:>5}  {id}  {} {}",
            version.code.as_deref().unwrap_or("-"),
            version.kind.word(),
            version.name
        ),
    }
}
