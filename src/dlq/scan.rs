//! Reading the whole topic, once, without a group.

use std::collections::HashSet;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{Contents, DlqError, Filter};
use crate::kafka::probe::Probe;
use crate::kafka::{Role, client_config};
use crate::settings::Settings;

/// How long to wait for a broker at the start.
const REACH: Duration = Duration::from_secs(15);
/// How long to wait for a record or for the end of a partition.
const STALL: Duration = Duration::from_secs(30);
/// How long a transaction of somebody else may stay open before we give up: longer than the
/// replayer's own timeout.
const OPEN_TRANSACTION: Duration = Duration::from_secs(20);
const ASK: Duration = Duration::from_secs(10);

/// Whether a scan goes on.
pub type Step = ControlFlow<()>;

/// The dead-letter topic of the settings.
pub struct Topic<'a> {
    settings: &'a Settings,
    name: &'a str,
    partitions: i32,
}

impl<'a> Topic<'a> {
    /// Finds the topic.
    ///
    /// # Errors
    /// Why the brokers cannot be used, or that there is no such topic.
    pub fn find(settings: &'a Settings) -> Result<Self, DlqError> {
        let name = settings.topics.dead_letter.as_str();
        let topics = Probe::new(settings)?.topics(REACH)?;
        let topic = topics
            .get(name)
            .ok_or_else(|| DlqError::NoTopic(name.to_owned()))?;
        Ok(Self {
            settings,
            name,
            partitions: i32::try_from(topic.partitions).unwrap_or(i32::MAX),
        })
    }

    /// Its name.
    #[must_use]
    pub const fn name(&self) -> &str {
        self.name
    }

    /// Reads it from the beginning to its current end.
    ///
    /// # Errors
    /// [`DlqError`]; also where an undecided transaction hides a part of it.
    pub fn contents(&self, filter: &Filter) -> Result<Contents, DlqError> {
        let mut contents = Contents::default();
        self.scan(|message| {
            contents.add(message, filter);
            ControlFlow::Continue(())
        })?;
        contents.settle(&self.settings.kafka.group_id);
        Ok(contents)
    }

    /// Gives every record to `each` until it breaks or the end is reached: that of the moment when
    /// the scan began, or later.
    ///
    /// # Errors
    /// [`DlqError`].
    pub fn scan(&self, mut each: impl FnMut(&BorrowedMessage<'_>) -> Step) -> Result<(), DlqError> {
        let consumer: BaseConsumer = client_config(self.settings, Role::StateReader)
            .create()
            .map_err(kafka("the reader does not start"))?;
        self.wait_for_open_transactions(&consumer)?;
        let mut assignment = TopicPartitionList::new();
        for partition in 0..self.partitions {
            assignment
                .add_partition_offset(self.name, partition, Offset::Beginning)
                .map_err(kafka("the reader cannot be positioned"))?;
        }
        consumer
            .assign(&assignment)
            .map_err(kafka("the reader cannot be positioned"))?;
        let mut unfinished: HashSet<i32> = (0..self.partitions).collect();
        let mut heard = Instant::now();
        while !unfinished.is_empty() {
            match consumer.poll(Duration::from_millis(200)) {
                Some(Ok(message)) => {
                    if each(&message).is_break() {
                        return Ok(());
                    }
                    // Also after `each`, which may take its time.
                    heard = Instant::now();
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let _was_open = unfinished.remove(&partition);
                    heard = Instant::now();
                }
                // Brokers come and go; librdkafka goes on by itself.
                Some(Err(error)) if is_transient(&error) => {}
                Some(Err(error)) => return Err(kafka("reading failed")(error)),
                None => {}
            }
            if heard.elapsed() > STALL {
                return Err(DlqError::Stalled(STALL.as_secs()));
            }
        }
        Ok(())
    }

    /// A reader of committed records stops in front of an open transaction, and takes that for the
    /// end. Markers behind it would be missed, and their records replayed again.
    fn wait_for_open_transactions(&self, committed: &BaseConsumer) -> Result<(), DlqError> {
        let mut config = client_config(self.settings, Role::StateReader);
        let uncommitted: BaseConsumer = config
            .set("isolation.level", "read_uncommitted")
            .create()
            .map_err(kafka("the reader does not start"))?;
        let end = |consumer: &BaseConsumer, partition| {
            consumer
                .fetch_watermarks(self.name, partition, ASK)
                .map(|(_, end)| end)
                .map_err(kafka("the end of the dead-letter topic is not known"))
        };
        let begun = Instant::now();
        for partition in 0..self.partitions {
            let written = end(&uncommitted, partition)?;
            while end(committed, partition)? < written {
                if begun.elapsed() > OPEN_TRANSACTION {
                    return Err(DlqError::OpenTransaction { partition });
                }
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Ok(())
    }
}

fn is_transient(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::BrokerTransportFailure
                | Code::AllBrokersDown
                | Code::OperationTimedOut
                | Code::NotLeaderForPartition
                | Code::LeaderNotAvailable
        )
    )
}

/// What a client's error means to a person.
pub(super) fn kafka(doing: &'static str) -> impl Fn(KafkaError) -> DlqError {
    move |error| DlqError::Kafka {
        doing,
        cause: error.to_string(),
    }
}
