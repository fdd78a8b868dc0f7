//! What was refused or held, why, and what two officers can do about it.

use sync_core::change::ChangeRef;
use sync_core::ids::{Hash32, KeyId, RecordId};
use sync_core::log::AsideReason;
use sync_core::vocabulary::Lane;

use super::{AreaName, Author, PhoneClock, ValueText};

/// Which part of the quarantine is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Held: the right was there when it was written, and no longer at arrival.
    Held,
    /// Held: it came after its phone had been revoked.
    Late,
    /// Refused for good, or as long as what it follows is not admitted.
    Refused,
    /// Another change has its place; the phone says it again.
    Forked,
}

impl Cause {
    /// All of them, in the order of the page.
    pub const ALL: [Self; 4] = [Self::Held, Self::Late, Self::Refused, Self::Forked];

    /// As it stands in an address and in the audit.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Late => "late",
            Self::Refused => "refused",
            Self::Forked => "forked",
        }
    }
    /// The cause of this id.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.id() == id)
    }
    /// Where a reason belongs.
    #[must_use]
    pub const fn of(reason: AsideReason) -> Self {
        match reason {
            AsideReason::RightLost => Self::Held,
            AsideReason::Revoked => Self::Late,
            AsideReason::UnknownRecord
            | AsideReason::UnknownHead
            | AsideReason::FollowsAside
            | AsideReason::Vocabulary
            | AsideReason::ClosedLane
            | AsideReason::Sealed
            | AsideReason::Role
            | AsideReason::Member
            | AsideReason::TooManyChanges
            | AsideReason::NotYours
            | AsideReason::Link
            | AsideReason::NotEnrolled => Self::Refused,
        }
    }
}

/// A page of one part, newest first; forks by phone. No words of anybody stand in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantinePage {
    /// The rows.
    pub rows: Vec<AsideRow>,
    /// Where the next page begins, if there may be one.
    pub older: Option<super::PageKey>,
}

/// A change that does not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideRow {
    /// Its place.
    pub at: ChangeRef,
    /// Name of its group.
    pub group_name: String,
    /// Its lane.
    pub lane: Lane,
    /// The phone that wrote it.
    pub device: KeyId,
    /// Server time at which it came; of a fork nobody noted it.
    pub arrived_s: Option<i64>,
    /// Why it was set aside; `None` for a fork.
    pub reason: Option<AsideReason>,
    /// Whether a page of its own tells more: it can be admitted, now or after another.
    pub is_admissible: bool,
    /// Who proposed to admit it, while that is open.
    pub proposal: Option<ProposalRow>,
}

/// An open proposal to admit a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProposalRow {
    /// Who proposed.
    pub by: super::ActBy,
    /// Index of its entry.
    pub index: u64,
    /// Server time, in seconds since 1970.
    pub time_s: i64,
    /// It lapses after this time.
    pub until_s: i64,
    /// Whether the officer who asks can confirm it: somebody else proposed.
    pub is_to_confirm: bool,
}

/// One change that is held, for those who decide in its lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPage {
    /// As in the list.
    pub row: AsideRow,
    /// Its hash.
    pub hash: Hash32,
    /// What it says, or why it cannot be decided about.
    pub said: HeldSaid,
}

/// What is shown of a held change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeldSaid {
    /// It can be admitted: what would stand in the record then.
    Words {
        /// Type of the record.
        record_type: u16,
        /// The record that it edits, where that is in the log; `None` for a new one.
        edits: Option<RecordId>,
        /// Where it happened, when it says so or its group tells.
        area_name: AreaName,
        /// Who wrote it.
        author: Author,
        /// The phone's clock.
        clock: PhoneClock,
        /// Labels and values; `None` for what was erased.
        values: Vec<(String, Option<ValueText>)>,
    },
    /// It would be refused also with the right that was lost; its words are shown to nobody.
    Stays(AsideReason),
    /// Its words are not kept any more.
    Gone,
}

/// What an officer decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AdmitInput {
    /// The change.
    pub at: ChangeRef,
    /// Its hash, as it stood on the page.
    pub hash: Hash32,
    /// The open proposal that stood on the page, by its index.
    pub seen_proposal: Option<u64>,
}
