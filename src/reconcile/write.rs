//! Writing values to a record of whatever kind it is.

use super::sight::{InShop, Online, Reading, Sight, Sights};
use super::{Corridor, SEND_WITHIN, SETTLE, Stop, Visit};
use crate::act::{self, MatrixWrite, OptionsWrite, Reshaped};
use crate::catalog::{Facts, Field, Hold, Place, Side, Value};
use crate::clock::{Instant, after};
use crate::decide::observe::half_renamed;
use crate::decide::plan::Change;
use crate::ledger::Entry;
use crate::mapping;
use crate::mapping::reshape::reshapes;
use crate::planted::{Mistake, planted};
use crate::platforms::CallError;
use crate::platforms::eseries::wire::{Product, ProductWrite};
use crate::platforms::rseries::wire::{Item, ItemWrite, Matrix};

impl Corridor {
    /// Writes values on R-Series, and returns what it shows then.
    pub(super) async fn write_on_r(
        &self,
        visit: &Visit<'_>,
        (shop, online): (&InShop, Option<&Online>),
        changes: &[Change],
        by: Instant,
    ) -> Result<Facts, CallError> {
        let (r, reading) = (&visit.account.r, visit.reading());
        let values = changes.iter().map(|change| (change.field, &change.after));
        let saved = match shop {
            InShop::Item(item) if reading.variant => {
                let names = reading.names.as_ref();
                let write = mapping::rseries::variant_write(values, item, reading.context, names);
                let saved = act::update_on_r(r, item.id, &write, by).await?;
                InShop::Item(Box::new(if write.attributes.is_some() && saved.attributes.is_none() {
                    // The answer leaves out what was written (r-series-api.md, section 1.6): what it was before is not
                    // what is there now.
                    let now = r.item(item.id).await;
                    now.map_err(|error| CallError::Unclear { why: error.to_string() })?
                } else {
                    saved.with_relations_of(item)
                }))
            }
            InShop::Item(item) => {
                let write = mapping::rseries::write(values, reading.context);
                InShop::Item(Box::new(act::update_on_r(r, item.id, &write, by).await?))
            }
            InShop::Matrix { matrix, items } => {
                let options = changed_options(changes);
                let tied = reading.names.as_ref();
                let reshapes = options.is_some_and(|(shown, wanted)| reshapes(tied, wanted, shown));
                let reshaped = options.zip(online).filter(|_| reshapes).and_then(|((_, wanted), online)| {
                    let values =
                        mapping::reshape::on_r(&online.product, items, reading.context, (tied, wanted));
                    Some(Reshaped { names: wanted.to_vec(), values: values.ok()? })
                });
                if reshapes && reshaped.is_none() {
                    return Err(moved_on(by));
                }
                let renamed = if reshapes { Vec::new() } else { renamed_options(&reading, changes) };
                let ItemWrite { description, publish_to_ecom, category_id, .. } =
                    mapping::rseries::write(values, reading.context);
                let finishing = false;
                let write =
                    MatrixWrite { description, publish_to_ecom, category_id, renamed, reshaped, finishing };
                let (matrix, items) = act::update_matrix_on_r(r, matrix, items, &write, by).await?;
                InShop::Matrix { matrix, items }
            }
        };
        Ok(saved.facts(&reading))
    }

    /// Writes values on E-Series, and returns what it shows then.
    pub(super) async fn write_on_e(
        &self,
        visit: &Visit<'_>,
        (shop, online): (&InShop, &Online),
        changes: &[Change],
        by: Instant,
    ) -> Result<Facts, CallError> {
        let (e, reading) = (&visit.account.e, visit.reading());
        let values = changes.iter().map(|change| (change.field, &change.after));
        let saved = match &online.variation {
            Some(variation) => {
                let write = mapping::eseries::variation_write(values, reading.names.as_ref());
                let (product, variation) =
                    act::update_variation_on_e(e, &online.product, variation, &write, by).await?;
                Online { product, variation: Some(variation) }
            }
            None => {
                let id = online.product.id;
                let options = changed_options(changes);
                let tied = reading.names.as_ref();
                let reshapes = options.is_some_and(|(shown, wanted)| reshapes(tied, wanted, shown));
                let renamed = if reshapes { Vec::new() } else { renamed_options(&reading, changes) };
                let mut write = mapping::eseries::write(values);
                let now = &online.product.category_ids;
                let now: &[i64] = if planted(Mistake::OwnCategoriesDropped) { &[] } else { now };
                write.category_ids =
                    wanted_place(changes).map(|place| mapping::category::ids(place, now, reading.tree));
                let mut saved = None;
                let options = match (reshapes, options, shop) {
                    (true, Some(options), InShop::Matrix { matrix, items }) => {
                        let write = reshape_on_e(visit, &online.product, (matrix, items), options);
                        Some(write.map_err(|_| moved_on(by))?)
                    }
                    _ => (!renamed.is_empty()).then_some(OptionsWrite::Rename(renamed)),
                };
                if let Some(options) = options {
                    saved = Some(act::write_options_on_e(e, id, &options, by).await?);
                }
                if write != ProductWrite::default() {
                    saved = Some(act::update_on_e(e, id, &write, by).await?);
                }
                Online::whole(saved.unwrap_or_else(|| online.product.clone()))
            }
        };
        Ok(saved.facts(&reading))
    }

    /// A change of the options that broke off is brought to its end before anything is merged: half of it would be taken
    /// for somebody's edit. What the side shows then, if something was left to do.
    ///
    /// On R-Series the matrix shows the new names before all of its items have them, and an item with other attributes
    /// than its matrix shows nothing. On E-Series both the names of before and those of after are there until the end.
    pub(super) async fn finish_options(
        &self,
        visit: &Visit<'_>,
        intent: &Entry,
        (before, after_write, now): (&Value, &Value, &Value),
        sights: &Sights,
    ) -> Result<Option<Value>, Stop> {
        let (was, wanted) = (before.list().unwrap_or_default(), after_write.list().unwrap_or_default());
        let reading = visit.reading();
        let tied = reading.names.as_ref();
        let renamed = (!reshapes(tied, wanted, was)).then(|| mapping::options::changes(was, wanted));
        match (intent.side, &sights.r, &sights.e) {
            (Some(Side::RSeries), Sight::Here(InShop::Matrix { matrix, items }), _)
                if now.same(after_write) =>
            {
                let set = matrix.set.as_ref().map(|set| set.id);
                let lags = |item: &Item| {
                    let of = item.attributes.as_ref().map(|attributes| attributes.set_id);
                    !item.archived && of.is_some() && of != set
                };
                if !items.iter().any(lags) {
                    return Ok(None);
                }
                self.give_time(intent, SETTLE)?;
                let mut write = MatrixWrite { finishing: true, ..MatrixWrite::default() };
                if let Some(renamed) = renamed {
                    write.renamed = renamed;
                } else if let Sight::Here(online) = &sights.e {
                    let context = &visit.account.context;
                    let values = mapping::reshape::on_r(&online.product, items, context, (tied, wanted));
                    write.reshaped = values.ok().map(|values| Reshaped { names: wanted.to_vec(), values });
                }
                let by = after(self.clock.now(), SEND_WITHIN);
                let done = act::update_matrix_on_r(&visit.account.r, matrix, items, &write, by).await;
                done.map_err(|error| self.not_finished(Side::RSeries, error))?;
                Ok(None)
            }
            (Some(Side::ESeries), shop, Sight::Here(online))
                if half_renamed(before, after_write, &named(&online.product)) =>
            {
                let write = match (renamed, shop) {
                    (Some(renamed), _) => OptionsWrite::Rename(renamed),
                    (None, Sight::Here(InShop::Matrix { matrix, items })) => {
                        let shop = (matrix, items.as_slice());
                        let Ok(write) = reshape_on_e(visit, &online.product, shop, (was, wanted)) else {
                            return Ok(None);
                        };
                        write
                    }
                    _ => return Ok(None),
                };
                self.give_time(intent, SETTLE)?;
                let by = after(self.clock.now(), SEND_WITHIN);
                let done = act::finish_options_on_e(&visit.account.e, online.product.id, &write, by).await;
                let product = done.map_err(|error| self.not_finished(Side::ESeries, error))?;
                Ok(Online::whole(product).facts(&visit.reading()).get(Field::Options).cloned())
            }
            _ => Ok(None),
        }
    }

    /// A flag or a category that went to a matrix and some of its items only is brought to the rest of them: the matrix
    /// shows it from the first one on (r-series-api.md, section 4.4: a matrix has no flag of its own).
    pub(super) async fn finish_items(
        &self,
        visit: &Visit<'_>,
        intent: &Entry,
        (field, wanted): (Field, &Value),
        sights: &Sights,
    ) -> Result<(), Stop> {
        let (Some(Side::RSeries), Sight::Here(InShop::Matrix { matrix, items })) = (intent.side, &sights.r)
        else {
            return Ok(());
        };
        let values = std::iter::once((field, wanted));
        let ItemWrite { publish_to_ecom, category_id, .. } =
            mapping::rseries::write(values, &visit.account.context);
        let lags = |item: &Item| {
            let flag = publish_to_ecom.is_some_and(|flag| flag != item.publish_to_ecom);
            !item.archived && (flag || category_id.is_some_and(|id| id != item.category_id))
        };
        if !items.iter().any(lags) {
            return Ok(());
        }
        self.give_time(intent, SETTLE)?;
        let write = MatrixWrite { publish_to_ecom, category_id, finishing: true, ..MatrixWrite::default() };
        let by = after(self.clock.now(), SEND_WITHIN);
        let done = act::update_matrix_on_r(&visit.account.r, matrix, items, &write, by).await;
        done.map_err(|error| self.stop(Side::RSeries, error))?;
        Ok(())
    }

    /// What is left to do is refused: half of a change is nothing to go on from, so a person is asked.
    fn not_finished(&self, side: Side, error: CallError) -> Stop {
        match error {
            CallError::Refused { why, .. } => Stop::Park {
                code: "options_half_done",
                reason: format!(
                    "The options of this product were about to be changed on {side}; some of its variants have them, \
                     and {side} refuses the rest: {why}. Give its variants the options of the other side, and retry."
                ),
            },
            error => self.stop(side, error),
        }
    }
}

/// What the options of a product are called, those too that no variation uses (any more, or yet).
fn named(product: &Product) -> Value {
    Value::List(product.options.iter().map(|option| option.name.clone()).collect())
}

/// What other options, more or fewer of them, come to on E-Series.
fn reshape_on_e(
    visit: &Visit<'_>,
    product: &Product,
    shop: (&Matrix, &[Item]),
    (shown, wanted): (&[String], &[String]),
) -> Result<OptionsWrite, Hold> {
    let tied = visit.reading().names;
    let values = mapping::reshape::on_e(product, shop, &visit.account.context, (tied.as_ref(), wanted))?;
    let stays = |name: &&String| wanted.iter().any(|it| it.trim() == name.trim());
    let dropped = shown.iter().filter(|name| !stays(name)).cloned().collect();
    Ok(OptionsWrite::Reshape { wanted: wanted.to_vec(), values, dropped })
}

pub(super) fn written(side: Side, what: &'static str) {
    metrics::counter!("concord_writes_total", "side" => side.as_str(), "what" => what).increment(1);
}

/// Where the product is to be, if that is among the changes.
fn wanted_place(changes: &[Change]) -> Option<&Place> {
    changes.iter().find_map(|change| match &change.after {
        Value::Place(place) => Some(place),
        _ => None,
    })
}

/// What options are called, and what they are to be called, if that is among the changes.
fn changed_options(changes: &[Change]) -> Option<(&[String], &[String])> {
    changes.iter().find_map(|change| match (change.field, &change.before, &change.after) {
        (Field::Options, Value::List(shown), Value::List(wanted)) => {
            Some((shown.as_slice(), wanted.as_slice()))
        }
        _ => None,
    })
}

/// Which options are to be called otherwise: from what the side calls them now, which may be news of that side.
fn renamed_options(reading: &Reading<'_>, changes: &[Change]) -> Vec<(String, String)> {
    let options = changes.iter().find(|change| change.field == Field::Options);
    match options.map(|change| (&change.before, &change.after)) {
        Some((Value::List(shown), Value::List(wanted))) if reading.names.is_some() => {
            mapping::options::changes(shown, wanted)
        }
        _ => Vec::new(),
    }
}

/// What was planned does not fit what is there any more.
fn moved_on(by: Instant) -> CallError {
    CallError::Later {
        until: by,
        why: "the variants changed while their options were about to be written".into(),
    }
}
