//! `dmwatch keys`: makes key pairs and looks at key files.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand};

use super::exit::{Failure, Kind};
use super::format::Format;
use crate::seal::key_file::{self, KeyFileError, KeyFileFault};
use crate::seal::{PrivateKey, Purpose};

/// Arguments of `dmwatch keys`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make key pairs; workers get the public files, the holder of the evidence the private ones
    Generate(Generate),
    /// Say what a key file is for, and check it; never prints a private part
    Inspect {
        /// A private or public key file
        file: PathBuf,
        /// How to print it
        #[arg(long, value_enum, default_value_t = Format::Text)]
        format: Format,
    },
}

#[derive(Debug, ClapArgs)]
#[group(skip)]
struct Generate {
    /// For the evidence of that region; may be given several times
    #[arg(long = "region", value_name = "NAME", value_parser = region)]
    regions: Vec<String>,
    /// For dead letters, with a key that signs their replays
    #[arg(long, required_unless_present = "regions")]
    dead_letter: bool,
    /// Folder for the files, made if it is missing; nothing in it is overwritten
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

fn region(name: &str) -> Result<String, String> {
    if key_file::is_region_name(name) {
        Ok(name.to_owned())
    } else {
        Err("expected lower-case letters, digits, `-` or `_`, at most 64".to_owned())
    }
}

/// Runs `dmwatch keys`.
///
/// # Errors
/// A file that is there already, cannot be written (1), cannot be read (69), or is no good key
/// (65).
pub fn run(args: &Args) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match &args.command {
        Command::Generate(args) => generate(args, &mut out),
        Command::Inspect { file, format } => inspect(file, *format, &mut out),
    }
}

fn generate(args: &Generate, out: &mut impl Write) -> Result<(), Failure> {
    let regions = args.regions.iter().cloned();
    let regions = regions.map(|region| Purpose::Evidence { region });
    let dead_letter = args.dead_letter.then_some(Purpose::DeadLetter);
    for purpose in regions.chain(dead_letter) {
        let key = PrivateKey::generate(purpose)
            .map_err(|error| Failure::new(Kind::Failed, error.to_string()))?;
        let files = key_file::create(&args.out, &key).map_err(|error| failure(&error))?;
        let (purpose, id) = (key.public().purpose(), key.public().id());
        writeln!(out, "{purpose}: key {id}")?;
        writeln!(out, "  public   {}", files.public.display())?;
        writeln!(out, "  private  {}", files.private.display())?;
    }
    Ok(())
}

fn inspect(file: &std::path::Path, format: Format, out: &mut impl Write) -> Result<(), Failure> {
    let found = key_file::inspect(file).map_err(|error| failure(&error))?;
    if format == Format::Json {
        let json = serde_json::to_string(&found).map_err(io::Error::from)?;
        writeln!(out, "{json}")?;
        return Ok(());
    }
    let region = found.region.as_deref().unwrap_or("-");
    let replays = if found.signs_replays { "yes" } else { "no" };
    for (name, value) in [
        ("half", found.half),
        ("purpose", found.purpose),
        ("region", region),
        ("key id", &found.key_id),
        ("suite", found.suite),
        ("created", &found.created),
        ("signs replays", replays),
    ] {
        writeln!(out, "{name:14} {value}")?;
    }
    Ok(())
}

/// What a key file's fault means for the exit code.
pub(super) fn failure(error: &KeyFileError) -> Failure {
    let kind = match error.fault {
        KeyFileFault::Read(_) => Kind::Unavailable,
        KeyFileFault::Write(_) | KeyFileFault::Exists => Kind::Failed,
        _ => Kind::BadData,
    };
    Failure::new(kind, error.to_string())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        args: Args,
    }

    fn run(args: &[&str]) -> Result<String, Failure> {
        let args = ["keys"].iter().chain(args);
        let alone =
            Alone::try_parse_from(args).map_err(|error| Failure::usage(error.to_string()))?;
        let mut out = Vec::new();
        match &alone.args.command {
            Command::Generate(args) => generate(args, &mut out)?,
            Command::Inspect { file, format } => inspect(file, *format, &mut out)?,
        }
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn generates_what_can_be_inspected_and_never_overwrites() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("keys");
        let dir = dir.to_str().unwrap();
        let args = [
            "generate",
            "--region",
            "us",
            "--region",
            "eu",
            "--dead-letter",
            "--out",
            dir,
        ];
        let printed = run(&args).unwrap();
        assert_eq!(printed.lines().count(), 9);
        assert!(printed.starts_with("evidence of region `us`: key "));

        let private = format!("{dir}/us.private.key.json");
        let shown = run(&["inspect", &private]).unwrap();
        assert!(shown.contains("half           private\n"), "{shown}");
        assert!(shown.contains("region         us\n"), "{shown}");
        let stored: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&private).unwrap()).unwrap();
        let secret = stored["private_key"].as_str().unwrap();
        let json = run(&["inspect", &private, "--format", "json"]).unwrap();
        assert!(!shown.contains(secret) && !json.contains(secret) && !printed.contains(secret));
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["purpose"], "evidence");

        let again = run(&["generate", "--region", "us", "--out", dir]).unwrap_err();
        assert_eq!(again.kind, Kind::Failed);
        assert!(again.message.contains("never overwritten"), "{again}");
    }

    #[test]
    fn says_what_is_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().to_str().unwrap();
        let code = |args: &[&str]| run(args).unwrap_err().kind.code();
        assert_eq!(code(&["generate", "--out", dir]), 2);
        assert_eq!(code(&["generate", "--region", "U S", "--out", dir]), 2);
        assert_eq!(code(&["inspect", &format!("{dir}/none")]), 69);
        let file = format!("{dir}/other.json");
        std::fs::write(&file, "{}").unwrap();
        assert_eq!(code(&["inspect", &file]), 65);
    }
}
