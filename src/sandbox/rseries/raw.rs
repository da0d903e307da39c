//! Whole records for tests: what the API would give with every relation, lists always arrays, whatever the habits.

use serde_json::{Map, Value, json};

use super::RSeriesSandbox;
use super::attributes::ITEM_ATTRIBUTE_SET;
use super::category::CATEGORY;
use super::habits::{Habits, TagForm};
use super::image::{IMAGE, Owner};
use super::matrix::ITEM_MATRIX;
use super::query::Relations;
use super::render::Style;
use super::resource::{ITEM, Resource};
use super::state::State;
use super::tree::ImageOwner;

const ALL: [&str; 9] = [
    "Category",
    "TaxClass",
    "ItemAttributes",
    "ItemAttributeSet",
    "Images",
    "ItemShops",
    "Items",
    "TagRelations",
    "TagRelations.Tag",
];

impl RSeriesSandbox {
    /// An item with attributes, images, stock, prices and tags.
    pub fn raw_item(&self, item_id: i64) -> Option<Value> {
        self.raw(|state| state.raw(&ITEM, item_id))
    }

    /// A matrix with its items, archived ones too.
    pub fn raw_matrix(&self, matrix_id: i64) -> Option<Value> {
        self.raw(|state| state.raw(&ITEM_MATRIX, matrix_id))
    }

    /// A category.
    pub fn raw_category(&self, category_id: i64) -> Option<Value> {
        self.raw(|state| state.raw(&CATEGORY, category_id))
    }

    /// Images of an item or a matrix, by `ordering`, then `imageID`.
    pub fn raw_images(&self, owner: ImageOwner) -> Vec<Value> {
        self.raw(|state| {
            state.images_of(Owner::from(owner)).into_iter().filter_map(|id| state.raw(&IMAGE, id)).collect()
        })
    }

    /// Everything of the catalogue, archived records too: two states are equal when these are.
    pub fn raw_catalogue(&self) -> Value {
        self.raw(|state| {
            let every = |resource: &Resource| -> Vec<Value> {
                state.ids(resource).into_iter().filter_map(|id| state.raw(resource, id)).collect()
            };
            json!({
                "Item": every(&ITEM),
                "ItemMatrix": every(&ITEM_MATRIX),
                "ItemAttributeSet": every(&ITEM_ATTRIBUTE_SET),
                "Category": every(&CATEGORY),
                "Image": every(&IMAGE),
            })
        })
    }

    fn raw<T>(&self, read: impl FnOnce(&State) -> T) -> T {
        self.inner.look(|state| {
            let plain = Habits {
                always_arrays: true,
                show_publish_to_ecom: true,
                matrix_items_show_archived: true,
                matrix_items_show_attributes: true,
                nested_images_sorted: true,
                tag_form: TagForm::Tags,
                ..state.habits().clone()
            };
            let habits = std::mem::replace(&mut state.config.habits, plain);
            let result = read(state);
            state.config.habits = habits;
            result
        })
    }
}

impl State {
    fn raw(&self, resource: &Resource, id: i64) -> Option<Value> {
        let record =
            || -> Map<String, Value> { self.record(resource, id, &Relations::of(&ALL), Style::Listed) };
        self.exists(resource, id).then(|| Value::Object(record()))
    }
}
