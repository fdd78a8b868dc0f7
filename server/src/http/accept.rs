//! The accept loop: how a connection comes in, how long it may take, and how it ends.
//!
//! A connection lives through these phases, each with a limit of its own:
//!
//! ```text
//! handshake -> head -> handling -> answering, flushing -> idle -> (first byte) head -> ...
//!                                                    \-> lingering, when the peer still sends
//! ```
//!
//! hyper has one timer for reading a head, and it runs while a connection is idle too: with it, a
//! phone that keeps its connection open for ten minutes and a stranger who sends one header byte a
//! minute would be the same. So hyper's timer is off, and `Clock` here follows the phases from the
//! bytes that pass and from the answer's body.
//!
//! Who speaks plain HTTP is told so before any handshake, see `farewell`.
//!
//! What is absent: no peer address is read, logged or stored; no connection is accepted that there
//! is no room for (it waits in the system's backlog); no handler's panic leaves its connection; no
//! answer carries a `date` header, which costs 37 bytes on each visit and which no phone believes.

mod farewell;

use std::{
    io,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body, http::StatusCode, response::IntoResponse as _};
use hyper::{
    body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint},
    header::{CONNECTION, HeaderValue},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinError, JoinSet},
    time::{Instant, Sleep, sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower_service::Service as _;

pub use farewell::LINGER_BYTES_MAX;
use farewell::{Linger, refuse_plain_http, speaks_plain_http};

/// Connections open at once. An idle one was measured at 21 kB, so this many need some 90 MB.
pub const CONNECTIONS_MAX: usize = 4_096;
/// Time for a TLS handshake. Three round trips of two seconds and a few lost packets fit.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);
/// Time from the first byte of a request's head (or the end of the handshake) to the head's end.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// Time from the end of a head until the handler has answered, the request's body included. At
/// 2 kB/s, a poor 2G link, 240 kB of body fit.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// Time a connection may stay open without a request: opening a new one costs more than a visit.
pub const IDLE_TIMEOUT: Duration = Duration::from_secs(600);
/// Time for which a peer that is still sending is listened to after its answer, so that it gets
/// to read it. Two round trips of two seconds and some lost packets fit.
pub const LINGER_TIMEOUT: Duration = Duration::from_secs(8);
/// Bytes of a request's head.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;
/// Time running requests get to end after a shutdown was asked for.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Below this hyper refuses to work.
const READ_BUFFER_BYTES_MIN: usize = 8 * 1024;
/// Probes begin below the five minutes after which many mobile networks forget a connection, and
/// not earlier, because each one wakes the phone's radio.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(240);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// Pause after accept failed for want of files or memory, doubled each time.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);

/// Limits of the accept loop. The defaults are meant for phones on 2G.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcceptLimits {
    /// Connections open at once; the next ones wait in the system's backlog.
    pub connections_max: usize,
    /// Time for a TLS handshake.
    pub handshake_timeout: Duration,
    /// Time for a request's head, from its first byte.
    pub header_timeout: Duration,
    /// Time from the end of the head until the handler has answered, request body included; also
    /// how long a peer may take nothing of the answer.
    pub request_timeout: Duration,
    /// Time between two requests on a connection.
    pub idle_timeout: Duration,
    /// Time for which what comes after an answer is read and thrown away, before the end.
    pub linger_timeout: Duration,
    /// Bytes of a request's head.
    pub header_bytes_max: usize,
}

impl Default for AcceptLimits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            header_timeout: HEADER_TIMEOUT,
            request_timeout: REQUEST_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            linger_timeout: LINGER_TIMEOUT,
            header_bytes_max: HEADER_BYTES_MAX,
        }
    }
}

/// What the accept loop saw in its life. Counts only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServeReport {
    /// Connections taken from the backlog.
    pub accepted_count: u64,
    /// Connections that ended in an ordinary way: by the peer, by an error in between, by shutdown.
    pub closed_count: u64,
    /// Connections whose handshake failed, took too long, or was not even tried.
    pub handshakes_failed_count: u64,
    /// Connections cut because a phase took too long.
    pub timed_out_count: u64,
    /// Connections that ended by a panic in a handler.
    pub panicked_count: u64,
    /// Connections cut because they outlived the grace of a shutdown.
    pub cut_at_shutdown_count: u64,
    /// Times accept failed.
    pub accept_errors_count: u64,
}

impl ServeReport {
    fn add(&mut self, ended: Result<Ended, JoinError>) {
        *match ended {
            Ok(Ended::Closed) => &mut self.closed_count,
            Ok(Ended::HandshakeFailed) => &mut self.handshakes_failed_count,
            Ok(Ended::TimedOut) => &mut self.timed_out_count,
            Err(error) if error.is_panic() => &mut self.panicked_count,
            Err(_) => &mut self.cut_at_shutdown_count,
        } += 1;
    }
}

/// Serves `app` over TLS on `listener` until `shutdown` is ready, then lets running requests end.
///
/// An error means that the listener itself is of no use any more.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    app: Router,
    limits: AcceptLimits,
    shutdown: impl Future<Output = ()>,
) -> io::Result<ServeReport> {
    let mut shutdown = pin!(shutdown);
    let (close, closing) = watch::channel(());
    let server = Arc::new(Server {
        tls: TlsAcceptor::from(tls),
        app,
        limits,
    });
    let mut accepting = Accepting::new(listener, limits.connections_max);
    let mut tasks = JoinSet::new();
    let mut report = ServeReport::default();
    let listener_result = loop {
        let (stream, room) = tokio::select! {
            biased;
            () = &mut shutdown => break Ok(()),
            // Ended tasks are taken out as they end; else they would pile up while nobody connects.
            Some(ended) = tasks.join_next() => {
                report.add(ended);
                continue;
            }
            accepted = accepting.next(&mut report.accept_errors_count) => match accepted {
                Ok(accepted) => accepted,
                Err(error) => break Err(error),
            },
        };
        report.accepted_count += 1;
        let (server, closing) = (Arc::clone(&server), closing.clone());
        tasks.spawn(async move {
            let ended = Box::pin(server.connection(stream, closing)).await;
            drop(room);
            ended
        });
    };
    drop(accepting);
    drop(close);
    drain(tasks, SHUTDOWN_GRACE, &mut report).await;
    listener_result.map(|()| report)
}

async fn drain(mut tasks: JoinSet<Ended>, grace: Duration, report: &mut ServeReport) {
    let finished = async {
        while let Some(ended) = tasks.join_next().await {
            report.add(ended);
        }
    };
    if timeout(grace, finished).await.is_err() {
        tasks.abort_all();
        while let Some(ended) = tasks.join_next().await {
            report.add(ended);
        }
    }
}

/// The listener with its room. Dropping `next` half way loses nothing, so it can stand in a select.
struct Accepting {
    listener: TcpListener,
    room: Arc<Semaphore>,
    pause: Duration,
}

impl Accepting {
    fn new(listener: TcpListener, connections_max: usize) -> Self {
        let room = connections_max.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            listener,
            room: Arc::new(Semaphore::new(room)),
            pause: PAUSE_MIN,
        }
    }

    /// Waits for room first and for a connection second: what is not accepted costs the process
    /// nothing, and the peer simply waits.
    async fn next(
        &mut self,
        errors_count: &mut u64,
    ) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
        let room = Arc::clone(&self.room)
            .acquire_owned()
            .await
            .map_err(io::Error::other)?;
        loop {
            let error = match self.listener.accept().await {
                Ok((stream, _address)) => {
                    self.pause = PAUSE_MIN;
                    return Ok((stream, room));
                }
                Err(error) => error,
            };
            *errors_count += 1;
            match AfterAcceptError::of(&error) {
                AfterAcceptError::Again => {}
                AfterAcceptError::Pause => {
                    // The connection stays in the backlog and the socket stays readable: without a
                    // pause this would be a busy loop until some file is closed.
                    let pause = self.pause;
                    self.pause = (pause * 2).min(PAUSE_MAX);
                    sleep(pause).await;
                }
                AfterAcceptError::Stop => return Err(error),
            }
        }
    }
}

/// What to do after accept failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterAcceptError {
    /// That one connection was gone before it was taken.
    Again,
    /// The process or the machine is out of something (EMFILE, ENFILE, ENOBUFS, ENOMEM).
    Pause,
    /// The listener is broken; trying again can't help.
    Stop,
}

impl AfterAcceptError {
    fn of(error: &io::Error) -> Self {
        use io::ErrorKind::{
            ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted, InvalidInput,
        };
        let kind = error.kind();
        if [
            ConnectionAborted,
            ConnectionRefused,
            ConnectionReset,
            Interrupted,
        ]
        .contains(&kind)
        {
            Self::Again
        } else if kind == InvalidInput {
            Self::Stop
        } else {
            Self::Pause
        }
    }
}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Closed,
    HandshakeFailed,
    TimedOut,
}

/// What all connections share.
struct Server {
    tls: TlsAcceptor,
    app: Router,
    limits: AcceptLimits,
}

impl Server {
    async fn connection(&self, stream: TcpStream, mut closing: watch::Receiver<()>) -> Ended {
        if prepare(&stream).is_err() {
            return Ended::Closed; // the peer is gone already
        }
        let handshake = timeout(self.limits.handshake_timeout, self.handshake(stream));
        let stream = tokio::select! {
            // Nothing was asked yet, so a shutdown need not wait for it.
            _ = closing.changed() => return Ended::Closed,
            done = handshake => match done {
                Ok(Some(stream)) => stream,
                Ok(None) | Err(_) => return Ended::HandshakeFailed,
            },
        };
        let clock = Clock::new(self.limits);
        let service = service_fn(|request| self.answer(request, clock.clone()));
        let io = TokioIo::new(ClockedIo {
            stream,
            clock: clock.clone(),
            linger: None,
        });
        let mut connection = pin!(self.http().serve_connection(io, service));
        let mut deadline = pin!(Deadline::new(clock.clone()));
        let ended = tokio::select! {
            ended = deadline.as_mut().bound(connection.as_mut()) => Some(ended),
            _ = closing.changed() => None,
        };
        if let Some(ended) = ended {
            return ended;
        }
        // An idle connection closes at once, a running request gets its answer first.
        connection.as_mut().graceful_shutdown();
        deadline.as_mut().bound(connection.as_mut()).await
    }

    /// The TLS stream, unless the peer cannot or does not want to speak it.
    async fn handshake(&self, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
        if speaks_plain_http(&stream).await {
            refuse_plain_http(stream, self.limits.linger_timeout).await;
            return None;
        }
        self.tls.accept(stream).await.ok()
    }

    fn http(&self) -> http1::Builder {
        let header_bytes_max = self.limits.header_bytes_max;
        let mut http = http1::Builder::new();
        http.header_read_timeout(None) // see the head of this file
            .max_header_size(header_bytes_max)
            .max_buf_size(header_bytes_max.max(READ_BUFFER_BYTES_MIN))
            .auto_date_header(false)
            .half_close(false);
        http
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
        clock: Clock,
    ) -> Result<hyper::Response<ClockedBody>, std::convert::Infallible> {
        clock.enter(Phase::Handling);
        let mut app = self.app.clone();
        let request = request.map(|body| Body::new(AskedBody::new(body, clock.clone())));
        let handled = timeout(self.limits.request_timeout, app.call(request)).await;
        let response = match handled {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_elapsed) => request_timed_out(),
        };
        clock.enter(Phase::Answering);
        Ok(response.map(|body| ClockedBody { body, clock }))
    }
}

/// The handler was dropped where it stood. Whether it had stored something is not known here, so a
/// peer must be able to send the same again.
fn request_timed_out() -> axum::response::Response {
    let mut response = StatusCode::REQUEST_TIMEOUT.into_response();
    // The rest of the body is still on its way; nothing after it could be told apart from it.
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    // An answer is one small write; waiting for more to send would only add a round trip.
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_AFTER)
        .with_interval(KEEPALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A head is coming in.
    Head,
    /// The handler runs; it is bounded by its own timeout, which still can answer.
    Handling,
    /// The answer goes out; each byte that the peer takes starts the time anew.
    Answering,
    /// All of the answer is in the buffers and has to leave them. Most answers are one small piece
    /// that hyper takes at once; without this phase a peer that takes nothing would pass for idle.
    Flushing,
    /// Between two requests.
    Idle,
}

/// The phase of one connection and since when, seen by its stream, its service and its answer.
#[derive(Clone)]
struct Clock {
    limits: AcceptLimits,
    since: Arc<Mutex<(Phase, Instant)>>,
    /// Whether some of the last request's body was left unread.
    unread: Arc<AtomicBool>,
}

impl Clock {
    /// A fresh connection must ask at once: who opens one has something to say.
    fn new(limits: AcceptLimits) -> Self {
        Self {
            limits,
            since: Arc::new(Mutex::new((Phase::Head, Instant::now()))),
            unread: Arc::new(AtomicBool::new(false)),
        }
    }

    fn enter(&self, phase: Phase) {
        *self.lock() = (phase, Instant::now());
    }

    fn bytes_came(&self) {
        let mut since = self.lock();
        if since.0 == Phase::Idle {
            *since = (Phase::Head, Instant::now());
        }
    }

    fn bytes_went(&self) {
        let mut since = self.lock();
        if matches!(since.0, Phase::Answering | Phase::Flushing) {
            since.1 = Instant::now();
        }
    }

    fn buffers_empty(&self) {
        let mut since = self.lock();
        if since.0 == Phase::Flushing {
            *since = (Phase::Idle, Instant::now());
        }
    }

    fn deadline(&self) -> Option<Instant> {
        let (phase, since) = *self.lock();
        match phase {
            Phase::Head => since.checked_add(self.limits.header_timeout),
            Phase::Handling => None,
            Phase::Answering | Phase::Flushing => since.checked_add(self.limits.request_timeout),
            Phase::Idle => since.checked_add(self.limits.idle_timeout),
        }
    }

    /// Nothing can panic while the lock is held, and a pair of plain values has no broken state.
    fn lock(&self) -> MutexGuard<'_, (Phase, Instant)> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Polls a connection and cuts it when its phase has lasted too long.
///
/// The phase changes only while the connection is polled, so looking at the clock after each poll
/// is enough; a shorter phase moves the alarm forward.
struct Deadline {
    clock: Clock,
    armed: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

impl Deadline {
    fn new(clock: Clock) -> Self {
        Self {
            clock,
            armed: None,
            alarm: Box::pin(sleep_until(Instant::now())),
        }
    }

    async fn bound<F, E>(mut self: Pin<&mut Self>, mut connection: Pin<&mut F>) -> Ended
    where
        F: Future<Output = Result<(), E>>,
    {
        std::future::poll_fn(|context| {
            if connection.as_mut().poll(context).is_ready() {
                // An error is a peer that left or spoke no HTTP: nobody here can act on it.
                return Poll::Ready(Ended::Closed);
            }
            self.poll_alarm(context).map(|()| Ended::TimedOut)
        })
        .await
    }

    fn poll_alarm(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.clock.deadline();
        let Some(at) = deadline else {
            self.armed = None;
            return Poll::Pending;
        };
        if self.armed != deadline {
            self.armed = deadline;
            self.alarm.as_mut().reset(at);
        }
        self.alarm.as_mut().poll(context)
    }
}

/// The TLS stream, telling the clock when bytes pass.
struct ClockedIo {
    stream: TlsStream<TcpStream>,
    clock: Clock,
    linger: Option<Linger>,
}

impl AsyncRead for ClockedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.clock.bytes_came();
        }
        result
    }
}

impl AsyncWrite for ClockedIo {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        if matches!(result, Poll::Ready(Ok(1..))) {
            self.clock.bytes_went();
        }
        result
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // hyper asks for this only after it has written all that it holds.
        let result = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(result, Poll::Ready(Ok(()))) {
            self.clock.buffers_empty();
        }
        result
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.linger.is_none() {
            // hyper's answer is out; this says the farewell of TLS and closes our direction.
            ready!(Pin::new(&mut this.stream).poll_shutdown(context))?;
            if !this.clock.unread.load(Ordering::Relaxed) {
                return Poll::Ready(Ok(()));
            }
        }
        let limit = this.clock.limits.linger_timeout;
        let linger = this.linger.get_or_insert_with(|| Linger::new(limit));
        // Nobody will look at it, so it is not even decrypted.
        linger
            .poll(Pin::new(this.stream.get_mut().0), context)
            .map(Ok)
    }
}

/// The request's body, which knows whether somebody read all of it.
struct AskedBody {
    body: Incoming,
    clock: Clock,
}

impl AskedBody {
    fn new(body: Incoming, clock: Clock) -> Self {
        let asked = Self { body, clock };
        asked.note(asked.body.is_end_stream());
        asked
    }

    fn note(&self, ended: bool) {
        self.clock.unread.store(!ended, Ordering::Relaxed);
    }
}

impl HttpBody for AskedBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        self.note(frame.is_none() || self.body.is_end_stream());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The answer's body; when hyper lets go of it, all of the answer is in the buffers.
struct ClockedBody {
    body: Body,
    clock: Clock,
}

impl Drop for ClockedBody {
    fn drop(&mut self) {
        self.clock.enter(Phase::Flushing);
    }
}

impl HttpBody for ClockedBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests;
