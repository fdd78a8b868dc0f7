//! Answering: what was appended is told under a signed head.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::calendar::DAY_S;
use crate::codec::Model;
use crate::exchange::FeedSet;
use crate::exchange::{Answer, Fate, Ground, WireEntry, WireSaid, fates_bytes, feed_list};
use crate::hub::facts;
use crate::hub::ledger::{LedgerFault, Table, View};
use crate::hub::visit::{Standing, Verified};
use crate::hub::{Hub, Told};
use crate::ids::{Feed, GroupId, KeyId, ReadNonce};
use crate::limits::{ANSWER_BUDGET_BYTES, ANSWER_BYTES_MAX, ANSWER_ENTRIES_MAX, NONCE_DAYS};
use crate::log::{Digest, EntryKind, Leaf, Receipt, answer_hash};

/// What the entries of an answer may cost before packing: text shrinks to about half of it.
const PLAIN_PER_PACKED: usize = 2;

impl Hub {
    /// Answers a visit. `told` is the witness that all it brought is on the disk; `view` is at
    /// least as new as that.
    pub fn answer(
        &self,
        model: &Model,
        view: &impl View,
        verified: &Verified,
        told: &Told,
        now_s: i64,
    ) -> Result<Vec<u8>, LedgerFault> {
        let state = facts::log_state(view)?;
        let ground = verified.ground(self).after(told.fates());
        let active = verified.standing == Standing::Active;
        let rights = if active {
            facts::rights(view, &self.vocabulary, verified.device)?
        } else {
            Vec::new()
        };
        // a group without feeds is one that the phone has lost and has something to bring to
        let followed = ground.groups.iter().filter(|(_, feeds)| feeds.0 != 0);
        let age = self.nonce_age(verified.device, verified.request.nonce, now_s);
        let mut answer = Answer {
            head: state.head(now_s),
            nonce: (age != Some(0)).then(|| self.nonce(verified.device, day_of(now_s))),
            upto: 0,
            more: false,
            withheld: false,
            fates: told.fates.clone(),
            groups: (active && !rights.iter().eq(followed)).then(|| rights.clone()),
            sums: None,
            entries: Vec::new(),
        };
        let mut leaves = Vec::new();
        if age.is_none() && active {
            answer.withheld = true;
            answer.more = true;
        } else if !rights.is_empty() {
            self.read_for(view, verified, &ground, &rights, &mut answer, &mut leaves)?;
        }
        let hashes: Vec<_> = leaves
            .iter()
            .map(|leaf: &Leaf| leaf.hash(&self.realm, self.log_id()))
            .collect();
        let laid = answer.lay(&ground);
        let said = answer_hash(
            &self.realm,
            self.log_id(),
            &verified.statement.hash(),
            &fates_bytes(&answer.fates),
            &hashes,
            &laid.hash(),
        );
        let receipt = Receipt::sign(&self.realm, &self.log, answer.head, said);
        Ok(laid.pack(model, &receipt.signature))
    }

    /// Entries after the cursors, oldest first, within the budget.
    fn read_for(
        &self,
        view: &impl View,
        verified: &Verified,
        ground: &Ground,
        rights: &[(GroupId, FeedSet)],
        answer: &mut Answer,
        leaves: &mut Vec<Leaf>,
    ) -> Result<(), LedgerFault> {
        let wants = &verified.request.wants;
        let device = verified.device;
        let state = facts::log_state(view)?;
        let named = feed_list(device, &ground.groups);
        let same = wants.generation == state.generation;
        let cursor_of = |feed: &Feed| {
            let place = named.iter().position(|named| named == feed);
            let cursor = place.map_or(0, |place| wants.cursor_of(place));
            if same || wants.generation == 0 {
                cursor
            } else {
                cursor.min(state.generation_start)
            }
        };
        let held = feed_list(device, rights);
        // sums of a feed without a right would tell when something came into it
        if same && named == held {
            let mut sums = Vec::new();
            for feed in &named {
                sums.push(facts::feed_sum(view, *feed, cursor_of(feed))?);
            }
            let total = sums
                .iter()
                .fold(Digest::default(), |sum, one| sum.and(*one));
            if total.low() != wants.digest {
                answer.sums = Some(sums);
                answer.more = true;
                return Ok(());
            }
        }
        let mut waiting: Vec<(u64, Feed)> = Vec::new();
        for feed in held {
            let indexes = facts::feed_from(view, feed, cursor_of(&feed), ANSWER_ENTRIES_MAX)?;
            waiting.extend(indexes.into_iter().map(|index| (index, feed)));
        }
        waiting.sort_unstable_by_key(|(index, _)| *index);
        let budget = match usize::from(wants.budget_kib).saturating_mul(1024) {
            0 => ANSWER_BUDGET_BYTES,
            asked => asked.min(ANSWER_BYTES_MAX / 2),
        };
        let (mut cost, room) = (0usize, budget.saturating_mul(PLAIN_PER_PACKED));
        answer.upto = state.size;
        for (nth, (index, feed)) in waiting.into_iter().enumerate() {
            let weight = weight(view, index)?;
            cost = cost.saturating_add(weight);
            if nth >= ANSWER_ENTRIES_MAX || (nth > 0 && cost > room) {
                answer.more = true;
                answer.upto = index;
                break;
            }
            let (entry, leaf) = wire_entry(view, ground, index, feed)?;
            answer.entries.push(entry);
            leaves.push(leaf);
        }
        Ok(())
    }

    /// The read nonce of a device on a day.
    fn nonce(&self, device: KeyId, day: i64) -> ReadNonce {
        use crate::tags::Tag;
        let mut w = self.realm.preamble(Tag::Nonce, device);
        w.i64(day);
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.nonce_key).expect("any key length");
        mac.update(w.as_bytes());
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        ReadNonce(bytes.first_chunk::<8>().copied().unwrap_or_default())
    }

    /// How many days ago a nonce was given; `None` when it is none of the last thirty days'.
    fn nonce_age(&self, device: KeyId, nonce: ReadNonce, now_s: i64) -> Option<i64> {
        let today = day_of(now_s);
        (0..=NONCE_DAYS).find(|age| self.nonce(device, today.saturating_sub(*age)) == nonce)
    }
}

fn day_of(now_s: i64) -> i64 {
    now_s.div_euclid(DAY_S)
}

/// Bytes of an entry in the store.
fn weight(view: &impl View, index: u64) -> Result<usize, LedgerFault> {
    let key = facts::key_of(&[], index);
    let mut weight = ENTRY_WEIGHT;
    for table in [Table::Body, Table::Part] {
        weight = weight.saturating_add(view.get(table, &key)?.map_or(0, |bytes| bytes.len()));
    }
    Ok(weight)
}

/// What an entry costs beside its content.
const ENTRY_WEIGHT: usize = 32;

fn wire_entry(
    view: &impl View,
    ground: &Ground,
    index: u64,
    feed: Feed,
) -> Result<(WireEntry, Leaf), LedgerFault> {
    let damaged = LedgerFault::Damaged(Table::Entry);
    let entry = facts::entry(view, index)?.ok_or(damaged)?;
    let at = entry.leaf.at;
    let body = || LedgerFault::Damaged(Table::Body);
    let said = match entry.leaf.kind {
        EntryKind::Change if ground.holds(at) => WireSaid::Own(at),
        EntryKind::Change => WireSaid::Change(facts::full_change(view, index)?.ok_or_else(body)?),
        EntryKind::Aside => {
            let (change, reason) = entry.aside.ok_or_else(body)?;
            WireSaid::Aside { at, change, reason }
        }
        EntryKind::Review | EntryKind::Control => {
            WireSaid::Act(facts::full_act(view, index)?.ok_or_else(body)?)
        }
    };
    let wire = WireEntry {
        index,
        feed,
        admitted_at: entry.leaf.admitted_at,
        generation: entry.leaf.generation,
        said,
    };
    Ok((wire, entry.leaf))
}

impl Told {
    /// Nothing was brought, so nothing is acknowledged.
    #[must_use]
    pub(super) fn nothing() -> Self {
        Self { fates: Vec::new() }
    }
    /// The fates.
    #[must_use]
    pub fn fates(&self) -> &[Fate] {
        &self.fates
    }
}
