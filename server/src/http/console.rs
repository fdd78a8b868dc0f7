//! The console: the pages on which officers read records, accept and return them, remark on a
//! field, and enrol phones.
//!
//! Pages are rendered here and work without a script, on old office machines, by keyboard. The
//! console holds no rules of its own: roles, lanes, reasons and states come from the vocabulary,
//! and whatever is read or done goes through the [`Desk`], which asks for the officer each time.
//!
//! ```text
//! cookie -> Visitor -> SignedIn -> list, record, period, devices ... (GET)
//!                  \-> Knock    -> sign in, change the language      (POST, token of the browser)
//!                  \-> Acting   -> review, invite, confirm, revoke   (POST, token of the session)
//! ```
//!
//! The arguments of a handler are its permission: none can act without [`session::Acting`], which
//! exists only for a live session, a form of that session, and this site.
//!
//! What is absent: scripts, outside resources, totals of a list, a record page for rounded rows, a text
//! field in the forms of closed lanes.

mod acts;
mod assets;
pub mod desk;
mod devices;
mod enrol;
mod list;
mod models;
mod page;
pub mod password;
mod period;
mod quarantine;
mod record;
mod session;
mod sign_in;
#[cfg(test)]
mod tests;
mod words;

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{any, get, post};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use desk::{Desk, DeskError};
use page::{Trouble, fenced, see_other, trouble};
use session::SignedIn;

/// Largest form, in bytes: the longest remark in percent-encoded form fits.
pub const FORM_BYTES_MAX: usize = 32 * 1024;
/// How long a session lasts, in seconds: a working day. Closing the browser ends it too.
pub const SESSION_SECONDS: i64 = 8 * 3_600;

/// What all pages share.
struct Console<D> {
    desk: Arc<D>,
    /// Seconds since 1970.
    clock: fn() -> i64,
    /// Room for tries to sign in: each takes some 20 MB.
    tries: Arc<Semaphore>,
}

impl<D: Desk> Console<D> {
    /// Asks the desk where blocking is allowed.
    async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&D) -> Result<T, DeskError> + Send + 'static,
    ) -> Result<T, DeskError> {
        let desk = Arc::clone(&self.desk);
        let asked = spawn_blocking(move || question(&desk)).await;
        asked.unwrap_or(Err(DeskError::Failed))
    }

    fn now_s(&self) -> i64 {
        (self.clock)()
    }
}

/// The console's pages, all under `/console`. `clock` tells seconds since 1970.
///
/// They belong behind TLS on the port where browsers come: the session cookie is sent nowhere else.
pub fn router<D: Desk>(desk: Arc<D>, clock: fn() -> i64) -> Router {
    let console = Arc::new(Console {
        desk,
        clock,
        tries: Arc::new(Semaphore::new(password::TRIES_AT_ONCE_MAX)),
    });
    Router::new()
        .route("/console", get(list::show::<D>))
        .route("/console/", get(home))
        .route("/console/record/{record}", get(record::show::<D>))
        .route("/console/record/{record}/review", post(record::review::<D>))
        .route("/console/devices", get(devices::show::<D>))
        .route(
            "/console/devices/{group}/{device}/confirm",
            post(devices::confirm::<D>),
        )
        .route(
            "/console/devices/{group}/{device}/refuse",
            post(devices::refuse::<D>),
        )
        .route(
            "/console/devices/{group}/{device}/revoke",
            get(devices::ask_revoke::<D>).post(devices::revoke::<D>),
        )
        .route(
            "/console/enrol",
            get(enrol::show::<D>).post(enrol::invite::<D>),
        )
        .route("/console/enrol/{invite}", get(enrol::invitation::<D>))
        .route("/console/period", get(period::show::<D>))
        .route("/console/period/close", post(period::close::<D>))
        .route("/console/groups", get(models::list::<D>))
        .route(
            "/console/groups/{group}",
            get(models::show::<D>).post(models::step::<D>),
        )
        .route("/console/acts", get(acts::of_log::<D>))
        .route("/console/acts/{group}", get(acts::of_group::<D>))
        .route("/console/quarantine", get(quarantine::show::<D>))
        .route(
            "/console/quarantine/{chain}/{seq}",
            get(quarantine::held::<D>),
        )
        .route(
            "/console/quarantine/{chain}/{seq}/admit",
            post(quarantine::admit::<D>),
        )
        .route(
            "/console/sign-in",
            get(sign_in::show).post(sign_in::enter::<D>),
        )
        .route("/console/sign-out", post(sign_in::leave::<D>))
        .route("/console/language", post(sign_in::change_language))
        .route("/console/console.css", get(assets::style))
        .route("/console/icon.svg", get(assets::icon))
        .route("/console/{*rest}", any(no_such_page::<D>))
        // as when the address of a form is opened again after it was sent
        .method_not_allowed_fallback(no_such_page::<D>)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .layer(map_response(|response: Response| async {
            fenced(response)
        }))
        .with_state(console)
}

async fn home() -> Response {
    see_other("/console")
}

async fn no_such_page<D: Desk>(
    State(_console): State<Arc<Console<D>>>,
    signed: SignedIn,
) -> Response {
    trouble(signed.frame, Trouble::NoSuchPage, "/console")
}
