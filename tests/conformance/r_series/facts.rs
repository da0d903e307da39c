//! The facts, by their section of the R-Series reference.

use std::time::Duration;

use concord::clock::{Clock, Instant};
use concord::sandbox::rseries::{ImageOwner, NewItem, NewMatrix, NewVariant};

use super::client::Real;
use super::memory::Memory;
use super::{Category, Shop, Write};
use crate::conformance::{Told, facts};
use crate::support::{SHOP, decimal, item};

const DEFAULT: i64 = 1;
const ONLINE: i64 = 3;

facts! { Memory, Real:
    "1.3" amounts_come_back_as_the_decimals_that_they_are
    "1.3" texts_come_back_letter_by_letter
    "1.5" one_row_is_read_like_several
    "1.6" what_a_write_leaves_out_keeps_its_value
    "1.8" a_list_of_ids_finds_those_that_are_there_and_archived_ones_too
    "1.10" a_walk_in_pages_meets_every_item_once
    "1.11" an_unknown_id_is_gone
    "3.2" more_calls_in_one_second_than_allowed_are_turned_away
    "3.4" every_answer_tells_how_full_the_bucket_is
    "4.1" ids_only_grow
    "4.1" a_long_text_is_cut_off_without_a_word
    "4.1" an_archived_item_can_still_be_read_and_has_no_stock
    "4.1" an_item_that_was_merged_is_gone_and_its_stock_with_the_other
    "4.1" a_name_that_changed_shows_in_the_feed
    "4.2" a_price_of_one_level_leaves_those_of_the_others
    "4.3" a_count_is_absolute_and_of_one_shop
    "4.3" a_count_moves_the_stamp_of_its_row_and_not_that_of_the_item
    "4.10" the_log_tells_of_what_a_written_count_has_changed
    "4.10" what_is_sold_at_the_till_is_in_the_log_with_its_sale
    "4.10" the_log_is_a_cursor
    "4.4" sizes_are_the_second_attribute_of_their_set
    "4.4" values_of_a_variant_are_written_without_its_matrix
    "4.5" a_category_lies_within_its_parent_and_siblings_by_their_names
    "4.5" a_new_category_stamps_those_that_it_shifts
    "4.5" a_deleted_category_is_gone_and_its_items_have_none
    "4.6" pictures_have_an_order_of_their_own
    "4.6" a_replaced_picture_is_another_one_in_the_same_place
}

fn named(name: &str) -> Write {
    Write { name: Some(name.into()), sku: Some(format!("SKU {name}")), ..Write::default() }
}

fn pass(it: &impl Shop, seconds: u64) -> Instant {
    it.clock().advance(Duration::from_secs(seconds));
    it.clock().now()
}

async fn amounts_come_back_as_the_decimals_that_they_are(it: &impl Shop) {
    for price in ["12.50", "0.005", "1000", "99999.95"] {
        let id = it.create(&Write { price: Some((DEFAULT, decimal(price))), ..named(price) }).await.unwrap();
        assert_eq!(it.item(id).await.unwrap().prices[&DEFAULT], decimal(price));
        pass(it, 10);
    }
}

async fn texts_come_back_letter_by_letter(it: &impl Shop) {
    for name in ["C&C <b>\"Mug\"</b> 1/4", "d'Abruzzo \\ ü 🥄", "כוס", "  two  spaces  ", "tab\tbell\u{7}"]
    {
        let id = it.create(&named(name)).await.unwrap();
        assert_eq!(it.item(id).await.unwrap().name, name);
        pass(it, 10);
    }
}

async fn one_row_is_read_like_several(it: &impl Shop) {
    let one = it.merchant().create_item(item("One", "ONE", "1", 4));
    assert_eq!(it.item(one).await.unwrap().counts.len(), 1);
    let second = it.merchant().open_shop("Second");
    it.merchant().recount(one, second, 9);
    let counts = it.item(one).await.unwrap().counts;
    assert_eq!((counts[&SHOP], counts[&second], counts.len()), (4, 9, 2));
}

async fn what_a_write_leaves_out_keeps_its_value(it: &impl Shop) {
    let id = it.merchant().create_item(item("Mug", "M-1", "12.5", 4));
    let before = it.item(id).await.unwrap();
    let saved = it.write(id, &Write { name: Some("Cup".into()), ..Write::default() }).await.unwrap();
    assert_eq!((saved.name.as_str(), &saved.sku, &saved.prices), ("Cup", &before.sku, &before.prices));
    assert_eq!(it.item(id).await.unwrap().counts, before.counts);
}

async fn a_list_of_ids_finds_those_that_are_there_and_archived_ones_too(it: &impl Shop) {
    let ids: Vec<i64> = (0..3).map(|_| it.merchant().create_item(NewItem::default())).collect();
    it.merchant().archive(ids[1]);
    let mut found = it.items_by_id(&[ids[0], ids[1], 999_999]).await.unwrap();
    found.sort_unstable();
    assert_eq!(found, ids[..2]);
}

async fn a_walk_in_pages_meets_every_item_once(it: &impl Shop) {
    let ids: Vec<i64> = (0..250).map(|_| it.merchant().create_item(NewItem::default())).collect();
    let pages = it.walk().await.unwrap();
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [100, 100, 50]);
    assert_eq!(pages.concat(), ids);
}

async fn an_unknown_id_is_gone(it: &impl Shop) {
    assert_eq!(it.item(999_999).await.unwrap_err(), Told::Gone);
    assert_eq!(it.write(999_999, &named("x")).await.unwrap_err(), Told::Gone);
    assert_eq!(it.category(999_999).await.unwrap_err(), Told::Gone);
}

async fn more_calls_in_one_second_than_allowed_are_turned_away(it: &impl Shop) {
    let id = it.merchant().create_item(NewItem::default());
    let mut served = 0;
    let told = loop {
        match it.item(id).await {
            Ok(_) => served += 1,
            Err(told) => break told,
        }
    };
    assert_eq!((told, served), (Told::Later, 20));
    pass(it, 2);
    assert!(it.item(id).await.is_ok());
}

async fn every_answer_tells_how_full_the_bucket_is(it: &impl Shop) {
    it.merchant().create_item(NewItem::default());
    for _ in 0..3 {
        for _ in 0..15 {
            it.newest().await.unwrap();
        }
        pass(it, 1);
    }
    it.newest().await.unwrap();
    // 46 drips in, 3 out.
    assert!(it.has_room(46.0) && !it.has_room(48.0), "the bucket holds 90");
}

async fn ids_only_grow(it: &impl Shop) {
    let first = it.create(&named("a")).await.unwrap();
    let second = it.create(&named("b")).await.unwrap();
    assert!(second > first);
    assert_eq!(it.newest().await.unwrap(), second);
    it.merchant().archive(second);
    assert_eq!(it.newest().await.unwrap(), second, "archived ones count");
    it.merchant().merge_away(second);
    assert!(it.create(&named("c")).await.unwrap() > second, "no id is used twice");
}

async fn a_long_text_is_cut_off_without_a_word(it: &impl Shop) {
    let id = it.create(&Write { name: Some("ä".repeat(300)), ..Write::default() }).await.unwrap();
    assert_eq!(it.item(id).await.unwrap().name, "ä".repeat(255));
}

async fn an_archived_item_can_still_be_read_and_has_no_stock(it: &impl Shop) {
    let id = it.merchant().create_item(item("Mug", "M-1", "12.5", 4));
    it.merchant().archive(id);
    let read = it.item(id).await.unwrap();
    assert!(read.archived && read.counts.values().all(|count| *count == 0), "{read:?}");
}

async fn an_item_that_was_merged_is_gone_and_its_stock_with_the_other(it: &impl Shop) {
    let winner = it.merchant().create_item(item("Mug", "M-1", "12.5", 4));
    let loser = it.merchant().create_item(item("Mug", "M-2", "12.5", 3));
    it.merchant().merge_items(loser, winner);
    assert_eq!(it.item(loser).await.unwrap_err(), Told::Gone);
    assert_eq!(it.item(winner).await.unwrap().counts[&SHOP], 7);
}

async fn a_name_that_changed_shows_in_the_feed(it: &impl Shop) {
    let ids = [0, 1].map(|_| it.merchant().create_item(NewItem::default()));
    let now = pass(it, 60);
    assert_eq!(it.changed_since(now).await.unwrap(), Vec::<i64>::new());
    it.write(ids[1], &named("new")).await.unwrap();
    assert_eq!(it.changed_since(now).await.unwrap(), [ids[1]]);
    it.merchant().archive(ids[0]);
    let mut changed = it.changed_since(now).await.unwrap();
    changed.sort_unstable();
    assert_eq!(changed, ids, "what was archived shows");
}

async fn a_price_of_one_level_leaves_those_of_the_others(it: &impl Shop) {
    let id = it.merchant().create_item(item("Mug", "M-1", "12.5", 4));
    assert_eq!(it.item(id).await.unwrap().prices[&ONLINE], decimal("0"), "unset is 0");
    let write = Write { price: Some((ONLINE, decimal("9.9"))), ..Write::default() };
    it.write(id, &write).await.unwrap();
    let prices = it.item(id).await.unwrap().prices;
    assert_eq!((prices[&DEFAULT], prices[&ONLINE]), (decimal("12.5"), decimal("9.9")));
}

async fn a_count_is_absolute_and_of_one_shop(it: &impl Shop) {
    let second = it.merchant().open_shop("Second");
    let new = NewItem { stock: vec![(SHOP, 4), (second, 6)], ..item("Mug", "M-1", "12.5", 0) };
    let id = it.merchant().create_item(new);
    it.write(id, &Write { count: Some((SHOP, -2)), ..Write::default() }).await.unwrap();
    let counts = it.item(id).await.unwrap().counts;
    assert_eq!((counts[&SHOP], counts[&second]), (-2, 6));
}

async fn a_count_moves_the_stamp_of_its_row_and_not_that_of_the_item(it: &impl Shop) {
    let id = it.merchant().create_item(item("Mug", "M-1", "12.5", 4));
    let before = it.item(id).await.unwrap().stamp;
    let now = pass(it, 60);
    it.merchant().sell(id, SHOP, 1);
    assert_eq!(it.counts_since(now).await.unwrap(), [(id, SHOP, 3)]);
    assert_eq!(it.item(id).await.unwrap().stamp, before);
    assert_eq!(it.changed_since(now).await.unwrap(), Vec::<i64>::new());
}

async fn the_log_tells_of_what_a_written_count_has_changed(it: &impl Shop) {
    let id = it.merchant().create_item(item("Mug", "M-1", "12.5", 4));
    let head = it.log_after(0).await.unwrap().last().expect("the opening stock").id;
    // Somebody sells between a look and a write: the difference shows.
    it.merchant().sell(id, SHOP, 1);
    it.write(id, &Write { count: Some((SHOP, 9)), ..Write::default() }).await.unwrap();
    let changes: Vec<_> = it.log_after(head).await.unwrap().iter().map(|row| row.change).collect();
    assert_eq!(changes, [-1, 6]);
}

async fn what_is_sold_at_the_till_is_in_the_log_with_its_sale(it: &impl Shop) {
    let id = it.merchant().create_item(item("Mug", "M-1", "12.5", 4));
    let head = it.log_after(0).await.unwrap().last().expect("the opening stock").id;
    it.merchant().sell(id, SHOP, 2);
    it.merchant().recount(id, SHOP, 7);
    let rows = it.log_after(head).await.unwrap();
    assert_eq!(
        rows.iter().map(|row| (row.item_id, row.shop_id, row.change)).collect::<Vec<_>>(),
        [(id, SHOP, -2), (id, SHOP, 5)]
    );
    assert!(rows[0].sale_id != 0 && rows[1].sale_id == 0, "{rows:?}");
}

async fn the_log_is_a_cursor(it: &impl Shop) {
    for _ in 0..3 {
        it.merchant().create_item(item("Mug", "", "1", 2));
    }
    let all = it.log_after(0).await.unwrap();
    assert!(all.len() == 3 && all.is_sorted_by_key(|row| row.id), "{all:?}");
    assert_eq!(it.log_after(all[0].id).await.unwrap(), all[1..]);
    assert_eq!(it.log_after(all[2].id).await.unwrap(), []);
}

fn sized(it: &impl Shop) -> (i64, Vec<i64>) {
    let variant = |size: &str| NewVariant {
        values: [String::new(), size.to_owned(), String::new()],
        ..NewVariant::default()
    };
    let variants = vec![variant("S"), variant("M")];
    let matrix =
        NewMatrix { description: "Tee".into(), attribute_set_id: 2, variants, ..NewMatrix::default() };
    it.merchant().create_matrix(matrix).unwrap()
}

async fn sizes_are_the_second_attribute_of_their_set(it: &impl Shop) {
    let (matrix, items) = sized(it);
    let (name, names) = it.matrix(matrix).await.unwrap();
    assert_eq!((name.as_str(), names.each_ref().map(String::as_str)), ("Tee", ["", "Size", ""]));
    let first = it.item(items[0]).await.unwrap();
    assert_eq!((first.matrix_id, first.names, first.values[1].as_str()), (matrix, names, "S"));
}

async fn values_of_a_variant_are_written_without_its_matrix(it: &impl Shop) {
    let (matrix, items) = sized(it);
    let values = ["", "XL", ""].map(str::to_owned);
    it.write(items[1], &Write { values: Some(values), ..Write::default() }).await.unwrap();
    let item = it.item(items[1]).await.unwrap();
    assert_eq!((item.matrix_id, item.values[1].as_str()), (matrix, "XL"));
    assert_eq!(it.item(items[0]).await.unwrap().values[1], "S", "no other variant's");
}

fn tree(it: &impl Shop) -> [i64; 3] {
    let kitchen = it.merchant().create_category("Kitchen", 0).unwrap();
    let mugs = it.merchant().create_category("Mugs", kitchen).unwrap();
    [kitchen, mugs, it.merchant().create_category("Bowls", kitchen).unwrap()]
}

async fn a_category_lies_within_its_parent_and_siblings_by_their_names(it: &impl Shop) {
    let [kitchen, mugs, bowls] = tree(it);
    let listed = it.categories().await.unwrap();
    assert_eq!(listed.iter().map(|it| it.id).collect::<Vec<_>>(), [kitchen, bowls, mugs]);
    let within = |inner: &Category, outer: &Category| outer.left < inner.left && inner.right < outer.right;
    assert!(within(&listed[1], &listed[0]) && within(&listed[2], &listed[0]), "{listed:?}");
    assert_eq!(listed.iter().map(|it| it.parent_id).collect::<Vec<_>>(), [0, kitchen, kitchen]);
}

async fn a_new_category_stamps_those_that_it_shifts(it: &impl Shop) {
    let [kitchen, mugs, bowls] = tree(it);
    let now = pass(it, 60);
    assert_eq!(it.categories_since(now).await.unwrap(), []);
    let cups = it.merchant().create_category("Cups", kitchen).unwrap();
    let mut changed: Vec<i64> = it.categories_since(now).await.unwrap().iter().map(|it| it.id).collect();
    changed.sort_unstable();
    assert!(changed.contains(&cups) && changed.contains(&mugs), "what stands behind it: {changed:?}");
    assert!(!changed.contains(&bowls), "and not what stands before it: {changed:?}");
}

async fn a_deleted_category_is_gone_and_its_items_have_none(it: &impl Shop) {
    let [_, mugs, _] = tree(it);
    let id = it.create(&Write { category_id: Some(mugs), ..named("Mug") }).await.unwrap();
    assert_eq!(it.item(id).await.unwrap().category_id, mugs);
    assert!(it.merchant().delete_category(mugs));
    assert_eq!(it.category(mugs).await.unwrap_err(), Told::Gone);
    assert_eq!(it.item(id).await.unwrap().category_id, 0);
}

async fn pictures_have_an_order_of_their_own(it: &impl Shop) {
    let id = it.merchant().create_item(NewItem::default());
    assert_eq!(it.pictures(id).await.unwrap(), [], "without pictures there is no list");
    let made = [0, 1, 2].map(|_| it.merchant().add_image(ImageOwner::Item(id), "", None).unwrap());
    it.merchant().reorder_images(&[made[2], made[0], made[1]]);
    let mut pictures = it.pictures(id).await.unwrap();
    pictures.sort_by_key(|picture| picture.ordering);
    assert_eq!(pictures.iter().map(|it| it.id).collect::<Vec<_>>(), [made[2], made[0], made[1]]);
}

async fn a_replaced_picture_is_another_one_in_the_same_place(it: &impl Shop) {
    let id = it.merchant().create_item(NewItem::default());
    let image = it.merchant().add_image(ImageOwner::Item(id), "", None).unwrap();
    let before = it.pictures(id).await.unwrap();
    it.merchant().replace_image(image, None).unwrap();
    let after = it.pictures(id).await.unwrap();
    assert_eq!((after.len(), after[0].ordering), (1, before[0].ordering));
    assert!(after[0].id != before[0].id && after[0].public_id != before[0].public_id, "{after:?}");
}
