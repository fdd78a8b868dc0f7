//! Enrolment: from the text of a QR code to a phone that may write.
//!
//! The device's key is on the disk before the first byte is sent: a phone that is switched off in
//! between asks again with the same key, and gets the same answer.

use sync_core::hub::arrival::{EnrolAnswer, EnrolRequest, digits};
use sync_core::invitation::Invitation;
use sync_core::keys::Secret;
use sync_core::replica::{LoadRow, Replica};
use sync_core::vocabulary::Vocabulary;
use zeroize::{Zeroize as _, Zeroizing};

use super::visit::Traffic;
use super::{Enrolled, Inner, Phone, TABLE_PHONE, random};
use crate::PhoneError;
use crate::store::Op;

const ROW_INVITATION: &[u8] = b"invitation";
const ROW_DEVICE: &[u8] = b"device";
const ROW_FINISHED: &[u8] = b"finished";

const OK: u16 = 200;

/// What the host sends to enrol: `POST {url}/v1/enrol` with `body`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "uniffi", derive(uniffi::Record))]
pub struct EnrolStep {
    /// Address of the server, without a path.
    pub url: String,
    /// The only authority to trust there, DER; empty for those of the system.
    pub ca_der: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
    /// What phone and console both show.
    pub digits: String,
    /// Name of the group, to be shown before anything is sent.
    pub group_name: String,
}

/// What the store says about enrolment.
#[derive(Debug)]
pub(super) enum Saved {
    /// Nothing: no code was scanned.
    Blank,
    /// A code was scanned; no answer has come.
    Asked(Box<Asked>),
    /// A server has taken the request.
    Enrolled(Box<Enrolled>),
    /// The store could not be read.
    Broken,
}

/// The invitation and the key made for it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) invitation: Invitation,
    pub(super) secret: Secret,
    pub(super) finished: bool,
    text: String,
}

impl Asked {
    /// `Err` when the rows are not what this file wrote.
    pub(super) fn from_rows(rows: &[LoadRow]) -> Result<Option<Self>, PhoneError> {
        let row = |name: &[u8]| {
            let found = rows.iter().find(|(_, key, _)| key == name);
            found.map(|(_, _, value)| value.as_slice())
        };
        let (Some(text), Some(secret)) = (row(ROW_INVITATION), row(ROW_DEVICE)) else {
            return Ok(None);
        };
        let text = std::str::from_utf8(text).map_err(|_not_text| PhoneError::BadCode)?;
        let secret: Zeroizing<[u8; 32]> = Zeroizing::new(
            secret
                .try_into()
                .map_err(|_other_length| PhoneError::BadCode)?,
        );
        Ok(Some(Self {
            invitation: Invitation::from_text(text)?,
            secret: Secret::from_bytes(&secret),
            finished: row(ROW_FINISHED).is_some(),
            text: text.to_owned(),
        }))
    }

    fn step(&self) -> EnrolStep {
        let invitation = &self.invitation;
        let request = EnrolRequest::sign(&invitation.realm, &self.secret, invitation.token);
        EnrolStep {
            url: invitation.url.clone(),
            ca_der: invitation.ca_der.clone(),
            body: request.to_bytes(),
            digits: digits_of(invitation, &self.secret),
            group_name: invitation.group_name.clone(),
        }
    }
}

fn digits_of(invitation: &Invitation, secret: &Secret) -> String {
    let (realm, log) = (&invitation.realm, &invitation.log);
    let shown = digits(realm, log, &secret.public(), &invitation.token);
    format!("{shown:06}")
}

#[cfg_attr(feature = "uniffi", uniffi::export)]
impl Phone {
    /// Reads the text of a QR code, makes the device's key and says what to send. The same code
    /// again goes on with the same key; another code, before an answer came, begins anew.
    ///
    /// # Errors
    /// `BadCode`, `UpdateApp`, `AlreadyEnrolled`, or the store's.
    pub fn enrol_begin(&self, qr_text: String) -> Result<EnrolStep, PhoneError> {
        self.lock().enrol_begin(qr_text.trim())
    }

    /// Takes the answer of the server, with its status.
    ///
    /// # Errors
    /// `CodeRefused` when a new code is needed, `Later` or `HttpStatus` when the same code can be
    /// tried again, `BadAnswer`, or the store's.
    pub fn enrol_finish(&self, status: u16, body: Vec<u8>) -> Result<(), PhoneError> {
        self.lock().enrol_finish(status, &body)
    }

    /// The six digits that the officer compares, from the first code on.
    pub fn digits(&self) -> Option<String> {
        let inner = self.lock();
        match &inner.saved {
            Saved::Asked(asked) => Some(digits_of(&asked.invitation, &asked.secret)),
            Saved::Enrolled(enrolled) => Some(digits_of(
                &enrolled.invitation,
                &enrolled.replica.identity().device,
            )),
            Saved::Blank | Saved::Broken => None,
        }
    }
}

impl Inner {
    fn enrol_begin(&mut self, text: &str) -> Result<EnrolStep, PhoneError> {
        let invitation = Invitation::from_text(text)?;
        match &self.saved {
            Saved::Enrolled(_) => return Err(PhoneError::AlreadyEnrolled),
            Saved::Broken => return Err(self.damaged()),
            Saved::Asked(asked) if asked.text == text => return Ok(asked.step()),
            Saved::Blank | Saved::Asked(_) => {}
        }
        let mut bytes = random()?;
        let asked = Asked {
            invitation,
            secret: Secret::from_bytes(&bytes),
            finished: false,
            text: text.to_owned(),
        };
        let ops = [
            put(ROW_INVITATION, text.as_bytes()),
            put(ROW_DEVICE, &bytes),
        ];
        bytes.zeroize();
        self.apply(&ops)?;
        let step = asked.step();
        self.saved = Saved::Asked(Box::new(asked));
        Ok(step)
    }

    fn enrol_finish(&mut self, status: u16, body: &[u8]) -> Result<(), PhoneError> {
        let asked = match &self.saved {
            Saved::Asked(asked) => asked,
            Saved::Enrolled(_) => return Err(PhoneError::AlreadyEnrolled),
            Saved::Blank => return Err(PhoneError::NotEnrolled),
            Saved::Broken => return Err(self.damaged()),
        };
        let answer = read_answer(status, body)?;
        if answer.group != asked.invitation.group {
            return Err(PhoneError::BadAnswer);
        }
        let mut ops = Replica::enrolled(Vocabulary::builtin(), &answer);
        ops.push(put(ROW_FINISHED, &[1]));
        let (invitation, secret) = (asked.invitation.clone(), asked.secret.clone());
        self.apply(&ops)?;
        let replica = self.load_replica(&invitation, &secret, 0)?;
        self.saved = Saved::Enrolled(Box::new(Enrolled {
            invitation,
            replica,
            traffic: Traffic::default(),
        }));
        Ok(())
    }
}

/// A refusal is told in words with a status of its own; what is busy may be asked again.
fn read_answer(status: u16, body: &[u8]) -> Result<EnrolAnswer, PhoneError> {
    match status {
        OK => EnrolAnswer::from_bytes(body).map_err(|_malformed| PhoneError::BadAnswer),
        403 | 409 => Err(PhoneError::CodeRefused {
            detail: String::from_utf8_lossy(body).trim().to_owned(),
        }),
        429 | 503 => Err(PhoneError::Later),
        _ => Err(PhoneError::HttpStatus { status }),
    }
}

fn put(key: &[u8], value: &[u8]) -> Op {
    Op::Put {
        table: TABLE_PHONE,
        key: key.to_vec(),
        value: value.to_vec(),
    }
}
