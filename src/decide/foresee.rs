//! What other settings would mean for values as they are known: the same merge, asked twice; and what other shops would.

use std::collections::BTreeMap;

use super::merge::{Verdict, merge};
use super::shadow::Shadow;
use crate::catalog::{Facts, Field, Rules, Side, Stock, Value};

/// What would become of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// One side's value would be written on the other at the next visit.
    Carried,
    /// It would wait until somebody chooses.
    Asked,
    /// News that would be carried now would stay where it is.
    LeftAlone,
    /// The sides differ, and would until one of them changes: from then on the new setting decides.
    Apart,
    /// Another field of R-Series would be read, or the counts of other shops, which nobody has looked at yet; what they
    /// hold shows at the next look.
    ReadAnew,
}

/// A field for which other settings make a difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreseen {
    /// The field.
    pub field: Field,
    /// What would become of it.
    pub effect: Effect,
    /// What R-Series shows, as far as is known.
    pub r: Option<Value>,
    /// What E-Series shows, as far as is known.
    pub e: Option<Value>,
    /// The side that would be written.
    pub writes: Option<Side>,
}

/// What `then` would change about a product that is as `shadow` says, but for news that waits for a choice.
///
/// Stock is left out: it is a sum, and a setting of its way moves nothing by itself. Other shops do
/// ([`foresee_shops`]).
#[must_use]
pub fn foresee(
    shadow: &Shadow,
    waiting: &[(Field, Value, Value)],
    now: &Rules,
    then: &Rules,
    sku_read_anew: bool,
) -> Vec<Foreseen> {
    let seen = |side: Side| {
        let mut facts = shadow.side(side).clone();
        for (field, r, e) in waiting {
            facts.set(*field, if side == Side::RSeries { r.clone() } else { e.clone() });
        }
        facts
    };
    let (r, e): (Facts, Facts) = (seen(Side::RSeries), seen(Side::ESeries));
    let (today, tomorrow) = (merge(shadow, &r, &e, now), merge(shadow, &r, &e, then));
    let mut found = Vec::new();
    for ((field, today), (_, tomorrow)) in today.into_iter().zip(tomorrow) {
        if field == Field::Stock {
            continue;
        }
        let (r, e) = (r.get(field).cloned(), e.get(field).cloned());
        let carries_from_r = then.way(field).carries_from(Side::RSeries);
        if field == Field::Sku && sku_read_anew {
            let writes = carries_from_r.then_some(Side::ESeries);
            found.push(Foreseen { field, effect: Effect::ReadAnew, r: None, e, writes });
            continue;
        }
        let differ = r.as_ref().zip(e.as_ref()).is_some_and(|(r, e)| !r.same(e));
        let other_rule = (now.way(field), now.rule(field)) != (then.way(field), then.rule(field));
        let (effect, writes) = match tomorrow {
            tomorrow if tomorrow == today => {
                // Nothing is news, but what stands apart is decided by the new setting when one side moves.
                if !(differ && other_rule && tomorrow == Verdict::Quiet) {
                    continue;
                }
                (Effect::Apart, None)
            }
            Verdict::Carry { from, .. } => (Effect::Carried, Some(from.other())),
            Verdict::Held(_) => (Effect::Asked, None),
            _ => (Effect::LeftAlone, None),
        };
        found.push(Foreseen { field, effect, r, e, writes });
    }
    found
}

/// What it would mean for the stock if it were summed over the shops `then`, and no longer over `now`: E-Series follows by
/// the difference. `counts` is what each shop has, if that is known.
#[must_use]
pub fn foresee_shops(
    shadow: &Shadow,
    counts: Option<&BTreeMap<i64, i64>>,
    (now, then): (&[i64], &[i64]),
    rules: &Rules,
) -> Option<Foreseen> {
    let e = shadow.e_series.get(Field::Stock).cloned();
    let told = shadow.r_series.stock().and_then(Stock::tracked).filter(|_| now != then)?;
    let carries = rules.way(Field::Stock).carries_from(Side::RSeries);
    // What is not counted on E-Series has no number that could follow.
    let writes = (carries && e.as_ref().is_some_and(|e| matches!(e, Value::Stock(Stock::Tracked(_)))))
        .then_some(Side::ESeries);
    let found = |effect, r| Some(Foreseen { field: Field::Stock, effect, r, e: e.clone(), writes });
    let Some(counts) = counts else { return found(Effect::ReadAnew, None) };
    let sum = |shops: &[i64]| {
        let counted = shops.iter().filter_map(|shop| counts.get(shop));
        counted.fold(0_i64, |sum, count| sum.saturating_add(*count))
    };
    let moved = sum(then).saturating_sub(sum(now));
    let effect = if writes.is_some() { Effect::Carried } else { Effect::LeftAlone };
    let r = Value::Stock(Stock::Tracked(told.saturating_add(moved)));
    if moved == 0 { None } else { found(effect, Some(r)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::{Rule, Way};

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn rules(way: Way, rule: Rule) -> Rules {
        Rules(Field::ALL.into_iter().map(|field| (field, (way, rule))).collect())
    }

    fn shadow(r: &str, e: &str) -> Shadow {
        let mut shadow = Shadow::default();
        shadow.settle(Field::Name, text(r), text(e));
        shadow.settle(Field::Sku, text("A"), text("A"));
        shadow
    }

    fn seen(
        shadow: &Shadow,
        waiting: &[(Field, Value, Value)],
        now: &Rules,
        then: &Rules,
    ) -> Vec<(Field, Effect, Option<Side>)> {
        let found = foresee(shadow, waiting, now, then, false);
        found.into_iter().map(|found| (found.field, found.effect, found.writes)).collect()
    }

    #[test]
    fn the_same_settings_and_values_in_step_make_no_difference() {
        let both = rules(Way::Both, Rule::RWins);
        assert_eq!(seen(&shadow("a", "b"), &[], &both, &both), []);
        assert_eq!(seen(&shadow("a", "a"), &[], &both, &rules(Way::Off, Rule::Ask)), []);
    }

    #[test]
    fn an_open_question_is_decided_by_a_rule_that_decides() {
        let (ask, e_wins) = (rules(Way::Both, Rule::Ask), rules(Way::Both, Rule::EWins));
        let waiting = [(Field::Name, text("b"), text("c"))];
        let base = shadow("a", "a");
        assert_eq!(
            seen(&base, &waiting, &ask, &e_wins),
            [(Field::Name, Effect::Carried, Some(Side::RSeries))]
        );
        assert_eq!(seen(&base, &waiting, &e_wins, &ask), [(Field::Name, Effect::Asked, None)]);
        let off = rules(Way::Off, Rule::Ask);
        assert_eq!(seen(&base, &waiting, &ask, &off), [(Field::Name, Effect::LeftAlone, None)]);
    }

    #[test]
    fn what_stands_apart_is_named_where_its_setting_changes() {
        let (off, both) = (rules(Way::Off, Rule::RWins), rules(Way::Both, Rule::RWins));
        assert_eq!(seen(&shadow("a", "b"), &[], &off, &both), [(Field::Name, Effect::Apart, None)]);
    }

    #[test]
    fn other_shops_move_the_stock_by_what_they_have() {
        let stock = |pieces| Value::Stock(Stock::Tracked(pieces));
        let mut shadow = Shadow::default();
        shadow.settle(Field::Stock, stock(6), stock(5));
        let counts = BTreeMap::from([(1, 6), (2, -4)]);
        let both = rules(Way::Both, Rule::RWins);
        let seen = |counts: Option<&BTreeMap<i64, i64>>, then: &[i64], rules: &Rules| {
            let found = foresee_shops(&shadow, counts, (&[1], then), rules)?;
            assert_eq!(found.e, Some(stock(5)));
            Some((found.effect, found.r, found.writes))
        };
        let e = Some(Side::ESeries);
        assert_eq!(seen(Some(&counts), &[1, 2], &both), Some((Effect::Carried, Some(stock(2)), e)));
        assert_eq!(seen(Some(&counts), &[2], &both), Some((Effect::Carried, Some(stock(-4)), e)));
        assert_eq!(seen(Some(&counts), &[1], &both), None, "the same shops");
        assert_eq!(seen(Some(&counts), &[1, 3], &both), None, "a shop that has none");
        assert_eq!(seen(None, &[2], &both), Some((Effect::ReadAnew, None, e)));
        let off = rules(Way::EToR, Rule::RWins);
        assert_eq!(seen(Some(&counts), &[2], &off), Some((Effect::LeftAlone, Some(stock(-4)), None)));
        shadow.settle(Field::Stock, Value::Stock(Stock::Unlimited), Value::Stock(Stock::Unlimited));
        assert_eq!(foresee_shops(&shadow, Some(&counts), (&[1], &[2]), &both), None, "nothing is counted");
    }

    #[test]
    fn another_source_of_the_sku_is_read_anew() {
        let both = rules(Way::Both, Rule::RWins);
        let found = foresee(&shadow("a", "a"), &[], &both, &both, true);
        let [sku] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((sku.field, sku.effect, sku.writes), (Field::Sku, Effect::ReadAnew, Some(Side::ESeries)));
        assert_eq!((&sku.r, &sku.e), (&None, &Some(text("A"))));
    }
}
