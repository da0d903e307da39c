//! What metrics tell of the whole database: counts and ages over all connections that are worked on.

use std::time::Duration;

use super::{Db, Result};
use crate::clock::{Instant, before};

/// A product that is not known to be in step for longer is late.
pub const LATE: Duration = Duration::from_secs(90);

/// Counts and ages. Ages are in seconds, 0 where there is nothing to be old.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Products that wait for a visit.
    pub waiting: i64,
    /// Products that are being visited.
    pub running: i64,
    /// Of those that are not parked, since when the oldest is not known to be in step.
    pub oldest_unproven_seconds: i64,
    /// Products and variants with both halves.
    pub linked: i64,
    /// Of these, how many are not known to be in step for longer than [`LATE`], parked ones among them.
    pub late: i64,
    /// Conflicts that wait for a choice.
    pub conflicts_open: i64,
    /// Writes whose outcome is not known.
    pub writes_open: i64,
    /// Age of the oldest of these.
    pub oldest_open_write_seconds: i64,
    /// Since the last complete sweep of the connection that is worst off.
    pub sweep_age_seconds: i64,
    /// Products parked, by reason for programs.
    pub parked: Vec<(String, i64)>,
    /// Products that the brake holds, by what it keeps the sweep from.
    pub braked: Vec<(String, i64)>,
    /// Connections, by state.
    pub connections: Vec<(String, i64)>,
    /// Age of the oldest stored token, by kind.
    pub token_ages: Vec<(String, i64)>,
}

/// Reads all of it. Takes at most three seconds: what is slower is no figure worth a busy database.
pub async fn read(db: &mut Db, now: Instant) -> Result<Figures> {
    sqlx::query!("set local statement_timeout = 3000").execute(&mut *db).await?;
    let row = sqlx::query!(
        r#"with active as (
             select connection_id, coalesce(swept_at, created_at) as swept_at from connections where state = 'active'
           ), marks as (
             select count(*) filter (where parked_at is null and (leased_until is null or leased_until <= $1)) as waiting,
                    count(*) filter (where parked_at is null and leased_until > $1) as running,
                    min(marked_at) filter (where parked_at is null) as oldest
             from dirty join active using (connection_id)
           ), late as (
             select count(*) as late
             from dirty d join active using (connection_id) join links l using (connection_id, product_id)
             where d.marked_at < $2 and l.r_item_id is not null and l.e_product_id is not null
           ), halves as (
             select count(*) as linked from links join active using (connection_id)
             where r_item_id is not null and e_product_id is not null
           ), open as (
             select count(*) as writes, min(at) as oldest from ledger join active using (connection_id)
             where result is null
           ), torn as (
             select count(*) as conflicts from conflicts where state = 'open'
           )
           select waiting as "waiting!", running as "running!", marks.oldest as oldest_mark, late as "late!",
                  linked as "linked!", writes as "writes!", open.oldest as oldest_write,
                  conflicts as "conflicts!", (select min(swept_at) from active) as swept_at
           from marks, late, halves, open, torn"#,
        now,
        before(now, LATE),
    )
    .fetch_one(&mut *db)
    .await?;
    let age = |since: Option<Instant>| since.map_or(0, |since| (now - since).num_seconds().max(0));
    let parked = sqlx::query!(
        r#"select coalesce(park_code, '') as "code!", count(*) as "products!" from dirty
           where parked_at is not null group by 1"#
    );
    let parked = parked.fetch_all(&mut *db).await?;
    let braked =
        sqlx::query!(r#"select act, count(*) as "products!" from brakes where state = 'held' group by act"#);
    let braked = braked.fetch_all(&mut *db).await?;
    let connections = sqlx::query!(r#"select state, count(*) as "count!" from connections group by state"#);
    let connections = connections.fetch_all(&mut *db).await?;
    let tokens = sqlx::query!(
        r#"select kind, min(s.updated_at) as "oldest!" from secrets s join connections c using (connection_id)
           where c.state = 'active' and kind in ('r_access_token', 'r_refresh_token') group by kind"#
    );
    let tokens = tokens.fetch_all(&mut *db).await?;
    Ok(Figures {
        waiting: row.waiting,
        running: row.running,
        oldest_unproven_seconds: age(row.oldest_mark),
        linked: row.linked,
        late: row.late,
        conflicts_open: row.conflicts,
        writes_open: row.writes,
        oldest_open_write_seconds: age(row.oldest_write),
        sweep_age_seconds: age(row.swept_at),
        parked: parked.into_iter().map(|row| (row.code, row.products)).collect(),
        braked: braked.into_iter().map(|row| (row.act, row.products)).collect(),
        connections: connections.into_iter().map(|row| (row.state, row.count)).collect(),
        token_ages: tokens.into_iter().map(|row| (row.kind, age(Some(row.oldest)))).collect(),
    })
}
