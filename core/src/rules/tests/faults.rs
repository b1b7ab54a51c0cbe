//! What is said about mistakes.

use super::*;

const LISTS: [(&str, &str); 2] = [
    ("lists/secrecy.txt", "ok\n*\nOK\n"),
    ("lists/other.txt", "x"),
];

fn faults(files: &[(&str, &str)]) -> String {
    match Ruleset::read(&sources(files), Faults::new()) {
        Ok(ruleset) => render(&ruleset.warnings, false),
        Err(faults) => render(&faults, false),
    }
}

/// Every mistake of a file (and of the lists beside it) at once. After a change of words, write the
/// expected file anew with `UPDATE_GOLDEN=1` and read the difference.
#[test]
fn all_mistakes_are_shown_at_once() {
    let file = include_str!("mistakes.yaml");
    let shown = faults(&[("minor-safety.yaml", file), LISTS[0], LISTS[1]]);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/rules/tests/mistakes.txt");
        std::fs::write(path, &shown).unwrap();
    }
    let expected = include_str!("mistakes.txt");
    let first = shown
        .lines()
        .zip(expected.lines())
        .find(|(shown, expected)| shown != expected);
    assert!(shown == expected, "first difference: {first:#?}");
}

fn only(when: &str) -> String {
    faults(&[(
        "a.yaml",
        &format!("policy: test\nrules:\n{}", rule("a", when)),
    )])
}

#[test]
fn words_of_other_tools_are_understood() {
    assert!(only("{keywords: [x]}").contains("did you mean `phrases`?"));
    assert!(only("{or: [{regex: x}]}").contains("did you mean `any`?"));
    assert!(only("{contains: x}").contains("did you mean `phrases`?"));
    assert!(only("{phrases: {lst: x}}").contains("did you mean `list`?"));
    assert!(only("{quux: 1}").contains("conditions are: all, any, not"));
    assert!(only("[{regex: x}]").contains("put the list under `all` or `any`"));
    assert!(only("{cue: secrecy}").contains("needs the classifier"));
    assert!(only("{risk: {at_least: 3}}").contains("needs the classifier"));
}

#[test]
fn a_caret_stands_inside_of_a_regex() {
    let shown = only("{regex: 'one (two'}");
    assert!(shown.contains("when: {regex: 'one (two'}}"), "{shown}");
    let line = shown.lines().find(|line| line.contains('^')).unwrap();
    let text = shown.lines().find(|line| line.contains("(two")).unwrap();
    assert_eq!(line.find('^'), text.find("(two"));
    // An escaped one is shown whole.
    assert!(only("{regex: \"o\\x6ee (two\"}").contains("^^^^^^^^^^^^"));
}

#[test]
fn what_cannot_be_fast_is_refused() {
    assert!(only(r"{regex: '(?u)\bx'}").contains("Unicode `\\b` is slow"));
    assert!(only(r"{regex: '(x)\1'}").contains("backreferences are not supported"));
    assert!(only("{regex: '(x{500}){500}'}").contains("exceeds size limit"));
    assert!(only(&format!("{{regex: '{}'}}", "x".repeat(2_001))).contains("at most 2000 bytes"));
}

#[test]
fn a_long_counted_gap_is_warned_of() {
    let shown = only("{regex: 'pay.{0,40}now'}");
    assert!(shown.contains("warning[slow-regex]"), "{shown}");
    let mut lines = shown.lines();
    let line = lines
        .find(|line| line.contains("a long counted gap"))
        .unwrap();
    assert_eq!(line.matches('^').count(), ".{0,40}".len());
    for fast in [
        "pay.{0,5}now",
        "pay[^.!?]*now",
        r"pay \\d{3,20} now",
        "a{20}",
    ] {
        assert!(
            !only(&format!("{{regex: '{fast}'}}")).contains("slow"),
            "{fast}"
        );
    }
    assert!(only(r"{regex: 'pay(\S){12}'}").contains("slow-regex"));
    assert!(only("{regex: 'pay[^.]{9,}x'}").contains("slow-regex"));
}

#[test]
fn a_rate_of_everything_is_warned_of() {
    let shown = only("{rate: {of: {first_contact: true}, at_least: 5, within: 1m}}");
    assert!(shown.contains("warning[broad-rate]"), "{shown}");
    assert!(
        !only("{rate: {of: {all: [{first_contact: true}, {regex: x}]}, at_least: 5, within: 1m}}")
            .contains("broad")
    );
}

#[test]
fn a_rule_without_tests_is_warned_of() {
    assert!(
        only("{regex: x}")
            .contains("warning[untested]: the rule `a` has neither match nor no-match tests")
    );
}

#[test]
fn files_that_are_no_rules() {
    assert!(faults(&[("a.yaml", "")]).contains("error[empty-file]"));
    assert!(faults(&[("a.yaml", "rules: {}")]).contains("`policy` is missing"));
    assert!(faults(&[("a.yaml", "- x")]).contains("expected a mapping"));
    assert!(faults(&[("a.yaml", "policy: [")]).contains("error[yaml-syntax]"));
}

#[test]
fn folders_are_read() {
    let missing = Ruleset::load(Path::new("/nonexistent-rules"))
        .err()
        .unwrap();
    assert!(render(&missing, false).contains("cannot read the folder `/nonexistent-rules`"));

    let dir = std::env::temp_dir().join(format!("dmwatch-rules-{}", std::process::id()));
    std::fs::create_dir_all(dir.join("lists")).unwrap();
    let empty = Ruleset::load(&dir).err().unwrap();
    assert!(render(&empty, false).contains("expected rule files"));
    let file = format!(
        "policy: test\nrules:\n{}",
        rule("a", "{phrases: {list: words}}")
    );
    std::fs::write(dir.join("a.yaml"), file).unwrap();
    std::fs::write(dir.join(".hidden.yaml"), "[").unwrap();
    std::fs::write(dir.join("notes.md"), "[").unwrap();
    std::fs::write(dir.join("lists/words.txt"), "word\n").unwrap();
    assert_eq!(
        Ruleset::load(&dir)
            .unwrap_or_else(|faults| panic!("{}", render(&faults, false)))
            .rules
            .len(),
        1
    );
    std::fs::write(dir.join("lists/words.txt"), b"word\n\xFF\n").unwrap();
    let encoding = Ruleset::load(&dir).err().unwrap();
    assert!(render(&encoding, false).contains("another encoding in line 2"));
    std::fs::remove_dir_all(&dir).unwrap();
}
