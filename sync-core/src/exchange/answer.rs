//! What the server says: a fate for each run, the entries after the cursors, a signed head; or a
//! problem, in a shape that never changes.

use std::collections::BTreeMap;

use crate::act::FullAct;
use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{ChangeRef, FullChange};
use crate::codec::Model;
use crate::exchange::row::read_list;
use crate::exchange::{
    CLOCK_BASE_S, ChainTable, FeedSet, PROBLEM_VERSION, RowBase, Sink, Source, WireError,
    feed_list, unpack,
};
use crate::ids::{ChainId, Feed, GroupId, Hash32, KeyId, ReadNonce, Realm, RecordId, sha256};
use crate::keys::SignatureBytes;
use crate::limits::{
    ACT_BYTES_MAX, ANSWER_BYTES_MAX, ANSWER_ENTRIES_MAX, PROBLEM_DETAIL_BYTES_MAX,
    REQUEST_CHANGES_MAX, REQUEST_FEEDS_MAX, REQUEST_GROUPS_MAX, STATEMENT_CHAINS_MAX,
};
use crate::log::{AsideReason, Digest, EntryKind, Head, Leaf, aside_hash};

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $number:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum $name { $($(#[$vdoc])* $variant = $number),* }
        impl $name {
            /// The byte on the wire.
            #[must_use]
            pub const fn number(self) -> u8 {
                self as u8
            }
            /// The meaning of a byte.
            #[must_use]
            pub const fn from_number(number: u8) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

codes!(
    /// Why the server could not answer in full. Nothing of the request was kept, unless the code
    /// says so.
    ProblemCode {
        /// The request is of a version that this server no longer answers otherwise: update.
        Upgrade = 1,
        /// The bytes are no request.
        Malformed = 2,
        /// The body is too large: send less at once.
        TooLarge = 3,
        /// The device is not known to this log.
        UnknownDevice = 4,
        /// The signature does not fit: wrong key, wrong log, or damaged on the way.
        Signature = 5,
        /// Send chain and hash of every tip in full.
        ShowTips = 6,
        /// Send the newest receipt in full: the server may have lost what it covers.
        ShowHead = 7,
        /// The server has no room on its disk. It keeps what it has and can be read.
        DiskFull = 8,
        /// Too many visits: come again later.
        Later = 9,
        /// The server failed: come again later.
        Failed = 10,
    }
);

codes!(
    /// What became of the changes of one chain.
    Outcome {
        /// All of them are in the log, or set aside for a reason that the fate gives.
        Received = 1,
        /// Kept for a device that nobody has confirmed yet. No receipt.
        Waiting = 2,
        /// The server lacks changes before these.
        Gap = 3,
        /// Another change was received at the same place of the chain.
        Forked = 4,
        /// The device was refused by an officer.
        Refused = 5,
        /// No more fits the server's measure for a device that nobody has confirmed yet.
        Full = 6,
    }
);

/// What became of the changes of one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fate {
    /// Place of the chain among the claims.
    pub claim: usize,
    /// The server has the chain up to here.
    pub through: u32,
    /// In one word.
    pub outcome: Outcome,
    /// Those set aside: number and reason.
    pub asides: Vec<(u32, AsideReason)>,
}

/// What an entry says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WireSaid {
    /// A change that the phone does not have.
    Change(FullChange),
    /// A change that the phone wrote and has.
    Own(ChangeRef),
    /// A change that was set aside, by its hash.
    Aside {
        /// Its place.
        at: ChangeRef,
        /// Its hash.
        change: Hash32,
        /// Why.
        reason: AsideReason,
    },
    /// An act.
    Act(FullAct),
}

/// An entry of the log on its way to a phone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireEntry {
    /// Its index in the log.
    pub index: u64,
    /// Whom it is addressed to.
    pub feed: Feed,
    /// Server time of admission.
    pub admitted_at: i64,
    /// Generation in which it was first admitted.
    pub generation: u32,
    /// What it says.
    pub said: WireSaid,
}

/// An answer in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The head.
    pub head: Head,
    /// A new nonce, when the one in the request is not of today.
    pub nonce: Option<ReadNonce>,
    /// Every feed is complete below this index, unless it was farther already.
    pub upto: u64,
    /// More entries wait: come again.
    pub more: bool,
    /// The nonce was too old to read with: come again with the new one.
    pub withheld: bool,
    /// Fates of the chains about which there is something to say.
    pub fates: Vec<Fate>,
    /// The groups and feeds the phone has a right to, when they differ from what it named.
    pub groups: Option<Vec<(GroupId, FeedSet)>>,
    /// Sums of each feed that the phone named, up to its cursors, when the digest differs.
    pub sums: Option<Vec<Digest>>,
    /// The entries.
    pub entries: Vec<WireEntry>,
}

/// A problem in the shape that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What it is; `None` for a code that this side does not know.
    pub code: Option<ProblemCode>,
    /// For the log of the host, in English; never shown to a person as it is.
    pub detail: String,
}

/// What the receipt of an answer is checked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Signature of the receipt.
    pub signature: SignatureBytes,
    /// Hash of the whole layout, see [`Laid::hash`].
    pub layout: Hash32,
    /// Leaves of the entries, in order.
    pub leaves: Vec<Hash32>,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// An answer, and what its receipt is checked with.
    Answer(Box<Answer>, Sealed),
    /// A problem.
    Problem(Problem),
}

/// Both sides' common ground for the rows of an answer.
#[derive(Debug, Clone)]
pub struct Ground {
    /// Where signatures count.
    pub realm: Realm,
    /// Key of the log.
    pub log: KeyId,
    /// Key of the device.
    pub device: KeyId,
    /// Groups that the request named, in its order.
    pub groups: Vec<(GroupId, FeedSet)>,
    /// Chains of the claims with the number each claimed.
    pub claims: Vec<(ChainId, u32)>,
}

impl Ground {
    fn chains(&self) -> ChainTable {
        ChainTable::new(self.claims.iter().map(|(chain, _)| *chain).collect())
    }

    /// Beyond a fork, what the phone holds is not what the log has; after a gap, nobody knows how
    /// far the two agree.
    #[must_use]
    pub fn after(mut self, fates: &[Fate]) -> Self {
        for fate in fates {
            let agreed = match fate.outcome {
                Outcome::Forked => fate.through,
                Outcome::Gap => 0,
                Outcome::Received | Outcome::Waiting | Outcome::Refused | Outcome::Full => continue,
            };
            if let Some((_, seq)) = self.claims.get_mut(fate.claim) {
                *seq = agreed.min(*seq);
            }
        }
        self
    }

    /// Whether the phone said that it holds this change.
    #[must_use]
    pub fn holds(&self, at: ChangeRef) -> bool {
        self.claims
            .iter()
            .any(|(chain, seq)| *chain == at.chain && at.seq <= *seq)
    }
}

const MORE: u8 = 1;
const NONCE: u8 = 2;
const GROUPS: u8 = 4;
const SUMS: u8 = 8;
const WITHHELD: u8 = 16;

const KIND_CHANGE: u8 = 1;
const KIND_OWN: u8 = 2;
const KIND_ASIDE: u8 = 3;
const KIND_OWN_ASIDE: u8 = 4;
const KIND_ACT: u8 = 5;

impl Problem {
    /// The body.
    #[must_use]
    pub fn pack(code: ProblemCode, detail: &str) -> Vec<u8> {
        let mut w = Writer::new();
        let mut end = detail.len().min(PROBLEM_DETAIL_BYTES_MAX);
        while !detail.is_char_boundary(end) {
            end = end.saturating_sub(1);
        }
        w.u8(PROBLEM_VERSION).u8(code.number());
        w.block(detail.get(..end).unwrap_or_default().as_bytes());
        w.into_bytes()
    }
}

/// What the fates say, as the receipt covers it.
#[must_use]
pub fn fates_bytes(fates: &[Fate]) -> Vec<u8> {
    let mut w = Writer::new();
    w.count(fates.len());
    for fate in fates {
        w.count(fate.claim).varint(u64::from(fate.through));
        w.u8(fate.outcome.number());
        w.count(fate.asides.len());
        for (seq, reason) in &fate.asides {
            w.varint(u64::from(*seq)).u8(reason.number());
        }
    }
    w.into_bytes()
}

fn read_fates(r: &mut Reader<'_>) -> Result<Vec<Fate>, Malformed> {
    read_list(r, STATEMENT_CHAINS_MAX, |r| {
        let claim = r.count(STATEMENT_CHAINS_MAX)?;
        let through = r.small()?;
        let mark = r.u8()?;
        let outcome = Outcome::from_number(mark).ok_or(Malformed::UnknownMark(mark))?;
        let asides = read_list(r, REQUEST_CHANGES_MAX, |r| {
            let seq = r.small()?;
            let mark = r.u8()?;
            let reason = AsideReason::from_number(mark).ok_or(Malformed::UnknownMark(mark))?;
            Ok((seq, reason))
        })?;
        Ok(Fate {
            claim,
            through,
            outcome,
            asides,
        })
    })
}

impl WireEntry {
    /// Its leaf; `hash_of` gives the hash of an own change.
    fn leaf(
        &self,
        ground: &Ground,
        own: impl FnOnce(ChangeRef) -> Option<Hash32>,
    ) -> Option<Hash32> {
        let (kind, at, entry) = match &self.said {
            WireSaid::Change(full) => (
                EntryKind::Change,
                full.change.at,
                full.change.hash(&ground.realm),
            ),
            WireSaid::Own(at) => (EntryKind::Change, *at, own(*at)?),
            WireSaid::Aside { at, change, reason } => (
                EntryKind::Aside,
                *at,
                aside_hash(&ground.realm, ground.log, *at, change, *reason),
            ),
            WireSaid::Act(full) => (
                full.act.said.kind(),
                full.act.at,
                full.act.hash(&ground.realm),
            ),
        };
        let leaf = Leaf {
            kind,
            feed: self.feed,
            at,
            entry,
            admitted_at: self.admitted_at,
            generation: self.generation,
        };
        Some(leaf.hash(&ground.realm, ground.log))
    }
}

/// An answer laid out for the wire, before its receipt is signed.
#[derive(Debug)]
pub struct Laid {
    sink: Sink,
}

impl Laid {
    /// SHA-256 of both streams as they will be read, the signature left out: under the receipt
    /// nothing of an answer can be altered.
    #[must_use]
    pub fn hash(&self) -> Hash32 {
        layout_hash(self.sink.raw.as_bytes(), self.sink.rows.as_bytes())
    }

    /// The body, under the signature of its receipt.
    #[must_use]
    pub fn pack(self, model: &Model, signature: &SignatureBytes) -> Vec<u8> {
        let mut signed = Sink::default();
        signed.raw.raw(signature).raw(self.sink.raw.as_bytes());
        signed.rows = self.sink.rows;
        signed.pack(model)
    }
}

fn layout_hash(raw: &[u8], rows: &[u8]) -> Hash32 {
    let mut w = Writer::new();
    w.block(raw).raw(rows);
    sha256(w.as_bytes())
}

impl Answer {
    /// Lays both streams out.
    #[must_use]
    pub fn lay(&self, ground: &Ground) -> Laid {
        let mut sink = Sink::default();
        sink.raw.raw(self.head.root.as_bytes());
        let mut flags = 0;
        for (set, flag) in [
            (self.more, MORE),
            (self.nonce.is_some(), NONCE),
            (self.groups.is_some(), GROUPS),
            (self.sums.is_some(), SUMS),
            (self.withheld, WITHHELD),
        ] {
            if set {
                flags |= flag;
            }
        }
        sink.rows.u8(flags);
        if let Some(nonce) = &self.nonce {
            sink.raw.raw(nonce.as_bytes());
        }
        sink.rows
            .varint(u64::from(self.head.generation))
            .varint(self.head.generation_start)
            .varint(self.head.size)
            .varint(self.head.safe_size)
            .zigzag(self.head.time_s.wrapping_sub(CLOCK_BASE_S))
            .varint(self.upto);
        sink.rows.raw(&fates_bytes(&self.fates));
        if let Some(groups) = &self.groups {
            sink.rows.count(groups.len());
            for (group, feeds) in groups {
                sink.raw.raw(group.as_bytes());
                sink.rows.u8(feeds.0);
            }
        }
        if let Some(sums) = &self.sums {
            sink.rows.count(sums.len());
            for sum in sums {
                sink.raw.raw(&sum.0.to_be_bytes());
            }
        }
        self.write_entries(&mut sink, ground);
        Laid { sink }
    }

    fn write_entries(&self, sink: &mut Sink, ground: &Ground) {
        let groups = self.groups.as_ref().unwrap_or(&ground.groups);
        let feeds = feed_list(ground.device, groups);
        let mut chains = ground.chains();
        let mut devices = BTreeMap::new();
        for entry in &self.entries {
            match &entry.said {
                WireSaid::Change(full) => {
                    chains.place(full.change.at.chain);
                    devices.insert(full.change.at.chain, full.change.device);
                    for head in &full.change.heads {
                        chains.place(head.chain);
                    }
                }
                WireSaid::Own(at) | WireSaid::Aside { at, .. } => {
                    chains.place(at.chain);
                }
                WireSaid::Act(_) => {}
            }
        }
        let added = chains.added(ground.claims.len());
        sink.rows.count(added.len());
        for chain in added {
            // a chain that is only named, not written here, needs no device
            let device = devices.get(chain).copied().unwrap_or_default();
            sink.raw.raw(chain.as_bytes()).raw(device.as_bytes());
        }
        sink.rows.count(self.entries.len());
        let (mut base, mut last, mut time) = (RowBase::default(), 0u64, CLOCK_BASE_S);
        for entry in &self.entries {
            let place = feeds.iter().position(|feed| *feed == entry.feed);
            let kind = match &entry.said {
                WireSaid::Change(_) => KIND_CHANGE,
                WireSaid::Own(_) => KIND_OWN,
                WireSaid::Aside { at, .. } if ground.holds(*at) => KIND_OWN_ASIDE,
                WireSaid::Aside { .. } => KIND_ASIDE,
                WireSaid::Act(_) => KIND_ACT,
            };
            sink.rows.u8(kind);
            sink.rows.varint(entry.index.wrapping_sub(last));
            sink.rows.count(place.unwrap_or(usize::MAX));
            sink.rows.zigzag(entry.admitted_at.wrapping_sub(time));
            let older = self.head.generation.wrapping_sub(entry.generation);
            sink.rows.varint(u64::from(older));
            (last, time) = (entry.index, entry.admitted_at);
            match &entry.said {
                WireSaid::Change(full) => {
                    write_at(sink, &mut chains, full.change.at);
                    base.write(sink, full, &mut chains, false);
                }
                WireSaid::Own(at) => write_at(sink, &mut chains, *at),
                WireSaid::Aside { at, change, reason } => {
                    write_at(sink, &mut chains, *at);
                    sink.rows.u8(reason.number());
                    if kind == KIND_ASIDE {
                        sink.raw.raw(change.as_bytes());
                    }
                }
                WireSaid::Act(full) => {
                    sink.rows.block(&full.to_bytes());
                }
            }
        }
    }

    /// Leaves of the entries, on the side that has all of them.
    #[must_use]
    pub fn leaves(&self, ground: &Ground, own: &BTreeMap<ChangeRef, Hash32>) -> Vec<Hash32> {
        self.entries
            .iter()
            .filter_map(|entry| entry.leaf(ground, |at| own.get(&at).copied()))
            .collect()
    }
}

fn write_at(sink: &mut Sink, chains: &mut ChainTable, at: ChangeRef) {
    sink.rows
        .count(chains.place(at.chain))
        .varint(u64::from(at.seq));
}

/// What a phone must know of its own to read an answer.
pub trait AnswerFacts {
    /// Hash of the change or aside at `at`, own or of others.
    fn hash_at(&self, at: ChangeRef) -> Option<Hash32>;
    /// What record a change is about.
    fn record_of(&self, at: ChangeRef) -> Option<RecordId>;
}

impl Reply {
    /// Reads a body. The receipt is not checked yet.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn read(
        model: &Model,
        body: &[u8],
        ground: &Ground,
        facts: &impl AnswerFacts,
    ) -> Result<Self, WireError> {
        if body.first() == Some(&PROBLEM_VERSION) {
            let mut r = Reader::new(body.get(1..).unwrap_or_default());
            let code = ProblemCode::from_number(r.u8()?);
            let detail = r.text(PROBLEM_DETAIL_BYTES_MAX)?;
            return Ok(Self::Problem(Problem { code, detail }));
        }
        let (raw, rows) = unpack(model, body, ANSWER_BYTES_MAX)?;
        let mut source = Source {
            raw: Reader::new(&raw),
            rows: Reader::new(&rows),
        };
        let signature = source.raw.array()?;
        let layout = layout_hash(source.raw.rest(), &rows);
        let mut answer = read_top(&mut source)?;
        let ground = ground.clone().after(&answer.fates);
        let leaves = read_entries(&mut source, &mut answer, &ground, facts)?;
        source.raw.end()?;
        source.rows.end()?;
        let sealed = Sealed {
            signature,
            layout,
            leaves,
        };
        Ok(Self::Answer(Box::new(answer), sealed))
    }
}

fn read_top(source: &mut Source<'_>) -> Result<Answer, Malformed> {
    let root = Hash32::read(&mut source.raw)?;
    let flags = source.rows.u8()?;
    if flags >= WITHHELD << 1 {
        return Err(Malformed::UnknownMark(flags));
    }
    let nonce = if flags & NONCE == 0 {
        None
    } else {
        Some(ReadNonce::read(&mut source.raw)?)
    };
    let head = Head {
        generation: source.rows.small()?,
        generation_start: source.rows.varint()?,
        size: source.rows.varint()?,
        safe_size: source.rows.varint()?,
        root,
        time_s: source.rows.zigzag()?.wrapping_add(CLOCK_BASE_S),
    };
    let upto = source.rows.varint()?;
    let fates = read_fates(&mut source.rows)?;
    let mut groups = None;
    if flags & GROUPS != 0 {
        let mut list = Vec::new();
        for _ in 0..source.rows.count(REQUEST_GROUPS_MAX)? {
            list.push((
                GroupId::read(&mut source.raw)?,
                FeedSet::read(&mut source.rows)?,
            ));
        }
        groups = Some(list);
    }
    let mut sums = None;
    if flags & SUMS != 0 {
        let mut list = Vec::new();
        for _ in 0..source.rows.count(REQUEST_FEEDS_MAX)? {
            list.push(Digest(u128::from_be_bytes(source.raw.array()?)));
        }
        sums = Some(list);
    }
    Ok(Answer {
        head,
        nonce,
        upto,
        more: flags & MORE != 0,
        withheld: flags & WITHHELD != 0,
        fates,
        groups,
        sums,
        entries: Vec::new(),
    })
}

/// What the entries before said about each chain and change.
struct Known<'a, F> {
    facts: &'a F,
    hashes: BTreeMap<ChangeRef, Hash32>,
    records: BTreeMap<ChangeRef, RecordId>,
}

impl<F: AnswerFacts> Known<'_, F> {
    fn hash(&self, at: ChangeRef) -> Option<Hash32> {
        if at.seq == 0 {
            return Some(Hash32::default());
        }
        self.hashes
            .get(&at)
            .copied()
            .or_else(|| self.facts.hash_at(at))
    }
    fn record(&self, at: ChangeRef) -> Option<RecordId> {
        self.records
            .get(&at)
            .copied()
            .or_else(|| self.facts.record_of(at))
    }

    fn read_said(
        &self,
        source: &mut Source<'_>,
        kind: u8,
        base: &mut RowBase,
        chains: &ChainTable,
        devices: &BTreeMap<ChainId, KeyId>,
        ground: &Ground,
    ) -> Result<WireSaid, Malformed> {
        Ok(match kind {
            KIND_ACT => WireSaid::Act(FullAct::from_bytes(source.rows.block(ACT_BYTES_MAX)?)?),
            KIND_CHANGE => {
                let at = read_at(source, chains)?;
                let before = ChangeRef {
                    chain: at.chain,
                    seq: at.seq.checked_sub(1).ok_or(Malformed::Range)?,
                };
                let previous = self.hash(before).ok_or(Malformed::Range)?;
                let device = devices.get(&at.chain).copied().unwrap_or(ground.device);
                let full = base.read(source, at, device, previous, chains, &mut |head| {
                    self.record(head)
                })?;
                WireSaid::Change(full)
            }
            KIND_OWN => WireSaid::Own(read_at(source, chains)?),
            KIND_ASIDE | KIND_OWN_ASIDE => {
                let at = read_at(source, chains)?;
                let mark = source.rows.u8()?;
                let reason = AsideReason::from_number(mark).ok_or(Malformed::UnknownMark(mark))?;
                let change = if kind == KIND_ASIDE {
                    Hash32::read(&mut source.raw)?
                } else {
                    self.hash(at).ok_or(Malformed::Range)?
                };
                WireSaid::Aside { at, change, reason }
            }
            other => return Err(Malformed::UnknownMark(other)),
        })
    }
}

fn read_entries<F: AnswerFacts>(
    source: &mut Source<'_>,
    answer: &mut Answer,
    ground: &Ground,
    facts: &F,
) -> Result<Vec<Hash32>, Malformed> {
    let groups = answer.groups.as_ref().unwrap_or(&ground.groups);
    let feeds = feed_list(ground.device, groups);
    let mut chains = ground.chains();
    let mut devices = BTreeMap::new();
    for _ in 0..source
        .rows
        .count(ANSWER_ENTRIES_MAX.saturating_mul(CHAINS_PER_ENTRY))?
    {
        let chain = ChainId::read(&mut source.raw)?;
        chains.place(chain);
        devices.insert(chain, KeyId::read(&mut source.raw)?);
    }
    let mut known = Known {
        facts,
        hashes: BTreeMap::new(),
        records: BTreeMap::new(),
    };
    let (mut base, mut last, mut time) = (RowBase::default(), 0u64, CLOCK_BASE_S);
    let mut leaves = Vec::new();
    for nth in 0..source.rows.count(ANSWER_ENTRIES_MAX)? {
        let kind = source.rows.u8()?;
        let step = source.rows.varint()?;
        if nth > 0 && step == 0 {
            return Err(Malformed::Order);
        }
        let index = last.checked_add(step).ok_or(Malformed::Range)?;
        let place = source.rows.count(REQUEST_FEEDS_MAX)?;
        let feed = *feeds.get(place).ok_or(Malformed::Range)?;
        let admitted_at = time.wrapping_add(source.rows.zigzag()?);
        let older: u32 = source.rows.small()?;
        (last, time) = (index, admitted_at);
        let said = known.read_said(source, kind, &mut base, &chains, &devices, ground)?;
        match &said {
            WireSaid::Change(full) => {
                known
                    .hashes
                    .insert(full.change.at, full.change.hash(&ground.realm));
                known.records.insert(full.change.at, full.change.record);
            }
            WireSaid::Aside { at, change, .. } => {
                known.hashes.insert(*at, *change);
            }
            WireSaid::Own(_) | WireSaid::Act(_) => {}
        }
        let entry = WireEntry {
            index,
            feed,
            admitted_at,
            generation: answer.head.generation.wrapping_sub(older),
            said,
        };
        let leaf = entry.leaf(ground, |at| known.hash(at));
        leaves.push(leaf.ok_or(Malformed::Range)?);
        answer.entries.push(entry);
    }
    Ok(leaves)
}

/// A change names at most this many chains: its own and those of its heads.
const CHAINS_PER_ENTRY: usize = 1 + crate::limits::CHANGE_HEADS_MAX;

fn read_at(source: &mut Source<'_>, chains: &ChainTable) -> Result<ChangeRef, Malformed> {
    Ok(ChangeRef {
        chain: chains.chain(source.rows.varint()?)?,
        seq: source.rows.small()?,
    })
}
