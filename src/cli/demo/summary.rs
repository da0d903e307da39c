//! What it came to.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;

use super::terminal::{Terminal, Tone, shortened};
use crate::sandbox::eseries::ProductView;
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

/// One item that is not what its product is.
struct Difference {
    item_id: i64,
    words: String,
}

struct Comparison {
    pairs: usize,
    alone: usize,
    different: Vec<Difference>,
}

fn compare(stage: &Stage) -> Comparison {
    let mut found = Comparison { pairs: 0, alone: 0, different: Vec::new() };
    let shown: Vec<Shown> = stage.e.products().iter().flat_map(|product| shown(stage, product)).collect();
    let by_mark: BTreeMap<&str, &Shown> = shown.iter().map(|shown| (shown.mark.as_str(), shown)).collect();
    for item in stage.r.items().into_iter().filter(|item| !item.archived) {
        let mark = if item.matrix_id == 0 { "concord-r-" } else { "concord-r-variant-" };
        let Some(online) = by_mark.get(format!("{mark}{}", item.item_id).as_str()) else {
            found.alone += 1;
            continue;
        };
        found.pairs += 1;
        let price = item.online_price.unwrap_or(item.default_price);
        let stock: i64 = item.stock.values().sum();
        let matrix = (item.matrix_id != 0).then(|| stage.r.matrix(item.matrix_id)).flatten();
        let name = matrix.map_or_else(|| item.description.clone(), |matrix| matrix.description);
        let fields = [
            ("name", name.trim() == online.name.trim()),
            ("SKU", item.custom_sku.is_empty() || item.custom_sku.trim() == online.sku.trim()),
            ("price", Some(price) == online.price),
            ("stock", Some(stock) == online.quantity),
        ];
        let unequal: Vec<&str> = fields.iter().filter(|(_, equal)| !equal).map(|(field, _)| *field).collect();
        if !unequal.is_empty() {
            let words = format!("item {}: {} ({})", item.item_id, unequal.join(", "), item.description);
            found.different.push(Difference { item_id: item.item_id, words });
        }
    }
    found
}

/// What the web shows of one item: a product, or one of its variations.
struct Shown {
    mark: String,
    name: String,
    sku: String,
    price: Option<Decimal>,
    quantity: Option<i64>,
}

fn shown(stage: &Stage, product: &ProductView) -> Vec<Shown> {
    let name = product.name.clone();
    let text = |json: &Value, key: &str| json.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let variation = |json: Value| Shown {
        mark: text(&json, "externalReferenceId"),
        name: name.clone(),
        sku: text(&json, "sku"),
        // A variation without a price of its own has the product's.
        price: json.get("price").map_or(Some(product.price), |price| price.to_string().parse().ok()),
        quantity: json.get("quantity").and_then(Value::as_i64),
    };
    let whole = product.external_reference_id.clone().map(|mark| Shown {
        mark,
        name: name.clone(),
        sku: product.sku.clone(),
        price: Some(product.price),
        quantity: product.quantity,
    });
    whole.into_iter().chain(stage.e.variations(product.id).into_iter().map(variation)).collect()
}
