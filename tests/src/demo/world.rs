//! All that takes part: the server, the phones, the officer, and what was written so far.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::browser::Browser;
use super::handset::{Handset, Visited};
use super::keeper::Keeper;
use super::office::Desk;
use super::records::{Draft, PHONES, work};
use super::tell::{Teller, line};
use super::{Fault, Options, Outcome};

/// Where the console is when nobody says otherwise.
const PORT_DEFAULT: u16 = 8443;
/// The officer's account.
pub(super) const OFFICER: &str = "can-bo-mau";

/// Why the demonstration did not begin, and its exit code.
pub(super) struct NoStart(pub(super) String, pub(super) u8);

const NOT_UNDERSTOOD: u8 = 2;

impl<E: Into<Fault>> From<E> for NoStart {
    fn from(error: E) -> Self {
        Self(error.into().to_string(), 1)
    }
}

/// A record that was saved.
#[derive(Debug)]
pub(super) struct Written {
    /// Which phone.
    pub(super) phone: usize,
    /// Its name.
    pub(super) record: String,
    /// What it said.
    pub(super) draft: Draft,
}

/// Everything.
pub(super) struct World {
    pub(super) tell: Teller,
    // before the keeper: phones end first
    pub(super) phones: Vec<Handset>,
    pub(super) keeper: Keeper,
    pub(super) desk: Desk,
    /// Directory of everything.
    pub(super) home: PathBuf,
    /// Where the server listens, once it does.
    pub(super) server: SocketAddr,
    /// Ids of the groups.
    pub(super) groups: Vec<String>,
    /// Ids of the phones at the server.
    pub(super) devices: Vec<String>,
    /// Password of the officer.
    pub(super) password: String,
    pub(super) browser: Option<Browser>,
    /// What each phone still has to write.
    pub(super) work: [VecDeque<Draft>; PHONES],
    pub(super) written: Vec<Written>,
    /// A visit with nothing in it: how long the handshakes are.
    pub(super) empty: Option<Visited>,
    check: bool,
}

impl World {
    /// Makes the directory and the keeper; the server starts with the story.
    pub(super) fn begin(options: &Options) -> Result<Self, NoStart> {
        let Some(program) = std::env::var_os("BINHYEN").map(PathBuf::from) else {
            let why = "BINHYEN names no server program: start this with deploy/demo";
            return Err(NoStart(why.to_owned(), NOT_UNDERSTOOD));
        };
        let port = match (options.port, options.check) {
            (Some(port), _) => port,
            (None, true) => 0,
            (None, false) => PORT_DEFAULT,
        };
        let server = SocketAddr::from(([127, 0, 0, 1], port));
        is_free(server)?;
        let work = work()?;
        let home = tempfile::Builder::new().prefix("binhyen-demo-").tempdir()?;
        let home = home.keep();
        let data = home.join("server");
        let keeper = Keeper::new(&program, &data, options.check.then_some(home.as_path()))?;
        Ok(Self {
            tell: Teller::new(),
            phones: Vec::new(),
            keeper,
            desk: Desk::new(&program, &data),
            home,
            server,
            groups: Vec::new(),
            devices: Vec::new(),
            password: String::new(),
            browser: None,
            work,
            written: Vec::new(),
            empty: None,
            check: options.check,
        })
    }

    /// Opens the account of the officer, who has a new password.
    pub(super) fn add_officer(&mut self, role: &str, area: &str) -> Outcome<()> {
        let add = ["officer", "add", OFFICER, "--role", role, "--area", area];
        let printed = self.desk.run(&add)?;
        let password = printed
            .lines()
            .find_map(|line| line.strip_prefix("password "));
        password
            .ok_or_else(|| Fault::new("no password was made"))?
            .clone_into(&mut self.password);
        self.tell.say(&format!("officer of the commune: {OFFICER}"));
        Ok(())
    }

    /// Where the server's data lies.
    pub(super) fn data(&self) -> PathBuf {
        self.home.join("server")
    }

    /// A phone, by its number from 0.
    pub(super) fn phone(&mut self, number: usize) -> Outcome<&mut Handset> {
        let found = self.phones.get_mut(number);
        found.ok_or_else(|| Fault::new(format!("there is no phone {}", number + 1)))
    }

    /// Its name.
    pub(super) fn name(&self, number: usize) -> String {
        let found = self.phones.get(number);
        found.map_or_else(String::new, |phone| phone.name.clone())
    }

    /// A group's id.
    pub(super) fn group(&self, number: usize) -> Outcome<String> {
        let found = self.groups.get(number);
        found
            .cloned()
            .ok_or_else(|| Fault::new("there is no such group"))
    }

    /// The officer's browser.
    pub(super) fn browser(&mut self) -> Outcome<&mut Browser> {
        let found = self.browser.as_mut();
        found.ok_or_else(|| Fault::new("no officer has signed in"))
    }

    /// The next records of a phone's work are saved on it; gives the last one's name.
    pub(super) fn write(&mut self, phone: usize, count: usize) -> Outcome<String> {
        let mut last = None;
        for _ in 0..count {
            let list = self.work.get_mut(phone);
            let draft = list.and_then(VecDeque::pop_front);
            let draft = draft.ok_or_else(|| Fault::new("there is no work left"))?;
            let record = self.phone(phone)?.save(&draft)?;
            last = Some(record.clone());
            self.written.push(Written {
                phone,
                record,
                draft,
            });
        }
        last.ok_or_else(|| Fault::new("nothing was to be written"))
    }

    /// The record of a note that begins so.
    pub(super) fn note(&self, begins: &str) -> Outcome<String> {
        let mut written = self.written.iter();
        let found = written.find(|row| row.draft.words().starts_with(begins));
        let found = found.ok_or_else(|| Fault::new(format!("no note begins {begins:?}")))?;
        Ok(found.record.clone())
    }

    /// A phone visits until nothing more waits.
    pub(super) fn sync(&mut self, phone: usize) -> Outcome<Visited> {
        let server = self.server;
        let visited = self.phone(phone)?.sync(server)?;
        if visited.well {
            Ok(visited)
        } else {
            let name = self.name(phone);
            Err(Fault::new(format!("{name}: {}", visited.why)))
        }
    }

    /// These phones visit, one after the other.
    pub(super) fn sync_all(&mut self, phones: &[usize]) -> Outcome<()> {
        for phone in phones {
            self.sync(*phone)?;
        }
        Ok(())
    }

    /// Starts the server again where it was.
    pub(super) fn restart(&mut self) -> Outcome<()> {
        self.server = self.keeper.start(self.server)?;
        if let Some(browser) = &mut self.browser {
            browser.reconnect();
        }
        Ok(())
    }

    /// The certificate that phones and browsers trust.
    pub(super) fn ca(&self) -> PathBuf {
        self.data().join("tls").join("ca.crt.pem")
    }

    /// Ends everything.
    pub(super) fn stop(self) {
        let (check, home) = (self.check, self.home.clone());
        drop(self);
        if check {
            line("The server is stopped, and its directory removed.");
        } else {
            let home = home.display();
            line(&format!("The server is stopped. What it held is in {home}"));
        }
    }

    /// Leaves the console running; the last lines say where.
    pub(super) fn stay(mut self) {
        self.phones.clear();
        let (home, ca, server) = (self.home.display(), self.ca(), self.server);
        line("\nThe phones are off; the console stays until Ctrl-C.");
        line(&format!(
            "Everything is in {home} and stays there: remove it when you like."
        ));
        line("The browser will warn: the certificate is signed by an authority of our own. Go on");
        line(&format!(
            "anyway, or let the browser trust {}",
            ca.display()
        ));
        line(&format!("\nconsole:  https://{server}/console"));
        line(&format!("officer:  {OFFICER}"));
        line(&format!("password: {}", self.password));
        self.keeper.wait();
    }

    /// Writes a file into the directory of everything.
    pub(super) fn file(&self, name: &str, text: &str) -> Outcome<PathBuf> {
        let path: PathBuf = Path::new(&self.home).join(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// Whether the port can be had: said before anything is made.
fn is_free(server: SocketAddr) -> Result<(), NoStart> {
    let port = server.port();
    let why = match TcpListener::bind(server).map_err(|cause| cause.kind()) {
        Ok(_closed_again) => return Ok(()),
        Err(io::ErrorKind::AddrInUse) => "is used by another program, perhaps by a demonstration \
             that still runs: end it, or choose another"
            .to_owned(),
        Err(io::ErrorKind::PermissionDenied) => {
            "needs the rights of the administrator: choose one above 1023".to_owned()
        }
        Err(kind) => format!("cannot be used ({kind}): choose another"),
    };
    let why = format!("port {port} {why}, as in deploy/demo --port 8444 (0 takes a free one)");
    Err(NoStart(why, NOT_UNDERSTOOD))
}
