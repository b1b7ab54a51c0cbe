//! Asking the brokers: can they be reached, do they let us in, which topics are there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, OwnedResourceSpecifier, ResourceSpecifier};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext};

use super::{Role, client_config};
use crate::settings::Settings;

/// How long one request may take. Short, so that a refused login is told within a second or two.
const ATTEMPT: Duration = Duration::from_secs(2);

/// Why the brokers cannot be used. The text is librdkafka's, which names broker and cause and
/// holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProbeError {
    /// A property or file that librdkafka refuses before it connects.
    #[error("librdkafka refuses the settings: {0}")]
    Settings(String),
    /// The broker refuses the login.
    #[error("the broker refuses the login: {0}")]
    Login(String),
    /// No TLS connection: a certificate that one of the two does not trust, or no TLS there.
    #[error("no TLS connection: {0}")]
    Tls(String),
    /// The broker does not allow what was asked.
    #[error("the broker does not allow it: {0}")]
    NotAllowed(String),
    /// No broker answers.
    #[error("no broker answers: {0}")]
    Unreachable(String),
}

impl ProbeError {
    /// Whether trying again later is of no use: somebody has to mend the settings.
    #[must_use]
    pub const fn is_settings(&self) -> bool {
        !matches!(self, ProbeError::Unreachable(_))
    }

    fn from_error(error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(code) => ProbeError::from_event(code, &error.to_string()),
            None => ProbeError::Unreachable(error.to_string()),
        }
    }

    fn from_event(code: RDKafkaErrorCode, reason: &str) -> Self {
        let reason = reason.to_owned();
        match code {
            RDKafkaErrorCode::Authentication
            | RDKafkaErrorCode::SaslAuthenticationFailed
            | RDKafkaErrorCode::UnsupportedSASLMechanism
            | RDKafkaErrorCode::IllegalSASLState => ProbeError::Login(reason),
            RDKafkaErrorCode::SSL => ProbeError::Tls(reason),
            // With TLS 1.3 the broker refuses a client's certificate after the handshake, and
            // librdkafka calls that a failure of the transport.
            RDKafkaErrorCode::BrokerTransportFailure if reason.contains("SSL alert") => {
                ProbeError::Tls(reason)
            }
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::GroupAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed => ProbeError::NotAllowed(reason),
            _ => ProbeError::Unreachable(reason),
        }
    }
}

/// What librdkafka reports in the background, where the causes are.
#[derive(Clone, Default)]
struct Events(Arc<Mutex<Vec<ProbeError>>>);

impl Events {
    /// The most telling event so far: a refusal, else the first failure.
    fn cause(&self) -> Option<ProbeError> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refusal = events.iter().find(|event| event.is_settings());
        refusal.or(events.first()).cloned()
    }
}

impl ClientContext for Events {
    fn error(&self, error: KafkaError, reason: &str) {
        if let Some(code) = error.rdkafka_error_code() {
            let event = ProbeError::from_event(code, reason);
            let mut events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !events.contains(&event) {
                events.push(event);
            }
        }
    }

    /// What matters comes as an event too.
    fn log(&self, _level: RDKafkaLogLevel, _facility: &str, _message: &str) {}
}

/// Nothing is produced.
impl ProducerContext for Events {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {}
}

/// Names and values of a configuration.
pub type Config = BTreeMap<String, String>;

/// A topic, as the brokers describe it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topic {
    /// How many partitions it has.
    pub partitions: usize,
    /// Replicas of its first partition.
    pub replicas: usize,
}

/// A connection to the brokers.
pub struct Probe {
    config: ClientConfig,
    /// Not the admin client: that one never serves the events that say why a broker is not there.
    client: BaseProducer<Events>,
    events: Events,
}

impl Probe {
    /// A client; it connects in the background.
    ///
    /// # Errors
    /// [`ProbeError::Settings`].
    pub fn new(settings: &Settings) -> Result<Self, ProbeError> {
        let config = client_config(settings, Role::Admin);
        let events = Events::default();
        let client = BaseProducer::from_config_and_context(&config, events.clone());
        match client {
            Ok(client) => Ok(Self {
                config,
                client,
                events,
            }),
            Err(KafkaError::ClientConfig(_, problem, name, _)) => {
                Err(ProbeError::Settings(format!("{name}: {problem}")))
            }
            Err(KafkaError::ClientCreation(problem)) => Err(ProbeError::Settings(problem)),
            Err(error) => Err(ProbeError::Settings(error.to_string())),
        }
    }

    /// Every topic that may be seen.
    ///
    /// # Errors
    /// Why no broker tells, after `limit` or as soon as one refuses us.
    pub fn topics(&self, limit: Duration) -> Result<BTreeMap<String, Topic>, ProbeError> {
        let deadline = Instant::now() + limit;
        loop {
            // All topics: asking for one by name could create it.
            let error = match self.client.client().fetch_metadata(None, ATTEMPT) {
                Ok(metadata) => {
                    let topics = metadata.topics().iter();
                    let topics = topics.filter(|topic| topic.error().is_none());
                    return Ok(topics
                        .map(|topic| {
                            let partitions = topic.partitions();
                            let described = Topic {
                                partitions: partitions.len(),
                                replicas: partitions.first().map_or(0, |p| p.replicas().len()),
                            };
                            (topic.name().to_owned(), described)
                        })
                        .collect());
                }
                Err(error) => error,
            };
            // Serves the events that came in meanwhile.
            self.client.poll(Duration::from_millis(50));
            let cause = self.events.cause();
            let is_refused = cause.as_ref().is_some_and(ProbeError::is_settings);
            if is_refused || Instant::now() >= deadline {
                return Err(cause.unwrap_or_else(|| ProbeError::Unreachable(error.to_string())));
            }
        }
    }

    /// The configuration of topics, by name. A topic whose configuration may not be read is left
    /// out.
    ///
    /// # Errors
    /// Why no broker tells.
    pub fn topic_configs(&self, topics: &[&str]) -> Result<BTreeMap<String, Config>, ProbeError> {
        let resources = topics.iter().map(|topic| ResourceSpecifier::Topic(topic));
        let resources: Vec<ResourceSpecifier<'_>> = resources.collect();
        let described = self.describe(&resources)?.into_iter();
        let topics = described.filter_map(|(resource, config)| match resource {
            OwnedResourceSpecifier::Topic(name) => Some((name, config)),
            _ => None,
        });
        Ok(topics.collect())
    }

    /// The configuration of each broker. One whose configuration may not be read is left out.
    ///
    /// # Errors
    /// Why no broker tells.
    pub fn broker_configs(&self) -> Result<Vec<Config>, ProbeError> {
        let metadata = self.client.client().fetch_metadata(None, ATTEMPT);
        let metadata = metadata.map_err(|error| ProbeError::from_error(&error))?;
        let mut configs = Vec::new();
        // Each broker has to be asked for its own, in a request of its own.
        for broker in metadata.brokers() {
            let described = self.describe(&[ResourceSpecifier::Broker(broker.id())])?;
            configs.extend(described.into_iter().map(|(_, config)| config));
        }
        Ok(configs)
    }

    fn describe(
        &self,
        resources: &[ResourceSpecifier<'_>],
    ) -> Result<Vec<(OwnedResourceSpecifier, Config)>, ProbeError> {
        let options = AdminOptions::new().request_timeout(Some(Duration::from_secs(10)));
        let admin: AdminClient<_> =
            AdminClient::from_config_and_context(&self.config, Events::default())
                .map_err(|error| ProbeError::Settings(error.to_string()))?;
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.map_err(|error| ProbeError::Unreachable(error.to_string()))?;
        let described = runtime.block_on(admin.describe_configs(resources, &options));
        let described = described.map_err(|error| ProbeError::from_error(&error))?;
        let readable = described.into_iter().flatten();
        let configs = readable.map(|resource| {
            let entries = resource.entries.into_iter();
            let entries = entries.filter_map(|entry| Some((entry.name, entry.value?)));
            (resource.specifier, entries.collect())
        });
        Ok(configs.collect())
    }
}
