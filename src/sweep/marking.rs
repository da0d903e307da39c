//! What becomes of a catalogue that a run has listed: it is kept for the visits, and marked, what can be sold first.

use serde_json::Value;

use super::{Broken, Sweep};
use crate::clock::Instant;
use crate::connections::{Account, BornOnline};
use crate::ids::{ConnectionId, ProductId};
use crate::mapping;
use crate::platforms::eseries::wire::Product;
use crate::platforms::rseries::wire::{Item, Matrix};
use crate::store::cursors;
use crate::store::dirty::{self, Asker};
use crate::store::links;
use crate::store::looks::{self, Kind, Look, Root};
use crate::store::matching::{self, ListedSku};
use crate::store::syncs::{self, Mode, Phase, Sync};
use crate::store::{Db, StoreError};

/// How many products are marked at a time.
const MARKS: i64 = 500;

/// Minutes by which each rank stands behind what notices and polls tell of: a day each.
const BEHIND: i16 = 24 * 60;

/// Calls to E-Series by which a product is created: one, and one to read back what became of it.
const CALLS_TO_CREATE: i64 = 2;

/// How many products are looked at with one call.
const LOOKED_AT_ONCE: i64 = 20;

/// Texts of a product on E-Series that are long, and that nothing here reads.
const LONG_TEXTS: [&str; 6] = [
    "description",
    "descriptionTranslated",
    "seoDescription",
    "seoDescriptionTranslated",
    "subtitle",
    "subtitleTranslated",
];

impl Sweep {
    /// Keeps a page of E-Series: the SKUs of what is there, and for a preview the products themselves.
    pub(super) async fn keep_online(
        &self,
        db: &mut Db,
        sync: &Sync,
        rows: &[(Product, Value)],
        asked_at: Instant,
    ) -> Result<(), StoreError> {
        let mut skus = Vec::new();
        for (product, _) in rows {
            let marker = |marker: &Option<String>| marker.clone().unwrap_or_default();
            skus.push(ListedSku {
                e_product_id: product.id,
                e_combination_id: None,
                sku: product.sku.clone(),
                marker: marker(&product.external_reference_id),
            });
            skus.extend(product.variations.iter().map(|variation| ListedSku {
                e_product_id: product.id,
                e_combination_id: Some(variation.id),
                sku: variation.sku.clone().unwrap_or_default(),
                marker: marker(&variation.external_reference_id),
            }));
        }
        matching::list(&mut *db, sync.connection_id, &skus).await?;
        if sync.mode != Mode::Preview {
            return Ok(());
        }
        let kept: Vec<Look> = rows
            .iter()
            .map(|(product, record)| {
                let mut record = record.clone();
                if let Some(record) = record.as_object_mut() {
                    record.retain(|field, _| !LONG_TEXTS.contains(&field.as_str()));
                }
                let record = record.to_string();
                Look { record_id: product.id, matrix_id: None, rank: looks::REST, record }
            })
            .collect();
        looks::keep(db, (sync.connection_id, sync.sync_id), Kind::EProduct, &kept, None, asked_at).await
    }

    /// Keeps a page of matrices.
    pub(super) async fn keep_matrices(
        &self,
        db: &mut Db,
        sync: &Sync,
        rows: &[(Matrix, Value)],
        asked_at: Instant,
    ) -> Result<(), StoreError> {
        let kept: Vec<Look> = rows
            .iter()
            .filter(|(matrix, _)| !matrix.archived)
            .map(|(matrix, record)| Look {
                record_id: matrix.id,
                matrix_id: None,
                rank: looks::REST,
                record: record.to_string(),
            })
            .collect();
        looks::keep(db, (sync.connection_id, sync.sync_id), Kind::RMatrix, &kept, None, asked_at).await
    }

    /// Keeps a page of items. Archived ones are of interest with their matrix, and, where nothing is done, to tell
    /// what would be removed.
    pub(super) async fn keep_items(
        &self,
        db: &mut Db,
        account: &Account,
        sync: &Sync,
        rows: &[(Item, Value)],
        (log_id, asked_at): (Option<i64>, Instant),
    ) -> Result<(), StoreError> {
        let kept: Vec<Look> = rows
            .iter()
            .filter(|(item, _)| !item.archived || item.matrix_id != 0 || sync.mode == Mode::Preview)
            .map(|(item, record)| Look {
                record_id: item.id,
                matrix_id: Some(item.matrix_id).filter(|matrix| *matrix != 0),
                rank: rank(account, item),
                record: record.to_string(),
            })
            .collect();
        looks::keep(db, (sync.connection_id, sync.sync_id), Kind::RItem, &kept, log_id, asked_at).await
    }

    /// Up to where the inventory log has been read.
    pub(super) async fn log_position(&self, connection: ConnectionId) -> Result<Option<i64>, Broken> {
        let mut db = self.store.begin().await?;
        let position = cursors::get(&mut db, connection, "r_inventory_log").await?;
        Ok(position.and_then(|position| position.get("id")?.as_i64()))
    }

    /// Marks what was listed, some hundred products a step. Only when the whole shop is listed is it known what can
    /// be sold, and which items a matrix has.
    pub(super) async fn mark_listed(&self, account: &Account, sync: &mut Sync) -> Result<(), Broken> {
        let now = self.clock.now();
        let connection = sync.connection_id;
        let mut db = self.store.begin().await?;
        let behind = sync.cursor.as_deref().and_then(Root::parse);
        if behind.is_none() {
            looks::rank_matrices(&mut db, connection).await?;
        }
        let roots = looks::roots(&mut db, connection, behind, MARKS).await?;
        for rank in [looks::SELLABLE, looks::PUBLISHED, looks::REST] {
            let of_rank = roots.iter().filter(|root| root.rank == rank);
            let products: Vec<ProductId> = of_rank.map(|root| root.product_id).collect();
            let due_at = sync.started_at;
            dirty::mark_behind(&mut db, connection, &products, Asker::Run, rank * BEHIND, due_at, now)
                .await?;
        }
        let products: Vec<ProductId> = roots.iter().map(|root| root.product_id).collect();
        let known = links::load(&mut db, connection, &products).await?;
        let new = known.iter().filter(|link| link.e_product_id.is_none()).count();
        sync.e_calls += i64::try_from(new).unwrap_or_default() * CALLS_TO_CREATE;
        sync.due_at = now;
        match roots.last() {
            Some(last) => sync.cursor = Some(last.to_cursor()),
            None => {
                if account.born_online == BornOnline::Auto {
                    // Those that the shop lacks are created there.
                    let only_online = links::only_online(&mut db, connection).await?;
                    let behind = looks::REST * BEHIND;
                    dirty::mark_behind(
                        &mut db,
                        connection,
                        &only_online,
                        Asker::Run,
                        behind,
                        sync.started_at,
                        now,
                    )
                    .await?;
                }
                // Whoever is visited is looked at, in groups.
                sync.e_calls += sync.total / LOOKED_AT_ONCE;
                (sync.phase, sync.cursor, sync.visits_from) = (Phase::MarkMissing, None, Some(now));
            }
        }
        if syncs::save(&mut db, sync).await? {
            db.commit().await?;
        }
        Ok(())
    }
}

/// What can be sold goes first.
fn rank(account: &Account, item: &Item) -> i16 {
    let facts = mapping::rseries::facts(item, &account.context);
    let in_stock = facts.stock().is_some_and(|stock| stock.tracked().is_none_or(|pieces| pieces > 0));
    match (item.archived || !facts.enabled(), in_stock) {
        (true, _) => looks::REST,
        (false, true) => looks::SELLABLE,
        (false, false) => looks::PUBLISHED,
    }
}
