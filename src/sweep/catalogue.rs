//! A run over a whole catalogue: lists both sides page by page and marks every item. Every page is one
//! step, so a run survives a restart where it stood.

use std::time::Duration;

use tracing::{info, warn};
use url::Url;

use super::{Broken, Sweep};
use crate::catalog::Side;
use crate::clock::after;
use crate::connections::Account;
use crate::mapping;
use crate::platforms::CallError;
use crate::store::dirty::{self, Asker};
use crate::store::links::{Half, Met, homes, label};
use crate::store::syncs::{self, Phase, Sync};
use crate::store::{StoreError, connections};

/// How often a run that only waits looks whether it is done.
const LOOK: Duration = Duration::from_secs(1);

/// More items than any catalogue has.
const MOST_ITEMS: i64 = 2_000_000;

impl Sweep {
    pub(super) async fn step_sync(&self, mut sync: Sync) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let row = connections::get(&mut db, sync.connection_id).await?;
        // Whoever moves the due time has the step; after a crash somebody else may take it again.
        let taken_until = after(now, Duration::from_secs(30));
        if !syncs::take(&mut db, &sync, taken_until).await? {
            return Ok(false);
        }
        db.commit().await?;
        sync.due_at = taken_until;
        let Some(row) = row else { return Ok(true) };
        let done = match self.accounts.open(&row).await {
            Ok(account) => self.page(&account, &mut sync).await,
            Err(error) => Err(Broken::Call(Side::RSeries, error)),
        };
        if let Err(broken) = done {
            let mut db = self.store.begin().await?;
            match broken {
                Broken::Store(error) => return Err(error),
                Broken::Call(side, error) => {
                    let until = self.hindered(&mut db, row.connection_id, side, &error).await?;
                    sync.due_at = until.unwrap_or(after(now, LOOK));
                    if let CallError::Refused { why, .. } = &error {
                        warn!(sync = %sync.sync_id, why, "the run failed");
                        sync.state = "failed".into();
                        sync.error = Some(side.says(why));
                        sync.finished_at = Some(now);
                    }
                }
            }
            syncs::save(&mut db, &sync).await?;
            db.commit().await?;
        }
        Ok(true)
    }

    async fn page(&self, account: &Account, sync: &mut Sync) -> Result<(), Broken> {
        match sync.phase {
            Phase::ListOnline => self.list_online(account, sync).await,
            Phase::ListShop => self.list_shop(account, sync).await,
            Phase::Visit => self.wait_for_visits(sync).await,
        }
    }

    /// E-Series first: what is there already gets a home, so that its notices have one and lists show it.
    async fn list_online(&self, account: &Account, sync: &mut Sync) -> Result<(), Broken> {
        let offset = sync.cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let page = account.e.products(offset).await.map_err(|error| Broken::Call(Side::ESeries, error))?;
        if page.next.is_some_and(|next| next <= offset) {
            return Err(endless(Side::ESeries));
        }
        let met: Vec<Met> = page
            .rows
            .iter()
            .map(|product| Met { id: product.id, name: product.name.clone(), sku: product.sku.clone() })
            .collect();
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let products = homes(&mut db, sync.connection_id, Half::EProducts, &met, &self.ids, now).await?;
        label(&mut db, sync.connection_id, &products, &met).await?;
        sync.unreadable += count(page.unreadable.len());
        sync.due_at = now;
        match page.next {
            Some(next) => sync.cursor = Some(next.to_string()),
            None => (sync.phase, sync.cursor) = (Phase::ListShop, None),
        }
        syncs::save(&mut db, sync).await?;
        db.commit().await?;
        Ok(())
    }

    /// Then R-Series: every item is marked, and its visit matches or creates.
    async fn list_shop(&self, account: &Account, sync: &mut Sync) -> Result<(), Broken> {
        let next = sync.cursor.as_deref().and_then(|cursor| Url::parse(cursor).ok());
        let page = account.r.items(next).await.map_err(|error| Broken::Call(Side::RSeries, error))?;
        let same = page.next.as_ref().map(Url::as_str) == sync.cursor.as_deref() && page.next.is_some();
        if same || sync.total > MOST_ITEMS {
            return Err(endless(Side::RSeries));
        }
        let met: Vec<Met> = page
            .rows
            .iter()
            .map(|item| {
                let facts = mapping::rseries::facts(item, &account.context);
                Met { id: item.id, name: facts.name().to_owned(), sku: facts.sku().to_owned() }
            })
            .collect();
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let products = homes(&mut db, sync.connection_id, Half::RItems, &met, &self.ids, now).await?;
        dirty::mark(&mut db, sync.connection_id, &products, Asker::Other, now, now).await?;
        label(&mut db, sync.connection_id, &products, &met).await?;
        sync.total += count(products.len());
        sync.unreadable += count(page.unreadable.len());
        sync.due_at = now;
        match page.next {
            Some(next) => sync.cursor = Some(next.to_string()),
            None => (sync.phase, sync.cursor) = (Phase::Visit, None),
        }
        syncs::save(&mut db, sync).await?;
        db.commit().await?;
        Ok(())
    }

    async fn wait_for_visits(&self, sync: &mut Sync) -> Result<(), Broken> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let progress = syncs::progress(&mut db, sync.connection_id).await?;
        sync.due_at = after(now, LOOK);
        if progress.waiting == 0 {
            sync.state = "done".into();
            sync.finished_at = Some(now);
            info!(sync = %sync.sync_id, linked = progress.linked, parked = progress.parked, "the run is done");
        }
        syncs::save(&mut db, sync).await?;
        db.commit().await?;
        Ok(())
    }
}

/// A catalogue whose pages do not come to an end: the run fails, and says so.
fn endless(side: Side) -> Broken {
    let why = "the pages of the catalogue go round in a circle".to_owned();
    Broken::Call(side, CallError::Refused { status: 200, code: None, why })
}

fn count(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}
