//! The database of a world: what lies in it, and what happens to it.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use concord::store::Store;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::sync::OnceCell;

use super::World;

/// Databases that a world has left as empty as it found them: emptying one costs less than a new one.
static SWEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Empties every table, and lets nobody who is still connected go on.
const EMPTY: &str = "do $$ begin
    perform pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid();
    execute (select 'truncate ' || string_agg(quote_ident(relname), ', ') || ' restart identity'
        from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')
        and relname <> '_sqlx_migrations');
    perform setval(seqrelid::regclass, seqstart, false) from pg_sequence;
end $$";

/// A database of its own for one world, cloned from a migrated template.
pub(super) async fn fresh() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    static TEMPLATE: OnceCell<(String, String)> = OnceCell::const_new();
    let base = std::env::var("CONCORD_TEST_DATABASE_URL")
        .expect("CONCORD_TEST_DATABASE_URL is not set: run the tests with `make test`");
    let (base, template) = TEMPLATE
        .get_or_init(|| async {
            let template = format!("concord_template_{}", std::process::id());
            admin(&base, &format!("drop database if exists {template}")).await;
            admin(&base, &format!("create database {template}")).await;
            let store = Store::open(&named(&base, &template), 2).unwrap();
            store.migrate().await.unwrap();
            store.close().await;
            (base, template)
        })
        .await
        .clone();
    if let Some(name) = SWEPT.lock().unwrap().pop() {
        return named(&base, &name);
    }
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("concord_test_{}_{number}", std::process::id());
    admin(&base, &format!("create database {name} template {template}")).await;
    named(&base, &name)
}

fn named(base: &str, name: &str) -> String {
    let mut url = url::Url::parse(base).unwrap();
    url.set_path(name);
    url.to_string()
}

async fn admin(base: &str, statement: &str) {
    let options: sqlx::postgres::PgConnectOptions = base.parse().unwrap();
    let mut db: PgConnection = options.connect().await.unwrap();
    sqlx::query(AssertSqlSafe(statement.to_owned())).execute(&mut db).await.unwrap();
    db.close().await.unwrap();
}

impl World {
    /// Ends the world and leaves its database to the next one: for tests with many worlds.
    pub async fn close(self) {
        let url = self.url.clone();
        self.store.close().await;
        drop(self);
        admin(&url, EMPTY).await;
        let name = url::Url::parse(&url).unwrap().path().trim_start_matches('/').to_owned();
        SWEPT.lock().unwrap().push(name);
    }

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
