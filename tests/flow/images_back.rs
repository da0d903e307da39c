//! Pictures of what is archived, and comes back.

use axum::http::StatusCode;
use concord::sandbox::picture;
use concord::sandbox::rseries::ImageOwner;
use serde_json::{Value, json};

use super::images::hash;
use super::variants::shirt;
use crate::support::{Plan, World, item};

impl World {
    /// A picture that the store keeps at an address where it stays, whatever becomes of its product: added by another
    /// app of the store.
    async fn hang_from(&self, product: i64, path: &str, address: &str) {
        let url = format!("{}/api/v3/1003/products/{product}/{path}/async", self.stage.e_url());
        let body =
            json!({"url": address, "width": 8, "height": 8, "alt": {"main": "Only here", "translated": {}}});
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let token = self.stage.e.issue_token();
        let answer = client.post(url).bearer_auth(token).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    /// Where the bytes of a picture of the shop are.
    fn address_of(&self, owner: i64) -> String {
        let image = self.stage.r.raw_images(ImageOwner::Item(owner))[0].clone();
        format!("{}{}.jpg", image["baseImageURL"].as_str().unwrap(), image["publicID"].as_str().unwrap())
    }
}

/// A mug with two pictures of the shop, one that the store keeps elsewhere, and one that exists on its own host alone.
struct Pictured {
    world: World,
    id: i64,
    /// Of the shop: those of the mug, and the one that the store shows by its address.
    images: Vec<i64>,
    own: String,
}

async fn pictured() -> Pictured {
    let (world, id, mut images) = World::with_a_pictured_mug(Plan::default(), 2).await;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.habits(|habits| habits.external_urls_need_https = false);
    let elsewhere = world.stage.r.create_item(item("Other", "OTHER", "1", 1));
    images.push(world.add_image(elsewhere));
    world.hang_from(product, "gallery", &world.address_of(elsewhere)).await;
    let own = picture::png("on the store's own host");
    world.stage.e.add_gallery_picture(product, &own).unwrap();
    world.stage.e.set_alt(product, 0, "Front");
    world.settle().await;
    assert_eq!(world.hung(product).len(), 4);
    Pictured { world, id, images, own: hash(&own) }
}

impl Pictured {
    /// Archived, and back again.
    async fn there_and_back(&self) -> i64 {
        self.world.stage.r.archive(self.id);
        self.world.sweep().await;
        assert!(self.world.product_of(self.id).is_none(), "removed within one visit");
        self.world.stage.r.unarchive(self.id);
        self.world.sweep().await;
        self.world.product_of(self.id).expect("it is back").id
    }

    /// Archived, and visited without time passing.
    async fn archive_and_visit(&self) {
        self.world.stage.r.archive(self.id);
        self.world.clock.advance(std::time::Duration::from_secs(30));
        self.world.stage.deliver_due().await;
        while self.world.worker.step().await.unwrap() {}
    }

    async fn told(&self, word: &str) -> usize {
        let ledger = self.world.ledger().await;
        ledger
            .iter()
            .filter(|entry| entry["kind"] == "hold" && entry["field"] == "images")
            .filter(|entry| entry.to_string().contains(word))
            .count()
    }
}

#[tokio::test]
async fn what_comes_back_shows_the_shops_pictures_and_what_existed_online_alone() {
    let it = pictured().await;
    let world = &it.world;
    let back = it.there_and_back().await;
    let mut shown = world.of_shop(&it.images);
    shown.push(it.own.clone());
    assert_eq!(world.hung(back), shown);
    let texts: Vec<Value> = world
        .stage
        .e
        .pictures(back)
        .into_iter()
        .map(|picture| picture.alt.unwrap_or_default()["main"].clone())
        .collect();
    assert_eq!(texts, [json!("Front"), Value::Null, json!("Only here"), Value::Null]);
    assert_eq!(it.told("could not be put back").await, 0);
    assert_eq!(it.told("on no host of which the installation says").await, 1, "that of the other host");
    world.check_laws().await;
    world.clear_calls();
    world.sweep().await;
    assert_eq!(world.writes(), 0);
    // And once more, out of what was put back.
    let back = it.there_and_back().await;
    assert_eq!(world.hung(back), shown);
    world.rests().await;
}

#[tokio::test]
async fn a_picture_that_cannot_be_kept_is_told_and_holds_up_no_removal() {
    for (status, told) in [(404, "its host answers 404"), (503, "its host answers 503")] {
        let it = pictured().await;
        it.world.stage.e.habits(|habits| habits.pictures_answer = Some(status));
        it.archive_and_visit().await;
        assert_eq!(it.world.product_of(it.id).is_some(), status == 503, "the host is given some time");
        it.world.settle().await;
        assert!(it.world.product_of(it.id).is_none(), "{status}: it is removed all the same");
        assert_eq!(it.told(told).await, 1, "{status}");
        it.world.stage.r.unarchive(it.id);
        it.world.sweep().await;
        let back = it.world.product_of(it.id).expect("it is back").id;
        assert_eq!(it.world.hung(back), it.world.of_shop(&it.images));
        assert_eq!(it.told("could not be put back").await, 1, "{status}");
        it.world.rests().await;
    }
}

#[tokio::test]
async fn a_host_that_is_away_for_a_moment_costs_no_picture() {
    let it = pictured().await;
    it.world.stage.e.habits(|habits| habits.pictures_answer = Some(503));
    it.archive_and_visit().await;
    assert!(it.world.product_of(it.id).is_some(), "it waits for the host");
    it.world.stage.e.habits(|habits| habits.pictures_answer = None);
    it.world.settle().await;
    assert!(it.world.product_of(it.id).is_none());
    it.world.stage.r.unarchive(it.id);
    it.world.sweep().await;
    let back = it.world.product_of(it.id).expect("it is back").id;
    assert_eq!(it.world.hung(back).last(), Some(&it.own));
    it.world.rests().await;
}

#[tokio::test]
async fn what_the_shop_overrode_online_is_put_back_by_an_undo() {
    let (world, id, mut images) = World::with_a_pictured_mug(Plan::default(), 1).await;
    let product = world.product_of(id).unwrap().id;
    let own: Vec<String> = ["one", "two"]
        .iter()
        .map(|name| {
            let bytes = picture::png(name);
            world.stage.e.add_gallery_picture(product, &bytes).unwrap();
            hash(&bytes)
        })
        .collect();
    world.settle().await;
    images.push(world.add_image(id));
    world.sweep().await;
    world.check_pictures(id, &images, "the shop's alone");
    let writes = world.get("/ledger?limit=200&kind=write&field=images&result=landed").await;
    let writes = writes["items"].as_array().unwrap();
    let (down, up): (Vec<&Value>, Vec<&Value>) =
        writes.iter().partition(|entry| entry["before"]["url"].is_string());
    assert_eq!(down.len(), 2, "{writes:#?}");
    let (status, problem) = world.undo(up[0]).await;
    assert_eq!(status, 422, "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("Pictures are the shop's"), "{problem}");

    let (status, taken) = world.undo(down[0]).await;
    assert_eq!((status, &taken["accepted"]), (202, &json!(1)), "{taken}");
    assert_eq!(world.undo(down[0]).await.0, 409, "it is under way");
    assert_eq!(world.undo(down[1]).await.0, 409, "one undo of the pictures at a time");
    world.settle().await;
    let mut shown = world.of_shop(&images);
    shown.push(own[0].clone());
    assert_eq!(world.hung(product), shown, "the newest removal was that of the first");
    world.rests().await;
    assert_eq!(world.undo(down[1]).await.0, 202);
    world.settle().await;
    shown.push(own[1].clone());
    assert_eq!(world.hung(product), shown);
    let progress = world.get(&format!("/ledger/undos/{}", taken["id"].as_str().unwrap())).await;
    assert_eq!((&progress["done"], &progress["left"]), (&json!(1), &json!(0)), "{progress}");
    world.rests().await;
    // The next change in the shop overrides them again.
    images.push(world.add_image(id));
    world.sweep().await;
    world.check_pictures(id, &images, "the shop's alone, again");
}

#[tokio::test]
async fn a_death_at_any_point_of_a_removal_and_of_an_undo_loses_no_picture() {
    let (mut world, id, mut images) = World::with_a_pictured_mug(Plan::default(), 1).await;
    let own = picture::png("online alone");
    world.stage.e.add_gallery_picture(world.product_of(id).unwrap().id, &own).unwrap();
    world.settle().await;
    let own = hash(&own);
    let mut points = 0;
    loop {
        let at = format!("death at point {points}");
        world.let_bygones_be().await;
        // The shop's change takes it down, and a removal comes on top of that.
        images.push(world.add_image(id));
        world.stage.deliver_due().await;
        world.sweep().await;
        let writes = world.get("/ledger?limit=200&kind=write&field=images&result=landed").await;
        let down = writes["items"].as_array().unwrap().iter().find(|entry| entry["can_undo"] == true);
        let down = down.expect("what was online alone is taken down").clone();
        assert_eq!(world.undo(&down).await.0, 202, "{at}");
        let mut died = world.die_after(points as u64, points).await;
        world.restart_worker(points as u64);
        world.clock.advance(std::time::Duration::from_secs(61));
        world.settle().await;
        let mut shown = world.of_shop(&images);
        shown.push(own.clone());
        assert_eq!(world.hung(world.product_of(id).unwrap().id), shown, "{at}");

        world.stage.r.archive(id);
        world.stage.deliver_due().await;
        died |= world.die_after(points as u64, points).await;
        world.restart_worker(points as u64);
        world.clock.advance(std::time::Duration::from_secs(61));
        world.sweep().await;
        assert!(world.product_of(id).is_none(), "{at}");
        world.stage.r.unarchive(id);
        world.sweep().await;
        let back = world.product_of(id).expect("it is back").id;
        assert_eq!(world.hung(back), shown, "{at}");
        world.check_queue_and_ledger().await;
        if !died {
            break;
        }
        images = vec![*images.last().unwrap()];
        for image in world.stage.r.raw_images(ImageOwner::Item(id)) {
            let image: i64 = image["imageID"].as_str().unwrap().parse().unwrap();
            if !images.contains(&image) {
                world.stage.r.remove_image(image);
            }
        }
        points += 3;
    }
    assert!(points > 20, "only {points} points: the visit did not do what it should");
}

#[tokio::test]
async fn pictures_that_existed_online_alone_come_back_where_the_shop_has_none() {
    let mut world = World::open(Plan::default()).await;
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    let elsewhere = world.stage.r.create_item(item("Other", "OTHER", "1", 1));
    let other = world.add_image(elsewhere);
    world.connect().await;
    world.settle().await;
    world.stage.e.habits(|habits| habits.external_urls_need_https = false);
    let product = world.product_of_matrix(matrix).unwrap();
    let variation = world.stage.e.variations(product)[1]["id"].as_i64().unwrap();
    let address = world.address_of(elsewhere);
    world.hang_from(product, "image", &address).await;
    world.hang_from(product, &format!("combinations/{variation}/image"), &address).await;
    world.settle().await;
    world.stage.r.archive_matrix(matrix);
    world.sweep().await;
    assert!(world.product_of_matrix(matrix).is_none());
    for item in world.stage.r.items() {
        world.stage.r.unarchive(item.item_id);
    }
    world.sweep().await;
    world.sweep().await;
    let back = world.product_of_matrix(matrix).expect("it is back");
    let pictures = world.stage.e.pictures(back);
    let bytes = hash(&world.stage.r.image_bytes(other).unwrap());
    assert_eq!(pictures.len(), 2, "{pictures:#?}");
    assert!(pictures.iter().all(|picture| picture.sha256.as_ref() == Some(&bytes)), "{pictures:#?}");
    world.check_laws().await;
}
