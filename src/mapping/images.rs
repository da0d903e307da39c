//! Which pictures of the shop a product shows, in which order, and how each is known again.
//!
//! A simple product shows those of its item, a product with variants those of its matrix, and a variation the first
//! one of its item, or else the one of its matrix whose description names its option values.

use std::collections::BTreeSet;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::platforms::eseries::wire::{Gallery, Medium};
use crate::platforms::rseries::wire::Image;

/// Most pictures of an item or a matrix (r-series-api.md, section 4.6; integration-rules.md, section 7).
pub const MOST: usize = 12;

/// A picture of the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// R-Series `imageID`.
    pub r_image_id: i64,
    /// R-Series `publicID`: the bytes behind it never change, so the two together are one picture for ever.
    pub public_id: String,
    /// Where its bytes are; empty when that cannot be told.
    pub address: String,
}

impl Picture {
    /// What it is known by on E-Series, as its `externalId`: ids of a gallery move, and addresses are E-Series' own.
    #[must_use]
    pub fn marker(&self) -> String {
        format!("{OURS}{}-{}", self.r_image_id, self.public_id)
    }

    /// What it is known by here.
    #[must_use]
    pub fn key(&self) -> (i64, String) {
        (self.r_image_id, self.public_id.clone())
    }
}

const OURS: &str = "concord-r-image-";
const KEPT: &str = "concord-kept-image-";

/// Did a picture of the shop get this `externalId`?
#[must_use]
pub fn is_marker(external_id: &str) -> bool {
    external_id.starts_with(OURS)
}

/// The `externalId` of a picture that existed online alone and was put back with its product.
#[must_use]
pub fn kept_marker(number: usize) -> String {
    format!("{KEPT}{number}")
}

/// The same of one that is put back by itself: it was at this address.
#[must_use]
pub fn kept_marker_of(url: &str) -> String {
    let digest = hex::encode(Sha256::digest(url.as_bytes()));
    format!("{KEPT}{}", digest.chars().take(16).collect::<String>())
}

/// Where the pictures are that a record shows of a product and its variations, or of one variation, without those that
/// are known for the shop's.
#[must_use]
pub fn not_ours(record: &Value) -> Vec<String> {
    let gallery = kept(record);
    let unmarked = |medium: &&Medium| !medium.external_id.as_deref().is_some_and(is_marker);
    let of_product = gallery.iter().filter(unmarked).map(|medium| medium.url.clone());
    let variations = record.get("combinations").and_then(Value::as_array).into_iter().flatten();
    // A variation shows no more than this of its picture; a product has its own among the gallery.
    let own = gallery.is_empty().then_some(record);
    let of_variations =
        own.into_iter().chain(variations).filter_map(|it| it.get("originalImageUrl")?.as_str());
    let mut urls: Vec<String> = of_product.chain(of_variations.map(str::to_owned)).collect();
    urls.retain(|url| !url.is_empty());
    urls.sort_unstable();
    urls.dedup();
    urls
}

/// The first `most` pictures, in the order that the shop has given them: by `ordering`, then `imageID`.
#[must_use]
pub fn wanted(images: &[Image], most: usize) -> Vec<Picture> {
    let mut images: Vec<&Image> = images.iter().filter(|image| !image.public_id.is_empty()).collect();
    images.sort_by_key(|image| (image.ordering, image.id));
    let mut taken = BTreeSet::new();
    images.retain(|image| taken.insert(image.id));
    let picture = |image: &Image| Picture {
        r_image_id: image.id,
        public_id: image.public_id.clone(),
        address: address(image),
    };
    images.into_iter().take(most).map(picture).collect()
}

/// These pictures in their order, as one text: another one means that the shop has changed them.
#[must_use]
pub fn carried(pictures: &[Picture]) -> String {
    let each = pictures.iter().map(|picture| format!("{}:{}", picture.r_image_id, picture.public_id));
    each.collect::<Vec<_>>().join(" ")
}

/// These pictures of a matrix that its product shows, as [`carried`] tells of them; none if one is missing.
#[must_use]
pub fn shown_of(images: Vec<Image>, carried: &str) -> Option<Vec<Image>> {
    let shown: BTreeSet<&str> = carried.split(' ').filter(|key| !key.is_empty()).collect();
    let is_shown = |image: &Image| shown.contains(format!("{}:{}", image.id, image.public_id).as_str());
    let images: Vec<Image> = images.into_iter().filter(is_shown).collect();
    (images.len() == shown.len()).then_some(images)
}

/// The picture out of a matrix' gallery for the variant with these option values: the one whose description is one of
/// them, or lists some of them; where several do, the one that lists the most of them and the least else, and of
/// those the first. A description that merely contains a value, as "Light blue" does, names another one, and one that
/// lists a value which only `others` have is theirs: a wrong colour would be worse than no picture.
#[must_use]
pub fn chosen<'a>(
    images: &[Image],
    values: &[String],
    others: impl Iterator<Item = &'a String>,
) -> Option<Picture> {
    let fold = |text: &str| text.trim().to_lowercase();
    let values: BTreeSet<String> =
        values.iter().map(|value| fold(value)).filter(|value| !value.is_empty()).collect();
    let others: BTreeSet<String> =
        others.map(|value| fold(value)).filter(|value| !values.contains(value)).collect();
    let named = |image: &Image| {
        let whole = fold(&image.description);
        if values.contains(&whole) {
            return (1, 0);
        }
        let parts = parts_of(&whole, |part| values.contains(part) || others.contains(part));
        if !parts.is_disjoint(&others) {
            return (0, 0);
        }
        let named = parts.intersection(&values).count();
        (named, parts.len() - named)
    };
    let mut best = None;
    for image in images {
        let (named, else_named) = named(image);
        let place = (std::cmp::Reverse(named), else_named, image.ordering, image.id);
        if named > 0 && best.as_ref().is_none_or(|(before, _)| place < *before) {
            best = Some((place, image));
        }
    }
    wanted(&[best?.1.clone()], 1).pop()
}

/// What a description lists. A value may itself hold what separates others: the longest that is `known` is one part.
fn parts_of(description: &str, known: impl Fn(&str) -> bool) -> BTreeSet<String> {
    let ends = description.match_indices(SEPARATORS).map(|(at, _)| at);
    let ends: Vec<usize> = ends.chain([description.len()]).collect();
    let mut parts = BTreeSet::new();
    let mut from = 0;
    while let Some(first) = ends.iter().copied().find(|end| *end >= from) {
        let part = |end: usize| description.get(from..end).unwrap_or_default().trim();
        let longest = ends.iter().copied().rev().find(|end| *end >= from && known(part(*end)));
        let to = longest.unwrap_or(first);
        parts.insert(part(to).to_owned());
        from = to + 1;
    }
    parts.remove("");
    parts
}

/// Does a description list several things? Then it depends on the other variants whose picture that is.
#[must_use]
pub fn list_several(images: &[Image]) -> bool {
    images.iter().any(|image| image.description.contains(SEPARATORS))
}

/// What stands between the values in a description.
const SEPARATORS: [char; 7] = [',', ';', '/', '|', '+', '&', '\n'];

/// A choice out of a matrix' gallery, as one text: other than [`carried`] of the same picture, so that an item's own
/// picture is never taken for a choice.
#[must_use]
pub fn carried_choice(choice: Option<&Picture>) -> String {
    choice
        .map(|picture| format!("{OF_GALLERY}{}", carried(std::slice::from_ref(picture))))
        .unwrap_or_default()
}

/// Is this what [`carried_choice`] tells, or nothing?
#[must_use]
pub fn is_choice(carried: &str) -> bool {
    carried.is_empty() || carried.starts_with(OF_GALLERY)
}

const OF_GALLERY: &str = "gallery ";

/// `baseImageURL`, `publicID` and a suffix (section 4.6). The host converts to whatever is asked for, and the record
/// does not tell the type, so the name of the file decides: a PNG may be transparent.
fn address(image: &Image) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    if image.public_id.contains("..") || !image.public_id.chars().all(plain) {
        return String::new();
    }
    let is_png = image.filename.to_ascii_lowercase().ends_with(".png");
    let slash = if image.base_url.ends_with('/') { "" } else { "/" };
    format!("{}{slash}{}.{}", image.base_url, image.public_id, if is_png { "png" } else { "jpg" })
}

/// The pictures that a product had online when it was removed.
#[must_use]
pub fn kept(record: &Value) -> Vec<Medium> {
    Gallery::read(record).unwrap_or_default().media
}

/// Where the picture is that a variation had when it, or its product, was removed: the one with this marker.
#[must_use]
pub fn kept_of_variation(record: &Value, marker: &str) -> Option<String> {
    let own = |record: &&Value| record.get("externalReferenceId").and_then(Value::as_str) == Some(marker);
    let variations = record.get("combinations").and_then(Value::as_array).into_iter().flatten();
    let url = std::iter::once(record).chain(variations).find(own)?.get("originalImageUrl")?.as_str()?;
    (!url.is_empty()).then(|| url.to_owned())
}

/// The items of R-Series whose variations had a picture when their product was removed.
#[must_use]
pub fn pictured_items(record: &Value) -> Vec<i64> {
    let variations = record.get("combinations").and_then(Value::as_array).into_iter().flatten();
    let item = |variation: &Value| {
        let marker = variation.get("externalReferenceId").and_then(Value::as_str)?;
        kept_of_variation(variation, marker)?;
        marker.rsplit('-').next().filter(|_| super::eseries::is_variation_marker(marker))?.parse().ok()
    };
    variations.filter_map(item).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn image(id: i64, ordering: i64, public_id: &str, filename: &str) -> Image {
        Image {
            id,
            public_id: public_id.into(),
            base_url: "https://res.cloudinary.com/lightspeed-retail/image/upload/".into(),
            filename: filename.into(),
            ordering,
            item_id: 1,
            matrix_id: 0,
            description: String::new(),
        }
    }

    #[test]
    fn the_picture_of_a_variant_is_the_one_that_names_the_most_of_its_values_and_the_least_else() {
        let descriptions = [
            "Light blue",
            " RED ",
            "blue, M / front",
            "Red, S",
            "Blue",
            "",
            "1/2",
            "Red & Blue",
            "Black/White, M",
        ];
        let of = |(at, description): (usize, &&str)| Image {
            description: (*description).to_owned(),
            ..image(i64::try_from(at).unwrap(), 0, "p", "")
        };
        let images: Vec<Image> = descriptions.iter().enumerate().map(of).collect();
        let chosen = |values: &[&str]| {
            let owned = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
            let all = owned(&[
                "Light blue",
                "Red",
                "Blue",
                "Green",
                "S",
                "M",
                "XL",
                "1/2",
                "Black/White",
                "Navy/Red",
            ]);
            chosen(&images, &owned(values), all.iter()).map(|picture| picture.r_image_id)
        };
        assert_eq!(chosen(&["Red", "S"]), Some(3), "both values");
        assert_eq!(chosen(&["Red", "M"]), Some(1), "its colour alone rather than with another size");
        assert_eq!(chosen(&["blue", "m"]), Some(2));
        assert_eq!(chosen(&["blue", "S"]), Some(4));
        assert_eq!(chosen(&["light Blue", "S"]), Some(0));
        assert_eq!(chosen(&["1/2", ""]), Some(6), "a value may hold what separates others");
        assert_eq!(chosen(&["Green", "M"]), None, "what shows a blue one is no picture of a green one");
        assert_eq!(chosen(&["Red", "XL"]), Some(1));
        assert_eq!(
            chosen(&["Navy/Red", "M"]),
            None,
            "a value that holds a separator is one part all the same"
        );
        assert_eq!(chosen(&["Black/White", "M"]), Some(8));
        assert_eq!((chosen(&["Green", "XL"]), chosen(&[])), (None, None));
    }

    #[test]
    fn a_choice_is_told_from_an_own_picture_and_is_made_of_what_is_shown() {
        let images = [image(3, 0, "a", ""), image(4, 1, "b", "")];
        let both = wanted(&images, 2);
        let choice = carried_choice(both.first());
        assert!(is_choice(&choice) && is_choice("") && !is_choice(&carried(&both[..1])));
        assert_eq!(shown_of(images.to_vec(), "4:b"), Some(vec![images[1].clone()]));
        assert_eq!(shown_of(images.to_vec(), "4:b 3:other"), None, "one of them was not seen");
        assert_eq!(shown_of(images.to_vec(), ""), Some(Vec::new()));
    }

    #[test]
    fn the_order_is_that_of_the_shop_and_more_than_the_most_stay_behind() {
        let images = [
            image(9, 1, "c", ""),
            image(7, 0, "b", ""),
            image(3, 0, "a", ""),
            image(4, 5, "", ""),
            image(3, 0, "a", ""),
        ];
        let ids = |most| wanted(&images, most).iter().map(|picture| picture.r_image_id).collect::<Vec<_>>();
        assert_eq!(ids(12), [3, 7, 9]);
        assert_eq!(ids(1), [3]);
        assert_eq!(carried(&wanted(&images, 2)), "3:a 7:b");
    }

    #[test]
    fn an_address_is_built_of_plain_parts_alone() {
        let of = |public_id: &str, filename: &str| address(&image(1, 0, public_id, filename));
        let base = "https://res.cloudinary.com/lightspeed-retail/image/upload";
        assert_eq!(of("shop/ab12", "Mug.JPG"), format!("{base}/shop/ab12.jpg"));
        assert_eq!(of("ab12", "mug.PNG"), format!("{base}/ab12.png"));
        for strange in ["../../secret", "a?b", "a#b", "a b", "a%2e", "ä"] {
            assert_eq!(of(strange, "x.jpg"), "", "{strange}");
        }
    }

    #[test]
    fn what_a_variation_had_is_found_in_its_product_or_in_itself() {
        let one = json!({"externalReferenceId": "a", "originalImageUrl": "u"});
        let whole = json!({"combinations": [{"externalReferenceId": "b"}, one]});
        let url = Some("u".to_owned());
        assert_eq!((kept_of_variation(&whole, "a"), kept_of_variation(&one, "a")), (url.clone(), url));
        let pictured = json!({"combinations": [{"externalReferenceId": "concord-r-variant-7", "originalImageUrl": "u"}, one,
            {"externalReferenceId": "concord-r-variant-8"}]});
        assert_eq!(pictured_items(&pictured), [7]);
        assert_eq!((kept_of_variation(&whole, "b"), kept_of_variation(&whole, "c")), (None, None));
    }
}
