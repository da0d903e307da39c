//! Lists of products.

use super::{Link, Row};
use crate::ids::{ConnectionId, ProductId};
use crate::store::{Db, Result};

/// A row of the product list: the link, and its place in the dirty set.
#[derive(Debug, Clone)]
pub struct Listed {
    /// The link.
    pub link: Link,
    /// Waits or is being visited.
    pub waiting: bool,
    /// Why it is parked: code and words.
    pub parked: Option<(String, String)>,
    /// Fields in open conflict, those of its variants included.
    pub conflicts: i64,
    /// As in [`ListQuery::state`]; of a product with variants, what is to be said of any of them.
    pub state: String,
    /// Its variants; a product without is one.
    pub variants: i64,
    /// Why a variant of it is parked: code, and words with its SKU.
    pub variant_parked: Option<(String, String)>,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct ListQuery {
    /// Only this product.
    pub product_id: Option<ProductId>,
    /// The variants of this product, instead of whole products.
    pub variants_of: Option<ProductId>,
    /// Variants beside whole products, each standing for itself.
    pub with_variants: bool,
    /// Exactly this SKU, of the product or of one of its variants.
    pub sku: Option<String>,
    /// Name or SKU containing this, of the product or of one of its variants, ignoring case.
    pub text: Option<String>,
    /// `in_step`, `waiting`, `parked`, `conflict` or `unlinked`; with the last one, variations that only E-Series has
    /// are listed, too, beside whole products.
    pub state: Option<String>,
    /// Continue behind this product.
    pub after: Option<ProductId>,
    /// At most so many.
    pub limit: i64,
}

/// Lists products in the order of their ids, which is the order in which Concord met them.
pub async fn list(db: &mut Db, connection_id: ConnectionId, query: &ListQuery) -> Result<Vec<Listed>> {
    let rows = sqlx::query!(
        r#"with own as not materialized (
             select l.connection_id, l.product_id, l.parent_id,
                    d.product_id is not null and d.parked_at is null as waiting,
                    d.parked_at is not null as parked, d.park_code, d.park_reason,
                    (select count(*) from conflicts c
                     where c.connection_id = l.connection_id and c.product_id = l.product_id
                       and c.state = 'open') as conflicts,
                    l.holds <> '{}'::jsonb as held,
                    hold.reason as held_reason, hold.code as held_code
             from links l left join dirty d using (connection_id, product_id)
             left join lateral (
                 select hold.value->>'reason' as reason, hold.value->>'code' as code
                 from jsonb_each(l.holds) hold order by hold.key limit 1
             ) hold on true
             where l.connection_id = $1
           )
           select * from (
             select l.connection_id, l.product_id, l.r_item_id, l.r_matrix_id, l.e_product_id, l.e_combination_id,
                    l.parent_id, l.standing, l.shadow, l.holds,
                    l.owed_on_r, l.owed_shop_id, l.r_stock_shops, l.name, l.sku, l.enabled, l.proven_at,
                    own.waiting or coalesce(kids.waiting, false) as "waiting!",
                    own.park_code, own.park_reason,
                    (own.conflicts + coalesce(kids.conflicts, 0))::bigint as "conflicts!",
                    greatest(kids.variants, 1) as "variants!",
                    kids.reason as variant_reason, kids.code as variant_code,
                    case when own.parked or kids.parked then 'parked'
                         when own.waiting or kids.waiting then 'waiting'
                         when own.conflicts + coalesce(kids.conflicts, 0) > 0 then 'conflict'
                         when own.held or kids.held then 'parked'
                         when coalesce(l.r_item_id, l.r_matrix_id) is null or l.e_product_id is null then 'unlinked'
                         else 'in_step' end as "state!"
             from links l join own using (connection_id, product_id)
             left join lateral (
                 select count(*) as variants, bool_or(k.waiting) filter (where not $9) as waiting,
                        bool_or(k.parked) filter (where not $9) as parked,
                        bool_or(k.held) filter (where not $9) as held,
                        sum(k.conflicts) filter (where not $9) as conflicts,
                        min(c.sku || ': ' || coalesce(k.park_reason, k.held_reason)) filter (where not $9) as reason,
                        (array_agg(coalesce(k.park_code, k.held_code)
                                   order by c.sku || ': ' || coalesce(k.park_reason, k.held_reason))
                             filter (where not $9))[1] as code
                 from links c join own k using (connection_id, product_id)
                 where c.connection_id = l.connection_id and c.parent_id = l.product_id
             ) kids on true
             where l.connection_id = $1
               and ($2::uuid is null or l.product_id = $2)
               and ($3::text is null or l.sku = $3
                    or exists (select 1 from links c where c.connection_id = l.connection_id
                                 and c.parent_id = l.product_id and c.sku = $3))
               and ($4::text is null or position(lower($4) in lower(l.name)) > 0
                    or position(lower($4) in lower(l.sku)) > 0
                    or exists (select 1 from links c where c.connection_id = l.connection_id
                                 and c.parent_id = l.product_id
                                 and (position(lower($4) in lower(c.name)) > 0
                                      or position(lower($4) in lower(c.sku)) > 0)))
               and ($5::uuid is null or l.product_id > $5)
               and ($8::uuid is null and (l.parent_id is null or $2::uuid is not null or $9
                                          or $6 = 'unlinked' and l.standing = 'only_online')
                    or l.parent_id = $8)
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
        query.variants_of.map(|product| product.0),
        query.with_variants,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let link = Link::try_from(Row {
                connection_id: row.connection_id,
                product_id: row.product_id,
                r_item_id: row.r_item_id,
                r_matrix_id: row.r_matrix_id,
                e_product_id: row.e_product_id,
                e_combination_id: row.e_combination_id,
                parent_id: row.parent_id,
                standing: row.standing,
                shadow: row.shadow,
                holds: row.holds,
                owed_on_r: row.owed_on_r,
                owed_shop_id: row.owed_shop_id,
                r_stock_shops: row.r_stock_shops,
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
                state: row.state,
                variants: row.variants,
                variant_parked: row.variant_code.zip(row.variant_reason),
            })
        })
        .collect()
}
