//! The files of a ruleset, read into memory.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::document::{Fault, Faults, Origin, Place, Source};

/// Largest phrase list, in bytes.
const MAX_LIST_BYTES: u64 = 16 << 20;
/// Largest rule file, in bytes; what is larger is refused when it is parsed.
const MAX_FILE_BYTES: u64 = 2 << 20;

/// Rule files and phrase lists.
#[derive(Debug, Default)]
pub struct Sources {
    /// Rule files, in order of their names.
    pub files: Vec<Arc<Source>>,
    /// Phrase lists by name.
    pub lists: BTreeMap<String, Arc<Source>>,
}

impl Sources {
    /// Reads `*.yaml` and `*.yml` of a folder, and `lists/*.txt` in it. Names that begin with a dot
    /// are left out: mounted folders keep their versions under such names.
    #[must_use]
    pub fn read(dir: &Path, faults: &mut Faults) -> Self {
        let mut sources = Self::default();
        for path in entries(dir, &["yaml", "yml"], faults) {
            sources
                .files
                .extend(read_text(&path, MAX_FILE_BYTES, faults).map(|(_, source)| source));
        }
        if sources.files.is_empty() && !faults.has_errors() {
            let message = format!(
                "expected rule files (*.yaml) in `{}`, found none",
                dir.display()
            );
            faults.push(Fault::error("no-rules", message, &no_place()));
        }
        let lists = dir.join("lists");
        if lists.is_dir() {
            for path in entries(&lists, &["txt"], faults) {
                sources
                    .lists
                    .extend(read_text(&path, MAX_LIST_BYTES, faults));
            }
        }
        sources
    }
}

fn no_place() -> Place {
    Place::elsewhere(Origin::Flag("--rules".into()))
}

fn entries(dir: &Path, extensions: &[&str], faults: &mut Faults) -> Vec<PathBuf> {
    let read = std::fs::read_dir(dir).and_then(|entries| {
        entries
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<Vec<_>, _>>()
    });
    let mut paths = match read {
        Ok(paths) => paths,
        Err(error) => {
            let message = format!("cannot read the folder `{}`: {error}", dir.display());
            faults.push(Fault::error("unreadable", message, &no_place()));
            return Vec::new();
        }
    };
    paths.retain(|path| {
        let visible = path
            .file_name()
            .is_some_and(|name| !name.as_encoded_bytes().starts_with(b"."));
        let extension = path.extension().and_then(|extension| extension.to_str());
        visible && extension.is_some_and(|extension| extensions.contains(&extension))
    });
    paths.sort();
    paths
}

/// A file's name without its extension, and the file.
fn read_text(path: &Path, most: u64, faults: &mut Faults) -> Option<(String, Arc<Source>)> {
    let shown = path.display().to_string();
    let mut fault = |message: String| {
        let source = Arc::new(Source::new(shown.clone(), ""));
        faults.push(Fault::error(
            "unreadable",
            message,
            &Place::file(&source, 0..0),
        ));
    };
    match std::fs::metadata(path) {
        Ok(about) if about.len() > most => {
            fault(format!(
                "expected at most {most} bytes, found {}",
                about.len()
            ));
            return None;
        }
        _ => {}
    }
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            fault(format!("cannot read the file: {error}"));
            return None;
        }
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let before = error.as_bytes().get(..good).unwrap_or_default();
            let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
            fault(format!(
                "expected UTF-8, found another encoding in line {line}"
            ));
            return None;
        }
    };
    let name = path.file_stem()?.to_string_lossy().into_owned();
    Some((name, Arc::new(Source::new(shown, text))))
}
