//! The cast on a stage whose catalogue stands on both sides.

use super::*;
use crate::clock::{Instant, ManualClock};
use crate::sandbox::catalogue;
use crate::sandbox::rseries::{NewMatrix, NewVariant};
use crate::sandbox::stage::Setup;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A stage whose catalogue stands on both sides, as after a first sync.
async fn in_step(count: usize) -> Stage {
    let clock = Arc::new(ManualClock::starting_at(Instant::UNIX_EPOCH));
    let stage = Stage::open(Setup { deliver: false, ..Setup::default() }, clock).await.unwrap();
    for id in catalogue::fill(&stage.r, count, 1) {
        let item = stage.r.item(id).unwrap();
        let price = item.online_price.unwrap_or(item.default_price).to_string();
        stage.e.create_product(json!({
            "name": item.description, "sku": item.custom_sku, "price": price.parse::<f64>().unwrap(),
            "quantity": in_shops(&item), "enabled": false, "externalReferenceId": format!("{MARK}{id}"),
        }));
    }
    stage
}

/// Carries an act over, as the sync would.
fn carry(act: &Act, stage: &Stage) {
    let (item, product) = (act.item_id, act.product_id);
    if act.side == R_SERIES {
        assert!(match &act.expect {
            Expect::Name(name) => stage.e.rename(product, name),
            Expect::Price(price) => stage.e.reprice(product, *price),
            Expect::Enabled(enabled) => stage.e.enable(product, *enabled),
            Expect::Sku(sku) => stage.e.set_sku(product, sku),
            Expect::StockDelta { delta, .. } => stage.e.restock(product, *delta),
        });
    } else {
        match &act.expect {
            Expect::Name(name) => stage.r.rename(item, name),
            Expect::Price(price) => stage.r.reprice_online(item, *price),
            Expect::Enabled(enabled) => stage.r.publish(item, *enabled),
            Expect::Sku(sku) => stage.r.set_sku(item, sku),
            Expect::StockDelta { delta, .. } => stage.r.restock(item, 1, *delta),
        }
    }
}

#[tokio::test]
async fn every_act_waits_until_it_is_carried_over_and_then_has_arrived() {
    let stage = in_step(120).await;
    let mut cast = Cast::new(3);
    let mut done: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for _ in 0..600 {
        let act = cast.act(&stage).unwrap();
        *done.entry((act.side, act.field)).or_default() += 1;
        assert!(act.words.starts_with(act.who), "{}", act.words);
        // What is published in the shop, but not shown after a first sync, is shown without more ado.
        assert!(act.field == "enabled" || !arrived(&act, &stage), "{act:?}");
        carry(&act, &stage);
        assert!(arrived(&act, &stage), "{act:?}");
    }
    for side in [R_SERIES, E_SERIES] {
        for field in ["stock", "name", "price", "enabled", "sku"] {
            assert!(done.contains_key(&(side, field)), "nobody did {field} on {side}: {done:?}");
        }
    }
    let sales: usize = [R_SERIES, E_SERIES].iter().map(|side| done[&(*side, "stock")]).sum();
    assert!(sales > 300, "mostly sales: {done:?}");
}

#[tokio::test]
async fn the_same_seed_does_the_same_things() {
    let play = async || {
        let stage = in_step(30).await;
        let mut cast = Cast::new(8);
        (0..12).map(|_| cast.act(&stage)).collect::<Vec<_>>()
    };
    assert_eq!(play().await, play().await);
}

#[tokio::test]
async fn a_thing_is_left_alone_until_its_last_change_has_arrived() {
    let stage = in_step(40).await;
    let mut cast = Cast::new(5);
    let acts = (0..15).map(|_| cast.act(&stage).unwrap());
    // What was that way on the other side already has nothing to wait for.
    let open: Vec<i64> = acts.filter(|it| !arrived(it, &stage)).map(|it| it.item_id).collect();
    assert_eq!(open.iter().collect::<BTreeSet<_>>().len(), open.len());
}

#[tokio::test]
async fn variants_are_sold_priced_and_labelled_like_everything_else() {
    let stage = in_step(0).await;
    let variant = NewVariant { stock: vec![(1, 40)], custom_sku: "T-M".into(), ..NewVariant::default() };
    let matrix = NewMatrix { description: "Tee".into(), variants: vec![variant], ..NewMatrix::default() };
    let (_, items) = stage.r.create_matrix(matrix).unwrap();
    let product = stage.e.create_product(json!({"name": "Tee", "enabled": true}));
    let variation = json!({"options": [{"name": "Size", "value": "M"}], "sku": "T-M", "price": 7,
        "quantity": 40, "externalReferenceId": format!("{VARIANT_MARK}{}", items[0])});
    let variation = stage.e.add_variation(product, variation).unwrap();
    let mut cast = Cast::new(2);
    let mut fields = BTreeSet::new();
    for _ in 0..300 {
        let Some(act) = cast.act(&stage) else { continue };
        assert_eq!((act.product_id, act.variation_id), (product, Some(variation)));
        fields.insert(act.field);
        let done = match (&act.expect, act.side) {
            (Expect::StockDelta { delta, .. }, R_SERIES) => {
                stage.e.restock_variation(product, variation, *delta)
            }
            (Expect::StockDelta { delta, .. }, _) => {
                stage.r.restock(items[0], 1, *delta);
                true
            }
            (Expect::Price(price), R_SERIES) => stage.e.reprice_variation(product, variation, Some(*price)),
            (Expect::Price(price), _) => {
                stage.r.reprice_online(items[0], *price);
                true
            }
            (Expect::Sku(sku), R_SERIES) => stage.e.set_variation_sku(product, variation, sku),
            (Expect::Sku(sku), _) => {
                stage.r.set_sku(items[0], sku);
                true
            }
            other => panic!("{other:?} of a variant"),
        };
        assert!(done && arrived(&act, &stage), "{act:?}");
    }
    assert_eq!(fields, BTreeSet::from(["price", "sku", "stock"]));
}

#[tokio::test]
async fn nobody_acts_on_what_is_on_one_side_only() {
    let stage = in_step(0).await;
    catalogue::fill(&stage.r, 5, 1);
    stage.e.create_product(json!({"name": "Only here", "quantity": 5}));
    stage.e.create_product(json!({"name": "Gone", "externalReferenceId": format!("{MARK}99")}));
    assert_eq!(Cast::new(1).act(&stage), None);
}
