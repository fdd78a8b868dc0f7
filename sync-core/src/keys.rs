//! Signing keys and the two ways to use them. Ed25519 with strict verification (D4).

use core::fmt;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::ids::KeyId;

/// A signature of 64 bytes.
pub type SignatureBytes = [u8; 64];

/// A secret key of a device or a log.
#[derive(Clone)]
pub struct Secret {
    key: SigningKey,
    id: KeyId,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.id)
    }
}

impl Secret {
    /// The key that follows from 32 secret bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let key = SigningKey::from_bytes(bytes);
        let id = KeyId::of(&key.verifying_key().to_bytes());
        Self { key, id }
    }
    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }
    /// Its short name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }
    /// Signs a preimage.
    #[must_use]
    pub fn sign(&self, preimage: &[u8]) -> SignatureBytes {
        self.key.sign(preimage).to_bytes()
    }
}

/// A public key of a device or a log.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PublicKey(pub [u8; 32]);

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

impl PublicKey {
    /// Its short name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.0)
    }
    /// Whether it is the encoding of a point that strict verification can use: a weak key would
    /// let one signature fit several messages.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| !key.is_weak())
    }
    /// Strict verification: no malleable signature, no weak key.
    #[must_use]
    pub fn verifies(&self, preimage: &[u8], signature: &SignatureBytes) -> bool {
        VerifyingKey::from_bytes(&self.0).is_ok_and(|key| {
            key.verify_strict(preimage, &Signature::from_bytes(signature))
                .is_ok()
        })
    }
}
