//! A worker on a leash: it goes from one point to the next when told to, and can be killed where it stands.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use concord::clock::{Clock, Instant, ManualClock, SharedClock};
use concord::queue::Worker;
use concord::store::StoreError;
use concord::turnstile::{Passage, Passing, Point, Turnstile, Watcher};

use super::World;

/// Stops whoever passes at every point.
#[derive(Debug, Default)]
pub struct Stopper(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    standing: Option<Point>,
    permit: bool,
    /// Transactions that are open.
    open: usize,
    /// The database breaks off at the n-th of its points from now.
    breaks_in: Option<usize>,
    passed: Vec<String>,
}

impl Stopper {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub fn break_in(&self, points: usize) {
        self.state().breaks_in = Some(points);
    }

    /// Every point since it was last asked.
    pub fn passed(&self) -> Vec<String> {
        std::mem::take(&mut self.state().passed)
    }
}

impl Watcher for Stopper {
    fn pass(&self, point: Point) -> Passing<'_> {
        let of_database = !matches!(point, Point::Call(_) | Point::Answered(_));
        let begins = matches!(point, Point::Begin(_));
        let mut state = self.state();
        if matches!(point, Point::Committed(_)) {
            state.open = state.open.saturating_sub(1);
        }
        let breaks = of_database && state.breaks_in == Some(0);
        if of_database {
            state.breaks_in = state.breaks_in.and_then(|left| left.checked_sub(1));
        }
        state.passed.push(format!("{point}{}", if breaks { " BREAKS" } else { "" }));
        state.standing = Some(point);
        drop(state);
        Box::pin(std::future::poll_fn(move |_| {
            let mut state = self.state();
            if !std::mem::take(&mut state.permit) {
                return Poll::Pending;
            }
            state.standing = None;
            state.open += usize::from(begins && !breaks);
            Poll::Ready(if breaks { Passage::Broken } else { Passage::Free })
        }))
    }

    fn note(&self, point: Point) {
        let mut state = self.state();
        state.open = state.open.saturating_sub(1);
        state.passed.push(point.to_string());
    }
}

/// A clock that goes wrong by a span that can be changed.
#[derive(Debug, Clone)]
pub struct SkewedClock {
    base: ManualClock,
    seconds: Arc<Mutex<i64>>,
}

impl SkewedClock {
    pub fn new(base: &ManualClock, seconds: i64) -> Self {
        Self { base: base.clone(), seconds: Arc::new(Mutex::new(seconds)) }
    }

    /// From now on it is wrong by so much.
    pub fn jump(&self, seconds: i64) {
        *self.seconds.lock().unwrap() = seconds;
    }

    fn skew(&self) -> chrono::TimeDelta {
        chrono::TimeDelta::seconds(*self.seconds.lock().unwrap())
    }
}

impl Clock for SkewedClock {
    fn now(&self) -> Instant {
        self.base.now() + self.skew()
    }

    fn sleep_until(&self, instant: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        self.base.sleep_until(instant - self.skew())
    }
}

type Life = Pin<Box<dyn Future<Output = Result<bool, StoreError>>>>;

/// What became of a walk to the next point.
#[derive(Debug)]
pub enum Walk {
    /// It stands at a point.
    Standing,
    /// Its step ended.
    Ended(Result<bool, StoreError>),
}

/// A process with one worker, on a leash.
pub struct Leashed {
    worker: Worker,
    stopper: Arc<Stopper>,
    life: Option<Life>,
}

impl Leashed {
    pub fn new(world: &World, salt: u64, clock: SharedClock) -> Self {
        let stopper = Arc::new(Stopper::default());
        let worker = world.worker_through(salt, clock, Turnstile::watched(stopper.clone()));
        Self { worker, stopper, life: None }
    }

    pub fn stopper(&self) -> &Stopper {
        &self.stopper
    }

    /// Holds no transaction open, so that somebody else may go first.
    pub fn may_wait(&self) -> bool {
        self.stopper.state().open == 0
    }

    /// Stands before a call that changes something.
    pub fn is_about_to_write(&self) -> bool {
        matches!(&self.stopper.state().standing, Some(Point::Call(what)) if !what.starts_with("GET"))
    }

    /// Goes on to the next point, or to the end of the step. While a platform keeps it waiting, time passes.
    pub async fn walk(&mut self, world: &World) -> Walk {
        let worker = &self.worker;
        let life = self.life.get_or_insert_with(|| {
            let worker = worker.clone();
            Box::pin(async move { worker.step().await })
        });
        let stopper = &self.stopper;
        let stands = stopper.state().standing.is_some();
        stopper.state().permit = stands;
        let mut next = std::future::poll_fn(|context: &mut Context<'_>| match life.as_mut().poll(context) {
            Poll::Ready(ended) => Poll::Ready(Walk::Ended(ended)),
            Poll::Pending if stopper.state().standing.is_some() => Poll::Ready(Walk::Standing),
            Poll::Pending => Poll::Pending,
        });
        let (r, e) = (world.stage.r.faults(), world.stage.e.faults());
        let walked = loop {
            let until = tokio::select! {
                biased;
                walked = &mut next => break walked,
                until = r.keeps_waiting() => until,
                until = e.keeps_waiting() => until,
            };
            let given_up = concord::clock::after(world.clock.now(), super::LIMITS.total);
            world.clock.set(until.min(given_up));
            tokio::select! {
                biased;
                walked = &mut next => break walked,
                () = async { r.keeps_nobody().await; e.keeps_nobody().await } => {}
            }
        };
        r.keeps_nobody().await;
        e.keeps_nobody().await;
        r.caught_up().await;
        e.caught_up().await;
        if matches!(walked, Walk::Ended(_)) {
            self.life = None;
            self.stopper.state().open = 0;
        }
        walked
    }

    /// Walks so many points, and on until nobody has to wait for it. True when the step ended.
    pub async fn walk_points(&mut self, world: &World, points: usize) -> bool {
        let mut walked = 0;
        while walked < points || !self.may_wait() {
            if let Walk::Ended(_) = self.walk(world).await {
                return true;
            }
            walked += 1;
        }
        false
    }

    /// Dies exactly here: nothing of it is left but what it has committed and sent.
    pub async fn die(self, world: &World) -> Vec<String> {
        let passed = self.stopper.passed();
        drop(self.life);
        world.rolled_back().await;
        passed
    }
}

impl World {
    /// Works until a worker has passed `points` points and dies there. False when nothing was left to do before.
    pub async fn die_after(&self, salt: u64, points: usize) -> bool {
        let mut worker = Leashed::new(self, salt, Arc::new(self.clock.clone()));
        let mut passed = 0;
        loop {
            match worker.walk(self).await {
                Walk::Standing if passed == points => {
                    worker.die(self).await;
                    return true;
                }
                Walk::Standing => passed += 1,
                Walk::Ended(did) => {
                    if !did.unwrap() {
                        return false;
                    }
                }
            }
        }
    }
}
