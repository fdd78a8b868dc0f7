//! How bytes come in: connections under limits, requests at a rate.

pub mod accept;
pub mod limit;
