//! Time as a parameter.
//!
//! Nothing in Concord asks the operating system for the time: everything that
//! needs it is handed a [`SharedClock`]. A service uses an [`AgreedClock`], which it shares with every other
//! process on its database, commands the [`SystemClock`], and tests a [`ManualClock`] that stands still until
//! it is moved, so no test sleeps.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use tokio::sync::watch;

/// An instant in UTC. All stored and compared times have microsecond
/// resolution, which is what Postgres keeps.
pub type Instant = DateTime<Utc>;

/// The clock as it is handed around.
pub type SharedClock = Arc<dyn Clock>;

/// Tells the time and waits for it.
pub trait Clock: Send + Sync + std::fmt::Debug {
    /// The present instant, truncated to microseconds.
    fn now(&self) -> Instant;

    /// Resolves once [`Clock::now`] has reached `instant`; at once if it has already.
    fn sleep_until(&self, instant: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Waits for a span of time on `clock`.
pub async fn sleep(clock: &SharedClock, span: Duration) {
    clock.sleep_until(after(clock.now(), span)).await;
}

/// `instant` plus `span`, staying at the far end of time instead of overflowing.
#[must_use]
pub fn after(instant: Instant, span: Duration) -> Instant {
    chrono::TimeDelta::from_std(span)
        .ok()
        .and_then(|delta| instant.checked_add_signed(delta))
        .unwrap_or(Instant::MAX_UTC)
}

/// `instant` minus `span`, staying at the Unix epoch instead of underflowing.
#[must_use]
pub fn before(instant: Instant, span: Duration) -> Instant {
    chrono::TimeDelta::from_std(span)
        .ok()
        .and_then(|delta| instant.checked_sub_signed(delta))
        .unwrap_or(Instant::UNIX_EPOCH)
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> Instant {
        Utc::now().trunc_subsecs(6)
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that waits on the wall clock")]
    fn sleep_until(&self, instant: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let span = (instant - self.now()).to_std().unwrap_or_default();
        Box::pin(tokio::time::sleep(span))
    }
}

/// The clock of a service: several processes on one database have to agree on when a lease runs out and when a
/// write may be judged, whatever is done to the clocks of their machines.
///
/// It is set by the database's time, from time to time, and counts on by the machine's monotonic clock in between,
/// which nobody can set. Clones share the same time.
#[derive(Debug, Clone)]
pub struct AgreedClock(Arc<Mutex<Agreed>>);

#[derive(Debug)]
struct Agreed {
    /// It was `time` when the monotonic clock stood at `since`.
    time: Instant,
    since: std::time::Instant,
    /// The latest that was told: time does not run backwards.
    told: Instant,
}

impl Agreed {
    fn now(&mut self) -> Instant {
        let now = after(self.time, self.since.elapsed()).trunc_subsecs(6);
        self.told = self.told.max(now);
        self.told
    }
}

impl AgreedClock {
    /// Farther back than this it does not stand still until the time has come again: it goes back.
    const STANDS_STILL: chrono::TimeDelta = chrono::TimeDelta::minutes(1);

    /// A clock at `time`.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the monotonic clock, which is what this counts by")]
    pub fn starting_at(time: Instant) -> Self {
        Self(Arc::new(Mutex::new(Agreed { time, since: std::time::Instant::now(), told: time })))
    }

    /// It is `time` now. Returns by how much the clock was behind.
    #[expect(clippy::disallowed_methods, reason = "the monotonic clock, which is what this counts by")]
    pub fn agree(&self, time: Instant) -> chrono::TimeDelta {
        let mut agreed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let behind = time - agreed.now();
        if behind < -Self::STANDS_STILL {
            agreed.told = time;
        }
        (agreed.time, agreed.since) = (time, std::time::Instant::now());
        behind
    }
}

impl Clock for AgreedClock {
    fn now(&self) -> Instant {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).now()
    }

    #[expect(clippy::disallowed_methods, reason = "it waits in real time")]
    fn sleep_until(&self, instant: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let clock = self.clone();
        Box::pin(async move {
            // It may be set back while somebody waits.
            while let Some(span) = (instant - clock.now()).to_std().ok().filter(|span| !span.is_zero()) {
                tokio::time::sleep(span).await;
            }
        })
    }
}

/// A clock that moves only when told to. Clones share the same time.
#[derive(Debug, Clone)]
pub struct ManualClock {
    time: Arc<Mutex<watch::Sender<Instant>>>,
}

impl ManualClock {
    /// A clock standing at `start`.
    #[must_use]
    pub fn starting_at(start: Instant) -> Self {
        let (sender, _) = watch::channel(start.trunc_subsecs(6));
        Self { time: Arc::new(Mutex::new(sender)) }
    }

    /// Moves the clock forward by `span` and wakes everyone whose time has come.
    pub fn advance(&self, span: Duration) {
        self.set(after(self.now(), span));
    }

    /// Moves the clock to `instant`, which may lie in the past: machines' clocks jump.
    pub fn set(&self, instant: Instant) {
        self.sender(|sender| sender.send_replace(instant.trunc_subsecs(6)));
    }

    fn sender<T>(&self, use_it: impl FnOnce(&watch::Sender<Instant>) -> T) -> T {
        use_it(&self.time.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        self.sender(|sender| *sender.borrow())
    }

    fn sleep_until(&self, instant: Instant) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let mut receiver = self.sender(watch::Sender::subscribe);
        Box::pin(async move {
            // An error means that the clock is gone: nobody is left to wait for.
            let _ = receiver.wait_for(|now| *now >= instant).await;
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sleeper_wakes_when_its_time_has_come_and_not_before() {
        let clock = ManualClock::starting_at(Instant::UNIX_EPOCH);
        let target = after(clock.now(), Duration::from_secs(10));
        let mut sleeper = tokio::spawn(clock.sleep_until(target));
        clock.advance(Duration::from_secs(9));
        assert!(futures::poll!(&mut sleeper).is_pending());
        clock.advance(Duration::from_secs(1));
        sleeper.await.expect("the sleeper ends");
    }

    #[tokio::test]
    async fn an_agreed_clock_follows_and_never_runs_backwards_by_little() {
        let start = Instant::UNIX_EPOCH + chrono::TimeDelta::days(20_000);
        let clock = AgreedClock::starting_at(start);
        let far = start + chrono::TimeDelta::hours(1);
        assert!(clock.agree(far) > chrono::TimeDelta::minutes(59), "it was behind");
        assert!(clock.now() >= far);
        let told = clock.now();
        assert!(clock.agree(far - chrono::TimeDelta::seconds(30)) < chrono::TimeDelta::zero());
        assert!(clock.now() >= told, "it stands still rather than to go back");
        clock.agree(start);
        assert!(clock.now() < far, "an hour back is too far to stand still");
        clock.sleep_until(start).await;
    }

    #[test]
    fn far_ends_of_time_do_not_overflow() {
        assert_eq!(after(Instant::MAX_UTC, Duration::MAX), Instant::MAX_UTC);
        assert_eq!(before(Instant::UNIX_EPOCH, Duration::MAX), Instant::UNIX_EPOCH);
    }
}
