//! What the console asks of the server, and the plain data that comes back.
//!
//! The console knows nothing of stores and logs: it asks a [`Desk`]. Every question carries the
//! [`Officer`] who asks, because scope and lane belong to the question, not to the page; and the
//! desk writes the audit entry of a reading **before** it reads (D10), so that no page can show
//! what no entry tells of.
//!
//! Texts of records, names of fields and values come in Vietnamese, as the vocabulary and the
//! people wrote them. What the console itself says is in its own message files.

use sync_core::change::ChangeRef;
use sync_core::hub::{Admitting, LifeStep};
use sync_core::ids::{AreaRef, GroupId, KeyId, RecordId};
use sync_core::text::{SearchQuery, SearchRefusal, search_query};
use sync_core::value::FieldKey;
use sync_core::vocabulary::{Lane, RoleScope, Vocabulary};
use thiserror::Error;

mod acts;
mod models;
mod periods;
mod phones;
mod quarantine;
mod units;

pub use acts::{ActBy, ActRow, ActsOf, ActsPage, Done, ErasedOf, SilentPhone, Someone};
pub use models::ModelRow;
pub use periods::{Figures, Pair, PeriodAsked, PeriodPage, PeriodStep, TypeFigures, UnitFigures};
pub use phones::{DeviceRow, DeviceState, InviteId, InvitePage, InviteState, Reach};
pub use quarantine::{
    AdmitInput, AsideRow, Cause, HeldPage, HeldSaid, ProposalRow, QuarantinePage,
};
pub use units::{Placed, UnitsAsked};

/// Why the desk did not do what was asked. The console says each of them in words, with what to
/// do next; none carries details, since a page is the wrong place for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DeskError {
    /// There is no such thing in the officer's scope. Outside it, nothing exists.
    #[error("no such thing in this scope")]
    NotFound,
    /// The officer's role may not do this.
    #[error("the role may not do this")]
    NotAllowed,
    /// The record changed since the officer saw it: look again, then decide.
    #[error("the record changed since it was looked at")]
    Stale,
    /// What was sent does not fit the vocabulary or its bounds.
    #[error("the input does not fit")]
    Invalid,
    /// The six digits are not those of this phone.
    #[error("the digits are not those of this phone")]
    WrongDigits,
    /// The invitation or the waiting phone is no longer waiting: used, expired or decided already.
    #[error("no longer waiting")]
    NotWaiting,
    /// The operator has not said yet at which address phones find the server, so no code can be
    /// made.
    #[error("the address for phones is not set")]
    NoAddress,
    /// What was to be admitted counts already.
    #[error("decided already")]
    Decided,
    /// What was to be admitted would be refused also with the right that was lost, or follows
    /// something that is not admitted.
    #[error("it cannot be admitted")]
    StaysAside,
    /// The words of what was to be admitted are not kept any more.
    #[error("its words are not kept")]
    WordsGone,
    /// Who proposed cannot confirm: a second officer has to.
    #[error("a second officer has to confirm")]
    SecondOfficer,
    /// Too much to do at the moment: try again soon.
    #[error("busy")]
    Busy,
    /// The disk is full: nothing was kept, and the operator must act.
    #[error("storage full")]
    StorageFull,
    /// The server failed: nothing was kept, and the operator must look at its log.
    #[error("the server failed")]
    Failed,
}

/// What is known of an area's name. Records keep areas that have ended, and areas that only
/// another server's list has; the console says both in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaName {
    /// Kind and name, such as "Ấp Hòa Phuông"; `None` when this server has no such area.
    pub name: Option<String>,
    /// Short code, to tell unknown ones apart and to ask the operator about.
    pub code: String,
    /// First day on which the area no longer is, as `yyyy-mm-dd`, if it has ended.
    pub ended: Option<String>,
}

impl AreaName {
    /// An area that this server knows and that still is.
    #[must_use]
    pub fn known(area: AreaRef, name: impl Into<String>) -> Self {
        Self {
            name: Some(name.into()),
            code: short_code(area),
            ended: None,
        }
    }
    /// An area of which this server has nothing.
    #[must_use]
    pub fn unknown(area: AreaRef) -> Self {
        Self {
            name: None,
            code: short_code(area),
            ended: None,
        }
    }
    /// The name, or the code where there is none: for the audit entry, which is in no language.
    #[must_use]
    pub fn plain(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.code)
    }
}

/// The first eight digits of an area's id.
fn short_code(area: AreaRef) -> String {
    area.to_string().chars().take(8).collect()
}

/// A value in words. What the vocabulary and people wrote is Vietnamese already; what is left to
/// the language of the page is apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueText {
    /// As it is shown.
    Words(String),
    /// A number that has a unit of the vocabulary.
    Counted {
        /// The number as it is written in Vietnamese.
        number: String,
        /// Id of the unit, such as `minutes`.
        unit: String,
    },
    /// A place.
    Area(AreaName),
}

/// What the desk keeps about an account, for signing in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignInRow {
    /// Number of the account.
    pub number: u32,
    /// Its name, as typed to sign in.
    pub name: String,
    /// Role of the vocabulary.
    pub role: u16,
    /// Area it sees.
    pub area: AreaRef,
    /// Whether it can sign in.
    pub active: bool,
    /// Its password as a PHC string, made by [`hash_password`](super::password::hash_password).
    pub password_hash: String,
    /// Failed tries since the last good one.
    pub failures: u32,
    /// No try is accepted before this time, in seconds since 1970.
    pub not_before_s: i64,
}

/// An officer who is signed in: who asks, and how far they see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Officer {
    /// Number of the account.
    pub account: u32,
    /// Its name.
    pub name: String,
    /// Role of the vocabulary.
    pub role: u16,
    /// Area it sees.
    pub area: AreaRef,
    /// Name of that area, for the head of the page.
    pub area_name: AreaName,
}

impl Officer {
    /// Lanes whose records the role reads, in the order of their numbers.
    #[must_use]
    pub fn lanes(&self, vocabulary: &Vocabulary) -> Vec<Lane> {
        let may_read = |lane: &Lane| vocabulary.may_read(self.role, *lane);
        Lane::ALL.into_iter().filter(may_read).collect()
    }
    /// How far the role sees.
    #[must_use]
    pub fn scope(&self, vocabulary: &Vocabulary) -> RoleScope {
        vocabulary
            .role(self.role)
            .map_or(RoleScope::None, |role| role.scope)
    }
    /// Whether the role sets states of the commune in this lane. Above the commune a reviewer may
    /// only remark: the state of a record is the commune's to set.
    #[must_use]
    pub fn decides(&self, vocabulary: &Vocabulary, lane: Lane) -> bool {
        vocabulary.may_review(self.role, lane) && self.scope(vocabulary) == RoleScope::Commune
    }
    /// Whether the role invites and confirms phones: who reviews at the commune knows the groups.
    #[must_use]
    pub fn keeps_devices(&self, vocabulary: &Vocabulary) -> bool {
        Lane::ALL
            .into_iter()
            .any(|lane| self.decides(vocabulary, lane))
    }
    /// Whether the role sees what was done at the desk: every officer of the commune, and those
    /// of the province who read single records. Who only counts sees no single entries either.
    #[must_use]
    pub fn sees_acts(&self, vocabulary: &Vocabulary) -> bool {
        match self.scope(vocabulary) {
            RoleScope::Commune => true,
            RoleScope::Province => !self.lanes(vocabulary).is_empty(),
            RoleScope::Group | RoleScope::None => false,
        }
    }
}

/// A session, as it stands at the moment of the request: an account that lost its role or was
/// closed meanwhile must not go on with what it had at sign-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionRow {
    /// Who it is.
    pub officer: Officer,
    /// Stands in every form of the session.
    pub csrf: [u8; 16],
    /// The session ends at this time, in seconds since 1970.
    pub expires_s: i64,
}

/// A search that may be asked. It can only be made by passing the rules of the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    text: String,
    query: SearchQuery,
}

impl Search {
    /// Reads what was typed.
    ///
    /// # Errors
    /// Why it must not be asked.
    pub fn parse(text: &str) -> Result<Self, SearchRefusal> {
        Ok(Self {
            text: text.trim().to_owned(),
            query: search_query(text)?,
        })
    }
    /// What was typed, for the audit entry (kept only encrypted to the overseer).
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
    /// What is looked up.
    #[must_use]
    pub fn query(&self) -> &SearchQuery {
        &self.query
    }
}

/// Where the next page begins: made by the desk, carried by the console, opaque to both pages and
/// people. Of rounded rows it must hold no chain position, no exact time and no place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageKey(String);

impl PageKey {
    /// Longest key, in bytes.
    pub const BYTES_MAX: usize = 128;

    /// A key of letters, digits, `-`, `_` and `.`, which need no escaping in an address.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let fits = !text.is_empty() && text.len() <= Self::BYTES_MAX && text.bytes().all(plain);
        fits.then(|| Self(text.to_owned()))
    }
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a list is asked for. One lane at a time: what may be shown of a record, and by what it may
/// be ordered, follows from the lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFilter {
    /// The lane; the officer's role reads it.
    pub lane: Lane,
    /// Only what is there.
    pub placed: Placed,
    /// Only this group. Never set in rounded lanes.
    pub group: Option<GroupId>,
    /// Only this type.
    pub record_type: Option<u16>,
    /// Only this state. Never set in rounded lanes.
    pub state: Option<u16>,
    /// From this local day on, in days since 1970.
    pub from_day: Option<i32>,
    /// Up to and with this local day.
    pub to_day: Option<i32>,
    /// Only what is found by this. Never set outside the open lane.
    pub search: Option<Search>,
    /// Where the page begins; `None` for the newest.
    pub page: Option<PageKey>,
}

/// A page of a list, newest first. It tells no total.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPage {
    /// The rows.
    pub rows: ListRows,
    /// Where the next older page begins, if there is one.
    pub older: Option<PageKey>,
}

/// The rows of a list: whole, or rounded where the officer stands above the commune and the lane
/// is closed. What is rounded cannot hold more than it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListRows {
    /// Rows with a record page.
    Full(Vec<ListRow>),
    /// Rows without one.
    Rounded(Vec<RoundedRow>),
}

/// A record in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListRow {
    /// The record.
    pub record: RecordId,
    /// Its type.
    pub record_type: u16,
    /// Its group's name.
    pub group_name: String,
    /// Where it happened.
    pub area_name: AreaName,
    /// Local day it is about, in days since 1970.
    pub day: i32,
    /// Its state.
    pub state: u16,
    /// Whether its author withdrew it.
    pub withdrawn: bool,
    /// Whether some field has rivals.
    pub rivals: bool,
    /// Whether an officer's return or remark has no later change by the group.
    pub unanswered: bool,
    /// Server time at which it came, in seconds since 1970.
    pub received_at_s: i64,
    /// Short line, open lane only, else empty.
    pub headline: String,
}

/// What is seen of a closed lane above the commune: that there is a record of this type, of this
/// day, in this commune. Rows come by day, then commune and type, never by arrival.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoundedRow {
    /// Local day, in days since 1970.
    pub day: i32,
    /// Its commune's name.
    pub commune_name: AreaName,
    /// Its type.
    pub record_type: u16,
}

/// Who wrote, as far as the log knows: the key proves the phone, the member is what was chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// Number of the member, unless erased.
    pub member: Option<u16>,
    /// Name of the member, unless erased or unknown.
    pub name: Option<String>,
    /// Key of the device.
    pub device: KeyId,
}

/// What a phone's clock said when something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PhoneClock {
    /// Seconds since 1970.
    pub s: i64,
    /// It cannot be right: after the server had received what was written, or before something
    /// that the phone had already seen.
    pub is_off: bool,
}

/// One value of one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidRow {
    /// The value; `None` when it was erased.
    pub value: Option<ValueText>,
    /// Who wrote it.
    pub author: Author,
    /// The phone's clock; shown, never trusted.
    pub clock: PhoneClock,
    /// Server time at which it came.
    pub received_at_s: i64,
}

/// A value in the history of a field, with what bounds it in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRow {
    /// The value.
    pub said: SaidRow,
    /// The change that set it.
    pub by: ChangeRef,
    /// The heads of the record that its author had seen; empty for the creation.
    pub built_on: Vec<ChangeRef>,
    /// Size of the newest log head that the phone had seen: it was written not before.
    pub not_before: u64,
    /// Place in the log at which it was admitted: it was written not after.
    pub admitted_at: u64,
}

/// A field with all that was said at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldRow {
    /// Where it stands.
    pub key: FieldKey,
    /// Its Vietnamese label.
    pub label: String,
    /// What is shown first.
    pub said: SaidRow,
    /// What others wrote without having seen it.
    pub rivals: Vec<SaidRow>,
    /// Every value ever set, oldest first.
    pub history: Vec<HistoryRow>,
}

impl FieldRow {
    /// Whether the field was edited. Who wrote what nobody edited stands at the record's head.
    #[must_use]
    pub fn was_edited(&self) -> bool {
        self.history.len() > 1
    }
    /// The only value, when it was added after the record had been created.
    #[must_use]
    pub fn added_later(&self) -> Option<&SaidRow> {
        match self.history.as_slice() {
            [one] if !one.built_on.is_empty() => Some(&one.said),
            _ => None,
        }
    }
}

/// A field that is asked for and has no value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingField {
    /// Where it would stand.
    pub key: FieldKey,
    /// Its Vietnamese label.
    pub label: String,
}

/// What an officer said about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemarkRow {
    /// Server time, in seconds since 1970.
    pub time_s: i64,
    /// Name of the account that entered it.
    pub account: String,
    /// State it set, if one.
    pub state: Option<u16>,
    /// Return reason it gave, if one.
    pub reason: Option<u16>,
    /// Vietnamese label of the field it is about, if one.
    pub field_label: Option<String>,
    /// Its words, if it has any; never in closed lanes.
    pub text: Option<String>,
    /// Whether the group changed the record later.
    pub answered: bool,
}

/// All that the page of one record shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordPage {
    /// The record.
    pub record: RecordId,
    /// Its type.
    pub record_type: u16,
    /// Its lane.
    pub lane: Lane,
    /// Its group's name.
    pub group_name: String,
    /// Where it happened.
    pub area_name: AreaName,
    /// Its commune's name.
    pub commune_name: AreaName,
    /// Who created it.
    pub author: Author,
    /// The phone's clock at its creation.
    pub clock: PhoneClock,
    /// Local day it is about, in days since 1970.
    pub day: i32,
    /// Server time at which it came, in seconds since 1970.
    pub received_at_s: i64,
    /// Its state.
    pub state: u16,
    /// The withdraw reason, if it was withdrawn.
    pub withdrawn: Option<u16>,
    /// Heads of the record at this moment, ascending: an act names what the officer saw.
    pub heads: Vec<ChangeRef>,
    /// Its fields, in the order in which they are shown.
    pub fields: Vec<FieldRow>,
    /// What is missing.
    pub missing: Vec<MissingField>,
    /// What officers said, oldest first.
    pub remarks: Vec<RemarkRow>,
}

/// What an officer says about a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewInput {
    /// The record.
    pub record: RecordId,
    /// Heads that stood on the page, ascending.
    pub seen_heads: Vec<ChangeRef>,
    /// The field it is about, if one.
    pub field: Option<FieldKey>,
    /// The state it sets, if one.
    pub state: Option<u16>,
    /// A return reason, if one.
    pub reason: Option<u16>,
    /// Words, open lane only.
    pub text: Option<String>,
}

/// A group of the scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupRow {
    /// The group.
    pub group: GroupId,
    /// Its public name.
    pub name: String,
    /// Name of its area.
    pub area_name: AreaName,
}

/// A member who writes in a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Number within the group.
    pub number: u16,
    /// Name, unless erased.
    pub name: Option<String>,
    /// Role of the vocabulary.
    pub role: u16,
}

/// An area of the scope, in the order in which a filter shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaRow {
    /// The area.
    pub area: AreaRef,
    /// Its name.
    pub name: AreaName,
    /// How deep it lies under the officer's own area; 0 for that one.
    pub depth: u8,
}

/// What the console asks of the server.
///
/// Calls block; the console makes them where blocking is allowed. Every reading writes its audit
/// entry first, and every act is on the disk before it returns.
pub trait Desk: Send + Sync + 'static {
    /// The account with this name, compared as typed but for case.
    fn account_by_name(&self, name: &str) -> Result<Option<SignInRow>, DeskError>;
    /// Notes a try. A good one sets the failures to 0, a bad one adds one and sets the time before
    /// which the next is not accepted.
    fn note_sign_in(
        &self,
        account: u32,
        ok: bool,
        now_s: i64,
        not_before_s: i64,
    ) -> Result<(), DeskError>;
    /// Opens a session. Only the hash of its token is kept.
    fn open_session(
        &self,
        token_hash: [u8; 32],
        account: u32,
        csrf: [u8; 16],
        now_s: i64,
        expires_s: i64,
    ) -> Result<(), DeskError>;
    /// The session with this token hash, if its account is active; expired ones may be given.
    fn session(&self, token_hash: [u8; 32]) -> Result<Option<SessionRow>, DeskError>;
    /// Ends a session, if it is there.
    fn end_session(&self, token_hash: [u8; 32]) -> Result<(), DeskError>;

    /// A page of records of the officer's scope. Audit entry first.
    fn list(&self, officer: &Officer, filter: &ListFilter) -> Result<ListPage, DeskError>;
    /// One record of the officer's scope; `None` outside it, and of rounded rows. Audit entry first.
    fn record(&self, officer: &Officer, record: RecordId) -> Result<Option<RecordPage>, DeskError>;
    /// The figures of a period of the officer's area, as far as the role counts. Audit entry first.
    fn period(&self, officer: &Officer, asked: &PeriodAsked) -> Result<PeriodPage, DeskError>;
    /// Closes a period of the officer's area with its figures by today's units. When another is
    /// to be closed first, or somebody closed it meanwhile, the answer is [`DeskError::Stale`].
    fn close_period(&self, officer: &Officer, asked: &PeriodAsked) -> Result<(), DeskError>;
    /// The groups of the officer's scope with the steps of their life. Audit entry first.
    fn models(&self, officer: &Officer) -> Result<Vec<ModelRow>, DeskError>;
    /// One of them; `None` outside the scope. Audit entry first.
    fn model(&self, officer: &Officer, group: GroupId) -> Result<Option<ModelRow>, DeskError>;
    /// Takes a group a step further. When it has other than `seen` steps by now, the answer is
    /// [`DeskError::Stale`]; when the step does not follow, [`DeskError::Invalid`].
    fn step_model(
        &self,
        officer: &Officer,
        group: GroupId,
        step: LifeStep,
        seen: usize,
    ) -> Result<(), DeskError>;
    /// Areas of the officer's scope, for filters; by the units of their time also those that ended
    /// and are part of it today.
    fn areas(
        &self,
        officer: &Officer,
        units: Option<UnitsAsked>,
    ) -> Result<Vec<AreaRow>, DeskError>;
    /// Groups of the officer's scope, within an area if one is given. A province has thousands:
    /// the console asks for all only at the commune.
    fn groups(&self, officer: &Officer, area: Option<AreaRef>) -> Result<Vec<GroupRow>, DeskError>;
    /// Members who write in a group of the scope. Audit entry first.
    fn members(&self, officer: &Officer, group: GroupId) -> Result<Vec<MemberRow>, DeskError>;
    /// Phones of the officer's scope, those that wait first. Audit entry first.
    fn devices(&self, officer: &Officer) -> Result<Vec<DeviceRow>, DeskError>;
    /// What was done at the desk, newest first, below an index if one is given; of a group of the
    /// scope, or about the whole log. Audit entry first.
    fn acts(
        &self,
        officer: &Officer,
        of: ActsOf,
        below: Option<u64>,
    ) -> Result<ActsPage, DeskError>;

    /// What was refused or held for one cause, newest first, in the lanes in which the officer decides.
    /// Nobody's words stand in it. Audit entry first.
    fn quarantine(
        &self,
        officer: &Officer,
        cause: Cause,
        page: Option<&PageKey>,
    ) -> Result<QuarantinePage, DeskError>;
    /// One change that was held, with its words if it can be admitted; `None` outside the scope and
    /// of what can never be. Audit entry first.
    fn held(&self, officer: &Officer, at: ChangeRef) -> Result<Option<HeldPage>, DeskError>;
    /// Proposes to admit a held change, or confirms the proposal that stood on the page. When
    /// another stands there now, the answer is [`DeskError::Stale`].
    fn admit(&self, officer: &Officer, input: &AdmitInput) -> Result<Admitting, DeskError>;

    /// Enters a review. The desk refuses what a form must not be trusted with: a state that the role
    /// does not set ([`Officer::decides`]), a reason that is none of the lane, words in a closed
    /// lane. When the record has heads that are not among those seen, the answer is
    /// [`DeskError::Stale`].
    fn review(&self, officer: &Officer, input: &ReviewInput) -> Result<(), DeskError>;
    /// Whether a code can be made: the operator has said at which address phones find the server.
    fn can_invite(&self) -> bool;
    /// Makes an invitation for one phone; no members means every member of the group.
    fn invite(
        &self,
        officer: &Officer,
        group: GroupId,
        members: &[u16],
    ) -> Result<InviteId, DeskError>;
    /// An invitation that this officer made. It is there after a restart of the server too.
    fn invitation(
        &self,
        officer: &Officer,
        invite: InviteId,
    ) -> Result<Option<InvitePage>, DeskError>;
    /// Enrols a phone whose six digits are these and that waits, or was refused by mistake.
    fn confirm_device(
        &self,
        officer: &Officer,
        group: GroupId,
        device: KeyId,
        digits: &str,
    ) -> Result<(), DeskError>;
    /// Turns a waiting phone away.
    fn refuse_device(
        &self,
        officer: &Officer,
        group: GroupId,
        device: KeyId,
    ) -> Result<(), DeskError>;
    /// Takes reading and writing from a phone of this group, in every group where it has them.
    /// When that are not as many as stood on the page, the answer is [`DeskError::Stale`].
    fn revoke_device(
        &self,
        officer: &Officer,
        group: GroupId,
        device: KeyId,
        groups_shown: usize,
    ) -> Result<(), DeskError>;
}
