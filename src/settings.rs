//! Settings: layers merged once into types that cannot be wrong.
//!
//! ```text
//! defaults < file (YAML) < environment (DMWATCH__KAFKA__GROUP_ID=…) < flags (--set kafka.group_id=…)
//!     └────────────────────────┴──── merged by `config`, each value with its place ────┘
//!                                         │ table: known keys, types, ranges
//!                                         ▼ resolve: what takes more than one value to see
//!                                     Settings
//! ```
//!
//! All faults are reported at once, each with file, line, column and caret, or with the name of the
//! variable or flag. [`table::SETTINGS`] is the one list of what can be set; `docs/settings.md` is
//! made from it.
//!
//! ```
//! use dmwatch::settings::{LoadOptions, Needs, Settings};
//!
//! let options = LoadOptions {
//!     sets: vec!["kafka.bootstrap_servers=127.0.0.1:9092".into(), "stream.shards=two".into()],
//!     needs: Needs::KAFKA,
//!     ..LoadOptions::default()
//! };
//! let error = Settings::load(&options).err().unwrap();
//! assert!(error.to_string().contains("expected a whole number from 0 to 1024, found `two`"));
//! ```

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use dmwatch_core::document::{Fault, FaultSeverity, Faults, Node, Origin, Place, render};

pub mod docs;
pub mod explain;
mod hidden;
mod kind;
mod layers;
mod merge;
mod needs;
mod resolve;
pub mod secret;
mod shape;
pub mod table;
#[cfg(test)]
mod tests;
mod types;
mod values;
mod with_rules;

pub use self::explain::{Explained, Places};
pub use self::needs::Needs;
pub use self::secret::Secret;
use self::shape::Shape;
pub use self::types::{
    Context, DeadLetters, FirstOffset, Http, Input, Kafka, Keys, Log, LogFormat, LogLevel, Output,
    Protocol, Rules, Sasl, Security, Settings, Start, Stream, Topics,
};

/// The settings file that is read where none is named, if it is there.
pub const DEFAULT_FILE: &str = "dmwatch.yaml";

/// Queues and rows that are shipped.
const SHIPPED: &str = include_str!("settings/shipped.yaml");

/// Where settings come from.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// The settings file; `None` for none.
    pub file: Option<PathBuf>,
    /// Environment variables; those that do not start with `DMWATCH` are passed over.
    pub env: Vec<(String, String)>,
    /// `key=value`, as given to `--set`.
    pub sets: Vec<String>,
    /// What the command needs.
    pub needs: Needs,
}

/// No file, no variable, no flag; everything is needed.
impl Default for LoadOptions {
    fn default() -> Self {
        Self {
            file: None,
            env: Vec::new(),
            sets: Vec::new(),
            needs: Needs::ALL,
        }
    }
}

impl LoadOptions {
    /// What this process was started with: the named file (or [`DEFAULT_FILE`], if it is there),
    /// its environment, and flags.
    #[must_use]
    pub fn of_process(config: Option<&Path>, sets: &[String], needs: Needs) -> Self {
        let default = || {
            Path::new(DEFAULT_FILE)
                .exists()
                .then(|| DEFAULT_FILE.into())
        };
        // A variable that is not text is no setting of ours, or broken beyond quoting.
        let env = std::env::vars_os().filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        });
        Self {
            file: config.map(Path::to_owned).or_else(default),
            env: env
                .filter(|(name, _)| name.to_ascii_uppercase().starts_with("DMWATCH"))
                .collect(),
            sets: sets.to_vec(),
            needs,
        }
    }
}

/// Settings that cannot be used, with everything that is wrong.
#[derive(Debug, Clone)]
pub struct SettingsError {
    /// Errors and warnings, in the order of their places.
    pub faults: Vec<Fault>,
    /// How many more there are.
    pub left_out: usize,
}

impl SettingsError {
    fn new(faults: Faults) -> Self {
        let left_out = faults.left_out();
        Self {
            faults: faults.into_vec(),
            left_out,
        }
    }

    /// The faults, for a terminal, and how many there are.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let errors = self
            .faults
            .iter()
            .filter(|f| f.severity == FaultSeverity::Error)
            .count();
        let errors = errors + self.left_out;
        let noun = if errors == 1 { "fault" } else { "faults" };
        let more = match self.left_out {
            0 => String::new(),
            more => format!(" ({more} are not shown)"),
        };
        let faults = render(&self.faults, color);
        format!("{faults}error: {errors} {noun} in the settings{more}\n")
    }
}

impl fmt::Display for SettingsError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.render(false))
    }
}

impl std::error::Error for SettingsError {}

impl Settings {
    /// Reads, merges and checks.
    ///
    /// # Errors
    /// [`SettingsError`] with every fault at once. Warnings alone are no error: they are in
    /// [`Settings::warnings`].
    pub fn load(options: &LoadOptions) -> Result<Self, SettingsError> {
        Self::load_explained(options).map(|(settings, _)| settings)
    }

    /// The same, with where each value comes from.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load_explained(options: &LoadOptions) -> Result<(Self, Explained), SettingsError> {
        let mut faults = Faults::new();
        let reads = RefCell::new(BTreeSet::new());
        let loaded = read(options, &reads, &mut faults);
        match loaded {
            Some((mut settings, merged)) if !faults.has_errors() => {
                settings.warnings = faults.into_vec();
                settings.places = explain::Places::of(&merged);
                Ok((settings, Explained::new(&merged)))
            }
            _ => Err(SettingsError::new(faults)),
        }
    }
}

fn read(
    options: &LoadOptions,
    reads: &RefCell<BTreeSet<String>>,
    faults: &mut Faults,
) -> Option<(Settings, Node)> {
    let shape = Shape::of_all();
    let file = options.file.as_deref();
    let given = [
        file.and_then(|path| layers::file(path, faults)),
        Some(layers::environment(&options.env, &shape, faults)),
        Some(layers::flags(&options.sets, &shape, faults)),
    ];
    for layer in given.iter().flatten() {
        shape.check(layer, faults);
    }
    // Without the file, everything in it would be missing too.
    if file.is_some() && given[0].is_none() && faults.has_errors() {
        return None;
    }
    let shipped = shape::parse_value(SHIPPED, &Origin::Default).ok();
    let layers: Vec<Node> = [shape.default(), shipped]
        .into_iter()
        .chain(given)
        .flatten()
        .collect();
    let mut merged = match merge::merge(&layers) {
        Ok(merged) => merged,
        Err(error) => {
            // Nothing that a person can write leads here.
            let message = format!("cannot merge the settings: {error}");
            let place = Place::elsewhere(Origin::Default);
            faults.push(Fault::error("merge", message, &place));
            return None;
        }
    };
    shape.fill(&mut merged);
    shape.require(&merged, options.needs, faults);
    let settings = resolve::Resolver {
        root: values::View::root(&merged, reads),
        needs: options.needs,
        directory: file.and_then(Path::parent).unwrap_or(Path::new("")),
        faults,
    };
    Some((settings.settings(), merged))
}
