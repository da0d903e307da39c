//! Which connections this process works on, when several share a database.
//!
//! A connection's visits, its sweep and nearly all of its share of E-Series' calls are in one process at a time:
//! whoever holds its lease. Leases last [`LEASE`] and are extended every [`EXTEND`]; of a process that died they run
//! out, and of one that ends, or that comes back at the same place, others have them at once. Every process takes its
//! part: as many connections as there are, divided by the processes that live.
//!
//! What a process that lost a lease still does does no harm: its claims on products are refused once they are freed,
//! and its gate leaves it the reserve that every process has.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use uuid::Uuid;

use super::accounts::Accounts;
use crate::clock::{Instant, after, before, sleep};
use crate::ids::ConnectionId;
use crate::platforms::gate::Tally;
use crate::store::leases::{self, Calls};
use crate::store::{Store, StoreError};

/// How long a lease lasts.
pub const LEASE: Duration = Duration::from_secs(10);
/// How often leases are extended, and free ones looked for.
pub const EXTEND: Duration = Duration::from_millis(2_500);
/// Nothing is begun any more so short before the end of a lease: processes' clocks differ by less.
const MARGIN: Duration = Duration::from_secs(1);
/// Processes that have not been seen for so long are forgotten.
const LONG_GONE: Duration = Duration::from_secs(60 * 60);

#[derive(Debug, Default)]
struct State {
    /// Until when, by connection.
    held: BTreeMap<ConnectionId, Instant>,
    /// How many hands are at work.
    busy: HashMap<ConnectionId, usize>,
    /// It has said where it is. Once: whoever comes there later is right that this process is gone, or ends.
    arrived: bool,
}

/// Leases of this process. Not kept, it works on whatever there is: for tests that step by hand.
#[derive(Debug, Default)]
pub(super) struct Tenure {
    kept: Mutex<Option<State>>,
    hurry: Notify,
}

/// A hand at work on a connection, which is not given away meanwhile.
#[derive(Debug)]
pub struct Engaged {
    accounts: Arc<Accounts>,
    connection: ConnectionId,
}

impl Drop for Engaged {
    fn drop(&mut self) {
        self.accounts.tenure.state(|state| {
            if let Some(hands) = state.busy.get_mut(&self.connection) {
                *hands = hands.saturating_sub(1);
            }
            state.busy.retain(|_, hands| *hands > 0);
        });
    }
}

impl Tenure {
    /// None while leases are not kept.
    fn state<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(use_it)
    }

    /// Does another process, or nobody, work on this connection?
    pub(super) fn is_elsewhere(&self, connection: ConnectionId, now: Instant) -> bool {
        let held = |state: &mut State| state.held.get(&connection).is_some_and(|until| *until > now);
        self.state(held).is_some_and(|held| !held)
    }
}

impl Accounts {
    /// Connections that this process may begin to work on; none while it need not ask.
    #[must_use]
    pub fn mine(&self, now: Instant) -> Option<Vec<ConnectionId>> {
        let latest = after(now, MARGIN);
        self.tenure.state(|state| {
            state
                .held
                .iter()
                .filter(|(_, until)| **until > latest)
                .map(|(connection, _)| *connection)
                .collect()
        })
    }

    /// Begins to work on a connection; none when it is not this process's any more.
    #[must_use]
    pub fn engage(self: &Arc<Self>, connection: ConnectionId) -> Option<Engaged> {
        let now = self.wiring.clock.now();
        let engaged = self.tenure.state(|state| {
            let held = state.held.get(&connection).is_some_and(|until| *until > now);
            if held {
                *state.busy.entry(connection).or_default() += 1;
            }
            held
        });
        engaged.unwrap_or(true).then(|| Engaged { accounts: self.clone(), connection })
    }

    /// There is, or may be, another connection to be worked on: free leases are looked for now.
    pub fn hurry(&self) {
        self.tenure.hurry.notify_one();
    }

    /// From now on this process works on nothing without a lease.
    pub fn begin_tenure(&self) {
        *self.tenure.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(State::default());
    }

    /// Keeps leases until `end`; `changed` is told when there are others than before. From `leaving` on, what no
    /// hand is at work on is left to others. `place` names where this process is, if only one can be there at a time.
    pub async fn keep_tenure(
        &self,
        replica: Uuid,
        place: Option<&str>,
        leaving: &CancellationToken,
        end: &CancellationToken,
        changed: impl Fn(),
    ) {
        let clock = &self.wiring.clock;
        while !end.is_cancelled() {
            let left = leaving.is_cancelled();
            match self.extend_tenure(replica, place, left).await {
                Ok(true) => changed(),
                Ok(false) => {}
                // What is held runs out by itself.
                Err(error) => warn!(%error, "leases could not be extended"),
            }
            tokio::select! {
                () = sleep(clock, EXTEND) => {}
                () = self.tenure.hurry.notified() => {}
                () = leaving.cancelled(), if !left => {}
                () = end.cancelled() => {}
            }
        }
    }

    /// Extends what is held, gives away what is too much and takes what is free; if it is `leaving`, everything is
    /// too much. True when that changed anything.
    pub async fn extend_tenure(
        &self,
        replica: Uuid,
        place: Option<&str>,
        leaving: bool,
    ) -> Result<bool, StoreError> {
        let state = |state: &mut State| (state.held.keys().copied().collect::<Vec<_>>(), state.arrived);
        let Some((held, arrived)) = self.tenure.state(state) else { return Ok(false) };
        let place = place.filter(|_| !arrived);
        let store = &self.wiring.store;
        let now = self.wiring.clock.now();
        let until = after(now, LEASE);
        let mut db = store.begin().await?;
        leases::beat(&mut db, replica, place, now).await?;
        let living = leases::count_living(&mut db, before(now, LEASE), before(now, LONG_GONE)).await?.max(1);
        let others = usize::try_from(living - 1).unwrap_or(0);
        let tallies: BTreeMap<ConnectionId, Tally> =
            held.iter().map(|connection| (*connection, self.tally(*connection, others, now))).collect();
        let written: Vec<(ConnectionId, Calls)> = tallies
            .iter()
            .map(|(connection, tally)| (*connection, tally.with_what_may_follow(until)))
            .collect();
        let extended = leases::extend(&mut db, replica, &written, until).await?;
        let active = leases::count_at_work(&mut db).await?;
        db.commit().await?;
        self.tenure.state(|state| state.arrived = true);
        for (connection, _) in &extended {
            if let Some(tally) = tallies.get(connection) {
                self.lend(*connection, tally, until);
            }
        }
        self.tenure.state(|state| {
            state.held.retain(|connection, _| extended.iter().any(|(kept, _)| kept == connection));
            for (connection, _) in &extended {
                state.held.insert(*connection, until);
            }
        });
        let lost: Vec<ConnectionId> =
            held.into_iter().filter(|it| !extended.iter().any(|(kept, _)| kept == it)).collect();
        for connection in &lost {
            warn!(%connection, "another process works on it now");
            self.take_back(*connection, now);
        }

        let part = active.saturating_add(living - 1).checked_div(living).unwrap_or(active);
        let part = if leaving { 0 } else { part };
        let (mut given_up, mut working) = (Vec::new(), 0_i64);
        for (connection, active) in extended {
            let too_many = working >= part;
            if (too_many || !active) && self.let_go(connection) {
                given_up.push(connection);
            } else {
                working += i64::from(active);
            }
        }
        self.give_up(store, replica, &given_up).await?;
        let taken = if working < part { self.take(store, replica, part - working, others).await? } else { 0 };
        Ok(taken > 0 || !lost.is_empty())
    }

    /// Gives all leases up: this process ends, and nothing is at work any more.
    pub async fn end_tenure(&self, replica: Uuid) -> Result<(), StoreError> {
        let held = self.tenure.state(|state| std::mem::take(&mut state.held));
        let held: Vec<ConnectionId> = held.unwrap_or_default().into_keys().collect();
        self.give_up(&self.wiring.store, replica, &held).await?;
        let mut db = self.wiring.store.begin().await?;
        leases::forget(&mut db, replica).await?;
        db.commit().await
    }

    /// Begins nothing more on a connection, unless a hand is at work on it.
    fn let_go(&self, connection: ConnectionId) -> bool {
        let let_go = self
            .tenure
            .state(|state| !state.busy.contains_key(&connection) && state.held.remove(&connection).is_some());
        let_go.unwrap_or(false)
    }

    async fn give_up(
        &self,
        store: &Store,
        replica: Uuid,
        connections: &[ConnectionId],
    ) -> Result<(), StoreError> {
        if connections.is_empty() {
            return Ok(());
        }
        let now = self.wiring.clock.now();
        let made = |connection: &ConnectionId| {
            self.take_back(*connection, now);
            (*connection, self.tally(*connection, 0, now).calls)
        };
        let written: Vec<(ConnectionId, Calls)> = connections.iter().map(made).collect();
        let mut db = store.begin().await?;
        leases::give_up(&mut db, replica, &written, now).await?;
        db.commit().await?;
        info!(connections = connections.len(), "left to other processes");
        Ok(())
    }

    async fn take(
        &self,
        store: &Store,
        replica: Uuid,
        most: i64,
        others: usize,
    ) -> Result<usize, StoreError> {
        let now = self.wiring.clock.now();
        let until = after(now, LEASE);
        let mut db = store.begin().await?;
        let taken = leases::take(&mut db, replica, most, until, now).await?;
        if taken.is_empty() {
            return Ok(0);
        }
        let mut written = Vec::new();
        let mut tallies = Vec::new();
        for lease in &taken {
            if lease.left_by.is_some_and(|left_by| left_by != replica) {
                self.count_in(lease.connection_id, &lease.e_calls, now);
            }
            let tally = self.tally(lease.connection_id, others, now);
            written.push((lease.connection_id, tally.with_what_may_follow(until)));
            tallies.push((lease.connection_id, tally));
        }
        leases::extend(&mut db, replica, &written, until).await?;
        db.commit().await?;
        // Before this process claims anything itself.
        let connections: Vec<ConnectionId> = taken
            .iter()
            .filter(|lease| lease.left_by != Some(replica))
            .map(|lease| lease.connection_id)
            .collect();
        let freed = async {
            let mut db = store.begin().await?;
            let freed = leases::free_claims(&mut db, &connections, now).await?;
            db.commit().await?;
            Ok::<_, StoreError>(freed)
        };
        match freed.await {
            Ok(products) => info!(connections = taken.len(), products, "taken over"),
            Err(error) => {
                warn!(%error, "claims of the process before were not freed: they run out by themselves");
            }
        }
        for (connection, tally) in &tallies {
            self.lend(*connection, tally, until);
        }
        self.tenure
            .state(|state| state.held.extend(tallies.iter().map(|(connection, _)| (*connection, until))));
        Ok(taken.len())
    }
}
