//! What a server was started with, kept for the commands that come later.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::keys::replace_private;
use crate::refused::{Doing, refused};

/// Name of the file in the directory of the server's data.
pub const SETTINGS_NAME: &str = "settings.json";

/// Where a server listens when nobody says another place.
pub const LISTEN_DEFAULT: &str = "0.0.0.0:8443";

/// What a server was started with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// Where to listen, as it was asked for.
    #[serde(default)]
    pub listen: Option<String>,
    /// Where it listened at last.
    #[serde(default)]
    pub bound: Option<String>,
    /// The address that phones use.
    #[serde(default)]
    pub public_url: Option<String>,
    /// Names that phones use, beside the address.
    #[serde(default)]
    pub names: Vec<String>,
    /// The certificate came from outside, so there is no authority to pin.
    #[serde(default)]
    pub foreign_certificate: bool,
    /// The public half of the key that is kept elsewhere: to it backups are encrypted.
    #[serde(default)]
    pub offline_key: Option<String>,
    /// Directory on another disk where a second copy of the data follows.
    #[serde(default)]
    pub standby: Option<PathBuf>,
    /// The operator vouches that this directory lies on another disk, whatever the system says.
    #[serde(default)]
    pub standby_same_disk: bool,
    /// A copy was kept in this directory once: when it is not there, its disk is not.
    #[serde(default)]
    pub standby_used: bool,
    /// When the last backup was made, in seconds since 1970.
    #[serde(default)]
    pub backed_up_s: Option<i64>,
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub enum SettingsError {
    /// The operating system refused.
    #[error("{}", refused(Doing::Use, .path, .cause))]
    File {
        /// The file.
        path: PathBuf,
        /// What it said.
        cause: io::Error,
    },
    /// The file is not what a release wrote.
    #[error("{path} cannot be read ({cause}): correct it, or remove it and name --listen again")]
    Form {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: serde_json::Error,
    },
}

impl Settings {
    /// Reads the settings; nothing is set when there are none.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn load(directory: &Path) -> Result<Self, SettingsError> {
        let path = directory.join(SETTINGS_NAME);
        match fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).map_err(|cause| SettingsError::Form { path, cause })
            }
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(cause) => Err(SettingsError::File { path, cause }),
        }
    }

    /// Keeps the settings.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn save(&self, directory: &Path) -> Result<(), SettingsError> {
        let path = directory.join(SETTINGS_NAME);
        let text = match serde_json::to_vec_pretty(self) {
            Ok(text) => text,
            Err(cause) => return Err(SettingsError::Form { path, cause }),
        };
        replace_private(&path, &text).map_err(|cause| SettingsError::File { path, cause })
    }

    /// The address that stands in a QR code.
    ///
    /// # Errors
    /// What the operator has to say first.
    pub fn url(&self) -> Result<String, &'static str> {
        if let Some(url) = &self.public_url {
            return Ok(url.clone());
        }
        let bound = self.bound.as_deref().ok_or(
            "it is not known yet where phones find this server: start `binhyen serve` once, or \
             give --url https://HOST:PORT",
        )?;
        let address: std::net::SocketAddr = bound
            .parse()
            .map_err(|_unreadable| "the address in settings.json is none: give --url")?;
        if address.ip().is_unspecified() {
            return Err(
                "the server listens on every address, so it is not known which of them phones \
                 use: give --url https://HOST:PORT, or start `binhyen serve` with --public-url",
            );
        }
        Ok(format!("https://{address}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_code_is_never_guessed() {
        let mut settings = Settings::default();
        assert!(settings.url().unwrap_err().contains("--url"));
        settings.bound = Some("0.0.0.0:8443".to_owned());
        assert!(settings.url().unwrap_err().contains("--public-url"));
        settings.bound = Some("[::]:8443".to_owned());
        assert!(settings.url().is_err());
        settings.bound = Some("[::1]:8443".to_owned());
        assert_eq!(settings.url().unwrap(), "https://[::1]:8443");
        settings.public_url = Some("https://binhyen.example".to_owned());
        assert_eq!(settings.url().unwrap(), "https://binhyen.example");
    }

    #[test]
    fn settings_come_back_and_a_broken_file_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Settings::load(dir.path()).unwrap(), Settings::default());
        let settings = Settings {
            listen: Some("127.0.0.1:0".to_owned()),
            names: vec!["binhyen.example".to_owned()],
            ..Settings::default()
        };
        settings.save(dir.path()).unwrap();
        assert_eq!(Settings::load(dir.path()).unwrap(), settings);
        fs::write(dir.path().join(SETTINGS_NAME), "{").unwrap();
        let told = Settings::load(dir.path()).unwrap_err().to_string();
        assert!(told.contains("remove it"), "{told}");
    }
}
