//! Laws of the study (`DESIGN.md` §3, laws 1 to 5) as properties, over a model of two platforms.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::plan::{Refusal, Step};
use super::{Plan, Shadow, check, merge, plan};
use crate::catalog::{Facts, Field, Rule, Rules, Side, Stock, Value, Way};

/// Both sides as a model: facts, and how each spells what it is given.
#[derive(Debug, Clone)]
struct Model {
    shadow: Shadow,
    r: Facts,
    e: Facts,
    rules: Rules,
    /// E-Series trims texts.
    trims: bool,
}

const NOBODY_REFUSES: &Refusal<'static> = &|_, _, _| None;

impl Model {
    fn plan(&self) -> Plan {
        let verdicts = merge(&self.shadow, &self.r, &self.e, &self.rules);
        plan(&self.shadow, verdicts, 0, self.r.stock(), NOBODY_REFUSES)
    }

    fn side(&mut self, side: Side) -> &mut Facts {
        if side == Side::RSeries { &mut self.r } else { &mut self.e }
    }

    /// Carries a plan out as the corridor does. Returns writes made.
    fn apply(&mut self, plan: Plan) -> usize {
        self.shadow = plan.shadow;
        let writes = plan.steps.len();
        for step in plan.steps {
            match step {
                Step::AddStock { side, delta, .. } => {
                    self.side(side).add_stock(delta);
                    self.shadow.carry_stock(delta);
                }
                Step::Update { side, changes } => {
                    for change in changes {
                        let mut read_back = change.after.clone();
                        if let (true, Side::ESeries, Value::Text(text)) = (self.trims, side, &change.after) {
                            read_back = Value::Text(text.trim().to_owned());
                        }
                        self.side(side).set(change.field, read_back.clone());
                        self.shadow.side_mut(side).set(change.field, read_back);
                        let other = side.other();
                        let source = self.side(other).get(change.field).unwrap().clone();
                        self.shadow.side_mut(other).set(change.field, source);
                    }
                }
                Step::CreateOnE { .. } | Step::CreateVariationOnE { .. } | Step::CreateOnR { .. } => {
                    panic!("no creation among two sides that are there")
                }
            }
        }
        writes
    }
}

fn text() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["a", "b", " a", "b ", ""]).prop_map(|text| Value::Text(text.into()))
}

fn price() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["0", "1", "1.50", "1.5"]).prop_map(|text| Value::Money(text.parse().unwrap()))
}

fn stock() -> impl Strategy<Value = Value> {
    prop_oneof![
        9 => (-3_i64..12).prop_map(|count| Value::Stock(Stock::Tracked(count))),
        1 => Just(Value::Stock(Stock::Unlimited)),
    ]
}

fn list() -> impl Strategy<Value = Value> {
    let text = prop::sample::select(vec!["a", "b", " a", ""]).prop_map(str::to_owned);
    prop::collection::vec(text, 0..3).prop_map(Value::List)
}

fn facts() -> impl Strategy<Value = Facts> {
    let flag = any::<bool>().prop_map(Value::Flag);
    (text(), text(), price(), flag, stock(), list(), list()).prop_map(
        |(name, sku, price, on, stock, options, values)| {
            Facts::new()
                .with(Field::Name, name)
                .with(Field::Sku, sku)
                .with(Field::Price, price)
                .with(Field::Enabled, on)
                .with(Field::Stock, stock)
                .with(Field::Options, options)
                .with(Field::OptionValues, values)
        },
    )
}

fn rules() -> impl Strategy<Value = Rules> {
    let way = prop::sample::select(vec![Way::Both, Way::Both, Way::RToE, Way::EToR, Way::Off]);
    let rule = prop::sample::select(vec![Rule::RWins, Rule::EWins, Rule::Ask]);
    prop::collection::vec((way, rule), Field::ALL.len())
        .prop_map(|rules| Rules(Field::ALL.into_iter().zip(rules).collect::<BTreeMap<_, _>>()))
}

fn shadow() -> impl Strategy<Value = Shadow> {
    prop_oneof![
        1 => Just(Shadow::default()),
        6 => (facts(), facts()).prop_map(|(r_series, e_series)| Shadow { r_series, e_series }),
    ]
}

fn model() -> impl Strategy<Value = Model> {
    (shadow(), facts(), facts(), rules(), any::<bool>()).prop_map(|(shadow, r, e, rules, trims)| Model {
        shadow,
        r,
        e,
        rules,
        trims,
    })
}

/// A model in which everybody is in step: what was settled is what is there.
fn in_step() -> impl Strategy<Value = Model> {
    (facts(), rules(), any::<bool>()).prop_map(|(facts, rules, trims)| Model {
        shadow: Shadow { r_series: facts.clone(), e_series: facts.clone() },
        r: facts.clone(),
        e: facts,
        rules,
        trims,
    })
}

proptest! {
    /// Law 1: in step → no calls.
    #[test]
    fn in_step_means_no_calls(model in in_step()) {
        let plan = model.plan();
        prop_assert!(plan.is_empty() && plan.absorbed.is_empty() && plan.holds.is_empty(), "{plan:?}");
    }

    /// Law 1: apply the plan, plan again → no calls. Law 5: one write a side and kind is enough.
    #[test]
    fn one_round_is_enough(mut model in model()) {
        let first = model.plan();
        prop_assert_eq!(check::check(&first, &model.rules), Ok(()));
        let writes = model.apply(first);
        prop_assert!(writes <= 4);
        let again = model.plan();
        prop_assert!(again.is_empty(), "plans again: {again:?}\n{model:?}");
    }

    /// Law 2: an edit on one side reaches the other; edits of different fields on both sides both survive.
    #[test]
    fn edits_of_different_fields_both_survive(
        base in facts(), name in text(), price in price(), trims in any::<bool>(),
    ) {
        let rules = crate::mapping::table::default_rules();
        let shadow = Shadow { r_series: base.clone(), e_series: base.clone() };
        let r = base.clone().with(Field::Name, name.clone());
        let e = base.with(Field::Price, price.clone());
        let mut model = Model { shadow, r, e, rules, trims };
        let plan = model.plan();
        model.apply(plan);
        for side in Side::BOTH {
            prop_assert!(model.side(side).get(Field::Name).unwrap().same(&name));
            prop_assert!(model.side(side).get(Field::Price).unwrap().same(&price));
        }
    }

    /// Law 3: a value that was news and is gone has a verdict that names it. No swap: both sides end with
    /// one of the two values, the same one.
    #[test]
    fn no_news_is_lost_without_a_verdict(mut model in model()) {
        let (r, e) = (model.r.clone(), model.e.clone());
        let before = model.shadow.clone();
        let plan = model.plan();
        let mut lost: Vec<(Side, Field, Value)> = Vec::new();
        for step in &plan.steps {
            if let Step::Update { side, changes } = step {
                for change in changes.iter().filter(|change| change.conflict) {
                    lost.push((*side, change.field, change.before.clone()));
                }
            }
        }
        model.apply(plan);
        for (side, was) in [(Side::RSeries, &r), (Side::ESeries, &e)] {
            for field in [Field::Name, Field::Sku, Field::Price, Field::Enabled] {
                let (was, is) = (was.get(field).unwrap(), model.side(side).get(field).unwrap().clone());
                // A difference in outer spaces is nothing that anybody could miss.
                let was_news = !before.side(side).get(field).is_some_and(|before| before.same(was));
                if was_news && !is.same(was) {
                    prop_assert!(lost.contains(&(side, field, was.clone())), "{side} lost its {field} {was}");
                }
            }
        }
        for field in [Field::Name, Field::Sku, Field::Price] {
            let (r_was, e_was) = (r.get(field).unwrap(), e.get(field).unwrap());
            let (r_is, e_is) = (model.r.get(field).unwrap(), model.e.get(field).unwrap());
            let swapped = !r_was.same(e_was) && r_is.same(e_was) && e_is.same(r_was);
            prop_assert!(!swapped, "{field} swapped");
        }
    }

    /// Law 4: both sides end at base + ΔR + ΔE.
    #[test]
    fn stock_is_a_sum(base in -5_i64..50, delta_r in -20_i64..20, delta_e in -20_i64..20) {
        let count = |count| Facts::new().with(Field::Stock, Value::Stock(Stock::Tracked(count)));
        let mut model = Model {
            shadow: Shadow { r_series: count(base), e_series: count(base) },
            r: count(base + delta_r),
            e: count(base + delta_e),
            rules: crate::mapping::table::default_rules(),
            trims: false,
        };
        let plan = model.plan();
        model.apply(plan);
        prop_assert_eq!(model.r.stock(), Some(Stock::Tracked(base + delta_r + delta_e)));
        prop_assert_eq!(model.e.stock(), Some(Stock::Tracked(base + delta_r + delta_e)));
    }

    /// Law 4 under a death between any two steps: whatever has landed is in the shadow, whatever has not
    /// is planned again, and a sale in between is news.
    #[test]
    fn stock_survives_a_death_between_steps(
        base in 0_i64..50, delta_r in -20_i64..20, delta_e in -20_i64..20, landed in 0_usize..3, late in -5_i64..5,
    ) {
        let count = |count| Facts::new().with(Field::Stock, Value::Stock(Stock::Tracked(count)));
        let mut model = Model {
            shadow: Shadow { r_series: count(base), e_series: count(base) },
            r: count(base + delta_r),
            e: count(base + delta_e),
            rules: crate::mapping::table::default_rules(),
            trims: false,
        };
        let mut cut = model.plan();
        cut.steps.truncate(landed);
        model.apply(cut);
        model.e.add_stock(late);
        let rest = model.plan();
        model.apply(rest);
        let truth = Some(Stock::Tracked(base + delta_r + delta_e + late));
        prop_assert_eq!((model.r.stock(), model.e.stock()), (truth, truth));
    }
}
