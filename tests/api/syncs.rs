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

/// What a run came to is history: products that wait or are parked later are none of its business.
#[tokio::test]
async fn a_run_that_has_ended_keeps_its_last_numbers() {
    let api = Api::with_a_mug().await;
    api.world.stage.r.create_matrix(crate::flow::variants::shirt()).unwrap();
    api.world.settle().await;
    let newest = api.get("/status").await["sync"].clone();
    assert_eq!((&newest["state"], &newest["progress"]["done"]), (&json!("done"), &json!(1)), "{newest}");
    let started = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "apply"}))).await.expect(202);
    api.world.settle().await;
    let path = format!("/syncs/{}", started["id"].as_str().unwrap());
    let ended = api.get(&path).await;
    let (total, status) = (ended["progress"]["total"].clone(), api.get("/status").await);
    assert!(total.as_i64() > Some(1) && ended["progress"]["done"] == total, "{ended}");
    assert_eq!(ended["summary"]["linked"], status["linked"], "both count the same way: {ended} {status}");

    // Everything is to be looked at again, and one product is parked.
    for product in api.get("/products").await["items"].as_array().unwrap() {
        let ask = api.at(&format!("/products/{}/sync", product["id"].as_str().unwrap()));
        api.send("POST", &ask, None).await.expect(202);
    }
    assert_eq!(api.get(&path).await, ended, "while its products wait");
    let web = api.world.product_of(1).unwrap().id;
    api.world.stage.e.reprice(web, crate::support::decimal("0"));
    api.world.settle().await;
    assert_eq!(api.get("/status").await["parked"], 1);
    assert_eq!(api.get(&path).await, ended, "after one was parked");
    assert_eq!(api.get("/status").await["sync"], ended, "wherever it is shown");

    // One that was broken off has come as far as it had come.
    let started = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "apply"}))).await.expect(202);
    let path = format!("/syncs/{}", started["id"].as_str().unwrap());
    let cancel = api.at(&format!("{path}/cancel"));
    let cancelled = api.send("POST", &cancel, None).await.expect(200);
    assert_eq!(cancelled["progress"]["done"], 0, "{cancelled}");
    api.world.settle().await;
    assert_eq!(api.get(&path).await, cancelled);
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
    api.check_guarded("POST", &format!("{path}/{nil}/cancel")).await;
    for id in [nil.to_string(), "nonsense".into()] {
        api.send("POST", &format!("{path}/{id}/cancel"), None).await.expect(404);
    }
    for tail in ["", "/events", "/items"] {
        api.check_guarded("GET", &format!("{path}/{nil}{tail}")).await;
        for id in [nil.to_string(), "nonsense".into()] {
            api.send("GET", &format!("{path}/{id}{tail}"), None).await.expect(404);
        }
    }
    api.send("POST", &format!("/v1/connections/{nil}/syncs"), Some(good)).await.expect(404);
}

#[tokio::test]
async fn a_preview_is_shown_by_pages_and_does_nothing() {
    let api = Api::with_a_mug().await;
    api.world.stage.relay.set_target(None);
    api.world.stage.e.set_webhook_url(None);
    api.world.stage.r.create_item(item("Nobody told", "QUIET-1", "3", 2));
    api.world.stage.e.create_product(json!({"name": "Voucher", "sku": "V-1", "price": 5}));
    // A preview does nothing, so it may be asked for while nothing is to be done.
    api.send("POST", &api.at("/pause"), None).await;
    api.world.clear_calls();
    let started = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "preview"}))).await.expect(202);
    let path = format!("/syncs/{}", started["id"].as_str().unwrap());
    let other = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "apply"}))).await.expect(409);
    assert!(other["detail"].as_str().unwrap().contains("preview"), "{other}");
    let twice = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "preview"}))).await.expect(202);
    assert_eq!(twice["id"], started["id"]);
    api.world.settle().await;
    let run = api.get(&path).await;
    assert_eq!((&run["state"], &run["progress"]), (&json!("done"), &json!({"done": 2, "total": 2})), "{run}");
    let preview = &run["summary"]["preview"];
    assert_eq!(preview["actions"], json!({"create": 1, "in_step": 1, "only_online": 1}), "{preview}");
    assert_eq!(
        (&preview["e_series_writes"], &preview["r_series_writes"]),
        (&json!(1), &json!(0)),
        "{preview}"
    );
    assert!(preview["e_series_calls"].as_i64().unwrap() >= 3 && preview["seconds"].is_i64(), "{preview}");
    assert_eq!(api.world.writes(), 0);

    let items = format!("{path}/items");
    api.check_paging(&api.at(&items)).await;
    let all = api.get(&items).await;
    assert_eq!((all["items"].as_array().unwrap().len(), &all["next"]), (3, &json!(null)), "{all}");
    let created = api.get(&format!("{items}?action=create")).await;
    assert_eq!(created["items"][0]["sku"], "QUIET-1", "{created}");
    api.send("GET", &api.at(&format!("{items}?action=explode")), None).await.expect(422);
    let first = api.get(&format!("{items}?limit=2")).await;
    let cursor = first["next"].as_str().unwrap();
    let rest = api.get(&format!("{items}?limit=2&cursor={cursor}")).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &json!(null)), "{rest}");
}

#[tokio::test]
async fn who_asks_at_the_same_moment_gets_the_same_run() {
    let api = Api::with_a_mug().await;
    let path = api.at("/syncs");
    let start = || api.send("POST", &path, Some(json!({"mode": "apply"})));
    let all = futures::future::join_all((0..8).map(|_| start())).await;
    let ids: std::collections::BTreeSet<String> =
        all.into_iter().map(|answer| answer.expect(202)["id"].to_string()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
}

#[tokio::test]
async fn a_run_is_cancelled_once() {
    let api = Api::with_a_mug().await;
    let started = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "apply"}))).await.expect(202);
    let path = format!("/syncs/{}", started["id"].as_str().unwrap());
    let cancel = api.at(&format!("{path}/cancel"));
    let run = api.send("POST", &cancel, None).await.expect(200);
    assert_eq!(run["state"], "cancelled", "{run}");
    api.send("POST", &cancel, None).await.expect(409);
    let next = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "apply"}))).await.expect(202);
    assert_ne!(next["id"], started["id"]);
    api.world.settle().await;
    assert_eq!(api.get(&path).await["state"], "cancelled");
}

#[tokio::test]
async fn the_events_of_a_run_go_on_until_it_is_done() {
    let api = Api::with_a_mug().await;
    let started = api.send("POST", &api.at("/syncs"), Some(json!({"mode": "apply"}))).await.expect(202);
    let path = api.at(&format!("/syncs/{}/events", started["id"].as_str().unwrap()));
    let run = async {
        for _ in 0..100 {
            api.world.worker.step().await.unwrap();
            api.world.clock.advance(std::time::Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    };
    let (events, ()) = tokio::join!(api.send("GET", &path, None), run);
    let told: Vec<serde_json::Value> = events
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .map(|data| serde_json::from_str(data).unwrap())
        .collect();
    assert!(told.len() > 1, "{}", events.text);
    assert_eq!(told[0]["state"], "running");
    assert_eq!(told.last().unwrap()["state"], "done");
}
