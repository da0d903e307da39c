//! What exists online alone is read before it goes: from the ledger's address nobody can read it afterwards.

use serde_json::Value as Json;

use super::Wall;
use crate::catalog::Hold;
use crate::mapping::images as pictures;
use crate::platforms::eseries::wire::Medium;
use crate::platforms::pictures::NoPicture;
use crate::reconcile::{Corridor, Stop, Visit};
use crate::store::{dirty, images, kept_pictures};

/// Pictures of one product that are kept: no gallery of a shop has more, and nobody fills the database by one product.
const MOST_KEPT: usize = 50;

/// How often a visit waits for a host that does not answer: what is archived is not sold on for the sake of a picture.
const TRIES: i32 = 3;

impl Corridor {
    /// Keeps what a product, or one of its variations, shows beside the shop's pictures: `record` is about to be removed.
    /// False if that was done before, and nothing had to be read.
    pub(in crate::reconcile) async fn keep_pictures(
        &self,
        visit: &mut Visit<'_>,
        product_id: i64,
        record: &Json,
    ) -> Result<bool, Stop> {
        let mut urls = pictures::not_ours(record);
        if urls.is_empty() {
            return Ok(false);
        }
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        let ours = images::urls_on(&mut db, connection, product_id).await?;
        let kept = kept_pictures::urls(&mut db, connection, product).await?;
        drop(db);
        urls.retain(|url| !ours.contains(url) && !visit.pictures.not_kept.contains(url));
        let room = MOST_KEPT.saturating_sub(urls.iter().filter(|url| kept.contains(*url)).count());
        urls.retain(|url| !kept.contains(url));
        urls.truncate(room);
        for url in &urls {
            self.keep_picture(visit, url).await?;
        }
        Ok(!urls.is_empty())
    }

    /// Keeps a picture that is about to be taken down or replaced, unless it is the shop's.
    pub(super) async fn keep_before(
        &self,
        visit: &mut Visit<'_>,
        wall: &Wall,
        medium: &Medium,
    ) -> Result<(), Stop> {
        let marked = medium.external_id.as_deref().is_some_and(pictures::is_marker);
        if marked || medium.url.is_empty() || super::back::stood_at(&wall.records, &medium.url) {
            return Ok(());
        }
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let mut db = self.store.begin().await?;
        let kept = kept_pictures::urls(&mut db, connection, product).await?;
        drop(db);
        if kept.contains(&medium.url) || visit.pictures.not_kept.contains(&medium.url) {
            return Ok(());
        }
        self.keep_picture(visit, &medium.url).await
    }

    /// Reads a picture and keeps it. One that cannot be had is told in the ledger; a host that does not answer is
    /// waited for, a few times.
    async fn keep_picture(&self, visit: &mut Visit<'_>, url: &str) -> Result<(), Stop> {
        visit.pictures.busy = true;
        let why = match visit.account.store_pictures.fetch(url).await {
            Ok(bytes) => {
                let now = self.clock.now();
                let (connection, product) = (visit.link.connection_id, visit.link.product_id);
                let mut db = self.store.begin().await?;
                dirty::fence(&mut db, &visit.claim, now).await?;
                kept_pictures::put(&mut db, connection, product, (url, &bytes), now).await?;
                db.commit().await?;
                return Ok(());
            }
            Err(NoPicture::Unreachable(why)) if visit.claim.attempts < TRIES => {
                let why = format!("a picture that exists online alone cannot be read before it goes: {why}");
                return Err(Stop::Later { until: self.in_seconds(20), why, failed: true });
            }
            Err(error) => error,
        };
        visit.pictures.not_kept.insert(url.to_owned());
        let reason = format!(
            "The picture at {url} exists online alone and could not be kept before it goes: {why}. Should it be wanted \
             again, upload it in the E-Series admin."
        );
        self.tell_of_picture(visit, &Hold::new("picture_not_kept", reason)).await
    }

    /// The picture that was at this address, if it was kept with this product or the one it is a variant of.
    pub(super) async fn kept_picture(&self, visit: &Visit<'_>, url: &str) -> Result<Option<Vec<u8>>, Stop> {
        let (connection, own) = (visit.link.connection_id, visit.link.product_id);
        let whole = visit.parent.as_ref().map_or(own, |parent| parent.product_id);
        let mut db = self.store.begin().await?;
        Ok(kept_pictures::get(&mut db, connection, [own, whole], url).await?)
    }
}
