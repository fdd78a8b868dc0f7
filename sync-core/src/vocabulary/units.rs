//! The provinces and communes from 1 July 2025, as text. It stands alone so that a phone, which
//! learns its few areas from the server, does not carry a table of the whole country.

/// The built-in unit table, for [`super::UnitTable::parse`]. Sources: `data/NOTICE.md`.
pub const UNITS_CSV: &str = include_str!("data/units.csv");
