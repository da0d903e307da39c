//! The brake of a connection, and the settings it goes by.

use serde_json::json;
use uuid::Uuid;

use super::Api;

#[tokio::test]
async fn the_brake_is_off_and_its_release_is_guarded() {
    let api = Api::with_a_mug().await;
    let off = json!({"on": false, "since": null, "reason": null, "held": 0});
    assert_eq!(api.get("/status").await["brake"], off);
    let path = api.at("/brake/release");
    assert_eq!(api.send("POST", &path, None).await.expect(202), json!({"accepted": 0}));
    assert_eq!(api.world.sql_count("select count(*) from ledger where kind = 'operator'").await, 0);
    api.check_guarded("POST", &path).await;
    api.send("POST", &format!("/v1/connections/{}/brake/release", Uuid::nil()), None).await.expect(404);
}

#[tokio::test]
async fn caps_and_the_pause_between_full_looks_are_settings_that_are_checked() {
    let mut api = Api::with_a_mug().await;
    for settings in [
        json!({"caps": {"removals_percent": 101}}),
        json!({"caps": {"zeroes_percent": 101}}),
        json!({"caps": {"zeroes_percent": -1}}),
        json!({"caps": {"removals_percent": 256}}),
        json!({"caps": {"at_least": 1_000_001}}),
        json!({"caps": {"at_most": 1}}),
        json!({"full_look_hours": 8761}),
        json!({"full_look_hours": -1}),
        json!({"full_look_hours": 1.5}),
    ] {
        let change = Some(json!({ "settings": settings }));
        api.send("PATCH", &api.at(""), change).await.expect(422);
    }
    let settings = json!({"sku_source": "custom_sku",
        "caps": {"removals_percent": 0, "zeroes_percent": 100, "at_least": 0}, "full_look_hours": 0});
    let changed = api.send("PATCH", &api.at(""), Some(json!({ "settings": settings }))).await.expect(200);
    assert_eq!(changed["settings"], settings);
    // What is as usual is not listed, and comes back by being left out.
    let usual = json!({"caps": {"removals_percent": 10}, "full_look_hours": 24});
    let changed = api.send("PATCH", &api.at(""), Some(json!({ "settings": usual }))).await.expect(200);
    assert_eq!(changed["settings"], json!({"sku_source": "custom_sku"}));
    // A connection is not made with them either.
    api.send("DELETE", &api.at(""), None).await;
    let mut body = api.world.credentials();
    body["settings"] = json!({"caps": {"removals_percent": 101}});
    api.send("POST", "/v1/connections", Some(body)).await.expect(422);
    api.secrets.clear();
}
