//! Everything that a worker needs, made for one test: topics, keys, rules, settings.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use dmwatch::seal::{Opener, PrivateKey, Purpose, key_file};

use super::cluster::{Cluster, unique};
use super::foreign;
use super::generate::Planned;
use super::guard;

/// The regions of the tests: `us` and `eu` scan everything, `uk` has no legal basis.
pub const REGIONS: [&str; 3] = ["us", "eu", "uk"];

/// How a site differs from the usual.
#[derive(Clone, Copy, Default)]
pub struct Plan<'a> {
    /// Partitions of the input and state topics; 0 means 4.
    pub partitions: i32,
    /// Settings of the input topic, as the broker knows them.
    pub input: &'a [(&'a str, &'a str)],
    /// Settings of the review and dead-letter topics.
    pub output: &'a [(&'a str, &'a str)],
}

/// One input topic and all that belongs to it.
pub struct Site<'a> {
    pub cluster: &'a Cluster,
    /// The input topic.
    pub messages: String,
    /// The topic of users' reports.
    pub reports: String,
    pub dead_letter: String,
    pub state: String,
    /// Comes before a region's name.
    pub review_prefix: String,
    /// Consumer group of the workers.
    pub group: String,
    /// Holds the settings file, keys, and what the workers write.
    pub folder: PathBuf,
}

impl<'a> Site<'a> {
    pub fn new(cluster: &'a Cluster, name: &str, plan: Plan<'_>) -> Self {
        let partitions = if plan.partitions == 0 {
            4
        } else {
            plan.partitions
        };
        let base = unique(name);
        let site = Self {
            cluster,
            messages: format!("{base}.messages"),
            reports: format!("{base}.reports"),
            dead_letter: format!("{base}.dead-letter"),
            state: format!("{base}.state"),
            review_prefix: format!("{base}.review."),
            group: base,
            folder: guard::folder("site"),
        };
        // Longer than any window of the tests' rules.
        let kept = [
            ("cleanup.policy", "compact,delete"),
            ("retention.ms", "86400000"),
        ];
        let mut topics = vec![
            (site.messages.clone(), partitions, plan.input),
            (site.reports.clone(), 1, plan.input),
            (site.state.clone(), partitions, &kept[..]),
            (site.dead_letter.clone(), 1, plan.output),
        ];
        topics.extend(site.review_topics().map(|topic| (topic, 2, plan.output)));
        cluster.create_topics(&topics);
        site.make_keys();
        std::fs::write(site.settings_file(), site.settings()).expect("written");
        site
    }

    /// The settings file that [`super::worker::Worker`] starts with.
    pub fn settings_file(&self) -> PathBuf {
        self.folder.join("dmwatch.yaml")
    }

    /// The review topics, `unassigned` included.
    pub fn review_topics(&self) -> impl Iterator<Item = String> {
        self.owners().map(|(_, topic)| topic)
    }

    /// Region (or `unassigned`) and its review topic.
    pub fn owners(&self) -> impl Iterator<Item = (&'static str, String)> {
        let prefix = self.review_prefix.clone();
        REGIONS
            .into_iter()
            .chain(["unassigned"])
            .map(move |owner| (owner, format!("{prefix}{owner}")))
    }

    /// All topics that dmwatch writes.
    pub fn outputs(&self) -> Vec<String> {
        let others = [self.dead_letter.clone(), self.state.clone()];
        self.review_topics().chain(others).collect()
    }

    /// Writes planned messages, then reports, each in order, to their topics through kcat.
    pub fn produce(&self, planned: &[Planned]) {
        for (topic, is_report) in self.inputs() {
            let of_topic = planned
                .iter()
                .filter(|record| record.is_report == is_report);
            let inputs: Vec<_> = of_topic.map(|record| record.input.clone()).collect();
            foreign::produce(self.cluster.bootstrap(), topic, &inputs);
        }
    }

    /// The topics that dmwatch reads, and whether they carry reports.
    pub fn inputs(&self) -> [(&str, bool); 2] {
        [(&self.messages, false), (&self.reports, true)]
    }

    /// Takes the review topics away, with what is in them: no item can be delivered from now on.
    pub fn block_items(&self) {
        let topics: Vec<String> = self.review_topics().collect();
        self.cluster.delete_topics(&topics);
    }

    /// Makes the review topics anew.
    pub fn unblock_items(&self) {
        let topics = self.review_topics().map(|topic| (topic, 2, &[][..]));
        self.cluster.create_topics(&topics.collect::<Vec<_>>());
    }

    /// Opens what is sealed for a region.
    pub fn region_opener(&self, region: &str) -> Opener {
        self.opener(Purpose::Evidence {
            region: region.to_owned(),
        })
    }

    /// Opens dead letters.
    pub fn dead_letter_opener(&self) -> Opener {
        self.opener(Purpose::DeadLetter)
    }

    /// Where the private and public keys are.
    pub fn keys(&self) -> PathBuf {
        self.folder.join("keys")
    }

    fn opener(&self, purpose: Purpose) -> Opener {
        let files = key_file::paths(&self.keys(), &purpose);
        Opener::new(key_file::read_private(&files.private).expect("the key that was made"))
    }

    fn make_keys(&self) {
        let purposes = REGIONS
            .into_iter()
            .map(|region| Purpose::Evidence {
                region: region.to_owned(),
            })
            .chain([Purpose::DeadLetter]);
        for purpose in purposes {
            let key = PrivateKey::generate(purpose).expect("a key");
            key_file::create(&self.keys(), &key).expect("written");
        }
    }

    fn settings(&self) -> String {
        let mut text = format!(
            "\
kafka:
  bootstrap_servers: [\"{bootstrap}\"]
  group_id: {group}
  consumer_properties: {{session.timeout.ms: {session}, heartbeat.interval.ms: 500}}
topics:
  messages: [{messages}]
  reports: [{reports}]
  review_prefix: {review_prefix}
  dead_letter: {dead_letter}
  state: {state}
stream:
  shards: 2
  commit_interval: 200ms
  drain_timeout: 2s
  shutdown_grace: 10s
keys: {{dead_letter_public_key_file: keys/dead-letter.public.key.json}}
rules: {{dir: {rules}}}
unassigned: {{policies: {{\"*\": {{legal_basis: tests}}}}}}
regions:
",
            bootstrap = self.cluster.bootstrap().replace(',', "\", \""),
            group = self.group,
            // Brokers refuse less than 6 s unless told otherwise, as ours are.
            session = if self.cluster.is_ours() { 4_000 } else { 6_000 },
            messages = self.messages,
            reports = self.reports,
            review_prefix = self.review_prefix,
            dead_letter = self.dead_letter,
            state = self.state,
            rules = rules_folder().display(),
        );
        for (region, members, basis) in [
            ("us", "[US, PR]", "legal_basis: tests"),
            ("eu", "[IE, DE]", "legal_basis: tests"),
            ("uk", "[GB]", "scan: false"),
        ] {
            writeln!(
                text,
                "  {region}: {{members: {members}, \
                 public_key_file: keys/{region}.public.key.json, \
                 policies: {{\"*\": {{{basis}}}}}}}",
            )
            .expect("a String takes all");
        }
        text
    }
}

impl Drop for Site<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[allow(clippy::print_stderr, reason = "cargo shows it for a failed test only")]
            {
                eprintln!(
                    "the test's files are in {} (kept by DMWATCH_TEST_KEEP=1)",
                    self.folder.display()
                );
            }
        } else {
            guard::remove(&self.folder);
        }
    }
}

/// The rules that the generated messages are made for.
pub fn rules_folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rules"))
}
