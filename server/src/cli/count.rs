//! `count`: how many records of each type, by the units of the time or by today's.

use clap::Args;
use serde::{Deserialize, Serialize};
use sync_core::calendar::{iso_text, local_day, read_iso};
use sync_core::territory::{Nowhere, Resolved, Territory};
use sync_core::vocabulary::{AreaLevel, Lane, Vocabulary};

use super::area_events::line;
use super::{NotDone, Outcome};
use crate::now_s;
use crate::office::Office;
use crate::store::{AuditEntry, Counted, CountedRows, Scope, ScopeArea, Units};

#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub(super) struct CountArgs {
    /// By the units of the day that each record is about, or by today's: then or today.
    #[arg(long, default_value = "today", value_parser = ["then", "today"])]
    units: String,
    /// Units of this level: province, commune or hamlet.
    #[arg(long, default_value = "commune", value_parser = ["province", "commune", "hamlet"])]
    level: String,
    /// First day, yyyy-mm-dd.
    #[arg(long)]
    from: String,
    /// Last day, yyyy-mm-dd.
    #[arg(long)]
    to: String,
}

pub(super) fn run(office: &Office, args: &CountArgs) -> Result<Outcome, NotDone> {
    let day = |text: &str| {
        read_iso(text).ok_or_else(|| NotDone(format!("{text:?} is not a day; write yyyy-mm-dd")))
    };
    let (from, to) = (day(&args.from)?, day(&args.to)?);
    if from > to {
        return Err(NotDone::new("--from comes after --to: exchange them"));
    }
    let today = local_day(now_s());
    let units = match args.units.as_str() {
        "then" => Units::Then,
        _ => Units::On(today),
    };
    let level = match args.level.as_str() {
        "province" => AreaLevel::Province,
        "hamlet" => AreaLevel::Hamlet,
        _ => AreaLevel::Commune,
    };
    let scope = Scope {
        area: ScopeArea::Province,
        lanes: Lane::ALL.to_vec(),
        rounded: Vec::new(),
    };
    let detail = format!(
        "by {} of {}: {} to {}",
        args.level, args.units, args.from, args.to
    );
    office.act(move |_hub, ledger, acting| {
        let entry = AuditEntry {
            time_s: acting.now_s,
            account: None,
            what: "count",
            about: None,
            scope: detail,
        };
        Ok(ledger.audit(&entry)?)
    })?;
    let (territory, counts) = office.read(|snapshot| {
        let which = CountedRows::about(from, to.saturating_add(1));
        let counts = snapshot.count_by_unit(&scope, level, units, &which)?;
        Ok((snapshot.territory()?, counts))
    })?;
    let shown_on = match units {
        Units::Then => to,
        Units::On(today) => today,
    };
    let vocabulary = Vocabulary::builtin();
    let mut told = Vec::new();
    let mut before = None;
    for count in &counts {
        if before != Some(count.counted) {
            before = Some(count.counted);
            told.push(match count.counted {
                Counted::In(unit) => line(&territory, unit, shown_on),
                Counted::Remainder(area) => {
                    let why = territory.unit_at(area, level, from, shown_on);
                    let named = line(&territory, area, from);
                    format!("not placed: {named}: {}", open(&territory, &why))
                }
            });
        }
        let row = vocabulary.record_type(count.record_type);
        let label = row.map_or_else(|| count.record_type.to_string(), |row| row.id.clone());
        told.push(format!("{:>12}  {label}", count.count));
    }
    if told.is_empty() {
        told.push("no records about these days".to_owned());
    }
    Ok(Outcome::done(told.join("\n")))
}

fn open(territory: &Territory, resolved: &Resolved) -> String {
    match resolved {
        Resolved::Unit(_) => "other days of it can be placed".to_owned(),
        Resolved::Several(several) => format!("one of {} units", several.len()),
        Resolved::Nowhere(why) => nowhere(territory, *why),
    }
}

/// Why an area is nowhere, in words.
pub(super) fn nowhere(territory: &Territory, why: Nowhere) -> String {
    let ends = |area| territory.ends(area).map(iso_text).unwrap_or_default();
    match why {
        Nowhere::Unknown(area) => format!("this server has no area {area}"),
        Nowhere::Ended(area) => {
            format!(
                "it ended on {}, and nothing says what became of it",
                ends(area)
            )
        }
        Nowhere::NotYet(_) => "it was not yet, and nothing says what it was made of".to_owned(),
        Nowhere::TooWide(_) => "it is wider than such a unit".to_owned(),
    }
}
