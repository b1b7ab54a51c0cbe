//! Messages of our own making, the same for the same seed, and what must become of each.
//!
//! The expectation is written beside the text, by hand, and never computed with the product's own
//! matcher. Every text ends in a canary, so that one search over logs, metrics and topics shows
//! whether any text got out.

mod odd;

use serde_json::json;

use super::foreign::Input;
use super::random::Random;

/// Begins every canary. Nothing else in the tests holds this.
pub const CANARY: &str = "zqcanary";

/// What must become of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Neither an item nor a dead letter.
    Clean,
    /// The same, because its region may not scan.
    NotScanned,
    /// One item, however often it is delivered.
    Flagged(Flag),
    /// One dead letter, however often it is delivered.
    DeadLettered {
        /// The value of `x-dlq-reason`.
        reason: &'static str,
    },
}

/// What an item must say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    pub message_id: String,
    pub conversation_id: String,
    /// The owning region, or `unassigned`.
    pub region: &'static str,
    pub queue: &'static str,
    /// Ids of all the rules that fire, sorted.
    pub rules: Vec<&'static str>,
    /// What the sealed evidence must hold.
    pub text: String,
    /// Whether the text may be missing: too large for the output, or no region to seal it for.
    pub text_may_be_absent: bool,
}

/// A record to write, and what must become of it.
#[derive(Clone, Debug)]
pub struct Planned {
    pub input: Input,
    pub expected: Expected,
}

/// A line, the rules of `tests/fixtures/rules` that it must hit, and the queue that these give.
struct Line {
    text: &'static str,
    rules: &'static [&'static str],
    queue: &'static str,
}

const CLEAN: &[&str] = &[
    "are we still on for football at six",
    "my nan made the best soup again, you have to try it",
    "did you finish the maths sheet? number four is horrible",
    "lol the cat fell asleep in the washing basket",
    "bus is late, start without me",
    "happy birthday!! hope you get the blue bike",
    "could you send me the recipe with the lemons",
    "the match was so boring, nil nil and it rained",
    "who is bringing the speaker on saturday",
    "i will call you after dinner, ok?",
    "that exam was fine in the end, thanks for the notes",
    "new phone, same number :)",
    "se me olvidó el paraguas otra vez",
    "kannst du mir morgen das Buch mitbringen?",
    "明日の練習は何時からですか",
    "😂😂 stop it, i am in the library",
];

const FLAGGED: &[Line] = &[
    Line {
        text: "honestly nobody likes you, just leave the group",
        rules: &["harassment.exclusion"],
        queue: "harassment",
    },
    Line {
        text: "send me the gift card codes and i will double your money",
        rules: &["scam.gift-card"],
        queue: "fraud",
    },
    Line {
        text: "wait for me behind the gym, you will regret this",
        rules: &["threat.regret"],
        queue: "threats",
    },
    Line {
        text: "nobody likes you and you will regret this",
        rules: &["harassment.exclusion", "threat.regret"],
        queue: "threats",
    },
];

/// Who writes to whom, and the region that owns it by the shipped precedence: any US party, else the
/// minor's region, else the recipient's, else the sender's.
struct Pair {
    sender: (&'static str, &'static str),
    recipient: (&'static str, &'static str),
    owner: &'static str,
}

const PAIRS: &[Pair] = &[
    Pair {
        sender: ("US", "adult"),
        recipient: ("US", "adult"),
        owner: "us",
    },
    Pair {
        sender: ("IE", "adult"),
        recipient: ("US", "16_17"),
        owner: "us",
    },
    Pair {
        sender: ("US", "13_15"),
        recipient: ("DE", "13_15"),
        owner: "us",
    },
    Pair {
        sender: ("IE", "adult"),
        recipient: ("DE", "adult"),
        owner: "eu",
    },
    Pair {
        sender: ("DE", "16_17"),
        recipient: ("BR", "adult"),
        owner: "eu",
    },
    Pair {
        sender: ("BR", "unknown"),
        recipient: ("IE", "unknown"),
        owner: "eu",
    },
    Pair {
        sender: ("BR", "adult"),
        recipient: ("BR", "adult"),
        owner: "unassigned",
    },
];

/// How the stream is mixed.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Per cent of messages that must be flagged.
    pub flagged: u32,
    /// Number of conversations that the messages spread over.
    pub conversations: u64,
    /// Whether some messages belong to no configured region.
    pub unassigned: bool,
}

impl Default for Mix {
    fn default() -> Self {
        // Only a flagged message shows a loss, so there are many of them.
        Self {
            flagged: 30,
            conversations: 200,
            unassigned: false,
        }
    }
}

/// A stream of messages. Ids are unique over every generator of this seed and name.
pub struct Generator {
    random: Random,
    name: String,
    mix: Mix,
    next: u64,
}

impl Generator {
    pub fn new(name: &str, seed: u64, mix: Mix) -> Self {
        Self {
            random: Random::new(seed),
            name: name.to_owned(),
            mix,
            next: 0,
        }
    }

    pub fn take(&mut self, count: usize) -> Vec<Planned> {
        (0..count).map(|_| self.message()).collect()
    }

    /// The next message, clean or flagged by the mix.
    pub fn message(&mut self) -> Planned {
        if self.random.below(100) < u64::from(self.mix.flagged) {
            self.flagged()
        } else {
            self.clean()
        }
    }

    pub fn clean(&mut self) -> Planned {
        let line = self.random.pick(CLEAN);
        self.plan(line, None)
    }

    pub fn flagged(&mut self) -> Planned {
        let line = self.random.pick(FLAGGED);
        self.plan(line.text, Some(line))
    }

    /// A flagged message of about `bytes` bytes, canary included.
    pub fn flagged_of_size(&mut self, bytes: usize) -> Planned {
        let line = self.random.pick(FLAGGED);
        let padding = " and again".repeat(bytes.saturating_sub(line.text.len()) / 10);
        self.plan(&format!("{}{padding}", line.text), Some(line))
    }

    fn plan(&mut self, text: &str, line: Option<&Line>) -> Planned {
        let number = self.next;
        self.next += 1;
        let conversation = self.random.below(self.mix.conversations);
        // A conversation keeps its pair.
        let pairs = if self.mix.unassigned {
            PAIRS
        } else {
            &PAIRS[..PAIRS.len() - 1]
        };
        let pair = &pairs[usize::try_from(conversation).expect("small") % pairs.len()];
        let message_id = format!("m-{}-{number}", self.name);
        let conversation_id = format!("c-{}-{conversation}", self.name);
        let text = format!("{text} {}", self.canary(number));
        let value = json!({
            "message_id": message_id,
            "conversation_id": conversation_id,
            "sent_at": "2026-11-02T10:20:30.123Z",
            "text": text,
            "sender": {
                "id": format!("u-{}-{conversation}-a", self.name),
                "age_band": pair.sender.1,
                "region": pair.sender.0,
                "account_age_days": 41,
            },
            "recipients": [{
                "id": format!("u-{}-{conversation}-b", self.name),
                "age_band": pair.recipient.1,
                "region": pair.recipient.0,
            }],
            "first_contact": false,
            "lang": "en",
        });
        let expected = match line {
            None => Expected::Clean,
            Some(line) => Expected::Flagged(Flag {
                message_id,
                conversation_id: conversation_id.clone(),
                region: pair.owner,
                queue: line.queue,
                rules: line.rules.to_vec(),
                text,
                text_may_be_absent: pair.owner == "unassigned",
            }),
        };
        Planned {
            input: Input {
                key: Some(conversation_id.into_bytes()),
                value: Some(value.to_string().into_bytes()),
                ..Input::default()
            },
            expected,
        }
    }

    fn canary(&self, number: u64) -> String {
        format!("{CANARY}-{}-{number}", self.name)
    }
}
