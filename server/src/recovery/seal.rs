//! Files that only the offline key opens: a tar archive in the age format, so that any age tool
//! can open one in an emergency.
//!
//! The server knows the public half only. Whoever takes its disk cannot read its backups.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use age::secrecy::ExposeSecret as _;
use age::stream::StreamReader;
use age::x25519;

use super::{RecoveryError, told};
use crate::keys::{replace_private_with, write_private};

/// Makes a key, writes it to a new file that only its user reads, and gives its public half.
///
/// # Errors
/// A file that is there, or what the operating system says.
pub fn make_key(path: &Path) -> Result<String, RecoveryError> {
    if fs::symlink_metadata(path).is_ok() {
        return Err(RecoveryError::Taken {
            path: path.to_owned(),
        });
    }
    let key = x25519::Identity::generate();
    let public = key.to_public().to_string();
    let secret = key.to_string();
    let text = format!("# public key: {public}\n{}\n", secret.expose_secret());
    write_private(path, text.as_bytes()).map_err(told(path))?;
    Ok(public)
}

/// The public half of an offline key.
#[derive(Debug, Clone)]
pub struct Recipient(x25519::Recipient);

impl Recipient {
    /// Reads a public half.
    ///
    /// # Errors
    /// [`RecoveryError::Recipient`].
    pub fn parse(text: &str) -> Result<Self, RecoveryError> {
        let read = text.trim().parse().map(Self);
        read.map_err(|_why: &str| RecoveryError::Recipient(text.to_owned()))
    }

    /// Writes an archive to `path`, over what was there, whole or not at all.
    pub(super) fn seal(
        &self,
        path: &Path,
        fill: impl FnOnce(&mut Archive<'_>) -> io::Result<()>,
    ) -> Result<(), RecoveryError> {
        let written = replace_private_with(path, |file| {
            let to = std::iter::once(&self.0 as &dyn age::Recipient);
            let sealing = age::Encryptor::with_recipients(to).map_err(io::Error::other)?;
            let mut sealed = sealing.wrap_output(file)?;
            let mut archive = Archive(tar::Builder::new(&mut sealed));
            fill(&mut archive)?;
            archive.0.finish()?;
            drop(archive);
            sealed.finish()?;
            Ok(())
        });
        written.map_err(told(path))
    }
}

/// An archive that is being sealed.
pub(super) struct Archive<'a>(tar::Builder<&'a mut dyn Write>);

impl Archive<'_> {
    /// Takes a file in, under a name.
    pub(super) fn add(&mut self, name: &str, file: &Path) -> io::Result<()> {
        self.0.append_path_with_name(file, name)
    }
}

/// What opens sealed files.
pub struct Identities(Vec<Box<dyn age::Identity + Send + Sync>>);

impl std::fmt::Debug for Identities {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identities(..)")
    }
}

impl Identities {
    /// Reads the file of an offline key.
    ///
    /// # Errors
    /// [`RecoveryError::Identity`].
    pub fn load(path: &Path) -> Result<Self, RecoveryError> {
        let wrong = |why: String| RecoveryError::Identity {
            path: path.to_owned(),
            why,
        };
        let file = File::open(path).map_err(|cause| wrong(cause.to_string()))?;
        let read = age::IdentityFile::from_buffer(BufReader::new(file));
        let keys = read
            .map_err(|cause| wrong(cause.to_string()))?
            .into_identities()
            .map_err(|cause| wrong(cause.to_string()))?;
        if keys.is_empty() {
            return Err(wrong("the file is empty".to_owned()));
        }
        Ok(Self(keys))
    }

    /// Unpacks a sealed archive: `place` says where each name goes, and `None` refuses it. Gives
    /// the names.
    pub(super) fn unpack(
        &self,
        path: &Path,
        place: impl Fn(&str) -> Option<PathBuf>,
    ) -> Result<Vec<String>, RecoveryError> {
        let sealed = |why: String| RecoveryError::Sealed {
            path: path.to_owned(),
            why,
        };
        let mut archive = tar::Archive::new(self.open(path)?);
        let mut names = Vec::new();
        let entries = archive.entries().map_err(|e| sealed(e.to_string()))?;
        for entry in entries {
            let mut entry = entry.map_err(|e| sealed(e.to_string()))?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let is_file = entry.header().entry_type().is_file();
            let Some(to) = place(&name).filter(|_| is_file) else {
                return Err(RecoveryError::Foreign {
                    path: path.to_owned(),
                    name,
                });
            };
            let mut source = Source {
                entry: &mut entry,
                broken: None,
            };
            let copied =
                replace_private_with(&to, |file| io::copy(&mut source, file).map(|_bytes| ()));
            match (copied, source.broken) {
                (Err(_), Some(why)) => return Err(sealed(why)),
                (Err(cause), None) => return Err(told(&to)(cause)),
                (Ok(()), _) => names.push(name),
            }
        }
        Ok(names)
    }

    fn open(&self, path: &Path) -> Result<StreamReader<BufReader<File>>, RecoveryError> {
        let file = File::open(path).map_err(|cause| RecoveryError::Unread {
            path: path.to_owned(),
            cause,
        })?;
        let sealed = |why: age::DecryptError| RecoveryError::Sealed {
            path: path.to_owned(),
            why: why.to_string(),
        };
        let decryptor = age::Decryptor::new_buffered(BufReader::new(file)).map_err(sealed)?;
        let keys = self.0.iter().map(|key| &**key as &dyn age::Identity);
        decryptor.decrypt(keys).map_err(sealed)
    }
}

/// Something sealed that is read, and what was wrong with it: a full disk on the other side is no
/// fault of the backup.
struct Source<'a, R> {
    entry: &'a mut R,
    broken: Option<String>,
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.entry.read(buffer);
        read.inspect_err(|cause| self.broken = Some(cause.to_string()))
    }
}
