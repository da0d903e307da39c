//! Adding pieces to the stock of one side, once.

use tracing::info;

use super::carry::written;
use super::{Corridor, SEND_WITHIN, Stop, Visit};
use crate::act::{self, StockVerdict};
use crate::catalog::{Field, Side};
use crate::clock::after;
use crate::decide::brake::Act;
use crate::ledger::{Detail, Kind, Outcome};
use crate::platforms::CallError;
use crate::platforms::eseries::client::BatchOutcome;
use crate::store::edits::Edit;

impl Corridor {
    /// Adds pieces on E-Series, once. An operator's are news there, and are not what happened on R-Series.
    pub(super) async fn add_stock_on_e(
        &self,
        visit: &mut Visit<'_>,
        delta: i64,
        before: i64,
        edit: Option<&Edit>,
    ) -> Result<(), Stop> {
        let Some(half) = visit.e_half() else { return Err(Stop::Again("no E-Series half")) };
        let mut intent =
            self.intent(visit, Kind::Stock, Side::ESeries, &Detail::StockOnE { delta, news: edit.is_some() });
        intent.field = Some(Field::Stock);
        intent.before = Some(serde_json::json!(before));
        intent.after = Some(serde_json::json!(before.saturating_add(delta)));
        if edit.is_none() && visit.told_by_shops() {
            intent.cause = Some("other shops are connected than before".into());
        }
        match edit {
            Some(edit) => self.intend_edit(visit, &mut intent, edit).await?,
            None => {
                let act = Act::of_stock(before, delta).filter(|_| !visit.emptied_by_shops(before, delta));
                self.intend_within_cap(visit, std::slice::from_ref(&intent), act).await?;
            }
        }
        match visit.account.e.add_stock(half, delta, intent.entry_id.0).await {
            Ok(BatchOutcome::Applied) => {
                if edit.is_none() {
                    visit.link.shadow.carry_stock(delta);
                    // All that R-Series had to tell is carried.
                    visit.counted_in_present_shops();
                }
                self.close(visit, &intent, Outcome::Landed).await?;
                written(Side::ESeries, "stock");
                Ok(())
            }
            Ok(BatchOutcome::Queued) => Err(self.queued()),
            Ok(BatchOutcome::NothingChanged | BatchOutcome::Gone) => {
                self.close(visit, &intent, Outcome::NotLanded).await?;
                Err(Stop::Again("E-Series no longer tracks this stock"))
            }
            Ok(BatchOutcome::Broken(why)) => {
                Err(Stop::Later { until: self.in_seconds(5), why, failed: false })
            }
            Ok(BatchOutcome::NotNow(why)) => {
                self.close(visit, &intent, Outcome::NotLanded).await?;
                Err(Stop::Later { until: self.in_seconds(15), why, failed: false })
            }
            Ok(BatchOutcome::Refused(why)) => {
                self.close(visit, &intent, Outcome::Refused).await?;
                Err(Stop::Park {
                    code: "refused",
                    reason: format!("E-Series refuses the stock change: {why}"),
                })
            }
            Err(error @ CallError::Unclear { .. }) => Err(self.stop(Side::ESeries, error)),
            Err(error) => {
                self.close(visit, &intent, Outcome::NotLanded).await?;
                Err(self.stop(Side::ESeries, error))
            }
        }
    }

    /// Adds pieces on R-Series, in the primary shop. What an earlier write trampled when another shop was that is put
    /// back there first.
    pub(super) async fn add_stock_on_r(
        &self,
        visit: &mut Visit<'_>,
        delta: i64,
        before: i64,
        edit: Option<&Edit>,
    ) -> Result<(), Stop> {
        let primary = visit.account.context.primary_shop_id;
        let owing = visit.link.owed_shop_id.filter(|shop| visit.link.owed_on_r != 0 && *shop != primary);
        if let Some(owing) = owing {
            self.add_stock_in(visit, owing, (0, before), None).await?;
            if delta == 0 {
                return Ok(());
            }
            if visit.link.owed_on_r != 0 {
                return Err(Stop::Again("the shop that was the primary one is not put right yet"));
            }
        }
        self.add_stock_in(visit, primary, (delta, before), edit).await
    }

    /// The same in one shop, where only an absolute count can be written: look, write, and read in the log what that
    /// did. What it trampled stays owed.
    async fn add_stock_in(
        &self,
        visit: &mut Visit<'_>,
        shop_id: i64,
        (delta, before): (i64, i64),
        edit: Option<&Edit>,
    ) -> Result<(), Stop> {
        let Some(item_id) = visit.link.r_item_id else { return Err(Stop::Again("no R-Series half")) };
        let owed = visit.link.owed_on_r;
        let r = &visit.account.r;
        let look = act::look_at_stock(r, item_id, shop_id).await;
        let look = look.map_err(|error| self.stop(Side::RSeries, error))?;
        let look = look.ok_or(Stop::Again("the stock moved while it was looked at"))?;
        let written_count = look.seen.saturating_add(delta).saturating_add(owed);
        let detail = Detail::StockOnR {
            delta,
            owed,
            shop_id,
            seen: look.seen,
            written: written_count,
            log_head: look.log_head,
            news: edit.is_some(),
        };
        let by = after(self.clock.now(), SEND_WITHIN);
        let mut intent = self.intent(visit, Kind::Stock, Side::RSeries, &detail);
        intent.field = Some(Field::Stock);
        intent.before = Some(serde_json::json!(look.seen));
        intent.after = Some(serde_json::json!(written_count));
        match edit {
            Some(edit) => self.intend_edit(visit, &mut intent, edit).await?,
            None => {
                // What all shops have counts, and not the one in which sales on the web are booked.
                let act = Act::of_stock(before, delta).filter(|_| !visit.would_not_run_out(delta));
                self.intend_within_cap(visit, std::slice::from_ref(&intent), act).await?;
            }
        }
        let carried = if edit.is_some() { 0 } else { delta };
        if written_count == look.seen {
            // What is owed and what is new cancel each other: nothing to write, all accounted for.
            return self.stock_landed_on_r(visit, &intent, (carried, owed, 0), shop_id).await;
        }
        match act::write_stock_on_r(r, item_id, shop_id, look, written_count, by).await {
            Ok(StockVerdict::Landed { trampled }) => {
                if trampled != 0 {
                    metrics::counter!("concord_trampled_repairs_total").increment(1);
                    info!(product = %visit.link.product_id, trampled, "somebody sold meanwhile: put back");
                }
                self.stock_landed_on_r(visit, &intent, (carried, owed, trampled), shop_id).await?;
                written(Side::RSeries, "stock");
                Ok(())
            }
            Ok(StockVerdict::NoEffect) => {
                self.close(visit, &intent, Outcome::NotLanded).await?;
                Err(Stop::Again("others had moved the stock to the very same count"))
            }
            Ok(StockVerdict::NotSeenYet) => Err(Stop::Later {
                until: self.in_seconds(2),
                why: "the inventory log does not show the write yet".into(),
                failed: false,
            }),
            Err(error @ CallError::Unclear { .. }) => Err(self.stop(Side::RSeries, error)),
            Err(CallError::Refused { why, .. }) => {
                self.close(visit, &intent, Outcome::Refused).await?;
                Err(Stop::Park { code: "refused", reason: format!("R-Series refuses the stock: {why}") })
            }
            Err(error) => {
                self.close(visit, &intent, Outcome::NotLanded).await?;
                Err(self.stop(Side::RSeries, error))
            }
        }
    }
}
