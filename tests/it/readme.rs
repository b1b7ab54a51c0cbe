//! The README against the program: its commands run as they are printed, and its table of commands and
//! the program's own help name the same.

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::cluster::{Cluster, Options};
use crate::support::ended::Ended;
use crate::support::guard;
use crate::support::worker::{Worker, dmwatch};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The lines of the code blocks that are shell.
fn commands(readme: &str) -> Vec<&str> {
    let blocks = readme.split("```sh\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    blocks.flat_map(str::lines).collect()
}

/// A folder with what the commands use, and a shell in it.
struct Place {
    folder: PathBuf,
    bootstrap: String,
    /// What was exported so far.
    exports: String,
}

impl Place {
    fn new(bootstrap: &str) -> Self {
        let folder = guard::folder("readme");
        symlink(root().join("rules"), folder.join("rules")).unwrap();
        // The settings' paths count from their folder, so that one has to be a copy.
        std::fs::create_dir(folder.join("config")).unwrap();
        for name in ["minimal.yaml", "dmwatch.yaml"] {
            let name = Path::new("config").join(name);
            std::fs::copy(root().join(&name), folder.join(&name)).unwrap();
        }
        Self {
            folder,
            bootstrap: bootstrap.to_owned(),
            exports: String::new(),
        }
    }

    fn shell(&self, line: &str) -> Command {
        let program = dmwatch();
        let folder = Path::new(program.get_program()).parent().unwrap();
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("sh");
        shell
            .args(["-euc", &format!("{}{line}", self.exports)])
            .current_dir(&self.folder)
            .env("PATH", format!("{}:{path}", folder.display()))
            .env("DMWATCH__KAFKA__BOOTSTRAP_SERVERS", &self.bootstrap);
        for (name, _) in program.get_envs() {
            shell.env_remove(name);
        }
        shell
    }

    fn run(&self, line: &str) -> Ended {
        self.shell(line).output().unwrap().into()
    }
}

/// Makes the topics that `dmwatch check` misses, as it says itself.
fn make_topics(cluster: &Cluster, said: &Ended) {
    let helps = said.errors.split("kafka-topics.sh --create").skip(1);
    let mut made = 0;
    for help in helps {
        let words: Vec<&str> = help.split('`').next().unwrap().split_whitespace().collect();
        let values = |flag| {
            let pairs = words.windows(2).filter(move |pair| pair[0] == flag);
            pairs.map(|pair| pair[1])
        };
        let topic = values("--topic").next().unwrap();
        let partitions = values("--partitions").next().unwrap_or("1");
        let settings: Vec<_> = values("--config")
            .map(|setting| setting.split_once('=').unwrap())
            .collect();
        cluster.create_topic(topic, partitions.parse().unwrap(), &settings);
        made += 1;
    }
    assert_eq!(made, 6, "{}", said.errors);
}

#[test]
fn every_command_works_as_printed() {
    // Its topics have the shipped names, so it shares no broker.
    let cluster = Cluster::start(&Options::default());
    let mut place = Place::new(cluster.bootstrap());
    let readme = readme();
    let mut done = 0;
    for line in commands(&readme) {
        if line.starts_with("export ") {
            place.exports.push_str(&format!("{line}\n"));
        } else if line.contains("dmwatch check --online") {
            // Nothing is there yet: it says so, and how to make it.
            let said = place.run(line);
            said.expect(69, &["missing-topic", "error: 6 faults"]);
            make_topics(&cluster, &said);
            place.run(line).expect(0, &["brokers: reached"]);
        } else if line.contains("dmwatch worker") {
            let mut worker = Worker::launch(&place.folder, |listen| {
                // In the shell's place, which would die of the signal that is meant for it.
                let mut shell = place.shell(&format!("exec {line}"));
                shell.env("DMWATCH__HTTP__LISTEN", listen);
                shell
            });
            worker.wait_ready();
            worker.terminate();
        } else if line.contains("dmwatch ") {
            place.run(line).expect(0, &[]);
        } else {
            continue;
        }
        done += 1;
    }
    assert!(done >= 9, "only {done} commands were found");
}

#[test]
fn the_targets_that_it_names_are_in_the_makefile() {
    let makefile = std::fs::read_to_string(root().join("Makefile")).unwrap();
    let targets = makefile.lines().filter_map(|line| line.split_once(':'));
    let targets: BTreeSet<&str> = targets.map(|(target, _)| target).collect();
    let readme = readme();
    let in_text = readme.split('`').filter(|code| code.starts_with("make "));
    let in_blocks = commands(&readme)
        .into_iter()
        .filter_map(|line| line.find("make ").map(|at| &line[at..]));
    let named: BTreeSet<&str> = in_text
        .chain(in_blocks)
        .filter_map(|command| command.split_whitespace().nth(1))
        .collect();
    assert!(named.len() >= 5, "{named:?}");
    let missing: Vec<&&str> = named.difference(&targets).collect();
    assert!(missing.is_empty(), "{missing:?} are no targets");
}

/// Subcommands by the help of a command; none where it has none.
fn subcommands(of: &[&str]) -> Vec<String> {
    let help: Ended = dmwatch().args(of).arg("--help").output().unwrap().into();
    help.expect(0, &["Usage:"]);
    let lines = help.out.lines().skip_while(|line| *line != "Commands:");
    let lines = lines.skip(1).take_while(|line| !line.is_empty());
    // What goes on from the line before is further to the right.
    let named = lines.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
    let named = named.filter(|name| !name.is_empty() && *name != "help");
    named.map(str::to_owned).collect()
}

#[test]
fn its_table_and_the_help_name_the_same_commands() {
    let mut helped = BTreeSet::new();
    for command in subcommands(&[]) {
        let below = subcommands(&[&command]);
        if below.is_empty() {
            helped.insert(command);
        } else {
            helped.extend(below.iter().map(|name| format!("{command} {name}")));
        }
    }
    let mut listed = BTreeMap::new();
    for row in readme()
        .lines()
        .filter(|line| line.starts_with("| `dmwatch "))
    {
        let cell = row.split('|').nth(1).unwrap();
        let mut parent = String::new();
        for code in cell.split('`').skip(1).step_by(2) {
            let words: Vec<&str> = code
                .trim_start_matches("dmwatch ")
                .split(' ')
                .take_while(|word| word.starts_with(char::is_alphabetic))
                .collect();
            // ``dmwatch dlq list`, `show``: what follows belongs to the same command.
            let name = match words[..] {
                [name] if parent.is_empty() || helped.contains(name) => name.to_owned(),
                [name] => format!("{parent} {name}"),
                _ => words.join(" "),
            };
            if words.len() > 1 {
                words[0].clone_into(&mut parent);
            }
            listed.insert(name, code.to_owned());
        }
    }
    let names: BTreeSet<String> = listed.keys().cloned().collect();
    assert_eq!(names, helped);
    for (name, code) in listed {
        let flags = code
            .split(['[', ']', ' '])
            .filter(|word| word.starts_with("--"));
        for flag in flags {
            let arguments = name.split(' ').chain(["--help"]);
            let help: Ended = dmwatch().args(arguments).output().unwrap().into();
            help.expect(0, &[flag]);
        }
    }
}
