//! Pictures of products and variations, call by call (e-series-api.md, section 6).
//!
//! The synchronous calls are done when they answer, and their errors are about the picture. The asynchronous ones
//! answer before anything was fetched: whether E-Series came to have the picture is seen later, or never.

use reqwest::Method;
use serde_json::{Value, json};

use super::client::Client;
use super::wire::{Gallery, Medium};
use crate::clock::Instant;
use crate::platforms::CallError;
use crate::platforms::transport::Body;

/// Where a picture is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spot {
    /// The main picture of a product, in place of the one that is there.
    Main(i64),
    /// Behind the others in the gallery of a product.
    Gallery(i64),
    /// The picture of a variation, in place of the one that is there.
    Variation(i64, i64),
}

/// What a picture is made of.
#[derive(Debug, Clone, Copy)]
pub enum Source<'a> {
    /// An address from which the platform reads it: public, and HTTPS (section 6.2).
    Address(&'a str),
    /// Such an address, to be read some time after the answer, with the picture's width and height in pixels.
    Promise(&'a str, (u32, u32)),
    /// Its bytes.
    Bytes(&'a [u8]),
}

impl Client {
    /// The pictures of a product and of its variations; sees every write at once (sections 3 and 6.2).
    pub async fn gallery(&self, product_id: i64) -> Result<Gallery, CallError> {
        let product = self.raw_product(product_id).await?;
        Gallery::read(&product).map_err(|error| self.unreadable_record(&product, product_id, &error))
    }

    /// Puts a picture up, marked with `external_id`. Not sent after `by`.
    pub async fn hang_picture(
        &self,
        spot: Spot,
        source: Source<'_>,
        external_id: &str,
        by: Instant,
    ) -> Result<(), CallError> {
        let (product, variation);
        let mut path: Vec<&str> = match spot {
            Spot::Main(id) => {
                product = id.to_string();
                vec!["products", &product, "image"]
            }
            Spot::Gallery(id) => {
                product = id.to_string();
                vec!["products", &product, "gallery"]
            }
            Spot::Variation(id, combination) => {
                (product, variation) = (id.to_string(), combination.to_string());
                vec!["products", &product, "combinations", &variation, "image"]
            }
        };
        let mut query = vec![("externalId", external_id)];
        let promise;
        let body = match source {
            Source::Address(address) => {
                query.push(("externalUrl", address));
                Body::None
            }
            Source::Promise(address, (width, height)) => {
                path.push("async");
                query.clear();
                promise =
                    json!({"url": address, "width": width, "height": height, "externalId": external_id});
                Body::Json(&promise)
            }
            Source::Bytes(bytes) => Body::Bytes(bytes),
        };
        self.call_with(Method::POST, self.url(&path, &query), body, Some(by)).await.map(|_| ())
    }

    /// Takes a picture down: of a product the main one, or one of its gallery by the id that it has there now. Not
    /// sent after `by`.
    pub async fn remove_picture(
        &self,
        product_id: i64,
        medium: &Medium,
        by: Instant,
    ) -> Result<(), CallError> {
        let product = product_id.to_string();
        let url = if medium.is_main {
            self.url(&["products", &product, "image"], &[])
        } else {
            self.url(&["products", &product, "gallery", &medium.id], &[])
        };
        self.call(Method::DELETE, url, None, Some(by)).await.map(|_| ())
    }

    /// Takes the picture of a variation down. Not sent after `by`.
    pub async fn remove_variation_picture(
        &self,
        product_id: i64,
        variation_id: i64,
        by: Instant,
    ) -> Result<(), CallError> {
        let (product, variation) = (product_id.to_string(), variation_id.to_string());
        let url = self.url(&["products", &product, "combinations", &variation, "image"], &[]);
        self.call(Method::DELETE, url, None, Some(by)).await.map(|_| ())
    }

    /// Puts the pictures of a product in this order; the first becomes the main one, and their ids move (section
    /// 6.3). What is sent replaces what was there (section 3), so alternative texts travel along. Not sent after
    /// `by`.
    pub async fn arrange_pictures(
        &self,
        product_id: i64,
        media: &[Medium],
        by: Instant,
    ) -> Result<(), CallError> {
        let image = |(place, medium): (usize, &Medium)| {
            let mut image = json!({"id": medium.id, "orderBy": place});
            if let (Some(alt), Some(image)) = (&medium.alt, image.as_object_mut()) {
                image.insert("alt".to_owned(), alt.clone());
            }
            image
        };
        let images: Vec<Value> = media.iter().enumerate().map(image).collect();
        let url = self.url(&["products", &product_id.to_string()], &[]);
        let body = json!({"media": {"images": images}});
        self.call(Method::PUT, url, Some(&body), Some(by)).await.map(|_| ())
    }
}
