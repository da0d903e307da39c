//! Who works through the dirty set. `step` does one group of visits and is what tests call; `run` does
//! steps for as long as the service lives.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::clock::{self, Instant};
use crate::ids::LeaseToken;
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
}

impl Worker {
    /// A worker for these rooms.
    #[must_use]
    pub fn new(corridor: Corridor, sweep: Sweep) -> Self {
        Self { corridor, sweep }
    }

    /// Visits one group of due products. False when there was nothing to do.
    pub async fn visit(&self) -> Result<bool, StoreError> {
        let Corridor { store, accounts, clock, ids } = &self.corridor;
        let now = clock.now();
        let (closed, _) = accounts.closed(now);
        let mut db = store.begin().await?;
        let claims = dirty::claim(&mut db, &closed, GROUP, LeaseToken::new(ids, now), now).await?;
        db.commit().await?;
        if claims.is_empty() {
            return Ok(false);
        }
        self.corridor.visit(claims).await?;
        Ok(true)
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
