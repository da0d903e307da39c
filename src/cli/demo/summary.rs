//! What it came to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::comparison::{Comparison, compare, compare_pictures, compare_trees};
use super::terminal::{Terminal, Tone, shortened};
use crate::sandbox::merchants::{E_SERIES, R_SERIES};
use crate::sandbox::stage::Stage;

/// Most differences that are named.
const NAMED: usize = 5;

/// What is counted while the merchants act.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Acts by side.
    pub(super) acts: BTreeMap<&'static str, usize>,
    /// Acts that asked for what was there already.
    pub(super) already: usize,
    /// How long it took until they showed on the other side, by the side they were done on.
    pub(super) latencies: BTreeMap<&'static str, Vec<Duration>>,
    /// Items whose act is still on its way.
    pub(super) under_way: BTreeSet<i64>,
    /// Echoes in the ledger.
    pub(super) echoes: usize,
    /// Writes that both platforms have carried out.
    pub(super) writes: usize,
}

impl Tally {
    /// Prints it.
    pub(super) fn tell(&self, stage: &Stage, terminal: &mut Terminal) {
        let acts = |side| self.acts.get(side).copied().unwrap_or_default();
        let all: Vec<Duration> = self.latencies.values().flatten().copied().collect();
        terminal.line("");
        terminal.line(&terminal.toned("Summary", Tone::Strong));
        let mut row = |name: &str, count: usize, text: &str, tone: Tone| {
            let text = terminal.toned(text, tone);
            terminal.line(format!("  {name:<11} {count:>5}  {text}").trim_end());
        };
        let total = acts(R_SERIES) + acts(E_SERIES);
        row(
            "acts",
            total,
            &format!("{} in the shop, {} on the web", acts(R_SERIES), acts(E_SERIES)),
            Tone::Plain,
        );
        row("arrived", all.len(), &speed(&all), Tone::Plain);
        for (side, name) in [(R_SERIES, "  on the web"), (E_SERIES, "  in the shop")] {
            let these = self.latencies.get(side).map(Vec::as_slice).unwrap_or_default();
            if !these.is_empty() {
                row(name.trim_start_matches(' '), these.len(), &speed(these), Tone::Faint);
            }
        }
        if self.already > 0 {
            row("no need", self.already, "the other side showed it already", Tone::Plain);
        }
        if !self.under_way.is_empty() {
            row("under way", self.under_way.len(), "had not arrived when it ended", Tone::Plain);
        }
        row("echoes", self.echoes, "notices of Concord's own writes, recognised", Tone::Plain);
        row("writes", self.writes, &per_act(self.writes, all.len()), Tone::Plain);
        self.compare(stage, terminal);
        terminal.line("");
    }

    /// Compares both sandboxes, by themselves: nothing of Concord's is asked.
    fn compare(&self, stage: &Stage, terminal: &mut Terminal) {
        let Comparison { pairs, alone, different } = compare(stage);
        let wrong: Vec<_> =
            different.iter().filter(|found| !self.under_way.contains(&found.item_id)).collect();
        let waits = different.len() - wrong.len();
        let text = if wrong.is_empty() { "yes".to_owned() } else { format!("no, {} differ", wrong.len()) };
        let aside =
            if waits > 0 { format!(", but for {waits} whose act was under way") } else { String::new() };
        let tone = if wrong.is_empty() { Tone::Good } else { Tone::Bad };
        let text = terminal.toned(&format!("{text}{aside}"), tone);
        terminal.line(&format!(
            "  both equal  {pairs:>5}  products compared by name, SKU, price and stock: {text}"
        ));
        if alone > 0 {
            terminal.line(&format!("  shop only   {alone:>5}  items without a product on the web"));
        }
        for found in wrong.iter().take(NAMED) {
            terminal.line(&terminal.toned(&format!("    {}", shortened(&found.words, 90)), Tone::Bad));
        }
        for (name, what, (count, missing)) in [
            ("categories", "by name and place in the tree", compare_trees(stage)),
            ("pictures", "by their bytes and their order", compare_pictures(stage)),
        ] {
            let (text, tone) = if missing == 0 {
                ("yes".to_owned(), Tone::Good)
            } else {
                (format!("no, {missing} are not there, or not yet"), Tone::Bad)
            };
            terminal.line(&format!(
                "  {name:<11} {count:>5}  of the shop compared {what}: {}",
                terminal.toned(&text, tone)
            ));
        }
    }
}

fn per_act(writes: usize, acts: usize) -> String {
    // Counts of a demo are far below where a float stops counting.
    let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    if acts == 0 {
        return "made by Concord on the platforms".to_owned();
    }
    format!("made by Concord on the platforms: {:.2} for each act that arrived", count(writes) / count(acts))
}

fn speed(latencies: &[Duration]) -> String {
    let mut sorted = latencies.to_vec();
    sorted.sort_unstable();
    match (sorted.get(sorted.len() / 2), sorted.last()) {
        (Some(median), Some(worst)) => {
            format!("after {:.1} s (median), {:.1} s at worst", median.as_secs_f64(), worst.as_secs_f64())
        }
        _ => String::new(),
    }
}
