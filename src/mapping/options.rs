//! How the options of a product are called on both sides.
//!
//! On neither platform does an option have an id: its name is its key. So what was tied once is kept as two lists
//! in which the n-th name here means the n-th name there, and the values of variants are lists in that order.

use std::collections::BTreeSet;

use crate::catalog::{Facts, Field, Hold, Value};

/// The names of a product's options on both sides, tied by their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionNames {
    /// On R-Series.
    pub r_series: Vec<String>,
    /// On E-Series.
    pub e_series: Vec<String>,
}

impl OptionNames {
    /// The names that were in step last, if there are as many on both sides.
    #[must_use]
    pub fn tied(r_series: &Facts, e_series: &Facts) -> Option<Self> {
        let names = |facts: &Facts| facts.list(Field::Options).map(<[String]>::to_vec);
        let (r_series, e_series) = (names(r_series)?, names(e_series)?);
        (r_series.len() == e_series.len()).then_some(Self { r_series, e_series })
    }

    /// Names that are the same on both sides.
    #[must_use]
    pub fn alike(names: &[String]) -> Self {
        Self { r_series: names.to_vec(), e_series: names.to_vec() }
    }

    /// Is this one of the names on R-Series?
    #[must_use]
    pub fn has_on_r(&self, name: &str) -> bool {
        self.r_series.iter().any(|known| known.trim() == name.trim())
    }

    /// Is this one of the names on E-Series?
    #[must_use]
    pub fn has_on_e(&self, name: &str) -> bool {
        self.e_series.iter().any(|known| known.trim() == name.trim())
    }
}

/// Which names have to change so that they are these: the name now, and the name then.
#[must_use]
pub fn changes(now: &[String], then: &[String]) -> Vec<(String, String)> {
    let pairs = now.iter().cloned().zip(then.iter().cloned());
    pairs.filter(|(now, then)| now.trim() != then.trim()).collect()
}

/// Why options cannot be called like this, if they cannot: only names are carried, and only where it is known which
/// is which. One option more or less would leave every variant without a value for it, or with one too many.
pub(super) fn refused(names: Option<&OptionNames>, wanted: &[String]) -> Option<Hold> {
    let as_many = names.is_some_and(|names| names.r_series.len() == wanted.len());
    let mut places = BTreeSet::new();
    let distinct = wanted.iter().all(|name| !name.trim().is_empty() && places.insert(name.trim()));
    (!(as_many && distinct)).then(|| {
        Hold::new(
            "options_differ",
            format!(
                "The options on the other side are {}. Which of them is which cannot be told: give the product the \
                 same options on both sides. Until then the variants' option values stay as they are.",
                Value::List(wanted.to_vec())
            ),
        )
    })
}

/// Brings names into the places they had: only their order may have changed, and order is no key. A name that was
/// not there before takes the first place that has become free.
#[must_use]
pub(super) fn align(now: &[String], was: Option<&[String]>) -> Vec<String> {
    let was = was.unwrap_or_default();
    let stays = |name: &String| was.iter().any(|known| known.trim() == name.trim());
    let mut new = now.iter().filter(|name| !stays(name)).cloned();
    let mut aligned = Vec::new();
    for place in was {
        match now.iter().find(|name| name.trim() == place.trim()) {
            Some(name) => aligned.push(name.clone()),
            None => aligned.extend(new.next()),
        }
    }
    aligned.extend(new);
    aligned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_that_changed_is_no_change_and_a_new_name_takes_the_place_of_the_one_that_went() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let was = names(&["Color", "Size"]);
        for (now, aligned) in [
            (&["Color", "Size"][..], &["Color", "Size"][..]),
            (&["Size", "Color"], &["Color", "Size"]),
            (&["Size", "Colour"], &["Colour", "Size"]),
            (&["Size"], &["Size"]),
            (&["Cut", "Size", "Color"], &["Color", "Size", "Cut"]),
        ] {
            assert_eq!(align(&names(now), Some(&was)), names(aligned), "{now:?}");
        }
        assert_eq!(align(&names(&["B", "A"]), None), names(&["B", "A"]));
    }
}
