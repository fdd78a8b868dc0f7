//! The server: in a process of its own behind TLS, or in one thread of this process.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use server::keys::{self, LOG_KEY_NAME};
use server::store::SqliteStore;
use sync_core::hub::Hub;

use super::carrier::{Carried, Carrier, Link};
use super::disk::Shim;
use super::phone::model;
use super::{Trouble, told};

/// The kernel counts processor time in hundredths of a second, on every system that Rust has.
const TICKS_PER_SECOND: u64 = 100;

/// A running server.
#[derive(Debug)]
pub(super) struct Served {
    child: Child,
    /// Address and port.
    authority: String,
    ca: CertificateDer<'static>,
}

impl Served {
    /// Starts the server on `data`: this very program under the name `binhyen`, which then does
    /// what the binary of that name does. So it is never of another build than the phones.
    pub(super) fn start(data: &Path, shim: Option<&Shim>) -> Result<Self, Trouble> {
        let own = std::env::current_exe().map_err(told("this program"))?;
        let mut command = Command::new(own);
        command
            .arg0(super::BINHYEN)
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .stdout(Stdio::piped());
        if let Some(shim) = shim {
            shim.load_into(&mut command);
        }
        let mut child = command.spawn().map_err(told("the server"))?;
        let said = child.stdout.take().and_then(|out| {
            let mut line = String::new();
            BufReader::new(out).read_line(&mut line).ok()?;
            let rest = line.strip_prefix("listening on https://")?;
            Some(rest.split_whitespace().next()?.to_owned())
        });
        let ca = CertificateDer::from_pem_file(data.join("tls/ca.crt.pem"));
        match (said, ca) {
            (Some(authority), Ok(ca)) => Ok(Self {
                child,
                authority,
                ca,
            }),
            (said, ca) => {
                // it has failed already; there is nothing to save of it
                drop(child.kill());
                drop(child.wait());
                Err(format!(
                    "the server did not start: {said:?}, {:?}",
                    ca.err()
                ))
            }
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> Result<SocketAddr, Trouble> {
        self.authority.parse().map_err(told("the address"))
    }

    /// A connection of its own.
    pub(super) fn connect(&self) -> Result<Link, Trouble> {
        Link::open(&self.authority, &self.ca)
    }

    /// The most memory that it had so far, in MiB.
    pub(super) fn peak_mib(&self) -> f64 {
        peak_kib(self.child.id()) as f64 / 1_024.0
    }

    /// Processor time that it used so far, threads that ended included.
    pub(super) fn cpu(&self) -> Result<Duration, Trouble> {
        cpu_of(&format!("/proc/{}/stat", self.child.id()))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Processor time of this thread.
pub(super) fn cpu_of_thread() -> Result<Duration, Trouble> {
    cpu_of("/proc/thread-self/stat")
}

/// User and system time of a line of `stat`.
pub(super) fn cpu_of(path: &str) -> Result<Duration, Trouble> {
    let line = fs::read_to_string(path).map_err(told(path))?;
    // the name in parentheses may hold anything; after it the fields are plain
    let rest = line.rsplit_once(')').map(|(_, rest)| rest);
    let mut fields = rest.unwrap_or_default().split_whitespace().skip(11);
    let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok());
    let (user, system) = (ticks(), ticks());
    let sum = user.zip(system).map(|(user, system)| user + system);
    let sum = sum.ok_or_else(|| format!("{path} has another form"))?;
    Ok(Duration::from_millis(sum * 1_000 / TICKS_PER_SECOND))
}

/// The most memory that a process had so far, in KiB; 0 once it has ended.
pub(super) fn peak_kib(id: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
    number.unwrap_or(0)
}

/// The same machine and the same store without a network: a commit for each visit.
#[derive(Debug)]
pub(super) struct InProcess {
    hub: Hub,
    store: SqliteStore,
    /// Time in each step so far: open, verify, admit, answer.
    pub(super) steps: [Duration; 4],
}

impl InProcess {
    /// Over what was founded in `data`.
    pub(super) fn open(data: &Path) -> Result<Self, Trouble> {
        let hub = keys::load(&data.join(LOG_KEY_NAME)).map_err(told("the key"))?;
        let (store, _) = SqliteStore::open(data).map_err(told("the store"))?;
        Ok(Self {
            hub: hub.ok_or("there is no key")?,
            store,
            steps: [Duration::ZERO; 4],
        })
    }

    /// Body to answer.
    pub(super) fn answer(&mut self, body: &[u8]) -> Result<Vec<u8>, Trouble> {
        let stopped = |stop: sync_core::hub::Stop| format!("{:?}: {}", stop.code, stop.detail);
        let mut began = Instant::now();
        let mut taken = [Duration::ZERO; 4];
        let mut over = |step: usize| {
            let now = Instant::now();
            taken[step] = now - std::mem::replace(&mut began, now);
        };
        let arrived = self.hub.open(model(), body).map_err(stopped)?;
        over(0);
        let verified = self.hub.verify_visit(&self.store, &arrived);
        let verified = verified.map_err(stopped)?;
        over(1);
        let now_s = server::now_s();
        let told_of = match self.hub.look(&verified) {
            Some(told_of) => told_of,
            None => self
                .hub
                .admit_all(&mut self.store, &[&verified], now_s)
                .map_err(told("admitting"))?
                .pop()
                .ok_or("nothing was told")?,
        };
        over(2);
        let answer = self
            .hub
            .answer(model(), &self.store, &verified, &told_of, now_s)
            .map_err(told("answering"))?;
        over(3);
        for (sum, step) in self.steps.iter_mut().zip(taken) {
            *sum += step;
        }
        Ok(answer)
    }
}

impl Carrier for InProcess {
    fn ask(&mut self, body: &[u8]) -> Result<Carried, Trouble> {
        Ok(Carried {
            head_up: 0,
            head_down: 0,
            body: self.answer(body)?,
        })
    }
}
