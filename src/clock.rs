//! Time as a parameter.
//!
//! Nothing in Concord asks the operating system for the time: everything that
//! needs it is handed a [`SharedClock`]. Production uses [`SystemClock`], tests
//! a [`ManualClock`] that stands still until it is moved, so no test sleeps.

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

    #[test]
    fn far_ends_of_time_do_not_overflow() {
        assert_eq!(after(Instant::MAX_UTC, Duration::MAX), Instant::MAX_UTC);
        assert_eq!(before(Instant::UNIX_EPOCH, Duration::MAX), Instant::UNIX_EPOCH);
    }
}
