//! The model of a field that is replaced as a whole: name, SKU, price, enabled.

use super::super::observe::{Outcome, replaced};
use super::super::{Shadow, Step, check, merge, plan};
use super::{Died, Lives, RULES, WAYS, rules};
use crate::catalog::{Facts, Field, Hold, Money, Rule, Rules, Side, Value, Way};

/// How a platform spells what it is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Habit {
    /// As it was given.
    Keeps,
    /// Without outer spaces.
    Trims,
    /// Amounts with this many decimals.
    Rounds(u32),
}

impl Habit {
    pub fn spell(self, value: &Value) -> Value {
        match (self, value) {
            (Self::Trims, Value::Text(text)) => Value::Text(text.trim().to_owned()),
            (Self::Rounds(decimals), Value::Money(money)) => {
                Value::Money(Money::from(money.amount().round_dp(decimals)))
            }
            (_, value) => value.clone(),
        }
    }
}

/// A committed write without a committed result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Intent {
    pub side: Side,
    pub before: Value,
    pub after: Value,
    pub source: Value,
    /// The losing value is named.
    pub conflict: bool,
    /// The truth, which the house does not know.
    pub landed: bool,
}

/// What one visit did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Visit {
    /// Calls made.
    pub calls: usize,
    /// Values named as losers.
    pub conflicts: usize,
    /// Fields taken without a call.
    pub absorbed: usize,
    /// Which side differed from its shadow, as the notices of the visit are told.
    pub news: [bool; 2],
}

/// Two platforms, people, and the house.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub field: Field,
    pub way: Way,
    pub rule: Rule,
    rules: Rules,
    pub habits: [Habit; 2],
    /// A value that a side cannot take.
    pub refuses: Option<(Side, Value)>,
    now: [Facts; 2],
    pub shadow: Shadow,
    pub open: Option<Intent>,
    pub held: Option<Hold>,
    /// Values that the book names as left alone by the field's way.
    left_alone: [Option<Value>; 2],
    /// The judge: what either side truly showed when it was last in step.
    agreed: [Option<Value>; 2],
    /// The judge: edits that nobody had carried or named, and that our write wiped out.
    pub lost: Vec<(Side, Value)>,
    pub lives: Lives,
}

impl World {
    pub fn now(&self, side: Side) -> &Value {
        self.now[side as usize].get(self.field).unwrap()
    }

    pub fn both(&self) -> (Value, Value) {
        (self.now(Side::RSeries).clone(), self.now(Side::ESeries).clone())
    }

    fn set(&mut self, side: Side, value: Value) {
        self.now[side as usize].set(self.field, value);
    }

    /// Somebody edits; a platform spells that as it spells our writes.
    pub fn edit(&mut self, side: Side, value: &Value) {
        self.set(side, self.habits[side as usize].spell(value));
    }

    /// Is there an edit on this side that has not reached the other?
    pub fn is_fresh(&self, side: Side) -> bool {
        !self.agreed[side as usize].as_ref().is_some_and(|agreed| agreed.same(self.now(side)))
    }

    /// One visit, from observing to settling.
    pub fn visit(&mut self) -> Result<Visit, Died> {
        if let Some(intent) = self.open.clone() {
            self.observe(&intent)?;
        }
        let mut visit = Visit::default();
        for side in Side::BOTH {
            visit.news[side as usize] = self.shadow.side(side).get(self.field) != Some(self.now(side));
        }
        let verdicts = merge(&self.shadow, &self.now[0], &self.now[1], &self.rules);
        let refuses = |side: Side, _: Field, value: &Value| {
            let refused =
                self.refuses.as_ref().is_some_and(|refused| (side, value) == (refused.0, &refused.1));
            refused.then(|| Hold::new("refused", "this side cannot take it"))
        };
        let plan = plan(&self.shadow, verdicts, 0, None, &refuses);
        assert_eq!(check::check(&plan, &self.rules), Ok(()), "{self:?}");

        visit.absorbed = plan.absorbed.len();
        self.lives.point()?;
        for (_, left_alone) in &plan.absorbed {
            for side in Side::BOTH {
                let now = self.now(side).clone();
                if left_alone.is_some() {
                    self.left_alone[side as usize] = Some(now.clone());
                }
                self.agreed[side as usize] = Some(now);
            }
        }
        self.held = plan.holds.into_iter().next().map(|(_, hold)| hold);
        self.shadow = plan.shadow;

        for step in plan.steps {
            let Step::Update { side, changes } = step else { panic!("only updates follow from values") };
            for change in changes {
                self.lives.point()?;
                visit.conflicts += usize::from(change.conflict);
                let source = self.now(side.other()).clone();
                let (before, after, conflict) = (change.before, change.after, change.conflict);
                let mut intent = Intent { side, before, after, source, conflict, landed: false };
                self.open = Some(intent.clone());
                self.lives.point()?;
                visit.calls += 1;
                self.call(&mut intent);
                self.open = Some(intent.clone());
                self.lives.point()?;
                self.close(&intent, true);
            }
        }
        Ok(visit)
    }

    /// As `reconcile::observe` does with a replaced field.
    fn observe(&mut self, intent: &Intent) -> Result<(), Died> {
        let outcome = replaced(&intent.before, &intent.after, self.now(intent.side));
        self.lives.point()?;
        self.close(intent, outcome == Outcome::Landed);
        Ok(())
    }

    fn close(&mut self, intent: &Intent, landed: bool) {
        if landed {
            let read_back = self.now(intent.side).clone();
            self.shadow.side_mut(intent.side).set(self.field, read_back);
            self.shadow.side_mut(intent.side.other()).set(self.field, intent.source.clone());
        }
        self.open = None;
    }

    /// The platform takes our write, and the judge looks at what it wiped out.
    fn call(&mut self, intent: &mut Intent) {
        let side = intent.side;
        assert!(self.way.carries_from(side.other()), "written against its way: {self:?}");
        let was = self.now(side).clone();
        let named =
            intent.conflict && intent.before == was || self.left_alone[side as usize] == Some(was.clone());
        if self.is_fresh(side) && !was.same(&intent.after) && !named {
            self.lost.push((side, was));
        }
        let spelt = self.habits[side as usize].spell(&intent.after);
        self.set(side, spelt.clone());
        self.agreed[side as usize] = Some(spelt);
        self.agreed[side.other() as usize] = Some(intent.source.clone());
        intent.landed = true;
    }
}

/// One kind of field with the values and habits that the search tries.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    pub field: Field,
    pub values: Vec<Value>,
    pub habits: Vec<Habit>,
}

fn texts(field: Field, texts: &[&str]) -> Kind {
    let values = texts.iter().map(|text| Value::Text((*text).into())).collect();
    Kind { field, values, habits: vec![Habit::Keeps, Habit::Trims] }
}

fn others() -> [Kind; 2] {
    let amounts = ["0", "1.555", "2"].map(|amount| Value::Money(amount.parse().unwrap()));
    let habits = vec![Habit::Keeps, Habit::Rounds(2), Habit::Rounds(0)];
    let flags = vec![Value::Flag(false), Value::Flag(true)];
    [
        Kind { field: Field::Price, values: amounts.to_vec(), habits },
        Kind { field: Field::Enabled, values: flags, habits: vec![Habit::Keeps] },
    ]
}

/// Every kind of field that is replaced. Among the texts two differ in outer spaces only.
pub(super) fn kinds() -> Vec<Kind> {
    let names = [texts(Field::Name, &["a", "a ", "b", " c"]), texts(Field::Sku, &["", "a", "b "])];
    names.into_iter().chain(others()).collect()
}

/// The same with three texts, for searches that multiply them with deaths and edits.
pub(super) fn few_kinds() -> Vec<Kind> {
    std::iter::once(texts(Field::Name, &["a", "b ", "c"])).chain(others()).collect()
}

/// Every start: both shadows (or none) × both values × way × rule × habits of both platforms.
pub(super) fn each_start(kind: &Kind, mut case: impl FnMut(&World)) {
    let shadows = || kind.values.iter().map(Some).chain([None]);
    let facts = |value: Option<&Value>| match value {
        Some(value) => Facts::new().with(kind.field, value.clone()),
        None => Facts::new(),
    };
    for (way, rule) in WAYS.into_iter().flat_map(|way| RULES.map(|rule| (way, rule))) {
        for (r_habit, e_habit) in kind.habits.iter().flat_map(|r| kind.habits.iter().map(move |e| (*r, *e))) {
            for (r_base, e_base) in shadows().flat_map(|r| shadows().map(move |e| (r, e))) {
                for (r, e) in kind.values.iter().flat_map(|r| kind.values.iter().map(move |e| (r, e))) {
                    case(&World {
                        field: kind.field,
                        way,
                        rule,
                        rules: rules(kind.field, way, rule),
                        habits: [r_habit, e_habit],
                        refuses: None,
                        now: [facts(Some(r)), facts(Some(e))],
                        shadow: Shadow { r_series: facts(r_base), e_series: facts(e_base) },
                        open: None,
                        held: None,
                        left_alone: [None, None],
                        agreed: [r_base.cloned(), e_base.cloned()],
                        lost: Vec::new(),
                        lives: Lives::default(),
                    });
                }
            }
        }
    }
}

/// Every state in which a visit from `start` can die, in the order of its points.
pub(super) fn each_death(start: &World, mut case: impl FnMut(&World)) {
    for lives in 0.. {
        let mut world = start.clone();
        world.lives = Lives(Some(lives));
        if world.visit().is_ok() {
            return;
        }
        world.lives = Lives::default();
        case(&world);
    }
}
