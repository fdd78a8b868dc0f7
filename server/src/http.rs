//! How bytes come in: connections under limits, requests at a rate.

pub mod accept;
pub mod console;
pub mod desk;
pub mod device;
pub mod limit;
pub mod watch;
