//! The names of the units from 1 July 2025 as a phone carries them: packed from the unit table at
//! build time, at less than half of what the table weighs in a download. A phone shows an area by
//! its name and asks for nothing else; the server has the whole table.

use std::sync::OnceLock;

use super::areas::{AreaId, CODE_SYSTEM_2025, UNITS_VALID_FROM};

include!(concat!(env!("OUT_DIR"), "/unit_names.rs"));

/// The bare name of the unit with this id.
#[must_use]
pub fn unit_name(id: AreaId) -> Option<&'static str> {
    static NAMES: OnceLock<Vec<(AreaId, String)>> = OnceLock::new();
    // some three thousand comparisons of 16 bytes are nothing beside drawing a screen
    let mut names = NAMES.get_or_init(read).iter();
    names
        .find(|(known, _)| *known == id)
        .map(|(_, name)| name.as_str())
}

/// The columns are those of this very build, so what is missing in them is nobody's fault to tell.
fn read() -> Vec<(AreaId, String)> {
    let syllables = syllables();
    let (mut heads, mut tails) = (HEADS.iter().copied(), TAILS.iter().copied());
    let mut code = 0_u32;
    let mut names = Vec::with_capacity(STEPS.len());
    for (at, (step, words)) in STEPS.iter().zip(COUNTS).enumerate() {
        // each level counts from the start
        let from = if at == PROVINCES { 0 } else { code };
        code = from.saturating_add(u32::from(*step));
        let digits = if at < PROVINCES {
            format!("{code:02}")
        } else {
            format!("{code:05}")
        };
        let mut name = String::new();
        for word in 0..words {
            if word > 0 {
                name.push(' ');
            }
            let column = if word == 0 { &mut heads } else { &mut tails };
            name.push_str(
                place(column)
                    .and_then(|at| syllables.get(at))
                    .map_or("", String::as_str),
            );
        }
        let id = AreaId::of_unit(CODE_SYSTEM_2025, &digits, UNITS_VALID_FROM);
        names.push((id, name));
    }
    names
}

fn place(column: &mut impl Iterator<Item = u8>) -> Option<usize> {
    let first = usize::from(column.next()?);
    let Some(high) = first.checked_sub(SHORT_SYLLABLES) else {
        return Some(first);
    };
    let long = usize::from(u16::from_be_bytes([
        u8::try_from(high).ok()?,
        column.next()?,
    ]));
    Some(SHORT_SYLLABLES.saturating_add(long))
}

fn syllables() -> Vec<String> {
    let mut syllables = Vec::new();
    let mut spelled = Vec::new();
    let mut rest = SYLLABLES.as_slice();
    while let Some((same, letters)) = rest.split_first() {
        let end = letters.iter().position(|byte| *byte < LETTERS_FROM);
        let (letters, others) = letters.split_at(end.unwrap_or(letters.len()));
        spelled.truncate(usize::from(*same));
        spelled.extend_from_slice(letters);
        syllables.push(String::from_utf8_lossy(&spelled).into_owned());
        rest = others;
    }
    syllables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vocabulary::{UNITS_CSV, UnitTable};

    #[test]
    fn every_unit_of_the_table_has_its_name_and_no_other_has_one() {
        let table = UnitTable::parse("units.csv", UNITS_CSV).unwrap();
        for area in table.areas() {
            assert_eq!(
                unit_name(area.id),
                Some(area.name.as_str()),
                "{:?}",
                area.code
            );
        }
        assert_eq!(read().len(), table.areas().count());
        assert_eq!(unit_name(AreaId::from_bytes([0; 16])), None);
    }
}
