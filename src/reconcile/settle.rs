//! Ends of a visit: in step, or only one side left.

use tracing::info;

use super::carry::remember;
use super::create::SKU_TWICE_IN_SHOP;
use super::sight::{InShop, Online};
use super::{Corridor, Stop, Visit};
use crate::catalog::Side;
use crate::ledger::origin::{Meaning, meaning};
use crate::ledger::{Entry, Kind, Origin};
use crate::store::links::Standing;
use crate::store::{self, Db, StoreError, brakes, connections, dirty, inbox, links, stock_marks, wishes};

impl Corridor {
    /// The visit is over: explains its notices and releases the product. `proven` when both sides were
    /// seen in step.
    pub(super) async fn settle(&self, visit: &mut Visit<'_>, proven: bool) -> Result<(), Stop> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        dirty::lock(&mut db, &visit.claim).await?;
        if proven {
            visit.link.proven_at = Some(now);
        }
        links::save(&mut db, &visit.link, now).await?;
        if let Some(mark) = visit.mark {
            let link = &visit.link;
            stock_marks::put(&mut db, link.connection_id, link.product_id, mark).await?;
        }
        self.explain(&mut db, visit).await?;
        if visit.braked {
            brakes::done(&mut db, visit.link.connection_id, visit.link.product_id).await?;
        }
        if let Some(wish) = visit.wish {
            wishes::done(&mut db, visit.link.connection_id, visit.link.product_id, wish).await?;
        }
        if visit.known_sku != visit.link.sku || visit.link.standing == Standing::Archived {
            let connection = visit.link.connection_id;
            dirty::unpark_twins(&mut db, connection, SKU_TWICE_IN_SHOP, &visit.known_sku, now).await?;
        }
        if visit.claim.swept && !visit.claim.noticed && visit.changed != [false, false] {
            connections::found_by_sweep(&mut db, visit.link.connection_id).await?;
            for side in Side::BOTH.into_iter().filter(|side| visit.changed(*side)) {
                metrics::counter!("concord_found_by_sweep_total", "side" => side.as_str()).increment(1);
            }
        }
        dirty::complete(&mut db, &visit.claim).await?;
        db.commit().await?;
        metrics::counter!("concord_visits_total").increment(1);
        for notice in visit.notices.iter().filter(|notice| visit.changed(notice.side)) {
            let took = (now - notice.received_at).to_std().unwrap_or_default().as_secs_f64();
            metrics::histogram!("concord_notice_to_written_seconds", "side" => notice.side.as_str())
                .record(took);
        }
        Ok(())
    }

    /// Gives every waiting notice its meaning; an echo names the write it comes from.
    pub(super) async fn explain(&self, db: &mut Db, visit: &Visit<'_>) -> Result<(), StoreError> {
        let link = &visit.link;
        let now = self.clock.now();
        for notice in &visit.notices {
            let written =
                store::ledger::last_write(&mut *db, link.connection_id, link.product_id, notice.side).await?;
            let meaning = meaning(visit.changed(notice.side), written, notice.received_at);
            inbox::explain(&mut *db, link.connection_id, notice, meaning.as_str(), now).await?;
            if let Meaning::Echo(write) = meaning {
                let mut entry = Entry::told(
                    link.connection_id,
                    self.entry_id(),
                    now,
                    Kind::Echo,
                    Origin::Echo,
                    link.product_id,
                );
                entry.side = Some(notice.side);
                entry.cause = Some(format!("notice {}", notice.event_id));
                entry.detail = Some(serde_json::json!({ "write": write }));
                store::ledger::insert(&mut *db, &entry).await?;
                metrics::counter!("concord_echoes_total", "side" => notice.side.as_str()).increment(1);
            }
        }
        Ok(())
    }

    /// A product that only E-Series has. If it carries our marker, it belongs to a creation that is being
    /// closed: its item is visited, and takes it over.
    pub(super) async fn only_online(&self, visit: &mut Visit<'_>, online: &Online) -> Result<(), Stop> {
        let facts = online.facts(&visit.reading());
        remember(visit, &online.product.name, &facts);
        visit.link.enabled = online.product.enabled;
        visit.link.standing = Standing::OnlyOnline;
        self.settle(visit, false).await
    }

    /// Neither side has it (any more).
    pub(super) async fn nothing_left(&self, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let now = self.clock.now();
        let link = &visit.link;
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        self.explain(&mut db, visit).await?;
        let mut entry =
            Entry::told(link.connection_id, self.entry_id(), now, Kind::Link, Origin::Sweep, link.product_id);
        entry.before = Some(serde_json::json!({
            "e_series": link.e_product_id,
            "r_series": link.r_item_id.or(link.r_matrix_id),
        }));
        entry.cause = Some("neither platform has the record any more".into());
        store::ledger::insert(&mut db, &entry).await?;
        links::delete(&mut db, link.connection_id, link.product_id).await?;
        db.commit().await?;
        info!(product = %visit.link.product_id, "forgotten: neither platform has it");
        Ok(())
    }

    /// The product was deleted on E-Series while its item lives on.
    pub(super) async fn gone_online(&self, visit: &mut Visit<'_>, shop: &InShop) -> Result<(), Stop> {
        let facts = shop.facts(&visit.reading());
        remember(visit, shop.name(), &facts);
        visit.changed = [false, true];
        visit.link.standing = Standing::GoneOnline;
        if let Some(parent) = &visit.parent {
            if parent.e_product_id != visit.link.e_product_id {
                // Its product was removed, and perhaps created again, with a variation of its own for it.
                visit.link.lose_online_half();
                return self.match_or_create(visit, shop).await;
            }
            if !shop.archived() {
                return self.variation_gone(visit).await;
            }
        }
        if shop.archived() {
            visit.link.standing = Standing::Archived;
            return self.settle(visit, true).await;
        }
        Err(Stop::Park {
            code: "gone_online",
            reason:
                "The product was deleted on E-Series, and its item lives on in the shop. Create it again \
                     there, or unpublish the item."
                    .into(),
        })
    }
}
