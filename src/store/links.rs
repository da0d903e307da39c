//! Which R-Series item is which E-Series product.

mod homes;
mod listing;
mod variants;

use std::collections::{BTreeMap, BTreeSet};

use super::{Db, Result, json, typed, word};
use crate::catalog::{Facts, Field, Hold};
use crate::clock::Instant;
use crate::decide::Shadow;
use crate::ids::{ConnectionId, ProductId};

pub use homes::{Half, Met, homes, label, not_listed, of_items, only_online, tied};
pub use listing::{ListQuery, Listed, list};
pub use variants::{
    Alone, Parent, Variant, VariationHalf, adopt, alone, called, move_to, of_parent, parents, variations,
};

/// How a product stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Not looked at yet.
    New,
    /// Both halves are known.
    Linked,
    /// Born on E-Series; R-Series has no such item.
    OnlyOnline,
    /// Archived in the shop.
    Archived,
    /// Was linked; deleted on E-Series.
    GoneOnline,
    /// Was linked; vanished from R-Series.
    GoneInShop,
}

impl Standing {
    const WORDS: [(Self, &'static str); 6] = [
        (Self::New, "new"),
        (Self::Linked, "linked"),
        (Self::OnlyOnline, "only_online"),
        (Self::Archived, "archived"),
        (Self::GoneOnline, "gone_online"),
        (Self::GoneInShop, "gone_in_shop"),
    ];

    /// The word in the database.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(standing, _)| *standing == self).map_or("new", |(_, word)| word)
    }

    fn parse(text: &str) -> Option<Self> {
        Self::WORDS.iter().find(|(_, word)| *word == text).map(|(standing, _)| *standing)
    }
}

/// Fields that stay as they are, with the reason.
pub type Holds = BTreeMap<Field, Hold>;

/// A product as Concord knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Whose.
    pub connection_id: ConnectionId,
    /// Id.
    pub product_id: ProductId,
    /// R-Series `itemID`, of a simple product or a variant.
    pub r_item_id: Option<i64>,
    /// R-Series `itemMatrixID`, of a product with variants.
    pub r_matrix_id: Option<i64>,
    /// E-Series product id; of a variant, the product its variation belongs to.
    pub e_product_id: Option<i64>,
    /// E-Series variation (combination) id, of a variant.
    pub e_combination_id: Option<i64>,
    /// The product a variant belongs to.
    pub parent_id: Option<ProductId>,
    /// How it stands.
    pub standing: Standing,
    /// What each side showed when last in step.
    pub shadow: Shadow,
    /// Fields that stay as they are.
    pub holds: Holds,
    /// Pieces to put back on R-Series.
    pub owed_on_r: i64,
    /// The shop in which they are to be put back; the primary one unless it is known.
    pub owed_shop_id: Option<i64>,
    /// The shops over which the stock in the shadow was summed, while it is known.
    pub r_stock_shops: Option<Vec<i64>>,
    /// Name when last looked at.
    pub name: String,
    /// SKU when last looked at.
    pub sku: String,
    /// Offered on the web when last looked at.
    pub enabled: bool,
    /// When both sides were last seen in step.
    pub proven_at: Option<Instant>,
    /// When R-Series was asked for what this visit compares the product with; none for a link as it was read.
    pub r_seen_at: Option<Instant>,
}

struct Row {
    connection_id: uuid::Uuid,
    product_id: uuid::Uuid,
    r_item_id: Option<i64>,
    r_matrix_id: Option<i64>,
    e_product_id: Option<i64>,
    e_combination_id: Option<i64>,
    parent_id: Option<uuid::Uuid>,
    standing: String,
    shadow: serde_json::Value,
    holds: serde_json::Value,
    owed_on_r: i64,
    owed_shop_id: Option<i64>,
    r_stock_shops: Option<Vec<i64>>,
    name: String,
    sku: String,
    enabled: bool,
    proven_at: Option<Instant>,
}

impl TryFrom<Row> for Link {
    type Error = super::StoreError;
    fn try_from(row: Row) -> Result<Self> {
        Ok(Self {
            connection_id: ConnectionId(row.connection_id),
            product_id: ProductId(row.product_id),
            r_item_id: row.r_item_id,
            r_matrix_id: row.r_matrix_id,
            e_product_id: row.e_product_id,
            e_combination_id: row.e_combination_id,
            parent_id: row.parent_id.map(ProductId),
            standing: word(Standing::parse(&row.standing), "links.standing", &row.standing)?,
            shadow: typed(row.shadow, "links.shadow")?,
            holds: typed(row.holds, "links.holds")?,
            owed_on_r: row.owed_on_r,
            owed_shop_id: row.owed_shop_id,
            r_stock_shops: row.r_stock_shops,
            name: row.name,
            sku: row.sku,
            enabled: row.enabled,
            proven_at: row.proven_at,
            r_seen_at: None,
        })
    }
}

/// These products, in no particular order.
pub async fn load(db: &mut Db, connection_id: ConnectionId, products: &[ProductId]) -> Result<Vec<Link>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, product_id, r_item_id, r_matrix_id, e_product_id, e_combination_id, parent_id,
                standing, shadow, holds, owed_on_r, owed_shop_id, r_stock_shops, name, sku, enabled, proven_at
         from links where connection_id = $1 and product_id = any($2)",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Link::try_from).collect()
}

/// The product that has this E-Series product, or this variation of it, as its half.
pub async fn by_e_half(
    db: &mut Db,
    connection_id: ConnectionId,
    (e_product_id, e_combination_id): (i64, Option<i64>),
) -> Result<Option<Link>> {
    let row = sqlx::query_as!(
        Row,
        "select connection_id, product_id, r_item_id, r_matrix_id, e_product_id, e_combination_id, parent_id,
                standing, shadow, holds, owed_on_r, owed_shop_id, r_stock_shops, name, sku, enabled, proven_at
         from links
         where connection_id = $1 and e_product_id = $2 and e_combination_id is not distinct from $3",
        connection_id.0,
        e_product_id,
        e_combination_id,
    )
    .fetch_optional(db)
    .await?;
    row.map(Link::try_from).transpose()
}

/// Who shows this SKU on E-Series, as far as is known.
pub async fn with_sku_online(db: &mut Db, connection_id: ConnectionId, sku: &str) -> Result<Vec<Link>> {
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, product_id, r_item_id, r_matrix_id, e_product_id, e_combination_id, parent_id,
                standing, shadow, holds, owed_on_r, owed_shop_id, r_stock_shops, name, sku, enabled, proven_at
         from links
         where connection_id = $1 and e_product_id is not null and btrim(shadow->'e_series'->>'sku') = btrim($2)",
        connection_id.0,
        sku,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Link::try_from).collect()
}

/// Who is held, for this reason, from showing this SKU on E-Series that it has in the shop.
pub async fn held_with_sku(
    db: &mut Db,
    connection_id: ConnectionId,
    code: &str,
    sku: &str,
) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select product_id from links
         where connection_id = $1 and holds->'sku'->>'code' = $2 and btrim(sku) = btrim($3)",
        connection_id.0,
        code,
        sku,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// How many other products show this SKU and have an R-Series half: more than none makes a match by SKU unsafe.
pub async fn others_with_sku(
    db: &mut Db,
    connection_id: ConnectionId,
    sku: &str,
    besides: ProductId,
) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from links
           where connection_id = $1 and sku = $2 and r_item_id is not null and product_id <> $3
             and standing not in ('archived', 'gone_in_shop')"#,
        connection_id.0,
        sku,
        besides.0,
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

/// Those of these SKUs that several items have.
pub async fn shared_skus(
    db: &mut Db,
    connection_id: ConnectionId,
    skus: &[String],
) -> Result<BTreeSet<String>> {
    let shared = sqlx::query_scalar!(
        "select sku from links
         where connection_id = $1 and sku = any($2) and r_item_id is not null
           and standing not in ('archived', 'gone_in_shop')
         group by sku having count(*) > 1",
        connection_id.0,
        skus,
    )
    .fetch_all(db)
    .await?;
    Ok(shared.into_iter().collect())
}

impl Link {
    /// Is it a product by itself on E-Series, and no variation?
    #[must_use]
    pub fn stands_alone(&self) -> bool {
        self.e_product_id.is_some() && self.e_combination_id.is_none()
    }

    /// Its record on E-Series is gone, and what it showed is no news any more.
    pub fn lose_online_half(&mut self) {
        (self.e_product_id, self.e_combination_id) = (None, None);
        self.shadow.e_series = Facts::new();
        self.holds.clear();
        self.enabled = false;
    }
}

/// Writes everything of a link that its own visit may move; where it belongs, others say as well ([`move_to`]).
pub async fn save(db: &mut Db, link: &Link, now: Instant) -> Result<()> {
    sqlx::query!(
        "update links set r_item_id = $3, e_product_id = $4, standing = $5, shadow = $6, holds = $7,
                owed_on_r = $8, name = $9, sku = $10, enabled = $11, proven_at = $12,
                linked_at = case when coalesce($3::bigint, $14) is null or $4::bigint is null then null
                                 else coalesce(linked_at, $13) end,
                r_matrix_id = $14, e_combination_id = $15,
                r_seen_at = greatest(r_seen_at, $16), owed_shop_id = $17, r_stock_shops = $18
         where connection_id = $1 and product_id = $2",
        link.connection_id.0,
        link.product_id.0,
        link.r_item_id,
        link.e_product_id,
        link.standing.as_str(),
        json(&link.shadow)?,
        json(&link.holds)?,
        link.owed_on_r,
        link.name,
        link.sku,
        link.enabled,
        link.proven_at,
        now,
        link.r_matrix_id,
        link.e_combination_id,
        link.r_seen_at,
        link.owed_shop_id,
        link.r_stock_shops.as_deref(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Lets go of the holds of a product that have this code: what they stand for is tried again.
pub async fn lift(db: &mut Db, connection_id: ConnectionId, product_id: ProductId, code: &str) -> Result<()> {
    sqlx::query!(
        "update links
         set holds = (select coalesce(jsonb_object_agg(field, hold), '{}') from jsonb_each(holds) as each (field, hold)
                      where hold->>'code' <> $3)
         where connection_id = $1 and product_id = $2",
        connection_id.0,
        product_id.0,
        code,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes the half link of an E-Series product or variation out of the way, so that `heir` can have it. Its
/// notices move to the heir. False when it belongs to a link with an R-Series half.
pub async fn absorb_half(
    db: &mut Db,
    connection_id: ConnectionId,
    e_half: (i64, Option<i64>),
    heir: ProductId,
) -> Result<bool> {
    let Some(half) = by_e_half(&mut *db, connection_id, e_half).await? else { return Ok(true) };
    if half.product_id == heir {
        return Ok(true);
    }
    if half.r_item_id.is_some() || half.r_matrix_id.is_some() {
        return Ok(false);
    }
    inherit(db, connection_id, half.product_id, heir).await?;
    Ok(true)
}

/// The same for the half link of an R-Series item or matrix. False when it belongs to a link with an E-Series half.
pub async fn absorb_r_half(
    db: &mut Db,
    connection_id: ConnectionId,
    (item_id, matrix_id): (Option<i64>, Option<i64>),
    heir: ProductId,
) -> Result<bool> {
    let row = sqlx::query!(
        "select product_id, e_product_id from links
         where connection_id = $1 and (r_item_id = $2 or r_matrix_id = $3)",
        connection_id.0,
        item_id,
        matrix_id,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(true) };
    if row.product_id == heir.0 {
        return Ok(true);
    }
    if row.e_product_id.is_some() {
        return Ok(false);
    }
    sqlx::query!(
        "update links set parent_id = $3 where connection_id = $1 and parent_id = $2",
        connection_id.0,
        row.product_id,
        heir.0,
    )
    .execute(&mut *db)
    .await?;
    inherit(db, connection_id, ProductId(row.product_id), heir).await?;
    Ok(true)
}

/// Forgets a half link, whose notices and open writes go to the heir. One that was being written is visited again by
/// whoever has it now.
async fn inherit(db: &mut Db, connection_id: ConnectionId, half: ProductId, heir: ProductId) -> Result<()> {
    sqlx::query!(
        "update inbox set product_id = $3 where connection_id = $1 and product_id = $2",
        connection_id.0,
        half.0,
        heir.0,
    )
    .execute(&mut *db)
    .await?;
    delete(&mut *db, connection_id, half).await?;
    // After that: whoever was about to write held the row of the dirty set that went with the link.
    if super::ledger::hand_over(&mut *db, connection_id, half, heir).await? {
        sqlx::query!(
            "update dirty set generation = generation + 1 where connection_id = $1 and product_id = $2",
            connection_id.0,
            heir.0,
        )
        .execute(db)
        .await?;
    }
    Ok(())
}

/// Forgets a link, with its place in the dirty set.
pub async fn delete(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<()> {
    sqlx::query!(
        "delete from links where connection_id = $1 and product_id = $2",
        connection_id.0,
        product_id.0
    )
    .execute(db)
    .await?;
    Ok(())
}

/// How many links have both halves.
pub async fn count_linked(db: &mut Db, connection_id: ConnectionId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from links
           where connection_id = $1 and r_item_id is not null and e_product_id is not null"#,
        connection_id.0,
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}

/// How many products are released and have a field that is held.
pub async fn count_held(db: &mut Db, connection_id: ConnectionId) -> Result<i64> {
    let count = sqlx::query_scalar!(
        r#"select count(*) as "count!" from links l
           where l.connection_id = $1 and l.holds <> '{}'::jsonb
             and not exists (select 1 from dirty d
                             where d.connection_id = l.connection_id and d.product_id = l.product_id)"#,
        connection_id.0,
    )
    .fetch_one(db)
    .await?;
    Ok(count)
}
