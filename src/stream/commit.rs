//! Commits: what is done becomes the offsets of the group.
//!
//! rdkafka 0.39 tells nobody how an asynchronous commit ended (it registers no callback for it), and
//! a synchronous one waits for the group's coordinator, which may be away for a minute. So a thread
//! of its own commits synchronously, one commit at a time, and the result comes back as an event.
//! Meanwhile the poll thread goes on; it gives a partition away when no commit is under way.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, bounded};
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::event::Event;
use super::rebalance::Context;

/// The commit thread.
pub(super) struct Committer {
    requests: Sender<TopicPartitionList>,
    thread: JoinHandle<()>,
}

impl Committer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(super) fn start(
        consumer: &Arc<BaseConsumer<Context>>,
        events: Sender<Event>,
    ) -> io::Result<Self> {
        let consumer = Arc::clone(consumer);
        let (requests, inbox) = bounded::<TopicPartitionList>(1);
        let thread = std::thread::Builder::new()
            .name("commit".into())
            .spawn(move || {
                for offsets in inbox {
                    let result = consumer.commit(&offsets, CommitMode::Sync);
                    if events.send(Event::Committed(offsets, result)).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Self { requests, thread })
    }

    /// Commits these offsets, unless there are none or a commit is under way: then they go with the
    /// next one.
    pub(super) fn commit(&self, context: &Context, offsets: TopicPartitionList) {
        if offsets.count() > 0 && !context.is_committing() {
            let asked = self.requests.try_send(offsets).is_ok();
            context.committing.store(asked, Ordering::Release);
        }
    }

    /// Ends the thread, unless a commit is still under way: it would wait for the coordinator, and
    /// the process is about to end.
    pub(super) fn end(self, context: &Context) {
        drop(self.requests);
        // A panic there has nothing to tell here.
        if !context.is_committing() {
            self.thread.join().ok();
        }
    }
}

impl Context {
    pub(super) fn is_committing(&self) -> bool {
        self.committing.load(Ordering::Acquire)
    }

    /// Commits on this thread, which waits: only where the group's coordinator was just heard of.
    pub(super) fn commit_now(&self, consumer: &BaseConsumer<Self>, offsets: &TopicPartitionList) {
        let result = consumer.commit(offsets, CommitMode::Sync);
        if result.is_ok() {
            self.intake().committed(offsets);
        }
        self.count(&result);
    }

    /// The commit thread is done.
    pub(super) fn commit_ended(&self, result: &KafkaResult<()>) {
        self.committing.store(false, Ordering::Release);
        self.count(result);
    }

    fn count(&self, result: &KafkaResult<()>) {
        match result {
            Ok(()) => self.metrics.commits.inc(),
            Err(error) => self.commit_failed(error),
        }
    }

    /// A failed commit loses nothing: the offsets are committed with the next one, or the messages
    /// come again.
    fn commit_failed(&self, error: &KafkaError) {
        let code = error.rdkafka_error_code();
        if code == Some(RDKafkaErrorCode::NoOffset) {
            return;
        }
        let kind = code.map_or_else(|| "other".to_owned(), |code| format!("{code:?}"));
        self.metrics
            .commit_failures
            .with_label_values(&[&kind])
            .inc();
        crate::warn_limited!(key: ("commit", kind), %error, "a commit failed; the offsets are committed with the next one");
    }

    /// For the seeded fault `late_ack`: commits what is not this worker's to commit, as soon as the
    /// group is stable enough for the broker to take it.
    pub(super) fn commit_late(&self, consumer: &BaseConsumer<Self>) {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        if late.count() > 0 && consumer.commit(&late, CommitMode::Sync).is_ok() {
            *late = TopicPartitionList::new();
        }
    }
}
