//! The calls that bring, order and take away pictures (section 6 of the E-Series reference).

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use serde_json::{Value, json};

use super::access::require;
use super::api::{Payload, Wanted};
use super::fetch;
use super::fields::{Kind, check, wrong};
use super::habits::Habits;
use super::picture::Picture;
use super::product::Product;
use super::refusal::Refusal;
use super::store::{Event, Store};
use crate::clock::{Instant, after};

/// What an asynchronous call has told of, until it is there.
#[derive(Debug)]
pub(super) struct Promise {
    at: Instant,
    /// The picture's.
    number: i64,
    bytes: Bytes,
}

/// Where a picture hangs.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spot {
    Main(i64),
    Gallery(i64),
    Variation(i64, i64),
    Category(i64),
}

impl Store {
    /// Changes a product, or leaves it as it was.
    pub fn edit<T>(
        &mut self,
        id: i64,
        now: Instant,
        change: impl FnOnce(&mut Product, &Habits) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let before = self.product(id)?.clone();
        let mut after = before.clone();
        let done = change(&mut after, &self.config.habits)?;
        self.commit(&before, after, true, now)?;
        Ok(done)
    }

    /// A picture out of bytes, with a number of its own.
    pub fn picture_of(&mut self, bytes: &[u8]) -> Result<Picture, Refusal> {
        let picture = Picture::of(bytes, (&self.cdn, self.next_picture), &self.config.habits)?;
        self.next_picture += 1;
        Ok(picture)
    }

    /// Hangs a picture up. Tells its id: the gallery's where it is there, else the number in its file name.
    pub fn hang(&mut self, spot: Spot, picture: Picture, now: Instant) -> Result<i64, Refusal> {
        let number = picture.number;
        match spot {
            Spot::Main(id) => self.edit(id, now, |product, _| {
                product.pictures.main = Some(picture);
                Ok(number)
            }),
            Spot::Gallery(id) => {
                self.edit(id, now, |product, habits| product.pictures.append(picture, habits))
            }
            Spot::Variation(id, variation) => self.edit(id, now, |product, _| {
                product.variation_mut(variation)?.picture = Some(picture);
                Ok(number)
            }),
            Spot::Category(id) => {
                self.category(id)?;
                if let Some(category) = self.categories.get_mut(&id) {
                    category.picture = Some(picture);
                }
                self.category_happened(id, Event::Updated, now);
                Ok(number)
            }
        }
    }

    /// Takes pictures down: the main one, the whole gallery, a variation's or a category's. Tells how many.
    pub fn take_down(&mut self, spot: Spot, now: Instant) -> Result<usize, Refusal> {
        let there = match spot {
            Spot::Main(id) => usize::from(self.product(id)?.pictures.main.is_some()),
            Spot::Gallery(id) => self.product(id)?.pictures.gallery.len(),
            Spot::Variation(id, variation) => {
                usize::from(self.product(id)?.variation(variation)?.picture.is_some())
            }
            Spot::Category(id) => usize::from(self.category(id)?.picture.is_some()),
        };
        if there == 0 {
            return Ok(0);
        }
        match spot {
            Spot::Main(id) => self.edit(id, now, |product, habits| {
                product.pictures.remove_main(habits);
                Ok(())
            })?,
            Spot::Gallery(id) => self.edit(id, now, |product, _| {
                product.pictures.gallery.clear();
                Ok(())
            })?,
            Spot::Variation(id, variation) => self.edit(id, now, |product, _| {
                product.variation_mut(variation)?.picture = None;
                Ok(())
            })?,
            Spot::Category(id) => {
                if let Some(category) = self.categories.get_mut(&id) {
                    category.picture = None;
                }
                self.category_happened(id, Event::Updated, now);
            }
        }
        Ok(there)
    }

    /// What the CDN serves under this path: whether it goes on with what was taken down or replaced is not known, so it
    /// does not.
    pub fn on_cdn(&self, path: &str) -> Option<Arc<[u8]>> {
        let store_id = self.config.store_id;
        let of_products = self.products.values().flat_map(|product| {
            let of_variations = product.variations.iter().filter_map(|variation| variation.picture.as_ref());
            product.pictures.all().map(|(_, picture)| picture).chain(of_variations)
        });
        let of_categories = self.categories.values().filter_map(|category| category.picture.as_ref());
        let mut all = of_products.chain(of_categories);
        all.find(|picture| picture.is_at(store_id, path))?.bytes.clone()
    }

    /// What asynchronous calls have told of is there when its time has come. What is no picture never is.
    pub fn keep_promises(&mut self, now: Instant) {
        let due = |promise: &Promise| promise.at <= now;
        let (due, later): (Vec<_>, Vec<_>) = std::mem::take(&mut self.promises).into_iter().partition(due);
        self.promises = later;
        let keeps_url = self.config.habits.promised_pictures_keep_their_url;
        for Promise { number, bytes, .. } in due {
            let Ok(read) = Picture::of(&bytes, (&self.cdn, number), &self.config.habits) else { continue };
            let of_products = self.products.values_mut().flat_map(|product| {
                let of_variations = product.variations.iter_mut().filter_map(|it| it.picture.as_mut());
                product.pictures.all_mut().chain(of_variations)
            });
            let of_categories = self.categories.values_mut().filter_map(|category| category.picture.as_mut());
            let mut all = of_products.chain(of_categories);
            // It may have been taken down meanwhile.
            if let Some(picture) = all.find(|picture| picture.number == number) {
                picture.come(read, keeps_url);
            }
        }
    }

    /// Takes one picture out of the gallery.
    pub fn remove_from_gallery(&mut self, id: i64, image: i64, now: Instant) -> Result<(), Refusal> {
        self.edit(id, now, |product, _| {
            let gone = || Refusal::new(404, None, format!("Image #{image} not found"));
            if product.pictures.remove(image) { Ok(()) } else { Err(gone()) }
        })
    }
}

/// The spot that a path below `/products` or `/categories` names, and whether the call is asynchronous.
fn spot(kind: &str, path: &[&str]) -> Result<Option<(Spot, bool)>, Refusal> {
    let id = |text: &str| text.parse::<i64>().map_err(|_| wrong("id"));
    let (path, is_async) = match path {
        [path @ .., "async"] => (path, true),
        path => (path, false),
    };
    let spot = match (kind, path) {
        ("categories", [it, "image"]) => Spot::Category(id(it)?),
        ("products", [it, "image"]) => Spot::Main(id(it)?),
        ("products", [it, "gallery"]) => Spot::Gallery(id(it)?),
        ("products", [it, "combinations", variation, "image"]) => Spot::Variation(id(it)?, id(variation)?),
        _ => return Ok(None),
    };
    Ok(Some((spot, is_async)))
}

/// Answers the calls about pictures; `None` is another kind of call.
pub(super) fn call(
    store: &mut Store,
    scopes: &[String],
    kind: &str,
    path: &[&str],
    wanted: &Wanted,
    now: Instant,
) -> Result<Option<Value>, Refusal> {
    let method = wanted.method.as_str();
    let found = spot(kind, path)?;
    let is_other = matches!((kind, path), ("products", [_, "gallery", _] | [_, "media"]));
    if found.is_none() && !is_other {
        return Ok(None);
    }
    require(scopes, &["update_catalog"])?;
    store.admit_writes(method)?;
    if let Some((Spot::Category(id), _)) = found {
        store.ask_leave(id)?;
    }
    let body = match (found, path, method) {
        (Some((spot, is_async)), _, "POST") => {
            store.check_spot(spot)?;
            let picture = if is_async { promised(store, wanted, now)? } else { uploaded(store, wanted)? };
            json!({"id": store.hang(spot, picture, now)?})
        }
        (Some((spot, false)), _, "DELETE") => {
            if matches!(spot, Spot::Gallery(_)) {
                require(scopes, &["update_catalog_batch_delete"])?;
            }
            json!({"deleteCount": store.take_down(spot, now)?})
        }
        (None, [id, "gallery", image], "DELETE") => {
            let id = id.parse().map_err(|_| wrong("productId"))?;
            let image = image.parse().map_err(|_| wrong("imageId"))?;
            store.product(id)?;
            let deleted = store.remove_from_gallery(id, image, now);
            store.delete_count(deleted)?
        }
        (None, [id, "media"], "PUT") => {
            let id = id.parse().map_err(|_| wrong("productId"))?;
            override_media(store, id, wanted, now)?;
            json!({"updateCount": 1})
        }
        _ => return Err(Refusal::method_not_allowed()),
    };
    Ok(Some(body))
}

impl Store {
    fn check_spot(&self, spot: Spot) -> Result<(), Refusal> {
        match spot {
            Spot::Main(id) | Spot::Gallery(id) => self.product(id).map(|_| ()),
            Spot::Variation(id, variation) => self.product(id)?.variation(variation).map(|_| ()),
            Spot::Category(id) => self.category(id).map(|_| ()),
        }
    }
}

/// The synchronous form: bytes, or the address of some, which wins over the body (section 6.2).
fn uploaded(store: &mut Store, wanted: &Wanted) -> Result<Picture, Refusal> {
    let mut picture = match (wanted.query.text("externalUrl"), &wanted.payload) {
        (Some(url), _) => fetched(store, url, wanted)?,
        (None, Payload::Foreign { kind, bytes }) => {
            if kind != "application/octet-stream" && !kind.starts_with("image/") {
                return Err(Refusal::new(415, None, "Unsupported media type"));
            }
            store.picture_of(bytes)?
        }
        (None, _) => store.picture_of(&[])?,
    };
    let external_id = wanted.query.text("externalId").filter(|_| store.config.habits.external_ids_are_shown);
    picture.external_id = external_id.map(str::to_owned);
    Ok(picture)
}

/// What was fetched from `url` before the call began; a URL that cannot be used, or does not answer, is 422.
fn fetched(store: &mut Store, url: &str, wanted: &Wanted) -> Result<Picture, Refusal> {
    let unusable = || Refusal::new(422, "WRONG_URL", format!("Can't load an image from '{url}'"));
    if !fetch::is_usable(url, store.config.habits.external_urls_need_https) {
        return Err(unusable());
    }
    if !store.config.habits.external_urls_are_fetched {
        store.next_picture += 1;
        return Ok(Picture::promised(url, (&store.cdn, store.next_picture - 1), 1, 1));
    }
    let bytes = wanted.fetched.get(url).cloned().flatten().ok_or_else(unusable)?;
    store.picture_of(&bytes)
}

/// The asynchronous form: it is taken at its word, and shows the given URL (section 6.2). What cannot be fetched
/// stays as it was promised, and so does the rest until its time has come.
fn promised(store: &mut Store, wanted: &Wanted, now: Instant) -> Result<Picture, Refusal> {
    let body = wanted.object()?;
    let url = body.get("url").and_then(Value::as_str).unwrap_or_default();
    if !fetch::is_usable(url, false) {
        return Err(Refusal::new(422, "WRONG_URL", format!("Wrong URL '{url}'")));
    }
    // Numbers, or numbers as strings.
    let size = |name: &str| {
        let it = body.get(name).ok_or_else(|| wrong(name))?;
        let it = it.as_u64().or_else(|| it.as_str()?.parse().ok());
        it.filter(|it| *it > 0).ok_or_else(|| wrong(name))
    };
    let (width, height) = (size("width")?, size("height")?);
    let number = store.next_picture;
    store.next_picture += 1;
    let mut picture = Picture::promised(url, (&store.cdn, number), width, height);
    let takes = store.config.habits.promised_pictures_take_seconds;
    if let Some((bytes, seconds)) = wanted.fetched.get(url).cloned().flatten().zip(takes) {
        let at = after(now, Duration::from_secs(seconds.into()));
        store.promises.push(Promise { at, number, bytes });
    }
    let external_id = body.get("externalId").and_then(Value::as_str);
    picture.external_id =
        external_id.filter(|_| store.config.habits.external_ids_are_shown).map(str::to_owned);
    if let Some(alt) = body.get("alt").filter(|alt| !alt.is_null()) {
        check(alt, Kind::Object, "alt", &store.config.habits)?;
        picture.alt = Some(alt.clone());
    }
    Ok(picture)
}

/// `PUT /products/{id}/media`: overrides all. A missing `galleryMedia` deletes the gallery, an empty `mainMedia`
/// changes nothing (section 6.1).
fn override_media(store: &mut Store, id: i64, wanted: &Wanted, now: Instant) -> Result<(), Refusal> {
    let body = wanted.object()?;
    let known = store.product(id)?.pictures.clone();
    let store_id = store.config.store_id;
    let mut picture = |medium: &Value| {
        if medium.get("videoUrl").is_some_and(|it| !it.is_null()) {
            return Err(Refusal::new(422, "VIDEO_NOT_SUPPORTED", "Videos are not supported"));
        }
        let url = medium.get("imageUrl").and_then(Value::as_str).ok_or_else(|| wrong("imageUrl"))?;
        // One of its own pictures stays what it is.
        match known.all().find(|(_, it)| it.original_url(store_id) == url) {
            Some((_, own)) => Ok(own.clone()),
            None => fetched(store, url, wanted),
        }
    };
    let main = body.get("mainMedia").filter(|it| it.as_object().is_some_and(|it| !it.is_empty()));
    let main = main.map(&mut picture).transpose()?;
    let gallery = match body.get("galleryMedia") {
        None | Some(Value::Null) => Vec::new(),
        Some(list) => {
            let list = list.as_array().ok_or_else(|| wrong("galleryMedia"))?;
            list.iter().map(&mut picture).collect::<Result<Vec<_>, _>>()?
        }
    };
    store.edit(id, now, |product, habits| {
        if main.is_some() {
            product.pictures.main = main;
        }
        product.pictures.gallery.clear();
        gallery.into_iter().try_for_each(|it| product.pictures.append(it, habits).map(|_| ()))
    })
}
