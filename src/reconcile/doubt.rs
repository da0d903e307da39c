//! What is not believed at first sight, and what a person says about it.
//!
//! A count that falls to nothing takes a product off the market. When nothing explains the fall, it is looked
//! at again before it is carried: a glitch or a log that lags heals within a minute. What does not heal waits
//! for a person, with both readings.

use std::time::Duration;

use tracing::info;

use super::sight::{InShop, Online, Sight};
use super::{Corridor, Stop, Visit};
use crate::catalog::{Facts, Field, Side, Stock};
use crate::clock::after;
use crate::decide::brake::Act;
use crate::decide::{Plan, Step, fall};
use crate::ledger::{Entry, Kind, Origin, Outcome};
use crate::platforms::CallError;
use crate::platforms::rseries::wire::ItemShop;
use crate::store::dirty::{self, STOCK_UNEXPLAINED};
use crate::store::stock_marks::{self, StockMark};
use crate::store::{self, brakes, links};

/// Until the second look at a fall that nothing explains.
pub const SECOND_LOOK: Duration = Duration::from_secs(60);

impl Visit<'_> {
    /// How the shop's stock stands, for later falls to be compared with. The place in the log was read before
    /// the count.
    pub(super) fn mark(&mut self, r: &Facts) {
        if self.in_old_shops.is_some() && self.link.holds.contains_key(&Field::Stock) {
            // The shadow is that of the shops before, and so is the mark that belongs to it.
            return;
        }
        let count = r.stock().and_then(Stock::tracked);
        if count.is_some() {
            self.counted_in_present_shops();
        }
        self.mark = count.zip(self.log_cursor).map(|(count, log_id)| StockMark { log_id, count });
    }

    /// What each shop has, connected or not, for a preview of other shops.
    pub(super) fn count_by_shop(&mut self, shop: &InShop) {
        let rows = shop.item().and_then(|item| item.shops.as_ref());
        // Shop 0 is the sum over all (r-series-api.md, section 6).
        let counted = |rows: &Vec<ItemShop>| {
            rows.iter().filter(|row| row.shop_id != 0).map(|row| (row.shop_id, row.qoh)).collect()
        };
        self.shop_counts = rows.map(counted).or_else(|| self.shop_counts.take());
    }

    /// From now on the stock in the shadow is that of the shops which are connected now.
    pub(super) fn counted_in_present_shops(&mut self) {
        self.link.r_stock_shops = Some(self.account.context.shop_ids.clone());
    }

    /// Where an operator has changed the shops since the stock in the shadow was summed: what those before show now. So a
    /// fall that comes of that change is told from one that nobody has ordered.
    pub(super) fn count_in_old_shops(&mut self, shop: &InShop) {
        let old = self.link.r_stock_shops.as_ref().filter(|old| **old != self.account.context.shop_ids);
        self.in_old_shops = old.zip(shop.item()).and_then(|(old, item)| {
            let there = old.iter().map(|shop| item.qoh(*shop)).sum::<Option<i64>>()?;
            let now =
                self.account.context.shop_ids.iter().map(|shop| item.qoh(*shop)).sum::<Option<i64>>()?;
            Some(OldShops { there, now })
        });
    }

    /// Does the stock of R-Series differ because other shops are connected?
    pub(super) fn told_by_shops(&self) -> bool {
        self.in_old_shops.is_some_and(|old| old.there != old.now)
    }

    /// Would E-Series, which shows `before` and is to follow by `delta`, still have pieces if the shops were as before?
    pub(super) fn emptied_by_shops(&self, before: i64, delta: i64) -> bool {
        self.in_old_shops.is_some_and(|old| {
            before.saturating_add(delta).saturating_add(old.there).saturating_sub(old.now) > 0
        })
    }

    /// Would the shops before have had enough for `delta` pieces of the web?
    pub(super) fn would_not_run_out(&self, delta: i64) -> bool {
        self.in_old_shops.is_some_and(|old| old.there.saturating_add(delta) > 0)
    }
}

/// What the shops show now that an operator has exchanged for others, and what those others show.
#[derive(Debug, Clone, Copy)]
pub(super) struct OldShops {
    there: i64,
    now: i64,
}

impl Corridor {
    /// Takes the stock out of a plan that would carry a fall to nothing which nothing explains. The reason, if
    /// so, with both readings.
    pub(super) async fn doubt_stock(
        &self,
        visit: &mut Visit<'_>,
        r: &Facts,
        online: &Online,
        plan: &mut Plan,
    ) -> Result<Option<String>, Stop> {
        let falls = |read_on: Side, now: Option<i64>| {
            let carried = plan.steps.iter().any(|step| {
                matches!(step, Step::AddStock { side, delta, .. } if *side == read_on.other() && *delta < 0)
            });
            let before = visit.link.shadow.side(read_on).stock().and_then(Stock::tracked);
            before.zip(now).filter(|(before, now)| carried && *before > 0 && *now <= 0)
        };
        if visit.braked {
            let (connection, product) = (visit.link.connection_id, visit.link.product_id);
            let mut db = self.store.begin().await?;
            if brakes::concerns(&mut db, connection, product, Act::Zero).await? {
                // Nothing is written before an operator has said so.
                return Ok(None);
            }
        }
        let r_fall = falls(Side::RSeries, r.stock().and_then(Stock::tracked));
        let r_fall = match visit.in_old_shops {
            // It comes of the shops that were connected or disconnected, and not of anything that happened there.
            Some(old) if old.there > 0 => None,
            Some(old) => r_fall.map(|(before, _)| (before, old.there)),
            None => r_fall,
        };
        let e_fall = falls(Side::ESeries, online.stock().tracked());
        let reason = match (r_fall, e_fall) {
            (Some((before, now)), _) => self.unexplained_on_r(visit, before, now).await?,
            // E-Series has no log. A product without variations that is in stock with nothing there contradicts
            // itself (e-series-api.md, section 4.2: inStock is derived from the quantity).
            (None, Some((before, now)))
                if !online.has_variations() && online.product.in_stock == Some(true) =>
            {
                Some(format!(
                    "E-Series shows {now} pieces and says in the same breath that the product is in stock. It \
                     showed {before} when both sides were last in step. The stock on R-Series is left as it is. \
                     If there really are {now}, retry, and it is carried; else correct the stock on E-Series."
                ))
            }
            _ => None,
        };
        let Some(reason) = reason else { return Ok(None) };
        if visit.claim.vouched {
            let mut entry = self.word_of_an_operator(visit);
            entry.after = r.get(Field::Stock).map(crate::catalog::Value::to_json);
            entry.detail = Some(serde_json::json!(reason));
            let mut db = self.store.begin().await?;
            dirty::fence(&mut db, &visit.claim, self.clock.now()).await?;
            store::ledger::insert(&mut db, &entry).await?;
            dirty::doubt(&mut db, &visit.claim, None, false).await?;
            db.commit().await?;
            (visit.claim.vouched, visit.claim.fall_seen_at) = (false, None);
            return Ok(None);
        }
        // In neither direction: an absolute count written over a glitch would make it true.
        plan.steps.retain(|step| !matches!(step, Step::AddStock { .. }));
        plan.absorbed.retain(|(field, _)| *field != Field::Stock);
        for side in Side::BOTH {
            if let Some(stock) = visit.link.shadow.side(side).get(Field::Stock) {
                plan.shadow.side_mut(side).set(Field::Stock, stock.clone());
            }
        }
        Ok(Some(reason))
    }

    /// Asks the inventory log for what happened. It is asked only here, for one drip.
    async fn unexplained_on_r(
        &self,
        visit: &Visit<'_>,
        before: i64,
        now: i64,
    ) -> Result<Option<String>, Stop> {
        let Some(item_id) = visit.link.r_item_id else { return Ok(None) };
        let mut db = self.store.begin().await?;
        let mark = stock_marks::get(&mut db, visit.link.connection_id, visit.link.product_id).await?;
        drop(db);
        let rows = match visit.account.r.newest_log_rows(item_id, mark.map_or(0, |mark| mark.log_id)).await {
            Ok(rows) => rows,
            // The scope for the log is missing (r-series-api.md, section 4.10): nothing can be explained.
            Err(CallError::Account { why } | CallError::Refused { why, .. } | CallError::Gone { why }) => {
                return Ok(Some(format!(
                    "R-Series shows {now} pieces, it showed {before} when both sides were last in step, and its \
                     inventory log cannot be asked what happened ({why}). The stock on E-Series is left as it is. \
                     If the shelf is really empty, retry, and it is carried; else correct the count in the shop."
                )));
            }
            Err(error) => return Err(self.stop(Side::RSeries, error)),
        };
        // The mark is a count in the shops of the shadow.
        let old = visit.link.r_stock_shops.as_ref().filter(|_| visit.in_old_shops.is_some());
        let shops = old.unwrap_or(&visit.account.context.shop_ids);
        let changes: Vec<i64> =
            rows.iter().filter(|row| shops.contains(&row.shop_id)).map(|row| row.change).collect();
        let needed = now.saturating_sub(mark.map_or(before, |mark| mark.count));
        if fall::explained(needed, &changes, mark.is_some()) {
            return Ok(None);
        }
        let told: i64 = if mark.is_some() { changes.iter().sum() } else { 0 };
        Ok(Some(format!(
            "R-Series shows {now} pieces, it showed {before} when both sides were last in step, and its inventory \
             log does not explain the fall: the count changed by {needed:+}, and the log tells of {told:+}. The \
             stock on E-Series is left as it is. If the shelf is really empty, retry, and it is carried; else \
             correct the count in the shop."
        )))
    }

    /// Ends a visit whose stock is in doubt: look once more, then wait for a person.
    pub(super) async fn still_in_doubt(&self, visit: &mut Visit<'_>, reason: String) -> Result<Stop, Stop> {
        let now = self.clock.now();
        let since = match visit.claim.fall_seen_at {
            Some(since) => since,
            None => {
                let mut db = self.store.begin().await?;
                dirty::doubt(&mut db, &visit.claim, Some(now), false).await?;
                db.commit().await?;
                visit.claim.fall_seen_at = Some(now);
                now
            }
        };
        let until = after(since, SECOND_LOOK);
        if now < until {
            return Ok(Stop::Later { until, why: reason, failed: false });
        }
        Ok(Stop::Park { code: STOCK_UNEXPLAINED, reason })
    }

    /// Closes a change of stock that cannot be judged by the word of an operator: the counts are right as they
    /// are now, so both shadows are set to them. False when a side shows no stock: then it is judged as usual.
    pub(super) async fn close_by_word(&self, visit: &mut Visit<'_>, intent: &Entry) -> Result<bool, Stop> {
        visit.looks_in_shop(self.clock.now());
        let sights = self.look_at_one(visit.account, &visit.link).await?;
        let (Sight::Here(_), Sight::Here(_)) = (&sights.r, &sights.e) else { return Ok(false) };
        let r = visit.r_facts(&sights.r).unwrap_or_default();
        let e = visit.e_facts(&sights.e).unwrap_or_default();
        let (Some(r), Some(e)) = (r.get(Field::Stock), e.get(Field::Stock)) else { return Ok(false) };
        let mut entry = self.word_of_an_operator(visit);
        let shadow = &visit.link.shadow;
        let known = |side: Side| shadow.side(side).get(Field::Stock).map(crate::catalog::Value::to_json);
        entry.before =
            Some(serde_json::json!({"r_series": known(Side::RSeries), "e_series": known(Side::ESeries)}));
        entry.after = Some(serde_json::json!({"r_series": r.to_json(), "e_series": e.to_json()}));
        entry.detail =
            Some(serde_json::json!({"closes": intent.entry_id, "owed_no_more": visit.link.owed_on_r}));
        visit.link.shadow.settle(Field::Stock, r.clone(), e.clone());
        (visit.link.owed_on_r, visit.link.owed_shop_id) = (0, None);
        visit.counted_in_present_shops();
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        let closed = Outcome::Superseded;
        store::ledger::close(&mut db, intent.connection_id, intent.entry_id, closed, now).await?;
        store::ledger::insert(&mut db, &entry).await?;
        links::save(&mut db, &visit.link, now).await?;
        dirty::doubt(&mut db, &visit.claim, None, false).await?;
        db.commit().await?;
        info!(product = %visit.link.product_id, "closed by the word of an operator");
        Ok(true)
    }

    fn word_of_an_operator(&self, visit: &Visit<'_>) -> Entry {
        let link = &visit.link;
        let now = self.clock.now();
        let (kind, origin) = (Kind::Operator, Origin::Operator);
        let mut entry = Entry::told(link.connection_id, self.entry_id(), now, kind, origin, link.product_id);
        entry.field = Some(Field::Stock);
        entry.cause = Some("retry: the counts are right as they are now".into());
        entry
    }
}
