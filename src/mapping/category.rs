//! The category of a product ↔ our facts. R-Series has one; on E-Series a product may be in several, of which those
//! that exist online only are none of ours.

use crate::catalog::{Facts, Field, Hold, Place, ShelfState, Side, Tree, Value};

/// Why the category stays as it is while the shop's tree has not reached E-Series.
pub const NOT_THERE_YET: &str = "category_waits";
/// Why the category stays as it is where a product is in several of the shop's.
pub const SEVERAL: &str = "several_categories";

/// What an item or a matrix says.
#[must_use]
pub fn in_shop(category_id: i64, tree: &Tree) -> Value {
    Value::Place(tree.place(category_id))
}

/// What a product on E-Series says that is in these categories; nothing where it is in several of the shop's.
#[must_use]
pub fn online(category_ids: &[i64], tree: &Tree) -> Option<Value> {
    match ours(category_ids, tree).as_slice() {
        [] => Some(Value::Place(Place::none())),
        [(online, id)] => {
            let path = tree.shelf(*id).map(|shelf| shelf.path.clone()).unwrap_or_default();
            Some(Value::Place(Place { id: *id, path, online: Some(*online) }))
        }
        _ => None,
    }
}

/// Why nothing is carried where a product is in several categories of the shop.
#[must_use]
pub fn several(category_ids: &[i64], tree: &Tree) -> Option<Hold> {
    let ours = ours(category_ids, tree);
    (ours.len() > 1).then(|| {
        let names: Vec<String> = ours
            .iter()
            .filter_map(|(_, id)| tree.shelf(*id))
            .map(|shelf| format!("“{}”", shelf.path.join(" / ")))
            .collect();
        Hold::new(
            SEVERAL,
            format!(
                "On E-Series the product is in {} categories of the shop ({}), and an item on R-Series has one. \
                 Nothing is changed on either side: leave it in one of them. Categories that exist online only do \
                 not count.",
                names.len(),
                names.join(", ")
            ),
        )
    })
}

/// The categories to write so that a product is in this one of the shop's: those that exist online only stay.
#[must_use]
pub fn ids(place: &Place, now: &[i64], tree: &Tree) -> Vec<i64> {
    let online_only = now.iter().filter(|online| tree.of_online(**online).is_none()).copied();
    let wanted = tree.shelf(place.id).and_then(|shelf| shelf.online).filter(|_| !place.is_none());
    online_only.chain(wanted).collect()
}

/// Why a product cannot be in this category on `side`, if it cannot.
#[must_use]
pub fn refuses(side: Side, value: &Value, tree: &Tree) -> Option<Hold> {
    let Value::Place(place) = value else { return None };
    if place.is_none() {
        return None;
    }
    let shelf = tree.shelf(place.id);
    match (side, shelf) {
        (Side::RSeries, Some(shelf)) if shelf.gone => Some(Hold::new(
            "category_gone",
            format!(
                "The category {value} no longer exists on R-Series, so the item cannot be put into it. Put the product \
                 into another category on E-Series."
            ),
        )),
        (Side::RSeries, _) => None,
        (Side::ESeries, Some(shelf)) if shelf.online.is_some() => None,
        (Side::ESeries, shelf) => {
            let why = shelf.and_then(|shelf| shelf.hold.as_ref());
            let why = why.map(|hold| format!(" What holds it: {}", hold.reason)).unwrap_or_default();
            Some(Hold::new(
                NOT_THERE_YET,
                format!(
                    "The category {value} is not on E-Series yet; the product follows by itself once it is.{why}"
                ),
            ))
        }
    }
}

/// How far the category is that a new product belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// The product can be created in it.
    Yes,
    /// It is on its way: the product waits for it.
    Soon,
    /// It is held: the product is created without it, and follows later.
    No,
}

/// How far is the category that the shop has these facts in?
#[must_use]
pub fn ready(facts: &Facts, tree: &Tree) -> Ready {
    let Some(Value::Place(place)) = facts.get(Field::Category) else {
        return Ready::Yes;
    };
    match tree.shelf(place.id) {
        _ if place.is_none() => Ready::Yes,
        Some(shelf) if shelf.online.is_some() => Ready::Yes,
        Some(shelf) if shelf.state == ShelfState::Held => Ready::No,
        _ if tree.stuck => Ready::No,
        _ => Ready::Soon,
    }
}

/// The marker that ties a category to the shop's.
#[must_use]
pub fn marker(category_id: i64) -> String {
    format!("concord-r-category-{category_id}")
}

/// Those of these categories that are the shop's, with their number there.
fn ours(category_ids: &[i64], tree: &Tree) -> Vec<(i64, i64)> {
    category_ids.iter().filter_map(|online| Some((*online, tree.of_online(*online)?))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::catalog::Shelf;

    fn tree() -> Tree {
        let shelf = |name: &str, online: Option<i64>, state, gone| Shelf {
            path: vec!["Kitchen".into(), name.into()],
            online,
            state,
            gone,
            hold: None,
        };
        let shelves = BTreeMap::from([
            (7, shelf("Mugs", Some(70), ShelfState::InStep, false)),
            (8, shelf("Plates", Some(80), ShelfState::InStep, false)),
            (9, shelf("Bowls", None, ShelfState::Waiting, false)),
            (10, shelf("Old", Some(100), ShelfState::Held, true)),
        ]);
        Tree::new(shelves, false)
    }

    fn place(id: i64) -> Value {
        in_shop(id, &tree())
    }

    #[test]
    fn only_the_shops_categories_count() {
        let tree = tree();
        assert_eq!(online(&[], &tree), Some(place(0)));
        assert_eq!(online(&[5, 6], &tree), Some(place(0)));
        assert_eq!(online(&[5, 70], &tree), Some(place(7)));
        assert_eq!(online(&[5, 70, 80], &tree), None);
        assert!(several(&[5, 70], &tree).is_none());
        let hold = several(&[70, 80], &tree).unwrap();
        assert!(
            hold.reason.contains("Kitchen / Mugs") && hold.reason.contains("Kitchen / Plates"),
            "{hold:?}"
        );
    }

    #[test]
    fn a_write_leaves_what_exists_online_only() {
        let tree = tree();
        assert_eq!(ids(&tree.place(8), &[5, 70, 6], &tree), [5, 6, 80]);
        assert_eq!(ids(&Place::none(), &[5, 70], &tree), [5]);
        assert_eq!(ids(&Place::none(), &[100, 70], &tree), Vec::<i64>::new());
    }

    #[test]
    fn what_is_not_there_is_not_guessed() {
        let tree = tree();
        let code = |side, id: i64| {
            let value = Value::Place(Place { id, path: vec!["x".into()], online: None });
            refuses(side, &value, &tree).map(|hold| hold.code)
        };
        assert_eq!(code(Side::ESeries, 7), None);
        assert_eq!(code(Side::ESeries, 9).as_deref(), Some(NOT_THERE_YET));
        assert_eq!(code(Side::ESeries, 999).as_deref(), Some(NOT_THERE_YET));
        assert_eq!(code(Side::RSeries, 10).as_deref(), Some("category_gone"));
        assert_eq!((code(Side::RSeries, 7), code(Side::ESeries, 0)), (None, None));
        let of = |id: i64| ready(&Facts::new().with(Field::Category, place(id)), &tree);
        assert_eq!(
            (of(0), of(7), of(9), of(10), of(999)),
            (Ready::Yes, Ready::Yes, Ready::Soon, Ready::Yes, Ready::Soon)
        );
        assert_eq!(ready(&Facts::new(), &tree), Ready::Yes);
    }
}
