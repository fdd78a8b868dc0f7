//! The life of groups: proposed, tried, recognised, paused, ended; each step an entry with day,
//! body and document.

use thiserror::Error;

use crate::act::{Control, Said, read_words};
use crate::bytes::{Malformed, Reader, Writer};
use crate::calendar::{iso_text, local_day};
use crate::hub::Hub;
use crate::hub::append::Tx;
use crate::hub::desk::{Acting, Refusal};
use crate::hub::facts::{self, all, index_at_end};
use crate::hub::ledger::{Ledger, LedgerFault, Table, View};
use crate::ids::{Feed, GroupId};
use crate::limits::NAME_BYTES_MAX;
use crate::text::display_text_fault;
use crate::vocabulary::{ModelKinds, STATE_LIST, may_follow};

/// A step in the life of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LifeStep {
    /// Its kind from then on: a number of the catalogue.
    pub kind: u16,
    /// Its state from then on: a number of the vocabulary's list.
    pub state: u16,
    /// First day, in days since 1970.
    pub day: i32,
    /// The body that decided; empty when nobody said.
    pub body: String,
    /// Number of the document; empty when there is none.
    pub decision: String,
}

impl LifeStep {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.u16(self.kind).u16(self.state).zigzag(self.day.into());
        w.block(self.body.as_bytes())
            .block(self.decision.as_bytes());
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        Ok(Self {
            kind: r.u16()?,
            state: r.u16()?,
            day: i32::try_from(r.zigzag()?).map_err(|_far| Malformed::Range)?,
            body: read_words(r)?,
            decision: read_words(r)?,
        })
    }
}

/// Why a step was not taken. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LifeFault {
    /// The catalogue has no such kind.
    #[error("the catalogue has no kind {0}")]
    Kind(u16),
    /// The list has no such state.
    #[error("there is no state {0}")]
    State(u16),
    /// The state does not follow the one before.
    #[error("this state does not follow the one that the group is in")]
    Follows,
    /// The day is still to come, or before the last step.
    #[error("{} is still to come, or before the last step", iso_text(*.0))]
    Day(i32),
    /// Body or document cannot be shown, or are too long.
    #[error("body or number of the document cannot be shown or are too long: type them anew")]
    Words,
}

impl From<LifeFault> for Refusal {
    fn from(fault: LifeFault) -> Self {
        Self::Life(fault)
    }
}

/// The steps in the life of a group, oldest first.
///
/// # Errors
/// The store's.
pub fn life_of(view: &impl View, group: GroupId) -> Result<Vec<LifeStep>, LedgerFault> {
    let mut steps = Vec::new();
    for (key, _) in all(view, Table::GroupLife, group.as_bytes())? {
        let index = index_at_end(Table::GroupLife, &key)?;
        let full = facts::full_act(view, index)?.ok_or(LedgerFault::Damaged(Table::GroupLife))?;
        if let Said::Control(Control::GroupLife { step, .. }) = full.act.said {
            steps.push(step);
        }
    }
    Ok(steps)
}

impl Hub {
    /// Takes a step in the life of a group.
    ///
    /// # Errors
    /// No such group; [`LifeFault`].
    pub fn step_life(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        group: GroupId,
        step: LifeStep,
    ) -> Result<(), Refusal> {
        facts::group(ledger, group)?.ok_or(Refusal::NoGroup)?;
        let last = life_of(ledger, group)?.pop();
        let states = self.vocabulary.list(STATE_LIST);
        let id = |number: u16| {
            states
                .and_then(|list| list.value(number))
                .map(|v| v.id.as_str())
        };
        ModelKinds::builtin()
            .kind(step.kind)
            .ok_or(LifeFault::Kind(step.kind))?;
        let to = id(step.state).ok_or(LifeFault::State(step.state))?;
        let from = last.as_ref().and_then(|last| id(last.state));
        // a kind that was wrong is put right without a new state
        let corrects = last
            .as_ref()
            .is_some_and(|l| l.state == step.state && l.kind != step.kind);
        if !corrects && !may_follow(from, to) {
            return Err(LifeFault::Follows.into());
        }
        let too_early = last.is_some_and(|last| step.day < last.day);
        if too_early || step.day > local_day(acting.now_s) {
            return Err(LifeFault::Day(step.day).into());
        }
        let unfit = |words: &String| {
            words.len() > NAME_BYTES_MAX
                || words.contains('\n')
                || display_text_fault(words).is_some()
        };
        if [&step.body, &step.decision].into_iter().any(unfit) {
            return Err(LifeFault::Words.into());
        }
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        let said = Said::Control(Control::GroupLife { group, step });
        tx.sign(acting, Feed::Group(group), said, None)?;
        tx.finish()?;
        Ok(())
    }
}
