//! Connections and their sealed secrets.

use super::{Db, Result, StoreError, word};
use crate::clock::Instant;
use crate::ids::ConnectionId;

/// Is a connection worked on?
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Worked on.
    Active,
    /// Stopped by an operator. Notices are still taken in.
    Paused,
    /// Stopped because credentials or rights do not suffice. Notices are still taken in.
    NeedsAttention,
}

impl State {
    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::NeedsAttention => "needs_attention",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Paused, Self::NeedsAttention].into_iter().find(|state| state.as_str() == text)
    }
}

/// One merchant's pair of accounts, without secrets.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Id.
    pub connection_id: ConnectionId,
    /// What the operator calls it.
    pub name: String,
    /// Is it worked on?
    pub state: State,
    /// Why not, in words.
    pub state_reason: Option<String>,
    /// R-Series `accountID`.
    pub r_account_id: i64,
    /// R-Series shops whose stock is summed.
    pub r_shop_ids: Vec<i64>,
    /// R-Series shop in which stock sold on the web is booked.
    pub r_primary_shop_id: i64,
    /// R-Series price level of the web.
    pub r_online_level_id: Option<i64>,
    /// E-Series `storeId`.
    pub e_store_id: i64,
    /// E-Series `maxProductLimit`.
    pub e_product_limit: Option<i64>,
    /// E-Series `currencyPrecision`, once it is known.
    pub e_price_decimals: Option<i16>,
    /// Whether the plan of the store has variations, once that is known.
    pub e_variations: Option<bool>,
    /// Products online when E-Series said that it takes no more.
    pub e_full_at: Option<i64>,
    /// When `maxProductLimit` was last read again.
    pub e_limit_read_at: Option<Instant>,
    /// Plan name.
    pub plan: String,
    /// Settings.
    pub settings: serde_json::Value,
    /// Register, employee and payment type of sales booked from the web.
    pub web_sale: Option<serde_json::Value>,
    /// When it was connected.
    pub created_at: Instant,
    /// When the last sweep ended.
    pub swept_at: Option<Instant>,
    /// When the next is due.
    pub sweep_due_at: Instant,
    /// What the last sweep found that no notice had told.
    pub sweep_found: i64,
    /// Grows when other tokens are stored.
    pub token_generation: i64,
    /// When E-Series told that the application was removed, until that was looked into.
    pub e_uninstalled_at: Option<Instant>,
}

struct Raw {
    connection_id: uuid::Uuid,
    name: String,
    state: String,
    state_reason: Option<String>,
    r_account_id: i64,
    r_shop_ids: Vec<i64>,
    r_primary_shop_id: i64,
    r_online_level_id: Option<i64>,
    e_store_id: i64,
    e_product_limit: Option<i64>,
    e_price_decimals: Option<i16>,
    e_variations: Option<bool>,
    e_full_at: Option<i64>,
    e_limit_read_at: Option<Instant>,
    plan: String,
    settings: serde_json::Value,
    web_sale: Option<serde_json::Value>,
    created_at: Instant,
    swept_at: Option<Instant>,
    sweep_due_at: Instant,
    sweep_found: i64,
    token_generation: i64,
    e_uninstalled_at: Option<Instant>,
}

impl TryFrom<Raw> for Row {
    type Error = StoreError;
    fn try_from(raw: Raw) -> Result<Self> {
        Ok(Self {
            connection_id: ConnectionId(raw.connection_id),
            name: raw.name,
            state: word(State::parse(&raw.state), "connections.state", &raw.state)?,
            state_reason: raw.state_reason,
            r_account_id: raw.r_account_id,
            r_shop_ids: raw.r_shop_ids,
            r_primary_shop_id: raw.r_primary_shop_id,
            r_online_level_id: raw.r_online_level_id,
            e_store_id: raw.e_store_id,
            e_product_limit: raw.e_product_limit,
            e_price_decimals: raw.e_price_decimals,
            e_variations: raw.e_variations,
            e_full_at: raw.e_full_at,
            e_limit_read_at: raw.e_limit_read_at,
            plan: raw.plan,
            settings: raw.settings,
            web_sale: raw.web_sale,
            created_at: raw.created_at,
            swept_at: raw.swept_at,
            sweep_due_at: raw.sweep_due_at,
            sweep_found: raw.sweep_found,
            token_generation: raw.token_generation,
            e_uninstalled_at: raw.e_uninstalled_at,
        })
    }
}

/// Writes a new connection down.
pub async fn insert(db: &mut Db, row: &Row) -> Result<()> {
    sqlx::query!(
        "insert into connections (connection_id, name, state, r_account_id, r_shop_ids, r_primary_shop_id,
                                  r_online_level_id, e_store_id, e_product_limit, plan, settings, created_at,
                                  updated_at, sweep_due_at, web_sale, e_price_decimals, e_variations)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12, $13, $14, $15, $16)",
        row.connection_id.0,
        row.name,
        row.state.as_str(),
        row.r_account_id,
        &row.r_shop_ids,
        row.r_primary_shop_id,
        row.r_online_level_id,
        row.e_store_id,
        row.e_product_limit,
        row.plan,
        row.settings,
        row.created_at,
        row.sweep_due_at,
        row.web_sale,
        row.e_price_decimals,
        row.e_variations,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One connection, or all, in the order in which they were made.
pub async fn load(db: &mut Db, only: Option<ConnectionId>) -> Result<Vec<Row>> {
    let rows = sqlx::query_as!(
        Raw,
        "select connection_id, name, state, state_reason, r_account_id, r_shop_ids, r_primary_shop_id,
                r_online_level_id, e_store_id, e_product_limit, e_price_decimals, e_variations, e_full_at,
                e_limit_read_at, plan, settings, web_sale, created_at, swept_at, sweep_due_at, sweep_found,
                token_generation, e_uninstalled_at
         from connections where $1::uuid is null or connection_id = $1 order by connection_id",
        only.map(|connection| connection.0),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::try_from).collect()
}

/// One connection.
pub async fn get(db: &mut Db, connection_id: ConnectionId) -> Result<Option<Row>> {
    Ok(load(db, Some(connection_id)).await?.pop())
}

/// The connection of an E-Series store.
pub async fn by_store(db: &mut Db, e_store_id: i64) -> Result<Option<ConnectionId>> {
    let id = sqlx::query_scalar!("select connection_id from connections where e_store_id = $1", e_store_id)
        .fetch_optional(db)
        .await?;
    Ok(id.map(ConnectionId))
}

/// Changes what an operator chooses: name, plan, settings, shops, and what follows from them for sales of the web.
pub async fn update(db: &mut Db, row: &Row, now: Instant) -> Result<()> {
    sqlx::query!(
        "update connections set name = $2, plan = $3, settings = $4, updated_at = $5, web_sale = $6,
             r_shop_ids = $7, r_primary_shop_id = $8,
             sweep_due_at = least(sweep_due_at, $5),
             e_full_at = case when (plan, settings) is distinct from ($3, $4) then null else e_full_at end
         where connection_id = $1",
        row.connection_id.0,
        row.name,
        row.plan,
        row.settings,
        now,
        row.web_sale,
        &row.r_shop_ids,
        row.r_primary_shop_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Sets whether it is worked on. True when that changed anything.
pub async fn set_state(
    db: &mut Db,
    connection_id: ConnectionId,
    state: State,
    reason: Option<&str>,
    now: Instant,
) -> Result<bool> {
    let done = sqlx::query!(
        "update connections set state = $2, state_reason = $3, updated_at = $4
         where connection_id = $1 and state <> $2",
        connection_id.0,
        state.as_str(),
        reason,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Other tokens are stored for it: what processes have in memory is void, whatever hindered it may be over, and the
/// next sweep is due. One that an operator has paused stays so. What `proved` says of shops, price level and sales of the
/// web is how it is now.
pub async fn tokens_replaced(db: &mut Db, proved: &Row, now: Instant) -> Result<()> {
    sqlx::query!(
        "update connections set token_generation = token_generation + 1, e_uninstalled_at = null,
             state_reason = case when state = 'needs_attention' then null else state_reason end,
             state = case when state = 'needs_attention' then 'active' else state end,
             sweep_due_at = least(sweep_due_at, $2), updated_at = $2, web_sale = $3,
             r_shop_ids = $4, r_primary_shop_id = $5, r_online_level_id = $6
         where connection_id = $1",
        proved.connection_id.0,
        now,
        proved.web_sale,
        &proved.r_shop_ids,
        proved.r_primary_shop_id,
        proved.r_online_level_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// E-Series tells that the application was removed from the store: the next sweep is due now, and looks into it.
pub async fn told_uninstalled(db: &mut Db, connection_id: ConnectionId, now: Instant) -> Result<()> {
    sqlx::query!(
        "update connections set e_uninstalled_at = $2, sweep_due_at = least(sweep_due_at, $2)
         where connection_id = $1",
        connection_id.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// That was looked into.
pub async fn not_uninstalled(db: &mut Db, connection_id: ConnectionId, told_at: Instant) -> Result<()> {
    sqlx::query!(
        "update connections set e_uninstalled_at = null where connection_id = $1 and e_uninstalled_at = $2",
        connection_id.0,
        told_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets a connection with everything it has.
pub async fn delete(db: &mut Db, connection_id: ConnectionId) -> Result<bool> {
    let done =
        sqlx::query!("delete from connections where connection_id = $1", connection_id.0).execute(db).await?;
    Ok(done.rows_affected() == 1)
}

/// Up to `limit` active connections whose sweep is due, longest waiting first, leaving out `busy` ones; of `only`
/// these, if given.
pub async fn sweep_due(
    db: &mut Db,
    only: Option<&[ConnectionId]>,
    busy: &[ConnectionId],
    limit: i64,
    now: Instant,
) -> Result<Vec<Row>> {
    let busy: Vec<uuid::Uuid> = busy.iter().map(|connection| connection.0).collect();
    let only: Option<Vec<uuid::Uuid>> = only.map(|only| only.iter().map(|connection| connection.0).collect());
    let rows = sqlx::query_as!(
        Raw,
        "select connection_id, name, state, state_reason, r_account_id, r_shop_ids, r_primary_shop_id,
                r_online_level_id, e_store_id, e_product_limit, e_price_decimals, e_variations, e_full_at,
                e_limit_read_at, plan, settings, web_sale, created_at, swept_at, sweep_due_at, sweep_found,
                token_generation, e_uninstalled_at
         from connections where state = 'active' and sweep_due_at <= $1 and connection_id <> all($2)
           and ($4::uuid[] is null or connection_id = any($4))
         order by sweep_due_at, connection_id limit $3",
        now,
        &busy,
        limit,
        only.as_deref(),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Row::try_from).collect()
}

/// Takes the sweep of a connection for oneself by moving its due time; false when somebody else was first.
pub async fn take_sweep(
    db: &mut Db,
    connection_id: ConnectionId,
    was_due_at: Instant,
    due_at: Instant,
) -> Result<bool> {
    let done = sqlx::query!(
        "update connections set sweep_due_at = $3 where connection_id = $1 and sweep_due_at = $2",
        connection_id.0,
        was_due_at,
        due_at,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A sweep is complete; counting what it finds starts anew.
pub async fn swept(db: &mut Db, connection_id: ConnectionId, now: Instant) -> Result<()> {
    sqlx::query!(
        "update connections set swept_at = $2, sweep_found = 0 where connection_id = $1",
        connection_id.0,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The sweep found a change that no notice had told.
pub async fn found_by_sweep(db: &mut Db, connection_id: ConnectionId) -> Result<()> {
    sqlx::query!(
        "update connections set sweep_found = sweep_found + 1 where connection_id = $1",
        connection_id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// When the next sweep of an active connection is due.
pub async fn next_sweep(db: &mut Db) -> Result<Option<Instant>> {
    Ok(sqlx::query_scalar!("select min(sweep_due_at) from connections where state = 'active'")
        .fetch_one(db)
        .await?)
}

/// Writes a sealed secret down.
pub async fn put_secret(
    db: &mut Db,
    connection_id: ConnectionId,
    kind: &str,
    sealed: &[u8],
    key_id: &str,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "insert into secrets (connection_id, kind, sealed, key_id, updated_at) values ($1, $2, $3, $4, $5)
         on conflict (connection_id, kind) do update
         set sealed = excluded.sealed, key_id = excluded.key_id, updated_at = excluded.updated_at",
        connection_id.0,
        kind,
        sealed,
        key_id,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A sealed secret, kept from everybody else who would replace it until the transaction ends.
pub async fn lock_secret(db: &mut Db, connection_id: ConnectionId, kind: &str) -> Result<Option<Vec<u8>>> {
    let row = sqlx::query_scalar!(
        "select sealed from secrets where connection_id = $1 and kind = $2 for update",
        connection_id.0,
        kind
    )
    .fetch_optional(db)
    .await?;
    Ok(row)
}

/// A sealed secret.
pub async fn get_secret(db: &mut Db, connection_id: ConnectionId, kind: &str) -> Result<Option<Vec<u8>>> {
    let row = sqlx::query_scalar!(
        "select sealed from secrets where connection_id = $1 and kind = $2",
        connection_id.0,
        kind
    )
    .fetch_optional(db)
    .await?;
    Ok(row)
}

/// Forgets a secret.
pub async fn drop_secret(db: &mut Db, connection_id: ConnectionId, kind: &str) -> Result<()> {
    sqlx::query!("delete from secrets where connection_id = $1 and kind = $2", connection_id.0, kind)
        .execute(db)
        .await?;
    Ok(())
}

/// When a secret was last replaced, if there is one.
pub async fn secret_since(db: &mut Db, connection_id: ConnectionId, kind: &str) -> Result<Option<Instant>> {
    let since = sqlx::query_scalar!(
        "select updated_at from secrets where connection_id = $1 and kind = $2",
        connection_id.0,
        kind
    )
    .fetch_optional(db)
    .await?;
    Ok(since)
}
