//! One change as a row: what the reader can compute is left out.

use crate::bytes::{Malformed, Reader};
use crate::change::{Act, Change, ChangeRef, FullChange, Secret};
use crate::exchange::cells::{Home, Near, read_slots, write_slots};
use crate::exchange::{CLOCK_BASE_S, Sink, Source};
use crate::ids::{ChainId, Hash32, KeyId, RecordId};
use crate::limits::CHANGE_HEADS_MAX;

const CREATES: u8 = 1;
const NAMES_RECORD: u8 = 2;
const HAS_SALTS: u8 = 4;

/// Chains that a body speaks of, by their place in it.
#[derive(Debug, Clone, Default)]
pub struct ChainTable {
    chains: Vec<ChainId>,
}

impl ChainTable {
    /// A table of these chains, in this order.
    #[must_use]
    pub fn new(chains: Vec<ChainId>) -> Self {
        Self { chains }
    }
    /// The place of a chain, which is added when it is not there yet.
    pub fn place(&mut self, chain: ChainId) -> usize {
        if let Some(place) = self.chains.iter().position(|c| *c == chain) {
            return place;
        }
        self.chains.push(chain);
        self.chains.len().saturating_sub(1)
    }
    /// The chain at a place.
    pub fn chain(&self, place: u64) -> Result<ChainId, Malformed> {
        usize::try_from(place)
            .ok()
            .and_then(|place| self.chains.get(place))
            .copied()
            .ok_or(Malformed::Range)
    }
    /// The chains after the first `known`.
    pub fn added(&self, known: usize) -> &[ChainId] {
        self.chains.get(known..).unwrap_or_default()
    }
}

/// What the row before said: clocks and sizes are written as differences.
#[derive(Debug, Clone, Copy)]
pub struct RowBase {
    clock_s: i64,
    mono_s: u32,
    seen: u64,
    home: Option<Home>,
}

impl Default for RowBase {
    fn default() -> Self {
        Self {
            clock_s: CLOCK_BASE_S,
            mono_s: 0,
            seen: 0,
            home: None,
        }
    }
}

impl RowBase {
    /// The rows that follow are of a group at this home; `None` writes every area in full.
    pub fn enter(&mut self, home: Option<Home>) {
        self.home = home;
    }

    fn follow(&mut self, change: &Change) {
        self.clock_s = change.clock_s;
        self.mono_s = change.mono_s;
        self.seen = change.seen;
    }

    /// Writes `full` and moves on. `names_record`: the reader may not know what its heads are
    /// about, so the record's name is sent.
    pub fn write(
        &mut self,
        sink: &mut Sink,
        full: &FullChange,
        chains: &mut ChainTable,
        names_record: bool,
    ) {
        let change = &full.change;
        let creates = matches!(change.act, Act::Create { .. });
        let has_salts = matches!(full.parts.secret, Secret::Salts(_));
        // a creation's name follows from its seed; once that is gone, only the name itself tells
        let names_record = if creates { has_salts } else { names_record };
        let mut flags = 0;
        for (set, flag) in [
            (creates, CREATES),
            (names_record, NAMES_RECORD),
            (has_salts, HAS_SALTS),
        ] {
            if set {
                flags |= flag;
            }
        }
        sink.rows.u8(flags);
        if names_record {
            sink.raw.raw(change.record.as_bytes());
        }
        let clock = change.clock_s.wrapping_sub(self.clock_s);
        let mono = i64::from(change.mono_s).wrapping_sub(i64::from(self.mono_s));
        sink.rows
            .zigzag(clock)
            .zigzag(mono.wrapping_sub(clock))
            .zigzag(change.seen.wrapping_sub(self.seen).cast_signed());
        match change.act {
            Act::Create {
                record_type,
                vocabulary,
            } => {
                sink.rows
                    .varint(u64::from(record_type))
                    .varint(u64::from(vocabulary));
            }
            Act::Edit => {
                sink.rows.count(change.heads.len());
                for head in &change.heads {
                    let back = i64::from(change.at.seq).wrapping_sub(i64::from(head.seq));
                    sink.rows.count(chains.place(head.chain)).zigzag(back);
                }
            }
        }
        if let Secret::Seed(seed) = &full.parts.secret {
            sink.raw.raw(seed);
        }
        write_slots(sink, full, Near::new(self.home, change.clock_s));
        self.follow(change);
    }

    /// Reads the change at `at`, whose chain is `device`'s and whose change before has hash
    /// `previous`. `record_of` tells what a head is about.
    pub fn read(
        &mut self,
        source: &mut Source<'_>,
        at: ChangeRef,
        device: KeyId,
        previous: Hash32,
        chains: &ChainTable,
        record_of: &mut dyn FnMut(ChangeRef) -> Option<RecordId>,
    ) -> Result<FullChange, Malformed> {
        let flags = source.rows.u8()?;
        if flags & !(CREATES | NAMES_RECORD | HAS_SALTS) != 0 {
            return Err(Malformed::UnknownMark(flags));
        }
        let mut record = if flags & NAMES_RECORD == 0 {
            None
        } else {
            Some(RecordId::read(&mut source.raw)?)
        };
        let clock = source.rows.zigzag()?;
        let mono = source.rows.zigzag()?.wrapping_add(clock);
        let seen = self
            .seen
            .wrapping_add(source.rows.zigzag()?.cast_unsigned());
        let clock_s = self.clock_s.wrapping_add(clock);
        let mono_s = u32::try_from(i64::from(self.mono_s).wrapping_add(mono))
            .map_err(|_out_of_range| Malformed::Range)?;
        let mut heads = Vec::new();
        let act = if flags & CREATES == 0 {
            for _ in 0..source.rows.count(CHANGE_HEADS_MAX)? {
                let chain = chains.chain(source.rows.varint()?)?;
                let seq = i64::from(at.seq).wrapping_sub(source.rows.zigzag()?);
                let seq = u32::try_from(seq).map_err(|_out_of_range| Malformed::Range)?;
                heads.push(ChangeRef { chain, seq });
            }
            // A head that is not known here leaves the name empty, and the hash will not match: the
            // run is then told as broken or as a gap, and the rows after it can still be read.
            record = record.or_else(|| heads.first().and_then(|head| record_of(*head)));
            record = record.or(Some(RecordId::default()));
            Act::Edit
        } else {
            Act::Create {
                record_type: source.rows.small()?,
                vocabulary: source.rows.small()?,
            }
        };
        let seed = if flags & HAS_SALTS == 0 {
            Some(source.raw.array()?)
        } else {
            None
        };
        let (slots, parts) = read_slots(source, seed, Near::new(self.home, clock_s))?;
        // a creation's name follows from its seed, while that is there
        let record = match (record, seed) {
            (Some(record), _) => record,
            (None, Some(seed)) => crate::change::record_id(at, &seed),
            (None, None) => return Err(Malformed::Range),
        };
        let change = Change {
            at,
            device,
            previous,
            record,
            act,
            clock_s,
            mono_s,
            seen,
            heads,
            slots,
        };
        self.follow(&change);
        Ok(FullChange { change, parts })
    }
}

/// Reads a list of at most `limit` things.
pub(super) fn read_list<T>(
    r: &mut Reader<'_>,
    limit: usize,
    mut read: impl FnMut(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let mut items = Vec::new();
    for _ in 0..r.count(limit)? {
        items.push(read(r)?);
    }
    Ok(items)
}
