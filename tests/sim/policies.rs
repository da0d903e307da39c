//! The same storm of a thousand sales for Concord, and for three simpler ways to keep two counts in step.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use concord::catalog::{Side, Stock};
use concord::clock::{Clock, Instant, after};
use concord::connections::Account;
use concord::platforms::eseries::wire::{Product, ProductWrite};
use concord::platforms::rseries::wire::{Item, ItemWrite};
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::rseries::ItemView;
use concord::store::connections;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::script::{Act, Event, Script, Setting, side};
use super::storm::Storm;

const SALES: u32 = 1_000;
const ITEMS: usize = 20;
/// More than are sold of any.
const OPENING: i64 = 400;
/// How often the simpler ones look.
const POLL: Duration = Duration::from_secs(60);
/// How often they try a call that fails.
const TRIES: u32 = 3;

/// A simpler way.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Policy {
    /// The count of the shop is written to the web.
    PosWinsByPoll,
    /// The count that changed last is written to the other side.
    LastWriterWins,
    /// What both sides did since the last agreement is added up, and the sum is written to both.
    MergeWithAbsoluteWrites,
}

/// What came of it.
#[derive(Debug, Default, PartialEq)]
struct Figures {
    /// Pieces by which the counts of both sides are wrong in the end.
    drift: u64,
    /// Writes after which a count was not nearer to the truth: they carried a sale a second time, or undid one.
    doubled: usize,
    /// Writes that changed a count.
    writes: usize,
}

fn script() -> Script {
    const FAULTS: [Fault; 6] = [
        Fault::Status { status: 503, retry_after: None },
        Fault::Status { status: 429, retry_after: Some(2) },
        Fault::ResetBefore,
        Fault::ResetAfter,
        Fault::BadGatewayAfter,
        Fault::GarbageAfter,
    ];
    let mut script = Script::drawn_from(1_000);
    script.setting = Setting {
        items: ITEMS,
        matrix: false,
        shelves: false,
        walls: false,
        captions: false,
        notes: false,
        births: false,
        shops: 1,
        opening: OPENING,
        relay: true,
        ..script.setting
    };
    let mut dice = ChaCha12Rng::seed_from_u64(script.seed);
    script.events.clear();
    for _ in 0..SALES {
        let sale = Act::Sell(side(&mut dice), dice.random_range(0..ITEMS), 1);
        script.events.push(Event::Merchant(sale));
        match dice.random_range(0..100) {
            0..10 => {
                let fault = *FAULTS.choose(&mut dice).unwrap();
                let skip = dice.random_range(0..3);
                script.events.push(Event::Fault(side(&mut dice), skip, Aim::Write, fault));
            }
            10..12 => script.events.push(Event::Kill(0)),
            12..60 => script.events.push(Event::Deliver),
            _ => {}
        }
        script.events.push(Event::Work(0, dice.random_range(1..60)));
        script.events.push(Event::Pass(dice.random_range(0..15)));
    }
    for _ in 0..200 {
        script.events.extend([Event::Deliver, Event::Work(0, 60), Event::Pass(5)]);
    }
    script
}

struct Write {
    item: i64,
    product: i64,
    side: Side,
    count: i64,
    tries: u32,
    /// The last of its item: after it the sides agree on this.
    agreed: bool,
}

/// A sync that follows a policy, one call at a time.
struct Simple {
    policy: Policy,
    account: Account,
    /// By item: its product, and the count on which both sides last agreed.
    base: BTreeMap<i64, (i64, i64)>,
    seen: Option<Vec<Item>>,
    writes: VecDeque<Write>,
    next_poll: Instant,
}

impl Simple {
    async fn begin(policy: Policy, storm: &Storm) -> Self {
        let mut db = storm.world.store.begin().await.unwrap();
        let row = connections::get(&mut db, storm.world.connection).await.unwrap().unwrap();
        drop(db);
        let account = storm.world.accounts.open(&row).await.unwrap();
        let base = storm.items.iter().map(|id| {
            let (_, product) = storm.world.pair(*id);
            (*id, (product.id, product.quantity.unwrap()))
        });
        let next_poll = storm.world.clock.now();
        Self { policy, account, base: base.collect(), seen: None, writes: VecDeque::new(), next_poll }
    }

    /// What it keeps in its memory is gone.
    fn restart(&mut self) {
        self.seen = None;
        self.writes.clear();
    }

    /// One call, if there is one to make.
    async fn call(&mut self, now: Instant) {
        if let Some(write) = self.writes.pop_front() {
            return self.write(write, now).await;
        }
        if now < self.next_poll {
            return;
        }
        match self.seen.take() {
            None => {
                let ids: Vec<i64> = self.base.keys().copied().collect();
                self.seen = self.account.r.items_by_id(&ids).await.ok();
            }
            Some(items) => {
                let ids: Vec<i64> = self.base.values().map(|(product, _)| *product).collect();
                if let Ok(products) = self.account.e.products_by_id(&ids).await {
                    self.next_poll = after(now, POLL);
                    self.plan(&items, &products);
                }
            }
        }
    }

    fn plan(&mut self, items: &[Item], products: &[Product]) {
        for item in items {
            let (product_id, base) = self.base[&item.id];
            let Some(product) = products.iter().find(|product| product.id == product_id) else { continue };
            let (r, e) = (item.qoh(1).unwrap(), product.stock.tracked().unwrap());
            let moved = item.shops.as_ref().unwrap().iter().filter_map(|row| row.time_stamp).max();
            let count = match self.policy {
                Policy::PosWinsByPoll => r,
                Policy::LastWriterWins if moved >= product.updated => r,
                Policy::LastWriterWins => e,
                Policy::MergeWithAbsoluteWrites => r + e - base,
            };
            let sides = [(Side::ESeries, e), (Side::RSeries, r)];
            let apart: Vec<Side> =
                sides.into_iter().filter(|(_, now)| *now != count).map(|(side, _)| side).collect();
            let last = apart.last().copied();
            self.writes.extend(apart.into_iter().map(|side| Write {
                item: item.id,
                product: product_id,
                side,
                count,
                tries: TRIES,
                agreed: Some(side) == last,
            }));
        }
    }

    async fn write(&mut self, mut write: Write, now: Instant) {
        let by = after(now, POLL);
        let Write { item, product, count, .. } = write;
        let done = match write.side {
            Side::RSeries => {
                let body = ItemWrite { qoh: Some((1, count)), ..ItemWrite::default() };
                self.account.r.update_item(item, &body, by).await.map(|_| ())
            }
            Side::ESeries => {
                let stock = Some(Stock::Tracked(count));
                let body = ProductWrite { stock, ..ProductWrite::default() };
                self.account.e.update_product(product, &body, by).await.map(|_| ())
            }
        };
        match done {
            Ok(()) if write.agreed => self.base.get_mut(&item).unwrap().1 = count,
            Ok(()) => {}
            Err(_) if write.tries > 1 => {
                write.tries -= 1;
                self.writes.push_front(write);
            }
            // Given up: what else was to be written for this item would agree on nothing.
            Err(_) => self.writes.retain(|other| other.item != item),
        }
    }
}

/// Counts of both sides, by item.
fn counts(storm: &Storm) -> BTreeMap<i64, [i64; 2]> {
    let (items, products) = (storm.world.stage.r.items(), storm.world.stage.e.products());
    let online =
        products.iter().filter_map(|product| product.external_reference_id.as_deref().zip(product.quantity));
    let online: BTreeMap<&str, i64> = online.collect();
    let both = |item: ItemView| {
        let marker = concord::mapping::eseries::marker(item.item_id);
        (item.item_id, [item.stock[&1], online[marker.as_str()]])
    };
    items.into_iter().map(both).collect()
}

async fn come_through(script: &Script, policy: Option<Policy>) -> Figures {
    let mut storm = Storm::prepare(script).await;
    let mut simple = None;
    if let Some(policy) = policy {
        simple = Some(Simple::begin(policy, &storm).await);
    }
    let mut figures = Figures::default();
    let mut before = counts(&storm);
    for event in &script.events {
        match (event, &mut simple) {
            (Event::Kill(_), Some(simple)) => simple.restart(),
            (Event::Work(_, points), Some(simple)) => {
                // Concord passes several points for each call.
                for _ in 0..points.div_ceil(4) {
                    simple.call(storm.world.clock.now()).await;
                }
            }
            _ => storm.rage(std::slice::from_ref(event)).await,
        }
        let now = counts(&storm);
        if !matches!(event, Event::Merchant(_)) {
            for (id, counts) in &now {
                for (is, was) in counts.iter().zip(before[id]).filter(|(is, was)| *is != was) {
                    let truth = storm.truth[id];
                    figures.writes += 1;
                    figures.doubled += usize::from(is.abs_diff(truth) >= was.abs_diff(truth));
                }
            }
        }
        before = now;
    }
    if policy.is_none() {
        storm.calm().await;
        storm.judge().await;
    }
    let wrong = |(id, counts): (&i64, &[i64; 2])| -> u64 {
        counts.iter().map(|count| count.abs_diff(storm.truth[id])).sum()
    };
    figures.drift = counts(&storm).iter().map(wrong).sum();
    storm.close().await;
    figures
}

#[tokio::test]
async fn a_thousand_sales_drift_under_every_simpler_policy_and_not_under_concord() {
    let script = script();
    let concord = come_through(&script, None).await;
    eprintln!("Concord: {concord:?}");
    for policy in [Policy::PosWinsByPoll, Policy::LastWriterWins, Policy::MergeWithAbsoluteWrites] {
        let simple = come_through(&script, Some(policy)).await;
        eprintln!("{policy:?}: {simple:?}");
        assert!(simple.drift > 0, "{policy:?} is as good in this: {simple:?}");
    }
    assert_eq!(concord.drift, 0, "{concord:?}");
}
