//! Deaths, and answers that are lost, while pictures are carried: the same end as without.

use std::time::Duration;

use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::picture;

use crate::support::{Plan, World, item};

/// Something of everything: one goes, one comes, the order changes, and somebody has added one online.
fn stir(world: &World, id: i64, images: &mut Vec<i64>) {
    let product = world.product_of(id).unwrap().id;
    world.stage.e.add_gallery_picture(product, &picture::png("online alone")).unwrap();
    world.stage.r.remove_image(images.remove(0));
    images.push(world.add_image(id));
    images.rotate_left(1);
    world.stage.r.reorder_images(images);
}

/// Pictures that Concord has uploaded and that were taken.
fn uploads(world: &World) -> usize {
    let calls = world.stage.e.calls().into_iter();
    calls
        .filter(|call| call.method == "POST" && call.query.contains("externalId") && call.status == 200)
        .count()
}

#[tokio::test]
async fn a_death_at_any_point_ends_with_the_shops_pictures_each_uploaded_once() {
    let mut points = 0;
    let (mut world, id, mut images) = World::with_a_pictured_mug(Plan::default(), 3).await;
    loop {
        world.let_bygones_be().await;
        stir(&world, id, &mut images);
        world.clear_calls();
        world.stage.deliver_due().await;
        let died = world.die_after(points as u64, points).await;
        world.restart_worker(points as u64);
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        world.check_pictures(id, &images, &format!("death at point {points}"));
        assert_eq!(uploads(&world), 1, "death at point {points}");
        world.check_queue_and_ledger().await;
        if !died {
            break;
        }
        points += 1;
    }
    assert!(points > 40, "only {points} points: the visit did not do what it should");
}

#[tokio::test]
async fn a_death_at_any_point_of_a_creation_leaves_each_picture_once() {
    let mut world = World::with(Plan::default(), vec![]).await;
    let mut points = 0;
    loop {
        let id = world.stage.r.create_item(item("Fresh", &format!("NEW-{points}"), "3", 4));
        let images = [world.add_image(id), world.add_image(id)];
        world.clear_calls();
        world.stage.deliver_due().await;
        let died = world.die_after(points as u64, points).await;
        world.restart_worker(points as u64);
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        world.check_pictures(id, &images, &format!("death at point {points}"));
        assert_eq!(uploads(&world), 2, "death at point {points}");
        if !died {
            break;
        }
        points += 4;
    }
    assert!(points > 40, "only {points} points: the visit did not do what it should");
}

#[tokio::test]
async fn lost_answers_are_settled_by_looking() {
    let faults = [
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::BadGatewayAfter,
        Fault::HangAfter,
        Fault::HangBefore,
        Fault::Status { status: 429, retry_after: Some(7) },
        Fault::Status { status: 500, retry_after: None },
    ];
    for fault in faults {
        let (world, id, mut images) = World::with_a_pictured_mug(Plan::default(), 3).await;
        for skip in 0..3 {
            stir(&world, id, &mut images);
            world.clear_calls();
            world.stage.e.faults().next_after(skip, Aim::Write, fault);
            world.sweep().await;
            world.stage.e.faults().heal();
            world.check_pictures(id, &images, &format!("{fault:?} at write {skip}"));
            assert_eq!(uploads(&world), 1, "{fault:?} at write {skip}");
            world.check_laws().await;
        }
        world.close().await;
    }
}

#[tokio::test]
async fn where_no_external_id_is_shown_a_lost_answer_leaves_no_second_picture() {
    for fault in [Fault::ResetAfter, Fault::ResetBefore] {
        let (world, id, mut images) = World::with_a_pictured_mug(Plan::default(), 3).await;
        world.stage.e.habits(|habits| habits.external_ids_are_shown = false);
        stir(&world, id, &mut images);
        world.stage.e.faults().next_after(0, Aim::Write, fault);
        world.sweep().await;
        world.check_pictures(id, &images, &format!("{fault:?}"));
        world.check_laws().await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_list_that_leaves_a_product_out_takes_no_picture_down() {
    let (world, id, images) = World::with_a_pictured_mug(Plan::default(), 2).await;
    world.stage.r.create_item(item("Cup", "CUP", "9", 3));
    world.sweep().await;
    world.clear_calls();
    for _ in 0..6 {
        world.stage.r.faults().next_after(2, Aim::Read, Fault::ShortList);
        world.stage.r.describe_image(images[0], "Again");
        world.sweep().await;
    }
    world.stage.r.faults().heal();
    world.check_pictures(id, &images, "nothing was taken down");
    assert_eq!(world.writes(), 0);
}
