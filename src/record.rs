//! A record on its way to Kafka.

use std::borrow::Cow;
use std::sync::Arc;

use rdkafka::message::{Header, OwnedHeaders};

/// A header's name and value.
pub type HeaderPair = (&'static str, Cow<'static, [u8]>);

/// Headers as librdkafka takes them.
pub(crate) fn kafka_headers(headers: &[HeaderPair]) -> OwnedHeaders {
    let mut out = OwnedHeaders::new_with_capacity(headers.len());
    for (key, value) in headers {
        out = out.insert(Header {
            key,
            value: Some(&**value),
        });
    }
    out
}

/// What is produced: owned, so that it can be sent again after a failed delivery.
#[derive(Clone)]
pub struct OutRecord {
    /// Topic.
    pub topic: Arc<str>,
    /// Partition, where the contract fixes one (`dmwatch.state`); otherwise by key.
    pub partition: Option<i32>,
    /// Key.
    pub key: Vec<u8>,
    /// Payload; `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    /// Headers: names are a closed list, values never hold message text.
    pub headers: Vec<HeaderPair>,
    /// Record timestamp in milliseconds since the epoch; `None` lets the producer stamp it.
    pub timestamp: Option<i64>,
}

impl OutRecord {
    /// Bytes that count against the in-flight budget and the output limit.
    #[must_use]
    pub fn size(&self) -> usize {
        let headers: usize = self
            .headers
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum();
        self.key.len() + self.payload.as_ref().map_or(0, Vec::len) + headers
    }
}
