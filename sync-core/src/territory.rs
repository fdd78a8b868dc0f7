//! Areas through time: what became of each, and what it was part of on any day.
//!
//! ```text
//! areas as first known -> Territory::new
//! events, day by day   -> apply -> refused, or part of the graph
//! (area, from, to)     -> resolve -> one area, several, or none with the reason
//! (area, level, days)  -> unit_at -> the same, of the commune or province that it lies in
//! ```
//!
//! An area keeps its id through a new name, code or parent. Merge and split lead from one id to
//! others. Nothing is guessed: where a split leaves several answers, all of them come back, and a
//! count by units shows such records apart until a hamlet or a person says more.
//!
//! There are no cycles. An event is taken only when its area and its targets stand on its day, and
//! an area that ended never stands again, so what leads on from an area leads forward in time.

mod event;

use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

pub use event::{AreaChange, AreaEvent};

use crate::calendar::{iso_text, read_iso};
use crate::ids::AreaRef;
use crate::limits::AREA_TARGETS_MAX;
use crate::vocabulary::{Area, AreaKind, AreaLevel};

/// What an area is from some day on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// First day, in days since 1970.
    pub from: i32,
    /// The bare name, without the kind.
    pub name: String,
    /// What it is.
    pub kind: AreaKind,
    /// Official code, if it has one.
    pub code: Option<String>,
    /// The area it lies in; a province has none.
    pub parent: Option<AreaRef>,
}

/// A day, and which of that day's events: one follows on the other in the order in which they came.
type When = (i32, usize);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Node {
    begins: i32,
    /// First day on which it no longer is.
    ends: Option<i32>,
    /// In the order of their days; the first begins with the area.
    versions: Vec<Version>,
    /// When and to what it led on, in that order.
    onward: Vec<(When, Vec<AreaRef>)>,
    /// When and from what something led here.
    sources: Vec<(When, AreaRef)>,
    /// Day of its newest event.
    newest: i32,
}

impl Node {
    fn level(&self) -> AreaLevel {
        // a kind changes with a name, never the level
        self.versions
            .first()
            .map_or(AreaLevel::Hamlet, |version| version.kind.level())
    }
    fn stands_on(&self, day: i32) -> bool {
        self.begins <= day && self.ends.is_none_or(|ends| day < ends)
    }
    /// The day itself, or the nearest on which the area stood.
    fn nearest(&self, day: i32) -> i32 {
        let last = self.ends.map_or(i32::MAX, |ends| ends.saturating_sub(1));
        day.min(last).max(self.begins)
    }
    fn version_on(&self, day: i32) -> Option<&Version> {
        let before = self.versions.iter().rev().find(|v| v.from <= day);
        before.or_else(|| self.versions.first())
    }
}

/// Why no area can be named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nowhere {
    /// Nothing is known of this area.
    Unknown(AreaRef),
    /// It ended, and nothing says what became of it.
    Ended(AreaRef),
    /// It was not yet, and nothing says what it was made of.
    NotYet(AreaRef),
    /// It lies in nothing of the level that was asked for.
    TooWide(AreaRef),
}

/// What an area is on another day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolved {
    /// This one.
    Unit(AreaRef),
    /// One of these, ascending: a split, or a merger looked at from after it. Only the hamlet or a
    /// person can say which.
    Several(Vec<AreaRef>),
    /// None.
    Nowhere(Nowhere),
}

/// Why an event was not taken. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EventRefusal {
    /// Nothing is known of an area that it names.
    #[error("nothing is known of area {0}: import it first")]
    Unknown(AreaRef),
    /// An area that it names does not stand on its day.
    #[error("area {0} is not there on {1}: it had ended, or not begun")]
    NotThere(AreaRef, String),
    /// The area has an event of a later day.
    #[error("area {0} has an event of {1} already: events are taken in the order of their days")]
    OutOfOrder(AreaRef, String),
    /// The target stands on another level.
    #[error("area {0} is of another level")]
    Level(AreaRef),
    /// An area cannot merge into itself, nor a split have fewer than two targets, too many, or one
    /// twice.
    #[error(
        "the targets are not sound: name other areas, each once, and two to {AREA_TARGETS_MAX} for a split"
    )]
    Targets,
    /// The area was merged or split on this day already.
    #[error("area {0} was merged or split on that day already: say it in one event")]
    Twice(AreaRef),
    /// What it says was before was not.
    #[error("what was before is not as the event says")]
    NotAsSaid,
    /// It says the same for before and after.
    #[error("nothing would change")]
    Nothing,
}

/// All areas with all that happened to them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Territory {
    nodes: BTreeMap<AreaRef, Node>,
    /// Mergers and splits so far.
    links_count: usize,
}

impl Territory {
    /// Areas as they were first known. What ended them is no part of it: events say that. A day
    /// that cannot be read counts as the oldest.
    #[must_use]
    pub fn new<'a>(areas: impl IntoIterator<Item = &'a Area>) -> Self {
        let mut territory = Self::default();
        for area in areas {
            let begins = read_iso(&area.valid_from).unwrap_or(i32::MIN);
            let first = Version {
                from: begins,
                name: area.name.clone(),
                kind: area.kind,
                code: area.code.clone(),
                parent: area.parent.map(|parent| AreaRef(*parent.bytes())),
            };
            let node = Node {
                begins,
                ends: None,
                versions: vec![first],
                onward: Vec::new(),
                sources: Vec::new(),
                newest: begins,
            };
            territory.nodes.insert(AreaRef(*area.id.bytes()), node);
        }
        territory
    }

    /// Says that an area ends on a day without saying what became of it. One that ended already
    /// stays as it is.
    pub fn end(&mut self, area: AreaRef, day: i32) {
        if let Some(node) = self.nodes.get_mut(&area)
            && node.ends.is_none()
        {
            node.ends = Some(day);
        }
    }

    /// Takes an event.
    ///
    /// # Errors
    /// [`EventRefusal`]; then nothing was changed.
    pub fn apply(&mut self, event: &AreaEvent) -> Result<(), EventRefusal> {
        let (day, area) = (event.day, event.area);
        let node = self.nodes.get(&area).ok_or(EventRefusal::Unknown(area))?;
        if node.begins >= day || !node.stands_on(day) {
            return Err(EventRefusal::NotThere(area, iso_text(day)));
        }
        if node.newest > day {
            return Err(EventRefusal::OutOfOrder(area, iso_text(node.newest)));
        }
        let level = node.level();
        let now = node.version_on(day).ok_or(EventRefusal::NotAsSaid)?.clone();
        let mut next = Version {
            from: day,
            ..now.clone()
        };
        match &event.change {
            AreaChange::Merge { into } => {
                if *into == area {
                    return Err(EventRefusal::Targets);
                }
                self.check_first(area, day)?;
                self.check_target(*into, level, day)?;
                self.lead_on(area, day, vec![*into]);
                return Ok(());
            }
            AreaChange::Split { into } => {
                let distinct: BTreeSet<AreaRef> = into.iter().copied().collect();
                if distinct.len() != into.len() || !(2..=AREA_TARGETS_MAX).contains(&into.len()) {
                    return Err(EventRefusal::Targets);
                }
                self.check_first(area, day)?;
                for target in into {
                    self.check_target(*target, level, day)?;
                }
                self.lead_on(area, day, distinct.into_iter().collect());
                return Ok(());
            }
            AreaChange::Rename { from, to } => {
                if to.1.level() != level {
                    return Err(EventRefusal::Level(area));
                }
                if *from != (now.name, now.kind) {
                    return Err(EventRefusal::NotAsSaid);
                }
                (next.name, next.kind) = to.clone();
                differs(from, to)?;
            }
            AreaChange::Recode { from, to } => {
                if *from != now.code.unwrap_or_default() {
                    return Err(EventRefusal::NotAsSaid);
                }
                next.code = Some(to.clone()).filter(|code| !code.is_empty());
                differs(from, to)?;
            }
            AreaChange::Reparent { from, to } => {
                if now.parent != Some(*from) {
                    return Err(EventRefusal::NotAsSaid);
                }
                let above = above(level).ok_or(EventRefusal::Level(area))?;
                self.check_target(*to, above, day)?;
                next.parent = Some(*to);
                differs(from, to)?;
            }
        }
        if let Some(node) = self.nodes.get_mut(&area) {
            node.newest = day;
            // two events of one day make one version
            node.versions.retain(|version| version.from < day);
            node.versions.push(next);
        }
        Ok(())
    }

    /// Whether an area can be merged or split on a day: once, or it would not be known which came
    /// first.
    fn check_first(&self, area: AreaRef, day: i32) -> Result<(), EventRefusal> {
        let node = self.nodes.get(&area).ok_or(EventRefusal::Unknown(area))?;
        if node.onward.iter().any(|((known, _), _)| *known == day) {
            return Err(EventRefusal::Twice(area));
        }
        Ok(())
    }

    fn check_target(&self, area: AreaRef, level: AreaLevel, day: i32) -> Result<(), EventRefusal> {
        let node = self.nodes.get(&area).ok_or(EventRefusal::Unknown(area))?;
        if node.level() != level {
            return Err(EventRefusal::Level(area));
        }
        if !node.stands_on(day) {
            return Err(EventRefusal::NotThere(area, iso_text(day)));
        }
        Ok(())
    }

    fn lead_on(&mut self, area: AreaRef, day: i32, into: Vec<AreaRef>) {
        self.links_count = self.links_count.saturating_add(1);
        let when = (day, self.links_count);
        for target in into.iter().filter(|target| **target != area) {
            if let Some(node) = self.nodes.get_mut(target) {
                node.sources.push((when, area));
            }
        }
        if let Some(node) = self.nodes.get_mut(&area) {
            node.newest = day;
            if !into.contains(&area) {
                node.ends = Some(day);
            }
            node.onward.push((when, into));
        }
    }

    /// All areas, in the order of their ids.
    pub fn areas(&self) -> impl Iterator<Item = AreaRef> {
        self.nodes.keys().copied()
    }

    /// What an area is on a day; before its beginning what it was first, after its end what it was
    /// last.
    #[must_use]
    pub fn version(&self, area: AreaRef, day: i32) -> Option<&Version> {
        self.nodes.get(&area)?.version_on(day)
    }

    /// First day on which an area no longer is, if it ended.
    #[must_use]
    pub fn ends(&self, area: AreaRef) -> Option<i32> {
        self.nodes.get(&area)?.ends
    }

    /// Whether an area stands on a day.
    #[must_use]
    pub fn stands(&self, area: AreaRef, day: i32) -> bool {
        self.nodes
            .get(&area)
            .is_some_and(|node| node.stands_on(day))
    }

    /// Every day on which an area begins, ends, leads on or lies elsewhere, ascending. Between two
    /// of them no answer changes.
    #[must_use]
    pub fn turning_days(&self) -> Vec<i32> {
        let mut days = BTreeSet::new();
        for node in self.nodes.values() {
            days.insert(node.begins);
            days.extend(node.ends);
            days.extend(node.onward.iter().map(|((day, _), _)| *day));
            days.extend(node.versions.iter().map(|version| version.from));
        }
        days.into_iter().collect()
    }

    /// What the area that a record of the day `from` names is on the day `to`. Of a record that
    /// names an area that had ended by its own day, or was to come, the nearest day on which the
    /// area stood counts: what a phone writes that was offline for months is placed, not refused.
    #[must_use]
    pub fn resolve(&self, area: AreaRef, from: i32, to: i32) -> Resolved {
        told(self.moved(area, from, to))
    }

    /// The unit of a level that the area of a record of the day `from` lies in on the day `to`.
    #[must_use]
    pub fn unit_at(&self, area: AreaRef, level: AreaLevel, from: i32, to: i32) -> Resolved {
        told(self.lifted(area, level, from, to))
    }

    fn node(&self, area: AreaRef) -> Result<&Node, Nowhere> {
        self.nodes.get(&area).ok_or(Nowhere::Unknown(area))
    }

    fn moved(&self, area: AreaRef, from: i32, to: i32) -> Result<BTreeSet<AreaRef>, Nowhere> {
        let from = self.node(area)?.nearest(from);
        if from <= to {
            self.moved_on(area, from, to)
        } else {
            self.moved_back(area, from, to)
        }
    }

    fn moved_on(&self, area: AreaRef, from: i32, to: i32) -> Result<BTreeSet<AreaRef>, Nowhere> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut work = vec![(area, (from, usize::MAX))];
        while let Some((area, since)) = work.pop() {
            if !seen.insert((area, since)) {
                continue;
            }
            let node = self.node(area)?;
            let mut onward = node.onward.iter();
            match onward.find(|(when, _)| since < *when && when.0 <= to) {
                Some((when, into)) => work.extend(into.iter().map(|target| (*target, *when))),
                None if node.ends.is_some_and(|ends| ends <= to) => {
                    return Err(Nowhere::Ended(area));
                }
                None => drop(found.insert(area)),
            }
        }
        Ok(found)
    }

    fn moved_back(&self, area: AreaRef, from: i32, to: i32) -> Result<BTreeSet<AreaRef>, Nowhere> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut work = vec![(area, (from, usize::MAX))];
        while let Some((area, until)) = work.pop() {
            if !seen.insert((area, until)) {
                continue;
            }
            let node = self.node(area)?;
            let sources = node.sources.iter();
            let made_of = sources.filter(|(when, _)| to < when.0 && *when < until);
            let before: Vec<(AreaRef, When)> =
                made_of.map(|(when, source)| (*source, *when)).collect();
            if node.begins <= to {
                found.insert(area);
            } else if before.is_empty() {
                return Err(Nowhere::NotYet(area));
            }
            work.extend(before);
        }
        Ok(found)
    }

    fn lifted(
        &self,
        area: AreaRef,
        level: AreaLevel,
        from: i32,
        to: i32,
    ) -> Result<BTreeSet<AreaRef>, Nowhere> {
        let (mut found, mut seen) = (BTreeSet::new(), BTreeSet::new());
        let mut work = vec![(area, from)];
        while let Some((area, from)) = work.pop() {
            if !seen.insert((area, from)) {
                continue;
            }
            let node = self.node(area)?;
            if node.level() < level {
                return Err(Nowhere::TooWide(area));
            }
            let here = match self.moved(area, from, to) {
                // a hamlet of a newer list: what it lies in may be older
                Err(Nowhere::NotYet(_)) if node.level() > level => BTreeSet::from([area]),
                moved => moved?,
            };
            for area in here {
                let node = self.node(area)?;
                if node.level() == level {
                    found.insert(area);
                    continue;
                }
                let version = node.version_on(to);
                let above = version.and_then(|v| Some((v.parent?, v.from)));
                work.push(above.ok_or(Nowhere::TooWide(area))?);
            }
        }
        Ok(found)
    }
}

fn told(found: Result<BTreeSet<AreaRef>, Nowhere>) -> Resolved {
    match found {
        Err(nowhere) => Resolved::Nowhere(nowhere),
        Ok(found) => {
            let several: Vec<AreaRef> = found.into_iter().collect();
            match several.as_slice() {
                [one] => Resolved::Unit(*one),
                _ => Resolved::Several(several),
            }
        }
    }
}

fn above(level: AreaLevel) -> Option<AreaLevel> {
    match level {
        AreaLevel::Province => None,
        AreaLevel::Commune => Some(AreaLevel::Province),
        AreaLevel::Hamlet => Some(AreaLevel::Commune),
    }
}

fn differs<T: PartialEq>(from: &T, to: &T) -> Result<(), EventRefusal> {
    if from == to {
        return Err(EventRefusal::Nothing);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
