//! The command line: one file a subcommand.
//!
//! Each subcommand's module has `Args` (parsed by `clap`) and `run(&Args, &Global) -> Result<(),
//! Failure>`; [`exit::Failure`] carries the exit code.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

pub mod exit;

use self::exit::Failure;

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
pub enum Command {}

impl Cli {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// Whatever the subcommand fails with.
    pub fn run(&self) -> Result<(), Failure> {
        match self.command {}
    }
}
