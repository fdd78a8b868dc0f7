//! Passwords: how they are kept, how a try is checked, and how tries are slowed down.
//!
//! A try costs about 20 MB and some tens of milliseconds, whoever asks; so tries are few at a time,
//! and a name that does not exist costs the same as one that does. Nobody is ever locked out: a
//! lock would let a stranger keep an officer from the console by typing a name.

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use thiserror::Error;

/// Shortest new password, in characters.
pub const PASSWORD_CHARS_MIN: usize = 12;
/// Longest password, in bytes: more would only be work for the hash.
pub const PASSWORD_BYTES_MAX: usize = 512;
/// Tries that are hashed at once.
pub const TRIES_AT_ONCE_MAX: usize = 2;
/// Longest pause after a failed try, in seconds.
pub const PAUSE_SECONDS_MAX: i64 = 60;

/// Why a password cannot be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PasswordFault {
    /// Too short to keep anybody out.
    #[error("a password takes {PASSWORD_CHARS_MIN} characters or more")]
    TooShort,
    /// Longer than any password.
    #[error("a password takes {PASSWORD_BYTES_MAX} bytes at most")]
    TooLong,
    /// The hash could not be made; the machine has no randomness or no memory.
    #[error("the password could not be hashed")]
    NotHashed,
}

/// Hashes a new password with argon2id and a fresh salt, as a PHC string.
///
/// # Errors
/// Why it cannot be kept.
pub fn hash_password(password: &str) -> Result<String, PasswordFault> {
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(PasswordFault::TooShort);
    }
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordFault::TooLong);
    }
    let hashed = Argon2::default().hash_password(password.as_bytes());
    hashed
        .map(|hash| hash.to_string())
        .map_err(|_cause| PasswordFault::NotHashed)
}

/// Whether a password is the one behind the hash. Without a hash (no such account), or with one
/// that cannot be read, it takes the same time and says no.
pub(super) fn verify(password: &str, hash: Option<&str>) -> bool {
    // Made first, whoever asks: made only when needed, it would tell the first unknown name.
    let dummy = dummy();
    let fitting = password.len() <= PASSWORD_BYTES_MAX;
    let tried = if fitting { password } else { "" };
    let known = hash.and_then(|text| PasswordHash::new(text).ok());
    let real = known.is_some();
    let Some(against) = known.or_else(|| PasswordHash::new(dummy?).ok()) else {
        return false;
    };
    let equal = Argon2::default()
        .verify_password(tried.as_bytes(), &against)
        .is_ok();
    equal && real && fitting
}

/// A hash of no account, so that an unknown name costs what a known one costs.
fn dummy() -> Option<&'static str> {
    static DUMMY: OnceLock<Option<String>> = OnceLock::new();
    DUMMY
        .get_or_init(|| hash_password("of no account at all").ok())
        .as_deref()
}

/// When the next try is accepted, after so many failures in a row.
pub(super) fn not_before(now_s: i64, failures: u32) -> i64 {
    let pause = 2_i64.checked_pow(failures).unwrap_or(PAUSE_SECONDS_MAX);
    now_s.saturating_add(pause.min(PAUSE_SECONDS_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_known_again_and_no_other() {
        let hash = hash_password("ruộng lúa mùa nước nổi").unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(verify("ruộng lúa mùa nước nổi", Some(&hash)));
        assert!(!verify("ruong lua mua nuoc noi", Some(&hash)));
        assert!(!verify("of no account at all", None));
        assert!(!verify("of no account at all", Some("not a hash")));
        assert_eq!(hash_password("short"), Err(PasswordFault::TooShort));
    }

    #[test]
    fn pauses_double_up_to_a_minute_and_never_lock() {
        let pauses: Vec<i64> = (1..=8).map(|n| not_before(1_000, n) - 1_000).collect();
        assert_eq!(pauses, [2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(not_before(0, u32::MAX), PAUSE_SECONDS_MAX);
    }
}
