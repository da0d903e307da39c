//! Pictures of which E-Series is only told: while nobody looks at their product, and until they are seen to be there.

use std::time::Duration;

use concord::sandbox::eseries::Call;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::ImageOwner;
use serde_json::{Value, json};

use super::variants::shirt;
use crate::support::{Plan, World, mug};

/// How long a promised picture is waited for.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// A world in which E-Series may read the shop's pictures by itself, with a pictured mug that is not on offer.
async fn told(takes: Option<u32>) -> (World, i64, Vec<i64>) {
    let mut world = World::open(Plan { public_pictures: true, ..Plan::default() }).await;
    world.stage.e.habits(|habits| {
        habits.external_urls_need_https = false;
        habits.promised_pictures_take_seconds = takes;
    });
    let id = world.stage.r.create_item(mug());
    let images = (0..3).map(|_| world.add_image(id)).collect();
    world.connect().await;
    world.settle().await;
    (world, id, images)
}

impl World {
    /// What REST says of the pictures of an item.
    async fn states(&self, item_id: i64) -> Vec<String> {
        let shown = self.product_detail(item_id).await;
        let states = shown["images"].as_array().unwrap().iter().map(|image| &image["state"]);
        states.map(|state| state.as_str().unwrap().to_owned()).collect()
    }

    /// Uploads that were answered with success, by their way.
    fn ways(&self) -> Vec<&'static str> {
        let way = |call: &Call| match (call.path.ends_with("/async"), call.query.contains("externalUrl")) {
            (true, _) => "promise",
            (false, true) => "address",
            (false, false) => "bytes",
        };
        let is_upload = |call: &&Call| {
            let of_picture = ["/image", "/gallery", "/async"].iter().any(|end| call.path.ends_with(end));
            call.method == "POST" && call.status == 200 && of_picture
        };
        self.stage.e.calls().iter().filter(is_upload).map(way).collect()
    }

    /// Sweeps until a promised picture has had its time, and once more.
    async fn lose_patience(&self) {
        self.clock.advance(PATIENCE);
        self.sweep().await;
        self.sweep().await;
    }
}

#[tokio::test]
async fn while_nobody_looks_pictures_are_promised_and_they_are_online_when_a_copy_is_there() {
    for (keeps_url, shows_ids) in [(true, true), (false, true), (true, false), (false, false)] {
        let (world, id, images) = told(Some(5)).await;
        world.stage.e.habits(|habits| {
            habits.promised_pictures_keep_their_url = keeps_url;
            habits.external_ids_are_shown = shows_ids;
        });
        assert_eq!(world.ways(), ["promise"; 3]);
        assert_eq!(world.states(id).await, ["sent"; 3], "an answer is no picture");
        let ledger = world.ledger().await;
        let way = |entry: &Value| entry["field"] == "images" && entry["after"]["sent_as"] == "promise";
        assert_eq!(ledger.iter().filter(|entry| way(entry)).count(), 3, "{ledger:#?}");
        world.sweep().await;
        assert_eq!(world.states(id).await, ["online"; 3], "URLs stay: {keeps_url}");
        world.check_pictures(id, &images, "they came");
        world.check_laws().await;
        world.clear_calls();
        world.lose_patience().await;
        world.walk().await;
        assert!(world.stage.e.calls().iter().all(|call| call.method == "GET"), "nothing is sent again");
        let of_product = format!("/products/{}", world.product_of(id).unwrap().id);
        let looks = world.stage.e.calls().iter().filter(|call| call.path.ends_with(&of_product)).count();
        assert_eq!(looks, 0, "nobody looks for what is there");

        // The shop goes on with them as with any others.
        let mut left = images.clone();
        left.rotate_left(1);
        world.stage.r.reorder_images(&left);
        world.stage.r.remove_image(left.remove(0));
        world.walk().await;
        world.check_pictures(id, &left, "one went, the others turned");
        world.check_laws().await;
        world.close().await;
    }
}

#[tokio::test]
async fn what_does_not_come_in_time_is_uploaded_as_bytes_and_no_more_is_promised() {
    let (world, id, images) = told(None).await;
    for _ in 0..8 {
        world.sweep().await;
    }
    assert_eq!((world.states(id).await, world.ways().len()), (vec!["sent".to_owned(); 3], 3), "not yet");
    world.clear_calls();
    world.lose_patience().await;
    world.check_pictures(id, &images, "as bytes, in their order");
    assert_eq!((world.states(id).await, world.ways()), (vec!["online".to_owned(); 3], vec!["bytes"; 3]));
    world.check_laws().await;
    world.check_quiet().await;

    world.clear_calls();
    let cup = world.stage.r.create_item(crate::support::item("Cup", "CUP", "3", 3));
    let of_cup = world.add_image(cup);
    world.walk().await;
    world.check_pictures(cup, &[of_cup], "waited for");
    assert_eq!(world.ways(), ["address"]);
}

#[tokio::test]
async fn where_the_asynchronous_form_is_refused_the_upload_is_waited_for_and_it_is_not_tried_again() {
    let mut world = World::open(Plan { public_pictures: true, ..Plan::default() }).await;
    world.stage.e.habits(|habits| habits.external_urls_need_https = false);
    let id = world.stage.r.create_item(mug());
    let images = [world.add_image(id), world.add_image(id)];
    // The first write creates the product.
    world.stage.e.faults().next_after(1, Aim::Write, Fault::Status { status: 400, retry_after: None });
    world.connect().await;
    world.settle().await;
    world.check_pictures(id, &images, "by address");
    assert_eq!(world.ways(), ["address"; 2]);
    assert_eq!(world.states(id).await, ["online"; 2]);
    world.check_laws().await;
}

#[tokio::test]
async fn what_nobody_can_read_is_parked_and_the_others_go_on() {
    let (world, id, images) = told(None).await;
    world.stage.r.break_image(images[1], Some(404));
    world.lose_patience().await;
    world.check_pictures(id, &[images[0], images[2]], "those that there are");
    assert_eq!(world.states(id).await, ["online", "parked", "online"]);
    world.check_laws().await;
}

#[tokio::test]
async fn what_the_shop_does_while_pictures_are_on_their_way_is_followed() {
    for takes in [Some(5), Some(200), None] {
        let (world, id, mut images) = told(takes).await;
        let product = world.product_of(id).unwrap().id;
        world.stage.r.remove_image(images.remove(0));
        images.push(world.add_image(id));
        images.rotate_left(1);
        world.stage.r.reorder_images(&images);
        world.walk().await;
        world.lose_patience().await;
        world.check_pictures(id, &images, &format!("takes {takes:?}"));
        assert_eq!(world.stage.e.pictures(product).len(), 3);
        world.check_laws().await;
        world.check_quiet().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_picture_that_the_store_lost_on_its_way_is_sent_again() {
    let (world, id, images) = told(Some(3_600)).await;
    let product = world.product_of(id).unwrap().id;
    world.stage.e.remove_gallery_picture(product, 1);
    world.sweep().await;
    let shown = world.hung(product);
    assert_eq!(shown.iter().filter(|hash| !hash.is_empty()).count(), 1, "as bytes at once: {shown:?}");
    world.lose_patience().await;
    world.check_pictures(id, &images, "all of them");
    world.check_laws().await;
}

#[tokio::test]
async fn nobody_looks_for_pictures_of_what_is_parked_or_archived() {
    for archived in [true, false] {
        let (world, id, images) = told(Some(3_600)).await;
        let product = world.product_of(id).unwrap().id;
        let mut variation = None;
        if archived {
            world.stage.r.archive(id);
        } else {
            // The item of a product with variations is none of its variants.
            let choices = json!([{"text": "S"}]);
            world.stage.e.add_option(product, json!({"type": "SELECT", "name": "Size", "choices": choices}));
            let small = json!({"options": [{"name": "Size", "value": "S"}]});
            variation = Some(world.stage.e.add_variation(product, small).unwrap());
        }
        world.sweep().await;
        let parked = || async { world.get("/parked").await["items"].as_array().unwrap().len() };
        assert_eq!(parked().await, usize::from(!archived));
        world.clear_calls();
        for _ in 0..15 {
            world.sweep().await;
        }
        let about = product.to_string();
        let names_it = |call: &Call| call.path.contains(&about) || call.query.contains(&about);
        let looks: Vec<Call> = world.stage.e.calls().into_iter().filter(names_it).collect();
        assert!(looks.len() < 5, "archived: {archived}, {looks:#?}");
        assert_eq!(parked().await, usize::from(!archived));
        // Back again, they go on.
        match variation {
            None => world.stage.r.unarchive(id),
            Some(variation) => {
                world.stage.e.delete_variation(product, variation);
                world.stage.e.remove_option(product, "Size");
            }
        }
        world.sweep().await;
        world.lose_patience().await;
        world.lose_patience().await;
        world.check_pictures(id, &images, &format!("archived: {archived}"));
        world.check_laws().await;
        world.close().await;
    }
}

#[tokio::test]
async fn the_picture_of_a_variation_is_promised_too() {
    for (takes, keeps_url) in [(Some(5), true), (Some(5), false), (None, true)] {
        let mut world = World::open(Plan { public_pictures: true, ..Plan::default() }).await;
        world.stage.e.habits(|habits| {
            habits.external_urls_need_https = false;
            habits.promised_pictures_take_seconds = takes;
            habits.promised_pictures_keep_their_url = keeps_url;
        });
        let matrix = world.stage.r.create_matrix(shirt()).unwrap().0;
        let whole = world.stage.r.add_image(ImageOwner::Matrix(matrix), "", None).unwrap();
        let red = world.item_called("TS-R-S");
        let of_red = world.add_image(red);
        world.connect().await;
        world.settle().await;
        assert_eq!(world.ways(), ["promise"; 2]);
        let shown = async |world: &World| {
            let product = world.product_of_matrix(matrix).unwrap();
            world.stage.e.pictures(product).into_iter().map(|it| it.sha256.unwrap_or_default()).collect()
        };
        let arrived: Vec<String> = shown(&world).await;
        assert_eq!(arrived, [""; 2], "they are on their way");
        world.sweep().await;
        world.lose_patience().await;
        let arrived: Vec<String> = shown(&world).await;
        assert_eq!(arrived, world.of_shop(&[whole, of_red]), "takes {takes:?}, URLs stay: {keeps_url}");
        assert_eq!(world.states(red).await, ["online"]);
        let lost: Vec<Value> = world
            .ledger()
            .await
            .into_iter()
            .filter(|it| it.to_string().contains("could not be kept"))
            .collect();
        assert!(lost.is_empty(), "what is the shop's is not kept: {lost:?}");
        world.check_laws().await;
        world.clear_calls();
        world.walk().await;
        assert_eq!(world.writes(), 0);
        let new = world.stage.r.replace_image(of_red, None).unwrap();
        world.walk().await;
        world.sweep().await;
        let arrived: Vec<String> = shown(&world).await;
        assert_eq!(arrived, world.of_shop(&[whole, new]));
        world.check_laws().await;
        world.close().await;
    }
}

#[tokio::test]
async fn lost_answers_about_promised_pictures_are_settled_by_looking() {
    for takes in [Some(5), None] {
        for fault in [
            Fault::ResetBefore,
            Fault::ResetAfter,
            Fault::BadGatewayAfter,
            Fault::HangAfter,
            Fault::Status { status: 429, retry_after: Some(7) },
        ] {
            for skip in 0..6 {
                let mut world = World::open(Plan { public_pictures: true, ..Plan::default() }).await;
                world.stage.e.habits(|habits| {
                    habits.external_urls_need_https = false;
                    habits.promised_pictures_take_seconds = takes;
                });
                let id = world.stage.r.create_item(mug());
                let images = [world.add_image(id), world.add_image(id)];
                world.stage.e.faults().next_after(skip, Aim::Write, fault);
                world.connect().await;
                world.settle().await;
                world.sweep().await;
                world.lose_patience().await;
                world.lose_patience().await;
                world.stage.e.faults().heal();
                let at = format!("takes {takes:?}, {fault:?} at write {skip}");
                world.check_pictures(id, &images, &at);
                assert_eq!(world.states(id).await, ["online"; 2], "{at}");
                world.check_laws().await;
                world.close().await;
            }
        }
    }
}

#[tokio::test]
async fn a_death_at_any_point_of_the_way_back_to_bytes_leaves_each_picture_once() {
    let mut points = 0;
    loop {
        let (mut world, id, images) = told(None).await;
        world.clock.advance(PATIENCE);
        world.clear_calls();
        world.clock.advance(Duration::from_secs(61));
        let died = world.die_after(points as u64, points).await;
        world.restart_worker(points as u64);
        world.lose_patience().await;
        let at = format!("death at point {points}");
        world.check_pictures(id, &images, &at);
        assert_eq!(world.ways(), ["bytes"; 3], "{at}");
        world.check_queue_and_ledger().await;
        world.close().await;
        if !died {
            break;
        }
        points += 5;
    }
    assert!(points > 40, "only {points} points: the visit did not do what it should");
}
