use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::*;
use crate::schema_check::check;

fn actor() -> Actor {
    Actor {
        uid: 1000,
        user: Some("ann".to_owned()),
        sudo_uid: None,
        host: "host".to_owned(),
    }
}

fn access(actor: &Actor) -> Access<'_> {
    Access {
        actor,
        item_id: "00000000000000000000000000000001",
        region: "us",
        kind: ItemKind::Flag,
        purpose: Purpose::Flag,
        reference: "case 7",
        key_id: "0011223344556677",
    }
}

/// A log with that many records, and its path.
fn log(records: usize) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("access.log");
    let actor = actor();
    for _ in 0..records {
        // Each time anew: what a next process does.
        AccessLog::open(&path)
            .unwrap()
            .record(&access(&actor))
            .unwrap();
    }
    (folder, path)
}

fn chain(records: u64, cut_off: usize) -> Result<Chain, ChainError> {
    Ok(Chain { records, cut_off })
}

#[test]
fn records_follow_each_other() {
    let (_folder, path) = log(3);
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let text = fs::read(&path).unwrap();
    for line in text
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
    {
        check("access-record.v1", line).unwrap();
    }
    assert_eq!(verify(&text), chain(3, 0));
}

#[test]
fn every_change_breaks_the_chain() {
    let (_folder, path) = log(4);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| verify(format!("{}\n", lines.join("\n")).as_bytes());
    let changed = lines[1].replace("case 7", "case 8");
    assert_eq!(
        joined(&[lines[0], &changed, lines[2], lines[3]])
            .unwrap_err()
            .line,
        3
    );
    assert_eq!(joined(&[lines[0], lines[2], lines[3]]).unwrap_err().line, 2);
    assert_eq!(joined(&lines[1..]).unwrap_err().line, 1);
    assert_eq!(
        joined(&[lines[0], lines[1], lines[1], lines[2]])
            .unwrap_err()
            .line,
        3
    );
    assert_eq!(joined(&[lines[0], "note", lines[1]]).unwrap_err().line, 3);
}

#[test]
fn a_write_that_was_cut_off_blocks_nothing_and_hides_nothing() {
    for (records, twice) in [(0, false), (1, false), (2, false), (2, true)] {
        let (_folder, path) = log(3);
        let whole = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.split_inclusive('\n').collect();
        let mut cut = lines[..records].concat();
        cut.push_str(&lines[records][..40]);
        if twice {
            cut.push('\n');
            cut.push_str(&lines[records][..90]);
        }
        fs::write(&path, &cut).unwrap();
        let actor = actor();
        let mut log = AccessLog::open(&path).unwrap();
        log.record(&access(&actor)).unwrap();
        log.record(&access(&actor)).unwrap();
        let after = fs::read_to_string(&path).unwrap();
        assert!(after.starts_with(&cut), "nothing is rewritten");
        let expected = chain(records as u64 + 2, 1 + usize::from(twice));
        assert_eq!(verify(after.as_bytes()), expected);
        // The records before the cut are still bound.
        if records > 0 {
            let changed = after.replacen("case 7", "case 8", 1);
            assert!(verify(changed.as_bytes()).is_err());
        }
    }
}

#[test]
fn another_file_is_not_written_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.txt");
    for text in ["hello", "hello\n", "{\"v\":1,}\n", &"x\n".repeat(200_000)] {
        fs::write(&path, text).unwrap();
        let actor = actor();
        let fault = AccessLog::open(&path).unwrap().record(&access(&actor));
        assert!(matches!(fault.unwrap_err().fault, Fault::NotALog));
        assert_eq!(fs::read_to_string(&path).unwrap(), text);
    }
}

#[test]
fn a_log_that_cannot_be_written_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(AccessLog::open(&folder.path().join("no/such/folder/log")).is_err());
    assert!(AccessLog::open(folder.path()).is_err());
    // The device whose disk is always full.
    let actor = actor();
    let full = AccessLog::open(std::path::Path::new("/dev/full"));
    assert!(
        full.and_then(|mut log| log.record(&access(&actor)))
            .is_err()
    );
}

#[test]
fn writers_at_the_same_time_make_one_chain() {
    let (_folder, path) = log(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            let _writer = scope.spawn(|| {
                let actor = actor();
                let mut log = AccessLog::open(&path).unwrap();
                for _ in 0..10 {
                    log.record(&access(&actor)).unwrap();
                }
            });
        }
    });
    assert_eq!(verify(&fs::read(&path).unwrap()), chain(40, 0));
}
