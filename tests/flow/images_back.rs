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

#[tokio::test]
async fn what_comes_back_shows_the_shops_pictures_and_what_existed_online_alone() {
    let (world, id, images) = World::with_a_pictured_mug(Plan::default(), 2).await;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.habits(|habits| habits.external_urls_need_https = false);
    let elsewhere = world.stage.r.create_item(item("Other", "OTHER", "1", 1));
    let other = world.add_image(elsewhere);
    world.hang_from(product, "gallery", &world.address_of(elsewhere)).await;
    world.stage.e.add_gallery_picture(product, &picture::png("on the store's own host")).unwrap();
    world.stage.e.set_alt(product, 0, "Front");
    world.settle().await;
    assert_eq!(world.hung(product).len(), 4);

    world.stage.r.archive(id);
    world.sweep().await;
    assert!(world.product_of(id).is_none());
    world.stage.r.unarchive(id);
    world.sweep().await;
    let back = world.product_of(id).expect("it is back").id;
    assert_eq!(world.hung(back), world.of_shop(&[images[0], images[1], other]));
    let texts: Vec<Value> = world
        .stage
        .e
        .pictures(back)
        .into_iter()
        .map(|picture| picture.alt.unwrap_or_default()["main"].clone())
        .collect();
    assert_eq!(texts, [json!("Front"), Value::Null, json!("Only here")]);
    let ledger = world.ledger().await;
    let lost = ledger.iter().find(|entry| entry["kind"] == "hold" && entry["field"] == "images").unwrap();
    let reason = lost.to_string();
    assert!(reason.contains("could not be put back from https://images.cdn.example/"), "{reason}");
    world.check_laws().await;
    world.clear_calls();
    world.sweep().await;
    assert_eq!(world.writes(), 0);
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
