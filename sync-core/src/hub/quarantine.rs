//! The quarantine desk: what was held is admitted by two officers, or stays where it is.
//!
//! A first Admit of an aside proposes, one of another account puts it into force; then the change
//! itself is an entry of its feed, of kind Change, at that place of the log. Its Aside stays where
//! it was. Nothing else is kept of a decision than these entries, so that a rebuild, a check by
//! others and acts that come back after a restore all come to the same end.
//!
//! What is absent: a way to admit a fork (it is said again), words that may be nowhere, or anything
//! that the policy gate refuses for another reason than a lost right.

use crate::act::{Control, Said};
use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{ChangeRef, FullChange};
use crate::hub::admit::Gate;
use crate::hub::append::{Tx, fork_prefix_of_all};
use crate::hub::facts::{self, Entry, after, decode, index_at_end, key_of, pair_key, place_key};
use crate::hub::ledger::{Ledger, LedgerFault, Table, View};
use crate::hub::{Acting, Hub, Refusal};
use crate::ids::{Hash32, Logbook, RecordId};
use crate::log::{AsideReason, EntryKind};

/// How long a proposal stays open, in seconds, by the server times of the two acts: fourteen days.
/// Later the next Admit proposes anew; there is no other way to withdraw one.
pub const PROPOSAL_OPEN_S: i64 = 14 * 86_400;
/// Account of the command line. It may bring a change before the officers, and is none of the two.
const COMMAND_LINE: u32 = 0;
/// Rows read at once.
const PAGE: usize = 200;

/// What the log's acts say about admitting one change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// Account that proposed; 0 for the command line.
    pub proposer: u32,
    /// Index of the entry that proposed.
    pub proposed_at: u64,
    /// Server time of that act, seconds since 1970.
    pub proposed_s: i64,
    /// Account that confirmed, and the index of its entry: then it is in force.
    pub confirmed: Option<(u32, u64)>,
}

/// What an officer's Admit came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitting {
    /// Another officer has to confirm it.
    Proposed,
    /// The change is in the log from here on.
    Admitted,
}

impl Admission {
    /// What one more Admit makes of it. The same acts give the same, whenever they are read.
    pub(super) fn next(before: Option<Self>, account: u32, index: u64, time_s: i64) -> Self {
        let proposed = Self {
            proposer: account,
            proposed_at: index,
            proposed_s: time_s,
            confirmed: None,
        };
        match before {
            None => proposed,
            Some(known) if known.confirmed.is_some() => known,
            Some(known) if !known.is_open(time_s) || known.is_taken_over_by(account) => proposed,
            Some(known) if known.is_confirmed_by(account) => Self {
                confirmed: Some((account, index)),
                ..known
            },
            Some(known) => known,
        }
    }

    /// Whether it waits for a second officer at this server time.
    #[must_use]
    pub fn is_open(&self, now_s: i64) -> bool {
        self.confirmed.is_none() && now_s <= self.proposed_s.saturating_add(PROPOSAL_OPEN_S)
    }

    /// Whether an officer proposed it, and not the command line.
    #[must_use]
    pub fn is_of_officer(&self) -> bool {
        self.proposer != COMMAND_LINE
    }

    /// Whether an Admit of this account would put it into force.
    #[must_use]
    pub fn is_confirmed_by(&self, account: u32) -> bool {
        self.is_of_officer() && account != COMMAND_LINE && account != self.proposer
    }

    /// Whether an Admit of this account would propose it in place of the command line.
    #[must_use]
    pub fn is_taken_over_by(&self, account: u32) -> bool {
        !self.is_of_officer() && account != COMMAND_LINE
    }

    fn to_bytes(self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u32(self.proposer)
            .u64(self.proposed_at)
            .i64(self.proposed_s);
        if let Some((account, index)) = self.confirmed {
            w.u32(account).u64(index);
        }
        w.into_bytes()
    }

    fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            proposer: r.u32()?,
            proposed_at: r.u64()?,
            proposed_s: r.i64()?,
            confirmed: if r.is_empty() {
                None
            } else {
                Some((r.u32()?, r.u64()?))
            },
        })
    }
}

fn admission_key(at: ChangeRef, hash: &Hash32) -> Vec<u8> {
    pair_key(&place_key(at), hash.as_bytes())
}

/// What was decided, or proposed, about admitting the change of this hash at this place.
pub fn admission(
    view: &impl View,
    at: ChangeRef,
    hash: &Hash32,
) -> Result<Option<Admission>, LedgerFault> {
    view.get(Table::Admission, &admission_key(at, hash))?
        .map(|bytes| decode(Table::Admission, &bytes, Admission::read))
        .transpose()
}

/// Index of the Aside of a change that was admitted later, if it has one.
pub(super) fn aside_of_admitted(
    view: &impl View,
    at: ChangeRef,
) -> Result<Option<u64>, LedgerFault> {
    view.get(Table::Admitted, &place_key(at))?
        .map(|bytes| decode(Table::Admitted, &bytes, |r| r.u64()))
        .transpose()
}

/// What the quarantine keeps of an aside.
pub fn held(view: &impl View, index: u64) -> Result<Option<FullChange>, LedgerFault> {
    view.get(Table::Quarantine, &key_of(&[], index))?
        .map(|bytes| read_held(&bytes))
        .transpose()
}

/// What the quarantine keeps of asides below an index, newest first: at most `limit`, with the
/// index of each entry.
pub fn asides(
    view: &impl View,
    below: u64,
    limit: usize,
) -> Result<Vec<(u64, FullChange)>, LedgerFault> {
    let mut until = key_of(&[], below).min(fork_prefix_of_all());
    let mut found = Vec::new();
    while found.len() < limit {
        let Some((key, bytes)) = view.last(Table::Quarantine, &[], &until)? else {
            break;
        };
        found.push((index_at_end(Table::Quarantine, &key)?, read_held(&bytes)?));
        until = key;
    }
    Ok(found)
}

/// Forked changes that the quarantine keeps as proof, by device: at most `limit` after a key, with
/// the key of each.
pub fn forks(
    view: &impl View,
    after_key: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, FullChange)>, LedgerFault> {
    let prefix = fork_prefix_of_all();
    let from = after_key.map_or_else(|| prefix.clone(), |key| [&prefix, key, &[0]].concat());
    view.scan(Table::Quarantine, &from, &after(&prefix), limit)?
        .into_iter()
        .map(|(key, bytes)| {
            let key = key.get(prefix.len()..).unwrap_or_default();
            Ok((key.to_vec(), read_held(&bytes)?))
        })
        .collect()
}

fn read_held(bytes: &[u8]) -> Result<FullChange, LedgerFault> {
    FullChange::from_bytes(bytes).map_err(|_malformed| LedgerFault::Damaged(Table::Quarantine))
}

/// The next change of a chain about a record that is still set aside.
fn next_aside(
    view: &impl View,
    at: ChangeRef,
    record: RecordId,
) -> Result<Option<u32>, LedgerFault> {
    let until = after(at.chain.as_bytes());
    let mut from = place_key(ChangeRef {
        seq: at.seq.saturating_add(1),
        ..at
    });
    loop {
        let page = view.scan(Table::Place, &from, &until, PAGE)?;
        for (key, _) in &page {
            let place_at = decode(Table::Place, key, ChangeRef::read)?;
            let place = facts::place(view, place_at)?;
            if place.is_some_and(|place| place.aside.is_some() && place.record == record) {
                return Ok(Some(place_at.seq));
            }
        }
        match page.last() {
            Some((last, _)) if page.len() == PAGE => {
                from.clone_from(last);
                from.push(0);
            }
            _ => return Ok(None),
        }
    }
}

/// Whether an officer can ever be asked about what was set aside for this reason: a right was lost,
/// or it fell with something that may be admitted.
#[must_use]
pub const fn is_admissible(reason: AsideReason) -> bool {
    reason.is_held() || matches!(reason, AsideReason::FollowsAside)
}

impl<L: Ledger> Tx<'_, '_, L> {
    /// What an Admit changes from its entry on; whether the change can be placed is asked apart.
    pub(super) fn note_admit(
        &mut self,
        at: ChangeRef,
        hash: &Hash32,
        (account, time_s): (u32, i64),
        index: u64,
    ) -> Result<(), LedgerFault> {
        let before = admission(self.ledger, at, hash)?;
        let now = Admission::next(before, account, index, time_s);
        let key = admission_key(at, hash);
        self.ledger.put(Table::Admission, &key, &now.to_bytes())
    }

    /// After an Admit was appended: if that put it into force and the bytes are here, the change
    /// becomes an entry. Without them it waits for its phone.
    pub(super) fn place_admitted(&mut self, said: &Said) -> Result<(), LedgerFault> {
        let Said::Control(Control::Admit { change, hash }) = said else {
            return Ok(());
        };
        let Some(place) = facts::place(self.ledger, *change)? else {
            return Ok(());
        };
        let Some(entry) = facts::entry(self.ledger, place.index)? else {
            return Ok(());
        };
        let logbook = entry.leaf.feed.logbook();
        let (Some(logbook), Some(full)) = (logbook, held(self.ledger, place.index)?) else {
            return Ok(());
        };
        if place.aside.is_some()
            && place.hash == *hash
            && self.gate().is_to_be_placed(&full, hash, logbook)?
        {
            self.append_change(&full, *hash, logbook, None)?;
        }
        Ok(())
    }

    /// Rows that follow when a change is admitted that was set aside at `aside`: what still falls
    /// with an earlier one of its chain, and where its Aside is. Its words lie with those of other
    /// changes now, and nowhere else.
    pub(super) fn derive_admitted(&mut self, entry: &Entry, aside: u64) -> Result<(), LedgerFault> {
        let at = entry.leaf.at;
        let fallen = fallen_key(at, entry.record);
        match next_aside(self.ledger, at, entry.record)? {
            Some(seq) => self
                .ledger
                .put(Table::Fallen, &fallen, &seq.to_be_bytes())?,
            None => self.ledger.delete(Table::Fallen, &fallen)?,
        }
        self.ledger
            .put(Table::Admitted, &place_key(at), &aside.to_be_bytes())?;
        self.ledger.delete(Table::Quarantine, &key_of(&[], aside))
    }
}

impl<V: View> Gate<'_, V> {
    /// Whether two officers admitted the change, and nothing that is here keeps it from its place.
    pub(super) fn is_to_be_placed(
        &self,
        full: &FullChange,
        hash: &Hash32,
        logbook: Logbook,
    ) -> Result<bool, LedgerFault> {
        let known = admission(self.view, full.change.at, hash)?;
        Ok(known.is_some_and(|known| known.confirmed.is_some())
            && self.has_its_turn(full)?
            && self.fits(full, logbook)?.is_none())
    }

    /// Whether nothing earlier of its chain about its record is still set aside: the merge takes
    /// the changes of a chain in their order.
    pub(super) fn has_its_turn(&self, full: &FullChange) -> Result<bool, LedgerFault> {
        let fallen = fallen_key(full.change.at, full.change.record);
        let Some(row) = self.view.get(Table::Fallen, &fallen)? else {
            return Ok(true);
        };
        let first = decode(Table::Fallen, &row, |r| Ok(u32::from_be_bytes(r.array()?)))?;
        Ok(first == full.change.at.seq)
    }

    /// Why a held change cannot be admitted; `None` when nothing but the lost right is against it.
    fn obstacle(
        &self,
        full: &FullChange,
        logbook: Logbook,
    ) -> Result<Option<AsideReason>, LedgerFault> {
        if !self.has_its_turn(full)? {
            return Ok(Some(AsideReason::FollowsAside));
        }
        // of such a change the quarantine has no words to judge
        if self.says_unsayable(full, logbook.lane)? {
            let closed = logbook.lane.is_closed();
            return Ok(Some(if closed {
                AsideReason::ClosedLane
            } else {
                AsideReason::Sealed
            }));
        }
        let grants = facts::grants_ever(self.view, full.change.device, logbook.group)?;
        let judged = self.judged(full, logbook, |member| {
            grants.iter().any(|grant| grant.names(member))
        })?;
        Ok(judged.filter(|reason| *reason != AsideReason::RightLost))
    }
}

/// Where it stands that a chain has something set aside of a record.
pub(super) fn fallen_key(at: ChangeRef, record: RecordId) -> Vec<u8> {
    pair_key(at.chain.as_bytes(), record.as_bytes())
}

impl Hub {
    /// The change that was set aside at this place under this hash, if two officers may admit it,
    /// with the entry of its Aside.
    ///
    /// # Errors
    /// It is not there, was admitted, was refused for good, its bytes are gone, or it would be
    /// refused also with the right that was lost: see [`Refusal`].
    pub fn admissible(
        &self,
        view: &impl View,
        at: ChangeRef,
        hash: &Hash32,
    ) -> Result<(Entry, FullChange), Refusal> {
        let place = facts::place(view, at)?.filter(|place| place.hash == *hash);
        let place = place.ok_or(Refusal::NoChange)?;
        let entry = facts::entry(view, place.index)?.ok_or(Refusal::NoChange)?;
        let reason = match (place.aside, entry.leaf.kind) {
            (Some(reason), EntryKind::Aside) => reason,
            (_, EntryKind::Change) => return Err(Refusal::NotAside),
            (_, EntryKind::Aside | EntryKind::Review | EntryKind::Control) => {
                return Err(Refusal::NoChange);
            }
        };
        if !is_admissible(reason) {
            return Err(Refusal::StaysAside(reason));
        }
        let full = held(view, place.index)?.ok_or(Refusal::WordsGone)?;
        let logbook = entry.leaf.feed.logbook().ok_or(Refusal::NoChange)?;
        let gate = Gate {
            hub: self,
            view,
            size: facts::log_state(view)?.size,
        };
        match gate.obstacle(&full, logbook)? {
            Some(reason) => Err(Refusal::StaysAside(reason)),
            None => Ok((entry, full)),
        }
    }

    /// Proposes to admit a held change, or, when another officer has proposed it, admits it.
    ///
    /// # Errors
    /// As [`Hub::admissible`]; and an account that proposed it itself, or the command line, cannot
    /// confirm. Nothing was changed then.
    pub fn admit(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        at: ChangeRef,
        hash: &Hash32,
    ) -> Result<Admitting, Refusal> {
        let (entry, _) = self.admissible(ledger, at, hash)?;
        let open = admission(ledger, at, hash)?.filter(|known| known.is_open(acting.now_s));
        let account = acting.account;
        let counts =
            |open: Admission| open.is_confirmed_by(account) || open.is_taken_over_by(account);
        if open.is_some_and(|open| !counts(open)) {
            return Err(Refusal::SecondOfficer);
        }
        let admit = Control::Admit {
            change: at,
            hash: *hash,
        };
        // whoever pulls the change hears who let it in, and nobody else hears that there is one
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        tx.sign(acting, entry.leaf.feed, Said::Control(admit), None)?;
        tx.finish()?;
        let place = facts::place(ledger, at)?;
        Ok(match place.and_then(|place| place.aside) {
            None => Admitting::Admitted,
            Some(_) => Admitting::Proposed,
        })
    }
}
