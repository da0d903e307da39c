//! Options that come and go: a matrix gets a third one on either side, and every variant a value of it, or loses it. What
//! must come of it is judged value by value, since two edits that collide may leave the one's first value beside the
//! other's third.

use std::collections::{BTreeMap, BTreeSet};

use concord::catalog::Side;
use concord::sandbox::rseries::MatrixView;
use serde_json::{Value, json};

use super::storm::{Storm, Typed};
use super::verdict::hold;

/// What a third option is called, with a number behind it: so it is told from the first one, which has all kinds of names.
const THIRD: &str = "Cut";

/// Is this the name of a third option?
pub(super) fn is_third(name: &Value) -> bool {
    name.as_str().is_some_and(|name| name.starts_with(THIRD))
}

/// Attributes without the third one.
pub(super) fn first_two([first, second, _]: &[String; 3]) -> [String; 3] {
    [first.clone(), second.clone(), String::new()]
}

/// What is remembered of them.
#[derive(Debug, Default)]
pub struct Options {
    /// Matrices that had a third option at some time.
    reshaped: BTreeSet<i64>,
    /// Which sides have ever said how the options of a matrix are called.
    said: BTreeMap<i64, BTreeSet<Side>>,
}

impl Options {
    /// A side says how the options of a matrix are called.
    pub(super) fn say(&mut self, matrix: i64, side: Side) {
        self.said.entry(matrix).or_default().insert(side);
    }

    /// May what both sides have said of it have collided?
    fn collided(&self, matrix: i64) -> bool {
        self.said.get(&matrix).is_some_and(|sides| sides.len() > 1)
    }
}

impl Storm {
    /// The matrix that an item is in, with all that is remembered of its items up to date.
    fn matrix_of(&mut self, number: usize) -> Option<MatrixView> {
        let id = self.items[number % self.items.len()];
        let matrix = self.world.stage.r.matrix(self.world.stage.r.item(id).unwrap().matrix_id)?;
        for (item, _) in &matrix.variants {
            if self.items.contains(item) {
                self.see_removal(*item);
            }
        }
        (!matrix.archived).then_some(matrix)
    }

    /// A third option.
    pub(super) fn extend(&mut self, side: Side, item: usize, number: u32) {
        let Some(matrix) = self.matrix_of(item) else { return };
        let name = format!("{THIRD}{number} {}", side.as_str());
        let value = |at: usize| format!("{name} {}", ["slim", "wide"][at % 2]);
        let done = match side {
            Side::RSeries => self.extend_shop(&matrix, &name, value),
            Side::ESeries => self.extend_web(&matrix, &name, value),
        };
        for (item, value) in done.iter().flatten() {
            self.typed.get_mut(item).unwrap().type_in("third", side, value);
        }
        if done.is_some() {
            self.options.reshaped.insert(matrix.matrix_id);
            self.options.say(matrix.matrix_id, side);
            let whole = self.whole.get_mut(&matrix.matrix_id).unwrap();
            whole.type_in("third title", side, &name);
        }
    }

    fn extend_shop(
        &self,
        matrix: &MatrixView,
        name: &str,
        value: impl Fn(usize) -> String,
    ) -> Option<Vec<(i64, String)>> {
        let [first, second, third] = &matrix.names;
        if !third.is_empty() {
            return None;
        }
        let r = &self.world.stage.r;
        r.set_attribute_set(matrix.matrix_id, r.create_attribute_set(name, [first, second, name]));
        let mut done = Vec::new();
        for (at, (item, [first, second, _])) in matrix.variants.iter().enumerate() {
            let third = value(at);
            r.set_attributes(*item, [first, second, &third]);
            if self.items.contains(item) {
                done.push((*item, third));
            }
        }
        Some(done)
    }

    /// The product's variations by the items of the matrix, if each has one and the web knows the options alike.
    fn all_online(&self, matrix: &MatrixView) -> Option<(i64, Vec<(i64, i64)>)> {
        let product = self.world.product_of_matrix(matrix.matrix_id)?;
        let mut items = Vec::new();
        for (item, _) in matrix.variants.iter().filter(|(item, _)| self.items.contains(item)) {
            let archived = self.world.stage.r.item(*item)?.archived;
            let variation = self.world.goods(*item).and_then(|goods| goods.variation);
            items.push((*item, variation.filter(|_| !archived)?));
        }
        (self.world.stage.e.variations(product).len() == items.len()).then_some((product, items))
    }

    fn extend_web(
        &self,
        matrix: &MatrixView,
        name: &str,
        value: impl Fn(usize) -> String,
    ) -> Option<Vec<(i64, String)>> {
        let (product, items) = self.all_online(matrix)?;
        if self.world.record(product)["options"].as_array().unwrap().len() != 2 {
            return None;
        }
        let e = &self.world.stage.e;
        let choices = [0, 1].map(|at| json!({ "text": value(at) }));
        assert!(e.add_option(product, json!({"type": "SELECT", "name": name, "choices": choices})));
        let mut done = Vec::new();
        for (at, (item, variation)) in items.into_iter().enumerate() {
            let mut options = e.variation(product, variation).unwrap()["options"].as_array().unwrap().clone();
            options.push(json!({"name": name, "value": value(at)}));
            e.edit_variation(product, variation, json!({ "options": options })).unwrap();
            done.push((item, value(at)));
        }
        Some(done)
    }

    /// The third option goes.
    pub(super) fn shrink(&mut self, side: Side, item: usize) {
        let Some(matrix) = self.matrix_of(item) else { return };
        let done = match side {
            Side::RSeries => self.shrink_shop(&matrix),
            Side::ESeries => self.shrink_web(&matrix),
        };
        for item in done.iter().flatten() {
            self.typed.get_mut(item).unwrap().type_in("third", side, "");
        }
        if done.is_some() {
            self.options.say(matrix.matrix_id, side);
            self.whole.get_mut(&matrix.matrix_id).unwrap().type_in("third title", side, "");
        }
    }

    fn shrink_shop(&self, matrix: &MatrixView) -> Option<Vec<i64>> {
        let [first, second, third] = &matrix.names;
        if third.is_empty() {
            return None;
        }
        let r = &self.world.stage.r;
        r.set_attribute_set(matrix.matrix_id, r.create_attribute_set(first, [first, second, ""]));
        for (item, [first, second, _]) in &matrix.variants {
            r.set_attributes(*item, [first, second, ""]);
        }
        Some(matrix.variants.iter().map(|(item, _)| *item).filter(|item| self.items.contains(item)).collect())
    }

    fn shrink_web(&self, matrix: &MatrixView) -> Option<Vec<i64>> {
        let (product, items) = self.all_online(matrix)?;
        let record = self.world.record(product);
        let options = record["options"].as_array().unwrap();
        let third = options.iter().map(|option| &option["name"]).find(|name| is_third(name));
        let third = third.filter(|_| options.len() == 3)?.as_str().unwrap();
        let e = &self.world.stage.e;
        for (_, variation) in &items {
            let mut options =
                e.variation(product, *variation).unwrap()["options"].as_array().unwrap().clone();
            options.retain(|option| option["name"] != third);
            e.edit_variation(product, *variation, json!({ "options": options })).unwrap();
        }
        assert!(e.remove_option(product, third));
        Some(items.into_iter().map(|(item, _)| item).collect())
    }

    /// The third attribute of an item that is put into a matrix, or nothing where it has none.
    pub(super) fn third_of_joiner(&self, matrix: i64, number: u32) -> String {
        let has_third = !self.world.stage.r.matrix(matrix).unwrap().names[2].is_empty();
        if has_third { format!("{THIRD} of joiner {number}") } else { String::new() }
    }

    /// Whoever was not there when the option came has no value of it: a person gives it one.
    pub(super) fn fill_in_thirds(&mut self) {
        for matrix in self.world.stage.r.matrices() {
            if matrix.names[2].is_empty() {
                continue;
            }
            for (item, [first, second, third]) in &matrix.variants {
                let Some(typed) = self.typed.get_mut(item).filter(|_| third.is_empty()) else { continue };
                let third = format!("{THIRD} of {item}");
                self.world.stage.r.set_attributes(*item, [first, second, &third]);
                typed.type_in("third", Side::RSeries, &third);
            }
        }
    }

    /// Had this matrix a third option at some time?
    pub(super) fn is_reshaped(&self, matrix: i64) -> bool {
        self.options.reshaped.contains(&matrix)
    }

    /// What the first and the third option are called.
    pub(super) async fn judge_names(&self, id: i64, matrix: &MatrixView) {
        let [first, _, third] = &matrix.names;
        self.judge_parts(id, &self.whole[&matrix.matrix_id], &[("title", first), ("third title", third)])
            .await;
    }

    /// What a variant is, value by value.
    pub(super) async fn judge_values(&self, id: i64, typed: &Typed) {
        let item = self.world.stage.r.item(id).unwrap();
        let has_third = !self.world.stage.r.matrix(item.matrix_id).unwrap().names[2].is_empty();
        let [_, size, third] = &item.attributes;
        hold!(self, id, third.is_empty() != has_third, "item {id} is {:?}", item.attributes);
        let two = super::acts::values(&first_two(&item.attributes));
        let sizes = typed.ever["values"].iter().filter_map(|text| text.split(" / ").last());
        let sizes: BTreeSet<&str> = sizes.collect();
        hold!(self, id, sizes.contains(size.as_str()), "nobody typed the size {size} of item {id}");
        self.judge_parts(id, typed, &[("values", &two), ("third", third)]).await;
    }

    /// Somebody typed each part. If only one side has typed at all since they were in step for certain, nothing collided,
    /// and each is what was typed last.
    async fn judge_parts(&self, id: i64, typed: &Typed, parts: &[(&'static str, &String)]) {
        let fields: Vec<&'static str> = parts.iter().map(|(field, _)| *field).collect();
        // A third option that loses takes its values along.
        let free = collided(typed, &fields)
            || self.options.collided(self.world.stage.r.item(id).unwrap().matrix_id)
            || self.is_undone(id, "values").await
            || self.births.forgotten.contains(&id);
        for (field, value) in parts {
            let ever = typed.ever.get(field).is_some_and(|ever| ever.contains(*value));
            let ever = ever || value.is_empty() && field.starts_with("third");
            hold!(self, id, ever, "nobody typed the {field} {value} of item {id}");
            let sides = [Side::RSeries, Side::ESeries];
            let mut lasts = sides.iter().filter_map(|side| typed.last.get(&(*field, *side)));
            let kept = free || lasts.all(|last| last == *value);
            hold!(self, id, kept, "the {field} of item {id} is {value}: {:#?}", typed.last);
        }
    }
}

/// Have both sides typed some of these?
fn collided(typed: &Typed, fields: &[&'static str]) -> bool {
    let on = |side| fields.iter().any(|field| typed.last.contains_key(&(*field, side)));
    on(Side::RSeries) && on(Side::ESeries)
}
