//! Users' reports: each is an item, whatever the rules say of its messages.

use serde_json::{Value, json};

use super::{CANARY, CLEAN, Expected, FLAGGED, Flag, Generator, INSISTING, NOT_SCANNED, Planned};

impl Generator {
    /// As many reports as the mix wants beside that many messages.
    pub fn reports(&mut self, messages: usize) -> Vec<Planned> {
        let count = messages * self.mix.reports / 100;
        (0..count).map(|_| self.report()).collect()
    }

    /// A report of one to three messages of a conversation.
    pub fn report(&mut self) -> Planned {
        let conversation = self.conversation();
        let pair = self.pair(conversation);
        let mut rules = Vec::new();
        let mut messages: Vec<Value> = Vec::new();
        let mut words = Vec::new();
        for _ in 0..=self.random.below(3) {
            let line = match self.random.below(4) {
                0 => self.random.pick(CLEAN),
                // Reported messages count for no rule: they were counted when they were sent.
                1 => INSISTING.text,
                _ => {
                    let line = self.random.pick(FLAGGED);
                    rules.extend_from_slice(line.rules);
                    line.text
                }
            };
            let message = self.plan_in(conversation, pair, line, None).input.value;
            let message: Value =
                serde_json::from_slice(&message.expect("a value")).expect("a message");
            words.push(message["text"].as_str().expect("text").to_owned());
            messages.push(message);
        }
        if pair.owner == NOT_SCANNED {
            rules.clear();
        }
        rules.sort_unstable();

        let report_id = format!("r-{}-{}", self.name, self.next);
        let canary = format!("{CANARY}-{report_id}");
        // The reason is free text where the platform lets it be: then it is sealed like the rest.
        let reason = match self.random.below(2) {
            0 => "harassment".to_owned(),
            _ => format!("{canary} it goes on and on"),
        };
        let note = (self.random.below(2) == 0).then(|| format!("{canary} please look at this"));
        words.push(reason.clone());
        words.extend(note.clone());
        let conversation_id = messages[0]["conversation_id"].as_str().expect("an id");
        let value = json!({
            "report_id": report_id,
            "reporter_id": messages[0]["recipients"][0]["id"],
            "reason": reason,
            "note": note,
            "reported_at": "2026-11-02T11:00:00Z",
            "messages": messages,
        });
        let flag = Flag {
            message_id: messages[0]["message_id"]
                .as_str()
                .expect("an id")
                .to_owned(),
            conversation_id: conversation_id.to_owned(),
            region: pair.owner,
            // By the shipped routing.
            queue: match (pair.sender.1, pair.recipient.1) {
                ("adult", "16_17") | ("16_17", "adult") => "child-safety",
                _ => "reports",
            },
            rules,
            text: words.join("\n"),
            text_may_be_absent: pair.owner == "unassigned",
            report: Some(report_id),
        };
        let mut planned = self.clean();
        planned.input.key = Some(conversation_id.as_bytes().to_vec());
        planned.input.value = Some(value.to_string().into_bytes());
        planned.is_report = true;
        planned.expected = Expected::Flagged(flag);
        planned
    }
}
