//! The storm finds planted mistakes: a net without holes of this size.

use std::sync::atomic::{AtomicU64, Ordering};

use concord::planted::{Mistake, plant};

use super::script::Script;
use super::{ABREAST, play};

/// Within so many seeds each has to be found.
const WITHIN: u64 = 500;

/// The first seed whose storm finds the mistake.
fn found_at(mistake: Mistake) -> Option<u64> {
    let (next, found) = (AtomicU64::new(0), AtomicU64::new(u64::MAX));
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                plant(Some(mistake));
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= WITHIN.min(found.load(Ordering::Relaxed)) {
                        return;
                    }
                    if let Err(why) = play(&Script::drawn_from(seed)) {
                        let words: String = why.chars().take(160).collect();
                        eprintln!("{mistake:?}: seed {seed}: {}", words.replace('\n', " "));
                        found.fetch_min(seed, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Some(found.into_inner()).filter(|seed| *seed < WITHIN)
}

#[test]
fn the_storm_finds_every_planted_mistake() {
    let missed: Vec<Mistake> =
        Mistake::ALL.into_iter().filter(|mistake| found_at(*mistake).is_none()).collect();
    assert!(missed.is_empty(), "not found within {WITHIN} seeds: {missed:?}");
}
