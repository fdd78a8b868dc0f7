//! What the stories share: the real server as a process of its own, a connection over TLS whose
//! faults are values, and a phone whose store is the one of the app.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use mobile_ffi::store::{SqliteStore, Store as _, StoreKey};
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use server::store::{Readers, Snapshot};
use sync_core::change::ChangeRef;
use sync_core::codec::Model;
use sync_core::hub::arrival::{EnrolAnswer, EnrolRequest, digits};
use sync_core::hub::ledger::LedgerFault;
use sync_core::ids::{GroupId, Hash32, RecordId};
use sync_core::invitation::Invitation;
use sync_core::keys::Secret;
use sync_core::replica::{Edit, Identity, Outgoing, Replica, Standing};
use sync_core::value::{FieldKey, Value};
use sync_core::vocabulary::Vocabulary;
use tempfile::TempDir;

/// A commune of the built-in table.
pub(crate) const COMMUNE: &str = "31120";
/// Tables of the replica, as the app reads them at a start.
const REPLICA_TABLES: std::ops::Range<u8> = 1..100;

/// The program that `cargo build` laid beside the tests.
pub(crate) fn program() -> Command {
    let test = std::env::current_exe().unwrap();
    let built = test.parent().and_then(Path::parent).unwrap();
    let program = built.join("binhyen");
    assert!(
        program.exists(),
        "{} is not there: build the whole workspace first",
        program.display()
    );
    Command::new(program)
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
    /// What it printed, when it did what was asked for.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{}{}", self.out, self.err);
        self.out.trim_end().to_owned()
    }
}

/// A running server.
pub(crate) struct Server {
    pub(crate) data: PathBuf,
    pub(crate) address: String,
    pub(crate) child: Child,
    // dropped last
    home: Option<TempDir>,
}

impl Server {
    /// A new one, in a directory of its own.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut server = Self::at(&home.path().join("data"), &[]);
        server.home = Some(home);
        server
    }

    /// One on this directory, on a free port.
    #[track_caller]
    pub(crate) fn at(data: &Path, args: &[&str]) -> Self {
        Self::run_by(program(), data, args)
    }

    /// The same, where `program` runs it.
    #[track_caller]
    pub(crate) fn run_by(mut program: Command, data: &Path, args: &[&str]) -> Self {
        let mut child = program
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line
            .strip_prefix("listening on https://")
            .and_then(|rest| rest.split_whitespace().next())
            .unwrap_or_else(|| panic!("it says {line:?}"))
            .to_owned();
        Self {
            data: data.to_owned(),
            address,
            child,
            home: None,
        }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        let output = program().arg("--data").arg(&self.data).args(args).output();
        Ran::of(&output.unwrap())
    }

    /// The end that no program can answer.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on its data, after it was killed, on another port.
    pub(crate) fn restart(&mut self) {
        let home = self.home.take();
        let next = Self::at(&self.data.clone(), &[]);
        drop(std::mem::replace(self, next));
        self.home = home;
    }

    /// Founds a group with a leader and gives its id.
    pub(crate) fn group(&self, name: &str) -> String {
        let group = self.run(&["group", "add", name, "--area", COMMUNE]).ok();
        let leader = ["--group", &group, "--role", "leader"];
        self.run(&[&["member", "add", "Nguyễn Văn An"], &leader[..]].concat())
            .ok();
        group
    }

    /// The text of a code for one phone.
    pub(crate) fn code(&self, group: &str) -> String {
        let printed = self.run(&["enrol", "--group", group]).ok();
        let line = printed.lines().find(|line| line.starts_with("BINHYEN1:"));
        line.unwrap().to_owned()
    }

    /// An officer confirms a device by its digits.
    pub(crate) fn confirm(&self, device: &str, digits: &str) {
        self.run(&["device", "confirm", device, digits]).ok();
    }

    /// A phone that an officer has confirmed.
    pub(crate) fn phone(&self, group: &str) -> Phone {
        let mut phone = Phone::enrol(self, &self.code(group)).unwrap();
        let digits = format!("{:06}", phone.digits);
        self.confirm(&phone.replica.device().to_string(), &digits);
        phone.sync().unwrap();
        phone
    }

    /// What `verify` says of a sound log.
    #[track_caller]
    pub(crate) fn verified(&self) -> String {
        let told = self.run(&["verify"]).ok();
        assert!(told.ends_with("the log is sound"), "{told}");
        told
    }

    /// Reads the log where it lies, beside the server.
    pub(crate) fn read<T>(&self, read: impl FnOnce(&Snapshot<'_>) -> Result<T, LedgerFault>) -> T {
        let file = self.data.join(server::store::DATABASE_NAME);
        Readers::open(&file, 1).unwrap().read(read).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// What came back over HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// The number of the problem, when the body is one.
    pub(crate) fn problem(&self) -> Option<u8> {
        (self.body.first() == Some(&0)).then(|| self.body[1])
    }
}

/// A connection over TLS that trusts one authority. A server that dies is an error here.
pub(crate) struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: &str, ca: &CertificateDer<'static>) -> io::Result<Self> {
        Self::open_at(address, ca, Arc::new(DefaultTimeProvider))
    }

    /// With a clock of its own.
    pub(crate) fn open_at(
        address: &str,
        ca: &CertificateDer<'static>,
        clock: Arc<dyn TimeProvider>,
    ) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_details(provider, clock)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = address.rsplit_once(':').unwrap().0.to_owned();
        let name = ServerName::try_from(host).unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(Duration::from_secs(30)))?;
        socket.set_nodelay(true)?;
        let mut stream = StreamOwned::new(tls, socket);
        // The handshake now: a certificate that is not believed must not look like a lost line.
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream })
    }

    pub(crate) fn ask(&mut self, path: &str, head: &str, body: &[u8]) -> io::Result<Reply> {
        self.send(&head_of(path, head, body.len()))?;
        // A server may answer before it has read all, and close.
        drop(self.send(body));
        self.read()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)?;
        self.stream.flush()
    }

    pub(crate) fn read(&mut self) -> io::Result<Reply> {
        self.read_whole().map(|(_head, reply)| reply)
    }

    /// An answer with its head.
    pub(crate) fn read_whole(&mut self) -> io::Result<(String, Reply)> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).map_err(io::Error::other)?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let status = status.unwrap();
        Ok((head, Reply { status, body }))
    }
}

/// Where a phone sends, and whom it trusts there.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) address: String,
    ca: CertificateDer<'static>,
}

impl Line {
    pub(crate) fn open(&self) -> io::Result<Connection> {
        Connection::open(&self.address, &self.ca)
    }
}

/// The head of a request with a body of this length.
pub(crate) fn head_of(path: &str, head: &str, length: usize) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nhost: binhyen\r\ncontent-length: {length}\r\n{head}\r\n")
        .into_bytes()
}

/// Priming takes a while, so all phones share one.
pub(crate) fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(Model::primed)
}

/// Random bytes that nobody has to replay: keys and salts.
pub(crate) fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// A phone: the replica over the store of the app, and what it was told.
pub(crate) struct Phone {
    pub(crate) replica: Replica,
    pub(crate) group: GroupId,
    pub(crate) digits: u32,
    pub(crate) line: Line,
    /// Its own changes that it was told are received, by their hash.
    pub(crate) told: BTreeMap<ChangeRef, Hash32>,
    /// Its own changes that were saved here.
    pub(crate) saved: BTreeMap<ChangeRef, Hash32>,
    store: SqliteStore,
    // dropped last
    _home: TempDir,
}

impl Phone {
    /// Asks to be enrolled with a code; the refusal, if it is refused.
    pub(crate) fn enrol(server: &Server, code: &str) -> Result<Self, Reply> {
        Self::try_enrol(server, code).unwrap()
    }

    /// The same, on a line that can break.
    pub(crate) fn try_enrol(server: &Server, code: &str) -> io::Result<Result<Self, Reply>> {
        let invitation = Invitation::from_text(code).unwrap();
        let secret = Secret::from_bytes(&random());
        let ca = CertificateDer::from_pem_file(server.data.join("tls/ca.crt.pem")).unwrap();
        let request = EnrolRequest::sign(&invitation.realm, &secret, invitation.token);
        let mut connection = Connection::open(&server.address, &ca)?;
        let reply = connection.ask("/v1/enrol", "", &request.to_bytes())?;
        if reply.status != 200 {
            return Ok(Err(reply));
        }
        let answer = EnrolAnswer::from_bytes(&reply.body).unwrap();
        let home = tempfile::tempdir().unwrap();
        let key = StoreKey::new([7; StoreKey::BYTES]);
        let (mut store, _opened) =
            SqliteStore::open(&home.path().join("phone.store"), &key, 0).unwrap();
        let rows = Replica::enrolled(Vocabulary::builtin(), &answer);
        store.apply(&rows).unwrap();
        let (realm, log) = (invitation.realm, invitation.log);
        let digits = digits(&realm, &log, &secret.public(), &invitation.token);
        let identity = Identity {
            realm,
            log,
            device: secret,
        };
        Ok(Ok(Self {
            replica: load(identity, &store),
            group: answer.group,
            digits,
            line: Line {
                address: server.address.clone(),
                ca,
            },
            told: BTreeMap::new(),
            saved: BTreeMap::new(),
            store,
            _home: home,
        }))
    }

    /// Saves a patrol with a route in words, or edits one.
    pub(crate) fn save(&mut self, record: Option<RecordId>, words: &str) -> RecordId {
        let field = field("patrol", "route_text");
        self.save_values(record, &[(field, Value::Text(words.to_owned()))])
    }

    pub(crate) fn save_values(
        &mut self,
        record: Option<RecordId>,
        values: &[(FieldKey, Value)],
    ) -> RecordId {
        let patrol = Vocabulary::builtin().record_type_by_id("patrol").unwrap();
        let edit = Edit {
            group: self.group,
            member: 1,
            record,
            record_type: patrol.number,
            values: values.iter().cloned().collect(),
        };
        let job = self
            .replica
            .save(&edit, 1_795_000_000, 0, &random())
            .unwrap();
        self.store.apply(job.ops()).unwrap();
        let change = &job.change().change;
        let hash = change.hash(&self.replica.identity().realm);
        self.saved.insert(change.at, hash);
        self.replica.handle_appended(job).unwrap()
    }

    pub(crate) fn connect(&self) -> io::Result<Connection> {
        self.line.open()
    }

    pub(crate) fn request(&self) -> Outgoing {
        self.replica.poll_request(model(), 64 * 1024, 0).unwrap()
    }

    /// Takes an answer to the store; whether there is more.
    pub(crate) fn take(&mut self, outgoing: &Outgoing, reply: &Reply) -> io::Result<bool> {
        // Too often, or too busy: the phone comes again.
        if reply.status == 429 || reply.status == 503 {
            return Err(io::Error::other("later"));
        }
        let next = self
            .replica
            .handle_answer(model(), outgoing, &reply.body)
            .unwrap_or_else(|error| panic!("{error:?}, problem {:?}", reply.problem()));
        self.store.apply(&next.ops).unwrap();
        self.note_told();
        Ok(next.again)
    }

    fn note_told(&mut self) {
        let identity = self.replica.identity();
        let (realm, device) = (identity.realm, identity.device.id());
        for (full, standing) in self.replica.changes() {
            let change = &full.change;
            if standing == Standing::Received
                && change.device == device
                && !self.told.contains_key(&change.at)
            {
                self.told.insert(change.at, change.hash(&realm));
            }
        }
    }

    /// Visits until nothing more waits, on one connection.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        let mut connection = self.connect()?;
        loop {
            let outgoing = self.request();
            let reply = connection.ask("/v1/sync", "", outgoing.body())?;
            if !self.take(&outgoing, &reply)? {
                return Ok(());
            }
        }
    }

    /// Loads the replica again from its store, as after a restart of the phone.
    pub(crate) fn reload(&mut self) {
        self.replica = load(self.replica.identity().clone(), &self.store);
    }
}

/// The place of a field of a type.
pub(crate) fn field(type_id: &str, id: &str) -> FieldKey {
    let vocabulary = Vocabulary::builtin();
    let kind = vocabulary.record_type_by_id(type_id).unwrap().number;
    FieldKey::plain(vocabulary.field_by_id(kind, id).unwrap().number)
}

fn load(identity: Identity, store: &SqliteStore) -> Replica {
    let mut rows = Vec::new();
    for table in REPLICA_TABLES {
        store
            .scan(table, &mut |key, value| {
                rows.push((table, key.to_vec(), value));
                Ok(())
            })
            .unwrap();
    }
    Replica::load(identity, Vocabulary::builtin().clone(), rows, 0).unwrap()
}
