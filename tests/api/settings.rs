//! Settings: versioned, kept with their history, and looked ahead at.

use concord::sandbox::faults::{Aim, Fault};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Answer, Api};
use crate::support::TOKEN;

impl Api {
    async fn patch(&self, if_match: Option<&str>, body: Value) -> Answer {
        let mut headers = vec![
            ("authorization", format!("Bearer {TOKEN}")),
            ("content-type", "application/json".to_owned()),
        ];
        headers.extend(if_match.map(|tag| ("if-match", tag.to_owned())));
        self.send_raw("PATCH", &self.at(""), &headers, body.to_string()).await
    }

    async fn preview(&self, settings: Value) -> Value {
        let body = json!({ "settings": settings });
        self.send("POST", &self.at("/settings/preview"), Some(body)).await.expect(200)
    }
}

#[tokio::test]
async fn a_change_under_an_old_etag_is_refused() {
    let api = Api::with_a_mug().await;
    let read = api.send("GET", &api.at(""), None).await;
    assert_eq!((read.header("etag"), &read.json["generation"]), ("\"1\"", &json!(1)));
    let changed = api.patch(Some("\"1\""), json!({"name": "Mine"})).await;
    assert_eq!(
        (changed.header("etag"), &changed.json["generation"]),
        ("\"2\"", &json!(2)),
        "{}",
        changed.text
    );
    let late = api.patch(Some("\"1\""), json!({"name": "Theirs"})).await;
    assert_eq!(late.json["type"], "/problems/changed", "{}", late.text);
    late.expect(412);
    assert_eq!(api.get("").await["name"], "Mine");
    for (tag, status) in [("\"0\", \"2\"", 200), ("*", 200), ("2", 412), ("W/\"3\"", 412), ("", 412)] {
        let answer = api.patch(Some(tag), json!({"name": format!("by {tag}")})).await;
        assert_eq!(answer.status, status, "{tag}: {}", answer.text);
    }
    // What changes nothing is no new generation.
    let now = api.get("").await;
    assert_eq!(api.patch(None, json!({"name": now["name"]})).await.json, now);
    assert_eq!(api.send("GET", "/v1/connections", None).await.expect(200)["items"][0], now);
}

#[tokio::test]
async fn every_change_is_kept_and_stands_in_the_ledger() {
    let api = Api::with_a_mug().await;
    let (_, key) = api.key("Anna", &["operate"]).await;
    let settings = json!({"fields": {"price": {"way": "r_to_e"}}, "sweep_seconds": 15});
    let body = json!({"settings": settings, "plan": "business"});
    api.send_as(&key, "PATCH", &api.at(""), Some(body)).await.expect(200);
    api.world.clock.advance(std::time::Duration::from_millis(1));
    api.send("PATCH", &api.at(""), Some(json!({"name": "New"}))).await.expect(200);
    let history = api.get("/settings/history").await["items"].as_array().unwrap().clone();
    assert_eq!(history.len(), 2);
    let first = &history[1];
    assert_eq!((&first["generation"], &first["changed_by"]), (&json!(2), &json!("Anna")), "{first}");
    assert_eq!(first["before"]["plan"], "unlimited");
    assert_eq!(
        (
            &first["after"]["plan"],
            &first["after"]["settings"]["fields"],
            &first["after"]["settings"]["sweep_seconds"]
        ),
        (&json!("business"), &settings["fields"], &json!(15)),
        "{first}"
    );
    assert_eq!((&history[0]["before"], &history[0]["after"]["name"]), (&first["after"], &json!("New")));
    let page = api.get("/settings/history?limit=1").await;
    let next = api.get(&format!("/settings/history?limit=1&cursor={}", page["next"].as_str().unwrap())).await;
    assert_eq!((&next["items"][0], &next["next"]), (first, &json!(null)));

    let told = api.get("/ledger?origin=operator").await["items"].as_array().unwrap().clone();
    assert_eq!(told.len(), 2, "{told:?}");
    let entry = &told[1];
    assert_eq!(
        (&entry["kind"], &entry["before"], &entry["after"]),
        (&json!("operator"), &first["before"], &first["after"])
    );
    assert!(entry["cause"].as_str().unwrap().contains("Anna"), "{entry}");
    for (method, path) in [("GET", "/settings/history"), ("POST", "/settings/preview")] {
        api.check_guarded(method, &api.at(path)).await;
        let body = (method == "POST").then(|| json!({"settings": {}}));
        for id in [Uuid::nil().to_string(), "nonsense".into()] {
            api.send(method, &format!("/v1/connections/{id}{path}"), body.clone()).await.expect(404);
        }
    }
    api.check_paging(&api.at("/settings/history")).await;
    for wrong in [14, 86_401] {
        api.patch(None, json!({"settings": {"sweep_seconds": wrong}})).await.expect(422);
    }
}

/// The polls of a connection go by its own pause.
#[tokio::test]
async fn a_connection_is_polled_as_often_as_it_says() {
    let mut api = Api::with_a_mug().await;
    api.patch(None, json!({"settings": {"sweep_seconds": 600}})).await.expect(200);
    api.world.sweep().await;
    let swept = api.get("/status").await["swept_at"].clone();
    api.world.sweep().await;
    assert_eq!(api.get("/status").await["swept_at"], swept, "it was polled after a minute");
    api.world.clock.advance(std::time::Duration::from_secs(600));
    api.world.settle().await;
    assert_ne!(api.get("/status").await["swept_at"], swept);
    api.secrets.clear();
}

#[tokio::test]
async fn a_preview_tells_what_other_settings_would_mean_and_changes_nothing() {
    let api = Api::with_a_mug().await;
    let item = api.world.stage.r.items()[0].item_id;
    let web = api.world.product_of(item).unwrap().id;
    let ask = json!({"fields": {"name": {"rule": "ask"}, "sku": {"way": "off"}}});
    api.patch(None, json!({ "settings": ask })).await.expect(200);
    // A question about the name, and SKUs that a setting leaves apart.
    api.world.stage.r.rename(item, "Shop's");
    api.world.stage.e.rename(web, "Web's");
    api.world.settle().await;
    assert_eq!(api.get("/status").await["conflicts_open"], 1);
    let before = (api.world.ledger().await, api.get("").await);
    api.world.clear_calls();

    let same = api.preview(ask.clone()).await;
    assert_eq!(
        (&same["items"], &same["counts"], &same["products"]),
        (&json!([]), &json!({}), &json!(1)),
        "{same}"
    );
    let decided = api.preview(json!({"fields": {"name": {"rule": "e_wins"}, "sku": {"way": "off"}}})).await;
    assert_eq!(decided["counts"], json!({"name": {"carried": 1}}), "{decided}");
    let value = &decided["items"][0];
    assert_eq!(
        (&value["r_series"], &value["e_series"], &value["writes"], &value["effect"]),
        (&json!("Shop's"), &json!("Web's"), &json!("r_series"), &json!("carried")),
        "{value}"
    );
    let anew = api.preview(json!({"fields": {"name": {"rule": "ask"}}, "sku_source": "system_sku"})).await;
    assert_eq!(anew["counts"], json!({"sku": {"read_anew": 1}}), "{anew}");
    let body = json!({"settings": ask, "plan": "venture"});
    let plan = api.send("POST", &api.at("/settings/preview"), Some(body)).await.expect(200);
    assert_eq!(
        (&plan["plan_now"]["pieces_limit"], &plan["plan_then"]["pieces_limit"]),
        (&json!(70_000), &json!(100))
    );

    assert_eq!((api.world.ledger().await, api.get("").await), before, "a preview changed something");
    assert_eq!(api.world.writes(), 0);
    // And what it foresaw comes true.
    let e_wins = json!({"fields": {"name": {"rule": "e_wins"}, "sku": {"way": "off"}}});
    api.patch(None, json!({ "settings": e_wins })).await.expect(200);
    let product = value["product_id"].as_str().unwrap();
    api.send("POST", &api.at(&format!("/products/{product}/sync")), None).await.expect(202);
    api.world.settle().await;
    assert_eq!(api.world.pair(item).0.description, "Web's");

    let good = json!({"settings": {}});
    api.check_body("POST", &api.at("/settings/preview"), &good).await;
    for wrong in [
        json!({"settings": {"surprise": 1}}),
        json!({"settings": {"full_look_hours": 9999}}),
        json!({"settings": {}, "plan": "huge"}),
    ] {
        api.send("POST", &api.at("/settings/preview"), Some(wrong)).await.expect(422);
    }
}

/// Two people at the same moment, neither of whom says which state is meant: the second is told.
#[tokio::test]
async fn of_two_changes_at_the_same_moment_one_is_told() {
    let api = Api::with_a_mug().await;
    let mut told = 0;
    for round in 0..30 {
        let [one, two] =
            ["one", "two"].map(|name| api.patch(None, json!({"name": format!("{name} {round}")})));
        let (one, two) = tokio::join!(one, two);
        for answer in [one, two] {
            assert!([200, 409].contains(&answer.status), "{}", answer.text);
            told += usize::from(answer.status == 409);
        }
        if told > 0 {
            return;
        }
    }
    panic!("no two changes ever met");
}

#[tokio::test]
async fn shops_are_those_of_the_account_and_asked_for_only_if_they_are_named() {
    let api = Api::with_a_mug().await;
    let r = &api.world.stage.r;
    assert_eq!(r.open_shop("Harbour"), 2);
    r.open_shop("Closed");
    r.archive_shop(3);
    api.world.clear_calls();
    api.patch(None, json!({"name": "Mine", "plan": "business", "settings": {}})).await.expect(200);
    assert!(r.calls().is_empty(), "nobody had to be asked");

    for (body, word) in [
        (json!({"shop_ids": ["1", "7"]}), "no open shop 7"),
        (json!({"shop_ids": ["1", "3"]}), "no open shop 3; the account has 1, 2"),
        (json!({"primary_shop_id": "2"}), "must be one of shop_ids"),
        (json!({"shop_ids": ["2"]}), "shop 1 is the primary shop"),
        (json!({"shop_ids": ["1"], "primary_shop_id": "2"}), "must be one of shop_ids"),
    ] {
        let answer = api.patch(None, body).await;
        assert_eq!((answer.status, &answer.json["side"]), (422, &json!("r_series")), "{}", answer.text);
        assert!(answer.json["detail"].as_str().unwrap().contains(word), "{}", answer.text);
    }
    for wrong in [json!({"shop_ids": ["a"]}), json!({"shop_ids": "1"}), json!({"primary_shop_id": -1})] {
        api.patch(None, wrong).await.expect(422);
    }
    let busy = || Fault::Status { status: 503, retry_after: None };
    (0..10).for_each(|_| r.faults().next(Aim::Any, busy()));
    let answer = api.patch(None, json!({"shop_ids": ["1", "2"]})).await;
    assert_eq!((answer.status, &answer.json["type"]), (503, &json!("/problems/platform")), "{}", answer.text);
    assert!(!answer.header("retry-after").is_empty());
    r.faults().heal();
    api.world.clock.advance(std::time::Duration::from_secs(60));
    let before = api.get("").await;
    assert_eq!((&before["r_series"]["shop_ids"], &before["generation"]), (&json!(["1"]), &json!(2)));

    let changed = api.patch(Some("\"2\""), json!({"shop_ids": [2, "1"], "primary_shop_id": 2})).await;
    let shops = &changed.json["r_series"];
    assert_eq!(
        (changed.status, &shops["shop_ids"], &shops["primary_shop_id"]),
        (200, &json!(["1", "2"]), &json!("2")),
        "{}",
        changed.text
    );
    let history = api.get("/settings/history").await;
    let newest = &history["items"][0];
    assert_eq!(
        (&newest["generation"], &newest["before"]["shop_ids"]),
        (&json!(3), &json!(["1"])),
        "{newest}"
    );
    assert_eq!(newest["after"]["primary_shop_id"], "2");
}

/// Other shops are looked ahead at by what each of them had, and what is foreseen comes true.
#[tokio::test]
async fn a_preview_tells_what_other_shops_would_mean() {
    let api = Api::with_a_mug().await;
    let r = &api.world.stage.r;
    let id = r.items()[0].item_id;
    assert_eq!(r.open_shop("Harbour"), 2);
    r.restock(id, 2, 7);
    api.world.sweep().await;
    let (one, web) = (api.world.pair(id).0.stock[&1], api.world.pair(id).1.quantity.unwrap());
    assert_eq!(one, web, "the second shop does not take part yet");
    let ask = |shops: Value, primary: Option<&str>| json!({"settings": {}, "shop_ids": shops, "primary_shop_id": primary});
    let at = api.at("/settings/preview");
    let before = (api.world.ledger().await, api.get("").await);
    api.world.clear_calls();

    let same = api.send("POST", &at, Some(ask(json!(["1"]), None))).await.expect(200);
    assert_eq!(same["counts"], json!({}), "{same}");
    for (shops, primary, sum) in [(json!([]), None, one + 7), (json!(["2"]), Some("2"), 7)] {
        let then = api.send("POST", &at, Some(ask(shops, primary))).await.expect(200);
        assert_eq!(then["counts"], json!({"stock": {"carried": 1}}), "{then}");
        let value = &then["items"][0];
        assert_eq!(
            (&value["r_series"], &value["e_series"], &value["writes"]),
            (&json!(sum), &json!(web), &json!("e_series")),
            "{value}"
        );
    }
    for (shops, primary, word) in
        [(json!(["7"]), None, "no open shop 7"), (json!(["2"]), None, "shop 1 is the primary shop")]
    {
        let refused = api.send("POST", &at, Some(ask(shops, primary))).await.expect(422);
        assert!(refused["detail"].as_str().unwrap().contains(word), "{refused}");
    }
    let busy = || Fault::Status { status: 503, retry_after: None };
    (0..10).for_each(|_| r.faults().next(Aim::Any, busy()));
    let answer = api.send("POST", &at, Some(ask(json!([]), None))).await;
    assert_eq!(answer.json["type"], "/problems/platform", "{}", answer.text);
    answer.expect(503);
    r.faults().heal();
    api.world.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!((api.world.ledger().await, api.get("").await), before, "a preview changed something");
    assert_eq!(api.world.writes(), 0);
    assert_eq!(api.world.stage.e.calls(), Vec::new(), "E-Series is not asked");

    let body = json!({"shop_ids": ["2"], "primary_shop_id": "2"});
    api.send("PATCH", &api.at(""), Some(body)).await.expect(200);
    api.world.settle().await;
    assert_eq!(api.world.pair(id).1.quantity, Some(7), "what was foreseen came true");
}
