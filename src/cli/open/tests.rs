use std::fs;

use serde_json::Value;

use super::*;
use crate::access::{Chain, verify};
use crate::item::tests::Bench;
use crate::seal::{PrivateKey, Purpose as KeyPurpose};

/// Sealed items of region `us`, the key that opens them, and a log.
struct Case {
    folder: tempfile::TempDir,
    lines: Vec<String>,
}

/// What a session did.
struct Done {
    shown: Vec<Value>,
    complaints: String,
    result: Result<(), Failure>,
}

impl Case {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut bench = Bench::new(64 * 1024);
        let lines = bench.lines();
        key_file::create(folder.path(), bench.opener.key()).unwrap();
        Self { folder, lines }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn args(&self, purpose: Purpose) -> Args {
        Args {
            file: "-".into(),
            key: self.path("us.private.key.json"),
            purpose,
            reference: "case 7".to_owned(),
            access_log: self.path("access.log"),
        }
    }

    fn open(&self, args: &Args, input: &str) -> Done {
        let actor = Actor::of_process();
        let (mut shown, mut complaints) = (Vec::new(), Vec::new());
        let result = Session::new(args, actor)
            .and_then(|mut session| session.run(input.as_bytes(), &mut shown, &mut complaints));
        let shown = String::from_utf8(shown).unwrap();
        Done {
            shown: shown
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            complaints: String::from_utf8(complaints).unwrap(),
            result,
        }
    }

    fn records(&self) -> u64 {
        let Chain { records, cut_off } =
            verify(&fs::read(self.path("access.log")).unwrap_or_default()).unwrap();
        assert_eq!(cut_off, 0);
        records
    }
}

#[test]
fn opens_what_the_purpose_allows_and_writes_it_down_first() {
    let case = Case::new();
    let [flag, report, ..] = &case.lines[..] else {
        panic!("two items");
    };
    let input = format!("{flag}\n\n{report}\n");
    let done = case.open(&case.args(Purpose::Flag), &input);
    assert_eq!(done.shown.len(), 1);
    assert_eq!(done.shown[0]["item"]["kind"], "flag");
    let text = done.shown[0]["evidence"]["messages"][0]["text"].as_str();
    assert!(text.unwrap().contains("gift card"));
    assert_eq!(
        done.complaints,
        "dmwatch: line 3: refused: purpose `flag` is not a ground for reading this item in its region\n"
    );
    assert_eq!(
        done.result.unwrap_err().message,
        "1 of 2 items stayed closed"
    );
    assert_eq!(case.records(), 1);

    let done = case.open(&case.args(Purpose::UserReport), &input);
    assert_eq!(done.shown.len(), 1);
    assert_eq!(done.shown[0]["evidence"]["note"], "he wants gift cards");
    assert!(done.complaints.contains(
        "line 1: refused: purpose `user_report` needs a user's report, this is a `flag`"
    ));
    assert_eq!(case.records(), 2);

    let done = case.open(&case.args(Purpose::LegalRequest), &input);
    assert_eq!((done.shown.len(), done.result.is_ok()), (2, true));
    assert_eq!(case.records(), 4);
    let log = fs::read_to_string(case.path("access.log")).unwrap();
    assert!(!log.contains("gift card"));
}

#[test]
fn nothing_is_shown_that_cannot_be_written_down() {
    let case = Case::new();
    let input = case.lines.join("\n");
    for log in [case.path("no/such/folder"), "/dev/full".into()] {
        let mut args = case.args(Purpose::LegalRequest);
        args.access_log = log;
        let done = case.open(&args, &input);
        assert!(done.shown.is_empty());
        let failure = done.result.unwrap_err();
        assert_eq!(failure.kind.code(), 69);
        assert!(failure.message.starts_with("nothing"), "{failure}");
    }
}

#[test]
fn items_of_another_region_or_with_changed_metadata_stay_closed() {
    let case = Case::new();
    let flag = &case.lines[0];
    let report = &case.lines[1];
    let unassigned = &case.lines[2];
    let id = serde_json::from_str::<Value>(flag).unwrap()["item_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let other = format!("{}{}", &id[1..], &id[..1]);
    let yes = "\"flag_is_purpose\":true";
    let no = "\"flag_is_purpose\":false";
    let cases = [
        (
            flag.replace("\"region\":\"us\"", "\"region\":\"eu\""),
            "region `eu`",
            0,
        ),
        (unassigned.clone(), "no region owns it", 0),
        (flag.replace(yes, no), "is not a ground", 0),
        (report.replace(no, yes), "is not what was sealed", 1),
        (flag.replace(&id, &other), "belongs to another item", 1),
        (
            flag.replace("\"kind\":\"flag\"", "\"kind\":\"pattern\""),
            "another item",
            1,
        ),
        (
            flag.replace("\"v\":1,\"item_id\"", "\"v\":2,\"item_id\""),
            "found 2",
            0,
        ),
        ("{\"canary-7f3a\":1}".to_owned(), "not a review item", 0),
        (flag.replace(&id, "canary-7f3a"), "not a review item", 0),
        ("canary-7f3a".to_owned(), "not a review item", 0),
    ];
    let mut records = 0;
    for (line, expected, written) in cases {
        assert!(!case.lines.contains(&line) || line == *unassigned);
        let done = case.open(&case.args(Purpose::Flag), &line);
        assert!(done.shown.is_empty(), "{expected}");
        assert!(done.complaints.contains(expected), "{}", done.complaints);
        assert!(!done.complaints.contains("canary"), "{}", done.complaints);
        assert_eq!(done.result.unwrap_err().kind.code(), 65);
        records += written;
        assert_eq!(case.records(), records, "{expected}");
    }
}

#[test]
fn only_a_regions_own_key_opens() {
    let case = Case::new();
    let dead_letter = PrivateKey::generate(KeyPurpose::DeadLetter).unwrap();
    let eu = PrivateKey::generate(KeyPurpose::Evidence {
        region: "eu".to_owned(),
    })
    .unwrap();
    for (key, code, expected) in [
        (dead_letter, 2, "dead letters"),
        (eu, 65, "items stayed closed"),
    ] {
        let files = key_file::create(case.folder.path(), &key).unwrap();
        let mut args = case.args(Purpose::LegalRequest);
        args.key = files.private;
        let done = case.open(&args, &case.lines[0]);
        assert!(done.shown.is_empty());
        let failure = done.result.unwrap_err();
        assert_eq!(failure.kind.code(), code);
        assert!(failure.message.contains(expected), "{failure}");
    }
    assert_eq!(case.records(), 0);
}

#[test]
fn a_reference_has_to_be_given() {
    assert!(reference("  case 7 ").is_ok_and(|text| text == "case 7"));
    for text in ["", "  ", "a\nb", &"x".repeat(257)] {
        assert!(reference(text).is_err());
    }
}
