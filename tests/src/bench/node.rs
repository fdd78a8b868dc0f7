//! The peer: its server and its clients, scripts of `tests/peers/` in Node.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use server::tls::{CA_CERTIFICATE_FILE, SERVER_CERTIFICATE_FILE, SERVER_KEY_FILE};

use super::served::{cpu_of, peak_kib};
use super::{Trouble, told};

/// What it is made of; `tests/peers/package-lock.json` names the versions.
pub(super) const PEER: &str = "@automerge/automerge-repo 2.5.6 with its websocket and nodefs \
     adapters; one document for 20 records, texts as ImmutableString";

/// No run of the clients takes longer.
const CLIENTS_FOR: Duration = Duration::from_secs(240);
/// How often an end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Installs exactly what the lock names; nothing of it runs then. Gives the scripts' directory.
pub(super) fn installed() -> Result<PathBuf, Trouble> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let npm = Command::new("npm")
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--silent",
        ])
        .current_dir(&scripts)
        .stdout(Stdio::null())
        .status()
        .map_err(told("npm, of Node 20 or newer"))?;
    if npm.success() {
        return Ok(scripts);
    }
    Err(format!(
        "npm could not install what {} names",
        scripts.join("package-lock.json").display()
    ))
}

/// A running server of the peer.
#[derive(Debug)]
pub(super) struct Peer {
    child: Child,
    /// Its scripts.
    scripts: PathBuf,
    url: String,
    /// What its clients trust.
    ca: PathBuf,
}

impl Peer {
    /// Starts it on an empty directory, with the certificate of the server in `data`.
    pub(super) fn start(scripts: &Path, storage: &Path, data: &Path) -> Result<Self, Trouble> {
        let tls = data.join("tls");
        let mut child = Command::new("node")
            .arg(scripts.join("server.mjs"))
            .arg(storage)
            .arg(tls.join(SERVER_CERTIFICATE_FILE))
            .arg(tls.join(SERVER_KEY_FILE))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(told("node"))?;
        let mut line = String::new();
        if let Some(out) = child.stdout.take() {
            // what it says instead is in the message below
            drop(BufReader::new(out).read_line(&mut line));
        }
        let peer = |child, authority: &str| Self {
            child,
            scripts: scripts.to_owned(),
            url: format!("wss://{authority}"),
            ca: tls.join(CA_CERTIFICATE_FILE),
        };
        match line.strip_prefix("listening ") {
            Some(authority) => Ok(peer(child, authority.trim_end())),
            None => {
                drop(peer(child, ""));
                Err(format!("the peer's server did not start: {line:?}"))
            }
        }
    }

    /// Processor time that it used so far, all its threads together.
    pub(super) fn cpu(&self) -> Result<Duration, Trouble> {
        cpu_of(&format!("/proc/{}/stat", self.child.id()))
    }

    /// The most memory that it had so far, in MiB.
    pub(super) fn peak_mib(&self) -> f64 {
        peak_kib(self.child.id()) as f64 / 1_024.0
    }

    /// Runs clients, all in one process, and gives what they say.
    pub(super) fn clients(&self, mut job: Json) -> Result<Json, Trouble> {
        job["url"] = Json::from(self.url.as_str());
        let mut child = Command::new("node")
            .arg(self.scripts.join("client.mjs"))
            .env("NODE_EXTRA_CA_CERTS", &self.ca)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(told("node"))?;
        let mut out = child.stdout.take().ok_or("no output of the clients")?;
        let said = thread::spawn(move || {
            let mut text = String::new();
            out.read_to_string(&mut text).map(|_bytes| text)
        });
        // closed at the end of the statement; clients that ended early say so by their status
        let asked = child.stdin.take().ok_or("no input of the clients")?;
        drop({ asked }.write_all(job.to_string().as_bytes()));
        let status = ended(&mut child)?;
        let text = said.join().map_err(|_panic| "the reader ended")?;
        let text = text.map_err(told("the clients"))?;
        if !status {
            return Err(format!("the peer's clients failed at {}", job["do"]));
        }
        serde_json::from_str(&text).map_err(told("what the clients said"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Waits for the end, or makes it; whether it ended well.
fn ended(child: &mut Child) -> Result<bool, Trouble> {
    let began = Instant::now();
    loop {
        match child.try_wait().map_err(told("the clients"))? {
            Some(status) => return Ok(status.success()),
            None if began.elapsed() < CLIENTS_FOR => thread::sleep(LOOK_EVERY),
            None => {
                child.kill().map_err(told("the clients"))?;
                child.wait().map_err(told("the clients"))?;
                return Err(format!(
                    "the peer's clients took longer than {CLIENTS_FOR:?}"
                ));
            }
        }
    }
}
