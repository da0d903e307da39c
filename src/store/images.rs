//! Pictures: whose are news, what the shop was seen to have, and what was uploaded where (`uploads`).

mod uploads;

use std::collections::BTreeMap;

pub use self::uploads::{Fate, Image, again, forget, of, parked_since, promised_since, put, tried, urls_on};
use super::{Db, Result, word};
use crate::clock::Instant;
use crate::ids::{ConnectionId, ProductId};

/// Parked because the host of the shop's pictures does not give it out; tried again by the sweep.
pub const UNREACHABLE: &str = "picture_unreachable";

/// What a picture belongs to on R-Series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// `itemID`.
    Item(i64),
    /// `itemMatrixID`.
    Matrix(i64),
}

impl Owner {
    /// The word and the id in the database.
    fn parts(self) -> (&'static str, i64) {
        match self {
            Self::Item(id) => ("item", id),
            Self::Matrix(id) => ("matrix", id),
        }
    }

    fn parse(owner: &str, id: i64) -> Result<Self> {
        let parsed = match owner {
            "item" => Some(Self::Item(id)),
            "matrix" => Some(Self::Matrix(id)),
            _ => None,
        };
        word(parsed, "image_owners.owner", owner)
    }
}

fn columns(owners: &[Owner]) -> (Vec<String>, Vec<i64>) {
    let mut owners = owners.to_vec();
    owners.sort_unstable();
    owners.dedup();
    owners.into_iter().map(Owner::parts).map(|(owner, id)| (owner.to_owned(), id)).unzip()
}

/// What is known of the pictures of an item or a matrix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Whose they are.
    pub owner: Owner,
    /// Counts reasons to look.
    pub news: i64,
    /// The count at the last complete visit.
    pub seen: i64,
    /// What R-Series had then; none when they were never carried.
    pub carried: Option<String>,
    /// The E-Series product, and its variation, that they were carried to.
    pub e_half: (Option<i64>, Option<i64>),
    /// E-Series was not seen to have some of them yet.
    pub promised: bool,
}

impl Known {
    /// Nothing, of pictures that R-Series was never seen to have.
    #[must_use]
    pub fn nothing(owner: Owner) -> Self {
        Self { owner, news: 0, seen: 0, carried: None, e_half: (None, None), promised: false }
    }

    /// Has a visit to look at them, for this half on E-Series?
    #[must_use]
    pub fn is_due(&self, e_half: (Option<i64>, Option<i64>)) -> bool {
        self.news > self.seen || self.e_half != e_half
    }

    /// Is all that is known of them what one poll has shown, with no word since?
    #[must_use]
    pub fn is_as_sighted(&self) -> bool {
        self.news == 1 && self.seen == 0 && self.carried.is_none()
    }
}

/// Something is new about the pictures of these. Mark their products as well, before: rows of the dirty set are
/// locked first.
pub async fn news(db: &mut Db, connection_id: ConnectionId, owners: &[Owner]) -> Result<()> {
    let (owners, ids) = columns(owners);
    sqlx::query!(
        "insert into image_owners as o (connection_id, owner, owner_id)
         select $1, owner, id from unnest($2::text[], $3::bigint[]) as new (owner, id)
         on conflict (connection_id, owner, owner_id) do update set news = o.news + 1",
        connection_id.0,
        &owners,
        &ids,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The products of these, as far as Concord has heard of them.
pub async fn products_of(
    db: &mut Db,
    connection_id: ConnectionId,
    owners: &[Owner],
) -> Result<Vec<ProductId>> {
    let (owners, ids) = columns(owners);
    let rows = sqlx::query_scalar!(
        "select l.product_id from links l join unnest($2::text[], $3::bigint[]) as given (owner, id)
           on given.owner = 'item' and l.r_item_id = given.id
              or given.owner = 'matrix' and l.r_matrix_id = given.id
         where l.connection_id = $1",
        connection_id.0,
        &owners,
        &ids,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(ProductId).collect())
}

/// What is known of the pictures of these.
pub async fn known(
    db: &mut Db,
    connection_id: ConnectionId,
    owners: &[Owner],
) -> Result<BTreeMap<Owner, Known>> {
    let (owners, ids) = columns(owners);
    let rows = sqlx::query!(
        r#"select o.owner, o.owner_id, o.news, o.seen, o.carried, o.e_product_id, o.e_combination_id,
                  exists (select from images i join links l using (connection_id, product_id)
                          where i.connection_id = $1 and i.state in ('promised', 'missed')
                            and (o.owner = 'item' and l.r_item_id = o.owner_id
                                 or o.owner = 'matrix' and l.r_matrix_id = o.owner_id)) as "promised!"
           from image_owners o join unnest($2::text[], $3::bigint[]) as given (owner, id)
             on o.owner = given.owner and o.owner_id = given.id
           where o.connection_id = $1"#,
        connection_id.0,
        &owners,
        &ids,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|row| {
            let owner = Owner::parse(&row.owner, row.owner_id)?;
            let e_half = (row.e_product_id, row.e_combination_id);
            let known = Known {
                owner,
                news: row.news,
                seen: row.seen,
                carried: row.carried,
                e_half,
                promised: row.promised,
            };
            Ok((owner, known))
        })
        .collect()
}

/// The pictures have been carried, as R-Series had them, or as far as they could be (then there is no `carried`); what
/// became news meanwhile stays news.
pub async fn carried(
    db: &mut Db,
    connection_id: ConnectionId,
    known: &Known,
    carried: Option<&str>,
    (e_product_id, e_combination_id): (i64, Option<i64>),
) -> Result<()> {
    let (owner, id) = known.owner.parts();
    sqlx::query!(
        "insert into image_owners as o
             (connection_id, owner, owner_id, news, seen, carried, e_product_id, e_combination_id)
         values ($1, $2, $3, $4, $4, $5, $6, $7)
         on conflict (connection_id, owner, owner_id) do update
         set seen = greatest(o.seen, excluded.seen), carried = excluded.carried,
             e_product_id = excluded.e_product_id, e_combination_id = excluded.e_combination_id",
        connection_id.0,
        owner,
        id,
        known.news,
        carried,
        e_product_id,
        e_combination_id,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A picture as R-Series was seen to have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sighting {
    /// `imageID`.
    pub r_image_id: i64,
    /// Whose it is.
    pub owner: Owner,
    /// Hash of what is carried of it.
    pub digest: String,
    /// What is carried of it.
    pub record: serde_json::Value,
}

/// Writes down what was seen in a walk or poll that began at `began`, and returns whose pictures are news.
pub async fn see(
    db: &mut Db,
    connection_id: ConnectionId,
    sightings: &[Sighting],
    began: Instant,
) -> Result<Vec<Owner>> {
    let once: BTreeMap<i64, &Sighting> =
        sightings.iter().map(|sighting| (sighting.r_image_id, sighting)).collect();
    let images: Vec<i64> = once.keys().copied().collect();
    let (owners, ids): (Vec<String>, Vec<i64>) =
        once.values().map(|it| it.owner.parts()).map(|(owner, id)| (owner.to_owned(), id)).unzip();
    let digests: Vec<String> = once.values().map(|sighting| sighting.digest.clone()).collect();
    let records: Vec<serde_json::Value> = once.values().map(|sighting| sighting.record.clone()).collect();
    let rows = sqlx::query!(
        r#"with listed as (
             select * from unnest($2::bigint[], $3::text[], $4::bigint[], $5::text[], $7::jsonb[])
               as listed (r_image_id, owner, owner_id, digest, record)
         ), known as (
             select s.r_image_id, s.owner, s.owner_id, s.digest from image_sightings s join listed using (r_image_id)
             where s.connection_id = $1
         ), noted as (
             insert into image_sightings as s (connection_id, r_image_id, owner, owner_id, digest, record, seen_at)
             select $1, r_image_id, owner, owner_id, digest, record, $6 from listed order by r_image_id
             on conflict (connection_id, r_image_id) do update
             set owner = excluded.owner, owner_id = excluded.owner_id, digest = excluded.digest,
                 record = excluded.record, seen_at = greatest(s.seen_at, excluded.seen_at)
         )
         select l.owner as "owner!", l.owner_id as "owner_id!"
         from listed l left join known k using (r_image_id)
         where (k.owner, k.owner_id, k.digest) is distinct from (l.owner, l.owner_id, l.digest)
         union
         select k.owner, k.owner_id from listed l join known k using (r_image_id)
         where (k.owner, k.owner_id) is distinct from (l.owner, l.owner_id)"#,
        connection_id.0,
        &images,
        &owners,
        &ids,
        &digests,
        began,
        &records,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| Owner::parse(&row.owner, row.owner_id)).collect()
}

/// What polls and walks have shown of the pictures of these.
pub async fn sighted(
    db: &mut Db,
    connection_id: ConnectionId,
    owners: &[Owner],
) -> Result<BTreeMap<Owner, Vec<serde_json::Value>>> {
    let (owners, ids) = columns(owners);
    let rows = sqlx::query!(
        r#"select s.owner, s.owner_id, s.record
           from image_sightings s
             join unnest($2::text[], $3::bigint[]) as wanted (owner, owner_id)
               on wanted.owner = s.owner and wanted.owner_id = s.owner_id
           where s.connection_id = $1 order by s.r_image_id"#,
        connection_id.0,
        &owners,
        &ids,
    )
    .fetch_all(db)
    .await?;
    let mut sighted = BTreeMap::<Owner, Vec<serde_json::Value>>::new();
    for row in rows {
        sighted.entry(Owner::parse(&row.owner, row.owner_id)?).or_default().push(row.record);
    }
    Ok(sighted)
}

/// Forgets pictures that a walk which began at `began` did not see, although they were known before, and returns
/// whose they were: that is no proof that they are gone, but a reason to look.
pub async fn not_seen(db: &mut Db, connection_id: ConnectionId, began: Instant) -> Result<Vec<Owner>> {
    let rows = sqlx::query!(
        "delete from image_sightings where connection_id = $1 and seen_at < $2 returning owner, owner_id",
        connection_id.0,
        began,
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| Owner::parse(&row.owner, row.owner_id)).collect()
}

/// What a product had on E-Series when it was removed there, if its newest creation brought it back from that. Of a
/// variant, `whole` is its product.
pub async fn brought_back(
    db: &mut Db,
    connection_id: ConnectionId,
    product_id: ProductId,
    whole: ProductId,
) -> Result<Option<serde_json::Value>> {
    let row = sqlx::query_scalar!(
        "select (select r.before from ledger r
                 where r.connection_id = $1 and r.product_id in ($2, $3) and r.kind = 'remove'
                   and r.result = 'landed' and r.entry_id < c.entry_id
                   and not exists (select from ledger m
                                   where m.connection_id = $1 and m.product_id = $2 and m.kind in ('create', 'link')
                                     and m.result = 'landed' and m.entry_id > r.entry_id and m.entry_id < c.entry_id)
                 order by r.entry_id desc limit 1)
         from ledger c
         where c.connection_id = $1 and c.product_id = $2 and c.kind in ('create', 'link') and c.result = 'landed'
         order by c.entry_id desc limit 1",
        connection_id.0,
        product_id.0,
        whole.0,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.flatten())
}
