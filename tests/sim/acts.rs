//! What merchants do, one thing at a time, and what of it is remembered.

use concord::catalog::Side;
use serde_json::{Value, json};

use super::options::{first_two, is_third};
use super::script::Act;
use super::storm::Storm;
use crate::support::{decimal, item};

impl Storm {
    /// One thing that a merchant does. What it did to the stock is read off the platform.
    pub fn act(&mut self, act: &Act) {
        let number = match act {
            Act::Sell(_, item, _)
            | Act::Restock(_, item, _)
            | Act::SellElsewhere(item, _)
            | Act::Rename(_, item, _)
            | Act::Reprice(_, item, _)
            | Act::Relabel(_, item, _)
            | Act::Offer(_, item, _)
            | Act::Revalue(_, item, _)
            | Act::Retitle(_, item, _)
            | Act::Join(item, _)
            | Act::Leave(item)
            | Act::Archive(item, _)
            | Act::ArchiveWhole(item, _)
            | Act::Note(_, item, _) => *item,
            Act::Forget(item) => return self.forget(*item),
            Act::Shelve(deed) => return self.shelve(deed),
            Act::Hang(deed) => return self.hang(deed),
            Act::Caption(deed) => return self.caption(deed),
            Act::Extend(side, item, number) => return self.extend(*side, *item, *number),
            Act::Shrink(side, item) => return self.shrink(*side, *item),
            Act::Create(side, number) => return self.create(*side, *number),
            Act::Merge(one, other) => return self.merge(*one, *other),
            Act::Swap(one, other) => return self.swap_skus(*one, *other),
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
                // Not called yet, it is still a product by itself.
                let matrix = matrix.filter(|_| goods.variation.is_some());
                let typed = matrix.map_or(typed, |matrix| self.whole.get_mut(&matrix).unwrap());
                typed.type_in("name", Side::ESeries, name);
            }
            (Act::Revalue(Side::RSeries, _, number), _) if matrix.is_some() => {
                let [_, size, third] = &item.attributes;
                let attributes = [format!("R{number}"), size.clone(), third.clone()];
                r.set_attributes(id, attributes.each_ref().map(String::as_str));
                typed.type_in("values", Side::RSeries, &values(&first_two(&attributes)));
            }
            (Act::Revalue(Side::ESeries, _, number), Some(goods)) if goods.variation.is_some() => {
                let (product, variation) = (goods.product, goods.variation.unwrap());
                let record = self.world.record(product);
                let titles =
                    record["options"].as_array().unwrap().iter().map(|option| option["name"].clone());
                let titles = titles.filter(|title| !is_third(title));
                let (of_size, of_color): (Vec<_>, Vec<_>) = titles.partition(|title| title == "Size");
                // Half renamed, there are more of them than a merchant makes sense of.
                let ([of_size], [of_color]) = (of_size.as_slice(), of_color.as_slice()) else { return };
                let now = e.variation(product, variation).unwrap();
                let now = now["options"].as_array().unwrap();
                let size = now.iter().find(|option| option["name"] == "Size").unwrap()["value"].clone();
                let size = size.as_str().unwrap();
                let others = now.iter().filter(|option| is_third(&option["name"])).cloned();
                let color = format!("E{number}");
                e.add_choice(product, of_color.as_str().unwrap(), json!({ "text": color }));
                let two =
                    [json!({"name": of_color, "value": color}), json!({"name": of_size, "value": size})];
                let options: Vec<Value> = two.into_iter().chain(others).collect();
                if e.edit_variation(product, variation, json!({ "options": options })).is_ok() {
                    typed.type_in("values", Side::ESeries, &format!("{color} / {size}"));
                }
            }
            (Act::Retitle(Side::RSeries, _, number), _) if matrix.is_some() => {
                let title = format!("R{number}");
                let third = r.matrix(item.matrix_id).unwrap().names[2].clone();
                let set = r.create_attribute_set(&title, [&title, "Size", &third]);
                r.set_attribute_set(item.matrix_id, set);
                let whole = self.whole.get_mut(&item.matrix_id).unwrap();
                whole.type_in("title", Side::RSeries, &title);
                self.options.say(item.matrix_id, Side::RSeries);
            }
            (Act::Retitle(Side::ESeries, _, number), Some(goods)) if matrix.is_some() => {
                let title = format!("E{number}");
                let record = self.world.record(goods.product);
                let of_color = record["options"].as_array().unwrap().iter();
                let of_color = of_color.map(|option| &option["name"]);
                let of_color = of_color.filter(|name| !is_third(name)).find(|name| *name != "Size");
                let Some(of_color) = of_color.and_then(Value::as_str) else { return };
                if e.rename_option(goods.product, of_color, &title) {
                    let whole = self.whole.get_mut(&item.matrix_id).unwrap();
                    whole.type_in("title", Side::ESeries, &title);
                    self.options.say(item.matrix_id, Side::ESeries);
                }
            }
            (Act::Join(_, number), _) if matrix.is_none() && !item.archived => {
                // Nobody puts an item into a matrix that is archived.
                let Some(home) = r.matrices().into_iter().find(|matrix| !matrix.archived) else { return };
                let home = home.matrix_id;
                let attributes = [format!("J{number}"), "S".to_owned(), self.third_of_joiner(home, *number)];
                r.put_into_matrix(id, home, attributes.each_ref().map(String::as_str));
                let typed = self.typed.get_mut(&id).unwrap();
                typed.type_in("values", Side::RSeries, &values(&first_two(&attributes)));
                typed.type_in("third", Side::RSeries, &attributes[2]);
                // What the web has of it goes with every piece that was sold of it.
                self.shifted.insert(id);
                return;
            }
            // One variant at least stays: a matrix without items is another story.
            (Act::Leave(..), _)
                if !item.archived
                    && r.matrix(item.matrix_id).is_some_and(|it| self.merges.living(&it) > 1) =>
            {
                r.take_out_of_matrix(id);
                typed.ever.entry("name").or_default().insert(item.description.clone());
                self.shifted.insert(id);
                return;
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
            (Act::Archive(_, true), _) => {
                self.births.removed.insert(id);
                r.archive(id);
                self.leave_behind(id);
            }
            (Act::Archive(_, false), _) => r.unarchive(id),
            (Act::ArchiveWhole(_, archived), _) => {
                let Some(matrix) = matrix else { return };
                return self.archive_whole(matrix, *archived);
            }
            (Act::Note(side, _, number), _) => self.note(*side, id, *number),
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
    pub fn see_removal(&mut self, id: i64) {
        let now = self.world.goods(id).map(|goods| (goods.product, goods.variation));
        let was = match now {
            Some(half) => self.online.insert(id, half),
            None => self.online.remove(&id),
        };
        if was.is_none() || was == now {
            return;
        }
        let item = self.world.stage.r.item(id).unwrap();
        // One that has another place in the shop takes along what was sold of it.
        if !self.shifted.contains(&id) {
            self.truth.insert(id, item.stock.values().sum());
            self.merges.begin_anew(id);
        }
        if now.is_some() {
            self.shifted.remove(&id);
        }
        self.elsewhere.insert(id, item.stock.get(&2).copied().unwrap_or_default());
        self.typed.get_mut(&id).unwrap().last.clear();
        if let Some(whole) = self.whole.get_mut(&item.matrix_id) {
            whole.last.clear();
        }
    }

    /// Archived before the web has seen where it went: what was sold there and not carried stands in the ledger alone.
    fn leave_behind(&mut self, id: i64) {
        if self.shifted.remove(&id) {
            self.births.forgotten.insert(id);
        }
    }

    /// Two items change their SKUs in the shop.
    fn swap_skus(&mut self, one: usize, other: usize) {
        let ids = [one, other].map(|number| self.items[number % self.items.len()]);
        let skus = ids.map(|id| self.world.stage.r.item(id).unwrap().custom_sku);
        for (id, sku) in ids.into_iter().zip(skus.iter().rev()) {
            self.see_removal(id);
            self.world.stage.r.set_sku(id, sku);
            self.typed.get_mut(&id).unwrap().type_in("sku", Side::RSeries, sku);
        }
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
                let fields = json!({"name": name, "sku": sku, "price": 3, "quantity": 2});
                self.births.born.push(self.world.stage.e.create_product(fields));
                self.only_online += 1;
            }
            Side::RSeries => {}
        }
    }

    /// A whole matrix goes, or comes back. What it does to the stock is read off each of its items.
    fn archive_whole(&mut self, matrix: i64, archived: bool) {
        let r = &self.world.stage.r;
        let items = r.matrix(matrix).unwrap().variants;
        let items = items.iter().map(|(item, _)| *item).filter(|item| self.truth.contains_key(item));
        let items: Vec<i64> = items.collect();
        for item in &items {
            self.see_removal(*item);
            self.leave_behind(*item);
        }
        let count = |storm: &Self, item: i64| storm.world.stage.r.item(item).unwrap().stock;
        let before: Vec<_> = items.iter().map(|item| count(self, *item)).collect();
        let r = &self.world.stage.r;
        if archived {
            r.archive_matrix(matrix);
        } else {
            r.unarchive_matrix(matrix);
            for item in &items {
                r.unarchive(*item);
            }
        }
        for (item, before) in items.iter().zip(before) {
            let after = count(self, *item);
            let moved = |shop: i64| after.get(&shop).unwrap_or(&0) - before.get(&shop).unwrap_or(&0);
            *self.truth.get_mut(item).unwrap() += moved(1) + moved(2);
            *self.elsewhere.get_mut(item).unwrap() += moved(2);
        }
    }

    /// What is archived comes back, so that its truth can be told as well.
    pub fn bring_back(&mut self) {
        let archived = |id: i64| self.world.stage.r.item(id).unwrap().archived;
        for matrix in self.world.stage.r.matrices() {
            // It goes by its items: one that is back brings its product back.
            if matrix.variants.iter().any(|(id, _)| !archived(*id)) {
                continue;
            }
            let product = self.world.product_of_matrix(matrix.matrix_id);
            let offered = product.is_some_and(|product| self.world.record(product)["enabled"] == true);
            assert!(!offered, "all of matrix {} is archived, and it is on offer", matrix.matrix_id);
        }
        for id in self.items.clone() {
            self.see_removal(id);
            let item = self.world.stage.r.item(id).unwrap();
            if item.archived {
                let product = self.world.product_of(id);
                assert!(product.is_none_or(|product| !product.enabled), "item {id} is archived and on offer");
                self.world.stage.r.unarchive(id);
            }
        }
        for matrix in self.world.stage.r.matrices().into_iter().filter(|matrix| matrix.archived) {
            self.world.stage.r.unarchive_matrix(matrix.matrix_id);
        }
    }
}

/// Attributes as the web shows them.
pub fn values(attributes: &[String; 3]) -> String {
    let used: Vec<&str> = attributes.iter().map(String::as_str).filter(|value| !value.is_empty()).collect();
    used.join(" / ")
}
