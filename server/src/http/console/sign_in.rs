//! Coming in, going out, and the language of the pages.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::time::{Instant, sleep_until, timeout};

use super::desk::{Desk, DeskError};
use super::page::{Frame, page, see_other, trouble};
use super::session::{
    Acting, FORM_COOKIE, Knock, LANGUAGE_COOKIE, SESSION_COOKIE, SessionToken, Visitor, random,
    set_cookie,
};
use super::words::Locale;
use super::{Console, SESSION_SECONDS, password};

/// Longest account name that is looked up, in bytes.
const NAME_BYTES_MAX: usize = 200;
/// A failed try is answered no earlier than this: a known name costs a write, an unknown one does
/// not, and nobody shall read that off a clock.
const FAILED_TRY_TIME: Duration = Duration::from_millis(400);
/// How long a try waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);
const YEAR_SECONDS: u32 = 31_536_000;

#[derive(Template)]
#[template(path = "console/sign_in.html")]
struct SignInPage {
    f: Frame,
    name: String,
    /// Why they have to sign in again.
    why: Option<&'static str>,
    refused: bool,
}

pub(super) async fn show(mut visitor: Visitor) -> Response {
    if visitor.session.is_some() {
        return see_other("/console");
    }
    let fresh = match &visitor.form_token {
        Some(_) => None,
        None => match random::<16>() {
            Ok(bytes) => Some(URL_SAFE_NO_PAD.encode(bytes)),
            Err(error) => return trouble(visitor.frame(), error, "/console/sign-in"),
        },
    };
    if fresh.is_some() {
        visitor.form_token.clone_from(&fresh);
    }
    let why = match visitor.query.get("why") {
        Some("ended") => Some("sign-in-ended"),
        Some("unsent") => Some("sign-in-unsent"),
        Some(_) | None => None,
    };
    let shown = SignInPage {
        f: visitor.frame(),
        why,
        name: String::new(),
        refused: false,
    };
    let response = page(StatusCode::OK, &shown);
    match fresh {
        Some(token) => set_cookie(response, FORM_COOKIE, &token, None),
        None => response,
    }
}

pub(super) async fn enter<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    knock: Knock,
) -> Response {
    let name = knock.fields.get("name").unwrap_or_default().to_owned();
    // as sent: a password may begin with a space
    let password = knock.fields.raw("password").unwrap_or_default().to_owned();
    match console.admit(name.clone(), password).await {
        Ok(Some(token)) => {
            if let Some((old, _)) = knock.visitor.session {
                // Whoever signs in anew leaves the session before; failing to is no reason to stay.
                let _ended = console.ask(move |desk| desk.end_session(old.hash)).await;
            }
            set_cookie(see_other("/console"), SESSION_COOKIE, &token.text, None)
        }
        Ok(None) => {
            let shown = SignInPage {
                f: knock.visitor.frame(),
                why: None,
                name,
                refused: true,
            };
            page(StatusCode::FORBIDDEN, &shown)
        }
        Err(error) => trouble(knock.visitor.frame(), error, "/console/sign-in"),
    }
}

impl<D: Desk> Console<D> {
    /// A new session for whoever knows the password. `None` says nothing about why: no such name,
    /// a wrong password, too soon after a failed try and a closed account look alike.
    async fn admit(
        &self,
        name: String,
        password: String,
    ) -> Result<Option<SessionToken>, DeskError> {
        let turn = timeout(TURN_TIMEOUT, Arc::clone(&self.tries).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(DeskError::Busy);
        };
        let answer_at = Instant::now() + FAILED_TRY_TIME;
        let now_s = self.now_s();
        let tried = self.ask(move |desk| {
            let token = try_password(desk, &name, &password, now_s);
            drop(turn); // held by the work itself: a browser that left frees no memory here
            token
        });
        let tried = tried.await?;
        if tried.is_none() {
            sleep_until(answer_at).await;
        }
        Ok(tried)
    }
}

fn try_password<D: Desk>(
    desk: &D,
    name: &str,
    password: &str,
    now_s: i64,
) -> Result<Option<SessionToken>, DeskError> {
    let account = if name.is_empty() || name.len() > NAME_BYTES_MAX {
        None
    } else {
        desk.account_by_name(name)?
    };
    let hash = account.as_ref().map(|row| row.password_hash.as_str());
    let right = password::verify(password, hash);
    let Some(account) = account.filter(|row| row.active && row.not_before_s <= now_s) else {
        return Ok(None);
    };
    if !right {
        let not_before_s = password::not_before(now_s, account.failures.saturating_add(1));
        desk.note_sign_in(account.number, false, now_s, not_before_s)?;
        return Ok(None);
    }
    let token = SessionToken::draw()?;
    desk.note_sign_in(account.number, true, now_s, 0)?;
    let expires_s = now_s.saturating_add(SESSION_SECONDS);
    desk.open_session(token.hash, account.number, random()?, now_s, expires_s)?;
    Ok(Some(token))
}

pub(super) async fn leave<D: Desk>(
    State(console): State<Arc<Console<D>>>,
    acting: Acting,
) -> Response {
    let hash = acting.signed.token.hash;
    match console.ask(move |desk| desk.end_session(hash)).await {
        Ok(()) => set_cookie(see_other("/console/sign-in"), SESSION_COOKIE, "", Some(0)),
        Err(error) => trouble(acting.signed.frame, error, "/console"),
    }
}

pub(super) async fn change_language(knock: Knock) -> Response {
    let locale = knock.fields.get("language").and_then(Locale::from_tag);
    let back = knock.fields.get("back").filter(|back| is_own_page(back));
    let tag = locale.unwrap_or_default().tag();
    let response = see_other(back.unwrap_or("/console"));
    set_cookie(response, LANGUAGE_COOKIE, tag, Some(YEAR_SECONDS))
}

/// Whether an address leads to a page of the console: a form could ask for any.
fn is_own_page(address: &str) -> bool {
    let rest = address.strip_prefix("/console");
    let plain = |b: u8| b.is_ascii_graphic() && b != b'\\';
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?']))
        && address.bytes().all(plain)
}
