//! What an operator wants one field to show: an undo, or a choice in a conflict.

use super::plan::{Change, Plan, Refusal};
use super::shadow::Shadow;
use crate::catalog::{Facts, Field, Hold, Rules, Side, Value};

/// A value per side, where there is one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pair {
    /// Of R-Series.
    pub r_series: Option<Value>,
    /// Of E-Series.
    pub e_series: Option<Value>,
}

impl Pair {
    /// The value of one side.
    #[must_use]
    pub fn side(&self, side: Side) -> Option<&Value> {
        match side {
            Side::RSeries => self.r_series.as_ref(),
            Side::ESeries => self.e_series.as_ref(),
        }
    }

    /// Sets the value of one side.
    pub fn set(&mut self, side: Side, value: Value) {
        match side {
            Side::RSeries => self.r_series = Some(value),
            Side::ESeries => self.e_series = Some(value),
        }
    }
}

/// What a field is to show, and what it must show before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The field.
    pub field: Field,
    /// What each side is to show; one without a value is left as it is.
    pub want: Pair,
    /// What each side must show until then, or somebody has edited it since; one without a value may show anything.
    pub expected: Pair,
}

/// Why an edit cannot be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    /// The side does not show the field.
    NotShown(Side),
    /// The side shows something else by now.
    MovedOn {
        /// The side.
        side: Side,
        /// What it shows.
        shown: Value,
        /// What it was to show.
        expected: Value,
    },
    /// The side takes no such value.
    Refused(Hold),
}

impl Unfit {
    /// The reason, for the merchant.
    #[must_use]
    pub fn words(&self, field: Field) -> String {
        match self {
            Self::NotShown(side) => format!("{side} does not show the {field} of this product any more."),
            Self::MovedOn { side, shown, expected } => format!(
                "The {field} has moved on since: {side} shows {shown} by now, and not {expected}. Nothing was changed."
            ),
            Self::Refused(hold) => hold.reason.clone(),
        }
    }
}

impl Edit {
    /// Puts `value` on `side`, which shows `now`. The other side gets it as well where the field's way carries what
    /// changes on `side`; otherwise it stays as it is, and the two stay apart until a change is carried again.
    #[must_use]
    pub fn spread(
        field: Field,
        side: Side,
        now: Value,
        value: &Value,
        shadow: &Shadow,
        rules: &Rules,
    ) -> Self {
        let mut edit = Self { field, want: Pair::default(), expected: Pair::default() };
        edit.want.set(side, value.clone());
        edit.expected.set(side, now);
        let other = side.other();
        if let Some(known) = shadow.side(other).get(field).filter(|_| rules.way(field).carries_from(side)) {
            edit.want.set(other, value.clone());
            edit.expected.set(other, known.clone());
        }
        edit
    }

    /// Can it be made, going by what both sides show? What shows the wanted value already is no reason against it:
    /// it may be this very edit, begun before.
    pub fn fits(&self, (r, e): (&Facts, &Facts), refuses: &Refusal<'_>) -> Result<(), Unfit> {
        for (side, facts) in [(Side::RSeries, r), (Side::ESeries, e)] {
            let (want, expected) = (self.want.side(side), self.expected.side(side));
            if want.is_none() && expected.is_none() {
                continue;
            }
            let shown = facts.get(self.field).ok_or(Unfit::NotShown(side))?;
            let there = want.is_some_and(|want| shown.may_stand_for(want));
            if let Some(expected) = expected.filter(|expected| !there && !shown.may_stand_for(expected)) {
                return Err(Unfit::MovedOn { side, shown: shown.clone(), expected: expected.clone() });
            }
            if let Some(hold) = want.filter(|_| !there).and_then(|want| refuses(side, self.field, want)) {
                return Err(Unfit::Refused(hold));
            }
        }
        Ok(())
    }
}

impl Plan {
    /// An operator wants this edit, which fits what both sides show. What the merge had to say of the field is
    /// settled: a side that is not written is in step as it is.
    pub fn edit(&mut self, edit: &Edit, was: &Shadow, (r, e): (&Facts, &Facts)) {
        let field = edit.field;
        self.overrule(field);
        self.absorbed.retain(|(absorbed, _)| *absorbed != field);
        for (side, facts) in [(Side::ESeries, e), (Side::RSeries, r)] {
            let Some(shown) = facts.get(field) else { continue };
            let shadow = self.shadow.side_mut(side);
            let Some(after) = edit.want.side(side).filter(|want| !shown.same(want)) else {
                shadow.set(field, shown.clone());
                continue;
            };
            // It moves once the write has landed.
            match was.side(side).get(field) {
                Some(was) => shadow.set(field, was.clone()),
                None => shadow.forget(field),
            }
            let change = Change { field, before: shown.clone(), after: after.clone(), conflict: false };
            self.also(side, change);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::plan::Step;
    use super::*;
    use crate::catalog::{Rule, Way};
    use crate::decide::{self, check};

    fn facts(name: &str) -> Facts {
        Facts::new().with(Field::Name, Value::Text(name.into()))
    }

    fn rules(way: Way) -> Rules {
        Rules([(Field::Name, (way, Rule::RWins))].into_iter().collect())
    }

    fn text(text: &str) -> Value {
        Value::Text(text.into())
    }

    /// Plans, and carries out what was planned: the facts and the shadow afterwards.
    fn run(
        shadow: &Shadow,
        r: &Facts,
        e: &Facts,
        rules: &Rules,
        edit: Option<&Edit>,
    ) -> (Shadow, Facts, Facts) {
        let verdicts = decide::merge(shadow, r, e, rules);
        let mut plan = decide::plan(shadow, verdicts, 0, None, &|_, _, _| None);
        if let Some(edit) = edit {
            plan.edit(edit, shadow, (r, e));
        }
        let free = if edit.is_some() { super::tests::rules(Way::Both) } else { rules.clone() };
        check::check(&plan, &free).unwrap();
        let (mut shadow, mut r, mut e) = (plan.shadow.clone(), r.clone(), e.clone());
        for step in &plan.steps {
            let Step::Update { side, changes } = step else { panic!("{step:?}") };
            for change in changes {
                let facts = if *side == Side::RSeries { &mut r } else { &mut e };
                facts.set(change.field, change.after.clone());
                shadow.side_mut(*side).set(change.field, change.after.clone());
                if edit.is_none() {
                    let source = if *side == Side::RSeries { e.clone() } else { r.clone() };
                    let source = source.get(change.field).unwrap().clone();
                    shadow.side_mut(side.other()).set(change.field, source);
                }
            }
        }
        (shadow, r, e)
    }

    proptest! {
        /// Carry an edit, undo the write: both sides and what is remembered are as before, and it rests.
        #[test]
        fn undo_after_apply_is_as_if_nothing_was(old in "[a-c]{1,2}", new in "[a-c]{1,2}", from_r: bool, both: bool) {
            prop_assume!(old.trim() != new.trim());
            let from = if from_r { Side::RSeries } else { Side::ESeries };
            let way = match (both, from) {
                (true, _) => Way::Both,
                (false, Side::RSeries) => Way::RToE,
                (false, Side::ESeries) => Way::EToR,
            };
            let rules = rules(way);
            let mut start = Shadow::default();
            start.settle(Field::Name, text(&old), text(&old));
            let (r, e) = if from_r { (facts(&new), facts(&old)) } else { (facts(&old), facts(&new)) };
            let (shadow, r, e) = run(&start, &r, &e, &rules, None);
            prop_assert_eq!((&r, &e), (&facts(&new), &facts(&new)));
            let undo = Edit::spread(Field::Name, from.other(), text(&new), &text(&old), &shadow, &rules);
            undo.fits((&r, &e), &|_, _, _| None).unwrap();
            let (shadow, r, e) = run(&shadow, &r, &e, &rules, Some(&undo));
            let written = if from_r { &e } else { &r };
            prop_assert_eq!(written, &facts(&old));
            if both {
                prop_assert_eq!((&shadow, &r, &e), (&start, &facts(&old), &facts(&old)));
            }
            // Neither travels back nor is overwritten.
            let (_, again_r, again_e) = run(&shadow, &r, &e, &rules, None);
            prop_assert_eq!((again_r, again_e), (r, e));
        }
    }

    #[test]
    fn what_moved_on_does_not_fit_and_what_was_begun_does() {
        let mut shadow = Shadow::default();
        shadow.settle(Field::Name, text("new"), text("new"));
        let both = rules(Way::Both);
        let undo = Edit::spread(Field::Name, Side::ESeries, text("new"), &text("old"), &shadow, &both);
        let fits = |r: &str, e: &str| undo.fits((&facts(r), &facts(e)), &|_, _, _| None);
        assert_eq!(fits("new", "new"), Ok(()));
        assert_eq!(fits("new", "old"), Ok(()), "begun before");
        assert_eq!(fits("old", "old"), Ok(()), "nothing left to do");
        assert!(matches!(fits("new", "third"), Err(Unfit::MovedOn { side: Side::ESeries, .. })));
        assert!(matches!(fits("third", "new"), Err(Unfit::MovedOn { side: Side::RSeries, .. })));
        let refused = undo.fits((&facts("new"), &facts("new")), &|_, _, _| Some(Hold::new("no", "no")));
        assert!(matches!(refused, Err(Unfit::Refused(_))));
    }
}
