//! The worker's half: a public key in, envelopes out.

use std::borrow::Cow;
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hmac, rand};
use hpke::aead::AeadCtxS;
use hpke::{OpModeS, Serializable};
use zeroize::Zeroizing;

use super::envelope::{self, ENVELOPE_VERSION, Envelope};
use super::{ExportOnly, Kdf, Kem, NONCE_BYTES, PublicKey, SALT_BYTES, Subject, write_identity};
use crate::canonical::Canonical;

/// How long one key exchange serves. Shorter means that a memory image of the worker opens less
/// of what it sealed before; longer saves tens of microseconds a minute.
const RENEW_AFTER: Duration = Duration::from_secs(60);

/// From this many bytes of plaintext on an envelope carries the digest of its content: topics are
/// not set to refuse smaller records, so those never have to become a reference.
const DIGEST_FROM: usize = 16 * 1024;

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
    random: Random,
    canonical: Canonical,
    in_out: Vec<u8>,
    salt: String,
    nonce: String,
    ciphertext: String,
    digest: String,
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
            random: Random::default(),
            canonical: Canonical::default(),
            in_out: Vec::new(),
            salt: String::new(),
            nonce: String::new(),
            ciphertext: String::new(),
            digest: String::new(),
        })
    }

    /// The key that it seals for.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Seals `plaintext` for the holder of the private key, bound to `subject`. The same plaintext
    /// sealed twice gives two different envelopes.
    ///
    /// `identity` is what a reference in its place would be compared by; the digest of it goes
    /// along from 16 KiB on.
    ///
    /// # Errors
    /// [`SealError`]; nothing of the plaintext is in it.
    pub fn seal(
        &mut self,
        subject: &Subject<'_>,
        plaintext: &[u8],
        identity: &[&[u8]],
    ) -> Result<Envelope<'_>, SealError> {
        let (salt, nonce) = self.begin()?;
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
        let with_digest = plaintext.len() >= DIGEST_FROM;
        if with_digest {
            self.write_digest(subject, &salt, identity)?;
        }
        let mut envelope = self.envelope();
        envelope.nonce = Some(Cow::Borrowed(&self.nonce));
        envelope.ciphertext = Some(Cow::Borrowed(&self.ciphertext));
        envelope.digest = with_digest.then_some(Cow::Borrowed(self.digest.as_str()));
        Ok(envelope)
    }

    /// An envelope without content, only with the digest of `identity`.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn reference(
        &mut self,
        subject: &Subject<'_>,
        identity: &[&[u8]],
    ) -> Result<Envelope<'_>, SealError> {
        let (salt, _) = self.begin()?;
        fill(&mut self.salt, &salt);
        self.write_digest(subject, &salt, identity)?;
        let mut envelope = self.envelope();
        envelope.digest = Some(Cow::Borrowed(&self.digest));
        Ok(envelope)
    }

    fn begin(&mut self) -> Result<([u8; SALT_BYTES], [u8; NONCE_BYTES]), SealError> {
        if self.exchange.since.elapsed() >= self.renew_after {
            // The old context is wiped as it is dropped.
            self.exchange = Exchange::new(&self.key, &self.info)?;
        }
        self.random.next()
    }

    fn data_key(
        &mut self,
        subject: &Subject<'_>,
        salt: &[u8; SALT_BYTES],
    ) -> Result<LessSafeKey, SealError> {
        subject.write_data_context(self.key.purpose(), salt, &mut self.canonical);
        let key = self.export()?;
        let key = UnboundKey::new(&AES_256_GCM, key.as_ref()).map_err(|_| SealError::Cipher)?;
        Ok(LessSafeKey::new(key))
    }

    fn write_digest(
        &mut self,
        subject: &Subject<'_>,
        salt: &[u8; SALT_BYTES],
        identity: &[&[u8]],
    ) -> Result<(), SealError> {
        subject.write_digest_context(self.key.purpose(), salt, &mut self.canonical);
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.export()?.as_ref());
        write_identity(identity, &mut self.canonical);
        let digest = hmac::sign(&key, self.canonical.as_bytes());
        fill(&mut self.digest, digest.as_ref());
        Ok(())
    }

    fn export(&self) -> Result<Zeroizing<[u8; 32]>, SealError> {
        let mut key = Zeroizing::new([0; 32]);
        self.exchange
            .context
            .export(self.canonical.as_bytes(), key.as_mut())
            .map_err(|_| SealError::Cipher)?;
        Ok(key)
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope {
            v: ENVELOPE_VERSION,
            key_id: Cow::Borrowed(self.key.id().as_str()),
            enc: Cow::Borrowed(&self.exchange.enc),
            salt: Cow::Borrowed(&self.salt),
            nonce: None,
            ciphertext: None,
            digest: None,
        }
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

/// Salts and nonces, fetched from the generator for many envelopes at once: a call costs 0.4 µs
/// whatever its size. They are public, so keeping some ahead gives nothing away; each is used once.
struct Random {
    bytes: [u8; Self::ENVELOPES * Self::EACH],
    used: usize,
}

impl Random {
    const ENVELOPES: usize = 32;
    const EACH: usize = SALT_BYTES + NONCE_BYTES;

    fn next(&mut self) -> Result<([u8; SALT_BYTES], [u8; NONCE_BYTES]), SealError> {
        if self.used + Self::EACH > self.bytes.len() {
            rand::fill(&mut self.bytes).map_err(|_| SealError::Randomness)?;
            self.used = 0;
        }
        let mut salt = [0; SALT_BYTES];
        let mut nonce = [0; NONCE_BYTES];
        let (at, middle) = (self.used, self.used + SALT_BYTES);
        self.used += Self::EACH;
        salt.copy_from_slice(&self.bytes[at..middle]);
        nonce.copy_from_slice(&self.bytes[middle..self.used]);
        Ok((salt, nonce))
    }
}

impl Default for Random {
    fn default() -> Self {
        let bytes = [0; Self::ENVELOPES * Self::EACH];
        let used = bytes.len();
        Self { bytes, used }
    }
}

fn fill(out: &mut String, bytes: &[u8]) {
    out.clear();
    envelope::encode_into(bytes, out);
}
