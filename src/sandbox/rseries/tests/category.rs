//! Categories: the nested set, stamps, cost, deletion.

use super::*;

/// Names with left and right nodes, in the order of the tree.
async fn tree(bench: &Bench) -> Vec<(String, i64, i64)> {
    let page = bench.get("Category.json?sort=leftNode").await;
    let number = |row: &Value, key: &str| row[key].as_str().expect("text").parse().expect("a number");
    let rows = page.json["Category"].as_array().cloned().unwrap_or_default();
    let name = |row: &Value| row["fullPathName"].as_str().expect("text").to_owned();
    rows.iter().map(|row| (name(row), number(row, "leftNode"), number(row, "rightNode"))).collect()
}

fn names(tree: &[(String, i64, i64)]) -> Vec<(&str, i64, i64)> {
    tree.iter().map(|(name, left, right)| (name.as_str(), *left, *right)).collect()
}

#[tokio::test]
async fn siblings_stand_by_name_and_what_shifts_is_stamped() {
    let bench = Bench::new();
    for (name, parent) in [("Kitchen", 0), ("Mugs", 1), ("Bath", 0), ("Zoo", 0)] {
        let body = json!({ "name": name, "parentID": parent, "fullPathName": "nonsense" });
        let reply = bench.call("POST", "Category.json", body).await;
        assert_eq!((reply.status, reply.header("x-ls-api-request-cost")), (StatusCode::OK, "10"));
    }
    let mugs = bench.get("Category/2.json?load_relations=[%22Parent%22]").await.json["Category"].clone();
    assert_eq!(
        mugs,
        json!({
            "categoryID": "2", "name": "Mugs", "nodeDepth": "1", "fullPathName": "Kitchen/Mugs",
            "leftNode": "4", "rightNode": "5", "createTime": "2024-05-17T09:30:02+00:00",
            "timeStamp": "2024-05-17T09:30:02+00:00", "parentID": "1", "Parent": mugs["Parent"].clone(),
        })
    );
    assert_eq!(mugs["Parent"]["name"], "Kitchen");
    bench.wait(60);
    bench.call("POST", "Category.json", json!({ "name": "bowls", "parentID": "1" })).await;
    let expected =
        [("Bath", 1, 2), ("Kitchen", 3, 8), ("Kitchen/bowls", 4, 5), ("Kitchen/Mugs", 6, 7), ("Zoo", 9, 10)];
    assert_eq!(names(&tree(&bench).await), expected);
    let moved = bench.get("Category.json?timeStamp=%3E,2024-05-17T09:30:02%2B00:00").await;
    // The ancestor, and all that stands later in the tree; not Bath.
    assert_eq!(ids(&moved.json, "Category", "categoryID"), [1, 2, 4, 5]);
    // Of siblings of one name the newest comes first.
    bench.call("POST", "Category.json", json!({ "name": "Bath" })).await;
    let order = bench.get("Category.json?sort=leftNode").await;
    assert_eq!(ids(&order.json, "Category", "categoryID")[..2], [6, 3]);
}

#[tokio::test]
async fn a_renaming_shows_its_place_after_the_answer_and_a_move_in_it() {
    let bench = Bench::new();
    let a = bench.sandbox.create_category("A", 0).expect("a category");
    let b = bench.sandbox.create_category("B", 0).expect("a category");
    let renamed = bench.put(&format!("Category/{a}.json"), json!({ "name": "C" })).await;
    let category = &renamed.json["Category"];
    assert_eq!((&category["fullPathName"], &category["leftNode"]), (&json!("C"), &json!("1")));
    assert_eq!(names(&tree(&bench).await), [("B", 1, 2), ("C", 3, 4)]);
    bench.sandbox.habits(|habits| habits.renamed_categories_move = false);
    bench.put(&format!("Category/{a}.json"), json!({ "name": "A" })).await;
    assert_eq!(names(&tree(&bench).await), [("B", 1, 2), ("A", 3, 4)]);
    let moved = bench.put(&format!("Category/{a}.json"), json!({ "parentID": b })).await;
    let category = &moved.json["Category"];
    assert_eq!((&category["fullPathName"], &category["nodeDepth"]), (&json!("B/A"), &json!("1")));
    assert_eq!((&category["leftNode"], &category["rightNode"]), (&json!("2"), &json!("3")));
}

#[tokio::test]
async fn names_and_parents_must_make_sense() {
    let bench = Bench::with_habits(|habits| habits.most_category_levels = Some(2));
    bench.sandbox.create_category("A", 0);
    bench.sandbox.create_category("B", 1);
    bench.sandbox.create_category("C", 0);
    for (method, path, body, status) in [
        ("POST", "Category.json", json!({ "name": "" }), 400),
        ("POST", "Category.json", json!({}), 400),
        ("POST", "Category.json", json!({ "name": "x", "parentID": 9 }), 400),
        ("POST", "Category.json", json!({ "name": "x", "parentID": 2 }), 400),
        ("PUT", "Category/1.json", json!({ "name": "" }), 400),
        ("PUT", "Category/1.json", json!({ "parentID": 1 }), 400),
        ("PUT", "Category/1.json", json!({ "parentID": 2 }), 400),
        ("PUT", "Category/1.json", json!({ "parentID": 3 }), 400),
        ("PUT", "Category/2.json", json!({ "parentID": 3, "name": "B" }), 200),
        ("PUT", "Category/9.json", json!({ "name": "x" }), 404),
    ] {
        let reply = bench.call(method, path, body.clone()).await;
        assert_eq!(reply.status.as_u16(), status, "{method} {path} {body}");
        if body == json!({ "name": "" }) {
            assert_eq!(reply.message(), "name cannot be blank.");
        }
    }
}

#[tokio::test]
async fn a_deletion_is_for_good_and_clears_the_items_in_silence() {
    let bench = Bench::new();
    let id = bench.item("a");
    for (name, parent) in [("A", 0), ("B", 1), ("C", 0)] {
        bench.sandbox.create_category(name, parent);
    }
    let filed = bench.put("Item/1.json?load_relations=[%22Category%22]", json!({ "categoryID": "2" })).await;
    assert_eq!(filed.json["Item"]["Category"]["fullPathName"], "A/B");
    assert_eq!(bench.put("Item/1.json", json!({ "categoryID": 9 })).await.status, StatusCode::BAD_REQUEST);
    let by_category = bench.get("Item.json?categoryID=2").await;
    assert_eq!(ids(&by_category.json, "Item", "itemID"), [id]);
    let related = bench.get("Item.json?load_relations=[%22Category%22]&Category.name=B").await;
    assert_eq!(ids(&related.json, "Item", "itemID"), [id]);
    let stamp = bench.sandbox.item(id).expect("an item").time_stamp;
    bench.wait(5);

    let parent = bench.call("DELETE", "Category/1.json", Value::Null).await;
    assert_eq!(parent.status, StatusCode::BAD_REQUEST);
    let gone = bench.call("DELETE", "Category/2.json", Value::Null).await;
    assert_eq!((gone.status, gone.header("x-ls-api-request-cost")), (StatusCode::OK, "10"));
    assert_eq!(gone.json["Category"]["fullPathName"], "A/B");
    assert_eq!(bench.get("Category/2.json").await.status, StatusCode::NOT_FOUND);
    assert_eq!(names(&tree(&bench).await), [("A", 1, 2), ("C", 3, 4)]);
    assert_eq!(bench.sandbox.raw_item(id).expect("an item")["categoryID"], "0");
    assert_eq!(bench.sandbox.item(id).expect("an item").time_stamp, stamp);

    bench.sandbox.habits(|habits| habits.deleted_category_moves_time_stamp = true);
    for (clears, left, moves) in [(true, "0", true), (false, "5", false)] {
        bench.sandbox.habits(|habits| habits.deleted_category_clears_items = clears);
        let category = bench.sandbox.create_category("D", 0).expect("a category");
        bench.sandbox.set_category(id, category);
        let stamp = bench.sandbox.item(id).expect("an item").time_stamp;
        bench.wait(5);
        assert!(bench.sandbox.delete_category(category));
        assert_eq!(bench.sandbox.item(id).expect("an item").time_stamp > stamp, moves);
        assert_eq!(bench.sandbox.raw_item(id).expect("an item")["categoryID"], left);
    }
}

#[tokio::test]
async fn the_merchant_works_on_the_tree_too() {
    let bench = Bench::new();
    let a = bench.sandbox.create_category("A", 0).expect("a category");
    let b = bench.sandbox.create_category("B", a).expect("a category");
    assert_eq!(bench.sandbox.create_category("", 0), None);
    bench.sandbox.rename_category(a, "Z");
    bench.sandbox.move_category(b, 0);
    assert_eq!(names(&tree(&bench).await), [("B", 1, 2), ("Z", 3, 4)]);
    bench.sandbox.move_category(a, a);
    assert!(bench.sandbox.delete_category(a) && !bench.sandbox.delete_category(a));
    assert_eq!(bench.sandbox.raw_category(b).expect("a category")["leftNode"], "1");
    assert_eq!(bench.sandbox.create_category("C", 0), Some(3), "a number is not used again");
}

#[tokio::test]
async fn writes_need_a_right_of_their_own() {
    let mut bench = Bench::new();
    for (scope, read, write) in [
        ("employee:inventory", 200, 403),
        ("employee:categories", 403, 200),
        ("employee:inventory_read employee:categories", 200, 200),
    ] {
        (bench.token, _) = bench.sandbox.issue_scoped_tokens(scope);
        assert_eq!(bench.get("Category.json").await.status.as_u16(), read, "{scope}");
        let made = bench.call("POST", "Category.json", json!({ "name": "A" })).await;
        assert_eq!(made.status.as_u16(), write, "{scope}");
    }
}
