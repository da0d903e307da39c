//! A whole catalogue, read from a file, synced from nothing, and compared in everything it says.
//!
//! `CONCORD_TEST_CATALOGS` names further files in these columns, or folders of them, parted by `:`.

mod told;

use std::path::{Path, PathBuf};
use std::time::Duration;

use concord::sandbox::import::{self, Import};
use serde_json::json;

use crate::support::{Plan, World};

/// What a small shop's export looks like, with what breaks naive programs.
const FILE: &str = "\
Handle,Title,Type,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Option3 Name,Option3 Value,Variant SKU,Variant Inventory Qty,Variant Price,Image Src,Variant Image
mug,\"Mug \"\"Oma\"\" & <b>co</b> 🥄\",Kitchen > Mugs & more,true,Title,Default Title,,,,,M-1,4,12.50,http://x/1,
mug,,,,,,,,,,,,,http://x/2,
tee,Tee,Clothes,true,Size,S,Color,Red,Cut,Slim,T-1,1,19,http://x/3,http://x/4
tee,,,,,S,,Red,,Wide,T-1,0,19.95,http://x/4,http://x/4
tee,,,,,M,,Blue,,Slim,,-2,21,http://x/5,
shoe,Shoe,Clothes > Shoes > Sport,false,Size,38,,,,,S-38,3,80,,http://x/6
shoe,,,,,39,,,,,S-39,3,80,,
ring,Ring,,true,Size,\"50 / \"\"large\"\"\",,,,,R-50,1,5,http://x/7,
bowl,Bowl,Kitchen,true,Title,Default Title,,,,,,0,7.999,,
";

#[tokio::test]
async fn everything_that_a_file_says_arrives_and_a_second_run_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("shop.csv");
    // More pictures than a product shows.
    let many: Vec<String> =
        (1..=14).map(|number| format!("bowl,,,,,,,,,,,,,http://x/bowl/{number},\n")).collect();
    std::fs::write(&own, format!("{FILE}{}", many.concat())).unwrap();
    compare(&own).await;
    for file in named() {
        compare(&file).await;
    }
}

/// The files to be tried besides, those of a folder in the order of their names.
fn named() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let names = std::env::var_os("CONCORD_TEST_CATALOGS").unwrap_or_default();
    for path in std::env::split_paths(&names).filter(|path| !path.as_os_str().is_empty()) {
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let mut within: Vec<PathBuf> =
            std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect();
        within.retain(|file| file.extension().is_some_and(|it| it == "csv"));
        within.sort();
        files.extend(within);
    }
    files
}

async fn compare(file: &Path) {
    let products = import::read(file).unwrap();
    let shown = file.file_name().unwrap().to_string_lossy().into_owned();
    // A catalogue is older than its first sync: change polls find nothing in it.
    let mut world = World::long_ago(Plan::default()).await;
    world.stage.e.set_max_product_limit(100_000);
    import::fill(&world.stage.r, &products);
    world.clock.advance(Duration::from_secs(86_400));
    world.clear_calls();
    world.connect().await;
    world.settle().await;
    let parked = world.get("/parked?limit=200").await;
    assert_eq!(parked["items"].as_array().map(Vec::len), Some(0), "{shown}: {parked}");
    world.check_laws().await;
    world.check_told(&shown, &products);
    world.check_calls(&shown, &products);

    world.clear_calls();
    // Everything is looked at once more, by somebody who remembers nothing: products, categories and pictures.
    world.restart_worker(2);
    world.sql("update trees set due_at = now() - interval '50 years', generation = generation + 1").await;
    let path = format!("/v1/connections/{}/syncs", world.connection);
    world.call("POST", &path, Some(json!({"mode": "apply"}))).await;
    world.settle().await;
    eprintln!("{shown}: the second sync costs {:.1} drips on R-Series", world.drips());
    world.clock.advance(Duration::from_secs(16 * 60));
    world.settle().await;
    world.sweep().await;
    assert_eq!(world.writes(), 0, "{shown}: {:?}", world.stage.e.calls());
    world.check_told(&shown, &products);
}

impl World {
    /// How many calls the first sync made, against its bounds.
    fn check_calls(&self, file: &str, products: &[Import]) {
        let online = self.stage.e.products();
        let variations: usize = online.iter().map(|it| self.stage.e.variations(it.id).len()).sum();
        let pictures: usize = online.iter().map(|it| self.stage.e.pictures(it.id).len()).sum();
        let categories = self.stage.e.categories().len();
        let records = online.len() + variations + pictures + categories;
        let written = self.stage.e.write_calls();
        assert_eq!(self.stage.r.write_calls(), 0, "{file}: a first sync writes nothing to the shop");

        let items: usize = products.iter().map(|it| it.variants.len()).sum();
        let matrices = self.stage.r.matrices().len();
        let calls = self.stage.r.calls();
        let drips: f64 = calls.iter().filter(|call| call.method == "GET").map(|call| call.drips).sum();
        #[expect(clippy::cast_precision_loss, reason = "a count of records")]
        let (hundreds, whole) = (items as f64 / 100.0, matrices as f64);
        eprintln!(
            "{file}: {} products, {variations} variations, {pictures} pictures, {categories} categories: \
             {written} writes on E-Series for {records} records; {items} items and {matrices} matrices: \
             {} reads on R-Series of {drips:.1} drips, which is {:.2} for 100 items ({:.1} drips are 2.2 for 100 \
             items and one a matrix); {} reads on E-Series",
            online.len(),
            calls.len(),
            drips / hundreds,
            2.2f64.mul_add(hundreds, whole),
            self.stage.e.calls().iter().filter(|call| call.method == "GET").count(),
        );
        // Change polls cost the same with and without a run; to that come the proof of the account, the first look at
        // the tree of categories and the first page of pictures.
        let polls = |query: &str| query.contains("timeStamp") || query.contains("inventoryLogID");
        let polled: f64 = calls.iter().filter(|call| polls(&call.query)).map(|call| call.drips).sum();
        let bound = 2.2f64.mul_add(hundreds, whole) + 8.0;
        assert!(drips - polled <= bound, "{file}: {drips} drips, {polled} of them for polls, of {bound}");
        // Two in a hundred more, and never less than one.
        let most = records + (records * 2).div_ceil(100);
        assert!(written <= most, "{file}: {written} writes for {records} records");
    }
}
