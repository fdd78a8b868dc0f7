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
//! minute would be the same. So hyper's timer is off, and `Clock` follows the phases from the
//! bytes that pass and from the answer's body, see `clock`.
//!
//! Who speaks plain HTTP is told so before any handshake, see `farewell`.
//!
//! When all room is taken, a stranger gives way to who comes, see `room`.
//!
//! What is absent: no peer address is logged, or stored for longer than its connection; no handler's
//! panic leaves its connection; no answer carries a `date` header, which costs 37 bytes on each
//! visit and which no phone believes.

mod clock;
mod farewell;
mod room;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rustls::{HandshakeKind, ServerConfig};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tower_service::Service as _;

use clock::{AskedBody, Clock, ClockedBody, ClockedIo, Deadline, Phase};
pub use farewell::LINGER_BYTES_MAX;
use farewell::{refuse_plain_http, speaks_plain_http};
pub(crate) use room::Peer;
use room::{From, Room, Seat};

use crate::log::{self, Event};
use crate::metrics::{HandshakeEnd, Metrics, Shed};

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
    /// Connections open at once; for the next one a stranger gives way, or it waits.
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
    /// Connections of strangers, or idle ones, cut when others needed the room.
    pub gave_way_count: u64,
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
            Ok(Ended::Cut(Shed::Room)) => &mut self.gave_way_count,
            Ok(Ended::Cut(_)) => &mut self.timed_out_count,
            Err(error) if error.is_panic() => &mut self.panicked_count,
            Err(_) => &mut self.cut_at_shutdown_count,
        } += 1;
    }
}

/// Serves `app` over TLS on `listener` until `shutdown` is ready, then lets running requests end.
/// What happens is counted in `metrics`.
///
/// An error means that the listener itself is of no use any more.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    app: Router,
    limits: AcceptLimits,
    metrics: Arc<Metrics>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<ServeReport> {
    let mut shutdown = pin!(shutdown);
    let (close, closing) = watch::channel(());
    let server = Arc::new(Server {
        tls: TlsAcceptor::from(tls),
        app,
        limits,
        metrics: Arc::clone(&metrics),
    });
    let mut accepting = Accepting::new(listener, limits);
    metrics.room(accepting.room.seats_max());
    let mut tasks = JoinSet::new();
    let mut report = ServeReport::default();
    let listener_result = loop {
        let arrived = tokio::select! {
            biased;
            () = &mut shutdown => break Ok(()),
            // Ended tasks are taken out as they end; else they would pile up while nobody connects.
            Some(ended) = tasks.join_next() => {
                report.add(ended);
                continue;
            }
            arrived = accepting.next(&mut report.accept_errors_count, &metrics) => match arrived {
                Ok(arrived) => arrived,
                Err(error) => break Err(error),
            },
        };
        report.accepted_count += 1;
        metrics.accepted();
        let (server, closing) = (Arc::clone(&server), closing.clone());
        let open = Open(Arc::clone(&metrics));
        tasks.spawn(async move {
            let ended = server.arrived(arrived, closing).await;
            drop(open);
            ended
        });
    };
    drop(accepting);
    drop(close);
    drain(tasks, SHUTDOWN_GRACE, &mut report).await;
    for _ in 0..report.cut_at_shutdown_count {
        metrics.shed(Shed::Shutdown);
    }
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

/// Counts a connection as open until it is dropped, also by a panic.
struct Open(Arc<Metrics>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.closed();
    }
}

/// A connection with its seat.
struct Arrived {
    stream: TcpStream,
    seat: Seat,
    clock: Clock,
}

/// The listener with its room. Dropping `next` half way loses nothing, so it can stand in a select.
struct Accepting {
    listener: TcpListener,
    room: Arc<Room>,
    limits: AcceptLimits,
    pause: Duration,
    /// Accepted, and without a seat so far.
    standing: Option<(TcpStream, From, Clock)>,
}

impl Accepting {
    fn new(listener: TcpListener, limits: AcceptLimits) -> Self {
        Self {
            listener,
            room: Room::new(limits.connections_max),
            limits,
            pause: PAUSE_MIN,
            standing: None,
        }
    }

    /// Waits for a connection first and for its seat second: nobody gives way before somebody
    /// came. While one waits, the others wait in the system's backlog and cost the process nothing.
    async fn next(&mut self, errors_count: &mut u64, metrics: &Metrics) -> io::Result<Arrived> {
        if self.standing.is_none() {
            self.standing = Some(self.accept(errors_count, metrics).await?);
        }
        let seat = match &self.standing {
            Some((_, from, clock)) => self.room.enter(*from, clock).await,
            None => return Err(io::ErrorKind::Interrupted.into()),
        };
        match self.standing.take() {
            Some((stream, _, clock)) => Ok(Arrived {
                stream,
                seat,
                clock,
            }),
            None => Err(io::ErrorKind::Interrupted.into()),
        }
    }

    async fn accept(
        &mut self,
        errors_count: &mut u64,
        metrics: &Metrics,
    ) -> io::Result<(TcpStream, From, Clock)> {
        loop {
            let error = match self.listener.accept().await {
                Ok((stream, address)) => {
                    if self.pause > PAUSE_MIN {
                        self.pause = PAUSE_MIN;
                        log::tell(Event::Room(log::Room::AcceptsAgain));
                    }
                    return Ok((stream, From::of(address.ip()), Clock::new(self.limits)));
                }
                Err(error) => error,
            };
            *errors_count += 1;
            metrics.accept_failed();
            match AfterAcceptError::of(&error) {
                AfterAcceptError::Again => {}
                AfterAcceptError::Pause => {
                    let errno = error.raw_os_error().unwrap_or(0);
                    if self.pause == PAUSE_MIN {
                        log::tell(Event::Room(log::Room::AcceptFails { errno }));
                    }
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
    Cut(Shed),
}

/// Counts how a handshake ended; dropped before that is known, it was cut.
struct Shaken<'a> {
    metrics: &'a Metrics,
    end: HandshakeEnd,
}

impl<'a> Shaken<'a> {
    fn new(metrics: &'a Metrics) -> Self {
        let end = HandshakeEnd::Cut;
        Self { metrics, end }
    }
}

impl Drop for Shaken<'_> {
    fn drop(&mut self) {
        self.metrics.handshake(self.end);
    }
}

/// What all connections share.
struct Server {
    tls: TlsAcceptor,
    app: Router,
    limits: AcceptLimits,
    metrics: Arc<Metrics>,
}

impl Server {
    /// Serves a connection until it ends, or has to give way.
    async fn arrived(&self, arrived: Arrived, closing: watch::Receiver<()>) -> Ended {
        let Arrived {
            stream,
            seat,
            clock,
        } = arrived;
        let served = Box::pin(self.connection(stream, seat.peer(), clock, closing));
        let ended = tokio::select! {
            ended = served => ended,
            () = seat.asked_to_leave() => Ended::Cut(Shed::Room),
        };
        if let Ended::Cut(cause) = ended {
            self.metrics.shed(cause);
        }
        ended
    }

    async fn connection(
        &self,
        stream: TcpStream,
        peer: Peer,
        clock: Clock,
        mut closing: watch::Receiver<()>,
    ) -> Ended {
        if prepare(&stream).is_err() {
            return Ended::Closed; // the peer is gone already
        }
        let handshake = timeout(self.limits.handshake_timeout, self.handshake(stream));
        let stream = tokio::select! {
            // Nothing was asked yet, so a shutdown need not wait for it.
            _ = closing.changed() => return Ended::Closed,
            done = handshake => match done {
                Ok(Some(stream)) => stream,
                Ok(None) => return Ended::HandshakeFailed,
                Err(_elapsed) => {
                    self.metrics.shed(Shed::Handshake);
                    return Ended::HandshakeFailed;
                }
            },
        };
        // A fresh connection must ask at once: who opens one has something to say.
        clock.enter(Phase::Head);
        let service = service_fn(|request| self.answer(request, peer.clone(), clock.clone()));
        let io = TokioIo::new(ClockedIo {
            stream,
            clock: clock.clone(),
            linger: None,
            metrics: Arc::clone(&self.metrics),
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
        let mut shaken = Shaken::new(&self.metrics);
        if speaks_plain_http(&stream).await {
            shaken.end = HandshakeEnd::PlainHttp;
            refuse_plain_http(stream, self.limits.linger_timeout).await;
            return None;
        }
        let Ok(stream) = self.tls.accept(stream).await else {
            shaken.end = HandshakeEnd::Failed;
            return None;
        };
        shaken.end = match stream.get_ref().1.handshake_kind() {
            Some(HandshakeKind::Resumed) => HandshakeEnd::Resumed,
            Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest) | None => {
                HandshakeEnd::Full
            }
        };
        Some(stream)
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
        mut request: hyper::Request<Incoming>,
        peer: Peer,
        clock: Clock,
    ) -> Result<hyper::Response<ClockedBody>, std::convert::Infallible> {
        clock.enter(Phase::Handling);
        request.extensions_mut().insert(peer);
        let mut app = self.app.clone();
        let request = request.map(|body| Body::new(AskedBody::new(body, clock.clone())));
        let handled = timeout(self.limits.request_timeout, app.call(request)).await;
        let response = match handled {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_elapsed) => {
                self.metrics.shed(Shed::Request);
                request_timed_out()
            }
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

#[cfg(test)]
mod tests;
