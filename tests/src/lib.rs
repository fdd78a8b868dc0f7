//! The tests of BinhYen as one package: what several test files share lives here.

pub mod bench;
pub mod demo;
pub mod fill;
pub mod generate;
pub mod house;
pub mod sim;
