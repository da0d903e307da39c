//! Facts about this installation.

use super::{Db, Result};

/// A fact.
pub async fn get(db: &mut Db, key: &str) -> Result<Option<String>> {
    Ok(sqlx::query_scalar!("select value from instance where key = $1", key).fetch_optional(db).await?)
}

/// Writes a fact down unless it is there already; returns what is there.
pub async fn put_once(db: &mut Db, key: &str, value: &str) -> Result<String> {
    sqlx::query!("insert into instance (key, value) values ($1, $2) on conflict do nothing", key, value)
        .execute(&mut *db)
        .await?;
    Ok(get(db, key).await?.unwrap_or_else(|| value.to_owned()))
}
