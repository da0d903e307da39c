//! SKUs and option values that go from one record to another: E-Series takes each once, so what is wanted here may have to
//! become free there first.
//!
//! In a chain the last one moves, and whoever waits for what it had is visited again. In a circle nobody can be the first:
//! one of them takes a stand-in for a moment, and then it is a chain.

use std::collections::VecDeque;

use super::sight::{InShop, Reading};
use super::{Corridor, Stop, Visit};
use crate::catalog::{Field, Side, Value};
use crate::decide::Step;
use crate::decide::plan::Change;
use crate::platforms::CallError;
use crate::store::dirty::Asker;
use crate::store::links::{Link, Parent};
use crate::store::{dirty, links};

/// A longer circle than any merchant makes at once: each of its records costs a look.
const LONGEST: usize = 25;

/// Why a product waits whose SKU another one has.
pub(super) const SKU_TAKEN: &str = "sku_taken";

/// What E-Series says to a value that another record has (e-series-api.md, section 2.2).
const TAKEN: [(Field, &str); 2] =
    [(Field::Sku, "SKU_ALREADY_EXISTS"), (Field::OptionValues, "COMBINATION_DUPLICATED")];

/// Is this refusal one that ends when another record lets go of the value?
pub(super) fn is_taken(side: Side, field: Field, error: &CallError) -> bool {
    let code = error.code();
    side == Side::ESeries && TAKEN.iter().any(|(of, known)| *of == field && Some(*known) == code)
}

impl Corridor {
    /// E-Series refuses a value because another record has it. Where that one is about to give it up, it is visited; where
    /// it waits, over others or not, for what this one has, this one steps aside.
    pub(super) async fn step_aside(
        &self,
        visit: &mut Visit<'_>,
        shop: &InShop,
        change: &Change,
        steps: &mut VecDeque<Step>,
    ) -> Result<(), Stop> {
        if visit.stands_in.is_some() {
            return Ok(());
        }
        let own = visit.link.product_id;
        let mut wanted = change.after.clone();
        let mut first = None;
        for _ in 0..LONGEST {
            let Some((holder, parent)) = self.holder(visit, change.field, &wanted).await? else { break };
            if holder.product_id == own {
                let Some(after) = stand_in(shop, change) else { return Ok(()) };
                visit.stands_in = Some(change.field);
                let change = Change { after, conflict: false, ..change.clone() };
                steps.push_front(Step::Update { side: Side::ESeries, changes: vec![change] });
                break;
            }
            let Some(next) = self.wanted_by(visit, &holder, parent.as_ref(), change.field).await? else {
                break;
            };
            if next.same(&wanted) {
                // It keeps it: two records that are to have the same.
                break;
            }
            first.get_or_insert(holder.product_id);
            wanted = next;
        }
        if let Some(first) = first {
            let now = self.clock.now();
            let mut db = self.store.begin().await?;
            dirty::mark(&mut db, visit.link.connection_id, &[first], Asker::Other, now, now).await?;
            db.commit().await?;
        }
        Ok(())
    }

    /// Who has this value on E-Series.
    async fn holder(
        &self,
        visit: &Visit<'_>,
        field: Field,
        value: &Value,
    ) -> Result<Option<(Link, Option<Parent>)>, Stop> {
        let mut db = self.store.begin().await?;
        let (connection, parent) = (visit.link.connection_id, visit.link.parent_id);
        let known = match (field, value, parent) {
            (Field::Sku, Value::Text(sku), _) => links::with_sku_online(&mut db, connection, sku).await?,
            (Field::OptionValues, _, Some(parent)) => links::of_parent(&mut db, connection, parent).await?,
            _ => Vec::new(),
        };
        let has = |link: &Link| {
            link.e_product_id.is_some()
                && link.shadow.e_series.get(field).is_some_and(|shown| shown.same(value))
        };
        let Some(holder) = known.into_iter().find(has) else { return Ok(None) };
        let parents = links::parents(&mut db, connection, &[holder.product_id]).await?;
        let parent = parents.into_values().next();
        Ok(Some((holder, parent)))
    }

    /// What the shop has for another record.
    async fn wanted_by(
        &self,
        visit: &Visit<'_>,
        holder: &Link,
        parent: Option<&Parent>,
        field: Field,
    ) -> Result<Option<Value>, Stop> {
        let Some(item_id) = holder.r_item_id else { return Ok(None) };
        match visit.account.r.item(item_id).await {
            Ok(item) if !item.archived => {
                let reading = Reading::of(visit.account, holder, parent);
                Ok(InShop::Item(Box::new(item)).facts(&reading).get(field).cloned())
            }
            Ok(_) | Err(CallError::Gone { .. }) => Ok(None),
            Err(error) => Err(self.stop(Side::RSeries, error)),
        }
    }

    /// Visits those that wait for what this product had on E-Series and has no more.
    pub(super) async fn now_free(&self, visit: &Visit<'_>, field: Field, value: &Value) -> Result<(), Stop> {
        let Some((_, code)) = TAKEN.iter().find(|(of, _)| *of == field) else { return Ok(()) };
        let code = code.to_ascii_lowercase();
        let now = self.clock.now();
        let (connection, own) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        let mut waiting = match (value, visit.link.parent_id) {
            (Value::Text(sku), _) => {
                dirty::unpark_twins(&mut db, connection, &[SKU_TAKEN], sku, now).await?;
                links::held_with_sku(&mut db, connection, &code, sku).await?
            }
            // What else is called so, is so below the same product.
            (_, Some(parent)) => {
                let siblings = links::of_parent(&mut db, connection, parent).await?;
                let held = |link: &&Link| link.holds.get(&field).is_some_and(|hold| hold.code == code);
                siblings.iter().filter(held).map(|link| link.product_id).collect()
            }
            _ => Vec::new(),
        };
        waiting.retain(|product| *product != own);
        dirty::mark(&mut db, connection, &waiting, Asker::Other, now, now).await?;
        db.commit().await?;
        Ok(())
    }
}

/// What a record is called for a moment: its system SKU, which nobody else has.
fn stand_in(shop: &InShop, change: &Change) -> Option<Value> {
    let system_sku = shop.item()?.system_sku.trim();
    if system_sku.is_empty() {
        return None;
    }
    match &change.before {
        Value::Text(_) => Some(Value::Text(system_sku.to_owned())),
        Value::List(values) => {
            let mut values = values.clone();
            let value = values.iter_mut().rev().find(|value| !value.trim().is_empty())?;
            *value = format!("{} ({system_sku})", value.trim());
            Some(Value::List(values))
        }
        _ => None,
    }
}
