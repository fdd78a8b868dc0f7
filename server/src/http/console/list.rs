//! The list of records: one lane at a time, by area, group, type, period and state, newest first,
//! a page at a time; in the open lane with a search.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use sync_core::calendar::local_day;
use sync_core::ids::{AreaRef, GroupId};
use sync_core::text::SearchRefusal;
use sync_core::vocabulary::{
    Lane, Period, PeriodCalendars, RoleScope, State as RecordState, StateLevel, TypeLane,
    Vocabulary,
};

use super::Console;
use super::desk::{
    AreaRow, Desk, DeskError, GroupRow, ListFilter, ListPage, ListRows, Officer, PageKey, Placed,
    Search, UnitsAsked,
};
use super::page::{Frame, Place, Trouble, page, trouble};
use super::session::{Fields, SignedIn};
use super::words::{day_text, read_day};

/// Why a list was not asked for. The form stays as it was filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Search(SearchRefusal),
    Date,
    /// The first day comes after the last.
    Order,
    Filter,
}

impl Refusal {
    fn key(self) -> &'static str {
        match self {
            Self::Search(SearchRefusal::TooFewWords) => "search-two-words",
            Self::Search(SearchRefusal::TooLong) => "search-too-long",
            Self::Search(SearchRefusal::DigitRun) => "search-no-numbers",
            Self::Search(SearchRefusal::Plate) => "search-no-plates",
            Self::Search(SearchRefusal::PersonName) => "search-no-names",
            Self::Date => "list-bad-date",
            Self::Order => "list-bad-order",
            Self::Filter => "list-bad-filter",
        }
    }
}

/// An entry of a select box.
#[derive(Debug, Clone)]
pub(super) struct Choice {
    pub(super) value: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

/// A link that changes one thing of the list.
#[derive(Debug, Clone)]
struct Link {
    label: String,
    address: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "console/list.html")]
struct ListView {
    f: Frame,
    lane: Lane,
    lanes: Vec<Link>,
    shortcuts: Vec<Link>,
    areas: Vec<Choice>,
    /// By which units, in the words of an address.
    units: Vec<Choice>,
    groups: Vec<Choice>,
    types: Vec<Choice>,
    states: Vec<Choice>,
    from: String,
    to: String,
    search: String,
    refusal: Option<Refusal>,
    /// Nothing was asked for but the lane.
    unfiltered: bool,
    rows: ListRows,
    newest: Option<String>,
    older: Option<String>,
}

impl ListView {
    fn searchable(&self) -> bool {
        !self.lane.is_closed()
    }
    fn search_refused(&self) -> bool {
        matches!(self.refusal, Some(Refusal::Search(_)))
    }
    fn dates_refused(&self) -> bool {
        matches!(self.refusal, Some(Refusal::Date | Refusal::Order))
    }
    fn is_rounded(&self) -> bool {
        matches!(self.rows, ListRows::Rounded(_))
    }
    fn is_empty(&self) -> bool {
        match &self.rows {
            ListRows::Full(rows) => rows.is_empty(),
            ListRows::Rounded(rows) => rows.is_empty(),
        }
    }
}

#[derive(Template)]
#[template(path = "console/no_lanes.html")]
struct NoLanesPage {
    f: Frame,
}

/// What came back from the desk for one page.
struct Answers {
    areas: Vec<AreaRow>,
    groups: Vec<GroupRow>,
    list: ListPage,
}

pub(super) async fn show<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    signed: SignedIn,
) -> Response {
    let frame = signed.frame.clone().at(Place::Records);
    let vocabulary = Vocabulary::builtin();
    let lanes = signed.officer.lanes(vocabulary);
    let Some(first) = lanes.first().copied() else {
        return page(StatusCode::OK, &NoLanesPage { f: frame });
    };
    let lane = match signed.query.get("lane").map(Lane::from_id) {
        None => first,
        Some(Some(lane)) if lanes.contains(&lane) => lane,
        Some(Some(_)) => return trouble(frame, DeskError::NotAllowed, "/console"),
        Some(None) => return trouble(frame, Trouble::NoSuchPage, "/console"),
    };
    let rounded = vocabulary.sees_rounded(signed.officer.role, lane);
    let filter = read_filter(lane, rounded, &signed.query);
    let area = signed.query.get("area").and_then(AreaRef::from_hex);
    let units = signed.query.get("units").and_then(UnitsAsked::from_id);
    let (officer, asked) = (signed.officer.clone(), filter.clone().ok());
    let answers = console
        .ask(move |desk| answers(desk, &officer, (area, units), rounded, asked))
        .await;
    match answers {
        Ok(answers) => {
            let now_day = local_day(console.now_s());
            let view = view(frame, lane, &lanes, &signed, filter.err(), answers, now_day);
            page(StatusCode::OK, &view)
        }
        // nothing was sent: the place where the page should begin is none of the desk's
        Err(DeskError::Invalid) => trouble(frame, Trouble::NoSuchPage, "/console"),
        Err(error) => trouble(frame, error, "/console"),
    }
}

fn answers<D: Desk>(
    desk: &D,
    officer: &Officer,
    (area, units): (Option<AreaRef>, Option<UnitsAsked>),
    rounded: bool,
    filter: Option<ListFilter>,
) -> Result<Answers, DeskError> {
    // A province has thousands of groups: they are offered once an area was chosen.
    let few = officer.scope(Vocabulary::builtin()) == RoleScope::Commune || area.is_some();
    let groups = if few && !rounded {
        desk.groups(officer, area)?
    } else {
        Vec::new()
    };
    let empty = || ListPage {
        rows: ListRows::Full(Vec::new()),
        older: None,
    };
    Ok(Answers {
        areas: desk.areas(officer, units)?,
        groups,
        list: filter.map_or_else(|| Ok(empty()), |filter| desk.list(officer, &filter))?,
    })
}

/// Reads what is asked for. A filter that cannot be read is said, never left out: a list that shows
/// more than was asked for would be read as if it did not.
fn read_filter(lane: Lane, rounded: bool, query: &Fields) -> Result<ListFilter, Refusal> {
    fn read<T>(
        query: &Fields,
        name: &str,
        reader: impl Fn(&str) -> Option<T>,
        refusal: Refusal,
    ) -> Result<Option<T>, Refusal> {
        query
            .get(name)
            .map(|text| reader(text).ok_or(refusal))
            .transpose()
    }
    let search = query.get("q").filter(|_| !lane.is_closed());
    let search = search.map(Search::parse).transpose();
    let filter = ListFilter {
        lane,
        placed: read_place(query)?,
        group: read(query, "group", GroupId::from_hex, Refusal::Filter)?,
        record_type: read(query, "type", known_type, Refusal::Filter)?,
        state: read(query, "state", known_state, Refusal::Filter)?,
        from_day: read(query, "from", read_day, Refusal::Date)?,
        to_day: read(query, "to", read_day, Refusal::Date)?,
        search: search.map_err(Refusal::Search)?,
        page: read(query, "page", PageKey::new, Refusal::Filter)?,
    };
    if filter
        .from_day
        .zip(filter.to_day)
        .is_some_and(|(from, to)| from > to)
    {
        return Err(Refusal::Order);
    }
    if rounded && (filter.group.is_some() || filter.state.is_some()) {
        return Err(Refusal::Filter);
    }
    Ok(filter)
}

/// The area and the units by which it is meant.
fn read_place(query: &Fields) -> Result<Placed, Refusal> {
    let units = match query.get("units") {
        None => None,
        Some(word) => Some(UnitsAsked::from_id(word).ok_or(Refusal::Filter)?),
    };
    let area = query.get("area");
    match (area, units) {
        (None, _) => Ok(Placed::Anywhere),
        (Some(NOWHERE), Some(units)) => Ok(Placed::Nowhere(units)),
        (Some(text), units) => {
            let area = AreaRef::from_hex(text).ok_or(Refusal::Filter)?;
            Ok(units.map_or(Placed::Now(area), |units| Placed::In(units, area)))
        }
    }
}

/// Stands in an address in place of an area: what is in no unit.
const NOWHERE: &str = "none";

fn known_type(text: &str) -> Option<u16> {
    let number = text.parse().ok()?;
    Vocabulary::builtin()
        .record_type(number)
        .map(|row| row.number)
}

fn known_state(text: &str) -> Option<u16> {
    let number = text.parse().ok()?;
    Vocabulary::builtin().state(number).map(|row| row.number)
}

fn view(
    f: Frame,
    lane: Lane,
    lanes: &[Lane],
    signed: &SignedIn,
    refusal: Option<Refusal>,
    answers: Answers,
    today: i32,
) -> ListView {
    let vocabulary = Vocabulary::builtin();
    let query = &signed.query;
    let rounded = vocabulary.sees_rounded(signed.officer.role, lane);
    let states = if rounded {
        Vec::new()
    } else {
        states(&f, lane, query)
    };
    let older = answers.list.older.as_ref();
    ListView {
        lane,
        lanes: lanes.iter().map(|to| lane_link(&f, *to, lane)).collect(),
        shortcuts: shortcuts(&f, lane, rounded, query, today),
        areas: areas(&f, &answers.areas, query),
        units: units(&f, query),
        groups: groups(&answers.groups, query),
        types: types(&f, lane, query),
        states,
        from: query.get("from").unwrap_or_default().to_owned(),
        to: query.get("to").unwrap_or_default().to_owned(),
        search: query.get("q").unwrap_or_default().to_owned(),
        unfiltered: refusal.is_none() && address(lane, query, &[]) == lane_address(lane),
        refusal,
        rows: answers.list.rows,
        newest: query
            .get("page")
            .map(|_| address(lane, query, &[("page", "")])),
        older: older.map(|key| address(lane, query, &[("page", key.as_str())])),
        f,
    }
}

fn lane_link(f: &Frame, to: Lane, current: Lane) -> Link {
    Link {
        label: f.locale.lane(to),
        address: lane_address(to),
        current: to == current,
    }
}

fn lane_address(lane: Lane) -> String {
    format!("/console?lane={}", lane.id())
}

/// What is asked for every day: what came and waits, this reporting period, the one before.
fn shortcuts(f: &Frame, lane: Lane, rounded: bool, query: &Fields, today: i32) -> Vec<Link> {
    let period = |label: &str, period: Period| {
        let (from, to) = (day_text(period.first), day_text(period.last));
        Link {
            label: f.locale.t(label),
            current: query.get("from") == Some(&from) && query.get("to") == Some(&to),
            address: address(lane, query, &[("from", &from), ("to", &to), ("page", "")]),
        }
    };
    let mut links = Vec::new();
    if let Some(calendar) = PeriodCalendars::builtin().default_on(today) {
        let this = calendar.period_of(today);
        links.push(period("list-this-period", this));
        links.push(period("list-last-period", calendar.before(this)));
    }
    let waiting = Vocabulary::builtin().state_by_id("received");
    if let Some(state) = waiting.filter(|_| !rounded) {
        let number = state.number.to_string();
        links.insert(
            0,
            Link {
                label: f.locale.t("list-to-review"),
                current: query.get("state") == Some(&number),
                address: address(lane, query, &[("state", &number), ("page", "")]),
            },
        );
    }
    links
}

/// The address of this list with some things changed; an empty value leaves one out.
fn address(lane: Lane, query: &Fields, changes: &[(&str, &str)]) -> String {
    let mut address = lane_address(lane);
    for name in [
        "units", "area", "group", "type", "state", "from", "to", "q", "page",
    ] {
        let changed = changes.iter().find(|(changed, _)| *changed == name);
        let value = changed.map_or_else(|| query.get(name).unwrap_or_default(), |(_, value)| value);
        if !value.is_empty() {
            address.push_str(&format!("&{name}={}", escaped(value)));
        }
    }
    address
}

fn escaped(value: &str) -> String {
    let byte = |b: u8| {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') {
            char::from(b).to_string()
        } else {
            format!("%{b:02X}")
        }
    };
    value.bytes().map(byte).collect()
}

fn choice(query: &Fields, name: &str, value: String, label: String) -> Choice {
    Choice {
        chosen: query.get(name) == Some(&value),
        value,
        label,
    }
}

fn areas(f: &Frame, rows: &[AreaRow], query: &Fields) -> Vec<Choice> {
    let label = |row: &AreaRow| {
        let indent = "\u{2003}".repeat(row.depth.into());
        format!("{indent}{}", f.area(&row.name))
    };
    let mut choices: Vec<Choice> = rows
        .iter()
        .map(|row| choice(query, "area", row.area.to_string(), label(row)))
        .collect();
    if query.get("units").is_some() {
        let label = f.t("units-nowhere");
        choices.push(choice(query, "area", NOWHERE.to_owned(), label));
    }
    choices
}

fn units(f: &Frame, query: &Fields) -> Vec<Choice> {
    let label = |units| match units {
        UnitsAsked::Then => f.t("units-then"),
        UnitsAsked::Today => f.t("units-today"),
    };
    let all = UnitsAsked::ALL.into_iter();
    all.map(|units| choice(query, "units", units.id().to_owned(), label(units)))
        .collect()
}

fn groups(rows: &[GroupRow], query: &Fields) -> Vec<Choice> {
    rows.iter()
        .map(|row| choice(query, "group", row.group.to_string(), row.name.clone()))
        .collect()
}

fn types(f: &Frame, lane: Lane, query: &Fields) -> Vec<Choice> {
    let in_lane = |of: TypeLane| match of {
        TypeLane::Fixed(fixed) => fixed == lane,
        TypeLane::ByKind => matches!(lane, Lane::Open | Lane::Protected),
    };
    Vocabulary::builtin()
        .record_types()
        .filter(|row| in_lane(row.lane))
        .map(|row| {
            choice(
                query,
                "type",
                row.number.to_string(),
                f.locale.record_type(row.number),
            )
        })
        .collect()
}

/// The states in which a record can stand once it came: those of a phone's own sending are none.
fn states(f: &Frame, lane: Lane, query: &Fields) -> Vec<Choice> {
    let stands = |state: &&RecordState| match state.level {
        StateLevel::Phone => state.id == "received",
        StateLevel::CommuneTip => lane == Lane::Tip,
        StateLevel::Commune | StateLevel::Province | StateLevel::Any => true,
    };
    Vocabulary::builtin()
        .states()
        .filter(stands)
        .map(|row| {
            choice(
                query,
                "state",
                row.number.to_string(),
                f.locale.state(row.number),
            )
        })
        .collect()
}
