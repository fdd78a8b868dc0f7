//! Every bound of the core's structures, by name. A bound is checked before memory is taken.

/// Most chains that one statement covers.
pub const STATEMENT_CHAINS_MAX: usize = 64;
/// Most operations in one change.
pub const CHANGE_OPS_MAX: usize = 96;
/// Most heads that one change names.
pub const CHANGE_HEADS_MAX: usize = 16;
/// Largest change with its parts, in its stored form, in bytes.
pub const CHANGE_BYTES_MAX: usize = 16 * 1024;
/// Longest text of one value, in bytes: 2,000 characters of at most four bytes.
pub const TEXT_BYTES_MAX: usize = 8_000;
/// Most choices in one set value.
pub const CHOICES_MAX: usize = 32;
/// Most record links in one value.
pub const LINKS_MAX: usize = 16;
/// Most changes that one record may gather.
pub const RECORD_CHANGES_MAX: usize = 1_024;
