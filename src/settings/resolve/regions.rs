//! `regions`, `unassigned`, `region_precedence`, `keys`.

use dmwatch_core::document::{Fault, Node, Origin, Value, closest};
use dmwatch_core::region::{Basis, PolicyBasis, PrecedenceStep, Region, RegionError, Regions};

use super::Resolver;
use crate::seal::{PublicKey, Purpose, key_file};
use crate::settings::types::Keys;
use crate::settings::values::View;

impl Resolver<'_> {
    pub(super) fn regions(&mut self) -> Regions {
        let entries = self.root.at("regions").entries("<region>");
        let mut regions = Vec::new();
        for (key, view) in &entries {
            let basis = self.basis(&view.at("policies"), true);
            if !basis.scans_anything() && !view.at("policies").is_set() {
                let message = format!(
                    "region `{}` has no policies: nothing is scanned there",
                    key.name
                );
                let fault = Fault::warning("no-legal-basis", message, &key.place);
                self.faults.push(fault.help(
                    "name the legal basis: `policies: {\"*\": {legal_basis: …}}`, or switch scanning off to say so: `policies: {\"*\": {scan: false}}`",
                ));
            }
            regions.push(Region {
                name: key.name.as_str().into(),
                members: view.at("members").owned_texts().unwrap_or_default(),
                basis,
            });
        }
        let unassigned = self.basis(&self.root.at("unassigned.policies"), false);
        let names: Vec<&str> = entries.iter().map(|(key, _)| key.name.as_str()).collect();
        let precedence = self.precedence(&names);
        match Regions::new(regions, &precedence, unassigned) {
            Ok(regions) => regions,
            Err(errors) => {
                for error in errors {
                    self.region_fault(&error, &entries);
                }
                Regions::default()
            }
        }
    }

    fn region_fault(
        &mut self,
        error: &RegionError,
        entries: &[(&dmwatch_core::document::Key, View<'_>)],
    ) {
        let key_of = |name: &str| entries.iter().find(|(key, _)| key.name == *name);
        let message = error.to_string();
        let place = match error {
            RegionError::BadName { name } | RegionError::DeclaredTwice { name } => {
                key_of(name).map(|(key, _)| key.place.clone())
            }
            RegionError::MemberOfTwo { member, second, .. } => key_of(second).map(|(_, view)| {
                let members = view.at("members");
                let mut texts = members.texts().into_iter();
                let node = texts.find(|(text, _)| text == member);
                node.map_or_else(|| members.place(), |(_, node)| node.place.clone())
            }),
            // Reported where the steps were read.
            RegionError::UnknownRegion { .. } => return,
            RegionError::TooMany => None,
        };
        let place = place.unwrap_or_else(|| self.root.at("regions").key_place());
        self.faults.push(Fault::error("regions", message, &place));
    }

    fn basis(&mut self, policies: &View<'_>, is_region: bool) -> Basis {
        let mut list = Vec::new();
        for (key, view) in policies.entries("<policy>") {
            let scan = view.at("scan").boolean();
            let legal_basis = view.at("legal_basis").text().map(str::to_owned);
            if scan && legal_basis.is_none() {
                let message = format!(
                    "policy `{}` has no legal basis here: it is not scanned",
                    key.name
                );
                let fault = Fault::warning("no-legal-basis", message, &key.place);
                self.faults
                    .push(fault.help("set `legal_basis`, or `scan: false` to say so"));
            }
            list.push(PolicyBasis {
                policy: key.name.clone(),
                scan,
                legal_basis,
                flag_is_purpose: is_region && view.at("flag_is_purpose").boolean(),
            });
        }
        Basis::new(list)
    }

    fn precedence(&mut self, regions: &[&str]) -> Vec<PrecedenceStep> {
        let Some(Node {
            value: Value::Seq(items),
            ..
        }) = self.root.at("region_precedence").node()
        else {
            return Vec::new();
        };
        let steps: Vec<Option<PrecedenceStep>> =
            items.iter().map(|item| self.step(item, regions)).collect();
        steps.into_iter().flatten().collect()
    }

    fn step(&mut self, item: &Node, regions: &[&str]) -> Option<PrecedenceStep> {
        const EXPECTED: &str = "`any_party: <region>`, `minor`, `recipient` or `sender`";
        match &item.value {
            Value::Str(word) => match word.as_str() {
                "minor" => Some(PrecedenceStep::Minor),
                "recipient" => Some(PrecedenceStep::Recipient),
                "sender" => Some(PrecedenceStep::Sender),
                other => {
                    let near = closest(other, ["minor", "recipient", "sender"]);
                    let fault = item.expected("unknown-value", EXPECTED);
                    self.faults.push(fault.did_you_mean(near));
                    None
                }
            },
            Value::Map(_) => {
                let mut map = item.map(self.faults)?;
                let region = map.required("any_party", self.faults);
                map.finish(self.faults);
                let region = region?;
                let name = region.string(self.faults)?;
                if regions.contains(&name) {
                    return Some(PrecedenceStep::AnyParty(name.to_owned()));
                }
                // The shipped step for a region that this platform does not have.
                if region.place.origin != Origin::Default {
                    let message = format!("region `{name}` is not declared");
                    let near = closest(name, regions.iter().copied());
                    let fault = Fault::error("unknown-region", message, &region.place);
                    self.faults.push(fault.did_you_mean(near));
                }
                None
            }
            _ => {
                self.faults.push(item.expected("wrong-type", EXPECTED));
                None
            }
        }
    }

    pub(super) fn keys(&mut self, regions: &Regions) -> Keys {
        let mut keys = Keys::default();
        for (key, view) in self.root.at("regions").entries("<region>") {
            let file = view.at("public_key_file");
            let purpose = Purpose::Evidence {
                region: key.name.clone(),
            };
            if let Some(public) = self.public_key(&file, &purpose) {
                keys.regions.push(public);
            }
        }
        let file = self.root.at("keys.dead_letter_public_key_file");
        keys.dead_letter = self.public_key(&file, &Purpose::DeadLetter);
        // Positions are what a region's key is found by.
        if keys.regions.len() != regions.len() {
            keys.regions.clear();
        }
        keys
    }

    fn public_key(&mut self, view: &View<'_>, purpose: &Purpose) -> Option<PublicKey> {
        let path = self.path(view)?;
        if !self.needs.keys {
            return None;
        }
        let problem = match key_file::read_public(&path) {
            Ok(key) if key.purpose() == purpose => return Some(key),
            Ok(key) => format!(
                "`{}`: expected a key for {purpose}, found one for {}",
                path.display(),
                key.purpose()
            ),
            Err(error) => error.to_string(),
        };
        let fault = Fault::error("public-key", problem, &view.place());
        self.faults
            .push(fault.label("the public key is read from here"));
        None
    }
}
