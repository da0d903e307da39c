//! A whole shop: departments with their categories, single things and things in sizes and colours, and pictures.

use std::collections::BTreeMap;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rust_decimal::Decimal;

use super::shelves::{RANGES, Range, SHELVES, Shelf};
use super::{capital, item};
use crate::sandbox::rseries::{ImageOwner, NewMatrix, NewVariant, RSeriesSandbox};

/// One item in so many is a variant of something.
const IN_RANGES: usize = 4;
/// Captions of pictures, in the order in which they are taken.
const VIEWS: [&str; 3] = ["Front", "Back", "In use"];

/// Enters a shop of `count` items, all stock in the first shop; the same one for the same seed. Gives how many items
/// there are: variants are counted one by one.
pub fn furnish(r: &RSeriesSandbox, count: usize, seed: u64) -> usize {
    let mut generator = ChaCha12Rng::seed_from_u64(seed.wrapping_add(2));
    let mut categories = Categories::default();
    let in_ranges = count / IN_RANGES;
    let mut made = 0;
    for (round, range) in (0..).flat_map(|round| RANGES.iter().map(move |range| (round, range))) {
        let size: usize = range.options.iter().map(|(_, values)| values.len()).product();
        if made + size > in_ranges {
            break;
        }
        made += add_range(r, &mut generator, &mut categories, range, round);
    }
    let mut things = ChaCha12Rng::seed_from_u64(seed);
    for number in 1..=count.saturating_sub(made) {
        let Some(thing) = item(&mut things, number) else { continue };
        let mut new = thing.item;
        new.category_id = categories.of(r, thing.shelf, thing.thing);
        let id = r.create_item(new);
        made += 1;
        let pictures = *[0, 0, 1, 1, 1, 2, 3].choose(&mut generator).unwrap_or(&1);
        for view in VIEWS.iter().take(pictures) {
            r.add_image(ImageOwner::Item(id), view, None);
        }
    }
    made
}

/// Something in all its variants; from the second round on, the range of another season.
fn add_range(
    r: &RSeriesSandbox,
    generator: &mut ChaCha12Rng,
    categories: &mut Categories,
    range: &Range,
    round: usize,
) -> usize {
    let Some(shelf) = SHELVES.get(range.shelf) else { return 0 };
    let names: Vec<String> = range.options.iter().map(|(name, _)| (*name).to_owned()).collect();
    let (attribute_set_id, places) = r.attribute_set_of(&names);
    let season = if round == 0 { String::new() } else { format!(", series {}", round + 1) };
    let price = Decimal::new(range.price * 100 + 95, 2);
    let mut variants = Vec::new();
    for (number, values) in combinations(range).into_iter().enumerate() {
        let mut slots = <[String; 3]>::default();
        for (place, value) in places.iter().zip(values) {
            if let Some(slot) = slots.get_mut(*place) {
                value.clone_into(slot);
            }
        }
        let dearer = Decimal::from(generator.random_range(0..3));
        variants.push(NewVariant {
            values: slots,
            custom_sku: format!("{}-{}-{}{:02}", shelf.letters, range.letters, round + 1, number + 1),
            default_price: Some(price + dearer),
            stock: vec![(r.first_shop(), generator.random_range(0..=15))],
            ..NewVariant::default()
        });
    }
    let size = variants.len();
    let matrix = NewMatrix {
        description: format!("{}{season}", range.name),
        attribute_set_id,
        category_id: categories.of(r, shelf, range.name),
        default_price: price,
        variants,
        ..NewMatrix::default()
    };
    let Some((matrix_id, items)) = r.create_matrix(matrix) else { return 0 };
    for view in VIEWS {
        r.add_image(ImageOwner::Matrix(matrix_id), view, None);
    }
    if generator.random_bool(0.5) {
        for id in items {
            r.add_image(ImageOwner::Item(id), "This one", None);
        }
    } else if let Some((_, values)) = range.options.first() {
        // As shops do it that photograph each colour once.
        for value in *values {
            r.add_image(ImageOwner::Matrix(matrix_id), value, None);
        }
    }
    size
}

/// Every combination of its values, the last option turning fastest.
fn combinations(range: &Range) -> Vec<Vec<&'static str>> {
    range.options.iter().fold(vec![Vec::new()], |rows, (_, values)| {
        let longer = |row: Vec<&'static str>| {
            values.iter().map(move |value| row.iter().copied().chain([*value]).collect())
        };
        rows.into_iter().flat_map(longer).collect()
    })
}

/// The shop's categories, made when something first needs them.
#[derive(Default)]
struct Categories {
    known: BTreeMap<(&'static str, &'static str), i64>,
}

impl Categories {
    /// The category of a kind of thing in a department; 0, which is none, where it cannot be made.
    fn of(&mut self, r: &RSeriesSandbox, shelf: &'static Shelf, thing: &'static str) -> i64 {
        let mut make = |key, name: &str, parent| {
            *self.known.entry(key).or_insert_with(|| r.create_category(name, parent).unwrap_or_default())
        };
        let department = make((shelf.name, ""), shelf.name, 0);
        make((shelf.name, thing), &capital(thing), department)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::{Instant, ManualClock};
    use crate::sandbox::rseries::Config;

    fn shop(count: usize, seed: u64) -> (RSeriesSandbox, usize) {
        let clock = ManualClock::starting_at(Instant::UNIX_EPOCH);
        let r = RSeriesSandbox::new(Config::default(), Arc::new(clock), 1);
        let made = furnish(&r, count, seed);
        (r, made)
    }

    #[test]
    fn a_shop_has_matrices_categories_and_pictures_and_as_many_items_as_asked_for() {
        let (r, made) = shop(200, 1);
        assert_eq!((made, r.items().len()), (200, 200));
        let matrices = r.matrices();
        assert!(matrices.len() >= 7, "{} matrices", matrices.len());
        let variants: usize = matrices.iter().map(|matrix| matrix.variants.len()).sum();
        assert!((30..=50).contains(&variants), "{variants} variants");
        let catalogue = r.raw_catalogue();
        let rows = |name: &str| catalogue[name].as_array().map_or(0, Vec::len);
        assert!(rows("Category") > 20 && rows("Image") > 150, "{} {}", rows("Category"), rows("Image"));
        assert!(r.items().iter().all(|item| item.matrix_id != 0
            || r.raw_item(item.item_id).is_some_and(|raw| raw["categoryID"] != "0")));
    }

    #[test]
    fn the_same_seed_makes_the_same_shop() {
        assert_eq!(shop(60, 4).0.raw_catalogue(), shop(60, 4).0.raw_catalogue());
        assert_ne!(shop(60, 4).0.raw_catalogue(), shop(60, 5).0.raw_catalogue());
    }

    #[test]
    fn a_small_shop_is_as_small_as_asked_for() {
        for count in [0, 1, 3, 5, 16] {
            assert_eq!(shop(count, 2).1, count);
        }
    }
}
