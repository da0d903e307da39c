//! Options and variations: their rules, their prices and their stock.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::Stage;
use crate::sandbox::eseries::Habits;

pub(super) fn shirt() -> Value {
    json!({
        "name": "Shirt", "sku": "S", "price": 20, "quantity": 7,
        "options": [
            {"type": "SELECT", "name": "Size", "defaultChoice": 0, "required": true, "choices": [
                {"text": "S"}, {"text": "M", "priceModifier": 3}, {"text": "L", "priceModifier": 10, "priceModifierType": "PERCENT"},
            ]},
            {"type": "RADIO", "name": "Colour", "choices": [
                {"text": "red"}, {"text": "blue", "priceModifier": -10.0, "priceModifierType": "PERCENT"},
            ]},
        ],
    })
}

pub(super) fn of(size: &str, colour: &str) -> Value {
    json!([{"name": "Size", "value": size}, {"name": "Colour", "value": colour}])
}

fn code(answer: &(u16, Value)) -> (u16, &str) {
    (answer.0, answer.1["errorCode"].as_str().unwrap_or_default())
}

/// A stage with a shirt on it, and the path of its variations.
pub(super) fn with_shirt() -> (Stage, i64, String) {
    let stage = Stage::new();
    let id = stage.sandbox.create_product(shirt());
    (stage, id, format!("/products/{id}/combinations"))
}

pub(super) async fn add(stage: &Stage, path: &str, fields: Value) -> i64 {
    let (status, body) = stage.call("POST", path, fields).await;
    assert_eq!(status, 200, "{body}");
    body["id"].as_i64().unwrap()
}

#[tokio::test]
async fn options_are_put_in_order_and_wrong_ones_are_refused() {
    let stage = Stage::new();
    let make = async |options: Value| {
        let (status, body) = stage.call("POST", "/products", json!({"name": "a", "options": options})).await;
        let Some(id) = body["id"].as_i64() else { return (status, body) };
        (status, stage.get(&format!("/products/{id}")).await.1["options"].clone())
    };
    let choice = |text: &str| {
        json!({
            "text": text, "textTranslated": {"en": text}, "priceModifier": 0, "priceModifierType": "ABSOLUTE",
        })
    };
    let taken = [
        // What is left out is filled in, and the order stays.
        (
            json!({"type": "SIZE", "name": "Size", "choices": [{"text": "b"}, {"text": "a"}], "id": 4}),
            json!({
                "type": "SIZE", "name": "Size", "nameTranslated": {"en": "Size"},
                "choices": [choice("b"), choice("a")], "defaultChoice": null, "required": false,
            }),
        ),
        // A checkbox has no default.
        (
            json!({"type": "CHECKBOX", "name": "Gift", "choices": [{"text": "a"}], "defaultChoice": 0}),
            json!({
                "type": "CHECKBOX", "name": "Gift", "nameTranslated": {"en": "Gift"}, "choices": [choice("a")],
                "required": false,
            }),
        ),
        // A text has no choices; the name may come as a translation alone.
        (
            json!({"type": "TEXTFIELD", "nameTranslated": {"en": "Engraving"}, "choices": [{"text": "a"}], "required": true}),
            json!({
                "type": "TEXTFIELD", "name": "Engraving", "nameTranslated": {"en": "Engraving"}, "required": true,
            }),
        ),
    ];
    for (sent, read) in taken {
        assert_eq!(make(json!([sent])).await, (200, json!([read])));
    }
    let refused = [
        json!("Size"),
        json!([{"type": "SELECT"}]),
        json!([{"name": "Size"}]),
        json!([{"type": "LIST", "name": "Size"}]),
        json!([{"type": "SELECT", "name": " "}]),
        json!([{"type": "DATE", "name": "a"}, {"type": "DATE", "name": "a"}]),
        json!([{"type": "SELECT", "name": "a", "choices": [{"text": "b"}, {"text": "b"}]}]),
        json!([{"type": "SELECT", "name": "a", "choices": [{"priceModifier": 1}]}]),
        json!([{"type": "SELECT", "name": "a", "choices": [{"text": "b", "priceModifier": "1"}]}]),
        json!([{"type": "SELECT", "name": "a", "choices": [{"text": "b", "priceModifierType": "X"}]}]),
        json!([{"type": "SELECT", "name": "a", "choices": [{"text": "b"}], "defaultChoice": 1}]),
    ];
    for options in refused {
        assert_eq!(code(&make(options.clone()).await), (400, "WRONG_PARAMETER"), "{options}");
    }
    let foreign = json!([{"type": "DATE", "name": "a", "nameTranslated": {"de": "b"}}]);
    assert_eq!(code(&make(foreign).await), (400, "LANGUAGES_NOT_ALLOWED"));
}

#[tokio::test]
async fn percentages_are_of_the_base_and_an_own_price_beats_them() {
    let (stage, id, path) = with_shirt();
    // Base 20: 20 % off the base, not off the running sum (section 4.3).
    for (size, colour, price) in [("S", "red", json!(20)), ("M", "blue", json!(21)), ("L", "blue", json!(20))]
    {
        let variation = add(&stage, &path, json!({"options": of(size, colour)})).await;
        let (_, read) = stage.get(&format!("{path}/{variation}")).await;
        assert_eq!((&read["defaultDisplayedPrice"], read.get("price")), (&price, None), "{size} {colour}");
    }
    let own = add(&stage, &path, json!({"options": of("M", "red"), "price": 9.5})).await;
    let (_, read) = stage.get(&format!("{path}/{own}")).await;
    assert_eq!((&read["defaultDisplayedPrice"], &read["price"]), (&json!(9.5), &json!(9.5)));

    // The default is S without a colour, which no variation stands for; then one does.
    let product = || stage.sandbox.product(id).unwrap().json;
    assert_eq!(
        (&product()["defaultDisplayedPrice"], &product()["defaultCombinationId"]),
        (&json!(20), &json!(0))
    );
    let size = json!([{"name": "Size", "value": "S"}]);
    let default = add(&stage, &path, json!({"options": size, "price": 15})).await;
    assert_eq!(product()["defaultCombinationId"], default);
    assert_eq!((&product()["defaultDisplayedPrice"], &product()["price"]), (&json!(15), &json!(20)));
    assert!(stage.sandbox.reprice_variation(id, default, None));
    assert_eq!(product()["defaultDisplayedPrice"], 20);

    // Doubles, with their noise.
    stage.sandbox.edit_product(id, json!({"price": 29.9}));
    assert!(stage.sandbox.reprice_choice(id, "Size", "M", Decimal::new(-500, 2), false));
    let shown = |habits: fn(&mut Habits)| {
        stage.sandbox.habits(habits);
        stage.sandbox.variations(id)[1]["defaultDisplayedPrice"].to_string()
    };
    let noisy = shown(|habits| habits.derived_prices_have_noise = true);
    assert_eq!(shown(|habits| habits.derived_prices_have_noise = false), "21.91");
    assert_eq!(noisy, "21.909999999999997");
}

#[tokio::test]
async fn a_variation_without_a_sku_has_the_stock_of_the_product() {
    let (stage, id, path) = with_shirt();
    let one = add(&stage, &path, json!({"options": of("S", "red")})).await;
    let read = stage.sandbox.variation(id, one).unwrap();
    assert_eq!((&read["quantity"], &read["unlimited"], read.get("sku")), (&json!(7), &json!(false), None));
    let at = format!("{path}/{one}");
    for (method, path, body) in [
        ("PUT", at.clone(), json!({"quantity": 3})),
        ("PUT", at.clone(), json!({"unlimited": true})),
        ("PUT", format!("{at}/inventory"), json!({"quantityDelta": 1})),
        ("POST", path.clone(), json!({"options": of("M", "red"), "quantity": 3})),
    ] {
        let (status, body) = stage.call(method, &path, body).await;
        assert_eq!(status, 400);
        assert!(
            body["errorMessage"].as_str().unwrap().contains("SKU of the combination is not set"),
            "{body}"
        );
    }
    // What it shows may be sent back.
    assert_eq!(stage.call("PUT", &at, json!({"quantity": 7, "unlimited": false})).await.0, 200);
    assert!(stage.sandbox.sell_variation(id, one, 2), "customers buy it all the same");
    assert_eq!(stage.sandbox.product(id).unwrap().quantity, Some(5));

    // Under the product's SKU it is the product's stock too, and may not differ.
    assert_eq!(stage.call("PUT", &at, json!({"sku": "S"})).await.0, 200);
    let refused = stage.call("PUT", &at, json!({"quantity": 3})).await;
    assert_eq!(code(&refused), (400, "DIFFERENT_COMBINATION_STOCK"));
    let sizes = json!({"length": 1, "width": 1, "height": 1});
    let refused = stage.call("PUT", &at, json!({"dimensions": sizes})).await;
    assert_eq!(code(&refused), (400, "DIFFERENT_COMBINATION_DIMENSIONS"));
    stage.call("PUT", &format!("{at}/inventory"), json!({"quantityDelta": 1})).await;
    assert_eq!(stage.sandbox.product(id).unwrap().quantity, Some(6));
    stage.sandbox.set_sku(id, "S-new");
    stage.sandbox.sell(id, 1);
    assert_eq!(stage.sandbox.variation(id, one).unwrap()["quantity"], 6, "they part with their SKUs");

    // With its own it has a counter of its own: unlimited until told otherwise, or the product's.
    let two = add(&stage, &path, json!({"options": of("M", "red"), "sku": "S-M"})).await;
    assert_eq!(stage.sandbox.variation(id, two).unwrap().get("quantity"), None);
    let at = format!("{path}/{two}");
    stage.call("PUT", &at, json!({"quantity": 2})).await;
    let (_, answer) = stage.call("PUT", &format!("{at}/inventory"), json!({"quantityDelta": -5})).await;
    assert_eq!(answer, json!({"updateCount": 1, "warning": "Product has negative stock."}));
    assert_eq!(stage.sandbox.variation(id, two).unwrap()["quantity"], -3);
    assert_eq!(stage.sandbox.product(id).unwrap().quantity, Some(5), "no sum of theirs");
    for clear in [json!(null), json!("")] {
        stage.sandbox.edit_variation(id, two, json!({"sku": "S-M"})).unwrap();
        stage.call("PUT", &at, json!({"sku": clear})).await;
        let read = stage.sandbox.variation(id, two).unwrap();
        assert_eq!((read.get("sku"), &read["quantity"]), (None, &json!(5)));
    }
    stage.sandbox.habits(|habits| habits.given_sku_copies_stock = true);
    assert!(stage.sandbox.set_variation_sku(id, two, "S-M"));
    assert_eq!(stage.sandbox.variation(id, two).unwrap()["quantity"], 5);

    // `inStock` of the product is anybody's.
    stage.sandbox.edit_product(id, json!({"quantity": 0}));
    stage.sandbox.edit_variation(id, one, json!({"quantity": 0})).unwrap();
    assert_eq!(stage.sandbox.product(id).unwrap().json["inStock"], true);
    assert!(stage.sandbox.sell_variation(id, two, 5));
    assert_eq!(stage.sandbox.product(id).unwrap().json["inStock"], false);
}

#[tokio::test]
async fn skus_option_sets_and_external_ids_are_unique() {
    let (stage, id, path) = with_shirt();
    let other = stage.sandbox.create_product(json!({"name": "Cup", "sku": "C", "externalReferenceId": "p"}));
    let one = json!({"options": of("S", "red"), "sku": "S-1", "externalReferenceId": "v"});
    let first = add(&stage, &path, one).await;
    let turned = json!([{"name": "Colour", "value": "red"}, {"name": "Size", "value": "S"}]);
    for (fields, refusal) in [
        (json!({"options": turned}), (409, "COMBINATION_DUPLICATED")),
        (json!({"options": of("M", "red"), "sku": "C"}), (409, "SKU_ALREADY_EXISTS")),
        (json!({"options": of("M", "red"), "sku": " S-1 "}), (409, "SKU_ALREADY_EXISTS")),
        (json!({"options": of("M", "red"), "externalReferenceId": "p"}), (409, "EXTERNAL_ID_ALREADY_USED")),
        (json!({"options": of("M", "red"), "externalReferenceId": "v"}), (409, "EXTERNAL_ID_ALREADY_USED")),
        (json!({"sku": "x"}), (400, "WRONG_PARAMETER")),
        (json!({"options": []}), (400, "WRONG_PARAMETER")),
        (json!({"options": [{"name": "Size"}]}), (400, "WRONG_PARAMETER")),
        (
            json!({"options": of("M", "red"), "locationInventory": {}}),
            (409, "NOT_ALLOWED_TO_UPDATE_PARAMETER"),
        ),
    ] {
        let before = stage.sandbox.product_record(id);
        assert_eq!(code(&stage.call("POST", &path, fields.clone()).await), refusal, "{fields}");
        assert_eq!(
            stage.sandbox.product_record(id),
            before,
            "a refused create leaves nothing behind: {fields}"
        );
    }
    let product = |fields: Value| stage.call("PUT", "/products/555002", fields);
    assert_eq!(other, 555_002);
    assert_eq!(code(&product(json!({"sku": "S-1"})).await), (409, "SKU_ALREADY_EXISTS"));
    assert_eq!(code(&product(json!({"externalReferenceId": "v"})).await), (409, "EXTERNAL_ID_ALREADY_USED"));
    let second = add(&stage, &path, json!({"options": of("M", "red")})).await;
    let refused = stage.call("PUT", &format!("{path}/{second}"), json!({"options": of("S", "red")})).await;
    assert_eq!(code(&refused), (409, "COMBINATION_DUPLICATED"));
    let same = json!({"sku": "S-1", "options": of("S", "red"), "externalReferenceId": "v"});
    assert_eq!(stage.call("PUT", &format!("{path}/{first}"), same).await.0, 200, "its own are not taken");

    stage.wait(5);
    assert_eq!(stage.ids("sku=S-1").await, [id], "a variation's SKU finds the product");
    assert_eq!(stage.ids("externalReferenceId=v").await, [id]);
    stage.sandbox.habits(|habits| habits.sku_may_repeat = true);
    assert_eq!(product(json!({"sku": "S-1"})).await.0, 200);
    stage.wait(5);
    assert_eq!(stage.ids("sku=S-1&sortBy=ADDED_TIME_ASC").await, [id, other]);
}

#[tokio::test]
async fn a_create_makes_options_that_are_lacking_and_an_update_does_not() {
    let (stage, id, path) = with_shirt();
    let options = json!([{"name": "Size", "value": "XL"}, {"name": "Fit", "value": "slim"}]);
    let one = add(&stage, &path, json!({"options": options})).await;
    let product = stage.sandbox.product(id).unwrap().json;
    assert_eq!(
        (&product["options"][0]["choices"][3]["text"], &product["options"][0]["type"]),
        (&json!("XL"), &json!("SELECT"))
    );
    assert_eq!(
        (&product["options"][2]["name"], &product["options"][2]["type"]),
        (&json!("Fit"), &json!("SELECT"))
    );
    let at = format!("{path}/{one}");
    let wider = json!({"options": [{"name": "Size", "value": "XXL"}]});
    assert_eq!(stage.call("PUT", &at, wider.clone()).await.0, 400);
    stage.sandbox.habits(|habits| habits.variation_updates_add_options = true);
    assert_eq!(stage.call("PUT", &at, wider).await.0, 200);
    let mut options = stage.sandbox.product(id).unwrap().json["options"].clone();
    options[1]["type"] = json!("CHECKBOX");
    assert_eq!(stage.call("PUT", &format!("/products/{id}"), json!({"options": options})).await.0, 200);
    let refused = stage.call("POST", &path, json!({"options": of("S", "red")})).await;
    assert_eq!(code(&refused), (400, "WRONG_PARAMETER"), "none can be built from a checkbox");
    stage.sandbox.habits(|habits| habits.plan_has_variations = false);
    let refused = stage.call("POST", &path, json!({"options": [{"name": "Size", "value": "S"}]})).await;
    assert_eq!(code(&refused), (402, "NOT_AVAILABLE_ON_CURRENT_PLAN"));
    let features = stage.get("/profile").await.1["account"]["availableFeatures"].clone();
    assert!(!features.as_array().unwrap().contains(&json!("COMBINATIONS")));
}

#[tokio::test]
async fn options_in_use_are_not_dropped_unless_that_is_asked_for() {
    let (stage, id, path) = with_shirt();
    let kept = add(&stage, &path, json!({"options": [{"name": "Size", "value": "S"}]})).await;
    add(&stage, &path, json!({"options": of("M", "red")})).await;
    let put = async |query: &str, options: Value| {
        stage.call("PUT", &format!("/products/{id}{query}"), json!({"options": options})).await
    };
    let all = shirt()["options"].clone();
    let sizes = |texts: &[&str]| {
        let choices: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
        json!([{"type": "SELECT", "name": "Size", "choices": choices}, all[1]])
    };
    let renamed = json!([all[0], {"type": "RADIO", "name": "Color", "choices": all[1]["choices"]}]);
    let of_kind =
        |kind: &str| json!([all[0], {"type": kind, "name": "Colour", "choices": all[1]["choices"]}]);
    assert_eq!(put("", of_kind("SWATCHES")).await.0, 200);
    stage.sandbox.habits(|habits| habits.swatches_vary = false);
    for (options, refusal) in [
        (of_kind("SWATCHES"), "COMBINATION_CONTAINS_REMOVED_OPTION"),
        (of_kind("CHECKBOX"), "COMBINATION_CONTAINS_REMOVED_OPTION"),
        (json!([all[0]]), "COMBINATION_CONTAINS_REMOVED_OPTION"),
        (json!([]), "COMBINATION_CONTAINS_REMOVED_OPTION"),
        (renamed, "COMBINATION_CONTAINS_REMOVED_OPTION"),
        (sizes(&["S", "L"]), "COMBINATION_CONTAINS_REMOVED_OPTION_VALUE"),
    ] {
        assert_eq!(code(&put("", options).await), (409, refusal));
    }
    assert_eq!(put("", sizes(&["S", "M", "XL"])).await.0, 200, "what nobody uses may go");
    assert_eq!(stage.sandbox.variations(id).len(), 2);
    stage.sandbox.habits(|habits| habits.unfit_variations_are_deleted = true);
    assert_eq!(put("", sizes(&["S", "L"])).await.0, 200);
    let left = stage.sandbox.variations(id);
    assert_eq!((left.len(), &left[0]["id"]), (1, &json!(kept)));
    stage.sandbox.habits(|habits| habits.unfit_variations_are_deleted = false);

    let rebuild = "?rebuildVariationsOnOptionsUpdate=true";
    assert_eq!(put(rebuild, json!([sizes(&["M"])[0], all[1]])).await.0, 200);
    let sets: Vec<Value> =
        stage.sandbox.variations(id).iter().map(|it| it["options"][1]["value"].clone()).collect();
    assert_eq!(sets, [json!("red"), json!("blue")], "the misfit is gone, the missing are there");
    let many: Vec<String> = (0..101).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let refused = put(rebuild, sizes(&many)).await;
    assert_eq!(code(&refused), (400, "COMBINATION_LIMIT_PER_REQUEST_EXCEEDED"));
}

#[tokio::test]
async fn variations_in_the_body_of_a_product_are_saved_where_that_is_asked_for() {
    let stage = Stage::new();
    let mut body = shirt();
    body["combinations"] = json!([
        {"options": of("S", "red"), "sku": "A", "quantity": 1}, {"options": of("XL", "red"), "sku": "B"},
    ]);
    let id = add(&stage, "/products", body.clone()).await;
    assert!(stage.sandbox.variations(id).is_empty(), "ignored without saveCombinations");
    stage.sandbox.delete_product(id);
    let id = add(&stage, "/products?saveCombinations=true", body).await;
    let read = stage
        .get(&format!("/products/{id}/combinations?responseFields=id,combinationNumber,sku,quantity"))
        .await
        .1;
    let first = read[0]["id"].as_i64().unwrap();
    assert_eq!(
        read,
        json!([
            {"id": first, "combinationNumber": 1, "sku": "A", "quantity": 1},
            {"id": first + 1, "combinationNumber": 2, "sku": "B"},
        ])
    );
    assert_eq!(stage.sandbox.product(id).unwrap().json["combinations"][0]["sku"], "A");
    let put = async |list: Value| {
        stage
            .call("PUT", &format!("/products/{id}?saveCombinations=true"), json!({"combinations": list}))
            .await
    };
    // SKUs may change places, what is not named goes.
    let swapped = json!([{"id": first, "sku": "B"}, {"options": of("XL", "red"), "sku": "A"}]);
    assert_eq!(put(swapped).await.0, 200);
    let skus = |all: &[Value]| {
        all.iter().map(|it| (it["id"].as_i64().unwrap(), it["sku"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(skus(&stage.sandbox.variations(id)), [(first, json!("B")), (first + 1, json!("A"))]);
    assert_eq!(put(json!([{"id": first + 1}])).await.0, 200);
    assert_eq!(skus(&stage.sandbox.variations(id)), [(first + 1, json!("A"))]);
    stage.sandbox.habits(|habits| habits.saved_combinations_merge = true);
    assert_eq!(put(json!([{"options": of("S", "red")}])).await.0, 200);
    assert_eq!(stage.sandbox.variations(id).len(), 2);

    let options = json!({"options": [shirt()["options"][0]], "combinations": [{"options": of("S", "red")}]});
    let refused = stage.call("PUT", &format!("/products/{id}?saveCombinations=true"), options).await;
    assert_eq!(code(&refused), (409, "COMBINATION_CONTAINS_REMOVED_OPTION"));
    let many = |count: usize| -> Value {
        (0..count).map(|it| json!({"options": [{"name": "n", "value": it.to_string()}]})).collect()
    };
    assert_eq!(code(&put(many(201)).await), (400, "COMBINATION_LIMIT_PER_REQUEST_EXCEEDED"));
    assert_eq!(put(many(200)).await.0, 200);
    assert_eq!(
        add(
            &stage,
            &format!("/products/{id}/combinations"),
            json!({"options": [{"name": "n", "value": "x"}]})
        )
        .await,
        first + 203
    );
}

#[tokio::test]
async fn the_calls_of_a_variation_answer_as_the_others_do() {
    let (stage, id, path) = with_shirt();
    let one =
        add(&stage, &path, json!({"options": of("S", "red"), "sku": "S-1", "alt": {"main": "x"}})).await;
    let two = add(&stage, &path, json!({"options": of("M", "red")})).await;
    let (_, read) = stage.get(&format!("{path}/{two}")).await;
    assert_eq!(
        read["options"][0],
        json!({"name": "Size", "nameTranslated": {"en": "Size"}, "value": "M", "valueTranslated": {"en": "M"}})
    );
    let unknown = format!("{path}/5");
    for (method, path, body) in [
        ("GET", &unknown, Value::Null),
        ("PUT", &unknown, json!({})),
        ("DELETE", &unknown, Value::Null),
        ("PUT", &format!("{unknown}/inventory"), json!({"quantityDelta": 1})),
    ] {
        assert_eq!(code(&stage.call(method, path, body).await), (404, "COMBINATION_NOT_FOUND"));
    }
    assert_eq!(code(&stage.get("/products/5/combinations").await), (404, "PRODUCT_NOT_FOUND"));
    assert_eq!(code(&stage.call("PATCH", &path, json!({})).await), (405, "METHOD_NOT_ALLOWED"));
    let before = stage.sandbox.product(id).unwrap().json["updateTimestamp"].as_i64().unwrap();
    stage.wait(10);
    let batch = json!([
        {"path": format!("{path}/{one}"), "method": "PUT", "body": {"price": 5}},
        {"path": path, "method": "POST", "body": {"options": of("L", "red")}},
        {"path": format!("{path}/{two}"), "method": "DELETE"},
    ]);
    let (_, ticket) = stage.call("POST", "/batch", batch).await;
    let (_, report) = stage.get(&format!("/batch?ticket={}", ticket["ticket"].as_str().unwrap())).await;
    let bodies: Vec<&Value> =
        report["responses"].as_array().unwrap().iter().map(|it| &it["httpBody"]).collect();
    assert_eq!(bodies, [&json!({"updateCount": 1}), &json!({"id": two + 1}), &json!({"deleteCount": 1})]);
    let after = stage.sandbox.product(id).unwrap().json["updateTimestamp"].as_i64().unwrap();
    assert_eq!(after - before, 10, "a variation's writes are the product's");
    assert_eq!(stage.call("DELETE", &path, Value::Null).await, (200, json!({"deleteCount": 2})));
    assert_eq!(stage.sandbox.product(id).unwrap().json["options"].as_array().unwrap().len(), 2);
    let three = add(&stage, &path, json!({"options": of("S", "red")})).await;
    assert_eq!(
        stage.sandbox.variation(id, three).unwrap()["combinationNumber"],
        4,
        "numbers are not used again"
    );
}
