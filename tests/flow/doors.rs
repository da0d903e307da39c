//! Both doors, over real HTTP: what is taken in, what is turned away, and that a notice is only ever a hint.
#![expect(clippy::indexing_slicing, clippy::string_slice, clippy::unwrap_used, reason = "helpers of tests")]

use std::time::Duration;

use base64::Engine as _;
use concord::clock::Clock;
use concord::http::LARGEST_BODY;
use concord::sandbox::{eseries, relay};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::support::{Plan, World, decimal, item, mug};

const R_TYPE: &str = "application/x-www-form-urlencoded";
const E_TYPE: &str = "application/json; charset=UTF-8";
const STORE: i64 = 1003;

/// What a door answered.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    status: u16,
    kind: String,
    text: String,
}

async fn post(url: &str, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    // An id of our own: otherwise answers that are alike differ in it.
    let mut request = client.post(url).body(body).header("x-request-id", "door");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map_or("", |kind| kind.to_str().unwrap()).to_owned();
    Answer { status, kind, text: response.text().await.unwrap() }
}

/// Signs as the platform does: over time and id, not over the body.
fn e_signature(key: &str, created: i64, id: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap();
    mac.update(format!("{created}.{id}").as_bytes());
    base64::engine::general_purpose::STANDARD.encode(mac.finalize().into_bytes())
}

fn e_true(created: i64, id: &str) -> String {
    e_signature(&eseries::Config::default().client_secret, created, id)
}

fn envelope(id: &str, created: i64, product: i64) -> Value {
    json!({"eventId": id, "eventCreated": created, "storeId": STORE, "entityId": product,
        "eventType": "product.updated"})
}

impl World {
    fn e_door(&self) -> String {
        format!("{}/webhooks/e-series", self.door)
    }

    fn r_door(&self) -> String {
        format!("{}/webhooks/r-series/{}", self.door, self.connection)
    }

    async fn e_post(&self, signature: &str, body: &Value) -> Answer {
        let headers = [("content-type", E_TYPE), ("x-ecwid-webhook-signature", signature)];
        post(&self.e_door(), &headers, body.to_string()).await
    }

    async fn r_post(&self, body: &str, delivery: Option<&str>) -> Answer {
        let signature = relay::signature(&self.r_secret, body.as_bytes());
        let kind = if body.starts_with('{') { "application/json" } else { R_TYPE };
        let mut headers = vec![("content-type", kind), ("x-signature", signature.as_str())];
        headers.extend(delivery.map(|id| ("x-delivery-id", id)));
        post(&self.r_door(), &headers, body.to_owned()).await
    }

    async fn inbox(&self) -> i64 {
        self.sql_count("select count(*) from inbox").await
    }

    async fn dirty(&self) -> i64 {
        self.sql_count("select count(*) from dirty").await
    }

    async fn strays(&self) -> i64 {
        self.sql_count("select count(*) from strays").await
    }

    fn calls(&self) -> usize {
        self.stage.r.calls().len() + self.stage.e.calls().len()
    }

    fn mug(&self) -> (i64, i64) {
        let id = self.stage.r.items()[0].item_id;
        (id, self.product_of(id).unwrap().id)
    }
}

fn form(kind: &str, item: i64) -> String {
    serde_urlencoded::to_string([("type", kind), ("payload", &format!(r#"{{"itemID":"{item}"}}"#))]).unwrap()
}

/// Turned away alike for every reason, with nothing written and nobody called.
async fn check_turned_away(
    world: &World,
    case: &str,
    answer: &Answer,
    first: &mut Option<Answer>,
    inbox: i64,
) {
    assert_eq!(answer.status, 401, "{case}: {answer:?}");
    assert_eq!(answer.kind, "application/problem+json", "{case}");
    let problem: Value = serde_json::from_str(&answer.text).unwrap();
    assert_eq!(
        (&problem["status"], &problem["type"]),
        (&json!(401), &json!("/problems/signature")),
        "{case}"
    );
    let first = first.get_or_insert_with(|| answer.clone());
    assert_eq!(first, answer, "{case}: the answer tells the reason");
    assert_eq!(world.inbox().await, inbox, "{case}: an inbox row was written");
    assert_eq!((world.dirty().await, world.strays().await), (0, 0), "{case}: something was marked or kept");
    world.settle().await;
    assert_eq!(world.calls(), 0, "{case}: a platform was called");
}

#[tokio::test]
async fn the_e_series_door_turns_every_false_signature_away_alike() {
    let world = World::with_a_mug().await;
    let (_, product) = world.mug();
    let now = world.clock.now().timestamp();
    let (hour, id) = (3_600, "event-1");
    let good = e_true(now, id);
    let body = envelope(id, now, product);
    let stale = now - 25 * hour - 1;
    let future = now + 301;
    let cases: Vec<(&str, Option<String>, Value)> = vec![
        ("missing", None, body.clone()),
        ("empty", Some(String::new()), body.clone()),
        ("no base64", Some("***".into()), body.clone()),
        ("hex instead of base64", Some("00".repeat(32)), body.clone()),
        ("cut short", Some(good[..20].to_owned()), body.clone()),
        ("all zero", Some(base64::engine::general_purpose::STANDARD.encode([0_u8; 32])), body.clone()),
        ("wrong key", Some(e_signature("another secret", now, id)), body.clone()),
        ("the access token as key", Some(e_signature("secret_token", now, id)), body.clone()),
        ("empty key", Some(e_signature("", now, id)), body.clone()),
        ("changed eventId", Some(good.clone()), envelope("event-2", now, product)),
        ("changed eventCreated", Some(good.clone()), envelope(id, now + 1, product)),
        ("stale", Some(e_true(stale, id)), envelope(id, stale, product)),
        ("from the future", Some(e_true(future, id)), envelope(id, future, product)),
        (
            "unknown store, false",
            Some("AAAA".into()),
            json!({"eventId": id, "eventCreated": now, "storeId": 9,
            "entityId": product, "eventType": "product.updated"}),
        ),
    ];
    world.clear_calls();
    let (inbox, mut first) = (world.inbox().await, None);
    for (case, signature, body) in cases {
        let mut headers = vec![("content-type", E_TYPE)];
        headers.extend(signature.as_deref().map(|value| ("x-ecwid-webhook-signature", value)));
        let answer = post(&world.e_door(), &headers, body.to_string()).await;
        check_turned_away(&world, &format!("E-Series, {case}"), &answer, &mut first, inbox).await;
    }
    // The edges of the window, and that the true one would have been taken.
    for (case, created) in [("now", now), ("25 h old", now - 25 * hour), ("5 min ahead", now + 300)] {
        let id = format!("edge, {case}");
        let answer = world.e_post(&e_true(created, &id), &envelope(&id, created, product)).await;
        assert_eq!(answer.status, 200, "{case}: {answer:?}");
    }
    assert_eq!(world.inbox().await, inbox + 3);
}

#[tokio::test]
async fn the_r_series_door_turns_every_false_signature_away_alike() {
    let world = World::with_a_mug().await;
    let (item, _) = world.mug();
    let body = form("item.update", item);
    let good = relay::signature(&world.r_secret, body.as_bytes());
    let hex = good.trim_start_matches("signature=").split(',').next().unwrap().to_owned();
    let cases: Vec<(&str, Option<String>, String)> = vec![
        ("missing", None, body.clone()),
        ("empty", Some(String::new()), body.clone()),
        ("bare hex", Some(hex.clone()), body.clone()),
        ("upper case", Some(good.replace(&hex, &hex.to_uppercase())), body.clone()),
        ("no algorithm", Some(format!("signature={hex}")), body.clone()),
        ("another algorithm", Some(format!("signature={hex},algorithm=HMAC-SHA1")), body.clone()),
        ("no algorithm at all", Some(format!("signature={hex},algorithm=none")), body.clone()),
        ("two signatures", Some(format!("{good},signature={hex}")), body.clone()),
        ("cut short", Some(good.replace(&hex, &hex[..32])), body.clone()),
        ("wrong key", Some(relay::signature("another secret", body.as_bytes())), body.clone()),
        ("empty key", Some(relay::signature("", body.as_bytes())), body.clone()),
        ("changed item", Some(good.clone()), form("item.update", item + 1)),
        ("changed type", Some(good.clone()), form("item.delete", item)),
        ("one byte more", Some(good.clone()), format!("{body} ")),
        ("no body", Some(good.clone()), String::new()),
    ];
    world.clear_calls();
    let (inbox, mut first) = (world.inbox().await, None);
    for (case, signature, body) in cases {
        let mut headers = vec![("content-type", R_TYPE)];
        headers.extend(signature.as_deref().map(|value| ("x-signature", value)));
        let answer = post(&world.r_door(), &headers, body).await;
        check_turned_away(&world, &format!("R-Series, {case}"), &answer, &mut first, inbox).await;
    }
    assert_eq!(world.r_post(&body, None).await.status, 200, "the true one is taken");
}

#[tokio::test]
async fn another_body_under_a_true_header_is_at_most_a_needless_look() {
    let world = World::with(Plan::default(), vec![mug(), item("Teapot", "POT-1", "39.9", 3)]).await;
    let ids: Vec<i64> = world.stage.r.items().iter().map(|item| item.item_id).collect();
    let (mug, pot) = (world.pair(ids[0]).1, world.pair(ids[1]).1);
    let now = world.clock.now().timestamp();
    let true_header = e_true(now, "event-1");
    assert_eq!(world.e_post(&true_header, &envelope("event-1", now, mug.id)).await.status, 200);
    world.settle().await;
    let before = (world.stage.r.items(), world.stage.e.products());
    let inbox = world.inbox().await;

    let nonsense = |product: i64| {
        json!({"eventId": "event-1", "eventCreated": now, "storeId": STORE, "entityId": product,
            "eventType": "product.updated", "price": 0.01, "quantity": 9_999, "name": "Forged", "enabled": true,
            "data": {"price": 0.01, "oldSku": "x"}})
    };
    world.clear_calls();
    let replay = world.e_post(&true_header, &nonsense(pot.id)).await;
    assert_eq!(replay.status, 200, "a replay is acknowledged: {replay:?}");
    assert_eq!(
        (world.inbox().await, world.dirty().await),
        (inbox, 0),
        "an event that was seen changes nothing"
    );
    world.settle().await;
    assert_eq!(world.calls(), 0, "a replay makes no call");

    // The forger was faster than the platform: the same header, not seen yet.
    let header = e_true(now, "event-2");
    let mut forged = nonsense(pot.id);
    forged["eventId"] = json!("event-2");
    assert_eq!(world.e_post(&header, &forged).await.status, 200);
    world.settle().await;
    assert!(
        world.calls() <= 2,
        "more than one look: {:?} {:?}",
        world.stage.r.calls(),
        world.stage.e.calls()
    );
    assert_eq!(world.writes(), 0, "a forged body led to a write");
    assert_eq!((world.stage.r.items(), world.stage.e.products()), before, "a forged body was taken for data");

    // A delete that is none, of a product that lives.
    let header = e_true(now, "event-3");
    forged["eventId"] = json!("event-3");
    forged["eventType"] = json!("product.deleted");
    assert_eq!(world.e_post(&header, &forged).await.status, 200);
    world.settle().await;
    assert_eq!((world.stage.r.items(), world.stage.e.products()), before, "a forged delete was believed");

    // A product that does not exist.
    let header = e_true(now, "event-4");
    let mut forged = nonsense(987_654_321);
    forged["eventId"] = json!("event-4");
    assert_eq!(world.e_post(&header, &forged).await.status, 200);
    world.settle().await;
    assert_eq!(world.writes(), 0, "writes for a product that does not exist");
    assert_eq!((world.stage.r.items(), world.stage.e.products()), before);
    world.check_laws().await;
}

#[tokio::test]
async fn a_200_follows_the_commit_and_the_same_event_is_one_row() {
    let world = World::with_a_mug().await;
    let (item, product) = world.mug();
    let now = world.clock.now().timestamp();
    for turn in 0..20 {
        let id = format!("event-{turn}");
        for repeat in ["first", "repeat"] {
            let answer = world.e_post(&e_true(now, &id), &envelope(&id, now, product)).await;
            assert_eq!(answer.status, 200, "{id}, {repeat}");
            let rows =
                format!("select count(*) from inbox where event_id = '{id}' and product_id is not null");
            assert_eq!(world.sql_count(&rows).await, 1, "{id}, {repeat}: not there after the answer");
            assert_eq!(world.dirty().await, 1, "{id}: fifty notices are one visit");
        }
        let answer = world.r_post(&form("inventory.update", item), Some(&id)).await;
        assert_eq!(answer.status, 200);
        let rows = format!("select count(*) from inbox where event_id = '{id}' and side = 'r_series'");
        assert_eq!(world.sql_count(&rows).await, 1, "R-Series, {id}");
    }
    world.settle().await;
    assert_eq!(world.sql_count("select count(*) from inbox where handled_at is null").await, 0);
    world.check_laws().await;
}

#[tokio::test]
async fn quoted_numbers_are_numbers() {
    let world = World::with_a_mug().await;
    let (_, product) = world.mug();
    let now = world.clock.now().timestamp();
    let body = json!({"eventId": "quoted", "eventCreated": now.to_string(), "storeId": STORE.to_string(),
        "entityId": product.to_string(), "eventType": "product.updated"});
    let answer = world.e_post(&e_true(now, "quoted"), &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let rows = format!("select count(*) from inbox where event_id = 'quoted' and entity_id = {product}");
    assert_eq!(world.sql_count(&rows).await, 1);
}

#[tokio::test]
async fn what_is_genuine_and_not_worked_on_is_kept() {
    let world = World::with_a_mug().await;
    let now = world.clock.now().timestamp();
    world.clear_calls();
    let stray = json!({"eventId": "stray", "eventCreated": now, "storeId": 99, "entityId": 1,
        "eventType": "product.updated"});
    for _ in 0..2 {
        assert_eq!(world.e_post(&e_true(now, "stray"), &stray).await.status, 202, "an unknown store");
    }
    let kept = "select count(*) from strays where account = '99' and event_id = 'stray'";
    assert_eq!((world.sql_count(kept).await, world.strays().await), (1, 1));

    let kinds =
        ["product_class.updated", "order.created", "application.storeStatusChanged", "profile.updated"];
    for kind in kinds {
        let body =
            json!({"eventId": kind, "eventCreated": now, "storeId": STORE, "entityId": 7, "eventType": kind});
        assert_eq!(world.e_post(&e_true(now, kind), &body).await.status, 202, "{kind}");
        let kept = format!("select count(*) from inbox where event_type = '{kind}' and product_id is null");
        assert_eq!(world.sql_count(&kept).await, 1, "{kind}");
    }
    for kind in ["customer.update", "customer.create", "vendor.update", "invented.update"] {
        assert_eq!(world.r_post(&form(kind, 7), Some(kind)).await.status, 202, "{kind}");
        let kept = format!("select count(*) from inbox where event_type = '{kind}' and side = 'r_series'");
        assert_eq!(world.sql_count(&kept).await, 1, "{kind}");
    }
    assert_eq!(world.dirty().await, 0);
    world.settle().await;
    assert_eq!(world.calls(), 0, "something was done about a kind that is not worked on");
}

#[tokio::test]
async fn what_cannot_be_a_notice_is_told_so() {
    let world = World::with_a_mug().await;
    let (item, product) = world.mug();
    let now = world.clock.now().timestamp();
    let inbox = world.inbox().await;
    let problem = |case: &str, answer: &Answer, status: u16| {
        assert_eq!(answer.status, status, "{case}: {answer:?}");
        assert_eq!(answer.kind, "application/problem+json", "{case}");
        let problem: Value = serde_json::from_str(&answer.text).unwrap();
        assert_eq!(problem["status"], status, "{case}");
    };
    // Unreadable envelopes.
    let good = e_true(now, "a");
    let headers = [("content-type", E_TYPE), ("x-ecwid-webhook-signature", good.as_str())];
    let mut no_id = envelope("a", now, product);
    no_id.as_object_mut().unwrap().remove("eventId");
    let mut no_product = envelope("a", now, product);
    no_product["entityId"] = json!("x");
    for body in ["", "{", "[]", "null", "\u{0}", &no_id.to_string(), &no_product.to_string()] {
        let answer = post(&world.e_door(), &headers, body.to_owned()).await;
        problem(&format!("E-Series, {body:?}"), &answer, 400);
    }
    for body in
        ["x", "payload=%7B%7D", "type=item.update&payload=%7B", "type=item.update&payload=%7B%7D", "{"]
    {
        problem(&format!("R-Series, {body:?}"), &world.r_post(body, None).await, 400);
    }
    // Too large, by one byte.
    let large = "x".repeat(LARGEST_BODY + 1);
    problem("E-Series, large", &post(&world.e_door(), &headers, large.clone()).await, 413);
    problem("R-Series, large", &world.r_post(&large, None).await, 413);
    let fits = format!("{}&x={}", form("item.update", item), "y".repeat(LARGEST_BODY - 200));
    assert_eq!(world.r_post(&fits, None).await.status, 200, "256 KiB are taken");
    // Nobody of that name.
    let body = form("item.update", item);
    let signature = relay::signature(&world.r_secret, body.as_bytes());
    for name in [uuid::Uuid::nil().to_string(), "nonsense".into(), format!("{}0", world.connection)] {
        let url = format!("{}/webhooks/r-series/{name}", world.door);
        let answer = post(&url, &[("content-type", R_TYPE), ("x-signature", &signature)], body.clone()).await;
        problem(&name, &answer, 404);
    }
    // Only POST.
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for url in [world.e_door(), world.r_door()] {
        for method in [reqwest::Method::GET, reqwest::Method::PUT, reqwest::Method::DELETE] {
            let response = client.request(method.clone(), &url).send().await.unwrap();
            assert_eq!(response.status().as_u16(), 405, "{method} {url}");
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{method} {url}");
        }
    }
    assert_eq!(world.inbox().await, inbox + 1);
    world.settle().await;
    world.check_laws().await;
}

#[tokio::test]
async fn the_r_series_door_takes_forms_and_json_and_knows_repeats_by_their_id() {
    let world = World::with_a_mug().await;
    let (item, _) = world.mug();
    let inbox = world.inbox().await;
    let (form, quoted) =
        (form("item.update", item), json!({"type": "item.update", "payload": {"itemID": item}}));
    for (count, body) in [(1, form.clone()), (2, quoted.to_string())] {
        let answer = world.r_post(&body, Some(&format!("delivery-{count}"))).await;
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        assert_eq!(world.inbox().await, inbox + count, "{body}");
        let again = world.r_post(&body, Some(&format!("delivery-{count}"))).await;
        assert_eq!((again.status, world.inbox().await), (200, inbox + count), "a repeat of {body}");
    }
    // Without an id two equal bodies may be two sales.
    for count in 3..=4 {
        assert_eq!(world.r_post(&form, None).await.status, 200);
        assert_eq!(world.inbox().await, inbox + count, "two equal bodies without an id");
    }
    world.settle().await;
    world.check_laws().await;
}

#[tokio::test]
async fn a_paused_connection_takes_notices_in_and_works_them_off_later() {
    let world = World::with_a_mug().await;
    let (item, product) = world.mug();
    let path = format!("/v1/connections/{}", world.connection);
    let (status, answer) = world.call("POST", &format!("{path}/pause"), None).await;
    assert_eq!((status.as_u16(), &answer["state"]), (200, &json!("paused")));
    world.clear_calls();
    let inbox = world.inbox().await;
    world.stage.r.sell(item, 1, 2);
    world.stage.e.reprice(product, decimal("8.5"));
    world.settle().await;
    for _ in 0..3 {
        world.clock.advance(Duration::from_secs(61));
        world.settle().await;
    }
    assert!(world.inbox().await >= inbox + 2, "notices are taken in while it is paused");
    assert_eq!(
        world.calls(),
        0,
        "nothing is read or written while it is paused: {:?}",
        world.stage.r.calls()
    );
    let waits = world.get("/status").await;
    assert_eq!((&waits["state"], &waits["waiting"]), (&json!("paused"), &json!(1)), "{waits}");

    let (status, answer) = world.call("POST", &format!("{path}/resume"), None).await;
    assert_eq!((status.as_u16(), &answer["state"]), (200, &json!("active")));
    world.settle().await;
    let (item, product) = world.pair(item);
    assert_eq!((item.stock[&1], product.quantity), (8, Some(8)));
    assert_eq!(item.online_price, Some(decimal("8.5")));
    assert_eq!(world.sql_count("select count(*) from inbox where handled_at is null").await, 0);
    world.check_laws().await;
}
