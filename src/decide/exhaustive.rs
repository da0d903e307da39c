//! The laws of the study (`DESIGN.md` §3, laws 1 to 5) by exhaustive search: every combination of a small
//! model, instead of a sample of a large one.
//!
//! **The model.** Two platforms with one field of one product, people who edit on either, and the house:
//! what it has committed (shadows, open intents, what it owes) outlives a death, all else does not. A visit
//! walks as `reconcile` does: close open intents by what is seen → merge → plan → check → commit what needs
//! no call → for each step commit the intent, make the call, commit the result. Between any two of these
//! stands a *point*. At a point the process may die, and people may edit.
//!
//! **The search.** Each test walks through all starts (shadow of either side, value of either side, way,
//! rule, habits of the platforms), and where it says so through all points of death, and all edits between
//! death and restart. It counts its cases, and the count is a floor: the search cannot shrink unseen.
//!
//! **The judge** is independent of the code under test: `values` keeps what was truly in step at the moment
//! a call took effect, and `stock` keeps a ledger of what people bought, sold and recounted.
//!
//! | File | What is in it |
//! |---|---|
//! | `values` | The model of a field that is replaced: name, SKU, price, enabled |
//! | `values_laws` | Its laws |
//! | `stock` | The model of stock, with the inventory log of one and the keys of the other platform |
//! | `stock_laws` | Its laws |
//!
//! What can not be told apart by looking is no broken law but an honest exception. Each is a function named
//! for what it excuses, and the tests count how often it is needed.

mod stock;
mod stock_laws;
mod values;
mod values_laws;

use crate::catalog::{Field, Rule, Rules, Way};

const WAYS: [Way; 4] = [Way::Both, Way::RToE, Way::EToR, Way::Off];
const RULES: [Rule; 3] = [Rule::RWins, Rule::EWins, Rule::Ask];

/// The process ended here: what it had not committed is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Died;

/// The points that a process still lives through; none means that it does not die.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Lives(Option<usize>);

impl Lives {
    fn point(&mut self) -> Result<(), Died> {
        match &mut self.0 {
            None => Ok(()),
            Some(0) => Err(Died),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }
}

fn rules(field: Field, way: Way, rule: Rule) -> Rules {
    Rules(std::iter::once((field, (way, rule))).collect())
}
