//! The world of a test: both platforms on a stage, a service over a database of its own, and a clock that
//! moves when told to.

mod database;
pub mod laws;
pub mod mortal;
pub mod statuses;
pub mod stopper;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use chrono::TimeZone;
use concord::cli::service::{Assembled, Parts, assemble};
use concord::clock::{Clock, Instant, ManualClock, SharedClock, after};
use concord::connections::{Accounts, PlatformApps};
use concord::http::auth::AdminToken;
use concord::http::limits::Rates;
use concord::ids::{ConnectionId, GeneratedIds, SharedIds};
use concord::platforms::rseries::oauth::App;
use concord::platforms::transport::Limits;
use concord::queue::Worker;
use concord::sandbox::eseries::{self, ProductView};
use concord::sandbox::faults::Faults;
use concord::sandbox::relay::RelayTarget;
use concord::sandbox::rseries::{self, ItemView, NewItem};
use concord::sandbox::stage::{Setup, Stage};
use concord::store::{Store, dirty, syncs, trees};
use concord::sweep::upkeep::Retention;
use concord::turnstile::Turnstile;
use concord::vault::Vault;
use rust_decimal::Decimal;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

pub const TOKEN: &str = "test-admin-token";
pub const SHOP: i64 = 1;
/// The master key of every world.
pub const KEY: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

/// How a world differs from the usual one.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    /// The relay tells of changes on R-Series; without it they are found by polling.
    pub relay: bool,
    pub shops: usize,
    /// As strict as the real ones, or wide open for tests of other things.
    pub real_limits: bool,
    pub search_lag: bool,
    pub online_level: Option<i64>,
    /// What the transactions of the front desk pass.
    pub door: Turnstile,
    /// While a platform hangs, time passes until the caller gives up.
    pub time_passes: bool,
    /// E-Series reads the shop's pictures by their addresses; else it is given the bytes.
    pub public_pictures: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            relay: true,
            shops: 1,
            real_limits: false,
            search_lag: true,
            online_level: Some(3),
            door: Turnstile::default(),
            time_passes: true,
            public_pictures: false,
        }
    }
}

pub struct World {
    pub plan: Plan,
    pub stage: Stage,
    pub clock: ManualClock,
    pub store: Store,
    pub worker: Worker,
    pub app: Router,
    /// The accounts as the front desk has them open; the worker's are the same until it is restarted.
    pub accounts: Arc<Accounts>,
    pub connection: ConnectionId,
    pub r_secret: String,
    pub door: String,
    url: String,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

/// The service's front, with every answer noted.
pub fn front(desk: concord::http::Desk) -> axum::Router {
    concord::http::app(desk).layer(axum::middleware::from_fn(statuses::note))
}

pub fn start_of_time() -> Instant {
    chrono::Utc.with_ymd_and_hms(2026, 3, 2, 9, 0, 0).unwrap()
}

/// As in production.
pub const LIMITS: Limits = Limits { connect: Duration::from_secs(5), total: Duration::from_secs(20) };

/// Whenever a platform keeps a caller waiting, time passes until it goes on or the caller gives up.
async fn time_passes(faults: Faults, clock: ManualClock) {
    loop {
        let until = faults.keeps_waiting().await;
        let given_up = after(clock.now(), LIMITS.total);
        clock.set(until.min(given_up));
        faults.keeps_nobody().await;
    }
}

impl World {
    /// A world whose accounts are not connected yet.
    pub async fn open(plan: Plan) -> Self {
        Self::open_on(database::fresh().await, plan).await
    }

    /// The same over this database, which is migrated and empty.
    pub async fn open_on(url: String, plan: Plan) -> Self {
        let clock = ManualClock::starting_at(start_of_time());
        let shared: SharedClock = Arc::new(clock.clone());
        let mut r = rseries::Config {
            shops: (1..=plan.shops).map(|shop| format!("Shop {shop}")).collect(),
            online_price_level_id: plan.online_level,
            ..rseries::Config::default()
        };
        let mut e = eseries::Config::default();
        if !plan.real_limits {
            (r.bucket_size, r.drip_rate, r.burst_limit) = (1e6, 1e5, 1_000_000);
            e.requests_per_minute = 1_000_000;
        }
        let setup = Setup { r, e, seed: plan.seed, deliver: false, ..Setup::default() };
        let stage = Stage::open(setup, shared).await.unwrap();
        if !plan.search_lag {
            stage.e.habits(|habits| (habits.index_lag_min_seconds, habits.index_lag_max_seconds) = (0, 0));
        }
        let store = Store::open(&url, 8).unwrap();
        let door_store = store.through(plan.door.clone());
        let ids: SharedIds = Arc::new(GeneratedIds::seeded(plan.seed));
        let Assembled { worker, desk, writer } =
            assemble(parts(&stage, &door_store, &clock, ids, plan.public_pictures), "http://concord.test")
                .unwrap();
        let stop = CancellationToken::new();
        let accounts = desk.accounts.clone();
        let app = front(desk);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let door = format!("http://{}", listener.local_addr().unwrap());
        let served = app.clone();
        let mut tasks = vec![
            tokio::spawn(writer.run(stop.clone(), || {})),
            tokio::spawn(async move { axum::serve(listener, served).await.unwrap() }),
        ];
        if plan.time_passes {
            for faults in [stage.r.faults(), stage.e.faults()] {
                tasks.push(tokio::spawn(time_passes(faults.clone(), clock.clone())));
            }
        }
        let nowhere = ConnectionId(uuid::Uuid::nil());
        Self {
            plan,
            stage,
            clock,
            store,
            worker,
            app,
            accounts,
            connection: nowhere,
            r_secret: String::new(),
            door,
            url,
            stop,
            tasks,
        }
    }

    /// A world with these items in the shop, connected and quiet.
    pub async fn with(plan: Plan, items: Vec<NewItem>) -> Self {
        let mut world = Self::open(plan).await;
        for item in items {
            world.stage.r.create_item(item);
        }
        world.connect().await;
        world.settle().await;
        world
    }

    /// A usual world with one mug: 10 pieces, 12.50, SKU MUG-1.
    pub async fn with_a_mug() -> Self {
        Self::with(Plan::default(), vec![mug()]).await
    }

    pub fn credentials(&self) -> Value {
        let (access, refresh) = self.stage.r.issue_tokens();
        json!({
            "name": "Test shop",
            "r_series": {"account_id": "4711", "access_token": access, "refresh_token": refresh,
                "shop_ids": (1..=self.plan.shops).map(|shop| shop.to_string()).collect::<Vec<_>>(),
                "primary_shop_id": "1"},
            "e_series": {"store_id": "1003", "access_token": self.stage.e.issue_token()},
        })
    }

    pub async fn connect(&mut self) {
        self.connect_with(self.credentials()).await;
    }

    /// The same with a plan of E-Series.
    pub async fn connect_on_plan(&mut self, plan: &str) {
        let mut credentials = self.credentials();
        credentials["plan"] = json!(plan);
        self.connect_with(credentials).await;
    }

    pub async fn connect_with(&mut self, credentials: Value) {
        let (status, made) = self.call("POST", "/v1/connections", Some(credentials)).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        self.adopt(&made);
    }

    /// Works with a connection that was made: both platforms send their notices to it.
    pub fn adopt(&mut self, made: &Value) {
        self.connection = made["id"].as_str().unwrap().parse().unwrap();
        made["webhooks"]["r_series_secret"].as_str().unwrap().clone_into(&mut self.r_secret);
        self.stage.e.set_webhook_url(Some(format!("{}/webhooks/e-series", self.door)));
        if self.plan.relay {
            self.stage.relay.set_target(Some(RelayTarget {
                url: format!("{}/webhooks/r-series/{}", self.door, self.connection),
                secret: self.r_secret.clone(),
            }));
        }
    }

    /// A new process over the same database: gates, tokens and everything else in memory is gone.
    pub fn restart_worker(&mut self, salt: u64) {
        let ids: SharedIds = Arc::new(GeneratedIds::seeded(self.plan.seed.wrapping_mul(1_000_003) ^ salt));
        let Assembled { worker, .. } = assemble(
            parts(&self.stage, &self.store, &self.clock, ids, self.plan.public_pictures),
            "http://concord.test",
        )
        .unwrap();
        self.worker = worker;
    }

    /// A worker with a memory of its own, whose clock and turnstile are these.
    pub fn worker_through(&self, salt: u64, clock: SharedClock, turnstile: Turnstile) -> Worker {
        let ids: SharedIds = Arc::new(GeneratedIds::seeded(self.plan.seed.wrapping_mul(104_729) ^ salt));
        let parts = Parts {
            clock,
            turnstile,
            ..parts(&self.stage, &self.store, &self.clock, ids, self.plan.public_pictures)
        };
        assemble(parts, "http://concord.test").unwrap().worker
    }

    /// What another service over the same database and stage is made of.
    pub fn parts(&self, salt: u64) -> Parts {
        let ids: SharedIds = Arc::new(GeneratedIds::seeded(self.plan.seed.wrapping_mul(15_485_863) ^ salt));
        parts(&self.stage, &self.store, &self.clock, ids, self.plan.public_pictures)
    }

    pub fn clock_now(&self) -> Instant {
        self.clock.now()
    }

    /// A second worker beside the first, with a memory of its own.
    pub fn another_worker(&self, salt: u64) -> Worker {
        self.another_house(salt).worker
    }

    /// A second process beside the first: everything but its door.
    pub fn another_house(&self, salt: u64) -> Assembled {
        let ids: SharedIds = Arc::new(GeneratedIds::seeded(self.plan.seed.wrapping_mul(7_919) ^ salt));
        let parts = parts(&self.stage, &self.store, &self.clock, ids, self.plan.public_pictures);
        assemble(parts, "http://concord.test").unwrap()
    }

    /// One request to the service, in process. The answer is JSON, or null.
    pub async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {TOKEN}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let body = body.map_or(Body::empty(), |body| Body::from(body.to_string()));
        let response = self.app.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// One request as it is: status, body and headers of the answer.
    pub async fn raw(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, String)],
        body: String,
    ) -> (u16, String, axum::http::HeaderMap) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let response = self.app.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
        (status, String::from_utf8_lossy(&bytes).into_owned(), headers)
    }

    pub async fn get(&self, path: &str) -> Value {
        let path = format!("/v1/connections/{}{path}", self.connection);
        let (status, answer) = self.call("GET", &path, None).await;
        assert_eq!(status, StatusCode::OK, "{path}: {answer}");
        answer
    }

    /// Runs until nothing waits: notices delivered, products visited, first looks done. Time moves only
    /// when everybody waits for it.
    pub async fn settle(&self) {
        for _ in 0..3_000 {
            let delivered = !self.stage.deliver_due().await.is_empty();
            let did = self.worker.step().await.expect("the worker steps");
            if delivered || did {
                continue;
            }
            let Some(next) = self.next_due().await else { return };
            let now = self.clock.now();
            self.clock.set(if next > now { next } else { after(now, Duration::from_millis(500)) });
        }
        panic!("seed {}: it never becomes quiet; {}", self.plan.seed, self.get("/status").await);
    }

    /// When a notice, a visit or a first look is due; none when it is quiet.
    pub async fn next_due(&self) -> Option<Instant> {
        [self.stage.next_due(), self.next_work().await].into_iter().flatten().min()
    }

    /// When a visit, a first look or a look at the categories is due.
    pub async fn next_work(&self) -> Option<Instant> {
        let mut db = self.store.begin().await.unwrap();
        let visit = dirty::next_due(&mut db).await.unwrap();
        let sync = syncs::next_due(&mut db).await.unwrap();
        let tree = trees::next_due(&mut db).await.unwrap();
        [visit, sync, tree].into_iter().flatten().min()
    }

    /// Lets the next sweep find what nobody told, and settles.
    pub async fn sweep(&self) {
        self.clock.advance(Duration::from_secs(61));
        self.settle().await;
    }

    /// Waits, in real time, until requests that were on their way have been worked on.
    pub async fn drain(&self) {
        for _ in 0..2 {
            for url in [
                format!("{}/_sandbox/r-series/items", self.stage.r_url()),
                format!("{}/_sandbox/e-series/products", self.stage.e_url()),
            ] {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                let _ = client.get(url).send().await;
            }
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The item and its product.
    pub fn pair(&self, item_id: i64) -> (ItemView, ProductView) {
        let item = self.stage.r.item(item_id).expect("the item is there");
        let product = self.product_of(item_id).expect("the product is there");
        (item, product)
    }

    pub fn product_of(&self, item_id: i64) -> Option<ProductView> {
        let marker = format!("concord-r-{item_id}");
        self.stage
            .e
            .products()
            .into_iter()
            .find(|product| product.external_reference_id.as_ref() == Some(&marker))
    }

    pub async fn ledger(&self) -> Vec<Value> {
        let mut entries = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("/ledger?limit=200{cursor}")).await;
            entries.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return entries,
            }
        }
    }

    /// How what is sold on the web is booked in the shop: `count` or `sale`.
    pub async fn set_web_sales(&self, way: &str) -> (StatusCode, Value) {
        let path = format!("/v1/connections/{}", self.connection);
        self.call("PATCH", &path, Some(json!({"settings": {"web_sales": way}}))).await
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
        for task in &self.tasks {
            task.abort();
        }
    }
}

fn parts(stage: &Stage, store: &Store, clock: &ManualClock, ids: SharedIds, public_pictures: bool) -> Parts {
    let r = rseries::Config::default();
    let e = eseries::Config::default();
    Parts {
        store: store.clone(),
        vault: Vault::new(&SecretString::from(KEY)).unwrap(),
        apps: PlatformApps {
            r_series_url: stage.r_url().parse().unwrap(),
            r_series_auth_url: stage.r_url().parse().unwrap(),
            r_series: Some(App { client_id: r.client_id, client_secret: r.client_secret.into() }),
            r_series_images_url: stage.r_url().parse().unwrap(),
            r_series_images_public: public_pictures,
            e_series_images_urls: vec![stage.e_url().parse().unwrap()],
            e_series_url: stage.e_url().parse().unwrap(),
            e_series_auth_url: stage.e_url().parse().unwrap(),
            e_series_id: Some(e.client_id),
            e_series_secret: Some(e.client_secret.into()),
        },
        admin: AdminToken::new(&SecretString::from(TOKEN)),
        rates: Rates::default(),
        sweep_interval: Duration::from_secs(60),
        retention: Retention::default(),
        limits: LIMITS,
        clock: Arc::new(clock.clone()),
        ids,
        turnstile: Turnstile::default(),
    }
}

pub fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub fn mug() -> NewItem {
    item("Stoneware mug", "MUG-1", "12.5", 10)
}

pub fn item(description: &str, sku: &str, price: &str, stock: i64) -> NewItem {
    NewItem {
        description: description.into(),
        custom_sku: sku.into(),
        default_price: decimal(price),
        stock: vec![(SHOP, stock)],
        ..NewItem::default()
    }
}
