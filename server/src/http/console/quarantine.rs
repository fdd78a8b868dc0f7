//! The quarantine desk: what was refused or held, each with its reason in words, and the forms by
//! which two officers admit what was held.
//!
//! A list shows nobody's words. The page of one change shows them to those who decide in its lane,
//! when there is something to decide. The reasons say what is so, and blame nobody: a right ended
//! while a phone was away, a list of words was older.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use sync_core::change::ChangeRef;
use sync_core::hub::Admitting;
use sync_core::ids::{ChainId, Hash32};
use sync_core::log::AsideReason;
use sync_core::vocabulary::Vocabulary;

use super::Console;
use super::desk::{
    ActBy, AdmitInput, AsideRow, Cause, Desk, DeskError, HeldPage, HeldSaid, PageKey, ProposalRow,
};
use super::page::{Frame, Place, Trouble, page, see_other, trouble};
use super::session::{Acting, SignedIn};

const HERE: &str = "/console/quarantine";

#[derive(Template)]
#[template(path = "console/quarantine.html")]
struct QuarantineView {
    f: Frame,
    done: Option<&'static str>,
    cause: Cause,
    rows: Vec<AsideRow>,
    older: Option<PageKey>,
    is_newest: bool,
}

impl QuarantineView {
    fn causes(&self) -> [Cause; 4] {
        Cause::ALL
    }
    fn name(&self, cause: &Cause) -> String {
        self.f.t(cause_key(*cause))
    }
    fn hint(&self) -> String {
        self.f.t(match self.cause {
            Cause::Held => "quarantine-hint-held",
            Cause::Late => "quarantine-hint-late",
            Cause::Refused => "quarantine-hint-refused",
            Cause::Forked => "quarantine-hint-forked",
        })
    }
    fn why(&self, row: &AsideRow) -> String {
        why(&self.f, row.reason)
    }
    fn proposed(&self, proposal: &ProposalRow) -> String {
        proposed(&self.f, proposal)
    }
}

#[derive(Template)]
#[template(path = "console/held.html")]
struct HeldView {
    f: Frame,
    held: HeldPage,
    /// The open proposal that the form names; empty when there is none.
    seen: String,
}

impl HeldView {
    fn why(&self) -> String {
        why(&self.f, self.held.row.reason)
    }
    fn stays(&self, reason: &AsideReason) -> String {
        self.f.t(reason_key(*reason))
    }
    fn proposed(&self, proposal: &ProposalRow) -> String {
        proposed(&self.f, proposal)
    }
    /// The proposal of an officer; what the command line brought up is still to be proposed.
    fn by_officer(&self) -> Option<&ProposalRow> {
        let proposal = self.held.row.proposal.as_ref();
        proposal.filter(|proposal| matches!(proposal.by, ActBy::Account { .. }))
    }
    /// Whether there is a button for this officer: not for who proposed.
    fn may_act(&self) -> bool {
        self.by_officer()
            .is_none_or(|proposal| proposal.is_to_confirm)
    }
    fn path(&self) -> String {
        path_of(self.held.row.at)
    }
    fn back(&self) -> &'static str {
        self.held
            .row
            .reason
            .map_or("held", |reason| Cause::of(reason).id())
    }
}

fn path_of(at: ChangeRef) -> String {
    format!("{HERE}/{}/{}", at.chain, at.seq)
}

fn cause_key(cause: Cause) -> &'static str {
    match cause {
        Cause::Held => "quarantine-held",
        Cause::Late => "quarantine-late",
        Cause::Refused => "quarantine-refused",
        Cause::Forked => "quarantine-forked",
    }
}

fn why(f: &Frame, reason: Option<AsideReason>) -> String {
    f.t(reason.map_or("aside-forked", reason_key))
}

/// The message that says a reason in words.
pub(super) fn reason_key(reason: AsideReason) -> &'static str {
    match reason {
        AsideReason::UnknownRecord => "aside-unknown-record",
        AsideReason::UnknownHead => "aside-unknown-head",
        AsideReason::FollowsAside => "aside-follows",
        AsideReason::Vocabulary => "aside-vocabulary",
        AsideReason::ClosedLane => "aside-closed-lane",
        AsideReason::Sealed => "aside-sealed",
        AsideReason::Role => "aside-role",
        AsideReason::Member => "aside-member",
        AsideReason::TooManyChanges => "aside-too-many",
        AsideReason::NotYours => "aside-not-yours",
        AsideReason::Link => "aside-link",
        AsideReason::NotEnrolled => "aside-not-enrolled",
        AsideReason::RightLost => "aside-right-lost",
        AsideReason::Revoked => "aside-revoked",
    }
}

fn proposed(f: &Frame, proposal: &ProposalRow) -> String {
    let by = match &proposal.by {
        ActBy::CommandLine => f.t("act-by-command-line"),
        ActBy::Account {
            name: Some(name), ..
        } => f.with("act-by-account", "account", name),
        ActBy::Account { number, name: None } => f.with("act-by-account", "account", number),
    };
    let until = f.with("held-until", "time", f.time(&proposal.until_s));
    format!("{} · {until}", f.with("held-proposed-by", "by", by))
}

pub(super) async fn show<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    signed: SignedIn,
) -> Response {
    let frame = signed.frame.at(Place::Quarantine);
    let officer = signed.officer;
    if !officer.keeps_devices(Vocabulary::builtin()) {
        return trouble(frame, DeskError::NotAllowed, "/console");
    }
    let cause = match signed.query.get("cause") {
        None => Some(Cause::Held),
        Some(id) => Cause::from_id(id),
    };
    let from = signed.query.get("page").map(PageKey::new);
    let (Some(cause), false) = (cause, matches!(from, Some(None))) else {
        return trouble(frame, Trouble::NoSuchPage, HERE);
    };
    let from = from.flatten();
    let is_newest = from.is_none();
    let found = console
        .ask(move |desk| desk.quarantine(&officer, cause, from.as_ref()))
        .await;
    match found {
        Ok(found) => {
            let view = QuarantineView {
                done: signed.query.get("done").and_then(done_key),
                f: frame,
                cause,
                rows: found.rows,
                older: found.older,
                is_newest,
            };
            page(StatusCode::OK, &view)
        }
        Err(DeskError::Invalid) => trouble(frame, Trouble::NoSuchPage, HERE),
        Err(error) => trouble(frame, error, "/console"),
    }
}

fn done_key(done: &str) -> Option<&'static str> {
    match done {
        "propose" => Some("done-proposed"),
        "admit" => Some("done-admitted"),
        _ => None,
    }
}

/// A change, as an address names it.
type Named = Path<(String, String)>;

fn read_named(Path((chain, seq)): &Named) -> Option<ChangeRef> {
    Some(ChangeRef {
        chain: ChainId::from_hex(chain)?,
        seq: seq.parse().ok()?,
    })
}

/// One held change, with its words and what can be done about it.
pub(super) async fn held<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    named: Named,
    signed: SignedIn,
) -> Response {
    let frame = signed.frame.at(Place::Quarantine);
    let officer = signed.officer;
    if !officer.keeps_devices(Vocabulary::builtin()) {
        return trouble(frame, DeskError::NotAllowed, "/console");
    }
    let Some(at) = read_named(&named) else {
        return trouble(frame, Trouble::NoSuchPage, HERE);
    };
    match console.ask(move |desk| desk.held(&officer, at)).await {
        Ok(Some(held)) => {
            let proposal = held.row.proposal.as_ref();
            let seen = proposal.map_or_else(String::new, |open| open.index.to_string());
            let view = HeldView {
                f: frame,
                held,
                seen,
            };
            page(StatusCode::OK, &view)
        }
        Ok(None) => trouble(frame, DeskError::NotFound, HERE),
        Err(error) => trouble(frame, error, HERE),
    }
}

/// Proposes to admit a held change, or confirms what another officer proposed.
pub(super) async fn admit<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    named: Named,
    acting: Acting,
) -> Response {
    let (frame, officer) = (acting.signed.frame, acting.signed.officer);
    if !officer.keeps_devices(Vocabulary::builtin()) {
        return trouble(frame, DeskError::NotAllowed, "/console");
    }
    let Some(at) = read_named(&named) else {
        return trouble(frame, Trouble::NoSuchPage, HERE);
    };
    let back = path_of(at);
    let hash = acting.fields.get("hash").and_then(Hash32::from_hex);
    let seen = match acting.fields.raw("seen") {
        Some("") => Some(None),
        Some(index) => index.parse().ok().map(Some),
        None => None,
    };
    let (Some(hash), Some(seen_proposal)) = (hash, seen) else {
        return trouble(frame, Trouble::UnreadableForm, &back);
    };
    let input = AdmitInput {
        at,
        hash,
        seen_proposal,
    };
    match console.ask(move |desk| desk.admit(&officer, &input)).await {
        Ok(Admitting::Proposed) => see_other(&format!("{HERE}?done=propose")),
        Ok(Admitting::Admitted) => see_other(&format!("{HERE}?done=admit")),
        Err(error) => trouble(frame, error, &back),
    }
}
