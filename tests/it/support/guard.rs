//! Nothing that a test starts outlives the test program, however that ends.
//!
//! Rust runs no destructor on Ctrl-C, on SIGKILL or for a static. So a small shell process in a
//! process group of its own holds the list of what runs and of the folders in use; it learns that
//! the test program is gone by the end of its standard input, and then kills and removes all that is
//! still on its list.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};

const SCRIPT: &str = r#"
pids= folders=
while read -r verb what; do
    case $verb in
        run) pids="$pids $what" ;;
        end)
            kept=
            for pid in $pids; do [ "$pid" = "$what" ] || kept="$kept $pid"; done
            pids=$kept ;;
        folder) folders="$folders $what" ;;
    esac
done
for pid in $pids; do kill -s KILL -- "-$pid"; done
[ -n "$KEEP_FOLDERS" ] && exit
# A killed process may be writing still.
[ -z "$pids" ] || sleep 1
rm -rf $folders
"#;

/// It is never waited for: it ends after the test program.
static GUARD: LazyLock<Mutex<Child>> = LazyLock::new(|| {
    let shell = Command::new("sh")
        .args(["-c", SCRIPT])
        .env(
            "KEEP_FOLDERS",
            std::env::var("DMWATCH_TEST_KEEP").unwrap_or_default(),
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh starts");
    Mutex::new(shell)
});

fn tell(verb: &str, what: &str) {
    let mut shell = GUARD
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let pipe = shell.stdin.as_mut().expect("its standard input is a pipe");
    writeln!(pipe, "{verb} {what}").expect("the guard process lives");
}

/// Puts a process group on the list.
pub fn running(group: u32) {
    tell("run", &group.to_string());
}

/// Takes a process group off the list, before its number can be used again.
pub fn ended(group: u32) {
    tell("end", &group.to_string());
}

/// A fresh folder that is removed at the end of the test program. `DMWATCH_TEST_KEEP=1` keeps it.
pub fn folder(name: &str) -> PathBuf {
    let folder = tempfile::Builder::new()
        .prefix(&format!("dmwatch-{name}-"))
        .tempdir()
        .expect("a temporary folder")
        .keep();
    tell("folder", &folder.display().to_string());
    folder
}

/// Removes a folder early: brokers preallocate some disk.
pub fn remove(folder: &Path) {
    if std::env::var_os("DMWATCH_TEST_KEEP").is_none() {
        let _ = std::fs::remove_dir_all(folder);
    }
}
