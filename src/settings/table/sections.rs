//! What each section is about.

/// Sections in the order in which they are documented, with what they are about.
pub const SECTIONS: &[(&str, &str)] = &[
    ("kafka", "How to reach Kafka."),
    ("topics", "What is read and written."),
    ("input", "What a message looks like."),
    ("output", "Limits on what is written."),
    ("start", "Where a new consumer group begins."),
    (
        "stream",
        "How the stream is worked through: bounds, time-outs, when to stop.",
    ),
    (
        "context",
        "The context window: the last messages of recently active conversations, kept in memory and written only inside a flagged item.",
    ),
    (
        "regions",
        "Regions by name, a jurisdiction each. A name becomes part of topic names (`review.<region>`): `a`-`z`, `0`-`9` and `-`.",
    ),
    (
        "unassigned",
        "Messages that no region owns. Their items hold metadata only, whatever is set here.",
    ),
    (
        "region_precedence",
        "Which region owns a message, over all its parties.",
    ),
    ("keys", "Public keys that belong to no region."),
    (
        "queues",
        "Review queues by name. Those that are shipped stay; a queue of the same name changes them key by key.",
    ),
    (
        "routing",
        "Rows that decide queue, deadline and priority. The first row that applies counts; a row needs all of its conditions. Setting this replaces the shipped rows.",
    ),
    ("default_queue", "Where everything else goes."),
    ("rules", "The rule files."),
    (
        "http",
        "The HTTP listener: metrics, health, and what changes state.",
    ),
    (
        "log",
        "Logs, on standard error. They never hold message text.",
    ),
];
