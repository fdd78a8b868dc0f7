//! A world by hand: what a named scenario makes happen, step by step and over a good link.

use sync_core::change::{ChangeRef, FullChange};
use sync_core::hub::facts::{self, Entry};
use sync_core::hub::ledger::{MemoryLedger, Table, View as _};
use sync_core::ids::{GroupId, RecordId};
use sync_core::log::{AsideReason, EntryKind};
use sync_core::replica::{Edit, SaveError};
use sync_core::value::{FieldKey, Value, WallTime};
use sync_core::vocabulary::Vocabulary;

use crate::sim::phone::found;
use crate::sim::world::new_hub;
use crate::sim::{SimPhone, World};

/// The type of a patrol.
pub const PATROL: u16 = 1;
/// The words of a record of the open lane.
pub const SUMMARY: u16 = 5;
/// How many were on patrol.
pub const PRESENT: u16 = 24;

/// Longer than any name of a row.
const BEYOND_EVERY_KEY: [u8; 128] = [0xff; 128];

impl World {
    /// A phone of these members, confirmed, with all that is there; its place among the phones.
    ///
    /// # Errors
    /// What should not happen.
    pub fn join(&mut self, members: &[u16], vocabulary: &Vocabulary) -> Result<usize, String> {
        self.join_in(self.group(), members, vocabulary)
    }

    /// The same, in this group.
    ///
    /// # Errors
    /// What should not happen.
    pub fn join_in(
        &mut self,
        group: GroupId,
        members: &[u16],
        vocabulary: &Vocabulary,
    ) -> Result<usize, String> {
        let nth = self.phones.len();
        self.ask_in(group, members.to_vec(), vocabulary.clone())
            .map_err(|refusal| refusal.to_string())?;
        self.confirm(nth).map_err(|refusal| refusal.to_string())?;
        self.sync(nth)?;
        Ok(nth)
    }

    /// A person saves these values.
    ///
    /// # Errors
    /// Why the phone does not save them.
    pub fn put(
        &mut self,
        nth: usize,
        member: u16,
        target: Target,
        values: &[(u16, Value)],
    ) -> Result<FullChange, SaveError> {
        self.now_s += 60;
        let (record, record_type) = match target {
            Target::New(record_type) => (None, record_type),
            Target::Of(record) => (Some(record), 0),
        };
        let replica = &self.phones[nth].replica;
        let known = record.and_then(|id| replica.record(id));
        let edit = Edit {
            // what is new goes to the group that the phone asked for
            group: known.map_or(self.phones[nth].asked, |(logbook, _)| logbook.group),
            member,
            record,
            record_type,
            values: values
                .iter()
                .map(|(number, value)| (FieldKey::plain(*number), value.clone()))
                .collect(),
        };
        let (now_s, phone) = (self.now_s, &mut self.phones[nth]);
        // an unhurried day: the app is never killed in between, so something was saved
        let saved = phone.save(&edit, now_s, false, &mut self.dice)?;
        let full = saved.ok_or(SaveError::Stale)?;
        let hash = full.change.hash(&self.hub.realm());
        self.saved.insert((full.change.at, hash));
        Ok(full)
    }

    /// A person records a patrol with these words.
    ///
    /// # Errors
    /// The phone does not save it.
    pub fn patrol(&mut self, nth: usize, member: u16, words: &str) -> Result<FullChange, String> {
        let begun = WallTime {
            minutes: i32::try_from(self.now_s / 60).unwrap_or(0) + 420,
            offset: 420,
        };
        let values = [
            (2, Value::Interval(begun, None)),
            (SUMMARY, Value::Text(words.to_owned())),
            (PRESENT, Value::Number(3)),
        ];
        self.put(nth, member, Target::New(PATROL), &values)
            .map_err(|error| format!("phone {nth}: {error}"))
    }

    /// A person writes other words at a record.
    ///
    /// # Errors
    /// The phone does not save them.
    pub fn reword(
        &mut self,
        nth: usize,
        member: u16,
        record: RecordId,
        words: &str,
    ) -> Result<FullChange, String> {
        let values = [(SUMMARY, Value::Text(words.to_owned()))];
        self.put(nth, member, Target::Of(record), &values)
            .map_err(|error| format!("phone {nth}: {error}"))
    }

    /// A phone visits until neither side has anything more.
    ///
    /// # Errors
    /// What must not happen, or visits without an end.
    pub fn sync(&mut self, nth: usize) -> Result<(), String> {
        self.now_s += 60;
        for _ in 0..40 {
            if !self.visit(nth, false)? {
                return Ok(());
            }
        }
        Err(format!("phone {nth} never came to rest"))
    }

    /// The bytes of a visit that never comes to its answer: to be delivered, or not.
    ///
    /// # Errors
    /// The phone has nothing to say.
    pub fn letter(&self, nth: usize) -> Result<Vec<u8>, String> {
        let replica = &self.phones[nth].replica;
        let outgoing = replica.poll_request(&self.model, 60_000, 0);
        outgoing
            .map(|outgoing| outgoing.body().to_vec())
            .map_err(|error| error.to_string())
    }

    /// Bytes of a visit arrive, and the answer to them is lost.
    ///
    /// # Errors
    /// A fault of the server.
    pub fn arrive(&mut self, letter: &[u8]) -> Result<(), String> {
        self.serve(letter).map(|_| ())
    }

    /// The server's disk is lost, and this copy is put in its place.
    pub fn put_server_back(&mut self, backup: &MemoryLedger) {
        self.ledger = backup.clone();
        self.restored = true;
    }

    /// A phone is put back to an older copy of itself. What the host keeps where no backup reaches
    /// survives or does not.
    pub fn put_phone_back(&mut self, nth: usize, mut copy: SimPhone, high_water: HighWater) {
        if high_water == HighWater::Kept {
            copy.high_water = self.phones[nth].high_water;
        }
        copy.restart();
        self.copied = true;
        self.phones[nth] = copy;
    }

    /// A phone is copied, and both go on; the place of the copy.
    pub fn copy_phone(&mut self, nth: usize) -> usize {
        let mut copy = self.phones[nth].clone();
        copy.restart();
        self.copied = true;
        self.phones.push(copy);
        self.phones.len() - 1
    }

    /// The server starts with another release, and so with another vocabulary.
    pub fn update_hub(&mut self, vocabulary: &Vocabulary) {
        self.hub = new_hub(self.hub.realm(), vocabulary);
    }

    /// The app starts with another release.
    pub fn update_phone(&mut self, nth: usize, vocabulary: &Vocabulary) {
        self.phones[nth].vocabulary = vocabulary.clone();
        self.phones[nth].restart();
    }

    /// All entries of the log.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn entries(&self) -> Result<Vec<Entry>, String> {
        let size = facts::log_state(&self.ledger).map_or(0, |state| state.size);
        (0..size)
            .map(|index| {
                let entry = facts::entry(&self.ledger, index).ok().flatten();
                entry.ok_or_else(|| format!("entry {index} cannot be read"))
            })
            .collect()
    }

    /// What the log made of a change: `None` when it does not have it.
    #[must_use]
    pub fn verdict(&self, full: &FullChange) -> Option<Verdict> {
        let place = facts::place(&self.ledger, full.change.at).ok().flatten()?;
        let entry = facts::entry(&self.ledger, place.index).ok().flatten()?;
        let same = place.hash == full.change.hash(&self.hub.realm());
        match (same, place.aside, entry.leaf.kind) {
            (true, None, EntryKind::Change) => Some(Verdict::Admitted),
            (true, Some(reason), EntryKind::Aside) => Some(Verdict::Aside(reason)),
            (_, _, _) => None,
        }
    }

    /// The admitted changes that say exactly these words.
    ///
    /// # Errors
    /// An entry that cannot be read.
    pub fn said(&self, words: &str) -> Result<Vec<ChangeRef>, String> {
        let text = Value::Text(words.to_owned());
        let mut found = Vec::new();
        for entry in self.entries()? {
            if entry.leaf.kind != EntryKind::Change {
                continue;
            }
            let full = facts::full_change(&self.ledger, entry.index)
                .map_err(|fault| fault.to_string())?
                .ok_or("a change cannot be read")?;
            if full.parts.values.values().any(|value| *value == text) {
                found.push(full.change.at);
            }
        }
        Ok(found)
    }

    /// The words that a phone shows at a record; `None` when it does not show the record.
    #[must_use]
    pub fn shown(&self, nth: usize, record: RecordId) -> Option<String> {
        let view = self.phones[nth].replica.view(record)?;
        view.field("summary").map(|field| field.value.text.clone())
    }

    /// Whether these words stand anywhere on the server's disk, the console's rows among it.
    ///
    /// # Errors
    /// The store's.
    pub fn server_holds(&self, words: &str) -> Result<bool, String> {
        let shown = self.ledger.rows().any(|row| {
            let texts = [&row.words, &row.headline];
            texts.iter().any(|text| text.contains(words))
        });
        for table in Table::ALL {
            let rows = self
                .ledger
                .scan(*table, &[], &BEYOND_EVERY_KEY, usize::MAX)
                .map_err(|fault| fault.to_string())?;
            let mut rows = rows.iter();
            if rows
                .any(|(key, value)| found(key, words.as_bytes()) || found(value, words.as_bytes()))
            {
                return Ok(true);
            }
        }
        Ok(shown)
    }

    /// Generation of the log.
    #[must_use]
    pub fn generation(&self) -> u32 {
        facts::log_state(&self.ledger).map_or(0, |state| state.generation)
    }

    /// Whether a phone was ever told that this change is received.
    #[must_use]
    pub fn was_acknowledged(&self, full: &FullChange) -> bool {
        let hash = full.change.hash(&self.hub.realm());
        self.acknowledged.contains_key(&(full.change.at, hash))
    }

    /// The places whose changes were said again elsewhere.
    pub fn said_again(&self) -> impl Iterator<Item = &ChangeRef> {
        self.said_again.iter()
    }
}

/// What a save is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A new record of this type.
    New(u16),
    /// A record that is on the phone.
    Of(RecordId),
}

/// What the log made of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It counts.
    Admitted,
    /// It was refused or held.
    Aside(AsideReason),
}

/// What becomes of the number that the host keeps outside of backups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HighWater {
    /// It is there: the phone knows that it was put back.
    Kept,
    /// It went too, as with a copy of the whole phone.
    Lost,
}
