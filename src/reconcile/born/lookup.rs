//! Is it there already? Asked before anything is created on R-Series, and after an answer that was lost.
//!
//! What is found is left to its own visit, which ties it to the product by the rules for that.

use std::collections::{BTreeMap, BTreeSet};

use super::super::sight::InShop;
use super::super::{Corridor, Stop, Visit};
use super::Created;
use crate::catalog::{Field, Side};
use crate::ledger::{CreationOnR, Detail};
use crate::mapping::born as shapes;
use crate::mapping::eseries::Marked;
use crate::mapping::{OptionNames, SkuSource};
use crate::platforms::CallError;
use crate::platforms::eseries::wire::Product;
use crate::platforms::rseries::wire::{Item, Matrix};
use crate::store::links::{Half, Met};
use crate::store::{self, dirty, links};

impl Corridor {
    /// Is this record of R-Series about to be taken over by the product it was made of? Then that product is called
    /// for.
    pub(in crate::reconcile) async fn is_being_born(
        &self,
        visit: &Visit<'_>,
        shop: &InShop,
    ) -> Result<bool, Stop> {
        let connection = visit.link.connection_id;
        let mut db = self.store.begin().await?;
        let births = store::ledger::open_births(&mut db, connection).await?;
        drop(db);
        let made = |creation: &CreationOnR| match shop {
            InShop::Item(item) => may_be_item(item, creation),
            InShop::Matrix { matrix, .. } => may_be_matrix(matrix, creation),
        };
        for birth in births {
            let Some(Detail::CreationOnR(creation)) = birth.recovery() else { continue };
            let Some(product) = birth.product_id.filter(|product| *product != visit.link.product_id) else {
                continue;
            };
            if made(&creation) {
                let now = self.clock.now();
                let mut db = self.store.begin().await?;
                dirty::mark(&mut db, connection, &[product], visit.asker(), now, now).await?;
                db.commit().await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The product carries our marker: its item may be there, and not tied to it yet.
    pub(super) async fn calls_for_marked(&self, visit: &Visit<'_>, marked: Marked) -> Result<bool, Stop> {
        let r = &visit.account.r;
        let (half, found) = match marked {
            Marked::Item(id) => {
                (Half::RItems, r.item(id).await.map(|item| (id, item.archived, item.description)))
            }
            Marked::Matrix(id) => {
                (Half::RMatrices, r.matrix(id).await.map(|matrix| (id, matrix.archived, matrix.description)))
            }
        };
        match found {
            Ok((id, false, name)) => {
                self.call_for(visit, half, Met { id, name, sku: String::new() }).await?;
                Ok(true)
            }
            Ok(_) | Err(CallError::Gone { .. }) => Ok(false),
            Err(error) => Err(self.stop(Side::RSeries, error)),
        }
    }

    /// Items that have one of these SKUs, archived ones too, however their letters are written.
    async fn items_with_skus(&self, visit: &Visit<'_>, skus: &[&str]) -> Result<Vec<Item>, Stop> {
        let source = visit.account.context.sku_source;
        let field = match source {
            SkuSource::SystemSku => "systemSku",
            other => shapes::sku_field(other),
        };
        let shown = |item: &Item| match source {
            SkuSource::SystemSku => item.system_sku.clone(),
            other => shapes::kept_sku(item, other).to_owned(),
        };
        let items = visit.account.r.items_with_any(field, skus).await;
        let mut items = items.map_err(|error| self.stop(Side::RSeries, error))?;
        let wanted: BTreeSet<String> = skus.iter().map(|sku| sku.trim().to_lowercase()).collect();
        // A filter may be ignored without a word (r-series-api.md, section 1.8).
        items.retain(|item| wanted.contains(&shown(item).trim().to_lowercase()));
        Ok(items)
    }

    /// Looks for the SKU before an item is created with it in the matrix `home`, 0 for none. True when its item is
    /// there and was called for; what is not certain is not guessed.
    pub(super) async fn calls_for_twin(&self, visit: &Visit<'_>, sku: &str, home: i64) -> Result<bool, Stop> {
        let sku = sku.trim();
        if sku.is_empty() {
            return Ok(false);
        }
        let found = self.items_with_skus(visit, &[sku]).await?;
        if found.is_empty() {
            return Ok(false);
        }
        let source = visit.account.context.sku_source;
        let exact = |item: &Item| match source {
            SkuSource::SystemSku => item.system_sku.trim() == sku,
            other => shapes::kept_sku(item, other).trim() == sku,
        };
        let live: Vec<&Item> = found.iter().filter(|item| !item.archived).collect();
        let ids: Vec<i64> = found.iter().map(|item| item.id).collect();
        let mut db = self.store.begin().await?;
        let tied = links::tied(&mut db, visit.link.connection_id, Half::RItems, &ids).await?;
        drop(db);
        match live.as_slice() {
            [one] if exact(one) && one.matrix_id == home && !tied.contains(&one.id) => {
                let met = Met { id: one.id, name: one.description.clone(), sku: sku.to_owned() };
                if home == 0 {
                    self.call_for(visit, Half::RItems, met).await?;
                } else {
                    self.call_for_parent(visit).await?;
                }
                Ok(true)
            }
            [] => Err(Stop::Park {
                code: "archived_in_shop",
                reason: format!(
                    "The SKU {sku} belongs to an archived item on R-Series: {}. Unarchive it, and it becomes this \
                     product, or give one of them another SKU.",
                    listed(&found)
                ),
            }),
            live => Err(Stop::Park {
                code: "sku_taken",
                reason: format!(
                    "The SKU {sku} is on R-Series already, and it cannot be told whether it is this product: {}. Give \
                     each its own SKU.",
                    listed(live.iter().copied())
                ),
            }),
        }
    }

    /// Looks for the SKUs of a product with variations before a matrix is created. True when its matrix is there and
    /// was called for.
    pub(super) async fn calls_for_matrix(&self, visit: &Visit<'_>, product: &Product) -> Result<bool, Stop> {
        let skus = product.variations.iter().filter_map(|variation| variation.sku.as_deref());
        let skus: Vec<&str> = skus.map(str::trim).collect();
        let found = self.items_with_skus(visit, &skus).await?;
        let found: BTreeMap<i64, Item> = found.into_iter().map(|item| (item.id, item)).collect();
        if found.is_empty() {
            return Ok(false);
        }
        let matrices: BTreeSet<i64> =
            found.values().filter(|item| !item.archived).map(|item| item.matrix_id).collect();
        let matrices: Vec<i64> = matrices.into_iter().collect();
        if let [matrix] = matrices.as_slice()
            && *matrix != 0
        {
            let mut db = self.store.begin().await?;
            let connection = visit.link.connection_id;
            let tied =
                links::tied(&mut db, connection, Half::RMatrices, std::slice::from_ref(matrix)).await?;
            drop(db);
            if tied.is_empty() {
                let met = Met { id: *matrix, name: String::new(), sku: String::new() };
                self.call_for(visit, Half::RMatrices, met).await?;
                return Ok(true);
            }
        }
        Err(Stop::Park {
            code: "sku_taken",
            reason: format!(
                "SKUs of the variations are on R-Series already, and it cannot be told whether they are this product: \
                 {}. Give each its own SKU, or unarchive what belongs to it.",
                listed(found.values())
            ),
        })
    }

    /// Looks for an item of the matrix with these values. True when it is there and its visit will tie it.
    pub(super) async fn calls_for_sibling(
        &self,
        visit: &Visit<'_>,
        matrix: &Matrix,
        names: &OptionNames,
        values: &[String],
    ) -> Result<bool, Stop> {
        let items = visit.account.r.items_of_matrices(&[matrix.id]).await;
        let items = items.map_err(|error| self.stop(Side::RSeries, error))?;
        let same = |item: &&Item| {
            let facts = crate::mapping::rseries::variant_facts(item, &visit.account.context, Some(names));
            let shown = facts.list(Field::OptionValues);
            shown.is_some_and(|shown| {
                shown.iter().map(|value| value.trim()).eq(values.iter().map(|value| value.trim()))
            })
        };
        let Some(found) = items.iter().filter(|item| !item.archived).find(same) else { return Ok(false) };
        let mut db = self.store.begin().await?;
        let tied = links::tied(&mut db, visit.link.connection_id, Half::RItems, &[found.id]).await?;
        drop(db);
        if tied.is_empty() {
            self.call_for_parent(visit).await?;
            return Ok(true);
        }
        Err(Stop::Park {
            code: "options_twice",
            reason: format!(
                "The matrix on R-Series has an item with the same attributes already: {}. Give the variation other \
                 option values.",
                listed([found])
            ),
        })
    }

    /// What may be the record that this creation made: created since, as it was sent, and nobody's yet.
    pub(super) async fn created_since(
        &self,
        visit: &Visit<'_>,
        creation: &CreationOnR,
    ) -> Result<Vec<Created>, Stop> {
        let r = &visit.account.r;
        let refused = |error| self.stop(Side::RSeries, error);
        let whole = creation.sent.get(Field::Options).is_some();
        let mut found: Vec<Created> = if whole {
            let matrices = r.matrices_above(creation.above).await.map_err(refused)?;
            let ours = matrices.into_iter().filter(|matrix| !matrix.archived);
            ours.filter(|matrix| may_be_matrix(matrix, creation)).map(Created::Matrix).collect()
        } else {
            let items = r.items_above(creation.above).await.map_err(refused)?;
            let ours = items.into_iter().filter(|item| !item.archived);
            ours.filter(|item| may_be_item(item, creation))
                .map(|item| Created::Item(Box::new(item)))
                .collect()
        };
        let half = if whole { Half::RMatrices } else { Half::RItems };
        let ids: Vec<i64> = found.iter().map(Created::id).collect();
        let mut db = self.store.begin().await?;
        let tied = links::tied(&mut db, visit.link.connection_id, half, &ids).await?;
        found.retain(|one| !tied.contains(&one.id()));
        Ok(found)
    }

    /// Has the product of this record of R-Series visited.
    async fn call_for(&self, visit: &Visit<'_>, half: Half, met: Met) -> Result<(), Stop> {
        let now = self.clock.now();
        let connection = visit.link.connection_id;
        let mut db = self.store.begin().await?;
        let homes = links::homes(&mut db, connection, half, &[met], &self.ids, now).await?;
        db.commit().await?;
        let mut db = self.store.begin().await?;
        dirty::mark(&mut db, connection, &homes, visit.asker(), now, now).await?;
        db.commit().await?;
        Ok(())
    }
}

/// Items in words, for a person to choose from.
fn listed<'a>(items: impl IntoIterator<Item = &'a Item>) -> String {
    let words = items.into_iter().map(|item| {
        let of = if item.matrix_id == 0 { String::new() } else { format!(" of matrix {}", item.matrix_id) };
        format!("item {}{of} “{}”", item.id, item.description)
    });
    words.take(10).collect::<Vec<_>>().join(", ")
}

/// May this item be the one that was created so? Ids only grow.
fn may_be_item(item: &Item, creation: &CreationOnR) -> bool {
    let values = |attributes: &[String; 3]| attributes.each_ref().map(|value| value.trim().to_owned());
    item.id > creation.above
        && creation.sent.get(Field::Options).is_none()
        && item.matrix_id == creation.matrix_id.unwrap_or(0)
        && item.custom_sku.trim() == creation.custom_sku.trim()
        && item.manufacturer_sku.trim() == creation.manufacturer_sku.trim()
        && shapes::may_be_called(&item.description, &creation.description)
        && creation.attributes.as_ref().is_none_or(|sent| {
            item.attributes.as_ref().is_some_and(|shown| values(&shown.values) == values(sent))
        })
}

/// The same of a matrix.
fn may_be_matrix(matrix: &Matrix, creation: &CreationOnR) -> bool {
    let Some(options) = creation.sent.list(Field::Options) else { return false };
    let sorted = |names: &mut dyn Iterator<Item = &str>| {
        let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
        names.sort_unstable();
        names
    };
    matrix.id > creation.above
        && shapes::may_be_called(&matrix.description, &creation.description)
        && matrix
            .set
            .as_ref()
            .is_some_and(|set| sorted(&mut set.used()) == sorted(&mut options.iter().map(String::as_str)))
}
