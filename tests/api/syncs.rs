//! Runs over a whole catalogue.

use serde_json::json;
use uuid::Uuid;

use super::Api;
use crate::support::item;

#[tokio::test]
async fn a_run_is_started_followed_and_ends() {
    let api = Api::with_a_mug().await;
    api.world.stage.relay.set_target(None);
    api.world.stage.r.create_item(item("Nobody told", "QUIET-1", "3", 2));
    let started = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "apply"}))).await.expect(202);
    let path = format!("/syncs/{}", started["id"].as_str().unwrap());
    let run = api.get(&path).await;
    assert_eq!((&run["id"], &run["state"]), (&started["id"], &json!("running")), "{run}");
    let twice = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "apply"}))).await.expect(202);
    assert_eq!(twice["id"], started["id"], "one that is running is returned instead");
    api.world.settle().await;
    let run = api.get(&path).await;
    assert_eq!((&run["state"], &run["progress"]), (&json!("done"), &json!({"done": 2, "total": 2})), "{run}");
    assert_eq!((&run["summary"]["linked"], &run["summary"]["parked"]), (&json!(2), &json!(0)), "{run}");
    // The events of a run that has ended are one event and an end.
    let events = api.send("GET", &api.at(&format!("{path}/events")), None).await;
    assert_eq!((events.status, events.kind.as_str()), (200, "text/event-stream"));
    let lines: Vec<&str> = events.text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!((lines.len(), lines[0]), (2, "event: progress"), "{}", events.text);
    let told: serde_json::Value = serde_json::from_str(lines[1].trim_start_matches("data: ")).unwrap();
    assert_eq!(told, run);
    let next = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "apply"}))).await.expect(202);
    assert_ne!(next["id"], started["id"], "a new one after the end");
}

#[tokio::test]
async fn runs_are_guarded_and_know_what_they_cannot_take() {
    let api = Api::with_a_mug().await;
    let (path, good) = (api.at("/syncs"), json!({"mode": "apply"}));
    api.check_body("POST", &path, &good).await;
    for body in [json!({"mode": "backwards"}), json!({"mode": 1}), json!({})] {
        api.send("POST", &path, Some(body)).await.expect(422);
    }
    api.check_guarded("POST", &path).await;
    let nil = Uuid::nil();
    for tail in ["", "/events"] {
        api.check_guarded("GET", &format!("{path}/{nil}{tail}")).await;
        for id in [nil.to_string(), "nonsense".into()] {
            api.send("GET", &format!("{path}/{id}{tail}"), None).await.expect(404);
        }
    }
    api.send("POST", &format!("/v1/connections/{nil}/syncs"), Some(good)).await.expect(404);
}
