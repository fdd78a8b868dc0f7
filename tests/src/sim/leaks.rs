//! Nothing of one group reaches a phone that has no right there, nor anything of a lane that none
//! of its members reads, nor anything new after the right was lost.

use std::collections::BTreeSet;

use sync_core::act::FullAct;
use sync_core::change::FullChange;
use sync_core::ids::{Feed, GroupId};

use crate::sim::readers::{Readers, Shown, Words};
use crate::sim::{SimPhone, World};

/// Numbers of members that a phone is asked about; no group has more.
const NUMBERS: u16 = 64;

impl World {
    /// Notes what the device of a phone may read at this moment, of which it takes an answer.
    pub(super) fn note_readable(&mut self, nth: usize) -> Result<(), String> {
        let device = self.phones[nth].identity.device.id();
        let readers = Readers::of(&self.ledger)?;
        let shown = self.shown.entry(device).or_default();
        shown.groups.extend(readers.groups(device));
        let words = readers.readable(self.hub.vocabulary(), device);
        shown.words.extend(words);
        Ok(())
    }

    /// Every change on a phone is its own, or was in a feed that it had a right to when it visited.
    pub(super) fn holds_what_it_may(&self, nth: usize) -> Result<(), String> {
        let (phone, shown) = self.phone_shown(nth);
        for full in held(phone) {
            let words = (full.change.at, full.change.hash(&self.hub.realm()));
            if full.change.device != phone.identity.device.id() && !shown.words.contains(&words) {
                return Err(format!("phone {nth} may not hold {:?}", full.change.at));
            }
        }
        Ok(())
    }

    fn phone_shown(&self, nth: usize) -> (&SimPhone, Shown) {
        let phone = &self.phones[nth];
        let shown = self.shown.get(&phone.identity.device.id());
        (phone, shown.cloned().unwrap_or_default())
    }

    /// Looks at every byte of every phone. Gives how many changes and acts there are, counted for
    /// each phone, that it never was allowed to see.
    pub(super) fn nothing_leaked(&self) -> Result<u64, String> {
        let readers = Readers::of(&self.ledger)?;
        let mut hidden = 0;
        for nth in 0..self.phones.len() {
            self.holds_what_it_may(nth)?;
            self.acts_it_may(nth)?;
            self.bytes_it_may(nth)?;
            self.knows_what_it_may(nth)?;
            self.let_go(nth, &readers)?;
            let (_, shown) = self.phone_shown(nth);
            let never = readers.words().filter(|words| !shown.words.contains(words));
            hidden += u64::try_from(never.count()).unwrap_or(0);
        }
        Ok(hidden)
    }

    /// Every act on the disk of a phone, also one that it is to offer, was once in a feed of its own.
    fn acts_it_may(&self, nth: usize) -> Result<(), String> {
        let (phone, shown) = self.phone_shown(nth);
        for (_, full) in self.acts_on(phone) {
            if !shown.words.contains(&self.words_of(&full)) {
                return Err(format!("phone {nth} may not hold {:?}", full.act.said));
            }
        }
        Ok(())
    }

    fn words_of(&self, full: &FullAct) -> Words {
        (full.act.at, full.act.hash(&self.hub.realm()))
    }

    /// Every row that is an act of the log, with its key.
    fn acts_on<'a>(&self, phone: &'a SimPhone) -> Vec<(&'a [u8], FullAct)> {
        let (realm, log) = (self.hub.realm(), self.hub.log_key());
        let acts = phone.disk.rows().filter_map(|(key, value)| {
            let full = FullAct::from_bytes(value).ok()?;
            full.act.verifies(&realm, &log).then_some((key, full))
        });
        acts.collect()
    }

    /// Of a group that a phone was never in, neither the name of a member nor an officer's words
    /// nor the group's own stand anywhere on its disk; and but for the group that it asked for, not
    /// the bytes by which the group is known.
    fn bytes_it_may(&self, nth: usize) -> Result<(), String> {
        let (phone, shown) = self.phone_shown(nth);
        for group in self.foreign(&shown) {
            let words = self.said_in.get(&group).into_iter().flatten();
            if let Some(word) = words.into_iter().find(|word| phone.disk.holds(word)) {
                return Err(format!(
                    "phone {nth} was never in a group, and has {word:?}"
                ));
            }
            if group != phone.asked && phone.disk.holds_bytes(group.as_bytes()) {
                return Err(format!("phone {nth} was never in {group}, and knows it"));
            }
        }
        Ok(())
    }

    /// The groups that a phone was never in.
    fn foreign(&self, shown: &Shown) -> Vec<GroupId> {
        let groups = self.groups.iter().copied();
        groups
            .filter(|group| !shown.groups.contains(group))
            .collect()
    }

    /// What a phone's memory says to its screens.
    fn knows_what_it_may(&self, nth: usize) -> Result<(), String> {
        let (phone, shown) = self.phone_shown(nth);
        for group in self.foreign(&shown) {
            let named = (0..NUMBERS).any(|n| phone.replica.member_name(group, n).is_some());
            let mut listed = phone.replica.groups();
            if named || listed.any(|(of, info)| of == group && info.is_some()) {
                return Err(format!("phone {nth} shows {group}, in which it never was"));
            }
        }
        Ok(())
    }

    /// A phone that has heard of its rights has let go what it may read no longer: the changes of
    /// others, and what officers said.
    fn let_go(&self, nth: usize, readers: &Readers) -> Result<(), String> {
        let phone = &self.phones[nth];
        if phone.gone || self.is_unknown(phone) {
            return Ok(());
        }
        let device = phone.identity.device.id();
        let may = |feed| readers.may_read(self.hub.vocabulary(), device, feed);
        let groups: BTreeSet<GroupId> = phone.replica.groups().map(|(group, _)| group).collect();
        if groups != readers.groups(device).collect() {
            return Err(format!("phone {nth} believes to be in {groups:?}"));
        }
        for (_, logbook, record) in phone.replica.records() {
            for full in record.changes().filter(|full| full.change.device != device) {
                let feed = Feed::of_records(logbook, full.change.device);
                if !may(feed) {
                    return Err(format!("phone {nth} keeps {:?}", full.change.at));
                }
            }
        }
        for (key, full) in self.acts_on(phone) {
            // what is to be offered to a restored server goes when that has it; keys, vocabulary and
            // generations are about nobody
            let offered = key.len() != size_of::<u64>();
            if !offered && full.act.feed != Feed::Log && !may(full.act.feed) {
                return Err(format!("phone {nth} keeps {:?}", full.act.said));
            }
        }
        Ok(())
    }
}

/// Every change on a phone, those that must be said again among them.
fn held(phone: &SimPhone) -> impl Iterator<Item = &FullChange> {
    let forked = phone.replica.unsettled().map(|(full, _)| full);
    phone.replica.changes().map(|(full, _)| full).chain(forked)
}
