//! Whether any message text got out: into a log, a metric, a header, a topic.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use super::foreign;
use super::generate::{self, CANARY};
use super::site::Site;
use super::worker::Worker;

/// Fails the test if text shows in anything that the workers wrote: their output, their metrics, any
/// topic of the site that dmwatch writes.
pub fn assert_none(site: &Site<'_>, workers: &[&Worker]) {
    for worker in workers {
        for file in worker.files() {
            assert_clean(&file.display().to_string(), &contents(file));
        }
        if let Some(page) = worker.metrics() {
            assert_clean("/metrics", page.as_bytes());
        }
    }
    for topic in site.outputs() {
        for record in foreign::read(site.cluster.bootstrap(), &topic) {
            let place = format!("{topic}/{}/{}", record.partition, record.offset);
            assert_clean(&place, record.key.as_deref().unwrap_or_default());
            assert_clean(&place, record.value.as_deref().unwrap_or_default());
            for (name, value) in &record.headers {
                assert_clean(&place, name.as_bytes());
                assert_clean(&place, value.as_bytes());
            }
        }
    }
}

/// Fails the test if `bytes` hold a canary, plain or in base64, or one of the texts.
pub fn assert_clean(place: &str, bytes: &[u8]) {
    for form in forms_of_the_canary() {
        assert!(!holds(bytes, &form), "message text (its canary) in {place}");
    }
    for line in generate::lines() {
        assert!(!holds(bytes, line.as_bytes()), "message text in {place}");
    }
}

/// Base64 looks different at each of three offsets; the letters at its ends depend on what is beside.
fn forms_of_the_canary() -> Vec<Vec<u8>> {
    let mut forms = vec![CANARY.as_bytes().to_vec()];
    for shift in 0..3 {
        let mut shifted = vec![b'.'; shift];
        shifted.extend_from_slice(CANARY.as_bytes());
        let encoded = STANDARD_NO_PAD.encode(&shifted).into_bytes();
        let inner = encoded.len() - 1;
        forms.push(encoded[(shift * 8).div_ceil(6)..inner].to_vec());
    }
    forms
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

fn contents(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_found(bytes: &[u8]) -> bool {
        std::panic::catch_unwind(|| assert_clean("a test", bytes)).is_err()
    }

    #[test]
    fn text_is_found_in_every_form() {
        assert!(!is_found(b"{\"message_id\": \"m-1\"}"));
        assert!(is_found(
            format!("expected a string, found {CANARY}-7").as_bytes()
        ));
        assert!(is_found(
            b"...my nan made the best soup again, you have to try it..."
        ));
        for before in ["", "a", "ab", "abc"] {
            let encoded = STANDARD_NO_PAD.encode(format!("{before}{CANARY}-7 and more"));
            assert!(is_found(encoded.as_bytes()), "after {before:?}");
        }
    }
}
