//! The one thread that writes.
//!
//! It owns the store. Whatever queued while the disk was busy goes into the next transaction
//! together: phones share one fsync. While more visits are on their way through the processor the
//! thread waits for them, at most as long as its last transaction took; a visit that is alone
//! waits for nobody. Acts of officers have a transaction each, because one that is refused must
//! take nothing else with it.
//!
//! A batch that fails for another reason than a full disk is tried again visit by visit: one bad
//! visit never blocks the others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::{io, thread};

use sync_core::hub::ledger::{LedgerFault, Store as _};
use sync_core::hub::{Hub, Refusal, Told, Verified, facts};
use tokio::sync::oneshot;

use crate::log::{self, Disk, Doing, Event};
use crate::metrics::Metrics;
use crate::now_s;
use crate::store::{NAME_TAKEN, SqliteLedger, SqliteStore};

/// Jobs that may wait. A burst of a whole province is some hundreds of visits.
pub const QUEUE_MAX: usize = 1_024;

/// The longest that a transaction waits for visits that are on their way.
pub const GATHER_MAX: Duration = Duration::from_millis(20);
/// How soon it is seen that a visit which was on its way brings nothing.
const GATHER_STEP: Duration = Duration::from_millis(1);

type Work = Box<dyn FnOnce(&Hub, &mut SqliteStore) -> Result<(), LedgerFault> + Send>;

enum Job {
    Visit(
        Arc<Verified>,
        oneshot::Sender<Result<Arc<Told>, LedgerFault>>,
    ),
    Work(Work),
    Stop,
}

/// Why a job was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WriteError {
    /// Too many jobs wait.
    Busy,
    /// The writer has stopped, or the job ended it in the middle.
    Stopped,
    /// It was refused, or the store failed.
    Refused(Refusal),
}

impl From<LedgerFault> for WriteError {
    fn from(fault: LedgerFault) -> Self {
        Self::Refused(Refusal::Store(fault))
    }
}

/// The way to the thread that writes. Clones lead to the same thread.
#[derive(Debug, Clone)]
pub struct Writer {
    jobs: mpsc::SyncSender<Job>,
    full: Arc<AtomicBool>,
    coming: Arc<AtomicUsize>,
    metrics: Arc<Metrics>,
}

/// A visit that the processor is at work on, and that may soon queue. Drop it when that is known.
#[derive(Debug)]
pub struct Coming(Arc<AtomicUsize>);

impl Drop for Coming {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Visit(..) => "Visit",
            Self::Work(_) => "Work",
            Self::Stop => "Stop",
        })
    }
}

/// The running thread.
#[derive(Debug)]
pub struct Running {
    jobs: mpsc::SyncSender<Job>,
    thread: JoinHandle<()>,
}

impl Running {
    /// Lets the thread end what was asked for so far, closes the store, and returns when it is
    /// closed. Blocks.
    pub fn stop(self) {
        // When it has stopped already there is nobody to tell.
        drop(self.jobs.send(Job::Stop));
        drop(self.thread.join());
    }
}

/// Starts the thread. What it does is counted in `metrics`.
///
/// # Errors
/// The system gives no thread.
pub fn start(
    hub: Arc<Hub>,
    store: SqliteStore,
    metrics: Arc<Metrics>,
) -> io::Result<(Writer, Running)> {
    let (jobs, queue) = mpsc::sync_channel(QUEUE_MAX);
    let full = Arc::new(AtomicBool::new(false));
    let coming = Arc::new(AtomicUsize::new(0));
    let counted = facts::log_state(&store).map_or(0, |state| state.size);
    let at_work = AtWork {
        hub,
        store,
        full: Arc::clone(&full),
        coming: Arc::clone(&coming),
        took: Duration::ZERO,
        metrics: Arc::clone(&metrics),
        counted,
    };
    let thread = thread::Builder::new()
        .name("writer".to_owned())
        .spawn(move || at_work.run(&queue))?;
    let writer = Writer {
        jobs: jobs.clone(),
        full,
        coming,
        metrics,
    };
    Ok((writer, Running { jobs, thread }))
}

impl Writer {
    /// Whether the last write found the disk full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Tells the thread that a visit may soon queue.
    #[must_use]
    pub fn expect_visit(&self) -> Coming {
        self.coming.fetch_add(1, Ordering::Relaxed);
        Coming(Arc::clone(&self.coming))
    }

    /// Admits a visit together with all others that wait. It is on the disk when this returns.
    ///
    /// # Errors
    /// [`WriteError`]; then nothing of it was kept.
    pub async fn admit(
        &self,
        visit: Arc<Verified>,
        coming: Coming,
    ) -> Result<Arc<Told>, WriteError> {
        let (tell, told) = oneshot::channel();
        self.queue(Job::Visit(visit, tell))?;
        drop(coming);
        match told.await {
            Ok(told) => told.map_err(WriteError::from),
            Err(_dropped) => Err(WriteError::Stopped),
        }
    }

    /// Runs an act in a transaction of its own. It is on the disk when this returns. Blocks.
    ///
    /// # Errors
    /// [`WriteError`]; then nothing of it was kept.
    pub fn act<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Hub, &mut SqliteLedger<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, WriteError> {
        let (tell, told) = oneshot::channel();
        self.queue(work_of(act, tell))?;
        match told.blocking_recv() {
            Ok(done) => done.map_err(WriteError::Refused),
            Err(_dropped) => Err(WriteError::Stopped),
        }
    }

    /// The same, without blocking.
    ///
    /// # Errors
    /// [`WriteError`].
    pub async fn act_soon<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Hub, &mut SqliteLedger<'_>) -> Result<T, Refusal> + Send + 'static,
    ) -> Result<T, WriteError> {
        let (tell, told) = oneshot::channel();
        self.queue(work_of(act, tell))?;
        match told.await {
            Ok(done) => done.map_err(WriteError::Refused),
            Err(_dropped) => Err(WriteError::Stopped),
        }
    }

    /// Runs upkeep on the store itself, outside of a transaction; nothing is written meanwhile.
    /// Blocks.
    ///
    /// # Errors
    /// [`WriteError`].
    pub fn upkeep<T: Send + 'static>(
        &self,
        upkeep: impl FnOnce(&Hub, &mut SqliteStore) -> Result<T, LedgerFault> + Send + 'static,
    ) -> Result<T, WriteError> {
        let (tell, told) = oneshot::channel();
        self.queue(Job::Work(Box::new(move |hub, store| {
            let done = upkeep(hub, store);
            let fault = done.as_ref().err().cloned();
            // Whoever asked may be gone; what was done stays done.
            drop(tell.send(done));
            fault.map_or(Ok(()), Err)
        })))?;
        match told.blocking_recv() {
            Ok(done) => done.map_err(WriteError::from),
            Err(_dropped) => Err(WriteError::Stopped),
        }
    }

    fn queue(&self, job: Job) -> Result<(), WriteError> {
        self.metrics.queued();
        self.jobs.try_send(job).map_err(|refused| {
            self.metrics.taken();
            match refused {
                mpsc::TrySendError::Full(_) => WriteError::Busy,
                mpsc::TrySendError::Disconnected(_) => WriteError::Stopped,
            }
        })
    }
}

fn work_of<T: Send + 'static>(
    act: impl FnOnce(&Hub, &mut SqliteLedger<'_>) -> Result<T, Refusal> + Send + 'static,
    tell: oneshot::Sender<Result<T, Refusal>>,
) -> Job {
    Job::Work(Box::new(move |hub, store| {
        let mut refusal = None;
        let done = store.transact(|ledger| {
            act(hub, ledger).map_err(|refused| {
                if let Refusal::Store(fault) = refused {
                    return fault;
                }
                refusal = Some(refused);
                // Only so that the transaction ends without a trace.
                LedgerFault::Failed("refused".to_owned())
            })
        });
        let (told, outcome) = match (done, refusal) {
            (Ok(done), _) => (Ok(done), Ok(())),
            (Err(_ended), Some(refusal)) => (Err(refusal), Ok(())),
            (Err(fault), None) => (Err(Refusal::Store(fault.clone())), Err(fault)),
        };
        drop(tell.send(told));
        outcome
    }))
}

/// What the thread holds.
struct AtWork {
    hub: Arc<Hub>,
    store: SqliteStore,
    full: Arc<AtomicBool>,
    coming: Arc<AtomicUsize>,
    /// How long the last transaction took.
    took: Duration,
    metrics: Arc<Metrics>,
    /// Entries of the log that were counted, or stood there before.
    counted: u64,
}

type Waiting = (
    Arc<Verified>,
    oneshot::Sender<Result<Arc<Told>, LedgerFault>>,
);

impl AtWork {
    fn run(mut self, queue: &mpsc::Receiver<Job>) {
        let mut visits: Vec<Waiting> = Vec::new();
        while let Ok(first) = queue.recv() {
            let begun = Instant::now();
            let mut next = Some(first);
            while let Some(job) = next {
                if !matches!(job, Job::Stop) {
                    self.metrics.taken();
                }
                match job {
                    Job::Visit(visit, tell) => visits.push((visit, tell)),
                    Job::Work(work) => {
                        self.admit(std::mem::take(&mut visits));
                        self.work(work);
                    }
                    Job::Stop => {
                        self.admit(visits);
                        return;
                    }
                }
                next = queue.try_recv().ok();
                if next.is_none() && !visits.is_empty() {
                    next = self.gather(queue, begun);
                }
            }
            let begun = Instant::now();
            self.admit(std::mem::take(&mut visits));
            self.took = begun.elapsed();
        }
    }

    /// The next job, while visits are on their way and there is time to wait for them.
    fn gather(&self, queue: &mpsc::Receiver<Job>, begun: Instant) -> Option<Job> {
        while self.coming.load(Ordering::Relaxed) > 0 {
            let left = self.took.min(GATHER_MAX).checked_sub(begun.elapsed())?;
            if let Ok(job) = queue.recv_timeout(left.min(GATHER_STEP)) {
                return Some(job);
            }
        }
        None
    }

    fn admit(&mut self, waiting: Vec<Waiting>) {
        if waiting.is_empty() {
            return;
        }
        let visits: Vec<&Verified> = waiting.iter().map(|(visit, _)| &**visit).collect();
        match self.try_admit(&visits) {
            Ok(told) => {
                self.metrics.batch(visits.len());
                for ((_, tell), told) in waiting.into_iter().zip(told) {
                    self.metrics.fates(told.fates());
                    drop(tell.send(Ok(Arc::new(told))));
                }
            }
            Err(fault) if fault == LedgerFault::Full || visits.len() == 1 => {
                for (_, tell) in waiting {
                    drop(tell.send(Err(fault.clone())));
                }
            }
            Err(_of_one_of_them) => {
                for one in waiting {
                    self.admit(vec![one]);
                }
            }
        }
    }

    fn try_admit(&mut self, visits: &[&Verified]) -> Result<Vec<Told>, LedgerFault> {
        // The transaction rolls back when it is dropped, also by a panic.
        let (hub, store) = (&self.hub, &mut self.store);
        let done = catch_unwind(AssertUnwindSafe(|| hub.admit_all(store, visits, now_s())));
        let done = done.unwrap_or_else(|_panic| Err(ended()));
        self.note(&done);
        done
    }

    fn work(&mut self, work: Work) {
        let (hub, store) = (&self.hub, &mut self.store);
        let done = catch_unwind(AssertUnwindSafe(|| work(hub, store)));
        let done = done.unwrap_or_else(|_panic| Err(ended()));
        self.note(&done);
    }

    /// Keeps whether the disk is full, and says so once each way.
    fn note<T>(&mut self, done: &Result<T, LedgerFault>) {
        self.count();
        let is_full = matches!(done, Err(LedgerFault::Full));
        if let Err(fault) = done
            && !is_full
            && !is_refusal(fault)
        {
            log::failed(Doing::Write, fault);
        }
        if is_full != self.full.swap(is_full, Ordering::Relaxed) {
            let disk = if is_full { Disk::Full } else { Disk::HasRoom };
            log::tell(Event::Disk(disk));
        }
    }

    /// Counts what the last transaction added. What cannot be read now is counted the next time.
    fn count(&mut self) {
        if let Some(took) = self.store.take_commit_time() {
            self.metrics.commit(took);
        }
        let size = facts::log_state(&self.store).map_or(0, |state| state.size);
        while self.counted < size {
            let Ok(Some(entry)) = facts::entry(&self.store, self.counted) else {
                return;
            };
            let reason = entry.aside.map(|(_, reason)| reason);
            self.metrics.entry(entry.leaf.kind, reason);
            self.counted += 1;
        }
    }
}

/// What the store refuses because of what was asked is told to whoever asked.
fn is_refusal(fault: &LedgerFault) -> bool {
    matches!(fault, LedgerFault::Failed(why) if why == NAME_TAKEN)
}

fn ended() -> LedgerFault {
    LedgerFault::Failed("the work on it ended by a fault of the program".to_owned())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sync_core::hub::facts::{self, Group};
    use sync_core::ids::{AreaRef, GroupId};

    use super::*;
    use crate::keys;
    use crate::office::acting;

    fn begun(directory: &Path) -> (Writer, Running) {
        let hub = Arc::new(keys::create(&directory.join("log.key")).unwrap());
        let (store, _) = SqliteStore::open(directory).unwrap();
        start(hub, store, Arc::default()).unwrap()
    }

    fn found(writer: &Writer, id: u8, name: &str) -> Result<u64, WriteError> {
        let row = Group {
            area: AreaRef::default(),
            commune: AreaRef::default(),
            name: name.to_owned(),
        };
        writer.act(move |hub, ledger| {
            hub.set_group(ledger, &acting(0, "", [id; 32]), GroupId([id; 16]), row)?;
            Ok(facts::log_state(ledger)?.size)
        })
    }

    #[test]
    fn a_refused_or_broken_act_leaves_nothing_and_the_thread_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, running) = begun(dir.path());
        assert_eq!(found(&writer, 1, "one"), Ok(1));
        let refused: Result<(), _> = writer.act(|hub, ledger| {
            let row = Group {
                area: AreaRef::default(),
                commune: AreaRef::default(),
                name: "two".to_owned(),
            };
            hub.set_group(ledger, &acting(0, "", [2; 32]), GroupId([2; 16]), row)?;
            Err(Refusal::NoDevice)
        });
        assert_eq!(refused, Err(WriteError::Refused(Refusal::NoDevice)));
        let broken: Result<(), _> = writer.act(|_hub, _ledger| panic!("a fault of the program"));
        assert_eq!(broken, Err(WriteError::Stopped));
        assert_eq!(found(&writer, 3, "three"), Ok(2), "only one came before");
        running.stop();
        assert_eq!(found(&writer, 4, "four"), Err(WriteError::Stopped));
    }

    #[test]
    fn what_was_asked_before_a_stop_is_done_before_it() {
        let dir = tempfile::tempdir().unwrap();
        let (writer, running) = begun(dir.path());
        let threads: Vec<_> = (1..=8)
            .map(|id| {
                let writer = writer.clone();
                thread::spawn(move || found(&writer, id, "a group"))
            })
            .collect();
        let mut sizes: Vec<u64> = threads
            .into_iter()
            .map(|thread| thread.join().unwrap().unwrap())
            .collect();
        sizes.sort_unstable();
        assert_eq!(sizes, (1..=8).collect::<Vec<u64>>());
        running.stop();
        let (store, _) = SqliteStore::open(dir.path()).unwrap();
        assert_eq!(facts::log_state(&store).unwrap().size, 8);
    }
}
