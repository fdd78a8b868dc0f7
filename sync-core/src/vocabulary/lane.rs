//! The four lanes. Every record is in one, fixed at creation, because who may read it, what may
//! be written in it and what is ever shown above the commune all follow from the lane.

/// Where a record belongs. The numbers are promises: they stand in signed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// The group's common log; no sealed part.
    Open = 1,
    /// What was heard; sealed to the commune police.
    Tip = 2,
    /// Grassroots mediation; sealed to the justice side, never to the police.
    Mediation = 3,
    /// Harm to members, reintegration, and the incident kinds that need protection.
    Protected = 4,
}

impl Lane {
    /// All lanes, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Open, Self::Tip, Self::Mediation, Self::Protected];

    /// The lane with this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.number() == number)
    }

    /// The lane with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.id() == id)
    }

    /// The number that stands in signed bytes.
    pub fn number(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Tip => 2,
            Self::Mediation => 3,
            Self::Protected => 4,
        }
    }

    /// The stable id, as in the data files.
    pub fn id(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Tip => "tip",
            Self::Mediation => "mediation",
            Self::Protected => "protected",
        }
    }

    /// A closed lane has no words in what can be read.
    pub fn is_closed(self) -> bool {
        self != Self::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_ids_lead_back_to_their_lane() {
        for lane in Lane::ALL {
            assert_eq!(Lane::from_number(lane.number()), Some(lane));
            assert_eq!(Lane::from_id(lane.id()), Some(lane));
        }
        assert_eq!(Lane::from_number(0), None);
        assert_eq!(Lane::from_number(5), None);
    }
}
