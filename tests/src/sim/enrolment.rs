//! How phones get into groups: they ask, an officer confirms; after a loss, once more.

use sync_core::hub::Refusal;
use sync_core::hub::arrival::{EnrolAnswer, EnrolRequest, candidate};
use sync_core::ids::GroupId;
use sync_core::keys::Secret;
use sync_core::replica::{Identity, Replica};
use sync_core::vocabulary::Vocabulary;

use crate::sim::{Disk, SimPhone, World};

impl World {
    /// Enrols a phone and, mostly, confirms it at once.
    ///
    /// # Errors
    /// What the hub refuses.
    pub fn enrol(&mut self, group: GroupId, members: Vec<u16>) -> Result<(), Refusal> {
        let vocabulary = self.hub.vocabulary().clone();
        self.ask_in(group, members, vocabulary)?;
        if self.dice.chance(70) {
            self.confirm(self.phones.len() - 1)?;
        }
        Ok(())
    }

    /// A new phone with this vocabulary asks to be enrolled.
    pub(super) fn ask_in(
        &mut self,
        group: GroupId,
        members: Vec<u16>,
        vocabulary: Vocabulary,
    ) -> Result<(), Refusal> {
        let device = SimPhone::key(&mut self.dice);
        let answer = self.ask(group, members, &device)?;
        let mut disk = Disk::default();
        disk.apply(&Replica::enrolled(&vocabulary, &answer));
        let identity = Identity {
            realm: self.hub.realm(),
            log: self.hub.log_key(),
            device,
        };
        self.phones
            .push(SimPhone::new(identity, vocabulary, disk, &answer));
        Ok(())
    }

    /// An officer makes an invitation, and a device uses it.
    fn ask(
        &mut self,
        group: GroupId,
        members: Vec<u16>,
        device: &Secret,
    ) -> Result<EnrolAnswer, Refusal> {
        let (token, now_s) = (self.dice.bytes(), self.now_s);
        let expires = now_s + 86_400;
        self.desk(|hub, ledger, _| hub.invite(ledger, group, members, &token, expires))?;
        let request = EnrolRequest::sign(&self.hub.realm(), device, token);
        self.desk(|hub, ledger, _| hub.enrol(ledger, &request, now_s))
    }

    /// Confirms a phone, if it waits for that.
    ///
    /// # Errors
    /// What the hub refuses.
    pub fn confirm(&mut self, nth: usize) -> Result<(), Refusal> {
        let device = self.phones[nth].identity.device.id();
        let Some(candidate) = candidate(&self.ledger, device)? else {
            return Ok(());
        };
        self.desk(|hub, ledger, acting| hub.confirm(ledger, acting, device, candidate.digits))
    }

    /// A phone that the server has forgotten is enrolled again with the key it has, in this group.
    ///
    /// # Errors
    /// What the hub refuses: a phone that it knows among it.
    pub(super) fn enrol_again(&mut self, nth: usize, group: GroupId) -> Result<(), Refusal> {
        let device = self.phones[nth].identity.device.clone();
        let answer = self.ask(group, vec![], &device)?;
        self.phones[nth].also(&answer);
        self.confirm(nth)
    }

    /// New phones that are in two groups. A known device is invited into no second one; the way that
    /// there is goes through a loss: a restored server has forgotten the phone, an officer enrols
    /// it in another group, and the phone brings back its first enrolment.
    ///
    /// # Errors
    /// What does not go as it should.
    pub fn enrol_in_two(&mut self, count: usize) -> Result<(), String> {
        let (before, first) = (self.ledger.clone(), self.phones.len());
        // all in the same two: an enrolment comes back only where no other has taken its place
        let group = self.any_group();
        let others: Vec<GroupId> = self
            .groups
            .iter()
            .copied()
            .filter(|other| *other != group)
            .collect();
        let second = self.dice.pick(&others).copied();
        let second = second.ok_or("there is one group only")?;
        for nth in first..first + count {
            let vocabulary = self.hub.vocabulary().clone();
            self.ask_in(group, vec![], vocabulary)
                .and_then(|()| self.confirm(nth))
                .map_err(|refusal| refusal.to_string())?;
            self.sync(nth)?;
        }
        self.put_server_back(&before);
        for nth in first..first + count {
            self.enrol_again(nth, second)
                .map_err(|refusal| refusal.to_string())?;
        }
        for nth in first..first + count {
            self.sync(nth)?;
            let groups = self.phones[nth].replica.groups().count();
            if groups != 2 {
                return Err(format!("phone {nth} is in {groups} groups"));
            }
        }
        Ok(())
    }

    /// What an officer does with a phone that waits, or that a restored server has forgotten and
    /// that has nothing to show for itself. Mostly it is enrolled where it was, and mostly after
    /// it had its chance to show.
    pub(super) fn admit_again(&mut self, nth: usize) -> Result<(), Refusal> {
        let phone = &self.phones[nth];
        if phone.gone {
            return Ok(());
        }
        let asked = phone.asked;
        let hasty = self.is_unknown(&self.phones[nth]) && self.dice.chance(20);
        if self.is_unknown(&self.phones[nth]) && (hasty || !self.visit_knows(nth)) {
            let elsewhere = self.dice.chance(30);
            let group = if elsewhere { self.any_group() } else { asked };
            match self.enrol_again(nth, group) {
                Err(Refusal::DeviceKnown) => {} // it waits for an officer already
                done => done?,
            }
        }
        self.confirm(nth)
    }

    /// Whether the server knows the phone after it visited and showed what it has.
    fn visit_knows(&mut self, nth: usize) -> bool {
        for _ in 0..3 {
            // an error of the visit itself is met, and told, in the round of visits
            if !self.visit(nth, false).unwrap_or(false) {
                break;
            }
        }
        let device = self.phones[nth].identity.device.id();
        let waits = candidate(&self.ledger, device);
        !self.is_unknown(&self.phones[nth]) || waits.is_ok_and(|waits| waits.is_some())
    }
}
