//! Two merchants on one service: what happens to one is no matter of the other's. Counted in groups, not in time.
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use concord::cli::service::{Assembled, Parts, assemble};
use concord::clock::SharedClock;
use concord::connections::PlatformApps;
use concord::http::auth::AdminToken;
use concord::http::limits::Rates;
use concord::ids::{ConnectionId, GeneratedIds};
use concord::platforms::rseries::oauth::App;
use concord::platforms::transport::Limits;
use concord::queue::Worker;
use concord::sandbox::stage::{Setup, Stage};
use concord::sandbox::{eseries, rseries};
use concord::turnstile::Turnstile;
use concord::vault::Vault;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::support::{KEY, Plan, TOKEN, World, decimal, mug};

/// One address before both merchants' platforms, as the vendor's is: calls go by the account in their path.
#[derive(Clone)]
struct Street {
    /// Both sides of both merchants: R, E, R, E.
    homes: Arc<Vec<String>>,
    /// Whose calls without an account in their path these are.
    calling: Arc<AtomicU64>,
    /// The first merchant's platforms answer nothing while this is true.
    held: watch::Sender<bool>,
    /// Calls that were held.
    waiting: Arc<AtomicU64>,
    client: reqwest::Client,
}

async fn pass_on(State(street): State<Street>, request: Request) -> Response {
    let path = request.uri().path_and_query().unwrap().as_str().to_owned();
    let second = path.contains("/Account/4712") || path.contains("/v3/1004");
    let named = path.contains("/Account/") || path.contains("/api/v3/");
    let whose = if named {
        usize::from(second)
    } else {
        usize::try_from(street.calling.load(Ordering::SeqCst)).unwrap()
    };
    if whose == 0 && *street.held.borrow() {
        street.waiting.fetch_add(1, Ordering::SeqCst);
        let _ = street.held.subscribe().wait_for(|held| !held).await;
    }
    let e_side = usize::from(path.starts_with("/api/v3"));
    let url = format!("{}{path}", street.homes.get(2 * whose + e_side).unwrap());
    let (parts, body) = request.into_parts();
    let body: Bytes = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let mut call = street.client.request(parts.method, url).body(body);
    for (name, value) in &parts.headers {
        if name != "host" && name != "content-length" {
            call = call.header(name, value);
        }
    }
    let answer = call.send().await.unwrap();
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers() {
        if name != "transfer-encoding" && name != "content-length" {
            response = response.header(name, value);
        }
    }
    response.body(Body::from(answer.bytes().await.unwrap())).unwrap()
}

struct Neighbours {
    world: World,
    second: Stage,
    street: Street,
    worker: Worker,
    app: Router,
    connections: [ConnectionId; 2],
    stop: CancellationToken,
}

impl Neighbours {
    async fn open() -> Self {
        // A world for its clock and its database; the service over it is our own.
        let world = World::open(Plan { relay: false, search_lag: false, ..Plan::default() }).await;
        let clock: SharedClock = Arc::new(world.clock.clone());
        let mut setup = Setup { seed: 2, deliver: false, ..Setup::default() };
        (setup.r.account_id, setup.e.store_id) = (4712, 1004);
        (setup.r.bucket_size, setup.r.drip_rate, setup.r.burst_limit) = (1e6, 1e5, 1_000_000);
        (setup.r.online_price_level_id, setup.e.requests_per_minute) = (Some(3), 1_000_000);
        let second = Stage::open(setup, clock.clone()).await.unwrap();
        let homes = vec![world.stage.r_url(), world.stage.e_url(), second.r_url(), second.e_url()];
        let street = Street {
            homes: Arc::new(homes),
            calling: Arc::default(),
            held: watch::Sender::new(false),
            waiting: Arc::default(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        for stage in [&world.stage, &second] {
            stage.r.set_base_url(address.clone());
        }
        let router = Router::new().fallback(pass_on).with_state(street.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });

        let (r, e) = (rseries::Config::default(), eseries::Config::default());
        let parts = Parts {
            store: world.store.clone(),
            vault: Vault::new(&SecretString::from(KEY)).unwrap(),
            apps: PlatformApps {
                r_series_url: address.parse().unwrap(),
                r_series_auth_url: address.parse().unwrap(),
                r_series: Some(App { client_id: r.client_id, client_secret: r.client_secret.into() }),
                r_series_images_url: address.parse().unwrap(),
                r_series_images_public: false,
                e_series_images_urls: Vec::new(),
                e_series_url: address.parse().unwrap(),
                e_series_auth_url: address.parse().unwrap(),
                e_series_id: Some(e.client_id),
                e_series_secret: Some(e.client_secret.into()),
            },
            admin: AdminToken::new(&SecretString::from(TOKEN)),
            rates: Rates::default(),
            sweep_interval: Duration::from_secs(60),
            retention: concord::sweep::upkeep::Retention::default(),
            // Long: a platform that hangs here hangs until the test lets go of it.
            limits: Limits { connect: Duration::from_secs(5), total: Duration::from_secs(300) },
            clock,
            ids: Arc::new(GeneratedIds::seeded(5)),
            turnstile: Turnstile::default(),
        };
        let Assembled { worker, desk, writer } = assemble(parts, "http://concord.test").unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(writer.run(stop.clone(), || {}));
        let app = concord::http::app(desk);
        let nobody = ConnectionId(uuid::Uuid::nil());
        let mut both = Self { world, second, street, worker, app, connections: [nobody; 2], stop };
        for merchant in 0..2 {
            both.stage(merchant).r.create_item(mug());
            both.connect(merchant).await;
        }
        both.settle().await;
        both
    }

    fn stage(&self, merchant: usize) -> &Stage {
        if merchant == 0 { &self.world.stage } else { &self.second }
    }

    async fn connect(&mut self, merchant: usize) {
        self.street.calling.store(merchant as u64, Ordering::SeqCst);
        let (access, refresh) = self.stage(merchant).r.issue_tokens();
        let body = json!({
            "name": format!("Merchant {merchant}"),
            "r_series": {"account_id": 4711 + merchant, "access_token": access, "refresh_token": refresh},
            "e_series": {"store_id": 1003 + merchant, "access_token": self.stage(merchant).e.issue_token()},
        });
        let request = axum::http::Request::post("/v1/connections")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let response = self.app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let made: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(status, 201, "{made}");
        self.connections[merchant] = made["id"].as_str().unwrap().parse().unwrap();
    }

    async fn settle(&self) {
        for _ in 0..200 {
            if !self.worker.step().await.unwrap() {
                match self.world.next_due().await {
                    Some(next) => {
                        self.world.clock.set(next.max(concord::clock::Clock::now(&self.world.clock)));
                    }
                    None => return,
                }
            }
        }
        panic!("it never becomes quiet");
    }

    /// Products that are not known to be in step, written as a flood of notices would.
    async fn flood(&self, merchant: usize, count: usize) {
        let connection = self.connections[merchant];
        self.world
            .sql(&format!(
                "with new as (
                     insert into links (connection_id, product_id, r_item_id, standing, created_at)
                     select '{connection}', gen_random_uuid(), 1000000 + i, 'new', '2026-01-01' from generate_series(1, {count}) i
                     returning connection_id, product_id)
                 insert into dirty (connection_id, product_id, due_at, marked_at, noticed)
                 select connection_id, product_id, '2026-01-01', '2026-01-01', true from new"
            ))
            .await;
    }

    /// A new price in this merchant's shop, told as a notice tells it.
    async fn reprice(&self, merchant: usize, price: &str) {
        let item = self.stage(merchant).r.items()[0].item_id;
        self.stage(merchant).r.reprice_default(item, decimal(price));
        let connection = self.connections[merchant];
        self.world
            .sql(&format!(
                "insert into dirty (connection_id, product_id, due_at, marked_at, noticed)
                 select connection_id, product_id, '2026-03-01', '2026-03-01', true from links
                 where connection_id = '{connection}' and r_item_id = {item}"
            ))
            .await;
    }

    fn price(&self, merchant: usize) -> rust_decimal::Decimal {
        self.stage(merchant).e.products()[0].price
    }

    async fn waiting(&self, merchant: usize) -> i64 {
        let connection = self.connections[merchant];
        self.world
            .sql_count(&format!("select count(*) from dirty where connection_id = '{connection}'"))
            .await
    }
}

#[tokio::test]
async fn a_flood_of_one_merchant_delays_another_by_one_group() {
    let both = Neighbours::open().await;
    both.flood(0, 5_000).await;
    both.worker.visit().await.unwrap();
    both.worker.visit().await.unwrap();
    assert_eq!(both.waiting(0).await, 4_960, "the flood is worked on, a group of 20 at a time");
    both.reprice(1, "77.5").await;
    let mut groups = 0;
    while both.price(1) != decimal("77.5") {
        assert!(both.worker.visit().await.unwrap());
        groups += 1;
        assert!(groups <= 2, "still not served after {groups} groups");
    }
    assert!(both.waiting(0).await >= 4_900, "the flood was not waited for");
    eprintln!("served after {groups} groups, {} of the flood still waiting", both.waiting(0).await);

    // Both floods: turn by turn.
    both.flood(1, 5_000).await;
    let before = [both.waiting(0).await, both.waiting(1).await];
    for _ in 0..20 {
        assert!(both.worker.visit().await.unwrap());
    }
    let served = [before[0] - both.waiting(0).await, before[1] - both.waiting(1).await];
    assert!((served[0] - served[1]).abs() <= 20, "served {served:?}");
    both.stop.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_take_turns_too_and_nothing_is_served_twice() {
    let both = Neighbours::open().await;
    both.flood(0, 400).await;
    both.flood(1, 400).await;
    let lives = (0..4).map(|_| {
        let worker = both.worker.clone();
        async move {
            for _ in 0..20 {
                worker.visit().await.unwrap();
            }
        }
    });
    futures::future::join_all(lives).await;
    both.settle().await;
    assert_eq!([both.waiting(0).await, both.waiting(1).await], [0, 0]);
    both.stop.cancel();
}

#[tokio::test]
async fn a_platform_that_hangs_holds_up_its_own_merchant_only() {
    let both = Neighbours::open().await;
    let (wake, stop) = (Notify::new(), CancellationToken::new());
    let turns = AtomicU64::new(0);
    let ended = AtomicBool::new(false);
    both.street.held.send_replace(true);
    both.flood(0, 500).await;
    both.reprice(0, "55.5").await;
    let work = async {
        let turned = |_| {
            turns.fetch_add(1, Ordering::SeqCst);
        };
        both.worker.run(4, &wake, &stop, turned).await;
        ended.store(true, Ordering::SeqCst);
    };
    let watch = async {
        let until = async |done: &dyn Fn() -> bool| {
            while !done() {
                wake.notify_one();
                tokio::task::yield_now().await;
            }
        };
        until(&|| both.street.waiting.load(Ordering::SeqCst) > 0).await;
        for price in ["61.5", "62.5", "63.5"] {
            both.reprice(1, price).await;
            until(&|| both.price(1) == decimal(price)).await;
            while both.waiting(1).await > 0 {
                wake.notify_one();
            }
        }
        // Its sweep goes on as well.
        both.world.clock.advance(Duration::from_secs(61));
        let sweeps = format!(
            "select count(*) from connections where connection_id = '{}' and swept_at >= '2026-03-02 09:01:00+00'",
            both.connections[1]
        );
        while both.world.sql_count(&sweeps).await == 0 {
            wake.notify_one();
        }
        assert!(*both.street.held.borrow() && both.price(0) != decimal("55.5"));
        // No more than one visit and one round of the merchant that hangs are under way.
        assert!(both.street.waiting.load(Ordering::SeqCst) <= 2);
        assert!(turns.load(Ordering::SeqCst) > 10, "the loop stood still");
        stop.cancel();
        both.street.held.send_replace(false);
    };
    let both_done = async { tokio::join!(work, watch) };
    tokio::time::timeout(Duration::from_secs(60), both_done).await.expect("the second merchant was held up");
    assert!(ended.load(Ordering::SeqCst));
    let leased = both.world.sql_count("select count(*) from dirty where leased_until is not null").await;
    assert_eq!(leased, 0, "what was not begun was given back");
    assert!(both.waiting(0).await >= 480, "{} wait", both.waiting(0).await);
    both.settle().await;
    assert_eq!(both.price(0), decimal("55.5"));
    both.stop.cancel();
}
