//! Acts of the desk: what altered who may write, read or be kept, and who did it.

use sync_core::hub::LifeStep;
use sync_core::ids::{GroupId, KeyId, RecordId};
use sync_core::vocabulary::Lane;

use super::AreaName;

/// Whose acts are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActsOf {
    /// Those about the whole log: accounts, areas, restores.
    Log,
    /// Those about one group: members, phones, erasures.
    Group(GroupId),
}

/// A page of acts, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActsPage {
    /// Name of the group, where they are one's.
    pub group_name: Option<String>,
    /// The acts.
    pub rows: Vec<ActRow>,
    /// The next older page is of the acts below this index, if there is one.
    pub older: Option<u64>,
}

/// An act of the desk, as its entry in the log says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActRow {
    /// Server time, in seconds since 1970.
    pub time_s: i64,
    /// Who did it.
    pub by: ActBy,
    /// What was done.
    pub done: Done,
}

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActBy {
    /// Somebody at the server's command line.
    CommandLine,
    /// An account at the console.
    Account {
        /// Its number.
        number: u32,
        /// Its name at that time, unless erased.
        name: Option<String>,
    },
}

/// A member, as far as the officer may know who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Someone {
    /// Number within the group.
    pub number: u16,
    /// Name now; `None` when it was erased, or for an officer above the commune.
    pub name: Option<String>,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// A group was founded here.
    GroupFounded {
        /// Its name.
        name: String,
        /// Its area.
        area: AreaName,
    },
    /// A group was renamed or moved.
    GroupChanged {
        /// Its name from then on.
        name: String,
        /// Its area from then on.
        area: AreaName,
    },
    /// Somebody writes in the group from then on.
    MemberAdded {
        /// Who.
        who: Someone,
        /// In which role.
        role: u16,
    },
    /// A member has another role from then on.
    RoleChanged {
        /// Who.
        who: Someone,
        /// In which role.
        role: u16,
    },
    /// A member writes no more.
    MemberEnded {
        /// Who.
        who: Someone,
    },
    /// A phone was let in.
    DeviceEnrolled {
        /// Its key.
        device: KeyId,
        /// Who uses it; empty for every member of the group.
        members: Vec<Someone>,
    },
    /// A phone may no longer read or write.
    DeviceRevoked {
        /// Its key.
        device: KeyId,
    },
    /// Words were erased here and on the phones.
    Erased {
        /// Of what.
        of: ErasedOf,
        /// How many fields.
        fields: usize,
        /// Phones that have erased them.
        heard: Vec<KeyId>,
        /// Phones that have yet to say so.
        silent: Vec<SilentPhone>,
    },
    /// Somebody proposed to let a held change in; a second officer has to confirm.
    HeldProposed,
    /// A second officer confirmed, and a change that was held was let in.
    HeldAdmitted,
    /// An account was made, changed or closed.
    AccountSet {
        /// Its number.
        number: u32,
        /// Its name, if it is still there.
        name: Option<String>,
        /// Its role.
        role: u16,
        /// The area that it sees.
        area: AreaName,
        /// Whether it may sign in.
        active: bool,
    },
    /// A list of areas was taken over.
    AreasTaken {
        /// Rows of the list.
        rows: u32,
    },
    /// Areas merged, split, or have another name, code or parent.
    AreasChanged {
        /// How many such events.
        events: usize,
    },
    /// The group took a step in its life.
    LifeStep {
        /// The step.
        step: LifeStep,
    },
    /// A reporting period was closed.
    PeriodClosed {
        /// For this area.
        area: AreaName,
        /// Its first day, in days since 1970.
        first: i32,
        /// Its last day.
        last: i32,
    },
    /// The log began anew from a backup.
    Restored,
    /// Another vocabulary counts from then on.
    VocabularySet {
        /// Its version.
        version: u16,
    },
}

/// A phone that may still hold what was erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilentPhone {
    /// Its key.
    pub device: KeyId,
    /// It reads nothing any more, and so will never hear of it.
    pub is_revoked: bool,
    /// When it last came, in seconds since 1970, if it did since the server started.
    pub last_seen_s: Option<i64>,
}

/// Where words were that were erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasedOf {
    /// In a record; its page is named where the officer has it.
    Record {
        /// The record.
        record: Option<RecordId>,
        /// Its lane.
        lane: Lane,
    },
    /// In an officer's remark.
    Remark,
    /// The name of a member or of an account.
    Name,
    /// In something that is not in the log yet, or not any more.
    Unknown,
}
