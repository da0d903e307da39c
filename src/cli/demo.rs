//! `concord demo`: everything at once, with merchants who keep both shops busy, to be looked at.

mod book;
mod comparison;
mod first_look;
mod house;
mod play;
mod summary;
mod terminal;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use self::house::{Ground, House};
use self::terminal::{Terminal, Tone};
use super::told_to_stop;
use crate::config::LogFormat;
use crate::sandbox::relay::RelayTarget;
use crate::sandbox::stage::Stage;
use crate::sandbox::visitor::Visitor;
use crate::sandbox::{catalogue, eseries, import, rseries};
use crate::telemetry;

/// Most items of a generated catalogue: the E-Series sandbox's plan allows 2,500 products.
const MOST_ITEMS: usize = 2_500;

/// How the demo is to be.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Address of the HTTP server; if it is taken, any free port
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Items in the shop
    #[arg(long, default_value_t = 200, value_parser = item_count)]
    items: usize,
    /// A catalogue of your own instead: a CSV file in the columns of a Shopify product export
    #[arg(long, value_name = "FILE", conflicts_with = "items")]
    catalog: Option<PathBuf>,
    /// Where everything random comes from: the same number makes the same catalogue
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the private Postgres lives [default: a temporary folder, removed at the end]
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// End after the merchants have acted for so many seconds [default: on Ctrl-C]
    #[arg(long)]
    seconds: Option<u64>,
    /// R-Series without its limit on calls, to see how fast things are where the platform lets them
    #[arg(long)]
    no_r_limit: bool,
    /// Log filter
    #[arg(long, env = "CONCORD_LOG", default_value = "warn")]
    log: String,
}

/// Puts a catalogue into the shop: the one of a file, or a made-up one. Gives how many items that made.
pub(super) fn fill(stage: &Stage, catalog: Option<&Path>, items: usize, seed: u64) -> anyhow::Result<usize> {
    let Some(path) = catalog else {
        return Ok(catalogue::furnish(&stage.r, items, seed));
    };
    let products = import::read(path).with_context(|| format!("reading the catalogue {}", path.display()))?;
    Ok(import::fill(&stage.r, &products))
}

/// Reads a number of items.
pub(super) fn item_count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count @ 1..=MOST_ITEMS) => Ok(count),
        _ => Err(format!("a number from 1 to {MOST_ITEMS} is wanted")),
    }
}

pub(super) async fn run(options: Options) -> anyhow::Result<u8> {
    telemetry::start_logging(&options.log, LogFormat::Text).map_err(anyhow::Error::msg)?;
    // Heard from the first moment on, so that nothing that has been started is left behind.
    let stop = CancellationToken::new();
    let heard = stop.clone();
    let ear = tokio::spawn(async move {
        told_to_stop().await;
        heard.cancel();
    });
    let mut terminal = Terminal::open(stop.clone());
    terminal.line("");
    terminal.line(&terminal.toned("Concord", Tone::Strong));
    terminal.line("keeps a shop (R-Series) and a web store (E-Series) in step. Both are sandboxes here.");
    terminal.line("");
    terminal.line("Starting a private Postgres, both sandboxes and the service …");
    let ground = Ground::open(options.data_dir.clone()).await?;
    let shown = show(&ground, &options, &stop, &mut terminal).await;
    let closed = ground.close().await;
    ear.abort();
    shown?;
    closed?;
    terminal.line("Everything is stopped.");
    Ok(0)
}

async fn show(
    ground: &Ground,
    options: &Options,
    stop: &CancellationToken,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    if stop.is_cancelled() {
        return Ok(());
    }
    let house = House::open(ground, options).await?;
    let shown = act_out(&house, options, stop, terminal).await;
    house.close().await;
    shown
}

async fn act_out(
    house: &House,
    options: &Options,
    stop: &CancellationToken,
    terminal: &mut Terminal,
) -> anyhow::Result<()> {
    let page = format!("{}/#token={}", house.base, house.token.expose_secret());
    if house.moved {
        terminal.line(&format!("{} is taken, so another port is used.", options.listen));
    }
    terminal.line("The page:");
    terminal.line("");
    terminal.line(&terminal.toned(&page, Tone::Strong));
    terminal.line("");
    let visitor = Visitor::new(&house.base, house.token.clone())?;
    let Some(Connected { id, sync }) = unless(stop, connect(house, &visitor)).await.transpose()? else {
        return Ok(());
    };
    terminal.line(&format!("Connected: {} items in the shop, nothing on the web yet.", house.items));
    let limits = if options.no_r_limit {
        "minute. R-Series has no limit now; really it allows a burst, then a call every second or two."
    } else {
        "minute; R-Series a burst, then a call every second or two (start with --no-r-limit to lift that)."
    };
    for text in [
        "The first look copies them to the web, hidden until somebody shows them. The platforms' own limits",
        "apply, and they are what takes the time, now and later: E-Series allows 600 calls in any",
        limits,
        "",
    ] {
        terminal.line(text);
    }
    let looked = first_look::follow(house, &visitor, &id, &sync, terminal);
    if unless(stop, looked).await.transpose()?.is_none() {
        return Ok(());
    }
    terminal.line("");
    terminal.line(&terminal.toned(&page, Tone::Strong));
    terminal.line("");
    play::play(house, &visitor, &id, options, stop, terminal).await
}

/// The two accounts, connected.
struct Connected {
    id: String,
    sync: String,
}

async fn connect(house: &House, visitor: &Visitor) -> anyhow::Result<Connected> {
    let (access, refresh) = house.stage.r.issue_tokens();
    let body = json!({
        "name": "Demo shop",
        "r_series": {"account_id": rseries::Config::default().account_id.to_string(), "access_token": access,
            "refresh_token": refresh, "shop_ids": ["1"], "primary_shop_id": "1"},
        "e_series": {"store_id": eseries::Config::default().store_id.to_string(),
            "access_token": house.stage.e.issue_token()},
        "plan": "business",
    });
    let made = visitor.post("/v1/connections", &body).await?;
    let text = |pointer: &str| {
        let found = made.pointer(pointer).and_then(|value| value.as_str()).map(str::to_owned);
        found.ok_or_else(|| anyhow::anyhow!("the answer to POST /v1/connections has no {pointer}"))
    };
    house.stage.e.set_webhook_url(Some(text("/webhooks/e_series_url")?));
    let target =
        RelayTarget { url: text("/webhooks/r_series_url")?, secret: text("/webhooks/r_series_secret")? };
    house.stage.relay.set_target(Some(target));
    Ok(Connected { id: text("/id")?, sync: text("/sync_id")? })
}

/// An item that can be sold, for an example.
pub(super) fn in_stock(stage: &Stage) -> i64 {
    let items = stage.r.items();
    let stocked = items.iter().find(|item| item.stock.values().any(|quantity| *quantity > 0));
    stocked.or(items.first()).map_or(1, |item| item.item_id)
}

/// What becomes of it, or nothing if the word to stop comes first.
async fn unless<T>(stop: &CancellationToken, wanted: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        done = wanted => Some(done),
    }
}
