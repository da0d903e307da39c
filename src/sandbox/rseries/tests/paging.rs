//! Pages, sorting, filters.

use super::*;

/// Parameters, and the IDs they select.
type Case = (&'static [(&'static str, &'static str)], &'static [i64]);

/// Follows `next` to the end, at most 20 pages.
async fn walk(bench: &Bench, first: &str, resource: &str, key: &str) -> Vec<Vec<i64>> {
    let mut path = first.to_owned();
    let mut pages = Vec::new();
    for _ in 0..20 {
        let reply = bench.get(&path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text);
        pages.push(ids(&reply.json, resource, key));
        let next = reply.json["@attributes"]["next"].as_str().expect("next").to_owned();
        let Some(rest) = next.strip_prefix("http://127.0.0.1:4000/API/V3/Account/4711/") else {
            assert_eq!(next, "");
            return pages;
        };
        path = rest.to_owned();
    }
    panic!("the walk does not end: {pages:?}");
}

fn query(path: &str, parameters: &[(&str, &str)]) -> String {
    format!("{path}?{}", serde_urlencoded::to_string(parameters).expect("a query"))
}

#[tokio::test]
async fn a_walk_by_time_meets_every_row_once_though_many_share_a_second() {
    let bench = Bench::new();
    for number in 0..7 {
        bench.item(&format!("item {number}"));
        if number == 4 {
            bench.wait(3);
        }
    }
    bench.sandbox.rename(2, "moved to the end");
    let first = query(
        "Item.json",
        &[("limit", "2"), ("sort", "timeStamp"), ("timeStamp", ">=,2024-05-17T09:30:00+00:00")],
    );
    let pages = walk(&bench, &first, "Item", "itemID").await;
    assert_eq!(pages, [vec![1, 3], vec![4, 5], vec![2, 6], vec![7]]);
    let down = query("Item.json", &[("limit", "3"), ("sort", "-timeStamp")]);
    assert_eq!(walk(&bench, &down, "Item", "itemID").await, [vec![7, 6, 2], vec![5, 4, 3], vec![1]]);
}

#[tokio::test]
async fn neighbours_are_whole_addresses_with_cursors() {
    let bench = Bench::new();
    for name in ["a", "b", "c", "d"] {
        bench.item(name);
    }
    let reply = bench.get("Item.json?load_relations=%5B%22ItemShops%22%5D&limit=2").await;
    let next = "http://127.0.0.1:4000/API/V3/Account/4711/Item.json?sort=itemID&limit=2\
                &load_relations=%5B%22ItemShops%22%5D&after=WzJd";
    assert_eq!(reply.json["@attributes"], json!({ "next": next, "previous": "" }));
    assert!(reply.text.contains(r"http:\/\/127.0.0.1:4000\/API"));
    let last = bench.get("Item.json?limit=2&after=WzJd").await;
    assert_eq!(last.json["@attributes"]["next"], "");
    let previous = last.json["@attributes"]["previous"].as_str().expect("previous");
    assert!(previous.ends_with("Item.json?sort=itemID&limit=2&before=WzNd"), "{previous}");
    let back = bench.get("Item.json?limit=2&before=WzNd").await;
    assert_eq!(ids(&back.json, "Item", "itemID"), [1, 2]);
    assert_eq!(back.json["@attributes"]["previous"], "");
}

#[tokio::test]
async fn awkward_pages_are_switches() {
    let bench = Bench::with_habits(|habits| {
        habits.repeat_boundary_row = true;
        habits.next_after_full_last_page = true;
        habits.next_forgets_parameters = true;
    });
    for name in ["a", "b", "c", "d"] {
        bench.item(name);
    }
    let first = bench.get("Item.json?limit=2&archived=true").await;
    assert!(!first.json["@attributes"]["next"].as_str().expect("next").contains("archived"));
    let pages = walk(&bench, "Item.json?limit=2", "Item", "itemID").await;
    assert_eq!(pages, [vec![1, 2], vec![2, 3, 4], vec![4]]);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let bench = Bench::new();
    bench.item("a");
    for path in [
        "Item.json?limit=101",
        "Item.json?limit=x",
        "Item.json?sort=customSku",
        "Item.json?count=1&limit=5",
        "Item.json?after=nonsense",
        "Item.json?offset=100",
        "Item.json?archived=perhaps",
        "Item.json?ItemShops.qoh=1",
        "Item.json?itemCode=%3E%2C5",
        "Item.json?itemID=%3E%3C%2C5",
        "Item.json?timeStamp=%3E%3D%2Cyesterday",
        // `+` that is not encoded is a blank.
        "Item.json?timeStamp=%3E%3D%2C2024-05-17T09:30:00+00:00",
    ] {
        assert_eq!(bench.get(path).await.status, StatusCode::BAD_REQUEST, "{path}");
    }
    let refused = bench.get("Item.json?sort=customSku").await;
    assert!(refused.message().contains("itemID, timeStamp, description"), "{}", refused.text);
    let many = (1..=101).map(|id| id.to_string()).collect::<Vec<_>>().join(",");
    assert_eq!(bench.get(&format!("Item.json?itemID=IN,{many}")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(bench.get("Item.json?nonsense=1").await.status, StatusCode::OK);
    bench.sandbox.habits(|habits| habits.ignore_unknown_filters = false);
    assert_eq!(bench.get("Item.json?nonsense=1").await.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn filters_select() {
    let bench = Bench::new();
    for (description, sku, ean) in [
        ("Stoneware mug", "MUG-1", "4006381333931"),
        ("Mug, blue", "MUG-2", ""),
        ("Teapot", "POT_1", ""),
        ("Old teapot", "POTX1", ""),
    ] {
        bench.sandbox.create_item(NewItem {
            description: description.to_owned(),
            custom_sku: sku.to_owned(),
            ean: ean.to_owned(),
            ..NewItem::default()
        });
    }
    bench.sandbox.restock(2, 1, 5);
    bench.sandbox.restock(3, 2, 9);
    bench.sandbox.archive(4);
    let cases: &[Case] = &[
        (&[("customSku", "mug-1")], &[1]),
        (&[("customSku", "=,MUG-1")], &[1]),
        (&[("customSku", "!=,MUG-1")], &[2, 3]),
        (&[("description", "~,%mug%")], &[1, 2]),
        (&[("description", "~,mug")], &[]),
        (&[("description", "!~,%mug%")], &[3]),
        (&[("customSku", "~,POT_1"), ("archived", "true")], &[3, 4]),
        (&[("customSku", "~,POT\\_1"), ("archived", "true")], &[3]),
        (&[("ean", "!~,")], &[1]),
        (&[("itemID", "><,2,3")], &[2, 3]),
        (&[("itemID", "IN,[1,3]")], &[1, 3]),
        (&[("itemID", "IN,1,3")], &[1, 3]),
        (&[("itemID", ">,1"), ("itemID", "<,3")], &[1, 2]),
        (&[("itemCode", "4006381333931")], &[1]),
        (&[("itemCode", "IN,2,4006381333931")], &[1, 2]),
        (&[("archived", "only")], &[4]),
        (&[("archived", "true")], &[1, 2, 3, 4]),
        (&[("archived", "0")], &[1, 2, 3]),
        (&[("publishToEcom", "true"), ("itemID", "2")], &[2]),
        (&[("timeStamp", ">=,2024-05-17T09:30:02Z")], &[1, 2, 3]),
        (&[("timeStamp", ">,2024-05-17T05:30:02-0400")], &[]),
        (&[("load_relations", "[\"ItemShops\"]"), ("ItemShops.qoh", ">,4")], &[2, 3]),
        (&[("load_relations", "[\"ItemShops\"]"), ("ItemShops.qoh", ">,4"), ("ItemShops.shopID", "1")], &[2]),
    ];
    for (parameters, expected) in cases {
        let path = query("Item.json", parameters);
        let reply = bench.get(&path).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}: {}", reply.text);
        assert_eq!(ids(&reply.json, "Item", "itemID"), *expected, "{path}");
    }
    let or = bench.get("Item.json?or=customSku%3DMUG-1|description%3D~%2Ctea%25").await;
    assert_eq!(ids(&or.json, "Item", "itemID"), [1, 3]);
    // An encoded bar belongs to the value.
    let bar = bench.get("Item.json?or=customSku%3DMUG-1%7Cdescription%3Dx").await;
    assert_eq!(ids(&bar.json, "Item", "itemID"), Vec::<i64>::new());
    let count = bench.get("Item.json?count=1&archived=true").await;
    assert_eq!(count.text, r#"{"@attributes":{"count":"4"}}"#);
}
