//! The worker's half: a public key in, envelopes out.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use hpke::aead::AeadCtxS;
use hpke::{OpModeS, Serializable};
use zeroize::Zeroizing;

use super::envelope::{self, ENVELOPE_VERSION, Envelope};
use super::{ExportOnly, Kdf, Kem, NONCE_BYTES, PublicKey, SALT_BYTES, Subject};
use crate::canonical::Canonical;

/// How long one key exchange serves. Shorter means that a memory image of the worker opens less
/// of what it sealed before; longer saves tens of microseconds a minute.
const RENEW_AFTER: Duration = Duration::from_secs(60);

/// Why something could not be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The public key is a point that HPKE refuses (of small order).
    #[error("the public key is not usable: the key exchange with it has no secret")]
    UnusableKey,
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness")]
    Randomness,
    /// Deriving the data key or encrypting failed inside the library.
    #[error("the cipher refused to seal")]
    Cipher,
}

/// Seals for one public key. One per shard thread: it has no lock, and can be sent to its thread.
pub struct Sealer {
    key: PublicKey,
    info: Vec<u8>,
    renew_after: Duration,
    exchange: Exchange,
    canonical: Canonical,
    in_out: Vec<u8>,
    salt: String,
    nonce: String,
    ciphertext: String,
}

/// One HPKE sender context and the key it was encapsulated in.
struct Exchange {
    context: AeadCtxS<ExportOnly, Kdf, Kem>,
    enc: String,
    since: Instant,
}

impl Sealer {
    /// Seals for that key. Does the first key exchange, so that an unusable key is found here.
    ///
    /// # Errors
    /// [`SealError::UnusableKey`].
    pub fn new(key: PublicKey) -> Result<Self, SealError> {
        let info = key.purpose().info();
        let exchange = Exchange::new(&key, &info)?;
        Ok(Self {
            key,
            info,
            renew_after: RENEW_AFTER,
            exchange,
            canonical: Canonical::default(),
            in_out: Vec::new(),
            salt: String::new(),
            nonce: String::new(),
            ciphertext: String::new(),
        })
    }

    /// The key that it seals for.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Seals `plaintext` for the holder of the private key, bound to `subject`.
    ///
    /// The same plaintext sealed twice gives two different envelopes.
    ///
    /// # Errors
    /// [`SealError`]; nothing of the plaintext is in it.
    pub fn seal(
        &mut self,
        subject: &Subject<'_>,
        plaintext: &[u8],
    ) -> Result<Envelope<'_>, SealError> {
        if self.exchange.since.elapsed() >= self.renew_after {
            // The old context is wiped as it is dropped.
            self.exchange = Exchange::new(&self.key, &self.info)?;
        }
        let mut random = [0; SALT_BYTES + NONCE_BYTES];
        rand::fill(&mut random).map_err(|_| SealError::Randomness)?;
        let (salt, nonce) = split(&random);

        let data_key = self.data_key(subject, &salt)?;
        self.in_out.clear();
        self.in_out.extend_from_slice(plaintext);
        subject.write_associated_data(self.key.purpose(), &mut self.canonical);
        data_key
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.canonical.as_bytes()),
                &mut self.in_out,
            )
            .map_err(|_| SealError::Cipher)?;

        fill(&mut self.salt, &salt);
        fill(&mut self.nonce, &nonce);
        fill(&mut self.ciphertext, &self.in_out);
        Ok(Envelope {
            v: ENVELOPE_VERSION,
            key_id: Cow::Borrowed(self.key.id().as_str()),
            enc: Cow::Borrowed(&self.exchange.enc),
            salt: Cow::Borrowed(&self.salt),
            nonce: Cow::Borrowed(&self.nonce),
            ciphertext: Cow::Borrowed(&self.ciphertext),
        })
    }

    fn data_key(
        &mut self,
        subject: &Subject<'_>,
        salt: &[u8; SALT_BYTES],
    ) -> Result<LessSafeKey, SealError> {
        subject.write_exporter_context(self.key.purpose(), salt, &mut self.canonical);
        let mut key = Zeroizing::new([0; 32]);
        self.exchange
            .context
            .export(self.canonical.as_bytes(), key.as_mut())
            .map_err(|_| SealError::Cipher)?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| SealError::Cipher)?;
        Ok(LessSafeKey::new(key))
    }

    /// For tests: a sealer that renews its context after another time.
    #[cfg(test)]
    pub(super) fn renewing_after(mut self, renew_after: Duration) -> Self {
        self.renew_after = renew_after;
        self
    }
}

impl Exchange {
    fn new(key: &PublicKey, info: &[u8]) -> Result<Self, SealError> {
        let (enc, context) =
            hpke::setup_sender::<ExportOnly, Kdf, Kem>(&OpModeS::Base, &key.hpke, info)
                .map_err(|_| SealError::UnusableKey)?;
        Ok(Self {
            context,
            enc: envelope::encode(&enc.to_bytes()),
            since: Instant::now(),
        })
    }
}

fn split(random: &[u8; SALT_BYTES + NONCE_BYTES]) -> ([u8; SALT_BYTES], [u8; NONCE_BYTES]) {
    let mut salt = [0; SALT_BYTES];
    let mut nonce = [0; NONCE_BYTES];
    salt.copy_from_slice(&random[..SALT_BYTES]);
    nonce.copy_from_slice(&random[SALT_BYTES..]);
    (salt, nonce)
}

fn fill(out: &mut String, bytes: &[u8]) {
    out.clear();
    envelope::encode_into(bytes, out);
}
