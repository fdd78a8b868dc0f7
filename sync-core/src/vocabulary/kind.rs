//! What a field may hold, and how much of it. The limits are named here so that the gate, the
//! phone and the console refuse the same value for the same reason.

/// The most that a count may say; above it somebody typed a phone number into a count.
pub const COUNT_MAX: u64 = 1_000_000;
/// The most tenths (of a kilogram, an hour, a labour day) in one field: 100,000.0.
pub const TENTHS_MAX: u64 = 1_000_000;
/// The most money in one field, in whole VND.
pub const MONEY_VND_MAX: u64 = 1_000_000_000_000;
/// No text field may allow more characters than this, whatever its own bound says.
pub const TEXT_CHARS_MAX: u32 = 2_000;
/// A code is a short number of another office: letters and digits only.
pub const CODE_CHARS_MAX: u32 = 20;
/// Members are numbered within their group.
pub const MEMBER_NUMBER_MAX: u16 = u16::MAX;
/// Saved routes, posts and facilities are numbered within their group.
pub const SAVED_ITEM_NUMBER_MAX: u32 = 65_535;
/// Latitude in ten-thousandths of a degree: four decimals, no more.
pub const LATITUDE_E4_MAX: i32 = 900_000;
/// Longitude in ten-thousandths of a degree.
pub const LONGITUDE_E4_MAX: i32 = 1_800_000;
/// A position less exact than this says nothing.
pub const ACCURACY_METRES_MAX: u32 = 100_000;
/// Offsets of local wall time reach from -12:00 to +14:00.
pub const OFFSET_MINUTES_MIN: i16 = -720;
/// See [`OFFSET_MINUTES_MIN`].
pub const OFFSET_MINUTES_MAX: i16 = 840;
/// Photos of one record, when attachments exist.
pub const PHOTOS_COUNT_MAX: usize = 5;

/// The kind of value that a field holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ValueKind {
    /// Yes or no.
    YesNo,
    /// A whole number up to [`COUNT_MAX`].
    Count,
    /// One decimal, kept as tenths up to [`TENTHS_MAX`]; never a float.
    Tenths,
    /// Whole VND up to [`MONEY_VND_MAX`]; never a float.
    MoneyVnd,
    /// One value of a list.
    Choice {
        /// Id of the list.
        list: String,
    },
    /// A set of values of a list, up to [`CHOICES_MAX`](crate::limits::CHOICES_MAX).
    Choices {
        /// Id of the list.
        list: String,
    },
    /// Free text, up to so many characters.
    Text {
        /// At most [`TEXT_CHARS_MAX`].
        chars_max: u32,
    },
    /// A local date.
    Day,
    /// A local wall time with its offset.
    Time,
    /// From, and optionally to: one value, because half of it would lie.
    Interval,
    /// Latitude, longitude and accuracy: one value, for the same reason.
    Position,
    /// An area of the project's own ids.
    Area,
    /// Ids of records of the same lane, up to [`LINKS_MAX`](crate::limits::LINKS_MAX).
    RecordLinks,
    /// The number of a member within the group.
    Member,
    /// The number of something the group saved once: a route, a post, a facility.
    SavedItem {
        /// Which register of the group: `routes`, `posts` or `facilities`.
        register: String,
    },
    /// Letters and digits of another office's receipt.
    Code {
        /// At most [`CODE_CHARS_MAX`].
        chars_max: u32,
    },
    /// A withdraw reason of the reasons table.
    WithdrawReason,
    /// Photo references; reserved until attachments exist.
    Photos,
    /// A blob sealed on the phone to named officers; reserved until sealing exists.
    Sealed,
}

/// The registers that a [`ValueKind::SavedItem`] may name.
pub(super) const REGISTERS: [&str; 3] = ["routes", "posts", "facilities"];

impl ValueKind {
    /// Whether a value of this kind must be erasable whatever the data files say: such a value
    /// never stands in signed bytes, only its salted hash does.
    pub fn must_be_part(&self) -> bool {
        matches!(
            self,
            Self::Text { .. } | Self::Position | Self::Member | Self::Photos | Self::Sealed
        )
    }

    /// The list that a choice takes its values from.
    pub fn list(&self) -> Option<&str> {
        if let Self::Choice { list } | Self::Choices { list } = self {
            Some(list)
        } else {
            None
        }
    }
}
