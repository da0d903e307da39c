//! The way of a notice: who is told, when, how often, and what goes wrong on the way.

use super::*;
use crate::clock::{Clock, ManualClock};
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};

/// A receiver that notes what comes and answers with a settable status.
#[derive(Clone)]
struct Receiver {
    url: String,
    status: Arc<Mutex<u16>>,
    seen: Arc<Mutex<Vec<(String, String)>>>,
}

impl Receiver {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let receiver = Self { url, status: Arc::new(Mutex::new(200)), seen: Arc::default() };
        let take = |State(receiver): State<Self>, headers: HeaderMap, body: Bytes| async move {
            receiver.take(&headers, &body)
        };
        let app = axum::Router::new().route("/hook", axum::routing::post(take)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        receiver
    }

    fn take(&self, headers: &HeaderMap, body: &Bytes) -> StatusCode {
        let signature = headers["x-signature"].to_str().unwrap().to_owned();
        self.seen.lock().unwrap().push((String::from_utf8(body.to_vec()).unwrap(), signature));
        StatusCode::from_u16(*self.status.lock().unwrap()).unwrap()
    }

    fn bodies(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|(body, _)| body.clone()).collect()
    }

    fn notice(&self, body: &str) -> Notice {
        let signed = |by: &str| vec![("x-signature".to_owned(), by.to_owned())];
        Notice {
            url: self.url.clone(),
            headers: signed("good"),
            body: body.into(),
            forgeries: vec![Forgery { headers: signed("bad"), body: body.into() }],
        }
    }
}

fn outbox(seed: u64) -> (Outbox, ManualClock) {
    let clock = ManualClock::starting_at(Instant::UNIX_EPOCH);
    (Outbox::new(Arc::new(clock.clone()), seed, RetryPolicy::e_series()), clock)
}

#[tokio::test]
async fn a_refused_notice_is_retried_on_schedule_and_then_given_up() {
    let receiver = Receiver::start().await;
    let (outbox, clock) = outbox(1);
    // 203 is a success elsewhere, but not here.
    *receiver.status.lock().unwrap() = 203;
    outbox.push(receiver.notice("a"));
    let start = clock.now();
    let mut minutes = Vec::new();
    while let Some(due) = outbox.next_due() {
        clock.set(due);
        let deliveries = outbox.deliver_due().await;
        assert_eq!(deliveries.len(), 1);
        assert_eq!((deliveries[0].status, deliveries[0].accepted), (Some(203), false));
        minutes.push((due - start).num_minutes());
    }
    let expected: Vec<i64> = [0, 15, 30, 45].into_iter().chain((1..=24).map(|hour| hour * 60)).collect();
    assert_eq!(minutes, expected);
    assert_eq!((outbox.given_up(), outbox.lost(), outbox.pending()), (1, 0, 0));
}

#[tokio::test]
async fn a_retry_that_is_accepted_ends_the_matter() {
    let receiver = Receiver::start().await;
    let (outbox, clock) = outbox(1);
    *receiver.status.lock().unwrap() = 500;
    outbox.push(receiver.notice("a"));
    assert_eq!(outbox.deliver_due().await.len(), 1);
    assert!(outbox.deliver_due().await.is_empty(), "not due yet");
    *receiver.status.lock().unwrap() = 209;
    clock.advance(Duration::from_mins(15));
    let second = outbox.deliver_due().await;
    assert_eq!((second[0].accepted, second[0].earlier_attempts), (true, 1));
    assert_eq!(receiver.bodies(), ["a", "a"]);
    assert_eq!(outbox.pending(), 0);
}

#[tokio::test]
async fn a_receiver_that_is_away_counts_as_a_failure() {
    let (outbox, _clock) = outbox(1);
    let receiver = Receiver::start().await;
    // Port 1 of the loopback is closed.
    outbox.push(Notice { url: "http://127.0.0.1:1/".into(), ..receiver.notice("a") });
    let deliveries = outbox.deliver_due().await;
    assert!(deliveries[0].status.is_none() && deliveries[0].error.is_some());
    assert_eq!(outbox.pending(), 1);
}

#[tokio::test]
async fn notices_are_lost_repeated_and_reordered_as_set() {
    let receiver = Receiver::start().await;
    let (outbox, _clock) = outbox(7);
    outbox.set(DeliveryFaults { lose: 1.0, ..DeliveryFaults::default() });
    outbox.push(receiver.notice("gone"));
    assert_eq!((outbox.lost(), outbox.pending()), (1, 0));

    outbox.set(DeliveryFaults { repeat: 1.0, ..DeliveryFaults::default() });
    outbox.push(receiver.notice("twice"));
    outbox.deliver_due().await;
    assert_eq!(receiver.bodies(), ["twice", "twice"]);

    receiver.seen.lock().unwrap().clear();
    outbox.set(DeliveryFaults { reorder: 1.0, ..DeliveryFaults::default() });
    let bodies: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    for body in &bodies {
        outbox.push(receiver.notice(body));
    }
    outbox.deliver_due().await;
    let mut seen = receiver.bodies();
    assert_ne!(seen, bodies);
    seen.sort();
    assert_eq!(seen, bodies);
}

#[tokio::test]
async fn a_tampered_attempt_that_is_refused_is_followed_by_the_true_notice() {
    let receiver = Receiver::start().await;
    let (outbox, clock) = outbox(1);
    outbox.set(DeliveryFaults { tamper: 1.0, ..DeliveryFaults::default() });
    *receiver.status.lock().unwrap() = 401;
    outbox.push(receiver.notice("a"));
    assert!(outbox.deliver_due().await[0].tampered);
    outbox.set(DeliveryFaults::default());
    clock.advance(Duration::from_mins(15));
    outbox.deliver_due().await;
    let signatures: Vec<String> = receiver.seen.lock().unwrap().iter().map(|(_, by)| by.clone()).collect();
    assert_eq!(signatures, ["bad", "good"]);
}

#[tokio::test]
async fn delays_are_on_the_clock_and_a_paused_outbox_keeps_its_notices() {
    let receiver = Receiver::start().await;
    let (outbox, clock) = outbox(1);
    outbox.set(DeliveryFaults { delay_min_seconds: 10, delay_max_seconds: 20, ..DeliveryFaults::default() });
    outbox.push(receiver.notice("late"));
    assert!(outbox.deliver_due().await.is_empty());
    outbox.set(DeliveryFaults { paused: true, ..DeliveryFaults::default() });
    clock.advance(Duration::from_secs(20));
    assert!(outbox.deliver_due().await.is_empty());
    outbox.set(DeliveryFaults::default());
    assert_eq!(outbox.deliver_due().await.len(), 1);
}

#[tokio::test]
async fn running_it_delivers_what_is_pushed_until_it_is_stopped() {
    let receiver = Receiver::start().await;
    let (outbox, _clock) = outbox(1);
    let stop = CancellationToken::new();
    let runner = tokio::spawn({
        let (outbox, stop) = (outbox.clone(), stop.clone());
        async move { outbox.run(stop).await }
    });
    outbox.push(receiver.notice("a"));
    while receiver.bodies().is_empty() {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    runner.await.unwrap();
    assert_eq!(receiver.bodies(), ["a"]);
}
