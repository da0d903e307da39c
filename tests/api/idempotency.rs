//! `Idempotency-Key`: what is asked for twice is done once.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Api};
use crate::support::TOKEN;

impl Api {
    /// A POST under a key, as somebody.
    async fn once(&self, bearer: &str, key: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut headers =
            vec![("authorization", format!("Bearer {bearer}")), ("idempotency-key", key.to_owned())];
        headers.extend(body.map(|_| ("content-type", "application/json".to_owned())));
        self.send_raw("POST", path, &headers, body.map(Value::to_string).unwrap_or_default()).await
    }
}

#[tokio::test]
async fn the_same_request_is_done_once_and_answered_again() {
    let mut api = Api::open().await;
    let body = api.world.credentials();
    let first = api.once(TOKEN, "a-1", "/v1/connections", Some(&body)).await;
    assert_eq!(first.header("idempotent-replayed"), "");
    let second = api.once(TOKEN, "a-1", "/v1/connections", Some(&body)).await;
    assert_eq!((second.status, second.header("idempotent-replayed")), (201, "true"), "{}", second.text);
    assert_eq!((&second.json, &second.kind), (&first.json, &first.kind));
    assert_ne!(second.header("x-request-id"), first.header("x-request-id"));
    let first = first.expect(201);
    assert_eq!(api.world.sql_count("select count(*) from connections").await, 1);
    assert_eq!(api.world.sql_count("select count(*) from audit").await, 1, "an answer given again is no act");
    // Without the key it is another request, and the accounts are taken.
    api.send("POST", "/v1/connections", Some(body)).await.expect(409);
    // The secret of the first answer lies nowhere in the clear.
    api.world.adopt(&first);
    assert!(!api.world.dump().await.contains(&api.world.r_secret), "a kept answer is not sealed");
}

#[tokio::test]
async fn a_key_belongs_to_one_request_of_one_caller_for_a_day() {
    let api = Api::open().await;
    let (_, other) = api.key("other", &["admin"]).await;
    let (one, two) = (json!({"name": "one", "scopes": ["read"]}), json!({"name": "two", "scopes": ["read"]}));
    let made = api.once(TOKEN, "k", "/v1/api-keys", Some(&one)).await.expect(201);
    let reused = api.once(TOKEN, "k", "/v1/api-keys", Some(&two)).await;
    assert_eq!(reused.json["type"], "/problems/idempotency", "{}", reused.text);
    reused.expect(422);
    let theirs = api.once(&other, "k", "/v1/api-keys", Some(&two)).await.expect(201);
    assert_ne!(made["id"], theirs["id"], "another caller's keys are their own");
    api.world.clock.advance(Duration::from_secs(24 * 3_600));
    assert_eq!(
        api.once(TOKEN, "k", "/v1/api-keys", Some(&one)).await.expect(201),
        made,
        "24 hours are not over"
    );
    api.world.clock.advance(Duration::from_secs(1));
    let anew = api.once(TOKEN, "k", "/v1/api-keys", Some(&two)).await.expect(201);
    assert_eq!(anew["name"], "two");
    assert_eq!(api.world.sql_count("select count(*) from answers").await, 1, "what is older is cleared away");
}

#[tokio::test]
async fn what_was_refused_is_refused_again_and_what_failed_may_be_tried_again() {
    let api = Api::open().await;
    let mut body = api.world.credentials();
    let right = body["r_series"]["access_token"].clone();
    body["r_series"]["access_token"] = json!("wrong");
    body["r_series"].as_object_mut().unwrap().remove("refresh_token");
    let first = api.once(TOKEN, "k", "/v1/connections", Some(&body)).await;
    let again = api.once(TOKEN, "k", "/v1/connections", Some(&body)).await;
    assert_eq!((first.status, again.status, again.header("idempotent-replayed")), (422, 422, "true"));
    assert_eq!(again.kind, "application/problem+json");
    assert_ne!(right, "wrong");
    // A request that is under way is not begun a second time, until it must be dead.
    let new = json!({"name": "x", "scopes": ["read"]});
    api.once(TOKEN, "dead", "/v1/api-keys", Some(&new)).await.expect(201);
    api.world.sql("update answers set status = null, sealed = null where idem_key = 'dead'").await;
    let busy = api.once(TOKEN, "dead", "/v1/api-keys", Some(&new)).await;
    assert_eq!((busy.status, busy.header("retry-after")), (409, "2"), "{}", busy.text);
    api.world.clock.advance(Duration::from_secs(61));
    api.once(TOKEN, "dead", "/v1/api-keys", Some(&new)).await.expect(201);
    assert_eq!(api.world.sql_count("select count(*) from api_keys").await, 2);
}

#[tokio::test]
async fn a_failure_of_concord_is_not_kept() {
    let api = Api::with_a_mug().await;
    api.world.sql("alter table api_keys rename to elsewhere").await;
    let new = json!({"name": "x", "scopes": ["read"]});
    let headers = [
        ("authorization", format!("Bearer {TOKEN}")),
        ("idempotency-key", "k".to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    let failed = api.world.raw("POST", "/v1/api-keys", &headers, new.to_string()).await;
    assert_eq!(failed.0, 500, "{}", failed.1);
    api.world.sql("alter table elsewhere rename to api_keys").await;
    api.once(TOKEN, "k", "/v1/api-keys", Some(&new)).await.expect(201);
}

#[tokio::test]
async fn keys_that_are_none_are_refused_and_other_methods_take_none() {
    let api = Api::open().await;
    let new = json!({"name": "x", "scopes": ["read"]});
    for wrong in ["", " ", &"x".repeat(256)] {
        let answer = api.once(TOKEN, wrong, "/v1/api-keys", Some(&new)).await;
        assert_eq!(answer.json["type"], "/problems/idempotency", "{}", answer.text);
        answer.expect(400);
    }
    let headers = [("authorization", format!("Bearer {TOKEN}")), ("idempotency-key", "k".to_owned())];
    for _ in 0..2 {
        let list = api.send_raw("GET", "/v1/connections", &headers, String::new()).await;
        assert_eq!((list.status, list.header("idempotent-replayed")), (200, ""));
    }
}

#[tokio::test]
async fn who_hangs_up_and_asks_again_gets_the_answer_of_the_first_request() {
    let api = Api::open().await;
    let new = json!({"name": "x", "scopes": ["read"]});
    let lost = api.once(TOKEN, "k", "/v1/api-keys", Some(&new));
    tokio::select! {
        biased;
        _ = lost => panic!("answered before anything was read"),
        () = std::future::ready(()) => {}
    }
    // Nobody waits for it any more, and it is done.
    let mut looks = 0;
    while api.world.sql_count("select count(*) from answers where sealed is not null").await == 0 {
        looks += 1;
        assert!(looks < 5_000, "what was begun was not brought to its end");
    }
    let again = api.once(TOKEN, "k", "/v1/api-keys", Some(&new)).await;
    assert_eq!((again.status, again.header("idempotent-replayed")), (201, "true"), "{}", again.text);
    assert_eq!(api.world.sql_count("select count(*) from api_keys").await, 1);
}
