//! Products that wait for room in the plan, or for one that has variations: lets in who fits, as soon as there is room.

use std::time::Duration;

use tracing::info;

use super::{Broken, Sweep};
use crate::catalog::Side;
use crate::clock::after;
use crate::connections::{Account, Settings, settings};
use crate::ids::ProductId;
use crate::store::dirty::{self, Asker};
use crate::store::{StoreError, connections, room};

/// How often the store is asked for its limit while somebody waits for room.
const WHILE_WAITING: Duration = Duration::from_secs(10 * 60);
/// How often otherwise. Then a store that said it was full, whatever its limit, is put to the test again.
const USUALLY: Duration = Duration::from_secs(24 * 3_600);

impl Sweep {
    /// Asks the store for its limit now and then, and marks those who wait and fit.
    pub(super) async fn make_room(&self, account: &Account, row: &connections::Row) -> Result<usize, Broken> {
        let now = self.clock.now();
        let connection = row.connection_id;
        let mut db = self.store.begin().await?;
        let waiting = room::waiting(&mut db, connection).await?;
        let without_variations = room::waiting_for_variations(&mut db, connection).await?;
        drop(db);
        let read_at = row.e_limit_read_at.unwrap_or(row.created_at);
        let long_ago = now >= after(read_at, USUALLY);
        let somebody_waits = !waiting.is_empty() || !without_variations.is_empty();
        if long_ago || somebody_waits && now >= after(read_at, WHILE_WAITING) {
            let profile = account.e.profile().await.map_err(|error| Broken::Call(Side::ESeries, error))?;
            let mut db = self.store.begin().await?;
            let told = (profile.max_product_limit, profile.price_decimals, profile.has_variations);
            room::limit_read(&mut db, connection, told, long_ago, now).await?;
            db.commit().await?;
        }
        if !somebody_waits {
            return Ok(0);
        }
        let mut db = self.store.begin().await?;
        let Some(row) = connections::get(&mut db, connection).await? else { return Ok(0) };
        let set: Settings = serde_json::from_value(row.settings.clone())
            .map_err(|error| StoreError::Unreadable(format!("connections.settings: {error}")))?;
        let used = room::used(&mut db, connection, None, false).await?;
        let limits = settings::limits(&row, &set);
        let mut fitting: Vec<ProductId> = limits.fitting(used, waiting);
        fitting.extend(without_variations.into_iter().filter(|_| limits.variations));
        dirty::mark(&mut db, connection, &fitting, Asker::Other, now, now).await?;
        db.commit().await?;
        if !fitting.is_empty() {
            info!(%connection, products = fitting.len(), "there is room again");
        }
        Ok(fitting.len())
    }
}
