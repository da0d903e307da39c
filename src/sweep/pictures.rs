//! Pictures: a picture that comes, goes or is edited moves no time stamp of its item (r-series-api.md, section 4.6).
//! New ones are found by their ids, in every round; the others by walking over all pictures now and then, some pages
//! a round.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::polls::digest;
use super::{Broken, Sweep};
use crate::catalog::{Field, Side};
use crate::clock::{Instant, before};
use crate::connections::Account;
use crate::ids::ConnectionId;
use crate::platforms::rseries::client::Page;
use crate::platforms::rseries::wire::Image;
use crate::store::dirty::{self, Asker};
use crate::store::images::{self, Owner, Sighting, UNREACHABLE};
use crate::store::{Db, StoreError, cursors};

/// How many pictures are read again: ids are drawn before their transactions commit.
const OVERLAP: i64 = 50;
/// Most pages of new pictures in one round, and of the walk: each costs a drip, and one drips away in a second.
const POLL_PAGES: usize = 20;
const WALK_PAGES: usize = 5;
/// From the beginning of one walk to that of the next, at least.
const WALK_EVERY: Duration = Duration::from_secs(15 * 60);
/// How long a picture is left alone that could not be had from its host.
const TRY_AGAIN: Duration = Duration::from_secs(60 * 60);

/// How long E-Series is given to read a picture of which it was told, before anybody looks.
const LOOK_AFTER: Duration = Duration::from_secs(20);

const FEED: &str = "r_image";
const WALK: &str = "r_image_walk";

/// How far the walk over all pictures is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Walk {
    began: Instant,
    /// Behind this one; none when it is done.
    after: Option<i64>,
}

impl Sweep {
    /// New pictures, and the next piece of the walk.
    pub(super) async fn poll_r_images(&self, account: &Account) -> Result<usize, Broken> {
        if !account.rules.way(Field::Images).carries_from(Side::RSeries) {
            return Ok(0);
        }
        self.look_for_promised(account.connection_id).await?;
        let (walked, saw_all) = self.walk_pictures(account).await?;
        Ok(if saw_all { walked } else { walked + self.poll_new_pictures(account).await? })
    }

    async fn poll_new_pictures(&self, account: &Account) -> Result<usize, Broken> {
        let connection = account.connection_id;
        let mut db = self.store.begin().await?;
        let stored = cursors::get(&mut db, connection, FEED).await?;
        drop(db);
        let mut highest = stored.and_then(|position| position.get("id")?.as_i64()).unwrap_or(0);
        let mut after = highest.saturating_sub(OVERLAP).max(0);
        let mut marked = 0;
        for _ in 0..POLL_PAGES {
            let page = self.pictures_after(account, after).await?;
            let last = page.rows.iter().map(|image| image.id).max();
            let mut db = self.store.begin().await?;
            marked += self.take_pictures(&mut db, connection, &page.rows, self.clock.now()).await?;
            highest = highest.max(last.unwrap_or(0));
            let position = serde_json::json!({ "id": highest });
            cursors::put(&mut db, connection, FEED, &position, self.clock.now()).await?;
            db.commit().await?;
            match last.filter(|_| page.next.is_some()) {
                Some(last) => after = last,
                None => break,
            }
        }
        Ok(marked)
    }

    /// Goes on with the walk, or begins one that is due. Tells what was marked, and whether all pictures were seen in
    /// this one round: then there are no new ones besides.
    async fn walk_pictures(&self, account: &Account) -> Result<(usize, bool), Broken> {
        let connection = account.connection_id;
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let stored = cursors::get(&mut db, connection, WALK).await?;
        let stored = stored.and_then(|position| serde_json::from_value::<Walk>(position).ok());
        let mut walk = match stored {
            Some(walk) if walk.after.is_none() && walk.began > before(now, WALK_EVERY) => {
                return Ok((0, false));
            }
            Some(walk) if walk.after.is_some() => walk,
            Some(_) => Walk { began: now, after: Some(0) },
            // The poll of new pictures is about to see all there are.
            None => {
                self.put_walk(&mut db, connection, Walk { began: now, after: None }).await?;
                db.commit().await?;
                return Ok((0, false));
            }
        };
        drop(db);
        let begins = walk.after == Some(0);
        let mut marked = 0;
        for _ in 0..WALK_PAGES {
            let Some(after) = walk.after else { break };
            let page = self.pictures_after(account, after).await?;
            walk.after = page.rows.iter().map(|image| image.id).max().filter(|_| page.next.is_some());
            let mut db = self.store.begin().await?;
            marked += self.take_pictures(&mut db, connection, &page.rows, walk.began).await?;
            if walk.after.is_none() {
                let gone = images::not_seen(&mut db, connection, walk.began).await?;
                marked += self.mark_pictures(&mut db, connection, &gone).await?;
                marked += self.try_again(&mut db, connection).await?;
            }
            self.put_walk(&mut db, connection, walk).await?;
            db.commit().await?;
        }
        Ok((marked, begins && walk.after.is_none()))
    }

    async fn put_walk(&self, db: &mut Db, connection: ConnectionId, walk: Walk) -> Result<(), StoreError> {
        let position = serde_json::to_value(walk).unwrap_or_default();
        cursors::put(db, connection, WALK, &position, self.clock.now()).await
    }

    async fn pictures_after(&self, account: &Account, after: i64) -> Result<Page<Image>, Broken> {
        account.r.images_after(after).await.map_err(|error| Broken::Call(Side::RSeries, error))
    }

    /// Writes one page down: whose pictures are news is marked.
    async fn take_pictures(
        &self,
        db: &mut Db,
        connection: ConnectionId,
        rows: &[Image],
        began: Instant,
    ) -> Result<usize, StoreError> {
        let sighting = |image: &Image| {
            let owner = match (image.item_id, image.matrix_id) {
                (0, 0) => return None,
                (0, id) => Owner::Matrix(id),
                (id, _) => Owner::Item(id),
            };
            let record = serde_json::to_value(image).ok()?;
            Some(Sighting { r_image_id: image.id, owner, digest: digest(image), record })
        };
        let sightings: Vec<Sighting> = rows.iter().filter_map(sighting).collect();
        let news = images::see(db, connection, &sightings, began).await?;
        self.mark_pictures(db, connection, &news).await
    }

    /// Marks the products of these, as far as there are any yet, and notes that their pictures are news.
    async fn mark_pictures(
        &self,
        db: &mut Db,
        connection: ConnectionId,
        owners: &[Owner],
    ) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let products = images::products_of(db, connection, owners).await?;
        dirty::mark(db, connection, &products, Asker::Sweep, now, now).await?;
        images::news(db, connection, owners).await?;
        Ok(products.len())
    }

    /// Pictures of which E-Series was only told are looked for until they are there.
    async fn look_for_promised(&self, connection: ConnectionId) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut db = self.store.begin().await?;
        let products = images::promised_since(&mut db, connection, before(now, LOOK_AFTER)).await?;
        dirty::mark(&mut db, connection, &products, Asker::SweepOnline, now, now).await?;
        db.commit().await?;
        Ok(())
    }

    /// Pictures that could not be had from their host are tried again.
    async fn try_again(&self, db: &mut Db, connection: ConnectionId) -> Result<usize, StoreError> {
        let now = self.clock.now();
        let products = images::parked_since(db, connection, UNREACHABLE, before(now, TRY_AGAIN)).await?;
        dirty::mark(db, connection, &products, Asker::Sweep, now, now).await?;
        for product in &products {
            images::again(db, connection, *product).await?;
        }
        Ok(products.len())
    }
}
