//! Options that come or go: what each variant is then, by the values of its other half.
//!
//! A rename leaves every value where it is. An option more or less does not: the side that has the new options already
//! says which values they have, and every variant has to have a half there. What both sides had before, each keeps as it
//! says it: a value that somebody has typed meanwhile is for the visit of its variant to merge.

use std::collections::BTreeSet;

use super::{Context, OptionNames};
use crate::catalog::Hold;
use crate::platforms::eseries::wire::{Product, Variation};
use crate::platforms::rseries::wire::{Item, Matrix};

/// Attributes that a matrix has at most (r-series-api.md, section 4.4).
const MOST_ON_R: usize = 3;

/// Names of options, each with its value.
pub type Pairs = Vec<(String, String)>;

/// Are these options more or fewer than those that are tied, or than those that are shown where they are to be? Those
/// may be news, which lose.
#[must_use]
pub fn reshapes(names: Option<&OptionNames>, wanted: &[String], shown: &[String]) -> bool {
    names.is_some_and(|names| [names.r_series.len(), shown.len()].iter().any(|many| *many != wanted.len()))
}

/// Option names and values of each variation of the product, by the attributes of its item where it has no such option
/// itself.
pub fn on_e(
    product: &Product,
    (matrix, items): (&Matrix, &[Item]),
    context: &Context,
    (tied, wanted): (Option<&OptionNames>, &[String]),
) -> Result<Vec<(i64, Pairs)>, Hold> {
    distinct(wanted)?;
    let value = |item: &Item, name: &String| {
        let names = matrix.set.as_ref().map(|set| &set.names).into_iter().flatten();
        let values = item.attributes.as_ref().map(|attributes| &attributes.values).into_iter().flatten();
        let mut places = names.zip(values);
        let place = places.find(|(place, _)| place.trim() == name.trim());
        place.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
    };
    let mut shaped = Vec::new();
    for variation in &product.variations {
        let live = || items.iter().filter(|item| !item.archived);
        let of_sku = || live().find(|item| same_sku(item, variation, context));
        let Some(item) = live().find(|item| is_marked(variation, item)).or_else(of_sku) else {
            return Err(alone(variation.sku.as_deref().unwrap_or("without a SKU"), "item on R-Series"));
        };
        let own = |name: &String| {
            let own =
                variation.value(other_name(tied.map(|tied| (&tied.r_series, &tied.e_series)), name)?)?;
            Some(own.trim().to_owned())
        };
        let values: Vec<String> =
            wanted.iter().map(|name| own(name).unwrap_or_else(|| value(item, name))).collect();
        shaped.push((variation.id, values));
    }
    told_apart(shaped.iter().map(|(_, values)| values))?;
    let pairs = |values: Vec<String>| {
        let pairs = wanted.iter().cloned().zip(values);
        pairs.filter(|(_, value)| !value.is_empty()).collect()
    };
    Ok(shaped.into_iter().map(|(id, values)| (id, pairs(values))).collect())
}

/// The values of each item of the matrix, by the options of its variation where it has no such attribute itself.
pub fn on_r(
    product: &Product,
    items: &[Item],
    context: &Context,
    (tied, wanted): (Option<&OptionNames>, &[String]),
) -> Result<Vec<(i64, Vec<String>)>, Hold> {
    distinct(wanted)?;
    if wanted.len() > MOST_ON_R {
        return Err(Hold::new(
            "too_many_options",
            format!(
                "The product has {} options on E-Series ({}), and a matrix of R-Series has at most {MOST_ON_R} \
                 attributes. The attributes stay as they are: join or remove options.",
                wanted.len(),
                wanted.join(", ")
            ),
        ));
    }
    let mut shaped = Vec::new();
    for item in items.iter().filter(|item| !item.archived) {
        let variations = || product.variations.iter();
        let of_sku = || variations().find(|variation| same_sku(item, variation, context));
        let Some(variation) = variations().find(|variation| is_marked(variation, item)).or_else(of_sku)
        else {
            return Err(alone(&item.description, "variation on E-Series"));
        };
        let own = |name: &String| {
            let name = other_name(tied.map(|tied| (&tied.e_series, &tied.r_series)), name)?;
            let attributes = item.attributes.as_ref()?;
            let mut own = attributes.set.as_ref()?.names.iter().zip(&attributes.values);
            own.find(|(own, _)| own.trim() == name.trim()).map(|(_, value)| value.trim().to_owned())
        };
        let value = |name: &String| {
            own(name).unwrap_or_else(|| variation.value(name).unwrap_or_default().trim().to_owned())
        };
        shaped.push((item.id, wanted.iter().map(value).collect::<Vec<_>>()));
    }
    told_apart(shaped.iter().map(|(_, values)| values))?;
    Ok(shaped)
}

/// What an option of one side that was in step is called on the other.
fn other_name<'a>(tied: Option<(&'a Vec<String>, &'a Vec<String>)>, name: &str) -> Option<&'a str> {
    let (here, there) = tied?;
    let mut pairs = here.iter().zip(there);
    pairs.find(|(here, _)| here.trim() == name.trim()).map(|(_, there)| there.as_str())
}

/// What a variant's values on both sides were, if they had been of the options that there are now: `now` is longer where
/// one has come, and shorter where one went. None where that cannot be told: then all of them are news.
#[must_use]
pub fn as_of_now(was: [&[String]; 2], now: [&[String]; 2]) -> Option<[Vec<String>; 2]> {
    let ([r, e], long) = (now, was[0].len());
    if was[1].len() != long || r.len() != e.len() || r.len() == long {
        return None;
    }
    if let (Some(of_r), Some(of_e)) = (r.get(long..), e.get(long..)) {
        let alike = of_r.iter().zip(of_e).all(|(r, e)| r.trim() == e.trim());
        let [r, e] = [(was[0], of_r), (was[1], of_e)].map(|(was, come)| [was, come].concat());
        return alike.then_some([r, e]);
    }
    // Whoever has edited nothing shows which of them stay.
    let stays = was.into_iter().zip(now).find_map(|(was, now)| {
        let mut left = now.iter().peekable();
        let stays: Vec<bool> =
            was.iter().map(|was| left.next_if(|now| now.trim() == was.trim()).is_some()).collect();
        left.peek().is_none().then_some(stays)
    })?;
    let kept = |was: &[String]| {
        let kept = was.iter().zip(&stays).filter(|(_, stays)| **stays);
        kept.map(|(was, _)| was.clone()).collect::<Vec<_>>()
    };
    Some(was.map(kept))
}

/// Are these two the halves of one variant by our marker? It goes before the SKU, which may be on its way from one item
/// to another.
fn is_marked(variation: &Variation, item: &Item) -> bool {
    variation.external_reference_id.as_deref() == Some(&super::eseries::variation_marker(item.id))
}

/// Are they by the SKU in which they are in step?
fn same_sku(item: &Item, variation: &Variation, context: &Context) -> bool {
    let facts = super::rseries::variant_facts(item, context, None);
    variation.sku.as_deref().map(str::trim) == Some(facts.sku().trim())
}

fn distinct(wanted: &[String]) -> Result<(), Hold> {
    let mut names = BTreeSet::new();
    if !wanted.is_empty() && wanted.iter().all(|name| !name.trim().is_empty() && names.insert(name.trim())) {
        return Ok(());
    }
    Err(Hold::new(
        "options_differ",
        "The options on the other side have no name, or the same one, so they cannot be told apart. Give each its own.",
    ))
}

fn alone(who: &str, what: &str) -> Hold {
    Hold::new(
        "options_differ",
        format!(
            "The product has other options on the other side, and the variant {who} has no {what} to say what its values \
             of them are. Create that one, or remove the variant; until then the options stay as they are."
        ),
    )
}

/// Each variant has to have a value, and values of its own.
fn told_apart<'a>(shaped: impl Iterator<Item = &'a Vec<String>>) -> Result<(), Hold> {
    let mut taken = BTreeSet::new();
    for values in shaped {
        if values.iter().all(String::is_empty) || !taken.insert(values) {
            return Err(Hold::new(
                "options_differ",
                format!(
                    "With the options of the other side, several variants would be the same (“{}”), or have no value at \
                     all. Remove those that are too many, or give each its own values; until then the options stay as \
                     they are.",
                    values.join(" / ")
                ),
            ));
        }
    }
    Ok(())
}

/// Names in the order of others, where they are the same ones: their order is no key.
#[must_use]
pub fn in_order_of(wanted: &[String], shown: &[String]) -> Vec<String> {
    let find = |name: &String| shown.iter().find(|shown| shown.trim() == name.trim()).cloned();
    let ordered: Vec<String> = wanted.iter().filter_map(find).collect();
    if ordered.len() == shown.len() && ordered.len() == wanted.len() { ordered } else { shown.to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_values_were_is_told_for_the_options_that_there_are_now() {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for (was, now, then) in [
            (["Red S", "Red S"], ["Red S Slim", "Red S Slim"], Some("Red S Slim")),
            (["Red S", "Red S"], ["Red S Slim", "Blue S Slim"], Some("Red S Slim")),
            (["Red S", "Red S"], ["Red S Slim", "Red S Wide"], None),
            (["Red S Slim", "Red S Slim"], ["Blue S", "Red S"], Some("Red S")),
            (["Red S Slim", "Red S Slim"], ["S Slim", "L Slim"], Some("S Slim")),
            (["Red S Slim", "Red S Slim"], ["Blue S", "Red L"], None),
            (["Red S", "Red S"], ["Blue S", "Red L"], None),
            (["Red S", "Red S"], ["Red S Slim", "Red S"], None),
            (["Red", "Red S"], ["Red S", "Red S"], None),
        ] {
            let (r_was, e_was, r, e) = (list(was[0]), list(was[1]), list(now[0]), list(now[1]));
            let told = as_of_now([&r_was, &e_was], [&r, &e]);
            assert_eq!(told, then.map(|then| [list(then), list(then)]), "{was:?}, and now {now:?}");
        }
    }
}
