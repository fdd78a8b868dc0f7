//! Invitations: one way for the command line and for the console.
//!
//! The store keeps an invitation under the hash of its token, so that a copy of the store enrols
//! nobody. The token is kept nowhere. It is computed from a secret of the log, the account that
//! makes the invitation and a random name; so whoever made it can be shown the code again, after
//! a restart of the server too, and nobody else can.

use std::net::IpAddr;

use sync_core::calendar::DAY_S;
use sync_core::hub::arrival::{self, Invite};
use sync_core::hub::ledger::{LedgerFault, View};
use sync_core::ids::GroupId;
use sync_core::invitation::Invitation;
use thiserror::Error;

use crate::office::Office;
use crate::writer::WriteError;
use crate::{now_s, random};

/// Days for which a code is good when nobody says another number.
pub const INVITATION_DAYS: u16 = 7;

/// Why no code was made.
#[derive(Debug, Error)]
pub enum InviteError {
    /// Nobody said yet where phones find the server: what the operator has to say.
    #[error("{0}")]
    NoAddress(&'static str),
    /// The code cannot be put together: what the operator has to do.
    #[error("{0}")]
    NoCode(String),
    /// It could not be kept.
    #[error("the invitation could not be kept")]
    NotKept(WriteError),
}

impl From<WriteError> for InviteError {
    fn from(error: WriteError) -> Self {
        Self::NotKept(error)
    }
}

impl From<LedgerFault> for InviteError {
    fn from(fault: LedgerFault) -> Self {
        Self::NotKept(WriteError::from(fault))
    }
}

/// What an invitation is asked for with.
#[derive(Debug, Clone)]
pub struct Inviting {
    /// Number of the account; 0 for the command line.
    pub account: u32,
    /// The group.
    pub group: GroupId,
    /// Its public name.
    pub group_name: String,
    /// Members who will use the phone; empty for every member.
    pub members: Vec<u16>,
    /// The address in the code, when it is another than the server's settings say.
    pub url: Option<String>,
    /// Days for which it is good.
    pub days: u16,
}

/// An invitation that was made.
#[derive(Debug, Clone)]
pub struct Invited {
    /// Its name, by which the account that made it is shown it again.
    pub name: [u8; 16],
    /// The text of its code.
    pub text: String,
}

impl Office {
    /// Makes an invitation, durable before this returns. Blocks.
    ///
    /// # Errors
    /// [`InviteError`]; then there is none.
    pub fn invite(&self, inviting: Inviting) -> Result<Invited, InviteError> {
        let name = random()?;
        let token = self.invite_key().token(inviting.account, name);
        let url = match inviting.url {
            Some(url) => url,
            None => self.settings().url().map_err(InviteError::NoAddress)?,
        };
        // The text first: an invitation that cannot be shown must not be made.
        let text = self
            .code(url, token, inviting.group, &inviting.group_name)
            .map_err(InviteError::NoCode)?;
        let expires_s = now_s().saturating_add(i64::from(inviting.days).saturating_mul(DAY_S));
        let (group, members) = (inviting.group, inviting.members);
        self.writer()
            .act(move |hub, ledger| hub.invite(ledger, group, members, &token, expires_s))?;
        Ok(Invited { name, text })
    }

    /// The invitation with this name that this account made.
    ///
    /// # Errors
    /// The store's.
    pub fn invitation(
        &self,
        view: &impl View,
        account: u32,
        name: [u8; 16],
    ) -> Result<Option<Invite>, LedgerFault> {
        arrival::invite(view, &self.invite_key().token(account, name))
    }

    /// The text of the code of an invitation that this account made, at the address that counts
    /// now.
    ///
    /// # Errors
    /// [`InviteError`].
    pub fn invitation_text(
        &self,
        account: u32,
        name: [u8; 16],
        group: GroupId,
        group_name: &str,
    ) -> Result<String, InviteError> {
        let token = self.invite_key().token(account, name);
        let url = self.settings().url().map_err(InviteError::NoAddress)?;
        let text = self.code(url, token, group, group_name);
        text.map_err(InviteError::NoCode)
    }

    fn code(
        &self,
        url: String,
        token: [u8; 16],
        group: GroupId,
        group_name: &str,
    ) -> Result<String, String> {
        let invitation = Invitation {
            url,
            realm: self.hub().realm(),
            log: self.hub().log_key(),
            ca_der: self.ca_der()?,
            token,
            group,
            group_name: group_name.to_owned(),
            // for a phone without a clock: the later it is told, the better
            time_s: now_s(),
            vocabulary: self.hub().vocabulary().version(),
        };
        invitation.to_text().ok_or_else(|| {
            "the code cannot be made: write the address as https://HOST:PORT, without a path"
                .to_owned()
        })
    }
}

/// Whether an address leads nowhere but to the machine that uses it: a phone that reads it in a
/// code would look for the server in itself.
#[must_use]
pub fn is_own_machine(url: &str) -> bool {
    let rest = url.strip_prefix("https://").unwrap_or(url);
    let host = match rest.rsplit_once(':') {
        Some((host, _port)) if !host.is_empty() && !rest.ends_with(']') => host,
        Some(_) | None => rest,
    };
    let bare = host.trim_matches(['[', ']']);
    let number = bare.parse::<IpAddr>();
    number.map_or(bare == "localhost", |ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_the_own_machine_is_known() {
        for own in [
            "https://127.0.0.1:8443",
            "https://[::1]:8443",
            "https://[::1]",
            "https://localhost",
            "https://localhost:1",
        ] {
            assert!(is_own_machine(own), "{own}");
        }
        for other in [
            "https://192.168.1.7:8443",
            "https://[2001:db8::1]:8443",
            "https://binhyen.example",
            "https://localhost.example:8443",
        ] {
            assert!(!is_own_machine(other), "{other}");
        }
    }
}
