//! Deleted on E-Series while its item lives on in the shop: created there again, or given up in the shop as well.

use std::time::Duration;

use serde_json::{Map, Value as Json, json};
use tracing::info;

use super::carry::remember;
use super::sight::InShop;
use super::{Corridor, SEND_WITHIN, Stop, Visit};
use crate::catalog::{Facts, Field, Side, Value};
use crate::clock::{after, before};
use crate::connections::GoneOnline;
use crate::decide::plan::Change;
use crate::ledger::{Entry, Kind, Origin, Outcome};
use crate::platforms::CallError;
use crate::store::decisions::Choice;
use crate::store::links::Standing;
use crate::store::{self, dirty, links};

/// How often within [`TURN`] a product is created again by setting. Who deletes it time and again means it.
const MOST_TURNS: i64 = 2;
const TURN: Duration = Duration::from_secs(60 * 60);

/// Why a product waits that was deleted on E-Series.
const GONE_ONLINE: &str = "gone_online";

impl Visit<'_> {
    /// Was it deleted on E-Series, and is it not to be offered there as far as the shop is concerned?
    pub(super) fn is_given_up(&self, r: &Facts) -> bool {
        let link = &self.link;
        let published = r.get(Field::Enabled) != Some(&Value::Flag(false));
        link.standing == Standing::GoneOnline && link.e_product_id.is_none() && !published
    }
}

impl Corridor {
    /// The product, or the variation, was deleted on E-Series while its item lives on.
    pub(super) async fn gone_online(&self, visit: &mut Visit<'_>, shop: &InShop) -> Result<(), Stop> {
        let facts = shop.facts(&visit.reading());
        remember(visit, shop.name(), &facts);
        visit.changed = [false, true];
        visit.link.standing = Standing::GoneOnline;
        if let Some(parent) = &visit.parent
            && parent.e_product_id != visit.link.e_product_id
        {
            // Its product was removed, and perhaps created again, with a variation of its own for it.
            visit.link.lose_online_half();
            visit.link.standing = Standing::New;
            return self.match_or_create(visit, shop).await;
        }
        if shop.archived() {
            visit.link.standing = Standing::Archived;
            return self.settle(visit, true).await;
        }
        let what = if visit.parent.is_some() {
            let product_id = visit.link.e_product_id.unwrap_or_default();
            match visit.account.e.product(product_id).await {
                // The whole product is gone: that is for its parent to say.
                Err(CallError::Gone { .. }) => return self.settle(visit, false).await,
                Err(error) => return Err(self.stop(Side::ESeries, error)),
                Ok(_) => "variation",
            }
        } else {
            "product"
        };
        if visit.decides(Choice::Unpublish) {
            return self.unpublish(visit, shop, &facts).await;
        }
        if visit.decides(Choice::Recreate) {
            return self.recreate(visit, shop).await;
        }
        if visit.account.gone_online == GoneOnline::Recreate {
            let since = before(self.clock.now(), TURN);
            let (connection, product) = (visit.link.connection_id, visit.link.product_id);
            let mut db = self.store.begin().await?;
            let turns = store::ledger::creations_since(&mut db, connection, product, since).await?;
            drop(db);
            if turns < MOST_TURNS {
                return self.recreate(visit, shop).await;
            }
        }
        Err(Stop::Park {
            code: GONE_ONLINE,
            reason: format!(
                "The {what} was deleted on E-Series, and its item lives on in the shop. Have it created there again \
                 (recreate), or taken off the web in the shop as well (unpublish)."
            ),
        })
    }

    /// Creates it again, with what is known of what it had.
    async fn recreate(&self, visit: &mut Visit<'_>, shop: &InShop) -> Result<(), Stop> {
        visit.gone = visit.link.e_product_id.filter(|_| visit.parent.is_none());
        self.let_go_of_online_half(visit, Standing::New).await?;
        self.match_or_create(visit, shop).await
    }

    /// Takes it off the web in the shop as well, and asks no more. Once the shop publishes it again, it is created
    /// again.
    async fn unpublish(&self, visit: &mut Visit<'_>, shop: &InShop, facts: &Facts) -> Result<(), Stop> {
        if let Some(shown) = facts.get(Field::Enabled).filter(|shown| **shown == Value::Flag(true)) {
            let after_write = Value::Flag(false);
            let change = Change {
                field: Field::Enabled,
                before: shown.clone(),
                after: after_write.clone(),
                conflict: false,
            };
            let mut intent = self.write_intent(visit, Side::RSeries, &change, None);
            intent.origin = Origin::Operator;
            intent.cause = visit.decision.map(|decision| format!("order {}", decision.entry_id));
            let by = after(self.clock.now(), SEND_WITHIN);
            self.intend(visit, std::slice::from_ref(&intent)).await?;
            let shown = match self.write_on_r(visit, (shop, None), std::slice::from_ref(&change), by).await {
                Ok(shown) => shown,
                Err(error @ CallError::Unclear { .. }) => return Err(self.stop(Side::RSeries, error)),
                Err(CallError::Refused { why, .. }) => {
                    self.close(visit, &intent, Outcome::Refused).await?;
                    return Err(Stop::Park {
                        code: "refused",
                        reason: format!("R-Series will not unpublish the item: {why}"),
                    });
                }
                Err(error) => {
                    self.close(visit, &intent, Outcome::NotLanded).await?;
                    return Err(self.stop(Side::RSeries, error));
                }
            };
            self.close(visit, &intent, Outcome::Landed).await?;
            if shown.get(Field::Enabled) != Some(&after_write) {
                return Err(Stop::Park {
                    code: "cannot_unpublish",
                    reason: "R-Series took the item off the web and still shows it as published: the account has no \
                             eCom setting. Archive the item, or have the product created again."
                        .into(),
                });
            }
            visit.link.shadow.r_series.set(Field::Enabled, after_write);
        }
        self.let_go_of_online_half(visit, Standing::GoneOnline).await?;
        info!(product = %visit.link.product_id, "given up: deleted online, unpublished in the shop");
        self.settle(visit, true).await
    }

    /// The record on E-Series is gone for good: what is known of it goes into the ledger, and comes back if it is
    /// created again. Nobody can look at it any more; it is what was kept when Concord removed it once, and what both
    /// sides showed when they were last in step.
    async fn let_go_of_online_half(&self, visit: &mut Visit<'_>, standing: Standing) -> Result<(), Stop> {
        let now = self.clock.now();
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        let known = store::ledger::kept_last(&mut db, connection, product).await?;
        let mut record = match known {
            Some(Json::Object(record)) => record,
            _ => Map::new(),
        };
        let last = &visit.link.shadow.e_series;
        record.insert("id".into(), json!(visit.link.e_combination_id.or(visit.link.e_product_id)));
        for (field, name) in [(Field::Name, "name"), (Field::Sku, "sku"), (Field::Enabled, "enabled")] {
            if let Some(value) = last.get(field) {
                record.insert(name.into(), value.to_json());
            }
        }
        let mut entry = Entry::told(connection, self.entry_id(), now, Kind::Remove, Origin::ESeries, product);
        entry.side = Some(Side::ESeries);
        entry.before = Some(Json::Object(record));
        entry.cause = Some("deleted on E-Series".into());
        store::ledger::insert(&mut db, &entry).await?;
        visit.link.lose_online_half();
        visit.link.standing = standing;
        links::save(&mut db, &visit.link, now).await?;
        db.commit().await?;
        if visit.parent.is_none() {
            // Its variants have lost their halves as well.
            let mut db = self.store.begin().await?;
            let variants = links::of_parent(&mut db, connection, product).await?;
            let variants: Vec<_> = variants.iter().map(|variant| variant.product_id).collect();
            dirty::mark(&mut db, connection, &variants, visit.asker(), now, now).await?;
            db.commit().await?;
        }
        Ok(())
    }
}
