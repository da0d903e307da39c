//! Categories: where a product stands in the shop's tree, and what is known of that tree on both sides.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Serialize};

use super::Hold;

/// A place in the shop's tree of categories, or none. Compared by identity: a category that is renamed or moved is
/// still the same place.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// R-Series `categoryID`; 0 is none.
    pub id: i64,
    /// Names from the root down, for people.
    pub path: Vec<String>,
    /// The category on E-Series that it was seen as.
    pub online: Option<i64>,
}

impl Place {
    /// No category of the shop's tree.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Is it none?
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.id == 0
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

/// What of a category is the shop's to say: as it stands on E-Series, or is to stand there.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Looks {
    /// `name`.
    pub name: String,
    /// `parentId`; 0 for a root.
    pub parent: i64,
    /// `orderBy`.
    pub order: i64,
}

/// How a category of the shop's tree stands on E-Series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShelfState {
    /// It has not been seen to yet, or is to be tried again soon.
    Waiting,
    /// It is there, as the shop has it.
    InStep,
    /// It is not as the shop has it, with a reason.
    Held,
    /// The shop has it no more.
    Gone,
}

impl ShelfState {
    /// The word in the database and the REST interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::InStep => "in_step",
            Self::Held => "held",
            Self::Gone => "gone",
        }
    }

    /// The reverse of [`ShelfState::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Waiting, Self::InStep, Self::Held, Self::Gone].into_iter().find(|it| it.as_str() == text)
    }
}

/// One category of the shop's tree, as far as products are concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shelf {
    /// Names from the root down.
    pub path: Vec<String>,
    /// The category on E-Series, once there is one.
    pub online: Option<i64>,
    /// How it stands.
    pub state: ShelfState,
    /// The shop has it no more; what is left of it online waits to be removed.
    pub gone: bool,
    /// Why it is held.
    pub hold: Option<Hold>,
}

/// The shop's tree of categories with what is known of it on E-Series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    shelves: BTreeMap<i64, Shelf>,
    online: BTreeMap<i64, i64>,
    /// It has failed to be brought in step several times as a whole: nobody waits for it any longer.
    pub stuck: bool,
}

impl Tree {
    /// A tree of these categories, by `categoryID`.
    #[must_use]
    pub fn new(shelves: BTreeMap<i64, Shelf>, stuck: bool) -> Self {
        let online = shelves.iter().filter_map(|(id, shelf)| Some((shelf.online?, *id))).collect();
        Self { shelves, online, stuck }
    }

    /// A category of the shop.
    #[must_use]
    pub fn shelf(&self, id: i64) -> Option<&Shelf> {
        self.shelves.get(&id)
    }

    /// The shop's category that a category of E-Series belongs to; none for one that exists online only.
    #[must_use]
    pub fn of_online(&self, online: i64) -> Option<i64> {
        self.online.get(&online).copied()
    }

    /// The place of this category. One that the shop has no more is none; one that is not known yet is called by its
    /// number.
    #[must_use]
    pub fn place(&self, id: i64) -> Place {
        match self.shelf(id) {
            _ if id == 0 => Place::none(),
            Some(shelf) if shelf.gone => Place::none(),
            Some(shelf) if !shelf.path.is_empty() => {
                Place { id, path: shelf.path.clone(), online: shelf.online }
            }
            _ => Place { id, path: vec![format!("category {id}")], online: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_renamed_category_is_the_same_place() {
        let place = |id: i64, name: &str| Place { id, path: vec![name.into()], online: None };
        assert_eq!(place(7, "Mugs"), place(7, "Cups"));
        assert_ne!(place(7, "Mugs"), place(8, "Mugs"));
        assert!(Place::none().is_none() && !place(7, "Mugs").is_none());
    }

    #[test]
    fn what_the_shop_has_no_more_is_no_place_but_still_known_online() {
        let shelf = |gone| Shelf {
            path: vec!["Mugs".into()],
            online: Some(70),
            state: ShelfState::Held,
            gone,
            hold: None,
        };
        let tree = Tree::new([(7, shelf(true))].into(), false);
        assert_eq!((tree.place(7), tree.of_online(70)), (Place::none(), Some(7)));
        let tree = Tree::new([(7, shelf(false))].into(), false);
        assert_eq!((tree.place(7).id, tree.place(7).online, tree.place(9).id), (7, Some(70), 9));
        assert_eq!(tree.of_online(71), None);
    }
}
