//! The BinhYen phone library: one [`Phone`] over sync-core, with a face for each kind of host:
//! UniFFI (feature `uniffi`, over SQLite) and wasm-bindgen (feature `web`, over rows that the host
//! keeps).
//!
//! The host owns the socket, the keystore, the clock and the background job. The library gives
//! bytes to send and takes bytes received; it starts no thread and waits for nothing but the disk.
//!
//! ```text
//! Phone::open -> enrol_begin -> (host: POST /v1/enrol) -> enrol_finish
//! save -> on the disk -> SavedRecord
//! request -> (host: POST /v1/sync) -> response, or visit_failed -> wake_at
//! ```

#[cfg(feature = "uniffi")]
uniffi::setup_scaffolding!();

mod error;
mod phone;
pub mod store;
// its tests need no browser, so every run of the tests has them
#[cfg(any(feature = "web", test))]
pub mod web;
mod words;

pub use error::PhoneError;
pub use phone::*;
