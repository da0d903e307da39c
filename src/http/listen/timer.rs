//! Our clock as the HTTP library wants it.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::rt::{Sleep, Timer};

use crate::clock::{Instant, SharedClock, after};

/// Time limits of the HTTP library, on our clock.
#[derive(Debug, Clone)]
pub(super) struct ClockTimer {
    clock: SharedClock,
    /// The same moment in both ways of counting.
    base: (std::time::Instant, Instant),
}

impl ClockTimer {
    #[expect(clippy::disallowed_methods, reason = "a base to count from: the library counts in these")]
    pub(super) fn new(clock: SharedClock) -> Self {
        let base = (std::time::Instant::now(), clock.now());
        Self { clock, base }
    }
}

impl Timer for ClockTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        Box::pin(Asleep(Mutex::new(self.clock.sleep_until(after(self.clock.now(), duration)))))
    }

    fn sleep_until(&self, deadline: std::time::Instant) -> Pin<Box<dyn Sleep>> {
        let (theirs, ours) = self.base;
        let at = after(ours, deadline.saturating_duration_since(theirs));
        Box::pin(Asleep(Mutex::new(self.clock.sleep_until(at))))
    }

    fn now(&self) -> std::time::Instant {
        let (theirs, ours) = self.base;
        let passed = (self.clock.now() - ours).to_std().unwrap_or_default();
        theirs.checked_add(passed).unwrap_or(theirs)
    }
}

/// A wait; the lock is never taken, it only makes what it holds fit for several threads.
struct Asleep(Mutex<Pin<Box<dyn Future<Output = ()> + Send>>>);

impl Future for Asleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner).as_mut().poll(context)
    }
}

impl Sleep for Asleep {}
