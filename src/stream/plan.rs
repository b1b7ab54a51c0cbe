//! Which rules may run for whom: one compiled ruleset for each distinct set of policies that some
//! region has a legal basis for.
//!
//! A region without a basis for a policy never runs that policy's patterns: they are not in its
//! automaton at all.

use std::collections::BTreeMap;
use std::sync::Arc;

use dmwatch_core::region::{Owner, RegionIndex, Regions};
use dmwatch_core::rules::{CompileError, Ruleset};

/// What may be looked at in messages of one owner.
#[derive(Debug, Clone)]
pub struct Scan {
    /// Index into [`Plan::rulesets`]; `None` when nothing may be looked at.
    pub ruleset: Option<usize>,
    /// Policies of the ruleset that may not be looked at.
    pub unscanned: Vec<Arc<str>>,
}

/// The rulesets, and who is judged by which.
pub struct Plan {
    /// All rules, for looking reasons up.
    pub full: Arc<Ruleset>,
    /// The distinct ones.
    pub rulesets: Vec<Arc<Ruleset>>,
    regions: Vec<Scan>,
    unassigned: Scan,
}

impl Plan {
    /// Compiles what is needed.
    ///
    /// # Errors
    /// A ruleset does not compile, which it did as a whole.
    pub fn new(full: Arc<Ruleset>, regions: &Regions) -> Result<Self, CompileError> {
        let policies = full.policies();
        let mut rulesets: Vec<Arc<Ruleset>> = Vec::new();
        let mut known: BTreeMap<Vec<Arc<str>>, usize> = BTreeMap::new();
        let mut scan_of = |owner: Owner| -> Result<Scan, CompileError> {
            let basis = regions.basis(owner);
            let (scanned, unscanned): (Vec<Arc<str>>, Vec<Arc<str>>) = policies
                .iter()
                .cloned()
                .partition(|policy| basis.scans(policy));
            if scanned.is_empty() {
                return Ok(Scan {
                    ruleset: None,
                    unscanned,
                });
            }
            let at = match known.get(&scanned) {
                Some(&at) => at,
                None => {
                    let ruleset = if unscanned.is_empty() {
                        Arc::clone(&full)
                    } else {
                        let keep = |policy: &str| scanned.iter().any(|have| **have == *policy);
                        Arc::new(full.restricted_to(&keep)?)
                    };
                    rulesets.push(ruleset);
                    known.insert(scanned, rulesets.len() - 1);
                    rulesets.len() - 1
                }
            };
            Ok(Scan {
                ruleset: Some(at),
                unscanned,
            })
        };
        let by_region = regions
            .iter()
            .map(|(index, _)| scan_of(Owner::Region(index)))
            .collect::<Result<Vec<Scan>, CompileError>>()?;
        let unassigned = scan_of(Owner::Unassigned)?;
        Ok(Self {
            regions: by_region,
            unassigned,
            rulesets,
            full,
        })
    }

    /// What may be looked at in messages of that owner.
    #[must_use]
    pub fn scan(&self, owner: Owner) -> &Scan {
        match owner {
            Owner::Region(RegionIndex(index)) => self
                .regions
                .get(usize::from(index))
                .unwrap_or(&self.unassigned),
            Owner::Unassigned => &self.unassigned,
        }
    }
}
