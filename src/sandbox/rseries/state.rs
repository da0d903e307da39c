//! Everything the platform knows, as ordered tables, and how a field of a record is looked up.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use super::attributes::{AttributeSet, ITEM_ATTRIBUTE_SET, system_sets};
use super::category::{CATEGORY, Category};
use super::cell::Cell;
use super::habits::Habits;
use super::image::{IMAGE, Image, Owner};
use super::item::Item;
use super::limits::Limits;
use super::matrix::{ITEM_MATRIX, Matrix};
use super::oauth::Tokens;
use super::query::Relations;
use super::render::Style;
use super::resource::{self, Resource, Which};
use super::sale::{Register, Sale};
use super::stock::{LogRow, StockRow};
use super::{Call, Change, Config};
use crate::clock::Instant;

/// Calls that are remembered; older ones are let go so that a long run does not grow without end.
const MOST_CALLS: usize = 100_000;

/// A price level (section 4.2).
#[derive(Debug)]
pub(super) struct PriceLevel {
    pub(super) name: String,
    pub(super) archived: bool,
    pub(super) can_be_archived: bool,
}

/// The platform.
#[derive(Debug)]
pub(super) struct State {
    pub(super) config: Config,
    pub(super) base_url: String,
    pub(super) redirect_uri: String,
    pub(super) opened_at: Instant,
    pub(super) items: BTreeMap<i64, Item>,
    pub(super) stock: BTreeMap<i64, StockRow>,
    pub(super) log: BTreeMap<i64, LogRow>,
    pub(super) shops: BTreeMap<i64, String>,
    pub(super) archived_shops: BTreeSet<i64>,
    pub(super) price_levels: BTreeMap<i64, PriceLevel>,
    pub(super) tax_classes: BTreeMap<i64, String>,
    pub(super) matrices: BTreeMap<i64, Matrix>,
    pub(super) attribute_sets: BTreeMap<i64, AttributeSet>,
    pub(super) categories: BTreeMap<i64, Category>,
    pub(super) images: BTreeMap<i64, Image>,
    /// Numbers of the tags, by name.
    pub(super) tags: BTreeMap<String, i64>,
    /// How often the bytes of an image were asked for, by `publicID`.
    pub(super) fetched: BTreeMap<String, usize>,
    pub(super) registers: BTreeMap<i64, Register>,
    pub(super) payment_types: BTreeMap<i64, String>,
    pub(super) sales: BTreeMap<i64, Sale>,
    /// When the request that is being answered came in.
    pub(super) asked_at: Instant,
    pub(super) limits: Limits,
    pub(super) tokens: Tokens,
    pub(super) generator: ChaCha12Rng,
    pub(super) calls: VecDeque<Call>,
    pub(super) writes: usize,
    /// Told to the listeners once the lock is released.
    pub(super) changes: Vec<Change>,
    pub(super) last_item: i64,
    pub(super) last_category: i64,
    pub(super) last_image: i64,
    last_system_sku: i64,
    last_sale: i64,
    last_order: i64,
}

impl State {
    /// The account of section 6.2, item 2.
    pub(super) fn new(config: Config, now: Instant, seed: u64) -> Self {
        let shops: BTreeMap<i64, String> = (1..).zip(config.shops.iter().cloned()).collect();
        let registers =
            shops.keys().map(|shop| (10 + shop, Register { shop_id: *shop, open: true })).collect();
        let fixed =
            |name: &str| PriceLevel { name: name.to_owned(), archived: false, can_be_archived: false };
        let mut price_levels = BTreeMap::from([(1, fixed("Default")), (2, fixed("MSRP"))]);
        if let Some(id) = config.online_price_level_id {
            price_levels.insert(id, fixed("Online"));
        }
        Self {
            base_url: String::new(),
            redirect_uri: config.redirect_uri.clone(),
            opened_at: super::cell::second(now),
            items: BTreeMap::new(),
            stock: BTreeMap::new(),
            log: BTreeMap::new(),
            shops,
            archived_shops: BTreeSet::new(),
            price_levels,
            tax_classes: BTreeMap::from([(1, "Item".to_owned()), (2, "Labor".to_owned())]),
            matrices: BTreeMap::new(),
            attribute_sets: system_sets(),
            categories: BTreeMap::new(),
            images: BTreeMap::new(),
            tags: BTreeMap::new(),
            fetched: BTreeMap::new(),
            registers,
            payment_types: super::sale::payment_types(),
            sales: BTreeMap::new(),
            asked_at: now,
            limits: Limits::new(config.bucket_size, config.drip_rate, config.burst_limit),
            tokens: Tokens::default(),
            generator: ChaCha12Rng::seed_from_u64(seed),
            calls: VecDeque::new(),
            writes: 0,
            changes: Vec::new(),
            last_item: 0,
            last_category: 0,
            last_image: 0,
            last_system_sku: 210_000_000_000,
            last_sale: 0,
            last_order: 0,
            config,
        }
    }

    pub(super) fn habits(&self) -> &Habits {
        &self.config.habits
    }

    pub(super) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The running number behind `systemSku` is not the item's ID: numbers get skipped (section 4.1).
    pub(super) fn next_system_sku(&mut self) -> i64 {
        let skipped = if self.generator.random_ratio(1, 5) { self.generator.random_range(1..=3) } else { 0 };
        self.last_system_sku += 1 + skipped;
        self.last_system_sku
    }

    pub(super) fn next_sale(&mut self) -> i64 {
        self.last_sale += 1;
        self.last_sale
    }

    pub(super) fn next_order(&mut self) -> i64 {
        self.last_order += 1;
        self.last_order
    }

    /// IDs of all records of a resource, ascending.
    pub(super) fn ids(&self, resource: &Resource) -> Vec<i64> {
        match resource.which {
            Which::Item => self.items.keys().copied().collect(),
            Which::ItemShop => self.stock.keys().copied().collect(),
            Which::InventoryLog => self.visible_log(),
            Which::Shop => self.shops.keys().copied().collect(),
            Which::PriceLevel => self.price_levels.keys().copied().collect(),
            Which::TaxClass => self.tax_classes.keys().copied().collect(),
            Which::Sale => self.sales.keys().copied().collect(),
            Which::Register => self.registers.keys().copied().collect(),
            Which::PaymentType => self.payment_types.keys().copied().collect(),
            Which::ItemMatrix => self.matrices.keys().copied().collect(),
            Which::ItemAttributeSet => self.attribute_sets.keys().copied().collect(),
            Which::Category => self.categories.keys().copied().collect(),
            Which::Image => self.images.keys().copied().collect(),
        }
    }

    pub(super) fn exists(&self, resource: &Resource, id: i64) -> bool {
        match resource.which {
            Which::Item => self.items.contains_key(&id),
            Which::ItemShop => self.stock.contains_key(&id),
            Which::InventoryLog => self.log.contains_key(&id),
            Which::Shop => self.shops.contains_key(&id),
            Which::PriceLevel => self.price_levels.contains_key(&id),
            Which::TaxClass => self.tax_classes.contains_key(&id),
            Which::Sale => self.sales.contains_key(&id),
            Which::Register => self.registers.contains_key(&id),
            Which::PaymentType => self.payment_types.contains_key(&id),
            Which::ItemMatrix => self.matrices.contains_key(&id),
            Which::ItemAttributeSet => self.attribute_sets.contains_key(&id),
            Which::Category => self.categories.contains_key(&id),
            Which::Image => self.images.contains_key(&id),
        }
    }

    /// One field of one record; `None` where the field is absent.
    pub(super) fn cell(&self, resource: &Resource, id: i64, field: &str) -> Option<Cell> {
        match resource.which {
            Which::Item => self.items.get(&id)?.cell(id, field),
            Which::ItemShop => {
                let row = self.stock.get(&id)?;
                let cost = self.items.get(&row.item_id).map(|item| item.default_cost).unwrap_or_default();
                row.cell(id, cost, field)
            }
            Which::InventoryLog => self.log.get(&id)?.cell(id, field),
            Which::Shop => self.shop_cell(id, field),
            Which::PriceLevel => self.price_levels.get(&id)?.cell(id, field),
            Which::Sale | Which::Register | Which::PaymentType => self.till_cell(resource, id, field),
            Which::ItemMatrix => self.matrices.get(&id)?.cell(id, field),
            Which::ItemAttributeSet => self.attribute_sets.get(&id)?.cell(id, field),
            Which::Category => self.category_cell(id, field),
            Which::Image => self.images.get(&id)?.cell(id, self.base_url(), field),
            Which::TaxClass => match field {
                "taxClassID" => Some(Cell::Integer(id)),
                "name" => self.tax_classes.get(&id).cloned().map(Cell::Text),
                "timeStamp" => Some(Cell::Time(self.opened_at)),
                _ => None,
            },
        }
    }

    /// Records that a relation of a record leads to; a foreign key of nobody leads to none.
    pub(super) fn related(
        &self,
        resource: &Resource,
        id: i64,
        relation: &str,
    ) -> Vec<(&'static Resource, i64)> {
        let one = |target: &'static Resource, key: &str| match self.cell(resource, id, key) {
            Some(Cell::Integer(id)) if self.exists(target, id) => vec![(target, id)],
            _ => Vec::new(),
        };
        let images = |owner: Owner| self.images_of(owner).into_iter().map(|image| (&IMAGE, image)).collect();
        match (resource.which, relation) {
            (Which::Item, "ItemShops") => {
                let rows = self.items.get(&id).map(|item| &item.rows).into_iter().flatten();
                rows.map(|(_, row)| (&resource::ITEM_SHOP, *row)).collect()
            }
            (Which::Item | Which::ItemMatrix, "TaxClass") => one(&resource::TAX_CLASS, "taxClassID"),
            (Which::Item | Which::ItemMatrix, "Category") => one(&CATEGORY, "categoryID"),
            (Which::Item, "Images") => images(Owner::Item(id)),
            (Which::ItemMatrix, "Images") => images(Owner::Matrix(id)),
            (Which::ItemMatrix, "ItemAttributeSet") => one(&ITEM_ATTRIBUTE_SET, "itemAttributeSetID"),
            (Which::ItemMatrix, "Items") => {
                let items = self.variants(id).into_iter().filter(|item| {
                    self.habits().matrix_items_show_archived
                        || self.items.get(item).is_some_and(|item| !item.archived)
                });
                items.map(|item| (&resource::ITEM, item)).collect()
            }
            (Which::Category, "Parent") => one(&CATEGORY, "parentID"),
            (Which::Image, "Item") => one(&resource::ITEM, "itemID"),
            (Which::Image, "ItemMatrix") => one(&ITEM_MATRIX, "itemMatrixID"),
            _ => Vec::new(),
        }
    }

    fn shop_cell(&self, id: i64, field: &str) -> Option<Cell> {
        let name = self.shops.get(&id)?;
        Some(match field {
            "shopID" | "contactID" | "receiptSetupID" | "ccGatewayID" | "gatewayConfigID" => {
                Cell::Integer(id)
            }
            "taxCategoryID" | "priceLevelID" => Cell::Integer(1),
            "name" => Cell::Text(name.clone()),
            "serviceRate" => Cell::Integer(0),
            "timeZone" => Cell::Text("Europe/Berlin".to_owned()),
            "labelTitle" => Cell::Text("Shop Name".to_owned()),
            "archived" => Cell::Boolean(self.archived_shops.contains(&id)),
            "taxLabor" | "labelMsrp" | "zebraBrowserPrint" => Cell::Boolean(false),
            "timeStamp" => Cell::Time(self.opened_at),
            "companyRegistrationNumber" | "vatNumber" => Cell::Text(String::new()),
            _ => return None,
        })
    }

    pub(super) fn remember(&mut self, call: Call, wrote: bool) {
        self.writes += usize::from(wrote);
        if self.calls.len() >= MOST_CALLS {
            self.calls.pop_front();
        }
        self.calls.push_back(call);
    }

    /// Notes an event for the listeners, with the item as it is now.
    pub(super) fn tell_item(&mut self, kind: &'static str, id: i64) {
        let record = self.record(&resource::ITEM, id, &Relations::of(&["ItemShops"]), Style::Written);
        self.changes.push(Change { kind, payload: Value::Object(record) });
    }

    /// Notes an event for the listeners, with the image as it is now.
    pub(super) fn tell_image(&mut self, kind: &'static str, id: i64) {
        if self.images.contains_key(&id) {
            let record = self.record(&IMAGE, id, &Relations::default(), Style::Single);
            self.changes.push(Change { kind, payload: Value::Object(record) });
        }
    }

    /// Notes an event for the listeners, with the stock row as it is now.
    pub(super) fn tell_stock(&mut self, row: i64) {
        let record = self.record(&resource::ITEM_SHOP, row, &Relations::default(), Style::Single);
        self.changes.push(Change { kind: "inventory.update", payload: Value::Object(record) });
    }
}

impl PriceLevel {
    fn cell(&self, id: i64, field: &str) -> Option<Cell> {
        Some(match field {
            "priceLevelID" => Cell::Integer(id),
            "name" => Cell::Text(self.name.clone()),
            "archived" => Cell::Boolean(self.archived),
            "canBeArchived" => Cell::Boolean(self.can_be_archived),
            "type" => Cell::Text("fixed".to_owned()),
            "Calculation" => Cell::Text(String::new()),
            _ => return None,
        })
    }
}
