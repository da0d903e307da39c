//! R-Series' item ↔ our facts.

use super::options::align;
use super::{Context, OptionNames, SkuSource};
use crate::catalog::{Facts, Field, Hold, Money, Side, Stock, Value};
use crate::platforms::rseries::wire::{Item, ItemWrite, Matrix};

/// The price level that always exists (r-series-api.md, section 4.2).
const DEFAULT_LEVEL: i64 = 1;

/// What an item says.
#[must_use]
pub fn facts(item: &Item, context: &Context) -> Facts {
    let mut facts = Facts::new()
        .with(Field::Name, Value::Text(item.description.clone()))
        .with(Field::Sku, Value::Text(sku(item, context.sku_source).to_owned()))
        .with(Field::Price, Value::Money(price(item, context)))
        .with(Field::Enabled, Value::Flag(item.publish_to_ecom));
    // Without the relation nothing is known of the stock, which is not the same as none.
    if let Some(stock) = stock(item, context) {
        facts.set(Field::Stock, Value::Stock(stock));
    }
    facts
}

/// What a matrix says. A matrix has no flag of its own: it is on the web as long as one of its items is.
#[must_use]
pub fn matrix_facts(matrix: &Matrix, items: &[Item], names: Option<&OptionNames>) -> Facts {
    let published = items.iter().any(|item| !item.archived && item.publish_to_ecom);
    let mut facts = Facts::new()
        .with(Field::Name, Value::Text(matrix.description.clone()))
        .with(Field::Enabled, Value::Flag(published));
    if let Some(set) = &matrix.set {
        let used: Vec<String> = set.used().map(str::to_owned).collect();
        facts.set(Field::Options, Value::List(align(&used, names.map(|names| names.r_series.as_slice()))));
    }
    facts
}

/// What an item says as a variant. Its flag is one of those that put its product on the web; a variation has none. A
/// variation needs a SKU of its own to have a stock of its own (e-series-api.md,
/// section 5.4): where the item has none, the system SKU stands in.
#[must_use]
pub fn variant_facts(item: &Item, context: &Context, names: Option<&OptionNames>) -> Facts {
    let sku = Some(sku(item, context.sku_source)).filter(|sku| !sku.trim().is_empty());
    let mut facts = Facts::new()
        .with(Field::Sku, Value::Text(sku.unwrap_or(&item.system_sku).to_owned()))
        .with(Field::Price, Value::Money(price(item, context)))
        .with(Field::Enabled, Value::Flag(item.publish_to_ecom));
    if let Some(stock) = stock(item, context) {
        facts.set(Field::Stock, Value::Stock(stock));
    }
    if let Some(values) = names.and_then(|names| option_values(item, names)) {
        facts.set(Field::OptionValues, Value::List(values));
    }
    facts
}

/// The item's value of each option, unless its attributes are called otherwise than the options that were tied.
fn option_values(item: &Item, names: &OptionNames) -> Option<Vec<String>> {
    let attributes = item.attributes.as_ref()?;
    let set = attributes.set.as_ref()?;
    // An attribute more or less is for the whole product to follow; until then the values mean nothing.
    let uses = |name: &String| set.used().any(|used| used == name.trim());
    if !set.used().all(|name| names.has_on_r(name)) || !names.r_series.iter().all(uses) {
        return None;
    }
    let value = |wanted: &String| {
        let pair = set.names.iter().zip(&attributes.values).find(|(name, _)| name.trim() == wanted.trim());
        pair.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    Some(names.r_series.iter().map(value).collect())
}

/// The attributes to write so that the item has these values.
fn attributes(item: &Item, names: &OptionNames, values: &[String]) -> Option<[String; 3]> {
    let set = item.attributes.as_ref()?.set.as_ref()?;
    let value = |position: &String| {
        let pair = names.r_series.iter().zip(values).find(|(name, _)| name.trim() == position.trim());
        pair.map(|(_, value)| value.clone()).unwrap_or_default()
    };
    Some(set.names.each_ref().map(value))
}

/// What has to be written so that an item says these values as a variant.
#[must_use]
pub fn variant_write<'a>(
    values: impl Iterator<Item = (Field, &'a Value)> + Clone,
    item: &Item,
    context: &Context,
    names: Option<&OptionNames>,
) -> ItemWrite {
    let wanted = values.clone().find_map(|(_, value)| match value {
        Value::List(values) => Some(values),
        _ => None,
    });
    let attributes = names.zip(wanted).and_then(|(names, values)| attributes(item, names, values));
    ItemWrite { attributes, ..write(values, context) }
}

fn sku(item: &Item, source: SkuSource) -> &str {
    match source {
        SkuSource::CustomSku => &item.custom_sku,
        SkuSource::ManufacturerSku => &item.manufacturer_sku,
        SkuSource::SystemSku => &item.system_sku,
    }
}

/// Online if it is above 0, else Default (integration-rules.md, section 9, rule 2).
fn price(item: &Item, context: &Context) -> Money {
    let online = context.online_level.and_then(|level| item.price(level)).filter(|price| price.is_positive());
    let price = online.or_else(|| item.price(DEFAULT_LEVEL)).unwrap_or_default();
    if context.whole_prices { price.whole() } else { price }
}

/// The sum over the connected shops. Items that are not counted have no number at all.
fn stock(item: &Item, context: &Context) -> Option<Stock> {
    if item.item_type == "non_inventory" {
        return Some(Stock::Unlimited);
    }
    let counts = context.shop_ids.iter().map(|shop| item.qoh(*shop));
    counts.sum::<Option<i64>>().map(Stock::Tracked)
}

/// What has to be written so that the item says these values.
#[must_use]
pub fn write<'a>(values: impl Iterator<Item = (Field, &'a Value)>, context: &Context) -> ItemWrite {
    let mut write = ItemWrite::default();
    for (field, value) in values {
        match (field, value) {
            (Field::Name, Value::Text(text)) => write.description = Some(text.clone()),
            (Field::Sku, Value::Text(text)) => match context.sku_source {
                SkuSource::CustomSku => write.custom_sku = Some(text.clone()),
                SkuSource::ManufacturerSku => write.manufacturer_sku = Some(text.clone()),
                SkuSource::SystemSku => {}
            },
            (Field::Price, Value::Money(price)) => {
                write.price = context.online_level.map(|level| (level, *price));
            }
            (Field::Enabled, Value::Flag(flag)) => write.publish_to_ecom = Some(*flag),
            (Field::Category, Value::Place(place)) => write.category_id = Some(place.id),
            _ => {}
        }
    }
    write
}

/// Why the item cannot say this value, if it cannot.
#[must_use]
pub fn refuses(
    item: Option<&Item>,
    context: &Context,
    names: Option<&OptionNames>,
    field: Field,
    value: &Value,
) -> Option<Hold> {
    match (field, value) {
        (Field::Name, Value::Text(text)) if text.trim().is_empty() => Some(Hold::new(
            "name_empty",
            "The name was emptied on E-Series, and R-Series needs one. Give the product a name.",
        )),
        (Field::Sku, _) if context.sku_source == SkuSource::SystemSku => Some(Hold::new(
            "sku_read_only",
            "The SKU is the system SKU of R-Series, which nobody can change. Set the SKU on E-Series back, \
             or choose another SKU source.",
        )),
        (Field::Price, Value::Money(price)) => {
            if context.online_level.is_none() {
                return Some(Hold::new(
                    "no_online_level",
                    format!(
                        "The price was set to {price} on E-Series, but the R-Series account has no Online \
                         price level to keep it, and the Default price is never changed from the web."
                    ),
                ));
            }
            let default = item.and_then(|item| item.price(DEFAULT_LEVEL));
            let falls_back = !price.is_positive() && default.is_some_and(Money::is_positive);
            falls_back.then(|| {
                Hold::new(
                    "price_zero",
                    format!(
                        "The price was set to {price} on E-Series. An Online price of 0 means the Default \
                         price on R-Series, so it cannot be kept there."
                    ),
                )
            })
        }
        (Field::Options, Value::List(wanted)) => super::options::refused(names, wanted),
        _ => None,
    }
}

/// The side this module speaks for.
pub const SIDE: Side = Side::RSeries;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn context() -> Context {
        Context {
            shop_ids: vec![1, 2],
            primary_shop_id: 1,
            online_level: Some(3),
            sku_source: SkuSource::CustomSku,
            whole_prices: false,
        }
    }

    fn item(online: &str) -> Item {
        Item::read(
            &json!({"itemID":"5","description":"Mug","customSku":"M-1","systemSku":"21","archived":"false",
            "itemType":"default","publishToEcom":"true",
            "ItemShops":{"ItemShop":[{"shopID":"1","qoh":"4"},{"shopID":"2","qoh":"-1"},
                {"shopID":"3","qoh":"100"},{"shopID":"0","qoh":"103"}]},
            "Prices":{"ItemPrice":[{"amount":"12.5","useTypeID":"1"},{"amount":online,"useTypeID":"3"}]}}),
        )
        .unwrap()
    }

    #[test]
    fn stock_is_the_sum_of_the_connected_shops_only() {
        assert_eq!(facts(&item("0"), &context()).stock(), Some(Stock::Tracked(3)));
    }

    #[test]
    fn without_the_stock_relation_stock_is_unknown() {
        let mut item = item("0");
        item.shops = None;
        assert_eq!(facts(&item, &context()).stock(), None);
    }

    #[test]
    fn online_zero_falls_back_to_default() {
        let price = |online| facts(&item(online), &context()).get(Field::Price).cloned().unwrap();
        assert_eq!(price("0"), Value::Money("12.5".parse().unwrap()));
        assert_eq!(price("11.9"), Value::Money("11.9".parse().unwrap()));
    }

    #[test]
    fn a_web_price_is_written_to_online_and_never_to_default() {
        let price = Value::Money("9.99".parse().unwrap());
        let write = write([(Field::Price, &price)].into_iter(), &context());
        assert_eq!(write, ItemWrite { price: Some((3, "9.99".parse().unwrap())), ..ItemWrite::default() });
        let zero = Value::Money(Money::ZERO);
        assert!(refuses(Some(&item("0")), &context(), None, Field::Price, &zero).is_some());
        assert!(refuses(Some(&item("0")), &context(), None, Field::Price, &price).is_none());
        let without = Context { online_level: None, ..context() };
        assert!(refuses(Some(&item("0")), &without, None, Field::Price, &price).is_some());
    }
}
