//! Writing a matrix: itself, and what only its items carry.

use super::half_done;
use crate::clock::Instant;
use crate::platforms::rseries::wire::{AttributeSet, Attributes, Item, ItemWrite, Matrix, MatrixCreate};
use crate::platforms::{CallError, rseries};

/// What is written to a matrix; only what is set travels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MatrixWrite {
    /// `description`.
    pub description: Option<String>,
    /// `publishToEcom` of all its items: a matrix has no flag of its own.
    pub publish_to_ecom: Option<bool>,
    /// `categoryID` of the matrix and of its items, 0 for none: the shop's own screen hands it on to them as well
    /// (r-series-api.md, section 4.4), so that reports show the variants where their product is.
    pub category_id: Option<i64>,
    /// What its attributes are to be called: the name now, and the name then.
    pub renamed: Vec<(String, String)>,
    /// Other attributes than before, with the values of each item.
    pub reshaped: Option<Reshaped>,
    /// It was begun by an earlier call: a refusal is one, and not half of a change.
    pub finishing: bool,
}

/// Other attributes for a matrix.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reshaped {
    /// How they are called.
    pub names: Vec<String>,
    /// By `itemID`, the values in that order.
    pub values: Vec<(i64, Vec<String>)>,
}

/// Writes a matrix and returns it with its items. Items that show what they should already, and archived ones, are
/// not written, so that what was broken off can be done again.
pub async fn update_matrix_on_r(
    r: &rseries::Client,
    matrix: &Matrix,
    items: &[Item],
    write: &MatrixWrite,
    by: Instant,
) -> Result<(Matrix, Vec<Item>), CallError> {
    let begun = |error| if write.finishing { error } else { half_done(error) };
    let mut items = items.to_vec();
    let mut saved = matrix.clone();
    let mut something_is_written = write.description.is_some()
        || write.category_id.is_some()
        || write.reshaped.is_some()
        || !write.renamed.is_empty();
    if let Some(Reshaped { names, values }) = &write.reshaped {
        let new = set_of(r, names, by).await?;
        // The matrix first, as below.
        saved = r.update_matrix(matrix.id, write.description.as_deref(), Some(new.id), by).await?;
        for item in items.iter_mut().filter(|item| !item.archived) {
            let Some((_, values)) = values.iter().find(|(id, _)| *id == item.id) else { continue };
            let values = new.names.each_ref().map(|place| {
                let mut pairs = names.iter().zip(values);
                let pair = pairs.find(|(name, _)| name.trim() == place.trim() && !place.trim().is_empty());
                pair.map(|(_, value)| value.clone()).unwrap_or_default()
            });
            put_attributes(r, item, values, &new, by).await.map_err(begun)?;
        }
        saved.set = Some(new);
    } else if let Some(known) = matrix.set.as_ref().filter(|_| !write.renamed.is_empty()) {
        let new = set_called(r, &renamed(&known.names, &write.renamed), by).await?;
        // The matrix first: whether a variant may have another set than its matrix is not known (section 4.4).
        saved = r.update_matrix(matrix.id, write.description.as_deref(), Some(new.id), by).await?;
        for item in &mut items {
            let Some(attributes) = item.attributes.clone() else { continue };
            let values = moved(&attributes, &write.renamed, &new);
            match put_attributes(r, item, values, &new, by).await {
                // Archived ones follow, so that they fit when they come back; whether R-Series lets them is not known.
                Err(CallError::Refused { .. } | CallError::Gone { .. }) if item.archived => {}
                done => done.map_err(begun)?,
            }
        }
        saved.set = Some(new);
    } else if let Some(name) = &write.description {
        saved = Matrix { set: matrix.set.clone(), ..r.update_matrix(matrix.id, Some(name), None, by).await? };
    }
    if let Some(category) = write.category_id {
        saved = Matrix { set: saved.set.clone(), ..r.move_matrix(matrix.id, category, by).await? };
    }
    for item in items.iter_mut().filter(|item| !item.archived) {
        let publish_to_ecom = write.publish_to_ecom.filter(|flag| *flag != item.publish_to_ecom);
        let category_id = write.category_id.filter(|id| *id != item.category_id);
        if publish_to_ecom.is_some() || category_id.is_some() {
            let write = ItemWrite { publish_to_ecom, category_id, ..ItemWrite::default() };
            let saved = r.update_item(item.id, &write, by).await;
            let saved = saved.map_err(|error| if something_is_written { begun(error) } else { error })?;
            something_is_written = true;
            (item.publish_to_ecom, item.category_id) = (saved.publish_to_ecom, saved.category_id);
        }
    }
    Ok((saved, items))
}

/// Writes the attributes of an item, unless it has them already.
async fn put_attributes(
    r: &rseries::Client,
    item: &mut Item,
    values: [String; 3],
    set: &AttributeSet,
    by: Instant,
) -> Result<(), CallError> {
    let there = item.attributes.as_ref();
    if there.is_some_and(|there| there.set_id == set.id && there.values == values) {
        return Ok(());
    }
    let write = ItemWrite {
        attributes: Some(values.clone()),
        attribute_set_id: Some(set.id),
        ..ItemWrite::default()
    };
    r.update_item(item.id, &write, by).await?;
    item.attributes = Some(Attributes { set_id: set.id, values, set: Some(set.clone()) });
    Ok(())
}

/// Creates a matrix without items whose attributes are called so.
pub async fn create_matrix_on_r(
    r: &rseries::Client,
    create: &MatrixCreate,
    options: &[String],
    by: Instant,
) -> Result<Matrix, CallError> {
    let set = set_of(r, options, by).await?;
    let made = r.create_matrix(create, set.id, by).await?;
    Ok(Matrix { set: Some(set), ..made })
}

/// An attribute set that uses these names and no others, in whatever order and places it has them: the sets that every
/// account has are taken first (in “Size” the first place is empty). Created where there is none.
async fn set_of(r: &rseries::Client, options: &[String], by: Instant) -> Result<AttributeSet, CallError> {
    let sorted = |names: &mut dyn Iterator<Item = &str>| {
        let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
        names.sort_unstable();
        names
    };
    let wanted = sorted(&mut options.iter().map(String::as_str));
    let sets = r.attribute_sets().await?;
    let fits = |set: &AttributeSet| !set.archived && sorted(&mut set.used()) == wanted;
    if let Some(set) = sets.into_iter().find(fits) {
        return Ok(set);
    }
    let mut names = [const { String::new() }; 3];
    for (place, name) in names.iter_mut().zip(options) {
        name.trim().clone_into(place);
    }
    let id = r.create_attribute_set(&names, by).await?;
    Ok(AttributeSet { id, archived: false, names })
}

/// The attribute set with these names, looked up first: one that an earlier try created is found again.
async fn set_called(
    r: &rseries::Client,
    names: &[String; 3],
    by: Instant,
) -> Result<AttributeSet, CallError> {
    let sets = r.attribute_sets().await?;
    if let Some(set) = sets.into_iter().find(|set| !set.archived && set.names == *names) {
        return Ok(set);
    }
    let id = r.create_attribute_set(names, by).await?;
    Ok(AttributeSet { id, archived: false, names: names.clone() })
}

/// The names with some of them changed.
fn renamed(names: &[String; 3], changes: &[(String, String)]) -> [String; 3] {
    names.each_ref().map(|name| then(name, changes).to_owned())
}

fn then<'a>(name: &'a str, changes: &'a [(String, String)]) -> &'a str {
    let change = changes.iter().find(|(now, _)| now.trim() == name.trim() && !name.trim().is_empty());
    change.map_or(name, |(_, then)| then.as_str())
}

/// An item's values in the places that the new set has for them.
fn moved(attributes: &Attributes, changes: &[(String, String)], new: &AttributeSet) -> [String; 3] {
    let names = attributes.set.as_ref().map(|set| &set.names);
    new.names.each_ref().map(|place| {
        let pairs = names.into_iter().flatten().zip(&attributes.values);
        let mut pairs = pairs.filter(|(name, _)| !name.trim().is_empty());
        let pair = pairs.find(|(name, _)| then(name, changes).trim() == place.trim());
        pair.map(|(_, value)| value.clone()).unwrap_or_default()
    })
}
