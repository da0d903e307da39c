//! Pictures of which E-Series was only told. Its asynchronous calls answer before anything was read (e-series-api.md,
//! section 6.2): nobody waits for the reading, and nobody is told how it went. So they are used where nobody looks yet,
//! while a product is not on offer, as new ones are; and a picture counts as online when one of the copies that E-Series
//! makes of it can be read. One that does not come in time is taken down, and its bytes are uploaded.

use std::time::Duration;

use tracing::info;

use super::Wall;
use crate::clock::before;
use crate::ledger::PictureAct;
use crate::mapping::images::Picture;
use crate::platforms::eseries::wire::{Gallery, Medium};
use crate::platforms::pictures::NoPicture;
use crate::reconcile::{Corridor, Stop, Visit};
use crate::store::dirty;
use crate::store::images::{self, Fate};

/// How long E-Series may take to read a picture. It reads the address by itself, so minutes are long; how long it takes
/// on a busy day is not known.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

impl Corridor {
    /// Looks whether the pictures have come of which E-Series was told. True if some have not in time: they are down
    /// again, and have to be hung.
    pub(super) async fn look_for_promised(
        &self,
        visit: &mut Visit<'_>,
        half: (i64, Option<i64>),
    ) -> Result<bool, Stop> {
        visit.pictures.busy = true;
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        let records = images::of(&mut db, connection, product).await?;
        drop(db);
        let promised = |it: &&images::Image| it.e_half == half && matches!(it.fate, Fate::Promised(_));
        let mut missed = records.iter().any(|it| it.e_half == half && it.fate == Fate::Missed);
        let late = before(self.clock.now(), PATIENCE);
        let mut gallery = None;
        let mut host_is_away = false;
        for record in records.iter().filter(promised) {
            let shown = match gallery.take() {
                Some(shown) => shown,
                None => self.gallery(visit, half.0).await?,
            };
            let medium = medium_of(record, &shown);
            let copy = match medium.and_then(|medium| medium.copy.as_deref()) {
                Some(copy) if !host_is_away => visit.account.store_pictures.fetch(copy).await.map(Some),
                _ => Ok(None),
            };
            // Who does not answer now is not waited for once more for each of them.
            host_is_away |= matches!(copy, Err(NoPicture::Unreachable(_)));
            let there = matches!(&copy, Ok(Some(bytes)) if !bytes.is_empty());
            let fate = match medium {
                Some(medium) if there => Fate::Online(Some(medium.url.clone())),
                Some(_) if record.at >= late => {
                    gallery = Some(shown);
                    continue;
                }
                Some(medium) => {
                    let wall = Wall { records: records.clone(), ..Wall::bare(half, shown.media.clone()) };
                    let act = PictureAct::Remove(medium.url.clone());
                    let place = shown.media.iter().position(|it| it == medium).unwrap_or(0);
                    if self.take_down(visit, &wall, act, (place, medium)).await? {
                        Fate::Missed
                    } else {
                        // It was told in the ledger: nothing more can be done about it.
                        Fate::Online(Some(medium.url.clone()))
                    }
                }
                // It may be one of those that cannot be told: rather one that is not there than one twice.
                None if shown.media.iter().any(|it| is_untold(it, &records)) => Fate::Online(None),
                // What nobody has seen was not taken down by anybody.
                None => Fate::Missed,
            };
            missed |= fate == Fate::Missed;
            // Ids move when one is taken down: then it is looked at again.
            gallery = Some(shown).filter(|_| fate != Fate::Missed);
            info!(%product, picture = record.r_image_id, came = fate != Fate::Missed, "a promised picture");
            let now = self.clock.now();
            let mut db = self.store.begin().await?;
            dirty::fence(&mut db, &visit.claim, now).await?;
            let record = images::Image { fate, at: now, ..record.clone() };
            images::put(&mut db, connection, product, &record).await?;
            db.commit().await?;
        }
        Ok(missed)
    }
}

/// Is it none that was heard of, where E-Series shows no `externalId`?
fn is_untold(medium: &Medium, records: &[images::Image]) -> bool {
    medium.external_id.is_none() && !super::back::stood_at(records, &medium.url)
}

/// What E-Series shows of a picture: on a product by its `externalId`, else where it was.
fn medium_of<'a>(record: &images::Image, gallery: &'a Gallery) -> Option<&'a Medium> {
    let (r_image_id, public_id) = (record.r_image_id, record.public_id.clone());
    let marker = Picture { r_image_id, public_id, address: String::new() }.marker();
    match record.e_half.1 {
        // Whether its address stays when it has been read is not known.
        Some(variation) => gallery.variations.get(&variation),
        None => gallery.media.iter().find(|medium| match &medium.external_id {
            Some(external_id) => *external_id == marker,
            None => record.fate.url() == Some(&medium.url),
        }),
    }
}
