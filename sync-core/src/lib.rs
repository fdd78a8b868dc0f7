//! The shared core of BinhYen.
//!
//! sync-core never waits, never asks the time, never opens a file, never draws a random number:
//! time and random bytes are arguments, and what must be done comes out as values.
#![warn(
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::iter_over_hash_type
)]

pub mod act;
pub mod bytes;
pub mod calendar;
pub mod chain;
pub mod change;
pub mod closing;
pub mod codec;
pub mod exchange;
pub mod hub;
pub mod ids;
pub mod invitation;
pub mod keys;
pub mod limits;
pub mod log;
pub mod merkle;
pub mod policy;
pub mod record;
pub mod replica;
pub mod suppression;
pub mod tags;
pub mod territory;
pub mod text;
pub mod value;
pub mod view;
pub mod vocabulary;

#[cfg(test)]
mod tests;
