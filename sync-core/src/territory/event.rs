//! What happens to an area on one day, as an entry of the log says it.

use crate::act::read_words;
use crate::bytes::{Malformed, Reader, Writer};
use crate::calendar::{YEAR_MAX, YEAR_MIN, days_from_civil};
use crate::ids::AreaRef;
use crate::limits::AREA_TARGETS_MAX;
use crate::vocabulary::{Area, AreaId, AreaKind};

/// Something that happens to an area. What was before stands beside what is from then on, so an
/// entry can be read alone, and one that does not fit what is known is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AreaEvent {
    /// First day on which it counts, in days since 1970.
    pub day: i32,
    /// The area.
    pub area: AreaRef,
    /// Number of the act that says so; empty when it is not known.
    pub decision: String,
    /// What happens.
    pub change: AreaChange,
}

/// What happens to an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AreaChange {
    /// It ends and goes over whole.
    Merge {
        /// The area that it goes into.
        into: AreaRef,
    },
    /// Its parts go to several areas. It ends, unless it is one of them.
    Split {
        /// The areas, ascending: two at least.
        into: Vec<AreaRef>,
    },
    /// It has another name or kind.
    Rename {
        /// Name and kind before.
        from: (String, AreaKind),
        /// Name and kind from then on.
        to: (String, AreaKind),
    },
    /// It has another official code.
    Recode {
        /// The code before; empty for none.
        from: String,
        /// The code from then on; empty for none.
        to: String,
    },
    /// It lies in another area.
    Reparent {
        /// The area above before.
        from: AreaRef,
        /// The area above from then on.
        to: AreaRef,
    },
}

impl AreaEvent {
    pub(crate) fn write(&self, w: &mut Writer) {
        w.zigzag(i64::from(self.day)).raw(self.area.as_bytes());
        w.block(self.decision.as_bytes());
        match &self.change {
            AreaChange::Merge { into } => {
                w.u8(1).raw(into.as_bytes());
            }
            AreaChange::Split { into } => {
                w.u8(2).count(into.len());
                for target in into {
                    w.raw(target.as_bytes());
                }
            }
            AreaChange::Rename { from, to } => {
                w.u8(3);
                for (name, kind) in [from, to] {
                    w.block(name.as_bytes()).u8(kind.number());
                }
            }
            AreaChange::Recode { from, to } => {
                w.u8(4).block(from.as_bytes()).block(to.as_bytes());
            }
            AreaChange::Reparent { from, to } => {
                w.u8(5).raw(from.as_bytes()).raw(to.as_bytes());
            }
        }
    }

    pub(crate) fn read(r: &mut Reader<'_>) -> Result<Self, Malformed> {
        let day = i32::try_from(r.zigzag()?).map_err(|_far| Malformed::Range)?;
        let first = days_from_civil(YEAR_MIN, 1, 1).unwrap_or(i32::MIN);
        let last = days_from_civil(YEAR_MAX, 12, 31).unwrap_or(i32::MAX);
        if !(first..=last).contains(&day) {
            return Err(Malformed::Range);
        }
        let area = AreaRef::read(r)?;
        let decision = read_words(r)?;
        let change = match r.u8()? {
            1 => AreaChange::Merge {
                into: AreaRef::read(r)?,
            },
            2 => AreaChange::Split { into: targets(r)? },
            3 => AreaChange::Rename {
                from: (read_words(r)?, kind(r)?),
                to: (read_words(r)?, kind(r)?),
            },
            4 => AreaChange::Recode {
                from: read_words(r)?,
                to: read_words(r)?,
            },
            5 => AreaChange::Reparent {
                from: AreaRef::read(r)?,
                to: AreaRef::read(r)?,
            },
            other => return Err(Malformed::UnknownMark(other)),
        };
        Ok(Self {
            day,
            area,
            decision,
            change,
        })
    }

    /// Gives an area back the name, kind, code or parent that it had before.
    pub fn undo(&self, area: &mut Area) {
        match &self.change {
            AreaChange::Merge { .. } | AreaChange::Split { .. } => {}
            AreaChange::Rename { from, .. } => {
                (area.name, area.kind) = from.clone();
            }
            AreaChange::Recode { from, .. } => {
                area.code = Some(from.clone()).filter(|code| !code.is_empty());
            }
            AreaChange::Reparent { from, .. } => {
                area.parent = Some(AreaId::from_bytes(from.0));
            }
        }
    }

    /// Bytes that it takes in an entry.
    #[must_use]
    pub fn bytes_count(&self) -> usize {
        let mut w = Writer::new();
        self.write(&mut w);
        w.as_bytes().len()
    }
}

fn kind(r: &mut Reader<'_>) -> Result<AreaKind, Malformed> {
    let mark = r.u8()?;
    AreaKind::from_number(mark).ok_or(Malformed::UnknownMark(mark))
}

fn targets(r: &mut Reader<'_>) -> Result<Vec<AreaRef>, Malformed> {
    let mut targets: Vec<AreaRef> = Vec::new();
    for _ in 0..r.count(AREA_TARGETS_MAX)? {
        let target = AreaRef::read(r)?;
        if targets.last().is_some_and(|last| *last >= target) {
            return Err(Malformed::Order);
        }
        targets.push(target);
    }
    if targets.len() < 2 {
        return Err(Malformed::Range);
    }
    Ok(targets)
}
