//! Products on one side alone: what an operator has done about them.

use serde_json::json;
use uuid::Uuid;

use super::Api;

impl Api {
    async fn decide(&self, product: &str, word: &str) -> super::Answer {
        self.send("POST", &self.at(&format!("/products/{product}/{word}")), None).await
    }
}

#[tokio::test]
async fn a_word_is_taken_where_it_applies_and_refused_with_a_reason_elsewhere() {
    let api = Api::with_a_mug().await;
    let web =
        api.world.stage.e.create_product(json!({"name": "Lamp", "sku": "LAMP", "price": 3, "quantity": 1}));
    api.world.settle().await;
    let lamp = api.get("/products?sku=LAMP").await["items"][0]["id"].as_str().unwrap().to_owned();
    let mug = api.get("/products?sku=MUG-1").await["items"][0]["id"].as_str().unwrap().to_owned();
    for (product, word, reason) in [
        (&mug, "create-on-r-series", "on R-Series already"),
        (&mug, "recreate", "not deleted"),
        (&mug, "unpublish", "not deleted"),
        (&lamp, "recreate", "not deleted"),
    ] {
        let problem = api.decide(product, word).await.expect(409);
        assert!(problem["detail"].as_str().unwrap().contains(reason), "{problem}");
    }
    let taken = api.decide(&lamp, "create-on-r-series").await.expect(202);
    assert_eq!(taken["accepted"], 1);
    api.world.settle().await;
    let shown = api.get(&format!("/products/{lamp}")).await;
    assert_eq!(
        (&shown["state"], &shown["e_series"]["id"]),
        (&json!("in_step"), &json!(web.to_string())),
        "{shown}"
    );
    let ledger = api.get(&format!("/ledger?product_id={lamp}")).await;
    let order =
        ledger["items"].as_array().unwrap().iter().find(|entry| entry["id"] == taken["id"]).unwrap().clone();
    assert_eq!((&order["kind"], &order["origin"]), (&json!("operator"), &json!("operator")), "{order}");
    api.decide(&lamp, "create-on-r-series").await.expect(409);

    let path = api.at("");
    api.send("PATCH", &path, Some(json!({"settings": {"born_online": "off"}}))).await.expect(200);
    api.world.stage.e.create_product(json!({"name": "Shade", "sku": "SHADE", "price": 3, "quantity": 1}));
    api.world.settle().await;
    let shade = api.get("/products?sku=SHADE").await["items"][0]["id"].as_str().unwrap().to_owned();
    let problem = api.decide(&shade, "create-on-r-series").await.expect(409);
    assert!(problem["detail"].as_str().unwrap().contains("born_online"), "{problem}");
    for word in ["create-on-r-series", "recreate", "unpublish"] {
        api.decide(&Uuid::nil().to_string(), word).await.expect(404);
        api.check_guarded("POST", &api.at(&format!("/products/{lamp}/{word}"))).await;
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let api = Api::with_a_mug().await;
    for settings in
        [json!({"born_online": "maybe"}), json!({"gone_online": "unpublish"}), json!({"born_online": 1})]
    {
        let answer = api.send("PATCH", &api.at(""), Some(json!({ "settings": settings }))).await;
        assert!([400, 422].contains(&answer.status), "{settings}: {answer:?}");
    }
    let settings = json!({"born_online": "auto", "gone_online": "recreate"});
    let kept = api.send("PATCH", &api.at(""), Some(json!({ "settings": settings }))).await.expect(200);
    assert_eq!(
        (&kept["settings"]["born_online"], &kept["settings"]["gone_online"]),
        (&json!("auto"), &json!("recreate"))
    );
}
