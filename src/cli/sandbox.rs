//! `concord sandbox`: the two sandbox platforms alone, with everything it takes to connect a service to them.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use clap::Args;
use serde_json::json;
use url::Url;

use super::{say, told_to_stop};
use crate::clock::{SharedClock, SystemClock};
use crate::config::LogFormat;
use crate::sandbox::stage::{Setup, Stage};
use crate::sandbox::{eseries, rseries};
use crate::telemetry;

/// Where `concord serve` listens unless told otherwise.
const USUAL_CONCORD: &str = "http://127.0.0.1:8080";

/// How the sandboxes are to be.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Port of R-Series on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 9101)]
    r_port: u16,
    /// Port of E-Series on 127.0.0.1; 0 takes any that is free
    #[arg(long, default_value_t = 9102)]
    e_port: u16,
    /// Items in the shop
    #[arg(long, default_value_t = 200, value_parser = super::demo::item_count)]
    items: usize,
    /// A catalogue of your own instead: a CSV file in the columns of a Shopify product export
    #[arg(long, value_name = "FILE", conflicts_with = "items")]
    catalog: Option<PathBuf>,
    /// Where everything random comes from: the same number makes the same catalogue
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Base address of the Concord that E-Series tells of changes, and to which merchants return when they have agreed
    /// [default: none is told; they return to http://127.0.0.1:8080]
    #[arg(long, value_name = "URL")]
    webhook_url: Option<Url>,
    /// R-Series without its limit on calls, for tests of other things
    #[arg(long)]
    no_r_limit: bool,
    /// Log filter
    #[arg(long, env = "CONCORD_LOG", default_value = "warn")]
    log: String,
}

pub(super) async fn run(options: &Options) -> anyhow::Result<u8> {
    telemetry::start_logging(&options.log, LogFormat::Text).map_err(anyhow::Error::msg)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let mut setup = Setup {
        r_port: options.r_port,
        e_port: options.e_port,
        seed: options.seed,
        deliver: true,
        ..Setup::default()
    };
    if options.no_r_limit {
        (setup.r.bucket_size, setup.r.drip_rate, setup.r.burst_limit) = (1e6, 1e6, 1_000_000);
    }
    let stage = Stage::open(setup, clock).await.map_err(|error| taken(error, options))?;
    let items = super::demo::fill(&stage, options.catalog.as_deref(), options.items, options.seed)?;
    let concord = options.webhook_url.as_ref().map(|url| url.as_str().trim_end_matches('/').to_owned());
    let door = concord.as_deref().unwrap_or(USUAL_CONCORD);
    stage.r.set_redirect_uri(format!("{door}/oauth/r-series/callback"));
    stage.e.set_webhook_url(concord.as_ref().map(|url| format!("{url}/webhooks/e-series")));
    say(&manual(&stage, items, concord.as_deref(), options.no_r_limit).context("writing the manual")?);
    told_to_stop().await;
    stage.close().await;
    Ok(0)
}

fn taken(error: io::Error, options: &Options) -> anyhow::Error {
    let words = format!(
        "the sandboxes cannot listen on ports {} and {}: choose others with --r-port and --e-port, or 0 for any",
        options.r_port, options.e_port
    );
    anyhow!(error).context(words)
}

/// What a person needs to connect `concord serve` by hand.
fn manual(stage: &Stage, items: usize, concord: Option<&str>, no_r_limit: bool) -> anyhow::Result<String> {
    let (r, e) = (rseries::Config::default(), eseries::Config::default());
    let (r_url, e_url) = (stage.r_url(), stage.e_url());
    let (access, refresh) = stage.r.issue_tokens();
    let e_token = stage.e.issue_token();
    let door = concord.unwrap_or(USUAL_CONCORD);
    let limits = if no_r_limit {
        "R-Series takes any number of calls"
    } else {
        "The platforms' own limits apply: R-Series takes a burst, then a call every second or two (--no-r-limit lifts that)"
    };
    let body = serde_json::to_string_pretty(&json!({
        "name": "Sandbox",
        "r_series": {"account_id": r.account_id.to_string(), "access_token": access, "refresh_token": refresh,
            "shop_ids": ["1"], "primary_shop_id": "1"},
        "e_series": {"store_id": e.store_id.to_string(), "access_token": e_token},
    }))?;
    let tells = concord.map_or_else(
        || {
            format!(
                "# E-Series tells nobody of its changes yet. Set its webhook address, or start with --webhook-url:\n\
                 curl -sS -X POST {e_url}/_sandbox/e-series/webhook-url -H 'content-type: application/json' \\\n  \
                 -d '{{\"url\":\"{door}/webhooks/e-series\"}}'"
            )
        },
        |url| format!("# E-Series tells {url}/webhooks/e-series of its changes."),
    );
    let item = super::demo::in_stock(stage);
    Ok(format!(
        r#"Two sandbox platforms run here, with {items} items in the shop and nothing on the web. Ctrl-C ends them;
nothing is kept. {limits}; E-Series takes 600 calls in any minute.

  R-Series  {r_url}  account {r_account}, shop 1
  E-Series  {e_url}  store {e_store}

1. Start Concord against them:

export CONCORD_R_SERIES_API_URL={r_url}
export CONCORD_R_SERIES_IMAGES_URL={r_url}
export CONCORD_R_SERIES_AUTH_URL={r_url}
export CONCORD_R_SERIES_CLIENT_ID={r_id}
export CONCORD_R_SERIES_CLIENT_SECRET={r_secret}
export CONCORD_E_SERIES_API_URL={e_url}
export CONCORD_E_SERIES_IMAGES_URLS={e_url}
export CONCORD_E_SERIES_AUTH_URL={e_url}
export CONCORD_E_SERIES_CLIENT_ID={e_id}
export CONCORD_E_SERIES_CLIENT_SECRET={e_secret}
export CONCORD_ADMIN_TOKEN=sandbox-admin
concord serve

2. Connect the two accounts with tokens (the R-Series access token lives for an hour and is renewed by Concord):

curl -sS -X POST {door}/v1/connections -H 'authorization: Bearer sandbox-admin' \
  -H 'content-type: application/json' -d '{body}'

   or by OAuth. These merchants agree at once, so curl can be their browser (jq reads its answers):

for side in r-series e-series; do
  curl -sS -X POST {door}/v1/oauth/$side/start -H 'authorization: Bearer sandbox-admin' \
    -H 'content-type: application/json' -d '{{}}' >grant.json
  curl -sSL -o /dev/null "$(jq -r .authorize_url grant.json)"
  jq -r .grant grant.json >$side.grant
done
curl -sS -X POST {door}/v1/connections -H 'authorization: Bearer sandbox-admin' \
  -H 'content-type: application/json' -d "{{\"name\":\"Sandbox\",\"r_series\":{{\"grant\":\"$(cat r-series.grant)\",\"shop_ids\":[\"1\"]}},
    \"e_series\":{{\"grant\":\"$(cat e-series.grant)\",\"store_id\":\"{e_store}\"}}}}"

3. Let both platforms tell of changes. Without this, changes are found by polling only.

{tells}
# R-Series has no webhooks; a relay beside it stands for a POS extension. Its target: r_series_url and
# r_series_secret out of the answer to step 2.
curl -sS -X POST {r_url}/_sandbox/relay/target -H 'content-type: application/json' \
  -d '{{"url":"<r_series_url>","secret":"<r_series_secret>"}}'

4. Be the merchants. The control interfaces ask for no token:

# a sale in the shop
curl -sS -X POST {r_url}/_sandbox/r-series/sell -H 'content-type: application/json' \
  -d '{{"item_id":{item},"shop_id":1,"quantity":1}}'
# a sale on the web; the ids of the products: curl -sS {e_url}/_sandbox/e-series/products
curl -sS -X POST {e_url}/_sandbox/e-series/products/{first_product}/sell -H 'content-type: application/json' \
  -d '{{"quantity":1}}'
# what there is: {r_url}/_sandbox/r-series/items, …/inventory-log, …/calls and
# {e_url}/_sandbox/e-series/products, …/calls; faults and habits are under …/faults and …/habits"#,
        r_account = r.account_id,
        e_store = e.store_id,
        r_id = r.client_id,
        r_secret = r.client_secret,
        e_id = e.client_id,
        e_secret = e.client_secret,
        first_product = 555_001,
    ))
}
