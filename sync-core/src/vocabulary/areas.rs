//! Areas: provinces, communes and hamlets under ids of our own.
//!
//! An official code is an attribute with dates, never a key: of the 591 communes of the six
//! Mekong-side provinces 273 carry a code that meant another place before July 2025. An id is
//! computed from the first code an area had, so that two servers agree without asking.

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use super::fault::VocabularyFault;
use super::sheet::{Line, read_rows};

/// Code system of the units of the 2025 reorganisation.
pub const CODE_SYSTEM_2025: &str = "gso-2025";
/// Code system of the units before it.
pub const CODE_SYSTEM_BEFORE_2025: &str = "gso-2004";
/// First day for which the table of the units before 2025 speaks. It says how they stood on their
/// last day; when each of them was founded it does not say.
pub const UNITS_BEFORE_VALID_FROM: &str = "2018-01-01";
/// The day from which those units exist.
pub const UNITS_VALID_FROM: &str = "2025-07-01";
/// Code system of hamlets, which have no national list.
pub(super) const CODE_SYSTEM_HAMLET: &str = "hamlet";

/// The id of an area: 16 bytes, the same on every server.
///
/// A UUID of version 8 (RFC 9562, section 5.8): the first 16 bytes of SHA-256 with the version
/// and variant bits set. Version 5 is the usual choice for a named id, but it asks for SHA-1, and
/// a second and weaker hash in the core would have to be explained for ever.
///
/// The bytes hashed are: the 7 ASCII bytes `vn-area`, then each name part preceded by its length
/// in bytes as a big-endian `u32`. A unit's parts are (code system, code, valid from), in UTF-8:
/// `"gso-2025"`, `"31178"`, `"2025-07-01"`. A hamlet's are (`"hamlet"`, the parent's 16 bytes,
/// its name in NFC, valid from). The lengths keep ("a", "bc") apart from ("ab", "c").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AreaId([u8; 16]);

impl AreaId {
    /// An id as received; ids are compared, never taken apart.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The id of a unit with an official code.
    pub fn of_unit(code_system: &str, code: &str, valid_from: &str) -> Self {
        Self::of_parts(&[
            code_system.as_bytes(),
            code.as_bytes(),
            valid_from.as_bytes(),
        ])
    }

    /// The id of a hamlet. The name must be in NFC: two spellings in bytes would be two hamlets.
    pub fn of_hamlet(parent: Self, name: &str, valid_from: &str) -> Self {
        let system = CODE_SYSTEM_HAMLET.as_bytes();
        Self::of_parts(&[system, &parent.0, name.as_bytes(), valid_from.as_bytes()])
    }

    /// Reads the form that `Display` writes, with or without hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let hex: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
        let mut bytes = [0_u8; 16];
        if hex.len() != 32 {
            return None;
        }
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let pair = std::str::from_utf8(pair).ok()?;
            if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            *byte = u8::from_str_radix(pair, 16).ok()?;
        }
        Some(Self(bytes))
    }

    fn of_parts(parts: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"vn-area");
        for part in parts {
            let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
            hash.update(length.to_be_bytes());
            hash.update(part);
        }
        let digest = hash.finalize();
        let mut bytes = [0_u8; 16];
        for (byte, hashed) in bytes.iter_mut().zip(digest.iter()) {
            *byte = *hashed;
        }
        let [.., version, _, variant, _, _, _, _, _, _, _] = &mut bytes;
        *version = (*version & 0x0F) | 0x80;
        *variant = (*variant & 0x3F) | 0x80;
        Self(bytes)
    }
}

impl fmt::Display for AreaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for AreaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AreaId({self})")
    }
}

/// What an area is called before its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(
    missing_docs,
    reason = "each name is the kind; the words stand in `AreaKind::WORDS`"
)]
pub enum AreaKind {
    Province,
    City,
    Commune,
    Ward,
    SpecialZone,
    Township,
    Ap,
    Khom,
    KhuVuc,
    KhuPho,
    ToDanPho,
    Thon,
    Phum,
    Soc,
}

/// The level that a kind of area stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AreaLevel {
    /// A province or a centrally run city.
    Province,
    /// A commune, ward or special zone.
    Commune,
    /// A hamlet, under whatever word.
    Hamlet,
}

impl AreaKind {
    /// Every kind with its Vietnamese word. The places are promises: entries of the log name a kind
    /// by its place. Townships ended in 2025.
    pub const WORDS: [(&'static str, Self); 14] = [
        ("tỉnh", Self::Province),
        ("thành phố", Self::City),
        ("xã", Self::Commune),
        ("phường", Self::Ward),
        ("đặc khu", Self::SpecialZone),
        ("thị trấn", Self::Township),
        ("ấp", Self::Ap),
        ("khóm", Self::Khom),
        ("khu vực", Self::KhuVuc),
        ("khu phố", Self::KhuPho),
        ("tổ dân phố", Self::ToDanPho),
        ("thôn", Self::Thon),
        ("phum", Self::Phum),
        ("sóc", Self::Soc),
    ];

    /// The kind with this word, in lower case.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::WORDS
            .into_iter()
            .find(|(known, _)| *known == word)
            .map(|(_, kind)| kind)
    }

    /// Its Vietnamese word.
    pub fn word(self) -> &'static str {
        Self::WORDS
            .into_iter()
            .find(|(_, kind)| *kind == self)
            .map_or("", |(word, _)| word)
    }

    /// Its place in [`Self::WORDS`], which names it in entries of the log.
    pub fn number(self) -> u8 {
        let place = Self::WORDS.into_iter().position(|(_, kind)| kind == self);
        place
            .and_then(|place| u8::try_from(place).ok())
            .unwrap_or(u8::MAX)
    }

    /// The kind at this place.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::WORDS.get(usize::from(number)).map(|(_, kind)| *kind)
    }

    /// Its level.
    pub fn level(self) -> AreaLevel {
        match self {
            Self::Province | Self::City => AreaLevel::Province,
            Self::Commune | Self::Ward | Self::SpecialZone | Self::Township => AreaLevel::Commune,
            Self::Ap
            | Self::Khom
            | Self::KhuVuc
            | Self::KhuPho
            | Self::ToDanPho
            | Self::Thon
            | Self::Phum
            | Self::Soc => AreaLevel::Hamlet,
        }
    }
}

/// An area as it stood during some time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Area {
    /// Our own id.
    pub id: AreaId,
    /// The bare name, without the kind.
    pub name: String,
    /// What it is.
    pub kind: AreaKind,
    /// The area it lies in; a province has none.
    pub parent: Option<AreaId>,
    /// First day, `yyyy-mm-dd`.
    pub valid_from: String,
    /// First day on which it no longer is, if it has ended.
    pub valid_to: Option<String>,
    /// Official code, with its leading zeros; hamlets have none.
    pub code: Option<String>,
    /// Number of the act that made it, when known.
    pub decision_no: Option<String>,
}

/// What is wrong with one line of an area file, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file} line {line}: {problem}")]
pub struct AreaFault {
    /// Name of the file, as given.
    pub file: String,
    /// Line in the file, counted from 1.
    pub line: u64,
    /// What is wrong.
    pub problem: AreaProblem,
}

/// The ways in which an area line can be wrong. Each says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AreaProblem {
    /// The header is another one.
    #[error("the first line must read {expected}; correct the column names and their order")]
    WrongHeader {
        /// The header, as it must be.
        expected: String,
    },
    /// The line cannot be cut into cells.
    #[error("{detail}; check commas and quotes")]
    Unreadable {
        /// What the reader said.
        detail: String,
    },
    /// A name that is empty, too long, or has characters no name has.
    #[error("the name is empty, too long or holds a control character; write the bare name")]
    BadName,
    /// A kind that is none.
    #[error("kind {0:?} is not known; write one of: {1}")]
    UnknownKind(String, String),
    /// A parent that is not in the table, or lies on the wrong level.
    #[error("code {0:?} is no commune of the unit table; look the code up, with its leading zeros")]
    UnknownParent(String),
    /// A province's code that is not in the table.
    #[error("province code {0:?} is not in the table; add the province's line")]
    UnknownProvince(String),
    /// Not a day of the calendar.
    #[error("{0:?} is not a day; write yyyy-mm-dd, as in 2026-03-01")]
    BadDay(String),
    /// Two lines of one code.
    #[error("code {0:?} is used twice (also line {1}); remove one line")]
    CodeTwice(String, u64),
    /// A code that is not digits of the right length.
    #[error("code {0:?} must have {1} digits, with its leading zeros")]
    BadCode(String, usize),
    /// A target that is not in the table, stands twice, or lies on another level.
    #[error("target {0:?} is no unit of this level from 2025-07-01, or stands there twice")]
    BadTarget(String),
    /// Two areas of one name in one parent.
    #[error("{0:?} is there twice in the same parent (also line {1}); remove one, or rename it")]
    NameTwice(String, u64),
}

/// Longest name of an area, in characters.
pub const AREA_NAME_CHARS_MAX: usize = 80;

/// Provinces and communes by code and by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitTable {
    areas: BTreeMap<AreaId, Area>,
    provinces: BTreeMap<String, AreaId>,
    communes: BTreeMap<String, AreaId>,
}

const UNIT_COLUMNS: &[&str] = &["level", "code", "name_vi", "kind", "province_code"];

struct UnitLine {
    line: u64,
    area: Area,
    code: String,
    province_code: String,
}

impl UnitTable {
    /// Reads a table of units of the 2025 reorganisation.
    ///
    /// # Errors
    /// All faults, each with its line.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<AreaFault>> {
        let mut faults = Vec::new();
        let units = unit_lines(file, text, &mut faults);
        let mut table = Self::default();
        let (provinces, communes): (Vec<UnitLine>, Vec<UnitLine>) = units
            .into_iter()
            .partition(|unit| unit.area.kind.level() == AreaLevel::Province);
        for unit in provinces {
            table.provinces.insert(unit.code, unit.area.id);
            table.areas.insert(unit.area.id, unit.area);
        }
        let mut names = BTreeMap::new();
        for mut unit in communes {
            let mut fault = |problem| {
                faults.push(AreaFault {
                    file: file.to_owned(),
                    line: unit.line,
                    problem,
                });
            };
            unit.area.parent = table.provinces.get(&unit.province_code).copied();
            if unit.area.parent.is_none() {
                fault(AreaProblem::UnknownProvince(unit.province_code.clone()));
            }
            let name = (unit.area.parent, unit.area.name.clone());
            if let Some(also) = names.insert(name, unit.line) {
                fault(AreaProblem::NameTwice(unit.area.name.clone(), also));
            }
            table.communes.insert(unit.code, unit.area.id);
            table.areas.insert(unit.area.id, unit.area);
        }
        if faults.is_empty() {
            Ok(table)
        } else {
            Err(faults)
        }
    }

    /// All units, in the order of their ids.
    pub fn areas(&self) -> impl Iterator<Item = &Area> {
        self.areas.values()
    }

    /// The unit with this id.
    pub fn area(&self, id: AreaId) -> Option<&Area> {
        self.areas.get(&id)
    }

    /// The province with this code.
    pub fn province(&self, code: &str) -> Option<&Area> {
        self.areas.get(self.provinces.get(code)?)
    }

    /// The commune with this code.
    pub fn commune(&self, code: &str) -> Option<&Area> {
        self.areas.get(self.communes.get(code)?)
    }

    /// The communes of a province, by code.
    pub fn communes_of(&self, province: AreaId) -> impl Iterator<Item = &Area> {
        let areas = self.communes.values().filter_map(|id| self.areas.get(id));
        areas.filter(move |area| area.parent == Some(province))
    }
}

fn unit_lines(file: &str, text: &str, faults: &mut Vec<AreaFault>) -> Vec<UnitLine> {
    let mut table_faults: Vec<VocabularyFault> = Vec::new();
    let rows = read_rows(file, text, UNIT_COLUMNS, &mut table_faults);
    let mut used = BTreeMap::new();
    let mut units = Vec::new();
    for row in &rows {
        let mut fault = |problem| {
            faults.push(AreaFault {
                file: file.to_owned(),
                line: row.line,
                problem,
            });
        };
        let mut checked = Vec::new();
        let name = Line {
            file,
            row,
            faults: &mut checked,
        }
        .label("name_vi");
        if !checked.is_empty() || name.chars().count() > AREA_NAME_CHARS_MAX {
            fault(AreaProblem::BadName);
        }
        let code = row.cell("code").to_owned();
        let level = row.cell("level");
        let kind = AreaKind::from_word(row.cell("kind")).filter(|kind| match kind.level() {
            AreaLevel::Province => level == "province",
            AreaLevel::Commune => level == "commune",
            AreaLevel::Hamlet => false,
        });
        let Some(kind) = kind else {
            let words = AreaKind::WORDS.into_iter().take(5).map(|(word, _)| word);
            let expected = words.collect::<Vec<_>>().join(", ");
            fault(AreaProblem::UnknownKind(
                row.cell("kind").to_owned(),
                expected,
            ));
            continue;
        };
        let digits_count = if kind.level() == AreaLevel::Province {
            2
        } else {
            5
        };
        if code.len() != digits_count || !code.bytes().all(|byte| byte.is_ascii_digit()) {
            fault(AreaProblem::BadCode(code.clone(), digits_count));
        }
        if let Some(also) = used.insert(code.clone(), row.line) {
            fault(AreaProblem::CodeTwice(code.clone(), also));
        }
        let area = Area {
            id: AreaId::of_unit(CODE_SYSTEM_2025, &code, UNITS_VALID_FROM),
            name,
            kind,
            parent: None,
            valid_from: UNITS_VALID_FROM.to_owned(),
            valid_to: None,
            code: Some(code.clone()),
            decision_no: None,
        };
        let province_code = row.cell("province_code").to_owned();
        units.push(UnitLine {
            line: row.line,
            area,
            code,
            province_code,
        });
    }
    faults.extend(table_faults.into_iter().map(AreaFault::from_table));
    units
}

impl AreaFault {
    /// A fault of the table's shape, in the words of whoever prepares an area file.
    pub(super) fn from_table(fault: VocabularyFault) -> Self {
        let problem = if let super::Fault::WrongHeader { expected } = fault.fault {
            AreaProblem::WrongHeader { expected }
        } else {
            AreaProblem::Unreadable {
                detail: fault.fault.to_string(),
            }
        };
        Self {
            file: fault.file,
            line: fault.line,
            problem,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_units_are_the_golden_facts() {
        let table = UnitTable::parse("units.csv", super::super::UNITS_CSV).unwrap();
        let count = |kind| table.areas().filter(|area| area.kind == kind).count();
        assert_eq!((count(AreaKind::Province), count(AreaKind::City)), (28, 6));
        assert_eq!(
            (count(AreaKind::Commune), count(AreaKind::Ward)),
            (2621, 687)
        );
        assert_eq!(count(AreaKind::SpecialZone), 13);
        let can_tho = table.province("92").unwrap();
        assert_eq!(can_tho.name, "Cần Thơ");
        assert_eq!(table.communes_of(can_tho.id).count(), 103);
    }

    #[test]
    fn ids_are_promises() {
        let id = AreaId::of_unit(CODE_SYSTEM_2025, "92", UNITS_VALID_FROM);
        assert_eq!(id.to_string(), GOLDEN_PROVINCE_92);
        let hamlet = AreaId::of_hamlet(id, "Giồng Me", "2026-01-01");
        assert_eq!(hamlet.to_string(), GOLDEN_HAMLET);
        assert_eq!(AreaId::parse(&id.to_string()), Some(id));
        assert_eq!(AreaId::parse("+1"), None);
        assert_eq!(id.bytes()[6] >> 4, 8, "version");
        assert_eq!(id.bytes()[8] >> 6, 2, "variant");
    }
    const GOLDEN_PROVINCE_92: &str = "db1ad3b5-4da5-8358-b4b4-87917f1d4842";
    const GOLDEN_HAMLET: &str = "8d79130e-7506-8a69-ab16-c91acc4dae9f";

    #[test]
    fn faults_name_line_and_remedy() {
        let text = "level,code,name_vi,kind,province_code\n\
            province,92,Cần Thơ,thành phố,92\n\
            commune,3117,An Bình,phường,92\n\
            commune,31120,Ninh Kiều,phường,91\n\
            commune,31120,Cái Khế,làng,92\n";
        let faults = UnitTable::parse("u.csv", text).unwrap_err();
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            told[0],
            "u.csv line 3: code \"3117\" must have 5 digits, with its leading zeros"
        );
        assert!(
            told[1].starts_with("u.csv line 5: kind \"làng\" is not known"),
            "{told:?}"
        );
        assert!(
            told[2].starts_with("u.csv line 4: province code \"91\""),
            "{told:?}"
        );
    }
}
