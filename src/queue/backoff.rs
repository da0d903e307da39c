//! When to come back after a visit that failed through the product's own fault: a schedule, as data.

use std::time::Duration;

use crate::clock::{Instant, after};

/// Pause after the first, second, … failed visit, in seconds.
const PAUSES: [u64; 8] = [1, 2, 5, 15, 60, 300, 900, 3600];

/// When to come back after `attempts` earlier failures.
#[must_use]
pub fn next(attempts: i32, now: Instant) -> Instant {
    let at = usize::try_from(attempts).unwrap_or(0).min(PAUSES.len() - 1);
    let pause = PAUSES.get(at).copied().unwrap_or(3600);
    after(now, Duration::from_secs(pause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_then_stay() {
        let now = Instant::UNIX_EPOCH;
        let pause = |attempts| (next(attempts, now) - now).num_seconds();
        assert_eq!([pause(-1), pause(0), pause(3), pause(7), pause(1000)], [1, 1, 15, 3600, 3600]);
    }
}
