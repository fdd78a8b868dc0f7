//! The provinces and communes before 1 July 2025 of the six provinces on the Mekong's side, and
//! what became of each: data of this release, so that what was recorded of them can be counted by
//! the units of that time and by today's.

use std::collections::{BTreeMap, BTreeSet};

use super::areas::{
    AREA_NAME_CHARS_MAX, Area, AreaFault, AreaId, AreaKind, AreaLevel, AreaProblem,
    CODE_SYSTEM_BEFORE_2025, UNITS_BEFORE_VALID_FROM, UNITS_VALID_FROM, UnitTable,
};
use super::sheet::{Line, Row, read_rows};
use crate::calendar::read_iso;
use crate::ids::AreaRef;
use crate::territory::{AreaChange, AreaEvent};

/// The built-in table, for [`UnitsBefore::parse`]. Sources: `data/NOTICE.md`.
pub const UNITS_BEFORE_CSV: &str = include_str!("data/units_before_2025.csv");

const COLUMNS: &[&str] = &[
    "level",
    "code",
    "name_vi",
    "kind",
    "district",
    "province_code",
    "into",
    "check",
];

/// Units that ended with the reorganisation of 2025, and what became of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitsBefore {
    /// The units, provinces first.
    pub areas: Vec<Area>,
    /// What became of each, in the same order: a merge or a split of 1 July 2025.
    pub events: Vec<AreaEvent>,
}

impl UnitsBefore {
    /// Reads a table against the units that came after.
    ///
    /// # Errors
    /// All faults, each with its line.
    pub fn parse(file: &str, text: &str, units: &UnitTable) -> Result<Self, Vec<AreaFault>> {
        let mut table_faults = Vec::new();
        let rows = read_rows(file, text, COLUMNS, &mut table_faults);
        let mut faults: Vec<AreaFault> = Vec::new();
        let mut before = Self::default();
        let mut reading = Reading {
            units,
            provinces: BTreeMap::new(),
            used: BTreeMap::new(),
            twins: twins(&rows),
        };
        let (provinces, communes): (Vec<&Row>, Vec<&Row>) =
            rows.iter().partition(|row| row.cell("level") == "province");
        for row in provinces.into_iter().chain(communes) {
            let mut checked = Vec::new();
            let mut line = Line {
                file,
                row,
                faults: &mut checked,
            };
            let name = line.label("name_vi");
            table_faults.append(&mut checked);
            match reading.unit(row, name) {
                Ok((area, event)) => {
                    before.areas.push(area);
                    before.events.push(event);
                }
                Err(problem) => faults.push(AreaFault {
                    file: file.to_owned(),
                    line: row.line,
                    problem,
                }),
            }
        }
        faults.extend(table_faults.into_iter().map(AreaFault::from_table));
        faults.sort_by_key(|fault| fault.line);
        if faults.is_empty() {
            Ok(before)
        } else {
            Err(faults)
        }
    }
}

/// Kind and name of communes that stand more than once in a province: only with the district can
/// they be told apart.
fn twins(rows: &[Row]) -> BTreeSet<(String, String, String)> {
    let mut counts: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.cell("level") == "commune") {
        let key = full_name(row);
        let count = counts.entry(key).or_default();
        *count = count.saturating_add(1);
    }
    let twice = counts.into_iter().filter(|(_, count)| *count > 1);
    twice.map(|(key, _)| key).collect()
}

fn full_name(row: &Row) -> (String, String, String) {
    let cell = |column| row.cell(column).to_owned();
    (cell("province_code"), cell("kind"), cell("name_vi"))
}

struct Reading<'a> {
    units: &'a UnitTable,
    /// Old provinces by their code.
    provinces: BTreeMap<String, AreaId>,
    used: BTreeMap<String, u64>,
    twins: BTreeSet<(String, String, String)>,
}

impl Reading<'_> {
    fn unit(&mut self, row: &Row, name: String) -> Result<(Area, AreaEvent), AreaProblem> {
        let code = row.cell("code").to_owned();
        let level = match row.cell("level") {
            "province" => AreaLevel::Province,
            _ => AreaLevel::Commune,
        };
        let kind = AreaKind::from_word(row.cell("kind")).filter(|kind| kind.level() == level);
        let kind = kind.ok_or_else(|| {
            let words = AreaKind::WORDS.into_iter().take(6).map(|(word, _)| word);
            let expected = words.collect::<Vec<_>>().join(", ");
            AreaProblem::UnknownKind(row.cell("kind").to_owned(), expected)
        })?;
        let digits_count = if level == AreaLevel::Province { 2 } else { 5 };
        if code.len() != digits_count || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AreaProblem::BadCode(code, digits_count));
        }
        if let Some(also) = self.used.insert(code.clone(), row.line) {
            return Err(AreaProblem::CodeTwice(code, also));
        }
        let name = if self.twins.contains(&full_name(row)) {
            format!("{name} ({})", row.cell("district"))
        } else {
            name
        };
        if name.chars().count() > AREA_NAME_CHARS_MAX {
            return Err(AreaProblem::BadName);
        }
        let id = AreaId::of_unit(CODE_SYSTEM_BEFORE_2025, &code, UNITS_BEFORE_VALID_FROM);
        let parent = match level {
            AreaLevel::Province => {
                self.provinces.insert(code.clone(), id);
                None
            }
            AreaLevel::Commune | AreaLevel::Hamlet => {
                let above = row.cell("province_code");
                let found = self.provinces.get(above).copied();
                Some(found.ok_or_else(|| AreaProblem::UnknownProvince(above.to_owned()))?)
            }
        };
        let change = self.change(row, level)?;
        let day = read_iso(UNITS_VALID_FROM);
        let event = AreaEvent {
            day: day.ok_or_else(|| AreaProblem::BadDay(UNITS_VALID_FROM.to_owned()))?,
            area: AreaRef(*id.bytes()),
            decision: String::new(),
            change,
        };
        let area = Area {
            id,
            name,
            kind,
            parent,
            valid_from: UNITS_BEFORE_VALID_FROM.to_owned(),
            valid_to: Some(UNITS_VALID_FROM.to_owned()),
            code: Some(code),
            decision_no: None,
        };
        Ok((area, event))
    }

    fn change(&self, row: &Row, level: AreaLevel) -> Result<AreaChange, AreaProblem> {
        let mut into = Vec::new();
        for code in row.cell("into").split('|') {
            let unit = match level {
                AreaLevel::Province => self.units.province(code),
                AreaLevel::Commune | AreaLevel::Hamlet => self.units.commune(code),
            };
            let target = unit.map(|unit| AreaRef(*unit.id.bytes()));
            match target.filter(|target| !into.contains(target)) {
                Some(target) => into.push(target),
                None => return Err(AreaProblem::BadTarget(code.to_owned())),
            }
        }
        into.sort_unstable();
        Ok(match into.as_slice() {
            [one] => AreaChange::Merge { into: *one },
            _ => AreaChange::Split { into },
        })
    }
}
