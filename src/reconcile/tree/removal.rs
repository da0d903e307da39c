//! Categories that the shop has no more: removed from E-Series leaves first, and never together with anything that
//! exists only there.

use std::collections::BTreeSet;

use tracing::info;

use super::write::{LOCKED, UNREADABLE};
use super::{Corridor, Look, REST};
use crate::catalog::{Hold, ShelfState, Side};
use crate::clock::after;
use crate::decide::brake::{BRAKE, CAP_WINDOW};
use crate::decide::tree::{InShop, leaves_first};
use crate::ledger::{Kind, Outcome};
use crate::platforms::CallError;
use crate::reconcile::{SEND_WITHIN, Stop};
use crate::store::categories::{self, Category, RELEASED};

impl Corridor {
    pub(super) async fn remove_gone(&self, look: &mut Look<'_>, shop: &[InShop]) -> Result<(), Stop> {
        let there: BTreeSet<i64> = shop.iter().map(|category| category.id).collect();
        let missing: Vec<Category> =
            look.rows.values().filter(|row| !there.contains(&row.r_id)).cloned().collect();
        for mut row in missing {
            if row.state == ShelfState::Gone {
                continue;
            }
            if !row.gone {
                // Absence from a list is never a deletion.
                match look.account.r.category(row.r_id).await {
                    Err(CallError::Gone { .. }) => {}
                    Ok(_) | Err(CallError::Refused { .. }) => {
                        look.again_at(self.in_seconds(5));
                        continue;
                    }
                    Err(error) => return Err(self.stop(Side::RSeries, error)),
                }
                look.changed[0].insert(row.r_id);
                (row.gone, row.position) = (true, None);
                (row.tried, row.retry_at, row.failures) = (None, None, 0);
                if row.e_id.is_none() {
                    (row.state, row.hold) = (ShelfState::Gone, None);
                } else {
                    row.state = ShelfState::Waiting;
                }
                self.save_category(look, row).await?;
            }
        }
        let online: Vec<i64> = look.rows.values().filter(|row| row.gone).filter_map(|row| row.e_id).collect();
        for online_id in leaves_first(&online, &look.online) {
            let row = look.rows.values().find(|row| row.e_id == Some(online_id)).cloned();
            if let Some(row) = row.filter(|row| !look.busy.contains(&row.r_id)) {
                self.remove_category(look, row, online_id).await?;
            }
        }
        Ok(())
    }

    async fn remove_category(
        &self,
        look: &mut Look<'_>,
        mut row: Category,
        online_id: i64,
    ) -> Result<(), Stop> {
        if let Some(retry_at) = row.retry_at.filter(|at| *at > self.clock.now()) {
            if row.state == ShelfState::Waiting {
                look.again_at(retry_at);
            }
            return Ok(());
        }
        let (category, raw) = match look.account.e.category(online_id).await {
            Ok(found) => found,
            Err(CallError::Gone { .. }) => {
                forget_online(look, &mut row, online_id);
                return self.save_category(look, row).await;
            }
            Err(CallError::Refused { why, .. }) => {
                return self.hold_category(look, row, Hold::new(UNREADABLE, why), REST).await;
            }
            Err(error) => return Err(self.stop(Side::ESeries, error)),
        };
        if let Some(hold) = self.keeps_online(look, &row, &category, online_id).await? {
            (row.state, row.hold, row.retry_at) = (ShelfState::Held, Some(hold), None);
            return self.save_category(look, row).await;
        }
        let mut intent = self.category_intent(look, &row, Kind::Remove, None);
        intent.before = Some(raw);
        intent.cause = Some("the shop has the category no more".into());
        let by = after(intent.at, SEND_WITHIN);
        self.intend_category(look, &mut row, &intent, None).await?;
        match look.account.e.delete_category(online_id, by).await {
            Ok(()) | Err(CallError::Gone { .. }) => {
                forget_online(look, &mut row, online_id);
                metrics::counter!("concord_writes_total", "side" => "e_series", "what" => "remove_category")
                    .increment(1);
                info!(category = row.r_id, e_series = online_id, "a category was removed from E-Series");
                self.close_with(look, row, &intent, Outcome::Landed).await
            }
            Err(error) => {
                let wanted = row.wanted.clone().unwrap_or_default();
                self.turned_away(look, row, &intent, wanted, error).await
            }
        }
    }

    /// Why a category stays online although the shop has it no more.
    async fn keeps_online(
        &self,
        look: &Look<'_>,
        row: &Category,
        category: &crate::platforms::eseries::wire::Category,
        online_id: i64,
    ) -> Result<Option<Hold>, Stop> {
        if !category.own {
            let reason = "The shop has the category no more. On E-Series it came from another system and is locked, \
                          so it cannot be removed. Remove it there.";
            return Ok(Some(Hold::new(LOCKED, reason)));
        }
        // With it the store may delete what is below it (e-series-api.md, section 9.3).
        let children: Vec<String> = look
            .online
            .values()
            .filter(|child| child.looks.parent == online_id)
            .map(|child| format!("“{}”", child.looks.name))
            .collect();
        if !children.is_empty() {
            let reason = format!(
                "The shop has the category no more, but there are categories below it on E-Series that would go \
                 with it: {}. Move them elsewhere or delete them, and it is removed by itself.",
                children.join(", ")
            );
            return Ok(Some(Hold::new("has_online_categories", reason)));
        }
        let connection = look.claim.connection_id;
        let mut db = self.store.begin().await?;
        let online_only = categories::online_only(&mut db, connection, &category.product_ids).await?;
        let released = row.hold.as_ref().is_some_and(|hold| hold.code == RELEASED);
        let removed = categories::removed_within(&mut db, connection, CAP_WINDOW, self.clock.now()).await?;
        drop(db);
        if !online_only.is_empty() {
            let reason = format!(
                "The shop has the category no more, but {} products that exist only on E-Series are in it, among them \
                 {}. Put them into another category, and it is removed by itself.",
                online_only.len(),
                online_only.first().copied().unwrap_or_default()
            );
            return Ok(Some(Hold::new("has_online_products", reason)));
        }
        let tied =
            i64::try_from(look.rows.values().filter(|row| row.e_id.is_some()).count()).unwrap_or(i64::MAX);
        let caps = look.account.caps;
        let share = tied.saturating_add(removed).saturating_mul(i64::from(caps.removals_percent)) / 100;
        if !released && removed >= share.max(i64::from(caps.at_least)) {
            let reason = format!(
                "{removed} categories were removed from E-Series within an hour because the shop has them no more. \
                 More than {}% (at least {}) wait for an operator: release the brake if they are to go.",
                caps.removals_percent, caps.at_least
            );
            return Ok(Some(Hold::new(BRAKE, reason)));
        }
        Ok(None)
    }
}

fn forget_online(look: &mut Look<'_>, row: &mut Category, online_id: i64) {
    look.online.remove(&online_id);
    look.removed.push(row.r_id);
    (row.e_id, row.state, row.hold) = (None, ShelfState::Gone, None);
    (row.wanted, row.shown, row.tried, row.retry_at, row.failures) = (None, None, None, None, 0);
}
