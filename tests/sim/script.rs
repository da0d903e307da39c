//! What happens in a storm, drawn from its seed before anything happens: a list of events, each of which makes
//! sense whatever became of the others, so that a failing script can be cut down to those that matter.

use concord::catalog::Side;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::outbox::DeliveryFaults;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha12Rng;

use super::captions::Caption;
use super::scenes::scene;
use super::shelves::Shelve;
use super::walls::Hang;

/// How a storm is set up.
#[derive(Debug, Clone)]
pub struct Setting {
    pub relay: bool,
    pub shops: usize,
    pub items: usize,
    /// Pieces of each item in each shop when the storm begins.
    pub opening: i64,
    /// A matrix with three variants beside the items.
    pub matrix: bool,
    /// Categories, pictures, and words that one side alone has.
    pub shelves: bool,
    pub walls: bool,
    /// Pictures of the matrix that say whose they are.
    pub captions: bool,
    pub notes: bool,
    /// What is born on the web is created in the shop, and what is deleted there comes back.
    pub births: bool,
    /// What is sold on the web is booked in the shop as a sale, not as a count.
    pub books_sales: bool,
    /// Habits of the platforms.
    pub trims: bool,
    pub rounds: bool,
    pub stock_moves_time: bool,
    pub merged_stay: bool,
    /// Worker B's clock against everybody else's, in seconds: processes agree on the time by the database's
    /// clock, but for the way there.
    pub skew: i64,
    /// Workers that are under way when the storm ends sleep through the calm and wake up at its end.
    pub sleepers: bool,
}

/// Something that a merchant does. Items by their number.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Sell(Side, usize, i64),
    Restock(Side, usize, i64),
    /// In the second shop, if there is one.
    SellElsewhere(usize, i64),
    Rename(Side, usize, String),
    Reprice(Side, usize, String),
    Relabel(Side, usize, u32),
    Offer(Side, usize, bool),
    Archive(usize, bool),
    /// The whole matrix that the item is in.
    ArchiveWhole(usize, bool),
    /// Something of an item or its product that the other side never hears of.
    Note(Side, usize, u32),
    Shelve(Shelve),
    Hang(Hang),
    Caption(Caption),
    /// The product of an item is deleted on the web.
    Forget(usize),
    /// A variant gets another value of its first option.
    Revalue(Side, usize, u32),
    /// The first option of a matrix gets another name.
    Retitle(Side, usize, u32),
    /// A matrix gets a third option, or loses it.
    Extend(Side, usize, u32),
    Shrink(Side, usize),
    /// An item of its own becomes a variant of the matrix; a variant becomes an item of its own.
    Join(usize, u32),
    Leave(usize),
    /// An item is merged into another one in the shop.
    Merge(usize, usize),
    /// Two items change their SKUs in the shop.
    Swap(usize, usize),
    /// A new item in the shop, or a product that only the web has.
    Create(Side, u32),
}

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Merchant(Act),
    /// Notices that are due are delivered.
    Deliver,
    /// A worker goes on for so many points, then stands still until it is its turn again.
    Work(usize, usize),
    /// A worker goes on to its next write to a platform, which is decided and not sent yet, and stands there.
    WorkToWrite(usize),
    /// A worker goes on to the end of its step.
    Finish(usize),
    /// A worker is killed where it stands, and started again.
    Kill(usize),
    Pass(u32),
    /// A worker's clock is wrong by so many seconds from now on.
    Jump(usize, i64),
    Fault(Side, usize, Aim, Fault),
    /// So many calls in a row are refused for their number.
    Throttle(Side, usize),
    /// The catalogue is locked by an import, or open again.
    Import(bool),
    ExpireTokens,
    /// The operator connects the second shop, or takes it out.
    Shops(bool),
    /// The operator orders that all products be offered on the web, or none.
    Order(bool),
    /// The operator undoes a write: one of those that can be, counted from the newest.
    Undo(usize),
    /// The database breaks off at a worker's n-th point from now.
    Break(usize, usize),
    /// All connections of the database are cut.
    RestartDatabase,
    /// The front desk has no database, or has it again.
    Desk(bool),
    Mail(DeliveryFaults),
}

/// A storm before it happens.
#[derive(Debug, Clone)]
pub struct Script {
    pub seed: u64,
    pub setting: Setting,
    pub events: Vec<Event>,
}

const FAULTS: [Fault; 13] = [
    Fault::Status { status: 503, retry_after: None },
    Fault::Status { status: 500, retry_after: None },
    Fault::Status { status: 449, retry_after: Some(5) },
    Fault::ResetBefore,
    Fault::ResetAfter,
    Fault::ResetAfter,
    Fault::BadGatewayAfter,
    Fault::GarbageAfter,
    Fault::HangBefore,
    Fault::HangAfter,
    Fault::SlowAfter { seconds: 7 },
    Fault::Late { seconds: 22 },
    Fault::Late { seconds: 24 },
];

impl Script {
    pub fn drawn_from(seed: u64) -> Self {
        let mut dice = ChaCha12Rng::seed_from_u64(seed);
        // Dice of its own, so that what a seed had before stays what it was.
        let mut furniture = ChaCha12Rng::seed_from_u64(seed.wrapping_add(1 << 40));
        let mut merges = ChaCha12Rng::seed_from_u64(seed.wrapping_add(1 << 45));
        let mut captions = ChaCha12Rng::seed_from_u64(seed.wrapping_add(1 << 46));
        let setting = Setting {
            relay: dice.random_bool(0.7),
            shops: dice.random_range(1..3),
            items: 3,
            opening: 40,
            matrix: seed % 4 == 1,
            shelves: furniture.random_bool(0.3),
            walls: furniture.random_bool(0.3),
            captions: seed % 4 == 1 && captions.random_bool(0.6),
            notes: furniture.random_bool(0.3),
            births: furniture.random_bool(0.25),
            books_sales: seed.is_multiple_of(3),
            trims: dice.random_bool(0.5),
            rounds: dice.random_bool(0.5),
            stock_moves_time: dice.random_bool(0.5),
            merged_stay: merges.random_bool(0.5),
            skew: dice.random_range(-1..=1),
            sleepers: dice.random_bool(0.5),
        };
        let length = dice.random_range(30..90);
        let mut events = vec![Event::Mail(mail(&mut dice))];
        events.extend((0..length).map(|number| event(&mut dice, number)));
        for number in 0..dice.random_range(0..3) {
            let at = dice.random_range(0..=events.len());
            events.splice(at..at, scene(&mut dice, number));
        }
        for number in 0..if setting.matrix { dice.random_range(2..8) } else { 0 } {
            let at = dice.random_range(0..=events.len());
            let act = Act::Revalue(side(&mut dice), dice.random_range(0..8), number);
            events.insert(at, Event::Merchant(act));
        }
        furnish(&mut events, &setting, &mut furniture);
        let mut operator = ChaCha12Rng::seed_from_u64(seed.wrapping_add(1 << 41));
        if setting.shops > 1 && operator.random_bool(0.5) {
            for _ in 0..operator.random_range(1..6) {
                let at = operator.random_range(0..=events.len());
                events.insert(at, Event::Shops(operator.random_bool(0.5)));
            }
        }
        let mut orders = ChaCha12Rng::seed_from_u64(seed.wrapping_add(1 << 42));
        if orders.random_bool(0.4) {
            for _ in 0..orders.random_range(1..5) {
                let at = orders.random_range(0..=events.len());
                events.insert(at, Event::Order(orders.random_bool(0.7)));
            }
        }
        let mut shapes = ChaCha12Rng::seed_from_u64(seed.wrapping_add(1 << 43));
        for number in 0..if setting.matrix { shapes.random_range(0..5) } else { 0 } {
            let (at, item) = (shapes.random_range(0..=events.len()), shapes.random_range(0..8));
            let act = match shapes.random_range(0..4) {
                0 | 1 => Act::Retitle(side(&mut shapes), item, number),
                2 => Act::Join(item, number),
                _ => Act::Leave(item),
            };
            events.insert(at, Event::Merchant(act));
        }
        let mut second_thoughts = ChaCha12Rng::seed_from_u64(seed.wrapping_add(1 << 44));
        for _ in 0..if second_thoughts.random_bool(0.4) { second_thoughts.random_range(1..5) } else { 0 } {
            let (at, entry) =
                (second_thoughts.random_range(0..=events.len()), second_thoughts.random_range(0..12));
            events.insert(at, Event::Undo(entry));
        }
        for _ in 0..if second_thoughts.random_bool(0.4) { second_thoughts.random_range(1..4) } else { 0 } {
            let (at, one) =
                (second_thoughts.random_range(0..=events.len()), second_thoughts.random_range(0..8));
            let other = one + second_thoughts.random_range(1..3);
            events.insert(at, Event::Merchant(Act::Swap(one, other)));
        }
        for _ in 0..if merges.random_bool(0.3) { merges.random_range(1..3) } else { 0 } {
            let (at, one) = (merges.random_range(0..=events.len()), merges.random_range(0..8));
            let other = one + merges.random_range(1..3);
            events.insert(at, Event::Merchant(Act::Merge(one, other)));
        }
        for number in 0..if setting.captions { captions.random_range(2..9) } else { 0 } {
            let at = captions.random_range(0..=events.len());
            events.insert(at, Event::Merchant(Act::Caption(Caption::drawn(&mut captions, number))));
        }
        let mut options = ChaCha12Rng::seed_from_u64(seed.wrapping_add(1 << 47));
        for number in
            0..if setting.matrix && options.random_bool(0.6) { options.random_range(1..6) } else { 0 }
        {
            let (at, item) = (options.random_range(0..=events.len()), options.random_range(0..8));
            let (side, more) = (side(&mut options), options.random_bool(0.6));
            let act = if more { Act::Extend(side, item, number) } else { Act::Shrink(side, item) };
            events.insert(at, Event::Merchant(act));
        }
        stay_within_key_life(&mut events);
        Self { seed, setting, events }
    }
}

/// What merchants do with categories and pictures, with whole matrices, and what they write on one side alone.
fn furnish(events: &mut Vec<Event>, setting: &Setting, dice: &mut ChaCha12Rng) {
    let mut put = |dice: &mut ChaCha12Rng, most: u32, draw: &dyn Fn(&mut ChaCha12Rng, u32) -> Act| {
        for number in 0..dice.random_range(most / 3..most) {
            let act = draw(dice, number);
            let at = dice.random_range(0..=events.len());
            events.insert(at, Event::Merchant(act));
        }
    };
    if setting.shelves {
        put(dice, 18, &|dice, number| Act::Shelve(Shelve::drawn(dice, number)));
    }
    if setting.walls {
        put(dice, 15, &|dice, number| Act::Hang(Hang::drawn(dice, number)));
    }
    if setting.notes {
        put(dice, 8, &|dice, number| Act::Note(side(dice), dice.random_range(0..8), number));
    }
    if setting.births {
        put(dice, 6, &|dice, number| {
            let item = dice.random_range(0..4);
            if dice.random_bool(0.7) { Act::Create(Side::ESeries, 900 + number) } else { Act::Forget(item) }
        });
    }
    if setting.matrix {
        put(dice, 4, &|dice, _| {
            let item = dice.random_range(0..8);
            match dice.random_range(0..4) {
                0 => Act::ArchiveWhole(item, dice.random_bool(0.6)),
                _ => Act::Archive(item, dice.random_bool(0.6)),
            }
        });
    }
}

/// Cuts the leaps of time down to less than E-Series remembers the key of a batch, all together: what became of a
/// batch is not told any more after that, and a person has to be asked.
fn stay_within_key_life(events: &mut [Event]) {
    const LONG: u32 = 100;
    let mut left = 1_500;
    for event in events {
        match event {
            Event::Pass(seconds) if *seconds > left && *seconds > LONG => *seconds = LONG,
            Event::Pass(seconds) if *seconds > LONG => left -= *seconds,
            _ => {}
        }
    }
}

fn mail(dice: &mut ChaCha12Rng) -> DeliveryFaults {
    DeliveryFaults {
        lose: dice.random_range(0.0..0.4),
        repeat: dice.random_range(0.0..0.4),
        reorder: dice.random_range(0.0..0.5),
        tamper: dice.random_range(0.0..0.2),
        delay_min_seconds: 0,
        delay_max_seconds: dice.random_range(0..30),
        paused: false,
    }
}

pub(super) fn side(dice: &mut ChaCha12Rng) -> Side {
    if dice.random_bool(0.5) { Side::RSeries } else { Side::ESeries }
}

fn event(dice: &mut ChaCha12Rng, number: u32) -> Event {
    let who = usize::from(dice.random_bool(0.25));
    match dice.random_range(0..100) {
        0..32 => Event::Merchant(act(dice, number)),
        32..40 => Event::Deliver,
        40..50 => Event::Work(who, dice.random_range(1..40)),
        50..58 => Event::WorkToWrite(who),
        58..66 => Event::Finish(who),
        66..70 => Event::Kill(who),
        70..79 => Event::Pass(*[1, 1, 3, 20, 31, 61].choose(dice).unwrap()),
        // The clock that all share jumps ahead.
        79 => match dice.random_range(0..6) {
            wrong @ 0..3 => Event::Jump(who, wrong - 1),
            3 => Event::Pass(40),
            4 => Event::Pass(700),
            _ => Event::Pass(1_500),
        },
        80..90 => {
            let fault = *FAULTS.choose(dice).unwrap();
            let aim = *[Aim::Any, Aim::Write, Aim::Write].choose(dice).unwrap();
            Event::Fault(side(dice), dice.random_range(0..3), aim, fault)
        }
        90 | 91 => Event::Fault(side(dice), dice.random_range(0..2), Aim::Read, Fault::ShortList),
        92 => Event::Throttle(side(dice), dice.random_range(1..9)),
        93 => Event::Import(dice.random_bool(0.4)),
        94 => Event::ExpireTokens,
        95 | 96 => Event::Break(who, dice.random_range(0..12)),
        97 => Event::RestartDatabase,
        98 => Event::Desk(dice.random_bool(0.4)),
        _ => Event::Mail(mail(dice)),
    }
}

fn act(dice: &mut ChaCha12Rng, number: u32) -> Act {
    let (side, item, pieces) = (side(dice), dice.random_range(0..4), dice.random_range(1..4));
    match dice.random_range(0..20) {
        0..7 => Act::Sell(side, item, pieces),
        7..10 => Act::Restock(side, item, pieces),
        10 => Act::SellElsewhere(item, pieces),
        11..13 => {
            let space = if dice.random_bool(0.3) { " " } else { "" };
            Act::Rename(side, item, format!("{space}Thing {number}{space}"))
        }
        13..16 => Act::Reprice(
            side,
            item,
            format!("{}.{}", number + 8, ["0", "5", "005", "25", "999"].choose(dice).unwrap()),
        ),
        16 => Act::Relabel(side, item, number),
        17 => Act::Offer(side, item, dice.random_bool(0.5)),
        18 => Act::Archive(item, dice.random_bool(0.6)),
        _ => Act::Create(side, number),
    }
}
