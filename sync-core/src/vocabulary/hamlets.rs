//! The hamlet import. Hamlets have no national list: a province keeps its own, as a table of
//! name, kind, parent code, first day and decision number, and imports it with dates.

use std::collections::BTreeMap;

use crate::text::normal::nfc;

use super::areas::{
    AREA_NAME_CHARS_MAX, Area, AreaFault, AreaId, AreaKind, AreaLevel, AreaProblem, UnitTable,
};
use super::sheet::{Row, read_rows};
use crate::calendar::read_iso;

/// The header line of a hamlet file.
pub const HAMLET_COLUMNS: &[&str] = &["name", "kind", "parent_code", "valid_from", "decision_no"];

/// The hamlets of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HamletImport {
    /// The hamlets, in the order of the file.
    pub areas: Vec<Area>,
}

impl HamletImport {
    /// Reads a hamlet file. A byte-order mark at its start is dropped, for spreadsheets write
    /// one; names are brought to NFC with single spaces; where the tone mark stands is left as
    /// it is, because both "Hoà" and "Hòa" are official somewhere.
    ///
    /// # Errors
    /// All faults, each with its line and what to do. Nothing is imported by halves.
    pub fn parse(file: &str, text: &str, units: &UnitTable) -> Result<Self, Vec<AreaFault>> {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let mut table_faults = Vec::new();
        let rows = read_rows(file, text, HAMLET_COLUMNS, &mut table_faults);
        let mut faults: Vec<AreaFault> = table_faults
            .into_iter()
            .map(AreaFault::from_table)
            .collect();
        let mut seen: BTreeMap<(AreaId, String), u64> = BTreeMap::new();
        let mut import = Self::default();
        for row in &rows {
            match hamlet(row, units, &mut seen) {
                Ok(area) => import.areas.push(area),
                Err(problems) => faults.extend(problems.into_iter().map(|problem| AreaFault {
                    file: file.to_owned(),
                    line: row.line,
                    problem,
                })),
            }
        }
        faults.sort_by_key(|fault| fault.line);
        if faults.is_empty() {
            Ok(import)
        } else {
            Err(faults)
        }
    }
}

fn hamlet(
    row: &Row,
    units: &UnitTable,
    seen: &mut BTreeMap<(AreaId, String), u64>,
) -> Result<Area, Vec<AreaProblem>> {
    let mut problems = Vec::new();
    let name = clean(row.cell("name"));
    let chars_count = name.chars().count();
    if chars_count == 0 || chars_count > AREA_NAME_CHARS_MAX || name.chars().any(char::is_control) {
        problems.push(AreaProblem::BadName);
    }
    let word = clean(row.cell("kind")).to_lowercase();
    let kind = AreaKind::from_word(&word).filter(|kind| kind.level() == AreaLevel::Hamlet);
    if kind.is_none() {
        problems.push(AreaProblem::UnknownKind(word, hamlet_words()));
    }
    let parent_code = row.cell("parent_code").trim();
    let parent = units.commune(parent_code).map(|area| area.id);
    if parent.is_none() {
        problems.push(AreaProblem::UnknownParent(parent_code.to_owned()));
    }
    let valid_from = row.cell("valid_from").trim().to_owned();
    if read_iso(&valid_from).is_none() {
        problems.push(AreaProblem::BadDay(valid_from.clone()));
    }
    if let Some(parent) = parent
        && let Some(also) = seen.insert((parent, name.clone()), row.line)
    {
        problems.push(AreaProblem::NameTwice(name.clone(), also));
    }
    let (Some(kind), Some(parent), true) = (kind, parent, problems.is_empty()) else {
        return Err(problems);
    };
    let decision_no = Some(clean(row.cell("decision_no"))).filter(|number| !number.is_empty());
    Ok(Area {
        id: AreaId::of_hamlet(parent, &name, &valid_from),
        name,
        kind,
        parent: Some(parent),
        valid_from,
        valid_to: None,
        code: None,
        decision_no,
    })
}

fn hamlet_words() -> String {
    let hamlets = AreaKind::WORDS
        .into_iter()
        .filter(|(_, kind)| kind.level() == AreaLevel::Hamlet);
    hamlets.map(|(word, _)| word).collect::<Vec<_>>().join(", ")
}

/// NFC, without spaces at the ends or twice in a row.
fn clean(text: &str) -> String {
    nfc(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNITS: &str = "level,code,name_vi,kind,province_code\n\
        province,92,Cần Thơ,thành phố,92\n\
        commune,31120,Cái Khế,phường,92\n";

    fn import(text: &str) -> Result<HamletImport, Vec<AreaFault>> {
        HamletImport::parse("h.csv", text, &UnitTable::parse("u.csv", UNITS).unwrap())
    }

    #[test]
    fn a_good_file_is_read_with_its_mark_and_forms_of_writing() {
        let decomposed = crate::text::normal::nfd("Hoà Bình");
        let text = format!(
            "\u{FEFF}name,kind,parent_code,valid_from,decision_no\n\
             Giồng  Me,Ấp,31120,2026-01-01,12/QĐ\n\
             {decomposed},khu vực,31120,2026-01-01,\n"
        );
        let areas = import(&text).unwrap().areas;
        assert_eq!(areas[0].name, "Giồng Me");
        assert_eq!(areas[0].decision_no.as_deref(), Some("12/QĐ"));
        assert_eq!(
            areas[1].name, "Hoà Bình",
            "NFC, and the tone stays where it was"
        );
        assert_eq!(areas[1].kind, AreaKind::KhuVuc);
        let parent = areas[1].parent.unwrap();
        assert_eq!(
            areas[1].id,
            AreaId::of_hamlet(parent, "Hoà Bình", "2026-01-01")
        );
    }

    #[test]
    fn all_faults_are_told_with_their_lines() {
        let text = "name,kind,parent_code,valid_from,decision_no\n\
            Giồng Me,ấp,31120,2026-02-29,\n\
            Giồng Me,xã,31120,2026-03-01,\n\
            ,ấp,3112,2026-03-01,\n\
            Kinh Giữa,ấp,31120\n";
        let told: Vec<String> = import(text)
            .unwrap_err()
            .iter()
            .map(ToString::to_string)
            .collect();
        let starts = [
            "h.csv line 2: \"2026-02-29\" is not a day",
            "h.csv line 3: kind \"xã\" is not known",
            "h.csv line 3: \"Giồng Me\" is there twice in the same parent (also line 2)",
            "h.csv line 4: the name is empty",
            "h.csv line 4: code \"3112\" is no commune",
            "h.csv line 5: the line cannot be read",
        ];
        assert_eq!(told.len(), starts.len(), "{told:?}");
        for (line, start) in told.iter().zip(starts) {
            assert!(line.starts_with(start), "{line}");
        }
        let wrong = import("ten,kind\nA,ấp\n").unwrap_err();
        assert!(
            wrong[0]
                .to_string()
                .contains("name,kind,parent_code,valid_from,decision_no")
        );
    }
}
