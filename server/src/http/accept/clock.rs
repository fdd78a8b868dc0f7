//! The phases of a connection, followed from the bytes that pass and from the answer's body.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use axum::body::Body;
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_rustls::server::TlsStream;

use super::farewell::Linger;
use super::{AcceptLimits, Ended};
use crate::metrics::{Metrics, Shed};

/// Where a connection stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// TLS begins; it has a timeout of its own.
    Handshake,
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
pub(super) struct Clock {
    limits: AcceptLimits,
    since: Arc<Mutex<(Phase, Instant)>>,
    /// Whether some of the last request's body was left unread.
    unread: Arc<AtomicBool>,
}

impl Clock {
    pub(super) fn new(limits: AcceptLimits) -> Self {
        Self {
            limits,
            since: Arc::new(Mutex::new((Phase::Handshake, Instant::now()))),
            unread: Arc::new(AtomicBool::new(false)),
        }
    }

    pub(super) fn enter(&self, phase: Phase) {
        *self.lock() = (phase, Instant::now());
    }

    pub(super) fn bytes_came(&self) {
        let mut since = self.lock();
        if since.0 == Phase::Idle {
            *since = (Phase::Head, Instant::now());
        }
    }

    pub(super) fn bytes_went(&self) {
        let mut since = self.lock();
        if matches!(since.0, Phase::Answering | Phase::Flushing) {
            since.1 = Instant::now();
        }
    }

    pub(super) fn buffers_empty(&self) {
        let mut since = self.lock();
        if since.0 == Phase::Flushing {
            *since = (Phase::Idle, Instant::now());
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let (phase, since) = *self.lock();
        match phase {
            Phase::Head => since.checked_add(self.limits.header_timeout),
            Phase::Handshake | Phase::Handling => None,
            Phase::Answering | Phase::Flushing => since.checked_add(self.limits.request_timeout),
            Phase::Idle => since.checked_add(self.limits.idle_timeout),
        }
    }

    /// Since when the connection waits for a request, if it does.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let (phase, since) = *self.lock();
        (phase == Phase::Idle).then_some(since)
    }

    /// Why a connection is cut whose time is over.
    pub(super) fn cause(&self) -> Shed {
        match self.lock().0 {
            Phase::Handshake => Shed::Handshake,
            Phase::Head => Shed::Head,
            Phase::Handling => Shed::Request,
            Phase::Answering | Phase::Flushing => Shed::Answer,
            Phase::Idle => Shed::Idle,
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
pub(super) struct Deadline {
    pub(super) clock: Clock,
    armed: Option<Instant>,
    alarm: Pin<Box<Sleep>>,
}

impl Deadline {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            armed: None,
            alarm: Box::pin(sleep_until(Instant::now())),
        }
    }

    pub(super) async fn bound<F, E>(mut self: Pin<&mut Self>, mut connection: Pin<&mut F>) -> Ended
    where
        F: Future<Output = Result<(), E>>,
    {
        std::future::poll_fn(|context| {
            if connection.as_mut().poll(context).is_ready() {
                // An error is a peer that left or spoke no HTTP: nobody here can act on it.
                return Poll::Ready(Ended::Closed);
            }
            self.poll_alarm(context)
                .map(|()| Ended::Cut(self.clock.cause()))
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
pub(super) struct ClockedIo {
    pub(super) stream: TlsStream<TcpStream>,
    pub(super) clock: Clock,
    pub(super) linger: Option<Linger>,
    pub(super) metrics: Arc<Metrics>,
}

impl AsyncRead for ClockedIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            self.metrics.bytes_came(count);
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
        if let Poll::Ready(Ok(count @ 1..)) = result {
            self.metrics.bytes_went(count);
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
pub(super) struct AskedBody {
    body: Incoming,
    pub(super) clock: Clock,
}

impl AskedBody {
    pub(super) fn new(body: Incoming, clock: Clock) -> Self {
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
pub(super) struct ClockedBody {
    pub(super) body: Body,
    pub(super) clock: Clock,
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
