//! What a phone sends: a signed statement over its cursors and the tips of its chains, and runs.

use crate::act::FullAct;
use crate::bytes::{Malformed, Reader, Writer};
use crate::change::{ChangeRef, FullChange};
use crate::codec::Model;
use crate::exchange::row::read_list;
use crate::exchange::{ChainTable, FeedSet, Home, Proof, RowBase, Sink, Source, WireError, unpack};
use crate::ids::{ChainId, Hash32, InstallationNonce, KeyId, ReadNonce, Realm, RecordId, sha256};
use crate::keys::SignatureBytes;
use crate::limits::{
    ACT_BYTES_MAX, OFFERED_ACTS_MAX, PLAIN_BYTES_MAX, PROOFS_MAX, REQUEST_BYTES_MAX,
    REQUEST_CHAINS_MAX, REQUEST_CHANGES_MAX, REQUEST_FEEDS_MAX, REQUEST_GROUPS_MAX,
    REQUEST_RUNS_MAX, STATEMENT_CHAINS_MAX,
};
use crate::log::Receipt;
use crate::tags::Tag;
use crate::vocabulary::Lane;

/// Sections that begin with this bit must be understood or the request is not.
const CRITICAL: u8 = 0x80;
const SECTION_PROOFS: u8 = 1;
const SECTION_TIPS: u8 = CRITICAL | 1;
const SECTION_HEAD: u8 = CRITICAL | 2;
const SECTION_ACTS: u8 = CRITICAL | 3;

/// A group by the first bytes of its name, among those that the device is enrolled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GroupClaim {
    /// First four bytes of the group's id.
    pub prefix: [u8; 4],
    /// The feeds of it that the phone's digest covers.
    pub feeds: FeedSet,
}

/// One chain's tip, as the server will know it after this visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TipClaim {
    /// A chain that the server has receipted something of.
    Known {
        /// First four bytes of the chain's id.
        prefix: [u8; 4],
        /// Number of the tip.
        seq: u32,
    },
    /// A chain that is new to the server: its id is computed from this.
    New {
        /// Installation of the app.
        installation: InstallationNonce,
        /// Place of the group in the request.
        group: u8,
        /// Lane of the logbook.
        lane: Lane,
        /// Number of the tip.
        seq: u32,
    },
}

impl TipClaim {
    /// Number of the tip.
    #[must_use]
    pub const fn seq(&self) -> u32 {
        match self {
            Self::Known { seq, .. } | Self::New { seq, .. } => *seq,
        }
    }
}

/// What a phone asks for. The statement signs its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wants {
    /// Sum of the leaves of all that the phone pulled, over all its feeds: the low half of it.
    pub digest: u64,
    /// Generation of its newest head; 0 before the first.
    pub generation: u32,
    /// Size of its newest head.
    pub size: u64,
    /// First bytes of that head's root: a server that lost entries sees it here.
    pub root: [u8; 4],
    /// Entries below this index are here, for every feed that is not behind.
    pub cursor: u64,
    /// Feeds that are behind: place in the feed list, own cursor.
    pub behind: Vec<(u8, u64)>,
    /// Groups that the phone holds.
    pub groups: Vec<GroupClaim>,
    /// Kibibytes of entries that it can take; 0 for the server's own measure.
    pub budget_kib: u16,
    /// The phone takes nothing that it holds for granted: every change is sent in full, its own
    /// among them.
    pub afresh: bool,
}

impl Wants {
    fn write(&self, w: &mut Writer) {
        w.varint(u64::from(self.generation)).varint(self.size);
        w.raw(&self.root);
        // most visits stand at the head: the difference is one byte
        w.zigzag(self.size.wrapping_sub(self.cursor).cast_signed());
        w.count(self.behind.len());
        for (feed, cursor) in &self.behind {
            w.u8(*feed).varint(*cursor);
        }
        w.count(self.groups.len());
        for group in &self.groups {
            w.raw(&group.prefix).u8(group.feeds.0);
        }
        w.varint(u64::from(self.budget_kib) << 1 | u64::from(self.afresh));
    }

    fn read(digest: u64, r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (generation, size, root) = (r.small()?, r.varint()?, r.array()?);
        let cursor = size.wrapping_sub(r.zigzag()?.cast_unsigned());
        let mut wants = Self {
            digest,
            generation,
            size,
            root,
            cursor,
            behind: read_list(r, REQUEST_FEEDS_MAX, |r| Ok((r.u8()?, r.varint()?)))?,
            groups: read_list(r, REQUEST_GROUPS_MAX, |r| {
                Ok(GroupClaim {
                    prefix: r.array()?,
                    feeds: FeedSet::read(r)?,
                })
            })?,
            budget_kib: 0,
            afresh: false,
        };
        let last: u32 = r.small()?;
        wants.budget_kib = u16::try_from(last >> 1).map_err(|_out_of_range| Malformed::Range)?;
        wants.afresh = last & 1 == 1;
        Ok(wants)
    }

    /// Hash that the statement signs.
    #[must_use]
    pub fn hash(&self, realm: &Realm, device: KeyId) -> Hash32 {
        let mut w = realm.preamble(Tag::Cursors, device);
        w.u64(self.digest);
        self.write(&mut w);
        sha256(w.as_bytes())
    }

    /// Cursor of the feed at a place of the feed list.
    #[must_use]
    pub fn cursor_of(&self, place: usize) -> u64 {
        self.behind
            .iter()
            .find(|(behind, _)| usize::from(*behind) == place)
            .map_or(self.cursor, |(_, cursor)| *cursor)
    }
}

/// A request without its runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Key of the device.
    pub device: KeyId,
    /// Authorises reads while fresh.
    pub nonce: ReadNonce,
    /// Signature of the statement.
    pub signature: SignatureBytes,
    /// What it asks for.
    pub wants: Wants,
    /// Tips of the chains it holds, ascending by chain.
    pub claims: Vec<TipClaim>,
    /// Chain and hash of each tip in full, after the server asked for them.
    pub tips: Option<Vec<(ChainId, Hash32)>>,
    /// Its newest receipt, after the server asked for it.
    pub head: Option<Receipt>,
    /// Acts of the log that the server may have lost.
    pub acts: Vec<FullAct>,
    /// That the log has admitted some of the changes before it lost them.
    pub proofs: Vec<Proof>,
}

/// Changes of one chain to send.
#[derive(Debug, Clone)]
pub struct OutRun {
    /// Place of the chain among the claims.
    pub claim: usize,
    /// Home of its group, when the log may be trusted to know the same; `None` after it did not.
    pub home: Option<Home>,
    /// The changes, and whether each must name its record because the server may not know what
    /// its heads are about.
    pub changes: Vec<(FullChange, bool)>,
}

/// Changes of one chain as they were read. Nothing has been checked yet.
#[derive(Debug, Clone)]
pub struct WireRun {
    /// Place of the chain among the claims.
    pub claim: usize,
    /// The changes.
    pub changes: Vec<FullChange>,
    /// Hash of the change before the first, as the reader knows it.
    pub previous: Hash32,
}

/// What a reader of runs must know of its own log.
pub trait RunFacts {
    /// Where signatures count.
    fn realm(&self) -> Realm;
    /// Hash of the change at `at`, when it is known here; for seq 0 all zeros.
    fn hash_before(&self, at: ChangeRef) -> Option<Hash32>;
    /// What record a change is about.
    fn record_of(&self, at: ChangeRef) -> Option<RecordId>;
}

/// A request whose runs are still in their wire form.
#[derive(Debug, Clone)]
pub struct Opened {
    /// All but the runs.
    pub request: Request,
    raw: Vec<u8>,
    rows: Vec<u8>,
}

impl Request {
    /// The body. `chains` are the chains of the claims, in their order.
    #[must_use]
    pub fn pack(&self, model: &Model, runs: &[OutRun], chains: Vec<ChainId>) -> Vec<u8> {
        self.sink(runs, chains).pack(model)
    }

    /// The same body with its rows as they are: for where a byte costs less than packing it.
    #[must_use]
    pub fn store(&self, runs: &[OutRun], chains: Vec<ChainId>) -> Vec<u8> {
        self.sink(runs, chains).store()
    }

    fn sink(&self, runs: &[OutRun], chains: Vec<ChainId>) -> Sink {
        let mut sink = Sink::default();
        sink.raw
            .raw(self.device.as_bytes())
            .raw(self.nonce.as_bytes())
            .raw(&self.signature)
            .u64(self.wants.digest);
        self.wants.write(&mut sink.rows);
        sink.rows.count(self.claims.len());
        for claim in &self.claims {
            match claim {
                TipClaim::Known { prefix, seq } => {
                    sink.rows.u8(0).raw(prefix).varint(u64::from(*seq));
                }
                TipClaim::New {
                    installation,
                    group,
                    lane,
                    seq,
                } => {
                    sink.raw.raw(installation.as_bytes());
                    sink.rows.u8(lane.number()).u8(*group);
                    sink.rows.varint(u64::from(*seq));
                }
            }
        }
        self.write_sections(&mut sink.rows);
        if !runs.is_empty() {
            write_runs(&mut sink, runs, chains);
        }
        sink
    }

    fn write_sections(&self, w: &mut Writer) {
        let mut sections: Vec<(u8, Writer)> = Vec::new();
        if !self.proofs.is_empty() {
            let mut s = Writer::new();
            s.count(self.proofs.len());
            for proof in &self.proofs {
                proof.write(&mut s);
            }
            sections.push((SECTION_PROOFS, s));
        }
        if let Some(tips) = &self.tips {
            let mut s = Writer::new();
            for (chain, hash) in tips {
                s.raw(chain.as_bytes()).raw(hash.as_bytes());
            }
            sections.push((SECTION_TIPS, s));
        }
        if let Some(receipt) = &self.head {
            let mut s = Writer::new();
            s.raw(&receipt.to_bytes());
            sections.push((SECTION_HEAD, s));
        }
        if !self.acts.is_empty() {
            let mut s = Writer::new();
            s.count(self.acts.len());
            for act in &self.acts {
                s.block(&act.to_bytes());
            }
            sections.push((SECTION_ACTS, s));
        }
        w.count(sections.len());
        for (id, section) in sections {
            w.u8(id).block(section.as_bytes());
        }
    }

    /// Opens a body as far as it can be read without knowing anything of the log.
    ///
    /// # Errors
    /// See [`WireError`].
    pub fn open(model: &Model, body: &[u8]) -> Result<Opened, WireError> {
        let (raw, rows) = unpack(model, body, REQUEST_BYTES_MAX)?;
        let mut source = Source {
            raw: Reader::new(&raw),
            rows: Reader::new(&rows),
        };
        let device = KeyId::read(&mut source.raw)?;
        let nonce = ReadNonce::read(&mut source.raw)?;
        let signature = source.raw.array()?;
        let digest = source.raw.u64()?;
        let wants = Wants::read(digest, &mut source.rows)?;
        let mut claims = Vec::new();
        for _ in 0..source.rows.count(STATEMENT_CHAINS_MAX)? {
            claims.push(read_claim(&mut source)?);
        }
        let mut request = Self {
            device,
            nonce,
            signature,
            wants,
            claims,
            tips: None,
            head: None,
            acts: Vec::new(),
            proofs: Vec::new(),
        };
        request.read_sections(&mut source.rows)?;
        Ok(Opened {
            request,
            raw: source.raw.rest().to_vec(),
            rows: source.rows.rest().to_vec(),
        })
    }

    fn read_sections(&mut self, r: &mut Reader<'_>) -> Result<(), WireError> {
        let mut last = 0;
        for _ in 0..r.count(usize::from(u8::MAX))? {
            let id = r.u8()?;
            if id <= last {
                return Err(Malformed::Order.into());
            }
            last = id;
            let mut section = Reader::new(r.block(PLAIN_BYTES_MAX)?);
            match id {
                SECTION_PROOFS => {
                    self.proofs = read_list(&mut section, PROOFS_MAX, Proof::read)?;
                }
                SECTION_TIPS => {
                    let mut tips = Vec::new();
                    for _ in &self.claims {
                        tips.push((ChainId::read(&mut section)?, Hash32::read(&mut section)?));
                    }
                    self.tips = Some(tips);
                }
                SECTION_HEAD => {
                    self.head = Some(Receipt::from_bytes(section.rest())?);
                    continue;
                }
                SECTION_ACTS => {
                    self.acts = read_list(&mut section, OFFERED_ACTS_MAX, |r| {
                        FullAct::from_bytes(r.block(ACT_BYTES_MAX)?)
                    })?;
                }
                other if other & CRITICAL != 0 => return Err(WireError::Section(other)),
                _ => continue,
            }
            section.end()?;
        }
        Ok(())
    }
}

fn read_claim(source: &mut Source<'_>) -> Result<TipClaim, Malformed> {
    let mark = source.rows.u8()?;
    if mark == 0 {
        return Ok(TipClaim::Known {
            prefix: source.rows.array()?,
            seq: source.rows.small()?,
        });
    }
    Ok(TipClaim::New {
        installation: InstallationNonce::read(&mut source.raw)?,
        lane: Lane::from_number(mark).ok_or(Malformed::UnknownMark(mark))?,
        group: source.rows.u8()?,
        seq: source.rows.small()?,
    })
}

fn write_runs(sink: &mut Sink, runs: &[OutRun], chains: Vec<ChainId>) {
    let known = chains.len();
    let mut table = ChainTable::new(chains);
    for (full, _) in runs.iter().flat_map(|run| &run.changes) {
        for head in &full.change.heads {
            table.place(head.chain);
        }
    }
    sink.rows.count(table.added(known).len());
    for chain in table.added(known) {
        sink.raw.raw(chain.as_bytes());
    }
    sink.rows.count(runs.len());
    let mut base = RowBase::default();
    for run in runs {
        let first = run
            .changes
            .first()
            .map_or(0, |(full, _)| full.change.at.seq);
        sink.rows.count(run.claim).varint(u64::from(first));
        sink.rows.count(run.changes.len());
        base.enter(run.home);
        for (full, names_record) in &run.changes {
            base.write(sink, full, &mut table, *names_record);
        }
    }
}

impl Opened {
    /// Whether changes came with it.
    #[must_use]
    pub fn has_runs(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Reads the runs. `chains` are the chains of the claims, in their order, each with the home
    /// of its group where that is known.
    ///
    /// # Errors
    /// A broken layout, or more runs or changes than one request may carry.
    pub fn runs(
        &self,
        chains: &[(ChainId, Option<Home>)],
        facts: &impl RunFacts,
    ) -> Result<Vec<WireRun>, Malformed> {
        let mut source = Source {
            raw: Reader::new(&self.raw),
            rows: Reader::new(&self.rows),
        };
        if source.rows.is_empty() {
            source.raw.end()?;
            return Ok(Vec::new());
        }
        let mut table = ChainTable::new(chains.iter().map(|(chain, _)| *chain).collect());
        for _ in 0..source.rows.count(REQUEST_CHAINS_MAX)? {
            table.place(ChainId::read(&mut source.raw)?);
        }
        let mut known = std::collections::BTreeMap::new();
        let mut base = RowBase::default();
        let (mut runs, mut total) = (Vec::new(), 0usize);
        for _ in 0..source.rows.count(REQUEST_RUNS_MAX)? {
            let claim = source.rows.count(STATEMENT_CHAINS_MAX)?;
            let (chain, home) = *chains.get(claim).ok_or(Malformed::Range)?;
            base.enter(home);
            let first: u32 = source.rows.small()?;
            let count = source.rows.count(REQUEST_CHANGES_MAX)?;
            total = total.saturating_add(count);
            if total > REQUEST_CHANGES_MAX {
                return Err(Malformed::OverLimit {
                    limit: REQUEST_CHANGES_MAX,
                });
            }
            let before = ChangeRef {
                chain,
                seq: first.checked_sub(1).ok_or(Malformed::Range)?,
            };
            let before = facts.hash_before(before).unwrap_or_default();
            let mut previous = before;
            let mut changes = Vec::new();
            for offset in 0..u32::try_from(count).unwrap_or(u32::MAX) {
                let at = ChangeRef {
                    chain,
                    seq: first.checked_add(offset).ok_or(Malformed::Range)?,
                };
                let full = base.read(
                    &mut source,
                    at,
                    self.request.device,
                    previous,
                    &table,
                    &mut |head| known.get(&head).copied().or_else(|| facts.record_of(head)),
                )?;
                known.insert(at, full.change.record);
                previous = full.change.hash(&facts.realm());
                changes.push(full);
            }
            runs.push(WireRun {
                claim,
                changes,
                previous: before,
            });
        }
        source.raw.end()?;
        source.rows.end()?;
        Ok(runs)
    }
}

/// First four bytes of a name.
#[must_use]
pub fn prefix_of(name: &[u8; 16]) -> [u8; 4] {
    name.first_chunk::<4>().copied().unwrap_or_default()
}
