//! Pictures go from the shop to the web, each once.

use std::time::Duration;

use axum::http::StatusCode;
use concord::sandbox::picture;
use concord::sandbox::rseries::{ImageFile, ImageOwner};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::support::{Plan, World, item, mug};

pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

impl World {
    /// A world with a mug that has so many pictures: its item, and its pictures.
    pub async fn with_a_pictured_mug(plan: Plan, pictures: usize) -> (Self, i64, Vec<i64>) {
        let mut world = Self::open(plan).await;
        let id = world.stage.r.create_item(mug());
        let images = (0..pictures).map(|_| world.add_image(id)).collect();
        world.connect().await;
        world.settle().await;
        (world, id, images)
    }

    pub fn add_image(&self, item_id: i64) -> i64 {
        self.stage.r.add_image(ImageOwner::Item(item_id), "", None).unwrap()
    }

    /// What a product shows, in its order, as hashes; `None` is a picture without bytes.
    pub fn hung(&self, product: i64) -> Vec<String> {
        let pictures = self.stage.e.pictures(product).into_iter();
        let whole = pictures.filter(|picture| !picture.place.starts_with("variation"));
        whole.map(|picture| picture.sha256.unwrap_or_default()).collect()
    }

    /// What these pictures of the shop are, as hashes.
    pub fn of_shop(&self, images: &[i64]) -> Vec<String> {
        images.iter().map(|image| hash(&self.stage.r.image_bytes(*image).unwrap())).collect()
    }

    /// The product of an item shows exactly these pictures of the shop, in this order.
    pub fn check_pictures(&self, item_id: i64, images: &[i64], at: &str) {
        let product = self.product_of(item_id).expect("the product is there").id;
        assert_eq!(self.hung(product), self.of_shop(images), "{at}: {:#?}", self.stage.e.pictures(product));
    }

    pub async fn product_detail(&self, item_id: i64) -> Value {
        let all = self.get("/products").await;
        let wanted = json!(item_id.to_string());
        let is_it = |product: &&Value| product["r_series"]["id"] == wanted;
        let id =
            all["items"].as_array().unwrap().iter().find(is_it).unwrap()["id"].as_str().unwrap().to_owned();
        self.get(&format!("/products/{id}")).await
    }

    async fn look_at(&self, item_id: i64) {
        let id = self.product_detail(item_id).await["id"].as_str().unwrap().to_owned();
        let path = format!("/v1/connections/{}/products/{id}/sync", self.connection);
        assert_eq!(self.call("POST", &path, None).await.0, StatusCode::ACCEPTED);
        self.settle().await;
    }

    /// Long enough for the next walk over all pictures of the shop.
    pub async fn walk(&self) {
        self.clock.advance(Duration::from_secs(16 * 60));
        self.settle().await;
        self.sweep().await;
    }

    /// Entries of the ledger about pictures, newest first.
    async fn told_of_pictures(&self) -> Vec<Value> {
        let ledger = self.ledger().await;
        ledger.into_iter().filter(|entry| entry["field"] == "images").collect()
    }
}

#[tokio::test]
async fn the_pictures_of_an_item_arrive_in_its_order_with_one_call_each_and_never_again() {
    let mut world = World::open(Plan::default()).await;
    let id = world.stage.r.create_item(mug());
    let mut images: Vec<i64> = (0..3).map(|_| world.add_image(id)).collect();
    images.reverse();
    world.stage.r.reorder_images(&images);
    world.stage.r.create_item(item("Plain", "PLAIN", "1", 1));
    world.connect().await;
    world.settle().await;
    world.check_pictures(id, &images, "after the first sync");
    assert_eq!(world.stage.e.pictures(world.product_of(id).unwrap().id)[0].place, "main");
    assert_eq!(world.writes(), 2 + 3, "one call a product and one a picture");
    world.check_laws().await;
    let shown = world.product_detail(id).await;
    assert_eq!(shown["images"].as_array().unwrap().len(), 3, "{shown}");
    assert!(shown["images"].as_array().unwrap().iter().all(|image| image["state"] == "online"), "{shown}");

    world.clear_calls();
    world.sweep().await;
    world.walk().await;
    world.restart_worker(7);
    world.walk().await;
    world.look_at(id).await;
    assert_eq!(world.writes(), 0, "{:#?}", world.stage.e.calls());
    // Its caption and everything else of the item may change.
    world.stage.r.describe_image(images[0], "From above");
    world.stage.r.rename(id, "Mug");
    world.sweep().await;
    world.walk().await;
    assert_eq!(world.writes(), 1, "the name alone");
    world.check_pictures(id, &images, "in the end");
    world.check_laws().await;
}

#[tokio::test]
async fn twelve_of_fifteen_pictures_are_carried() {
    let (world, id, images) = World::with_a_pictured_mug(Plan::default(), 15).await;
    world.check_pictures(id, &images[..12], "the first twelve");
    // One goes, and the next one moves up.
    world.stage.r.remove_image(images[3]);
    world.walk().await;
    let left: Vec<i64> = images[..13].iter().copied().filter(|image| *image != images[3]).collect();
    world.check_pictures(id, &left, "the thirteenth moved up");
    world.check_laws().await;
}

#[tokio::test]
async fn what_the_shop_does_to_its_pictures_arrives_whether_or_not_anything_tells_of_it() {
    for relay in [true, false] {
        let (world, id, mut images) = World::with_a_pictured_mug(Plan { relay, ..Plan::default() }, 3).await;
        let arrive = async || if relay { world.settle().await } else { world.walk().await };
        world.clear_calls();
        images.push(world.add_image(id));
        if relay {
            world.settle().await;
        } else {
            world.sweep().await;
        }
        world.check_pictures(id, &images, "added");
        assert_eq!(world.writes(), 1);

        world.stage.r.remove_image(images.remove(1));
        arrive().await;
        world.check_pictures(id, &images, "removed");
        assert_eq!(world.writes(), 2);

        images.reverse();
        world.stage.r.reorder_images(&images);
        arrive().await;
        world.check_pictures(id, &images, "reordered");
        assert!(world.writes() <= 5, "an order takes one call, a notice each: {:#?}", world.stage.e.calls());

        images[1] = world.stage.r.replace_image(images[1], None).unwrap();
        arrive().await;
        images = sorted(&world, id);
        world.check_pictures(id, &images, "replaced");

        for image in images {
            world.stage.r.remove_image(image);
        }
        arrive().await;
        world.check_pictures(id, &[], "all gone");
        world.check_laws().await;
        let notices = world
            .sql_count("select count(*) from inbox where event_type like 'image.%' and meaning = 'change'")
            .await;
        assert_eq!(notices > 0, relay);
        world.close().await;
    }
}

/// The pictures of an item in the shop's order.
fn sorted(world: &World, id: i64) -> Vec<i64> {
    let images = world.stage.r.raw_images(ImageOwner::Item(id));
    images.iter().map(|image| image["imageID"].as_str().unwrap().parse().unwrap()).collect()
}

#[tokio::test]
async fn what_was_added_online_stays_until_the_shop_changes_a_picture_and_is_in_the_ledger_then() {
    let (mut world, id, mut images) = World::with_a_pictured_mug(Plan::default(), 2).await;
    let product = world.product_of(id).unwrap().id;
    let own = picture::png("online alone");
    let at = world.stage.e.add_gallery_picture(product, &own).unwrap();
    world.stage.e.set_alt(product, at, "Only here");
    world.stage.e.arrange_pictures(product, &[0, at, 1]);
    world.settle().await;
    let before = world.hung(product);
    assert_eq!(before[1], hash(&own));
    world.clear_calls();
    world.stage.r.rename(id, "Cup");
    world.walk().await;
    world.restart_worker(3);
    world.look_at(id).await;
    assert_eq!(world.hung(product), before, "nothing about the shop's pictures has changed");
    assert_eq!(world.writes(), 1, "the name");

    let url = world.stage.e.pictures(product)[1].url.clone();
    images.push(world.add_image(id));
    world.sweep().await;
    world.check_pictures(id, &images, "the shop has changed its pictures");
    let told = world.told_of_pictures().await;
    let removal = told.iter().find(|entry| entry["before"]["url"] == *url).expect("it is in the ledger");
    assert_eq!(
        (&removal["before"]["alt"]["main"], &removal["before"]["place"]),
        (&json!("Only here"), &json!(1))
    );
    assert_eq!(removal["result"], "landed");
    world.check_laws().await;

    // What somebody takes down online stays down until then as well.
    world.stage.e.remove_picture(product);
    world.walk().await;
    assert_eq!(world.hung(product).len(), 2);
    images.push(world.add_image(id));
    world.sweep().await;
    world.check_pictures(id, &images, "all of the shop's are there again");
}

#[tokio::test]
async fn a_product_that_was_there_already_takes_the_shops_pictures_or_keeps_its_own() {
    let mut world = World::open(Plan::default()).await;
    let pictured = world.stage.r.create_item(mug());
    let images = [world.add_image(pictured), world.add_image(pictured)];
    world.stage.r.create_item(item("Cup", "CUP", "9", 3));
    let there: Vec<i64> = ["MUG-1", "CUP"]
        .iter()
        .map(|sku| world.stage.e.create_product(json!({"name": sku, "sku": sku, "price": 1, "quantity": 1})))
        .collect();
    for product in &there {
        world.stage.e.set_picture(*product, &picture::png("old main")).unwrap();
        world.stage.e.add_gallery_picture(*product, &picture::png("old")).unwrap();
    }
    let cup = world.hung(there[1]);
    world.clock.advance(Duration::from_secs(10));
    world.connect().await;
    world.settle().await;
    assert_eq!(world.hung(there[0]), world.of_shop(&images));
    assert_eq!(world.hung(there[1]), cup, "the shop has none");
    world.check_queue_and_ledger().await;
    let told = world.told_of_pictures().await;
    assert_eq!(told.iter().filter(|entry| entry["before"]["url"].is_string()).count(), 2, "{told:#?}");
}

#[tokio::test]
async fn alternative_texts_stay_when_pictures_move() {
    let (world, id, mut images) = World::with_a_pictured_mug(Plan::default(), 3).await;
    let product = world.product_of(id).unwrap().id;
    for (at, text) in [(0, "front"), (1, "side"), (2, "back")] {
        assert!(world.stage.e.set_alt(product, at, text));
    }
    let texts = |world: &World| -> Vec<Value> {
        let pictures = world.stage.e.pictures(product);
        pictures.into_iter().map(|picture| picture.alt.unwrap_or_default()["main"].clone()).collect()
    };
    world.settle().await;
    images.rotate_left(1);
    world.stage.r.reorder_images(&images);
    world.sweep().await;
    world.check_pictures(id, &images, "reordered");
    assert_eq!(texts(&world), ["side", "back", "front"]);
    world.stage.r.remove_image(images.remove(1));
    images.push(world.add_image(id));
    world.sweep().await;
    world.check_pictures(id, &images, "one went and one came");
    assert_eq!(texts(&world)[..2], ["side", "front"]);
    world.check_laws().await;
}

#[tokio::test]
async fn ids_that_move_and_platforms_that_show_less_confuse_nothing() {
    for shape in 0..4 {
        let mut world = World::open(Plan::default()).await;
        world.stage.e.habits(|habits| match shape {
            0 => habits.external_ids_are_shown = false,
            1 => habits.first_gallery_image_becomes_main = false,
            2 => habits.gallery_fills_empty_main = true,
            _ => habits.most_gallery_images = Some(3),
        });
        let id = world.stage.r.create_item(mug());
        let mut images: Vec<i64> = (0..4).map(|_| world.add_image(id)).collect();
        world.connect().await;
        world.settle().await;
        let product = world.product_of(id).unwrap().id;
        let at = format!("shape {shape}");
        world.check_pictures(id, &images, &at);
        world.stage.e.arrange_pictures(product, &[3, 1, 0, 2]);
        world.settle().await;
        world.clear_calls();
        world.walk().await;
        assert_eq!(world.writes(), 0, "{at}");
        images.swap(0, 2);
        world.stage.r.reorder_images(&images);
        world.sweep().await;
        world.check_pictures(id, &images, &at);
        world.stage.r.remove_image(images.remove(0));
        world.sweep().await;
        world.check_pictures(id, &images, &at);
        let uploads = world.stage.e.calls().iter().filter(|call| call.method == "POST").count();
        assert_eq!(uploads, 0, "{at}: nothing is uploaded again");
        images.insert(1, world.add_image(id));
        world.stage.r.reorder_images(&images);
        world.sweep().await;
        world.check_pictures(id, &images, &at);
        world.check_laws().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_picture_that_cannot_be_carried_is_parked_alone_and_tried_again_on_a_word() {
    let mut world = World::open(Plan::default()).await;
    world.stage.e.habits(|habits| habits.largest_image_bytes = 10_000);
    let id = world.stage.r.create_item(mug());
    let file = |bytes: Vec<u8>| Some(ImageFile { bytes, content_type: "image/png".into() });
    let add = |world: &World, file| world.stage.r.add_image(ImageOwner::Item(id), "", file).unwrap();
    let mut large = picture::png("large");
    large.resize(20_000, 0);
    let images = [
        add(&world, file(b"<html>no picture</html>".to_vec())),
        world.add_image(id),
        add(&world, file(large)),
        world.add_image(id),
    ];
    world.stage.r.break_image(images[3], Some(404));
    world.connect().await;
    world.settle().await;
    world.check_pictures(id, &images[1..2], "the others are parked");
    let (mug, product) = world.pair(id);
    assert_eq!((mug.stock[&1], product.quantity), (10, Some(10)), "the product goes on");
    // What the sweep found is told until it finds nothing more.
    world.sweep().await;
    let status = world.get("/status").await;
    assert_eq!((&status["parked"], &status["in_step"]), (&json!(0), &json!(true)), "{status}");
    let shown = world.product_detail(id).await;
    let codes: Vec<&Value> = shown["images"].as_array().unwrap().iter().map(|image| &image["code"]).collect();
    assert_eq!(
        codes,
        [
            &json!("picture_no_image"),
            &Value::Null,
            &json!("picture_too_large"),
            &json!("picture_unreachable")
        ]
    );
    let reason = shown["images"][3]["reason"].as_str().unwrap();
    assert!(reason.contains("404"), "{reason}");
    world.check_laws().await;
    world.clear_calls();
    world.sweep().await;
    world.stage.r.rename(id, "Cup");
    world.sweep().await;
    assert_eq!(world.writes(), 1, "the name: what is parked is left alone");

    // On a word all of them are tried; one has healed.
    world.stage.r.break_image(images[3], None);
    world.stage.e.habits(|habits| habits.large_images_answer_413 = true);
    world.look_at(id).await;
    world.check_pictures(id, &[images[1], images[3]], "the one that has healed is there");
    let shown = world.product_detail(id).await;
    assert_eq!(shown["images"][2]["code"], "picture_too_large", "{shown}");

    // A picture that the shop replaces is another one.
    let better = world.stage.r.replace_image(images[0], None).unwrap();
    world.sweep().await;
    world.check_pictures(id, &[better, images[1], images[3]], "replaced");
    world.check_laws().await;
}

#[tokio::test]
async fn a_picture_whose_host_was_away_is_tried_again_by_itself() {
    let mut world = World::open(Plan::default()).await;
    let id = world.stage.r.create_item(mug());
    let image = world.add_image(id);
    world.stage.r.break_image(image, Some(503));
    world.connect().await;
    world.settle().await;
    world.check_pictures(id, &[], "it cannot be had");
    world.stage.r.break_image(image, None);
    world.walk().await;
    world.check_pictures(id, &[], "not before its time");
    for _ in 0..4 {
        world.walk().await;
    }
    world.check_pictures(id, &[image], "it came by itself");
    world.check_laws().await;
}

#[tokio::test]
async fn where_pictures_are_public_e_series_reads_those_on_offer_by_itself_and_else_it_is_given_the_bytes() {
    for reads in [true, false] {
        let mut world = World::open(Plan { public_pictures: true, ..Plan::default() }).await;
        // A loopback address is no HTTPS.
        world.stage.e.habits(|habits| habits.external_urls_need_https = !reads);
        let id = world.stage.r.create_item(mug());
        world.connect().await;
        world.settle().await;
        world.stage.e.enable(world.product_of(id).unwrap().id, true);
        world.settle().await;
        world.clear_calls();
        let images: Vec<i64> = (0..3).map(|_| world.add_image(id)).collect();
        world.walk().await;
        world.check_pictures(id, &images, "by address");
        let uploads: Vec<_> =
            world.stage.e.calls().into_iter().filter(|call| call.method == "POST").collect();
        let by_address = uploads.iter().filter(|call| call.query.contains("externalUrl")).count();
        // It is asked once whether it can, and given the bytes from then on.
        assert_eq!((uploads.len(), by_address), if reads { (3, 3) } else { (1 + 3, 1) });
        world.check_laws().await;
        world.close().await;
    }
}

#[tokio::test]
async fn pictures_are_carried_one_way_or_not_at_all() {
    let (mut world, id, images) = World::with_a_pictured_mug(Plan::default(), 1).await;
    let path = format!("/v1/connections/{}", world.connection);
    let set = |way: &str| json!({"settings": {"fields": {"images": {"way": way}}}});
    let (status, problem) = world.call("PATCH", &path, Some(set("both"))).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("r_to_e or off"), "{problem}");
    assert_eq!(world.call("PATCH", &path, Some(set("off"))).await.0, StatusCode::OK);
    world.restart_worker(1);
    let more = world.add_image(id);
    world.walk().await;
    world.check_pictures(id, &images, "off");
    assert_eq!(world.call("PATCH", &path, Some(set("r_to_e"))).await.0, StatusCode::OK);
    world.restart_worker(2);
    world.walk().await;
    world.check_pictures(id, &[images[0], more], "on again");
    world.check_laws().await;
}

#[tokio::test]
async fn a_product_keeps_its_last_picture_until_one_of_the_shops_hangs() {
    let (world, id, images) = World::with_a_pictured_mug(Plan::default(), 2).await;
    let (product, before) = (world.product_of(id).unwrap().id, world.of_shop(&images[..1]));
    let new = world.stage.r.replace_image(images[0], None).unwrap();
    world.stage.r.remove_image(images[1]);
    world.stage.r.break_image(new, Some(404));
    world.walk().await;
    assert_eq!(world.hung(product), before, "there is nothing to take its place");
    world.stage.r.break_image(new, None);
    world.look_at(id).await;
    world.check_pictures(id, &[new], "now there is");
    world.check_laws().await;
}
