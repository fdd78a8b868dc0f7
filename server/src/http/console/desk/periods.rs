//! The figures of a reporting period.

use sync_core::vocabulary::{Act, Lane, Period, RoleScope, Vocabulary};

use super::{AreaName, Officer, UnitsAsked};

/// Which period is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PeriodAsked {
    /// Number of the calendar.
    pub calendar: u16,
    /// Its days.
    pub period: Period,
    /// By which units.
    pub units: UnitsAsked,
}

/// How far a period is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeriodStep {
    /// Closed at this server time, in seconds since 1970: its figures never change.
    Closed(i64),
    /// Over, and the next to be closed.
    Next,
    /// Still running, to come, or behind others that are closed first.
    Open,
    /// Before the first that was closed.
    Passed,
}

/// The figures of a period: of a commune by hamlet, of a province by commune.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeriodPage {
    /// How far it is.
    pub step: PeriodStep,
    /// Whether this officer may close it now.
    pub may_close: bool,
    /// By type, in the order of the vocabulary; those with nothing to count are left out.
    pub types: Vec<TypeFigures>,
}

/// The figures of a type of record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeFigures {
    /// The type.
    pub record_type: u16,
    /// Its figures; `None` above the commune until the period is closed, where small figures must
    /// be withheld: what changes from day to day would give them back.
    pub figures: Option<Figures>,
}

/// Figures by unit, with their sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figures {
    /// By unit, then what could be placed in none. A unit of which all is withheld is left out.
    pub units: Vec<UnitFigures>,
    /// The sums.
    pub sum: Pair,
}

/// The figures of one unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFigures {
    /// Name of the unit, or of the area that records name which could be placed in none.
    pub name: AreaName,
    /// Whether it is a unit.
    pub placed: bool,
    /// Its figures.
    pub pair: Pair,
}

/// What is of the period, and what came late of earlier ones. `None`: withheld.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pair {
    /// Records about a day of the period.
    pub on_time: Option<u64>,
    /// Records about a day of a period that was closed before they came.
    pub late: Option<u64>,
}

impl Officer {
    /// Whether the role closes periods of its area.
    #[must_use]
    pub fn closes_periods(&self, vocabulary: &Vocabulary) -> bool {
        match self.scope(vocabulary) {
            RoleScope::Commune => vocabulary.may(self.role, Act::CloseCommunePeriod),
            RoleScope::Province => vocabulary.may(self.role, Act::CloseProvincePeriod),
            RoleScope::Group | RoleScope::None => false,
        }
    }
    /// Whether the role counts anything.
    #[must_use]
    pub fn counts(&self, vocabulary: &Vocabulary) -> bool {
        let area = matches!(
            self.scope(vocabulary),
            RoleScope::Commune | RoleScope::Province
        );
        area && Lane::ALL
            .into_iter()
            .any(|lane| vocabulary.may_count(self.role, lane))
    }
}
