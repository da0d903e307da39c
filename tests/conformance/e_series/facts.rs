//! The facts about products and variations, by their section of the E-Series reference.

use std::time::Duration;

use concord::clock::{Clock, Instant};

use super::client::Real;
use super::memory::Memory;
use super::{Added, Count, Store, VariationWrite, Write};
use crate::conformance::{Told, facts};
use crate::support::decimal;

facts! { Memory, Real:
    "2.2" a_sku_that_is_taken_is_refused_with_its_code
    "2.2" a_reference_is_unique_in_the_store_and_so_nothing_is_created_twice
    "2.4" a_batch_under_a_key_that_was_used_is_not_carried_out_again
    "3" a_search_lags_behind_and_a_read_by_id_does_not
    "3" what_a_write_leaves_out_keeps_its_value
    "4.2" what_is_not_counted_shows_no_quantity
    "4.2" categories_are_replaced_as_a_whole
    "4.3" names_are_keys_and_so_two_of_a_kind_are_refused
    "4.4" without_a_sku_the_store_numbers_a_product
    "4.5" every_change_shows_in_the_feed_stock_too
    "4.6" a_deleted_product_is_gone_and_in_the_history
    "5.1" a_deleted_variation_leaves_the_options
    "5.3" variations_are_created_together_with_their_product
    "5.3" a_new_variation_adds_what_the_product_lacks
    "5.3" a_combination_that_is_there_is_refused
    "5.4" without_a_sku_of_its_own_a_variation_shows_the_stock_of_its_product
    "5.4" without_a_sku_of_its_own_a_variation_has_no_stock_to_add_to
    "5.4" with_a_sku_of_its_own_a_variation_counts_by_itself
    "5.5" a_sku_is_unique_over_products_and_variations
    "5.6" a_value_that_is_in_use_cannot_be_dropped
    "5.6" an_option_that_is_in_use_cannot_be_dropped
    "5.6" a_value_can_be_dropped_once_no_variation_has_it
    "7" pieces_are_added_and_may_fall_below_zero
    "7" pieces_are_not_added_to_what_is_not_counted
    "7" pieces_of_a_product_that_is_gone_are_not_added
}

pub fn mug(sku: &str) -> Write {
    Write {
        name: Some("Mug".into()),
        sku: Some(sku.into()),
        price: Some(decimal("12.5")),
        count: Some(Count::Pieces(10)),
        ..Write::default()
    }
}

fn sized(size: &str, sku: Option<&str>, count: Option<i64>) -> VariationWrite {
    VariationWrite {
        values: Some(vec![("Size".into(), size.into())]),
        sku: sku.map(str::to_owned),
        count: count.map(Count::Pieces),
        ..VariationWrite::default()
    }
}

/// A tee in S and M, of which S has a SKU and a stock of its own: its id and those of the variations.
async fn tee(it: &impl Store) -> (i64, [i64; 2]) {
    let write = Write {
        options: vec![("Size".into(), vec!["S".into(), "M".into(), "L".into()])],
        variations: vec![sized("S", Some("T-S"), Some(4)), sized("M", None, None)],
        ..mug("TEE")
    };
    let id = it.create(&write).await.unwrap();
    let variations = it.product(id).await.unwrap().variations;
    (id, [variations[0].id, variations[1].id])
}

pub fn pass(it: &impl Store, seconds: u64) -> Instant {
    it.clock().advance(Duration::from_secs(seconds));
    it.clock().now()
}

pub fn refused(status: u16, code: &str) -> Told {
    Told::Refused(status, Some(code.into()))
}

async fn a_sku_that_is_taken_is_refused_with_its_code(it: &impl Store) {
    it.create(&mug("M-1")).await.unwrap();
    assert_eq!(it.create(&mug("M-1")).await.unwrap_err(), refused(409, "SKU_ALREADY_EXISTS"));
}

async fn a_reference_is_unique_in_the_store_and_so_nothing_is_created_twice(it: &impl Store) {
    let id = it.create(&Write { reference: Some("r-1".into()), ..mug("M-1") }).await.unwrap();
    let again = it.create(&Write { reference: Some("r-1".into()), ..mug("M-2") }).await;
    assert_eq!(again.unwrap_err(), refused(409, "EXTERNAL_ID_ALREADY_USED"));
    pass(it, 10);
    assert_eq!(it.by_reference("r-1").await.unwrap(), Some(id));
    assert_eq!(it.by_reference("r-2").await.unwrap(), None);
}

async fn a_batch_under_a_key_that_was_used_is_not_carried_out_again(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    for _ in 0..3 {
        assert_eq!(it.add((id, None), -2, 7).await.unwrap(), Added::Applied);
        pass(it, 60);
    }
    assert_eq!(it.product(id).await.unwrap().count, Some(8));
    assert_eq!(it.add((id, None), -2, 8).await.unwrap(), Added::Applied);
    assert_eq!(it.product(id).await.unwrap().count, Some(6));
}

async fn a_search_lags_behind_and_a_read_by_id_does_not(it: &impl Store) {
    it.merchant().habits(|habits| {
        (habits.index_lag_min_seconds, habits.index_lag_max_seconds) = (5, 5);
    });
    let id = it.create(&mug("M-1")).await.unwrap();
    assert_eq!(it.by_sku("M-1").await.unwrap(), Vec::<i64>::new());
    assert_eq!(it.product(id).await.unwrap().sku, "M-1");
    assert_eq!(it.by_ids(&[id, 1]).await.unwrap(), [id]);
    pass(it, 6);
    assert_eq!(it.by_sku("M-1").await.unwrap(), [id]);
}

async fn what_a_write_leaves_out_keeps_its_value(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    it.merchant().edit_product(id, serde_json::json!({"description": "<p>Kept</p>", "compareToPrice": 20}));
    let before = it.product(id).await.unwrap();
    let after = it.update(id, &Write { name: Some("Cup".into()), ..Write::default() }).await.unwrap();
    assert_eq!((after.name.as_str(), after.count, after.price), ("Cup", before.count, before.price));
    let record = it.merchant().product(id).unwrap().json;
    assert_eq!((&record["description"], &record["compareToPrice"]), (&"<p>Kept</p>".into(), &20.into()));
}

async fn what_is_not_counted_shows_no_quantity(it: &impl Store) {
    let uncounted = it.create(&Write { count: None, ..mug("M-1") }).await.unwrap();
    let endless = it.create(&Write { count: Some(Count::Endless), ..mug("M-2") }).await.unwrap();
    let none = it.create(&Write { count: Some(Count::Pieces(0)), ..mug("M-3") }).await.unwrap();
    for (id, count) in [(uncounted, None), (endless, None), (none, Some(0))] {
        assert_eq!(it.product(id).await.unwrap().count, count);
    }
}

async fn categories_are_replaced_as_a_whole(it: &impl Store) {
    let [first, second] = [
        it.create_category("First", 0, "a").await.unwrap(),
        it.create_category("Second", 0, "b").await.unwrap(),
    ];
    let id = it.create(&Write { categories: Some(vec![first]), ..mug("M-1") }).await.unwrap();
    let of = |ids: Vec<i64>| Write { categories: Some(ids), ..Write::default() };
    assert_eq!(it.update(id, &of(vec![first, second])).await.unwrap().categories, [first, second]);
    assert_eq!(it.update(id, &of(vec![second])).await.unwrap().categories, [second]);
    assert_eq!(it.update(id, &of(Vec::new())).await.unwrap().categories, Vec::<i64>::new());
}

async fn names_are_keys_and_so_two_of_a_kind_are_refused(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    for options in [&[("Size", &["S"][..]), ("Size", &["M"][..])][..], &[("Size", &["S", "S"][..])]] {
        assert!(matches!(it.set_options(id, options).await, Err(Told::Refused(400, _))), "{options:?}");
    }
    it.set_options(id, &[("Size", &["M", "S"]), ("Color", &["Red"])]).await.unwrap();
    let options = it.product(id).await.unwrap().options;
    let names: Vec<_> = options.iter().map(|(name, choices)| (name.as_str(), choices.len())).collect();
    assert_eq!(names, [("Size", 2), ("Color", 1)], "in the order that was sent");
}

async fn without_a_sku_the_store_numbers_a_product(it: &impl Store) {
    let id = it.create(&Write { sku: Some(String::new()), ..mug("") }).await.unwrap();
    let sku = it.product(id).await.unwrap().sku;
    assert!(sku.len() == 5 && sku.bytes().all(|digit| digit.is_ascii_digit()), "{sku}");
}

async fn every_change_shows_in_the_feed_stock_too(it: &impl Store) {
    let ids = [it.create(&mug("M-1")).await.unwrap(), it.create(&mug("M-2")).await.unwrap()];
    let now = pass(it, 60);
    assert_eq!(it.changed_since(now).await.unwrap(), Vec::<i64>::new());
    it.merchant().sell(ids[1], 1);
    pass(it, 10);
    assert_eq!(it.changed_since(now).await.unwrap(), [ids[1]]);
    it.merchant().rename(ids[0], "Cup");
    pass(it, 10);
    let mut changed = it.changed_since(now).await.unwrap();
    changed.sort_unstable();
    assert_eq!(changed, ids);
}

async fn a_deleted_product_is_gone_and_in_the_history(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    let now = pass(it, 60);
    assert_eq!(it.deleted_since(now).await.unwrap(), Vec::<i64>::new());
    it.delete(id).await.unwrap();
    assert_eq!(it.product(id).await.unwrap_err(), Told::Gone);
    assert_eq!(it.update(id, &mug("M-1")).await.unwrap_err(), Told::Gone);
    pass(it, 10);
    assert_eq!(it.deleted_since(now).await.unwrap(), [id]);
}

async fn a_deleted_variation_leaves_the_options(it: &impl Store) {
    let (id, [small, medium]) = tee(it).await;
    let before = it.product(id).await.unwrap().options;
    it.delete_variation((id, small)).await.unwrap();
    it.delete_variation((id, medium)).await.unwrap();
    let product = it.product(id).await.unwrap();
    assert_eq!((product.variations.len(), product.options), (0, before));
    assert_eq!(it.delete_variation((id, small)).await.unwrap_err(), Told::Gone);
}

async fn variations_are_created_together_with_their_product(it: &impl Store) {
    let (id, _) = tee(it).await;
    let product = it.product(id).await.unwrap();
    let shown: Vec<_> =
        product.variations.iter().map(|it| (it.values["Size"].as_str(), it.sku.as_deref())).collect();
    assert_eq!(shown, [("S", Some("T-S")), ("M", None)]);
    assert_eq!(product.options[0].1, ["S", "M", "L"], "a choice needs no variation");
}

async fn a_new_variation_adds_what_the_product_lacks(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    let values = vec![("Size".to_owned(), "S".to_owned()), ("Color".to_owned(), "Red".to_owned())];
    it.create_variation(id, &VariationWrite { values: Some(values), ..VariationWrite::default() })
        .await
        .unwrap();
    let options = it.product(id).await.unwrap().options;
    assert_eq!(options, [("Size".into(), vec!["S".into()]), ("Color".into(), vec!["Red".to_owned()])]);
}

async fn a_combination_that_is_there_is_refused(it: &impl Store) {
    let (id, _) = tee(it).await;
    let again = it.create_variation(id, &sized("S", Some("OTHER"), Some(1))).await;
    assert_eq!(again.unwrap_err(), refused(409, "COMBINATION_DUPLICATED"));
    assert_eq!(it.product(id).await.unwrap().variations.len(), 2);
}

async fn without_a_sku_of_its_own_a_variation_shows_the_stock_of_its_product(it: &impl Store) {
    let (id, [_, medium]) = tee(it).await;
    let count = |product: &super::Product| {
        product.variations.iter().find(|variation| variation.id == medium).unwrap().count
    };
    assert_eq!(count(&it.product(id).await.unwrap()), Some(10));
    assert_eq!(it.add((id, None), -3, 1).await.unwrap(), Added::Applied);
    assert_eq!(count(&it.product(id).await.unwrap()), Some(7));
}

async fn without_a_sku_of_its_own_a_variation_has_no_stock_to_add_to(it: &impl Store) {
    let (id, [_, medium]) = tee(it).await;
    assert_eq!(it.add((id, Some(medium)), -1, 1).await.unwrap(), Added::Refused);
    assert_eq!(it.product(id).await.unwrap().count, Some(10));
}

async fn with_a_sku_of_its_own_a_variation_counts_by_itself(it: &impl Store) {
    let (id, [small, medium]) = tee(it).await;
    assert_eq!(it.add((id, Some(small)), -1, 1).await.unwrap(), Added::Applied);
    let own = VariationWrite {
        sku: Some("T-M".into()),
        count: Some(Count::Pieces(2)),
        ..VariationWrite::default()
    };
    it.update_variation((id, medium), &own).await.unwrap();
    assert_eq!(it.add((id, Some(medium)), 5, 2).await.unwrap(), Added::Applied);
    let product = it.product(id).await.unwrap();
    assert_eq!(product.variations.iter().map(|it| it.count).collect::<Vec<_>>(), [Some(3), Some(7)]);
    assert_eq!(product.count, Some(10), "the product's own is no sum");
}

async fn a_sku_is_unique_over_products_and_variations(it: &impl Store) {
    let (id, [_, medium]) = tee(it).await;
    it.create(&mug("M-1")).await.unwrap();
    let taken = |sku: &str| VariationWrite { sku: Some(sku.into()), ..VariationWrite::default() };
    for sku in ["M-1", "T-S"] {
        let told = it.update_variation((id, medium), &taken(sku)).await.unwrap_err();
        assert!(matches!(told, Told::Refused(409, _)), "{sku}: {told:?}");
    }
    assert!(matches!(it.create(&mug("T-S")).await, Err(Told::Refused(409, _))));
}

async fn a_value_that_is_in_use_cannot_be_dropped(it: &impl Store) {
    let (id, _) = tee(it).await;
    let told = it.set_options(id, &[("Size", &["S", "L"])]).await.unwrap_err();
    assert_eq!(told, refused(409, "COMBINATION_CONTAINS_REMOVED_OPTION_VALUE"));
    it.set_options(id, &[("Size", &["M", "S", "XL"])]).await.unwrap();
    assert_eq!(it.product(id).await.unwrap().variations.len(), 2);
}

async fn an_option_that_is_in_use_cannot_be_dropped(it: &impl Store) {
    let (id, _) = tee(it).await;
    let told = it.set_options(id, &[("Color", &["Red"])]).await.unwrap_err();
    assert_eq!(told, refused(409, "COMBINATION_CONTAINS_REMOVED_OPTION"));
    it.set_options(id, &[("Size", &["S", "M"]), ("Color", &["Red"])]).await.unwrap();
}

async fn a_value_can_be_dropped_once_no_variation_has_it(it: &impl Store) {
    let (id, [small, _]) = tee(it).await;
    it.set_options(id, &[("Size", &["S", "M", "XS"])]).await.unwrap();
    it.update_variation((id, small), &sized("XS", None, None)).await.unwrap();
    it.set_options(id, &[("Size", &["M", "XS"])]).await.unwrap();
    let product = it.product(id).await.unwrap();
    let small = product.variations.iter().find(|variation| variation.id == small).unwrap();
    assert_eq!(
        (small.values["Size"].as_str(), small.sku.as_deref(), small.count),
        ("XS", Some("T-S"), Some(4))
    );
}

async fn pieces_are_added_and_may_fall_below_zero(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    it.merchant().sell(id, 4);
    assert_eq!(it.add((id, None), -9, 1).await.unwrap(), Added::Applied);
    assert_eq!(it.product(id).await.unwrap().count, Some(-3), "to what is there, and not to what was");
}

async fn pieces_are_not_added_to_what_is_not_counted(it: &impl Store) {
    let id = it.create(&Write { count: Some(Count::Endless), ..mug("M-1") }).await.unwrap();
    assert_eq!(it.add((id, None), 1, 1).await.unwrap(), Added::NotTracked);
    assert_eq!(it.product(id).await.unwrap().count, None);
}

async fn pieces_of_a_product_that_is_gone_are_not_added(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    it.delete(id).await.unwrap();
    assert_eq!(it.add((id, None), 1, 1).await.unwrap(), Added::Gone);
}
