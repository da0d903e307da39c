//! The load: merchants and customers on both sides, who never look at what Concord does.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use concord::sandbox::rseries::NewItem;
use concord::sandbox::stage::Stage;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rust_decimal::Decimal;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::house::pause;

const SHOP: i64 = 1;
/// So much that nothing ever sells out: a store refuses to go below zero.
const OPENING: std::ops::Range<i64> = 300..500;

/// What they did, and what the stock must be for it.
pub struct Merchants {
    dice: ChaCha12Rng,
    items: Vec<i64>,
    /// The stock of each item: its opening and everything that was sold or restocked, on either side.
    pub stock: BTreeMap<i64, i64>,
    /// The same of products that only E-Series has.
    pub only_online: BTreeMap<i64, i64>,
    pub acts: usize,
    number: usize,
}

impl Merchants {
    pub fn new(seed: u64) -> Self {
        Self {
            dice: ChaCha12Rng::seed_from_u64(seed),
            items: Vec::new(),
            stock: BTreeMap::new(),
            only_online: BTreeMap::new(),
            acts: 0,
            number: 0,
        }
    }

    /// A new item in the shop. Nobody shows it on the web yet, which is how products arrive there.
    pub fn create_item(&mut self, stage: &Stage) {
        self.number += 1;
        let opening = self.dice.random_range(OPENING);
        let sku = if self.number.is_multiple_of(6) { String::new() } else { format!("P-{}", self.number) };
        let item = stage.r.create_item(NewItem {
            description: format!("Thing {}", self.number),
            custom_sku: sku,
            default_price: self.price(),
            stock: vec![(SHOP, opening)],
            publish_to_ecom: false,
            ..NewItem::default()
        });
        self.items.push(item);
        self.stock.insert(item, opening);
    }

    /// Acts until told to stop, `between` apart on average.
    pub async fn work(mut self, stage: Arc<Stage>, between: Duration, stop: CancellationToken) -> Self {
        let most = u64::try_from(between.as_millis() * 2).unwrap();
        while !stop.is_cancelled() {
            self.act(&stage);
            let span = Duration::from_millis(self.dice.random_range(0..=most));
            pause(span).await;
        }
        self
    }

    fn act(&mut self, stage: &Stage) {
        self.acts += 1;
        let deed = self.dice.random_range(0..20);
        match deed {
            17..=18 => return self.create_item(stage),
            19 => return self.online_only(stage),
            _ => {}
        }
        // A few things sell better than the rest.
        let few = if self.dice.random_bool(0.3) { self.items.len().min(6) } else { self.items.len() };
        let item = *self.items[..few].choose(&mut self.dice).unwrap();
        let pieces = self.dice.random_range(1..4);
        self.number += 1;
        let (name, sku) = (format!("Thing {}", self.number), format!("P-{}", self.number));
        let marker = format!("concord-r-{item}");
        let online = stage.e.products().into_iter();
        let online = online.map(|it| (it.id, it.external_reference_id));
        let online = online.filter(|(_, id)| id.as_ref() == Some(&marker)).map(|(id, _)| id).next();
        match (deed, online) {
            (0..=3, _) => {
                stage.r.sell(item, SHOP, pieces);
                self.moved(item, -pieces);
            }
            (4, _) => {
                stage.r.restock(item, SHOP, pieces);
                self.moved(item, pieces);
            }
            (5, _) => stage.r.rename(item, &name),
            (6, _) => stage.r.reprice_online(item, self.price()),
            (7, _) => stage.r.set_sku(item, &sku),
            // Products arrive unseen, whatever the shop said before: only what is there can be shown.
            (8, Some(_)) => stage.r.publish(item, pieces == 1),
            (9..=11, Some(product)) if stage.e.sell(product, pieces) => self.moved(item, -pieces),
            (12, Some(product)) if stage.e.restock(product, pieces) => self.moved(item, pieces),
            (13, Some(product)) => assert!(stage.e.rename(product, &name)),
            (14, Some(product)) => assert!(stage.e.reprice(product, self.price())),
            (15, Some(product)) => assert!(stage.e.set_sku(product, &sku)),
            (16, Some(product)) => assert!(stage.e.enable(product, pieces == 1)),
            // Nobody online can do anything with what is not there yet.
            _ => {}
        }
    }

    /// What only E-Series has stays as it is, until somebody asks for it in the shop.
    fn online_only(&mut self, stage: &Stage) {
        let known: Vec<i64> = self.only_online.keys().copied().collect();
        match known.choose(&mut self.dice) {
            Some(product) if self.dice.random_bool(0.5) => {
                assert!(stage.e.sell(*product, 1));
                *self.only_online.get_mut(product).unwrap() -= 1;
            }
            _ => {
                self.number += 1;
                let product = stage.e.create_product(json!({
                    "name": format!("Only online {}", self.number), "sku": format!("O-{}", self.number),
                    "price": 5, "quantity": 100, "enabled": true,
                }));
                self.only_online.insert(product, 100);
            }
        }
    }

    fn moved(&mut self, item: i64, pieces: i64) {
        *self.stock.get_mut(&item).unwrap() += pieces;
    }

    fn price(&mut self) -> Decimal {
        Decimal::new(self.dice.random_range(500..5_000), 2)
    }
}
