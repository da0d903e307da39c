//! `concord rotate-key`: everything is sealed anew under another master key.

use std::sync::Arc;

use anyhow::bail;

use super::database::{Database, OwnKeys};
use super::say;
use crate::clock::{Clock, SharedClock, SystemClock};
use crate::config::Config;
use crate::connections::rotate::seal_anew;
use crate::ids::{GeneratedIds, SharedIds};
use crate::telemetry;
use crate::vault::Vault;

pub(super) async fn run(config: &Config) -> anyhow::Result<u8> {
    telemetry::start_logging(&config.log, config.log_format).map_err(anyhow::Error::msg)?;
    let clock: SharedClock = Arc::new(SystemClock);
    let ids: SharedIds = Arc::new(GeneratedIds::from_system());
    let own = config.master_key.is_none() && config.database_url.is_none();
    if !own && config.old_master_key.is_none() {
        bail!(
            "CONCORD_OLD_MASTER_KEY is not set. Make a new key with `head -c 32 /dev/urandom | base64`, set \
             CONCORD_MASTER_KEY to it and CONCORD_OLD_MASTER_KEY to the key in use, restart every service with both, \
             then run this again; when it is done, take CONCORD_OLD_MASTER_KEY away."
        );
    }
    let (store, vault, cluster) = Database::open(config, &clock, &ids).await?.into_parts();
    let rotated = async {
        let mut keys = None;
        let vault = if own {
            let dir = super::database::data_dir(config)?;
            let own = OwnKeys::prepare_next(&dir, &ids)?;
            let vault = Vault::new(own.next())?.also(own.present())?;
            keys = Some(own);
            vault
        } else {
            vault
        };
        let rotated = seal_anew(&store, &vault, &ids, SystemClock.now()).await?;
        if let Some(keys) = keys {
            keys.adopt_next()?;
        }
        anyhow::Ok((vault.key_id().to_owned(), rotated))
    };
    let rotated = rotated.await;
    store.close().await;
    Database::close(cluster).await?;
    let (key_id, rotated) = rotated?;
    say(&format!(
        "Sealed anew under the key {key_id}: {} secrets, {} kept answers and {} grants of merchants; {} were already.",
        rotated.secrets, rotated.answers, rotated.grants, rotated.already
    ));
    Ok(0)
}
