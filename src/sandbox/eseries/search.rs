//! `GET /products` and `GET /products/deleted`: lists, as the lagging index has them (sections 4.1 and 4.5 of the
//! E-Series reference).

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::category::{Category, ancestors};
use super::product::{Product, Scene};
use super::refusal::Refusal;
use super::store::{Deleted, Store};
use super::values::{Keep, Query, date, page, whole_seconds};
use crate::clock::Instant;

/// `GET /products`.
pub(super) fn products(store: &mut Store, query: &Query, now: Instant) -> Result<Value, Refusal> {
    let keep = Keep::of(query)?;
    let order = Order::of(query)?;
    let filter = Filter::of(query, &store.categories)?;
    let (habits, categories) = (&store.config.habits, &store.categories);
    let scene = Scene { store_id: store.config.store_id, habits, categories };
    let mut found: Vec<&Product> = if let Some(ids) = query.text("productId") {
        // By id there is no lag, and all other filters are ignored.
        let ids = whole_numbers(ids)?;
        store.products.values().filter(|product| ids.contains(&product.id)).collect()
    } else if let Some(sku) = query.text("sku") {
        // Other filters except `productId` are ignored.
        store.index.at(now).into_iter().filter(|product| has_sku(product, sku)).collect()
    } else {
        store.index.at(now).into_iter().filter(|product| filter.fits(product)).collect()
    };
    found.sort_by(|one, other| order.compare(one, other));
    let list = page(query, found, |product| product.wire(&scene))?;
    Ok(keep.map_or_else(|| list.clone(), |keep| keep.cut(list.clone())))
}

/// `GET /products/deleted`. Whether its ends are inclusive is not documented; they are taken as those of the search.
pub(super) fn deleted(store: &Store, query: &Query, now: Instant) -> Result<Value, Refusal> {
    let (from, to) = (query.date("from_date")?, query.date("to_date")?);
    let fits = |it: &&Deleted| it.visible_from <= now && within(it.at, from, to);
    page(query, store.deleted.iter().filter(fits).collect(), |it| json!({"id": it.id, "date": date(it.at)}))
}

/// `…From` is inclusive, `…To` is exclusive.
fn within(at: Instant, from: Option<Instant>, to: Option<Instant>) -> bool {
    from.is_none_or(|from| at >= whole_seconds(from)) && to.is_none_or(|to| at < to)
}

struct Filter {
    external_reference_id: Option<String>,
    categories: Option<Vec<i64>>,
    keyword: Vec<String>,
    created: (Option<Instant>, Option<Instant>),
    updated: (Option<Instant>, Option<Instant>),
    price: (Option<rust_decimal::Decimal>, Option<rust_decimal::Decimal>),
    enabled: Option<bool>,
    in_stock: Option<bool>,
    on_sale: Option<bool>,
}

impl Filter {
    fn of(query: &Query, tree: &BTreeMap<i64, Category>) -> Result<Self, Refusal> {
        let inventory = choice(query, "inventory", "instock", "outofstock")?;
        let below = query.is_on("includeProductsFromSubcategories")? || query.is_on("withSubcategories")?;
        let mut categories =
            query.text("category").or(query.text("categories")).map(whole_numbers).transpose()?;
        if let (true, Some(wanted)) = (below, &mut categories) {
            let within = |id: &&i64| ancestors(tree, **id).iter().any(|above| wanted.contains(above));
            let more: Vec<i64> = tree.keys().filter(within).copied().collect();
            wanted.extend(more);
        }
        Ok(Self {
            categories,
            external_reference_id: query.text("externalReferenceId").map(str::to_owned),
            keyword: query
                .text("keyword")
                .map(|text| text.to_lowercase().split_whitespace().map(str::to_owned).collect())
                .unwrap_or_default(),
            created: (query.date("createdFrom")?, query.date("createdTo")?),
            updated: (query.date("updatedFrom")?, query.date("updatedTo")?),
            price: (query.decimal("priceFrom")?, query.decimal("priceTo")?),
            enabled: query.switch("enabled")?,
            in_stock: query.switch("inStock")?.or(inventory),
            on_sale: choice(query, "onsale", "onsale", "notonsale")?,
        })
    }

    fn fits(&self, product: &Product) -> bool {
        // Of a product or of one of its variations.
        let same_reference = |wanted: &String| {
            let own = std::iter::once(&product.external_reference_id);
            own.chain(product.variations.iter().map(|it| &it.external_reference_id))
                .any(|it| it.as_ref() == Some(wanted))
        };
        self.external_reference_id.as_ref().is_none_or(same_reference)
            && self.has_category(product)
            && self.has_keyword(product)
            && within(product.created, self.created.0, self.created.1)
            && within(product.updated, self.updated.0, self.updated.1)
            && self.price.0.is_none_or(|from| product.price >= from)
            && self.price.1.is_none_or(|to| product.price <= to)
            && self.enabled.is_none_or(|enabled| product.enabled == enabled)
            && self.in_stock.is_none_or(|in_stock| product.in_stock() == in_stock)
            && self.on_sale.is_none_or(|on_sale| is_on_sale(product) == on_sale)
    }

    /// In any of the categories; 0 is the front page, where what has no category sits. Those below are looked
    /// through only where that is asked for.
    fn has_category(&self, product: &Product) -> bool {
        let ids = product.category_ids();
        let front = ids.is_empty() || product.more.contains_key("showOnFrontpage");
        let fits = |id: &i64| if *id == 0 { front } else { ids.contains(id) };
        self.categories.as_ref().is_none_or(|wanted| wanted.iter().any(fits))
    }

    /// Whole words; a trailing `*` makes it a prefix search. All words must be there.
    fn has_keyword(&self, product: &Product) -> bool {
        if self.keyword.is_empty() {
            return true;
        }
        let words = product.words();
        self.keyword.iter().all(|wanted| match wanted.strip_suffix('*') {
            Some(start) => words.iter().any(|word| word.starts_with(start)),
            None => words.contains(wanted),
        })
    }
}

fn whole_numbers(text: &str) -> Result<Vec<i64>, Refusal> {
    let ids: Result<Vec<i64>, _> = text.split(',').map(|id| id.trim().parse()).collect();
    ids.map_err(|_| Refusal::wrong_parameter("Wrong parameter: expected ids, separated by commas"))
}

/// A SKU finds the product of its variation, too.
fn has_sku(product: &Product, sku: &str) -> bool {
    product.sku == sku || product.variations.iter().any(|it| it.sku.as_deref() == Some(sku))
}

fn is_on_sale(product: &Product) -> bool {
    product.more_decimal("compareToPrice").is_some_and(|before| before > product.price)
}

fn choice(query: &Query, name: &str, yes: &str, no: &str) -> Result<Option<bool>, Refusal> {
    match query.text(name) {
        None => Ok(None),
        Some(text) if text.eq_ignore_ascii_case(yes) => Ok(Some(true)),
        Some(text) if text.eq_ignore_ascii_case(no) => Ok(Some(false)),
        Some(_) => Err(Refusal::wrong_parameter(format!(
            "Wrong parameter '{name}' value: expected one of {yes}, {no}"
        ))),
    }
}

/// `sortBy`. What stands second decides between equals.
#[derive(Clone, Copy)]
enum Order {
    /// Relevance and the owner's order are nobody's to rely on: newest first here.
    Unsorted,
    Added(bool),
    Updated(bool),
    Name(bool),
    Price(bool),
}

impl Order {
    fn of(query: &Query) -> Result<Self, Refusal> {
        Ok(match query.text("sortBy") {
            None | Some("RELEVANCE" | "DEFINED_BY_STORE_OWNER") => Self::Unsorted,
            Some("ADDED_TIME_ASC") => Self::Added(true),
            Some("ADDED_TIME_DESC") => Self::Added(false),
            Some("UPDATED_TIME_ASC") => Self::Updated(true),
            Some("UPDATED_TIME_DESC") => Self::Updated(false),
            Some("NAME_ASC") => Self::Name(true),
            Some("NAME_DESC") => Self::Name(false),
            Some("PRICE_ASC") => Self::Price(true),
            Some("PRICE_DESC") => Self::Price(false),
            Some(_) => return Err(Refusal::wrong_parameter("Wrong parameter 'sortBy' value")),
        })
    }

    fn compare(self, one: &Product, other: &Product) -> Ordering {
        let way = |up: bool, ordering: Ordering| {
            let ordering = ordering.then(one.id.cmp(&other.id));
            if up { ordering } else { ordering.reverse() }
        };
        match self {
            Self::Unsorted => {
                (Reverse(one.created), Reverse(one.id)).cmp(&(Reverse(other.created), Reverse(other.id)))
            }
            Self::Added(up) => way(up, one.created.cmp(&other.created)),
            Self::Updated(up) => way(up, one.updated.cmp(&other.updated)),
            Self::Name(up) => way(up, one.name.cmp(&other.name)),
            Self::Price(up) => way(up, one.price.cmp(&other.price)),
        }
    }
}
