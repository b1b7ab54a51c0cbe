//! A realistic stream of `dm.messages` and `dm.reports`, the same for a seed every time.
//!
//! Conversations have Zipf-like activity, topics that last, alternating writers, first contacts,
//! groups, edits, attachments, fields that the schema does not know, reports by users, and a few
//! records that cannot be decoded. Records are complete for the schema and about 430 bytes long.

use std::collections::VecDeque;

use dmwatch_core::message::Millis;

use super::lines::{CUES, Cue, HARMLESS};
use super::people::People;
use super::random::Random;

mod json;
#[cfg(test)]
mod tests;

use json::{Client, Extras, Report, json, message, rfc3339};

/// What the stream is like.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// The same seed gives the same stream.
    pub seed: u64,
    /// Conversations that messages are drawn from.
    pub conversations: usize,
    /// Share of messages with a line that the starter rules flag.
    pub flagged: f64,
    /// Whether only lines are used that are flagged on their own every time, so that the share of
    /// flagged messages is exact.
    pub certain: bool,
    /// Share of records that are reports by users.
    pub reports: f64,
    /// Share of records that cannot be decoded.
    pub broken: f64,
}

impl Options {
    /// What the demo shows: enough of everything to see it within seconds.
    #[must_use]
    pub const fn demo(seed: u64) -> Self {
        Self {
            seed,
            conversations: 20_000,
            flagged: 0.005,
            certain: false,
            reports: 0.0005,
            broken: 0.0002,
        }
    }

    /// Messages only, a fixed share of them flagged: for the benches.
    #[must_use]
    pub const fn bench(flagged: f64) -> Self {
        Self {
            seed: 1,
            conversations: 20_000,
            flagged,
            certain: true,
            reports: 0.0,
            broken: 0.0,
        }
    }
}

/// What was generated, to be counted against what comes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message with a harmless line.
    Harmless,
    /// A message with a line that the rule of that id flags.
    Cue(&'static str),
    /// A user's report.
    Report,
    /// A record that cannot be decoded.
    Broken,
}

/// One record to produce.
#[derive(Clone, PartialEq, Eq)]
#[allow(missing_debug_implementations, reason = "it holds message text")]
pub struct Record {
    /// What it is.
    pub kind: Kind,
    /// Key: the conversation.
    pub key: String,
    /// Value.
    pub value: Vec<u8>,
}

/// The stream.
#[allow(missing_debug_implementations, reason = "it holds message text")]
pub struct Generator {
    options: Options,
    random: Random,
    people: People,
    cues: Vec<&'static Cue>,
    number: u64,
    /// A recent harmless message of some conversation, to be edited or reported.
    recent: Option<(usize, Sent)>,
    /// The last message with a cue, to be reported.
    last_cue: Option<(usize, Sent)>,
    /// Cues of which more lines are to come, mixed with everybody else's.
    runs: VecDeque<Run>,
}

struct Run {
    cue: &'static Cue,
    conversation: usize,
    left: usize,
}

#[derive(Clone)]
struct Sent {
    message_id: String,
    at: Millis,
    speaker: usize,
    text: &'static str,
    first_contact: bool,
}

const REPORT_REASONS: &[&str] = &["harassment", "spam", "threat", "minor_safety", "other"];

const CLIENTS: &[(&str, &str)] = &[
    ("ios", "33.1.2"),
    ("android", "33.0.7"),
    ("web", "2026.11.3"),
];

impl Generator {
    /// A stream at its beginning.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut random = Random::new(options.seed);
        let people = People::new(options.conversations, HARMLESS.len(), &mut random);
        let usable = |cue: &&Cue| !options.certain || (cue.always && cue.run == 1);
        Self {
            options,
            random,
            people,
            cues: CUES.iter().filter(usable).collect(),
            number: 0,
            recent: None,
            last_cue: None,
            runs: VecDeque::new(),
        }
    }

    /// The next record, sent at that time.
    pub fn next(&mut self, at: Millis) -> Record {
        self.number += 1;
        let draw = self.random.unit();
        if draw < self.options.broken {
            return self.broken();
        }
        if draw < self.options.broken + self.options.reports
            && let Some((conversation, sent)) = self.reported()
        {
            return self.report(conversation, &sent, at);
        }
        if self.random.chance(0.2)
            && let Some(run) = self.runs.pop_front()
        {
            return self.cue(run, at);
        }
        if self.random.chance(self.options.flagged)
            && let Some(run) = self.new_run()
        {
            return self.cue(run, at);
        }
        self.harmless(at)
    }

    fn new_run(&mut self) -> Option<Run> {
        let cue = *self.random.pick(&self.cues)?;
        Some(Run {
            cue,
            conversation: self.people.draw_troubled(cue.pair, &mut self.random),
            left: cue.run,
        })
    }

    /// What somebody reports: mostly something that the rules found too.
    fn reported(&mut self) -> Option<(usize, Sent)> {
        let cue = self
            .random
            .chance(0.6)
            .then(|| self.last_cue.take())
            .flatten();
        cue.or_else(|| self.recent.clone())
    }

    fn harmless(&mut self, at: Millis) -> Record {
        let index = self.people.draw(&mut self.random);
        let random = &mut self.random;
        // Now and then somebody corrects what was just written.
        if random.chance(0.01)
            && let Some((conversation, mut sent)) = self.recent.clone()
        {
            sent.text = random.pick(&HARMLESS[0]).copied().unwrap_or(sent.text);
            let value = self.message(conversation, &sent, Some(at));
            return self.record(Kind::Harmless, conversation, value);
        }
        let conversation = &mut self.people.conversations[index];
        if random.chance(0.1) {
            conversation.topic = random.below(HARMLESS.len());
        }
        let text = HARMLESS
            .get(conversation.topic)
            .and_then(|lines| random.pick(lines));
        let text = text.copied().unwrap_or("ok");
        let others = conversation.members.len() - 1;
        if random.chance(0.7) {
            conversation.turn = (conversation.turn + 1 + random.below(others)) % (others + 1);
        }
        let speaker = conversation.turn;
        let first_contact = conversation.messages == 0 && random.chance(0.3);
        let sent = self.send(index, speaker, text, first_contact, at);
        let value = self.message(index, &sent, None);
        self.recent = Some((index, sent));
        self.record(Kind::Harmless, index, value)
    }

    /// One line of a cue; the rest of them, if there are any, come later.
    fn cue(&mut self, run: Run, at: Millis) -> Record {
        let (cue, index) = (run.cue, run.conversation);
        let speaker = self.people.conversations[index].speaker_for(cue.pair);
        let text = self.random.pick(&cue.lines).copied().unwrap_or("ok");
        let sent = self.send(index, speaker.unwrap_or(0), text, cue.first_contact, at);
        let value = self.message(index, &sent, None);
        if run.left > 1 {
            let left = run.left - 1;
            self.runs.push_back(Run { left, ..run });
        }
        self.last_cue = Some((index, sent));
        self.record(Kind::Cue(cue.rule), index, value)
    }

    fn send(
        &mut self,
        conversation: usize,
        speaker: usize,
        text: &'static str,
        first_contact: bool,
        at: Millis,
    ) -> Sent {
        let conversation = &mut self.people.conversations[conversation];
        conversation.messages += 1;
        conversation.turn = speaker;
        Sent {
            message_id: format!("m-{:010}", self.number),
            at,
            speaker,
            text,
            first_contact,
        }
    }

    fn message(&mut self, conversation: usize, sent: &Sent, edited: Option<Millis>) -> Vec<u8> {
        let extras = self.extras();
        let conversation = &self.people.conversations[conversation];
        json(&message(conversation, sent, edited, extras))
    }

    fn extras(&mut self) -> Extras {
        let random = &mut self.random;
        let (app, version) = random.pick(CLIENTS).copied().unwrap_or(CLIENTS[0]);
        Extras {
            attached: random.chance(0.06).then(|| hash(random)),
            client: Client {
                app,
                version,
                session: format!("{:016x}", random.next()),
            },
        }
    }

    /// A user reports what somebody else of the conversation wrote.
    fn report(&mut self, index: usize, sent: &Sent, at: Millis) -> Record {
        let reason = self.random.pick(REPORT_REASONS).copied().unwrap_or("other");
        let note = self
            .random
            .chance(0.4)
            .then_some("please look at this, it is not ok");
        let extras = self.extras();
        let conversation = &self.people.conversations[index];
        let reporter = (sent.speaker + 1) % conversation.members.len();
        let report = Report {
            report_id: format!("r-{:010}", self.number),
            reporter_id: &conversation.members[reporter].id,
            reason,
            note,
            reported_at: rfc3339(at),
            messages: vec![message(conversation, sent, None, extras)],
        };
        let value = json(&report);
        self.record(Kind::Report, index, value)
    }

    /// A record as a broken producer sends it.
    fn broken(&mut self) -> Record {
        let index = self.people.draw(&mut self.random);
        let values: [&[u8]; 5] = [
            b"",
            b"{\"message_id\":\"m-1\",\"text\":\"cut o",
            b"{\"message_id\":\"m-2\",\"conversation_id\":\"c-1\",\"text\":17}",
            b"{\"message_id\":\"m-3\",\"text\":\"no conversation\"}",
            b"\xff\xfe not text",
        ];
        let value = self.random.pick(&values).copied().unwrap_or_default();
        self.record(Kind::Broken, index, value.to_vec())
    }

    fn record(&self, kind: Kind, conversation: usize, value: Vec<u8>) -> Record {
        Record {
            kind,
            key: self.people.conversations[conversation].id.clone(),
            value,
        }
    }
}

fn hash(random: &mut Random) -> String {
    let halves: Vec<String> = (0..4).map(|_| format!("{:016x}", random.next())).collect();
    format!("sha256:{}", halves.concat())
}
