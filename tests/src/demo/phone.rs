//! One phone: a process with its own store, its own clock and its own TLS.
//!
//! It reads commands as lines of JSON and answers each with one line, `{"ok": …}` or
//! `{"fault": …}`. When its input closes it ends at once: what it said it saved is on the disk.

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use mobile_ffi::{
    Clock, DayInput, FieldInput, Form, FormField, Group, InputValue, ListFilter, Phone, TimeInput,
    VisitFailure,
};
use serde_json::{Value, json};
use sync_core::ids::sha256;
use sync_core::view::day_text;

use super::tell::{complain, end, line};
use super::web::{Broken, Link, Reply, WallClock, trust};
use super::{Fault, Outcome};

/// Longest visit.
const VISIT_MAX: Duration = Duration::from_secs(10);
/// Bytes up that a visit may take, about.
const BUDGET_BYTES: u32 = 32_000;
/// Visits until nothing more waits.
const VISITS_MAX: u32 = 40;
/// Rows of a list.
const ROWS_MAX: u32 = 500;
/// Minutes ahead of UTC.
const OFFSET_MINUTES: i16 = 420;
const DAY_S: i64 = 86_400;

/// Is one phone.
pub(super) fn main(home: &Path) -> ExitCode {
    let (send, commands) = channel();
    thread::spawn(move || {
        for read in std::io::stdin().lines() {
            let Ok(read) = read else { break };
            if send.send(read).is_err() {
                break;
            }
        }
        end(0);
    });
    let host = match Host::open(home) {
        Ok(host) => host,
        Err(fault) => {
            complain(&format!("{}: {fault}", home.display()));
            return ExitCode::FAILURE;
        }
    };
    line(&json!({ "ok": "ready" }).to_string());
    for told in commands {
        let answer = match host.act(&told) {
            Ok(value) => json!({ "ok": value }),
            Err(Fault(why)) => json!({ "fault": why }),
        };
        line(&answer.to_string());
    }
    ExitCode::SUCCESS
}

/// What an app is around the library: sockets, files, clocks.
struct Host {
    phone: Phone,
    home: PathBuf,
    clock: Arc<WallClock>,
    began: Instant,
}

impl Host {
    fn open(home: &Path) -> Outcome<Self> {
        fs::create_dir_all(home)?;
        let key_path = home.join("keystore");
        if !key_path.exists() {
            let mut key = [0; 32];
            getrandom::fill(&mut key)?;
            fs::write(&key_path, key)?;
        }
        let high_water = fs::read_to_string(home.join("high-water")).unwrap_or_default();
        let clock = WallClock::right();
        let phone = Phone::open(
            home.join("store").display().to_string(),
            fs::read(&key_path)?,
            high_water.trim().parse().unwrap_or(0),
            clock.now_s(),
        )?;
        Ok(Self {
            phone,
            home: home.to_owned(),
            clock,
            began: Instant::now(),
        })
    }

    fn act(&self, told: &str) -> Outcome<Value> {
        let told: Value = serde_json::from_str(told)?;
        match text(&told, "do")? {
            "enrol" => self.enrol(text(&told, "code")?),
            "clock" => {
                self.clock.set(told.get("shows_s").and_then(Value::as_i64));
                Ok(Value::Null)
            }
            "save" => self.save(&told),
            "edit" => self.edit(&told),
            "choose" => self.choose(&told),
            "visit" => self.visit(road(&told)?),
            "sync" => self.sync(road(&told)?),
            "status" => Ok(self.status()),
            "show" => self.show(text(&told, "record")?),
            "list" => self.list(text(&told, "lane")?),
            other => Err(Fault::new(format!("no command {other:?}"))),
        }
    }

    /// Seconds of the wall clock, and of the one that only runs forward.
    fn clock(&self) -> Clock {
        Clock {
            wall_s: self.clock.now_s(),
            mono_s: u32::try_from(self.began.elapsed().as_secs()).unwrap_or(u32::MAX),
        }
    }

    /// Kept where no backup of the store reaches.
    fn keep(&self, high_water: u64) -> Outcome<()> {
        let mut file = fs::File::create(self.home.join("high-water"))?;
        write!(file, "{high_water}")?;
        file.sync_all()?;
        Ok(())
    }

    fn enrol(&self, code: &str) -> Outcome<Value> {
        let step = self.phone.enrol_begin(code.to_owned())?;
        let server = address_of(&step.url)?;
        let (reply, _, _) = self.post(server, "/v1/enrol", &step.body)?;
        self.phone.enrol_finish(reply.status, reply.body)?;
        Ok(json!({ "group": step.group_name, "digits": self.phone.digits() }))
    }

    fn group(&self) -> Outcome<Group> {
        let mut groups = self.phone.groups()?.into_iter();
        groups.next().ok_or_else(|| Fault::new("it is in no group"))
    }

    fn save(&self, told: &Value) -> Outcome<Value> {
        let (kind, group) = (text(told, "type")?, self.group()?);
        let chosen = told.pointer("/fields/kind").and_then(Value::as_str);
        let form = self
            .phone
            .form(kind.to_owned(), chosen.map(str::to_owned))?;
        let mut values = inputs(&form, told)?;
        values.extend(where_and_when(&form, &group, told));
        let saved = self.phone.save(
            group.id,
            member(told)?,
            None,
            kind.to_owned(),
            values,
            self.clock(),
        )?;
        self.keep(saved.high_water)?;
        Ok(json!({ "record": saved.record, "lane": form.lane }))
    }

    fn edit(&self, told: &Value) -> Outcome<Value> {
        let record = text(told, "record")?.to_owned();
        let page = self.phone.read(record.clone())?;
        let kind = page.fields.iter().find(|field| field.id == "kind");
        if kind.is_some() {
            return Err(Fault::new("the demonstration edits no record with a kind"));
        }
        let form = self.phone.form(page.type_id, None)?;
        let values = inputs(&form, told)?;
        let saved = self
            .phone
            .answer(record, member(told)?, values, self.clock())?;
        self.keep(saved.high_water)?;
        Ok(Value::Null)
    }

    fn choose(&self, told: &Value) -> Outcome<Value> {
        let saved = self.phone.choose(
            text(told, "record")?.to_owned(),
            member(told)?,
            text(told, "field")?.to_owned(),
            0,
            text(told, "change")?.to_owned(),
            self.clock(),
        )?;
        self.keep(saved.high_water)?;
        Ok(Value::Null)
    }

    /// One request, with the bytes that went up and down.
    fn post(&self, road: SocketAddr, path: &str, body: &[u8]) -> Result<(Reply, u64, u64), Broken> {
        let server = self.phone.server();
        let server = server.ok_or(Broken::NotHttp("no code was scanned"))?;
        let host = host_of(&server.url);
        let config = trust(&server.ca_der, Arc::clone(&self.clock))
            .map_err(|fault| Broken::Tls(fault.to_string()))?;
        let mut link = Link::open(road, host, config, VISIT_MAX)?;
        let reply = link.ask("POST", path, "", body)?;
        let (up, down) = link.traffic();
        Ok((reply, up, down))
    }

    fn visit(&self, road: SocketAddr) -> Outcome<Value> {
        let visit = self.phone.request(BUDGET_BYTES, 0)?;
        let (reply, up, down) = match self.post(road, "/v1/sync", &visit.body) {
            Ok(came) => came,
            Err(broken) => {
                let now_s = self.clock.now_s();
                self.phone.visit_failed(visit.id, failure(&broken), now_s)?;
                return Ok(self.problem(&broken.words()));
            }
        };
        let now_s = self.clock.now_s();
        match self
            .phone
            .response(visit.id, reply.status, reply.body, now_s)
        {
            Ok(done) => {
                self.keep(done.high_water)?;
                Ok(json!({
                    "well": true,
                    "received": done.received_now,
                    "refused": done.refused_now,
                    "touched": done.touched.len(),
                    "again": done.again,
                    "up": up,
                    "down": down,
                }))
            }
            Err(error) => Ok(self.problem(&error.to_string())),
        }
    }

    fn problem(&self, why: &str) -> Value {
        let words = self.phone.last_problem().map(|problem| problem.words);
        json!({ "well": false, "why": why, "words": words })
    }

    fn sync(&self, road: SocketAddr) -> Outcome<Value> {
        let (mut received, mut refused, mut up, mut down) = (0, 0, 0, 0);
        let number = |done: &Value, name: &str| done.get(name).and_then(Value::as_u64);
        for _ in 0..VISITS_MAX {
            let done = self.visit(road)?;
            if done.get("well") != Some(&Value::Bool(true)) {
                return Ok(done);
            }
            received += number(&done, "received").unwrap_or(0);
            refused += number(&done, "refused").unwrap_or(0);
            up += number(&done, "up").unwrap_or(0);
            down += number(&done, "down").unwrap_or(0);
            if done.get("again") != Some(&Value::Bool(true)) {
                return Ok(json!({
                    "well": true,
                    "received": received,
                    "refused": refused,
                    "up": up,
                    "down": down,
                }));
            }
        }
        Err(Fault::new("the visits have no end"))
    }

    fn status(&self) -> Value {
        let status = self.phone.status();
        let waiting = self.phone.waiting().unwrap_or_default();
        let waiting: Vec<Value> = waiting
            .into_iter()
            .map(|row| {
                let said: Vec<String> = row.said.into_iter().map(|field| field.text).collect();
                json!({ "label": row.label, "words": row.words, "said": said })
            })
            .collect();
        json!({
            "confirmed": status.confirmed,
            "closed": status.closed,
            "records": status.records,
            "queued": status.queued,
            "refused": status.refused,
            "waiting": waiting,
        })
    }

    /// A record as people see it. `said` is the same on every phone that has all of it.
    fn show(&self, record: &str) -> Outcome<Value> {
        let page = self.phone.read(record.to_owned())?;
        let mut fields = Vec::new();
        for field in &page.fields {
            let rivals: Vec<Value> = field
                .rivals
                .iter()
                .map(|row| json!({ "text": row.text, "change": row.change, "who": row.member }))
                .collect();
            fields.push(json!({
                "id": field.id,
                "label": field.label,
                "text": field.value.text,
                "change": field.value.change,
                "who": field.value.member,
                "rivals": rivals,
                "history": field.history.len(),
            }));
        }
        let remarks: Vec<Value> = page
            .remarks
            .iter()
            .map(|row| {
                json!({
                    "officer": row.officer,
                    "at": row.field_label,
                    "state": row.state,
                    "reason": row.reason,
                    "words": row.words,
                })
            })
            .collect();
        let missing: Vec<&str> = page.missing.iter().map(|row| row.label.as_str()).collect();
        let said = json!([
            page.label,
            page.author,
            page.received_s,
            fields,
            remarks,
            missing
        ]);
        Ok(json!({
            "label": page.label,
            "lane": page.lane,
            "written_s": page.written_s,
            "received_s": page.received_s,
            "state": page.badge.state,
            "unanswered": page.badge.unanswered,
            "digest": sha256(said.to_string().as_bytes()).to_string(),
            "fields": fields,
            "remarks": remarks,
            "missing": missing,
        }))
    }

    /// Records of a lane, newest first, each with its digest.
    fn list(&self, lane: &str) -> Outcome<Value> {
        let filter = ListFilter {
            lane: Some(lane.to_owned()),
            limit: ROWS_MAX,
            ..ListFilter::default()
        };
        let mut rows = Vec::new();
        for row in self.phone.list(filter)? {
            let page = self.show(&row.record)?;
            rows.push(json!({
                "record": row.record,
                "label": row.label,
                "headline": row.headline,
                "digest": page.get("digest"),
            }));
        }
        Ok(Value::Array(rows))
    }
}

fn failure(broken: &Broken) -> VisitFailure {
    match broken {
        Broken::Timeout => VisitFailure::Timeout,
        Broken::Clock => VisitFailure::TlsClock,
        Broken::Tls(_) => VisitFailure::TlsOther,
        Broken::NotHttp(_) => VisitFailure::HttpStatus,
        Broken::Network(_) => VisitFailure::NoNetwork,
    }
}

fn text<'a>(told: &'a Value, name: &str) -> Outcome<&'a str> {
    let found = told.get(name).and_then(Value::as_str);
    found.ok_or_else(|| Fault::new(format!("{name} is missing in {told}")))
}

fn member(told: &Value) -> Outcome<u16> {
    let found = told.get("member").and_then(Value::as_u64);
    let found = found.and_then(|number| u16::try_from(number).ok());
    found.ok_or_else(|| Fault::new("nobody was chosen as the one who writes"))
}

fn road(told: &Value) -> Outcome<SocketAddr> {
    Ok(text(told, "road")?.parse()?)
}

fn host_of(url: &str) -> &str {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    rest.rsplit_once(':').map_or(rest, |(host, _)| host)
}

fn address_of(url: &str) -> Outcome<SocketAddr> {
    Ok(url.strip_prefix("https://").unwrap_or(url).parse()?)
}

/// What was typed and tapped, by the kinds that the form says.
fn inputs(form: &Form, told: &Value) -> Outcome<Vec<FieldInput>> {
    let mut values = Vec::new();
    let typed = told.get("fields").and_then(Value::as_object);
    for (name, value) in typed.into_iter().flatten() {
        let field = form
            .fields
            .iter()
            .find(|field| field.id == *name)
            .ok_or_else(|| Fault::new(format!("{} has no field {name}", form.type_id)))?;
        let value = value.as_str().unwrap_or_default();
        values.push(put(name, input(field, value)));
    }
    Ok(values)
}

fn input(field: &FormField, value: &str) -> InputValue {
    match field.kind.as_str() {
        "yes_no" => InputValue::YesNo {
            yes: value == "yes",
        },
        "choice" => InputValue::Choice {
            id: value.to_owned(),
        },
        "choices" => InputValue::Choices {
            ids: value.split('+').map(str::to_owned).collect(),
        },
        "text" | "code" => InputValue::Text {
            text: value.to_owned(),
        },
        _ => InputValue::Number {
            text: value.to_owned(),
        },
    }
}

/// What an app fills in by itself: the place, and when it was.
fn where_and_when(form: &Form, group: &Group, told: &Value) -> Vec<FieldInput> {
    let has = |name: &str| form.fields.iter().any(|field| field.id == name);
    let closed = form.lane.as_deref() != Some("open");
    let mut values = Vec::new();
    let area = if closed { &group.commune } else { &group.area };
    if let Some(area) = area.clone().filter(|_| has("area_id")) {
        values.push(put("area_id", InputValue::Area { id: area }));
    }
    let days_ago = told.get("days_ago").and_then(Value::as_i64).unwrap_or(0);
    let Some(day) = day_before(days_ago) else {
        return values;
    };
    let at = |hour| TimeInput {
        day,
        hour,
        minute: 30,
        offset_minutes: OFFSET_MINUTES,
    };
    if has("occurred") {
        values.push(put(
            "occurred",
            InputValue::Interval {
                start: at(20),
                end: Some(at(22)),
            },
        ));
    } else if has("day") {
        values.push(put("day", InputValue::Day { day }));
    }
    values
}

/// The day is what the member says, not what a clock shows: it is right on a wrong clock too.
fn day_before(days_ago: i64) -> Option<DayInput> {
    let days = super::web::true_now_s() / DAY_S - days_ago;
    let text = day_text(i32::try_from(days).ok()?);
    let mut parts = text.split('/');
    Some(DayInput {
        day: parts.next()?.parse().ok()?,
        month: parts.next()?.parse().ok()?,
        year: parts.next()?.parse().ok()?,
    })
}

fn put(field: &str, value: InputValue) -> FieldInput {
    FieldInput {
        field: field.to_owned(),
        item: 0,
        value,
    }
}
