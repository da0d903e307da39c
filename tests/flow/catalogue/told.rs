//! What a file, the shop and the web each tell of a catalogue, read from each by itself and put into one form. Shares
//! nothing with the mapping.

use std::collections::{BTreeMap, BTreeSet};

use concord::sandbox::import::{Import, ImportVariant};
use concord::sandbox::picture;
use concord::sandbox::rseries::{ImageOwner, ItemView, MatrixView};
use rust_decimal::Decimal;
use serde_json::Value;

use crate::flow::categories::number;
use crate::flow::images::hash;
use crate::support::World;

/// Most pictures that are carried.
const MOST_PICTURES: usize = 12;

/// The SKU of what has none of its own: missing, or that of several.
const NONE: &str = "(none of its own)";

/// A product.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Product {
    name: String,
    /// From the root down; none where it is in none.
    category: Vec<String>,
    /// Names of its options with the values that are for sale.
    options: BTreeMap<String, BTreeSet<String>>,
    /// What they are, the main one first.
    pictures: Vec<String>,
    variants: Vec<Variant>,
}

/// What is sold: a variant, or the only one of a simple product.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variant {
    values: BTreeMap<String, String>,
    sku: String,
    price: Decimal,
    quantity: i64,
    picture: Option<String>,
}

/// Simple products and products with variants, each in the order in which they were made; and all categories, from the
/// root down, in the order in which they are shown.
#[derive(Debug, PartialEq, Eq)]
struct Catalogue {
    simple: Vec<Product>,
    whole: Vec<Product>,
    categories: Vec<Vec<String>>,
}

impl World {
    /// The file, the shop and the web tell the same.
    pub fn check_told(&self, file: &str, products: &[Import]) {
        let mut by_file = by_file(products);
        let by_shop = self.by_shop();
        let by_web = self.by_web();
        // The file knows no order of categories, and the shop sorts them.
        by_file.categories.sort();
        let mut sorted = by_shop.categories.clone();
        sorted.sort();
        assert_eq!(by_file.categories, sorted, "{file}: categories of the shop");
        compare(file, "shop", &by_file, &by_shop);
        compare(file, "web", &by_file, &by_web);
        assert_eq!(by_shop.categories, by_web.categories, "{file}: categories of the web, in their order");
        for (product, item) in products.iter().filter(|it| it.options.is_empty()).zip(self.simple_items()) {
            assert_eq!(product.published, item.publish_to_ecom, "{file}: {item:?}");
        }

        let mut skus = BTreeSet::new();
        for product in self.stage.e.products() {
            assert!(!product.enabled, "{file}: a new product arrives disabled: {product:?}");
            let own = Some(product.sku.clone());
            let of_variations = self.stage.e.variations(product.id).into_iter();
            let of_variations = of_variations.map(|it| it["sku"].as_str().map(str::to_owned));
            for sku in of_variations.chain([own]) {
                let sku = sku.unwrap_or_else(|| panic!("{file}: no SKU of its own in {product:?}"));
                assert!(!sku.trim().is_empty() && skus.insert(sku.clone()), "{file}: twice the SKU {sku:?}");
            }
        }
        for category in self.stage.e.categories() {
            assert_eq!(category["enabled"], false, "{file}: a new category arrives disabled: {category}");
        }
    }

    /// Items of no matrix, in the order of their ids.
    fn simple_items(&self) -> Vec<ItemView> {
        let mut items = self.stage.r.items();
        items.retain(|item| item.matrix_id == 0);
        items.sort_by_key(|item| item.item_id);
        items
    }

    fn by_shop(&self) -> Catalogue {
        let catalogue = self.stage.r.raw_catalogue();
        let rows = |name: &str| catalogue[name].as_array().cloned().unwrap_or_default();
        let mut tree = rows("Category");
        tree.sort_by_key(|row| number(&row["leftNode"]));
        let paths = paths(&tree, "categoryID", "parentID");
        let mut of_item = BTreeMap::new();
        let mut of_matrix = BTreeMap::new();
        for row in rows("Item") {
            of_item.insert(number(&row["itemID"]), number(&row["categoryID"]));
        }
        for row in rows("ItemMatrix") {
            of_matrix.insert(number(&row["itemMatrixID"]), number(&row["categoryID"]));
        }
        let path = |id: Option<&i64>| id.and_then(|id| paths.get(id)).cloned().unwrap_or_default();
        let mut items = self.stage.r.items();
        items.sort_by_key(|item| item.item_id);
        let taken = taken(items.iter().map(|item| item.custom_sku.as_str()));
        let simple = self.simple_items().into_iter().map(|item| Product {
            name: item.description.clone(),
            category: path(of_item.get(&item.item_id)),
            options: BTreeMap::new(),
            pictures: self.pictures_in_shop(ImageOwner::Item(item.item_id)),
            variants: vec![in_shop(&item, None, &taken, None)],
        });
        let simple = simple.collect();
        let whole = self.stage.r.matrices().into_iter().map(|matrix| {
            let mut own: Vec<&ItemView> =
                items.iter().filter(|item| item.matrix_id == matrix.matrix_id).collect();
            own.sort_by_key(|item| item.item_id);
            let variants = own.into_iter().map(|item| {
                let picture = self.pictures_in_shop(ImageOwner::Item(item.item_id)).into_iter().next();
                let picture = picture.or_else(|| self.picture_named_like(item));
                assert_eq!(of_item[&item.item_id], of_matrix[&matrix.matrix_id], "{item:?}");
                in_shop(item, Some(&matrix), &taken, picture)
            });
            let variants: Vec<Variant> = variants.collect();
            Product {
                name: matrix.description.clone(),
                category: path(of_matrix.get(&matrix.matrix_id)),
                options: options(&variants),
                pictures: self.pictures_in_shop(ImageOwner::Matrix(matrix.matrix_id)),
                variants,
            }
        });
        let whole = whole.collect();
        let categories = tree.iter().map(|row| paths[&number(&row["categoryID"])].clone()).collect();
        Catalogue { simple, whole, categories }
    }

    /// The picture of its matrix that is described by one of its attributes.
    fn picture_named_like(&self, item: &ItemView) -> Option<String> {
        let rows = self.stage.r.raw_images(ImageOwner::Matrix(item.matrix_id));
        let named = |row: &&Value| {
            let description = row["description"].as_str().unwrap_or_default().to_lowercase();
            item.attributes.iter().any(|value| !value.is_empty() && value.to_lowercase() == description)
        };
        let bytes = self.stage.r.image_bytes(number(&rows.iter().find(named)?["imageID"])).unwrap();
        Some(hash(&bytes))
    }

    fn pictures_in_shop(&self, owner: ImageOwner) -> Vec<String> {
        let mut rows = self.stage.r.raw_images(owner);
        rows.sort_by_key(|row| (number(&row["ordering"]), number(&row["imageID"])));
        let bytes = rows.iter().map(|row| self.stage.r.image_bytes(number(&row["imageID"])).unwrap());
        bytes.map(|bytes| hash(&bytes)).collect()
    }

    fn by_web(&self) -> Catalogue {
        let categories = self.stage.e.categories();
        let paths = paths(&categories, "id", "parentId");
        let mut marked: BTreeMap<(bool, i64), Value> = BTreeMap::new();
        for product in self.stage.e.products() {
            let marker = product.external_reference_id.clone().unwrap_or_default();
            let whole = marker.starts_with("concord-r-matrix-");
            let of: i64 = marker.rsplit('-').next().unwrap().parse().unwrap();
            let before = marked.insert((whole, of), product.json);
            assert!(before.is_none(), "{marker} is there twice");
        }
        let read = |record: &Value| self.on_the_web(record, &paths);
        let of_kind = |whole: bool| -> Vec<Product> {
            let of_kind = marked.iter().filter(|((kind, _), _)| *kind == whole);
            of_kind.map(|(_, record)| read(record)).collect()
        };
        let mut below: BTreeMap<i64, Vec<&Value>> = BTreeMap::new();
        for row in &categories {
            below.entry(number(&row["parentId"])).or_default().push(row);
        }
        for rows in below.values_mut() {
            rows.sort_by_key(|row| number(&row["orderBy"]));
        }
        let mut walked = Vec::new();
        let mut ahead = vec![0];
        while let Some(id) = ahead.pop() {
            walked.extend(paths.get(&id).cloned());
            ahead.extend(below.get(&id).into_iter().flatten().rev().map(|row| number(&row["id"])));
        }
        Catalogue { simple: of_kind(false), whole: of_kind(true), categories: walked }
    }

    fn on_the_web(&self, record: &Value, paths: &BTreeMap<i64, Vec<String>>) -> Product {
        let id = number(&record["id"]);
        let pictures = self.stage.e.pictures(id);
        let hung = |place: &str| {
            let picture = pictures.iter().find(|picture| picture.place == place)?;
            Some(picture.sha256.clone().expect("the bytes have come"))
        };
        let own: Vec<&_> = pictures.iter().filter(|it| !it.place.starts_with("variation")).collect();
        assert!(own.first().is_none_or(|first| first.place == "main"), "no main picture: {pictures:?}");
        let mut rows = self.stage.e.variations(id);
        let marker = |row: &Value| -> i64 {
            let marker = row["externalReferenceId"].as_str().unwrap_or_default();
            marker.strip_prefix("concord-r-variant-").expect("our marker").parse().unwrap()
        };
        rows.sort_by_key(marker);
        let variant = |row: &Value| {
            let pairs = row["options"].as_array().cloned().unwrap_or_default();
            let pair = |pair: &Value| (text(&pair["name"]), text(&pair["value"]));
            let price = if row["price"].is_null() { &row["defaultDisplayedPrice"] } else { &row["price"] };
            Variant {
                values: pairs.iter().map(pair).collect(),
                sku: text(&row["sku"]),
                price: price.to_string().parse::<Decimal>().unwrap().normalize(),
                quantity: row["quantity"].as_i64().unwrap_or_else(|| panic!("no count: {row}")),
                picture: hung(&format!("variation {}", number(&row["id"]))),
            }
        };
        let mut variants: Vec<Variant> = rows.iter().map(variant).collect();
        if rows.is_empty() {
            variants.push(Variant { values: BTreeMap::new(), ..variant(&without_options(record)) });
        }
        let within: Vec<i64> = record["categoryIds"].as_array().unwrap().iter().map(number).collect();
        assert!(within.len() <= 1, "in several categories: {record}");
        let listed = record["options"].as_array().cloned().unwrap_or_default();
        let choices = |option: &Value| {
            let choices = option["choices"].as_array().cloned().unwrap_or_default();
            (text(&option["name"]), choices.iter().map(|choice| text(&choice["text"])).collect())
        };
        Product {
            name: text(&record["name"]),
            category: within.first().map(|id| paths[id].clone()).unwrap_or_default(),
            options: listed.iter().map(choices).collect(),
            pictures: own.iter().map(|it| it.sha256.clone().expect("the bytes have come")).collect(),
            variants,
        }
    }
}

fn without_options(record: &Value) -> Value {
    let mut record = record.clone();
    record["options"] = Value::Null;
    record
}

fn by_file(products: &[Import]) -> Catalogue {
    let taken = taken(products.iter().flat_map(|it| &it.variants).map(|it| it.sku.as_str()));
    let variant = |product: &Import, variant: &ImportVariant| {
        let pairs = product.options.iter().cloned().zip(variant.values.iter().cloned());
        Variant {
            values: pairs.filter(|(_, value)| !value.is_empty()).collect(),
            sku: own_sku(&variant.sku, &taken),
            price: variant.price.normalize(),
            quantity: variant.quantity,
            picture: Some(&variant.picture)
                .filter(|it| !it.is_empty() && !product.options.is_empty())
                .map(|address| hash(&picture::png(address))),
        }
    };
    let mut categories = BTreeSet::new();
    let (mut simple, mut whole) = (Vec::new(), Vec::new());
    for product in products {
        categories.extend((1..=product.category.len()).map(|depth| product.category[..depth].to_vec()));
        let variants: Vec<Variant> = product.variants.iter().map(|it| variant(product, it)).collect();
        let told = Product {
            name: product.name.clone(),
            category: product.category.clone(),
            options: options(&variants),
            pictures: product.pictures.iter().map(|address| hash(&picture::png(address))).collect(),
            variants,
        };
        if product.options.is_empty() {
            let one = |variant: &Variant| Product { variants: vec![variant.clone()], ..told.clone() };
            simple.extend(told.variants.iter().map(one));
        } else {
            whole.push(told);
        }
    }
    Catalogue { simple, whole, categories: categories.into_iter().collect() }
}

fn in_shop(
    item: &ItemView,
    matrix: Option<&MatrixView>,
    taken: &BTreeMap<String, usize>,
    picture: Option<String>,
) -> Variant {
    let names = matrix.map(|matrix| matrix.names.clone()).unwrap_or_default();
    let pairs = names.into_iter().zip(item.attributes.clone());
    let online = item.online_price.filter(|price| *price > Decimal::ZERO);
    Variant {
        values: pairs.filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect(),
        sku: own_sku(&item.custom_sku, taken),
        price: online.unwrap_or(item.default_price).normalize(),
        quantity: item.stock.values().sum(),
        picture,
    }
}

/// How often each SKU is there.
fn taken<'a>(skus: impl Iterator<Item = &'a str>) -> BTreeMap<String, usize> {
    skus.fold(BTreeMap::new(), |mut taken, sku| {
        *taken.entry(sku.trim().to_owned()).or_default() += 1;
        taken
    })
}

fn own_sku(sku: &str, taken: &BTreeMap<String, usize>) -> String {
    let clear = !sku.trim().is_empty() && taken[sku.trim()] == 1;
    if clear { sku.to_owned() } else { NONE.to_owned() }
}

fn options(variants: &[Variant]) -> BTreeMap<String, BTreeSet<String>> {
    let mut options: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, value) in variants.iter().flat_map(|it| &it.values) {
        options.entry(name.clone()).or_default().insert(value.clone());
    }
    options
}

/// The names from the root down of each category.
fn paths(rows: &[Value], id: &str, parent: &str) -> BTreeMap<i64, Vec<String>> {
    let by_id: BTreeMap<i64, &Value> = rows.iter().map(|row| (number(&row[id]), row)).collect();
    let path = |row: &Value| {
        let above = |row: &&Value| by_id.get(&number(&row[parent])).copied();
        let mut names: Vec<String> =
            std::iter::successors(Some(row), above).map(|row| text(&row["name"])).collect();
        names.reverse();
        names
    };
    rows.iter().map(|row| (number(&row[id]), path(row))).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Product by product, so that a difference can be read.
fn compare(file: &str, side: &str, wanted: &Catalogue, shown: &Catalogue) {
    for (kind, wanted, shown) in
        [("simple", &wanted.simple, &shown.simple), ("whole", &wanted.whole, &shown.whole)]
    {
        assert_eq!(wanted.len(), shown.len(), "{file}: {kind} products on the {side}");
        for (wanted, shown) in wanted.iter().zip(shown) {
            let mut wanted = wanted.clone();
            let mut shown = shown.clone();
            if side == "web" {
                wanted.pictures.truncate(MOST_PICTURES);
                // In the place of a SKU that is missing or not unique stands one that is.
                for (wanted, shown) in wanted.variants.iter().zip(&mut shown.variants) {
                    if wanted.sku == NONE {
                        NONE.clone_into(&mut shown.sku);
                    }
                }
            }
            assert_eq!(wanted, shown, "{file}: on the {side}");
        }
    }
}
