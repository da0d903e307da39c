//! The gate: lets calls of one connection to one platform through at the platform's own rate.
//!
//! A rate limit is a schedule, not an error: the gate never waits and never drops, it says when to come
//! back. It keeps an estimate of the platform's limiter, is corrected by every answer's headers, and
//! closes on 429 until the time the platform names. It also closes for a short, growing time when the
//! platform does not answer, so that an outage costs the items waiting for it nothing.
//!
//! Several processes may share one store. R-Series says with every answer how full its bucket is, whoever filled
//! it; E-Series says nothing, so its gate can be *lent*: the process that works on a connection has nearly all of
//! the calls, and writes down what it has used, so that a successor counts on from there; any other has a small
//! reserve for what its own callers ask.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::{Instant, after};

/// Longest pause after repeated outages.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Calls a minute that a process has at a store that another process works on.
pub const RESERVE: usize = 20;
/// What all processes together take of a store's 600 calls a minute, clock differences and a process that has just
/// started left aside.
const SHARED: usize = 580;
/// The least that the process which works on a connection has, however many others there are.
const LEAST: usize = 300;
/// Calls that may be made until what was made is written down again.
const AHEAD: usize = 240;
/// How soon to ask again once those are used up.
const WRITTEN_DOWN_SOON: Duration = Duration::from_secs(1);

/// Longest wait for room in a bucket, whatever the platform's headers say: the real one empties in 90 seconds.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

#[derive(Debug)]
enum Limiter {
    /// R-Series (r-series-api.md, section 3): a leaky bucket and one-second windows.
    Leaky { level: f64, size: f64, drip: f64, at: Option<Instant>, burst: Burst },
    /// E-Series (e-series-api.md, section 2.3): a number of calls in any sixty seconds.
    Sliding { limit: usize, span: Duration, calls: VecDeque<Instant>, lent: Option<Lent>, booked: u64 },
}

/// That others may call the same store.
#[derive(Debug, Clone, Copy)]
struct Lent {
    /// Until then this process works on the connection.
    until: Instant,
    /// Calls in any sixty seconds that it has until then.
    limit: usize,
    /// Calls that it may make before what it made is written down.
    ahead: usize,
}

/// What was called within the last minute, to be written down before a gate is lent for another while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    /// Calls by the second in which they were made.
    pub calls: Vec<(i64, u32)>,
    /// Calls since the gate was made.
    booked: u64,
    /// Calls that may follow before the next tally.
    ahead: usize,
    limit: usize,
}

impl Tally {
    /// The same, with what may follow counted at `until`: the worst case for a successor.
    #[must_use]
    pub fn with_what_may_follow(&self, until: Instant) -> Vec<(i64, u32)> {
        let ahead = u32::try_from(self.ahead).unwrap_or(u32::MAX);
        let more = (ahead > 0).then(|| (until.timestamp(), ahead));
        self.calls.iter().copied().chain(more).collect()
    }
}

#[derive(Debug)]
struct Burst {
    window: i64,
    used: u32,
    limit: u32,
}

#[derive(Debug)]
struct State {
    limiter: Limiter,
    closed_until: Option<Instant>,
    failures: u32,
}

/// One gate; share it among all who call the same platform for the same connection.
#[derive(Debug)]
pub struct Gate {
    state: Mutex<State>,
}

impl Gate {
    /// The gate of an R-Series account. Size 90, drip 1 per second and 20 requests in one second are
    /// what the smallest subscription has; headers correct all three.
    #[must_use]
    pub fn r_series() -> Self {
        let burst = Burst { window: 0, used: 0, limit: 20 };
        Self::with(Limiter::Leaky { level: 0.0, size: 90.0, drip: 1.0, at: None, burst })
    }

    /// The gate of an E-Series store: 600 calls a minute, of which a few are left to the merchant's clicks
    /// in Concord's own console and to clock differences.
    #[must_use]
    pub fn e_series() -> Self {
        Self::with(Limiter::Sliding {
            limit: 590,
            span: Duration::from_secs(60),
            calls: VecDeque::new(),
            lent: None,
            booked: 0,
        })
    }

    fn with(limiter: Limiter) -> Self {
        Self { state: Mutex::new(State { limiter, closed_until: None, failures: 0 }) }
    }

    /// What an E-Series gate has let through within the last minute, for a process that shares the store with
    /// `others`. To be written down; then [`Gate::lend`].
    pub fn tally(&self, others: usize, now: Instant) -> Tally {
        self.state(|state| {
            let limit = SHARED.saturating_sub(others.saturating_mul(RESERVE)).max(LEAST);
            let mut tally = Tally { calls: Vec::new(), booked: 0, ahead: 0, limit };
            if let Limiter::Sliding { span, calls, booked, .. } = &mut state.limiter {
                calls.retain(|call| after(*call, *span) > now);
                for call in calls.iter().map(Instant::timestamp) {
                    match tally.calls.last_mut() {
                        Some((second, number)) if *second == call => *number = number.saturating_add(1),
                        _ => tally.calls.push((call, 1)),
                    }
                }
                tally.booked = *booked;
                tally.ahead = AHEAD.min(limit.saturating_sub(calls.len()));
            }
            tally
        })
    }

    /// What was called is written down: until `until` this process works on the connection.
    pub fn lend(&self, tally: &Tally, until: Instant) {
        self.state(|state| {
            if let Limiter::Sliding { lent, booked, .. } = &mut state.limiter {
                // Calls made while it was written down are among those that may follow.
                let since = usize::try_from(booked.saturating_sub(tally.booked)).unwrap_or(usize::MAX);
                let ahead = tally.ahead.saturating_sub(since);
                *lent = Some(Lent { until, limit: tally.limit, ahead });
            }
        });
    }

    /// Another process works on the connection, or none: what is left is the reserve.
    pub fn take_back(&self, now: Instant) {
        self.state(|state| {
            if let Limiter::Sliding { lent, .. } = &mut state.limiter {
                *lent = Some(Lent { until: now, limit: 0, ahead: 0 });
            }
        });
    }

    /// Counts what a predecessor has called.
    pub fn count_in(&self, before: &[(i64, u32)], now: Instant) {
        self.state(|state| {
            if let Limiter::Sliding { limit, span, calls, .. } = &mut state.limiter {
                for (second, number) in before {
                    let Some(at) = Instant::from_timestamp(*second, 0) else { continue };
                    // A stamp far ahead is nonsense, and would close the gate for as long.
                    let at = at.min(after(now, *span));
                    let number = usize::try_from(*number).unwrap_or(*limit).min(*limit);
                    calls.extend(std::iter::repeat_n(at, number));
                }
                calls.make_contiguous().sort_unstable();
            }
        });
    }

    /// Books one call of `cost` (in the platform's unit), or says when to come back.
    pub fn admit(&self, cost: f64, now: Instant) -> Result<(), Instant> {
        self.state(|state| {
            state.room(cost, now)?;
            state.limiter.book(cost, now);
            Ok(())
        })
    }

    /// Is there room for calls of this total cost? Books nothing. Ask before starting work that must not
    /// run dry half-way.
    pub fn room_for(&self, cost: f64, now: Instant) -> Result<(), Instant> {
        self.state(|state| state.room(cost, now))
    }

    /// What the platform says of its bucket: level, size and drip per second.
    pub fn observe_bucket(&self, level: f64, size: f64, drip: Option<f64>, now: Instant) {
        self.state(|state| {
            if let Limiter::Leaky { level: own, size: own_size, drip: own_drip, at, .. } = &mut state.limiter
            {
                (*own, *own_size, *at) = (level, size, Some(now));
                if let Some(drip) = drip.filter(|drip| *drip > 0.0 && drip.is_finite()) {
                    *own_drip = drip;
                }
            }
        });
    }

    /// What the platform says of its one-second window.
    pub fn observe_burst(&self, used: u32, limit: u32, now: Instant) {
        self.state(|state| {
            if let Limiter::Leaky { burst, .. } = &mut state.limiter {
                burst.limit = limit.max(1);
                if burst.window == now.timestamp() {
                    burst.used = burst.used.max(used);
                }
            }
        });
    }

    /// The share of the quota that is left, from 0 to 1; 0 while the gate is closed.
    #[must_use]
    pub fn left(&self, now: Instant) -> f64 {
        self.state(|state| {
            if state.closed_until.is_some_and(|until| until > now) { 0.0 } else { state.limiter.left(now) }
        })
    }

    /// The platform answered: the outage, if there was one, is over.
    pub fn answered(&self) {
        self.state(|state| state.failures = 0);
    }

    /// The platform refuses calls until `until`.
    pub fn close_until(&self, until: Instant) {
        self.state(|state| state.closed_until = state.closed_until.max(Some(until)));
    }

    /// The platform did not answer, or answered that it cannot: closes for 1, 2, 4 … 60 seconds and
    /// returns until when.
    pub fn outage(&self, now: Instant) -> Instant {
        self.state(|state| {
            let pause = Duration::from_secs(1_u64 << state.failures.min(6)).min(LONGEST_PAUSE);
            state.failures = state.failures.saturating_add(1);
            let until = after(now, pause);
            state.closed_until = state.closed_until.max(Some(until));
            until
        })
    }

    fn state<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn room(&mut self, cost: f64, now: Instant) -> Result<(), Instant> {
        if let Some(until) = self.closed_until {
            if until > now {
                return Err(until);
            }
            self.closed_until = None;
        }
        self.limiter.room(cost, now)
    }
}

impl Limiter {
    fn room(&mut self, cost: f64, now: Instant) -> Result<(), Instant> {
        match self {
            Self::Leaky { level, size, drip, at, burst } => {
                let idle = at.map_or(0.0, |at| seconds(at, now));
                *level = (*level - idle * *drip).max(0.0);
                *at = Some(now);
                let over = *level + cost.min(*size) - *size;
                if over > 0.0 {
                    // A little more than needed, so that rounding does not bring the caller back too early.
                    let wait = Duration::try_from_secs_f64(over / *drip + 0.01).unwrap_or(LONGEST_WAIT);
                    return Err(after(now, wait.min(LONGEST_WAIT)));
                }
                if burst.window == now.timestamp() && burst.used >= burst.limit {
                    return Err(next_second(now));
                }
                Ok(())
            }
            Self::Sliding { limit, span, calls, lent, .. } => {
                while calls.front().is_some_and(|first| after(*first, *span) <= now) {
                    calls.pop_front();
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a small positive count"
                )]
                let wanted = cost.ceil() as usize;
                let limit = match lent {
                    Some(lent) if now < lent.until => {
                        if lent.ahead < wanted {
                            return Err(after(now, WRITTEN_DOWN_SOON).min(lent.until));
                        }
                        lent.limit
                    }
                    Some(_) => RESERVE,
                    None => *limit,
                };
                let over = (calls.len() + wanted.min(limit)).saturating_sub(limit);
                match over.checked_sub(1).and_then(|at| calls.get(at)) {
                    Some(leaves) => Err(after(*leaves, *span)),
                    None => Ok(()),
                }
            }
        }
    }

    /// Is only told, and changes nothing.
    fn left(&self, now: Instant) -> f64 {
        let left = match self {
            Self::Leaky { level, size, drip, at, .. } => {
                let idle = at.map_or(0.0, |at| seconds(at, now));
                1.0 - (level - idle * drip).max(0.0) / size
            }
            Self::Sliding { limit, span, calls, lent, .. } => {
                let limit = match lent {
                    Some(lent) if now < lent.until => lent.limit,
                    Some(_) => RESERVE,
                    None => *limit,
                };
                let used = calls.iter().filter(|call| after(**call, *span) > now).count();
                #[expect(clippy::cast_precision_loss, reason = "some hundreds of calls")]
                let used = used as f64 / limit.max(1) as f64;
                1.0 - used
            }
        };
        // A platform that names a size of nothing leaves nothing.
        if left.is_nan() { 0.0 } else { left.clamp(0.0, 1.0) }
    }

    fn book(&mut self, cost: f64, now: Instant) {
        match self {
            Self::Leaky { level, burst, .. } => {
                *level += cost;
                if burst.window != now.timestamp() {
                    (burst.window, burst.used) = (now.timestamp(), 0);
                }
                burst.used = burst.used.saturating_add(1);
            }
            Self::Sliding { calls, lent, booked, .. } => {
                // What a predecessor may still call is counted ahead of now.
                let at = calls.partition_point(|call| *call <= now);
                calls.insert(at, now);
                *booked = booked.saturating_add(1);
                if let Some(lent) = lent {
                    lent.ahead = lent.ahead.saturating_sub(1);
                }
            }
        }
    }
}

fn seconds(from: Instant, to: Instant) -> f64 {
    (to - from).to_std().unwrap_or_default().as_secs_f64()
}

fn next_second(now: Instant) -> Instant {
    Instant::from_timestamp(now.timestamp().saturating_add(1), 0).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Instant {
        Instant::from_timestamp(1_000_000 + second, 0).unwrap()
    }

    #[test]
    fn the_bucket_fills_and_leaks() {
        let gate = Gate::r_series();
        gate.observe_bucket(88.0, 90.0, Some(1.0), at(0));
        assert_eq!(gate.admit(1.0, at(0)), Ok(()));
        assert_eq!(gate.admit(1.0, at(0)), Ok(()));
        let until = gate.admit(1.0, at(0)).unwrap_err();
        assert!(until > at(1) && until < at(2), "{until}");
        assert_eq!(gate.admit(1.0, until), Ok(()));
        assert!(gate.room_for(8.0, until).is_err());
        assert_eq!(gate.room_for(8.0, at(10)), Ok(()));
        assert!((gate.left(at(1_000)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_second_takes_no_more_than_its_burst() {
        let gate = Gate::r_series();
        gate.observe_burst(0, 3, at(0));
        for _ in 0..3 {
            assert_eq!(gate.admit(1.0, at(0)), Ok(()));
        }
        assert_eq!(gate.admit(1.0, at(0)), Err(at(1)));
        assert_eq!(gate.admit(1.0, at(1)), Ok(()));
    }

    #[test]
    fn a_sliding_minute_never_holds_more_than_its_limit() {
        let gate = Gate::e_series();
        for call in 0..590 {
            assert_eq!(gate.admit(1.0, at(call / 10)), Ok(()), "{call}");
        }
        assert_eq!(gate.admit(1.0, at(59)), Err(at(60)));
        assert!((gate.left(at(59)) - 0.0).abs() < 1e-9);
        assert_eq!(gate.admit(1.0, at(60)), Ok(()));
        assert!((gate.left(at(200)) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_lent_gate_knows_what_its_predecessor_called_and_keeps_a_reserve_afterwards() {
        let gate = Gate::e_series();
        let begin = |gate: &Gate, second| {
            let tally = gate.tally(1, at(second));
            gate.lend(&tally, at(second + 10));
            tally
        };
        let let_through =
            |gate: &Gate, second| (0..1_000).take_while(|_| gate.admit(1.0, at(second)).is_ok()).count();
        // Written down: nothing made, 240 may follow.
        assert_eq!(begin(&gate, 0).with_what_may_follow(at(10)), [(at(10).timestamp(), 240)]);
        assert_eq!(let_through(&gate, 1), AHEAD);
        assert_eq!(gate.admit(1.0, at(1)), Err(at(2)), "not before they are written down");
        let tally = begin(&gate, 3);
        assert_eq!(tally.calls, [(at(1).timestamp(), 240)]);
        assert_eq!(let_through(&gate, 4), AHEAD);
        begin(&gate, 5);
        assert_eq!(let_through(&gate, 5), SHARED - RESERVE - 2 * AHEAD, "one other has its reserve");

        // It dies; what it had written down is all that its successor knows.
        let known = tally.with_what_may_follow(at(13));
        let successor = Gate::e_series();
        successor.take_back(at(0));
        assert_eq!(let_through(&successor, 14), RESERVE, "as long as it is not the successor");
        successor.count_in(&known, at(15));
        begin(&successor, 15);
        assert_eq!(let_through(&successor, 15), SHARED - RESERVE - RESERVE - 2 * AHEAD);
        // The calls of second 1 leave after a minute, those that may have followed later.
        begin(&successor, 61);
        assert_eq!(let_through(&successor, 61), AHEAD);

        // The lease has run out: nothing is left where so much was called.
        assert!(gate.admit(1.0, at(30)).is_err());
    }

    #[test]
    fn nonsense_of_a_predecessor_closes_the_gate_for_minutes_and_not_for_ever() {
        let gate = Gate::e_series();
        gate.count_in(&[(i64::MAX, 5), (at(1_000_000).timestamp(), u32::MAX), (0, 3)], at(0));
        let until = gate.admit(1.0, at(0)).unwrap_err();
        assert!(until <= at(120), "{until}");
    }

    #[test]
    fn a_closed_gate_names_its_time_and_outages_grow() {
        let gate = Gate::e_series();
        gate.close_until(at(30));
        assert_eq!(gate.admit(1.0, at(0)), Err(at(30)));
        assert!(gate.left(at(0)) < 1e-9 && gate.left(at(30)) > 0.99);
        assert_eq!(gate.admit(1.0, at(30)), Ok(()));
        assert_eq!(gate.outage(at(31)), at(32));
        assert_eq!(gate.outage(at(32)), at(34));
        gate.answered();
        assert_eq!(gate.outage(at(40)), at(41));
        for _ in 0..10 {
            gate.outage(at(41));
        }
        assert_eq!(gate.outage(at(50)), at(110));
    }

    proptest::proptest! {
        #[test]
        fn no_header_breaks_the_gate(
            level: f64, size: f64, drip: Option<f64>, used: u32, limit: u32, later in 0_i64..1_000_000,
        ) {
            let gate = Gate::r_series();
            if level.is_finite() && size.is_finite() && size > 0.0 {
                gate.observe_bucket(level, size, drip, at(0));
            }
            gate.observe_burst(used, limit, at(0));
            for now in [at(0), at(later), at(-later)] {
                proptest::prop_assert!((0.0..=1.0).contains(&gate.left(now)));
                if let Err(until) = gate.admit(1.5, now) {
                    proptest::prop_assert!(until > now && until <= after(now, LONGEST_WAIT));
                }
            }
        }
    }

    #[test]
    fn mad_headers_make_a_long_wait_and_not_a_panic() {
        let gate = Gate::r_series();
        gate.observe_bucket(1e308, 1e-308, Some(1e-300), at(0));
        assert_eq!(gate.admit(1.0, at(0)), Err(after(at(0), LONGEST_WAIT)));
    }
}
