//! Visits: the host carries bytes there and back, this file says which and when.
//!
//! One visit is on its way at a time. What an answer says is on the disk before `response`
//! returns; an answer that never comes costs nothing, because nothing was counted as sent.

use sync_core::exchange::ProblemCode;
use sync_core::ids::{KeyId, sha256};
use sync_core::replica::{AnswerError, Next, Outgoing, Replica, SendError, Standing};

use super::{Inner, Phone, count, model};
use crate::{PhoneError, words};

/// First pause after a visit that failed.
const PAUSE_FIRST_S: i64 = 30;
/// Longest pause after visits that failed.
const PAUSE_LONGEST_S: i64 = 3_600;
/// Pause while nobody has confirmed the phone: people stand there and wait.
const PAUSE_UNCONFIRMED_S: i64 = 600;
/// Pause while there is nothing to send.
const PAUSE_IDLE_S: i64 = 86_400;

/// So many visits in a row may bring nothing: the server asks for tips, for a head, for a nonce.
const FRUITLESS_MAX: u32 = 5;

const HTTP_OK: u16 = 200;

/// What the host sends: `POST {url}/v1/sync` with `body`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Visit {
    /// Names the visit, for its answer.
    pub id: u64,
    /// The body.
    pub body: Vec<u8>,
}

/// What a visit brought; it is on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Visited {
    /// Changes of this phone that the server now has on its disk, in the log.
    pub received_now: u32,
    /// Changes of this phone that were set aside: `waiting` says why.
    pub refused_now: u32,
    /// Changes that were said again on a new chain, because a copy of this phone was faster.
    pub said_again: u32,
    /// Come again at once: more waits, here or there.
    pub again: bool,
    /// Names of the records that changed, in hex.
    pub touched: Vec<String>,
    /// As in `SavedRecord`.
    pub high_water: u64,
}

/// What the host saw of a visit that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum VisitFailure {
    /// There is no network, or the name or address cannot be reached.
    NoNetwork,
    /// It took too long.
    Timeout,
    /// The certificate is not yet, or no longer, valid by the phone's clock.
    TlsClock,
    /// The server could not show that it is the one.
    TlsOther,
    /// A status other than 200, without a body that can be given to `response`.
    HttpStatus,
    /// The host gave it up before an answer came: the person left, the system stopped the job.
    /// Nothing is wrong, so no problem is shown and the next visit is not put off.
    GivenUp,
}

/// What last went wrong on the way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum ProblemKind {
    /// See [`VisitFailure`].
    NoNetwork,
    /// See [`VisitFailure`].
    Timeout,
    /// See [`VisitFailure`].
    TlsClock,
    /// See [`VisitFailure`].
    TlsOther,
    /// Something between phone and server answered.
    HttpStatus,
    /// The answer was cut or damaged.
    BadAnswer,
    /// The answer is not from the server that this phone trusts.
    Forged,
    /// The server does not know this phone.
    NotKnownThere,
    /// The server is busy or failed.
    Later,
    /// The server has no room.
    ServerFull,
    /// A newer release is needed.
    UpdateApp,
    /// The phone has no room for what came.
    StorageFull,
    /// The server takes nothing more from this phone until an officer confirms it.
    NotTaken,
}

/// What the screen says until a visit goes well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Problem {
    /// What it is.
    pub kind: ProblemKind,
    /// Words for the person, in Vietnamese.
    pub words: String,
}

/// What is known about visits. It is forgotten when the app ends: then the next is tried at once.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    outgoing: Option<(u64, Outgoing)>,
    visits: u64,
    /// Visits that failed since the last good one.
    failures: u32,
    last_try_s: Option<i64>,
    again: bool,
    /// Visits in a row that asked to come again and brought nothing.
    fruitless: u32,
    problem: Option<ProblemKind>,
}

impl Traffic {
    fn failed(&mut self, kind: ProblemKind, now_s: i64) {
        self.outgoing = None;
        self.failures = self.failures.saturating_add(1);
        self.last_try_s = Some(now_s);
        self.again = false;
        self.problem = Some(kind);
    }

    fn went_well(&mut self, again: bool, now_s: i64) {
        self.outgoing = None;
        self.failures = 0;
        self.last_try_s = Some(now_s);
        self.again = again;
        self.problem = None;
    }

    /// A server that says "again" for ever must not empty a battery.
    fn may_come_again(&mut self, next: &Next) -> bool {
        self.fruitless = if next.again && next.touched.is_empty() {
            self.fruitless.saturating_add(1)
        } else {
            0
        };
        next.again && self.fruitless < FRUITLESS_MAX
    }

    /// Takes the visit of this id; another one stays.
    fn take(&mut self, id: u64) -> Result<Outgoing, PhoneError> {
        match self.outgoing.take() {
            Some((open, outgoing)) if open == id => Ok(outgoing),
            other => {
                self.outgoing = other;
                Err(PhoneError::VisitOver)
            }
        }
    }
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Phone {
    /// The next visit: at most about `budget_bytes` up, and `answer_kib` down, 0 for the server's
    /// measure. At least one change is sent when one waits.
    ///
    /// # Errors
    /// `NotEnrolled`, `VisitOpen`.
    pub fn request(&self, budget_bytes: u32, answer_kib: u16) -> Result<Visit, PhoneError> {
        self.lock().request(budget_bytes, answer_kib)
    }

    /// Takes what came back, with its status. When this returns, it is on the disk.
    ///
    /// # Errors
    /// `VisitOver` for an answer that was taken before. Any other: nothing was taken, what was
    /// sent stays queued, and the same visit can be made again.
    pub fn response(
        &self,
        visit: u64,
        status: u16,
        body: Vec<u8>,
        now_s: i64,
    ) -> Result<Visited, PhoneError> {
        self.lock().response(visit, status, &body, now_s)
    }

    /// Says that a visit failed on the way. Its answer, if it comes later, is not taken.
    ///
    /// # Errors
    /// `NotEnrolled`, `VisitOver`.
    pub fn visit_failed(
        &self,
        visit: u64,
        failure: VisitFailure,
        now_s: i64,
    ) -> Result<(), PhoneError> {
        let mut inner = self.lock();
        let traffic = &mut inner.enrolled_mut()?.traffic;
        let _outgoing = traffic.take(visit)?;
        if let Some(kind) = kind_of(failure) {
            traffic.failed(kind, now_s);
        }
        Ok(())
    }

    /// What last went wrong on the way to the server, until a visit goes well.
    pub fn last_problem(&self) -> Option<Problem> {
        let inner = self.lock();
        let kind = inner.enrolled().ok()?.traffic.problem?;
        Some(Problem {
            kind,
            words: words::problem(kind).to_owned(),
        })
    }

    /// When to make the next visit, by the phone's clock; `None` before enrolment. A person who
    /// taps "send now" needs not wait for it.
    pub fn wake_at(&self, now_s: i64) -> Option<i64> {
        let inner = self.lock();
        let enrolled = inner.enrolled().ok()?;
        Some(wake_at(&enrolled.replica, &enrolled.traffic, now_s))
    }
}

impl Inner {
    fn request(&mut self, budget_bytes: u32, answer_kib: u16) -> Result<Visit, PhoneError> {
        let enrolled = self.enrolled()?;
        if enrolled.traffic.outgoing.is_some() {
            return Err(PhoneError::VisitOpen);
        }
        let budget = usize::try_from(budget_bytes).unwrap_or(usize::MAX);
        let outgoing = enrolled
            .replica
            .poll_request(model(), budget, answer_kib)
            .map_err(|SendError::NotEnrolled| PhoneError::NotEnrolled)?;
        let body = outgoing.body().to_vec();
        let traffic = &mut self.enrolled_mut()?.traffic;
        traffic.visits = traffic.visits.saturating_add(1);
        let id = traffic.visits;
        traffic.outgoing = Some((id, outgoing));
        Ok(Visit { id, body })
    }

    fn response(
        &mut self,
        visit: u64,
        status: u16,
        body: &[u8],
        now_s: i64,
    ) -> Result<Visited, PhoneError> {
        let outgoing = self.enrolled_mut()?.traffic.take(visit)?;
        let before = Tally::of(self.replica()?);
        let next = match self.take_answer(&outgoing, status, body) {
            Ok(next) => next,
            Err(error) => {
                // without a name of its own it is one that passes
                let kind = kind_of_error(&error).unwrap_or(ProblemKind::Later);
                self.enrolled_mut()?.traffic.failed(kind, now_s);
                return Err(error);
            }
        };
        let said_again = if next.say_again {
            // when there is no room, the next answer or the next start does it
            self.say_again().unwrap_or(0)
        } else {
            0
        };
        let mut touched = next.touched.clone();
        // the answer is on the disk; what cannot leave now leaves after the next one
        touched.extend(self.let_go(now_s).unwrap_or_default());
        let enrolled = self.enrolled_mut()?;
        let after = Tally::of(&enrolled.replica);
        let again = enrolled.traffic.may_come_again(&next) || said_again > 0;
        enrolled.traffic.went_well(again, now_s);
        if !again && enrolled.replica.has_queued() {
            enrolled.traffic.problem = Some(ProblemKind::NotTaken);
        }
        Ok(Visited {
            received_now: after.received.saturating_sub(before.received),
            refused_now: after.refused.saturating_sub(before.refused),
            said_again,
            again,
            touched: touched.iter().map(ToString::to_string).collect(),
            high_water: enrolled.replica.high_water(),
        })
    }

    /// Reads an answer and puts what it says on the disk.
    fn take_answer(
        &mut self,
        outgoing: &Outgoing,
        status: u16,
        body: &[u8],
    ) -> Result<Next, PhoneError> {
        let replica = &mut self.enrolled_mut()?.replica;
        let next = match replica.handle_answer(model(), outgoing, body) {
            Ok(next) => next,
            // whatever stood in for the server's answer, its status says more than its bytes
            Err(AnswerError::Unreadable(_)) if status != HTTP_OK => {
                return Err(of_status(status));
            }
            Err(error) => return Err(of_answer(&error)),
        };
        if let Err(error) = self.apply(&next.ops) {
            self.reload()?;
            return Err(error);
        }
        Ok(next)
    }
}

/// Changes of this phone that have come to rest.
struct Tally {
    received: u32,
    refused: u32,
}

impl Tally {
    fn of(replica: &Replica) -> Self {
        let own = |standing: fn(Standing) -> bool| {
            let own = replica
                .changes()
                .filter(|(full, is)| full.change.device == replica.device() && standing(*is));
            count(own.count())
        };
        Self {
            received: own(|is| is == Standing::Received),
            refused: own(|is| matches!(is, Standing::Aside(_))),
        }
    }
}

fn of_answer(error: &AnswerError) -> PhoneError {
    match error {
        AnswerError::Unreadable(_) => PhoneError::BadAnswer,
        // an older state comes from a copy of the server that must not be believed either
        AnswerError::Forged | AnswerError::Older | AnswerError::Unsound(_) => PhoneError::Forged,
        AnswerError::Problem(problem) => match problem.code {
            Some(ProblemCode::Upgrade) | None => PhoneError::UpdateApp,
            Some(ProblemCode::TooLarge) => PhoneError::TooMuch,
            Some(ProblemCode::UnknownDevice | ProblemCode::Signature) => {
                PhoneError::NotKnownThere
            }
            Some(ProblemCode::DiskFull) => PhoneError::ServerFull,
            Some(
                ProblemCode::Later
                | ProblemCode::Failed
                // damaged on the way up, or asked for once already: another try may pass
                | ProblemCode::Malformed
                | ProblemCode::ShowTips
                | ProblemCode::ShowHead,
            ) => PhoneError::Later,
        },
    }
}

fn of_status(status: u16) -> PhoneError {
    match status {
        413 => PhoneError::TooMuch,
        429 | 503 => PhoneError::Later,
        507 => PhoneError::ServerFull,
        _ => PhoneError::HttpStatus { status },
    }
}

fn kind_of_error(error: &PhoneError) -> Option<ProblemKind> {
    let same = |named: &PhoneError| std::mem::discriminant(named) == std::mem::discriminant(error);
    let kinds = [
        (PhoneError::BadAnswer, ProblemKind::BadAnswer),
        (PhoneError::Forged, ProblemKind::Forged),
        (PhoneError::NotKnownThere, ProblemKind::NotKnownThere),
        (PhoneError::ServerFull, ProblemKind::ServerFull),
        (PhoneError::UpdateApp, ProblemKind::UpdateApp),
        (PhoneError::StorageFull, ProblemKind::StorageFull),
        (
            PhoneError::HttpStatus { status: 0 },
            ProblemKind::HttpStatus,
        ),
    ];
    let found = kinds.iter().find(|(named, _)| same(named));
    found.map(|(_, kind)| *kind)
}

fn kind_of(failure: VisitFailure) -> Option<ProblemKind> {
    match failure {
        VisitFailure::NoNetwork => Some(ProblemKind::NoNetwork),
        VisitFailure::Timeout => Some(ProblemKind::Timeout),
        VisitFailure::TlsClock => Some(ProblemKind::TlsClock),
        VisitFailure::TlsOther => Some(ProblemKind::TlsOther),
        VisitFailure::HttpStatus => Some(ProblemKind::HttpStatus),
        VisitFailure::GivenUp => None,
    }
}

fn wake_at(replica: &Replica, traffic: &Traffic, now_s: i64) -> i64 {
    let Some(last_s) = traffic.last_try_s else {
        return now_s;
    };
    let stuck = traffic.problem == Some(ProblemKind::NotTaken);
    let pause = if traffic.failures > 0 {
        pause_after(traffic.failures)
    } else if traffic.again || (replica.has_queued() && !stuck) {
        return now_s;
    } else if replica.is_confirmed() {
        PAUSE_IDLE_S
    } else {
        PAUSE_UNCONFIRMED_S
    };
    let pause = sooner(pause, replica.device(), traffic.visits);
    // a clock that was set back must not make the phone wait for years
    if last_s > now_s {
        return now_s.saturating_add(pause);
    }
    last_s.saturating_add(pause).max(now_s)
}

/// Doubles with each failure.
fn pause_after(failures: u32) -> i64 {
    let doublings = failures.saturating_sub(1).min(16);
    (PAUSE_FIRST_S << doublings).min(PAUSE_LONGEST_S)
}

/// Up to a quarter sooner, otherwise for each phone and visit, so that the phones of a district do
/// not all come at once when its network comes back.
fn sooner(pause: i64, device: KeyId, visits: u64) -> i64 {
    let hash = sha256(&[device.as_bytes(), &visits.to_be_bytes()].concat());
    let byte = hash.0.first().copied().unwrap_or(0);
    pause - pause * i64::from(byte) / 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_differ_by_phone() {
        let pauses: Vec<i64> = (1..=9).map(pause_after).collect();
        assert_eq!(pauses, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(pause_after(u32::MAX), PAUSE_LONGEST_S);
        let at = |device| sooner(3_600, KeyId([device; 8]), 1);
        let mut all: Vec<i64> = (0..20).map(at).collect();
        assert!(all.iter().all(|pause| (2_700..=3_600).contains(pause)));
        assert_eq!(at(3), at(3));
        all.dedup();
        assert!(all.len() > 10);
    }
}
