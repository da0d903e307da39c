//! The merchants act; each act is followed to the other side, and its echo back.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::book::{Book, News};
use super::house::House;
use super::summary::Tally;
use super::terminal::{Terminal, Tone};
use super::{Options, in_stock, unless};
use crate::clock::{Instant, after, sleep};
use crate::sandbox::merchants::{Act, Cast, Expect, R_SERIES, arrived};
use crate::sandbox::visitor::Visitor;

/// Between two acts, at least.
const PACE: Duration = Duration::from_millis(1_500);
/// Most acts under way at a time: the merchants wait for what the platforms' limits hold up.
const MOST_UNDER_WAY: usize = 3;
/// Between two looks at whether something has arrived.
const TICK: Duration = Duration::from_millis(50);
/// Between two looks into the ledger.
const READING: Duration = Duration::from_secs(1);
/// After that long, an act that has not arrived is spoken of.
const LATE: Duration = Duration::from_mins(1);
/// How long an act that has arrived is watched for its echo.
const ECHO_PATIENCE: Duration = Duration::from_mins(3);
/// How long is waited at the end for what is under way: when it ends by itself, and when told to end.
const LAST_CALL: Duration = Duration::from_secs(30);
const SHORT_CALL: Duration = Duration::from_secs(2);

/// An act that is followed.
struct Followed {
    number: usize,
    act: Act,
    at: Instant,
    product: Option<String>,
    arrived: bool,
    late: bool,
    write: Option<String>,
    echoed: bool,
}

/// Everything that is going on.
struct Play<'a> {
    house: &'a House,
    terminal: &'a mut Terminal,
    book: Book,
    cast: Cast,
    followed: Vec<Followed>,
    tally: Tally,
    count: usize,
    read_at: Instant,
}

/// Lets the merchants act until the time is over or the word to stop comes, and tells what it came to.
pub(super) async fn play(
    house: &House,
    visitor: &Visitor,
    connection: &str,
    options: &Options,
    stop: &CancellationToken,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let began = house.clock.now();
    let written = house.stage.r.write_calls() + house.stage.e.write_calls();
    let mut play = Play {
        house,
        book: Book::open(visitor, connection, began),
        cast: Cast::new(options.seed),
        followed: Vec::new(),
        tally: Tally::default(),
        count: 0,
        read_at: began,
        terminal,
    };
    play.terminal
        .line("Now merchants and customers act, at most three things at a time. Each act is followed to the");
    play.terminal
        .line("other side, and the platform's notice of our own write (its echo) until it is recognised.");
    if options.seconds.is_none() {
        play.terminal.line("Ctrl-C ends it.");
    }
    let (r_url, e_url) = (house.stage.r_url(), house.stage.e_url());
    let item = in_stock(&house.stage);
    play.terminal.line("");
    play.terminal.line("Your own hand in it, for instance a sale in the shop:");
    play.terminal.line(&format!(
        "  curl -H 'content-type: application/json' {r_url}/_sandbox/r-series/sell \\\n    \
         -d '{{\"item_id\":{item},\"shop_id\":1,\"quantity\":1}}'"
    ));
    play.terminal.line(&format!("What the web store shows: {e_url}/_sandbox/e-series/products"));
    play.terminal.line("");
    let until =
        options.seconds.map_or(Instant::MAX_UTC, |seconds| after(began, Duration::from_secs(seconds)));
    unless(stop, play.act_until(until)).await;
    play.terminal
        .line(&play.terminal.toned("Nobody acts any more; what is under way may arrive …", Tone::Faint));
    if !stop.is_cancelled() {
        unless(stop, play.watch_until(after(house.clock.now(), LAST_CALL))).await;
    }
    if stop.is_cancelled() {
        play.watch_until(after(house.clock.now(), SHORT_CALL)).await;
    }
    play.read().await;
    play.tally.under_way = play.under_way().map(|followed| followed.act.item_id).collect();
    play.tally.writes = (house.stage.r.write_calls() + house.stage.e.write_calls()).saturating_sub(written);
    play.tally.tell(&house.stage, play.terminal);
    Ok(())
}

impl Play<'_> {
    async fn act_until(&mut self, until: Instant) {
        let mut next = self.house.clock.now();
        while self.house.clock.now() < until {
            if self.house.clock.now() >= next && self.under_way().count() < MOST_UNDER_WAY {
                self.act().await;
                next = after(self.house.clock.now(), PACE);
            }
            self.watch().await;
        }
    }

    /// Until everything has arrived, but not for ever.
    async fn watch_until(&mut self, until: Instant) {
        while self.house.clock.now() < until && self.under_way().next().is_some() {
            self.watch().await;
        }
    }

    fn under_way(&self) -> impl Iterator<Item = &Followed> {
        self.followed.iter().filter(|followed| !followed.arrived)
    }

    async fn act(&mut self) {
        let at = self.house.clock.now();
        let Some(act) = self.cast.act(&self.house.stage) else { return };
        self.count += 1;
        let number = self.count;
        *self.tally.acts.entry(act.side).or_default() += 1;
        self.terminal.row(at, number, here(act.side), &act.words, Tone::Plain);
        let already = !matches!(act.expect, Expect::StockDelta { .. }) && arrived(&act, &self.house.stage);
        if already {
            self.tally.already += 1;
            self.terminal.row(
                at,
                number,
                there(act.side),
                "shows that already: nothing to write",
                Tone::Faint,
            );
            return;
        }
        let product = match self.book.product(act.item_id).await {
            Ok(product) => product,
            Err(error) => {
                warn!(%error, "the products cannot be read");
                None
            }
        };
        self.followed.push(Followed {
            number,
            act,
            at,
            product,
            arrived: false,
            late: false,
            write: None,
            echoed: false,
        });
    }

    /// One look at everything, and a short wait.
    async fn watch(&mut self) {
        let now = self.house.clock.now();
        for followed in self.followed.iter_mut().filter(|followed| !followed.arrived) {
            let side = followed.act.side;
            let took = (now - followed.at).to_std().unwrap_or_default();
            if arrived(&followed.act, &self.house.stage) {
                followed.arrived = true;
                self.tally.latencies.entry(side).or_default().push(took);
                let text = format!("{} after {:.1} s", shown(&followed.act.expect), took.as_secs_f64());
                self.terminal.row(now, followed.number, there(side), &text, Tone::Good);
            } else if took >= LATE && !followed.late {
                followed.late = true;
                let text = format!("has not arrived after {} s; it is still waited for", LATE.as_secs());
                self.terminal.row(now, followed.number, there(side), &text, Tone::Bad);
            }
        }
        if now >= after(self.read_at, READING) {
            self.read().await;
        }
        sleep(&self.house.clock, TICK).await;
    }

    /// Looks for writes and echoes in the ledger.
    async fn read(&mut self) {
        let now = self.house.clock.now();
        self.read_at = now;
        let News { writes, echoes } = match self.book.news().await {
            Ok(news) => news,
            Err(error) => {
                warn!(%error, "the ledger cannot be read");
                return;
            }
        };
        for write in writes {
            // Of acts on the same field of the same product, the last one before the write led to it.
            let mine = self.followed.iter_mut().rev().find(|followed| {
                let to_r = followed.act.side != R_SERIES;
                followed.product.as_ref() == Some(&write.product)
                    && followed.act.field == write.field
                    && to_r == (write.side == "r_series")
                    && followed.at <= write.at
            });
            if let Some(mine) = mine {
                mine.write = Some(write.id);
            }
        }
        self.tally.echoes += echoes.len();
        for echo in echoes {
            let mine = self.followed.iter_mut().find(|followed| followed.write.as_ref() == Some(&echo));
            if let Some(mine) = mine.filter(|mine| !mine.echoed) {
                mine.echoed = true;
                let told = if mine.act.side == R_SERIES { "web store" } else { "shop" };
                let text = format!("the {told} tells of our own write: recognised");
                self.terminal.row(now, mine.number, ("  echo", Tone::Faint), &text, Tone::Faint);
            }
        }
        let forgotten = |followed: &Followed| {
            followed.arrived && (followed.echoed || now >= after(followed.at, ECHO_PATIENCE))
        };
        self.followed.retain(|followed| !forgotten(followed));
    }
}

fn here(side: &str) -> (&'static str, Tone) {
    if side == R_SERIES { ("shop", Tone::Shop) } else { ("web", Tone::Web) }
}

fn there(side: &str) -> (&'static str, Tone) {
    if side == R_SERIES { ("  → web", Tone::Web) } else { ("  → shop", Tone::Shop) }
}

/// What the other side shows now.
fn shown(expect: &Expect) -> String {
    match expect {
        Expect::Name(name) => format!("is named {name}"),
        Expect::Price(price) => format!("costs {price}"),
        Expect::Enabled(true) => "is on show".to_owned(),
        Expect::Enabled(false) => "is hidden".to_owned(),
        Expect::Sku(sku) => format!("has the SKU {sku}"),
        Expect::StockDelta { from, delta, .. } => format!("stock {from} → {}", from.saturating_add(*delta)),
    }
}
