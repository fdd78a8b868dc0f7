//! What stays when the server's disk is lost: backups that only an offline key opens, a copy on
//! another disk that follows the log, and the way back from both.
//!
//! - [`seal`]: files to the offline key, and back;
//! - [`backup`]: the data of a server in two sealed files, and how long each is kept;
//! - [`restore`]: a new directory of data from a backup or a copy;
//! - [`standby`]: the thread that keeps the copy.

pub mod backup;
pub mod restore;
pub mod seal;
pub mod standby;

use std::io;
use std::path::{Path, PathBuf};

use sync_core::hub::ledger::LedgerFault;
use thiserror::Error;

use crate::keys::KeyError;
use crate::refused::{Doing, refused};
use crate::settings::SettingsError;
use crate::store::StoreOpenError;

/// Why something was not backed up, copied or restored. What was there before is unchanged.
#[derive(Debug, Error)]
pub enum RecoveryError {
    /// No offline key is known, so nothing can be sealed.
    #[error(
        "there is no offline key yet: make one with `binhyen offline-key FILE`, and keep FILE \
         away from this machine"
    )]
    NoOfflineKey,
    /// What was given is no public half of a key.
    #[error("{0:?} is no public key: it begins with age1, as `binhyen offline-key` prints it")]
    Recipient(String),
    /// The file of the offline key holds none.
    #[error("{path} holds no offline key ({why}): give the file that `binhyen offline-key` wrote")]
    Identity {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The key does not open the file.
    #[error(
        "{path} does not open with this key ({why}): it was sealed to another one, or it is cut \
         or damaged; try another backup"
    )]
    Sealed {
        /// The file.
        path: PathBuf,
        /// What the opener said.
        why: String,
    },
    /// The file holds something that no backup holds.
    #[error("{path} holds {name:?}, which no backup of ours holds: do not use it")]
    Foreign {
        /// The file.
        path: PathBuf,
        /// The name in it.
        name: String,
    },
    /// Something that every backup holds is missing.
    #[error("{path} does not hold {name}: it is no backup of ours, or only a part of one")]
    Missing {
        /// The file or directory.
        path: PathBuf,
        /// What is missing.
        name: &'static str,
    },
    /// The parts that belong to a backup are not beside it.
    #[error(
        "{path} is missing: it holds names, notes and whatever else can be erased. Put it there, or \
         restore without it with --without-parts; then all of that is gone for good"
    )]
    NoParts {
        /// Where they were looked for.
        path: PathBuf,
    },
    /// Something is there already.
    #[error("{path} is there already: choose another name")]
    Taken {
        /// The path.
        path: PathBuf,
    },
    /// A directory for restored data holds something.
    #[error("{path} is not empty: name a new directory, nothing is ever restored over data")]
    NotEmpty {
        /// The directory.
        path: PathBuf,
    },
    /// The copy on the other disk holds entries that the log does not have.
    #[error(
        "the copy in {path} has entries that this log lacks ({why}). If the data here was lost or \
         restored, go on from the copy: `binhyen --data NEW restore {path} --identity FILE`. If \
         the copy is another server's, name an empty directory with --standby"
    )]
    Parted {
        /// The directory of the copy.
        path: PathBuf,
        /// How the two differ.
        why: String,
    },
    /// Where a copy was kept there is none.
    #[error(
        "the copy that was kept in {path} is not there: mount its disk. To begin another one \
         there, serve once with --no-standby"
    )]
    Absent {
        /// The directory of the copy.
        path: PathBuf,
    },
    /// A setting cannot be kept.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The copy lies on the same disk as the data.
    #[error(
        "{path} lies on the same disk as the data: a copy there is lost with it. Name a directory \
         on another disk"
    )]
    SameDisk {
        /// The directory of the copy.
        path: PathBuf,
    },
    /// The file of a backup cannot be read.
    #[error("{}", refused(Doing::Read, path, cause))]
    Unread {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: io::Error,
    },
    /// The operating system refused.
    #[error("{}", refused(Doing::Write, path, cause))]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: io::Error,
    },
    /// A database does not open.
    #[error(transparent)]
    Store(#[from] StoreOpenError),
    /// The key of the log cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A database cannot be read or written.
    #[error("{0}")]
    Ledger(#[from] LedgerFault),
}

/// Puts the path into a fault of the operating system.
fn told(path: &Path) -> impl Fn(io::Error) -> RecoveryError + '_ {
    |cause| RecoveryError::File {
        path: path.to_owned(),
        cause,
    }
}
