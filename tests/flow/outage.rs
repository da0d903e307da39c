//! The database goes away under load: nothing is acknowledged that is not kept, and the end is the right one.
#![expect(clippy::panic, clippy::unwrap_used, reason = "helpers of tests")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use concord::clock::{SharedClock, SystemClock};
use concord::ids::{GeneratedIds, SharedIds};
use concord::sandbox::relay;
use concord::store::Store;
use concord::store::cluster::{Cluster, Options};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::support::{Plan, World, mug};

async fn start(data_dir: &Path) -> Cluster {
    let (clock, ids): (SharedClock, SharedIds) =
        (Arc::new(SystemClock), Arc::new(GeneratedIds::from_system()));
    let options = Options { data_dir: data_dir.to_owned(), durable: false };
    Cluster::start(options, &clock, &ids).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Passes connections on to the server's port of the day: a server that is started again may take another
/// port, and the address that the service knows stays the same. While it is down, so is this.
fn pass_on(listener: std::net::TcpListener, port: u16) -> JoinHandle<()> {
    listener.set_nonblocking(true).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut ours, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let Ok(mut theirs) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                // Either end may break: that is what this test is about.
                let _ = tokio::io::copy_bidirectional(&mut ours, &mut theirs).await;
            });
        }
    })
}

fn port_of(cluster: &Cluster) -> u16 {
    url::Url::parse(&cluster.url("concord")).unwrap().port().unwrap()
}

/// What each delivery was answered; 0 when there was no answer.
async fn deliver(world: &World, body: &str, id: &str) -> u16 {
    let signature = relay::signature(&world.r_secret, body.as_bytes());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client
        .post(format!("{}/webhooks/r-series/{}", world.door, world.connection))
        .header("content-type", "application/json")
        .header("x-signature", signature)
        .header("x-delivery-id", id)
        .body(body.to_owned());
    request.send().await.map_or(0, |response| response.status().as_u16())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_goes_away_under_load_costs_no_notice() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = start(folder.path()).await;
    cluster.ensure_database("concord").await.unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let door = listener.local_addr().unwrap().port();
    let mut passing = pass_on(listener.try_clone().unwrap(), port_of(&cluster));
    let mut url = url::Url::parse(&cluster.url("concord")).unwrap();
    url.set_port(Some(door)).unwrap();
    let store = Store::open(url.as_str(), 1).unwrap();
    store.migrate().await.unwrap();
    store.close().await;

    let mut world = World::open_on(url.to_string(), Plan { relay: false, ..Plan::default() }).await;
    world.stage.r.create_item(mug());
    world.connect().await;
    world.settle().await;
    let item = world.stage.r.items()[0].item_id;

    // Six senders that never stop; what they were answered is written down by them.
    let body = format!(r#"{{"type":"inventory.update","payload":{{"itemID":{item}}}}}"#);
    let (stop, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let sender = |number: usize| {
        let (world, body, stop, sent) = (&world, &body, &stop, &sent);
        async move {
            let mut answers = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let id = format!("sender {number}, delivery {}", answers.len());
                answers.push((deliver(world, body, &id).await, id));
                sent.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            answers
        }
    };
    let until = |more: u64| {
        let sent = &sent;
        let goal = sent.load(Ordering::Relaxed) + more;
        async move {
            while sent.load(Ordering::Relaxed) < goal {
                tokio::task::yield_now().await;
            }
        }
    };
    let outage = async {
        until(60).await;
        world.stage.r.sell(item, 1, 2);
        passing.abort();
        cluster.stop().await.unwrap();
        // While it is down, deliveries go on. Each waits in real time for as long as the pool does.
        let ready = reqwest::Client::builder().no_proxy().build().unwrap();
        let ready = ready.get(format!("{}/health/ready", world.door)).send();
        let (down, step, ready, ()) =
            tokio::join!(deliver(&world, &body, "while it is down"), world.worker.step(), ready, until(12));
        assert!(down == 503 || down == 0, "answered {down} while the database was down");
        assert!(step.is_err(), "the worker says that it cannot work");
        assert_eq!(ready.unwrap().status().as_u16(), 503, "ready without a database");
        world.stage.r.sell(item, 1, 1);
        let again = start(folder.path()).await;
        passing = pass_on(listener.try_clone().unwrap(), port_of(&again));
        until(60).await;
        stop.store(true, Ordering::Relaxed);
        (again, passing)
    };
    let senders = futures::future::join_all((0..6).map(sender));
    let ((again, passing), answers) = tokio::join!(outage, senders);

    let answers: Vec<(u16, String)> = answers.into_iter().flatten().collect();
    let count = |wanted: u16| answers.iter().filter(|(status, _)| *status == wanted).count();
    let odd: Vec<_> = answers.iter().filter(|(status, _)| ![200, 503, 0].contains(status)).collect();
    assert!(odd.is_empty(), "neither taken nor put off: {odd:?}");
    assert!(count(503) > 0, "nobody was told to come again: {answers:?}");
    assert!(count(200) >= 100, "only {} were taken", count(200));
    for (_, id) in answers.iter().filter(|(status, _)| *status == 200) {
        let rows = format!("select count(*) from inbox where event_id = '{id}'");
        assert_eq!(world.sql_count(&rows).await, 1, "{id} was acknowledged and is not there");
    }
    // Those that were put off come again, as senders do.
    for (status, id) in answers.iter().filter(|(status, _)| *status != 200) {
        assert_eq!(deliver(&world, &body, id).await, 200, "{id}, answered {status} before");
    }
    world.clock.advance(Duration::from_secs(61));
    world.settle().await;
    let (item, product) = world.pair(item);
    assert_eq!((item.stock[&1], product.quantity), (7, Some(7)));
    assert_eq!(world.sql_count("select count(*) from inbox where handled_at is null").await, 0);
    world.check_laws().await;
    drop(world);
    passing.abort();
    again.stop().await.unwrap();
}
