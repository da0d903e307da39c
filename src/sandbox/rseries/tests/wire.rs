//! The shape of answers: strings, one-or-many, key order, envelopes, errors.

use super::*;

fn only_strings(value: &Value) -> bool {
    match value {
        Value::String(_) => true,
        Value::Array(rows) => rows.iter().all(only_strings),
        Value::Object(fields) => fields.values().all(only_strings),
        _ => false,
    }
}

#[tokio::test]
async fn every_scalar_is_a_string_and_keys_stand_in_their_order() {
    let bench = Bench::new();
    let id = bench.item("1/4\" stud & Söhne");
    let reply = bench.get(&format!("Item/{id}.json?load_relations=%5B%22ItemShops%22%5D")).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(only_strings(&reply.json), "{}", reply.text);
    let keys: Vec<&str> =
        reply.json["Item"].as_object().expect("an item").keys().map(String::as_str).collect();
    let expected = [
        "itemID",
        "systemSku",
        "defaultCost",
        "avgCost",
        "discountable",
        "tax",
        "archived",
        "itemType",
        "serialized",
        "description",
        "modelYear",
        "upc",
        "ean",
        "customSku",
        "manufacturerSku",
        "createTime",
        "timeStamp",
        "publishToEcom",
        "categoryID",
        "taxClassID",
        "departmentID",
        "itemMatrixID",
        "manufacturerID",
        "seasonID",
        "defaultVendorID",
        "ItemShops",
        "Prices",
    ];
    assert_eq!(keys, expected);
    assert!(reply.text.contains(r#""description":"1\/4\" stud & S\u00f6hne""#), "{}", reply.text);
    assert_eq!(reply.json["Item"]["createTime"], "2024-05-17T09:30:02+00:00");
    assert_eq!(reply.json["@attributes"], json!({ "count": "1" }));
    assert_eq!(
        reply.json["Item"]["Prices"]["ItemPrice"],
        json!([
            { "amount": "12.5", "useTypeID": "1", "useType": "Default" },
            { "amount": "0", "useTypeID": "2", "useType": "MSRP" },
            { "amount": "0", "useTypeID": "3", "useType": "Online" },
        ])
    );
}

#[tokio::test]
async fn a_collection_is_missing_then_an_object_then_an_array() {
    let bench = Bench::new();
    let none = bench.get("Item.json").await;
    assert_eq!(none.text, r#"{"@attributes":{"next":"","previous":""}}"#);
    bench.item("a");
    assert!(bench.get("Item.json").await.json["Item"].is_object());
    bench.item("b");
    assert_eq!(bench.get("Item.json").await.json["Item"].as_array().map(Vec::len), Some(2));
    bench.sandbox.habits(|habits| habits.empty_collection = super::super::EmptyCollection::EmptyObject);
    assert_eq!(bench.get("Item.json?customSku=nobody").await.text, "{}");
}

#[tokio::test]
async fn the_summary_row_has_the_lowest_id_and_stands_last() {
    let bench = Bench::new();
    let id = bench.item("a");
    let reply = bench.get(&format!("Item/{id}.json?load_relations=%5B%22ItemShops%22%5D")).await;
    let rows = reply.json["Item"]["ItemShops"]["ItemShop"].as_array().expect("rows").clone();
    let seen: Vec<(&str, &str, &str)> = rows
        .iter()
        .map(|row| {
            let text = |key: &str| row[key].as_str().expect("a string");
            (text("itemShopID"), text("shopID"), text("qoh"))
        })
        .collect();
    assert_eq!(seen, [("2", "1", "10"), ("3", "2", "5"), ("1", "0", "15")]);
    assert!(rows[0].get("averageCost").is_none());
    let own = bench.get("ItemShop/1.json").await;
    assert_eq!(own.json["ItemShop"]["averageCost"], "0");
}

#[tokio::test]
async fn errors_have_their_shapes() {
    let bench = Bench::new();
    let missing = bench.get("Item/99.json").await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
    assert_eq!(
        missing.json,
        json!({
            "httpCode": "404", "httpMessage": "Not Found",
            "message": "Object of type 'Item' not found with primary ID '99'.", "errorClass": "Exception",
        })
    );
    assert_eq!(missing.header("content-type"), "text/html; charset=UTF-8");
    assert_eq!(bench.get("item.json").await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.get("Item/x.json").await.status, StatusCode::NOT_FOUND);
    assert_eq!(bench.get("InventoryLog/1.json").await.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(
        bench.call("DELETE", "ItemShop/1.json", Value::Null).await.status,
        StatusCode::METHOD_NOT_ALLOWED
    );

    let nobody = bench.send("GET", "/API/V3/Account/4711/Item.json", &[], &Value::Null).await;
    assert_eq!(
        (nobody.status, nobody.json["error"].as_str()),
        (StatusCode::UNAUTHORIZED, Some("access_denied"))
    );
    assert_eq!(nobody.header("x-ls-api-bucket-level"), "5/1000000000");
    let bearer = format!("Bearer {}", bench.token);
    let bearer = ("authorization", bearer.as_str());
    let other = bench.send("GET", "/API/V3/Account/1/Item.json", &[bearer], &Value::Null).await;
    assert_eq!(other.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn accept_wins_over_the_suffix_and_xml_is_the_default() {
    let bench = Bench::new();
    let bearer = format!("Bearer {}", bench.token);
    for (path, accept, status) in [
        ("Item.json", "*/*", 200),
        ("Item.json", "application/xml", 406),
        ("Item", "application/json", 200),
        ("Item", "*/*", 406),
    ] {
        let path = format!("/API/V3/Account/4711/{path}");
        let headers = [("authorization", bearer.as_str()), ("accept", accept)];
        let reply = bench.send("GET", &path, &headers, &Value::Null).await;
        assert_eq!(reply.status.as_u16(), status, "{path} {accept}");
    }
}

#[tokio::test]
async fn accounts_shops_and_levels_are_there() {
    let bench = Bench::new();
    let bearer = format!("Bearer {}", bench.token);
    let headers = [("authorization", bearer.as_str())];
    let accounts = bench.send("GET", "/API/V3/Account.json", &headers, &Value::Null).await;
    assert_eq!(accounts.json["Account"]["accountID"], "4711");
    assert!(accounts.text.contains(r#""href":"\/API\/V3\/Account\/4711""#));
    let account = bench.send("GET", "/API/V3/Account/4711.json", &headers, &Value::Null).await;
    assert_eq!(account.json["@attributes"]["systemCustomerID"], "4711");
    assert_eq!(account.json["name"], "Sandbox");
    let session = bench.send("GET", "/API/Session.json", &headers, &Value::Null).await;
    assert_eq!(session.json["systemCustomerID"], "4711");
    assert_eq!(bench.get("Shop.json").await.json["Shop"][1]["name"], "Harbour");
    // Filters on it have no effect.
    let levels = bench.get("PriceLevel.json?priceLevelID=1").await;
    assert_eq!(ids(&levels.json, "PriceLevel", "priceLevelID"), [1, 2, 3]);
    bench.put("PriceLevel/3.json", json!({ "name": "My Online Store" })).await;
    let renamed = bench.get("PriceLevel/3.json").await;
    assert_eq!(renamed.json["PriceLevel"]["name"], "My Online Store");
    assert_eq!(renamed.json["PriceLevel"]["canBeArchived"], "false");
}

#[tokio::test]
async fn relations_that_are_not_allowed_are_refused() {
    let bench = Bench::new();
    bench.item("a");
    let refused = bench.get("Item.json?load_relations=%5B%22Nonsense%22%5D").await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert_eq!(refused.message(), "Tried to load one or more relations that are not allowed: Nonsense");
    let all = bench.get("Item.json?load_relations=all").await;
    assert_eq!(all.json["Item"]["TaxClass"]["name"], "Item");
    // No related record, no key.
    assert!(all.json["Item"].get("Category").is_none());
}

#[tokio::test]
async fn scopes_are_heeded() {
    let mut bench = Bench::new();
    let id = bench.item("a");
    (bench.token, _) = bench.sandbox.issue_scoped_tokens("employee:inventory_read");
    assert_eq!(bench.get("Item.json").await.status, StatusCode::OK);
    let write = bench.put(&format!("Item/{id}.json"), json!({ "description": "b" })).await;
    assert_eq!(write.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.get("InventoryLog.json").await.status, StatusCode::FORBIDDEN);
    assert_eq!(bench.sandbox.write_calls(), 0);
}
