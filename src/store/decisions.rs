//! What an operator decided about products that are on one side alone.

use std::collections::BTreeMap;

use super::{Db, Result, word};
use crate::ids::{ConnectionId, EntryId, ProductId};

/// What is to become of a product that is on one side alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// Born on E-Series: create it on R-Series.
    CreateOnRSeries,
    /// Deleted on E-Series: create it there again.
    Recreate,
    /// Deleted on E-Series: take it off the web in the shop as well.
    Unpublish,
}

impl Choice {
    const WORDS: [(Self, &'static str); 3] = [
        (Self::CreateOnRSeries, "create_on_r_series"),
        (Self::Recreate, "recreate"),
        (Self::Unpublish, "unpublish"),
    ];

    /// The word in the database and the ledger.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(choice, _)| *choice == self).map_or("", |(_, word)| word)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, word)| *word == text).map(|(choice, _)| *choice)
    }
}

/// One decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What was decided.
    pub choice: Choice,
    /// The ledger entry that tells of it.
    pub entry_id: EntryId,
}

/// Writes a decision down; a newer one replaces an older one. Mark the product first: rows of the dirty set are locked
/// before any other.
pub async fn put(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    decision: Decision,
) -> Result<()> {
    sqlx::query!(
        "insert into decisions (connection_id, product_id, choice, entry_id) values ($1, $2, $3, $4)
         on conflict (connection_id, product_id) do update
         set choice = excluded.choice, entry_id = excluded.entry_id",
        connection_id.0,
        product_id.0,
        decision.choice.as_str(),
        decision.entry_id.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The decisions about these products.
pub async fn of(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
) -> Result<BTreeMap<ProductId, Decision>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query!(
        "select product_id, choice, entry_id from decisions where connection_id = $1 and product_id = any($2)",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let choice = word(Choice::parse(&row.choice), "decisions.choice", &row.choice)?;
            Ok((ProductId(row.product_id), Decision { choice, entry_id: EntryId(row.entry_id) }))
        })
        .collect()
}

/// This very decision has been seen to; one that came meanwhile stays.
pub async fn done(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    decision: Decision,
) -> Result<()> {
    sqlx::query!(
        "delete from decisions where connection_id = $1 and product_id = $2 and entry_id = $3",
        connection_id.0,
        product_id.0,
        decision.entry_id.0,
    )
    .execute(db)
    .await?;
    Ok(())
}
