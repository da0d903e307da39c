//! A plan in words, and as data for the REST interface.

use serde::Serialize;

use super::plan::{Plan, Step};
use crate::catalog::Side;

/// One line of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Line {
    /// `create`, `update`, `add_stock`, `absorb` or `hold`.
    pub action: &'static str,
    /// The side that would be written; none for `absorb` and `hold`.
    pub side: Option<Side>,
    /// The field; none for a creation.
    pub field: Option<String>,
    /// The value now.
    pub before: Option<serde_json::Value>,
    /// The value afterwards; for `add_stock` the pieces to add.
    pub after: Option<serde_json::Value>,
    /// The same in a sentence.
    pub words: String,
}

/// Everything the plan would do, would remember and would leave.
#[must_use]
pub fn report(plan: &Plan) -> Vec<Line> {
    let mut lines = Vec::new();
    for step in &plan.steps {
        match step {
            Step::CreateOnE { facts } => lines.push(Line {
                action: "create",
                side: Some(Side::ESeries),
                field: None,
                before: None,
                after: serde_json::to_value(facts).ok(),
                words: format!("Create “{}” on E-Series, disabled.", facts.name()),
            }),
            Step::CreateVariationOnE { facts } => lines.push(Line {
                action: "create",
                side: Some(Side::ESeries),
                field: None,
                before: None,
                after: serde_json::to_value(facts).ok(),
                words: format!("Create the variation {} on E-Series.", facts.sku()),
            }),
            Step::CreateOnR { facts } => lines.push(Line {
                action: "create",
                side: Some(Side::RSeries),
                field: None,
                before: None,
                after: serde_json::to_value(facts).ok(),
                words: format!("Create “{}” on R-Series.", facts.name()),
            }),
            Step::Update { side, changes } => lines.extend(changes.iter().map(|change| Line {
                action: "update",
                side: Some(*side),
                field: Some(change.field.to_string()),
                before: Some(change.before.to_json()),
                after: Some(change.after.to_json()),
                words: format!(
                    "Change the {} on {side} from {} to {}{}.",
                    change.field,
                    change.before,
                    change.after,
                    if change.conflict { ", which loses although it is new as well" } else { "" }
                ),
            })),
            Step::AddStock { side, delta, owed, before } => lines.push(Line {
                action: "add_stock",
                side: Some(*side),
                field: Some("stock".into()),
                before: Some(serde_json::json!(before)),
                after: Some(serde_json::json!(delta.saturating_add(*owed))),
                words: format!(
                    "Add {delta:+} pieces on {side}, where there are {before}{}.",
                    if *owed == 0 { String::new() } else { format!(", and put {owed:+} back") }
                ),
            }),
        }
    }
    lines.extend(plan.absorbed.iter().map(|(field, left_alone)| Line {
        action: "absorb",
        side: None,
        field: Some(field.to_string()),
        before: None,
        after: None,
        words: match left_alone {
            None => format!("Both sides already agree on the {field}."),
            Some(side) => format!("The {field} changed on {side}; by its setting it is not carried across."),
        },
    }));
    lines.extend(plan.holds.iter().map(|(field, hold)| Line {
        action: "hold",
        side: None,
        field: Some(field.to_string()),
        before: None,
        after: None,
        words: hold.reason.clone(),
    }));
    lines
}
