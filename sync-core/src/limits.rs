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
/// Longest public name of a group or an account, in bytes.
pub const NAME_BYTES_MAX: usize = 400;
/// Most members that the enrolment of one device names.
pub const GRANT_MEMBERS_MAX: usize = 64;
/// Most erasable parts of one act.
pub const ACT_PARTS_MAX: usize = 8;
/// Largest act with its parts, in bytes.
pub const ACT_BYTES_MAX: usize = 32 * 1024;
/// Most runs in one request.
pub const REQUEST_RUNS_MAX: usize = 64;
/// Most changes in one request.
pub const REQUEST_CHANGES_MAX: usize = 512;
/// Most groups in one request.
pub const REQUEST_GROUPS_MAX: usize = 16;
/// Largest request body, in bytes.
pub const REQUEST_BYTES_MAX: usize = 256 * 1024;
/// Largest unpacked part of a body, in bytes: no body unpacks to more.
pub const PLAIN_BYTES_MAX: usize = 1024 * 1024;
/// Most entries in one answer.
pub const ANSWER_ENTRIES_MAX: usize = 512;
/// Largest answer body, in bytes.
pub const ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of entries that one answer aims at when the phone names no budget of its own.
pub const ANSWER_BUDGET_BYTES: usize = 64 * 1024;
/// Most bytes that a device may leave waiting before it is confirmed.
pub const PENDING_BYTES_MAX: usize = 1024 * 1024;
/// Most acts that a phone offers again in one request.
pub const OFFERED_ACTS_MAX: usize = 64;
/// Days for which a read nonce is good.
pub const NONCE_DAYS: i64 = 30;
/// Most chains of others that the heads in one request name.
pub const REQUEST_CHAINS_MAX: usize = 512;
/// Most feeds that one phone follows: the log's, and six of each group.
pub const REQUEST_FEEDS_MAX: usize = 1 + 6 * REQUEST_GROUPS_MAX;
/// Longest detail of a problem, in bytes.
pub const PROBLEM_DETAIL_BYTES_MAX: usize = 400;
/// Most forked changes of one device that are kept as proof.
pub const FORKS_KEPT_MAX: usize = 64;
/// Most bytes that one packed byte may unpack to; records that repeat one another reach about 20.
pub const PLAIN_PER_PACKED_MAX: usize = 32;
/// Bytes that a packed body may unpack to whatever its length.
pub const PLAIN_BYTES_FREE: usize = 4 * 1024;
/// Most answers of before a restore that one request shows.
pub const PROOFS_MAX: usize = 64;
/// Most changes that one such answer is shown for.
pub const PROOF_CHANGES_MAX: usize = 512;
/// Bytes of such answers, before packing, after which a phone leaves the rest to the next request.
pub const PROOF_BYTES_MAX: usize = 64 * 1024;
/// Most areas that the parts of one area go to.
pub const AREA_TARGETS_MAX: usize = 64;
/// Most area events in one act.
pub const AREA_EVENTS_MAX: usize = 128;
/// Bytes of area events after which the next act begins.
pub const AREA_EVENTS_BYTES_MAX: usize = 16 * 1024;
/// Most units of a closed table.
pub const CLOSED_UNITS_MAX: usize = 1_024;
/// Most figures of a closed table.
pub const CLOSED_CELLS_MAX: usize = 8_192;
/// Bytes that a closed table may take in its entry.
pub const CLOSING_BYTES_MAX: usize = 31 * 1024;
