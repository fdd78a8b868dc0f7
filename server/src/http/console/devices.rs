//! The phones of the scope: those that wait for an officer, those that write, those that may no
//! longer.
//!
//! The six digits stand on the phone and are typed here. Were they shown here too, they would be
//! copied from the page, and a phone that somebody else had enrolled with a photographed QR would
//! be let in.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use sync_core::ids::{GroupId, KeyId};
use sync_core::vocabulary::Vocabulary;

use super::Console;
use super::desk::{Desk, DeskError, DeviceRow, DeviceState, Officer};
use super::page::{Frame, Place, Trouble, page, see_other, trouble};
use super::session::{Acting, SignedIn};

const DIGITS_COUNT: usize = 6;

#[derive(Template)]
#[template(path = "console/devices.html")]
struct DevicesView {
    f: Frame,
    done: Option<&'static str>,
    pending: Vec<DeviceRow>,
    active: Vec<DeviceRow>,
    refused: Vec<DeviceRow>,
    revoked: Vec<DeviceRow>,
}

#[derive(Template)]
#[template(path = "console/revoke.html")]
struct RevokeView {
    f: Frame,
    row: DeviceRow,
}

pub(super) async fn show<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    signed: SignedIn,
) -> Response {
    let frame = signed.frame.at(Place::Devices);
    match all(&console, signed.officer).await {
        Ok(rows) => {
            let mut view = DevicesView {
                done: signed.query.get("done").and_then(done_key),
                f: frame,
                pending: Vec::new(),
                active: Vec::new(),
                refused: Vec::new(),
                revoked: Vec::new(),
            };
            for row in rows {
                match row.state {
                    DeviceState::Pending { .. } => view.pending.push(row),
                    DeviceState::Active { .. } => view.active.push(row),
                    DeviceState::Refused { .. } => view.refused.push(row),
                    DeviceState::Revoked { .. } => view.revoked.push(row),
                }
            }
            page(StatusCode::OK, &view)
        }
        Err(error) => trouble(frame, error, "/console"),
    }
}

/// The phones of the scope, for roles that keep them.
async fn all<D: Desk>(console: &Console<D>, officer: Officer) -> Result<Vec<DeviceRow>, DeskError> {
    if !officer.keeps_devices(Vocabulary::builtin()) {
        return Err(DeskError::NotAllowed);
    }
    console.ask(move |desk| desk.devices(&officer)).await
}

fn done_key(done: &str) -> Option<&'static str> {
    match done {
        "confirm" => Some("done-confirmed"),
        "refuse" => Some("done-refused"),
        "revoke" => Some("done-revoked"),
        _ => None,
    }
}

/// A phone in a group, as an address names it.
type Named = Path<(String, String)>;

fn read_named(Path((group, device)): Named) -> Result<(GroupId, KeyId), Trouble> {
    GroupId::from_hex(&group)
        .zip(KeyId::from_hex(&device))
        .ok_or(Trouble::NoSuchPage)
}

/// The second step before a phone loses its rights: it is shown once more, with what follows.
pub(super) async fn ask_revoke<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    named: Named,
    signed: SignedIn,
) -> Response {
    let frame = signed.frame.at(Place::Devices);
    let back = "/console/devices";
    let (group, device) = match read_named(named) {
        Ok(named) => named,
        Err(why) => return trouble(frame, why, back),
    };
    let rows = match all(&console, signed.officer).await {
        Ok(rows) => rows,
        Err(error) => return trouble(frame, error, back),
    };
    let active = |row: &DeviceRow| {
        row.group == group
            && row.device == device
            && matches!(row.state, DeviceState::Active { .. })
    };
    match rows.into_iter().find(active) {
        Some(row) => page(StatusCode::OK, &RevokeView { f: frame, row }),
        None => trouble(frame, DeskError::NotFound, back),
    }
}

pub(super) async fn confirm<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    named: Named,
    acting: Acting,
) -> Response {
    let digits = acting.fields.get("digits").and_then(read_digits);
    let Some(digits) = digits else {
        return trouble(
            acting.signed.frame,
            Trouble::DigitsNeeded,
            "/console/devices",
        );
    };
    act(
        &console,
        named,
        acting,
        "confirm",
        move |desk, officer, group, device| desk.confirm_device(officer, group, device, &digits),
    )
    .await
}

pub(super) async fn refuse<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    named: Named,
    acting: Acting,
) -> Response {
    act(&console, named, acting, "refuse", D::refuse_device).await
}

pub(super) async fn revoke<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    named: Named,
    acting: Acting,
) -> Response {
    let shown = acting.fields.get("groups").and_then(|n| n.parse().ok());
    let Some(shown) = shown else {
        return trouble(
            acting.signed.frame,
            Trouble::UnreadableForm,
            "/console/devices",
        );
    };
    act(
        &console,
        named,
        acting,
        "revoke",
        move |desk, officer, group, device| desk.revoke_device(officer, group, device, shown),
    )
    .await
}

async fn act<D: Desk>(
    console: &Console<D>,
    named: Named,
    acting: Acting,
    done: &str,
    what: impl FnOnce(&D, &Officer, GroupId, KeyId) -> Result<(), DeskError> + Send + 'static,
) -> Response {
    let (frame, officer) = (acting.signed.frame, acting.signed.officer);
    let back = "/console/devices";
    if !officer.keeps_devices(Vocabulary::builtin()) {
        return trouble(frame, DeskError::NotAllowed, "/console");
    }
    let (group, device) = match read_named(named) {
        Ok(named) => named,
        Err(why) => return trouble(frame, why, back),
    };
    match console
        .ask(move |desk| what(desk, &officer, group, device))
        .await
    {
        Ok(()) => see_other(&format!("{back}?done={done}")),
        Err(error) => trouble(frame, error, back),
    }
}

/// Six digits as they are typed: Latin or Khmer, with or without a space in the middle.
fn read_digits(text: &str) -> Option<String> {
    let digit = |c: char| match c {
        '\u{17E0}'..='\u{17E9}' => char::from_digit(u32::from(c).saturating_sub(0x17E0), 10),
        other => other.is_ascii_digit().then_some(other),
    };
    let typed = text.chars().filter(|c| !matches!(c, ' ' | '-' | '\u{a0}'));
    let digits: String = typed.map(digit).collect::<Option<_>>()?;
    (digits.len() == DIGITS_COUNT).then_some(digits)
}
