//! Two processes on one database, both with merchants at their doors; the one that does the work is killed.

use std::sync::Arc;
use std::time::Duration;

use concord::clock::Instant;
use concord::sandbox::stage::Stage;
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rustix::process::Signal;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::house::{Folder, Postgres, Recipe, Service, free_port, limited_stage, now, pause, since};
use crate::laws::Verdict;
use crate::merchants::Merchants;
use crate::storm::{connect, in_step};

/// Products at the first look.
const PRODUCTS: usize = 12;
/// Between two acts of the merchants: as much as 600 calls a minute can carry.
const BETWEEN: Duration = Duration::from_millis(700);
/// A connection has to be with another process so soon after a crash.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// Longest from the kill until all is in step: a write that was under way is given 30 seconds to show up, and the
/// store's minute may be used up.
const CONVERGED: Duration = Duration::from_secs(100);
/// What E-Series lets through in a minute.
const A_MINUTE: usize = 600;

/// Who works on the connection: the process, and the process's number as it was started.
async fn holder(postgres: &Postgres) -> Option<String> {
    postgres.texts("select holder::text from leases where until > now()").await.pop()
}

/// The most calls that the store saw within any sixty seconds, and how many it refused.
fn busiest_minute(stage: &Stage) -> (usize, usize) {
    let calls = stage.e.calls();
    let at: Vec<Instant> = calls.iter().map(|call| call.at).collect();
    let within =
        |from: &Instant| at.iter().filter(|it| *it >= from && (**it - *from).num_seconds() < 60).count();
    let most = at.iter().map(within).max().unwrap_or_default();
    (most, calls.iter().filter(|call| call.status == 429).count())
}

/// Half of the notices of E-Series go to each: the merchant's registration is changed back and forth.
async fn alternate(stage: Arc<Stage>, doors: [String; 2], stop: CancellationToken) {
    let mut turn = 0;
    while !stop.is_cancelled() {
        stage.e.set_webhook_url(Some(format!("{}/webhooks/e-series", doors[turn % 2])));
        turn += 1;
        pause(Duration::from_millis(300)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_one_that_works_is_killed_and_the_other_takes_over() {
    let seed = 23;
    let start = now();
    let mut dice = ChaCha12Rng::seed_from_u64(seed);
    let folder = Folder::new("replicas");
    let postgres = Postgres::start(&folder.0, &mut dice).await;
    let stage = limited_stage(seed, A_MINUTE, &mut dice).await;
    let mut merchants = Merchants::new(seed);
    for _ in 0..PRODUCTS {
        merchants.create_item(&stage);
    }
    let recipe = Recipe::new(&folder.0, &postgres, &stage);
    let (mut first, mut second) = (recipe.start(free_port(&mut dice)), recipe.start(free_port(&mut dice)));
    first.ready().await.expect("it starts");
    second.ready().await.expect("it starts");
    let mut secrets = Vec::new();
    let id = connect(&first, &stage, &mut secrets).await;
    in_step(&second, &id, Duration::ZERO, Duration::from_secs(30)).await;
    assert_eq!(postgres.count("select count(*) from replicas").await, 2);
    let before = holder(&postgres).await.expect("somebody works on it");

    let stop = CancellationToken::new();
    let doors = [first.base.clone(), second.base.clone()];
    let alternating = tokio::spawn(alternate(stage.clone(), doors.clone(), stop.clone()));
    let working = tokio::spawn(merchants.work(stage.clone(), BETWEEN, stop.clone()));
    // Callers at both doors too.
    for service in [&first, &second] {
        let visitor = service.visitor();
        let products = visitor.get(&format!("/v1/connections/{id}/products")).await.unwrap();
        for product in products["items"].as_array().unwrap().iter().take(2) {
            let product = product["id"].as_str().unwrap();
            visitor.post(&format!("/v1/connections/{id}/products/{product}/sync"), &json!({})).await.unwrap();
            let plan = visitor.get(&format!("/v1/connections/{id}/products/{product}/plan")).await;
            assert!(plan.is_ok(), "a plan is made on either: {plan:?}");
        }
    }
    pause(Duration::from_secs(6)).await;
    assert_eq!(holder(&postgres).await.as_deref(), Some(before.as_str()), "it stays where it is");

    // Whoever listens first is the one whose log line said so; the database knows which of the two it is.
    let (victim, survivor) = split(&postgres, &before, first, second).await;
    let killed = now();
    victim.kill().await;
    let taken = loop {
        match holder(&postgres).await {
            Some(holder) if holder != before => break since(killed),
            _ => assert!(since(killed) < TAKEN_OVER, "nobody works on it {:?} after the kill", since(killed)),
        }
        pause(Duration::from_millis(50)).await;
    };
    assert!(taken <= TAKEN_OVER, "{taken:?}");
    // The merchants go on for a while, and the survivor carries what they do.
    let handled = "select count(*) from inbox where handled_at is not null";
    let then = postgres.count(handled).await;
    let waiting = now();
    while postgres.count(handled).await <= then {
        assert!(since(waiting) < TAKEN_OVER, "the survivor works on nothing");
        pause(Duration::from_millis(100)).await;
    }
    stop.cancel();
    let merchants = working.await.unwrap();
    alternating.await.unwrap();
    stage.e.set_webhook_url(Some(format!("{}/webhooks/e-series", survivor.base)));
    stage.e.outbox().clear();
    let ended = now();
    let quiet = in_step(&survivor, &id, Duration::from_secs(5), CONVERGED).await;
    let (most, refused) = busiest_minute(&stage);
    eprintln!(
        "taken over {taken:?} after the kill, in step {:?} after the last act of {}; {most} calls in the busiest minute of \
         the store, {refused} refused; {:?} in all",
        (quiet - ended).to_std().unwrap_or_default(),
        merchants.acts,
        since(start),
    );
    assert!(most <= A_MINUTE && refused == 0, "{most} calls in a minute, {refused} refused");
    let mut verdict = Verdict::new(seed, &postgres, &stage);
    verdict.platforms(&merchants).await;
    verdict.tables().await;
    verdict.log(&recipe, &secrets);
    verdict.speak();

    // Told to stop, it leaves everything at once.
    let mut survivor = survivor;
    survivor.signal(Signal::TERM);
    let (status, _) = survivor.end(Duration::from_secs(25)).await.expect("it ends");
    assert_eq!(status.code(), Some(0));
    assert_eq!(holder(&postgres).await, None, "it gave the lease up");
    assert_eq!(postgres.count("select count(*) from dirty where lease_token is not null").await, 0);
    postgres.stop().await;
}

/// Which of the two holds the lease: the one that is stopped for a moment does not extend it.
async fn split(postgres: &Postgres, holder: &str, first: Service, second: Service) -> (Service, Service) {
    let seen =
        format!("select extract(epoch from seen_at)::text from replicas where replica_id = '{holder}'");
    first.signal(Signal::STOP);
    // A beat that was under way may still arrive.
    pause(Duration::from_millis(300)).await;
    let before = postgres.texts(&seen).await;
    pause(Duration::from_secs(3)).await;
    let beats = postgres.texts(&seen).await != before;
    first.signal(Signal::CONT);
    if beats { (second, first) } else { (first, second) }
}
