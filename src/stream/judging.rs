//! What a shard does with one record: decode → owning region → rules → item or dead letter.

use std::collections::HashMap;
use std::sync::Arc;

use dmwatch_core::conversation::{Entry, Store};
use dmwatch_core::judge::{self, Judge, Plan, Position};
use dmwatch_core::message::{AgeBand, FieldMap, Message, Millis, Report};
use dmwatch_core::region::{Owner, Regions};
use dmwatch_core::routing::{ItemFacts, Kind, ReasonFacts, Route, Routing};
use dmwatch_core::rules::Ruleset;
use dmwatch_core::verdict::{Outcome, Reason as RuleReason, Verdict};
use smallvec::SmallVec;

use super::assignment::{Assignment, AssignmentId, InputKind};
use super::batch::route;
use super::context::ContextRing;
use super::counts::Counts;
use super::deliver::Outgoing;

use super::state;
use crate::dead_letter::{DeadLetters, Failed, Reason, ReplayHeaders, ReplayVerifier, Stage};
use crate::item::{BuiltItem, ItemBuilder};
use crate::record::OutRecord;
use crate::source::Source;

/// A record, and where it came from.
pub struct Subject<'a> {
    /// Its partition.
    pub assignment: &'a Assignment,
    /// Offset in its partition.
    pub offset: i64,
    /// Record time.
    pub at: Millis,
    /// Key.
    pub key: Option<&'a [u8]>,
    /// Value.
    pub value: Option<&'a [u8]>,
    /// A claim of original coordinates.
    pub replay: Option<&'a ReplayHeaders>,
}

/// What a message causes.
#[derive(Default)]
pub struct Judged {
    /// Items, or a dead letter.
    pub records: Vec<Outgoing>,
    /// State records, after them.
    pub then: Vec<Outgoing>,
    /// Why it is a dead letter, if it is one.
    pub dead_letter: Option<&'static str>,
}

/// What all shards share.
pub struct Shared {
    /// Where the fields are.
    pub fields: FieldMap,
    /// Who owns what.
    pub regions: Arc<Regions>,
    /// Who is judged by what.
    pub plan: Plan,
    /// Where it goes.
    pub routing: Arc<Routing>,
    /// Entries that a conversation's store keeps per counter: as many as make its answers exact
    /// (see [`Store`]), which is one for each message that can be delivered again and the largest
    /// number that a rule can ask for.
    pub kept_per_key: usize,
    /// Larger values are dead letters.
    pub max_bytes: usize,
    /// `review.<region>` by region index, then `review.unassigned`.
    pub review_topics: Vec<Arc<str>>,
    /// `dmwatch.state`.
    pub state_topic: Arc<str>,
    /// Checks the coordinates of replays.
    pub replays: ReplayVerifier,
}

/// One shard's tools.
pub struct Judging {
    shared: Arc<Shared>,
    judges: Vec<Judge>,
    items: ItemBuilder,
    dead_letters: DeadLetters,
    context: ContextRing,
    stores: HashMap<AssignmentId, Store>,
    counts: Counts,
    newest: Millis,
    expired_at: Millis,
}

/// How often conversation state is swept, in milliseconds of record time.
const SWEEP: i64 = 60_000;
/// How far record times of one partition may be out of order, in milliseconds, on top of the
/// longest window of a rule.
const DISORDER: i64 = 3_600_000;

impl Judging {
    /// One shard's tools.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        items: ItemBuilder,
        dead_letters: DeadLetters,
        context: ContextRing,
        counts: Counts,
    ) -> Self {
        let judges = judges(&shared.plan);
        Self {
            shared,
            judges,
            items,
            dead_letters,
            context,
            stores: HashMap::new(),
            counts,
            newest: Millis(0),
            expired_at: Millis(0),
        }
    }

    /// Takes state of an assignment in.
    pub fn restore(&mut self, assignment: AssignmentId, entries: Vec<Entry>) {
        let store = store_of(&mut self.stores, assignment, self.shared.kept_per_key);
        for entry in entries {
            store.restore(entry);
        }
    }

    /// Forgets an assignment.
    pub fn forget(&mut self, assignment: AssignmentId) {
        self.stores.remove(&assignment);
        self.context.forget(assignment);
    }

    /// Makes anew what a panic may have left half done.
    pub fn renew(&mut self) {
        self.judges = judges(&self.shared.plan);
        self.context.clear();
    }

    /// Adds what was counted since the last call to the metrics, and sweeps old state.
    pub fn publish(&mut self) {
        let window = self.shared.plan.full.longest_window();
        if self.newest.0 > self.expired_at.0 + SWEEP {
            self.expired_at = self.newest;
            for store in self.stores.values_mut() {
                // The entries stay in `dmwatch.state` until its retention ends: deleting them there
                // could change the verdict on a message that is delivered again.
                store.expire(Millis(self.newest.0 - window.0 - DISORDER));
            }
        }
        let entries = self.stores.values().map(Store::len).sum();
        self.counts.publish(entries, self.context.usage());
    }

    /// Judges one record.
    pub fn judge(&mut self, subject: &Subject<'_>) -> Judged {
        let value = match subject.value {
            None | Some([]) => return self.undecodable(subject, Reason::EmptyValue),
            Some(value) if value.len() > self.shared.max_bytes => {
                return self.undecodable(subject, Reason::TooLarge);
            }
            Some(value) => value,
        };
        crate::faults::judge(value);
        self.newest = self.newest.max(subject.at);
        let shared = Arc::clone(&self.shared);
        match subject.assignment.kind {
            InputKind::Messages => match shared.fields.decode(value) {
                Ok(message) => self.message(&shared, subject, &message),
                Err(error) => self.undecodable(subject, error.reason.into()),
            },
            InputKind::Reports => match shared.fields.decode_report(value) {
                Ok(report) => self.report(&shared, subject, &report),
                Err(error) => self.undecodable(subject, error.reason.into()),
            },
        }
    }

    fn undecodable(&mut self, subject: &Subject<'_>, reason: Reason) -> Judged {
        self.dead_letter(subject, Stage::Decode, reason)
    }

    /// The dead letter of a record.
    pub fn dead_letter(&mut self, subject: &Subject<'_>, stage: Stage, reason: Reason) -> Judged {
        let source = self.source(subject);
        let record = self.dead_letters.record(&Failed {
            source,
            key: subject.key,
            value: subject.value,
            stage,
            reason,
        });
        Judged {
            records: vec![Outgoing {
                record,
                counter: Some(self.counts.dead_letter(reason.as_str(), stage.as_str())),
            }],
            then: Vec::new(),
            dead_letter: Some(reason.as_str()),
        }
    }

    /// Where a record stands: a replay whose signature holds keeps its original coordinates, so
    /// that its item keeps its id. Any other claim is ignored, and counted.
    fn source<'a>(&mut self, subject: &'a Subject<'_>) -> Source<'a> {
        let own = Source {
            topic: &subject.assignment.topic,
            partition: subject.assignment.partition,
            offset: subject.offset,
            at: subject.at,
            attempt: 0,
        };
        let Some(claim) = subject.replay else {
            return own;
        };
        match self
            .shared
            .replays
            .verify(claim, subject.key, subject.value)
        {
            Ok(source) => {
                self.counts.replay("accepted");
                source
            }
            Err(_) => {
                self.counts.replay("refused");
                own
            }
        }
    }

    fn message(&mut self, shared: &Shared, subject: &Subject<'_>, message: &Message<'_>) -> Judged {
        let owner = shared.regions.owner(message);
        let scan = shared.plan.scan(owner);
        self.counts.owner(owner);
        let Some(ruleset) = scan.ruleset else {
            self.counts.verdict(Outcome::NotScanned);
            return Judged::default();
        };
        let source = self.source(subject);
        let position = Position {
            offset: source.offset,
            at: source.at,
        };
        let id = subject.assignment.id;
        let store = store_of(&mut self.stores, id, shared.kept_per_key);
        let verdict = self.judges[ruleset].judge(message, position, store);
        self.counts.verdict(verdict.outcome);
        let mut judged = Judged::default();
        if verdict.outcome != Outcome::Clean || !verdict.shadow.is_empty() {
            self.counts.hits(&verdict, &shared.plan.full);
        }
        if verdict.outcome == Outcome::Flagged {
            let route = judge::route(&shared.routing, &shared.plan.full, message, &verdict);
            let window = self.context.window(id, &message.conversation_id, source.at);
            let flag = is_purpose(shared, owner, &verdict.reasons);
            let region = region_name(shared, owner);
            let built = self.items.flag(
                &source,
                message,
                &verdict,
                &shared.plan.full,
                &route,
                region,
                flag,
                &window,
            );
            judged
                .records
                .push(self.outgoing(owner, &route, Kind::Flag, built));
        }
        if !verdict.state.is_empty() {
            let hash = route(subject.key, subject.assignment.partition);
            judged.then = verdict
                .state
                .iter()
                .map(|entry| Outgoing {
                    record: state::record(&shared.state_topic, subject.assignment, hash, entry),
                    counter: None,
                })
                .collect();
        }
        self.context.push(id, source.offset, source.at, message);
        judged
    }

    /// A report is an item whatever the rules say: a user asked for a human. Its messages are
    /// judged for labels and highlights where the region has a legal basis, without any effect on
    /// conversation state: they were judged when they were sent.
    fn report(&mut self, shared: &Shared, subject: &Subject<'_>, report: &Report<'_>) -> Judged {
        let owner = shared.regions.owner_of(&report.messages);
        let source = self.source(subject);
        let position = Position {
            offset: source.offset,
            at: source.at,
        };
        let ruleset = shared.plan.scan(owner).ruleset;
        let verdicts: Vec<Verdict> = report
            .messages
            .iter()
            .filter_map(|message| {
                let mut alone = Store::default();
                Some(self.judges[ruleset?].judge(message, position, &mut alone))
            })
            .collect();
        let route = route_report(shared, report, &verdicts);
        let region = region_name(shared, owner);
        let built = self.items.report(
            &source,
            report,
            &verdicts,
            &shared.plan.full,
            &route,
            region,
        );
        Judged {
            records: vec![self.outgoing(owner, &route, Kind::Report, built)],
            ..Judged::default()
        }
    }

    fn outgoing(&mut self, owner: Owner, route: &Route, kind: Kind, built: BuiltItem) -> Outgoing {
        let shared = &self.shared;
        let region = shared.regions.name(owner);
        if let Some(shed) = built.shed.label() {
            self.counts.shed(shed);
        }
        let counter = self.counts.item(&route.queue, region, kind.as_str());
        let topic = match owner {
            Owner::Region(index) => shared.review_topics.get(usize::from(index.0)),
            Owner::Unassigned => shared.review_topics.last(),
        };
        let topic = topic.map_or_else(|| "review.unassigned".into(), Arc::clone);
        let record: OutRecord = built.into_record(topic);
        Outgoing {
            record,
            counter: Some(counter),
        }
    }
}

fn store_of(
    stores: &mut HashMap<AssignmentId, Store>,
    assignment: AssignmentId,
    kept_per_key: usize,
) -> &mut Store {
    let store = stores.entry(assignment);
    store.or_insert_with(|| Store::new(kept_per_key))
}

fn judges(plan: &Plan) -> Vec<Judge> {
    plan.rulesets
        .iter()
        .map(|ruleset| Judge::new(Arc::clone(ruleset)))
        .collect()
}

fn region_name(shared: &Shared, owner: Owner) -> Option<&str> {
    matches!(owner, Owner::Region(_)).then(|| shared.regions.name(owner))
}

/// Whether a flag of these rules lets a person read: one policy that says so is enough.
fn is_purpose(shared: &Shared, owner: Owner, reasons: &[RuleReason]) -> bool {
    rules_of(&shared.plan.full, reasons)
        .any(|rule| shared.regions.flag_is_purpose(owner, &rule.policy))
}

fn rules_of<'r>(
    ruleset: &'r Ruleset,
    reasons: &'r [RuleReason],
) -> impl Iterator<Item = &'r dmwatch_core::rules::Rule> {
    reasons
        .iter()
        .filter_map(|reason| ruleset.rule(reason.rule))
}

/// Routed like its worst message: every reason of every message counts, and so does every party.
fn route_report(shared: &Shared, report: &Report<'_>, verdicts: &[Verdict]) -> Route {
    let mut reasons: SmallVec<[ReasonFacts<'_>; 4]> = SmallVec::new();
    for verdict in verdicts {
        reasons.extend(rules_of(&shared.plan.full, &verdict.reasons).map(ReasonFacts::of));
    }
    let bands: SmallVec<[AgeBand; 2]> = report
        .messages
        .iter()
        .flat_map(Message::parties)
        .map(|party| party.age_band)
        .collect();
    let minor = report
        .messages
        .iter()
        .any(Message::is_minor_with_adult_or_unknown);
    let sender = report
        .messages
        .first()
        .map(|message| message.sender.age_band);
    shared.routing.route(&ItemFacts {
        kind: Kind::Report,
        report_reason: Some(&report.reason),
        sender: sender.unwrap_or(AgeBand::Unknown),
        recipients: &bands,
        minor_with_adult_or_unknown: minor,
        reasons: &reasons,
    })
}
