//! The producer's callbacks: delivery reports, statistics, errors, log lines.

use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;

use super::deliver::Send;
use crate::telemetry::logging;
use crate::telemetry::metrics::{KafkaClient, Metrics};

/// A delivery report.
pub(super) struct Report {
    pub(super) send: Send,
    pub(super) result: Result<(), RDKafkaErrorCode>,
}

/// Collects delivery reports for the thread that polls the producer.
pub(super) struct Context {
    metrics: Arc<Metrics>,
    // librdkafka calls back inside poll, on the thread that takes the reports: never contended.
    reports: Mutex<Vec<Report>>,
}

impl Context {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self {
            metrics,
            reports: Mutex::new(Vec::new()),
        }
    }

    pub(super) fn take_reports(&self) -> Vec<Report> {
        std::mem::take(&mut *self.reports.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, fac: &str, message: &str) {
        logging::kafka("producer", level, fac, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        super::client_error("producer", &error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.metrics
            .kafka_statistics(KafkaClient::Producer, &statistics);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = Box<Send>;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: Self::DeliveryOpaque) {
        let result = match result {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)),
        };
        self.reports
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Report {
                send: *opaque,
                result,
            });
    }
}
