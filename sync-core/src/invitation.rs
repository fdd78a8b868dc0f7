//! What the QR code of an enrolment says: where the server is, whom to trust, and a token that
//! lets one phone ask.
//!
//! ```text
//! "BINHYEN1:" + base64url without padding of
//! format u8 | vocabulary u16 | time i64 | org 16 | log 16 | key of the log 32 | token 16
//!           | group 16 | url: block | group name: block | certificate of the authority: block
//! ```
//!
//! The certificate is empty when the server shows one that phones trust anyway. Whoever reads the
//! code can ask to be enrolled once and no more: the phone then waits for an officer.

use thiserror::Error;

use crate::bytes::{Malformed, Reader, Writer};
use crate::ids::{GroupId, LogId, OrgId, Realm};
use crate::keys::PublicKey;
use crate::limits::NAME_BYTES_MAX;
use crate::text::display_text_fault;

/// Begins every invitation.
pub const INVITATION_PREFIX: &str = "BINHYEN1:";
/// Longest address of a server, in bytes.
pub const URL_BYTES_MAX: usize = 300;
/// Largest certificate, in bytes: what a QR code can hold beside the rest.
pub const CA_BYTES_MAX: usize = 1_200;
/// Longest invitation as text: no reader decodes more.
pub const INVITATION_CHARS_MAX: usize = 3_000;

const FORMAT: u8 = 1;
const SCHEME: &str = "https://";

/// What a phone learns from the QR code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    /// Where the server is: `https://`, a name or address, a port if one is needed.
    pub url: String,
    /// Where signatures count.
    pub realm: Realm,
    /// Key of the log.
    pub log: PublicKey,
    /// Certificate of the server's own authority, DER; empty when there is none to pin.
    pub ca_der: Vec<u8>,
    /// Lets one phone ask to be enrolled.
    pub token: [u8; 16],
    /// The group.
    pub group: GroupId,
    /// Its public name, to be shown before anything is sent.
    pub group_name: String,
    /// Server time at which it was made: for a phone without a clock.
    pub time_s: i64,
    /// Version of the vocabulary that counts.
    pub vocabulary: u16,
}

/// Why a text is no invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum InvitationError {
    /// It does not begin as one.
    #[error("this is not a code of BinhYen")]
    NotOurs,
    /// It was made by a newer release.
    #[error("this code is of a newer release: update the application")]
    Newer,
    /// It is cut or damaged.
    #[error("this code is damaged: scan it again")]
    Damaged,
}

impl From<Malformed> for InvitationError {
    fn from(_malformed: Malformed) -> Self {
        Self::Damaged
    }
}

impl Invitation {
    /// The text of the QR code. `None` when a part is longer than it may be, or cannot be shown.
    #[must_use]
    pub fn to_text(&self) -> Option<String> {
        let mut w = Writer::new();
        w.u8(FORMAT).u16(self.vocabulary).i64(self.time_s);
        w.raw(self.realm.org.as_bytes())
            .raw(self.realm.log.as_bytes())
            .raw(&self.log.0)
            .raw(&self.token)
            .raw(self.group.as_bytes())
            .block(self.url.as_bytes())
            .block(self.group_name.as_bytes())
            .block(&self.ca_der);
        let text = format!("{INVITATION_PREFIX}{}", encode(w.as_bytes()));
        // what no reader would take must not be printed
        Self::from_text(&text).ok().map(|_read| text)
    }

    /// Reads the text of a QR code; spaces around it do not matter.
    ///
    /// # Errors
    /// Why it is none.
    pub fn from_text(text: &str) -> Result<Self, InvitationError> {
        let text = text.trim();
        let Some(digits) = text.strip_prefix(INVITATION_PREFIX) else {
            let newer = text
                .strip_prefix("BINHYEN")
                .and_then(|rest| rest.split_once(':'))
                .is_some_and(|(number, _)| number.parse::<u32>().is_ok_and(|n| n > 1));
            return Err(if newer {
                InvitationError::Newer
            } else {
                InvitationError::NotOurs
            });
        };
        if text.len() > INVITATION_CHARS_MAX {
            return Err(InvitationError::Damaged);
        }
        let bytes = decode(digits).ok_or(InvitationError::Damaged)?;
        let mut r = Reader::new(&bytes);
        if r.u8()? != FORMAT {
            return Err(InvitationError::Newer);
        }
        let (vocabulary, time_s) = (r.u16()?, r.i64()?);
        let realm = Realm {
            org: OrgId::read(&mut r)?,
            log: LogId::read(&mut r)?,
        };
        let invitation = Self {
            realm,
            log: PublicKey(r.array()?),
            token: r.array()?,
            group: GroupId::read(&mut r)?,
            url: r.text(URL_BYTES_MAX)?,
            group_name: r.text(NAME_BYTES_MAX)?,
            ca_der: r.block(CA_BYTES_MAX)?.to_vec(),
            time_s,
            vocabulary,
        };
        r.end()?;
        let sound = invitation.log.is_sound()
            && is_server_url(&invitation.url)
            && display_text_fault(&invitation.group_name).is_none();
        if sound {
            Ok(invitation)
        } else {
            Err(InvitationError::Damaged)
        }
    }
}

/// Whether an address is `https://host` or `https://host:port` and nothing more.
#[must_use]
pub fn is_server_url(url: &str) -> bool {
    let Some(rest) = url.strip_prefix(SCHEME) else {
        return false;
    };
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (rest, None),
    };
    let named = |host: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
        !host.is_empty() && host.bytes().all(plain)
    };
    let numbered = |host: &str| {
        let inner = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        inner.is_some_and(|inner| inner.parse::<core::net::Ipv6Addr>().is_ok())
    };
    let port_fits = port.is_none_or(|port| {
        let digits = port.bytes().all(|b| b.is_ascii_digit());
        digits && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    url.len() <= URL_BYTES_MAX && (named(host) || numbered(host)) && port_fits
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        // one byte takes two digits, two take three, three take four
        for shift in [18u32, 12, 6, 0].iter().take(chunk.len().saturating_add(1)) {
            let digit = usize::try_from((bits >> shift) & 63).unwrap_or(0);
            text.push(char::from(ALPHABET.get(digit).copied().unwrap_or(b'A')));
        }
    }
    text
}

/// `None` for other digits, for a length that no bytes have, and for bits after the end: each
/// byte string has one form.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0u32;
        for digit in chunk {
            let value = ALPHABET.iter().position(|known| known == digit)?;
            bits = (bits << 6) | u32::try_from(value).ok()?;
        }
        let (count, unused, mask) = match chunk.len() {
            4 => (3, 0, 0),
            3 => (2, 2, 0b11),
            2 => (1, 4, 0b1111),
            _ => return None,
        };
        if bits & mask != 0 {
            return None;
        }
        let whole = (bits >> unused).to_be_bytes();
        bytes.extend_from_slice(whole.get(4usize.saturating_sub(count)..)?);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Secret;

    fn sample() -> Invitation {
        Invitation {
            url: "https://192.168.1.7:8443".to_owned(),
            realm: Realm {
                org: OrgId([1; 16]),
                log: LogId([2; 16]),
            },
            log: Secret::from_bytes(&[3; 32]).public(),
            ca_der: (0..=255).chain(0..=200).collect(),
            token: [4; 16],
            group: GroupId([5; 16]),
            group_name: "Tổ bảo vệ an ninh trật tự ấp Giồng Me".to_owned(),
            time_s: 1_790_000_000,
            vocabulary: 1,
        }
    }

    #[test]
    fn it_comes_back_as_it_was() {
        let invitation = sample();
        let text = invitation.to_text().unwrap();
        assert_eq!(Invitation::from_text(&text), Ok(invitation.clone()));
        assert_eq!(
            Invitation::from_text(&format!(" {text}\n")),
            Ok(invitation.clone())
        );
        let without = Invitation {
            ca_der: Vec::new(),
            ..invitation
        };
        let text = without.to_text().unwrap();
        assert_eq!(Invitation::from_text(&text), Ok(without));
    }

    #[test]
    fn every_cut_and_every_other_letter_is_refused_or_says_something_else() {
        let invitation = sample();
        let text = invitation.to_text().unwrap();
        for end in 0..text.len() {
            let cut = text.get(..end).unwrap_or_default();
            assert!(Invitation::from_text(cut).is_err(), "{end}");
        }
        for at in 0..text.len() {
            for letter in ["A", "_", "=", "é", " "] {
                let mut other = text.clone();
                other.replace_range(at..=at, letter);
                if other != text {
                    assert_ne!(
                        Invitation::from_text(&other),
                        Ok(invitation.clone()),
                        "{at}"
                    );
                }
            }
        }
        for end in ["A", "AA", "AAA", "AAAA"] {
            assert!(Invitation::from_text(&format!("{text}{end}")).is_err());
        }
    }

    #[test]
    fn what_is_none_says_why() {
        let told = |text: &str| Invitation::from_text(text).unwrap_err();
        assert_eq!(told(""), InvitationError::NotOurs);
        assert_eq!(told("https://example.vn"), InvitationError::NotOurs);
        assert_eq!(told("BINHYENx:AAAA"), InvitationError::NotOurs);
        assert_eq!(told("BINHYEN2:AAAA"), InvitationError::Newer);
        assert_eq!(told("BINHYEN1:Ag"), InvitationError::Newer);
        assert_eq!(told("BINHYEN1:"), InvitationError::Damaged);
        let long = format!("BINHYEN1:{}", "A".repeat(INVITATION_CHARS_MAX));
        assert_eq!(told(&long), InvitationError::Damaged);
    }

    #[test]
    fn what_nobody_could_use_is_not_printed() {
        let with = |change: &dyn Fn(&mut Invitation)| {
            let mut invitation = sample();
            change(&mut invitation);
            invitation.to_text()
        };
        assert!(with(&|i| i.url = "http://example.vn".to_owned()).is_none());
        assert!(with(&|i| i.ca_der = vec![0; CA_BYTES_MAX + 1]).is_none());
        assert!(with(&|i| i.log = PublicKey([0; 32])).is_none());
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for good in [
            "https://binhyen.example",
            "https://10.0.0.1:8443",
            "https://[::1]:8443",
            "https://[2001:db8::1]",
        ] {
            assert!(is_server_url(good), "{good}");
        }
        for bad in [
            "binhyen.example",
            "https://",
            "https://:8443",
            "https://host:0",
            "https://host:70000",
            "https://host:+1",
            "https://host/path",
            "https://user@host",
            "https://[zz]:1",
            "https://host name",
        ] {
            assert!(!is_server_url(bad), "{bad}");
        }
    }
}
