//! What is done to variations, by calls and inside a save of their product (section 5 of the E-Series reference).

use serde_json::{Map, Value, json};

use super::api::Wanted;
use super::fields::{self, wrong};
use super::options::{Choice, ProductOption, selections};
use super::product::Product;
use super::refusal::Refusal;
use super::store::{Owner, Store, sku_taken};
use super::values::Keep;
use super::variation::{Variation, VariationChange};
use crate::clock::Instant;

/// The most variations that one save of a product may take along (section 5.3).
const MOST_PER_REQUEST: usize = 200;

type Pairs = [(String, String)];

impl Store {
    /// One new variation. Options and values that the product lacks come into being (section 5.3).
    pub fn create_variation(
        &mut self,
        product: i64,
        fields: &Map<String, Value>,
        now: Instant,
    ) -> Result<i64, Refusal> {
        let before = self.product(product)?.clone();
        let change = VariationChange::read(fields, &self.config.habits)?;
        let mut after = before.clone();
        let id = self.add_variation(&mut after, &change)?;
        self.commit(&before, after, true, now)?;
        Ok(id)
    }

    /// Applies a partial update to a variation. Tells whether anything counts as updated.
    pub fn update_variation(
        &mut self,
        product: i64,
        id: i64,
        fields: &Map<String, Value>,
        now: Instant,
    ) -> Result<bool, Refusal> {
        let before = self.product(product)?.clone();
        before.variation(id)?;
        let change = VariationChange::read(fields, &self.config.habits)?;
        let mut after = before.clone();
        self.change_variation(&mut after, id, &change, self.config.habits.variation_updates_add_options)?;
        self.commit(&before, after, true, now)
    }

    /// Deletes one variation. The options stay, even without any variation (section 5.3).
    pub fn delete_variation(&mut self, product: i64, id: i64, now: Instant) -> Result<(), Refusal> {
        let before = self.product(product)?.clone();
        before.variation(id)?;
        let mut after = before.clone();
        after.variations.retain(|it| it.id != id);
        self.commit(&before, after, true, now).map(|_| ())
    }

    /// Deletes all variations of a product and tells how many there were.
    pub fn delete_variations(&mut self, product: i64, now: Instant) -> Result<usize, Refusal> {
        let before = self.product(product)?.clone();
        let mut after = before.clone();
        after.variations.clear();
        self.commit(&before, after, true, now)?;
        Ok(before.variations.len())
    }

    /// Adds `delta` to a variation's stock. Without a SKU it has none (section 5.4); under the product's SKU it has
    /// the product's. Tells the stock afterwards, or nothing for what is unlimited.
    pub fn move_variation_stock(
        &mut self,
        product: i64,
        id: i64,
        delta: i64,
        now: Instant,
    ) -> Result<Option<i64>, Refusal> {
        let before = self.product(product)?.clone();
        let variation = before.variation(id)?;
        if variation.sku.is_none() {
            return Err(no_sku());
        }
        if before.shares_stock(variation) {
            return self.move_stock(product, delta, now);
        }
        let Some(stock) = variation.stock else { return Ok(None) };
        let stock = stock.checked_add(delta).ok_or_else(|| wrong("quantityDelta"))?;
        let mut after = before.clone();
        after.variation_mut(id)?.stock = Some(stock);
        self.commit(&before, after, self.config.habits.stock_moves_updated, now)?;
        Ok(Some(stock))
    }

    /// Adds a variation to a product that is not yet committed.
    fn add_variation(&mut self, product: &mut Product, change: &VariationChange) -> Result<i64, Refusal> {
        if !self.config.habits.plan_has_variations {
            let message = "Variations are not available on the current plan";
            return Err(Refusal::new(402, "NOT_AVAILABLE_ON_CURRENT_PLAN", message));
        }
        let options = change.options.clone().ok_or_else(|| wrong("options"))?;
        self.name_options(product, &options, true)?;
        if product.variations.iter().any(|it| it.is_for(&options)) {
            return Err(duplicate());
        }
        let id = self.next_variation_id;
        product.variations_made += 1;
        product.variations.push(Variation::plain(id, product.variations_made, options));
        self.change_variation(product, id, change, true)?;
        self.next_variation_id += 1;
        Ok(id)
    }

    /// Changes a variation of a product that is not yet committed.
    fn change_variation(
        &self,
        product: &mut Product,
        id: i64,
        change: &VariationChange,
        adds_options: bool,
    ) -> Result<(), Refusal> {
        let habits = &self.config.habits;
        let before = product.variation(id)?.clone();
        let mut after = before.clone();
        if let Some(options) = change.options.as_ref().filter(|options| !before.is_for(options)) {
            self.name_options(product, options, adds_options)?;
            if product.variations.iter().any(|it| it.id != id && it.is_for(options)) {
                return Err(duplicate());
            }
            after.options.clone_from(options);
        }
        if let Some(sku) = change.sku.as_ref().filter(|sku| **sku != *before.sku.as_deref().unwrap_or("")) {
            // The product's own SKU may be repeated by its variations: then they are one stock.
            let may_clash = !sku.is_empty() && *sku != product.sku && !habits.sku_may_repeat;
            if may_clash && self.sku_is_taken(sku, Owner::Variation(id), Some(product)) {
                return Err(sku_taken(sku));
            }
            after.sku = Some(sku.clone()).filter(|sku| !sku.is_empty());
        }
        self.admit_external_id(change.external_reference_id.as_deref(), Owner::Variation(id), Some(product))?;
        if product.shares_stock(&after) {
            if change.stock(product.stock) != product.stock {
                return Err(if after.sku.is_none() { no_sku() } else { different("STOCK") });
            }
            after.stock = None;
        } else {
            let begins = if habits.given_sku_copies_stock { product.stock } else { None };
            let stock = if product.shares_stock(&before) { begins } else { before.stock };
            after.stock = change.stock(stock);
        }
        if let Some(price) = change.price {
            after.price = Some(price);
        }
        if let Some(external) = &change.external_reference_id {
            after.external_reference_id = Some(external.clone()).filter(|it| !it.is_empty());
        }
        fields::keep(change.more.clone(), &mut after.more);
        let zeros = json!({"length": 0, "width": 0, "height": 0});
        let of_product = product.more.get("dimensions").unwrap_or(&zeros);
        let has_same_sku = after.sku.as_ref() == Some(&product.sku);
        if has_same_sku && after.more.get("dimensions").is_some_and(|own| own != of_product) {
            return Err(different("DIMENSIONS"));
        }
        *product.variation_mut(id)? = after;
        Ok(())
    }

    /// Sees to it that the product has these options and values, or refuses.
    fn name_options(&self, product: &mut Product, pairs: &Pairs, adds: bool) -> Result<(), Refusal> {
        for (name, value) in pairs {
            let lacking =
                || Refusal::wrong_parameter(format!("The product has no option '{name}': '{value}'"));
            match product.options.iter_mut().find(|option| option.name == *name) {
                Some(option) if !option.varies(&self.config.habits) => {
                    let message = format!("Variations can't be built from the option '{name}'");
                    return Err(Refusal::wrong_parameter(message));
                }
                Some(option) if option.choice(value).is_some() => {}
                Some(option) if adds => option.choices.push(Choice::plain(value)),
                None if adds => {
                    let mut option = ProductOption::select(name);
                    option.choices.push(Choice::plain(value));
                    product.options.push(option);
                }
                _ => return Err(lacking()),
            }
        }
        Ok(())
    }

    /// `combinations` in the body of a product, with `saveCombinations`. By habit the list replaces what is there.
    pub fn save_combinations(
        &mut self,
        product: &mut Product,
        options_before: &[ProductOption],
        list: &Value,
    ) -> Result<(), Refusal> {
        let list = list.as_array().ok_or_else(|| wrong("combinations"))?;
        if list.len() > MOST_PER_REQUEST {
            return Err(too_many());
        }
        let mut left = std::mem::take(&mut product.variations);
        for item in list {
            let fields = item.as_object().ok_or_else(|| wrong("combinations"))?;
            let change = VariationChange::read(fields, &self.config.habits)?;
            for (name, value) in change.options.iter().flatten() {
                check_removed(options_before, &product.options, name, value)?;
            }
            let by_id = left.iter().position(|it| Some(it.id) == change.id);
            let same = |it: &Variation| change.options.as_ref().is_some_and(|options| it.is_for(options));
            if let Some(at) = by_id.or_else(|| left.iter().position(same)) {
                let known = left.remove(at);
                let id = known.id;
                product.variations.push(known);
                self.change_variation(product, id, &change, true)?;
            } else {
                self.add_variation(product, &change)?;
            }
        }
        if self.config.habits.saved_combinations_merge {
            if left.iter().any(|it| product.variations.iter().any(|other| other.is_for(&it.options))) {
                return Err(duplicate());
            }
            product.variations.append(&mut left);
        }
        product.variations.sort_by_key(|it| it.id);
        Ok(())
    }

    /// Variations after a change of the options: one that uses what is gone makes the request fail, or goes too
    /// (sections 5.6 and 14).
    pub fn fit_variations(&mut self, product: &mut Product, rebuild: bool) -> Result<(), Refusal> {
        let habits = &self.config.habits;
        let misfit = |options: &[ProductOption], it: &Variation| {
            it.options.iter().find_map(|(name, value)| {
                let option = options.iter().find(|option| option.name == *name);
                let Some(option) = option.filter(|option| option.varies(habits)) else {
                    return Some(removed(""));
                };
                option.choice(value).is_none().then(|| removed("_VALUE"))
            })
        };
        if let Some(refusal) = product.variations.iter().find_map(|it| misfit(&product.options, it)) {
            if !rebuild && !habits.unfit_variations_are_deleted {
                return Err(refusal);
            }
            let options = &product.options;
            product.variations.retain(|it| misfit(options, it).is_none());
        }
        if rebuild {
            let all = selections(&product.options, MOST_PER_REQUEST, habits).ok_or_else(too_many)?;
            for options in all {
                if !product.variations.iter().any(|it| it.is_for(&options)) {
                    let change = VariationChange { options: Some(options), ..VariationChange::default() };
                    self.add_variation(product, &change)?;
                }
            }
        }
        Ok(())
    }
}

/// The calls below `/products/{id}/combinations`, but for the pictures.
pub(super) fn call(
    store: &mut Store,
    product: i64,
    path: &[&str],
    method: &str,
    wanted: &Wanted,
    now: Instant,
) -> Result<Value, Refusal> {
    let keep = Keep::of(&wanted.query)?;
    let cut = |value: Value| keep.as_ref().map_or_else(|| value.clone(), |keep| keep.cut(value.clone()));
    let id = |text: &str| text.parse::<i64>().map_err(|_| wrong("combinationId"));
    let record = store.product(product)?;
    Ok(match (path, method) {
        // A plain list, not a page (section 13, trap 7).
        ([], "GET") => cut(record.variations.iter().map(|it| it.wire(record, &store.scene())).collect()),
        ([], "POST") => json!({"id": store.create_variation(product, wanted.object()?, now)?}),
        ([], "DELETE") => json!({"deleteCount": store.delete_variations(product, now)?}),
        ([cid], "GET") => cut(record.variation(id(cid)?)?.wire(record, &store.scene())),
        ([cid], "PUT") => {
            let updated = store.update_variation(product, id(cid)?, wanted.object()?, now)?;
            json!({"updateCount": i32::from(updated)})
        }
        ([cid], "DELETE") => {
            let deleted = store.delete_variation(product, id(cid)?, now);
            store.delete_count(deleted)?
        }
        ([cid, "inventory"], "PUT") => {
            record.variation(id(cid)?)?;
            let moved = store.move_variation_stock(product, id(cid)?, wanted.delta()?, now)?;
            super::api::moved_stock(moved)
        }
        ([] | [_] | [_, "inventory"], _) => return Err(Refusal::method_not_allowed()),
        _ => return Err(Refusal::no_such_path()),
    })
}

fn check_removed(
    before: &[ProductOption],
    after: &[ProductOption],
    name: &str,
    value: &str,
) -> Result<(), Refusal> {
    let find = |options: &[ProductOption]| options.iter().find(|option| option.name == name).cloned();
    match (find(before), find(after)) {
        (Some(_), None) => Err(removed("")),
        (Some(before), Some(after)) if before.choice(value).is_some() && after.choice(value).is_none() => {
            Err(removed("_VALUE"))
        }
        _ => Ok(()),
    }
}

fn removed(what: &str) -> Refusal {
    let code = match what {
        "" => "COMBINATION_CONTAINS_REMOVED_OPTION",
        _ => "COMBINATION_CONTAINS_REMOVED_OPTION_VALUE",
    };
    Refusal::new(409, code, "A combination uses an option or a value that the request removes")
}

fn duplicate() -> Refusal {
    Refusal::new(409, "COMBINATION_DUPLICATED", "A combination with the same options already exists")
}

fn too_many() -> Refusal {
    Refusal::new(400, "COMBINATION_LIMIT_PER_REQUEST_EXCEEDED", "Too many combinations in one request")
}

fn no_sku() -> Refusal {
    Refusal::wrong_parameter("Can't change the stock: the SKU of the combination is not set")
}

fn different(what: &str) -> Refusal {
    let code = match what {
        "STOCK" => "DIFFERENT_COMBINATION_STOCK",
        _ => "DIFFERENT_COMBINATION_DIMENSIONS",
    };
    Refusal::new(400, code, "A combination with the SKU of the product must not differ from it")
}
