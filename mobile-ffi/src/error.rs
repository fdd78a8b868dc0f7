//! What can go wrong, named by what the screen can do about it.

use sync_core::invitation::InvitationError;
use sync_core::replica::{LoadError, SaveError};

use crate::store::StoreError;
use crate::words;

/// Why a call did nothing. Whatever the name: what was saved before is still there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Error))]
pub enum PhoneError {
    /// Scan the code of an invitation first.
    #[error("this phone is not enrolled")]
    NotEnrolled,
    /// The phone belongs to a log already; another code cannot change that.
    #[error("this phone is enrolled already")]
    AlreadyEnrolled,
    /// Not a code of ours, or damaged: scan again.
    #[error("this is not a code of BinhYen, or it is damaged")]
    BadCode,
    /// The code was used, has expired, or is not known: ask for a new one.
    #[error("the server does not take this code: {detail}")]
    CodeRefused {
        /// The server's own words, in English, for a log.
        detail: String,
    },
    /// The phone is full: free some room. Nothing was saved.
    #[error("no room left on the phone")]
    StorageFull,
    /// The store cannot be read. `start_anew` puts it aside and begins another.
    #[error("the store at {path} is damaged")]
    StoreDamaged {
        /// Where it lies.
        path: String,
    },
    /// The keystore gave another key than the one that the store was made with.
    #[error("the store was made with another key")]
    WrongKey,
    /// Another part of the app has the store open.
    #[error("the store is open already")]
    StoreInUse,
    /// The store cannot be used for a reason that no screen can mend; the detail is for a log.
    #[error("the store failed: {detail}")]
    StoreFailed {
        /// For a log.
        detail: String,
    },
    /// A newer release is needed: for the store, the code, or the server.
    #[error("update the application")]
    UpdateApp,
    /// The value at a field does not fit; show the words there.
    #[error("field {field}: {words}")]
    FieldFault {
        /// Id of the field.
        field: String,
        /// Words for the person, in Vietnamese.
        words: String,
    },
    /// Choose first who writes; the member is none of those who write on this phone.
    #[error("choose who writes")]
    ChooseMember,
    /// Choose the type, and its kind where the kind decides.
    #[error("choose the type and its kind first")]
    ChooseType,
    /// The member may not write this type, or not what others wrote.
    #[error("this member may not write this")]
    NoRight,
    /// The phone is not in this group.
    #[error("this phone is not in this group")]
    GroupNotHere,
    /// There is no such record on this phone.
    #[error("this record is not on this phone")]
    RecordNotHere,
    /// The record is safe on the server and its words have left this phone: make a new one that
    /// corrects it. One that still has its line can be withdrawn.
    #[error("the words of this record have left this phone")]
    RecordLetGo,
    /// The record has gathered as many changes as one may: make a new one that corrects it.
    #[error("this record is full: make a new one that corrects it")]
    RecordFull,
    /// The record was withdrawn before.
    #[error("this record is withdrawn already")]
    AlreadyWithdrawn,
    /// More than one save or one visit can hold: do it in parts.
    #[error("this is too much at once")]
    TooMuch,
    /// Nothing was changed, so there is nothing to save.
    #[error("nothing was changed")]
    NothingToSave,
    /// The value to choose is not at this field, or was erased.
    #[error("this value cannot be chosen")]
    NotAChoice,
    /// A search that is not answered; show the words.
    #[error("this search is not answered: {words}")]
    SearchRefused {
        /// Words for the person, in Vietnamese.
        words: String,
    },
    /// A visit is on its way already: wait for it, or say that it failed.
    #[error("a visit is on its way already")]
    VisitOpen,
    /// The visit is over: its answer was taken, or it was said to have failed.
    #[error("this visit is over")]
    VisitOver,
    /// The answer was cut or damaged on the way. What was sent stays in the queue.
    #[error("the answer was damaged on the way")]
    BadAnswer,
    /// The answer is not signed by the log that this phone trusts.
    #[error("the answer is not from the server that this phone trusts")]
    Forged,
    /// The server does not know this phone, or no longer.
    #[error("the server does not know this phone")]
    NotKnownThere,
    /// The server is busy or failed: come again later.
    #[error("the server asks to come later")]
    Later,
    /// The server has no room: it keeps what it has, and this phone keeps the rest.
    #[error("the server has no room")]
    ServerFull,
    /// Something between phone and server answered in its place.
    #[error("the network answered with status {status}")]
    HttpStatus {
        /// Status of HTTP.
        status: u16,
    },
    /// The operating system gave no random bytes, without which nothing may be written.
    #[error("no random bytes")]
    NoRandomness,
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl PhoneError {
    /// The words for the person, in Vietnamese.
    #[must_use]
    pub fn words_vi(&self) -> String {
        words::error(self)
    }
}

impl From<InvitationError> for PhoneError {
    fn from(error: InvitationError) -> Self {
        match error {
            InvitationError::NotOurs | InvitationError::Damaged => Self::BadCode,
            InvitationError::Newer => Self::UpdateApp,
        }
    }
}

impl PhoneError {
    /// What a fault of the store at `path` means for a screen.
    pub(crate) fn of_store(error: StoreError, path: &str) -> Self {
        match error {
            StoreError::WrongKey => Self::WrongKey,
            StoreError::NewerVersion { .. } => Self::UpdateApp,
            StoreError::InUse => Self::StoreInUse,
            StoreError::StorageFull => Self::StorageFull,
            StoreError::Damaged { .. } | StoreError::DamagedFile => Self::StoreDamaged {
                path: path.to_owned(),
            },
            StoreError::TooLarge => Self::TooMuch,
            StoreError::NoRandomness => Self::NoRandomness,
            StoreError::FileSystem(_) | StoreError::Database { .. } => Self::StoreFailed {
                detail: error.to_string(),
            },
        }
    }

    /// Rows that are no replica were damaged under their seal, or written by a newer release.
    pub(crate) fn of_load(error: LoadError, path: &str) -> Self {
        let LoadError::Row { .. } = error;
        Self::StoreDamaged {
            path: path.to_owned(),
        }
    }

    /// `name` gives the id of a field by its number.
    pub(crate) fn of_save(error: SaveError, name: impl Fn(u16) -> String) -> Self {
        match error {
            SaveError::NoGroup | SaveError::OtherGroup => Self::GroupNotHere,
            SaveError::NoMember => Self::ChooseMember,
            SaveError::NoType => Self::ChooseType,
            SaveError::NoRight => Self::NoRight,
            SaveError::NoRecord => Self::RecordNotHere,
            SaveError::NoInput(field) => Self::FieldFault {
                field: name(field),
                words: words::NO_INPUT.to_owned(),
            },
            SaveError::Value { field, fault } => Self::FieldFault {
                field: name(field),
                words: words::value_fault(fault),
            },
            SaveError::Nothing => Self::NothingToSave,
            SaveError::TooMuch => Self::TooMuch,
            SaveError::LetGo => Self::RecordLetGo,
            SaveError::RecordFull => Self::RecordFull,
            // every save holds the phone's lock, so no other can come in between
            SaveError::Stale => Self::StoreFailed {
                detail: error.to_string(),
            },
        }
    }
}
