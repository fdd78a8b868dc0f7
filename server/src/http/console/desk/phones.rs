//! Phones and the invitations that let one ask to be enrolled.

use std::fmt;

use sync_core::ids::{GroupId, KeyId};

/// What a phone may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceState {
    /// It asked to be enrolled and waits for an officer. Its six digits are not told to the page:
    /// an officer who could copy them would not look at the phone.
    Pending {
        /// When it asked, in seconds since 1970.
        since_s: i64,
    },
    /// It reads and writes.
    Active {
        /// When it last came, in seconds since 1970.
        last_seen_s: Option<i64>,
    },
    /// An officer turned it away. It reads nothing, and can still be confirmed by its digits if
    /// that was a mistake.
    Refused {
        /// Since when, in seconds since 1970.
        since_s: i64,
    },
    /// It may no longer read or write.
    Revoked {
        /// Since when, in seconds since 1970.
        since_s: i64,
    },
}

/// A phone in one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRow {
    /// Short name of its key.
    pub device: KeyId,
    /// The group.
    pub group: GroupId,
    /// The group's name.
    pub group_name: String,
    /// Names of the members who use it; empty for every member of the group.
    pub members: Vec<String>,
    /// What it may do.
    pub state: DeviceState,
    /// Where it writes: what a revocation takes away.
    pub reach: Reach,
}

/// All groups in which a phone writes. A revocation takes all of them: a phone that is lost is
/// lost to every group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    /// Names of those in the officer's scope.
    pub groups: Vec<String>,
    /// How many lie outside of it; their names are not the officer's to know.
    pub beyond: usize,
}

impl Reach {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.groups.len().saturating_add(self.beyond)
    }
}

/// Names an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct InviteId(pub [u8; 16]);

impl InviteId {
    /// The name whose lower-case hex form this is.
    #[must_use]
    pub fn from_hex(hex: &str) -> Option<Self> {
        let digits = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let number = u128::from_str_radix(hex, 16).ok().filter(|_| digits)?;
        Some(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for InviteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// What an invitation shows to the officer who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitePage {
    /// The group.
    pub group_name: String,
    /// Names of the members who will use the phone; empty for every member of the group.
    pub members: Vec<String>,
    /// Until when it can be used, in seconds since 1970.
    pub expires_s: i64,
    /// What became of it.
    pub state: InviteState,
}

/// What became of an invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InviteState {
    /// It can be used.
    Open {
        /// What the QR says.
        text: String,
        /// Where the phone will look for the server.
        address: String,
    },
    /// Nobody used it in time.
    Expired,
    /// A phone used it and waits for an officer.
    Waiting(DeviceRow),
    /// An officer turned that phone away.
    Refused,
    /// An officer confirmed that phone.
    Confirmed,
}
