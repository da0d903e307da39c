//! Asking whether the plans have room, and waiting until they do: who fits is decided in [`crate::catalog::Limits`].

use std::collections::BTreeSet;

use super::sight::InShop;
use super::together::fitting;
use super::{Corridor, Stop, Visit};
use crate::catalog::{PLAN_FEATURE, PLAN_LIMIT, Use};
use crate::ledger::{Entry, Outcome};
use crate::store::{self, dirty, room};

impl Visit<'_> {
    /// What this product takes of the plans once it is online.
    fn need(&self, shop: &InShop) -> Use {
        let variants = match shop {
            InShop::Item(_) => 1,
            InShop::Matrix { items, .. } => fitting(self, items, &BTreeSet::new()).len(),
        };
        let variants = i64::try_from(variants).unwrap_or(i64::MAX);
        Use { pieces: variants.max(1), products: i64::from(self.parent.is_none()) }
    }

    /// A plan that has no variations has nothing of this product.
    fn needs_variations(&self, shop: &InShop) -> Result<(), Stop> {
        let variations = self.parent.is_some() || matches!(shop, InShop::Matrix { .. });
        match self.account.limits.lacks_variations().filter(|_| variations) {
            Some(reason) => Err(Stop::Park { code: PLAN_FEATURE, reason }),
            None => Ok(()),
        }
    }
}

impl Corridor {
    /// Commits the intent of a creation as [`Corridor::intend`] does, if there is room for what it makes. That is
    /// counted in the very transaction that commits it, so it holds among workers.
    pub(super) async fn intend_within_limits(
        &self,
        visit: &Visit<'_>,
        shop: &InShop,
        intent: &Entry,
    ) -> Result<(), Stop> {
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let (limits, grant, need) = (&visit.account.limits, &visit.account.grant, visit.need(shop));
        visit.needs_variations(shop)?;
        if grant.take(limits, need) {
            return self.intend(visit, std::slice::from_ref(intent)).await;
        }
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, self.clock.now()).await?;
        let used = room::used(&mut db, connection, Some(product), true).await?;
        if let Some(reason) = limits.lacks_room(used, need) {
            return Err(Stop::Park { code: PLAN_LIMIT, reason });
        }
        store::ledger::insert(&mut db, intent).await?;
        db.commit().await?;
        grant.renew(limits, used.and(need));
        Ok(())
    }

    /// Is there room for this product once so many others have gone? Asked before they go for its sake.
    pub(super) async fn has_room_without(
        &self,
        visit: &Visit<'_>,
        shop: &InShop,
        others: usize,
    ) -> Result<(), Stop> {
        visit.needs_variations(shop)?;
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        let used = room::used(&mut db, connection, Some(product), false).await?;
        let others = i64::try_from(others).unwrap_or(i64::MAX);
        let used = Use {
            pieces: used.pieces.saturating_sub(others),
            products: used.products.saturating_sub(others),
        };
        match visit.account.limits.lacks_room(used, visit.need(shop)) {
            Some(reason) => Err(Stop::Park { code: PLAN_LIMIT, reason }),
            None => Ok(()),
        }
    }

    /// The store refuses a variation for its plan: that is known from now on.
    pub(super) async fn no_variations(&self, visit: &Visit<'_>, why: &str) -> Result<Stop, Stop> {
        let mut db = self.store.begin().await?;
        room::without_variations(&mut db, visit.link.connection_id).await?;
        db.commit().await?;
        Ok(Stop::Park {
            code: PLAN_FEATURE,
            reason: format!(
                "The E-Series plan does not have what this product needs (variations need Business or above): {why}. It \
                 goes on by itself once the plan has them: upgrade the plan."
            ),
        })
    }

    /// The store says that its plan has no room, whatever Concord counted: it is full as it is, until it tells another
    /// limit. Not an error to try again.
    pub(super) async fn store_is_full(
        &self,
        visit: &Visit<'_>,
        created: bool,
        why: &str,
    ) -> Result<Stop, Stop> {
        let connection = visit.link.connection_id;
        let mut db = self.store.begin().await?;
        let used = room::used(&mut db, connection, None, true).await?;
        // Where it refuses even an update, it has more than it takes.
        let full_at = used.products.saturating_sub(i64::from(!created));
        room::full_at(&mut db, connection, Some(full_at)).await?;
        db.commit().await?;
        Ok(Stop::Park {
            code: PLAN_LIMIT,
            reason: format!(
                "The E-Series plan has no room: {why}. {} products are online. It goes on by itself as soon as there \
                 is room: upgrade the plan, or remove products.",
                used.products
            ),
        })
    }

    /// Writes that travelled in one call were refused because the store is full.
    pub(super) async fn update_without_room(
        &self,
        visit: &mut Visit<'_>,
        intents: &[Entry],
        why: &str,
    ) -> Result<Stop, Stop> {
        for intent in intents {
            self.close(visit, intent, Outcome::NotLanded).await?;
        }
        self.store_is_full(visit, false, why).await
    }
}
