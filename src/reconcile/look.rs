//! Looking at both sides.

use std::collections::BTreeMap;

use super::{Corridor, Sight, Sights, Stop};
use crate::catalog::Side;
use crate::connections::Account;
use crate::ids::ProductId;
use crate::planted::{Mistake, planted};
use crate::platforms::CallError;
use crate::platforms::eseries::wire::Product;
use crate::platforms::rseries::wire::Item;
use crate::store::links::Link;

impl Corridor {
    /// Looks at many products with one call a side. What a list leaves out is asked for by itself:
    /// absence from a list is never taken for a deletion.
    pub(super) async fn look_at_all<'a>(
        &self,
        account: &Account,
        links: impl Iterator<Item = &'a Link> + Clone,
    ) -> Result<BTreeMap<ProductId, Sights>, (Side, CallError)> {
        let item_ids: Vec<i64> = links.clone().filter_map(|link| link.r_item_id).collect();
        let product_ids: Vec<i64> = links.clone().filter_map(|link| link.e_product_id).collect();
        let items = account.r.items_by_id(&item_ids).await.map_err(|error| (Side::RSeries, error))?;
        let products =
            account.e.products_by_id(&product_ids).await.map_err(|error| (Side::ESeries, error))?;
        let mut items: BTreeMap<i64, Item> = items.into_iter().map(|item| (item.id, item)).collect();
        let mut products: BTreeMap<i64, Product> =
            products.into_iter().map(|product| (product.id, product)).collect();

        let mut sights = BTreeMap::new();
        for link in links {
            let r = match link.r_item_id {
                None => Sight::NoHalf,
                Some(id) => match items.remove(&id) {
                    Some(item) => Sight::Here(item),
                    None if planted(Mistake::DeleteByAbsence) => Sight::Gone,
                    None => item(account, id).await.map_err(|error| (Side::RSeries, error))?,
                },
            };
            let e = match link.e_product_id {
                None => Sight::NoHalf,
                Some(id) => match products.remove(&id) {
                    Some(product) => Sight::Here(product),
                    None if planted(Mistake::DeleteByAbsence) => Sight::Gone,
                    None => product(account, id).await.map_err(|error| (Side::ESeries, error))?,
                },
            };
            sights.insert(link.product_id, Sights { r, e, fresh: false });
        }
        Ok(sights)
    }

    /// Looks at one product by itself.
    pub(super) async fn look_at_one(&self, account: &Account, link: &Link) -> Result<Sights, Stop> {
        let r = match link.r_item_id {
            None => Sight::NoHalf,
            Some(id) => item(account, id).await.map_err(|error| self.stop(Side::RSeries, error))?,
        };
        let e = match link.e_product_id {
            None => Sight::NoHalf,
            Some(id) => product(account, id).await.map_err(|error| self.stop(Side::ESeries, error))?,
        };
        Ok(Sights { r, e, fresh: true })
    }

    /// Looks at the item alone; none when it is gone.
    pub(super) async fn look_at_item(&self, account: &Account, link: &Link) -> Result<Option<Item>, Stop> {
        let Some(id) = link.r_item_id else { return Ok(None) };
        match item(account, id).await.map_err(|error| self.stop(Side::RSeries, error))? {
            Sight::Here(item) => Ok(Some(item)),
            _ => Ok(None),
        }
    }

    /// Looks at the product alone; none when it is gone.
    pub(super) async fn look_at_product(
        &self,
        account: &Account,
        link: &Link,
    ) -> Result<Option<Product>, Stop> {
        let Some(id) = link.e_product_id else { return Ok(None) };
        match product(account, id).await.map_err(|error| self.stop(Side::ESeries, error))? {
            Sight::Here(product) => Ok(Some(product)),
            _ => Ok(None),
        }
    }
}

async fn item(account: &Account, id: i64) -> Result<Sight<Item>, CallError> {
    match account.r.item(id).await {
        Ok(item) => Ok(Sight::Here(item)),
        Err(CallError::Gone { .. }) => Ok(Sight::Gone),
        Err(error) => Err(error),
    }
}

async fn product(account: &Account, id: i64) -> Result<Sight<Product>, CallError> {
    match account.e.product(id).await {
        Ok(product) => Ok(Sight::Here(product)),
        Err(CallError::Gone { .. }) => Ok(Sight::Gone),
        Err(error) => Err(error),
    }
}
