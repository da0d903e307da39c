//! A half that only R-Series has: match or create, never blind.

use tracing::info;

use super::carry::{allow, remember, written};
use super::sight::{InShop, Online};
use super::swaps::SKU_TAKEN;
use super::{Corridor, SEND_WITHIN, Stop, Visit};
use crate::act;
use crate::catalog::{Facts, Field, Place, Side, Value};
use crate::clock::{Instant, after};
use crate::decide::matching::Evidence;
use crate::decide::plan::{created, plan_creation};
use crate::decide::{Shadow, Step};
use crate::ledger::{Creation, Detail, Entry, Kind, Origin, Outcome};
use crate::mapping::{self, OptionNames};
use crate::platforms::CallError;
use crate::platforms::eseries::wire::Variation;
use crate::store::links::Standing;
use crate::store::{self, dirty, links};

/// Visits that may fail on a SKU the store says is taken before the product is parked: the other product
/// may have been born a moment ago, and the search that would have matched it lags.
const SKU_TRIES: i32 = 3;

/// What E-Series says to a creation whose marker is on a product already (e-series-api.md, section 2.2).
const MARKER_TAKEN: &str = "EXTERNAL_ID_ALREADY_USED";

impl Corridor {
    /// An item without a product: tie it to the one that is there already, or create one. Never blind.
    pub(super) async fn match_or_create(&self, visit: &mut Visit<'_>, shop: &InShop) -> Result<(), Stop> {
        let facts = shop.facts(&visit.reading());
        remember(visit, shop.name(), &facts);
        visit.changed = [true, false];
        if shop.archived() {
            visit.link.standing = Standing::Archived;
            return self.settle(visit, true).await;
        }
        if self.is_being_born(visit, shop).await? {
            // Its product is about to take it over.
            return self.settle(visit, false).await;
        }
        match shop {
            InShop::Item(_) if visit.parent.is_some() => {
                return self.match_or_create_variant(visit, shop, &facts).await;
            }
            InShop::Item(_) => {}
            InShop::Matrix { items, .. } => {
                if shop.live_items().next().is_none() {
                    // Nothing of it can be sold; its first item brings it back here.
                    return self.settle(visit, true).await;
                }
                self.see_to_variants(visit, items, None).await?;
                visit.assume_names(shop);
            }
        }
        if let Some(choice) = visit.choice.clone() {
            return self.as_chosen(visit, shop, &facts, choice).await;
        }
        match self.find_match(visit, shop).await? {
            Some((product, evidence)) => {
                Box::pin(self.meet(visit, shop, Online::whole(product), true, &evidence)).await
            }
            None if visit.is_given_up(&facts) => self.settle(visit, true).await,
            None => Box::pin(self.create(visit, shop, &facts, None)).await,
        }
    }

    /// Ties the item to a product that is there already, and merges the two. `looked` right now at what is online.
    pub(super) async fn meet(
        &self,
        visit: &mut Visit<'_>,
        shop: &InShop,
        online: Online,
        looked: bool,
        evidence: &Evidence,
    ) -> Result<(), Stop> {
        if let Some(stop) = has_variations(visit, &online) {
            return Err(stop);
        }
        self.tie(visit, &online, evidence).await?;
        self.carry(visit, shop.clone(), online, [false, looked]).await
    }

    /// Ties the two halves together.
    async fn tie(&self, visit: &mut Visit<'_>, online: &Online, evidence: &Evidence) -> Result<(), Stop> {
        let now = self.clock.now();
        let link = &visit.link;
        let product = &online.product;
        let combination = online.variation.as_ref().map(|variation| variation.id);
        let what = match combination {
            None => format!("product {}", product.id),
            Some(id) => format!("variation {id} of product {}", product.id),
        };
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        if !links::absorb_half(&mut db, link.connection_id, (product.id, combination), link.product_id)
            .await?
        {
            return Err(Stop::Park {
                code: SKU_TAKEN,
                reason: format!(
                    "The {what} on E-Series has the same SKU or options, but is tied to another item on R-Series. \
                     Give each item its own."
                ),
            });
        }
        let mut entry =
            Entry::told(link.connection_id, self.entry_id(), now, Kind::Link, Origin::Sweep, link.product_id);
        entry.side = Some(Side::ESeries);
        entry.after = Some(serde_json::json!({
            "e_series": product.id,
            "e_variation": combination,
            "r_series": link.r_item_id.or(link.r_matrix_id),
        }));
        entry.cause = Some(evidence.words());
        entry.detail = serde_json::to_value(evidence).ok();
        store::ledger::insert(&mut db, &entry).await?;
        visit.link.e_product_id = Some(product.id);
        visit.link.e_combination_id = combination;
        visit.link.standing = Standing::Linked;
        if visit.link.shadow.e_series.iter().next().is_none() {
            // What it was in step with is gone. Of this one nothing is known, so the rules of the fields decide.
            visit.link.shadow = Shadow::default();
        }
        links::save(&mut db, &visit.link, now).await?;
        db.commit().await?;
        Ok(())
    }

    /// Creates the product on E-Series, disabled, or the variation. `stand_in` is sent in place of the SKU.
    pub(super) async fn create(
        &self,
        visit: &mut Visit<'_>,
        shop: &InShop,
        facts: &Facts,
        stand_in: Option<&str>,
    ) -> Result<(), Stop> {
        if let Some(hold) =
            facts.get(Field::Name).and_then(|name| mapping::eseries::refuses(None, Field::Name, name))
        {
            return Err(Stop::Park { code: "name_empty", reason: hold.reason });
        }
        if facts.stock().is_none() && shop.item().is_some() {
            return Err(Stop::Later {
                until: self.in_seconds(5),
                why: "R-Series did not tell the stock".into(),
                failed: true,
            });
        }
        let facts = &self.with_place(visit, facts).await?;
        let plan = plan_creation(facts);
        allow(&plan, visit)?;
        let Some(Step::CreateOnE { facts: sent } | Step::CreateVariationOnE { facts: sent }) =
            plan.steps.first()
        else {
            return Ok(());
        };
        let mut sent = sent.clone();
        if visit.parent.is_none() && facts.get(Field::Category).is_none() {
            // It follows later: what the shop has is news then.
            sent.set(Field::Category, Value::Place(Place::none()));
        }
        if let Some(sku) = stand_in {
            sent.set(Field::Sku, Value::Text(sku.to_owned()));
        }
        self.items_come_first(visit, shop).await?;
        let kept = self.kept(visit).await?;
        if let Some(kept) = &kept {
            self.call_for_kept_pictures(visit, &kept.record).await?;
        }
        let was_on_offer = kept.as_ref().and_then(|kept| mapping::snapshot::enabled(&kept.record));
        if let Some(enabled) = was_on_offer.filter(|_| visit.parent.is_none()) {
            // What comes back is as it was, unless the shop took it off the web meanwhile.
            let wanted = facts.get(Field::Enabled) != Some(&Value::Flag(false));
            sent.set(Field::Enabled, Value::Flag(enabled && wanted));
        } else if let InShop::Matrix { .. } = shop
            && facts.get(Field::Enabled) != Some(&Value::Flag(false))
            && self.were_on_offer(visit, shop).await?
        {
            sent.set(Field::Enabled, Value::Flag(true));
        }
        let (base, left) = kept.as_ref().map(|kept| visit.restored(kept, shop.name())).unwrap_or_default();
        let variants = match shop {
            InShop::Matrix { items, .. } => self.variants_to_create(visit, items, kept.as_ref()).await?,
            InShop::Item(_) => Vec::new(),
        };
        let creation = Creation {
            from: facts.clone(),
            shops: Some(visit.account.context.shop_ids.clone()),
            sent,
            marker: visit.marker(),
            variants,
            base,
            not_restored: None,
        };
        let detail = Detail::Creation(creation.clone());
        let mut intent = self.intent(visit, Kind::Create, Side::ESeries, &detail);
        intent.after = serde_json::to_value(&creation.sent).ok();
        if !left.is_empty() {
            let without = format!("created without {}, which the store refused", left.join(", "));
            intent.cause = Some(intent.cause.map_or(without.clone(), |cause| format!("{cause}; {without}")));
        }
        let by = after(intent.at, SEND_WITHIN);
        self.intend_within_limits(visit, shop, &intent).await?;

        let online = match self.send_creation(visit, &creation, by).await {
            Ok(online) => online,
            Err(error) if error.code() == Some(MARKER_TAKEN) => {
                self.close(visit, &intent, Outcome::Refused).await?;
                return self.meet_by_marker(visit, shop).await;
            }
            Err(error @ (CallError::Refused { .. } | CallError::Gone { .. }))
                if creation.restores() && !is_about_something_else(&error) =>
            {
                return Err(self.not_restored(visit, &intent, creation, &error.to_string()).await?);
            }
            Err(CallError::Refused { status, code, why }) => {
                return Err(self.creation_refused(visit, &intent, status, code.as_deref(), &why).await?);
            }
            Err(CallError::Gone { why }) if visit.parent.is_none() => {
                // Its category, most likely: the tree finds out.
                self.close(visit, &intent, Outcome::Refused).await?;
                self.call_for_tree(visit, 0, true).await?;
                return Err(Stop::Later { until: self.in_seconds(5), why, failed: true });
            }
            Err(CallError::Account { why }) => {
                self.close(visit, &intent, Outcome::Refused).await?;
                return Err(Stop::Account { side: Side::ESeries, why });
            }
            Err(error @ (CallError::Later { .. } | CallError::Busy { .. })) => {
                self.close(visit, &intent, Outcome::NotLanded).await?;
                return Err(self.stop(Side::ESeries, error));
            }
            Err(error) => return Err(self.stop(Side::ESeries, error)),
        };
        let shadow = created(facts, &creation.sent, &online.facts(&visit.reading()));
        visit.link.r_stock_shops = creation.shops;
        self.creation_landed(visit, &intent, &online, shadow).await?;
        written(Side::ESeries, "create");
        info!(product = %visit.link.product_id, e_series = online.product.id, "created on E-Series");
        visit.mark(facts);
        visit.count_by_shop(shop);
        if let InShop::Matrix { items, .. } = shop {
            self.see_to_variants(visit, items, Some(&online.product)).await?;
        }
        Box::pin(self.carry_pictures(visit)).await?;
        self.settle(visit, false).await
    }

    /// What was kept is refused along with the creation: the next try comes without some of it.
    async fn not_restored(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        creation: Creation,
        why: &str,
    ) -> Result<Stop, Stop> {
        let detail = Detail::Creation(Creation { not_restored: Some(why.to_owned()), ..creation });
        if let Ok(detail) = serde_json::to_value(&detail) {
            let mut db = self.store.begin().await?;
            dirty::fence(&mut db, &visit.claim, self.clock.now()).await?;
            store::ledger::detail(&mut db, intent.connection_id, intent.entry_id, &detail).await?;
            db.commit().await?;
        }
        self.close(visit, intent, Outcome::Refused).await?;
        Ok(Stop::Later { until: self.in_seconds(5), why: why.to_owned(), failed: true })
    }

    /// Sends a creation: the same facts under the same marker make the same record, and never a second one.
    pub(super) async fn send_creation(
        &self,
        visit: &Visit<'_>,
        creation: &Creation,
        by: Instant,
    ) -> Result<Online, CallError> {
        let Creation { sent, marker, variants, base, .. } = creation;
        let e = &visit.account.e;
        if let Some(parent) = &visit.parent {
            let mut write = mapping::eseries::variation_write(sent.iter(), visit.reading().names.as_ref());
            write.external_reference_id = Some(marker.clone());
            write.base.clone_from(base);
            let product_id = parent.e_product_id.unwrap_or_default();
            let (product, variation) = act::create_variation_on_e(e, product_id, &write, by).await?;
            return Ok(Online { product, variation: Some(variation) });
        }
        let mut write = match visit.link.r_matrix_id {
            Some(matrix_id) => {
                let values =
                    variants.iter().map(|variant| (variant.marker.as_str(), &variant.sent, &variant.base));
                // What it is created with says what its options are called.
                let names = sent.list(Field::Options).map(OptionNames::alike);
                mapping::eseries::whole_write(sent, matrix_id, names.as_ref(), values)
            }
            None => mapping::eseries::write(sent.iter()),
        };
        write.external_reference_id = Some(marker.clone());
        write.base.clone_from(base);
        write.category_ids = visit.categories_of_new(sent, base);
        Ok(Online::whole(act::create_on_e(e, &write, by).await?))
    }

    /// The record that carries our marker, read by its id.
    pub(super) async fn find_created(
        &self,
        visit: &Visit<'_>,
        marker: &str,
    ) -> Result<Option<Online>, CallError> {
        let e = &visit.account.e;
        if let Some(parent) = &visit.parent {
            // Its product shows it at once, and no index is in between.
            let product = e.product(parent.e_product_id.unwrap_or_default()).await?;
            let ours = |variation: &&Variation| variation.external_reference_id.as_deref() == Some(marker);
            let variation = product.variations.iter().find(ours).cloned();
            return Ok(variation.map(|variation| Online { product, variation: Some(variation) }));
        }
        match e.product_by_marker(marker).await? {
            Some(found) => Ok(Some(Online::whole(e.product(found.id).await?))),
            None => Ok(None),
        }
    }

    /// An item whose product is there under another SKU: created by us before this connection was made, or by a
    /// request that showed up long after it was given up. What it was created with is not known any more, so the
    /// two are merged like any others that are matched.
    async fn meet_by_marker(&self, visit: &mut Visit<'_>, shop: &InShop) -> Result<(), Stop> {
        let marker = visit.marker();
        let found = self.find_created(visit, &marker).await;
        match found.map_err(|error| self.stop(Side::ESeries, error))? {
            Some(online) => self.meet(visit, shop, online, true, &Evidence::Marker).await,
            None => Err(Stop::Later {
                until: self.in_seconds(5),
                why: format!(
                    "E-Series has the reference {marker} already, and its index does not show where"
                ),
                failed: true,
            }),
        }
    }

    /// Books a creation: ties the product to its item and closes the intent, or, where it was part of another
    /// creation that is closed already, tells of it.
    ///
    /// The platform tells of the new product at once, and that notice gives it a half link of its own, perhaps
    /// between our look for one and our commit: then the tie is tried again, and takes the half over.
    pub(super) async fn creation_landed(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        online: &Online,
        shadow: Shadow,
    ) -> Result<(), Stop> {
        const TRIES: usize = 5;
        let half = (online.product.id, online.variation.as_ref().map(|variation| variation.id));
        (visit.link.e_product_id, visit.link.e_combination_id) = (Some(half.0), half.1);
        visit.link.standing = Standing::Linked;
        visit.link.shadow = shadow;
        visit.link.enabled = online.product.enabled;
        for _ in 0..TRIES {
            let now = self.clock.now();
            let (connection, heir) = (visit.link.connection_id, visit.link.product_id);
            let mut db = self.store.begin().await?;
            dirty::fence(&mut db, &visit.claim, now).await?;
            links::absorb_half(&mut db, connection, half, heir).await?;
            match links::save(&mut db, &visit.link, now).await {
                Ok(()) => {}
                Err(error) if matches!(error.constraint(), Some("links_e_product" | "links_e_variation")) => {
                    continue;
                }
                Err(error) => return Err(error.into()),
            }
            if intent.closed_at.is_some() {
                store::ledger::insert(&mut db, intent).await?;
            } else {
                store::ledger::close(&mut db, connection, intent.entry_id, Outcome::Landed, now).await?;
            }
            db.commit().await?;
            return Ok(());
        }
        Err(Stop::Again("the new product's half link is held by somebody else"))
    }

    /// What to do about a creation that the store refuses.
    async fn creation_refused(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        status: u16,
        code: Option<&str>,
        why: &str,
    ) -> Result<Stop, Stop> {
        self.close(visit, intent, Outcome::Refused).await?;
        Ok(match (status, code) {
            (_, Some("SKU_ALREADY_EXISTS")) if visit.claim.attempts < SKU_TRIES => {
                Stop::Later { until: self.in_seconds(10), why: why.to_owned(), failed: true }
            }
            (_, Some("COMBINATION_DUPLICATED")) => Stop::Park {
                code: "options_twice",
                reason: format!(
                    "Another variation of the product on E-Series has the same options: {why}. Two items of a \
                     matrix cannot be the same variation: change the attributes of one."
                ),
            },
            (_, Some("SKU_ALREADY_EXISTS")) => Stop::Park {
                code: SKU_TAKEN,
                reason: format!(
                    "Another product or variation on E-Series has this SKU: {why}. Change one of them."
                ),
            },
            (402, Some("NOT_AVAILABLE_ON_CURRENT_PLAN")) => self.no_variations(visit, why).await?,
            (402, _) => self.store_is_full(visit, true, why).await?,
            _ => {
                Stop::Park { code: "refused", reason: format!("E-Series will not create the product: {why}") }
            }
        })
    }
}

/// An item that is sold as it is, whose product is sold as its variations: what is sold of those would reach nobody.
pub(super) fn has_variations(visit: &Visit<'_>, online: &Online) -> Option<Stop> {
    let simple = visit.link.r_matrix_id.is_none() && visit.parent.is_none();
    (simple && online.has_variations()).then(|| Stop::Park {
        code: "options",
        reason: format!(
            "The product {} on E-Series is the one of this item and has variations; the item on R-Series has none, so \
             what is sold of them cannot be booked. Remove the variations on E-Series, then retry.",
            online.product.id
        ),
    })
}

/// Refusals that say what is wrong, and that are not about what comes back with a creation.
fn is_about_something_else(error: &CallError) -> bool {
    let known = ["SKU_ALREADY_EXISTS", "COMBINATION_DUPLICATED", "NOT_AVAILABLE_ON_CURRENT_PLAN"];
    error.code().is_some_and(|code| known.contains(&code))
        || matches!(error, CallError::Refused { status: 402, .. })
}
