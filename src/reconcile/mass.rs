//! Availability that was ordered for many products: written on E-Series in one batch, where that saves calls.
//!
//! Each product has its intent, as ever, and the batch goes under one key: sent again after a crash, it is answered with
//! what the first one did (e-series-api.md, section 2.4). What was done is then read off one look at all of them. Whoever
//! the batch did not see to goes the way of a single write, which has words for every refusal.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::carry::written;
use super::sight::{InShop, Online, Sight, Sights};
use super::{Corridor, Due, KEY_LIFE, SEND_WITHIN, Stop, Visit};
use crate::catalog::{Field, Side, Value};
use crate::clock::after;
use crate::connections::Account;
use crate::decide::observe as judge;
use crate::decide::plan::Change;
use crate::ledger::{Detail, Entry, Outcome};
use crate::platforms::CallError;
use crate::platforms::eseries::client::BatchOutcome;
use crate::store::{self, StoreError, dirty};

/// From so many on a batch saves calls: it takes two, and a look at what it did, where a single write takes a look and a
/// call.
const WORTH_IT: usize = 3;

impl Corridor {
    /// Sends the availability that operators want of these products, if they are many; takes up batches that are open.
    pub(super) async fn enable_together(
        &self,
        account: &Account,
        due: &mut [Due<'_>],
    ) -> Result<(), StoreError> {
        self.intend_together(due).await?;
        let mut batches = BTreeMap::<Uuid, BTreeMap<i64, bool>>::new();
        for due in due.iter() {
            if let Some((key, product, enabled)) = self.open_in_batch(&due.intents) {
                batches.entry(key).or_default().insert(product, enabled);
            }
        }
        for (key, wishes) in batches {
            let by = after(self.clock.now(), SEND_WITHIN);
            let outcomes = match account.e.enable_products(&wishes, key, by).await {
                // Of the batch as a whole: no product is to blame for that.
                Err(CallError::Refused { why, .. }) => {
                    Ok(wishes.keys().map(|id| (*id, BatchOutcome::Refused(why.clone()))).collect())
                }
                outcomes => outcomes,
            };
            let seen = match &outcomes {
                Ok(outcomes) => self.seen_since(account, outcomes).await,
                Err(error) => Err(error.clone()),
            };
            let its_own = |due: &&mut Due<'_>| {
                let open = self.open_in_batch(&due.intents);
                open.is_some_and(|(of, ..)| of == key)
            };
            for due in due.iter_mut().filter(its_own) {
                let product = due.visit.link.e_product_id.unwrap_or_default();
                due.visit.batched =
                    outcomes.as_ref().ok().and_then(|outcomes| outcomes.get(&product).cloned());
                match (&seen, &mut due.sights) {
                    // The key is known, so the same batch can be sent again.
                    (Err(error), _) => due.stop = Some(self.stop(Side::ESeries, error.clone())),
                    (Ok(seen), Some(sights)) if due.visit.batched == Some(BatchOutcome::Applied) => {
                        match seen.get(&product) {
                            Some(online) => sights.e = Sight::Here(online.clone()),
                            // It is looked at by itself when its turn comes.
                            None => due.sights = None,
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Commits an intent for each product that the batch is to see to.
    async fn intend_together(&self, due: &mut [Due<'_>]) -> Result<(), StoreError> {
        let key = self.ids.uuid(self.clock.now());
        let mut intents = Vec::new();
        for (at, due) in due.iter().enumerate() {
            if let Some((product_id, change)) = wanted(due) {
                let mut intent = self.write_intent(&due.visit, Side::ESeries, &change, None);
                intent.call_id = Some(key);
                intent.detail = serde_json::to_value(Detail::Batched { product_id }).ok();
                intents.push((at, intent));
            }
        }
        if intents.len() < WORTH_IT {
            return Ok(());
        }
        // In the order in which everybody locks rows of the dirty set.
        intents.sort_unstable_by_key(|(_, intent)| intent.product_id);
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        for (at, intent) in &intents {
            let Some(due) = due.get(*at) else { continue };
            match dirty::fence(&mut db, &due.visit.claim, now).await {
                Ok(()) => store::ledger::insert(&mut db, intent).await?,
                // Nothing was sent yet: each finds out by itself.
                Err(StoreError::LeaseLost) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        db.commit().await?;
        for (at, intent) in intents {
            if let Some(due) = due.get_mut(at) {
                due.intents.push(intent);
            }
        }
        Ok(())
    }

    /// The write of a batch among these intents, while E-Series is sure to know its key.
    fn open_in_batch(&self, intents: &[Entry]) -> Option<(Uuid, i64, bool)> {
        intents.iter().find_map(|intent| {
            let Some(Detail::Batched { product_id }) = intent.recovery() else { return None };
            let Some((_, Value::Flag(enabled), _)) = intent.values() else { return None };
            let known = self.clock.now() < after(intent.at, KEY_LIFE);
            Some((intent.call_id.filter(|_| known)?, product_id, enabled))
        })
    }

    /// How those stand that it was done to.
    async fn seen_since(
        &self,
        account: &Account,
        outcomes: &BTreeMap<i64, BatchOutcome>,
    ) -> Result<BTreeMap<i64, Online>, CallError> {
        let applied = outcomes.iter().filter(|(_, outcome)| **outcome == BatchOutcome::Applied);
        let applied: Vec<i64> = applied.map(|(id, _)| *id).collect();
        let seen = account.e.products_by_id(&applied).await?;
        Ok(seen.into_iter().map(|product| (product.id, Online::whole(product))).collect())
    }

    /// An open write that went with a batch.
    pub(super) async fn observe_batched(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        sights: &Sights,
    ) -> Result<(), Stop> {
        match visit.batched.clone() {
            Some(BatchOutcome::Queued) => Err(self.queued()),
            Some(BatchOutcome::Refused(_)) => self.close(visit, intent, Outcome::Refused).await,
            Some(BatchOutcome::NotNow(_) | BatchOutcome::NothingChanged | BatchOutcome::Gone) => {
                self.close(visit, intent, Outcome::NotLanded).await
            }
            // It answered that this was done, and shows the product as before.
            Some(BatchOutcome::Applied) if shows_before(visit, intent, sights) => {
                self.close(visit, intent, Outcome::NotLanded).await
            }
            Some(BatchOutcome::Applied) => {
                written(Side::ESeries, "update");
                self.observe_write(visit, intent, Side::ESeries, sights).await
            }
            Some(BatchOutcome::Broken(_)) | None => {
                self.observe_write(visit, intent, Side::ESeries, sights).await
            }
        }
    }
}

/// What the batch is to write of a product: what an operator wants, where nothing else has to be settled first.
fn wanted(due: &Due<'_>) -> Option<(i64, Change)> {
    let visit = &due.visit;
    let (Some(wish), Some(Sights { r: Sight::Here(shop), e: Sight::Here(online), .. })) =
        (visit.wish, &due.sights)
    else {
        return None;
    };
    let moved = matches!(shop, InShop::Item(item) if item.matrix_id != 0);
    let something_first = !due.intents.is_empty()
        || visit.claim.attempts > 0
        || visit.braked
        || visit.in_doubt
        || visit.withdrawn
        || visit.removal().is_some()
        || visit.edited(Field::Enabled).is_some()
        || visit.link.holds.contains_key(&Field::Enabled)
        || visit.parent.is_some()
        || shop.archived()
        || moved;
    let before = online.facts(&visit.reading()).get(Field::Enabled)?.clone();
    let after = Value::Flag(wish.enabled);
    let wanted = !something_first && !before.same(&after);
    wanted.then_some((online.product.id, Change { field: Field::Enabled, before, after, conflict: false }))
}

fn shows_before(visit: &Visit<'_>, intent: &Entry, sights: &Sights) -> bool {
    let now = visit.e_facts(&sights.e).and_then(|facts| facts.get(Field::Enabled).cloned());
    let values = intent.values().zip(now);
    values.is_some_and(|((before, after, _), now)| judge::ignored(&before, &after, &now))
}
