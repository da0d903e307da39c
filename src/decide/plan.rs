//! From verdicts to steps: a plan leaves the hands no choice.

use std::collections::BTreeMap;

use super::merge::Verdict;
use super::shadow::Shadow;
use crate::catalog::{Facts, Field, Hold, Rules, Side, Stock, Value};

/// One field to be written on one side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The field.
    pub field: Field,
    /// What the written side shows now. It must still show this right before the write.
    pub before: Value,
    /// What it is to show.
    pub after: Value,
    /// `before` is news as well, and loses.
    pub conflict: bool,
}

/// One call to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Create the product on E-Series, disabled.
    CreateOnE {
        /// The fields it is created with.
        facts: Facts,
    },
    /// Create a variation of a product that is there.
    CreateVariationOnE {
        /// The fields it is created with.
        facts: Facts,
    },
    /// Create the item, or the matrix, of a product that was born on E-Series.
    CreateOnR {
        /// The fields it is created with.
        facts: Facts,
    },
    /// Replace fields on one side.
    Update {
        /// The side that is written.
        side: Side,
        /// The fields, at least one.
        changes: Vec<Change>,
    },
    /// Add pieces (or take them away) on one side.
    AddStock {
        /// The side that is written.
        side: Side,
        /// Pieces that were sold or restocked on the other side.
        delta: i64,
        /// Pieces that an earlier absolute write of ours trampled on this side and that are put back.
        owed: i64,
        /// What the written side shows now, for the record.
        before: i64,
    },
}

impl Step {
    /// The side that is written.
    #[must_use]
    pub fn side(&self) -> Side {
        match self {
            Self::CreateOnE { .. } | Self::CreateVariationOnE { .. } => Side::ESeries,
            Self::CreateOnR { .. } => Side::RSeries,
            Self::Update { side, .. } | Self::AddStock { side, .. } => *side,
        }
    }
}

/// What to do about one product, and what to remember without doing anything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// Calls, in this order.
    pub steps: Vec<Step>,
    /// The shadow once the fields that need no call are absorbed. Steps move it further as they land.
    pub shadow: Shadow,
    /// Fields whose news was taken without a call, and whose way left it alone, if so.
    pub absorbed: Vec<(Field, Option<Side>)>,
    /// Fields that stay as they are, and why.
    pub holds: Vec<(Field, Hold)>,
}

/// A field that the written side answered as taken, and did not change.
pub const IGNORED: &str = "ignored";

impl Change {
    /// Why the field is held when that side has ignored this change.
    #[must_use]
    pub fn ignored(&self, side: Side) -> Hold {
        let reason = format!(
            "{side} answered that it took {} as the {}, and still shows {}. It is not written again before one of the \
             two sides changes.",
            self.after, self.field, self.before
        );
        Hold::new(IGNORED, reason)
    }
}

impl Plan {
    /// Leaves out what a side has ignored before: the very same changes, which stay held.
    pub fn leave_ignored(&mut self, holds: &BTreeMap<Field, Hold>) {
        for step in &mut self.steps {
            let Step::Update { side, changes } = step else { continue };
            changes.retain(|change| {
                let ignored = holds.get(&change.field).filter(|hold| **hold == change.ignored(*side));
                self.holds.extend(ignored.map(|hold| (change.field, hold.clone())));
                ignored.is_none()
            });
        }
        self.steps.retain(|step| !matches!(step, Step::Update { changes, .. } if changes.is_empty()));
    }

    /// An operator wants the product to be offered, or not to be: on the web, and in the shop where the web's choice
    /// is carried there. What the merge had to say of that is settled.
    pub fn wish(&mut self, enabled: bool, (r, e): (&Facts, &Facts), rules: &Rules) {
        self.overrule(Field::Enabled);
        let after = Value::Flag(enabled);
        for (side, shown) in [(Side::ESeries, e), (Side::RSeries, r)] {
            let follows = side == Side::ESeries || rules.way(Field::Enabled).carries_from(Side::ESeries);
            let before = shown.get(Field::Enabled).filter(|shown| follows && !shown.same(&after));
            let Some(before) = before.cloned() else { continue };
            let change = Change { field: Field::Enabled, before, after: after.clone(), conflict: false };
            self.also(side, change);
        }
    }

    /// What the merge had to say of this field is settled otherwise: its writes and its hold go.
    pub(super) fn overrule(&mut self, field: Field) {
        for step in &mut self.steps {
            if let Step::Update { changes, .. } = step {
                changes.retain(|change| change.field != field);
            }
        }
        self.steps.retain(|step| !matches!(step, Step::Update { changes, .. } if changes.is_empty()));
        self.holds.retain(|(held, _)| *held != field);
    }

    /// Makes this change along with what else is written on that side.
    pub(super) fn also(&mut self, side: Side, change: Change) {
        let there = self.steps.iter_mut().find_map(|step| match step {
            Step::Update { side: at, changes } if *at == side => Some(changes),
            _ => None,
        });
        match there {
            Some(changes) => changes.push(change),
            None => self.steps.push(Step::Update { side, changes: vec![change] }),
        }
    }

    /// Nothing to call: the product is in step, but for what is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }
}

/// What a side refuses to show, told by the field table: `(side, field, value) -> reason`.
pub type Refusal<'a> = dyn Fn(Side, Field, &Value) -> Option<Hold> + 'a;

/// Turns verdicts into a plan. `owed_on_r` are pieces to put back on R-Series; `refuses` knows values
/// that a side cannot take.
#[must_use]
pub fn plan(
    shadow: &Shadow,
    verdicts: Vec<(Field, Verdict)>,
    owed_on_r: i64,
    r_stock: Option<Stock>,
    refuses: &Refusal<'_>,
) -> Plan {
    let mut plan = Plan { shadow: shadow.clone(), ..Plan::default() };
    let (mut to_r, mut to_e) = (Vec::new(), Vec::new());
    let (mut stock_to_r, mut stock_to_e) = (0, None);
    let r_count = r_stock.and_then(Stock::tracked);
    // What is not counted cannot be put back either.
    let owed_on_r = if r_count.is_some() { owed_on_r } else { 0 };

    for (field, verdict) in verdicts {
        match verdict {
            Verdict::Quiet => {}
            Verdict::Absorb { r, e, left_alone } => {
                plan.shadow.settle(field, r, e);
                plan.absorbed.push((field, left_alone));
            }
            Verdict::Held(hold) => plan.holds.push((field, hold)),
            Verdict::Uncounted { r, e, hold } => {
                plan.shadow.settle(field, Value::Stock(r), Value::Stock(e));
                plan.holds.push((field, hold));
            }
            Verdict::Carry { from, value, before, conflict } => {
                let target = from.other();
                match refuses(target, field, &value) {
                    Some(hold) => plan.holds.push((field, hold)),
                    None => {
                        let change = Change { field, before, after: value, conflict };
                        if target == Side::RSeries { to_r.push(change) } else { to_e.push(change) }
                    }
                }
            }
            Verdict::AddStock { on_r, on_e, r_now, e_now, opening } => {
                if opening {
                    let assumed = Value::Stock(Stock::Tracked(e_now));
                    plan.shadow.settle(Field::Stock, assumed.clone(), assumed);
                    plan.absorbed.push((Field::Stock, None));
                } else {
                    // News that the field's way does not carry is accounted for on its own side at once.
                    let uncarried = |base: Option<Stock>, now: i64, carried: i64| {
                        let base = base.and_then(Stock::tracked).unwrap_or(now);
                        now.saturating_sub(base).saturating_sub(carried)
                    };
                    let r_left = uncarried(shadow.r_series.stock(), r_now, on_e);
                    let e_left = uncarried(shadow.e_series.stock(), e_now, on_r);
                    plan.shadow.r_series.add_stock(r_left);
                    plan.shadow.e_series.add_stock(e_left);
                }
                stock_to_r = on_r;
                stock_to_e = (on_e != 0).then_some((on_e, e_now));
            }
        }
    }
    // The web first: it is where two people can buy the last piece at once.
    if let Some((delta, before)) = stock_to_e {
        plan.steps.push(Step::AddStock { side: Side::ESeries, delta, owed: 0, before });
    }
    if stock_to_r != 0 || owed_on_r != 0 {
        plan.steps.push(Step::AddStock {
            side: Side::RSeries,
            delta: stock_to_r,
            owed: owed_on_r,
            before: r_count.unwrap_or_default(),
        });
    }
    for (side, changes) in [(Side::ESeries, to_e), (Side::RSeries, to_r)] {
        if !changes.is_empty() {
            plan.steps.push(Step::Update { side, changes });
        }
    }
    plan
}

/// The plan for a product that E-Series does not have: create it there, disabled. A variant has no flag of its own,
/// and arrives in the product it belongs to.
#[must_use]
pub fn plan_creation(r: &Facts) -> Plan {
    let mut facts = r.clone();
    let step = if r.get(Field::OptionValues).is_some() {
        facts.forget(Field::Enabled);
        Step::CreateVariationOnE { facts }
    } else {
        facts.set(Field::Enabled, Value::Flag(false));
        Step::CreateOnE { facts }
    };
    Plan { steps: vec![step], ..Plan::default() }
}

/// The shadow after a creation, however much later the product is looked at: R-Series as it was when its facts
/// were taken, E-Series as it was sent. What differs may be an edit since, and a creation is not answered with
/// the product (e-series-api.md, section 4.1), so it stays news. A SKU that was sent empty is the exception: the
/// store numbers such products itself.
#[must_use]
pub fn created(r: &Facts, sent: &Facts, found: &Facts) -> Shadow {
    let mut e_series = sent.clone();
    for (field, found) in found.iter().filter(|(field, _)| *field != Field::Stock) {
        // The platform's own spelling of what was sent is no edit.
        if sent.get(field).is_some_and(|sent| found.may_have_become(sent)) {
            e_series.set(field, found.clone());
        }
    }
    if let Some(sku) = found.get(Field::Sku).filter(|_| sent.sku().trim().is_empty()) {
        e_series.set(Field::Sku, sku.clone());
    }
    Shadow { r_series: r.clone(), e_series }
}

/// The plan for a product, or a variation, that R-Series does not have: create it there.
#[must_use]
pub fn plan_birth(e: &Facts) -> Plan {
    Plan { steps: vec![Step::CreateOnR { facts: e.clone() }], ..Plan::default() }
}

/// The shadow after a creation on R-Series: E-Series as it was when its facts were taken, and R-Series as it was sent,
/// spelt as the platform spells it. Whatever differs beyond that is an edit since, and stays news. `found` is what the
/// platform answered with, which no edit can have changed, or else what a later look shows.
#[must_use]
pub fn born(e: &Facts, sent: &Facts, found: &Facts, answered: bool) -> Shadow {
    let mut r_series = sent.clone();
    for (field, found) in found.iter().filter(|(field, _)| *field != Field::Stock) {
        let spelling = |sent: &Value| {
            let is_cut = match (found, sent) {
                // A name may be cut off without a word (r-series-api.md, section 4.1).
                (Value::Text(found), Value::Text(sent)) if field == Field::Name => {
                    sent.trim().starts_with(found.trim())
                }
                _ => false,
            };
            is_cut || found.may_have_become(sent)
        };
        if answered || sent.get(field).is_some_and(spelling) {
            r_series.set(field, found.clone());
        }
    }
    Shadow { r_series, e_series: e.clone() }
}
