//! The categories of the shop, and which category of the store each is. Rows are written by whoever holds the lease of
//! the tree, but for homes of categories that a product was seen in.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Db, Result, json, word};
use crate::catalog::{Hold, Looks, Shelf, ShelfState, Tree};
use crate::clock::{Instant, before};
use crate::ids::{ConnectionId, ProductId};
use crate::ledger::Entry;

/// A category of the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Category {
    /// R-Series `categoryID`.
    pub r_id: i64,
    /// E-Series category id.
    pub e_id: Option<i64>,
    /// R-Series `parentID`; 0 for a root.
    pub parent_id: i64,
    /// Name in the shop.
    pub name: String,
    /// Names from the root down.
    pub path: Vec<String>,
    /// Place in the display order of the shop.
    pub position: Option<i32>,
    /// How it stands.
    pub state: ShelfState,
    /// The shop has it no more.
    pub gone: bool,
    /// Why it waits or is held.
    pub hold: Option<Hold>,
    /// As last carried.
    pub wanted: Option<Looks>,
    /// As E-Series showed it then.
    pub shown: Option<Looks>,
    /// What the store last refused.
    pub tried: Option<Looks>,
    /// Tries in a row that were turned away.
    pub failures: i32,
    /// When what was turned away is tried again.
    pub retry_at: Option<Instant>,
    /// How often an edit on E-Series was set back within the hour.
    pub set_backs: i32,
    /// When that hour began.
    pub set_back_at: Option<Instant>,
}

impl Category {
    /// A category that has not been seen to.
    #[must_use]
    pub fn new(r_id: i64) -> Self {
        Self {
            r_id,
            e_id: None,
            parent_id: 0,
            name: String::new(),
            path: Vec::new(),
            position: None,
            state: ShelfState::Waiting,
            gone: false,
            hold: None,
            wanted: None,
            shown: None,
            tried: None,
            failures: 0,
            retry_at: None,
            set_backs: 0,
            set_back_at: None,
        }
    }
}

struct Row {
    r_category_id: i64,
    e_category_id: Option<i64>,
    r_parent_id: i64,
    name: String,
    path: Vec<String>,
    position: Option<i32>,
    state: String,
    gone: bool,
    code: Option<String>,
    reason: Option<String>,
    wanted: Option<serde_json::Value>,
    shown: Option<serde_json::Value>,
    tried: Option<serde_json::Value>,
    failures: i32,
    retry_at: Option<Instant>,
    set_backs: i32,
    set_back_at: Option<Instant>,
}

impl TryFrom<Row> for Category {
    type Error = super::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        // What cannot be read is not known: the next look sees how it stands.
        let looks = |json: Option<serde_json::Value>| json.and_then(|json| serde_json::from_value(json).ok());
        Ok(Self {
            r_id: row.r_category_id,
            e_id: row.e_category_id,
            parent_id: row.r_parent_id,
            name: row.name,
            path: row.path,
            position: row.position,
            state: word(ShelfState::parse(&row.state), "categories.state", &row.state)?,
            gone: row.gone,
            hold: row.code.zip(row.reason).map(|(code, reason)| Hold { code, reason }),
            wanted: looks(row.wanted),
            shown: looks(row.shown),
            tried: looks(row.tried),
            failures: row.failures,
            retry_at: row.retry_at,
            set_backs: row.set_backs,
            set_back_at: row.set_back_at,
        })
    }
}

/// Every category of a connection that is known, those that are gone too.
pub async fn load(db: &mut Db, connection_id: ConnectionId) -> Result<BTreeMap<i64, Category>> {
    let rows = sqlx::query_as!(
        Row,
        "select r_category_id, e_category_id, r_parent_id, name, path, position, state, gone, code, reason, wanted,
                shown, tried, failures, retry_at, set_backs, set_back_at
         from categories where connection_id = $1",
        connection_id.0,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| Category::try_from(row).map(|row| (row.r_id, row))).collect()
}

/// The tree as far as products are concerned.
pub async fn tree(db: &mut Db, connection_id: ConnectionId) -> Result<Tree> {
    let stuck = super::trees::stuck(&mut *db, connection_id).await?;
    let shelf = |row: Category| Shelf {
        path: row.path,
        online: row.e_id,
        state: row.state,
        gone: row.gone,
        hold: row.hold,
    };
    let shelves = load(db, connection_id).await?.into_iter().map(|(id, row)| (id, shelf(row)));
    Ok(Tree::new(shelves.collect(), stuck))
}

/// Writes a category down.
pub async fn save(db: &mut Db, connection_id: ConnectionId, row: &Category, now: Instant) -> Result<()> {
    let looks = |looks: &Option<Looks>| looks.as_ref().map(json).transpose();
    sqlx::query!(
        "insert into categories (connection_id, r_category_id, e_category_id, r_parent_id, name, path, position,
                                 state, gone, code, reason, wanted, shown, tried, failures, retry_at, set_backs,
                                 set_back_at, updated_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
         on conflict (connection_id, r_category_id) do update set
             e_category_id = excluded.e_category_id, r_parent_id = excluded.r_parent_id, name = excluded.name,
             path = excluded.path, position = excluded.position, state = excluded.state, gone = excluded.gone,
             code = excluded.code, reason = excluded.reason, wanted = excluded.wanted, shown = excluded.shown,
             tried = excluded.tried, failures = excluded.failures, retry_at = excluded.retry_at,
             set_backs = excluded.set_backs, set_back_at = excluded.set_back_at, updated_at = excluded.updated_at",
        connection_id.0,
        row.r_id,
        row.e_id,
        row.parent_id,
        row.name,
        &row.path,
        row.position,
        row.state.as_str(),
        row.gone,
        row.hold.as_ref().map(|hold| hold.code.as_str()),
        row.hold.as_ref().map(|hold| hold.reason.as_str()),
        looks(&row.wanted)?,
        looks(&row.shown)?,
        looks(&row.tried)?,
        row.failures,
        row.retry_at,
        row.set_backs,
        row.set_back_at,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives a category that a product was seen in a home, so that the next look at the tree finds out about it.
pub async fn home(db: &mut Db, connection_id: ConnectionId, r_id: i64, now: Instant) -> Result<()> {
    sqlx::query!(
        "insert into categories (connection_id, r_category_id, updated_at) values ($1, $2, $3)
         on conflict (connection_id, r_category_id) do nothing",
        connection_id.0,
        r_id,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Has everything that was refused tried again at the next look.
pub async fn try_again(db: &mut Db, connection_id: ConnectionId) -> Result<()> {
    sqlx::query!(
        "update categories set retry_at = null, tried = null where connection_id = $1 and tried is not null",
        connection_id.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The code of a category whose removal an operator has let pass.
pub const RELEASED: &str = "released";

/// Lets removals pass that are held with this code, each once. Returns how many.
pub async fn release(db: &mut Db, connection_id: ConnectionId, held: &str) -> Result<i64> {
    let done = sqlx::query!(
        "update categories set code = $3 where connection_id = $1 and code = $2 and state = 'held'",
        connection_id.0,
        held,
        RELEASED,
    )
    .execute(db)
    .await?;
    Ok(i64::try_from(done.rows_affected()).unwrap_or(i64::MAX))
}

/// How the categories of a connection stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// There, as the shop has them.
    pub in_step: i64,
    /// To be seen to.
    pub waiting: i64,
    /// Held with a reason.
    pub held: i64,
}

/// Counts of one connection.
pub async fn counts(db: &mut Db, connection_id: ConnectionId) -> Result<Counts> {
    let row = sqlx::query!(
        r#"select count(*) filter (where state = 'in_step') as "in_step!",
                  count(*) filter (where state = 'waiting') as "waiting!",
                  count(*) filter (where state = 'held') as "held!"
           from categories where connection_id = $1"#,
        connection_id.0,
    )
    .fetch_one(db)
    .await?;
    Ok(Counts { in_step: row.in_step, waiting: row.waiting, held: row.held })
}

/// Lists categories in display order, those that the shop has no more last; none of which nothing is left.
pub async fn list(
    db: &mut Db,
    connection_id: ConnectionId,
    state: Option<ShelfState>,
    after: Option<(i32, i64)>,
    limit: i64,
) -> Result<Vec<Category>> {
    let (position, id) = after.unzip();
    let rows = sqlx::query_as!(
        Row,
        "select r_category_id, e_category_id, r_parent_id, name, path, position, state, gone, code, reason, wanted,
                shown, tried, failures, retry_at, set_backs, set_back_at
         from categories
         where connection_id = $1 and state <> 'gone' and ($2::text is null or state = $2)
           and ($3::int is null or (coalesce(position, 2147483647), r_category_id) > ($3, $4::bigint))
         order by coalesce(position, 2147483647), r_category_id limit $5",
        connection_id.0,
        state.map(ShelfState::as_str),
        position,
        id,
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Category::try_from).collect()
}

/// Writes of categories whose outcome is not known, oldest first.
pub async fn open_writes(db: &mut Db, connection_id: ConnectionId) -> Result<Vec<Entry>> {
    let ids = sqlx::query_scalar!(
        "select entry_id from ledger
         where connection_id = $1 and product_id is null and result is null and detail->>'of' = 'category'
         order by at, entry_id",
        connection_id.0,
    )
    .fetch_all(&mut *db)
    .await?;
    let mut entries = Vec::new();
    for id in ids {
        entries.extend(super::ledger::get(&mut *db, connection_id, crate::ids::EntryId(id)).await?);
    }
    Ok(entries)
}

/// How many categories were removed from E-Series within `span`.
pub async fn removed_within(
    db: &mut Db,
    connection_id: ConnectionId,
    span: Duration,
    now: Instant,
) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from ledger
           where connection_id = $1 and kind = 'remove' and product_id is null and at > $2
             and detail->>'of' = 'category' and result is distinct from 'not_landed'
             and result is distinct from 'refused'"#,
        connection_id.0,
        before(now, span),
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

/// Those of these products of E-Series that no item of the shop belongs to.
pub async fn online_only(db: &mut Db, connection_id: ConnectionId, e_products: &[i64]) -> Result<Vec<i64>> {
    let rows = sqlx::query_scalar!(
        r#"select id as "id!" from unnest($2::bigint[]) as id
           where not exists (select from links l where l.connection_id = $1 and l.e_product_id = id
                               and l.parent_id is null and coalesce(l.r_item_id, l.r_matrix_id) is not null)"#,
        connection_id.0,
        e_products,
    )
    .fetch_all(db)
    .await?;
    Ok(rows)
}

/// Products whose category could not be carried, or whose last known one is this.
pub async fn concerned(db: &mut Db, connection_id: ConnectionId, removed: &[i64]) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select product_id from links
         where connection_id = $1 and parent_id is null
           and (holds ? 'category'
                or (shadow->'r_series'->'category'->>'id')::bigint = any($2)
                or (shadow->'e_series'->'category'->>'id')::bigint = any($2))
         order by product_id",
        connection_id.0,
        removed,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Gives notices about categories their meaning: those that came before the look began.
pub async fn explain(
    db: &mut Db,
    connection_id: ConnectionId,
    [changed_r, changed_e]: [&[i64]; 2],
    began: Instant,
    now: Instant,
) -> Result<()> {
    sqlx::query!(
        "update inbox i set handled_at = $5, meaning = case
             when i.side = 'r_series' and i.entity_id = any($2) then 'change'
             when i.side = 'e_series' and i.entity_id = any($3) then 'change'
             when i.side = 'e_series' and exists (
                 select from categories c join ledger l on l.connection_id = c.connection_id
                     and l.product_id is null and l.detail->>'of' = 'category'
                     and l.detail->>'category_id' = c.r_category_id::text and l.at <= i.received_at
                 where c.connection_id = i.connection_id and c.e_category_id = i.entity_id) then 'echo'
             else 'nothing' end
         where i.connection_id = $1 and i.product_id is null and i.handled_at is null
           and i.event_type like 'category.%' and i.received_at <= $4",
        connection_id.0,
        changed_r,
        changed_e,
        began,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}
