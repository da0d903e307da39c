//! `concord after-restore`: makes a restored database safe to work with.

use std::sync::Arc;

use anyhow::bail;

use super::database::Database;
use super::say;
use crate::clock::{SharedClock, SystemClock};
use crate::config::Config;
use crate::ids::{GeneratedIds, SharedIds};
use crate::store::{Store, restored};
use crate::telemetry;

/// To be run once, before anything is served from the restored database.
pub(super) async fn run(config: &Config) -> anyhow::Result<u8> {
    telemetry::start_logging(&config.log, config.log_format).map_err(anyhow::Error::msg)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let ids: SharedIds = Arc::new(GeneratedIds::from_system());
    let (store, _, cluster) = Database::open(config, &clock, &ids).await?.into_parts();
    let done = forget(&store).await;
    store.close().await;
    Database::close(cluster).await?;
    let restored::Restored { open_writes, products } = done?;
    say(&format!(
        "{products} products will be looked at anew; {open_writes} writes of unknown outcome were closed."
    ));
    say("Start `concord serve` now. Where the counts of a product differ, the shop's is taken.");
    Ok(0)
}

async fn forget(store: &Store) -> anyhow::Result<restored::Restored> {
    let pending = store.pending_migrations().await?;
    if !pending.is_empty() {
        bail!("migrations are pending ({pending:?}): run `concord migrate` first");
    }
    let now = store.time().await?;
    let mut db = store.begin().await?;
    let done = restored::restored(&mut db, now).await?;
    db.commit().await?;
    Ok(done)
}
