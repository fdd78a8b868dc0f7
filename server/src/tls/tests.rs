use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ServerConnection, time_provider::TimeProvider,
};

use super::*;

/// 1970-01-01, the clock of a phone whose battery was empty.
const CLOCK_1970: u64 = 0;
/// 2100-01-01.
const CLOCK_2100: u64 = 4_102_444_800;

#[derive(Debug)]
struct Clock(u64);

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}

fn phone(ca: &CertificateDer<'static>, clock: u64) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).unwrap();
    let mut config = ClientConfig::builder_with_details(provider(), Arc::new(Clock(clock)))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

#[derive(Debug)]
struct Handshake {
    kind: HandshakeKind,
    chain_count: usize,
    bytes_up: usize,
    bytes_down: usize,
}

fn shake(
    phone: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &'static str,
) -> Result<Handshake, rustls::Error> {
    let mut client = ClientConnection::new(Arc::clone(phone), name.try_into().unwrap())?;
    let mut server = ServerConnection::new(Arc::clone(server))?;
    let (mut bytes_up, mut bytes_down) = (0, 0);
    loop {
        let mut up = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut up).unwrap();
        }
        bytes_up += up.len();
        let mut rest = up.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets()?;
        }
        let mut down = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut down).unwrap();
        }
        bytes_down += down.len();
        let mut rest = down.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets()?;
        }
        if up.is_empty() && down.is_empty() {
            break;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    assert_eq!(client.alpn_protocol(), Some(b"http/1.1".as_slice()));
    Ok(Handshake {
        kind: client.handshake_kind().unwrap(),
        chain_count: client.peer_certificates().unwrap().len(),
        bytes_up,
        bytes_down,
    })
}

fn names() -> Vec<String> {
    vec!["binhyen.example.vn".to_owned(), "192.168.7.7".to_owned()]
}

fn fresh() -> (tempfile::TempDir, Identity) {
    let dir = tempfile::tempdir().unwrap();
    let identity = Identity::load_or_create(dir.path(), &names()).unwrap();
    (dir, identity)
}

fn fail(dir: &Path, names: &[String]) -> TlsError {
    Identity::load_or_create(dir, names).unwrap_err()
}

#[test]
fn no_clock_fails_the_certificate() {
    let (_dir, identity) = fresh();
    let ca = identity.ca_der().unwrap();
    for clock in [CLOCK_1970, CLOCK_2100] {
        for name in [
            "binhyen.example.vn",
            "192.168.7.7",
            "localhost",
            "127.0.0.1",
            "::1",
        ] {
            let phone = phone(ca, clock);
            let full = shake(&phone, &identity.server_config(), name).unwrap();
            assert_eq!((full.kind, full.chain_count), (HandshakeKind::Full, 1));
        }
    }
}

#[test]
fn another_authority_or_name_is_refused() {
    let (_dir, identity) = fresh();
    let (_other_dir, other) = fresh();
    let config = identity.server_config();
    let refused = shake(
        &phone(other.ca_der().unwrap(), CLOCK_2100),
        &config,
        "localhost",
    )
    .unwrap_err();
    assert!(
        matches!(
            refused,
            rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature
            )
        ),
        "{refused:?}"
    );
    let refused = shake(
        &phone(identity.ca_der().unwrap(), CLOCK_2100),
        &config,
        "other.example",
    )
    .unwrap_err();
    assert!(
        refused.to_string().contains("not valid for name"),
        "{refused}"
    );
}

#[test]
fn a_handshake_is_cheap_and_the_second_cheaper() {
    let (_dir, identity) = fresh();
    let phone = phone(identity.ca_der().unwrap(), CLOCK_1970);
    let config = identity.server_config();
    let full = shake(&phone, &config, "binhyen.example.vn").unwrap();
    let resumed = shake(&phone, &config, "binhyen.example.vn").unwrap();
    println!("ca {} B", identity.ca_der().unwrap().len());
    println!("full    {full:?}\nresumed {resumed:?}");
    assert_eq!(full.kind, HandshakeKind::Full);
    assert_eq!(resumed.kind, HandshakeKind::Resumed);
    assert!(full.bytes_up < 500 && full.bytes_down < 1_300, "{full:?}");
    assert!(resumed.bytes_down < full.bytes_down, "{resumed:?}");
}

#[test]
fn tls_1_2_and_http_2_are_refused() {
    let (_dir, identity) = fresh();
    assert_eq!(identity.server_config().max_early_data_size, 0);
    let mut h2 = (*phone(identity.ca_der().unwrap(), CLOCK_1970)).clone();
    h2.alpn_protocols = vec![b"h2".to_vec()];
    let refused = shake(&Arc::new(h2), &identity.server_config(), "localhost");
    assert_eq!(refused.unwrap_err(), rustls::Error::NoApplicationProtocol);
    let old = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    let refused = shake(&Arc::new(old), &identity.server_config(), "localhost");
    assert!(
        matches!(refused, Err(rustls::Error::PeerIncompatible(_))),
        "{refused:?}"
    );
}

#[test]
fn the_identity_survives_a_restart_unchanged() {
    let (dir, identity) = fresh();
    let read_all = || {
        [
            CA_CERTIFICATE_FILE,
            CA_KEY_FILE,
            SERVER_CERTIFICATE_FILE,
            SERVER_KEY_FILE,
        ]
        .map(|name| fs::read(dir.path().join(name)).unwrap())
    };
    let before = read_all();
    let again = Identity::load_or_create(dir.path(), &names()).unwrap();
    assert_eq!(before, read_all());
    assert_eq!(identity.ca_der(), again.ca_der());
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        4,
        "no temporary file stays"
    );
    assert!(
        identity
            .ca_der()
            .unwrap()
            .windows(15)
            .any(|w| w == b"99991231235959Z"),
        "the date that means no expiry"
    );
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_keys() {
    use std::os::unix::fs::PermissionsExt as _;
    let (dir, _identity) = fresh();
    for name in [CA_KEY_FILE, SERVER_KEY_FILE] {
        let mode = fs::metadata(dir.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn half_an_identity_is_an_error_that_names_the_files() {
    for missing in [
        CA_CERTIFICATE_FILE,
        CA_KEY_FILE,
        SERVER_CERTIFICATE_FILE,
        SERVER_KEY_FILE,
    ] {
        let (dir, _identity) = fresh();
        fs::remove_file(dir.path().join(missing)).unwrap();
        let error = fail(dir.path(), &[]);
        assert!(matches!(error, TlsError::HalfPresent { .. }), "{error:?}");
        assert!(
            error.to_string().contains(&format!("missing: {missing}.")),
            "{error}"
        );
        assert!(
            !dir.path().join(missing).exists(),
            "nothing was made in its place"
        );
    }
}

#[test]
fn a_name_is_added_under_the_same_authority() {
    let (dir, before) = fresh();
    let more = vec!["new.example.vn".to_owned()];
    let error = fail(dir.path(), &more);
    assert!(
        matches!(error, TlsError::NameNotCovered { .. }),
        "{error:?}"
    );
    fs::remove_file(dir.path().join(SERVER_CERTIFICATE_FILE)).unwrap();
    fs::remove_file(dir.path().join(SERVER_KEY_FILE)).unwrap();
    let after = Identity::load_or_create(dir.path(), &more).unwrap();
    let old_phone = phone(before.ca_der().unwrap(), CLOCK_1970);
    shake(&old_phone, &after.server_config(), "new.example.vn").unwrap();
}

#[test]
fn mixed_identities_are_found_at_the_start() {
    let (dir, _identity) = fresh();
    let (other, _other_identity) = fresh();
    for name in [SERVER_CERTIFICATE_FILE, SERVER_KEY_FILE] {
        fs::copy(other.path().join(name), dir.path().join(name)).unwrap();
    }
    let error = fail(dir.path(), &[]);
    assert!(
        matches!(error, TlsError::NotOfThisAuthority { .. }),
        "{error:?}"
    );
}

#[test]
fn the_authority_is_not_sent_even_if_the_file_holds_it() {
    let (dir, identity) = fresh();
    let path = dir.path().join(SERVER_CERTIFICATE_FILE);
    let mut chain = fs::read(&path).unwrap();
    chain.extend(fs::read(dir.path().join(CA_CERTIFICATE_FILE)).unwrap());
    fs::write(&path, chain).unwrap();
    let again = Identity::load_or_create(dir.path(), &[]).unwrap();
    let phone = phone(identity.ca_der().unwrap(), CLOCK_1970);
    let full = shake(&phone, &again.server_config(), "localhost").unwrap();
    assert_eq!(full.chain_count, 1);
}

#[test]
fn a_wrong_name_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = fail(dir.path(), &["https://a.example:1".to_owned()]);
    assert!(
        error.to_string().starts_with("`https://a.example:1`"),
        "{error}"
    );
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        0,
        "nothing was made"
    );
}

#[test]
fn files_of_the_operator() {
    let (dir, identity) = fresh();
    let (other, _other_identity) = fresh();
    let (certificate, key) = (
        dir.path().join(SERVER_CERTIFICATE_FILE),
        dir.path().join(SERVER_KEY_FILE),
    );
    let own = Identity::from_files(&certificate, &key).unwrap();
    assert!(own.ca_der().is_none());
    let phone = phone(identity.ca_der().unwrap(), CLOCK_2100);
    shake(&phone, &own.server_config(), "localhost").unwrap();

    let fail = |certificate: &Path, key: &Path| Identity::from_files(certificate, key).unwrap_err();
    let nowhere = dir.path().join("nowhere.pem");
    assert!(matches!(fail(&nowhere, &key), TlsError::Missing { .. }));
    assert!(matches!(
        fail(&certificate, &nowhere),
        TlsError::Missing { .. }
    ));
    assert!(matches!(fail(&key, &key), TlsError::NotACertificate { .. }));
    assert!(matches!(
        fail(&certificate, &certificate),
        TlsError::NotAKey { .. }
    ));
    let other_key = other.path().join(SERVER_KEY_FILE);
    let error = fail(&certificate, &other_key);
    assert!(matches!(error, TlsError::KeyMismatch { .. }), "{error:?}");
}
