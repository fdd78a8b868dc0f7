//! The page of one record, and what an officer says about it.
//!
//! A review adds; it never edits the sender's words. It names the heads that stood on the page, so
//! that everybody can see later what the officer had read.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use sync_core::change::ChangeRef;
use sync_core::ids::{ChainId, RecordId};
use sync_core::limits::CHANGE_HEADS_MAX;
use sync_core::text::display_text_fault;
use sync_core::value::FieldKey;
use sync_core::vocabulary::{ReasonUse, Vocabulary};

use super::Console;
use super::desk::{Desk, DeskError, HistoryRow, RecordPage, ReviewInput};
use super::list::Choice;
use super::page::{Frame, Place, Trouble, page, see_other, short, trouble};
use super::session::{Acting, Fields, SignedIn};

/// Longest remark, in characters: it has to be read on a small screen.
pub(super) const REMARK_CHARS_MAX: usize = 500;

#[derive(Template)]
#[template(path = "console/record.html")]
struct RecordView {
    f: Frame,
    page: RecordPage,
    /// What was just done.
    done: Option<&'static str>,
    /// The officer may remark.
    reviews: bool,
    /// The officer may accept and return.
    decides: bool,
    accepted: bool,
    reasons: Vec<Choice>,
    fields: Vec<Choice>,
    heads: String,
    remark_chars_max: usize,
}

impl RecordView {
    fn has_rivals(&self) -> bool {
        self.page
            .fields
            .iter()
            .any(|field| !field.rivals.is_empty())
    }
    /// The heads that a value was built on.
    fn built_on(&self, row: &HistoryRow) -> String {
        if row.built_on.is_empty() {
            return self.f.locale.t("record-first");
        }
        let names: Vec<String> = row.built_on.iter().map(place).collect();
        names.join(", ")
    }
    fn place(&self, at: &ChangeRef) -> String {
        place(at)
    }
}

/// A change by the beginning of its chain's name and its number on it.
fn place(at: &ChangeRef) -> String {
    format!("{}·{}", short(&at.chain.to_string()), at.seq)
}

pub(super) async fn show<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    Path(name): Path<String>,
    signed: SignedIn,
) -> Response {
    let frame = signed.frame.at(Place::Records);
    let Some(record) = RecordId::from_hex(&name) else {
        return trouble(frame, Trouble::NoSuchPage, "/console");
    };
    let officer = signed.officer;
    let found = console.ask(move |desk| {
        let page = desk.record(&officer, record)?;
        Ok(page.map(|page| (officer, page)))
    });
    match found.await {
        Ok(Some((officer, shown))) => {
            let vocabulary = Vocabulary::builtin();
            let view = RecordView {
                done: signed.query.get("done").and_then(done_key),
                reviews: vocabulary.may_review(officer.role, shown.lane),
                decides: officer.decides(vocabulary, shown.lane) && shown.withdrawn.is_none(),
                accepted: state_number("accepted") == Some(shown.state),
                reasons: reasons(&frame, &shown),
                fields: fields(&shown),
                heads: heads_text(&shown.heads),
                remark_chars_max: REMARK_CHARS_MAX,
                f: frame,
                page: shown,
            };
            page(StatusCode::OK, &view)
        }
        Ok(None) => trouble(frame, DeskError::NotFound, "/console"),
        Err(error) => trouble(frame, error, "/console"),
    }
}

fn done_key(done: &str) -> Option<&'static str> {
    match done {
        "accept" => Some("done-accepted"),
        "return" => Some("done-returned"),
        "remark" => Some("done-remarked"),
        _ => None,
    }
}

fn state_number(id: &str) -> Option<u16> {
    Vocabulary::builtin().state_by_id(id).map(|row| row.number)
}

fn reasons(frame: &Frame, shown: &RecordPage) -> Vec<Choice> {
    Vocabulary::builtin()
        .reasons(ReasonUse::Return, shown.lane)
        .map(|reason| Choice {
            value: reason.number.to_string(),
            label: frame.locale.return_reason(reason.number),
            chosen: false,
        })
        .collect()
}

/// What a remark can be pinned to: what was written, and what is missing.
fn fields(shown: &RecordPage) -> Vec<Choice> {
    let written = shown.fields.iter().map(|row| (row.key, &row.label));
    let missing = shown.missing.iter().map(|row| (row.key, &row.label));
    written
        .chain(missing)
        .map(|(key, label)| Choice {
            value: key.map_key(),
            label: label.clone(),
            chosen: false,
        })
        .collect()
}

fn heads_text(heads: &[ChangeRef]) -> String {
    let text = |at: &ChangeRef| format!("{}.{}", at.chain, at.seq);
    heads.iter().map(text).collect::<Vec<_>>().join(",")
}

fn read_heads(text: &str) -> Option<Vec<ChangeRef>> {
    let head = |part: &str| {
        let (chain, seq) = part.split_once('.')?;
        Some(ChangeRef {
            chain: ChainId::from_hex(chain)?,
            seq: seq.parse().ok()?,
        })
    };
    let heads: Vec<ChangeRef> = text
        .split(',')
        .take(CHANGE_HEADS_MAX.saturating_add(1))
        .map(head)
        .collect::<Option<_>>()?;
    let canonical = heads.len() <= CHANGE_HEADS_MAX && heads.is_sorted_by(|a, b| a < b);
    canonical.then_some(heads)
}

/// Reads `41`, or `41.a3` with the item in hex: the form of [`FieldKey::map_key`].
fn read_key(text: &str) -> Option<FieldKey> {
    let (number, item) = match text.split_once('.') {
        Some((number, item)) => (number, u32::from_str_radix(item, 16).ok()?),
        None => (text, 0),
    };
    let number = number.parse().ok()?;
    Some(FieldKey { number, item })
}

pub(super) async fn review<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    Path(name): Path<String>,
    acting: Acting,
) -> Response {
    let frame = acting.signed.frame;
    let Some(record) = RecordId::from_hex(&name) else {
        return trouble(frame, Trouble::NoSuchPage, "/console");
    };
    let back = format!("/console/record/{record}");
    let (act, input) = match read_review(record, &acting.fields) {
        Ok(read) => read,
        Err(why) => return trouble(frame, why, &back),
    };
    let officer = acting.signed.officer;
    match console.ask(move |desk| desk.review(&officer, &input)).await {
        Ok(()) => see_other(&format!("{back}?done={act}")),
        Err(error) => trouble(frame, error, &back),
    }
}

/// Reads what an officer says. Whether the role may say it, and whether the lane has room for
/// words, is the desk's to check: a form tells nothing about a record that can be believed.
fn read_review(record: RecordId, fields: &Fields) -> Result<(&'static str, ReviewInput), Trouble> {
    let unreadable = Trouble::UnreadableForm;
    let heads = fields.get("heads").and_then(read_heads).ok_or(unreadable)?;
    let field = match fields.get("field") {
        None => None,
        Some(text) => Some(read_key(text).ok_or(unreadable)?),
    };
    let mut input = ReviewInput {
        record,
        seen_heads: heads,
        field,
        state: None,
        reason: read_reason(fields)?,
        text: read_text(fields)?,
    };
    match fields.get("act") {
        Some("accept") => {
            // An acceptance says nothing else, whatever stood in the form.
            (input.field, input.reason, input.text) = (None, None, None);
            input.state = state_number("accepted");
            Ok(("accept", input))
        }
        Some("return") if input.reason.is_none() => Err(Trouble::ReasonNeeded),
        Some("return") => {
            input.state = state_number("returned");
            Ok(("return", input))
        }
        Some("remark") if input.field.is_none() => Err(Trouble::FieldNeeded),
        Some("remark") if input.reason.is_none() && input.text.is_none() => {
            Err(Trouble::RemarkEmpty)
        }
        Some("remark") => Ok(("remark", input)),
        _ => Err(unreadable),
    }
}

fn read_reason(fields: &Fields) -> Result<Option<u16>, Trouble> {
    let Some(text) = fields.get("reason") else {
        return Ok(None);
    };
    let number = text.parse().ok();
    let known = number.and_then(|n| Vocabulary::builtin().reason(ReasonUse::Return, n));
    known.map_or(Err(Trouble::UnreadableForm), |reason| {
        Ok(Some(reason.number))
    })
}

fn read_text(fields: &Fields) -> Result<Option<String>, Trouble> {
    let Some(text) = fields.get("text") else {
        return Ok(None);
    };
    // browsers send line ends of their own
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let fits = text.chars().count() <= REMARK_CHARS_MAX && display_text_fault(&text).is_none();
    if fits {
        Ok(Some(text))
    } else {
        Err(Trouble::UnfitText)
    }
}
