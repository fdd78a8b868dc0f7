//! The phone: one object for the whole screen, over the store and the replica.
//!
//! Every call takes the phone's lock, does its work and gives it back; none waits for a network.
//! Whatever a call says was saved is on the disk. A call that fails leaves everything as it was.

mod acts;
mod enrol;
mod form;
mod input;
mod list;
#[cfg(feature = "sqlite")]
mod open;
mod page;
#[cfg(test)]
mod tests;
mod visit;
mod write;

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use sync_core::codec::Model;
use sync_core::ids::{GroupId, RecordId};
use sync_core::invitation::Invitation;
use sync_core::keys::Secret;
use sync_core::replica::{Identity, Job, KEEP_DAYS, LoadRow, Replica, Standing};
use sync_core::vocabulary::Vocabulary;

pub use acts::GroupAct;
pub use enrol::EnrolStep;
pub use form::{Form, FormChoice, FormField, Group, Member, WritableType};
pub use input::{DayInput, FieldInput, InputValue, TimeInput};
pub use list::{BadgeView, ListFilter, Phase, Row, Waiting, WaitingField, WaitingWhy};
pub use page::{MissingField, PageField, RecordPage, Remark, SaidView};
pub use visit::{Problem, ProblemKind, Visit, VisitFailure, Visited};
pub use write::{Reissued, SavedRecord};

use crate::PhoneError;
use crate::store::Store;
use enrol::{Asked, Saved};
use visit::Traffic;

/// Tables of the replica, with room for later ones; below those of the phone itself.
const REPLICA_TABLES: std::ops::RangeInclusive<u8> = 1..=TABLE_PHONE - 1;
/// What the phone keeps beside the replica: the invitation and the device's key.
const TABLE_PHONE: u8 = 100;

/// The host's clocks, as they are now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Clock {
    /// Wall clock, in seconds since 1970; it may be wrong, and is never a reason to refuse.
    pub wall_s: i64,
    /// Seconds on a counter that only runs forward, since the phone was switched on.
    pub mono_s: u32,
}

/// Where the phone sends, and whom it trusts there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Server {
    /// `https://host:port`; the paths are `/v1/enrol` and `/v1/sync`.
    pub url: String,
    /// The only authority to trust there, DER; empty for those of the system.
    pub ca_der: Vec<u8>,
}

/// How the phone stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Status {
    /// Whether a server has taken its request to be enrolled.
    pub enrolled: bool,
    /// Whether an officer has confirmed it.
    pub confirmed: bool,
    /// Whether it was confirmed once and is in no group any more.
    pub closed: bool,
    /// Server time of the newest receipt.
    pub last_receipt_s: Option<i64>,
    /// Records on this phone.
    pub records: u32,
    /// Changes that are on this phone only.
    pub queued: u32,
    /// Changes that the server keeps until the phone is confirmed.
    pub waiting: u32,
    /// Changes that were set aside.
    pub refused: u32,
    /// Where a damaged store was put, when this start found one.
    pub put_aside: Option<String>,
}

/// A phone. Make one for a store, share it between threads.
#[derive(Debug)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Object))]
pub struct Phone {
    inner: Mutex<Inner>,
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Phone {
    /// How the phone stands.
    pub fn status(&self) -> Status {
        self.lock().status()
    }

    /// Where to send, once a code was scanned.
    pub fn server(&self) -> Option<Server> {
        self.lock().invitation().map(|invitation| Server {
            url: invitation.url.clone(),
            ca_der: invitation.ca_der.clone(),
        })
    }

    /// What the host keeps where no backup reaches, and gives to `open`. It is read anew after
    /// each save and each answer, and kept as it is, even when it went down.
    pub fn high_water(&self) -> u64 {
        let inner = self.lock();
        inner.replica().map_or(0, Replica::high_water)
    }
}

impl Phone {
    /// A phone over any store.
    pub(crate) fn over(
        store: Box<dyn Store>,
        path: String,
        high_water: u64,
        put_aside: Option<String>,
        now_s: i64,
    ) -> Result<Self, PhoneError> {
        let mut inner = Inner {
            store,
            path,
            saved: Saved::Blank,
            put_aside,
            has_traces: false,
        };
        inner.load(high_water)?;
        if matches!(inner.saved, Saved::Enrolled(_)) {
            // what cannot be written now leaves after the next answer
            let _later = inner.let_go(now_s);
        }
        Ok(Self {
            inner: Mutex::new(inner),
        })
    }

    /// A panic in another call cannot leave half a change behind: the store has whole batches, and
    /// the replica is changed after them.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A phone that a server has taken.
#[derive(Debug)]
struct Enrolled {
    invitation: Invitation,
    replica: Replica,
    traffic: Traffic,
}

/// What the lock holds.
struct Inner {
    store: Box<dyn Store>,
    path: String,
    saved: Saved,
    put_aside: Option<String>,
    /// Words left, and their traces are still in the files.
    has_traces: bool,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Inner").finish_non_exhaustive()
    }
}

impl Inner {
    fn enrolled(&self) -> Result<&Enrolled, PhoneError> {
        match &self.saved {
            Saved::Enrolled(enrolled) => Ok(enrolled),
            Saved::Blank | Saved::Asked(_) => Err(PhoneError::NotEnrolled),
            Saved::Broken => Err(self.damaged()),
        }
    }

    fn enrolled_mut(&mut self) -> Result<&mut Enrolled, PhoneError> {
        match &mut self.saved {
            Saved::Enrolled(enrolled) => Ok(enrolled),
            Saved::Blank | Saved::Asked(_) => Err(PhoneError::NotEnrolled),
            Saved::Broken => Err(PhoneError::StoreDamaged {
                path: self.path.clone(),
            }),
        }
    }

    fn replica(&self) -> Result<&Replica, PhoneError> {
        Ok(&self.enrolled()?.replica)
    }

    fn invitation(&self) -> Option<&Invitation> {
        match &self.saved {
            Saved::Asked(asked) => Some(&asked.invitation),
            Saved::Enrolled(enrolled) => Some(&enrolled.invitation),
            Saved::Blank | Saved::Broken => None,
        }
    }

    fn damaged(&self) -> PhoneError {
        PhoneError::StoreDamaged {
            path: self.path.clone(),
        }
    }

    /// Writes a batch; it is on the disk when this returns.
    fn apply(&mut self, ops: &[crate::store::Op]) -> Result<(), PhoneError> {
        let path = &self.path;
        self.store
            .apply(ops)
            .map_err(|error| PhoneError::of_store(error, path))
    }

    /// Puts a save on the disk, and only then makes it count.
    fn commit(&mut self, job: Job) -> Result<RecordId, PhoneError> {
        self.apply(job.ops())?;
        let replica = &mut self.enrolled_mut()?.replica;
        replica
            .handle_appended(job)
            .map_err(|error| PhoneError::of_save(error, |_| String::new()))
    }

    /// Builds all that is in memory from the store.
    fn load(&mut self, high_water: u64) -> Result<(), PhoneError> {
        self.saved = Saved::Broken;
        let rows = self.rows_of(TABLE_PHONE..=TABLE_PHONE)?;
        let Some(asked) = Asked::from_rows(&rows).map_err(|_unreadable| self.damaged())? else {
            self.saved = Saved::Blank;
            return Ok(());
        };
        if !asked.finished {
            self.saved = Saved::Asked(Box::new(asked));
            return Ok(());
        }
        let replica = self.load_replica(&asked.invitation, &asked.secret, high_water)?;
        self.saved = Saved::Enrolled(Box::new(Enrolled {
            invitation: asked.invitation,
            replica,
            traffic: Traffic::default(),
        }));
        // an answer that said so may have come just before the phone was switched off; when there
        // is no room now, the next answer says so again
        let _said_later = self.say_again();
        Ok(())
    }

    fn load_replica(
        &self,
        invitation: &Invitation,
        secret: &Secret,
        high_water: u64,
    ) -> Result<Replica, PhoneError> {
        let identity = Identity {
            realm: invitation.realm,
            log: invitation.log,
            device: secret.clone(),
        };
        let rows = self.rows_of(REPLICA_TABLES)?;
        Replica::load(identity, Vocabulary::builtin().clone(), rows, high_water)
            .map_err(|error| PhoneError::of_load(error, &self.path))
    }

    fn rows_of(&self, tables: std::ops::RangeInclusive<u8>) -> Result<Vec<LoadRow>, PhoneError> {
        let mut rows = Vec::new();
        for table in tables {
            self.store
                .scan(table, &mut |key, value| {
                    rows.push((table, key.to_vec(), value));
                    Ok(())
                })
                .map_err(|error| PhoneError::of_store(error, &self.path))?;
        }
        Ok(rows)
    }

    /// The answer changed the replica and could not be written: what is on the disk counts.
    fn reload(&mut self) -> Result<(), PhoneError> {
        let enrolled = self.enrolled()?;
        let (invitation, high_water) = (enrolled.invitation.clone(), enrolled.replica.high_water());
        let secret = enrolled.replica.identity().device.clone();
        match self.load_replica(&invitation, &secret, high_water) {
            Ok(replica) => {
                self.enrolled_mut()?.replica = replica;
                Ok(())
            }
            Err(error) => {
                self.saved = Saved::Broken;
                Err(error)
            }
        }
    }

    /// Writes again, on a new chain, what another phone's changes took the place of.
    fn say_again(&mut self) -> Result<u32, PhoneError> {
        let mut said = 0;
        while let Some(job) = self.next_to_say_again()? {
            self.commit(job)?;
            said += 1;
        }
        Ok(said)
    }

    fn next_to_say_again(&self) -> Result<Option<Job>, PhoneError> {
        self.replica()?
            .say_again(&random()?)
            .map_err(|error| PhoneError::of_save(error, |_| String::new()))
    }

    /// Takes from the phone what is safe and was here long enough; names of the records.
    fn let_go(&mut self, now_s: i64) -> Result<BTreeSet<RecordId>, PhoneError> {
        let gone = self.enrolled_mut()?.replica.let_go(KEEP_DAYS, now_s);
        if !gone.ops.is_empty() {
            if let Err(error) = self.apply(&gone.ops) {
                self.reload()?;
                return Err(error);
            }
            self.has_traces = true;
        }
        // without room for it now, the next answer tries again
        if self.has_traces && self.store.compact().is_ok() {
            self.has_traces = false;
        }
        Ok(gone.touched)
    }

    fn status(&self) -> Status {
        let mut status = Status {
            enrolled: false,
            confirmed: false,
            closed: false,
            last_receipt_s: None,
            records: 0,
            queued: 0,
            waiting: 0,
            refused: 0,
            put_aside: self.put_aside.clone(),
        };
        let Ok(replica) = self.replica() else {
            return status;
        };
        status.enrolled = true;
        status.confirmed = replica.is_confirmed();
        status.closed = replica.is_closed();
        status.last_receipt_s = replica.receipt().map(|receipt| receipt.head.time_s);
        status.records = count(replica.records().count());
        for (_, standing) in replica.unsettled() {
            match standing {
                Standing::Queued | Standing::Forked => status.queued += 1,
                Standing::Waiting => status.waiting += 1,
                Standing::Aside(_) => status.refused += 1,
                Standing::Received => {}
            }
        }
        status
    }
}

/// The coder of the exchange: two mebibytes, read once and shared.
fn model() -> &'static Model {
    static MODEL: OnceLock<Model> = OnceLock::new();
    MODEL.get_or_init(Model::primed)
}

/// Thirty-two bytes never used before.
fn random() -> Result<[u8; 32], PhoneError> {
    let mut bytes = [0; 32];
    // the cause is dropped because no screen can do anything about it
    getrandom::fill(&mut bytes).map_err(|_cause| PhoneError::NoRandomness)?;
    Ok(bytes)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn group_id(hex: &str) -> Result<GroupId, PhoneError> {
    GroupId::from_hex(hex).ok_or(PhoneError::GroupNotHere)
}

fn record_id(hex: &str) -> Result<RecordId, PhoneError> {
    RecordId::from_hex(hex).ok_or(PhoneError::RecordNotHere)
}
