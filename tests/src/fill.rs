//! Filling a server with what the generator makes.
//!
//! Nothing is written around the log: each record is a change of a phone, signed by it in a
//! statement, verified and admitted by the hub like any other. Two ways lead there:
//!
//! - [`load`] takes large profiles into a directory of data in this process: phones that know
//!   their chains and no more, bodies that are not packed, and many visits in a transaction;
//! - `deploy/demo` takes small ones over the network, with whole phones that keep receipts.
//!
//! Days and clocks are the generated ones. When something was received is what the server's own
//! clock says, and that is real: all of it was received while it was filled.

mod founding;
mod lean;
mod load;
mod progress;
mod schedule;
#[cfg(test)]
mod tests;

pub use founding::{begin, hamlets_csv};
pub use load::{Loaded, load};
pub use progress::Progress;
pub use schedule::{Handle, Return, Round, Rounds, Save, Scrap};

/// Why it could not be filled, in words.
pub type Trouble = String;

/// Says what did not work, and why.
fn told<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> Trouble + '_ {
    move |cause| format!("{what}: {cause}")
}
