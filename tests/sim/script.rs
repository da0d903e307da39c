//! One storm, from its seed.

use std::collections::BTreeMap;
use std::time::Duration;

use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::outbox::DeliveryFaults;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use crate::support::mortal::mortal;
use crate::support::{Plan, World, decimal, item};

const PRODUCTS: usize = 3;
const ROUNDS: usize = 14;

pub struct Storm {
    seed: u64,
    world: World,
    dice: ChaCha12Rng,
    items: Vec<i64>,
    /// What the stock of each item must be in the end: its opening and everything that was sold or restocked.
    truth: BTreeMap<i64, i64>,
    edits: usize,
    deaths: u64,
}

impl Storm {
    pub async fn new(seed: u64) -> Self {
        let mut dice = ChaCha12Rng::seed_from_u64(seed);
        let plan = Plan { seed, relay: dice.random_bool(0.7), ..Plan::default() };
        let items = (0..PRODUCTS).map(|n| item(&format!("Thing {n}"), &format!("T-{n}"), "10", 40)).collect();
        let world = World::with(plan, items).await;
        let items: Vec<i64> = world.stage.r.items().iter().map(|item| item.item_id).collect();
        let truth = items.iter().map(|item| (*item, 40)).collect();
        Self { seed, world, dice, items, truth, edits: 0, deaths: 0 }
    }

    pub async fn rage(mut self) {
        self.break_everything();
        for _ in 0..ROUNDS {
            for _ in 0..self.dice.random_range(0..3) {
                self.edit();
            }
            self.work().await;
            let seconds = *[0, 0, 1, 3, 20, 61].choose(&mut self.dice).unwrap();
            self.world.clock.advance(Duration::from_secs(seconds));
        }
        self.heal().await;
        self.check().await;
    }

    /// One thing that a merchant does, on either side.
    fn edit(&mut self) {
        let dice = &mut self.dice;
        let id = *self.items.choose(dice).unwrap();
        let stage = &self.world.stage;
        let product = self.world.product_of(id).expect("it was created before the storm").id;
        let pieces = dice.random_range(1..4);
        let price = decimal(["9", "10.5", "11", "12.25"].choose(dice).unwrap());
        let name = format!("Thing {}", dice.random_range(0..1_000));
        let truth = self.truth.get_mut(&id).unwrap();
        self.edits += 1;
        match dice.random_range(0..12) {
            0..=2 => {
                stage.r.sell(id, 1, pieces);
                *truth -= pieces;
            }
            3..=5 => {
                assert!(stage.e.sell(product, pieces));
                *truth -= pieces;
            }
            6 => {
                stage.r.restock(id, 1, pieces);
                *truth += pieces;
            }
            7 => {
                assert!(stage.e.restock(product, pieces));
                *truth += pieces;
            }
            8 => stage.r.rename(id, &name),
            9 => assert!(stage.e.rename(product, &name)),
            10 => stage.r.reprice_online(id, price),
            _ => assert!(stage.e.reprice(product, price)),
        }
    }

    /// Notices are delivered and the worker steps; perhaps it dies on the way.
    async fn work(&mut self) {
        self.world.stage.deliver_due().await;
        match self.dice.random_range(0..5) {
            0 => {
                let awaits = self.dice.random_range(0..90);
                let step = async { while self.world.worker.step().await.unwrap_or(false) {} };
                let died = mortal(step, awaits).await.is_none();
                self.world.drain().await;
                if died {
                    self.deaths += 1;
                    self.world.restart_worker(self.deaths);
                }
            }
            1 => {
                // Two workers at once, over the same products.
                let other = self.world.another_worker(self.dice.random());
                let (first, second) = tokio::join!(self.world.worker.step(), other.step());
                first.and(second).expect("the database is there");
            }
            2 => self.work_among_merchants().await,
            _ => {
                for _ in 0..4 {
                    self.world.worker.step().await.expect("the database is there");
                }
            }
        }
    }

    /// Merchants act while a visit is under way: between its look and its write, above all.
    async fn work_among_merchants(&mut self) {
        let worker = self.world.worker.clone();
        let mut step = Box::pin(async move { worker.step().await });
        for _ in 0..6 {
            let awaits = self.dice.random_range(0..12);
            if let Some(stepped) = mortal(step.as_mut(), awaits).await {
                stepped.expect("the database is there");
                return;
            }
            self.edit();
        }
        step.await.expect("the database is there");
    }

    fn break_everything(&mut self) {
        let dice = &mut self.dice;
        let delivery = DeliveryFaults {
            lose: dice.random_range(0.0..0.4),
            repeat: dice.random_range(0.0..0.4),
            reorder: dice.random_range(0.0..0.5),
            tamper: dice.random_range(0.0..0.2),
            delay_min_seconds: 0,
            delay_max_seconds: dice.random_range(0..30),
            paused: false,
        };
        self.world.stage.e.outbox().set(delivery);
        self.world.stage.relay.outbox().set(delivery);
        for faults in [self.world.stage.r.faults(), self.world.stage.e.faults()] {
            let mut chance = |most: f64| dice.random_range(0.0..most);
            faults.chances(vec![
                (Aim::Any, Fault::Status { status: 429, retry_after: Some(3) }, chance(0.06)),
                (Aim::Any, Fault::Status { status: 503, retry_after: None }, chance(0.06)),
                (Aim::Any, Fault::ResetBefore, chance(0.06)),
                (Aim::Any, Fault::ResetAfter, chance(0.1)),
                (Aim::Write, Fault::BadGatewayAfter, chance(0.06)),
                (Aim::Any, Fault::GarbageAfter, chance(0.06)),
            ]);
        }
    }

    async fn heal(&mut self) {
        let stage = &self.world.stage;
        for faults in [stage.r.faults(), stage.e.faults()] {
            faults.heal();
        }
        for outbox in [stage.e.outbox(), stage.relay.outbox()] {
            outbox.set(DeliveryFaults::default());
        }
        self.world.drain().await;
        self.world.clock.advance(Duration::from_secs(61));
        self.world.settle().await;
        // Whatever no notice told, one sweep finds; a second one finds nothing.
        self.world.sweep().await;
        self.world.sweep().await;
    }

    async fn check(&self) {
        let seed = self.seed;
        let parked = self.world.get("/parked").await;
        assert_eq!(parked["items"].as_array().map(Vec::len), Some(0), "seed {seed}: {parked}");
        self.world.check_laws().await;
        for (id, truth) in &self.truth {
            let (item, product) = self.world.pair(*id);
            let there = (item.stock.values().sum::<i64>(), product.quantity);
            assert_eq!(
                there,
                (*truth, Some(*truth)),
                "seed {seed}: the stock of item {id}\n{}",
                self.story(*id).await
            );
        }
        assert_eq!(self.world.stage.e.products().len(), PRODUCTS, "seed {seed}: a product is there twice");
        let before = self.world.writes();
        self.world.sweep().await;
        assert_eq!(self.world.writes(), before, "seed {seed}: writes go on");
        let status = self.world.get("/status").await;
        assert_eq!(status["in_step"], true, "seed {seed}: {status}");
    }

    /// The ledger of an item, oldest first, for a failing seed.
    async fn story(&self, id: i64) -> String {
        let products = self.world.get("/products?limit=200").await;
        let id = id.to_string();
        let product = products["items"]
            .as_array()
            .unwrap()
            .iter()
            .find(|product| product["r_series"]["id"] == id.as_str());
        let product = product.map(|product| product["id"].clone()).unwrap_or_default();
        let ledger = self.world.ledger().await;
        let mine = ledger.iter().rev().filter(|entry| entry["product_id"] == product);
        let lines = mine.map(|entry| {
            format!(
                "{} {} {} {} {} → {} = {} {}",
                entry["at"],
                entry["kind"],
                entry["side"],
                entry["field"],
                entry["before"],
                entry["after"],
                entry["result"],
                entry["detail"]
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
