//! Ends of a visit: in step, or only one side left.

use tracing::info;

use super::{Corridor, Stop, Visit};
use crate::catalog::Side;
use crate::decide::matching::{SKU_CASE, SKU_TWICE_IN_SHOP};
use crate::ledger::origin::{Meaning, meaning};
use crate::ledger::{Entry, Kind, Origin};
use crate::store::decisions::{Choice, Decision};
use crate::store::links::Standing;
use crate::store::{
    self, Db, StoreError, brakes, connections, decisions, dirty, inbox, links, reviews, shop_counts,
    stock_marks, wishes,
};

impl Visit<'_> {
    /// Is what an operator decided done, or without an object by now?
    fn has_seen_to(&self, decision: Decision) -> bool {
        let link = &self.link;
        let archived = link.standing == Standing::Archived;
        archived
            || match decision.choice {
                Choice::CreateOnRSeries => link.r_item_id.is_some() || link.r_matrix_id.is_some(),
                Choice::Recreate => link.standing == Standing::Linked && link.e_product_id.is_some(),
                Choice::Unpublish => link.standing != Standing::GoneOnline || link.e_product_id.is_none(),
            }
    }
}

impl Corridor {
    /// Who waits because of a SKU that this product had is visited, when it has it no longer or is not on the web any more.
    pub(super) async fn let_twins_go(&self, db: &mut Db, visit: &Visit<'_>) -> Result<(), StoreError> {
        let left = matches!(visit.link.standing, Standing::Archived | Standing::GoneOnline);
        if visit.known_sku == visit.link.sku && !left {
            return Ok(());
        }
        let (connection, codes) = (visit.link.connection_id, [SKU_TWICE_IN_SHOP, SKU_CASE]);
        dirty::unpark_twins(db, connection, &codes, &visit.known_sku, self.clock.now()).await
    }

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
        if let Some(counts) = &visit.shop_counts {
            shop_counts::put(&mut db, visit.link.connection_id, visit.link.product_id, counts).await?;
        }
        self.explain(&mut db, visit).await?;
        if visit.braked {
            brakes::done(&mut db, visit.link.connection_id, visit.link.product_id).await?;
        }
        self.finish_edits(&mut db, visit).await?;
        if visit.in_doubt {
            reviews::done(&mut db, visit.link.connection_id, visit.link.product_id, now).await?;
        }
        if let Some(wish) = visit.wish {
            wishes::done(&mut db, visit.link.connection_id, visit.link.product_id, wish).await?;
        }
        if let Some(decision) = visit.decision.filter(|decision| visit.has_seen_to(*decision)) {
            decisions::done(&mut db, visit.link.connection_id, visit.link.product_id, decision).await?;
        }
        self.let_twins_go(&mut db, visit).await?;
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
}
