//! Which R-Series item is which E-Series product.

use std::collections::BTreeMap;

use super::{Db, Result, json, typed, word};
use crate::catalog::{Field, Hold};
use crate::clock::Instant;
use crate::decide::Shadow;
use crate::ids::{ConnectionId, ProductId, SharedIds};

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
    /// R-Series `itemID`.
    pub r_item_id: Option<i64>,
    /// E-Series product id.
    pub e_product_id: Option<i64>,
    /// How it stands.
    pub standing: Standing,
    /// What each side showed when last in step.
    pub shadow: Shadow,
    /// Fields that stay as they are.
    pub holds: Holds,
    /// Pieces to put back on R-Series.
    pub owed_on_r: i64,
    /// Name when last looked at.
    pub name: String,
    /// SKU when last looked at.
    pub sku: String,
    /// Offered on the web when last looked at.
    pub enabled: bool,
    /// When both sides were last seen in step.
    pub proven_at: Option<Instant>,
}

struct Row {
    connection_id: uuid::Uuid,
    product_id: uuid::Uuid,
    r_item_id: Option<i64>,
    e_product_id: Option<i64>,
    standing: String,
    shadow: serde_json::Value,
    holds: serde_json::Value,
    owed_on_r: i64,
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
            e_product_id: row.e_product_id,
            standing: word(Standing::parse(&row.standing), "links.standing", &row.standing)?,
            shadow: typed(row.shadow, "links.shadow")?,
            holds: typed(row.holds, "links.holds")?,
            owed_on_r: row.owed_on_r,
            name: row.name,
            sku: row.sku,
            enabled: row.enabled,
            proven_at: row.proven_at,
        })
    }
}

/// These products, in no particular order.
pub async fn load(db: &mut Db, connection_id: ConnectionId, products: &[ProductId]) -> Result<Vec<Link>> {
    let products: Vec<uuid::Uuid> = products.iter().map(|product| product.0).collect();
    let rows = sqlx::query_as!(
        Row,
        "select connection_id, product_id, r_item_id, e_product_id, standing, shadow, holds, owed_on_r,
                name, sku, enabled, proven_at
         from links where connection_id = $1 and product_id = any($2)",
        connection_id.0,
        &products,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(Link::try_from).collect()
}

/// The product that has this E-Series product as its half.
pub async fn by_e_product(
    db: &mut Db,
    connection_id: ConnectionId,
    e_product_id: i64,
) -> Result<Option<Link>> {
    let row = sqlx::query_as!(
        Row,
        "select connection_id, product_id, r_item_id, e_product_id, standing, shadow, holds, owed_on_r,
                name, sku, enabled, proven_at
         from links where connection_id = $1 and e_product_id = $2",
        connection_id.0,
        e_product_id,
    )
    .fetch_optional(db)
    .await?;
    row.map(Link::try_from).transpose()
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

/// Which half of a link a platform's id is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// R-Series items.
    RItems,
    /// E-Series products.
    EProducts,
}

/// A record met in a list: its id, and name and SKU if the list shows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Met {
    /// The platform's id.
    pub id: i64,
    /// Name, for lists.
    pub name: String,
    /// SKU, for lists and matching.
    pub sku: String,
}

/// Gives every record a home: records that Concord has not heard of become half a link. Returns the product of each, in the order of `records`.
pub async fn homes(
    db: &mut Db,
    connection_id: ConnectionId,
    half: Half,
    records: &[Met],
    ids: &SharedIds,
    now: Instant,
) -> Result<Vec<ProductId>> {
    // Each record once, and in one order for everyone who locks several rows.
    let once: BTreeMap<i64, &Met> = records.iter().map(|record| (record.id, record)).collect();
    let fresh: Vec<uuid::Uuid> = once.keys().map(|_| ProductId::new(ids, now).0).collect();
    let wanted: Vec<i64> = once.keys().copied().collect();
    let names: Vec<String> = once.values().map(|record| record.name.clone()).collect();
    let skus: Vec<String> = once.values().map(|record| record.sku.clone()).collect();
    let known: BTreeMap<i64, uuid::Uuid> = match half {
        Half::RItems => {
            sqlx::query!(
                "insert into links (connection_id, product_id, r_item_id, standing, name, sku, created_at)
                 select $1, product_id, id, 'new', name, sku, $6
                 from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[]) as new (product_id, id, name, sku)
                 on conflict (connection_id, r_item_id) do nothing",
                connection_id.0,
                &fresh,
                &wanted,
                &names,
                &skus,
                now,
            )
            .execute(&mut *db)
            .await?;
            sqlx::query!(
                r#"select r_item_id as "id!", product_id from links
                   where connection_id = $1 and r_item_id = any($2)"#,
                connection_id.0,
                &wanted,
            )
            .fetch_all(db)
            .await?
            .into_iter()
            .map(|row| (row.id, row.product_id))
            .collect()
        }
        Half::EProducts => {
            sqlx::query!(
                "insert into links (connection_id, product_id, e_product_id, standing, name, sku, created_at)
                 select $1, product_id, id, 'new', name, sku, $6
                 from unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[]) as new (product_id, id, name, sku)
                 on conflict (connection_id, e_product_id) do nothing",
                connection_id.0,
                &fresh,
                &wanted,
                &names,
                &skus,
                now,
            )
            .execute(&mut *db)
            .await?;
            sqlx::query!(
                r#"select e_product_id as "id!", product_id from links
                   where connection_id = $1 and e_product_id = any($2)"#,
                connection_id.0,
                &wanted,
            )
            .fetch_all(db)
            .await?
            .into_iter()
            .map(|row| (row.id, row.product_id))
            .collect()
        }
    };
    Ok(records.iter().filter_map(|record| known.get(&record.id).copied().map(ProductId)).collect())
}

/// The products of those items that Concord has heard of.
pub async fn of_items(db: &mut Db, connection_id: ConnectionId, items: &[i64]) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select product_id from links where connection_id = $1 and r_item_id = any($2)",
        connection_id.0,
        items,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Products with a half that a full look which began at `began` did not list, although Concord knew of it before.
/// That is no proof that the record is gone: it has to be asked for by id. Feeds are named as in sightings.
pub async fn not_listed(
    db: &mut Db,
    connection_id: ConnectionId,
    (r_feed, e_feed): (&str, &str),
    began: Instant,
) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select product_id from links l
         where connection_id = $1 and created_at < $4
           and (r_item_id is not null and standing <> 'gone_in_shop'
                and not exists (select 1 from sightings s
                                where s.connection_id = $1 and s.feed = $2 and s.entity_id = l.r_item_id
                                  and s.seen_at >= $4)
                or e_product_id is not null and standing <> 'gone_online'
                and not exists (select 1 from sightings s
                                where s.connection_id = $1 and s.feed = $3 and s.entity_id = l.e_product_id
                                  and s.seen_at >= $4))",
        connection_id.0,
        r_feed,
        e_feed,
        began,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Notes name and SKU of products that have not been visited yet, so that lists show them and twins by SKU
/// are known. Everyone who locks rows of the dirty set as well locks those first.
pub async fn label(
    db: &mut Db,
    connection_id: ConnectionId,
    products: &[ProductId],
    records: &[Met],
) -> Result<()> {
    let once: BTreeMap<ProductId, &Met> = products.iter().copied().zip(records).collect();
    let ids: Vec<uuid::Uuid> = once.keys().map(|product| product.0).collect();
    let names: Vec<String> = once.values().map(|record| record.name.clone()).collect();
    let skus: Vec<String> = once.values().map(|record| record.sku.clone()).collect();
    sqlx::query!(
        "update links l set name = given.name, sku = given.sku
         from unnest($2::uuid[], $3::text[], $4::text[]) as given (product_id, name, sku)
         where l.connection_id = $1 and l.product_id = given.product_id and l.standing = 'new'
           and given.name <> '' and (l.name, l.sku) is distinct from (given.name, given.sku)",
        connection_id.0,
        &ids,
        &names,
        &skus,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes everything of a link that a visit may move.
pub async fn save(db: &mut Db, link: &Link, now: Instant) -> Result<()> {
    sqlx::query!(
        "update links set r_item_id = $3, e_product_id = $4, standing = $5, shadow = $6, holds = $7,
                owed_on_r = $8, name = $9, sku = $10, enabled = $11, proven_at = $12,
                linked_at = case when $3::bigint is null or $4::bigint is null then null
                                 else coalesce(linked_at, $13) end
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
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Takes the half link of an E-Series product out of the way, so that `heir` can have that product. Its
/// notices move to the heir. False when the product belongs to a link with an R-Series half.
pub async fn absorb_half(
    db: &mut Db,
    connection_id: ConnectionId,
    e_product_id: i64,
    heir: ProductId,
) -> Result<bool> {
    let Some(half) = by_e_product(&mut *db, connection_id, e_product_id).await? else { return Ok(true) };
    if half.product_id == heir {
        return Ok(true);
    }
    if half.r_item_id.is_some() {
        return Ok(false);
    }
    sqlx::query!(
        "update inbox set product_id = $3 where connection_id = $1 and product_id = $2",
        connection_id.0,
        half.product_id.0,
        heir.0,
    )
    .execute(&mut *db)
    .await?;
    delete(db, connection_id, half.product_id).await?;
    Ok(true)
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

/// A row of the product list: the link, and its place in the dirty set.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The link.
    pub link: Link,
    /// Waits or is being visited.
    pub waiting: bool,
    /// Why it is parked: code and words.
    pub parked: Option<(String, String)>,
    /// Fields in open conflict.
    pub conflicts: i64,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only this product.
    pub product_id: Option<ProductId>,
    /// Exactly this SKU.
    pub sku: Option<String>,
    /// Name or SKU containing this, ignoring case.
    pub text: Option<String>,
    /// `in_step`, `waiting`, `parked`, `conflict` or `unlinked`.
    pub state: Option<String>,
    /// Continue behind this product.
    pub after: Option<ProductId>,
    /// At most so many.
    pub limit: i64,
}

/// Lists products in the order of their ids, which is the order in which Concord met them.
pub async fn list(db: &mut Db, connection_id: ConnectionId, query: &ListQuery) -> Result<Vec<Listed>> {
    let rows = sqlx::query!(
        r#"select * from (
             select l.connection_id, l.product_id, l.r_item_id, l.e_product_id, l.standing, l.shadow, l.holds,
                    l.owed_on_r, l.name, l.sku, l.enabled, l.proven_at,
                    (d.product_id is not null and d.parked_at is null) as "waiting!",
                    d.park_code, d.park_reason,
                    (select count(*) from conflicts c
                     where c.connection_id = l.connection_id and c.product_id = l.product_id
                       and c.state = 'open') as "conflicts!",
                    case when d.parked_at is not null then 'parked'
                         when d.product_id is not null then 'waiting'
                         when exists (select 1 from conflicts c
                                      where c.connection_id = l.connection_id and c.product_id = l.product_id
                                        and c.state = 'open') then 'conflict'
                         when l.holds <> '{}'::jsonb then 'parked'
                         when l.r_item_id is null or l.e_product_id is null then 'unlinked'
                         else 'in_step' end as "state!"
             from links l left join dirty d using (connection_id, product_id)
             where l.connection_id = $1
               and ($2::uuid is null or l.product_id = $2)
               and ($3::text is null or l.sku = $3)
               and ($4::text is null or position(lower($4) in lower(l.name)) > 0
                                     or position(lower($4) in lower(l.sku)) > 0)
               and ($5::uuid is null or l.product_id > $5)
           ) listed
           where ($6::text is null or listed."state!" = $6)
           order by product_id limit $7"#,
        connection_id.0,
        query.product_id.map(|product| product.0),
        query.sku,
        query.text,
        query.after.map(|product| product.0),
        query.state,
        query.limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let link = Link::try_from(Row {
                connection_id: row.connection_id,
                product_id: row.product_id,
                r_item_id: row.r_item_id,
                e_product_id: row.e_product_id,
                standing: row.standing,
                shadow: row.shadow,
                holds: row.holds,
                owed_on_r: row.owed_on_r,
                name: row.name,
                sku: row.sku,
                enabled: row.enabled,
                proven_at: row.proven_at,
            })?;
            Ok(Listed {
                link,
                waiting: row.waiting,
                parked: row.park_code.zip(row.park_reason),
                conflicts: row.conflicts,
            })
        })
        .collect()
}
