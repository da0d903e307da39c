//! Closing open intents by what is seen, before anything is merged.

use std::time::Duration;

use super::sell::Under;
use super::sight::{Sight, Sights};
use super::{Corridor, KEY_LIFE, SEND_WITHIN, SETTLE, Stop, Visit};
use crate::act;
use crate::catalog::{Field, Side, Stock};
use crate::clock::after;
use crate::decide::observe::{self as judge, StockOutcome};
use crate::decide::plan::created;
use crate::ledger::{Creation, Detail, Entry, Kind, Outcome};
use crate::planted::{Mistake, planted};
use crate::platforms::CallError;
use crate::platforms::eseries::client::BatchOutcome;
use crate::store::dirty::STOCK_UNDECIDED;
use crate::store::{self, dirty, links};

/// How long a creation whose outcome is unclear is sent again.
const CREATE_AGAIN: Duration = Duration::from_secs(5 * 60);

/// How long the log and the count of R-Series may disagree before a person is asked.
const LAG: Duration = Duration::from_secs(5 * 60);

impl Corridor {
    /// Closes every open write of a product, oldest first, or stops until it can be judged.
    pub(super) async fn observe(
        &self,
        visit: &mut Visit<'_>,
        intents: Vec<Entry>,
        sights: &Sights,
    ) -> Result<(), Stop> {
        let vouched = visit.claim.vouched;
        for intent in intents {
            if vouched && self.took_the_word(visit, &intent).await? {
                continue;
            }
            match (intent.recovery(), intent.side) {
                (Some(Detail::Creation(creation)), _) => {
                    self.observe_creation(visit, &intent, &creation).await?;
                }
                (Some(Detail::CreationOnR(creation)), _) => {
                    self.observe_birth(visit, &intent, &creation).await?;
                }
                (Some(Detail::Removal { product_id, combination_id }), _) => {
                    self.observe_removal(visit, &intent, product_id, combination_id).await?;
                }
                (Some(Detail::StockOnE { delta, news }), _) => {
                    self.observe_stock_on_e(visit, &intent, (delta, news), sights).await?;
                }
                (Some(Detail::StockOnR { delta, owed, shop_id, seen, written, log_head, news }), _) => {
                    let look = act::StockLook { seen, log_head };
                    // An operator's pieces are news on this side.
                    let delta = if news { 0 } else { delta };
                    self.observe_stock_on_r(visit, &intent, (delta, owed), shop_id, look, written).await?;
                }
                (Some(Detail::SaleOnR { delta, shop_id, payment_type_id, sale_id }), _) => {
                    let under = Under { delta, shop_id, payment_type_id, sale_id };
                    self.observe_sale(visit, &intent, under).await?;
                }
                (Some(Detail::Picture { product_id, combination_id, act }), _) => {
                    self.observe_picture(visit, &intent, (product_id, combination_id), &act).await?;
                }
                (Some(Detail::Batched { .. }), _) => self.observe_batched(visit, &intent, sights).await?,
                (None, _) if intent.kind == Kind::Stock => {
                    return Err(Stop::Park {
                        code: STOCK_UNDECIDED,
                        reason: format!(
                            "A change of stock was on its way when the connection broke, and what was written \
                             down about it cannot be read ({} before, {} meant). Count, see that both sides show \
                             the right number, and retry: the counts are then taken as they are.",
                            intent.before.clone().unwrap_or_default(),
                            intent.after.clone().unwrap_or_default(),
                        ),
                    });
                }
                (None, Some(side)) => self.observe_write(visit, &intent, side, sights).await?,
                // A category is no product's, and closed with the tree.
                (Some(Detail::Category { .. }), _) | (None, None) => {
                    self.close(visit, &intent, Outcome::Superseded).await?;
                }
            }
        }
        Ok(())
    }

    /// An operator has said that the counts are right as they are now: that closes changes of stock.
    async fn took_the_word(&self, visit: &mut Visit<'_>, intent: &Entry) -> Result<bool, Stop> {
        match intent.recovery() {
            Some(Detail::SaleOnR { delta, shop_id, payment_type_id, sale_id }) => {
                let under = Under { delta, shop_id, payment_type_id, sale_id };
                self.drop_open_sales(visit, intent, under).await?;
                self.close_by_word(visit, intent).await
            }
            Some(Detail::StockOnE { .. } | Detail::StockOnR { .. }) => {
                self.close_by_word(visit, intent).await
            }
            None if intent.kind == Kind::Stock => self.close_by_word(visit, intent).await,
            _ => Ok(false),
        }
    }

    /// A replaced field: by the value that is there now.
    pub(super) async fn observe_write(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        side: Side,
        sights: &Sights,
    ) -> Result<(), Stop> {
        let facts = match side {
            Side::RSeries => visit.r_facts(&sights.r),
            Side::ESeries => visit.e_facts(&sights.e),
        };
        let values = intent.field.zip(intent.values());
        let (Some((field, (before, after_write, source))), Some(facts)) = (values, facts) else {
            return self.close(visit, intent, Outcome::Superseded).await;
        };
        let Some(mut now) = facts.get(field).cloned() else {
            return self.close(visit, intent, Outcome::Superseded).await;
        };
        if field == Field::Options {
            let finished = self.finish_options(visit, intent, (&before, &after_write, &now), sights).await?;
            now = finished.unwrap_or(now);
        }
        match judge::replaced(&before, &after_write, &now) {
            judge::Outcome::Landed => {
                self.finish_items(visit, intent, (field, &after_write), sights).await?;
                visit.link.shadow.side_mut(side).set(field, now);
                // An operator's value is no news of the other side.
                if let Some(source) = source {
                    visit.link.shadow.side_mut(side.other()).set(field, source);
                }
                self.close(visit, intent, Outcome::Landed).await
            }
            judge::Outcome::NotLanded => {
                self.give_time(intent, SETTLE)?;
                self.close(visit, intent, Outcome::NotLanded).await
            }
            judge::Outcome::Superseded => self.close(visit, intent, Outcome::Superseded).await,
        }
    }

    /// A creation: the marker is unique in the store, so sending it again with the very same facts never makes a
    /// second product. That it is refused proves nothing: the product that is in its way (by its SKU, by the
    /// limit of the plan) may be the one that the first request made, and that the index does not show yet.
    async fn observe_creation(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        creation: &Creation,
    ) -> Result<(), Stop> {
        let found = match self.find_created(visit, &creation.marker).await {
            Ok(Some(online)) => Ok(online),
            Ok(None) => {
                self.give_time(intent, SETTLE)?;
                if self.clock.now() >= after(intent.at, CREATE_AGAIN) {
                    // Nothing has been sent since, and the index has had its time.
                    self.give_time(intent, CREATE_AGAIN + 2 * SETTLE)?;
                    return self.close(visit, intent, Outcome::NotLanded).await;
                }
                self.send_creation(visit, creation, after(self.clock.now(), SEND_WITHIN)).await
            }
            Err(error) => Err(error),
        };
        match found {
            Ok(online) => {
                let shadow = created(&creation.from, &creation.sent, &online.facts(&visit.reading()));
                visit.link.r_stock_shops.clone_from(&creation.shops);
                self.creation_landed(visit, intent, &online, shadow).await
            }
            // It was there, or what it belongs to was, and somebody has deleted it since.
            Err(CallError::Gone { .. }) => self.close(visit, intent, Outcome::Superseded).await,
            Err(CallError::Refused { why, .. }) => {
                Err(Stop::Later { until: self.in_seconds(5), why, failed: false })
            }
            Err(error) => Err(self.stop(Side::ESeries, error)),
        }
    }

    /// Pieces added on E-Series: the platform knows the key and answers with what it did the first time.
    async fn observe_stock_on_e(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        (delta, news): (i64, bool),
        sights: &Sights,
    ) -> Result<(), Stop> {
        // An operator's pieces are news on this side.
        let carried = if news { 0 } else { delta };
        let Some(half) = visit.e_half() else {
            return self.close(visit, intent, Outcome::Superseded).await;
        };
        if self.clock.now() < after(intent.at, KEY_LIFE) {
            let key = intent.entry_id.0;
            let key = if planted(Mistake::BlindRetryOfADelta) { self.entry_id().0 } else { key };
            let sent = visit.account.e.add_stock(half, delta, key).await;
            match sent.map_err(|error| self.stop(Side::ESeries, error))? {
                BatchOutcome::Applied => {
                    visit.link.shadow.carry_stock(carried);
                    return self.close(visit, intent, Outcome::Landed).await;
                }
                BatchOutcome::Queued => return Err(self.queued()),
                BatchOutcome::NothingChanged | BatchOutcome::Gone | BatchOutcome::NotNow(_) => {
                    return self.close(visit, intent, Outcome::NotLanded).await;
                }
                BatchOutcome::Refused(_) => return self.close(visit, intent, Outcome::Refused).await,
                // Only looking helps.
                BatchOutcome::Broken(_) => {}
            }
        }
        // What was looked at before may be older than the answer to the batch that was sent again.
        let online = match &sights.e {
            Sight::Here(_) => self.look_online(visit.account, &visit.link).await?,
            _ => None,
        };
        if online.is_none() {
            // The product went, and its stock with it.
            return self.close(visit, intent, Outcome::Superseded).await;
        }
        let before = intent.before.as_ref().and_then(serde_json::Value::as_i64);
        let now = online.and_then(|online| online.stock().tracked());
        let mut db = self.store.begin().await?;
        let since = store::ledger::added_since(&mut db, intent, Side::ESeries).await?;
        drop(db);
        match before.zip(now).map(|(before, now)| judge::added(before, delta, since, now)) {
            Some(judge::Outcome::Landed) => {
                visit.link.shadow.carry_stock(carried);
                self.close(visit, intent, Outcome::Landed).await
            }
            Some(judge::Outcome::NotLanded) => {
                self.give_time(intent, SETTLE)?;
                self.close(visit, intent, Outcome::NotLanded).await
            }
            _ => Err(Stop::Park {
                code: STOCK_UNDECIDED,
                reason: format!(
                    "A change of {delta:+} pieces was on its way to E-Series when the connection broke. There \
                     were {} pieces before and there are {} now, {since:+} of them by later changes of ours, so \
                     somebody else changed the stock as well, and it cannot be told whether ours arrived. Count, \
                     see that both sides show the right number, and retry: the counts are then taken as they are.",
                    shown(before),
                    shown(now),
                ),
            }),
        }
    }

    /// An absolute count on R-Series: by the inventory log.
    async fn observe_stock_on_r(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        (delta, owed): (i64, i64),
        shop_id: i64,
        look: act::StockLook,
        written: i64,
    ) -> Result<(), Stop> {
        let Some(item_id) = visit.link.r_item_id else {
            return self.close(visit, intent, Outcome::Superseded).await;
        };
        let rows = act::stock_rows(&visit.account.r, item_id, shop_id, look.log_head).await;
        let rows = rows.map_err(|error| self.stop(Side::RSeries, error))?;
        match judge::absolute_write(look.seen, written, &rows) {
            StockOutcome::Landed { trampled } => {
                self.stock_landed_on_r(visit, intent, (delta, owed, trampled), shop_id).await
            }
            StockOutcome::NotSeen => {
                self.give_time(intent, SETTLE)?;
                let there = act::count_on_r(&visit.account.r, item_id, shop_id, look.log_head, &rows).await;
                let there = match there {
                    Ok(there) => there,
                    Err(CallError::Gone { .. }) => {
                        return self.close(visit, intent, Outcome::NotLanded).await;
                    }
                    Err(error) => return Err(self.stop(Side::RSeries, error)),
                };
                let told = rows.iter().fold(look.seen, |sum, row| sum.saturating_add(row.change));
                match there {
                    Some(there) if there == told => self.close(visit, intent, Outcome::NotLanded).await,
                    // The log lags behind the count, or the count is wrong: neither says whether ours arrived.
                    _ if self.clock.now() < after(intent.at, LAG) => Err(Stop::Later {
                        until: self.in_seconds(10),
                        why: "the inventory log and the count do not agree yet".into(),
                        failed: false,
                    }),
                    there => Err(Stop::Park {
                        code: STOCK_UNDECIDED,
                        reason: format!(
                            "The count of {written} pieces was on its way to R-Series when the connection broke. \
                             There were {} pieces before; the inventory log since adds up to {told}, but R-Series \
                             shows {}, so it cannot be told whether it arrived. Count, see that both sides show \
                             the right number, and retry: the counts are then taken as they are.",
                            look.seen,
                            shown(there),
                        ),
                    }),
                }
            }
        }
    }

    /// Books a count that landed: both shadows move by what was carried, and what it trampled is owed.
    pub(super) async fn stock_landed_on_r(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        (delta, owed, trampled): (i64, i64, i64),
        shop_id: i64,
    ) -> Result<(), Stop> {
        visit.link.shadow.carry_stock(delta);
        let trampled = if planted(Mistake::NoRepair) { 0 } else { trampled };
        visit.link.owed_on_r = visit.link.owed_on_r.saturating_sub(owed).saturating_add(trampled);
        visit.link.owed_shop_id = (visit.link.owed_on_r != 0).then_some(shop_id);
        self.close(visit, intent, Outcome::Landed).await
    }

    /// Writes down what became of a write, together with the link as it is now.
    pub(super) async fn close(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        outcome: Outcome,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        store::ledger::close(&mut db, intent.connection_id, intent.entry_id, outcome, now).await?;
        if intent.side == Some(Side::RSeries) {
            visit.looks_in_shop(now);
        }
        links::save(&mut db, &visit.link, now).await?;
        db.commit().await?;
        Ok(())
    }

    /// A request may still be on its way: nothing is judged not to have landed before its time.
    pub(super) fn give_time(&self, intent: &Entry, span: Duration) -> Result<(), Stop> {
        let until = after(intent.at, span);
        if self.clock.now() >= until || planted(Mistake::JudgedAtOnce) {
            return Ok(());
        }
        Err(Stop::Later { until, why: "a write may still be on its way".into(), failed: false })
    }

    /// The platform has our batch in its queue.
    pub(super) fn queued(&self) -> Stop {
        Stop::Later {
            until: self.in_seconds(1),
            why: "E-Series has the change in its queue".into(),
            failed: false,
        }
    }
}

fn shown(count: Option<i64>) -> String {
    count.map_or_else(|| "an unknown number of".into(), |count| Stock::Tracked(count).to_string())
}
