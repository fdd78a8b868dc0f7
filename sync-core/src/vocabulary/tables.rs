//! The rows of the vocabulary. They are plain data: [`super::Vocabulary`] answers the questions.

use super::kind::ValueKind;
use super::lane::Lane;

/// How the lane of a type is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeLane {
    /// All records of the type are in one lane.
    Fixed(Lane),
    /// The kind, asked first, decides: open, or protected when the kind is marked so.
    ByKind,
}

/// An activity type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordType {
    /// Fixed for ever.
    pub number: u16,
    /// Stable id.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// How its lane is found.
    pub lane: TypeLane,
    /// Id of one of the four selves (list `family`), if reports group it so.
    pub family: Option<String>,
    /// The report table that counts it (T1 to T9), if any.
    pub report: Option<String>,
}

/// Whether a field is asked for. Nothing blocks saving: what is missing is shown as missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Required {
    /// Asked for.
    Asked,
    /// Optional.
    Optional,
    /// Asked for under a condition.
    Conditional,
    /// Filled by the app.
    Automatic,
}

/// When a conditional field is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// While this field of the same type has no value.
    Without(u16),
    /// When this choice field of the same type has this value.
    Chosen {
        /// The choice field.
        field: u16,
        /// The value's number in the field's list.
        value: u16,
    },
}

/// Whether a field takes input now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldState {
    /// Takes values.
    Active,
    /// Its number is taken, but there is no input and admission refuses any byte at it.
    Reserved,
    /// Computed from other fields for showing; never stored, so admission refuses it too.
    Derived,
}

/// What a field is in a closed lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClosedLanePart {
    /// It does not exist there.
    Absent,
    /// It belongs to the readable part.
    Readable,
    /// It belongs to the readable part, but names the commune, never a hamlet.
    CommuneOnly,
    /// It exists there only, sealed.
    Sealed,
}

/// Who may write a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// A member of the group, on a phone.
    Member,
    /// The commune, in a review.
    Commune,
}

/// In which open-lane types a field exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenTypes {
    /// In all that the field's own type column allows.
    All,
    /// In none: the field belongs to closed lanes.
    None,
    /// In these only.
    Only(Vec<u16>),
    /// In all but these.
    Except(Vec<u16>),
}

impl OpenTypes {
    /// Whether the field exists in open-lane records of this type.
    pub fn include(&self, type_number: u16) -> bool {
        match self {
            Self::All => true,
            Self::None => false,
            Self::Only(types) => types.contains(&type_number),
            Self::Except(types) => !types.contains(&type_number),
        }
    }
}

/// A field of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Fixed for ever, unique among all fields of all types.
    pub number: u16,
    /// The type it belongs to; `None` for the envelope, which all types share.
    pub record_type: Option<u16>,
    /// Stable id, unique within the type and the envelope; dotted for a sub-field.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// Whether it is asked for.
    pub required: Required,
    /// Types in which an envelope field is asked for although it is optional elsewhere.
    pub required_in: Vec<u16>,
    /// When a conditional field is asked for; `None` = never missing.
    pub condition: Option<Condition>,
    /// What it holds, with its bound.
    pub kind: ValueKind,
    /// Unit of a number, for the label.
    pub unit: Option<String>,
    /// The value must be erasable: signed bytes hold only its salted hash.
    pub part: bool,
    /// Whether it takes input now.
    pub state: FieldState,
    /// What it is in a closed lane.
    pub closed_lane: ClosedLanePart,
    /// Where it exists in the open lane.
    pub open_in: OpenTypes,
    /// Who may write it.
    pub writer: Writer,
    /// The value that an absent field stands for; such a field is never missing.
    pub default: Option<u16>,
    /// The family, for fields whose key carries an item id (`equipment.<item>.qty`).
    pub family: Option<String>,
}

/// A value of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListValue {
    /// Fixed for ever within its list.
    pub number: u16,
    /// Stable id.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// A kind that puts the record into the protected lane.
    pub protected: bool,
    /// A kind for which the screen first says: phone at once.
    pub call: bool,
    /// A kind for which the screen also says: keep away.
    pub keep_away: bool,
}

/// A list of values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValueList {
    /// Stable id.
    pub id: String,
    /// The values, in the order in which they are shown.
    pub values: Vec<ListValue>,
}

impl ValueList {
    /// The value with this number.
    pub fn value(&self, number: u16) -> Option<&ListValue> {
        self.values.iter().find(|value| value.number == number)
    }

    /// The value with this id.
    pub fn value_by_id(&self, id: &str) -> Option<&ListValue> {
        self.values.iter().find(|value| value.id == id)
    }
}

/// How far a role sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RoleScope {
    /// No records at all.
    None,
    /// The own group.
    Group,
    /// The groups of one commune.
    Commune,
    /// The groups of one province.
    Province,
}

/// An act that a role may do beyond reading, writing and reviewing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "each name is the act, and the data files give the same words"
)]
pub enum Act {
    ConfirmHandover,
    CorrectOpen,
    SendNilReturn,
    ReadSuggestions,
    ValueTip,
    OpenSealedFirstPolice,
    OpenSealedSecondPolice,
    OpenSealedFirstMediation,
    OpenSealedSecondMediation,
    CloseCommunePeriod,
    FoundGroups,
    Commend,
    PrintBook,
    ReturnToCommune,
    MergeDuplicates,
    KeepCatalogue,
    CloseProvincePeriod,
    SignReport,
    KeepDossiers,
    HoldKeyShare,
    ReadAccessLog,
    HandleSubjectRequests,
    RunServers,
}

/// A role of a member, an officer or an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Fixed for ever.
    pub number: u16,
    /// Stable id.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// How far it sees.
    pub scope: RoleScope,
    /// Lanes in which it creates records.
    pub write: Vec<Lane>,
    /// Lanes whose records (in closed lanes: the readable part) it may read.
    pub read: Vec<Lane>,
    /// Lanes whose records it may review, return and accept.
    pub review: Vec<Lane>,
    /// Lanes of which it may see counts.
    pub counts: Vec<Lane>,
    /// What else it may do.
    pub acts: Vec<Act>,
}

/// Who sets a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StateLevel {
    /// The phone, about its own sending.
    Phone,
    /// The commune.
    Commune,
    /// The commune police, for tips only.
    CommuneTip,
    /// The province.
    Province,
    /// Any of them, at any time.
    Any,
}

/// A state of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Fixed for ever.
    pub number: u16,
    /// Stable id.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// Who sets it.
    pub level: StateLevel,
}

/// What a reason is given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReasonUse {
    /// The commune returns a record.
    Return,
    /// The group withdraws one.
    Withdraw,
}

/// How the author answers a returned record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// By editing the record.
    Edit,
    /// By a new record that corrects it: the old words must not stay.
    Reissue,
    /// By coming in person.
    Meet,
}

/// A reason from a fixed list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// What it is given for.
    pub used_for: ReasonUse,
    /// Fixed for ever within its use.
    pub number: u16,
    /// Stable id.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// It may be given in the open lane.
    pub open_lane: bool,
    /// It may be given in closed lanes, where no other remark may.
    pub closed_lanes: bool,
    /// How the author answers; `None` for withdraw reasons.
    pub answer: Option<Answer>,
}

impl Reason {
    /// Whether it may be given for a record of this lane.
    pub fn allowed_in(&self, lane: Lane) -> bool {
        if lane.is_closed() {
            self.closed_lanes
        } else {
            self.open_lane
        }
    }
}

/// An entry that looks like a tip category but opens no text box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StopSign {
    /// Fixed for ever.
    pub number: u16,
    /// Stable id.
    pub id: String,
    /// What it shows in place of a form.
    pub vi: String,
}

/// Which end of an interval a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntervalEnd {
    /// Its start.
    From,
    /// Its end.
    To,
}

/// A name under which one end of an interval is shown and asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The interval field.
    pub field: u16,
    /// The type whose records show it so; `None` for all others.
    pub record_type: Option<u16>,
    /// Which end.
    pub end: IntervalEnd,
    /// Stable id.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// Asked for, or optional.
    pub required: Required,
}

/// Something that stands in the header of a change, so that nobody makes it a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderItem {
    /// Its id in the record envelope.
    pub id: String,
    /// Vietnamese label.
    pub vi: String,
    /// Why it is no field.
    pub why: String,
}
