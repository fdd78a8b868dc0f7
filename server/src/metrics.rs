//! Sums of what the server did, for whoever watches over it: `/metrics`.
//!
//! No label names a person, a phone, a group, an account, an area or an address, and nothing is
//! counted apart for any of them: a small number beside a group would tell what somebody did. A
//! label is a word of a closed list; every series is there from the start, at 0.
//!
//! Counting is an addition to a number in memory; nothing here waits or fails.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry, Unit};
use sync_core::exchange::{Fate, Outcome, ProblemCode};
use sync_core::log::{AsideReason, EntryKind};

/// A label with its word; both stand in this program, so no request can bring one.
type Label<const N: usize> = [(&'static str, &'static str); N];
type Counts<const N: usize> = Family<Label<N>, Counter>;

/// Upper ends of the buckets for times of a disk, in seconds.
const COMMIT_BUCKETS: [f64; 10] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5,
];
/// Upper ends of the buckets for visits in one transaction.
const BATCH_BUCKETS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 512.0];

/// How a handshake ended.
pub const HANDSHAKES: [&str; 5] = ["full", "resumed", "failed", "plain_http", "cut"];
/// Why a connection was cut.
pub const SHED: [&str; 7] = [
    "handshake",
    "head",
    "request",
    "answer",
    "idle",
    "room",
    "shutdown",
];
/// What became of a visit.
pub const VISITS: [&str; 16] = [
    "answered",
    "upgrade",
    "malformed",
    "too_large",
    "unknown_device",
    "signature",
    "show_tips",
    "show_head",
    "disk_full",
    "too_often",
    "busy_bodies",
    "busy_writer",
    "cut",
    "media_type",
    "refused",
    "failed",
];
/// What became of a request to enrol.
pub const ENROLMENTS: [&str; 6] = ["asked", "known", "refused", "malformed", "busy", "failed"];
/// What became of the changes of a chain that a visit brought.
pub const CHAINS: [&str; 6] = ["received", "waiting", "gap", "forked", "refused", "full"];
/// Kinds of entries of the log: a change that was admitted, one that was set aside, and acts.
pub const KINDS: [&str; 4] = ["change", "aside", "review", "control"];
/// Why a change was set aside.
pub const ASIDES: [&str; 14] = [
    "unknown_record",
    "unknown_head",
    "follows_aside",
    "vocabulary",
    "closed_lane",
    "sealed",
    "role",
    "member",
    "too_many_changes",
    "not_yours",
    "link",
    "not_enrolled",
    "right_lost",
    "revoked",
];
/// Which way bytes went.
pub const DIRECTIONS: [&str; 2] = ["in", "out"];
/// Answers by the first digit of their status.
pub const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];
/// Where a request went: routes, with names in place of what was asked for.
pub const ROUTES: [&str; 30] = [
    "/healthz",
    "/v1/sync",
    "/v1/enrol",
    "/",
    "/console",
    "/console/",
    "/console/record/{record}",
    "/console/record/{record}/review",
    "/console/devices",
    "/console/devices/{group}/{device}/confirm",
    "/console/devices/{group}/{device}/refuse",
    "/console/devices/{group}/{device}/revoke",
    "/console/enrol",
    "/console/enrol/{invite}",
    "/console/period",
    "/console/period/close",
    "/console/groups",
    "/console/groups/{group}",
    "/console/acts",
    "/console/acts/{group}",
    "/console/quarantine",
    "/console/quarantine/{chain}/{seq}",
    "/console/quarantine/{chain}/{seq}/admit",
    "/console/sign-in",
    "/console/sign-out",
    "/console/language",
    "/console/console.css",
    "/console/icon.svg",
    "/console/{*rest}",
    OTHER_ROUTE,
];
/// What has no route of its own in [`ROUTES`].
const OTHER_ROUTE: &str = "other";
/// Databases that are measured.
pub const DISKS: [&str; 2] = ["data", "standby"];

/// What is looked up when somebody asks, and not counted as it happens.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Entries of the log.
    pub entries: u64,
    /// Entries that a copy on another disk has confirmed; `None` when none is kept.
    pub safe_entries: Option<u64>,
    /// Counts restores.
    pub generation: u32,
    /// Bytes of the database with its write-ahead log.
    pub database_bytes: u64,
    /// Bytes that this user may still write on the disk of the data.
    pub free_bytes: u64,
    /// The same on the disk of the copy; `None` when none is kept, or it is not there.
    pub standby_free_bytes: Option<u64>,
    /// When the last backup was made, in seconds since 1970; 0 when none was.
    pub backup_s: i64,
}

/// How things stand; set when somebody asks.
#[derive(Debug)]
struct StandingGauges {
    entries: Gauge,
    behind: Gauge,
    standby_kept: Gauge,
    generation: Gauge,
    database: Gauge,
    free: Family<Label<1>, Gauge>,
    backup: Gauge,
}

impl StandingGauges {
    fn new(r: &mut Registry) -> Self {
        let behind = "entries that no copy on another disk has confirmed";
        let kept = "1 when a copy on another disk is kept";
        let size = "size of the database with its write-ahead log";
        let free = "bytes that may still be written, by disk";
        let backup = "when the last backup was made, since 1970; 0 when none was";
        Self {
            entries: gauge(r, "log_entries", "entries of the log"),
            behind: gauge(r, "standby_lag_entries", behind),
            standby_kept: gauge(r, "standby_kept", kept),
            generation: gauge(r, "generation", "counts restores"),
            database: add_with(r, "database", size, Unit::Bytes, Gauge::default()),
            free: add_with(r, "disk_free", free, Unit::Bytes, Family::default()),
            backup: add_with(
                r,
                "last_backup_timestamp",
                backup,
                Unit::Seconds,
                Gauge::default(),
            ),
        }
    }

    fn set(&self, now: &Standing) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let safe = now.safe_entries.unwrap_or(0);
        self.entries.set(gauge(now.entries));
        self.behind.set(gauge(now.entries.saturating_sub(safe)));
        self.standby_kept.set(i64::from(now.safe_entries.is_some()));
        self.generation.set(i64::from(now.generation));
        self.database.set(gauge(now.database_bytes));
        let [data, standby] = DISKS;
        let free = |disk, bytes| {
            let label = [("disk", disk)];
            self.free.get_or_create(&label).set(gauge(bytes));
        };
        free(data, now.free_bytes);
        if let Some(bytes) = now.standby_free_bytes {
            free(standby, bytes);
        }
        self.backup.set(now.backup_s);
    }
}

/// All sums of one server.
pub struct Metrics {
    registry: Registry,
    visits: Counts<1>,
    enrolments: Counts<1>,
    chains: Counts<1>,
    entries_added: Counts<1>,
    changes_aside: Counts<1>,
    bytes: Counts<1>,
    requests: Counts<2>,
    handshakes: Counts<1>,
    accepted: Counter,
    accept_failures: Counter,
    shed: Counts<1>,
    open: Gauge,
    connections_max: Gauge,
    batch: Histogram,
    commit: Histogram,
    queue: Gauge,
    standby_failing: Gauge,
    standing: StandingGauges,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics(..)")
    }
}

/// Adds a figure to the exposition and gives it back.
fn add<M: Metric + Clone>(r: &mut Registry, name: &str, help: &str, figure: M) -> M {
    r.register(name, help, figure.clone());
    figure
}

/// The same, in a unit, which ends the name.
fn add_with<M: Metric + Clone>(
    r: &mut Registry,
    name: &str,
    help: &str,
    unit: Unit,
    figure: M,
) -> M {
    r.register_with_unit(name, help, unit, figure.clone());
    figure
}

fn gauge(r: &mut Registry, name: &str, help: &str) -> Gauge {
    add(r, name, help, Gauge::default())
}

/// Counts by a word of a closed list: all of them are there from the start.
fn counts(
    r: &mut Registry,
    name: &str,
    help: &str,
    key: &'static str,
    words: &[&'static str],
) -> Counts<1> {
    let family = add(r, name, help, Counts::default());
    for word in words {
        drop(family.get_or_create(&[(key, word)]));
    }
    family
}

/// Counts by route and class.
fn requests(r: &mut Registry) -> Counts<2> {
    let help = "requests, by route and first digit of the status";
    let family = add(r, "requests", help, Counts::default());
    for route in ROUTES {
        drop(family.get_or_create(&[("route", route), ("class", "2xx")]));
    }
    family
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Sums of nothing.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("binhyen");
        let r = &mut registry;
        r.register(
            "build",
            "the release that runs",
            Info::new([("version", env!("CARGO_PKG_VERSION"))]),
        );
        let visits = "visits of phones, by what became of them";
        let enrolments = "requests to enrol a phone, by what became of them";
        let chains = "chains of changes that visits brought, by what became of them";
        let added = "entries added to the log, by kind";
        let asides = "changes set aside, by reason";
        let bytes = "bytes of HTTP inside of TLS";
        let handshakes = "connections, by how their TLS began";
        let shed = "connections that were cut, by cause";
        let accept_failures = "times that the system gave no connection";
        let commit = "time of a commit, in which the disk is synced";
        let failing = "1 while the copy on the other disk does not follow";
        Self {
            visits: counts(r, "visits", visits, "outcome", &VISITS),
            enrolments: counts(r, "enrolments", enrolments, "outcome", &ENROLMENTS),
            chains: counts(r, "chains", chains, "outcome", &CHAINS),
            entries_added: counts(r, "entries_added", added, "kind", &KINDS),
            changes_aside: counts(r, "changes_aside", asides, "reason", &ASIDES),
            bytes: counts(r, "http_bytes", bytes, "direction", &DIRECTIONS),
            requests: requests(r),
            handshakes: counts(r, "handshakes", handshakes, "outcome", &HANDSHAKES),
            accepted: add(
                r,
                "connections_accepted",
                "connections taken",
                Counter::default(),
            ),
            accept_failures: add(r, "accept_failures", accept_failures, Counter::default()),
            shed: counts(r, "connections_shed", shed, "cause", &SHED),
            open: gauge(r, "connections_open", "connections open now"),
            connections_max: gauge(r, "connections_max", "room for connections"),
            batch: add(
                r,
                "commit_visits",
                "visits in one transaction",
                Histogram::new(BATCH_BUCKETS),
            ),
            commit: add_with(
                r,
                "commit",
                commit,
                Unit::Seconds,
                Histogram::new(COMMIT_BUCKETS),
            ),
            queue: gauge(r, "writer_queue", "jobs that wait for the writer"),
            standby_failing: gauge(r, "standby_failing", failing),
            standing: StandingGauges::new(r),
            registry,
        }
    }

    /// All sums, as OpenMetrics text.
    #[must_use]
    pub fn text(&self, now: &Standing) -> String {
        self.standing.set(now);
        let mut text = String::new();
        // Writing to a string has no faults; half of the figures would mislead.
        if encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }

    /// A visit of a phone has ended.
    pub(crate) fn visit(&self, outcome: VisitEnd) {
        self.visits
            .get_or_create(&[("outcome", outcome.word())])
            .inc();
    }

    /// A request to enrol has ended.
    pub(crate) fn enrolment(&self, outcome: EnrolEnd) {
        let [asked, known, refused, malformed, busy, failed] = ENROLMENTS;
        let word = match outcome {
            EnrolEnd::Asked => asked,
            EnrolEnd::Known => known,
            EnrolEnd::Refused => refused,
            EnrolEnd::Malformed => malformed,
            EnrolEnd::Busy => busy,
            EnrolEnd::Failed => failed,
        };
        self.enrolments.get_or_create(&[("outcome", word)]).inc();
    }

    /// These fates were told to a phone.
    pub(crate) fn fates(&self, fates: &[Fate]) {
        let [received, waiting, gap, forked, refused, full] = CHAINS;
        for fate in fates {
            let word = match fate.outcome {
                Outcome::Received => received,
                Outcome::Waiting => waiting,
                Outcome::Gap => gap,
                Outcome::Forked => forked,
                Outcome::Refused => refused,
                Outcome::Full => full,
            };
            self.chains.get_or_create(&[("outcome", word)]).inc();
        }
    }

    /// This entry was added to the log; `aside` is why, when it is a change that was set aside.
    pub(crate) fn entry(&self, kind: EntryKind, aside: Option<AsideReason>) {
        let [change, set_aside, review, control] = KINDS;
        let word = match kind {
            EntryKind::Change => change,
            EntryKind::Aside => set_aside,
            EntryKind::Review => review,
            EntryKind::Control => control,
        };
        self.entries_added.get_or_create(&[("kind", word)]).inc();
        let nth = aside.and_then(|reason| AsideReason::ALL.iter().position(|it| *it == reason));
        if let Some(word) = nth.and_then(|nth| ASIDES.get(nth)) {
            self.changes_aside.get_or_create(&[("reason", *word)]).inc();
        }
    }

    /// A request was answered. `route` is the pattern that it matched.
    pub(crate) fn request(&self, route: Option<&str>, status: u16) {
        let route = ROUTES.into_iter().find(|known| Some(*known) == route);
        let nth = usize::from((status / 100).clamp(1, 5) - 1);
        let class = CLASSES.get(nth).copied().unwrap_or_default();
        let label = [("route", route.unwrap_or(OTHER_ROUTE)), ("class", class)];
        self.requests.get_or_create(&label).inc();
    }

    /// Bytes of HTTP came in.
    pub(crate) fn bytes_came(&self, count: usize) {
        let [inward, _] = DIRECTIONS;
        self.add_bytes(inward, count);
    }

    /// Bytes of HTTP went out.
    pub(crate) fn bytes_went(&self, count: usize) {
        let [_, outward] = DIRECTIONS;
        self.add_bytes(outward, count);
    }

    fn add_bytes(&self, direction: &'static str, count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        self.bytes
            .get_or_create(&[("direction", direction)])
            .inc_by(count);
    }

    /// A connection was taken; there may be so many.
    pub(crate) fn accepted(&self) {
        self.accepted.inc();
        self.open.inc();
    }

    /// A connection has ended.
    pub(crate) fn closed(&self) {
        self.open.dec();
    }

    /// Room for so many connections.
    pub(crate) fn room(&self, connections_max: usize) {
        let room = i64::try_from(connections_max).unwrap_or(i64::MAX);
        self.connections_max.set(room);
    }

    /// The system gave no connection.
    pub(crate) fn accept_failed(&self) {
        self.accept_failures.inc();
    }

    /// A handshake has ended.
    pub(crate) fn handshake(&self, end: HandshakeEnd) {
        let [full, resumed, failed, plain_http, cut] = HANDSHAKES;
        let word = match end {
            HandshakeEnd::Full => full,
            HandshakeEnd::Resumed => resumed,
            HandshakeEnd::Failed => failed,
            HandshakeEnd::PlainHttp => plain_http,
            HandshakeEnd::Cut => cut,
        };
        self.handshakes.get_or_create(&[("outcome", word)]).inc();
    }

    /// A connection was cut.
    pub(crate) fn shed(&self, cause: Shed) {
        let [handshake, head, request, answer, idle, room, shutdown] = SHED;
        let word = match cause {
            Shed::Handshake => handshake,
            Shed::Head => head,
            Shed::Request => request,
            Shed::Answer => answer,
            Shed::Idle => idle,
            Shed::Room => room,
            Shed::Shutdown => shutdown,
        };
        self.shed.get_or_create(&[("cause", word)]).inc();
    }

    /// So many visits went into one transaction.
    pub(crate) fn batch(&self, visits_count: usize) {
        let count = u32::try_from(visits_count).unwrap_or(u32::MAX);
        self.batch.observe(f64::from(count));
    }

    /// A commit took so long.
    pub(crate) fn commit(&self, took: Duration) {
        self.commit.observe(took.as_secs_f64());
    }

    /// A job waits for the writer.
    pub(crate) fn queued(&self) {
        self.queue.inc();
    }

    /// A job waits no more.
    pub(crate) fn taken(&self) {
        self.queue.dec();
    }

    /// Whether the copy on the other disk follows.
    pub(crate) fn standby_failing(&self, failing: bool) {
        self.standby_failing.set(i64::from(failing));
    }

    /// Whether the copy is kept and does not follow, as far as this process knows.
    pub(crate) fn is_standby_failing(&self) -> bool {
        self.standby_failing.get() != 0
    }
}

/// How a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HandshakeEnd {
    /// With a certificate.
    Full,
    /// With a ticket of before.
    Resumed,
    /// The peer does not speak it as it must.
    Failed,
    /// The peer spoke HTTP.
    PlainHttp,
    /// It was cut: too slow, no room, or the server stopped.
    Cut,
}

/// Why a connection was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shed {
    /// Its handshake took too long.
    Handshake,
    /// A head took too long.
    Head,
    /// A request took too long, most likely its body.
    Request,
    /// The peer took nothing of its answer.
    Answer,
    /// It asked nothing for too long.
    Idle,
    /// A stranger's, when others needed the room.
    Room,
    /// It outlived the grace of a shutdown.
    Shutdown,
}

/// What became of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum VisitEnd {
    /// It was answered.
    Answered,
    /// It was told this problem.
    Problem(ProblemCode),
    /// The device comes too often.
    TooOften,
    /// Too many bodies are on their way.
    BusyBodies,
    /// Too many jobs wait for the writer.
    BusyWriter,
    /// Its body ended early.
    Cut,
    /// Its body is of another type.
    MediaType,
    /// What it asked for was refused.
    Refused,
}

impl VisitEnd {
    fn word(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Problem(code) => match code {
                ProblemCode::Upgrade => "upgrade",
                ProblemCode::Malformed => "malformed",
                ProblemCode::TooLarge => "too_large",
                ProblemCode::UnknownDevice => "unknown_device",
                ProblemCode::Signature => "signature",
                ProblemCode::ShowTips => "show_tips",
                ProblemCode::ShowHead => "show_head",
                ProblemCode::DiskFull => "disk_full",
                ProblemCode::Later => "too_often",
                ProblemCode::Failed => "failed",
            },
            Self::TooOften => "too_often",
            Self::BusyBodies => "busy_bodies",
            Self::BusyWriter => "busy_writer",
            Self::Cut => "cut",
            Self::MediaType => "media_type",
            Self::Refused => "refused",
        }
    }
}

/// What became of a request to enrol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EnrolEnd {
    /// It waits for an officer now.
    Asked,
    /// The device is known already.
    Known,
    /// The code or the signature is not good.
    Refused,
    /// The bytes are no request.
    Malformed,
    /// Too much to do.
    Busy,
    /// The server failed.
    Failed,
}

#[cfg(test)]
mod tests;
