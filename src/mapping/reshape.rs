//! Options that come or go: what each variant is then, by the values of its other half.
//!
//! A rename leaves every value where it is. An option more or less does not: the side that has the new options already
//! says which values they have, and every variant has to have a half there.

use std::collections::BTreeSet;

use super::{Context, OptionNames};
use crate::catalog::Hold;
use crate::platforms::eseries::wire::{Product, Variation};
use crate::platforms::rseries::wire::{Item, Matrix};

/// Attributes that a matrix has at most (r-series-api.md, section 4.4).
const MOST_ON_R: usize = 3;

/// Names of options, each with its value.
pub type Pairs = Vec<(String, String)>;

/// Are these options more or fewer than those that are tied?
#[must_use]
pub fn reshapes(names: Option<&OptionNames>, wanted: &[String]) -> bool {
    names.is_some_and(|names| names.r_series.len() != wanted.len())
}

/// Option names and values of each variation of the product, by the attributes of its item.
pub fn on_e(
    product: &Product,
    (matrix, items): (&Matrix, &[Item]),
    context: &Context,
    wanted: &[String],
) -> Result<Vec<(i64, Pairs)>, Hold> {
    distinct(wanted)?;
    let value = |item: &Item, name: &String| {
        let names = matrix.set.as_ref().map(|set| &set.names).into_iter().flatten();
        let values = item.attributes.as_ref().map(|attributes| &attributes.values).into_iter().flatten();
        let mut places = names.zip(values);
        let place = places.find(|(place, _)| place.trim() == name.trim());
        place.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let mut shaped = Vec::new();
    for variation in &product.variations {
        let mut live = items.iter().filter(|item| !item.archived);
        let Some(item) = live.find(|item| belong(item, variation, context)) else {
            return Err(alone(variation.sku.as_deref().unwrap_or("without a SKU"), "item on R-Series"));
        };
        let values: Vec<String> = wanted.iter().map(|name| value(item, name)).collect();
        shaped.push((variation.id, values));
    }
    told_apart(shaped.iter().map(|(_, values)| values))?;
    let pairs = |values: Vec<String>| {
        let pairs = wanted.iter().cloned().zip(values);
        pairs.filter(|(_, value)| !value.is_empty()).collect()
    };
    Ok(shaped.into_iter().map(|(id, values)| (id, pairs(values))).collect())
}

/// The values of each item of the matrix, by the options of its variation.
pub fn on_r(
    product: &Product,
    items: &[Item],
    context: &Context,
    wanted: &[String],
) -> Result<Vec<(i64, Vec<String>)>, Hold> {
    distinct(wanted)?;
    if wanted.len() > MOST_ON_R {
        return Err(Hold::new(
            "too_many_options",
            format!(
                "The product has {} options on E-Series ({}), and a matrix of R-Series has at most {MOST_ON_R} \
                 attributes. The attributes stay as they are: join or remove options.",
                wanted.len(),
                wanted.join(", ")
            ),
        ));
    }
    let mut shaped = Vec::new();
    for item in items.iter().filter(|item| !item.archived) {
        let mut variations = product.variations.iter();
        let Some(variation) = variations.find(|variation| belong(item, variation, context)) else {
            return Err(alone(&item.description, "variation on E-Series"));
        };
        let value = |name: &String| variation.value(name).unwrap_or_default().trim().to_owned();
        shaped.push((item.id, wanted.iter().map(value).collect::<Vec<_>>()));
    }
    told_apart(shaped.iter().map(|(_, values)| values))?;
    Ok(shaped)
}

/// Are these two the halves of one variant: by our marker, or by the SKU in which they are in step?
fn belong(item: &Item, variation: &Variation, context: &Context) -> bool {
    let marker = super::eseries::variation_marker(item.id);
    let facts = super::rseries::variant_facts(item, context, None);
    variation.external_reference_id.as_deref() == Some(&marker)
        || variation.sku.as_deref().map(str::trim) == Some(facts.sku().trim())
}

fn distinct(wanted: &[String]) -> Result<(), Hold> {
    let mut names = BTreeSet::new();
    if !wanted.is_empty() && wanted.iter().all(|name| !name.trim().is_empty() && names.insert(name.trim())) {
        return Ok(());
    }
    Err(Hold::new(
        "options_differ",
        "The options on the other side have no name, or the same one, so they cannot be told apart. Give each its own.",
    ))
}

fn alone(who: &str, what: &str) -> Hold {
    Hold::new(
        "options_differ",
        format!(
            "The product has other options on the other side, and the variant {who} has no {what} to say what its values \
             of them are. Create that one, or remove the variant; until then the options stay as they are."
        ),
    )
}

/// Each variant has to have a value, and values of its own.
fn told_apart<'a>(shaped: impl Iterator<Item = &'a Vec<String>>) -> Result<(), Hold> {
    let mut taken = BTreeSet::new();
    for values in shaped {
        if values.iter().all(String::is_empty) || !taken.insert(values) {
            return Err(Hold::new(
                "options_differ",
                format!(
                    "With the options of the other side, several variants would be the same (“{}”), or have no value at \
                     all. Remove those that are too many, or give each its own values; until then the options stay as \
                     they are.",
                    values.join(" / ")
                ),
            ));
        }
    }
    Ok(())
}

/// Names in the order of others, where they are the same ones: their order is no key.
#[must_use]
pub fn in_order_of(wanted: &[String], shown: &[String]) -> Vec<String> {
    let find = |name: &String| shown.iter().find(|shown| shown.trim() == name.trim()).cloned();
    let ordered: Vec<String> = wanted.iter().filter_map(find).collect();
    if ordered.len() == shown.len() && ordered.len() == wanted.len() { ordered } else { shown.to_vec() }
}
