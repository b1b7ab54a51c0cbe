//! Settings and rules that do not fit together.

use std::collections::BTreeSet;

use dmwatch_core::document::{Fault, Faults, Origin, closest};
use dmwatch_core::region::EVERY_POLICY;
use dmwatch_core::rules::Ruleset;

use super::types::Settings;

impl Settings {
    /// What does not fit between these settings and a ruleset: a queue that no settings declare
    /// (an error: its items would go to the default queue), and policies that no rule has (a
    /// warning: a typo there switches a whole policy off).
    #[must_use]
    pub fn check_rules(&self, ruleset: &Ruleset) -> Vec<Fault> {
        let mut faults = Faults::new();
        self.check_queues(ruleset, &mut faults);
        self.check_policies(ruleset, &mut faults);
        faults.into_vec()
    }

    fn check_queues(&self, ruleset: &Ruleset, faults: &mut Faults) {
        let queues: Vec<&str> = self
            .routing
            .queues()
            .iter()
            .map(|queue| &*queue.name)
            .collect();
        for rule in ruleset.rules.iter() {
            let Some(route) = &rule.route else { continue };
            if self.routing.has_queue(&route.queue) {
                continue;
            }
            let message = format!(
                "rule `{}` asks for the queue `{}`, which is not declared",
                rule.id, route.queue
            );
            let fault = Fault::error("unknown-queue", message, &self.places.place("queues"));
            faults.push(match closest(&route.queue, queues.iter().copied()) {
                Some(near) => fault.did_you_mean(Some(near)),
                None => fault.help(format!(
                    "declare it in the settings: `queues: {{{}: {{due: 1h}}}}`",
                    route.queue
                )),
            });
        }
    }

    fn check_policies(&self, ruleset: &Ruleset, faults: &mut Faults) {
        let policies = ruleset.policies();
        let known: BTreeSet<&str> = policies.iter().map(|policy| &**policy).collect();
        let mut named: Vec<(String, String)> = Vec::new();
        let regions = self.regions.iter();
        let bases = regions.map(|(_, region)| (format!("regions.{}", region.name), &region.basis));
        let nobody = self.regions.basis(dmwatch_core::region::Owner::Unassigned);
        for (section, basis) in bases.chain([("unassigned".to_owned(), nobody)]) {
            for entry in basis.policies() {
                let path = format!("{section}.policies.{}", entry.policy);
                named.push((entry.policy.clone(), path));
            }
        }
        for (index, row) in self.routing.rows().enumerate() {
            for (at, policy) in row.when.policy.iter().flatten().enumerate() {
                named.push((
                    policy.clone(),
                    format!("routing[{index}].when.policy[{at}]"),
                ));
            }
        }
        for (policy, path) in named {
            let place = self.places.place(&path);
            let is_shipped = place.origin == Origin::Default;
            if is_shipped || policy == EVERY_POLICY || known.contains(policy.as_str()) {
                continue;
            }
            let message = format!("no rule has the policy `{policy}`");
            let fault = Fault::warning("unknown-policy", message, &place);
            let near = closest(&policy, known.iter().copied());
            faults.push(fault.did_you_mean(near));
        }
    }
}
