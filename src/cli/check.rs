//! `dmwatch check`: would the worker start?
//!
//! Offline it reads settings, keys and rules as the worker does and says what does not fit
//! together; with `--online` it also asks the brokers.

use std::io::{self, Write};

use clap::Args as ClapArgs;
use dmwatch_core::document::{Fault, FaultSeverity, render};
use dmwatch_core::message::Millis;
use dmwatch_core::rules::Ruleset;

use super::Global;
use super::exit::{Failure, Kind};
use crate::settings::{Needs, Settings};

mod online;

/// Arguments of `dmwatch check`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// Also ask the brokers: login, topics, partitions, limits
    #[arg(long)]
    online: bool,
}

/// Runs `dmwatch check`.
///
/// # Errors
/// Settings that cannot be used, or that the brokers refuse (78); rules that cannot be used (65);
/// brokers or topics that are not there (69).
pub fn run(args: &Args, global: &Global) -> Result<(), Failure> {
    let settings = global.settings(Needs::ALL)?;
    let color = super::color();
    let mut out = io::stdout().lock();
    let (ruleset, rule_faults) = match Ruleset::load(&settings.rules.dir) {
        Ok(ruleset) => {
            let mut faults = ruleset.warnings.clone();
            faults.extend(settings.check_rules(&ruleset));
            (Some(ruleset), faults)
        }
        Err(faults) => (None, faults),
    };
    show(&rule_faults, color)?;
    let rules_failed = count(&rule_faults);
    if rules_failed == 0 {
        writeln!(out, "settings: good")?;
        if let Some(ruleset) = &ruleset {
            writeln!(
                out,
                "rules: {} good, {}",
                ruleset.rules.len(),
                settings.rules.dir.display()
            )?;
        }
    }
    if args.online {
        let window = ruleset.as_ref().map(Ruleset::longest_window);
        let found = online::check(&settings, window.unwrap_or(Millis(0)));
        show(&found.faults, color)?;
        for line in &found.good {
            writeln!(out, "{line}")?;
        }
        let failed = count(&found.faults);
        if failed > 0 {
            let kind = if found.is_settings {
                Kind::BadSettings
            } else {
                Kind::Unavailable
            };
            return Err(Failure::new(kind, summary(failed + rules_failed)));
        }
    }
    match rules_failed {
        0 => Ok(()),
        failed => Err(Failure::bad_data(summary(failed))),
    }
}

/// Asks the brokers before the worker starts.
///
/// # Errors
/// Everything that is wrong, as `dmwatch check --online` says it.
pub fn require_online(settings: &Settings, ruleset: &Ruleset) -> Result<(), Failure> {
    let found = online::check(settings, ruleset.longest_window());
    let failed = count(&found.faults);
    if failed == 0 {
        show(&found.faults, super::color())?;
        return Ok(());
    }
    let kind = if found.is_settings {
        Kind::BadSettings
    } else {
        Kind::Unavailable
    };
    Err(Failure::new(kind, render(&found.faults, super::color())))
}

fn summary(failed: usize) -> String {
    let noun = if failed == 1 { "fault" } else { "faults" };
    format!("error: {failed} {noun}: the worker would not start")
}

fn count(faults: &[Fault]) -> usize {
    let errors = faults
        .iter()
        .filter(|fault| fault.severity == FaultSeverity::Error);
    errors.count()
}

fn show(faults: &[Fault], color: bool) -> io::Result<()> {
    if !faults.is_empty() {
        io::stderr()
            .lock()
            .write_all(render(faults, color).as_bytes())?;
    }
    Ok(())
}
