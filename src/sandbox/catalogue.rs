//! A catalogue as a real shop has it: kitchen, outdoor and gifts, entered over the years by several hands.
//!
//! Names are not unique and hold what breaks naive programs (quotes, umlauts, emoji, `&`, great length); SKUs
//! follow a house style and are unique where they are not missing.

mod furnish;
mod shelves;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rust_decimal::Decimal;

use self::shelves::{SHELVES, Shelf};
use super::rseries::{NewItem, RSeriesSandbox};

pub use self::furnish::furnish;

/// The longest name that is made, well below what any platform cuts.
const LONGEST_NAME: usize = 200;

/// What somebody once thought a name needed.
const STORIES: &[&str] = &[
    "made by hand in a small workshop in the Black Forest from local clay, no two pieces alike",
    "dishwasher safe, oven safe up to 220 °C & suitable for induction (please see the leaflet)",
    "das Original seit 1923 – mit Geschenkverpackung, Grußkarte und 5 Jahren Garantie",
    "10 % of each sale goes to \"Friends of the River\", thank you for your support 💚",
];

/// `count` items, the same ones for the same seed. Their stock is all in the shop with ID 1.
#[must_use]
pub fn items(count: usize, seed: u64) -> Vec<NewItem> {
    let mut generator = ChaCha12Rng::seed_from_u64(seed);
    (1..=count).filter_map(|number| item(&mut generator, number)).map(|made| made.item).collect()
}

/// Enters `count` items, their stock parted among the shops that the platform has. Gives their IDs.
pub fn fill(r: &RSeriesSandbox, count: usize, seed: u64) -> Vec<i64> {
    let mut generator = ChaCha12Rng::seed_from_u64(seed.wrapping_add(1));
    let mut shops = Vec::new();
    let mut ids = Vec::with_capacity(count);
    for mut item in items(count, seed) {
        let quantity = item.stock.drain(..).map(|(_, quantity)| quantity).sum();
        if !shops.is_empty() {
            item.stock = parted(&mut generator, &shops, quantity);
        }
        let id = r.create_item(item);
        if shops.is_empty() {
            // Only an item tells which shops there are, so the first one is stocked afterwards.
            shops = r.item(id).map(|view| view.stock.into_keys().collect()).unwrap_or_default();
            for (shop, quantity) in parted(&mut generator, &shops, quantity) {
                r.restock(id, shop, quantity);
            }
        }
        ids.push(id);
    }
    ids
}

/// A thing, and where it stands.
struct Made {
    item: NewItem,
    /// Its department.
    shelf: &'static Shelf,
    /// What it is: the category within the department.
    thing: &'static str,
}

/// `None` cannot come about while every shelf has words on it.
fn item(generator: &mut ChaCha12Rng, number: usize) -> Option<Made> {
    let shelf = SHELVES.choose(generator)?;
    let (thing, letters, low, high) = *shelf.things.choose(generator)?;
    let description = name(generator, shelf, thing)?;
    // The running number makes it unique; a few items were never given one.
    let custom_sku = match generator.random_range(0..40) {
        0 => String::new(),
        1 => format!("{}-{letters}-{number:04}/b", shelf.letters),
        _ => format!("{}-{letters}-{number:04}", shelf.letters),
    };
    let manufacturer_sku = if generator.random_ratio(1, 4) {
        format!("M{:06}", generator.random_range(0..1_000_000))
    } else {
        String::new()
    };
    let ean = if generator.random_ratio(3, 5) { ean(number) } else { String::new() };
    let default_price = price(generator, low, high);
    let online_price = match generator.random_range(0..10) {
        0 => Some(Decimal::ZERO),
        1..=4 => Some(online(generator, default_price)),
        _ => None,
    };
    let stock = match generator.random_range(0..20) {
        0..=2 => 0,
        3 => -generator.random_range(1..=4),
        _ => generator.random_range(1..=60),
    };
    // Costs come from purchase orders, and are never read by Concord: four decimals are as they may be.
    let default_cost = (default_price * Decimal::new(generator.random_range(380..620), 3)).round_dp(4);
    let item = NewItem {
        description,
        custom_sku,
        manufacturer_sku,
        ean,
        default_price,
        online_price,
        default_cost,
        stock: vec![(1, stock)],
        publish_to_ecom: !generator.random_ratio(1, 8),
        ..NewItem::default()
    };
    Some(Made { item, shelf, thing })
}

fn name(generator: &mut ChaCha12Rng, shelf: &Shelf, thing: &str) -> Option<String> {
    let style = shelf.styles.choose(generator)?;
    let detail = shelf.details.choose(generator)?;
    let plain = match generator.random_range(0..10) {
        0..=2 => format!("{style} {thing}"),
        3..=6 => format!("{style} {thing}, {detail}"),
        7 => format!("{style} {thing} ({detail})"),
        8 => format!("{style} {thing} – {detail}"),
        // The other hand at the till, who writes like this.
        _ => format!("{} {style} / {detail}", thing.to_uppercase()),
    };
    let mut name = capital(&plain);
    if generator.random_ratio(1, 25) {
        name = format!("{name}, {}", STORIES.choose(generator)?);
    }
    Some(name.chars().take(LONGEST_NAME).collect::<String>().trim_end().to_owned())
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// A price as shops write them: whole, with one decimal, or ending in 9.
fn price(generator: &mut ChaCha12Rng, low: i64, high: i64) -> Decimal {
    let whole = generator.random_range(low..=high);
    match generator.random_range(0..10) {
        0 | 1 => Decimal::from(whole),
        2 => Decimal::new(whole * 10 + 5, 1),
        3 => Decimal::new(whole * 100 + 50, 2),
        4..=6 => Decimal::new(whole * 100 + 95, 2),
        7 => Decimal::new(whole * 100 + generator.random_range(1..100), 2),
        _ => Decimal::new(whole * 100 + 99, 2),
    }
}

/// Mostly a little cheaper, sometimes dearer for the parcel.
fn online(generator: &mut ChaCha12Rng, price: Decimal) -> Decimal {
    let part = Decimal::new(generator.random_range(85..=105), 2);
    (price * part).round_dp(2).max(Decimal::new(50, 2))
}

/// A valid EAN-13 of the range kept for a shop's own labels.
fn ean(number: usize) -> String {
    let digits = format!("20{number:010}");
    let sum: u32 = digits
        .chars()
        .zip([1, 3].into_iter().cycle())
        .filter_map(|(digit, weight)| Some(digit.to_digit(10)? * weight))
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// Parts a quantity among shops; what is negative is so in one of them.
fn parted(generator: &mut ChaCha12Rng, shops: &[i64], quantity: i64) -> Vec<(i64, i64)> {
    let Some((last, others)) = shops.split_last() else { return Vec::new() };
    let mut left = quantity;
    let mut parts = Vec::with_capacity(shops.len());
    for shop in others {
        let part = if left > 0 { generator.random_range(0..=left) } else { 0 };
        parts.push((*shop, part));
        left -= part;
    }
    parts.push((*last, left));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Instant, ManualClock};
    use crate::sandbox::rseries::Config;
    use std::collections::BTreeSet;
    use std::sync::Arc;

    #[test]
    fn the_same_seed_gives_the_same_catalogue_and_a_longer_one_begins_alike() {
        assert_eq!(items(50, 3), items(50, 3));
        assert_eq!(items(50, 3), items(80, 3)[..50]);
        assert_ne!(items(50, 3), items(50, 4));
    }

    #[test]
    fn it_has_everything_that_a_real_one_has() {
        let all = items(2000, 1);
        assert_eq!(all.len(), 2000);
        let skus: Vec<&str> =
            all.iter().map(|it| it.custom_sku.as_str()).filter(|it| !it.is_empty()).collect();
        assert_eq!(skus.iter().collect::<BTreeSet<_>>().len(), skus.len(), "SKUs are unique");
        assert!((1900..2000).contains(&skus.len()), "a few are missing: {}", skus.len());
        let eans: Vec<&str> = all.iter().map(|it| it.ean.as_str()).filter(|it| !it.is_empty()).collect();
        assert_eq!(eans.iter().collect::<BTreeSet<_>>().len(), eans.len(), "EANs are unique");
        assert!(eans.iter().all(|it| it.len() == 13), "and as long as they must be");
        for part in ["\"", "ä", "ü", "&", "🦊", "'", "–"] {
            assert!(all.iter().any(|it| it.description.contains(part)), "no name with {part}");
        }
        assert!(all.iter().any(|it| it.description.chars().count() > 100), "a long name");
        assert!(all.iter().all(|it| it.description.chars().count() <= LONGEST_NAME));
        assert!(all.iter().all(|it| it.description.trim() == it.description && !it.description.is_empty()));
        let names: BTreeSet<&str> = all.iter().map(|it| it.description.as_str()).collect();
        assert!(names.len() > 1500, "varied: {}", names.len());
        for scale in 0..=2 {
            assert!(all.iter().any(|it| it.default_price.scale() == scale), "a price with {scale} decimals");
        }
        assert!(all.iter().all(|it| it.default_price > Decimal::ZERO));
        let count = |fits: &dyn Fn(&NewItem) -> bool| all.iter().filter(|it| fits(it)).count();
        assert!(count(&|it| it.online_price.is_some_and(|price| price > Decimal::ZERO)) > 500);
        assert!(count(&|it| it.online_price == Some(Decimal::ZERO)) > 50);
        assert!(count(&|it| it.online_price.is_none()) > 500);
        assert!(count(&|it| !it.publish_to_ecom) > 100);
        let stock = |it: &NewItem| it.stock.iter().map(|(_, quantity)| *quantity).sum::<i64>();
        assert!(count(&|it| stock(it) == 0) > 100 && count(&|it| stock(it) < 0) > 20);
        assert!(count(&|it| stock(it) > 0) > 1400 && count(&|it| stock(it) > 60) == 0);
    }

    #[test]
    fn eans_have_the_right_check_digit() {
        // 20 0000000001: 2 + 1 × 3 = 5.
        assert_eq!(ean(1), "2000000000015");
    }

    #[test]
    fn filling_puts_all_the_stock_into_the_shops_that_are_there() {
        for shops in [vec!["Main Street"], vec!["Main Street", "Harbour", "Market"]] {
            let config =
                Config { shops: shops.iter().map(|name| (*name).to_owned()).collect(), ..Config::default() };
            let clock = ManualClock::starting_at(Instant::UNIX_EPOCH);
            let r = RSeriesSandbox::new(config, Arc::new(clock), 1);
            let ids = fill(&r, 100, 5);
            assert_eq!(r.items().iter().map(|it| it.item_id).collect::<Vec<_>>(), ids);
            for (view, made) in r.items().iter().zip(items(100, 5)) {
                assert_eq!(view.description, made.description);
                let made: i64 = made.stock.iter().map(|(_, quantity)| *quantity).sum();
                assert_eq!(view.stock.values().sum::<i64>(), made);
                assert_eq!(view.stock.len(), shops.len());
            }
            let stocked = |shop: i64| {
                r.items().iter().any(|it| it.stock.get(&shop).is_some_and(|quantity| *quantity > 0))
            };
            assert!((1..).take(shops.len()).all(stocked));
        }
    }
}
