//! The data of a server in two sealed files: the log with the keys, and the parts, which hold
//! names, notes and whatever else can be erased. What was erased must be gone from the backups
//! too, so the parts are kept for weeks while the log is kept for years.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::seal::{Archive, Recipient};
use super::{RecoveryError, told};
use crate::keys::LOG_KEY_NAME;
use crate::office::{Office, TLS_NAME};
use crate::settings::SETTINGS_NAME;
use crate::store::{DATABASE_NAME, take_apart};
use crate::{now_s, with_suffix};

/// What stands behind the name of a backup to name its parts.
pub const PARTS_SUFFIX: &str = ".parts";
/// Days for which the log of a backup is kept, unless told otherwise.
pub const KEEP_LOG_DAYS: u32 = 400;
/// Days for which the parts of a backup are kept, unless told otherwise: an erasure has reached
/// every backup after as many.
pub const KEEP_PARTS_DAYS: u32 = 35;

/// Name of the database of the parts inside of its archive.
pub(super) const PARTS_NAME: &str = "parts.db";
/// Where a backup lies in the clear while it is made: in the directory of the data, which nobody
/// else may read.
const SCRATCH_NAME: &str = "backup.making";
/// How a backup in a directory begins and ends its name.
const NAME_BEGIN: &str = "binhyen-";
const NAME_END: &str = ".age";

/// What was written, and what went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Written {
    /// The log and the keys.
    pub log: PathBuf,
    /// The parts.
    pub parts: PathBuf,
    /// Older files that were dropped.
    pub dropped: Vec<PathBuf>,
}

/// How long older backups in a directory are kept, in days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The log.
    pub log_days: u32,
    /// The parts.
    pub parts_days: u32,
}

/// Removes what a backup that was interrupted left in the clear: an erasure does not reach it. To
/// be called by whoever has just opened the data.
///
/// # Errors
/// What the operating system says.
pub fn clear_scratch(data: &Path) -> std::io::Result<()> {
    remove_all(&data.join(SCRATCH_NAME))
}

fn remove_all(path: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => Err(cause),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The public half of the offline key.
///
/// # Errors
/// [`RecoveryError::NoOfflineKey`].
pub fn recipient(office: &Office) -> Result<Recipient, RecoveryError> {
    let known = office.settings().offline_key;
    Recipient::parse(&known.ok_or(RecoveryError::NoOfflineKey)?)
}

/// Writes a backup to a new file, or, when `to` is a directory, to one in it that is named by the
/// time; then older ones there are dropped when their time has come. The newest stays in any case.
///
/// # Errors
/// [`RecoveryError`]; then nothing is left of it.
pub fn back_up(office: &Office, to: &Path, keep: Keep) -> Result<Written, RecoveryError> {
    let recipient = recipient(office)?;
    let in_directory = to.is_dir();
    let log = if in_directory {
        to.join(format!("{NAME_BEGIN}{}{NAME_END}", now_s()))
    } else {
        to.to_owned()
    };
    let parts = with_suffix(&log, PARTS_SUFFIX);
    for path in [&log, &parts] {
        if fs::symlink_metadata(path).is_ok() {
            return Err(RecoveryError::Taken { path: path.clone() });
        }
    }
    let scratch = Scratch::make(&office.directory().join(SCRATCH_NAME))?;
    let (copy, apart) = (scratch.0.join(DATABASE_NAME), scratch.0.join(PARTS_NAME));
    office.readers().backup(&copy)?;
    take_apart(&copy, &apart)?;
    recipient.seal(&parts, |archive| archive.add(PARTS_NAME, &apart))?;
    let sealed = recipient.seal(&log, |archive| {
        archive.add(DATABASE_NAME, &copy)?;
        add_keys(archive, office.directory())
    });
    if sealed.is_err() {
        // parts without their log are worth nothing
        drop(fs::remove_file(&parts));
    }
    sealed?;
    let dropped = if in_directory {
        drop_old(to, &log, keep)?
    } else {
        Vec::new()
    };
    Ok(Written {
        log,
        parts,
        dropped,
    })
}

/// What the database does not hold: the key of the log, the certificates, the settings.
pub(super) fn add_keys(archive: &mut Archive<'_>, data: &Path) -> std::io::Result<()> {
    for name in [LOG_KEY_NAME, SETTINGS_NAME] {
        if data.join(name).try_exists()? {
            archive.add(name, &data.join(name))?;
        }
    }
    let tls = data.join(TLS_NAME);
    if !tls.try_exists()? {
        return Ok(());
    }
    for entry in fs::read_dir(tls)? {
        let entry = entry?;
        let name = entry.file_name();
        if let Some(name) = name.to_str().filter(|name| is_plain(name))
            && entry.file_type()?.is_file()
        {
            archive.add(&format!("{TLS_NAME}/{name}"), &entry.path())?;
        }
    }
    Ok(())
}

/// Where a file of a backup belongs in a directory of data; `None` for what no backup holds.
pub(super) fn place_in(data: &Path, name: &str) -> Option<PathBuf> {
    if [DATABASE_NAME, LOG_KEY_NAME, SETTINGS_NAME].contains(&name) {
        return Some(data.join(name));
    }
    let file = name.strip_prefix(TLS_NAME)?.strip_prefix('/')?;
    is_plain(file).then(|| data.join(TLS_NAME).join(file))
}

/// Whether a name can only be that of a file in the directory at hand.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && !name.starts_with('.') && name.chars().all(plain)
}

fn drop_old(directory: &Path, newest: &Path, keep: Keep) -> Result<Vec<PathBuf>, RecoveryError> {
    let mut dropped = Vec::new();
    for entry in fs::read_dir(directory).map_err(told(directory))? {
        let path = entry.map_err(told(directory))?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        let Some(rest) = name.and_then(|name| name.strip_prefix(NAME_BEGIN)) else {
            continue;
        };
        let (rest, days) = match rest.strip_suffix(PARTS_SUFFIX) {
            Some(rest) => (rest, keep.parts_days),
            None => (rest, keep.log_days),
        };
        let is_ours = rest
            .strip_suffix(NAME_END)
            .is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_digit()));
        if !is_ours || path == newest || path == with_suffix(newest, PARTS_SUFFIX) {
            continue;
        }
        let made = fs::metadata(&path).and_then(|found| found.modified());
        let age = SystemTime::now().duration_since(made.map_err(told(&path))?);
        let limit = Duration::from_secs(u64::from(days) * 24 * 3_600);
        if age.is_ok_and(|age| age > limit) {
            fs::remove_file(&path).map_err(told(&path))?;
            dropped.push(path);
        }
    }
    dropped.sort();
    Ok(dropped)
}

/// A directory for the server's user alone, gone with everything in it when it is dropped.
pub(super) struct Scratch(pub(super) PathBuf);

impl Scratch {
    pub(super) fn make(path: &Path) -> Result<Self, RecoveryError> {
        // what an interrupted run left behind
        remove_all(path).map_err(told(path))?;
        let mut private = fs::DirBuilder::new();
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
        private.create(path).map_err(told(path))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
