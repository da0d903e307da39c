//! The model of stock: a shop that can only be set to a count and keeps an inventory log, a web store that
//! adds under a key and knows the keys it has seen, and a ledger of what people really did.

use std::collections::VecDeque;

use super::super::observe::{LogRow, StockOutcome, absolute_write};
use super::super::{Shadow, Step, check, merge, plan};
use super::{Died, rules};
use crate::catalog::{Facts, Field, Rule, Rules, Side, Stock, Value, Way};

/// What people do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deed {
    /// A piece is sold in the shop: a row of the log that is not manual.
    SellInShop,
    /// A piece is sold on the web.
    SellOnline,
    /// Somebody counts one piece more in the shop: a manual row, as our own writes leave them.
    CountOneMore,
    /// Somebody counts one piece less in the shop.
    CountOneLess,
}

/// A row of the log, and whose it truly is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Row {
    row: LogRow,
    ours: bool,
}

/// A committed write without a committed result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    OnE { key: usize, delta: i64 },
    OnR { delta: i64, owed: i64, seen: i64, written: i64, log_head: usize },
}

/// How a visit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Visit {
    pub calls: usize,
    /// It stopped on the way, and the product is visited again.
    pub again: bool,
    pub news: [bool; 2],
}

/// Both platforms, people, and the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct World {
    pub way: Way,
    rules: Rules,
    pub r: Stock,
    log: Vec<Row>,
    pub e: Stock,
    keys: Vec<usize>,
    next_key: usize,
    // What the house has committed.
    pub shadow: Shadow,
    pub owed: i64,
    open: Option<Open>,
    pub held: bool,
    /// Points passed so far, over all visits.
    pub at: usize,
    /// The points at which the process dies.
    pub deaths: Vec<usize>,
    /// What people do, and at which point.
    pub deeds: Vec<(usize, Deed)>,
    /// The judge's ledger: pieces that people added on either side since the start.
    pub people: [i64; 2],
    /// The judge saw a recount that nobody can tell from our own write.
    pub recounted_to_our_number: bool,
}

fn facts(stock: Option<Stock>) -> Facts {
    match stock {
        Some(stock) => Facts::new().with(Field::Stock, Value::Stock(stock)),
        None => Facts::new(),
    }
}

fn add(stock: &mut Stock, pieces: i64) {
    if let Stock::Tracked(count) = stock {
        *count += pieces;
    }
}

impl World {
    pub fn new(base: [Option<Stock>; 2], r: Stock, e: Stock, way: Way, owed: i64) -> Self {
        Self {
            way,
            rules: rules(Field::Stock, way, Rule::Ask),
            r,
            log: Vec::new(),
            e,
            keys: Vec::new(),
            next_key: 0,
            shadow: Shadow { r_series: facts(base[0]), e_series: facts(base[1]) },
            owed,
            open: None,
            held: false,
            at: 0,
            deaths: Vec::new(),
            deeds: Vec::new(),
            people: [0, 0],
            recounted_to_our_number: false,
        }
    }

    /// The state alone, however many points it took.
    pub fn at_rest(&self) -> Self {
        Self { at: 0, ..self.clone() }
    }

    /// A place between two things that happen: people act, and the process may die.
    fn point(&mut self) -> Result<(), Died> {
        let at = self.at;
        self.at += 1;
        for (_, deed) in self.deeds.clone().iter().filter(|(when, _)| *when == at) {
            self.happen(*deed);
        }
        if self.deaths.contains(&at) { Err(Died) } else { Ok(()) }
    }

    fn happen(&mut self, deed: Deed) {
        let (side, pieces) = match deed {
            Deed::SellInShop | Deed::CountOneLess => (Side::RSeries, -1),
            Deed::CountOneMore => (Side::RSeries, 1),
            Deed::SellOnline => (Side::ESeries, -1),
        };
        self.people[side as usize] += pieces;
        if side == Side::ESeries {
            return add(&mut self.e, pieces);
        }
        add(&mut self.r, pieces);
        let manual = deed != Deed::SellInShop;
        self.log.push(Row { row: LogRow { change: pieces, manual }, ours: false });
    }

    /// Visits, and restarts after each death, until a visit had nothing to do and nobody did anything while
    /// it ran (which the platforms tell). Returns visits before that one.
    pub fn run(&mut self) -> usize {
        for visits in 0..8 {
            let start = self.at;
            let visit = self.visit();
            let disturbed = self.deeds.iter().any(|(when, _)| (start..self.at).contains(when));
            if matches!(visit, Ok(Visit { calls: 0, again: false, .. })) && !disturbed {
                return visits;
            }
        }
        panic!("does not rest: {self:?}");
    }

    /// One visit, from observing to settling.
    pub fn visit(&mut self) -> Result<Visit, Died> {
        let mut visit = Visit { calls: 0, again: false, news: [false, false] };
        if let Some(open) = self.open {
            self.observe(open)?;
        }
        self.point()?;
        let r = facts(Some(self.r));
        self.point()?;
        let e = facts(Some(self.e));
        for (side, now) in [(Side::RSeries, &r), (Side::ESeries, &e)] {
            visit.news[side as usize] = self.shadow.side(side) != now;
        }
        let verdicts = merge(&self.shadow, &r, &e, &self.rules);
        let plan = plan(&self.shadow, verdicts, self.owed, r.stock(), &|_, _, _| None);
        assert_eq!(check::check(&plan, &self.rules), Ok(()), "{self:?}");
        self.point()?;
        self.held = !plan.holds.is_empty();
        self.shadow = plan.shadow;

        let mut steps: VecDeque<Step> = plan.steps.into();
        while let Some(step) = steps.pop_front() {
            let Step::AddStock { side, delta, owed, .. } = step else { panic!("stock is only added to") };
            assert!(delta == 0 || self.way.carries_from(side.other()), "against its way: {self:?}");
            assert!(owed == 0 || (side, owed) == (Side::RSeries, self.owed), "owes {owed}: {self:?}");
            visit.calls += 1;
            if side == Side::ESeries {
                self.add_on_e(delta)?;
                continue;
            }
            visit.again = self.add_on_r(delta)?;
            if visit.again {
                return Ok(visit);
            }
            if self.owed != 0 {
                steps.push_front(Step::AddStock { side, delta: 0, owed: self.owed, before: 0 });
            }
        }
        Ok(visit)
    }

    fn add_on_e(&mut self, delta: i64) -> Result<(), Died> {
        self.next_key += 1;
        let key = self.next_key;
        self.point()?;
        self.open = Some(Open::OnE { key, delta });
        self.send(key, delta)
    }

    /// The web store answers a key that it knows with its first answer (e-series-api.md, section 2.4).
    fn send(&mut self, key: usize, delta: i64) -> Result<(), Died> {
        self.point()?;
        if !self.keys.contains(&key) {
            self.keys.push(key);
            add(&mut self.e, delta);
        }
        self.point()?;
        self.shadow.carry_stock(delta);
        self.open = None;
        Ok(())
    }

    /// Look, intend, write, and read in the log what that did. Returns whether to come back.
    fn add_on_r(&mut self, delta: i64) -> Result<bool, Died> {
        let (seen, log_head, owed) = (self.r.tracked().unwrap(), self.log.len(), self.owed);
        let written = seen + delta + owed;
        self.point()?;
        let open = Open::OnR { delta, owed, seen, written, log_head };
        self.open = Some(open);
        self.point()?;
        if written == seen {
            self.landed_on_r(delta, owed, 0);
            return Ok(false);
        }
        let change = written - self.r.tracked().unwrap();
        if change != 0 {
            self.log.push(Row { row: LogRow { change, manual: true }, ours: true });
        }
        self.r = Stock::Tracked(written);
        self.point()?;
        match self.judge(seen, written, log_head) {
            StockOutcome::Landed { trampled } => {
                self.point()?;
                self.landed_on_r(delta, owed, trampled);
                Ok(false)
            }
            // No effect, or not seen yet: it is closed on the next visit, as in a restart.
            StockOutcome::NotSeen => Ok(true),
        }
    }

    fn landed_on_r(&mut self, delta: i64, owed: i64, trampled: i64) {
        self.shadow.carry_stock(delta);
        self.owed = self.owed - owed + trampled;
        self.open = None;
    }

    /// As `reconcile::observe` does with stock.
    fn observe(&mut self, open: Open) -> Result<(), Died> {
        match open {
            Open::OnE { key, delta } => self.send(key, delta),
            Open::OnR { delta, owed, seen, written, log_head } => {
                let outcome = self.judge(seen, written, log_head);
                self.point()?;
                match outcome {
                    StockOutcome::Landed { trampled } => self.landed_on_r(delta, owed, trampled),
                    StockOutcome::NotSeen => self.open = None,
                }
                Ok(())
            }
        }
    }

    fn judge(&mut self, seen: i64, written: i64, log_head: usize) -> StockOutcome {
        let rows = &self.log[log_head..];
        // Somebody counted to the very number that we were about to write, before us or instead of us. The
        // rows are the same as if the write were ours.
        let mut running = seen;
        for row in rows.iter().take_while(|row| !row.ours) {
            running += row.row.change;
            self.recounted_to_our_number |= row.row.manual && running == written && written != seen;
        }
        let rows: Vec<LogRow> = rows.iter().map(|row| row.row).collect();
        absolute_write(seen, written, &rows)
    }
}
