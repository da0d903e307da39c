//! Collections: filter, sort, cut into pages, and name the neighbours (section 1.10).

use std::cmp::Ordering;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::answer::Refusal;
use super::cell::{Cell, Kind};
use super::filter::Filter;
use super::habits::EmptyCollection;
use super::image::Owner;
use super::query::{Archived, Query};
use super::render::{Style, many};
use super::resource::Resource;
use super::state::State;

const DEFAULT_LIMIT: usize = 100;

/// What a row is sorted by: the field, then the key as tie-breaker.
#[derive(Debug, Clone)]
struct Place {
    field: Option<Cell>,
    id: i64,
}

impl Place {
    fn cursor(&self) -> String {
        let keys = match &self.field {
            Some(cell) => json!([cell.cursor(), self.id]),
            None => json!([self.id]),
        };
        STANDARD.encode(keys.to_string())
    }
}

/// The order of a collection.
#[derive(Debug)]
struct Sort {
    field: String,
    kind: Kind,
    by_key: bool,
    descending: bool,
    fold: bool,
}

impl Sort {
    fn parse(query: &Query, resource: &Resource, fold: bool) -> Result<Self, Refusal> {
        let asked = query.value("sort").filter(|text| !text.is_empty()).unwrap_or(resource.key);
        let (field, descending) = asked.strip_prefix('-').map_or((asked, false), |field| (field, true));
        if !resource.sorts_by(field) {
            let mut allowed = vec![resource.key];
            allowed.extend(resource.sortable);
            let allowed = allowed.join(", ");
            return Err(Refusal::bad(format!("Cannot sort by '{field}'. Sortable fields: {allowed}.")));
        }
        let kind = resource.kind(field).unwrap_or(Kind::Text);
        Ok(Self { field: field.to_owned(), kind, by_key: field == resource.key, descending, fold })
    }

    fn compare(&self, a: &Place, b: &Place) -> Ordering {
        let fields = match (&a.field, &b.field) {
            (Some(a), Some(b)) => a.compare(b, self.fold),
            (a, b) => a.is_some().cmp(&b.is_some()),
        };
        let order = fields.then(a.id.cmp(&b.id));
        if self.descending { order.reverse() } else { order }
    }

    fn read_cursor(&self, text: &str) -> Result<Place, Refusal> {
        let keys: Option<Vec<Value>> =
            STANDARD.decode(text).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let place = match keys.as_deref() {
            Some([id]) if self.by_key => id.as_i64().map(|id| Place { field: None, id }),
            Some([field, id]) if !self.by_key => {
                let field = field.as_str().map_or_else(|| field.to_string(), str::to_owned);
                let field = Cell::parse(self.kind, &field);
                id.as_i64().zip(field).map(|(id, field)| Place { field: Some(field), id })
            }
            _ => None,
        };
        place.ok_or_else(|| Refusal::bad("The cursor is not valid."))
    }
}

/// Answers a GET on a collection, or on what of it hangs below one record.
pub(super) fn collection(
    state: &State,
    resource: &Resource,
    within: Option<Owner>,
    path: &str,
    query: &Query,
) -> Result<Value, Refusal> {
    let habits = state.habits();
    query.check_removed(habits)?;
    let relations = query.relations(resource)?;
    let filter = Filter::parse(query, resource, &relations, habits)?;
    let archived = query.archived()?;
    let admitted = |id: &i64| {
        let is_archived = state.cell(resource, *id, "archived") == Some(Cell::Boolean(true));
        let shown = match archived {
            _ if !resource.archivable => true,
            Archived::Both => true,
            Archived::Active => !is_archived,
            Archived::Only => is_archived,
        };
        shown && filter.admits(state, resource, *id)
    };
    let all = within.map_or_else(|| state.ids(resource), |owner| state.images_of(owner));
    let ids = all.into_iter().filter(admitted);

    if query.value("count") == Some("1") {
        let others = ["after", "before", "limit", "sort"];
        if let Some(other) = others.into_iter().find(|name| query.has(name)) {
            return Err(Refusal::bad(format!("count cannot be combined with {other}.")));
        }
        return Ok(json!({ "@attributes": { "count": ids.count().to_string() } }));
    }

    let sort = Sort::parse(query, resource, habits.fold_case)?;
    let limit = limit(query)?;
    let mut rows: Vec<Place> = ids
        .map(|id| {
            let field = if sort.by_key { None } else { state.cell(resource, id, &sort.field) };
            Place { field, id }
        })
        .collect();
    rows.sort_by(|a, b| sort.compare(a, b));

    let (first, end) = match (query.value("after"), query.value("before")) {
        (Some(_), Some(_)) => return Err(Refusal::bad("after and before cannot be combined.")),
        (Some(text), None) => {
            let cursor = sort.read_cursor(text)?;
            let first = rows.partition_point(|row| sort.compare(row, &cursor).is_le());
            let end = first.saturating_add(limit);
            (first.saturating_sub(usize::from(habits.repeat_boundary_row)), end)
        }
        (None, Some(text)) => {
            let cursor = sort.read_cursor(text)?;
            let end = rows.partition_point(|row| sort.compare(row, &cursor).is_lt());
            (end.saturating_sub(limit), end)
        }
        (None, None) => (0, limit),
    };
    let end = end.min(rows.len());
    let page = rows.get(first..end).unwrap_or_default();

    let neighbour = |name: &str, row: Option<&Place>| {
        row.map_or_else(String::new, |row| {
            let minus = if sort.descending { "-" } else { "" };
            let rest = if habits.next_forgets_parameters { String::new() } else { query.rest() };
            let cursor = row.cursor();
            let cursor = utf8_percent_encode(&cursor, NON_ALPHANUMERIC);
            format!(
                "{}{path}?sort={minus}{}&limit={limit}{rest}&{name}={cursor}",
                state.base_url(),
                sort.field
            )
        })
    };
    let more = end < rows.len() || (habits.next_after_full_last_page && page.len() >= limit);
    let next = neighbour("after", page.last().filter(|_| more));
    let previous = neighbour("before", page.first().filter(|_| first > 0));

    let records = page
        .iter()
        .map(|row| Value::Object(state.record(resource, row.id, &relations, Style::Listed)))
        .collect::<Vec<_>>();
    let mut body = Map::new();
    let empty = records.is_empty();
    if empty && habits.empty_collection == EmptyCollection::EmptyObject {
        return Ok(Value::Object(body));
    }
    body.insert("@attributes".to_owned(), json!({ "next": next, "previous": previous }));
    if !empty || habits.empty_collection == EmptyCollection::EmptyString {
        body.insert(resource.name.to_owned(), many(records, habits));
    }
    Ok(Value::Object(body))
}

/// 0 to 100; above is unknown ground and refused (section 1.7).
fn limit(query: &Query) -> Result<usize, Refusal> {
    let Some(text) = query.value("limit").filter(|text| !text.is_empty()) else {
        return Ok(DEFAULT_LIMIT);
    };
    text.parse()
        .ok()
        .filter(|limit| *limit <= DEFAULT_LIMIT)
        .ok_or_else(|| Refusal::bad("limit must be a number from 0 to 100."))
}
