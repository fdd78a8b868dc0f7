//! Lists: the records of this phone, and what has not reached the log yet, with why.

use sync_core::change::{Act, FullChange, Secret};
use sync_core::ids::{GroupId, RecordId};
use sync_core::record::Record;
use sync_core::replica::{Replica, Standing};
use sync_core::text::{SearchQuery, index_text, search_query};
use sync_core::value::{AUTHOR_KEY, Value};
use sync_core::view::{FieldView, RecordView, day_text, value_text};
use sync_core::vocabulary::{Lane, ValueKind};

use super::form::area_name;
use super::page::{state_label, view, withdrawn};
use super::write::change_text;
use super::{Phone, group_id, record_id};
use crate::{PhoneError, words};

/// Rows of one page, when the filter says 0.
const ROWS_DEFAULT: usize = 50;
/// Characters of a headline.
const HEADLINE_CHARS_MAX: usize = 120;

/// Which records a list shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct ListFilter {
    /// Of this group, in hex.
    #[cfg_attr(feature = "uniffi", uniffi(default = None))]
    pub group: Option<String>,
    /// In the lane with this id.
    #[cfg_attr(feature = "uniffi", uniffi(default = None))]
    pub lane: Option<String>,
    /// Of the type with this id.
    #[cfg_attr(feature = "uniffi", uniffi(default = None))]
    pub type_id: Option<String>,
    /// With these words in the texts of an open-lane record: two or more.
    #[cfg_attr(feature = "uniffi", uniffi(default = None))]
    pub text: Option<String>,
    /// Only those whose officer waits for an answer.
    #[cfg_attr(feature = "uniffi", uniffi(default = false))]
    pub unanswered_only: bool,
    /// Most rows; 0 for the phone's own measure.
    #[cfg_attr(feature = "uniffi", uniffi(default = 0))]
    pub limit: u32,
    /// After this record: the last row of the page before.
    #[cfg_attr(feature = "uniffi", uniffi(default = None))]
    pub before: Option<String>,
}

/// A row of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Row {
    /// Name of the record, in hex.
    pub record: String,
    /// Id of its type.
    pub type_id: String,
    /// Label of its type.
    pub label: String,
    /// Id of its lane.
    pub lane: String,
    /// Its group, in hex.
    pub group: String,
    /// Its day, in words.
    pub day: Option<String>,
    /// A short line.
    pub headline: String,
    /// How it stands.
    pub badge: BadgeView,
}

/// Where a record is, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum Phase {
    /// Something of it is on this phone only.
    Queued,
    /// Something of it waits on the server for this phone to be confirmed.
    Waiting,
    /// All of it is on the server's disk.
    Received,
    /// All of it survives the loss of the server's disk.
    Safe,
    /// None of it was taken.
    Refused,
}

/// What stands beside a record.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct BadgeView {
    /// Where it is.
    pub phase: Phase,
    /// Why changes of it were set aside, in words.
    pub refused: Vec<String>,
    /// The state that an officer set, in words.
    pub state: Option<String>,
    /// Whether an officer waits for an answer.
    pub unanswered: bool,
    /// Whether people disagree about a field and nobody has chosen yet.
    pub rivals: bool,
    /// Why it was withdrawn, in words.
    pub withdrawn: Option<String>,
}

/// Why a change is not in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Enum))]
pub enum WaitingWhy {
    /// It is on this phone only.
    Queued,
    /// The server keeps it until an officer confirms this phone.
    NotConfirmed,
    /// It was refused.
    Refused,
    /// It is held until an officer decides.
    Held,
    /// Another copy of this phone took its place: it is said again by itself.
    Forked,
}

/// A change that is not in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct Waiting {
    /// Name of its record, in hex.
    pub record: String,
    /// The change, as a page names it.
    pub change: String,
    /// Label of the record's type, where it is known.
    pub label: String,
    /// Why.
    pub why: WaitingWhy,
    /// Why, in words.
    pub words: String,
    /// The phone's clock when it was written.
    pub since_s: i64,
    /// What it says, field by field: the only place where a refused creation can still be read.
    pub said: Vec<WaitingField>,
}

/// One value of a change that is not in the log yet.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct WaitingField {
    /// Label of the field.
    pub label: String,
    /// Words of the value.
    pub text: String,
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Phone {
    /// Records, newest first: those that the server has not placed yet, then in the log's order,
    /// which no clock can change.
    ///
    /// # Errors
    /// `NotEnrolled`, `SearchRefused`, or `RecordNotHere` when `before` has gone.
    pub fn list(&self, filter: ListFilter) -> Result<Vec<Row>, PhoneError> {
        let inner = self.lock();
        let replica = inner.replica()?;
        let chosen = Chosen::of(replica, &filter)?;
        let mut found: Vec<(Age, RecordId)> = replica
            .records()
            .map(|(id, _, record)| (age(replica, *id, record), *id))
            .collect();
        found.sort_unstable_by(|a, b| b.cmp(a));
        let after = match &filter.before {
            Some(hex) => {
                let id = record_id(hex)?;
                let (_, record) = replica.record(id).ok_or(PhoneError::RecordNotHere)?;
                Some(age(replica, id, record))
            }
            None => None,
        };
        let limit = match filter.limit {
            0 => ROWS_DEFAULT,
            limit => usize::try_from(limit).unwrap_or(ROWS_DEFAULT),
        };
        Ok(found
            .into_iter()
            .filter(|(age, _)| after.is_none_or(|after| *age < after))
            .filter_map(|(_, id)| chosen.row(replica, id))
            .take(limit)
            .collect())
    }

    /// Records of the open lane with these words in their texts, newest first.
    ///
    /// # Errors
    /// `NotEnrolled`, `SearchRefused` with the reason in words.
    pub fn search(&self, text: String, limit: u32) -> Result<Vec<Row>, PhoneError> {
        self.list(ListFilter {
            text: Some(text),
            limit,
            ..ListFilter::default()
        })
    }

    /// What has not reached the log, in the order in which it was written, with why. Empty when
    /// everything did.
    ///
    /// # Errors
    /// `NotEnrolled`.
    pub fn waiting(&self) -> Result<Vec<Waiting>, PhoneError> {
        let inner = self.lock();
        let replica = inner.replica()?;
        let mut all: Vec<Waiting> = replica
            .unsettled()
            .filter_map(|(full, standing)| {
                let (why, words) = why(standing)?;
                let record = full.change.record;
                Some(Waiting {
                    record: record.to_string(),
                    change: change_text(full.change.at),
                    label: type_label(replica, full).unwrap_or_default(),
                    why,
                    words: words.to_owned(),
                    since_s: full.change.clock_s,
                    said: said(replica, full),
                })
            })
            .collect();
        all.sort_by(|a, b| (a.since_s, &a.change).cmp(&(b.since_s, &b.change)));
        Ok(all)
    }
}

/// The type as the record says it; of a creation that was not taken, as the change does.
fn type_label(replica: &Replica, full: &FullChange) -> Option<String> {
    let number = match full.change.act {
        Act::Create { record_type, .. } => record_type,
        Act::Edit => replica.record(full.change.record)?.1.record_type(),
    };
    Some(replica.vocabulary().record_type(number)?.vi.clone())
}

fn said(replica: &Replica, full: &FullChange) -> Vec<WaitingField> {
    // of what left this phone only what proves it waits, for a server that was restored
    let left = replica.left(full.change.record).is_some();
    if left && matches!(full.parts.secret, Secret::Salts(_)) {
        return Vec::new();
    }
    let vocabulary = replica.vocabulary();
    full.change
        .slots
        .iter()
        .filter(|(key, _)| *key != AUTHOR_KEY)
        .filter_map(|(key, _)| Some((key.number, full.value(*key)?)))
        .map(|(number, value)| WaitingField {
            label: vocabulary
                .field(number)
                .map_or_else(|| number.to_string(), |row| row.vi.clone()),
            text: value_text(vocabulary, number, value, &|area| area_name(replica, area)),
        })
        .collect()
}

/// `None` for what has settled.
fn why(standing: Standing) -> Option<(WaitingWhy, &'static str)> {
    match standing {
        Standing::Queued => Some((WaitingWhy::Queued, "Chờ gửi: mới có trên máy này.")),
        Standing::Waiting => Some((
            WaitingWhy::NotConfirmed,
            "Máy chủ đã giữ, chờ cán bộ xác nhận máy này.",
        )),
        Standing::Aside(reason) if reason.is_held() => {
            Some((WaitingWhy::Held, words::aside(reason)))
        }
        Standing::Aside(reason) => Some((WaitingWhy::Refused, words::aside(reason))),
        Standing::Forked => Some((
            WaitingWhy::Forked,
            "Bản sao khác của máy này đã gửi trước. Máy sẽ tự ghi lại và gửi.",
        )),
        Standing::Received => None,
    }
}

/// Place in the log of the creation, then the phone's clock, then the name, so that no two are
/// equal.
type Age = (u64, i64, RecordId);

fn age(replica: &Replica, id: RecordId, record: &Record) -> Age {
    let creator = record.creator();
    let index = replica.placed(creator).map_or(u64::MAX, |(index, _)| index);
    let clock_s = record.change(creator).map_or(0, |full| full.change.clock_s);
    (index, clock_s, id)
}

/// A filter that was read.
struct Chosen {
    group: Option<GroupId>,
    lane: Option<Lane>,
    record_type: Option<u16>,
    query: Option<SearchQuery>,
    unanswered_only: bool,
}

impl Chosen {
    fn of(replica: &Replica, filter: &ListFilter) -> Result<Self, PhoneError> {
        let query = filter.text.as_deref().map(search_query).transpose();
        let lane = |id: &String| Lane::from_id(id).ok_or(PhoneError::ChooseType);
        let record_type = |id: &String| {
            let row = replica.vocabulary().record_type_by_id(id);
            row.map(|row| row.number).ok_or(PhoneError::ChooseType)
        };
        Ok(Self {
            group: filter.group.as_deref().map(group_id).transpose()?,
            lane: filter.lane.as_ref().map(lane).transpose()?,
            record_type: filter.type_id.as_ref().map(record_type).transpose()?,
            query: query.map_err(|refusal| PhoneError::SearchRefused {
                words: words::search_refusal(refusal).to_owned(),
            })?,
            unanswered_only: filter.unanswered_only,
        })
    }

    fn row(&self, replica: &Replica, id: RecordId) -> Option<Row> {
        let (logbook, record) = replica.record(id)?;
        let fits = self.group.is_none_or(|group| logbook.group == group)
            && self.lane.is_none_or(|lane| logbook.lane == lane)
            && self
                .record_type
                .is_none_or(|number| record.record_type() == number);
        if !fits || (self.unanswered_only && !replica.badge(id).unanswered) {
            return None;
        }
        let view = view(replica, id)?;
        if let Some(query) = &self.query
            && !(view.lane == Lane::Open && query.finds(&index_text(&texts(&view))))
        {
            return None;
        }
        Some(Row {
            record: id.to_string(),
            type_id: view.type_id.clone(),
            label: view.type_label.clone(),
            lane: view.lane.id().to_owned(),
            group: logbook.group.to_string(),
            day: view.day.map(day_text),
            headline: headline(replica, &view),
            badge: badge(replica, &view),
        })
    }
}

/// What people typed, rivals too: one of them may be what somebody looks for. Each text ends with
/// a stop, so that no phrase reaches from one into the next.
fn texts(view: &RecordView) -> String {
    let mut all = String::new();
    for field in &view.fields {
        for told in std::iter::once(&field.value).chain(&field.rivals) {
            if let Some(Value::Text(text)) = &told.value {
                all.push_str(text);
                all.push_str(" ; ");
            }
        }
    }
    all
}

/// The first words of a record; of a closed lane, or without words, its first choices.
fn headline(replica: &Replica, view: &RecordView) -> String {
    let text = |field: &&FieldView| matches!(&field.value.value, Some(Value::Text(text)) if !text.trim().is_empty());
    let summary = view.field("summary").filter(|field| text(field));
    let said = summary.or_else(|| view.fields.iter().find(text));
    let line = match said {
        Some(field) => field.value.text.clone(),
        None => choices(replica, view),
    };
    let line = line.lines().next().unwrap_or_default();
    line.chars().take(HEADLINE_CHARS_MAX).collect()
}

fn choices(replica: &Replica, view: &RecordView) -> String {
    let own_choice = |field: &&FieldView| {
        let row = replica.vocabulary().field(field.key.number);
        row.is_some_and(|row| {
            row.record_type.is_some()
                && matches!(
                    row.kind,
                    ValueKind::Choice { .. } | ValueKind::Choices { .. }
                )
        })
    };
    let words = view.fields.iter().filter(own_choice).take(2);
    let words: Vec<String> = words.map(|field| field.value.text.clone()).collect();
    words.join("; ")
}

/// What stands beside a record.
pub(super) fn badge(replica: &Replica, view: &RecordView) -> BadgeView {
    let badge = replica.badge(view.id);
    let phase = if badge.queued > 0 {
        Phase::Queued
    } else if badge.waiting > 0 {
        Phase::Waiting
    } else if badge.received == 0 && !badge.refused.is_empty() {
        Phase::Refused
    } else if badge.safe {
        Phase::Safe
    } else {
        Phase::Received
    };
    let vocabulary = replica.vocabulary();
    BadgeView {
        phase,
        refused: badge
            .refused
            .iter()
            .map(|(_, reason)| words::aside(*reason).to_owned())
            .collect(),
        state: badge.state.map(|number| state_label(vocabulary, number)),
        unanswered: badge.unanswered,
        rivals: view.has_rivals(),
        withdrawn: withdrawn(vocabulary, view),
    }
}
