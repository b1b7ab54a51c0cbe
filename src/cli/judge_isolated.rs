//! `dmwatch judge-isolated`: the child process in which suspect messages are judged first. Not for
//! people; see [`crate::stream::isolation`].

use std::io;
use std::sync::Arc;

use dmwatch_core::conversation::Store;
use dmwatch_core::judge::{Judge, Position};
use dmwatch_core::message::{Message, Millis};

use super::Global;
use super::exit::{Failure, Kind};
use crate::settings::Needs;
use crate::stream::assignment::InputKind;
use crate::stream::isolation::serve;

/// Judges what comes in on standard input.
///
/// # Errors
/// Wrong settings or rules, or a broken pipe.
pub fn run(global: &Global) -> Result<(), Failure> {
    let settings = global.settings(Needs::NOTHING)?;
    let ruleset = Arc::new(super::rules::load(&settings.rules.dir)?);
    let mut judge = Judge::new(ruleset);
    let fields = settings.input.fields;
    let mut judge_one = move |message: &Message<'_>| {
        let position = Position {
            offset: 0,
            at: message.sent_at_millis().unwrap_or(Millis(0)),
        };
        let mut alone = Store::default();
        judge.judge(message, position, &mut alone);
    };
    let judged = serve(io::stdin().lock(), io::stdout().lock(), |kind, value| {
        crate::faults::judge(value);
        // What cannot be decoded was not the killer, or it would not come back.
        match kind {
            InputKind::Messages => {
                if let Ok(message) = fields.decode(value) {
                    judge_one(&message);
                }
            }
            InputKind::Reports => {
                if let Ok(report) = fields.decode_report(value) {
                    report.messages.iter().for_each(&mut judge_one);
                }
            }
        }
    });
    judged.map_err(|error| Failure::new(Kind::Failed, error.to_string()))
}
