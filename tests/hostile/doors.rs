//! Bytes that nobody would send in good faith, to every door and every address of the interface: refused in
//! order, never a broken answer, and nothing written.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use axum::body::Body;
use axum::http::{HeaderValue, Request};
use concord::ids::{GeneratedIds, Ids};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::support::{TOKEN, World};

/// Draws a fixed number of cases; the seed is printed, and `CONCORD_HOSTILE_SEED` replays it.
pub struct Draw {
    pub seed: u64,
    runner: TestRunner,
}

impl Draw {
    pub fn new() -> Self {
        let given = std::env::var("CONCORD_HOSTILE_SEED").ok().and_then(|text| text.parse().ok());
        let seed: u64 = given.unwrap_or_else(|| {
            let mut bytes = [0; 8];
            GeneratedIds::from_system().fill(&mut bytes);
            u64::from_le_bytes(bytes)
        });
        eprintln!("CONCORD_HOSTILE_SEED={seed}");
        let mut bytes = [0_u8; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        Self { seed, runner: TestRunner::new_with_rng(Config::default(), rng) }
    }

    pub fn one<S: Strategy>(&mut self, strategy: &S) -> S::Value {
        strategy.new_tree(&mut self.runner).unwrap().current()
    }
}

/// JSON that fits no type: deep, huge, null, of the wrong kind.
fn odd() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("null".to_owned()),
        Just("[]".to_owned()),
        Just("{}".to_owned()),
        Just("-0".to_owned()),
        Just("1e400".to_owned()),
        Just("1e-400".to_owned()),
        Just("9".repeat(400)),
        Just("18446744073709551616".to_owned()),
        Just("-9223372036854775809".to_owned()),
        Just("\"\\u0000\"".to_owned()),
        Just("\"\\ud800\"".to_owned()),
        Just("\"\u{202e}\u{feff}\"".to_owned()),
        Just(format!("{}{}", "[".repeat(127), "]".repeat(127))),
        Just(format!("{}{}", "[".repeat(100_000), "]".repeat(100_000))),
        Just(format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000))),
        (1_usize..200_000).prop_map(|length| format!("\"{}\"", "x".repeat(length))),
        any::<String>().prop_map(|text| json!(text).to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<f64>().prop_map(|number| json!(number).to_string()),
    ]
}

/// A valid body with something done to it.
fn mutated(valid: &Value) -> impl Strategy<Value = Vec<u8>> + use<> {
    let keys: Vec<String> = valid.as_object().unwrap().keys().cloned().collect();
    let text = valid.to_string();
    let (first, second, third) = (text.clone(), text.clone(), text);
    let object = valid.clone();
    prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..600),
        // Bits flipped.
        proptest::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6).prop_map(move |flips| {
            let mut bytes = first.clone().into_bytes();
            for (at, bit) in flips {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            bytes
        }),
        // Cut short.
        any::<prop::sample::Index>().prop_map(move |at| second.as_bytes()[..at.index(second.len())].to_vec()),
        // One field is something else.
        (proptest::sample::select(keys.clone()), odd()).prop_map(move |(key, odd)| {
            let mut fields: Vec<String> = Vec::new();
            for (name, value) in object.as_object().unwrap() {
                let value = if *name == key { odd.clone() } else { value.to_string() };
                fields.push(format!("{}:{value}", json!(name)));
            }
            format!("{{{}}}", fields.join(",")).into_bytes()
        }),
        // One field twice.
        (proptest::sample::select(keys), odd()).prop_map(move |(key, odd)| {
            let rest = third.trim_start_matches('{');
            format!("{{{}:{odd},{rest}", json!(key)).into_bytes()
        }),
        odd().prop_map(String::into_bytes),
    ]
}

/// Sends; the answer must be in order. Returns the status.
async fn send(world: &World, case: &str, request: Request<Body>) -> u16 {
    let response = world.app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get("content-type").map(|kind| kind.to_str().unwrap().to_owned());
    let again = response.headers().contains_key("retry-after");
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
    let text = String::from_utf8_lossy(&bytes);
    // Credentials are tried, and a platform allows so many renewals in a row.
    let away = status == 503 && case.contains("POST /v1/connections,") && text.contains("/problems/platform");
    if away {
        world.clock.advance(std::time::Duration::from_secs(15));
    }
    assert!(status < 500 || away && again, "{case}: {status} {text}");
    if status >= 400 {
        assert_eq!(kind.as_deref(), Some("application/problem+json"), "{case}: {status} {text}");
        let problem: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(problem["status"], status, "{case}");
        assert!(bytes.len() < 4_096, "{case}: the answer is {} bytes", bytes.len());
    }
    status
}

async fn rows(world: &World) -> Vec<i64> {
    let mut rows = Vec::new();
    for table in ["inbox", "dirty", "strays", "connections", "links", "ledger"] {
        rows.push(world.sql_count(&format!("select count(*) from {table}")).await);
    }
    rows
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(300).collect()
}

#[tokio::test]
async fn the_doors_take_nothing_that_is_not_genuine() {
    let world = World::with_a_mug().await;
    let mut draw = Draw::new();
    let before = rows(&world).await;
    let now = concord::clock::Clock::now(&world.clock).timestamp();
    let e = json!({"eventId": "e", "eventCreated": now, "storeId": 1003, "entityId": 5, "eventType": "product.updated"});
    let r = json!({"type": "item.update", "payload": {"itemID": "1"}});
    let (e_bodies, r_bodies) = (mutated(&e), mutated(&r));
    let signature = proptest::collection::vec(any::<u8>(), 0..100);
    let words = proptest::sample::select(vec![
        "",
        "=",
        ",",
        "signature=,algorithm=HMAC-SHA256",
        "signature=00,algorithm=HMAC-SHA256",
        "AAAA",
        "====",
        "signature=é,algorithm=HMAC-SHA256",
    ]);
    for case in 0..600 {
        let e_door = case % 2 == 0;
        let body = if e_door { draw.one(&e_bodies) } else { draw.one(&r_bodies) };
        let header = if case % 3 == 0 { draw.one(&signature) } else { draw.one(&words).as_bytes().to_vec() };
        let path = if e_door {
            "/webhooks/e-series".to_owned()
        } else {
            format!("/webhooks/r-series/{}", world.connection)
        };
        let mut request = Request::post(path)
            .header("content-type", if case % 5 == 0 { "application/json" } else { "x/y" });
        if let Ok(value) = HeaderValue::from_bytes(&header) {
            let name = if e_door { "x-ecwid-webhook-signature" } else { "x-signature" };
            request = request.header(name, value);
        }
        let name = format!("seed {}, case {case}: {}", draw.seed, shown(&body));
        let status = send(&world, &name, request.body(Body::from(body)).unwrap()).await;
        assert!(matches!(status, 400 | 401 | 413), "{name}: {status}");
    }
    assert_eq!(rows(&world).await, before, "seed {}: something was written", draw.seed);
}

#[tokio::test]
async fn genuine_signatures_over_nonsense_break_nothing() {
    let world = World::with_a_mug().await;
    let mut draw = Draw::new();
    let bodies = mutated(&json!({"type": "item.update", "payload": {"itemID": "1"}}));
    let ids = proptest::collection::vec(any::<u8>(), 0..260);
    world.clear_calls();
    for case in 0..300 {
        let body = draw.one(&bodies);
        let signature = concord::sandbox::relay::signature(&world.r_secret, &body);
        let path = format!("/webhooks/r-series/{}", world.connection);
        let kind = if case % 3 == 0 { "application/x-www-form-urlencoded" } else { "application/json" };
        let mut request = Request::post(path).header("content-type", kind).header("x-signature", signature);
        if let Ok(id) = HeaderValue::from_bytes(&draw.one(&ids)) {
            request = request.header("x-delivery-id", id);
        }
        let name = format!("seed {}, case {case}: {}", draw.seed, shown(&body));
        send(&world, &name, request.body(Body::from(body)).unwrap()).await;
    }
    world.settle().await;
    assert_eq!(world.writes(), 0, "seed {}: nonsense led to a write", draw.seed);
}

#[tokio::test]
async fn bodies_of_the_interface_are_refused_in_order() {
    let world = World::with_a_mug().await;
    let mut draw = Draw::new();
    let connection = format!("/v1/connections/{}", world.connection);
    let new = world.credentials();
    let change = json!({"name": "x", "plan": "business", "settings": {"fields": {"price": {"way": "both"}}}});
    let nested = |part: &str| {
        let inner = mutated(&new[part]);
        let (new, part) = (new.clone(), part.to_owned());
        inner.prop_map(move |bytes| {
            let mut text = format!("{{\"name\":\"x\",\"{part}\":").into_bytes();
            text.extend(bytes);
            let other = if part == "r_series" { "e_series" } else { "r_series" };
            text.extend(format!(",\"{other}\":{}}}", new[other]).into_bytes());
            text
        })
    };
    let cases: Vec<(&str, String, BoxedStrategy<Vec<u8>>)> = vec![
        ("POST", "/v1/connections".into(), mutated(&new).boxed()),
        ("POST", "/v1/connections".into(), nested("r_series").boxed()),
        ("POST", "/v1/connections".into(), nested("e_series").boxed()),
        ("PATCH", connection.clone(), mutated(&change).boxed()),
        ("POST", format!("{connection}/syncs"), mutated(&json!({"mode": "apply"})).boxed()),
    ];
    for turn in 0..80 {
        for (method, path, bodies) in &cases {
            let body = draw.one(bodies);
            let request = Request::builder()
                .method(*method)
                .uri(path)
                .header("authorization", format!("Bearer {TOKEN}"))
                .header("content-type", "application/json");
            let name = format!("seed {}, {method} {path}, turn {turn}: {}", draw.seed, shown(&body));
            send(&world, &name, request.body(Body::from(body)).unwrap()).await;
        }
    }
    for name in ["\0", "a\0b", " ", "\u{7}", &"x".repeat(201), &"x".repeat(500_000)] {
        let (status, answer) = world.call("PATCH", &connection, Some(json!({"name": name}))).await;
        assert_eq!(status, 422, "{answer}");
    }
    let large = json!({"name": "x".repeat(concord::http::LARGEST_REST_BODY)});
    assert_eq!(world.call("PATCH", &connection, Some(large)).await.0, 413);
}

#[tokio::test]
async fn paths_and_parameters_are_refused_in_order() {
    let world = World::with_a_mug().await;
    let mut draw = Draw::new();
    let id = world.connection.to_string();
    let paths = [
        "",
        "/status",
        "/products",
        "/ledger",
        "/conflicts",
        "/parked",
        "/syncs",
        "/products/{x}",
        "/products/{x}/plan",
        "/syncs/{x}",
        "/syncs/{x}/events",
        "/products/{x}/sync",
        "/parked/{x}/retry",
        "/pause",
        "/resume",
    ];
    let parameters =
        ["cursor", "limit", "q", "sku", "state", "origin", "side", "field", "product_id", "surprise"];
    let values = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..80),
        any::<String>().prop_map(String::into_bytes),
        any::<i64>().prop_map(|number| number.to_string().into_bytes()),
        Just(vec![b'x'; 6_000]),
        Just(b"%".to_vec()),
        Just(id.clone().into_bytes()),
        Just(b"00000000-0000-0000-0000-000000000000".to_vec()),
        Just(b"'; drop table inbox; --".to_vec()),
        Just("𝒳\u{0}".as_bytes().to_vec()),
    ];
    let encode = |bytes: &[u8]| {
        percent_encoding::percent_encode(bytes, percent_encoding::NON_ALPHANUMERIC).to_string()
    };
    for case in 0..1_500 {
        let bytes = draw.one(&values);
        let odd = encode(&bytes);
        let path = draw.one(&proptest::sample::select(paths.to_vec()));
        let whose = if case % 4 == 0 { odd.clone() } else { id.clone() };
        let mut uri = format!("/v1/connections/{whose}{}", path.replace("{x}", &odd));
        if case % 2 == 0 {
            let name = draw.one(&proptest::sample::select(parameters.to_vec()));
            // Raw as well: a broken escape is a value too.
            let value = if case % 3 == 0 { format!("{odd}%") } else { odd.clone() };
            uri = format!("{uri}?{name}={value}&{name}={odd}");
        }
        // Forgetting or pausing the connection is asked for by others.
        let method = if path.ends_with("sync") || path.ends_with("retry") { "POST" } else { "GET" };
        let request =
            Request::builder().method(method).uri(&uri).header("authorization", format!("Bearer {TOKEN}"));
        let Ok(request) = request.body(Body::empty()) else { continue };
        let name = format!("seed {}, case {case}: {method} {uri:.400}", draw.seed);
        send(&world, &name, request).await;
    }
}
