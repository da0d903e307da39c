//! What the ledger tells of the acts: which writes they led to, and which notices were echoes of those.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::clock::Instant;
use crate::sandbox::visitor::{VisitError, Visitor};

/// Entries that are looked at each time; far more than come in between.
const PAGE: usize = 200;

/// A write of Concord's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) id: String,
    pub(super) at: Instant,
    pub(super) product: String,
    pub(super) field: String,
    /// `r_series` or `e_series`.
    pub(super) side: String,
}

/// What is new in the ledger, oldest first.
#[derive(Debug, Default)]
pub(super) struct News {
    pub(super) writes: Vec<Write>,
    /// For each echo, the write it comes from.
    pub(super) echoes: Vec<String>,
}

/// Reads the ledger over the REST interface.
#[derive(Debug)]
pub(super) struct Book {
    visitor: Visitor,
    connection: String,
    since: Instant,
    seen: BTreeSet<String>,
    /// Concord's id of the product, by the item's id.
    products: BTreeMap<i64, String>,
}

impl Book {
    /// Tells of what is written down from `since` on.
    pub(super) fn open(visitor: &Visitor, connection: &str, since: Instant) -> Self {
        Self {
            visitor: visitor.clone(),
            connection: connection.to_owned(),
            since,
            seen: BTreeSet::new(),
            products: BTreeMap::new(),
        }
    }

    /// Concord's id of an item's product.
    pub(super) async fn product(&mut self, item_id: i64) -> Result<Option<String>, VisitError> {
        if !self.products.contains_key(&item_id) {
            self.read_products().await?;
        }
        Ok(self.products.get(&item_id).cloned())
    }

    async fn read_products(&mut self) -> Result<(), VisitError> {
        let mut cursor = String::new();
        loop {
            let path = format!("/v1/connections/{}/products?limit={PAGE}{cursor}", self.connection);
            let page = self.visitor.get(&path).await?;
            for product in page.get("items").and_then(Value::as_array).into_iter().flatten() {
                let item = product.pointer("/r_series/id");
                let item = item.and_then(|id| id.as_i64().or_else(|| id.as_str()?.parse().ok()));
                if let Some((item, id)) = item.zip(text(product, "id")) {
                    self.products.insert(item, id);
                }
            }
            match page.get("next").and_then(Value::as_str) {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(()),
            }
        }
    }

    /// What has been written down since it was last asked.
    pub(super) async fn news(&mut self) -> Result<News, VisitError> {
        let path = format!("/v1/connections/{}/ledger?limit={PAGE}", self.connection);
        let page = self.visitor.get(&path).await?;
        let mut news = News::default();
        for entry in page.get("items").and_then(Value::as_array).into_iter().flatten().rev() {
            let Some((id, at)) = text(entry, "id").zip(time(entry)) else { continue };
            if at < self.since || !self.seen.insert(id.clone()) {
                continue;
            }
            match entry.get("kind").and_then(Value::as_str) {
                Some("write" | "stock") => {
                    let parts = text(entry, "product_id").zip(text(entry, "field")).zip(text(entry, "side"));
                    if let Some(((product, field), side)) = parts {
                        news.writes.push(Write { id, at, product, field, side });
                    }
                }
                Some("echo") => {
                    news.echoes
                        .extend(entry.pointer("/detail/write").and_then(Value::as_str).map(str::to_owned));
                }
                _ => {}
            }
        }
        Ok(news)
    }
}

fn text(json: &Value, name: &str) -> Option<String> {
    json.get(name).and_then(Value::as_str).map(str::to_owned)
}

fn time(entry: &Value) -> Option<Instant> {
    entry.get("at")?.as_str()?.parse().ok()
}
