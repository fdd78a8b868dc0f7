//! Groups and the steps in their life.

use sync_core::hub::facts::{self, Group};
use sync_core::hub::ledger::LedgerFault;
use sync_core::hub::{LifeStep, Refusal, life_of};
use sync_core::ids::GroupId;

use super::{AreaNames, OfficeDesk, group_in, lies_in};
use crate::http::console::desk::{DeskError, ModelRow, Officer};
use crate::store::Snapshot;

impl OfficeDesk {
    pub(super) fn model_rows(&self, officer: &Officer) -> Result<Vec<ModelRow>, DeskError> {
        let scope = self.model_scope(officer)?;
        self.audit(officer, "models", None, "")?;
        self.read(|snapshot| {
            let mut names = AreaNames::new(snapshot);
            let mut rows = Vec::new();
            for (group, row) in facts::groups(snapshot, &[])? {
                if lies_in(scope, group, &row) {
                    rows.push(model_row(snapshot, &mut names, group, row)?);
                }
            }
            rows.sort_by(|a, b| a.name.cmp(&b.name));
            Ok(rows)
        })
    }

    pub(super) fn model_row(
        &self,
        officer: &Officer,
        group: GroupId,
    ) -> Result<Option<ModelRow>, DeskError> {
        let scope = self.model_scope(officer)?;
        self.audit(officer, "models", Some(group.as_bytes()), "")?;
        self.read(|snapshot| {
            let Some(row) = group_in(snapshot, scope, group)? else {
                return Ok(None);
            };
            let mut names = AreaNames::new(snapshot);
            model_row(snapshot, &mut names, group, row).map(Some)
        })
    }

    pub(super) fn enter_step(
        &self,
        officer: &Officer,
        group: GroupId,
        step: LifeStep,
        seen: usize,
    ) -> Result<(), DeskError> {
        let scope = self.model_scope(officer)?;
        if !officer.steps_models(self.vocabulary()) {
            return Err(DeskError::NotAllowed);
        }
        self.audit(officer, "step model", Some(group.as_bytes()), "")?;
        self.office.act_as(
            officer.account,
            &officer.name,
            move |hub, ledger, acting| {
                group_in(ledger, scope, group)?.ok_or(Refusal::NoGroup)?;
                if life_of(ledger, group)?.len() != seen {
                    return Ok(Err(DeskError::Stale));
                }
                hub.step_life(ledger, acting, group, step)?;
                Ok(Ok(()))
            },
        )?
    }

    fn model_scope(&self, officer: &Officer) -> Result<crate::store::ScopeArea, DeskError> {
        if !officer.sees_models(self.vocabulary()) {
            return Err(DeskError::NotAllowed);
        }
        Ok(self.scope(officer)?.area)
    }
}

fn model_row(
    snapshot: &Snapshot<'_>,
    names: &mut AreaNames<'_, '_>,
    group: GroupId,
    row: Group,
) -> Result<ModelRow, LedgerFault> {
    Ok(ModelRow {
        group,
        area_name: names.of(row.area)?,
        name: row.name,
        steps: life_of(snapshot, group)?,
    })
}
