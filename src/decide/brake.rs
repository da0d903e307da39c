//! When to stop: a field that somebody keeps setting back, a product that keeps failing, a sweep that wants to
//! take too much away. Laws 5, 6 and 9 of the design.

use std::collections::BTreeMap;
use std::time::Duration;

use super::plan::{Plan, Step};
use crate::catalog::{Caps, Field, Hold, Value};
use crate::clock::{Instant, before};

/// How far back writes of a field are looked at.
pub const SWING_WINDOW: Duration = Duration::from_secs(10 * 60);
/// A value that was written so often within the window already, with others in between, is not written again.
const MOST_RETURNS: usize = 2;
/// So many stock writes within the window are nobody's suspicion.
const MOST_STOCK_WRITES: usize = 30;
/// Visits that may fail one after the other before the product is parked.
pub const MOST_FAILURES: i32 = 12;
/// How long what the sweep took away counts against its cap.
pub const CAP_WINDOW: Duration = Duration::from_secs(3_600);

/// The code of a hold on a field that swings; only an operator lifts it.
pub const ALTERNATES: &str = "alternates";
/// Why a product is parked that failed too often.
pub const KEEPS_FAILING: &str = "keeps_failing";
/// Why a product is parked that waits for an operator to release the brake.
pub const BRAKE: &str = "brake";

/// What the ledger tells of one field of a product, in any order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct History {
    /// Landed writes of either side: when, what the side showed before, what was written.
    pub writes: Vec<(Instant, Value, Value)>,
    /// Landed stock writes of either side: when, signed pieces.
    pub stock: Vec<(Instant, i64)>,
    /// When an operator last released the field: what was before does not count.
    pub released_at: Option<Instant>,
}

impl History {
    fn counts(&self, at: Instant, now: Instant) -> bool {
        at >= before(now, SWING_WINDOW) && self.released_at.is_none_or(|released| at > released)
    }

    /// Would writing `next` over `shown` be one more turn of a swing? Then the hold to put on the field.
    #[must_use]
    pub fn swings(&self, field: Field, shown: &Value, next: &Value, now: Instant) -> Option<Hold> {
        let mut writes: Vec<_> = self.writes.iter().filter(|(at, ..)| self.counts(*at, now)).collect();
        writes.sort_by_key(|(at, ..)| *at);
        let (mut returns, mut other_since) = (0_usize, true);
        for (_, showed, written) in &writes {
            other_since |= !showed.same(next);
            if elsewhere(written, next) {
                // The category went, and was made again: its products follow it, and nobody set them back.
                continue;
            }
            if !written.same(next) {
                other_since = true;
            } else if other_since {
                (returns, other_since) = (returns + 1, false);
            }
        }
        (returns >= MOST_RETURNS).then(|| {
            Hold::new(
                ALTERNATES,
                format!(
                    "The {field} keeps swinging between {next} and {shown}: it was written {} times within 10 \
                     minutes. An app, a person or another integration keeps setting it back. Find out which of \
                     them does and stop it, then retry.",
                    writes.len()
                ),
            )
        })
    }

    /// Would adding `next` pieces (one number a side that is written) go on with a ping-pong: many writes whose
    /// pieces go to and fro, and cancel out? Thirty sales and the delivery that makes up for them are none.
    #[must_use]
    pub fn stock_swings(&self, next: &[i64], now: Instant) -> Option<Hold> {
        let mut writes: Vec<_> = self.stock.iter().filter(|(at, _)| self.counts(*at, now)).collect();
        writes.sort_by_key(|(at, _)| *at);
        let pieces: Vec<i64> = writes.iter().map(|(_, pieces)| *pieces).chain(next.iter().copied()).collect();
        let sum = pieces.iter().fold(0_i64, |sum, pieces| sum.saturating_add(*pieces));
        let turns =
            pieces.iter().zip(pieces.iter().skip(1)).filter(|(one, two)| one.signum() != two.signum());
        let swings = pieces.len() > MOST_STOCK_WRITES && sum == 0 && turns.count() >= pieces.len() / 3;
        let (least, most) = (pieces.iter().min()?, pieces.iter().max()?);
        swings.then(|| {
            Hold::new(
                ALTERNATES,
                format!(
                    "The stock goes to and fro between {least:+} and {most:+} pieces: {} changes within 10 minutes \
                     that cancel out. An app or another integration keeps setting it back. Find out which and stop \
                     it, then count, correct the stock, and retry.",
                    pieces.len()
                ),
            )
        })
    }
}

/// Fields that are frozen, with the reason.
#[must_use]
pub fn frozen(holds: &BTreeMap<Field, Hold>) -> BTreeMap<Field, Hold> {
    let kept = holds.iter().filter(|(_, hold)| hold.code == ALTERNATES);
    kept.map(|(field, hold)| (*field, hold.clone())).collect()
}

/// Takes frozen fields out of a plan: they stay as they are on both sides, and stay held.
pub fn freeze(plan: &mut Plan, frozen: &BTreeMap<Field, Hold>) {
    if frozen.is_empty() {
        return;
    }
    for step in &mut plan.steps {
        if let Step::Update { changes, .. } = step {
            changes.retain(|change| !frozen.contains_key(&change.field));
        }
    }
    plan.steps.retain(|step| match step {
        Step::Update { changes, .. } => !changes.is_empty(),
        Step::AddStock { .. } => !frozen.contains_key(&Field::Stock),
        Step::CreateOnE { .. } | Step::CreateVariationOnE { .. } | Step::CreateOnR { .. } => true,
    });
    // One reason a field: the one that does not lift by itself.
    plan.holds.retain(|(field, _)| !frozen.contains_key(field));
    plan.holds.extend(frozen.iter().map(|(field, hold)| (*field, hold.clone())));
}

/// Fields whose swing the plan would go on with, each with its hold.
#[must_use]
pub fn swings(plan: &Plan, histories: &BTreeMap<Field, History>, now: Instant) -> BTreeMap<Field, Hold> {
    let mut found = BTreeMap::new();
    let mut pieces = Vec::new();
    for step in &plan.steps {
        match step {
            Step::Update { changes, .. } => {
                for change in changes {
                    let history = histories.get(&change.field);
                    let hold =
                        history.and_then(|it| it.swings(change.field, &change.before, &change.after, now));
                    found.extend(hold.map(|hold| (change.field, hold)));
                }
            }
            Step::AddStock { delta, .. } => pieces.extend(Some(*delta).filter(|delta| *delta != 0)),
            Step::CreateOnE { .. } | Step::CreateVariationOnE { .. } | Step::CreateOnR { .. } => {}
        }
    }
    if !pieces.is_empty() {
        let hold = histories.get(&Field::Stock).and_then(|history| history.stock_swings(&pieces, now));
        found.extend(hold.map(|hold| (Field::Stock, hold)));
    }
    found
}

/// The same category of the shop, but another one of the store than it was by now?
fn elsewhere(written: &Value, next: &Value) -> bool {
    match (written, next) {
        (Value::Place(was), Value::Place(is)) => {
            was.id == is.id && was.online.zip(is.online).is_some_and(|(was, is)| was != is)
        }
        _ => false,
    }
}

/// Has a product that failed `earlier` times, and now once more, failed often enough to be parked? A rate limit
/// or an outage is no failure (law 7). The reason holds the last one.
#[must_use]
pub fn gives_up(earlier: i32, why: &str) -> Option<String> {
    let failures = earlier.saturating_add(1);
    (failures >= MOST_FAILURES).then(|| {
        format!(
            "It could not be brought in step in {failures} visits, one after the other. The last reason: {why}. It \
             is tried again when it changes on either side, or when you retry it."
        )
    })
}

/// What a sweep may do only so often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// An archived item takes its product off the web.
    Removal,
    /// Stock falls to nothing on the other side.
    Zero,
}

impl Act {
    /// The word in the database and in metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Removal => "removal",
            Self::Zero => "zero",
        }
    }

    /// Does adding `delta` to `shown` pieces take the last one away?
    #[must_use]
    pub fn of_stock(shown: i64, delta: i64) -> Option<Self> {
        (shown > 0 && shown.saturating_add(delta) <= 0).then_some(Self::Zero)
    }

    /// Most products within an hour, of `linked` ones.
    #[must_use]
    pub fn cap(self, caps: &Caps, linked: i64) -> i64 {
        let percent = match self {
            Self::Removal => caps.removals_percent,
            Self::Zero => caps.zeroes_percent,
        };
        (linked.saturating_mul(i64::from(percent)) / 100).max(i64::from(caps.at_least))
    }

    /// Why the product waits.
    #[must_use]
    pub fn reason(self, caps: &Caps, linked: i64) -> String {
        let cap = self.cap(caps, linked);
        let (wants, check) = match self {
            Self::Removal => (
                "take more than {cap} of {linked} products off the web within an hour, because their items were \
                 archived",
                "Check whether that is meant",
            ),
            Self::Zero => (
                "let the stock of more than {cap} of {linked} products fall to nothing on the other side within an \
                 hour",
                "Check whether the counts are right",
            ),
        };
        let wants = wants.replace("{cap}", &cap.to_string()).replace("{linked}", &linked.to_string());
        format!("No notice told of it, and the sweep would {wants}. {check}, then release the brake.")
    }
}

/// How one product stands with the brake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Done within the cap.
    Passed,
    /// Beyond the cap: waits for an operator.
    Held,
    /// An operator lets it through.
    Released,
}

/// What other products of the connection did or want to do, of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Passed within [`CAP_WINDOW`].
    pub passed: i64,
    /// Held.
    pub held: i64,
}

/// What the brake says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    /// Go on; it is not counted.
    Go,
    /// Go on; it is counted.
    Count,
    /// Wait for an operator.
    Hold,
}

/// May this product go on? `unprompted` when the sweep alone asked for the visit. While the brake is on, whatever
/// else the sweep wants of this kind waits as well: the share that was seen first is no better founded than the rest.
#[must_use]
pub fn rule(
    act: Act,
    own: Option<Standing>,
    unprompted: bool,
    tally: Tally,
    caps: &Caps,
    linked: i64,
) -> Ruling {
    match own {
        Some(Standing::Released) => Ruling::Go,
        Some(Standing::Held) => Ruling::Hold,
        _ if !unprompted => Ruling::Go,
        _ if tally.held > 0 || tally.passed >= act.cap(caps, linked) => Ruling::Hold,
        _ => Ruling::Count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Side;
    use crate::clock::after;
    use crate::decide::Change;

    fn at(seconds: u64) -> Instant {
        after(Instant::UNIX_EPOCH, Duration::from_secs(10_000 + seconds))
    }

    fn text(value: &str) -> Value {
        Value::Text(value.into())
    }

    fn history(writes: &[(u64, &str, &str)]) -> History {
        let writes =
            writes.iter().map(|(second, before, after)| (at(*second), text(before), text(after))).collect();
        History { writes, ..History::default() }
    }

    fn swings(history: &History, next: &str, now: u64) -> bool {
        history.swings(Field::Name, &text("shown"), &text(next), at(now)).is_some()
    }

    #[test]
    fn a_category_that_is_made_again_under_its_products_is_no_swing() {
        let place = |online| {
            Value::Place(crate::catalog::Place { id: 2, path: vec!["Shelf 2".into()], online: Some(online) })
        };
        let none = || Value::Place(crate::catalog::Place::none());
        let told = |onlines: [i64; 2], next| {
            let writes =
                (0..).zip(onlines).map(|(second, it)| (at(second * 10), none(), place(it))).collect();
            let history = History { writes, ..History::default() };
            history.swings(Field::Category, &none(), &place(next), at(30)).is_some()
        };
        assert!(told([70, 70], 70), "somebody takes it out of the same category again and again");
        assert!(!told([70, 71], 72), "the category was deleted each time");
    }

    #[test]
    fn a_third_time_within_the_window_is_a_swing() {
        let swing = history(&[(0, "a", "b"), (10, "b", "a"), (20, "a", "b"), (30, "b", "a")]);
        assert!(swings(&swing, "b", 40), "b, a, b, a, and now b again");
        assert!(swings(&swing, " b ", 40), "outer spaces do not count");
        assert!(!swings(&swing, "c", 40), "something new is an edit");
        let once = history(&[(0, "a", "b"), (10, "b", "a")]);
        assert!(!swings(&once, "b", 40), "back once is somebody who thought better of it");
        let three = history(&[(0, "a", "b"), (5, "b", "c"), (9, "c", "b"), (20, "b", "a")]);
        assert!(swings(&three, "b", 40), "three values may go round as well");
        assert!(!swings(&three, "c", 40));
        let words = swing.swings(Field::Name, &text("x"), &text("b"), at(40)).unwrap();
        assert_eq!(words.code, ALTERNATES);
        assert!(words.reason.contains("“b”") && words.reason.contains("“x”"), "{}", words.reason);
    }

    #[test]
    fn the_window_ends_after_ten_minutes_to_the_microsecond() {
        let swing = history(&[(0, "a", "b"), (10, "b", "a"), (300, "a", "b"), (400, "b", "a")]);
        assert!(swings(&swing, "b", 600));
        let later = after(at(600), Duration::from_micros(1));
        assert_eq!(swing.swings(Field::Name, &text("a"), &text("b"), later), None);
        // Somebody who changes it every six minutes, all day long.
        let slow: Vec<_> = (0..200).map(|turn| (turn * 360, turn % 2 == 0)).collect();
        let slow: Vec<_> =
            slow.iter().map(|(s, up)| if *up { (*s, "a", "b") } else { (*s, "b", "a") }).collect();
        assert!(!swings(&history(&slow), "b", 200 * 360));
    }

    #[test]
    fn a_release_begins_anew() {
        let mut swing = history(&[(0, "a", "b"), (10, "b", "a"), (20, "a", "b"), (30, "b", "a")]);
        swing.released_at = Some(at(30));
        assert!(!swings(&swing, "b", 40));
        swing.released_at = Some(at(5));
        assert!(!swings(&swing, "b", 40), "one of the two no longer counts");
        assert!(swings(&swing, "a", 40), "both of the others do");
        // After the release the next swing is found as the first was.
        let more = [(50, "a", "b"), (60, "b", "a"), (70, "a", "b")];
        swing.writes.extend(more.iter().map(|(s, b, a)| (at(*s), text(b), text(a))));
        swing.released_at = Some(at(45));
        assert!(swings(&swing, "b", 80));
    }

    fn stock(pieces: &[i64]) -> History {
        let stock = (0..).zip(pieces).map(|(second, pieces)| (at(second), *pieces)).collect();
        History { stock, ..History::default() }
    }

    #[test]
    fn stock_that_goes_to_and_fro_more_than_thirty_times_and_comes_to_nothing_swings() {
        let to_and_fro: Vec<i64> = (0..31).map(|turn| if turn % 2 == 0 { 1 } else { -1 }).collect();
        assert!(stock(&to_and_fro).stock_swings(&[-1], at(100)).is_some());
        assert!(stock(&to_and_fro).stock_swings(&[-2], at(100)).is_none(), "it comes to something");
        assert!(
            stock(&to_and_fro[2..]).stock_swings(&[-1], at(100)).is_none(),
            "thirty is not more than thirty"
        );
        let sales = [-1; 30];
        assert!(stock(&sales).stock_swings(&[30], at(100)).is_none(), "thirty sales and their delivery");
        assert!(stock(&to_and_fro).stock_swings(&[-1], at(601)).is_none(), "too long ago");
        assert!(stock(&[]).stock_swings(&[], at(0)).is_none());
    }

    #[test]
    fn frozen_fields_leave_the_plan_and_the_others_go_on() {
        let change = |field| Change { field, before: text("a"), after: text("b"), conflict: false };
        let stock = Step::AddStock { side: Side::ESeries, delta: 1, owed: 0, before: 0 };
        let update = |changes| Step::Update { side: Side::ESeries, changes };
        let mut plan = Plan {
            steps: vec![stock.clone(), update(vec![change(Field::Name), change(Field::Sku)])],
            holds: vec![(Field::Name, Hold::new("ask", "?")), (Field::Price, Hold::new("ask", "?"))],
            ..Plan::default()
        };
        let hold = Hold::new(ALTERNATES, "to and fro");
        let holds = BTreeMap::from([(Field::Name, hold.clone()), (Field::Price, Hold::new("ask", "?"))]);
        freeze(&mut plan, &frozen(&holds));
        assert_eq!(plan.steps, [stock, update(vec![change(Field::Sku)])]);
        assert_eq!(plan.holds, [(Field::Price, Hold::new("ask", "?")), (Field::Name, hold.clone())]);
        freeze(&mut plan, &BTreeMap::from([(Field::Stock, hold.clone()), (Field::Sku, hold)]));
        assert!(plan.is_empty());
    }

    #[test]
    fn a_product_gives_up_at_the_twelfth_failure() {
        assert_eq!(gives_up(10, "no"), None);
        assert!(gives_up(11, "the shop is shut").unwrap().contains("the shop is shut"));
    }

    #[test]
    fn caps_are_the_share_or_the_least_number() {
        let caps = Caps::default();
        assert_eq!((Act::Removal.cap(&caps, 50), Act::Zero.cap(&caps, 50)), (10, 10));
        assert_eq!((Act::Removal.cap(&caps, 1_000), Act::Zero.cap(&caps, 1_000)), (100, 200));
        let none = Caps { removals_percent: 0, zeroes_percent: 0, at_least: 0 };
        assert_eq!(Act::Removal.cap(&none, 1_000), 0);
        let zero = |shown, delta| Act::of_stock(shown, delta).is_some();
        assert!(zero(1, -1) && zero(3, -5));
        assert!(!zero(2, -1) && !zero(0, -1) && !zero(-1, -1) && !zero(-2, 1) && !zero(5, 0));
    }

    #[test]
    fn the_brake_counts_what_nobody_asked_for_and_holds_what_is_beyond() {
        let caps = Caps::default();
        let rule = |own, unprompted, passed, held| {
            super::rule(Act::Removal, own, unprompted, Tally { passed, held }, &caps, 50)
        };
        assert_eq!(rule(None, true, 9, 0), Ruling::Count);
        assert_eq!(rule(None, true, 10, 0), Ruling::Hold);
        assert_eq!(rule(None, true, 0, 1), Ruling::Hold, "the brake is on");
        assert_eq!(rule(None, false, 10, 1), Ruling::Go, "a notice told of it");
        assert_eq!(rule(Some(Standing::Held), false, 0, 0), Ruling::Hold, "a notice does not lift it");
        assert_eq!(rule(Some(Standing::Released), true, 10, 5), Ruling::Go);
        assert_eq!(rule(Some(Standing::Passed), true, 9, 0), Ruling::Count);
        assert!(Act::Zero.reason(&caps, 50).contains("10 of 50"));
    }
}
