//! What must never be true of a plan. A plan that breaks one of these is a bug, and is not carried out.

use std::collections::BTreeSet;

use super::plan::{Plan, Step};
use crate::catalog::{Field, Rules, Side, Value};

/// The first rule that `plan` breaks, in words.
pub fn check(plan: &Plan, rules: &Rules) -> Result<(), String> {
    let mut written = BTreeSet::new();
    // What an earlier write of ours wiped out on a side is put back there even while nothing is carried.
    let mut puts_back_only = None;
    let mut claim = |side: Side, field: Field| {
        if written.insert((side, field)) {
            Ok(())
        } else {
            Err(format!("the {field} of {side} is written twice"))
        }
    };
    for step in &plan.steps {
        match step {
            Step::CreateOnE { facts } => {
                if plan.steps.len() > 1 {
                    return Err("a creation stands beside other steps".into());
                }
                if facts.enabled() {
                    return Err("a new product would be offered before anybody has looked at it".into());
                }
                if facts.name().trim().is_empty() {
                    return Err("a product without a name would be created".into());
                }
            }
            Step::CreateVariationOnE { facts } => {
                if plan.steps.len() > 1 {
                    return Err("a creation stands beside other steps".into());
                }
                // Without one it would share the product's stock (e-series-api.md, section 5.4).
                if facts.sku().trim().is_empty() {
                    return Err("a variation without a SKU would be created".into());
                }
            }
            Step::CreateOnR { facts } => {
                if plan.steps.len() > 1 {
                    return Err("a creation stands beside other steps".into());
                }
                if facts.name().trim().is_empty() && facts.get(Field::OptionValues).is_none() {
                    return Err("an item without a name would be created".into());
                }
            }
            Step::Update { side, changes } => {
                if changes.is_empty() {
                    return Err(format!("an empty update of {side}"));
                }
                for change in changes {
                    claim(*side, change.field)?;
                    if change.before.same(&change.after) {
                        return Err(format!("the {} of {side} would be written as it is", change.field));
                    }
                    if matches!(change.after, Value::Stock(_)) {
                        return Err(format!("the stock of {side} would be replaced instead of added to"));
                    }
                    if !rules.way(change.field).carries_from(side.other()) {
                        return Err(format!(
                            "the {} of {side} would be written against its way",
                            change.field
                        ));
                    }
                }
            }
            Step::AddStock { side, delta, owed, .. } => {
                claim(*side, Field::Stock)?;
                if *delta == 0 && *owed == 0 {
                    return Err(format!("nothing would be added to the stock of {side}"));
                }
                if *delta == 0 {
                    puts_back_only = Some((*side, Field::Stock));
                }
                if *delta != 0 && !rules.way(Field::Stock).carries_from(side.other()) {
                    return Err(format!("the stock of {side} would be written against its way"));
                }
            }
        }
    }
    for (field, _) in &plan.holds {
        let carried = |side| written.contains(&(side, *field)) && puts_back_only != Some((side, *field));
        if Side::BOTH.into_iter().any(carried) {
            return Err(format!("the {field} is held and written"));
        }
    }
    Ok(())
}
