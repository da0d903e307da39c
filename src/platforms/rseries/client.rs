//! The client: one method a call, each with its cost, each error with its decision.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::Value;
use url::Url;

use super::matrix::one_of;
use super::wire::{Item, ItemWrite, LogRow, PriceLevel, Shop};
use crate::catalog::Side;
use crate::clock::{Instant, SharedClock, after};
use crate::platforms::error::ALLOWANCE_SPENT;
use crate::platforms::gate::Gate;
use crate::platforms::read::{Record, Unreadable, list};
use crate::platforms::transport::{Answer, Transport, TransportError};
use crate::platforms::{CallError, calls};

/// Most records a page or an `IN` list holds (r-series-api.md, sections 1.7 and 1.8).
pub const PAGE: usize = 100;

/// What is read along with each item: its stock, and its place in a matrix.
pub(super) const ITEM_RELATIONS: &str = r#"["ItemShops","ItemAttributes","ItemAttributes.ItemAttributeSet"]"#;

/// Drips of a page of items with these relations (section 3.3).
pub(super) const ITEMS_COST: f64 = 1.8;

/// Most pages of a collection that is kept whole: rows of one item, shops, price levels.
const MOST_PAGES: usize = 1_000;

/// Renewals in one call. Two, because the first may hand out a token that another process has stored and
/// that has expired since.
const RENEWALS: u32 = 2;

/// A token or the reason why there is none.
pub type TokenFuture<'a> = Pin<Box<dyn Future<Output = Result<SecretString, CallError>> + Send + 'a>>;

/// Where the client gets its access token from.
pub trait Tokens: Send + Sync + std::fmt::Debug {
    /// The access token to use.
    fn access(&self) -> TokenFuture<'_>;
    /// A fresh one, because the platform refused `stale`. Callers that come at the same time share one
    /// refresh: the refresh token rotates (section 2.3).
    fn renew<'a>(&'a self, stale: &'a SecretString) -> TokenFuture<'a>;
}

/// R-Series of one account.
#[derive(Debug, Clone)]
pub struct Client {
    transport: Transport,
    account: String,
    gate: Arc<Gate>,
    tokens: Arc<dyn Tokens>,
    clock: SharedClock,
}

/// One page of a collection.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// Readable records.
    pub rows: Vec<T>,
    /// Records that could not be read, and why: they must not stop the others.
    pub unreadable: Vec<Unreadable>,
    /// Address of the next page.
    pub next: Option<Url>,
}

/// A record that Concord cannot read.
pub(super) fn unreadable(error: &str) -> CallError {
    let why = format!("R-Series shows a record that Concord cannot read: {error}");
    CallError::Refused { status: 200, code: Some("unreadable".into()), why }
}

impl Client {
    /// The client of one account.
    #[must_use]
    pub fn new(
        transport: Transport,
        account: i64,
        gate: Arc<Gate>,
        tokens: Arc<dyn Tokens>,
        clock: SharedClock,
    ) -> Self {
        Self { transport, account: account.to_string(), gate, tokens, clock }
    }

    /// The gate, to ask for room before starting work.
    #[must_use]
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// The accounts of the token: exactly one (section 1.1).
    pub async fn account_ids(&self) -> Result<Vec<String>, CallError> {
        let url = self.transport.url(&["API", "V3", "Account.json"], &[]);
        let json = self.read(url, 1.0).await?;
        let rows = list(json.get("Account"));
        Ok(rows.iter().filter_map(|row| row.get("accountID")).map(plain_text).collect())
    }

    /// All shops (section 4.9).
    pub async fn shops(&self) -> Result<Vec<Shop>, CallError> {
        self.all("Shop", &[("archived", "true")], Shop::read).await
    }

    /// All price levels (section 4.2).
    pub async fn price_levels(&self) -> Result<Vec<PriceLevel>, CallError> {
        self.all("PriceLevel", &[], PriceLevel::read).await
    }

    /// One item with its stock, archived or not.
    pub async fn item(&self, id: i64) -> Result<Item, CallError> {
        let url = self.url(&["Item", &format!("{id}.json")], &[("load_relations", ITEM_RELATIONS)]);
        let json = self.read(url, 1.4).await?;
        let item = json.get("Item").ok_or_else(|| self.unreadable_answer("no Item in the answer"))?;
        Item::read(item).map_err(|error| self.unreadable_record(item, "itemID", id, &error))
    }

    /// These items with their stock, at most [`PAGE`]. An item that is missing from the answer is *not*
    /// known to be gone: ask for it alone.
    pub async fn items_by_id(&self, ids: &[i64]) -> Result<Vec<Item>, CallError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let wanted = one_of(ids);
        let query = [
            ("itemID", wanted.as_str()),
            ("archived", "true"),
            ("limit", "100"),
            ("load_relations", ITEM_RELATIONS),
        ];
        let page = self.page(self.url(&["Item.json"], &query), "Item", ITEMS_COST, Item::read).await?;
        // A filter may be ignored without a word (section 1.8): keep only what was asked for.
        Ok(page.rows.into_iter().filter(|item| ids.contains(&item.id)).collect())
    }

    /// Writes to an item and returns the record as the platform saved it (section 1.6).
    /// Not sent after `by`.
    pub async fn update_item(&self, id: i64, write: &ItemWrite, by: Instant) -> Result<Item, CallError> {
        let url = self.url(&["Item", &format!("{id}.json")], &[]);
        let answer = self.call(Method::PUT, url, write.cost(), Some(&write.body()), Some(by)).await?;
        let unclear = |why: String| CallError::Unclear { why };
        let json = answer.json().ok_or_else(|| unclear("the answer is no JSON".into()))?;
        let item = json.get("Item").ok_or_else(|| unclear("no Item in the answer".into()))?;
        Item::read(item).map_err(|error| unclear(error.to_string()))
    }

    /// The newest id of the inventory log, 0 when the log is empty.
    pub async fn inventory_log_head(&self) -> Result<i64, CallError> {
        let query = [("sort", "-inventoryLogID"), ("limit", "1")];
        let url = self.url(&["InventoryLog.json"], &query);
        let page = self.page(url, "InventoryLog", 1.0, LogRow::read).await?;
        Ok(page.rows.iter().map(|row| row.id).max().unwrap_or(0))
    }

    /// Rows of one item in one shop with an id above `after`, oldest first.
    pub async fn inventory_log_of(
        &self,
        item_id: i64,
        shop_id: i64,
        after: i64,
    ) -> Result<Vec<LogRow>, CallError> {
        let (item, above) = (item_id.to_string(), format!(">,{after}"));
        let query =
            [("itemID", item.as_str()), ("inventoryLogID", above.as_str()), ("sort", "inventoryLogID")];
        let rows = self.all("InventoryLog", &query, LogRow::read).await?;
        let ours = |row: &LogRow| row.item_id == item_id && row.shop_id == shop_id && row.id > after;
        Ok(rows.into_iter().filter(ours).collect())
    }

    /// Rows of one item with an id above `after`, in all shops, newest first. One page: whoever needs more than
    /// the newest hundred does not get them.
    pub async fn newest_log_rows(&self, item_id: i64, after: i64) -> Result<Vec<LogRow>, CallError> {
        let (item, above) = (item_id.to_string(), format!(">,{after}"));
        let query =
            [("itemID", item.as_str()), ("inventoryLogID", above.as_str()), ("sort", "-inventoryLogID")];
        let page =
            self.page(self.url(&["InventoryLog.json"], &query), "InventoryLog", 1.0, LogRow::read).await?;
        let mut rows: Vec<LogRow> =
            page.rows.into_iter().filter(|row| row.item_id == item_id && row.id > after).collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.id));
        Ok(rows)
    }

    /// The session of the token (section 1.1: not versioned and not below the account).
    pub(super) async fn session(&self) -> Result<Value, CallError> {
        self.read(self.transport.url(&["API", "Session.json"], &[]), 1.0).await
    }

    /// An address below the account.
    pub(super) fn url(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut path = vec!["API", "V3", "Account", self.account.as_str()];
        path.extend(segments);
        self.transport.url(&path, query)
    }

    /// Reads one page of a collection.
    pub(super) async fn page<T>(
        &self,
        url: Url,
        key: &str,
        cost: f64,
        read: impl Fn(&Value) -> Result<T, Unreadable>,
    ) -> Result<Page<T>, CallError> {
        let asked_relations = url.query_pairs().find(|(name, _)| name == "load_relations");
        let asked_relations = asked_relations.map(|(_, value)| value.into_owned());
        let json = self.read(url, cost).await?;
        let mut page = Page { rows: Vec::new(), unreadable: Vec::new(), next: None };
        for row in list(json.get(key)).iter() {
            match read(row) {
                Ok(row) => page.rows.push(row),
                Err(error) => page.unreadable.push(error),
            }
        }
        let next = json.get("@attributes").and_then(|attributes| attributes.get("next"));
        if let Some(next) = next.and_then(Value::as_str).filter(|next| !next.is_empty()) {
            let mut next = self.transport.own_url(next).map_err(|error| CallError::Refused {
                status: 200,
                code: Some("foreign_host".into()),
                why: error.to_string(),
            })?;
            // Some have seen `next` without the relations of the first page (section 1.10).
            let echoed = next.query_pairs().any(|(name, _)| name == "load_relations");
            if let Some(relations) = asked_relations.filter(|_| !echoed) {
                next.query_pairs_mut().append_pair("load_relations", &relations);
            }
            page.next = Some(next);
        }
        Ok(page)
    }

    /// Follows `next` to the end. A page that repeats ends the walk with an error, not in a circle.
    pub(super) async fn all<T>(
        &self,
        resource: &str,
        query: &[(&str, &str)],
        read: impl Fn(&Value) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, CallError> {
        self.all_at(resource, 1.0, query, read).await
    }

    /// The same for pages that cost more than a drip.
    pub(super) async fn all_at<T>(
        &self,
        resource: &str,
        cost: f64,
        query: &[(&str, &str)],
        read: impl Fn(&Value) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, CallError> {
        let mut rows = Vec::new();
        let mut url = self.url(&[&format!("{resource}.json")], query);
        let mut seen = std::collections::BTreeSet::new();
        loop {
            if !seen.insert(url.to_string()) || seen.len() > MOST_PAGES {
                return Err(self.unreadable_answer("the pages go round in a circle, or have no end"));
            }
            let page = self.page(url, resource, cost, &read).await?;
            if let Some(error) = page.unreadable.first() {
                return Err(self.unreadable_answer(&error.to_string()));
            }
            rows.extend(page.rows);
            match page.next {
                Some(next) => url = next,
                None => return Ok(rows),
            }
        }
    }

    pub(super) async fn read(&self, url: Url, cost: f64) -> Result<Value, CallError> {
        let answer = self.call(Method::GET, url, cost, None, None).await?;
        answer.json().ok_or_else(|| self.unreadable_answer("the answer is no JSON"))
    }

    /// A read whose answer makes no sense: nothing was changed, so the platform is asked again later.
    pub(super) fn unreadable_answer(&self, why: &str) -> CallError {
        CallError::Later { until: self.gate.outage(self.clock.now()), why: format!("R-Series: {why}") }
    }

    /// The record that was asked for, in a shape that cannot be read. That is its own fault: asking again does not
    /// help, and nobody else has to wait for it.
    pub(super) fn unreadable_record(
        &self,
        record: &Value,
        id_field: &'static str,
        id: i64,
        error: &Unreadable,
    ) -> CallError {
        if Record::of("record", record).and_then(|record| record.integer(id_field)) == Ok(Some(id)) {
            return unreadable(&error.to_string());
        }
        self.unreadable_answer(&error.to_string())
    }

    pub(super) async fn call(
        &self,
        method: Method,
        url: Url,
        cost: f64,
        body: Option<&Value>,
        by: Option<Instant>,
    ) -> Result<Answer, CallError> {
        // Whoever cannot get a token now need not ask the platform before that time either.
        let wait = |error: &CallError| {
            if let CallError::Later { until, .. } = error {
                self.gate.close_until(*until);
            }
        };
        let mut token = self.tokens.access().await.inspect_err(wait)?;
        let mut renewals = 0;
        loop {
            let admitted = self.gate.admit(cost, self.clock.now());
            admitted.map_err(|until| CallError::Later { until, why: Side::RSeries.says(ALLOWANCE_SPENT) })?;
            calls::count_drips(cost);
            let sending = self.transport.send(method.clone(), url.clone(), Some(&token), body, by);
            let sent = calls::counted(Side::RSeries, &self.clock, sending).await;
            let answer = match sent {
                Ok(answer) => answer,
                Err(error) => return Err(self.lost(&method, &error)),
            };
            self.observe(&answer);
            if answer.status == StatusCode::UNAUTHORIZED && renewals < RENEWALS {
                token = self.tokens.renew(&token).await.inspect_err(wait)?;
                renewals += 1;
                continue;
            }
            return self.judge(&method, answer);
        }
    }

    fn lost(&self, method: &Method, error: &TransportError) -> CallError {
        let why = format!("R-Series: {error}");
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

    /// Corrects the gate by the headers of sections 1.12 and 3.4.
    fn observe(&self, answer: &Answer) {
        let now = self.clock.now();
        let pair = |name: &str| {
            let (left, right) = answer.header(name)?.split_once('/')?;
            Some((left.trim().parse::<f64>().ok()?, right.trim().parse::<f64>().ok()?))
        };
        let drip = answer.header("x-ls-api-drip-rate").and_then(|text| text.trim().parse().ok());
        let sound = |(level, size): &(f64, f64)| level.is_finite() && size.is_finite() && *size > 0.0;
        if let Some((level, size)) = pair("x-ls-api-bucket-level").filter(sound) {
            self.gate.observe_bucket(level, size, drip, now);
        }
        if let Some((used, limit)) = pair("x-ls-api-burst-level") {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "clamped to a small range"
            )]
            let whole = |number: f64| number.clamp(0.0, 1e6) as u32;
            self.gate.observe_burst(whole(used), whole(limit), now);
        }
    }

    /// Status to decision (section 1.11).
    fn judge(&self, method: &Method, answer: Answer) -> Result<Answer, CallError> {
        let now = self.clock.now();
        let status = answer.status;
        if status.is_success() {
            self.gate.answered();
            return Ok(answer);
        }
        let said = said(&answer);
        let why = format!("R-Series: {said}");
        Err(match status.as_u16() {
            429 => {
                let seconds = answer.retry_after().unwrap_or(1).clamp(1, 3600);
                let until = after(now, Duration::from_secs(seconds));
                self.gate.close_until(until);
                CallError::Later { until, why }
            }
            408 | 425 | 449 | 500..=599 => {
                let until = self.gate.outage(now);
                if method.is_safe() { CallError::Later { until, why } } else { CallError::Unclear { why } }
            }
            401 | 403 => CallError::Account { why },
            404 => CallError::Gone { why },
            // Another session edits the record, or the platform asks for patience in words.
            409 => CallError::Busy { why },
            400 if said.to_ascii_lowercase().contains("try again later") => CallError::Busy { why },
            code => CallError::Refused { status: code, code: None, why },
        })
    }
}

/// The platform's own words, from either error shape of section 1.11.
pub(super) fn said(answer: &Answer) -> String {
    let json = answer.json();
    let field = |name: &str| json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str);
    let words = ["message", "hint", "error_description", "error", "httpMessage"].into_iter().find_map(field);
    let words: String = words.unwrap_or("no reason given").chars().take(300).collect();
    format!("{} ({})", words, answer.status.as_u16())
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
