//! The rules: files, diagnostics, compilation, evaluation and their own tests.

/// A rule's position in the full ruleset, as loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleIndex(pub u32);
