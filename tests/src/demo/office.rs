//! The commands of `binhyen`, as an administrator types them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use super::{Fault, Outcome};

/// No command takes longer.
const COMMAND_MAX: Duration = Duration::from_secs(30);

/// Whoever types at the server.
#[derive(Debug)]
pub(super) struct Desk {
    program: PathBuf,
    data: PathBuf,
}

impl Desk {
    pub(super) fn new(program: &Path, data: &Path) -> Self {
        Self {
            program: program.to_owned(),
            data: data.to_owned(),
        }
    }

    /// Runs a command and gives what it printed.
    pub(super) fn run(&self, words: &[&str]) -> Outcome<String> {
        let (code, out, err) = self.try_run(words)?;
        if code == 0 {
            return Ok(out.trim_end().to_owned());
        }
        let command = words.join(" ");
        Err(Fault::new(format!("binhyen {command}: {out}{err}")))
    }

    /// Runs a command; exit code, output, errors.
    pub(super) fn try_run(&self, words: &[&str]) -> Outcome<(i32, String, String)> {
        let mut child = Command::new(&self.program)
            .arg("--data")
            .arg(&self.data)
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let out = thread::spawn(move || read_all(out));
        let err = thread::spawn(move || read_all(err));
        let until = Instant::now() + COMMAND_MAX;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if Instant::now() > until {
                drop(child.kill());
                drop(child.wait());
                let command = words.join(" ");
                return Err(Fault::new(format!("binhyen {command}: it has no end")));
            }
            thread::sleep(Duration::from_millis(2));
        };
        let read = |reader: thread::JoinHandle<String>| reader.join().unwrap_or_default();
        Ok((status.code().unwrap_or(-1), read(out), read(err)))
    }

    /// What `verify` says: all of it, and its first numbers.
    pub(super) fn verify(&self) -> Outcome<Verified> {
        let (code, said, err) = self.try_run(&["verify"])?;
        let first = said.lines().next().unwrap_or_default();
        let mut numbers = first
            .split(|c: char| !c.is_ascii_digit())
            .filter_map(|part| part.parse().ok());
        let mut next = || numbers.next().unwrap_or(0);
        Ok(Verified {
            sound: code == 0 && said.contains("the log is sound"),
            entries: next(),
            changes: next(),
            asides: next(),
            said: format!("{}{err}", said.trim_end()),
        })
    }
}

fn read_all(from: Option<impl std::io::Read>) -> String {
    let mut text = String::new();
    if let Some(mut from) = from {
        // What is no text is not shown.
        drop(from.read_to_string(&mut text));
    }
    text
}

/// What `verify` found.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) sound: bool,
    pub(super) entries: u64,
    pub(super) changes: u64,
    pub(super) asides: u64,
    pub(super) said: String,
}
