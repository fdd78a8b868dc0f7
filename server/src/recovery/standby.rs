//! The thread that keeps a copy of the data on another disk. What the copy has confirmed is safe:
//! the heads say so, and phones tell their people.
//!
//! A copy that cannot be written stops nothing: the server goes on, also when it starts, the size
//! that counts as safe stands still, the operator is told once, and the copy is opened again until
//! it can be. Only where none was kept before does a fault keep the server from starting: there it
//! is a slip of the pen, and someone looks. So does a copy that has what the log lacks: the log may
//! be the wrong one, and what people write belongs on the right one.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use sync_core::hub::ledger::{LedgerFault, Store as _};
use sync_core::hub::{CaughtUp, StandbyFault, catch_up};

use super::backup::{add_keys, recipient};
use super::{RecoveryError, told};
use crate::log::{self, Disk, Event, StandbyFault as Why};
use crate::now_s;
use crate::office::{Office, create_directory};
use crate::store::{DATABASE_NAME, SqliteStore};

/// How often the copy follows.
pub const EVERY: Duration = Duration::from_secs(1);
/// How long a copy that cannot be used is left alone at first; twice as long each time.
pub const RETRY_FIRST: Duration = EVERY;
/// How long at most.
pub const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// Entries that one step takes over, so that no step keeps the log from shrinking for long.
pub const STEP_ENTRIES: u64 = 5_000;
/// How often accounts, areas and the access log follow when the log itself stands still.
const OFFICE_EVERY: u32 = 60;
/// The keys of the server in the directory of the copy, sealed to the offline key.
pub const SEALED_KEYS_NAME: &str = "keys.age";

/// A copy of an open log.
#[derive(Debug)]
pub struct Standby {
    office: Arc<Office>,
    store: SqliteStore,
    path: PathBuf,
    /// Steps since the office was copied.
    idle: u32,
    /// Something was erased, and its traces are still in the files of the copy.
    has_traces: bool,
}

/// The running thread.
#[derive(Debug)]
pub struct Running {
    stop: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Lets the copy follow once more and ends the thread. Blocks.
    pub fn stop(self) {
        // when it has ended already there is nobody to tell
        let _gone = self.stop.send(());
        drop(self.thread.join());
    }
}

impl Standby {
    /// Opens the copy in `path`, or begins the first one there, and seals the keys into it.
    ///
    /// # Errors
    /// [`RecoveryError`]; a copy that has more than the log is left as it is.
    pub fn open(office: Arc<Office>, path: &Path) -> Result<Self, RecoveryError> {
        let recipient = recipient(&office)?;
        // asked each time: the other disk may not be mounted now, and what lies under its mount
        // point is no copy
        let settings = office.settings();
        if settings.standby_used && !path.join(DATABASE_NAME).exists() {
            return Err(RecoveryError::Absent {
                path: path.to_owned(),
            });
        }
        if !settings.standby_same_disk {
            refuse_same_disk(office.directory(), path)?;
        }
        create_directory(path).map_err(told(path))?;
        let (store, _opened) = SqliteStore::open(path)?;
        let data = office.directory().to_owned();
        let mut standby = Self {
            office,
            store,
            path: path.to_owned(),
            idle: OFFICE_EVERY,
            has_traces: false,
        };
        standby.step()?;
        recipient.seal(&path.join(SEALED_KEYS_NAME), |archive| {
            add_keys(archive, &data)
        })?;
        standby.note_used()?;
        Ok(standby)
    }

    fn note_used(&self) -> Result<(), RecoveryError> {
        let mut settings = self.office.settings();
        if !std::mem::replace(&mut settings.standby_used, true) {
            self.office.change_settings(settings)?;
        }
        Ok(())
    }

    /// Follows for one step; `true` when there is more.
    fn step(&mut self) -> Result<bool, RecoveryError> {
        let (office, path) = (&self.office, &self.path);
        let with_office = self.idle >= OFFICE_EVERY;
        let mut parted = None;
        let done = self.store.transact(|copy| {
            office.read(|log| {
                let caught = match catch_up(log, copy, STEP_ENTRIES) {
                    Ok(caught) => caught,
                    Err(StandbyFault::Store(fault)) => return Err(fault),
                    Err(fault @ StandbyFault::Parted { .. }) => {
                        parted = Some(fault.to_string());
                        return Err(LedgerFault::Failed(String::new()));
                    }
                };
                if with_office {
                    copy.follow_office(log)?;
                }
                Ok(caught)
            })
        });
        if let Some(why) = parted {
            return Err(RecoveryError::Parted {
                path: path.clone(),
                why,
            });
        }
        let caught = done?;
        self.idle = if with_office { 0 } else { self.idle + 1 };
        self.tell(caught)?;
        self.has_traces |= caught.forgot;
        if self.has_traces && caught.behind == 0 {
            self.store.rebuild()?;
            self.has_traces = false;
        }
        Ok(caught.behind > 0)
    }

    /// Only what a commit put on the other disk is told.
    fn tell(&self, caught: CaughtUp) -> Result<(), RecoveryError> {
        if caught.noted == caught.size {
            return Ok(());
        }
        let noted = self
            .office
            .writer()
            .act(move |hub, ledger| Ok(hub.note_safe(ledger, caught.size, now_s())?));
        noted.map_err(|error| {
            RecoveryError::Ledger(LedgerFault::Failed(format!(
                "the copy follows, but the log could not take note: {error:?}"
            )))
        })
    }
}

/// What the thread works on: the copy while it can be used.
#[derive(Debug)]
pub struct Keeper {
    office: Arc<Office>,
    path: PathBuf,
    copy: Option<Standby>,
    wait: Duration,
}

impl Keeper {
    /// Opens the copy. One that was kept before and cannot be used now is opened later.
    ///
    /// # Errors
    /// [`RecoveryError`]: the first set-up failed, or the copy has what the log lacks.
    pub fn begin(office: Arc<Office>, path: PathBuf) -> Result<Self, RecoveryError> {
        let was_kept = office.settings().standby_used;
        let opened = Standby::open(Arc::clone(&office), &path);
        let mut keeper = Self {
            office,
            path,
            copy: None,
            wait: EVERY,
        };
        match opened {
            Ok(copy) => keeper.copy = Some(copy),
            Err(why) if was_kept && may_pass(&why) => keeper.failed(&why),
            Err(why) => return Err(why),
        }
        Ok(keeper)
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(self) -> std::io::Result<Running> {
        let (stop, asked) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("standby".to_owned())
            .spawn(move || self.run(&asked))?;
        Ok(Running { stop, thread })
    }

    fn run(mut self, asked: &Receiver<()>) {
        loop {
            let asked = asked.recv_timeout(self.wait);
            match self.follow() {
                Ok(()) => self.follows(),
                Err(why) => self.failed(&why),
            }
            if !matches!(asked, Err(RecvTimeoutError::Timeout)) {
                return;
            }
        }
    }

    /// Brings the copy to where the log is, after opening it again if it could not be used.
    fn follow(&mut self) -> Result<(), RecoveryError> {
        let mut copy = match self.copy.take() {
            Some(copy) => copy,
            None => Standby::open(Arc::clone(&self.office), &self.path)?,
        };
        while copy.step()? {}
        self.copy = Some(copy);
        Ok(())
    }

    fn follows(&mut self) {
        self.wait = EVERY;
        if self.office.metrics().is_standby_failing() {
            self.office.metrics().standby_failing(false);
            log::tell(Event::Disk(Disk::StandbyFollows));
        }
    }

    /// A copy that failed is opened anew: its disk may be another by then.
    fn failed(&mut self, why: &RecoveryError) {
        if self.office.metrics().is_standby_failing() {
            self.wait = self.wait.saturating_mul(2).min(RETRY_LONGEST);
            return;
        }
        self.wait = RETRY_FIRST;
        self.office.metrics().standby_failing(true);
        let fault = why_of(why);
        log::tell(Event::Disk(Disk::StandbyFails { fault }));
    }
}

/// Whether a copy that cannot be used may be usable later without anybody at this server.
fn may_pass(why: &RecoveryError) -> bool {
    match why {
        RecoveryError::Absent { .. }
        | RecoveryError::SameDisk { .. }
        | RecoveryError::File { .. }
        | RecoveryError::Unread { .. }
        | RecoveryError::Store(_)
        | RecoveryError::Ledger(_) => true,
        RecoveryError::NoOfflineKey
        | RecoveryError::Recipient(_)
        | RecoveryError::Identity { .. }
        | RecoveryError::Sealed { .. }
        | RecoveryError::Foreign { .. }
        | RecoveryError::Missing { .. }
        | RecoveryError::NoParts { .. }
        | RecoveryError::Taken { .. }
        | RecoveryError::NotEmpty { .. }
        | RecoveryError::Parted { .. }
        | RecoveryError::Settings(_)
        | RecoveryError::Key(_) => false,
    }
}

/// In one word of a closed list: the words of an error name paths.
fn why_of(error: &RecoveryError) -> Why {
    if matches!(error, RecoveryError::Parted { .. }) {
        Why::Parted
    } else if matches!(
        error,
        RecoveryError::Absent { .. } | RecoveryError::SameDisk { .. }
    ) {
        Why::Absent
    } else {
        Why::Disk
    }
}

/// Refuses a copy on the disk of the data, where it would be lost with it.
///
/// # Errors
/// [`RecoveryError::SameDisk`].
pub fn refuse_same_disk(data: &Path, copy: &Path) -> Result<(), RecoveryError> {
    let disk = |path: &Path| {
        // a directory that is not there yet will lie where the first that is there lies
        let there = path.ancestors().find(|path| path.exists());
        there
            .and_then(|path| fs::metadata(path).ok())
            .map(|found| found.dev())
    };
    match (disk(data), disk(copy)) {
        (Some(a), Some(b)) if a == b => Err(RecoveryError::SameDisk {
            path: copy.to_owned(),
        }),
        _ => Ok(()),
    }
}
