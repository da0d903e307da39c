//! Cuts a failing script down to the events that matter.

use super::play;
use super::script::{Event, Script};

/// Plays at most so many scripts: a few minutes at worst.
const MOST_PLAYS: usize = 250;

/// The least events with which the script still fails, and how it fails then. Takes halves away, then quarters,
/// and so on, as long as what is left still fails.
pub fn least(script: &Script) -> (Vec<Event>, String) {
    let mut events = script.events.clone();
    let mut why = String::new();
    let mut plays = 0;
    let mut size = events.len().div_ceil(2);
    loop {
        let mut start = 0;
        let mut cut = false;
        while start < events.len() && plays < MOST_PLAYS {
            let mut fewer = events.clone();
            fewer.drain(start..(start + size).min(fewer.len()));
            plays += 1;
            match play(&Script { events: fewer.clone(), ..script.clone() }) {
                Err(words) => (events, why, cut) = (fewer, words, true),
                Ok(_) => start += size,
            }
        }
        if plays >= MOST_PLAYS || (size == 1 && !cut) {
            return (events, why);
        }
        size = if cut { size.min(events.len()).max(1) } else { size.div_ceil(2) };
    }
}
