//! What can be wrong with a record. Nothing here quotes it: its values are people's words.

use std::cell::Cell;
use std::fmt;

use thiserror::Error;

/// Why a record could not be decoded. A closed list: it goes into metrics and into the headers of
/// dead letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DecodeReason {
    /// The record has no value, or an empty one.
    EmptyValue,
    /// The value is not UTF-8.
    InvalidUtf8,
    /// The value is not JSON, is cut off, or has something behind it.
    InvalidJson,
    /// A required field is missing, null or empty.
    MissingField,
    /// A field has another type than the schema's.
    WrongType,
    /// A field stands twice in its object.
    DuplicateField,
}

impl DecodeReason {
    /// The name used in metrics and headers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EmptyValue => "empty_value",
            Self::InvalidUtf8 => "invalid_utf8",
            Self::InvalidJson => "invalid_json",
            Self::MissingField => "missing_field",
            Self::WrongType => "wrong_type",
            Self::DuplicateField => "duplicate_field",
        }
    }
}

/// What is wrong with a record, and where. Never quotes the record: its values are people's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub struct DecodeError {
    /// Why.
    pub reason: DecodeReason,
    /// The field of dmwatch's schema that it is about.
    pub field: Option<&'static str>,
    /// Line in the record, from 1; 0 where it has none.
    pub line: usize,
    /// Column in the record, in bytes from 1; 0 where it has none.
    pub column: usize,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.as_str())?;
        if let Some(field) = self.field {
            write!(f, ": {field}: {}", expected(field))?;
        }
        if self.line > 0 {
            write!(f, " (line {}, column {})", self.line, self.column)?;
        }
        Ok(())
    }
}

/// What the schema has at that field.
fn expected(field: &str) -> &'static str {
    match field {
        "recipients" => "expected an array of at least one party",
        "attachments" => "expected an array of objects",
        "sender" => "expected an object",
        "messages" => "expected an array of at least one message",
        "first_contact" => "expected true or false",
        "sent_at" | "edited_at" | "reported_at" => {
            "expected an RFC 3339 time or milliseconds since 1970"
        }
        field if field.ends_with("account_age_days") => "expected a whole number of days",
        field if field.ends_with("age_band") => "expected under_13, 13_15, 16_17, adult or unknown",
        _ => "expected a string that is not empty",
    }
}

/// Which field was being read when decoding failed. serde's own messages are never used, since
/// they quote values.
#[derive(Default)]
pub(super) struct FaultCell {
    pub(super) at: Cell<Option<(DecodeReason, &'static str)>>,
}

impl FaultCell {
    pub(super) fn fail<E: serde::de::Error>(&self, reason: DecodeReason, field: &'static str) -> E {
        self.at.set(Some((reason, field)));
        E::custom("")
    }

    pub(super) fn explain(&self, error: &serde_json::Error) -> DecodeError {
        use serde_json::error::Category;
        let at = DecodeError {
            reason: DecodeReason::InvalidJson,
            field: None,
            line: error.line(),
            column: error.column(),
        };
        match (self.at.get(), error.classify()) {
            (Some((reason, field)), Category::Data) => DecodeError {
                reason,
                field: Some(field),
                ..at
            },
            (None, Category::Data) => DecodeError {
                reason: DecodeReason::WrongType,
                ..at
            },
            _ => at,
        }
    }
}
