//! A product with variants is created in one call, variants and all: half a matrix is never online, and where one of
//! its SKUs is taken already (perhaps by a product that the search does not show yet), the store refuses the whole.
//!
//! Each variant is a link of its own all the same, and takes its half in its own visit: what it was created with
//! stands in the ledger, with the creation of its product.

use std::collections::BTreeSet;

use super::removal::RESTORES;
use super::sight::{InShop, Online};
use super::{Corridor, Stop, Visit};
use crate::catalog::{Facts, Field, Side, Value};
use crate::decide::Step;
use crate::decide::plan::{created, plan_creation};
use crate::ids::EntryId;
use crate::ledger::{Creation, Detail, Entry, Kind, Origin, VariantCreation};
use crate::mapping;
use crate::platforms::eseries::wire::{MOST_VARIATIONS, Product, Variation};
use crate::platforms::rseries::wire::Item;
use crate::store::ledger::Kept;
use crate::store::{self, links};

/// An item that can be a variation beside the others of its matrix.
pub(super) struct Fitting<'a> {
    pub(super) item: &'a Item,
    /// What it is.
    from: Facts,
    /// Its option values.
    key: Vec<String>,
}

/// The items that can be variations of one product beside each other: each has option values, and no other's. Of two
/// with the same ones the first fits, or the one whose variation is `there` already.
pub(super) fn fitting<'a>(visit: &Visit<'_>, items: &'a [Item], there: &BTreeSet<i64>) -> Vec<Fitting<'a>> {
    let reading = visit.reading_of_variants();
    let mut items: Vec<&Item> = items.iter().filter(|item| !item.archived).collect();
    items.sort_by_key(|item| !there.contains(&item.id));
    let mut taken = BTreeSet::new();
    let fits = |item: &'a Item| {
        let from = mapping::rseries::variant_facts(item, reading.context, reading.names.as_ref());
        let values = from.list(Field::OptionValues).unwrap_or_default();
        let value = Value::List(values.to_vec());
        let refused = mapping::eseries::refuses(None, Field::OptionValues, &value).is_some();
        let key: Vec<String> = values.iter().map(|value| value.trim().to_owned()).collect();
        (!refused && taken.insert(key.clone())).then_some(Fitting { item, from, key })
    };
    items.into_iter().filter_map(fits).collect()
}

impl Corridor {
    /// The variants that can be created along with their product. The others (no attributes, the same ones as another
    /// item, a count that is not known, more than one call takes) are left to their own visits, which say what is
    /// wrong with them.
    pub(super) async fn variants_to_create(
        &self,
        visit: &Visit<'_>,
        items: &[Item],
        kept: Option<&Kept>,
    ) -> Result<Vec<VariantCreation>, Stop> {
        let mut variants = Vec::new();
        for Fitting { item, from, key } in fitting(visit, items, &BTreeSet::new()) {
            if from.stock().is_none() {
                continue;
            }
            let Some(Step::CreateVariationOnE { facts: sent }) = plan_creation(&from).steps.pop() else {
                continue;
            };
            let marker = mapping::eseries::variation_marker(item.id);
            let kept = kept.filter(|kept| kept.refused < RESTORES);
            let base =
                kept.map(|kept| mapping::snapshot::variation_in(&kept.record, &marker, from.sku(), &key));
            let base = base.unwrap_or_default();
            variants.push((item, VariantCreation { item_id: item.id, from, sent, marker, base }));
        }
        variants.truncate(MOST_VARIATIONS);
        let skus: Vec<String> =
            variants.iter().map(|(_, variant)| variant.from.sku().trim().to_owned()).collect();
        let mut db = self.store.begin().await?;
        let shared = links::shared_skus(&mut db, visit.link.connection_id, &skus).await?;
        drop(db);
        let stood_in_for = |(item, mut variant): (&Item, VariantCreation)| {
            if shared.contains(variant.from.sku().trim()) {
                variant.sent.set(Field::Sku, Value::Text(item.system_sku.clone()));
            }
            variant
        };
        Ok(variants.into_iter().map(stood_in_for).collect())
    }

    /// A variant whose variation was created along with its product: takes its half with the shadow it was created
    /// with, and is merged like any other. False if it was not, or if there is more to tell of it since.
    pub(super) async fn created_with_product(
        &self,
        visit: &mut Visit<'_>,
        shop: &InShop,
        product: &Product,
        variation: &Variation,
    ) -> Result<bool, Stop> {
        let Some(parent) = visit.parent.as_ref().map(|parent| parent.product_id) else { return Ok(false) };
        let (connection, own) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        let entry = store::ledger::creation_before(&mut db, connection, parent, own).await?;
        drop(db);
        let Some(entry) = entry else { return Ok(false) };
        let Some(Detail::Creation(Creation { variants, shops, .. })) = entry.recovery() else {
            return Ok(false);
        };
        let item_id = visit.link.r_item_id;
        let Some(variant) = variants.into_iter().find(|variant| Some(variant.item_id) == item_id) else {
            return Ok(false);
        };
        let online = Online { product: product.clone(), variation: Some(variation.clone()) };
        let shadow = created(&variant.from, &variant.sent, &online.facts(&visit.reading()));
        visit.link.r_stock_shops = shops;
        let told = self.creation_of_variant(visit, entry.entry_id, &variant.sent);
        self.creation_landed(visit, &told, &online, shadow).await?;
        // What is to be replaced is looked at again; all else may be as old as the look of the group.
        self.carry(visit, shop.clone(), online, [false, false]).await?;
        Ok(true)
    }

    /// What the ledger says of a variation that came with its product.
    fn creation_of_variant(&self, visit: &Visit<'_>, with: EntryId, sent: &Facts) -> Entry {
        let (connection, product, now) = (visit.link.connection_id, visit.link.product_id, self.clock.now());
        let mut entry = Entry::told(connection, self.entry_id(), now, Kind::Create, Origin::RSeries, product);
        entry.side = Some(Side::ESeries);
        entry.after = serde_json::to_value(sent).ok();
        entry.cause = Some(format!("write {with}"));
        entry
    }
}
