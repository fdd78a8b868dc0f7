//! Groups as deployments of model kinds: how many of each kind and state, each with the steps of
//! its life, and the form for the next one. A group's proper name names its row and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use sync_core::hub::LifeStep;
use sync_core::ids::GroupId;
use sync_core::vocabulary::{ModelKinds, STATE_LIST, ValueList, Vocabulary, may_follow};

use super::Console;
use super::desk::{Desk, DeskError, ModelRow};
use super::list::Choice;
use super::page::{Frame, Place, Trouble, page, see_other, trouble};
use super::session::{Acting, Fields, SignedIn};
use super::words::{Locale, read_day};

const PATH: &str = "/console/groups";

#[derive(Template)]
#[template(path = "console/models.html")]
struct ModelsView {
    f: Frame,
    /// Kind, state and how many groups: deployments, never names.
    counts: Vec<(String, String, usize)>,
    /// How many different kinds those are.
    kinds_count: usize,
    rows: Vec<ModelRow>,
}

#[derive(Template)]
#[template(path = "console/model.html")]
struct ModelView {
    f: Frame,
    row: ModelRow,
    may_step: bool,
    kinds: Vec<Choice>,
    states: Vec<Choice>,
    is_done: bool,
}

impl ModelView {
    fn address(&self) -> String {
        format!("{PATH}/{}", self.row.group)
    }
}

/// Kind and state of a step in words.
fn told(locale: Locale, step: &LifeStep) -> (String, String) {
    let kind = ModelKinds::builtin().kind(step.kind);
    let kind = kind.map_or_else(
        || step.kind.to_string(),
        |kind| locale.label("model", &kind.id, &kind.vi),
    );
    let state = states().and_then(|list| list.value(step.state));
    let state = state.map_or_else(
        || step.state.to_string(),
        |value| locale.label("life", &value.id, &value.vi),
    );
    (kind, state)
}

fn states() -> Option<&'static ValueList> {
    Vocabulary::builtin().list(STATE_LIST)
}

impl Frame {
    pub(super) fn step(&self, step: &LifeStep) -> String {
        let (kind, state) = told(self.locale, step);
        format!("{kind} · {state}")
    }
}

pub(super) async fn list<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    signed: SignedIn,
) -> Response {
    let f = signed.frame.at(Place::Models);
    let officer = signed.officer;
    match console.ask(move |desk| desk.models(&officer)).await {
        Ok(rows) => {
            let steps: Vec<&LifeStep> = rows.iter().filter_map(ModelRow::now).collect();
            let mut counts: BTreeMap<(u16, u16), usize> = BTreeMap::new();
            for step in &steps {
                *counts.entry((step.kind, step.state)).or_default() += 1;
            }
            let kinds: BTreeSet<u16> = steps.iter().map(|step| step.kind).collect();
            let counts = counts.into_iter().map(|((kind, state), count)| {
                let step = LifeStep {
                    kind,
                    state,
                    day: 0,
                    body: String::new(),
                    decision: String::new(),
                };
                let (kind, state) = told(f.locale, &step);
                (kind, state, count)
            });
            let view = ModelsView {
                counts: counts.collect(),
                kinds_count: kinds.len(),
                rows,
                f,
            };
            page(StatusCode::OK, &view)
        }
        Err(error) => trouble(f, error, "/console"),
    }
}

pub(super) async fn show<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    Path(group): Path<String>,
    signed: SignedIn,
) -> Response {
    let f = signed.frame.at(Place::Models);
    let Some(group) = GroupId::from_hex(&group) else {
        return trouble(f, Trouble::NoSuchPage, PATH);
    };
    let officer = signed.officer.clone();
    match console.ask(move |desk| desk.model(&officer, group)).await {
        Ok(Some(row)) => {
            let view = ModelView {
                may_step: signed.officer.steps_models(Vocabulary::builtin()),
                kinds: kinds(&f, &row),
                states: next_states(&f, &row),
                is_done: signed.query.get("done") == Some("step"),
                row,
                f,
            };
            page(StatusCode::OK, &view)
        }
        Ok(None) => trouble(f, DeskError::NotFound, PATH),
        Err(error) => trouble(f, error, PATH),
    }
}

pub(super) async fn step<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    Path(group): Path<String>,
    acting: Acting,
) -> Response {
    let f = acting.signed.frame.at(Place::Models);
    let officer = acting.signed.officer;
    if !officer.steps_models(Vocabulary::builtin()) {
        return trouble(f, DeskError::NotAllowed, PATH);
    }
    let Some(group) = GroupId::from_hex(&group) else {
        return trouble(f, Trouble::NoSuchPage, PATH);
    };
    let back = format!("{PATH}/{group}");
    let Some((step, seen)) = read_step(&acting.fields) else {
        return trouble(f, Trouble::NoSuchStep, &back);
    };
    let taken = console.ask(move |desk| desk.step_model(&officer, group, step, seen));
    match taken.await {
        Ok(()) => see_other(&format!("{back}?done=step")),
        Err(DeskError::Invalid) => trouble(f, Trouble::NoSuchStep, &back),
        Err(error) => trouble(f, error, &back),
    }
}

fn read_step(fields: &Fields) -> Option<(LifeStep, usize)> {
    let words = |name| fields.get(name).unwrap_or_default().to_owned();
    let step = LifeStep {
        kind: fields.get("kind")?.parse().ok()?,
        state: fields.get("state")?.parse().ok()?,
        day: read_day(fields.get("day")?)?,
        body: words("body"),
        decision: words("decision"),
    };
    Some((step, fields.get("seen")?.parse().ok()?))
}

fn kinds(f: &Frame, row: &ModelRow) -> Vec<Choice> {
    let now = row.now().map(|step| step.kind);
    let kinds = ModelKinds::builtin().all();
    kinds
        .map(|kind| Choice {
            value: kind.number.to_string(),
            label: f.locale.label("model", &kind.id, &kind.vi),
            chosen: now == Some(kind.number),
        })
        .collect()
}

/// The states that may come next, and the present one, with which only the kind is put right.
fn next_states(f: &Frame, row: &ModelRow) -> Vec<Choice> {
    let Some(list) = states() else {
        return Vec::new();
    };
    let now = row.now().and_then(|step| list.value(step.state));
    let fits = list.values.iter().filter(|value| {
        may_follow(now.map(|now| now.id.as_str()), &value.id)
            || now.is_some_and(|now| now.number == value.number)
    });
    fits.map(|value| Choice {
        value: value.number.to_string(),
        label: f.locale.label("life", &value.id, &value.vi),
        chosen: false,
    })
    .collect()
}
