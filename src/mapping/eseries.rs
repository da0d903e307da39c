//! E-Series' product ↔ our facts.

use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};

use super::OptionNames;
use super::options::align;
use crate::catalog::{Facts, Field, Hold, Money, Stock, Value};
use crate::platforms::eseries::wire::{Product, ProductWrite, Variation, VariationWrite};

/// What a product says.
#[must_use]
pub fn facts(product: &Product) -> Facts {
    Facts::new()
        .with(Field::Name, Value::Text(product.name.clone()))
        .with(Field::Sku, Value::Text(product.sku.clone()))
        .with(Field::Price, Value::Money(product.price))
        .with(Field::Enabled, Value::Flag(product.enabled))
        .with(Field::Stock, Value::Stock(product.stock))
}

/// What a product with variations says. Its own SKU, price and stock are not those of anything that is sold, and
/// are left alone.
#[must_use]
pub fn whole_facts(product: &Product, names: Option<&OptionNames>) -> Facts {
    let mut facts = Facts::new()
        .with(Field::Name, Value::Text(product.name.clone()))
        .with(Field::Enabled, Value::Flag(product.enabled));
    // Options without a variation (texts, dates, files, wrappings) exist only online.
    let varied = |name: &str| product.variations.iter().any(|variation| variation.value(name).is_some());
    let used = product.options.iter().map(|option| option.name.trim()).filter(|name| varied(name));
    let used: Vec<String> = used.map(str::to_owned).collect();
    if !used.is_empty() {
        facts.set(Field::Options, Value::List(align(&used, names.map(|names| names.e_series.as_slice()))));
    }
    facts
}

/// What a variation says. One without a SKU of its own has no stock of its own (e-series-api.md, section 5.4), and
/// the values of options that have not been tied yet mean nothing.
#[must_use]
pub fn variation_facts(product: &Product, variation: &Variation, names: Option<&OptionNames>) -> Facts {
    let mut facts = Facts::new()
        .with(Field::Sku, Value::Text(variation.sku.clone().unwrap_or_default()))
        .with(Field::Price, Value::Money(variation_price(product, variation)));
    if variation.sku.is_some() {
        facts.set(Field::Stock, Value::Stock(variation.stock));
    }
    // An option more or less is for the whole product to follow; until then the values mean nothing.
    let uses = |name: &String| product.variations.iter().any(|variation| variation.value(name).is_some());
    let known = |names: &&OptionNames| {
        variation.options.iter().all(|(name, _)| names.has_on_e(name)) && names.e_series.iter().all(uses)
    };
    if let Some(names) = names.filter(known) {
        let value = |name: &String| variation.value(name).unwrap_or_default().to_owned();
        facts.set(Field::OptionValues, Value::List(names.e_series.iter().map(value).collect()));
    }
    facts
}

/// Its own price; else the product's with the modifiers of its choices, percentages being taken of the product's
/// price (e-series-api.md, section 4.3).
fn variation_price(product: &Product, variation: &Variation) -> Money {
    if let Some(price) = variation.price {
        return price;
    }
    let base = product.price.amount();
    let chosen = variation.options.iter().filter_map(|(name, value)| {
        let option = product.options.iter().find(|option| option.name.trim() == name.trim())?;
        option.choices.iter().find(|choice| choice.text.trim() == value.trim())
    });
    let added = chosen.filter_map(|choice| {
        let modifier = choice.modifier.amount();
        if choice.percent {
            base.checked_mul(modifier)?.checked_div(Decimal::ONE_HUNDRED)
        } else {
            Some(modifier)
        }
    });
    added.fold(base, |sum, added| sum.checked_add(added).unwrap_or(sum)).into()
}

/// What has to be written so that a variation says these values.
#[must_use]
pub fn variation_write<'a>(
    values: impl Iterator<Item = (Field, &'a Value)>,
    names: Option<&OptionNames>,
) -> VariationWrite {
    let mut write = VariationWrite::default();
    for (field, value) in values {
        match (field, value, names) {
            (Field::Sku, Value::Text(text), _) => write.sku = Some(text.clone()),
            (Field::Price, Value::Money(price), _) => write.price = Some(*price),
            (Field::Stock, Value::Stock(stock), _) => write.stock = Some(*stock),
            (Field::OptionValues, Value::List(values), Some(names)) => {
                let pairs = names.e_series.iter().cloned().zip(values.iter().cloned());
                write.options = Some(pairs.filter(|(_, value)| !value.trim().is_empty()).collect());
            }
            _ => {}
        }
    }
    write
}

/// What a product with variants is created with: nothing of itself can be bought. `variants` are created along with
/// it: marker and values of each, and what comes back of it; its options have just the choices that these need.
#[must_use]
pub fn whole_write<'a>(
    values: &Facts,
    matrix_id: i64,
    names: Option<&OptionNames>,
    variants: impl Iterator<Item = (&'a str, &'a Facts, &'a Map<String, Json>)>,
) -> ProductWrite {
    let mut write = write(values.iter());
    write.sku = Some(format!("MATRIX-{matrix_id}"));
    write.stock = Some(Stock::Tracked(0));
    for (marker, values, base) in variants {
        let mut variation = variation_write(values.iter(), names);
        variation.external_reference_id = Some(marker.to_owned());
        variation.base.clone_from(base);
        for (name, value) in variation.options.iter().flatten() {
            match write.options.iter_mut().find(|(known, _)| known == name) {
                Some((_, choices)) if choices.contains(value) => {}
                Some((_, choices)) => choices.push(value.clone()),
                None => write.options.push((name.clone(), vec![value.clone()])),
            }
        }
        write.variations.push(variation);
    }
    write
}

/// What has to be written so that the product says these values. Stock is taken only for a creation;
/// afterwards it is added to, never replaced.
#[must_use]
pub fn write<'a>(values: impl Iterator<Item = (Field, &'a Value)>) -> ProductWrite {
    let mut write = ProductWrite::default();
    for (field, value) in values {
        match (field, value) {
            (Field::Name, Value::Text(text)) => write.name = Some(text.clone()),
            (Field::Sku, Value::Text(text)) => write.sku = Some(text.clone()),
            (Field::Price, Value::Money(price)) => write.price = Some(*price),
            (Field::Enabled, Value::Flag(flag)) => write.enabled = Some(*flag),
            (Field::Stock, Value::Stock(stock)) => write.stock = Some(*stock),
            _ => {}
        }
    }
    write
}

/// Why the product cannot say this value, if it cannot.
#[must_use]
pub fn refuses(names: Option<&OptionNames>, field: Field, value: &Value) -> Option<Hold> {
    match (field, value) {
        (Field::Name, Value::Text(text)) if text.trim().is_empty() => {
            Some(Hold::new("name_empty", "E-Series needs a name. Give the item a description on R-Series."))
        }
        (Field::Sku, Value::Text(text)) if text.trim().is_empty() => Some(Hold::new(
            "sku_empty",
            "The item has no SKU on R-Series. E-Series would number the product by itself, so the one it has stays. Give \
             the item its SKU.",
        )),
        (Field::OptionValues, Value::List(values)) if values.iter().all(|value| value.trim().is_empty()) => {
            Some(Hold::new(
                "option_values_empty",
                "The variant has no attributes on R-Series, and E-Series needs at least one. Give it its \
                 attributes, or take it out of the matrix.",
            ))
        }
        (Field::Options, Value::List(wanted)) => super::options::refused(names, wanted),
        _ => None,
    }
}

/// The marker that ties a product to its matrix.
#[must_use]
pub fn matrix_marker(matrix_id: i64) -> String {
    format!("{MATRIX}{matrix_id}")
}

/// The marker that ties a variation to its item. Not that of a product: an item that was sold by itself before it
/// became a variant may still have one.
#[must_use]
pub fn variation_marker(item_id: i64) -> String {
    format!("{VARIATION}{item_id}")
}

/// Did we create the variation that carries this?
#[must_use]
pub fn is_variation_marker(reference: &str) -> bool {
    reference.starts_with(VARIATION)
}

/// What one of our markers ties to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marked {
    /// An item.
    Item(i64),
    /// A matrix.
    Matrix(i64),
}

/// What the marker of a product ties it to, if it is one of ours.
#[must_use]
pub fn marked(reference: &str) -> Option<Marked> {
    match reference.strip_prefix(MATRIX) {
        Some(id) => id.parse().ok().map(Marked::Matrix),
        None => reference.strip_prefix(ITEM)?.parse().ok().map(Marked::Item),
    }
}

const ITEM: &str = "concord-r-";
const MATRIX: &str = "concord-r-matrix-";
const VARIATION: &str = "concord-r-variant-";

/// The marker that ties a product to its item: goes into `externalReferenceId`, which is unique in a
/// store (e-series-api.md, sections 2.2 and 4.2).
#[must_use]
pub fn marker(item_id: i64) -> String {
    format!("{ITEM}{item_id}")
}
