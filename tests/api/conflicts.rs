//! Conflicts: listed, and resolved by a choice.

use concord::sandbox::faults::{Aim, Fault};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;

/// Both sides rename the mug.
async fn clash(rule: Option<&str>) -> (Api, i64, i64) {
    let api = Api::with_a_mug().await;
    if let Some(rule) = rule {
        let settings = json!({"settings": {"fields": {"name": {"rule": rule}}}});
        api.send("PATCH", &api.at(""), Some(settings)).await.expect(200);
    }
    let id = api.world.stage.r.items()[0].item_id;
    let web = api.world.product_of(id).unwrap().id;
    api.world.stage.r.rename(id, "Shop");
    api.world.stage.e.rename(web, "Web");
    api.world.settle().await;
    (api, id, web)
}

impl Api {
    async fn choose(&self, conflict: &Value, side: &str) -> super::Answer {
        let path = self.at(&format!("/conflicts/{}/resolve", conflict["id"].as_str().unwrap()));
        self.send("POST", &path, Some(json!({"choose": side}))).await
    }

    fn names(&self, id: i64) -> [String; 2] {
        let (item, product) = self.world.pair(id);
        [item.description, product.name]
    }

    async fn newest_conflict(&self) -> Value {
        self.get("/conflicts?limit=1").await["items"][0].clone()
    }
}

#[tokio::test]
async fn conflicts_are_listed() {
    let api = Api::with_a_mug().await;
    let id = api.world.stage.r.items()[0].item_id;
    let web = api.world.product_of(id).unwrap().id;
    assert_eq!(api.get("/conflicts").await, json!({"items": [], "next": null}));
    for (shop, online) in [("Shop 1", "Web 1"), ("Shop 2", "Web 2")] {
        api.world.stage.r.rename(id, shop);
        api.world.stage.e.rename(web, online);
        api.world.settle().await;
        api.world.clock.advance(std::time::Duration::from_secs(1));
    }
    let first = api.get("/conflicts?limit=1").await;
    let newest = &first["items"][0];
    assert_eq!((&newest["r_series"], &newest["e_series"]), (&json!("Shop 2"), &json!("Web 2")));
    assert_eq!((&newest["field"], &newest["winner"]), (&json!("name"), &json!("r_series")));
    assert_eq!((&newest["state"], &newest["product_name"]), (&json!("decided"), &json!("Shop 2")));
    let second = api.get(&format!("/conflicts?limit=1&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((&second["items"][0]["r_series"], &second["next"]), (&json!("Shop 1"), &json!(null)));
    assert_eq!(api.get("/conflicts?state=open").await["items"], json!([]));
    assert_eq!(api.get("/conflicts?state=decided").await["items"].as_array().unwrap().len(), 2);
    api.send("GET", &api.at("/conflicts?state=lost"), None).await.expect(400);
}

#[tokio::test]
async fn the_value_that_lost_is_put_back_on_both_sides() {
    let (api, id, _) = clash(None).await;
    assert_eq!(api.names(id), ["Shop", "Shop"]);
    let conflict = api.newest_conflict().await;
    let product = conflict["product_id"].as_str().unwrap();
    let shown = api.get(&format!("/products/{product}")).await;
    let name =
        shown["fields"].as_array().unwrap().iter().find(|field| field["field"] == "name").unwrap().clone();
    assert_eq!(
        (&name["loser"]["side"], &name["loser"]["value"]),
        (&json!("e_series"), &json!("Web")),
        "{name}"
    );
    assert_eq!(name["loser"]["conflict_id"], conflict["id"]);

    api.choose(&conflict, "e_series").await.expect(202);
    api.world.settle().await;
    assert_eq!(api.names(id), ["Web", "Web"]);
    let conflict = api.newest_conflict().await;
    assert_eq!((&conflict["state"], &conflict["winner"]), (&json!("resolved"), &json!("e_series")));
    api.choose(&conflict, "r_series").await.expect(409);
    api.world.rests().await;
}

#[tokio::test]
async fn the_value_that_won_is_confirmed_without_a_write() {
    let (api, id, _) = clash(None).await;
    api.world.clear_calls();
    let conflict = api.newest_conflict().await;
    let taken = api.choose(&conflict, "r_series").await.expect(202);
    assert_eq!(taken["accepted"], 0);
    api.world.settle().await;
    assert_eq!((api.world.writes(), api.names(id)), (0, ["Shop".into(), "Shop".into()]));
    assert_eq!(api.newest_conflict().await["state"], "resolved");
}

#[tokio::test]
async fn what_has_moved_on_since_is_no_choice_any_more() {
    let (api, id, web) = clash(None).await;
    api.world.stage.e.rename(web, "Newer");
    api.world.settle().await;
    let conflict = api.newest_conflict().await;
    let problem = api.choose(&conflict, "e_series").await.expect(409);
    assert!(problem["detail"].as_str().unwrap().contains("“Newer”"), "{problem}");
    assert_eq!(
        (api.names(id), api.newest_conflict().await["state"].clone()),
        (["Newer".into(), "Newer".into()], json!("decided"))
    );
}

#[tokio::test]
async fn an_open_conflict_waits_for_a_choice_and_ends_with_it() {
    for (choose, name) in [("r_series", "Shop"), ("e_series", "Web")] {
        let (api, id, web) = clash(Some("ask")).await;
        assert_eq!(api.names(id), ["Shop", "Web"]);
        assert_eq!(api.get("/status").await["conflicts_open"], 1);
        // Its values follow what the sides say.
        let outdated = api.newest_conflict().await;
        assert_eq!((&outdated["state"], &outdated["winner"]), (&json!("open"), &json!(null)));
        api.world.stage.e.rename(web, "Web again");
        api.choose(&outdated, choose).await.expect(409);
        api.world.settle().await;
        api.world.stage.e.rename(web, "Web");
        api.world.settle().await;
        let conflict = api.newest_conflict().await;
        assert_eq!((&conflict["id"], &conflict["e_series"]), (&outdated["id"], &json!("Web")));
        api.choose(&conflict, choose).await.expect(202);
        api.world.settle().await;
        assert_eq!(api.names(id), [name, name]);
        let conflict = api.newest_conflict().await;
        assert_eq!((&conflict["state"], &conflict["winner"]), (&json!("resolved"), &json!(choose)));
        let status = api.get("/status").await;
        assert_eq!((&status["conflicts_open"], &status["in_step"]), (&json!(0), &json!(true)), "{status}");
        api.world.rests().await;
        api.world.close().await;
    }
}

#[tokio::test]
async fn a_choice_is_guarded_and_knows_what_it_cannot_take() {
    let (api, ..) = clash(None).await;
    let conflict = api.newest_conflict().await;
    let path = api.at(&format!("/conflicts/{}/resolve", conflict["id"].as_str().unwrap()));
    api.check_guarded("POST", &path).await;
    api.check_body("POST", &path, &json!({"choose": "e_series"})).await;
    api.send("POST", &path, Some(json!({"choose": "left"}))).await.expect(422);
    let nobody = api.at(&format!("/conflicts/{}/resolve", Uuid::nil()));
    api.send("POST", &nobody, Some(json!({"choose": "e_series"}))).await.expect(404);
}

/// A choice, or an undo, is looked at on both sides first; who is not allowed to look says so.
#[tokio::test]
async fn a_platform_that_refuses_the_look_is_told_from_one_that_is_busy() {
    let (api, _, _) = clash(None).await;
    let conflict = api.newest_conflict().await;
    let write = api.world.newest("write", "name", "e_series").await;
    let undo = api.at(&format!("/ledger/{}/undo", write["id"].as_str().unwrap()));
    for (of_platform, ours) in [(403, 502), (429, 503)] {
        let fault = Fault::Status { status: of_platform, retry_after: Some(1) };
        for act in ["choose", "undo"] {
            api.world.stage.e.faults().next(Aim::Read, fault);
            let answer = match act {
                "choose" => api.choose(&conflict, "e_series").await,
                _ => api.send("POST", &undo, None).await,
            };
            assert_eq!(
                (answer.status, &answer.json["type"]),
                (ours, &json!("/problems/platform")),
                "{act}: {}",
                answer.text
            );
            api.world.clock.advance(std::time::Duration::from_secs(120));
        }
    }
    assert_eq!(api.newest_conflict().await["state"], "decided", "nothing was decided");
}
