//! Options that come, go or are called otherwise: every variant has its values on both sides afterwards.

use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::NewMatrix;
use serde_json::{Value, json};

use super::variants::variant;
use crate::support::{Plan, World, item};

/// A cap in these colours and sizes, connected and quiet: the matrix and its product.
async fn cap(set: i64, values: &[[&str; 3]]) -> (World, i64, i64) {
    let mut world = World::open(Plan::default()).await;
    let variants =
        (1..).zip(values).map(|(n, values)| variant(*values, &format!("CAP-{n}"), "9", 4)).collect();
    let new =
        NewMatrix { description: "Cap".into(), attribute_set_id: set, variants, ..NewMatrix::default() };
    let matrix = world.stage.r.create_matrix(new).unwrap().0;
    world.connect().await;
    world.settle().await;
    let product = world.product_of_matrix(matrix).unwrap();
    (world, matrix, product)
}

impl World {
    fn options_of(&self, product: i64) -> Vec<String> {
        let record = self.record(product);
        let options = record["options"].as_array().unwrap();
        options.iter().map(|option| option["name"].as_str().unwrap().to_owned()).collect()
    }

    fn attributes_of(&self, sku: &str) -> [String; 3] {
        self.stage.r.item(self.item_called(sku)).unwrap().attributes
    }

    fn dress(&self, product: i64, sku: &str, options: &[(&str, &str)]) {
        let id = self.variation(product, sku)["id"].as_i64().unwrap();
        let options: Vec<Value> =
            options.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
        self.stage.e.edit_variation(product, id, json!({ "options": options })).unwrap();
    }
}

#[tokio::test]
async fn an_attribute_added_in_the_shop_becomes_an_option_with_every_value() {
    let (world, matrix, product) = cap(3, &[["Red", "", ""], ["Blue", "", ""]]).await;
    assert_eq!(world.options_of(product), ["Color"]);
    world.stage.r.set_attribute_set(matrix, 1);
    world.stage.r.set_attributes(world.item_called("CAP-1"), ["Red", "S", ""]);
    world.stage.r.set_attributes(world.item_called("CAP-2"), ["Blue", "M", ""]);
    world.sweep().await;
    assert_eq!(world.options_of(product), ["Color", "Size"]);
    assert_eq!(world.choices(product, "Size"), ["S", "M"]);
    world.check_laws().await;
    world.check_quiet().await;
    // Both ways from here.
    world.stage.e.rename_choice(product, "Size", "M", "L");
    world.settle().await;
    assert_eq!(world.attributes_of("CAP-2"), ["Blue", "L", ""]);
    world.check_laws().await;
}

#[tokio::test]
async fn an_attribute_taken_away_in_the_shop_goes_unless_variants_would_be_the_same() {
    let (world, matrix, product) = cap(1, &[["Red", "S", ""], ["Blue", "M", ""]]).await;
    world.stage.r.set_attribute_set(matrix, 3);
    world.sweep().await;
    assert_eq!(world.options_of(product), ["Color"]);
    world.check_laws().await;
    world.check_quiet().await;

    let (world, matrix, product) = cap(1, &[["Red", "S", ""], ["Red", "M", ""]]).await;
    world.stage.r.set_attribute_set(matrix, 3);
    world.sweep().await;
    assert_eq!(world.options_of(product), ["Color", "Size"], "nothing is guessed");
    let listed = world.get("/products").await;
    let reason = listed["items"][0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("would be the same"), "{listed}");
}

#[tokio::test]
async fn an_option_added_on_the_web_becomes_an_attribute_with_every_value() {
    let (world, matrix, product) = cap(3, &[["Red", "", ""], ["Blue", "", ""]]).await;
    let size = json!({"type": "SELECT", "name": "Size", "choices": [{"text": "S"}, {"text": "M"}]});
    world.stage.e.add_option(product, size);
    world.dress(product, "CAP-1", &[("Color", "Red"), ("Size", "S")]);
    world.dress(product, "CAP-2", &[("Color", "Blue"), ("Size", "M")]);
    world.settle().await;
    assert_eq!(world.stage.r.matrix(matrix).unwrap().attribute_set_id, 1, "the set that every account has");
    assert_eq!(world.attributes_of("CAP-1"), ["Red", "S", ""]);
    assert_eq!(world.attributes_of("CAP-2"), ["Blue", "M", ""]);
    world.check_laws().await;
    world.check_quiet().await;

    world.dress(product, "CAP-1", &[("Color", "Red")]);
    world.dress(product, "CAP-2", &[("Color", "Blue")]);
    world.stage.e.remove_option(product, "Size");
    world.settle().await;
    assert_eq!(world.stage.r.matrix(matrix).unwrap().names, ["Color", "", ""]);
    assert_eq!(world.attributes_of("CAP-2"), ["Blue", "", ""]);
    world.check_laws().await;
    world.check_quiet().await;
}

#[tokio::test]
async fn a_fourth_option_is_held_with_the_reason() {
    let (world, matrix, product) = cap(1, &[["Red", "S", ""]]).await;
    for name in ["Cut", "Fabric"] {
        world
            .stage
            .e
            .add_option(product, json!({"type": "SELECT", "name": name, "choices": [{"text": "A"}]}));
    }
    world.dress(product, "CAP-1", &[("Color", "Red"), ("Size", "S"), ("Cut", "A"), ("Fabric", "A")]);
    world.settle().await;
    assert_eq!(world.stage.r.matrix(matrix).unwrap().attribute_set_id, 1);
    let listed = world.get("/products").await;
    let reason = listed["items"][0]["reason"].as_str().unwrap_or_default().to_owned();
    assert!(reason.contains("at most 3"), "{listed}");
}

#[tokio::test]
async fn a_change_of_options_that_breaks_off_anywhere_is_brought_to_its_end() {
    for fault in [Fault::ResetAfter, Fault::ResetBefore] {
        for call in 0..4 {
            let (world, matrix, product) = cap(1, &[["Red", "S", ""], ["Blue", "M", ""]]).await;
            // Renamed on the web.
            world.stage.r.faults().next_after(call, Aim::Write, fault);
            world.stage.e.rename_option(product, "Color", "Colour");
            world.settle().await;
            world.sweep().await;
            world.stage.r.faults().heal();
            assert_eq!(
                world.stage.r.matrix(matrix).unwrap().names,
                ["Colour", "Size", ""],
                "{fault:?} {call}"
            );
            // What is edited afterwards still arrives, for every item.
            world.stage.e.rename_choice(product, "Colour", "Red", "Crimson");
            world.stage.e.rename_choice(product, "Colour", "Blue", "Navy");
            world.settle().await;
            let shown = [world.attributes_of("CAP-1"), world.attributes_of("CAP-2")];
            assert_eq!(shown, [["Crimson", "S", ""], ["Navy", "M", ""]], "{fault:?} {call}");
            world.check_laws().await;
            // One more in the shop.
            let set = world.stage.r.create_attribute_set("Three", ["Colour", "Size", "Cut"]);
            world.stage.e.faults().next_after(call, Aim::Write, fault);
            world.stage.r.set_attribute_set(matrix, set);
            world.stage.r.set_attributes(world.item_called("CAP-1"), ["Crimson", "S", "Slim"]);
            world.stage.r.set_attributes(world.item_called("CAP-2"), ["Navy", "M", "Wide"]);
            world.sweep().await;
            world.sweep().await;
            world.stage.e.faults().heal();
            assert_eq!(world.choices(product, "Cut"), ["Slim", "Wide"], "{fault:?} {call}");
            world.check_laws().await;
            world.close().await;
        }
    }
}

/// However far it came, and whoever wins a conflict: both sides end with the new name, and nobody is asked.
#[tokio::test]
async fn a_death_at_any_point_of_a_rename_is_no_edit_of_anybody() {
    for rule in ["r_wins", "e_wins", "ask"] {
        for in_shop in [true, false] {
            let (mut world, matrix, product) = cap(1, &[["Red", "S", ""], ["Blue", "M", ""]]).await;
            let settings = json!({"settings": {"fields": {"options": {"rule": rule}}}});
            let path = format!("/v1/connections/{}", world.connection);
            assert_eq!(world.call("PATCH", &path, Some(settings)).await.0, 200);
            world.settle().await;
            // What the sweep does before it finds the rename is broken off elsewhere.
            let (mut points, mut halves) = (if in_shop { 60 } else { 0 }, 0);
            loop {
                let at = format!("{rule}, in the shop: {in_shop}, death at point {points}");
                world.let_bygones_be().await;
                let name = format!("Colour {points}");
                if in_shop {
                    let set = world.stage.r.create_attribute_set(&name, [&name, "Size", ""]);
                    world.stage.r.set_attribute_set(matrix, set);
                } else {
                    let options = world.options_of(product);
                    let now = options.iter().find(|name| *name != "Size").unwrap();
                    world.stage.e.rename_option(product, now, &name);
                }
                // A sweep finds it.
                world.clock.advance(std::time::Duration::from_secs(61));
                world.stage.deliver_due().await;
                let died = world.die_after(points as u64, points).await;
                halves += usize::from(world.options_of(product).len() > 2);
                world.restart_worker(points as u64);
                world.clock.advance(std::time::Duration::from_secs(61));
                world.sweep().await;
                world.sweep().await;
                let mut online = world.options_of(product);
                online.sort_unstable();
                assert_eq!(online, [name.as_str(), "Size"], "{at}");
                assert_eq!(world.stage.r.matrix(matrix).unwrap().names, [name.as_str(), "Size", ""], "{at}");
                let values = [world.attributes_of("CAP-1"), world.attributes_of("CAP-2")];
                assert_eq!(values, [["Red", "S", ""], ["Blue", "M", ""]], "{at}");
                assert_eq!(world.get("/conflicts").await["items"], json!([]), "{at}");
                world.check_queue_and_ledger().await;
                if !died {
                    break;
                }
                points += 3;
            }
            assert!(points > 30, "only {points} points: the visit did not do what it should");
            assert!(!in_shop || halves > 1, "it never broke off in the middle");
            world.check_laws().await;
            world.check_quiet().await;
            world.close().await;
        }
    }
}

/// A rename that a platform refuses in the middle is told in words, and finished on retry.
#[tokio::test]
async fn a_rename_that_is_refused_halfway_waits_with_its_reason_and_is_finished() {
    for in_shop in [true, false] {
        let (world, matrix, product) = cap(1, &[["Red", "S", ""], ["Blue", "M", ""]]).await;
        let refusal = || Fault::Status { status: 400, retry_after: None };
        let faults = if in_shop { world.stage.e.faults() } else { world.stage.r.faults() };
        // The second of the variants; and whatever is tried after it.
        let skip = if in_shop { 2 } else { 3 };
        faults.next_after(skip, Aim::Write, refusal());
        faults.next_after(skip, Aim::Write, refusal());
        if in_shop {
            let set = world.stage.r.create_attribute_set("Tinted", ["Tint", "Size", ""]);
            world.stage.r.set_attribute_set(matrix, set);
        } else {
            world.stage.e.rename_option(product, "Color", "Tint");
        }
        world.sweep().await;
        let parked = world.get("/parked").await;
        let row = &parked["items"][0];
        let reason = row["reason"].as_str().unwrap_or_default();
        assert!(reason.contains("refuses the rest"), "in the shop: {in_shop}: {parked}");
        world.stage.r.faults().heal();
        world.stage.e.faults().heal();
        let path = format!("/parked/{}/retry", row["id"].as_str().unwrap());
        let path = format!("/v1/connections/{}{path}", world.connection);
        assert_eq!(world.call("POST", &path, None).await.0, 202);
        world.settle().await;
        let mut online = world.options_of(product);
        online.sort_unstable();
        assert_eq!(online, ["Size", "Tint"]);
        assert_eq!(world.stage.r.matrix(matrix).unwrap().names, ["Tint", "Size", ""]);
        assert_eq!(world.attributes_of("CAP-2"), ["Blue", "M", ""]);
        assert_eq!(world.get("/conflicts").await["items"], json!([]));
        world.check_laws().await;
        world.check_quiet().await;
    }
}

/// What is to be renamed is called otherwise by then than it was when the two were tied.
#[tokio::test]
async fn an_option_renamed_on_both_sides_at_once_gets_the_name_of_the_winner() {
    for rule in ["r_wins", "e_wins"] {
        let (world, matrix, product) = cap(1, &[["Red", "S", ""], ["Blue", "M", ""]]).await;
        world.set(json!({"fields": {"options": {"rule": rule}}})).await;
        let set = world.stage.r.create_attribute_set("Tinted", ["Tint", "Size", ""]);
        world.stage.r.set_attribute_set(matrix, set);
        world.stage.e.rename_option(product, "Color", "Colour");
        world.sweep().await;
        let name = if rule == "r_wins" { "Tint" } else { "Colour" };
        let mut online = world.options_of(product);
        online.sort_unstable();
        let mut both = [name, "Size"];
        both.sort_unstable();
        assert_eq!(online, both, "{rule}");
        assert_eq!(world.stage.r.matrix(matrix).unwrap().names, [name, "Size", ""], "{rule}");
        assert_eq!(world.attributes_of("CAP-2"), ["Blue", "M", ""], "{rule}");
        world.check_laws().await;
        world.check_quiet().await;
        world.close().await;
    }
}

#[tokio::test]
async fn an_item_that_joins_while_an_option_is_renamed_on_the_web_gives_the_product_no_further_option() {
    let (world, matrix, product) = cap(1, &[["Red", "S", ""], ["Blue", "M", ""]]).await;
    let item = world.stage.r.create_item(item("Cap alone", "CAP-9", "9", 4));
    world.settle().await;
    world.sweep().await;
    world.stage.r.put_into_matrix(item, matrix, ["Green", "L", ""]);
    world.stage.e.rename_option(product, "Color", "Colour");
    world.sweep().await;
    world.sweep().await;
    let mut online = world.options_of(product);
    online.sort_unstable();
    assert_eq!(online, ["Colour", "Size"]);
    assert_eq!(world.stage.r.matrix(matrix).unwrap().names, ["Colour", "Size", ""]);
    assert_eq!(world.attributes_of("CAP-9"), ["Green", "L", ""]);
    world.check_laws().await;
    world.check_quiet().await;
}

/// An archived variant follows its matrix, and fits when it comes back.
#[tokio::test]
async fn a_variant_that_is_archived_while_an_option_is_renamed_comes_back_with_the_new_name() {
    let (world, matrix, product) = cap(1, &[["Red", "S", ""], ["Blue", "M", ""]]).await;
    let item = world.item_called("CAP-1");
    world.stage.r.archive(item);
    world.sweep().await;
    world.stage.e.rename_option(product, "Color", "Colour");
    world.settle().await;
    assert_eq!(world.stage.r.matrix(matrix).unwrap().names, ["Colour", "Size", ""]);
    world.stage.r.unarchive(item);
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.get("/parked").await["items"], json!([]));
    assert_eq!(world.attributes_of("CAP-1"), ["Red", "S", ""]);
    world.check_laws().await;
}

/// What somebody types of the options that both sides have is no part of the change of the others.
#[tokio::test]
async fn a_value_that_is_typed_while_an_option_comes_or_goes_is_carried_whatever_the_rule() {
    for rule in ["r_wins", "e_wins"] {
        for (comes_in_shop, typed_in_shop) in [(true, true), (true, false), (false, true), (false, false)] {
            let at = format!("{rule}, comes in the shop: {comes_in_shop}, typed there: {typed_in_shop}");
            let (world, matrix, product) = cap(3, &[["Red", "", ""], ["Blue", "", ""]]).await;
            world.set(json!({"fields": {"option_values": {"rule": rule}}})).await;
            let mut third = [["Red", "S", ""], ["Blue", "M", ""]];
            for (before, after) in [("Red", "Crimson"), ("Crimson", "Scarlet")] {
                let comes = before == "Red";
                third[0][0] = if typed_in_shop { after } else { before };
                if comes_in_shop {
                    world.stage.r.set_attribute_set(matrix, if comes { 1 } else { 3 });
                    for (sku, mut values) in ["CAP-1", "CAP-2"].into_iter().zip(third) {
                        values[1] = if comes { values[1] } else { "" };
                        world.stage.r.set_attributes(world.item_called(sku), values);
                    }
                } else {
                    if comes {
                        let choices = json!([{"text": "S"}, {"text": "M"}]);
                        let size = json!({"type": "SELECT", "name": "Size", "choices": choices});
                        world.stage.e.add_option(product, size);
                        world.dress(product, "CAP-1", &[("Color", before), ("Size", "S")]);
                        world.dress(product, "CAP-2", &[("Color", "Blue"), ("Size", "M")]);
                    } else {
                        world.dress(product, "CAP-1", &[("Color", before)]);
                        world.dress(product, "CAP-2", &[("Color", "Blue")]);
                        world.stage.e.remove_option(product, "Size");
                    }
                    if typed_in_shop {
                        let size = if comes { "" } else { "S" };
                        world.stage.r.set_attributes(world.item_called("CAP-1"), [after, size, ""]);
                    }
                }
                if !typed_in_shop {
                    world.stage.e.rename_choice(product, "Color", before, after);
                }
                world.sweep().await;
                world.sweep().await;
                let sizes = if comes { ["S", "M"] } else { ["", ""] };
                assert_eq!(world.attributes_of("CAP-1"), [after, sizes[0], ""], "{at}");
                assert_eq!(world.attributes_of("CAP-2"), ["Blue", sizes[1], ""], "{at}");
                assert_eq!(world.options_of(product).len(), if comes { 2 } else { 1 }, "{at}");
                assert_eq!(world.get("/conflicts").await["items"], json!([]), "{at}");
                world.check_laws().await;
                world.check_quiet().await;
            }
            world.close().await;
        }
    }
}

/// One side has another name for an option, the other side one option more.
#[tokio::test]
async fn an_option_renamed_on_one_side_while_another_comes_on_the_other_is_as_the_winner_has_it() {
    for rule in ["r_wins", "e_wins"] {
        for comes_in_shop in [true, false] {
            let at = format!("{rule}, comes in the shop: {comes_in_shop}");
            let (world, matrix, product) = cap(1, &[["Red", "S", ""], ["Blue", "M", ""]]).await;
            world.set(json!({"fields": {"options": {"rule": rule}}})).await;
            if comes_in_shop {
                let set = world.stage.r.create_attribute_set("Three", ["Color", "Size", "Cut"]);
                world.stage.r.set_attribute_set(matrix, set);
                world.stage.r.set_attributes(world.item_called("CAP-1"), ["Red", "S", "Slim"]);
                world.stage.r.set_attributes(world.item_called("CAP-2"), ["Blue", "M", "Wide"]);
                world.stage.e.rename_option(product, "Color", "Tint");
            } else {
                let choices = json!([{"text": "Slim"}, {"text": "Wide"}]);
                let cut = json!({"type": "SELECT", "name": "Cut", "choices": choices});
                world.stage.e.add_option(product, cut);
                world.dress(product, "CAP-1", &[("Color", "Red"), ("Size", "S"), ("Cut", "Slim")]);
                world.dress(product, "CAP-2", &[("Color", "Blue"), ("Size", "M"), ("Cut", "Wide")]);
                let set = world.stage.r.create_attribute_set("Tinted", ["Tint", "Size", ""]);
                world.stage.r.set_attribute_set(matrix, set);
            }
            world.sweep().await;
            world.sweep().await;
            let comes = comes_in_shop == (rule == "r_wins");
            let (names, cut) =
                if comes { (["Color", "Size", "Cut"], "Wide") } else { (["Tint", "Size", ""], "") };
            assert_eq!(world.stage.r.matrix(matrix).unwrap().names, names, "{at}");
            let (mut online, mut names) = (world.options_of(product), names.to_vec());
            names.retain(|name| !name.is_empty());
            online.sort_unstable();
            names.sort_unstable();
            assert_eq!(online, names, "{at}");
            assert_eq!(world.attributes_of("CAP-2"), ["Blue", "M", cut], "{at}");
            assert_eq!(world.get("/parked").await["items"], json!([]), "{at}");
            world.check_laws().await;
            world.check_quiet().await;
            world.close().await;
        }
    }
}

/// SKUs that are on their way from one item to the other do not take the values along.
#[tokio::test]
async fn an_option_added_while_two_items_change_their_skus_gets_the_values_of_their_own_variations() {
    let (world, _, product) = cap(3, &[["Red", "", ""], ["Blue", "", ""]]).await;
    let [red, blue] = ["CAP-1", "CAP-2"].map(|sku| world.item_called(sku));
    let size = json!({"type": "SELECT", "name": "Size", "choices": [{"text": "S"}, {"text": "M"}]});
    world.stage.e.add_option(product, size);
    world.dress(product, "CAP-1", &[("Color", "Red"), ("Size", "S")]);
    world.dress(product, "CAP-2", &[("Color", "Blue"), ("Size", "M")]);
    world.stage.r.set_sku(red, "CAP-2");
    world.stage.r.set_sku(blue, "CAP-1");
    world.sweep().await;
    world.sweep().await;
    let values = [red, blue].map(|item| world.stage.r.item(item).unwrap().attributes);
    assert_eq!(values, [["Red", "S", ""], ["Blue", "M", ""]]);
    world.check_laws().await;
    world.check_quiet().await;
}
