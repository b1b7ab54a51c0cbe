//! `dmwatch config`: what is set, and by what.

use std::io::{self, Write};

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use super::Global;
use super::exit::Failure;
use crate::settings::{Explained, LoadOptions, Needs, Settings};

/// Arguments of `dmwatch config`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Print every setting, its value and where it comes from; secrets are never printed
    Explain {
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
        /// Leave out what nobody set
        #[arg(long)]
        set_only: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One setting a line, for people
    Text,
    /// One JSON array
    Json,
}

/// Runs `dmwatch config`.
///
/// # Errors
/// Settings that cannot be used (78).
pub fn run(args: &Args, global: &Global) -> Result<(), Failure> {
    let Command::Explain { format, set_only } = args.command;
    let options = LoadOptions::of_process(global.config.as_deref(), &global.sets, Needs::NOTHING);
    let loaded = Settings::load_explained(&options);
    let (_, explained) = loaded.map_err(|error| global.bad_settings(&error))?;
    let mut out = io::stdout().lock();
    explain(&explained, format, set_only, &mut out)
}

fn explain(
    explained: &Explained,
    format: Format,
    set_only: bool,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let entries = explained.entries().iter();
    let entries: Vec<_> = entries
        .filter(|entry| !(set_only && entry.is_default))
        .collect();
    if format == Format::Json {
        let json = serde_json::to_string_pretty(&entries).map_err(io::Error::from)?;
        writeln!(out, "{json}")?;
        return Ok(());
    }
    let widest = |text: &dyn Fn(usize) -> usize| (0..entries.len()).map(text).max().unwrap_or(0);
    let names = widest(&|at| entries[at].setting.chars().count());
    let values = widest(&|at| entries[at].value.chars().count()).min(40);
    for entry in entries {
        let (setting, value) = (&entry.setting, &entry.value);
        writeln!(out, "{setting:names$}  {value:values$}  {}", entry.origin)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(format: Format, set_only: bool) -> String {
        let options = LoadOptions {
            sets: vec!["stream.shards=4".into(), "kafka.group_id=a b".into()],
            env: vec![("DMWATCH__START__EPOCH".into(), "2".into())],
            needs: Needs::NOTHING,
            ..LoadOptions::default()
        };
        let (_, explained) = Settings::load_explained(&options).unwrap();
        let mut out = Vec::new();
        explain(&explained, format, set_only, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn prints_each_value_with_its_origin() {
        assert_eq!(
            printed(Format::Text, true),
            "\
kafka.group_id  \"a b\"  flag --set kafka.group_id
start.epoch     \"2\"    environment variable DMWATCH__START__EPOCH
stream.shards   4      flag --set stream.shards
"
        );
        let all = printed(Format::Text, false);
        let line = all.lines().find(|line| line.starts_with("log.level"));
        assert!(
            line.is_some_and(|line| line.ends_with("  default")),
            "{all}"
        );
    }

    #[test]
    fn prints_json_that_can_be_read() {
        let json: serde_json::Value = serde_json::from_str(&printed(Format::Json, true)).unwrap();
        assert_eq!(json[0]["setting"], "kafka.group_id");
        assert_eq!(json[0]["is_default"], false);
    }
}
