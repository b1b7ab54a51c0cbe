//! One unambiguous way to turn several values into bytes that are hashed, signed or bound to a
//! ciphertext.
//!
//! Each value is written as its length (32 bits, big endian) and its bytes. Without lengths, `ab`
//! and `c` would give the same bytes as `a` and `bc`, and an id or a signature of one could pass
//! for the other. Every use starts with a domain, so that bytes made for one purpose never fit
//! another.

use aws_lc_rs::digest;

/// A value under construction. Reuse it: [`Canonical::start`] keeps the buffer.
#[derive(Default)]
pub(crate) struct Canonical(Vec<u8>);

impl Canonical {
    /// Begins a new value in that domain.
    pub(crate) fn start(&mut self, domain: &str) -> &mut Self {
        self.0.clear();
        self.bytes(domain.as_bytes())
    }

    /// Adds bytes.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        // No record or id is near 4 GiB: Kafka's own length fields are signed 32-bit numbers.
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds text.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        self.bytes(text.as_bytes())
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    /// Adds bytes that may be absent: absent and empty differ.
    pub(crate) fn optional(&mut self, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            None => self.bytes(&[0]),
            Some(bytes) => self.bytes(&[1]).bytes(bytes),
        }
    }

    /// The bytes so far.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the bytes so far.
    pub(crate) fn sha256(&self) -> [u8; 32] {
        sha256(&self.0)
    }
}

/// Reads what [`Canonical`] wrote. Every method gives `None` where the bytes are not that.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads a value of that domain.
    pub(crate) fn new(bytes: &'a [u8], domain: &str) -> Option<Self> {
        let mut reader = Self(bytes);
        (reader.bytes()? == domain.as_bytes()).then_some(reader)
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let (length, rest) = self.0.split_first_chunk::<4>()?;
        let (bytes, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(crate) fn number(&mut self) -> Option<i64> {
        Some(i64::from_be_bytes(self.bytes()?.try_into().ok()?))
    }

    /// `Some(None)` is absent.
    pub(crate) fn optional(&mut self) -> Option<Option<&'a [u8]>> {
        match self.bytes()? {
            [0] => Some(None),
            [1] => Some(Some(self.bytes()?)),
            _ => None,
        }
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    // The digest has 32 bytes; zip cannot go out of range whatever it has.
    for (to, from) in out
        .iter_mut()
        .zip(digest::digest(&digest::SHA256, bytes).as_ref())
    {
        *to = *from;
    }
    out
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|nibble| char::from(DIGITS[usize::from(nibble)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_between_values_count() {
        let mut one = Canonical::default();
        let mut two = Canonical::default();
        one.start("d").text("ab").text("c");
        two.start("d").text("a").text("bc");
        assert_ne!(one.as_bytes(), two.as_bytes());
        assert_ne!(one.sha256(), two.sha256());
    }

    #[test]
    fn absent_and_empty_differ() {
        let mut one = Canonical::default();
        let mut two = Canonical::default();
        one.start("d").optional(None);
        two.start("d").optional(Some(b""));
        assert_ne!(one.as_bytes(), two.as_bytes());
    }

    #[test]
    fn what_was_written_reads_back() {
        let mut out = Canonical::default();
        out.start("d")
            .number(-7)
            .optional(None)
            .optional(Some(b""))
            .text("x");
        let bytes = out.as_bytes();
        let mut reader = Reader::new(bytes, "d").unwrap();
        assert_eq!(reader.number(), Some(-7));
        assert_eq!(reader.optional(), Some(None));
        assert_eq!(reader.optional(), Some(Some(&b""[..])));
        assert_eq!(reader.bytes(), Some(&b"x"[..]));
        assert_eq!(reader.bytes(), None);
        assert!(Reader::new(bytes, "e").is_none());
        for cut in 0..bytes.len() {
            let Some(mut reader) = Reader::new(&bytes[..cut], "d") else {
                continue;
            };
            let all = (|| {
                reader.number()?;
                reader.optional()?;
                reader.optional()?;
                reader.bytes()
            })();
            assert_eq!(all, None, "cut at {cut}");
        }
    }

    #[test]
    fn sha256_is_sha256() {
        assert_eq!(
            hex(&sha256(b"abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
