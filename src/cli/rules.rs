//! `dmwatch rules …`: checking and testing rule files.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, Subcommand};
use dmwatch_core::document::{Fault, FaultSeverity, render};
use dmwatch_core::rules::testing::{self, TestReport};
use dmwatch_core::rules::{Ruleset, Status};
use serde::Serialize;

use super::exit::Failure;
use super::format::Format;

/// Arguments of `dmwatch rules`.
#[derive(Debug, ClapArgs)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Read every rule file and say everything that is wrong
    Check(Target),
    /// Run the rules' own tests
    Test(Target),
}

#[derive(Debug, ClapArgs)]
struct Target {
    /// Folder with the rule files
    #[arg(default_value = "rules", value_name = "DIR")]
    dir: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

/// Runs the subcommand.
///
/// # Errors
/// A rule file with a mistake, or a test that does not hold.
pub fn run(args: &Args) -> Result<(), Failure> {
    match &args.command {
        Command::Check(target) => check(target),
        Command::Test(target) => test(target),
    }
}

/// Reads rules for another command: a mistake in them is bad data.
///
/// # Errors
/// Every fault, rendered.
pub fn load(dir: &Path) -> Result<Ruleset, Failure> {
    Ruleset::load(dir).map_err(|faults| bad_rules(&faults))
}

fn bad_rules(faults: &[Fault]) -> Failure {
    let errors = faults
        .iter()
        .filter(|fault| fault.severity == FaultSeverity::Error)
        .count();
    let summary = format!(
        "error: the rules cannot be used: {}",
        counted(errors, "mistake")
    );
    Failure::bad_data(format!("{}{summary}", render(faults, super::color())))
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

fn check(target: &Target) -> Result<(), Failure> {
    let loaded = Ruleset::load(&target.dir);
    if target.format == Format::Json {
        let report = CheckReport::of(&loaded);
        print_json(&report)?;
        return if report.ok {
            Ok(())
        } else {
            Err(already_told())
        };
    }
    let ruleset = loaded.map_err(|faults| bad_rules(&faults))?;
    warn(&ruleset)?;
    let files = ruleset.policies().len();
    let (patterns, warnings) = (ruleset.program().pattern_count(), ruleset.warnings.len());
    writeln!(
        io::stdout().lock(),
        "{} of {} with {}: no mistakes, {} (ruleset {})",
        counted(ruleset.rules.len(), "rule"),
        if files == 1 {
            "1 policy".to_owned()
        } else {
            format!("{files} policies")
        },
        counted(patterns, "pattern"),
        counted(warnings, "warning"),
        ruleset.hash,
    )?;
    Ok(())
}

fn test(target: &Target) -> Result<(), Failure> {
    let loaded = Ruleset::load(&target.dir);
    let ruleset = match (loaded, target.format) {
        (Ok(ruleset), _) => ruleset,
        (Err(faults), Format::Text) => return Err(bad_rules(&faults)),
        (loaded @ Err(_), Format::Json) => {
            print_json(&CheckReport::of(&loaded))?;
            return Err(already_told());
        }
    };
    let report = testing::run(&ruleset).map_err(|error| Failure::bad_data(error.to_string()))?;
    let failed = report.failed();
    if target.format == Format::Json {
        print_json(&RulesReport::of(&ruleset, &report))?;
        return if failed.is_empty() {
            Ok(())
        } else {
            Err(already_told())
        };
    }
    warn(&ruleset)?;
    if failed.is_empty() {
        let passed = counted(report.passed(), "test");
        let rules = counted(report.rules.len(), "rule");
        writeln!(
            io::stdout().lock(),
            "{passed} of {rules} passed (ruleset {})",
            ruleset.hash
        )?;
        return Ok(());
    }
    let total = report.passed() + failed.len();
    let summary = format!(
        "error: {} of {} failed",
        failed.len(),
        counted(total, "test")
    );
    Err(Failure::bad_data(format!(
        "{}{summary}",
        render(&failed, super::color())
    )))
}

fn warn(ruleset: &Ruleset) -> io::Result<()> {
    if ruleset.warnings.is_empty() {
        return Ok(());
    }
    io::stderr()
        .lock()
        .write_all(render(&ruleset.warnings, super::color()).as_bytes())
}

/// The JSON says it all; only the exit code is left.
fn already_told() -> Failure {
    Failure::bad_data("the rules have mistakes or tests that fail; see the report")
}

fn print_json(report: &impl Serialize) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(report).map_err(io::Error::from)?;
    writeln!(io::stdout().lock(), "{json}")?;
    Ok(())
}

// === Reports ===

#[derive(Serialize)]
struct CheckReport {
    ok: bool,
    ruleset: Option<String>,
    rules: usize,
    patterns: usize,
    faults: Vec<FaultReport>,
}

impl CheckReport {
    fn of(loaded: &Result<Ruleset, Vec<Fault>>) -> Self {
        match loaded {
            Ok(ruleset) => Self {
                ok: true,
                ruleset: Some(ruleset.hash.to_string()),
                rules: ruleset.rules.len(),
                patterns: ruleset.program().pattern_count(),
                faults: reports(&ruleset.warnings),
            },
            Err(faults) => Self {
                ok: false,
                ruleset: None,
                rules: 0,
                patterns: 0,
                faults: reports(faults),
            },
        }
    }
}

#[derive(Serialize)]
struct RulesReport<'a> {
    ok: bool,
    ruleset: &'a str,
    passed: usize,
    failed: usize,
    rules: Vec<RuleReport<'a>>,
    faults: Vec<FaultReport>,
}

#[derive(Serialize)]
struct RuleReport<'a> {
    rule: &'a str,
    version: &'a str,
    policy: &'a str,
    status: Status,
    passed: usize,
    failed: Vec<FaultReport>,
}

impl<'a> RulesReport<'a> {
    fn of(ruleset: &'a Ruleset, report: &TestReport) -> Self {
        let rules = report.rules.iter().filter_map(|tested| {
            let rule = ruleset.rule(tested.rule)?;
            Some(RuleReport {
                rule: &rule.id,
                version: &rule.version,
                policy: &rule.policy,
                status: rule.status,
                passed: tested.passed,
                failed: reports(&tested.failed),
            })
        });
        let failed = report.failed().len();
        Self {
            ok: failed == 0,
            ruleset: &ruleset.hash,
            passed: report.passed(),
            failed,
            rules: rules.collect(),
            faults: reports(&ruleset.warnings),
        }
    }
}

#[derive(Serialize)]
struct FaultReport {
    severity: &'static str,
    code: &'static str,
    message: String,
    label: String,
    file: Option<String>,
    line: Option<usize>,
    column: Option<usize>,
    help: Option<String>,
}

fn reports(faults: &[Fault]) -> Vec<FaultReport> {
    let report = |fault: &Fault| {
        let source = fault.place.source.as_ref();
        let at = source.map(|source| source.line_and_column(fault.place.range.start));
        FaultReport {
            severity: match fault.severity {
                FaultSeverity::Error => "error",
                FaultSeverity::Warning => "warning",
            },
            code: fault.code,
            message: fault.message.clone(),
            label: fault.label.clone(),
            file: source.map(|source| source.name().to_owned()),
            line: at.map(|(line, _)| line),
            column: at.map(|(_, column)| column),
            help: fault.help.clone(),
        }
    };
    faults.iter().map(report).collect()
}
