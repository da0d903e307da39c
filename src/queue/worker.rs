//! Who works through the dirty set, one step at a time: this is what tests call. A service has a crew
//! (`crew`), which takes several steps at once.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::clock::Instant;
use crate::ids::{ConnectionId, LeaseToken};
use crate::reconcile::Corridor;
use crate::store::dirty::Claim;
use crate::store::{StoreError, dirty, trees};
use crate::sweep::{Job, Sweep};

/// Most products visited under one look.
const GROUP: i64 = 20;

/// Visits products, polls feeds and walks first looks.
#[derive(Debug, Clone)]
pub struct Worker {
    pub(super) corridor: Corridor,
    pub(super) sweep: Sweep,
    /// Leases of visits that have not come to their end.
    held: Arc<Mutex<Vec<(ConnectionId, LeaseToken)>>>,
}

impl Worker {
    /// A worker for these rooms.
    #[must_use]
    pub fn new(corridor: Corridor, sweep: Sweep) -> Self {
        Self { corridor, sweep, held: Arc::default() }
    }

    /// Claims a group of due products of one connection that has room for a visit and is not `busy`.
    pub(super) async fn claim(&self, busy: Vec<ConnectionId>) -> Result<Vec<Claim>, StoreError> {
        let Corridor { store, accounts, clock, ids } = &self.corridor;
        let now = clock.now();
        let (mut closed, _) = accounts.closed(now);
        closed.extend(busy);
        let mut db = store.begin().await?;
        let token = LeaseToken::new(ids, now);
        let mine = accounts.mine(now);
        let claims = dirty::claim(&mut db, mine.as_deref(), &closed, GROUP, token, now).await?;
        db.commit().await?;
        if let Some(claim) = claims.first() {
            self.held(|held| held.push((claim.connection_id, token)));
        }
        Ok(claims)
    }

    /// Visits what was claimed. At `stop`, what has not begun is given back.
    pub(super) async fn visit_claimed(
        &self,
        claims: Vec<Claim>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let tokens: Vec<LeaseToken> = claims.iter().map(|claim| claim.token).collect();
        self.corridor.visit_until(claims, stop).await?;
        self.held(|held| held.retain(|(_, token)| !tokens.contains(token)));
        Ok(())
    }

    /// Claims the tree of categories of a connection that has room for it and is not `busy`, if one is due.
    pub(super) async fn claim_tree(
        &self,
        busy: Vec<ConnectionId>,
    ) -> Result<Option<trees::Claim>, StoreError> {
        let Corridor { store, accounts, clock, ids } = &self.corridor;
        let now = clock.now();
        let (mut closed, _) = accounts.closed(now);
        closed.extend(busy);
        let mine = accounts.mine(now);
        let mut db = store.begin().await?;
        let token = LeaseToken::new(ids, now);
        let claim = trees::claim(&mut db, mine.as_deref(), &closed, token, now).await?;
        db.commit().await?;
        if let Some(claim) = &claim {
            self.held(|held| held.push((claim.connection_id, claim.token)));
        }
        Ok(claim)
    }

    /// Brings a tree that was claimed in step.
    pub(super) async fn tend_claimed(&self, claim: trees::Claim) -> Result<(), StoreError> {
        self.corridor.tend(claim).await?;
        self.held(|held| held.retain(|(_, token)| *token != claim.token));
        Ok(())
    }

    /// Brings one tree of categories in step. False when none was due.
    pub async fn tend(&self) -> Result<bool, StoreError> {
        let Some(claim) = self.claim_tree(Vec::new()).await? else { return Ok(false) };
        self.tend_claimed(claim).await?;
        Ok(true)
    }

    /// Gives a tree back, untouched, that was claimed.
    pub(super) async fn leave_tree(&self, claim: &trees::Claim) -> Result<(), StoreError> {
        let mut db = self.corridor.store.begin().await?;
        trees::let_go(&mut db, claim.connection_id, claim.token).await?;
        self.held(|held| held.retain(|(_, token)| *token != claim.token));
        db.commit().await
    }

    /// Gives back, untouched, what was claimed.
    pub(super) async fn leave(&self, claims: &[Claim]) -> Result<(), StoreError> {
        let mut db = self.corridor.store.begin().await?;
        if let Some(claim) = claims.first() {
            dirty::release(&mut db, claim.connection_id, claim.token).await?;
            self.held(|held| held.retain(|(_, token)| *token != claim.token));
        }
        db.commit().await
    }

    /// Visits one group of due products. False when there was nothing to do.
    pub async fn visit(&self) -> Result<bool, StoreError> {
        let claims = self.claim(Vec::new()).await?;
        if claims.is_empty() {
            return Ok(false);
        }
        self.visit_claimed(claims, &CancellationToken::new()).await?;
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
            trees::let_go(&mut db, connection_id, token).await?;
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

    /// Does one job of the sweep. False when somebody else was first.
    pub(super) async fn work(&self, job: Job) -> Result<bool, StoreError> {
        match job {
            Job::Forecast(sync) => self.corridor.forecast(*sync).await,
            job => self.sweep.work(job).await,
        }
    }

    /// One step of everything that is due. False when nothing was.
    pub async fn step(&self) -> Result<bool, StoreError> {
        let mut jobs = self.sweep.due(&[], i64::MAX).await?;
        jobs.sort_by_key(|job| matches!(job, Job::Round(_)));
        let mut swept = false;
        for job in jobs {
            swept |= self.work(job).await?;
        }
        // The tree before the products that are put into it.
        let tended = self.tend().await?;
        let visited = self.visit().await?;
        Ok(swept || tended || visited)
    }

    /// When there is something to do again, if nothing new comes in.
    pub async fn next_due(&self) -> Result<Option<Instant>, StoreError> {
        let mut db = self.corridor.store.begin().await?;
        let visit = dirty::next_due(&mut db).await?;
        let tree = trees::next_due(&mut db).await?;
        drop(db);
        let visit = [visit, tree].into_iter().flatten().min();
        let sweep = self.sweep.next_due().await?;
        let (_, opens) = self.corridor.accounts.closed(self.corridor.clock.now());
        let visit = visit.map(|due| opens.map_or(due, |opens| due.max(opens)));
        Ok([visit, sweep].into_iter().flatten().min())
    }
}
