//! Groups as deployments of a model kind, and the steps in their life.

use sync_core::hub::LifeStep;
use sync_core::ids::GroupId;
use sync_core::vocabulary::{Act, RoleScope, Vocabulary};

use super::{AreaName, Officer};

/// A group with where it stands in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelRow {
    /// The group.
    pub group: GroupId,
    /// Its proper name: its own text, never a kind.
    pub name: String,
    /// Its area.
    pub area_name: AreaName,
    /// Its steps, oldest first; none while nobody entered one.
    pub steps: Vec<LifeStep>,
}

impl ModelRow {
    /// The newest step.
    #[must_use]
    pub fn now(&self) -> Option<&LifeStep> {
        self.steps.last()
    }
}

impl Officer {
    /// Whether the role takes groups through the steps of their life: who founds groups at the
    /// commune, and who keeps the catalogue at the province.
    #[must_use]
    pub fn steps_models(&self, vocabulary: &Vocabulary) -> bool {
        match self.scope(vocabulary) {
            RoleScope::Commune => vocabulary.may(self.role, Act::FoundGroups),
            RoleScope::Province => vocabulary.may(self.role, Act::KeepCatalogue),
            RoleScope::Group | RoleScope::None => false,
        }
    }
    /// Whether the role sees the groups and their life: everybody at the commune, and at the
    /// province those who count or keep the catalogue.
    #[must_use]
    pub fn sees_models(&self, vocabulary: &Vocabulary) -> bool {
        match self.scope(vocabulary) {
            RoleScope::Commune => true,
            RoleScope::Province => self.counts(vocabulary) || self.steps_models(vocabulary),
            RoleScope::Group | RoleScope::None => false,
        }
    }
}
