//! The outbox: delivers a sandboxed platform's notices over HTTP, with retries and with faults.
//!
//! It knows nothing of signatures: whoever pushes a [`Notice`] also hands over the forgeries that a
//! tampering stranger could make of it, so the same outbox serves every platform and relay.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::{Instant, SharedClock, after};

/// One signed message to a receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Where it is posted.
    pub url: String,
    /// Its headers, signature included.
    pub headers: Vec<(String, String)>,
    /// Its body, sent as these bytes.
    pub body: Vec<u8>,
    /// What a tampering stranger could send in its place; one is picked when tampering is drawn.
    /// Without any, the notice cannot be tampered with.
    pub forgeries: Vec<Forgery>,
}

/// A tampered form of a notice: the same address, other headers or another body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgery {
    /// The headers in place of the notice's.
    pub headers: Vec<(String, String)>,
    /// The body in place of the notice's.
    pub body: Vec<u8>,
}

/// When a notice that was not accepted is sent again, and what counts as accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The times of the retries, counted from the event (not from the failed attempt).
    pub delays: Vec<Duration>,
    /// The only statuses that mean "delivered".
    pub accepted: Vec<u16>,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long the answer may take.
    pub answer_timeout: Duration,
}

impl RetryPolicy {
    /// The E-Series policy: 27 retries within 24 hours (e-series-api.md, section 12.6).
    #[must_use]
    pub fn e_series() -> Self {
        let minutes = [15, 30, 45].into_iter().chain((1..=24).map(|hour| hour * 60));
        Self {
            delays: minutes.map(|minutes| Duration::from_secs(minutes * 60)).collect(),
            accepted: vec![200, 201, 202, 204, 209],
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(10),
        }
    }
}

/// What goes wrong on the way to the receiver. Chances run from 0 to 1.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryFaults {
    /// Chance that a notice is never sent; drawn once a notice.
    pub lose: f64,
    /// Chance that a notice is sent twice; drawn once a notice.
    pub repeat: f64,
    /// Chance that a notice changes places with another of the same round.
    pub reorder: f64,
    /// Chance that a forgery is sent in place of the notice; drawn at each attempt.
    pub tamper: f64,
    /// The shortest delay between event and first attempt.
    pub delay_min_seconds: u32,
    /// The longest delay between event and first attempt.
    pub delay_max_seconds: u32,
    /// While set, nothing is sent; notices wait.
    pub paused: bool,
}

/// One attempt at delivering one notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Where it was posted.
    pub url: String,
    /// The headers as sent.
    pub headers: Vec<(String, String)>,
    /// The body as sent.
    pub body: Vec<u8>,
    /// The receiver's status, when it answered.
    pub status: Option<u16>,
    /// What went wrong, when it did not answer.
    pub error: Option<String>,
    /// Whether the policy takes the answer as "delivered".
    pub accepted: bool,
    /// Whether a forgery was sent in place of the notice.
    pub tampered: bool,
    /// How many attempts came before this one.
    pub earlier_attempts: usize,
}

#[derive(Debug)]
struct Waiting {
    notice: Notice,
    pushed: Instant,
    due: Instant,
    order: u64,
    attempts: usize,
}

#[derive(Debug)]
struct Inner {
    waiting: Vec<Waiting>,
    faults: DeliveryFaults,
    generator: ChaCha12Rng,
    pushed: u64,
    lost: u64,
    given_up: u64,
}

type Watcher = Arc<dyn Fn(&Delivery) + Send + Sync>;

struct Shared {
    clock: SharedClock,
    policy: RetryPolicy,
    /// The text is why there is no client; it is told with every delivery that fails for it.
    client: Result<reqwest::Client, String>,
    inner: Mutex<Inner>,
    wake: Notify,
    watchers: Mutex<Vec<Watcher>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// The notices that wait for delivery. Clones share the same queue.
#[derive(Debug, Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

impl Outbox {
    /// An empty outbox without faults; chances are drawn from `seed`.
    #[must_use]
    pub fn new(clock: SharedClock, seed: u64, policy: RetryPolicy) -> Self {
        let client = reqwest::Client::builder()
            .connect_timeout(policy.connect_timeout)
            .timeout(policy.answer_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| error.to_string());
        let inner = Inner {
            waiting: Vec::new(),
            faults: DeliveryFaults::default(),
            generator: ChaCha12Rng::seed_from_u64(seed),
            pushed: 0,
            lost: 0,
            given_up: 0,
        };
        let (inner, watchers) = (Mutex::new(inner), Mutex::new(Vec::new()));
        Self { shared: Arc::new(Shared { clock, policy, client, inner, wake: Notify::new(), watchers }) }
    }

    /// Takes a notice of something that has happened now.
    pub fn push(&self, notice: Notice) {
        let now = self.shared.clock.now();
        self.with(|inner| {
            if inner.draw(inner.faults.lose) {
                inner.lost += 1;
                return;
            }
            let copies = 1 + usize::from(inner.draw(inner.faults.repeat));
            for notice in std::iter::repeat_n(notice, copies) {
                let (low, high) = (inner.faults.delay_min_seconds, inner.faults.delay_max_seconds);
                let delay = inner.generator.random_range(low..=high.max(low));
                inner.pushed += 1;
                inner.waiting.push(Waiting {
                    notice,
                    pushed: now,
                    due: after(now, Duration::from_secs(delay.into())),
                    order: inner.pushed,
                    attempts: 0,
                });
            }
        });
        self.shared.wake.notify_one();
    }

    /// Has `watch` told of every attempt from now on, with its answer, right after it was made.
    pub fn on_delivery(&self, watch: impl Fn(&Delivery) + Send + Sync + 'static) {
        self.shared.watchers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(watch));
    }

    /// Replaces the faults. Loss, repeats and delays apply to notices pushed from now on, the rest to attempts
    /// made from now on.
    pub fn set(&self, faults: DeliveryFaults) {
        self.with(|inner| inner.faults = faults);
        self.shared.wake.notify_one();
    }

    /// The faults as they are set.
    #[must_use]
    pub fn faults(&self) -> DeliveryFaults {
        self.with(|inner| inner.faults)
    }

    /// How many notices wait, for a first attempt or for a retry.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.with(|inner| inner.waiting.len())
    }

    /// How many notices were lost by a drawn fault, without any attempt.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.with(|inner| inner.lost)
    }

    /// How many notices were dropped because their last retry failed too.
    #[must_use]
    pub fn given_up(&self) -> u64 {
        self.with(|inner| inner.given_up)
    }

    /// Drops everything that waits; tells how many notices that were.
    pub fn clear(&self) -> usize {
        self.with(|inner| std::mem::take(&mut inner.waiting).len())
    }

    /// When the next attempt is due; nothing while paused or empty.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.with(|inner| {
            if inner.faults.paused { None } else { inner.waiting.iter().map(|waiting| waiting.due).min() }
        })
    }

    /// Posts everything that is due on the clock, one after the other, and tells how each attempt went.
    /// What fails waits for its next retry. Notices pushed meanwhile wait for the next call, so a receiver that
    /// answers each notice with a change cannot keep this call going for ever.
    pub async fn deliver_due(&self) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for waiting in self.take_due() {
            let delivery = self.post(&waiting).await;
            let watchers = self.shared.watchers.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for watch in watchers {
                watch(&delivery);
            }
            if !delivery.accepted {
                self.put_back(waiting);
            }
            deliveries.push(delivery);
        }
        deliveries
    }

    /// Delivers as things fall due, until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        loop {
            let fall_due = async {
                match self.next_due() {
                    Some(due) => self.shared.clock.sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.shared.wake.notified() => {}
                () = fall_due => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                _ = self.deliver_due() => {}
            }
        }
    }

    fn take_due(&self) -> Vec<Waiting> {
        let now = self.shared.clock.now();
        self.with(|inner| {
            if inner.faults.paused {
                return Vec::new();
            }
            let (mut due, rest): (Vec<_>, Vec<_>) =
                std::mem::take(&mut inner.waiting).into_iter().partition(|waiting| waiting.due <= now);
            inner.waiting = rest;
            due.sort_by_key(|waiting| (waiting.due, waiting.order));
            for place in 0..due.len() {
                if inner.draw(inner.faults.reorder) {
                    let other = inner.generator.random_range(0..due.len());
                    due.swap(place, other);
                }
            }
            due
        })
    }

    fn put_back(&self, mut waiting: Waiting) {
        let now = self.shared.clock.now();
        let retries = self.shared.policy.delays.iter().map(|delay| after(waiting.pushed, *delay));
        // A retry whose time went by while the notice was delayed or paused is not made up for.
        let next = retries.skip(waiting.attempts).find(|due| *due > now);
        self.with(|inner| match next {
            Some(due) => {
                waiting.due = due;
                waiting.attempts += 1;
                inner.waiting.push(waiting);
            }
            None => inner.given_up += 1,
        });
    }

    async fn post(&self, waiting: &Waiting) -> Delivery {
        let notice = &waiting.notice;
        let forgery = self.with(|inner| {
            if notice.forgeries.is_empty() || !inner.draw(inner.faults.tamper) {
                return None;
            }
            let pick = inner.generator.random_range(0..notice.forgeries.len());
            notice.forgeries.get(pick).cloned()
        });
        let tampered = forgery.is_some();
        let (headers, body) =
            forgery.map_or_else(|| (notice.headers.clone(), notice.body.clone()), |it| (it.headers, it.body));
        let answer = match &self.shared.client {
            Ok(client) => {
                let mut request = client.post(&notice.url).body(body.clone());
                for (name, value) in &headers {
                    request = request.header(name, value);
                }
                request.send().await.map(|response| response.status().as_u16()).map_err(|it| it.to_string())
            }
            Err(why) => Err(why.clone()),
        };
        let status = answer.as_ref().ok().copied();
        Delivery {
            url: notice.url.clone(),
            headers,
            body,
            status,
            error: answer.err(),
            accepted: status.is_some_and(|status| self.shared.policy.accepted.contains(&status)),
            tampered,
            earlier_attempts: waiting.attempts,
        }
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Inner) -> T) -> T {
        use_it(&mut self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn draw(&mut self, chance: f64) -> bool {
        chance > 0.0 && self.generator.random_bool(chance.min(1.0))
    }
}

#[cfg(test)]
mod tests;
