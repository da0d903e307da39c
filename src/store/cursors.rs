//! How far the change feeds have been read.

use super::{Db, Result};
use crate::clock::Instant;
use crate::ids::ConnectionId;

/// Items, as the newest look over the whole catalogue listed them: a feed in sightings.
pub const LOOK_R: &str = "look_r_item";
/// The same of matrices.
pub const LOOK_MATRIX: &str = "look_r_matrix";
/// The same of products on E-Series.
pub const LOOK_E: &str = "look_e_product";

/// The stored position of a feed.
pub async fn get(db: &mut Db, connection_id: ConnectionId, feed: &str) -> Result<Option<serde_json::Value>> {
    let row = sqlx::query_scalar!(
        "select position from cursors where connection_id = $1 and feed = $2",
        connection_id.0,
        feed
    )
    .fetch_optional(db)
    .await?;
    Ok(row)
}

/// Moves the position of a feed.
pub async fn put(
    db: &mut Db,
    connection_id: ConnectionId,
    feed: &str,
    position: &serde_json::Value,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "insert into cursors (connection_id, feed, position, updated_at) values ($1, $2, $3, $4)
         on conflict (connection_id, feed) do update
         set position = excluded.position, updated_at = excluded.updated_at",
        connection_id.0,
        feed,
        position,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A row of a feed as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// Id of the row.
    pub entity_id: i64,
    /// Hash of what it said.
    pub digest: String,
    /// The row's own time.
    pub seen_at: Instant,
}

/// Writes down what was seen and returns the ids that are news: never seen, or seen otherwise.
pub async fn note(
    db: &mut Db,
    connection_id: ConnectionId,
    feed: &str,
    sightings: &[Sighting],
) -> Result<Vec<i64>> {
    // The same row may stand on two pages when it moved in between; the later one counts.
    let latest: std::collections::BTreeMap<i64, &Sighting> =
        sightings.iter().map(|sighting| (sighting.entity_id, sighting)).collect();
    let ids: Vec<i64> = latest.keys().copied().collect();
    let digests: Vec<String> = latest.values().map(|sighting| sighting.digest.clone()).collect();
    let times: Vec<Instant> = latest.values().map(|sighting| sighting.seen_at).collect();
    let rows = sqlx::query_scalar!(
        "insert into sightings as s (connection_id, feed, entity_id, digest, seen_at)
         select $1, $2, entity_id, digest, seen_at
         from unnest($3::bigint[], $4::text[], $5::timestamptz[]) as new (entity_id, digest, seen_at)
         on conflict (connection_id, feed, entity_id) do update
         set digest = excluded.digest, seen_at = excluded.seen_at where s.digest <> excluded.digest
         returning entity_id",
        connection_id.0,
        feed,
        &ids,
        &digests,
        &times,
    )
    .fetch_all(db)
    .await?;
    Ok(rows)
}

/// Forgets sightings that no overlap reaches any more.
pub async fn forget_before(
    db: &mut Db,
    connection_id: ConnectionId,
    feed: &str,
    before: Instant,
) -> Result<()> {
    sqlx::query!(
        "delete from sightings where connection_id = $1 and feed = $2 and seen_at < $3",
        connection_id.0,
        feed,
        before,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down what a full look that began at `began` lists, and returns the ids that are news: never listed by a
/// full look, or otherwise.
pub async fn note_look(
    db: &mut Db,
    connection_id: ConnectionId,
    feed: &str,
    rows: &[(i64, String)],
    began: Instant,
) -> Result<Vec<i64>> {
    let once: std::collections::BTreeMap<i64, &String> =
        rows.iter().map(|(id, digest)| (*id, digest)).collect();
    let ids: Vec<i64> = once.keys().copied().collect();
    let digests: Vec<String> = once.into_values().cloned().collect();
    let news = sqlx::query!(
        r#"with listed as (
             select entity_id, digest from unnest($3::bigint[], $4::text[]) as listed (entity_id, digest)
         ), known as (
             select s.entity_id, s.digest from sightings s join listed using (entity_id)
             where s.connection_id = $1 and s.feed = $2
         ), noted as (
             insert into sightings as s (connection_id, feed, entity_id, digest, seen_at)
             select $1, $2, entity_id, digest, $5 from listed order by entity_id
             on conflict (connection_id, feed, entity_id) do update
             set digest = excluded.digest, seen_at = greatest(s.seen_at, excluded.seen_at)
         )
         select l.entity_id as "entity_id!" from listed l left join known k using (entity_id)
         where k.digest is distinct from l.digest"#,
        connection_id.0,
        feed,
        &ids,
        &digests,
        began,
    )
    .fetch_all(db)
    .await?;
    Ok(news.into_iter().map(|row| row.entity_id).collect())
}

/// Forgets what a look that began at `began` has listed: it was broken off before anything came of it, so that the
/// next one has to take all of it for news.
pub async fn forget_look(db: &mut Db, connection_id: ConnectionId, began: Instant) -> Result<()> {
    let feeds = [LOOK_R, LOOK_MATRIX, LOOK_E].map(str::to_owned);
    sqlx::query!(
        "delete from sightings where connection_id = $1 and feed = any($2) and seen_at >= $3",
        connection_id.0,
        &feeds,
        began,
    )
    .execute(db)
    .await?;
    Ok(())
}
