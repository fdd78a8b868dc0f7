//! One phone of the simulation: the real replica over a disk that survives crashes.

use std::collections::BTreeMap;

use sync_core::change::{ChangeRef, FullChange};
use sync_core::codec::Model;
use sync_core::hub::arrival::EnrolAnswer;
use sync_core::ids::GroupId;
use sync_core::keys::Secret;
use sync_core::replica::{Edit, Identity, Next, Outgoing, Replica, SaveError, StoreOp};
use sync_core::vocabulary::Vocabulary;

use crate::sim::Dice;

/// Rows of a phone's store. What was applied survives; nothing else does.
#[derive(Debug, Clone, Default)]
pub struct Disk(BTreeMap<(u8, Vec<u8>), Vec<u8>>);

impl Disk {
    /// Applies a batch, whole.
    pub fn apply(&mut self, ops: &[StoreOp]) {
        for op in ops {
            match op {
                StoreOp::Put { table, key, value } => {
                    self.0.insert((*table, key.clone()), value.clone());
                }
                StoreOp::Delete { table, key } => {
                    self.0.remove(&(*table, key.clone()));
                }
            }
        }
    }

    /// Whether these words stand anywhere on it.
    #[must_use]
    pub fn holds(&self, words: &str) -> bool {
        self.holds_bytes(words.as_bytes())
    }

    /// Whether these bytes stand anywhere on it.
    #[must_use]
    pub fn holds_bytes(&self, wanted: &[u8]) -> bool {
        self.rows()
            .any(|(key, value)| found(key, wanted) || found(value, wanted))
    }

    /// Key and value of every row.
    pub fn rows(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|((_, key), value)| (key.as_slice(), value.as_slice()))
    }
}

/// Whether these stand in these bytes.
pub(super) fn found(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// Days after which records leave a phone: as many as a world of some hundred steps has.
const SIM_KEEP_DAYS: u16 = 1;

/// A phone.
#[derive(Debug, Clone)]
pub struct SimPhone {
    /// What it was enrolled with.
    pub identity: Identity,
    /// The vocabulary of its release.
    pub vocabulary: Vocabulary,
    /// Its store.
    pub disk: Disk,
    /// What the host keeps where no backup reaches.
    pub high_water: u64,
    /// The real replica.
    pub replica: Replica,
    /// Seconds by which its clock is wrong.
    pub clock_error_s: i64,
    /// The group that it asked for, which it knows by name before anybody confirmed it.
    pub asked: GroupId,
    /// Members who write on it, each in its group.
    pub members: Vec<(GroupId, u16)>,
    /// It was stolen or broken: it does nothing any more.
    pub gone: bool,
}

impl SimPhone {
    /// A phone over a disk.
    ///
    /// # Panics
    /// When the disk's rows are no replica: then the simulation has found a fault.
    #[must_use]
    pub fn new(
        identity: Identity,
        vocabulary: Vocabulary,
        disk: Disk,
        answer: &EnrolAnswer,
    ) -> Self {
        let replica = load(&identity, &vocabulary, &disk, 0);
        Self {
            identity,
            vocabulary,
            disk,
            high_water: 0,
            replica,
            clock_error_s: 0,
            asked: answer.group,
            members: writers(answer),
            gone: false,
        }
    }

    /// It may be used by these members too, in the group of a second enrolment.
    pub fn also(&mut self, answer: &EnrolAnswer) {
        self.members.extend(writers(answer));
    }

    /// The app was killed: memory is gone, the disk stays.
    pub fn restart(&mut self) {
        self.replica = load(
            &self.identity,
            &self.vocabulary,
            &self.disk,
            self.high_water,
        );
    }

    /// Saves an edit; on a rough day the app is killed before or after the disk has it, now and
    /// then.
    ///
    /// # Errors
    /// Why it was not saved. `Ok(None)`: the app was killed before the disk had it.
    pub fn save(
        &mut self,
        edit: &Edit,
        now_s: i64,
        rough: bool,
        dice: &mut Dice,
    ) -> Result<Option<FullChange>, SaveError> {
        let clock_s = now_s.saturating_add(self.clock_error_s);
        let mono_s = u32::try_from(now_s.rem_euclid(1 << 30)).unwrap_or(0);
        let job = self.replica.save(edit, clock_s, mono_s, &dice.bytes())?;
        if rough && dice.chance(3) {
            self.restart();
            return Ok(None);
        }
        self.disk.apply(job.ops());
        let full = job.change().clone();
        self.replica.handle_appended(job)?;
        self.high_water = self.replica.high_water();
        if rough && dice.chance(3) {
            self.restart();
        }
        Ok(Some(full))
    }

    /// Takes an answer to its disk and says again what must be; on a rough day the app is killed
    /// in between, now and then.
    ///
    /// # Errors
    /// What the replica says.
    pub fn take(
        &mut self,
        model: &Model,
        (outgoing, body): (&Outgoing, &[u8]),
        now_s: i64,
        rough: bool,
        dice: &mut Dice,
        said: &mut Vec<(ChangeRef, FullChange)>,
    ) -> Result<Next, sync_core::replica::AnswerError> {
        let next = self.replica.handle_answer(model, outgoing, body)?;
        if rough && dice.chance(3) {
            // killed between the answer and the disk: the next visit brings it again
            self.restart();
            return Ok(next);
        }
        self.disk.apply(&next.ops);
        self.let_go(now_s, rough, dice);
        while let Ok(Some(job)) = self.replica.say_again(&dice.bytes()) {
            self.disk.apply(job.ops());
            if let Some(old) = job.says_again() {
                said.push((old, job.change().clone()));
            }
            if self.replica.handle_appended(job).is_err() {
                self.restart();
                break;
            }
            self.high_water = self.replica.high_water();
        }
        Ok(next)
    }

    /// What is due leaves, by the phone's own clock.
    fn let_go(&mut self, now_s: i64, rough: bool, dice: &mut Dice) {
        let clock_s = now_s.saturating_add(self.clock_error_s);
        let gone = self.replica.let_go(SIM_KEEP_DAYS, clock_s);
        if rough && !gone.ops.is_empty() && dice.chance(20) {
            self.restart(); // killed before it was written: it leaves the next time
            return;
        }
        self.disk.apply(&gone.ops);
    }

    /// A device key of the dice.
    pub fn key(dice: &mut Dice) -> Secret {
        Secret::from_bytes(&dice.bytes())
    }
}

fn writers(answer: &EnrolAnswer) -> Vec<(GroupId, u16)> {
    let numbers = answer.members.iter().map(|(number, _)| *number);
    numbers.map(|number| (answer.group, number)).collect()
}

#[expect(
    clippy::panic,
    reason = "a phone that cannot read its own disk is the fault to find"
)]
fn load(identity: &Identity, vocabulary: &Vocabulary, disk: &Disk, high_water: u64) -> Replica {
    let rows = disk
        .0
        .iter()
        .map(|((table, key), value)| (*table, key.clone(), value.clone()));
    match Replica::load(identity.clone(), vocabulary.clone(), rows, high_water) {
        Ok(replica) => replica,
        Err(error) => panic!("a phone cannot read its own disk: {error}"),
    }
}
