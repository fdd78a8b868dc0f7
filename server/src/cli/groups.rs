//! `group add|move|list`, `member add|end|list`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use sync_core::act::NAME_PART;
use sync_core::hub::facts::{self, Group};
use sync_core::ids::{AreaRef, GroupId};
use sync_core::vocabulary::{AreaLevel, RoleScope, Vocabulary};

use super::{NotDone, Outcome, find, sound_name};
use crate::office::Office;
use crate::random;
use crate::store::{AreaRow, Snapshot};

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub(super) enum GroupCommand {
    /// Founds a group and prints its id.
    Add {
        /// Its public name.
        name: String,
        /// Its hamlet or commune: a code, an id, or a name that only one has.
        #[arg(long)]
        area: String,
        /// Founds it although a group of this name works in this area.
        #[arg(long)]
        same_name: bool,
    },
    /// Moves a group, with all its records, to another area: after a split nobody else can say
    /// where it is.
    Move {
        /// The group: its id, the beginning of it, or its whole name.
        group: String,
        /// Its hamlet or commune: a code, an id, or a name that only one has.
        #[arg(long)]
        area: String,
    },
    /// Prints all groups.
    List,
}

#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
pub(super) enum MemberCommand {
    /// Adds a member and prints the number.
    Add {
        /// The name.
        name: String,
        /// The group: its id, the beginning of it, or its whole name.
        #[arg(long)]
        group: String,
        /// A role that members can have.
        #[arg(long, default_value = "member")]
        role: String,
    },
    /// Ends a membership; what the member wrote stays.
    End {
        /// The member's number.
        number: u16,
        /// The group.
        #[arg(long)]
        group: String,
    },
    /// Prints the members of a group.
    List {
        /// The group.
        #[arg(long)]
        group: String,
    },
}

pub(super) fn run_group(office: &Office, command: &GroupCommand) -> Result<Outcome, NotDone> {
    match command {
        GroupCommand::Add {
            name,
            area,
            same_name,
        } => add_group(office, name, area, *same_name),
        GroupCommand::Move { group, area } => move_group(office, group, area),
        GroupCommand::List => list_groups(office),
    }
}

pub(super) fn run_member(office: &Office, command: &MemberCommand) -> Result<Outcome, NotDone> {
    match command {
        MemberCommand::Add { name, group, role } => add_member(office, name, group, role),
        MemberCommand::End { number, group } => {
            let (id, row) = find::group(office, group)?;
            let number = *number;
            office.act(move |hub, ledger, acting| hub.end_member(ledger, acting, id, number))?;
            Ok(Outcome::done(format!(
                "member {number} of {} no longer writes",
                row.name
            )))
        }
        MemberCommand::List { group } => list_members(office, group),
    }
}

fn add_group(office: &Office, name: &str, area: &str, same_name: bool) -> Result<Outcome, NotDone> {
    let name = sound_name(name)?;
    let found = find::area(office, area)?;
    let commune = commune_of(&found)?;
    let id = GroupId(random()?);
    let row = Group {
        area: found.id,
        commune,
        name,
    };
    // Looked for in the same transaction, so that the same command given twice at once founds one.
    let known = office.act(move |hub, ledger, acting| {
        let groups = facts::groups(ledger, &[])?;
        let same = |(_, other): &&(GroupId, Group)| {
            other.area == row.area && find::is_same_name(&other.name, &row.name)
        };
        if let Some((known, _)) = groups.iter().find(same).filter(|_| !same_name) {
            return Ok(Some(*known));
        }
        hub.set_group(ledger, acting, id, row)?;
        Ok(None)
    })?;
    match known {
        None => Ok(Outcome::done(id.to_string())),
        Some(known) => Err(NotDone(format!(
            "a group of this name works in this area already, {known}: use that one, or give \
             --same-name when this is another"
        ))),
    }
}

fn move_group(office: &Office, group: &str, area: &str) -> Result<Outcome, NotDone> {
    let (id, row) = find::group(office, group)?;
    let found = find::area(office, area)?;
    let commune = commune_of(&found)?;
    let moved = format!(
        "{} is in {} {} now",
        row.name,
        found.kind.word(),
        found.name
    );
    let row = Group {
        area: found.id,
        commune,
        ..row
    };
    office.act(move |hub, ledger, acting| hub.set_group(ledger, acting, id, row))?;
    Ok(Outcome::done(moved))
}

fn commune_of(area: &AreaRow) -> Result<AreaRef, NotDone> {
    match area.kind.level() {
        AreaLevel::Commune => Ok(area.id),
        AreaLevel::Hamlet => area.parent.ok_or_else(|| {
            NotDone(format!(
                "{} lies in no commune: import its list again",
                area.name
            ))
        }),
        AreaLevel::Province => Err(NotDone(format!(
            "{} {} is a province: a group works in a hamlet or a commune",
            area.kind.word(),
            area.name
        ))),
    }
}

fn list_groups(office: &Office) -> Result<Outcome, NotDone> {
    let lines = office.read(|snapshot| {
        let groups = facts::groups(snapshot, &[])?;
        groups
            .iter()
            .map(|(id, row)| {
                let mut place = find::area_name(snapshot, row.area)?;
                if row.area != row.commune {
                    place = format!("{place}, {}", find::area_name(snapshot, row.commune)?);
                }
                Ok(format!("{id}  {}  ({place})", row.name))
            })
            .collect::<Result<Vec<String>, _>>()
    })?;
    if lines.is_empty() {
        return Ok(Outcome::done(
            "no groups yet: `group add NAME --area AREA` founds one",
        ));
    }
    Ok(Outcome::done(lines.join("\n")))
}

fn add_member(office: &Office, name: &str, group: &str, role: &str) -> Result<Outcome, NotDone> {
    let (id, _) = find::group(office, group)?;
    let vocabulary = office.hub().vocabulary();
    let number = role_number(vocabulary, role)?;
    let name = sound_name(name)?;
    let member =
        office.act(move |hub, ledger, acting| hub.add_member(ledger, acting, id, &name, number))?;
    Ok(Outcome::done(member.to_string()))
}

fn role_number(vocabulary: &Vocabulary, role: &str) -> Result<u16, NotDone> {
    let of_group = |row: &&sync_core::vocabulary::Role| row.scope == RoleScope::Group;
    let found = vocabulary
        .roles()
        .filter(of_group)
        .find(|row| row.id == role);
    found.map(|row| row.number).ok_or_else(|| {
        let ids: Vec<&str> = vocabulary
            .roles()
            .filter(of_group)
            .map(|row| row.id.as_str())
            .collect();
        NotDone(format!(
            "{role:?} is no role of a member; write one of: {}",
            ids.join(", ")
        ))
    })
}

fn list_members(office: &Office, group: &str) -> Result<Outcome, NotDone> {
    let (id, row) = find::group(office, group)?;
    let vocabulary = office.hub().vocabulary();
    let lines = office.read(|snapshot| {
        facts::members(snapshot, id)?
            .iter()
            .map(|member| {
                let name = member_name(snapshot, member.named_at)?;
                let role = match member.role {
                    None => "ended".to_owned(),
                    Some(role) => vocabulary
                        .role(role)
                        .map_or_else(|| role.to_string(), |row| row.id.clone()),
                };
                let name = name.as_deref().unwrap_or("(name erased)");
                Ok(format!("{:4}  {name}  ({role})", member.number))
            })
            .collect::<Result<Vec<String>, _>>()
    })?;
    if lines.is_empty() {
        return Ok(Outcome::done(format!("{} has no members yet", row.name)));
    }
    Ok(Outcome::done(lines.join("\n")))
}

/// The name that the entry at this index gave, unless it was erased.
pub(super) fn member_name(
    snapshot: &Snapshot<'_>,
    named_at: u64,
) -> Result<Option<String>, sync_core::hub::ledger::LedgerFault> {
    let full = facts::full_act(snapshot, named_at)?;
    Ok(full.and_then(|full| full.words(NAME_PART).map(str::to_owned)))
}
