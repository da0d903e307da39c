//! A storm: a script played on a world, with everything that happens written down in order.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::http::StatusCode;
use concord::catalog::Side;
use concord::clock::Clock;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::outbox::{Delivery, DeliveryFaults};
use concord::turnstile::{Passage, Passing, Point, Turnstile, Watcher};

use super::acts::values;
use super::alone::Alone;
use super::births::Births;
use super::merges::Merges;
use super::options::Options;
use super::script::{Event, Script, Setting};
use super::shelves::Shelves;
use super::walls::Walls;
use crate::support::stopper::{Leashed, SkewedClock};
use crate::support::{Plan, World, item};

/// The front desk's database: there, or not.
#[derive(Debug, Default)]
struct Desk {
    down: AtomicBool,
}

impl Watcher for Desk {
    fn pass(&self, _: Point) -> Passing<'_> {
        let down = self.down.load(Ordering::Relaxed);
        Box::pin(std::future::ready(if down { Passage::Broken } else { Passage::Free }))
    }

    fn note(&self, _: Point) {}
}

/// What people have typed for one item, and where last.
#[derive(Debug, Default)]
pub struct Typed {
    /// Every text of each field, from the beginning on.
    pub ever: BTreeMap<&'static str, BTreeSet<String>>,
    /// The last of each field on each side.
    pub last: BTreeMap<(&'static str, Side), String>,
}

impl Typed {
    pub fn type_in(&mut self, field: &'static str, side: Side, value: &str) {
        self.ever.entry(field).or_default().insert(value.to_owned());
        self.last.insert((field, side), value.to_owned());
    }
}

pub struct Storm {
    pub world: World,
    pub setting: Setting,
    pub items: Vec<i64>,
    /// What the stock must be in the end: by item, and by item in the second shop alone.
    pub truth: BTreeMap<i64, i64>,
    pub elsewhere: BTreeMap<i64, i64>,
    pub typed: BTreeMap<i64, Typed>,
    /// What people have typed for a whole matrix.
    pub whole: BTreeMap<i64, Typed>,
    /// The product, and variation, that each item had when somebody last looked.
    pub online: BTreeMap<i64, (i64, Option<i64>)>,
    /// Items that have another place in the shop than the web has seen.
    pub shifted: BTreeSet<i64>,
    /// Fields of which an operator has undone a write, by Concord's id of the product.
    pub undone: BTreeSet<(String, String)>,
    /// Categories, pictures, and what is on one side alone.
    pub shelves: Shelves,
    pub walls: Walls,
    pub alone: Alone,
    pub births: Births,
    pub merges: Merges,
    pub options: Options,
    /// Products that only the web has.
    pub only_online: usize,
    /// Events that were acknowledged.
    pub acknowledged: BTreeSet<String>,
    /// Everything that happened, in order.
    pub trace: String,
    workers: [Option<Leashed>; 2],
    clocks: [SkewedClock; 2],
    desk: Arc<Desk>,
    starts: u64,
}

impl Storm {
    pub async fn prepare(script: &Script) -> Self {
        let setting = script.setting.clone();
        let desk = Arc::new(Desk::default());
        let plan = Plan {
            seed: script.seed,
            relay: setting.relay,
            shops: setting.shops,
            door: Turnstile::watched(desk.clone()),
            time_passes: false,
            ..Plan::default()
        };
        let items = (0..setting.items).map(|number| {
            let mut item = item(&format!("Thing {number}"), &format!("T-{number}"), "10", setting.opening);
            if setting.shops > 1 {
                item.stock.push((2, setting.opening));
            }
            item
        });
        let mut world = World::open(plan).await;
        for item in items {
            world.stage.r.create_item(item);
        }
        if setting.matrix {
            world.stage.r.create_matrix(Self::matrix(&setting)).unwrap();
        }
        Self::furnish_shop(&world, &setting);
        world.connect().await;
        world.settle().await;
        if setting.books_sales {
            let (status, answer) = world.set_web_sales("sale").await;
            assert_eq!(status, StatusCode::OK, "{answer}");
        }
        world.stage.e.habits(|habits| {
            (habits.trim_names, habits.trim_skus) = (setting.trims, setting.trims);
            habits.round_prices = setting.rounds;
        });
        world.stage.r.habits(|habits| {
            habits.stock_write_moves_item_time_stamp = setting.stock_moves_time;
            habits.merged_items_stay_archived = setting.merged_stay;
            // Else nothing but a full look would ever tell of them.
            habits.attribute_write_moves_item_time_stamp = true;
        });
        let clocks = [SkewedClock::new(&world.clock, 0), SkewedClock::new(&world.clock, setting.skew)];
        let items: Vec<i64> = world.stage.r.items().iter().map(|item| item.item_id).collect();
        let mut storm = Self {
            world,
            setting,
            items: Vec::new(),
            truth: BTreeMap::new(),
            online: BTreeMap::new(),
            shifted: BTreeSet::new(),
            undone: BTreeSet::new(),
            shelves: Shelves::default(),
            walls: Walls::default(),
            alone: Alone::default(),
            births: Births::default(),
            merges: Merges::default(),
            options: Options::default(),
            elsewhere: BTreeMap::new(),
            typed: BTreeMap::new(),
            whole: BTreeMap::new(),
            only_online: 0,
            acknowledged: BTreeSet::new(),
            trace: String::new(),
            workers: [None, None],
            clocks,
            desk,
            starts: 0,
        };
        for id in items {
            storm.know(id);
        }
        storm.furnish_web();
        storm.expect_births().await;
        for who in 0..2 {
            storm.start(who);
        }
        storm
    }

    /// Remembers a new item as it is now.
    pub fn know(&mut self, id: i64) {
        let item = self.world.stage.r.item(id).unwrap();
        self.items.push(id);
        self.truth.insert(id, item.stock.values().sum());
        self.elsewhere.insert(id, item.stock.get(&2).copied().unwrap_or_default());
        let typed = self.typed.entry(id).or_default();
        let matrix = self.world.stage.r.matrix(item.matrix_id);
        typed.ever.entry("sku").or_default().insert(item.custom_sku);
        match matrix {
            None => {
                typed.ever.entry("name").or_default().insert(item.description);
            }
            Some(matrix) => {
                typed.ever.entry("values").or_default().insert(values(&item.attributes));
                let whole = self.whole.entry(matrix.matrix_id).or_default();
                whole.ever.entry("name").or_default().insert(matrix.description);
                whole.ever.entry("title").or_default().insert(matrix.names[0].clone());
            }
        }
        let typed = self.typed.entry(id).or_default();
        typed.ever.entry("price").or_default().insert(item.default_price.normalize().to_string());
    }

    fn start(&mut self, who: usize) {
        self.starts += 1;
        let clock = Arc::new(self.clocks[who].clone());
        self.workers[who] = Some(Leashed::new(&self.world, self.starts, clock));
    }

    fn write(&mut self, line: &str) {
        let at = self.world.clock.now().format("%H:%M:%S");
        writeln!(self.trace, "{at} {line}").unwrap();
    }

    /// Leaves nothing behind.
    pub async fn close(self) {
        drop(self.workers);
        self.world.close().await;
    }

    pub async fn rage(&mut self, events: &[Event]) {
        for event in events {
            self.write(&format!("{event:?}"));
            self.meet(event).await;
        }
    }

    async fn meet(&mut self, event: &Event) {
        let (r, e) = (self.world.stage.r.faults().clone(), self.world.stage.e.faults().clone());
        match event {
            Event::Merchant(act) => self.act(act),
            Event::Deliver => self.deliver().await,
            Event::Work(who, points) => self.work(*who, *points).await,
            Event::WorkToWrite(who) => {
                let Some(mut worker) = self.workers[*who].take() else { return };
                // Perhaps the next one does not write, and the one after it does.
                let mut steps = 0;
                while steps < 3 {
                    steps += usize::from(worker.walk_points(&self.world, 1).await);
                    if worker.is_about_to_write() {
                        break;
                    }
                }
                self.workers[*who] = Some(worker);
                self.note_points(*who);
            }
            Event::Finish(who) => self.work(*who, usize::MAX).await,
            Event::Kill(who) => {
                if let Some(worker) = self.workers[*who].take() {
                    worker.die(&self.world).await;
                }
                self.start(*who);
            }
            Event::Pass(seconds) => {
                self.world.clock.advance(Duration::from_secs(u64::from(*seconds)));
                r.caught_up().await;
                e.caught_up().await;
            }
            Event::Jump(who, seconds) => self.clocks[*who].jump(*seconds),
            Event::Fault(side, skip, aim, fault) => {
                (if *side == Side::RSeries { r } else { e }).next_after(*skip, *aim, *fault);
            }
            Event::Throttle(side, calls) => {
                let faults = if *side == Side::RSeries { r } else { e };
                for _ in 0..*calls {
                    faults.next(Aim::Any, Fault::Status { status: 429, retry_after: Some(2) });
                }
            }
            Event::Import(running) => {
                self.world.stage.e.habits(|habits| habits.import_running = *running);
            }
            Event::Shops(both) => {
                self.connect_shops(*both).await;
            }
            Event::Order(enabled) => self.order(*enabled).await,
            Event::Undo(entry) => self.undo(*entry).await,
            Event::ExpireTokens => self.world.stage.r.expire_access_tokens(),
            Event::Break(who, points) => {
                if let Some(worker) = &self.workers[*who] {
                    worker.stopper().break_in(*points);
                }
            }
            Event::RestartDatabase => self.world.cut_database().await,
            Event::Desk(down) => self.desk.down.store(*down, Ordering::Relaxed),
            Event::Mail(faults) => self.mail(*faults),
        }
    }

    fn mail(&self, faults: DeliveryFaults) {
        self.world.stage.e.outbox().set(faults);
        self.world.stage.relay.outbox().set(faults);
    }

    async fn deliver(&mut self) {
        for delivery in self.world.stage.deliver_due().await {
            let Delivery { status, tampered, .. } = delivery;
            self.write(&format!("  delivered: {status:?}, tampered: {tampered}"));
            if status == Some(200) {
                // E-Series signs the id and not the body: a body that lies is taken, and is only looked after.
                let relayed = delivery.url.contains("/webhooks/r-series");
                assert!(!(tampered && relayed), "a forgery was taken");
                self.acknowledged.insert(event_id(&delivery));
            }
        }
    }

    async fn work(&mut self, who: usize, points: usize) {
        let Some(mut worker) = self.workers[who].take() else { return };
        worker.walk_points(&self.world, points).await;
        self.workers[who] = Some(worker);
        self.note_points(who);
    }

    fn note_points(&mut self, who: usize) {
        let passed = self.workers[who].as_ref().map(|worker| worker.stopper().passed());
        for point in passed.unwrap_or_default() {
            self.write(&format!("  {} {point}", ["A", "B"][who]));
        }
    }

    /// An operator says which shops take part. R-Series is asked for them, in good weather: that call is not what is
    /// tried here.
    async fn connect_shops(&mut self, both: bool) -> bool {
        if self.setting.shops < 2 {
            return true;
        }
        self.world.stage.r.faults().heal();
        let shops: &[&str] = if both { &["1", "2"] } else { &["1"] };
        let path = format!("/v1/connections/{}", self.world.connection);
        let body = serde_json::json!({"shop_ids": shops, "primary_shop_id": "1"});
        let (status, answer) = self.world.call("PATCH", &path, Some(body)).await;
        self.write(&format!("shops: {status}"));
        // Its tokens may have run out, or its database be away.
        assert!(status.is_success() || [503, 409, 422].contains(&status.as_u16()), "{status} {answer}");
        status.is_success()
    }

    /// An operator orders what is to be offered.
    async fn order(&mut self, enabled: bool) {
        let path = format!("/v1/connections/{}/products/mass-update", self.world.connection);
        let body = serde_json::json!({"all": true, "enabled": enabled});
        let (status, answer) = self.world.call("POST", &path, Some(body)).await;
        self.write(&format!("order: {status}"));
        // The database may be away.
        assert!(status.is_success() || status == StatusCode::SERVICE_UNAVAILABLE, "{status} {answer}");
    }

    /// An operator undoes a write. What it was stands between what people typed last, as far as the law goes: only that
    /// somebody typed it once is asked of that field from then on.
    async fn undo(&mut self, at: usize) {
        let of = |path: &str| format!("/v1/connections/{}{path}", self.world.connection);
        let (status, ledger) =
            self.world.call("GET", &of("/ledger?limit=100&kind=write&result=landed"), None).await;
        if status == StatusCode::SERVICE_UNAVAILABLE {
            return self.write("undo: no database");
        }
        // What a platform made of a number was typed by nobody.
        let fields: &[&str] = if self.setting.rounds {
            &["name", "option_values"]
        } else {
            &["name", "price", "option_values"]
        };
        let entries =
            ledger["items"].as_array().unwrap().iter().filter(|entry| {
                entry["can_undo"] == true && fields.iter().any(|field| entry["field"] == *field)
            });
        let entries: Vec<_> = entries.collect();
        let Some(entry) = entries.get(at % entries.len().max(1)) else { return };
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let path = of(&format!("/ledger/{}/undo", text(&entry["id"])));
        let (status, answer) = self.world.call("POST", &path, None).await;
        self.write(&format!("undo of {}: {status}", entry["id"]));
        let known = [StatusCode::ACCEPTED, StatusCode::CONFLICT, StatusCode::SERVICE_UNAVAILABLE];
        // A platform that is asked for the value as it is now may be away.
        let away = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        assert!(known.contains(&status) || away, "{status} {answer}");
        if status == StatusCode::ACCEPTED {
            self.undone.insert((text(&entry["product_id"]), text(&entry["field"])));
        }
    }

    /// Everything heals; then it runs until it is quiet.
    pub async fn calm(&mut self) {
        self.write("calm");
        for clock in &self.clocks {
            clock.jump(0);
        }
        for faults in [self.world.stage.r.faults(), self.world.stage.e.faults()] {
            faults.heal();
        }
        self.mail(DeliveryFaults::default());
        self.world.stage.e.habits(|habits| habits.import_running = false);
        self.desk.down.store(false, Ordering::Relaxed);
        let mut tries = 0;
        while !self.connect_shops(true).await {
            assert!(tries < 20, "the shops cannot be connected any more");
            self.world.clock.advance(Duration::from_secs(5));
            tries += 1;
        }
        let sleepers = std::mem::take(&mut self.workers);
        for (who, worker) in sleepers.into_iter().enumerate() {
            self.workers[who] = worker;
            if !self.setting.sleepers {
                self.work(who, usize::MAX).await;
            }
        }
        let began = self.world.clock.now();
        self.settle(false).await;
        let took = self.world.clock.now() - began;
        assert!(
            took.num_seconds() < 300,
            "it took {took} after the storm: somebody was punished for the weather"
        );
        self.world.clock.advance(Duration::from_secs(61));
        self.settle(true).await;
        // Who slept through all that wakes up, and must see that it is too late.
        for who in 0..2 {
            self.work(who, usize::MAX).await;
        }
        self.answer_merges().await;
        self.bring_back();
        self.fill_in_thirds();
        // Whatever no notice told, one sweep finds; a second one finds nothing.
        for _ in 0..2 {
            self.world.clock.advance(Duration::from_secs(61));
            self.settle(true).await;
        }
        if self.setting.shelves || self.setting.walls || self.setting.captions {
            self.touch_walls();
            // Long enough for whole looks at all categories and pictures, and for pictures whose host was not there.
            for seconds in [3_700, 3_700, 61] {
                self.world.clock.advance(Duration::from_secs(seconds));
                self.settle(true).await;
            }
        }
    }

    /// Until nothing waits, keeping book of what is acknowledged. Platforms repeat a notice that was not taken
    /// only after a quarter of an hour: whether that is waited for is `mail`.
    pub(super) async fn settle(&mut self, mail: bool) {
        for _ in 0..2_000 {
            let before = self.acknowledged.len();
            self.deliver().await;
            let did = self.world.worker.step().await.expect("the database is there");
            if did || self.acknowledged.len() > before {
                continue;
            }
            let next = if mail { self.world.next_due().await } else { self.world.next_work().await };
            let Some(next) = next else { return };
            let now = self.world.clock.now();
            let soon = concord::clock::after(now, Duration::from_millis(500));
            self.world.clock.set(if next > now { next } else { soon });
        }
        panic!("it never becomes quiet: {}", self.world.get("/status").await);
    }
}

/// The event that a delivery is about, as its receiver keeps it.
fn event_id(delivery: &Delivery) -> String {
    let header = delivery.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-delivery-id"));
    if let Some((_, id)) = header {
        return id.clone();
    }
    let body: serde_json::Value = serde_json::from_slice(&delivery.body).unwrap();
    body["eventId"].as_str().unwrap().to_owned()
}
