//! The BinhYen server: a log with its store, the port where phones and officers come, and the
//! command line.
//!
//! ```text
//! http -> office -> hub, writer -> store        cli -> office, http
//! ```
//!
//! - [`office`]: one open log: hub, store, settings;
//! - [`enrolment`]: invitations, made and shown again;
//! - [`recovery`]: backups, the copy on another disk, and the way back from both;
//! - [`writer`]: the one thread that writes, with group commit;
//! - [`http`]: the accept loop, the port of the phones, the console;
//! - [`log`], [`metrics`]: what the operator is told: events and sums;
//! - [`cli`]: the commands, from this process or handed to a running server.

pub mod cli;
pub mod enrolment;
pub mod http;
pub mod keys;
pub mod log;
pub mod metrics;
pub mod office;
pub mod recovery;
mod refused;
pub mod settings;
pub mod store;
pub mod tls;
pub mod writer;

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sync_core::hub::ledger::LedgerFault;

/// Seconds since 1970; 0 when the machine's clock stands before that.
#[must_use]
pub fn now_s() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

/// A path with something behind its name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Bytes as hexadecimal digits, in small letters.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], LedgerFault> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).map_err(|cause| {
        LedgerFault::Failed(format!("the machine gives no random bytes: {cause}"))
    })?;
    Ok(bytes)
}
