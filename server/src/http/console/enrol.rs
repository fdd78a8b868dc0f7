//! Enrolling a phone: choose the group, choose who will use it, show the QR, confirm the phone.
//!
//! An invitation has an address of its own, so that a reload shows it again and makes no second
//! one. It lets nobody in by itself: a phone that used it waits until the officer has typed the
//! digits that stand on it.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use qrcode::{Color, EcLevel, QrCode};
use sync_core::ids::GroupId;
use sync_core::limits::GRANT_MEMBERS_MAX;
use sync_core::vocabulary::Vocabulary;

use super::Console;
use super::desk::{
    Desk, DeskError, DeviceState, GroupRow, InviteId, InvitePage, InviteState, MemberRow,
};
use super::page::{Frame, Place, Trouble, page, see_other, trouble};
use super::session::{Acting, SignedIn};
use crate::enrolment::is_own_machine;

#[derive(Template)]
#[template(path = "console/enrol.html")]
struct EnrolView {
    f: Frame,
    groups: Vec<GroupRow>,
    chosen: Option<GroupRow>,
    members: Vec<MemberRow>,
    /// The operator has said where phones find the server.
    ready: bool,
}

#[derive(Template)]
#[template(path = "console/invitation.html")]
struct InvitationView {
    f: Frame,
    page: InvitePage,
    /// The code as SVG, made here of nothing but squares.
    qr: Option<String>,
    /// The address in the code, without its scheme.
    address: Option<String>,
    /// That address leads to this machine only.
    own_machine: bool,
}

pub(super) async fn show<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    signed: SignedIn,
) -> Response {
    let frame = signed.frame.at(Place::Enrol);
    let officer = signed.officer;
    if !officer.keeps_devices(Vocabulary::builtin()) {
        return trouble(frame, DeskError::NotAllowed, "/console");
    }
    let group = signed.query.get("group").and_then(GroupId::from_hex);
    let found = console.ask(move |desk| {
        let groups = desk.groups(&officer, None)?;
        let chosen = groups.iter().find(|row| Some(row.group) == group).cloned();
        let members = match &chosen {
            Some(row) => desk.members(&officer, row.group)?,
            None => Vec::new(),
        };
        Ok((groups, chosen, members, desk.can_invite()))
    });
    match found.await {
        Ok((groups, chosen, members, ready)) => {
            let view = EnrolView {
                f: frame,
                groups,
                chosen,
                members,
                ready,
            };
            page(StatusCode::OK, &view)
        }
        Err(error) => trouble(frame, error, "/console"),
    }
}

pub(super) async fn invite<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    acting: Acting,
) -> Response {
    let (frame, officer) = (acting.signed.frame, acting.signed.officer);
    let back = "/console/enrol";
    if !officer.keeps_devices(Vocabulary::builtin()) {
        return trouble(frame, DeskError::NotAllowed, "/console");
    }
    let Some(group) = acting.fields.get("group").and_then(GroupId::from_hex) else {
        return trouble(frame, Trouble::GroupNeeded, back);
    };
    let numbers = acting.fields.all("member").map(str::parse::<u16>);
    let Ok(mut members) = numbers.collect::<Result<Vec<u16>, _>>() else {
        return trouble(frame, Trouble::UnreadableForm, back);
    };
    members.sort_unstable();
    members.dedup();
    if members.len() > GRANT_MEMBERS_MAX {
        return trouble(frame, DeskError::Invalid, back);
    }
    match console
        .ask(move |desk| desk.invite(&officer, group, &members))
        .await
    {
        Ok(invite) => see_other(&format!("{back}/{invite}")),
        Err(error) => trouble(frame, error, back),
    }
}

pub(super) async fn invitation<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    Path(name): Path<String>,
    signed: SignedIn,
) -> Response {
    let frame = signed.frame.at(Place::Enrol);
    let (officer, back) = (signed.officer, "/console/enrol");
    let Some(invite) = InviteId::from_hex(&name) else {
        return trouble(frame, Trouble::NoSuchPage, back);
    };
    match console
        .ask(move |desk| desk.invitation(&officer, invite))
        .await
    {
        Ok(Some(shown)) => page(StatusCode::OK, &invitation_view(frame, shown)),
        Ok(None) => trouble(frame, DeskError::NotFound, back),
        Err(error) => trouble(frame, error, back),
    }
}

fn invitation_view(f: Frame, page: InvitePage) -> InvitationView {
    let open = match &page.state {
        InviteState::Open { text, address } => Some((text, address)),
        InviteState::Expired
        | InviteState::Waiting(_)
        | InviteState::Refused
        | InviteState::Confirmed => None,
    };
    InvitationView {
        qr: open.and_then(|(text, _)| qr_svg(text)),
        own_machine: open.is_some_and(|(_, address)| is_own_machine(address)),
        address: open.map(|(_, address)| address.trim_start_matches("https://").to_owned()),
        f,
        page,
    }
}

/// Pixels of a square of the code; the style sheet lets it shrink on a small screen.
const QR_SQUARE_PIXELS: usize = 5;

/// The code as an SVG element; `None` when the text is longer than a code can hold. The least
/// correction makes the fewest and largest squares, and a screen has no dirt to correct. Four
/// squares of white around it are what readers ask for.
fn qr_svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
    let quiet = 4;
    let side = code.width().saturating_add(quiet * 2);
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(code.width()).enumerate() {
        let mut x = 0;
        for run in row.chunk_by(|a, b| a == b) {
            if run.first() == Some(&Color::Dark) {
                let (at_x, at_y) = (x + quiet, y + quiet);
                path.push_str(&format!("M{at_x} {at_y}h{0}v1h-{0}z", run.len()));
            }
            x += run.len();
        }
    }
    // Whole squares on whole pixels: no grey edges at any size.
    Some(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{0}\" \
         viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\" \
         fill=\"#fff\"/><path d=\"{path}\"/></svg>",
        side * QR_SQUARE_PIXELS
    ))
}
