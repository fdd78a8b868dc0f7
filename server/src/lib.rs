//! The BinhYen server, so far its edge: the identity it shows to phones, the loop that accepts
//! their connections, and the limit on how often a device may come.

pub mod http;
pub mod tls;
