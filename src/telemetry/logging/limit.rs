//! At most one event in ten seconds for each key.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An event with the same key is let through once in this time.
const WINDOW: Duration = Duration::from_secs(10);

/// Keys remembered; with more, those that have been silent for a whole window are forgotten.
const MAX_KEYS: usize = 1024;

/// The memory of one place in the code that logs: when each key was last let through, and how
/// often it was held back since.
#[derive(Debug)]
pub struct Limit(Mutex<BTreeMap<u64, Seen>>);

#[derive(Debug)]
struct Seen {
    at: Instant,
    held_back: u64,
}

impl Limit {
    /// A place that has not logged yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// Whether an event with that key may be logged now; if so, how many were held back since the
    /// last one.
    pub fn admit(&self, key: &impl Hash) -> Option<u64> {
        self.admit_at(key, Instant::now())
    }

    fn admit_at(&self, key: &impl Hash, now: Instant) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let key = hasher.finish();
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = keys.get_mut(&key) {
            if now.duration_since(seen.at) < WINDOW {
                seen.held_back += 1;
                return None;
            }
            seen.at = now;
            return Some(std::mem::take(&mut seen.held_back));
        }
        if keys.len() >= MAX_KEYS {
            keys.retain(|_, seen| now.duration_since(seen.at) < WINDOW);
        }
        if keys.len() >= MAX_KEYS {
            return None;
        }
        let _new = keys.insert(
            key,
            Seen {
                at: now,
                held_back: 0,
            },
        );
        Some(0)
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repeat_is_held_back_for_ten_seconds_and_counted() {
        let limit = Limit::new();
        let start = Instant::now();
        assert_eq!(limit.admit_at(&"a", start), Some(0));
        assert_eq!(limit.admit_at(&"a", start + Duration::from_secs(1)), None);
        assert_eq!(limit.admit_at(&"a", start + Duration::from_secs(9)), None);
        assert_eq!(
            limit.admit_at(&"b", start + Duration::from_secs(9)),
            Some(0)
        );
        assert_eq!(limit.admit_at(&"a", start + WINDOW), Some(2));
        assert_eq!(limit.admit_at(&"a", start + WINDOW * 2), Some(0));
    }

    #[test]
    fn a_flood_of_keys_is_bounded_and_silent_ones_make_room() {
        let limit = Limit::new();
        let start = Instant::now();
        let admitted = (0..2 * MAX_KEYS).filter(|key| limit.admit_at(key, start).is_some());
        assert_eq!(admitted.count(), MAX_KEYS);
        assert_eq!(limit.admit_at(&"late", start + WINDOW), Some(0));
    }
}
