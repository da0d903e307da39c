//! The database of a world: what lies in it, and what happens to it.

use std::collections::BTreeMap;

use sqlx::{AssertSqlSafe, ConnectOptions};

use super::{World, admin};

impl World {
    /// The secrets as they lie in the database.
    pub async fn secrets(&self) -> BTreeMap<String, Vec<u8>> {
        let options: sqlx::postgres::PgConnectOptions = self.url.parse().unwrap();
        let mut db = options.connect().await.unwrap();
        let rows: Vec<(String, Vec<u8>)> =
            sqlx::query_as("select kind, sealed from secrets").fetch_all(&mut db).await.unwrap();
        rows.into_iter().collect()
    }

    /// Everything that lies in the database, as text.
    pub async fn dump(&self) -> String {
        let options: sqlx::postgres::PgConnectOptions = self.url.parse().unwrap();
        let mut db = options.connect().await.unwrap();
        let tables: Vec<String> =
            sqlx::query_scalar("select tablename::text from pg_tables where schemaname = 'public'")
                .fetch_all(&mut db)
                .await
                .unwrap();
        let mut dump = String::new();
        for table in tables {
            let statement =
                format!("select coalesce(string_agg(row_to_json(t)::text, chr(10)), '') from {table} t");
            let rows: String = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(&mut db).await.unwrap();
            dump.push_str(&rows);
        }
        dump
    }

    /// Waits until the database has taken back what a dead worker left open.
    pub async fn rolled_back(&self) {
        let options: sqlx::postgres::PgConnectOptions = self.url.parse().unwrap();
        let mut db = options.connect().await.unwrap();
        loop {
            let open: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid() and state <> 'idle'",
            )
            .fetch_one(&mut db)
            .await
            .unwrap();
            if open == 0 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Cuts every connection to the database, as a restart of it does.
    pub async fn cut_database(&self) {
        self.sql(
            "select pg_terminate_backend(pid) from pg_stat_activity
             where datname = current_database() and pid <> pg_backend_pid()",
        )
        .await;
    }

    /// Ids of all events in the inbox.
    pub async fn inbox_events(&self) -> Vec<String> {
        let options: sqlx::postgres::PgConnectOptions = self.url.parse().unwrap();
        let mut db = options.connect().await.unwrap();
        sqlx::query_scalar("select event_id from inbox").fetch_all(&mut db).await.unwrap()
    }

    pub async fn sql(&self, statement: &str) {
        admin(&self.url, statement).await;
    }

    /// What was written so far was written long ago: whoever plays the same scene again is not setting it back.
    pub async fn let_bygones_be(&self) {
        self.sql("update ledger set at = at - interval '1 hour'").await;
    }

    pub async fn sql_text(&self, statement: &str) -> String {
        let options: sqlx::postgres::PgConnectOptions = self.url.parse().unwrap();
        let mut db = options.connect().await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&mut db).await.unwrap()
    }

    pub async fn sql_count(&self, statement: &str) -> i64 {
        let options: sqlx::postgres::PgConnectOptions = self.url.parse().unwrap();
        let mut db = options.connect().await.unwrap();
        sqlx::query_scalar(AssertSqlSafe(statement.to_owned())).fetch_one(&mut db).await.unwrap()
    }
}
