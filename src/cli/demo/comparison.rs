//! Compares both sandboxes, by themselves: nothing of Concord's is asked.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::sandbox::eseries::ProductView;
use crate::sandbox::rseries::ImageOwner;
use crate::sandbox::stage::Stage;

/// Most pictures of a product that are carried (r-series-api.md, section 4.6).
const MOST_PICTURES: usize = 12;

/// One item that is not what its product is.
pub(super) struct Difference {
    pub(super) item_id: i64,
    pub(super) words: String,
}

/// What came of comparing the products.
pub(super) struct Comparison {
    /// Items that are on both sides.
    pub(super) pairs: usize,
    /// Items without a product.
    pub(super) alone: usize,
    /// Those that differ.
    pub(super) different: Vec<Difference>,
}

/// Compares every item with its product or variation.
pub(super) fn compare(stage: &Stage) -> Comparison {
    let mut found = Comparison { pairs: 0, alone: 0, different: Vec::new() };
    let shown: Vec<Shown> = stage.e.products().iter().flat_map(|product| shown(stage, product)).collect();
    let by_mark: BTreeMap<&str, &Shown> = shown.iter().map(|shown| (shown.mark.as_str(), shown)).collect();
    for item in stage.r.items().into_iter().filter(|item| !item.archived) {
        let mark = if item.matrix_id == 0 { "concord-r-" } else { "concord-r-variant-" };
        let Some(online) = by_mark.get(format!("{mark}{}", item.item_id).as_str()) else {
            found.alone += 1;
            continue;
        };
        found.pairs += 1;
        let price = item.online_price.unwrap_or(item.default_price);
        let stock: i64 = item.stock.values().sum();
        let matrix = (item.matrix_id != 0).then(|| stage.r.matrix(item.matrix_id)).flatten();
        let name = matrix.map_or_else(|| item.description.clone(), |matrix| matrix.description);
        let fields = [
            ("name", name.trim() == online.name.trim()),
            ("SKU", item.custom_sku.is_empty() || item.custom_sku.trim() == online.sku.trim()),
            ("price", Some(price) == online.price),
            ("stock", Some(stock) == online.quantity),
        ];
        let unequal: Vec<&str> = fields.iter().filter(|(_, equal)| !equal).map(|(field, _)| *field).collect();
        if !unequal.is_empty() {
            let words = format!("item {}: {} ({})", item.item_id, unequal.join(", "), item.description);
            found.different.push(Difference { item_id: item.item_id, words });
        }
    }
    found
}

/// What the web shows of one item: a product, or one of its variations.
struct Shown {
    mark: String,
    name: String,
    sku: String,
    price: Option<Decimal>,
    quantity: Option<i64>,
}

fn shown(stage: &Stage, product: &ProductView) -> Vec<Shown> {
    let name = product.name.clone();
    let text = |json: &Value, key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let variation = |json: Value| Shown {
        mark: text(&json, "externalReferenceId"),
        name: name.clone(),
        sku: text(&json, "sku"),
        // A variation without a price of its own has the product's.
        price: json.get("price").map_or(Some(product.price), |price| price.to_string().parse().ok()),
        quantity: json.get("quantity").and_then(Value::as_i64),
    };
    let whole = product.external_reference_id.clone().map(|mark| Shown {
        mark,
        name: name.clone(),
        sku: product.sku.clone(),
        price: Some(product.price),
        quantity: product.quantity,
    });
    whole.into_iter().chain(stage.e.variations(product.id).into_iter().map(variation)).collect()
}

/// How many categories the shop has, and how many of them the web has not in that place.
pub(super) fn compare_trees(stage: &Stage) -> (usize, usize) {
    let catalogue = stage.r.raw_catalogue();
    let of_shop = catalogue.get("Category").and_then(Value::as_array).cloned().unwrap_or_default();
    let shop = paths(&of_shop, ("categoryID", "parentID"));
    let web = paths(&stage.e.categories(), ("id", "parentId"));
    (shop.len(), shop.difference(&web).count())
}

/// The names from the root down to each of these.
fn paths(categories: &[Value], (own, parent): (&str, &str)) -> BTreeSet<Vec<String>> {
    let number = |json: &Value, key: &str| match json.get(key) {
        Some(Value::String(text)) => text.parse().unwrap_or(0),
        other => other.and_then(Value::as_i64).unwrap_or(0),
    };
    let named: BTreeMap<i64, (String, i64)> = categories
        .iter()
        .map(|category| {
            let name = category.get("name").and_then(Value::as_str).unwrap_or_default();
            (number(category, own), (name.trim().to_owned(), number(category, parent)))
        })
        .collect();
    let path = |id: &i64| {
        let (mut path, mut at) = (Vec::new(), *id);
        while let Some((name, parent)) = named.get(&at).filter(|_| path.len() <= named.len()) {
            path.insert(0, name.clone());
            at = *parent;
        }
        path
    };
    named.keys().map(path).collect()
}

/// How many pictures products of the shop have, and how many of them do not hang in their place on the web.
pub(super) fn compare_pictures(stage: &Stage) -> (usize, usize) {
    let simple = stage.r.items().into_iter().filter(|item| !item.archived && item.matrix_id == 0);
    let simple = simple.map(|item| (ImageOwner::Item(item.item_id), format!("concord-r-{}", item.item_id)));
    let matrices = stage.r.matrices().into_iter().filter(|matrix| !matrix.archived);
    let matrices = matrices.map(|matrix| {
        (ImageOwner::Matrix(matrix.matrix_id), format!("concord-r-matrix-{}", matrix.matrix_id))
    });
    let products: BTreeMap<String, i64> = stage
        .e
        .products()
        .into_iter()
        .filter_map(|product| Some((product.external_reference_id?, product.id)))
        .collect();
    let (mut count, mut missing) = (0, 0);
    for (owner, mark) in simple.chain(matrices) {
        let Some(product) = products.get(&mark) else { continue };
        let hung: Vec<String> = stage
            .e
            .pictures(*product)
            .into_iter()
            .filter(|picture| !picture.place.starts_with("variation"))
            .map(|picture| picture.sha256.unwrap_or_default())
            .collect();
        let ids = stage.r.raw_images(owner);
        let ids = ids.iter().filter_map(|image| image.get("imageID")?.as_str()?.parse::<i64>().ok());
        for (place, id) in ids.take(MOST_PICTURES).enumerate() {
            let wanted = stage.r.image_bytes(id).map(|bytes| hex::encode(Sha256::digest(bytes)));
            count += 1;
            missing += usize::from(wanted.is_none() || hung.get(place) != wanted.as_ref());
        }
    }
    (count, missing)
}
