//! What is wrong, and the collector that every reader pushes to.

use super::Place;

/// Whether a fault stops the document from being used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultSeverity {
    /// The document cannot be used.
    Error,
    /// It can be used, but somebody should look at it.
    Warning,
}

/// Another place that has to do with a fault.
#[derive(Debug, Clone)]
pub struct Related {
    /// Where.
    pub place: Place,
    /// What is there.
    pub label: String,
}

/// Something wrong, and where.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Error or warning.
    pub severity: FaultSeverity,
    /// A stable name of the kind of fault, in kebab-case, to look up or to filter by.
    pub code: &'static str,
    /// What is wrong: what was expected, what was found.
    pub message: String,
    /// What stands at the place, in a few words.
    pub label: String,
    /// Where.
    pub place: Place,
    /// Other places that have to do with it.
    pub related: Vec<Related>,
    /// How to mend it.
    pub help: Option<String>,
}

impl Fault {
    /// An error.
    #[must_use]
    pub fn error(code: &'static str, message: impl Into<String>, place: &Place) -> Self {
        Self {
            severity: FaultSeverity::Error,
            code,
            message: message.into(),
            label: String::new(),
            place: place.clone(),
            related: Vec::new(),
            help: None,
        }
    }

    /// A warning.
    #[must_use]
    pub fn warning(code: &'static str, message: impl Into<String>, place: &Place) -> Self {
        Self {
            severity: FaultSeverity::Warning,
            ..Self::error(code, message, place)
        }
    }

    /// Sets what is said under the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Sets how to mend it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Sets `did you mean …?` as the way to mend it, where there is something close.
    #[must_use]
    pub fn did_you_mean(self, suggestion: Option<&str>) -> Self {
        match suggestion {
            Some(suggestion) => self.help(format!("did you mean `{suggestion}`?")),
            None => self,
        }
    }

    /// Adds another place that has to do with it.
    #[must_use]
    pub fn related(mut self, place: &Place, label: impl Into<String>) -> Self {
        self.related.push(Related {
            place: place.clone(),
            label: label.into(),
        });
        self
    }
}

/// The collector of faults: everything that is wrong is found before anything is refused.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    list: Vec<Fault>,
    errors: usize,
    left_out: usize,
}

impl Faults {
    /// How many faults are kept. A document with more is broken beyond a list; the rest is
    /// counted, so that a hostile file costs neither memory nor time.
    pub const MAX_KEPT: usize = 200;

    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one.
    pub fn push(&mut self, fault: Fault) {
        if fault.severity == FaultSeverity::Error {
            self.errors += 1;
        }
        if self.list.len() < Self::MAX_KEPT {
            self.list.push(fault);
        } else {
            self.left_out += 1;
        }
    }

    /// Those found so far.
    #[must_use]
    pub fn list(&self) -> &[Fault] {
        &self.list
    }

    /// How many were found beyond those kept.
    #[must_use]
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// How many errors (not warnings) there are.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.errors
    }

    /// Whether there is an error (not just warnings).
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Takes over what another collector found.
    pub fn append(&mut self, other: Faults) {
        self.left_out += other.left_out;
        self.errors += other.errors;
        for fault in other.list {
            if self.list.len() < Self::MAX_KEPT {
                self.list.push(fault);
            } else {
                self.left_out += 1;
            }
        }
    }

    /// The faults, in the order of their places (file by file, line by line).
    #[must_use]
    pub fn into_vec(self) -> Vec<Fault> {
        let mut list = self.list;
        list.sort_by(|left, right| {
            let name = |fault: &Fault| fault.place.source.as_ref().map(|s| s.name().to_owned());
            (name(left), left.place.range.start).cmp(&(name(right), right.place.range.start))
        });
        list
    }
}

impl Extend<Fault> for Faults {
    fn extend<T: IntoIterator<Item = Fault>>(&mut self, faults: T) {
        for fault in faults {
            self.push(fault);
        }
    }
}
