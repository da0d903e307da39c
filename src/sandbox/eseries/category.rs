//! A category as the store keeps it, what may be written to it, and how it is shown (section 9 of the E-Series
//! reference).

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::fields::{self, TRANSLATED, sent, sent_switch, sent_text, sent_whole, translate, wrong};
use super::habits::Habits;
use super::picture::Picture;
use super::product::{Product, Scene};
use super::refusal::Refusal;
use super::spelling::spelt;
use crate::clock::{Instant, after};

/// What `origin` says of a category that the merchant or an app has made.
pub(super) const HOME_MADE: &str = "ECWID";

/// One category. Which products are in it stands with the products.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Category {
    pub id: i64,
    /// `None` is a root.
    pub parent: Option<i64>,
    pub name: String,
    pub order: i64,
    pub enabled: bool,
    /// `ECWID`, `LIGHTSPEED` or `X-SERIES`.
    pub origin: String,
    pub external_reference_id: Option<String>,
    pub picture: Option<Picture>,
    /// Every other writable field that was ever sent, as it was sent.
    pub more: Map<String, Value>,
}

/// What one create or update asks for, checked field by field.
#[derive(Debug, Default)]
pub(super) struct CategoryChange {
    pub name: Option<String>,
    /// 0 makes it a root.
    pub parent: Option<i64>,
    pub order: Option<i64>,
    pub enabled: Option<bool>,
    pub external_reference_id: Option<String>,
    pub product_ids: Option<Vec<i64>>,
    more: Vec<(&'static str, Value)>,
}

impl CategoryChange {
    /// Reads a body.
    pub fn read(body: &Map<String, Value>, habits: &Habits) -> Result<Self, Refusal> {
        let mut more = fields::read(body, fields::CATEGORY, habits)?;
        let lifted = fields::lift_default_language(&mut more, habits);
        let name = sent_text(body, "name")?.or(lifted);
        let name = name.map(|it| spelt(&it, habits));
        if name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            return Err(Refusal::new(400, None, "Category name must not be empty"));
        }
        let is_long = |text: &str, most: usize| text.chars().count() > most;
        let description =
            more.iter().find(|(name, _)| *name == "description").and_then(|(_, it)| it.as_str());
        if name.as_ref().is_some_and(|it| is_long(it, habits.longest_category_name))
            || description.is_some_and(|it| is_long(it, habits.longest_category_description))
        {
            return Err(Refusal::new(409, None, "Category name or description is too long"));
        }
        let product_ids = sent(body, "productIds").map(ids).transpose()?;
        Ok(Self {
            name,
            parent: sent_whole(body, "parentId")?,
            order: sent_whole(body, "orderBy")?,
            enabled: sent_switch(body, "enabled")?,
            external_reference_id: sent_text(body, "externalReferenceId")?,
            product_ids,
            more,
        })
    }

    /// Writes the change into `category`, all but the products.
    pub fn apply(self, category: &mut Category, habits: &Habits) {
        if let Some(name) = self.name {
            category.name = name;
        }
        if let Some(parent) = self.parent {
            category.parent = Some(parent).filter(|id| *id != 0);
        }
        if let Some(order) = self.order {
            category.order = order;
        }
        if let Some(enabled) = self.enabled {
            category.enabled = enabled;
        }
        if let Some(id) = self.external_reference_id {
            category.external_reference_id = Some(id).filter(|id| !id.is_empty());
            if habits.category_reference_makes_it_external && category.external_reference_id.is_some() {
                "LIGHTSPEED".clone_into(&mut category.origin);
            }
        }
        fields::keep(self.more, &mut category.more);
    }
}

/// A list of ids, each once.
pub(super) fn ids(list: &Value) -> Result<Vec<i64>, Refusal> {
    let list = list.as_array().ok_or_else(|| wrong("productIds"))?;
    let mut ids: Vec<i64> = Vec::with_capacity(list.len());
    for id in list {
        let id = id.as_i64().ok_or_else(|| wrong("productIds"))?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    Ok(ids)
}

impl Category {
    /// Whether it came from outside: then it stays, and so do the products in it (section 9.3).
    pub fn is_external(&self) -> bool {
        self.origin != HOME_MADE
    }

    /// As a product shows it.
    pub fn brief(id: i64, scene: &Scene<'_>) -> Option<Value> {
        let category = scene.categories.get(&id)?;
        let mut record = Map::new();
        record.insert("id".to_owned(), id.into());
        record.insert("enabled".to_owned(), category.enabled.into());
        record.insert("name".to_owned(), category.name.as_str().into());
        if let Some(names) = category.more.get("nameTranslated") {
            record.insert("nameTranslated".to_owned(), names.clone());
        }
        translate(&mut record, "name", &scene.habits.languages);
        record.insert("ancestorIds".to_owned(), ancestors(scene.categories, id).into());
        Some(Value::Object(record))
    }

    /// As it is read; with the products in it where they are asked for.
    pub fn wire(&self, scene: &Scene<'_>, counts: &Counts, product_ids: Option<Vec<i64>>) -> Value {
        let mut record = Map::new();
        let mut put = |name: &str, value: Value| {
            record.insert(name.to_owned(), value);
        };
        put("id", self.id.into());
        // Absent for a root.
        if let Some(parent) = self.parent {
            put("parentId", parent.into());
        }
        put("orderBy", self.order.into());
        put("name", self.name.as_str().into());
        put("enabled", self.enabled.into());
        put("origin", self.origin.as_str().into());
        put("url", format!("https://store{}.company.site/products/c{}", scene.store_id, self.id).into());
        let count = counts.of(self.id);
        put("productCount", count.with_subcategories.into());
        put("productCountWithoutSubcategories", count.own.into());
        put("enabledProductCount", count.enabled.into());
        put("isSampleCategory", false.into());
        if let Some(ids) = product_ids {
            put("productIds", ids.into());
        }
        if let Some(id) = &self.external_reference_id {
            put("externalReferenceId", id.as_str().into());
        }
        if let Some(picture) = &self.picture {
            if let Some(id) = &picture.external_id {
                put("imageExternalId", id.as_str().into());
            }
            if let Some(alt) = &picture.alt {
                put("alt", alt.clone());
            }
            picture.put_urls(scene.store_id, &mut record);
            record.insert("originalImage".to_owned(), picture.original(scene.store_id));
            record.insert("thumbnail".to_owned(), json!({"url": record.get("thumbnailUrl")}));
        }
        record.extend(self.more.clone());
        for base in TRANSLATED {
            translate(&mut record, base, &scene.habits.languages);
        }
        Value::Object(record)
    }
}

/// The ids above a category, the nearest first.
pub(super) fn ancestors(categories: &BTreeMap<i64, Category>, id: i64) -> Vec<i64> {
    let above = |id: &i64| categories.get(id).and_then(|it| it.parent);
    std::iter::successors(above(&id), above).take(categories.len()).collect()
}

/// How many products a category has.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    with_subcategories: usize,
    own: usize,
    enabled: usize,
}

/// The counts as they were when they were last taken: they lag by minutes (section 9.1).
#[derive(Debug, Default)]
pub(super) struct Counts {
    taken: Option<Instant>,
    of: BTreeMap<i64, Count>,
}

impl Counts {
    fn of(&self, id: i64) -> Count {
        self.of.get(&id).copied().unwrap_or_default()
    }

    /// Counts again, where the last count is old enough.
    pub fn refresh(
        &mut self,
        categories: &BTreeMap<i64, Category>,
        products: &BTreeMap<i64, Product>,
        lag: Duration,
        now: Instant,
    ) {
        if self.taken.is_some_and(|taken| after(taken, lag) > now) {
            return;
        }
        self.taken = Some(now);
        self.of.clear();
        for product in products.values() {
            let own = product.category_ids();
            let mut within: Vec<i64> = own.clone();
            within.extend(own.iter().flat_map(|id| ancestors(categories, *id)));
            within.sort_unstable();
            within.dedup();
            for id in within {
                let count = self.of.entry(id).or_default();
                count.with_subcategories += 1;
                if own.contains(&id) {
                    count.own += 1;
                    count.enabled += usize::from(product.enabled);
                }
            }
        }
    }
}
