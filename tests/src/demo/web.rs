//! HTTP/1.1 over TLS, by hand: what a phone's host and an officer's browser need.
//!
//! Every call is bounded: a connection has a deadline, an answer has a greatest length.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{CertificateError, ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Fault, Outcome};

/// Headers that an answer may have.
const HEADERS_MAX: usize = 64;
/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest body of an answer.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The wall clock is right.
const RIGHT: i64 = i64::MIN;

/// Seconds since 1970, as this machine knows them.
pub(super) fn true_now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0))
}

/// A wall clock that can be wrong: TLS looks at it too.
#[derive(Debug)]
pub(super) struct WallClock(AtomicI64);

impl WallClock {
    pub(super) fn right() -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(RIGHT)))
    }
    /// Shows this time from now on; `None`: the true one.
    pub(super) fn set(&self, shown_s: Option<i64>) {
        self.0.store(shown_s.unwrap_or(RIGHT), Ordering::SeqCst);
    }
    pub(super) fn now_s(&self) -> i64 {
        match self.0.load(Ordering::SeqCst) {
            RIGHT => true_now_s(),
            shown => shown,
        }
    }
}

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.now_s()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
    }
}

/// Trusts one authority and nobody else, by this clock. Sessions are not resumed, so that every
/// handshake has the same length and the demonstration knows where it cuts.
pub(super) fn trust(ca_der: &[u8], clock: Arc<WallClock>) -> Outcome<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(ca_der.to_vec()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Why no answer came.
#[derive(Debug)]
pub(super) enum Broken {
    /// It took too long.
    Timeout,
    /// The certificate does not fit the clock.
    Clock,
    /// TLS failed otherwise.
    Tls(String),
    /// The answer is not HTTP as it should be.
    NotHttp(&'static str),
    /// No connection, or it was cut.
    Network(String),
}

impl Broken {
    /// In plain words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Timeout => "it took too long".to_owned(),
            Self::Clock => "the certificate does not fit the clock".to_owned(),
            Self::Tls(why) => format!("TLS: {why}"),
            Self::NotHttp(why) => (*why).to_owned(),
            Self::Network(why) => why.clone(),
        }
    }
}

impl From<Broken> for Fault {
    fn from(broken: Broken) -> Self {
        Self::new(broken.words())
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(
                CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
                | CertificateError::Expired
                | CertificateError::ExpiredContext { .. },
            )) => Self::Clock,
            Some(other) => Self::Tls(other.to_string()),
            None if timed_out(error.kind()) => Self::Timeout,
            None => Self::Network(error.to_string()),
        }
    }
}

fn timed_out(kind: io::ErrorKind) -> bool {
    kind == io::ErrorKind::TimedOut || kind == io::ErrorKind::WouldBlock
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The first header of this name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// A socket that counts its bytes and gives up at its deadline.
#[derive(Debug)]
struct Bounded {
    socket: TcpStream,
    deadline: Instant,
    up: u64,
    down: u64,
}

impl Bounded {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        Ok(Some(left))
    }
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.set_read_timeout(self.left()?)?;
        let count = self.socket.read(buffer)?;
        self.down += count as u64;
        Ok(count)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.set_write_timeout(self.left()?)?;
        let count = self.socket.write(bytes)?;
        self.up += count as u64;
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.socket.flush()
    }
}

/// A connection over TLS.
pub(super) struct Link {
    stream: StreamOwned<ClientConnection, Bounded>,
}

impl Link {
    /// Goes along `road` to the server that can show that it is `host`.
    pub(super) fn open(
        road: SocketAddr,
        host: &str,
        config: Arc<ClientConfig>,
        time: Duration,
    ) -> Result<Self, Broken> {
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_odd| Broken::NotHttp("the server has an odd name"))?;
        let tls =
            ClientConnection::new(config, name).map_err(|error| Broken::Tls(error.to_string()))?;
        let socket = TcpStream::connect_timeout(&road, time)?;
        socket.set_nodelay(true)?;
        Ok(Self {
            stream: StreamOwned::new(
                tls,
                Bounded {
                    socket,
                    deadline: Instant::now() + time,
                    up: 0,
                    down: 0,
                },
            ),
        })
    }

    /// Gives the same connection time for one more request.
    pub(super) fn allow(&mut self, time: Duration) {
        self.stream.sock.deadline = Instant::now() + time;
    }

    /// Bytes up and down so far, with all of TLS.
    pub(super) fn traffic(&self) -> (u64, u64) {
        (self.stream.sock.up, self.stream.sock.down)
    }

    /// One request and its answer.
    pub(super) fn ask(
        &mut self,
        method: &str,
        path: &str,
        head: &str,
        body: &[u8],
    ) -> Result<Reply, Broken> {
        let length = body.len();
        let mut sent = format!(
            "{method} {path} HTTP/1.1\r\nhost: binhyen\r\ncontent-length: {length}\r\n{head}\r\n"
        )
        .into_bytes();
        sent.extend_from_slice(body);
        self.stream.write_all(&sent)?;
        self.stream.flush()?;
        self.read_reply()
    }

    fn read_reply(&mut self) -> Result<Reply, Broken> {
        let mut bytes = Vec::new();
        let (mut reply, length, head) = loop {
            self.read_some(&mut bytes)?;
            if let Some(read) = read_head(&bytes)? {
                break read;
            }
            if bytes.len() > HEAD_BYTES_MAX {
                return Err(Broken::NotHttp("the answer's head has no end"));
            }
        };
        if length > BODY_BYTES_MAX {
            return Err(Broken::NotHttp("the answer is too long"));
        }
        while bytes.len() < head + length {
            self.read_some(&mut bytes)?;
        }
        reply.body = bytes.get(head..head + length).unwrap_or_default().to_vec();
        Ok(reply)
    }

    fn read_some(&mut self, bytes: &mut Vec<u8>) -> Result<(), Broken> {
        let mut buffer = [0; 8 * 1024];
        let count = self.stream.read(&mut buffer)?;
        if count == 0 {
            return Err(Broken::Network("the link was cut".to_owned()));
        }
        bytes.extend_from_slice(buffer.get(..count).unwrap_or_default());
        Ok(())
    }
}

/// Once the head is whole: the answer without its body, the body's length, the head's length.
fn read_head(bytes: &[u8]) -> Result<Option<(Reply, usize, usize)>, Broken> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    let head = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_odd) => return Err(Broken::NotHttp("the answer is not HTTP")),
    };
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|header| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_ascii_lowercase(), value)
        })
        .collect();
    let reply = Reply {
        status: parsed.code.unwrap_or(0),
        headers,
        body: Vec::new(),
    };
    if reply.header("transfer-encoding").is_some() {
        return Err(Broken::NotHttp("the answer's length is not said"));
    }
    let length = match reply.header("content-length") {
        Some(text) => text
            .parse()
            .map_err(|_odd| Broken::NotHttp("the answer's length is no number"))?,
        None => 0,
    };
    Ok(Some((reply, length, head)))
}
