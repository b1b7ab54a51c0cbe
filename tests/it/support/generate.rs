//! Messages of our own making, the same for the same seed, and what must become of each.
//!
//! The expectation is written beside the text, by hand, and never computed with the product's own
//! matcher. Every text holds a canary, so that one search over logs, metrics and topics shows
//! whether any text got out.

mod odd;
mod report;

use std::collections::HashMap;

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
    /// Id of the report that it is, if a user asked for it.
    pub report: Option<String>,
}

/// A record to write, and what must become of it.
#[derive(Clone, Debug)]
pub struct Planned {
    pub input: Input,
    /// Whether it goes to the topic of users' reports.
    pub is_report: bool,
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
        queue: "scams",
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

const INSISTING: Line = Line {
    text: "hey, answer me now",
    rules: &["harassment.insistence"],
    queue: "spam",
};

/// Every text without its canary, for a search for leaks.
pub fn lines() -> impl Iterator<Item = &'static str> {
    let flagged = FLAGGED.iter().chain([&INSISTING]).map(|line| line.text);
    CLEAN.iter().copied().chain(flagged)
}

/// The region that may not scan.
const NOT_SCANNED: &str = "uk";

/// Who writes to whom, and the region that owns it by the shipped precedence: any US party, else the
/// minor's region, else the recipient's, else the sender's.
struct Pair {
    sender: (&'static str, &'static str),
    recipient: (&'static str, &'static str),
    owner: &'static str,
}

const PAIRS: &[Pair] = &[
    pair(("US", "adult"), ("US", "adult"), "us"),
    pair(("IE", "adult"), ("US", "16_17"), "us"),
    pair(("US", "13_15"), ("DE", "13_15"), "us"),
    pair(("IE", "adult"), ("DE", "adult"), "eu"),
    pair(("DE", "16_17"), ("BR", "adult"), "eu"),
    pair(("BR", "unknown"), ("IE", "unknown"), "eu"),
];

/// Nobody's, and one without a legal basis for scanning.
const ODD_PAIRS: &[Pair] = &[
    pair(("BR", "adult"), ("BR", "adult"), "unassigned"),
    pair(("IE", "adult"), ("GB", "adult"), "uk"),
];

const fn pair(
    sender: (&'static str, &'static str),
    recipient: (&'static str, &'static str),
    owner: &'static str,
) -> Pair {
    Pair {
        sender,
        recipient,
        owner,
    }
}

/// How the stream is mixed.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Per cent of messages that must be flagged.
    pub flagged: u32,
    /// Per cent of messages that repeat one demand, which is flagged from the fifth time on: only
    /// with the conversation's state kept over any fault is it always the fifth.
    pub insisting: u32,
    /// Number of conversations that the messages spread over.
    pub conversations: u64,
    /// Users' reports for each hundred messages.
    pub reports: usize,
    /// Whether some messages belong to no region, or to one that may not scan.
    pub odd_regions: bool,
}

impl Default for Mix {
    fn default() -> Self {
        // Only a flagged message shows a loss, so there are many of them.
        Self {
            flagged: 30,
            insisting: 10,
            conversations: 200,
            reports: 1,
            odd_regions: true,
        }
    }
}

/// A stream of messages. Ids are unique over every generator of this seed and name.
pub struct Generator {
    random: Random,
    name: String,
    mix: Mix,
    next: u64,
    /// How often the demand was repeated, by conversation.
    demands: HashMap<u64, u32>,
}

impl Generator {
    pub fn new(name: &str, seed: u64, mix: Mix) -> Self {
        Self {
            random: Random::new(seed),
            name: name.to_owned(),
            mix,
            next: 0,
            demands: HashMap::new(),
        }
    }

    pub fn take(&mut self, count: usize) -> Vec<Planned> {
        (0..count).map(|_| self.message()).collect()
    }

    /// The next message, by the mix.
    pub fn message(&mut self) -> Planned {
        let choice = self.random.below(100);
        let flagged = u64::from(self.mix.flagged);
        if choice < flagged {
            self.flagged()
        } else if choice < flagged + u64::from(self.mix.insisting) {
            self.insisting()
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

    /// A flagged message of at least `bytes` bytes.
    pub fn flagged_of_size(&mut self, bytes: usize) -> Planned {
        let line = self.random.pick(FLAGGED);
        let padding = " and again".repeat(bytes / 10 + 1);
        self.plan(&format!("{}{padding}", line.text), Some(line))
    }

    /// The same, where it is so large that its item goes out without the text.
    pub fn flagged_without_text(&mut self, bytes: usize) -> Planned {
        loop {
            let mut planned = self.flagged_of_size(bytes);
            // An item that nobody owns has no text to begin with.
            if let Expected::Flagged(flag) = &mut planned.expected
                && flag.region != "unassigned"
            {
                flag.text_may_be_absent = true;
                return planned;
            }
        }
    }

    fn insisting(&mut self) -> Planned {
        let conversation = self.conversation();
        let pair = self.pair(conversation);
        let demands = self.demands.entry(conversation).or_default();
        *demands += 1;
        let line = (*demands >= 5).then_some(&INSISTING);
        self.plan_in(conversation, pair, INSISTING.text, line)
    }

    fn plan(&mut self, text: &str, line: Option<&Line>) -> Planned {
        let conversation = self.conversation();
        let pair = self.pair(conversation);
        self.plan_in(conversation, pair, text, line)
    }

    fn conversation(&mut self) -> u64 {
        self.random.below(self.mix.conversations)
    }

    /// A conversation keeps its pair.
    fn pair(&self, conversation: u64) -> &'static Pair {
        let odd = if self.mix.odd_regions { ODD_PAIRS } else { &[] };
        let number = usize::try_from(conversation).expect("small") % (PAIRS.len() + odd.len());
        PAIRS
            .get(number)
            .unwrap_or_else(|| &odd[number - PAIRS.len()])
    }

    fn plan_in(
        &mut self,
        conversation: u64,
        pair: &Pair,
        text: &str,
        line: Option<&Line>,
    ) -> Planned {
        let number = self.next;
        self.next += 1;
        let message_id = format!("m-{}-{number}", self.name);
        let conversation_id = format!("c-{}-{conversation}", self.name);
        // At both ends, so that a text that is cut off shows too.
        let canary = format!("{CANARY}-{}-{number}", self.name);
        let text = format!("{canary} {text} {canary}");
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
            _ if pair.owner == NOT_SCANNED => Expected::NotScanned,
            None => Expected::Clean,
            Some(line) => Expected::Flagged(Flag {
                message_id,
                conversation_id: conversation_id.clone(),
                region: pair.owner,
                queue: line.queue,
                rules: line.rules.to_vec(),
                text,
                text_may_be_absent: pair.owner == "unassigned",
                report: None,
            }),
        };
        Planned {
            input: Input {
                key: Some(conversation_id.into_bytes()),
                value: Some(value.to_string().into_bytes()),
                ..Input::default()
            },
            is_report: false,
            expected,
        }
    }
}
