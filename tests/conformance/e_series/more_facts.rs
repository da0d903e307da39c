//! The facts about the door, pictures, categories and the plan, by their section of the E-Series reference.

use concord::sandbox::picture;

use super::client::Real;
use super::facts::{mug, pass};
use super::memory::Memory;
use super::{Picture, Spot, Store, VariationWrite, Write};
use crate::conformance::{Told, facts};

facts! { Memory, Real:
    "1.2" a_token_of_an_app_that_was_removed_is_no_good
    "2.2" beyond_the_plan_a_creation_answers_402
    "2.2" while_an_import_runs_a_write_is_for_later
    "2.2" a_category_that_is_edited_elsewhere_is_a_409_that_passes
    "2.2" a_reference_of_a_category_is_unique_too
    "2.3" more_calls_in_a_minute_than_allowed_are_turned_away
    "6.2" the_first_picture_of_a_gallery_becomes_the_main_one
    "6.2" a_new_main_picture_takes_the_place_of_the_old_one
    "6.2" what_is_no_picture_is_refused
    "6.2" the_asynchronous_form_is_listed_at_once_under_the_url_that_it_was_given
    "6.2" a_variation_has_a_picture_of_its_own_beside_the_gallery
    "6.3" a_picture_shows_the_id_that_it_was_uploaded_with
    "6.3" ids_of_pictures_move
    "9.1" categories_that_are_disabled_are_listed_and_a_root_has_no_parent
    "9.3" a_deleted_category_takes_what_is_below_along_and_leaves_the_products
    "11" the_profile_tells_how_many_products_the_plan_allows
}

async fn a_token_of_an_app_that_was_removed_is_no_good(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    it.merchant().uninstall();
    assert_eq!(it.product(id).await.unwrap_err(), Told::Account);
}

async fn beyond_the_plan_a_creation_answers_402(it: &impl Store) {
    it.merchant().set_max_product_limit(1);
    let id = it.create(&mug("M-1")).await.unwrap();
    assert!(matches!(it.create(&mug("M-2")).await, Err(Told::Refused(402, _))));
    let write = Write { name: Some("Cup".into()), ..Write::default() };
    assert!(it.update(id, &write).await.is_ok(), "as many as allowed may be edited");
    it.merchant().set_max_product_limit(2);
    assert!(it.create(&mug("M-2")).await.is_ok());
}

async fn while_an_import_runs_a_write_is_for_later(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    it.merchant().habits(|habits| habits.import_running = true);
    let write = Write { name: Some("Cup".into()), ..Write::default() };
    assert_eq!(it.update(id, &write).await.unwrap_err(), Told::Later);
    it.merchant().habits(|habits| habits.import_running = false);
    pass(it, 60);
    assert!(it.update(id, &write).await.is_ok());
}

async fn a_category_that_is_edited_elsewhere_is_a_409_that_passes(it: &impl Store) {
    let id = it.create_category("Mugs", 0, "c-1").await.unwrap();
    it.merchant().edit_category_elsewhere(id, 1);
    assert_eq!(it.rename_category(id, "Cups").await.unwrap_err(), Told::Refused(409, None));
    it.rename_category(id, "Cups").await.unwrap();
    assert_eq!(it.category(id).await.unwrap().name, "Cups");
}

async fn a_reference_of_a_category_is_unique_too(it: &impl Store) {
    let id = it.create_category("Mugs", 0, "c-1").await.unwrap();
    let again = it.create_category("Mugs", 0, "c-1").await.unwrap_err();
    assert_eq!(again, Told::Refused(409, Some("EXTERNAL_ID_ALREADY_USED".into())));
    let listed = it.categories().await.unwrap();
    assert_eq!((listed.len(), listed[0].id, listed[0].reference.as_deref()), (1, id, Some("c-1")));
}

async fn more_calls_in_a_minute_than_allowed_are_turned_away(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    let mut served = 1;
    let told = loop {
        match it.product(id).await {
            Ok(_) => served += 1,
            Err(told) => break told,
        }
    };
    // The client leaves some to others.
    assert!(told == Told::Later && (590..=600).contains(&served), "{told:?} after {served}");
    pass(it, 61);
    assert!(it.product(id).await.is_ok());
}

/// A mug with these pictures in its gallery, told by their references.
async fn pictured(it: &impl Store, names: &[&str]) -> i64 {
    let id = it.create(&mug("M-1")).await.unwrap();
    for name in names {
        it.hang(Spot::Gallery(id), &picture::png(name), name).await.unwrap();
    }
    id
}

fn references(pictures: &[Picture]) -> Vec<&str> {
    pictures.iter().map(|picture| picture.reference.as_deref().unwrap_or_default()).collect()
}

async fn the_first_picture_of_a_gallery_becomes_the_main_one(it: &impl Store) {
    let id = pictured(it, &["a", "b"]).await;
    let pictures = it.pictures(id).await.unwrap();
    assert_eq!(
        (references(&pictures), pictures[0].is_main, pictures[1].is_main),
        (vec!["a", "b"], true, false)
    );
    assert_eq!(pictures[0].id, "0");
}

async fn a_new_main_picture_takes_the_place_of_the_old_one(it: &impl Store) {
    let id = pictured(it, &["a", "b"]).await;
    it.hang(Spot::Main(id), &picture::png("c"), "c").await.unwrap();
    assert_eq!(references(&it.pictures(id).await.unwrap()), ["c", "b"]);
}

async fn what_is_no_picture_is_refused(it: &impl Store) {
    let id = it.create(&mug("M-1")).await.unwrap();
    let told = it.hang(Spot::Main(id), b"no picture", "a").await.unwrap_err();
    assert!(matches!(told, Told::Refused(422, _)), "{told:?}");
    assert_eq!(it.pictures(id).await.unwrap(), []);
}

async fn the_asynchronous_form_is_listed_at_once_under_the_url_that_it_was_given(it: &impl Store) {
    let id = pictured(it, &["a"]).await;
    // Nothing is there, which nobody is told.
    let url = "http://127.0.0.1:9/mug.png";
    it.promise(Spot::Gallery(id), url, "b").await.unwrap();
    let pictures = it.pictures(id).await.unwrap();
    assert_eq!((references(&pictures), pictures[1].url.as_str()), (vec!["a", "b"], url));
    assert!(matches!(it.promise(Spot::Gallery(id), "", "c").await, Err(Told::Refused(..))), "a blank URL");
}

async fn a_variation_has_a_picture_of_its_own_beside_the_gallery(it: &impl Store) {
    let id = pictured(it, &["a"]).await;
    let values = Some(vec![("Size".to_owned(), "S".to_owned())]);
    let small =
        it.create_variation(id, &VariationWrite { values, ..VariationWrite::default() }).await.unwrap();
    it.hang(Spot::Variation(id, small), &picture::png("s"), "s").await.unwrap();
    assert_eq!(references(&it.pictures(id).await.unwrap()), ["a"]);
    let shown = it.merchant().pictures(id);
    assert!(shown.iter().any(|picture| picture.place == format!("variation {small}")), "{shown:?}");
}

async fn a_picture_shows_the_id_that_it_was_uploaded_with(it: &impl Store) {
    let id = pictured(it, &["concord-r-image-7-ab"]).await;
    let pictures = it.pictures(id).await.unwrap();
    assert_eq!(references(&pictures), ["concord-r-image-7-ab"]);
    let before = pictures[0].url.clone();
    it.hang(Spot::Main(id), &picture::png("concord-r-image-7-ab"), "again").await.unwrap();
    assert_ne!(it.pictures(id).await.unwrap()[0].url, before, "each upload has an address of its own");
}

async fn ids_of_pictures_move(it: &impl Store) {
    let id = pictured(it, &["a", "b", "c"]).await;
    let before = it.pictures(id).await.unwrap();
    it.arrange(id, &[before[2].clone(), before[0].clone(), before[1].clone()]).await.unwrap();
    let after = it.pictures(id).await.unwrap();
    assert_eq!(references(&after), ["c", "a", "b"]);
    assert!(after[0].is_main && after[0].id == "0", "{after:?}");
    assert_ne!(after[1].id, "0", "what was the main one is another one now: {after:?}");
    let address = |name: &str, pictures: &[Picture]| {
        pictures.iter().find(|it| it.reference.as_deref() == Some(name)).unwrap().url.clone()
    };
    for name in ["a", "b", "c"] {
        assert_eq!(address(name, &before), address(name, &after), "addresses stay");
    }
    it.take_down(id, &after[1]).await.unwrap();
    assert_eq!(references(&it.pictures(id).await.unwrap()), ["c", "b"]);
}

async fn categories_that_are_disabled_are_listed_and_a_root_has_no_parent(it: &impl Store) {
    let kitchen = it.create_category("Kitchen", 0, "c-1").await.unwrap();
    let mugs = it.create_category("Mugs", kitchen, "c-2").await.unwrap();
    let mut listed = it.categories().await.unwrap();
    listed.sort_by_key(|category| category.id);
    let shown: Vec<_> = listed.iter().map(|it| (it.id, it.parent_id, it.name.as_str())).collect();
    assert_eq!(shown, [(kitchen, 0, "Kitchen"), (mugs, kitchen, "Mugs")]);
    assert_eq!(it.category(mugs).await.unwrap(), listed[1]);
    assert!(it.merchant().categories().iter().all(|category| category["enabled"] == false));
}

async fn a_deleted_category_takes_what_is_below_along_and_leaves_the_products(it: &impl Store) {
    let kitchen = it.create_category("Kitchen", 0, "c-1").await.unwrap();
    let mugs = it.create_category("Mugs", kitchen, "c-2").await.unwrap();
    let id = it.create(&Write { categories: Some(vec![mugs]), ..mug("M-1") }).await.unwrap();
    it.delete_category(kitchen).await.unwrap();
    assert_eq!(it.category(mugs).await.unwrap_err(), Told::Gone);
    assert_eq!(it.product(id).await.unwrap().categories, Vec::<i64>::new());
    assert_eq!(it.delete_category(kitchen).await.unwrap_err(), Told::Gone);
}

async fn the_profile_tells_how_many_products_the_plan_allows(it: &impl Store) {
    it.merchant().set_max_product_limit(100);
    assert_eq!(it.limit().await.unwrap(), Some(100));
}
