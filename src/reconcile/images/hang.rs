//! One call about a picture: the intent before, the result after, and the settling of an answer that was lost.

use serde_json::{Value as Json, json};

use super::Wall;
use crate::catalog::{Field, Hold, Side};
use crate::clock::after;
use crate::ledger::{Detail, Entry, Kind, Outcome, PictureAct};
use crate::mapping::images::Picture;
use crate::platforms::CallError;
use crate::platforms::eseries::images::{Source, Spot};
use crate::platforms::eseries::wire::Medium;
use crate::platforms::pictures::NoPicture;
use crate::reconcile::carry::written;
use crate::reconcile::{Corridor, SEND_WITHIN, SETTLE, Stop, Visit};
use crate::store::images::{self, Fate, UNREACHABLE};
use crate::store::{self, dirty, links};

/// What E-Series answered to an upload that it understood.
enum Answer {
    Hung,
    /// It could not read the address: the bytes may be taken.
    Unread,
    Refused(Hold),
}

impl Corridor {
    /// Uploads a picture of the shop: by its address where E-Series can read it, at once or, while nobody looks, later;
    /// else its bytes. False when this one cannot be had or is not taken: it is parked with the reason, and the product
    /// goes on.
    pub(super) async fn hang(
        &self,
        visit: &mut Visit<'_>,
        wall: &Wall,
        spot: Spot,
        (place, picture): (usize, &Picture),
        replaced: Option<&Medium>,
    ) -> Result<bool, Stop> {
        if let Some(replaced) = replaced {
            self.keep_before(visit, wall, replaced).await?;
        }
        let host = visit.account.pictures.clone();
        let address = match host.own(&picture.address) {
            Ok(address) => address,
            Err(error) => return self.refuse(visit, wall, picture, no_picture(&error)).await,
        };
        let missed = wall.record(picture).is_some_and(|record| record.fate == Fate::Missed);
        let (mut promise_refused, mut unread) = (false, false);
        if host.is_public() && !missed {
            let size = if host.is_prompt() && !wall.on_offer { host.size(&address).await } else { None };
            let promise = size.map(|size| Source::Promise(address.as_str(), size));
            for source in promise.into_iter().chain([Source::Address(address.as_str())]) {
                match self.upload(visit, wall, spot, (place, picture), replaced, source).await? {
                    Answer::Hung => {
                        if promise_refused {
                            host.not_prompt();
                        }
                        return Ok(true);
                    }
                    Answer::Refused(hold) => return self.refuse(visit, wall, picture, hold).await,
                    Answer::Unread if matches!(source, Source::Promise(..)) => promise_refused = true,
                    Answer::Unread => unread = true,
                }
            }
        }
        let bytes = match host.fetch(&address).await {
            Ok(bytes) => bytes,
            Err(error) => return self.refuse(visit, wall, picture, no_picture(&error)).await,
        };
        match self.upload(visit, wall, spot, (place, picture), replaced, Source::Bytes(&bytes)).await? {
            Answer::Hung => {
                if unread {
                    host.hide();
                }
                if missed {
                    host.not_prompt();
                }
                Ok(true)
            }
            Answer::Refused(hold) => self.refuse(visit, wall, picture, hold).await,
            Answer::Unread => {
                let why = "E-Series does not take it.".to_owned();
                self.refuse(visit, wall, picture, Hold { code: "picture_refused".into(), reason: why }).await
            }
        }
    }

    /// One upload.
    async fn upload(
        &self,
        visit: &mut Visit<'_>,
        wall: &Wall,
        spot: Spot,
        (place, picture): (usize, &Picture),
        replaced: Option<&Medium>,
        source: Source<'_>,
    ) -> Result<Answer, Stop> {
        let act = PictureAct::Hang {
            r_image_id: picture.r_image_id,
            public_id: picture.public_id.clone(),
            external_id: picture.marker(),
            shown: wall.urls(),
            promised: matches!(source, Source::Promise(..)),
        };
        let mut intent = self.picture_intent(visit, wall.half, act);
        intent.before = replaced.map(|medium| told(0, medium));
        let way = match source {
            Source::Address(_) => "address",
            Source::Promise(..) => "promise",
            Source::Bytes(_) => "bytes",
        };
        intent.after = Some(json!({"r_image_id": picture.r_image_id, "public_id": picture.public_id,
            "place": place, "sent_as": way}));
        self.intend(visit, std::slice::from_ref(&intent)).await?;
        let by = after(intent.at, SEND_WITHIN);
        match visit.account.e.hang_picture(spot, source, &picture.marker(), by).await {
            Ok(()) => {
                let fate = match source {
                    Source::Promise(..) => Fate::Promised(None),
                    Source::Address(_) | Source::Bytes(_) => Fate::Online(None),
                };
                self.close_picture(visit, &intent, Outcome::Landed, Some((picture, fate))).await?;
                written(Side::ESeries, "picture");
                Ok(Answer::Hung)
            }
            Err(CallError::Refused { status, code, why }) => {
                self.close(visit, &intent, Outcome::Refused).await?;
                Ok(judge(!matches!(source, Source::Bytes(_)), status, code.as_deref(), &why))
            }
            Err(error) => Err(self.picture_stop(visit, &intent, error).await?),
        }
    }

    /// Puts the pictures of a product in this order.
    pub(super) async fn arrange(
        &self,
        visit: &mut Visit<'_>,
        wall: &mut Wall,
        media: &[Medium],
    ) -> Result<(), Stop> {
        let order: Vec<String> = media.iter().map(|medium| medium.url.clone()).collect();
        let mut intent = self.picture_intent(visit, wall.half, PictureAct::Arrange(order.clone()));
        intent.before = Some(json!(wall.urls()));
        intent.after = Some(json!(order));
        self.intend(visit, std::slice::from_ref(&intent)).await?;
        let by = after(intent.at, SEND_WITHIN);
        match visit.account.e.arrange_pictures(wall.half.0, media, by).await {
            Ok(()) => {
                self.close(visit, &intent, Outcome::Landed).await?;
                written(Side::ESeries, "picture");
            }
            // The pictures are there, in another order: no reason to hold anything back.
            Err(CallError::Refused { why, .. }) => {
                self.close(visit, &intent, Outcome::Refused).await?;
                let hold = Hold::new(
                    "picture_order",
                    format!("E-Series does not take the order of the pictures: {why}"),
                );
                self.tell_of_picture(visit, &hold).await?;
            }
            Err(error) => return Err(self.picture_stop(visit, &intent, error).await?),
        }
        self.look_again(visit, wall).await
    }

    /// Takes a picture down; what it was is kept in the ledger before. False when E-Series will not.
    pub(super) async fn take_down(
        &self,
        visit: &mut Visit<'_>,
        wall: &Wall,
        act: PictureAct,
        (place, medium): (usize, &Medium),
    ) -> Result<bool, Stop> {
        self.keep_before(visit, wall, medium).await?;
        let mut intent = self.picture_intent(visit, wall.half, act);
        intent.before = Some(told(place, medium));
        self.intend(visit, std::slice::from_ref(&intent)).await?;
        let by = after(intent.at, SEND_WITHIN);
        let e = &visit.account.e;
        let done = match wall.half {
            (product, Some(variation)) => e.remove_variation_picture(product, variation, by).await,
            (product, None) => e.remove_picture(product, medium, by).await,
        };
        match done {
            // One that is gone already is what was wanted.
            Ok(()) | Err(CallError::Gone { .. }) => {
                self.close(visit, &intent, Outcome::Landed).await?;
                written(Side::ESeries, "picture");
                Ok(true)
            }
            Err(CallError::Refused { why, .. }) => {
                self.close(visit, &intent, Outcome::Refused).await?;
                let reason = format!("E-Series does not take down a picture that is to go: {why}");
                self.tell_of_picture(visit, &Hold::new("picture_stays", reason)).await?;
                Ok(false)
            }
            Err(error) => Err(self.picture_stop(visit, &intent, error).await?),
        }
    }

    /// A call about a picture that is about to be made.
    pub(super) fn picture_intent(
        &self,
        visit: &Visit<'_>,
        (product_id, combination_id): (i64, Option<i64>),
        act: PictureAct,
    ) -> Entry {
        let detail = Detail::Picture { product_id, combination_id, act };
        let mut intent = self.intent(visit, Kind::Write, Side::ESeries, &detail);
        intent.field = Some(Field::Images);
        intent
    }

    /// Why a visit stops after a call that did not succeed; the intent stays open only where the outcome is unclear.
    pub(super) async fn picture_stop(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        error: CallError,
    ) -> Result<Stop, Stop> {
        match error {
            CallError::Unclear { .. } => {}
            CallError::Refused { .. } => self.close(visit, intent, Outcome::Refused).await?,
            _ => self.close(visit, intent, Outcome::NotLanded).await?,
        }
        Ok(self.stop(Side::ESeries, error))
    }

    /// Parks one picture with its reason.
    async fn refuse(
        &self,
        visit: &mut Visit<'_>,
        wall: &Wall,
        picture: &Picture,
        hold: Hold,
    ) -> Result<bool, Stop> {
        let now = self.clock.now();
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let reason = format!("Picture {} of the shop is not online: {}", picture.r_image_id, hold.reason);
        let image = images::Image {
            r_image_id: picture.r_image_id,
            public_id: picture.public_id.clone(),
            e_half: wall.half,
            fate: Fate::Refused { code: hold.code.clone(), reason: reason.clone() },
            at: now,
        };
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        images::put(&mut db, connection, product, &image).await?;
        self.tell_hold(&mut db, visit, Field::Images, &Hold { reason, ..hold }).await?;
        db.commit().await?;
        metrics::counter!("concord_pictures_parked_total").increment(1);
        Ok(false)
    }

    /// Says in the ledger what could not be done about a picture.
    pub(super) async fn tell_of_picture(&self, visit: &Visit<'_>, hold: &Hold) -> Result<(), Stop> {
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, self.clock.now()).await?;
        self.tell_hold(&mut db, visit, Field::Images, hold).await?;
        db.commit().await?;
        Ok(())
    }

    /// Closes a call about a picture, together with what became of the picture.
    pub(super) async fn close_picture(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        outcome: Outcome,
        fate: Option<(&Picture, Fate)>,
    ) -> Result<(), Stop> {
        let now = self.clock.now();
        let (connection, product) = (visit.link.connection_id, visit.link.product_id);
        let half = match intent.recovery() {
            Some(Detail::Picture { product_id, combination_id, .. }) => Some((product_id, combination_id)),
            _ => None,
        };
        let mut db = self.store.begin().await?;
        dirty::fence(&mut db, &visit.claim, now).await?;
        store::ledger::close(&mut db, connection, intent.entry_id, outcome, now).await?;
        if let (Some((picture, fate)), Some(e_half)) = (fate, half) {
            let (r_image_id, public_id) = picture.key();
            let image = images::Image { r_image_id, public_id, e_half, fate, at: now };
            images::put(&mut db, connection, product, &image).await?;
        }
        links::save(&mut db, &visit.link, now).await?;
        db.commit().await?;
        Ok(())
    }

    /// A call about a picture whose answer was lost: by looking. An upload is known by its `externalId`; on a
    /// variation, which shows none, by another picture being there than before. Where E-Series shows no `externalId`
    /// on a product, it cannot be told: the picture is uploaded again, and one that came twice is none of those that
    /// are wanted, so it is taken down.
    pub(in crate::reconcile) async fn observe_picture(
        &self,
        visit: &mut Visit<'_>,
        intent: &Entry,
        (product_id, combination_id): (i64, Option<i64>),
        act: &PictureAct,
    ) -> Result<(), Stop> {
        let gallery = match visit.account.e.gallery(product_id).await {
            Ok(gallery) => gallery,
            Err(CallError::Gone { .. }) => return self.close(visit, intent, Outcome::Superseded).await,
            Err(error) => return Err(self.stop(Side::ESeries, error)),
        };
        let of_variation = combination_id.and_then(|id| gallery.variations.get(&id)).map(|it| &it.url);
        let mut fate = None;
        let landed = match (act, combination_id) {
            (PictureAct::Hang { r_image_id, public_id, external_id, shown, promised }, _) => {
                let marked =
                    gallery.media.iter().find(|medium| medium.external_id.as_ref() == Some(external_id));
                let there = match combination_id {
                    None => marked.map(|medium| &medium.url),
                    Some(_) => of_variation.filter(|url| !shown.contains(*url)),
                };
                let picture =
                    Picture { r_image_id: *r_image_id, public_id: public_id.clone(), address: String::new() };
                // One that existed online alone is not the shop's.
                let ours = (*r_image_id != 0).then_some(picture);
                let kind = if *promised { Fate::Promised } else { Fate::Online };
                fate = ours.filter(|_| there.is_some()).map(|picture| (picture, kind(there.cloned())));
                there.is_some()
            }
            (PictureAct::Arrange(order), _) => {
                gallery.media.iter().map(|medium| &medium.url).eq(order.iter())
            }
            (PictureAct::Remove(url), None) => gallery.media.iter().all(|medium| medium.url != *url),
            (PictureAct::Remove(url), Some(_)) => of_variation != Some(url),
        };
        if !landed {
            self.give_time(intent, SETTLE)?;
            return self.close(visit, intent, Outcome::NotLanded).await;
        }
        let fate = fate.as_ref().map(|(picture, fate)| (picture, fate.clone()));
        self.close_picture(visit, intent, Outcome::Landed, fate).await
    }
}

/// A picture as the ledger keeps it: enough to put it back by hand while its address lasts.
fn told(place: usize, medium: &Medium) -> Json {
    json!({"url": medium.url, "place": place, "alt": medium.alt, "external_id": medium.external_id})
}

fn no_picture(error: &NoPicture) -> Hold {
    let code = match error {
        NoPicture::ForeignHost => "picture_foreign_host",
        NoPicture::Missing(_) | NoPicture::Unreachable(_) => UNREACHABLE,
        NoPicture::TooLarge => "picture_too_large",
    };
    Hold::new(code, format!("{error}."))
}

/// What a refusal means (e-series-api.md, sections 2.2 and 6.2).
fn judge(by_address: bool, status: u16, code: Option<&str>, why: &str) -> Answer {
    match (status, code) {
        (_, Some("INCORRECT_IMAGE_SIZE")) | (413, _) => Answer::Refused(Hold::new(
            "picture_too_large",
            format!(
                "it has more than 20 MB, which is the most that E-Series takes ({why}). Upload a smaller one."
            ),
        )),
        _ if by_address => Answer::Unread,
        (422, _) => Answer::Refused(Hold::new(
            "picture_no_image",
            format!("E-Series does not take it for an image ({why}). Upload it in the shop as JPG or PNG."),
        )),
        _ => Answer::Refused(Hold::new("picture_refused", format!("E-Series does not take it: {why}."))),
    }
}
