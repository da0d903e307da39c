//! Several hands at once, each on a connection of its own: a platform that hangs holds up its own connection
//! and nobody else's.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use super::Worker;
use crate::clock::{self, Instant};
use crate::ids::ConnectionId;
use crate::store::StoreError;
use crate::sweep::Job;

/// How long an idle crew waits before it looks for work that nobody told it of.
const IDLE: Duration = Duration::from_millis(500);
/// How long it waits when the database could not be asked.
const BROKEN: Duration = Duration::from_secs(1);

/// Tasks at work, no two of them on the same connection.
#[derive(Debug, Default)]
struct Hands {
    tasks: JoinSet<Result<(), StoreError>>,
    on: HashMap<Id, ConnectionId>,
}

impl Hands {
    fn busy(&self) -> Vec<ConnectionId> {
        self.on.values().copied().collect()
    }

    fn free(&self, most: usize) -> usize {
        most.saturating_sub(self.on.len())
    }

    fn set_to(
        &mut self,
        connection: ConnectionId,
        work: impl Future<Output = Result<(), StoreError>> + Send + 'static,
    ) {
        let task = self.tasks.spawn(work);
        self.on.insert(task.id(), connection);
    }

    /// Waits until one has ended, for ever if none is at work, and says so if it failed.
    async fn one_ends(&mut self) {
        let Some(ended) = self.tasks.join_next_with_id().await else { return std::future::pending().await };
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let connection = self.on.remove(&id).map(|connection| connection.to_string());
        match ended {
            Ok((_, Ok(()))) => {}
            Ok((_, Err(error @ StoreError::Unavailable(_)))) => warn!(%error, "no work without the database"),
            Ok((_, Err(error))) => error!(%error, connection, "a step failed"),
            // What it had claimed is free again when its lease runs out.
            Err(error) => error!(%error, connection, "a step broke off"),
        }
    }

    async fn all_end(&mut self) {
        while !self.on.is_empty() {
            self.one_ends().await;
        }
    }
}

impl Worker {
    /// Works until told to stop: up to `most` groups of visits at once and as many jobs of the sweep, each kind
    /// at most one a connection. At `stop` no more is begun, and what runs is finished or, product by product,
    /// given back. `turned` is told after each turn of the loop, which no platform can hold up.
    pub async fn run(&self, most: usize, wake: &Notify, stop: &CancellationToken, turned: impl Fn(Instant)) {
        let clock = &self.corridor.clock;
        let (mut visits, mut rounds) = (Hands::default(), Hands::default());
        while !stop.is_cancelled() {
            let pause = match self.hand_out(most, &mut visits, &mut rounds, stop).await {
                Ok(()) => IDLE,
                Err(error @ StoreError::Unavailable(_)) => {
                    warn!(%error, "no work without the database");
                    BROKEN
                }
                Err(error) => {
                    error!(%error, "no work could be handed out");
                    BROKEN
                }
            };
            turned(clock.now());
            tokio::select! {
                () = visits.one_ends() => {}
                () = rounds.one_ends() => {}
                () = wake.notified() => {}
                () = clock::sleep(clock, pause) => {}
                () = stop.cancelled() => {}
            }
        }
        tokio::join!(visits.all_end(), rounds.all_end());
    }

    async fn hand_out(
        &self,
        most: usize,
        visits: &mut Hands,
        rounds: &mut Hands,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        // The tree before the products that are put into it.
        while visits.free(most) > 0 && !stop.is_cancelled() {
            let Some(claim) = self.claim_tree(visits.busy()).await? else { break };
            let Some(engaged) = self.corridor.accounts.engage(claim.connection_id) else {
                self.leave_tree(&claim).await?;
                break;
            };
            let worker = self.clone();
            visits.set_to(claim.connection_id, async move {
                let done = worker.tend_claimed(claim).await;
                drop(engaged);
                done
            });
        }
        while visits.free(most) > 0 && !stop.is_cancelled() {
            let claims = self.claim(visits.busy()).await?;
            let Some(connection) = claims.first().map(|claim| claim.connection_id) else { break };
            // Another process may have got the connection since.
            let Some(engaged) = self.corridor.accounts.engage(connection) else {
                self.leave(&claims).await?;
                break;
            };
            let (worker, stop) = (self.clone(), stop.clone());
            visits.set_to(connection, async move {
                let done = worker.visit_claimed(claims, &stop).await;
                drop(engaged);
                done
            });
        }
        let free = rounds.free(most);
        if free == 0 {
            return Ok(());
        }
        let limit = i64::try_from(free).unwrap_or(i64::MAX);
        for job in self.sweep.due(&rounds.busy(), limit).await? {
            let connection = job.connection_id();
            // A page and a round of the same connection: one after the other.
            if rounds.busy().contains(&connection) {
                continue;
            }
            // What is kept in order for all of them belongs to nobody, and each process may do it.
            let engaged = match &job {
                Job::Upkeep => None,
                _ => match self.corridor.accounts.engage(connection) {
                    Some(engaged) => Some(engaged),
                    None => continue,
                },
            };
            let worker = self.clone();
            rounds.set_to(connection, async move {
                let done = worker.work(job).await.map(|_| ());
                drop(engaged);
                done
            });
        }
        Ok(())
    }
}
