//! The port of the phones: `POST /v1/enrol`, `POST /v1/sync`, `GET /healthz`.
//!
//! ```text
//! body, bounded -> open, verify (where blocking is allowed) -> limit of the device
//!      -> writer, when it brings something -> answer (where blocking is allowed)
//! ```
//!
//! A phone understands one shape of refusal, the problem, which never changes; it is the body of
//! every answer of `/v1/sync` that is none. The status is 200 even so, but where a proxy on the way
//! must see that it is none. Answers carry no header but their length: each byte is paid for.
//!
//! What a stranger can cost is bounded: bytes of bodies held at once, bodies unpacked at once. The
//! limit of a device is asked after its signature was verified, so that nobody spends another's.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use http_body_util::BodyExt as _;
use sync_core::codec::Model;
use sync_core::exchange::{Problem, ProblemCode};
use sync_core::hub::arrival::EnrolRequest;
use sync_core::hub::ledger::LedgerFault;
use sync_core::hub::{Arrived, Refusal, Stop, Told, Verified};
use sync_core::limits::REQUEST_BYTES_MAX;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::spawn_blocking;

use super::accept::Peer;
use super::limit::{DeviceLimiter, DeviceLimits, RetryAfterSeconds};
use crate::log::{self, Disk, Doing, Event, StoreFault};
use crate::metrics::{EnrolEnd, VisitEnd};
use crate::now_s;
use crate::office::{Office, acting};
use crate::random;
use crate::writer::WriteError;

/// Media type of bodies, where one is named.
pub const BODY_TYPE: &str = "application/octet-stream";
/// Largest body of a request to enrol, in bytes: it has a fixed size, and room for its successors.
pub const ENROL_BYTES_MAX: usize = 1_024;
/// Bytes of an unwanted body that are read and dropped, so that its sender sees the answer.
const DRAIN_BYTES_MAX: usize = 4 * REQUEST_BYTES_MAX;
/// Kibibytes of bodies that may be on their way in at once.
pub const BODIES_KIB_MAX: u32 = 64 * 1024;
/// Bodies that are unpacked or packed at once: it is work for the processor, not for the disk.
pub const AT_WORK_MAX: usize = 8;
/// Requests to enrol that may wait for the writer at once; the next ones wait before it, so that
/// strangers with invented codes leave its queue to visits.
pub const ENROLLING_MAX: usize = 16;
/// Kibibytes that the room of a body grows by.
const ROOM_STEP_KIB: usize = 4;

/// What the handlers share.
#[derive(Debug)]
struct Port {
    office: Arc<Office>,
    model: Arc<Model>,
    limiter: Mutex<DeviceLimiter>,
    started: Instant,
    bodies: Arc<Semaphore>,
    at_work: Arc<Semaphore>,
    enrolling: Arc<Semaphore>,
}

/// The routes of the phones. `limits` is how often one device may come.
pub fn router(office: Arc<Office>, limits: DeviceLimits) -> Router {
    let permits = usize::try_from(BODIES_KIB_MAX).unwrap_or(Semaphore::MAX_PERMITS);
    let port = Arc::new(Port {
        office,
        model: Arc::new(Model::primed()),
        limiter: Mutex::new(DeviceLimiter::new(limits)),
        started: Instant::now(),
        bodies: Arc::new(Semaphore::new(permits)),
        at_work: Arc::new(Semaphore::new(AT_WORK_MAX)),
        enrolling: Arc::new(Semaphore::new(ENROLLING_MAX)),
    });
    Router::new()
        .route("/healthz", get(health).fallback(health_by_get))
        .route("/v1/sync", post(sync).fallback(phones_by_post))
        .route("/v1/enrol", post(enrol).fallback(phones_by_post))
        .fallback(nothing_here)
        .with_state(port)
}

/// Whoever looks at an address of the phones with something else.
async fn phones_by_post(body: Body) -> Response {
    drain(body).await;
    words(
        StatusCode::METHOD_NOT_ALLOWED,
        "phones of BinhYen send here, with POST only; people find the console at /console",
    )
}

async fn health_by_get(body: Body) -> Response {
    drain(body).await;
    words(
        StatusCode::METHOD_NOT_ALLOWED,
        "this says whether the server is well, to GET only",
    )
}

/// Whoever came to the wrong address.
async fn nothing_here(body: Body) -> Response {
    drain(body).await;
    words(
        StatusCode::NOT_FOUND,
        "there is nothing at this address: phones of BinhYen send to /v1/sync and /v1/enrol, \
         people find the console at /console",
    )
}

/// Why a body was not taken.
enum BodyFault {
    Type,
    TooLarge,
    Busy,
    Cut,
}

/// An answer that is not an answer: a status and a problem.
struct Trouble {
    status: StatusCode,
    code: ProblemCode,
    detail: String,
    retry_after_s: Option<u64>,
    /// As what it is counted.
    end: VisitEnd,
}

impl Trouble {
    fn of(status: StatusCode, code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            end: VisitEnd::Problem(code),
            status,
            code,
            detail: detail.into(),
            retry_after_s: None,
        }
    }

    fn busy(end: VisitEnd) -> Self {
        Self {
            end,
            retry_after_s: Some(BUSY_RETRY_S),
            ..Self::of(
                StatusCode::SERVICE_UNAVAILABLE,
                ProblemCode::Later,
                "too many visits at once",
            )
        }
    }

    fn failed() -> Self {
        Self::of(StatusCode::OK, ProblemCode::Failed, "the server failed")
    }

    fn of_stop(stop: Stop) -> Self {
        if matches!(stop.code, ProblemCode::Failed) {
            // What the store says is not for a stranger.
            return Self::failed();
        }
        Self::of(StatusCode::OK, stop.code, stop.detail)
    }

    fn response(&self) -> Response {
        let mut response = plain(self.status, Problem::pack(self.code, &self.detail));
        if let Some(seconds) = self.retry_after_s {
            let value = HeaderValue::from(seconds);
            response.headers_mut().insert(RETRY_AFTER, value);
        }
        close_after(self.status, &mut response);
        response
    }
}

/// Seconds after which a phone may try a busy server again.
const BUSY_RETRY_S: u64 = 30;

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        if matches!(stop.code, ProblemCode::Failed) {
            log::tell(Event::Disk(Disk::Failed {
                doing: Doing::Visit,
                fault: StoreFault::Unnamed,
            }));
        }
        Self::of_stop(stop)
    }
}

impl From<LedgerFault> for Trouble {
    fn from(fault: LedgerFault) -> Self {
        log::failed(Doing::Visit, &fault);
        Self::of_stop(fault.into())
    }
}

impl From<BodyFault> for Trouble {
    fn from(fault: BodyFault) -> Self {
        match fault {
            BodyFault::Type => Self {
                end: VisitEnd::MediaType,
                ..Self::of(
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    ProblemCode::Malformed,
                    format!("send {BODY_TYPE}"),
                )
            },
            BodyFault::TooLarge => Self::of(
                StatusCode::PAYLOAD_TOO_LARGE,
                ProblemCode::TooLarge,
                format!("a body has {REQUEST_BYTES_MAX} bytes at most"),
            ),
            BodyFault::Busy => Self::busy(VisitEnd::BusyBodies),
            BodyFault::Cut => Self {
                end: VisitEnd::Cut,
                ..Self::of(
                    StatusCode::BAD_REQUEST,
                    ProblemCode::Malformed,
                    "the body ended too early",
                )
            },
        }
    }
}

impl From<WriteError> for Trouble {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Busy => Self::busy(VisitEnd::BusyWriter),
            WriteError::Stopped => Self::failed(),
            // The writer has told of it.
            WriteError::Refused(Refusal::Store(fault)) => Self::of_stop(fault.into()),
            WriteError::Refused(refusal) => Self {
                end: VisitEnd::Refused,
                ..Self::of(StatusCode::OK, ProblemCode::Malformed, refusal.to_string())
            },
        }
    }
}

impl From<RetryAfterSeconds> for Trouble {
    fn from(after: RetryAfterSeconds) -> Self {
        Self {
            end: VisitEnd::TooOften,
            retry_after_s: Some(after.0),
            ..Self::of(
                StatusCode::TOO_MANY_REQUESTS,
                ProblemCode::Later,
                "this device comes too often",
            )
        }
    }
}

/// A body and the room that it takes, until it has been read.
struct Taken {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl Port {
    async fn take(
        &self,
        headers: &HeaderMap,
        body: Body,
        bytes_max: usize,
    ) -> Result<Taken, BodyFault> {
        let named = headers.get(CONTENT_TYPE);
        if named.is_some_and(|named| !is_body_type(named)) {
            drain(body).await;
            return Err(BodyFault::Type);
        }
        let declared = headers.get(CONTENT_LENGTH);
        let declared = declared.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > bytes_max) {
            drain(body).await;
            return Err(BodyFault::TooLarge);
        }
        let (mut bytes, mut body) = (Vec::new(), body);
        let mut room = self.room_for(0)?;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_cut| BodyFault::Cut)?;
            let data = frame.data_ref().map(AsRef::as_ref).unwrap_or_default();
            if bytes.len().saturating_add(data.len()) > bytes_max {
                drain(body).await;
                return Err(BodyFault::TooLarge);
            }
            // As bytes come, not as a head declares them: with some hundred heads, and a byte a
            // second, strangers would else hold all the room for minutes.
            room.merge(self.room_for(missing_kib(&room, bytes.len() + data.len()))?);
            bytes.extend_from_slice(data);
        }
        Ok(Taken { bytes, _room: room })
    }

    /// Room for so many more kibibytes of a body.
    fn room_for(&self, kib: u32) -> Result<OwnedSemaphorePermit, BodyFault> {
        let room = Arc::clone(&self.bodies).try_acquire_many_owned(kib);
        room.map_err(|_none_left| BodyFault::Busy)
    }

    /// Runs work for the processor, a few at a time.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Trouble> + Send + 'static,
    ) -> Result<T, Trouble> {
        let Ok(_permit) = self.at_work.acquire().await else {
            return Err(Trouble::failed());
        };
        match spawn_blocking(work).await {
            Ok(done) => done,
            Err(_panicked) => Err(Trouble::failed()),
        }
    }

    async fn visit(self: &Arc<Self>, parts: &Parts, body: Body) -> Result<Vec<u8>, Trouble> {
        let taken = self.take(&parts.headers, body, REQUEST_BYTES_MAX).await?;
        let port = Arc::clone(self);
        let coming = self.office.writer().expect_visit();
        let arrived = self
            .work(move || Ok(port.office.hub().open(&port.model, &taken.bytes)?))
            .await?;
        let arrived = if arrived.brings_back() {
            self.take_back(arrived).await?
        } else {
            arrived
        };
        let port = Arc::clone(self);
        let verified = self.work(move || port.verify(&arrived)).await?;
        self.check_rate(&verified)?;
        if let Some(peer) = parts.extensions.get::<Peer>() {
            peer.is_known();
        }
        let told = match self.office.hub().look(&verified) {
            Some(told) => {
                drop(coming);
                Arc::new(told)
            }
            None => {
                let admitted = self.office.writer().admit(Arc::clone(&verified), coming);
                admitted.await?
            }
        };
        let port = Arc::clone(self);
        self.work(move || port.answer(&verified, &told)).await
    }

    /// Gives the log back what a restored server lost. What none of it was signed by this log is
    /// left out here, so that it never reaches the writer.
    async fn take_back(&self, arrived: Arrived) -> Result<Arrived, Trouble> {
        let hub = self.office.hub();
        let (realm, key) = (hub.realm(), hub.log_key());
        let request = arrived.request();
        let forged = |head: &sync_core::log::Receipt| !head.verifies(&realm, &key);
        if request.head.as_ref().is_some_and(forged) {
            return Err(Trouble::of(
                StatusCode::OK,
                ProblemCode::Signature,
                "the head shown is none of this log's",
            ));
        }
        let signed = request
            .acts
            .iter()
            .any(|full| full.act.verifies(&realm, &key));
        if request.head.is_none() && !signed {
            return Ok(arrived);
        }
        let random = random()?;
        let taken = self.office.writer().act_soon(move |hub, ledger| {
            let done = hub.take_back(ledger, &arrived, &acting(0, "", random));
            // The stop travels as a value: it is the phone's, not the store's.
            match done {
                Ok(()) => Ok(Ok(arrived)),
                Err(stop) if stop.code == ProblemCode::DiskFull => {
                    Err(Refusal::Store(LedgerFault::Full))
                }
                Err(stop) if stop.code == ProblemCode::Failed => {
                    Err(Refusal::Store(LedgerFault::Failed(stop.detail)))
                }
                Err(stop) => Ok(Err(stop)),
            }
        });
        Ok(taken.await??)
    }

    fn verify(&self, arrived: &Arrived) -> Result<Arc<Verified>, Trouble> {
        let hub = self.office.hub();
        let verified = self
            .office
            .read(|snapshot| Ok(hub.verify_visit(snapshot, arrived)))?;
        Ok(Arc::new(verified?))
    }

    fn check_rate(&self, verified: &Verified) -> Result<(), Trouble> {
        let elapsed = self.started.elapsed().as_millis();
        let now_ms = u64::try_from(elapsed).unwrap_or(u64::MAX);
        // Nothing can panic while the lock is held.
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        limiter.check(verified.device().0, now_ms)?;
        Ok(())
    }

    fn answer(&self, verified: &Verified, told: &Told) -> Result<Vec<u8>, Trouble> {
        let now_s = now_s();
        let hub = self.office.hub();
        let answer = self
            .office
            .read(|snapshot| hub.answer(&self.model, snapshot, verified, told, now_s))?;
        self.office.saw(verified.device(), now_s);
        Ok(answer)
    }
}

async fn sync(State(port): State<Arc<Port>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let (end, response) = match port.visit(&parts, body).await {
        Ok(answer) => (VisitEnd::Answered, plain(StatusCode::OK, answer)),
        Err(trouble) => (trouble.end, trouble.response()),
    };
    port.office.metrics().visit(end);
    response
}

/// What is missing for a body of so many bytes, in kibibytes.
fn missing_kib(room: &OwnedSemaphorePermit, bytes: usize) -> u32 {
    let wanted = bytes.div_ceil(ROOM_STEP_KIB * 1024) * ROOM_STEP_KIB;
    let missing = wanted.saturating_sub(room.num_permits());
    u32::try_from(missing).unwrap_or(u32::MAX)
}

/// The answer of an enrolment, or its refusal in words: a person stands before the phone.
async fn enrol(State(port): State<Arc<Port>>, request: HttpRequest) -> Response {
    let (parts, body) = request.into_parts();
    let (end, response) = port.enrol(&parts.headers, body).await;
    port.office.metrics().enrolment(end);
    response
}

impl Port {
    async fn enrol(&self, headers: &HeaderMap, body: Body) -> (EnrolEnd, Response) {
        let taken = match self.take(headers, body, ENROL_BYTES_MAX).await {
            Ok(taken) => taken,
            Err(fault) => {
                let end = match fault {
                    BodyFault::Busy => EnrolEnd::Busy,
                    BodyFault::Type | BodyFault::TooLarge | BodyFault::Cut => EnrolEnd::Malformed,
                };
                return (end, Trouble::from(fault).response());
            }
        };
        let asked = match EnrolRequest::from_bytes(&taken.bytes) {
            Ok(asked) => asked,
            Err(malformed) => {
                let line = format!("this is no request to enrol: {malformed}");
                return (EnrolEnd::Malformed, words(StatusCode::BAD_REQUEST, &line));
            }
        };
        let Ok(_turn) = self.enrolling.acquire().await else {
            return (EnrolEnd::Failed, Trouble::failed().response());
        };
        let enrolled = self
            .office
            .writer()
            .act_soon(move |hub, ledger| hub.enrol(ledger, &asked, now_s()))
            .await;
        match enrolled {
            Ok(answer) => (EnrolEnd::Asked, plain(StatusCode::OK, answer.to_bytes())),
            Err(WriteError::Refused(Refusal::Store(LedgerFault::Full))) => (
                EnrolEnd::Failed,
                words(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the server's disk is full; try again later",
                ),
            ),
            Err(WriteError::Refused(Refusal::Store(_)) | WriteError::Stopped) => (
                EnrolEnd::Failed,
                words(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "the server failed; try again later",
                ),
            ),
            Err(WriteError::Busy) => {
                let busy = Trouble::busy(VisitEnd::BusyWriter);
                (EnrolEnd::Busy, busy.response())
            }
            Err(WriteError::Refused(Refusal::DeviceKnown)) => (
                EnrolEnd::Known,
                words(StatusCode::CONFLICT, &Refusal::DeviceKnown.to_string()),
            ),
            Err(WriteError::Refused(refusal)) => (
                EnrolEnd::Refused,
                words(StatusCode::FORBIDDEN, &refusal.to_string()),
            ),
        }
    }
}

/// For whoever watches the server.
async fn health(State(port): State<Arc<Port>>) -> Response {
    if port.office.writer().is_full() {
        return words(
            StatusCode::SERVICE_UNAVAILABLE,
            "the disk is full: this server can be read and takes nothing new",
        );
    }
    words(StatusCode::OK, "ok")
}

fn plain(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response
}

fn words(status: StatusCode, line: &str) -> Response {
    let mut response = plain(status, format!("{line}\n").into_bytes());
    let kind = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    close_after(status, &mut response);
    response
}

/// The rest of a body that was not read would be taken for the next request.
fn close_after(status: StatusCode, response: &mut Response) {
    let unread = [
        StatusCode::PAYLOAD_TOO_LARGE,
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::BAD_REQUEST,
    ];
    if unread.contains(&status) {
        let close = HeaderValue::from_static("close");
        response.headers_mut().insert(CONNECTION, close);
    }
}

fn is_body_type(named: &HeaderValue) -> bool {
    let named = named.to_str().unwrap_or_default();
    let kind = named.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(BODY_TYPE)
}

/// Reads what is left of a body and keeps nothing: a peer that is still sending would see its
/// connection break instead of the answer. There is an end to that too.
async fn drain(mut body: Body) {
    let mut left = DRAIN_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let count = frame.data_ref().map_or(0, |data| data.len());
        match left.checked_sub(count) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}
