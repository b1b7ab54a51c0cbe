//! Secrets, which cannot be printed.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use zeroize::Zeroizing;

/// No password, token or client secret is longer.
const MAX_BYTES: u64 = 64 * 1024;

/// A secret read from a file.
///
/// It has no `Debug`, `Display` or `Serialize`, and its memory is wiped when it is dropped:
/// [`Secret::reveal`] is the one way to read it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

/// Why a secret could not be read. Never holds a part of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file could not be read.
    #[error("cannot read it: {0}")]
    Read(#[from] io::Error),
    /// The file holds no line of text.
    #[error("it is empty")]
    Empty,
    /// The file is not a text file.
    #[error("it is not UTF-8 text of at most 64 KiB")]
    NotText,
}

impl Secret {
    /// A secret from elsewhere than a file.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self(Zeroizing::new(secret.into()))
    }

    /// Reads a secret from a file: its whole content, without the line break at the end.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn read(path: &Path) -> Result<Self, SecretError> {
        let mut bytes = Zeroizing::new(Vec::new());
        File::open(path)?
            .take(MAX_BYTES + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(SecretError::NotText);
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| SecretError::NotText)?;
        let text = text.strip_suffix('\n').unwrap_or(text);
        let text = text.strip_suffix('\r').unwrap_or(text);
        if text.is_empty() {
            return Err(SecretError::Empty);
        }
        Ok(Self::new(text))
    }

    /// The secret itself, to hand to the library that needs it, never for output.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(content: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        Secret::read(file.path())
            .map(|secret| secret.reveal().to_owned())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn only_the_last_line_break_is_dropped() {
        assert_eq!(read(b" hunter2 \n"), Ok(" hunter2 ".into()));
        assert_eq!(read(b"hunter2\r\n"), Ok("hunter2".into()));
        assert_eq!(read(b"a\nb\n\n"), Ok("a\nb\n".into()));
    }

    #[test]
    fn what_is_no_secret_is_refused_without_quoting_it() {
        assert_eq!(read(b"\n"), Err("it is empty".into()));
        let not_text = read(b"canary\xff").unwrap_err();
        assert!(!not_text.contains("canary"));
        assert_eq!(read(&vec![b'a'; 70_000]).unwrap_err(), not_text);
    }
}
