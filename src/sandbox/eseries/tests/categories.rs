//! Categories: the tree, what is hidden, which products are in them, and those from the POS.

use serde_json::{Value, json};

use super::Stage;

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["errorCode"].as_str().unwrap_or_default())
}

async fn listed(stage: &Stage, query: &str) -> Vec<i64> {
    let (status, body) = stage.get(&format!("/categories?{query}")).await;
    assert_eq!(status, 200, "{body}");
    body["items"].as_array().unwrap().iter().map(|it| it["id"].as_i64().unwrap()).collect()
}

/// What was told since the last time: kinds and ids.
async fn told(stage: &Stage) -> Vec<(String, i64)> {
    let kind_and_id =
        |body: &Value| (body["eventType"].as_str().unwrap().to_owned(), body["entityId"].as_i64().unwrap());
    let sent = stage.sandbox.outbox().deliver_due().await;
    sent.iter()
        .filter(|it| it.earlier_attempts == 0)
        .map(|it| kind_and_id(&serde_json::from_slice(&it.body).unwrap()))
        .collect()
}

#[tokio::test]
async fn a_category_is_made_read_changed_and_deleted() {
    let stage = Stage::new();
    let (_, made) = stage
        .call("POST", "/categories", json!({"name": "Kitchen <b>", "id": 5, "origin": "X-SERIES"}))
        .await;
    let root = made["id"].as_i64().unwrap();
    let fields = json!({
        "name": "Cups", "parentId": root, "enabled": false, "description": "<p>d</p>", "externalReferenceId": "7",
    });
    let (_, made) = stage.call("POST", "/categories", fields).await;
    let child = made["id"].as_i64().unwrap();
    let (_, read) = stage.get(&format!("/categories/{root}")).await;
    assert_eq!(
        (&read["origin"], &read["enabled"], &read["orderBy"], read.get("parentId"), &read["productIds"]),
        (&json!("ECWID"), &json!(true), &json!(10), None, &json!([]))
    );
    assert_eq!(read["nameTranslated"], json!({"en": "Kitchen <b>"}));
    let path = format!("/categories/{child}");
    let (_, read) = stage.get(&path).await;
    assert_eq!(
        (&read["parentId"], &read["enabled"], &read["externalReferenceId"], &read["description"]),
        (&json!(root), &json!(false), &json!("7"), &json!("<p>d</p>"))
    );
    let cut = stage.get(&format!("{path}?responseFields=id,name")).await.1;
    assert_eq!(cut, json!({"id": child, "name": "Cups"}));

    assert_eq!(stage.call("PUT", &path, json!({"name": "Mugs"})).await, (200, json!({"updateCount": 1})));
    let changed = stage.sandbox.category(child).unwrap();
    assert_eq!(
        (&changed["name"], &changed["description"], &changed["enabled"]),
        (&json!("Mugs"), &json!("<p>d</p>"), &json!(false))
    );
    stage.call("PUT", &path, json!({"parentId": 0})).await;
    assert_eq!(stage.sandbox.category(child).unwrap().get("parentId"), None, "0 makes it a root");
    for (method, path, fields, refusal) in [
        ("POST", "/categories", json!({}), (400, "")),
        ("POST", "/categories", json!({"name": " "}), (400, "")),
        ("POST", "/categories", json!({"name": "n".repeat(256)}), (409, "")),
        ("POST", "/categories", json!({"name": "a", "parentId": 5}), (404, "CATEGORIES_NOT_FOUND")),
        ("POST", "/categories", json!({"name": "a", "productIds": [5]}), (404, "PRODUCT_NOT_FOUND")),
        (
            "POST",
            "/categories",
            json!({"name": "a", "externalReferenceId": "7"}),
            (409, "EXTERNAL_ID_ALREADY_USED"),
        ),
        (
            "POST",
            "/products",
            json!({"name": "a", "externalReferenceId": "7"}),
            (409, "EXTERNAL_ID_ALREADY_USED"),
        ),
        ("PUT", path.as_str(), json!({"name": ""}), (400, "")),
        ("PUT", path.as_str(), json!({"parentId": child}), (400, "WRONG_PARAMETER")),
        ("GET", "/categories/5", Value::Null, (404, "CATEGORIES_NOT_FOUND")),
        ("DELETE", "/categories/5", Value::Null, (404, "CATEGORIES_NOT_FOUND")),
        ("POST", path.as_str(), json!({}), (405, "METHOD_NOT_ALLOWED")),
    ] {
        assert_eq!(
            code(&stage.call(method, path, fields.clone()).await),
            refusal,
            "{method} {path} {fields}"
        );
    }
    assert_eq!(stage.call("DELETE", &path, Value::Null).await, (200, json!({"deleteCount": 1})));
    assert_eq!(stage.get(&path).await.1["errorMessage"], format!("Category #{child} not found"));
    let (_, stats) = stage.get("/latest-stats?categoryCountRequired=true").await;
    assert_eq!(stats["categoryCount"], 1);

    stage.sandbox.habits(|habits| habits.category_limit = Some(1));
    assert_eq!(stage.call("POST", "/categories", json!({"name": "a"})).await.0, 402);
    stage.sandbox.habits(|habits| habits.import_running = true);
    assert_eq!(stage.call("PUT", &format!("/categories/{root}"), json!({})).await.0, 449);
}

#[tokio::test]
async fn the_list_shows_new_ones_at_once_and_disabled_ones_when_asked() {
    let stage = Stage::with_lag();
    let shop = &stage.sandbox;
    let root = shop.create_category(json!({"name": "Kitchen"}));
    let hidden = shop.create_category(json!({"name": "Cups", "parentId": root, "enabled": false}));
    let below = shop.create_category(json!({"name": "Mugs", "parentId": hidden}));
    let other = shop.create_category(json!({"name": "Garden"}));
    let cases = [
        ("", vec![root, other]),
        ("hidden_categories=true", vec![root, other, hidden, below]),
        ("hidden_categories=true&parent=0", vec![root, other]),
        (&format!("hidden_categories=true&parent={root}"), vec![hidden]),
        (&format!("hidden_categories=true&parent={root}&withSubcategories=true"), vec![hidden, below]),
        (&format!("hidden_categories=true&parentIds=0,{hidden}"), vec![root, other, below]),
        (&format!("categoryIds={other},{hidden}"), vec![other]),
        ("keyword=gard", vec![other]),
    ];
    for (query, ids) in cases {
        assert_eq!(listed(&stage, query).await, ids, "{query}");
    }
    let (_, page) = stage.get("/categories?limit=1&offset=1&responseFields=total,count,items(id)").await;
    assert_eq!(page, json!({"total": 2, "count": 1, "items": [{"id": other}]}));

    assert!(shop.edit_category(other, json!({"orderBy": 5})).is_ok());
    assert_eq!(listed(&stage, "").await, [other, root]);
    let sort = "/categories/sort?parentCategory=0";
    assert_eq!(stage.get(sort).await.1, json!({"sortedIds": [other, root]}));
    assert_eq!(stage.call("PUT", sort, json!({"sortedIds": [root, other]})).await.0, 200);
    assert_eq!(listed(&stage, "").await, [root, other]);
    assert_eq!(stage.call("PUT", sort, json!({"sortedIds": [below]})).await.0, 400, "not of this parent");

    assert!(shop.enable_category(hidden, true));
    assert_eq!(listed(&stage, "").await, [root, other, hidden, below]);
    let (_, page) = stage.get("/categoriesByPath?path=Kitchen|Cups&delimiter=|").await;
    assert_eq!((&page["total"], &page["items"][0]["id"]), (&json!(1), &json!(hidden)));
    assert_eq!(stage.get("/categoriesByPath?path=Cups").await.1["total"], 0);
}

#[tokio::test]
async fn products_are_assigned_from_both_sides_and_both_are_told_of() {
    let stage = Stage::new();
    let shop = &stage.sandbox;
    let (one, two) =
        (shop.create_category(json!({"name": "one"})), shop.create_category(json!({"name": "two"})));
    let cup =
        shop.create_product(json!({"name": "Cup", "categoryIds": [one, one], "defaultCategoryId": one}));
    let mug = shop.create_product(json!({"name": "Mug"}));
    shop.set_webhook_url(Some("http://127.0.0.1:1/".into()));
    let products = |id: i64| shop.category(id).unwrap()["productIds"].clone();
    let record = shop.product(cup).unwrap().json;
    assert_eq!((&record["categoryIds"], &record["defaultCategoryId"]), (&json!([one]), &json!(one)));
    assert_eq!(
        record["categories"],
        json!([{"id": one, "enabled": true, "name": "one", "nameTranslated": {"en": "one"}, "ancestorIds": []}])
    );
    let category = |id: i64| ("category.updated".to_owned(), id);
    let product = |id: i64| ("product.updated".to_owned(), id);

    // From the product: what is sent replaces.
    let path = format!("/products/{cup}");
    assert_eq!(stage.call("PUT", &path, json!({"categoryIds": [two]})).await.0, 200);
    assert_eq!((products(one), products(two)), (json!([]), json!([cup])));
    assert_eq!(
        shop.product(cup).unwrap().json["defaultCategoryId"],
        0,
        "a category it is not in is no default"
    );
    assert_eq!(told(&stage).await, [product(cup), category(one), category(two)]);
    shop.habits(|habits| habits.assignments_fire_both = false);
    stage.call("PUT", &path, json!({"categoryIds": [one, two]})).await;
    assert_eq!(told(&stage).await, [product(cup)]);

    // From the category: what is sent replaces, too.
    let at = format!("/categories/{two}");
    assert_eq!(stage.call("PUT", &at, json!({"productIds": [mug]})).await.0, 200);
    assert_eq!(
        (products(two), shop.product(cup).unwrap().json["categoryIds"].clone()),
        (json!([mug]), json!([one]))
    );
    assert_eq!(told(&stage).await, [category(two), product(mug), product(cup)]);
    let assign = format!("{at}/assignProducts");
    assert_eq!(
        stage.call("POST", &assign, json!({"productIds": [cup, mug]})).await,
        (200, json!({"updateCount": 1}))
    );
    assert_eq!(products(two), json!([cup, mug]));
    assert_eq!(told(&stage).await, [category(two), product(cup)]);
    let unassign = format!("{at}/unassignProducts");
    assert_eq!(
        stage.call("POST", &unassign, json!({"productIds": [cup, mug]})).await,
        (200, json!({"deleteCount": 1}))
    );
    assert_eq!(
        stage.call("POST", &unassign, json!({"productIds": [cup]})).await.1,
        json!({"deleteCount": 0})
    );
    assert_eq!(shop.product(mug).unwrap().json["showOnFrontpage"], 1, "left without a category");
    for (path, body, refusal) in [
        (&assign, json!({"productIds": [5]}), (404, "PRODUCT_NOT_FOUND")),
        (&assign, json!({}), (400, "WRONG_PARAMETER")),
        (&assign, json!({"productIds": (0..2001).collect::<Vec<i64>>()}), (400, "WRONG_PARAMETER")),
    ] {
        assert_eq!(code(&stage.call("POST", path, body).await), refusal);
    }
    for fields in [json!({"categoryIds": [one, 5]}), json!({"defaultCategoryId": 5})] {
        assert_eq!(code(&stage.call("PUT", &path, fields).await), (404, "CATEGORIES_NOT_FOUND"));
    }
    let many: Vec<i64> = (0..101).collect();
    let refused = stage.call("PUT", &path, json!({"categoryIds": many})).await;
    assert_eq!(code(&refused), (402, "MAX_CATEGORIES_FOR_API_REQUEST_LIMIT_EXCEEDED"));
}

#[tokio::test]
async fn products_are_found_by_their_category() {
    let stage = Stage::new();
    let shop = &stage.sandbox;
    let root = shop.create_category(json!({"name": "Kitchen"}));
    let child = shop.create_category(json!({"name": "Cups", "parentId": root}));
    let cup = shop.create_product(json!({"name": "Cup", "categoryIds": [child]}));
    let pan = shop.create_product(json!({"name": "Pan", "categoryIds": [root]}));
    let none = shop.create_product(json!({"name": "Tent"}));
    stage.wait(5);
    for (query, ids) in [
        (format!("category={root}"), vec![pan]),
        (format!("category={root}&includeProductsFromSubcategories=true"), vec![cup, pan]),
        (format!("categories={root},{child}"), vec![cup, pan]),
        ("category=0".to_owned(), vec![none]),
    ] {
        assert_eq!(stage.ids(&format!("{query}&sortBy=ADDED_TIME_ASC")).await, ids, "{query}");
    }
    // The counts lag by minutes.
    let counts = || {
        let it = shop.category(root).unwrap();
        [&it["productCount"], &it["productCountWithoutSubcategories"], &it["enabledProductCount"]]
            .map(|it| it.as_i64().unwrap())
    };
    assert_eq!(counts(), [2, 1, 1]);
    shop.enable(pan, false);
    shop.delete_product(cup);
    assert_eq!(counts(), [2, 1, 1]);
    stage.wait(180);
    assert_eq!(counts(), [1, 1, 0]);
}

#[tokio::test]
async fn categories_from_the_pos_keep_their_products_and_stay() {
    let stage = Stage::new();
    let shop = &stage.sandbox;
    let cup = shop.create_product(json!({"name": "Cup"}));
    let mug = shop.create_product(json!({"name": "Mug"}));
    let own = shop.create_category(json!({"name": "own"}));
    let pos = json!({"name": "pos", "parentId": own, "productIds": [cup]});
    let pos = shop.try_create_category(pos, Some("LIGHTSPEED")).unwrap();
    let refusal = (409, "NOT_ALLOWED_TO_UPDATE_EXTERNAL_CATEGORIES");
    let at = format!("/categories/{pos}");
    for (method, path, body) in [
        ("DELETE", at.clone(), Value::Null),
        ("DELETE", format!("/categories/{own}"), Value::Null),
        ("PUT", at.clone(), json!({"productIds": [mug]})),
        ("POST", format!("{at}/assignProducts"), json!({"productIds": [mug]})),
        ("POST", format!("{at}/unassignProducts"), json!({"productIds": [cup]})),
        ("PUT", format!("/products/{cup}"), json!({"categoryIds": []})),
        ("PUT", format!("/products/{mug}"), json!({"categoryIds": [pos]})),
        ("POST", "/products".to_owned(), json!({"name": "a", "categoryIds": [pos]})),
    ] {
        let before = (shop.products(), shop.categories());
        assert_eq!(code(&stage.call(method, &path, body.clone()).await), refusal, "{method} {path} {body}");
        assert_eq!((shop.products(), shop.categories()), before);
    }
    for (path, body) in [
        (at.clone(), json!({"name": "renamed", "productIds": [cup]})),
        (format!("/products/{cup}"), json!({"categoryIds": [own, pos]})),
    ] {
        assert_eq!(stage.call("PUT", &path, body).await.0, 200);
    }
    assert_eq!(
        stage.call("PUT", &format!("/categories/{own}"), json!({"externalReferenceId": "9"})).await.0,
        200
    );
    assert_eq!(shop.category(own).unwrap()["origin"], "ECWID");
    shop.habits(|habits| habits.category_reference_makes_it_external = true);
    assert_eq!(
        stage.call("PUT", &format!("/categories/{own}"), json!({"externalReferenceId": "9"})).await.0,
        200
    );
    assert_eq!(shop.category(own).unwrap()["origin"], "LIGHTSPEED");
}

#[tokio::test]
async fn deleting_takes_the_children_along_and_leaves_the_products() {
    for cascades in [true, false] {
        let stage = Stage::new();
        let shop = &stage.sandbox;
        shop.habits(|habits| habits.category_deletes_cascade = cascades);
        let root = shop.create_category(json!({"name": "root"}));
        let middle = shop.create_category(json!({"name": "middle", "parentId": root}));
        let leaf = shop.create_category(json!({"name": "leaf", "parentId": middle}));
        let cup = shop.create_product(json!({"name": "Cup", "categoryIds": [middle, leaf]}));
        shop.set_webhook_url(Some("http://127.0.0.1:1/".into()));
        assert!(!shop.move_category(middle, Some(leaf)), "not below itself");
        assert_eq!(stage.call("DELETE", &format!("/categories/{middle}"), Value::Null).await.0, 200);
        let deleted: Vec<i64> = told(&stage)
            .await
            .into_iter()
            .filter(|(kind, _)| kind == "category.deleted")
            .map(|(_, id)| id)
            .collect();
        let left = shop.product(cup).unwrap().json["categoryIds"].clone();
        if cascades {
            assert_eq!((deleted, left), (vec![middle, leaf], json!([])));
            assert_eq!(shop.category(leaf), None);
        } else {
            assert_eq!((deleted, left), (vec![middle], json!([leaf])));
            assert_eq!(shop.category(leaf).unwrap()["parentId"], root);
        }
    }
}

#[tokio::test]
async fn somebody_who_edits_a_category_elsewhere_is_waited_for() {
    let stage = Stage::new();
    let id = stage.sandbox.create_category(json!({"name": "a"}));
    let other = stage.sandbox.create_category(json!({"name": "b"}));
    let cup = stage.sandbox.create_product(json!({"name": "Cup"}));
    stage.sandbox.edit_category_elsewhere(id, 3);
    let at = format!("/categories/{id}");
    assert_eq!(stage.call("PUT", &at, json!({"name": "c"})).await.0, 409);
    assert_eq!(
        stage.call("POST", &format!("{at}/assignProducts"), json!({"productIds": [cup]})).await.0,
        409
    );
    assert_eq!(stage.call("PUT", &format!("/categories/{other}"), json!({"name": "c"})).await.0, 200);
    assert_eq!(stage.get(&at).await.1["name"], "a");
    assert!(stage.sandbox.rename_category(id, "d"), "it is the merchant who has it open");
    let picture = stage.request("POST", &format!("{at}/image")).header("content-type", "image/png");
    assert_eq!(stage.send(picture.body(axum::body::Body::from("x")).unwrap()).await.0, 409);
    assert_eq!(stage.call("PUT", &at, json!({"name": "e"})).await.0, 200);
}

#[tokio::test]
async fn our_own_writes_to_categories_are_told_of_as_the_merchants() {
    let stage = Stage::new();
    stage.sandbox.set_webhook_url(Some("http://127.0.0.1:1/".into()));
    let (_, made) = stage.call("POST", "/categories", json!({"name": "a"})).await;
    let id = made["id"].as_i64().unwrap();
    let at = format!("/categories/{id}");
    stage.call("PUT", &at, json!({"name": "a"})).await;
    stage.sandbox.rename_category(id, "b");
    stage.sandbox.habits(|habits| habits.noop_puts_fire = false);
    assert_eq!(stage.call("PUT", &at, json!({"name": "b"})).await.1, json!({"updateCount": 0}));
    stage.call("DELETE", &at, Value::Null).await;
    let kinds: Vec<String> = told(&stage).await.into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["category.created", "category.updated", "category.updated", "category.deleted"]);
    stage.wait(60);
    stage.sandbox.create_category(json!({"name": "c"}));
    let (_, stats) = stage.get("/latest-stats").await;
    assert_eq!(stats["categoriesUpdated"], "2026-01-05 09:13:44 +0000");
    assert_eq!(stats["productsUpdated"], stats["categoriesUpdated"], "categories move it as well");
}
