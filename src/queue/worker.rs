//! Who works through the dirty set, one step at a time: this is what tests call. A service has a crew
//! (`crew`), which takes several steps at once.

use crate::clock::Instant;
use crate::ids::{ConnectionId, LeaseToken};
use crate::reconcile::Corridor;
use crate::store::dirty::Claim;
use crate::store::{StoreError, dirty};
use crate::sweep::Sweep;

/// Most products visited under one look.
const GROUP: i64 = 20;

/// Visits products, polls feeds and walks first looks.
#[derive(Debug, Clone)]
pub struct Worker {
    pub(super) corridor: Corridor,
    pub(super) sweep: Sweep,
}

impl Worker {
    /// A worker for these rooms.
    #[must_use]
    pub fn new(corridor: Corridor, sweep: Sweep) -> Self {
        Self { corridor, sweep }
    }

    /// Claims a group of due products of one connection that has room for a visit and is not `busy`.
    pub(super) async fn claim(&self, busy: Vec<ConnectionId>) -> Result<Vec<Claim>, StoreError> {
        let Corridor { store, accounts, clock, ids } = &self.corridor;
        let now = clock.now();
        let (mut closed, _) = accounts.closed(now);
        closed.extend(busy);
        let mut db = store.begin().await?;
        let claims = dirty::claim(&mut db, &closed, GROUP, LeaseToken::new(ids, now), now).await?;
        db.commit().await?;
        Ok(claims)
    }

    /// Visits one group of due products. False when there was nothing to do.
    pub async fn visit(&self) -> Result<bool, StoreError> {
        let claims = self.claim(Vec::new()).await?;
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
}
