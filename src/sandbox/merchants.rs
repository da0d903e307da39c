//! A small cast of merchants who keep both shops busy, one believable thing at a time.
//!
//! They only touch what exists on both sides, and leave a thing alone until what they last did to it has reached
//! the other side: so it can always be told whether an act has arrived.

mod online;

use std::collections::BTreeSet;

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;
use rust_decimal::Decimal;

use serde_json::Value;

use self::online::Online;
use super::rseries::ItemView;
use super::stage::Stage;

/// How R-Series is named in an [`Act`].
pub const R_SERIES: &str = "R-Series";
/// How E-Series is named in an [`Act`].
pub const E_SERIES: &str = "E-Series";

/// What stands before the item's ID in `externalReferenceId` of its product.
const MARK: &str = "concord-r-";
/// The same of a variation.
const VARIANT_MARK: &str = "concord-r-variant-";
/// Acts after which the cast looks again for what exists on both sides.
const LOOK_AGAIN: u32 = 32;
/// How many things are looked at for one that an act fits.
const TRIES: usize = 24;
/// Names that are given stay well within what both platforms keep.
const LONGEST_NAME: usize = 200;
/// What merchants put behind a name; a name has at most one of them.
const TAILS: [&str; 6] =
    [" – new edition", " (restyled)", " – bestseller ⭐", " & gift bag", ", improved", " \"Classic\""];

/// What the other side must show for an act to have arrived.
#[derive(Debug, Clone, PartialEq)]
pub enum Expect {
    /// This name.
    Name(String),
    /// This price; on R-Series it is the one of level `Online`.
    Price(Decimal),
    /// Published or enabled, or not.
    Enabled(bool),
    /// This SKU; on R-Series it is the merchant's own.
    Sku(String),
    /// This much stock: `from + delta`.
    StockDelta {
        /// The side to look at.
        side: &'static str,
        /// The stock there at the time of the act; on R-Series summed over all shops.
        from: i64,
        /// What the act adds to it.
        delta: i64,
    },
}

/// One thing that somebody did.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// Who.
    pub who: &'static str,
    /// On which side: [`R_SERIES`] or [`E_SERIES`].
    pub side: &'static str,
    /// The item.
    pub item_id: i64,
    /// Its product on the web.
    pub product_id: i64,
    /// Its variation there, if it is a variant.
    pub variation_id: Option<i64>,
    /// `stock`, `name`, `price`, `enabled` or `sku`.
    pub field: &'static str,
    /// The act in words.
    pub words: String,
    /// What the other side must show.
    pub expect: Expect,
}

/// Whether the other side shows what the act was about. True at once where it did so before, as when a product is
/// enabled whose item is published already.
#[must_use]
pub fn arrived(act: &Act, stage: &Stage) -> bool {
    if act.side == R_SERIES {
        let Some(product) = Online::look(stage, act.product_id, act.variation_id) else { return false };
        match &act.expect {
            Expect::Name(name) => product.name == *name,
            Expect::Price(price) => product.price == *price,
            Expect::Enabled(enabled) => product.enabled == *enabled,
            Expect::Sku(sku) => product.sku == *sku,
            Expect::StockDelta { from, delta, .. } => product.quantity == Some(from.saturating_add(*delta)),
        }
    } else {
        let Some(item) = stage.r.item(act.item_id) else { return false };
        match &act.expect {
            Expect::Name(name) => item.description == *name,
            Expect::Price(price) => item.online_price == Some(*price),
            Expect::Enabled(enabled) => item.publish_to_ecom == *enabled,
            Expect::Sku(sku) => item.custom_sku == *sku,
            Expect::StockDelta { from, delta, .. } => in_shops(&item) == from.saturating_add(*delta),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    SellInShop,
    SellOnWeb,
    Restock,
    Rename,
    Reprice,
    Show,
    Relabel,
}

/// One thing as it stands on both sides.
struct Pair {
    item: ItemView,
    product: Online,
}

/// The cast. What it does comes from its seed and from what it finds on the stage.
#[derive(Debug)]
pub struct Cast {
    generator: ChaCha12Rng,
    /// Item, product, and variation if it is a variant.
    pairs: Vec<(i64, i64, Option<i64>)>,
    acts_since_look: u32,
    /// What may not have arrived yet, oldest first; one a thing at most.
    open: Vec<Act>,
    labels: u32,
}

impl Cast {
    /// A cast that has not looked around yet.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let generator = ChaCha12Rng::seed_from_u64(seed);
        Self { generator, pairs: Vec::new(), acts_since_look: 0, open: Vec::new(), labels: 0 }
    }

    /// Does one thing on one side. `None` where nothing exists on both sides yet, or where everything waits for
    /// its last change to arrive.
    pub fn act(&mut self, stage: &Stage) -> Option<Act> {
        if self.pairs.is_empty() || self.acts_since_look >= LOOK_AGAIN {
            self.look_around(stage);
        }
        let act = self.attempt(stage);
        // Only now: what arrives is left alone for one more act, so that whoever watches can see it.
        self.open.retain(|open| !arrived(open, stage));
        // Somebody else's hand may have kept an act from ever arriving; that must not stop the show.
        if self.open.len() > self.pairs.len() / 2 {
            self.open.remove(0);
        }
        self.open.extend(act.clone());
        self.acts_since_look += 1;
        act
    }

    fn look_around(&mut self, stage: &Stage) {
        let item = |mark: &str, reference: &str| reference.strip_prefix(mark)?.parse::<i64>().ok();
        self.pairs.clear();
        for product in stage.e.products() {
            let whole = product.external_reference_id.as_deref().and_then(|mark| item(MARK, mark));
            self.pairs.extend(whole.map(|item| (item, product.id, None)));
            for variation in stage.e.variations(product.id) {
                let mark = variation.get("externalReferenceId").and_then(Value::as_str);
                let variant = mark.and_then(|mark| item(VARIANT_MARK, mark));
                let id = variation.get("id").and_then(Value::as_i64);
                self.pairs.extend(variant.zip(id).map(|(item, id)| (item, product.id, Some(id))));
            }
        }
        self.acts_since_look = 0;
    }

    fn attempt(&mut self, stage: &Stage) -> Option<Act> {
        let drawn = match self.generator.random_range(0..100) {
            0..36 => Deed::SellInShop,
            36..68 => Deed::SellOnWeb,
            68..76 => Deed::Restock,
            76..84 => Deed::Rename,
            84..92 => Deed::Reprice,
            92..97 => Deed::Show,
            _ => Deed::Relabel,
        };
        // Where nothing can be sold on the web, somebody puts something there; where nothing is left, goods come.
        let instead: &[Deed] = match drawn {
            Deed::SellOnWeb => &[Deed::Show, Deed::SellInShop, Deed::Restock],
            _ => &[Deed::SellInShop, Deed::Restock],
        };
        let busy: BTreeSet<i64> = self.open.iter().map(|act| act.item_id).collect();
        for deed in std::iter::once(&drawn).chain(instead) {
            for _ in 0..TRIES {
                let (item, product, variation) = *self.pairs.choose(&mut self.generator)?;
                if busy.contains(&item) {
                    continue;
                }
                let online = Online::look(stage, product, variation);
                let found = stage.r.item(item).filter(|item| !item.archived).zip(online);
                let Some((item, product)) = found else { continue };
                if let Some(act) = self.perform(*deed, stage, &Pair { item, product }) {
                    return Some(act);
                }
            }
        }
        None
    }

    /// `None` where the deed does not fit the thing; then nothing has happened.
    fn perform(&mut self, deed: Deed, stage: &Stage, pair: &Pair) -> Option<Act> {
        match deed {
            // These belong to the whole, and a variant is a part.
            Deed::Rename | Deed::Show if pair.product.variation.is_some() => None,
            Deed::SellInShop => self.sell_in_shop(stage, pair),
            Deed::SellOnWeb => self.sell_on_web(stage, pair),
            Deed::Restock => self.restock(stage, pair),
            Deed::Rename => self.rename(stage, pair),
            Deed::Reprice => self.reprice(stage, pair),
            Deed::Show => self.show(stage, pair),
            Deed::Relabel => self.relabel(stage, pair),
        }
    }

    fn sell_in_shop(&mut self, stage: &Stage, pair: &Pair) -> Option<Act> {
        let from = pair.product.quantity?;
        let (shop, there) = pair.item.stock.iter().max_by_key(|(_, quantity)| **quantity)?;
        let quantity = self.some(*there)?;
        stage.r.sell(pair.item.item_id, *shop, quantity);
        let who = self.one_of(&["Mia", "Jonas"])?;
        let words = format!("{who} sells {quantity} × {} in the shop", pair.item.description);
        Some(pair.act(who, R_SERIES, words, Expect::StockDelta { side: E_SERIES, from, delta: -quantity }))
    }

    fn sell_on_web(&mut self, stage: &Stage, pair: &Pair) -> Option<Act> {
        let there = pair.product.quantity.filter(|_| pair.product.enabled)?;
        let quantity = self.some(there)?;
        if !pair.product.sell(stage, quantity) {
            return None;
        }
        let who = self.one_of(&["A customer in Lisbon", "A customer in Uppsala", "A customer in Graz"])?;
        let words = format!("{who} buys {quantity} × {} on the web", pair.product.name);
        let from = in_shops(&pair.item);
        Some(pair.act(who, E_SERIES, words, Expect::StockDelta { side: R_SERIES, from, delta: -quantity }))
    }

    fn restock(&mut self, stage: &Stage, pair: &Pair) -> Option<Act> {
        let from = pair.product.quantity?;
        let (shop, _) = pair.item.stock.iter().min_by_key(|(_, quantity)| **quantity)?;
        let quantity = self.generator.random_range(1..=4) * 6;
        stage.r.restock(pair.item.item_id, *shop, quantity);
        let words = format!("Noor checks in {quantity} × {}", pair.item.description);
        Some(pair.act("Noor", R_SERIES, words, Expect::StockDelta { side: E_SERIES, from, delta: quantity }))
    }

    fn rename(&mut self, stage: &Stage, pair: &Pair) -> Option<Act> {
        let in_shop = self.generator.random_bool(0.5);
        let old = if in_shop { &pair.item.description } else { &pair.product.name };
        let bare = TAILS.iter().find_map(|tail| old.strip_suffix(tail)).unwrap_or(old);
        let new = format!("{bare}{}", self.one_of(&TAILS)?);
        if new == pair.item.description || new == pair.product.name || new.chars().count() > LONGEST_NAME {
            return None;
        }
        let (who, side) = if in_shop {
            stage.r.rename(pair.item.item_id, &new);
            ("Mia", R_SERIES)
        } else {
            stage.e.rename(pair.product.id, &new).then_some(("Priya", E_SERIES))?
        };
        let words = format!("{who} renames {old} to {new} {}", place(side));
        Some(pair.act(who, side, words, Expect::Name(new)))
    }

    fn reprice(&mut self, stage: &Stage, pair: &Pair) -> Option<Act> {
        let in_shop = self.generator.random_bool(0.5);
        let part = Decimal::new(self.generator.random_range(85..=118), 2);
        // In the shop it is the price that counts for the web: Online where there is one.
        let old = pair.item.online_price.unwrap_or(pair.item.default_price);
        let old = if in_shop { old } else { pair.product.price };
        let new = (old * part).round_dp(2);
        if new <= Decimal::ZERO
            || new == pair.product.price
            || pair.item.online_price == Some(new)
            || new == old
        {
            return None;
        }
        let (who, side) = if in_shop {
            match pair.item.online_price {
                Some(_) => stage.r.reprice_online(pair.item.item_id, new),
                None => stage.r.reprice_default(pair.item.item_id, new),
            }
            ("Noor", R_SERIES)
        } else {
            pair.product.reprice(stage, new).then_some(("Priya", E_SERIES))?
        };
        let (name, old, shown) = (&pair.item.description, old.normalize(), new.normalize());
        let words = format!("{who} reprices {name} from {old} to {shown} {}", place(side));
        Some(pair.act(who, side, words, Expect::Price(new)))
    }

    fn show(&mut self, stage: &Stage, pair: &Pair) -> Option<Act> {
        let in_shop = self.generator.random_bool(0.3);
        let (who, side, show) = if in_shop {
            let publish = !pair.item.publish_to_ecom;
            // Nobody unpublishes what the web does not show anyway.
            if publish == pair.product.enabled {
                return None;
            }
            stage.r.publish(pair.item.item_id, publish);
            ("Jonas", R_SERIES, publish)
        } else {
            let enable = !pair.product.enabled;
            // Putting things on the web is more common than taking them off.
            if !enable && self.generator.random_bool(0.7) {
                return None;
            }
            stage.e.enable(pair.product.id, enable).then_some(("Priya", E_SERIES, enable))?
        };
        let name = &pair.item.description;
        let words = match (in_shop, show) {
            (true, true) => format!("{who} publishes {name} from the shop"),
            (true, false) => format!("{who} takes {name} off the web from the shop"),
            (false, true) => format!("{who} puts {name} on show on the web"),
            (false, false) => format!("{who} hides {name} on the web"),
        };
        Some(pair.act(who, side, words, Expect::Enabled(show)))
    }

    fn relabel(&mut self, stage: &Stage, pair: &Pair) -> Option<Act> {
        let in_shop = self.generator.random_bool(0.5);
        let old = if in_shop { &pair.item.custom_sku } else { &pair.product.sku };
        // The house's SKU with a running letter-and-number behind it, so that no two things get the same one.
        let bare = old.rsplit_once("-v").map_or(old.as_str(), |(bare, _)| bare);
        let bare = if bare.is_empty() { "NEW" } else { bare };
        self.labels += 1;
        let new = format!("{bare}-v{}{:02}", self.labels, self.generator.random_range(0..100));
        let (who, side) = if in_shop {
            stage.r.set_sku(pair.item.item_id, &new);
            ("Jonas", R_SERIES)
        } else {
            pair.product.set_sku(stage, &new).then_some(("Priya", E_SERIES))?
        };
        let name = &pair.item.description;
        let words = format!("{who} gives {name} the SKU {new} {}", place(side));
        Some(pair.act(who, side, words, Expect::Sku(new)))
    }

    /// As many as somebody may buy of what is there; mostly one.
    fn some(&mut self, there: i64) -> Option<i64> {
        let wanted = *[1, 1, 1, 1, 2, 2, 3].choose(&mut self.generator)?;
        (there > 0).then(|| wanted.min(there))
    }

    fn one_of(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.choose(&mut self.generator).copied()
    }
}

impl Pair {
    fn act(&self, who: &'static str, side: &'static str, words: String, expect: Expect) -> Act {
        let field = match &expect {
            Expect::Name(_) => "name",
            Expect::Price(_) => "price",
            Expect::Enabled(_) => "enabled",
            Expect::Sku(_) => "sku",
            Expect::StockDelta { .. } => "stock",
        };
        let (item_id, product_id) = (self.item.item_id, self.product.id);
        let variation_id = self.product.variation;
        Act { who, side, item_id, product_id, variation_id, field, words, expect }
    }
}

fn in_shops(item: &ItemView) -> i64 {
    item.stock.values().fold(0, |sum, quantity| sum.saturating_add(*quantity))
}

fn place(side: &str) -> &'static str {
    if side == R_SERIES { "in the shop" } else { "on the web" }
}

#[cfg(test)]
mod tests;
