//! Where records are asked for: by the units of their time, by today's, or by where groups are.

use sync_core::ids::AreaRef;

/// By which units an area is meant: a record of May 2025 was made in a commune that is part of
/// another today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitsAsked {
    /// Those of the day that a record is about.
    Then,
    /// Those of today.
    Today,
}

impl UnitsAsked {
    /// Both, in the order in which they are offered.
    pub const ALL: [Self; 2] = [Self::Then, Self::Today];

    /// The word in an address.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Then => "then",
            Self::Today => "today",
        }
    }
    /// The one with this word.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|units| units.id() == id)
    }
}

/// Where the records of a list are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Placed {
    /// Anywhere in the officer's scope.
    #[default]
    Anywhere,
    /// Where groups stand now: about this hamlet, or of the groups of this commune.
    Now(AreaRef),
    /// In this unit.
    In(UnitsAsked, AreaRef),
    /// In no unit: what is left when a split says no more.
    Nowhere(UnitsAsked),
}
