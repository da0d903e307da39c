//! One poll a feed. Each page is written down with its marks in one transaction, the cursor only when the
//! feed has been read to its end.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Broken, Sweep};
use crate::catalog::Side;
use crate::clock::{Instant, before};
use crate::connections::Account;
use crate::ids::{ConnectionId, ProductId};
use crate::mapping;
use crate::planted::{Mistake, planted};
use crate::platforms::CallError;
use crate::platforms::rseries::wire::Item;
use crate::store::cursors::{self, Sighting};
use crate::store::dirty::{self, Asker};
use crate::store::links::{Half, Met, Variant, adopt, homes, label, of_items};
use crate::store::{Db, StoreError};

/// How far each feed is read again. R-Series: transactions and one-second stamps; E-Series: its index
/// lags by seconds (r-series-api.md, section 5.2; e-series-api.md, section 4.5).
const OVERLAP: Duration = Duration::from_secs(5 * 60);
/// How many rows of the inventory log are read again: ids are drawn before their transactions commit.
const LOG_OVERLAP: i64 = 50;
/// What every row of the log is noted as: rows do not change.
const LOG_ROW: &str = "row";
/// More pages than any catalogue has: a feed that goes on for ever is broken.
pub(super) const MOST_PAGES: usize = 5_000;

/// Up to where a feed has been read.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Position {
    time: Option<Instant>,
    id: Option<i64>,
}

/// A row of a feed, as far as the round is concerned.
struct Row {
    /// Id of the row in its feed.
    entity_id: i64,
    /// The record to look at.
    record: i64,
    /// Hash of what the row says.
    digest: String,
    /// The row's own time.
    time: Option<Instant>,
    /// Name and SKU, if the row tells them.
    label: Option<(String, String)>,
}

pub(super) fn overlap() -> Duration {
    if planted(Mistake::CursorByTimestampOnly) { Duration::ZERO } else { OVERLAP }
}

pub(super) fn digest(row: &impl Hash) -> String {
    let mut hasher = DefaultHasher::new();
    row.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

impl Sweep {
    /// Items whose own record changed.
    pub(super) async fn poll_r_items(&self, account: &Account, began: Instant) -> Result<usize, Broken> {
        const FEED: &str = "r_item";
        let mut position = self.position(account.connection_id, FEED).await?;
        let since = before(position.time.unwrap_or(began), overlap());
        let (mut next, mut marked) = (None, 0);
        for _ in 0..MOST_PAGES {
            let page = account.r.items_since(since, next.take()).await.map_err(r_side)?;
            let rows = page.rows.iter().map(|item| {
                let Met { id, name, sku } = met(account, item);
                let label = Some((name, sku));
                Row { entity_id: id, record: id, digest: digest(item), time: item.time_stamp, label }
            });
            let variants: Vec<&Item> =
                page.rows.iter().filter(|item| item.matrix_id != 0 && !item.archived).collect();
            let mut db = self.store.begin().await?;
            self.homes_of_variants(&mut db, account, &variants).await?;
            db.commit().await?;
            marked += self.take_in(account, FEED, Half::RItems, rows.collect(), &mut position).await?;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        self.finish(account.connection_id, FEED, position, since).await?;
        Ok(marked)
    }

    /// Matrices whose own record changed.
    pub(super) async fn poll_r_matrices(&self, account: &Account, began: Instant) -> Result<usize, Broken> {
        const FEED: &str = "r_matrix";
        let mut position = self.position(account.connection_id, FEED).await?;
        let since = before(position.time.unwrap_or(began), overlap());
        let (mut next, mut marked) = (None, 0);
        for _ in 0..MOST_PAGES {
            let page = account.r.matrices_since(since, next.take()).await.map_err(r_side)?;
            let rows = page.rows.iter().map(|matrix| Row {
                entity_id: matrix.id,
                record: matrix.id,
                digest: digest(matrix),
                time: matrix.time_stamp,
                label: Some((matrix.description.clone(), String::new())),
            });
            marked += self.take_in(account, FEED, Half::RMatrices, rows.collect(), &mut position).await?;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        self.finish(account.connection_id, FEED, position, since).await?;
        Ok(marked)
    }

    /// Gives variants a home below the product of their matrix.
    pub(super) async fn homes_of_variants(
        &self,
        db: &mut Db,
        account: &Account,
        items: &[&Item],
    ) -> Result<Vec<ProductId>, StoreError> {
        let (now, connection) = (self.clock.now(), account.connection_id);
        let mut of_matrix = BTreeMap::<i64, Vec<Variant>>::new();
        for item in items {
            let Met { id, name, sku } = met(account, item);
            of_matrix.entry(item.matrix_id).or_default().push(Variant { r_item_id: id, name, sku });
        }
        let unnamed = |id: &i64| Met { id: *id, name: String::new(), sku: String::new() };
        let matrices: Vec<Met> = of_matrix.keys().map(unnamed).collect();
        let parents = homes(db, connection, Half::RMatrices, &matrices, &self.ids, now).await?;
        for (parent, variants) in parents.into_iter().zip(of_matrix.values()) {
            adopt(db, connection, parent, variants, &self.ids, now).await?;
        }
        let items: Vec<i64> = items.iter().map(|item| item.id).collect();
        of_items(db, connection, &items).await
    }

    /// Stock rows that changed: an item's own time does not move with its stock.
    pub(super) async fn poll_r_item_shops(&self, account: &Account, began: Instant) -> Result<usize, Broken> {
        const FEED: &str = "r_item_shop";
        let mut position = self.position(account.connection_id, FEED).await?;
        let since = before(position.time.unwrap_or(began), overlap());
        let (mut next, mut marked) = (None, 0);
        for _ in 0..MOST_PAGES {
            let page = account.r.item_shops_since(since, next.take()).await.map_err(r_side)?;
            let rows = page.rows.iter().filter(|row| row.item_id > 0 && row.shop_id != 0).map(|row| Row {
                entity_id: row.id,
                record: row.item_id,
                digest: digest(row),
                time: row.time_stamp,
                label: None,
            });
            marked += self.take_in(account, FEED, Half::RItems, rows.collect(), &mut position).await?;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        self.finish(account.connection_id, FEED, position, since).await?;
        Ok(marked)
    }

    /// New rows of the inventory log: a cursor without gaps.
    pub(super) async fn poll_r_inventory_log(&self, account: &Account) -> Result<usize, Broken> {
        const FEED: &str = "r_inventory_log";
        let mut position = self.position(account.connection_id, FEED).await?;
        let Some(last) = position.id else {
            // What happened before is part of the first look, what later polls read once more included.
            let head = account.r.inventory_log_head().await.map_err(r_side)?;
            let above = (head - LOG_OVERLAP).max(0);
            let page = account.r.inventory_log_after(above, None).await.map_err(r_side)?;
            let now = self.clock.now();
            let known = page.rows.iter().filter(|row| row.id <= head);
            let known = known.map(|row| Sighting { entity_id: row.id, digest: LOG_ROW.into(), seen_at: now });
            let mut db = self.store.begin().await?;
            cursors::note(&mut db, account.connection_id, FEED, &known.collect::<Vec<_>>()).await?;
            db.commit().await?;
            position.id = Some(head);
            self.finish(account.connection_id, FEED, position, Instant::UNIX_EPOCH).await?;
            return Ok(0);
        };
        let (mut next, mut marked) = (None, 0);
        for _ in 0..MOST_PAGES {
            let above = (last - LOG_OVERLAP).max(0);
            let page = account.r.inventory_log_after(above, next.take()).await.map_err(r_side)?;
            let rows: Vec<Row> = page
                .rows
                .iter()
                .map(|row| Row {
                    entity_id: row.id,
                    record: row.item_id,
                    digest: LOG_ROW.into(),
                    time: Some(self.clock.now()),
                    label: None,
                })
                .collect();
            let highest = rows.iter().map(|row| row.entity_id).max();
            marked += self.take_in(account, FEED, Half::RItems, rows, &mut position).await?;
            position.id = position.id.max(highest);
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let forget = before(self.clock.now(), 12 * OVERLAP);
        self.finish(account.connection_id, FEED, position, forget).await?;
        Ok(marked)
    }

    /// Products that changed. Offsets shift when a product changes during the walk, so each page starts
    /// from the time of the last row instead.
    pub(super) async fn poll_e_products(&self, account: &Account, began: Instant) -> Result<usize, Broken> {
        const FEED: &str = "e_product";
        let mut position = self.position(account.connection_id, FEED).await?;
        let first = before(position.time.unwrap_or(began), overlap());
        let (mut since, mut offset, mut marked) = (first, 0, 0);
        for _ in 0..MOST_PAGES {
            let page = account.e.products_since(since, offset).await.map_err(e_side)?;
            let rows: Vec<Row> = page
                .rows
                .iter()
                .map(|product| Row {
                    entity_id: product.id,
                    record: product.id,
                    digest: digest(product),
                    time: product.updated,
                    label: Some((product.name.clone(), product.sku.clone())),
                })
                .collect();
            let last = rows.iter().filter_map(|row| row.time).max();
            marked += self.take_in(account, FEED, Half::EProducts, rows, &mut position).await?;
            match (page.next, last) {
                (None, _) => break,
                (Some(_), Some(last)) if last > since => (since, offset) = (last, 0),
                (Some(next), _) => offset = next,
            }
        }
        self.finish(account.connection_id, FEED, position, first).await?;
        Ok(marked)
    }

    /// Products that were deleted.
    pub(super) async fn poll_e_deleted(&self, account: &Account, began: Instant) -> Result<usize, Broken> {
        const FEED: &str = "e_deleted";
        let mut position = self.position(account.connection_id, FEED).await?;
        let since = before(position.time.unwrap_or(began), overlap());
        let (mut offset, mut marked) = (0, 0);
        for _ in 0..MOST_PAGES {
            let page = account.e.deleted_since(since, offset).await.map_err(e_side)?;
            let rows = page.rows.iter().map(|row| Row {
                entity_id: row.id,
                record: row.id,
                digest: digest(row),
                time: row.at,
                label: None,
            });
            marked += self.take_in(account, FEED, Half::EProducts, rows.collect(), &mut position).await?;
            match page.next {
                Some(next) => offset = next,
                None => break,
            }
        }
        self.finish(account.connection_id, FEED, position, since).await?;
        Ok(marked)
    }

    /// Writes one page down: what is news gets a home and a mark.
    async fn take_in(
        &self,
        account: &Account,
        feed: &str,
        half: Half,
        rows: Vec<Row>,
        position: &mut Position,
    ) -> Result<usize, Broken> {
        let now = self.clock.now();
        let connection = account.connection_id;
        let mut rows = rows;
        if let (true, Some(last)) = (planted(Mistake::CursorByTimestampOnly), position.time) {
            rows.retain(|row| row.time.is_none_or(|time| time > last));
        }
        position.time = rows.iter().filter_map(|row| row.time).max().max(position.time);
        let sightings: Vec<Sighting> = rows
            .iter()
            .map(|row| Sighting {
                entity_id: row.entity_id,
                digest: row.digest.clone(),
                seen_at: row.time.unwrap_or(now),
            })
            .collect();
        let mut db = self.store.begin().await?;
        let news = cursors::note(&mut db, connection, feed, &sightings).await?;
        // One entry a record, in the order in which everybody locks.
        let records: BTreeMap<i64, (String, String)> = rows
            .into_iter()
            .filter(|row| news.contains(&row.entity_id))
            .map(|row| (row.record, row.label.unwrap_or_default()))
            .collect();
        let met: Vec<Met> = records.into_iter().map(|(id, (name, sku))| Met { id, name, sku }).collect();
        let products = homes(&mut db, connection, half, &met, &self.ids, now).await?;
        let asker = if half == Half::EProducts { Asker::SweepOnline } else { Asker::Sweep };
        dirty::mark(&mut db, connection, &products, asker, now, now).await?;
        label(&mut db, connection, &products, &met).await?;
        db.commit().await?;
        Ok(products.len())
    }

    async fn position(&self, connection: ConnectionId, feed: &str) -> Result<Position, Broken> {
        let mut db = self.store.begin().await?;
        let stored = cursors::get(&mut db, connection, feed).await?;
        Ok(stored.and_then(|json| serde_json::from_value(json).ok()).unwrap_or_default())
    }

    async fn finish(
        &self,
        connection: ConnectionId,
        feed: &str,
        position: Position,
        forget_before: Instant,
    ) -> Result<(), Broken> {
        let mut db = self.store.begin().await?;
        let json = serde_json::to_value(position).unwrap_or_default();
        cursors::put(&mut db, connection, feed, &json, self.clock.now()).await?;
        cursors::forget_before(&mut db, connection, feed, forget_before).await?;
        db.commit().await?;
        Ok(())
    }
}

/// An item as lists show it.
pub(super) fn met(account: &Account, item: &Item) -> Met {
    let facts = match item.matrix_id {
        0 => mapping::rseries::facts(item, &account.context),
        _ => mapping::rseries::variant_facts(item, &account.context, None),
    };
    Met { id: item.id, name: item.description.clone(), sku: facts.sku().to_owned() }
}

fn r_side(error: CallError) -> Broken {
    Broken::Call(Side::RSeries, error)
}

fn e_side(error: CallError) -> Broken {
    Broken::Call(Side::ESeries, error)
}
