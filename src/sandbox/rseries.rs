//! The R-Series platform: its API V3, its OAuth and its habits, in memory.
//!
//! Written from the reference; sections named in comments are the reference's. What is confirmed there is
//! behaved here, what is open is a switch in [`Habits`].
//!
//! The methods on [`RSeriesSandbox`] beside the router are the merchant's: they change the catalogue as a
//! person at the till would, are not API calls and are not counted against limits.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::middleware::from_fn_with_state;
use rust_decimal::Decimal;

use self::item::Item;
use self::state::{PriceLevel, State};
use self::stock::Cause;
use crate::clock::{Instant, SharedClock};
use crate::sandbox::faults::{Faults, meet};

pub use self::habits::{EmptyCollection, Habits, LongText, TagForm};
pub use self::nouns::{Call, Change, Config, ItemView, LogView, NewItem, SaleView};
pub use self::shelf::{MatrixEdit, NewMatrix, NewVariant};
pub use self::tree::{ImageFile, ImageOwner};
pub use self::variants::MatrixView;

mod answer;
mod attributes;
mod category;
mod cell;
mod control;
mod counter;
mod door;
mod filter;
mod habits;
mod image;
mod item;
mod limits;
mod matrix;
mod nouns;
mod oauth;
mod paging;
mod query;
mod raw;
mod render;
mod resource;
mod routes;
mod sale;
mod shelf;
mod state;
mod stock;
mod tag;
#[cfg(test)]
mod tests;
mod till;
mod tree;
mod upload;
mod variants;

/// The price levels every account has (section 4.2).
const DEFAULT_LEVEL: i64 = 1;

type Listener = Arc<dyn Fn(&Change) + Send + Sync>;

/// What clones of the sandbox share.
struct Inner {
    clock: SharedClock,
    faults: Faults,
    state: Mutex<State>,
    listeners: Mutex<Vec<Listener>>,
}

impl Inner {
    fn look<T>(&self, with: impl FnOnce(&mut State) -> T) -> T {
        with(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Works on the state, then tells the listeners what has changed, with the lock released.
    fn change<T>(&self, with: impl FnOnce(&mut State, Instant) -> T) -> T {
        let now = self.clock.now();
        let (result, changes) = self.look(|state| {
            let result = with(state, now);
            (result, std::mem::take(&mut state.changes))
        });
        if !changes.is_empty() {
            let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner).clone();
            for change in &changes {
                for tell in &listeners {
                    tell(change);
                }
            }
        }
        result
    }
}

/// The sandbox. Clones share the same platform.
#[derive(Clone)]
pub struct RSeriesSandbox {
    inner: Arc<Inner>,
}

impl fmt::Debug for RSeriesSandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RSeriesSandbox").finish_non_exhaustive()
    }
}

impl RSeriesSandbox {
    /// An account without items. Everything random in it comes from `seed`.
    #[must_use]
    pub fn new(config: Config, clock: SharedClock, seed: u64) -> Self {
        let state = Mutex::new(State::new(config, clock.now(), seed));
        let faults = Faults::seeded(seed, clock.clone());
        Self { inner: Arc::new(Inner { clock, faults, state, listeners: Mutex::new(Vec::new()) }) }
    }

    /// The address the sandbox is served at, for `next` and `previous`. Without a trailing slash.
    pub fn set_base_url(&self, mut url: String) {
        url.truncate(url.trim_end_matches('/').len());
        self.inner.look(|state| state.base_url = url);
    }

    /// Where consent sends the browser, once it is known.
    pub fn set_redirect_uri(&self, uri: String) {
        self.inner.look(|state| state.redirect_uri = uri);
    }

    /// Everything the platform serves.
    pub fn router(&self) -> Router {
        Router::new()
            .fallback(door::serve)
            .with_state(Arc::clone(&self.inner))
            .layer(from_fn_with_state(self.inner.faults.clone(), meet))
    }

    /// The merchant's methods, the faults and the switches as plain JSON, not authenticated.
    pub fn control_router(&self) -> Router {
        control::router(self.clone())
    }

    /// The faults at the edge.
    pub fn faults(&self) -> &Faults {
        &self.inner.faults
    }

    /// A new connection with all rights: access token and refresh token.
    pub fn issue_tokens(&self) -> (String, String) {
        self.issue_scoped_tokens("employee:all")
    }

    /// A new connection with these scopes, parted by blanks.
    pub fn issue_scoped_tokens(&self, scope: &str) -> (String, String) {
        self.inner.change(|state, now| state.connect(now, scope))
    }

    /// An authorization code, as consent would give it.
    pub fn authorization_code(&self, scope: &str) -> String {
        self.inner.change(|state, now| state.consent(now, scope))
    }

    /// Every token that was ever handed out, renewed ones among them: what must never be seen anywhere.
    pub fn issued_tokens(&self) -> Vec<String> {
        self.inner.look(|state| state.tokens.issued())
    }

    /// Ends the life of all access tokens; refresh tokens stay good.
    pub fn expire_access_tokens(&self) {
        self.inner.change(|state, now| state.tokens.expire_access(now));
    }

    /// The merchant takes the permission back.
    pub fn revoke_all(&self) {
        self.inner.look(|state| state.tokens.revoke_all());
    }

    /// Changes the switches.
    pub fn habits(&self, change: impl FnOnce(&mut Habits)) {
        self.inner.look(|state| change(&mut state.config.habits));
    }

    /// The switches as they are.
    pub fn current_habits(&self) -> Habits {
        self.inner.look(|state| state.habits().clone())
    }

    /// Sizes the limiters anew, both empty. For what shall not be held up by them, such as a seeding.
    pub fn set_limits(&self, bucket_size: f64, drip_rate: f64, burst_limit: u32) {
        self.inner.look(|state| state.limits = limits::Limits::new(bucket_size, drip_rate, burst_limit));
    }

    /// Enters an item. Gives its ID.
    pub fn create_item(&self, new: NewItem) -> i64 {
        self.inner.change(|state, now| {
            let mut item = Item::blank(state.habits());
            item.prices.insert(DEFAULT_LEVEL, new.default_price);
            if let Some((level, price)) = state.online_level().zip(new.online_price) {
                item.prices.insert(level, price);
            }
            item.description = new.description;
            item.custom_sku = new.custom_sku;
            item.manufacturer_sku = new.manufacturer_sku;
            item.upc = new.upc;
            item.ean = new.ean;
            item.default_cost = new.default_cost;
            item.publish_to_ecom = new.publish_to_ecom;
            item.category_id = new.category_id;
            let id = state.insert_item(now, item);
            for (shop, quantity) in new.stock {
                state.set_known_qoh(now, id, shop, quantity, Cause::MANUAL);
            }
            id
        })
    }

    /// Sells at the till: the log row has a `saleID`. Stock may go below zero.
    pub fn sell(&self, item_id: i64, shop_id: i64, quantity: i64) {
        self.inner.change(|state, now| {
            state.sell_at_till(now, item_id, shop_id, quantity);
        });
    }

    /// Checks goods of a purchase order in.
    pub fn restock(&self, item_id: i64, shop_id: i64, quantity: i64) {
        self.inner.change(|state, now| {
            let order_id = state.next_order();
            let cause = Cause { reason: "OrderCheckIn", automated: true, sale_id: 0, order_id };
            let qoh = state.qoh(item_id, shop_id).saturating_add(quantity);
            state.set_known_qoh(now, item_id, shop_id, qoh, cause);
        });
    }

    /// Renames an item.
    pub fn rename(&self, item_id: i64, description: &str) {
        self.edit(item_id, |item, _| description.clone_into(&mut item.description));
    }

    /// Gives an item another SKU of the merchant's.
    pub fn set_sku(&self, item_id: i64, custom_sku: &str) {
        self.edit(item_id, |item, _| custom_sku.clone_into(&mut item.custom_sku));
    }

    /// Sets the price on level `Default`.
    pub fn reprice_default(&self, item_id: i64, price: Decimal) {
        self.edit(item_id, |item, _| {
            item.prices.insert(DEFAULT_LEVEL, price);
        });
    }

    /// Sets the price on level `Online`; without that level nothing happens.
    pub fn reprice_online(&self, item_id: i64, price: Decimal) {
        self.edit(item_id, |item, online| {
            if let Some(level) = online {
                item.prices.insert(level, price);
            }
        });
    }

    /// Shows an item in the web shop, or hides it.
    pub fn publish(&self, item_id: i64, publish: bool) {
        self.edit(item_id, |item, _| item.publish_to_ecom = publish);
    }

    /// Archives an item, which takes its stock away for good.
    pub fn archive(&self, item_id: i64) {
        // An item that is not there cannot be archived: nothing to say.
        let _ = self.inner.change(|state, now| state.archive_item(now, item_id));
    }

    /// Brings an item back, without its stock.
    pub fn unarchive(&self, item_id: i64) {
        self.edit(item_id, |item, _| item.archived = false);
    }

    /// Merges an item into another one: the record and its stock rows are gone, and nothing tells of it. Its rows of
    /// the inventory log stay.
    pub fn merge_away(&self, item_id: i64) {
        self.inner.look(|state| state.forget_item(item_id));
    }

    /// An item.
    pub fn item(&self, item_id: i64) -> Option<ItemView> {
        self.inner.look(|state| state.view(item_id))
    }

    /// All items, archived ones too.
    pub fn items(&self) -> Vec<ItemView> {
        self.inner.look(|state| state.items.keys().filter_map(|id| state.view(*id)).collect())
    }

    /// The inventory log.
    pub fn inventory_log(&self) -> Vec<LogView> {
        self.inner.look(|state| {
            let view = |(id, row): (&i64, &stock::LogRow)| LogView {
                id: *id,
                item_id: row.item_id,
                shop_id: row.shop_id,
                change: row.change,
                reason: row.cause.reason.to_owned(),
                sale_id: row.cause.sale_id,
            };
            state.log.iter().map(view).collect()
        })
    }

    /// Opens a shop. Items that are there already have no stock row for it. Gives its ID.
    pub fn open_shop(&self, name: &str) -> i64 {
        self.inner.look(|state| {
            let id = state.shops.last_key_value().map_or(1, |(id, _)| id + 1);
            state.shops.insert(id, name.to_owned());
            id
        })
    }

    /// Archives a shop. What it has in stock stays there.
    pub fn archive_shop(&self, id: i64) {
        self.inner.look(|state| state.archived_shops.insert(id));
    }

    /// Adds or replaces a price level. The one that is not 1 or 2 and cannot be archived is the online level.
    pub fn set_price_level(&self, id: i64, name: &str, can_be_archived: bool) {
        let level = PriceLevel { name: name.to_owned(), archived: false, can_be_archived };
        self.inner.look(|state| state.price_levels.insert(id, level));
    }

    /// The requests that reached the platform, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.inner.look(|state| state.calls.iter().cloned().collect())
    }

    /// Forgets the requests so far.
    pub fn clear_calls(&self) {
        self.inner.look(|state| {
            state.calls.clear();
            state.writes = 0;
        });
    }

    /// POST, PUT and DELETE requests outside OAuth that were carried out, whether or not the answer arrived.
    pub fn write_calls(&self) -> usize {
        self.inner.look(|state| state.writes)
    }

    /// Has `tell` told of every change from now on, after it has happened.
    pub fn on_change(&self, tell: impl Fn(&Change) + Send + Sync + 'static) {
        self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::new(tell));
    }

    /// An edit at the till moves the item's `timeStamp`, prices included (section 6).
    fn edit(&self, item_id: i64, with: impl FnOnce(&mut Item, Option<i64>)) {
        self.inner.change(|state, now| {
            let online = state.online_level();
            state.edit_item(now, item_id, |item| with(item, online));
        });
    }
}

impl State {
    /// The level that eCom made: not 1 or 2, and not to be archived (section 4.2). Its name may be anything.
    fn online_level(&self) -> Option<i64> {
        self.price_levels.iter().find(|(id, level)| **id > 2 && !level.can_be_archived).map(|(id, _)| *id)
    }

    /// Stock exists only of items and in shops that do.
    fn set_known_qoh(&mut self, now: Instant, item_id: i64, shop_id: i64, qoh: i64, cause: Cause) {
        if self.items.contains_key(&item_id) && self.shops.contains_key(&shop_id) {
            self.set_qoh(now, item_id, shop_id, qoh, cause);
        }
    }

    fn view(&self, item_id: i64) -> Option<ItemView> {
        let item = self.items.get(&item_id)?;
        let price = |level: i64| item.prices.get(&level).copied().unwrap_or_default();
        Some(ItemView {
            item_id,
            description: item.description.clone(),
            custom_sku: item.custom_sku.clone(),
            manufacturer_sku: item.manufacturer_sku.clone(),
            system_sku: item.system_sku.to_string(),
            default_price: price(DEFAULT_LEVEL),
            online_price: self.online_level().map(price).filter(|price| !price.is_zero()),
            publish_to_ecom: item.publish_to_ecom,
            archived: item.archived,
            matrix_id: item.matrix_id,
            attributes: item.attributes.clone().unwrap_or_default().values,
            stock: self.shops.keys().map(|shop| (*shop, self.qoh(item_id, *shop))).collect(),
            time_stamp: item.time_stamp,
        })
    }
}
