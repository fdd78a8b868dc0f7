//! Closing periods, and what the log knows of closed ones.

use crate::act::{Control, Said};
use crate::calendar::local_day;
use crate::closing::{Closing, ClosingFault};
use crate::hub::Hub;
use crate::hub::append::Tx;
use crate::hub::desk::{Acting, Refusal};
use crate::hub::facts::{self, all, index_at_end};
use crate::hub::ledger::{Ledger, LedgerFault, Table, View};
use crate::ids::{AreaRef, Feed};

/// A closed period, with its place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// Index of its entry: what was created before it is in its table.
    pub index: u64,
    /// Server time at which it was closed.
    pub time_s: i64,
    /// What was closed.
    pub closing: Closing,
}

/// The closed periods of an area, in their order.
///
/// # Errors
/// The store's.
pub fn closed_periods(view: &impl View, area: AreaRef) -> Result<Vec<Closed>, LedgerFault> {
    let mut closed = Vec::new();
    for (key, _) in all(view, Table::Period, area.as_bytes())? {
        let index = index_at_end(Table::Period, &key)?;
        let full = facts::full_act(view, index)?.ok_or(LedgerFault::Damaged(Table::Period))?;
        if let Said::Control(Control::PeriodClosed(closing)) = full.act.said {
            closed.push(Closed {
                index,
                time_s: full.act.time_s,
                closing,
            });
        }
    }
    Ok(closed)
}

impl Hub {
    /// Closes a period with its figures, which the caller counted in this transaction.
    ///
    /// # Errors
    /// [`ClosingFault`].
    pub fn close_period(
        &self,
        ledger: &mut impl Ledger,
        acting: &Acting<'_>,
        closing: Closing,
    ) -> Result<(), Refusal> {
        let closed = closed_periods(ledger, closing.area)?;
        let last = closed.last().map(|closed| &closed.closing);
        if let Some(fault) = closing.fault(last, local_day(acting.now_s)) {
            return Err(fault.into());
        }
        let mut tx = Tx::begin(self, ledger, acting.now_s)?;
        let said = Said::Control(Control::PeriodClosed(closing));
        tx.sign(acting, Feed::Office, said, None)?;
        tx.finish()?;
        Ok(())
    }
}

impl From<ClosingFault> for Refusal {
    fn from(fault: ClosingFault) -> Self {
        Self::Closing(fault)
    }
}
