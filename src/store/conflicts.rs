//! Fields that both sides changed.

use super::{Db, Result, word};
use crate::catalog::{Field, Side};
use crate::clock::Instant;
use crate::ids::{ConflictId, ConnectionId, EntryId, ProductId};

/// How a conflict stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ConflictState)]
pub enum State {
    /// Waits for a choice.
    Open,
    /// The field's rule has decided; the losing value can be chosen instead.
    Decided,
    /// An operator has chosen, or the sides have become the same by themselves.
    Resolved,
}

impl State {
    /// The word in the database and the REST interface.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Decided => "decided",
            Self::Resolved => "resolved",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Open, Self::Decided, Self::Resolved].into_iter().find(|state| state.as_str() == text)
    }
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
    /// How it stands.
    pub state: State,
    /// Whose value was taken; none while it is open.
    pub winner: Option<Side>,
    /// When it was found.
    pub at: Instant,
    /// The write that settled it.
    pub entry_id: Option<EntryId>,
}

/// Writes a conflict down. One that is open already for this field takes the newer values.
pub async fn insert(db: &mut Db, connection_id: ConnectionId, conflict: &Conflict) -> Result<()> {
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
        conflict.state.as_str(),
        conflict.winner.map(Side::as_str),
        conflict.at,
        conflict.entry_id.map(|entry| entry.0),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Closes open conflicts of a product whose field is no longer held.
pub async fn settle(
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
pub async fn count_open(db: &mut Db, connection_id: ConnectionId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from conflicts where connection_id = $1 and state = 'open'"#,
        connection_id.0
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

struct Row {
    conflict_id: uuid::Uuid,
    product_id: uuid::Uuid,
    field: String,
    r_value: serde_json::Value,
    e_value: serde_json::Value,
    state: String,
    winner: Option<String>,
    at: Instant,
    entry_id: Option<uuid::Uuid>,
}

impl TryFrom<Row> for Conflict {
    type Error = super::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        let winner =
            row.winner.map(|text| word(Side::parse(&text), "conflicts.winner", &text)).transpose()?;
        Ok(Self {
            conflict_id: ConflictId(row.conflict_id),
            product_id: ProductId(row.product_id),
            field: word(Field::parse(&row.field), "conflicts.field", &row.field)?,
            r_value: row.r_value,
            e_value: row.e_value,
            state: word(State::parse(&row.state), "conflicts.state", &row.state)?,
            winner,
            at: row.at,
            entry_id: row.entry_id.map(EntryId),
        })
    }
}

/// Lists conflicts, newest first: decided ones too, since their loser can still be chosen.
pub async fn list(
    db: &mut Db,
    connection_id: ConnectionId,
    state: Option<State>,
    before: Option<ConflictId>,
    limit: i64,
) -> Result<Vec<Conflict>> {
    let rows = sqlx::query_as!(
        Row,
        "select conflict_id, product_id, field, r_value, e_value, state, winner, at, entry_id from conflicts
         where connection_id = $1 and ($2::uuid is null or conflict_id < $2) and ($4::text is null or state = $4)
         order by conflict_id desc limit $3",
        connection_id.0,
        before.map(|conflict| conflict.0),
        limit,
        state.map(State::as_str),
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Conflict::try_from).collect()
}

/// One conflict.
pub async fn get(db: &mut Db, connection_id: ConnectionId, id: ConflictId) -> Result<Option<Conflict>> {
    let row = sqlx::query_as!(
        Row,
        "select conflict_id, product_id, field, r_value, e_value, state, winner, at, entry_id from conflicts
         where connection_id = $1 and conflict_id = $2",
        connection_id.0,
        id.0,
    )
    .fetch_optional(db)
    .await?;
    row.map(Conflict::try_from).transpose()
}

/// The newest conflict of each field of a product.
pub async fn newest(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
) -> Result<Vec<Conflict>> {
    let rows = sqlx::query_as!(
        Row,
        "select distinct on (field) conflict_id, product_id, field, r_value, e_value, state, winner, at, entry_id
         from conflicts where connection_id = $1 and product_id = $2 order by field, conflict_id desc",
        connection_id.0,
        product_id.0,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Conflict::try_from).collect()
}

/// An operator has chosen: the conflict is resolved, and the chosen side won.
pub async fn resolve(
    db: &mut Db,
    connection_id: ConnectionId,
    id: ConflictId,
    choice: Side,
    order: EntryId,
) -> Result<()> {
    sqlx::query!(
        "update conflicts set state = 'resolved', winner = $3, entry_id = $4
         where connection_id = $1 and conflict_id = $2",
        connection_id.0,
        id.0,
        choice.as_str(),
        order.0,
    )
    .execute(db)
    .await?;
    Ok(())
}
