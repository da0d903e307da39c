//! Is a fall of the shop's stock to nothing what its inventory log tells? Pure.

/// Do the rows that R-Series' log shows account for a change of the count?
///
/// `changes` are those of the rows since the last mark, newest first. A mark is a count with a place in the log
/// up to which every row is part of it; rows right behind that place may be part of it as well (the place is
/// read before the count), so any number of the oldest rows may be left out. Without a mark (`marked` false)
/// the newest may be left out too: they may be writes of ours that are accounted for already.
#[must_use]
pub fn explained(needed: i64, changes: &[i64], marked: bool) -> bool {
    let sums = |rows: &[i64]| {
        rows.iter()
            .scan(0_i64, |sum, change| {
                *sum = sum.saturating_add(*change);
                Some(*sum)
            })
            .any(|sum| sum == needed)
    };
    let last_start = if marked { 1 } else { changes.len() };
    (0..last_start).any(|start| changes.get(start..).is_some_and(sums))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rows_up_to_the_newest_explain() {
        let cases: [(i64, &[i64], bool); 9] = [
            (-10, &[], false),
            (-10, &[-10], true),
            (-10, &[-4, -6], true),
            (-10, &[-4], false),
            // The oldest row was part of the count already.
            (-4, &[-4, -6], true),
            // A row is newer than what would explain it.
            (-6, &[-4, -6], false),
            // Restocked and sold out again: the sum is nothing, and the rows say so.
            (0, &[-5, 5], true),
            (0, &[5], false),
            (-10, &[-11, 1], true),
        ];
        for (needed, changes, expected) in cases {
            assert_eq!(explained(needed, changes, true), expected, "{needed} by {changes:?}");
        }
    }

    #[test]
    fn without_a_mark_any_run_of_rows_explains() {
        assert!(explained(-6, &[-4, -6, 10], false));
        assert!(!explained(-7, &[-4, -6, 10], false));
    }
}
