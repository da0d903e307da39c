//! Asking the brakes, and obeying: what they say is decided in [`crate::decide::brake`].

use tracing::warn;

use super::{Corridor, Stop, Visit};
use crate::decide::Plan;
use crate::decide::brake::{self, Act, Ruling, Standing};
use crate::ids::{ConnectionId, ProductId};
use crate::ledger::Entry;
use crate::store::links::Link;
use crate::store::{self, Db, StoreError, brakes, dirty};

impl Corridor {
    /// Lifts holds on swinging fields that an operator has released.
    pub(super) async fn lift_released(
        &self,
        db: &mut Db,
        connection: ConnectionId,
        links: &mut [Link],
    ) -> Result<(), StoreError> {
        let frozen: Vec<ProductId> = links
            .iter()
            .filter(|link| !brake::frozen(&link.holds).is_empty())
            .map(|link| link.product_id)
            .collect();
        if frozen.is_empty() {
            return Ok(());
        }
        let released = brakes::released_fields(db, connection, &frozen).await?;
        for link in links {
            for (_, field) in released.iter().filter(|(product, _)| *product == link.product_id) {
                if link.holds.get(field).is_some_and(|hold| hold.code == brake::ALTERNATES) {
                    link.holds.remove(field);
                }
            }
        }
        Ok(())
    }

    /// Freezes fields that the plan would swing once more. The other fields go on.
    pub(super) async fn freeze_swinging(&self, visit: &Visit<'_>, plan: &mut Plan) -> Result<(), Stop> {
        if plan.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let link = &visit.link;
        let histories = brakes::histories(&mut db, link.connection_id, link.product_id, now).await?;
        drop(db);
        let mut found = brake::swings(plan, &histories, now);
        // What an operator wants is no swing.
        found.retain(|field, _| !visit.wishes(*field));
        for (field, hold) in &found {
            warn!(product = %link.product_id, %field, reason = hold.reason, "frozen");
            metrics::counter!("concord_frozen_total", "field" => field.as_str()).increment(1);
        }
        brake::freeze(plan, &found);
        Ok(())
    }

    /// Commits intents as [`Corridor::intend`] does, unless they take something away beyond the cap of what a sweep
    /// may do by itself. That is decided in the very transaction that commits them, so it holds among workers.
    pub(super) async fn intend_within_cap(
        &self,
        visit: &mut Visit<'_>,
        intents: &[Entry],
        act: Option<Act>,
    ) -> Result<(), Stop> {
        let unprompted = (visit.claim.swept || visit.claim.run) && !visit.claim.noticed;
        let Some(act) = act.filter(|_| unprompted || visit.braked) else {
            return self.intend(visit, intents).await;
        };
        let now = self.clock.now();
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let caps = visit.account.caps;
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        let (own, tally, linked) = brakes::weigh(&mut db, connection, product, act, now).await?;
        match brake::rule(act, own, unprompted, tally, &caps, linked) {
            Ruling::Go => {}
            Ruling::Count => {
                brakes::put(&mut db, connection, product, act, Standing::Passed, now).await?;
            }
            Ruling::Hold => {
                brakes::put(&mut db, connection, product, act, Standing::Held, now).await?;
                db.commit().await?;
                if own != Some(Standing::Held) {
                    metrics::counter!("concord_braked_total", "act" => act.as_str()).increment(1);
                }
                return Err(Stop::Park { code: brake::BRAKE, reason: act.reason(&caps, linked) });
            }
        }
        for intent in intents {
            let mut intent = intent.clone();
            if own == Some(Standing::Released) {
                intent.cause = Some("an operator released the brake".into());
            }
            store::ledger::insert(&mut db, &intent).await?;
        }
        db.commit().await?;
        Ok(())
    }
}
