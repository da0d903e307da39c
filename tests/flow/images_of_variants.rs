//! What the variations of a product show: the first picture of their item, or one out of the gallery of their matrix.

use axum::http::StatusCode;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::picture;
use concord::sandbox::rseries::{ImageOwner, NewMatrix};
use serde_json::json;

use super::images::hash;
use super::variants::{shirt, variant};
use crate::support::{Plan, World};

/// A shirt in two colours and two sizes, with pictures of the matrix that are described like this, connected and quiet.
async fn described(descriptions: &[&str]) -> (World, i64, Vec<i64>) {
    let mut world = World::open(Plan::default()).await;
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    let of_matrix =
        |description: &&str| world.stage.r.add_image(ImageOwner::Matrix(matrix), description, None).unwrap();
    let images = descriptions.iter().map(of_matrix).collect();
    world.connect().await;
    world.settle().await;
    (world, matrix, images)
}

impl World {
    /// What the variation of this SKU shows, as a hash.
    fn shown_by(&self, sku: &str) -> Option<String> {
        let item = self.item_called(sku);
        let matrix = self.stage.r.item(item).unwrap().matrix_id;
        let product = self.product_of_matrix(matrix).expect("the matrix is online");
        let place = format!("variation {}", self.variation(product, sku)["id"]);
        let pictures = self.stage.e.pictures(product).into_iter();
        pictures.filter(|picture| picture.place == place).find_map(|picture| picture.sha256)
    }

    /// The variations of these SKUs show these pictures of the shop.
    fn check_shown(&self, at: &str, shown: &[(&str, Option<i64>)]) {
        for (sku, image) in shown {
            let wanted = image.map(|image| self.of_shop(&[image]).remove(0));
            assert_eq!(self.shown_by(sku), wanted, "{at}: {sku}");
        }
    }
}

#[tokio::test]
async fn a_matrix_shows_its_pictures_and_each_variation_the_first_one_of_its_item() {
    let mut world = World::open(Plan::default()).await;
    let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
    let whole: Vec<i64> =
        (0..2).map(|_| world.stage.r.add_image(ImageOwner::Matrix(matrix), "", None).unwrap()).collect();
    let red = world.item_called("TS-R-S");
    let of_red = [world.add_image(red), world.add_image(red)];
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    let of_variations = |world: &World| -> Vec<String> {
        let pictures = world.stage.e.pictures(product).into_iter();
        let pictures = pictures.filter(|picture| picture.place.starts_with("variation"));
        pictures.map(|picture| picture.sha256.unwrap_or_default()).collect()
    };
    assert_eq!(world.hung(product), world.of_shop(&whole));
    assert_eq!(of_variations(&world), world.of_shop(&of_red[..1]));
    assert_eq!(world.writes(), 1 + 3, "the matrix in one call, and one a picture");
    world.check_laws().await;
    world.clear_calls();
    world.walk().await;
    assert_eq!(world.writes(), 0);

    world.stage.r.remove_image(of_red[0]);
    world.walk().await;
    assert_eq!(of_variations(&world), world.of_shop(&of_red[1..]));
    world.stage.r.remove_image(of_red[1]);
    world.walk().await;
    assert_eq!(of_variations(&world), Vec::<String>::new());
    assert_eq!(world.hung(product), world.of_shop(&whole), "the matrix keeps its own");
    world.check_laws().await;
}

#[tokio::test]
async fn a_variation_shows_the_picture_of_its_matrix_that_names_its_values_unless_its_item_has_one() {
    let (mut world, matrix, of) = described(&["red", "All of them", "Blue, M", "Light blue"]).await;
    let product = world.product_of_matrix(matrix).unwrap();
    assert_eq!(world.hung(product), world.of_shop(&of), "the product shows all of them");
    let first = [("TS-R-S", Some(of[0])), ("TS-R-M", Some(of[0])), ("TS-B-M", Some(of[2]))];
    world.check_shown("at first", &first);
    world.check_shown("of blue there is M alone", &[("TS-B-S", None)]);
    assert_eq!(world.writes(), 1 + 4 + 3, "one call for the matrix and one a picture and place");
    world.check_laws().await;
    world.check_quiet().await;
    world.clear_calls();
    world.walk().await;
    world.restart_worker(7);
    world.walk().await;
    assert_eq!(world.writes(), 0, "{:#?}", world.stage.e.calls());

    let item = world.item_called("TS-R-S");
    let own = world.add_image(item);
    world.walk().await;
    world.check_shown("its own is better", &[("TS-R-S", Some(own)), ("TS-R-M", Some(of[0]))]);
    world.stage.r.remove_image(own);
    world.walk().await;
    world.check_shown("and when that goes", &first);
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn what_a_variation_shows_follows_the_gallery_its_descriptions_and_the_values_of_its_item() {
    let (world, matrix, of) = described(&["Red", "Green"]).await;
    world.check_shown("at first", &[("TS-R-S", Some(of[0])), ("TS-B-S", None)]);
    world.stage.r.describe_image(of[1], "Blue");
    world.walk().await;
    world.check_shown("a description was changed", &[("TS-R-S", Some(of[0])), ("TS-B-S", Some(of[1]))]);
    world.later();
    world.stage.r.set_attributes(world.item_called("TS-R-S"), ["Green", "S", ""]);
    world.settle().await;
    world.sweep().await;
    world.check_shown("a value was changed", &[("TS-R-S", None), ("TS-R-M", Some(of[0]))]);
    let green = world.stage.r.add_image(ImageOwner::Matrix(matrix), "Green", None).unwrap();
    world.walk().await;
    world.check_shown("a picture came", &[("TS-R-S", Some(green)), ("TS-R-M", Some(of[0]))]);
    world.stage.r.replace_image(of[0], None);
    world.walk().await;
    let images = world.stage.r.raw_images(ImageOwner::Matrix(matrix));
    let red = images.iter().find(|image| image["description"] == "Red");
    let red = red.map(|image| image["imageID"].as_str().unwrap().parse().unwrap());
    world.check_shown("a picture was replaced", &[("TS-R-S", Some(green)), ("TS-R-M", red)]);
    world.stage.r.remove_image(green);
    world.walk().await;
    world.check_shown("a picture went", &[("TS-R-S", None), ("TS-B-M", Some(of[1]))]);
    world.later();
    world.stage.r.add_variant(matrix, variant(["Blue", "XL", ""], "TS-B-XL", "19.9", 1)).unwrap();
    world.settle().await;
    world.sweep().await;
    world.check_shown("a variant came", &[("TS-B-XL", Some(of[1]))]);
    world.check_laws().await;
    world.check_quiet().await;
    world.clear_calls();
    world.walk().await;
    assert_eq!(world.writes(), 0, "{:#?}", world.stage.e.calls());
}

/// A walk over all pictures that a list cuts short takes one for unseen, until the next look.
#[tokio::test]
async fn a_picture_that_a_list_left_out_is_taken_from_no_variation() {
    let (world, _, of) = described(&["Red", "Blue"]).await;
    world.clear_calls();
    world.sql(&format!("delete from image_sightings where r_image_id = {}", of[0])).await;
    world.stage.r.sell(world.item_called("TS-R-S"), 1, 1);
    world.settle().await;
    world.check_shown("not seen", &[("TS-R-S", Some(of[0])), ("TS-B-S", Some(of[1]))]);
    world.walk().await;
    world.check_shown("seen again", &[("TS-R-S", Some(of[0])), ("TS-B-S", Some(of[1]))]);
    assert_eq!(world.writes(), 1, "what was sold: {:#?}", world.stage.e.calls());
}

/// Whose picture it is depends on variants that come later.
#[tokio::test]
async fn a_picture_that_also_names_another_variant_is_that_ones_in_whatever_order_they_come() {
    for sizes in [["S", "M"], ["M", "S"]] {
        let mut world = World::open(Plan::default()).await;
        let variants = sizes.map(|size| variant(["Blue", size, ""], &format!("B-{size}"), "9", 1));
        let matrix = NewMatrix { variants: variants.into(), ..shirt() };
        let matrix = world.stage.r.create_matrix(matrix).unwrap().0;
        let of_m = world.stage.r.add_image(ImageOwner::Matrix(matrix), "Blue, M", None).unwrap();
        world.connect().await;
        world.settle().await;
        world.check_shown(&format!("{sizes:?}"), &[("B-M", Some(of_m)), ("B-S", None)]);
        // As soon as there is no M any more, it is a picture of the blue one.
        world.later();
        world.stage.r.set_attributes(world.item_called("B-M"), ["Blue", "L", ""]);
        world.settle().await;
        world.sweep().await;
        world.check_shown("no M any more", &[("B-M", Some(of_m)), ("B-S", Some(of_m))]);
        world.check_laws().await;
        world.check_quiet().await;
        world.close().await;
    }
}

#[tokio::test]
async fn what_was_hung_on_a_variation_online_stays_until_the_shop_chooses_another_one() {
    let (world, matrix, of) = described(&["Red", "Other"]).await;
    let product = world.product_of_matrix(matrix).unwrap();
    let variation = world.variation(product, "TS-R-S")["id"].as_i64().unwrap();
    let by_hand = picture::png("by hand");
    world.stage.e.set_variation_picture(product, variation, &by_hand).unwrap();
    world.settle().await;
    world.walk().await;
    assert_eq!(world.shown_by("TS-R-S"), Some(hash(&by_hand)));
    world.stage.r.describe_image(of[1], "Red, S");
    world.walk().await;
    world.check_shown("the shop's again", &[("TS-R-S", Some(of[1])), ("TS-R-M", Some(of[0]))]);
    world.check_laws().await;
}

#[tokio::test]
async fn a_choice_survives_faults_and_comes_back_with_its_product() {
    for fault in [Fault::ResetAfter, Fault::ResetBefore, Fault::Status { status: 429, retry_after: Some(5) }]
    {
        for skip in 0..4 {
            let (world, matrix, of) = described(&["None"]).await;
            world.stage.e.faults().next_after(skip, Aim::Write, fault);
            world.stage.r.describe_image(of[0], "Red");
            world.walk().await;
            world.sweep().await;
            world.check_shown(
                &format!("{fault:?} after {skip}"),
                &[("TS-R-S", Some(of[0])), ("TS-B-S", None)],
            );
            world.stage.r.archive_matrix(matrix);
            world.sweep().await;
            world.sweep().await;
            assert!(world.product_of_matrix(matrix).is_none());
            world.unarchive_whole(matrix).await;
            world.check_shown("it is back", &[("TS-R-M", Some(of[0])), ("TS-B-S", None)]);
            world.check_laws().await;
            world.check_quiet().await;
            world.close().await;
        }
    }
}

#[tokio::test]
async fn a_choice_that_cannot_be_had_is_parked_alone() {
    let (world, _, of) = described(&["None"]).await;
    world.stage.r.break_image(of[0], Some(404));
    world.stage.r.describe_image(of[0], "Red");
    world.walk().await;
    world.check_shown("it cannot be had", &[("TS-R-S", None)]);
    let item = world.item_called("TS-R-S").to_string();
    let all = world.get("/products").await;
    let whole = all["items"][0]["id"].as_str().unwrap().to_owned();
    let whole = world.get(&format!("/products/{whole}")).await;
    let of_item = |variant: &&serde_json::Value| variant["r_series"]["id"] == json!(item);
    let id =
        whole["variant_products"].as_array().unwrap().iter().find(of_item).unwrap()["id"].as_str().unwrap();
    let shown = world.get(&format!("/products/{id}")).await;
    assert_eq!(shown["images"][0]["state"], "parked", "{shown}");
    world.stage.r.break_image(of[0], None);
    let path = format!("/v1/connections/{}/products/{id}/sync", world.connection);
    let (status, answer) = world.call("POST", &path, None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{answer}");
    world.settle().await;
    world.check_shown("it can be had", &[("TS-R-S", Some(of[0]))]);
    world.check_laws().await;
}
