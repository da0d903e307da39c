//! Matrices, attribute sets, and the items of a matrix.

use super::super::{MatrixEdit, NewMatrix, NewVariant, TagForm};
use super::*;

const BOTH: &str = "load_relations=[%22Items%22,%22ItemAttributeSet%22]";

fn variant(first: &str, second: &str) -> NewVariant {
    NewVariant { values: [first.to_owned(), second.to_owned(), String::new()], ..NewVariant::default() }
}

/// A bag in red and blue, both small.
fn bag(bench: &Bench) -> (i64, Vec<i64>) {
    let new = NewMatrix {
        description: "Canvas bag".to_owned(),
        default_price: Decimal::from(19),
        tags: vec!["New Tag".to_owned()],
        variants: vec![variant("Red", "Small"), variant("Blue", "Small")],
        ..NewMatrix::default()
    };
    bench.sandbox.create_matrix(new).expect("a matrix")
}

#[tokio::test]
async fn the_system_sets_are_there_and_size_is_the_second_attribute() {
    let bench = Bench::new();
    let page = bench.get("ItemAttributeSet.json").await;
    assert_eq!(ids(&page.json, "ItemAttributeSet", "itemAttributeSetID"), [1, 2, 3, 4]);
    assert_eq!(
        page.json["ItemAttributeSet"][1],
        json!({
            "itemAttributeSetID": "2", "name": "Size", "attributeName1": "", "attributeName2": "Size",
            "attributeName3": "", "system": "true", "archived": "false",
        })
    );
    let own = json!({ "name": "Cut", "attributeName1": "Cut", "system": true });
    let made = bench.call("POST", "ItemAttributeSet.json", own).await;
    assert_eq!(made.json["ItemAttributeSet"]["itemAttributeSetID"], "5");
    assert_eq!(made.json["ItemAttributeSet"]["system"], "false");
    for (method, path, body, status) in [
        ("POST", "ItemAttributeSet.json", json!({ "attributeName1": "x" }), 400),
        ("PUT", "ItemAttributeSet/1.json", json!({ "name": "x" }), 400),
        ("PUT", "ItemAttributeSet/5.json", json!({ "attributeName2": "Length" }), 200),
        ("DELETE", "ItemAttributeSet/5.json", Value::Null, 405),
        ("GET", "ItemAttributeSet/9.json", Value::Null, 404),
    ] {
        assert_eq!(bench.call(method, path, body).await.status.as_u16(), status, "{method} {path}");
    }
    let set = bench.get("ItemAttributeSet/5.json").await;
    assert_eq!((&set.json["ItemAttributeSet"]["attributeName2"]), (&json!("Length")));
}

#[tokio::test]
async fn a_posted_matrix_has_its_own_defaults_and_order_of_keys() {
    let bench = Bench::new();
    let body = json!({
        "description": "Canvas bag", "itemAttributeSetID": "1",
        "Prices": { "ItemPrice": { "amount": "19", "useTypeID": "1", "useType": "Default" } },
        "attribute1Values": ["White"],
    });
    let reply = bench.call("POST", "ItemMatrix.json", body).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let matrix = &reply.json["ItemMatrix"];
    let keys: Vec<&str> = matrix.as_object().expect("a matrix").keys().map(String::as_str).collect();
    let expected = "itemMatrixID description tax defaultCost itemType serialized modelYear archived timeStamp \
                    itemAttributeSetID manufacturerID categoryID defaultVendorID taxClassID seasonID \
                    departmentID Prices";
    assert_eq!(keys, expected.split_whitespace().collect::<Vec<_>>());
    assert_eq!((&matrix["tax"], &matrix["taxClassID"]), (&json!("false"), &json!("0")));
    assert_eq!(matrix["Prices"]["ItemPrice"][0]["amount"], "19");
    // What was sent as a value is passed over.
    let read = bench.get("ItemMatrix/1.json").await;
    assert_eq!(
        (&read.json["ItemMatrix"]["attribute1Values"], &read.json["ItemMatrix"]["attribute3Values"]),
        (&json!(""), &Value::Null)
    );
    for body in [
        json!({ "itemAttributeSetID": 1 }),
        json!({ "description": "x" }),
        json!({ "description": "x", "itemAttributeSetID": 9 }),
        json!({ "description": "x", "itemAttributeSetID": 1, "categoryID": 9 }),
    ] {
        let reply = bench.call("POST", "ItemMatrix.json", body.clone()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{body}");
    }
}

#[tokio::test]
async fn a_posted_variant_inherits_nothing_and_brings_its_matrix() {
    let bench = Bench::new();
    bag(&bench);
    let body = json!({
        "description": "Canvas bag Red Large", "itemMatrixID": "1",
        "ItemAttributes": { "itemAttributeSetID": "1", "attribute1": "Red", "attribute2": "Large", "attribute3": "x" },
    });
    let item = bench.call("POST", "Item.json", body).await.json["Item"].clone();
    assert_eq!(
        item["ItemAttributes"],
        json!({ "attribute1": "Red", "attribute2": "Large", "attribute3": "", "itemAttributeSetID": "1" })
    );
    assert_eq!(item["ItemMatrix"]["description"], "Canvas bag");
    assert_eq!((&item["categoryID"], &item["taxClassID"]), (&json!("0"), &json!("1")));
    assert_eq!(item["Prices"]["ItemPrice"][0]["amount"], "0");
    let read = bench.get("ItemMatrix/1.json").await;
    assert_eq!(read.json["ItemMatrix"]["attribute2Values"], json!(["Small", "Large"]));
    // A PUT answers without both; a read shows attributes only when asked.
    let put = bench.put("Item/3.json", json!({ "ItemAttributes": { "attribute1": "Green" } })).await;
    assert_eq!((put.json["Item"].get("ItemAttributes"), put.json["Item"].get("ItemMatrix")), (None, None));
    assert!(bench.get("Item/3.json").await.json["Item"].get("ItemAttributes").is_none());
    let asked = bench.get("Item/3.json?load_relations=[%22ItemAttributes.ItemAttributeSet%22]").await;
    let attributes = &asked.json["Item"]["ItemAttributes"];
    assert_eq!((&attributes["attribute1"], &attributes["attribute2"]), (&json!("Green"), &json!("Large")));
    assert_eq!(attributes["ItemAttributeSet"]["name"], "Color/Size");
    assert_eq!(bench.get("Item.json?itemMatrixID=1&limit=2").await.json["Item"][1]["itemID"], "2");
    let refused = bench.get("Item/3.json?load_relations=[%22ItemMatrix%22]").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn attributes_must_fit_the_matrix() {
    let bench = Bench::new();
    bag(&bench);
    for (body, status) in [
        (json!({ "description": "x", "itemMatrixID": 9 }), 400),
        (
            json!({ "description": "x", "itemMatrixID": 1, "ItemAttributes": { "itemAttributeSetID": 2 } }),
            400,
        ),
        (json!({ "description": "x", "itemMatrixID": 1, "ItemAttributes": ["Red"] }), 400),
        (
            json!({ "description": "x", "itemMatrixID": 1, "ItemAttributes": { "attribute1": "Red", "attribute2": "Small" } }),
            200,
        ),
        (json!({ "description": "x", "ItemAttributes": { "attribute1": "Red" } }), 200),
    ] {
        assert_eq!(bench.call("POST", "Item.json", body.clone()).await.status.as_u16(), status, "{body}");
    }
    bench.sandbox.habits(|habits| habits.check_references = false);
    let dangling = json!({ "description": "x", "itemMatrixID": 9, "categoryID": 9 });
    assert_eq!(bench.call("POST", "Item.json", dangling).await.json["Item"]["itemMatrixID"], "9");
    // Twice the same attributes is no mistake, unless that is the habit.
    bench.sandbox.habits(|habits| habits.unique_attributes = true);
    let twice = json!({ "ItemAttributes": { "attribute1": "Blue" } });
    assert_eq!(bench.put("Item/1.json", twice).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.put("Item/1.json", json!({ "customSku": "S" })).await.status, StatusCode::OK);
    // Out of the matrix there are no attributes; into it again, those that are sent.
    bench.put("Item/2.json", json!({ "itemMatrixID": "0" })).await;
    assert!(bench.sandbox.raw_item(2).expect("an item").get("ItemAttributes").is_none());
    let back = json!({ "itemMatrixID": "1", "ItemAttributes": { "attribute2": "Tiny" } });
    bench.put("Item/2.json", back).await;
    let attributes = bench.sandbox.raw_item(2).expect("an item")["ItemAttributes"].clone();
    assert_eq!((&attributes["attribute1"], &attributes["attribute2"]), (&json!(""), &json!("Tiny")));
}

#[tokio::test]
async fn the_screen_copies_defaults_and_hands_shared_values_on() {
    let bench = Bench::new();
    let root = bench.sandbox.create_category("Bags", 0).expect("a category");
    let (matrix, items) = bag(&bench);
    let own_name = NewVariant { description: Some("12mm Pearls".to_owned()), ..variant("Green", "") };
    let odd = bench.sandbox.add_variant(matrix, own_name).expect("a variant");
    let view = bench.sandbox.item(items[0]).expect("an item");
    assert_eq!((view.description.as_str(), view.default_price), ("Canvas bag Red Small", Decimal::from(19)));
    assert_eq!(bench.sandbox.raw_item(odd).expect("an item")["Tags"]["tag"], json!(["newtag"]));
    bench.wait(5);
    let edit = MatrixEdit {
        description: Some("Tote".to_owned()),
        category_id: Some(root),
        default_price: Some(Decimal::from(25)),
        ..MatrixEdit::default()
    };
    bench.sandbox.edit_matrix(matrix, edit);
    for (id, name) in [(items[0], "Tote Red Small"), (items[1], "Tote Blue Small"), (odd, "12mm Pearls")] {
        let item = bench.sandbox.raw_item(id).expect("an item");
        assert_eq!((&item["description"], &item["categoryID"]), (&json!(name), &json!("1")));
        assert_eq!(item["Prices"]["ItemPrice"][0]["amount"], "19", "a default stays with the matrix");
        assert_eq!(item["timeStamp"], "2024-05-17T09:30:07+00:00");
    }
    // Through the API the matrix is alone with it, unless that is the habit.
    bench.put("ItemMatrix/1.json", json!({ "description": "Sack" })).await;
    assert_eq!(bench.sandbox.item(items[0]).expect("an item").description, "Tote Red Small");
    bench.put("ItemMatrix/1.json", json!({ "description": "Tote" })).await;
    bench.sandbox.habits(|habits| habits.matrix_put_propagates = true);
    bench.put("ItemMatrix/1.json", json!({ "description": "Sack" })).await;
    assert_eq!(bench.sandbox.item(items[0]).expect("an item").description, "Sack Red Small");
}

#[tokio::test]
async fn matrices_are_listed_filtered_and_show_their_items() {
    let bench = Bench::new();
    let (matrix, items) = bag(&bench);
    bench.wait(60);
    let cap = NewMatrix { description: "Cap".to_owned(), attribute_set_id: 3, ..NewMatrix::default() };
    bench.sandbox.create_matrix(cap);
    let since = bench.get("ItemMatrix.json?sort=timeStamp&timeStamp=%3E,2024-05-17T09:30:10%2B00:00").await;
    assert_eq!(ids(&since.json, "ItemMatrix", "itemMatrixID"), [2]);
    let page = bench.get("ItemMatrix.json?limit=1&sort=-description").await;
    assert_eq!(page.json["ItemMatrix"]["description"], "Cap");
    assert!(page.json["@attributes"]["next"].as_str().is_some_and(|next| next.contains("sort=-description")));
    bench.sandbox.archive(items[1]);
    let read = bench.get(&format!("ItemMatrix/{matrix}.json?{BOTH}")).await.json["ItemMatrix"].clone();
    assert_eq!(read["ItemAttributeSet"]["attributeName2"], "Size");
    assert_eq!(read["Items"]["Item"][1]["archived"], "true");
    assert!(read["Items"]["Item"][0].get("Prices").is_some());
    assert!(read["Items"]["Item"][0].get("ItemAttributes").is_none());
    bench.sandbox.habits(|habits| {
        habits.matrix_items_show_archived = false;
        habits.matrix_items_show_attributes = true;
    });
    let read = bench.get(&format!("ItemMatrix/{matrix}.json?{BOTH}")).await.json["ItemMatrix"].clone();
    // One is no list.
    assert_eq!(read["Items"]["Item"]["ItemAttributes"]["attribute1"], "Red");
    let all = bench.get("ItemMatrix.json?load_relations=all").await;
    assert_eq!(all.header("x-ls-api-request-cost"), "3.8");
    assert_eq!(all.status, StatusCode::OK, "{}", all.text);
}

#[tokio::test]
async fn values_stay_with_a_matrix_unless_that_is_not_the_habit() {
    let bench = Bench::new();
    let (matrix, items) = bag(&bench);
    bench.sandbox.type_attribute_value(matrix, 2, "Huge");
    bench.sandbox.archive(items[1]);
    let values = |bench: &Bench| {
        let raw = bench.sandbox.raw_matrix(matrix).expect("a matrix");
        (raw["attribute1Values"].clone(), raw["attribute2Values"].clone())
    };
    assert_eq!(values(&bench), (json!(["Red", "Blue"]), json!(["Small", "Huge"])));
    bench.sandbox.habits(|habits| habits.matrix_keeps_unused_values = false);
    assert_eq!(values(&bench), (json!(["Red"]), json!(["Small", "Huge"])));
    assert_eq!(bench.get("ItemMatrix/1.json").await.json["ItemMatrix"]["attribute1Values"], "Red");
    bench.sandbox.habits(|habits| {
        habits.matrix_values_writable = true;
        habits.matrix_writes_show_values = true;
    });
    let put = bench.put("ItemMatrix/1.json", json!({ "attribute2Values": "Mini" })).await;
    assert_eq!(put.json["ItemMatrix"]["attribute2Values"], json!(["Small", "Mini"]));
}

#[tokio::test]
async fn renamed_values_move_no_stamp_unless_that_is_the_habit() {
    let bench = Bench::new();
    let (matrix, items) = bag(&bench);
    let stamps = |bench: &Bench| {
        let item = bench.sandbox.raw_item(items[0]).expect("an item")["timeStamp"].clone();
        (item, bench.sandbox.raw_matrix(matrix).expect("a matrix")["timeStamp"].clone())
    };
    let before = stamps(&bench);
    bench.wait(5);
    bench.sandbox.rename_attribute_value(matrix, 1, "Red", "Crimson");
    bench.sandbox.set_tags(items[0], &["sale"]);
    assert_eq!(stamps(&bench), before);
    let raw = bench.sandbox.raw_matrix(matrix).expect("a matrix");
    assert_eq!(raw["attribute1Values"], json!(["Crimson", "Blue"]));
    assert_eq!(raw["Items"]["Item"][0]["ItemAttributes"]["attribute1"], "Crimson");
    assert_eq!(raw["Items"]["Item"][0]["description"], "Canvas bag Red Small");
    bench.sandbox.habits(|habits| {
        habits.attribute_write_moves_item_time_stamp = true;
        habits.variants_move_matrix_time_stamp = true;
    });
    bench.sandbox.rename_attribute_value(matrix, 1, "Crimson", "Blue");
    let after = stamps(&bench);
    assert!(after.0 != before.0 && after.1 != before.1);
    assert_eq!(bench.sandbox.raw_matrix(matrix).expect("a matrix")["attribute1Values"], json!(["Blue"]));
    bench.sandbox.set_attributes(items[0], ["Red", "Wide", ""]);
    let raw = bench.sandbox.raw_matrix(matrix).expect("a matrix");
    assert_eq!(raw["attribute2Values"], json!(["Small", "Wide"]));
}

#[tokio::test]
async fn archiving_a_matrix_takes_its_items_and_their_stock_along() {
    let bench = Bench::new();
    let (matrix, items) = bag(&bench);
    let single = bench.item("single");
    bench.sandbox.recount(items[0], 1, 7);
    let gone = bench.call("DELETE", "ItemMatrix/1.json", Value::Null).await;
    assert_eq!(gone.json["ItemMatrix"]["archived"], "true");
    assert!(gone.json["ItemMatrix"].get("attribute1Values").is_none());
    let archived = |id: i64| bench.sandbox.item(id).expect("an item").archived;
    assert!(archived(items[0]) && archived(items[1]) && !archived(single));
    assert_eq!(bench.sandbox.item(items[0]).expect("an item").stock[&1], 0);
    assert!(bench.get("ItemMatrix.json").await.json.get("ItemMatrix").is_none());
    assert_eq!(bench.get("ItemMatrix.json?archived=only").await.json["ItemMatrix"]["itemMatrixID"], "1");
    // The matrix comes back alone, and cannot be archived by PUT.
    let back = bench.put("ItemMatrix/1.json", json!({ "archived": "false" })).await;
    assert_eq!(back.json["ItemMatrix"]["archived"], "false");
    assert!(archived(items[0]));
    let put = bench.put("ItemMatrix/1.json", json!({ "archived": true })).await;
    assert_eq!(put.json["ItemMatrix"]["archived"], "false");
    bench.sandbox.archive_matrix(matrix);
    bench.sandbox.habits(|habits| habits.unarchived_matrix_brings_items_back = true);
    bench.sandbox.unarchive_matrix(matrix);
    assert!(!archived(items[0]) && !archived(items[1]));
}

#[tokio::test]
async fn items_come_into_a_matrix_and_out_of_it_by_hand() {
    let bench = Bench::new();
    let (matrix, items) = bag(&bench);
    let other = NewMatrix { description: "Cap".to_owned(), ..NewMatrix::default() };
    let (other, _) = bench.sandbox.create_matrix(other).expect("a matrix");
    let single = bench.item("Canvas bag, old");
    bench.wait(5);
    bench.sandbox.put_into_matrix(single, matrix, ["Grey", "Small", ""]);
    bench.sandbox.put_into_matrix(items[0], other, ["Red", "L", ""]);
    bench.sandbox.take_out_of_matrix(items[1]);
    let place = |id: i64| {
        let item = bench.sandbox.raw_item(id).expect("an item");
        let attribute = item["ItemAttributes"]["attribute2"].as_str().unwrap_or("-").to_owned();
        (item["itemMatrixID"].as_str().expect("a number").to_owned(), attribute)
    };
    assert_eq!(place(single), ("1".to_owned(), "Small".to_owned()));
    assert_eq!(place(items[0]), ("2".to_owned(), "L".to_owned()));
    assert_eq!(place(items[1]), ("0".to_owned(), "-".to_owned()));
    // The same values elsewhere are new ones there, and both matrices may be stamped.
    bench.sandbox.habits(|habits| habits.variants_move_matrix_time_stamp = true);
    bench.wait(5);
    bench.sandbox.put_into_matrix(single, other, ["Grey", "Small", ""]);
    for (id, values) in [(matrix, json!(["Red", "Blue", "Grey"])), (other, json!(["Red", "Grey"]))] {
        let raw = bench.sandbox.raw_matrix(id).expect("a matrix");
        assert_eq!(
            (&raw["attribute1Values"], &raw["timeStamp"]),
            (&values, &json!("2024-05-17T09:30:12+00:00"))
        );
    }
    let moved = bench.sandbox.item(single).expect("an item");
    assert_eq!(moved.description, "Canvas bag, old");
    assert_eq!(moved.time_stamp, "2024-05-17T09:30:12Z".parse::<Instant>().expect("a time"));
}

#[tokio::test]
async fn tags_are_written_whole_and_printed_either_way() {
    let bench = Bench::new();
    let id = bench.item("a");
    let path = format!("Item/{id}.json?load_relations=[%22TagRelations.Tag%22]");
    assert_eq!(bench.get(&path).await.json["Item"]["Tags"], "");
    let put = bench.put(&path, json!({ "Tags": { "tag": ["New Tag", "gift"] } })).await;
    assert_eq!(
        put.json["Item"]["Tags"],
        json!({ "@attributes": { "count": "2" }, "tag": ["gift", "newtag"] })
    );
    bench.sandbox.habits(|habits| habits.tag_form = TagForm::TagRelations);
    bench.put(&path, json!({ "Tags": { "tag": "newtag" } })).await;
    let relations = bench.get(&path).await.json["Item"]["TagRelations"].clone();
    assert_eq!(
        relations,
        json!({ "TagRelation": { "tagID": "2", "Tag": { "tagID": "2", "name": "newtag" } } })
    );
    let stamp = |bench: &Bench| bench.sandbox.item(id).expect("an item").time_stamp;
    let before = stamp(&bench);
    bench.wait(5);
    bench.put(&path, json!({ "Tags": "" })).await;
    assert_eq!(stamp(&bench), before);
    bench.sandbox.habits(|habits| habits.tag_write_moves_time_stamp = true);
    bench.put(&path, json!({ "Tags": { "tag": "gift" } })).await;
    assert!(stamp(&bench) > before);
    bench.sandbox.set_tags(id, &[]);
    assert_eq!(bench.sandbox.raw_item(id).expect("an item")["Tags"], "");
}

#[tokio::test]
async fn what_is_not_synchronised_can_be_edited_by_hand() {
    let bench = Bench::new();
    let id = bench.item("a");
    bench.sandbox.set_vendor(id, 4);
    bench.sandbox.set_cost(id, Decimal::new(425, 2));
    bench.sandbox.set_reorder(id, 2, 3, 12);
    bench.sandbox.set_category(id, 77);
    let item = bench.sandbox.raw_item(id).expect("an item");
    assert_eq!(
        (&item["defaultVendorID"], &item["defaultCost"], &item["categoryID"]),
        (&json!("4"), &json!("4.25"), &json!("77"))
    );
    let row = &item["ItemShops"]["ItemShop"][1];
    assert_eq!(
        (&row["reorderPoint"], &row["reorderLevel"], &row["qoh"]),
        (&json!("3"), &json!("12"), &json!("5"))
    );
}

#[tokio::test]
async fn a_merge_moves_the_stock_and_takes_the_id_away() {
    let bench = Bench::new();
    let (winner, loser) = (bench.item("a"), bench.item("b"));
    let before = bench.sandbox.item(winner).expect("an item").time_stamp;
    let logged = bench.sandbox.inventory_log().len();
    bench.wait(5);
    bench.sandbox.merge_items(loser, winner);
    assert_eq!(bench.get("Item/2.json").await.status, StatusCode::NOT_FOUND);
    let view = bench.sandbox.item(winner).expect("an item");
    assert_eq!((view.stock, view.time_stamp), ([(1, 20), (2, 10)].into(), before));
    let log = bench.sandbox.inventory_log();
    let rows: Vec<(i64, i64, &str)> =
        log[logged..].iter().map(|row| (row.item_id, row.change, row.reason.as_str())).collect();
    let (from, to) = ("DeletedByMerge", "ModifiedByMerge");
    assert_eq!(rows, [(2, -10, from), (1, 10, to), (2, -5, from), (1, 5, to)]);
    assert_eq!(bench.item("c"), 3, "a number is not used again");
    bench.sandbox.habits(|habits| habits.merged_items_stay_archived = true);
    bench.sandbox.merge_items(3, winner);
    assert!(bench.sandbox.item(3).expect("an item").archived);
    bench.sandbox.merge_items(winner, winner);
    assert_eq!(bench.sandbox.item(winner).expect("an item").stock[&1], 30);
}
