//! Whether the group takes the worker's session time-out. A group that does not never lets it join.

use dmwatch_core::document::Fault;

use super::Checker;
use crate::kafka::probe::{Config, ProbeError};
use crate::kafka::{Role, properties};

const PROPERTY: &str = "session.timeout.ms";
const SHORTEST: &str = "group.min.session.timeout.ms";
const LONGEST: &str = "group.max.session.timeout.ms";

impl Checker<'_> {
    pub(super) fn session(&mut self, brokers: Result<Vec<Config>, ProbeError>) {
        let asked = properties(self.settings, Role::Consumer);
        // What is no number is refused by librdkafka.
        let Some(asked) = asked.get(PROPERTY).and_then(|value| value.parse().ok()) else {
            return;
        };
        let place = self.settings.places.place(&self.session_setting());
        let taken = brokers.map(|brokers| taken(&brokers));
        let (shortest, longest) = match taken {
            Ok(Some(taken)) => taken,
            other => {
                let why = other
                    .err()
                    .map_or_else(String::new, |why| format!(": {why}"));
                let message = format!("the session time-out was not checked{why}");
                let fault = Fault::warning("session-timeout", message, &place);
                self.faults.push(fault.help(format!(
                    "allow `DescribeConfigs` on the cluster, or check yourself that {asked} ms lies within the brokers' `{SHORTEST}` and `{LONGEST}`"
                )));
                return;
            }
        };
        if (shortest..=longest).contains(&asked) {
            return;
        }
        self.refuses_session = true;
        let message = format!(
            "`{PROPERTY}` is {asked}: the brokers take {shortest} to {longest}, and would never let the worker join its group"
        );
        let limit = if asked < shortest { SHORTEST } else { LONGEST };
        let fault = Fault::error("session-timeout", message, &place);
        self.faults.push(fault.help(format!(
            "set `kafka.consumer_properties` to `{{{PROPERTY}: {}}}`, or change the brokers' `{limit}`",
            asked.clamp(shortest, longest.max(shortest))
        )));
    }

    /// The setting that the value comes from: the consumer's own map wins over the common one.
    fn session_setting(&self) -> String {
        let common = self.settings.kafka.properties.contains_key(PROPERTY);
        let own = self
            .settings
            .kafka
            .consumer_properties
            .contains_key(PROPERTY);
        let section = if common && !own {
            "kafka.properties"
        } else {
            "kafka.consumer_properties"
        };
        format!("{section}.{PROPERTY}")
    }
}

/// What every broker takes, as any of them may coordinate the group.
fn taken(brokers: &[Config]) -> Option<(u64, u64)> {
    let all = |name: &str| -> Option<Vec<u64>> {
        let values = brokers.iter().map(|config| config.get(name)?.parse().ok());
        values.collect()
    };
    let shortest = all(SHORTEST)?.into_iter().max()?;
    let longest = all(LONGEST)?.into_iter().min()?;
    Some((shortest, longest))
}
