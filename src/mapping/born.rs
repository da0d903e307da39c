//! A product born on E-Series, as R-Series can have it.

use std::collections::BTreeSet;

use super::{Context, OptionNames, SkuSource};
use crate::catalog::{Facts, Field, Hold, Money, Stock, Value};
use crate::platforms::eseries::wire::{Product, Variation};
use crate::platforms::rseries::wire::{AttributeSet, Item, ItemCreate, Matrix, MatrixCreate, NOT_COUNTED};

/// Attributes that a matrix has at most (r-series-api.md, section 4.4).
const MOST_OPTIONS: usize = 3;

/// The price level of the shop, which always exists (r-series-api.md, section 4.2).
const DEFAULT_LEVEL: i64 = 1;

/// A description shorter than this is not one that the platform has cut (section 4.1 assumes 255).
const SHORTEST_CUT: usize = 64;

/// What a product becomes on R-Series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// An item.
    Item,
    /// A matrix whose attributes are these options; its variations become items.
    Matrix(Vec<String>),
}

/// What this product becomes on R-Series, or why it has to stay on the web alone.
pub fn shape(product: &Product) -> Result<Shape, Hold> {
    if product.name.trim().is_empty() {
        return Err(Hold::new("name_empty", "R-Series needs a name. Give the product one."));
    }
    if product.variations.is_empty() {
        let Some(option) = product.options.first() else { return Ok(Shape::Item) };
        return Err(if product.options.iter().any(|option| !option.choices.is_empty()) {
            Hold::new(
                "options_without_variations",
                format!(
                    "The product has the option “{}” but no variations, so nothing says what each choice is called, \
                     costs and has in stock. It stays on E-Series alone: give it variations, or remove its options.",
                    option.name
                ),
            )
        } else {
            Hold::new(
                "options_online_only",
                format!(
                    "The product asks for “{}”, and R-Series has nothing to keep what buyers write, date or upload. \
                     It stays on E-Series alone, unless that option is removed.",
                    option.name
                ),
            )
        });
    }
    let varied = |name: &str| product.variations.iter().any(|variation| variation.value(name).is_some());
    let modifies = |option: &&crate::platforms::eseries::wire::ProductOption| {
        !varied(&option.name) && option.choices.iter().any(|choice| choice.modifier != Money::ZERO)
    };
    if let Some(option) = product.options.iter().find(modifies) {
        return Err(Hold::new(
            "price_modifiers",
            format!(
                "The choices of “{}” change the price, but there are no variations for them, and R-Series has one \
                 price for each item. It stays on E-Series alone: make variations of that option, or remove its price \
                 changes.",
                option.name
            ),
        ));
    }
    let options: Vec<String> = product
        .options
        .iter()
        .map(|option| option.name.trim().to_owned())
        .filter(|name| varied(name))
        .collect();
    if options.len() > MOST_OPTIONS {
        return Err(Hold::new(
            "too_many_options",
            format!(
                "The variations differ in {} options ({}), and a matrix of R-Series has at most {MOST_OPTIONS} \
                 attributes. It stays on E-Series alone: join or remove options.",
                options.len(),
                options.join(", ")
            ),
        ));
    }
    let mut names = BTreeSet::new();
    if options.is_empty() || !options.iter().all(|name| !name.is_empty() && names.insert(name.to_lowercase()))
    {
        return Err(Hold::new(
            "options_unclear",
            "Options of the product have no name, or the same one, so their values cannot be told apart. Give each \
             option its own name.",
        ));
    }
    let mut taken = BTreeSet::new();
    for variation in &product.variations {
        if let Some(hold) = lacks(variation) {
            return Err(hold);
        }
        let values: Vec<&str> =
            options.iter().map(|name| variation.value(name).unwrap_or_default().trim()).collect();
        if values.iter().all(|value| value.is_empty()) || !taken.insert(values) {
            return Err(Hold::new(
                "variations_unclear",
                format!(
                    "The variation {} has no option values, or those of another one. Give each variation its own.",
                    variation.sku.as_deref().unwrap_or_default()
                ),
            ));
        }
    }
    Ok(Shape::Matrix(options))
}

/// Why this variation cannot become an item, if it cannot.
#[must_use]
pub fn lacks(variation: &Variation) -> Option<Hold> {
    variation.sku.is_none().then(|| {
        let values: Vec<&str> = variation.options.iter().map(|(_, value)| value.as_str()).collect();
        Hold::new(
            "variation_without_sku",
            format!(
                "The variation {} has no SKU of its own and shares the stock of its product, so nothing says how many \
                 pieces of it there are. Give each variation a SKU.",
                values.join(" / ")
            ),
        )
    })
}

/// The field of an item that keeps the SKU. Where the system SKU is the SKU, the web's is kept as the merchant's own: it
/// tells which item was made of which product.
#[must_use]
pub fn sku_field(source: SkuSource) -> &'static str {
    match source {
        SkuSource::ManufacturerSku => "manufacturerSku",
        SkuSource::CustomSku | SkuSource::SystemSku => "customSku",
    }
}

/// What that field says.
#[must_use]
pub fn kept_sku(item: &Item, source: SkuSource) -> &str {
    match source {
        SkuSource::ManufacturerSku => &item.manufacturer_sku,
        SkuSource::CustomSku | SkuSource::SystemSku => &item.custom_sku,
    }
}

/// What an item is created with.
///
/// The web price goes to `Online`, as ever, and to `Default` as well: the shop has not given the item a price yet, and at
/// the till it would cost nothing. From then on `Default` is the shop's alone. The pieces go to the primary shop.
#[must_use]
pub fn item(facts: &Facts, context: &Context) -> ItemCreate {
    let mut fields = super::rseries::write(facts.iter(), context);
    let sku = facts.sku().trim();
    if !sku.is_empty() {
        match context.sku_source {
            SkuSource::ManufacturerSku => fields.manufacturer_sku = Some(sku.to_owned()),
            SkuSource::CustomSku | SkuSource::SystemSku => fields.custom_sku = Some(sku.to_owned()),
        }
    }
    fields.price = None;
    fields.qoh = facts.stock().and_then(Stock::tracked).map(|count| (context.primary_shop_id, count));
    let item_type = (facts.stock() == Some(Stock::Unlimited)).then_some(NOT_COUNTED);
    ItemCreate { fields, prices: prices(facts, context), item_type, matrix_id: None }
}

/// What the item of a variation is created with: named by the convention of R-Series (section 4.4).
#[must_use]
pub fn variant(facts: &Facts, published: bool, home: &Home<'_>, context: &Context) -> Option<ItemCreate> {
    let values = facts.list(Field::OptionValues)?;
    let attributes = home.set.names.each_ref().map(|place| {
        let mut pairs = home.names.r_series.iter().zip(values);
        let pair = pairs.find(|(name, _)| name.trim() == place.trim() && !place.trim().is_empty());
        pair.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    });
    let mut create = item(facts, context);
    create.fields.description = Some(variant_name(&home.matrix.description, &attributes));
    create.fields.publish_to_ecom = Some(published);
    create.fields.attributes = Some(attributes);
    create.fields.attribute_set_id = Some(home.set.id);
    create.matrix_id = Some(home.matrix.id);
    Some(create)
}

/// Where a new variant belongs.
#[derive(Debug, Clone, Copy)]
pub struct Home<'a> {
    /// The matrix.
    pub matrix: &'a Matrix,
    /// Its attribute set.
    pub set: &'a AttributeSet,
    /// How its options are called on both sides.
    pub names: &'a OptionNames,
}

/// The naming convention of variants: single spaces, empty values are left out (r-series-api.md, section 4.4).
#[must_use]
pub fn variant_name(matrix: &str, attributes: &[String; 3]) -> String {
    let parts = std::iter::once(matrix.trim()).chain(attributes.iter().map(String::as_str));
    parts.filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// What a matrix is created with. Its prices are what a variant begins with that is added in the shop.
#[must_use]
pub fn matrix(product: &Product, context: &Context) -> MatrixCreate {
    let facts = Facts::new().with(Field::Price, Value::Money(product.price));
    MatrixCreate { description: product.name.clone(), prices: prices(&facts, context) }
}

fn prices(facts: &Facts, context: &Context) -> Vec<(i64, Money)> {
    let Some(Value::Money(price)) = facts.get(Field::Price) else { return Vec::new() };
    let levels = std::iter::once(DEFAULT_LEVEL).chain(context.online_level);
    levels.map(|level| (level, *price)).collect()
}

/// Is this what the platform may have made of a name? It may trim it, or cut it off without a word (section 4.1).
#[must_use]
pub fn may_be_called(shown: &str, sent: &str) -> bool {
    let (shown, sent) = (shown.trim(), sent.trim());
    shown == sent || (shown.chars().count() >= SHORTEST_CUT && sent.starts_with(shown))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn product(options: &serde_json::Value, variations: &serde_json::Value) -> Product {
        Product::read(
            &json!({"id": 1, "name": "Tee", "price": 20, "options": options, "combinations": variations}),
        )
        .unwrap()
    }

    fn code(options: &serde_json::Value, variations: &serde_json::Value) -> String {
        shape(&product(options, variations)).unwrap_err().code
    }

    #[test]
    fn what_r_series_cannot_have_stays_online_with_the_reason() {
        let select = |name: &str| json!({"type": "SELECT", "name": name, "choices": [{"text": "A"}]});
        assert_eq!(shape(&product(&json!([]), &json!([]))), Ok(Shape::Item));
        assert_eq!(
            code(&json!([{"type": "TEXTFIELD", "name": "Engraving"}]), &json!([])),
            "options_online_only"
        );
        assert_eq!(code(&json!([select("Size")]), &json!([])), "options_without_variations");
        let of = |names: &[&str], sku: &str| {
            let options: Vec<_> = names.iter().map(|name| json!({"name": name, "value": "A"})).collect();
            json!({"id": 7, "sku": sku, "options": options, "quantity": 1})
        };
        let four = ["A", "B", "C", "D"];
        assert_eq!(code(&json!(four.map(select)), &json!([of(&four, "S")])), "too_many_options");
        assert_eq!(code(&json!([select("A")]), &json!([of(&["A"], "")])), "variation_without_sku");
        let engraved =
            json!({"type": "RADIO", "name": "Gift box", "choices": [{"text": "Yes", "priceModifier": 3}]});
        assert_eq!(code(&json!([select("A"), engraved]), &json!([of(&["A"], "S")])), "price_modifiers");
        let text = json!({"type": "TEXTFIELD", "name": "Print"});
        let shape = shape(&product(&json!([select("A"), text]), &json!([of(&["A"], "S")])));
        assert_eq!(shape, Ok(Shape::Matrix(vec!["A".into()])));
    }

    #[test]
    fn a_name_that_was_cut_is_the_same_name_and_a_short_one_is_not() {
        let long = "x".repeat(300);
        assert!(may_be_called(&"x".repeat(255), &long));
        assert!(!may_be_called("x", &long) && may_be_called(" Mug ", "Mug"));
    }

    #[test]
    fn the_place_of_a_value_is_that_of_its_name_in_the_set() {
        let set =
            AttributeSet { id: 2, archived: false, names: [String::new(), "Size".into(), String::new()] };
        let matrix = Matrix::read(&json!({"itemMatrixID": "9", "description": "Shoe"})).unwrap();
        let names = OptionNames::alike(&["Size".into()]);
        let home = Home { matrix: &matrix, set: &set, names: &names };
        let facts = Facts::new()
            .with(Field::OptionValues, Value::List(vec!["39".into()]))
            .with(Field::Price, Value::Money("80".parse().unwrap()))
            .with(Field::Stock, Value::Stock(Stock::Tracked(2)));
        let context = Context {
            shop_ids: vec![1],
            primary_shop_id: 1,
            online_level: Some(4),
            sku_source: SkuSource::CustomSku,
            whole_prices: false,
        };
        let create = variant(&facts, true, &home, &context).unwrap();
        assert_eq!(create.fields.attributes, Some([String::new(), "39".into(), String::new()]));
        assert_eq!(create.fields.description.as_deref(), Some("Shoe 39"));
        assert_eq!((create.prices.len(), create.fields.qoh), (2, Some((1, 2))));
    }
}
