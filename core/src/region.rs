//! Which region owns a message, and on what legal basis each policy may look at it.
//!
//! Every item has exactly one owning region. [`Regions::owner`] goes through the configured
//! precedence over all parties; whoever is in no configured region is passed over, and where
//! nothing applies the owner is [`Owner::Unassigned`]. [`Basis::scans`] is the one place that says
//! whether a policy's rules may run at all.

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;

use crate::message::{Message, Party};

#[cfg(test)]
mod tests;

/// The name that stands for no region, in topics and labels.
pub const UNASSIGNED: &str = "unassigned";

/// The policy name that stands for every policy that is not named.
pub const EVERY_POLICY: &str = "*";

/// A region's position in the settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionIndex(pub u16);

/// Who owns a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Owner {
    /// A configured region.
    Region(RegionIndex),
    /// No configured region: metadata only, until legal assigns it.
    Unassigned,
}

/// What a region allows for one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyBasis {
    /// The policy, or [`EVERY_POLICY`].
    pub policy: String,
    /// Whether scanning is switched on.
    pub scan: bool,
    /// The legal basis for scanning. Without one there is no scanning, whatever `scan` says.
    pub legal_basis: Option<String>,
    /// Whether a flag is a purpose for a reviewer to read the message.
    pub flag_is_purpose: bool,
}

/// What is allowed, policy by policy. The entry of a policy's own name wins over `*`; no entry
/// means no scanning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Basis {
    policies: Vec<PolicyBasis>,
}

impl Basis {
    /// What is allowed per policy.
    #[must_use]
    pub fn new(policies: Vec<PolicyBasis>) -> Self {
        Self { policies }
    }

    /// The entries, as given.
    #[must_use]
    pub fn policies(&self) -> &[PolicyBasis] {
        &self.policies
    }

    /// The entry that counts for a policy.
    #[must_use]
    pub fn of(&self, policy: &str) -> Option<&PolicyBasis> {
        let named = |name: &str| self.policies.iter().find(|entry| entry.policy == name);
        named(policy).or_else(|| named(EVERY_POLICY))
    }

    /// Whether the policy's rules may run: switched on, and on a legal basis.
    #[must_use]
    pub fn scans(&self, policy: &str) -> bool {
        self.of(policy)
            .is_some_and(|entry| entry.scan && entry.legal_basis.is_some())
    }

    /// Whether a flag by that policy is a purpose for reading.
    #[must_use]
    pub fn flag_is_purpose(&self, policy: &str) -> bool {
        self.scans(policy) && self.of(policy).is_some_and(|entry| entry.flag_is_purpose)
    }

    /// Whether any policy at all may be scanned.
    #[must_use]
    pub fn scans_anything(&self) -> bool {
        self.policies
            .iter()
            .any(|entry| entry.scan && entry.legal_basis.is_some())
    }
}

/// A region: a set of the platform's region codes under one jurisdiction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Its name: part of topic names (`review.<name>`).
    pub name: Arc<str>,
    /// The platform's region codes (`US`, `IE`), compared exactly.
    pub members: Vec<String>,
    /// What is allowed there.
    pub basis: Basis,
}

/// One step of the precedence, by region name. Steps are tried in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrecedenceStep {
    /// This region, if any party is in it.
    AnyParty(String),
    /// The region of the youngest minor that is in one (of equally young ones, the sender, then
    /// the recipients as listed).
    Minor,
    /// The region of the first recipient that is in one.
    Recipient,
    /// The sender's region.
    Sender,
}

/// Regions that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegionError {
    /// A name that cannot be part of a topic name.
    #[error(
        "region name `{name}`: expected 1 to 63 of a-z, 0-9 and `-`, starting with a letter, not `{UNASSIGNED}`"
    )]
    BadName {
        /// The name.
        name: String,
    },
    /// Two regions of one name.
    #[error("region `{name}` is declared twice")]
    DeclaredTwice {
        /// The name.
        name: String,
    },
    /// A code in two regions: a message would have two owners.
    #[error("the region code `{member}` is in both `{first}` and `{second}`")]
    MemberOfTwo {
        /// The code.
        member: String,
        /// The region that has it first.
        first: String,
        /// The region that has it again.
        second: String,
    },
    /// A precedence step that names no configured region.
    #[error("the precedence names the region `{name}`, which is not declared")]
    UnknownRegion {
        /// The name.
        name: String,
    },
    /// More regions than there are indexes.
    #[error("expected at most 1000 regions")]
    TooMany,
}

#[derive(Debug, Clone, Copy)]
enum Step {
    AnyParty(RegionIndex),
    Minor,
    Recipient,
    Sender,
}

/// Every region, and who owns what.
#[derive(Debug, Clone, Default)]
pub struct Regions {
    regions: Vec<Region>,
    by_member: HashMap<Box<str>, RegionIndex, foldhash::fast::RandomState>,
    precedence: Vec<Step>,
    unassigned: Basis,
}

impl Regions {
    /// Regions in the order of the settings, the precedence, and what is allowed for messages
    /// that no region owns (there, a flag is never a purpose for reading).
    ///
    /// # Errors
    /// Every contradiction.
    pub fn new(
        regions: Vec<Region>,
        precedence: &[PrecedenceStep],
        unassigned: Basis,
    ) -> Result<Self, Vec<RegionError>> {
        let mut errors = Vec::new();
        let mut by_name: HashMap<&str, RegionIndex> = HashMap::new();
        let mut by_member: HashMap<Box<str>, RegionIndex, foldhash::fast::RandomState> =
            HashMap::default();
        if regions.len() > 1000 {
            errors.push(RegionError::TooMany);
        }
        for (index, region) in (0_u16..).map(RegionIndex).zip(&regions) {
            let name = region.name.to_string();
            if !is_region_name(&name) {
                errors.push(RegionError::BadName { name });
            } else if by_name.insert(&region.name, index).is_some() {
                errors.push(RegionError::DeclaredTwice { name });
            }
            for member in &region.members {
                let first = by_member.insert(member.as_str().into(), index);
                if let Some(first) = first.filter(|first| *first != index) {
                    errors.push(RegionError::MemberOfTwo {
                        member: member.clone(),
                        first: regions[usize::from(first.0)].name.to_string(),
                        second: region.name.to_string(),
                    });
                }
            }
        }
        let mut steps = Vec::new();
        for step in precedence {
            steps.push(match step {
                PrecedenceStep::AnyParty(name) => match by_name.get(name.as_str()) {
                    Some(index) => Step::AnyParty(*index),
                    None => {
                        errors.push(RegionError::UnknownRegion { name: name.clone() });
                        continue;
                    }
                },
                PrecedenceStep::Minor => Step::Minor,
                PrecedenceStep::Recipient => Step::Recipient,
                PrecedenceStep::Sender => Step::Sender,
            });
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self {
            regions,
            by_member,
            precedence: steps,
            unassigned,
        })
    }

    /// Who owns the message.
    #[must_use]
    pub fn owner(&self, message: &Message<'_>) -> Owner {
        self.owner_of(std::slice::from_ref(message))
    }

    /// Who owns a group of messages that go together (a user's report). Each step looks at all
    /// messages before the next step is tried.
    #[must_use]
    pub fn owner_of(&self, messages: &[Message<'_>]) -> Owner {
        self.precedence
            .iter()
            .find_map(|step| self.apply(*step, messages))
            .map_or(Owner::Unassigned, Owner::Region)
    }

    fn apply(&self, step: Step, messages: &[Message<'_>]) -> Option<RegionIndex> {
        match step {
            Step::AnyParty(wanted) => messages
                .iter()
                .flat_map(Message::parties)
                .any(|party| self.region_of(party) == Some(wanted))
                .then_some(wanted),
            Step::Minor => messages
                .iter()
                .flat_map(Message::parties)
                .filter(|party| party.age_band.is_minor())
                .filter_map(|party| Some((party.age_band, self.region_of(party)?)))
                .min_by_key(|(age_band, _)| *age_band)
                .map(|(_, region)| region),
            Step::Recipient => messages
                .iter()
                .flat_map(|message| &message.recipients)
                .find_map(|party| self.region_of(party)),
            Step::Sender => messages
                .iter()
                .find_map(|message| self.region_of(&message.sender)),
        }
    }

    fn region_of(&self, party: &Party<'_>) -> Option<RegionIndex> {
        self.by_member.get(party.region.as_ref()).copied()
    }

    /// The region of that index.
    #[must_use]
    pub fn get(&self, index: RegionIndex) -> Option<&Region> {
        self.regions.get(usize::from(index.0))
    }

    /// The region of that name.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<(RegionIndex, &Region)> {
        self.iter().find(|(_, region)| &*region.name == name)
    }

    /// Every region, in the order of the settings.
    pub fn iter(&self) -> impl Iterator<Item = (RegionIndex, &Region)> {
        (0_u16..).map(RegionIndex).zip(&self.regions)
    }

    /// How many regions there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// Whether there is no region.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.regions.is_empty()
    }

    /// The owner's name: the region's, or [`UNASSIGNED`].
    #[must_use]
    pub fn name(&self, owner: Owner) -> &str {
        match owner {
            Owner::Region(index) => self.get(index).map_or(UNASSIGNED, |region| &region.name),
            Owner::Unassigned => UNASSIGNED,
        }
    }

    /// What is allowed for the owner's messages.
    #[must_use]
    pub fn basis(&self, owner: Owner) -> &Basis {
        match owner {
            Owner::Region(index) => self
                .get(index)
                .map_or(&self.unassigned, |region| &region.basis),
            Owner::Unassigned => &self.unassigned,
        }
    }

    /// Whether a flag by that policy is a purpose for reading. Nobody may read what no region
    /// owns.
    #[must_use]
    pub fn flag_is_purpose(&self, owner: Owner, policy: &str) -> bool {
        owner != Owner::Unassigned && self.basis(owner).flag_is_purpose(policy)
    }
}

/// Whether it can be a region's name: it becomes part of topic names and file names.
#[must_use]
pub fn is_region_name(name: &str) -> bool {
    let fits = (1..=63).contains(&name.len()) && name != UNASSIGNED;
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    let characters = name
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    fits && starts_well && characters
}
