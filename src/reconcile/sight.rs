//! What the two sides show of a product, of whatever kind it is.

use super::Visit;
use crate::catalog::{Facts, Field, Side, Stock, Tree};
use crate::clock::Instant;
use crate::connections::Account;
use crate::mapping::{self, Context, OptionNames};
use crate::platforms::eseries::wire::{Product, Variation};
use crate::platforms::rseries::wire::{Item, Matrix};
use crate::store::links::{Link, Parent};

/// What one side shows of a product.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Sight<T> {
    /// The link has no such half.
    NoHalf,
    /// The platform has no such record: asked for by id.
    Gone,
    /// The record.
    Here(T),
}

/// What both sides show.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sights {
    pub(super) r: Sight<InShop>,
    pub(super) e: Sight<Online>,
    /// Looked at for this product alone, right now, and not in a list some calls ago.
    pub(super) fresh: bool,
    /// What R-Series shows is what a run has listed: when it asked, and the place in the inventory log that was read
    /// before.
    pub(super) listed: Option<(Instant, Option<i64>)>,
}

/// A record of R-Series.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum InShop {
    /// A simple product, or a variant.
    Item(Box<Item>),
    /// A product with variants: the matrix and its items, archived ones too.
    Matrix { matrix: Matrix, items: Vec<Item> },
}

/// A record of E-Series: a product, or one of its variations.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Online {
    pub(super) product: Product,
    pub(super) variation: Option<Variation>,
}

impl InShop {
    /// Archived, as a whole or every item of it.
    pub(super) fn archived(&self) -> bool {
        match self {
            Self::Item(item) => item.archived,
            // Archiving a matrix archives its items (r-series-api.md, section 4.4); nobody has described whether it
            // comes back with them, so what can be sold decides.
            Self::Matrix { matrix, items } if items.is_empty() => matrix.archived,
            Self::Matrix { items, .. } => items.iter().all(|item| item.archived),
        }
    }

    /// What the merchant calls it.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Item(item) => &item.description,
            Self::Matrix { matrix, .. } => &matrix.description,
        }
    }

    /// The item, unless it is a matrix.
    pub(super) fn item(&self) -> Option<&Item> {
        match self {
            Self::Item(item) => Some(item.as_ref()),
            Self::Matrix { .. } => None,
        }
    }

    /// Its items that are not archived.
    pub(super) fn live_items(&self) -> impl Iterator<Item = &Item> {
        let items = match self {
            Self::Item(item) => std::slice::from_ref(item.as_ref()),
            Self::Matrix { items, .. } => items.as_slice(),
        };
        items.iter().filter(|item| !item.archived)
    }

    /// What it says in our words.
    pub(super) fn facts(&self, of: &Reading<'_>) -> Facts {
        match self {
            Self::Item(item) if of.variant => {
                mapping::rseries::variant_facts(item, of.context, of.names.as_ref())
            }
            Self::Item(item) => {
                let category = mapping::category::in_shop(item.category_id, of.tree);
                mapping::rseries::facts(item, of.context).with(Field::Category, category)
            }
            // The category of the product is the matrix's, whatever its items have.
            Self::Matrix { matrix, items } => {
                let category = mapping::category::in_shop(matrix.category_id, of.tree);
                let facts = mapping::rseries::matrix_facts(matrix, items, of.names.as_ref());
                facts.with(Field::Category, category)
            }
        }
    }
}

impl Online {
    /// A product that is sold as it is.
    pub(super) fn whole(product: Product) -> Self {
        Self { product, variation: None }
    }

    /// The pieces that are counted for it.
    pub(super) fn stock(&self) -> Stock {
        self.variation.as_ref().map_or(self.product.stock, |variation| variation.stock)
    }

    /// Is it sold as its variations, each with pieces of its own? Options alone (a text, a file, a choice that no variation
    /// is about) leave it one product with one count, and are nobody's business but the web's.
    pub(super) fn has_variations(&self) -> bool {
        !self.product.variations.is_empty()
    }

    /// What it says in our words.
    pub(super) fn facts(&self, of: &Reading<'_>) -> Facts {
        let mut facts = match &self.variation {
            Some(variation) => {
                return mapping::eseries::variation_facts(&self.product, variation, of.names.as_ref());
            }
            None if of.matrix => mapping::eseries::whole_facts(&self.product, of.names.as_ref()),
            None => mapping::eseries::facts(&self.product),
        };
        if let Some(category) = mapping::category::online(&self.product.category_ids, of.tree) {
            facts.set(Field::Category, category);
        }
        facts
    }
}

/// What has to be known of a link to read what the sides show.
pub(super) struct Reading<'a> {
    pub(super) context: &'a Context,
    pub(super) tree: &'a Tree,
    pub(super) names: Option<OptionNames>,
    /// The names were in step before, and are not only assumed to mean the same.
    pub(super) tied: bool,
    pub(super) variant: bool,
    pub(super) matrix: bool,
}

impl<'a> Reading<'a> {
    pub(super) fn of(account: &'a Account, link: &Link, parent: Option<&Parent>) -> Self {
        let shadow = parent.map_or(&link.shadow, |parent| &parent.shadow);
        let names = OptionNames::tied(shadow.side(Side::RSeries), shadow.side(Side::ESeries));
        Self {
            context: &account.context,
            tree: &account.tree,
            tied: names.is_some(),
            names,
            // One that has been called by its matrix is what it was until it has gone there.
            variant: link.parent_id.is_some() && !link.stands_alone(),
            matrix: link.r_matrix_id.is_some(),
        }
    }
}

impl Visit<'_> {
    /// How what the sides show is read for this product.
    pub(super) fn reading(&self) -> Reading<'_> {
        let mut reading = Reading::of(self.account, &self.link, self.parent.as_ref());
        if reading.names.is_none() {
            reading.names.clone_from(&self.assumed);
        }
        reading
    }

    /// Where no options are tied yet, those of the same name are taken for the same, in whatever order they stand.
    pub(super) fn assume_names(&mut self, shop: &InShop) {
        let InShop::Matrix { matrix, .. } = shop else { return };
        self.assumed = matrix.set.as_ref().map(|set| {
            let names: Vec<String> = set.used().map(str::to_owned).collect();
            OptionNames::alike(&names)
        });
    }

    /// What a sight of R-Series says.
    pub(super) fn r_facts(&self, sight: &Sight<InShop>) -> Option<Facts> {
        match sight {
            Sight::Here(shop) => Some(shop.facts(&self.reading())),
            _ => None,
        }
    }

    /// What a sight of E-Series says.
    pub(super) fn e_facts(&self, sight: &Sight<Online>) -> Option<Facts> {
        match sight {
            Sight::Here(online) => Some(online.facts(&self.reading())),
            _ => None,
        }
    }

    /// The E-Series half, as calls name it.
    pub(super) fn e_half(&self) -> Option<(i64, Option<i64>)> {
        self.link.e_product_id.map(|product| (product, self.link.e_combination_id))
    }
}
