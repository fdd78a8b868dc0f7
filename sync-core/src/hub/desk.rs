//! What officers and the command line do: each act is an entry of the log, signed and seen.

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::act::{
    ACCOUNT_PART, Act as SignedAct, ActDraft, Control, FullAct, NAME_PART, Review, Said, TEXT_PART,
    act_chain,
};
use crate::change::ChangeRef;
use crate::closing::ClosingFault;
use crate::hub::Hub;
use crate::hub::append::Tx;
use crate::hub::facts::{self, Grant};
use crate::hub::ledger::{Ledger, LedgerFault, View};
use crate::hub::life::LifeFault;
use crate::ids::{AreaRef, Feed, GroupId, Hash32, KeyId, RecordId, first16, sha256};
use crate::limits::NAME_BYTES_MAX;
use crate::log::{AsideReason, EntryKind};
use crate::text::{TextFault, display_text_fault};
use crate::value::FieldKey;
use crate::vocabulary::{Lane, ReasonUse, StateLevel};

/// Who acts, when, and the random bytes that the act needs.
#[derive(Debug, Clone, Copy)]
pub struct Acting<'a> {
    /// Number of the account; 0 for the command line.
    pub account: u32,
    /// Name of the account; empty for the command line.
    pub name: &'a str,
    /// Server time.
    pub now_s: i64,
    /// Thirty-two bytes never used before.
    pub random: [u8; 32],
}

/// Why an act was not done. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// No group has this name.
    #[error("there is no such group; see `group list`")]
    NoGroup,
    /// The group exists already.
    #[error("there is a group with this id already")]
    GroupKnown,
    /// The group has no such member now.
    #[error("the group has no member {0} now")]
    NoMember(u16),
    /// A group may have no more members.
    #[error("the group has had as many members as a group may have")]
    TooManyMembers,
    /// A role that members cannot have.
    #[error("role {0} is none that a member of a group can have")]
    Role(u16),
    /// A name that cannot be kept.
    #[error(transparent)]
    Name(NameFault),
    /// The invitation is not known.
    #[error("this code is not known here; ask for a new one")]
    NoInvite,
    /// The invitation was used.
    #[error("this code was used already; ask for a new one")]
    InviteUsed,
    /// The invitation expired.
    #[error("this code has expired; ask for a new one")]
    InviteExpired,
    /// The device asked already.
    #[error("this device is known already")]
    DeviceKnown,
    /// No device asks under this name.
    #[error("there is no such device; see `device list`")]
    NoDevice,
    /// The digits differ.
    #[error("the six digits are not those that the phone shows; do not confirm this device")]
    Digits,
    /// The key cannot be used, or the signature does not fit.
    #[error("the key or its signature is not sound")]
    BadKey,
    /// No record has this name.
    #[error("there is no such record")]
    NoRecord,
    /// The record has no such field.
    #[error("the record has no field {0}")]
    NoField(u16),
    /// A state that a review cannot set here.
    #[error("state {0} cannot be set by a review")]
    State(u16),
    /// A reason is missing or not allowed here.
    #[error("a reason of the fixed list is needed, and this is none for this lane")]
    Reason,
    /// Free words where only fixed reasons may stand, or words that cannot be kept.
    #[error("free words are not allowed here")]
    Words,
    /// A review that says nothing.
    #[error("say a state, a reason or a remark")]
    Nothing,
    /// No such change is in the log.
    #[error("there is no such change in the log")]
    NoChange,
    /// The change counts already.
    #[error("this change is not set aside: it counts already")]
    NotAside,
    /// The change was set aside for something else than a right that was lost, or follows one that
    /// was not admitted.
    #[error("this change cannot be admitted, also not with the right that was lost: {0:?}")]
    StaysAside(AsideReason),
    /// The words of the change are not kept: they were erased, or its row is lost.
    #[error(
        "this change is no longer kept here in full, so it cannot be admitted; its phone can say it again"
    )]
    WordsGone,
    /// Who proposed it cannot confirm it, and the command line only proposes.
    #[error("it is proposed already; a second officer has to confirm it at the console")]
    SecondOfficer,
    /// None of the keys holds an erasable value.
    #[error("none of these fields can be erased in this change")]
    NothingToErase,
    /// A period cannot be closed.
    #[error(transparent)]
    Closing(ClosingFault),
    /// A step in the life of a group cannot be taken.
    #[error(transparent)]
    Life(LifeFault),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] LedgerFault),
}

/// What an officer says about a record.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReviewInput {
    /// The record.
    pub record: RecordId,
    /// The heads that the officer saw.
    pub heads: Vec<ChangeRef>,
    /// The field it is about.
    pub field: Option<FieldKey>,
    /// The state it sets.
    pub state: Option<u16>,
    /// A reason of the fixed list.
    pub reason: Option<u16>,
    /// Free words; open lane only.
    pub words: Option<String>,
}

impl<L: Ledger> Tx<'_, '_, L> {
    /// Signs an act with the log's key and appends it.
    pub(super) fn sign(
        &mut self,
        acting: &Acting<'_>,
        feed: Feed,
        said: Said,
        word: Option<(FieldKey, &str)>,
    ) -> Result<u64, LedgerFault> {
        let generation = self.state.generation;
        let chain = act_chain(&self.hub.realm, self.hub.log_id(), feed, generation);
        let tip = facts::chain(self.ledger, chain)?;
        let mut words = BTreeMap::new();
        if !acting.name.is_empty() {
            words.insert(ACCOUNT_PART, acting.name.to_owned());
        }
        if let Some((key, word)) = word {
            words.insert(key, word.to_owned());
        }
        let mut seed = acting.random.to_vec();
        seed.extend_from_slice(&self.state.size.to_be_bytes());
        let draft = ActDraft {
            feed,
            generation,
            seq: tip.map_or(0, |tip| tip.seq).saturating_add(1),
            previous: tip.map_or(Hash32::default(), |tip| tip.hash),
            account: acting.account,
            time_s: acting.now_s,
            said,
            words,
            seed: first16(&sha256(&seed)),
        };
        let full = draft.sign(&self.hub.realm, &self.hub.log);
        self.append_act(&full)
    }

    /// Takes back acts of an earlier generation that a phone kept: each was signed by this log,
    /// and each follows the one before it. Others are left alone.
    ///
    /// Where the desk went on before anybody saw that entries were lost, other acts stand on the
    /// chain, and a lost one can never follow again. Then what it protected counts more than its
    /// place: an erasure, a revocation, the end of a membership is said anew.
    pub(super) fn take_back(
        &mut self,
        acts: &[FullAct],
        acting: &Acting<'_>,
    ) -> Result<(), LedgerFault> {
        let mut parted = BTreeSet::new();
        for full in acts {
            let act: &SignedAct = &full.act;
            if act.generation >= self.state.generation
                || !act.verifies(&self.hub.realm, &self.hub.log.public())
            {
                continue;
            }
            let place = facts::place(self.ledger, act.at)?;
            if place.is_some_and(|place| place.hash == act.hash(&self.hub.realm)) {
                continue; // it is here
            }
            let tip = facts::chain(self.ledger, act.at.chain)?;
            let is_next = act.at.seq == tip.map_or(0, |tip| tip.seq).saturating_add(1);
            let follows = is_next && act.previous == tip.map_or(Hash32::default(), |tip| tip.hash);
            let begins = matches!(act.said, Said::Control(Control::Generation { .. }));
            if follows && !begins {
                self.append_act(full)?;
                if let Said::Control(Control::Enrol { device, .. }) = &act.said {
                    self.let_in(device.id())?;
                }
            } else if place.is_some() || is_next || parted.contains(&act.at.chain) {
                parted.insert(act.at.chain);
                if self.lacks_protection(&act.said)? {
                    self.sign(acting, act.feed, act.said.clone(), None)?;
                }
            }
        }
        Ok(())
    }

    /// Whether an act takes something away from somebody, and what it took is here.
    fn lacks_protection(&self, said: &Said) -> Result<bool, LedgerFault> {
        let Said::Control(control) = said else {
            return Ok(false);
        };
        Ok(match control {
            Control::Erase { change, keys } => {
                let erased = self.erased_keys(*change)?;
                keys.iter().any(|key| !erased.contains(key))
            }
            Control::Revoke { group, device } => {
                facts::groups_of(self.ledger, *device)?.contains(group)
            }
            Control::MemberEnd { group, number } => {
                facts::role_at(self.ledger, *group, *number, self.state.size)?.is_some()
            }
            Control::Generation { .. }
            | Control::Group { .. }
            | Control::Member { .. }
            | Control::Enrol { .. }
            | Control::Officer { .. }
            | Control::Areas { .. }
            | Control::Admit { .. }
            | Control::AreaEvents { .. }
            | Control::PeriodClosed(_)
            | Control::GroupLife { .. }
            | Control::Vocabulary { .. } => false,
        })
    }
}

/// What is wrong with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NameFault {
    /// There is nothing but spaces in it.
    #[error("the name is empty")]
    Empty,
    /// It has so many bytes.
    #[error(
        "the name has {0} bytes and may have {NAME_BYTES_MAX}, of which a letter takes one to \
         three: shorten it"
    )]
    TooLong(usize),
    /// It goes on in another line.
    #[error("the name has more than one line: write it on one")]
    Lines,
    /// It holds something that no screen shows as it is.
    #[error("the name cannot be shown ({0}): type it anew")]
    Unshown(TextFault),
}

/// The first fault of the name of a group, a member or an account, if it has one.
#[must_use]
pub fn name_fault(name: &str) -> Option<NameFault> {
    if name.trim().is_empty() {
        return Some(NameFault::Empty);
    }
    if name.len() > NAME_BYTES_MAX {
        return Some(NameFault::TooLong(name.len()));
    }
    if name.contains('\n') {
        return Some(NameFault::Lines);
    }
    display_text_fault(name).map(NameFault::Unshown)
}

fn check_name(name: &str) -> Result<(), Refusal> {
    match name_fault(name) {
        None => Ok(()),
        Some(fault) => Err(Refusal::Name(fault)),
    }
}

impl Hub {
    fn control(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        feed: Feed,
        control: Control,
        word: Option<(FieldKey, &str)>,
    ) -> Result<u64, Refusal> {
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        let index = tx.sign(acting, feed, Said::Control(control), word)?;
        tx.finish()?;
        Ok(index)
    }

    /// Founds a group in an area, or renames and moves the one of this id.
    ///
    /// # Errors
    /// A name that cannot be kept.
    pub fn set_group(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        group: GroupId,
        row: facts::Group,
    ) -> Result<(), Refusal> {
        check_name(&row.name)?;
        let control = Control::Group {
            group,
            area: row.area,
            commune: row.commune,
            name: row.name,
        };
        self.control(ledger, acting, Feed::Group(group), control, None)?;
        Ok(())
    }

    /// Adds a member and gives the number, which nobody else ever gets in this group.
    ///
    /// # Errors
    /// No such group, a role of officers, a name that cannot be kept.
    pub fn add_member(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        group: GroupId,
        name: &str,
        role: u16,
    ) -> Result<u16, Refusal> {
        check_name(name)?;
        if facts::group(ledger, group)?.is_none() {
            return Err(Refusal::NoGroup);
        }
        self.check_member_role(role)?;
        let last = facts::members(ledger, group)?
            .last()
            .map_or(0, |m| m.number);
        let number = last.checked_add(1).ok_or(Refusal::TooManyMembers)?;
        self.set_member(ledger, acting, group, number, Some(name), role)?;
        Ok(number)
    }

    /// Gives a member, ended or not, a role from here on.
    ///
    /// # Errors
    /// No such member, a role of officers.
    pub fn change_role(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        group: GroupId,
        number: u16,
        role: u16,
    ) -> Result<(), Refusal> {
        self.check_member_role(role)?;
        let known = facts::members(ledger, group)?;
        let member = known.iter().find(|m| m.number == number);
        let named_at = member.ok_or(Refusal::NoMember(number))?.named_at;
        let name = facts::full_act(ledger, named_at)?
            .and_then(|full| full.words(NAME_PART).map(str::to_owned));
        self.set_member(ledger, acting, group, number, name.as_deref(), role)
    }

    fn set_member(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        group: GroupId,
        number: u16,
        name: Option<&str>,
        role: u16,
    ) -> Result<(), Refusal> {
        let control = Control::Member {
            group,
            number,
            role,
        };
        let word = name.map(|name| (NAME_PART, name));
        self.control(ledger, acting, Feed::Group(group), control, word)?;
        Ok(())
    }

    fn check_member_role(&self, role: u16) -> Result<(), Refusal> {
        let of_group = self
            .vocabulary
            .role(role)
            .is_some_and(|role| role.scope == crate::vocabulary::RoleScope::Group);
        if of_group {
            Ok(())
        } else {
            Err(Refusal::Role(role))
        }
    }

    /// Ends a membership. What the member wrote stays.
    ///
    /// # Errors
    /// No such member.
    pub fn end_member(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        group: GroupId,
        number: u16,
    ) -> Result<(), Refusal> {
        let size = facts::log_state(ledger)?.size;
        if facts::role_at(ledger, group, number, size)?.is_none() {
            return Err(Refusal::NoMember(number));
        }
        let control = Control::MemberEnd { group, number };
        self.control(ledger, acting, Feed::Group(group), control, None)?;
        Ok(())
    }

    /// Revokes a device in every group it is in.
    ///
    /// # Errors
    /// A device that is in no group.
    pub fn revoke(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        device: KeyId,
    ) -> Result<(), Refusal> {
        let mut groups = facts::grants(ledger, device)?;
        groups.retain(|(_, grant)| *grant != Grant::Revoked);
        if groups.is_empty() {
            return Err(Refusal::NoDevice);
        }
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        for (group, _) in groups {
            let said = Said::Control(Control::Revoke { group, device });
            tx.sign(acting, Feed::Group(group), said, None)?;
        }
        tx.finish()?;
        Ok(())
    }

    /// Puts an act of the office into its feed: accounts, area imports.
    ///
    /// # Errors
    /// Only the store's own.
    pub fn note_office(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        control: Control,
    ) -> Result<(), Refusal> {
        self.control(ledger, acting, Feed::Office, control, None)?;
        Ok(())
    }

    /// An officer's state or remark on a record. It adds; it never edits.
    ///
    /// # Errors
    /// See [`Refusal`]: the fixed lists, lanes and states of the vocabulary decide.
    pub fn review(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        input: ReviewInput,
    ) -> Result<u64, Refusal> {
        let (logbook, record) = facts::record(ledger, input.record)?.ok_or(Refusal::NoRecord)?;
        let words = input.words.filter(|words| !words.trim().is_empty());
        if input.state.is_none() && input.reason.is_none() && words.is_none() {
            return Err(Refusal::Nothing);
        }
        let vocabulary = &self.vocabulary;
        let returns = match input.state {
            None => words.is_none(),
            Some(number) => {
                let state = vocabulary.state(number).ok_or(Refusal::State(number))?;
                if state.level != StateLevel::Commune {
                    return Err(Refusal::State(number));
                }
                state.id == "returned"
            }
        };
        let allowed = |number: u16| {
            vocabulary
                .reasons(ReasonUse::Return, logbook.lane)
                .any(|reason| reason.number == number)
        };
        match input.reason {
            None if returns => return Err(Refusal::Reason),
            Some(number) if !allowed(number) => return Err(Refusal::Reason),
            None | Some(_) => {}
        }
        if let Some(words) = &words {
            let closed = logbook.lane.is_closed();
            if closed || display_text_fault(words).is_some() || words.len() > WORDS_BYTES_MAX {
                return Err(Refusal::Words);
            }
        }
        if let Some(key) = input.field
            && record.field(key).is_none()
            && !vocabulary.accepts(record.record_type(), logbook.lane, key.number)
        {
            return Err(Refusal::NoField(key.number));
        }
        let mut heads = input.heads;
        heads.retain(|head| record.contains(*head));
        heads.sort_unstable();
        heads.dedup();
        heads.truncate(crate::limits::CHANGE_HEADS_MAX);
        let device = facts::record_facts(ledger, input.record)?
            .ok_or(Refusal::NoRecord)?
            .device;
        let review = Review {
            record: input.record,
            heads,
            field: input.field,
            state: input.state,
            reason: input.reason,
        };
        let word = words.as_deref().map(|words| (TEXT_PART, words));
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        let feed = if logbook.lane.is_closed() {
            Feed::Private(logbook, device) // remarks in closed lanes reach the writing phone only
        } else {
            Feed::of_records(logbook, device)
        };
        let index = tx.sign(acting, feed, Said::Review(review), word)?;
        tx.finish()?;
        Ok(index)
    }

    /// Erases values of one change or words of one act, here and, by the entry, on every phone.
    ///
    /// # Errors
    /// No such change, or none of the keys holds a value that can go.
    pub fn erase(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        at: ChangeRef,
        keys: Vec<FieldKey>,
    ) -> Result<(), Refusal> {
        let place = facts::place(ledger, at)?.ok_or(Refusal::NoChange)?;
        let entry = facts::entry(ledger, place.index)?.ok_or(Refusal::NoChange)?;
        let mut keys = keys;
        keys.sort_unstable();
        keys.dedup();
        if entry.leaf.kind == EntryKind::Change {
            let full = facts::full_change(ledger, place.index)?.ok_or(Refusal::NoChange)?;
            keys.retain(|key| full.parts.values.contains_key(key));
            if keys.is_empty() {
                return Err(Refusal::NothingToErase);
            }
        }
        if matches!(entry.leaf.kind, EntryKind::Review | EntryKind::Control) {
            let full = facts::full_act(ledger, place.index)?.ok_or(Refusal::NoChange)?;
            keys.retain(|key| full.parts.values.contains_key(key));
            if keys.is_empty() {
                return Err(Refusal::NothingToErase);
            }
            let erase = Control::Erase { change: at, keys };
            self.control(ledger, acting, entry.leaf.feed, erase, None)?;
            return Ok(());
        }
        let logbook = entry.leaf.feed.logbook().ok_or(Refusal::NoChange)?;
        let own = Feed::Private(logbook, entry.writer);
        // Every phone that may hold the words must hear of it: also one that has lost the right to
        // read the lane since, and in closed lanes nobody else.
        let feeds = match logbook.lane {
            Lane::Open => vec![Feed::Group(logbook.group)],
            Lane::Mediation => vec![Feed::Shared(logbook), own],
            Lane::Tip | Lane::Protected => vec![own],
        };
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        for feed in feeds {
            let erase = Control::Erase {
                change: at,
                keys: keys.clone(),
            };
            tx.sign(acting, feed, Said::Control(erase), None)?;
        }
        tx.finish()?;
        Ok(())
    }
}

/// Longest free words of a remark, in bytes.
const WORDS_BYTES_MAX: usize = 4_000;

/// Commune of a group, for a scope.
pub fn commune_of(view: &impl View, group: GroupId) -> Result<Option<AreaRef>, LedgerFault> {
    Ok(facts::group(view, group)?.map(|group| group.commune))
}
