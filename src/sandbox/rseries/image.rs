//! Images: records, uploads, and the bytes behind a `publicID` (section 4.6).

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::answer::Refusal;
use super::cell::Kind::{Integer, Text, Time};
use super::cell::{Cell, second};
use super::item::{integer, reference, text};
use super::resource::Reach::One;
use super::resource::{Resource, Which};
use super::state::State;
use super::upload::Upload;
use crate::clock::Instant;
use crate::sandbox::picture;

/// Where images lie, below the address of the sandbox. The platform's own are below
/// `https://res.cloudinary.com` (section 4.6).
pub(super) const FOLDER: &str = "/lightspeed-retail/image/upload/";

/// File names are shorter than this (section 4.6: a help page).
const FILENAME_LIMIT: usize = 250;

const FIELDS: &[(&str, super::cell::Kind)] = &[
    ("imageID", Integer),
    ("description", Text),
    ("filename", Text),
    ("ordering", Integer),
    ("publicID", Text),
    ("baseImageURL", Text),
    ("size", Integer),
    ("createTime", Time),
    ("timeStamp", Time),
    ("itemID", Integer),
    ("itemMatrixID", Integer),
];

const fn endpoint(sortable: &'static [&'static str]) -> Resource {
    Resource {
        which: Which::Image,
        name: "Image",
        key: "imageID",
        fields: FIELDS,
        sortable,
        relations: &[("Item", One), ("ItemMatrix", One)],
        filters: true,
        archivable: false,
        write_cost: 10,
    }
}

/// The plain endpoint, all images.
pub(super) static IMAGE: Resource = endpoint(&[]);
/// Below an item.
pub(super) static ITEM_IMAGE: Resource = endpoint(&["timeStamp", "itemID"]);
/// Below a matrix.
pub(super) static MATRIX_IMAGE: Resource = endpoint(&["timeStamp", "itemMatrixID"]);

/// What an image belongs to: one of both, never both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Item(i64),
    Matrix(i64),
}

/// What lies behind a `publicID`.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) bytes: Vec<u8>,
    pub(super) content_type: String,
    /// Fetching it is answered with this status instead.
    pub(super) broken: Option<u16>,
}

/// One image.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) owner: Owner,
    pub(super) description: String,
    pub(super) filename: String,
    pub(super) ordering: i64,
    pub(super) public_id: String,
    pub(super) create_time: Instant,
    pub(super) time_stamp: Instant,
    pub(super) file: File,
}

impl Image {
    pub(super) fn cell(&self, id: i64, base_url: &str, field: &str) -> Option<Cell> {
        Some(match field {
            "imageID" => Cell::Integer(id),
            "description" => Cell::Text(self.description.clone()),
            "filename" => Cell::Text(self.filename.clone()),
            "ordering" => Cell::Integer(self.ordering),
            "publicID" => Cell::Text(self.public_id.clone()),
            "baseImageURL" => Cell::Text(format!("{base_url}{FOLDER}")),
            "size" => Cell::Integer(i64::try_from(self.file.bytes.len()).unwrap_or(i64::MAX)),
            "createTime" => Cell::Time(self.create_time),
            "timeStamp" => Cell::Time(self.time_stamp),
            "itemID" => Cell::Integer(if let Owner::Item(id) = self.owner { id } else { 0 }),
            "itemMatrixID" => Cell::Integer(if let Owner::Matrix(id) = self.owner { id } else { 0 }),
            _ => return None,
        })
    }

    fn lay_over(&mut self, body: &Map<String, Value>, habits: &super::Habits) -> Result<(), Refusal> {
        for (name, value) in body {
            match name.as_str() {
                "description" => self.description = text(name, value, habits)?,
                "filename" => self.filename = text(name, value, habits)?,
                "ordering" => self.ordering = integer(name, value)?,
                _ => {}
            }
        }
        if self.filename.chars().count() >= FILENAME_LIMIT {
            return Err(Refusal::bad(format!("filename must be under {FILENAME_LIMIT} characters.")));
        }
        Ok(())
    }
}

impl State {
    /// Images of an item or a matrix, by `imageID` or by `ordering` as the habit is.
    pub(super) fn images_of(&self, owner: Owner) -> Vec<i64> {
        let mut found: Vec<(i64, i64)> = self
            .images
            .iter()
            .filter(|(_, image)| image.owner == owner)
            .map(|(id, image)| (if self.habits().nested_images_sorted { image.ordering } else { 0 }, *id))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    pub(super) fn owns(&self, owner: Owner) -> Result<(), Refusal> {
        let (there, resource, id) = match owner {
            Owner::Item(id) => (self.items.contains_key(&id), "Item", id),
            Owner::Matrix(id) => (self.matrices.contains_key(&id), "ItemMatrix", id),
        };
        if there { Ok(()) } else { Err(Refusal::no_such(resource, id)) }
    }

    /// POST of an image. On the plain endpoint the data must name exactly one owner.
    pub(super) fn post_image(
        &mut self,
        now: Instant,
        within: Option<Owner>,
        upload: &Upload,
    ) -> Result<i64, Refusal> {
        let number = |name: &str| upload.data.get(name).map_or(Ok(0), |value| reference(name, value));
        let owner = match (within, number("itemID")?, number("itemMatrixID")?) {
            (Some(owner), _, _) => owner,
            (None, item, 0) if item != 0 => Owner::Item(item),
            (None, 0, matrix) if matrix != 0 => Owner::Matrix(matrix),
            _ => return Err(Refusal::bad("Image not created. It must have an itemID or an itemMatrixID.")),
        };
        self.owns(owner)?;
        let habits = self.habits();
        if habits.most_images.is_some_and(|most| self.images_of(owner).len() >= most) {
            return Err(Refusal::bad("Image not created. There are too many images already."));
        }
        if habits.largest_image.is_some_and(|most| upload.bytes.len() > most) {
            return Err(Refusal::bad("Image not created. The file is too large."));
        }
        let kind = picture::kind(&upload.bytes);
        if kind.is_none() && habits.check_image_type {
            return Err(Refusal::bad("Image not created. The file is not a JPG or PNG."));
        }
        let content_type = kind.unwrap_or("application/octet-stream").to_owned();
        let file = File { bytes: upload.bytes.clone(), content_type, broken: None };
        let mut image = self.blank_image(now, owner, Some(file));
        upload.filename.clone_into(&mut image.filename);
        image.lay_over(&upload.data, habits)?;
        Ok(self.insert_image(now, image))
    }

    /// An image that has yet to be entered. Without a file its picture is made from the `publicID`.
    pub(super) fn blank_image(&self, now: Instant, owner: Owner, file: Option<File>) -> Image {
        // The number of an image is never used again, so neither is this.
        let seed = format!("{}/{}", self.config.account_id, self.last_image + 1);
        let public_id = hex::encode(Sha256::digest(seed)).chars().take(20).collect::<String>();
        let file = file.unwrap_or_else(|| File {
            bytes: picture::png(&public_id),
            content_type: "image/png".to_owned(),
            broken: None,
        });
        Image {
            owner,
            description: String::new(),
            filename: format!("{public_id}.png"),
            ordering: 0,
            public_id,
            create_time: second(now),
            time_stamp: second(now),
            file,
        }
    }

    pub(super) fn insert_image(&mut self, now: Instant, image: Image) -> i64 {
        self.last_image += 1;
        let owner = image.owner;
        self.images.insert(self.last_image, image);
        self.stamp_owner(now, owner);
        self.tell_image("image.create", self.last_image);
        self.last_image
    }

    /// PUT of an image: description, file name and ordering. Its bytes never change.
    pub(super) fn put_image(
        &mut self,
        now: Instant,
        id: i64,
        body: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let mut image = self.images.get(&id).ok_or_else(|| Refusal::no_such("Image", id))?.clone();
        image.lay_over(body, self.habits())?;
        image.time_stamp = second(now);
        let owner = image.owner;
        self.images.insert(id, image);
        self.stamp_owner(now, owner);
        self.tell_image("image.update", id);
        Ok(())
    }

    /// DELETE of an image, without a trace.
    pub(super) fn delete_image(&mut self, now: Instant, id: i64) -> Result<(), Refusal> {
        self.tell_image("image.delete", id);
        let image = self.images.remove(&id).ok_or_else(|| Refusal::no_such("Image", id))?;
        self.stamp_owner(now, image.owner);
        Ok(())
    }

    fn stamp_owner(&mut self, now: Instant, owner: Owner) {
        if !self.habits().image_write_moves_owners_time_stamp {
            return;
        }
        let stamp = match owner {
            Owner::Item(id) => self.items.get_mut(&id).map(|item| &mut item.time_stamp),
            Owner::Matrix(id) => self.matrices.get_mut(&id).map(|matrix| &mut matrix.time_stamp),
        };
        if let Some(stamp) = stamp {
            *stamp = second(now);
        }
    }

    /// What is served for the rest of an address below [`FOLDER`]: settings, `publicID`, suffix. Pictures are not
    /// scaled or converted.
    pub(super) fn fetch_image(&mut self, rest: &str) -> Result<&File, u16> {
        let name = rest.rsplit('/').next().unwrap_or_default();
        let public_id = name.rsplit_once('.').map_or(name, |(id, _)| id);
        *self.fetched.entry(public_id.to_owned()).or_default() += 1;
        let image = self.images.values().find(|image| image.public_id == public_id).ok_or(404_u16)?;
        image.file.broken.map_or(Ok(&image.file), Err)
    }
}
