//! What the server says of itself while it runs: events of closed kinds, one a line, in text or
//! JSON, to standard error. The only place that names `tracing`; a rule of the house holds it.
//!
//! No event can carry a sentence, a name, a word of a record, a password or a token: an [`Event`]
//! holds numbers and words of closed lists. None holds an address, of a phone or of a browser, and
//! none speaks of one visit: whoever has the log and the database could else tell from the times
//! where somebody was. How often things happen is told by [`crate::metrics`], as sums.
//!
//! What a command says to the person who gave it is no event; see [`crate::cli`].

use std::io;
use std::panic;

use clap::ValueEnum;
use sync_core::hub::ledger::{LedgerFault, Table};
use tracing::{debug, error, info, warn};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Whose events are written: nothing that a library says.
const TARGET: &str = "binhyen";

/// The form of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Form {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// The least that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Level {
    /// What somebody has to act on now.
    Error,
    /// What somebody should look at.
    Warn,
    /// Also starts, stops and what is well again.
    #[default]
    Info,
    /// Also each command that was handed over.
    Debug,
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warn => Self::WARN,
            Level::Info => Self::INFO,
            Level::Debug => Self::DEBUG,
        }
    }
}

/// What failed in the store, without the words in which it was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// The disk is full.
    Full,
    /// A row of this table cannot be read.
    Damaged(Table),
    /// It refused; an event of the store itself has the number of the cause.
    Refused,
    /// It was told in words only, which stay out.
    Unnamed,
}

impl From<&LedgerFault> for StoreFault {
    fn from(fault: &LedgerFault) -> Self {
        match fault {
            LedgerFault::Full => Self::Full,
            LedgerFault::Damaged(table) => Self::Damaged(*table),
            LedgerFault::Failed(_) => Self::Refused,
        }
    }
}

/// Where a fault of the store showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// A transaction of the writer.
    Write,
    /// A visit of a phone.
    Visit,
    /// A page of the console.
    Page,
    /// Dropping what has run out.
    Upkeep,
    /// The figures of `/metrics`.
    Metrics,
}

/// Why the copy on the other disk does not follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StandbyFault {
    /// The other disk, or the database there.
    Disk,
    /// The other disk is not there, or not the one that the copy was on.
    Absent,
    /// It has entries that the log lacks.
    Parted,
}

/// Everything that the server says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It listens.
    Started {
        /// Entries of the log.
        entries: u64,
        /// Counts restores.
        generation: u32,
        /// Connections that it takes at once.
        connections_max: usize,
    },
    /// Rows and search are built from the log, before it listens.
    Rebuilding {
        /// Entries of the log.
        entries: u64,
    },
    /// It was asked to stop and has stopped.
    Stopped {
        /// Connections taken in its life.
        accepted: u64,
        /// Connections that it cut.
        cut: u64,
    },
    /// A command was handed over and has ended.
    CommandRan {
        /// Its exit code.
        code: u8,
    },
    /// The console could not make a code for a phone.
    NoCode,
    /// Of connections and files.
    Room(Room),
    /// Of what is kept on disks.
    Disk(Disk),
}

/// What there is to say of connections and files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// The system allows too few open files for the usual number of connections.
    FewFiles {
        /// What it allows.
        allowed: u64,
        /// What is needed for the usual number.
        needed: u64,
        /// Connections taken at once instead.
        connections_max: usize,
    },
    /// No connection can be accepted for now: the system is out of something.
    AcceptFails {
        /// Number of the system's error.
        errno: i32,
    },
    /// Connections are accepted again.
    AcceptsAgain,
    /// All room for connections is taken: strangers are cut to make room.
    Full {
        /// The room.
        connections_max: usize,
    },
    /// Half of the room is free again.
    Free {
        /// Connections cut meanwhile.
        cut: u64,
    },
}

/// What there is to say of disks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// The disk is full.
    Full,
    /// There is room on the disk again.
    HasRoom,
    /// SQLite refused something.
    Sqlite {
        /// Its extended result code.
        code: i32,
    },
    /// The store failed.
    Failed {
        /// Where it showed.
        doing: Doing,
        /// What it was.
        fault: StoreFault,
    },
    /// The copy on the other disk does not follow.
    StandbyFails {
        /// Why.
        fault: StandbyFault,
    },
    /// The copy follows again.
    StandbyFollows,
}

/// Begins to write events. Only the first call of a process counts.
pub fn start(form: Form, level: Level) {
    let ours = Targets::new().with_target(TARGET, LevelFilter::from(level));
    // A reader of the events that went away is no reason to stop serving.
    let lines = fmt::layer()
        .with_ansi(false)
        .log_internal_errors(false)
        .with_writer(io::stderr);
    let begun = match form {
        Form::Text => tracing_subscriber::registry()
            .with(ours)
            .with(lines)
            .try_init(),
        Form::Json => tracing_subscriber::registry()
            .with(ours)
            .with(lines.json().flatten_event(true))
            .try_init(),
    };
    // An earlier one goes on.
    drop(begun);
    // The words of a fault can quote what the program was working on: only its place is told, as
    // the compiler put it into the program.
    panic::set_hook(Box::new(|panicked| {
        let (file, line) = panicked
            .location()
            .map_or(("", 0), |place| (place.file(), place.line()));
        error!(target: TARGET, event = "panicked", file, line, "a part of the program ended by a fault");
    }));
}

/// Tells that the store failed.
pub(crate) fn failed(doing: Doing, fault: &LedgerFault) {
    let fault = StoreFault::from(fault);
    tell(Event::Disk(Disk::Failed { doing, fault }));
}

/// Writes an event.
pub(crate) fn tell(event: Event) {
    match event {
        Event::Started {
            entries,
            generation,
            connections_max,
        } => {
            info!(target: TARGET, event = "started", entries, generation, connections_max, "listening");
        }
        Event::Rebuilding { entries } => info!(
            target: TARGET, event = "rebuilding", entries,
            "building rows and search from the log: a large one takes minutes"
        ),
        Event::Stopped { accepted, cut } => {
            info!(target: TARGET, event = "stopped", accepted, cut, "stopped");
        }
        Event::CommandRan { code } => {
            debug!(target: TARGET, event = "command_ran", code, "a command has ended");
        }
        Event::NoCode => error!(
            target: TARGET, event = "no_code",
            "the console could not make a code for a phone: try `binhyen enrol`, it says why"
        ),
        Event::Room(room) => tell_of_room(room),
        Event::Disk(disk) => tell_of_disk(disk),
    }
}

fn tell_of_room(event: Room) {
    match event {
        Room::FewFiles {
            allowed,
            needed,
            connections_max,
        } => warn!(
            target: TARGET, event = "few_files", allowed, needed, connections_max,
            "the system allows this process too few open files, so it takes fewer connections at \
             once: raise the limit (LimitNOFILE= of the unit, or ulimit -Hn)"
        ),
        Room::AcceptFails { errno } => warn!(
            target: TARGET, event = "accept_fails", errno,
            "no connection can be accepted for now: the system is out of files or memory"
        ),
        Room::AcceptsAgain => {
            info!(target: TARGET, event = "accepts_again", "connections are accepted again");
        }
        Room::Full { connections_max } => warn!(
            target: TARGET, event = "no_room", connections_max,
            "all room for connections is taken: the oldest of strangers are cut, from where most \
             come; /metrics counts them, and `ss -tn` shows where they come from"
        ),
        Room::Free { cut } => {
            info!(target: TARGET, event = "room_again", cut, "there is room for connections again");
        }
    }
}

fn tell_of_disk(event: Disk) {
    match event {
        Disk::Full => error!(
            target: TARGET, event = "disk_full",
            "the disk is full: nothing new is taken until there is room; reading goes on"
        ),
        Disk::HasRoom => info!(
            target: TARGET, event = "disk_has_room",
            "there is room on the disk again: writing goes on"
        ),
        Disk::Sqlite { code } => warn!(
            target: TARGET, event = "sqlite", code,
            "the database refused: the code is SQLite's extended result code"
        ),
        Disk::Failed { doing, fault } => error!(
            target: TARGET, event = "failed", doing = ?doing, fault = ?fault,
            "the store failed: look at the disk, and at the event of the database before this one"
        ),
        Disk::StandbyFails { fault } => error!(
            target: TARGET, event = "standby_fails", fault = ?fault,
            "the copy on the other disk does not follow; what comes now is on one disk only"
        ),
        Disk::StandbyFollows => info!(
            target: TARGET, event = "standby_follows", "the copy on the other disk follows again"
        ),
    }
}
