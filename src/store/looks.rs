//! What the pages of a run showed: kept until the run ends, so that its visits need not read it again.

use super::{Db, Result};
use crate::clock::Instant;
use crate::ids::{ConnectionId, ProductId, SyncId};

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An item of R-Series.
    RItem,
    /// A matrix of R-Series.
    RMatrix,
    /// A product of E-Series.
    EProduct,
}

impl Kind {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RItem => "r_item",
            Self::RMatrix => "r_matrix",
            Self::EProduct => "e_product",
        }
    }
}

/// Published and in stock: it can be sold at once.
pub const SELLABLE: i16 = 1;
/// Published.
pub const PUBLISHED: i16 = 2;
/// Neither.
pub const REST: i16 = 3;

/// A record as a page showed it.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// The platform's id.
    pub record_id: i64,
    /// Of an item: its matrix.
    pub matrix_id: Option<i64>,
    /// [`SELLABLE`], [`PUBLISHED`] or [`REST`].
    pub rank: i16,
    /// The record, as JSON.
    pub record: String,
}

/// Keeps a page. A record that is kept already, asked for later, stays.
pub async fn keep(
    db: &mut Db,
    (connection_id, sync_id): (ConnectionId, SyncId),
    kind: Kind,
    looks: &[Look],
    log_id: Option<i64>,
    asked_at: Instant,
) -> Result<()> {
    // The same record may stand on two pages.
    let once: std::collections::BTreeMap<i64, &Look> =
        looks.iter().map(|look| (look.record_id, look)).collect();
    let ids: Vec<i64> = once.keys().copied().collect();
    let matrices: Vec<Option<i64>> = once.values().map(|look| look.matrix_id).collect();
    let ranks: Vec<i16> = once.values().map(|look| look.rank).collect();
    let records: Vec<String> = once.values().map(|look| look.record.clone()).collect();
    sqlx::query!(
        "insert into looks as l (connection_id, kind, record_id, sync_id, matrix_id, rank, record, log_id, asked_at)
         select $1, $2, id, $3, matrix_id, rank, record, $8, $9
         from unnest($4::bigint[], $5::bigint[], $6::smallint[], $7::text[]) as new (id, matrix_id, rank, record)
         on conflict (connection_id, kind, record_id) do update
         set sync_id = excluded.sync_id, matrix_id = excluded.matrix_id, rank = excluded.rank,
             record = excluded.record, log_id = excluded.log_id, asked_at = excluded.asked_at
         where l.asked_at <= excluded.asked_at",
        connection_id.0,
        kind.as_str(),
        sync_id.0,
        &ids,
        &matrices as &[Option<i64>],
        &ranks,
        &records,
        log_id,
        asked_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A matrix can be sold as soon as one of its items can.
pub async fn rank_matrices(db: &mut Db, connection_id: ConnectionId) -> Result<()> {
    sqlx::query!(
        "update looks m set rank = least(m.rank, i.rank)
         from (select matrix_id, min(rank) as rank from looks
               where connection_id = $1 and kind = 'r_item' and matrix_id is not null group by matrix_id) i
         where m.connection_id = $1 and m.kind = 'r_matrix' and m.record_id = i.matrix_id and i.rank < m.rank",
        connection_id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A product of the shop that was listed: not a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Root {
    /// The product.
    pub product_id: ProductId,
    /// Its rank.
    pub rank: i16,
}

impl Root {
    /// As a cursor.
    #[must_use]
    pub fn to_cursor(self) -> String {
        format!("{}:{}", self.rank, self.product_id)
    }

    /// The reverse.
    #[must_use]
    pub fn parse(cursor: &str) -> Option<Self> {
        let (rank, product) = cursor.split_once(':')?;
        Some(Self { product_id: product.parse().ok()?, rank: rank.parse().ok()? })
    }
}

/// Up to `limit` products of the shop that were listed, those that can be sold first, behind this one.
pub async fn roots(
    db: &mut Db,
    connection_id: ConnectionId,
    behind: Option<Root>,
    limit: i64,
) -> Result<Vec<Root>> {
    let (rank, product) = behind.map_or((0, uuid::Uuid::nil()), |root| (root.rank, root.product_id.0));
    let rows = sqlx::query!(
        "select l.product_id, k.rank
         from looks k join links l on l.connection_id = k.connection_id
              and (k.kind = 'r_item' and l.r_item_id = k.record_id
                   or k.kind = 'r_matrix' and l.r_matrix_id = k.record_id)
         where k.connection_id = $1 and k.matrix_id is null and k.kind <> 'e_product'
           and (k.rank, l.product_id) > ($2, $3)
         order by k.rank, l.product_id limit $4",
        connection_id.0,
        rank,
        product,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| Root { product_id: ProductId(row.product_id), rank: row.rank }).collect())
}

/// One record of a product, as it was kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// Of which product.
    pub product_id: ProductId,
    /// It is the product's own record, and not one of its items.
    pub own: bool,
    /// The record, as JSON.
    pub record: String,
    /// Place in the inventory log that was read before it.
    pub log_id: Option<i64>,
    /// When the platform was asked for it.
    pub asked_at: Instant,
    /// May it be believed: nothing newer was ever seen of the product, and nobody said since that it changed?
    pub holds: bool,
}

/// What the shop's pages showed of these products: their own records, and of a matrix its items. A page that was asked
/// for within a second of being told of a change is not believed: two processes' clocks differ a little. Only
/// while the run that read them is at its visits, and asked for at `oldest` or later.
pub async fn of_shop(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
    oldest: Instant,
) -> Result<Vec<Kept>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query!(
        r#"select l.product_id, k.matrix_id is null or l.r_matrix_id is null as "own!", k.record, k.log_id, k.asked_at,
                  (k.asked_at >= $3 and k.asked_at >= coalesce(l.r_seen_at, '-infinity')
                   and k.asked_at > coalesce(d.r_told_at + interval '1 second', '-infinity')) as "holds!"
           from links l
           join looks k on k.connection_id = l.connection_id
                and (k.kind = 'r_item' and k.record_id = l.r_item_id
                     or k.kind = 'r_matrix' and k.record_id = l.r_matrix_id
                     or k.kind = 'r_item' and k.matrix_id = l.r_matrix_id)
           join syncs s on s.connection_id = k.connection_id and s.sync_id = k.sync_id
           left join dirty d on d.connection_id = l.connection_id and d.product_id = l.product_id
           where l.connection_id = $1 and l.product_id = any($2)
             and s.state in ('running', 'awaiting_approval')
             and s.phase in ('mark', 'mark_missing', 'visit', 'compare')
           order by k.record_id"#,
        connection_id.0,
        &products,
        oldest,
    )
    .fetch_all(db)
    .await?;
    let kept = rows.into_iter().map(|row| Kept {
        product_id: ProductId(row.product_id),
        own: row.own,
        record: row.record,
        log_id: row.log_id,
        asked_at: row.asked_at,
        holds: row.holds,
    });
    Ok(kept.collect())
}

/// These products of E-Series, as the run's pages showed them.
pub async fn of_web(db: &mut Db, connection_id: ConnectionId, ids: &[i64]) -> Result<Vec<String>> {
    let rows = sqlx::query_scalar!(
        "select record from looks where connection_id = $1 and kind = 'e_product' and record_id = any($2)",
        connection_id.0,
        ids,
    )
    .fetch_all(db)
    .await?;
    Ok(rows)
}

/// How many items, matrices and products of E-Series were listed.
pub async fn count(db: &mut Db, connection_id: ConnectionId) -> Result<(i64, i64, i64)> {
    let row = sqlx::query!(
        r#"select count(*) filter (where kind = 'r_item') as "items!",
                  count(*) filter (where kind = 'r_matrix') as "matrices!",
                  count(*) filter (where kind = 'e_product') as "products!"
           from looks where connection_id = $1"#,
        connection_id.0
    )
    .fetch_one(db)
    .await?;
    Ok((row.items, row.matrices, row.products))
}

/// Forgets everything that was kept of a connection: the run has ended, or another one begins.
pub async fn forget(db: &mut Db, connection_id: ConnectionId) -> Result<()> {
    sqlx::query!("delete from looks where connection_id = $1", connection_id.0).execute(&mut *db).await?;
    sqlx::query!("delete from listed_skus where connection_id = $1", connection_id.0).execute(db).await?;
    Ok(())
}
