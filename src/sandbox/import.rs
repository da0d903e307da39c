//! A catalogue from a file in the common columns of a Shopify product export: one row a variant, the rows of a product
//! one behind the other under the same `Handle`; rows without a price only bring pictures.
//!
//! Pictures are not fetched: each address stands for a generated picture of its own, the same one every time.

use std::collections::BTreeMap;
use std::path::Path;

use rust_decimal::Decimal;

use super::picture;
use super::rseries::{ImageFile, ImageOwner, NewItem, NewMatrix, NewVariant, RSeriesSandbox};

/// What Shopify calls the only value of the only option of a product without variants.
const NO_VARIANTS: &str = "Default Title";

/// Most options of a product, on both platforms.
const MOST_OPTIONS: usize = 3;

/// A product of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Import {
    /// `Title`.
    pub name: String,
    /// `Published`; a file without the column publishes everything.
    pub published: bool,
    /// `Product Category` or `Type`, from the root down: parts stand between `>`.
    pub category: Vec<String>,
    /// `Image Src` of its rows, in their order, each once.
    pub pictures: Vec<String>,
    /// `Option1 Name` to `Option3 Name`; none for a product without variants.
    pub options: Vec<String>,
    /// Its variants; a product without options has one.
    pub variants: Vec<ImportVariant>,
}

/// A variant of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImportVariant {
    /// `Option1 Value` to `Option3 Value`.
    pub values: Vec<String>,
    /// `Variant SKU`.
    pub sku: String,
    /// `Variant Price`.
    pub price: Decimal,
    /// `Variant Inventory Qty`.
    pub quantity: i64,
    /// `Variant Image`; empty for none.
    pub picture: String,
}

/// Why a file is no catalogue, and where.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file or its form.
    #[error("{0}")]
    Csv(#[from] csv::Error),
    /// A column that has to be there.
    #[error("the column `{0}` is missing: give a product export in the columns of Shopify")]
    Column(&'static str),
    /// A cell that cannot be read.
    #[error("line {line}: `{text}` is no {what}")]
    Cell {
        /// Where.
        line: u64,
        /// What stands there.
        text: String,
        /// What should.
        what: &'static str,
    },
}

/// Reads the products of a file, in its order.
pub fn read(path: &Path) -> Result<Vec<Import>, ImportError> {
    products(csv::ReaderBuilder::new().flexible(true).from_path(path)?)
}

fn products<R: std::io::Read>(mut reader: csv::Reader<R>) -> Result<Vec<Import>, ImportError> {
    let headers = reader.headers()?.clone();
    let place = |name: &str| headers.iter().position(|header| header.trim() == name);
    for needed in ["Handle", "Title", "Variant Price"] {
        place(needed).ok_or(ImportError::Column(needed))?;
    }
    let mut order = Vec::new();
    let mut products = BTreeMap::<String, Import>::new();
    for row in reader.records() {
        let row = row?;
        let line = row.position().map_or(0, csv::Position::line);
        let cell = |name: &str| place(name).and_then(|at| row.get(at)).unwrap_or_default().trim().to_owned();
        let handle = cell("Handle");
        let product = products.entry(handle.clone()).or_insert_with(|| {
            order.push(handle);
            Import { published: true, ..Import::default() }
        });
        let (title, price) = (cell("Title"), cell("Variant Price"));
        if !title.is_empty() && product.name.is_empty() {
            product.name = title;
            product.published = !cell("Published").eq_ignore_ascii_case("false");
            let names = (1..=MOST_OPTIONS).map(|number| cell(&format!("Option{number} Name")));
            product.options = names.filter(|name| !name.is_empty()).collect();
            let category = [cell("Product Category"), cell("Type")].into_iter().find(|it| !it.is_empty());
            let category = category.unwrap_or_default();
            let parts = category.split('>').map(str::trim).filter(|part| !part.is_empty());
            product.category = parts.map(str::to_owned).collect();
        }
        let picture = cell("Image Src");
        if !picture.is_empty() && !product.pictures.contains(&picture) {
            product.pictures.push(picture);
        }
        if price.is_empty() {
            continue;
        }
        let unreadable = |text: &str, what| ImportError::Cell { line, text: text.to_owned(), what };
        let quantity = cell("Variant Inventory Qty");
        let quantity = if quantity.is_empty() { "0".to_owned() } else { quantity };
        let values = (1..=MOST_OPTIONS).map(|number| cell(&format!("Option{number} Value")));
        product.variants.push(ImportVariant {
            values: values.take(product.options.len()).collect(),
            sku: cell("Variant SKU"),
            price: price.parse().map_err(|_| unreadable(&price, "price"))?,
            quantity: quantity.parse().map_err(|_| unreadable(&quantity, "quantity"))?,
            picture: cell("Variant Image"),
        });
    }
    let mut products: Vec<Import> = order
        .iter()
        .filter_map(|handle| products.remove(handle))
        .filter(|it| !it.variants.is_empty())
        .collect();
    for product in &mut products {
        let plain =
            product.variants.iter().all(|variant| variant.values.iter().all(|value| value == NO_VARIANTS));
        if plain && product.variants.len() == 1 {
            product.options.clear();
        }
    }
    Ok(products)
}

/// Enters the products of a file, all stock in the first shop. Gives how many items that made.
pub fn fill(r: &RSeriesSandbox, products: &[Import]) -> usize {
    let shop = r.first_shop();
    let mut categories = BTreeMap::<Vec<String>, i64>::new();
    let mut made = 0;
    for product in products {
        let category_id = category(r, &mut categories, &product.category);
        let item = |variant: &ImportVariant| NewItem {
            description: product.name.clone(),
            custom_sku: variant.sku.clone(),
            default_price: variant.price,
            stock: vec![(shop, variant.quantity)],
            publish_to_ecom: product.published,
            category_id,
            ..NewItem::default()
        };
        made += product.variants.len();
        if product.options.is_empty() {
            for variant in &product.variants {
                let id = r.create_item(item(variant));
                hang(r, ImageOwner::Item(id), &product.pictures);
            }
            continue;
        }
        let (attribute_set_id, places) = r.attribute_set_of(&product.options);
        let variants = product.variants.iter().map(|variant| {
            let mut values = <[String; 3]>::default();
            for (place, value) in places.iter().zip(&variant.values) {
                if let Some(slot) = values.get_mut(*place) {
                    slot.clone_from(value);
                }
            }
            NewVariant {
                values,
                custom_sku: variant.sku.clone(),
                default_price: Some(variant.price),
                stock: vec![(shop, variant.quantity)],
                publish_to_ecom: product.published,
                ..NewVariant::default()
            }
        });
        let matrix = NewMatrix {
            description: product.name.clone(),
            attribute_set_id,
            category_id,
            default_price: product.variants.first().map(|variant| variant.price).unwrap_or_default(),
            variants: variants.collect(),
            ..NewMatrix::default()
        };
        let Some((matrix_id, items)) = r.create_matrix(matrix) else { continue };
        hang(r, ImageOwner::Matrix(matrix_id), &product.pictures);
        for (id, variant) in items.into_iter().zip(&product.variants) {
            let own = Some(variant.picture.clone()).filter(|picture| !picture.is_empty());
            hang(r, ImageOwner::Item(id), own.as_slice());
        }
    }
    made
}

/// The category at the end of a path, made with everything above it where it is not there yet; 0, which is none, for
/// the empty path.
fn category(r: &RSeriesSandbox, known: &mut BTreeMap<Vec<String>, i64>, path: &[String]) -> i64 {
    let mut parent = 0;
    for depth in 1..=path.len() {
        let above: Vec<String> = path.iter().take(depth).cloned().collect();
        let name = path.get(depth - 1).map(String::as_str).unwrap_or_default();
        let make = || r.create_category(name, parent).unwrap_or_default();
        parent = *known.entry(above).or_insert_with(make);
    }
    parent
}

/// Adds these pictures, in this order.
fn hang(r: &RSeriesSandbox, owner: ImageOwner, pictures: &[String]) {
    for address in pictures {
        let name = address.rsplit('/').next().unwrap_or_default();
        let file = ImageFile { bytes: picture::png(address), content_type: "image/png".into() };
        r.add_image(owner, name, Some(file));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Instant, ManualClock};
    use crate::sandbox::rseries::Config;

    const FILE: &str = "Handle,Title,Type,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,\
        Variant SKU,Variant Inventory Qty,Variant Price,Image Src,Variant Image\n\
        mug,\"Mug, \"\"blue\"\"\",Kitchen > Mugs,true,Title,Default Title,,,M-1,4,12.50,http://x/1,\n\
        mug,,,,,,,,,,,http://x/2,\n\
        tee,Tee,Clothes,false,Size,S,Color,Red,T-S-R,1,19,http://x/3,http://x/3\n\
        tee,,,,,M,,Red,T-M-R,-2,21,http://x/3,\n\
        shoe,Shoe,Clothes,,Size,38,,,S-38,3,80,,\n";

    fn read(text: &str) -> Result<Vec<Import>, ImportError> {
        products(csv::ReaderBuilder::new().flexible(true).from_reader(text.as_bytes()))
    }

    #[test]
    fn rows_of_a_product_become_its_variants_and_rows_of_pictures_none() {
        let products = read(FILE).unwrap();
        let shapes: Vec<_> = products.iter().map(|it| (it.options.clone(), it.variants.len())).collect();
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(shapes, [(names(&[]), 1), (names(&["Size", "Color"]), 2), (names(&["Size"]), 1)]);
        assert_eq!((products[0].name.as_str(), products[1].published), ("Mug, \"blue\"", false));
        assert_eq!(products[1].variants[1].quantity, -2);
    }

    #[test]
    fn a_file_becomes_items_and_matrices_and_sizes_stand_where_the_size_set_has_them() {
        let clock = ManualClock::starting_at(Instant::UNIX_EPOCH);
        let r = RSeriesSandbox::new(Config::default(), Arc::new(clock), 1);
        assert_eq!(fill(&r, &read(FILE).unwrap()), 4);
        let matrices = r.matrices();
        assert_eq!(matrices.len(), 2);
        assert_eq!(matrices[0].names, ["Size", "Color", ""]);
        assert_eq!((matrices[1].attribute_set_id, matrices[1].variants[0].1[1].as_str()), (2, "38"));
        let catalogue = r.raw_catalogue();
        let paths: Vec<_> =
            catalogue["Category"].as_array().unwrap().iter().map(|it| &it["fullPathName"]).collect();
        assert_eq!(paths, ["Kitchen", "Kitchen/Mugs", "Clothes"]);
        let pictures = |owner| r.raw_images(owner).len();
        let items: Vec<i64> = r.items().iter().map(|item| item.item_id).collect();
        assert_eq!(items.iter().map(|id| pictures(ImageOwner::Item(*id))).collect::<Vec<_>>(), [2, 1, 0, 0]);
        assert_eq!(pictures(ImageOwner::Matrix(matrices[0].matrix_id)), 1);
    }

    #[test]
    fn what_is_no_catalogue_is_refused_with_the_place() {
        assert!(read("a,b\n1,2\n").unwrap_err().to_string().contains("Handle"));
        let broken = FILE.replace("12.50", "cheap");
        assert_eq!(read(&broken).unwrap_err().to_string(), "line 2: `cheap` is no price");
    }
}
