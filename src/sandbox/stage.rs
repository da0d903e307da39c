//! Both sandboxes served over loopback HTTP, with the relay beside them.
//!
//! | server | path | what |
//! |---|---|---|
//! | R-Series | `/` | the API and its OAuth |
//! | R-Series | `/_sandbox/r-series` | the merchant, the faults and the habits |
//! | R-Series | `/_sandbox/relay` | the relay's target and its deliveries |
//! | E-Series | `/` | the API and its OAuth |
//! | E-Series | `/_sandbox/e-series` | the merchant, the faults, the habits and the webhooks |

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

use super::eseries::{self, ESeriesSandbox};
use super::line::{Door, Road};
use super::outbox::{Delivery, Outbox};
use super::relay::Relay;
use super::rseries::{self, RSeriesSandbox};
use crate::clock::{self, Instant, SharedClock, SystemClock};

/// How long requests that are under way may take to end when a server closes. Only a request that hangs, such
/// as one that met a hanging fault, makes use of it.
const GRACE: Duration = Duration::from_millis(100);

/// How the stage is set.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The R-Series account.
    pub r: rseries::Config,
    /// The E-Series store.
    pub e: eseries::Config,
    /// The port of R-Series; 0 takes any that is free.
    pub r_port: u16,
    /// The port of E-Series; 0 takes any that is free.
    pub e_port: u16,
    /// Where everything random comes from.
    pub seed: u64,
    /// The outboxes deliver by themselves, as things fall due. Off: only [`Stage::deliver_due`] delivers.
    pub deliver: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            r: rseries::Config::default(),
            e: eseries::Config::default(),
            r_port: 0,
            e_port: 0,
            seed: 1,
            deliver: true,
        }
    }
}

/// Both platforms, served, and the relay. Dropping it ends everything at once; [`Stage::close`] is the polite way.
#[derive(Debug)]
pub struct Stage {
    /// The R-Series platform.
    pub r: RSeriesSandbox,
    /// The E-Series platform.
    pub e: ESeriesSandbox,
    /// The relay that tells of changes on R-Series.
    pub relay: Relay,
    r_server: Server,
    e_server: Server,
    deliverers: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

impl Stage {
    /// Opens both servers on 127.0.0.1.
    pub async fn open(setup: Setup, clock: SharedClock) -> io::Result<Self> {
        let Setup { r, e, r_port, e_port, seed, deliver } = setup;
        let r_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, r_port)).await?;
        let e_listener = TcpListener::bind((Ipv4Addr::LOCALHOST, e_port)).await?;

        // Seeds are far apart, because each part takes a few that follow its own.
        let r = RSeriesSandbox::new(r, clock.clone(), seed);
        let e = ESeriesSandbox::new(e, clock.clone(), seed.wrapping_add(0x1_0000));
        let relay = Relay::new(clock, seed.wrapping_add(0x2_0000));
        relay.attach(&r);

        // The platforms answer every path, so they come last: the control API must not be shadowed.
        let r_router = Router::new()
            .nest("/_sandbox/r-series", r.control_router())
            .nest("/_sandbox/relay", relay.control_router())
            .fallback_service(r.router());
        let e_router =
            Router::new().nest("/_sandbox/e-series", e.control_router()).fallback_service(e.router());
        let r_server = Server::start(r_listener, r_router)?;
        let e_server = Server::start(e_listener, e_router)?;
        r.set_base_url(r_server.url());
        e.set_base_url(&e_server.url());

        let stop = CancellationToken::new();
        let mut stage = Self { r, e, relay, r_server, e_server, deliverers: Vec::new(), stop };
        if deliver {
            stage.deliverers = stage
                .outboxes()
                .map(|outbox| {
                    let (outbox, stop) = (outbox.clone(), stage.stop.clone());
                    tokio::spawn(async move { outbox.run(stop).await })
                })
                .into();
        }
        Ok(stage)
    }

    /// The address of R-Series, without a trailing slash.
    pub fn r_url(&self) -> String {
        self.r_server.url()
    }

    /// The address of E-Series, without a trailing slash.
    pub fn e_url(&self) -> String {
        self.e_server.url()
    }

    /// The way to R-Series, which can be cut and mended.
    pub fn r_road(&self) -> &Road {
        &self.r_server.road
    }

    /// The way to E-Series, which can be cut and mended.
    pub fn e_road(&self) -> &Road {
        &self.e_server.road
    }

    /// Posts every notice that is due, of E-Series and of the relay, and tells how each attempt went.
    pub async fn deliver_due(&self) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        for outbox in self.outboxes() {
            deliveries.extend(outbox.deliver_due().await);
        }
        deliveries
    }

    /// When the next notice falls due, if any waits.
    pub fn next_due(&self) -> Option<Instant> {
        self.outboxes().into_iter().filter_map(Outbox::next_due).min()
    }

    /// How many notices wait, for a first attempt or for a retry.
    pub fn pending(&self) -> usize {
        self.outboxes().into_iter().map(Outbox::pending).sum()
    }

    /// Ends the deliveries and both servers, idle connections and hanging requests included.
    pub async fn close(mut self) {
        self.stop.cancel();
        for deliverer in self.deliverers.drain(..) {
            // An error means that it has panicked: it is over all the same.
            let _ = deliverer.await;
        }
        tokio::join!(self.r_server.close(), self.e_server.close());
    }

    fn outboxes(&self) -> [&Outbox; 2] {
        [self.e.outbox(), self.relay.outbox()]
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
        for deliverer in &self.deliverers {
            deliverer.abort();
        }
    }
}

/// One router on one port.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    task: JoinHandle<()>,
    /// No new connections; those that are idle close.
    close: CancellationToken,
    /// The way in: what is on it breaks when it is cut.
    road: Road,
}

impl Server {
    fn start(listener: TcpListener, router: Router) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (close, road) = (CancellationToken::new(), Road::default());
        let door = Door::new(listener, road.clone());
        let serve = axum::serve(door, router.layer(CatchPanicLayer::new()))
            .with_graceful_shutdown(close.clone().cancelled_owned());
        let task = tokio::spawn(async move {
            // Serving has no way to fail; the result is there for the future.
            let _ = serve.await;
        });
        Ok(Self { address, task, close, road })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn close(&mut self) {
        self.close.cancel();
        // Requests hang in real time, whatever the stage's clock says.
        let real: SharedClock = Arc::new(SystemClock);
        tokio::select! {
            biased;
            _ = &mut self.task => return,
            () = clock::sleep(&real, GRACE) => {}
        }
        self.road.cut();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close.cancel();
        self.road.cut();
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::sandbox::faults::{Aim, Fault};
    use crate::sandbox::relay::{self, RelayTarget};
    use crate::sandbox::rseries::NewItem;
    use axum::body::Bytes;
    use axum::http::HeaderMap;
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;
    use tokio::sync::mpsc;

    async fn stage(deliver: bool) -> Stage {
        let clock = ManualClock::starting_at("2026-01-05T09:12:44Z".parse().unwrap());
        Stage::open(Setup { deliver, ..Setup::default() }, Arc::new(clock)).await.unwrap()
    }

    fn client() -> reqwest::Client {
        reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
    }

    /// A receiver that hands over what it is sent.
    async fn receiver() -> (String, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>) {
        let (sender, received) = mpsc::unbounded_channel();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let take = move |headers: HeaderMap, body: Bytes| {
            let sender = sender.clone();
            async move { sender.send((headers, body)).unwrap() }
        };
        let app = Router::new().route("/hook", axum::routing::post(take));
        tokio::spawn(async move { axum::serve(listener, app).await });
        (url, received)
    }

    #[tokio::test]
    async fn the_api_answers_over_http_and_the_relay_tells_of_changes_in_signed_notices() {
        let stage = stage(true).await;
        let (url, mut received) = receiver().await;
        let client = client();
        let item =
            stage.r.create_item(NewItem { description: "Tasse „Föhr“".into(), ..NewItem::default() });
        stage.relay.set_target(Some(RelayTarget { url, secret: "made up".into() }));

        let (token, _) = stage.r.issue_tokens();
        let path = format!("{}/API/V3/Account/4711/Item/{item}.json", stage.r_url());
        let put = client.put(&path).bearer_auth(&token).json(&json!({"description": "Mug"}));
        assert_eq!(put.send().await.unwrap().status(), 200);
        let read: Value = client.get(&path).bearer_auth(&token).send().await.unwrap().json().await.unwrap();
        assert_eq!(read["Item"]["description"], "Mug");

        let (headers, body) = received.recv().await.unwrap();
        assert_eq!(headers["x-signature"].to_str().unwrap(), relay::signature("made up", &body));
        assert_eq!(headers["content-type"], "application/x-www-form-urlencoded");
        assert!(uuid::Uuid::parse_str(headers["x-delivery-id"].to_str().unwrap()).is_ok());
        let form: Vec<(String, String)> = serde_urlencoded::from_bytes(&body).unwrap();
        assert_eq!(form[0].1, "item.update");
        let payload: Value = serde_json::from_str(&form[1].1).unwrap();
        assert_eq!((&payload["itemID"], &payload["description"]), (&json!(item.to_string()), &json!("Mug")));

        let token = stage.e.issue_token();
        let path = format!("{}/api/v3/1003/products", stage.e_url());
        let post = client.post(&path).bearer_auth(&token).json(&json!({"name": "Mug", "sku": "M-1"}));
        assert_eq!(post.send().await.unwrap().status(), 200);
        assert_eq!(stage.e.products()[0].sku, "M-1");
        stage.close().await;
    }

    #[tokio::test]
    async fn a_page_of_r_series_names_the_next_one_at_the_served_address() {
        let stage = stage(false).await;
        for _ in 0..2 {
            stage.r.create_item(NewItem::default());
        }
        let (token, _) = stage.r.issue_tokens();
        let path = format!("{}/API/V3/Account/4711/Item.json?limit=1", stage.r_url());
        let page = client().get(&path).bearer_auth(&token).send().await.unwrap();
        let page: Value = page.json().await.unwrap();
        assert!(page["@attributes"]["next"].as_str().unwrap().starts_with(&stage.r_url()));
        stage.close().await;
    }

    #[tokio::test]
    async fn the_control_doors_are_beside_the_apis() {
        let stage = stage(false).await;
        let client = client();
        let item = stage.r.create_item(NewItem { stock: vec![(1, 5)], ..NewItem::default() });
        let sale = json!({"item_id": item, "shop_id": 1, "quantity": 2});
        let path = format!("{}/_sandbox/r-series/sell", stage.r_url());
        let view: Value = client.post(path).json(&sale).send().await.unwrap().json().await.unwrap();
        assert_eq!(view["stock"]["1"], 3);

        let path = format!("{}/_sandbox/e-series/products", stage.e_url());
        assert_eq!(client.post(&path).json(&json!({"name": "Mug"})).send().await.unwrap().status(), 200);
        let products: Value = client.get(&path).send().await.unwrap().json().await.unwrap();
        assert_eq!(products[0]["name"], "Mug");

        let path = format!("{}/_sandbox/relay/target", stage.r_url());
        let target = json!({"url": "http://127.0.0.1:1/", "secret": "made up"});
        assert_eq!(client.post(&path).json(&target).send().await.unwrap().status(), 204);
        stage.r.rename(item, "Cup");
        assert_eq!(stage.pending(), 1);
        assert_eq!(client.post(&path).json(&Value::Null).send().await.unwrap().status(), 204);
        stage.r.rename(item, "Mug");
        assert_eq!(stage.pending(), 1);
        stage.close().await;
    }

    #[tokio::test]
    async fn both_outboxes_deliver_when_told_to() {
        let stage = stage(false).await;
        let (url, mut received) = receiver().await;
        stage.e.set_webhook_url(Some(url.clone()));
        stage.relay.set_target(Some(RelayTarget { url, secret: "made up".into() }));
        stage.e.create_product(json!({"name": "Mug"}));
        stage.r.create_item(NewItem::default());
        assert_eq!(stage.pending(), 2);
        assert!(stage.next_due().is_some());
        let deliveries = stage.deliver_due().await;
        assert_eq!(deliveries.iter().map(|it| it.accepted).collect::<Vec<_>>(), [true, true]);
        assert_eq!((stage.pending(), stage.next_due()), (0, None));
        assert!(received.recv().await.unwrap().0.contains_key("x-ecwid-webhook-signature"));
        assert!(received.recv().await.unwrap().0.contains_key("x-signature"));
        stage.close().await;
    }

    #[tokio::test]
    async fn closing_ends_idle_silent_and_hanging_connections() {
        let stage = stage(true).await;
        let (r_address, e_address) = (stage.r_server.address, stage.e_server.address);
        let client = client();
        // Idle, kept alive.
        client.get(stage.e_url()).send().await.unwrap();
        // Open, but nothing was ever asked.
        let mut silent = TcpStream::connect(e_address).await.unwrap();
        // Asked and never answered.
        stage.r.faults().next(Aim::Any, Fault::HangBefore);
        let mut hanging = TcpStream::connect(r_address).await.unwrap();
        hanging.write_all(b"GET /API/V3/Account.json HTTP/1.1\r\nhost: r\r\n\r\n").await.unwrap();
        while stage.r.faults().met() == 0 {
            tokio::task::yield_now().await;
        }
        stage.close().await;
        for line in [&mut silent, &mut hanging] {
            // Closed in order or reset: ended either way.
            let read = line.read(&mut [0; 16]).await;
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        }
        assert!(TcpStream::connect(r_address).await.is_err(), "nobody listens any more");
    }

    #[tokio::test]
    async fn dropping_a_stage_leaves_nothing_behind() {
        let stage = stage(true).await;
        let address = stage.r_server.address;
        let mut silent = TcpStream::connect(address).await.unwrap();
        let mut asked = TcpStream::connect(address).await.unwrap();
        stage.r.faults().next(Aim::Any, Fault::HangBefore);
        asked.write_all(b"GET / HTTP/1.1\r\nhost: r\r\n\r\n").await.unwrap();
        while stage.r.faults().met() == 0 {
            tokio::task::yield_now().await;
        }
        drop(stage);
        for line in [&mut silent, &mut asked] {
            let read = line.read(&mut [0; 16]).await;
            assert!(matches!(read, Ok(0) | Err(_)), "{read:?}");
        }
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    async fn ouch() -> &'static str {
        panic!("on purpose")
    }

    #[tokio::test]
    async fn a_request_that_panics_takes_nobody_with_it() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let router = Router::new()
            .route("/ouch", axum::routing::get(ouch))
            .route("/fine", axum::routing::get(|| async { "fine" }));
        let mut server = Server::start(listener, router).unwrap();
        let client = client();
        let ask = |path: &str| client.get(format!("{}{path}", server.url())).send();
        assert_eq!(ask("/ouch").await.unwrap().status(), 500);
        assert_eq!(ask("/fine").await.unwrap().status(), 200);
        server.close().await;
    }
}
