//! A phone as the app has it: the phone library, and the little that a host does around it.

use std::io;
use std::sync::Arc;

use mobile_ffi::{Clock, FieldInput, InputValue, Phone, PhoneError, VisitFailure, Visited};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{CertificateError, Error as TlsError};
use rustls_pki_types::{CertificateDer, UnixTime};
use tempfile::TempDir;

use crate::common::{Connection, Reply, Server};

const NOW_S: i64 = 1_795_000_000;

/// A clock that always says the same.
#[derive(Debug)]
pub(crate) struct Stopped(pub(crate) u64);

impl TimeProvider for Stopped {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(
            self.0,
        )))
    }
}

/// What a host says of a line that broke, in one word.
fn failure_of(error: &io::Error) -> VisitFailure {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<TlsError>());
    let Some(tls) = tls else {
        return VisitFailure::NoNetwork;
    };
    let clock = matches!(
        tls,
        TlsError::InvalidCertificate(
            CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. }
        )
    );
    if clock {
        VisitFailure::TlsClock
    } else {
        VisitFailure::TlsOther
    }
}

/// The phone library and its host.
pub(crate) struct App {
    pub(crate) phone: Phone,
    pub(crate) clock: Arc<dyn TimeProvider>,
    address: String,
    ca: CertificateDer<'static>,
    group: String,
    // dropped last
    _home: TempDir,
}

impl App {
    /// Enrols and is confirmed; `ca` is whom this host trusts.
    pub(crate) fn new(server: &Server, group: &str, ca: CertificateDer<'static>) -> Self {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("phone.store").display().to_string();
        let app = Self {
            phone: Phone::open(path, vec![5; 32], 0, NOW_S).unwrap(),
            clock: Arc::new(DefaultTimeProvider),
            address: server.address.clone(),
            ca,
            group: group.to_owned(),
            _home: home,
        };
        let step = app.phone.enrol_begin(server.code(group)).unwrap();
        let reply = app.post("/v1/enrol", &step.body).unwrap();
        app.phone.enrol_finish(reply.status, reply.body).unwrap();
        let listed = server.run(&["device", "list"]).ok();
        let line = listed.lines().find(|line| line.contains(&step.digits));
        let device = line.and_then(|line| line.split_whitespace().next());
        server.confirm(device.unwrap(), &step.digits);
        app.visit().unwrap().unwrap();
        app
    }

    fn post(&self, path: &str, body: &[u8]) -> io::Result<Reply> {
        let clock = Arc::clone(&self.clock);
        Connection::open_at(&self.address, &self.ca, clock)?.ask(path, "", body)
    }

    /// Saves a patrol with these words.
    pub(crate) fn save(&self, words: &str) -> Result<String, PhoneError> {
        let text = words.to_owned();
        let value = FieldInput {
            field: "summary".to_owned(),
            item: 0,
            value: InputValue::Text { text },
        };
        let clock = Clock {
            wall_s: NOW_S,
            mono_s: 0,
        };
        let (group, kind) = (self.group.clone(), "patrol".to_owned());
        let saved = self.phone.save(group, 1, None, kind, vec![value], clock)?;
        Ok(saved.record)
    }

    /// One visit; `None` when the line broke, which the phone was told.
    pub(crate) fn visit(&self) -> Option<Result<Visited, PhoneError>> {
        let visit = self.phone.request(64_000, 0).unwrap();
        match self.post("/v1/sync", &visit.body) {
            Ok(reply) => Some(
                self.phone
                    .response(visit.id, reply.status, reply.body, NOW_S),
            ),
            Err(error) => {
                let failure = failure_of(&error);
                self.phone.visit_failed(visit.id, failure, NOW_S).unwrap();
                None
            }
        }
    }

    /// What the screen says of the last visit.
    pub(crate) fn told(&self) -> String {
        self.phone.last_problem().unwrap().words
    }
}
