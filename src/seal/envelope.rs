//! What is written to Kafka: `schemas/envelope.v1.schema.json`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

/// Version of the envelope.
pub const ENVELOPE_VERSION: u16 = 1;

/// Something sealed. All byte strings are base64 for URLs without padding, as in JOSE
/// (RFC 7515): one choice, for every field.
///
/// Borrowed where a [`super::Sealer`] made it, so that sealing allocates nothing in the steady
/// state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Envelope<'a> {
    /// [`ENVELOPE_VERSION`].
    pub v: u16,
    /// Fingerprint of the key that opens it.
    #[serde(borrow)]
    pub key_id: Cow<'a, str>,
    /// HPKE's encapsulated key: 32 bytes.
    #[serde(borrow)]
    pub enc: Cow<'a, str>,
    /// Salt of the data key: 16 bytes.
    #[serde(borrow)]
    pub salt: Cow<'a, str>,
    /// Nonce of the cipher: 12 bytes. Absent, with the ciphertext, in a reference.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<Cow<'a, str>>,
    /// What was sealed, then the authentication tag of 16 bytes.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub ciphertext: Option<Cow<'a, str>>,
    /// Keyed digest of what was sealed, 32 bytes: present in references, and in envelopes that are
    /// so large that they may have to become one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Cow<'a, str>>,
}

impl Envelope<'_> {
    /// The same envelope, borrowing nothing.
    #[must_use]
    pub fn into_owned(self) -> Envelope<'static> {
        Envelope {
            v: self.v,
            key_id: Cow::Owned(self.key_id.into_owned()),
            enc: Cow::Owned(self.enc.into_owned()),
            salt: Cow::Owned(self.salt.into_owned()),
            nonce: self.nonce.map(owned),
            ciphertext: self.ciphertext.map(owned),
            digest: self.digest.map(owned),
        }
    }

    /// Leaves the content out: what remains is a reference that the holder of the private key can
    /// compare with a text, and nobody can guess a text from.
    pub fn make_reference(&mut self) {
        self.nonce = None;
        self.ciphertext = None;
    }

    /// Whether the content was left out.
    #[must_use]
    pub fn is_reference(&self) -> bool {
        self.ciphertext.is_none()
    }
}

fn owned(text: Cow<'_, str>) -> Cow<'static, str> {
    Cow::Owned(text.into_owned())
}

/// Appends bytes as base64.
pub(super) fn encode_into(bytes: &[u8], out: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, out);
}

/// Bytes as base64.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Bytes from base64, if it is that.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// Bytes of a fixed length from base64, if it is that.
pub(super) fn decode_array<const N: usize>(text: &str) -> Option<[u8; N]> {
    decode(text)?.try_into().ok()
}
