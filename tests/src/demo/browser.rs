//! An officer's browser: pages, cookies and forms of the console.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::web::{Link, Reply, WallClock, trust};
use super::{Fault, Outcome};

/// No page takes longer.
const PAGE_MAX: Duration = Duration::from_secs(10);

/// A browser.
pub(crate) struct Browser {
    server: SocketAddr,
    config: Arc<ClientConfig>,
    cookies: Vec<(String, String)>,
    link: Option<Link>,
}

impl Browser {
    /// One that trusts the authority in this file.
    pub(crate) fn new(server: SocketAddr, ca: &Path) -> Outcome<Self> {
        let ca = CertificateDer::from_pem_file(ca)
            .map_err(|cause| Fault::new(format!("{}: {cause}", ca.display())))?;
        Ok(Self {
            server,
            config: trust(&ca, WallClock::right())?,
            cookies: Vec::new(),
            link: None,
        })
    }

    /// Signs in with the form.
    pub(crate) fn sign_in(&mut self, name: &str, password: &str) -> Outcome<()> {
        let page = self.get("/console/sign-in")?.text();
        let token = hidden(&page, "token")?;
        let form = [
            ("token", token.as_str()),
            ("name", name),
            ("password", password),
        ];
        let reply = self.post("/console/sign-in", &form)?;
        redirected(&reply, "signing in")
    }

    /// The page of a record, with its status.
    pub(super) fn record(&mut self, record: &str) -> Outcome<(u16, String)> {
        let reply = self.get(&format!("/console/record/{record}"))?;
        Ok((reply.status, reply.text()))
    }

    /// Sends one of the forms beside a record.
    pub(super) fn review(&mut self, record: &str, fields: &[(&str, &str)]) -> Outcome<()> {
        let (_, page) = self.record(record)?;
        let (token, heads) = (hidden(&page, "token")?, hidden(&page, "heads")?);
        let mut form = vec![("token", token.as_str()), ("heads", heads.as_str())];
        form.extend_from_slice(fields);
        let reply = self.post(&format!("/console/record/{record}/review"), &form)?;
        redirected(&reply, "the review")
    }

    /// A page.
    pub(crate) fn get(&mut self, path: &str) -> Outcome<Reply> {
        self.ask("GET", path, "", "")
    }

    fn post(&mut self, path: &str, form: &[(&str, &str)]) -> Outcome<Reply> {
        let pairs: Vec<String> = form
            .iter()
            .map(|(name, value)| format!("{}={}", escaped(name), escaped(value)))
            .collect();
        let kind = "content-type: application/x-www-form-urlencoded\r\n";
        self.ask("POST", path, kind, &pairs.join("&"))
    }

    fn ask(&mut self, method: &str, path: &str, head: &str, body: &str) -> Outcome<Reply> {
        let cookies: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let head = format!("{head}cookie: {}\r\n", cookies.join("; "));
        let mut link = match self.link.take() {
            Some(link) => link,
            None => {
                let host = self.server.ip().to_string();
                Link::open(self.server, &host, Arc::clone(&self.config), PAGE_MAX)?
            }
        };
        link.allow(PAGE_MAX);
        let reply = link.ask(method, path, &head, body.as_bytes())?;
        if reply.header("connection") != Some("close") {
            self.link = Some(link);
        }
        let set = reply
            .headers
            .iter()
            .filter(|(name, _)| name == "set-cookie");
        for (_, value) in set {
            let pair = value.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.retain(|(known, _)| known != name);
                self.cookies.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(reply)
    }

    /// Forgets the connection: the server went away.
    pub(super) fn reconnect(&mut self) {
        self.link = None;
    }
}

fn redirected(reply: &Reply, what: &str) -> Outcome<()> {
    if reply.status == 303 {
        return Ok(());
    }
    let status = reply.status;
    Err(Fault::new(format!("{what}: the console answers {status}")))
}

/// The value of a hidden field.
fn hidden(page: &str, name: &str) -> Outcome<String> {
    let mark = format!("name=\"{name}\" value=\"");
    page.split_once(&mark)
        .and_then(|(_, rest)| rest.split_once('"'))
        .map(|(value, _)| value.to_owned())
        .ok_or_else(|| Fault::new(format!("the page has no field {name}")))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
