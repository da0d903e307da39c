//! What a person does with categories and images: no API calls (sections 4.5 and 4.6).

use super::RSeriesSandbox;
use super::cell::second;
use super::image::{File, Owner};

/// What an image belongs to, for the merchant's methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImageOwner {
    /// An item, by `itemID`.
    Item(i64),
    /// A matrix, by `itemMatrixID`.
    Matrix(i64),
}

impl From<ImageOwner> for Owner {
    fn from(owner: ImageOwner) -> Self {
        match owner {
            ImageOwner::Item(id) => Self::Item(id),
            ImageOwner::Matrix(id) => Self::Matrix(id),
        }
    }
}

/// The bytes behind an image, where they shall not be a picture made from its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFile {
    /// What is served; anything.
    pub bytes: Vec<u8>,
    /// What it is said to be; anything.
    pub content_type: String,
}

impl RSeriesSandbox {
    /// Makes a category below another one, 0 for a root. Gives its ID; nothing where the API would refuse it.
    pub fn create_category(&self, name: &str, parent_id: i64) -> Option<i64> {
        self.inner.change(|state, now| {
            state.check_place(None, name, parent_id).ok()?;
            Some(state.insert_category(now, name.to_owned(), parent_id))
        })
    }

    /// Renames a category.
    pub fn rename_category(&self, category_id: i64, name: &str) {
        self.place_category(category_id, Some(name), None);
    }

    /// Moves a category below another one, 0 for a root.
    pub fn move_category(&self, category_id: i64, parent_id: i64) {
        self.place_category(category_id, None, Some(parent_id));
    }

    /// Deletes a category for good. False where it has subcategories.
    pub fn delete_category(&self, category_id: i64) -> bool {
        self.inner.change(|state, now| state.delete_category(now, category_id)).is_ok()
    }

    /// Adds an image at the end; without a file its picture is made from its `publicID`. The screen knows no limit.
    /// Gives its ID; nothing where its owner is not there.
    pub fn add_image(&self, owner: ImageOwner, description: &str, file: Option<ImageFile>) -> Option<i64> {
        self.inner.change(|state, now| {
            let owner = Owner::from(owner);
            state.owns(owner).ok()?;
            let file =
                file.map(|file| File { bytes: file.bytes, content_type: file.content_type, broken: None });
            let mut image = state.blank_image(now, owner, file);
            description.clone_into(&mut image.description);
            let orderings = state.images.values().filter(|other| other.owner == owner);
            image.ordering = orderings.map(|other| other.ordering + 1).max().unwrap_or_default();
            Some(state.insert_image(now, image))
        })
    }

    /// Replaces an image: a new record in the place of the old one (section 4.6). Gives its ID.
    pub fn replace_image(&self, image_id: i64, file: Option<ImageFile>) -> Option<i64> {
        self.inner.change(|state, now| {
            let old = state.images.get(&image_id)?.clone();
            let file =
                file.map(|file| File { bytes: file.bytes, content_type: file.content_type, broken: None });
            let mut image = state.blank_image(now, old.owner, file);
            (image.description, image.ordering) = (old.description, old.ordering);
            state.delete_image(now, image_id).ok()?;
            Some(state.insert_image(now, image))
        })
    }

    /// Edits the caption of an image.
    pub fn describe_image(&self, image_id: i64, description: &str) {
        self.edit_image(image_id, "description", description.into());
    }

    /// Puts the images of an item or a matrix in this order: `ordering` counts from 0.
    pub fn reorder_images(&self, image_ids: &[i64]) {
        for (ordering, id) in image_ids.iter().enumerate() {
            self.edit_image(*id, "ordering", ordering.into());
        }
    }

    /// Removes an image, without a trace.
    pub fn remove_image(&self, image_id: i64) {
        // An image that is not there cannot be removed: nothing to say.
        let _ = self.inner.change(|state, now| state.delete_image(now, image_id));
    }

    /// Has every fetch of an image answered with this status; `None` heals it.
    pub fn break_image(&self, image_id: i64, status: Option<u16>) {
        self.inner.look(|state| {
            if let Some(image) = state.images.get_mut(&image_id) {
                image.file.broken = status;
            }
        });
    }

    /// The bytes behind an image.
    pub fn image_bytes(&self, image_id: i64) -> Option<Vec<u8>> {
        self.inner.look(|state| state.images.get(&image_id).map(|image| image.file.bytes.clone()))
    }

    /// How often the bytes of an image were asked for over HTTP.
    pub fn image_fetches(&self, image_id: i64) -> usize {
        self.inner.look(|state| {
            let image = state.images.get(&image_id);
            image.and_then(|image| state.fetched.get(&image.public_id)).copied().unwrap_or_default()
        })
    }

    fn edit_image(&self, image_id: i64, field: &str, value: serde_json::Value) {
        let body = serde_json::Map::from_iter([(field.to_owned(), value)]);
        // An image that is not there cannot be edited: nothing to say.
        let _ = self.inner.change(|state, now| state.put_image(now, image_id, &body));
    }

    fn place_category(&self, category_id: i64, name: Option<&str>, parent_id: Option<i64>) {
        self.inner.change(|state, now| {
            let Some(before) = state.categories.get(&category_id).cloned() else { return };
            let name = name.map_or(before.name.clone(), str::to_owned);
            let parent_id = parent_id.unwrap_or(before.parent_id);
            let changes = name != before.name || parent_id != before.parent_id;
            if !changes || state.check_place(Some(category_id), &name, parent_id).is_err() {
                return;
            }
            state.place_category(now, category_id, name, parent_id);
            if parent_id != before.parent_id || state.habits().renamed_categories_move {
                state.number_categories(now);
            }
            if let Some(category) = state.categories.get_mut(&category_id) {
                category.time_stamp = second(now);
            }
        });
    }
}
