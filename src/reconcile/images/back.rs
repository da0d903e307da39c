//! Pictures that go up again. Of a product that was removed once and is there again, the shop's are uploaded like any
//! others, and those that existed online alone are put back as they were kept; else from where E-Series had them, if they
//! still are there. The same of one that was taken down because the shop changed its own, where an operator wants that
//! undone.

use serde_json::{Value as Json, json};

use super::{Wall, owner_of};
use crate::catalog::{Hold, Side};
use crate::clock::after;
use crate::ledger::{Outcome, PictureAct};
use crate::mapping::images as pictures;
use crate::platforms::CallError;
use crate::platforms::eseries::images::{Source, Spot};
use crate::platforms::eseries::wire::{Gallery, Medium};
use crate::reconcile::carry::written;
use crate::reconcile::edits::Fate;
use crate::reconcile::{Corridor, SEND_WITHIN, Stop, Visit};
use crate::store::edits::{Edit, What};
use crate::store::images::{self, Owner};

impl Corridor {
    /// A product is about to be created again: its pictures, and those of its variants, have to be looked at.
    pub(in crate::reconcile) async fn call_for_kept_pictures(
        &self,
        visit: &mut Visit<'_>,
        kept: &Json,
    ) -> Result<(), Stop> {
        let Ok(gallery) = Gallery::read(kept) else { return Ok(()) };
        let shown = !gallery.media.is_empty() || pictures::kept_of_variation(kept, &visit.marker()).is_some();
        let own = owner_of(&visit.link);
        let mut owners: Vec<Owner> = own.filter(|_| shown).into_iter().collect();
        let items = pictures::pictured_items(kept);
        owners.extend(items.into_iter().map(Owner::Item));
        if owners.is_empty() {
            return Ok(());
        }
        let connection = visit.link.connection_id;
        let mut db = self.store.begin().await?;
        images::news(&mut db, connection, &owners).await?;
        if let Some(own) = own {
            visit.pictures.known = images::known(&mut db, connection, &[own]).await?.remove(&own);
        }
        db.commit().await?;
        Ok(())
    }

    /// What the product had when it was removed, if it is there again.
    async fn before_removal(&self, visit: &Visit<'_>) -> Result<Option<Json>, Stop> {
        let (connection, own) = (visit.link.connection_id, visit.link.product_id);
        let whole = visit.parent.as_ref().map_or(own, |parent| parent.product_id);
        let mut db = self.store.begin().await?;
        Ok(images::brought_back(&mut db, connection, own, whole).await?)
    }

    /// Puts back what a product had online alone, behind the shop's pictures, and the alternative texts of all.
    pub(super) async fn bring_back(
        &self,
        visit: &mut Visit<'_>,
        wall: &mut Wall,
        stale: &[images::Image],
    ) -> Result<(), Stop> {
        let Some(record) = self.before_removal(visit).await? else { return Ok(()) };
        let kept = pictures::kept(&record);
        let was_ours = |medium: &Medium| {
            medium.external_id.as_deref().is_some_and(pictures::is_marker) || stood_at(stale, &medium.url)
        };
        let mut texts: Vec<(String, Json)> = Vec::new();
        for (number, medium) in kept.iter().enumerate() {
            let ours = was_ours(medium);
            let marker = pictures::kept_marker(number);
            let external_id = if ours { medium.external_id.clone() } else { Some(marker.clone()) };
            texts.extend(external_id.zip(medium.alt.clone()));
            let there = wall.media.iter().any(|shown| shown.external_id.as_ref() == Some(&marker));
            if ours || there {
                continue;
            }
            let is_main = wall.media.is_empty();
            let spot = if is_main { Spot::Main(wall.half.0) } else { Spot::Gallery(wall.half.0) };
            if self.put_back(visit, wall, spot, (&medium.url, &marker), None).await?.is_none() {
                wall.hung(&marker, is_main);
            }
        }
        if texts.is_empty() {
            return Ok(());
        }
        if !wall.fresh {
            self.look_again(visit, wall).await?;
        }
        let mut media = wall.media.clone();
        for medium in media.iter_mut().filter(|medium| medium.alt.is_none()) {
            let text = texts.iter().find(|(marker, _)| medium.external_id.as_ref() == Some(marker));
            medium.alt = text.map(|(_, alt)| alt.clone());
        }
        if media != wall.media {
            self.arrange(visit, wall, &media).await?;
        }
        Ok(())
    }

    /// Puts back the picture of a variation, unless its item has one.
    pub(super) async fn bring_back_to_variation(
        &self,
        visit: &mut Visit<'_>,
        wall: &Wall,
        stale: &[images::Image],
    ) -> Result<(), Stop> {
        let (product_id, Some(variation_id)) = wall.half else { return Ok(()) };
        if !wall.wanted.is_empty() || !wall.media.is_empty() {
            return Ok(());
        }
        let Some(record) = self.before_removal(visit).await? else { return Ok(()) };
        let Some(url) = pictures::kept_of_variation(&record, &visit.marker()) else { return Ok(()) };
        if !stood_at(stale, &url) {
            let spot = Spot::Variation(product_id, variation_id);
            self.put_back(visit, wall, spot, (&url, &pictures::kept_marker(0)), None).await?;
        }
        Ok(())
    }

    /// Shows pictures again that were taken down, as an operator wants it. Each is known by what it is called then, and
    /// that of a variation by the write under which it was sent, so that what was broken off is gone on with.
    pub(in crate::reconcile) async fn put_back_wanted(&self, visit: &mut Visit<'_>) -> Result<(), Stop> {
        let wanted = visit.edits.iter().position(|wanted| matches!(wanted.edit.what, What::Pictures(_)));
        let Some((at, half)) = wanted.zip(visit.e_half()) else { return Ok(()) };
        let Some(edit) = visit.edits.get(at).map(|wanted| wanted.edit.clone()) else { return Ok(()) };
        let What::Pictures(urls) = &edit.what else { return Ok(()) };
        visit.pictures.busy = true;
        let gallery = self.gallery(visit, half.0).await?;
        let media = match half.1 {
            None => gallery.media,
            Some(variation) => gallery.variations.get(&variation).cloned().into_iter().collect(),
        };
        let mut wall = Wall::bare(half, media);
        let sent = half.1.is_some() && self.outcome_of(visit, &edit).await? == Some(Outcome::Landed);
        let mut left = None;
        for url in urls.iter().filter(|_| !sent) {
            let marker = pictures::kept_marker_of(url);
            if wall.media.iter().any(|shown| shown.external_id.as_ref() == Some(&marker)) {
                continue;
            }
            let is_main = wall.media.is_empty();
            let spot = match half {
                (product, Some(variation)) => Spot::Variation(product, variation),
                (product, None) if is_main => Spot::Main(product),
                (product, None) => Spot::Gallery(product),
            };
            match self.put_back(visit, &wall, spot, (url, &marker), Some(&edit)).await? {
                None => wall.hung(&marker, is_main),
                Some(why) => left = Some(why),
            }
        }
        if let Some(wanted) = visit.edits.get_mut(at) {
            wanted.fate = Some(left.map_or(Fate::Done, Fate::Left));
        }
        Ok(())
    }

    /// Uploads one picture as it was kept, else from where E-Series had it. Why not, with a word in the ledger, when that
    /// is there no more.
    async fn put_back(
        &self,
        visit: &mut Visit<'_>,
        wall: &Wall,
        spot: Spot,
        (url, marker): (&str, &str),
        edit: Option<&Edit>,
    ) -> Result<Option<String>, Stop> {
        let act = PictureAct::Hang {
            r_image_id: 0,
            public_id: String::new(),
            external_id: marker.to_owned(),
            shown: wall.urls(),
            promised: false,
        };
        let kept = self.kept_picture(visit, url).await?;
        let (source, way) = match &kept {
            Some(bytes) => (Source::Bytes(bytes), "bytes"),
            None => (Source::Address(url), "address"),
        };
        let mut intent = self.picture_intent(visit, wall.half, act);
        intent.after = Some(json!({"url": url, "sent_as": way}));
        match edit {
            Some(edit) => self.intend_edit(visit, &mut intent, edit).await?,
            None => {
                intent.cause = Some("it was online before the product was removed".into());
                self.intend(visit, std::slice::from_ref(&intent)).await?;
            }
        }
        let by = after(intent.at, SEND_WITHIN);
        match visit.account.e.hang_picture(spot, source, marker, by).await {
            Ok(()) => {
                self.close(visit, &intent, Outcome::Landed).await?;
                written(Side::ESeries, "picture");
                Ok(None)
            }
            Err(CallError::Refused { why, .. }) => {
                self.close(visit, &intent, Outcome::Refused).await?;
                let reason = format!(
                    "A picture that existed online alone could not be put back from {url}: {why}. Upload it there \
                     again if it is still wanted."
                );
                self.tell_of_picture(visit, &Hold::new("picture_not_put_back", reason.clone())).await?;
                Ok(Some(reason))
            }
            Err(error) => Err(self.picture_stop(visit, &intent, error).await?),
        }
    }
}

/// Was it a picture of the shop that hung here?
pub(super) fn stood_at(records: &[images::Image], url: &str) -> bool {
    records.iter().any(|record| record.fate.url() == Some(url))
}
