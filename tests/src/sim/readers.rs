//! Who may read what, from the entries of the log alone: a second opinion that shares nothing with
//! the facts by which the hub answers.

use std::collections::{BTreeMap, BTreeSet};

use sync_core::act::{Control, Said};
use sync_core::change::ChangeRef;
use sync_core::hub::facts;
use sync_core::hub::ledger::MemoryLedger;
use sync_core::ids::{Feed, GroupId, Hash32, KeyId};
use sync_core::log::EntryKind;
use sync_core::vocabulary::{Lane, Vocabulary};

/// A change or an act that says something: place and hash.
pub(super) type Words = (ChangeRef, Hash32);

/// What a device was allowed to see at its visits.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    /// Groups that it was in.
    pub(super) groups: BTreeSet<GroupId>,
    /// Changes and acts in feeds that it had a right to, while it had it.
    pub(super) words: BTreeSet<Words>,
}

/// The rights that a log gives at its end.
#[derive(Debug, Default)]
pub(super) struct Readers {
    /// Members whose device it is; none for every member.
    granted: BTreeMap<(KeyId, GroupId), Vec<u16>>,
    roles: BTreeMap<(GroupId, u16), u16>,
    /// Every change and act, with the feed it is in.
    words: Vec<(Feed, Words)>,
}

impl Readers {
    /// Goes through a log from its beginning.
    pub(super) fn of(ledger: &MemoryLedger) -> Result<Self, String> {
        let size = facts::log_state(ledger).map_or(0, |state| state.size);
        let mut readers = Self::default();
        for index in 0..size {
            let entry = facts::entry(ledger, index).map_err(|fault| fault.to_string())?;
            let entry = entry.ok_or("an entry is missing")?;
            match entry.leaf.kind {
                EntryKind::Aside => continue, // its bytes go to nobody
                EntryKind::Change | EntryKind::Review => {}
                EntryKind::Control => {
                    let act = facts::full_act(ledger, index).map_err(|fault| fault.to_string())?;
                    readers.take(&act.ok_or("an act is missing")?.act.said);
                }
            }
            let words = (entry.leaf.at, entry.hash());
            readers.words.push((entry.leaf.feed, words));
        }
        Ok(readers)
    }

    fn take(&mut self, said: &Said) {
        let Said::Control(control) = said else {
            return;
        };
        match control {
            Control::Enrol {
                group,
                device,
                members,
            } => {
                self.granted.insert((device.id(), *group), members.clone());
            }
            Control::Revoke { group, device } => {
                self.granted.remove(&(*device, *group));
            }
            Control::Member {
                group,
                number,
                role,
            } => {
                self.roles.insert((*group, *number), *role);
            }
            Control::MemberEnd { group, number } => {
                self.roles.remove(&(*group, *number));
            }
            Control::Generation { .. }
            | Control::Group { .. }
            | Control::Officer { .. }
            | Control::Areas { .. }
            | Control::Erase { .. }
            | Control::Admit { .. }
            | Control::AreaEvents { .. }
            | Control::PeriodClosed(_)
            | Control::GroupLife { .. }
            | Control::Vocabulary { .. } => {}
        }
    }

    /// The groups that a device is in.
    pub(super) fn groups(&self, device: KeyId) -> impl Iterator<Item = GroupId> {
        let of_device = self.granted.keys().filter(move |(of, _)| *of == device);
        of_device.map(|(_, group)| *group)
    }

    /// Whether a device may read what stands in a feed.
    pub(super) fn may_read(&self, vocabulary: &Vocabulary, device: KeyId, feed: Feed) -> bool {
        match feed {
            Feed::Office => false,
            Feed::Log => self.groups(device).next().is_some(),
            Feed::Group(group) => self.granted.contains_key(&(device, group)),
            Feed::Private(logbook, writer) => {
                writer == device && self.granted.contains_key(&(device, logbook.group))
            }
            Feed::Shared(logbook) => {
                let shared = matches!(logbook.lane, Lane::Open | Lane::Mediation);
                let Some(members) = self.granted.get(&(device, logbook.group)) else {
                    return false;
                };
                let mut writers = self.roles.iter().filter(|((group, number), _)| {
                    *group == logbook.group && (members.is_empty() || members.contains(number))
                });
                shared && writers.any(|(_, role)| vocabulary.may_read(*role, logbook.lane))
            }
        }
    }

    /// Every change and act in the feeds that a device may read.
    pub(super) fn readable(
        &self,
        vocabulary: &Vocabulary,
        device: KeyId,
    ) -> impl Iterator<Item = Words> {
        let words = self.words.iter();
        words
            .filter(move |(feed, _)| self.may_read(vocabulary, device, *feed))
            .map(|(_, words)| *words)
    }

    /// Every change and act.
    pub(super) fn words(&self) -> impl Iterator<Item = &Words> {
        self.words.iter().map(|(_, words)| words)
    }
}
