//! Parses the arguments, runs, and maps an error to an exit code.

use std::process::ExitCode;

use clap::Parser;
use dmwatch::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
