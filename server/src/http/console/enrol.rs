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
use qrcode::render::svg;
use qrcode::{EcLevel, QrCode};
use sync_core::ids::GroupId;
use sync_core::limits::GRANT_MEMBERS_MAX;
use sync_core::vocabulary::Vocabulary;

use super::Console;
use super::desk::{Desk, DeskError, DeviceState, GroupRow, InviteId, InvitePage, MemberRow};
use super::page::{Frame, Place, Trouble, page, see_other, trouble};
use super::session::{Acting, SignedIn};

/// Side of the code in pixels; the style sheet lets it shrink on a small screen.
const QR_PIXELS_MIN: u32 = 320;

#[derive(Template)]
#[template(path = "console/enrol.html")]
struct EnrolView {
    f: Frame,
    groups: Vec<GroupRow>,
    chosen: Option<GroupRow>,
    members: Vec<MemberRow>,
}

#[derive(Template)]
#[template(path = "console/invitation.html")]
struct InvitationView {
    f: Frame,
    page: InvitePage,
    /// The code as SVG, made here of nothing but squares.
    qr: Option<String>,
    /// What the code says, while it can be used.
    text: Option<String>,
    expired: bool,
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
        Ok((groups, chosen, members))
    });
    match found.await {
        Ok((groups, chosen, members)) => {
            let view = EnrolView {
                f: frame,
                groups,
                chosen,
                members,
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
    let now_s = console.now_s();
    match console
        .ask(move |desk| desk.invitation(&officer, invite))
        .await
    {
        Ok(Some(shown)) => {
            let expired = shown.expires_s <= now_s;
            let text = shown.qr_text.clone().filter(|_| !expired);
            let view = InvitationView {
                qr: text.as_deref().and_then(qr_svg),
                text,
                f: frame,
                page: shown,
                expired,
            };
            page(StatusCode::OK, &view)
        }
        Ok(None) => trouble(frame, DeskError::NotFound, back),
        Err(error) => trouble(frame, error, back),
    }
}

/// The code as an SVG element; `None` when the text is longer than a code can hold.
fn qr_svg(text: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let drawn = code
        .render::<svg::Color<'_>>()
        .min_dimensions(QR_PIXELS_MIN, QR_PIXELS_MIN)
        .build();
    // inside a page there is no place for the declaration of a file
    drawn
        .find("<svg")
        .and_then(|at| drawn.get(at..))
        .map(str::to_owned)
}
