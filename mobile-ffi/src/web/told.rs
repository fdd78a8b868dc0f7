//! What the phone tells a page, field by field under the names of its types. A field that is
//! missing here does not compile.

use super::json::{Tell, tell_field};
use crate::{
    BadgeView, EnrolStep, Form, FormChoice, FormField, Group, GroupAct, Member, MissingField,
    PageField, Phase, PhoneError, Problem, ProblemKind, RecordPage, Reissued, Remark, Row,
    SaidView, SavedRecord, Server, Status, Visited, Waiting, WaitingField, WaitingWhy,
    WritableType,
};

macro_rules! objects {
    ($($object:ident { $($field:ident)* })*) => {$(
        impl Tell for $object {
            fn tell(&self, json: &mut String) {
                let Self { $($field),* } = self;
                json.push('{');
                $(tell_field(json, stringify!($field), $field);)*
                json.push('}');
            }
        }
    )*};
}

objects! {
    BadgeView { phase refused state unanswered rivals withdrawn }
    EnrolStep { url ca_der body digits group_name }
    Form { type_id label lane lane_label fields withdraw_reasons }
    FormChoice { id label call keep_away }
    FormField { id label kind choices required conditional chars_max unit family }
    Group { id name area commune }
    GroupAct { index time_s by what own }
    Member { number name role }
    MissingField { id label }
    PageField { id item label value rivals history }
    Problem { kind words }
    RecordPage {
        record type_id label lane group author written_s received_s fields missing remarks
        withdrawn badge
    }
    Reissued { record old_withdrawn dropped high_water }
    Remark { said_s officer field field_label state reason words asks }
    Row { record type_id label lane group day headline badge }
    SaidView { text change member own written_s received_s erased }
    SavedRecord { record high_water }
    Server { url ca_der }
    Status { enrolled confirmed closed last_receipt_s records queued waiting refused put_aside }
    Visited { received_now refused_now said_again again touched high_water }
    Waiting { record change label why words since_s said }
    WaitingField { label text }
    WritableType { id label lane }
}

macro_rules! words {
    ($($choice:ident { $($variant:ident $word:literal)* })*) => {$(
        impl Tell for $choice {
            fn tell(&self, json: &mut String) {
                let word = match self {
                    $(Self::$variant => $word,)*
                };
                word.tell(json);
            }
        }
    )*};
}

words! {
    Phase {
        Queued "queued" Waiting "waiting" Received "received" Safe "safe" Refused "refused"
    }
    ProblemKind {
        NoNetwork "no_network" Timeout "timeout" TlsClock "tls_clock" TlsOther "tls_other"
        HttpStatus "http_status" BadAnswer "bad_answer" Forged "forged"
        NotKnownThere "not_known_there" Later "later" ServerFull "server_full"
        UpdateApp "update_app" StorageFull "storage_full" NotTaken "not_taken"
    }
    WaitingWhy {
        Queued "queued" NotConfirmed "not_confirmed" Refused "refused" Held "held"
        Forked "forked"
    }
}

/// By `name`, with its own fields beside it.
impl Tell for PhoneError {
    fn tell(&self, json: &mut String) {
        json.push('{');
        let name = match self {
            Self::NotEnrolled => "NotEnrolled",
            Self::AlreadyEnrolled => "AlreadyEnrolled",
            Self::BadCode => "BadCode",
            Self::CodeRefused { detail } => {
                tell_field(json, "detail", detail);
                "CodeRefused"
            }
            Self::StorageFull => "StorageFull",
            Self::StoreDamaged { path } => {
                tell_field(json, "path", path);
                "StoreDamaged"
            }
            Self::WrongKey => "WrongKey",
            Self::StoreInUse => "StoreInUse",
            Self::StoreFailed { detail } => {
                tell_field(json, "detail", detail);
                "StoreFailed"
            }
            Self::UpdateApp => "UpdateApp",
            Self::FieldFault { field, words } => {
                tell_field(json, "field", field);
                tell_field(json, "words", words);
                "FieldFault"
            }
            Self::ChooseMember => "ChooseMember",
            Self::ChooseType => "ChooseType",
            Self::NoRight => "NoRight",
            Self::GroupNotHere => "GroupNotHere",
            Self::RecordNotHere => "RecordNotHere",
            Self::RecordLetGo => "RecordLetGo",
            Self::RecordFull => "RecordFull",
            Self::AlreadyWithdrawn => "AlreadyWithdrawn",
            Self::TooMuch => "TooMuch",
            Self::NothingToSave => "NothingToSave",
            Self::NotAChoice => "NotAChoice",
            Self::SearchRefused { words } => {
                tell_field(json, "words", words);
                "SearchRefused"
            }
            Self::VisitOpen => "VisitOpen",
            Self::VisitOver => "VisitOver",
            Self::BadAnswer => "BadAnswer",
            Self::Forged => "Forged",
            Self::NotKnownThere => "NotKnownThere",
            Self::Later => "Later",
            Self::ServerFull => "ServerFull",
            Self::HttpStatus { status } => {
                tell_field(json, "status", status);
                "HttpStatus"
            }
            Self::NoRandomness => "NoRandomness",
        };
        tell_field(json, "name", &name);
        json.push('}');
    }
}
