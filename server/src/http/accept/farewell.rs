//! How a connection ends while its peer is still sending.
//!
//! A socket that is closed with bytes unread is reset by the system, and the reset can overtake
//! the answer: the peer sees a broken connection instead of what was said to it. So what a peer
//! sends after the answer is read and thrown away, for a bounded time and up to a bounded number
//! of bytes, through one small buffer on the stack.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep, timeout};

/// Bytes that are read and thrown away after an answer: a file of some photographs, sent by
/// mistake, fits; who sends more is cut.
pub const LINGER_BYTES_MAX: usize = 16 * 1024 * 1024;

const LINGER_CHUNK_BYTES: usize = 4 * 1024;

/// What a peer that speaks HTTP without TLS is told.
pub(super) const PLAIN_HTTP_ANSWER: &[u8] = b"HTTP/1.1 400 Bad Request\r\n\
    content-type: text/plain; charset=utf-8\r\n\
    connection: close\r\n\
    \r\n\
    this port speaks TLS: write https:// before the address\n";

/// Reads what still comes and throws it away.
pub(super) struct Linger {
    bytes_left: usize,
    alarm: Pin<Box<Sleep>>,
}

impl Linger {
    pub(super) fn new(limit: Duration) -> Self {
        Self {
            bytes_left: LINGER_BYTES_MAX,
            alarm: Box::pin(sleep(limit)),
        }
    }

    /// Ready when the peer has closed, or has had its share.
    pub(super) fn poll(
        &mut self,
        mut stream: Pin<&mut (impl AsyncRead + ?Sized)>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut waste = [0; LINGER_CHUNK_BYTES];
        while self.alarm.as_mut().poll(context).is_pending() {
            let mut buffer = ReadBuf::new(&mut waste);
            let read = ready!(stream.as_mut().poll_read(context, &mut buffer));
            let count = buffer.filled().len();
            if read.is_err() || count == 0 {
                break;
            }
            match self.bytes_left.checked_sub(count) {
                Some(left) => self.bytes_left = left,
                None => break,
            }
        }
        Poll::Ready(())
    }
}

/// Whether the first byte of a connection begins a method of HTTP. A record of TLS begins with
/// 0x16, so the two cannot be taken for one another; the byte is left where it is.
pub(super) async fn speaks_plain_http(stream: &TcpStream) -> bool {
    let mut first = [0; 1];
    let seen = stream.peek(&mut first).await;
    seen.is_ok_and(|count| count == 1) && first.iter().all(u8::is_ascii_alphabetic)
}

/// Tells a peer that this port speaks TLS. Nothing of what it asked is read before, and nothing
/// is kept.
pub(super) async fn refuse_plain_http(mut stream: TcpStream, limit: Duration) {
    let told = async {
        stream.write_all(PLAIN_HTTP_ANSWER).await?;
        stream.shutdown().await
    };
    if !matches!(timeout(limit, told).await, Ok(Ok(()))) {
        return;
    }
    let mut linger = Linger::new(limit);
    std::future::poll_fn(|context| linger.poll(Pin::new(&mut stream), context)).await;
}
