//! Edits drawn by lot, between platforms whose habits are drawn by lot. `CONCORD_TEXT_SEEDS` names how many; a failure
//! names the seed.

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rust_decimal::Decimal;

use super::NAMES;
use crate::support::{Plan, World};

/// Of what texts are made.
const PIECES: [&str; 16] = [
    "Mug", " ", "  ", "\t", "&", "&amp;", "<b>", "\"", "'", "é", "e\u{301}", "🥄", "תה", "\u{7}", "\u{0}",
    "7.50",
];

fn text(dice: &mut ChaCha12Rng) -> String {
    if dice.random_ratio(1, 3) {
        return (*NAMES.choose(dice).unwrap()).to_owned();
    }
    let length = if dice.random_ratio(1, 8) { 120 } else { dice.random_range(1..9) };
    let pieces: String = (0..length).filter_map(|_| PIECES.choose(dice)).copied().collect();
    // A name that is none would be held, and rightly so.
    format!("{pieces}{}", dice.random_range(0..100))
}

/// What both platforms do to what they are given. Tells whether the currency of the store is to have no decimals.
fn habits(world: &World, dice: &mut ChaCha12Rng) -> bool {
    let mut flip = || dice.random_bool(0.4);
    let (escape, cut, rounds) = (flip(), flip(), flip());
    let whole = rounds && flip();
    world.stage.e.habits(|e| {
        e.trim_names = flip();
        e.collapse_spaces = flip();
        e.drop_control_characters = flip();
        e.compose_accents = flip();
        e.escape_names = escape;
        // Half an entity is no text that anybody could read.
        e.cut_names_at = (cut && !escape).then_some(150);
        e.round_prices = rounds;
    });
    world.stage.r.habits(|r| {
        r.trim_text = flip();
        r.collapse_spaces = flip();
        r.drop_control_characters = flip();
        r.price_decimals = flip().then_some(2);
    });
    whole
}

#[tokio::test]
async fn whatever_the_platforms_make_of_texts_and_amounts_it_ends_in_rest() {
    let seeds = std::env::var("CONCORD_TEXT_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let first: u64 = std::env::var("CONCORD_TEXT_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    for seed in first..first + seeds {
        eprintln!("texts drawn by lot: seed {seed}");
        let mut dice = ChaCha12Rng::seed_from_u64(seed);
        let mut world = World::open(Plan { seed, ..Plan::default() }).await;
        let whole = habits(&world, &mut dice);
        let (items, matrix) = world.stock_up();
        world.connect().await;
        world.settle().await;
        // Less than half a unit would be nothing, and nothing is no price.
        world.stage.e.habits(|habits| habits.price_decimals = if whole { 0 } else { 2 });
        let apart = if whole { "1" } else { "0.01" };
        for _ in 0..40 {
            let id = *items.choose(&mut dice).unwrap();
            let product = world.product_of(id).expect("it is online").id;
            let price = Decimal::new(dice.random_range(1_000..1_000_000), dice.random_range(0..4));
            match dice.random_range(0..10) {
                0 | 1 => world.stage.r.rename(id, &text(&mut dice)),
                2 | 3 => assert!(world.stage.e.rename(product, &text(&mut dice))),
                4 => world.stage.r.reprice_online(id, price),
                5 => assert!(world.stage.e.reprice(product, price)),
                6 => world.stage.r.sell(id, 1, dice.random_range(1..9)),
                7 => assert!(world.stage.e.sell(product, dice.random_range(1..9))),
                8 => world.stage.r.rename_matrix(matrix, &text(&mut dice)),
                _ => {
                    let whole = world.product_of_matrix(matrix).unwrap();
                    assert!(world.stage.e.rename(whole, &text(&mut dice)));
                }
            }
            if dice.random_ratio(1, 4) {
                world.settle().await;
            }
        }
        world.settle().await;
        // Nobody tells of a matrix whose items are called otherwise.
        world.sweep().await;
        let at = format!("seed {seed}");
        world.check_alike(&at, apart).await;
        world.check_rounds(&at).await;
        world.close().await;
    }
}
