//! Waiting without sleeping longer than needed.

use std::time::{Duration, Instant};

/// Asks every few milliseconds until the answer is yes. `false` when the time is up.
pub fn within(limit: Duration, mut question: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_millis(5);
    loop {
        if question() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// Like [`within`], but the test fails when the time is up.
pub fn until(what: &str, limit: Duration, question: impl FnMut() -> bool) {
    assert!(within(limit, question), "not after {limit:?}: {what}");
}
