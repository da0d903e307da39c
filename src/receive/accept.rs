//! Writing notices down: many deliveries, one transaction. Batches form by themselves while the database
//! is busy with the one before; no timer is needed.

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::clock::SharedClock;
use crate::ids::SharedIds;
use crate::store::inbox::{self, Delivery};
use crate::store::{Store, StoreError};

/// Deliveries that may wait for the database. Beyond that the sender is told to come again.
const WAITING: usize = 2_048;
/// Most deliveries in one transaction.
const BATCH: usize = 256;

/// Was it new?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accepted {
    /// Written down, or seen before.
    Yes,
    /// The database cannot take it now: nothing is promised, the sender has to come again.
    NotNow,
}

type Waiting = (Delivery, oneshot::Sender<Accepted>);

/// The way into the inbox; clones share it.
#[derive(Debug, Clone)]
pub struct Inbox {
    queue: mpsc::Sender<Waiting>,
}

impl Inbox {
    /// The inbox, and its writer, which has to be run.
    #[must_use]
    pub fn new(store: Store, clock: SharedClock, ids: SharedIds) -> (Self, Writer) {
        let (queue, waiting) = mpsc::channel(WAITING);
        (Self { queue }, Writer { store, clock, ids, waiting })
    }

    /// Resolves once the notice is committed, or once it is certain that it will not be.
    pub async fn accept(&self, delivery: Delivery) -> Accepted {
        let (answer, committed) = oneshot::channel();
        if self.queue.try_send((delivery, answer)).is_err() {
            return Accepted::NotNow;
        }
        committed.await.unwrap_or(Accepted::NotNow)
    }
}

/// Writes batches.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    clock: SharedClock,
    ids: SharedIds,
    waiting: mpsc::Receiver<Waiting>,
}

impl Writer {
    /// Writes until everyone who could deliver is gone, or `stop`; `wrote` is told after each commit.
    pub async fn run(mut self, stop: CancellationToken, wrote: impl Fn()) {
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            let taken = tokio::select! {
                taken = self.waiting.recv_many(&mut batch, BATCH) => taken,
                () = stop.cancelled() => 0,
            };
            if taken == 0 {
                return;
            }
            self.write(std::mem::take(&mut batch)).await;
            wrote();
        }
    }

    async fn write(&self, batch: Vec<Waiting>) {
        let (deliveries, answers): (Vec<Delivery>, Vec<_>) = batch.into_iter().unzip();
        let outcome = self.commit(&deliveries).await;
        // One bad notice must not fail the others: a refused batch is tried one by one.
        let single = deliveries.len() == 1;
        for (delivery, answer) in deliveries.into_iter().zip(answers) {
            let accepted = match &outcome {
                Ok(()) => Accepted::Yes,
                Err(StoreError::Refused(_)) if !single => {
                    match self.commit(std::slice::from_ref(&delivery)).await {
                        Ok(()) => Accepted::Yes,
                        Err(_) => Accepted::NotNow,
                    }
                }
                Err(_) => Accepted::NotNow,
            };
            // The sender may have hung up; it will come again, and be recognised.
            let _ = answer.send(accepted);
        }
    }

    async fn commit(&self, deliveries: &[Delivery]) -> Result<(), StoreError> {
        let written = async {
            let mut db = self.store.begin().await?;
            inbox::accept(&mut db, deliveries, &self.ids, self.clock.now()).await?;
            db.commit().await
        };
        written.await.inspect_err(|error| warn!(%error, count = deliveries.len(), "notices were not written"))
    }
}
