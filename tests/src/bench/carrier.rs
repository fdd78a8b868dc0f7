//! What carries a body there and an answer back, and counts the bytes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::{Trouble, told};

/// An answer never keeps a benchmark longer than this.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// A head is far shorter.
const HEAD_BYTES_MAX: usize = 4_096;

/// What came back.
#[derive(Debug, Clone)]
pub(super) struct Carried {
    /// Bytes of the request's head, with its empty line.
    pub(super) head_up: usize,
    /// Bytes of the answer's head, with its empty line.
    pub(super) head_down: usize,
    /// The answer's body.
    pub(super) body: Vec<u8>,
}

/// A way to a server.
pub(super) trait Carrier {
    /// One request and its answer.
    ///
    /// # Errors
    /// What went wrong on the way.
    fn ask(&mut self, body: &[u8]) -> Result<Carried, Trouble>;
}

/// A kept-open connection over TLS 1.3 that speaks the shortest HTTP/1.1 that is one.
#[derive(Debug)]
pub(super) struct Link {
    stream: StreamOwned<ClientConnection, TcpStream>,
    authority: String,
    read: Vec<u8>,
}

impl Link {
    /// Connects to `authority`, an address with its port, and trusts one certificate.
    pub(super) fn open(authority: &str, ca: &CertificateDer<'static>) -> Result<Self, Trouble> {
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone()).map_err(told("the certificate"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(told("TLS"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        let name = ServerName::try_from(host.to_owned()).map_err(told("the address"))?;
        let tls = ClientConnection::new(Arc::new(config), name).map_err(told("TLS"))?;
        let socket = TcpStream::connect(authority).map_err(told("connecting"))?;
        socket
            .set_read_timeout(Some(READ_TIMEOUT))
            .and_then(|()| socket.set_nodelay(true))
            .map_err(told("the socket"))?;
        Ok(Self {
            stream: StreamOwned::new(tls, socket),
            authority: authority.to_owned(),
            read: Vec::new(),
        })
    }

    /// Reads on; the end of the connection is trouble.
    fn more(&mut self) -> Result<(), Trouble> {
        let mut chunk = [0; 16 * 1024];
        let count = self.stream.read(&mut chunk).map_err(told("reading"))?;
        if count == 0 {
            return Err("the server closed the connection".to_owned());
        }
        self.read.extend_from_slice(&chunk[..count]);
        Ok(())
    }

    fn head(&mut self) -> Result<(usize, usize), Trouble> {
        loop {
            let mut headers = [httparse::EMPTY_HEADER; 16];
            let mut response = httparse::Response::new(&mut headers);
            let parsed = response.parse(&self.read).map_err(told("the head"))?;
            if let httparse::Status::Complete(head) = parsed {
                if response.code != Some(200) {
                    return Err(format!("status {:?}", response.code));
                }
                let length = response
                    .headers
                    .iter()
                    .find(|header| header.name.eq_ignore_ascii_case("content-length"))
                    .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok());
                return Ok((head, length.ok_or("no length in the head")?));
            }
            if self.read.len() > HEAD_BYTES_MAX {
                return Err("the head does not end".to_owned());
            }
            self.more()?;
        }
    }
}

impl Carrier for Link {
    fn ask(&mut self, body: &[u8]) -> Result<Carried, Trouble> {
        let mut sent = format!(
            "POST /v1/sync HTTP/1.1\r\nhost: {}\r\ncontent-length: {}\r\n\r\n",
            self.authority,
            body.len()
        )
        .into_bytes();
        let head_up = sent.len();
        sent.extend_from_slice(body);
        self.stream.write_all(&sent).map_err(told("sending"))?;
        self.stream.flush().map_err(told("sending"))?;
        let (head_down, length) = self.head()?;
        while self.read.len() < head_down + length {
            self.more()?;
        }
        let body = self.read[head_down..head_down + length].to_vec();
        self.read.drain(..head_down + length);
        Ok(Carried {
            head_up,
            head_down,
            body,
        })
    }
}
