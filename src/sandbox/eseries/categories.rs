//! What is done to categories, and which products are in them (section 9 of the E-Series reference).

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::access::require;
use super::api::Wanted;
use super::category::{Category, CategoryChange, HOME_MADE, ancestors, ids};
use super::fields::{sent_whole, wrong};
use super::refusal::{Answer, Refusal};
use super::store::{Event, Owner, Store};
use super::values::{Keep, Query, page, whole_seconds};
use crate::clock::Instant;

/// The most products that one call may assign or unassign (section 9.2).
const MOST_PRODUCTS: usize = 2000;

impl Store {
    /// The category with this id.
    pub fn category(&self, id: i64) -> Result<&Category, Refusal> {
        self.categories.get(&id).ok_or_else(|| Refusal::category_not_found(id))
    }

    /// A new category; `origin` is the platform's to say.
    pub fn create_category(
        &mut self,
        fields: &Map<String, Value>,
        origin: Option<&str>,
        now: Instant,
    ) -> Result<i64, Refusal> {
        let mut change = CategoryChange::read(fields, &self.config.habits)?;
        if change.name.is_none() {
            return Err(Refusal::new(400, None, "Category name must not be empty"));
        }
        if self.config.habits.category_limit.is_some_and(|most| self.categories.len() >= most) {
            return Err(Refusal::new(402, None, "The category limit of your plan has been reached"));
        }
        let parent = change.parent.filter(|id| *id != 0);
        self.admit_parent(parent, None)?;
        self.admit_external_id(change.external_reference_id.as_deref(), Owner::Nobody, None)?;
        let products = change.product_ids.take().unwrap_or_default();
        self.admit_products(&products)?;
        // Behind its last sister, in steps of 10.
        let sisters = self.categories.values().filter(|it| it.parent == parent).map(|it| it.order);
        let id = self.next_category_id;
        self.next_category_id += 1;
        let mut category = Category {
            id,
            parent: None,
            name: String::new(),
            order: sisters.max().unwrap_or(0).saturating_add(10),
            enabled: true,
            origin: HOME_MADE.to_owned(),
            external_reference_id: None,
            picture: None,
            more: Map::new(),
        };
        change.apply(&mut category, &self.config.habits);
        if let Some(origin) = origin {
            origin.clone_into(&mut category.origin);
        }
        self.categories.insert(id, category);
        self.category_happened(id, Event::Created, now);
        self.put_products(id, &products, &[], now)?;
        Ok(id)
    }

    /// Applies a partial update. Tells whether anything counts as updated.
    pub fn update_category(
        &mut self,
        id: i64,
        fields: &Map<String, Value>,
        now: Instant,
    ) -> Result<bool, Refusal> {
        let before = self.category(id)?.clone();
        let mut change = CategoryChange::read(fields, &self.config.habits)?;
        if let Some(parent) = change.parent {
            self.admit_parent(Some(parent).filter(|id| *id != 0), Some(id))?;
        }
        self.admit_external_id(change.external_reference_id.as_deref(), Owner::Category(id), None)?;
        let there = self.products_in(id);
        let wanted = change.product_ids.take().unwrap_or_else(|| there.clone());
        self.admit_products(&wanted)?;
        let new: Vec<i64> = wanted.iter().filter(|it| !there.contains(it)).copied().collect();
        let gone: Vec<i64> = there.iter().filter(|it| !wanted.contains(it)).copied().collect();
        let moves_products = !new.is_empty() || !gone.is_empty();
        if moves_products && before.is_external() {
            return Err(external());
        }
        let mut category = before.clone();
        change.apply(&mut category, &self.config.habits);
        if category == before && !moves_products && !self.config.habits.noop_puts_fire {
            return Ok(false);
        }
        self.categories.insert(id, category);
        self.category_happened(id, Event::Updated, now);
        self.put_products(id, &new, &gone, now)?;
        Ok(true)
    }

    /// Deletes a category. By habit its children go with it; the products stay (section 9.3).
    pub fn delete_category(&mut self, id: i64, now: Instant) -> Result<(), Refusal> {
        self.category(id)?;
        let below = |it: &&Category| ancestors(&self.categories, it.id).contains(&id);
        let below: Vec<i64> = self.categories.values().filter(below).map(|it| it.id).collect();
        let cascades = self.config.habits.category_deletes_cascade;
        let mut gone = vec![id];
        if cascades {
            gone.extend(below);
        }
        if gone.iter().any(|id| self.categories.get(id).is_some_and(Category::is_external)) {
            return Err(external());
        }
        for id in gone {
            let parent = self.categories.remove(&id).and_then(|it| it.parent);
            for orphan in self.categories.values_mut().filter(|it| !cascades && it.parent == Some(id)) {
                orphan.parent = parent;
            }
            self.category_happened(id, Event::Deleted, now);
            self.put_products(id, &[], &self.products_in(id), now)?;
        }
        Ok(())
    }

    /// Puts products into a category. Tells whether any was not yet there.
    pub fn assign_products(&mut self, id: i64, products: &[i64], now: Instant) -> Result<bool, Refusal> {
        self.move_products(id, products, true, now)
    }

    /// Takes products out of a category. Tells whether any was there.
    pub fn unassign_products(&mut self, id: i64, products: &[i64], now: Instant) -> Result<bool, Refusal> {
        self.move_products(id, products, false, now)
    }

    fn move_products(
        &mut self,
        id: i64,
        products: &[i64],
        into: bool,
        now: Instant,
    ) -> Result<bool, Refusal> {
        let is_external = self.category(id)?.is_external();
        if products.len() > MOST_PRODUCTS {
            return Err(Refusal::wrong_parameter("Too many products in one request"));
        }
        self.admit_products(products)?;
        let there = self.products_in(id);
        let moves = |it: &&i64| there.contains(it) != into;
        let moving: Vec<i64> = products.iter().filter(moves).copied().collect();
        if is_external && !moving.is_empty() {
            return Err(external());
        }
        if moving.is_empty() && !self.config.habits.noop_puts_fire {
            return Ok(false);
        }
        self.category_happened(id, Event::Updated, now);
        let (new, gone): (&[i64], &[i64]) = if into { (&moving, &[]) } else { (&[], &moving) };
        self.put_products(id, new, gone, now)?;
        Ok(!moving.is_empty())
    }

    /// The new order of all children of one parent (section 9.2).
    pub fn sort_categories(
        &mut self,
        parent: Option<i64>,
        order: &[i64],
        now: Instant,
    ) -> Result<(), Refusal> {
        for id in order {
            if self.category(*id)?.parent != parent {
                return Err(wrong("sortedIds"));
            }
        }
        for (place, id) in order.iter().enumerate() {
            let place = i64::try_from(place).unwrap_or(i64::MAX).saturating_add(1).saturating_mul(10);
            if let Some(category) = self.categories.get_mut(id) {
                category.order = place;
            }
            self.category_happened(*id, Event::Updated, now);
        }
        Ok(())
    }

    /// The products of a category, by id.
    pub fn products_in(&self, id: i64) -> Vec<i64> {
        self.products.values().filter(|it| it.category_ids().contains(&id)).map(|it| it.id).collect()
    }

    /// The categories that a product is to be in, and its default, must be there; those from outside keep their
    /// products (section 9.3).
    pub fn admit_categories(
        &self,
        fields: &Map<String, Value>,
        before: &[i64],
        after: &[i64],
    ) -> Result<(), Refusal> {
        let default = sent_whole(fields, "defaultCategoryId")?.filter(|id| *id != 0);
        for id in after.iter().filter(|id| !before.contains(id)).chain(&default) {
            self.category(*id)?;
        }
        let (before, after): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), after.iter().collect());
        let mut moved = before.symmetric_difference(&after).filter_map(|id| self.categories.get(id));
        if moved.any(Category::is_external) { Err(external()) } else { Ok(()) }
    }

    /// A product was put into other categories: each of them was updated as well, as far as that is known
    /// (section 12.3).
    pub fn assigned(&mut self, before: &[i64], after: &[i64], now: Instant) {
        let (before, after): (BTreeSet<_>, BTreeSet<_>) = (before.iter().collect(), after.iter().collect());
        for id in before.symmetric_difference(&after) {
            if self.config.habits.assignments_fire_both && self.categories.contains_key(id) {
                self.category_happened(**id, Event::Updated, now);
            }
        }
    }

    /// Writes an assignment into the products: one notice each (section 14).
    fn put_products(&mut self, id: i64, new: &[i64], gone: &[i64], now: Instant) -> Result<(), Refusal> {
        for product in new.iter().chain(gone) {
            let before = self.product(*product)?.clone();
            let mut ids = before.category_ids();
            ids.retain(|it| *it != id);
            if new.contains(product) {
                ids.push(id);
            }
            let mut after = before.clone();
            after.set_categories(ids);
            after.updated = whole_seconds(now).max(before.updated);
            self.products.insert(*product, after);
            self.happened(*product, Event::Updated, now);
        }
        Ok(())
    }

    fn admit_products(&self, ids: &[i64]) -> Result<(), Refusal> {
        ids.iter().try_for_each(|id| self.product(*id).map(|_| ()))
    }

    fn admit_parent(&self, parent: Option<i64>, of: Option<i64>) -> Result<(), Refusal> {
        let Some(parent) = parent else { return Ok(()) };
        self.category(parent)?;
        let is_below = of.is_some_and(|id| id == parent || ancestors(&self.categories, parent).contains(&id));
        if is_below {
            Err(Refusal::wrong_parameter("A category can't be moved below itself"))
        } else {
            Ok(())
        }
    }

    /// 409 while somebody edits the category elsewhere (section 2.2).
    pub fn ask_leave(&mut self, id: i64) -> Result<(), Refusal> {
        match self.edited_elsewhere.get_mut(&id) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(Refusal::new(409, None, "The category is being edited elsewhere. Try again later"))
            }
            _ => Ok(()),
        }
    }

    /// Every change of a category moves the counters, the one of the products too, and makes one notice (sections 11
    /// and 12.4).
    pub fn category_happened(&mut self, id: i64, event: Event, now: Instant) {
        self.categories_updated = whole_seconds(now);
        self.products_updated = whole_seconds(now);
        self.tell_of_catalog("category", id, event, now);
    }

    /// A category as the API shows it, with its products.
    pub fn category_wire(&mut self, id: i64, now: Instant) -> Result<Value, Refusal> {
        self.take_counts(now);
        Ok(self.category(id)?.wire(&self.scene(), &self.counts, Some(self.products_in(id))))
    }

    fn take_counts(&mut self, now: Instant) {
        let lag = Duration::from_secs(self.config.habits.category_counts_lag_seconds.into());
        self.counts.refresh(&self.categories, &self.products, lag, now);
    }

    /// A disabled category is hidden, and so is what is below it.
    fn is_hidden(&self, category: &Category) -> bool {
        let disabled = |id: &i64| self.categories.get(id).is_some_and(|it| !it.enabled);
        !category.enabled || ancestors(&self.categories, category.id).iter().any(disabled)
    }
}

/// The calls below `/categories`, but for the pictures.
pub(super) fn call(
    store: &mut Store,
    scopes: &[String],
    path: &[&str],
    method: &str,
    wanted: &Wanted,
    now: Instant,
) -> Result<Answer, Refusal> {
    match (path, method) {
        (_, "GET") => require(scopes, &["read_catalog"])?,
        ([], "POST") => require(scopes, &["create_catalog"])?,
        (["sort"], _) => require(scopes, &["read_catalog", "update_catalog"])?,
        _ => require(scopes, &["update_catalog"])?,
    }
    store.admit_writes(method)?;
    let query = &wanted.query;
    let id = |text: &str| text.parse::<i64>().map_err(|_| wrong("categoryId"));
    // Whoever edits the category elsewhere holds it.
    if let ([cid], "PUT" | "DELETE") | ([cid, "assignProducts" | "unassignProducts"], _) = (path, method)
        && *cid != "sort"
    {
        store.ask_leave(id(cid)?)?;
    }
    let parent = || Ok(query.whole("parentCategory")?.filter(|id| *id != 0));
    let body = match (path, method) {
        ([], "GET") => list(store, query, now)?,
        ([], "POST") => json!({"id": store.create_category(wanted.object()?, None, now)?}),
        (["sort"], "GET") => json!({"sortedIds": sorted(store, parent()?)}),
        (["sort"], "PUT") => {
            let order = ids(wanted.object()?.get("sortedIds").unwrap_or(&Value::Null))?;
            store.sort_categories(parent()?, &order, now)?;
            json!({"updateCount": 1})
        }
        ([cid], "GET") => {
            let record = store.category_wire(id(cid)?, now)?;
            Keep::of(query)?.map_or_else(|| record.clone(), |keep| keep.cut(record.clone()))
        }
        ([cid], "PUT") if store.config.habits.category_updates_are_lost => {
            store.category(id(cid)?)?;
            json!({"updateCount": 1})
        }
        ([cid], "PUT") => {
            json!({"updateCount": i32::from(store.update_category(id(cid)?, wanted.object()?, now)?)})
        }
        ([cid], "DELETE") => {
            let deleted = store.delete_category(id(cid)?, now);
            store.delete_count(deleted)?
        }
        ([cid, "assignProducts"], "POST") => {
            let ids = ids(wanted.object()?.get("productIds").unwrap_or(&Value::Null))?;
            json!({"updateCount": i32::from(store.assign_products(id(cid)?, &ids, now)?)})
        }
        ([cid, "unassignProducts"], "POST") => {
            let ids = ids(wanted.object()?.get("productIds").unwrap_or(&Value::Null))?;
            json!({"deleteCount": i32::from(store.unassign_products(id(cid)?, &ids, now)?)})
        }
        ([] | [_] | [_, "assignProducts" | "unassignProducts"], _) => {
            return Err(Refusal::method_not_allowed());
        }
        _ => return Err(Refusal::no_such_path()),
    };
    Ok(Answer::ok(body))
}

fn sorted(store: &Store, parent: Option<i64>) -> Vec<i64> {
    let mut found: Vec<&Category> = store.categories.values().filter(|it| it.parent == parent).collect();
    found.sort_by_key(|it| (it.order, it.id));
    found.iter().map(|it| it.id).collect()
}

/// `GET /categories`: no index lies between, so a new one is there at once (section 3). Disabled ones are left out
/// unless they are asked for.
fn list(store: &mut Store, query: &Query, now: Instant) -> Result<Value, Refusal> {
    store.take_counts(now);
    let keep = Keep::of(query)?;
    let parents = match (query.whole("parent")?, listed(query, "parentIds")?) {
        (Some(parent), _) => Some(vec![parent]),
        (None, parents) => parents,
    };
    let only = listed(query, "categoryIds")?;
    let below = query.is_on("withSubcategories")?;
    let hidden = query.is_on("hidden_categories")?;
    let with_products = query.is_on("productIds")?;
    let keyword = query.text("keyword").map(str::to_lowercase);
    let fits = |it: &&Category| {
        // 0 stands for the root.
        let above = ancestors(&store.categories, it.id);
        let is_child = |parent: &i64| it.parent.unwrap_or(0) == *parent;
        let is_below = |parent: &i64| below && (*parent == 0 || above.contains(parent));
        (hidden || !store.is_hidden(it))
            && parents.as_ref().is_none_or(|ids| ids.iter().any(|id| is_child(id) || is_below(id)))
            && only.as_ref().is_none_or(|ids| ids.contains(&it.id))
            && keyword.as_ref().is_none_or(|word| it.name.to_lowercase().contains(word))
    };
    let mut found: Vec<&Category> = store.categories.values().filter(fits).collect();
    found.sort_by_key(|it| (it.parent, it.order, it.id));
    let list = page(query, found, |it| {
        it.wire(&store.scene(), &store.counts, with_products.then(|| store.products_in(it.id)))
    })?;
    Ok(keep.map_or_else(|| list.clone(), |keep| keep.cut(list.clone())))
}

/// `GET /categoriesByPath`: those whose names from the root down are the path's.
pub(super) fn by_path(store: &mut Store, query: &Query, now: Instant) -> Result<Value, Refusal> {
    store.take_counts(now);
    // The docs misspell it (section 9.2).
    let delimiter = query.text("delimiter").or(query.text("delimeter")).filter(|it| !it.is_empty());
    let path = query.text("path").ok_or_else(|| wrong("path"))?;
    let names: Vec<&str> = path.split(delimiter.unwrap_or("/")).map(str::trim).collect();
    let is_there = |it: &&Category| {
        let own = std::iter::once(it.id).chain(ancestors(&store.categories, it.id));
        let own = own.filter_map(|id| store.categories.get(&id)).map(|it| it.name.as_str());
        own.eq(names.iter().rev().copied()) && !store.is_hidden(it)
    };
    let found: Vec<&Category> = store.categories.values().filter(is_there).collect();
    page(query, found, |it| it.wire(&store.scene(), &store.counts, None))
}

fn listed(query: &Query, name: &str) -> Result<Option<Vec<i64>>, Refusal> {
    let Some(text) = query.text(name) else { return Ok(None) };
    let ids: Result<Vec<i64>, _> = text.split(',').map(|id| id.trim().parse()).collect();
    ids.map(Some).map_err(|_| wrong(name))
}

fn external() -> Refusal {
    let code = "NOT_ALLOWED_TO_UPDATE_EXTERNAL_CATEGORIES";
    Refusal::new(409, code, "Not allowed to update categories of an external source")
}
