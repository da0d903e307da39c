//! Laws of stock: both sides end at what was in step, plus everything that people did on either.

use super::WAYS;
use super::stock::{Deed, World};
use crate::catalog::{Side, Stock, Way};

const DEEDS: [Deed; 4] = [Deed::SellInShop, Deed::SellOnline, Deed::CountOneMore, Deed::CountOneLess];

fn stocks() -> impl Iterator<Item = Stock> + Clone {
    (-1..=3).map(Stock::Tracked).chain([Stock::Unlimited])
}

/// Every start: both shadows (or none) × both values × way × what is owed on R-Series.
fn each_start(mut case: impl FnMut([Option<Stock>; 2], &World)) {
    let bases = || stocks().map(Some).chain([None]);
    for base in bases().flat_map(|r| bases().map(move |e| [r, e])) {
        for (r, e) in stocks().flat_map(|r| stocks().map(move |e| (r, e))) {
            for (way, owed) in WAYS.into_iter().flat_map(|way| (-1..=1).map(move |owed| (way, owed))) {
                case(base, &World::new(base, r, e, way, owed));
            }
        }
    }
}

/// Where both sides have to end, by the ledger of what people did: nothing of this asks the merge.
fn truth(base: [Option<Stock>; 2], start: &World, end: &World) -> [Stock; 2] {
    let [people_r, people_e] = end.people;
    let (r, e) = match (start.r, start.e) {
        (Stock::Tracked(r), Stock::Tracked(e)) => (r, e),
        // What was wiped out on R-Series is put back there, whatever the other side counts.
        (Stock::Tracked(r), Stock::Unlimited) => return [Stock::Tracked(r + start.owed), Stock::Unlimited],
        unequal => return unequal.into(),
    };
    let carries = |side| i64::from(start.way.carries_from(side));
    let ends = match base.map(|base| base.and_then(Stock::tracked)) {
        [Some(r_base), Some(e_base)] => {
            let on_r = r - r_base + start.owed + people_r;
            let on_e = e - e_base + people_e;
            [r_base + on_r + on_e * carries(Side::ESeries), e_base + on_e + on_r * carries(Side::RSeries)]
        }
        // Without a common base the shop's count is the opening stock, if it may be carried at all.
        _ => {
            let r = r + start.owed + people_r;
            [
                r + people_e * carries(Side::ESeries),
                if carries(Side::RSeries) == 1 { r } else { e } + people_e,
            ]
        }
    };
    ends.map(Stock::Tracked)
}

/// Law 4 without deaths, with laws 1 (at most two rounds: putting back is news to the other side), 3 and 5.
#[test]
fn both_sides_end_at_the_sum() {
    let mut cases = 0_u32;
    each_start(|base, start| {
        let mut once = start.clone();
        once.visit().unwrap();
        if start.owed == 0 {
            // Also what the way leaves alone is accounted for at once.
            assert_eq!(once.visit().unwrap().news, [false, false], "an echo is news: {start:?}");
        }
        let mut world = start.clone();
        let visits = world.run();
        assert!(visits <= 1 + usize::from(start.owed != 0), "{visits} rounds: {start:?}");
        assert_eq!([world.r, world.e], truth(base, start, &world), "{start:?}\n{world:?}");
        assert!(world.owed == 0 || start.r == Stock::Unlimited, "{world:?}");
        let settled = world.at_rest();
        let echo = world.visit().unwrap();
        assert_eq!(settled, world.at_rest(), "twice is not once");
        assert!((echo.calls, echo.news) == (0, [false, false]), "an echo is news: {start:?}\n{world:?}");
        cases += 1;
    });
    assert!(cases > 20_000, "only {cases} cases");
}

/// Law 4 after a time in which one side did not count: what happened then is no change to carry. The web
/// store is set to the shop's count, as the hold promises.
#[test]
fn when_both_count_again_the_shop_is_right() {
    let mut cases = 0_u32;
    each_start(|_, start| {
        let apart = (start.r == Stock::Unlimited) != (start.e == Stock::Unlimited);
        if !apart || start.owed != 0 {
            return;
        }
        let mut world = start.clone();
        world.run();
        assert!(world.held, "{start:?}");
        for (r, e) in (-1..=3).flat_map(|r| (-1..=3).map(move |e| (r, e))) {
            let mut again = world.clone();
            (again.r, again.e) = (Stock::Tracked(r), Stock::Tracked(e));
            again.run();
            let on_e = if start.way.carries_from(Side::RSeries) { r } else { e };
            assert_eq!([again.r, again.e], [r, on_e].map(Stock::Tracked), "{start:?}\n{world:?}\n{again:?}");
            cases += 1;
        }
    });
    assert!(cases > 30_000, "only {cases} cases");
}

/// A start in which both count and a base is known, as a visit after sales finds it.
fn each_sale(mut case: impl FnMut([Option<Stock>; 2], &World)) {
    for base in [[2, 2], [1, 3]] {
        for (r_delta, e_delta) in (-1..=1).flat_map(|r| (-1..=1).map(move |e| (r, e))) {
            for (way, owed) in WAYS.into_iter().flat_map(|way| (-1..=1).map(move |owed| (way, owed))) {
                let now = [base[0] + r_delta, base[1] + e_delta].map(Stock::Tracked);
                if owed != 0 && base[0] != base[1] {
                    continue;
                }
                let base = base.map(|base| Some(Stock::Tracked(base)));
                case(base, &World::new(base, now[0], now[1], way, owed));
            }
        }
    }
}

#[derive(Debug, Default)]
struct Count {
    cases: u32,
    recounted: u32,
}

/// Runs to rest, and compares with the ledger, unless somebody counted to our very number meanwhile.
fn judge(base: [Option<Stock>; 2], start: &World, count: &mut Count) -> usize {
    let mut world = start.clone();
    world.run();
    count.cases += 1;
    if world.recounted_to_our_number {
        count.recounted += 1;
    } else {
        assert_eq!([world.r, world.e], truth(base, start, &world), "{start:?}\n{world:?}");
        assert_eq!(world.owed, 0, "{world:?}");
    }
    world.at
}

/// Runs with one thing planned at each point in turn, until the run ends before that point.
fn at_each_point(
    start: &World,
    mut plan: impl FnMut(&mut World, usize),
    mut run: impl FnMut(&World) -> usize,
) {
    for point in 0.. {
        let mut world = start.clone();
        plan(&mut world, point);
        if run(&world) <= point {
            return;
        }
    }
}

/// Law 4 through a death at any point, while people do one thing at any point: before the look, between look
/// and write, between write and result, between death and restart, during the restart.
#[test]
fn a_death_and_a_deed_at_any_point_lose_no_piece() {
    let mut count = Count::default();
    each_sale(|base, start| {
        for deed in DEEDS {
            at_each_point(
                start,
                |world, point| world.deeds.push((point, deed)),
                |world| {
                    let mut longest = judge(base, world, &mut count);
                    at_each_point(
                        world,
                        |world, point| world.deaths.push(point),
                        |world| {
                            let end = judge(base, world, &mut count);
                            longest = longest.max(end);
                            end
                        },
                    );
                    longest
                },
            );
        }
    });
    assert!(count.cases > 140_000, "{count:?}");
    assert_eq!(count.recounted, 2_304, "{count:?}");
}

/// What is owed and what is new cancel each other, so nothing is written: neither a death there, nor a
/// recount back to the count that was seen, is taken for a write of ours.
#[test]
fn a_count_that_needs_no_write_loses_no_piece() {
    let mut count = Count::default();
    each_sale(|base, start| {
        let e_base = start.shadow.e_series.stock().and_then(Stock::tracked);
        let sold_online = start.e.tracked().zip(e_base).map(|(now, base)| now - base);
        let cancels = start.owed != 0 && sold_online == Some(-start.owed);
        if !cancels || start.way != Way::Both {
            return;
        }
        let one_more = [Deed::SellInShop, Deed::CountOneLess].map(|less| [less, Deed::CountOneMore]);
        for pair in one_more {
            for (first, second) in (0..14).flat_map(|first| (first..14).map(move |second| (first, second))) {
                for death in 0..14 {
                    let mut world = start.clone();
                    world.deeds = vec![(first, pair[0]), (second, pair[1])];
                    world.deaths = vec![death];
                    judge(base, &world, &mut count);
                }
            }
        }
    });
    assert!(count.cases > 15_000, "{count:?}");
    assert_eq!(count.recounted, 0, "{count:?}");
}

/// The same with two things that people do at any two points, and with two deaths.
#[test]
fn two_deeds_or_two_deaths_lose_no_piece() {
    let mut count = Count::default();
    each_sale(|base, start| {
        if start.way != Way::Both || start.owed != 0 || start.shadow.r_series != start.shadow.e_series {
            return;
        }
        for pair in DEEDS.into_iter().flat_map(|first| DEEDS.map(|second| [first, second])) {
            for (first, second) in (0..12).flat_map(|first| (first..14).map(move |second| (first, second))) {
                let mut world = start.clone();
                world.deeds = vec![(first, pair[0]), (second, pair[1])];
                judge(base, &world, &mut count);
            }
        }
        for (first, second) in (0..14).flat_map(|first| (first + 1..24).map(move |second| (first, second))) {
            for point in 0..20 {
                let mut world = start.clone();
                world.deaths = vec![first, second];
                world.deeds = vec![(point, Deed::SellInShop)];
                judge(base, &world, &mut count);
            }
        }
    });
    assert!(count.cases > 50_000, "{count:?}");
    assert_eq!(count.recounted, 792, "{count:?}");
}
