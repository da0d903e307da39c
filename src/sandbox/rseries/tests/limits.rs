//! The bucket, the burst window, the cost table.

use super::*;

fn tight(bucket_size: f64, burst_limit: u32) -> Bench {
    Bench::with(Config { bucket_size, burst_limit, ..roomy() })
}

#[tokio::test]
async fn a_full_bucket_blocks_until_it_has_leaked() {
    let bench = tight(3.0, 1000);
    bench.item("a");
    for level in ["1/3", "2/3"] {
        assert_eq!(bench.get("Item.json").await.header("x-ls-api-bucket-level"), level);
    }
    // The one that overflows is still served.
    let over = bench.get("Item.json?count=1").await;
    assert_eq!((over.status, over.header("x-ls-api-request-cost")), (StatusCode::OK, "10"));
    assert_eq!(over.header("x-ls-api-bucket-level"), "12/3");
    let blocked = bench.put("Item/1.json", json!({ "description": "b" })).await;
    assert_eq!(blocked.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(blocked.header("retry-after"), "9");
    assert_eq!(blocked.header("x-ls-api-ratelimit-type"), "api-leaky-bucket");
    assert_eq!(blocked.header("x-ls-api-bucket-level"), "12/3");
    assert_eq!(bench.sandbox.item(1).expect("an item").description, "a");
    assert_eq!(bench.sandbox.write_calls(), 0);
    bench.wait(9);
    let early = bench.get("Item.json").await;
    assert_eq!((early.status, early.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    bench.wait(1);
    let served = bench.get("Item.json").await;
    assert_eq!((served.status, served.header("retry-after")), (StatusCode::OK, ""));
    assert_eq!(served.header("x-ls-api-ratelimit-type"), "");
}

#[tokio::test]
async fn a_burst_blocks_until_the_next_second() {
    let bench = tight(1000.0, 2);
    assert_eq!(bench.get("Item.json").await.header("x-ls-api-burst-level"), "1/2");
    assert_eq!(bench.get("Item.json").await.status, StatusCode::OK);
    let blocked = bench.get("Item.json").await;
    assert_eq!(blocked.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(blocked.header("x-ls-api-ratelimit-type"), "api-burst-limiter");
    assert_eq!(blocked.header("retry-after"), "1");
    bench.wait(1);
    assert_eq!(bench.get("Item.json").await.status, StatusCode::OK);
}

#[tokio::test]
async fn requests_cost_what_the_table_says() {
    let bench = Bench::new();
    bench.item("a");
    let rows = json!([{ "shopID": 1, "qoh": 1 }, { "shopID": 2, "qoh": 1 }]);
    let prices = json!([{ "useTypeID": 1, "amount": 1 }, { "useTypeID": 3, "amount": 1 }]);
    for (method, path, body, cost) in [
        ("GET", "Item/1.json", Value::Null, "1"),
        ("GET", "Item/1.json?load_relations=[%22ItemShops%22,%22Category%22]", Value::Null, "1.3"),
        ("GET", "Item.json?load_relations=[%22ItemShops%22,%22Images%22,%22Category%22]", Value::Null, "2"),
        ("GET", "Item/1.json?load_relations=[%22TagRelations.Tag%22]", Value::Null, "1.4"),
        ("GET", "Item.json?count=1", Value::Null, "10"),
        ("GET", "Item.json?or=customSku%3Da|customSku%3Db", Value::Null, "1"),
        ("GET", "Item.json?or=customSku%3Da|upc%3Db", Value::Null, "3"),
        ("GET", "Item.json?or=itemID%3D%3E,1|modelYear%3D%3E,1", Value::Null, "12"),
        ("PUT", "Item/1.json", json!({ "ItemShops": { "ItemShop": rows } }), "2"),
        ("PUT", "Item/1.json", json!({ "Prices": { "ItemPrice": prices } }), "2"),
        ("DELETE", "Item/1.json", Value::Null, "1"),
        ("GET", "Nothing.json", Value::Null, "1"),
    ] {
        let reply = bench.call(method, path, body).await;
        assert_eq!(reply.header("x-ls-api-request-cost"), cost, "{method} {path}");
    }
}

#[tokio::test]
async fn the_merchant_is_not_held_up() {
    let bench = tight(1.0, 1);
    bench.get("Item.json").await;
    assert_eq!(bench.get("Item.json").await.status, StatusCode::TOO_MANY_REQUESTS);
    let id = bench.item("a");
    bench.sandbox.sell(id, 1, 1);
    assert_eq!(bench.sandbox.calls().len(), 2);
}
