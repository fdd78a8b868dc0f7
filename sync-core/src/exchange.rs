//! The exchange (D5): one request, one answer, everything both ways.
//!
//! A body has two streams. `raw` holds what cannot be packed (keys, signatures, hashes, seeds);
//! `rows` holds the rest and is packed as a whole. All that the other side can compute is left
//! out: record names, hashes of the changes before, part hashes, leaves.
//!
//! ```text
//! version u8 | codec u8 | raw: block | rows: packed to the end
//! ```

mod answer;
mod cells;
mod evidence;
mod request;
mod row;
#[cfg(test)]
mod tests;

use thiserror::Error;

pub use answer::{
    Answer, AnswerFacts, Fate, Ground, Laid, Outcome, Problem, ProblemCode, Reply, Sealed,
    WireEntry, WireSaid, fates_bytes,
};
pub use cells::Home;
pub use evidence::{Admitted, Evidence, Proof};
pub use request::{
    GroupClaim, Opened, OutRun, Request, RunFacts, TipClaim, Wants, WireRun, prefix_of,
};
pub use row::{ChainTable, RowBase};

use crate::bytes::{Malformed, Reader, Writer};
use crate::codec::{CODEC_PPM1, CODEC_STORED, CodecError, Model};
use crate::ids::{Feed, GroupId, KeyId, Logbook};
use crate::limits::{PLAIN_BYTES_FREE, PLAIN_BYTES_MAX, PLAIN_PER_PACKED_MAX};
use crate::vocabulary::Lane;

/// Version of requests and answers.
pub const VERSION: u8 = 1;
/// Version byte of a problem: a shape that never changes, for every version ever issued.
pub const PROBLEM_VERSION: u8 = 0;
/// Seconds since 1970 from which clocks are counted on the wire; any clock can be written.
pub const CLOCK_BASE_S: i64 = 1_790_000_000;

/// Why bytes are no request or answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WireError {
    /// A version that this side does not know.
    #[error("version {0} of the exchange is not known here")]
    Version(u8),
    /// The body is larger than bodies may be.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The bound.
        limit: usize,
    },
    /// The packed part does not open.
    #[error("the packed part does not open: {0}")]
    Packed(#[from] CodecError),
    /// The layout is broken.
    #[error("the layout is broken: {0}")]
    Malformed(#[from] Malformed),
    /// A critical section of a newer version.
    #[error("section {0} must be understood and is not known here")]
    Section(u8),
}

/// The two streams of a body while it is written.
#[derive(Debug, Default)]
pub struct Sink {
    /// What cannot be packed.
    pub raw: Writer,
    /// What is packed.
    pub rows: Writer,
}

/// The two streams of a body while it is read.
#[derive(Debug)]
pub struct Source<'a> {
    /// What was not packed.
    pub raw: Reader<'a>,
    /// What was packed.
    pub rows: Reader<'a>,
}

impl Sink {
    /// The body, with the rows packed where that is shorter.
    #[must_use]
    pub fn pack(self, model: &Model) -> Vec<u8> {
        let rows = self.rows.as_bytes();
        // below this the coder's closing bytes outweigh what it saves
        let packed = (rows.len() > PACK_FROM_BYTES).then(|| model.pack(rows));
        match packed {
            Some(packed) if packed.len() < rows.len() && rows.len() <= plain_max(packed.len()) => {
                let mut w = Writer::new();
                w.u8(VERSION).u8(CODEC_PPM1).block(self.raw.as_bytes());
                w.raw(&packed);
                w.into_bytes()
            }
            Some(_) | None => self.store(),
        }
    }

    /// The body, with the rows as they are.
    #[must_use]
    pub fn store(self) -> Vec<u8> {
        let mut w = Writer::new();
        w.u8(VERSION).u8(CODEC_STORED).block(self.raw.as_bytes());
        w.raw(self.rows.as_bytes());
        w.into_bytes()
    }
}

/// Rows shorter than this are never worth packing.
const PACK_FROM_BYTES: usize = 48;

/// Most bytes that packed rows of this length may unpack to. Unpacking costs a processor by the
/// byte and happens before any signature can be looked at, so a few bytes must not buy much of it.
fn plain_max(packed_len: usize) -> usize {
    packed_len
        .saturating_mul(PLAIN_PER_PACKED_MAX)
        .saturating_add(PLAIN_BYTES_FREE)
        .min(PLAIN_BYTES_MAX)
}

/// Opens a body into its two streams.
///
/// # Errors
/// Unknown version or codec, a body over `bytes_max`, rows that unpack to more than
/// [`PLAIN_BYTES_MAX`].
pub fn unpack(
    model: &Model,
    body: &[u8],
    bytes_max: usize,
) -> Result<(Vec<u8>, Vec<u8>), WireError> {
    if body.len() > bytes_max {
        return Err(WireError::TooLarge { limit: bytes_max });
    }
    let mut r = Reader::new(body);
    let version = r.u8()?;
    if version != VERSION {
        return Err(WireError::Version(version));
    }
    let codec = r.u8()?;
    let raw = r.block(bytes_max)?.to_vec();
    let rows = match codec {
        CODEC_STORED => r.rest().to_vec(),
        CODEC_PPM1 => model.unpack(r.rest(), plain_max(r.rest().len()))?,
        other => return Err(WireError::Malformed(Malformed::UnknownMark(other))),
    };
    Ok((raw, rows))
}

/// Which feeds of one group a phone follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, PartialOrd, Ord)]
pub struct FeedSet(pub u8);

/// One feed of a group.
#[derive(Debug, Clone, Copy)]
enum Slot {
    Group,
    Records(Lane),
    /// What is said about mediations that this phone wrote: it comes back to it although only
    /// mediators read the lane.
    OwnMediation,
}

impl FeedSet {
    /// The group's own entries, the lanes in the order of their numbers, own mediations.
    const SLOTS: [Slot; 6] = [
        Slot::Group,
        Slot::Records(Lane::Open),
        Slot::Records(Lane::Tip),
        Slot::Records(Lane::Mediation),
        Slot::Records(Lane::Protected),
        Slot::OwnMediation,
    ];

    /// The group's own entries, these lanes to read, and what comes back of what this phone wrote
    /// itself, which nobody else sees.
    #[must_use]
    pub fn of(read: &[Lane]) -> Self {
        let mut bits = 0u8;
        for (slot, bit) in Self::SLOTS.into_iter().zip(Self::bits()) {
            let follows = match slot {
                Slot::Group | Slot::OwnMediation => true,
                Slot::Records(Lane::Tip | Lane::Protected) => true,
                Slot::Records(lane @ (Lane::Open | Lane::Mediation)) => read.contains(&lane),
            };
            if follows {
                bits |= bit;
            }
        }
        Self(bits)
    }

    fn bits() -> impl Iterator<Item = u8> {
        (0..Self::SLOTS.len()).map(|slot| 1u8 << slot)
    }

    /// The feeds, in the order in which both sides count them.
    pub fn feeds(self, group: GroupId, device: KeyId) -> impl Iterator<Item = Feed> {
        let slots = Self::SLOTS.into_iter().zip(Self::bits());
        slots
            .filter(move |(_, bit)| self.0 & bit != 0)
            .map(move |(slot, _)| match slot {
                Slot::Group => Feed::Group(group),
                Slot::Records(lane) => Feed::of_records(Logbook { group, lane }, device),
                Slot::OwnMediation => {
                    let lane = Lane::Mediation;
                    Feed::Private(Logbook { group, lane }, device)
                }
            })
    }

    /// Reads it; bits without a meaning are an error.
    pub fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let bits = r.u8()?;
        if bits < 1 << Self::SLOTS.len() {
            Ok(Self(bits))
        } else {
            Err(Malformed::Range)
        }
    }
}

/// The feeds of a phone in the order in which both sides count them: the log's, then group by
/// group.
#[must_use]
pub fn feed_list(device: KeyId, groups: &[(GroupId, FeedSet)]) -> Vec<Feed> {
    let mut feeds = vec![Feed::Log];
    for (group, set) in groups {
        feeds.extend(set.feeds(*group, device));
    }
    feeds
}
