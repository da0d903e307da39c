//! The way of one HTTP request: OAuth or API, bearer, limits, route, answer.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::image::FOLDER;
use super::limits;
use super::oauth::OAuthAnswer;
use super::query::Query;
use super::render::{many, text};
use super::resource::Which;
use super::routes::{Target, check_scope, target};
use super::state::State;
use super::upload::Upload;
use super::{Call, Inner};
use crate::clock::Instant;

/// More than any image is assumed to have (section 4.6).
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Answers everything the platform serves.
pub(super) async fn serve(Shared(inner): Shared<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, LARGEST_BODY).await.unwrap_or_default();
    inner.change(|state, now| state.answer(now, &parts, &body))
}

impl State {
    fn answer(&mut self, now: Instant, parts: &request::Parts, body: &[u8]) -> Response {
        let path = parts.uri.path();
        let query_text = parts.uri.query().unwrap_or_default();
        let query = Query::parse(query_text);
        let is_oauth = path.starts_with("/auth/oauth/");
        if let Some(rest) = path.strip_prefix(FOLDER) {
            // Another server of the vendor's: no call of the API.
            return self.image_response(&parts.method, rest);
        }
        let upload = Upload::parse(&parts.headers, body, self.habits().image_parts_in_any_order);
        let payload: Option<Value> = serde_json::from_slice(body).ok();
        let data = || upload.as_ref().ok().map(|upload| Value::Object(upload.data.clone()));
        let payload = payload.or_else(data);
        self.asked_at = now;
        let (response, refused, drips) = if is_oauth {
            let answer = self.oauth(now, &parts.method, path, &query, body);
            (oauth_response(&answer), false, 0.0)
        } else {
            self.api(now, parts, &query, body, payload.as_ref(), upload)
        };
        let status = response.status();
        let call = Call {
            method: parts.method.to_string(),
            path: path.to_owned(),
            query: query_text.to_owned(),
            // Bodies of OAuth requests hold secrets.
            body: if is_oauth { Value::Null } else { payload.unwrap_or_default() },
            status: status.as_u16(),
            drips,
            at: now,
        };
        let wrote = !is_oauth && !refused && !parts.method.is_safe() && status.is_success();
        self.remember(call, wrote);
        response
    }

    /// An API request; says also whether it was refused, and what it cost.
    fn api(
        &mut self,
        now: Instant,
        parts: &request::Parts,
        query: &Query,
        body: &[u8],
        payload: Option<&Value>,
        upload: Result<Upload, Refusal>,
    ) -> (Response, bool, f64) {
        let authorization = parts.headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let scope = match self.admit(now, authorization) {
            Ok(scope) => scope,
            Err(hint) => {
                // Nobody's bucket: the account is not known yet.
                let headers = self.limits.look(now);
                return (self.unauthorized(hint, &headers), true, 0.0);
            }
        };
        let target = target(parts.uri.path(), self.config.account_id);
        let (resource, single) = match &target {
            Ok(Target::Collection(resource, _)) => (Some(*resource), false),
            Ok(Target::Record(resource, ..)) => (Some(*resource), true),
            _ => (None, true),
        };
        let cost =
            limits::cost(&parts.method, resource, single, query, payload.unwrap_or_default(), self.habits());
        let verdict = self.limits.meet(now, cost);
        if let Some((limiter, wait)) = &verdict.blocked {
            let said = if *limiter == "api-burst-limiter" {
                "Burst rate limit exceeded"
            } else {
                "Rate limit exceeded"
            };
            let refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, said);
            let mut response = self.refused(&refusal, &verdict.headers);
            put(&mut response, "X-LS-API-RateLimit-Type", limiter);
            put(&mut response, "Retry-After", wait);
            return (response, true, 0.0);
        }
        let answer = check_format(parts.uri.path(), &parts.headers)
            .and(target)
            .and_then(|target| check_scope(target, &parts.method, &scope, self).map(|()| target))
            .and_then(|target| match target {
                Target::Collection(resource, _)
                    if parts.method == Method::POST && resource.which == Which::Image =>
                {
                    Ok((target, upload?))
                }
                Target::Collection(..) if parts.method == Method::POST => {
                    Ok((target, Upload { data: object(body, payload)?, ..Upload::default() }))
                }
                Target::Record(..) if parts.method == Method::PUT => {
                    Ok((target, Upload { data: object(body, payload)?, ..Upload::default() }))
                }
                _ => Ok((target, Upload::default())),
            })
            .and_then(|(target, body)| self.carry_out(now, parts, query, target, &body));
        match answer {
            Ok(body) => {
                let text = text(&body, query.pretty(), self.habits());
                let drips = verdict.drips;
                (self.response(StatusCode::OK, "application/json", text, &verdict.headers), false, drips)
            }
            Err(refusal) => (self.refused(&refusal, &verdict.headers), true, verdict.drips),
        }
    }

    /// The bytes of an image, without a token.
    fn image_response(&mut self, method: &Method, rest: &str) -> Response {
        let (status, content_type, bytes) = match self.fetch_image(rest) {
            _ if !method.is_safe() => (405, "text/plain", Vec::new()),
            Ok(file) => (200, file.content_type.as_str(), file.bytes.clone()),
            Err(status) => (status, "text/plain", Vec::new()),
        };
        let mut response = Response::new(Body::from(bytes));
        put(&mut response, "Content-Type", content_type);
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        response
    }

    /// Must be asked for without filters (section 1.1).
    pub(super) fn accounts(&self, query: &Query) -> Result<Value, Refusal> {
        if !query.is_empty() {
            return Err(Refusal::bad("Account takes no parameters."));
        }
        let id = self.config.account_id;
        let account = json!({
            "accountID": id.to_string(),
            "name": "Sandbox",
            "link": { "@attributes": { "href": format!("/API/V3/Account/{id}") } },
        });
        Ok(json!({ "@attributes": { "count": "1" }, "Account": many(vec![account], self.habits()) }))
    }

    /// Without a wrapper (section 1.4).
    pub(super) fn account(&self) -> Value {
        json!({
            "@attributes": { "systemCustomerID": self.config.account_id.to_string() },
            "status": "active",
            "name": "Sandbox",
            "employeeCount": "1",
            "employeeLimit": "5",
            "uniqueSubscriptionIdentifier": format!("sandbox-{}", self.config.account_id),
            "defaultCurrency": { "code": "EUR", "symbol": "€" },
            "purchasingCurrencies": {
                "purchasingCurrency": { "code": "EUR", "symbol": "€", "rate": "1" },
            },
        })
    }

    pub(super) fn session(&self) -> Value {
        json!({
            "sessionID": "sandbox",
            "sessionCookie": "",
            "employeeID": "1",
            "systemCustomerID": self.config.account_id.to_string(),
            "systemUserID": "1",
            "systemAPIClientID": "1",
            "systemAPIKeyID": "0",
            "ecomUrl": "",
            "shopCount": self.shops.len().to_string(),
            "Employee": { "employeeID": "1", "firstName": "Sandbox", "lastName": "Owner" },
            "Rights": { "inventory": "true" },
        })
    }

    /// The second shape of section 1.11.
    fn unauthorized(&self, hint: &str, headers: &[(&'static str, String)]) -> Response {
        let body = json!({
            "error": "access_denied",
            "error_description": "The resource owner or authorization server denied the request.",
            "hint": hint,
        });
        let text = text(&body, false, self.habits());
        let mut response = self.response(StatusCode::UNAUTHORIZED, "application/json", text, headers);
        put(&mut response, "WWW-Authenticate", "Basic realm=\"MerchantOS API\"");
        response
    }

    fn refused(&self, refusal: &Refusal, headers: &[(&'static str, String)]) -> Response {
        let html = self.habits().errors_labelled_html;
        let label = if html { "text/html; charset=UTF-8" } else { "application/json" };
        self.response(refusal.status, label, text(&refusal.body(), false, self.habits()), headers)
    }

    /// Every answer carries the headers of section 1.12.
    fn response(
        &self,
        status: StatusCode,
        content_type: &str,
        text: String,
        headers: &[(&'static str, String)],
    ) -> Response {
        let mut response = Response::new(Body::from(text));
        *response.status_mut() = status;
        put(&mut response, "Content-Type", content_type);
        put(&mut response, "X-LS-Acct-Id", &self.config.account_id.to_string());
        put(&mut response, "X-LS-OAuth-Client-Id", &self.config.client_id);
        put(&mut response, "X-LS-Shard-Id", "1");
        for (name, value) in headers {
            put(&mut response, name, value);
        }
        response
    }
}

fn put(response: &mut Response, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        response.headers_mut().insert(name, value);
    }
}

/// Plain JSON, not the serializer of the resources.
fn oauth_response(answer: &OAuthAnswer) -> Response {
    let text = if answer.body.is_null() { String::new() } else { answer.body.to_string() };
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = answer.status;
    put(&mut response, "Content-Type", "application/json");
    if let Some(location) = &answer.location {
        put(&mut response, "Location", location);
    }
    response
}

/// JSON by the suffix or by `Accept`, which wins; everything else would be XML (section 1.2).
fn check_format(path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let asked = accept.split(',').find_map(|part| {
        match part.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/json" => Some(true),
            "application/xml" | "text/xml" | "application/vnd.merchantos.pos-v1+xml" => Some(false),
            _ => None,
        }
    });
    if asked.unwrap_or_else(|| path.strip_suffix(".json").is_some()) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::NOT_ACCEPTABLE, "XML is not served by this sandbox."))
}

/// A payload is a bare JSON object, whatever its content type says (section 1.2).
fn object(body: &[u8], payload: Option<&Value>) -> Result<Map<String, Value>, Refusal> {
    match payload {
        Some(Value::Object(object)) => Ok(object.clone()),
        _ if body.is_empty() => Err(Refusal::bad("The request has no body.")),
        _ => Err(Refusal::bad("The request body could not be parsed.")),
    }
}
