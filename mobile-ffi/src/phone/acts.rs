//! What was done at the desk about a group, for its members to read: who may write, which phones
//! are used, what was erased.

use sync_core::act::{ACCOUNT_PART, Control, FullAct, NAME_PART, Said};
use sync_core::hub::LifeStep;
use sync_core::ids::{GroupId, KeyId};
use sync_core::replica::Replica;
use sync_core::view::day_text;
use sync_core::vocabulary::{ModelKinds, STATE_LIST, Vocabulary};

use super::Phone;
use super::form::{area_name, known_group, role_label};
use super::page::member_text;
use crate::PhoneError;

/// Rows of one page, when the caller says 0.
const ACTS_DEFAULT: usize = 50;
/// Digits of a phone's name that people compare: as many as the officer's console shows.
const DEVICE_DIGITS: usize = 8;

/// Something that was done at the desk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct GroupAct {
    /// Its place in the log, for the next page.
    pub index: u64,
    /// Server time, in seconds since 1970.
    pub time_s: i64,
    /// Who did it, in words.
    pub by: String,
    /// What was done, in words.
    pub what: String,
    /// Whether it is about this phone.
    pub own: bool,
}

#[cfg(feature = "uniffi")]
#[uniffi::export]
impl Phone {
    /// What was done at the desk about a group and about the server, newest first, below an index
    /// if one is given. A `limit` of 0 is the phone's own measure.
    ///
    /// # Errors
    /// `NotEnrolled`, `GroupNotHere`.
    // UniFFI sees defaults only where no condition stands around them.
    #[uniffi::method(default(before = None, limit = 0))]
    pub fn group_acts(
        &self,
        group: String,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<GroupAct>, PhoneError> {
        self.acts(&group, before, limit)
    }
}

impl Phone {
    /// As `group_acts` tells it.
    pub(crate) fn acts(
        &self,
        group: &str,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<GroupAct>, PhoneError> {
        let inner = self.lock();
        let replica = inner.replica()?;
        let group = known_group(replica, group)?;
        let limit = match limit {
            0 => ACTS_DEFAULT,
            limit => usize::try_from(limit).unwrap_or(ACTS_DEFAULT),
        };
        Ok(replica
            .controls(group)
            .filter(|(index, _)| before.is_none_or(|before| *index < before))
            .take(limit)
            .map(|(index, full)| GroupAct {
                index,
                time_s: full.act.time_s,
                by: by(full),
                what: what(replica, group, index, full),
                own: is_about(full, replica.device()),
            })
            .collect())
    }
}

fn by(full: &FullAct) -> String {
    match (full.act.account, full.words(ACCOUNT_PART)) {
        (0, _) => "quản trị hệ thống".to_owned(),
        (_, Some(name)) => format!("tài khoản {name}"),
        (number, None) => format!("tài khoản số {number}"),
    }
}

fn is_about(full: &FullAct, own: KeyId) -> bool {
    match &full.act.said {
        Said::Control(Control::Enrol { device, .. }) => device.id() == own,
        Said::Control(Control::Revoke { device, .. }) => *device == own,
        Said::Control(_) | Said::Review(_) => false,
    }
}

/// An act in words.
fn what(replica: &Replica, group: GroupId, index: u64, full: &FullAct) -> String {
    let Said::Control(control) = &full.act.said else {
        return String::new();
    };
    let someone = |number: u16| member_text(replica, group, number);
    match control {
        Control::Generation { .. } => "Phục hồi sổ máy chủ từ bản sao lưu".to_owned(),
        Control::Group { area, name, .. } => match area_name(replica, *area) {
            Some(area) => format!("Tên và địa bàn của tổ: {name}, {area}"),
            None => format!("Tên của tổ: {name}"),
        },
        Control::Member { number, role, .. } => {
            let role = role_label(replica.vocabulary(), Some(*role));
            // the name as it was said here, unless it was erased meanwhile
            let who = match full.words(NAME_PART) {
                Some(name) => name.to_owned(),
                None => someone(*number),
            };
            if was_member_before(replica, group, *number, index) {
                format!("Đổi vai trò: {who}, {role}")
            } else {
                format!("Thêm thành viên: {who}, {role}")
            }
        }
        Control::MemberEnd { number, .. } => format!("Thôi tham gia: {}", someone(*number)),
        Control::Enrol {
            device, members, ..
        } => {
            let users = if members.is_empty() {
                "mọi thành viên".to_owned()
            } else {
                let names: Vec<String> = members.iter().map(|number| someone(*number)).collect();
                names.join(", ")
            };
            format!("Cấp máy {}: {users}", device_text(device.id()))
        }
        Control::Revoke { device, .. } => format!("Thu hồi máy {}", device_text(*device)),
        Control::Erase { .. } => "Xóa nội dung theo yêu cầu".to_owned(),
        // each of the two officers makes one
        Control::Admit { .. } => "Đồng ý nhận một thay đổi đang giữ (cần hai cán bộ)".to_owned(),
        Control::Vocabulary { version } => format!("Dùng danh mục bản {version}"),
        Control::GroupLife { step, .. } => life_text(replica.vocabulary(), step),
        // the office's own; no phone is told of them
        Control::Officer { .. }
        | Control::Areas { .. }
        | Control::AreaEvents { .. }
        | Control::PeriodClosed(_) => String::new(),
    }
}

/// A step in the life of the group: its kind and state, with day and document.
fn life_text(vocabulary: &Vocabulary, step: &LifeStep) -> String {
    let kind = ModelKinds::builtin().kind(step.kind);
    let kind = kind.map_or_else(|| step.kind.to_string(), |kind| kind.vi.clone());
    let state = vocabulary
        .list(STATE_LIST)
        .and_then(|list| list.value(step.state));
    let state = state.map_or_else(|| step.state.to_string(), |state| state.vi.clone());
    let mut text = format!("Mô hình: {kind}, {state} từ {}", day_text(step.day));
    for words in [&step.body, &step.decision]
        .into_iter()
        .filter(|words| !words.is_empty())
    {
        text.push_str(", ");
        text.push_str(words);
    }
    text
}

fn device_text(device: KeyId) -> String {
    device.to_string().chars().take(DEVICE_DIGITS).collect()
}

/// Whether somebody wrote in the group just before an entry.
fn was_member_before(replica: &Replica, group: GroupId, member: u16, index: u64) -> bool {
    let before = replica.controls(group).filter(|(at, _)| *at < index);
    let mut says = before.filter_map(|(_, full)| match &full.act.said {
        Said::Control(Control::Member { number, .. }) if *number == member => Some(true),
        Said::Control(Control::MemberEnd { number, .. }) if *number == member => Some(false),
        Said::Control(_) | Said::Review(_) => None,
    });
    says.next().unwrap_or(false)
}
