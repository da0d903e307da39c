//! Storms: merchants on both sides, faults on every edge, workers killed at any await; then everything
//! heals, runs until it is quiet, and the laws are checked. One number seeds a storm, and replays it:
//! `make storm SEED=17`.

mod script;

use script::Storm;

/// Seeds that every run of the tests goes through.
const SEEDS: u64 = 200;

async fn weather(seed: u64) {
    Storm::new(seed).await.rage().await;
}

fn seeds() -> std::ops::Range<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match (number("CONCORD_STORM_SEED"), number("CONCORD_STORM_SEEDS")) {
        (Some(seed), _) => seed..seed + 1,
        (None, Some(seeds)) => 0..seeds,
        (None, None) => 0..SEEDS,
    }
}

/// Runs every other seed, so that two tests share the two halves.
async fn storms(half: u64) {
    for seed in seeds().filter(|seed| seed % 2 == half) {
        eprintln!("storm {seed}");
        weather(seed).await;
    }
}

#[tokio::test]
async fn even_seeds() {
    storms(0).await;
}

#[tokio::test]
async fn odd_seeds() {
    storms(1).await;
}
