//! Every bound of the core, by name. A bound is checked before memory is taken.

/// Largest body of a request, packed, in bytes.
pub const REQUEST_BYTES_MAX: usize = 64 * 1024;
/// Largest body of a request or an answer once unpacked, in bytes.
pub const PLAIN_BYTES_MAX: usize = 512 * 1024;
/// Largest budget for an answer that a phone may ask for, in bytes.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// Smallest budget for an answer: one largest change fits.
pub const ANSWER_BYTES_MIN: usize = 24 * 1024;
/// Most runs in one request.
pub const RUNS_MAX: usize = 32;
/// Most changes in one run.
pub const RUN_CHANGES_MAX: usize = 256;
/// Most chains that one statement covers.
pub const STATEMENT_CHAINS_MAX: usize = 64;
/// Most logbooks and control feeds that one phone holds.
pub const FEEDS_MAX: usize = 64;
/// Most entries in one answer.
pub const ANSWER_ENTRIES_MAX: usize = 2_048;
/// Most operations in one change.
pub const CHANGE_OPS_MAX: usize = 96;
/// Most heads that one change names.
pub const CHANGE_HEADS_MAX: usize = 16;
/// Largest change with its parts, in its stored form, in bytes.
pub const CHANGE_BYTES_MAX: usize = 16 * 1024;
/// Longest text of one value, in bytes.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Most choices in one set value.
pub const CHOICES_MAX: usize = 32;
/// Most record links in one value.
pub const LINKS_MAX: usize = 16;
/// Most items of one family in one record.
pub const FAMILY_ITEMS_MAX: usize = 64;
/// Most changes that one record may gather.
pub const RECORD_CHANGES_MAX: usize = 1_024;
/// Largest Control or Review entry, in bytes.
pub const ACT_BYTES_MAX: usize = 16 * 1024;
/// Bytes that a device waiting for its confirmation may leave on the server.
pub const WAITING_BYTES_MAX: usize = 1024 * 1024;
/// Days for which a nonce authorises reads.
pub const NONCE_DAYS: u32 = 30;
/// Days for which the writes of a refused device are kept.
pub const REFUSED_DAYS: u32 = 30;
