//! More than can be served, over real TCP: what is acknowledged is kept, the rest is told to come again, and
//! health answers all the while.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::time::Duration;

use concord::clock::{ManualClock, SharedClock};
use concord::http::listen::{Limits, serve};
use concord::sandbox::relay;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::World;

struct Front {
    world: World,
    /// Of the front door alone.
    clock: ManualClock,
    address: String,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Front {
    async fn open(limits: Limits) -> Self {
        let world = World::with_a_mug().await;
        let clock = ManualClock::starting_at(crate::support::start_of_time());
        let shared: SharedClock = Arc::new(clock.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = CancellationToken::new();
        let server = tokio::spawn(serve(listener, world.app.clone(), limits, shared, stop.clone()));
        Self { world, clock, address, stop, server }
    }

    /// One request on a connection of its own: status, or none when the connection was closed.
    async fn ask(&self, head: &str) -> Option<u16> {
        let mut line = TcpStream::connect(&self.address).await.unwrap();
        line.write_all(format!("{head}\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await.ok()?;
        status(&mut line).await
    }

    async fn health(&self) -> Option<u16> {
        self.ask("GET /health/ready HTTP/1.1").await
    }

    async fn close(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(20), self.server).await.expect("it ends").unwrap();
    }
}

/// The status of whatever comes until the connection ends.
async fn status(line: &mut TcpStream) -> Option<u16> {
    let mut text = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(20), line.read_to_end(&mut text)).await.expect("an end");
    String::from_utf8_lossy(&text).split(' ').nth(1)?.parse().ok()
}

/// Resident memory in MiB, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? / 1024)
}

/// How many files may be open, raised as far as the system allows.
fn files() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

#[tokio::test]
async fn heads_and_bodies_that_drip_are_given_up() {
    let front = Front::open(Limits::default()).await;
    let mut silent = TcpStream::connect(&front.address).await.unwrap();
    let mut head = TcpStream::connect(&front.address).await.unwrap();
    head.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-a: ").await.unwrap();
    let mut preface = TcpStream::connect(&front.address).await.unwrap();
    preface.write_all(b"PRI * HT").await.unwrap();
    let mut body = TcpStream::connect(&front.address).await.unwrap();
    body.write_all(b"POST /webhooks/e-series HTTP/1.1\r\nhost: x\r\nx-ecwid-webhook-signature: AAAA\r\ncontent-length: 1000\r\n\r\nx").await.unwrap();
    let mut kept = TcpStream::connect(&front.address).await.unwrap();
    kept.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(kept.read(&mut [0; 4096]).await.unwrap() > 0);
    // All are accepted once somebody who came later has been served.
    assert_eq!(front.health().await, Some(200));
    let clock = front.clock.clone();
    // The clock is moved until they end: a connection may set its limit after the first move.
    let moving = tokio::spawn(async move {
        loop {
            clock.advance(Duration::from_secs(1));
            for _ in 0..200 {
                tokio::task::yield_now().await;
            }
        }
    });
    assert_eq!(status(&mut silent).await, None);
    assert_eq!(status(&mut head).await, None);
    assert_eq!(status(&mut preface).await, None);
    assert_eq!(status(&mut body).await, Some(408));
    assert_eq!(status(&mut kept).await, None);
    moving.abort();
    front.close().await;
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let front = Front::open(Limits::default()).await;
    let long = "x".repeat(9_000);
    assert_eq!(front.ask(&format!("GET /?{long} HTTP/1.1")).await, Some(414));
    assert_eq!(front.ask(&format!("GET / HTTP/1.1\r\nx: {long}{long}")).await, Some(431));
    let many: String = "\r\nx-1: 1".repeat(100);
    assert_eq!(front.ask(&format!("GET / HTTP/1.1{many}")).await, Some(431));
    assert_eq!(front.ask("nonsense").await, Some(400));
    assert_eq!(front.ask("GET / HTTP/1.1").await, Some(200));
    front.close().await;
}

#[tokio::test]
async fn when_all_places_are_taken_health_still_answers() {
    let limits = Limits { connections: 8, reserve: 2, ..Limits::default() };
    let front = Front::open(limits).await;
    let mut taken = Vec::new();
    for _ in 0..8 {
        let mut line = TcpStream::connect(&front.address).await.unwrap();
        line.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(line.read(&mut [0; 4096]).await.unwrap() > 0);
        taken.push(line);
    }
    for _ in 0..5 {
        assert_eq!(front.health().await, Some(200));
        assert_eq!(front.ask("GET / HTTP/1.1").await, Some(503));
    }
    drop(taken);
    // Their places are free as soon as the service has seen them go.
    while front.ask("GET / HTTP/1.1").await != Some(200) {}
    front.close().await;
}

#[tokio::test]
async fn idle_connections_end_at_once_when_the_service_stops() {
    let front = Front::open(Limits::default()).await;
    let mut kept = TcpStream::connect(&front.address).await.unwrap();
    kept.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(kept.read(&mut [0; 4096]).await.unwrap() > 0);
    let silent = TcpStream::connect(&front.address).await.unwrap();
    assert_eq!(front.health().await, Some(200));
    let address = front.address.clone();
    // The clock stands still: no time limit is at work here.
    front.close().await;
    assert!(TcpStream::connect(address).await.is_err());
    drop(silent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_idle_connections_leave_room_for_others() {
    // Both ends are in this process.
    let count = usize::try_from(files().saturating_sub(2_000) / 2).unwrap().min(2_000);
    let front = Front::open(Limits::default()).await;
    let before = resident();
    let mut idle = Vec::new();
    for _ in 0..count {
        let mut line = TcpStream::connect(&front.address).await.unwrap();
        line.write_all(b"GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(line.read(&mut [0; 4096]).await.unwrap() > 0);
        idle.push(line);
    }
    for _ in 0..50 {
        assert_eq!(front.health().await, Some(200));
        assert_eq!(front.ask("GET / HTTP/1.1").await, Some(200));
    }
    if let (Some(before), Some(after)) = (before, resident()) {
        eprintln!("{count} idle connections: {before} to {after} MiB");
        // Other tests run in this process: generous.
        assert!(after.saturating_sub(before) < 400, "{before} to {after} MiB");
    }
    drop(idle);
    front.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_flood_of_notices_whatever_is_acknowledged_is_kept() {
    const NOTICES: usize = 10_000;
    const SENDERS: usize = 200;
    let front = Front::open(Limits { requests: 64, ..Limits::default() }).await;
    let before = resident();
    let kept_before = front.world.sql_count("select count(*) from inbox").await;
    let url = format!("http://{}/webhooks/r-series/{}", front.address, front.world.connection);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let senders = (0..SENDERS).map(|sender| {
        let (client, url, secret) = (client.clone(), url.clone(), front.world.r_secret.clone());
        tokio::spawn(async move {
            let mut answers = Vec::new();
            for number in (sender..NOTICES).step_by(SENDERS) {
                let body = format!(r#"{{"type":"item.update","payload":{{"itemID":{}}}}}"#, number + 1);
                let request = client
                    .post(&url)
                    .header("content-type", "application/json")
                    .header("x-signature", relay::signature(&secret, body.as_bytes()))
                    .header("x-delivery-id", format!("flood-{number}"))
                    .body(body);
                let response = request.send().await.unwrap();
                let again = response.headers().contains_key("retry-after");
                answers.push((number, response.status().as_u16(), again));
            }
            answers
        })
    });
    let senders: Vec<_> = senders.collect();
    let mut healthy = 0;
    while senders.iter().any(|sender| !sender.is_finished()) {
        assert!(matches!(front.health().await, Some(200)), "health did not answer");
        healthy += 1;
    }
    let (mut taken, mut refused) = (Vec::new(), 0);
    for sender in senders {
        for (number, status, again) in sender.await.unwrap() {
            match status {
                200 => taken.push(format!("flood-{number}")),
                503 if again => refused += 1,
                other => panic!("{other}"),
            }
        }
    }
    let kept = front.world.sql_count("select count(*) from inbox where product_id is not null").await;
    let list = taken.join("','");
    let statement = format!("select count(*) from inbox where event_id in ('{list}')");
    let acknowledged = front.world.sql_count(&statement).await;
    eprintln!("{} taken, {refused} told to come again, {healthy} probes, {kept} kept", taken.len());
    assert_eq!(taken.len() + refused, NOTICES);
    assert_eq!(usize::try_from(acknowledged).unwrap(), taken.len(), "an acknowledged notice is not kept");
    assert!(refused > 0, "that was no flood");
    assert!(healthy > 0 && kept >= kept_before);
    if let (Some(before), Some(after)) = (before, resident()) {
        eprintln!("{before} to {after} MiB");
        assert!(after.saturating_sub(before) < 500, "{before} to {after} MiB");
    }
    front.close().await;
}
