//! The callbacks of consumers that are in no group: the state reader.

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;

use crate::telemetry::logging;

/// Log lines and errors go where all others go.
pub(super) struct Context {
    client: &'static str,
}

impl Context {
    pub(super) const fn new(client: &'static str) -> Self {
        Self { client }
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        logging::kafka(self.client, level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        super::client_error(self.client, &error, reason);
    }
}

impl ConsumerContext for Context {}
