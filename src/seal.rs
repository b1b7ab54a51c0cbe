//! Sealing: what leaves the worker with people's words in it is readable only by the holder of a
//! private key that the worker does not have.
//!
//! ```text
//! public key of the region ─ HPKE setup, renewed each minute ─▶ exporter ─┐
//! 16 random bytes, item id ─────────────────────────────────────────────┴▶ data key of the item
//! data key, random nonce, item's identity as associated data ─ AES-256-GCM ─▶ Envelope (JSON)
//! ```
//!
//! The scheme is HPKE (RFC 9180) with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and *export-only*
//! mode. The X25519 exchange costs tens of microseconds, so one exchange serves a minute of items;
//! each item still has a key of its own, made by the context's export interface (section 5.3):
//! `data_key = Export("dmwatch/…/v1" ‖ salt ‖ item id, 32)`.
//!
//! Why export, and not the context's own `Seal`: `Seal` numbers its messages, and a reader has to
//! know the number and the order. Export is stateless. Every envelope can be opened alone, in any
//! order, after any loss; there is no counter that a crash, a retry or a second thread could
//! reuse; and a data key handed out for one item (a legal request, say) opens no other.
//!
//! An envelope can shed its content and keep a *digest* of it (HMAC-SHA256 under a second exported
//! key), so that a reference to a message that was too large can still be compared with the message
//! itself. A plain SHA-256 of a short text beside it would be as good as the text: whoever reads
//! the topic tries likely texts until one fits. A key that all workers share would have to be kept
//! secret on each of them. The exported key is known to the holder of the private key only.
//!
//! The associated data binds an envelope to its kind, item id, region and schema version, so that
//! it cannot be moved under another item or into another region's queue. The sending context and
//! its ephemeral secret are dropped when the minute is over: from then on nothing in the worker's
//! memory opens what it sealed.
//!
//! - [`PublicKey`], [`PrivateKey`]: keys of a region or of the dead letters; [`key_file`] keeps
//!   them in files.
//! - [`Sealer`]: one per region and shard thread; it is `Send` and takes no lock.
//! - [`Opener`]: for the holder of the private key.
//! - [`Envelope`]: what is written to Kafka.

use serde::{Deserialize, Serialize};

use crate::canonical::Canonical;

mod envelope;
mod key;
pub mod key_file;
mod opener;
mod sealer;

#[cfg(test)]
mod tests;

pub use envelope::{ENVELOPE_VERSION, Envelope};
pub(crate) use envelope::{decode as decode_base64, encode as encode_base64};
pub use key::{KeyError, KeyId, PrivateKey, PublicKey, Purpose};
pub use opener::{OpenError, Opener};
pub use sealer::{SealError, Sealer};

/// The encapsulation: DHKEM(X25519, HKDF-SHA256).
type Kem = hpke::kem::X25519HkdfSha256;
/// The key schedule: HKDF-SHA256.
type Kdf = hpke::kdf::HkdfSha256;
/// No cipher of HPKE's own: the context only exports data keys.
type ExportOnly = hpke::aead::ExportOnlyAead;

/// The scheme, as key files name it.
pub const SUITE: &str = "DHKEM(X25519,HKDF-SHA256)+HKDF-SHA256+export-only/AES-256-GCM";

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Evidence of a flagged message.
    Flag,
    /// Evidence of a user's report.
    Report,
    /// Evidence of a sender pattern.
    Pattern,
    /// Key and value of a record that could not be judged.
    DeadLetter,
}

impl Kind {
    /// The name used in topics and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Flag => "flag",
            Kind::Report => "report",
            Kind::Pattern => "pattern",
            Kind::DeadLetter => "dead_letter",
        }
    }
}

/// What an envelope belongs to. Sealer and opener must agree on every part, otherwise it does not
/// open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// What it is.
    pub kind: Kind,
    /// The item's id, or the source coordinates of a dead letter.
    pub id: &'a str,
    /// Version of the schema of what was sealed.
    pub schema: u16,
}

impl Subject<'_> {
    /// The associated data of the cipher.
    fn write_associated_data(&self, purpose: &Purpose, out: &mut Canonical) {
        out.start("dmwatch/associated-data/v1")
            .text(self.kind.as_str())
            .text(self.id)
            .text(purpose.region().unwrap_or(""))
            .number(i64::from(self.schema));
    }

    /// The exporter context that the data key is made from.
    fn write_data_context(&self, purpose: &Purpose, salt: &[u8; SALT_BYTES], out: &mut Canonical) {
        out.start(purpose.domain()).bytes(salt).text(self.id);
    }

    /// The exporter context that the digest's key is made from.
    fn write_digest_context(
        &self,
        purpose: &Purpose,
        salt: &[u8; SALT_BYTES],
        out: &mut Canonical,
    ) {
        out.start("dmwatch/digest/v1")
            .text(purpose.domain())
            .bytes(salt)
            .text(self.id);
    }
}

/// What a digest is computed over: parts, with their borders.
fn write_identity(parts: &[&[u8]], out: &mut Canonical) {
    out.start("dmwatch/identity/v1");
    for part in parts {
        out.bytes(part);
    }
}

/// Bytes of the random salt that makes each data key its own.
const SALT_BYTES: usize = 16;
/// Bytes of the nonce of AES-256-GCM.
const NONCE_BYTES: usize = 12;
/// Bytes of the authentication tag at the end of a ciphertext.
const TAG_BYTES: usize = 16;
