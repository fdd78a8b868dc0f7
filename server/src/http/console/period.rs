//! The figures of one reporting period: of a commune by hamlet, of a province by commune, what
//! came late apart. It is made to be printed.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use sync_core::calendar::local_day;
use sync_core::vocabulary::{Period, PeriodCalendar, PeriodCalendars, Vocabulary};

use super::Console;
use super::desk::{
    Desk, DeskError, PeriodAsked, PeriodPage, PeriodStep, TypeFigures, UnitFigures, UnitsAsked,
};
use super::list::Choice;
use super::page::{Frame, Place, Trouble, page, see_other, trouble};
use super::session::{Acting, Fields, SignedIn};
use super::words::{day_text, read_day};

const PATH: &str = "/console/period";

#[derive(Template)]
#[template(path = "console/period.html")]
struct PeriodView {
    f: Frame,
    /// Name of the area.
    area: String,
    /// Month and year that the period is called by.
    month: String,
    period: Period,
    calendar: u16,
    calendars: Vec<Choice>,
    units: Vec<Choice>,
    earlier: String,
    later: String,
    found: PeriodPage,
    is_done: bool,
}

impl PeriodView {
    /// Whether anything is withheld, so that the page says what a dash means.
    fn withholds(&self) -> bool {
        let withheld = |types: &TypeFigures| {
            types.figures.as_ref().is_some_and(|figures| {
                let pairs = figures.units.iter().map(|unit| unit.pair);
                let mut pairs = pairs.chain([figures.sum]);
                pairs.any(|pair| pair.on_time.is_none() || pair.late.is_none())
            })
        };
        self.found.types.iter().any(withheld)
    }
    fn state(&self) -> String {
        match self.found.step {
            PeriodStep::Closed(time_s) => {
                self.f.with("period-closed", "time", self.f.time(&time_s))
            }
            PeriodStep::Next => self.f.t("period-next"),
            PeriodStep::Open => self.f.t("period-open"),
            PeriodStep::Passed => self.f.t("period-passed"),
        }
    }
    fn figure(&self, figure: &Option<u64>) -> String {
        figure.map_or_else(|| "–".to_owned(), grouped)
    }
    fn place(&self, unit: &UnitFigures) -> String {
        let name = self.f.area(&unit.name);
        if unit.placed {
            name
        } else {
            format!("{name}: {}", self.f.t("period-nowhere"))
        }
    }
    fn first_text(&self) -> String {
        day_text(self.period.first)
    }
}

pub(super) async fn show<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    signed: SignedIn,
) -> Response {
    let frame = signed.frame.clone().at(Place::Period);
    if !signed.officer.counts(Vocabulary::builtin()) {
        return trouble(frame, DeskError::NotAllowed, "/console");
    }
    let Some((calendar, asked)) = read(&signed.query, local_day(console.now_s())) else {
        return trouble(frame, Trouble::NoSuchPeriod, PATH);
    };
    let officer = signed.officer.clone();
    let found = console.ask(move |desk| desk.period(&officer, &asked)).await;
    match found {
        Ok(found) => {
            let view = view(frame, &signed, calendar, asked, found);
            page(StatusCode::OK, &view)
        }
        Err(error) => trouble(frame, error, "/console"),
    }
}

pub(super) async fn close<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    acting: Acting,
) -> Response {
    let frame = acting.signed.frame.at(Place::Period);
    let officer = acting.signed.officer;
    if !officer.closes_periods(Vocabulary::builtin()) {
        return trouble(frame, DeskError::NotAllowed, "/console");
    }
    let Some((_, asked)) = read(&acting.fields, local_day(console.now_s())) else {
        return trouble(frame, Trouble::NoSuchPeriod, PATH);
    };
    let back = address(&asked, asked.period);
    if acting.fields.get("sure") != Some("yes") {
        return trouble(frame, Trouble::NotSure, &back);
    }
    match console
        .ask(move |desk| desk.close_period(&officer, &asked))
        .await
    {
        Ok(()) => see_other(&format!("{back}&done=closed")),
        Err(error) => trouble(frame, error, &back),
    }
}

/// The period that is asked for; today's by the default calendar where nothing is said.
fn read(query: &Fields, today: i32) -> Option<(&'static PeriodCalendar, PeriodAsked)> {
    let calendars = PeriodCalendars::builtin();
    let calendar = match query.get("calendar") {
        None => calendars.default_on(today),
        Some(number) => calendars.calendar(number.parse().ok()?),
    }?;
    let day = match query.get("day") {
        None => today,
        Some(text) => read_day(text)?,
    };
    let units = match query.get("units") {
        None => UnitsAsked::Today,
        Some(word) => UnitsAsked::from_id(word)?,
    };
    let asked = PeriodAsked {
        calendar: calendar.number,
        period: calendar.period_of(day),
        units,
    };
    calendar
        .is_valid_on(asked.period.last)
        .then_some((calendar, asked))
}

fn address(asked: &PeriodAsked, period: Period) -> String {
    let (number, units) = (asked.calendar, asked.units.id());
    let day = sync_core::calendar::iso_text(period.first);
    format!("{PATH}?calendar={number}&day={day}&units={units}")
}

fn view(
    f: Frame,
    signed: &SignedIn,
    calendar: &PeriodCalendar,
    asked: PeriodAsked,
    found: PeriodPage,
) -> PeriodView {
    let (year, month) = asked.period.month();
    let calendars = PeriodCalendars::builtin().all().map(|row| Choice {
        value: row.number.to_string(),
        label: f.locale.label("calendar", &row.id, &row.vi),
        chosen: row.number == asked.calendar,
    });
    let units = UnitsAsked::ALL.into_iter().map(|units| Choice {
        value: units.id().to_owned(),
        label: match units {
            UnitsAsked::Then => f.t("units-then"),
            UnitsAsked::Today => f.t("units-today"),
        },
        chosen: units == asked.units,
    });
    PeriodView {
        area: f.area(&signed.officer.area_name),
        month: format!("{month:02}/{year:04}"),
        period: asked.period,
        calendar: asked.calendar,
        calendars: calendars.collect(),
        units: units.collect(),
        earlier: address(&asked, calendar.before(asked.period)),
        later: address(&asked, calendar.after(asked.period)),
        found,
        is_done: signed.query.get("done") == Some("closed"),
        f,
    }
}

/// A number with a narrow space between thousands, in every language.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push('\u{202F}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_stand_apart() {
        let told = [0, 7, 999, 1_000, 1_234_567].map(grouped);
        assert_eq!(
            told,
            ["0", "7", "999", "1\u{202F}000", "1\u{202F}234\u{202F}567"]
        );
    }
}
