//! The page of one record, and what an officer says about it.

use std::collections::BTreeMap;

use sync_core::act::{ACCOUNT_PART, TEXT_PART};
use sync_core::change::ChangeRef;
use sync_core::hub::facts::{self, Entry, LogState};
use sync_core::hub::ledger::{LedgerFault, Row};
use sync_core::hub::{Refusal, ReviewInput as Said};
use sync_core::ids::RecordId;
use sync_core::log::EntryKind;
use sync_core::record::Record;
use sync_core::value::{FieldKey, Value};
use sync_core::view::{FieldView, RecordView, Told};
use sync_core::vocabulary::Vocabulary;

use super::devices::member_names;
use super::{AreaNames, OfficeDesk};
use crate::http::console::desk::{
    Author, DeskError, FieldRow, HistoryRow, MissingField, Officer, PhoneClock, RecordPage,
    RemarkRow, ReviewInput, SaidRow, ValueText,
};
use crate::store::Snapshot;

/// Seconds by which a phone's clock may go wrong without a word: clocks drift, and a visit takes
/// its time on a slow line.
const CLOCK_SLACK_S: i64 = 10 * 60;

/// What the page of a record is made of.
pub(super) struct Page<'a> {
    pub(super) vocabulary: &'a Vocabulary,
    pub(super) names: BTreeMap<u16, String>,
    /// Index and server time of each change.
    pub(super) placed: BTreeMap<ChangeRef, (u64, i64)>,
    /// Entries below this index stand where they stood when any phone first saw them.
    pub(super) unmoved: u64,
}

/// Below which index no entry ever stood elsewhere. What came back after a restore keeps the leaf
/// of before at a place of its own, so only what the first restore left in place is sure; of a log
/// that was restored more often nothing is.
pub(super) fn unmoved_below(state: &LogState) -> u64 {
    match state.generation {
        0 | 1 => state.size,
        2 => state.generation_start,
        _ => 0,
    }
}

impl OfficeDesk {
    pub(super) fn record_page(
        &self,
        officer: &Officer,
        id: RecordId,
    ) -> Result<Option<RecordPage>, DeskError> {
        let scope = self.scope(officer)?;
        self.audit(officer, "record", Some(id.as_bytes()), "")?;
        let vocabulary = self.vocabulary();
        self.read(|snapshot| {
            let Some(row) = snapshot.row(&scope, id)? else {
                return Ok(None);
            };
            let Some((_, record)) = facts::record(snapshot, id)? else {
                return Ok(None);
            };
            let entries = facts::record_entries(snapshot, id)?;
            let page = Page {
                vocabulary,
                names: member_names(snapshot, row.group)?,
                placed: entries
                    .iter()
                    .map(|entry| (entry.leaf.at, (entry.index, entry.leaf.admitted_at)))
                    .collect(),
                unmoved: unmoved_below(&facts::log_state(snapshot)?),
            };
            page.of(snapshot, &row, &record, &entries).map(Some)
        })
    }

    pub(super) fn enter_review(
        &self,
        officer: &Officer,
        input: &ReviewInput,
    ) -> Result<(), DeskError> {
        let scope = self.scope(officer)?;
        let vocabulary = self.vocabulary().clone();
        let (asking, input) = (officer.clone(), input.clone());
        // The refusals of the console travel as values: the store must not take them for faults.
        let done = self.office.act_as(
            officer.account,
            &officer.name,
            move |hub, ledger, acting| {
                let Some(row) = ledger.snapshot().row(&scope, input.record)? else {
                    return Ok(Err(DeskError::NotFound));
                };
                if !vocabulary.may_review(asking.role, row.lane) {
                    return Ok(Err(DeskError::NotAllowed));
                }
                let decides = asking.decides(&vocabulary, row.lane);
                if input.state.is_some() && !decides {
                    return Ok(Err(DeskError::NotAllowed));
                }
                if input.state.is_some() && row.withdrawn {
                    return Ok(Err(DeskError::Invalid));
                }
                let (_, record) = facts::record(ledger, input.record)?.ok_or(Refusal::NoRecord)?;
                if heads_of(&record) != input.seen_heads {
                    return Ok(Err(DeskError::Stale));
                }
                let said = Said {
                    record: input.record,
                    heads: input.seen_heads,
                    field: input.field,
                    state: input.state,
                    reason: input.reason,
                    words: input.text,
                };
                hub.review(ledger, acting, said)?;
                Ok(Ok(()))
            },
        );
        done?
    }
}

/// Size of the newest log head that the author of a change had seen.
fn seen_at(record: &Record, by: ChangeRef) -> u64 {
    record.change(by).map_or(0, |full| full.change.seen)
}

/// Heads as they stand on the page: ascending.
fn heads_of(record: &Record) -> Vec<ChangeRef> {
    let mut heads = record.heads();
    heads.sort_unstable();
    heads
}

impl Page<'_> {
    fn of(
        &self,
        snapshot: &Snapshot<'_>,
        row: &Row,
        record: &Record,
        entries: &[Entry],
    ) -> Result<RecordPage, LedgerFault> {
        let mut names = AreaNames::new(snapshot);
        let area_name = names.of(row.area)?;
        let commune_name = names.of(row.commune)?;
        let view = RecordView::of(record, self.vocabulary, row.lane);
        let group = facts::group(snapshot, row.group)?;
        let missing = view.missing.iter().map(|number| MissingField {
            key: FieldKey::plain(*number),
            label: self.label(*number),
        });
        Ok(RecordPage {
            record: row.record,
            record_type: row.record_type,
            lane: row.lane,
            group_name: group.map_or_else(|| row.group.to_string(), |group| group.name),
            area_name,
            commune_name,
            author: Author {
                member: row.member,
                name: row
                    .member
                    .and_then(|number| self.names.get(&number).cloned()),
                device: row.device,
            },
            clock: self.clock(
                snapshot,
                view.creator,
                view.clock_s,
                seen_at(record, view.creator),
            )?,
            day: row.day,
            received_at_s: row.received_at,
            state: row.state,
            withdrawn: view.withdrawn,
            heads: heads_of(record),
            missing: missing.collect(),
            remarks: self.remarks(snapshot, entries, &view)?,
            fields: view
                .fields
                .iter()
                .map(|field| self.field(&mut names, field))
                .collect::<Result<_, _>>()?,
        })
    }

    fn label(&self, number: u16) -> String {
        let known = self.vocabulary.field(number);
        known.map_or_else(|| number.to_string(), |field| field.vi.clone())
    }

    fn field(
        &self,
        names: &mut AreaNames<'_, '_>,
        field: &FieldView,
    ) -> Result<FieldRow, LedgerFault> {
        let mut history = Vec::new();
        for told in &field.history {
            history.push(HistoryRow {
                said: self.said(names, field, told)?,
                by: told.by,
                built_on: told.heads.clone(),
                not_before: told.seen,
                admitted_at: self.placed.get(&told.by).map_or(0, |(index, _)| *index),
            });
        }
        let mut rivals = Vec::new();
        for told in &field.rivals {
            rivals.push(self.said(names, field, told)?);
        }
        Ok(FieldRow {
            key: field.key,
            label: field.label.clone(),
            said: self.said(names, field, &field.value)?,
            rivals,
            history,
        })
    }

    fn said(
        &self,
        names: &mut AreaNames<'_, '_>,
        field: &FieldView,
        told: &Told,
    ) -> Result<SaidRow, LedgerFault> {
        let member = told.member.and_then(|member| u16::try_from(member).ok());
        Ok(SaidRow {
            value: self.value(names, field, told)?,
            author: Author {
                member,
                name: member.and_then(|number| self.names.get(&number).cloned()),
                device: told.device,
            },
            clock: self.clock(names.snapshot, told.by, told.clock_s, told.seen)?,
            received_at_s: self.received_at(told.by),
        })
    }

    pub(super) fn value(
        &self,
        names: &mut AreaNames<'_, '_>,
        field: &FieldView,
        told: &Told,
    ) -> Result<Option<ValueText>, LedgerFault> {
        let unit = self.vocabulary.field(field.key.number);
        let unit = unit
            .filter(|_| field.known)
            .and_then(|row| row.unit.clone());
        Ok(match (&told.value, unit) {
            (None, _) => None,
            (Some(Value::Area(area)), _) => Some(ValueText::Area(names.of(*area)?)),
            (Some(Value::Number(_)), Some(unit)) => Some(ValueText::Counted {
                number: told.text.clone(),
                unit,
            }),
            (Some(_), _) => Some(ValueText::Words(told.text.clone())),
        })
    }

    fn received_at(&self, by: ChangeRef) -> i64 {
        self.placed.get(&by).map_or(0, |(_, at_s)| *at_s)
    }

    /// A phone's clock, held against what is known: a change was written before it was received,
    /// and after the newest entry that its phone had seen.
    pub(super) fn clock(
        &self,
        snapshot: &Snapshot<'_>,
        by: ChangeRef,
        clock_s: i64,
        seen: u64,
    ) -> Result<PhoneClock, LedgerFault> {
        let newest = match seen.checked_sub(1).filter(|index| *index < self.unmoved) {
            Some(index) => facts::entry(snapshot, index)?,
            None => None,
        };
        let not_before_s = newest.map_or(i64::MIN, |entry| entry.leaf.admitted_at);
        let received_s = self.received_at(by);
        Ok(PhoneClock {
            s: clock_s,
            is_off: clock_s < not_before_s.saturating_sub(CLOCK_SLACK_S)
                || clock_s > received_s.saturating_add(CLOCK_SLACK_S),
        })
    }

    fn remarks(
        &self,
        snapshot: &Snapshot<'_>,
        entries: &[Entry],
        view: &RecordView,
    ) -> Result<Vec<RemarkRow>, LedgerFault> {
        let last_change = entries
            .iter()
            .filter(|entry| entry.leaf.kind == EntryKind::Change)
            .map(|entry| entry.index)
            .max();
        let mut remarks = Vec::new();
        for entry in entries {
            if entry.leaf.kind != EntryKind::Review {
                continue;
            }
            let Some(full) = facts::full_act(snapshot, entry.index)? else {
                continue;
            };
            let Some(review) = full.review() else {
                continue;
            };
            let account = full.words(ACCOUNT_PART).map(str::to_owned);
            let label_of = |key: FieldKey| {
                let shown = view.fields.iter().find(|field| field.key == key);
                shown.map_or_else(|| self.label(key.number), |field| field.label.clone())
            };
            remarks.push(RemarkRow {
                time_s: full.act.time_s,
                account: account.unwrap_or_else(|| full.act.account.to_string()),
                state: review.state,
                reason: review.reason,
                field_label: review.field.map(label_of),
                text: full.words(TEXT_PART).map(str::to_owned),
                answered: last_change.is_some_and(|last| last > entry.index),
            });
        }
        Ok(remarks)
    }
}

#[cfg(test)]
mod tests {
    use sync_core::ids::Hash32;

    use super::*;

    #[test]
    fn only_what_no_restore_moved_is_held_against_a_clock() {
        let of = |generation, generation_start| LogState {
            generation,
            generation_start,
            size: 90,
            safe_size: 0,
            root: Hash32::default(),
            vocabulary: 1,
        };
        assert_eq!(unmoved_below(&of(1, 0)), 90);
        assert_eq!(unmoved_below(&of(2, 40)), 40);
        assert_eq!(unmoved_below(&of(2, 0)), 0, "two histories were mixed");
        assert_eq!(unmoved_below(&of(3, 70)), 0);
    }
}
