//! `/metrics`, for whoever watches over the server: on a listener of its own that this machine alone
//! can reach, without TLS, because nothing of it leaves the machine and none of it is anybody's.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use crate::log::{self, Doing};
use crate::metrics::Metrics;
use crate::office::Office;

/// Connections at once: one asks every few seconds, and a person now and then.
pub const WATCHERS_MAX: usize = 8;
/// How long one may take.
pub const WATCHER_TIMEOUT: Duration = Duration::from_secs(10);
/// Media type of the figures.
const FIGURES_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Pause after no connection could be accepted.
const PAUSE: Duration = Duration::from_secs(1);

/// Answers whoever watches, for ever.
#[expect(clippy::infinite_loop, reason = "it is dropped when the server stops")]
pub async fn serve(listener: TcpListener, office: Arc<Office>) {
    let app = Router::new()
        .route("/metrics", get(figures))
        .with_state(office);
    let room = Arc::new(Semaphore::new(WATCHERS_MAX));
    loop {
        let Ok(seat) = Arc::clone(&room).acquire_owned().await else {
            continue;
        };
        let Ok((stream, _address)) = listener.accept().await else {
            sleep(PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(app.clone());
        drop(tokio::spawn(async move {
            let mut http = http1::Builder::new();
            let http = http.keep_alive(false).header_read_timeout(None);
            let served = http.serve_connection(TokioIo::new(stream), service);
            // Whoever left or was too slow asks again.
            drop(timeout(WATCHER_TIMEOUT, served).await);
            drop(seat);
        }));
    }
}

async fn figures(State(office): State<Arc<Office>>) -> Response {
    let asked = spawn_blocking(move || {
        let text = office.figures();
        text.inspect_err(|fault| log::failed(Doing::Metrics, fault))
    });
    match asked.await {
        Ok(Ok(text)) => ([(header::CONTENT_TYPE, FIGURES_TYPE)], text).into_response(),
        Ok(Err(_)) | Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// Counts each request by the pattern that it matched and the class of its answer.
pub async fn count(
    State(metrics): State<Arc<Metrics>>,
    request: axum::extract::Request,
    next: Next,
) -> Response {
    let route = request
        .extensions()
        .get::<axum::extract::MatchedPath>()
        .cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map(axum::extract::MatchedPath::as_str);
    metrics.request(route, response.status().as_u16());
    response
}
