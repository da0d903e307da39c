//! The pictures that a run would upload, product by product, by the rules by which visits choose them.

use std::collections::BTreeMap;

use super::{Page, assumed_names};
use crate::catalog::{Field, Side};
use crate::connections::Account;
use crate::ids::ProductId;
use crate::mapping::{self, images as pictures};
use crate::platforms::rseries::wire::{Image, Item};
use crate::reconcile::images::is_another;
use crate::reconcile::sight::InShop;
use crate::store::images::{self, Known, Owner};
use crate::store::{Db, StoreError};

/// How many pictures would be uploaded to each product of a page, to its variations included: of those that polls and
/// walks have shown.
pub(super) async fn to_upload(
    db: &mut Db,
    account: &Account,
    page: &Page,
) -> Result<BTreeMap<ProductId, i64>, StoreError> {
    if !account.rules.way(Field::Images).carries_from(Side::RSeries) {
        return Ok(BTreeMap::new());
    }
    let connection = account.connection_id;
    let owners: Vec<Owner> = page.listed.values().flat_map(|listed| owners(&listed.shop)).collect();
    let sighted = images::sighted(&mut *db, connection, &owners).await?;
    let sighted: BTreeMap<Owner, Vec<Image>> = sighted
        .into_iter()
        .filter_map(|(owner, records)| Some((owner, crate::reconcile::images::read(&records)?)))
        .collect();
    let ids: Vec<i64> = sighted.values().flatten().map(|image| image.id).collect();
    let tried = images::tried(&mut *db, connection, &ids).await?;
    let known = images::known(&mut *db, connection, &owners).await?;
    let fresh = |owner: Owner, most: usize| -> usize {
        let images = sighted.get(&owner).map(Vec::as_slice).unwrap_or_default();
        let wanted = pictures::wanted(images, most);
        wanted.iter().filter(|picture| !tried.contains(&picture.r_image_id)).count()
    };
    let count = |shop: &InShop| match shop {
        InShop::Item(item) => fresh(Owner::Item(item.id), pictures::MOST),
        InShop::Matrix { matrix, .. } => {
            let owner = Owner::Matrix(matrix.id);
            let gallery = sighted.get(&owner).map(Vec::as_slice).unwrap_or_default();
            let own = |item: &Item| sighted.contains_key(&Owner::Item(item.id));
            let of_items = shop.live_items().filter(|item| own(item));
            let of_items: usize = of_items.map(|item| fresh(Owner::Item(item.id), 1)).sum();
            let without: Vec<&Item> = shop.live_items().filter(|item| !own(item)).collect();
            fresh(owner, pictures::MOST) + of_items + chosen(account, shop, gallery, &without, &known)
        }
    };
    let counts = page.listed.iter().map(|(product, listed)| (*product, count(&listed.shop)));
    Ok(counts.map(|(product, count)| (product, i64::try_from(count).unwrap_or(i64::MAX))).collect())
}

/// Whose pictures a product and its variations show.
fn owners(shop: &InShop) -> Vec<Owner> {
    let of_matrix = match shop {
        InShop::Matrix { matrix, .. } => Some(Owner::Matrix(matrix.id)),
        InShop::Item(_) => None,
    };
    of_matrix.into_iter().chain(shop.live_items().map(|item| Owner::Item(item.id))).collect()
}

/// How many variations would show another picture out of the gallery of their matrix than they do.
fn chosen(
    account: &Account,
    shop: &InShop,
    gallery: &[Image],
    without: &[&Item],
    known: &BTreeMap<Owner, Known>,
) -> usize {
    let names = assumed_names(shop);
    let values = |item: &Item| {
        let facts = mapping::rseries::variant_facts(item, &account.context, names.as_ref());
        facts.list(Field::OptionValues).map(<[String]>::to_vec).unwrap_or_default()
    };
    let all: Vec<String> = shop.live_items().flat_map(&values).collect();
    let differs = |item: &&&Item| {
        let choice = pictures::chosen(gallery, &values(item), all.iter());
        choice.is_some() && is_another(known.get(&Owner::Item(item.id)), choice.as_ref())
    };
    without.iter().filter(differs).count()
}
