//! What any request may meet, whatever it asks for: no key, too little a key, nonsense, too much of it, too often, and a
//! database that is away. Every operation of the document answers each of them as it says there.

use concord::http::limits::Rates;
use serde_json::{Value, json};
use uuid::Uuid;

use super::document::DOCUMENT;
use super::{Answer, Api};
use crate::support::TOKEN;

/// An operation as the document has it, with an address whose ids name nothing.
struct Operation {
    method: String,
    path: String,
    documented: Value,
}

impl Operation {
    fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (template, operations) in DOCUMENT["paths"].as_object().unwrap() {
            for (method, documented) in operations.as_object().unwrap() {
                let nothing = Uuid::nil().to_string();
                let part = |part: &str| match part {
                    "{side}" => "r-series".to_owned(),
                    "{field}" => "name".to_owned(),
                    "{kind}" => "database".to_owned(),
                    part if part.starts_with('{') => nothing.clone(),
                    part => part.to_owned(),
                };
                let path = template.split('/').map(part).collect::<Vec<_>>().join("/");
                all.push(Self { method: method.to_ascii_uppercase(), path, documented: documented.clone() });
            }
        }
        assert!(all.len() > 40, "only {} operations were found", all.len());
        all
    }

    /// Those under `/v1/` whose document knows this status.
    fn with(status: u16) -> impl Iterator<Item = Self> {
        let knows = move |it: &Self| it.documented["responses"][status.to_string()].is_object();
        Self::all().into_iter().filter(move |it| it.path.starts_with("/v1/") && knows(it))
    }

    fn takes_body(&self) -> bool {
        self.documented["requestBody"].is_object()
    }

    async fn send(&self, api: &Api, headers: &[(&str, &str)], body: &str) -> Answer {
        let headers: Vec<(&str, String)> =
            headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        api.send_raw(&self.method, &self.path, &headers, body.to_owned()).await
    }

    #[track_caller]
    fn check(&self, answer: &Answer, status: u16) {
        assert_eq!(answer.status, status, "{} {}: {}", self.method, self.path, answer.text);
    }
}

const JSON: (&str, &str) = ("content-type", "application/json");

fn bearer() -> String {
    format!("Bearer {TOKEN}")
}

#[tokio::test]
async fn nobody_gets_in_without_a_key_or_with_too_little_a_one() {
    let api = Api::open().await;
    let (_, least) = api.key("least", &["read"]).await;
    for operation in Operation::with(401) {
        operation.check(&operation.send(&api, &[JSON], "{}").await, 401);
    }
    for operation in Operation::with(403) {
        let needs = operation.documented["security"][0]["bearer"][0].as_str().unwrap();
        assert_ne!(needs, "read", "every key may read, so {} refuses none", operation.path);
        operation.check(
            &operation.send(&api, &[("authorization", &format!("Bearer {least}")), JSON], "{}").await,
            403,
        );
    }
}

#[tokio::test]
async fn nonsense_is_refused_and_told_apart() {
    let api = Api::open().await;
    let token = ("authorization", &*bearer());
    for mut operation in Operation::with(400) {
        let answer = if operation.takes_body() {
            operation.send(&api, &[token, JSON], "{").await
        } else {
            operation.path += "?surprise=1";
            operation.send(&api, &[token], "").await
        };
        operation.check(&answer, 400);
    }
    for operation in Operation::with(415).filter(Operation::takes_body) {
        operation.check(&operation.send(&api, &[token, ("content-type", "text/plain")], "{}").await, 415);
    }
    let much = format!("{{\"surprise\": \"{}\"}}", "x".repeat(1 << 20));
    for operation in Operation::with(413) {
        let headers = [token, JSON, ("idempotency-key", &*operation.path)];
        // Where no body is taken, it is read for the sake of the key alone.
        let count = if operation.takes_body() { 2 } else { 3 };
        operation.check(&operation.send(&api, headers.get(..count).unwrap(), &much).await, 413);
    }
    for operation in Operation::with(422).filter(Operation::takes_body) {
        operation.check(&operation.send(&api, &[token, JSON], "[]").await, 422);
    }
    for operation in Operation::with(404).filter(|it| it.path.contains(&Uuid::nil().to_string())) {
        // A body that makes no sense may be told before an id that names nothing.
        if !operation.takes_body() {
            operation.check(&operation.send(&api, &[token], "").await, 404);
        }
    }
    let flags = json!({"enabled": true, "all": true}).to_string();
    let path = format!("/v1/connections/{}/products/mass-update", Uuid::nil());
    let headers = [("authorization", bearer()), ("content-type", "application/json".into())];
    api.send_raw("POST", &path, &headers, flags).await.expect(404);
}

/// One Idempotency-Key is one request: another one under it is refused, and so is the same while it is under way.
#[tokio::test]
async fn a_key_that_was_used_is_refused_by_every_operation_that_takes_one() {
    let api = Api::open().await;
    let token = bearer();
    let takes_key = |operation: &Operation| {
        let parameters = operation.documented["parameters"].as_array().cloned().unwrap_or_default();
        parameters.iter().any(|it| it["name"] == "Idempotency-Key")
    };
    let operations: Vec<Operation> = Operation::all().into_iter().filter(takes_key).collect();
    assert!(operations.len() > 15, "only {} operations take a key", operations.len());
    for (number, operation) in operations.iter().enumerate() {
        let body = if operation.takes_body() { "{}" } else { "" };
        let key = format!("used-{number}");
        let under = |key: &str| {
            vec![
                ("authorization", token.clone()),
                ("idempotency-key", key.to_owned()),
                ("content-type", JSON.1.into()),
            ]
        };
        let send = async |key: &str, body: &str| {
            api.send_raw(&operation.method, &operation.path, &under(key), body.to_owned()).await
        };
        send(&key, body).await;
        operation.check(&send(&key, "{\"another\": 1}").await, 422);
        api.world.sql("update answers set status = null, sealed = null").await;
        operation.check(&send(&key, body).await, 409);
        operation.check(&send("", body).await, 400);
    }
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let mut api = Api::open().await;
    let (_, key) = api.key("busy", &["admin"]).await;
    api.limited(Rates { per_key: 1, per_address: 1, refused_notices: 1, ..Rates::default() });
    let key = format!("Bearer {key}");
    let knows = |it: &Operation| it.documented["responses"]["429"].is_object();
    for operation in Operation::all().into_iter().filter(knows) {
        let mut status = 0;
        for _ in 0..3 {
            let headers = [("authorization", &*key), JSON];
            let answer = api.answer_to("192.0.2.9", &operation.method, &operation.path, &headers).await;
            status = answer.0;
            if status == 429 {
                let seconds = answer.1["retry-after"].to_str().unwrap().parse::<u32>().unwrap();
                assert!(seconds > 0, "{}", operation.path);
                break;
            }
        }
        assert_eq!(status, 429, "{} {}", operation.method, operation.path);
    }
}

#[tokio::test]
async fn every_operation_says_when_the_database_is_away() {
    let api = Api::with_a_mug().await;
    let web = api.world.stage.e.products().first().unwrap().id;
    api.world.stage.e.rename(web, "Not to be lost");
    api.world.store.close().await;
    // What cannot be written down is not acknowledged: the platform sends it again.
    let told = api.world.stage.deliver_due().await;
    assert_eq!(told.iter().map(|delivery| delivery.status).collect::<Vec<_>>(), [Some(503)]);
    let token = ("authorization", &*bearer());
    for operation in Operation::with(503) {
        let body = example(&operation.documented);
        let headers: &[(&str, &str)] = if body.is_empty() { &[token] } else { &[token, JSON] };
        let answer = operation.send(&api, headers, &body).await;
        operation.check(&answer, 503);
        assert!(!answer.header("retry-after").is_empty(), "{}", operation.path);
    }
}

/// A body that the operation takes.
fn example(documented: &Value) -> String {
    let content = &documented["requestBody"]["content"]["application/json"];
    let examples = content["examples"].as_object().and_then(|all| all.values().next());
    let body = examples.map(|one| one["value"].clone()).or_else(|| content.get("example").cloned());
    body.map(|body| body.to_string()).unwrap_or_default()
}
