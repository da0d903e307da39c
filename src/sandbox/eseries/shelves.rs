//! What the merchant does to categories and pictures (sections 6 and 9 of the E-Series reference), and what a test may
//! look at. None of it is an API call, all of it fires webhooks.

use serde_json::{Value, json};

use super::images::Spot;
use super::merchant::{Refused, object};
use super::{ESeriesSandbox, PictureView};

/// The edits tell whether they were carried out: `false` where what is named is not there or the store refuses.
impl ESeriesSandbox {
    /// The merchant makes a category, with the fields of the API.
    ///
    /// # Panics
    ///
    /// If the store refuses it; [`Self::try_create_category`] does not.
    #[expect(clippy::panic, reason = "a stage direction that cannot be followed is a mistake in the play")]
    pub fn create_category(&self, fields: Value) -> i64 {
        match self.try_create_category(fields, None) {
            Ok(id) => id,
            Err(refused) => panic!("create_category: {refused}"),
        }
    }

    /// The merchant makes a category, or the POS does, whose `origin` it then has: such a category stays, and so do
    /// the products in it (section 9.3).
    pub fn try_create_category(&self, fields: Value, origin: Option<&str>) -> Result<i64, Refused> {
        let fields = object(fields)?;
        self.settled(|store, now| store.create_category(&fields, origin, now)).map_err(Refused::from)
    }

    /// The merchant edits some fields of a category: name, description, picture's alt text, parent, order, products …
    pub fn edit_category(&self, id: i64, fields: Value) -> Result<(), Refused> {
        let fields = object(fields)?;
        let updated = self.settled(|store, now| store.update_category(id, &fields, now));
        updated.map(|_| ()).map_err(Refused::from)
    }

    /// The merchant renames a category.
    pub fn rename_category(&self, id: i64, name: &str) -> bool {
        self.edit_category(id, json!({"name": name})).is_ok()
    }

    /// The merchant moves a category below another, or to the root.
    pub fn move_category(&self, id: i64, parent: Option<i64>) -> bool {
        self.edit_category(id, json!({"parentId": parent.unwrap_or(0)})).is_ok()
    }

    /// The merchant shows or hides a category.
    pub fn enable_category(&self, id: i64, enabled: bool) -> bool {
        self.edit_category(id, json!({"enabled": enabled})).is_ok()
    }

    /// The merchant deletes a category.
    pub fn delete_category(&self, id: i64) -> bool {
        self.settled(|store, now| store.delete_category(id, now)).is_ok()
    }

    /// The merchant puts products into a category.
    pub fn assign(&self, category: i64, products: &[i64]) -> bool {
        self.settled(|store, now| store.assign_products(category, products, now)).is_ok()
    }

    /// The merchant takes products out of a category.
    pub fn unassign(&self, category: i64, products: &[i64]) -> bool {
        self.settled(|store, now| store.unassign_products(category, products, now)).is_ok()
    }

    /// Somebody has the category open elsewhere: so many writes of the API to it answer 409 (section 2.2).
    pub fn edit_category_elsewhere(&self, id: i64, writes: usize) {
        self.with(|store| store.edited_elsewhere.insert(id, writes));
    }

    /// The merchant gives a product a main picture, in place of the one before.
    pub fn set_picture(&self, id: i64, bytes: &[u8]) -> Result<i64, Refused> {
        self.hang(Spot::Main(id), bytes)
    }

    /// The merchant takes the main picture away.
    pub fn remove_picture(&self, id: i64) -> bool {
        self.take_down(Spot::Main(id))
    }

    /// The merchant adds a picture to the gallery and sees its id there.
    pub fn add_gallery_picture(&self, id: i64, bytes: &[u8]) -> Result<i64, Refused> {
        self.hang(Spot::Gallery(id), bytes)
    }

    /// The merchant takes a picture out of the gallery.
    pub fn remove_gallery_picture(&self, id: i64, image: i64) -> bool {
        self.settled(|store, now| store.remove_from_gallery(id, image, now)).is_ok()
    }

    /// The merchant orders the pictures: the ids as they stand now, 0 for the main one. The first becomes the main
    /// one, and ids move (section 6.3).
    pub fn arrange_pictures(&self, id: i64, order: &[i64]) -> bool {
        let images: Vec<Value> = order.iter().map(|image| json!({"id": image.to_string()})).collect();
        self.edit_product(id, json!({"media": {"images": images}}))
    }

    /// The merchant writes the alternative text of a picture: 0 is the main one.
    pub fn set_alt(&self, id: i64, image: i64, text: &str) -> bool {
        let alt = json!({"main": text, "translated": {}});
        let set = self.settled(|store, now| {
            store.edit(id, now, |product, _| {
                let media = json!({"images": product.pictures.all().map(|(other, it)| {
                    let alt = if other == image { Some(&alt) } else { it.alt.as_ref() };
                    json!({"id": other.to_string(), "alt": alt})
                }).collect::<Vec<_>>()});
                product.pictures.arrange(&media)?;
                Ok(product.pictures.all().any(|(other, _)| other == image))
            })
        });
        set == Ok(true)
    }

    /// The merchant gives a variation its picture.
    pub fn set_variation_picture(&self, id: i64, variation: i64, bytes: &[u8]) -> Result<i64, Refused> {
        self.hang(Spot::Variation(id, variation), bytes)
    }

    /// The merchant takes the picture of a variation away.
    pub fn remove_variation_picture(&self, id: i64, variation: i64) -> bool {
        self.take_down(Spot::Variation(id, variation))
    }

    /// The merchant gives a category its picture.
    pub fn set_category_picture(&self, id: i64, bytes: &[u8]) -> Result<i64, Refused> {
        self.hang(Spot::Category(id), bytes)
    }

    /// The merchant takes the picture of a category away.
    pub fn remove_category_picture(&self, id: i64) -> bool {
        self.take_down(Spot::Category(id))
    }

    /// A category as the API shows it, with its products, disabled or not.
    pub fn category(&self, id: i64) -> Option<Value> {
        self.settled(|store, now| store.category_wire(id, now)).ok()
    }

    /// All categories as [`Self::category`] shows them, by id.
    pub fn categories(&self) -> Vec<Value> {
        self.settled(|store, now| {
            let ids: Vec<i64> = store.categories.keys().copied().collect();
            ids.into_iter().filter_map(|id| store.category_wire(id, now).ok()).collect()
        })
    }

    /// The pictures of a product: the main one, the gallery in its order, the variations'.
    pub fn pictures(&self, id: i64) -> Vec<PictureView> {
        self.settled(|store, _| {
            let store_id = store.config.store_id;
            let Some(product) = store.products.get(&id) else { return Vec::new() };
            let name = |id: i64| if id == 0 { "main".to_owned() } else { format!("gallery {id}") };
            let own = product.pictures.all().map(|(id, it)| it.view(store_id, name(id)));
            let of_variations = product
                .variations
                .iter()
                .filter_map(|it| Some(it.picture.as_ref()?.view(store_id, format!("variation {}", it.id))));
            own.chain(of_variations).collect()
        })
    }

    /// The picture of a category.
    pub fn category_picture(&self, id: i64) -> Option<PictureView> {
        self.settled(|store, _| {
            let category = store.categories.get(&id)?;
            Some(category.picture.as_ref()?.view(store.config.store_id, "category".to_owned()))
        })
    }

    /// Everything about a product: `{product, pictures}`. The variations stand in the product.
    pub fn product_record(&self, id: i64) -> Option<Value> {
        let product = self.product(id)?.json;
        Some(json!({"product": product, "pictures": self.pictures(id)}))
    }

    fn hang(&self, spot: Spot, bytes: &[u8]) -> Result<i64, Refused> {
        self.settled(|store, now| {
            let picture = store.picture_of(bytes)?;
            store.hang(spot, picture, now)
        })
        .map_err(Refused::from)
    }

    fn take_down(&self, spot: Spot) -> bool {
        self.settled(|store, now| store.take_down(spot, now)).is_ok_and(|gone| gone > 0)
    }
}
