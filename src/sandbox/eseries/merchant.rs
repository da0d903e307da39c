//! What happens in the shop: the merchant's edits and the customers' orders. Options and variations are in `goods`,
//! categories and pictures in `shelves`. None of it is an API call, all of it
//! fires webhooks (section 12.4 of the E-Series reference).

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

use super::product::Product;
use super::refusal::Refusal;
use super::store::{Event, Saving, Store};
use super::values::number;
use super::{ESeriesSandbox, ProductView};

/// The merchant's own pages save variations with their product.
const MERCHANT: Saving = Saving { combinations: true, rebuild: false, backwards: true };

/// Why the store did not let the merchant do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the store refuses with {status}: {message}")]
pub struct Refused {
    /// The status that the API would answer.
    pub status: u16,
    /// Why.
    pub message: String,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self { status: refusal.status, message: refusal.message }
    }
}

/// The edits tell whether they were carried out: `false` where the product is gone or the store refuses.
impl ESeriesSandbox {
    /// The merchant makes a product, with the fields of the API.
    ///
    /// # Panics
    ///
    /// If the store refuses it; [`Self::try_create_product`] does not.
    #[expect(clippy::panic, reason = "a stage direction that cannot be followed is a mistake in the play")]
    pub fn create_product(&self, fields: Value) -> i64 {
        match self.try_create_product(fields) {
            Ok(id) => id,
            Err(refused) => panic!("create_product: {refused}"),
        }
    }

    /// The merchant makes a product, unless the store refuses it.
    pub fn try_create_product(&self, fields: Value) -> Result<i64, Refused> {
        let fields = object(fields)?;
        self.settled(|store, now| store.create(&fields, MERCHANT, now)).map_err(Refused::from)
    }

    /// The merchant edits some fields.
    pub fn edit_product(&self, id: i64, fields: Value) -> bool {
        self.try_edit_product(id, fields).is_ok()
    }

    /// The merchant edits some fields, unless the store refuses it.
    pub fn try_edit_product(&self, id: i64, fields: Value) -> Result<(), Refused> {
        let fields = object(fields)?;
        self.settled(|store, now| store.update(id, &fields, MERCHANT, now)).map(|_| ()).map_err(Refused::from)
    }

    /// Customers buy.
    pub fn sell(&self, id: i64, quantity: i64) -> bool {
        self.move_stock(id, quantity.saturating_neg())
    }

    /// Goods arrive.
    pub fn restock(&self, id: i64, quantity: i64) -> bool {
        self.move_stock(id, quantity)
    }

    /// `inStock` of a product says yes whatever its quantity is, or tells the truth again.
    pub fn stick_in_stock(&self, id: i64, stuck: bool) {
        self.settled(|store, _| {
            if let Some(product) = store.products.get_mut(&id) {
                product.in_stock_stuck = stuck;
            }
        });
    }

    /// The merchant renames a product.
    pub fn rename(&self, id: i64, name: &str) -> bool {
        self.edit_product(id, json!({"name": name}))
    }

    /// The merchant gives a product another SKU.
    pub fn set_sku(&self, id: i64, sku: &str) -> bool {
        self.edit_product(id, json!({"sku": sku}))
    }

    /// The merchant changes the base price.
    pub fn reprice(&self, id: i64, price: Decimal) -> bool {
        self.edit_product(id, json!({"price": number(price)}))
    }

    /// The merchant shows or hides a product.
    pub fn enable(&self, id: i64, enabled: bool) -> bool {
        self.edit_product(id, json!({"enabled": enabled}))
    }

    /// The merchant stops counting a product's stock, or counts it again, from 0.
    pub fn set_unlimited(&self, id: i64, unlimited: bool) -> bool {
        self.edit_product(id, json!({"unlimited": unlimited}))
    }

    /// The merchant deletes a product.
    pub fn delete_product(&self, id: i64) -> bool {
        self.settled(|store, now| store.delete(id, now)).is_ok()
    }

    /// The merchant removes the app: its tokens are dead.
    pub fn uninstall(&self) {
        self.settled(Store::uninstall);
    }

    /// A product as it is now.
    pub fn product(&self, id: i64) -> Option<ProductView> {
        self.settled(|store, _| store.products.get(&id).map(|product| view(store, product)))
    }

    /// All products as they are now, by id.
    pub fn products(&self) -> Vec<ProductView> {
        self.settled(|store, _| store.products.values().map(|product| view(store, product)).collect())
    }

    fn move_stock(&self, id: i64, delta: i64) -> bool {
        self.settled(|store, now| {
            let moved = store.move_stock(id, delta, now);
            if moved == Ok(None) {
                // An order fires the event all the same (section 7).
                store.happened(id, Event::Updated, now);
            }
            moved.is_ok()
        })
    }
}

pub(super) fn object(fields: Value) -> Result<Map<String, Value>, Refused> {
    match fields {
        Value::Object(fields) => Ok(fields),
        _ => Err(Refused { status: 400, message: "fields must be a JSON object".to_owned() }),
    }
}

fn view(store: &Store, product: &Product) -> ProductView {
    ProductView {
        id: product.id,
        name: product.name.clone(),
        sku: product.sku.clone(),
        price: product.price,
        enabled: product.enabled,
        quantity: product.stock,
        external_reference_id: product.external_reference_id.clone(),
        json: product.wire(&store.scene()),
    }
}
