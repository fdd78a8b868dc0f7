//! A server as a process of its own, and a phone that comes to it over TLS.
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use sync_core::codec::Model;
use sync_core::hub::arrival::{EnrolAnswer, EnrolRequest, digits};
use sync_core::ids::{GroupId, RecordId};
use sync_core::invitation::Invitation;
use sync_core::keys::Secret;
use sync_core::replica::{Edit, Identity, Replica, StoreOp};
use sync_core::value::{FieldKey, Value};
use sync_core::vocabulary::Vocabulary;
use tempfile::TempDir;

/// A commune of the built-in table.
pub(crate) const COMMUNE: &str = "31120";
/// Its province.
pub(crate) const PROVINCE: &str = "92";

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
            out: String::from_utf8(output.stdout.clone()).unwrap(),
            err: String::from_utf8(output.stderr.clone()).unwrap(),
        }
    }
    /// What it printed, when it did what was asked for.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.out.trim_end().to_owned()
    }
    /// What it said, when it ended with this code.
    #[track_caller]
    pub(crate) fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        assert!(code == 2 || self.err.starts_with("binhyen: "), "{self:?}");
        self.err
    }
}

pub(crate) fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_binhyen"))
}

/// Runs a command on a directory of data.
pub(crate) fn command(data: &Path, args: &[&str]) -> Ran {
    let output = program().arg("--data").arg(data).args(args).output();
    Ran::of(&output.unwrap())
}

/// The same, with something on standard input.
pub(crate) fn command_with(data: &Path, args: &[&str], input: &str) -> Ran {
    let mut child = program()
        .arg("--data")
        .arg(data)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    Ran::of(&child.wait_with_output().unwrap())
}

/// Changes the database of a server that does not run, as no release does.
pub(crate) fn change(data: &Path, statement: &str) {
    let connection = rusqlite::Connection::open(data.join("binhyen.db")).unwrap();
    connection.execute_batch(statement).unwrap();
}

/// Changes a value of one of the log's own tables: the one with the greatest key.
pub(crate) fn change_last(data: &Path, table: u8, change: impl FnOnce(&mut Vec<u8>)) {
    let connection = rusqlite::Connection::open(data.join("binhyen.db")).unwrap();
    let (key, mut value): (Vec<u8>, Vec<u8>) = connection
        .query_row(
            "select k, v from truth where t = ?1 order by k desc limit 1",
            [table],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .unwrap();
    change(&mut value);
    let sql = "update truth set v = ?3 where t = ?1 and k = ?2";
    let changed = connection.execute(sql, rusqlite::params![table, key, value]);
    assert_eq!(changed.unwrap(), 1);
}

/// A running server.
pub(crate) struct Server {
    pub(crate) data: PathBuf,
    pub(crate) address: String,
    child: Child,
    // dropped last
    _home: Option<TempDir>,
}

impl Server {
    /// A new one, in a directory of its own.
    pub(crate) fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let data = home.path().join("data");
        let mut server = Self::at(&data, &[]);
        server._home = Some(home);
        server
    }

    /// One on this directory.
    #[track_caller]
    pub(crate) fn at(data: &Path, args: &[&str]) -> Self {
        Self::telling(data, args, Stdio::inherit())
    }

    /// The same; what it says of itself goes there.
    #[track_caller]
    pub(crate) fn telling(data: &Path, args: &[&str], events: Stdio) -> Self {
        Self::by(program(), data, args, events)
    }

    /// The same, where `program` runs it.
    #[track_caller]
    pub(crate) fn by(mut program: Command, data: &Path, args: &[&str], events: Stdio) -> Self {
        let listen: &[&str] = if args.contains(&"--listen") {
            &[]
        } else {
            &["--listen", "127.0.0.1:0"]
        };
        let mut child = program
            .args(["serve", "--data"])
            .arg(data)
            .args(listen)
            .args(args)
            .stdout(Stdio::piped())
            .stderr(events)
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
            _home: None,
        }
    }

    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        command(&self.data, args)
    }

    /// A power cut for the process.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and gives its exit code.
    pub(crate) fn stop(&mut self) -> i32 {
        let pid = self.child.id().to_string();
        // built into the shell: the program of this name is in a package of its own
        let asked = Command::new("sh")
            .args(["-c", "kill -TERM \"$1\"", "sh", &pid])
            .status();
        assert!(asked.unwrap().success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }

    /// A place beside the data, in the same directory of the test.
    pub(crate) fn beside(&self, name: &str) -> String {
        let path = self.data.parent().unwrap().join(name);
        path.to_str().unwrap().to_owned()
    }

    /// Starts it again on its data, on a port of its own.
    pub(crate) fn restart(&mut self) {
        self.restart_with(&[]);
    }

    /// The same, with arguments.
    pub(crate) fn restart_with(&mut self, args: &[&str]) {
        self.restart_by(program(), args);
    }

    /// The same, where `program` runs it.
    pub(crate) fn restart_by(&mut self, program: Command, args: &[&str]) {
        let home = self._home.take();
        let next = Self::by(program, &self.data.clone(), args, Stdio::inherit());
        let before = std::mem::replace(self, next);
        drop(before);
        self._home = home;
    }

    /// The certificate that phones pin.
    pub(crate) fn ca(&self) -> CertificateDer<'static> {
        use rustls::pki_types::pem::PemObject as _;
        CertificateDer::from_pem_file(self.data.join("tls/ca.crt.pem")).unwrap()
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.address, self.ca())
    }

    /// One request on a connection of its own.
    pub(crate) fn ask(&self, method: &str, path: &str, head: &str, body: &[u8]) -> Reply {
        self.connect().ask(method, path, head, body)
    }

    /// Founds a group with one member and gives its id.
    pub(crate) fn group(&self, name: &str) -> String {
        let group = self.run(&["group", "add", name, "--area", COMMUNE]).ok();
        self.run(&[
            "member",
            "add",
            "Nguyễn Văn An",
            "--group",
            &group,
            "--role",
            "leader",
        ])
        .ok();
        group
    }

    /// The text of a code for one phone.
    pub(crate) fn code(&self, group: &str) -> String {
        code_of(&self.run(&["enrol", "--group", group]).ok())
    }

    /// What `verify` says of a sound log.
    #[track_caller]
    pub(crate) fn verified(&self) -> String {
        self.run(&["verify"]).ok()
    }

    /// A phone that an officer has confirmed.
    pub(crate) fn phone(&self, group: &str) -> Phone {
        let phone = Phone::enrol(self, &self.code(group)).unwrap();
        let digits = format!("{:06}", phone.digits);
        let device = phone.replica.device().to_string();
        self.run(&["device", "confirm", &device, &digits]).ok();
        phone
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The line of a code in what `enrol` prints.
pub(crate) fn code_of(printed: &str) -> String {
    let line = printed.lines().find(|line| line.starts_with("BINHYEN1:"));
    line.unwrap_or_else(|| panic!("no code in {printed}"))
        .to_owned()
}

/// What came back over HTTP.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The problem code, when the body is a problem.
    pub(crate) fn problem(&self) -> Option<u8> {
        (self.body.first() == Some(&0)).then(|| self.body[1])
    }
}

/// A connection over TLS that trusts one certificate.
pub(crate) struct Connection {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Connection {
    pub(crate) fn open(address: &str, ca: CertificateDer<'static>) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(ca).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = address.rsplit_once(':').unwrap().0;
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned()).unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        let socket = TcpStream::connect(address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        Self {
            stream: StreamOwned::new(tls, socket),
        }
    }

    pub(crate) fn ask(&mut self, method: &str, path: &str, head: &str, body: &[u8]) -> Reply {
        let sent = format!(
            "{method} {path} HTTP/1.1\r\nhost: binhyen\r\ncontent-length: {}\r\n{head}\r\n",
            body.len()
        );
        self.stream.write_all(sent.as_bytes()).unwrap();
        // A server may answer before it has read all, and close.
        drop(self.stream.write_all(body));
        drop(self.stream.flush());
        self.read()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
        self.stream.flush().unwrap();
    }

    pub(crate) fn read(&mut self) -> Reply {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let length = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .map_or(0, |(_, value)| value.parse().unwrap());
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).unwrap();
        Reply { status, head, body }
    }
}

/// A phone: a replica, its rows, and a connection.
pub(crate) struct Phone {
    pub(crate) replica: Replica,
    pub(crate) group: GroupId,
    pub(crate) digits: u32,
    pub(crate) secret: Secret,
    pub(crate) request: EnrolRequest,
    rows: BTreeMap<(u8, Vec<u8>), Vec<u8>>,
    model: Model,
    address: String,
    ca: CertificateDer<'static>,
    /// Its clock at the next thing that it saves.
    pub(crate) clock_s: i64,
}

impl Phone {
    /// Asks to be enrolled with a code; the refusal, if it is refused.
    pub(crate) fn enrol(server: &Server, code: &str) -> Result<Self, Reply> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).unwrap();
        Self::enrol_with(server, code, Secret::from_bytes(&seed))
    }

    pub(crate) fn enrol_with(server: &Server, code: &str, secret: Secret) -> Result<Self, Reply> {
        let invitation = Invitation::from_text(code).unwrap();
        assert_eq!(invitation.url, format!("https://{}", server.address));
        let ca = CertificateDer::from(invitation.ca_der.clone());
        let request = EnrolRequest::sign(&invitation.realm, &secret, invitation.token);
        let reply = Connection::open(&server.address, ca.clone()).ask(
            "POST",
            "/v1/enrol",
            "",
            &request.to_bytes(),
        );
        if reply.status != 200 {
            return Err(reply);
        }
        let answer = EnrolAnswer::from_bytes(&reply.body).unwrap();
        assert_eq!(answer.group, invitation.group);
        let vocabulary = Vocabulary::builtin();
        let mut rows = BTreeMap::new();
        apply(&mut rows, &Replica::enrolled(vocabulary, &answer));
        let identity = Identity {
            realm: invitation.realm,
            log: invitation.log,
            device: secret.clone(),
        };
        let key = invitation.log;
        Ok(Self {
            replica: load(identity, &rows),
            group: answer.group,
            digits: digits(&invitation.realm, &key, &secret.public(), &invitation.token),
            secret,
            request,
            rows,
            model: Model::primed(),
            address: server.address.clone(),
            ca,
            clock_s: 1_795_000_000,
        })
    }

    /// Follows the server to the port where it came back.
    pub(crate) fn follow(&mut self, server: &Server) {
        self.address.clone_from(&server.address);
    }

    pub(crate) fn connect(&self) -> Connection {
        Connection::open(&self.address, self.ca.clone())
    }

    /// Saves a record: a patrol with a route in words.
    pub(crate) fn save(&mut self, words: &str) -> RecordId {
        self.edit(None, words)
    }

    pub(crate) fn edit(&mut self, record: Option<RecordId>, words: &str) -> RecordId {
        self.save_as("patrol", record, |vocabulary, kind| {
            let route = vocabulary.field_by_id(kind, "route_text").unwrap().number;
            BTreeMap::from([(FieldKey::plain(route), Value::Text(words.to_owned()))])
        })
    }

    pub(crate) fn save_as(
        &mut self,
        type_id: &str,
        record: Option<RecordId>,
        values: impl FnOnce(&Vocabulary, u16) -> BTreeMap<FieldKey, Value>,
    ) -> RecordId {
        let vocabulary = Vocabulary::builtin();
        let record_type = vocabulary.record_type_by_id(type_id).unwrap().number;
        let edit = Edit {
            group: self.group,
            member: 1,
            record,
            record_type,
            values: values(vocabulary, record_type),
        };
        let mut random = [0; 32];
        getrandom::fill(&mut random).unwrap();
        let job = self.replica.save(&edit, self.clock_s, 0, &random).unwrap();
        self.clock_s += 1;
        apply(&mut self.rows, job.ops());
        self.replica.handle_appended(job).unwrap()
    }

    /// One visit; gives the reply as it came.
    pub(crate) fn visit(&mut self, connection: &mut Connection) -> Reply {
        let outgoing = self
            .replica
            .poll_request(&self.model, 64 * 1024, 0)
            .unwrap();
        let reply = connection.ask("POST", "/v1/sync", "", outgoing.body());
        assert_eq!(reply.status, 200, "{reply:?}");
        let next = self
            .replica
            .handle_answer(&self.model, &outgoing, &reply.body)
            .unwrap_or_else(|error| panic!("{error:?} at {:?}", reply.problem()));
        apply(&mut self.rows, &next.ops);
        reply
    }

    /// One visit on a connection of its own.
    pub(crate) fn sync_once(&mut self) {
        let mut connection = self.connect();
        self.visit(&mut connection);
    }

    /// Visits until nothing more waits.
    pub(crate) fn sync(&mut self) {
        let mut connection = self.connect();
        for _ in 0..50 {
            let outgoing = self
                .replica
                .poll_request(&self.model, 64 * 1024, 0)
                .unwrap();
            let reply = connection.ask("POST", "/v1/sync", "", outgoing.body());
            assert_eq!(reply.status, 200, "{reply:?}");
            let next = self
                .replica
                .handle_answer(&self.model, &outgoing, &reply.body)
                .unwrap_or_else(|error| panic!("{error:?} at {:?}", reply.problem()));
            apply(&mut self.rows, &next.ops);
            if !next.again {
                return;
            }
        }
        panic!("it never ends");
    }

    /// The bytes of the next request.
    pub(crate) fn body(&self) -> Vec<u8> {
        let outgoing = self.replica.poll_request(&self.model, 64 * 1024, 0);
        outgoing.unwrap().body().to_vec()
    }

    /// The phone as it is now, to begin from here more than once.
    pub(crate) fn copy(&self) -> Self {
        Self {
            replica: self.replica.clone(),
            secret: self.secret.clone(),
            request: self.request.clone(),
            rows: self.rows.clone(),
            model: self.model.clone(),
            address: self.address.clone(),
            ca: self.ca.clone(),
            ..*self
        }
    }

    /// Loads the replica again from its rows, as after a restart of the phone.
    pub(crate) fn reload(&mut self) {
        let identity = self.replica.identity().clone();
        self.replica = load(identity, &self.rows);
    }
}

fn load(identity: Identity, rows: &BTreeMap<(u8, Vec<u8>), Vec<u8>>) -> Replica {
    let rows = rows
        .iter()
        .map(|((table, key), value)| (*table, key.clone(), value.clone()));
    Replica::load(identity, Vocabulary::builtin().clone(), rows, 0).unwrap()
}

fn apply(rows: &mut BTreeMap<(u8, Vec<u8>), Vec<u8>>, ops: &[StoreOp]) {
    for op in ops {
        match op {
            StoreOp::Put { table, key, value } => {
                rows.insert((*table, key.clone()), value.clone());
            }
            StoreOp::Delete { table, key } => {
                rows.remove(&(*table, key.clone()));
            }
        }
    }
}
