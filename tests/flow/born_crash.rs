//! Killed at any point while something born online is created in the shop: never twice, never half.

use std::time::Duration;

use concord::clock::Clock as _;
use serde_json::json;

use super::born_online::quiet;

#[tokio::test]
async fn a_death_at_any_point_never_makes_a_second_item() {
    let mut world = quiet().await;
    world.set(json!({"born_online": "auto"})).await;
    let mut points = 0;
    loop {
        let sku = format!("NEW-{points}");
        let product = world.stage.e.create_product(
            json!({"name": "Fresh", "sku": sku, "price": 3, "quantity": 4, "unlimited": false, "enabled": true}));
        world.stage.deliver_due().await;
        while !world.stage.deliver_due().await.is_empty() || world.stage.pending() > 0 {
            let next = world.stage.next_due().unwrap_or(world.clock.now());
            world.clock.set(next.max(world.clock.now()));
        }
        let died = world.die_after(points as u64, points).await;
        world.stage.e.sell(product, 1);
        world.restart_worker(points as u64);
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        let made = world.items_called(&sku);
        assert_eq!(made.len(), 1, "death at point {points}: {made:#?}");
        let there = (made[0].stock[&1], world.stage.e.product(product).unwrap().quantity);
        assert_eq!(there, (3, Some(3)), "death at point {points}");
        let twins = world.stage.e.products().iter().filter(|product| product.sku == sku).count();
        assert_eq!(twins, 1, "death at point {points}");
        world.check_queue_and_ledger().await;
        if !died {
            break;
        }
        points += 1;
    }
    assert!(points > 20, "only {points} points: the visit did not do what it should");
}

#[tokio::test]
async fn a_death_at_any_point_never_makes_half_a_matrix_or_two() {
    let mut world = quiet().await;
    world.set(json!({"born_online": "auto"})).await;
    let mut points = 0;
    loop {
        let product = world.stage.e.create_product(json!({"name": format!("Tee {points}"), "price": 20,
            "quantity": 0, "enabled": true,
            "options": [{"type": "SELECT", "name": "Size", "choices": [{"text": "S"}, {"text": "M"}]},
                {"type": "SELECT", "name": "Fit", "choices": [{"text": "Slim"}]}]}));
        for size in ["S", "M"] {
            let options = json!([{"name": "Size", "value": size}, {"name": "Fit", "value": "Slim"}]);
            let sku = format!("T{points}-{size}");
            let fields = json!({"options": options, "sku": sku, "quantity": 3, "unlimited": false});
            world.stage.e.add_variation(product, fields).unwrap();
        }
        while world.stage.pending() > 0 {
            let next = world.stage.next_due().unwrap_or(world.clock.now());
            world.clock.set(next.max(world.clock.now()));
            world.stage.deliver_due().await;
        }
        let died = world.die_after(points as u64, points).await;
        let sold = world.stage.e.variations(product)[0]["id"].as_i64().unwrap();
        world.stage.e.sell_variation(product, sold, 1);
        world.restart_worker(points as u64);
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
        let name = format!("Tee {points}");
        let matrices = world.stage.r.matrices();
        let made: Vec<_> = matrices.iter().filter(|matrix| matrix.description == name).collect();
        assert_eq!(made.len(), 1, "death at point {points}: {made:#?}");
        assert_eq!(made[0].variants.len(), 2, "death at point {points}: {made:#?}");
        let left = [world.items_called(&format!("T{points}-S")), world.items_called(&format!("T{points}-M"))];
        let left = left.map(|items| (items.len(), items[0].stock[&1]));
        assert_eq!(left, [(1, 2), (1, 3)], "death at point {points}");
        assert_eq!(world.stage.e.variations(product).len(), 2, "death at point {points}");
        assert_eq!(world.record(product)["enabled"], true, "death at point {points}");
        world.check_queue_and_ledger().await;
        assert_eq!(world.get("/status").await["parked"], 0, "death at point {points}");
        if !died {
            break;
        }
        points += 4;
    }
    assert!(points > 60, "only {points} points");
}
