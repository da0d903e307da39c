//! Three-way merge, field by field: both shadows against both sides as they are now.

use super::shadow::Shadow;
use crate::catalog::{Facts, Field, Hold, Rule, Rules, Side, Stock, Value};

/// What the merge says about one field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Neither side has changed.
    Quiet,
    /// There is news, but nothing to write: both sides already say the same, or the way of the field
    /// does not carry it. The shadows move to these values.
    Absorb {
        /// What R-Series shows.
        r: Value,
        /// What E-Series shows.
        e: Value,
        /// Whose news was left alone because the field's way does not carry it.
        left_alone: Option<Side>,
    },
    /// One side's value goes to the other.
    Carry {
        /// The side whose value is taken.
        from: Side,
        /// That value, as the side shows it.
        value: Value,
        /// What the other side shows now.
        before: Value,
        /// Set when the other side had changed too: `before` is the losing value.
        conflict: bool,
    },
    /// Stock changes to be added on either side; zero means none.
    AddStock {
        /// Pieces to add on R-Series: what happened on E-Series.
        on_r: i64,
        /// Pieces to add on E-Series: what happened on R-Series.
        on_e: i64,
        /// What R-Series shows now.
        r_now: i64,
        /// What E-Series shows now.
        e_now: i64,
        /// No common base was known: E-Series is set to R-Series' count, and this shadow is assumed.
        opening: bool,
    },
    /// Not carried, for this reason.
    Held(Hold),
    /// Only one side counts its stock. Nothing can be carried, and what was in step before is no base any
    /// more: once both count, the shop's count is the opening stock.
    Uncounted {
        /// What R-Series shows.
        r: Stock,
        /// What E-Series shows.
        e: Stock,
        /// Why.
        hold: Hold,
    },
}

/// Gives every field that both sides know a verdict.
#[must_use]
pub fn merge(shadow: &Shadow, r: &Facts, e: &Facts, rules: &Rules) -> Vec<(Field, Verdict)> {
    Field::ALL
        .into_iter()
        .filter_map(|field| {
            let (r_now, e_now) = (r.get(field)?, e.get(field)?);
            let verdict = match (r_now, e_now) {
                (Value::Stock(r_now), Value::Stock(e_now)) => stock(shadow, *r_now, *e_now, rules),
                _ => plain(field, shadow, r_now, e_now, rules),
            };
            Some((field, verdict))
        })
        .collect()
}

/// The verdict on a field that is replaced as a whole.
fn plain(field: Field, shadow: &Shadow, r_now: &Value, e_now: &Value, rules: &Rules) -> Verdict {
    // A side without a shadow counts as changed: nothing is known to be in step.
    // A difference that nobody can see moves the shadow, but does not travel and wins against nobody.
    let differs = |side: Side, now: &Value| shadow.side(side).get(field) != Some(now);
    let changed = |side: Side, now: &Value| !shadow.side(side).get(field).is_some_and(|was| was.same(now));
    let (r_differs, e_differs) = (differs(Side::RSeries, r_now), differs(Side::ESeries, e_now));
    let (r_changed, e_changed) = (changed(Side::RSeries, r_now), changed(Side::ESeries, e_now));
    let way = rules.way(field);
    let absorb = |left_alone| Verdict::Absorb { r: r_now.clone(), e: e_now.clone(), left_alone };
    let carry = |from: Side, conflict: bool| {
        let (value, before) = match from {
            Side::RSeries => (r_now.clone(), e_now.clone()),
            Side::ESeries => (e_now.clone(), r_now.clone()),
        };
        // Nobody has touched the texts of the other side: those that stay as they are stay as they are spelt there.
        let untouched = !r_changed || !e_changed;
        let was = [from, from.other()].map(|side| shadow.side(side).get(field));
        let value = match (value, was, &before) {
            (Value::List(now), [Some(Value::List(was)), Some(Value::List(_))], Value::List(there))
                if untouched =>
            {
                Value::List(as_spelt_there(now, was, there))
            }
            (value, ..) => value,
        };
        if value.same(&before) {
            // Spelt as it is there, it is what is there: both sides have come to the same.
            return absorb(None);
        }
        Verdict::Carry { from, value, before, conflict }
    };

    if !r_differs && !e_differs {
        return Verdict::Quiet;
    }
    // Tying two products together must not put one on offer, or take it off: only a later change does.
    let tying = shadow.r_series.get(field).is_none() || shadow.e_series.get(field).is_none();
    if r_now.same(e_now) || (tying && field == Field::Enabled) {
        return absorb(None);
    }
    let news_from =
        match (r_changed && way.carries_from(Side::RSeries), e_changed && way.carries_from(Side::ESeries)) {
            (true, true) => {
                return match rules.rule(field) {
                    Rule::RWins => carry(Side::RSeries, true),
                    Rule::EWins => carry(Side::ESeries, true),
                    Rule::Ask => Verdict::Held(Hold::new(
                        "ask",
                        format!(
                            "Both sides changed the {field}: {r_now} on R-Series, {e_now} on E-Series. \
                         Choose one."
                        ),
                    )),
                };
            }
            (true, false) => Side::RSeries,
            (false, true) => Side::ESeries,
            (false, false) => {
                let from_r = r_changed || (r_differs && !e_changed);
                return absorb(Some(if from_r { Side::RSeries } else { Side::ESeries }));
            }
        };
    // A one-way field whose other side changed too: that value is overwritten, so it is named as the loser.
    carry(news_from, r_changed && e_changed)
}

/// The texts of a list as they are now, but those that are as they were in the spelling that the other side has for
/// them: a platform that spells texts in its own way would take them for new ones.
fn as_spelt_there(now: Vec<String>, was: &[String], there: &[String]) -> Vec<String> {
    if now.len() != was.len() || now.len() != there.len() {
        return now;
    }
    let texts = now.into_iter().zip(was.iter().zip(there));
    texts.map(|(now, (was, there))| if now.trim() == was.trim() { there.clone() } else { now }).collect()
}

/// The verdict on stock: what happened on one side since the shadow is added on the other. Two sales,
/// one on each side, are two sales; there is no winner.
fn stock(shadow: &Shadow, r_now: Stock, e_now: Stock, rules: &Rules) -> Verdict {
    let way = rules.way(Field::Stock);
    let (r_now, e_now) = match (r_now, e_now) {
        (Stock::Tracked(r_now), Stock::Tracked(e_now)) => (r_now, e_now),
        (Stock::Unlimited, Stock::Unlimited) => {
            let known = [Side::RSeries, Side::ESeries]
                .into_iter()
                .all(|side| shadow.side(side).stock() == Some(Stock::Unlimited));
            return if known {
                Verdict::Quiet
            } else {
                let unlimited = Value::Stock(Stock::Unlimited);
                Verdict::Absorb { r: unlimited.clone(), e: unlimited, left_alone: None }
            };
        }
        (Stock::Tracked(_), Stock::Unlimited) => {
            let hold = Hold::new(
                "unlimited_on_e_series",
                "Stock is set to unlimited on E-Series, so it cannot follow the count on R-Series. Track the \
                 stock there, and it will be set to the count of R-Series.",
            );
            return Verdict::Uncounted { r: r_now, e: e_now, hold };
        }
        (Stock::Unlimited, Stock::Tracked(_)) => {
            let hold = Hold::new(
                "not_counted_on_r_series",
                "R-Series does not count this item (type non-inventory), E-Series does. Set the stock on \
                 E-Series to unlimited, or change the item's type.",
            );
            return Verdict::Uncounted { r: r_now, e: e_now, hold };
        }
    };
    let base = |side: Side| shadow.side(side).stock().and_then(Stock::tracked);
    let (r_base, e_base, opening) = match (base(Side::RSeries), base(Side::ESeries)) {
        (Some(r_base), Some(e_base)) => (r_base, e_base, false),
        // Nothing says what was in step, and the shop counts real pieces: its count is the opening stock.
        _ => (e_now, e_now, true),
    };
    let (r_delta, e_delta) = (r_now.saturating_sub(r_base), e_now.saturating_sub(e_base));
    if r_delta == 0 && e_delta == 0 && !opening {
        return Verdict::Quiet;
    }
    let on_e = if way.carries_from(Side::RSeries) { r_delta } else { 0 };
    let on_r = if way.carries_from(Side::ESeries) { e_delta } else { 0 };
    if on_e == 0 && on_r == 0 {
        let left_alone = match (r_delta, e_delta) {
            (0, 0) => None,
            (0, _) => Some(Side::ESeries),
            _ => Some(Side::RSeries),
        };
        return Verdict::Absorb {
            r: Value::Stock(Stock::Tracked(r_now)),
            e: Value::Stock(Stock::Tracked(e_now)),
            left_alone,
        };
    }
    Verdict::AddStock { on_r, on_e, r_now, e_now, opening }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Way;

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    fn rules(way: Way, rule: Rule) -> Rules {
        Rules(Field::ALL.into_iter().map(|field| (field, (way, rule))).collect())
    }

    fn name(base: Option<(&str, &str)>, r: &str, e: &str, rules: &Rules) -> Verdict {
        let mut shadow = Shadow::default();
        if let Some((r, e)) = base {
            shadow.settle(Field::Name, text(r), text(e));
        }
        let now = |value| Facts::new().with(Field::Name, text(value));
        merge(&shadow, &now(r), &now(e), rules).remove(0).1
    }

    #[test]
    fn of_a_list_only_the_texts_that_changed_are_carried() {
        let list = |texts: [&str; 2]| Value::List(texts.map(str::to_owned).to_vec());
        let mut shadow = Shadow::default();
        shadow.settle(Field::OptionValues, list(["S", "A & B"]), list(["S", "A &amp; B"]));
        let now = |texts| Facts::new().with(Field::OptionValues, list(texts));
        let carried =
            |r, e| match merge(&shadow, &now(r), &now(e), &rules(Way::Both, Rule::RWins)).remove(0).1 {
                Verdict::Carry { from, value, .. } => Some((from, value)),
                _ => None,
            };
        let there = ["S", "A &amp; B"];
        assert_eq!(carried(["M", "A & B"], there), Some((Side::RSeries, list(["M", "A &amp; B"]))));
        assert_eq!(carried(["S", "A + B"], there), Some((Side::RSeries, list(["S", "A + B"]))));
        let here = ["S", "A & B"];
        assert_eq!(carried(here, ["L", "A &amp; B"]), Some((Side::ESeries, list(["L", "A & B"]))));
        // Both sides changed: the whole list wins, or one of them would not arrive.
        assert_eq!(carried(["M", "A & B"], ["S", "B"]), Some((Side::RSeries, list(["M", "A & B"]))));
        // What changed here has come to what is there already: nothing is written, and nothing stays news.
        shadow.settle(Field::OptionValues, list(["Small", "A & B"]), list(["S", "A &amp; B"]));
        let verdict = merge(&shadow, &now(here), &now(there), &rules(Way::Both, Rule::RWins)).remove(0).1;
        assert!(matches!(verdict, Verdict::Absorb { left_alone: None, .. }), "{verdict:?}");
    }

    fn counts(base: Option<(i64, i64)>, r: i64, e: i64, rules: &Rules) -> Verdict {
        let stock = |count| Value::Stock(Stock::Tracked(count));
        let mut shadow = Shadow::default();
        if let Some((r, e)) = base {
            shadow.settle(Field::Stock, stock(r), stock(e));
        }
        let now = |count| Facts::new().with(Field::Stock, stock(count));
        merge(&shadow, &now(r), &now(e), rules).remove(0).1
    }

    fn carry(from: Side, value: &str, before: &str, conflict: bool) -> Verdict {
        Verdict::Carry { from, value: text(value), before: text(before), conflict }
    }

    #[test]
    fn texts() {
        let both = rules(Way::Both, Rule::RWins);
        let base = Some(("a", "a"));
        assert_eq!(name(base, "a", "a", &both), Verdict::Quiet);
        assert_eq!(name(base, "b", "a", &both), carry(Side::RSeries, "b", "a", false));
        assert_eq!(name(base, "a", "b", &both), carry(Side::ESeries, "b", "a", false));
        assert_eq!(name(base, "b", "c", &both), carry(Side::RSeries, "b", "c", true));
        let absorbed = Verdict::Absorb { r: text("b"), e: text("b"), left_alone: None };
        assert_eq!(name(base, "b", "b", &both), absorbed);
        let e_wins = rules(Way::Both, Rule::EWins);
        assert_eq!(name(base, "b", "c", &e_wins), carry(Side::ESeries, "c", "b", true));
        assert!(matches!(name(base, "b", "c", &rules(Way::Both, Rule::Ask)), Verdict::Held(_)));
    }

    #[test]
    fn a_platforms_own_spelling_is_no_change() {
        let both = rules(Way::Both, Rule::RWins);
        assert_eq!(name(Some((" a ", "a")), " a ", "a", &both), Verdict::Quiet);
        assert!(matches!(name(Some(("b", "b")), " a ", "a", &both), Verdict::Absorb { .. }));
    }

    #[test]
    fn a_space_at_the_end_does_not_win_against_a_new_name() {
        let both = rules(Way::Both, Rule::RWins);
        assert_eq!(name(Some(("a", "a")), "a ", "b", &both), carry(Side::ESeries, "b", "a ", false));
        assert_eq!(name(Some(("a", "a")), "b", "a ", &both), carry(Side::RSeries, "b", "a ", false));
        // Sides that a setting has left apart stay apart.
        let absorbed = Verdict::Absorb { r: text("a "), e: text("b"), left_alone: Some(Side::RSeries) };
        assert_eq!(name(Some(("a", "b")), "a ", "b", &both), absorbed);
    }

    #[test]
    fn without_a_shadow_equal_values_are_taken_as_they_are_and_different_ones_are_a_conflict() {
        let both = rules(Way::Both, Rule::RWins);
        assert!(matches!(name(None, "a", "a", &both), Verdict::Absorb { left_alone: None, .. }));
        assert_eq!(name(None, "a", "b", &both), carry(Side::RSeries, "a", "b", true));
    }

    #[test]
    fn one_way_fields_leave_the_other_ways_news_alone_until_their_own_side_changes() {
        let r_to_e = rules(Way::RToE, Rule::RWins);
        let base = Some(("a", "a"));
        assert!(matches!(
            name(base, "a", "b", &r_to_e),
            Verdict::Absorb { left_alone: Some(Side::ESeries), .. }
        ));
        assert_eq!(name(Some(("a", "b")), "c", "b", &r_to_e), carry(Side::RSeries, "c", "b", false));
        assert_eq!(name(base, "b", "c", &r_to_e), carry(Side::RSeries, "b", "c", true));
        let off = rules(Way::Off, Rule::RWins);
        assert!(matches!(name(base, "b", "c", &off), Verdict::Absorb { left_alone: Some(_), .. }));
    }

    #[test]
    fn stock_is_a_sum_of_both_sides_changes() {
        let both = rules(Way::Both, Rule::RWins);
        let add = |on_r, on_e, r_now, e_now| Verdict::AddStock { on_r, on_e, r_now, e_now, opening: false };
        assert_eq!(counts(Some((10, 10)), 10, 10, &both), Verdict::Quiet);
        assert_eq!(counts(Some((10, 10)), 8, 10, &both), add(0, -2, 8, 10));
        assert_eq!(counts(Some((10, 10)), 8, 7, &both), add(-3, -2, 8, 7));
        // Two equal changes are two changes: three pieces sold here and three there are six.
        assert_eq!(counts(Some((10, 10)), 7, 7, &both), add(-3, -3, 7, 7));
        // A difference in the shadows is kept, not evened out.
        assert_eq!(counts(Some((10, 12)), 9, 12, &both), add(0, -1, 9, 12));
    }

    #[test]
    fn opening_stock_is_the_shops_count_and_unlimited_is_not_zero() {
        let both = rules(Way::Both, Rule::RWins);
        assert_eq!(
            counts(None, 3, 5, &both),
            Verdict::AddStock { on_r: 0, on_e: -2, r_now: 3, e_now: 5, opening: true }
        );
        assert!(matches!(counts(None, 5, 5, &both), Verdict::Absorb { left_alone: None, .. }));
        let now = |stock| Facts::new().with(Field::Stock, Value::Stock(stock));
        let verdict = merge(&Shadow::default(), &now(Stock::Tracked(0)), &now(Stock::Unlimited), &both);
        assert!(matches!(verdict.first(), Some((Field::Stock, Verdict::Uncounted { .. }))));
    }
}
