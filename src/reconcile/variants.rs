//! Products with variants. A variant is a link of its own and is visited like any other; its parent's visit gives
//! new variants a home and calls for those that differ.

use super::carry::remember;
use super::sight::{InShop, Online, Reading};
use super::{Corridor, Stop, Visit};
use crate::catalog::{Facts, Field, Side};
use crate::decide::matching::Evidence;
use crate::ids::ProductId;
use crate::mapping;
use crate::platforms::CallError;
use crate::platforms::eseries::wire::{Product, Variation};
use crate::platforms::rseries::wire::Item;
use crate::store::dirty::Asker;
use crate::store::links::{Link, Standing, Variant, VariationHalf};
use crate::store::{dirty, links, room};

/// Why variants wait whose options are called differently on the two sides.
pub(super) const OPTIONS_DIFFER: &str = "options_differ";

impl Visit<'_> {
    /// The marker of this product's or variation's creation.
    pub(super) fn marker(&self) -> String {
        let item = self.link.r_item_id.unwrap_or_default();
        match (self.link.r_matrix_id, &self.parent) {
            (Some(matrix), _) => mapping::eseries::matrix_marker(matrix),
            (None, Some(_)) => mapping::eseries::variation_marker(item),
            (None, None) => mapping::eseries::marker(item),
        }
    }

    /// Who asks for visits that follow from this one.
    pub(super) fn asker(&self) -> Asker {
        // What a run has listed of the shop is no news of it.
        match (self.claim.noticed, self.claim.swept, self.listed_shop) {
            (true, _, false) => Asker::Notice,
            (true, _, true) => Asker::NoticeOnline,
            (false, true, false) => Asker::Sweep,
            (false, true, true) => Asker::SweepOnline,
            (false, false, true) if self.claim.run => Asker::Run,
            (false, false, _) => Asker::Other,
        }
    }

    /// How what the sides show is read for the variants of this product.
    pub(super) fn reading_of_variants(&self) -> Reading<'_> {
        Reading { variant: true, matrix: false, ..self.reading() }
    }
}

impl Corridor {
    /// A variant without a variation: tie it to the one that is there already, or create one.
    pub(super) async fn match_or_create_variant(
        &self,
        visit: &mut Visit<'_>,
        shop: &InShop,
        facts: &Facts,
    ) -> Result<(), Stop> {
        let Some(product_id) = visit.parent.as_ref().and_then(|parent| parent.e_product_id) else {
            // Its product comes first, and calls for its variants then; one that waits for room needs no call.
            if !self.parent_waits_for_room(visit).await? {
                self.call_for_parent(visit).await?;
            }
            return self.settle(visit, false).await;
        };
        let Some(values) = facts.list(Field::OptionValues) else {
            return Err(Stop::Park {
                code: OPTIONS_DIFFER,
                reason:
                    "The attributes of the variant are called otherwise than the options of its product on \
                         E-Series. Give them the same names on both sides."
                        .into(),
            });
        };
        let names = visit.reading().names;
        let marker = visit.marker();
        let sku = facts.sku().trim();
        let mut db = self.store.begin().await?;
        let (connection, own) = (visit.link.connection_id, visit.link.product_id);
        let twins = links::others_with_sku(&mut db, connection, facts.sku(), own).await? > 0;
        drop(db);
        let ours = |variation: &&Variation| variation.external_reference_id.as_deref() == Some(&marker);
        // A SKU that several items have tells none of them apart.
        let same_sku =
            |variation: &&Variation| !twins && variation.sku.as_deref().map(str::trim) == Some(sku);
        // The group has looked at its product with one call. What that does not show is looked for once more.
        if let Some(product) = visit.parent_online.take().filter(|product| product.id == product_id) {
            if let Some(variation) = product.variations.iter().find(ours).cloned() {
                if self.created_with_product(visit, shop, &product, &variation).await? {
                    return Ok(());
                }
                let online = Online { product, variation: Some(variation) };
                return self.meet(visit, shop, online, false, &Evidence::Marker).await;
            }
            if let Some(variation) = product.variations.iter().find(same_sku).cloned() {
                let online = Online { product, variation: Some(variation) };
                let evidence = Evidence::Sku { sku: sku.to_owned() };
                return self.meet(visit, shop, online, false, &evidence).await;
            }
        }
        let product = match visit.account.e.product(product_id).await {
            Ok(product) => product,
            // Its product is seen to first.
            Err(CallError::Gone { .. }) => return self.settle(visit, false).await,
            Err(error) => return Err(self.stop(Side::ESeries, error)),
        };
        let same_values = |variation: &&Variation| {
            let facts = mapping::eseries::variation_facts(&product, variation, names.as_ref());
            facts.list(Field::OptionValues) == Some(values)
        };
        let all = || product.variations.iter();
        let ours = all().find(ours);
        if let Some(variation) = ours
            && self.created_with_product(visit, shop, &product, variation).await?
        {
            return Ok(());
        }
        let found = ours
            .map(|found| (found, Evidence::Marker))
            .or_else(|| Some((all().find(same_sku)?, Evidence::Sku { sku: sku.to_owned() })))
            .or_else(|| Some((all().find(same_values)?, Evidence::OptionValues)));
        match found.map(|(found, evidence)| (found.clone(), evidence)) {
            Some((variation, evidence)) => {
                let online = Online { product, variation: Some(variation) };
                self.meet(visit, shop, online, true, &evidence).await
            }
            None if visit.is_given_up(facts) => self.settle(visit, true).await,
            // A variation with an option that its product does not have (any more) would give it one.
            None if names.as_ref().is_some_and(|names| !has_options(&product, &names.e_series)) => {
                self.call_for_parent(visit).await?;
                Err(Stop::Later {
                    until: self.in_seconds(1),
                    why: "the options of its product are called otherwise by now: it is seen to first".into(),
                    failed: true,
                })
            }
            None => {
                let refused = mapping::eseries::refuses(
                    None,
                    Field::OptionValues,
                    &crate::catalog::Value::List(values.to_vec()),
                );
                if let Some(hold) = refused {
                    return Err(Stop::Park { code: "option_values_empty", reason: hold.reason });
                }
                // E-Series takes each SKU once (section 5.5), so the system SKU stands in for one that several
                // items have. Once the item has one of its own, that is carried like any other.
                let system_sku = shop.item().map(|item| item.system_sku.as_str());
                self.create(visit, shop, facts, system_sku.filter(|_| twins)).await
            }
        }
    }

    /// Gives items and variations that are new a home below their product, and calls for the variants that differ
    /// from what was last in step.
    pub(super) async fn see_to_variants(
        &self,
        visit: &mut Visit<'_>,
        items: &[Item],
        product: Option<&Product>,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let (connection, parent) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        let known = links::of_parent(&mut db, connection, parent).await?;
        let reading = visit.reading_of_variants();
        let new_items: Vec<Variant> = items
            .iter()
            .filter(|item| !item.archived && !known.iter().any(|child| child.r_item_id == Some(item.id)))
            .map(|item| Variant {
                r_item_id: item.id,
                name: item.description.clone(),
                sku: mapping::rseries::variant_facts(item, reading.context, None).sku().to_owned(),
            })
            .collect();
        if !new_items.is_empty() {
            links::adopt(&mut db, connection, parent, &new_items, &self.ids, now).await?;
        }
        let is_new = |variation: &&Variation| {
            let known = known.iter().any(|child| child.e_combination_id == Some(variation.id));
            // One that we are creating is taken in by its variant.
            let marker = variation.external_reference_id.as_deref().unwrap_or_default();
            !known && !mapping::eseries::is_variation_marker(marker)
        };
        let variations = product.map(|product| product.variations.as_slice()).unwrap_or_default();
        let new_variations: Vec<VariationHalf> = variations
            .iter()
            .filter(is_new)
            .map(|variation| VariationHalf {
                e_combination_id: variation.id,
                sku: variation.sku.clone().unwrap_or_default(),
            })
            .collect();
        if !new_variations.is_empty() && visit.link.e_product_id.is_some() {
            links::variations(&mut db, &visit.link, &new_variations, &self.ids, now).await?;
        }
        db.commit().await?;
        let Some(product) = product else { return Ok(()) };
        if visit.account.limits.variations {
            self.call_items(visit, items).await?;
        }
        let mut db = self.store.begin().await?;
        let children = links::of_parent(&mut db, connection, parent).await?;
        let mut wanted: Vec<ProductId> = Vec::new();
        let mut changed = visit.changed;
        for child in &children {
            let news = news_of(child, &reading, items, product);
            let [r, e] = changed;
            changed = [r || news.r, e || news.e];
            if news.r || news.e || news.to_be_met {
                wanted.push(child.product_id);
            }
        }
        let behind = visit.claim.behind;
        dirty::mark_behind(&mut db, connection, &wanted, visit.asker(), behind, now, now).await?;
        db.commit().await?;
        visit.changed = changed;
        Ok(())
    }

    /// Notes whether the item is published: that is what its product goes by, and where it has changed, its product
    /// is called for.
    pub(super) async fn note_flag(&self, visit: &mut Visit<'_>, r: &Facts) -> Result<(), Stop> {
        let Some(flag) = r.get(Field::Enabled).filter(|_| visit.parent.is_some()) else { return Ok(()) };
        if visit.link.shadow.r_series.get(Field::Enabled) == Some(flag) {
            return Ok(());
        }
        self.call_for_parent(visit).await?;
        visit.link.shadow.r_series.set(Field::Enabled, flag.clone());
        Ok(())
    }

    async fn parent_waits_for_room(&self, visit: &Visit<'_>) -> Result<bool, Stop> {
        let Some(parent) = visit.parent.as_ref().map(|parent| parent.product_id) else { return Ok(false) };
        let mut db = self.store.begin().await?;
        Ok(room::waits(&mut db, visit.link.connection_id, parent).await?)
    }

    /// Has the product visited that this is a variant of.
    pub(super) async fn call_for_parent(&self, visit: &Visit<'_>) -> Result<(), Stop> {
        let Some(parent) = visit.parent.as_ref().map(|parent| parent.product_id) else { return Ok(()) };
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let (asker, behind) = (visit.asker(), visit.claim.behind);
        dirty::mark_behind(&mut db, visit.link.connection_id, &[parent], asker, behind, now, now).await?;
        db.commit().await?;
        Ok(())
    }

    /// The item of a variant was archived. Its variation goes, unless the whole matrix was archived: then its
    /// product is seen to as a whole.
    pub(super) async fn archived_variant(
        &self,
        visit: &mut Visit<'_>,
        shop: &InShop,
        online: &Online,
    ) -> Result<(), Stop> {
        let facts = shop.facts(&visit.reading());
        remember(visit, shop.name(), &facts);
        visit.changed = [visit.link.standing != Standing::Archived, false];
        visit.link.standing = Standing::Archived;
        if !visit.account.rules.way(Field::Enabled).carries_from(Side::RSeries) {
            return self.settle(visit, true).await;
        }
        self.tell_if_merged(visit, online).await?;
        let matrix_id = visit.parent.as_ref().and_then(|parent| parent.r_matrix_id).unwrap_or_default();
        let siblings = visit.account.r.items_of_matrices(&[matrix_id]).await;
        let siblings = siblings.map_err(|error| self.stop(Side::RSeries, error))?;
        if siblings.iter().any(|item| Some(item.id) == visit.link.r_item_id && !item.archived) {
            return Err(Stop::Again("it came back before its variation was removed"));
        }
        if siblings.iter().any(|item| !item.archived) {
            self.remove(visit, online, "the item was archived").await?;
        } else {
            self.call_for_parent(visit).await?;
        }
        self.settle(visit, true).await
    }
}

/// Is every one of these among the product's options? One without any gets them with its first variation.
fn has_options(product: &Product, names: &[String]) -> bool {
    let has = |name: &String| product.options.iter().any(|option| option.name.trim() == name.trim());
    product.options.is_empty() || names.iter().all(has)
}

/// What is new about a variant, as its parent sees it.
struct News {
    r: bool,
    e: bool,
    /// One of its halves is missing or was never looked at.
    to_be_met: bool,
}

fn news_of(child: &Link, reading: &Reading<'_>, items: &[Item], product: &Product) -> News {
    let item = child.r_item_id.and_then(|id| items.iter().find(|item| item.id == id));
    let variation = child.e_combination_id.and_then(|id| product.variation(id));
    let differs = |now: &Facts, side: Side| {
        now.iter().any(|(field, value)| child.shadow.side(side).get(field) != Some(value))
    };
    let r = item.is_some_and(|item| {
        let facts = mapping::rseries::variant_facts(item, reading.context, reading.names.as_ref());
        !item.archived && differs(&facts, Side::RSeries)
    });
    let e = variation.is_some_and(|variation| {
        let facts = mapping::eseries::variation_facts(product, variation, reading.names.as_ref());
        child.r_item_id.is_some() && differs(&facts, Side::ESeries)
    });
    let archived = item.is_some_and(|item| item.archived);
    // One whose variation was removed on the web, and that the shop does not offer there either, misses nothing.
    let given_up = child.standing == Standing::GoneOnline
        && child.e_product_id.is_none()
        && item.is_some_and(|item| !item.publish_to_ecom);
    let half = child.r_item_id.is_some() && (variation.is_none() != archived) && !given_up;
    News { r, e, to_be_met: half || child.standing == Standing::New }
}
