use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::mutated::mutated;
use super::*;

fn source(text: &str) -> Arc<Source> {
    Arc::new(Source::new("file.yaml", text))
}

fn parsed(text: &str) -> Node {
    let mut faults = Faults::new();
    let node = parse(&source(text), &mut faults);
    assert!(faults.is_empty(), "{}", render(faults.list(), false));
    node.unwrap()
}

fn faults_of(text: &str) -> Faults {
    let mut faults = Faults::new();
    let _ = parse(&source(text), &mut faults);
    faults
}

fn codes(faults: &Faults) -> Vec<&'static str> {
    faults.list().iter().map(|fault| fault.code).collect()
}

fn field<'a>(node: &'a Node, key: &str) -> &'a Node {
    let Value::Map(entries) = &node.value else {
        panic!("not a mapping")
    };
    &entries.iter().find(|(k, _)| k.name == key).unwrap().1
}

#[test]
fn scalars_are_those_of_yaml_1_2() {
    let node = parsed(
        "a: no\nb: 13_15\nc: 0x1F\nd: 0o17\ne: 1.5\nf: 017\ng: ~\nh: '7'\ni: 1e3\nj: inf\nk: 2027-06-01\nl: -5\nm: true\nn: 1_000\n",
    );
    let value = |key: &str| field(&node, key).value.clone();
    assert_eq!(value("a"), Value::Str("no".into()));
    assert_eq!(value("b"), Value::Str("13_15".into()));
    assert_eq!(value("c"), Value::Int(31));
    assert_eq!(value("d"), Value::Int(15));
    assert_eq!(value("e"), Value::Float(1.5));
    assert_eq!(value("f"), Value::Int(17));
    assert_eq!(value("g"), Value::Null);
    assert_eq!(value("h"), Value::Str("7".into()));
    assert_eq!(value("i"), Value::Float(1000.0));
    assert_eq!(value("j"), Value::Str("inf".into()));
    assert_eq!(value("k"), Value::Str("2027-06-01".into()));
    assert_eq!(value("l"), Value::Int(-5));
    assert_eq!(value("m"), Value::Bool(true));
    assert_eq!(value("n"), Value::Str("1_000".into()));
}

#[test]
fn places_point_at_what_was_written() {
    let text = "# ä comment\nqueues:\n  - name: 'ü'\n    due: 15m\n";
    let node = parsed(text);
    let Value::Seq(items) = &field(&node, "queues").value else {
        panic!("not a list")
    };
    let due = field(&items[0], "due");
    assert_eq!(&text[due.place.range.clone()], "15m");
    assert_eq!(due.place.to_string(), "file.yaml:4:10");
    let name = field(&items[0], "name");
    assert_eq!(&text[name.place.range.clone()], "'ü'");
}

#[test]
fn refuses_what_makes_yaml_surprising() {
    assert_eq!(codes(&faults_of("a: &x 1\nb: *x\n")), ["anchor", "alias"]);
    assert_eq!(codes(&faults_of("a: *nowhere\n")), ["alias"]);
    assert_eq!(codes(&faults_of("a: !!str 1\n")), ["tag"]);
    assert_eq!(codes(&faults_of("<<: {a: 1}\nb: 2\n")), ["merge-key"]);
    assert_eq!(
        codes(&faults_of("a: 1\n---\nb: 2\n")),
        ["several-documents"]
    );
    assert_eq!(codes(&faults_of("%YAML 1.2\n---\na: 1\n")), ["yaml-syntax"]);
    assert_eq!(codes(&faults_of("a: 1\nb: 2\na: 3\n")), ["duplicate-key"]);
    assert_eq!(codes(&faults_of("[a, b]: 1\n")), ["wrong-type"]);
    assert_eq!(
        codes(&faults_of("a: 99999999999999999999\n")),
        ["out-of-range"]
    );
    assert_eq!(codes(&faults_of("a: [1, 2\nb: 3\n")), ["yaml-syntax"]);
    assert_eq!(codes(&faults_of("a: 1\n\tb: 2\n")), ["yaml-syntax"]);
    assert_eq!(codes(&faults_of(&"[".repeat(100_000))), ["yaml-syntax"]);
    assert_eq!(codes(&faults_of(&"- ".repeat(1_000))), ["yaml-syntax"]);
    assert_eq!(codes(&faults_of(&"a".repeat(MAX_BYTES + 1))), ["limit"]);
    assert_eq!(codes(&faults_of(&"- 1\n".repeat(MAX_NODES + 1))), ["limit"]);
}

#[test]
fn an_empty_document_is_nothing() {
    for text in ["", "\n", "# only a comment\n", "---\n", "\u{feff}"] {
        assert_eq!(parsed(text).value, Value::Null, "{text:?}");
    }
}

#[test]
fn the_first_of_two_equal_keys_stays() {
    let mut faults = Faults::new();
    let node = parse(&source("a: 1\na: {b: [2]}\nc: 3\n"), &mut faults).unwrap();
    assert_eq!(field(&node, "a").value, Value::Int(1));
    assert_eq!(field(&node, "c").value, Value::Int(3));
}

#[test]
fn every_fault_is_reported_at_once() {
    let text = "\
name: 5
enabled: yes
ratio: 1.5
count: many
due: 15
size: 1 mb
kind: flagg
tags: one
titel: x
";
    let mut faults = Faults::new();
    let node = parse(&source(text), &mut faults).unwrap();
    let mut map = node.map(&mut faults).unwrap();
    let f = &mut faults;
    assert_eq!(map.required("name", f).and_then(|n| n.string(f)), None);
    assert_eq!(map.required("enabled", f).and_then(|n| n.boolean(f)), None);
    assert_eq!(
        map.required("ratio", f)
            .and_then(|n| n.number(0.0..=1.0, f)),
        None
    );
    assert_eq!(
        map.required("count", f).and_then(|n| n.integer(1..=10, f)),
        None
    );
    assert_eq!(map.required("due", f).and_then(|n| n.duration(f)), None);
    assert_eq!(map.required("size", f).and_then(|n| n.size(f)), None);
    let words = [("flag", 1), ("report", 2)];
    assert_eq!(
        map.required("kind", f).and_then(|n| n.one_of(&words, f)),
        None
    );
    assert!(map.required("tags", f).and_then(|n| n.strings(f)).is_none());
    assert!(map.required("queue", f).is_none());
    assert!(map.optional("title").is_none());
    map.finish(f);
    let expected = "\
error[wrong-type]: expected text, found the number `5`
 --> file.yaml:1:7
  |
1 | name: 5
  |       ^ expected text
  |
  = help: quote it if it is meant as text

error[wrong-type]: expected `true` or `false`, found `yes`
 --> file.yaml:2:10
  |
2 | enabled: yes
  |          ^^^ expected `true` or `false`
  |
  = help: did you mean `true`?

error[out-of-range]: expected a number from 0 to 1, found the number `1.5`
 --> file.yaml:3:8
  |
3 | ratio: 1.5
  |        ^^^ expected a number from 0 to 1

error[wrong-type]: expected a whole number from 1 to 10, found `many`
 --> file.yaml:4:8
  |
4 | count: many
  |        ^^^^ expected a whole number from 1 to 10

error[wrong-type]: expected a duration such as `15m`, found the number `15`
 --> file.yaml:5:6
  |
5 | due: 15
  |      ^^ expected a duration such as `15m`
  |
  = help: units are `ms`, `s`, `m`, `h` and `d`, as in `500ms` or `1h30m`

error[wrong-type]: expected a size such as `1MiB`, found `1 mb`
 --> file.yaml:6:7
  |
6 | size: 1 mb
  |       ^^^^ expected a size such as `1MiB`
  |
  = help: units are `B`, `KiB`, `MiB`, `GiB`, `KB`, `MB` and `GB`

error[unknown-value]: expected one of `flag`, `report`, found `flagg`
 --> file.yaml:7:7
  |
7 | kind: flagg
  |       ^^^^^ expected one of `flag`, `report`
  |
  = help: did you mean `flag`?

error[wrong-type]: expected a list, found `one`
 --> file.yaml:8:7
  |
8 | tags: one
  |       ^^^ expected a list
  |
  = help: write `[one, two]`, or one `- item` a line

error[missing-key]: `queue` is missing
 --> file.yaml:1:1
  |
1 | name: 5
  | ^^^^^^^ `queue` is required in this mapping

error[unknown-key]: unknown key `titel`
 --> file.yaml:9:1
  |
9 | titel: x
  | ^^^^^ unknown key
  |
  = help: did you mean `title`?

";
    assert_eq!(render(faults.list(), false), expected);
}

#[test]
fn the_caret_counts_characters_and_columns_not_bytes() {
    let text = "ключ: \"héé\" \n名前: [x, ünknown, y]\n";
    let mut faults = Faults::new();
    let node = parse(&source(text), &mut faults).unwrap();
    let list = field(&node, "名前");
    let words = [("x", ()), ("y", ())];
    let _ = list.list_of(&words, &mut faults);
    assert_eq!(
        render(faults.list(), false),
        "\
error[unknown-value]: expected one of `x`, `y`, found `ünknown`
 --> file.yaml:2:9
  |
2 | 名前: [x, ünknown, y]
  |           ^^^^^^^ expected one of `x`, `y`

"
    );
}

#[test]
fn related_places_are_shown_once() {
    assert_eq!(
        render(faults_of("a: 1\nb: 2\na: 3\n").list(), false),
        "\
error[duplicate-key]: `a` is set twice
 --> file.yaml:3:1
  |
3 | a: 3
  | ^ set again here
  |
 ::: file.yaml:1:1
  |
1 | a: 1
  | - first set here

"
    );
    let same_line = render(faults_of("{a: 1, a: 2}").list(), false);
    assert!(
        same_line.contains("{a: 1, a: 2}\n  |  -     ^ set again here"),
        "{same_line}"
    );
}

#[test]
fn places_outside_of_files_are_named() {
    let env = Place::elsewhere(Origin::Env("DMWATCH__STREAM__SHARDS".into()));
    let fault = Fault::error("wrong-type", "expected a whole number, found `x`", &env).help("1");
    let text = render(&[fault], false);
    assert_eq!(
        text,
        "\
error[wrong-type]: expected a whole number, found `x`
--> environment variable DMWATCH__STREAM__SHARDS
 = help: 1

"
    );
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    let text = "k\u{1b}[31my: \"\u{202e}x\"\n";
    let mut faults = faults_of(text);
    let source = source(text);
    let place = Place::file(&source, 0..1);
    faults.push(Fault::error("x", "bad \u{1b}]0;title\u{7} \u{202e}", &place).label("\u{1b}[0m"));
    let rendered = render(faults.list(), false);
    assert!(
        !rendered.contains(['\u{1b}', '\u{7}', '\u{202e}']),
        "{rendered:?}"
    );
}

#[test]
fn suggestions_are_close_or_absent() {
    let keys = ["bootstrap_servers", "group_id", "client_id", "id", "due"];
    assert_eq!(closest("bootstrap_server", keys), Some("bootstrap_servers"));
    assert_eq!(closest("bootstrapServers", keys), Some("bootstrap_servers"));
    assert_eq!(closest("goup_id", keys), Some("group_id"));
    assert_eq!(closest("deu", keys), Some("due"));
    assert_eq!(closest("colour", keys), None);
    assert_eq!(closest("x", keys), None);
    assert_eq!(closest(&"a".repeat(1 << 20), keys), None);
}

#[test]
fn units() {
    let millis = |text| parse_duration(text).map(|d| d.as_millis());
    assert_eq!(millis("15m"), Some(900_000));
    assert_eq!(millis("1h30m"), Some(5_400_000));
    assert_eq!(millis("0s"), Some(0));
    for wrong in [
        "",
        "15",
        "m",
        "1.5h",
        "15 m",
        "30m1h",
        "1h1h",
        "-1s",
        "5w",
        "99999999999999999999s",
    ] {
        assert_eq!(millis(wrong), None, "{wrong}");
    }
    assert_eq!(parse_size("64MiB"), Some(64 << 20));
    assert_eq!(parse_size("1 KB"), Some(1_000));
    for wrong in [
        "",
        "64",
        "MiB",
        "1mib",
        "1M",
        "-1B",
        "1.5MiB",
        "99999999999GiB",
    ] {
        assert_eq!(parse_size(wrong), None, "{wrong}");
    }
}

#[test]
fn a_flood_of_faults_is_counted_not_kept() {
    let text = "a: 1\n".repeat(5_000);
    let faults = faults_of(&text);
    assert_eq!(faults.list().len(), Faults::MAX_KEPT);
    assert_eq!(faults.errors(), 4_999);
    assert_eq!(faults.left_out(), 4_999 - Faults::MAX_KEPT);
}

/// Reading and rendering stay far from quadratic; the bound is loose, because tests are built
/// without optimisation.
#[test]
fn hostile_documents_cost_little() {
    let mut hostile = vec![
        "[".repeat(MAX_BYTES),
        "{".repeat(MAX_BYTES),
        "- ".repeat(MAX_BYTES / 2),
        "? ".repeat(MAX_BYTES / 2),
        "a: 1\n".repeat(MAX_BYTES / 5),
        "a".repeat(MAX_BYTES),
        format!("{}: x", "a".repeat(MAX_BYTES - 3)),
        "*a ".repeat(MAX_BYTES / 3),
        "!a ".repeat(MAX_BYTES / 3),
        "&a ".repeat(MAX_BYTES / 3),
        "#".repeat(MAX_BYTES),
        "# \n".repeat(MAX_BYTES / 3),
        "\n".repeat(MAX_BYTES),
        " ".repeat(MAX_BYTES),
        "\"".repeat(MAX_BYTES),
        "'".repeat(MAX_BYTES),
        format!("\"{}", "\\x41".repeat(MAX_BYTES / 5)),
        format!("[{}]", "a: 1, ".repeat(MAX_BYTES / 7)),
        format!("{{{}}}", "a: , ".repeat(MAX_BYTES / 6)),
        format!("- {}", "\n  x".repeat(MAX_BYTES / 5)),
        format!("|\n{}", " x\n".repeat(MAX_BYTES / 4)),
        format!(">\n{}", " x\n\n".repeat(MAX_BYTES / 5)),
        "--- \n".repeat(MAX_BYTES / 5),
    ];
    hostile.push((0..MAX_NODES / 2).map(|n| format!("k{n}: *a\n")).collect());
    for text in hostile {
        let begun = Instant::now();
        let faults = faults_of(&text);
        let _ = render(faults.list(), true);
        let start: String = text.chars().take(12).collect();
        let taken = begun.elapsed();
        assert!(taken < Duration::from_secs(2), "{start:?} took {taken:?}");
        if std::env::var_os("SHOW_TIMES").is_some() {
            println!("{start:?}: {taken:?}");
        }
    }
}

const SAMPLE: &str = "\
# sample
policy: minor-safety
rules:
  - id: a.b   # ünïcode
    tags: [x, 'y', \"z\\n\"]
    text: |
      one
      two
    when: {all: [{phrases: ['…']}, {sender: {age_band: [adult]}}]}
";

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    /// Any text: no panic, every place lies in the text on character borders, and rendering works.
    #[test]
    fn broken_documents_never_panic(text in prop_oneof![mutated(SAMPLE, &[]), "\\PC{0,80}"]) {
        let source = source(&text);
        let mut faults = Faults::new();
        let node = parse(&source, &mut faults);
        prop_assert!(node.is_some() || faults.has_errors());
        let rendered = render(faults.list(), true);
        prop_assert_eq!(rendered.is_empty(), faults.is_empty());
        let mut todo: Vec<&Node> = node.iter().collect();
        while let Some(node) = todo.pop() {
            prop_assert!(text.get(node.place.range.clone()).is_some(), "{:?}", node);
            let mut faults = Faults::new();
            let _ = (node.string(&mut faults), node.integer(0..=1, &mut faults));
            let _ = (node.duration(&mut faults), node.size(&mut faults));
            let _ = render(faults.list(), false);
            match &node.value {
                Value::Seq(nodes) => todo.extend(nodes),
                Value::Map(entries) => todo.extend(entries.iter().map(|(_, node)| node)),
                _ => {}
            }
        }
    }

    #[test]
    fn durations_and_sizes_are_read_back(millis in 0_u64..1 << 50, bytes in 0_u64..1 << 60) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&format_duration(duration)), Some(duration));
        prop_assert_eq!(parse_size(&format_size(bytes)), Some(bytes));
    }

    #[test]
    fn text_is_read_back(text in "[ -~äöü…\n\t]{0,40}") {
        let quoted = serde_json::to_string(&text).unwrap();
        let node = parsed(&format!("key: {quoted}\n"));
        prop_assert_eq!(&field(&node, "key").value, &Value::Str(text));
    }
}
