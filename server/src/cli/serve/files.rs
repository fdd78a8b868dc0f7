//! How many files the system lets this process open, and so how many connections it takes.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{NOT_DONE, Outcome};
use crate::http::accept::CONNECTIONS_MAX;
use crate::log::{self, Event, Room};

/// Files beside connections: the database with its readers, a copy, commands, watchers.
const FILES_BESIDE: u64 = 256;
/// With room for fewer connections a server does not start: one group would fill it.
const CONNECTIONS_MIN: u64 = 64;

/// How many connections there is room for; the limit is raised as far as it may be.
pub(super) fn room() -> Result<Found, Outcome> {
    let usual = u64::try_from(CONNECTIONS_MAX).unwrap_or(u64::MAX);
    let needed = usual.saturating_add(FILES_BESIDE);
    let before = getrlimit(Resource::Nofile);
    let may = before.maximum.unwrap_or(u64::MAX);
    let allowed = match before.current {
        Some(current) if current < needed => raise(current, may.min(needed), before.maximum),
        Some(current) => current,
        None => u64::MAX,
    };
    let connections = usual.min(allowed.saturating_sub(FILES_BESIDE));
    if connections < CONNECTIONS_MIN {
        return Err(Outcome::failed(
            NOT_DONE,
            format!(
                "the system lets this process open {allowed} files, and a server needs {}: raise \
                 the limit (LimitNOFILE= of the unit, or ulimit -Hn)",
                CONNECTIONS_MIN.saturating_add(FILES_BESIDE)
            ),
        ));
    }
    Ok(Found {
        connections_max: usize::try_from(connections).unwrap_or(CONNECTIONS_MAX),
        allowed,
        needed,
    })
}

/// What the system allows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) connections_max: usize,
    allowed: u64,
    needed: u64,
}

impl Found {
    /// Tells the operator when it is less than usual.
    pub(super) fn tell(&self) {
        if self.allowed < self.needed {
            log::tell(Event::Room(Room::FewFiles {
                allowed: self.allowed,
                needed: self.needed,
                connections_max: self.connections_max,
            }));
        }
    }
}

fn raise(current: u64, to: u64, maximum: Option<u64>) -> u64 {
    let wanted = Rlimit {
        current: Some(to),
        maximum,
    };
    match setrlimit(Resource::Nofile, wanted) {
        Ok(()) => to,
        Err(_refused) => current,
    }
}
