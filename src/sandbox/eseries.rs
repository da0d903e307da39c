//! The E-Series sandbox: an in-memory Ecwid REST API v3 with its habits, its webhooks and its merchant.
//!
//! It is written from the E-Series reference and knows nothing of any client.
//!
//! | part | what it holds |
//! |---|---|
//! | `api` | HTTP in and out, and which call does what |
//! | `access` | tokens, scopes, rate limit, OAuth |
//! | `store`, `product` | the catalogue, its index and its notices |
//! | `options`, `variation`, `variations` | what a product comes in, and the calls about it |
//! | `category`, `categories` | the tree, and which products are in it |
//! | `picture`, `images`, `fetch` | pictures of products, variations and categories |
//! | `search`, `batch`, `profile` | the calls that are more than a record |
//! | `merchant`, `goods`, `shelves`, `control`, `stagehands` | what happens in the shop, from a test or over HTTP |
//! | `habits` | what is switchable |
//! | `fields`, `values`, `spelling`, `refusal`, `webhook` | the forms on the wire |

mod access;
mod api;
mod batch;
mod categories;
mod category;
mod control;
mod fetch;
mod fields;
mod goods;
mod habits;
mod images;
mod merchant;
mod options;
mod picture;
mod product;
mod profile;
mod refusal;
mod search;
mod shelves;
mod spelling;
mod stagehands;
mod store;
#[cfg(test)]
mod tests;
mod values;
mod variation;
mod variations;
mod webhook;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get};
use rand::SeedableRng;
use rand_chacha::ChaCha12Rng;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::Value;

pub use habits::{ErrorBodies, Habits};
pub use merchant::Refused;

use crate::clock::{Instant, SharedClock};
use crate::sandbox::faults::{self, Faults};
use crate::sandbox::outbox::{Outbox, RetryPolicy};
use store::Store;

/// The store and the app as they stand when the sandbox opens.
#[derive(Debug, Clone)]
pub struct Config {
    /// The store's id.
    pub store_id: i64,
    /// The app's id, for the OAuth exchange.
    pub client_id: String,
    /// The app's secret: for the OAuth exchange, and the key of the webhooks' signatures.
    pub client_secret: String,
    /// What the app may do.
    pub scopes: Vec<String>,
    /// The rate limit of each token.
    pub requests_per_minute: usize,
    /// How many products the plan allows.
    pub max_product_limit: i64,
    /// What is switchable.
    pub habits: Habits,
}

impl Default for Config {
    fn default() -> Self {
        let scopes = [
            "read_store_profile",
            "read_store_profile_extended",
            "read_store_limits",
            "read_catalog",
            "create_catalog",
            "update_catalog",
        ];
        Self {
            store_id: 1003,
            client_id: "concord-sandbox".to_owned(),
            client_secret: "sandbox_client_secret".to_owned(),
            scopes: scopes.map(str::to_owned).to_vec(),
            requests_per_minute: 600,
            max_product_limit: 2500,
            habits: Habits::default(),
        }
    }
}

/// One request that reached the API, with its answer. Requests inside a batch stand in its body only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    /// The HTTP method.
    pub method: String,
    /// The whole path, as it was sent.
    pub path: String,
    /// The query string, as it was sent.
    pub query: String,
    /// The body, where it was JSON.
    pub body: Option<Value>,
    /// The status that was answered (a fault may have kept the caller from seeing it).
    pub status: u16,
    /// When.
    pub at: Instant,
}

/// A product as the merchant sees it: at once, without the index's lag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ProductView {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its SKU; may be empty where the store allows that.
    pub sku: String,
    /// Its base price.
    pub price: Decimal,
    /// Whether the storefront shows it.
    pub enabled: bool,
    /// Its stock; `None` is unlimited.
    pub quantity: Option<i64>,
    /// The id that a POS or an integration gave it.
    pub external_reference_id: Option<String>,
    /// The full record as the API shows it.
    pub json: Value,
}

/// One picture, as a test compares it with the shop's.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PictureView {
    /// Where it hangs: `main`, `gallery 3`, `variation 88001` or `category`.
    pub place: String,
    /// The number at the end of its file name, new with each upload.
    pub number: i64,
    /// SHA-256 of the bytes as they came, in hex; `None` where the platform has none.
    pub sha256: Option<String>,
    /// How many bytes came.
    pub size: usize,
    /// Where the platform says the original is.
    pub url: String,
    /// The id that a POS or an integration gave it.
    pub external_id: Option<String>,
    /// Its alternative text, as sent.
    pub alt: Option<Value>,
}

/// The sandboxed E-Series. Clones share the same store.
#[derive(Debug, Clone)]
pub struct ESeriesSandbox {
    clock: SharedClock,
    faults: Faults,
    outbox: Outbox,
    store: Arc<Mutex<Store>>,
    /// Fetches the pictures that are given by their address; made when the first one is.
    fetcher: Arc<OnceLock<Option<reqwest::Client>>>,
}

impl ESeriesSandbox {
    /// An empty store with the app installed. All randomness comes from `seed`.
    #[must_use]
    pub fn new(config: Config, clock: SharedClock, seed: u64) -> Self {
        let outbox = Outbox::new(clock.clone(), seed.wrapping_add(1), RetryPolicy::e_series());
        let mut access = access::Access::default();
        access.installed = true;
        let store = Store {
            config,
            generator: ChaCha12Rng::seed_from_u64(seed),
            outbox: outbox.clone(),
            webhook_url: None,
            access,
            products: std::collections::BTreeMap::new(),
            index: store::Index::default(),
            deleted: Vec::new(),
            categories: std::collections::BTreeMap::new(),
            counts: category::Counts::default(),
            edited_elsewhere: std::collections::BTreeMap::new(),
            batches: batch::Batches::default(),
            calls: VecDeque::new(),
            writes: 0,
            products_updated: profile::BORN,
            categories_updated: profile::BORN,
            next_product_id: 555_001,
            next_variation_id: 88_001,
            next_category_id: 7_001,
            next_picture: 4_400_001,
            promises: Vec::new(),
            cdn: "https://images.cdn.example".into(),
            next_auto_sku: 0,
        };
        let faults = Faults::seeded(seed.wrapping_add(2), clock.clone());
        Self { clock, faults, outbox, store: Arc::new(Mutex::new(store)), fetcher: Arc::default() }
    }

    /// The platform's HTTP side: `/api/v3/…` and `/api/oauth/…`, behind its faults.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/api/{*rest}", any(api::answer))
            .route("/images/{*rest}", get(api::picture))
            .with_state(self.clone())
            .layer(from_fn_with_state(self.faults.clone(), faults::meet))
    }

    /// The faults that requests meet.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The webhooks that wait for delivery.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Where webhooks go from now on; `None` sends none.
    pub fn set_webhook_url(&self, url: Option<String>) {
        self.with(|store| store.webhook_url = url);
    }

    /// Where it is served: its pictures are there as well.
    pub fn set_base_url(&self, url: &str) {
        self.with(|store| store.cdn = url.trim_end_matches('/').into());
    }

    /// A new token with the app's scopes, without OAuth. Installs the app again if it was removed.
    pub fn issue_token(&self) -> String {
        self.with(|store| store.issue_token(store.config.scopes.clone()))
    }

    /// The merchant lets the app in: a code for `/api/oauth/token`.
    pub fn authorize(&self) -> String {
        let now = self.clock.now();
        self.with(|store| store.authorize(None, None, now))
    }

    /// Changes habits, from now on.
    pub fn habits(&self, change: impl FnOnce(&mut Habits)) {
        self.with(|store| change(&mut store.config.habits));
    }

    /// The merchant changes the plan.
    pub fn set_max_product_limit(&self, limit: i64) {
        self.with(|store| store.config.max_product_limit = limit);
    }

    /// Every request that reached the API, oldest first.
    pub fn calls(&self) -> Vec<Call> {
        self.with(|store| store.calls.iter().cloned().collect())
    }

    /// Forgets the calls and the count of writes.
    pub fn clear_calls(&self) {
        self.with(|store| {
            store.calls.clear();
            store.writes = 0;
        });
    }

    /// How many writes of the API were carried out; a batch counts as the writes in it.
    pub fn write_calls(&self) -> usize {
        self.with(|store| store.writes)
    }

    fn with<T>(&self, use_it: impl FnOnce(&mut Store) -> T) -> T {
        use_it(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// As [`Self::with`], after what has fallen due by itself.
    fn settled<T>(&self, use_it: impl FnOnce(&mut Store, Instant) -> T) -> T {
        let now = self.clock.now();
        self.with(|store| {
            store.settle(now);
            use_it(store, now)
        })
    }
}
