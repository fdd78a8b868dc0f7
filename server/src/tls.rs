//! The server's certificate, and the authority that vouches for it.
//!
//! A BinhYen server often has no public name and its phones often have no clock: a flat battery
//! puts many of them back to 1970. So the server makes its own certificate authority on the first
//! start, the phone learns it from the QR code at enrolment, and both certificates are valid from
//! 1970-01-01 to 9999-12-31, the date by which RFC 5280 says "no expiry". What a phone trusts is
//! one pinned key, never a calendar.
//!
//! Four files hold this identity: `ca.crt.pem`, `ca.key.pem`, `server.crt.pem`, `server.key.pem`.
//! They are written once and never overwritten: a new authority would cut off every enrolled
//! phone. The server pair alone may be issued anew under the same authority (remove both files and
//! start again), which is how a name is added or a leaked key replaced.
//!
//! On the wire every byte of a new connection is paid for on 2G, hence: TLS 1.3 only, one
//! certificate in the chain, one session ticket, X25519 first. A post-quantum share (X25519MLKEM768)
//! is left out for now because it costs 2.8 kB on each new connection; to be looked at again when
//! phones keep their connections longer or a smaller share exists. What is recorded today can
//! therefore be opened by whoever breaks X25519 later.
//!
//! Early data is refused (`max_early_data_size` 0): it can be replayed.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::{
    CertificateError, InconsistentKeys, RootCertStore, ServerConfig,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::{CryptoProvider, ring},
    server::NoServerSessionStorage,
    sign::{CertifiedKey, SingleCertAndKey},
};
use rustls_pki_types::{
    CertificateDer, PrivateKeyDer, ServerName, UnixTime,
    pem::{self, PemObject as _},
};

/// File name of the authority's certificate, the one a phone pins.
pub const CA_CERTIFICATE_FILE: &str = "ca.crt.pem";
/// File name of the authority's private key.
pub const CA_KEY_FILE: &str = "ca.key.pem";
/// File name of the server's certificate.
pub const SERVER_CERTIFICATE_FILE: &str = "server.crt.pem";
/// File name of the server's private key.
pub const SERVER_KEY_FILE: &str = "server.key.pem";

/// Names every server certificate of our own carries, so that a person can test on the machine.
const LOCAL_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Seconds from midnight to 23:59:59: with them the last day reads 99991231235959Z.
const LAST_SECOND_OF_DAY: Duration = Duration::from_secs(86_399);

/// Tickets sent after a full handshake. A phone holds one connection, so a second ticket would
/// only be paid for.
const TICKETS_PER_CONNECTION: usize = 1;

/// Why the server has no usable certificate. Each message says what the operator can do.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file that was named does not exist.
    #[error("{} does not exist", path.display())]
    Missing {
        /// The file that was looked for.
        path: PathBuf,
    },
    /// Some of the four files are there and some are not.
    #[error(
        "{} holds only part of the server's identity; missing: {}. Restore the missing files from \
         a backup. If both ca files are there, it is enough to remove what is left of the server \
         files: they are issued again. Only if no phone was ever enrolled here, move the remaining {CA_CERTIFICATE_FILE}, \
         {CA_KEY_FILE}, {SERVER_CERTIFICATE_FILE} and {SERVER_KEY_FILE} away and start again",
        dir.display(), missing.join(", ")
    )]
    HalfPresent {
        /// The directory of the identity.
        dir: PathBuf,
        /// File names that are missing.
        missing: Vec<&'static str>,
    },
    /// A file exists but can't be read.
    #[error("{} can't be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A new file can't be written.
    #[error("{} can't be written", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file holds no PEM certificate.
    #[error("{} is not a PEM certificate (it must hold BEGIN CERTIFICATE)", path.display())]
    NotACertificate {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: pem::Error,
    },
    /// A file holds no PEM private key.
    #[error("{} is not a PEM private key (it must hold BEGIN PRIVATE KEY)", path.display())]
    NotAKey {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        source: pem::Error,
    },
    /// The key belongs to another certificate.
    #[error(
        "the key in {} does not belong to the certificate in {}: name the pair that was issued together",
        key.display(), certificate.display()
    )]
    KeyMismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
    },
    /// Certificate and key were read but TLS can't work with them.
    #[error(
        "the certificate in {} with the key in {} can't be used for TLS",
        certificate.display(), key.display()
    )]
    Unusable {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What the TLS library said.
        source: rustls::Error,
    },
    /// A server name is neither a DNS name nor an address.
    #[error(
        "`{name}` is not a server name: give a DNS name or an address, without https:// or a port"
    )]
    NotAName {
        /// The name as given.
        name: String,
        /// What the parser said.
        source: rustls_pki_types::InvalidDnsNameError,
    },
    /// The server certificate at hand was issued without this name.
    #[error(
        "the server certificate in {} was issued without the name `{name}`. Remove \
         {SERVER_CERTIFICATE_FILE} and {SERVER_KEY_FILE} (not the ca files) and start again: a new \
         one is issued under the same authority and phones need nothing",
        dir.display()
    )]
    NameNotCovered {
        /// The directory of the identity.
        dir: PathBuf,
        /// The name that is missing.
        name: String,
    },
    /// The server certificate at hand does not lead to the authority beside it.
    #[error(
        "{SERVER_CERTIFICATE_FILE} does not verify under {CA_CERTIFICATE_FILE} in {}: files of two \
         identities were mixed, restore them from one backup",
        dir.display()
    )]
    NotOfThisAuthority {
        /// The directory of the identity.
        dir: PathBuf,
        /// What the verifier said.
        source: rustls::Error,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be issued")]
    Issue(#[from] rcgen::Error),
    /// The TLS configuration could not be built.
    #[error("the TLS configuration could not be built")]
    Config(#[source] rustls::Error),
}

/// A server certificate with its key, ready to serve, and the authority phones pin.
#[derive(Debug)]
pub struct Identity {
    ca: Option<CertificateDer<'static>>,
    config: Arc<ServerConfig>,
}

impl Identity {
    /// Opens the identity in `dir`, or makes it there on the first start.
    ///
    /// `server_names` are the DNS names and addresses phones will connect to; the local ones are
    /// always covered. If only the server pair is missing, it is issued again under the authority
    /// at hand.
    pub fn load_or_create(dir: &Path, server_names: &[String]) -> Result<Self, TlsError> {
        let names = all_names(server_names)?;
        match FilesPresent::look(dir)? {
            FilesPresent::All => {}
            FilesPresent::CaOnly => issue_server(dir, &names)?,
            FilesPresent::None => {
                create_ca(dir)?;
                issue_server(dir, &names)?;
            }
        }
        Self::load(dir, &names)
    }

    /// Opens a certificate (with its intermediates, if any) and key issued by someone else.
    ///
    /// The chain is sent as the file holds it: a browser needs the intermediates. Such an identity
    /// has no authority of ours to pin.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let certified = read_pair(certificate, key)?;
        Ok(Self {
            ca: None,
            config: build_config(certified)?,
        })
    }

    /// The authority's certificate for the QR code, DER; `None` if the certificate came from
    /// outside, then a phone checks it against the authorities it trusts anyway.
    pub fn ca_der(&self) -> Option<&CertificateDer<'static>> {
        self.ca.as_ref()
    }

    /// The TLS configuration of the device port. All callers share one, and with it the ticket
    /// keys: a ticket handed out by one listener resumes at another.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    fn load(dir: &Path, names: &[String]) -> Result<Self, TlsError> {
        let ca = read_first_certificate(&dir.join(CA_CERTIFICATE_FILE))?;
        let mut certified = read_pair(
            &dir.join(SERVER_CERTIFICATE_FILE),
            &dir.join(SERVER_KEY_FILE),
        )?;
        // The phone holds the authority already; a chain would only cost bytes.
        certified.cert.truncate(1);
        check_against_ca(dir, &ca, &certified, names)?;
        Ok(Self {
            ca: Some(ca),
            config: build_config(certified)?,
        })
    }
}

/// Which of the four files are there, reduced to what can be acted on.
enum FilesPresent {
    All,
    CaOnly,
    None,
}

impl FilesPresent {
    fn look(dir: &Path) -> Result<Self, TlsError> {
        let mut missing = Vec::new();
        for name in [
            CA_CERTIFICATE_FILE,
            CA_KEY_FILE,
            SERVER_CERTIFICATE_FILE,
            SERVER_KEY_FILE,
        ] {
            let path = dir.join(name);
            // An unreadable directory must not look like an empty one: it would get a second
            // authority.
            if !path
                .try_exists()
                .map_err(|source| TlsError::Read { path, source })?
            {
                missing.push(name);
            }
        }
        match missing.as_slice() {
            [] => Ok(Self::All),
            [_, _, _, _] => Ok(Self::None),
            [SERVER_CERTIFICATE_FILE, SERVER_KEY_FILE] => Ok(Self::CaOnly),
            _ => Err(TlsError::HalfPresent {
                dir: dir.to_owned(),
                missing,
            }),
        }
    }
}

/// The local names and the given ones, each once, each checked.
fn all_names(server_names: &[String]) -> Result<Vec<String>, TlsError> {
    let mut names: Vec<String> = LOCAL_NAMES.map(str::to_owned).to_vec();
    for name in server_names {
        parse_name(name)?;
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    Ok(names)
}

fn parse_name(name: &str) -> Result<ServerName<'_>, TlsError> {
    ServerName::try_from(name).map_err(|source| TlsError::NotAName {
        name: name.to_owned(),
        source,
    })
}

fn create_ca(dir: &Path) -> Result<(), TlsError> {
    let mut params = params_without_expiry(Vec::new(), "BinhYen CA")?;
    // Constrained to zero: it signs server certificates, never another authority.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    fs::create_dir_all(dir).map_err(|source| TlsError::Write {
        path: dir.to_owned(),
        source,
    })?;
    store_pair(
        dir,
        [
            (CA_KEY_FILE, key.serialize_pem()),
            (CA_CERTIFICATE_FILE, certificate.pem()),
        ],
    )
}

fn issue_server(dir: &Path, names: &[String]) -> Result<(), TlsError> {
    let issuer = read_issuer(dir)?;
    let mut params = params_without_expiry(names.to_vec(), "BinhYen")?;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    store_pair(
        dir,
        [
            (SERVER_KEY_FILE, key.serialize_pem()),
            (SERVER_CERTIFICATE_FILE, certificate.pem()),
        ],
    )
}

fn read_issuer(dir: &Path) -> Result<Issuer<'static, KeyPair>, TlsError> {
    let (certificate_path, key_path) = (dir.join(CA_CERTIFICATE_FILE), dir.join(CA_KEY_FILE));
    // The pair is checked first: a certificate signed by a key that is not the authority's would
    // be refused by every phone.
    read_pair(&certificate_path, &key_path)?;
    let key = KeyPair::try_from(&read_key(&key_path)?)?;
    Ok(Issuer::from_ca_cert_der(
        &read_first_certificate(&certificate_path)?,
        key,
    )?)
}

/// ECDSA P-256 follows from `KeyPair::generate`; phones of any age know it and it is small.
fn params_without_expiry(
    names: Vec<String>,
    common_name: &str,
) -> Result<CertificateParams, TlsError> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(1970, 1, 1);
    params.not_after = date_time_ymd(9999, 12, 31) + LAST_SECOND_OF_DAY;
    Ok(params)
}

/// Writes both files under temporary names, makes them durable, then gives them their names. A power
/// cut leaves no torn file; one between the two renames leaves a key without its certificate, which
/// the next start reports as `HalfPresent`.
fn store_pair(dir: &Path, files: [(&'static str, String); 2]) -> Result<(), TlsError> {
    for (name, text) in &files {
        let path = temporary(dir, name);
        write_private(&path, text.as_bytes()).map_err(|source| TlsError::Write { path, source })?;
    }
    for (name, _) in &files {
        let path = dir.join(name);
        fs::rename(temporary(dir, name), &path)
            .map_err(|source| TlsError::Write { path, source })?;
    }
    File::open(dir)
        .and_then(|dir_file| dir_file.sync_all())
        .map_err(|source| TlsError::Write {
            path: dir.to_owned(),
            source,
        })
}

fn temporary(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.new"))
}

/// Certificates get the strict mode of the keys too: nobody but the server reads them from here.
fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What an interrupted start left behind was never in use.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn read_file(path: &Path) -> Result<Vec<u8>, TlsError> {
    fs::read(path).map_err(|source| {
        let path = path.to_owned();
        if source.kind() == io::ErrorKind::NotFound {
            TlsError::Missing { path }
        } else {
            TlsError::Read { path, source }
        }
    })
}

fn read_first_certificate(path: &Path) -> Result<CertificateDer<'static>, TlsError> {
    CertificateDer::from_pem_slice(&read_file(path)?).map_err(|source| TlsError::NotACertificate {
        path: path.to_owned(),
        source,
    })
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = CertificateDer::pem_slice_iter(&read_file(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|source| TlsError::NotACertificate {
            path: path.to_owned(),
            source,
        })?;
    if chain.is_empty() {
        let source = pem::Error::NoItemsFound;
        return Err(TlsError::NotACertificate {
            path: path.to_owned(),
            source,
        });
    }
    Ok(chain)
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(&read_file(path)?).map_err(|source| TlsError::NotAKey {
        path: path.to_owned(),
        source,
    })
}

fn read_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let chain = read_chain(certificate)?;
    CertifiedKey::from_der(chain, read_key(key)?, &provider()).map_err(|source| {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        if source == rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            TlsError::KeyMismatch { certificate, key }
        } else {
            TlsError::Unusable {
                certificate,
                key,
                source,
            }
        }
    })
}

/// Asks what a phone will ask. Found at the start it is a sentence for the operator; found by the
/// phones it is a silent outage.
fn check_against_ca(
    dir: &Path,
    ca: &CertificateDer<'static>,
    certified: &CertifiedKey,
    names: &[String],
) -> Result<(), TlsError> {
    let foreign = |source| TlsError::NotOfThisAuthority {
        dir: dir.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(foreign)?;
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider())
        .build()
        .map_err(|error| TlsError::Config(rustls::Error::General(error.to_string())))?;
    let leaf = certified.end_entity_cert().map_err(foreign)?;
    for name in names {
        verifier
            .verify_server_cert(leaf, &[], &parse_name(name)?, &[], UnixTime::now())
            .map_err(|source| {
                if is_about_the_name(&source) {
                    TlsError::NameNotCovered {
                        dir: dir.to_owned(),
                        name: name.clone(),
                    }
                } else {
                    foreign(source)
                }
            })?;
    }
    Ok(())
}

fn is_about_the_name(error: &rustls::Error) -> bool {
    matches!(
        error,
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    )
}

/// The provider is built here and handed around: a process-wide default would let a dependency
/// choose for us.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    // X25519 first: 32 bytes each way, and fast on old phones. P-256 stays for clients without it.
    provider.kx_groups = vec![ring::kx_group::X25519, ring::kx_group::SECP256R1];
    Arc::new(provider)
}

fn build_config(certified: CertifiedKey) -> Result<Arc<ServerConfig>, TlsError> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Config)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    // Tickets carry the session at the phone: the server remembers nothing, and a phone that lost
    // its connection comes back without the certificate being sent again. Their keys live in
    // memory only, so after a restart the first handshake is a full one.
    config.ticketer = ring::Ticketer::new().map_err(TlsError::Config)?;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = TICKETS_PER_CONNECTION;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
