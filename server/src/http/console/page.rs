//! What every page has in common: its frame, the headers that keep it in, and the page that says
//! why something was not done and what to do next.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse as _, Response};
use sync_core::ids::KeyId;
use sync_core::vocabulary::{Lane, Vocabulary};

use super::desk::{AreaName, Author, DeskError, Officer, PhoneClock, ValueText};
use super::words::{Locale, day_text, read_day, time_text};

/// Nothing runs in a page, nothing comes from elsewhere, nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; \
     frame-ancestors 'none'; base-uri 'none'";

const FENCES: [(&str, &str); 8] = [
    ("content-security-policy", POLICY),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
    // for browsers from before frame-ancestors
    ("x-frame-options", "DENY"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=()",
    ),
    // machines of an office are shared: nothing read here may stay on them
    ("cache-control", "no-store"),
];

/// Sets the headers that every answer carries. What an answer set itself stays.
pub(super) fn fenced(mut response: Response) -> Response {
    for (name, value) in FENCES {
        response
            .headers_mut()
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    response
}

/// Which entry of the menu a page belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Records,
    Devices,
    Enrol,
    Acts,
    Quarantine,
    Period,
    Models,
    Elsewhere,
}

/// What the frame around a page needs, and what templates ask in its language. Numbers come in by
/// reference, because that is how templates pass a field.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) locale: Locale,
    pub(super) officer: Option<Officer>,
    /// Token that every form of the page carries.
    pub(super) token: String,
    /// Address of the page, to come back to after the language was changed.
    pub(super) here: String,
    pub(super) place: Place,
}

impl Frame {
    pub(super) fn at(mut self, place: Place) -> Self {
        self.place = place;
        self
    }
    pub(super) fn is_at_records(&self) -> bool {
        self.place == Place::Records
    }
    pub(super) fn is_at_devices(&self) -> bool {
        self.place == Place::Devices
    }
    pub(super) fn is_at_enrol(&self) -> bool {
        self.place == Place::Enrol
    }
    pub(super) fn is_at_acts(&self) -> bool {
        self.place == Place::Acts
    }
    pub(super) fn is_at_quarantine(&self) -> bool {
        self.place == Place::Quarantine
    }
    pub(super) fn is_at_period(&self) -> bool {
        self.place == Place::Period
    }
    pub(super) fn is_at_models(&self) -> bool {
        self.place == Place::Models
    }
    pub(super) fn t(&self, key: &str) -> String {
        self.locale.t(key)
    }
    pub(super) fn with(&self, key: &str, name: &str, value: impl ToString) -> String {
        self.locale.with(key, name, value)
    }
    /// The language of the page: what speaks only some pages is Vietnamese on the others.
    pub(super) fn lang(&self) -> &'static str {
        if self.locale.is_partial() && self.place != Place::Period {
            Locale::Vi.tag()
        } else {
            self.locale.tag()
        }
    }
    /// The other languages.
    pub(super) fn languages(&self) -> impl Iterator<Item = Locale> {
        let here = self.locale;
        Locale::ALL.into_iter().filter(move |other| *other != here)
    }
    /// Whether nobody who reads the language has read this message.
    pub(super) fn is_unreviewed(&self, key: &str) -> bool {
        !self.locale.is_reviewed(key)
    }
    /// A message in Vietnamese: what binds stands above a translation that nobody has read.
    pub(super) fn vi(&self, key: &str) -> String {
        Locale::Vi.t(key)
    }
    pub(super) fn style(&self) -> &'static str {
        super::assets::style_address()
    }
    /// What the officer at this page may, if somebody is signed in.
    fn may(&self, what: impl FnOnce(&Officer, &Vocabulary) -> bool) -> bool {
        let officer = self.officer.as_ref();
        officer.is_some_and(|officer| what(officer, Vocabulary::builtin()))
    }
    pub(super) fn keeps_devices(&self) -> bool {
        self.may(Officer::keeps_devices)
    }
    pub(super) fn sees_acts(&self) -> bool {
        self.may(Officer::sees_acts)
    }
    pub(super) fn sees_models(&self) -> bool {
        self.may(Officer::sees_models)
    }
    pub(super) fn counts(&self) -> bool {
        self.may(Officer::counts)
    }
    pub(super) fn reads_records(&self) -> bool {
        self.may(|officer, vocabulary| !officer.lanes(vocabulary).is_empty())
    }
    pub(super) fn day(&self, day: &i32) -> String {
        day_text(*day)
    }
    pub(super) fn time(&self, seconds: &i64) -> String {
        time_text(*seconds)
    }
    pub(super) fn record_type(&self, number: &u16) -> String {
        self.locale.record_type(*number)
    }
    pub(super) fn state(&self, number: &u16) -> String {
        self.locale.state(*number)
    }
    pub(super) fn state_id(&self, number: &u16) -> &'static str {
        Vocabulary::builtin()
            .state(*number)
            .map_or("", |state| state.id.as_str())
    }
    pub(super) fn lane(&self, lane: &Lane) -> String {
        self.locale.lane(*lane)
    }
    pub(super) fn role(&self, number: &u16) -> String {
        self.locale.role(*number)
    }
    pub(super) fn return_reason(&self, number: &u16) -> String {
        self.locale.return_reason(*number)
    }
    pub(super) fn withdraw_reason(&self, number: &u16) -> String {
        self.locale.withdraw_reason(*number)
    }
    /// The member as chosen on the phone: "Danh Sóc (2)".
    pub(super) fn who(&self, author: &Author) -> String {
        self.member(author.name.as_deref(), author.member)
    }
    /// The same of any member, as far as it is known who it is.
    pub(super) fn member(&self, name: Option<&str>, number: Option<u16>) -> String {
        match (name, number) {
            (Some(name), Some(number)) => format!("{name} ({number})"),
            (Some(name), None) => name.to_owned(),
            (None, Some(number)) => self.with("member-number", "n", number),
            (None, None) => self.t("member-erased"),
        }
    }
    /// An area by its name; what ended says since when, and what is unknown says so.
    pub(super) fn area(&self, area: &AreaName) -> String {
        match (&area.name, &area.ended) {
            (None, _) => self.with("area-unknown", "code", &area.code),
            (Some(name), None) => name.clone(),
            (Some(name), Some(ended)) => {
                let day = read_day(ended).map_or_else(|| ended.clone(), day_text);
                let ended = self.with("area-ended", "date", day);
                format!("{name} ({ended})")
            }
        }
    }
    /// A value, with its unit.
    pub(super) fn value(&self, value: &ValueText) -> String {
        match value {
            ValueText::Words(text) => text.clone(),
            ValueText::Counted { number, unit } => self.locale.counted(number, unit),
            ValueText::Area(area) => self.area(area),
        }
    }
    /// What the phone's clock said; one that cannot be right is called so.
    pub(super) fn phone_clock(&self, clock: &PhoneClock) -> String {
        let key = if clock.is_off {
            "phone-clock-off"
        } else {
            "phone-clock"
        };
        self.with(key, "time", time_text(clock.s))
    }
    pub(super) fn device(&self, device: &KeyId) -> String {
        short(&device.to_string())
    }
}

/// The first eight digits of a hex name: enough to tell apart what stands on one page.
pub(super) fn short(hex: &str) -> String {
    hex.chars().take(8).collect()
}

/// Renders a page.
pub(super) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => (status, Html(text)).into_response(),
        Err(_cannot_write) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Sends the browser on with GET, so that a reload does not do an act again.
pub(super) fn see_other(location: &str) -> Response {
    HeaderValue::from_str(location).map_or_else(
        |_no_header| StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        |value| (StatusCode::SEE_OTHER, [(header::LOCATION, value)]).into_response(),
    )
}

/// Why a request was not done, apart from what the desk says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The desk's answer.
    Desk(DeskError),
    /// The address is none.
    NoSuchPage,
    /// The form is not of this session, or came from another site.
    ForeignForm,
    /// The form is too long or cannot be read.
    UnreadableForm,
    /// A return needs a reason.
    ReasonNeeded,
    /// A remark needs a field.
    FieldNeeded,
    /// A remark needs a reason or words.
    RemarkEmpty,
    /// The words are too long, or hold what no text may hold.
    UnfitText,
    /// An invitation needs a group.
    GroupNeeded,
    /// Six digits are six digits.
    DigitsNeeded,
    /// No period of a calendar that is known.
    NoSuchPeriod,
    /// A step in the life of a group that cannot be read, or does not follow.
    NoSuchStep,
    /// What cannot be taken back must be confirmed.
    NotSure,
}

impl From<DeskError> for Trouble {
    fn from(error: DeskError) -> Self {
        Self::Desk(error)
    }
}

impl Trouble {
    fn status(self) -> StatusCode {
        match self {
            Self::NoSuchPage | Self::Desk(DeskError::NotFound) => StatusCode::NOT_FOUND,
            Self::ForeignForm | Self::Desk(DeskError::NotAllowed) => StatusCode::FORBIDDEN,
            Self::Desk(
                DeskError::Stale
                | DeskError::NotWaiting
                | DeskError::NoAddress
                | DeskError::Decided
                | DeskError::StaysAside
                | DeskError::WordsGone
                | DeskError::SecondOfficer,
            ) => StatusCode::CONFLICT,
            Self::UnreadableForm => StatusCode::BAD_REQUEST,
            Self::Desk(DeskError::Busy) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Desk(DeskError::StorageFull) => StatusCode::INSUFFICIENT_STORAGE,
            Self::Desk(DeskError::Failed) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Desk(DeskError::Invalid | DeskError::WrongDigits)
            | Self::ReasonNeeded
            | Self::FieldNeeded
            | Self::RemarkEmpty
            | Self::UnfitText
            | Self::GroupNeeded
            | Self::NoSuchPeriod
            | Self::NoSuchStep
            | Self::NotSure
            | Self::DigitsNeeded => StatusCode::UNPROCESSABLE_ENTITY,
        }
    }

    /// What happened, and what to do.
    fn message(self, frame: &Frame) -> (String, String) {
        let (what, next) = match self {
            Self::NoSuchPage | Self::Desk(DeskError::NotFound) => {
                ("error-not-found", "error-not-found-next")
            }
            Self::Desk(DeskError::NotAllowed) => ("error-not-allowed", "error-not-allowed-next"),
            Self::NoSuchPeriod => ("period-no-calendar", "error-back-next"),
            Self::NoSuchStep => ("error-step", "error-step-next"),
            Self::NotSure => ("error-sure", "error-back-next"),
            Self::Desk(DeskError::Stale) => ("error-stale", "error-stale-next"),
            Self::Desk(DeskError::Invalid) => ("error-invalid", "error-invalid-next"),
            Self::Desk(DeskError::WrongDigits) => ("error-digits", "error-digits-next"),
            Self::Desk(DeskError::NotWaiting) => ("error-not-waiting", "error-not-waiting-next"),
            Self::Desk(DeskError::NoAddress) => ("error-no-address", "error-no-address-next"),
            Self::Desk(DeskError::Decided) => ("error-decided", "error-decided-next"),
            Self::Desk(DeskError::StaysAside) => ("error-stays", "error-stays-next"),
            Self::Desk(DeskError::WordsGone) => ("error-gone", "error-gone-next"),
            Self::Desk(DeskError::SecondOfficer) => ("error-second", "error-second-next"),
            Self::Desk(DeskError::Busy) => ("error-busy", "error-busy-next"),
            Self::Desk(DeskError::StorageFull) => ("error-full", "error-full-next"),
            Self::Desk(DeskError::Failed) => ("error-failed", "error-failed-next"),
            Self::ForeignForm => ("error-foreign", "error-foreign-next"),
            Self::UnreadableForm => ("error-unreadable", "error-unreadable-next"),
            Self::ReasonNeeded => ("error-reason", "error-back-next"),
            Self::FieldNeeded => ("error-field", "error-back-next"),
            Self::RemarkEmpty => ("error-remark", "error-back-next"),
            Self::UnfitText => ("error-text", "error-text-next"),
            Self::GroupNeeded => ("error-group", "error-back-next"),
            Self::DigitsNeeded => ("error-six", "error-back-next"),
        };
        (frame.t(what), frame.t(next))
    }
}

#[derive(Template)]
#[template(path = "console/trouble.html")]
struct TroublePage {
    f: Frame,
    what: String,
    next: String,
    back: String,
}

/// The page that says why something was not done. `back` is where to go on from.
pub(super) fn trouble(frame: Frame, trouble: impl Into<Trouble>, back: &str) -> Response {
    let trouble = trouble.into();
    let (what, next) = trouble.message(&frame);
    let shown = TroublePage {
        f: frame.at(Place::Elsewhere),
        what,
        next,
        back: back.to_owned(),
    };
    page(trouble.status(), &shown)
}
