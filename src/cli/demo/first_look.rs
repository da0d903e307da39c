//! The first look over the catalogue, followed until it is done.

use std::time::Duration;

use anyhow::bail;
use serde_json::Value;

use super::house::House;
use super::terminal::{Terminal, Tone};
use crate::clock::sleep;
use crate::sandbox::visitor::Visitor;

/// Between two looks at the progress.
const PAUSE: Duration = Duration::from_millis(400);
/// Width of the bar.
const BAR: i64 = 30;
/// Where no line can be rewritten, one is written for each of so many parts.
const PARTS: i64 = 5;

/// Shows how far it is until it is done.
pub(super) async fn follow(
    house: &House,
    visitor: &Visitor,
    connection: &str,
    sync: &str,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let path = format!("/v1/connections/{connection}/syncs/{sync}");
    let began = house.clock.now();
    let mut told = -1;
    loop {
        let view = visitor.get(&path).await?;
        let number = |pointer: &str| view.pointer(pointer).and_then(Value::as_i64).unwrap_or_default();
        let (done, total) = (number("/progress/done"), number("/progress/total"));
        let words = |pointer: &str| view.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        match words("/state") {
            "running" => {}
            "done" => {
                let seconds = (house.clock.now() - began).num_seconds();
                let (linked, parked) = (number("/summary/linked"), number("/summary/parked"));
                let aside =
                    if parked > 0 { format!(", {parked} parked with a reason") } else { String::new() };
                let text = format!("First look done after {seconds} s: {linked} products are linked{aside}.");
                terminal.line(&terminal.toned(&text, Tone::Good));
                return Ok(());
            }
            other => bail!("the first look ended as {other:?}: {}", words("/summary/error")),
        }
        let visiting = words("/summary/phase") == "visit" && total > 0;
        let text = if visiting {
            let full = (BAR * done / total).clamp(0, BAR);
            let bar: String = (0..BAR).map(|at| if at < full { '█' } else { '░' }).collect();
            // The start runs ahead of the platforms' limits, so what it promises cannot be kept.
            let left = view.get("eta_seconds").and_then(Value::as_i64).filter(|_| done * 3 > total);
            let left = left.map(|left| format!(", about {left} s left")).unwrap_or_default();
            format!("First look  {bar}  {done} of {total} products{left}")
        } else {
            format!("First look  reading both catalogues, {total} products so far")
        };
        if terminal.live() {
            terminal.rewrite(&text);
        } else {
            let part = if visiting { done * PARTS / total } else { -1 };
            if part > told {
                told = part;
                terminal.line(&text);
            }
        }
        sleep(&house.clock, PAUSE).await;
    }
}
