//! A phone as the story holds it: its process, and the lines that go there and back.

use std::io::Write as _;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::keeper::lines_of;
use super::records::Draft;
use super::{Fault, Outcome};

/// No answer of a phone takes longer; its visits have a deadline of their own.
const ANSWER_MAX: Duration = Duration::from_secs(40);

/// A phone.
#[derive(Debug)]
pub(super) struct Handset {
    /// How it is called here.
    pub(super) name: String,
    /// Who writes on it, by number.
    pub(super) member: u16,
    home: PathBuf,
    process: Process,
}

/// Its process.
#[derive(Debug)]
struct Process {
    child: Child,
    say: ChildStdin,
    answers: Receiver<String>,
}

impl Process {
    fn start(home: &Path) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("phone")
            .arg("--home")
            .arg(home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()?;
        let answers = lines_of(child.stdout.take());
        let say = child.stdin.take();
        let say = say.ok_or_else(|| Fault::new("a phone cannot be spoken to"))?;
        let process = Self {
            child,
            say,
            answers,
        };
        process.answer().map(|_ready| process)
    }

    fn answer(&self) -> Outcome<Value> {
        let answer = self.answers.recv_timeout(ANSWER_MAX);
        let answer = answer.map_err(|_silent| Fault::new("it does not answer"))?;
        let mut answer: Value = serde_json::from_str(&answer)?;
        match answer.get_mut("ok") {
            Some(value) => Ok(value.take()),
            None => {
                let why = answer.get("fault").and_then(Value::as_str);
                Err(Fault::new(why.unwrap_or("it says nothing")))
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended before.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Handset {
    /// A new phone, switched on.
    pub(super) fn new(home: PathBuf, name: &str, member: u16) -> Outcome<Self> {
        Ok(Self {
            name: name.to_owned(),
            member,
            process: Process::start(&home)?,
            home,
        })
    }

    /// Kills the process and starts it again on its store.
    pub(super) fn off_and_on(&mut self) -> Outcome<()> {
        drop(self.process.child.kill());
        drop(self.process.child.wait());
        self.process = Process::start(&self.home)?;
        Ok(())
    }

    /// Sends a command; the answer is read later.
    pub(super) fn send(&mut self, command: &Value) -> Outcome<()> {
        writeln!(self.process.say, "{command}")?;
        self.process.say.flush()?;
        Ok(())
    }

    /// Reads the answer to the last command.
    pub(super) fn answer(&self) -> Outcome<Value> {
        let answer = self.process.answer();
        answer.map_err(|Fault(why)| Fault::new(format!("{}: {why}", self.name)))
    }

    fn ask(&mut self, command: &Value) -> Outcome<Value> {
        self.send(command)?;
        self.answer()
    }

    /// Asks to be enrolled; gives what the screen shows: group and digits.
    pub(super) fn enrol(&mut self, code: &str) -> Outcome<(String, String)> {
        let shown = self.ask(&json!({ "do": "enrol", "code": code }))?;
        Ok((text(&shown, "group"), text(&shown, "digits")))
    }

    /// Sets the clock; `None`: it is right again.
    pub(super) fn set_clock(&mut self, shows_s: Option<i64>) -> Outcome<()> {
        self.ask(&json!({ "do": "clock", "shows_s": shows_s }))?;
        Ok(())
    }

    /// Saves a record and gives its name.
    pub(super) fn save(&mut self, draft: &Draft) -> Outcome<String> {
        let saved = self.ask(&json!({
            "do": "save",
            "type": draft.kind,
            "member": self.member,
            "fields": fields_of(&draft.fields),
            "days_ago": draft.days_ago,
        }))?;
        Ok(text(&saved, "record"))
    }

    /// Edits a record.
    pub(super) fn edit(&mut self, record: &str, field: &str, words: &str) -> Outcome<()> {
        self.ask(&json!({
            "do": "edit",
            "record": record,
            "member": self.member,
            "fields": { field: words },
        }))?;
        Ok(())
    }

    /// Chooses one of the values that stand side by side.
    pub(super) fn choose(&mut self, record: &str, field: &str, change: &str) -> Outcome<()> {
        self.ask(&json!({
            "do": "choose",
            "record": record,
            "member": self.member,
            "field": field,
            "change": change,
        }))?;
        Ok(())
    }

    /// Begins one visit; its end is read with [`Handset::visited`].
    pub(super) fn set_out(&mut self, road: SocketAddr) -> Outcome<()> {
        self.send(&json!({ "do": "visit", "road": road }))
    }

    /// How the visit ended.
    pub(super) fn visited(&self) -> Outcome<Visited> {
        Ok(Visited::of(&self.answer()?))
    }

    /// One visit.
    pub(super) fn visit(&mut self, road: SocketAddr) -> Outcome<Visited> {
        self.set_out(road)?;
        self.visited()
    }

    /// Visits until nothing more waits.
    pub(super) fn sync(&mut self, road: SocketAddr) -> Outcome<Visited> {
        Ok(Visited::of(
            &self.ask(&json!({ "do": "sync", "road": road }))?,
        ))
    }

    /// How it stands.
    pub(super) fn status(&mut self) -> Outcome<Status> {
        let status = self.ask(&json!({ "do": "status" }))?;
        let waiting = status.get("waiting").and_then(Value::as_array);
        Ok(Status {
            confirmed: status.get("confirmed") == Some(&Value::Bool(true)),
            closed: status.get("closed") == Some(&Value::Bool(true)),
            records: number(&status, "records"),
            queued: number(&status, "queued"),
            waiting: waiting
                .into_iter()
                .flatten()
                .map(|row| text(row, "words"))
                .collect(),
        })
    }

    /// A record as its screen shows it.
    pub(super) fn show(&mut self, record: &str) -> Outcome<Value> {
        self.ask(&json!({ "do": "show", "record": record }))
    }

    /// Records of a lane, newest first.
    pub(super) fn list(&mut self, lane: &str) -> Outcome<Vec<Row>> {
        let rows = self.ask(&json!({ "do": "list", "lane": lane }))?;
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(rows
            .iter()
            .map(|row| Row {
                record: text(row, "record"),
                headline: text(row, "headline"),
                digest: text(row, "digest"),
            })
            .collect())
    }
}

fn fields_of(fields: &[(String, String)]) -> Value {
    let pairs = fields.iter().cloned();
    Value::Object(
        pairs
            .map(|(id, value)| (id, Value::String(value)))
            .collect::<Map<_, _>>(),
    )
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) record: String,
    pub(super) headline: String,
    /// The same wherever the page says the same.
    pub(super) digest: String,
}

/// How a phone stands.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) confirmed: bool,
    pub(super) closed: bool,
    pub(super) records: u64,
    pub(super) queued: u64,
    /// Why each change is not in the log yet, in words.
    pub(super) waiting: Vec<String>,
}

/// How a visit, or a row of visits, ended.
#[derive(Debug)]
pub(super) struct Visited {
    pub(super) well: bool,
    pub(super) received: u64,
    pub(super) up: u64,
    pub(super) down: u64,
    /// What the screen says when it did not go well.
    pub(super) words: String,
    /// The cause, for the one who tells.
    pub(super) why: String,
}

impl Visited {
    fn of(answer: &Value) -> Self {
        Self {
            well: answer.get("well") == Some(&Value::Bool(true)),
            received: number(answer, "received"),
            up: number(answer, "up"),
            down: number(answer, "down"),
            words: text(answer, "words"),
            why: text(answer, "why"),
        }
    }
}

/// A text of an answer; empty when it is not there.
pub(super) fn text(value: &Value, name: &str) -> String {
    let found = value.get(name).and_then(Value::as_str);
    found.unwrap_or_default().to_owned()
}

fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or(0)
}

/// A field of a page.
pub(super) fn field<'a>(page: &'a Value, id: &str) -> Outcome<&'a Value> {
    let fields = page.get("fields").and_then(Value::as_array);
    let found = fields
        .into_iter()
        .flatten()
        .find(|field| field.get("id").and_then(Value::as_str) == Some(id));
    found.ok_or_else(|| Fault::new(format!("the page has no field {id}")))
}

/// The values that stand at a field: the one shown first, then the others.
pub(super) fn values(field: &Value) -> Vec<&Value> {
    let rivals = field.get("rivals").and_then(Value::as_array);
    std::iter::once(field)
        .chain(rivals.into_iter().flatten())
        .collect()
}
