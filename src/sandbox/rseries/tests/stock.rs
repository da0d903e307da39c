//! Stock: writes, the log, timestamps, archiving.

use super::*;

async fn write(bench: &Bench, id: i64, rows: Value) -> Reply {
    bench.put(&format!("Item/{id}.json"), json!({ "ItemShops": { "ItemShop": rows } })).await
}

#[tokio::test]
async fn a_write_is_absolute_and_tramples_a_sale_that_came_between() {
    let bench = Bench::new();
    let id = bench.item("a");
    bench.sandbox.sell(id, 1, 2);
    let reply = write(&bench, id, json!({ "shopID": 1, "qoh": 9 })).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    assert_eq!(reply.json["Item"]["ItemShops"]["ItemShop"][0]["qoh"], "9");
    assert_eq!(reply.json["Item"]["ItemShops"]["ItemShop"][2]["qoh"], "14");
    let log = bench.get("InventoryLog.json").await;
    let rows = log.json["InventoryLog"].as_array().expect("rows");
    let seen: Vec<(&str, &str)> = rows
        .iter()
        .map(|row| (row["qohChange"].as_str().unwrap_or(""), row["reason"].as_str().unwrap_or("")))
        .collect();
    let manual = "ManualQuantityAdjustment";
    assert_eq!(seen, [("10", manual), ("5", manual), ("-2", "Sale"), ("1", manual)]);
    assert_eq!((&rows[2]["saleID"], &rows[3]["saleID"]), (&json!("1"), &json!("0")));
    assert_eq!((&rows[2]["automated"], &rows[3]["automated"]), (&json!("true"), &json!("false")));
    let after = bench.get("InventoryLog.json?inventoryLogID=%3E%2C2&itemID=1").await;
    assert_eq!(ids(&after.json, "InventoryLog", "inventoryLogID"), [3, 4]);
}

#[tokio::test]
async fn rows_are_named_by_either_id_and_must_make_sense() {
    let bench = Bench::new();
    let (id, _other) = (bench.item("a"), bench.item("b"));
    assert_eq!(write(&bench, id, json!([{ "itemShopID": "2", "qoh": "7" }])).await.status, StatusCode::OK);
    assert_eq!(bench.sandbox.item(id).expect("an item").stock[&1], 7);
    let logged = bench.sandbox.inventory_log().len();
    for rows in [
        json!({ "qoh": 1 }),
        json!({ "shopID": 0, "qoh": 1 }),
        json!({ "itemShopID": 1, "qoh": 1 }),
        json!({ "itemShopID": 5, "qoh": 1 }),
        json!({ "itemShopID": 99, "qoh": 1 }),
        json!({ "shopID": 3, "qoh": 1 }),
        json!({ "itemShopID": 2, "shopID": 2, "qoh": 1 }),
        json!({ "shopID": 1, "qoh": "many" }),
        json!([{ "shopID": 2, "qoh": 1 }, { "shopID": 1, "qoh": 1 }, { "itemShopID": 2, "qoh": 2 }]),
    ] {
        let reply = write(&bench, id, rows.clone()).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{rows}");
    }
    assert_eq!(bench.sandbox.inventory_log().len(), logged, "a refused write does nothing at all");
}

#[tokio::test]
async fn a_write_that_changes_nothing_leaves_no_trace_unless_that_is_the_habit() {
    let bench = Bench::new();
    let id = bench.item("a");
    let logged = bench.sandbox.inventory_log().len();
    write(&bench, id, json!({ "shopID": 1, "qoh": 10 })).await;
    assert_eq!(bench.sandbox.inventory_log().len(), logged);
    bench.sandbox.habits(|habits| habits.log_zero_changes = true);
    write(&bench, id, json!({ "shopID": 1, "qoh": 10 })).await;
    assert_eq!(bench.sandbox.inventory_log().last().map(|row| row.change), Some(0));
}

#[tokio::test]
async fn stock_moves_the_rows_time_and_not_the_items() {
    let bench = Bench::new();
    let id = bench.item("a");
    let created = bench.sandbox.item(id).expect("an item").time_stamp;
    bench.wait(60);
    bench.sandbox.sell(id, 2, 1);
    let path = "ItemShop.json?sort=timeStamp&timeStamp=%3E%2C2024-05-17T09:30:02%2B00:00";
    let changed = bench.get(path).await;
    // The summary and the shop's row, not the other shop's.
    assert_eq!(ids(&changed.json, "ItemShop", "itemShopID"), [1, 3]);
    bench.wait(60);
    write(&bench, id, json!({ "shopID": 1, "qoh": 3 })).await;
    assert_eq!(bench.sandbox.item(id).expect("an item").time_stamp, created);
    bench.sandbox.habits(|habits| habits.stock_write_moves_item_time_stamp = true);
    write(&bench, id, json!({ "shopID": 1, "qoh": 4 })).await;
    assert!(bench.sandbox.item(id).expect("an item").time_stamp > created);
}

#[tokio::test]
async fn archiving_takes_the_stock_for_good() {
    let bench = Bench::new();
    let id = bench.item("a");
    bench.sandbox.sell(id, 2, 5);
    let path = format!("Item/{id}.json");
    let reply = bench.call("DELETE", &path, Value::Null).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(reply.json["Item"]["archived"], "true");
    assert!(reply.json["Item"].get("ItemShops").is_none());
    assert!(reply.json["Item"].get("Prices").is_some());
    let log = bench.sandbox.inventory_log();
    let removed: Vec<_> = log.iter().filter(|row| row.reason == "RemoveForArchiveItem").collect();
    assert_eq!(removed.iter().map(|row| (row.shop_id, row.change)).collect::<Vec<_>>(), [(1, -10)]);
    assert!(bench.get("Item.json").await.json.get("Item").is_none());
    assert_eq!(bench.get(&path).await.json["Item"]["archived"], "true");
    assert_eq!(write(&bench, id, json!({ "shopID": 1, "qoh": 4 })).await.status, StatusCode::BAD_REQUEST);
    let back = bench.put(&path, json!({ "archived": "false" })).await;
    assert_eq!(back.json["Item"]["archived"], "false");
    assert_eq!(back.json["Item"]["ItemShops"]["ItemShop"][2]["qoh"], "0");
    // Archiving is DELETE's.
    assert_eq!(bench.put(&path, json!({ "archived": true })).await.json["Item"]["archived"], "false");
}

#[tokio::test]
async fn only_reorder_values_are_written_to_a_row_itself() {
    let bench = Bench::new();
    let id = bench.item("a");
    let reply =
        bench.put("ItemShop/2.json", json!({ "qoh": 99, "reorderPoint": 3, "reorderLevel": "10" })).await;
    let row = &reply.json["ItemShop"];
    assert_eq!(
        (&row["qoh"], &row["reorderPoint"], &row["reorderLevel"]),
        (&json!("10"), &json!("3"), &json!("10"))
    );
    assert_eq!(bench.sandbox.item(id).expect("an item").stock[&1], 10);
}

#[tokio::test]
async fn a_row_that_is_missing_is_made_by_a_write_with_the_shop() {
    let bench = Bench::with_habits(|habits| habits.shop_rows_only_where_stocked = true);
    let id = bench.sandbox.create_item(NewItem { description: "a".to_owned(), ..NewItem::default() });
    let shop = bench.sandbox.open_shop("Airport");
    let reply = bench.get(&format!("Item/{id}.json?load_relations=%5B%22ItemShops%22%5D")).await;
    assert_eq!(reply.json["Item"]["ItemShops"]["ItemShop"]["shopID"], "0");
    assert_eq!(write(&bench, id, json!({ "shopID": shop, "qoh": 4 })).await.status, StatusCode::OK);
    assert_eq!(bench.sandbox.item(id).expect("an item").stock, [(1, 0), (2, 0), (3, 4)].into());
}
