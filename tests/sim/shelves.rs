//! Categories: what merchants do to both trees and put into them, and what must come of it. Read directly from both
//! platforms.

use std::collections::BTreeMap;

use concord::catalog::Side;
use concord::sandbox::picture;
use concord::sandbox::rseries::MatrixEdit;
use rand::Rng;
use rand_chacha::ChaCha12Rng;
use serde_json::{Value, json};

use super::script::{Setting, side};
use super::storm::{Storm, Typed};
use super::verdict::hold;
use crate::support::World;

/// Something that a merchant does. Categories by their number among those that are there; one more is the root.
#[derive(Debug, Clone, PartialEq)]
pub enum Shelve {
    /// A new category in the shop.
    Plant(usize, u32),
    Rename(Side, usize, u32),
    Move(Side, usize, usize),
    Fell(Side, usize),
    /// A category that the web alone has.
    Own(u32),
    Show(usize, bool),
    /// Description and picture of a category on the web.
    Describe(usize, u32),
    /// An item, or its matrix, into a category; one more is none.
    Assign(Side, usize, usize),
}

impl Shelve {
    pub fn drawn(dice: &mut ChaCha12Rng, number: u32) -> Self {
        let (side, at, other) = (side(dice), dice.random_range(0..6), dice.random_range(0..6));
        match dice.random_range(0..20) {
            0..3 => Self::Plant(at, number),
            3..6 => Self::Rename(side, at, number),
            6..9 => Self::Move(side, at, other),
            9..12 => Self::Fell(side, at),
            12 => Self::Own(number),
            13 => Self::Show(at, dice.random_bool(0.7)),
            14 => Self::Describe(at, number),
            _ => Self::Assign(side, at, other),
        }
    }
}

/// What the web alone says of a category.
#[derive(Debug, Default)]
struct Meant {
    enabled: bool,
    description: Option<String>,
    picture: Option<String>,
}

/// What is remembered of the web's categories, by their ids there.
#[derive(Debug, Default)]
pub struct Shelves {
    meant: BTreeMap<i64, Meant>,
    /// Those that the web alone has, with their names.
    own: BTreeMap<i64, String>,
    /// Products that are in the first of them from the beginning on.
    on_sale: Option<(i64, Vec<i64>)>,
    /// Somebody has deleted a category.
    felled: bool,
}

fn number(value: &Value) -> i64 {
    value.as_i64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(0)
}

/// The category of the shop that a category of the web stands for.
fn stands_for(category: &Value) -> Option<i64> {
    category["externalReferenceId"].as_str()?.strip_prefix("concord-r-category-")?.parse().ok()
}

impl Storm {
    /// The shop as it is when the storm begins.
    pub fn furnish_shop(world: &World, setting: &Setting) {
        let r = &world.stage.r;
        if setting.shelves {
            let aisle = r.create_category("Aisle 1", 0).unwrap();
            let below = r.create_category("Shelf 2", aisle).unwrap();
            r.create_category("Aisle 3", 0).unwrap();
            let items = r.items();
            r.set_category(items[0].item_id, below);
            for matrix in r.matrices() {
                let edit = MatrixEdit { category_id: Some(aisle), ..MatrixEdit::default() };
                r.edit_matrix(matrix.matrix_id, edit);
            }
        }
        Self::hang_first(world, setting);
    }

    /// The web as it is when the storm begins.
    pub fn furnish_web(&mut self) {
        if self.setting.shelves {
            let sale = self.world.stage.e.create_category(json!({"name": "Sale"}));
            self.shelves.own.insert(sale, "Sale".into());
            let products: Vec<i64> = self.world.stage.e.products().iter().map(|product| product.id).collect();
            assert!(self.world.stage.e.assign(sale, &products));
            self.shelves.on_sale = Some((sale, products));
        }
        if self.setting.notes {
            for item in self.items.clone() {
                self.note(Side::RSeries, item, 50);
                self.note(Side::ESeries, item, 60);
            }
        }
    }

    /// The shop's categories that are on the web, by their ids there.
    fn synced(&self) -> BTreeMap<i64, i64> {
        let all = self.world.stage.e.categories();
        all.iter().filter_map(|it| Some((number(&it["id"]), stands_for(it)?))).collect()
    }

    pub fn shelve(&mut self, deed: &Shelve) {
        if !self.setting.shelves {
            return;
        }
        let shop: Vec<i64> = self.world.shop_tree().iter().map(|row| row.0).collect();
        let web: Vec<i64> = self.world.stage.e.categories().iter().map(|it| number(&it["id"])).collect();
        let of = |list: &[i64], at: usize| (!list.is_empty()).then(|| list[at % list.len()]);
        let or_root = |list: &[i64], at: usize| list.get(at % (list.len() + 1)).copied();
        let (r, e) = (&self.world.stage.r, &self.world.stage.e);
        match deed {
            Shelve::Plant(under, number) if shop.len() < 7 => {
                r.create_category(&format!("Plant {number}"), or_root(&shop, *under).unwrap_or(0));
            }
            Shelve::Plant(..) => {}
            Shelve::Rename(Side::RSeries, at, number) => {
                of(&shop, *at).inspect(|id| r.rename_category(*id, &format!("{number} shop name")));
            }
            Shelve::Rename(Side::ESeries, at, number) => {
                let Some(id) = of(&web, *at) else { return };
                let name = format!("{number} web name");
                e.rename_category(id, &name);
                self.shelves.own.entry(id).and_modify(|own| *own = name);
            }
            Shelve::Move(Side::RSeries, at, under) => {
                of(&shop, *at).inspect(|id| r.move_category(*id, or_root(&shop, *under).unwrap_or(0)));
            }
            // Own ones stay roots: one that is below a category of the shop keeps that online.
            Shelve::Move(Side::ESeries, at, under) => {
                let Some(id) = of(&web, *at).filter(|id| !self.shelves.own.contains_key(id)) else { return };
                e.move_category(id, or_root(&web, *under).filter(|under| *under != id));
            }
            Shelve::Fell(side, at) => {
                match side {
                    Side::RSeries => {
                        of(&shop, *at).inspect(|id| {
                            r.delete_category(*id);
                        });
                    }
                    Side::ESeries => {
                        let sale = self.shelves.on_sale.as_ref().map(|(sale, _)| *sale);
                        of(&web, *at).filter(|id| Some(*id) != sale).inspect(|id| {
                            e.delete_category(*id);
                        });
                    }
                }
                let left: Vec<i64> = e.categories().iter().map(|it| number(&it["id"])).collect();
                self.shelves.own.retain(|id, _| left.contains(id));
                // Where a product is then follows from the trees, not from what anybody said of it.
                self.shelves.felled = true;
            }
            Shelve::Own(number) => {
                let name = format!("Own {number}");
                let id = e.create_category(json!({ "name": name }));
                self.shelves.own.insert(id, name);
            }
            Shelve::Show(at, on) => {
                let Some(id) = of(&web, *at) else { return };
                assert!(e.enable_category(id, *on));
                self.shelves.meant.entry(id).or_default().enabled = *on;
            }
            Shelve::Describe(at, number) => {
                let Some(id) = of(&web, *at) else { return };
                let words = format!("<p>About {number}</p>");
                e.edit_category(id, json!({ "description": words })).unwrap();
                e.set_category_picture(id, &picture::png(&words)).unwrap();
                let shown = e.category_picture(id).unwrap().sha256;
                let enabled = e.category(id).unwrap()["enabled"] == true;
                let meant = self.shelves.meant.entry(id).or_default();
                *meant = Meant { enabled, description: Some(words), picture: shown };
            }
            Shelve::Assign(side, item, at) => self.assign(*side, *item, *at, &shop),
        }
    }

    fn assign(&mut self, side: Side, item: usize, at: usize, shop: &[i64]) {
        let id = self.items[item % self.items.len()];
        self.see_removal(id);
        let matrix = self.world.stage.r.item(id).unwrap().matrix_id;
        let category = match side {
            Side::RSeries => {
                let category = shop.get(at % (shop.len() + 1)).copied().unwrap_or(0);
                if matrix == 0 {
                    self.world.stage.r.set_category(id, category);
                } else {
                    let edit = MatrixEdit { category_id: Some(category), ..MatrixEdit::default() };
                    self.world.stage.r.edit_matrix(matrix, edit);
                }
                category
            }
            Side::ESeries => {
                let Some(goods) = self.world.goods(id) else { return };
                let synced: Vec<(i64, i64)> = self.synced().into_iter().collect();
                let e = &self.world.stage.e;
                for (id, _) in &synced {
                    e.unassign(*id, &[goods.product]);
                }
                match synced.get(at % (synced.len() + 1)) {
                    Some((id, stands_for)) => {
                        assert!(e.assign(*id, &[goods.product]));
                        *stands_for
                    }
                    None => 0,
                }
            }
        };
        let typed = if matrix == 0 { self.typed.get_mut(&id) } else { self.whole.get_mut(&matrix) };
        typed.unwrap().type_in("category", side, &category.to_string());
    }

    /// Both trees are the same, nothing is there twice, and what is the web's own is as the web left it.
    pub async fn judge_shelves(&self) {
        if !self.setting.shelves {
            return;
        }
        let shop = self.world.shop_tree();
        let web = self.world.stage.e.categories();
        let at = || format!("{shop:#?}\n{web:#?}\n{:#?}", self.shelves);
        let mut here: BTreeMap<i64, &Value> = BTreeMap::new();
        for category in &web {
            let Some(id) = stands_for(category) else { continue };
            assert!(here.insert(id, category).is_none(), "category {id} is there twice: {}", at());
        }
        let mut ids: Vec<i64> = shop.iter().map(|row| row.0).collect();
        ids.sort_unstable();
        let shown: Vec<i64> = here.keys().copied().collect();
        assert_eq!(shown, ids, "other categories than the shop's: {}", at());
        let mut last: BTreeMap<i64, i64> = BTreeMap::new();
        for (id, parent, name) in &shop {
            let online = here[id];
            assert_eq!(online["name"].as_str().unwrap().trim(), name.trim(), "{}", at());
            let above = if *parent == 0 { 0 } else { number(&here[parent]["id"]) };
            assert_eq!(number(&online["parentId"]), above, "{name} hangs elsewhere: {}", at());
            let order = number(&online["orderBy"]);
            let before = last.insert(*parent, order);
            assert!(before.is_none_or(|before| before < order), "{name} is out of order: {}", at());
            let id = number(&online["id"]);
            let none = Meant::default();
            let meant = self.shelves.meant.get(&id).unwrap_or(&none);
            assert_eq!(online["enabled"] == true, meant.enabled, "{name}: {}", at());
            let says = online["description"].as_str().filter(|text| !text.is_empty());
            assert_eq!(says, meant.description.as_deref(), "{name}: {}", at());
            let shown = self.world.stage.e.category_picture(id).and_then(|picture| picture.sha256);
            assert_eq!(shown, meant.picture, "{name}: {}", at());
        }
        for (id, name) in &self.shelves.own {
            let own = self.world.stage.e.category(*id);
            let own = own.unwrap_or_else(|| panic!("category {name} of the web is gone: {}", at()));
            assert_eq!(
                (own["name"].as_str(), number(&own["parentId"])),
                (Some(name.as_str()), 0),
                "{}",
                at()
            );
        }
        self.judge_places(&shop).await;
    }

    /// Each product is where the shop has it, and where somebody has put it last.
    async fn judge_places(&self, shop: &[(i64, i64, String)]) {
        let synced = self.synced();
        for (id, typed) in &self.typed {
            let item = self.world.stage.r.item(*id).unwrap();
            let goods = self.world.goods(*id).expect("it is online");
            let (record, typed): (Value, &Typed) = match item.matrix_id {
                0 => (self.world.stage.r.raw_item(*id).unwrap(), typed),
                matrix => (self.world.stage.r.raw_matrix(matrix).unwrap(), &self.whole[&matrix]),
            };
            let category = number(&record["categoryID"]);
            let there = shop.iter().any(|row| row.0 == category);
            let wanted: Vec<i64> = Some(category).filter(|_| there).into_iter().collect();
            let shown = self.world.record(goods.product)["categoryIds"].clone();
            let shown: Vec<i64> = shown.as_array().into_iter().flatten().map(number).collect();
            let place: Vec<i64> = shown.iter().filter_map(|id| synced.get(id)).copied().collect();
            let same = place == wanted;
            hold!(self, *id, same, "item {id} is in {wanted:?} in the shop and in {place:?} on the web");
            if let Some((sale, products)) = &self.shelves.on_sale
                && products.contains(&goods.product)
            {
                assert!(shown.contains(sale), "product {} was taken out of the sale", goods.product);
            }
            let last: Vec<&String> = [Side::RSeries, Side::ESeries]
                .iter()
                .filter_map(|side| typed.last.get(&("category", *side)))
                .collect();
            let now = wanted.first().copied().unwrap_or(0).to_string();
            let kept = self.shelves.felled || last.is_empty() || last.contains(&&now);
            hold!(self, *id, kept, "item {id} is in {now}, and people last said {last:?}");
        }
    }
}
