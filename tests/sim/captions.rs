//! Captions: pictures of a whole matrix whose description names what some of its items are. Whoever of those has no
//! picture of its own shows such a one.

use std::collections::BTreeSet;

use concord::sandbox::rseries::ImageOwner;
use rand::Rng;
use rand_chacha::ChaCha12Rng;

use super::storm::Storm;
use super::walls::MOST;

/// Something that a merchant does with the pictures of the matrix that an item is in; pictures by their number.
#[derive(Debug, Clone, PartialEq)]
pub enum Caption {
    Add(usize, Words),
    Change(usize, usize, Words),
    Remove(usize, usize),
}

/// What a description says: which of the values of an item, and something else as well.
#[derive(Debug, Clone, PartialEq)]
pub struct Words {
    values: [bool; 3],
    more: Option<u32>,
    loud: bool,
}

impl Caption {
    pub fn drawn(dice: &mut ChaCha12Rng, number: u32) -> Self {
        let (item, at) = (dice.random_range(0..8), dice.random_range(0..MOST));
        let words = Words {
            values: [dice.random_bool(0.7), dice.random_bool(0.3), dice.random_bool(0.2)],
            more: dice.random_bool(0.2).then_some(number),
            loud: dice.random_bool(0.3),
        };
        match dice.random_range(0..6) {
            0..3 => Self::Add(item, words),
            3 | 4 => Self::Change(item, at, words),
            _ => Self::Remove(item, at),
        }
    }
}

impl Words {
    fn of(&self, attributes: &[String; 3]) -> String {
        let values = attributes.iter().zip(self.values).filter(|(value, said)| *said && !value.is_empty());
        let more = self.more.map(|number| format!("from side {number}"));
        let words: Vec<String> = values.map(|(value, _)| value.clone()).chain(more).collect();
        let text = words.join(", ");
        if self.loud { text.to_uppercase() } else { text }
    }
}

impl Storm {
    pub fn caption(&mut self, deed: &Caption) {
        let (Caption::Add(item, _) | Caption::Change(item, ..) | Caption::Remove(item, _)) = deed;
        let r = &self.world.stage.r;
        let item = r.item(self.items[item % self.items.len()]).unwrap();
        if item.matrix_id == 0 {
            return;
        }
        let owner = ImageOwner::Matrix(item.matrix_id);
        let images = self.in_shop(super::walls::Owner::Matrix(item.matrix_id));
        let of = |at: &usize| (!images.is_empty()).then(|| images[at % images.len()]);
        match deed {
            Caption::Add(_, words) if images.len() < MOST => {
                r.add_image(owner, &words.of(&item.attributes), None);
            }
            Caption::Add(..) => {}
            Caption::Change(_, at, words) => {
                of(at).inspect(|image| r.describe_image(*image, &words.of(&item.attributes)));
            }
            Caption::Remove(_, at) => {
                of(at).inspect(|image| r.remove_image(*image));
            }
        }
    }

    /// The picture of its matrix that an item without one of its own shows: its description says nothing that is true
    /// of others alone, and the most of what is true of this one; then the least else; then it comes first.
    pub(super) fn captioned(&self, id: i64) -> Option<i64> {
        let r = &self.world.stage.r;
        let matrix = r.matrix(r.item(id).unwrap().matrix_id)?;
        let low = |values: &[String; 3]| -> BTreeSet<String> {
            values.iter().filter(|value| !value.is_empty()).map(|value| value.to_lowercase()).collect()
        };
        let of = |wanted: bool| -> BTreeSet<String> {
            let living = matrix.variants.iter().filter(|(other, _)| self.items.contains(other));
            living.filter(|(other, _)| (*other == id) == wanted).flat_map(|(_, values)| low(values)).collect()
        };
        let (mine, theirs) = (of(true), of(false));
        let mut best = None;
        for image in r.raw_images(ImageOwner::Matrix(matrix.matrix_id)) {
            let text = image["description"].as_str().unwrap_or_default().to_lowercase();
            let words: Vec<&str> = text.split(", ").filter(|word| !word.is_empty()).collect();
            let right = words.iter().filter(|word| mine.contains(**word)).count();
            let of_others = words.iter().any(|word| theirs.contains(*word) && !mine.contains(*word));
            let wrong = words.len() - right;
            let better = best.is_none_or(|(most, least, _)| right > most || right == most && wrong < least);
            if right > 0 && !of_others && better {
                best = Some((right, wrong, image["imageID"].as_str().unwrap().parse().unwrap()));
            }
        }
        best.map(|(_, _, image)| image)
    }
}
