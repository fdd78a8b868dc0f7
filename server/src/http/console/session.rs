//! Who stands before the console: the cookie that says so, and the tokens that tie a form to it.
//!
//! The session's token is in a cookie that no script and no other site can use; the desk keeps its
//! hash only. Each form carries a second token of the same session, and the browser's own word on
//! where the form came from is heard too, where it gives one.

use std::sync::Arc;

use axum::Form;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Uri, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sync_core::ids::sha256;

use super::Console;
use super::desk::{Desk, DeskError, Officer, SessionRow};
use super::page::{Frame, Place, Trouble, see_other, trouble};
use super::words::Locale;
use crate::http::accept::Peer;

/// The prefix makes browsers refuse it from anywhere but this host, over TLS.
pub(super) const SESSION_COOKIE: &str = "__Host-binhyen";
/// Ties the forms outside a session to the browser that got them.
pub(super) const FORM_COOKIE: &str = "__Host-binhyen-form";
/// The language of the pages.
pub(super) const LANGUAGE_COOKIE: &str = "__Host-binhyen-language";
/// Name of the token in forms.
pub(super) const TOKEN_FIELD: &str = "token";

/// A session token as the cookie carries it, and its hash as the desk keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SessionToken {
    pub(super) text: String,
    pub(super) hash: [u8; 32],
}

impl SessionToken {
    /// A new one.
    pub(super) fn draw() -> Result<Self, DeskError> {
        let text = URL_SAFE_NO_PAD.encode(random::<32>()?);
        let hash = sha256(text.as_bytes()).0;
        Ok(Self { text, hash })
    }

    fn of_cookie(headers: &HeaderMap) -> Option<Self> {
        let text = cookie(headers, SESSION_COOKIE)?;
        Some(Self {
            text: text.to_owned(),
            hash: sha256(text.as_bytes()).0,
        })
    }
}

/// Random bytes of the system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], DeskError> {
    let mut bytes = [0; N];
    match getrandom::fill(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(_none) => Err(DeskError::Failed),
    }
}

/// Pairs of a form or a query, in their order; a name may occur more than once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    fn of_query(uri: &Uri) -> Self {
        Query::try_from_uri(uri)
            .map_or_else(|_unreadable| Self::default(), |Query(pairs)| Self(pairs))
    }
    /// The first value of this name, without outer spaces; `None` when empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.raw(name)
            .map(str::trim)
            .filter(|text| !text.is_empty())
    }
    /// The first value of this name as sent.
    pub(super) fn raw(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }
    /// All values of this name.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        let named = move |pair: &&(String, String)| pair.0 == name;
        self.0.iter().filter(named).map(|pair| pair.1.as_str())
    }
}

/// Whoever asks, signed in or not.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    pub(super) session: Option<(SessionToken, SessionRow)>,
    /// They bring the token of a session that is no longer one.
    had_session: bool,
    pub(super) form_token: Option<String>,
    pub(super) query: Fields,
    locale: Locale,
    here: String,
}

impl Visitor {
    /// The frame of a page for them.
    pub(super) fn frame(&self) -> Frame {
        let session = self.session.as_ref().map(|(_, row)| row);
        let token = session.map(|row| csrf_text(&row.csrf));
        Frame {
            locale: self.locale,
            officer: session.map(|row| row.officer.clone()),
            token: token
                .or_else(|| self.form_token.clone())
                .unwrap_or_default(),
            here: self.here.clone(),
            place: Place::Elsewhere,
        }
    }

    /// Whether a form carries their token: the session's, or outside a session the browser's.
    fn sent(&self, fields: &Fields) -> bool {
        let expected = self.frame().token;
        let carried = fields.raw(TOKEN_FIELD).unwrap_or_default();
        !expected.is_empty() && equal(expected.as_bytes(), carried.as_bytes())
    }

    /// The form of a request, if it comes from a page of theirs.
    async fn read_form<D: Desk>(
        &self,
        request: Request,
        console: &Arc<Console<D>>,
    ) -> Result<Fields, Trouble> {
        if !from_here(&request) {
            return Err(Trouble::ForeignForm);
        }
        let form = Form::<Vec<(String, String)>>::from_request(request, console).await;
        let Ok(Form(pairs)) = form else {
            return Err(Trouble::UnreadableForm);
        };
        let fields = Fields(pairs);
        if self.sent(&fields) {
            Ok(fields)
        } else {
            Err(Trouble::ForeignForm)
        }
    }
}

impl<D: Desk> FromRequestParts<Arc<Console<D>>> for Visitor {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console<D>>,
    ) -> Result<Self, Response> {
        let headers = &parts.headers;
        let mut visitor = Self {
            session: None,
            had_session: false,
            form_token: cookie(headers, FORM_COOKIE).map(str::to_owned),
            query: Fields::of_query(&parts.uri),
            locale: cookie(headers, LANGUAGE_COOKIE)
                .and_then(Locale::from_tag)
                .unwrap_or_default(),
            here: here(parts),
        };
        let Some(token) = SessionToken::of_cookie(headers) else {
            return Ok(visitor);
        };
        let hash = token.hash;
        match console.ask(move |desk| desk.session(hash)).await {
            Ok(found) => {
                let live = found.filter(|row| console.now_s() < row.expires_s);
                if let Some(peer) = parts.extensions.get::<Peer>().filter(|_| live.is_some()) {
                    peer.is_known();
                }
                visitor.session = live.map(|row| (token, row));
                visitor.had_session = visitor.session.is_none();
                Ok(visitor)
            }
            Err(error) => Err(trouble(visitor.frame(), error, "/console")),
        }
    }
}

/// The page a GET asks for; after a form, the front page.
fn here(parts: &Parts) -> String {
    let asked = parts
        .uri
        .path_and_query()
        .filter(|_| parts.method == Method::GET);
    asked.map_or_else(|| "/console".to_owned(), |it| it.as_str().to_owned())
}

/// An officer who reads.
#[derive(Debug, Clone)]
pub(super) struct SignedIn {
    pub(super) officer: Officer,
    pub(super) frame: Frame,
    pub(super) query: Fields,
    pub(super) token: SessionToken,
}

impl SignedIn {
    /// `None` when they are not signed in.
    fn of(visitor: Visitor) -> Option<Self> {
        let frame = visitor.frame();
        let (token, row) = visitor.session?;
        Some(Self {
            officer: row.officer,
            frame,
            query: visitor.query,
            token,
        })
    }
}

/// To the page where one signs in; it says why, to whom had been signed in before.
fn to_sign_in(visitor: &Visitor, sent_form: bool) -> Response {
    see_other(match (visitor.had_session, sent_form) {
        (false, _) => "/console/sign-in",
        (true, false) => "/console/sign-in?why=ended",
        (true, true) => "/console/sign-in?why=unsent",
    })
}

impl<D: Desk> FromRequestParts<Arc<Console<D>>> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        console: &Arc<Console<D>>,
    ) -> Result<Self, Response> {
        let visitor = Visitor::from_request_parts(parts, console).await?;
        let elsewhere = to_sign_in(&visitor, parts.method == Method::POST);
        Self::of(visitor).ok_or(elsewhere)
    }
}

/// A form from a page of this browser, in a session or not.
#[derive(Debug, Clone)]
pub(super) struct Knock {
    pub(super) visitor: Visitor,
    pub(super) fields: Fields,
}

impl<D: Desk> FromRequest<Arc<Console<D>>> for Knock {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console<D>>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, console).await?;
        let request = Request::from_parts(parts, body);
        match visitor.read_form(request, console).await {
            Ok(fields) => Ok(Self { visitor, fields }),
            Err(why) => Err(trouble(visitor.frame(), why, "/console")),
        }
    }
}

/// An officer who acts, with a form of their own session.
#[derive(Debug, Clone)]
pub(super) struct Acting {
    pub(super) signed: SignedIn,
    pub(super) fields: Fields,
}

impl<D: Desk> FromRequest<Arc<Console<D>>> for Acting {
    type Rejection = Response;

    async fn from_request(request: Request, console: &Arc<Console<D>>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = Visitor::from_request_parts(&mut parts, console).await?;
        let signed = SignedIn::of(visitor.clone()).ok_or_else(|| to_sign_in(&visitor, true))?;
        let request = Request::from_parts(parts, body);
        match visitor.read_form(request, console).await {
            Ok(fields) => Ok(Self { signed, fields }),
            Err(why) => Err(trouble(signed.frame, why, "/console")),
        }
    }
}

/// Whether the browser says that a form came from this site. Many say nothing: the referrer policy
/// of our own pages makes the origin "null", and old browsers know no fetch metadata. The token
/// decides then.
fn from_here(request: &Request) -> bool {
    let text = |name: &str| request.headers().get(name).map(HeaderValue::as_bytes);
    let site_fits = text("sec-fetch-site").is_none_or(|site| site == b"same-origin");
    let host = text("host").or_else(|| {
        request
            .uri()
            .authority()
            .map(|host| host.as_str().as_bytes())
    });
    let origin_fits = text("origin").is_none_or(|origin| {
        let without_scheme = origin.strip_prefix(b"https://");
        origin == b"null" || (without_scheme.is_some() && without_scheme == host)
    });
    site_fits && origin_fits
}

/// A session's form token as text.
pub(super) fn csrf_text(csrf: &[u8; 16]) -> String {
    URL_SAFE_NO_PAD.encode(csrf)
}

/// Compares without telling by the time it takes where the first difference is.
fn equal(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |seen, (a, b)| seen | (a ^ b)) == 0
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter();
    let pairs = lines
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'));
    pairs
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, value)| *found == name && !value.is_empty())
        .map(|(_, value)| value)
}

/// Adds a cookie to an answer: for `seconds`, or until the browser closes.
pub(super) fn set_cookie(
    response: Response,
    name: &str,
    value: &str,
    seconds: Option<u32>,
) -> Response {
    let age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
    let line = format!("{name}={value}; Path=/; Secure; HttpOnly; SameSite=Strict{age}");
    let mut response = response.into_response();
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
    response
}
