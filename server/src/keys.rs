//! The secrets of a log: the key that signs heads and acts, its names, and the key of the nonces.
//!
//! One file of fixed size, made once, never overwritten: a log whose key is lost can prove nothing
//! more, and every phone would have to be enrolled again.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use sync_core::hub::Hub;
use sync_core::ids::{LogId, OrgId, Realm};
use sync_core::keys::Secret;
use sync_core::vocabulary::Vocabulary;
use thiserror::Error;

use crate::refused::{Doing, refused};
use crate::with_suffix;

/// Name of the file in the directory of the server's data.
pub const LOG_KEY_NAME: &str = "log.key";

/// Key of the log 32, organisation 16, log 16, key of the nonces 32.
const FILE_BYTES: usize = 96;

/// Why the secrets of the log cannot be used.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file has another size than every release wrote.
    #[error(
        "{path} has {found} bytes instead of {FILE_BYTES}: it was cut or is none of ours; restore \
         it from a backup"
    )]
    Size {
        /// The file.
        path: PathBuf,
        /// How many bytes it has.
        found: usize,
    },
    /// The operating system refused.
    #[error("{}", refused(Doing::Use, .path, .cause))]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: io::Error,
    },
    /// The machine gave no random bytes.
    #[error("the machine gives no random bytes: {0}")]
    Random(#[from] getrandom::Error),
}

/// Reads the secrets; `None` when there is no such file.
///
/// # Errors
/// [`KeyError`].
pub fn load(path: &Path) -> Result<Option<Hub>, KeyError> {
    load_with(path, hub_of)
}

/// From what the tokens of invitations are computed.
#[derive(Clone)]
pub struct InviteKey([u8; 32]);

/// Without the key: what is printed ends in logs.
impl fmt::Debug for InviteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InviteKey")
    }
}

impl InviteKey {
    /// The token of the invitation with this name that this account made. Another account gets
    /// another token from the same name, which is nobody's.
    pub(crate) fn token(&self, account: u32, name: [u8; 16]) -> [u8; 16] {
        let mut text = account.to_be_bytes().to_vec();
        text.extend_from_slice(&name);
        let code = authenticated(&self.0, &text);
        code.first_chunk::<16>().copied().unwrap_or_default()
    }
}

/// Reads the key of the invitations; `None` when there is no such file. It follows from the key of
/// the nonces, so that logs of earlier releases have one too.
///
/// # Errors
/// [`KeyError`].
pub fn load_invite_key(path: &Path) -> Result<Option<InviteKey>, KeyError> {
    load_with(path, |bytes| {
        let bytes: &[u8; FILE_BYTES] = bytes.try_into().ok()?;
        let nonce_key = bytes.last_chunk::<32>()?;
        Some(InviteKey(authenticated(
            nonce_key,
            b"binhyen invitations 1",
        )))
    })
}

fn authenticated(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

fn load_with<T>(path: &Path, read: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, KeyError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            return Err(KeyError::File {
                path: path.to_owned(),
                cause,
            });
        }
    };
    let found = read(&bytes).ok_or_else(|| KeyError::Size {
        path: path.to_owned(),
        found: bytes.len(),
    })?;
    Ok(Some(found))
}

/// Makes new secrets, durable before this returns.
///
/// # Errors
/// [`KeyError`]; a file that is there is never overwritten.
pub fn create(path: &Path) -> Result<Hub, KeyError> {
    let mut bytes = [0u8; FILE_BYTES];
    getrandom::fill(&mut bytes)?;
    let told = |cause| KeyError::File {
        path: path.to_owned(),
        cause,
    };
    write_private(path, &bytes).map_err(told)?;
    hub_of(&bytes).ok_or_else(|| KeyError::Size {
        path: path.to_owned(),
        found: bytes.len(),
    })
}

fn hub_of(bytes: &[u8]) -> Option<Hub> {
    let bytes: &[u8; FILE_BYTES] = bytes.try_into().ok()?;
    let (log, rest) = bytes.split_first_chunk::<32>()?;
    let (org, rest) = rest.split_first_chunk::<16>()?;
    let (name, rest) = rest.split_first_chunk::<16>()?;
    let realm = Realm {
        org: OrgId(*org),
        log: LogId(*name),
    };
    let nonce_key = *rest.first_chunk::<32>()?;
    let vocabulary = Vocabulary::builtin().clone();
    Some(Hub::new(
        realm,
        Secret::from_bytes(log),
        nonce_key,
        vocabulary,
    ))
}

/// Writes a new file that only the server's user can read: under a temporary name first, so that
/// a power cut leaves all of it or nothing.
///
/// # Errors
/// What the operating system says; also when the file is there.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if path.try_exists()? {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    replace_private(path, bytes)
}

/// The same, over the one that was there.
pub(crate) fn replace_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    replace_private_with(path, |file| file.write_all(bytes))
}

/// The same, of what is too large to be held in memory: `fill` writes it. When that fails nothing
/// is left, and what was there stays.
pub(crate) fn replace_private_with(
    path: &Path,
    fill: impl FnOnce(&mut File) -> io::Result<()>,
) -> io::Result<()> {
    let part = with_suffix(path, ".new");
    match fs::remove_file(&part) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&part)?;
    let written = fill(&mut file)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&part, path))
        .and_then(|()| sync_directory(path));
    if written.is_err() {
        // the first fault is what the caller must hear of
        drop(fs::remove_file(&part));
    }
    written
}

/// Without it, a loss of power could undo the renaming.
fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|p| !p.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_come_back_and_are_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOG_KEY_NAME);
        assert!(load(&path).unwrap().is_none());
        let made = create(&path).unwrap();
        let read = load(&path).unwrap().unwrap();
        assert_eq!(made.realm(), read.realm());
        assert_eq!(made.log_key(), read.log_key());
        assert!(create(&path).is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn tokens_of_invitations_come_back_and_are_the_accounts_own() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOG_KEY_NAME);
        assert!(load_invite_key(&path).unwrap().is_none());
        create(&path).unwrap();
        let made = load_invite_key(&path).unwrap().unwrap();
        let again = load_invite_key(&path).unwrap().unwrap();
        let token = made.token(7, [1; 16]);
        assert_eq!(again.token(7, [1; 16]), token);
        assert_ne!(made.token(8, [1; 16]), token);
        assert_ne!(made.token(7, [2; 16]), token);
        let other = dir.path().join("other.key");
        create(&other).unwrap();
        let other = load_invite_key(&other).unwrap().unwrap();
        assert_ne!(other.token(7, [1; 16]), token);
        assert_eq!(format!("{made:?}"), "InviteKey");
    }

    #[test]
    fn a_file_of_another_size_is_refused_with_words() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(LOG_KEY_NAME);
        for size in [0, FILE_BYTES - 1, FILE_BYTES + 1] {
            fs::write(&path, vec![7; size]).unwrap();
            let told = load(&path).unwrap_err().to_string();
            assert!(told.contains("restore it from a backup"), "{told}");
        }
    }
}
