//! Two thousand sockets that want to be in the way, of eight sorts, and an honest phone and an
//! officer among them who are served. Afterwards the server is as small as before.
//!
//! All of them come from one address, as a village behind one carrier does, so nothing can be told
//! from where somebody comes.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "what cannot go on in a test must end it; what it took is worth a line"
)]

#[cfg(test)]
#[expect(
    dead_code,
    reason = "this story needs only some of what the stories share"
)]
mod common;
#[cfg(test)]
#[path = "common/forge.rs"]
#[expect(dead_code, reason = "the same")]
mod forge;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{COMMUNE, Connection, Line, Phone, Server, head_of, program, random};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use sync_core::hub::arrival::EnrolRequest;
use sync_core::invitation::Invitation;
use sync_core::keys::Secret;

/// Files that this test opens at most.
const FILES: u64 = 4_096;
/// How long an honest request may take with all its tries. Generous: only never is a failure.
const SERVED_WITHIN: Duration = Duration::from_secs(180);
/// How long the sockets may take to be there, and the server to be rid of them.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);
const PASSWORD: &str = "ruộng lúa mùa nước nổi";

/// What a socket does, and how many of them there are.
const SORTS: [(Sort, usize); 8] = [
    (Sort::Silent, 400),
    (Sort::HalfGreeting, 400),
    (Sort::SlowHead, 340),
    (Sort::SlowBody, 340),
    (Sort::NeverReads, 60),
    (Sort::Idle, 200),
    (Sort::InventedCode, 130),
    (Sort::WrongSignature, 130),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Connects and says nothing.
    Silent,
    /// Begins TLS and never goes on.
    HalfGreeting,
    /// A byte of a head each second.
    SlowHead,
    /// A byte of a body each second.
    SlowBody,
    /// Asks a thousand times and reads nothing.
    NeverReads,
    /// Asks once, and stays.
    Idle,
    /// Asks to be enrolled with a code that was never made, signed well, without pause.
    InventedCode,
    /// Visits as a phone that is enrolled, with a signature of another, without pause.
    WrongSignature,
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<Connection>),
}

/// All that attackers know: the address, a code they saw once, a phone's request.
struct Known {
    line: Line,
    enrol: Vec<u8>,
    visit: Vec<u8>,
    stop: AtomicBool,
    open: AtomicUsize,
    reopened: AtomicUsize,
}

impl Known {
    fn open(&self, sort: Sort) -> io::Result<Socket> {
        let plain = || TcpStream::connect(&self.line.address);
        let with = |bytes: &[u8]| {
            let mut connection = self.line.open()?;
            connection.send(bytes)?;
            Ok(Socket::Tls(Box::new(connection)))
        };
        match sort {
            Sort::Silent => plain().map(Socket::Plain),
            Sort::HalfGreeting => {
                let mut stream = plain()?;
                stream.write_all(&[22, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3])?;
                Ok(Socket::Plain(stream))
            }
            Sort::SlowHead => with(b"POST /v1/sync HT"),
            Sort::SlowBody => with(&head_of("/v1/sync", "", 200_000)),
            Sort::NeverReads => {
                with(&b"GET /console/console.css HTTP/1.1\r\nhost: binhyen\r\n\r\n".repeat(1_000))
            }
            Sort::Idle => {
                let mut connection = self.line.open()?;
                connection.send(b"GET /healthz HTTP/1.1\r\nhost: binhyen\r\n\r\n")?;
                connection.read()?;
                Ok(Socket::Tls(Box::new(connection)))
            }
            Sort::InventedCode | Sort::WrongSignature => with(b""),
        }
    }

    /// What it does each round; an error is a connection that was cut.
    fn poke(&self, sort: Sort, socket: &mut Socket) -> io::Result<()> {
        match (sort, socket) {
            (Sort::Silent | Sort::HalfGreeting, Socket::Plain(stream)) => {
                stream.set_nonblocking(true)?;
                match stream.read(&mut [0; 64]) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                    Err(error) => Err(error),
                    Ok(_) => Err(io::ErrorKind::ConnectionReset.into()),
                }
            }
            (Sort::SlowHead | Sort::SlowBody, Socket::Tls(connection)) => connection.send(b"x"),
            (Sort::InventedCode, Socket::Tls(connection)) => {
                connection.send(&head_of("/v1/enrol", "", self.enrol.len()))?;
                connection.send(&self.enrol)
            }
            (Sort::WrongSignature, Socket::Tls(connection)) => {
                connection.send(&head_of("/v1/sync", "", self.visit.len()))?;
                connection.send(&self.visit)
            }
            (_, Socket::Plain(_) | Socket::Tls(_)) => Ok(()),
        }
    }

    fn answered(sort: Sort, socket: &mut Socket) -> io::Result<()> {
        match (sort, socket) {
            (Sort::InventedCode | Sort::WrongSignature, Socket::Tls(connection)) => {
                connection.read().map(drop)
            }
            (_, Socket::Plain(_) | Socket::Tls(_)) => Ok(()),
        }
    }

    /// Keeps so many sockets of a sort open until it is told to stop.
    fn attack(&self, sort: Sort, count: usize) {
        let mut sockets: Vec<Option<Socket>> = (0..count).map(|_| None).collect();
        let mut was_open = vec![false; count];
        while !self.stop.load(Ordering::Relaxed) {
            for (socket, was_open) in sockets.iter_mut().zip(&mut was_open) {
                // not to the reading below: what was not asked in this round is not answered
                if self.stop.load(Ordering::Relaxed) {
                    return;
                }
                if socket.is_none() {
                    *socket = self.open(sort).ok();
                    if socket.is_some() {
                        let counted = if *was_open {
                            &self.reopened
                        } else {
                            &self.open
                        };
                        counted.fetch_add(1, Ordering::Relaxed);
                        *was_open = true;
                    }
                }
                if let Some(open) = socket
                    && self.poke(sort, open).is_err()
                {
                    *socket = None;
                }
            }
            for socket in &mut sockets {
                if let Some(open) = socket
                    && Self::answered(sort, open).is_err()
                {
                    *socket = None;
                }
            }
            if !matches!(sort, Sort::InventedCode | Sort::WrongSignature) {
                thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

/// The figures of a server.
struct Figures(String);

impl Figures {
    fn of(address: &str) -> Self {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\n\r\n")
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        assert!(text.starts_with("HTTP/1.1 200"), "{text}");
        assert!(text.contains("# EOF"), "{text}");
        Self(text)
    }

    #[track_caller]
    fn value(&self, series: &str) -> f64 {
        let line = self.0.lines().find_map(|line| line.strip_prefix(series));
        let value = line.and_then(|rest| rest.trim().parse().ok());
        value.unwrap_or_else(|| panic!("no {series} in {}", self.0))
    }

    fn shed(&self, cause: &str) -> f64 {
        self.value(&format!(
            "binhyen_connections_shed_total{{cause=\"{cause}\"}}"
        ))
    }
}

fn status(server: &Server, key: &str) -> u64 {
    let text = fs::read_to_string(format!("/proc/{}/status", server.child.id())).unwrap();
    let line = text.lines().find(|line| line.starts_with(key));
    let word = line.and_then(|line| line.split_whitespace().nth(1));
    word.unwrap().parse().unwrap()
}

fn files_count(server: &Server) -> usize {
    let open = fs::read_dir(format!("/proc/{}/fd", server.child.id()));
    open.unwrap().count()
}

/// Tries until it is done; a phone does the same.
#[track_caller]
fn served<T>(what: &str, mut attempt: impl FnMut() -> io::Result<T>) -> T {
    let began = Instant::now();
    loop {
        match attempt() {
            Ok(done) => {
                println!("{what}: {:.1} s", began.elapsed().as_secs_f64());
                return done;
            }
            Err(error) => {
                assert!(began.elapsed() < SERVED_WITHIN, "{what}: {error}");
                thread::sleep(Duration::from_millis(500));
            }
        }
    }
}

#[track_caller]
fn settles(what: &str, mut there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !there() {
        assert!(began.elapsed() < SETTLED_WITHIN, "{what}");
        thread::sleep(Duration::from_millis(200));
    }
}

/// An officer signs in and opens the front page; what the page says.
fn front_page(line: &Line) -> io::Result<String> {
    let mut connection = line.open()?;
    let mut ask = |method: &str, path: &str, cookie: &str, body: &str| {
        let kind = "content-type: application/x-www-form-urlencoded\r\n";
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: binhyen\r\ncontent-length: {length}\r\n{kind}\
             cookie: {cookie}\r\n\r\n"
        );
        connection.send(head.as_bytes())?;
        connection.send(body.as_bytes())?;
        let (head, reply) = connection.read_whole()?;
        let cookies = head
            .lines()
            .filter_map(|line| line.strip_prefix("set-cookie: "));
        let cookies: Vec<_> = cookies.filter_map(|it| it.split(';').next()).collect();
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        io::Result::Ok((reply.status, cookies.join("; "), text))
    };
    let (_, cookie, page) = ask("GET", "/console/sign-in", "", "")?;
    let token = page
        .split_once("name=\"token\" value=\"")
        .and_then(|(_, rest)| rest.split('"').next())
        .ok_or_else(|| io::Error::other("no form"))?;
    let password: String = PASSWORD.bytes().map(|b| format!("%{b:02X}")).collect();
    let form = format!("token={token}&name=cax.thu&password={password}");
    let (status, session, _) = ask("POST", "/console/sign-in", &cookie, &form)?;
    if status != 303 {
        return Err(io::Error::other(format!("signing in: {status}")));
    }
    let (status, _, page) = ask("GET", "/console", &format!("{cookie}; {session}"), "")?;
    if status != 200 {
        return Err(io::Error::other(format!("the page: {status}")));
    }
    Ok(page)
}

/// A server that may open so many files, its figures, and what it says of itself.
fn server_with(files: u64, home: &Path) -> (Server, String) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let figures = free.local_addr().unwrap().to_string();
    drop(free);
    let mut limited = Command::new("sh");
    limited
        .args(["-c", "ulimit -n \"$1\"; shift; exec \"$@\"", "sh"])
        .arg(files.to_string())
        .arg(program().get_program())
        .stderr(Stdio::from(fs::File::create(home.join("events")).unwrap()));
    // As the unit has it: what a process keeps of its memory depends on it.
    let unit = tests::house::repository().join("deploy/systemd/binhyen.service");
    let unit = fs::read_to_string(unit).unwrap();
    for line in unit.lines() {
        if let Some(setting) = line.strip_prefix("Environment=") {
            let (name, value) = setting.split_once('=').unwrap();
            limited.env(name, value);
        }
    }
    let args = ["--metrics", &figures, "--log", "json"];
    let server = Server::run_by(limited, &home.join("data"), &args);
    (server, figures)
}

fn add_officer(server: &Server) {
    let mut adding = program()
        .arg("--data")
        .arg(&server.data)
        .args(["officer", "add", "cax.thu", "--role", "commune_officer"])
        .args(["--area", COMMUNE, "--password-stdin"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = adding.stdin.take().unwrap();
    input.write_all(PASSWORD.as_bytes()).unwrap();
    drop(input);
    assert!(adding.wait().unwrap().success());
}

/// A phone that is enrolled, confirmed and has synced, on a line that breaks.
fn enrolled(server: &Server, group: &str) -> Phone {
    let phone = served("enrolling", || {
        let code = server.code(group);
        let asked = Phone::try_enrol(server, &code)?;
        asked.map_err(|reply| io::Error::other(format!("{}", reply.status)))
    });
    let digits = format!("{:06}", phone.digits);
    server.confirm(&phone.replica.device().to_string(), &digits);
    phone
}

fn sync(phone: &mut Phone) {
    served("syncing", || phone.sync());
    assert_eq!(phone.told, phone.saved, "all is received");
}

/// The whole story on a server that may open so many files; its figures at the end.
fn story(files: u64, lasts: Duration) -> (Figures, String) {
    let limit = getrlimit(Resource::Nofile);
    let enough = limit.maximum.is_none_or(|most| most >= FILES);
    assert!(enough, "this test opens {FILES} files: raise ulimit -Hn");
    let wanted = Rlimit {
        current: Some(FILES),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, wanted).unwrap();

    let home = tempfile::tempdir().unwrap();
    let (server, figures) = server_with(files, home.path());
    let group = server.group("Tổ 1");
    add_officer(&server);
    let mut old = server.phone(&group);
    let mut model = server.phone(&group);
    model.save(None, "một vòng");
    let code = Invitation::from_text(&server.code(&group)).unwrap();
    let stranger = Secret::from_bytes(&random());
    let known = Arc::new(Known {
        line: old.line.clone(),
        enrol: EnrolRequest::sign(&code.realm, &stranger, [9; 16]).to_bytes(),
        visit: forge::signed(&model, &stranger, true, |_| {}),
        stop: AtomicBool::new(false),
        open: AtomicUsize::new(0),
        reopened: AtomicUsize::new(0),
    });
    let before = (status(&server, "VmRSS:"), files_count(&server));

    let began = Instant::now();
    let attackers: Vec<_> = SORTS
        .into_iter()
        .map(|(sort, count)| {
            let known = Arc::clone(&known);
            thread::spawn(move || known.attack(sort, count))
        })
        .collect();
    let sockets: usize = SORTS.iter().map(|(_, count)| count).sum();
    assert_eq!(sockets, 2_000);
    settles("the sockets are not all open", || {
        known.open.load(Ordering::Relaxed) == sockets
    });
    println!("{sockets} sockets: {:.1} s", began.elapsed().as_secs_f64());
    let flooded = Instant::now();
    let mut phones = Vec::new();
    while phones.len() < 3 || flooded.elapsed() < lasts {
        let nth = phones.len();
        let mut phone = enrolled(&server, &group);
        phone.save(None, &format!("vòng {nth}"));
        sync(&mut phone);
        old.save(None, &format!("vòng cũ {nth}"));
        sync(&mut old);
        served("a page", || front_page(&old.line));
        phones.push(phone);
    }
    let at_most = (status(&server, "VmHWM:"), files_count(&server));
    let reopened = known.reopened.load(Ordering::Relaxed);
    known.stop.store(true, Ordering::Relaxed);
    for attacker in attackers {
        attacker.join().unwrap();
    }
    drop(known);
    settles("connections stay open", || {
        Figures::of(&figures).value("binhyen_connections_open") < 4.0
    });
    let after = (status(&server, "VmRSS:"), files_count(&server));
    println!(
        "KiB and files: before {before:?}, at most {at_most:?}, after {after:?}; {} phones; \
         {reopened} sockets opened again",
        phones.len()
    );
    assert!(after.1 <= before.1 + 16, "files: {before:?}, {after:?}");
    let grown = after.0.saturating_sub(before.0);
    assert!(grown < MEMORY_KEPT_KIB, "memory: {before:?}, {after:?}");
    for mut phone in phones {
        sync(&mut phone);
    }
    assert!(server.verified().contains("the log is sound"));
    let events = fs::read_to_string(home.path().join("events")).unwrap();
    (Figures::of(&figures), events)
}

/// What the process may keep for itself of the memory that two thousand connections took.
const MEMORY_KEPT_KIB: u64 = 200 * 1024;

#[test]
fn two_thousand_sockets_are_shed_and_honest_ones_are_served() {
    // The first round: room for all of them, so only time sheds. It is longer than a handshake and
    // a head may take.
    let (figures, events) = story(8_192, Duration::from_secs(40));
    for cause in ["handshake", "head"] {
        assert!(figures.shed(cause) > 0.0, "{cause}: {}", figures.0);
    }
    assert!(figures.shed("room") == 0.0, "{}", figures.0);
    assert!(!events.contains("no_room"), "{events}");
    for (outcome, series) in [
        ("refused", "enrolments"),
        ("signature", "visits"),
        ("answered", "visits"),
    ] {
        let series = format!("binhyen_{series}_total{{outcome=\"{outcome}\"}}");
        assert!(figures.value(&series) > 0.0, "{series}: {}", figures.0);
    }

    // The second: a machine that allows few files, so there is room for a third of them.
    let (figures, events) = story(1_000, Duration::ZERO);
    assert!(figures.shed("room") > 0.0, "{}", figures.0);
    assert_eq!(figures.value("binhyen_connections_max"), 744.0);
    assert!(events.contains("\"few_files\""), "{events}");
    assert!(events.contains("\"no_room\""), "{events}");
    assert!(events.contains("LimitNOFILE="), "it says what to do");
}

#[test]
fn with_hardly_any_files_a_server_does_not_start() {
    let home = tempfile::tempdir().unwrap();
    let told = Command::new("sh")
        .args(["-c", "ulimit -n 300; exec \"$@\"", "sh"])
        .arg(program().get_program())
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(home.path().join("data"))
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&told.stderr).into_owned();
    assert_eq!(told.status.code(), Some(1), "{words}");
    assert!(words.contains("open 300 files"), "{words}");
    assert!(words.contains("needs 320"), "{words}");
    assert!(!home.path().join("data").exists(), "nothing is founded");
}
