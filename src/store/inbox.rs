//! The inbox: every genuine notice, written before it is acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use super::dirty::Asker;
use super::images::{self, Owner};
use super::links::{Half, Met, homes};
use super::{Db, Result, word};
use crate::catalog::Side;
use crate::clock::Instant;
use crate::ids::{ConnectionId, ProductId, SharedIds};
use crate::ledger::origin::Notice;
use crate::planted::{Mistake, planted};

/// How the types of notices about pictures begin.
const IMAGE: &str = "image.";

/// How the types of notices about categories begin, on either side.
pub const CATEGORY: &str = "category.";

/// How E-Series tells that the merchant has removed the application (e-series-api.md, section 12.3).
pub const UNINSTALLED: &str = "application.uninstalled";

/// A notice to be written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Whose.
    pub connection_id: ConnectionId,
    /// Which platform tells.
    pub side: Side,
    /// The sender's id of the event.
    pub event_id: String,
    /// Such as `product.updated`.
    pub event_type: String,
    /// The record it is about, if Concord works on that kind.
    pub record: Option<i64>,
    /// That record is a matrix of R-Series; else it is an item there, or a product of E-Series.
    pub is_matrix: bool,
}

/// Writes notices down, gives their records a home and marks them, all in the caller's transaction.
/// Notices that were seen before change nothing. Returns how many were new.
pub async fn accept(db: &mut Db, deliveries: &[Delivery], ids: &SharedIds, now: Instant) -> Result<usize> {
    let connections: Vec<uuid::Uuid> = deliveries.iter().map(|delivery| delivery.connection_id.0).collect();
    let sides: Vec<String> = deliveries.iter().map(|delivery| delivery.side.as_str().to_owned()).collect();
    let event = |delivery: &Delivery| match delivery.record {
        Some(record) if planted(Mistake::DedupeByContent) => format!("{} {record}", delivery.event_type),
        _ => delivery.event_id.clone(),
    };
    let events: Vec<String> = deliveries.iter().map(event).collect();
    let types: Vec<String> = deliveries.iter().map(|delivery| delivery.event_type.clone()).collect();
    let records: Vec<Option<i64>> = deliveries.iter().map(|delivery| delivery.record).collect();
    let new = sqlx::query!(
        r#"insert into inbox (connection_id, side, event_id, event_type, entity_id, received_at)
           select connection_id, side, event_id, event_type, entity_id, $6
           from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[])
                as new (connection_id, side, event_id, event_type, entity_id)
           on conflict do nothing
           returning connection_id, side, event_id, event_type, entity_id"#,
        &connections,
        &sides,
        &events,
        &types,
        &records as &[Option<i64>],
        now,
    )
    .fetch_all(&mut *db)
    .await?;
    let count = new.len();
    let mut trees: BTreeMap<uuid::Uuid, bool> = BTreeMap::new();

    // Grouped and ordered, so that two batches lock rows in the same order.
    let mut groups: BTreeMap<(uuid::Uuid, String, Half), Vec<(i64, String)>> = BTreeMap::new();
    let mut uninstalled = BTreeSet::new();
    let mut pictured: BTreeMap<uuid::Uuid, Vec<Owner>> = BTreeMap::new();
    let of_matrices: BTreeSet<(uuid::Uuid, &str)> = deliveries
        .iter()
        .zip(&events)
        .filter(|(delivery, _)| delivery.is_matrix)
        .map(|(delivery, event)| (delivery.connection_id.0, event.as_str()))
        .collect();
    for row in new {
        if row.side == "e_series" && row.event_type == UNINSTALLED {
            uninstalled.insert(ConnectionId(row.connection_id));
        }
        if row.event_type.starts_with(CATEGORY) {
            // The shop's own tree is followed at once; E-Series tells of each product that is put into a category.
            *trees.entry(row.connection_id).or_default() |= row.side != Side::ESeries.as_str();
        } else if let Some(record) = row.entity_id {
            let half = match row.side.as_str() {
                "e_series" => Half::EProducts,
                _ if of_matrices.contains(&(row.connection_id, row.event_id.as_str())) => Half::RMatrices,
                _ => Half::RItems,
            };
            if half != Half::EProducts && row.event_type.starts_with(IMAGE) {
                let owner = if half == Half::RMatrices { Owner::Matrix(record) } else { Owner::Item(record) };
                pictured.entry(row.connection_id).or_default().push(owner);
            }
            groups.entry((row.connection_id, row.side, half)).or_default().push((record, row.event_id));
        }
    }
    for ((connection, side, half), mut notices) in groups {
        notices.sort_unstable();
        let connection_id = ConnectionId(connection);
        let met = |(record, _): &(i64, String)| Met { id: *record, name: String::new(), sku: String::new() };
        let met: Vec<Met> = notices.iter().map(met).collect();
        let products = homes(&mut *db, connection_id, half, &met, ids, now).await?;
        let product_ids: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
        let event_ids: Vec<String> = notices.into_iter().map(|(_, event)| event).collect();
        sqlx::query!(
            "update inbox i set product_id = given.product_id
             from unnest($3::text[], $4::uuid[]) as given (event_id, product_id)
             where i.connection_id = $1 and i.side = $2 and i.event_id = given.event_id",
            connection,
            side,
            &event_ids,
            &product_ids,
        )
        .execute(&mut *db)
        .await?;
        let asker = if half == Half::EProducts { Asker::NoticeOnline } else { Asker::Notice };
        super::dirty::mark(&mut *db, connection_id, &products, asker, now, now).await?;
    }
    // After the rows of the dirty set: everybody locks them in this order.
    for (connection, urgent) in trees {
        super::trees::mark(&mut *db, ConnectionId(connection), urgent, now).await?;
    }
    for (connection, owners) in pictured {
        images::news(&mut *db, ConnectionId(connection), &owners).await?;
    }
    for connection_id in uninstalled {
        super::connections::told_uninstalled(&mut *db, connection_id, now).await?;
    }
    Ok(count)
}

/// Keeps a genuine notice about a store that is not connected.
pub async fn keep_stray(
    db: &mut Db,
    side: Side,
    event_id: &str,
    account: &str,
    event_type: &str,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "insert into strays (side, event_id, account, event_type, received_at) values ($1, $2, $3, $4, $5)
         on conflict do nothing",
        side.as_str(),
        event_id,
        account,
        event_type,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Notices of these products that no visit has explained yet.
pub async fn open(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
) -> Result<BTreeMap<ProductId, Vec<Notice>>> {
    let wanted: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query!(
        r#"select product_id as "product_id!", side, event_id, received_at from inbox
           where connection_id = $1 and product_id = any($2) and handled_at is null
           order by received_at, event_id"#,
        connection_id.0,
        &wanted,
    )
    .fetch_all(db)
    .await?;
    let mut notices: BTreeMap<ProductId, Vec<Notice>> = BTreeMap::new();
    for row in rows {
        let side = word(Side::parse(&row.side), "inbox.side", &row.side)?;
        let notice = Notice { side, event_id: row.event_id, received_at: row.received_at };
        notices.entry(ProductId(row.product_id)).or_default().push(notice);
    }
    Ok(notices)
}

/// Writes down what a notice turned out to mean.
pub async fn explain(
    db: &mut Db,
    connection_id: ConnectionId,
    notice: &Notice,
    meaning: &str,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "update inbox set handled_at = $4, meaning = $5
         where connection_id = $1 and side = $2 and event_id = $3",
        connection_id.0,
        notice.side.as_str(),
        notice.event_id,
        now,
        meaning,
    )
    .execute(db)
    .await?;
    Ok(())
}
