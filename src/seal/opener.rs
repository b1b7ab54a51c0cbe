//! The other half: a private key and an envelope in, what was sealed out.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use hpke::aead::AeadCtxR;
use hpke::{Deserializable, OpModeR};
use zeroize::Zeroizing;

use super::envelope::{ENVELOPE_VERSION, Envelope, decode, decode_array};
use super::key::KEY_BYTES;
use super::{
    ExportOnly, Kdf, Kem, NONCE_BYTES, PrivateKey, SALT_BYTES, Subject, TAG_BYTES, write_identity,
};
use crate::canonical::Canonical;

/// Why an envelope does not open. Quotes nothing of what was sealed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A version that this program does not know.
    #[error("expected envelope version {ENVELOPE_VERSION}, found {found}")]
    Version {
        /// The version in the envelope.
        found: u16,
    },
    /// It was sealed for another key.
    #[error("sealed for key {found}, this is key {expected}")]
    WrongKey {
        /// The id of the key at hand.
        expected: String,
        /// The id in the envelope.
        found: String,
    },
    /// The content was left out because it was too large.
    #[error("a reference: the content was left out because it was too large")]
    Reference,
    /// A field is not what it must be.
    #[error("`{field}` of the envelope is not {expected}")]
    Malformed {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The authentication tag does not fit: a bit was changed, or the envelope belongs to another
    /// item, kind, region or schema version.
    #[error("the envelope was altered, or belongs to another item than {id}")]
    Altered {
        /// The id that it was to be opened for.
        id: String,
    },
}

/// Opens what was sealed for one key.
pub struct Opener {
    key: PrivateKey,
    info: Vec<u8>,
    // Items of one minute share an exchange: opening them in a row does it once.
    last: Option<([u8; KEY_BYTES], AeadCtxR<ExportOnly, Kdf, Kem>)>,
    canonical: Canonical,
}

impl Opener {
    /// Opens with that key.
    #[must_use]
    pub fn new(key: PrivateKey) -> Self {
        let info = key.public().purpose().info();
        Self {
            key,
            info,
            last: None,
            canonical: Canonical::default(),
        }
    }

    /// The key that it opens with.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// What was sealed. Wiped when the caller drops it.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(
        &mut self,
        subject: &Subject<'_>,
        envelope: &Envelope<'_>,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (enc, salt) = self.check(envelope)?;
        let (Some(nonce), Some(ciphertext)) = (&envelope.nonce, &envelope.ciphertext) else {
            return Err(OpenError::Reference);
        };
        let nonce: [u8; NONCE_BYTES] = array(nonce, "nonce", "12 bytes in base64")?;
        let ciphertext = decode(ciphertext)
            .filter(|bytes| bytes.len() >= TAG_BYTES)
            .ok_or(OpenError::Malformed {
                field: "ciphertext",
                expected: "16 bytes or more in base64",
            })?;
        let mut in_out = Zeroizing::new(ciphertext);

        let purpose = self.key.public().purpose();
        subject.write_data_context(purpose, &salt, &mut self.canonical);
        let data_key = self.export(subject, &enc)?;
        let data_key =
            UnboundKey::new(&AES_256_GCM, data_key.as_ref()).map_err(|_| altered(subject))?;
        subject.write_associated_data(self.key.public().purpose(), &mut self.canonical);
        let length = LessSafeKey::new(data_key)
            .open_in_place(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(self.canonical.as_bytes()),
                &mut in_out,
            )
            .map_err(|_| altered(subject))?
            .len();
        in_out.truncate(length);
        Ok(in_out)
    }

    /// Whether the envelope's digest is that of `identity`; `None` where it has no digest.
    ///
    /// # Errors
    /// [`OpenError`] where the envelope is not for this key, or malformed.
    pub fn is_digest_of(
        &mut self,
        subject: &Subject<'_>,
        envelope: &Envelope<'_>,
        identity: &[&[u8]],
    ) -> Result<Option<bool>, OpenError> {
        let (enc, salt) = self.check(envelope)?;
        let Some(digest) = &envelope.digest else {
            return Ok(None);
        };
        let digest: [u8; 32] = array(digest, "digest", "32 bytes in base64")?;
        let purpose = self.key.public().purpose();
        subject.write_digest_context(purpose, &salt, &mut self.canonical);
        let key = self.export(subject, &enc)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        write_identity(identity, &mut self.canonical);
        Ok(Some(
            hmac::verify(&key, self.canonical.as_bytes(), &digest).is_ok(),
        ))
    }

    /// Version and key, then the encapsulated key and the salt.
    fn check(
        &self,
        envelope: &Envelope<'_>,
    ) -> Result<([u8; KEY_BYTES], [u8; SALT_BYTES]), OpenError> {
        if envelope.v != ENVELOPE_VERSION {
            return Err(OpenError::Version { found: envelope.v });
        }
        let expected = self.key.public().id();
        if envelope.key_id != expected.as_str() {
            return Err(OpenError::WrongKey {
                expected: expected.to_string(),
                found: envelope.key_id.chars().take(32).collect(),
            });
        }
        let enc = array(&envelope.enc, "enc", "32 bytes in base64")?;
        let salt = array(&envelope.salt, "salt", "16 bytes in base64")?;
        Ok((enc, salt))
    }

    /// The key that the exporter context in `canonical` stands for.
    fn export(
        &mut self,
        subject: &Subject<'_>,
        enc: &[u8; KEY_BYTES],
    ) -> Result<Zeroizing<[u8; 32]>, OpenError> {
        let context = match &mut self.last {
            Some((last, context)) if last == enc => context,
            last => {
                let encapped = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc)
                    .map_err(|_| altered(subject))?;
                let context = hpke::setup_receiver::<ExportOnly, Kdf, Kem>(
                    &OpModeR::Base,
                    &self.key.hpke,
                    &encapped,
                    &self.info,
                )
                .map_err(|_| altered(subject))?;
                &mut last.insert((*enc, context)).1
            }
        };
        let mut key = Zeroizing::new([0; 32]);
        context
            .export(self.canonical.as_bytes(), key.as_mut())
            .map_err(|_| altered(subject))?;
        Ok(key)
    }
}

fn altered(subject: &Subject<'_>) -> OpenError {
    OpenError::Altered {
        id: subject.id.to_owned(),
    }
}

fn array<const N: usize>(
    text: &str,
    field: &'static str,
    expected: &'static str,
) -> Result<[u8; N], OpenError> {
    decode_array(text).ok_or(OpenError::Malformed { field, expected })
}
