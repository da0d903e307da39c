//! Closing writes whose outcome is unclear, by what is seen.
//!
//! A write is unclear when the process died, or the answer was lost, between the call and its result.
//! It is closed *before* merging: a merge against the old shadow would count our own write as news.

use crate::catalog::Value;

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Landed,
    /// It took no effect, as far as can be seen now.
    NotLanded,
    /// Somebody else has written since, so its own effect can no longer be seen. The merge decides
    /// between the values that are there.
    Superseded,
}

/// What became of a write that replaces a value: by the value that the side shows now.
#[must_use]
pub fn replaced(before: &Value, after: &Value, now: &Value) -> Outcome {
    if now.same(after) {
        Outcome::Landed
    } else if now.same(before) {
        Outcome::NotLanded
    } else if now.may_have_become(after) {
        Outcome::Landed
    } else {
        Outcome::Superseded
    }
}

/// Is a change of names (options have no other key) half done: does a side show some that came with it, and some that were
/// to go?
#[must_use]
pub fn half_renamed(before: &Value, after: &Value, now: &Value) -> bool {
    let (Some(before), Some(after), Some(now)) = (before.list(), after.list(), now.list()) else {
        return false;
    };
    let has = |names: &[String], name: &String| names.iter().any(|known| known.trim() == name.trim());
    let comes = after.iter().any(|name| !has(before, name) && has(now, name));
    let stays = before.iter().any(|name| !has(after, name) && has(now, name));
    comes && stays
}

/// Was a write answered as done, and nothing was done? What the platform may have made of the value, cut or spelt its own
/// way, is no such case.
#[must_use]
pub fn ignored(before: &Value, after: &Value, now: &Value) -> bool {
    now.same(before) && !before.same(after) && !now.may_have_become(after)
}

/// What became of pieces added to a count, long after: by the count that is there now, given what later writes of
/// ours have added `since`.
#[must_use]
pub fn added(before: i64, delta: i64, since: i64, now: i64) -> Outcome {
    let untouched = before.saturating_add(since);
    if now == untouched.saturating_add(delta) {
        Outcome::Landed
    } else if now == untouched {
        Outcome::NotLanded
    } else {
        Outcome::Superseded
    }
}

/// A row of R-Series' `InventoryLog` for one item in one shop (r-series-api.md, section 4.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRow {
    /// Pieces added or taken.
    pub change: i64,
    /// Left by a direct write of `qoh`, as ours are, and not by a sale, an order or a transfer.
    pub manual: bool,
}

/// What became of an absolute write of `qoh`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StockOutcome {
    /// It took effect. `trampled` are the pieces that others sold or restocked between our look and
    /// our write, and that the absolute value wiped out: they have to be put back.
    Landed {
        /// Signed pieces to put back.
        trampled: i64,
    },
    /// No row of ours is there.
    NotSeen,
}

/// Finds our write among the log rows that came after the look at which `seen` pieces were there.
///
/// R-Series has no conditional write (r-series-api.md, section 4.3), but its log tells what happened:
/// our row is the manual one after which the running count is the one that we wrote.
#[must_use]
pub fn absolute_write(seen: i64, written: i64, rows: &[LogRow]) -> StockOutcome {
    // A count that was there already is never written, so no row can be ours.
    if written == seen {
        return StockOutcome::NotSeen;
    }
    let mut running = seen;
    for row in rows {
        let before = running;
        running = running.saturating_add(row.change);
        if row.manual && running == written {
            return StockOutcome::Landed { trampled: before.saturating_sub(seen) };
        }
    }
    StockOutcome::NotSeen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rename_is_half_done_while_both_names_are_there() {
        let list = |names: &[&str]| Value::List(names.iter().map(|name| (*name).to_owned()).collect());
        let (before, after) = (list(&["Color", "Size"]), list(&["Colour", "Size"]));
        for (now, half) in [
            (&["Color", "Size", "Colour"][..], true),
            (&["Colour", "Color"], true),
            (&["Color", "Size"], false),
            (&["Colour", "Size"], false),
            (&["Color", "Size", "Cut"], false),
            (&["Hue", "Size"], false),
        ] {
            assert_eq!(half_renamed(&before, &after, &list(now)), half, "{now:?}");
        }
        assert!(!half_renamed(&Value::Flag(true), &Value::Flag(false), &Value::Flag(true)));
    }

    fn sale(change: i64) -> LogRow {
        LogRow { change, manual: false }
    }

    fn manual(change: i64) -> LogRow {
        LogRow { change, manual: true }
    }

    #[test]
    fn our_row_tells_what_it_trampled() {
        // Seen 10, two sold on the web, so 8 is written.
        let cases: [(&[LogRow], StockOutcome); 6] = [
            (&[], StockOutcome::NotSeen),
            (&[manual(-2)], StockOutcome::Landed { trampled: 0 }),
            (&[sale(-1), manual(-1)], StockOutcome::Landed { trampled: -1 }),
            (&[sale(-1), sale(5), manual(-6)], StockOutcome::Landed { trampled: 4 }),
            (&[manual(-2), sale(-3)], StockOutcome::Landed { trampled: 0 }),
            (&[sale(-2)], StockOutcome::NotSeen),
        ];
        for (rows, outcome) in cases {
            assert_eq!(absolute_write(10, 8, rows), outcome, "{rows:?}");
        }
    }

    #[test]
    fn an_addition_is_judged_by_the_count_and_by_what_came_later() {
        assert_eq!(added(10, -2, 0, 8), Outcome::Landed);
        assert_eq!(added(10, -2, 0, 10), Outcome::NotLanded);
        assert_eq!(added(10, -2, 0, 9), Outcome::Superseded);
        assert_eq!(added(10, -2, -3, 5), Outcome::Landed);
        assert_eq!(added(10, -2, -3, 7), Outcome::NotLanded);
        assert_eq!(added(10, -2, -3, 8), Outcome::Superseded);
    }

    #[test]
    fn a_replaced_value_is_judged_by_what_is_there() {
        let text = |text: &str| Value::Text(text.into());
        let judge = |now| replaced(&text("a"), &text("b"), &text(now));
        assert_eq!(judge("b"), Outcome::Landed);
        assert_eq!(judge("b "), Outcome::Landed);
        assert_eq!(judge("a"), Outcome::NotLanded);
        assert_eq!(judge("c"), Outcome::Superseded);
    }

    #[test]
    fn a_write_that_did_nothing_is_told_from_one_that_was_spelt_otherwise() {
        let text = |text: &str| Value::Text(text.into());
        assert!(ignored(&text("a"), &text("b"), &text("a")));
        assert!(ignored(&Value::Flag(true), &Value::Flag(false), &Value::Flag(true)));
        assert!(!ignored(&text("a"), &text("b"), &text("c")));
        assert!(!ignored(&text("A&amp;B"), &text("A&B"), &text("A&amp;B")));
        let long = "long ".repeat(60);
        assert!(!ignored(&text(&long), &text(&format!("{long}er")), &text(&long)), "cut to what it was");
    }

    #[test]
    fn a_price_that_was_rounded_to_hundredths_has_landed() {
        let money = |amount: &str| Value::Money(amount.parse().unwrap());
        let judge = |now| replaced(&money("1.50"), &money("1.555"), &money(now));
        assert_eq!(judge("1.555"), Outcome::Landed);
        assert_eq!((judge("1.56"), judge("1.55")), (Outcome::Landed, Outcome::Landed));
        assert_eq!(judge("1.5"), Outcome::NotLanded);
        assert_eq!((judge("1.57"), judge("2")), (Outcome::Superseded, Outcome::Superseded));
        assert_eq!(replaced(&money("1"), &money("1.55"), &money("1.554")), Outcome::Superseded);
    }

    #[test]
    fn a_count_that_was_there_already_is_never_written() {
        assert_eq!(absolute_write(10, 10, &[sale(-1), manual(1)]), StockOutcome::NotSeen);
    }
}
