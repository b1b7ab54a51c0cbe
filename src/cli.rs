//! The command line: one file a subcommand.
//!
//! Each subcommand's module has `Args` (parsed by `clap`) and `run(&Args, &Global) -> Result<(),
//! Failure>`; [`exit::Failure`] carries the exit code.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub mod check;
pub mod config;
pub mod demo;
pub mod dlq;
pub mod exit;
pub mod format;
pub mod judge;
pub mod judge_isolated;
pub mod keys;
pub mod open;
pub mod rules;
pub mod worker;

use self::exit::Failure;
use crate::settings::{Explained, LoadOptions, Needs, Settings, SettingsError};

/// Watches a stream of direct messages and hands the few that need a human to the right review
/// queue.
#[derive(Debug, Parser)]
#[command(name = "dmwatch", version, arg_required_else_help = true)]
pub struct Cli {
    /// Flags that every subcommand takes.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every subcommand takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// Settings file [default: dmwatch.yaml, if there is one]
    #[arg(
        long,
        short = 'c',
        global = true,
        value_name = "FILE",
        env = "DMWATCH_CONFIG"
    )]
    pub config: Option<PathBuf>,
    /// Set one setting, over file and environment; may be given several times
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Read messages from Kafka, judge them, hand the few to the review topics
    Worker(worker::Args),
    /// The child process in which suspect messages are judged first; not for people
    #[command(hide = true)]
    JudgeIsolated,
    /// Show the whole pipeline at work on generated messages
    Demo(demo::Args),
    /// Would the worker start? Checks settings, keys and rules, with --online the brokers too
    Check(check::Args),
    /// What is set, and by what
    Config(config::Args),
    /// Look at dead letters (metadata only), and bring them back
    Dlq(dlq::Args),
    /// Make and look at key files
    Keys(keys::Args),
    /// Open sealed review items, for the holder of a region's private key; every item that is
    /// opened is written down first
    Open(open::Args),
    /// Judge messages from a file or standard input
    Judge(judge::Args),
    /// Check and test rule files
    Rules(rules::Args),
}

impl Cli {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// Whatever the subcommand fails with.
    pub fn run(&self) -> Result<(), Failure> {
        match &self.command {
            Command::Worker(args) => worker::run(args, &self.global),
            Command::JudgeIsolated => judge_isolated::run(&self.global),
            Command::Demo(args) => demo::run(args, &self.global),
            Command::Check(args) => check::run(args, &self.global),
            Command::Config(args) => config::run(args, &self.global),
            Command::Dlq(args) => dlq::run(args, &self.global),
            Command::Keys(args) => keys::run(args),
            Command::Open(args) => open::run(args),
            Command::Judge(args) => judge::run(args, &self.global),
            Command::Rules(args) => rules::run(args),
        }
    }
}

impl Global {
    /// Loads the settings. Warnings go to standard error.
    ///
    /// # Errors
    /// Settings that cannot be used, with every fault (78).
    pub fn settings(&self, needs: Needs) -> Result<Settings, Failure> {
        self.explained(needs).map(|(settings, _)| settings)
    }

    /// As [`Global::settings`], with where each value comes from.
    ///
    /// # Errors
    /// As [`Global::settings`].
    pub fn explained(&self, needs: Needs) -> Result<(Settings, Explained), Failure> {
        use io::Write;
        let options = LoadOptions::of_process(self.config.as_deref(), &self.sets, needs);
        let loaded = Settings::load_explained(&options);
        let (settings, explained) = loaded.map_err(|error| self.bad_settings(&error))?;
        if !settings.warnings.is_empty() {
            let warnings = dmwatch_core::document::render(&settings.warnings, color());
            io::stderr().lock().write_all(warnings.as_bytes())?;
        }
        Ok((settings, explained))
    }

    fn bad_settings(&self, error: &SettingsError) -> Failure {
        Failure::bad_settings(error.render(color()))
    }
}

/// Whether standard error is a terminal that wants colours.
#[must_use]
pub fn color() -> bool {
    io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}
