//! What holds for every answer: ids, headers, methods, pages about problems, parameters that are known.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;

use super::Api;
use super::document::DOCUMENT;
use crate::support::TOKEN;

fn token() -> (&'static str, String) {
    ("authorization", format!("Bearer {TOKEN}"))
}

#[tokio::test]
async fn a_request_keeps_its_id_if_it_is_sane_and_gets_one_if_not() {
    let api = Api::open().await;
    let longest = "x".repeat(128);
    for id in ["a", "7f0c-11.b_", longest.as_str()] {
        let headers = [token(), ("x-request-id", id.to_owned())];
        let answer = api.send_raw("GET", "/v1/connections", &headers, String::new()).await;
        assert_eq!(answer.header("x-request-id"), id);
    }
    let mut made = BTreeSet::new();
    for id in ["", "a b", "a\"b", "<script>", "é", &"x".repeat(129)] {
        let headers = [("x-request-id", id.to_owned())];
        let answer = api.send_raw("GET", "/v1/connections", &headers, String::new()).await;
        let given = answer.header("x-request-id").to_owned();
        assert_ne!(given, id);
        assert_eq!(answer.json["instance"], format!("urn:concord:request:{given}"), "{}", answer.text);
        made.insert(given);
    }
    assert_eq!(made.len(), 6, "ids are not told apart");
}

#[tokio::test]
async fn every_answer_keeps_browsers_from_mischief() {
    let mut api = Api::open().await;
    for path in [
        "/",
        "/docs",
        "/problems",
        "/openapi.json",
        "/health/live",
        "/metrics",
        "/v1/connections",
        "/oauth/r-series/callback",
        "/nowhere",
    ] {
        let (status, _, headers) = api.world.raw("GET", path, &[token()], String::new()).await;
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("x-frame-options", "DENY"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(headers.get(name).map(|value| value.to_str().unwrap()), Some(value), "{path}: {name}");
        }
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(
            policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
            "{path}: {policy}"
        );
        assert!(!headers.contains_key("strict-transport-security"), "{path}: this service speaks HTTP");
        assert!(headers.contains_key("x-request-id"), "{path}");
        let expected = match path {
            "/nowhere" => 404,
            "/oauth/r-series/callback" => 400,
            _ => 200,
        };
        assert_eq!(status, expected, "{path}");
    }
    let desk = concord::cli::service::assemble(api.world.parts(7), "https://concord.test").unwrap().desk;
    api.world.app = concord::http::app(desk);
    let (_, _, headers) = api.world.raw("GET", "/", &[], String::new()).await;
    assert_eq!(headers["strict-transport-security"], "max-age=31536000");
}

#[tokio::test]
async fn methods_that_an_address_does_not_take_are_told_which_it_does() {
    let api = Api::with_a_mug().await;
    for (path, allowed) in [
        ("/v1/connections".to_owned(), "GET,HEAD,POST"),
        (api.at(""), "DELETE,GET,HEAD,PATCH"),
        (api.at("/pause"), "POST"),
        ("/health/live".to_owned(), "GET,HEAD"),
        ("/webhooks/e-series".to_owned(), "POST"),
    ] {
        for (method, status) in [("TRACE", 405), ("PUT", 405), ("OPTIONS", 204)] {
            let (got, text, headers) = api.world.raw(method, &path, &[token()], String::new()).await;
            assert_eq!(got, status, "{method} {path}: {text}");
            let mut told: Vec<&str> = headers["allow"].to_str().unwrap().split(',').map(str::trim).collect();
            told.sort_unstable();
            assert_eq!(told.join(","), allowed, "{method} {path}");
            if status == 405 {
                let problem: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(problem["type"], "/problems/method");
            }
        }
    }
    // A HEAD is a GET without its body, and asks for the same rights.
    let (status, text, headers) = api.world.raw("HEAD", &api.at(""), &[token()], String::new()).await;
    assert_eq!((status, text.as_str()), (200, ""));
    assert_eq!(headers["content-type"], "application/json");
    let (status, text, _) = api.world.raw("HEAD", &api.at(""), &[], String::new()).await;
    assert_eq!((status, text.as_str()), (401, ""));
    let (_, only_admins) = api.key("looks", &["read"]).await;
    let read = [("authorization", format!("Bearer {only_admins}"))];
    assert_eq!(api.world.raw("HEAD", "/v1/audit", &read, String::new()).await.0, 403);
}

/// A filter with a slip of the pen would list everything; each parameter of the document is taken.
#[tokio::test]
async fn parameters_that_are_not_known_are_refused_everywhere() {
    let api = Api::with_a_mug().await;
    let product = api.get("/products").await["items"][0]["id"].as_str().unwrap().to_owned();
    for (template, operations) in DOCUMENT["paths"].as_object().unwrap() {
        let operation = &operations["get"];
        if !template.starts_with("/v1/") || operation.is_null() {
            continue;
        }
        let path = template
            .replace("{connection_id}", &api.world.connection.to_string())
            .replace("{product_id}", &product);
        let path = path
            .split('/')
            .map(|part| if part.starts_with('{') { Uuid::nil().to_string() } else { part.to_owned() });
        let path = path.collect::<Vec<_>>().join("/");
        let answer = api.send("GET", &format!("{path}?lmit=1"), None).await;
        assert_eq!(answer.json["type"], "/problems/query", "{path}: {}", answer.text);
        answer.expect(400);
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "query" {
                let name = parameter["name"].as_str().unwrap();
                let answer = api.send("GET", &format!("{path}?{name}=1"), None).await;
                let unknown = answer.text.contains("there is no parameter");
                assert!(!unknown, "{path}: {name}: {}", answer.text);
            }
        }
    }
}

#[tokio::test]
async fn products_are_found_by_sku_text_and_state_and_paged() {
    let mut api = Api::open().await;
    for (name, sku) in [("Blue mug", "MUG-B"), ("Red mug", "MUG-R"), ("Plate", "PLATE")] {
        api.world.stage.r.create_item(crate::support::item(name, sku, "3", 1));
    }
    api.connect().await;
    api.world.settle().await;
    let names = async |query: &str| {
        let mut names: Vec<String> = Vec::new();
        for product in api.get(&format!("/products?{query}")).await["items"].as_array().unwrap() {
            names.push(product["name"].as_str().unwrap().to_owned());
        }
        names.sort();
        names
    };
    assert_eq!(names("sku=MUG-R").await, ["Red mug"]);
    assert_eq!(names("sku=MUG").await, Vec::<String>::new(), "a SKU is taken whole");
    assert_eq!(names("q=mUg").await, ["Blue mug", "Red mug"]);
    assert_eq!(names("q=plat&sku=PLATE&state=in_step").await, ["Plate"]);
    assert_eq!(names("state=conflict").await, Vec::<String>::new());
    assert_eq!(names("state=in_step").await.len(), 3);
    let first = api.get("/products?q=mug&limit=1").await;
    let next = first["next"].as_str().unwrap();
    let second = api.get(&format!("/products?q=mug&limit=1&cursor={next}")).await;
    assert_ne!(first["items"][0]["id"], second["items"][0]["id"]);
    assert_eq!(second["next"], json!(null));
}

#[tokio::test]
async fn a_problem_is_explained_at_the_address_in_its_type() {
    let api = Api::open().await;
    let answer = api.send("GET", &format!("/v1/connections/{}", Uuid::nil()), None).await;
    let address = answer.json["type"].as_str().unwrap();
    let explained = api.send_raw("GET", address, &[], String::new()).await;
    assert_eq!(explained.json["type"], address, "{}", explained.text);
    assert_eq!(explained.json["title"], answer.json["title"]);
    let accept = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8".to_owned());
    let page = api.send_raw("GET", address, std::slice::from_ref(&accept), String::new()).await;
    assert!(page.kind.starts_with("text/html") && page.text.contains("What to do"), "{}", page.text);
    assert!(page.text.contains("href=\"/docs\"") && page.text.contains("[hidden]"), "{}", page.text);
    let programs = ("accept", "application/json, text/html".to_owned());
    assert_eq!(api.send_raw("GET", address, &[programs], String::new()).await.kind, "application/json");
    let list = api.send_raw("GET", "/problems", &[], String::new()).await;
    for kind in list.json["items"].as_array().unwrap() {
        api.send_raw("GET", kind["type"].as_str().unwrap(), &[], String::new()).await.expect(200);
    }
    assert!(
        api.send_raw("GET", "/problems", &[accept], String::new()).await.text.contains("/problems/not-found")
    );
    api.send_raw("GET", "/problems/nonsense", &[], String::new()).await.expect(404);
}

/// The page of the document is one file: nothing is loaded from anywhere else.
#[tokio::test]
async fn the_document_can_be_browsed_without_anybody_else() {
    let api = Api::open().await;
    let (status, page, headers) = api.world.raw("GET", "/docs", &[], String::new()).await;
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "text/html; charset=utf-8"));
    assert!(!page.contains("http://") && !page.contains("https://"), "the page names another host");
    assert!(
        page.contains("[hidden]") && !page.contains("page.css */"),
        "the page lacks the style all pages share"
    );
    assert!(headers["content-security-policy"].to_str().unwrap().contains("connect-src 'self'"));
    let (_, served, _) = api.world.raw("GET", "/openapi.json", &[], String::new()).await;
    assert_eq!(serde_json::from_str::<Value>(&served).unwrap(), *DOCUMENT);
}

#[tokio::test]
async fn a_database_that_is_away_is_a_503_that_says_when_to_come_again() {
    let api = Api::with_a_mug().await;
    api.world.store.close().await;
    let answer = api.world.raw("GET", &api.at(""), &[token()], String::new()).await;
    let problem: Value = serde_json::from_str(&answer.1).unwrap();
    assert_eq!((answer.0, &problem["type"]), (503, &json!("/problems/database")), "{problem}");
    assert_eq!(answer.2["retry-after"], "5");
    // And who is not let in does not learn even that.
    assert_eq!(api.world.raw("GET", &api.at(""), &[], String::new()).await.0, 401);
    api.world.clock.advance(Duration::from_secs(1));
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_refused_and_told_why() {
    let mut api = Api::open().await;
    api.connect().await;
    let send = async |kind: &str, body: String| {
        let headers = [("authorization", format!("Bearer {TOKEN}")), ("content-type", kind.to_owned())];
        let answer = api.send_raw("PATCH", &api.at(""), &headers, body).await;
        assert_eq!(answer.kind, "application/problem+json", "{}", answer.text);
        assert_eq!(answer.json["type"], "/problems/body", "{}", answer.text);
        (answer.status, answer.json["detail"].as_str().unwrap().to_owned())
    };
    for (status, kind, body) in [
        (415, "text/plain", r#"{"name": "x"}"#.to_owned()),
        (400, "application/json", "{".to_owned()),
        (400, "application/json", String::new()),
        (422, "application/json", r#"{"name": 1}"#.to_owned()),
        (422, "application/json", r#"{"nmae": "x"}"#.to_owned()),
        (422, "application/json", r#"{"name": "x", "name": "y"}"#.to_owned()),
        (422, "application/json", r#"["x", null, null]"#.to_owned()),
        (422, "application/json", r#"{"settings": {"fields": {"price": [null, null]}}}"#.to_owned()),
        (422, "application/json", r#"{"settings": {"fields": {"prize": {}}}}"#.to_owned()),
        (413, "application/json", format!(r#"{{"name": "{}"}}"#, "x".repeat(1024 * 1024))),
    ] {
        let (found, detail) = send(kind, body.clone()).await;
        assert_eq!(found, status, "{detail}: {body:.80}");
    }
    let (_, detail) = send("application/json", r#"{"settings": {"caps": {"at_lest": 1}}}"#.into()).await;
    assert!(detail.contains("settings.caps") && detail.contains("at_least"), "{detail}");
    assert_eq!(api.get("").await["generation"], 1, "nothing was changed");
}
