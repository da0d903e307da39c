//! Pictures, from the shop to the web. They are no field that is merged: the shop's are carried when something is new
//! about them, and what somebody did to them online stays until then.
//!
//! Which picture is which is told by our own record (`store::images`), never by the ids of E-Series' gallery, which
//! move. Each call is an intent before and a result after, and each next move is decided by what is shown then, so
//! a visit that was broken off is simply gone on with.

mod back;
mod choice;
mod hang;
mod keep;
mod promised;
mod wall;

use std::collections::{BTreeMap, BTreeSet};

use tracing::info;

pub(super) use self::choice::is_another;
use self::wall::Wall;
use super::{Corridor, Stop, Visit};
use crate::catalog::{Field, Side};
use crate::connections::Account;
use crate::decide::gallery::{self, May, Move};
use crate::ids::ProductId;
use crate::ledger::PictureAct;
use crate::mapping::images::{self as pictures, Picture};
use crate::planted::{Mistake, planted};
use crate::platforms::CallError;
use crate::platforms::eseries::images::Spot;
use crate::platforms::eseries::wire::{Gallery, Medium};
use crate::platforms::rseries::wire::Image;
use crate::store::dirty::Claim;
use crate::store::images::{self, Fate, Known, Owner};
use crate::store::links::{Link, Standing};
use crate::store::{StoreError, dirty};

/// More moves than any gallery needs: a platform that does not do what it says is not asked for ever.
const MOST_MOVES: usize = 200;

/// What a visit knows of the shop's pictures before it looks at them.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    /// What is known of them; none when the shop never had any.
    pub(super) known: Option<Known>,
    /// What the shop has now, if it was looked at for the whole group.
    images: Option<Vec<Image>>,
    /// Calls were made for them, which may have taken a while.
    pub(super) busy: bool,
    /// Those that exist online alone and could not be kept, by their addresses: told once.
    not_kept: BTreeSet<String>,
}

/// Whose pictures a product shows.
pub(super) fn owner_of(link: &Link) -> Option<Owner> {
    match (link.r_item_id, link.r_matrix_id) {
        (Some(id), _) => Some(Owner::Item(id)),
        (None, Some(id)) => Some(Owner::Matrix(id)),
        (None, None) => None,
    }
}

/// Pictures as polls and walks have kept them.
pub(super) fn read(records: &[serde_json::Value]) -> Option<Vec<Image>> {
    records.iter().map(|record| serde_json::from_value(record.clone()).ok()).collect()
}

impl Corridor {
    /// What is known of the pictures of these products, and what the shop has now of those that are due: one call a
    /// kind for all of them. Who got no answer asks by itself.
    pub(super) async fn pictures_due<'a>(
        &self,
        account: &Account,
        links: impl Iterator<Item = &'a Link> + Clone,
    ) -> Result<BTreeMap<ProductId, Pictures>, StoreError> {
        if !account.rules.way(Field::Images).carries_from(Side::RSeries) {
            return Ok(BTreeMap::new());
        }
        let owners: Vec<Owner> = links.clone().filter_map(owner_of).collect();
        let mut db = self.store.begin().await?;
        let known = images::known(&mut db, account.connection_id, &owners).await?;
        // At their first meeting the poll that has found them has just shown them.
        let new: Vec<Owner> =
            known.values().filter(|known| known.is_as_sighted()).map(|known| known.owner).collect();
        let mut sighted = images::sighted(&mut db, account.connection_id, &new).await?;
        drop(db);
        let (mut items, mut matrices) = (Vec::new(), Vec::new());
        for link in links.clone().filter(|link| link.standing != Standing::Archived) {
            let half = (link.e_product_id, link.e_combination_id);
            let due = owner_of(link).and_then(|owner| known.get(&owner)).filter(|known| known.is_due(half));
            match due.filter(|known| !sighted.contains_key(&known.owner)) {
                Some(Known { owner: Owner::Item(id), .. }) => items.push(*id),
                Some(Known { owner: Owner::Matrix(id), .. }) => matrices.push(*id),
                None => {}
            }
        }
        let mut of_items = account.r.images_of_items(&items).await.unwrap_or_default();
        let mut of_matrices = account.r.images_of_matrices(&matrices).await.unwrap_or_default();
        let pictures = links.filter_map(|link| {
            let known = known.get(&owner_of(link)?)?.clone();
            let images = match known.owner {
                owner if sighted.contains_key(&owner) => {
                    sighted.remove(&owner).and_then(|records| read(&records))
                }
                Owner::Item(id) => of_items.remove(&id),
                Owner::Matrix(id) => of_matrices.remove(&id),
            };
            Some((link.product_id, Pictures { known: Some(known), images, ..Pictures::default() }))
        });
        Ok(pictures.collect())
    }

    /// Carries the shop's pictures to the product or variation of this visit, if anything is new about them.
    pub(super) async fn carry_pictures(&self, visit: &mut Visit<'_>) -> Result<(), Stop> {
        if !visit.account.rules.way(Field::Images).carries_from(Side::RSeries) {
            return Ok(());
        }
        let (Some(half), Some(owner)) = (visit.e_half(), owner_of(&visit.link)) else { return Ok(()) };
        let choice = self.choice(visit).await?;
        let known = visit.pictures.known.clone().unwrap_or_else(|| Known::nothing(owner));
        let mut due = visit.pictures.known.is_some() && known.is_due((Some(half.0), half.1));
        if !due && known.promised {
            due = self.look_for_promised(visit, half).await?;
        }
        if !due && !choice.as_ref().is_some_and(|choice| choice::is_another(Some(&known), choice.0.as_ref()))
        {
            return Ok(());
        }
        visit.pictures.busy = true;
        let images = if due { self.pictures_in_shop(visit, owner).await? } else { Vec::new() };
        let own = pictures::wanted(&images, if half.1.is_some() { 1 } else { pictures::MOST });
        let chosen_before =
            known.carried.as_deref().is_some_and(|it| !it.is_empty() && pictures::is_choice(it));
        if own.is_empty() && choice.is_none() && chosen_before {
            // What its product shows is not known right now: what was chosen out of that stays.
            return Ok(());
        }
        let (wanted, carried) = choice::own_or_chosen(own, choice);
        let first = known.e_half != (Some(half.0), half.1);
        // At the first meeting the shop's pictures take the place of what is online; having none changes nothing.
        let changed = match &known.carried {
            Some(before) if !first => *before != carried,
            _ => !wanted.is_empty(),
        };
        if changed {
            visit.changed = [true, visit.changed(Side::ESeries)];
        }
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        let records = images::of(&mut db, connection, product).await?;
        drop(db);
        let (records, stale): (Vec<_>, Vec<_>) =
            records.into_iter().partition(|record| record.e_half == half);
        if changed && due {
            self.confirm_gone(visit, owner, &images, &records).await?;
        }
        let gallery = self.gallery(visit, half.0).await?;
        let listed = wanted.clone();
        let mut wall = Wall { wanted, records, on_offer: gallery.on_offer, ..Wall::bare(half, Vec::new()) };
        let done = match half.1 {
            Some(variation) => {
                self.carry_to_variation(visit, &mut wall, (variation, &gallery), changed).await?;
                if first {
                    self.bring_back_to_variation(visit, &wall, &stale).await?;
                }
                self.gallery(visit, half.0).await?
            }
            None => {
                wall.media = gallery.media;
                if planted(Mistake::PicturesUploadedAgain) {
                    let unknown = |it: Medium| Medium { url: String::new(), external_id: None, ..it };
                    wall.media = wall.media.into_iter().map(unknown).collect();
                }
                self.carry_to_gallery(visit, &mut wall, changed).await?;
                if first {
                    self.bring_back(visit, &mut wall, &stale).await?;
                }
                if !wall.fresh {
                    self.look_again(visit, &mut wall).await?;
                }
                Gallery { media: std::mem::take(&mut wall.media), ..Gallery::default() }
            }
        };
        self.carried(visit, &known, wall, (&listed, &carried), done).await?;
        self.call_for_choosers(visit).await
    }

    /// What the shop has now.
    async fn pictures_in_shop(&self, visit: &mut Visit<'_>, owner: Owner) -> Result<Vec<Image>, Stop> {
        if let Some(images) = visit.pictures.images.take() {
            return Ok(images);
        }
        let r = &visit.account.r;
        let images = match owner {
            Owner::Item(id) => r.images_of_item(id).await,
            Owner::Matrix(id) => r.images_of_matrix(id).await,
        };
        images.map_err(|error| self.stop(Side::RSeries, error))
    }

    async fn gallery(&self, visit: &Visit<'_>, product_id: i64) -> Result<Gallery, Stop> {
        visit.account.e.gallery(product_id).await.map_err(|error| self.stop(Side::ESeries, error))
    }

    /// Before a picture is taken down because the shop's record shows it no more, it is asked for by its id: absence
    /// from a list is never taken for a deletion.
    async fn confirm_gone(
        &self,
        visit: &Visit<'_>,
        owner: Owner,
        images: &[Image],
        records: &[images::Image],
    ) -> Result<(), Stop> {
        let listed = |id: i64| images.iter().any(|image| image.id == id);
        let online = |record: &&images::Image| matches!(record.fate, Fate::Online(_) | Fate::Promised(_));
        for record in records.iter().filter(online).filter(|record| !listed(record.r_image_id)) {
            let still_has = |image: &Image| match owner {
                Owner::Item(id) => image.item_id == id,
                Owner::Matrix(id) => image.matrix_id == id,
            };
            match visit.account.r.image(record.r_image_id).await {
                Ok(image) if still_has(&image) => {
                    return Err(Stop::Later {
                        until: self.in_seconds(5),
                        why: format!("R-Series left out picture {} of a product that has it", image.id),
                        failed: true,
                    });
                }
                Ok(_) | Err(CallError::Gone { .. }) => {}
                Err(error) => return Err(self.stop(Side::RSeries, error)),
            }
        }
        Ok(())
    }

    /// Makes a product show what is wanted, move by move. Only when the shop has `changed` its pictures, what is not
    /// wanted goes; else those are hung that were never tried, or are to be tried again.
    async fn carry_to_gallery(
        &self,
        visit: &mut Visit<'_>,
        wall: &mut Wall,
        changed: bool,
    ) -> Result<(), Stop> {
        let product_id = wall.half.0;
        let shop_has_some = !wall.wanted.is_empty();
        let shown: Vec<usize> = wall.shown().into_iter().filter_map(|shown| shown.picture).collect();
        let mut place = 0..;
        let keep: Vec<bool> = wall
            .wanted
            .iter()
            .map(|picture| {
                let is_shown = place.next().is_some_and(|place| shown.contains(&place));
                match wall.record(picture).map(|record| &record.fate) {
                    Some(Fate::Refused { .. }) => false,
                    // Taken down by somebody online: so it stays until the shop changes something.
                    Some(Fate::Online(_)) => is_shown || changed,
                    Some(Fate::Promised(_) | Fate::Missed) | None => true,
                }
            })
            .collect();
        let mut keep = keep.into_iter();
        wall.wanted.retain(|_| keep.next().unwrap_or(true));
        let mut may = May { remove: changed, arrange: true };
        for _ in 0..MOST_MOVES {
            let Some(next) = gallery::next(wall.wanted.len(), &wall.shown(), may) else { return Ok(()) };
            match next {
                Move::Main(at) | Move::Gallery(at) => {
                    let spot = if matches!(next, Move::Main(_)) {
                        Spot::Main(product_id)
                    } else {
                        Spot::Gallery(product_id)
                    };
                    let Some(picture) = wall.wanted.get(at).cloned() else { return Ok(()) };
                    let is_main = matches!(spot, Spot::Main(_));
                    let replaced = wall.media.iter().find(|medium| is_main && medium.is_main).cloned();
                    if self.hang(visit, wall, spot, (at, &picture), replaced.as_ref()).await? {
                        wall.hung(&picture.marker(), is_main);
                    } else {
                        wall.wanted.retain(|other| *other != picture);
                    }
                }
                // Ids move: what is named by one is looked at right before.
                Move::Arrange(_) | Move::Remove(_) if !wall.fresh => self.look_again(visit, wall).await?,
                // None of the shop's can be had, for now: what hangs there stays until one does.
                Move::Remove(_) if shop_has_some && wall.media.len() == 1 => {
                    wall.last_one_stays = true;
                    return Ok(());
                }
                Move::Arrange(order) => {
                    let media: Vec<Medium> =
                        order.iter().filter_map(|at| wall.media.get(*at)).cloned().collect();
                    self.arrange(visit, wall, &media).await?;
                    may.arrange = false;
                }
                Move::Remove(at) => {
                    let Some(medium) = wall.media.get(at).cloned() else { return Ok(()) };
                    let act = PictureAct::Remove(medium.url.clone());
                    may.remove = self.take_down(visit, wall, act, (at, &medium)).await?;
                    self.look_again(visit, wall).await?;
                }
            }
        }
        Err(Stop::Later {
            until: self.in_seconds(60),
            why: "E-Series does not keep its pictures as they are put".into(),
            failed: true,
        })
    }

    async fn look_again(&self, visit: &Visit<'_>, wall: &mut Wall) -> Result<(), Stop> {
        let media = self.gallery(visit, wall.half.0).await?.media;
        wall.look(media);
        Ok(())
    }

    /// Makes a variation show the first picture of its item, or the one that was chosen for it.
    async fn carry_to_variation(
        &self,
        visit: &mut Visit<'_>,
        wall: &mut Wall,
        (variation, gallery): (i64, &Gallery),
        changed: bool,
    ) -> Result<(), Stop> {
        let shown = gallery.variations.get(&variation);
        wall.media = shown.cloned().into_iter().collect();
        let Some(picture) = wall.wanted.first().cloned() else {
            if let (true, Some(medium)) = (changed, shown) {
                self.take_down(visit, wall, PictureAct::Remove(medium.url.clone()), (0, medium)).await?;
            }
            return Ok(());
        };
        let is_shown = |url: &Option<String>| url.is_some() && url.as_ref() == shown.map(|it| &it.url);
        let hang = match wall.record(&picture).map(|record| &record.fate) {
            None | Some(Fate::Missed) => true,
            Some(Fate::Refused { .. }) => false,
            Some(Fate::Online(url) | Fate::Promised(url)) => changed && !is_shown(url),
        };
        if hang {
            let replaced = wall.media.first().cloned();
            let spot = Spot::Variation(wall.half.0, variation);
            self.hang(visit, wall, spot, (0, &picture), replaced.as_ref()).await?;
        }
        Ok(())
    }

    /// Writes down that the pictures which the shop has `listed` are `carried`, and where each one's original is now.
    async fn carried(
        &self,
        visit: &Visit<'_>,
        known: &Known,
        wall: Wall,
        (listed, carried): (&[Picture], &str),
        done: Gallery,
    ) -> Result<(), Stop> {
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let now = self.clock.now();
        let half = wall.half;
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        let records = images::of(&mut db, connection, product).await?;
        let wall = Wall { records, media: done.media, ..wall };
        let mut gone = Vec::new();
        for record in &wall.records {
            let key = (record.r_image_id, record.public_id.clone());
            if record.e_half != half || !listed.iter().any(|picture| picture.key() == key) {
                gone.push(key);
                continue;
            }
            let (Fate::Online(url) | Fate::Promised(url)) = &record.fate else { continue };
            let is_it = |medium: &&Medium| {
                let picture = wall.picture(medium).and_then(|at| wall.wanted.get(at));
                picture.is_some_and(|picture| picture.key() == key)
            };
            let now_at = match half.1 {
                // What hangs on a variation later may be somebody else's.
                Some(variation) => done.variations.get(&variation).filter(|_| url.is_none()),
                None => wall.media.iter().find(is_it),
            };
            let now_at = now_at.map(|medium| medium.url.clone());
            if now_at.is_some() && *url != now_at {
                let fate = match &record.fate {
                    Fate::Promised(_) => Fate::Promised(now_at),
                    _ => Fate::Online(now_at),
                };
                images::put(&mut db, connection, product, &images::Image { fate, ..record.clone() }).await?;
            }
        }
        images::forget(&mut db, connection, product, &gone).await?;
        // With one of before among them they are not as the shop has them: the next that hangs lets it go.
        let carried = Some(carried).filter(|_| !wall.last_one_stays);
        images::carried(&mut db, connection, known, carried, half).await?;
        db.commit().await?;
        info!(%product, pictures = listed.len(), "the pictures are carried");
        Ok(())
    }

    /// Keeps the claims of those that still wait in this group: pictures take their time.
    pub(super) async fn keep(&self, waiting: &[Claim]) -> Result<(), StoreError> {
        let mut waiting = waiting.to_vec();
        waiting.sort_unstable_by_key(|claim| claim.product_id);
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        for claim in &waiting {
            match dirty::fence(&mut db, claim, now).await {
                Ok(()) | Err(StoreError::LeaseLost) => {}
                Err(error) => return Err(error),
            }
        }
        db.commit().await
    }
}
