//! A whole catalogue, read from a file, synced from nothing, and compared field by field.

use std::path::Path;

use concord::sandbox::import;

use crate::support::{Plan, World};

/// What a small shop's export looks like, with what breaks naive programs.
const FILE: &str = "\
Handle,Title,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Option3 Name,Option3 Value,Variant SKU,Variant Inventory Qty,Variant Price
mug,\"Mug \"\"Oma\"\" & <b>co</b> 🥄\",true,Title,Default Title,,,,,M-1,4,12.50
tee,Tee,true,Size,S,Color,Red,Cut,Slim,T-1,1,19
tee,,,,S,,Red,,Wide,T-1,0,19.95
tee,,,,M,,Blue,,Slim,,-2,21
shoe,Shoe,false,Size,38,,,,,S-38,3,80
shoe,,,,39,,,,,S-39,3,80
ring,Ring,true,Size,\"50 / \"\"large\"\"\",,,,,R-50,1,5
";

#[tokio::test]
async fn every_product_variant_price_and_count_of_a_file_arrives_and_a_second_run_writes_nothing() {
    // Any other file in these columns can be tried by naming it.
    let mut files: Vec<_> = std::env::var("CONCORD_TEST_CATALOGS")
        .iter()
        .flat_map(|names| std::env::split_paths(names))
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("shop.csv");
    std::fs::write(&own, FILE).unwrap();
    files.push(own);
    for file in files {
        compare(&file).await;
    }
}

async fn compare(file: &Path) {
    let products = import::read(file).unwrap();
    let mut world = World::open(Plan::default()).await;
    world.stage.e.set_max_product_limit(100_000);
    import::fill(&world.stage.r, &products);
    world.connect().await;
    world.settle().await;
    let parked = world.get("/parked?limit=200").await;
    assert_eq!(parked["items"].as_array().map(Vec::len), Some(0), "{}: {parked}", file.display());
    world.check_laws().await;

    // A SKU that is missing, or that several have: E-Series shows the system SKU in its place.
    let skus: Vec<&str> = products.iter().flat_map(|it| &it.variants).map(|it| it.sku.as_str()).collect();
    let unclear = |sku: &str| sku.is_empty() || skus.iter().filter(|other| **other == sku).count() > 1;

    // By what the file says, and not by what the shop made of it.
    let online = world.stage.e.products();
    assert_eq!(online.len(), products.len(), "{}", file.display());
    for product in &products {
        let mut same: Vec<_> =
            online.iter().filter(|shown| shown.name.trim() == product.name.trim()).collect();
        assert!(!same.is_empty(), "“{}” is not online", product.name);
        if product.options.is_empty() {
            let variant = &product.variants[0];
            same.retain(|shown| variant.sku.is_empty() || shown.sku == variant.sku);
            let fits = same
                .iter()
                .any(|shown| (shown.price, shown.quantity) == (variant.price, Some(variant.quantity)));
            assert!(fits, "“{}”: {variant:?} and {same:#?}", product.name);
            continue;
        }
        let fits = same.iter().any(|shown| {
            let variations = world.stage.e.variations(shown.id);
            variations.len() == product.variants.len()
                && product.variants.iter().all(|variant| {
                    variations.iter().any(|shown| {
                        let value = |name: &String| {
                            let options = shown["options"].as_array().unwrap();
                            let option = options.iter().find(|option| option["name"] == **name);
                            option.and_then(|option| option["value"].as_str()).unwrap_or_default().to_owned()
                        };
                        let values: Vec<String> = product.options.iter().map(value).collect();
                        values == variant.values
                            && (unclear(&variant.sku) || shown["sku"] == *variant.sku)
                            && shown["quantity"].as_i64() == Some(variant.quantity)
                            && shown["price"].to_string().parse() == Ok(variant.price)
                    })
                })
        });
        assert!(fits, "“{}”: {:#?} and {same:#?}", product.name, product.variants);
    }
    let written = world.writes();
    // Variations come with their product, as many as one call takes.
    let beyond: usize = products.iter().map(|it| it.variants.len().saturating_sub(200)).sum();
    assert_eq!(written, products.len() + beyond, "one write a product: {}", file.display());

    world.clear_calls();
    let path = format!("/v1/connections/{}/syncs", world.connection);
    world.call("POST", &path, Some(serde_json::json!({"mode": "apply"}))).await;
    world.settle().await;
    assert_eq!(world.writes(), 0, "{}", file.display());
    eprintln!(
        "{}: {} products, {written} writes, {:.1} drips for the second run",
        file.display(),
        products.len(),
        world.drips()
    );
}
