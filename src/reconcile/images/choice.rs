//! A variation whose item has no picture of its own shows one out of the gallery of its matrix: the one whose
//! description names its option values (`mapping::images::chosen`). What is chosen follows the gallery as the product
//! shows it, so the product's visit comes first and calls for the variants whose choice is another one by then.

use crate::catalog::Field;
use crate::ids::ConnectionId;
use crate::mapping::images::{self as pictures, Picture};
use crate::platforms::rseries::wire::Image;
use crate::reconcile::{Corridor, Stop, Visit};
use crate::store::dirty::Asker;
use crate::store::images::{self, Known, Owner};
use crate::store::links::{self, Link};
use crate::store::{Db, StoreError, dirty};

/// The picture out of its matrix' gallery that belongs to a variant; it may be that none does.
pub(super) struct Choice(pub(super) Option<Picture>);

impl Corridor {
    /// The picture out of its matrix' gallery for the variant visited. None if there is nothing to choose: it is no
    /// variant, its item has pictures, or what its product shows is not known yet. One of none if no picture is its.
    pub(super) async fn choice(&self, visit: &Visit<'_>) -> Result<Option<Choice>, Stop> {
        let matrix = visit.parent.as_ref().and_then(|parent| parent.r_matrix_id);
        let Some((matrix, item)) = matrix.zip(visit.link.r_item_id) else { return Ok(None) };
        let mut db = self.store.begin().await?;
        let gallery = gallery(&mut db, visit.link.connection_id, matrix).await?;
        let own = images::sighted(&mut db, visit.link.connection_id, &[Owner::Item(item)]).await?;
        let Some(gallery) = gallery else { return Ok(None) };
        let described = gallery.iter().any(|image| !image.description.is_empty());
        let Some(parent) = visit.link.parent_id.filter(|_| described) else {
            return Ok(own.is_empty().then_some(Choice(None)));
        };
        let variants = links::of_parent(&mut db, visit.link.connection_id, parent).await?;
        // What this one is called may be new to the others. Told once: who fails calls nobody out of his own waiting.
        if pictures::list_several(&gallery) && visit.claim.attempts == 0 {
            self.call_those_who_differ(&mut db, visit, &gallery, &variants).await?;
            db.commit().await?;
        }
        Ok(own.is_empty().then(|| Choice(choose(&gallery, &visit.link, &variants))))
    }

    /// Calls for the variants to which another picture of this product's gallery belongs than they show.
    pub(super) async fn call_for_choosers(&self, visit: &Visit<'_>) -> Result<(), Stop> {
        let Some(matrix) = visit.link.r_matrix_id else { return Ok(()) };
        let connection = visit.link.connection_id;
        let mut db = self.store.begin().await?;
        let Some(gallery) = gallery(&mut db, connection, matrix).await? else { return Ok(()) };
        let variants = links::of_parent(&mut db, connection, visit.link.product_id).await?;
        self.call_those_who_differ(&mut db, visit, &gallery, &variants).await?;
        db.commit().await?;
        Ok(())
    }

    async fn call_those_who_differ(
        &self,
        db: &mut Db,
        visit: &Visit<'_>,
        gallery: &[Image],
        variants: &[Link],
    ) -> Result<(), StoreError> {
        let (connection, now) = (visit.link.connection_id, self.clock.now());
        let owners: Vec<Owner> = variants.iter().filter_map(super::owner_of).collect();
        let known = images::known(db, connection, &owners).await?;
        let own = images::sighted(db, connection, &owners).await?;
        let differs = |variant: &&Link| {
            let chooses = variant.e_combination_id.is_some() && variant.product_id != visit.link.product_id;
            let owner = super::owner_of(variant).filter(|owner| chooses && !own.contains_key(owner));
            owner.is_some_and(|owner| {
                is_another(known.get(&owner), choose(gallery, variant, variants).as_ref())
            })
        };
        let mut called = Vec::new();
        for variant in variants.iter().filter(differs) {
            // One that is parked sees to its picture when it goes on.
            if !dirty::is_parked(db, connection, variant.product_id).await? {
                called.push(variant.product_id);
            }
        }
        dirty::mark(db, connection, &called, Asker::Other, now, now).await
    }
}

/// What is to be shown, an item's own pictures before what was chosen for it, and how that is told from other pictures.
pub(super) fn own_or_chosen(own: Vec<Picture>, choice: Option<Choice>) -> (Vec<Picture>, String) {
    match choice.filter(|_| own.is_empty()) {
        Some(Choice(choice)) => {
            let carried = pictures::carried_choice(choice.as_ref());
            (choice.into_iter().collect(), carried)
        }
        None => {
            let carried = pictures::carried(&own);
            (own, carried)
        }
    }
}

/// Is this choice another one than was carried? What was carried of an item's own pictures is none.
pub(in crate::reconcile) fn is_another(known: Option<&Known>, choice: Option<&Picture>) -> bool {
    let carried = known.and_then(|known| known.carried.as_deref()).unwrap_or_default();
    pictures::is_choice(carried) && carried != pictures::carried_choice(choice)
}

fn choose(gallery: &[Image], variant: &Link, all: &[Link]) -> Option<Picture> {
    pictures::chosen(gallery, values_of(variant), all.iter().flat_map(values_of))
}

fn values_of(variant: &Link) -> &[String] {
    variant.shadow.r_series.list(Field::OptionValues).unwrap_or_default()
}

/// The pictures of a matrix that its product shows. None while what it has was not carried, or one of them was not
/// seen again: a list may have left it out, and absence from a list is no deletion.
async fn gallery(
    db: &mut Db,
    connection_id: ConnectionId,
    matrix_id: i64,
) -> Result<Option<Vec<Image>>, StoreError> {
    let owner = Owner::Matrix(matrix_id);
    let Some(known) = images::known(db, connection_id, &[owner]).await?.remove(&owner) else {
        return Ok(Some(Vec::new()));
    };
    let Some(carried) = known.carried else { return Ok(None) };
    let records = images::sighted(db, connection_id, &[owner]).await?.remove(&owner).unwrap_or_default();
    Ok(super::read(&records).and_then(|images| pictures::shown_of(images, &carried)))
}
