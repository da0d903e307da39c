//! The client: one method a call, each error with its decision.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::wire::{Product, ProductWrite, Profile, Variation};
use crate::catalog::Side;
use crate::clock::{Instant, SharedClock, after};
use crate::platforms::error::ALLOWANCE_SPENT;
use crate::platforms::gate::Gate;
use crate::platforms::read::{Record, Unreadable, list};
use crate::platforms::transport::{Answer, Body, Transport, TransportError};
use crate::platforms::{CallError, calls};

/// Most records a page holds (e-series-api.md, section 3).
pub const PAGE: usize = 100;

/// E-Series of one store.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    store: String,
    gate: Arc<Gate>,
    token: SecretString,
    clock: SharedClock,
}

/// One page of a collection.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Readable records.
    pub rows: Vec<T>,
    /// Records that could not be read, and why: they must not stop the others.
    pub unreadable: Vec<Unreadable>,
    /// Offset of the next page.
    pub next: Option<u64>,
    /// Records in the whole collection.
    pub total: u64,
}

/// What became of a change that was sent in a batch, under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BatchOutcome {
    /// Done.
    Applied,
    /// The platform has it in its queue: ask again with the same key.
    Queued,
    /// Executed without effect: of a stock change, that the product does not track its stock.
    NothingChanged,
    /// The product does not exist.
    Gone,
    /// The platform's own inner call broke (a 5xx), or it says nothing of it: whether it was done can only be seen by
    /// looking.
    Broken(String),
    /// The platform's own inner call was turned away, by a limit or by an import that holds the catalogue, or never
    /// made: nothing was done, and under this key will never be.
    NotNow(String),
    /// The platform will not do it.
    Refused(String),
}

impl Client {
    /// The client of one store.
    #[must_use]
    pub fn new(
        transport: Transport,
        store: i64,
        gate: Arc<Gate>,
        token: SecretString,
        clock: SharedClock,
    ) -> Self {
        Self { transport, store: store.to_string(), gate, token, clock }
    }

    /// The gate, to ask for room before starting work.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The store's profile.
    pub async fn profile(&self) -> Result<Profile, CallError> {
        let json = self.read(self.url(&["profile"], &[])).await?;
        Profile::read(&json).map_err(|error| self.unreadable_answer(&error.to_string()))
    }

    /// When the catalogue was last changed, if it can be read: products and categories move it (section 11).
    pub async fn products_updated(&self) -> Result<Option<Instant>, CallError> {
        let json = self.read(self.url(&["latest-stats"], &[])).await?;
        Ok(Record::of("Stats", &json).and_then(|stats| stats.time("productsUpdated")).unwrap_or(None))
    }

    /// One product; sees every write at once (section 3).
    pub async fn product(&self, id: i64) -> Result<Product, CallError> {
        let json = self.read(self.url(&["products", &id.to_string()], &[])).await?;
        Product::read(&json).map_err(|error| self.unreadable_record(&json, id, &error))
    }

    /// These products, at most [`PAGE`]. Searching by id does not lag (section 3). A product that is
    /// missing from the answer is *not* known to be gone: ask for it alone.
    pub async fn products_by_id(&self, ids: &[i64]) -> Result<Vec<Product>, CallError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let wanted: Vec<String> = ids.iter().map(i64::to_string).collect();
        let query = [("productId", wanted.join(",")), ("limit", "100".to_owned())];
        let query: Vec<(&str, &str)> = query.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let page = self.page(self.url(&["products"], &query), Product::read).await?;
        Ok(page.rows.into_iter().filter(|product| ids.contains(&product.id)).collect())
    }

    /// Products with this SKU of their own (not of a variation). The search index lags by seconds.
    pub async fn products_by_sku(&self, sku: &str) -> Result<Vec<Product>, CallError> {
        let found = self.whole_page(self.url(&["products"], &[("sku", sku)])).await?;
        Ok(found.into_iter().filter(|product| product.sku.trim() == sku.trim()).collect())
    }

    /// Products that have this SKU, or a variation that has it. The search index lags by seconds.
    pub async fn products_with_sku(&self, sku: &str) -> Result<Vec<Product>, CallError> {
        let found = self.whole_page(self.url(&["products"], &[("sku", sku)])).await?;
        let same = |shown: &str| shown.trim() == sku.trim();
        let has = |product: &Product| {
            let of_variation = |variation: &Variation| variation.sku.as_deref().is_some_and(same);
            same(&product.sku) || product.variations.iter().any(of_variation)
        };
        Ok(found.into_iter().filter(has).collect())
    }

    /// One product as the platform shows it, to be kept before something of it is removed.
    pub async fn raw_product(&self, id: i64) -> Result<Value, CallError> {
        self.read(self.url(&["products", &id.to_string()], &[])).await
    }

    /// The product that carries this marker. The search index lags by seconds.
    pub async fn product_by_marker(&self, marker: &str) -> Result<Option<Product>, CallError> {
        let url = self.url(&["products"], &[("externalReferenceId", marker)]);
        let found = self.whole_page(url).await?;
        Ok(found.into_iter().find(|product| product.external_reference_id.as_deref() == Some(marker)))
    }

    /// Creates a product and returns its id. The marker in it makes a second creation impossible: the
    /// platform answers 409 `EXTERNAL_ID_ALREADY_USED` (section 2.2). Not sent after `by`.
    pub async fn create_product(&self, write: &ProductWrite, by: Instant) -> Result<i64, CallError> {
        // Without it, variations in the body are ignored (section 4.1).
        let with_variations = [("saveCombinations", "true")];
        let query: &[(&str, &str)] = if write.variations.is_empty() { &[] } else { &with_variations };
        let url = self.url(&["products"], query);
        let answer = self.call(Method::POST, url, Some(&write.body()), Some(by)).await?;
        let id = answer.json().and_then(|json| json.get("id").and_then(Value::as_i64));
        id.ok_or_else(|| CallError::Unclear { why: "E-Series: no id in the answer to a creation".into() })
    }

    /// Removes a product for good, with its variations. Not sent after `by`.
    pub async fn delete_product(&self, id: i64, by: Instant) -> Result<(), CallError> {
        let url = self.url(&["products", &id.to_string()], &[]);
        self.call(Method::DELETE, url, None, Some(by)).await.map(|_| ())
    }

    /// Writes to a product and returns it as the platform saved it: `returnItem=true` (section 3). Not sent
    /// after `by`.
    pub async fn update_product(
        &self,
        id: i64,
        write: &ProductWrite,
        by: Instant,
    ) -> Result<Product, CallError> {
        let url = self.url(&["products", &id.to_string()], &[("returnItem", "true")]);
        let answer = self.call(Method::PUT, url, Some(&write.body()), Some(by)).await?;
        let unclear = |why: String| CallError::Unclear { why: format!("E-Series: {why}") };
        let json = answer.json().ok_or_else(|| unclear("the answer is no JSON".into()))?;
        match json.get("item") {
            Some(item) => Product::read(item).map_err(|error| unclear(error.to_string())),
            // The write is done, whatever comes of the look.
            None => self.product(id).await.map_err(|error| unclear(error.to_string())),
        }
    }

    /// Adds pieces to the stock of a product or of one of its variations, exactly once per `key`.
    ///
    /// A lost answer to a plain `PUT …/inventory` could never be told from a lost request. So the change
    /// travels as a batch of one under a `deduplicationKey`: the platform answers the same key with the
    /// first result for an hour (section 2.4), however often it is sent.
    pub async fn add_stock(
        &self,
        (product_id, variation_id): (i64, Option<i64>),
        delta: i64,
        key: Uuid,
    ) -> Result<BatchOutcome, CallError> {
        let of = variation_id.map(|id| format!("/combinations/{id}")).unwrap_or_default();
        let body = json!([{
            "id": "stock",
            "path": format!("/products/{product_id}{of}/inventory"),
            "method": "PUT",
            "body": {"quantityDelta": delta},
        }]);
        // After a failure it must not be tried again by the platform: what looked like one may have been done.
        let result = self.batch(&body, key, &[], None).await?;
        Ok(outcome(&result, "stock"))
    }

    /// Puts products on offer or takes them off, exactly once per `key`: one batch (section 2.4) of at most 500, that does
    /// not end at the first failure. What became of each, by its id.
    pub async fn enable_products(
        &self,
        wishes: &BTreeMap<i64, bool>,
        key: Uuid,
        by: Instant,
    ) -> Result<BTreeMap<i64, BatchOutcome>, CallError> {
        let request = |(id, enabled): (&i64, &bool)| {
            json!({
                "id": id.to_string(), "path": format!("/products/{id}"), "method": "PUT",
                "body": {"enabled": enabled},
            })
        };
        let body = Value::Array(wishes.iter().map(request).collect());
        let result = self.batch(&body, key, &[("stopOnFirstFailure", "false")], Some(by)).await?;
        Ok(wishes.keys().map(|id| (*id, outcome(&result, &id.to_string()))).collect())
    }

    /// Sends a batch and asks once how it went. `key` makes it one batch however often it is sent within an hour: the
    /// first one's result is what later ones get.
    async fn batch(
        &self,
        requests: &Value,
        key: Uuid,
        query: &[(&str, &str)],
        by: Option<Instant>,
    ) -> Result<Value, CallError> {
        let key = key.to_string();
        let query = [&[("deduplicationKey", key.as_str())], query].concat();
        let answer = self.call(Method::POST, self.url(&["batch"], &query), Some(requests), by).await?;
        let ticket =
            answer.json().and_then(|json| json.get("ticket").and_then(Value::as_str).map(str::to_owned));
        let Some(ticket) = ticket else {
            return Err(CallError::Unclear { why: "E-Series: no ticket in the answer to a batch".into() });
        };
        match self.read(self.url(&["batch"], &[("ticket", ticket.as_str())])).await {
            Ok(result) => Ok(result),
            // The batch is on its way; what is not known is only how it ended.
            Err(error) => Err(CallError::Unclear { why: error.to_string() }),
        }
    }

    /// An address below the store.
    pub(super) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut path = vec!["api", "v3", self.store.as_str()];
        path.extend(segments);
        self.transport.url(&path, query)
    }

    /// Products of a search, of which none may be passed over: whoever is not found is created.
    async fn whole_page(&self, url: Url) -> Result<Vec<Product>, CallError> {
        let page = self.page(url, Product::read).await?;
        match page.unreadable.first() {
            None => Ok(page.rows),
            Some(error) => Err(unreadable(&error.to_string())),
        }
    }

    /// Reads one page of a collection.
    pub(super) async fn page<T>(
        &self,
        url: Url,
        read: impl Fn(&Value) -> Result<T, Unreadable>,
    ) -> Result<Page<T>, CallError> {
        let json = self.read(url).await?;
        let number = |name: &str| json.get(name).and_then(Value::as_u64);
        let (Some(total), Some(offset)) = (number("total"), number("offset")) else {
            return Err(self.unreadable_answer("a list without total and offset"));
        };
        let mut page = Page { rows: Vec::new(), unreadable: Vec::new(), next: None, total };
        let items = list(json.get("items"));
        for row in items.iter() {
            match read(row) {
                Ok(row) => page.rows.push(row),
                Err(error) => page.unreadable.push(error),
            }
        }
        if items.is_empty() && offset < total {
            // Not the end: whoever took it for that would find out that all the others are missing.
            return Err(self.unreadable_answer("an empty page in the middle of a list"));
        }
        let end = offset.saturating_add(items.len() as u64);
        page.next = (end < total).then_some(end);
        Ok(page)
    }

    pub(super) async fn read(&self, url: Url) -> Result<Value, CallError> {
        let answer = self.call(Method::GET, url, None, None).await?;
        answer.json().ok_or_else(|| self.unreadable_answer("the answer is no JSON"))
    }

    /// A record that was asked for by its id, and cannot be read. If it is that record, it is its own fault: asking again
    /// does not help, and nobody else has to wait for it.
    pub(super) fn unreadable_record(&self, record: &Value, id: i64, error: &Unreadable) -> CallError {
        if record.get("id").and_then(Value::as_i64) != Some(id) {
            return self.unreadable_answer(&error.to_string());
        }
        unreadable(&error.to_string())
    }

    /// A read whose answer makes no sense: nothing was changed, so the platform is asked again later.
    pub(super) fn unreadable_answer(&self, why: &str) -> CallError {
        CallError::Later { until: self.gate.outage(self.clock.now()), why: format!("E-Series: {why}") }
    }

    pub(super) async fn call(
        &self,
        method: Method,
        url: Url,
        body: Option<&Value>,
        by: Option<Instant>,
    ) -> Result<Answer, CallError> {
        self.call_with(method, url, body.map_or(Body::None, Body::Json), by).await
    }

    /// The same with a body of any kind.
    pub(super) async fn call_with(
        &self,
        method: Method,
        url: Url,
        body: Body<'_>,
        by: Option<Instant>,
    ) -> Result<Answer, CallError> {
        let admitted = self.gate.admit(1.0, self.clock.now());
        admitted.map_err(|until| CallError::Later { until, why: Side::ESeries.says(ALLOWANCE_SPENT) })?;
        let sending = self.transport.send_body(method.clone(), url, Some(&self.token), body, by);
        let answer = match calls::counted(Side::ESeries, &self.clock, sending).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.lost(&method, &error)),
        };
        self.judge(&method, answer)
    }

    fn lost(&self, method: &Method, error: &TransportError) -> CallError {
        let why = format!("E-Series: {error}");
        match error {
            TransportError::ForeignHost(_) => CallError::Refused { status: 0, code: None, why },
            TransportError::NoToken => CallError::Account { why },
            TransportError::TooLate => CallError::Later { until: self.clock.now(), why },
            TransportError::Lost(_) if !method.is_safe() => {
                self.gate.outage(self.clock.now());
                CallError::Unclear { why }
            }
            _ => CallError::Later { until: self.gate.outage(self.clock.now()), why },
        }
    }

    /// Status and code to decision (sections 2.1 and 2.2).
    fn judge(&self, method: &Method, answer: Answer) -> Result<Answer, CallError> {
        let now = self.clock.now();
        if answer.status == StatusCode::OK {
            // Every write is answered in JSON (section 3): what says anything else is somebody on the way, and
            // whether the store has done it is not known.
            if !method.is_safe() && answer.json().is_none() {
                self.gate.outage(now);
                return Err(CallError::Unclear { why: "E-Series: the answer to a write is no JSON".into() });
            }
            self.gate.answered();
            return Ok(answer);
        }
        let (code, said) = said(&answer);
        let why = format!("E-Series: {said}");
        let status = answer.status.as_u16();
        Err(match status {
            429 => {
                let seconds = answer.retry_after().unwrap_or(10).clamp(1, 3600);
                let until = after(now, Duration::from_secs(seconds));
                self.gate.close_until(until);
                CallError::Later { until, why }
            }
            // The catalogue is locked while an import runs.
            449 => {
                let until =
                    after(now, Duration::from_secs(answer.retry_after().unwrap_or(15).clamp(1, 3600)));
                self.gate.close_until(until);
                CallError::Later { until, why }
            }
            408 | 500..=599 => {
                let until = self.gate.outage(now);
                if method.is_safe() { CallError::Later { until, why } } else { CallError::Unclear { why } }
            }
            403 if code.as_deref() == Some("INVALID_API_TOKEN") => CallError::Account {
                why: format!(
                    "{why}: the application was removed from the store, or connected anew elsewhere"
                ),
            },
            403 => CallError::Account { why },
            404 if code.as_deref() == Some("STORE_NOT_FOUND") => CallError::Account { why },
            402 if code.as_deref() == Some("STORE_IS_SUSPENDED") => CallError::Account { why },
            404 => CallError::Gone { why },
            status => CallError::Refused { status, code, why },
        })
    }
}

/// A record that Concord cannot read.
fn unreadable(error: &str) -> CallError {
    let why = format!("E-Series shows a record that Concord cannot read: {error}");
    CallError::Refused { status: 200, code: Some("unreadable".into()), why }
}

/// The platform's code and words; either may be missing, and the body may be no JSON (section 2.1).
fn said(answer: &Answer) -> (Option<String>, String) {
    let json = answer.json();
    let field =
        |name: &str| json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str).map(str::to_owned);
    let code = field("errorCode");
    let words = field("errorMessage").or_else(|| field("error_message"));
    let words = words.or_else(|| answer.status.canonical_reason().map(str::to_owned)).unwrap_or_default();
    let words: String = words.chars().take(300).collect();
    let code_shown = code.as_deref().map(|code| format!(" {code}")).unwrap_or_default();
    (code, format!("{words} ({}{code_shown})", answer.status.as_u16()))
}

/// What became of the request of this id in a batch (section 2.4).
fn outcome(result: &Value, id: &str) -> BatchOutcome {
    let responses = list(result.get("responses"));
    let its_own = |response: &&Value| response.get("id").and_then(Value::as_str) == Some(id);
    let response = responses.iter().find(its_own).unwrap_or(&Value::Null);
    let never = response.get("status").and_then(Value::as_str) == Some("NOT_EXECUTED");
    let status = response.get("httpStatusCode").and_then(Value::as_u64);
    let body = response.get("httpBody").unwrap_or(&Value::Null);
    let words = || {
        let words = body.get("errorMessage").and_then(Value::as_str).unwrap_or("no reason given");
        words.chars().take(300).collect::<String>()
    };
    match (result.get("status").and_then(Value::as_str), status) {
        (Some("COMPLETED"), Some(200)) => match body.get("updateCount").and_then(Value::as_i64) {
            Some(0) => BatchOutcome::NothingChanged,
            _ => BatchOutcome::Applied,
        },
        (Some("COMPLETED"), Some(404)) => BatchOutcome::Gone,
        (Some("COMPLETED"), Some(429 | 449)) => BatchOutcome::NotNow(words()),
        (Some("COMPLETED"), Some(408 | 500..=599)) => BatchOutcome::Broken(words()),
        (Some("COMPLETED"), Some(status)) => BatchOutcome::Refused(format!("{} ({status})", words())),
        (Some("COMPLETED"), None) if never => BatchOutcome::NotNow("it was not executed".into()),
        (Some("COMPLETED"), None) => BatchOutcome::Broken("it is not among the results".into()),
        _ => BatchOutcome::Queued,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outcome_of_a_change_is_read_from_its_own_response() {
        let completed = |responses: Value| json!({"status": "COMPLETED", "responses": responses});
        let with = |status: u64, body: Value| {
            let other = json!({"id": "b", "httpStatusCode": 418, "httpBody": {}});
            let its_own = json!({"id": "a", "httpStatusCode": status, "httpBody": body});
            outcome(&completed(json!([other, its_own])), "a")
        };
        assert_eq!(with(200, json!({"updateCount": 1})), BatchOutcome::Applied);
        assert_eq!(with(200, json!({"updateCount": 0})), BatchOutcome::NothingChanged);
        assert_eq!(with(404, json!({})), BatchOutcome::Gone);
        assert!(matches!(with(449, json!({})), BatchOutcome::NotNow(_)));
        assert!(matches!(with(500, json!("<html>")), BatchOutcome::Broken(_)));
        assert!(matches!(with(400, json!({})), BatchOutcome::Refused(_)));
        let never = completed(json!([{"id": "a", "status": "NOT_EXECUTED"}]));
        assert!(matches!(outcome(&never, "a"), BatchOutcome::NotNow(_)));
        assert!(matches!(outcome(&never, "b"), BatchOutcome::Broken(_)));
        assert_eq!(outcome(&json!({"status": "QUEUED", "responses": []}), "a"), BatchOutcome::Queued);
        assert_eq!(outcome(&json!({"nonsense": true}), "a"), BatchOutcome::Queued);
    }
}
