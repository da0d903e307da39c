//! A run over a whole catalogue: lists both sides page by page, and then marks every product, what can be sold first.
//! A preview lists them as well and marks nothing. A full look marks, as it goes, what differs from the look before
//! and what is missing. Every page is one step, so a run survives a restart where it stood.
//!
//! What a run has listed is kept until its end (`store::looks`): its visits need not read it again.
//!
//! The full look is the net under all polls: it finds what left no trace in any feed (an item that was merged into
//! another), and what stands in a feed at a time where nobody looks. It costs a call a hundred records, and writes
//! nothing by itself.

use std::time::Duration;

use tracing::{info, warn};
use url::Url;

use super::polls::{digest, met, overlap};
use super::{Broken, Sweep};
use crate::catalog::Side;
use crate::clock::{Instant, after, before};
use crate::connections::Account;
use crate::platforms::CallError;
use crate::platforms::rseries::wire::Item;
use crate::store::cursors::{LOOK_E, LOOK_MATRIX, LOOK_R};
use crate::store::dirty::{self, Asker};
use crate::store::links::{Half, Met, homes, label, not_listed, of_items};
use crate::store::syncs::{self, Mode, Phase, Sync};
use crate::store::{Db, StoreError, brakes, connections, cursors, looks};

/// How often a run that only waits looks whether it is done.
const LOOK: Duration = Duration::from_secs(1);

/// How long E-Series' lists may lack what was just written ("lags by seconds": e-series-api.md, section 3).
const INDEX_LAG: Duration = Duration::from_secs(15);

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
                        sync.error = Some(side.says(why));
                        syncs::end(&mut db, &mut sync, "failed", now).await?;
                        syncs::broken_off(&mut db, &sync).await?;
                    }
                }
            }
            if syncs::save(&mut db, &sync).await? {
                db.commit().await?;
            }
        }
        Ok(true)
    }

    async fn page(&self, account: &Account, sync: &mut Sync) -> Result<(), Broken> {
        match sync.phase {
            Phase::ListOnline | Phase::ListRecent => self.list_online(account, sync).await,
            Phase::ListMatrices => self.list_matrices(account, sync).await,
            Phase::ListShop => self.list_shop(account, sync).await,
            Phase::Mark => self.mark_listed(account, sync).await,
            // That is for whoever knows what would be done: see `Job::Forecast`.
            Phase::Compare | Phase::CompareOnline => Ok(()),
            Phase::MarkMissing => self.mark_missing(sync).await,
            Phase::Visit => self.wait_for_visits(sync).await,
        }
    }

    /// E-Series first: what is there already gets a home, so that its notices have one and lists show it. Offsets
    /// shift when a product is deleted or changes during the walk, so each page starts from the time of the last
    /// row instead (e-series-api.md, section 4.5); what slips through all the same is only asked for by id.
    ///
    /// And once more at last what changed shortly before the run, which the lists may not have shown then: whatever
    /// came after its start is told of by notices and polls.
    async fn list_online(&self, account: &Account, sync: &mut Sync) -> Result<(), Broken> {
        let recent = sync.phase == Phase::ListRecent;
        if recent && sync.cursor.is_none() && self.awaits_the_index(account, sync).await? {
            return Ok(());
        }
        let start = if recent { before(sync.started_at, overlap()) } else { Instant::UNIX_EPOCH };
        let (since, offset) = place(sync.cursor.as_deref()).unwrap_or((start, 0));
        let asked_at = self.clock.now();
        let page = account.e.products_shown_since(since, offset).await;
        let page = page.map_err(|error| Broken::Call(Side::ESeries, error))?;
        if page.next.is_some_and(|next| next <= offset) {
            return Err(endless(Side::ESeries));
        }
        let looked: Vec<(i64, String)> =
            page.rows.iter().map(|(product, _)| (product.id, digest(product))).collect();
        let now = self.clock.now();
        let connection = sync.connection_id;
        let mut db = self.store.begin().await?;
        let news = self.note_look(&mut db, sync, LOOK_E, &looked).await?;
        let partly = sync.mode == Mode::FullLook;
        let wanted = page.rows.iter().filter(|(product, _)| !partly || news.contains(&product.id));
        let met: Vec<Met> = wanted
            .map(|(product, _)| Met { id: product.id, name: product.name.clone(), sku: product.sku.clone() })
            .collect();
        let products = homes(&mut db, connection, Half::EProducts, &met, &self.ids, now).await?;
        if partly {
            dirty::mark(&mut db, connection, &products, Asker::SweepOnline, now, now).await?;
            found("changed", products.len());
        } else {
            self.keep_online(&mut db, sync, &page.rows, asked_at).await?;
        }
        label(&mut db, connection, &products, &met).await?;
        sync.unreadable += count(page.unreadable.len());
        sync.due_at = now;
        let last = page.rows.iter().filter_map(|(product, _)| product.updated).max();
        match (page.next, last) {
            (None, _) if recent => (sync.phase, sync.cursor) = (listed(sync.mode), None),
            (None, _) => (sync.phase, sync.cursor) = (Phase::ListMatrices, None),
            (Some(_), Some(last)) if last > since => sync.cursor = Some(format!("{}:0", last.timestamp())),
            (Some(next), _) => sync.cursor = Some(format!("{}:{next}", since.timestamp())),
        }
        if syncs::save(&mut db, sync).await? {
            db.commit().await?;
        }
        Ok(())
    }

    /// Has the store been changed so shortly before the run that its lists may not show it yet? Then there is nothing
    /// to do but to wait: what is not known to be there would be created a second time.
    async fn awaits_the_index(&self, account: &Account, sync: &mut Sync) -> Result<bool, Broken> {
        let now = self.clock.now();
        let complete = after(sync.started_at, INDEX_LAG);
        if now >= complete {
            return Ok(false);
        }
        let changed = match account.e.products_updated().await {
            Ok(changed) => changed,
            Err(CallError::Refused { .. } | CallError::Gone { .. }) => None,
            Err(error) => return Err(Broken::Call(Side::ESeries, error)),
        };
        let at_rest = changed.is_some_and(|changed| changed < before(sync.started_at, overlap()));
        if at_rest {
            (sync.phase, sync.due_at) = (listed(sync.mode), now);
        } else {
            sync.due_at = complete;
        }
        let mut db = self.store.begin().await?;
        if syncs::save(&mut db, sync).await? {
            db.commit().await?;
        }
        Ok(true)
    }

    /// Then the matrices of R-Series, before their items, so that each variant finds its home.
    async fn list_matrices(&self, account: &Account, sync: &mut Sync) -> Result<(), Broken> {
        let next = sync.cursor.as_deref().and_then(|cursor| Url::parse(cursor).ok());
        let asked_at = self.clock.now();
        let page = account.r.matrices(next).await.map_err(|error| Broken::Call(Side::RSeries, error))?;
        if page.next.is_some() && page.next.as_ref().map(Url::as_str) == sync.cursor.as_deref() {
            return Err(endless(Side::RSeries));
        }
        let looked: Vec<(i64, String)> =
            page.rows.iter().map(|(matrix, _)| (matrix.id, digest(matrix))).collect();
        let now = self.clock.now();
        let connection = sync.connection_id;
        let mut db = self.store.begin().await?;
        let news = self.note_look(&mut db, sync, LOOK_MATRIX, &looked).await?;
        let partly = sync.mode == Mode::FullLook;
        // An archived one that Concord knows is told by its items.
        let wanted = page.rows.iter().map(|(matrix, _)| matrix).filter(|matrix| !matrix.archived);
        let wanted = wanted.filter(|matrix| !partly || news.contains(&matrix.id));
        let met: Vec<Met> = wanted
            .map(|matrix| Met { id: matrix.id, name: matrix.description.clone(), sku: String::new() })
            .collect();
        let products = homes(&mut db, connection, Half::RMatrices, &met, &self.ids, now).await?;
        if partly {
            dirty::mark(&mut db, connection, &products, Asker::Sweep, now, now).await?;
            found("changed", products.len());
        } else {
            self.keep_matrices(&mut db, sync, &page.rows, asked_at).await?;
        }
        label(&mut db, connection, &products, &met).await?;
        sync.unreadable += count(page.unreadable.len());
        sync.due_at = now;
        match page.next {
            Some(next) => sync.cursor = Some(next.to_string()),
            None => (sync.phase, sync.cursor) = (Phase::ListShop, None),
        }
        if syncs::save(&mut db, sync).await? {
            db.commit().await?;
        }
        Ok(())
    }

    /// Then its items: their visits match or create; variants are called for by the visits of their matrices. Archived
    /// ones that Concord has never heard of are left in peace.
    async fn list_shop(&self, account: &Account, sync: &mut Sync) -> Result<(), Broken> {
        let next = sync.cursor.as_deref().and_then(|cursor| Url::parse(cursor).ok());
        let log_id = self.log_position(sync.connection_id).await?;
        let asked_at = self.clock.now();
        let page = account.r.items(next).await.map_err(|error| Broken::Call(Side::RSeries, error))?;
        let same = page.next.as_ref().map(Url::as_str) == sync.cursor.as_deref() && page.next.is_some();
        if same || sync.total > MOST_ITEMS {
            return Err(endless(Side::RSeries));
        }
        let items = || page.rows.iter().map(|(item, _)| item);
        let looked: Vec<(i64, String)> = items().map(|item| (item.id, digest(item))).collect();
        let now = self.clock.now();
        let connection = sync.connection_id;
        let mut db = self.store.begin().await?;
        let news = self.note_look(&mut db, sync, LOOK_R, &looked).await?;
        let partly = sync.mode == Mode::FullLook;
        let is_news = |item: &&Item| news.contains(&item.id);
        let wanted = items().filter(|item| !item.archived && (!partly || is_news(item)));
        let (variants, simple): (Vec<&Item>, Vec<&Item>) = wanted.partition(|item| item.matrix_id != 0);
        let met: Vec<Met> = simple.into_iter().map(|item| met(account, item)).collect();
        let archived: Vec<i64> =
            items().filter(|item| item.archived).filter(is_news).map(|item| item.id).collect();
        let mut swept = of_items(&mut db, connection, &archived).await?;
        let variants = self.homes_of_variants(&mut db, account, &variants).await?;
        let products = homes(&mut db, connection, Half::RItems, &met, &self.ids, now).await?;
        if partly {
            swept.extend(&products);
            swept.extend(&variants);
            found("changed", swept.len());
        } else {
            self.keep_items(&mut db, account, sync, &page.rows, (log_id, asked_at)).await?;
        }
        dirty::mark(&mut db, connection, &swept, Asker::Sweep, now, now).await?;
        label(&mut db, connection, &products, &met).await?;
        sync.total += count(items().filter(|item| !item.archived).count());
        sync.variants += count(items().filter(|item| !item.archived && item.matrix_id != 0).count());
        sync.unreadable += count(page.unreadable.len());
        sync.due_at = now;
        match page.next {
            Some(next) => sync.cursor = Some(next.to_string()),
            None => {
                sync.cursor = None;
                // A full look finds tomorrow what it cannot see yet, and nothing is created because of it.
                let whole = sync.mode != Mode::FullLook;
                sync.phase = if whole { Phase::ListRecent } else { listed(sync.mode) };
                if sync.mode == Mode::Preview {
                    looks::rank_matrices(&mut db, connection).await?;
                }
            }
        }
        if syncs::save(&mut db, sync).await? {
            db.commit().await?;
        }
        Ok(())
    }

    /// Writes down what a page showed, and tells what of it is news. A preview does nothing about news, so it must not
    /// take note of it.
    async fn note_look(
        &self,
        db: &mut Db,
        sync: &Sync,
        feed: &str,
        looked: &[(i64, String)],
    ) -> Result<Vec<i64>, StoreError> {
        if sync.mode == Mode::Preview {
            return Ok(Vec::new());
        }
        cursors::note_look(db, sync.connection_id, feed, looked, sync.started_at).await
    }

    /// What Concord knows and neither list showed is visited: absence from a list is never taken for a deletion.
    async fn mark_missing(&self, sync: &mut Sync) -> Result<(), Broken> {
        let now = self.clock.now();
        let connection = sync.connection_id;
        let mut db = self.store.begin().await?;
        let missing = not_listed(&mut db, connection, [LOOK_R, LOOK_MATRIX, LOOK_E], sync.started_at).await?;
        dirty::mark(&mut db, connection, &missing, Asker::Sweep, now, now).await?;
        for feed in [LOOK_R, LOOK_MATRIX, LOOK_E] {
            cursors::forget_before(&mut db, connection, feed, sync.started_at).await?;
        }
        (sync.phase, sync.due_at) = (Phase::Visit, now);
        if sync.mode == Mode::FullLook {
            // It has marked what it is for; on a busy day there may be no moment at which nothing waits.
            syncs::end(&mut db, sync, "done", now).await?;
            metrics::counter!("concord_full_looks_total").increment(1);
            info!(sync = %sync.sync_id, listed = sync.total, missing = missing.len(), "the full look is done");
        }
        found("missing", missing.len());
        if syncs::save(&mut db, sync).await? {
            db.commit().await?;
        }
        Ok(())
    }

    async fn wait_for_visits(&self, sync: &mut Sync) -> Result<(), Broken> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let progress = syncs::progress(&mut db, sync.connection_id).await?;
        sync.due_at = after(now, LOOK);
        // What the brake holds is parked: the run is not done before an operator has said what is to become of it.
        let held = brakes::on(&mut db, sync.connection_id).await?.is_some();
        sync.state = if progress.waiting == 0 && held { "awaiting_approval" } else { "running" }.into();
        if progress.waiting == 0 && !held {
            syncs::end(&mut db, sync, "done", now).await?;
            looks::forget(&mut db, sync.connection_id).await?;
            info!(sync = %sync.sync_id, linked = progress.linked, parked = progress.parked, "the run is done");
        }
        if syncs::save(&mut db, sync).await? {
            db.commit().await?;
        }
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

/// Where a walk by time goes on: from which time, and behind how many rows of it.
fn place(cursor: Option<&str>) -> Option<(Instant, u64)> {
    let parse = |cursor: &str| {
        let (since, offset) = cursor.split_once(':')?;
        Some((Instant::from_timestamp(since.parse().ok()?, 0)?, offset.parse().ok()?))
    };
    cursor.and_then(parse)
}

/// What follows when everything is listed.
fn listed(mode: Mode) -> Phase {
    match mode {
        Mode::FullLook => Phase::MarkMissing,
        Mode::Apply => Phase::Mark,
        Mode::Preview => Phase::Compare,
    }
}

/// What a full look had visited, and why.
fn found(what: &'static str, products: usize) {
    let products = u64::try_from(products).unwrap_or(u64::MAX);
    metrics::counter!("concord_full_look_marks_total", "what" => what).increment(products);
}
