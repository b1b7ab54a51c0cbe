//! Where each field of a message stands in the input JSON.

use std::collections::BTreeMap;

use thiserror::Error;

macro_rules! fields {
    ($($variant:ident $name:literal,)*) => {
        /// A field of a message. `sender.*` is inside the sender's object, `recipients.*` and
        /// `attachments.*` inside the objects of those arrays.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "named as in the schema")]
        pub enum Field { $($variant,)* }

        impl Field {
            /// Every field, in the order in which the own schema writes them.
            pub const ALL: &'static [Field] = &[$(Field::$variant,)*];

            /// The field's name and path in dmwatch's own schema, and its key in `input.fields`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Field::$variant => $name,)* }
            }
        }
    };
}

fields! {
    MessageId "message_id",
    ConversationId "conversation_id",
    SentAt "sent_at",
    Text "text",
    SenderId "sender.id",
    SenderAgeBand "sender.age_band",
    SenderRegion "sender.region",
    SenderAccountAge "sender.account_age_days",
    Recipients "recipients",
    RecipientId "recipients.id",
    RecipientAgeBand "recipients.age_band",
    RecipientRegion "recipients.region",
    RecipientAccountAge "recipients.account_age_days",
    FirstContact "first_contact",
    Lang "lang",
    EditedAt "edited_at",
    Attachments "attachments",
    AttachmentKind "attachments.kind",
    AttachmentHash "attachments.hash",
    AttachmentMatch "attachments.match",
}

impl Field {
    const fn is_array(self) -> bool {
        matches!(self, Field::Recipients | Field::Attachments)
    }
}

/// A mapping that cannot work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FieldPathError {
    /// Not a field of a message.
    #[error("unknown field `{field}`; expected one of: {}", known())]
    Unknown {
        /// The name in the settings.
        field: String,
    },
    /// A path with an empty segment.
    #[error("field `{field}`: the path `{path}` has an empty segment")]
    EmptySegment {
        /// The field.
        field: String,
        /// Its path.
        path: String,
    },
    /// Two fields at the same place, or one inside the other.
    #[error("field `{field}`: the path `{path}` is already taken by `{other}`")]
    Taken {
        /// The field.
        field: String,
        /// Its path.
        path: String,
        /// The field that stands there.
        other: String,
    },
}

impl FieldPathError {
    /// The name of the field, as written in the settings.
    #[must_use]
    pub fn field(&self) -> &str {
        match self {
            Self::Unknown { field }
            | Self::EmptySegment { field, .. }
            | Self::Taken { field, .. } => field,
        }
    }
}

fn known() -> String {
    let names: Vec<&str> = Field::ALL.iter().map(|field| field.name()).collect();
    names.join(", ")
}

/// One object of the input: the keys that matter. Everything else is skipped unread.
#[derive(Debug, Clone, Default)]
pub(super) struct Object {
    pub(super) keys: Vec<(Box<str>, Target)>,
}

/// What stands behind a key.
#[derive(Debug, Clone)]
pub(super) enum Target {
    /// A scalar field.
    Field(Field),
    /// An object that holds fields.
    Object(Object),
    /// An array of objects: recipients or attachments. A lone object counts as an array of one.
    Array(Field, Object),
}

/// The compiled mapping of `input.fields`: a tree of object keys, walked by a serde visitor.
#[derive(Debug, Clone)]
pub struct FieldMap {
    pub(super) root: Object,
}

impl Default for FieldMap {
    /// dmwatch's own schema.
    fn default() -> Self {
        let mut root = Object::default();
        for &field in Field::ALL {
            // The own schema's paths do not clash: `own_schema_has_every_field` proves it.
            let _ours = insert(&mut root, field, None);
        }
        Self { root }
    }
}

impl FieldMap {
    /// The own schema with some fields at other paths (`text` → `body.content`). Paths of
    /// `recipients.*` and `attachments.*` count from the array's objects (`uid`, `meta.band`);
    /// all others from the top of the record.
    ///
    /// # Errors
    /// Every path that is unknown, malformed or clashes with another.
    pub fn new(paths: &BTreeMap<String, String>) -> Result<Self, Vec<FieldPathError>> {
        let mut faults: Vec<FieldPathError> = paths
            .keys()
            .filter(|name| !Field::ALL.iter().any(|field| field.name() == *name))
            .map(|name| FieldPathError::Unknown {
                field: name.clone(),
            })
            .collect();
        let mut root = Object::default();
        for &field in Field::ALL {
            let mapped = paths.get(field.name()).map(String::as_str);
            if let Err(fault) = insert(&mut root, field, mapped) {
                faults.push(fault);
            }
        }
        if faults.is_empty() {
            Ok(Self { root })
        } else {
            Err(faults)
        }
    }
}

/// Puts a field into the tree. Array members go into their array's object, wherever that stands.
fn insert(root: &mut Object, field: Field, mapped: Option<&str>) -> Result<(), FieldPathError> {
    let name = field.name();
    let (object, own_path) = match name.split_once('.') {
        Some(("recipients", own)) => (array_object(root, Field::Recipients), own),
        Some(("attachments", own)) => (array_object(root, Field::Attachments), own),
        _ => (Some(root), name),
    };
    let path = mapped.unwrap_or(own_path);
    if path.split('.').any(str::is_empty) {
        return Err(FieldPathError::EmptySegment {
            field: name.to_owned(),
            path: path.to_owned(),
        });
    }
    // Without its array the field has no place; the array's own fault is reported already.
    let Some(object) = object else { return Ok(()) };
    place(object, path, field).map_err(|other| FieldPathError::Taken {
        field: name.to_owned(),
        path: path.to_owned(),
        other: other.name().to_owned(),
    })
}

fn place(object: &mut Object, path: &str, field: Field) -> Result<(), Field> {
    let (key, rest) = match path.split_once('.') {
        Some((key, rest)) => (key, Some(rest)),
        None => (path, None),
    };
    let at = object.keys.iter().position(|(have, _)| &**have == key);
    match (at, rest) {
        (None, None) => {
            let target = if field.is_array() {
                Target::Array(field, Object::default())
            } else {
                Target::Field(field)
            };
            object.keys.push((key.into(), target));
            Ok(())
        }
        (None, Some(rest)) => {
            let mut inner = Object::default();
            place(&mut inner, rest, field)?;
            object.keys.push((key.into(), Target::Object(inner)));
            Ok(())
        }
        (Some(at), Some(rest)) => match &mut object.keys[at].1 {
            Target::Object(inner) => place(inner, rest, field),
            Target::Field(other) | Target::Array(other, _) => Err(*other),
        },
        (Some(at), None) => Err(first_field(&object.keys[at].1)),
    }
}

fn first_field(target: &Target) -> Field {
    match target {
        Target::Field(field) | Target::Array(field, _) => *field,
        Target::Object(object) => object
            .keys
            .first()
            .map_or(Field::Text, |(_, target)| first_field(target)),
    }
}

fn array_object(object: &mut Object, array: Field) -> Option<&mut Object> {
    for (_, target) in &mut object.keys {
        match target {
            Target::Array(field, inner) if *field == array => return Some(inner),
            Target::Object(inner) => {
                if let Some(found) = array_object(inner, array) {
                    return Some(found);
                }
            }
            Target::Array(..) | Target::Field(_) => {}
        }
    }
    None
}
