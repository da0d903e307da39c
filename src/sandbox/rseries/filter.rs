//! The filter operators of section 1.8.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::answer::Refusal;
use super::cell::{Cell, Kind};
use super::habits::Habits;
use super::query::{Query, Relations};
use super::resource::{self, Resource, Which};
use super::state::State;

/// Values that one `IN` may hold, since 2022-05-20.
const MOST_VALUES: usize = 100;

/// The operators, longest spelling first so that `>=,` is not taken for `>`.
const OPERATORS: [(&str, Operator); 10] = [
    (">=,", Operator::AtLeast),
    ("<=,", Operator::AtMost),
    ("><,", Operator::Between),
    ("!=,", Operator::Differs),
    ("!~,", Operator::Unlike),
    ("IN,", Operator::In),
    ("=,", Operator::Equals),
    (">,", Operator::More),
    ("<,", Operator::Less),
    ("~,", Operator::Like),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Equals,
    More,
    AtLeast,
    Less,
    AtMost,
    Between,
    Differs,
    Like,
    Unlike,
    In,
}

impl Operator {
    /// Whether it counts as a range in the cost of `or` (section 3.3).
    pub(super) fn is_range(self) -> bool {
        matches!(self, Self::More | Self::AtLeast | Self::Less | Self::AtMost | Self::Between)
    }

    /// Takes the operator off a filter's value.
    pub(super) fn split(value: &str) -> (Self, &str) {
        OPERATORS
            .iter()
            .find_map(|(mark, operator)| value.strip_prefix(mark).map(|rest| (*operator, rest)))
            .unwrap_or((Self::Equals, value))
    }
}

/// Where the value that is tested comes from.
#[derive(Debug)]
enum Place {
    Own(&'static str),
    Related(String, &'static str),
    /// `itemCode`: `itemID`, `upc` or `ean`.
    Code,
}

#[derive(Debug)]
struct Condition {
    place: Place,
    operator: Operator,
    cells: Vec<Cell>,
    text: String,
}

/// All filters of one request.
#[derive(Debug, Default)]
pub(super) struct Filter {
    all: Vec<Condition>,
    /// Conditions on one relation must hold for one and the same related row.
    related: BTreeMap<String, Vec<Condition>>,
    any: Vec<Condition>,
}

impl Filter {
    pub(super) fn parse(
        query: &Query,
        resource: &Resource,
        relations: &Relations,
        habits: &Habits,
    ) -> Result<Self, Refusal> {
        let mut filter = Self::default();
        if !resource.filters {
            return Ok(filter);
        }
        for (field, value) in query.filters() {
            let Some(condition) = condition(resource, relations, habits, field, value)? else { continue };
            match &condition.place {
                Place::Related(relation, _) => {
                    filter.related.entry(relation.clone()).or_default().push(condition);
                }
                _ => filter.all.push(condition),
            }
        }
        for (field, value) in query.alternatives() {
            filter.any.extend(condition(resource, relations, habits, &field, &value)?);
        }
        Ok(filter)
    }

    pub(super) fn admits(&self, state: &State, resource: &Resource, id: i64) -> bool {
        let habits = state.habits();
        let holds = |condition: &Condition| match &condition.place {
            Place::Own(field) => condition.holds(state.cell(resource, id, field).as_ref(), habits),
            Place::Code => ["itemID", "upc", "ean"].iter().any(|field| {
                let text = state.cell(resource, id, field).map(|cell| Cell::Text(cell.wire()));
                condition.holds(text.as_ref(), habits)
            }),
            Place::Related(relation, field) => state
                .related(resource, id, relation)
                .iter()
                .any(|(resource, row)| condition.holds(state.cell(resource, *row, field).as_ref(), habits)),
        };
        let one_row_fits = |(relation, conditions): (&String, &Vec<Condition>)| {
            state.related(resource, id, relation).iter().any(|(resource, row)| {
                conditions.iter().all(|condition| match condition.place {
                    Place::Related(_, field) => {
                        condition.holds(state.cell(resource, *row, field).as_ref(), habits)
                    }
                    _ => true,
                })
            })
        };
        self.all.iter().all(holds)
            && self.related.iter().all(one_row_fits)
            && (self.any.is_empty() || self.any.iter().any(holds))
    }
}

/// One filter, or none where the field does not exist and that is passed over.
fn condition(
    resource: &Resource,
    relations: &Relations,
    habits: &Habits,
    field: &str,
    value: &str,
) -> Result<Option<Condition>, Refusal> {
    let (operator, rest) = Operator::split(value);
    if resource.which == Which::Sale && field == "referenceNumber" && !habits.sale_reference_filter {
        return Ok(None);
    }
    let time_of_image =
        resource.which == Which::Image && resource.sortable.is_empty() && field == "timeStamp";
    if time_of_image && !habits.image_time_stamp_filter {
        return Ok(None);
    }
    let unknown = || {
        if habits.ignore_unknown_filters {
            Ok(None)
        } else {
            Err(Refusal::bad(format!("'{field}' is not a field of {}.", resource.name)))
        }
    };
    let (place, kind) = if resource.which == Which::Item && field == "itemCode" {
        if !matches!(operator, Operator::Equals | Operator::In) {
            return Err(Refusal::bad("itemCode works only with =, or and IN."));
        }
        (Place::Code, Kind::Text)
    } else if let Some((relation, name)) = field.split_once('.') {
        if name.contains('.') {
            return Err(Refusal::bad(format!("'{field}' goes more than one relation deep.")));
        }
        if !relations.has(relation) {
            return Err(Refusal::bad(format!("The relation '{relation}' must be loaded to filter by it.")));
        }
        match resource::behind(relation).and_then(|behind| own(behind, name)) {
            Some((name, kind)) => (Place::Related(relation.to_owned(), name), kind),
            None => return unknown(),
        }
    } else {
        match own(resource, field) {
            Some((name, kind)) => (Place::Own(name), kind),
            None => return unknown(),
        }
    };
    let texts: Vec<&str> = match operator {
        Operator::In => rest
            .trim_start_matches('[')
            .trim_end_matches(']')
            .split(',')
            .map(|part| part.trim().trim_matches('"'))
            .filter(|part| !part.is_empty())
            .collect(),
        Operator::Between => rest.split(',').collect(),
        Operator::Like | Operator::Unlike => Vec::new(),
        _ => vec![rest],
    };
    if texts.len() > MOST_VALUES {
        return Err(Refusal::bad(format!("IN takes at most {MOST_VALUES} values.")));
    }
    if operator == Operator::Between && texts.len() != 2 {
        return Err(Refusal::bad(format!("The operator >< of '{field}' needs two values.")));
    }
    let cells = texts.iter().map(|text| Cell::parse(kind, text)).collect::<Option<Vec<_>>>();
    let cells = cells.ok_or_else(|| Refusal::bad(format!("Invalid value '{rest}' for '{field}'.")))?;
    Ok(Some(Condition { place, operator, cells, text: rest.to_owned() }))
}

fn own(resource: &Resource, field: &str) -> Option<(&'static str, Kind)> {
    resource.fields.iter().find(|(name, _)| *name == field).copied()
}

impl Condition {
    fn holds(&self, cell: Option<&Cell>, habits: &Habits) -> bool {
        let Some(cell) = cell else { return matches!(self.operator, Operator::Differs | Operator::Unlike) };
        let order = |at: usize| self.cells.get(at).map(|operand| cell.compare(operand, habits.fold_case));
        match self.operator {
            Operator::Equals => order(0) == Some(Ordering::Equal),
            Operator::Differs => order(0) != Some(Ordering::Equal),
            Operator::More => order(0) == Some(Ordering::Greater),
            Operator::AtLeast => order(0).is_some_and(Ordering::is_ge),
            Operator::Less => order(0) == Some(Ordering::Less),
            Operator::AtMost => order(0).is_some_and(Ordering::is_le),
            Operator::Between => {
                order(0).is_some_and(Ordering::is_ge) && order(1).is_some_and(Ordering::is_le)
            }
            Operator::In => (0..self.cells.len()).any(|at| order(at) == Some(Ordering::Equal)),
            Operator::Like => like(&cell.wire(), &self.text, habits),
            Operator::Unlike => !like(&cell.wire(), &self.text, habits),
        }
    }
}

/// SQL's LIKE: `%` is any text, `_` any character, a backslash takes the meaning away.
fn like(text: &str, pattern: &str, habits: &Habits) -> bool {
    let fold = |text: &str| if habits.fold_case { text.to_lowercase() } else { text.to_owned() };
    let mut pattern = fold(pattern);
    if habits.like_without_wildcard_is_prefix && !pattern.is_empty() && !pattern.contains('%') {
        pattern.push('%');
    }
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = fold(text).chars().collect();
    fits(&text, &pattern)
}

fn fits(text: &[char], pattern: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('%', rest)) => {
            (0..=text.len()).any(|from| text.get(from..).is_some_and(|tail| fits(tail, rest)))
        }
        Some(('_', rest)) => text.split_first().is_some_and(|(_, tail)| fits(tail, rest)),
        Some(('\\', rest)) if !rest.is_empty() => {
            matches!((text.split_first(), rest.split_first()), (Some((a, tail)), Some((b, rest))) if a == b && fits(tail, rest))
        }
        Some((wanted, rest)) => {
            text.split_first().is_some_and(|(found, tail)| found == wanted && fits(tail, rest))
        }
    }
}
