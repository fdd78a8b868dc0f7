//! The keeper: a process that owns the server and ends it when nobody needs it any more.
//!
//! It reads one word a line: `start ADDRESS`, `kill`, `stop`. When its input closes, because the
//! demonstration ended in whatever way, it stops the server and removes what it was told to.

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use super::tell::line;
use super::{Fault, Outcome};

/// How long a server may take to start, and the keeper to answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// How long a server may take to stop when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(8);
/// What a server says once it listens.
const LISTENING: &str = "listening on https://";

/// Is the keeper.
pub(super) fn main(program: &Path, remove: Option<&Path>) -> ExitCode {
    let mut running: Option<Child> = None;
    for told in std::io::stdin().lines() {
        let Ok(told) = told else { break };
        let answer = match told.split_once(' ') {
            Some(("start", rest)) => match start(program, rest) {
                Ok((child, address)) => {
                    running = Some(child);
                    format!("at {address}")
                }
                Err(Fault(why)) => format!("no {why}"),
            },
            Some(_) | None => {
                end(running.take(), told == "stop");
                "done".to_owned()
            }
        };
        line(&answer);
    }
    end(running.take(), true);
    if let Some(remove) = remove {
        // A phone that just ends may still write a file into it.
        for _try in 0..20 {
            if fs::remove_dir_all(remove).is_ok() || !remove.exists() {
                break;
            }
            thread::sleep(Duration::from_millis(50));
        }
    }
    ExitCode::SUCCESS
}

/// `rest` is the address and the directory of the data.
fn start(program: &Path, rest: &str) -> Outcome<(Child, String)> {
    let (address, data) = rest
        .split_once(' ')
        .ok_or_else(|| Fault::new("no directory was named"))?;
    let mut child = Command::new(program)
        .args(["--data", data, "serve", "--listen", address])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|cause| Fault::new(format!("{}: {cause}", program.display())))?;
    let Some(out) = child.stdout.take() else {
        return Err(Fault::new("the server has no output"));
    };
    let mut out = BufReader::new(out);
    let mut said = String::new();
    out.read_line(&mut said)?;
    let found = said
        .strip_prefix(LISTENING)
        .and_then(|rest| rest.split_whitespace().next());
    if let Some(found) = found {
        return Ok((child, found.to_owned()));
    }
    let mut why = String::new();
    if let Some(err) = child.stderr.take() {
        err.take(4_096).read_to_string(&mut why)?;
    }
    drop(child.kill());
    drop(child.wait());
    let why = why.trim().replace('\n', " ");
    Err(Fault::new(format!("the server did not start: {why}")))
}

/// Ends the server: asks first, or not.
fn end(child: Option<Child>, ask: bool) {
    let Some(mut child) = child else { return };
    if ask {
        // The standard library sends no other signal than KILL; every shell can.
        let pid = child.id().to_string();
        let asked = Command::new("sh")
            .args(["-c", "kill -TERM \"$0\"", &pid])
            .stderr(Stdio::null())
            .status();
        let until = Instant::now() + STOP_MAX;
        while asked.is_ok() && Instant::now() < until {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
    }
    // It may have ended before.
    drop(child.kill());
    drop(child.wait());
}

/// The keeper, as the story sees it.
#[derive(Debug)]
pub(super) struct Keeper {
    child: Child,
    say: Option<ChildStdin>,
    answers: Receiver<String>,
    data: PathBuf,
}

impl Keeper {
    /// Starts the keeper's process; the server comes with [`Keeper::start`].
    pub(super) fn new(program: &Path, data: &Path, remove: Option<&Path>) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("keep").arg("--program").arg(program);
        if let Some(remove) = remove {
            command.arg("--remove").arg(remove);
        }
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // An interrupt at the keyboard ends the story; the keeper then stops the server.
            .process_group(0)
            .spawn()?;
        let (say, answers) = (child.stdin.take(), lines_of(child.stdout.take()));
        Ok(Self {
            child,
            say,
            answers,
            data: data.to_owned(),
        })
    }

    /// Starts the server and gives its address.
    pub(super) fn start(&mut self, address: SocketAddr) -> Outcome<SocketAddr> {
        let data = self.data.display();
        let answer = self.tell(&format!("start {address} {data}"))?;
        match answer.split_once(' ') {
            Some(("at", found)) => Ok(found.parse()?),
            Some((_, why)) => Err(Fault::new(why)),
            None => Err(Fault::new(answer)),
        }
    }

    /// A power cut for the server.
    pub(super) fn kill(&mut self) -> Outcome<()> {
        self.tell("kill").map(|_done| ())
    }

    fn tell(&mut self, words: &str) -> Outcome<String> {
        let say = self.say.as_mut().ok_or_else(|| Fault::new("it is over"))?;
        writeln!(say, "{words}")?;
        say.flush()?;
        let answer = self.answers.recv_timeout(ANSWER_MAX);
        answer.map_err(|_silent| Fault::new("the keeper of the server does not answer"))
    }

    /// Waits for as long as the keeper lives.
    pub(super) fn wait(&mut self) {
        drop(self.child.wait());
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.say.take());
        drop(self.child.wait());
    }
}

/// The lines of a child, read by a thread of their own so that waiting for one can be bounded.
pub(super) fn lines_of(output: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (send, receive) = channel();
    if let Some(output) = output {
        thread::spawn(move || {
            for read in BufReader::new(output).lines() {
                let Ok(read) = read else { return };
                if send.send(read).is_err() {
                    return;
                }
            }
        });
    }
    receive
}
