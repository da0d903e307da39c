//! Pictures: what merchants hang and take down on both sides, and what must come of it. Read directly from both
//! platforms.

use std::collections::{BTreeMap, BTreeSet};

use concord::catalog::Side;
use concord::sandbox::picture;
use concord::sandbox::rseries::ImageOwner;
use rand::Rng;
use rand_chacha::ChaCha12Rng;
use serde_json::Value;

use super::script::{Setting, side};
use super::storm::Storm;
use crate::support::World;

/// Something that a merchant does with the pictures of an item or a matrix, by its number; pictures by theirs.
#[derive(Debug, Clone, PartialEq)]
pub enum Hang {
    Add(Side, usize, u32),
    Replace(usize, usize),
    Turn(Side, usize),
    Remove(Side, usize, usize),
    /// The main picture on the web, or the picture of a variation.
    Main(usize, u32),
}

impl Hang {
    pub fn drawn(dice: &mut ChaCha12Rng, number: u32) -> Self {
        // The web's merchant less often: what he has touched is judged only after another change in the shop.
        let side = if dice.random_bool(0.6) { Side::RSeries } else { side(dice) };
        let (owner, at) = (dice.random_range(0..8), dice.random_range(0..4));
        match dice.random_range(0..12) {
            0..5 => Self::Add(side, owner, number),
            5 | 6 => Self::Replace(owner, at),
            7 | 8 => Self::Turn(side, owner),
            9 | 10 => Self::Remove(side, owner, at),
            _ => Self::Main(owner, number),
        }
    }
}

/// Whose pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    Item(i64),
    Matrix(i64),
}

impl From<Owner> for ImageOwner {
    fn from(owner: Owner) -> Self {
        match owner {
            Owner::Item(id) => Self::Item(id),
            Owner::Matrix(id) => Self::Matrix(id),
        }
    }
}

/// What is remembered of pictures.
#[derive(Debug, Default)]
pub struct Walls {
    /// Whose pictures somebody has changed on the web.
    meddled: BTreeSet<Owner>,
    /// Products of such as are no more.
    left: BTreeSet<i64>,
}

/// Most that a merchant hangs of one thing here.
pub(super) const MOST: usize = 4;

impl Storm {
    pub(super) fn hang_first(world: &World, setting: &Setting) {
        if setting.walls {
            let r = &world.stage.r;
            let first = r.items()[0].item_id;
            for owner in [ImageOwner::Item(first), ImageOwner::Item(first)] {
                r.add_image(owner, "", None);
            }
            for matrix in r.matrices() {
                r.add_image(ImageOwner::Matrix(matrix.matrix_id), "", None);
                r.add_image(ImageOwner::Item(matrix.variants[0].0), "", None);
            }
        }
    }

    fn owners(&self) -> Vec<Owner> {
        let matrices = self.whole.keys().map(|id| Owner::Matrix(*id));
        self.items.iter().map(|id| Owner::Item(*id)).chain(matrices).collect()
    }

    pub(super) fn in_shop(&self, owner: Owner) -> Vec<i64> {
        let images = self.world.stage.r.raw_images(owner.into());
        images.iter().map(|image| image["imageID"].as_str().unwrap().parse().unwrap()).collect()
    }

    /// The product, and the variation, that shows these pictures.
    fn wall_of(&self, owner: Owner) -> Option<(i64, Option<i64>)> {
        match owner {
            Owner::Item(id) => self.world.goods(id).map(|goods| (goods.product, goods.variation)),
            Owner::Matrix(id) => self.world.product_of_matrix(id).map(|product| (product, None)),
        }
    }

    /// It is about to be no more.
    pub(super) fn forget_wall(&mut self, owner: Owner) {
        if self.walls.meddled.remove(&owner) {
            let product = self.wall_of(owner).map(|wall| wall.0);
            self.walls.left.extend(product);
        }
    }

    pub fn hang(&mut self, deed: &Hang) {
        if !self.setting.walls {
            return;
        }
        let owners = self.owners();
        let (Hang::Add(_, at, _)
        | Hang::Replace(at, _)
        | Hang::Turn(_, at)
        | Hang::Remove(_, at, _)
        | Hang::Main(at, _)) = deed;
        let owner = owners[at % owners.len()];
        let mut images = self.in_shop(owner);
        let r = &self.world.stage.r;
        let of = |at: usize| (!images.is_empty()).then(|| images[at % images.len()]);
        match deed {
            Hang::Add(Side::RSeries, ..) if images.len() < MOST => drop(r.add_image(owner.into(), "", None)),
            Hang::Replace(_, at) => drop(of(*at).map(|image| r.replace_image(image, None))),
            Hang::Remove(Side::RSeries, _, at) => drop(of(*at).map(|image| r.remove_image(image))),
            Hang::Turn(Side::RSeries, _) if images.len() > 1 => {
                images.rotate_left(1);
                r.reorder_images(&images);
            }
            Hang::Add(Side::RSeries, ..) | Hang::Turn(Side::RSeries, _) => {}
            online => self.hang_online(owner, online),
        }
    }

    fn hang_online(&mut self, owner: Owner, deed: &Hang) {
        let Some((product, variation)) = self.wall_of(owner) else { return };
        let e = &self.world.stage.e;
        let bytes = |number: &u32| picture::png(&format!("online {number}"));
        let places: Vec<i64> = e
            .pictures(product)
            .iter()
            .filter_map(|it| it.place.strip_prefix("gallery ")?.parse().ok())
            .collect();
        match (deed, variation) {
            (Hang::Add(_, _, number) | Hang::Main(_, number), Some(variation)) => {
                e.set_variation_picture(product, variation, &bytes(number)).unwrap();
            }
            (Hang::Remove(..), Some(variation)) => drop(e.remove_variation_picture(product, variation)),
            (Hang::Add(_, _, number), None) if places.len() < 2 * MOST => {
                e.add_gallery_picture(product, &bytes(number)).unwrap();
            }
            (Hang::Main(_, number), None) => drop(e.set_picture(product, &bytes(number)).unwrap()),
            (Hang::Remove(_, _, at), None) if !places.is_empty() => {
                e.remove_gallery_picture(product, places[at % places.len()]);
            }
            (Hang::Remove(..), None) => drop(e.remove_picture(product)),
            (Hang::Turn(..), None) if !places.is_empty() => {
                let order: Vec<i64> = places.iter().copied().rev().chain([0]).collect();
                e.arrange_pictures(product, &order);
            }
            _ => return,
        }
        self.walls.meddled.insert(owner);
    }

    /// What somebody has done on the web stays until the shop's pictures change again: so they do.
    pub fn touch_walls(&self) {
        let r = &self.world.stage.r;
        for owner in &self.walls.meddled {
            // Of an item in a matrix only the first counts.
            let first = self.in_shop(*owner).first().copied();
            let variant = matches!(owner, Owner::Item(id) if r.item(*id).unwrap().matrix_id != 0);
            match first.filter(|_| variant) {
                Some(first) => drop(r.replace_image(first, None)),
                None => drop(r.add_image((*owner).into(), "", None)),
            }
        }
    }

    /// Each product shows the shop's pictures in their order, and each was uploaded once.
    pub async fn judge_walls(&self) {
        if !self.setting.walls && !self.setting.captions {
            return;
        }
        for owner in self.owners() {
            let Some((product, variation)) = self.wall_of(owner) else { continue };
            let mut images = self.in_shop(owner);
            if let (Owner::Item(id), true, Some(_)) = (owner, images.is_empty(), variation) {
                images.extend(self.captioned(id));
            }
            let most = if variation.is_some() { 1 } else { 12 };
            let wanted = self.world.of_shop(&images[..images.len().min(most)]);
            let pictures = self.world.stage.e.pictures(product);
            let place = variation.map(|id| format!("variation {id}"));
            let mine = |at: &str| place.as_ref().map_or(!at.starts_with("variation"), |place| place == at);
            let shown = pictures.iter().filter(|picture| mine(&picture.place));
            let shown: Vec<String> =
                shown.map(|picture| picture.sha256.clone().unwrap_or_default()).collect();
            if shown != wanted {
                let id = match owner {
                    Owner::Item(id) => id,
                    Owner::Matrix(id) => self.world.stage.r.matrix(id).unwrap().variants[0].0,
                };
                panic!(
                    "{owner:?} shows {shown:?} instead of {wanted:?}: {pictures:#?}\n{}",
                    self.story(id).await
                );
            }
            if variation.is_none()
                && let Some(first) = pictures.iter().find(|picture| mine(&picture.place))
            {
                assert_eq!(first.place, "main", "{owner:?}: {pictures:#?}");
            }
        }
        self.judge_uploads();
    }

    /// No picture was taken twice by a product that nobody has meddled with.
    fn judge_uploads(&self) {
        let meddled = self.walls.meddled.iter().filter_map(|owner| Some(self.wall_of(*owner)?.0));
        let meddled = meddled.chain(self.walls.left.iter().copied());
        let meddled: BTreeSet<String> = meddled.map(|product| format!("/products/{product}/")).collect();
        let mut taken: BTreeMap<(String, String), usize> = BTreeMap::new();
        for call in self.world.stage.e.calls() {
            let (false, Some(id)) = (call.path.contains("/combinations/"), external_id(&call.query)) else {
                continue;
            };
            if call.method == "POST" && call.status == 200 && !meddled.iter().any(|it| call.path.contains(it))
            {
                let product = call.path.split("/products/").nth(1).unwrap_or_default();
                let product = product.split('/').next().unwrap_or_default().to_owned();
                *taken.entry((product, id)).or_default() += 1;
            }
        }
        let twice: Vec<_> = taken.iter().filter(|(_, times)| **times > 1).collect();
        assert!(twice.is_empty(), "uploaded more than once: {twice:?}");
    }
}

fn external_id(query: &str) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "externalId").map(|(_, id)| Value::from(id.into_owned()).to_string())
}
