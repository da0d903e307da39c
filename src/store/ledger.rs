//! The ledger's rows.

mod records;

use super::{Db, Result, word};
use crate::catalog::{Field, Side};
use crate::clock::Instant;
use crate::ids::{ConnectionId, EntryId, ProductId};
use crate::ledger::{Entry, Kind, Origin, Outcome};

pub use records::{
    Kept, birth, creation_before, creations_since, hand_over, kept, kept_last, open_births, were_on_offer,
};

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
                cause, detail, result, closed_at, undone_by
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
    undone_by: Option<uuid::Uuid>,
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
            undone_by: row.undone_by.map(EntryId),
        })
    }
}

/// Writes of these products whose outcome is not known, oldest first.
pub async fn open(db: &mut Db, connection_id: ConnectionId, products: &[ProductId]) -> Result<Vec<Entry>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after,
                source, cause, detail, result, closed_at, undone_by
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

/// How long before its time an entry's id may have been made.
const SLACK: chrono::TimeDelta = chrono::TimeDelta::hours(1);

/// The lowest id that can be made at `at`: ids begin with the milliseconds of their time, so the index leaves out what
/// is older.
pub(super) fn floor(at: Instant) -> uuid::Uuid {
    let millis = u64::try_from(at.timestamp_millis()).unwrap_or_default();
    uuid::Builder::from_unix_timestamp_millis(millis, &[0; 10]).into_uuid()
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
    /// Only entries of this kind.
    pub kind: Option<Kind>,
    /// Only with this result; `open` for writes that have none yet.
    pub result: Option<&'static str>,
    /// Only from this time on.
    pub since: Option<Instant>,
    /// Only before this time.
    pub until: Option<Instant>,
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
                source, cause, detail, result, closed_at, undone_by
         from ledger
         where connection_id = $1 and ($2::uuid is null or product_id = $2) and ($3::text is null or origin = $3)
           and ($4::text is null or side = $4) and ($5::text is null or field = $5)
           and ($6::uuid is null or entry_id < $6)
           and ($8::text is null or kind = $8) and ($9::text is null or coalesce(result, 'open') = $9)
           and ($10::timestamptz is null or at >= $10) and ($11::timestamptz is null or at < $11)
           and ($12::uuid is null or entry_id >= $12)
         order by entry_id desc limit $7",
        connection_id.0,
        query.product_id.map(|product| product.0),
        query.origin.map(Origin::as_str),
        query.side.map(Side::as_str),
        query.field.map(Field::as_str),
        query.before.map(|entry| entry.0),
        query.limit,
        query.kind.map(Kind::as_str),
        query.result,
        query.since,
        query.until,
        query.since.map(|since| floor(since - SLACK)),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// The history of a field, newest first: what was written, learned, held, and created or tied with it.
pub async fn history(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    field: Field,
    before: Option<EntryId>,
    limit: i64,
) -> Result<Vec<Entry>> {
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after,
                source, cause, detail, result, closed_at, undone_by
         from ledger
         where connection_id = $1 and product_id = $2
           and (field = $3 or field is null and kind in ('create', 'remove', 'link'))
           and ($4::uuid is null or entry_id < $4)
         order by entry_id desc limit $5",
        connection_id.0,
        product_id.0,
        field.as_str(),
        before.map(|entry| entry.0),
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}

/// Why a field is what it is: the newest entry that moved it, or with which its product was created or tied.
pub async fn explanation(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    field: Field,
) -> Result<Option<Entry>> {
    let row = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after,
                source, cause, detail, result, closed_at, undone_by
         from ledger
         where connection_id = $1 and product_id = $2 and result = 'landed'
           and (field = $3 and kind in ('write', 'stock', 'verdict')
                or field is null and kind in ('create', 'link'))
         order by entry_id desc limit 1",
        connection_id.0,
        product_id.0,
        field.as_str(),
    )
    .fetch_optional(db)
    .await?;
    row.map(Entry::try_from).transpose()
}

/// Is this the newest word about the E-Series half of its product?
pub async fn is_newest_of_half(db: &mut Db, entry: &Entry) -> Result<bool> {
    let later = sqlx::query_scalar!(
        r#"select exists (select from ledger where connection_id = $1 and product_id = $2 and entry_id > $3
             and kind in ('create', 'remove', 'link') and result = 'landed') as "later!""#,
        entry.connection_id.0,
        entry.product_id.map(|product| product.0),
        entry.entry_id.0,
    )
    .fetch_one(db)
    .await?;
    Ok(!later)
}

/// Which writes a run is made of.
#[derive(Debug, Clone)]
pub enum Run {
    /// Writes with exactly this cause, such as an order.
    Cause(String),
    /// Writes that travelled in one call.
    Call(uuid::Uuid),
    /// Writes that no notice had led to, from one time to another.
    Span(Instant, Instant),
}

/// Up to `limit` writes of a run, product by product.
pub async fn of_run(db: &mut Db, connection_id: ConnectionId, run: &Run, limit: i64) -> Result<Vec<Entry>> {
    let (cause, call, span) = match run {
        Run::Cause(cause) => (Some(cause.as_str()), None, None),
        Run::Call(call) => (None, Some(*call), None),
        Run::Span(since, until) => (None, None, Some((*since, *until))),
    };
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, entry_id, call_id, at, kind, origin, side, product_id, field, before, after,
                source, cause, detail, result, closed_at, undone_by
         from ledger
         where connection_id = $1 and kind in ('write', 'create', 'remove', 'stock') and product_id is not null
           and ($2::text is null or cause = $2) and ($3::uuid is null or call_id = $3)
           and ($4::timestamptz is null
                or at >= $4 and at <= $5 and entry_id >= $6 and origin <> 'operator'
                   and (cause is null or cause not like 'notice %'))
         order by product_id, entry_id limit $7",
        connection_id.0,
        cause,
        call,
        span.map(|(since, _)| since),
        span.map(|(_, until)| until),
        span.map(|(since, _)| floor(since - SLACK)),
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Entry::try_from).collect()
}
