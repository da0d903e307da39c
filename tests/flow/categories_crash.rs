//! Deaths, and answers that are lost or mean nothing, while the tree of categories is brought in step.

use std::sync::Arc;
use std::time::Duration;

use concord::sandbox::faults::{Aim, Fault};
use serde_json::json;

use super::categories::SHOP;
use crate::support::stopper::{Leashed, Walk};
use crate::support::{Plan, World};

#[tokio::test]
async fn a_lost_answer_never_makes_a_second_category() {
    for fault in [Fault::ResetAfter, Fault::ResetBefore, Fault::BadGatewayAfter, Fault::GarbageAfter] {
        let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
        world.stage.r.create_category("Fresh", ids[0]).unwrap();
        world.stage.r.rename_category(ids[3], "Arts");
        for call in 0..2 {
            world.stage.e.faults().next_after(call, Aim::Write, fault);
        }
        world.sweep().await;
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        world.check_trees().await;
        world.check_laws().await;
    }
}

/// A proxy that answers for the store while it takes no writes: nobody knows what became of the write.
#[tokio::test]
async fn an_answer_that_is_no_json_counts_for_nothing() {
    let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    let art = world.tied().await[&ids[3]];
    world.stage.r.rename_category(ids[3], "Arts");
    world.stage.e.edit_category_elsewhere(art, 1);
    world.stage.e.faults().next(Aim::Write, Fault::GarbageAfter);
    world.sweep().await;
    world.clock.advance(Duration::from_secs(61));
    world.settle().await;
    world.check_trees().await;
    world.check_rest().await;
}

#[tokio::test]
async fn an_update_that_the_store_ignores_is_held_in_words_and_tried_again() {
    let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    world.stage.r.rename_category(ids[3], "Arts");
    world.stage.e.habits(|habits| habits.category_updates_are_lost = true);
    world.clear_calls();
    world.sweep().await;
    let row = world.listed_as("Arts").await;
    assert_eq!((&row["state"], &row["code"]), (&json!("held"), &json!("category_busy")), "{row}");
    assert!(row["reason"].as_str().unwrap().contains("shows the category as before"), "{row}");
    assert!(world.writes() <= 6, "{} writes", world.writes());
    world.stage.e.habits(|habits| habits.category_updates_are_lost = false);
    world.clock.advance(Duration::from_secs(3_700));
    world.settle().await;
    world.check_trees().await;
    world.check_rest().await;
}

#[tokio::test]
async fn a_death_at_any_point_of_a_look_changes_nothing_in_the_end() {
    let (mut world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    let (mut points, mut last) = (0, None);
    loop {
        world.let_bygones_be().await;
        let round = world.stage.r.create_category(&format!("New {points}"), ids[0]).unwrap();
        world.stage.r.rename_category(ids[3], &format!("Art {points}"));
        if let Some(last) = last.replace(round) {
            world.stage.r.delete_category(last);
        }
        world.clock.advance(Duration::from_secs(61));
        let died = world.die_after(points as u64, points * 3).await;
        world.restart_worker(points as u64);
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        world.check_trees().await;
        assert_eq!(world.stage.e.categories().len(), SHOP.len() + 1, "death at point {}", points * 3);
        world.check_laws().await;
        if !died {
            break;
        }
        points += 1;
    }
    assert!(points > 20, "only {points} deaths: the look did not do what it should");
}

/// Also between our write and our reading of what it did: no other name than ours is taken for the store's spelling of
/// it.
#[tokio::test]
async fn what_the_web_renames_or_moves_at_any_point_of_a_look_is_set_back() {
    let (world, ids) = World::with_categories(Plan::default(), &SHOP).await;
    let art = world.tied().await[&ids[3]];
    let (mut points, mut ended) = (0, false);
    while !ended {
        // Set back too often within an hour, it would be held.
        world.clock.advance(Duration::from_secs(3_700));
        world.settle().await;
        world.stage.r.rename_category(ids[3], &format!("Art {points}"));
        world.clock.advance(Duration::from_secs(61));
        let mut worker = Leashed::new(&world, points, Arc::new(world.clock.clone()));
        for _ in 0..points {
            if let Walk::Ended(did) = worker.walk(&world).await {
                ended |= !did.unwrap();
            }
        }
        world.stage.e.rename_category(art, &format!("Web {points}"));
        world.stage.e.move_category(art, None);
        while let Walk::Standing = worker.walk(&world).await {}
        world.settle().await;
        world.check_trees().await;
        points += 1;
    }
    assert!(points > 20, "only {points} points: the look did not do what it should");
}
