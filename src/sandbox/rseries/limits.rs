//! The leaky bucket, the burst limiter and what requests cost (section 3).

use axum::http::Method;
use serde_json::Value;

use super::filter::Operator;
use super::habits::Habits;
use super::query::Query;
use super::resource::{Reach, Resource, Which};
use super::sale::says_completed;
use crate::clock::Instant;

/// What one request costs, in tenths of a drip: a whole number, so that sums stay exact.
pub(super) type Tenths = u32;

/// A base request.
const BASE: Tenths = 10;

/// The state of both limiters of the one pair of account and client.
#[derive(Debug)]
pub(super) struct Limits {
    size: f64,
    drip: f64,
    burst_limit: u32,
    level: f64,
    leaked_at: Option<Instant>,
    window: i64,
    used: u32,
}

/// What the limiters say about one request.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    /// The limiter that blocks and the whole seconds to wait.
    pub(super) blocked: Option<(&'static str, String)>,
    /// What was added to the bucket.
    pub(super) drips: f64,
    /// The headers of section 3.4 that stand on every response.
    pub(super) headers: [(&'static str, String); 4],
}

impl Limits {
    pub(super) fn new(size: f64, drip: f64, burst_limit: u32) -> Self {
        Self { size, drip, burst_limit, level: 0.0, leaked_at: None, window: i64::MIN, used: 0 }
    }

    /// Counts a request, unless it is blocked.
    pub(super) fn meet(&mut self, now: Instant, cost: Tenths) -> Verdict {
        let cost = f64::from(cost) / 10.0;
        self.leak(now);
        // Fixed windows of a second in which every request counts one (section 3.2).
        self.used = self.used.saturating_add(1);
        let blocked = if self.used > self.burst_limit {
            Some(("api-burst-limiter", "1".to_owned()))
        } else if self.level >= self.size {
            // Section 3.4's formula. Where the level is a whole number above the size it sends the client
            // back one moment too early, and the next answer says 1 more second.
            let wait = ((self.level - self.size) / self.drip).ceil().max(1.0);
            Some(("api-leaky-bucket", wait.to_string()))
        } else {
            // The request that pushes the level over the size is still served; a blocked one adds nothing.
            self.level += cost;
            None
        };
        let drips = if blocked.is_none() { cost } else { 0.0 };
        Verdict { blocked, drips, headers: self.headers(cost) }
    }

    /// The headers of a request that is not counted.
    pub(super) fn look(&mut self, now: Instant) -> [(&'static str, String); 4] {
        self.leak(now);
        self.headers(0.0)
    }

    fn leak(&mut self, now: Instant) {
        let elapsed =
            self.leaked_at.map_or(0.0, |then| (now - then).to_std().unwrap_or_default().as_secs_f64());
        self.level = (self.level - elapsed * self.drip).max(0.0);
        self.leaked_at = Some(now);
        if self.window != now.timestamp() {
            self.window = now.timestamp();
            self.used = 0;
        }
    }

    fn headers(&self, cost: f64) -> [(&'static str, String); 4] {
        [
            ("X-LS-API-Bucket-Level", format!("{}/{}", self.level, self.size)),
            ("X-LS-API-Burst-Level", format!("{}/{}", self.used, self.burst_limit)),
            ("X-LS-API-Drip-Rate", self.drip.to_string()),
            ("X-LS-API-Request-Cost", cost.to_string()),
        ]
    }
}

/// The cost table of section 3.3.
pub(super) fn cost(
    method: &Method,
    resource: Option<&Resource>,
    single: bool,
    query: &Query,
    body: &Value,
    habits: &Habits,
) -> Tenths {
    let Some(resource) = resource else { return BASE };
    if method == Method::GET && !single && query.value("count") == Some("1") {
        return 100;
    }
    let base = if method == Method::GET { BASE } else { resource.write_cost };
    let or = if method == Method::GET && !single { or_cost(query) } else { 0 };
    // Completing a sale costs three more (section 3.3).
    let completes = resource.which == Which::Sale && says_completed(body);
    let base = base + if method != Method::GET && completes { 30 } else { 0 };
    base + relations_cost(resource, method == Method::GET && !single, query) + or + payload_cost(body, habits)
}

fn relations_cost(resource: &Resource, collection: bool, query: &Query) -> Tenths {
    let Ok(relations) = query.relations(resource) else { return 0 };
    let loaded = resource.relations.iter().filter(|(name, _)| relations.has(name));
    loaded
        .map(|(name, reach)| {
            let parent = name.split_once('.').and_then(|(parent, _)| resource.reach(parent));
            let below_many = parent == Some(Reach::Many);
            let cost = if *reach == Reach::One { 1 } else { 2 };
            if collection || below_many { cost * 2 } else { cost }
        })
        .sum()
}

fn or_cost(query: &Query) -> Tenths {
    let operands = query.alternatives();
    let count = |number: usize| Tenths::try_from(number).unwrap_or(Tenths::MAX);
    let entity =
        |field: &str| field.split_once('.').map_or_else(String::new, |(entity, _)| entity.to_owned());
    let Some((first, _)) = operands.first() else { return 0 };
    if operands.iter().all(|(field, _)| field == first) {
        return 0;
    }
    let mut entities: Vec<String> = operands.iter().map(|(field, _)| entity(field)).collect();
    entities.sort();
    entities.dedup();
    let ranges = operands.iter().filter(|(_, value)| Operator::split(value).0.is_range()).count();
    if entities.len() == 1 && ranges <= 1 {
        return 10 * count(operands.len());
    }
    100 * count(entities.len()) + 10 * count(operands.len() - entities.len())
}

/// Half a drip for each related entity of a payload.
fn payload_cost(body: &Value, habits: &Habits) -> Tenths {
    let Some(body) = body.as_object() else { return 0 };
    let entities = |relation: &Value| -> usize {
        let Some(relation) = relation.as_object() else { return 0 };
        let listed: usize = relation
            .values()
            .map(|rows| match rows {
                Value::Array(rows) => rows.len(),
                Value::Object(_) => 1,
                _ => 0,
            })
            .sum();
        listed.max(1)
    };
    let counted = body.iter().filter(|(name, _)| habits.price_rows_cost || *name != "Prices");
    let entities: usize = counted.map(|(_, relation)| entities(relation)).sum();
    Tenths::try_from(entities).unwrap_or(Tenths::MAX / 10).saturating_mul(5)
}
