//! Categories: a nested set over the whole account, siblings by name (section 4.5).

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answer::Refusal;
use super::cell::Kind::{Integer, Text, Time};
use super::cell::{Cell, second};
use super::item::{invalid, reference, text};
use super::resource::Reach::One;
use super::resource::{Resource, Which};
use super::state::State;
use crate::clock::Instant;

/// Section 4.5. Writes cost ten, deleting too: the endpoint's page says so.
pub(super) static CATEGORY: Resource = Resource {
    which: Which::Category,
    name: "Category",
    key: "categoryID",
    fields: &[
        ("categoryID", Integer),
        ("name", Text),
        ("nodeDepth", Integer),
        ("fullPathName", Text),
        ("leftNode", Integer),
        ("rightNode", Integer),
        ("createTime", Time),
        ("timeStamp", Time),
        ("parentID", Integer),
    ],
    sortable: &["timeStamp", "leftNode", "rightNode"],
    relations: &[("Parent", One)],
    filters: true,
    archivable: false,
    write_cost: 100,
};

/// One category.
#[derive(Debug, Clone)]
pub(super) struct Category {
    pub(super) name: String,
    pub(super) parent_id: i64,
    left: i64,
    right: i64,
    create_time: Instant,
    pub(super) time_stamp: Instant,
}

impl State {
    pub(super) fn category_cell(&self, id: i64, field: &str) -> Option<Cell> {
        let category = self.categories.get(&id)?;
        Some(match field {
            "categoryID" => Cell::Integer(id),
            "name" => Cell::Text(category.name.clone()),
            "nodeDepth" => Cell::Integer(i64::try_from(self.category_path(id).len()).unwrap_or(1) - 1),
            "fullPathName" => Cell::Text(self.category_path(id).join("/")),
            "leftNode" => Cell::Integer(category.left),
            "rightNode" => Cell::Integer(category.right),
            "createTime" => Cell::Time(category.create_time),
            "timeStamp" => Cell::Time(category.time_stamp),
            "parentID" => Cell::Integer(category.parent_id),
            _ => return None,
        })
    }

    /// Names from the root down to this category.
    fn category_path(&self, id: i64) -> Vec<String> {
        let up = std::iter::successors(self.categories.get(&id), |category| {
            self.categories.get(&category.parent_id)
        });
        let mut names: Vec<String> = up.map(|category| category.name.clone()).collect();
        names.reverse();
        names
    }

    /// Refuses a category that does not exist, unless it is the one that was there before.
    pub(super) fn check_category(&self, wanted: i64, before: i64) -> Result<(), Refusal> {
        let fits = wanted == 0 || wanted == before || self.categories.contains_key(&wanted);
        if fits || !self.habits().check_references { Ok(()) } else { Err(invalid("categoryID")) }
    }

    /// POST Category.
    pub(super) fn post_category(&mut self, now: Instant, body: &Map<String, Value>) -> Result<i64, Refusal> {
        let name = body.get("name").map_or(Ok(String::new()), |value| text("name", value, self.habits()))?;
        let parent = body.get("parentID").map_or(Ok(0), |value| reference("parentID", value))?;
        self.check_place(None, &name, parent)?;
        Ok(self.insert_category(now, name, parent))
    }

    /// Takes its alphabetical place; what shifts is stamped.
    pub(super) fn insert_category(&mut self, now: Instant, name: String, parent_id: i64) -> i64 {
        self.last_category += 1;
        let (create_time, time_stamp) = (second(now), second(now));
        let category = Category { name, parent_id, left: 0, right: 0, create_time, time_stamp };
        self.categories.insert(self.last_category, category);
        self.number_categories(now);
        self.last_category
    }

    /// PUT Category. A move shows in the answer; a new name takes its place among its siblings afterwards only (see
    /// [`State::one_record`]).
    pub(super) fn put_category(
        &mut self,
        now: Instant,
        id: i64,
        body: &Map<String, Value>,
    ) -> Result<(), Refusal> {
        let category = self.categories.get(&id).ok_or_else(|| Refusal::no_such("Category", id))?;
        let (old_name, old_parent) = (category.name.clone(), category.parent_id);
        let name = body.get("name").map_or(Ok(old_name), |value| text("name", value, self.habits()))?;
        let parent = body.get("parentID").map_or(Ok(old_parent), |value| reference("parentID", value))?;
        self.check_place(Some(id), &name, parent)?;
        self.place_category(now, id, name, parent);
        if parent != old_parent {
            self.number_categories(now);
        }
        Ok(())
    }

    /// Name and parent, without putting the tree in order.
    pub(super) fn place_category(&mut self, now: Instant, id: i64, name: String, parent_id: i64) {
        let stamps_always = self.habits().unchanged_write_moves_item_time_stamp;
        let Some(category) = self.categories.get_mut(&id) else { return };
        if stamps_always || category.name != name || category.parent_id != parent_id {
            (category.name, category.parent_id) = (name, parent_id);
            category.time_stamp = second(now);
        }
    }

    /// DELETE Category, for good. Refused while it has subcategories (since 2016.1).
    pub(super) fn delete_category(&mut self, now: Instant, id: i64) -> Result<(), Refusal> {
        if !self.categories.contains_key(&id) {
            return Err(Refusal::no_such("Category", id));
        }
        if self.categories.values().any(|category| category.parent_id == id) {
            return Err(Refusal::bad("Category not deleted. It has subcategories."));
        }
        self.categories.remove(&id);
        self.number_categories(now);
        if !self.habits().deleted_category_clears_items {
            return Ok(());
        }
        let moves = self.habits().deleted_category_moves_time_stamp;
        let items = self.items.values_mut().map(|item| (&mut item.category_id, &mut item.time_stamp));
        let matrices =
            self.matrices.values_mut().map(|matrix| (&mut matrix.category_id, &mut matrix.time_stamp));
        for (category, stamp) in items.chain(matrices).filter(|(category, _)| **category == id) {
            *category = 0;
            if moves {
                *stamp = second(now);
            }
        }
        Ok(())
    }

    /// A category must have a name, and its parent must be there, not below itself and not too deep.
    pub(super) fn check_place(&self, id: Option<i64>, name: &str, parent: i64) -> Result<(), Refusal> {
        if name.is_empty() {
            return Err(Refusal::bad("name cannot be blank."));
        }
        if parent != 0 && !self.categories.contains_key(&parent) {
            return Err(invalid("parentID"));
        }
        let parents = std::iter::successors(Some(parent), |at| {
            self.categories.get(at).map(|category| category.parent_id)
        });
        if id.is_some() && parents.take_while(|at| *at != 0).any(|at| Some(at) == id) {
            return Err(invalid("parentID"));
        }
        let depth = self.category_path(parent).len() + id.map_or(1, |id| self.category_height(id));
        match self.habits().most_category_levels {
            Some(most) if depth > usize::try_from(most).unwrap_or(usize::MAX) => {
                Err(Refusal::bad(format!("A Category can be at most {most} levels deep.")))
            }
            _ => Ok(()),
        }
    }

    /// Levels of a category with all that is below it.
    fn category_height(&self, id: i64) -> usize {
        let below = self.categories.iter().filter(|(_, category)| category.parent_id == id);
        1 + below.map(|(child, _)| self.category_height(*child)).max().unwrap_or_default()
    }

    /// Puts the nested set in order, dense and from 1. Every category whose node shifts is stamped with the same
    /// second (section 4.5). Of siblings of one name the newest stands first.
    pub(super) fn number_categories(&mut self, now: Instant) {
        let fold = self.habits().fold_case;
        let key = |name: &str| if fold { name.to_lowercase() } else { name.to_owned() };
        let mut children: BTreeMap<i64, Vec<(String, i64)>> = BTreeMap::new();
        for (id, category) in &self.categories {
            // Popped from the end: last name first.
            children.entry(category.parent_id).or_default().push((key(&category.name), *id));
        }
        for siblings in children.values_mut() {
            siblings.sort_by(|(a, first), (b, second)| b.cmp(a).then(first.cmp(second)));
        }
        let mut node = 0;
        let mut at = vec![0];
        while let Some(parent) = at.last().copied() {
            let next = children.get_mut(&parent).and_then(Vec::pop).map(|(_, id)| id);
            if next.is_none() {
                at.pop();
            }
            // Going down into a child numbers its left, coming back out of one its right.
            let Some(category) = self.categories.get_mut(&next.unwrap_or(parent)) else { continue };
            node += 1;
            let slot = if next.is_some() { &mut category.left } else { &mut category.right };
            if *slot != node {
                *slot = node;
                category.time_stamp = second(now);
            }
            at.extend(next);
        }
    }
}
