//! Pictures: what counts as one, the gallery whose ids move, and both read shapes (section 6 of the E-Series
//! reference).

use std::sync::Arc;

use bytes_of::{dimensions, format};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::fields::wrong;
use super::habits::Habits;
use super::refusal::Refusal;

/// The longer sides of the copies that are made of a picture (sections 4.2 and 6.3). They are the picture itself here.
const COPIES: [u32; 5] = [160, 400, 800, 1200, 1500];

/// One picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Picture {
    /// The number at the end of its CDN file name, new with each upload.
    pub number: i64,
    extension: &'static str,
    /// The URL it was given by an asynchronous call; shown in place of the CDN's.
    given_url: Option<String>,
    /// Where the CDN is.
    host: Arc<str>,
    /// What the CDN serves; `None` until what an asynchronous call has told of is there.
    pub bytes: Option<Arc<[u8]>>,
    /// Of the bytes as they came.
    pub sha256: Option<String>,
    pub size: usize,
    pub width: u64,
    pub height: u64,
    pub external_id: Option<String>,
    /// `{main, translated}`, as sent.
    pub alt: Option<Value>,
}

impl Picture {
    /// A picture out of bytes: too large is 400, not an image 422 (section 6.2).
    pub fn of(bytes: &[u8], (host, number): (&Arc<str>, i64), habits: &Habits) -> Result<Self, Refusal> {
        if bytes.len() > habits.largest_image_bytes {
            // 413 in the older docs.
            let status = if habits.large_images_answer_413 { 413 } else { 400 };
            return Err(Refusal::new(status, "INCORRECT_IMAGE_SIZE", "The image is too large"));
        }
        let format = format(bytes).filter(|format| *format != "webp" || habits.webp_is_an_image);
        let extension = format.ok_or_else(|| Refusal::new(422, None, "The uploaded file is not an image"))?;
        let (width, height) = dimensions(bytes, extension).unwrap_or((1, 1));
        Ok(Self {
            number,
            extension,
            given_url: None,
            host: host.clone(),
            bytes: Some(bytes.into()),
            sha256: Some(hex::encode(Sha256::digest(bytes))),
            size: bytes.len(),
            width,
            height,
            external_id: None,
            alt: None,
        })
    }

    /// What was promised has been read. Its size stays as it was told.
    pub fn come(&mut self, read: Self, keeps_its_url: bool) {
        let Self { extension, bytes, sha256, size, .. } = read;
        (self.extension, self.bytes, self.sha256, self.size) = (extension, bytes, sha256, size);
        self.given_url = self.given_url.take().filter(|_| keeps_its_url);
    }

    /// A picture that an asynchronous call has only given the address of.
    pub fn promised(url: &str, (host, number): (&Arc<str>, i64), width: u64, height: u64) -> Self {
        Self {
            number,
            extension: "jpg",
            given_url: Some(url.to_owned()),
            host: host.clone(),
            bytes: None,
            sha256: None,
            size: 0,
            width,
            height,
            external_id: None,
            alt: None,
        }
    }

    /// Where the original is read from.
    pub fn original_url(&self, store_id: i64) -> String {
        let own = || format!("{}{}", self.host, self.path(store_id));
        self.given_url.clone().unwrap_or_else(own)
    }

    /// What the CDN knows it by.
    fn path(&self, store_id: i64) -> String {
        let Self { number, extension, .. } = self;
        format!("/images/{store_id}/{number}.{extension}")
    }

    fn sized_path(&self, store_id: i64, pixels: u32) -> String {
        let Self { number, extension, .. } = self;
        format!("/images/{store_id}/{number}-{pixels}.{extension}")
    }

    fn sized(&self, store_id: i64, pixels: u32) -> String {
        format!("{}{}", self.host, self.sized_path(store_id, pixels))
    }

    /// Does the CDN know it, or a copy of it, by this path?
    pub fn is_at(&self, store_id: i64, path: &str) -> bool {
        let mut copies = COPIES.into_iter().map(|pixels| self.sized_path(store_id, pixels));
        self.path(store_id) == path || copies.any(|copy| copy == path)
    }

    /// The URL fields of a product's main picture, of a variation and of a category.
    pub fn put_urls(&self, store_id: i64, record: &mut Map<String, Value>) {
        let mut put = |name: &str, value: Value| {
            record.insert(name.to_owned(), value);
        };
        put("thumbnailUrl", self.sized(store_id, 400).into());
        put("imageUrl", self.sized(store_id, 1200).into());
        put("smallThumbnailUrl", self.sized(store_id, 160).into());
        put("hdThumbnailUrl", self.sized(store_id, 800).into());
        put("originalImageUrl", self.original_url(store_id).into());
    }

    /// `{url, width, height}`.
    pub fn original(&self, store_id: i64) -> Value {
        json!({"url": self.original_url(store_id), "width": self.width, "height": self.height})
    }

    fn medium(&self, store_id: i64, id: i64, place: usize) -> Value {
        let mut record = json!({
            "id": id.to_string(), "isMain": id == 0, "orderBy": place,
            "image160pxUrl": self.sized(store_id, 160), "image400pxUrl": self.sized(store_id, 400),
            "image800pxUrl": self.sized(store_id, 800), "image1500pxUrl": self.sized(store_id, 1500),
            "imageOriginalUrl": self.original_url(store_id),
            "alt": self.alt.clone().unwrap_or_else(no_alt),
        });
        if let (Some(id), Some(record)) = (&self.external_id, record.as_object_mut()) {
            record.insert("externalId".to_owned(), id.as_str().into());
        }
        record
    }

    fn gallery_image(&self, store_id: i64, id: i64, place: usize) -> Value {
        let mut record = Map::new();
        self.put_urls(store_id, &mut record);
        let more = [
            ("id", id.into()),
            ("url", self.sized(store_id, 1200).into()),
            ("thumbnail", self.sized(store_id, 160).into()),
            ("width", self.width.into()),
            ("height", self.height.into()),
            ("orderBy", place.into()),
        ];
        record.extend(more.map(|(name, value): (&str, Value)| (name.to_owned(), value)));
        if let Some(alt) = &self.alt {
            record.insert("alt".to_owned(), alt.clone());
        }
        Value::Object(record)
    }

    /// What a test asks of it.
    pub fn view(&self, store_id: i64, place: String) -> super::PictureView {
        super::PictureView {
            place,
            number: self.number,
            sha256: self.sha256.clone(),
            size: self.size,
            url: self.original_url(store_id),
            external_id: self.external_id.clone(),
            alt: self.alt.clone(),
        }
    }
}

/// What is shown where there is no alt text.
fn no_alt() -> Value {
    json!({"main": "", "translated": {}})
}

/// The pictures of one product.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Pictures {
    pub main: Option<Picture>,
    /// In their order, each with its id: a small number that is no lasting identity.
    pub gallery: Vec<(i64, Picture)>,
}

impl Pictures {
    /// The smallest number that no picture of the gallery has.
    fn free(&self) -> i64 {
        let is_free = |id: &i64| self.gallery.iter().all(|(other, _)| other != id);
        (1..i64::MAX).find(is_free).unwrap_or(i64::MAX)
    }

    /// Appends to the gallery and tells the id. Without a main picture the first one may become it, with id 0.
    pub fn append(&mut self, picture: Picture, habits: &Habits) -> Result<i64, Refusal> {
        if self.main.is_none() && self.gallery.is_empty() && habits.first_gallery_image_becomes_main {
            self.main = Some(picture);
            return Ok(0);
        }
        if habits.most_gallery_images.is_some_and(|most| self.gallery.len() >= most) {
            return Err(Refusal::wrong_parameter("The gallery is full"));
        }
        let id = self.free();
        self.gallery.push((id, picture));
        Ok(id)
    }

    /// Takes the main picture away.
    pub fn remove_main(&mut self, habits: &Habits) -> bool {
        let removed = self.main.take().is_some();
        if removed && habits.gallery_fills_empty_main && !self.gallery.is_empty() {
            self.main = Some(self.gallery.remove(0).1);
        }
        removed
    }

    /// Takes one picture of the gallery away.
    pub fn remove(&mut self, id: i64) -> bool {
        let before = self.gallery.len();
        self.gallery.retain(|(other, _)| *other != id);
        self.gallery.len() < before
    }

    /// `media.images[]` of a product: alt texts, and a new order whose first becomes the main picture, id 0; the
    /// old main one gets the next free number (section 6.3). What is not listed keeps its order behind the rest.
    pub fn arrange(&mut self, media: &Value) -> Result<(), Refusal> {
        let Some(images) = media.get("images").filter(|it| !it.is_null()) else { return Ok(()) };
        let images = images.as_array().ok_or_else(|| wrong("media"))?;
        let had_main = self.main.is_some();
        let mut all: Vec<(i64, Option<i64>, Picture)> = Vec::new();
        all.extend(self.main.take().map(|main| (0, None, main)));
        all.extend(self.gallery.drain(..).map(|(id, picture)| (id, None, picture)));
        for (place, image) in images.iter().enumerate() {
            let id = image.get("id").and_then(Value::as_str).and_then(|id| id.parse::<i64>().ok());
            let id = id.ok_or_else(|| wrong("media"))?;
            let found = all.iter_mut().find(|(other, _, _)| *other == id);
            let (_, order, picture) =
                found.ok_or_else(|| Refusal::new(404, None, format!("Image #{id} not found")))?;
            *order = image.get("orderBy").and_then(Value::as_i64).or(i64::try_from(place).ok());
            let alt = image.get("alt").filter(|alt| alt.is_object());
            // What is shown for none, sent back, is still none.
            if let Some(alt) = alt.filter(|alt| picture.alt.is_some() || **alt != no_alt()) {
                picture.alt = Some(alt.clone());
            }
        }
        all.sort_by_key(|(_, order, _)| order.unwrap_or(i64::MAX));
        let mut demoted = None;
        for (place, (id, _, picture)) in all.into_iter().enumerate() {
            match (place, id) {
                (0, _) if had_main => self.main = Some(picture),
                (_, 0) => demoted = Some((place, picture)),
                _ => self.gallery.push((id, picture)),
            }
        }
        if let Some((place, picture)) = demoted {
            let id = self.free();
            self.gallery.insert(place.saturating_sub(1).min(self.gallery.len()), (id, picture));
        }
        Ok(())
    }

    /// All of them, each with its id; 0 is the main one.
    pub fn all(&self) -> impl Iterator<Item = (i64, &Picture)> {
        self.main.iter().map(|main| (0, main)).chain(self.gallery.iter().map(|(id, picture)| (*id, picture)))
    }

    /// All of them, to be changed.
    pub fn all_mut(&mut self) -> impl Iterator<Item = &mut Picture> {
        self.main.iter_mut().chain(self.gallery.iter_mut().map(|(_, picture)| picture))
    }

    /// The fields of a product.
    pub fn put(&self, store_id: i64, record: &mut Map<String, Value>) {
        if let Some(main) = &self.main {
            main.put_urls(store_id, record);
            record.insert("originalImage".to_owned(), main.original(store_id));
        }
        let media = self.all().enumerate().map(|(place, (id, it))| it.medium(store_id, id, place));
        record.insert("media".to_owned(), json!({"images": media.collect::<Vec<_>>(), "videos": []}));
        let gallery = self.gallery.iter().enumerate();
        let gallery = gallery.map(|(place, (id, it))| it.gallery_image(store_id, *id, place)).collect();
        record.insert("galleryImages".to_owned(), gallery);
    }
}

/// What the first bytes of a file say.
mod bytes_of {
    /// `jpg`, `png`, `gif` or `webp`, by the marks at the beginning.
    pub(super) fn format(bytes: &[u8]) -> Option<&'static str> {
        let marks: [(&[u8], &str); 4] =
            [(b"\xff\xd8\xff", "jpg"), (b"\x89PNG\r\n\x1a\n", "png"), (b"GIF87a", "gif"), (b"GIF89a", "gif")];
        let found = marks.iter().find(|(mark, _)| bytes.starts_with(mark)).map(|(_, format)| *format);
        let is_webp = bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP".as_slice());
        found.or(is_webp.then_some("webp"))
    }

    /// Width and height, where the header tells them.
    pub(super) fn dimensions(bytes: &[u8], format: &str) -> Option<(u64, u64)> {
        let number = |from: usize, count: usize, little: bool| -> Option<u64> {
            let part = bytes.get(from..from + count)?;
            let fold = |sum: u64, byte: &u8| (sum << 8) | u64::from(*byte);
            Some(if little { part.iter().rev().fold(0, fold) } else { part.iter().fold(0, fold) })
        };
        match format {
            "png" => Some((number(16, 4, false)?, number(20, 4, false)?)),
            "gif" => Some((number(6, 2, true)?, number(8, 2, true)?)),
            "jpg" => {
                // Segment by segment, up to the one that starts a frame.
                let mut at = 2;
                loop {
                    let (mark, kind) = (number(at, 1, false)?, number(at + 1, 1, false)?);
                    if mark != 0xff {
                        return None;
                    }
                    if matches!(kind, 0xc0..=0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf) {
                        return Some((number(at + 7, 2, false)?, number(at + 5, 2, false)?));
                    }
                    at += 2 + usize::try_from(number(at + 2, 2, false)?).ok()?;
                }
            }
            _ => None,
        }
    }
}
