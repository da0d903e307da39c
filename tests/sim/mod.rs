//! Storms: merchants on both sides, faults on every edge, workers stopped and killed at any point, clocks that
//! jump; then everything heals, runs until it is quiet, and the laws are checked.
//!
//! One number seeds a storm. From it a script is drawn, and the script is played one event after the other:
//! only one of all the actors goes at a time, from point to point (`concord::turnstile`), so that one seed is
//! one trace, byte for byte. `make storm SEED=17` plays one again, `make storm SEEDS=10000` many.

mod acts;
mod alone;
mod births;
mod captions;
mod goods;
mod merges;
mod options;
#[cfg(feature = "planted")]
mod planted;
mod policies;
mod scenes;
mod script;
mod shelves;
mod shrink;
mod storm;
mod verdict;
mod walls;

use std::sync::atomic::{AtomicU64, Ordering};

use futures::FutureExt;
use script::Script;
use storm::Storm;

/// Seeds that every run of the tests goes through: what fits into some minutes. `make storm` plays more.
const SEEDS: u64 = 500;
/// Storms at a time: each waits for Postgres most of the time.
const ABREAST: usize = 4;

/// Plays a script; gives its trace, or what went wrong.
fn play(script: &Script) -> Result<String, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let played = runtime.block_on(async {
        let play = async {
            let mut storm = Storm::prepare(script).await;
            storm.rage(&script.events).await;
            storm.calm().await;
            storm.judge().await;
            let trace = storm.whole_trace().await;
            storm.close().await;
            trace
        };
        std::panic::AssertUnwindSafe(play).catch_unwind().await
    });
    played.map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default()
    })
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("CONCORD_STORM_FIRST").unwrap_or(0);
    match (number("CONCORD_STORM_SEED"), number("CONCORD_STORM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(seeds)) => first..first + seeds,
        (None, None) => 0..SEEDS,
    }
}

/// What to say of a seed that fails: how to see it again, and the least that it takes.
fn report(script: &Script, why: &str) -> String {
    let (events, why_least) = shrink::least(script);
    let least: Vec<String> = events.iter().map(|event| format!("    {event:?}")).collect();
    format!(
        "seed {seed} fails. Again: make storm SEED={seed}\n{why}\n\nThe least that it takes ({} of {} events), \
         under {:?}:\n{}\n{why_least}",
        events.len(),
        script.events.len(),
        script.setting,
        least.join("\n"),
        seed = script.seed,
    )
}

#[test]
fn storms() {
    let range = seeds();
    let next = AtomicU64::new(range.start);
    let failed = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..ABREAST {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= range.end || failed.lock().unwrap().len() > 2 {
                        return;
                    }
                    if seed.is_multiple_of(500) {
                        eprintln!("storm {seed} of {range:?}");
                    }
                    let script = Script::drawn_from(seed);
                    if let Err(why) = play(&script) {
                        eprintln!("storm {seed} fails: make storm SEED={seed}");
                        failed.lock().unwrap().push((script, why));
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let reports: Vec<String> = failed.iter().take(1).map(|(script, why)| report(script, why)).collect();
    assert!(failed.is_empty(), "{} storms of {range:?} fail\n{}", failed.len(), reports.join("\n"));
}

#[test]
fn one_seed_is_one_trace_byte_for_byte() {
    for seed in [1, 2, 3, 5, 8, 13] {
        let script = Script::drawn_from(seed);
        let (once, again) = (play(&script).unwrap(), play(&script).unwrap());
        assert!(once.lines().count() > 100, "seed {seed}: a trace of {} lines", once.lines().count());
        for (number, (left, right)) in once.lines().zip(again.lines()).enumerate() {
            assert_eq!(left, right, "seed {seed}, line {number}");
        }
        assert_eq!(once, again, "seed {seed}");
    }
}
