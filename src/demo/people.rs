//! Who talks to whom: conversations with ages, regions and Zipf-like activity.

use dmwatch_core::message::AgeBand;

use super::lines::Pair;
use super::random::Random;

/// Countries of the platform and their share of accounts, in percent. The demo's settings put them
/// into regions: Brazil has no legal basis there, and `XA` is in no region.
const COUNTRIES: &[(&str, u32)] = &[
    ("US", 48),
    ("GB", 16),
    ("IE", 4),
    ("DE", 11),
    ("FR", 9),
    ("ES", 5),
    ("BR", 6),
    ("XA", 1),
];

/// Age bands and their share of accounts, in percent.
const AGES: &[(AgeBand, u32)] = &[
    (AgeBand::Under13, 3),
    (AgeBand::From13To15, 14),
    (AgeBand::From16To17, 17),
    (AgeBand::Adult, 60),
    (AgeBand::Unknown, 6),
];

/// An account.
#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) id: String,
    pub(super) age_band: AgeBand,
    pub(super) country: &'static str,
    pub(super) age_days: u32,
}

/// A conversation as it stands.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) id: String,
    /// Two, or more in a group.
    pub(super) members: Vec<Account>,
    /// Who wrote last.
    pub(super) turn: usize,
    /// What they talk about: an index into the topics of the harmless lines.
    pub(super) topic: usize,
    pub(super) messages: u64,
}

/// All conversations, and how often each is drawn.
#[derive(Debug)]
pub(super) struct People {
    pub(super) conversations: Vec<Conversation>,
    /// Cumulative weight by rank: few conversations make most of the traffic.
    activity: Vec<f64>,
    /// For each kind of pair, the conversations in which such a line would be written.
    troubled: Vec<(Pair, Vec<usize>)>,
}

/// Cues gather in few conversations, as they do in reality.
const TROUBLED: usize = 24;

/// Exponent of the activity: a little above 1, as measured for chat traffic.
const ZIPF: f64 = 1.05;

impl People {
    pub(super) fn new(conversations: usize, topics: usize, random: &mut Random) -> Self {
        let made: Vec<Conversation> = (0..conversations.max(1))
            .map(|number| conversation(number, topics, random))
            .collect();
        let mut total = 0.0;
        let activity = (1..=made.len())
            .map(|rank| {
                total += (rank as f64).powf(-ZIPF);
                total
            })
            .collect();
        let troubled = Pair::ALL.map(|pair| {
            let fits = |(_, made): &(usize, &Conversation)| made.speaker_for(pair).is_some();
            let indexes = made.iter().enumerate().filter(fits).map(|(index, _)| index);
            // Not the busiest ones: a line in a conversation with thousands is no pattern.
            let quiet = indexes.skip(made.len() / 50).take(TROUBLED).collect();
            (pair, quiet)
        });
        Self {
            conversations: made,
            activity,
            troubled: troubled.into(),
        }
    }

    /// Some conversation, by activity.
    pub(super) fn draw(&self, random: &mut Random) -> usize {
        let total = self.activity.last().copied().unwrap_or(1.0);
        let point = random.unit() * total;
        self.activity.partition_point(|weight| *weight <= point)
    }

    /// A conversation in which such a pair talks.
    pub(super) fn draw_troubled(&self, pair: Pair, random: &mut Random) -> usize {
        let of_pair = self.troubled.iter().find(|(known, _)| *known == pair);
        let index = of_pair.and_then(|(_, indexes)| random.pick(indexes).copied());
        index.unwrap_or_else(|| self.draw(random))
    }
}

impl Conversation {
    /// The member that would write to the others as that pair.
    pub(super) fn speaker_for(&self, pair: Pair) -> Option<usize> {
        let others = |speaker: usize| {
            let members = self.members.iter().enumerate();
            members
                .filter(move |(index, _)| *index != speaker)
                .map(|(_, member)| member)
        };
        (0..self.members.len()).find(|speaker| {
            let from = self.members.get(*speaker).map(|member| member.age_band);
            let is_grown = from.is_some_and(|band| !band.is_minor());
            match pair {
                Pair::Any => true,
                Pair::AdultToMinor => {
                    is_grown && others(*speaker).all(|other| other.age_band.is_minor())
                }
                // Whoever is of unknown age may be a minor.
                Pair::AdultToAdult => {
                    let mut members = self.members.iter();
                    members.all(|member| member.age_band == AgeBand::Adult)
                }
            }
        })
    }
}

fn conversation(number: usize, topics: usize, random: &mut Random) -> Conversation {
    let first = account(number, 0, None, None, random);
    let group = random.chance(0.05);
    let others = if group { 2 + random.below(5) } else { 1 };
    let mut members = vec![first];
    for other in 1..=others {
        // Most people write to people of their age and country.
        let age = members[0].age_band;
        let like_age = random.chance(0.8).then_some(age);
        let like_country = random.chance(0.85).then_some(members[0].country);
        members.push(account(number, other, like_age, like_country, random));
    }
    Conversation {
        id: format!("c-{number:07}"),
        members,
        turn: 0,
        topic: random.below(topics),
        messages: 0,
    }
}

fn account(
    conversation: usize,
    member: usize,
    age: Option<AgeBand>,
    country: Option<&'static str>,
    random: &mut Random,
) -> Account {
    Account {
        id: format!("u-{:08}", conversation * 8 + member),
        age_band: age.unwrap_or_else(|| random.weighted(AGES, AgeBand::Unknown)),
        country: country.unwrap_or_else(|| random.weighted(COUNTRIES, "US")),
        age_days: 1 + random.below(2500) as u32,
    }
}
