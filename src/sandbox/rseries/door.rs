//! The way of one HTTP request: OAuth or API, bearer, limits, route, answer.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header, request};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::answer::{Refusal, one};
use super::item;
use super::limits;
use super::oauth::OAuthAnswer;
use super::paging;
use super::query::Query;
use super::render::{Style, many, text};
use super::resource::{self, Resource, Which};
use super::state::State;
use super::{Call, Inner};
use crate::clock::Instant;

/// More than any image is assumed to have (section 4.6).
const LARGEST_BODY: usize = 16 * 1024 * 1024;

/// Where a path of the API leads.
#[derive(Debug, Clone, Copy)]
enum Target {
    Session,
    Accounts,
    Account,
    Collection(&'static Resource),
    Record(&'static Resource, i64),
}

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
        let payload: Option<Value> = serde_json::from_slice(body).ok();
        self.asked_at = now;
        let (response, refused, drips) = if is_oauth {
            let answer = self.oauth(now, &parts.method, path, &query, body);
            (oauth_response(&answer), false, 0.0)
        } else {
            self.api(now, parts, &query, body, payload.as_ref())
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
            Ok(Target::Collection(resource)) => (Some(*resource), false),
            Ok(Target::Record(resource, _)) => (Some(*resource), true),
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
                Target::Collection(_) if parts.method == Method::POST => Ok((target, object(body, payload)?)),
                Target::Record(..) if parts.method == Method::PUT => Ok((target, object(body, payload)?)),
                _ => Ok((target, Map::new())),
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

    fn carry_out(
        &mut self,
        now: Instant,
        parts: &request::Parts,
        query: &Query,
        target: Target,
        body: &Map<String, Value>,
    ) -> Result<Value, Refusal> {
        let method = &parts.method;
        let refuse_method = || Err(Refusal::method(method.as_str()));
        match target {
            Target::Session | Target::Accounts | Target::Account if method != Method::GET => refuse_method(),
            Target::Session => Ok(self.session()),
            Target::Accounts => self.accounts(query),
            Target::Account => Ok(self.account()),
            Target::Collection(resource) => match (resource.which, method) {
                (_, &Method::GET) => paging::collection(self, resource, parts.uri.path(), query),
                (Which::Item, &Method::POST) => {
                    let relations = query.relations(resource)?;
                    let id = self.post_item(now, body)?;
                    Ok(one(resource.name, self.record(resource, id, &relations, Style::Written)))
                }
                (Which::ItemMatrix, &Method::POST) => {
                    let relations = query.relations(resource)?;
                    let id = self.post_matrix(now, body)?;
                    Ok(one(resource.name, self.record(resource, id, &relations, Style::Written)))
                }
                (Which::ItemAttributeSet, &Method::POST) => {
                    let id = self.post_attribute_set(body)?;
                    let relations = query.relations(resource)?;
                    Ok(one(resource.name, self.record(resource, id, &relations, Style::Written)))
                }
                (Which::Sale, &Method::POST) => {
                    let relations = query.relations(resource)?;
                    let id = self.post_sale(now, body)?;
                    Ok(one(resource.name, self.record(resource, id, &relations, Style::Written)))
                }
                _ => refuse_method(),
            },
            Target::Record(resource, id) => self.one_record(now, method, query, (resource, id), body),
        }
    }

    fn one_record(
        &mut self,
        now: Instant,
        method: &Method,
        query: &Query,
        (resource, id): (&'static Resource, i64),
        body: &Map<String, Value>,
    ) -> Result<Value, Refusal> {
        let serves = match resource.which {
            Which::Item | Which::ItemMatrix | Which::Sale => {
                [Method::GET, Method::PUT, Method::DELETE].contains(method)
            }
            Which::ItemShop | Which::PriceLevel | Which::ItemAttributeSet => {
                [Method::GET, Method::PUT].contains(method)
            }
            // The log is query only (section 4.10).
            Which::InventoryLog => false,
            Which::Shop | Which::TaxClass | Which::Register | Which::PaymentType => method == Method::GET,
        };
        if !serves {
            return Err(Refusal::method(method.as_str()));
        }
        let relations = query.relations(resource)?;
        if !self.exists(resource, id) {
            return Err(Refusal::no_such(resource.name, id));
        }
        let style = match (method, resource.which) {
            (&Method::PUT, Which::Item) => {
                self.put_item(now, id, body)?;
                Style::Written
            }
            (&Method::PUT, Which::ItemMatrix) => {
                self.put_matrix(now, id, body)?;
                Style::Written
            }
            (&Method::DELETE, Which::ItemMatrix) => {
                self.archive_matrix(now, id)?;
                Style::Deleted
            }
            (&Method::PUT, Which::ItemAttributeSet) => {
                self.put_attribute_set(id, body)?;
                Style::Written
            }
            (&Method::PUT, Which::ItemShop) => {
                self.put_item_shop(now, id, body)?;
                Style::Written
            }
            (&Method::PUT, Which::PriceLevel) => {
                self.put_price_level(id, body)?;
                Style::Written
            }
            (&Method::PUT, Which::Sale) => {
                self.put_sale(now, id, body)?;
                Style::Written
            }
            (&Method::DELETE, Which::Sale) => {
                self.delete_sale(now, id)?;
                Style::Deleted
            }
            (&Method::DELETE, Which::Item) => {
                self.archive_item(now, id)?;
                Style::Deleted
            }
            _ => Style::Single,
        };
        Ok(one(resource.name, self.record(resource, id, &relations, style)))
    }

    /// Only reorder values are taken (section 4.3).
    fn put_item_shop(&mut self, now: Instant, id: i64, body: &Map<String, Value>) -> Result<(), Refusal> {
        let number = |name: &str| body.get(name).map(|value| item::integer(name, value)).transpose();
        let (point, level) = (number("reorderPoint")?, number("reorderLevel")?);
        self.set_reorder(now, id, point, level);
        Ok(())
    }

    /// The name of every level can be changed, `Online`'s too (section 4.2).
    fn put_price_level(&mut self, id: i64, body: &Map<String, Value>) -> Result<(), Refusal> {
        let Some(name) = body.get("name") else { return Ok(()) };
        let name = item::text("name", name, self.habits())?;
        if name.is_empty() {
            return Err(Refusal::bad("name cannot be blank."));
        }
        if let Some(level) = self.price_levels.get_mut(&id) {
            level.name = name;
        }
        Ok(())
    }

    /// Must be asked for without filters (section 1.1).
    fn accounts(&self, query: &Query) -> Result<Value, Refusal> {
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
    fn account(&self) -> Value {
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

    fn session(&self) -> Value {
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

/// Paths are told apart by case (section 1.1).
fn target(path: &str, account_id: i64) -> Result<Target, Refusal> {
    let path = path.strip_suffix(".json").unwrap_or(path);
    let id = |text: &str| text.parse::<i64>().map_err(|_| Refusal::no_such_path());
    let mine = |text: &str| {
        // A token covers exactly one account (section 1.1); what another one answers is not known.
        let wanted = id(text)?;
        let other = || Refusal::new(StatusCode::FORBIDDEN, "Forbidden");
        if wanted == account_id { Ok(()) } else { Err(other()) }
    };
    let resource = |name: &str| resource::named(name).ok_or_else(Refusal::no_such_path);
    let steps: Vec<&str> = path.split('/').skip(1).collect();
    match steps.as_slice() {
        ["API", "Session"] => Ok(Target::Session),
        ["API", "V3", "Account"] => Ok(Target::Accounts),
        ["API", "V3", "Account", account] => mine(account).map(|()| Target::Account),
        ["API", "V3", "Account", account, name] => {
            mine(account)?;
            resource(name).map(Target::Collection)
        }
        ["API", "V3", "Account", account, name, record] => {
            mine(account)?;
            Ok(Target::Record(resource(name)?, id(record)?))
        }
        _ => Err(Refusal::no_such_path()),
    }
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

/// Section 2.5.
fn check_scope(target: Target, method: &Method, scope: &str, state: &State) -> Result<(), Refusal> {
    let needed: &[&str] = match target {
        Target::Session | Target::Accounts | Target::Account => return Ok(()),
        Target::Collection(resource) | Target::Record(resource, _) => {
            match (resource.which, method.is_safe()) {
                (Which::Shop | Which::PriceLevel | Which::TaxClass, true) => return Ok(()),
                (Which::InventoryLog, _) if state.habits().log_needs_own_scope => {
                    &["inventory_log", "all_read"]
                }
                // The vendor's pages of the three endpoints.
                (Which::Sale, _) => &["register", "cfd"],
                (Which::Register | Which::PaymentType, _) => {
                    &["register", "cfd", "inventory_base", "reports", "workbench", "customers", "admin"]
                }
                (_, true) => &["inventory", "inventory_read", "all_read"],
                (_, false) => &["inventory"],
            }
        }
    };
    let held = |right: &str| right == "all" || needed.contains(&right);
    if scope.split(' ').filter_map(|scope| scope.strip_prefix("employee:")).any(held) {
        return Ok(());
    }
    Err(Refusal::new(StatusCode::FORBIDDEN, "The access token does not have the scope for this request."))
}

/// A payload is a bare JSON object, whatever its content type says (section 1.2).
fn object(body: &[u8], payload: Option<&Value>) -> Result<Map<String, Value>, Refusal> {
    match payload {
        Some(Value::Object(object)) => Ok(object.clone()),
        _ if body.is_empty() => Err(Refusal::bad("The request has no body.")),
        _ => Err(Refusal::bad("The request body could not be parsed.")),
    }
}
