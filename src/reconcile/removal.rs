//! What the shop has no more is removed from the web, and comes back when the shop has it again: everything it had is
//! kept in the ledger before.

use serde_json::{Map, Value as Json};
use tracing::info;

use super::carry::{remember, written};
use super::sight::{InShop, Online};
use super::{Corridor, SEND_WITHIN, SETTLE, Stop, Visit};
use crate::act;
use crate::catalog::{Field, Side, Value};
use crate::clock::after;
use crate::decide::brake::Act;
use crate::ledger::{Detail, Entry, Kind, Outcome};
use crate::mapping;
use crate::platforms::CallError;
use crate::platforms::eseries::wire::Product;
use crate::platforms::rseries::wire::LogRow;
use crate::store::dirty::Asker;
use crate::store::ledger::Kept;
use crate::store::links::Standing;
use crate::store::{self, dirty, links};

impl Corridor {
    /// The item was archived in the shop: its product goes. Archiving zeroes the stock on R-Series for good
    /// (r-series-api.md, section 4.1), so that is no news.
    pub(super) async fn archived(
        &self,
        visit: &mut Visit<'_>,
        shop: &InShop,
        online: &Online,
    ) -> Result<(), Stop> {
        // One that is still a product by itself goes like any other.
        if visit.parent.is_some() && !visit.link.stands_alone() {
            return self.archived_variant(visit, shop, online).await;
        }
        let product = &online.product;
        let first = visit.link.standing != Standing::Archived;
        let e_news = visit.link.shadow.e_series.get(Field::Enabled) != Some(&Value::Flag(product.enabled));
        visit.changed = [first, e_news];
        remember(visit, shop.name(), &shop.facts(&visit.reading()));
        visit.link.enabled = product.enabled;
        visit.link.standing = Standing::Archived;
        if !visit.account.rules.way(Field::Enabled).carries_from(Side::RSeries) {
            return self.settle(visit, true).await;
        }
        // What was seen may be some calls old; a removal is sure of it.
        visit.looks_in_shop(self.clock.now());
        match self.look_in_shop(visit.account, &visit.link).await? {
            Some(shop) if shop.archived() => {}
            _ => return Err(Stop::Again("it came back before its product was removed")),
        }
        self.tell_if_merged(visit, online).await?;
        self.remove(visit, online, "the item was archived").await?;
        self.settle(visit, true).await
    }

    /// An archived record is what may be left of an item that was merged into another one: what was sold of it on the web
    /// and not carried yet goes with it, unless somebody is told.
    pub(super) async fn tell_if_merged(&self, visit: &Visit<'_>, online: &Online) -> Result<(), Stop> {
        let Some(item_id) = visit.link.r_item_id.filter(|_| not_booked(visit, online) != 0) else {
            return Ok(());
        };
        let rows = visit.account.r.newest_log_rows(item_id, 0).await;
        let rows = rows.map_err(|error| self.stop(Side::RSeries, error))?;
        if rows.iter().any(LogRow::is_merged_away) { tell_pieces(visit, online) } else { Ok(()) }
    }

    /// The item vanished from R-Series. If its log says that it was merged into another one, its goods are sold there
    /// now, and its product goes; otherwise nothing is removed from the web on such evidence.
    pub(super) async fn gone_in_shop(&self, visit: &mut Visit<'_>, online: &Online) -> Result<(), Stop> {
        let first = visit.link.standing != Standing::GoneInShop;
        visit.link.standing = Standing::GoneInShop;
        visit.changed = [first, false];
        if let Some(item_id) = visit.link.r_item_id {
            let rows = visit.account.r.newest_log_rows(item_id, 0).await;
            let rows = rows.map_err(|error| self.stop(Side::RSeries, error))?;
            let carries = visit.account.rules.way(Field::Enabled).carries_from(Side::RSeries);
            if carries && rows.iter().any(LogRow::is_merged_away) {
                tell_pieces(visit, online)?;
                self.remove(visit, online, "the item was merged into another one on R-Series").await?;
                return self.nothing_left(visit).await;
            }
        }
        Err(Stop::Park {
            code: "gone_in_shop",
            reason:
                "The item no longer exists on R-Series, and its inventory log does not say that it was merged into \
                 another one. The product on E-Series is left as it is: remove it there, or give an item its SKU."
                    .into(),
        })
    }

    /// Removes a product, or one of its variations, from E-Series; everything it had is kept in the ledger.
    pub(super) async fn remove(&self, visit: &mut Visit<'_>, online: &Online, why: &str) -> Result<(), Stop> {
        self.remove_if(visit, online, why, |_| true).await
    }

    /// The same, unless its stock has moved since it was looked at.
    pub(super) async fn remove_as_seen(
        &self,
        visit: &mut Visit<'_>,
        online: &Online,
        why: &str,
    ) -> Result<(), Stop> {
        let variation = online.variation.as_ref().map(|variation| variation.id);
        let seen = online.stock();
        let same = move |now: &Product| match variation {
            None => now.stock == seen,
            Some(id) => now.variation(id).is_some_and(|variation| variation.stock == seen),
        };
        self.remove_if(visit, online, why, same).await
    }

    async fn remove_if(
        &self,
        visit: &mut Visit<'_>,
        online: &Online,
        why: &str,
        as_wanted: impl Fn(&Product) -> bool,
    ) -> Result<(), Stop> {
        let product_id = online.product.id;
        let combination_id = online.variation.as_ref().map(|variation| variation.id);
        let account = visit.account;
        let e = &account.e;
        let mut raw = e.raw_product(product_id).await;
        while let Ok(record) = &raw {
            let record = combination_id.map_or_else(|| record.clone(), |id| variation_of(record, id));
            if !self.keep_pictures(visit, product_id, &record).await? {
                break;
            }
            // Reading takes its time: what is removed is what is there now.
            raw = e.raw_product(product_id).await;
        }
        let kept = match raw {
            Ok(raw) if !Product::read(&raw).is_ok_and(|now| as_wanted(&now)) => {
                return Err(Stop::Again("it was sold while it was about to be removed"));
            }
            Ok(raw) => {
                combination_id.map_or_else(|| raw.clone(), |id| offered_as(variation_of(&raw, id), &raw))
            }
            Err(CallError::Gone { .. }) => return Err(Stop::Again("it is gone already")),
            Err(error) => return Err(self.stop(Side::ESeries, error)),
        };
        let detail = Detail::Removal { product_id, combination_id };
        let mut intent = self.intent(visit, Kind::Remove, Side::ESeries, &detail);
        intent.before = Some(kept);
        intent.cause = Some(why.to_owned());
        visit.attribute(&mut intent);
        let by = after(intent.at, SEND_WITHIN);
        self.intend_within_cap(visit, std::slice::from_ref(&intent), Some(Act::Removal)).await?;
        let done = match &online.variation {
            Some(variation) => act::remove_variation_on_e(e, product_id, variation, by).await,
            None => act::remove_on_e(e, product_id, by).await,
        };
        match done {
            Ok(()) => {
                written(Side::ESeries, "remove");
                self.removed(visit, &intent).await
            }
            Err(error @ CallError::Unclear { .. }) => Err(self.stop(Side::ESeries, error)),
            Err(error) => {
                self.close(visit, &intent, Outcome::NotLanded).await?;
                Err(self.stop(Side::ESeries, error))
            }
        }
    }

    /// A removal whose answer was lost: by whether it is there.
    pub(super) async fn observe_removal(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        product_id: i64,
        combination_id: Option<i64>,
    ) -> Result<(), Stop> {
        let there = match visit.account.e.product(product_id).await {
            Ok(product) => combination_id.is_none_or(|id| product.variation(id).is_some()),
            Err(CallError::Gone { .. }) => false,
            Err(error) => return Err(self.stop(Side::ESeries, error)),
        };
        if there {
            self.give_time(intent, SETTLE)?;
            return self.close(visit, intent, Outcome::NotLanded).await;
        }
        self.removed(visit, intent).await
    }

    async fn removed(&self, visit: &mut Visit<'_>, intent: &Entry) -> Result<(), Stop> {
        let sku = visit.link.shadow.e_series.get(Field::Sku).cloned();
        visit.link.lose_online_half();
        if visit.link.standing == Standing::Archived {
            // Archiving has set the count to nothing: what was to be put back is part of that.
            (visit.link.owed_on_r, visit.link.owed_shop_id) = (0, None);
        }
        self.close(visit, intent, Outcome::Landed).await?;
        info!(product = %visit.link.product_id, "removed from E-Series");
        if let Some(sku) = sku {
            self.now_free(visit, Field::Sku, &sku).await?;
        }
        if visit.parent.is_none() {
            // Its variants have lost their halves as well.
            let now = self.clock.now();
            let (connection, product) = (visit.link.connection_id, visit.link.product_id);
            let mut db = self.store.begin().await?;
            let variants = links::of_parent(&mut db, connection, product).await?;
            let variants: Vec<_> = variants.iter().map(|variant| variant.product_id).collect();
            dirty::mark(&mut db, connection, &variants, Asker::Other, now, now).await?;
            db.commit().await?;
        }
        Ok(())
    }

    /// What the product had on E-Series when it went from there, unless it was there again since.
    pub(super) async fn kept(&self, visit: &Visit<'_>) -> Result<Option<Kept>, Stop> {
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        Ok(store::ledger::kept(&mut db, connection, product).await?)
    }
}

/// What was sold or restocked on the web and not carried, and what a count of ours had trampled in the shop and was about
/// to be put back.
fn not_booked(visit: &Visit<'_>, online: &Online) -> i64 {
    visit.not_carried(online).saturating_add(visit.link.owed_on_r)
}

/// The pieces of an item that was merged lie on another one now, which nobody names: what was sold on the web of the
/// old one and not carried yet has to be booked there by a person, who then says so by a retry.
fn tell_pieces(visit: &Visit<'_>, online: &Online) -> Result<(), Stop> {
    let pieces = not_booked(visit, online);
    let reason = format!(
        "The item was merged into another one on R-Series before {pieces:+} pieces, sold or restocked meanwhile, were \
         booked. Book them on the item that is left, and retry: then this product is removed from E-Series."
    );
    if pieces == 0 || visit.claim.vouched {
        return Ok(());
    }
    Err(Stop::Park { code: dirty::STOCK_MERGED, reason })
}

impl Visit<'_> {
    /// What comes back of that with a creation, and what of it does not. Where the store refused it once, what points
    /// to other records stays behind, and then all of it: better a product without its description than none.
    pub(super) fn restored(&self, kept: &Kept, name: &str) -> (Map<String, Json>, Vec<String>) {
        let of = |pointers: bool| match &self.parent {
            Some(_) => mapping::snapshot::variation(&kept.record),
            None => mapping::snapshot::product(&kept.record, name, pointers),
        };
        let restored = if kept.refused >= RESTORES { Map::new() } else { of(kept.refused == 0) };
        let left = of(true).into_iter().map(|(field, _)| field);
        let left = left.filter(|field| !restored.contains_key(field)).collect();
        (restored, left)
    }
}

/// After so many refusals of what was kept nothing of it is sent any more.
pub(super) const RESTORES: i64 = 2;

/// A variation has no flag of its own; should its item become a product by itself, that is on offer as it was.
fn offered_as(mut variation: Json, product: &Json) -> Json {
    if let (Some(record), Some(enabled)) = (variation.as_object_mut(), product.get("enabled")) {
        record.insert("enabled".to_owned(), enabled.clone());
    }
    variation
}

/// The raw record of one variation.
fn variation_of(product: &Json, id: i64) -> Json {
    let variations = product.get("combinations").and_then(Json::as_array);
    let found = variations.and_then(|variations| {
        variations.iter().find(|variation| variation.get("id").and_then(Json::as_i64) == Some(id))
    });
    found.cloned().unwrap_or_default()
}
