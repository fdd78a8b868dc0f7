//! The page of one record, and what an officer says about it.

use std::collections::BTreeMap;

use sync_core::act::{ACCOUNT_PART, TEXT_PART};
use sync_core::change::ChangeRef;
use sync_core::hub::facts::{self, Entry};
use sync_core::hub::ledger::{LedgerFault, Row};
use sync_core::hub::{Refusal, ReviewInput as Said};
use sync_core::ids::RecordId;
use sync_core::log::EntryKind;
use sync_core::record::Record;
use sync_core::value::FieldKey;
use sync_core::view::{FieldView, RecordView, Told};
use sync_core::vocabulary::Vocabulary;

use super::devices::member_names;
use super::{AreaNames, OfficeDesk};
use crate::http::console::desk::{
    Author, DeskError, FieldRow, HistoryRow, MissingField, Officer, RecordPage, RemarkRow,
    ReviewInput, SaidRow,
};
use crate::store::Snapshot;

/// What the page of a record is made of.
struct Page<'a> {
    vocabulary: &'a Vocabulary,
    names: BTreeMap<u16, String>,
    /// Index and server time of each change.
    placed: BTreeMap<ChangeRef, (u64, i64)>,
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
        let name_of = |area| {
            let row = snapshot.area(area).ok().flatten()?;
            Some(format!("{} {}", row.kind.word(), row.name))
        };
        let view = RecordView::of_with(record, self.vocabulary, row.lane, &name_of);
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
            day: row.day,
            received_at_s: row.received_at,
            state: row.state,
            withdrawn: view.withdrawn,
            heads: heads_of(record),
            missing: missing.collect(),
            remarks: self.remarks(snapshot, entries, &view)?,
            fields: view.fields.iter().map(|field| self.field(field)).collect(),
        })
    }

    fn label(&self, number: u16) -> String {
        let known = self.vocabulary.field(number);
        known.map_or_else(|| number.to_string(), |field| field.vi.clone())
    }

    fn field(&self, field: &FieldView) -> FieldRow {
        let history = field.history.iter().map(|told| HistoryRow {
            said: self.said(told),
            by: told.by,
            built_on: told.heads.clone(),
            not_before: told.seen,
            admitted_at: self.placed.get(&told.by).map_or(0, |(index, _)| *index),
        });
        FieldRow {
            key: field.key,
            label: field.label.clone(),
            said: self.said(&field.value),
            rivals: field.rivals.iter().map(|told| self.said(told)).collect(),
            history: history.collect(),
        }
    }

    fn said(&self, told: &Told) -> SaidRow {
        let member = told.member.and_then(|member| u16::try_from(member).ok());
        SaidRow {
            text: told.value.is_some().then(|| told.text.clone()),
            author: Author {
                member,
                name: member.and_then(|number| self.names.get(&number).cloned()),
                device: told.device,
            },
            clock_s: told.clock_s,
            received_at_s: self.placed.get(&told.by).map_or(0, |(_, at_s)| *at_s),
        }
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
