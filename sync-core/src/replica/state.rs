//! What the replica tells, and the rows in which it is kept.

use crate::change::ChangeRef;
use crate::ids::{AreaRef, Realm};
use crate::keys::{PublicKey, Secret};
use crate::log::AsideReason;
use crate::value::FieldKey;

/// One change to one row of the phone's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreOp {
    /// Writes a value, over the one that was there.
    Put {
        /// The row's table.
        table: u8,
        /// The row's key; it is not encrypted.
        key: Vec<u8>,
        /// The row's value.
        value: Vec<u8>,
    },
    /// Removes a value, if there is one.
    Delete {
        /// The row's table.
        table: u8,
        /// The row's key.
        key: Vec<u8>,
    },
}

/// What a phone was enrolled with.
#[derive(Debug, Clone)]
pub struct Identity {
    /// Organisation and log.
    pub realm: Realm,
    /// Key of the log.
    pub log: PublicKey,
    /// Key of this device.
    pub device: Secret,
}

/// A member, as the group's entries say.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberInfo {
    /// Role now; `None` when the membership ended.
    pub role: Option<u16>,
    /// Name, once told and unless erased.
    pub name: Option<String>,
    /// Whether the enrolment of this phone names the member.
    pub on_this_phone: bool,
}

/// A group, as its entries say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupInfo {
    /// Its hamlet, or its commune.
    pub area: AreaRef,
    /// Its commune.
    pub commune: AreaRef,
    /// Its public name.
    pub name: String,
}

/// An officer's state or remark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemarkInfo {
    /// Index in the log.
    pub index: u64,
    /// Server time.
    pub time_s: i64,
    /// Number of the account.
    pub account: u32,
    /// Name of the account, unless erased.
    pub account_name: Option<String>,
    /// The field it is about.
    pub field: Option<FieldKey>,
    /// The state it sets.
    pub state: Option<u16>,
    /// A reason of the fixed list.
    pub reason: Option<u16>,
    /// Free words.
    pub words: Option<String>,
    /// Whether it asks for an answer.
    pub asks: bool,
}

/// What stands beside a record in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Badge {
    /// Changes on this phone only.
    pub queued: u32,
    /// Changes that wait on the server for this phone to be confirmed.
    pub waiting: u32,
    /// Changes that the server has in its log.
    pub received: u32,
    /// Changes set aside, with why.
    pub refused: Vec<(ChangeRef, AsideReason)>,
    /// State that an officer set, a number of the vocabulary.
    pub state: Option<u16>,
    /// Whether an officer's last word waits for an answer.
    pub unanswered: bool,
    /// Whether all of it survives the loss of the server's disk.
    pub safe: bool,
}

/// Settings: one row each, by name.
pub(super) const TABLE_SETTING: u8 = 1;
/// Changes: chain, seq.
pub(super) const TABLE_CHANGE: u8 = 2;
/// Acts: index.
pub(super) const TABLE_ACT: u8 = 3;
/// Own chains: name.
pub(super) const TABLE_CHAIN: u8 = 4;
/// Entries seen: index.
pub(super) const TABLE_SEEN: u8 = 5;
/// Hashes of changes of others that were set aside: chain, seq.
pub(super) const TABLE_FOREIGN: u8 = 6;
/// Cursor and sum of each feed.
pub(super) const TABLE_FEED: u8 = 7;
/// Acts to offer again: hash.
pub(super) const TABLE_OFFER: u8 = 8;
/// Receipts that acknowledged something, with what they covered: generation, size.
pub(super) const TABLE_RECEIPT: u8 = 9;

/// Changes whose place was taken: chain, seq.
pub(super) const TABLE_FORKED: u8 = 10;
/// Where those are that were said again: chain, seq.
pub(super) const TABLE_SAID: u8 = 11;
/// Change -> what its leaf said, of own changes that the log admitted and lost.
pub(super) const TABLE_LOST: u8 = 12;

/// What is left of records whose words were let go: record.
pub(super) const TABLE_LEFT: u8 = 13;

pub(super) const SETTING_INSTALLATION: &[u8] = b"installation";
pub(super) const SETTING_NONCE: &[u8] = b"nonce";
pub(super) const SETTING_RECEIPT: &[u8] = b"receipt";
pub(super) const SETTING_GROUPS: &[u8] = b"groups";
pub(super) const SETTING_ASSIGNED: &[u8] = b"assigned";
pub(super) const SETTING_CONFIRMED: &[u8] = b"confirmed";

pub(super) fn put(table: u8, key: &[u8], value: Vec<u8>) -> StoreOp {
    StoreOp::Put {
        table,
        key: key.to_vec(),
        value,
    }
}

pub(super) fn delete(table: u8, key: &[u8]) -> StoreOp {
    StoreOp::Delete {
        table,
        key: key.to_vec(),
    }
}
