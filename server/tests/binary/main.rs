//! Stories with the real program: a server as a process of its own, commands beside it, phones and
//! officers that come to it over TLS.

#[cfg(test)]
mod areas;
#[cfg(test)]
mod browser;
#[cfg(test)]
mod commands;
#[cfg(test)]
mod common;
#[cfg(test)]
mod console;
#[cfg(test)]
mod enrolling;
#[cfg(test)]
mod quarantine;
#[cfg(test)]
mod quiet_log;
#[cfg(test)]
mod recovery;
#[cfg(test)]
mod recovery_ages;
#[cfg(test)]
mod starting;
#[cfg(test)]
mod visits;
