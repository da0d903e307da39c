//! Who works through the dirty set. `step` does one group of visits and is what tests call; `run` does
//! steps for as long as the service lives.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::clock::{self, Instant};
use crate::ids::{ConnectionId, LeaseToken};
use crate::reconcile::Corridor;
use crate::store::{StoreError, dirty};
use crate::sweep::Sweep;

/// Most products visited under one look.
const GROUP: i64 = 20;
/// How long an idle worker waits before it looks for work that nobody told it of.
const IDLE: Duration = Duration::from_millis(500);

/// Visits products, polls feeds and walks first looks.
#[derive(Debug, Clone)]
pub struct Worker {
    corridor: Corridor,
    sweep: Sweep,
    /// Leases of visits that have not come to their end.
    held: Arc<Mutex<Vec<(ConnectionId, LeaseToken)>>>,
}

impl Worker {
    /// A worker for these rooms.
    #[must_use]
    pub fn new(corridor: Corridor, sweep: Sweep) -> Self {
        Self { corridor, sweep, held: Arc::default() }
    }

    /// Visits one group of due products. False when there was nothing to do.
    pub async fn visit(&self) -> Result<bool, StoreError> {
        let Corridor { store, accounts, clock, ids } = &self.corridor;
        let now = clock.now();
        let (closed, _) = accounts.closed(now);
        let mut db = store.begin().await?;
        let token = LeaseToken::new(ids, now);
        let claims = dirty::claim(&mut db, &closed, GROUP, token, now).await?;
        db.commit().await?;
        let Some(connection_id) = claims.first().map(|claim| claim.connection_id) else { return Ok(false) };
        self.held(|held| held.push((connection_id, token)));
        self.corridor.visit(claims).await?;
        self.held(|held| held.retain(|(_, other)| *other != token));
        Ok(true)
    }

    /// Gives back what visits that were dropped, or broken off by the database, still hold, so that nobody has to
    /// wait for their leases to run out. Only for a worker that no longer runs. Returns how many products that
    /// were.
    pub async fn give_back(&self) -> Result<u64, StoreError> {
        let leases = self.held(std::mem::take);
        if leases.is_empty() {
            return Ok(0);
        }
        let mut db = self.corridor.store.begin().await?;
        let mut products = 0;
        for (connection_id, token) in leases {
            products += dirty::release(&mut db, connection_id, token).await?;
        }
        db.commit().await?;
        if products > 0 {
            info!(products, "given back in the middle of a visit");
        }
        Ok(products)
    }

    fn held<T>(&self, use_it: impl FnOnce(&mut Vec<(ConnectionId, LeaseToken)>) -> T) -> T {
        use_it(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One step of everything that is due. False when nothing was.
    pub async fn step(&self) -> Result<bool, StoreError> {
        let swept = self.sweep.step().await?;
        let visited = self.visit().await?;
        Ok(swept || visited)
    }

    /// When there is something to do again, if nothing new comes in.
    pub async fn next_due(&self) -> Result<Option<Instant>, StoreError> {
        let mut db = self.corridor.store.begin().await?;
        let visit = dirty::next_due(&mut db).await?;
        drop(db);
        let sweep = self.sweep.next_due().await?;
        let (_, opens) = self.corridor.accounts.closed(self.corridor.clock.now());
        let visit = visit.map(|due| opens.map_or(due, |opens| due.max(opens)));
        Ok([visit, sweep].into_iter().flatten().min())
    }

    /// Works until told to stop; a step that runs is finished. `turned` is told after each turn of the loop.
    pub async fn run(&self, wake: &tokio::sync::Notify, stop: &CancellationToken, turned: impl Fn(Instant)) {
        let clock = &self.corridor.clock;
        while !stop.is_cancelled() {
            let pause = match self.step().await {
                Ok(true) => {
                    turned(clock.now());
                    continue;
                }
                Ok(false) => IDLE,
                Err(error @ StoreError::Unavailable(_)) => {
                    warn!(%error, "no work without the database");
                    Duration::from_secs(1)
                }
                Err(error) => {
                    error!(%error, "a step failed");
                    Duration::from_secs(1)
                }
            };
            turned(clock.now());
            tokio::select! {
                () = wake.notified() => {}
                () = clock::sleep(clock, pause) => {}
                () = stop.cancelled() => {}
            }
        }
    }
}
