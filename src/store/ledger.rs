//! The ledger's rows, and the conflicts they tell of.

mod records;

use super::{Db, Result, word};
use crate::catalog::{Field, Side};
use crate::clock::Instant;
use crate::ids::{ConflictId, ConnectionId, EntryId, ProductId};
use crate::ledger::{Entry, Kind, Origin, Outcome};

pub use records::{Kept, birth, creation_before, creations_since, hand_over, kept, kept_last, open_births};

/// Writes an entry down.
pub async fn insert(db: &mut Db, entry: &Entry) -> Result<()> {
    sqlx::query!(
        "insert into ledger (connection_id, entry_id, call_id, at, kind, origin, side, product_id, field,
                             before, after, source, cause, detail, result, closed_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)",
        entry.connection_id.0,
        entry.entry_id.0,
        entry.call_id,
        entry.at,
        entry.kind.as_str(),
        entry.origin.as_str(),
        entry.side.map(Side::as_str),
        entry.product_id.map(|product| product.0),
        entry.field.map(Field::as_str),
        entry.before,
        entry.after,
        entry.source,
        entry.cause,
        entry.detail,
        entry.result.map(Outcome::as_str),
        entry.closed_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down what became of a write. A write that was closed already stays as it is.
pub async fn close(
    db: &mut Db,
    connection_id: ConnectionId,
    entry_id: EntryId,
    result: Outcome,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "update ledger set result = $3, closed_at = $4
         where connection_id = $1 and entry_id = $2 and result is null",
        connection_id.0,
        entry_id.0,
        result.as_str(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds to an open write what was learned about it on the way.
pub async fn detail(
    db: &mut Db,
    connection_id: ConnectionId,
    entry_id: EntryId,
    detail: &serde_json::Value,
) -> Result<()> {
    sqlx::query!(
        "update ledger set detail = $3 where connection_id = $1 and entry_id = $2 and result is null",
        connection_id.0,
        entry_id.0,
        detail,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One entry.
pub async fn get(db: &mut Db, connection_id: ConnectionId, entry_id: EntryId) -> Result<Option<Entry>> {
    let row = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after, source,
                cause, detail, result, closed_at
         from ledger where connection_id = $1 and entry_id = $2",
        connection_id.0,
        entry_id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Entry::try_from).transpose()
}

/// Sum of the pieces that later writes are known to have added on one side of a product.
pub async fn added_since(db: &mut Db, entry: &Entry, side: Side) -> Result<i64> {
    let sum = sqlx::query_scalar!(
        r#"select coalesce(sum((detail->>'delta')::bigint), 0)::bigint as "sum!" from ledger
           where connection_id = $1 and product_id = $2 and side = $3 and kind = 'stock'
             and result = 'landed' and (at, entry_id) > ($4, $5)"#,
        entry.connection_id.0,
        entry.product_id.map(|product| product.0),
        side.as_str(),
        entry.at,
        entry.entry_id.0,
    )
    .fetch_one(db)
    .await?;
    Ok(sum)
}

struct Row {
    connection_id: uuid::Uuid,
    entry_id: uuid::Uuid,
    call_id: Option<uuid::Uuid>,
    at: Instant,
    kind: String,
    origin: String,
    side: Option<String>,
    product_id: Option<uuid::Uuid>,
    field: Option<String>,
    before: Option<serde_json::Value>,
    after: Option<serde_json::Value>,
    source: Option<serde_json::Value>,
    cause: Option<String>,
    detail: Option<serde_json::Value>,
    result: Option<String>,
    closed_at: Option<Instant>,
}

impl TryFrom<Row> for Entry {
    type Error = super::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let side = row.side.map(|text| word(Side::parse(&text), "ledger.side", &text)).transpose()?;
        let field = row.field.map(|text| word(Field::parse(&text), "ledger.field", &text)).transpose()?;
        let result =
            row.result.map(|text| word(Outcome::parse(&text), "ledger.result", &text)).transpose()?;
        Ok(Self {
            connection_id: ConnectionId(row.connection_id),
            entry_id: EntryId(row.entry_id),
            call_id: row.call_id,
            at: row.at,
            kind: word(Kind::parse(&row.kind), "ledger.kind", &row.kind)?,
            origin: word(Origin::parse(&row.origin), "ledger.origin", &row.origin)?,
            side,
            product_id: row.product_id.map(ProductId),
            field,
            before: row.before,
            after: row.after,
            source: row.source,
            cause: row.cause,
            detail: row.detail,
            result,
            closed_at: row.closed_at,
        })
    }
}

/// Writes of these products whose outcome is not known, oldest first.
pub async fn open(db: &mut Db, connection_id: ConnectionId, products: &[ProductId]) -> Result<Vec<Entry>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after,
                source, cause, detail, result, closed_at
         from ledger where connection_id = $1 and product_id = any($2) and result is null order by at, entry_id",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// How many writes of a connection have no known outcome.
pub async fn count_open(db: &mut Db, connection_id: ConnectionId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from ledger where connection_id = $1 and result is null"#,
        connection_id.0
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

/// The newest landed write on one side of a product, and when it was sent.
pub async fn last_write(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    side: Side,
) -> Result<Option<(EntryId, Instant)>> {
    let row = sqlx::query!(
        "select entry_id, at from ledger
         where connection_id = $1 and side = $3
           and (product_id = $2 or product_id in (select l.product_id from links l
                                                  where l.connection_id = $1 and l.parent_id = $2))
           and kind in ('write', 'create', 'remove', 'stock') and result = 'landed'
         order by at desc, entry_id desc limit 1",
        connection_id.0,
        product_id.0,
        side.as_str(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| (EntryId(row.entry_id), row.at)))
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only this product.
    pub product_id: Option<ProductId>,
    /// Only changes from here.
    pub origin: Option<Origin>,
    /// Only this side.
    pub side: Option<Side>,
    /// Only this field.
    pub field: Option<Field>,
    /// Continue behind (older than) this entry.
    pub before: Option<EntryId>,
    /// At most so many.
    pub limit: i64,
}

/// Lists entries, newest first.
pub async fn list(db: &mut Db, connection_id: ConnectionId, query: &ListQuery) -> Result<Vec<Entry>> {
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after,
                source, cause, detail, result, closed_at
         from ledger
         where connection_id = $1 and ($2::uuid is null or product_id = $2) and ($3::text is null or origin = $3)
           and ($4::text is null or side = $4) and ($5::text is null or field = $5)
           and ($6::uuid is null or entry_id < $6)
         order by entry_id desc limit $7",
        connection_id.0,
        query.product_id.map(|product| product.0),
        query.origin.map(Origin::as_str),
        query.side.map(Side::as_str),
        query.field.map(Field::as_str),
        query.before.map(|entry| entry.0),
        query.limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// A field that both sides changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Conflict {
    /// Id.
    pub conflict_id: ConflictId,
    /// The product.
    pub product_id: ProductId,
    /// The field.
    pub field: Field,
    /// What R-Series said.
    pub r_value: serde_json::Value,
    /// What E-Series said.
    pub e_value: serde_json::Value,
    /// Whose value was taken; none while it is open.
    pub winner: Option<Side>,
    /// When it was found.
    pub at: Instant,
    /// The write that settled it.
    pub entry_id: Option<EntryId>,
}

/// Writes a conflict down. One that is open already for this field takes the newer values.
pub async fn insert_conflict(db: &mut Db, connection_id: ConnectionId, conflict: &Conflict) -> Result<()> {
    sqlx::query!(
        "insert into conflicts (connection_id, conflict_id, product_id, field, r_value, e_value, state, winner,
                                at, entry_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
         on conflict (connection_id, product_id, field) where state = 'open'
         do update set r_value = excluded.r_value, e_value = excluded.e_value",
        connection_id.0,
        conflict.conflict_id.0,
        conflict.product_id.0,
        conflict.field.as_str(),
        conflict.r_value,
        conflict.e_value,
        if conflict.winner.is_some() { "decided" } else { "open" },
        conflict.winner.map(Side::as_str),
        conflict.at,
        conflict.entry_id.map(|entry| entry.0),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Closes open conflicts of a product whose field is no longer held.
pub async fn settle_conflicts(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    still_held: &[Field],
) -> Result<()> {
    let held: Vec<String> = still_held.iter().map(|field| field.as_str().to_owned()).collect();
    sqlx::query!(
        "update conflicts set state = 'resolved'
         where connection_id = $1 and product_id = $2 and state = 'open' and field <> all($3)",
        connection_id.0,
        product_id.0,
        &held,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How many conflicts wait for a choice.
pub async fn count_conflicts(db: &mut Db, connection_id: ConnectionId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from conflicts where connection_id = $1 and state = 'open'"#,
        connection_id.0
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

/// Lists conflicts, newest first: decided ones too, since their loser can still be looked up.
pub async fn list_conflicts(
    db: &mut Db,
    connection_id: ConnectionId,
    before: Option<ConflictId>,
    limit: i64,
) -> Result<Vec<Conflict>> {
    let rows = sqlx::query!(
        "select conflict_id, product_id, field, r_value, e_value, winner, at, entry_id from conflicts
         where connection_id = $1 and ($2::uuid is null or conflict_id < $2) order by conflict_id desc limit $3",
        connection_id.0,
        before.map(|conflict| conflict.0),
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let winner =
                row.winner.map(|text| word(Side::parse(&text), "conflicts.winner", &text)).transpose()?;
            Ok(Conflict {
                conflict_id: ConflictId(row.conflict_id),
                product_id: ProductId(row.product_id),
                field: word(Field::parse(&row.field), "conflicts.field", &row.field)?,
                r_value: row.r_value,
                e_value: row.e_value,
                winner,
                at: row.at,
                entry_id: row.entry_id.map(EntryId),
            })
        })
        .collect()
}
