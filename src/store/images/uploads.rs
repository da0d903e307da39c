//! What became of the shop's pictures on E-Series, one row for each of a product.

use std::collections::BTreeSet;

use crate::clock::Instant;
use crate::ids::{ConnectionId, ProductId};
use crate::store::{Db, Result};

/// What became of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was uploaded; where E-Series shows its original, once that is known.
    Online(Option<String>),
    /// E-Series was told where it is, and has not been seen to have it yet; where it shows its original.
    Promised(Option<String>),
    /// It was promised and never came: its bytes are to be uploaded.
    Missed,
    /// It is parked.
    Refused {
        /// For programs.
        code: String,
        /// For the merchant.
        reason: String,
    },
}

impl Fate {
    /// Where E-Series shows its original, as far as that is known.
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        match self {
            Self::Online(url) | Self::Promised(url) => url.as_deref(),
            Self::Missed | Self::Refused { .. } => None,
        }
    }
}

/// One picture of R-Series and what became of it on E-Series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `imageID`.
    pub r_image_id: i64,
    /// `publicID`.
    pub public_id: String,
    /// The product, and its variation, that it was meant for.
    pub e_half: (i64, Option<i64>),
    /// What became of it.
    pub fate: Fate,
    /// When.
    pub at: Instant,
}

/// The pictures of a product.
pub async fn of(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<Vec<Image>> {
    let rows = sqlx::query!(
        "select r_image_id, public_id, e_product_id, e_combination_id, e_url, state, code, reason, at
         from images where connection_id = $1 and product_id = $2 order by r_image_id, public_id",
        connection_id.0,
        product_id.0,
    )
    .fetch_all(db)
    .await?;
    let image = |row_state: &str, url, code: Option<String>, reason: Option<String>| match row_state {
        "online" => Fate::Online(url),
        "promised" => Fate::Promised(url),
        "missed" => Fate::Missed,
        _ => Fate::Refused { code: code.unwrap_or_default(), reason: reason.unwrap_or_default() },
    };
    Ok(rows
        .into_iter()
        .map(|row| Image {
            r_image_id: row.r_image_id,
            public_id: row.public_id,
            e_half: (row.e_product_id, row.e_combination_id),
            fate: image(&row.state, row.e_url, row.code, row.reason),
            at: row.at,
        })
        .collect())
}

/// Where the shop's pictures stand on a product of E-Series and its variations, as far as that is known.
pub async fn urls_on(
    db: &mut Db,
    connection_id: ConnectionId,
    e_product_id: i64,
) -> Result<BTreeSet<String>> {
    let urls = sqlx::query_scalar!(
        r#"select e_url as "e_url!" from images
           where connection_id = $1 and e_product_id = $2 and e_url is not null"#,
        connection_id.0,
        e_product_id,
    )
    .fetch_all(db)
    .await?;
    Ok(urls.into_iter().collect())
}

/// Writes down what became of a picture.
pub async fn put(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    image: &Image,
) -> Result<()> {
    let (state, url, code, reason) = match &image.fate {
        Fate::Online(url) => ("online", url.as_deref(), None, None),
        Fate::Promised(url) => ("promised", url.as_deref(), None, None),
        Fate::Missed => ("missed", None, None, None),
        Fate::Refused { code, reason } => ("refused", None, Some(code.as_str()), Some(reason.as_str())),
    };
    let (e_product_id, e_combination_id) = image.e_half;
    sqlx::query!(
        "insert into images (connection_id, product_id, r_image_id, public_id, e_product_id, e_combination_id, e_url,
                             state, code, reason, at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         on conflict (connection_id, product_id, r_image_id, public_id) do update
         set e_product_id = excluded.e_product_id, e_combination_id = excluded.e_combination_id,
             e_url = excluded.e_url, state = excluded.state, code = excluded.code, reason = excluded.reason,
             at = excluded.at",
        connection_id.0,
        product_id.0,
        image.r_image_id,
        image.public_id,
        e_product_id,
        e_combination_id,
        url,
        state,
        code,
        reason,
        image.at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets what became of these pictures of a product.
pub async fn forget(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    pictures: &[(i64, String)],
) -> Result<()> {
    let (images, public): (Vec<i64>, Vec<String>) = pictures.iter().cloned().unzip();
    sqlx::query!(
        "delete from images i using unnest($3::bigint[], $4::text[]) as given (r_image_id, public_id)
         where i.connection_id = $1 and i.product_id = $2
           and i.r_image_id = given.r_image_id and i.public_id = given.public_id",
        connection_id.0,
        product_id.0,
        &images,
        &public,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whether a product has pictures to be tried again: those that are parked are forgotten, and looked at as if they
/// were new.
pub async fn again(db: &mut Db, connection_id: ConnectionId, product_id: ProductId) -> Result<()> {
    sqlx::query!(
        "with again as (
             delete from images where connection_id = $1 and product_id = $2 and state = 'refused' returning 1
         )
         update image_owners o set news = news + 1
         from links l
         where l.connection_id = $1 and l.product_id = $2 and exists (select from again)
           and o.connection_id = $1
           and (o.owner = 'item' and o.owner_id = l.r_item_id or o.owner = 'matrix' and o.owner_id = l.r_matrix_id)",
        connection_id.0,
        product_id.0,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Products with pictures that are parked for this reason since before `before`.
pub async fn parked_since(
    db: &mut Db,
    connection_id: ConnectionId,
    code: &str,
    before: Instant,
) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select distinct product_id from images
         where connection_id = $1 and state = 'refused' and code = $2 and at < $3 order by product_id",
        connection_id.0,
        code,
        before,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Products that show pictures which are promised since before `before`, or have missed. Not those that are parked: their
/// visits do not come to their pictures.
pub async fn promised_since(
    db: &mut Db,
    connection_id: ConnectionId,
    before: Instant,
) -> Result<Vec<ProductId>> {
    let rows = sqlx::query_scalar!(
        "select distinct i.product_id
         from images i join links l using (connection_id, product_id)
           left join dirty d using (connection_id, product_id)
         where i.connection_id = $1 and i.state in ('promised', 'missed') and i.at < $2
           and l.e_product_id = i.e_product_id and l.e_combination_id is not distinct from i.e_combination_id
           and l.standing not in ('archived', 'gone_in_shop', 'gone_online') and d.parked_at is null
         order by product_id",
        connection_id.0,
        before,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// Which of these pictures were tried on any product.
pub async fn tried(db: &mut Db, connection_id: ConnectionId, images: &[i64]) -> Result<BTreeSet<i64>> {
    let tried = sqlx::query_scalar!(
        "select distinct r_image_id from images where connection_id = $1 and r_image_id = any($2)",
        connection_id.0,
        images,
    )
    .fetch_all(db)
    .await?;
    Ok(tried.into_iter().collect())
}
