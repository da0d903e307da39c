//! Scenes: a few events that together are trouble of a known kind, which dice would line up only once in
//! thousands of storms. Each is fair to the engine: it has to come through all of them.

use concord::catalog::Side;
use concord::sandbox::faults::{Aim, Fault};
use concord::sandbox::outbox::DeliveryFaults;
use rand::Rng;
use rand_chacha::ChaCha12Rng;

use super::script::{Act, Event, side};

/// One scene, drawn from the dice. `number` makes what people type in it unlike all else.
pub fn scene(dice: &mut ChaCha12Rng, number: u32) -> Vec<Event> {
    let (side, item) = (side(dice), dice.random_range(0..3));
    match dice.random_range(0..7) {
        0 => whispers(side, item, number),
        1 => overtaken(side, item, number),
        2 => late_arrival(side, item, number),
        3 => trampled(item),
        4 => short_list(dice, side, number),
        5 => rush_hour(side, item, number),
        _ => late_count(item),
    }
}

fn rename(side: Side, item: usize, name: &str, number: u32) -> Event {
    Event::Merchant(Act::Rename(side, item, format!("{name} {number}")))
}

/// Nothing is under way any more, and polls are due.
fn at_rest() -> [Event; 5] {
    [Event::Jump(0, 0), Event::Finish(0), Event::Finish(1), Event::Pass(61), Event::Finish(0)]
}

/// Two edits within one second, one before and one after a poll, that no notice tells of.
fn whispers(side: Side, item: usize, number: u32) -> Vec<Event> {
    let mail = DeliveryFaults { lose: 1.0, ..DeliveryFaults::default() };
    let mut events = vec![Event::Mail(mail)];
    events.extend(at_rest());
    events.extend([Event::Pass(61), rename(side, item, "Whisper one", number)]);
    events.extend([Event::Finish(0), rename(side, item + 1, "Whisper two", number)]);
    events.push(Event::Mail(DeliveryFaults::default()));
    events
}

/// A worker stands right before a write while its lease runs out; another does the work, people go on; then
/// it wakes up.
fn overtaken(side: Side, item: usize, number: u32) -> Vec<Event> {
    let mut events = Vec::from(at_rest());
    events.extend([Event::Pass(61), rename(side, item, "Overtaken one", number)]);
    events.extend([Event::WorkToWrite(0), Event::Pass(61), Event::Finish(1), Event::Finish(1)]);
    events.extend([rename(side, item, "Overtaken two", number), Event::Pass(61)]);
    events.extend([Event::Finish(1), Event::Finish(1), Event::Finish(0)]);
    events
}

/// A write reaches the platform long after its caller has given up, when people have typed something else.
fn late_arrival(side: Side, item: usize, number: u32) -> Vec<Event> {
    let mut events = Vec::from(at_rest());
    events.extend([Event::Pass(61), rename(side, item, "Late one", number)]);
    events.push(Event::Fault(side.other(), 0, Aim::Write, Fault::Late { seconds: 24 }));
    events.extend([Event::Finish(0), rename(side, item, "Late two", number)]);
    events.extend([Event::Pass(3), Event::Finish(0), Event::Pass(3), Event::Finish(0), Event::Pass(31)]);
    events
}

/// A count reaches the shop long after its caller has given up, and has been put right in between.
fn late_count(item: usize) -> Vec<Event> {
    let mut events = Vec::from(at_rest());
    events.extend([Event::Pass(61), Event::Merchant(Act::Sell(Side::ESeries, item, 2))]);
    events.push(Event::Fault(Side::RSeries, 0, Aim::Write, Fault::Late { seconds: 24 }));
    events.extend([Event::Finish(0), Event::Merchant(Act::Sell(Side::RSeries, item, 1))]);
    events.extend([Event::Pass(3), Event::Finish(0), Event::Pass(3), Event::Finish(0), Event::Pass(31)]);
    events
}

/// A sale in the shop between our look and our count.
fn trampled(item: usize) -> Vec<Event> {
    let mut events = Vec::from(at_rest());
    events.extend([Event::Pass(61), Event::Merchant(Act::Sell(Side::ESeries, item, 2))]);
    events.extend([
        Event::WorkToWrite(0),
        Event::Merchant(Act::Sell(Side::RSeries, item, 1)),
        Event::Finish(0),
    ]);
    events
}

/// A list that leaves something out while several products are looked at.
fn short_list(dice: &mut ChaCha12Rng, side: Side, number: u32) -> Vec<Event> {
    let mut events = Vec::from(at_rest());
    events.extend((0..3).map(|item| rename(side, item, "Listed", number)));
    events.extend([Event::Deliver, Event::Pass(20)]);
    let looked_at = self::side(dice);
    events.extend([Event::Fault(looked_at, 0, Aim::Read, Fault::ShortList), Event::Finish(0)]);
    events
}

/// A platform refuses call after call, for minutes, while one product waits.
fn rush_hour(side: Side, item: usize, number: u32) -> Vec<Event> {
    let mut events = Vec::from(at_rest());
    events.push(rename(side, item, "Rush", number));
    events.extend([Event::Deliver, Event::Pass(20), Event::Deliver, Event::Throttle(side.other(), 12)]);
    for seconds in [1, 3, 3, 6, 16, 31, 31, 31] {
        events.extend([Event::Finish(0), Event::Pass(seconds)]);
    }
    events
}
