//! The store itself: products, the search index behind them and the notices of every change.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use rand_chacha::ChaCha12Rng;
use rust_decimal::Decimal;
use serde_json::{Map, Value};

use super::access::Access;
use super::batch::Batches;
use super::category::{Category, Counts};
use super::fields::sent;
use super::images::Promise;
use super::picture::Pictures;
use super::product::{Change, Product, Scene};
use super::refusal::Refusal;
use super::values::whole_seconds;
use super::variation::Variation;
use super::{Call, Config, batch, webhook};
use crate::clock::{Instant, after};
use crate::sandbox::outbox::Outbox;

/// Everything the platform knows; one lock holds it.
#[derive(Debug)]
pub(super) struct Store {
    pub config: Config,
    pub generator: ChaCha12Rng,
    pub outbox: Outbox,
    pub webhook_url: Option<String>,
    pub access: Access,
    pub products: BTreeMap<i64, Product>,
    pub index: Index,
    pub deleted: Vec<Deleted>,
    pub categories: BTreeMap<i64, Category>,
    pub counts: Counts,
    /// How many writes to a category meet somebody who edits it elsewhere.
    pub edited_elsewhere: BTreeMap<i64, usize>,
    pub batches: Batches,
    pub calls: VecDeque<Call>,
    pub writes: usize,
    pub products_updated: Instant,
    pub categories_updated: Instant,
    pub next_product_id: i64,
    pub next_variation_id: i64,
    pub next_category_id: i64,
    pub next_picture: i64,
    /// Pictures that are not there yet.
    pub promises: Vec<Promise>,
    /// Where its pictures are served.
    pub cdn: Arc<str>,
    pub next_auto_sku: u32,
}

/// One line of the history of deleted products.
#[derive(Debug, Clone)]
pub(super) struct Deleted {
    pub id: i64,
    pub at: Instant,
    /// The history lags like the search index (section 4.6: "within seconds").
    pub visible_from: Instant,
}

/// What search sees: each product as it was when it was last indexed (section 3, "Search lag").
#[derive(Debug, Default)]
pub(super) struct Index {
    versions: BTreeMap<i64, Vec<Version>>,
}

#[derive(Debug)]
struct Version {
    visible_from: Instant,
    /// `None`: the product is gone.
    record: Option<Product>,
}

impl Index {
    fn note(&mut self, id: i64, visible_from: Instant, record: Option<Product>) {
        let versions = self.versions.entry(id).or_default();
        // The indexer reads the product as it is when it gets there, so what waits for longer is overtaken.
        while versions.last().is_some_and(|last| last.visible_from >= visible_from) {
            versions.pop();
        }
        versions.push(Version { visible_from, record });
    }

    /// The products as search sees them now, by id. Versions that are no longer seen are dropped.
    pub fn at(&mut self, now: Instant) -> Vec<&Product> {
        for versions in self.versions.values_mut() {
            if let Some(seen) = versions.iter().rposition(|version| version.visible_from <= now) {
                versions.drain(..seen);
            }
        }
        self.versions.retain(|_, versions| {
            !matches!(versions.as_slice(), [only] if only.record.is_none() && only.visible_from <= now)
        });
        let seen = |versions: &&Vec<Version>| versions.first().is_some_and(|it| it.visible_from <= now);
        self.versions.values().filter(seen).filter_map(|versions| versions.first()?.record.as_ref()).collect()
    }
}

/// What a save of a product takes along (section 4.1).
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Saving {
    /// `saveCombinations`: the variations in the body are saved; without it they are ignored.
    pub combinations: bool,
    /// `rebuildVariationsOnOptionsUpdate`: variations follow the options.
    pub rebuild: bool,
    /// New variations of a new product are numbered backwards, as bulk creation in the admin does (section 5.2).
    pub backwards: bool,
}

/// Whose SKU or external id it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Nobody,
    Product(i64),
    Variation(i64),
    Category(i64),
}

/// The three things that can happen to a product or a category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Created,
    Updated,
    Deleted,
}

impl Store {
    /// What has fallen due by itself is done.
    pub fn settle(&mut self, now: Instant) {
        batch::settle(self, now);
        self.keep_promises(now);
    }

    pub fn product(&self, id: i64) -> Result<&Product, Refusal> {
        self.products.get(&id).ok_or_else(|| Refusal::product_not_found(id))
    }

    /// What a record has to know to be shown.
    pub fn scene(&self) -> Scene<'_> {
        Scene { store_id: self.config.store_id, habits: &self.config.habits, categories: &self.categories }
    }

    /// A product as the API shows it.
    pub fn wire(&self, id: i64) -> Result<Value, Refusal> {
        Ok(self.product(id)?.wire(&self.scene()))
    }

    pub fn create(&mut self, fields: &Map<String, Value>, how: Saving, now: Instant) -> Result<i64, Refusal> {
        let mut change = Change::read(fields, &self.config.habits)?;
        if change.name.is_none() {
            return Err(Refusal::wrong_parameter("Missing required parameter 'name'"));
        }
        if self.count() >= self.config.max_product_limit {
            return Err(limit_reached());
        }
        let wanted = change.sku.take().unwrap_or_default();
        let sku = self.admit_sku(wanted, None)?;
        self.admit_external_id(change.external_reference_id.as_deref(), Owner::Nobody, None)?;
        check_frontpage(fields, fields)?;
        let categories = change.take_categories().unwrap_or_default();
        self.admit_categories(fields, &[], &categories)?;
        let mut product = Product {
            id: self.next_product_id,
            sku,
            name: String::new(),
            price: Decimal::ZERO,
            enabled: true,
            in_stock_stuck: false,
            stock: None,
            external_reference_id: None,
            created: whole_seconds(now),
            updated: whole_seconds(now),
            options: Vec::new(),
            variations: Vec::new(),
            variations_made: 0,
            pictures: Pictures::default(),
            more: Map::new(),
        };
        change.apply(&mut product);
        if !categories.is_empty() {
            product.more.insert("categoryIds".to_owned(), categories.clone().into());
        }
        if let Some(list) = how.combinations.then(|| sent(fields, "combinations")).flatten() {
            self.save_combinations(&mut product, &[], list)?;
            let numbers: Vec<i64> = product.variations.iter().rev().map(|it| it.number).collect();
            for (variation, number) in product.variations.iter_mut().zip(numbers).filter(|_| how.backwards) {
                variation.number = number;
            }
        }
        if self.count_with(&product) > self.config.max_product_limit {
            return Err(limit_reached());
        }
        let id = product.id;
        self.next_product_id += 1;
        self.products.insert(id, product);
        self.happened(id, Event::Created, now);
        self.assigned(&[], &categories, now);
        Ok(id)
    }

    /// Applies a partial update. Tells whether anything counts as updated.
    pub fn update(
        &mut self,
        id: i64,
        fields: &Map<String, Value>,
        how: Saving,
        now: Instant,
    ) -> Result<bool, Refusal> {
        let before = self.product(id)?.clone();
        let mut change = Change::read(fields, &self.config.habits)?;
        if self.config.habits.limit_blocks_updates && self.count() > self.config.max_product_limit {
            return Err(limit_reached());
        }
        let mut product = before.clone();
        if let Some(wanted) = change.sku.take()
            && wanted != before.sku
        {
            product.sku = self.admit_sku(wanted, Some(&before))?;
            product.part_stock(&before);
        }
        self.admit_external_id(change.external_reference_id.as_deref(), Owner::Product(id), None)?;
        check_frontpage(fields, &before.more)?;
        let categories = change.take_categories();
        let assigned = before.category_ids();
        self.admit_categories(fields, &assigned, categories.as_ref().unwrap_or(&assigned))?;
        let options_change = change.options.is_some();
        change.apply(&mut product);
        if let Some(ids) = categories.filter(|ids| *ids != assigned) {
            product.set_categories(ids);
        }
        if let Some(media) = sent(fields, "media") {
            product.pictures.arrange(media)?;
        }
        let list = how.combinations.then(|| sent(fields, "combinations")).flatten();
        if let Some(list) = list {
            self.save_combinations(&mut product, &before.options, list)?;
        }
        if options_change || list.is_some() {
            self.fit_variations(&mut product, how.rebuild)?;
        }
        self.commit(&before, product, true, now)
    }

    /// Puts a changed product in its place. Tells whether anything counts as updated.
    pub fn commit(
        &mut self,
        before: &Product,
        mut product: Product,
        moves_updated: bool,
        now: Instant,
    ) -> Result<bool, Refusal> {
        let grown = product.variations.len() > before.variations.len();
        if grown && self.count_with(&product) > self.config.max_product_limit {
            return Err(limit_reached());
        }
        if product == *before && !self.config.habits.noop_puts_fire {
            return Ok(false);
        }
        if moves_updated {
            product.updated = moved(before, now);
        }
        let (id, after) = (product.id, product.category_ids());
        self.products.insert(id, product);
        self.happened(id, Event::Updated, now);
        self.assigned(&before.category_ids(), &after, now);
        Ok(true)
    }

    pub fn delete(&mut self, id: i64, now: Instant) -> Result<(), Refusal> {
        let gone = self.products.remove(&id).ok_or_else(|| Refusal::product_not_found(id))?;
        self.happened(id, Event::Deleted, now);
        self.assigned(&gone.category_ids(), &[], now);
        Ok(())
    }

    /// Adds `delta` to the stock. Tells the stock afterwards, or nothing for an unlimited product, which has no
    /// stock to move (section 7).
    pub fn move_stock(&mut self, id: i64, delta: i64, now: Instant) -> Result<Option<i64>, Refusal> {
        let before = self.product(id)?;
        let Some(stock) = before.stock else { return Ok(None) };
        let after = stock
            .checked_add(delta)
            .ok_or_else(|| Refusal::wrong_parameter("Wrong parameter 'quantityDelta' value"))?;
        let moves = self.config.habits.stock_moves_updated;
        let updated = if moves { moved(before, now) } else { before.updated };
        if let Some(product) = self.products.get_mut(&id) {
            product.stock = Some(after);
            product.updated = updated;
        }
        self.happened(id, Event::Updated, now);
        Ok(Some(after))
    }

    /// How much of the plan is used: variations do not count, says the API (section 11); the POS counts them.
    fn count(&self) -> i64 {
        self.products.values().map(|product| self.weight(product)).sum()
    }

    /// As [`Self::count`], with a product as it would be.
    fn count_with(&self, pending: &Product) -> i64 {
        let before = self.products.get(&pending.id).map_or(0, |product| self.weight(product));
        self.count() - before + self.weight(pending)
    }

    fn weight(&self, product: &Product) -> i64 {
        let variations = if self.config.habits.variations_count { product.variations.len() } else { 1 };
        i64::try_from(variations.max(1)).unwrap_or(i64::MAX)
    }

    /// A SKU as the store will take it: an empty one gets the next free number, a taken one is refused
    /// (sections 4.4 and 5.5).
    fn admit_sku(&mut self, wanted: String, of: Option<&Product>) -> Result<String, Refusal> {
        if self.config.habits.sku_may_repeat {
            return Ok(wanted);
        }
        let owner = of.map_or(Owner::Nobody, |of| Owner::Product(of.id));
        if !wanted.is_empty() {
            return if self.sku_is_taken(&wanted, owner, of) { Err(sku_taken(&wanted)) } else { Ok(wanted) };
        }
        loop {
            let sku = format!("{:05}", self.next_auto_sku);
            self.next_auto_sku += 1;
            if !self.sku_is_taken(&sku, owner, of) {
                return Ok(sku);
            }
        }
    }

    /// All products, one of them as it would be.
    fn with_pending<'a>(&'a self, pending: Option<&'a Product>) -> impl Iterator<Item = &'a Product> {
        let others = move |it: &&Product| pending.is_none_or(|pending| pending.id != it.id);
        self.products.values().filter(others).chain(pending)
    }

    /// Whether any product or variation but `of` has this SKU (section 5.5).
    pub fn sku_is_taken(&self, sku: &str, of: Owner, pending: Option<&Product>) -> bool {
        self.with_pending(pending).any(|product| {
            let own = |it: &Variation| it.sku.as_deref() == Some(sku) && of != Owner::Variation(it.id);
            product.sku == sku && of != Owner::Product(product.id) || product.variations.iter().any(own)
        })
    }

    /// Ids in an external system are unique among all entities of the store (section 2.2).
    pub fn admit_external_id(
        &self,
        id: Option<&str>,
        of: Owner,
        pending: Option<&Product>,
    ) -> Result<(), Refusal> {
        let Some(id) = id.filter(|id| !id.is_empty()) else { return Ok(()) };
        let has = |other: Option<&str>, owner: Owner| other == Some(id) && owner != of;
        let taken = self.with_pending(pending).any(|product| {
            let own = |it: &Variation| has(it.external_reference_id.as_deref(), Owner::Variation(it.id));
            has(product.external_reference_id.as_deref(), Owner::Product(product.id))
                || product.variations.iter().any(own)
        });
        let by_category = |it: &Category| has(it.external_reference_id.as_deref(), Owner::Category(it.id));
        if taken || self.categories.values().any(by_category) {
            let message = format!("External reference id '{id}' is already used");
            return Err(Refusal::new(409, "EXTERNAL_ID_ALREADY_USED", message));
        }
        Ok(())
    }

    /// Every change, whoever made it, goes to the index, moves the counters and makes one notice
    /// (section 12.4). Deleting is also written to the history.
    pub fn happened(&mut self, id: i64, event: Event, now: Instant) {
        self.products_updated = whole_seconds(now);
        let visible_from = after(now, self.draw_lag());
        self.index.note(id, visible_from, self.products.get(&id).cloned());
        if event == Event::Deleted {
            self.deleted.push(Deleted { id, at: whole_seconds(now), visible_from });
        }
        self.tell_of_catalog("product", id, event, now);
    }

    /// A notice about a product or a category. Events are limited to those whose scope the app holds (section 12.1).
    pub fn tell_of_catalog(&mut self, what: &str, id: i64, event: Event, now: Instant) {
        let how = match event {
            Event::Created => "created",
            Event::Updated => "updated",
            Event::Deleted => "deleted",
        };
        if self.config.scopes.iter().any(|scope| scope == "read_catalog") {
            self.tell(&format!("{what}.{how}"), &webhook::Entity::Number(id), now);
        }
    }

    /// Sends a notice, where the app is installed and has an address.
    pub fn tell(&mut self, kind: &str, entity: &webhook::Entity, now: Instant) {
        let event_id = uuid::Builder::from_random_bytes(self.generator.random()).into_uuid();
        if let Some(url) = self.webhook_url.as_deref().filter(|_| self.access.installed) {
            let notice = webhook::notice(&self.config, url, kind, entity, event_id, now);
            self.outbox.push(notice);
        }
    }

    fn draw_lag(&mut self) -> Duration {
        let habits = &self.config.habits;
        let low = u64::from(habits.index_lag_min_seconds) * 1000;
        let high = u64::from(habits.index_lag_max_seconds) * 1000;
        Duration::from_millis(self.generator.random_range(low..=high.max(low)))
    }
}

/// A SKU that is in use (section 2.2).
pub(super) fn sku_taken(sku: &str) -> Refusal {
    Refusal::new(409, "SKU_ALREADY_EXISTS", format!("SKU '{sku}' is already in use"))
}

/// When a product touched now was updated; it does not go back with the clock.
fn moved(before: &Product, now: Instant) -> Instant {
    whole_seconds(now).max(before.updated)
}

/// The plan's limit of products, which has no code of its own (section 2.2).
fn limit_reached() -> Refusal {
    Refusal::new(402, None, "The product limit of your plan has been reached")
}

/// A product without a category cannot be taken off the front page (section 2.2).
fn check_frontpage(fields: &Map<String, Value>, stored: &Map<String, Value>) -> Result<(), Refusal> {
    let categories = fields.get("categoryIds").or_else(|| stored.get("categoryIds"));
    let homeless = categories.and_then(Value::as_array).is_none_or(Vec::is_empty);
    if homeless && fields.get("showOnFrontpage").and_then(Value::as_i64).is_some_and(|place| place < 0) {
        return Err(Refusal::new(
            400,
            None,
            "Product without categories can't be removed from the front page",
        ));
    }
    Ok(())
}
