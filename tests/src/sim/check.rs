//! What must hold when a world has come to rest.

use std::collections::BTreeSet;

use sync_core::act::{Control, Said};
use sync_core::change::{FullChange, Secret};
use sync_core::exchange::feed_list;
use sync_core::hub::facts;
use sync_core::hub::ledger::{MemoryLedger, Table, View as _};
use sync_core::ids::{Feed, Logbook};
use sync_core::log::EntryKind;
use sync_core::replica::Standing;
use sync_core::value::AUTHOR_KEY;

use crate::sim::SimPhone;
use crate::sim::world::{Outcome, World};

impl World {
    /// Checks every oracle.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self) -> Result<Outcome, String> {
        let report = self
            .hub
            .verify_log(&self.ledger)
            .map_err(|fault| fault.to_string())?;
        if let Some(fault) = report.faults.first() {
            return Err(format!("the log does not verify: {fault:?}"));
        }
        self.nothing_invented()?;
        self.nothing_lost()?;
        self.nobody_stuck()?;
        let rivals = self.same_everywhere()?;
        let let_go = self.nothing_let_go_is_lost()?;
        let hidden = self.nothing_leaked()?;
        let mut rebuilt = self.ledger.clone();
        self.hub
            .rebuild(&mut rebuilt, self.now_s)
            .map_err(|fault| fault.to_string())?;
        if rebuilt != self.ledger {
            let which = differing(&rebuilt, &self.ledger);
            return Err(format!(
                "a rebuild differs from what grew step by step: {which}"
            ));
        }
        let state = facts::log_state(&self.ledger).map_err(|fault| fault.to_string())?;
        Ok(Outcome {
            entries: report.entries,
            changes: report.changes,
            asides: report.asides,
            admitted: report.admitted,
            forks: u64::try_from(self.said_again.len()).unwrap_or(u64::MAX),
            generations: state.generation - 1,
            rivals,
            in_two: self.in_two(),
            moved: self.moved,
            let_go,
            hidden,
        })
    }

    fn in_two(&self) -> u64 {
        let phones = self.phones.iter();
        let in_two = phones.filter(|phone| !phone.gone && phone.replica.groups().count() > 1);
        u64::try_from(in_two.count()).unwrap_or(0)
    }

    fn nothing_invented(&self) -> Result<(), String> {
        let size = facts::log_state(&self.ledger).map_or(0, |state| state.size);
        for index in 0..size {
            let entry = facts::entry(&self.ledger, index)
                .ok()
                .flatten()
                .ok_or("an entry is missing")?;
            let of_phone = matches!(entry.leaf.kind, EntryKind::Change | EntryKind::Aside);
            if of_phone && !self.saved.contains(&(entry.leaf.at, entry.hash())) {
                return Err(format!("nobody saved what stands at entry {index}"));
            }
        }
        Ok(())
    }

    fn nothing_lost(&self) -> Result<(), String> {
        for ((at, hash), full) in &self.acknowledged {
            let place = facts::place(&self.ledger, *at).map_err(|fault| fault.to_string())?;
            if place.is_some_and(|place| place.hash == *hash) {
                continue;
            }
            // what only a phone held that is gone, after the server lost it too, nobody can bring
            let holder = self
                .phones
                .iter()
                .any(|phone| !phone.gone && phone.identity.device.id() == full.change.device);
            if holder && !self.said_again.contains(at) {
                return Err(format!(
                    "change {at:?} was acknowledged and is missing; the log has {place:?} in {:?}",
                    facts::log_state(&self.ledger)
                ));
            }
        }
        Ok(())
    }

    /// What phones let go has left them, and the log has all its words but those that were erased.
    /// Gives how many records left.
    fn nothing_let_go_is_lost(&self) -> Result<u64, String> {
        let (mut erased, mut wordless) = (BTreeSet::new(), Vec::new());
        let size = facts::log_state(&self.ledger).map_or(0, |state| state.size);
        for index in 0..size {
            if let Ok(Some(full)) = facts::full_change(&self.ledger, index)
                && matches!(full.parts.secret, Secret::Salts(_))
            {
                wordless.push(full.change.at);
            } else if let Ok(Some(full)) = facts::full_act(&self.ledger, index)
                && let Said::Control(Control::Erase { change, .. }) = full.act.said
            {
                erased.insert(change);
            }
        }
        if let Some(at) = wordless.iter().find(|at| !erased.contains(*at)) {
            return Err(format!(
                "the words of {at:?} are gone, and nobody erased them"
            ));
        }
        let mut left = BTreeSet::new();
        for (nth, phone) in self.phones.iter().enumerate().filter(|(_, p)| !p.gone) {
            let safe_size = phone.replica.receipt().map_or(0, |r| r.head.safe_size);
            for (full, standing) in phone.replica.changes() {
                let change = &full.change;
                let placed = phone.replica.placed(change.at);
                if phone.replica.left(change.record).is_none()
                    || standing != Standing::Received
                    || placed.is_none_or(|(index, _)| index >= safe_size)
                {
                    continue;
                }
                left.insert((nth, change.record));
                if full.parts.values.keys().any(|key| *key != AUTHOR_KEY) {
                    return Err(format!(
                        "phone {nth} still has the words of {:?}",
                        change.at
                    ));
                }
            }
        }
        Ok(u64::try_from(left.len()).unwrap_or(u64::MAX))
    }

    fn nobody_stuck(&self) -> Result<(), String> {
        for (nth, phone) in self.phones.iter().enumerate() {
            if phone.gone || self.is_unknown(phone) {
                continue;
            }
            for (full, standing) in phone.replica.unsettled() {
                match standing {
                    Standing::Aside(_) => {}
                    other @ (Standing::Queued
                    | Standing::Waiting
                    | Standing::Received
                    | Standing::Forked) => {
                        return Err(format!(
                            "phone {nth} (confirmed {}, closed {}) is stuck with {:?}: {other:?}",
                            phone.replica.is_confirmed(),
                            phone.replica.is_closed(),
                            full.change.at
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Enrolled after the backup that the server was restored from, and unable to show it.
    pub(super) fn is_unknown(&self, phone: &SimPhone) -> bool {
        let device = phone.identity.device.id();
        facts::device_key(&self.ledger, device)
            .ok()
            .flatten()
            .is_none()
    }

    /// Every phone shows what the server shows, field by field, rivals included.
    fn same_everywhere(&self) -> Result<u64, String> {
        let mut rivals = 0u64;
        for (nth, phone) in self.phones.iter().enumerate() {
            if phone.gone || self.is_unknown(phone) || phone.replica.is_closed() {
                continue;
            }
            for (id, logbook, record) in phone.replica.records() {
                if phone.replica.left(*id).is_some()
                    || !self.follows(phone, logbook, record.change(record.creator()))
                    || self.lost_with_its_author(phone, record)
                {
                    continue;
                }
                let theirs = facts::record(&self.ledger, *id).map_err(|f| f.to_string())?;
                let Some((_, theirs)) = theirs else {
                    return Err(format!(
                        "phone {nth} shows record {id}, the server does not"
                    ));
                };
                if record.heads() != theirs.heads() {
                    return Err(format!("phone {nth}: heads of record {id} differ"));
                }
                let (ours, theirs) = (record.fields(), theirs.fields());
                if ours != theirs {
                    return Err(format!("phone {nth}: fields of record {id} differ"));
                }
                for field in ours.values() {
                    rivals += u64::try_from(field.rivals.len()).unwrap_or(0);
                }
            }
            self.has_all(nth, phone)?;
        }
        Ok(rivals)
    }

    /// Whether a phone may read what comes new in the feed of this record.
    fn follows(&self, phone: &SimPhone, logbook: Logbook, first: Option<&FullChange>) -> bool {
        let device = phone.identity.device.id();
        let rights = facts::rights(&self.ledger, self.hub.vocabulary(), device);
        let feeds = feed_list(device, &rights.unwrap_or_default());
        first.is_some_and(|full| feeds.contains(&Feed::of_records(logbook, full.change.device)))
    }

    /// A restored server lost something of this record, and the phone that wrote it is gone: the
    /// others go on showing it, and nobody can bring it back.
    fn lost_with_its_author(&self, phone: &SimPhone, record: &sync_core::record::Record) -> bool {
        let device = phone.identity.device.id();
        let lost = record.changes().find(|full| {
            full.change.device != device
                && phone.replica.standing(full.change.at) == Some(Standing::Waiting)
        });
        lost.is_some_and(|full| {
            let author = full.change.device;
            let of_author = |phone: &&SimPhone| phone.identity.device.id() == author;
            self.phones
                .iter()
                .filter(of_author)
                .all(|phone| phone.gone || phone.replica.standing(full.change.at).is_none())
        })
    }

    /// A phone that may read the open lane has all of it.
    fn has_all(&self, nth: usize, phone: &SimPhone) -> Result<(), String> {
        let device = phone.identity.device.id();
        let rights = facts::rights(&self.ledger, self.hub.vocabulary(), device)
            .map_err(|fault| fault.to_string())?;
        let feeds = feed_list(device, &rights);
        for row in self.ledger.rows() {
            let logbook = Logbook {
                group: row.group,
                lane: row.lane,
            };
            let feed = Feed::of_records(logbook, row.device);
            let here = phone.replica.record(row.record).is_some()
                || phone.replica.left(row.record).is_some();
            if feeds.contains(&feed) && !here {
                return Err(format!("phone {nth} lacks record {}", row.record));
            }
        }
        Ok(())
    }
}

/// Where two stores differ.
fn differing(one: &MemoryLedger, other: &MemoryLedger) -> String {
    let rows = |ledger: &MemoryLedger| -> Vec<_> { ledger.rows().cloned().collect() };
    let tables = Table::ALL.iter().filter(|table| {
        let of = |ledger: &MemoryLedger| ledger.scan(**table, &[], &[0xff; 128], usize::MAX);
        of(one) != of(other)
    });
    let tables: Vec<_> = tables.collect();
    let changed: Vec<_> = rows(one)
        .into_iter()
        .zip(rows(other))
        .filter(|(one, other)| one != other)
        .collect();
    format!("tables {tables:?}, rows {changed:?}")
}
