//! The BinhYen phone library, so far its store: encrypted values, fsynced before "saved".

pub mod store;
