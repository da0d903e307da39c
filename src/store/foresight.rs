//! What is known of all products of a connection, for looking ahead.

use super::shop_counts::ShopCounts;
use super::{Db, Result, typed, word};
use crate::catalog::{Field, Value};
use crate::decide::Shadow;
use crate::ids::{ConnectionId, ProductId};

/// A product that is on both sides.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    /// Id.
    pub product_id: ProductId,
    /// Name.
    pub name: String,
    /// SKU.
    pub sku: String,
    /// What each side showed when last in step.
    pub shadow: Shadow,
    /// What each shop of R-Series has, if it was seen.
    pub counts: Option<ShopCounts>,
}

/// Up to `limit` products that are on both sides, variants too, in the order of their ids.
pub async fn known(
    db: &mut Db,
    connection_id: ConnectionId,
    after: Option<ProductId>,
    limit: i64,
) -> Result<Vec<Known>> {
    let rows = sqlx::query!(
        r#"select l.product_id, l.name, l.sku, l.shadow, c.counts as "counts?"
           from links l left join shop_counts c using (connection_id, product_id)
           where l.connection_id = $1 and l.e_product_id is not null
             and coalesce(l.r_item_id, l.r_matrix_id) is not null and ($2::uuid is null or l.product_id > $2)
           order by l.product_id limit $3"#,
        connection_id.0,
        after.map(|product| product.0),
        limit,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Known {
                product_id: ProductId(row.product_id),
                name: row.name,
                sku: row.sku,
                shadow: typed(row.shadow, "links.shadow")?,
                counts: row.counts.map(|counts| typed(counts, "shop_counts.counts")).transpose()?,
            })
        })
        .collect()
}

/// Fields that wait for a choice, with what either side says.
pub async fn waiting(
    db: &mut Db,
    connection_id: ConnectionId,
) -> Result<Vec<(ProductId, Field, Value, Value)>> {
    let rows = sqlx::query!(
        "select product_id, field, r_value, e_value from conflicts where connection_id = $1 and state = 'open'",
        connection_id.0,
    )
    .fetch_all(db)
    .await?;
    let mut found = Vec::new();
    for row in rows {
        let field = word(Field::parse(&row.field), "conflicts.field", &row.field)?;
        // A value that cannot be read is no value to look ahead with.
        if let (Ok(r), Ok(e)) = (Value::from_json(field, &row.r_value), Value::from_json(field, &row.e_value))
        {
            found.push((ProductId(row.product_id), field, r, e));
        }
    }
    Ok(found)
}
