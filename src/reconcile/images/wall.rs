//! What hangs on one product: which of it are the shop's pictures, and which of those are missing.

use std::collections::BTreeMap;

use crate::decide::gallery::Shown;
use crate::mapping::images::Picture;
use crate::platforms::eseries::wire::Medium;
use crate::store::images;

/// What hangs on one product, or is to hang there.
pub(super) struct Wall {
    /// The product, and of a variant its variation.
    pub(super) half: (i64, Option<i64>),
    /// Pictures that are to be shown, in their order.
    pub(super) wanted: Vec<Picture>,
    /// What became of the shop's pictures that were tried before on this product.
    pub(super) records: Vec<images::Image>,
    /// What is shown.
    pub(super) media: Vec<Medium>,
    /// Which picture is where, of those that were uploaded in this visit, where E-Series shows no `externalId`.
    pub(super) named: BTreeMap<String, String>,
    /// `media` is what E-Series answered, and not what it ought to show after what was done.
    pub(super) fresh: bool,
    /// The last picture is not wanted any more, and hangs there until one that is wanted does.
    pub(super) last_one_stays: bool,
    /// Shoppers may be looking at it.
    pub(super) on_offer: bool,
}

impl Wall {
    /// What hangs there, where none of the shop's is to be hung.
    pub(super) fn bare(half: (i64, Option<i64>), media: Vec<Medium>) -> Self {
        Self {
            half,
            wanted: Vec::new(),
            records: Vec::new(),
            media,
            named: BTreeMap::new(),
            fresh: true,
            last_one_stays: false,
            on_offer: true,
        }
    }

    /// Which of the wanted pictures this is: by the `externalId` that it was given, else by where its original is.
    pub(super) fn picture(&self, medium: &Medium) -> Option<usize> {
        let marker = medium.external_id.as_deref();
        let at = |record: &&images::Image| marker.is_none() && record.fate.url() == Some(&medium.url);
        let record = self.records.iter().find(at);
        self.wanted.iter().position(|picture| {
            marker == Some(picture.marker().as_str())
                || record.is_some_and(|record| {
                    (record.r_image_id, &record.public_id) == (picture.r_image_id, &picture.public_id)
                })
        })
    }

    pub(super) fn shown(&self) -> Vec<Shown> {
        let shown = |medium: &Medium| Shown { picture: self.picture(medium), is_main: medium.is_main };
        self.media.iter().map(shown).collect()
    }

    pub(super) fn urls(&self) -> Vec<String> {
        self.media.iter().map(|medium| medium.url.clone()).collect()
    }

    /// What it ought to show after an upload, until it is looked at again.
    pub(super) fn hung(&mut self, marker: &str, as_main: bool) {
        if as_main {
            self.media.retain(|medium| !medium.is_main);
        }
        let is_main = as_main || self.media.is_empty();
        let external_id = Some(marker.to_owned());
        let medium = Medium { is_main, external_id, ..Medium::of_variation("") };
        self.media.insert(if is_main { 0 } else { self.media.len() }, medium);
        self.fresh = false;
    }

    /// Takes what E-Series shows now. Where it shows no `externalId`, what is new there is what was uploaded since the
    /// last look, if it is as many; else it cannot be told, and is none of ours.
    pub(super) fn look(&mut self, mut media: Vec<Medium>) {
        let known = self.urls();
        let hung =
            self.media.iter().filter(|medium| medium.url.is_empty()).filter_map(|it| it.external_id.clone());
        let hung: Vec<String> = hung.collect();
        let new = |medium: &&Medium| medium.external_id.is_none() && !known.contains(&medium.url);
        let new: Vec<String> = media.iter().filter(new).map(|medium| medium.url.clone()).collect();
        if new.len() == hung.len() {
            self.named.extend(new.into_iter().zip(hung));
        }
        for medium in media.iter_mut().filter(|medium| medium.external_id.is_none()) {
            medium.external_id = self.named.get(&medium.url).cloned();
        }
        (self.media, self.fresh) = (media, true);
    }

    pub(super) fn record(&self, picture: &Picture) -> Option<&images::Image> {
        self.records
            .iter()
            .find(|record| (record.r_image_id, &record.public_id) == (picture.r_image_id, &picture.public_id))
    }
}
