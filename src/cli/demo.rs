//! `dmwatch demo`: the whole pipeline on generated messages.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::Global;
use super::exit::Failure;
use crate::demo::run::{self, Options};

/// Arguments of `dmwatch demo`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// How long messages are generated
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seconds: u64,
    /// Go on until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Messages a second
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: u32,
    /// The same seed generates the same messages
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Use these brokers instead of the embedded one. The demo's topics get names of their own and
    /// are deleted at the end; login and TLS by --set kafka.security.…
    #[arg(long, value_name = "HOST:PORT,…")]
    bootstrap_servers: Option<String>,
    /// Folder of the rules
    #[arg(long, value_name = "DIR", default_value = "rules")]
    rules: PathBuf,
}

/// Runs `dmwatch demo`. It has settings of its own, which `--set` changes; `--config` is not read.
///
/// # Errors
/// Anything that it needs is missing, the worker stopped, or a message is not accounted for.
pub fn run(args: &Args, global: &Global) -> Result<(), Failure> {
    let options = Options {
        seconds: args.seconds,
        keep: args.keep,
        rate: f64::from(args.rate),
        seed: args.seed,
        bootstrap_servers: args.bootstrap_servers.clone(),
        rules: args.rules.clone(),
        sets: global.sets.clone(),
    };
    Ok(run::run(&options)?)
}
