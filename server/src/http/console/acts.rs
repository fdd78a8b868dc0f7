//! What was done at the desk: whatever altered who may write, read or be kept is an entry of the
//! log, and here the commune reads it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use sync_core::ids::{GroupId, KeyId, RecordId};
use sync_core::vocabulary::{RoleScope, Vocabulary};

use super::Console;
use super::desk::{
    ActBy, ActRow, ActsOf, Desk, DeskError, Done, ErasedOf, GroupRow, Officer, SilentPhone, Someone,
};
use super::page::{Frame, Place, Trouble, page, trouble};
use super::session::SignedIn;

#[derive(Template)]
#[template(path = "console/acts.html")]
struct ActsView {
    f: Frame,
    /// Name of the group, where the acts are one's.
    group_name: Option<String>,
    lines: Vec<Line>,
    /// Groups whose acts can be opened from here.
    groups: Vec<GroupRow>,
    /// The page has this address, and older acts stand under it.
    here: String,
    older: Option<u64>,
    is_newest: bool,
}

/// An act in words.
struct Line {
    time_s: i64,
    /// What was done.
    what: String,
    /// Whom or what it was about: names and areas, as they are.
    about: Vec<String>,
    /// The record it was about, where the officer has its page.
    record: Option<RecordId>,
    /// Which phones have erased it, and which are silent.
    phones: Vec<String>,
    by: String,
}

/// Acts about the whole log, and the groups whose own acts can be opened.
pub(super) async fn of_log<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    signed: SignedIn,
) -> Response {
    show(&console, signed, ActsOf::Log).await
}

/// Acts of one group.
pub(super) async fn of_group<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    Path(group): Path<String>,
    signed: SignedIn,
) -> Response {
    let Some(group) = GroupId::from_hex(&group) else {
        return trouble(signed.frame, Trouble::NoSuchPage, "/console/acts");
    };
    show(&console, signed, ActsOf::Group(group)).await
}

async fn show<D: Desk>(console: &Console<D>, signed: SignedIn, of: ActsOf) -> Response {
    let frame = signed.frame.at(Place::Acts);
    let officer = signed.officer;
    if !officer.sees_acts(Vocabulary::builtin()) {
        return trouble(frame, DeskError::NotAllowed, "/console");
    }
    let (here, back) = match of {
        ActsOf::Log => ("/console/acts".to_owned(), "/console"),
        ActsOf::Group(group) => (format!("/console/acts/{group}"), "/console/acts"),
    };
    let below = match signed.query.get("below").map(str::parse) {
        None => None,
        Some(Ok(below)) => Some(below),
        Some(Err(_)) => return trouble(frame, Trouble::NoSuchPage, back),
    };
    let found = console.ask(move |desk| {
        let page = desk.acts(&officer, of, below)?;
        Ok((page, groups(desk, &officer, of)?))
    });
    match found.await {
        Ok((found, groups)) => {
            let lines = found.rows.iter().map(|row| line(&frame, row)).collect();
            let view = ActsView {
                f: frame,
                group_name: found.group_name,
                lines,
                groups,
                here,
                older: found.older,
                is_newest: below.is_none(),
            };
            page(StatusCode::OK, &view)
        }
        Err(error) => trouble(frame, error, back),
    }
}

/// A province has thousands of groups: only the commune gets them as a list.
fn groups<D: Desk>(desk: &D, officer: &Officer, of: ActsOf) -> Result<Vec<GroupRow>, DeskError> {
    match (of, officer.scope(Vocabulary::builtin())) {
        (ActsOf::Log, RoleScope::Commune) => desk.groups(officer, None),
        _ => Ok(Vec::new()),
    }
}

fn line(f: &Frame, row: &ActRow) -> Line {
    let (mut record, mut phones) = (None, Vec::new());
    let (key, about) = match &row.done {
        Done::GroupFounded { name, area } => {
            ("act-group-founded", vec![name.clone(), f.area(area)])
        }
        Done::GroupChanged { name, area } => {
            ("act-group-changed", vec![name.clone(), f.area(area)])
        }
        Done::MemberAdded { who, role } => {
            ("act-member-added", vec![someone(f, who), f.role(role)])
        }
        Done::RoleChanged { who, role } => {
            ("act-role-changed", vec![someone(f, who), f.role(role)])
        }
        Done::MemberEnded { who } => ("act-member-ended", vec![someone(f, who)]),
        Done::DeviceEnrolled { device, members } => {
            let mut about = vec![f.with("device-named", "name", f.device(device))];
            if members.is_empty() {
                about.push(f.t("all-members"));
            }
            about.extend(members.iter().map(|who| someone(f, who)));
            ("act-device-enrolled", about)
        }
        Done::DeviceRevoked { device } => (
            "act-device-revoked",
            vec![f.with("device-named", "name", f.device(device))],
        ),
        Done::Erased {
            of,
            fields,
            heard,
            silent,
        } => {
            phones = heard_by(f, heard, silent);
            if let ErasedOf::Record { record: of, .. } = of {
                record = *of;
            }
            erased(f, of, *fields)
        }
        Done::HeldProposed => ("act-held-proposed", Vec::new()),
        Done::HeldAdmitted => ("act-held-admitted", Vec::new()),
        Done::AccountSet { .. } => account_set(f, &row.done),
        Done::AreasTaken { rows } => ("act-areas-taken", vec![f.with("act-rows", "n", rows)]),
        Done::AreasChanged { events } => {
            ("act-areas-changed", vec![f.with("act-rows", "n", events)])
        }
        Done::LifeStep { step } => ("act-life-step", vec![f.step(step), f.day(&step.day)]),
        Done::PeriodClosed { area, first, last } => {
            let days = format!("{} – {}", f.day(first), f.day(last));
            ("act-period-closed", vec![f.area(area), days])
        }
        Done::Restored => ("act-log-restored", Vec::new()),
        Done::VocabularySet { version } => (
            "act-vocabulary-set",
            vec![f.with("act-version", "n", version)],
        ),
    };
    Line {
        time_s: row.time_s,
        what: f.t(key),
        about,
        record,
        phones,
        by: match &row.by {
            ActBy::CommandLine => f.t("act-by-command-line"),
            ActBy::Account {
                name: Some(name), ..
            } => f.with("act-by-account", "account", name),
            ActBy::Account { number, name: None } => f.with("act-by-account", "account", number),
        },
    }
}

/// An account that was made, changed or closed.
fn account_set(f: &Frame, done: &Done) -> (&'static str, Vec<String>) {
    let Done::AccountSet {
        number,
        name,
        role,
        area,
        active,
    } = done
    else {
        return ("act-account-set", Vec::new());
    };
    let name = name.clone().unwrap_or_else(|| number.to_string());
    let key = if *active {
        "act-account-set"
    } else {
        "act-account-closed"
    };
    (key, vec![name, f.role(role), f.area(area)])
}

/// What was erased, and how much of it.
fn erased(f: &Frame, of: &ErasedOf, fields: usize) -> (&'static str, Vec<String>) {
    let count = f.with("act-fields", "n", fields);
    match of {
        ErasedOf::Record { lane, .. } => ("act-erased-record", vec![f.lane(lane), count]),
        ErasedOf::Remark => ("act-erased-remark", Vec::new()),
        ErasedOf::Name => ("act-erased-name", Vec::new()),
        ErasedOf::Unknown => ("act-erased", vec![count]),
    }
}

/// Which phones have erased something, and which have yet to say so.
fn heard_by(f: &Frame, heard: &[KeyId], silent: &[SilentPhone]) -> Vec<String> {
    let mut lines = Vec::new();
    if !heard.is_empty() {
        let names: Vec<String> = heard.iter().map(|device| f.device(device)).collect();
        lines.push(f.with("erased-on", "names", names.join(", ")));
    }
    for phone in silent {
        let name = f.device(&phone.device);
        lines.push(match phone.last_seen_s {
            _ if phone.is_revoked => f.with("erased-never", "name", name),
            Some(seen) => {
                let seen = f.with("device-seen", "time", f.time(&seen));
                format!("{} · {seen}", f.with("erased-not-yet", "name", name))
            }
            None => f.with("erased-not-yet", "name", name),
        });
    }
    lines
}

fn someone(f: &Frame, who: &Someone) -> String {
    f.member(who.name.as_deref(), Some(who.number))
}
