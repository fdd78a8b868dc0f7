//! The hub: the server's side of the exchange, without a socket, a clock or a disk.
//!
//! A visit takes three steps, each giving the value that the next one needs:
//!
//! ```text
//! body -> open -> Arrived -> verify_visit (any snapshot) -> Verified
//!      -> admit_all (one transaction for all that queued) -> Told, only after the commit returned
//!      -> answer (any snapshot at least as new) -> body
//! ```
//!
//! `Told` can be made in two ways only: by [`Hub::admit_all`] after the store said that the
//! transaction is on the disk, and by [`Hub::look`] for a visit that brings nothing. So nothing
//! can be acknowledged before it is safe from a power cut.

mod admit;
mod answer;
mod append;
pub mod arrival;
pub mod desk;
pub mod facts;
mod heard;
pub mod ledger;
mod life;
mod periods;
mod places;
mod project;
mod prove;
pub mod quarantine;
mod standby;
mod verify;
mod visit;

#[cfg(test)]
mod tests;

pub use desk::{Acting, NameFault, Refusal, ReviewInput, name_fault};
pub use heard::{Hearing, hearing};
pub use life::{LifeFault, LifeStep, life_of};
pub use periods::{Closed, closed_periods};
pub use places::area_events;
pub use prove::{EntryProof, GrowthProof, SignedHead};
pub use quarantine::{Admission, Admitting};
pub use standby::{CaughtUp, StandbyFault, catch_up};
pub use verify::{VerifyFault, VerifyReport};
pub use visit::{Arrived, Stop, Verified};

use crate::act::{Control, Said};
use crate::exchange::{Fate, ProblemCode};
use crate::ids::{Feed, KeyId, Realm};
use crate::keys::{PublicKey, Secret};
use crate::vocabulary::Vocabulary;
use append::Tx;
use ledger::{Ledger, LedgerFault, Store, View};

/// The server's side of one log.
#[derive(Debug, Clone)]
pub struct Hub {
    realm: Realm,
    log: Secret,
    nonce_key: [u8; 32],
    vocabulary: Vocabulary,
}

/// Witness that what a visit brought is on the disk, with what became of it.
#[derive(Debug, Clone)]
pub struct Told {
    fates: Vec<Fate>,
}

impl Hub {
    /// A hub of this log.
    #[must_use]
    pub fn new(realm: Realm, log: Secret, nonce_key: [u8; 32], vocabulary: Vocabulary) -> Self {
        Self {
            realm,
            log,
            nonce_key,
            vocabulary,
        }
    }
    /// Where its signatures count.
    #[must_use]
    pub fn realm(&self) -> Realm {
        self.realm
    }
    /// Public key of the log.
    #[must_use]
    pub fn log_key(&self) -> PublicKey {
        self.log.public()
    }
    fn log_id(&self) -> KeyId {
        self.log.id()
    }
    /// The vocabulary that counts.
    #[must_use]
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// A visit that brings nothing acknowledges nothing; `None` when it brings something, which
    /// must go through [`Self::admit_all`].
    #[must_use]
    pub fn look(&self, verified: &Verified) -> Option<Told> {
        (!verified.brings() && verified.gaps.is_empty()).then(Told::nothing)
    }

    /// Admits all visits that queued, in one transaction. Nothing is told unless all of it is on
    /// the disk; on an error nothing of it is kept and each phone comes again.
    ///
    /// # Errors
    /// The store's.
    pub fn admit_all<S: Store>(
        &self,
        store: &mut S,
        visits: &[&Verified],
        now_s: i64,
    ) -> Result<Vec<Told>, LedgerFault> {
        let fates = store.transact(|ledger| {
            let mut tx = Tx::begin(self, ledger, now_s)?;
            let mut fates = Vec::with_capacity(visits.len());
            for visit in visits {
                fates.push(tx.admit(visit)?);
            }
            tx.finish()?;
            Ok(fates)
        })?;
        Ok(fates.into_iter().map(|fates| Told { fates }).collect())
    }

    /// Takes back what a restored server lost and a phone still has: a head that this log signed
    /// starts a new generation, and acts that it signed take effect again. To be called before
    /// the visit is verified, because the device itself may be among what was lost.
    ///
    /// # Errors
    /// A head that this log did not sign, or the store's own.
    pub fn take_back(
        &self,
        ledger: &mut impl Ledger,
        arrived: &Arrived,
        acting: &Acting<'_>,
    ) -> Result<(), Stop> {
        let request = arrived.request();
        if let Some(receipt) = &request.head {
            if !receipt.verifies(&self.realm, &self.log.public()) {
                return Err(Stop::of(
                    ProblemCode::Signature,
                    "the head shown is none of this log's",
                ));
            }
            if self.lost_by(ledger, &receipt.head)? {
                self.new_generation(ledger, acting, receipt.head.generation, receipt.head.size)?;
            }
        }
        if !request.acts.is_empty() {
            let mut tx = Tx::begin(self, ledger, acting.now_s)?;
            tx.take_back(&request.acts, acting)?;
            tx.finish()?;
        }
        Ok(())
    }

    /// Begins a new generation after a restore. `seen` is the newest generation and size that
    /// anybody holds a signed head of.
    ///
    /// # Errors
    /// The store's.
    pub fn new_generation(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        seen_generation: u32,
        seen_size: u64,
    ) -> Result<(), LedgerFault> {
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        let number = tx.state.generation.max(seen_generation).saturating_add(1);
        // A log that has grown past the head it lacks has mixed two histories under one
        // generation: only from the first entry on can phones compare again.
        let start = if seen_size > tx.state.size {
            tx.state.size
        } else {
            0
        };
        // acts of the new generation have chains of their own, this one first
        tx.state.generation = number;
        tx.sign(
            acting,
            Feed::Log,
            Said::Control(Control::Generation { number, start }),
            None,
        )?;
        tx.finish()?;
        Ok(())
    }

    /// Begins a log: its first entry says which generation and vocabulary count. Does nothing
    /// when it has begun.
    ///
    /// # Errors
    /// The store's.
    pub fn begin_log(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
    ) -> Result<(), LedgerFault> {
        if facts::log_state(ledger)?.size > 0 {
            return Ok(());
        }
        let version = self.vocabulary.version();
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        tx.sign(
            acting,
            Feed::Log,
            Said::Control(Control::Vocabulary { version }),
            None,
        )?;
        tx.finish()?;
        Ok(())
    }

    /// Root and size, for a line of a log or a backup.
    ///
    /// # Errors
    /// The store's.
    pub fn state(&self, view: &impl View) -> Result<facts::LogState, LedgerFault> {
        facts::log_state(view)
    }
}
