//! The shop's categories: a poll that sees what moved, and a full comparison now and then. Deleting a category leaves
//! no trace but the shifted nodes of others (r-series-api.md, section 4.5), and on E-Series nothing but a notice tells
//! of an edit.

use std::time::Duration;

use serde_json::json;

use super::polls::{MOST_PAGES, digest, overlap};
use super::{Broken, Sweep};
use crate::catalog::Side;
use crate::clock::{Instant, before};
use crate::connections::{Account, Settings};
use crate::store::cursors::{self, Sighting};
use crate::store::{connections, trees};

const FEED: &str = "r_category";

/// How long both trees go without a comparison that nothing has asked for.
const AT_MOST: Duration = Duration::from_secs(3_600);

impl Sweep {
    /// Has the tree looked at when categories of the shop have changed, or when it was not looked at for long.
    pub(super) async fn poll_r_categories(
        &self,
        account: &Account,
        row: &connections::Row,
    ) -> Result<usize, Broken> {
        let connection = account.connection_id;
        let settings = Settings::of(row);
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let position = cursors::get(&mut db, connection, FEED).await?;
        let older = settings.full_look_every().map(|_| before(now, AT_MOST));
        if trees::mark_if_time(&mut db, connection, older, now).await? {
            // That reads the whole tree; the next round goes on from here.
            db.commit().await?;
            return Ok(0);
        }
        drop(db);
        let time = position.and_then(|json| json.get("time")?.as_str()?.parse::<Instant>().ok());
        let since = before(time.unwrap_or(row.created_at), overlap());
        let (mut next, mut latest, mut marked) = (None, time, 0);
        for _ in 0..MOST_PAGES {
            let page = account.r.categories_since(since, next.take()).await;
            let page = page.map_err(|error| Broken::Call(Side::RSeries, error))?;
            let now = self.clock.now();
            let sightings: Vec<Sighting> = page
                .rows
                .iter()
                .map(|category| Sighting {
                    entity_id: category.id,
                    // Not its stamp: that moves in bulk, whatever it says.
                    digest: digest(&(&category.name, category.parent_id, category.left, category.right)),
                    seen_at: category.time_stamp.unwrap_or(now),
                })
                .collect();
            latest = sightings.iter().map(|sighting| sighting.seen_at).max().max(latest);
            let mut db = self.store.begin().await?;
            let news = cursors::note(&mut db, connection, FEED, &sightings).await?;
            if !news.is_empty() {
                trees::mark(&mut db, connection, true, now).await?;
                marked = 1;
            }
            db.commit().await?;
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        cursors::put(&mut db, connection, FEED, &json!({ "time": latest }), now).await?;
        cursors::forget_before(&mut db, connection, FEED, since).await?;
        db.commit().await?;
        Ok(marked)
    }
}
