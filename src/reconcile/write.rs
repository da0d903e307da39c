//! Writing values to a record of whatever kind it is.

use super::sight::{InShop, Online};
use super::{Corridor, Visit};
use crate::act::{self, MatrixWrite};
use crate::catalog::{Facts, Field, Place, Side, Value};
use crate::clock::Instant;
use crate::decide::plan::Change;
use crate::mapping;
use crate::platforms::CallError;
use crate::platforms::eseries::wire::ProductWrite;
use crate::platforms::rseries::wire::ItemWrite;

impl Corridor {
    /// Writes values on R-Series, and returns what it shows then.
    pub(super) async fn write_on_r(
        &self,
        visit: &Visit<'_>,
        shop: &InShop,
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
                let renamed = match (&reading.names, wanted_options(changes)) {
                    (Some(names), Some(wanted)) => mapping::options::changes(&names.r_series, wanted),
                    _ => Vec::new(),
                };
                let ItemWrite { description, publish_to_ecom, category_id, .. } =
                    mapping::rseries::write(values, reading.context);
                let write = MatrixWrite { description, publish_to_ecom, category_id, renamed };
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
        online: &Online,
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
                let renamed = match (&reading.names, wanted_options(changes)) {
                    (Some(names), Some(wanted)) => mapping::options::changes(&names.e_series, wanted),
                    _ => Vec::new(),
                };
                let mut write = mapping::eseries::write(values);
                write.category_ids = wanted_place(changes)
                    .map(|place| mapping::category::ids(place, &online.product.category_ids, reading.tree));
                let mut saved = None;
                if !renamed.is_empty() {
                    saved = Some(act::rename_options_on_e(e, id, &renamed, by).await?);
                }
                if write != ProductWrite::default() {
                    saved = Some(act::update_on_e(e, id, &write, by).await?);
                }
                Online::whole(saved.unwrap_or_else(|| online.product.clone()))
            }
        };
        Ok(saved.facts(&reading))
    }
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

/// What options are to be called, if that is among the changes.
fn wanted_options(changes: &[Change]) -> Option<&[String]> {
    changes.iter().find_map(|change| match (change.field, &change.after) {
        (Field::Options, Value::List(names)) => Some(names.as_slice()),
        _ => None,
    })
}
