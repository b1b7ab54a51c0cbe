//! Key files: one for the private half (mode 0600), one for the public half that workers get.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use super::envelope::{decode, encode};
use super::{KeyError, PrivateKey, PublicKey, Purpose, SUITE};

const VERSION: u16 = 1;
const PRIVATE: &str = "dmwatch-private-key";
const PUBLIC: &str = "dmwatch-public-key";
/// Key files are a few hundred bytes; more is some other file.
const MAX_BYTES: u64 = 16 * 1024;

/// Why a key file could not be read or written. Never quotes the file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {fault}", path.display())]
pub struct KeyFileError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    #[source]
    pub fault: KeyFileFault,
}

/// What is wrong with a key file.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileFault {
    /// It could not be read.
    #[error("cannot be read: {0}")]
    Read(io::Error),
    /// It could not be written.
    #[error("cannot be written: {0}")]
    Write(io::Error),
    /// It is there already.
    #[error(
        "exists already; a key file is never overwritten: what was sealed for it could not be opened any more"
    )]
    Exists,
    /// Other users may read or change a private key.
    #[error(
        "is accessible to other users (mode {mode:04o}); expected 0600, or 0640 for a group that may read it"
    )]
    Exposed {
        /// Permission bits.
        mode: u32,
    },
    /// It is no key file, or one that this program does not know.
    #[error("expected a key file, found {0}")]
    NotAKeyFile(String),
    /// The other half.
    #[error("expected a {expected} key, found a {found} key")]
    OtherHalf {
        /// `private` or `public`.
        expected: &'static str,
        /// `private` or `public`.
        found: &'static str,
    },
    /// A field is not what it must be.
    #[error("field `{field}`: expected {expected}")]
    Field {
        /// Which field.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// The parts do not make a key.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// A file as it is. Public parts are repeated in the private file, so that the private file alone
/// is enough.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: String,
    v: u16,
    purpose: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    key_id: String,
    suite: String,
    created: String,
    public_key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    verifying_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    private_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signing_seed: Option<String>,
}

impl Drop for Stored {
    fn drop(&mut self) {
        self.private_key.zeroize();
        self.signing_seed.zeroize();
    }
}

/// Where the two halves of a new key were written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFiles {
    /// The private half.
    pub private: PathBuf,
    /// The public half.
    pub public: PathBuf,
}

/// The file names of a key in that directory: `us.private.key.json` and `us.public.key.json`, or
/// `dead-letter.…`.
#[must_use]
pub fn paths(directory: &Path, purpose: &Purpose) -> KeyFiles {
    let stem = purpose.region().unwrap_or("dead-letter");
    KeyFiles {
        private: directory.join(format!("{stem}.private.key.json")),
        public: directory.join(format!("{stem}.public.key.json")),
    }
}

/// Writes both halves of a new key, the private one with mode 0600. Makes the directory (mode
/// 0700) where it is missing.
///
/// # Errors
/// [`KeyFileFault::Exists`] where one of the files exists, in which case neither is written.
pub fn create(directory: &Path, key: &PrivateKey) -> Result<KeyFiles, KeyFileError> {
    let files = paths(directory, key.public().purpose());
    make_directory(directory).map_err(|fault| at(directory, KeyFileFault::Write(fault)))?;
    let created = jiff::Timestamp::now().round(jiff::Unit::Second);
    let created = created.map_or_else(|_| String::new(), |time| time.to_string());
    let public = stored_public(key.public(), created);
    let private = stored_private(key, &public).map_err(|fault| at(&files.private, fault))?;

    write_new(&files.public, &public, 0o644)?;
    write_new(&files.private, &private, 0o600).inspect_err(|_| {
        // A public half without its private half would seal what nobody can open.
        let _ = fs::remove_file(&files.public);
    })?;
    sync_directory(directory).map_err(|fault| at(directory, KeyFileFault::Write(fault)))?;
    Ok(files)
}

/// Reads a public key file.
///
/// # Errors
/// [`KeyFileError`], also for a private key file: workers must not hold one.
pub fn read_public(path: &Path) -> Result<PublicKey, KeyFileError> {
    let stored = read(path)?;
    if stored.format == PRIVATE {
        return Err(at(
            path,
            KeyFileFault::OtherHalf {
                expected: "public",
                found: "private",
            },
        ));
    }
    public_of(&stored).map_err(|fault| at(path, fault))
}

/// Reads a private key file.
///
/// # Errors
/// [`KeyFileError`], also where other users may read the file.
pub fn read_private(path: &Path) -> Result<PrivateKey, KeyFileError> {
    let stored = read(path)?;
    if stored.format == PUBLIC {
        return Err(at(
            path,
            KeyFileFault::OtherHalf {
                expected: "private",
                found: "public",
            },
        ));
    }
    private_of(path, &stored).map_err(|fault| at(path, fault))
}

/// What `dmwatch keys inspect` shows: nothing private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Inspection {
    /// `private` or `public`.
    pub half: &'static str,
    /// `evidence` or `dead-letter`.
    pub purpose: &'static str,
    /// The region of an evidence key.
    pub region: Option<String>,
    /// The fingerprint.
    pub key_id: String,
    /// The scheme.
    pub suite: &'static str,
    /// When it was made, as the file says.
    pub created: String,
    /// Whether replays are signed or verified with it.
    pub signs_replays: bool,
}

/// Reads either half and checks it as the commands that use it would.
///
/// # Errors
/// [`KeyFileError`].
pub fn inspect(path: &Path) -> Result<Inspection, KeyFileError> {
    let stored = read(path)?;
    let (half, public) = if stored.format == PRIVATE {
        let key = private_of(path, &stored).map_err(|fault| at(path, fault))?;
        ("private", key.public().clone())
    } else {
        let key = public_of(&stored).map_err(|fault| at(path, fault))?;
        ("public", key)
    };
    Ok(Inspection {
        half,
        purpose: public.purpose().as_str(),
        region: public.purpose().region().map(str::to_owned),
        key_id: public.id().to_string(),
        suite: SUITE,
        created: stored.created.clone(),
        signs_replays: public.verifying_bytes().is_some(),
    })
}

/// Whether a name can be a region's: lower-case letters, digits, `-` and `_`, at most 64.
#[must_use]
pub fn is_region_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte))
}

fn stored_public(key: &PublicKey, created: String) -> Stored {
    Stored {
        format: PUBLIC.to_owned(),
        v: VERSION,
        purpose: key.purpose().as_str().to_owned(),
        region: key.purpose().region().map(str::to_owned),
        key_id: key.id().to_string(),
        suite: SUITE.to_owned(),
        created,
        public_key: encode(&key.hpke_bytes()),
        verifying_key: key.verifying_bytes().map(|bytes| encode(bytes)),
        private_key: None,
        signing_seed: None,
    }
}

fn stored_private(key: &PrivateKey, public: &Stored) -> Result<Stored, KeyFileFault> {
    Ok(Stored {
        format: PRIVATE.to_owned(),
        v: VERSION,
        purpose: public.purpose.clone(),
        region: public.region.clone(),
        key_id: public.key_id.clone(),
        suite: public.suite.clone(),
        created: public.created.clone(),
        public_key: public.public_key.clone(),
        verifying_key: public.verifying_key.clone(),
        private_key: Some(encode(key.hpke_bytes().as_ref())),
        signing_seed: key.signing_seed()?.map(|seed| encode(&seed)),
    })
}

fn public_of(stored: &Stored) -> Result<PublicKey, KeyFileFault> {
    let purpose = purpose_of(stored)?;
    let hpke = bytes_of(Some(&stored.public_key), "public_key")?;
    let verifying = stored
        .verifying_key
        .as_ref()
        .map(|text| bytes_of(Some(text), "verifying_key"))
        .transpose()?;
    let key = PublicKey::from_bytes(purpose, &hpke, verifying.as_deref().map(Vec::as_slice))?;
    if stored.key_id != key.id().as_str() {
        return Err(KeyFileFault::Field {
            field: "key_id",
            expected: "the fingerprint of this key, purpose and region: one of them was changed",
        });
    }
    Ok(key)
}

fn private_of(path: &Path, stored: &Stored) -> Result<PrivateKey, KeyFileFault> {
    let mode = fs::metadata(path)
        .map_err(KeyFileFault::Read)?
        .permissions()
        .mode();
    // A group may read it (a mounted secret in Kubernetes), nobody else and never for writing.
    if mode & 0o027 != 0 {
        return Err(KeyFileFault::Exposed {
            mode: mode & 0o7777,
        });
    }
    let public = public_of(stored)?;
    let hpke = bytes_of(stored.private_key.as_ref(), "private_key")?;
    let seed = stored
        .signing_seed
        .as_ref()
        .map(|text| bytes_of(Some(text), "signing_seed"))
        .transpose()?;
    Ok(PrivateKey::from_bytes(
        public,
        &hpke,
        seed.as_deref().map(Vec::as_slice),
    )?)
}

fn purpose_of(stored: &Stored) -> Result<Purpose, KeyFileFault> {
    match (stored.purpose.as_str(), &stored.region) {
        ("evidence", Some(region)) if is_region_name(region) => Ok(Purpose::Evidence {
            region: region.clone(),
        }),
        ("evidence", _) => Err(KeyFileFault::Field {
            field: "region",
            expected: "a region's name (lower-case letters, digits, `-`, `_`)",
        }),
        ("dead-letter", None) => Ok(Purpose::DeadLetter),
        ("dead-letter", Some(_)) => Err(KeyFileFault::Field {
            field: "region",
            expected: "nothing: a dead-letter key belongs to no region",
        }),
        _ => Err(KeyFileFault::Field {
            field: "purpose",
            expected: "`evidence` or `dead-letter`",
        }),
    }
}

fn bytes_of(
    text: Option<&String>,
    field: &'static str,
) -> Result<Zeroizing<Vec<u8>>, KeyFileFault> {
    text.and_then(|text| decode(text))
        .map(Zeroizing::new)
        .ok_or(KeyFileFault::Field {
            field,
            expected: "32 bytes in base64 (URL alphabet, no padding)",
        })
}

fn read(path: &Path) -> Result<Stored, KeyFileError> {
    let file = File::open(path).map_err(|fault| at(path, KeyFileFault::Read(fault)))?;
    let mut text = Zeroizing::new(String::with_capacity(2048));
    let length = io::Read::read_to_string(&mut io::Read::take(file, MAX_BYTES), &mut text)
        .map_err(|fault| at(path, KeyFileFault::Read(fault)))?;
    if length as u64 == MAX_BYTES {
        let found = format!("{MAX_BYTES} bytes or more");
        return Err(at(path, KeyFileFault::NotAKeyFile(found)));
    }
    // serde_json's own message may quote a value: of a private key file, that is the key.
    let stored: Stored = serde_json::from_str(&text).map_err(|fault| {
        let found = match fault.classify() {
            serde_json::error::Category::Data => "JSON with other fields",
            _ => "no JSON",
        };
        let found = format!(
            "{found} at line {}, column {}",
            fault.line(),
            fault.column()
        );
        at(path, KeyFileFault::NotAKeyFile(found))
    })?;
    if stored.format != PRIVATE && stored.format != PUBLIC {
        let found = "another `format`".to_owned();
        return Err(at(path, KeyFileFault::NotAKeyFile(found)));
    }
    if stored.v != VERSION {
        let found = format!("version {} (this program knows {VERSION})", stored.v);
        return Err(at(path, KeyFileFault::NotAKeyFile(found)));
    }
    if stored.suite != SUITE {
        return Err(at(
            path,
            KeyFileFault::Field {
                field: "suite",
                expected: SUITE,
            },
        ));
    }
    Ok(stored)
}

fn write_new(path: &Path, stored: &Stored, mode: u32) -> Result<(), KeyFileError> {
    let mut json = Zeroizing::new(Vec::with_capacity(2048));
    serde_json::to_writer_pretty(&mut *json, stored)
        .map_err(|fault| at(path, KeyFileFault::Write(fault.into())))?;
    json.push(b'\n');
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(|fault| match fault.kind() {
            io::ErrorKind::AlreadyExists => at(path, KeyFileFault::Exists),
            _ => at(path, KeyFileFault::Write(fault)),
        })?;
    file.write_all(&json)
        .and_then(|()| file.sync_all())
        .map_err(|fault| {
            // Nothing was sealed for half a key yet.
            let _ = fs::remove_file(path);
            at(path, KeyFileFault::Write(fault))
        })
}

fn make_directory(directory: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

fn at(path: &Path, fault: KeyFileFault) -> KeyFileError {
    KeyFileError {
        path: path.to_owned(),
        fault,
    }
}
