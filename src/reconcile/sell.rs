//! Pieces sold on the web, booked on R-Series as a sale (r-series-api.md, sections 3.3 and 4.3).
//!
//! The sale is rung up open under the entry's id, its id is committed, and only then is it completed. So there
//! is never a completed sale that is not known: an answer that is lost is looked for, and completing the same
//! sale twice sells once.

use std::time::Duration;

use super::carry::written;
use super::{Corridor, SEND_WITHIN, SETTLE, Stop, Visit};
use crate::catalog::{Facts, Field, Side, Value};
use crate::clock::{after, before};
use crate::connections::Booking;
use crate::decide::brake::Act;
use crate::ledger::{Detail, Entry, Kind, Outcome};
use crate::platforms::CallError;
use crate::platforms::rseries::sales::{Sale, SaleWrite};
use crate::store::dirty::STOCK_UNDECIDED;
use crate::store::{self, dirty};

/// How far before its intent a sale may be dated: the platform's clock is not ours.
const SKEW: Duration = Duration::from_secs(15 * 60);

/// What is known of a booking that is under way.
#[derive(Debug, Clone, Copy)]
pub(super) struct Under {
    pub(super) delta: i64,
    pub(super) shop_id: i64,
    pub(super) payment_type_id: i64,
    pub(super) sale_id: Option<i64>,
}

impl Under {
    fn detail(self) -> Detail {
        let Self { delta, shop_id, payment_type_id, sale_id } = self;
        Detail::SaleOnR { delta, shop_id, payment_type_id, sale_id }
    }
}

impl Corridor {
    /// Books pieces sold on the web as one completed sale in the primary shop, at the price that the web shows.
    pub(super) async fn sell_on_r(
        &self,
        visit: &mut Visit<'_>,
        delta: i64,
        booking: Booking,
        r: &Facts,
    ) -> Result<(), Stop> {
        let Some(item_id) = visit.link.r_item_id else { return Err(Stop::Again("no R-Series half")) };
        let price = match r.get(Field::Price) {
            Some(Value::Money(price)) => *price,
            _ => return Err(Stop::Again("R-Series did not tell the price")),
        };
        let shop_id = visit.account.context.primary_shop_id;
        let payment_type_id = booking.payment_type_id;
        let under = Under { delta, shop_id, payment_type_id, sale_id: None };
        let by = after(self.clock.now(), SEND_WITHIN);
        let mut intent = self.intent(visit, Kind::Stock, Side::RSeries, &under.detail());
        intent.field = Some(Field::Stock);
        let seen = r.stock().and_then(crate::catalog::Stock::tracked);
        intent.before = seen.map(|seen| serde_json::json!(seen));
        intent.after = seen.map(|seen| serde_json::json!(seen.saturating_add(delta)));
        let act =
            seen.and_then(|seen| Act::of_stock(seen, delta)).filter(|_| !visit.would_not_run_out(delta));
        self.intend_within_cap(visit, std::slice::from_ref(&intent), act).await?;
        let write = SaleWrite {
            shop_id,
            register_id: booking.register_id,
            employee_id: booking.employee_id,
            reference: intent.entry_id.to_string(),
            item_id,
            quantity: delta.saturating_neg(),
            price,
        };
        match visit.account.r.open_sale(&write, by).await {
            Ok(sale) => self.finish_sale(visit, &intent, under, sale).await,
            Err(error @ CallError::Unclear { .. }) => Err(self.stop(Side::RSeries, error)),
            Err(CallError::Refused { why, .. }) => {
                self.close(visit, &intent, Outcome::Refused).await?;
                Err(refused(&why))
            }
            Err(error) => {
                self.close(visit, &intent, Outcome::NotLanded).await?;
                Err(self.stop(Side::RSeries, error))
            }
        }
    }

    /// Completes a sale that is rung up, and books it.
    async fn finish_sale(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        under: Under,
        sale: Sale,
    ) -> Result<(), Stop> {
        if under.sale_id != Some(sale.id) {
            self.note_sale(visit, intent, Under { sale_id: Some(sale.id), ..under }).await?;
        }
        let r = &visit.account.r;
        let why = if sale.completed {
            None
        } else {
            match r.complete_sale(&sale, under.payment_type_id).await {
                Ok(done) if done.completed => None,
                Ok(_) => Some("the sale was taken and stays open".to_owned()),
                // It may be completed by now, by an earlier request of ours or by a person at the till.
                Err(CallError::Refused { why, .. }) => {
                    let now = r.sale(sale.id).await.map_err(|error| self.stop(Side::RSeries, error))?;
                    (!now.completed).then_some(why)
                }
                Err(error) => return Err(self.stop(Side::RSeries, error)),
            }
        };
        match why {
            None => {
                visit.link.shadow.carry_stock(under.delta);
                self.close(visit, intent, Outcome::Landed).await?;
                written(Side::RSeries, "sale");
                Ok(())
            }
            Some(why) => {
                // An open sale that nobody completes would lie about at the till.
                r.discard_sale(sale.id).await.map_err(|error| self.stop(Side::RSeries, error))?;
                self.close(visit, intent, Outcome::Refused).await?;
                Err(refused(&why))
            }
        }
    }

    /// Commits the sale's id before the sale is completed.
    async fn note_sale(&self, visit: &Visit<'_>, intent: &Entry, under: Under) -> Result<(), Stop> {
        let detail = serde_json::to_value(under.detail()).unwrap_or_default();
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, self.clock.now()).await?;
        store::ledger::detail(&mut db, intent.connection_id, intent.entry_id, &detail).await?;
        db.commit().await?;
        Ok(())
    }

    /// A booking whose outcome is unclear: by the sale that has its reference number. One that is still open has
    /// moved nothing, so it is completed.
    pub(super) async fn observe_sale(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        under: Under,
    ) -> Result<(), Stop> {
        let sales = self.sales_of(visit, intent, under).await?;
        let sold: Vec<&Sale> = sales.iter().filter(|sale| sale.sold()).collect();
        let mut open = sales.iter().filter(|sale| !sale.sold() && !sale.archived && !sale.voided);
        match (sold.as_slice(), open.next()) {
            ([sale], None) => {
                let sale = (*sale).clone();
                self.finish_sale(visit, intent, under, sale).await
            }
            ([], Some(first)) => {
                // The request that completes it may still be on its way.
                self.give_time(intent, 2 * SETTLE)?;
                for twin in open {
                    let thrown = visit.account.r.discard_sale(twin.id).await;
                    thrown.map_err(|error| self.stop(Side::RSeries, error))?;
                }
                self.finish_sale(visit, intent, under, first.clone()).await
            }
            ([], None) => {
                self.give_time(intent, SETTLE)?;
                self.close(visit, intent, Outcome::NotLanded).await
            }
            _ => {
                let list = |wanted: bool| {
                    let ids = sales.iter().filter(|sale| sale.sold() == wanted && !sale.archived);
                    ids.map(|sale| sale.id.to_string()).collect::<Vec<_>>().join(", ")
                };
                Err(Stop::Park {
                    code: STOCK_UNDECIDED,
                    reason: format!(
                        "{:+} pieces sold on the web were to be booked on R-Series as one sale with the reference \
                         {}. Completed sales with it: {}. Open ones: {}. Void or delete what is too much, see \
                         that both sides show the right count, and retry: the counts are then taken as they are.",
                        under.delta,
                        intent.entry_id,
                        list(true),
                        list(false),
                    ),
                })
            }
        }
    }

    /// Throws away what an operator's word has made superfluous: an open sale would be completed by somebody.
    pub(super) async fn drop_open_sales(
        &self,
        visit: &Visit<'_>,
        intent: &Entry,
        under: Under,
    ) -> Result<(), Stop> {
        for sale in self.sales_of(visit, intent, under).await? {
            if !sale.sold() && !sale.archived {
                let thrown = visit.account.r.discard_sale(sale.id).await;
                thrown.map_err(|error| self.stop(Side::RSeries, error))?;
            }
        }
        Ok(())
    }

    /// Sales of a booking: the one whose id is known, or those with its reference number.
    async fn sales_of(&self, visit: &Visit<'_>, intent: &Entry, under: Under) -> Result<Vec<Sale>, Stop> {
        let r = &visit.account.r;
        let found = match under.sale_id {
            Some(id) => match r.sale(id).await {
                Ok(sale) => Ok(vec![sale]),
                Err(CallError::Gone { .. }) => Ok(Vec::new()),
                Err(error) => Err(error),
            },
            None => r.sales_with_reference(&intent.entry_id.to_string(), before(intent.at, SKEW)).await,
        };
        found.map_err(|error| self.stop(Side::RSeries, error))
    }
}

fn refused(why: &str) -> Stop {
    Stop::Park {
        code: "web_sale_refused",
        reason: format!(
            "R-Series will not take the sale from the web: {why}. See to the register, or book web sales as \
             counts, and retry."
        ),
    }
}
