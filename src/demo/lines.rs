//! What people write in the demo. All lines were made up for it.

use std::sync::LazyLock;

/// Who writes to whom, as a line needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pair {
    /// Anybody to anybody.
    Any,
    /// An adult, or somebody of unknown age, to minors only.
    AdultToMinor,
    /// An adult to adults only.
    AdultToAdult,
}

impl Pair {
    /// Every kind of pair.
    pub const ALL: [Pair; 3] = [Pair::Any, Pair::AdultToMinor, Pair::AdultToAdult];

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "any" => Some(Pair::Any),
            "adult > minor" => Some(Pair::AdultToMinor),
            "adult > adult" => Some(Pair::AdultToAdult),
            _ => None,
        }
    }
}

/// Lines that one starter rule flags.
#[derive(Debug, Clone, PartialEq)]
pub struct Cue {
    /// Id of the rule.
    pub rule: &'static str,
    /// Who has to write it to whom.
    pub pair: Pair,
    /// Whether it has to be the first contact.
    pub first_contact: bool,
    /// How many of the lines, from one person, it takes; 1 where each is flagged on its own.
    pub run: usize,
    /// Whether the rule always flags them: one in shadow never does, one in canary sometimes.
    pub always: bool,
    /// The lines.
    pub lines: Vec<&'static str>,
}

/// Harmless lines by topic, in the order in which a chat could have them.
pub static HARMLESS: LazyLock<Vec<Vec<&'static str>>> = LazyLock::new(|| {
    let sections = sections(include_str!("lines/harmless.txt"));
    sections.into_iter().map(|(_, lines)| lines).collect()
});

/// Lines that the starter rules flag, by rule.
pub static CUES: LazyLock<Vec<Cue>> = LazyLock::new(|| {
    let sections = sections(include_str!("lines/cues.txt"));
    let cue = |(header, lines)| read_cue(header, lines);
    sections.into_iter().filter_map(cue).collect()
});

/// Parts that begin with a line `# header`.
fn sections(text: &'static str) -> Vec<(&'static str, Vec<&'static str>)> {
    let mut sections: Vec<(&'static str, Vec<&'static str>)> = Vec::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        match (line.strip_prefix("# "), sections.last_mut()) {
            (Some(header), _) => sections.push((header, Vec::new())),
            (None, Some((_, lines))) => lines.push(line),
            (None, None) => {}
        }
    }
    sections
}

/// Reads a header `rule: pair`, and behind it, as it applies, `, first contact`, `, run of 5`,
/// `, not always`.
fn read_cue(header: &'static str, lines: Vec<&'static str>) -> Option<Cue> {
    let (rule, facts) = header.split_once(": ")?;
    let mut facts = facts.split(", ");
    let mut cue = Cue {
        rule,
        pair: Pair::from_name(facts.next()?)?,
        first_contact: false,
        run: 1,
        always: true,
        lines,
    };
    for fact in facts {
        match fact {
            "first contact" => cue.first_contact = true,
            "not always" => cue.always = false,
            run => cue.run = run.strip_prefix("run of ")?.parse().ok()?,
        }
    }
    Some(cue)
}
