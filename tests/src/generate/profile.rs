//! The five profiles.

use std::fmt;
use std::ops::Range;

use super::calendar::day_of;

/// Share of tips that are of value.
const VALUE_SHARE: f64 = 0.75;
/// Raw tips by group and month.
pub(super) const TIPS_RATE: f64 = 4.63;

/// How large a province is made, and for how long it works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Profile {
    /// Six groups and eleven phones in one commune, three months: about 400 records.
    Demo,
    /// Eighteen groups, forty phones, one year: about 5,000 records.
    Commune,
    /// 891 groups, 79.5 months: about 1.2 million records.
    Seed,
    /// 1,888 statutory teams, one year: about 520,000 records.
    Cantho,
    /// Five times the seed: about 6 million records.
    Stress,
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

/// Groups by old province, in the order in which they are drawn.
pub(super) const SEED_GROUPS: [(&str, usize); 13] = [
    ("Sóc Trăng", 160),
    ("Cần Thơ", 54),
    ("Hậu Giang", 53),
    ("An Giang", 116),
    ("Kiên Giang", 116),
    ("Trà Vinh", 143),
    ("Vĩnh Long", 45),
    ("Bến Tre", 18),
    ("Bạc Liêu", 62),
    ("Cà Mau", 62),
    ("Đồng Tháp", 18),
    ("Tiền Giang", 18),
    ("Long An", 26),
];
/// Statutory teams and their members.
pub(super) const CANTHO_TEAMS: [(&str, usize, usize); 3] = [
    ("Cần Thơ", 599, 2_796),
    ("Hậu Giang", 525, 1_715),
    ("Sóc Trăng", 764, 2_273),
];
/// The commune of the small profiles: as in the story that `deploy/demo` tells.
pub(super) const SMALL_COMMUNE: &str = "Hòa Tú";
pub(super) const SMALL_PROVINCE: &str = "Sóc Trăng";

impl Profile {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Demo,
        Self::Commune,
        Self::Seed,
        Self::Cantho,
        Self::Stress,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Commune => "commune",
            Self::Seed => "seed",
            Self::Cantho => "cantho",
            Self::Stress => "stress",
        }
    }

    /// Whether it is more than phones would bring one by one over a network in minutes.
    #[must_use]
    pub const fn is_large(self) -> bool {
        matches!(self, Self::Seed | Self::Cantho | Self::Stress)
    }

    /// Groups.
    #[must_use]
    pub fn groups(self) -> usize {
        self.by_province().iter().map(|(_, count)| count).sum()
    }

    /// Phones.
    #[must_use]
    pub const fn phones(self) -> usize {
        match self {
            Self::Demo => 11,
            Self::Commune => 40,
            Self::Seed => 1_340,
            Self::Cantho => 3_000,
            Self::Stress => 6_700,
        }
    }

    /// Groups by old province.
    pub(super) fn by_province(self) -> Vec<(&'static str, usize)> {
        match self {
            Self::Demo => vec![(SMALL_PROVINCE, 6)],
            Self::Commune => vec![(SMALL_PROVINCE, 18)],
            Self::Seed => SEED_GROUPS.to_vec(),
            Self::Cantho => CANTHO_TEAMS
                .iter()
                .map(|(name, teams, _)| (*name, *teams))
                .collect(),
            Self::Stress => SEED_GROUPS
                .iter()
                .map(|(name, groups)| (*name, groups * 5))
                .collect(),
        }
    }

    /// Groups that exist on the first day; the others are founded at even steps.
    pub(super) fn founded_first(self) -> usize {
        match self {
            Self::Seed => 420,
            Self::Stress => 2_100,
            Self::Demo | Self::Commune | Self::Cantho => self.groups(),
        }
    }

    /// Its days, since 1970.
    #[must_use]
    pub fn days(self) -> Range<i32> {
        let span = |from, until| day_of(from)..day_of(until);
        match self {
            Self::Demo => span((2025, 9, 1), (2025, 12, 1)),
            Self::Commune => span((2025, 7, 1), (2026, 7, 1)),
            Self::Seed | Self::Stress => span((2018, 1, 1), (2024, 8, 16)),
            Self::Cantho => span((2025, 4, 1), (2026, 4, 1)),
        }
    }

    /// Raw tips and those of value, of so many group-months.
    pub(super) fn tips(self, group_months: f64) -> (usize, usize) {
        match self {
            Self::Seed => (241_300, 181_000),
            Self::Stress => (5 * 241_300, 5 * 181_000),
            Self::Demo | Self::Commune | Self::Cantho => {
                let tips = group_months * TIPS_RATE;
                (tips.round() as usize, (tips * VALUE_SHARE).round() as usize)
            }
        }
    }

    /// Dossiers, and those for a whole group.
    pub(super) fn commendations(self) -> (usize, usize) {
        match self {
            Self::Seed => (260, 99),
            Self::Stress => (1_300, 495),
            Self::Cantho => (100, 38),
            Self::Commune => (8, 3),
            Self::Demo => (2, 1),
        }
    }
}
