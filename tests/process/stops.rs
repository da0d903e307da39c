//! Told to stop: ends with 0, in time, whatever else is going on.

use std::time::Duration;

use concord::sandbox::faults::{Aim, Fault};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use crate::house::{Folder, Postgres, Recipe, Service, free_port, now, open_stage, pause, since};
use crate::merchants::Merchants;
use crate::storm::{connect, in_step};

/// INTERFACE: finish or give back what runs within 25 s, exit 0.
const IN_TIME: Duration = Duration::from_secs(25);

async fn ends_well(service: &mut Service, what: &str) -> Duration {
    let Some((status, took)) = service.end(IN_TIME).await else {
        panic!("{what}: still there after {IN_TIME:?}")
    };
    assert_eq!(status.code(), Some(0), "{what}: {status}");
    eprintln!("told to stop {what}: {took:?}");
    took
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn told_to_stop_it_ends_in_time_whatever_happens() {
    let seed = 11;
    let mut dice = ChaCha12Rng::seed_from_u64(seed);
    let folder = Folder::new("stops");
    let mut postgres = Postgres::start(&folder.0, &mut dice).await;
    let stage = open_stage(seed, &mut dice).await;
    let mut merchants = Merchants::new(seed);
    for _ in 0..10 {
        merchants.create_item(&stage);
    }
    let recipe = Recipe::new(&folder.0, &postgres, &stage);
    let port = free_port(&mut dice);
    let mut service = recipe.start(port);
    service.ready().await.expect("it starts");
    let id = connect(&service, &stage, &mut Vec::new()).await;
    in_step(&service, &id, Duration::ZERO, Duration::from_secs(60)).await;

    let stop = CancellationToken::new();
    let working = tokio::spawn(merchants.work(stage.clone(), Duration::from_millis(50), stop.clone()));
    for round in 0..4 {
        pause(Duration::from_millis(dice.random_range(100..900))).await;
        service.signal(Signal::TERM);
        // Impatient people say it again.
        if round % 2 == 1 {
            service.signal(Signal::TERM);
            service.signal(Signal::INT);
        }
        ends_well(&mut service, "under load").await;
        // What it had it gave back.
        assert_eq!(postgres.count("select count(*) from dirty where lease_token is not null").await, 0);
        service = recipe.start(port);
        service.ready().await.expect("it starts");
    }

    // Every call hangs from now on, the worker's and those made for callers.
    let met = || stage.r.faults().met() + stage.e.faults().met();
    let before = met();
    for faults in [stage.r.faults(), stage.e.faults()] {
        faults.chances(vec![(Aim::Any, Fault::HangBefore, 1.0)]);
    }
    let visitor = service.visitor();
    let product = postgres.texts("select product_id::text from links limit 1").await;
    let path = format!("/v1/connections/{id}/products/{}/plan", product[0]);
    let preview = tokio::spawn(async move { visitor.get(&path).await });
    // A caller who never ends what he says.
    let mut silent = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    silent
        .write_all(b"POST /webhooks/e-series HTTP/1.1\r\nhost: x\r\ncontent-length: 50\r\n\r\n{")
        .await
        .unwrap();
    let start = now();
    while met() < before + 2 && since(start) < Duration::from_secs(20) {
        pause(Duration::from_millis(20)).await;
    }
    service.signal(Signal::TERM);
    ends_well(&mut service, "while every call hangs").await;
    drop((preview, silent));
    assert_eq!(
        postgres.count("select count(*) from dirty where lease_token is not null").await,
        0,
        "what it could not finish it gave back"
    );
    for faults in [stage.r.faults(), stage.e.faults()] {
        faults.heal();
    }
    stop.cancel();
    working.await.unwrap();
    service = recipe.start(port);
    service.ready().await.expect("it starts");
    let start = now();
    in_step(&service, &id, Duration::ZERO, Duration::from_secs(100)).await;
    eprintln!("in step {:?} after a stop in the middle of calls", since(start));

    // Before it is ready, too.
    service.signal(Signal::TERM);
    ends_well(&mut service, "at rest").await;
    for _ in 0..5 {
        let mut early = recipe.start(port);
        // It listens before it does anything else.
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            pause(Duration::from_millis(1)).await;
        }
        early.signal(Signal::TERM);
        ends_well(&mut early, "while it starts").await;
    }

    // Without a database.
    service = recipe.start(port);
    service.ready().await.expect("it starts");
    postgres.kill(Signal::KILL);
    service.signal(Signal::TERM);
    ends_well(&mut service, "without a database").await;
    postgres.revive().await;
    postgres.stop().await;
}
