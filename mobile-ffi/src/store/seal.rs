//! Sealing: every value lies on the phone encrypted and bound to its place.
//!
//! A sealed value is `format (1 byte) ‖ nonce (24 bytes) ‖ ciphertext and tag`, under
//! XChaCha20-Poly1305. The place (table and key) is associated data: without it, somebody who can
//! write the file could move a value under another key and it would still open.
//!
//! Keys of rows are not encrypted. They are names chosen by the core, so they must carry nothing
//! that a person wrote.

use std::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use zeroize::Zeroizing;

use super::StoreError;

/// First byte of every sealed value; another number means another layout or cipher.
const FORMAT: u8 = 1;
const NONCE_BYTES: usize = 24;
const HEAD_BYTES: usize = 1 + NONCE_BYTES;
/// What the key check value says once it is opened. Its content is no secret.
const KEY_CHECK: &[u8] = b"binhyen phone store";

/// The store's key, as kept by the host's keystore. It is wiped when dropped and never printed.
#[derive(Clone)]
pub struct StoreKey(Zeroizing<[u8; Self::BYTES]>);

impl StoreKey {
    /// Length of a key.
    pub const BYTES: usize = 32;

    /// Takes the key's bytes; the caller wipes its own copy.
    pub fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Takes a key as a host hands it over; `None` if its length is not [`StoreKey::BYTES`].
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::new)
    }
}

impl fmt::Debug for StoreKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("StoreKey(..)")
    }
}

/// A nonce for one sealing. Twenty-four random bytes do not repeat in the life of a key, so no
/// counter has to survive a restored backup.
pub(super) struct Nonce([u8; NONCE_BYTES]);

impl Nonce {
    /// Asks the operating system for a nonce.
    pub(super) fn random() -> Result<Self, StoreError> {
        let mut bytes = [0; NONCE_BYTES];
        // The cause is dropped because no screen can do anything about it.
        getrandom::fill(&mut bytes).map_err(|_cause| StoreError::NoRandomness)?;
        Ok(Self(bytes))
    }
}

/// Where a sealed value belongs.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The value that tells a wrong key from a right one.
    KeyCheck,
    /// A row of the store.
    Item {
        /// The row's table.
        table: u8,
        /// The row's key.
        key: &'a [u8],
    },
}

impl Place<'_> {
    /// One byte for the key check, two or more for an item: no two places read the same.
    fn associated_data(self) -> Vec<u8> {
        match self {
            Self::KeyCheck => vec![FORMAT],
            Self::Item { table, key } => [&[FORMAT, table], key].concat(),
        }
    }
}

/// The sealed value does not open: wrong key, wrong place, or changed bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unopenable;

/// Seals and opens values under one key.
pub(super) struct Sealer {
    cipher: XChaCha20Poly1305,
}

impl Sealer {
    pub(super) fn new(key: &StoreKey) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(&Key::from(*key.0)),
        }
    }

    /// Seals the value of a row, under a nonce of its own.
    pub(super) fn seal_row(
        &self,
        table: u8,
        key: &[u8],
        value: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        self.seal(Place::Item { table, key }, &Nonce::random()?, value)
    }

    /// Opens the value of a row; one that does not open is damage at that row.
    pub(super) fn unseal_row(
        &self,
        table: u8,
        key: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let opened = self.unseal(Place::Item { table, key }, sealed);
        opened.map_err(|_unopenable| StoreError::Damaged {
            table,
            key: key.to_vec(),
        })
    }

    /// Seals `value` for `place`.
    pub(super) fn seal(
        &self,
        place: Place<'_>,
        nonce: &Nonce,
        value: &[u8],
    ) -> Result<Vec<u8>, StoreError> {
        let aad = place.associated_data();
        let body = self
            .cipher
            .encrypt(
                &XNonce::from(nonce.0),
                Payload {
                    msg: value,
                    aad: &aad,
                },
            )
            // The cipher refuses only lengths far above `VALUE_BYTES_MAX`.
            .map_err(|_length| StoreError::TooLarge)?;
        Ok([&[FORMAT], nonce.0.as_slice(), &body].concat())
    }

    /// Opens what [`Sealer::seal`] made for the same place.
    pub(super) fn unseal(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, Unopenable> {
        let (head, body) = sealed.split_first_chunk::<HEAD_BYTES>().ok_or(Unopenable)?;
        let [format, nonce @ ..] = *head;
        if format != FORMAT {
            return Err(Unopenable);
        }
        let aad = place.associated_data();
        self.cipher
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: body,
                    aad: &aad,
                },
            )
            .map_err(|_tag| Unopenable)
    }

    /// Makes the value by which a later start recognizes this key.
    pub(super) fn seal_key_check(&self, nonce: &Nonce) -> Result<Vec<u8>, StoreError> {
        self.seal(Place::KeyCheck, nonce, KEY_CHECK)
    }

    /// Says whether `sealed` was made by [`Sealer::seal_key_check`] under this key.
    pub(super) fn recognizes(&self, sealed: &[u8]) -> bool {
        self.unseal(Place::KeyCheck, sealed)
            .is_ok_and(|opened| opened == KEY_CHECK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place::Item {
        table: 3,
        key: b"ana",
    };

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&StoreKey::new([byte; StoreKey::BYTES]))
    }

    #[test]
    fn a_value_opens_only_at_its_own_place() {
        let sealer = sealer(1);
        let sealed = sealer
            .seal(PLACE, &Nonce([7; NONCE_BYTES]), b"rice")
            .unwrap();
        assert_eq!(sealer.unseal(PLACE, &sealed).unwrap(), b"rice");
        let elsewhere = [
            Place::Item {
                table: 4,
                key: b"ana",
            },
            Place::Item {
                table: 3,
                key: b"bo",
            },
            Place::Item { table: 3, key: b"" },
            Place::KeyCheck,
        ];
        for place in elsewhere {
            assert_eq!(sealer.unseal(place, &sealed), Err(Unopenable));
        }
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let sealer = sealer(1);
        let sealed = sealer
            .seal(PLACE, &Nonce([7; NONCE_BYTES]), b"rice")
            .unwrap();
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(sealer.unseal(PLACE, &changed), Err(Unopenable), "byte {at}");
            assert_eq!(
                sealer.unseal(PLACE, &sealed[..at]),
                Err(Unopenable),
                "cut at {at}"
            );
        }
    }

    #[test]
    fn the_layout_is_a_promise() {
        let sealed = sealer(1)
            .seal(PLACE, &Nonce([7; NONCE_BYTES]), b"rice")
            .unwrap();
        assert_eq!(sealed[0], FORMAT);
        assert_eq!(sealed[1..HEAD_BYTES], [7; NONCE_BYTES]);
        assert_eq!(sealed.len(), HEAD_BYTES + b"rice".len() + 16);
        // Stores in the field hold these bytes: a change here needs a new FORMAT.
        assert_eq!(sealed[HEAD_BYTES..], GOLDEN);
    }

    const GOLDEN: [u8; 20] = [
        239, 69, 235, 141, 114, 183, 84, 153, 241, 24, 30, 169, 56, 235, 120, 103, 105, 43, 2, 8,
    ];

    #[test]
    fn a_key_is_recognized_and_never_printed() {
        let check = sealer(1).seal_key_check(&Nonce::random().unwrap()).unwrap();
        assert!(sealer(1).recognizes(&check));
        assert!(!sealer(2).recognizes(&check));
        assert_eq!(
            format!("{:?}", StoreKey::new([9; StoreKey::BYTES])),
            "StoreKey(..)"
        );
        assert!(StoreKey::from_slice(&[0; 31]).is_none());
    }

    #[test]
    fn nonces_differ() {
        assert_ne!(Nonce::random().unwrap().0, Nonce::random().unwrap().0);
    }
}
