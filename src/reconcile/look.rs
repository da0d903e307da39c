//! Looking at both sides.

use std::collections::BTreeMap;

use super::looks::Listed;
use super::sight::{InShop, Online, Sight, Sights};
use super::{Corridor, Stop};
use crate::catalog::Side;
use crate::connections::Account;
use crate::ids::ProductId;
use crate::planted::{Mistake, planted};
use crate::platforms::CallError;
use crate::platforms::eseries::wire::Product;
use crate::platforms::rseries::wire::{Item, Matrix};
use crate::store::links::Link;

impl Corridor {
    /// Looks at many products with one call a side and kind, but for what a run has `listed` of the shop. What a
    /// list leaves out is asked for by itself: absence from a list is never taken for a deletion. `besides`, these
    /// products of E-Series are looked at with the same call.
    pub(super) async fn look_at_all<'a>(
        &self,
        account: &Account,
        links: impl Iterator<Item = &'a Link> + Clone,
        mut listed: BTreeMap<ProductId, Listed>,
        besides: &[i64],
    ) -> Result<(BTreeMap<ProductId, Sights>, BTreeMap<i64, Product>), (Side, CallError)> {
        let r_side = |error| (Side::RSeries, error);
        let e_side = |error| (Side::ESeries, error);
        let unlisted = links.clone().filter(|link| !listed.contains_key(&link.product_id));
        let item_ids: Vec<i64> = unlisted.clone().filter_map(|link| link.r_item_id).collect();
        let matrix_ids: Vec<i64> = unlisted.filter_map(|link| link.r_matrix_id).collect();
        let mut product_ids: Vec<i64> = links.clone().filter_map(|link| link.e_product_id).collect();
        product_ids.extend(besides);
        product_ids.sort_unstable();
        product_ids.dedup();
        let items = account.r.items_by_id(&item_ids).await.map_err(r_side)?;
        let matrices = account.r.matrices_by_id(&matrix_ids).await.map_err(r_side)?;
        let variants = account.r.items_of_matrices(&matrix_ids).await.map_err(r_side)?;
        let products = account.e.products_by_id(&product_ids).await.map_err(e_side)?;
        let mut items: BTreeMap<i64, Item> = items.into_iter().map(|item| (item.id, item)).collect();
        let mut matrices: BTreeMap<i64, Matrix> =
            matrices.into_iter().map(|matrix| (matrix.id, matrix)).collect();
        let mut products: BTreeMap<i64, Product> =
            products.into_iter().map(|product| (product.id, product)).collect();

        let mut sights = BTreeMap::new();
        for link in links {
            let mut asked = None;
            let r = match (link.r_item_id, link.r_matrix_id) {
                _ if listed.contains_key(&link.product_id) => match listed.remove(&link.product_id) {
                    Some(Listed { shop, asked_at, log_id }) => {
                        asked = Some((asked_at, log_id));
                        Sight::Here(shop)
                    }
                    None => Sight::NoHalf,
                },
                (Some(id), _) => match items.remove(&id) {
                    Some(item) => Sight::Here(InShop::Item(Box::new(item))),
                    None if planted(Mistake::DeleteByAbsence) => Sight::Gone,
                    None => item(account, id).await.map_err(r_side)?,
                },
                (None, Some(id)) => match matrices.remove(&id) {
                    Some(matrix) => {
                        let items = variants.iter().filter(|item| item.matrix_id == id).cloned().collect();
                        Sight::Here(InShop::Matrix { matrix, items })
                    }
                    None => matrix(account, id).await.map_err(r_side)?,
                },
                (None, None) => Sight::NoHalf,
            };
            let e = match link.e_product_id {
                None => Sight::NoHalf,
                Some(id) => {
                    let product = match products.get(&id) {
                        Some(product) => Some(product.clone()),
                        None if planted(Mistake::DeleteByAbsence) => None,
                        None => product(account, id).await.map_err(e_side)?,
                    };
                    // Its variants show the same product.
                    if let Some(product) = &product {
                        products.insert(id, product.clone());
                    }
                    online(link, product)
                }
            };
            sights.insert(link.product_id, Sights { r, e, fresh: false, listed: asked });
        }
        Ok((sights, products))
    }

    /// Looks at one product by itself.
    pub(super) async fn look_at_one(&self, account: &Account, link: &Link) -> Result<Sights, Stop> {
        let r = match (link.r_item_id, link.r_matrix_id) {
            (Some(id), _) => item(account, id).await,
            (None, Some(id)) => matrix(account, id).await,
            (None, None) => Ok(Sight::NoHalf),
        };
        let r = r.map_err(|error| self.stop(Side::RSeries, error))?;
        let e = match link.e_product_id {
            None => Sight::NoHalf,
            Some(id) => {
                let product = product(account, id).await;
                online(link, product.map_err(|error| self.stop(Side::ESeries, error))?)
            }
        };
        Ok(Sights { r, e, fresh: true, listed: None })
    }

    /// Looks at R-Series alone; none when it is gone.
    pub(super) async fn look_in_shop(&self, account: &Account, link: &Link) -> Result<Option<InShop>, Stop> {
        let sight = match (link.r_item_id, link.r_matrix_id) {
            (Some(id), _) => item(account, id).await,
            (None, Some(id)) => matrix(account, id).await,
            (None, None) => return Ok(None),
        };
        match sight.map_err(|error| self.stop(Side::RSeries, error))? {
            Sight::Here(shop) => Ok(Some(shop)),
            _ => Ok(None),
        }
    }

    /// Looks at E-Series alone; none when it is gone.
    pub(super) async fn look_online(&self, account: &Account, link: &Link) -> Result<Option<Online>, Stop> {
        let Some(id) = link.e_product_id else { return Ok(None) };
        let product = product(account, id).await.map_err(|error| self.stop(Side::ESeries, error))?;
        match online(link, product) {
            Sight::Here(online) => Ok(Some(online)),
            _ => Ok(None),
        }
    }
}

/// What the product shows of the link's half: itself, or one of its variations.
fn online(link: &Link, product: Option<Product>) -> Sight<Online> {
    let Some(product) = product else { return Sight::Gone };
    match link.e_combination_id {
        None => Sight::Here(Online::whole(product)),
        Some(id) => match product.variation(id).cloned() {
            Some(variation) => Sight::Here(Online { product, variation: Some(variation) }),
            None => Sight::Gone,
        },
    }
}

async fn item(account: &Account, id: i64) -> Result<Sight<InShop>, CallError> {
    match account.r.item(id).await {
        Ok(item) => Ok(Sight::Here(InShop::Item(Box::new(item)))),
        Err(CallError::Gone { .. }) => Ok(Sight::Gone),
        Err(error) => Err(error),
    }
}

async fn matrix(account: &Account, id: i64) -> Result<Sight<InShop>, CallError> {
    match account.r.matrix(id).await {
        Ok(matrix) => {
            let items = account.r.items_of_matrices(&[id]).await?;
            Ok(Sight::Here(InShop::Matrix { matrix, items }))
        }
        Err(CallError::Gone { .. }) => Ok(Sight::Gone),
        Err(error) => Err(error),
    }
}

async fn product(account: &Account, id: i64) -> Result<Option<Product>, CallError> {
    match account.e.product(id).await {
        Ok(product) => Ok(Some(product)),
        Err(CallError::Gone { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
