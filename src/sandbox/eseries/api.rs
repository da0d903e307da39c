//! The doors of the API: from HTTP to one call and back, and which call does what (sections 1 to 4 of the
//! E-Series reference).

use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::access::require;
use super::refusal::{Answer, Content, Refusal};
use super::store::{Saving, Store};
use super::values::{Keep, Query};
use super::{Call, ESeriesSandbox, batch, categories, fetch, images, profile, search, variations};
use crate::clock::Instant;

/// The largest body that is read: an image of 20 MB (section 6.2) and some more.
pub(super) const LARGEST_BODY: usize = 25 << 20;

/// How many calls are remembered; a sandbox may be left running for long.
const MOST_CALLS: usize = 100_000;

/// One call of the API, direct or from inside a batch.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub method: Method,
    /// The path behind the store id, decoded.
    pub segments: Vec<String>,
    pub query: Query,
    pub payload: Payload,
    /// What stands at the addresses of pictures that it names.
    pub fetched: fetch::Fetches,
}

/// The body of a call.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    None,
    Json(Value),
    /// Not JSON though it says so.
    Malformed,
    /// Of another type than JSON, as pictures are.
    Foreign {
        kind: String,
        bytes: Bytes,
    },
}

impl Wanted {
    /// The body's fields.
    pub fn object(&self) -> Result<&Map<String, Value>, Refusal> {
        match &self.payload {
            Payload::Json(Value::Object(fields)) => Ok(fields),
            Payload::Foreign { .. } => Err(Refusal::new(415, None, "Unsupported media type")),
            Payload::None | Payload::Json(_) | Payload::Malformed => {
                Err(Refusal::wrong_parameter("Request body is not a valid JSON object"))
            }
        }
    }

    /// The body of a change of stock (section 7).
    pub fn delta(&self) -> Result<i64, Refusal> {
        let delta = self.object()?.get("quantityDelta").and_then(Value::as_i64);
        delta.ok_or_else(|| Refusal::wrong_parameter("Wrong parameter 'quantityDelta' value"))
    }
}

/// The path's segments, decoded the way a query string is: a `+` is a space (section 1.1).
pub(super) fn segments(path: &str) -> Vec<String> {
    let decode = |segment: &str| {
        percent_encoding::percent_decode_str(&segment.replace('+', " ")).decode_utf8_lossy().into_owned()
    };
    path.split('/').filter(|segment| !segment.is_empty()).map(decode).collect()
}

/// Answers every request: the API's, and the two OAuth pages.
pub(super) async fn answer(State(sandbox): State<ESeriesSandbox>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let fetched = fetched(&sandbox, &parts, &bytes).await;
    let now = sandbox.clock.now();
    sandbox.with(|store| serve(store, &parts, &bytes, fetched, now))
}

/// The CDN: a picture as it was uploaded, and its copies. None of the API's calls.
pub(super) async fn picture(State(sandbox): State<ESeriesSandbox>, request: Request) -> Response {
    let (bytes, answer) =
        sandbox.settled(|store, _| (store.on_cdn(request.uri().path()), store.config.habits.pictures_answer));
    let answer = answer.and_then(|status| StatusCode::from_u16(status).ok());
    match (answer, bytes) {
        (Some(status), _) => status.into_response(),
        (None, Some(bytes)) => ([(header::CONTENT_TYPE, "image/*")], bytes.to_vec()).into_response(),
        (None, None) => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Fetches what a call will want, if it may call at all.
async fn fetched(sandbox: &ESeriesSandbox, parts: &Parts, bytes: &Bytes) -> fetch::Fetches {
    let path = segments(parts.uri.path());
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let ["api", "v3", _, path @ ..] = path.as_slice() else { return fetch::Fetches::default() };
    let may_name_some = matches!(path, ["batch"] | [.., "image" | "gallery" | "async" | "media"]);
    if parts.method.is_safe() || !may_name_some {
        return fetch::Fetches::default();
    }
    let body = serde_json::from_slice::<Value>(bytes).ok();
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    let mut addresses = fetch::addresses(parts.method.as_str(), path, &query, body.as_ref());
    sandbox.with(|store| {
        let may_call = bearer(parts).is_some_and(|token| store.access.scopes(token).is_ok());
        let habits = &store.config.habits;
        let needs_https = habits.external_urls_need_https;
        // The asynchronous calls take any URL (section 6.2).
        let is_async = path.last() == Some(&"async") || path == ["batch"];
        let fetches = may_call && habits.external_urls_are_fetched;
        addresses.retain(|it| fetches && fetch::is_usable(it, needs_https && !is_async));
    });
    if addresses.is_empty() {
        return fetch::Fetches::default();
    }
    fetch::all(sandbox.fetcher.get_or_init(fetch::client).as_ref(), addresses).await
}

fn bearer(parts: &Parts) -> Option<&str> {
    let header = parts.headers.get(header::AUTHORIZATION).and_then(|it| it.to_str().ok());
    header.and_then(|it| it.strip_prefix("Bearer "))
}

fn serve(store: &mut Store, parts: &Parts, bytes: &Bytes, fetched: fetch::Fetches, now: Instant) -> Response {
    let query = parts.uri.query().unwrap_or_default();
    let path = segments(parts.uri.path());
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let body = serde_json::from_slice(bytes).ok();
    let response = match (path.as_slice(), parts.method.as_str()) {
        (["api", "oauth", "authorize"], "GET") => match store.authorize_page(&Query::parse(query), now) {
            Ok(to) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
            Err(refusal) => render(refusal.into_answer(store.config.habits.error_bodies)),
        },
        (["api", "oauth", "token"], "GET") => render(store.exchange(&Query::parse(query), now)),
        (["api", "oauth", "token"], "POST") => {
            render(store.exchange(&Query::parse(&String::from_utf8_lossy(bytes)), now))
        }
        (["api", "v3", store_id, rest @ ..], _) => {
            let wanted = Wanted {
                method: parts.method.clone(),
                segments: rest.iter().map(|segment| (*segment).to_owned()).collect(),
                query: Query::parse(query),
                payload: payload(parts, bytes, body.clone()),
                fetched,
            };
            render(call(store, parts, store_id, &wanted, now))
        }
        _ => render(Refusal::no_such_path().into_answer(store.config.habits.error_bodies)),
    };
    if store.calls.len() >= MOST_CALLS {
        store.calls.pop_front();
    }
    store.calls.push_back(Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        // A token exchange's query holds the app's secret.
        query: if path.starts_with(&["api", "oauth"]) { String::new() } else { query.to_owned() },
        body,
        status: response.status().as_u16(),
        at: now,
    });
    response
}

fn payload(parts: &Parts, bytes: &Bytes, body: Option<Value>) -> Payload {
    let kind =
        parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let is_json = ["application/json", "text/json"].iter().any(|it| kind.eq_ignore_ascii_case(it));
    match (bytes.is_empty(), is_json, body) {
        (true, _, _) => Payload::None,
        (false, false, _) => Payload::Foreign { kind: kind.to_ascii_lowercase(), bytes: bytes.clone() },
        (false, true, Some(body)) => Payload::Json(body),
        (false, true, None) => Payload::Malformed,
    }
}

/// One direct call: the token, the limit, then the call itself.
fn call(store: &mut Store, parts: &Parts, store_id: &str, wanted: &Wanted, now: Instant) -> Answer {
    store.settle(now);
    let admitted = admit(store, parts, store_id, now);
    match admitted {
        Ok(token) => carry_out(store, &token, wanted, now),
        Err(refusal) => refusal.into_answer(store.config.habits.error_bodies),
    }
}

fn admit(store: &mut Store, parts: &Parts, store_id: &str, now: Instant) -> Result<String, Refusal> {
    // `?token=` no longer works (section 1.2), and a token belongs to one store.
    let token = bearer(parts).ok_or_else(Refusal::bad_token)?;
    store.access.scopes(token)?;
    if store_id.parse() != Ok(store.config.store_id) {
        return Err(Refusal::bad_token());
    }
    let block = Duration::from_secs(store.config.habits.long_block_seconds.into());
    store.access.count(token, store.config.requests_per_minute, block, now)?;
    Ok(token.to_owned())
}

/// Carries out one call for a token, direct or from inside a batch, and counts it if it wrote.
pub(super) fn carry_out(store: &mut Store, token: &str, wanted: &Wanted, now: Instant) -> Answer {
    let answer = match dispatch(store, token, wanted, now) {
        Ok(answer) => answer,
        Err(refusal) => refusal.into_answer(store.config.habits.error_bodies),
    };
    // A batch counts by what is in it.
    let is_batch = wanted.segments.first().is_some_and(|first| first == "batch");
    store.writes += usize::from(answer.status < 300 && !wanted.method.is_safe() && !is_batch);
    answer
}

fn dispatch(store: &mut Store, token: &str, wanted: &Wanted, now: Instant) -> Result<Answer, Refusal> {
    let scopes = store.access.scopes(token)?;
    if store.config.habits.suspended {
        return Err(Refusal::new(402, "STORE_IS_SUSPENDED", "Store is suspended"));
    }
    if !store.config.habits.plan_has_api {
        let code = "NOT_AVAILABLE_ON_CURRENT_PLAN";
        return Err(Refusal::new(402, code, "API is not available on the current plan"));
    }
    let path: Vec<&str> = wanted.segments.iter().map(String::as_str).collect();
    let query = &wanted.query;
    let body = match (path.as_slice(), wanted.method.as_str()) {
        (["products", rest @ ..], method) => return products(store, &scopes, rest, method, wanted, now),
        (["categories", rest @ ..], method) => {
            if let Some(body) = images::call(store, &scopes, "categories", rest, wanted, now)? {
                return Ok(Answer::ok(body));
            }
            return categories::call(store, &scopes, rest, method, wanted, now);
        }
        (["categoriesByPath"], "GET") => {
            require(&scopes, &["read_catalog"])?;
            categories::by_path(store, query, now)?
        }
        (["profile"], "GET") => profile::profile(store, &scopes, query)?,
        (["latest-stats"], "GET") => profile::latest_stats(store, query)?,
        (["batch"], "GET") => return batch::get(store, query, now),
        (["batch"], "POST") => {
            if let Payload::Foreign { .. } = wanted.payload {
                return Err(Refusal::new(415, None, "Unsupported media type"));
            }
            return batch::post(store, token, wanted, now);
        }
        (["batch", "cancel-group"], "POST") => return batch::cancel_group(store, query, now),
        (["categoriesByPath" | "profile" | "latest-stats" | "batch"], _) => {
            return Err(Refusal::method_not_allowed());
        }
        _ => return Err(Refusal::no_such_path()),
    };
    Ok(Answer::ok(body))
}

fn products(
    store: &mut Store,
    scopes: &[String],
    path: &[&str],
    method: &str,
    wanted: &Wanted,
    now: Instant,
) -> Result<Answer, Refusal> {
    if let Some(body) = images::call(store, scopes, "products", path, wanted, now)? {
        return Ok(Answer::ok(body));
    }
    // Update and delete need the right to read as well (section 1.4).
    match method {
        "GET" => require(scopes, &["read_catalog"])?,
        "POST" => require(scopes, &["create_catalog"])?,
        _ => require(scopes, &["read_catalog", "update_catalog"])?,
    }
    store.admit_writes(method)?;
    let query = &wanted.query;
    let body = match (path, method) {
        ([], "GET") => search::products(store, query, now)?,
        ([], "POST") => json!({"id": store.create(wanted.object()?, saving(query)?, now)?}),
        ([], "DELETE") => {
            require(scopes, &["update_catalog_batch_delete"])?;
            for id in store.products.keys().copied().collect::<Vec<_>>() {
                store.delete(id, now)?;
            }
            return Ok(Answer { status: 202, body: Content::Empty, retry_after: None });
        }
        (["deleted"], "GET") => search::deleted(store, query, now)?,
        ([id], "GET") => {
            let keep = Keep::of(query)?;
            let record = store.wire(product_id(id)?)?;
            keep.map_or_else(|| record.clone(), |keep| keep.cut(record.clone()))
        }
        ([id], "PUT") => update(store, product_id(id)?, wanted, now)?,
        ([id], "DELETE") => {
            let deleted = store.delete(product_id(id)?, now);
            store.delete_count(deleted)?
        }
        ([id, "inventory"], "PUT") => {
            let id = product_id(id)?;
            store.product(id)?;
            moved_stock(store.move_stock(id, wanted.delta()?, now)?)
        }
        ([id, "combinations", rest @ ..], method) => {
            variations::call(store, product_id(id)?, rest, method, wanted, now)?
        }
        ([] | [_] | [_, "inventory"], _) => return Err(Refusal::method_not_allowed()),
        _ => return Err(Refusal::no_such_path()),
    };
    Ok(Answer::ok(body))
}

impl Store {
    /// While an import runs nothing of the catalogue is written (section 2.2).
    pub fn admit_writes(&self, method: &str) -> Result<(), Refusal> {
        if method != "GET" && self.config.habits.import_running {
            return Err(Refusal::new(449, None, "Catalog is locked: an import is running. Try again later"));
        }
        Ok(())
    }

    /// The answer to a DELETE; that of an unknown id is a habit.
    pub fn delete_count(&self, deleted: Result<(), Refusal>) -> Result<Value, Refusal> {
        match deleted {
            Err(refusal) if refusal.status != 404 || self.config.habits.delete_unknown_is_404 => Err(refusal),
            other => Ok(json!({"deleteCount": i32::from(other.is_ok())})),
        }
    }
}

/// What a save takes along.
fn saving(query: &Query) -> Result<Saving, Refusal> {
    Ok(Saving {
        combinations: query.is_on("saveCombinations")?,
        rebuild: query.is_on("rebuildVariationsOnOptionsUpdate")?,
        backwards: false,
    })
}

fn product_id(text: &str) -> Result<i64, Refusal> {
    text.parse().map_err(|_| Refusal::wrong_parameter("Wrong parameter 'productId' value"))
}

fn update(store: &mut Store, id: i64, wanted: &Wanted, now: Instant) -> Result<Value, Refusal> {
    let keep = Keep::of(&wanted.query)?;
    let return_item = wanted.query.is_on("returnItem")?;
    store.product(id)?;
    let updated = store.update(id, wanted.object()?, saving(&wanted.query)?, now)?;
    let mut body = json!({"updateCount": i32::from(updated)});
    if let (true, Some(fields)) = (return_item, body.as_object_mut()) {
        let item = store.wire(id)?;
        let item = match keep.as_ref().and_then(|keep| keep.inside("item")) {
            Some(keep) => keep.cut(item),
            None => item,
        };
        fields.insert("item".to_owned(), item);
    }
    Ok(body)
}

/// The answer to a change of stock: nothing is moved where it is unlimited, and below zero there is a warning
/// (section 7).
pub(super) fn moved_stock(after: Option<i64>) -> Value {
    match after {
        None => json!({"updateCount": 0}),
        Some(stock) if stock < 0 => json!({"updateCount": 1, "warning": "Product has negative stock."}),
        Some(_) => json!({"updateCount": 1}),
    }
}

fn render(answer: Answer) -> Response {
    let (kind, body) = match answer.body {
        Content::Json(body) => ("application/json;charset=UTF-8", body.to_string()),
        Content::Html(body) => ("text/html;charset=UTF-8", body),
        Content::Empty => ("", String::new()),
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if !kind.is_empty() {
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    if let Some(seconds) = answer.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}
