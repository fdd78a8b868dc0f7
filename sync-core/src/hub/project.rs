//! The console's row of a record, computed from the log.

use crate::calendar::local_day;
use crate::hub::append::Tx;
use crate::hub::facts::{self, Entry};
use crate::hub::ledger::{Ledger, LedgerFault, Row};
use crate::hub::places::area_at;
use crate::ids::{AreaRef, RecordId};
use crate::log::EntryKind;
use crate::text::index_text;
use crate::value::Value;
use crate::view::RecordView;
use crate::vocabulary::Lane;

/// Longest headline of a row, in characters.
const HEADLINE_CHARS_MAX: usize = 120;

impl<L: Ledger> Tx<'_, '_, L> {
    /// Computes and keeps the row of a record.
    pub(super) fn project(&mut self, id: RecordId) -> Result<(), LedgerFault> {
        let Some((logbook, record)) = facts::record(self.ledger, id)? else {
            return Ok(());
        };
        let entries = facts::record_entries(self.ledger, id)?;
        let (Some(first), Some(newest)) = (entries.first(), entries.last()) else {
            return Ok(());
        };
        let view = RecordView::of(&record, &self.hub.vocabulary, logbook.lane);
        let group = facts::group(self.ledger, logbook.group)?;
        let (state, unanswered) = self.reviewed(&entries)?;
        let received_at = first.leaf.admitted_at;
        let (words, headline) = if logbook.lane == Lane::Open {
            texts(&view)
        } else {
            (String::new(), String::new())
        };
        // where the group was: it may have moved with its area since
        let home = area_at(self.ledger, logbook.group, first.index)?;
        let home = home.or_else(|| group.as_ref().map(|group| group.area));
        let row = Row {
            record: id,
            group: logbook.group,
            lane: logbook.lane,
            record_type: view.record_type,
            area: view.area.or(home).unwrap_or_default(),
            commune: group.map_or(AreaRef::default(), |group| group.commune),
            device: view.creator_device,
            member: view.author.and_then(|member| u16::try_from(member).ok()),
            day: view.day.unwrap_or_else(|| local_day(received_at)),
            state,
            withdrawn: view.withdrawn.is_some(),
            rivals: view.has_rivals(),
            unanswered,
            first: first.index,
            newest: newest.index,
            received_at,
            words,
            headline,
        };
        self.ledger.project(&row)
    }

    /// State by the newest review that sets one, and whether the group has yet to answer.
    fn reviewed(&self, entries: &[Entry]) -> Result<(u16, bool), LedgerFault> {
        let vocabulary = &self.hub.vocabulary;
        let received = vocabulary.state_by_id("received");
        let mut state = received.map_or(0, |state| state.number);
        let returned = vocabulary.state_by_id("returned").map(|s| s.number);
        let mut unanswered = false;
        for entry in entries {
            if entry.leaf.kind == EntryKind::Change {
                unanswered = false;
                continue;
            }
            let Some(full) = facts::full_act(self.ledger, entry.index)? else {
                continue;
            };
            if let Some(review) = full.review() {
                if let Some(set) = review.state {
                    state = set;
                }
                // a state that asks for nothing settles what was asked before
                unanswered = review.state.is_none() || review.state == returned;
            }
        }
        Ok((state, unanswered))
    }
}

/// Words for the index and the line for lists: all texts that can be read, rivals among them.
fn texts(view: &RecordView) -> (String, String) {
    let (mut words, mut headline) = (String::new(), String::new());
    for field in &view.fields {
        for told in core::iter::once(&field.value).chain(&field.rivals) {
            let Some(Value::Text(text)) = &told.value else {
                continue;
            };
            if headline.is_empty() {
                let line = text.lines().next().unwrap_or_default();
                headline = line.chars().take(HEADLINE_CHARS_MAX).collect();
            }
            words.push_str(&index_text(text));
            words.push('\n');
        }
    }
    (words, headline)
}
