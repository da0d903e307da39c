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
use serde_json::json;

use super::script::{Act, Event, Script, Setting};
use crate::support::stopper::{Leashed, SkewedClock};
use crate::support::{Plan, World, decimal, item};

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
    fn type_in(&mut self, field: &'static str, side: Side, value: &str) {
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
    /// The product that each item had when somebody last looked.
    online: BTreeMap<i64, i64>,
    /// Products that only the web has.
    pub only_online: usize,
    /// Events that were acknowledged.
    pub acknowledged: BTreeSet<String>,
    /// Everything that happened, in order.
    pub trace: String,
    workers: [Option<Leashed>; 2],
    clocks: [SkewedClock; 2],
    desk: Arc<Desk>,
    births: u64,
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
            elsewhere: BTreeMap::new(),
            typed: BTreeMap::new(),
            whole: BTreeMap::new(),
            only_online: 0,
            acknowledged: BTreeSet::new(),
            trace: String::new(),
            workers: [None, None],
            clocks,
            desk,
            births: 0,
        };
        for id in items {
            storm.know(id);
        }
        for who in 0..2 {
            storm.start(who);
        }
        storm
    }

    /// Remembers a new item as it is now.
    fn know(&mut self, id: i64) {
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
            }
        }
        let typed = self.typed.entry(id).or_default();
        typed.ever.entry("price").or_default().insert(item.default_price.normalize().to_string());
    }

    fn start(&mut self, who: usize) {
        self.births += 1;
        let clock = Arc::new(self.clocks[who].clone());
        self.workers[who] = Some(Leashed::new(&self.world, self.births, clock));
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

    /// One thing that a merchant does. What it did to the stock is read off the platform.
    fn act(&mut self, act: &Act) {
        let number = match act {
            Act::Sell(_, item, _)
            | Act::Restock(_, item, _)
            | Act::SellElsewhere(item, _)
            | Act::Rename(_, item, _)
            | Act::Reprice(_, item, _)
            | Act::Relabel(_, item, _)
            | Act::Offer(_, item, _)
            | Act::Revalue(_, item, _)
            | Act::Archive(item, _) => *item,
            Act::Create(side, number) => return self.create(*side, *number),
        };
        let id = self.items[number % self.items.len()];
        self.see_removal(id);
        let (r, e) = (&self.world.stage.r, &self.world.stage.e);
        let item = r.item(id).unwrap();
        let goods = self.world.goods(id);
        let typed = self.typed.get_mut(&id).unwrap();
        let matrix = (item.matrix_id != 0).then_some(item.matrix_id);
        match (act, &goods) {
            // Nobody sells what is archived.
            (Act::Sell(Side::RSeries, ..) | Act::SellElsewhere(..) | Act::Restock(Side::RSeries, ..), _)
                if item.archived => {}
            (Act::Sell(Side::RSeries, _, pieces), _) => r.sell(id, 1, *pieces),
            (Act::Restock(Side::RSeries, _, pieces), _) => r.restock(id, 1, *pieces),
            (Act::SellElsewhere(_, pieces), _) if self.setting.shops > 1 => r.sell(id, 2, *pieces),
            (Act::Sell(Side::ESeries, _, pieces), Some(goods)) => assert!(goods.sell(&self.world, *pieces)),
            (Act::Restock(Side::ESeries, _, pieces), Some(goods)) => {
                assert!(goods.restock(&self.world, *pieces));
            }
            (Act::Rename(Side::RSeries, _, name), _) => {
                match matrix {
                    None => r.rename(id, name),
                    Some(matrix) => r.rename_matrix(matrix, name),
                }
                let typed = matrix.map_or(typed, |matrix| self.whole.get_mut(&matrix).unwrap());
                typed.type_in("name", Side::RSeries, name);
            }
            (Act::Rename(Side::ESeries, _, name), Some(goods)) => {
                e.rename(goods.product, name);
                let typed = matrix.map_or(typed, |matrix| self.whole.get_mut(&matrix).unwrap());
                typed.type_in("name", Side::ESeries, name);
            }
            (Act::Revalue(Side::RSeries, _, number), _) if matrix.is_some() => {
                let [_, size, _] = &item.attributes;
                let attributes = [format!("R{number}"), size.clone(), String::new()];
                r.set_attributes(id, attributes.each_ref().map(String::as_str));
                typed.type_in("values", Side::RSeries, &values(&attributes));
            }
            (Act::Revalue(Side::ESeries, _, number), Some(goods)) if matrix.is_some() => {
                let (product, variation) = (goods.product, goods.variation.unwrap());
                let size = goods.values.split(" / ").last().unwrap().to_owned();
                let color = format!("E{number}");
                e.add_choice(product, "Color", json!({ "text": color }));
                let options = json!([{"name": "Color", "value": color}, {"name": "Size", "value": size}]);
                if e.edit_variation(product, variation, json!({ "options": options })).is_ok() {
                    typed.type_in("values", Side::ESeries, &format!("{color} / {size}"));
                }
            }
            (Act::Reprice(Side::RSeries, _, price), _) => {
                r.reprice_online(id, decimal(price));
                typed.type_in("price", Side::RSeries, &decimal(price).normalize().to_string());
            }
            (Act::Reprice(Side::ESeries, _, price), Some(goods)) => {
                goods.reprice(&self.world, decimal(price));
                let shown = self.world.goods(id).unwrap().price;
                typed.type_in("price", Side::ESeries, &shown.normalize().to_string());
            }
            (Act::Relabel(Side::RSeries, _, label), _) => {
                let sku = format!("R-{label}");
                r.set_sku(id, &sku);
                typed.type_in("sku", Side::RSeries, &sku);
            }
            (Act::Relabel(Side::ESeries, _, label), Some(goods)) => {
                let sku = format!("E-{label}");
                goods.set_sku(&self.world, &sku);
                typed.type_in("sku", Side::ESeries, &sku);
            }
            (Act::Offer(Side::RSeries, _, on), _) => r.publish(id, *on),
            (Act::Offer(Side::ESeries, _, on), Some(goods)) => assert!(e.enable(goods.product, *on)),
            // What is left of a variation's stock when it is removed nobody can say.
            (Act::Archive(..), _) if matrix.is_some() => {}
            (Act::Archive(_, true), _) => r.archive(id),
            (Act::Archive(_, false), _) => r.unarchive(id),
            _ => {}
        }
        let after = self.world.stage.r.item(id).unwrap();
        let moved = |shop: i64| after.stock.get(&shop).unwrap_or(&0) - item.stock.get(&shop).unwrap_or(&0);
        let sold_online = self.world.goods(id).and_then(|goods| goods.quantity).unwrap_or_default()
            - goods.and_then(|goods| goods.quantity).unwrap_or_default();
        *self.truth.get_mut(&id).unwrap() += moved(1) + moved(2) + sold_online;
        *self.elsewhere.get_mut(&id).unwrap() += moved(2);
    }

    /// An archived item lost its product: the shop's count began anew, and what was typed or sold on the web and not
    /// carried before stands in the ledger alone.
    fn see_removal(&mut self, id: i64) {
        let now = self.world.goods(id).map(|goods| goods.product);
        let was = match now {
            Some(product) => self.online.insert(id, product),
            None => self.online.remove(&id),
        };
        if was.is_none() || was == now {
            return;
        }
        let item = self.world.stage.r.item(id).unwrap();
        self.truth.insert(id, item.stock.values().sum());
        self.elsewhere.insert(id, item.stock.get(&2).copied().unwrap_or_default());
        self.typed.get_mut(&id).unwrap().last.clear();
    }

    fn create(&mut self, side: Side, number: u32) {
        match side {
            // As many as a visit has room for; more would only make storms slow.
            Side::RSeries if self.items.len() < if self.setting.matrix { 8 } else { 5 } => {
                let fresh = item(&format!("Fresh {number}"), &format!("F-{number}"), "7", 5);
                let id = self.world.stage.r.create_item(fresh);
                self.know(id);
            }
            Side::ESeries => {
                let name = format!("Web {number}");
                let sku = format!("W-{number}");
                self.world
                    .stage
                    .e
                    .create_product(json!({"name": name, "sku": sku, "price": 3, "quantity": 2}));
                self.only_online += 1;
            }
            Side::RSeries => {}
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
        // What is archived comes back, so that its truth can be told as well.
        for id in self.items.clone() {
            self.see_removal(id);
            if self.world.stage.r.item(id).unwrap().archived {
                let product = self.world.product_of(id);
                assert!(product.is_none_or(|product| !product.enabled), "item {id} is archived and on offer");
                self.world.stage.r.unarchive(id);
            }
        }
        // Whatever no notice told, one sweep finds; a second one finds nothing.
        for _ in 0..2 {
            self.world.clock.advance(Duration::from_secs(61));
            self.settle(true).await;
        }
    }

    /// Until nothing waits, keeping book of what is acknowledged. Platforms repeat a notice that was not taken
    /// only after a quarter of an hour: whether that is waited for is `mail`.
    async fn settle(&mut self, mail: bool) {
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

/// Attributes as the web shows them.
pub fn values(attributes: &[String; 3]) -> String {
    let used: Vec<&str> = attributes.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
    used.join(" / ")
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
