//! `docs/settings.md`, made from the table.

use std::fmt::Write;

use super::SHIPPED;
use super::kind::describe;
use super::table::{Presence, SECTIONS, SETTINGS, Setting};
use crate::kafka::owned::OWNED;
use crate::kafka::{PROPERTIES, Role, Value};

/// The whole page.
#[must_use]
pub fn markdown() -> String {
    let mut page = String::from(INTRODUCTION);
    for (section, about) in SECTIONS {
        let _infallible = write!(page, "\n## `{section}`\n\n{about}\n\n");
        page.push_str("| setting | takes | default | meaning |\n|---|---|---|---|\n");
        for setting in SETTINGS.iter().filter(|setting| belongs(setting, section)) {
            let _infallible = writeln!(
                page,
                "| `{}` | {} | {} | {} |",
                setting.path,
                describe(setting.kind),
                default(setting),
                setting.meaning
            );
        }
    }
    page.push_str("\n## Shipped queues and rows\n\n```yaml\n");
    page.push_str(SHIPPED);
    page.push_str("```\n");
    page.push_str(PROPERTIES_INTRODUCTION);
    for property in PROPERTIES {
        let roles: Vec<&str> = property.roles.iter().map(|role| name(*role)).collect();
        let roles = if roles.len() == Role::ALL.len() {
            "all".to_owned()
        } else {
            roles.join(", ")
        };
        let value = match property.value {
            Value::Fixed(value) => format!("`{value}`"),
            Value::From(_) => "from the settings".to_owned(),
        };
        let _infallible = writeln!(
            page,
            "| `{}` | {value} | {roles} | {} |",
            property.name, property.reason
        );
    }
    page.push_str(OWNED_INTRODUCTION);
    for owned in OWNED {
        let _infallible = writeln!(page, "| `{}` | {} |", owned.name, owned.reason);
    }
    page
}

fn belongs(setting: &Setting, section: &str) -> bool {
    setting
        .path
        .strip_prefix(section)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

fn default(setting: &Setting) -> String {
    match setting.presence {
        Presence::Default(yaml) => format!("`{yaml}`"),
        Presence::Optional => "not set".into(),
        Presence::Required => "required".into(),
        Presence::ForKafka => "required to speak to Kafka".into(),
        Presence::ForSealing => "required to seal".into(),
    }
}

const fn name(role: Role) -> &'static str {
    match role {
        Role::Consumer => "consumer",
        Role::Producer => "producer",
        Role::StateReader => "state reader",
        Role::Replayer => "replayer",
        Role::Inspector => "inspector",
        Role::Admin => "admin",
    }
}

const INTRODUCTION: &str = "\
# Settings

This page is made from the program's own table; a test keeps it so.

Settings come in layers, the strongest last:

1. defaults, as below;
2. a file in YAML: `--config FILE`, or `DMWATCH_CONFIG`, or `dmwatch.yaml` in the working directory;
3. environment variables: `kafka.bootstrap_servers` is `DMWATCH__KAFKA__BOOTSTRAP_SERVERS`. In names of
   your own, `_` stands for `-` (`DMWATCH__REGIONS__NORTH_SEA__MEMBERS=NO,DK`) and in properties of
   librdkafka for `.`; lists are separated by commas; an empty variable counts as not set;
4. flags: `--set kafka.bootstrap_servers=broker-1:9093,broker-2:9093`.

Mappings are merged key by key, everything else is replaced whole. Mappings and lists of mappings can
also be given to a variable or flag in YAML: `--set 'routing=[{when: {kind: report}, queue: reports}]'`.

Unknown keys are refused. All faults are reported at once, each with its place. `dmwatch check` checks
everything without running; `dmwatch check --online` asks the brokers too; `dmwatch config explain`
prints every value and where it comes from.

Durations are written `500ms`, `30s`, `15m`, `1h30m`, `7d`; sizes `64KiB`, `1MiB`, `2GB`. Secrets are
never settings themselves: a setting that ends in `_file` names the file that holds one. Paths in the
settings file count from its directory.
";

const PROPERTIES_INTRODUCTION: &str = "
## Properties of librdkafka that dmwatch sets

Those that the next table does not name can be changed by `kafka.properties`, `kafka.consumer_properties`
and `kafka.producer_properties`.

| property | value | clients | reason |
|---|---|---|---|
";

const OWNED_INTRODUCTION: &str = "
## Properties of librdkafka that cannot be set by hand

| property | reason |
|---|---|
";
