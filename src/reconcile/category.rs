//! The category of a product, as far as its visit is concerned: it follows the shop's tree, and never runs ahead of it.

use serde_json::{Map, Value as Json};

use super::sight::{InShop, Online};
use super::{Corridor, Stop, Visit};
use crate::catalog::{Facts, Field, Place, Side, Tree, Value};
use crate::decide::plan::Change;
use crate::decide::{Plan, Shadow, Step};
use crate::mapping::category::{self, NOT_THERE_YET, Ready};
use crate::platforms::CallError;
use crate::store::{categories, trees};

/// The shadow as it counts. Where the category in which E-Series showed the product is not there any more, the product
/// is in none because of that, and not because somebody took it out: that is no news of E-Series, and the shop's
/// category is carried again.
pub(super) fn as_it_counts(shadow: &Shadow, e: &Facts, tree: &Tree) -> Shadow {
    let mut shadow = shadow.clone();
    let was = place(&shadow.e_series).and_then(|place| Some((place.id, place.online?)));
    let out = place(e).is_some_and(Place::is_none);
    let lost = was.is_some_and(|(id, online)| tree.shelf(id).is_some_and(|it| it.online != Some(online)));
    if out && lost {
        shadow.e_series.set(Field::Category, Value::Place(Place::none()));
        shadow.r_series.forget(Field::Category);
    }
    shadow
}

impl Corridor {
    /// Before a category of E-Series is carried to the shop: is it sure that a person put the product there, or took
    /// it out? A category that was deleted on E-Series takes its products out without anybody wanting that.
    pub(super) async fn sure_of_category(
        &self,
        visit: &Visit<'_>,
        plan: &Plan,
        shop: &InShop,
        online: &Online,
    ) -> Result<(), Stop> {
        self.ask_for_category(visit, plan, shop).await?;
        let to_shop = |step: &Step| match step {
            Step::Update { side: Side::RSeries, changes } => {
                changes.iter().any(|change| change.field == Field::Category)
            }
            _ => false,
        };
        if !plan.steps.iter().any(to_shop) {
            return Ok(());
        }
        let connection = visit.link.connection_id;
        let mut db = self.store.begin().await?;
        let fresh = categories::tree(&mut db, connection).await?;
        drop(db);
        let now = &online.product.category_ids;
        let was = place(&visit.link.shadow.e_series).and_then(|place| place.online);
        let same = now.iter().chain(&was).all(|id| fresh.of_online(*id) == visit.account.tree.of_online(*id));
        if !same {
            let why = "the tree of categories has changed meanwhile".into();
            return Err(Stop::Later { until: self.clock.now(), why, failed: false });
        }
        // One of which the tree knows already that it is gone takes nobody along any more.
        let stands = |was: &i64| !now.contains(was) && fresh.of_online(*was).is_some();
        let Some(was) = was.filter(stands) else { return Ok(()) };
        match visit.account.e.category(was).await {
            Ok(_) => Ok(()),
            Err(CallError::Gone { why }) => {
                self.call_for_tree(visit, 0, true).await?;
                Err(Stop::Later { until: self.in_seconds(2), why, failed: true })
            }
            Err(error) => Err(self.stop(Side::ESeries, error)),
        }
    }

    /// Has the tree looked at when the product's category is not known there; once, when that is found.
    async fn ask_for_category(&self, visit: &Visit<'_>, plan: &Plan, shop: &InShop) -> Result<(), Stop> {
        let hold = plan.holds.iter().find(|(field, _)| *field == Field::Category).map(|(_, hold)| hold);
        let Some(hold) = hold.filter(|hold| hold.code == NOT_THERE_YET) else { return Ok(()) };
        if visit.link.holds.get(&Field::Category) == Some(hold) {
            return Ok(());
        }
        let facts = shop.facts(&visit.reading());
        self.call_for_tree(visit, place(&facts).map(|place| place.id).unwrap_or_default(), true).await
    }

    /// What a new product is created from: its category is on E-Series, or will be soon, and then it waits; where the
    /// category is held, the product does not wait, and follows later.
    pub(super) async fn with_place(&self, visit: &Visit<'_>, facts: &Facts) -> Result<Facts, Stop> {
        let tree = &visit.account.tree;
        let mut facts = facts.clone();
        match category::ready(&facts, tree) {
            Ready::Yes => {}
            Ready::Soon => {
                let id = place(&facts).map(|place| place.id).unwrap_or_default();
                // One that is known is being seen to, and comes back by itself.
                let urgent = tree.shelf(id).is_none();
                self.call_for_tree(visit, id, urgent).await?;
                let why = "its category is not on E-Series yet".into();
                let until = self.in_seconds(if urgent { 2 } else { 10 });
                return Err(Stop::Later { until, why, failed: false });
            }
            Ready::No => facts.forget(Field::Category),
        }
        Ok(facts)
    }

    /// A write came to nothing because something is gone: perhaps the category, and then the tree has to know.
    pub(super) async fn perhaps_category(
        &self,
        visit: &Visit<'_>,
        changes: &[Change],
        error: Option<&CallError>,
    ) -> Result<(), Stop> {
        if matches!(error, Some(CallError::Gone { .. }))
            && changes.iter().any(|change| change.field == Field::Category)
        {
            self.call_for_tree(visit, 0, true).await?;
        }
        Ok(())
    }

    /// Has the tree looked at, and this category with it.
    pub(super) async fn call_for_tree(
        &self,
        visit: &Visit<'_>,
        category_id: i64,
        urgent: bool,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let connection = visit.link.connection_id;
        let mut db = self.store.begin().await?;
        if category_id > 0 {
            categories::home(&mut db, connection, category_id, now).await?;
        }
        trees::mark(&mut db, connection, urgent, now).await?;
        db.commit().await?;
        Ok(())
    }
}

impl Visit<'_> {
    /// The categories that a new product is sent with: the shop's, and what it had online only when it was removed.
    pub(super) fn categories_of_new(&self, sent: &Facts, base: &Map<String, Json>) -> Option<Vec<i64>> {
        let none = Place::none();
        let place = place(sent).unwrap_or(&none);
        let had = base.get("categoryIds").and_then(Json::as_array);
        let had: Vec<i64> = had.into_iter().flatten().filter_map(Json::as_i64).collect();
        let ids = category::ids(place, &had, &self.account.tree);
        (!ids.is_empty() || !had.is_empty()).then_some(ids)
    }
}

fn place(facts: &Facts) -> Option<&Place> {
    match facts.get(Field::Category) {
        Some(Value::Place(place)) => Some(place),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Shelf, ShelfState};

    fn at(id: i64, online: Option<i64>) -> Facts {
        Facts::new().with(Field::Category, Value::Place(Place { id, path: vec!["x".into()], online }))
    }

    #[test]
    fn a_category_that_was_deleted_online_is_nobodys_edit() {
        let tree = |online: Option<i64>| {
            let shelf =
                Shelf { path: vec!["x".into()], online, state: ShelfState::InStep, gone: false, hold: None };
            Tree::new([(7, shelf)].into(), false)
        };
        let shadow = Shadow { r_series: at(7, Some(70)), e_series: at(7, Some(70)) };
        let lost = Shadow { r_series: Facts::new(), e_series: at(0, None) };
        assert_eq!(as_it_counts(&shadow, &at(0, None), &tree(Some(71))), lost, "created again");
        assert_eq!(as_it_counts(&shadow, &at(0, None), &tree(None)), lost, "not created again yet");
        assert_eq!(as_it_counts(&shadow, &at(0, None), &tree(Some(70))), shadow, "somebody took it out");
        assert_eq!(as_it_counts(&shadow, &at(8, Some(80)), &tree(Some(71))), shadow, "somebody moved it");
    }
}
