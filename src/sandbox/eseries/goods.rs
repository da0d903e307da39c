//! What the merchant does to options and variations, and what customers buy of them (sections 4.3 and 5 of the
//! E-Series reference). None of it is an API call, all of it fires webhooks.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::ESeriesSandbox;
use super::habits::Habits;
use super::merchant::{Refused, object};
use super::options::{self, ProductOption};
use super::product::Product;
use super::refusal::Refusal;
use super::store::{Event, Store};
use super::values::number;

/// The edits tell whether they were carried out: `false` where what is named is not there or the store refuses.
impl ESeriesSandbox {
    /// The merchant adds an option, as the API has it.
    pub fn add_option(&self, id: i64, option: Value) -> bool {
        self.edit_options(id, |list| {
            list.push(option);
            true
        })
    }

    /// The merchant gives an option another name. The variations follow: it is the same row of the same page.
    pub fn rename_option(&self, id: i64, from: &str, to: &str) -> bool {
        self.edit_goods(id, |product, _| {
            let is_taken = product.option(to).is_some();
            let option = product.options.iter_mut().find(|option| option.name == from);
            let Some(option) = option.filter(|_| !is_taken) else { return false };
            option.rename(to);
            let named = product.variations.iter_mut().flat_map(|it| &mut it.options);
            for (name, _) in named.filter(|(name, _)| name == from) {
                to.clone_into(name);
            }
            true
        })
    }

    /// The merchant removes an option, and the variations that use it with it.
    pub fn remove_option(&self, id: i64, name: &str) -> bool {
        self.edit_goods(id, |product, _| {
            let before = product.options.len();
            product.options.retain(|option| option.name != name);
            product.variations.retain(|it| it.options.iter().all(|(other, _)| other != name));
            product.options.len() < before
        })
    }

    /// The merchant adds a choice: its fields as the API has them.
    pub fn add_choice(&self, id: i64, option: &str, choice: Value) -> bool {
        self.edit_options(id, |list| {
            let found = list.iter_mut().find(|it| it.get("name").is_some_and(|name| name == option));
            let choices = found.and_then(|it| it.get_mut("choices")?.as_array_mut());
            choices.map(|choices| choices.push(choice)).is_some()
        })
    }

    /// The merchant changes what a choice adds to the price.
    pub fn reprice_choice(
        &self,
        id: i64,
        option: &str,
        text: &str,
        modifier: Decimal,
        percent: bool,
    ) -> bool {
        self.edit_goods(id, |product, _| {
            let option = product.options.iter_mut().find(|it| it.name == option);
            let choice = option.and_then(|it| it.choices.iter_mut().find(|it| it.text == text));
            choice.map(|it| (it.modifier, it.is_percent) = (modifier, percent)).is_some()
        })
    }

    /// The merchant gives a choice another text. The variations follow.
    pub fn rename_choice(&self, id: i64, option: &str, from: &str, to: &str) -> bool {
        self.edit_goods(id, |product, _| {
            let Some(found) = product.options.iter_mut().find(|it| it.name == option) else { return false };
            let is_taken = found.choice(to).is_some();
            let choice = found.choices.iter_mut().find(|choice| choice.text == from);
            let Some(choice) = choice.filter(|_| !is_taken) else { return false };
            choice.rename(to);
            let named = product.variations.iter_mut().flat_map(|it| &mut it.options);
            for (_, value) in named.filter(|(name, value)| name == option && value == from) {
                to.clone_into(value);
            }
            true
        })
    }

    /// The merchant removes a choice, and the variations that use it with it.
    pub fn remove_choice(&self, id: i64, option: &str, text: &str) -> bool {
        self.edit_goods(id, |product, _| {
            let Some(found) = product.options.iter_mut().find(|it| it.name == option) else { return false };
            let before = found.choices.len();
            found.choices.retain(|choice| choice.text != text);
            let is_removed = found.choices.len() < before;
            // The default goes by place, so it may stand for another choice now, or for none.
            found.default_choice = found.default_choice.filter(|at| *at < found.choices.len());
            product
                .variations
                .retain(|it| it.options.iter().all(|(name, value)| name != option || value != text));
            is_removed
        })
    }

    /// The merchant adds a variation, with the fields of the API.
    pub fn add_variation(&self, id: i64, fields: Value) -> Result<i64, Refused> {
        let fields = object(fields)?;
        self.settled(|store, now| store.create_variation(id, &fields, now)).map_err(Refused::from)
    }

    /// The merchant edits some fields of a variation.
    pub fn edit_variation(&self, id: i64, variation: i64, fields: Value) -> Result<(), Refused> {
        let fields = object(fields)?;
        let updated = self.settled(|store, now| store.update_variation(id, variation, &fields, now));
        updated.map(|_| ()).map_err(Refused::from)
    }

    /// The merchant gives a variation a price of its own, or none.
    pub fn reprice_variation(&self, id: i64, variation: i64, price: Option<Decimal>) -> bool {
        match price {
            Some(price) => self.edit_variation(id, variation, json!({"price": number(price)})).is_ok(),
            None => self.edit_goods(id, |product, _| {
                product.variation_mut(variation).map(|it| it.price = None).is_ok()
            }),
        }
    }

    /// The merchant gives a variation a SKU of its own; an empty one clears it.
    pub fn set_variation_sku(&self, id: i64, variation: i64, sku: &str) -> bool {
        self.edit_variation(id, variation, json!({"sku": sku})).is_ok()
    }

    /// The merchant deletes a variation. The options stay.
    pub fn delete_variation(&self, id: i64, variation: i64) -> bool {
        self.settled(|store, now| store.delete_variation(id, variation, now)).is_ok()
    }

    /// Customers buy a variation. Without a stock of its own the product's falls (section 5.4).
    pub fn sell_variation(&self, id: i64, variation: i64, quantity: i64) -> bool {
        self.move_variation(id, variation, quantity.saturating_neg())
    }

    /// Goods arrive.
    pub fn restock_variation(&self, id: i64, variation: i64, quantity: i64) -> bool {
        self.move_variation(id, variation, quantity)
    }

    /// A variation as the API shows it, now.
    pub fn variation(&self, id: i64, variation: i64) -> Option<Value> {
        self.settled(|store, _| {
            let product = store.products.get(&id)?;
            Some(product.variation(variation).ok()?.wire(product, &store.scene()))
        })
    }

    /// All variations of a product as the API shows them, now.
    pub fn variations(&self, id: i64) -> Vec<Value> {
        self.settled(|store, _| {
            let product = store.products.get(&id);
            let all = product.into_iter().flat_map(|it| it.variations.iter().map(move |one| (it, one)));
            all.map(|(product, one)| one.wire(product, &store.scene())).collect()
        })
    }

    fn move_variation(&self, id: i64, variation: i64, delta: i64) -> bool {
        let shares = |store: &Store| {
            let product = store.products.get(&id)?;
            Some(product.shares_stock(product.variation(variation).ok()?))
        };
        self.settled(|store, now| {
            let Some(shares) = shares(store) else { return false };
            let moved = if shares {
                store.move_stock(id, delta, now)
            } else {
                store.move_variation_stock(id, variation, delta, now)
            };
            if moved == Ok(None) {
                // An order fires the event all the same (section 7).
                store.happened(id, Event::Updated, now);
            }
            moved.is_ok()
        })
    }

    /// Changes the list of options as it is read, and has the store read it again.
    fn edit_options(&self, id: i64, change: impl FnOnce(&mut Vec<Value>) -> bool) -> bool {
        self.settled(|store, now| {
            store.edit(id, now, |product, habits| {
                let mut list: Vec<Value> = product
                    .options
                    .iter()
                    .map(|option: &ProductOption| option.wire(&habits.languages))
                    .collect();
                if !change(&mut list) {
                    return Err(Refusal::no_such_path());
                }
                product.options = options::read(&Value::Array(list), habits)?;
                Ok(())
            })
        })
        .is_ok()
    }

    fn edit_goods(&self, id: i64, change: impl FnOnce(&mut Product, &Habits) -> bool) -> bool {
        let edit = |product: &mut Product, habits: &Habits| {
            if change(product, habits) { Ok(()) } else { Err(Refusal::no_such_path()) }
        };
        self.settled(|store, now| store.edit(id, now, edit)).is_ok()
    }
}
