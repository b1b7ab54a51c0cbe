//! Key pairs: what they are for, their fingerprints, and the signature of replays.

use std::fmt;

use aws_lc_rs::encoding::AsBigEndian as _;
use aws_lc_rs::rand;
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use hpke::{Deserializable, Kem as _, Serializable};
use zeroize::Zeroizing;

use super::Kem;
use crate::canonical::{Canonical, hex};

/// Bytes of an X25519 or Ed25519 key, public or private.
pub(super) const KEY_BYTES: usize = 32;

/// What a key pair is for. It is part of the fingerprint and of every derivation, so a key of one
/// region cannot be passed off as another's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Evidence of that region's review items.
    Evidence {
        /// The region's name, as in the settings.
        region: String,
    },
    /// Records that could not be judged, and the signature of their replays.
    DeadLetter,
}

impl Purpose {
    /// The region, if it is a region's key.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        match self {
            Purpose::Evidence { region } => Some(region),
            Purpose::DeadLetter => None,
        }
    }

    /// The domain of every derivation.
    pub(super) const fn domain(&self) -> &'static str {
        match self {
            Purpose::Evidence { .. } => "dmwatch/evidence/v1",
            Purpose::DeadLetter => "dmwatch/dead-letter/v1",
        }
    }

    /// The name used in key files: `evidence` or `dead-letter`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Purpose::Evidence { .. } => "evidence",
            Purpose::DeadLetter => "dead-letter",
        }
    }

    /// HPKE's `info`: both sides have to mean the same purpose and region.
    pub(super) fn info(&self) -> Vec<u8> {
        let mut info = Canonical::default();
        info.start(self.domain()).text(self.region().unwrap_or(""));
        info.as_bytes().to_vec()
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Purpose::Evidence { region } => write!(f, "evidence of region `{region}`"),
            Purpose::DeadLetter => f.write_str("dead letters"),
        }
    }
}

/// Short fingerprint of a public key with its purpose: the first 8 bytes of a SHA-256, as 16
/// hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct KeyId(String);

impl KeyId {
    /// The 16 digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a key could not be made or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are no key of that type.
    #[error("expected {expected}, found {found} bytes that are not one")]
    NotAKey {
        /// Which key.
        expected: &'static str,
        /// How many bytes there were.
        found: usize,
    },
    /// A private key whose public half is another than the one beside it.
    #[error("the private and the public half of the {0} key do not belong together")]
    Mismatch(&'static str),
    /// Dead letters have a signing key; regions have none.
    #[error("a key for {purpose} {rule}")]
    Signing {
        /// What the key is for.
        purpose: String,
        /// What it must or must not have.
        rule: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
}

/// A public key: seals, and verifies replays. Nothing in it is secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    purpose: Purpose,
    id: KeyId,
    pub(super) hpke: <Kem as hpke::Kem>::PublicKey,
    verifying: Option<[u8; KEY_BYTES]>,
}

impl PublicKey {
    pub(super) fn from_bytes(
        purpose: Purpose,
        hpke: &[u8],
        verifying: Option<&[u8]>,
    ) -> Result<Self, KeyError> {
        let rule = match (&purpose, verifying) {
            (Purpose::DeadLetter, None) => Some("needs a signing key for replays"),
            (Purpose::Evidence { .. }, Some(_)) => Some("must not have a signing key"),
            _ => None,
        };
        if let Some(rule) = rule {
            return Err(KeyError::Signing {
                purpose: purpose.to_string(),
                rule,
            });
        }
        let hpke_key =
            <Kem as hpke::Kem>::PublicKey::from_bytes(hpke).map_err(|_| KeyError::NotAKey {
                expected: "an X25519 public key of 32 bytes",
                found: hpke.len(),
            })?;
        let verifying = verifying
            .map(|bytes| {
                bytes.try_into().map_err(|_| KeyError::NotAKey {
                    expected: "an Ed25519 public key of 32 bytes",
                    found: bytes.len(),
                })
            })
            .transpose()?;
        let id = fingerprint(&purpose, hpke, verifying.as_ref());
        Ok(Self {
            purpose,
            id,
            hpke: hpke_key,
            verifying,
        })
    }

    /// What it is for.
    #[must_use]
    pub fn purpose(&self) -> &Purpose {
        &self.purpose
    }

    /// Its fingerprint, as in envelopes.
    #[must_use]
    pub fn id(&self) -> &KeyId {
        &self.id
    }

    pub(super) fn hpke_bytes(&self) -> [u8; KEY_BYTES] {
        self.hpke.to_bytes().into()
    }

    pub(super) fn verifying_bytes(&self) -> Option<&[u8; KEY_BYTES]> {
        self.verifying.as_ref()
    }

    /// Whether the holder of the private half signed that message. Always false for a region's
    /// key.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifying.is_some_and(|verifying| {
            UnparsedPublicKey::new(&ED25519, verifying)
                .verify(message, signature)
                .is_ok()
        })
    }
}

fn fingerprint(purpose: &Purpose, hpke: &[u8], verifying: Option<&[u8; KEY_BYTES]>) -> KeyId {
    let mut bytes = Canonical::default();
    bytes
        .start("dmwatch/key/v1")
        .text(purpose.as_str())
        .text(purpose.region().unwrap_or(""))
        .bytes(hpke)
        .optional(verifying.map(|key| key.as_slice()));
    let digest = bytes.sha256();
    let (short, _) = digest.split_at(8);
    KeyId(hex(short))
}

/// A private key: opens, and signs replays. It has no `Debug`; its parts are wiped on drop.
pub struct PrivateKey {
    public: PublicKey,
    pub(super) hpke: <Kem as hpke::Kem>::PrivateKey,
    signing: Option<Ed25519KeyPair>,
}

impl PrivateKey {
    /// A new key pair.
    ///
    /// # Errors
    /// [`KeyError::Randomness`] where the operating system gives none.
    pub fn generate(purpose: Purpose) -> Result<Self, KeyError> {
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        rand::fill(seed.as_mut()).map_err(|_| KeyError::Randomness)?;
        let (hpke, hpke_public) = Kem::derive_keypair(seed.as_ref());
        let signing = match purpose {
            Purpose::Evidence { .. } => None,
            Purpose::DeadLetter => {
                Some(Ed25519KeyPair::generate().map_err(|_| KeyError::Randomness)?)
            }
        };
        let verifying = signing.as_ref().map(|pair| pair.public_key().as_ref());
        let public = PublicKey::from_bytes(purpose, &hpke_public.to_bytes(), verifying)?;
        Ok(Self {
            public,
            hpke,
            signing,
        })
    }

    /// Puts a key together from its parts and checks that they belong together.
    pub(super) fn from_bytes(
        public: PublicKey,
        hpke: &[u8],
        signing_seed: Option<&[u8]>,
    ) -> Result<Self, KeyError> {
        let found = hpke.len();
        let hpke =
            <Kem as hpke::Kem>::PrivateKey::from_bytes(hpke).map_err(|_| KeyError::NotAKey {
                expected: "an X25519 private key of 32 bytes",
                found,
            })?;
        if Kem::sk_to_pk(&hpke) != public.hpke {
            return Err(KeyError::Mismatch("X25519"));
        }
        let signing = match (public.verifying, signing_seed) {
            (None, None) => None,
            (Some(verifying), Some(seed)) => Some(
                Ed25519KeyPair::from_seed_and_public_key(seed, &verifying)
                    .map_err(|_| KeyError::Mismatch("Ed25519"))?,
            ),
            _ => return Err(KeyError::Mismatch("Ed25519")),
        };
        Ok(Self {
            public,
            hpke,
            signing,
        })
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a message (Ed25519). `None` for a region's key, which signs nothing.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let signature = self.signing.as_ref()?.try_sign(message).ok()?;
        Some(signature.as_ref().to_vec())
    }

    pub(super) fn hpke_bytes(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        self.hpke.write_exact(bytes.as_mut());
        bytes
    }

    pub(super) fn signing_seed(&self) -> Result<Option<Zeroizing<Vec<u8>>>, KeyError> {
        self.signing
            .as_ref()
            .map(|pair| {
                let seed = pair.seed().and_then(|seed| seed.as_be_bytes());
                let seed = seed.map_err(|_| KeyError::Mismatch("Ed25519"))?;
                Ok(Zeroizing::new(seed.as_ref().to_vec()))
            })
            .transpose()
    }
}
